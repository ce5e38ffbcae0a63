/*
 * Boot flags in U-Boot's redundant environment: what U-Boot's own tools write is read, what is
 * stored is what they read, and nothing else in it is lost or changed.
 */
#include "support.h"

#include "crc32.h"
#include "ubootenv.h"

enum { SIZE = 0x1000, OFF_A = 0x4000, OFF_B = 0x8000, DISK = 0x10000 };

static struct ubootenv env;
static struct board board;
static struct fault fault;
static struct memdisk *disk;
static struct flags flags;

static uint8_t *copy(int i)
{
	return disk->now + (i ? OFF_B : OFF_A);
}

static void new_disk(uint32_t sector)
{
	disk = memdisk_new(DISK, sector);
	memset(disk->now, 0xff, DISK);
	memset(disk->durable, 0xff, DISK);
	memset(&board, 0, sizeof(board));
	board.tries = 3;
	board.slot_count = 2;
	strcpy(board.slots[0].name, "A");
	strcpy(board.slots[1].name, "B");
	board.flag_off[0] = OFF_A;
	board.flag_off[1] = OFF_B;
	board.flag_size = SIZE;
	ubootenv_init(&env, &disk->whole.dev, &board);
}

/* vars with a zero byte after each but the last, as a string literal has them. */
#define PUT(i, serial, vars) put((i), (serial), (vars), sizeof(vars))
static void put(int i, uint8_t serial, const char *vars, size_t len)
{
	env_make(copy(i), SIZE, serial, vars, len);
	memcpy(disk->durable, disk->now, DISK);
}

static enum detail load(void)
{
	memset(&flags, 0xa5, sizeof(flags));
	return env.store.ops->load(&env.store, &flags, &fault);
}

static enum detail store(const struct flags *f, bool anew)
{
	return env.store.ops->store(&env.store, f, anew, &fault);
}

static const uint8_t *active(void)
{
	const uint8_t *a = disk->durable + OFF_A, *b = disk->durable + OFF_B;
	return env_active(a, b, SIZE);
}

static void variable(const char *name, const char *want)
{
	const char *got = active() ? env_get(active(), SIZE, name) : NULL;
	if (!got || strcmp(got, want))
		print_error("%s: %s, expected %s\n", name, got ? got : "none", want);
	check(got && !strcmp(got, want));
}

#define GOOD                                                                                       \
	"BOOT_ORDER=A "                                                                            \
	"B\0BOOT_A_LEFT=3\0BOOT_A_GOOD=1\0BOOT_B_LEFT=2\0BOOT_B_GOOD=0\0BOOT_RECOVERY=0"

static const struct flags sample = {
	.order_count = 2,
	.order = {1, 0},
	.slot = {{2, true}, {3, false}},
};

/* --- Checksums --- */

static void crc_vectors(void **state)
{
	(void)state;
	assert_int_equal(crc32("", 0), 0);
	assert_int_equal(crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(crc32("a", 1), 0xe8b7be43);
	assert_int_equal(crc32("The quick brown fox jumps over the lazy dog", 43), 0x414fa339);
	uint8_t p[300];
	noise_fill(p, sizeof(p), 1);
	for (size_t len = 0; len <= sizeof(p); len++)
		check(crc32(p, len) == crc32_of(p, len));
}

/* --- Load --- */

static void load_a_hand_made_environment(void **state)
{
	(void)state;
	new_disk(512);
	PUT(0, 1, GOOD);
	PUT(1, 0, "BOOT_ORDER=B\0BOOT_B_LEFT=1");
	assert_detail(load(), DETAIL_OK);
	assert_int_equal(flags.order_count, 2);
	assert_int_equal(flags.order[0], 0);
	assert_int_equal(flags.order[1], 1);
	assert_int_equal(flags.slot[0].tries, 3);
	assert_true(flags.slot[0].good);
	assert_int_equal(flags.slot[1].tries, 2);
	assert_false(flags.slot[1].good);
	assert_false(flags.recovery);
	assert_string_equal(flags.reason, "");
	assert_int_equal(disk->writes, 0);

	PUT(0, 2,
	    "BOOT_RECOVERY_REASON=no-tries-left\0BOOT_RECOVERY=1\0x=\0BOOT_ORDER=\0BOOT_A_LEFTOVER="
	    "9");
	assert_detail(load(), DETAIL_OK);
	assert_int_equal(flags.order_count, 0);
	assert_true(flags.recovery);
	assert_string_equal(flags.reason, "no-tries-left");
	assert_int_equal(flags.slot[0].tries, 0); /* nothing said of it: not bootable */
	assert_false(flags.slot[0].good);

	PUT(0, 3, "bootdelay=0"); /* none of ours */
	assert_detail(load(), DETAIL_OK);
	assert_int_equal(flags.order_count, 0);
	assert_int_equal(flags_choice(&flags), -1);
}

static void the_higher_serial_counts(void **state)
{
	(void)state;
	/* FORMAT.md 3, U-Boot env_check_redund: 0 follows 255; of two equal ones the first. */
	static const struct {
		uint8_t a, b;
		int want;
	} cases[] = {{1, 0, 0},	    {0, 1, 1},	  {5, 4, 0},   {4, 5, 1},     {255, 254, 0},
		     {254, 255, 1}, {0, 255, 0},  {255, 0, 1}, {7, 7, 0},     {0, 0, 0},
		     {255, 255, 0}, {1, 255, 1},  {255, 1, 0}, {128, 127, 0}, {127, 128, 1},
		     {200, 10, 0},  {10, 200, 1}, {2, 0, 0}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		new_disk(512);
		PUT(0, cases[i].a, "BOOT_ORDER=A\0BOOT_A_LEFT=1");
		PUT(1, cases[i].b, "BOOT_ORDER=B\0BOOT_B_LEFT=1");
		at_case("serials %u %u", cases[i].a, cases[i].b);
		check(env_active(copy(0), copy(1), SIZE) == copy(cases[i].want));
		assert_detail(load(), DETAIL_OK);
		check(flags.order_count == 1 && flags.order[0] == cases[i].want);
	}
}

static void one_damaged_copy_is_survived(void **state)
{
	(void)state;
	for (int damaged = 0; damaged < 2; damaged++)
		for (int newer = 0; newer < 2; newer++)
			for (size_t at = 0; at < SIZE; at += at < 120 ? 1 : 509) {
				new_disk(512);
				PUT(newer, 9, GOOD);
				PUT(!newer, 8, GOOD "\0extra=1");
				if (at == 4)
					continue; /* the serial is not part of the checksum */
				copy(damaged)[at] ^= 0x20;
				at_case("copy %d byte %zu", damaged, at);
				assert_detail(load(), DETAIL_OK);
				check(flags.slot[0].tries == 3 && flags.slot[0].good &&
				      flags.order_count == 2);
			}
}

static void both_damaged_is_an_error(void **state)
{
	(void)state;
	new_disk(512);
	assert_detail(load(), DETAIL_FLAGS_DAMAGED); /* erased flash: all ones */
	memset(disk->now, 0, DISK);
	assert_detail(load(), DETAIL_FLAGS_DAMAGED); /* all zero */
	PUT(0, 1, GOOD);
	PUT(1, 2, GOOD);
	copy(0)[100] ^= 1;
	copy(1)[SIZE - 1] ^= 1;
	assert_detail(load(), DETAIL_FLAGS_DAMAGED);
}

static void unreadable_is_not_damaged(void **state)
{
	(void)state;
	new_disk(512);
	PUT(0, 1, GOOD);
	PUT(1, 2, GOOD);
	disk->dead = true;
	assert_detail(load(), DETAIL_DEVICE_READ);
	disk->dead = false;
	/* One copy of two may be the newer one: the other one is not believed. */
	for (int i = 0; i < 2; i++) {
		disk->bad_off = (i ? OFF_B : OFF_A) + 5;
		assert_detail(load(), DETAIL_DEVICE_READ);
	}
	disk->bad_off = UINT64_MAX;
	for (long n = 0; n < 2; n++) {
		disk->fail_read = n; /* once is helped */
		assert_detail(load(), DETAIL_OK);
		disk->fail_read = n;
		disk->fail_more = 1;
		assert_detail(load(), DETAIL_DEVICE_READ);
		check(fault.sys_errno == 5);
	}
	assert_detail(load(), DETAIL_OK);
}

/* A valid checksum over content that is not a list of variables. Nothing of it may be bootable by
 * accident. */
static void garbage_behind_a_good_checksum(void **state)
{
	(void)state;
	static const struct {
		const char *what, *vars;
		size_t len;
		uint32_t a_tries;
	} cases[] = {
#define CASE(vars, tries) {vars, vars, sizeof(vars), tries}
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=x", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=-1", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT= 3", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=3x", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=99999999999999999999", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=0", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=10", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=03", 0),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=1", 1),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFT=9", 9),
		CASE("BOOT_ORDER=A\0BOOT_A_LEFTX=3", 0),
		CASE("BOOT_ORDER=A\0XBOOT_A_LEFT=3", 0),
		CASE("BOOT_ORDER=A\0boot_a_left=3", 0),
		CASE("BOOT_ORDER=A\0=3\0BOOT_A_LEFT=2", 2),
		CASE("BOOT_ORDER=A\0novalue\0BOOT_A_LEFT=2", 2),
#undef CASE
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		new_disk(512);
		put(0, 1, cases[i].vars, cases[i].len);
		at_case("case %zu", i);
		assert_detail(load(), DETAIL_OK);
		check(flags.slot[0].tries == cases[i].a_tries);
		check(flags_choice(&flags) == (cases[i].a_tries ? 0 : -1));
	}
}

static void orders_that_make_no_sense(void **state)
{
	(void)state;
	/* Read as the boot script reads them, to the letter: what it would not start is not in the
	 * order. */
	static const struct {
		const char *order;
		size_t count;
		int first;
	} cases[] = {
		{"", 0, -1},	{" ", 0, -1},	{"A", 1, 0},	  {"B", 1, 1},	    {"A B", 2, 0},
		{"B A", 2, 1},	{" A", 0, -1},	{"A ", 0, -1},	  {"A  B", 0, -1},  {"C", 0, -1},
		{"C A", 0, -1}, {"A C", 0, -1}, {"A A", 0, -1},	  {"A B A", 0, -1}, {"AB", 0, -1},
		{"a", 0, -1},	{"A,B", 0, -1}, {"A B C", 0, -1}, {"A\tB", 0, -1},  {"B A ", 0, -1},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char vars[128];
		int len = snprintf(vars, sizeof(vars), "BOOT_ORDER=%s", cases[i].order);
		new_disk(512);
		put(0, 1, vars, (size_t)len + 1);
		at_case("BOOT_ORDER=\"%s\"", cases[i].order);
		assert_detail(load(), DETAIL_OK);
		check(flags.order_count == cases[i].count);
		if (flags.order_count)
			check(flags.order[0] == cases[i].first);
		if (flags.order_count == 2)
			check(flags.order[1] == !cases[i].first);
	}
}

/* The data fills the copy and no zero byte ends it. */
static void list_without_an_end(void **state)
{
	(void)state;
	char vars[SIZE - 5];
	new_disk(512);
	memset(vars, 'v', sizeof(vars));
	memcpy(vars, "BOOT_ORDER=A\0BOOT_A_LEFT=3\0x=", 30);
	env_make(copy(0), SIZE, 1, vars, sizeof(vars));
	enum detail d = load();
	if (d == DETAIL_OK)
		check(flags_choice(&flags) == 0 || flags_choice(&flags) == -1);
	else
		assert_detail(d, DETAIL_FLAGS_DAMAGED);
	memcpy(vars + sizeof(vars) - 14, "\0BOOT_B_LEFT=3", 14);
	env_make(copy(0), SIZE, 2, vars, sizeof(vars));
	(void)load();
}

/* The environment is untrusted: what it says as a reason stands on the screen. */
static void reason_from_outside(void **state)
{
	(void)state;
	static const char *const hostile[] = {
		"\x1b[2J", "a b", "line\nfeed", "\xff\xfe",
		"a-reason-that-is-much-too-long-for-the-field-that-it-goes-to"};
	for (size_t i = 0; i < COUNT(hostile); i++) {
		char vars[128];
		int len = snprintf(vars, sizeof(vars), "BOOT_RECOVERY=1%cBOOT_RECOVERY_REASON=%s",
				   0, hostile[i]);
		new_disk(512);
		put(0, 1, vars, (size_t)len + 1);
		assert_detail(load(), DETAIL_OK);
		check(flags.recovery && strlen(flags.reason) < FLAGS_REASON_SIZE);
		at_case("%zu", i);
		for (const char *c = flags.reason; *c; c++)
			check((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-');
	}
}

/* --- Store --- */

static void round_trip_of_every_state(void **state)
{
	(void)state;
	static const char *const reasons[] = {"", "request"};
	for (unsigned n = 0; n < 5 * 3 * 3 * 2 * 2 * 2; n++) {
		static const uint8_t orders[][3] = {
			{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {2, 0, 1}, {2, 1, 0}};
		static const uint32_t tries[] = {0, 3, 9};
		struct flags f = {0};
		const uint8_t *order = orders[n % 5];
		f.order_count = order[0];
		f.order[0] = order[1];
		f.order[1] = order[2];
		f.slot[0].tries = tries[n / 5 % 3];
		f.slot[1].tries = tries[n / 15 % 3];
		f.slot[0].good = n / 45 % 2;
		f.slot[1].good = n / 90 % 2;
		f.recovery = n / 180 % 2;
		strcpy(f.reason, reasons[f.recovery]);
		new_disk(n % 2 ? 512 : 4096);
		PUT(0, 1, GOOD);
		at_case("state %u", n);
		assert_detail(store(&f, false), DETAIL_OK);
		assert_detail(load(), DETAIL_OK);
		check(flags_equal(&flags, &f));
		/* ... and by an independent reading of what is on the medium. */
		check(env_choice(active(), SIZE) ==
		      (flags_choice(&f) < 0 ? 'R' : (char)('A' + flags_choice(&f))));
	}
}

static void stored_as_format_says(void **state)
{
	(void)state;
	new_disk(512);
	PUT(0, 1, "bootdelay=2");
	struct flags f = sample;
	assert_detail(store(&f, false), DETAIL_OK);
	variable("BOOT_ORDER", "B A");
	variable("BOOT_A_LEFT", "2");
	variable("BOOT_A_GOOD", "1");
	variable("BOOT_B_LEFT", "3");
	variable("BOOT_B_GOOD", "0");
	variable("bootdelay", "2");
	flags_request_recovery(&f, "request");
	assert_detail(store(&f, false), DETAIL_OK);
	variable("BOOT_RECOVERY", "1");
	variable("BOOT_RECOVERY_REASON", "request");
	variable("bootdelay", "2");
	f = (struct flags){0};
	assert_detail(store(&f, false), DETAIL_OK);
	const char *order = env_get(active(), SIZE, "BOOT_ORDER");
	assert_true(!order || !*order);
	assert_int_equal(env_choice(active(), SIZE), 'R');
}

/* The rest of the list, byte for byte and in its order. */
static size_t others(const uint8_t *c, char *out)
{
	size_t len = 0;
	for (size_t at = 5; c[at]; at += strlen((const char *)c + at) + 1)
		if (strncmp((const char *)c + at, "BOOT_", 5)) {
			strcpy(out + len, (const char *)c + at);
			len += strlen(out + len) + 1;
		}
	return len;
}

static void unrelated_variables_survive_in_order(void **state)
{
	(void)state;
	char before[SIZE], after[SIZE];
	new_disk(512);
	PUT(0, 1,
	    "zeta=1\0BOOT_A_LEFT=3\0alpha=with = in it and ; "
	    "${too}\0BOOT_ORDER=A\0empty=\0utf=\xc3\xa4\xff\0BOOT_B_GOOD=1\0"
	    "alpha2=x\0omega=last");
	size_t len = others(copy(0), before);
	for (int round = 0; round < 5; round++) {
		struct flags f = sample;
		f.slot[0].tries = (uint32_t)round;
		f.recovery = round % 2;
		strcpy(f.reason, f.recovery ? "request" : "");
		assert_detail(store(&f, false), DETAIL_OK);
		at_case("round %d", round);
		check(others(active(), after) == len && !memcmp(before, after, len));
	}
	/* Variables with the prefix that are not ours. */
	PUT(0, 1, "BOOT_C_LEFT=3\0BOOT_TRIES=3\0BOOTX=1\0BOOT_A_LEFTOVER=4\0BOOT_ORDER=A");
	memset(copy(1), 0, SIZE);
	memcpy(disk->durable, disk->now, DISK);
	assert_detail(store(&sample, false), DETAIL_OK);
	variable("BOOT_C_LEFT", "3");
	variable("BOOTX", "1");
	variable("BOOT_A_LEFTOVER", "4");
	variable("BOOT_ORDER", "B A");
}

/* A name that stands there twice must not keep its old value in the second place. */
static void duplicate_variables_end(void **state)
{
	(void)state;
	new_disk(512);
	PUT(0, 1, "BOOT_B_LEFT=9\0a=1\0BOOT_B_LEFT=8\0BOOT_ORDER=A\0BOOT_ORDER=B");
	struct flags f = sample;
	flags_mark_target(&f, 1);
	assert_detail(store(&f, false), DETAIL_OK);
	const uint8_t *c = active();
	size_t seen = 0;
	for (size_t at = 5; c[at]; at += strlen((const char *)c + at) + 1) {
		if (!strncmp((const char *)c + at, "BOOT_B_LEFT=", 12))
			check(++seen == 1 && c[at + 12] == '0');
		if (!strncmp((const char *)c + at, "BOOT_ORDER=", 11))
			check(!strchr((const char *)c + at + 11, 'B'));
	}
	variable("a", "1");
}

static void the_last_of_two_counts(void **state)
{
	(void)state;
	new_disk(512);
	PUT(0, 1, "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_ORDER=B\0BOOT_B_LEFT=2");
	assert_detail(load(), DETAIL_OK);
	assert_int_equal(flags_choice(&flags), 1);
	assert_int_equal(flags.slot[1].tries, 2);
}

static void stored_default_environment_is_damage(void **state)
{
	(void)state;
	uint8_t before[DISK];
	new_disk(512);
	PUT(0, 1, GOOD "\0BOOT_ENVIRONMENT=default\0keep=1");
	memcpy(before, disk->now, DISK);
	assert_detail(load(), DETAIL_FLAGS_DAMAGED);
	assert_detail(store(&sample, false), DETAIL_FLAGS_DAMAGED);
	assert_memory_equal(before, disk->now, DISK);
	/* Else recovery would be started for ever, whatever is installed. */
	assert_detail(store(&sample, true), DETAIL_OK);
	assert_detail(load(), DETAIL_OK);
	assert_true(flags_equal(&flags, &sample));
	assert_null(env_get(active(), SIZE, "BOOT_ENVIRONMENT"));
	variable("keep", "1");
	/* Any other word means nothing. */
	PUT(0, 1, GOOD "\0BOOT_ENVIRONMENT=1");
	PUT(1, 0, "");
	assert_detail(load(), DETAIL_OK);
}

static void store_goes_to_the_other_copy(void **state)
{
	(void)state;
	uint8_t kept[SIZE];
	for (int newer = 0; newer < 2; newer++) {
		new_disk(512);
		PUT(newer, 254, GOOD);
		PUT(!newer, 253, "old=1");
		int in_use = newer;
		for (int round = 0; round < 6; round++) { /* over 255 and 0 */
			struct flags f = sample;
			f.slot[1].tries = (uint32_t)round;
			memcpy(kept, copy(in_use), SIZE);
			memdisk_forget_ops(disk);
			assert_detail(store(&f, false), DETAIL_OK);
			at_case("newer %d round %d", newer, round);
			check(!memcmp(kept, disk->durable + (in_use ? OFF_B : OFF_A), SIZE));
			check(!disk->pending); /* durable */
			in_use = !in_use;
			check(active() == disk->durable + (in_use ? OFF_B : OFF_A));
			assert_detail(load(), DETAIL_OK);
			check(flags_equal(&flags, &f));
		}
	}
}

/* One logical change is one store: one write, then a flush, then it is read back. */
static void one_write_one_flush_then_read_back(void **state)
{
	(void)state;
	size_t writes = 0, flushes = 0, reads_after = 0;
	new_disk(512);
	PUT(0, 1, GOOD);
	disk->keep_reads = true;
	assert_detail(store(&sample, false), DETAIL_OK);
	for (size_t i = 0; i < disk->op_count; i++) {
		const struct op *op = &disk->ops[i];
		if (op->kind == OP_WRITE) {
			check(op->off >= OFF_B && op->off + op->len <= OFF_B + SIZE && !flushes);
			writes++;
		} else if (op->kind == OP_FLUSH) {
			check(writes);
			flushes++;
		} else if (op->kind == OP_READ && flushes && op->off >= OFF_B) {
			reads_after += op->len;
		}
	}
	assert_true(writes >= 1 && flushes == 1);
	assert_int_equal(reads_after, SIZE);
}

static void what_does_not_read_back_is_not_stored(void **state)
{
	(void)state;
	for (size_t at = 0; at < SIZE; at += 311) {
		new_disk(512);
		PUT(0, 1, GOOD);
		disk->flip_off = OFF_B + at;
		disk->flip_times = 100;
		at_case("byte %zu", at);
		assert_detail(store(&sample, false), DETAIL_FLAGS_NOT_STORED);
		disk->flip_times = 0;
		if (at == 4)
			continue;
		assert_detail(load(), DETAIL_OK); /* what was there before counts still */
		check(flags.order[0] == 0 && flags.slot[0].tries == 3);
	}
	new_disk(512);
	PUT(0, 1, GOOD);
	disk->lose_off = OFF_B; /* the write never arrives (nerves_runtime#375) */
	assert_detail(store(&sample, false), DETAIL_FLAGS_NOT_STORED);
	disk->lose_off = OFF_B + SIZE - 1; /* the tail does not */
	PUT(1, 0, GOOD);
	copy(1)[SIZE - 3] = 9; /* what it held there */
	memcpy(disk->durable, disk->now, DISK);
	assert_detail(store(&sample, false), DETAIL_FLAGS_NOT_STORED);
}

static void io_errors_are_told(void **state)
{
	(void)state;
	/* One failure is tried again; two are told, and what was there before counts still. */
	for (int kind = 0; kind < 3; kind++)
		for (long more = 0; more < 6; more++) {
			new_disk(512);
			PUT(0, 1, GOOD);
			*(kind == 0   ? &disk->fail_write
			  : kind == 1 ? &disk->fail_flush
				      : &disk->fail_read) =
				kind == 2 ? 2 : 0; /* the third read is the read-back */
			disk->fail_more = more;
			at_case("kind %d, %ld times", kind, more + 1);
			enum detail d = store(&sample, false);
			check(d == (more ? DETAIL_FLAGS_NOT_STORED : DETAIL_OK));
			check(!more || fault.sys_errno == 5);
			for (uint64_t seed = 0; seed < 4; seed += more ? 2 : 1) { /* 0: all lost */
				memdisk_power_cut(disk, seed);
				assert_detail(load(), DETAIL_OK);
				check(!flags_equal(&flags, &sample) == (more > 0));
			}
		}
	for (long n = 0; n < 4; n++) {
		new_disk(512);
		PUT(0, 1, GOOD);
		disk->fail_read = n;
		enum detail d = store(&sample, false);
		if (d != DETAIL_OK) /* it may go on with the copy that it could read */
			assert_detail_in(d, DETAIL_DEVICE_READ, DETAIL_FLAGS_NOT_STORED);
	}
}

/* Never store over what could not be read (swupdate#5): an error, not an empty environment. */
static void unreadable_copy_is_not_stored_over(void **state)
{
	(void)state;
	for (int newer = 0; newer < 2; newer++)
		for (int unreadable = 0; unreadable < 2; unreadable++) {
			new_disk(512);
			PUT(newer, 6, GOOD "\0precious=1");
			PUT(!newer, 5, GOOD "\0precious=0");
			disk->bad_off = unreadable ? OFF_B : OFF_A;
			enum detail d = store(&sample, false);
			disk->bad_off = UINT64_MAX;
			at_case("newer %d, unreadable %d: %s", newer, unreadable, detail_name(d));
			if (d == DETAIL_OK)
				variable("precious", unreadable == newer ? "0" : "1");
			else
				variable("precious", "1");
		}
}

/* I4: a power cut at any moment of a store leaves the old flags or the new ones. */
static void torn_store_keeps_the_old(void **state)
{
	(void)state;
	size_t old_ones = 0, new_ones = 0;
	for (long die = 0; die < 3; die++)
		for (uint64_t seed = 0; seed < 60; seed++) {
			new_disk(512);
			PUT(0, 255, GOOD "\0keep=1");
			PUT(1, 254, GOOD "\0keep=1");
			disk->die = die;
			enum detail d = store(&sample, false);
			memdisk_power_cut(disk, seed);
			at_case("die %ld seed %llu", die, (unsigned long long)seed);
			check(active() != NULL);
			assert_detail(load(), DETAIL_OK);
			variable("keep", "1");
			bool is_new = flags_equal(&flags, &sample);
			check(is_new || (flags.order[0] == 0 && flags.slot[0].tries == 3 &&
					 flags.slot[1].tries == 2));
			check(is_new || d != DETAIL_OK);
			old_ones += !is_new;
			new_ones += is_new;
		}
	assert_true(old_ones && new_ones);
}

static void damaged_is_stored_over_only_anew(void **state)
{
	(void)state;
	uint8_t before[DISK];
	new_disk(512);
	PUT(0, 1, GOOD);
	PUT(1, 2, GOOD);
	copy(0)[50] ^= 1;
	copy(1)[50] ^= 1;
	memcpy(disk->durable, disk->now, DISK);
	memcpy(before, disk->now, DISK);
	assert_detail(store(&sample, false), DETAIL_FLAGS_DAMAGED);
	assert_memory_equal(before, disk->now, DISK);
	assert_detail(store(&sample, true), DETAIL_OK);
	assert_detail(load(), DETAIL_OK);
	assert_true(flags_equal(&flags, &sample));
	/* One good copy: anew or not, its variables are kept. */
	new_disk(512);
	PUT(1, 2, GOOD "\0keep=1");
	assert_detail(store(&sample, true), DETAIL_OK);
	variable("keep", "1");
	assert_true(env_valid(disk->durable + OFF_A, SIZE));
}

static void a_full_environment(void **state)
{
	(void)state;
	/* Filler so that the variables just fit, or miss by one byte. */
	for (int miss = 0; miss < 2; miss++) {
		char vars[SIZE] = "BOOT_ORDER=A\0filler=";
		size_t used = 13 + 7;
		struct flags f = sample;
		new_disk(512);
		/* How much the flags take is learnt from a store into an empty one. */
		PUT(0, 1, "a=1");
		assert_detail(store(&f, false), DETAIL_OK);
		const uint8_t *c = active();
		size_t len = 5;
		while (c[len])
			len += strlen((const char *)c + len) + 1;
		size_t flags_len = len - 5 - 4;
		size_t room = SIZE - 5 - 1 - flags_len - 8 + (size_t)miss;
		memset(vars + used, 'f', room);
		vars[used + room] = 0;
		new_disk(512);
		put(0, 1, vars, used + room + 1);
		at_case("miss %d", miss);
		check(disk->writes == 0);
		enum detail d = store(&f, false);
		if (miss) {
			assert_detail(d, DETAIL_FLAGS_FULL);
			assert_detail(env.store.ops->fits(&env.store, &f, false, &fault),
				      DETAIL_FLAGS_FULL);
			check(!memcmp(disk->now, disk->durable, DISK)); /* nothing was written */
			assert_detail(load(), DETAIL_OK);
			check(flags.order_count == 1);
		} else {
			assert_detail(d, DETAIL_OK);
			check(active()[SIZE - 1] == 0 && active()[SIZE - 2] == 0);
			check(strlen(env_get(active(), SIZE, "filler")) == room);
		}
	}
}

/* A trial is not begun when U-Boot could not take its try away: 128 bytes more than the flags need.
 */
static void room_for_what_u_boot_adds(void **state)
{
	(void)state;
	char vars[SIZE] = "BOOT_ORDER=A\0filler=";
	size_t used = 13 + 7, none = 0;
	for (size_t room = SIZE - 500; used + room + 1 < SIZE - 5; room++) {
		new_disk(512);
		memset(vars + used, 'f', room);
		vars[used + room] = 0;
		put(0, 1, vars, used + room + 1);
		enum detail fits = env.store.ops->fits(&env.store, &sample, false, &fault);
		check(disk->writes == 0);
		enum detail stored = store(&sample, false);
		size_t left = 0;
		while (!stored && left < SIZE - 5 && !active()[SIZE - 1 - left])
			left++;
		at_case("filler %zu, %zu bytes left", room, left);
		/* Two zeros end the last variable and the whole. */
		check(fits == (!stored && left >= 128 + 2 ? DETAIL_OK : DETAIL_FLAGS_FULL));
		none += fits && !stored;
	}
	check(none == 128);
}

static void single_slot_board(void **state)
{
	(void)state;
	new_disk(512);
	board.slot_count = 1;
	PUT(0, 1, "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_A_GOOD=1\0BOOT_B_LEFT=3");
	assert_detail(load(), DETAIL_OK);
	assert_int_equal(flags.order_count, 1);
	assert_int_equal(flags.slot[0].tries, 3);
	assert_int_equal(flags.slot[1].tries, 0);
	struct flags f = {0};
	flags_commit(&f, 0, 3);
	assert_detail(store(&f, false), DETAIL_OK);
	variable("BOOT_ORDER", "A");
}

/* Slots may have longer names. */
static void slots_of_other_names(void **state)
{
	(void)state;
	new_disk(512);
	strcpy(board.slots[0].name, "system0");
	strcpy(board.slots[1].name, "system1");
	PUT(0, 1, "BOOT_ORDER=system1 system0\0BOOT_system1_LEFT=4\0BOOT_system0_GOOD=1");
	assert_detail(load(), DETAIL_OK);
	assert_int_equal(flags.order_count, 2);
	assert_int_equal(flags.order[0], 1);
	assert_int_equal(flags.slot[1].tries, 4);
	assert_true(flags.slot[0].good);
	assert_detail(store(&sample, false), DETAIL_OK);
	variable("BOOT_ORDER", "system1 system0");
	variable("BOOT_system0_LEFT", "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(crc_vectors),
		TEST(load_a_hand_made_environment),
		TEST(the_higher_serial_counts),
		TEST(one_damaged_copy_is_survived),
		TEST(both_damaged_is_an_error),
		TEST(unreadable_is_not_damaged),
		TEST(garbage_behind_a_good_checksum),
		TEST(orders_that_make_no_sense),
		TEST(list_without_an_end),
		TEST(reason_from_outside),
		TEST(round_trip_of_every_state),
		TEST(stored_as_format_says),
		TEST(unrelated_variables_survive_in_order),
		TEST(duplicate_variables_end),
		TEST(the_last_of_two_counts),
		TEST(stored_default_environment_is_damage),
		TEST(store_goes_to_the_other_copy),
		TEST(one_write_one_flush_then_read_back),
		TEST(what_does_not_read_back_is_not_stored),
		TEST(io_errors_are_told),
		TEST(unreadable_copy_is_not_stored_over),
		TEST(torn_store_keeps_the_old),
		TEST(damaged_is_stored_over_only_anew),
		TEST(a_full_environment),
		TEST(room_for_what_u_boot_adds),
		TEST(single_slot_board),
		TEST(slots_of_other_names),
	};
	return RUN_ALL(tests);
}
