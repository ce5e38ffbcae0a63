/*
 * Seams: what core needs from the world. A seam is a struct whose first member points to a constant
 * table of functions; the platform implements it for the real world and the simulator for the
 * tests.
 */
#ifndef LIFEBOAT_SEAM_H
#define LIFEBOAT_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detail.h"

/*
 * dev: a block device, a partition, or an image file. Offsets and lengths are in bytes and
 * multiples of sector_size; buffers may have any alignment. Functions return 0 or a Linux errno.
 * What was written is durable when a later flush returned 0, and not before. A read after a flush
 * comes from the medium, past every cache.
 */
struct dev;
struct dev_ops {
	int (*read)(struct dev *dev, uint64_t off, void *buf, size_t len);
	int (*write)(struct dev *dev, uint64_t off, const void *buf, size_t len);
	int (*flush)(struct dev *dev);
};
struct dev {
	const struct dev_ops *ops;
	uint64_t size;	      /* bytes, a multiple of sector_size */
	uint32_t sector_size; /* 512 or 4096: the unit that reads and writes must keep to */
};

/*
 * source: where a package comes from, read from front to back. size is UINT64_MAX where it is not
 * known.
 *
 * read gives 1 to len bytes and their number in *got; *got = 0 means the end. seek moves to an
 * offset from the start, forwards or backwards; where cheap_seek is false it may have to read what
 * lies between. Both return DETAIL_OK or a 10xx detail with the fault filled; bounded retries are
 * the source's own affair. After a failure the source may be closed only. name is what the person
 * called it, for messages and for finding it again after a power cut.
 */
struct source;
struct source_ops {
	enum detail (*read)(struct source *source, void *buf, size_t len, size_t *got,
			    struct fault *fault);
	enum detail (*seek)(struct source *source, uint64_t off, struct fault *fault);
	void (*close)(struct source *source);
};
struct source {
	const struct source_ops *ops;
	uint64_t size;
	char name[256]; /* path or URL */
};

/* storage: the partitions of the board's disk, by GPT label, and the disk itself. */
struct storage;
struct storage_ops {
	/*
	 * Opens a partition. exclusive: for writing, and refused with DETAIL_PARTITION_BUSY while
	 * it is mounted. The dev belongs to the storage and stays valid until close. A label that
	 * is open already may be opened again.
	 */
	enum detail (*open)(struct storage *storage, const char *label, bool exclusive,
			    struct dev **dev, struct fault *fault);
	void (*close)(struct storage *storage, struct dev *dev);
};
struct storage {
	const struct storage_ops *ops;
	struct dev *disk; /* the whole disk, for the partition table and the boot flags */
};

/* clock: informative only, except that monotonic time paces progress and time-outs. */
struct clock;
struct clock_ops {
	uint64_t (*monotonic_ms)(struct clock *clock);
	/* Wall clock as text for people ("2026-01-31 12:00:00 UTC"), or "" where there is none. */
	void (*wall)(struct clock *clock, char *text, size_t size);
};
struct clock {
	const struct clock_ops *ops;
};

/*
 * observer: who watches an install. Nothing that it does or fails to do changes what happens (I10),
 * except stopping: poll returns true when the person or the system asks to stop; the engine then
 * ends between two chunks with DETAIL_INTERRUPTED. Any function may be NULL.
 */
enum step {
	STEP_CHECK,
	STEP_VERIFY_FIRST, /* the whole package is proved before the only slot is touched */
	STEP_PLAN,
	STEP_MARK, /* the target is being marked not bootable */
	STEP_WRITE,
	STEP_READ_BACK,
	STEP_COMMIT,
	STEP_DONE,
};

struct progress {
	enum step step;
	const char *role;     /* of the image, or NULL */
	uint64_t done, total; /* plain bytes of this step, over all images */
	uint64_t written;     /* of these, bytes that had to be written */
	uint64_t unchanged;   /* of these, bytes that the target held already */
};

struct observer;
struct observer_ops {
	void (*progress)(struct observer *observer, const struct progress *progress);
	void (*line)(struct observer *observer, const char *text); /* a line for the log */
	bool (*poll)(struct observer *observer);
};
struct observer {
	const struct observer_ops *ops;
};

/* For whoever has an observer that may be NULL. */
static inline void observer_progress(struct observer *observer, const struct progress *progress)
{
	if (observer && observer->ops->progress)
		observer->ops->progress(observer, progress);
}

static inline void observer_line(struct observer *observer, const char *text)
{
	if (observer && observer->ops->line)
		observer->ops->line(observer, text);
}

static inline bool observer_stops(struct observer *observer)
{
	return observer && observer->ops->poll && observer->ops->poll(observer);
}

#endif
