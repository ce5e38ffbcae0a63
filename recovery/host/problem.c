#include "problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/out.h"

enum status problem_set(struct problem *problem, enum status status, const char *object,
			const char *format, ...)
{
	if (problem->status != STATUS_OK)
		return problem->status;
	problem->status = status;
	int len = snprintf(problem->text, sizeof(problem->text), "%s: ", object);
	size_t used = len < 0 ? 0 : (size_t)len;
	if (used < sizeof(problem->text)) {
		va_list args;
		va_start(args, format);
		vsnprintf(problem->text + used, sizeof(problem->text) - used, format, args);
		va_end(args);
	}
	return status;
}

static enum status status_of(int error, enum status otherwise)
{
	return error == EACCES || error == EPERM ? STATUS_NOT_PERMITTED : otherwise;
}

static const char *input_advice(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "Check the name.";
	case EACCES:
	case EPERM:
		return "Ask its owner for permission to read it.";
	case EISDIR:
		return "Name a file in it.";
	case EFBIG:
		return "Check that it is the right file.";
	default:
		return "Check the medium that it is on.";
	}
}

enum status problem_input(struct problem *problem, const char *path, int error)
{
	return problem_set(problem, status_of(error, STATUS_DOWNLOAD_FAILED), path,
			   "cannot be read: %s. %s", strerror(error), input_advice(error));
}

static const char *output_advice(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "Make its folder first.";
	case EACCES:
	case EPERM:
	case EROFS:
		return "Choose a folder that you may write to.";
	case EISDIR:
		return "Name a file in it.";
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "Free some space or choose another disk; nothing was left behind.";
	case EEXIST:
		return "Choose another name, or move it away.";
	default:
		return "Check the disk that it is on.";
	}
}

enum status problem_output(struct problem *problem, const char *path, int error)
{
	return problem_set(problem, status_of(error, STATUS_INSTALL_FAILED), path,
			   "cannot be written: %s. %s", strerror(error), output_advice(error));
}

/* Core names the object where it is not the package itself. */
static bool is_about_package(const char *object, const char *path)
{
	return !object[0] || strcmp(object, "package") == 0 || strcmp(object, path) == 0;
}

enum status problem_fault(struct problem *problem, const char *path, const struct fault *fault)
{
	const char *about = is_about_package(fault->object, path) ? "" : fault->object;
	const char *advice = detail_advice(fault->detail);
	return problem_set(problem, detail_status(fault->detail), path, "%s%s%s%s%s (code %d).%s%s",
			   about, about[0] ? ": " : "", detail_sentence(fault->detail),
			   fault->sys_errno ? ": " : "",
			   fault->sys_errno ? strerror(fault->sys_errno) : "", (int)fault->detail,
			   advice[0] ? " " : "", advice);
}

static bool is_printable(const char *text, size_t len)
{
	if (len == 1)
		return *text >= ' ' && *text != 0x7f;
	return len && !((unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0);
}

void problem_make_printable(struct problem *problem)
{
	for (char *at = problem->text; *at;) {
		size_t len = utf8_len(at);

		if (is_printable(at, len)) {
			at += len;
			continue;
		}
		*at++ = '?';
	}
}

static void *memory_or_end(void *at)
{
	if (!at) {
		fputs("lifeboat-pack: memory: there is not enough of it. "
		      "Use fewer --jobs or a smaller --chunk-size.\n",
		      stderr);
		exit(STATUS_INSTALL_FAILED);
	}
	return at;
}

void *memory_get(size_t size)
{
	return memory_or_end(calloc(1, size ? size : 1));
}

void *memory_resize(void *at, size_t size)
{
	return memory_or_end(realloc(at, size ? size : 1));
}

char *memory_text(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	return memory_or_end(len < 0 ? NULL : text);
}
