/*
 * A disk whose power can be cut: what is durable, what a read gives, and between the two an ordered
 * list of writes that a cut may lose. One counter numbers all writes and flushes, whoever makes
 * them (boot loader, recovery, system): the place before each is a place for a cut.
 *
 * A flush makes durable what was written through the same partition, and nothing else: that is what
 * Linux promises for block devices, whose page caches are separate.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seam.h"

#define SIM_UNIT 512u	   /* bookkeeping: the smallest sector */
#define SIM_PENDING_MAX 96 /* writes that wait for a flush at a time */

enum sim_kind { SIM_READ, SIM_WRITE, SIM_FLUSH, SIM_KINDS };

/* What a device must keep up on a medium (bench.c says where the lines were drawn, and why). */
enum promise {
	PROMISE_ALL,	  /* I1 to I11 */
	PROMISE_COMPLETE, /* a complete system or recovery is started; what is recorded may be older
			   */
	PROMISE_REACHABLE /* recovery is reached, and installs */
};

/* The physics of a medium. */
struct physics {
	const char *name;
	uint32_t sector;
	bool atomic; /* a sector that is being written holds the old or the new bytes after a cut */
	unsigned lie; /* a flush that is said to be done leaves the newest `lie` writes volatile */
	enum promise promise;
	bool misreads; /* after a cut the boot loader cannot read the newer boot flags, for once */
};

struct sim_write {
	int part;
	bool flushed; /* was said to be, by a medium that lies */
	uint64_t off; /* on the disk */
	size_t len;
	uint64_t number; /* of all writes */
	uint8_t *bytes;
};

struct sim_part {
	struct dev dev; /* first */
	struct sim_disk *disk;
	char label[40];
	uint64_t base;
	int index;
	int open, writable;
	bool bulk; /* image data: of its writes a cut leaves what is worth trying, not everything */
};

struct sim_op {
	enum sim_kind kind;
	const struct sim_part *part;
	uint64_t off; /* on the disk */
	size_t len;
	const uint8_t *bytes; /* of a write */
};

/* What goes wrong without a cut. */
enum sim_error {
	SIM_NO_ERROR,
	SIM_EIO,
	SIM_ENOSPC,
	SIM_SHORT,    /* a write that ends half-way, then EIO */
	SIM_LOST,     /* a flush that fails, and what it was to write is gone */
	SIM_CORRUPTS, /* a write that says nothing and stores other bytes */
	SIM_ERRORS
};

struct sim_fault {
	enum sim_kind kind;
	enum sim_error error;
	uint64_t at;	   /* the at-th operation of its kind, from 0 */
	bool for_good;	   /* and every one after it */
	uint64_t off, len; /* only operations that touch this range; len 0: all */
};

struct sim_disk {
	const struct physics *physics;
	uint64_t size;
	uint8_t *base, *now, *durable;
	uint64_t hash;	  /* of the durable image */
	uint8_t *changed; /* units in which now or durable may differ from base */
	uint32_t *changed_list;
	size_t changed_count;

	struct sim_write pending[SIM_PENDING_MAX];
	size_t pending_count;
	uint8_t *pool; /* bytes of pending writes */
	size_t pool_used, pool_size;

	uint64_t ops;		  /* writes and flushes */
	uint64_t written;	  /* writes alone: names them */
	uint64_t bulk_written;	  /* of image data */
	uint64_t done[SIM_KINDS]; /* of each kind, for faults */
	struct sim_fault fault;
	bool fault_hit;
	const struct sim_part *fault_part; /* where it struck first */
	uint64_t fault_off;		   /* and at what place on the disk */
	uint32_t fault_parts;		   /* all that it struck: a bit for each part's index */
	bool spared;			   /* faults wait: what is done now is nobody's concern */

	/* Before and after each operation; before: `ops` is still its number. */
	void (*before)(void *context, const struct sim_op *op);
	void (*after)(void *context, const struct sim_op *op, int error);
	void *context;

	int part_count;
	struct sim_part
		parts[12]; /* 0: the whole disk, 1: the whole disk as the boot loader has it */
};

enum { SIM_WHOLE = 0, SIM_LOADER = 1 };

void sim_disk_init(struct sim_disk *disk, uint64_t size, const struct physics *physics);
struct sim_part *sim_disk_add(struct sim_disk *disk, const char *label, uint64_t base,
			      uint64_t len);
void sim_disk_free(struct sim_disk *disk);
/* What the disk holds now becomes its base: durable, and nothing changed. */
void sim_disk_settle(struct sim_disk *disk);
/* Back to the base, with no writes waiting, all counters at 0 and no fault. */
void sim_disk_reset(struct sim_disk *disk);
/* Puts units into now and durable (a state that a cut left). */
void sim_disk_put(struct sim_disk *disk, uint32_t unit, const uint8_t *bytes);
/* A restart with the power on: what waits is written, unless the medium lies. */
void sim_disk_restart(struct sim_disk *disk);

/* Hash of one unit at its place; the hash of an image is the sum over its units, less the base's.
 */
uint64_t sim_unit_hash(uint32_t unit, const uint8_t *bytes);

#endif
