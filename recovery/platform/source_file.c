#include "platform/source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/package.h"
#include "core/text.h"
#include "platform/sysfs.h"
#include "platform/system.h"
#include "platform/watch.h"

/* File systems without a device of their own have major 0: there is nothing to pull out. */
static bool medium_is_gone(const struct source_file *file)
{
	uint64_t deadline = system_now_ms() + SOURCE_FILE_GONE_MS;

	if (!major(file->medium))
		return false;
	/* Reads fail before the kernel has taken the device away. */
	while (sysfs_exists("/sys/dev/block/%u:%u", major(file->medium), minor(file->medium))) {
		if (system_now_ms() >= deadline)
			return false;
		watch_sleep(NULL, WATCH_POLL_MS);
	}
	return true;
}

static enum detail read_failed(struct source_file *file, int err, struct fault *fault)
{
	enum detail detail = medium_is_gone(file) ? DETAIL_SOURCE_GONE : DETAIL_SOURCE_READ;

	fault_errno(fault, detail, file->source.name, err);
	if (fault)
		fault->offset = file->pos;
	return detail;
}

/* Up to len bytes at off; short only at the end. Returns an errno. */
static int read_at(struct source_file *file, uint64_t off, void *buf, size_t len, size_t *got)
{
	*got = 0;
	while (*got < len) {
		ssize_t n = pread(file->fd, (uint8_t *)buf + *got, len - *got, (off_t)(off + *got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

static enum detail source_file_read(struct source *source, void *buf, size_t len, size_t *got,
				    struct fault *fault)
{
	struct source_file *file = (struct source_file *)source;
	uint64_t left = source->size - file->pos;
	size_t skip;
	int err;

	*got = 0;
	if (len > left)
		len = (size_t)left;
	if (!len)
		return DETAIL_OK;
	if (file->pos < file->at || file->pos - file->at >= file->have) {
		size_t want = left < SOURCE_FILE_BUFFER ? (size_t)left : SOURCE_FILE_BUFFER;

		err = read_at(file, file->pos, file->buffer, want, &file->have);
		file->at = file->pos;
		/* A device that is gone reads as one of no size. A file that became shorter just
		 * ends. */
		if (err || (!file->have && medium_is_gone(file)))
			return read_failed(file, err, fault);
	}
	skip = (size_t)(file->pos - file->at);
	*got = file->have - skip < len ? file->have - skip : len;
	memcpy(buf, file->buffer + skip, *got);
	file->pos += *got;
	return DETAIL_OK;
}

static enum detail source_file_seek(struct source *source, uint64_t off, struct fault *fault)
{
	struct source_file *file = (struct source_file *)source;

	(void)fault;
	file->pos = off < source->size ? off : source->size;
	return DETAIL_OK;
}

static void source_file_close(struct source *source)
{
	struct source_file *file = (struct source_file *)source;

	if (file->fd >= 0)
		close(file->fd);
	free(file->buffer);
	file->buffer = NULL;
	file->fd = -1;
}

static const struct source_ops source_file_ops = {
	.read = source_file_read,
	.seek = source_file_seek,
	.close = source_file_close,
};

/* The length of the package at the start of a device; the device's where there is none. */
static uint64_t package_len(struct source_file *file, uint64_t device_len)
{
	uint8_t raw[PACKAGE_HEADER_LEN], count[8];
	struct package_header header;
	size_t got, signatures_len;
	uint64_t head_len;

	if (read_at(file, 0, raw, sizeof(raw), &got) || got != sizeof(raw) ||
	    package_header_load(raw, &header))
		return device_len;
	head_len = sizeof(raw) + header.manifest_len;
	if (!range_within(head_len, sizeof(count), device_len) ||
	    read_at(file, head_len, count, sizeof(count), &got) || got != sizeof(count) ||
	    package_signatures_len(count, &signatures_len))
		return device_len;
	head_len += signatures_len;
	return range_within(head_len, header.payload_len, device_len)
		       ? head_len + header.payload_len
		       : device_len;
}

static int measure(struct source_file *file)
{
	struct stat st;

	if (fstat(file->fd, &st))
		return errno;
	if (S_ISREG(st.st_mode)) {
		file->medium = st.st_dev;
		file->source.size = (uint64_t)st.st_size;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return S_ISDIR(st.st_mode) ? EISDIR : ESPIPE;
	file->medium = st.st_rdev;
	if (ioctl(file->fd, BLKGETSIZE64, &file->source.size))
		return errno;
	file->source.size = package_len(file, file->source.size);
	return 0;
}

enum detail source_file_open(struct source_file *file, const char *path, struct fault *fault)
{
	int err = 0;

	memset(file, 0, sizeof(*file));
	file->source.ops = &source_file_ops;
	text_copy(file->source.name, sizeof(file->source.name), path);
	/* O_NONBLOCK: a pipe must not hold this up before it is refused. */
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return fault_errno(fault, DETAIL_SOURCE_NOT_FOUND, path, errno);
	err = measure(file);
	if (!err && !(file->buffer = malloc(SOURCE_FILE_BUFFER)))
		err = ENOMEM;
	if (!err) {
		posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		return DETAIL_OK;
	}
	source_file_close(&file->source);
	return fault_errno(fault, DETAIL_SOURCE_NOT_FOUND, path, err);
}
