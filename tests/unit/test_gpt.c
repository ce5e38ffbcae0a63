/* The partition table (UEFI 2.10, 5.3): primary, backup, and nothing that is unsound. */
#include "support.h"

static struct gpt gpt;
static struct fault fault;
static const uint64_t size = 4 << 20;

static const struct part two[] = {{"boot_a", 1 << 20, 64 << 10}, {"data", 2 << 20, 128 << 10}};

static struct memdisk *disk_with(const struct gpt_maker *maker)
{
	struct memdisk *disk = memdisk_new(size, maker->sector);
	gpt_make(disk->now, size, maker);
	return disk;
}

static struct memdisk *good(uint32_t sector)
{
	struct gpt_maker maker = {.sector = sector, .part_count = 2, .parts = two};
	return disk_with(&maker);
}

static enum detail load(struct memdisk *disk)
{
	uint8_t *scratch = arena_alloc(GPT_SCRATCH_LEN);
	memset(&gpt, 0xa5, sizeof(gpt));
	enum detail d = gpt_load(&gpt, &disk->whole.dev, scratch, &fault);
	check(disk->writes == 0 && disk->flushes == 0); /* read only */
	return d;
}

static void is_the_good_table(void)
{
	check(gpt.count == 2);
	for (size_t i = 0; i < 2; i++) {
		check(gpt.at[i].number == i + 1);
		check(gpt.at[i].off == two[i].off && gpt.at[i].len == two[i].len);
		check(!strcmp(gpt.at[i].label, two[i].label));
	}
}

static void table_is_read(void **state)
{
	(void)state;
	static const uint32_t sectors[] = {512, 4096};
	for (size_t i = 0; i < 2; i++) {
		uint64_t sector = sectors[i], table = 16384 / sector;
		at_case("sectors of %u", sectors[i]);
		assert_detail(load(good(sectors[i])), DETAIL_OK);
		is_the_good_table();
		check(gpt.first_usable == (2 + table) * sector);
		check(gpt.end_usable == size - (1 + table) * sector);
		check(gpt.table_end == (2 + table) * sector);
	}
}

static void find_by_label(void **state)
{
	(void)state;
	static const struct part parts[] = {{"boot", 1 << 20, 4096},
					    {"boot_a", 2 << 20, 4096},
					    {"twice", 3 << 20, 4096},
					    {"twice", (3 << 20) + 8192, 4096}};
	struct gpt_maker maker = {.sector = 512, .part_count = 4, .parts = parts};
	const struct gpt_partition *found = NULL;
	assert_detail(load(disk_with(&maker)), DETAIL_OK);
	assert_detail(gpt_find(&gpt, "boot_a", &found, &fault), DETAIL_OK);
	assert_ptr_equal(found, &gpt.at[1]);
	assert_detail(gpt_find(&gpt, "boot", &found, &fault), DETAIL_OK);
	assert_ptr_equal(found, &gpt.at[0]);
	static const char *const missing[] = {"boo", "boot_", "boot_a2", "BOOT", "", "data"};
	for (size_t i = 0; i < COUNT(missing); i++) {
		at_case("\"%s\"", missing[i]);
		assert_detail(gpt_find(&gpt, missing[i], &found, &fault), DETAIL_PARTITION_MISSING);
	}
	assert_detail(gpt_find(&gpt, "boot_b", &found, &fault), DETAIL_PARTITION_MISSING);
	assert_non_null(strstr(fault.object, "boot_b"));
	assert_detail(gpt_find(&gpt, "twice", &found, &fault), DETAIL_PARTITION_TWICE);
	assert_non_null(strstr(fault.object, "twice"));
}

/* Unused entries between used ones: the number is the place, as the kernel counts. */
static void numbers_count_unused_entries(void **state)
{
	(void)state;
	struct memdisk *disk = good(512);
	for (int backup = 0; backup < 2; backup++) {
		memmove(gpt_entry(disk->now, size, 512, backup, 127),
			gpt_entry(disk->now, size, 512, backup, 1), 128);
		memset(gpt_entry(disk->now, size, 512, backup, 1), 0, 128);
		gpt_seal(disk->now, size, 512, backup);
	}
	assert_detail(load(disk), DETAIL_OK);
	assert_int_equal(gpt.count, 2);
	assert_int_equal(gpt.at[1].number, 128);
	assert_string_equal(gpt.at[1].label, "data");
}

static void labels_of_36_units_and_foreign_letters(void **state)
{
	(void)state;
	struct memdisk *disk = good(512);
	for (int backup = 0; backup < 2; backup++) {
		uint8_t *name = gpt_entry(disk->now, size, 512, backup, 0) + 56;
		for (int i = 0; i < 36; i++)
			name[2 * i] = (uint8_t)('a' + i % 26);
		name = gpt_entry(disk->now, size, 512, backup, 1) + 56;
		name[1] = 1;	/* U+0164 */
		name[2] = 0xe4; /* U+00E4 */
		name[4] = '\n'; /* would break a line of a message */
		name[6] = 0x1b; /* would move the cursor */
		gpt_seal(disk->now, size, 512, backup);
	}
	assert_detail(load(disk), DETAIL_OK);
	assert_int_equal(strlen(gpt.at[0].label), 36);
	assert_memory_equal(gpt.at[0].label, "abcdefghijklmnopqrstuvwxyzabcdefghij", 37);
	assert_int_equal(gpt.at[1].label[0], '?');
	assert_int_equal(gpt.at[1].label[1], '?');
	for (const char *c = gpt.at[1].label; *c; c++)
		check(*c >= ' ' && *c < 127);
}

static void every_damage_of_the_primary_is_survived(void **state)
{
	(void)state;
	static const uint32_t sectors[] = {512, 4096};
	for (size_t s = 0; s < 2; s++) {
		uint32_t sector = sectors[s];
		struct memdisk *disk = good(sector);
		for (size_t i = 0; i < 92 + 2 * 128; i++) {
			size_t at = i < 92 ? sector + i : 2 * sector + i - 92;
			disk->now[at] ^= 0x04;
			at_case("sector %u byte %zu", sector, at);
			assert_detail(load(disk), DETAIL_OK);
			is_the_good_table();
			disk->now[at] ^= 0x04;
		}
		memset(disk->now, 0, 2 * sector + 16384);
		assert_detail(load(disk), DETAIL_OK);
		is_the_good_table();
	}
}

static void unreadable_primary_is_survived(void **state)
{
	(void)state;
	struct memdisk *disk = good(512);
	disk->bad_off = 512;
	assert_detail(load(disk), DETAIL_OK);
	is_the_good_table();
}

static void primary_counts_before_the_backup(void **state)
{
	(void)state;
	struct memdisk *disk = good(512);
	gpt_entry(disk->now, size, 512, true, 0)[56] = 'X';
	gpt_seal(disk->now, size, 512, true);
	assert_detail(load(disk), DETAIL_OK);
	assert_string_equal(gpt.at[0].label, "boot_a");
	disk->now[512] ^= 1;
	assert_detail(load(disk), DETAIL_OK);
	assert_string_equal(gpt.at[0].label, "Xoot_a");
}

static void both_damaged(void **state)
{
	(void)state;
	struct memdisk *disk = good(512);
	disk->now[512 + 20] ^= 1; /* reserved byte: the checksum sees it */
	disk->now[size - 512 + 16] ^= 1;
	assert_detail(load(disk), DETAIL_GPT_INVALID);
	disk = good(512);
	disk->now[1024 + 56] ^= 1;
	*gpt_entry(disk->now, size, 512, true, 1) ^= 1;
	assert_detail(load(disk), DETAIL_GPT_INVALID);
	assert_detail(load(memdisk_new(size, 512)), DETAIL_GPT_INVALID);
	assert_detail(load(memdisk_new(size, 4096)), DETAIL_GPT_INVALID);
}

static void disk_that_is_too_small(void **state)
{
	(void)state;
	for (uint64_t small = 0; small < 70 * 512; small += 512) {
		struct memdisk *disk = memdisk_new(small, 512);
		at_case("%llu bytes", (unsigned long long)small);
		assert_detail(load(disk), DETAIL_GPT_INVALID);
	}
	/* A table of a larger disk, cut: its numbers reach over the end. */
	struct memdisk *from = good(512);
	struct memdisk *disk = memdisk_new(1 << 20, 512);
	memcpy(disk->now, from->now, 1 << 20);
	assert_detail(load(disk), DETAIL_GPT_INVALID);
}

static void read_errors_are_told(void **state)
{
	(void)state;
	struct memdisk *disk = good(512);
	assert_detail(load(disk), DETAIL_OK);
	size_t reads = disk->reads;
	disk->bad_off = size - 512;
	disk->now[512] ^= 1; /* so that the backup is needed */
	assert_detail_in(load(disk), DETAIL_DEVICE_READ, DETAIL_GPT_INVALID);
	disk->bad_off = UINT64_MAX;
	disk->now[512] ^= 1;
	for (size_t n = 0; n < reads;
	     n++) { /* one bad read: the backup, or an error; never a wrong table */
		disk->fail_read = (long)n;
		enum detail d = load(disk);
		at_case("read %zu", n);
		if (d == DETAIL_OK)
			is_the_good_table();
		else
			assert_detail_in(d, DETAIL_DEVICE_READ, DETAIL_GPT_INVALID);
	}
	disk->fail_read = -1;
	disk->dead = true;
	assert_detail(load(disk), DETAIL_DEVICE_READ);
}

/* Both copies say the same wrong thing, with right checksums. */
static void unsound(const char *what, size_t field, uint64_t value, size_t bytes, bool entry,
		    size_t number)
{
	struct memdisk *disk = good(512);
	for (int backup = 0; backup < 2; backup++) {
		uint8_t *p = entry ? gpt_entry(disk->now, size, 512, backup, number)
				   : gpt_header(disk->now, size, 512, backup);
		for (size_t i = 0; i < bytes; i++)
			p[field + i] = (uint8_t)(value >> 8 * i);
		uint8_t *header = gpt_header(disk->now, size, 512, backup);
		/* Seal by hand where sealing would have to believe the changed field. */
		if (entry)
			gpt_seal(disk->now, size, 512, backup);
		else {
			uint32_t len = field == 12 && value < 512 ? (uint32_t)value : 92;
			store_le32(header + 16, 0);
			store_le32(header + 16, crc32_of(header, len));
		}
	}
	at_case("%s = %llx", what, (unsigned long long)value);
	assert_detail(load(disk), DETAIL_GPT_INVALID);
}

static void headers_that_cannot_be(void **state)
{
	(void)state;
	static const uint64_t huge[] = {UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 55,
					UINT64_C(1) << 63, UINT64_MAX};
	unsound("signature", 0, 'F', 1, false, 0);
	unsound("header size", 12, 0, 4, false, 0);
	unsound("header size", 12, 91, 4, false, 0);
	unsound("header size", 12, 513, 4, false, 0);
	unsound("header size", 12, UINT32_MAX, 4, false, 0);
	unsound("own place", 24, 7, 8, false, 0);
	unsound("entry count", 80, 0, 4, false, 0);
	unsound("entry count", 80, UINT32_MAX, 4, false, 0);
	unsound("entry count", 80, 0x02000000, 4, false, 0);
	unsound("entry size", 84, 0, 4, false, 0);
	unsound("entry size", 84, 1, 4, false, 0);
	unsound("entry size", 84, 64, 4, false, 0);
	unsound("entry size", 84, 127, 4, false, 0);
	unsound("entry size", 84, 0x80000000, 4, false, 0);
	unsound("entry size", 84, UINT32_MAX, 4, false, 0);
	for (size_t i = 0; i < COUNT(huge); i++) {
		unsound("first usable", 40, huge[i], 8, false, 0);
		unsound("last usable", 48, huge[i], 8, false, 0);
		unsound("table", 72, huge[i], 8, false, 0);
	}
	unsound("table over the headers", 72, 0, 8, false, 0);
	unsound("table over the headers", 72, 1, 8, false, 0);
	unsound("table over the headers", 72, size / 512 - 32, 8, false, 0);
	unsound("first usable behind last", 40, size / 512 - 20, 8, false, 0);
	unsound("last usable", 48, size / 512, 8, false, 0);
}

static void entries_that_cannot_be(void **state)
{
	(void)state;
	const uint64_t last_usable = size / 512 - 34, a = two[0].off / 512,
		       a_last = a + two[0].len / 512 - 1;
	static const uint64_t huge[] = {UINT64_C(1) << 31, UINT64_C(1) << 55, UINT64_C(1) << 63,
					UINT64_MAX - 1, UINT64_MAX};
	for (size_t i = 0; i < COUNT(huge); i++) {
		unsound("start", 32, huge[i], 8, true, 0);
		unsound("end", 40, huge[i], 8, true, 0);
	}
	unsound("start 0", 32, 0, 8, true, 0);
	unsound("start in the table", 32, 33, 8, true, 0);
	unsound("end behind the usable range", 40, last_usable + 1, 8, true, 1);
	unsound("end before start", 40, a - 2, 8, true, 0);
	/* Partition 2 begins within partition 1, by one sector; and lies wholly within it. */
	unsound("overlap at the end", 32, a_last, 8, true, 1);
	unsound("overlap of one sector", 40, two[1].off / 512, 8, true, 0);
}

static void partitions_may_touch(void **state)
{
	(void)state;
	static const struct part parts[] = {
		{"b", (1 << 20) + 4096, 4096}, {"a", 1 << 20, 4096}, {"c", (1 << 20) + 8192, 512}};
	struct gpt_maker maker = {.sector = 512, .part_count = 3, .parts = parts};
	assert_detail(load(disk_with(&maker)), DETAIL_OK);
	assert_int_equal(gpt.count, 3);
	assert_int_equal(gpt.at[2].len, 512);
	/* The whole usable range. */
	static const struct part all[] = {{"all", 34 * 512, (4 << 20) - 67 * 512}};
	maker.part_count = 1;
	maker.parts = all;
	assert_detail(load(disk_with(&maker)), DETAIL_OK);
	assert_int_equal(gpt.at[0].off, gpt.first_usable);
	assert_int_equal(gpt.at[0].off + gpt.at[0].len, gpt.end_usable);
}

static void entries_of_256_bytes(void **state)
{
	(void)state;
	struct gpt_maker maker = {
		.sector = 512, .part_count = 2, .parts = two, .entry_size = 256, .entry_count = 64};
	assert_detail(load(disk_with(&maker)), DETAIL_OK);
	is_the_good_table();
	/* More than core's buffer holds: refused, or read right; never cut silently. */
	maker.entry_count = 128;
	enum detail d = load(disk_with(&maker));
	if (d == DETAIL_OK)
		is_the_good_table();
	else
		assert_detail(d, DETAIL_GPT_INVALID);
}

static void fewer_entries(void **state)
{
	(void)state;
	static const uint32_t counts[] = {2, 3, 4, 5, 16, 127};
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct gpt_maker maker = {
			.sector = 512, .part_count = 2, .parts = two, .entry_count = counts[i]};
		at_case("%u entries", counts[i]);
		assert_detail(load(disk_with(&maker)), DETAIL_OK);
		is_the_good_table();
	}
}

static void a_full_table(void **state)
{
	(void)state;
	struct part *parts = arena_alloc(128 * sizeof(*parts));
	for (size_t i = 0; i < 128; i++) {
		char *label = arena_alloc(32);
		snprintf(label, 32, "part-%zu", i);
		parts[i] = (struct part){label, (1 << 20) + i * 4096, 4096};
	}
	struct gpt_maker maker = {.sector = 512, .part_count = 128, .parts = parts};
	const struct gpt_partition *found;
	assert_detail(load(disk_with(&maker)), DETAIL_OK);
	assert_int_equal(gpt.count, 128);
	assert_detail(gpt_find(&gpt, "part-127", &found, &fault), DETAIL_OK);
	assert_int_equal(found->number, 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(table_is_read),
		TEST(find_by_label),
		TEST(numbers_count_unused_entries),
		TEST(labels_of_36_units_and_foreign_letters),
		TEST(every_damage_of_the_primary_is_survived),
		TEST(unreadable_primary_is_survived),
		TEST(primary_counts_before_the_backup),
		TEST(both_damaged),
		TEST(disk_that_is_too_small),
		TEST(read_errors_are_told),
		TEST(headers_that_cannot_be),
		TEST(entries_that_cannot_be),
		TEST(partitions_may_touch),
		TEST(entries_of_256_bytes),
		TEST(fewer_entries),
		TEST(a_full_table),
	};
	return RUN_ALL(tests);
}
