/*
 * Small texts in buffers of the caller's: what core needs instead of stdio.
 *
 * A text is always ended by a zero byte; what does not fit is cut off. Appending never fails.
 */
#ifndef LIFEBOAT_TEXT_H
#define LIFEBOAT_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *at;
	size_t size; /* of the buffer, at least 1 */
	size_t len;
};

/* A function, so that an analyser sees the buffer go where it may be written to. */
static inline struct text text_in(char *buffer, size_t size)
{
	return (struct text){.at = buffer, .size = size, .len = 0};
}
#define TEXT_IN(buffer) text_in((buffer), sizeof(buffer))

void text_clear(struct text *t);
void text_char(struct text *t, char c);
void text_add(struct text *t, const char *s);
void text_u64(struct text *t, uint64_t v);
void text_hex(struct text *t, const uint8_t *p, size_t len);

/* A size for people: "17 bytes", "640 KiB", "1.5 MiB". */
void text_size(struct text *t, uint64_t bytes);

/* Copies s, cut to the buffer, ended and padded with zero bytes. */
void text_copy(char *to, size_t to_size, const char *s);

/* Decimal digits only, nothing else. Returns 0, or -1 when s is not a number below 2^64. */
int text_parse_u64(const char *s, uint64_t *v);

#endif
