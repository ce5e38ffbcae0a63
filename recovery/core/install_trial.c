/*
 * What follows the reboot: settling, confirming, rejecting.
 */
#include "install.h"
#include "text.h"

#include <string.h>

static bool was_begun(const struct journal *journal)
{
	return journal->step != JOURNAL_IDLE;
}

/*
 * Whether the flip of a journalled install happened: the flags say so, and the device record, which
 * names the package since just before the flip and nothing from before the first write until then.
 * A marked target is in no order; one that is, and that the record does not name, was brought back
 * by somebody else.
 */
static bool was_flipped(const struct state *state, const struct flags *flags)
{
	const struct journal *j = &state->journal;

	return was_begun(j) && flags_in_order(flags, j->target) &&
	       hash_equal(state->record.slot[j->target].package_id, j->package_id);
}

/* What was committed and is in no order any more was given up: nothing of it waits. */
static bool was_given_up(const struct state *state, const struct flags *flags)
{
	return state->journal.step == JOURNAL_COMMITTED && !was_flipped(state, flags);
}

bool install_is_pending(const struct state *state, const struct flags *flags)
{
	return was_begun(&state->journal) && !was_flipped(state, flags) &&
	       !was_given_up(state, flags);
}

/* --- Packages whose trial failed: not in the results, which other failures push out --- */

static void forget_failed(struct state_record *record, const uint8_t id[HASH_LEN])
{
	size_t kept = 0;

	for (size_t i = 0; i < STATE_FAILED; i++)
		if (!hash_equal(record->failed[i], id))
			memmove(record->failed[kept++], record->failed[i], HASH_LEN);
	for (; kept < STATE_FAILED; kept++)
		memset(record->failed[kept], 0, HASH_LEN);
}

static void remember_failed(struct state_record *record, const uint8_t id[HASH_LEN])
{
	forget_failed(record, id);
	memmove(record->failed[1], record->failed[0], sizeof(record->failed) - HASH_LEN);
	memcpy(record->failed[0], id, HASH_LEN);
}

bool install_has_failed(const struct state *state, const uint8_t package_id[HASH_LEN])
{
	for (size_t i = 0; i < STATE_FAILED; i++)
		if (hash_equal(state->record.failed[i], package_id))
			return true;
	return false;
}

/* The package's own place of origin, while the journal still knows it. */
static void add_origin(const struct device *device, struct result *result)
{
	const struct journal *j = &device->state->journal;

	if (was_begun(j) && result->slot == j->target)
		text_copy(result->origin, sizeof(result->origin), j->origin);
}

static enum detail end_journal(struct device *device, struct fault *fault)
{
	if (!was_begun(&device->state->journal))
		return DETAIL_OK;
	device->state->journal.step = JOURNAL_IDLE;
	return state_store_journal(device->state, fault);
}

/* The object: "release 2 (2.0) in slot B, reason boot-image-invalid". */
static void blame_trial(const struct device *device, struct result *result, enum detail detail,
			const char *reason)
{
	char object[160];
	struct text t = TEXT_IN(object);

	text_add(&t, "release ");
	text_u64(&t, result->release);
	text_add(&t, " (");
	text_add(&t, result->version);
	text_add(&t, ") in slot ");
	text_add(&t, device->board->slots[result->slot].name);
	if (*reason) {
		text_add(&t, ", reason ");
		text_add(&t, reason);
	}
	fault_set(&result->fault, detail, object);
}

static void raise(uint64_t *to, uint64_t value)
{
	if (*to < value)
		*to = value;
}

/*
 * I7: the floor and the epoch follow a confirmation, and only that. good: the flags say that the
 * journalled target has confirmed itself; a cut may have come between that store and this one, so
 * it is also done when settling.
 */
static enum detail keep_confirmation(struct device *device, size_t slot, struct fault *fault)
{
	struct state *state = device->state;
	struct state_record *record = &state->record;
	struct state_record before = *record;
	struct state_slot *s = &record->slot[slot];
	const struct journal *j = &state->journal;
	bool journalled =
		was_begun(j) && j->target == slot && hash_equal(j->package_id, s->package_id);
	bool changed;
	enum detail detail = DETAIL_OK;

	s->confirmed = true;
	record->self_starts = 0;
	forget_failed(record, s->package_id);
	raise(&record->confirmed_release, s->release);
	/* Before version 3 of the record only the journal knew. */
	if (journalled) {
		raise(&s->rollback_floor, j->rollback_floor);
		raise(&s->key_epoch, j->key_epoch);
	}
	raise(&record->rollback_floor, s->rollback_floor);
	raise(&record->key_epoch, s->key_epoch);
	/* A copy that differs in its padding is stored once more, and that is all. */
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
	changed = memcmp(&before, record, sizeof(before));
	/* Where the floor may have risen, in two: one block that goes bad must not lower it. */
	if (journalled || before.rollback_floor < record->rollback_floor ||
	    before.key_epoch < record->key_epoch)
		detail = state_store_record_twice(state, fault);
	else if (changed)
		detail = state_store_record(state, fault);
	if (detail)
		return detail;
	return was_begun(j) && j->target == slot ? end_journal(device, fault) : DETAIL_OK;
}

/*
 * A committed system that is neither running nor has tries left, and never confirmed itself, has
 * failed its trial.
 */
static bool trial_failed(const struct device *device, const struct flags *flags)
{
	const struct journal *j = &device->state->journal;

	return was_flipped(device->state, flags) && !flags->slot[j->target].good &&
	       !flags->slot[j->target].tries && device->running != (int)j->target;
}

/*
 * A device that has a system, and no record of anything: somebody or something erased the state
 * partition, and with it the rollback floor. Said once, and kept.
 */
static bool note_lost_state(struct device *device, const struct flags *flags, struct result *result)
{
	struct fault ignored;
	bool system = false;

	for (size_t i = 0; i < device->board->slot_count; i++)
		system |= flags->slot[i].good;
	if (!device->state->blank || !system)
		return false;
	device_begin_result(device, RESULT_TRIAL, -1, result);
	fault_set(&result->fault, DETAIL_STATE_LOST, "state partition");
	device_keep_result(device, result);
	if (!state_store_record(device->state, &ignored))
		device->state->blank = false;
	return true;
}

/* A wipe whose request for recovery was taken back, by whatever means. */
static void settle_wipe(struct device *device, const struct flags *flags)
{
	bool wanted = device->state->record.wipe != STATE_WIPE_NONE;
	struct result result;
	struct fault ignored;

	if (flags->recovery || !wanted || device_forget_wipe(device, &ignored))
		return;
	device_begin_result(device, RESULT_WIPE, -1, &result);
	fault_set(&result.fault, DETAIL_INTERRUPTED, "erasing user data");
	device_keep_result(device, &result);
}

/*
 * A system that had confirmed itself, and then did not come up in all the tries that it had: the
 * one that runs now is the fallback. Told once; the running slot comes first from then on.
 */
static enum detail settle_fallback(struct device *device, struct flags *flags, bool *settled,
				   struct result *result, struct fault *fault)
{
	size_t first = flags->order_count ? flags->order[0] : 0;
	enum detail detail;

	if (device->running < 0 || !flags->order_count || first == (size_t)device->running ||
	    !flags->slot[first].good || flags->slot[first].tries)
		return DETAIL_OK;
	device_begin_result(device, RESULT_TRIAL, (int)first, result);
	blame_trial(device, result, DETAIL_FELL_BACK, "");
	device_keep_result(device, result);
	flags_prefer(flags, (size_t)device->running);
	detail = device_store_flags(device, flags, false, fault);
	*settled |= !detail;
	return detail;
}

/*
 * I2: the target of an install that waits says nothing of itself. Where flags do (a hand, or a boot
 * loader that could not read them for once and stored older ones), it is marked again, in both
 * copies. A system that runs from there is not taken away; it cannot confirm itself.
 */
static enum detail settle_target(struct device *device, struct flags *flags, struct fault *fault)
{
	const struct journal *j = &device->state->journal;
	struct flags marked = *flags;
	enum detail detail;

	if (!install_is_pending(device->state, flags) || device->running == (int)j->target)
		return DETAIL_OK;
	flags_mark_target(&marked, j->target);
	if (flags_equal(flags, &marked))
		return DETAIL_OK;
	observer_line(device->observer, "trial: a slot that is being written was called bootable");
	*flags = marked;
	detail = device_store_flags(device, flags, false, fault);
	return detail ? detail : device_store_flags(device, flags, false, fault);
}

static bool is_below(const struct state_record *record, size_t slot, uint64_t floor)
{
	return record->slot[slot].release && record->slot[slot].release < floor;
}

/*
 * Flags that offer a slot below the floor are from before the confirmation that raised it (a boot
 * loader that could not read the newer ones for once, and stored these), or from a hand. What the
 * record knows to have proved itself is good again, and the other one is dropped; with nothing else
 * to start it stays.
 */
static enum detail settle_floor(struct device *device, struct flags *flags, struct fault *fault)
{
	const struct state_record *record = &device->state->record;
	struct flags right = *flags;
	bool below = false, proved = false;

	for (size_t i = 0; i < device->board->slot_count; i++) {
		if (is_below(record, i, record->rollback_floor)) {
			below |= flags_in_order(flags, i) || flags->slot[i].good;
			flags_give_up(&right, i);
		} else if (record->slot[i].confirmed && !flags->slot[i].good) {
			flags_confirm(&right, i, device->board->tries);
		}
		proved |= right.slot[i].good;
	}
	if (!below || !proved || was_begun(&device->state->journal))
		return DETAIL_OK;
	observer_line(device->observer,
		      "trial: a slot that is below the floor was called bootable");
	*flags = right;
	return device_store_flags(device, flags, false, fault);
}

/*
 * Committed, in no order any more, and not because it failed: a hand, or a boot loader that could
 * not read the newer flags for once, has put older ones in force. The update is gone.
 */
static void note_lost_flip(struct device *device, struct result *result)
{
	const struct journal *j = &device->state->journal;

	device_begin_result(device, RESULT_TRIAL, (int)j->target, result);
	add_origin(device, result);
	result->release = j->release;
	text_copy(result->version, sizeof(result->version), j->version);
	memcpy(result->package_id, j->package_id, HASH_LEN);
	blame_trial(device, result, DETAIL_FLAGS_WENT_BACK, "");
	device_keep_result(device, result);
}

/* What a cut kept the journal from saying: that the flip happened, or that it was given up. */
static enum detail settle_journal(struct device *device, const struct flags *flags, bool *settled,
				  struct result *result, struct fault *fault)
{
	struct journal *j = &device->state->journal;

	/* The board tree may have lost a slot since. */
	if (j->target >= device->board->slot_count)
		return end_journal(device, fault);
	if (was_given_up(device->state, flags)) {
		if (!install_has_failed(device->state, j->package_id)) {
			note_lost_flip(device, result);
			*settled = true;
		}
		return end_journal(device, fault);
	}
	if (!was_flipped(device->state, flags) || flags->slot[j->target].good ||
	    j->step == JOURNAL_COMMITTED)
		return DETAIL_OK;
	j->step = JOURNAL_COMMITTED;
	return state_store_journal(device->state, fault);
}

enum detail install_settle(struct device *device, const char *reason, bool *settled,
			   struct result *result, struct fault *fault)
{
	struct state *state = device->state;
	struct journal *j = &state->journal;
	struct flags flags;
	enum detail detail;

	*settled = false;
	detail = install_load_flags(device, &flags, NULL, fault);
	if (detail)
		return detail;
	*settled = note_lost_state(device, &flags, result);
	settle_wipe(device, &flags);
	if ((detail = settle_journal(device, &flags, settled, result, fault)) ||
	    (detail = settle_target(device, &flags, fault)) ||
	    (detail = settle_floor(device, &flags, fault)))
		return detail;
	if (was_flipped(state, &flags) && flags.slot[j->target].good)
		return keep_confirmation(device, j->target, fault);
	if (!trial_failed(device, &flags))
		return settle_fallback(device, &flags, settled, result, fault);

	device_begin_result(device, RESULT_TRIAL, (int)j->target, result);
	add_origin(device, result);
	blame_trial(device, result, DETAIL_TRIAL_FAILED, reason);
	/*
	 * The report first, then the flags, then the journal: a cut before the flags tells it twice
	 * at worst, and one after them leaves what the next start ends.
	 */
	device_keep_result(device, result);
	remember_failed(&state->record, j->package_id);
	if ((detail = state_store_record(state, fault)))
		return detail;
	flags_give_up(&flags, j->target);
	if ((detail = device_store_flags(device, &flags, false, fault)))
		return detail;
	*settled = true;
	return end_journal(device, fault);
}

/* A slot older than the floor that is now in force must never be started again. */
static void drop_below_floor(const struct device *device, size_t running, struct flags *flags)
{
	const struct state *state = device->state;
	const struct journal *j = &state->journal;
	uint64_t floor = state->record.rollback_floor;

	raise(&floor, state->record.slot[running].rollback_floor);
	if (was_begun(j) && j->target == running)
		raise(&floor, j->rollback_floor);
	for (size_t i = 0; i < device->board->slot_count; i++)
		if (i != running && is_below(&state->record, i, floor))
			flags_give_up(flags, i);
}

/*
 * Whether the boot script can have started the running slot. One that is being written, or was
 * given up, does not become good because somebody says so.
 */
static bool may_confirm(const struct device *device, const struct flags *flags)
{
	size_t running = (size_t)device->running;

	if (install_is_pending(device->state, flags) && device->state->journal.target == running)
		return false;
	return flags_in_order(flags, running) || flags->slot[running].good;
}

static enum detail slot_fault(const struct device *device, enum detail detail, struct fault *fault)
{
	char object[32];
	struct text t = TEXT_IN(object);

	text_add(&t, "slot ");
	text_add(&t, device->board->slots[device->running].name);
	return fault_set(fault, detail, object);
}

enum detail install_confirm(struct device *device, struct result *result)
{
	struct state *state = device->state;
	struct flags flags, before;
	bool first;
	enum detail detail;

	device_begin_result(device, RESULT_CONFIRM, device->running, result);
	if (device->running < 0)
		return fault_set(&result->fault, DETAIL_SLOT_NOT_RUNNING,
				 "the kernel command line");
	add_origin(device, result);
	detail = install_load_flags(device, &flags, NULL, &result->fault);
	if (detail)
		return detail;
	before = flags;
	if (!may_confirm(device, &flags))
		return slot_fault(device, DETAIL_SLOT_NOT_BOOTABLE, &result->fault);
	flags_confirm(&flags, (size_t)device->running, device->board->tries);
	drop_below_floor(device, (size_t)device->running, &flags);
	if (!flags_equal(&before, &flags)) {
		detail = device_store_flags(device, &flags, false, &result->fault);
		if (detail)
			return detail;
	}
	first = !state->record.slot[device->running].confirmed;
	detail = keep_confirmation(device, (size_t)device->running, &result->fault);
	if (detail)
		return detail;
	if (first)
		device_keep_result(device, result);
	return DETAIL_OK;
}

enum detail install_reject(struct device *device, const struct fault *why, struct result *result)
{
	struct flags flags;
	struct fault fault;
	enum detail detail;

	device_begin_result(device, RESULT_CONFIRM, device->running, result);
	add_origin(device, result);
	result->fault = *why;
	if (device->running < 0)
		return fault_set(&result->fault, DETAIL_SLOT_NOT_RUNNING,
				 "the kernel command line");
	detail = install_load_flags(device, &flags, NULL, &fault);
	/*
	 * One that was good before keeps its remaining tries: each start takes one, so this ends.
	 */
	if (!detail && !flags.slot[device->running].good) {
		remember_failed(&device->state->record,
				device->state->record.slot[device->running].package_id);
		state_store_record(device->state, &fault);
		flags_give_up(&flags, (size_t)device->running);
		if (!device_store_flags(device, &flags, false, &fault) &&
		    device->state->journal.target == (uint32_t)device->running)
			end_journal(device, &fault);
	}
	device_keep_result(device, result);
	return why->detail;
}

bool install_may_restart(struct device *device)
{
	struct flags flags;

	if (device->running < 0 || install_load_flags(device, &flags, NULL, NULL))
		return false;
	return !flags_in_order(&flags, (size_t)device->running) ||
	       flags.slot[device->running].tries < device->board->tries;
}
