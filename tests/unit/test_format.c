/* format_text against the C library's snprintf. */
#include "support.h"

#include <limits.h>

#include "platform/format.h"

#define SAME(size, ...)                                                                            \
	do {                                                                                       \
		char ours[64], theirs[64];                                                         \
		memset(ours, 'z', sizeof(ours));                                                   \
		memset(theirs, 'z', sizeof(theirs));                                               \
		int theirs_len = snprintf(theirs, size, __VA_ARGS__);                              \
		assert_int_equal(format_text(ours, size, __VA_ARGS__), theirs_len);                \
		assert_memory_equal(ours, theirs, sizeof(ours));                                   \
	} while (0)

#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-zero-length"

static void it_is_like_snprintf(void **state)
{
	(void)state;
	for (size_t size = 1; size < 40; size++) {
		SAME(size, "");
		SAME(size, "plain %% text");
		SAME(size, "%s", "");
		SAME(size, "a %s b %.3s c %.9s", "word", "longer", "short");
		SAME(size, "%d %d %d", 0, INT_MAX, INT_MIN);
		SAME(size, "%u %zu %llu", UINT_MAX, SIZE_MAX, ULLONG_MAX);
		SAME(size, "%02u:%02u %04u %x %02x", 1u, 12u, 345u, 0xbeefu, 7u);
	}
}

static void a_precision_bounds_what_is_read(void **state)
{
	char *word = arena_copy("abc", 3); /* without an end */
	char buf[16];

	(void)state;
	assert_int_equal(format_text(buf, sizeof(buf), "<%.3s>", word), 5);
	assert_string_equal(buf, "<abc>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_like_snprintf),
		TEST(a_precision_bounds_what_is_read),
	};

	return RUN_ALL(tests);
}
