#include "wipe.h"
#include "text.h"

#include <string.h>

/*
 * Chunks that hold zeros already (an earlier run wrote them, or nobody ever wrote anything) are not
 * written again. After this many in a row that do not, only every PROBE-th is looked at, until one
 * does.
 */
#define COMPARE_ALWAYS 16u
#define COMPARE_PROBE 16u

static const char the_wipe[] = "erasing user data";

struct wipe {
	struct device *device;
	struct plan_wipe plan;
	struct dev *parts[BOARD_WIPES_MAX];
	uint32_t misses; /* chunks in a row that held something */
	uint64_t unflushed;
	struct progress progress;
	struct fault fault;
};

/* --- Is it wanted? --- */

bool wipe_is_pending(const struct state_record *record, const struct flags *flags)
{
	/*
	 * Flags that say nothing start recovery only: one that was begun must not be forgotten. One
	 * that was only asked for may have been taken back.
	 */
	if (!flags)
		return record->wipe == STATE_WIPE_BEGUN;
	return record->wipe != STATE_WIPE_NONE && flags->recovery;
}

/*
 * Whether flags that cannot be read still ask for the one that was only asked for, nobody knows:
 * the fault says that.
 */
static enum detail find_wanted(struct device *device, bool *wanted, struct fault *fault)
{
	const struct state_record *record = &device->state->record;
	struct flags flags;
	enum detail detail = install_load_flags(device, &flags, NULL, fault);

	*wanted = wipe_is_pending(record, detail ? NULL : &flags);
	if (detail == DETAIL_FLAGS_DAMAGED || *wanted || record->wipe == STATE_WIPE_NONE)
		return DETAIL_OK;
	return detail;
}

bool wipe_is_wanted(struct device *device)
{
	bool wanted;

	return find_wanted(device, &wanted, NULL) || wanted;
}

bool wipe_has_ended(struct device *device, const char *reason, struct result *result)
{
	struct state *state = device->state;

	return !strcmp(reason, WIPE_REASON) && state_result(state, 0, result) &&
	       result->what == RESULT_WIPE && state->record.boot_count - result->boot_count <= 1;
}

/*
 * The boot loader starts recovery, and nothing else, until the request is taken back. asked:
 * whether this is what asked for it.
 */
static enum detail ask_for_recovery(struct device *device, bool *asked, struct fault *fault)
{
	struct flags flags;
	enum detail detail = install_load_flags(device, &flags, NULL, fault);

	*asked = false;
	if (detail || flags.recovery)
		return detail;
	flags_request_recovery(&flags, WIPE_REASON);
	*asked = true;
	return device_store_flags(device, &flags, false, fault);
}

/*
 * The same before the first zero, in both copies of the flags: the boot loader takes the older one
 * when it cannot read the newer one. Flags that are damaged in both start nothing else already.
 */
static enum detail insist_on_recovery(struct device *device, struct fault *fault)
{
	struct flags flags;
	struct fault why;
	bool asked;
	enum detail detail = ask_for_recovery(device, &asked, &why);

	if (detail == DETAIL_FLAGS_DAMAGED)
		return DETAIL_OK;
	if (!detail)
		detail = install_load_flags(device, &flags, NULL, &why);
	if (!detail)
		detail = device_store_flags(device, &flags, false, &why);
	if (detail)
		*fault = why;
	return detail;
}

/*
 * After a failure the medium may hold either: what is in memory is then the one that wants more, so
 * that it is taken back later.
 */
static enum detail store_wipe(struct device *device, enum state_wipe wipe, uint32_t starts,
			      struct fault *fault)
{
	struct state_record *record = &device->state->record;
	struct state_record before = *record;
	enum detail detail;

	if (record->wipe == wipe && record->wipe_starts == starts)
		return DETAIL_OK;
	record->wipe = wipe;
	record->wipe_starts = starts;
	/* One block that goes bad must not ask for it again. */
	detail = wipe == STATE_WIPE_NONE ? state_store_record_twice(device->state, fault)
					 : state_store_record(device->state, fault);
	if (detail && wipe == STATE_WIPE_NONE)
		*record = before;
	return detail;
}

enum detail wipe_request(struct device *device, struct fault *fault)
{
	struct plan_wipe plan;
	struct fault ignored;
	bool begun = device->state->record.wipe == STATE_WIPE_BEGUN, asked;
	enum detail detail;

	if ((detail = plan_wipe_make(&plan, device->board, device->gpt, fault)) ||
	    (detail = ask_for_recovery(device, &asked, fault)))
		return detail;
	detail = store_wipe(device, begun ? STATE_WIPE_BEGUN : STATE_WIPE_ASKED, 0, fault);
	if (detail && !begun)
		store_wipe(device, STATE_WIPE_NONE, 0, &ignored);
	if (detail && asked)
		install_leave_recovery(device, false, true, &ignored);
	return detail;
}

enum detail wipe_withdraw(struct device *device, struct fault *fault)
{
	struct flags flags;
	enum detail detail = store_wipe(device, STATE_WIPE_NONE, 0, fault);

	if (detail || install_load_flags(device, &flags, NULL, NULL) || !flags.recovery ||
	    strcmp(flags.reason, WIPE_REASON))
		return detail;
	return install_leave_recovery(device, false, true, fault);
}

/* --- Erasing --- */

static void begin_step(struct wipe *w, enum step step, uint64_t total)
{
	w->progress = (struct progress){.step = step,
					.total = total,
					.written = w->progress.written,
					.unchanged = w->progress.unchanged};
	observer_progress(w->device->observer, &w->progress);
}

static enum detail poll(struct wipe *w)
{
	if (observer_stops(w->device->observer))
		return fault_set(&w->fault, DETAIL_INTERRUPTED, the_wipe);
	return DETAIL_OK;
}

static enum detail part_fault(struct wipe *w, enum detail detail, size_t part, uint64_t off,
			      int error)
{
	fault_errno(&w->fault, detail, w->plan.parts[part].label, error);
	w->fault.offset = off;
	return detail;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	uint64_t any = 0, word;

	for (size_t i = 0; i < len; i += sizeof(word)) { /* whole sectors */
		memcpy(&word, p + i, sizeof(word));
		any |= word;
	}
	return any == 0;
}

static size_t chunk_len(const struct dev *dev, uint64_t off)
{
	return dev->size - off < CHUNK_SIZE_MAX ? (size_t)(dev->size - off) : CHUNK_SIZE_MAX;
}

/* Looking never decides what the partition holds in the end: it is read back. */
static bool is_erased(struct wipe *w, struct dev *dev, uint64_t off, size_t len)
{
	if (w->misses >= COMPARE_ALWAYS && off / CHUNK_SIZE_MAX % COMPARE_PROBE)
		return false;
	if (!dev->ops->read(dev, off, w->device->buffer, len) && is_zero(w->device->buffer, len)) {
		w->misses = 0;
		return true;
	}
	w->misses++;
	return false;
}

static enum detail erase_chunk(struct wipe *w, size_t part, uint64_t off, size_t len)
{
	struct dev *dev = w->parts[part];
	int error;

	if (is_erased(w, dev, off, len)) {
		w->progress.unchanged += len;
		return DETAIL_OK;
	}
	memset(w->device->buffer, 0, len);
	error = dev->ops->write(dev, off, w->device->buffer, len);
	if (error)
		return part_fault(w, DETAIL_DEVICE_WRITE, part, off, error);
	w->progress.written += len;
	w->unflushed += len;
	if (w->unflushed < w->device->checkpoint)
		return DETAIL_OK;
	w->unflushed = 0;
	error = dev->ops->flush(dev);
	return error ? part_fault(w, DETAIL_DEVICE_FLUSH, part, off, error) : DETAIL_OK;
}

static void went_on(struct wipe *w, size_t len)
{
	w->progress.done += len;
	observer_progress(w->device->observer, &w->progress);
}

static enum detail erase_part(struct wipe *w, size_t part)
{
	struct dev *dev = w->parts[part];
	enum detail detail;
	int error;

	w->progress.role = w->plan.parts[part].label;
	w->unflushed = 0;
	for (uint64_t off = 0; off < dev->size;) {
		size_t len = chunk_len(dev, off);

		if ((detail = poll(w)) || (detail = erase_chunk(w, part, off, len)))
			return detail;
		off += len;
		went_on(w, len);
	}
	error = dev->ops->flush(dev);
	return error ? part_fault(w, DETAIL_DEVICE_FLUSH, part, 0, error) : DETAIL_OK;
}

/* From the medium: what was said to be written is not enough. */
static enum detail read_back_part(struct wipe *w, size_t part)
{
	struct dev *dev = w->parts[part];
	enum detail detail;

	w->progress.role = w->plan.parts[part].label;
	for (uint64_t off = 0; off < dev->size;) {
		size_t len = chunk_len(dev, off);
		int error;

		if ((detail = poll(w)))
			return detail;
		error = dev->ops->read(dev, off, w->device->buffer, len);
		if (error)
			return part_fault(w, DETAIL_DEVICE_READ, part, off, error);
		if (!is_zero(w->device->buffer, len))
			return part_fault(w, DETAIL_READ_BACK, part, off, 0);
		off += len;
		went_on(w, len);
	}
	return DETAIL_OK;
}

static enum detail erase(struct wipe *w)
{
	enum detail detail;

	begin_step(w, STEP_WRITE, w->plan.total);
	for (size_t i = 0; i < w->plan.count; i++)
		if ((detail = erase_part(w, i)))
			return detail;
	begin_step(w, STEP_READ_BACK, w->plan.total);
	for (size_t i = 0; i < w->plan.count; i++)
		if ((detail = read_back_part(w, i)))
			return detail;
	return DETAIL_OK;
}

/* --- The order of steps --- */

static enum detail open_parts(struct wipe *w)
{
	struct storage *storage = w->device->storage;

	for (size_t i = 0; i < w->plan.count; i++) {
		const struct plan_wipe_part *part = &w->plan.parts[i];
		enum detail detail =
			storage->ops->open(storage, part->label, true, &w->parts[i], &w->fault);
		if (detail)
			return detail;
		if (w->parts[i]->size != part->len)
			return fault_set(&w->fault, DETAIL_PARTITION_CHANGED, part->label);
	}
	return DETAIL_OK;
}

static void close_parts(struct wipe *w)
{
	struct storage *storage = w->device->storage;

	for (size_t i = 0; i < BOARD_WIPES_MAX; i++)
		if (w->parts[i])
			storage->ops->close(storage, w->parts[i]);
}

/* What must hold before anything is changed. */
static enum detail check(struct wipe *w, bool agreed)
{
	struct device *device = w->device;
	enum detail detail;

	begin_step(w, STEP_PLAN, 0);
	if ((detail = plan_wipe_make(&w->plan, device->board, device->gpt, &w->fault)))
		return detail;
	if (!agreed && device->state->record.wipe_starts >= WIPE_STARTS)
		return fault_set(&w->fault, DETAIL_WIPE_GIVEN_UP, the_wipe);
	return open_parts(w);
}

static enum detail run_steps(struct wipe *w, bool agreed)
{
	struct device *device = w->device;
	uint32_t starts = agreed ? 0 : device->state->record.wipe_starts;
	enum detail detail;

	if ((detail = check(w, agreed)))
		return detail;
	begin_step(w, STEP_MARK, 0);
	/* As I2 and I3: no system is started on data that is half gone, and the record comes first.
	 */
	if ((detail = insist_on_recovery(device, &w->fault)) ||
	    (detail = store_wipe(device, STATE_WIPE_BEGUN, starts + 1, &w->fault)))
		return detail;
	return erase(w);
}

enum detail wipe_run(struct device *device, bool agreed, struct result *result)
{
	struct wipe w = {.device = device};
	struct fault fault;
	bool wanted;
	enum detail detail;

	*result = (struct result){.what = RESULT_WIPE, .slot = RESULT_NO_SLOT};
	if (device->running >= 0)
		return fault_set(&result->fault, DETAIL_NOT_RECOVERY, the_wipe);
	if (!agreed && (detail = find_wanted(device, &wanted, &result->fault)))
		return detail;
	if (!agreed && !wanted)
		return fault_set(&result->fault, DETAIL_WIPE_NEEDS_CONSENT, "user data");
	detail = run_steps(&w, agreed);
	close_parts(&w);
	if (!detail)
		fault_set(&w.fault, DETAIL_OK, "");
	/* The result first: a cut between the two tells it twice at worst. */
	device_begin_result(device, RESULT_WIPE, -1, result);
	result->fault = w.fault;
	device_keep_result(device, result);
	if (detail == DETAIL_INTERRUPTED)
		return detail;
	/*
	 * I8: what failed once is not tried by itself for ever, and a wipe that is done must not be
	 * done again when there is new data.
	 */
	if (store_wipe(device, STATE_WIPE_NONE, 0, &fault) && !detail) {
		result->fault = fault;
		return fault.detail;
	}
	if (!detail)
		begin_step(&w, STEP_DONE, 0);
	return detail;
}
