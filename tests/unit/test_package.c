/* Package header and signature block, FORMAT.md 1.1 to 1.3. */
#include "support.h"

#include "package.h"

static void good_header(uint8_t raw[64])
{
	memset(raw, 0, 64);
	memcpy(raw, "\x4c\x42\x4f\x41\x54\x0d\x0a\x1a", 8);
	store_be32(raw + 8, 1);
	store_be64(raw + 16, 4711);
	store_be64(raw + 24, 123456789012);
}

static void header_round_trip(void **state)
{
	(void)state;
	uint8_t raw[64], again[64];
	struct package_header header;
	good_header(raw);
	assert_memory_equal(package_magic, raw, 8);
	assert_detail(package_header_load(raw, &header), DETAIL_OK);
	assert_int_equal(header.manifest_len, 4711);
	assert_true(header.payload_len == 123456789012);
	memset(again, 0xff, sizeof(again));
	package_header_store(&header, again);
	assert_memory_equal(raw, again, 64);
}

/* Every bit of every byte; the field that was hit decides the code. */
static void header_every_bit_flipped(void **state)
{
	(void)state;
	for (int i = 0; i < 64; i++)
		for (int bit = 0; bit < 8; bit++) {
			uint8_t raw[64];
			struct package_header header;
			enum detail want;
			good_header(raw);
			raw[i] ^= (uint8_t)(1 << bit);
			at_case("byte %d bit %d", i, bit);
			if (i >= 16 && i < 32) { /* lengths: any value in bounds is a good header */
				uint64_t manifest = load_be64(raw + 16),
					 payload = load_be64(raw + 24);
				want = manifest < 48 || manifest > 1048576 ? DETAIL_MANIFEST_LENGTH
				       : payload > INT64_MAX		   ? DETAIL_SIZE_MISMATCH
									   : DETAIL_OK;
				/* Near 2^63 the sum with the head decides: see
				 * header_payload_length. */
				if (i == 24 && bit == 6)
					continue;
			} else {
				want = i < 8	? DETAIL_NOT_A_PACKAGE
				       : i < 12 ? DETAIL_FORMAT_VERSION
						: DETAIL_HEADER_FLAGS;
			}
			assert_detail(package_header_load(raw, &header), want);
		}
}

static void header_manifest_length(void **state)
{
	(void)state;
	static const struct {
		uint64_t len;
		enum detail want;
	} cases[] = {
		{0, DETAIL_MANIFEST_LENGTH},
		{1, DETAIL_MANIFEST_LENGTH},
		{47, DETAIL_MANIFEST_LENGTH},
		{48, DETAIL_OK},
		{49, DETAIL_OK},
		{1048575, DETAIL_OK},
		{1048576, DETAIL_OK},
		{1048577, DETAIL_MANIFEST_LENGTH},
		{(UINT64_C(1) << 31) - 1, DETAIL_MANIFEST_LENGTH},
		{UINT64_C(1) << 31, DETAIL_MANIFEST_LENGTH},
		{(UINT64_C(1) << 31) + 48, DETAIL_MANIFEST_LENGTH},
		{(UINT64_C(1) << 32) - 1, DETAIL_MANIFEST_LENGTH},
		{UINT64_C(1) << 32, DETAIL_MANIFEST_LENGTH},
		{(UINT64_C(1) << 32) + 48, DETAIL_MANIFEST_LENGTH},
		{(UINT64_C(1) << 32) + 4711, DETAIL_MANIFEST_LENGTH},
		{(UINT64_C(1) << 63) - 1, DETAIL_MANIFEST_LENGTH},
		{UINT64_C(1) << 63, DETAIL_MANIFEST_LENGTH},
		{(UINT64_C(1) << 63) + 4711, DETAIL_MANIFEST_LENGTH},
		{UINT64_MAX, DETAIL_MANIFEST_LENGTH},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t raw[64];
		struct package_header header;
		good_header(raw);
		store_be64(raw + 16, cases[i].len);
		at_case("%llx", (unsigned long long)cases[i].len);
		assert_detail(package_header_load(raw, &header), cases[i].want);
		if (cases[i].want == DETAIL_OK)
			check(header.manifest_len == cases[i].len);
	}
}

/* A payload length that no file can have: head and payload together must stay below 2^63 (off_t).
 */
static void header_payload_length(void **state)
{
	(void)state;
	static const uint64_t good[] = {0,
					1,
					INT32_MAX,
					UINT64_C(1) << 31,
					UINT32_MAX,
					UINT64_C(1) << 32,
					UINT64_C(1) << 61};
	static const uint64_t bad[] = {INT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1,
				       UINT64_MAX - 64, UINT64_MAX};
	uint8_t raw[64];
	struct package_header header;
	good_header(raw);
	for (size_t i = 0; i < COUNT(good); i++) {
		at_case("%llx", (unsigned long long)good[i]);
		store_be64(raw + 24, good[i]);
		assert_detail(package_header_load(raw, &header), DETAIL_OK);
		check(header.payload_len == good[i]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		at_case("%llx", (unsigned long long)bad[i]);
		store_be64(raw + 24, bad[i]);
		assert_detail(package_header_load(raw, &header), DETAIL_SIZE_MISMATCH);
	}
}

/* --- Signature block --- */

struct block {
	uint8_t raw[2 * PACKAGE_SIGNATURES_MAX];
	size_t len;
};

static struct block *block_new(void)
{
	struct block *b = arena_alloc(sizeof(*b));
	b->len = 16;
	return b;
}

static uint8_t *block_add(struct block *b, uint8_t key, uint32_t algorithm, size_t sig_len)
{
	uint8_t *e = b->raw + b->len;
	memset(e, key, 32);
	store_be32(e + 32, algorithm);
	store_be32(e + 36, 0);
	store_be64(e + 40, sig_len);
	memset(e + 48, 0xab, sig_len);
	memset(e + 48 + sig_len, 0, (8 - sig_len % 8) % 8);
	b->len += 48 + (sig_len + 7) / 8 * 8;
	store_be64(b->raw + 8, load_be64(b->raw + 8) + 1);
	store_be64(b->raw, b->len);
	return e;
}

/* On an allocation of exactly len bytes, so that the sanitizer sees a read past it. */
static enum detail block_load(const struct block *b, size_t len, struct package_signatures *out)
{
	memset(out, 0, sizeof(*out));
	return package_signatures_load(arena_copy(b->raw, len), len, out);
}

static void signatures_length(void **state)
{
	(void)state;
	static const uint64_t good[] = {16, 24, 64, 65528, 65536};
	static const uint64_t bad[] = {0,
				       1,
				       8,
				       15,
				       17,
				       20,
				       23,
				       65535,
				       65537,
				       65544,
				       UINT64_C(1) << 31,
				       (UINT64_C(1) << 31) + 64,
				       UINT64_C(1) << 32,
				       (UINT64_C(1) << 32) + 64,
				       (UINT64_C(1) << 63) + 64,
				       UINT64_C(1) << 63,
				       UINT64_MAX - 7,
				       UINT64_MAX};
	uint8_t raw[8];
	size_t len;
	for (size_t i = 0; i < COUNT(good); i++) {
		store_be64(raw, good[i]);
		at_case("%llx", (unsigned long long)good[i]);
		len = 0;
		assert_detail(package_signatures_len(raw, &len), DETAIL_OK);
		check(len == good[i]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		store_be64(raw, bad[i]);
		at_case("%llx", (unsigned long long)bad[i]);
		assert_detail(package_signatures_len(raw, &len), DETAIL_SIGNATURE_BLOCK);
	}
}

static void signatures_are_read(void **state)
{
	(void)state;
	struct package_signatures s;
	struct block *b = block_new();
	store_be64(b->raw, 16);
	assert_detail(block_load(b, b->len, &s), DETAIL_OK);
	assert_int_equal(s.count, 0);

	block_add(b, 0x11, 1, 71);
	block_add(b, 0x22, 0xffffffff, 1);
	block_add(b, 0x33, 7, 1024);
	assert_detail(package_signatures_load(b->raw, b->len, &s), DETAIL_OK);
	assert_int_equal(s.count, 3);
	assert_ptr_equal(s.at[0].key_id, b->raw + 16);
	assert_int_equal(s.at[0].algorithm, 1);
	assert_ptr_equal(s.at[0].bytes, b->raw + 64);
	assert_int_equal(s.at[0].len, 71);
	assert_ptr_equal(s.at[1].key_id, b->raw + 16 + 48 + 72);
	assert_int_equal(s.at[1].algorithm, 0xffffffff);
	assert_int_equal(s.at[1].len, 1);
	assert_int_equal(s.at[2].len, 1024);
}

static void signatures_sixteen_and_no_more(void **state)
{
	(void)state;
	struct package_signatures s;
	struct block *b = block_new();
	for (int i = 0; i < 16; i++)
		block_add(b, (uint8_t)(i + 1), 1, 70);
	assert_detail(block_load(b, b->len, &s), DETAIL_OK);
	assert_int_equal(s.count, 16);
	block_add(b, 17, 1, 70);
	assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
}

static void signatures_count_is_wrong(void **state)
{
	(void)state;
	static const uint64_t counts[] = {0,
					  1,
					  3,
					  16,
					  17,
					  UINT64_C(1) << 31,
					  (UINT64_C(1) << 32) + 2,
					  UINT64_C(1) << 63,
					  UINT64_MAX};
	struct package_signatures s;
	struct block *b = block_new();
	block_add(b, 1, 1, 70);
	block_add(b, 2, 1, 70);
	assert_detail(block_load(b, b->len, &s), DETAIL_OK);
	for (size_t i = 0; i < COUNT(counts); i++) {
		at_case("count %llx", (unsigned long long)counts[i]);
		store_be64(b->raw + 8, counts[i]);
		assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
	}
}

static void signatures_length_field_disagrees(void **state)
{
	(void)state;
	struct package_signatures s;
	struct block *b = block_new();
	block_add(b, 1, 1, 70);
	size_t len = b->len;
	/* The bytes at hand are one thing, the field another. */
	for (int64_t d = -24; d <= 24; d += 8) {
		if (!d)
			continue;
		at_case("field %+d", (int)d);
		store_be64(b->raw, (uint64_t)((int64_t)len + d));
		assert_detail(block_load(b, len, &s), DETAIL_SIGNATURE_BLOCK);
	}
	/* Field and bytes agree, the entries do not fill the block. */
	for (size_t extra = 8; extra <= 64; extra += 8) {
		at_case("%zu bytes more", extra);
		memset(b->raw + len, 0, extra);
		store_be64(b->raw, len + extra);
		assert_detail(block_load(b, len + extra, &s), DETAIL_SIGNATURE_BLOCK);
	}
	/* ... or reach over it. */
	for (size_t shorter = 16; shorter < len; shorter += 8) {
		at_case("cut to %zu", shorter);
		store_be64(b->raw, shorter);
		assert_detail(block_load(b, shorter, &s), DETAIL_SIGNATURE_BLOCK);
	}
}

static void signature_length_is_wrong(void **state)
{
	(void)state;
	static const uint64_t bad[] = {0,
				       63,
				       73,
				       1025,
				       1 << 16,
				       INT32_MAX,
				       UINT64_C(1) << 31,
				       (UINT64_C(1) << 32) + 70,
				       INT64_MAX,
				       UINT64_C(1) << 63,
				       UINT64_MAX - 7,
				       UINT64_MAX - 6,
				       UINT64_MAX};
	struct package_signatures s;
	struct block *b = block_new();
	uint8_t *e = block_add(b, 1, 1, 70);
	for (size_t i = 0; i < COUNT(bad); i++) {
		at_case("length %llx", (unsigned long long)bad[i]);
		store_be64(e + 40, bad[i]);
		assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
	}
	/* 1025 bytes where the block has the room. */
	b = block_new();
	block_add(b, 1, 1, 1025);
	assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
	/* An empty signature whose entry fills the block: an empty value is a failure. */
	b = block_new();
	block_add(b, 1, 1, 0);
	assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
}

static void signature_reserved_and_padding(void **state)
{
	(void)state;
	struct package_signatures s;
	struct block *b = block_new();
	uint8_t *e = block_add(b, 1, 1, 70);
	block_add(b, 2, 1, 72);
	for (int i = 36; i < 40; i++)
		for (int bit = 0; bit < 8; bit++) {
			at_case("reserved byte %d bit %d", i, bit);
			e[i] = (uint8_t)(1 << bit);
			assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
			e[i] = 0;
		}
	for (int i = 48 + 70; i < 48 + 72; i++) {
		at_case("padding byte %d", i);
		e[i] = 1;
		assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
		e[i] = 0;
	}
	assert_detail(block_load(b, b->len, &s), DETAIL_OK);
}

static void signature_of_a_key_twice(void **state)
{
	(void)state;
	struct package_signatures s;
	struct block *b = block_new();
	block_add(b, 1, 1, 70);
	block_add(b, 2, 1, 70);
	uint8_t *last = block_add(b, 1, 2, 64);
	assert_detail(block_load(b, b->len, &s), DETAIL_SIGNATURE_BLOCK);
	last[31] ^= 1;
	assert_detail(block_load(b, b->len, &s), DETAIL_OK);
}

/* The id signs exactly: domain with its zero byte, header, manifest. */
static void id_is_domain_header_manifest(void **state)
{
	(void)state;
	uint8_t raw[19 + 64 + 100], want[32], got[32], other[32];
	memcpy(raw, "lifeboat package 1", 19);
	noise_fill(raw + 19, 164, 1);
	hash_of(raw, sizeof(raw), want);
	package_id(raw + 19, 164, got);
	assert_memory_equal(got, want, 32);
	package_id(raw + 19, 163, other);
	assert_memory_not_equal(other, want, 32);
	for (size_t i = 19; i < sizeof(raw); i++) {
		raw[i] ^= 0x80;
		package_id(raw + 19, 164, other);
		check(memcmp(other, want, 32));
		raw[i] ^= 0x80;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(header_round_trip),
		TEST(header_every_bit_flipped),
		TEST(header_manifest_length),
		TEST(header_payload_length),
		TEST(signatures_length),
		TEST(signatures_are_read),
		TEST(signatures_sixteen_and_no_more),
		TEST(signatures_count_is_wrong),
		TEST(signatures_length_field_disagrees),
		TEST(signature_length_is_wrong),
		TEST(signature_reserved_and_padding),
		TEST(signature_of_a_key_twice),
		TEST(id_is_domain_header_manifest),
	};
	return RUN_ALL(tests);
}
