#include "install.h"
#include "run.h"
#include "text.h"

#include <string.h>

/* --- Boot flags --- */

/*
 * The device record names the slots that have confirmed themselves; a slot leaves it before its
 * first byte is overwritten. One that is older than the floor stays in it, and is no system any
 * more: it was dropped from the flags when the floor rose (I7).
 */
static void flags_from_record(const struct device *device, struct flags *flags)
{
	const struct state_record *record = &device->state->record;

	memset(flags, 0, sizeof(*flags));
	for (size_t i = 0; i < device->board->slot_count; i++) {
		if (!record->slot[i].confirmed ||
		    (record->slot[i].release && record->slot[i].release < record->rollback_floor))
			continue;
		flags->slot[i] = (struct flags_slot){.tries = device->board->tries, .good = true};
		flags->order[flags->order_count++] = (uint8_t)i;
	}
	if (flags->order_count == 2 && record->slot[1].release > record->slot[0].release) {
		flags->order[0] = 1;
		flags->order[1] = 0;
	}
}

enum detail install_load_flags(struct device *device, struct flags *flags, bool *anew,
			       struct fault *fault)
{
	struct fault why;
	enum detail detail = device->flag_store->ops->load(device->flag_store, flags, &why);

	if (anew)
		*anew = false;
	if (detail == DETAIL_FLAGS_DAMAGED && anew) {
		flags_from_record(device, flags);
		*anew = true;
		return DETAIL_OK;
	}
	if (detail && fault)
		*fault = why;
	return detail;
}

static enum detail store_flags(struct run *run)
{
	enum detail detail = device_store_flags(run->device, &run->flags, run->anew, &run->fault);

	if (!detail)
		run->anew = false;
	return detail;
}

/* --- Check and plan --- */

static enum detail check_and_plan(struct run *run, struct source *source,
				  const struct install_options *options)
{
	struct device *device = run->device;
	struct state *state = device->state;
	enum detail detail;

	run_step(run, STEP_CHECK, 0);
	detail = front_open(device->front, source, device->trust, &run->fault);
	if (detail)
		return detail;
	if (options->id && !hash_equal(device->front->id, options->id))
		return fault_set(&run->fault, DETAIL_PACKAGE_SWAPPED, source->name);
	run_step(run, STEP_PLAN, 0);
	detail = install_load_flags(device, &run->flags, device->running < 0 ? &run->anew : NULL,
				    &run->fault);
	if (detail)
		return detail;
	struct plan_request request = {
		.board = device->board,
		.gpt = device->gpt,
		.manifest = &device->front->manifest,
		.flags = &run->flags,
		.record = &state->record,
		.journal = &state->journal,
		.package_id = device->front->id,
		.running = device->running,
		.wanted = options->wanted,
	};
	detail = plan_make(&run->plan, &request, &run->fault);
	if (detail_status(detail) == STATUS_VERIFY_FAILED)
		front_name_fault(device->front, &run->fault);
	return detail;
}

static enum detail check_consent(struct run *run, const struct install_options *options)
{
	char object[160];
	struct text t = TEXT_IN(object);

	if (!run->plan.older || options->allow_older)
		return DETAIL_OK;
	text_add(&t, "release ");
	text_u64(&t, run->device->front->manifest.release);
	text_add(&t, " (");
	text_add(&t, run->device->front->manifest.version);
	text_char(&t, ')');
	return fault_set(&run->fault, DETAIL_OLDER_NEEDS_CONSENT, object);
}

enum detail install_plan(struct device *device, struct source *source,
			 const struct install_options *options, struct plan *plan,
			 struct fault *fault)
{
	struct run run = {.device = device};
	enum detail detail = check_and_plan(&run, source, options);

	*plan = run.plan;
	if (detail && fault)
		*fault = run.fault;
	return detail;
}

/*
 * The new slot comes first. A wipe that was asked for is still done before it starts: the request
 * for recovery is the wipe's.
 */
static void flip(struct run *run)
{
	bool wipe = run->flags.recovery && run->device->state->record.wipe != STATE_WIPE_NONE;
	struct flags before = run->flags;

	flags_commit(&run->flags, run->plan.target, run->device->board->tries);
	if (wipe)
		flags_request_recovery(&run->flags, before.reason);
}

/* --- Mark and journal --- */

static enum detail open_targets(struct run *run)
{
	struct storage *storage = run->device->storage;

	for (size_t i = 0; i < run->plan.image_count; i++) {
		const struct plan_image *image = &run->plan.images[i];
		enum detail detail = storage->ops->open(storage, image->label, true,
							&run->targets[i], &run->fault);
		if (detail)
			return detail;
		if (run->targets[i]->size != image->partition_len)
			return fault_set(&run->fault, DETAIL_PARTITION_CHANGED, image->label);
	}
	return DETAIL_OK;
}

static void close_targets(struct run *run)
{
	struct storage *storage = run->device->storage;

	for (size_t i = 0; i < MANIFEST_IMAGES_MAX; i++)
		if (run->targets[i])
			storage->ops->close(storage, run->targets[i]);
}

/*
 * The mark goes into both copies: the boot loader takes the older one when it cannot read the newer
 * one. What was there before goes into one of them first, so that each has taken a store when the
 * first mark is made: a copy that takes none must not cost the system in the only slot.
 */
static enum detail store_mark(struct run *run, const struct flags *before)
{
	struct flags marked = run->flags;
	enum detail detail;

	if (!flags_equal(before, &marked)) {
		run->flags = *before;
		if ((detail = store_flags(run)))
			return detail;
		run->flags = marked;
		if ((detail = store_flags(run)))
			return detail;
	}
	return store_flags(run);
}

/*
 * I2: before the first write, the flags durably say that the target is not bootable, and nothing
 * else claims that it is sound.
 */
static enum detail mark_target(struct run *run)
{
	struct state *state = run->device->state;
	size_t target = run->plan.target;
	struct flags before = run->flags;
	enum detail detail;

	/* Room for the flip is looked for now: when the whole slot is written it would be late. */
	flip(run);
	if ((detail = run->device->flag_store->ops->fits(run->device->flag_store, &run->flags,
							 run->anew, &run->fault)))
		return detail;
	run_step(run, STEP_MARK, 0);
	run->flags = before;
	flags_mark_target(&run->flags, target);
	/*
	 * Flags that are damaged in both copies start nothing: they are written anew when there is
	 * a proved system.
	 */
	if (!run->anew && (detail = store_mark(run, &before)))
		return detail;
	if (!state->record.slot[target].release && !state->record.slot[target].confirmed)
		return DETAIL_OK;
	memset(&state->record.slot[target], 0, sizeof(state->record.slot[target]));
	return state_store_record(state, &run->fault);
}

/*
 * Keeps the head of the package, for who wants to know what is pending. No journal may name it
 * while it changes; when it is the one that is there already, the journal goes on to name it, so
 * that a cut here does not forget what to resume.
 */
static enum detail keep_pending(struct run *run)
{
	struct state *state = run->device->state;
	const struct front *front = run->device->front;
	enum detail detail;

	if (run->plan.resume && state->journal.head_len == front_head_len(front))
		return DETAIL_OK;
	if (state->journal.step != JOURNAL_IDLE) {
		state->journal.step = JOURNAL_IDLE;
		if ((detail = state_store_journal(state, &run->fault)))
			return detail;
	}
	return state_store_pending(state, front->head, front_head_len(front), &run->fault);
}

/* I3: the record of what is about to be written is durable before the first byte. */
static enum detail begin_journal(struct run *run)
{
	struct device *device = run->device;
	struct state *state = device->state;
	struct journal *j = &state->journal;
	const struct manifest *m = &device->front->manifest;
	enum detail detail;

	if (run->plan.resume && j->target == run->plan.target) {
		run->hint_image = j->step >= JOURNAL_WRITTEN ? run->plan.image_count : j->image;
		run->hint_flushed = j->flushed;
		observer_line(device->observer,
			      "install: going on with the install that was interrupted");
	}
	detail = keep_pending(run);
	if (detail)
		return detail;
	*j = (struct journal){
		.step = JOURNAL_BEGIN,
		.release = m->release,
		.rollback_floor = m->rollback_floor,
		.key_epoch = m->key_epoch,
		.target = (uint32_t)run->plan.target,
		.image = (uint32_t)run->hint_image,
		.flushed = run->hint_flushed,
		.head_len = front_head_len(device->front),
	};
	memcpy(j->package_id, device->front->id, HASH_LEN);
	text_copy(j->version, sizeof(j->version), m->version);
	text_copy(j->origin, sizeof(j->origin), device->front->source->name);
	return state_store_journal(state, &run->fault);
}

/* --- Commit --- */

/*
 * I5, second half: what the new slot is goes to the record first, where it says nothing about
 * bootability; then one store flips the flags, and nothing after it can fail: the journal's last
 * word is a report, and settling at the next start goes by the flags.
 */
static enum detail commit(struct run *run)
{
	struct device *device = run->device;
	struct state *state = device->state;
	struct state_slot *slot = &state->record.slot[run->plan.target];
	struct fault ignored;
	enum detail detail;

	run_step(run, STEP_COMMIT, 0);
	slot->release = device->front->manifest.release;
	slot->confirmed = false;
	slot->rollback_floor = device->front->manifest.rollback_floor;
	slot->key_epoch = device->front->manifest.key_epoch;
	memcpy(slot->package_id, device->front->id, HASH_LEN);
	text_copy(slot->version, sizeof(slot->version), device->front->manifest.version);
	/* Without it the trial would be nobody's, and its floor unknown. */
	if ((detail = state_store_record_twice(state, &run->fault)))
		return detail;
	flip(run);
	if ((detail = store_flags(run)))
		return detail;
	state->journal.step = JOURNAL_COMMITTED;
	state_store_journal(state, &ignored);
	run_step(run, STEP_DONE, 0);
	return DETAIL_OK;
}

/* --- The order of steps --- */

/* A package that is wrong will be wrong again: nothing waits for it. The target stays marked. */
static void forget_bad_package(struct run *run, enum detail detail)
{
	struct state *state = run->device->state;
	struct fault ignored;

	if (detail_status(detail) != STATUS_VERIFY_FAILED)
		return;
	state->journal.step = JOURNAL_IDLE;
	state_store_journal(state, &ignored);
}

static enum detail run_steps(struct run *run, struct source *source,
			     const struct install_options *options)
{
	struct device *device = run->device;
	enum detail detail;

	if ((detail = check_and_plan(run, source, options)) ||
	    (detail = check_consent(run, options)))
		return detail;
	/*
	 * In place there is no second system: a damaged package is found out before the first one
	 * is given up, even when that means to download it twice.
	 */
	if (options->verify_first || (run->plan.in_place && !run->plan.resume)) {
		run_step(run, STEP_VERIFY_FIRST, run->plan.total);
		if ((detail = front_verify_all(device->front, device->observer, &run->fault)))
			return detail;
	}
	if ((detail = open_targets(run)) || (detail = mark_target(run)) ||
	    (detail = begin_journal(run)))
		return detail;
	if ((detail = run_write(run)) || (detail = run_read_back(run))) {
		forget_bad_package(run, detail);
		return detail;
	}
	return commit(run);
}

static void fill_result(const struct run *run, const struct source *source, struct result *result)
{
	const struct device *device = run->device;
	const struct front *front = device->front;

	device_begin_result(device, RESULT_INSTALL, -1, result);
	result->fault = run->fault;
	text_copy(result->origin, sizeof(result->origin), source->name);
	memcpy(result->package_id, front->id, HASH_LEN);
	if (run->plan.image_count)
		result->slot = (uint32_t)run->plan.target;
	/*
	 * Only what a signature vouched for is kept: manifest_load ran to its end when there are
	 * images.
	 */
	if (front->manifest.image_count) {
		result->release = front->manifest.release;
		text_copy(result->version, sizeof(result->version), front->manifest.version);
	}
}

enum detail install_run(struct device *device, struct source *source,
			const struct install_options *options, struct result *result)
{
	struct run run = {.device = device};
	enum detail detail = run_steps(&run, source, options);

	close_targets(&run);
	if (!detail)
		fault_set(&run.fault, DETAIL_OK, "");
	fill_result(&run, source, result);
	device_keep_result(device, result);
	return detail;
}
