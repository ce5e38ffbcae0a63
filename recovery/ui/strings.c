#include "ui/strings.h"

#include <string.h>

/* One after the other, each ended by a zero byte: pointers would take a quarter as much again. */
#define STRING_TEXT(name, text) text "\0"
static const char strings[] = STRING_TABLE(STRING_TEXT);
#undef STRING_TEXT

const char *string(enum string id)
{
	const char *s = strings;

	for (unsigned i = 0; i < (unsigned)id && i < STRING_COUNT; i++)
		s += strlen(s) + 1;
	return s;
}

void say(struct text *t, enum string id)
{
	text_add(t, string(id));
}

void say_with(struct text *t, enum string id, const char *a, const char *b, const char *c,
	      const char *d)
{
	const char *const given[4] = {a, b, c, d};

	for (const char *s = string(id); *s; s++) {
		if (*s == '%' && s[1] >= '1' && s[1] <= '4') {
			s++;
			text_add(t, given[*s - '1'] ? given[*s - '1'] : "");
		} else {
			text_char(t, *s);
		}
	}
}
