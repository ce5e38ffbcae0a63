#include "platform/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "platform/format.h"

#define PIPE_WAIT_MS 5000

/* A pipe to which nobody writes must not hold this up; one that somebody fills is waited for. */
static ssize_t read_some(int fd, void *buf, size_t size)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	ssize_t n = read(fd, buf, size);

	if (n < 0 && errno == EAGAIN && poll(&poll_fd, 1, PIPE_WAIT_MS) > 0)
		n = read(fd, buf, size);
	return n;
}

int sysfs_read(const char *path, void *buf, size_t size, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 1;

	*len = 0;
	if (fd < 0)
		return errno;
	while (n && *len < size) {
		n = read_some(fd, (char *)buf + *len, size - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			close(fd);
			return err;
		}
		*len += (size_t)n;
	}
	close(fd);
	return 0;
}

static bool read_line(char *text, size_t size, const char *format, va_list args)
{
	char path[SYSFS_PATH_SIZE];
	size_t len;

	text[0] = 0;
	if (format_text_v(path, sizeof(path), format, args) >= sizeof(path))
		return false;
	if (sysfs_read(path, text, size - 1, &len)) {
		text[0] = 0;
		return false;
	}
	text[len] = 0;
	len = strcspn(text, "\n");
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = 0;
	return true;
}

bool sysfs_text(char *text, size_t size, const char *format, ...)
{
	va_list args;
	bool ok;

	va_start(args, format);
	ok = read_line(text, size, format, args);
	va_end(args);
	return ok;
}

bool sysfs_u64(uint64_t *value, const char *format, ...)
{
	char text[32];
	va_list args;
	bool ok;

	va_start(args, format);
	ok = read_line(text, sizeof(text), format, args);
	va_end(args);
	return ok && !text_parse_u64(text, value);
}

bool sysfs_exists(const char *format, ...)
{
	char path[SYSFS_PATH_SIZE];
	va_list args;
	size_t len;

	va_start(args, format);
	len = format_text_v(path, sizeof(path), format, args);
	va_end(args);
	return len < sizeof(path) && !access(path, F_OK);
}

static int compare(const void *a, const void *b)
{
	return strverscmp(a, b);
}

bool sysfs_list(struct sysfs_names *names, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	names->count = 0;
	if (!dir)
		return false;
	while (names->count < SYSFS_NAMES_MAX && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= SYSFS_NAME_SIZE)
			continue;
		text_copy(names->at[names->count++], SYSFS_NAME_SIZE, entry->d_name);
	}
	closedir(dir);
	qsort(names->at, names->count, SYSFS_NAME_SIZE, compare);
	return true;
}

/* realpath() works on the same, and takes 12 KiB of stack for it. */
bool sysfs_real_path(char path[SYSFS_PATH_SIZE], const char *file)
{
	char link[32];
	int fd = open(file, O_PATH | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	format_text(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, SYSFS_PATH_SIZE);
	close(fd);
	if (len <= 0 || len >= SYSFS_PATH_SIZE || path[0] != '/')
		return false;
	path[len] = 0;
	return true;
}

bool sysfs_block_path(char path[SYSFS_PATH_SIZE], const char *sys, const char *name)
{
	char link[SYSFS_PATH_SIZE];

	return format_text(link, sizeof(link), "%s/block/%s", sys, name) < sizeof(link) &&
	       sysfs_real_path(path, link);
}
