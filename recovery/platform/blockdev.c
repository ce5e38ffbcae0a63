#include "platform/blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_MAX ((uint64_t)64 << 10)

_Static_assert(sizeof(off_t) == 8, "offsets beyond 2 GiB");

static int write_fd(const struct blockdev *b)
{
	return b->write_fd >= 0 ? b->write_fd : b->fd;
}

/* One pass of pread or pwrite: all of it, or an errno. */
static int transfer_all(struct blockdev *b, bool write, uint64_t off, uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = write ? pwrite(write_fd(b), buf, len, (off_t)off)
				  : pread(b->fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EINVAL && b->direct) {
			/* O_DIRECT opens on more file systems than it works on. */
			if (fcntl(b->fd, F_SETFL, fcntl(b->fd, F_GETFL) & ~O_DIRECT))
				return EINVAL;
			b->direct = false;
			continue;
		}
		if (n < 0)
			return errno;
		if (n == 0)
			return write ? ENOSPC : EIO;
		buf += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int check(struct blockdev *b, uint64_t off, size_t len)
{
	if (off > b->dev.size || b->dev.size - off < len || off % b->dev.sector_size ||
	    len % b->dev.sector_size)
		return EINVAL;
	if (!b->bounce)
		b->bounce = aligned_alloc(BLOCKDEV_ALIGN, BLOCKDEV_BOUNCE);
	return b->bounce ? 0 : ENOMEM;
}

/* Makes the page cache let go of clean pages. It drops whole pages only, of at most 64 KiB. */
static void forget_pages(struct blockdev *b, uint64_t off, uint64_t len)
{
	uint64_t start = (b->off + off) & ~(PAGE_MAX - 1);
	uint64_t end = (b->off + off + len + PAGE_MAX - 1) & ~(PAGE_MAX - 1);

	posix_fadvise(write_fd(b), (off_t)start, (off_t)(end - start), POSIX_FADV_DONTNEED);
}

static bool aligned(const void *buf)
{
	return (uintptr_t)buf % BLOCKDEV_ALIGN == 0;
}

static int blockdev_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
	struct blockdev *b = (struct blockdev *)dev;
	int err = check(b, off, len);
	uint8_t *to = buf;

	if (!err && !b->direct)
		forget_pages(b, off, len);
	while (!err && len) {
		bool through = b->direct && !aligned(to);
		size_t part = through && len > BLOCKDEV_BOUNCE ? BLOCKDEV_BOUNCE : len;

		err = transfer_all(b, false, b->off + off, through ? b->bounce : to, part);
		if (!err && through)
			memcpy(to, b->bounce, part);
		to += part;
		off += part;
		len -= part;
	}
	return err;
}

/* Lets the kernel begin with what was written, so that the flush does not have to wait for all of
 * it. */
static void write_behind(struct blockdev *b, uint64_t end, size_t len)
{
	b->behind += len;
	if (b->behind < BLOCKDEV_BEHIND)
		return;
	sync_file_range(write_fd(b), (off_t)(b->off + end - b->behind), (off_t)b->behind,
			SYNC_FILE_RANGE_WRITE);
	b->behind = 0;
}

static int blockdev_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
	struct blockdev *b = (struct blockdev *)dev;
	int err = check(b, off, len);

	if (err || !len)
		return err;
	/* pwrite does not write to its buffer. */
	err = transfer_all(b, true, b->off + off, (uint8_t *)buf, len);
	if (!err)
		write_behind(b, off + len, len);
	return err;
}

static int blockdev_flush(struct dev *dev)
{
	struct blockdev *b = (struct blockdev *)dev;

	while (fdatasync(write_fd(b)))
		if (errno != EINTR)
			return errno;
	b->behind = 0;
	/* Clean pages can be let go: what is read next comes from the medium. */
	forget_pages(b, 0, b->dev.size);
	return 0;
}

static const struct dev_ops blockdev_ops = {
	.read = blockdev_read,
	.write = blockdev_write,
	.flush = blockdev_flush,
};

static int open_direct(struct blockdev *b, const char *path, int flags)
{
	b->fd = open(path, flags | O_DIRECT);
	b->direct = b->fd >= 0;
	if (b->fd < 0 && errno == EINVAL)
		b->fd = open(path, flags);
	if (b->fd < 0)
		return errno;
	/* The claim of O_EXCL is the first descriptor's; this one belongs to the same owner. */
	if (b->direct && (flags & O_ACCMODE) == O_RDWR)
		b->write_fd = open(path, flags & ~O_EXCL);
	return 0;
}

/* Fills size and sector size of the whole device or file. */
static int measure(struct blockdev *b)
{
	struct stat st;
	int sector = 512;

	if (fstat(b->fd, &st))
		return errno;
	b->is_block = S_ISBLK(st.st_mode);
	b->dev.size = (uint64_t)st.st_size;
	if (b->is_block &&
	    (ioctl(b->fd, BLKGETSIZE64, &b->dev.size) || ioctl(b->fd, BLKSSZGET, &sector)))
		return errno;
	if (sector < 512 || sector > (int)BLOCKDEV_ALIGN)
		return ENOTSUP;
	b->dev.sector_size = (uint32_t)sector;
	b->dev.size -= b->dev.size % (uint32_t)sector;
	return 0;
}

static int apply_window(struct blockdev *b, const struct blockdev_options *options)
{
	uint64_t whole = b->dev.size;

	if (options->off > whole || options->off % b->dev.sector_size)
		return EINVAL;
	b->off = options->off;
	b->dev.size = whole - b->off;
	if (options->len == UINT64_MAX)
		return 0;
	if (options->len > b->dev.size || options->len % b->dev.sector_size)
		return EINVAL;
	b->dev.size = options->len;
	return 0;
}

enum detail blockdev_open(struct blockdev *b, const char *path, const char *name,
			  const struct blockdev_options *options, struct fault *fault)
{
	int flags = O_CLOEXEC | (options->write ? O_RDWR : O_RDONLY);
	struct stat st;
	int err;

	memset(b, 0, sizeof(*b));
	b->dev.ops = &blockdev_ops;
	b->fd = b->write_fd = -1;
	/* Asked before it is opened: opening a pipe would wait for its other end. */
	err = stat(path, &st) ? errno : 0;
	if (!err && !S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? EISDIR : ENOTBLK;
	/* Without O_CREAT, O_EXCL means something for block devices only. */
	if (!err && options->exclusive && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	if (!err)
		err = open_direct(b, path, flags);
	if (!err)
		err = measure(b);
	if (!err)
		err = apply_window(b, options);
	if (!err)
		return DETAIL_OK;
	blockdev_close(b);
	return fault_errno(fault, err == EBUSY ? DETAIL_PARTITION_BUSY : DETAIL_DEVICE_OPEN, name,
			   err);
}

void blockdev_close(struct blockdev *b)
{
	if (!b->dev.ops)
		return;
	if (b->fd >= 0)
		close(b->fd);
	if (b->write_fd >= 0)
		close(b->write_fd);
	free(b->bounce);
	memset(b, 0, sizeof(*b));
}
