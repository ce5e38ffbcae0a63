/*
 * Every place for a cut, every outcome, and what follows: a walk over the states that cuts can
 * leave. A state that was examined before, by way of another case, is counted and not run again:
 * what follows depends on nothing but the medium and on what the person remembers.
 */
#ifndef SIM_EXPLORE_H
#define SIM_EXPLORE_H

#include "bench.h"

struct totals {
	uint64_t cases;	 /* (scenario, physics, cut, outcome [, cut, outcome ...]) */
	uint64_t states; /* that were different, and were run to their end */
	uint64_t cuts;	 /* places for a cut in the run without one */
	uint64_t errors; /* runs with an operation that fails */
	uint64_t failures;
	char first[1800]; /* the first failure: what, and the case's id */
};

struct explore_options {
	unsigned depth;	 /* cuts in one case that are enumerated */
	unsigned share;	 /* of the states after a cut, one in `share` gets the next; 1: all */
	unsigned random; /* of the outcomes of one more cut, one in `random`; 0: no more cut */
	unsigned thin;	 /* of all outcomes one in `thin` is looked at; 1: every one */
	/* A record's padding, which nobody reads, is torn by the first cut only, with no other cut
	 * after that. Where the medium held something else there it has 64 ways and more to be
	 * torn, all of them alike: two cuts each would take days. */
	bool whole_padding;
	bool stop_at_first;
};

void explore(const struct scenario *scenario, const struct physics *physics,
	     const struct explore_options *options, struct totals *totals);

/* Every operation fails, once or from then on. */
void explore_errors(const struct scenario *scenario, const struct physics *physics,
		    bool stop_at_first, struct totals *totals);

/* "!w17*": the 17th write fails, and all after it. */
bool errors_parse(const struct world *world, const char *text, struct sim_fault *fault);
unsigned errors_starts(bool for_good); /* that count as lost by it */

/* One case by its id, with everything that happens. An exit status. */
int explore_replay(const char *id);

void totals_fail(struct totals *totals, const struct bench *bench, const char *path);

#endif
