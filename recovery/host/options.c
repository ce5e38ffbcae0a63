#include "options.h"

#include <string.h>

#include "text.h"

static const struct option_spec *find_long(const struct option_spec *specs, const char *name,
					   size_t len)
{
	for (; specs->id; specs++) {
		if (strlen(specs->name) == len && memcmp(specs->name, name, len) == 0)
			return specs;
	}
	return NULL;
}

static const struct option_spec *find_letter(const struct option_spec *specs, char letter)
{
	for (; specs->id; specs++) {
		if (specs->letter == letter)
			return specs;
	}
	return NULL;
}

/* Finds the option that a word names. attached: a value in the same word, or NULL. */
static const struct option_spec *find(const struct option_spec *specs, const char *word,
				      const char **attached)
{
	*attached = NULL;
	if (word[1] != '-') {
		if (word[2])
			*attached = word + 2;
		return find_letter(specs, word[1]);
	}
	const char *equals = strchr(word, '=');
	if (equals)
		*attached = equals + 1;
	return find_long(specs, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
}

static int wrong(struct options *options, const char *word, const char *what,
		 struct problem *problem)
{
	problem_set(problem, STATUS_USAGE, word, "%s. See `lifeboat-pack %s --help`.", what,
		    options->verb);
	return OPTION_WRONG;
}

int options_next(struct options *options, struct problem *problem)
{
	const char *word = *options->next;
	if (!word)
		return OPTION_END;
	options->next++;
	if (!options->only_arguments && strcmp(word, "--") == 0) {
		options->only_arguments = true;
		word = *options->next;
		if (!word)
			return OPTION_END;
		options->next++;
	}
	options->value = word;
	options->found = NULL;
	if (options->only_arguments || word[0] != '-' || !word[1])
		return OPTION_ARGUMENT;

	const char *attached;
	const struct option_spec *spec = find(options->specs, word, &attached);
	if (!spec)
		return wrong(options, word, "is not an option of this verb", problem);
	if (!spec->takes_value && attached)
		return wrong(options, word, "takes no value", problem);
	if (spec->takes_value && !attached) {
		if (!*options->next)
			return wrong(options, word, "needs a value after it", problem);
		attached = *options->next++;
	}
	options->found = spec;
	options->value = attached;
	return spec->id;
}

enum status options_only_one(struct options *options, const char **place, struct problem *problem)
{
	if (*place) {
		wrong(options, options->value, "is one argument too many", problem);
		return problem->status;
	}
	*place = options->value;
	return STATUS_OK;
}

/* Keeps what options_next gave where it belongs. */
static enum status keep(struct options *options, const struct option_place *place, int id,
			struct problem *problem)
{
	while (place->id != OPTION_END &&
	       (place->id != id || (id == OPTION_ARGUMENT && place->value && *place->value)))
		place++;
	if (place->given) {
		*place->given = true;
	} else if (place->value) {
		*place->value = options->value;
	} else if (place->list) {
		struct option_list *list = place->list;
		list->at = memory_resize(list->at, (list->count + 1) * sizeof(*list->at));
		list->at[list->count++] = options->value;
	} else {
		wrong(options, options->value, "is one argument too many", problem);
	}
	return problem->status;
}

enum status options_read(struct options *options, const struct option_place *places,
			 struct problem *problem)
{
	int id;

	while ((id = options_next(options, problem)) != OPTION_END) {
		if (id == OPTION_WRONG || keep(options, places, id, problem) != STATUS_OK)
			return problem->status;
	}
	return STATUS_OK;
}

bool options_number(const char *text, uint64_t *value)
{
	return text_parse_u64(text, value) == 0;
}

bool options_size(const char *text, uint64_t *value)
{
	char digits[24];
	size_t len = strlen(text);
	unsigned shift = 0;
	if (len && strchr("KkMm", text[len - 1])) {
		shift = strchr("Kk", text[len - 1]) ? 10 : 20;
		len--;
	}
	if (len >= sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = 0;
	if (!options_number(digits, value) || *value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return true;
}
