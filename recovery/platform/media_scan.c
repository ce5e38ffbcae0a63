#include "platform/media.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/package.h"
#include "platform/format.h"

#define FOLDER "lifeboat"

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct media_package *)a)->path,
		      ((const struct media_package *)b)->path);
}

/* Keeps a candidate; of too many, the first by path stay, whatever the order in which the folder
 * gives them. */
static void keep(struct media_scan *scan, const char *folder, const char *name, uint64_t size)
{
	struct media_package package = {.size = size};

	if (format_text(package.path, sizeof(package.path), "%s/%s", folder, name) >=
	    sizeof(package.path)) {
		scan->cut = true;
		return;
	}
	if (scan->count == MEDIA_PACKAGES_MAX) {
		scan->cut = true;
		if (by_path(&package, &scan->at[scan->count - 1]) > 0)
			return;
		scan->count--;
	}
	scan->at[scan->count++] = package;
	qsort(scan->at, scan->count, sizeof(scan->at[0]), by_path);
}

static void look_at(struct media_scan *scan, int folder_fd, const char *folder, const char *name)
{
	uint8_t magic[sizeof(package_magic)];
	struct stat st;
	ssize_t len;
	int fd;

	/* Asked first, so that a device node or pipe on the stick is never opened. */
	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		scan->read_errno = errno;
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	len = fd < 0 ? -1 : read(fd, magic, sizeof(magic));
	if (len < 0)
		scan->read_errno = errno;
	if (fd >= 0)
		close(fd);
	if (len == (ssize_t)sizeof(magic) && !memcmp(magic, package_magic, sizeof(magic)))
		keep(scan, folder, name, (uint64_t)st.st_size);
}

/* NOLINTNEXTLINE(misc-no-recursion): once, since below the top folder top is false. */
static void scan_folder(struct media_scan *scan, int parent, const char *folder, const char *name,
			bool top)
{
	int fd = openat(parent, name, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
	char below[256];
	struct dirent *entry;
	size_t entries = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		/* A file of this name is no folder, and no fault either. */
		if (errno != ENOTDIR && errno != ELOOP)
			scan->read_errno = errno;
		if (fd >= 0)
			close(fd);
		return;
	}
	errno = 0;
	while (entries < MEDIA_ENTRIES_MAX && (entry = readdir(dir))) {
		/* Dot files: "._update.boat" is a Mac's note about update.boat. */
		if (entry->d_name[0] == '.')
			continue;
		entries++;
		look_at(scan, fd, folder, entry->d_name);
		if (top && !strcasecmp(entry->d_name, FOLDER) &&
		    format_text(below, sizeof(below), "%s/%s", folder, entry->d_name) <
			    sizeof(below))
			scan_folder(scan, fd, below, entry->d_name, false);
		errno = 0;
	}
	if (errno)
		scan->read_errno = errno;
	scan->cut |= entries == MEDIA_ENTRIES_MAX;
	scan->entries += entries;
	closedir(dir);
}

void media_scan(const char *root, struct media_scan *scan)
{
	memset(scan, 0, sizeof(*scan));
	scan_folder(scan, AT_FDCWD, root, root, true);
}
