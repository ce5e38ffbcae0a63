/*
 * The ways into and out of recovery: asked for, left, and its starts counted (I4, I6, I8).
 */
#include "support_rig.h"

/* --- Asked for and left --- */

static void recovery_requested_and_left(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	assert_detail(install_request_recovery(&rig.device, "request", &rig.fault), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'R');
	check(!strcmp(rig_env("BOOT_RECOVERY"), "1") &&
	      !strcmp(rig_env("BOOT_RECOVERY_REASON"), "request"));
	check(!strcmp(rig_env("BOOT_A_LEFT"), "3") && !strcmp(rig_env("BOOT_A_GOOD"), "1"));
	memdisk_power_cut(rig.disk, 0);
	rig_boot(-1);
	assert_detail(install_leave_recovery(&rig.device, false, true, &rig.fault), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'A' && !rig.disk->pending);
	check(strcmp(rig_env("BOOT_RECOVERY"), "1") != 0 && !*rig_env("BOOT_RECOVERY_REASON"));
}

/* An install from recovery ends the request with the same store that commits. */
static void commit_ends_the_request(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	assert_detail(install_request_recovery(&rig.device, "request", &rig.fault), DETAIL_OK);
	rig_boot(-1);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B');
	/* Until then it stands: an install that was cut goes on in recovery. */
	rig_restore(0);
	assert_detail(install_request_recovery(&rig.device, "request", &rig.fault), DETAIL_OK);
	rig_boot(-1);
	rig.observer.stop_after = 7;
	assert_detail(rig_install(rig.package), DETAIL_INTERRUPTED);
	check(rig_choice_of(rig.disk->durable) == 'R');
}

/* I8: recovery starts a good system again of its own accord three times, then somebody has to come.
 */
static void i8_self_starts_are_bounded(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(-1);
	for (int n = 0; n < INSTALL_SELF_STARTS + 3; n++) {
		rig_env_put("A", "0", "1", "0", "0", "0"); /* it did not come up, three times */
		rig_boot(-1);
		(void)install_leave_recovery(&rig.device, true, false, &rig.fault);
		at_case("self start %d", n + 1);
		check(rig_choice_of(rig.disk->durable) == (n < INSTALL_SELF_STARTS ? 'A' : 'R'));
		memdisk_power_cut(rig.disk, 0);
	}
	/* By hand always, and as often as somebody likes. */
	for (int n = 0; n < 5; n++) {
		rig_env_put("A", "0", "1", "0", "0", "0");
		rig_boot(-1);
		assert_detail(install_leave_recovery(&rig.device, true, true, &rig.fault),
			      DETAIL_OK);
		check(rig_choice_of(rig.disk->durable) == 'A');
	}
	/* The system proves itself: counted anew. */
	rig_boot(0);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(rig.state.record.self_starts == 0);
	rig_env_put("A", "0", "1", "0", "0", "0");
	rig_boot(-1);
	(void)install_leave_recovery(&rig.device, true, false, &rig.fault);
	check(rig_choice_of(rig.disk->durable) == 'A');
}

/* New tries are for systems that have proved themselves: never for a slot that was given up or is
 * half written. */
static void i4_leaving_recovery_starts_nothing_partial(void **state)
{
	(void)state;
	rig_new(1);
	rig_restore(-1);
	rig.observer.stop_after = 18;
	assert_detail(rig_install(rig.package), DETAIL_INTERRUPTED);
	for (int by_hand = 0; by_hand < 2; by_hand++)
		for (int again = 0; again < 2; again++) {
			rig_boot(-1);
			(void)install_leave_recovery(&rig.device, again, by_hand, &rig.fault);
			at_case("again %d by hand %d", again, by_hand);
			check(rig_choice_of(rig.disk->durable) == 'R');
		}
	rig_new(2);
	rig_restore(-1);
	rig_env_put("B A", "0", "0", "0", "0", "0"); /* both were given up */
	rig_boot(-1);
	(void)install_leave_recovery(&rig.device, true, true, &rig.fault);
	check(rig_choice_of(rig.disk->durable) == 'R');
}

/* A hand that wrote the order, or a board tree that lost a slot: what has proved itself is found.
 */
static void a_good_slot_in_no_order_is_started(void **state)
{
	(void)state;
	static const char *const orders[] = {"B", "", "A,B", "A B C", "A  B", "a"};
	for (size_t i = 0; i < 2 * COUNT(orders); i++) {
		bool again, by_hand = i % 2;
		rig_new(2);
		rig_restore(-1);
		rig_env_put(orders[i / 2], "3", "1", "0", "0", "1");
		rig_boot(-1);
		at_case("order \"%s\", by hand %d", orders[i / 2], by_hand);
		check(install_has_system(&rig.device, &again) && install_may_leave(&rig.device));
		assert_detail(install_leave_recovery(&rig.device, again, by_hand, &rig.fault),
			      DETAIL_OK);
		check(!strcmp(rig_env("BOOT_ORDER"), i / 2 ? "A" : "A B"));
		check(rig_choice_of(rig.disk->durable) == 'A');
	}
	rig_new(1);
	rig_restore(-1);
	rig_env_put("B", "3", "1", "3", "1", "0");
	rig_boot(-1);
	assert_detail(install_leave_recovery(&rig.device, true, true, &rig.fault), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'A');
}

/* --- Its starts --- */

/* A start of recovery, which ends by a cut at its die-th write (-1: when it has come this far). */
static bool starts(long die)
{
	rig_boot(-1);
	rig.device.checkpoint = 0x2000;
	assert_detail(install_count_start(&rig.device, true, &rig.fault), DETAIL_OK);
	bool may_act = install_pace(&rig.device) == INSTALL_GOES_ON;
	if (may_act && die >= 0) {
		rig.disk->die = die;
		(void)rig_install(rig.package);
	}
	memdisk_power_cut(rig.disk, 0);
	return may_act;
}

/* I8: a stick, a supply or a bug that restarts the device in the middle of something. */
static void i8_starts_that_lead_to_the_next_are_bounded(void **state)
{
	(void)state;
	/* Before anything is written; with nothing but the mark; in the middle of an install that
	 * has come further before: always at the same place. */
	static const struct {
		const char *what;
		long first, then;
		int image_written;
	} rows[] = {
		{"nothing is written", -1, -1, 0},
		{"the mark", 4, 4, 0},
		{"an earlier place", 20, 4, 1},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		rig_new(1);
		rig_restore(-1);
		at_case("%s", rows[i].what);
		check(starts(rows[i].first));
		/* The first checkpoint is seen at the start that follows. */
		int more = rows[i].image_written;
		for (int n = 2; n <= INSTALL_STARTS + 3; n++)
			check(starts(rows[i].then) == (n <= INSTALL_STARTS + more));
		check(rig.state.journal.flushed == 0 || more);
		/* It waits for a while, or somebody does something: from the beginning. */
		rig_boot(-1);
		install_rests(&rig.device);
		check(!rig.state.record.recovery_starts && !rig.state.record.recovery_reached);
		check(starts(rows[i].then));
	}
}

static void i8_starts_are_counted_by_what_they_are(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(-1);
	/* A program that falls and is started again is no other boot, and a start all the same. */
	for (int n = 1; n <= 3 * INSTALL_STARTS; n++) {
		assert_detail(install_count_start(&rig.device, false, &rig.fault), DETAIL_OK);
		at_case("start %d", n);
		check(install_pace(&rig.device) == (n <= INSTALL_STARTS	      ? INSTALL_GOES_ON
						    : n <= 2 * INSTALL_STARTS ? INSTALL_STANDS
									      : INSTALL_GOES_BACK));
	}
	check(rig.state.record.boot_count == 0);
	/* The system was started meanwhile. */
	rig_boot(0);
	uint64_t boots = rig.state.record.boot_count;
	assert_detail(install_count_start(&rig.device, true, &rig.fault), DETAIL_OK);
	check(rig.state.record.boot_count == boots + 1 && !rig.state.record.recovery_starts);
	check(starts(-1));
	/* One start in order costs no store, and counts for nothing once another one came to rest.
	 */
	rig_boot(-1);
	memdisk_forget_ops(rig.disk);
	install_rests(&rig.device);
	check(rig.disk->op_count == 0 && rig.state.record.recovery_starts == 1);
	check(starts(-1));
	install_rests(&rig.device);
	rig_boot(-1);
	check(rig.state.record.recovery_starts == 0);
}

/* A count that is lost would let it go round for ever. */
static void i8_a_start_that_cannot_be_counted_is_too_much(void **state)
{
	(void)state;
	for (int running = -1; running < 1; running++) {
		rig_new(2);
		rig_restore(running);
		rig.disk->die = 0;
		at_case("running %d", running);
		check(detail_status(install_count_start(&rig.device, true, &rig.fault)) ==
		      STATUS_INSTALL_FAILED);
		check((install_pace(&rig.device) == INSTALL_STANDS) == (running < 0));
	}
}

/* As an earlier start left it. */
static void journal_says(uint8_t package, enum journal_step step, uint32_t image, uint64_t flushed)
{
	rig_boot(-1);
	memset(rig.state.journal.package_id, package, HASH_LEN);
	rig.state.journal.step = step;
	rig.state.journal.image = image;
	rig.state.journal.flushed = flushed;
	assert_detail(state_store_journal(&rig.state, &rig.fault), DETAIL_OK);
}

/* An install that is thrown back and comes as far as before has not got on. */
static void i8_a_place_counts_once(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		enum journal_step step;
		uint32_t image;
	} back[] = {
		{"an earlier place", JOURNAL_PROGRESS, 0},
		{"a package that turned out to be bad", JOURNAL_IDLE, 1},
	};
	for (size_t i = 0; i < COUNT(back); i++) {
		rig_new(2);
		rig_restore(-1);
		for (int n = 1; n <= INSTALL_STARTS + 3; n++) {
			if (n % 2)
				journal_says(1, JOURNAL_PROGRESS, 1, 0x2000);
			else
				journal_says(1, back[i].step, back[i].image, 0x5000);
			at_case("%s, start %d", back[i].what, n);
			check(starts(-1) == (n <= INSTALL_STARTS));
		}
		journal_says(1, JOURNAL_PROGRESS, 1, 0x3000);
		check(starts(-1) && starts(-1));
	}
}

/* What another package had reached is nothing that this one has to come past. */
static void i6_another_package_is_counted_for_itself(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(-1);
	journal_says(1, JOURNAL_PROGRESS, 1, 0x9000);
	check(starts(-1) && starts(-1));
	for (int n = 1; n <= 2 * INSTALL_STARTS; n++) {
		journal_says(2, JOURNAL_PROGRESS, 0, 0x1000 * (uint64_t)n);
		at_case("start %d", n);
		check(starts(-1) && rig.state.record.recovery_starts == 1);
	}
	/* Nor what this one had before it came to its end, or to rest. */
	rig_boot(-1);
	install_rests(&rig.device);
	check(!rig.state.record.recovery_reached);
	journal_says(2, JOURNAL_PROGRESS, 0, 0x1000);
	check(starts(-1) && rig.state.record.recovery_starts == 1);
}

/* Cuts of which each lets it come a little further end it, however many. */
static void i6_an_install_that_gets_on_is_never_stopped(void **state)
{
	(void)state;
	static uint8_t system[0x3e000];
	int cuts = 0;
	for (size_t i = 0; i < sizeof(system); i += 8)
		memcpy(system + i, &(uint64_t){noise(3, i)}, 8);
	rig_new(1);
	struct pkg *pkg = pkg_new();
	prop_text(pkg->root, "product", "product");
	prop_u64(pkg->root, "key-epoch", 5);
	pkg_add_image(pkg, "boot", rig.package->images[0].plain, rig.package->images[0].size, 4096);
	pkg_add_image(pkg, "system", system, sizeof(system), 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	rig.package = pkg;
	rig_restore(-1);
	do {
		at_case("cut %d", ++cuts);
		check(starts(20) && cuts < 100);
	} while (rig_choice_of(rig.disk->durable) != 'A');
	check(cuts > INSTALL_STARTS);
	check(rig_slot_holds(rig.disk->durable, 0, pkg));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(recovery_requested_and_left),
		TEST(commit_ends_the_request),
		TEST(i8_self_starts_are_bounded),
		TEST(i4_leaving_recovery_starts_nothing_partial),
		TEST(a_good_slot_in_no_order_is_started),
		TEST(i8_starts_that_lead_to_the_next_are_bounded),
		TEST(i8_starts_are_counted_by_what_they_are),
		TEST(i8_a_start_that_cannot_be_counted_is_too_much),
		TEST(i8_a_place_counts_once),
		TEST(i6_another_package_is_counted_for_itself),
		TEST(i6_an_install_that_gets_on_is_never_stopped),
	};
	return RUN_ALL(tests);
}
