/* JSON: what stands in a string stays in the string. */
#include "support.h"

#include "ui/json.h"

struct buffer {
	struct out out; /* first */
	char bytes[4096];
	size_t len;
};

static void put(struct out *out, const char *bytes, size_t len)
{
	struct buffer *b = (struct buffer *)out;

	check(len < sizeof(b->bytes) - b->len);
	memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
	b->bytes[b->len] = 0;
}

static struct buffer *new_buffer(void)
{
	struct buffer *b = arena_alloc(sizeof(*b));

	b->out.put = put;
	return b;
}

static const char *text_of(struct buffer *b)
{
	out_flush(&b->out);
	return b->bytes;
}

/* A string alone, as it is written. */
static const char *quoted(const char *s)
{
	struct buffer *b = new_buffer();
	struct json json = JSON_TO(&b->out);

	json_string(&json, NULL, s);
	return text_of(b);
}

static void strings_are_escaped(void **state)
{
	(void)state;
	assert_string_equal(quoted(""), "\"\"");
	assert_string_equal(quoted("plain 1.0"), "\"plain 1.0\"");
	assert_string_equal(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
	assert_string_equal(quoted("\n\t\r\x01\x1b[2J\x7f"),
			    "\"\\n\\t\\u000d\\u0001\\u001b[2J\\u007f\"");
	assert_string_equal(quoted("</script>"), "\"</script>\"");
	assert_string_equal(quoted(NULL), "null");
}

static void every_control_character_is_escaped(void **state)
{
	(void)state;
	for (int c = 1; c < 0x20; c++) {
		char s[2] = {(char)c, 0};
		at_case("character %d", c);
		for (const char *q = quoted(s); *q; q++)
			check((unsigned char)*q >= 0x20);
	}
}

static void sound_utf8_stays_and_the_rest_is_replaced(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
		{"\xe2\x82\xac", "\"\xe2\x82\xac\""},
		{"\xf0\x9f\x9b\x9f", "\"\xf0\x9f\x9b\x9f\""},
		{"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""},
		{"a\x80z", "\"a\xef\xbf\xbdz\""},	      /* lone continuation */
		{"a\xc3", "\"a\xef\xbf\xbd\""},		      /* cut short */
		{"\xc3\"", "\"\xef\xbf\xbd\\\"\""},	      /* must not eat the quote */
		{"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* overlong '/' */
		{"\xe0\x80\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* the same */
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
		{"\xf4\x90\x80\x80",
		 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* too high */
		{"\xff", "\"\xef\xbf\xbd\""},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		at_case("case %zu", i);
		assert_string_equal(quoted(cases[i].in), cases[i].out);
	}
}

static void objects_and_arrays_nest(void **state)
{
	(void)state;
	struct buffer *b = new_buffer();
	struct json json = JSON_TO(&b->out);
	static const uint8_t id[] = {0x00, 0xab, 0xff};

	json_object(&json, NULL);
	json_string(&json, "product", "x");
	json_u64(&json, "release", UINT64_MAX);
	json_array(&json, "slots");
	json_object(&json, NULL);
	json_bool(&json, "good", true);
	json_null(&json, "version");
	json_end(&json);
	json_object(&json, NULL);
	json_end(&json);
	json_u64(&json, NULL, 0);
	json_end(&json);
	json_array(&json, "none");
	json_end(&json);
	json_hex(&json, "id", id, sizeof(id));
	json_end(&json);
	assert_string_equal(text_of(b), "{\n"
					"  \"product\": \"x\",\n"
					"  \"release\": 18446744073709551615,\n"
					"  \"slots\": [\n"
					"    {\n"
					"      \"good\": true,\n"
					"      \"version\": null\n"
					"    },\n"
					"    {},\n"
					"    0\n"
					"  ],\n"
					"  \"none\": [],\n"
					"  \"id\": \"00abff\"\n"
					"}\n");
}

static void more_ends_than_beginnings_are_harmless(void **state)
{
	(void)state;
	struct buffer *b = new_buffer();
	struct json json = JSON_TO(&b->out);

	json_end(&json);
	json_array(&json, NULL);
	json_end(&json);
	json_end(&json);
	assert_string_equal(text_of(b), "[]\n");
}

/* The same bytes on a terminal: nothing that can move the cursor gets through. */
static void text_for_people_has_no_control_characters(void **state)
{
	(void)state;
	struct buffer *ascii = new_buffer(), *utf8 = new_buffer();
	static const char hostile[] = "a\x1b[2J\r\n\xc2\x9b"
				      "31m\x7f\xc3\xbc\xe2\x82\xac\xff.";

	utf8->out.utf8 = true;
	out_add(&ascii->out, hostile);
	out_add(&utf8->out, hostile);
	assert_string_equal(text_of(ascii), "a?[2J???31m????.");
	assert_string_equal(text_of(utf8), "a?[2J???31m?\xc3\xbc\xe2\x82\xac?.");
	assert_int_equal(out_columns(hostile), strlen(text_of(ascii)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(strings_are_escaped),
		TEST(every_control_character_is_escaped),
		TEST(sound_utf8_stays_and_the_rest_is_replaced),
		TEST(objects_and_arrays_nest),
		TEST(more_ends_than_beginnings_are_harmless),
		TEST(text_for_people_has_no_control_characters),
	};

	return RUN_ALL(tests);
}
