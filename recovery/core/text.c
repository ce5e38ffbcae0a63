#include "text.h"

void text_clear(struct text *t)
{
	t->len = 0;
	t->at[0] = 0;
}

void text_char(struct text *t, char c)
{
	if (t->len + 1 < t->size)
		t->at[t->len++] = c;
	t->at[t->len] = 0;
}

void text_add(struct text *t, const char *s)
{
	t->at[t->len] = 0;
	while (*s)
		text_char(t, *s++);
}

void text_u64(struct text *t, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		text_char(t, digits[--n]);
}

void text_hex(struct text *t, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		text_char(t, digits[p[i] >> 4]);
		text_char(t, digits[p[i] & 15]);
	}
}

void text_size(struct text *t, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t unit = 1024;
	size_t i = 0;

	if (bytes < 1024) {
		text_u64(t, bytes);
		text_add(t, bytes == 1 ? " byte" : " bytes");
		return;
	}
	while (i + 1 < sizeof(units) - 1 && bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	text_u64(t, bytes / unit);
	if (bytes / unit < 100 && bytes % unit) {
		text_char(t, '.');
		text_u64(t, bytes % unit * 10 / unit); /* rounded down; unit is at most 2^60 */
	}
	text_char(t, ' ');
	text_char(t, units[i]);
	text_add(t, "iB");
}

void text_copy(char *to, size_t to_size, const char *s)
{
	size_t i = 0;

	for (; i + 1 < to_size && s[i]; i++)
		to[i] = s[i];
	for (; i < to_size; i++)
		to[i] = 0;
}

int text_parse_u64(const char *s, uint64_t *v)
{
	uint64_t n = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		uint64_t digit = (uint64_t)(*s - '0');
		if (n > (UINT64_MAX - digit) / 10)
			return -1;
		n = n * 10 + digit;
	}
	*v = n;
	return 0;
}
