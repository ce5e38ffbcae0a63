/* Writes JSON (RFC 8259), one member to a line. key: NULL within arrays and for the outermost
 * value. */
#ifndef LIFEBOAT_HOST_JSON_H
#define LIFEBOAT_HOST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	unsigned depth;
	bool follows; /* something stands before in this object or array */
};

void json_begin(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_end(struct json *json, char bracket);			   /* '}' or ']' */
/* UTF-8; NULL: null. */
void json_text(struct json *json, const char *key, const char *text);
void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t len);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif
