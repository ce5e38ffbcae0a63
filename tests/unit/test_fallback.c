/*
 * What a start finds out and keeps: a good system that did not come up any more, a state partition
 * that was erased, packages whose trial failed; and what a confirmation, a rejection and the way
 * out of recovery do where something else is wrong as well.
 */
#include "support_rig.h"

/* Release 10 runs in B and has confirmed itself; release 9 in A is good too. */
static void both_good(void)
{
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	rig_boot(1);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	memdisk_power_cut(rig.disk, 0);
	memcpy(rig.pristine, rig.disk->durable, rig.size);
}

static enum detail settle(bool *settled)
{
	memset(&rig.result, 0xa5, sizeof(rig.result));
	return install_settle(&rig.device, "", settled, &rig.result, &rig.fault);
}

static size_t count_results(enum detail detail)
{
	struct result r;
	size_t n = 0;
	for (uint64_t back = 0; state_result(&rig.state, back, &r); back++)
		n += r.fault.detail == detail;
	return n;
}

/* --- A good system that did not come up --- */

static void a_fallback_is_told_once(void **state)
{
	(void)state;
	bool settled;
	both_good();
	rig_env_put("B A", "2", "1", "0", "1", "0");
	rig_boot(0);
	assert_detail(settle(&settled), DETAIL_OK);
	check(settled && rig.result.what == RESULT_TRIAL && rig.result.slot == 1);
	check(rig.result.fault.detail == DETAIL_FELL_BACK && rig.result.release == 10);
	check(!strcmp(rig.result.version, "10.0") &&
	      !strcmp(rig.result.fault.object, "release 10 (10.0) in slot B"));
	/* The one that runs comes first from now on; both keep what they have earned. */
	check(!strcmp(rig_env("BOOT_ORDER"), "A B") && rig_choice_of(rig.disk->durable) == 'A');
	check(!strcmp(rig_env("BOOT_A_GOOD"), "1") && !strcmp(rig_env("BOOT_B_GOOD"), "1"));
	check(!strcmp(rig_env("BOOT_A_LEFT"), "2") && !strcmp(rig_env("BOOT_B_LEFT"), "0"));
	/* I7: what confirmed itself once holds, although another system runs now. */
	check(rig.state.record.rollback_floor == 8 && rig.state.record.key_epoch == 5);
	/* Its package worked once: it is not one whose trial failed. */
	check(!install_has_failed(&rig.state, rig.package->id));
	memdisk_power_cut(rig.disk, 0);
	for (int i = 0; i < 2; i++) {
		rig_boot(0);
		check(count_results(DETAIL_FELL_BACK) == 1);
		assert_detail(settle(&settled), DETAIL_OK);
		check(!settled);
	}
}

static void what_is_no_fallback(void **state)
{
	(void)state;
	static const struct {
		const char *what, *order, *b_left, *b_good;
		int running;
	} rows[] = {
		{"the first one runs", "A B", "0", "1", 0},
		{"it has tries left: somebody chose the other one by hand", "B A", "1", "1", 0},
		{"recovery runs, which has its own words for it", "B A", "0", "1", -1},
		{"no order: the boot script had none to choose from", "", "0", "1", 0},
		{"it was given up before, and that was told then", "B A", "0", "0", 0},
	};
	both_good();
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool settled;
		rig_restore(0);
		rig_env_put(rows[i].order, "2", "1", rows[i].b_left, rows[i].b_good, "0");
		rig_boot(rows[i].running);
		memdisk_forget_ops(rig.disk);
		at_case("%s", rows[i].what);
		assert_detail(settle(&settled), DETAIL_OK);
		check(!settled && count_results(DETAIL_FELL_BACK) == 0);
		for (size_t k = 0; k < rig.disk->op_count; k++)
			check(rig.disk->ops[k].kind != OP_WRITE);
	}
}

static void a_fallback_cut_at_every_write(void **state)
{
	(void)state;
	both_good();
	for (long die = 0; die < 100; die++)
		for (uint64_t seed = 0; seed < 6; seed++) {
			bool settled;
			rig_restore(0);
			rig_env_put("B A", "2", "1", "0", "1", "0");
			rig_boot(0);
			rig.disk->die = die;
			(void)settle(&settled);
			bool died = rig.disk->dead;
			memdisk_power_cut(rig.disk, seed);
			at_case("cut at %ld seed %llu", die, (unsigned long long)seed);
			check(rig_choice_of(rig.disk->durable) == 'A');
			rig_boot(0);
			assert_detail(settle(&settled), DETAIL_OK);
			/* Never lost; a cut between the report and the flags tells it twice. */
			size_t told = count_results(DETAIL_FELL_BACK);
			check(told == 1 || (died && told == 2));
			check(!strcmp(rig_env("BOOT_ORDER"), "A B"));
			if (!died) {
				check(die > 3);
				return;
			}
		}
	fail_msg("settle does not end");
}

/* A write that fails is told, and the next start goes on. The report may be what failed: it holds
 * nothing up (I10). */
static void a_fallback_with_failing_writes(void **state)
{
	(void)state;
	both_good();
	for (long n = 0; n < 100; n++) {
		bool settled;
		rig_restore(0);
		rig_env_put("B A", "2", "1", "0", "1", "0");
		rig_boot(0);
		rig.disk->fail_write = n;
		enum detail d = settle(&settled);
		bool fired = rig.disk->fail_write == -1;
		at_case("write %ld: %s", n, detail_name(d));
		check(settled == (d == DETAIL_OK));
		check(d == DETAIL_OK || detail_status(d) == STATUS_INSTALL_FAILED);
		memdisk_power_cut(rig.disk, 0);
		rig_boot(0);
		assert_detail(settle(&settled), DETAIL_OK);
		check(!strcmp(rig_env("BOOT_ORDER"), "A B"));
		if (!fired) {
			check(n > 1 && count_results(DETAIL_FELL_BACK) == 1);
			return;
		}
	}
	fail_msg("settle does not end");
}

/* --- A state partition that was erased --- */

static void erase_state(void)
{
	const struct part *p = rig_part("state");
	memset(rig.disk->now + p->off, 0, p->len);
	memset(rig.disk->durable + p->off, 0, p->len);
}

static void a_lost_state_is_told_once(void **state)
{
	(void)state;
	bool settled;
	both_good();
	rig_restore(1);
	erase_state();
	rig_boot(1);
	assert_detail(settle(&settled), DETAIL_OK);
	check(settled && rig_env_untouched());
	check(rig.result.fault.detail == DETAIL_STATE_LOST);
	memdisk_power_cut(rig.disk, 0);
	for (int i = 0; i < 3; i++) {
		struct result r;
		rig_boot(1);
		check(count_results(DETAIL_STATE_LOST) == 1);
		check(state_result(&rig.state, 0, &r) && r.what == RESULT_TRIAL);
		check(r.slot == RESULT_NO_SLOT && !strcmp(r.fault.object, "state partition"));
		assert_detail(settle(&settled), DETAIL_OK);
		check(!settled);
	}
}

static void a_new_device_has_lost_nothing(void **state)
{
	(void)state;
	bool settled;
	rig_new(2);
	rig_restore(-1);
	erase_state();
	rig_env_put("", "0", "0", "0", "0", "0");
	rig_boot(-1);
	assert_detail(settle(&settled), DETAIL_OK);
	check(!settled && count_results(DETAIL_STATE_LOST) == 0);
}

/* It is told before the partition stops looking new: twice at worst, and never not at all. */
static void a_lost_state_cut_at_every_write(void **state)
{
	(void)state;
	both_good();
	for (long die = 0; die < 50; die++)
		for (uint64_t seed = 0; seed < 4; seed++) {
			bool settled;
			rig_restore(1);
			erase_state();
			rig_boot(1);
			rig.disk->die = die;
			(void)settle(&settled);
			bool died = rig.disk->dead;
			memdisk_power_cut(rig.disk, seed);
			rig_boot(1);
			(void)settle(&settled);
			at_case("cut at %ld seed %llu", die, (unsigned long long)seed);
			size_t told = count_results(DETAIL_STATE_LOST);
			check(told == 1 || (died && told == 2));
			if (!died) {
				check(die > 2);
				return;
			}
		}
	fail_msg("settle does not end");
}

/* --- Packages whose trial failed --- */

/* Installs from A, and the new system in B does not prove itself. */
static void fail_a_trial(struct pkg *pkg, bool rejected)
{
	bool settled;
	struct fault why = {.detail = DETAIL_HEALTH_FAILED};
	rig_boot(0);
	assert_detail(rig_install(pkg), DETAIL_OK);
	if (rejected) {
		rig_boot(1);
		assert_detail(install_reject(&rig.device, &why, &rig.result), DETAIL_HEALTH_FAILED);
	} else {
		rig_env_put("B A", "3", "1", "0", "0", "0");
		rig_boot(0);
		assert_detail(settle(&settled), DETAIL_OK);
		check(settled);
	}
	memdisk_power_cut(rig.disk, 0);
	rig_boot(0);
}

static void failed_packages_are_remembered(void **state)
{
	(void)state;
	struct pkg *pkg[STATE_FAILED + 2];
	rig_new(2);
	rig_restore(0);
	check(!install_has_failed(&rig.state, rig.package->id));
	for (uint64_t i = 0; i < COUNT(pkg); i++) {
		pkg[i] = rig_package(10 + i, 10 + i, "product");
		fail_a_trial(pkg[i], i % 2);
		/* The newest ones: the oldest makes room. */
		for (uint64_t k = 0; k <= i; k++) {
			at_case("after %llu: %llu", (unsigned long long)i, (unsigned long long)k);
			check(install_has_failed(&rig.state, pkg[k]->id) == (i - k < STATE_FAILED));
		}
		check(!install_has_failed(&rig.state, rig.installed->id));
	}
	/* Again, the one that failed last: it takes no second place. */
	fail_a_trial(pkg[5], false);
	check(install_has_failed(&rig.state, pkg[2]->id));
	/* One that works after all is forgotten, and only that one. */
	assert_detail(rig_install(pkg[4]), DETAIL_OK);
	rig_boot(1);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	memdisk_power_cut(rig.disk, 0);
	rig_boot(1);
	check(!install_has_failed(&rig.state, pkg[4]->id));
	check(install_has_failed(&rig.state, pkg[3]->id) &&
	      install_has_failed(&rig.state, pkg[5]->id));
}

/* --- Confirm, reject, leave --- */

/* Release 10 that says: nothing below release 10 any more. */
static struct pkg *closing_package(void)
{
	struct pkg *pkg = rig_package(10, 10, "product");
	prop_u64(pkg->root, "rollback-floor", 10);
	pkg_seal(pkg);
	return pkg;
}

static void i7_below_the_floor_nothing_starts(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install(closing_package()), DETAIL_OK);
	memcpy(rig.pristine, rig.disk->durable, rig.size);
	for (long die = 0; die < 100; die++)
		for (uint64_t seed = 0; seed < 4; seed++) {
			rig_restore(1);
			rig.disk->die = die;
			(void)install_confirm(&rig.device, &rig.result);
			bool died = rig.disk->dead;
			memdisk_power_cut(rig.disk, seed);
			rig_boot(1);
			at_case("cut at %ld seed %llu", die, (unsigned long long)seed);
			/* Where the floor is 10, release 9 cannot be started; never the other way
			 * round. */
			if (rig.state.record.rollback_floor == 10)
				check(!strcmp(rig_env("BOOT_A_LEFT"), "0") &&
				      !strcmp(rig_env("BOOT_A_GOOD"), "0"));
			check(rig_choice_of(rig.disk->durable) == 'B');
			assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
			check(rig.state.record.rollback_floor == 10);
			check(!strcmp(rig_env("BOOT_ORDER"), "B"));
			check(!strcmp(rig_env("BOOT_A_LEFT"), "0") &&
			      !strcmp(rig_env("BOOT_A_GOOD"), "0"));
			if (!died) {
				check(die > 5);
				return;
			}
		}
	fail_msg("confirm does not end");
}

static void reject_where_no_system_runs(void **state)
{
	(void)state;
	struct fault why = {.detail = DETAIL_HEALTH_FAILED};
	both_good();
	rig_restore(-1);
	assert_detail(install_reject(&rig.device, &why, &rig.result), DETAIL_SLOT_NOT_RUNNING);
	check(rig.result.fault.detail == DETAIL_SLOT_NOT_RUNNING && rig_env_untouched());
}

/* A system that was written by other means: there is no journal to end. */
static void reject_without_a_journal(void **state)
{
	(void)state;
	struct fault why = {.detail = DETAIL_HEALTH_FAILED};
	rig_new(2);
	rig_restore(0);
	rig_env_put("A B", "2", "0", "3", "1", "0");
	rig_boot(0);
	assert_detail(install_reject(&rig.device, &why, &rig.result), DETAIL_HEALTH_FAILED);
	check(rig_choice_of(rig.disk->durable) == 'B' && !strcmp(rig_env("BOOT_A_LEFT"), "0"));
	check(rig.state.journal.step == JOURNAL_IDLE &&
	      install_has_failed(&rig.state, rig.installed->id));
}

static void leaving_recovery_with_a_failing_medium(void **state)
{
	(void)state;
	rig_new(2);
	for (int by_hand = 0; by_hand < 2; by_hand++)
		for (int kind = 0; kind < 2; kind++)
			for (long n = 0; n < 100; n++) {
				rig_restore(-1);
				rig_env_put("A", "0", "1", "0", "0", "1");
				rig_boot(-1);
				long *fail = kind ? &rig.disk->fail_read : &rig.disk->fail_write;
				*fail = n / 2;
				rig.disk->fail_more = n % 2 ? 1000 : 0;
				enum detail d = install_leave_recovery(&rig.device, true, by_hand,
								       &rig.fault);
				bool fired = *fail == -1;
				memdisk_power_cut(rig.disk, 0);
				rig_boot(-1);
				at_case("by hand %d kind %d case %ld: %s", by_hand, kind, n,
					detail_name(d));
				/* I8: a start of its own accord is counted before it happens. */
				if (rig_choice_of(rig.disk->durable) == 'A' && !by_hand)
					check(rig.state.record.self_starts == 1);
				check(d == DETAIL_OK || detail_status(d) == STATUS_INSTALL_FAILED);
				check((d == DETAIL_OK) <=
				      (rig_choice_of(rig.disk->durable) == 'A'));
				if (!fired)
					break;
			}
}

/* Nothing to store: nothing is written. */
static void leaving_recovery_that_nobody_asked_for(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(-1);
	assert_detail(install_leave_recovery(&rig.device, false, true, &rig.fault), DETAIL_OK);
	check(rig.disk->writes == 0 && rig_choice_of(rig.disk->durable) == 'A');
}

/* A trial with tries left, and nothing asked for recovery: what the boot script could not store. */
static void i8_leaving_that_stores_nothing_else_is_counted(void **state)
{
	(void)state;
	bool again;
	rig_new(2);
	rig_restore(-1);
	rig_env_put("B A", "3", "1", "2", "0", "0");
	for (uint32_t n = 0; n < INSTALL_SELF_STARTS; n++) {
		rig_boot(-1);
		at_case("start %u", n);
		check(install_has_system(&rig.device, &again) && !again);
		check(install_may_leave(&rig.device));
		assert_detail(install_leave_recovery(&rig.device, false, false, &rig.fault),
			      DETAIL_OK);
		check(rig.state.record.self_starts == n + 1);
	}
	rig_boot(-1);
	check(install_has_system(&rig.device, &again) && !install_may_leave(&rig.device));
	assert_detail(install_leave_recovery(&rig.device, false, false, &rig.fault),
		      DETAIL_NOT_PERMITTED);
	/* A person may, and a request that is taken back is something stored. */
	assert_detail(install_leave_recovery(&rig.device, false, true, &rig.fault), DETAIL_OK);
	rig_env_put("B A", "3", "1", "2", "0", "1");
	rig_boot(-1);
	check(install_may_leave(&rig.device));
	assert_detail(install_leave_recovery(&rig.device, false, false, &rig.fault), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B' &&
	      rig.state.record.self_starts == INSTALL_SELF_STARTS);
	/* A confirmation begins the count anew. */
	rig_boot(0);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(rig.state.record.self_starts == 0);
}

/* Storage that takes nothing: recovery stays, it does not go round. */
static void i8_leaving_on_a_medium_that_takes_nothing(void **state)
{
	(void)state;
	rig_new(2);
	for (int requested = 0; requested < 2; requested++) {
		rig_restore(-1);
		rig_env_put("B A", "3", "1", "2", "0", requested ? "1" : "0");
		rig_boot(-1);
		rig.disk->fail_write = 0;
		rig.disk->fail_more = 1000;
		at_case("requested %d", requested);
		check(install_may_leave(&rig.device));
		check(install_leave_recovery(&rig.device, false, false, &rig.fault) != DETAIL_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fallback_is_told_once),
		TEST(what_is_no_fallback),
		TEST(a_fallback_cut_at_every_write),
		TEST(a_fallback_with_failing_writes),
		TEST(a_lost_state_is_told_once),
		TEST(a_new_device_has_lost_nothing),
		TEST(a_lost_state_cut_at_every_write),
		TEST(failed_packages_are_remembered),
		TEST(i7_below_the_floor_nothing_starts),
		TEST(reject_where_no_system_runs),
		TEST(reject_without_a_journal),
		TEST(leaving_recovery_with_a_failing_medium),
		TEST(leaving_recovery_that_nobody_asked_for),
		TEST(i8_leaving_that_stores_nothing_else_is_counted),
		TEST(i8_leaving_on_a_medium_that_takes_nothing),
	};
	return RUN_ALL(tests);
}
