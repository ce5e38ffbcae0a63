/*
 * disk: the board's disk, and the storage seam over its partitions.
 *
 * The disk is found by what is on it, never by its device index: the one disk whose partition table
 * has the state label and the label of every part of every slot. Disks on USB never count (a stick
 * with the same labels must not be written), unless the board tree's `storage` itself names a USB
 * path; neither do virtual ones (loop, ram, dm).
 */
#ifndef LIFEBOAT_DISK_H
#define LIFEBOAT_DISK_H

#include "platform/blockdev.h"
#include "core/board.h"
#include "core/gpt.h"
#include "platform/watch.h"

#define DISK_OPEN_MAX 16
#define DISK_NAME_SIZE 64

struct disk_options {
	const char *path;	   /* --disk: an image file or a device node; NULL: look for it */
	bool write;		   /* the whole-disk dev is for writing (boot flags) */
	uint32_t wait_ms;	   /* how long a disk may take to appear; 0: look once */
	const char *sys;	   /* NULL: "/sys" */
	const char *dev;	   /* NULL: "/dev" */
	const struct watch *watch; /* may be NULL */
};

struct disk_partition {
	char label[GPT_LABEL_SIZE];
	bool exclusive;
	unsigned int users; /* 0: free */
	struct blockdev blockdev;
};

struct disk {
	struct storage storage; /* first; storage.disk is the whole disk */
	struct gpt gpt;
	char path[256];		   /* of the node or image, for messages */
	char name[DISK_NAME_SIZE]; /* the kernel's, as in /sys/block; empty: an image file */
	char sys[128], dev[128];
	bool windows; /* no partition nodes: partitions are windows of path */
	struct blockdev whole;
	struct disk_partition open[DISK_OPEN_MAX];
};

/*
 * Finds and opens the disk. disk is the caller's (about 16 KiB). Details: DISK_NOT_FOUND,
 * DISK_AMBIGUOUS (the fault names both), GPT_INVALID and PARTITION_MISSING (with a given path),
 * DEVICE_OPEN, DEVICE_READ, INTERRUPTED.
 *
 * The storage's open: not exclusive means for reading only. Details: PARTITION_MISSING,
 * PARTITION_TWICE, PARTITION_BUSY, PARTITION_CHANGED (the kernel's partition starts or ends
 * elsewhere than the table says), DEVICE_OPEN. A label opened twice gives the same dev, unless the
 * first was for reading and the second is exclusive.
 */
enum detail disk_find(struct disk *disk, const struct board *board,
		      const struct disk_options *options, struct fault *fault);

/* Closes everything, partitions included. */
void disk_close(struct disk *disk);

#endif
