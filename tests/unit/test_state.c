/* What stands in the state partition, FORMAT.md 2. */
#include "support_rings.h"

static struct state state;
static struct fault fault;

static enum detail open_state(void)
{
	memset(&state, 0xa5, sizeof(state));
	return state_open(&state, &part.dev, &fault);
}

static void fresh(uint32_t sector)
{
	new_disk(sector, STATE_SIZE_MIN);
	assert_detail(open_state(), DETAIL_OK);
}

static void size_of_the_partition(void **s)
{
	(void)s;
	static const uint64_t small[] = {0, 4096, STATE_SIZE_MIN - 4096};
	for (size_t i = 0; i < COUNT(small); i++) {
		new_disk(4096, small[i]);
		assert_detail(open_state(), DETAIL_STATE_TOO_SMALL);
	}
	new_disk(4096, STATE_SIZE_MIN);
	assert_detail(open_state(), DETAIL_OK);
	new_disk(4096, STATE_SIZE_MIN + 4096);
	assert_detail(open_state(), DETAIL_OK);
}

static void blank_state_is_empty(void **s)
{
	(void)s;
	for (int fill = 0; fill < 3; fill++) {
		struct result result;
		size_t len;
		new_disk(512, STATE_SIZE_MIN);
		if (fill == 2)
			noise_fill(disk->now, disk->size, 5);
		else
			memset(disk->now, fill ? 0xff : 0, disk->size);
		assert_detail(open_state(), DETAIL_OK);
		check(state.record.boot_count == 0 && state.record.rollback_floor == 0 &&
		      state.record.key_epoch == 0);
		check(state.record.slot[0].release == 0 && !state.record.slot[0].confirmed);
		check(state.journal.step == JOURNAL_IDLE);
		check(!state_result(&state, 0, &result));
		check(state_log_block(&state, 0, &len) == NULL);
		check(disk->writes == 0);
	}
}

static void fill_record(struct state_record *r)
{
	r->self_starts = 0x01020304;
	r->boot_count = UINT64_C(0x1112131415161718);
	r->rollback_floor = UINT64_C(0x2122232425262728);
	r->key_epoch = UINT64_C(0x3132333435363738);
	r->confirmed_release = UINT64_C(0x4142434445464748);
	r->recovery_starts = UINT64_C(0x6162636465666768);
	r->recovery_reached = UINT64_C(0x7172737475767778);
	memcpy(r->recovery_package, "package", 8);
	for (int i = 0; i < 2; i++) {
		r->slot[i].release = UINT64_C(0x5152535455565700) + (uint64_t)i;
		snprintf(r->slot[i].version, sizeof(r->slot[i].version), "version %d", i);
		memset(r->slot[i].package_id, 0xa0 + i, HASH_LEN);
		r->slot[i].confirmed = i;
		r->slot[i].rollback_floor = UINT64_C(0x8182838485868700) + (uint64_t)i;
		r->slot[i].key_epoch = UINT64_C(0x9192939495969700) + (uint64_t)i;
	}
}

/* Through the medium, and the bytes as FORMAT.md 2.1 has them. */
static void record_round_trip(void **s)
{
	(void)s;
	struct state_record want;
	memset(&want, 0, sizeof(want));
	fill_record(&want);
	for (int sector = 512; sector <= 4096; sector *= 8) {
		fresh((uint32_t)sector);
		fill_record(&state.record);
		assert_detail(state_store_record(&state, &fault), DETAIL_OK);
		check(!disk->pending);
		assert_detail(open_state(), DETAIL_OK);
		check(state.record.self_starts == want.self_starts &&
		      state.record.boot_count == want.boot_count);
		check(state.record.rollback_floor == want.rollback_floor &&
		      state.record.key_epoch == want.key_epoch);
		check(state.record.confirmed_release == want.confirmed_release);
		check(state.record.recovery_starts == want.recovery_starts &&
		      state.record.recovery_reached == want.recovery_reached &&
		      !memcmp(state.record.recovery_package, "package", 8));
		for (int i = 0; i < 2; i++) {
			check(state.record.slot[i].release == want.slot[i].release);
			check(!strcmp(state.record.slot[i].version, want.slot[i].version));
			check(!memcmp(state.record.slot[i].package_id, want.slot[i].package_id,
				      HASH_LEN));
			check(state.record.slot[i].confirmed == want.slot[i].confirmed);
			check(state.record.slot[i].rollback_floor == want.slot[i].rollback_floor);
			check(state.record.slot[i].key_epoch == want.slot[i].key_epoch);
		}
		const uint8_t *b = at_block(0), *c = b + 64;
		check(load_be32(b + 4) == 1 && load_be64(b + 8) == 1 &&
		      load_be32(b + 16) == 48 + 2 * 112 + 4 * 32 + 24 + 2 * 16);
		check(load_be32(c) == 3 && load_be32(c + 4) == want.self_starts);
		check(load_be64(c + 8) == want.boot_count &&
		      load_be64(c + 16) == want.rollback_floor);
		check(load_be64(c + 24) == want.key_epoch &&
		      load_be64(c + 32) == want.confirmed_release);
		check(load_be64(c + 40) == 0);
		for (int i = 0; i < 2; i++) {
			const uint8_t *slot = c + 48 + 112 * i;
			check(load_be64(slot) == want.slot[i].release);
			check(!strncmp((const char *)slot + 8, want.slot[i].version, 64));
			check(bytes_are_zero(slot + 8 + 9, 64 - 9));
			check(!memcmp(slot + 72, want.slot[i].package_id, 32));
			check(load_be64(slot + 104) == (uint64_t)i);
			check(load_be64(c + 424 + 16 * i) == want.slot[i].rollback_floor &&
			      load_be64(c + 432 + 16 * i) == want.slot[i].key_epoch);
		}
		check(load_be64(c + 400) == want.recovery_starts &&
		      load_be64(c + 408) == want.recovery_reached &&
		      !memcmp(c + 416, "package", 8));
	}
}

/* I7: floor and epoch never go down, whatever the caller does, over restarts and the ring's wrap.
 */
static void i7_floor_and_epoch_never_go_down(void **s)
{
	(void)s;
	static const uint64_t floors[] = {3, 2, 0, 5, 4, UINT64_C(1) << 32, 6, UINT64_MAX, 1, 0};
	uint64_t highest = 0;
	fresh(512);
	for (size_t i = 0; i < COUNT(floors); i++) {
		if (floors[i] > highest)
			highest = floors[i];
		state.record.rollback_floor = floors[i];
		state.record.key_epoch = floors[i] / 2;
		assert_detail(state_store_record(&state, &fault), DETAIL_OK);
		at_case("%zu", i);
		check(state.record.rollback_floor == highest &&
		      state.record.key_epoch == highest / 2);
		assert_detail(open_state(), DETAIL_OK);
		check(state.record.rollback_floor == highest &&
		      state.record.key_epoch == highest / 2);
	}
}

static void fill_journal(struct journal *j)
{
	j->step = JOURNAL_PROGRESS;
	memset(j->package_id, 0x77, HASH_LEN);
	j->release = UINT64_C(0x0102030405060708);
	j->rollback_floor = UINT64_C(0x1112131415161718);
	j->key_epoch = UINT64_C(0x2122232425262728);
	j->target = 1;
	j->image = 13;
	j->flushed = UINT64_C(0x3132333435363738);
	j->head_len = 5000;
	strcpy(j->version, "10.1-rc1");
	strcpy(j->origin, "http://10.0.2.2:8080/update.boat");
}

/* Texts that fill their fields come back whole. */
static void texts_of_full_length(void **s)
{
	(void)s;
	struct journal want;
	struct result r, got;
	memset(&want, 0, sizeof(want));
	memset(want.version, 'v', sizeof(want.version) - 1);
	memset(want.origin, 'o', sizeof(want.origin) - 1);
	fresh(512);
	state.journal = want;
	state.journal.step = JOURNAL_BEGIN;
	assert_detail(state_store_journal(&state, &fault), DETAIL_OK);
	memset(&r, 0, sizeof(r));
	r.what = RESULT_INSTALL;
	memset(r.fault.role, 'r', sizeof(r.fault.role) - 1);
	memset(r.fault.object, 'b', sizeof(r.fault.object) - 1);
	memset(r.wall, 'w', sizeof(r.wall) - 1);
	memcpy(r.version, want.version, sizeof(r.version));
	memcpy(r.origin, want.origin, sizeof(r.origin));
	assert_detail(state_add_result(&state, &r, &fault), DETAIL_OK);
	memset(state.record.slot[1].version, 's', MANIFEST_VERSION_SIZE - 1);
	state.record.slot[1].version[MANIFEST_VERSION_SIZE - 1] = 0;
	assert_detail(state_store_record(&state, &fault), DETAIL_OK);
	assert_detail(open_state(), DETAIL_OK);
	check(!strcmp(state.journal.version, want.version) &&
	      !strcmp(state.journal.origin, want.origin));
	check(strlen(state.record.slot[1].version) == MANIFEST_VERSION_SIZE - 1);
	check(state_result(&state, 0, &got));
	check(!strcmp(got.fault.role, r.fault.role) && !strcmp(got.fault.object, r.fault.object));
	check(!strcmp(got.wall, r.wall) && !strcmp(got.version, r.version) &&
	      !strcmp(got.origin, r.origin));
}

static void journal_round_trip(void **s)
{
	(void)s;
	struct journal want;
	memset(&want, 0, sizeof(want));
	fill_journal(&want);
	for (int step = JOURNAL_IDLE; step <= JOURNAL_COMMITTED; step++) {
		fresh(512);
		fill_journal(&state.journal);
		state.journal.step = (enum journal_step)step;
		assert_detail(state_store_journal(&state, &fault), DETAIL_OK);
		check(!disk->pending);
		assert_detail(open_state(), DETAIL_OK);
		const struct journal *j = &state.journal;
		check((int)j->step == step && !memcmp(j->package_id, want.package_id, HASH_LEN));
		check(j->release == want.release && j->rollback_floor == want.rollback_floor);
		check(j->key_epoch == want.key_epoch && j->target == want.target &&
		      j->image == want.image);
		check(j->flushed == want.flushed && j->head_len == want.head_len);
		check(!strcmp(j->version, want.version) && !strcmp(j->origin, want.origin));
		const uint8_t *b = at_block(4), *c = b + 64;
		check(load_be32(b + 4) == 2 && load_be64(b + 8) == 1 &&
		      load_be32(b + 16) == 152 + 256);
		check(load_be32(c) == 1 && (int)load_be32(c + 4) == step &&
		      !memcmp(c + 8, want.package_id, 32));
		check(load_be64(c + 40) == want.release &&
		      load_be64(c + 48) == want.rollback_floor);
		check(load_be64(c + 56) == want.key_epoch && load_be32(c + 64) == 1 &&
		      load_be32(c + 68) == 13);
		check(load_be64(c + 72) == want.flushed && load_be64(c + 80) == want.head_len);
		check(!strcmp((const char *)c + 88, want.version) &&
		      !strcmp((const char *)c + 152, want.origin));
	}
}

/* What the medium says is a hint: whatever stands there, the state in memory is within its bounds
 * (I9). */
static void hostile_records_stay_in_bounds(void **s)
{
	(void)s;
	uint8_t content[4032], *head = arena_alloc(PACKAGE_HEAD_MAX);
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct result result;
		size_t len;
		new_disk(512, STATE_SIZE_MIN);
		noise_fill(content, sizeof(content), seed);
		store_be32(content, 1); /* the version that is known */
		if (seed % 2)
			memset(content + 80, 0x41, 400); /* texts that do not end */
		put_record(0, 1, 1, content, seed % 3 ? 48 + 224 : 4032);
		put_record(4, 2, 1, content, seed % 3 ? 152 + 256 : seed * 7);
		put_record(68, 3, 1, content, seed % 3 ? 632 : seed * 11);
		put_record(100, 4, 1, content, 4032);
		at_case("seed %llu", (unsigned long long)seed);
		assert_detail(open_state(), DETAIL_OK);
		check(state.journal.step <= JOURNAL_COMMITTED &&
		      state.journal.target < BOARD_SLOTS_MAX);
		check(strnlen(state.journal.version, sizeof(state.journal.version)) <
		      sizeof(state.journal.version));
		check(strnlen(state.journal.origin, sizeof(state.journal.origin)) <
		      sizeof(state.journal.origin));
		for (int i = 0; i < 2; i++)
			check(memchr(state.record.slot[i].version, 0, MANIFEST_VERSION_SIZE) !=
			      NULL);
		if (state_result(&state, 0, &result)) {
			check(memchr(result.version, 0, sizeof(result.version)) != NULL);
			check(memchr(result.origin, 0, sizeof(result.origin)) != NULL);
			check(memchr(result.wall, 0, sizeof(result.wall)) != NULL);
			check(memchr(result.fault.object, 0, sizeof(result.fault.object)) != NULL);
			check(memchr(result.fault.role, 0, sizeof(result.fault.role)) != NULL);
		}
		(void)state_load_pending(&state, head, &len,
					 &fault); /* the sanitizer watches head */
	}
}

/* Recovery may be older than the system that wrote last. */
static void i7_a_later_version_keeps_the_floor(void **s)
{
	(void)s;
	uint8_t content[RING_CONTENT_MAX] = {0};
	static const uint32_t versions[] = {1, 2, 0x7fffffff, 0xffffffff};
	for (size_t i = 0; i < COUNT(versions); i++)
		for (size_t more = 0; more < 80; more += 13) {
			struct result result;
			at_case("version %u, %zu bytes more", versions[i], more);
			new_disk(512, STATE_SIZE_MIN);
			store_be32(content, versions[i]);
			store_be64(content + 16, 7);  /* floor */
			store_be64(content + 24, 3);  /* epoch */
			store_be64(content + 160, 9); /* release in the second slot */
			store_be64(content + 400, 5);
			store_be64(content + 440, 6);
			put_record(0, 1, 1, content, 400 + more);
			store_be32(content + 4, JOURNAL_VERIFIED);
			store_be32(content + 64, 1);
			put_record(4, 2, 1, content, 408 + more);
			store_be32(content + 8, DETAIL_READ_BACK);
			put_record(68, 3, 1, content, 632 + more);
			assert_detail(open_state(), DETAIL_OK);
			/* Of the fields of versions 2 and 3: all or none. */
			check(state.record.recovery_starts == (more >= 24 ? 5 : 0));
			check(state.record.slot[1].rollback_floor == (more >= 56 ? 6 : 0));
			check(!state.blank && state.record.rollback_floor == 7 &&
			      state.record.key_epoch == 3 && state.record.slot[1].release == 9);
			check(state.journal.step == JOURNAL_VERIFIED && state.journal.target == 1);
			check(state_result(&state, 0, &result) &&
			      result.fault.detail == DETAIL_READ_BACK);
			memset(&state.record, 0, sizeof(state.record));
			assert_detail(state_store_record(&state, &fault), DETAIL_OK);
			assert_detail(open_state(), DETAIL_OK);
			check(state.record.rollback_floor == 7 && state.record.key_epoch == 3);
		}
}

/* Sound by its checksum, and still none: too short, or of no version. */
static void contents_that_are_none(void **s)
{
	(void)s;
	uint8_t content[RING_CONTENT_MAX];
	struct result result;
	memset(content, 1, sizeof(content));
	for (int version = 0; version < 2; version++) {
		size_t less = (size_t)version; /* version 0 as long as it should be */
		at_case("version %d", version);
		new_disk(512, STATE_SIZE_MIN);
		store_be32(content, (uint32_t)version);
		store_be32(content + 4, JOURNAL_VERIFIED);
		store_be32(content + 64, 1);
		put_record(0, 1, 1, content, 400 - less);
		put_record(4, 2, 1, content, 408 - less);
		put_record(68, 3, 1, content, 632 - less);
		assert_detail(open_state(), DETAIL_OK);
		check(!state.record.rollback_floor && state.journal.step == JOURNAL_IDLE &&
		      !state_result(&state, 0, &result));
	}
}

static void fill_result(struct result *r, uint64_t n)
{
	memset(r, 0, sizeof(*r));
	r->what = RESULT_CONFIRM;
	fault_errno(&r->fault, DETAIL_DEVICE_WRITE, "system_b at 4096", 28);
	r->fault.offset = UINT64_C(0x0102030405060708);
	strcpy(r->fault.role, "system");
	r->release = n;
	r->boot_count = 17;
	r->monotonic_ms = UINT64_C(0x1112131415161718);
	r->slot = n % 2 ? RESULT_NO_SLOT : 1;
	strcpy(r->version, "10.1");
	strcpy(r->wall, "2026-01-31 12:00:00 UTC");
	strcpy(r->origin, "/dev/sda1:/update.boat");
	memset(r->package_id, 0x66, HASH_LEN);
}

static void result_round_trip(void **s)
{
	(void)s;
	struct result want, got;
	fresh(512);
	fill_result(&want, 1);
	assert_detail(state_add_result(&state, &want, &fault), DETAIL_OK);
	check(!disk->pending);
	assert_detail(open_state(), DETAIL_OK);
	memset(&got, 0xa5, sizeof(got));
	assert_true(state_result(&state, 0, &got));
	check(got.what == want.what && got.fault.detail == want.fault.detail);
	check(got.fault.sys_errno == 28 && got.fault.offset == want.fault.offset);
	check(!strcmp(got.fault.role, "system") && !strcmp(got.fault.object, "system_b at 4096"));
	check(got.release == 1 && got.boot_count == 17 && got.monotonic_ms == want.monotonic_ms);
	check(got.slot == RESULT_NO_SLOT && !strcmp(got.version, "10.1") &&
	      !strcmp(got.wall, want.wall));
	check(!strcmp(got.origin, want.origin) &&
	      !memcmp(got.package_id, want.package_id, HASH_LEN));
	const uint8_t *b = at_block(68), *c = b + 64;
	check(load_be32(b + 4) == 3 && load_be32(b + 16) == 472 + 160);
	check(load_be32(c) == 1 && load_be32(c + 4) == 30 && load_be32(c + 8) == 3012 &&
	      load_be32(c + 12) == 28);
	check(load_be64(c + 16) == 1 && load_be64(c + 24) == want.fault.offset &&
	      load_be64(c + 32) == 17);
	check(load_be64(c + 40) == want.monotonic_ms && load_be32(c + 48) == 0xffffffff &&
	      load_be32(c + 52) == 2);
	check(!strcmp((const char *)c + 56, "10.1") && !strcmp((const char *)c + 120, "system"));
	check(!strcmp((const char *)c + 152, want.wall) &&
	      !strcmp((const char *)c + 184, want.origin));
	check(c[440] == 0x66 && c[471] == 0x66 &&
	      !strcmp((const char *)c + 472, "system_b at 4096"));
}

static void the_last_results_in_order(void **s)
{
	(void)s;
	struct result r;
	fresh(512);
	for (uint64_t n = 1; n <= 75; n++) {
		fill_result(&r, n);
		assert_detail(state_add_result(&state, &r, &fault), DETAIL_OK);
	}
	for (int again = 0; again < 2; again++) {
		for (uint64_t back = 0; back < STATE_RESULTS; back++)
			check(state_result(&state, back, &r) && r.release == 75 - back);
		check(!state_result(&state, STATE_RESULTS, &r));
		check(!state_result(&state, UINT64_MAX, &r));
		assert_detail(open_state(), DETAIL_OK);
	}
}

/* --- Log --- */

/* All blocks, oldest first. */
static char *whole_log(size_t *len)
{
	char *text = arena_alloc(STATE_LOG_BLOCKS * RING_CONTENT_MAX + 1);
	*len = 0;
	for (int back = STATE_LOG_BLOCKS - 1; back >= 0; back--) {
		size_t n;
		const char *b = state_log_block(&state, (uint64_t)back, &n);
		if (!b)
			continue;
		check(n > 0 && n <= RING_CONTENT_MAX && b[n - 1] == '\n'); /* whole lines */
		memcpy(text + *len, b, n);
		*len += n;
	}
	return text;
}

static void log_lines_in_order(void **s)
{
	(void)s;
	char line[100];
	size_t len;
	fresh(512);
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line), "line %d of the log", i);
		state_log(&state, line);
	}
	assert_detail(state_flush_log(&state, &fault), DETAIL_OK);
	check(!disk->pending);
	assert_detail(open_state(), DETAIL_OK);
	char *text = whole_log(&len);
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line), "line %d of the log\n", i);
		check(!strncmp(text, line, strlen(line)));
		text += strlen(line);
	}
	check(!*text);
	memdisk_forget_ops(disk);
	assert_detail(state_flush_log(&state, &fault), DETAIL_OK);
	assert_int_equal(disk->writes, 0); /* nothing to store, nothing written */
}

static void log_ring_keeps_the_newest(void **s)
{
	(void)s;
	char line[64];
	size_t len;
	fresh(512);
	for (int i = 0; i < 300; i++) {
		snprintf(line, sizeof(line), "%d", i);
		state_log(&state, line);
		assert_detail(state_flush_log(&state, &fault), DETAIL_OK);
	}
	assert_detail(open_state(), DETAIL_OK);
	for (int back = 0; back < STATE_LOG_BLOCKS; back++) {
		const char *b = state_log_block(&state, (uint64_t)back, &len);
		snprintf(line, sizeof(line), "%d\n", 299 - back);
		check(b && len == strlen(line) && !memcmp(b, line, len));
	}
	check(!state_log_block(&state, STATE_LOG_BLOCKS, &len));
}

static void log_lines_of_any_length(void **s)
{
	(void)s;
	static const size_t lengths[] = {0, 1, 4030, 4031, 4032, 4033, 10000};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		char *line = arena_alloc(lengths[i] + 1);
		size_t len;
		memset(line, 'l', lengths[i]);
		fresh(512);
		state_log(&state, "before");
		state_log(&state, line);
		state_log(&state, "after");
		assert_detail(state_flush_log(&state, &fault), DETAIL_OK);
		char *text = whole_log(&len);
		at_case("line of %zu", lengths[i]);
		check(!strncmp(text, "before\n", 7));
		check(len > 13 && !strcmp(text + len - 7, "\nafter\n"));
		if (lengths[i] < 4000)
			check(len == 7 + lengths[i] + 1 + 6);
	}
}

/* I10: a log that cannot be stored fails nobody, and the lines that come later are kept where there
 * is room. */
static void i10_log_never_fails(void **s)
{
	(void)s;
	size_t len;
	fresh(512);
	disk->dead = true;
	for (int i = 0; i < 1000; i++)
		state_log(&state,
			  "a line that nobody will ever be able to store on this broken medium");
	check(state_flush_log(&state, &fault) != DETAIL_OK);
	disk->dead = false;
	state_log(&state, "the medium is back");
	assert_detail(state_flush_log(&state, &fault), DETAIL_OK);
	assert_non_null(strstr(whole_log(&len), "the medium is back\n"));
}

/* --- Pending package --- */

static void pending_round_trip(void **s)
{
	(void)s;
	static const size_t lengths[] = {
		128, 511, 512, 513, 4096, 5000, 65536, PACKAGE_HEAD_MAX - 1, PACKAGE_HEAD_MAX};
	for (uint32_t sector = 512; sector <= 4096; sector *= 8)
		for (size_t i = 0; i < COUNT(lengths); i++) {
			uint8_t *head = arena_alloc(lengths[i]),
				*got = arena_alloc(PACKAGE_HEAD_MAX);
			size_t len = 0;
			noise_fill(head, lengths[i], i);
			fresh(sector);
			fill_record(&state.record);
			assert_detail(state_store_record(&state, &fault), DETAIL_OK);
			at_case("%zu bytes, sectors of %u", lengths[i], sector);
			assert_detail(state_store_pending(&state, head, lengths[i], &fault),
				      DETAIL_OK);
			check(!disk->pending); /* durable */
			check(!memcmp(at_block(356), head, lengths[i]));
			fill_journal(&state.journal);
			state.journal.head_len = lengths[i];
			assert_detail(state_store_journal(&state, &fault), DETAIL_OK);
			assert_detail(open_state(), DETAIL_OK);
			check(state.record.boot_count == UINT64_C(0x1112131415161718));
			assert_detail(state_load_pending(&state, got, &len, &fault), DETAIL_OK);
			check(len == lengths[i] && !memcmp(got, head, len));
			check(bytes_are_zero(at_block(640), 128 * 4096)); /* the reserved blocks */
		}
}

static void pending_errors_are_told(void **s)
{
	(void)s;
	uint8_t *head = arena_alloc(PACKAGE_HEAD_MAX);
	size_t len;
	fresh(512);
	disk->fail_write = 0;
	assert_detail(state_store_pending(&state, head, 5000, &fault), DETAIL_DEVICE_WRITE);
	disk->fail_flush = 0;
	assert_detail(state_store_pending(&state, head, 5000, &fault), DETAIL_DEVICE_FLUSH);
	assert_detail(state_store_pending(&state, head, 5000, &fault), DETAIL_OK);
	state.journal.head_len = 5000;
	disk->dead = true;
	assert_detail(state_load_pending(&state, head, &len, &fault), DETAIL_DEVICE_READ);
}

static void state_errors_are_told(void **s)
{
	(void)s;
	fresh(512);
	size_t reads = disk->reads;
	/* The device record must be readable; the journal is a hint (I9), the rest is told (I10).
	 */
	for (size_t n = 0; n <= 360 * 8; n += 13) {
		disk->bad_off = 8192 + n * 512;
		enum detail d = open_state();
		at_case("sector %zu", n);
		check(d == (n < 4 * 8 ? DETAIL_DEVICE_READ : DETAIL_OK));
	}
	/* With a record in two blocks, one of them may go. */
	disk->bad_off = UINT64_MAX;
	assert_detail(open_state(), DETAIL_OK);
	state.record.rollback_floor = 5;
	assert_detail(state_store_record(&state, &fault), DETAIL_OK);
	assert_detail(state_store_record(&state, &fault), DETAIL_OK);
	for (size_t n = 0; n <= 360 * 8; n += 13) {
		disk->bad_off = 8192 + n * 512;
		at_case("sector %zu, floor twice", n);
		assert_detail(open_state(), DETAIL_OK);
		check(state.record.rollback_floor == 5);
	}
	disk->bad_off = UINT64_MAX;
	assert_detail(open_state(), DETAIL_OK);
	assert_true(reads > 0);
	struct result r;
	fill_result(&r, 1);
	disk->dead = true;
	assert_detail(state_store_record(&state, &fault), DETAIL_DEVICE_WRITE);
	assert_detail(state_store_journal(&state, &fault), DETAIL_DEVICE_WRITE);
	assert_detail(state_add_result(&state, &r, &fault), DETAIL_DEVICE_WRITE);
}

/* A read that fails is no reason to believe that nothing was ever stored. */
static void i7_failed_reads_forget_nothing(void **s)
{
	(void)s;
	fresh(512);
	fill_record(&state.record);
	fill_journal(&state.journal);
	struct state_record record = state.record;
	struct journal journal = state.journal;
	assert_detail(state_store_record(&state, &fault), DETAIL_OK);
	assert_detail(state_store_record(&state, &fault), DETAIL_OK);
	assert_detail(state_store_journal(&state, &fault), DETAIL_OK);
	disk->reads = 0;
	assert_detail(open_state(), DETAIL_OK);
	size_t reads = disk->reads, refused[2] = {0};
	for (int more = 0; more < 2; more++)
		for (size_t n = 0; n < reads; n++) {
			disk->fail_read = (long)n;
			disk->fail_more = more;
			enum detail d = open_state();
			at_case("read %zu of %zu and %d more", n, reads, more);
			check(d == DETAIL_OK || d == DETAIL_DEVICE_READ);
			refused[more] += d != DETAIL_OK;
			if (d)
				continue;
			check(state.record.rollback_floor == record.rollback_floor);
			check(state.record.key_epoch == record.key_epoch);
			check(more || state.journal.step == journal.step);
		}
	/* Once is helped. Twice: the record that was found cannot be read a moment later. */
	check(!refused[0] && refused[1] == 1);
}

/* A record of a version that has more slots, with all its checksums right. */
static void a_journal_for_a_slot_that_is_not_there(void **s)
{
	(void)s;
	for (uint32_t target = 0; target <= BOARD_SLOTS_MAX; target++) {
		fresh(512);
		fill_journal(&state.journal);
		state.journal.target = target;
		assert_detail(state_store_journal(&state, &fault), DETAIL_OK);
		assert_detail(state_open(&state, &part.dev, &fault), DETAIL_OK);
		at_case("target %u", target);
		if (target < BOARD_SLOTS_MAX)
			check(state.journal.step == JOURNAL_PROGRESS &&
			      state.journal.target == target);
		else
			check(state.journal.step == JOURNAL_IDLE && state.journal.target == 0 &&
			      bytes_are_zero(state.journal.package_id, HASH_LEN));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(size_of_the_partition),
		TEST(blank_state_is_empty),
		TEST(record_round_trip),
		TEST(i7_floor_and_epoch_never_go_down),
		TEST(journal_round_trip),
		TEST(texts_of_full_length),
		TEST(hostile_records_stay_in_bounds),
		TEST(i7_a_later_version_keeps_the_floor),
		TEST(contents_that_are_none),
		TEST(result_round_trip),
		TEST(the_last_results_in_order),
		TEST(log_lines_in_order),
		TEST(log_ring_keeps_the_newest),
		TEST(log_lines_of_any_length),
		TEST(i10_log_never_fails),
		TEST(pending_round_trip),
		TEST(pending_errors_are_told),
		TEST(state_errors_are_told),
		TEST(i7_failed_reads_forget_nothing),
		TEST(a_journal_for_a_slot_that_is_not_there),
	};
	return RUN_ALL(tests);
}
