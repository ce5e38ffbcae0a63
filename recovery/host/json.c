#include "json.h"

#include <inttypes.h>

static void quote(struct json *json, const char *text)
{
	fputc('"', json->to);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			fprintf(json->to, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			fprintf(json->to, "\\u%04x", c);
		else
			fputc(c, json->to);
	}
	fputc('"', json->to);
}

static void new_line(struct json *json)
{
	fputc('\n', json->to);
	for (unsigned i = 0; i < json->depth; i++)
		fputs("  ", json->to);
}

static void start(struct json *json, const char *key)
{
	if (json->follows)
		fputc(',', json->to);
	if (json->depth)
		new_line(json);
	if (key) {
		quote(json, key);
		fputs(": ", json->to);
	}
	json->follows = true;
}

void json_begin(struct json *json, const char *key, char bracket)
{
	start(json, key);
	fputc(bracket, json->to);
	json->depth++;
	json->follows = false;
}

void json_end(struct json *json, char bracket)
{
	json->depth--;
	if (json->follows)
		new_line(json);
	fputc(bracket, json->to);
	json->follows = true;
	if (!json->depth)
		fputc('\n', json->to);
}

void json_text(struct json *json, const char *key, const char *text)
{
	if (!text) {
		json_null(json, key);
		return;
	}
	start(json, key);
	quote(json, text);
}

void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t len)
{
	start(json, key);
	fputc('"', json->to);
	for (size_t i = 0; i < len; i++)
		fprintf(json->to, "%02x", bytes[i]);
	fputc('"', json->to);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	start(json, key);
	fprintf(json->to, "%" PRIu64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	start(json, key);
	fputs(value ? "true" : "false", json->to);
}

void json_null(struct json *json, const char *key)
{
	start(json, key);
	fputs("null", json->to);
}
