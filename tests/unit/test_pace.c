/* Percent, speed and time left: what they show can be believed. */
#include "support.h"

#include "ui/pace.h"

struct run {
	struct pace pace;
	uint64_t ms;
	unsigned percent;	  /* last seen */
	uint32_t left_s;	  /* last seen */
	uint32_t greatest_jump_s; /* between two updates */
};

static struct run *new_run(bool verify_first, bool verify_only)
{
	struct run *run = arena_alloc(sizeof(*run));

	run->ms = 5000;
	pace_begin(&run->pace, verify_first, verify_only, false);
	run->left_s = run->pace.left_s;
	return run;
}

static void update(struct run *run, enum step step, uint64_t done, uint64_t total)
{
	struct progress progress = {.step = step, .done = done, .total = total};

	pace_update(&run->pace, &progress, run->ms);
	check(run->pace.percent >= run->percent);
	check(run->pace.percent <= 100);
	check((run->pace.percent == 100) == (step == STEP_DONE));
	run->percent = run->pace.percent;
	if (run->left_s != PACE_UNKNOWN && run->pace.left_s != PACE_UNKNOWN) {
		uint32_t jump = run->pace.left_s > run->left_s ? run->pace.left_s - run->left_s
							       : run->left_s - run->pace.left_s;
		if (jump > run->greatest_jump_s)
			run->greatest_jump_s = jump;
	}
	run->left_s = run->pace.left_s;
}

/* A step at a steady speed, in chunks of 64 KiB. */
static void steady(struct run *run, enum step step, uint64_t total, uint64_t bytes_per_s)
{
	uint64_t start = run->ms;

	for (uint64_t done = 0; done < total;) {
		done = total - done < KIB(64) ? total : done + KIB(64);
		run->ms = start + done * 1000 / bytes_per_s;
		update(run, step, done, total);
	}
}

static void percent_never_goes_back_and_is_100_only_at_the_end(void **state)
{
	(void)state;
	static const enum step steps[] = {STEP_CHECK, STEP_VERIFY_FIRST, STEP_PLAN,  STEP_MARK,
					  STEP_WRITE, STEP_READ_BACK,	 STEP_COMMIT};

	for (int verify_first = 0; verify_first < 2; verify_first++) {
		struct run *run = new_run(verify_first, false);
		for (size_t i = 0; i < COUNT(steps); i++) {
			bool is_long = steps[i] == STEP_WRITE || steps[i] == STEP_READ_BACK ||
				       steps[i] == STEP_VERIFY_FIRST;
			if (steps[i] == STEP_VERIFY_FIRST && !verify_first)
				continue;
			if (is_long)
				steady(run, steps[i], MIB(40), MIB(10));
			else
				update(run, steps[i], 0, 0);
		}
		assert_int_equal(run->percent, 99);
		update(run, STEP_DONE, 0, 0);
		assert_int_equal(run->percent, 100);
	}
}

static void percent_moves_evenly_over_the_steps(void **state)
{
	(void)state;
	struct run *run = new_run(false, false);

	steady(run, STEP_WRITE, MIB(40), MIB(10));
	assert_int_equal(run->percent, 75);
	steady(run, STEP_READ_BACK, MIB(40), MIB(30));
	assert_int_equal(run->percent, 99);
}

static void verifying_alone_goes_to_the_end(void **state)
{
	(void)state;
	struct run *run = new_run(false, true);

	steady(run, STEP_VERIFY_FIRST, MIB(20), MIB(10));
	assert_int_equal(run->percent, 99);
}

static void a_second_attempt_holds_the_percent(void **state)
{
	(void)state;
	struct run *run = new_run(false, false);

	steady(run, STEP_WRITE, MIB(40), MIB(10));
	pace_begin(&run->pace, false, false, true);
	assert_int_equal(run->pace.percent, 75);
	update(run, STEP_CHECK, 0, 0);
	update(run, STEP_WRITE, MIB(10), MIB(40));
	assert_int_equal(run->pace.percent, 75);
	pace_begin(&run->pace, false, false, false);
	assert_int_equal(run->pace.percent, 0);
}

static void speed_and_time_are_unknown_at_first(void **state)
{
	(void)state;
	struct run *run = new_run(false, false);

	update(run, STEP_WRITE, 0, MIB(100));
	for (int i = 1; i < 29; i++) {
		run->ms += 100;
		update(run, STEP_WRITE, MIB(1) * i / 10, MIB(100));
		assert_int_equal(run->pace.left_s, PACE_UNKNOWN);
		assert_int_equal(run->pace.speed, 0);
	}
	run->ms += 300;
	update(run, STEP_WRITE, MIB(3), MIB(100));
	assert_int_not_equal(run->pace.left_s, PACE_UNKNOWN);
	assert_int_not_equal(run->pace.speed, 0);
}

static void a_steady_speed_gives_the_right_time(void **state)
{
	(void)state;
	struct run *run = new_run(false, false);
	uint64_t total = MIB(100), speed = MIB(1);
	/* Writing takes 100 s; reading back has a third of its share: 33 s more. */
	uint32_t whole_s = 133;

	for (uint64_t s = 0; s <= 100; s++) {
		run->ms = 5000 + s * 1000;
		update(run, STEP_WRITE, s * speed, total);
		if (s < 4)
			continue;
		at_case("second %d", (int)s);
		check(run->pace.speed > speed - KIB(1) && run->pace.speed < speed + KIB(1));
		check(run->pace.left_s + s >= whole_s - 3 && run->pace.left_s + s <= whole_s + 3);
	}
	check(run->greatest_jump_s <= 2);
}

static void a_change_of_speed_does_not_make_it_jump(void **state)
{
	(void)state;
	struct run *run = new_run(false, false);
	uint64_t done = 0;

	/* Ten seconds fast, then ten times slower: from 126 s to 1200 s left. */
	for (int s = 0; s < 60; s++) {
		run->ms += 1000;
		done += s < 10 ? MIB(10) : MIB(1);
		update(run, STEP_WRITE, done, MIB(1000));
	}
	check(run->greatest_jump_s < 300);
	check(run->pace.left_s > 1000 && run->pace.left_s < 1300);
	check(run->pace.speed > KIB(1000) && run->pace.speed < KIB(1050));
}

static void a_standstill_is_not_a_forecast(void **state)
{
	(void)state;
	struct run *run = new_run(false, false);

	for (int s = 0; s < 10; s++) {
		run->ms += 1000;
		update(run, STEP_WRITE, MIB(s), MIB(100));
	}
	assert_int_not_equal(run->pace.left_s, PACE_UNKNOWN);
	for (int s = 0; s < PACE_SAMPLES + 1; s++) {
		run->ms += 1000;
		update(run, STEP_WRITE, MIB(9), MIB(100));
	}
	assert_int_equal(run->pace.left_s, PACE_UNKNOWN);
	assert_int_equal(run->pace.speed, 0);
}

static void the_largest_sizes_fit(void **state)
{
	(void)state;
	static const uint64_t totals[] = {1,	      2, UINT64_C(1) << 40, UINT64_C(1) << 62,
					  UINT64_MAX, 0};

	for (size_t i = 0; i < COUNT(totals); i++) {
		struct run *run = new_run(false, false);
		at_case("total %llu", (unsigned long long)totals[i]);
		for (unsigned n = 0; n <= 64; n++) {
			run->ms += 1000;
			update(run, STEP_WRITE, totals[i] / 64 * n, totals[i]);
			check(run->pace.left_s == PACE_UNKNOWN || run->pace.left_s <= 359999);
		}
		run->ms += 1000;
		update(run, STEP_WRITE, totals[i], totals[i]);
		check(run->pace.percent == (totals[i] ? 75 : 0));
	}
}

static void more_than_all_is_all(void **state)
{
	(void)state;
	struct run *run = new_run(false, false);

	update(run, STEP_WRITE, MIB(9), MIB(1));
	assert_int_equal(run->pace.percent, 75);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(percent_never_goes_back_and_is_100_only_at_the_end),
		TEST(percent_moves_evenly_over_the_steps),
		TEST(verifying_alone_goes_to_the_end),
		TEST(a_second_attempt_holds_the_percent),
		TEST(speed_and_time_are_unknown_at_first),
		TEST(a_steady_speed_gives_the_right_time),
		TEST(a_change_of_speed_does_not_make_it_jump),
		TEST(a_standstill_is_not_a_forecast),
		TEST(the_largest_sizes_fit),
		TEST(more_than_all_is_all),
	};

	return RUN_ALL(tests);
}
