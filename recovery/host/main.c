/* lifeboat-pack: makes, signs and examines Lifeboat packages. See lifeboat-pack(1). */
#include <stdio.h>
#include <string.h>

#include "verbs.h"

/* In the order in which they are used. */
static const struct verb *const verbs[] = {
	&verb_keygen, &verb_trust,  &verb_build,  &verb_head,	 &verb_sign,
	&verb_attach, &verb_unsign, &verb_verify, &verb_inspect,
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(FILE *to)
{
	fputs("lifeboat-pack makes, signs and examines Lifeboat packages.\n\n"
	      "Usage: lifeboat-pack VERB ...\n\n",
	      to);
	for (size_t i = 0; i < VERB_COUNT; i++)
		fprintf(to, "  %-8s  %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n`lifeboat-pack VERB --help` tells more, and lifeboat-pack(1) all.\n", to);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	}
	return NULL;
}

static int wants_help(char **words)
{
	for (; *words && strcmp(*words, "--") != 0; words++) {
		if (strcmp(*words, "--help") == 0 || strcmp(*words, "-h") == 0)
			return 1;
	}
	return 0;
}

static int finish(struct problem *problem)
{
	/* What was to be told on standard output and did not get there was not done. */
	if (problem->status == STATUS_OK && (fflush(stdout) != 0 || ferror(stdout)))
		problem_set(problem, STATUS_INSTALL_FAILED, "standard output",
			    "cannot be written. Check where it goes.");
	if (problem->status != STATUS_OK) {
		fflush(stdout);
		problem_make_printable(problem);
		fprintf(stderr, "lifeboat-pack: %s\n", problem->text);
	}
	return (int)problem->status;
}

int main(int argc, char **argv)
{
	struct problem problem = {.status = STATUS_OK};

	if (argc < 2) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return finish(&problem);
	}
	const struct verb *verb = find_verb(argv[1]);
	if (!verb) {
		problem_set(&problem, STATUS_USAGE, argv[1],
			    "is not a verb. See `lifeboat-pack --help`.");
	} else if (wants_help(argv + 2)) {
		printf("lifeboat-pack %s: %s\n\n%s", verb->name, verb->summary, verb->help);
	} else {
		verb->run(argv + 2, &problem);
	}
	return finish(&problem);
}
