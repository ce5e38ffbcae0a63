/*
 * Boot flags: what the boot loader chooses by. A pure model; where it is kept is behind struct
 * flag_store. One logical change is one store.
 */
#ifndef LIFEBOAT_FLAGS_H
#define LIFEBOAT_FLAGS_H

#include "board.h"

#define FLAGS_REASON_SIZE 32

struct flags_slot {
	uint32_t tries; /* left; the boot script takes one away before each start */
	bool good;	/* has confirmed itself */
};

struct flags {
	size_t order_count;
	uint8_t order[BOARD_SLOTS_MAX]; /* slot indexes, first choice first */
	struct flags_slot slot[BOARD_SLOTS_MAX];
	bool recovery;			/* start recovery, whatever the slots say */
	char reason[FLAGS_REASON_SIZE]; /* lower-case words with dashes, or empty */
};

/*
 * load: DETAIL_FLAGS_DAMAGED when no copy is valid, DEVICE_READ when a medium fails. Slots that the
 * store says nothing of are not bootable. store: durable and read back when it returns DETAIL_OK;
 * else what was there before counts still. A store over a damaged one is refused unless anew is
 * true (recovery, at the commit of a proved system).
 */
struct flag_store;
struct flag_store_ops {
	enum detail (*load)(struct flag_store *store, struct flags *flags, struct fault *fault);
	enum detail (*store)(struct flag_store *store, const struct flags *flags, bool anew,
			     struct fault *fault);
	/*
	 * Whether there is room for these flags, and for what the boot loader adds when it stores
	 * them in turn; nothing is written. DETAIL_FLAGS_FULL.
	 */
	enum detail (*fits)(struct flag_store *store, const struct flags *flags, bool anew,
			    struct fault *fault);
};
struct flag_store {
	const struct flag_store_ops *ops;
};

/*
 * Keeps a word of a-z, 0-9 and '-'; what else there is in it is left out: it may come from
 * anywhere.
 */
void flags_set_reason(struct flags *flags, const char *reason);

/* The slot that the boot script would start, or -1: recovery. */
int flags_choice(const struct flags *flags);
bool flags_in_order(const struct flags *flags, size_t slot);
bool flags_equal(const struct flags *a, const struct flags *b);

/* I2: the slot is not bootable: no tries, not good, not in the order. */
void flags_mark_target(struct flags *flags, size_t slot);
/* I5: the slot is first in the order, on trial, with tries; a recovery request is done with. */
void flags_commit(struct flags *flags, size_t slot, uint32_t tries);
/* The slot comes first from now on; its tries and its mark stay as they are. */
void flags_prefer(struct flags *flags, size_t slot);
/* The running system has proved itself. */
void flags_confirm(struct flags *flags, size_t slot, uint32_t tries);
/* The slot is given up: not bootable until something is installed into it. */
void flags_give_up(struct flags *flags, size_t slot);
void flags_request_recovery(struct flags *flags, const char *reason);
void flags_leave_recovery(struct flags *flags);

/*
 * I11: the slot that an install may overwrite, or -1. running: index of the running slot, -1 in
 * recovery. wanted: index, or -1: any. With two slots never the running one, and never the only
 * good one. With one slot that slot, from recovery only. why: SINGLE_SLOT_RUNNING,
 * NOT_CONFIRMED_YET, or SLOT_KEPT, which takes a wanted slot: without one there is always a slot in
 * recovery.
 */
int flags_target(const struct flags *flags, size_t slot_count, int running, int wanted,
		 enum detail *why);

#endif
