/*
 * State partition: device record, journal, results, log. Input: options (1 byte), what to store
 * (16), then blocks, each: number (2), kind (1), and of a sealed block the ring (1), serial (8),
 * length (2), length in the input (2) and bytes; of a raw one the length in the input (2) and
 * bytes.
 */
#include "fuzz.h"

#include "hash.h"
#include "state.h"
#include "support.h"

enum { SMALL = 1, DEAD = 2, NO_FLUSH = 4, BLOCKS_MAX = 24 };
#define SERIAL_MAX (UINT64_MAX - 16)
enum { RAW, SEALED, WRONG_HASH, UNREADABLE };

static const struct area {
	uint32_t ring, first, blocks;
} areas[4] = {{1, 0, 4}, {2, 4, 64}, {3, 68, 32}, {4, 100, 256}};

static struct sparse medium;
static struct state state, again;

/* --- FORMAT.md 2, without the program's code --- */

static void seal(uint8_t *block)
{
	struct hash h;
	size_t len = load_be32(block + 16);

	hash_begin(&h);
	hash_add(&h, block, 32);
	hash_add(&h, block + 64, len < 4032 ? len : 4032);
	hash_end(&h, block + 32);
}

/* Whether the block counts, for the ring in whose area it lies. */
static bool is_valid(const struct area *area, uint32_t index, const uint8_t *block)
{
	uint64_t serial = load_be64(block + 8);
	uint8_t copy[4096];

	if (memcmp(block, "LBR1", 4) || load_be32(block + 4) != area->ring || !serial ||
	    load_be32(block + 16) > 4032 || !bytes_are_zero(block + 20, 12) ||
	    (serial - 1) % area->blocks != index)
		return false;
	memcpy(copy, block, sizeof(copy));
	seal(copy);
	return !memcmp(copy + 32, block + 32, 32);
}

static bool is_readable(uint32_t number)
{
	for (size_t i = 0; i < medium.bad_count; i++)
		if (medium.bad[i] / 4096 == number)
			return false;
	return true;
}

static unsigned int unreadable(const struct area *area)
{
	unsigned int count = 0;

	for (uint32_t i = 0; i < area->blocks; i++)
		count += !is_readable(area->first + i);
	return count;
}

/* The newest record of a ring that can be read; serial 0: none. */
static uint64_t newest(const struct area *area, uint8_t found[4096])
{
	uint8_t block[4096];
	uint64_t serial = 0;

	for (uint32_t i = 0; i < area->blocks; i++) {
		sparse_get(&medium, (area->first + i) * 4096, block, sizeof(block));
		if (is_readable(area->first + i) && is_valid(area, i, block) &&
		    load_be64(block + 8) > serial) {
			serial = load_be64(block + 8);
			memcpy(found, block, sizeof(block));
		}
	}
	return serial;
}

/* --- Input --- */

static void put_blocks(struct feed *input)
{
	static uint8_t block[4096];

	for (size_t n = 0; n < BLOCKS_MAX && input->left; n++) {
		uint64_t number = feed_number(input, 2) % 768;
		unsigned int kind = (unsigned int)feed_number(input, 1) % 4;
		size_t off = 0, got;
		const uint8_t *from;

		memset(block, 0, sizeof(block));
		if (kind == UNREADABLE) {
			if (medium.bad_count < SPARSE_BAD_MAX)
				medium.bad[medium.bad_count++] = number * 4096;
			continue;
		}
		if (kind != RAW) {
			memcpy(block, "LBR1", 4);
			store_be32(block + 4, (uint32_t)feed_number(input, 1));
			store_be64(block + 8, feed_number(input, 8));
			store_be32(block + 16, (uint32_t)feed_number(input, 2));
			off = 64;
		}
		from = feed_take(input, (size_t)feed_number(input, 2) % (4097 - off), &got);
		if (got)
			memcpy(block + off, from, got);
		if (kind != RAW)
			seal(block);
		block[32] ^= kind == WRONG_HASH;
		sparse_put(&medium, number * 4096, block, sizeof(block));
	}
}

/* --- What must hold --- */

static void check_texts(void)
{
	must_end(state.record.slot[0].version);
	must_end(state.record.slot[1].version);
	must_end(state.journal.version);
	must_end(state.journal.origin);
}

static void check_record(void)
{
	uint8_t block[4096], *raw = block + 64;
	uint64_t serial = newest(&areas[0], block);

	must(state.blank == !serial);
	must(state.record_ring.serial == serial);
	if (serial && load_be32(block + 16) >= 400 && load_be32(raw)) {
		must(state.record.self_starts == load_be32(raw + 4));
		must(state.record.boot_count == load_be64(raw + 8));
		must(state.record.rollback_floor == load_be64(raw + 16));
		must(state.record.key_epoch == load_be64(raw + 24));
		must(state.record.confirmed_release == load_be64(raw + 32));
		must(state.record.slot[1].release == load_be64(raw + 160));
		must(!memcmp(state.record.failed, raw + 272, 128));
		bool known = load_be32(block + 16) >= 424;
		must(state.record.recovery_starts == (known ? load_be64(raw + 400) : 0));
		must(state.record.recovery_reached == (known ? load_be64(raw + 408) : 0));
		must(!known || !memcmp(state.record.recovery_package, raw + 416, 8));
		known = load_be32(block + 16) >= 456;
		for (size_t i = 0; i < 2; i++) {
			const uint8_t *floors = raw + 424 + 16 * i;
			must(state.record.slot[i].rollback_floor ==
			     (known ? load_be64(floors) : 0));
			must(state.record.slot[i].key_epoch == (known ? load_be64(floors + 8) : 0));
		}
	} else {
		must(!state.record.rollback_floor && !state.record.key_epoch &&
		     !state.record.confirmed_release && !state.record.slot[0].release);
	}
}

static void check_journal(void)
{
	uint8_t block[4096], *raw = block + 64;
	uint64_t serial = newest(&areas[1], block);

	must(state.journal_ring.serial == serial);
	must(state.journal.step <= JOURNAL_COMMITTED && state.journal.target < BOARD_SLOTS_MAX);
	if (serial && load_be32(block + 16) >= 408 && load_be32(raw) && load_be32(raw + 4) <= 5 &&
	    load_be32(raw + 64) < 2)
		must(state.journal.step == load_be32(raw + 4) &&
		     state.journal.flushed == load_be64(raw + 72) &&
		     state.journal.head_len == load_be64(raw + 80));
	else
		must(state.journal.step == JOURNAL_IDLE);
}

static void check_reports(void)
{
	static struct result result;
	size_t len;

	for (uint64_t back = 0; back < STATE_RESULTS + 2; back++) {
		if (!state_result(&state, back, &result))
			continue;
		must(back < STATE_RESULTS);
		must_end(result.version);
		must_end(result.wall);
		must_end(result.origin);
		must_end(result.fault.role);
		must_end(result.fault.object);
		must(detail_name(result.fault.detail) && detail_sentence(result.fault.detail));
	}
	for (uint64_t back = 0; back < STATE_LOG_BLOCKS + 2; back++) {
		const char *text = state_log_block(&state, back, &len);

		if (!text)
			continue;
		must(back < STATE_LOG_BLOCKS && len <= RING_CONTENT_MAX);
		must((const uint8_t *)text >= state.block &&
		     (const uint8_t *)text + len <= state.block + sizeof(state.block));
	}
}

static void check_pending(void)
{
	struct fault fault;
	size_t len = 0;
	uint8_t *head = NULL;
	uint64_t stored = state.journal.head_len;

	/* The buffer that the header asks for, and no byte more than what is used. */
	if (stored >= PACKAGE_HEADER_LEN && stored <= PACKAGE_HEAD_MAX)
		head = malloc((size_t)stored);
	enum detail detail = state_load_pending(&state, head, &len, &fault);
	must(!head == (detail == DETAIL_NO_PACKAGE));
	must(detail || len == stored);
	free(head);
}

/* Blocks of the right ring are written to, with higher serials, and never the newest one. */
static const struct area *may_write;
static uint64_t may_write_above; /* the newest serial */
static uint64_t pending_end;	 /* while a pending head is stored */
static char long_line[RING_CONTENT_MAX + 100];

static void on_write(struct sparse *m, uint64_t off, const void *buf, size_t len)
{
	uint64_t serial;

	(void)m;
	if (pending_end) {
		must(off >= 356 * 4096 && off < pending_end && len == 4096);
		return;
	}
	must(may_write && len == 4096);
	serial = load_be64((const uint8_t *)buf + 8);
	must(serial > may_write_above && serial <= may_write_above + 3);
	must(!may_write_above || (serial - may_write_above) % may_write->blocks);
	must(off == (may_write->first + (serial - 1) % may_write->blocks) * 4096);
	must(is_valid(may_write, (uint32_t)(off / 4096) - may_write->first, buf));
}

/* What follows a text's end is not kept. */
static bool same_record(void)
{
	const struct state_record *a = &state.record, *b = &again.record;

	for (size_t i = 0; i < BOARD_SLOTS_MAX; i++)
		if (a->slot[i].release != b->slot[i].release ||
		    a->slot[i].confirmed != b->slot[i].confirmed ||
		    strcmp(a->slot[i].version, b->slot[i].version) ||
		    memcmp(a->slot[i].package_id, b->slot[i].package_id, HASH_LEN))
			return false;
	return a->self_starts == b->self_starts && a->boot_count == b->boot_count &&
	       a->rollback_floor == b->rollback_floor && a->key_epoch == b->key_epoch &&
	       a->confirmed_release == b->confirmed_release &&
	       a->recovery_starts == b->recovery_starts &&
	       a->recovery_reached == b->recovery_reached &&
	       !memcmp(a->failed, b->failed, sizeof(a->failed));
}

static bool same_journal(void)
{
	const struct journal *a = &state.journal, *b = &again.journal;

	return a->step == b->step && a->release == b->release &&
	       a->rollback_floor == b->rollback_floor && a->key_epoch == b->key_epoch &&
	       a->target == b->target && a->image == b->image && a->flushed == b->flushed &&
	       a->head_len == b->head_len && !strcmp(a->version, b->version) &&
	       !strcmp(a->origin, b->origin) && !memcmp(a->package_id, b->package_id, HASH_LEN);
}

static bool same_result(const struct result *a, const struct result *b)
{
	return a->what == b->what && a->fault.detail == b->fault.detail &&
	       a->fault.sys_errno == b->fault.sys_errno && a->fault.offset == b->fault.offset &&
	       !strcmp(a->fault.role, b->fault.role) && !strcmp(a->fault.object, b->fault.object) &&
	       a->release == b->release && a->boot_count == b->boot_count &&
	       a->monotonic_ms == b->monotonic_ms && a->slot == b->slot &&
	       !strcmp(a->version, b->version) && !strcmp(a->wall, b->wall) &&
	       !strcmp(a->origin, b->origin) && !memcmp(a->package_id, b->package_id, HASH_LEN);
}

/* Why a store may fail. */
static bool may_fail(void)
{
	return medium.dead || medium.no_flush || medium.bad_count;
}

static void reopen(void)
{
	struct fault fault;

	must(!state_open(&again, &medium.dev, &fault));
}

static void store_record(struct feed *input)
{
	uint64_t floor = state.record.rollback_floor, epoch = state.record.key_epoch;
	struct fault fault;

	may_write = &areas[0];
	may_write_above = state.record_ring.serial;
	state.record.boot_count++;
	state.record.rollback_floor = feed_number(input, 3);
	state.record.key_epoch = feed_number(input, 1);
	if (state_store_record(&state, &fault)) {
		must(may_fail());
		return;
	}
	/* I7: neither goes down. */
	must(state.record.rollback_floor >= floor && state.record.key_epoch >= epoch);
	reopen();
	must(same_record());
	must(again.record_ring.serial == state.record_ring.serial && !again.blank);
	must(same_journal());
}

static void store_journal(struct feed *input)
{
	struct fault fault;

	may_write = &areas[1];
	may_write_above = state.journal_ring.serial;
	state.journal.step = (enum journal_step)(feed_number(input, 1) % 6);
	state.journal.target = (uint32_t)feed_number(input, 1) % 2;
	state.journal.flushed = feed_number(input, 3);
	if (state_store_journal(&state, &fault)) {
		must(may_fail());
		return;
	}
	reopen();
	must(same_journal());
	must(same_record());
}

/* Goes to its own area, and comes back. */
static void store_pending(struct feed *input)
{
	static uint8_t head[3 * 4096], back[3 * 4096];
	size_t len = PACKAGE_HEADER_LEN + (size_t)feed_number(input, 2) % (sizeof(head) - 64);
	struct fault fault;
	size_t got;

	memset(head, (int)feed_number(input, 1), len);
	may_write = NULL;
	pending_end = 356 * 4096 + len;
	if (state_store_pending(&state, head, len, &fault)) {
		must(medium.dead || medium.no_flush);
		return;
	}
	state.journal.head_len = len;
	if (!state_load_pending(&state, back, &got, &fault))
		must(got == len && !memcmp(back, head, len));
	else
		must(medium.bad_count);
}

static void store_report(struct feed *input)
{
	static struct result result, read;
	struct fault fault;

	/* What was stored, or cut short, is what is read. */
	state_result(&state, 0, &result);
	result.fault.offset = feed_number(input, 3);
	may_write = &areas[2];
	may_write_above = state.result_ring.serial;
	if (!state_add_result(&state, &result, &fault)) {
		must(state_result(&state, 0, &read));
		must(same_result(&read, &result));
	}
	may_write = &areas[3];
	may_write_above = state.log_ring.serial;
	/* Too long for a block, so that it is cut, and stored when the next line comes. */
	state_log(&state, long_line);
	state_log(&state, "a line");
	must(may_fail() || state.log_ring.serial == may_write_above + 1);
	/* Serials of what failed are not given out again. */
	may_write_above = state.log_ring.serial == may_write_above ? state.log_ring.tried
								   : state.log_ring.serial;
	if (!state_flush_log(&state, &fault)) {
		size_t len;
		const char *text = state_log_block(&state, 0, &len);

		must(text && len == 7 && !memcmp(text, "a line\n", 7));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed input = {data, size};
	unsigned int options = (unsigned int)feed_number(&input, 1);
	struct feed what = {input.at, input.left < 16 ? input.left : 16};
	struct fault fault = {.detail = DETAIL_OK};
	uint8_t block[4096];
	size_t got;
	enum detail detail;

	feed_take(&input, 16, &got);
	sparse_open(&medium, options & SMALL ? 767 * 4096 : 768 * 4096, 4096);
	medium.on_write = on_write;
	may_write = NULL;
	pending_end = 0;
	memset(long_line, 'l', sizeof(long_line) - 1);
	if (!(options & SMALL))
		put_blocks(&input);
	detail = state_open(&state, &medium.dev, &fault);
	must(detail == fault.detail || !detail);
	if (options & SMALL)
		must(detail == DETAIL_STATE_TOO_SMALL);
	else
		must(!detail == (unreadable(&areas[0]) <= (newest(&areas[0], block) ? 1 : 0)));
	if (!detail) {
		check_texts();
		check_record();
		check_journal();
		check_reports();
		check_pending();
		must(!medium.writes);
		medium.dead = options & DEAD;
		medium.no_flush = options & NO_FLUSH;
		/* A serial at its very end would begin again at 0: nobody gets there. */
		if (state.record_ring.serial < SERIAL_MAX)
			store_record(&what);
		if (state.journal_ring.serial < SERIAL_MAX)
			store_journal(&what);
		if (state.result_ring.serial < SERIAL_MAX && state.log_ring.serial < SERIAL_MAX)
			store_report(&what);
		store_pending(&what);
	}
	sparse_close(&medium);
	return 0;
}

/* --- Seeds --- */

static struct bytes all;

static void begin(unsigned int options)
{
	all.len = 0;
	bytes_number(&all, options, 1);
	for (size_t i = 0; i < 16; i++)
		bytes_number(&all, i * 3, 1);
}

static void sealed(size_t area, uint64_t serial, const uint8_t *content, size_t len,
		   unsigned int kind)
{
	bytes_number(&all, areas[area].first + (serial - 1) % areas[area].blocks, 2);
	bytes_number(&all, kind, 1);
	bytes_number(&all, areas[area].ring, 1);
	bytes_number(&all, serial, 8);
	bytes_number(&all, len, 2);
	bytes_number(&all, len, 2);
	bytes_add(&all, content, len);
}

void fuzz_make_seeds(void)
{
	static uint8_t record[456], journal[408], result[632];

	store_be32(record, 1);
	store_be64(record + 8, 7);
	store_be64(record + 16, 3);
	store_be64(record + 48, 9);
	memset(record + 56, 'v', 64);
	store_be64(record + 152, 1);
	store_be32(journal, 1);
	store_be32(journal + 4, 2);
	store_be64(journal + 80, 64);
	memset(journal + 88, 'v', 320);
	store_be32(result, 1);
	store_be32(result + 8, 2010);
	memset(result + 56, 'r', 576);

	begin(SMALL);
	fuzz_seed(all.at, all.len);
	for (unsigned int options = 0; options <= NO_FLUSH; options += 2) {
		begin(options);
		fuzz_seed(all.at, all.len);
		sealed(0, 1, record, sizeof(record), SEALED);
		sealed(1, 64, journal, sizeof(journal), SEALED);
		sealed(1, 65, journal, sizeof(journal), WRONG_HASH);
		sealed(2, 33, result, sizeof(result), SEALED);
		sealed(2, 32, result, sizeof(result), SEALED);
		sealed(3, 500, (const uint8_t *)"a\nb\n", 4, SEALED);
		fuzz_seed(all.at, all.len);
	}
	for (unsigned int i = 0; i < 4; i++) { /* a block of each ring that cannot be read */
		begin(0);
		bytes_number(&all, areas[i].first + 1, 2);
		bytes_number(&all, UNREADABLE, 1);
		fuzz_seed(all.at, all.len);
	}
	for (unsigned int i = 0; i < 5; i++) { /* a journal that is not taken */
		uint8_t other[408];

		memcpy(other, journal, sizeof(other));
		if (i < 4)
			store_be32(other + (i == 3 ? 64 : 4 * i % 8), 6);
		begin(0);
		sealed(1, 1, other, i == 4 ? 407 : 408, SEALED);
		fuzz_seed(all.at, all.len);
	}
	begin(0); /* a pending head that lies in blocks that cannot be read */
	store_be64(journal + 80, 5000);
	sealed(1, 1, journal, sizeof(journal), SEALED);
	bytes_number(&all, 357, 2);
	bytes_number(&all, UNREADABLE, 1);
	fuzz_seed(all.at, all.len);
	begin(0); /* longer than a block */
	bytes_number(&all, 0, 2);
	bytes_number(&all, SEALED, 1);
	bytes_number(&all, 1, 1);
	bytes_number(&all, 1, 8);
	bytes_number(&all, RING_CONTENT_MAX + 1, 2);
	bytes_number(&all, 1, 2);
	fuzz_seed(all.at, all.len);
	begin(0);
	sealed(0, 1, record, 399, SEALED);
	sealed(2, 1, result, 600, SEALED);
	sealed(0, UINT64_MAX, record, sizeof(record), SEALED);
	bytes_number(&all, 1, 2);
	bytes_number(&all, RAW, 1);
	bytes_number(&all, 4, 2);
	bytes_add(&all, "LBR1", 4);
	fuzz_seed(all.at, all.len);
}
