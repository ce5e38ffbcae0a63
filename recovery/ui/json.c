#include "ui/json.h"

#include <string.h>

#include "core/text.h"

static void raw(struct json *json, const char *s)
{
	out_raw(json->out, s, strlen(s));
}

static void escaped(struct json *json, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char code[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], 0};

	switch (c) {
	case '"':
		raw(json, "\\\"");
		break;
	case '\\':
		raw(json, "\\\\");
		break;
	case '\n':
		raw(json, "\\n");
		break;
	case '\t':
		raw(json, "\\t");
		break;
	default:
		raw(json, code);
	}
}

static void quoted(struct json *json, const char *s)
{
	raw(json, "\"");
	while (*s) {
		unsigned char c = (unsigned char)*s;
		size_t len = utf8_len(s);

		if (!len)
			raw(json, "\xef\xbf\xbd");
		else if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			escaped(json, c);
		else
			out_raw(json->out, s, len);
		s += len ? len : 1;
	}
	raw(json, "\"");
}

/* What stands before a value: comma, new line, indent, key. */
static void member(struct json *json, const char *key)
{
	uint32_t level = UINT32_C(1) << json->depth;

	if (json->started & level)
		raw(json, ",");
	json->started |= level;
	if (json->depth)
		raw(json, "\n");
	for (unsigned i = 0; i < json->depth; i++)
		raw(json, "  ");
	if (json->depth && !(json->arrays & level)) {
		quoted(json, key ? key : "");
		raw(json, ": ");
	}
}

static void begin(struct json *json, const char *key, bool array)
{
	uint32_t level;

	member(json, key);
	raw(json, array ? "[" : "{");
	if (json->depth < JSON_DEPTH_MAX)
		json->depth++;
	level = UINT32_C(1) << json->depth;
	json->started &= ~level;
	json->arrays = array ? json->arrays | level : json->arrays & ~level;
}

void json_object(struct json *json, const char *key)
{
	begin(json, key, false);
}

void json_array(struct json *json, const char *key)
{
	begin(json, key, true);
}

void json_end(struct json *json)
{
	uint32_t level = UINT32_C(1) << json->depth;

	if (!json->depth)
		return;
	json->depth--;
	if (json->started & level) {
		raw(json, "\n");
		for (unsigned i = 0; i < json->depth; i++)
			raw(json, "  ");
	}
	raw(json, json->arrays & level ? "]" : "}");
	if (!json->depth)
		raw(json, "\n");
}

void json_string(struct json *json, const char *key, const char *value)
{
	member(json, key);
	if (value)
		quoted(json, value);
	else
		raw(json, "null");
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	char buffer[24];
	struct text t = TEXT_IN(buffer);

	text_u64(&t, value);
	member(json, key);
	raw(json, buffer);
}

void json_bool(struct json *json, const char *key, bool value)
{
	member(json, key);
	raw(json, value ? "true" : "false");
}

void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t len)
{
	member(json, key);
	raw(json, "\"");
	for (size_t i = 0; i < len; i++) {
		char buffer[4];
		struct text t = TEXT_IN(buffer);
		text_hex(&t, &bytes[i], 1);
		raw(json, buffer);
	}
	raw(json, "\"");
}

void json_null(struct json *json, const char *key)
{
	json_string(json, key, NULL);
}
