#include "ui/strings.h"

#define STRING_TEXT(name, text) [STRING_##name] = text,
static const char *const strings[STRING_COUNT] = {STRING_TABLE(STRING_TEXT)};
#undef STRING_TEXT

const char *string(enum string id)
{
	return id < STRING_COUNT ? strings[id] : "";
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
