#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOPS_MAX 8

static char folder[256];
static char loops[LOOPS_MAX][32];
static size_t loop_count;

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "scratch: %s: %s\n", what, strerror(errno));
	abort();
}

void scratch_begin(void)
{
	const char *parent = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/lifeboat-test-XXXXXX", parent ? parent : "/tmp");
	must(mkdtemp(folder) != NULL, folder);
}

void scratch_end(void)
{
	char command[512];

	while (loop_count) {
		snprintf(command, sizeof(command), "losetup -d %s", loops[--loop_count]);
		must(system(command) == 0, command);
	}
	if (!folder[0])
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	must(system(command) == 0, command);
	folder[0] = 0;
}

const char *scratch(const char *format, ...)
{
	static char paths[8][512];
	static unsigned int next;
	char *path = paths[next++ % 8];
	int len = snprintf(path, sizeof(paths[0]), "%s/", folder);
	va_list args;

	va_start(args, format);
	vsnprintf(path + len, sizeof(paths[0]) - (size_t)len, format, args);
	va_end(args);
	return path;
}

static void make_parents(char *path)
{
	for (char *c = path + strlen(folder) + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = 0;
		must(!mkdir(path, 0755) || errno == EEXIST, path);
		*c = '/';
	}
}

void scratch_folder(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/", scratch("%s", name));
	make_parents(path);
}

void scratch_file(const char *name, const void *content, size_t len)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s", scratch("%s", name));
	make_parents(path);
	file = fopen(path, "w");
	must(file && fwrite(content, 1, len, file) == len && !fclose(file), path);
}

void scratch_text(const char *name, const char *text)
{
	scratch_file(name, text, strlen(text));
}

void scratch_link(const char *name, const char *target)
{
	char path[512];

	snprintf(path, sizeof(path), "%s", scratch("%s", name));
	make_parents(path);
	must(!symlink(target, path), path);
}

const char *scratch_loop(const char *name)
{
	char command[600], *loop = loops[loop_count];
	FILE *pipe;

	if (loop_count == LOOPS_MAX || geteuid())
		return NULL;
	snprintf(command, sizeof(command), "losetup -fP --show '%s' 2>/dev/null",
		 scratch("%s", name));
	pipe = popen(command, "r");
	if (!pipe || !fgets(loop, sizeof(loops[0]), pipe))
		loop[0] = 0;
	loop[strcspn(loop, "\n")] = 0;
	if (!pipe || pclose(pipe) || !loop[0])
		return NULL;
	loop_count++;
	/* A kernel that does not know the table itself is told what is in it. */
	snprintf(command, sizeof(command), "partx -u %s >/dev/null 2>&1", loop);
	return system(command) < 0 ? NULL : loop;
}

int scratch_run(const char *format, ...)
{
	char command[2048];
	int len = snprintf(command, sizeof(command), "cd '%s' && ", folder), status;
	va_list args;

	va_start(args, format);
	vsnprintf(command + len, sizeof(command) - (size_t)len, format, args);
	va_end(args);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
