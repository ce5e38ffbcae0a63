/*
 * Writes JSON (RFC 8259) to an out. The caller opens and ends in the right order, at most
 * JSON_DEPTH_MAX deep; key is NULL within an array and at the top. Strings are made sound UTF-8: a
 * byte that is not becomes U+FFFD. Numbers are written with all their digits; readers that keep
 * numbers as doubles lose those above 2^53.
 */
#ifndef LIFEBOAT_JSON_H
#define LIFEBOAT_JSON_H

#include "ui/out.h"

#define JSON_DEPTH_MAX 31

struct json {
	struct out *out;
	unsigned depth;
	uint32_t arrays;  /* bit: this level is an array */
	uint32_t started; /* bit: this level has a member */
};

#define JSON_TO(where)                                                                             \
	(struct json)                                                                              \
	{                                                                                          \
		.out = (where)                                                                     \
	}

void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end(struct json *json); /* of the object or array; an end of line after the outermost */
void json_string(struct json *json, const char *key, const char *value); /* NULL: null */
void json_u64(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t len);
void json_null(struct json *json, const char *key);

#endif
