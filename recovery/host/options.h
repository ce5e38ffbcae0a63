/* Command lines: options in any order, as --name value, --name=value, -o value; the rest are
 * arguments. */
#ifndef LIFEBOAT_HOST_OPTIONS_H
#define LIFEBOAT_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "problem.h"

struct option_spec {
	int id;		  /* above 0 */
	const char *name; /* without the dashes */
	char letter;	  /* 0: none */
	bool takes_value;
};

struct options {
	const char *verb;
	const struct option_spec *specs; /* ended by one whose id is 0 */
	char **next;			 /* ended by NULL */
	bool only_arguments;		 /* after "--" */
	const struct option_spec *found; /* the option; NULL: an argument */
	const char *value;		 /* of the option, or the argument */
};

enum { OPTION_END = 0, OPTION_ARGUMENT = -1, OPTION_WRONG = -2 };

/* An option's id with its value in options->value, or one of the above; OPTION_WRONG with the
 * problem set. */
int options_next(struct options *options, struct problem *problem);

/* For a verb that takes one argument: keeps it in *place, or says that a second one is too much. */
enum status options_only_one(struct options *options, const char **place, struct problem *problem);

struct option_list {
	const char **at; /* new memory, the caller's */
	size_t count;
};

/* Where a verb keeps what an option, or with OPTION_ARGUMENT an argument, gives: one of the three.
 * Several places for arguments are filled one after the other. */
struct option_place {
	int id;
	const char **value;	  /* the last one given; of an argument, the only one */
	struct option_list *list; /* each one */
	bool *given;		  /* of an option without a value */
};

/* Reads a whole command line to places, which are ended by OPTION_END. For verbs that need no more
 * than that. */
enum status options_read(struct options *options, const struct option_place *places,
			 struct problem *problem);

/* A whole number, or a size such as 64K or 1M (powers of 1024). False when it is neither, or 2^64
 * and more. */
bool options_number(const char *text, uint64_t *value);
bool options_size(const char *text, uint64_t *value);

#endif
