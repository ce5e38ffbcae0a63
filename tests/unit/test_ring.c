/* Rings of the state partition, FORMAT.md 2: they survive torn blocks. */
#include "support_rings.h"

static struct fault fault;
static uint8_t block[RING_BLOCK];

enum { RING_ID = 7, RING_FIRST = 5, RING_BLOCKS = 4 };

static enum detail open_ring(struct ring *ring)
{
	memset(ring, 0xa5, sizeof(*ring));
	return ring_open(ring, &part.dev, RING_ID, RING_FIRST, RING_BLOCKS, block, &fault);
}

static void is_newest(const char *want, uint64_t serial)
{
	struct ring ring;
	const uint8_t *content;
	size_t len;
	assert_detail(open_ring(&ring), DETAIL_OK);
	check(ring.serial == serial);
	if (!want) {
		check(!ring_read(&ring, 0, block, &content, &len));
		return;
	}
	check(ring_read(&ring, 0, block, &content, &len));
	check(len == strlen(want) && !memcmp(content, want, len));
}

static void blank_is_empty(void **s)
{
	(void)s;
	for (int fill = 0; fill < 3; fill++) {
		new_disk(512, 64 * 4096);
		if (fill == 2)
			noise_fill(disk->now, disk->size, 9);
		else
			memset(disk->now, fill ? 0xff : 0, disk->size);
		is_newest(NULL, 0);
	}
}

static void append_and_read_over_the_wrap(void **s)
{
	(void)s;
	static const uint32_t sectors[] = {512, 4096};
	for (size_t i = 0; i < 2; i++) {
		struct ring ring;
		new_disk(sectors[i], 64 * 4096);
		assert_detail(open_ring(&ring), DETAIL_OK);
		for (uint64_t n = 1; n <= 23; n++) {
			char text[32];
			snprintf(text, sizeof(text), "record %llu", (unsigned long long)n);
			memdisk_forget_ops(disk);
			assert_detail(ring_append(&ring, text, strlen(text), block, &fault),
				      DETAIL_OK);
			at_case("sector %u record %s", sectors[i], text);
			check(ring.serial == n && !disk->pending && disk->flushes >= 1);
			/* As FORMAT.md says, byte for byte. */
			uint64_t where = RING_FIRST + (n - 1) % RING_BLOCKS;
			uint8_t *stored = arena_copy(at_block(where), 4096);
			put_record(where, RING_ID, n, text, strlen(text));
			check(!memcmp(stored, at_block(where), 64 + strlen(text)));
			is_newest(text, n);
			for (uint64_t back = 0; back < 6; back++) {
				const uint8_t *content;
				size_t len;
				bool there = ring_read(&ring, back, block, &content, &len);
				check(there == (back < n && back < RING_BLOCKS));
				if (!there)
					continue;
				snprintf(text, sizeof(text), "record %llu",
					 (unsigned long long)(n - back));
				check(len == strlen(text) && !memcmp(content, text, len));
			}
		}
		/* Nothing outside the ring's blocks. */
		check(bytes_are_zero(at_block(0), RING_FIRST * 4096));
		check(bytes_are_zero(at_block(RING_FIRST + RING_BLOCKS), 4096));
	}
}

static void contents_of_every_length(void **s)
{
	(void)s;
	static const size_t lengths[] = {0, 1, 31, 64, 447, 448, 449, 4031, 4032};
	uint8_t content[4032];
	struct ring ring;
	noise_fill(content, sizeof(content), 4);
	new_disk(4096, 64 * 4096);
	assert_detail(open_ring(&ring), DETAIL_OK);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		const uint8_t *got;
		size_t len;
		at_case("%zu", lengths[i]);
		assert_detail(ring_append(&ring, content, lengths[i], block, &fault), DETAIL_OK);
		assert_detail(open_ring(&ring), DETAIL_OK);
		check(ring_read(&ring, 0, block, &got, &len));
		check(len == lengths[i] && !memcmp(got, content, len));
	}
	assert_int_equal(ring.serial, COUNT(lengths));
}

/* A torn or flipped newest record leaves the one before it. */
static void damaged_newest_leaves_the_one_before(void **s)
{
	(void)s;
	for (size_t at = 0; at < 64 + 7; at++) {
		new_disk(512, 64 * 4096);
		put_record(RING_FIRST + 0, RING_ID, 5, "old one", 7);
		put_record(RING_FIRST + 1, RING_ID, 6, "new one", 7);
		at_block(RING_FIRST + 1)[at] ^= 0x01;
		at_case("byte %zu", at);
		is_newest("old one", 5);
	}
	/* The only record there is, damaged: none. */
	new_disk(512, 64 * 4096);
	put_record(RING_FIRST, RING_ID, 1, "one", 3);
	at_block(RING_FIRST)[64] ^= 1;
	is_newest(NULL, 0);
	new_disk(512, 64 * 4096);
	put_record(RING_FIRST + 0, RING_ID, 5, "old one", 7);
	/* Behind the content nothing is looked at. */
	at_block(RING_FIRST)[64 + 7] ^= 1;
	at_block(RING_FIRST)[4095] ^= 1;
	is_newest("old one", 5);
	noise_fill(at_block(RING_FIRST) + 64 + 7, 4096 - 64 - 7, 8);
	is_newest("old one", 5);
}

static void records_that_are_none(void **s)
{
	(void)s;
	static const char old[] = "old";
	for (int kind = 0; kind < 9; kind++) {
		new_disk(512, 64 * 4096);
		put_record(RING_FIRST, RING_ID, 1, old, 3);
		uint8_t *b = at_block(RING_FIRST + 1);
		put_record(RING_FIRST + 1, RING_ID, 2, "new", 3);
		switch (kind) {
		case 0: /* a higher serial, a wrong hash */
			store_be64(b + 8, UINT64_C(1) << 40 | 2);
			break;
		case 1: /* another ring's record, with a right hash */
			put_record(RING_FIRST + 1, RING_ID + 1, 2, "new", 3);
			break;
		case 2: /* at another place than its serial says */
			put_record(RING_FIRST + 1, RING_ID, 3, "new", 3);
			break;
		case 3: /* a length over the block */
			store_be32(b + 16, 4033);
			break;
		case 4:
			store_be32(b + 16, UINT32_MAX);
			break;
		case 5: /* reserved bytes, hashed */
			b[20] = 1;
			seal_record(RING_FIRST + 1);
			break;
		case 6:
			b[31] = 1;
			seal_record(RING_FIRST + 1);
			break;
		case 7: /* another magic, hashed */
			b[3] = '2';
			seal_record(RING_FIRST + 1);
			break;
		case 8: /* serial 0 is none */
			put_record(RING_FIRST + 3, RING_ID, 0, "new", 3);
			memset(b, 0, 4096);
			break;
		}
		at_case("kind %d", kind);
		is_newest(old, 1);
	}
}

/* An old device's rings hold old records behind the newest; the highest serial that holds counts.
 */
static void gaps_are_survived(void **s)
{
	(void)s;
	struct ring ring;
	new_disk(512, 64 * 4096);
	put_record(RING_FIRST + 2, RING_ID, 7, "seven", 5);
	put_record(RING_FIRST + 0, RING_ID, 9, "nine", 4);
	is_newest("nine", 9);
	assert_detail(open_ring(&ring), DETAIL_OK);
	assert_detail(ring_append(&ring, "ten", 3, block, &fault), DETAIL_OK);
	is_newest("ten", 10);
	const uint8_t *content;
	size_t len;
	assert_true(ring_read(&ring, 1, block, &content, &len));
	assert_false(ring_read(&ring, 2, block, &content, &len)); /* 8 is missing */
	assert_true(ring_read(&ring, 3, block, &content, &len));
	assert_memory_equal(content, "seven", 5);
	assert_false(ring_read(&ring, UINT64_MAX, block, &content, &len));
	assert_false(ring_read(&ring, 10, block, &content, &len));
}

static void ring_errors_are_told(void **s)
{
	(void)s;
	struct ring ring;
	const uint8_t *content;
	size_t len;
	new_disk(512, 64 * 4096);
	/* What cannot be read may be the only record. */
	for (uint64_t b = 0; b < RING_BLOCKS; b++) {
		disk->bad_off = 8192 + (RING_FIRST + b) * 4096 + 77;
		assert_detail(open_ring(&ring), DETAIL_DEVICE_READ);
		check(fault.sys_errno == 5);
	}
	disk->bad_off = UINT64_MAX;
	put_record(RING_FIRST, RING_ID, 1, "one", 3);
	put_record(RING_FIRST + 1, RING_ID, 2, "two", 3);
	/* One of several is as one that has rotted. Two are too many. */
	for (uint64_t b = 0; b < RING_BLOCKS; b++) {
		disk->bad_off = 8192 + (RING_FIRST + b) * 4096 + 77;
		at_case("block %llu", (unsigned long long)b);
		assert_detail(open_ring(&ring), DETAIL_OK);
		check(ring.serial == (b == 1 ? 1 : 2));
		disk->fail_read = b ? 0 : RING_BLOCKS;
		disk->fail_more = 1;
		assert_detail(open_ring(&ring), DETAIL_DEVICE_READ);
	}
	disk->bad_off = UINT64_MAX;
	assert_detail(open_ring(&ring), DETAIL_OK);
	/* Once: the next block takes it. */
	disk->fail_write = 0;
	assert_detail(ring_append(&ring, "three", 5, block, &fault), DETAIL_OK);
	check(ring_read(&ring, 0, block, &content, &len) && len == 5 && ring.serial == 4);
	is_newest("three", 4);
	/* For longer. */
	disk->fail_write = 0;
	disk->fail_more = 1;
	assert_detail(ring_append(&ring, "four", 4, block, &fault), DETAIL_DEVICE_WRITE);
	check(fault.sys_errno == 5);
	disk->fail_flush = 0;
	disk->fail_more = 1;
	assert_detail(ring_append(&ring, "four", 4, block, &fault), DETAIL_DEVICE_FLUSH);
	check(fault.sys_errno == 5);
	/* What failed may have arrived: what is stored later is the newest all the same. */
	assert_detail(ring_append(&ring, "five", 4, block, &fault), DETAIL_OK);
	is_newest("five", ring.serial);
}

/* A block that takes nothing any more: it is passed over at each turn, and the newest is kept. */
static void one_dead_block(void **s)
{
	(void)s;
	for (uint64_t dead = 0; dead < RING_BLOCKS; dead++) {
		struct ring ring;
		char text[16] = "";
		new_disk(512, 64 * 4096);
		assert_detail(open_ring(&ring), DETAIL_OK);
		for (int n = 0; n < 4 * RING_BLOCKS; n++) {
			at_case("block %llu, record %d", (unsigned long long)dead, n);
			disk->bad_write_off = n < RING_BLOCKS
						      ? UINT64_MAX
						      : 8192 + (RING_FIRST + dead) * 4096 + 512;
			snprintf(text, sizeof(text), "%d", n);
			assert_detail(ring_append(&ring, text, strlen(text), block, &fault),
				      DETAIL_OK);
			disk->bad_write_off = UINT64_MAX;
			is_newest(text, ring.serial);
		}
	}
}

/* A block that says nothing and keeps something else. */
static void records_are_read_back(void **s)
{
	(void)s;
	for (uint64_t sector = 0; sector < 2; sector++) {
		struct ring ring;
		uint8_t content[1000];
		new_disk(512, 64 * 4096);
		assert_detail(open_ring(&ring), DETAIL_OK);
		noise_fill(content, sizeof(content), 3);
		disk->lose_off = 8192 + RING_FIRST * 4096 + sector * 512;
		assert_detail(ring_append(&ring, content, sizeof(content), block, &fault),
			      DETAIL_OK);
		check(ring.serial == 2);
		if (sector) /* nothing of a short record is in it */
			continue;
		/* The old record stands there still, with the right serial and a sound checksum. */
		new_disk(512, 64 * 4096);
		put_record(RING_FIRST, RING_ID, 1, "old", 3);
		assert_detail(open_ring(&ring), DETAIL_OK);
		ring.serial = ring.tried = 0;
		disk->lose_off = 8192 + RING_FIRST * 4096 + sector * 512;
		assert_detail(ring_append(&ring, "new", 3, block, &fault), DETAIL_OK);
		check(ring.serial == 2);
	}
}

/* I3, I4: a cut during an append leaves the record before it, or the new one. */
static void cut_during_append(void **s)
{
	(void)s;
	size_t old_ones = 0, new_ones = 0;
	for (uint64_t before = 1; before <= 9; before++)
		for (long die = 0; die < 2; die++)
			for (uint64_t seed = 0; seed < 12; seed++) {
				struct ring ring;
				char old[32];
				const uint8_t *content;
				size_t len;
				new_disk(512, 64 * 4096);
				assert_detail(open_ring(&ring), DETAIL_OK);
				for (uint64_t n = 1; n <= before; n++) {
					snprintf(old, sizeof(old), "%llu", (unsigned long long)n);
					assert_detail(
						ring_append(&ring, old, strlen(old), block, &fault),
						DETAIL_OK);
				}
				uint8_t fresh[3000];
				noise_fill(fresh, sizeof(fresh), seed);
				disk->die = die;
				check(ring_append(&ring, fresh, sizeof(fresh), block, &fault) !=
				      DETAIL_OK);
				memdisk_power_cut(disk, seed);
				at_case("after %s, seed %llu", old, (unsigned long long)seed);
				assert_detail(open_ring(&ring), DETAIL_OK);
				check(ring_read(&ring, 0, block, &content, &len));
				if (ring.serial == before) {
					check(len == strlen(old) && !memcmp(content, old, len));
					old_ones++;
				} else {
					check(ring.serial == before + 1 && len == sizeof(fresh));
					check(!memcmp(content, fresh, len));
					new_ones++;
				}
				arena_free();
			}
	assert_true(old_ones && new_ones);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(blank_is_empty),		TEST(append_and_read_over_the_wrap),
		TEST(contents_of_every_length), TEST(damaged_newest_leaves_the_one_before),
		TEST(records_that_are_none),	TEST(gaps_are_survived),
		TEST(ring_errors_are_told),	TEST(one_dead_block),
		TEST(records_are_read_back),	TEST(cut_during_append),
	};
	return RUN_ALL(tests);
}
