/* Outcomes as text, for people and for replay. */
#include "outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char garble_letter[GARBLES + 1] = "bfn";

void outcome_print(const struct sim_disk *disk, const struct outcome *outcome, char *text,
		   size_t size)
{
	size_t at = 0;

	text[0] = 0;
	if (!outcome->count)
		snprintf(text, size, "-");
	for (size_t i = 0; i < outcome->count && at < size; i++) {
		const struct fate *f = &outcome->fate[i];
		const char *comma = i ? "," : outcome->backwards ? "<" : "";
		if (f->garbled)
			at += (size_t)snprintf(text + at, size - at, "%sG%u%c.%llx", comma,
					       f->garbled - 1u, garble_letter[f->how],
					       (unsigned long long)f->arrived);
		else if (!f->arrived)
			at += (size_t)snprintf(text + at, size - at, "%sL", comma);
		else if (f->arrived == outcome_all(disk, &disk->pending[i]))
			at += (size_t)snprintf(text + at, size - at, "%sA", comma);
		else
			at += (size_t)snprintf(text + at, size - at, "%sS%llx", comma,
					       (unsigned long long)f->arrived);
	}
}

static bool parse_fate(const struct sim_disk *disk, const struct sim_write *w, const char **text,
		       struct fate *fate)
{
	const char *s = *text, *letter;
	char *end = (char *)s + 1;

	*fate = (struct fate){0};
	switch (*s) {
	case 'A':
		fate->arrived = outcome_all(disk, w);
		break;
	case 'L':
		break;
	case 'S':
		fate->arrived = strtoull(s + 1, &end, 16);
		break;
	case 'G':
		fate->garbled = (uint8_t)(strtoul(s + 1, &end, 10) + 1);
		letter = *end ? strchr(garble_letter, *end) : NULL;
		if (!letter || end[1] != '.')
			return false;
		fate->how = (uint8_t)(letter - garble_letter);
		fate->arrived = strtoull(end + 2, &end, 16);
		break;
	default:
		return false;
	}
	*text = end;
	return true;
}

bool outcome_parse(const struct sim_disk *disk, const char *text, struct outcome *outcome)
{
	*outcome = (struct outcome){.count = disk->pending_count, .backwards = *text == '<'};
	if (!outcome->count)
		return !strcmp(text, "-");
	text += outcome->backwards;
	for (size_t i = 0; i < outcome->count; i++)
		if (!parse_fate(disk, &disk->pending[i], &text, &outcome->fate[i]) ||
		    *text++ != (i + 1 < outcome->count ? ',' : 0))
			return false;
	return true;
}
