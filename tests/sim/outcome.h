/*
 * What a power cut may leave of the writes that wait for a flush: each applied, lost, or torn at
 * sector boundaries, in any order; where sectors are not atomic, one that was being written holds
 * neither the old nor the new bytes.
 *
 * Enumerated in full for journal, records and boot flags (every subset of the sectors that would
 * change, see outcome_subsets; where sectors are not atomic, one of them garbled in each way, with
 * those before it or all others there); for image data all, none, only one, all but one, the first
 * few, and torn ones.
 */
#ifndef SIM_OUTCOME_H
#define SIM_OUTCOME_H

#include "disk.h"

/*
 * All subsets of the sectors that a write would change, when these are so many at most; of more a
 * choice. The default is CI's.
 */
extern unsigned outcome_subsets;

enum garble { GARBLE_NEW_OLD, GARBLE_OLD_NEW, GARBLE_NOISE, GARBLES };

/* What becomes of one write. Pieces are sectors; those of a write of more than 64 are larger. */
struct fate {
	uint64_t arrived; /* a bit for each piece */
	uint8_t garbled;  /* the piece that holds garbage, from 1; 0: none */
	uint8_t how;	  /* enum garble */
};

struct outcome {
	size_t count;	/* of disk->pending, in their order */
	bool backwards; /* writes to the same place land in the opposite order */
	/* Of a record's padding, the sectors behind what its hash covers (FORMAT.md 2), some are
	 * there and others are not. */
	bool splits_padding;
	struct fate fate[SIM_PENDING_MAX];
};

/* What is left, as the units of the disk that differ from what was durable. */
struct left {
	size_t count;
	const uint32_t *units;
	const uint8_t *bytes; /* SIM_UNIT for each */
};

/* A bit for each piece of a write: all of it arrived. */
uint64_t outcome_all(const struct sim_disk *disk, const struct sim_write *write);

/*
 * Calls visit for every outcome whose image is not that of one before it, at this cut; hash is the
 * image's. Returns how many there were. The disk is not changed.
 */
typedef void outcome_visit(void *context, const struct outcome *outcome, uint64_t hash);
uint64_t outcome_each(struct sim_disk *disk, outcome_visit *visit, void *context);

/* The units that an outcome leaves; valid until the next call. */
struct left outcome_left(struct sim_disk *disk, const struct outcome *outcome);

/* "A,L,S05,G1n.3" for people and for replay; returns false when text is none of this disk's. */
void outcome_print(const struct sim_disk *disk, const struct outcome *outcome, char *text,
		   size_t size);
bool outcome_parse(const struct sim_disk *disk, const char *text, struct outcome *outcome);

#endif
