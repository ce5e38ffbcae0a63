/* What an install would write, and every check that can be made before the first write. */
#ifndef LIFEBOAT_PLAN_H
#define LIFEBOAT_PLAN_H

#include "flags.h"
#include "manifest.h"
#include "state.h"

struct plan_image {
	char label[GPT_LABEL_SIZE];
	uint64_t off;		/* of the partition on the disk, bytes */
	uint64_t partition_len; /* bytes */
	uint64_t image_len;	/* bytes */
};

struct plan {
	size_t target; /* slot */
	size_t image_count;
	struct plan_image images[MANIFEST_IMAGES_MAX]; /* in the manifest's order */
	uint64_t total;
	bool in_place; /* the only slot of the board: nothing but recovery is bootable meanwhile */
	bool resume;   /* an install of this very package was begun and not finished */
	bool repair;   /* the same release as the installed one */
	bool older;    /* than the installed release: needs consent */
	uint64_t installed_release; /* of the slot that boots now; 0: none known */
};

struct plan_request {
	const struct board *board;
	const struct gpt *gpt;
	const struct manifest *manifest;
	const struct flags *flags;
	const struct state_record *record;
	const struct journal *journal;
	const uint8_t *package_id;
	int running; /* slot index, -1: recovery */
	int wanted;  /* slot index, -1: any */
};

/*
 * Details: WRONG_PRODUCT, BELOW_FLOOR, KEY_EPOCH, NEEDS_NEWER_INSTALLED, IMAGE_ROLE_UNKNOWN,
 * IMAGE_ROLE_MISSING, IMAGE_TOO_LARGE, EXTENT_OVERLAP, PARTITION_MISSING, NO_TARGET, SLOT_KEPT,
 * SLOT_UNKNOWN, NOT_CONFIRMED_YET, SINGLE_SLOT_RUNNING.
 */
enum detail plan_make(struct plan *plan, const struct plan_request *request, struct fault *fault);

/* What a wipe would overwrite: partitions of the board's list, whole. */
struct plan_wipe {
	size_t count;
	struct plan_wipe_part {
		char label[GPT_LABEL_SIZE];
		uint64_t off; /* on the disk, bytes */
		uint64_t len; /* bytes */
	} parts[BOARD_WIPES_MAX];
	uint64_t total;
};

/*
 * Details: NOTHING_TO_WIPE, PARTITION_MISSING, PARTITION_TWICE, EXTENT_OVERLAP (with a slot,
 * recovery, the state, the boot flags, the partition table, or each other).
 */
enum detail plan_wipe_make(struct plan_wipe *plan, const struct board *board, const struct gpt *gpt,
			   struct fault *fault);

/*
 * Checks that a board fits its disk: every label there, nothing that overlaps the flag store.
 * disk_size in bytes.
 */
enum detail plan_check_board(const struct board *board, const struct gpt *gpt, uint64_t disk_size,
			     struct fault *fault);

#endif
