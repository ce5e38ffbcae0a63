/*
 * Percent, speed and time left of an install, so that they can be believed.
 *
 * Percent covers the whole work: the long steps (prove the package, write, read back) share it by
 * weight. It never goes back, and is 100 only after STEP_DONE. Speed is the average of the last
 * seconds. Time left is unknown at first, then moves towards each new estimate instead of jumping
 * to it.
 */
#ifndef LIFEBOAT_PACE_H
#define LIFEBOAT_PACE_H

#include "core/seam.h"

#define PACE_SAMPLES 8	    /* one a second at most: speed is the average of about 8 seconds */
#define PACE_SETTLE_MS 3000 /* before that, speed and time left are unknown */
#define PACE_UNKNOWN UINT32_MAX
#define PACE_LEFT_MAX_MS UINT64_C(359999000) /* what is more than 99 hours is shown as that */

struct pace {
	bool verify_first; /* STEP_VERIFY_FIRST has a share of the percent ... */
	bool verify_only;  /* ... or all of it: nothing is written */
	enum step step;
	unsigned percent; /* 0 to 100, of the whole work */
	uint64_t speed;	  /* bytes a second; 0: unknown */
	uint32_t left_s;  /* seconds; PACE_UNKNOWN */

	bool begun;
	uint32_t part; /* millionths of the whole work that are done */
	size_t samples, newest;
	struct pace_sample {
		uint64_t ms, done;
		uint32_t part;
	} sample[PACE_SAMPLES];
	uint64_t start_ms;	      /* of the step */
	uint64_t left_ms, left_at_ms; /* the last estimate, and when */
};

/* verify_first, verify_only: see above. again: percent does not go back below what it was. */
void pace_begin(struct pace *pace, bool verify_first, bool verify_only, bool again);
void pace_update(struct pace *pace, const struct progress *progress, uint64_t now_ms);

#endif
