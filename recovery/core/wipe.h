/*
 * Erasing user data: the partitions that the board tree names in `wipe`, and nothing else, are
 * overwritten with zeros as a whole and read back.
 *
 * A wipe is asked for (in the running system, whose data is mounted) or begun at once (in recovery,
 * on a disk that does not run). Whether one is to be done say two places together: the device
 * record and the boot flags' request for recovery. So the boot loader starts nothing but recovery
 * until it is done (as in I2), recovery goes on with it by itself after a cut, and one whose
 * request for recovery somebody took back erases nothing months later.
 *
 *   asked:   flags ask for recovery -> record: asked
 *   done:    checks -> flags ask for recovery -> record: begun -> zeros -> read back -> result ->
 *            record: none
 *
 * The request for recovery is all of the flags that a wipe touches; slots, tries and what is
 * pending stay as they are. It stands until recovery is left (install_leave_recovery).
 */
#ifndef LIFEBOAT_WIPE_H
#define LIFEBOAT_WIPE_H

#include "install.h"

#define WIPE_STARTS 10 /* that happen by themselves; then somebody has to choose it again (I8) */
#define WIPE_REASON "wipe" /* in the boot flags, when nothing else asked for recovery */

/* Whether there is one to be done. flags: NULL when they are damaged or cannot be read. */
bool wipe_is_pending(const struct state_record *record, const struct flags *flags);
/*
 * The same, with the flags as they are. True too where that cannot be known, because they cannot be
 * read: wipe_run says so then, and erases nothing.
 */
bool wipe_is_wanted(struct device *device);

/*
 * Whether recovery was started for a wipe that ended in the start before this one: its result. The
 * result of an older one says nothing of what was asked for since.
 */
bool wipe_has_ended(struct device *device, const char *reason, struct result *result);

/*
 * For the running system: recovery shall erase user data at the next start. After a failure nothing
 * is asked for. Whoever calls it has asked a person. Details: those of plan_wipe_make and of the
 * flags.
 */
enum detail wipe_request(struct device *device, struct fault *fault);

/* Takes a request back; what was erased before stays erased. No request is no failure. */
enum detail wipe_withdraw(struct device *device, struct fault *fault);

/*
 * Erases, in recovery or on a disk that does not run (else NOT_RECOVERY). agreed: somebody said yes
 * just now; else only a wipe that is wanted goes on (WIPE_NEEDS_CONSENT, or why that cannot be
 * known). After these nothing has happened. Otherwise the result, which is filled whatever happens,
 * is stored, and after any failure but INTERRUPTED the wipe is not wanted any more, and data may
 * remain. After INTERRUPTED or a power cut it goes on, at most WIPE_STARTS times (WIPE_GIVEN_UP).
 *
 * Details: those of plan_wipe_make, of opening, reading, writing and flushing partitions and flags;
 * PARTITION_CHANGED, READ_BACK.
 */
enum detail wipe_run(struct device *device, bool agreed, struct result *result);

#endif
