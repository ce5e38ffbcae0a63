/*
 * The bench that cases run on: one scenario with one physics, made once; runs from the start or
 * from what a cut left.
 */
#ifndef SIM_BENCH_H
#define SIM_BENCH_H

#include "driver.h"

/* What a cut left: the units that differ from the disk at the start, and who remembers what. */
struct snapshot {
	struct snapshot *next;
	struct person person;
	struct torn torn;
	unsigned cuts;
	bool leaf; /* no cut is made in what follows */
	size_t count;
	uint32_t *units;
	uint8_t *bytes;
	char *path; /* "17:A,L/3:-": how to get here */
};

struct bench {
	const struct scenario *scenario;
	const struct physics *physics;
	struct world world;
	struct oracle oracle;
	struct driver driver;
	unsigned cuts;	     /* before the run that goes on */
	bool insists;	     /* see driver.h */
	char reference[600]; /* how the run without a cut ends: I6 */

	/* Called before each write and flush, and once at the end: a place for a cut. */
	void (*place)(struct bench *bench, void *context);
	void *context;
	const struct outcome *outcome; /* that is being judged, for the case's id */
	jmp_buf cut;		       /* where a cut goes that is not only looked at */
};

enum bench_end {
	BENCH_ENDED,
	BENCH_FAILED, /* an invariant does not hold: oracle.what, and bench_id */
	BENCH_CUT,    /* by bench_cut */
};

/* Zeroed, and aligned as the engine's buffers want it; free() takes it back. */
void *bench_alloc(size_t size);

/* Makes the disk and runs once without a cut. BENCH_FAILED is possible. */
enum bench_end bench_open(struct bench *bench, const struct scenario *scenario,
			  const struct physics *physics, bool trace);
void bench_close(struct bench *bench);

/* Puts the disk to what a snapshot says (NULL: the start). */
void bench_put(struct bench *bench, const struct snapshot *from);
/* Power on, until nothing more happens. fault: what breaks on the way, or NULL. */
enum bench_end bench_run(struct bench *bench, const struct snapshot *from,
			 const struct sim_fault *fault);
/* Ends the run that is going on. */
_Noreturn void bench_cut(struct bench *bench);

struct snapshot *snapshot_make(struct bench *bench, const struct outcome *outcome,
			       const char *path);
void snapshot_free(struct snapshot *snapshot);
/* The case that runs: "ab-install/512/17:A,L/3:-". */
void bench_id(const struct bench *bench, const char *path, char *text, size_t size);

extern const struct scenario scenarios[];
extern const size_t scenario_count;
extern const struct physics physics_table[];
extern const size_t physics_count;

#endif
