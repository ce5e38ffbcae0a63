/* The verbs of lifeboat-pack. Each takes the words after its name, ended by NULL, and returns the
 * exit status. */
#ifndef LIFEBOAT_HOST_VERBS_H
#define LIFEBOAT_HOST_VERBS_H

#include "problem.h"

struct verb {
	const char *name;
	const char *summary;
	const char *help; /* from "Usage" on */
	enum status (*run)(char **words, struct problem *problem);
};

extern const struct verb verb_attach, verb_build, verb_head, verb_inspect, verb_keygen, verb_sign,
	verb_trust, verb_unsign, verb_verify;

#endif
