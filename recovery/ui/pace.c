#include "ui/pace.h"

#define WHOLE 1000000u /* parts */
#define SMOOTH 3       /* of the way to a new estimate, one of these a second */

/* Shares of the whole, in the order of the work. Writing takes longer than reading: on cards, and
 * all the more over a network. */
static void shares(const struct pace *pace, enum step step, uint32_t *base, uint32_t *share)
{
	uint32_t verify = pace->verify_only ? WHOLE : pace->verify_first ? WHOLE / 5 : 0;
	uint32_t read_back = (WHOLE - verify) / 4;
	uint32_t write = WHOLE - verify - read_back;

	*base = 0;
	*share = 0;
	switch (step) {
	case STEP_CHECK:
	case STEP_PLAN:
		break;
	case STEP_VERIFY_FIRST:
		*share = verify;
		break;
	case STEP_MARK:
		*base = verify;
		break;
	case STEP_WRITE:
		*base = verify;
		*share = write;
		break;
	case STEP_READ_BACK:
		*base = verify + write;
		*share = read_back;
		break;
	case STEP_COMMIT:
	case STEP_DONE:
		*base = WHOLE;
		break;
	}
}

static uint32_t part_of(const struct pace *pace, const struct progress *progress)
{
	uint32_t base, share;
	uint64_t done = progress->done, total = progress->total;

	shares(pace, progress->step, &base, &share);
	if (!total)
		return base;
	if (done > total)
		done = total;
	while (total >> 40) { /* so that the product fits */
		done >>= 1;
		total >>= 1;
	}
	return base + (uint32_t)(done * share / total);
}

void pace_begin(struct pace *pace, bool verify_first, bool verify_only, bool again)
{
	unsigned percent = again ? pace->percent : 0;

	*pace = (struct pace){.verify_first = verify_first,
			      .verify_only = verify_only,
			      .percent = percent,
			      .left_s = PACE_UNKNOWN};
}

static void begin_step(struct pace *pace, const struct progress *progress, uint64_t now_ms)
{
	pace->step = progress->step;
	pace->begun = true;
	pace->start_ms = now_ms;
	pace->samples = 1;
	pace->newest = 0;
	pace->speed = 0;
	pace->sample[0] =
		(struct pace_sample){.ms = now_ms, .done = progress->done, .part = pace->part};
}

/* Takes a sample a second. False: it is not time yet. */
static bool sample(struct pace *pace, const struct progress *progress, uint64_t now_ms)
{
	if (now_ms - pace->sample[pace->newest].ms < 1000)
		return false;
	pace->newest = (pace->newest + 1) % PACE_SAMPLES;
	if (pace->samples < PACE_SAMPLES)
		pace->samples++;
	pace->sample[pace->newest] =
		(struct pace_sample){.ms = now_ms, .done = progress->done, .part = pace->part};
	return true;
}

/* Time passes. */
static void run_down(struct pace *pace, uint64_t now_ms)
{
	uint64_t passed = now_ms - pace->left_at_ms;

	pace->left_at_ms = now_ms;
	if (pace->left_s == PACE_UNKNOWN)
		return;
	pace->left_ms = pace->left_ms > passed ? pace->left_ms - passed : 0;
	pace->left_s = (uint32_t)((pace->left_ms + 999) / 1000);
}

/* Moves the time left towards an estimate. */
static void estimate_left(struct pace *pace, uint64_t estimate_ms)
{
	if (estimate_ms > PACE_LEFT_MAX_MS)
		estimate_ms = PACE_LEFT_MAX_MS;
	if (pace->left_s != PACE_UNKNOWN)
		estimate_ms = (pace->left_ms * (SMOOTH - 1) + estimate_ms) / SMOOTH;
	pace->left_ms = estimate_ms;
	pace->left_s = (uint32_t)((estimate_ms + 999) / 1000);
}

static void measure(struct pace *pace, uint64_t now_ms)
{
	const struct pace_sample *newest = &pace->sample[pace->newest];
	size_t oldest_at = (pace->newest + PACE_SAMPLES + 1 - pace->samples) % PACE_SAMPLES;
	const struct pace_sample *oldest = &pace->sample[oldest_at];
	uint64_t ms = newest->ms - oldest->ms;

	if (!ms || (pace->left_s == PACE_UNKNOWN && now_ms - pace->start_ms < PACE_SETTLE_MS))
		return;
	if (newest->done >= oldest->done)
		pace->speed = (newest->done - oldest->done) / ms * 1000 +
			      (newest->done - oldest->done) % ms * 1000 / ms;
	if (newest->part > oldest->part)
		estimate_left(pace, (WHOLE - newest->part) * ms / (newest->part - oldest->part));
	else
		pace->left_s = PACE_UNKNOWN; /* it stands still */
}

void pace_update(struct pace *pace, const struct progress *progress, uint64_t now_ms)
{
	unsigned percent;

	if (progress->step == STEP_VERIFY_FIRST)
		pace->verify_first = true;
	pace->part = part_of(pace, progress);
	percent = pace->part / (WHOLE / 100);
	if (percent > 99)
		percent = 99; /* 100 is when the flags are switched and not before */
	if (progress->step == STEP_DONE)
		percent = 100;
	if (percent > pace->percent)
		pace->percent = percent;

	run_down(pace, now_ms);
	if (!pace->begun || progress->step != pace->step)
		begin_step(pace, progress, now_ms);
	else if (sample(pace, progress, now_ms))
		measure(pace, now_ms);
}
