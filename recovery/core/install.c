#include "install.h"
#include "text.h"

#include <string.h>

/*
 * One run of the engine: what goes from step to step. The invariants that a step keeps stand above
 * it; DESIGN.md has the whole argument.
 */
struct run {
	struct device *device;
	struct plan plan;
	struct flags flags;
	bool anew; /* both copies of the boot flags were damaged: the first store writes them from
		      what the device record knows */
	struct dev *targets[MANIFEST_IMAGES_MAX];
	size_t hint_image; /* where the journal says that an earlier run got to: image and bytes
			      (I9: a hint only) */
	uint64_t hint_flushed;
	uint32_t misses;  /* chunks compared in a row that were not what they should be */
	uint64_t unsaved; /* bytes written since the last checkpoint */
	struct progress progress;
	struct fault fault;
};

/*
 * After this many misses in a row only every PROBE-th chunk is compared, until one matches again.
 */
#define COMPARE_ALWAYS 16u
#define COMPARE_PROBE 16u

static void say(const struct device *device, const char *line)
{
	if (device->observer && device->observer->ops->line)
		device->observer->ops->line(device->observer, line);
}

static void report(const struct run *run)
{
	struct observer *observer = run->device->observer;

	if (observer && observer->ops->progress)
		observer->ops->progress(observer, &run->progress);
}

static void begin_step(struct run *run, enum step step, uint64_t total)
{
	run->progress = (struct progress){.step = step,
					  .total = total,
					  .written = run->progress.written,
					  .unchanged = run->progress.unchanged};
	report(run);
}

static enum detail poll(struct run *run)
{
	struct observer *observer = run->device->observer;

	if (observer && observer->ops->poll && observer->ops->poll(observer))
		return fault_set(&run->fault, DETAIL_INTERRUPTED, "install");
	return DETAIL_OK;
}

static enum detail target_fault(struct run *run, enum detail detail, size_t image, uint64_t off,
				int error)
{
	fault_errno(&run->fault, detail, run->plan.images[image].label, error);
	run->fault.offset = off;
	text_copy(run->fault.role, sizeof(run->fault.role),
		  run->device->front->manifest.images[image].role);
	return detail;
}

/* --- Boot flags --- */

/*
 * The device record names the slots that have confirmed themselves; a slot leaves it before its
 * first byte is overwritten.
 */
static void flags_from_record(const struct device *device, struct flags *flags)
{
	const struct state_record *record = &device->state->record;

	memset(flags, 0, sizeof(*flags));
	for (size_t i = 0; i < device->board->slot_count; i++) {
		if (!record->slot[i].confirmed)
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
	struct flag_store *store = run->device->flag_store;
	enum detail detail = store->ops->store(store, &run->flags, run->anew, &run->fault);

	if (!detail)
		run->anew = false;
	return detail;
}

/* --- Check and plan --- */

static enum detail check_and_plan(struct run *run, struct source *source, int wanted)
{
	struct device *device = run->device;
	struct state *state = device->state;
	enum detail detail;

	begin_step(run, STEP_CHECK, 0);
	detail = front_open(device->front, source, device->trust, &run->fault);
	if (detail)
		return detail;
	begin_step(run, STEP_PLAN, 0);
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
		.wanted = wanted,
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
	enum detail detail = check_and_plan(&run, source, options->wanted);

	*plan = run.plan;
	if (detail && fault)
		*fault = run.fault;
	return detail;
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
 * I2: before the first write, the flags durably say that the target is not bootable, and nothing
 * else claims that it is sound.
 */
static enum detail mark_target(struct run *run)
{
	struct state *state = run->device->state;
	size_t target = run->plan.target;
	struct flags before = run->flags;
	enum detail detail;

	begin_step(run, STEP_MARK, 0);
	/* Room for the flip is looked for now: when the whole slot is written it would be late. */
	flags_commit(&run->flags, target, run->device->board->tries);
	if ((detail = run->device->flag_store->ops->fits(run->device->flag_store, &run->flags,
							 run->anew, &run->fault)))
		return detail;
	run->flags = before;
	flags_mark_target(&run->flags, target);
	/*
	 * Flags that are damaged in both copies start nothing: they are written anew when there is
	 * a proved system.
	 */
	if (!run->anew && !flags_equal(&before, &run->flags) && (detail = store_flags(run)))
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
		say(device, "install: going on with the install that was interrupted");
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

/* I3: flush first, then say that it is flushed. */
static enum detail checkpoint(struct run *run, enum journal_step step, size_t image,
			      uint64_t flushed)
{
	struct state *state = run->device->state;
	int error = run->targets[image]->ops->flush(run->targets[image]);

	if (error)
		return target_fault(run, DETAIL_DEVICE_FLUSH, image, flushed, error);
	run->unsaved = 0;
	state->journal.step = step;
	state->journal.image = (uint32_t)image;
	state->journal.flushed = flushed;
	return state_store_journal(state, &run->fault);
}

/* --- Write --- */

static size_t padded(const struct dev *dev, uint32_t len)
{
	return ((size_t)len + dev->sector_size - 1) & ~((size_t)dev->sector_size - 1);
}

/*
 * Whether to look at what the target holds before writing. Always where an earlier run has been,
 * and while looking pays; else now and then, because reading costs time too. It never decides what
 * the target holds in the end.
 */
static bool worth_comparing(const struct run *run, const struct chunk *chunk)
{
	if (chunk->image < run->hint_image ||
	    (chunk->image == run->hint_image && chunk->off < run->hint_flushed))
		return true;
	return run->misses < COMPARE_ALWAYS || chunk->number % COMPARE_PROBE == 0;
}

/* True when the medium holds the chunk already (I9: read and hashed, whatever the journal says). */
static bool already_there(struct run *run, const struct chunk *chunk)
{
	struct dev *dev = run->targets[chunk->image];
	uint8_t sha256[HASH_LEN];

	if (!worth_comparing(run, chunk))
		return false;
	if (!dev->ops->read(dev, chunk->off, run->device->buffer, padded(dev, chunk->len))) {
		hash_of(run->device->buffer, chunk->len, sha256);
		if (hash_equal(sha256, chunk->plain_sha256)) {
			run->misses = 0;
			return true;
		}
	}
	run->misses++;
	return false;
}

/*
 * I1: the back trusts nobody: what it writes is hashed here, against the index that the signature
 * vouches for.
 */
static enum detail write_chunk(struct run *run, const struct chunk *chunk, const uint8_t *plain)
{
	struct dev *dev = run->targets[chunk->image];
	size_t len = padded(dev, chunk->len);
	uint8_t sha256[HASH_LEN];
	int error;

	hash_of(plain, chunk->len, sha256);
	if (!hash_equal(sha256, chunk->plain_sha256))
		return target_fault(run, DETAIL_CHUNK_CHANGED, chunk->image, chunk->off, 0);
	if (len != chunk->len) {
		/* The image's last sector: what follows the image in it becomes zero. */
		memcpy(run->device->buffer, plain, chunk->len);
		memset(run->device->buffer + chunk->len, 0, len - chunk->len);
		plain = run->device->buffer;
	}
	error = dev->ops->write(dev, chunk->off, plain, len);
	return error ? target_fault(run, DETAIL_DEVICE_WRITE, chunk->image, chunk->off, error)
		     : DETAIL_OK;
}

static enum detail take_chunk(struct run *run, const struct chunk *chunk)
{
	const uint8_t *plain;
	enum detail detail;

	if (already_there(run, chunk)) {
		run->progress.unchanged += chunk->len;
		return DETAIL_OK;
	}
	if ((detail = front_fetch(run->device->front, &plain, &run->fault)) ||
	    (detail = write_chunk(run, chunk, plain)))
		return detail;
	run->progress.written += chunk->len;
	run->unsaved += chunk->len;
	if (run->unsaved >= INSTALL_CHECKPOINT)
		return checkpoint(run, JOURNAL_PROGRESS, chunk->image, chunk->off + chunk->len);
	return DETAIL_OK;
}

static enum detail write_images(struct run *run)
{
	struct front *front = run->device->front;
	struct chunk chunk;
	bool more;
	enum detail detail;

	front_rewind(front);
	run->progress.written = run->progress.unchanged = 0;
	begin_step(run, STEP_WRITE, run->plan.total);
	for (;;) {
		if ((detail = poll(run)) ||
		    (detail = front_next(front, &chunk, &more, &run->fault)))
			return detail;
		if (!more)
			break;
		if ((detail = take_chunk(run, &chunk)))
			return detail;
		run->progress.role = front->manifest.images[chunk.image].role;
		run->progress.done += chunk.len;
		report(run);
		if (chunk.number + 1 == front->manifest.images[chunk.image].chunk_count) {
			bool last = chunk.image + 1 == run->plan.image_count;
			detail = checkpoint(run, last ? JOURNAL_WRITTEN : JOURNAL_PROGRESS,
					    chunk.image, chunk.off + chunk.len);
			if (detail)
				return detail;
		}
	}
	return front_end(front, &run->fault);
}

/* --- Read back and commit --- */

/*
 * An image that is not what the manifest says: which chunk of the medium is wrong? When none is, it
 * is the package that contradicts itself, and no sound medium shall be blamed for it.
 */
static enum detail find_difference(struct run *run, size_t image)
{
	struct front *front = run->device->front;
	struct dev *dev = run->targets[image];
	uint8_t sha256[HASH_LEN];
	struct fault ignored;
	struct chunk chunk;
	bool more;

	front_rewind(front);
	while (!front_next(front, &chunk, &more, &ignored)) {
		if (!more || chunk.image > image)
			return target_fault(run, DETAIL_IMAGE_HASH, image, 0, 0);
		if (chunk.image < image)
			continue;
		if (dev->ops->read(dev, chunk.off, run->device->buffer, padded(dev, chunk.len)))
			break;
		hash_of(run->device->buffer, chunk.len, sha256);
		if (!hash_equal(sha256, chunk.plain_sha256))
			return target_fault(run, DETAIL_READ_BACK, image, chunk.off, 0);
	}
	return target_fault(run, DETAIL_READ_BACK, image, 0, 0);
}

static enum detail read_back_one(struct run *run, size_t image)
{
	const struct manifest_image *m = &run->device->front->manifest.images[image];
	struct dev *dev = run->targets[image];
	uint8_t sha256[HASH_LEN];
	struct hash h;
	enum detail detail;

	hash_begin(&h);
	run->progress.role = m->role;
	for (uint64_t off = 0; off < m->size;) {
		uint64_t left = m->size - off;
		uint32_t n = left < CHUNK_SIZE_MAX ? (uint32_t)left : CHUNK_SIZE_MAX;
		int error = dev->ops->read(dev, off, run->device->buffer, padded(dev, n));
		if (error)
			return target_fault(run, DETAIL_DEVICE_READ, image, off, error);
		if ((detail = poll(run)))
			return detail;
		hash_add(&h, run->device->buffer, n);
		off += n;
		run->progress.done += n;
		report(run);
	}
	hash_end(&h, sha256);
	return hash_equal(sha256, m->sha256) ? DETAIL_OK : find_difference(run, image);
}

/* I5, first half: the whole target, from the medium, whatever was written now or earlier. */
static enum detail read_back(struct run *run)
{
	struct state *state = run->device->state;
	enum detail detail;

	begin_step(run, STEP_READ_BACK, run->plan.total);
	for (size_t i = 0; i < run->plan.image_count; i++)
		if ((detail = read_back_one(run, i)))
			return detail;
	state->journal.step = JOURNAL_VERIFIED;
	return state_store_journal(state, &run->fault);
}

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

	begin_step(run, STEP_COMMIT, 0);
	slot->release = device->front->manifest.release;
	slot->confirmed = false;
	memcpy(slot->package_id, device->front->id, HASH_LEN);
	text_copy(slot->version, sizeof(slot->version), device->front->manifest.version);
	if ((detail = state_store_record(state, &run->fault)))
		return detail;
	flags_commit(&run->flags, run->plan.target, device->board->tries);
	if ((detail = store_flags(run)))
		return detail;
	state->journal.step = JOURNAL_COMMITTED;
	state_store_journal(state, &ignored);
	begin_step(run, STEP_DONE, 0);
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

	if ((detail = check_and_plan(run, source, options->wanted)) ||
	    (detail = check_consent(run, options)))
		return detail;
	/*
	 * In place there is no second system: a damaged package is found out before the first one
	 * is given up.
	 */
	if (options->verify_first || (run->plan.in_place && source->local && !run->plan.resume)) {
		begin_step(run, STEP_VERIFY_FIRST, run->plan.total);
		if ((detail = front_verify_all(device->front, device->observer, &run->fault)))
			return detail;
	}
	if ((detail = open_targets(run)) || (detail = mark_target(run)) ||
	    (detail = begin_journal(run)))
		return detail;
	if ((detail = write_images(run)) || (detail = read_back(run))) {
		forget_bad_package(run, detail);
		return detail;
	}
	return commit(run);
}

static void fill_result(const struct run *run, const struct source *source, struct result *result)
{
	const struct device *device = run->device;
	const struct front *front = device->front;

	result->what = RESULT_INSTALL;
	result->fault = run->fault;
	result->boot_count = device->state->record.boot_count;
	result->monotonic_ms = device->clock->ops->monotonic_ms(device->clock);
	device->clock->ops->wall(device->clock, result->wall, sizeof(result->wall));
	text_copy(result->origin, sizeof(result->origin), source->name);
	memcpy(result->package_id, front->id, HASH_LEN);
	result->slot = RESULT_NO_SLOT;
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
	struct fault ignored;
	enum detail detail = run_steps(&run, source, options);

	close_targets(&run);
	memset(result, 0, sizeof(*result));
	if (!detail)
		fault_set(&run.fault, DETAIL_OK, "");
	fill_result(&run, source, result);
	/*
	 * I10: the install has ended one way or the other; that its report cannot be kept changes
	 * nothing.
	 */
	state_add_result(device->state, result, &ignored);
	state_flush_log(device->state, &ignored);
	return detail;
}
