#include "dtc.h"

#include <errno.h>
#include <libfdt.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"
#include "file.h"
#include "tree.h"

#define TREE_MAX (4u << 20)

/* What a file without a name holds, with a zero byte after it. */
static uint8_t *load_from(int fd, size_t limit, size_t *len)
{
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0 || (uint64_t)end > limit)
		return NULL;
	uint8_t *bytes = memory_get((size_t)end + 1);
	ssize_t got = pread(fd, bytes, (size_t)end, 0);
	if (got != end) {
		free(bytes);
		return NULL;
	}
	*len = (size_t)end;
	return bytes;
}

/* dtc's own first line, which names file and line. */
static enum status report(const char *path, int errors, struct problem *problem)
{
	size_t len = 0;
	char *text = (char *)load_from(errors, 1 << 20, &len);
	const char *line = text ? text : "";
	size_t end = strcspn(line, "\n");

	if (strncmp(line, "Error: ", 7) == 0) {
		line += 7;
		end -= 7;
	}
	problem_set(problem, STATUS_USAGE, path,
		    "is not sound device-tree source (%.*s). Correct it.", (int)end, line);
	free(text);
	return problem->status;
}

static int start(const char *path, int output, int errors, pid_t *pid)
{
	char *argument = memory_text("%s%s", path[0] == '-' ? "./" : "", path);
	char *const words[] = {"dtc", "-q", "-q", "-I", "dts", "-O", "dtb", argument, NULL};
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
	int error = posix_spawnp(pid, "dtc", &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(argument);
	return error;
}

static enum status compile_to(const char *path, int output, int errors, struct problem *problem)
{
	pid_t pid;
	int ended = 0;
	int error = start(path, output, errors, &pid);

	if (error == ENOENT)
		return problem_set(problem, STATUS_USAGE, path,
				   "needs dtc to be read, which is not installed. Install "
				   "device-tree-compiler, or give a compiled tree (.dtb).");
	if (error)
		return problem_set(problem, STATUS_INSTALL_FAILED, "dtc",
				   "cannot be run: %s. Check its installation.", strerror(error));
	while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0)
		return report(path, errors, problem);
	return STATUS_OK;
}

static enum status compile(const char *path, uint8_t **fdt, size_t *len, struct problem *problem)
{
	/* Files without names rather than pipes: dtc never waits for a reader. */
	int output = memfd_create("dtb", MFD_CLOEXEC);
	int errors = memfd_create("errors", MFD_CLOEXEC);

	*fdt = NULL;
	if (output < 0 || errors < 0)
		problem_output(problem, "memory", errno);
	else if (compile_to(path, output, errors, problem) == STATUS_OK &&
		 !(*fdt = load_from(output, TREE_MAX, len)))
		problem_set(problem, STATUS_USAGE, path,
			    "becomes a tree of more than 4 MiB. Name images by file = \"...\";.");
	if (output >= 0)
		close(output);
	if (errors >= 0)
		close(errors);
	return problem->status;
}

enum status dtc_load(const char *path, uint8_t **fdt, struct problem *problem)
{
	size_t len;

	if (file_load(path, TREE_MAX, fdt, &len, problem) != STATUS_OK)
		return problem->status;
	if (!len) {
		problem_set(problem, STATUS_USAGE, path, "is empty. Describe the package in it.");
	} else if (len < 4 || load_be32(*fdt) != FDT_MAGIC) {
		free(*fdt);
		if (compile(path, fdt, &len, problem) != STATUS_OK)
			return problem->status;
	}
	/* Not fdt_check_full(): Debian's reads past short trees, and follows properties to NULL. */
	if (problem->status == STATUS_OK && !tree_is_sound(*fdt, len))
		problem_set(problem, STATUS_USAGE, path,
			    "is a damaged device tree. Compile it again.");
	if (problem->status != STATUS_OK) {
		free(*fdt);
		*fdt = NULL;
	}
	return problem->status;
}
