/* Numbers on a medium, ranges at the edges where other updaters fell over, and small texts. */
#include "support.h"

#include "text.h"

static const uint64_t edges[] = {
	0,
	1,
	2,
	0x7f,
	0x80,
	0xff,
	0x100,
	0x7fff,
	0x8000,
	0xffff,
	0x10000,
	(UINT64_C(1) << 31) - 1,
	UINT64_C(1) << 31,
	(UINT64_C(1) << 31) + 1,
	(UINT64_C(1) << 32) - 1,
	UINT64_C(1) << 32,
	(UINT64_C(1) << 32) + 1,
	(UINT64_C(1) << 63) - 1,
	UINT64_C(1) << 63,
	(UINT64_C(1) << 63) + 1,
	UINT64_MAX - 1,
	UINT64_MAX,
};

static void loads_take_bytes_in_order(void **state)
{
	(void)state;
	const uint8_t p[8] = {0xf1, 0xe2, 0xd3, 0xc4, 0xb5, 0xa6, 0x97, 0x88};
	assert_int_equal(load_be32(p), 0xf1e2d3c4u);
	assert_true(load_be64(p) == UINT64_C(0xf1e2d3c4b5a69788));
	assert_int_equal(load_le16(p), 0xe2f1);
	assert_int_equal(load_le32(p), 0xc4d3e2f1u);
	assert_true(load_le64(p) == UINT64_C(0x8897a6b5c4d3e2f1));
}

static void stores_are_the_inverse_of_loads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(edges); i++) {
		uint8_t p[10] = {0xee, 0, 0, 0, 0, 0, 0, 0, 0, 0xee};
		at_case("%llx", (unsigned long long)edges[i]);
		store_be64(p + 1, edges[i]);
		check(load_be64(p + 1) == edges[i]);
		for (int b = 0; b < 8; b++)
			check(p[1 + b] == (uint8_t)(edges[i] >> (56 - 8 * b)));
		store_be32(p + 1, (uint32_t)edges[i]);
		check(load_be32(p + 1) == (uint32_t)edges[i]);
		store_le32(p + 1, (uint32_t)edges[i]);
		check(load_le32(p + 1) == (uint32_t)edges[i]);
		check(p[1] == (uint8_t)edges[i] && p[4] == (uint8_t)(edges[i] >> 24));
		check(p[0] == 0xee && p[9] == 0xee);
	}
}

/* Against arithmetic in 128 bits, which cannot overflow here. */
static void range_within_cannot_overflow(void **state)
{
	(void)state;
	for (size_t a = 0; a < COUNT(edges); a++)
		for (size_t b = 0; b < COUNT(edges); b++)
			for (size_t c = 0; c < COUNT(edges); c++) {
				at_case("%zu %zu %zu", a, b, c);
				bool want = (unsigned __int128)edges[a] + edges[b] <= edges[c];
				check(range_within(edges[a], edges[b], edges[c]) == want);
			}
}

static void range_overlaps_where_a_byte_is_shared(void **state)
{
	(void)state;
	for (uint64_t a = 0; a < 6; a++)
		for (uint64_t al = 0; al < 4; al++)
			for (uint64_t b = 0; b < 6; b++)
				for (uint64_t bl = 0; bl < 4; bl++) {
					bool shared = false;
					for (uint64_t i = a; i < a + al; i++)
						shared |= i >= b && i < b + bl;
					check(range_overlaps(a, al, b, bl) == shared);
				}
	assert_true(
		range_overlaps(UINT64_C(1) << 62, UINT64_C(1) << 62, (UINT64_C(1) << 63) - 1, 1));
	assert_false(range_overlaps(UINT64_C(1) << 62, UINT64_C(1) << 62, UINT64_C(1) << 63, 1));
	assert_false(range_overlaps(0, UINT64_C(1) << 32, UINT64_C(1) << 32, 1));
}

static void zero_means_every_byte(void **state)
{
	(void)state;
	uint8_t p[33] = {0};
	assert_true(bytes_are_zero(p, sizeof(p)));
	assert_true(bytes_are_zero(p, 0));
	for (size_t i = 0; i < sizeof(p); i++)
		for (int bit = 0; bit < 8; bit++) {
			p[i] = (uint8_t)(1 << bit);
			check(!bytes_are_zero(p, sizeof(p)));
			p[i] = 0;
		}
	p[32] = 1;
	assert_true(bytes_are_zero(p, 32));
}

static void text_of(uint64_t v, const char *want)
{
	char buffer[40];
	struct text t = TEXT_IN(buffer);
	memset(buffer, 'x', sizeof(buffer));
	text_clear(&t);
	text_u64(&t, v);
	assert_string_equal(buffer, want);
	assert_int_equal(t.len, strlen(want));
}

static void text_writes_numbers(void **state)
{
	(void)state;
	text_of(0, "0");
	text_of(9, "9");
	text_of(10, "10");
	text_of((UINT64_C(1) << 31) - 1, "2147483647");
	text_of(UINT64_C(1) << 31, "2147483648");
	text_of(UINT64_C(1) << 32, "4294967296");
	text_of((UINT64_C(1) << 63) - 1, "9223372036854775807");
	text_of(UINT64_C(1) << 63, "9223372036854775808");
	text_of(UINT64_MAX, "18446744073709551615");
}

static void text_is_cut_and_always_ended(void **state)
{
	(void)state;
	for (size_t size = 1; size < 40; size++) {
		char *buffer = arena_alloc(size); /* the sanitizer watches its end */
		struct text t = {.at = buffer, .size = size, .len = 0};
		char want[64] = "";
		at_case("buffer of %zu", size);
		text_clear(&t);
		check(buffer[0] == 0 && t.len == 0);
		text_add(&t, "abc");
		text_char(&t, ':');
		text_u64(&t, UINT64_MAX);
		text_hex(&t, (const uint8_t *)"\x00\xff\x1a", 3);
		text_add(&t, "");
		text_add(&t, "tail");
		strcpy(want, "abc:1844674407370955161500ff1atail");
		if (strlen(want) >= size)
			want[size - 1] = 0;
		check(!strcmp(buffer, want));
		check(t.len == strlen(buffer));
		text_clear(&t);
		check(buffer[0] == 0 && t.len == 0);
		if (size > 1) {
			text_char(&t, 'z');
			check(!strcmp(buffer, "z") && t.len == 1);
		}
	}
}

static void text_writes_hex(void **state)
{
	(void)state;
	char buffer[80];
	struct text t = TEXT_IN(buffer);
	uint8_t p[4] = {0x01, 0xab, 0xcd, 0xef};
	text_clear(&t);
	text_hex(&t, p, 4);
	assert_string_equal(buffer, "01abcdef");
	text_clear(&t);
	text_hex(&t, p, 0);
	assert_string_equal(buffer, "");
}

static void size_of(uint64_t v, const char *want)
{
	char buffer[40];
	struct text t = TEXT_IN(buffer);
	text_clear(&t);
	text_size(&t, v);
	assert_string_equal(buffer, want);
}

static void text_writes_sizes_for_people(void **state)
{
	(void)state;
	size_of(17, "17 bytes");
	size_of(640 << 10, "640 KiB");
	size_of((3 << 20) / 2, "1.5 MiB");
	size_of(0, "0 bytes");
}

/* Whatever the size: a number, a unit, and no overflow on the way (the sanitizer watches). */
static void text_sizes_hold_at_the_edges(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(edges); i++) {
		char buffer[40];
		struct text t = TEXT_IN(buffer);
		double shown;
		char unit[8];
		static const char *const units[] = {"bytes", "KiB", "MiB", "GiB",
						    "TiB",   "PiB", "EiB"};
		text_clear(&t);
		text_size(&t, edges[i]);
		at_case("%llu shown as \"%s\"", (unsigned long long)edges[i], buffer);
		if (edges[i] == 1)
			continue; /* "1 byte" would be as right */
		check(sscanf(buffer, "%lf %7s", &shown, unit) == 2);
		size_t u = 0;
		while (u < COUNT(units) && strcmp(units[u], unit))
			u++;
		check(u < COUNT(units));
		while (u--)
			shown *= 1024;
		/* What is shown has two digits at least, so it is right to a tenth. */
		check(shown <= (double)edges[i] * 1.1 && shown >= (double)edges[i] * 0.9);
	}
}

static void text_copy_cuts_ends_and_pads(void **state)
{
	(void)state;
	char to[8];
	memset(to, 'x', sizeof(to));
	text_copy(to, sizeof(to), "ab");
	assert_memory_equal(to, "ab\0\0\0\0\0\0", 8);
	memset(to, 'x', sizeof(to));
	text_copy(to, sizeof(to), "abcdefg");
	assert_memory_equal(to, "abcdefg", 8);
	memset(to, 'x', sizeof(to));
	text_copy(to, sizeof(to), "abcdefgh");
	assert_memory_equal(to, "abcdefg", 8);
	memset(to, 'x', sizeof(to));
	text_copy(to, sizeof(to), "");
	assert_memory_equal(to, "\0\0\0\0\0\0\0\0", 8);
	memset(to, 'x', sizeof(to));
	text_copy(to, 1, "abc");
	assert_memory_equal(to, "\0xxxxxxx", 8);
}

static void numbers_are_digits_only(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		" ",
		" 1",
		"1 ",
		"+1",
		"-1",
		"-0",
		"0x10",
		"1a",
		"a",
		"1\n",
		"1.",
		"18446744073709551616",
		"18446744073709551619",
		"18446744073709551620",
		"28446744073709551615",
		"99999999999999999999",
		"184467440737095516150",
		"100000000000000000000000",
		"\xc2\xb2",
		"\xd9\xa1",
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		uint64_t v;
		at_case("\"%s\"", wrong[i]);
		check(text_parse_u64(wrong[i], &v) == -1);
	}
	for (size_t i = 0; i < COUNT(edges); i++) {
		char buffer[32];
		uint64_t v = 12345;
		snprintf(buffer, sizeof(buffer), "%llu", (unsigned long long)edges[i]);
		at_case("\"%s\"", buffer);
		check(text_parse_u64(buffer, &v) == 0 && v == edges[i]);
	}
	uint64_t v;
	assert_int_equal(text_parse_u64("007", &v), 0);
	assert_int_equal(v, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loads_take_bytes_in_order),    TEST(stores_are_the_inverse_of_loads),
		TEST(range_within_cannot_overflow), TEST(range_overlaps_where_a_byte_is_shared),
		TEST(zero_means_every_byte),	    TEST(text_writes_numbers),
		TEST(text_is_cut_and_always_ended), TEST(text_writes_hex),
		TEST(text_writes_sizes_for_people), TEST(text_sizes_hold_at_the_edges),
		TEST(text_copy_cuts_ends_and_pads), TEST(numbers_are_digits_only),
	};
	return RUN_ALL(tests);
}
