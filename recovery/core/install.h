/*
 * The install engine's back half, and the commit protocol. The only place with policy and with an
 * order of steps:
 *
 *   check -> plan -> mark target -> journal -> write -> read back -> commit -> (reboot) -> confirm
 *
 * Invariants I1 to I11: DESIGN.md.
 */
#ifndef LIFEBOAT_INSTALL_H
#define LIFEBOAT_INSTALL_H

#include "device.h"
#include "plan.h"

struct install_options {
	int wanted;	   /* slot index, -1: any */
	bool allow_older;  /* somebody agreed to an older release */
	bool verify_first; /* prove the whole package before the first write, whatever the board */
	const uint8_t *id; /* of the package that was agreed to, HASH_LEN bytes; NULL: any */
};

/*
 * Proves the head of a package and plans its install; nothing is written. The plan is what
 * install_run would do.
 */
enum detail install_plan(struct device *device, struct source *source,
			 const struct install_options *options, struct plan *plan,
			 struct fault *fault);

/*
 * Installs. result is filled, whatever happens, and stored in the state partition. After DETAIL_OK
 * the flags are flipped and a reboot starts the new system on trial. After a 10xx or 30xx detail
 * running it again with the same package goes on where it stopped.
 */
enum detail install_run(struct device *device, struct source *source,
			const struct install_options *options, struct result *result);

/*
 * Once for each start of recovery or of the system, before anything else. booted: so did the
 * kernel, which results are told apart by; else init started the program again. After a failure
 * recovery stands (below).
 */
enum detail install_count_start(struct device *device, bool booted, struct fault *fault);

/*
 * At every start, in recovery and in the running system, before anything else: settles a trial that
 * ended badly (a system was committed, but something else was started): the slot is given up,
 * result TRIAL_FAILED is stored. So are FELL_BACK, when a proved system did not come up, and
 * STATE_LOST. *settled says whether one was; result is the last. reason: the boot script's word for
 * why it did not start the slot, or "". A trial that has tries left goes on: it is started next
 * time.
 */
enum detail install_settle(struct device *device, const char *reason, bool *settled,
			   struct result *result, struct fault *fault);

/*
 * The running system proved itself: good mark, tries, then floor and epoch (I7), then the journal
 * is idle. SLOT_NOT_BOOTABLE: it is being written, or was given up, and cannot have been started.
 */
enum detail install_confirm(struct device *device, struct result *result);

/*
 * The running system failed its health check: give it up when it is on trial and something else can
 * be started.
 */
enum detail install_reject(struct device *device, const struct fault *why, struct result *result);

/*
 * Whether a restart after a rejection leads somewhere: the slot was given up, or the boot loader
 * has taken a try from it. Where it could not (the flags take no store), the same system would be
 * started again and again (I8).
 */
bool install_may_restart(struct device *device);

enum detail install_request_recovery(struct device *device, const char *reason,
				     struct fault *fault);

/*
 * Whether recovery could start a system. *again: not before slots that have confirmed themselves
 * get new tries, or the damaged flags are written anew.
 */
bool install_has_system(struct device *device, bool *again);
/* Whether it is certain that there is none: flags that cannot be read say nothing. */
bool install_has_nothing(struct device *device);

/* Whether recovery may do that of its own accord, when nobody is there. */
#define INSTALL_SELF_STARTS 3 /* then somebody has to come (I8) */
bool install_may_leave(struct device *device);

/*
 * A start of recovery that ends in the middle of something leads to the next one: a power cut, but
 * also a kernel that panics over a stick, or a supply that does not bear what writing takes.
 * Counted are those in a row that got on with no install and came to no rest (I8).
 */
#define INSTALL_STARTS 10
enum install_pace {
	INSTALL_GOES_ON,   /* what can be done without a person is done */
	INSTALL_STANDS,	   /* INSTALL_STARTS ended so: nothing of its own accord, for a while */
	INSTALL_GOES_BACK, /* so did as many that stood: to a system that may be started, at once */
};
enum install_pace install_pace(const struct device *device);
/* Recovery waits for somebody, or is left in order: what follows is counted anew. */
void install_rests(struct device *device);

/*
 * Leaves recovery: clears the request, and a wipe that is not finished. again: good systems without
 * tries get new ones. Not by_hand: what gives tries, or changes nothing else, is counted until a
 * system confirms itself. Details: NO_SYSTEM, NOT_PERMITTED (counted too often), and those of
 * loading and storing; after any of them recovery must not be left.
 */
enum detail install_leave_recovery(struct device *device, bool again, bool by_hand,
				   struct fault *fault);

/* True when an interrupted install waits for its package: begun, and not flipped. */
bool install_is_pending(const struct state *state, const struct flags *flags);

/* Whether the trial of this package has failed, and none of it succeeded since. */
bool install_has_failed(const struct state *state, const uint8_t package_id[HASH_LEN]);

/*
 * The boot flags; when both copies are damaged (not unreadable) and anew is not NULL, what the
 * device record says of slots that have confirmed themselves, with *anew = true: that is knowledge,
 * no guess, and a store with anew writes it.
 */
enum detail install_load_flags(struct device *device, struct flags *flags, bool *anew,
			       struct fault *fault);

#endif
