/*
 * media: sticks and cards that may hold a package.
 *
 * Everything in /sys/block that is a real device and not the board's own disk: its partitions and
 * the disk itself. File systems are recognised by their superblocks before anything is mounted.
 * Packages are recognised by their first 8 bytes, not by name.
 */
#ifndef LIFEBOAT_MEDIA_H
#define LIFEBOAT_MEDIA_H

#include "core/seam.h"

#define MEDIA_MAX 32	       /* partitions and disks looked at */
#define MEDIA_PACKAGES_MAX 256 /* candidates of one medium */
#define MEDIA_ENTRIES_MAX 1000 /* names looked at in one folder */
#define MEDIA_MOUNT_POINT "/run/lifeboat/medium"

enum media_kind {
	MEDIA_UNKNOWN, /* a whole disk on which nothing was recognised, its partitions included */
	MEDIA_VFAT,
	MEDIA_EXFAT,
	MEDIA_EXT4,
	MEDIA_PACKAGE, /* a package written directly on it */
	MEDIA_UNREADABLE,
};

struct medium {
	enum media_kind kind;
	bool usb;
	uint64_t size;	/* bytes */
	char node[128]; /* "/dev/sda1" */
	char title[96]; /* for people: "USB stick sda1 (Vendor Model, 7.5 GiB)" */
};

struct media_roots {
	const char *sys; /* NULL: "/sys" */
	const char *dev; /* NULL: "/dev" */
};

/*
 * Lists what is plugged in now, in a stable order: disks by name, a disk's partitions before the
 * disk itself. own_disk: kernel name of the board's disk ("mmcblk0"), left out with everything on
 * the same device; may be "" or NULL. roots may be NULL. Returns the number of entries in list (at
 * most max).
 */
size_t media_list(const struct media_roots *roots, const char *own_disk, struct medium *list,
		  size_t max);

/* What is on an open device or image, from `off` on. */
enum media_kind media_probe(int fd, uint64_t off);

/*
 * Mounts a medium read-only, nodev, nosuid, noexec; nothing is written to it (an ext4 journal is
 * not replayed). The mount point is made when missing. Details: MOUNT_FAILED (errno in the fault;
 * also for kinds without a file system).
 */
enum detail media_mount(const struct medium *medium, const char *mount_point, struct fault *fault);

/*
 * Mounts a medium so that a file can be written to it; also nodev, nosuid, noexec. Only for what a
 * person asked to take away. Details: MOUNT_FAILED.
 */
enum detail media_mount_writable(const struct medium *medium, const char *mount_point,
				 struct fault *fault);

/* Unmounts; a medium that was pulled out or is still in use is detached lazily. Harmless when
 * nothing is mounted. */
void media_unmount(const char *mount_point);

struct media_package {
	char path[256]; /* mount point included */
	uint64_t size;
};

struct media_scan {
	size_t count;
	struct media_package at[MEDIA_PACKAGES_MAX];
	size_t entries; /* names looked at */
	bool cut;	/* there was more than the bounds allow */
	int read_errno; /* of the last file or folder that could not be read; 0: none */
};

/*
 * Files with a package's magic in `root` and in its folder lifeboat/ (any case), sorted by path.
 * Names that begin with a dot, links and special files are passed over.
 */
void media_scan(const char *root, struct media_scan *scan);

#endif
