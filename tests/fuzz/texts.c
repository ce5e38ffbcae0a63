#include "texts.h"

/* Bytes of the character at text; 0: it is none. Table 3-7 of the Unicode standard. */
static size_t character(const uint8_t *s, size_t len)
{
	static const struct {
		uint8_t first, last, second_first, second_last;
		size_t len;
	} rows[] = {
		{0x00, 0x7f, 0, 0, 1},	     {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (rows[i].len > len)
			return 0;
		if (rows[i].len > 1 && (s[1] < rows[i].second_first || s[1] > rows[i].second_last))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

bool text_is_harmless(const char *text, size_t len)
{
	const uint8_t *s = (const uint8_t *)text;

	for (size_t at = 0, n; at < len; at += n) {
		n = character(s + at, len - at);
		if (!n || (n == 1 && s[at] != '\n' && (s[at] < 0x20 || s[at] == 0x7f)) ||
		    (n == 2 && s[at] == 0xc2 && s[at + 1] < 0xa0))
			return false;
	}
	return true;
}

/* --- JSON --- */

struct json_text {
	const char *at, *end;
};

static void blanks(struct json_text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\n'))
		t->at++;
}

static bool take(struct json_text *t, const char *word)
{
	size_t len = strlen(word);

	blanks(t);
	if ((size_t)(t->end - t->at) < len || memcmp(t->at, word, len))
		return false;
	t->at += len;
	return true;
}

static bool string(struct json_text *t)
{
	if (!take(t, "\""))
		return false;
	while (t->at < t->end && *t->at != '"') {
		size_t n = character((const uint8_t *)t->at, (size_t)(t->end - t->at));

		if (!n || (uint8_t)*t->at < 0x20)
			return false;
		if (*t->at == '\\') {
			t->at++;
			if (t->at == t->end || !strchr("\"\\/bfnrtu", *t->at))
				return false;
			for (int i = 0; *t->at == 'u' && i < 4; i++)
				if (t->end - t->at <= i + 1 ||
				    !strchr("0123456789abcdefABCDEF", t->at[i + 1]))
					return false;
			n = 1;
		}
		t->at += n;
	}
	return take(t, "\"");
}

static bool value(struct json_text *t, unsigned int depth);

static bool members(struct json_text *t, const char *close, bool named, unsigned int depth)
{
	if (take(t, close))
		return true;
	do {
		if (named && (!string(t) || !take(t, ":")))
			return false;
		if (!value(t, depth + 1))
			return false;
	} while (take(t, ","));
	return take(t, close);
}

static bool value(struct json_text *t, unsigned int depth)
{
	if (depth > 40)
		return false;
	if (take(t, "{"))
		return members(t, "}", true, depth);
	if (take(t, "["))
		return members(t, "]", false, depth);
	if (take(t, "null") || take(t, "true") || take(t, "false"))
		return true;
	if (t->at < t->end && *t->at == '"')
		return string(t);
	size_t digits = 0;
	while (t->at < t->end && *t->at >= '0' && *t->at <= '9') {
		t->at++;
		digits++;
	}
	return digits > 0;
}

bool text_is_json(const char *text, size_t len)
{
	struct json_text t = {text, text + len};

	if (!value(&t, 0))
		return false;
	blanks(&t);
	return t.at == t.end;
}
