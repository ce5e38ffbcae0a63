#include "state.h"
#include "bytes.h"
#include "text.h"

#include <string.h>

/* Areas and records: FORMAT.md 2. Blocks of RING_BLOCK bytes. */
enum { RING_RECORD = 1, RING_JOURNAL, RING_RESULT, RING_LOG };
#define RECORD_FIRST 0
#define RECORD_BLOCKS 4
#define JOURNAL_FIRST 4
#define JOURNAL_BLOCKS 64
#define RESULT_FIRST 68
#define LOG_FIRST 100
#define PENDING_FIRST 356
#define PENDING_BLOCKS 284

#define CONTENT_VERSION 1u
#define RECORD_VERSION 3u
#define RECORD_SLOT_LEN 112u
#define RECORD_FAILED (48u + RECORD_SLOT_LEN * BOARD_SLOTS_MAX)
#define RECORD_STARTS (RECORD_FAILED + HASH_LEN * STATE_FAILED)
#define RECORD_FLOORS (RECORD_STARTS + 24u)
#define RECORD_LEN_1 RECORD_STARTS
#define RECORD_LEN_2 RECORD_FLOORS
#define RECORD_LEN (RECORD_FLOORS + 16u * BOARD_SLOTS_MAX)
#define RECORD_CONFIRMED 1u
#define JOURNAL_LEN 408u
#define RESULT_LEN 632u

_Static_assert(PENDING_BLOCKS *RING_BLOCK >= PACKAGE_HEAD_MAX,
	       "the pending area holds the largest head");
_Static_assert(PENDING_FIRST + PENDING_BLOCKS <= STATE_SIZE_MIN / RING_BLOCK,
	       "the areas fit the smallest partition");
_Static_assert(RESULT_FIRST + STATE_RESULTS == LOG_FIRST &&
		       LOG_FIRST + STATE_LOG_BLOCKS == PENDING_FIRST,
	       "the areas follow each other");

/* A stored text is zero-padded; what is read back always ends. */
static void load_text(char *to, size_t size, const uint8_t *from)
{
	memcpy(to, from, size);
	to[size - 1] = 0;
}

static void store_slot(const struct state_slot *slot, uint8_t *raw)
{
	store_be64(raw, slot->release);
	text_copy((char *)raw + 8, MANIFEST_VERSION_SIZE, slot->version);
	memcpy(raw + 72, slot->package_id, HASH_LEN);
	store_be64(raw + 104, slot->confirmed ? RECORD_CONFIRMED : 0);
}

static void load_slot(struct state_slot *slot, const uint8_t *raw)
{
	slot->release = load_be64(raw);
	load_text(slot->version, MANIFEST_VERSION_SIZE, raw + 8);
	memcpy(slot->package_id, raw + 72, HASH_LEN);
	slot->confirmed = load_be64(raw + 104) & RECORD_CONFIRMED;
}

/*
 * A content of a later version begins with the fields of this one (FORMAT.md 2). Recovery may be
 * older than the system: to take such a record for none would forget the floor (I7).
 */
static bool is_known(const uint8_t *raw, size_t len, size_t known_len)
{
	return len >= known_len && load_be32(raw) >= CONTENT_VERSION;
}

static void take_record(struct state_record *r, const uint8_t *raw, size_t len)
{
	if (!is_known(raw, len, RECORD_LEN_1))
		return;
	r->self_starts = load_be32(raw + 4);
	r->boot_count = load_be64(raw + 8);
	r->rollback_floor = load_be64(raw + 16);
	r->key_epoch = load_be64(raw + 24);
	r->confirmed_release = load_be64(raw + 32);
	if (load_be32(raw + 40) <= STATE_WIPE_BEGUN)
		r->wipe = (enum state_wipe)load_be32(raw + 40);
	r->wipe_starts = load_be32(raw + 44);
	for (size_t i = 0; i < BOARD_SLOTS_MAX; i++)
		load_slot(&r->slot[i], raw + 48 + i * RECORD_SLOT_LEN);
	memcpy(r->failed, raw + RECORD_FAILED, sizeof(r->failed));
	if (len < RECORD_LEN_2)
		return;
	r->recovery_starts = load_be64(raw + RECORD_STARTS);
	r->recovery_reached = load_be64(raw + RECORD_STARTS + 8);
	memcpy(r->recovery_package, raw + RECORD_STARTS + 16, sizeof(r->recovery_package));
	for (size_t i = 0; i < BOARD_SLOTS_MAX && len >= RECORD_LEN; i++) {
		r->slot[i].rollback_floor = load_be64(raw + RECORD_FLOORS + 16 * i);
		r->slot[i].key_epoch = load_be64(raw + RECORD_FLOORS + 16 * i + 8);
	}
}

/*
 * False: the newest record, which was found a moment ago, cannot be read now. That must not count
 * as never written: the floor is in it, and the next store would lower it (I7).
 */
static bool load_record(struct state *state)
{
	struct state_record *r = &state->record;
	const uint8_t *raw;
	size_t len;

	memset(r, 0, sizeof(*r));
	if (state->record_ring.serial) {
		if (!ring_read(&state->record_ring, 0, state->block, &raw, &len))
			return false;
		take_record(r, raw, len);
	}
	state->stored_floor = r->rollback_floor;
	state->stored_epoch = r->key_epoch;
	return true;
}

static void load_journal(struct state *state)
{
	struct journal *j = &state->journal;
	const uint8_t *raw;
	size_t len;

	memset(j, 0, sizeof(*j));
	if (!ring_read(&state->journal_ring, 0, state->block, &raw, &len) ||
	    !is_known(raw, len, JOURNAL_LEN) || load_be32(raw + 4) > JOURNAL_COMMITTED)
		return;
	j->step = (enum journal_step)load_be32(raw + 4);
	memcpy(j->package_id, raw + 8, HASH_LEN);
	j->release = load_be64(raw + 40);
	j->rollback_floor = load_be64(raw + 48);
	j->key_epoch = load_be64(raw + 56);
	j->target = load_be32(raw + 64);
	j->image = load_be32(raw + 68);
	j->flushed = load_be64(raw + 72);
	j->head_len = load_be64(raw + 80);
	load_text(j->version, sizeof(j->version), raw + 88);
	load_text(j->origin, sizeof(j->origin), raw + 152);
	if (j->target >= BOARD_SLOTS_MAX)
		memset(j, 0, sizeof(*j));
}

enum detail state_open(struct state *state, struct dev *dev, struct fault *fault)
{
	struct fault ignored;
	enum detail detail;

	state->dev = dev;
	state->log_len = 0;
	if (dev->size < STATE_SIZE_MIN) {
		char object[80];
		struct text t = TEXT_IN(object);
		text_add(&t, "state partition of ");
		text_size(&t, dev->size);
		return fault_set(fault, DETAIL_STATE_TOO_SMALL, object);
	}
	if ((detail = ring_open(&state->record_ring, dev, RING_RECORD, RECORD_FIRST, RECORD_BLOCKS,
				state->block, fault)))
		return detail;
	/*
	 * A hint (I9), and reports (I10): what can be read of them counts, bad blocks must not stop
	 * an update.
	 */
	ring_open(&state->journal_ring, dev, RING_JOURNAL, JOURNAL_FIRST, JOURNAL_BLOCKS,
		  state->block, &ignored);
	ring_open(&state->result_ring, dev, RING_RESULT, RESULT_FIRST, STATE_RESULTS, state->block,
		  &ignored);
	ring_open(&state->log_ring, dev, RING_LOG, LOG_FIRST, STATE_LOG_BLOCKS, state->block,
		  &ignored);
	state->blank = !state->record_ring.serial;
	if (!load_record(state))
		return fault_errno(fault, DETAIL_DEVICE_READ, "state partition",
				   state->record_ring.error);
	load_journal(state);
	return DETAIL_OK;
}

enum detail state_store_record(struct state *state, struct fault *fault)
{
	struct state_record *r = &state->record;
	uint8_t raw[RECORD_LEN] = {0};
	enum detail detail;

	if (r->rollback_floor < state->stored_floor)
		r->rollback_floor = state->stored_floor;
	if (r->key_epoch < state->stored_epoch)
		r->key_epoch = state->stored_epoch;
	store_be32(raw, RECORD_VERSION);
	store_be32(raw + 4, r->self_starts);
	store_be64(raw + 8, r->boot_count);
	store_be64(raw + 16, r->rollback_floor);
	store_be64(raw + 24, r->key_epoch);
	store_be64(raw + 32, r->confirmed_release);
	store_be32(raw + 40, r->wipe);
	store_be32(raw + 44, r->wipe_starts);
	for (size_t i = 0; i < BOARD_SLOTS_MAX; i++)
		store_slot(&r->slot[i], raw + 48 + i * RECORD_SLOT_LEN);
	memcpy(raw + RECORD_FAILED, r->failed, sizeof(r->failed));
	store_be64(raw + RECORD_STARTS, r->recovery_starts);
	store_be64(raw + RECORD_STARTS + 8, r->recovery_reached);
	memcpy(raw + RECORD_STARTS + 16, r->recovery_package, sizeof(r->recovery_package));
	for (size_t i = 0; i < BOARD_SLOTS_MAX; i++) {
		store_be64(raw + RECORD_FLOORS + 16 * i, r->slot[i].rollback_floor);
		store_be64(raw + RECORD_FLOORS + 16 * i + 8, r->slot[i].key_epoch);
	}
	detail = ring_append(&state->record_ring, raw, sizeof(raw), state->block, fault);
	if (!detail) {
		state->stored_floor = r->rollback_floor;
		state->stored_epoch = r->key_epoch;
	}
	return detail;
}

enum detail state_store_record_twice(struct state *state, struct fault *fault)
{
	enum detail detail = state_store_record(state, fault);

	return detail ? detail : state_store_record(state, fault);
}

enum detail state_store_journal(struct state *state, struct fault *fault)
{
	const struct journal *j = &state->journal;
	uint8_t raw[JOURNAL_LEN] = {0};

	store_be32(raw, CONTENT_VERSION);
	store_be32(raw + 4, j->step);
	memcpy(raw + 8, j->package_id, HASH_LEN);
	store_be64(raw + 40, j->release);
	store_be64(raw + 48, j->rollback_floor);
	store_be64(raw + 56, j->key_epoch);
	store_be32(raw + 64, j->target);
	store_be32(raw + 68, j->image);
	store_be64(raw + 72, j->flushed);
	store_be64(raw + 80, j->head_len);
	text_copy((char *)raw + 88, sizeof(j->version), j->version);
	text_copy((char *)raw + 152, sizeof(j->origin), j->origin);
	return ring_append(&state->journal_ring, raw, sizeof(raw), state->block, fault);
}

enum detail state_add_result(struct state *state, const struct result *result, struct fault *fault)
{
	uint8_t raw[RESULT_LEN] = {0};

	store_be32(raw, CONTENT_VERSION);
	store_be32(raw + 4, detail_status(result->fault.detail));
	store_be32(raw + 8, result->fault.detail);
	store_be32(raw + 12, (uint32_t)result->fault.sys_errno);
	store_be64(raw + 16, result->release);
	store_be64(raw + 24, result->fault.offset);
	store_be64(raw + 32, result->boot_count);
	store_be64(raw + 40, result->monotonic_ms);
	store_be32(raw + 48, result->slot);
	store_be32(raw + 52, result->what);
	text_copy((char *)raw + 56, sizeof(result->version), result->version);
	text_copy((char *)raw + 120, sizeof(result->fault.role), result->fault.role);
	text_copy((char *)raw + 152, sizeof(result->wall), result->wall);
	text_copy((char *)raw + 184, sizeof(result->origin), result->origin);
	memcpy(raw + 440, result->package_id, HASH_LEN);
	text_copy((char *)raw + 472, sizeof(result->fault.object), result->fault.object);
	return ring_append(&state->result_ring, raw, sizeof(raw), state->block, fault);
}

bool state_result(struct state *state, uint64_t back, struct result *result)
{
	const uint8_t *raw;
	size_t len;

	memset(result, 0, sizeof(*result));
	if (!ring_read(&state->result_ring, back, state->block, &raw, &len) ||
	    !is_known(raw, len, RESULT_LEN))
		return false;
	result->fault.detail = (enum detail)load_be32(raw + 8);
	result->fault.sys_errno = (int)load_be32(raw + 12);
	result->release = load_be64(raw + 16);
	result->fault.offset = load_be64(raw + 24);
	result->boot_count = load_be64(raw + 32);
	result->monotonic_ms = load_be64(raw + 40);
	result->slot = load_be32(raw + 48);
	result->what = (enum result_what)load_be32(raw + 52);
	load_text(result->version, sizeof(result->version), raw + 56);
	load_text(result->fault.role, sizeof(result->fault.role), raw + 120);
	load_text(result->wall, sizeof(result->wall), raw + 152);
	load_text(result->origin, sizeof(result->origin), raw + 184);
	memcpy(result->package_id, raw + 440, HASH_LEN);
	load_text(result->fault.object, sizeof(result->fault.object), raw + 472);
	return true;
}

bool state_next_result(struct state *state, uint64_t *back, struct result *result)
{
	while (*back < STATE_RESULTS)
		if (state_result(state, (*back)++, result))
			return true;
	return false;
}

void state_log(struct state *state, const char *line)
{
	size_t len = strlen(line);
	struct fault ignored;

	if (len >= sizeof(state->log))
		len = sizeof(state->log) - 1;
	if (!range_within(state->log_len, len + 1, sizeof(state->log)))
		state_flush_log(state, &ignored);
	memcpy(state->log + state->log_len, line, len);
	state->log[state->log_len + len] = '\n';
	state->log_len += len + 1;
}

enum detail state_flush_log(struct state *state, struct fault *fault)
{
	size_t len = state->log_len;

	/*
	 * What could not be stored is dropped: a log that waits for a dying medium would fill the
	 * memory.
	 */
	state->log_len = 0;
	return len ? ring_append(&state->log_ring, state->log, len, state->block, fault)
		   : DETAIL_OK;
}

const char *state_log_block(struct state *state, uint64_t back, size_t *len)
{
	const uint8_t *content;

	return ring_read(&state->log_ring, back, state->block, &content, len)
		       ? (const char *)content
		       : NULL;
}

enum detail state_store_pending(struct state *state, const uint8_t *head, size_t len,
				struct fault *fault)
{
	struct dev *dev = state->dev;
	int error = 0;

	for (size_t off = 0; off < len && !error; off += RING_BLOCK) {
		size_t n = len - off < RING_BLOCK ? len - off : RING_BLOCK;
		memset(state->block, 0, RING_BLOCK);
		memcpy(state->block, head + off, n);
		error = dev->ops->write(dev, (uint64_t)PENDING_FIRST * RING_BLOCK + off,
					state->block, RING_BLOCK);
	}
	if (error)
		return fault_errno(fault, DETAIL_DEVICE_WRITE, "state partition", error);
	error = dev->ops->flush(dev);
	return error ? fault_errno(fault, DETAIL_DEVICE_FLUSH, "state partition", error)
		     : DETAIL_OK;
}

enum detail state_load_pending(struct state *state, uint8_t *head, size_t *len, struct fault *fault)
{
	struct dev *dev = state->dev;

	if (state->journal.head_len < PACKAGE_HEADER_LEN ||
	    state->journal.head_len > PACKAGE_HEAD_MAX)
		return fault_set(fault, DETAIL_NO_PACKAGE, "state partition");
	*len = (size_t)state->journal.head_len;
	for (size_t off = 0; off < *len; off += RING_BLOCK) {
		size_t n = *len - off < RING_BLOCK ? *len - off : RING_BLOCK;
		int error = dev->ops->read(dev, (uint64_t)PENDING_FIRST * RING_BLOCK + off,
					   state->block, RING_BLOCK);
		if (error)
			return fault_errno(fault, DETAIL_DEVICE_READ, "state partition", error);
		memcpy(head + off, state->block, n);
	}
	return DETAIL_OK;
}
