/*
 * The ways into and out of recovery, and how often it goes round.
 */
#include "install.h"

#include <string.h>

/* --- Starts that lead to the next one --- */

/* How far the install that waits has got: more with each checkpoint. 0: nowhere, or none waits. */
static uint64_t reached(const struct journal *j)
{
	if (j->step == JOURNAL_IDLE || j->step == JOURNAL_COMMITTED)
		return 0;
	return (uint64_t)j->image << 51 | j->flushed / 4096;
}

static void forget_starts(struct state_record *record)
{
	record->recovery_starts = record->recovery_reached = 0;
	memset(record->recovery_package, 0, sizeof(record->recovery_package));
}

/* The furthest counts: an install that is thrown back has to come past what it had before. */
static void count_start(struct state_record *record, const struct journal *journal)
{
	uint64_t now = reached(journal);

	if (now && memcmp(record->recovery_package, journal->package_id,
			  sizeof(record->recovery_package))) {
		memcpy(record->recovery_package, journal->package_id,
		       sizeof(record->recovery_package));
		record->recovery_reached = 0;
	}
	if (now > record->recovery_reached) {
		record->recovery_reached = now;
		record->recovery_starts = 0;
	}
	record->recovery_starts++;
}

enum detail install_count_start(struct device *device, bool booted, struct fault *fault)
{
	struct state_record *record = &device->state->record;
	enum detail detail;

	record->boot_count += booted;
	if (device->running < 0)
		count_start(record, &device->state->journal);
	else
		forget_starts(record);
	detail = state_store_record(device->state, fault);
	/* What cannot be counted might go round for ever. */
	if (detail && device->running < 0 && record->recovery_starts <= INSTALL_STARTS)
		record->recovery_starts = INSTALL_STARTS + 1;
	return detail;
}

enum install_pace install_pace(const struct device *device)
{
	uint64_t starts = device->state->record.recovery_starts;

	if (starts <= INSTALL_STARTS)
		return INSTALL_GOES_ON;
	return starts - INSTALL_STARTS <= INSTALL_STARTS ? INSTALL_STANDS : INSTALL_GOES_BACK;
}

/* One start alone says nothing, and costs no store. */
void install_rests(struct device *device)
{
	struct state_record *record = &device->state->record;
	struct fault ignored;

	if (record->recovery_starts < 2 && !record->recovery_reached)
		return;
	forget_starts(record);
	state_store_record(device->state, &ignored);
}

/* --- Ways in and out --- */

enum detail install_request_recovery(struct device *device, const char *reason, struct fault *fault)
{
	struct flags flags;
	enum detail detail = install_load_flags(device, &flags, NULL, fault);

	if (detail)
		return detail;
	if (!flags.recovery && (detail = device_forget_wipe(device, fault)))
		return detail;
	flags_request_recovery(&flags, reason);
	return device_store_flags(device, &flags, false, fault);
}

static bool is_bootable(const struct flags *flags, size_t slot)
{
	return flags_in_order(flags, slot) && flags->slot[slot].tries;
}

/*
 * Gives good slots without tries new ones; where nothing that is in the order can be started then,
 * as after a hand that wrote it, puts good ones into it. Returns whether the boot script has
 * something to start.
 */
static bool renew_tries(const struct device *device, struct flags *flags)
{
	bool bootable = false;

	for (size_t i = 0; i < device->board->slot_count; i++) {
		if (flags->slot[i].good && !flags->slot[i].tries)
			flags_confirm(flags, i, device->board->tries);
		bootable |= is_bootable(flags, i);
	}
	for (size_t i = 0; i < device->board->slot_count && !bootable; i++)
		if (flags->slot[i].good) {
			flags_confirm(flags, i, device->board->tries);
			bootable = is_bootable(flags, i);
		}
	return bootable;
}

/*
 * Whether leaving is counted: when it gives new tries, or when it stores nothing else. Each start
 * of recovery's own accord leaves something on the medium, or it could go round for ever: a request
 * that is gone, or one more in the count (I8).
 */
static bool is_counted(const struct flags *before, bool again)
{
	struct flags left = *before;

	flags_leave_recovery(&left);
	return again || flags_equal(before, &left);
}

static bool has_system(const struct device *device, const struct flags *flags, bool anew,
		       bool *again)
{
	struct flags left = *flags;

	*again = anew;
	flags_leave_recovery(&left);
	if (flags_choice(&left) >= 0)
		return true;
	*again = true;
	for (size_t i = 0; i < device->board->slot_count; i++)
		if (left.slot[i].good)
			return true;
	return false;
}

bool install_has_system(struct device *device, bool *again)
{
	struct flags flags;
	bool anew;

	*again = false;
	return !install_load_flags(device, &flags, &anew, NULL) &&
	       has_system(device, &flags, anew, again);
}

bool install_has_nothing(struct device *device)
{
	struct flags flags;
	bool anew, again;

	return !install_load_flags(device, &flags, &anew, NULL) &&
	       !has_system(device, &flags, anew, &again);
}

bool install_may_leave(struct device *device)
{
	struct flags flags;
	bool anew, again;

	return !install_load_flags(device, &flags, &anew, NULL) &&
	       has_system(device, &flags, anew, &again) &&
	       (!is_counted(&flags, again) ||
		device->state->record.self_starts < INSTALL_SELF_STARTS);
}

enum detail install_leave_recovery(struct device *device, bool again, bool by_hand,
				   struct fault *fault)
{
	struct state *state = device->state;
	struct flags flags, before;
	struct fault ignored;
	bool anew, counted;
	enum detail detail = install_load_flags(device, &flags, &anew, fault);

	if (detail)
		return detail;
	before = flags;
	counted = !by_hand && is_counted(&before, again);
	if (counted && state->record.self_starts >= INSTALL_SELF_STARTS)
		return fault_set(fault, DETAIL_NOT_PERMITTED, "starting the system once more");
	flags_leave_recovery(&flags);
	if (again && !renew_tries(device, &flags))
		return fault_set(fault, DETAIL_NO_SYSTEM, "this device");
	if (counted) {
		state->record.self_starts++;
		if ((detail = state_store_record(state, fault)))
			return detail;
	}
	if ((anew || !flags_equal(&before, &flags)) &&
	    (detail = device_store_flags(device, &flags, anew, fault)))
		return detail;
	device_forget_wipe(device, &ignored);
	return DETAIL_OK;
}
