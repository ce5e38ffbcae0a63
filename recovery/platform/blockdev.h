/*
 * blockdev: the dev seam over a block device, a partition, a plain image file, or a window of one
 * of them.
 *
 * Reads use O_DIRECT where that works, so that a read after a flush comes from the medium. Writes
 * go through the page cache, which makes long requests of short ones and works while the next chunk
 * is unpacked; flush waits for all of them, and what they left in the cache is let go. Where
 * O_DIRECT does not work (some file systems under an image file), the cache is told to let go
 * before a read.
 */
#ifndef LIFEBOAT_BLOCKDEV_H
#define LIFEBOAT_BLOCKDEV_H

#include <sys/types.h>

#include "core/seam.h"

#define BLOCKDEV_BOUNCE (256u << 10) /* bytes; one for each open device, made at its first use */
#define BLOCKDEV_BEHIND (1u << 20)   /* after so many bytes the kernel shall begin to write */
#define BLOCKDEV_ALIGN 4096u	     /* of the bounce buffer: enough for every device's DMA */

struct blockdev {
	struct dev dev; /* first */
	int fd;
	int write_fd;	 /* for writes, through the page cache; -1: fd serves both */
	uint64_t behind; /* bytes written since the kernel was last told to begin */
	bool direct;
	bool is_block; /* not a plain file */
	uint64_t off;  /* of the window, bytes */
	uint8_t *bounce;
};

struct blockdev_options {
	bool write;
	bool exclusive; /* O_EXCL: refused while mounted or claimed; only for block devices */
	uint64_t off;	/* window: multiples of the sector size */
	uint64_t len;	/* UINT64_MAX: to the end */
};

/*
 * Opens path. name: what messages call it. The size is rounded down to whole sectors. sector_size
 * of a plain file is 512. Details: DEVICE_OPEN (errno in the fault), PARTITION_BUSY (EBUSY). Reads
 * and writes past the end return EINVAL; write on a dev opened without write returns EBADF.
 */
enum detail blockdev_open(struct blockdev *blockdev, const char *path, const char *name,
			  const struct blockdev_options *options, struct fault *fault);

/* Does not flush. Harmless on one that is closed or was zeroed. */
void blockdev_close(struct blockdev *blockdev);

#endif
