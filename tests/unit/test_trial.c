/*
 * From the reboot after an install to its confirmation, or back: settle, confirm, reject (I4, I7,
 * I8, I11), and a power cut at every write of each.
 */
#include "support_rig.h"

/* Release 10 was installed into B, and the boot script took a try away before it started B. */
static void on_trial(void)
{
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	rig_env_put("B A", "3", "1", "2", "0", "0");
	memdisk_power_cut(rig.disk, 0);
	memcpy(rig.pristine, rig.disk->durable, rig.size);
	rig_restore(1);
}

static enum detail settle(bool *settled)
{
	*settled = false;
	memset(&rig.result, 0xa5, sizeof(rig.result));
	return install_settle(&rig.device, "", settled, &rig.result, &rig.fault);
}

static bool newest_result(enum detail detail, enum result_what what)
{
	struct result r;
	return state_result(&rig.state, 0, &r) && r.fault.detail == detail && r.what == what;
}

static size_t count_results(void)
{
	struct result r;
	size_t n = 0;
	while (state_result(&rig.state, n, &r))
		n++;
	return n;
}

static struct fault health_failed(void)
{
	struct fault why = {.detail = DETAIL_HEALTH_FAILED};
	strcpy(why.object, "50-network");
	return why;
}

/* --- Settle --- */

static void settle_lets_a_trial_run(void **state)
{
	(void)state;
	bool settled;
	on_trial();
	assert_detail(settle(&settled), DETAIL_OK);
	check(!settled && rig_env_untouched());
	check(rig.state.journal.step == JOURNAL_COMMITTED);
	check(rig_choice_of(rig.disk->durable) == 'B');
}

/* The power went after the flip and before the journal's last word: said at the next start. */
static void settle_says_what_a_cut_kept_back(void **state)
{
	(void)state;
	struct fault why = health_failed();
	struct flags flags;
	bool settled;
	on_trial();
	rig.state.journal.step = JOURNAL_VERIFIED;
	assert_detail(state_store_journal(&rig.state, &rig.fault), DETAIL_OK);
	rig_boot(1);
	assert_detail(settle(&settled), DETAIL_OK);
	check(!settled && rig_env_untouched());
	rig_boot(1);
	check(rig.state.journal.step == JOURNAL_COMMITTED);
	/* So that a second cut, when the trial has been given up, leaves nothing pending (I6). */
	rig.disk->watch = NULL;
	memcpy(rig.pristine, rig.disk->durable, rig.size);
	for (long die = 0; die < 12; die++) {
		rig_restore(1);
		rig.disk->die = die;
		(void)install_reject(&rig.device, &why, &rig.result);
		memdisk_power_cut(rig.disk, 1);
		at_case("cut at %ld", die);
		rig_boot(rig_choice_of(rig.disk->durable) == 'B');
		assert_detail(install_load_flags(&rig.device, &flags, NULL, &rig.fault), DETAIL_OK);
		check(!install_is_pending(&rig.state, &flags));
	}
}

/*
 * The power went between the confirmation's store and the floor's, and what starts next is
 * recovery, where nobody confirms anything: an older package must not get past the old floor.
 */
static void i7_settle_raises_the_floor_of_a_confirmed_system(void **state)
{
	(void)state;
	struct flags flags;
	bool settled;
	for (int running = -1; running < 2; running += 2) {
		on_trial();
		assert_detail(install_load_flags(&rig.device, &flags, NULL, &rig.fault), DETAIL_OK);
		flags_confirm(&flags, 1, 3);
		assert_detail(rig.env.store.ops->store(&rig.env.store, &flags, false, &rig.fault),
			      DETAIL_OK);
		rig_boot(running);
		check(rig.state.record.rollback_floor == 7 && rig.state.record.key_epoch == 4);
		assert_detail(settle(&settled), DETAIL_OK);
		check(!settled);
		rig_boot(running);
		check(rig.state.record.rollback_floor == 8 && rig.state.record.key_epoch == 5);
		check(rig.state.record.slot[1].confirmed && rig.state.journal.step == JOURNAL_IDLE);
	}
}

static void settle_with_nothing_to_settle(void **state)
{
	(void)state;
	for (int running = -1; running <= 0; running++) {
		bool settled;
		rig_new(2);
		rig_restore(running);
		assert_detail(settle(&settled), DETAIL_OK);
		check(!settled && rig_env_untouched() && count_results() == 0);
	}
}

static void trial_is_over(const char *b_left)
{
	bool settled;
	on_trial();
	rig_env_put("B A", "3", "1", b_left, "0", "0");
	rig_boot(0);
	at_case("B has %s tries left", b_left);
	size_t before = count_results();
	assert_detail(
		install_settle(&rig.device, "no-tries-left", &settled, &rig.result, &rig.fault),
		DETAIL_OK);
	check(settled);
	check(rig.result.fault.detail == DETAIL_TRIAL_FAILED && rig.result.slot == 1 &&
	      rig.result.release == 10);
	check(!strcmp(rig.result.version, "10.0") &&
	      !memcmp(rig.result.package_id, rig.package->id, HASH_LEN));
	check(detail_status(rig.result.fault.detail) == STATUS_POSTCHECK_FAILED);
	/* Given up: not bootable until something is installed into it. */
	check(rig_choice_of(rig.disk->durable) == 'A');
	check(!strcmp(rig_env("BOOT_B_LEFT"), "0") && !strcmp(rig_env("BOOT_B_GOOD"), "0"));
	check(!strcmp(rig_env("BOOT_A_LEFT"), "3") && !strcmp(rig_env("BOOT_A_GOOD"), "1"));
	/* I7: a release that never confirmed itself raises nothing. */
	check(rig.state.record.rollback_floor == 7 && rig.state.record.key_epoch == 4);
	check(rig.state.record.confirmed_release == 9);
	/* Durable, told once. */
	memdisk_power_cut(rig.disk, 0);
	rig_boot(0);
	check(newest_result(DETAIL_TRIAL_FAILED, RESULT_TRIAL) && count_results() == before + 1);
	check(rig.state.journal.step == JOURNAL_IDLE);
	assert_detail(settle(&settled), DETAIL_OK);
	check(!settled && count_results() == before + 1);
	/* The next package goes into it. */
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B');
}

static void settle_gives_a_failed_trial_up(void **state)
{
	(void)state;
	trial_is_over("0");
}

/* Somebody chose the other slot by hand: the trial goes on at the next start. */
static void settle_keeps_a_trial_with_tries_left(void **state)
{
	(void)state;
	bool settled;
	on_trial();
	rig_boot(0);
	assert_detail(settle(&settled), DETAIL_OK);
	check(!settled && rig_env_untouched() && rig.state.journal.step == JOURNAL_COMMITTED);
	check(rig_choice_of(rig.disk->durable) == 'B');
}

static void settle_in_recovery_on_a_single_slot(void **state)
{
	(void)state;
	bool settled;
	rig_new(1);
	rig_restore(-1);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	rig_env_put("A", "0", "0", "0", "0", "0");
	rig_boot(-1);
	assert_detail(settle(&settled), DETAIL_OK);
	check(settled && newest_result(DETAIL_TRIAL_FAILED, RESULT_TRIAL));
	check(rig_choice_of(rig.disk->durable) == 'R');
	check(rig.state.record.rollback_floor == 7);
	/* The same package, or another one, can be installed again. */
	rig_boot(-1);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'A');
}

static void settle_cut_at_every_write(void **state)
{
	(void)state;
	size_t cuts = 0;
	on_trial();
	for (long die = 0; die < 200; die++)
		for (uint64_t seed = 0; seed < 6; seed++) {
			bool settled;
			rig_restore(0);
			rig_env_put("B A", "3", "1", "0", "0", "0");
			rig.disk->die = die;
			enum detail d = settle(&settled);
			bool died = rig.disk->dead;
			memdisk_power_cut(rig.disk, seed);
			at_case("cut at %ld seed %llu", die, (unsigned long long)seed);
			rig_i4_holds_on(rig.disk->durable);
			check(rig_choice_of(rig.disk->durable) == 'A');
			rig_boot(0);
			assert_detail(settle(&settled), DETAIL_OK);
			at_case("cut at %ld seed %llu: settled %d, journal %d, results %zu, B left "
				"%s",
				die, (unsigned long long)seed, settled, rig.state.journal.step,
				count_results(), rig_env("BOOT_B_LEFT"));
			check(newest_result(DETAIL_TRIAL_FAILED, RESULT_TRIAL));
			check(!strcmp(rig_env("BOOT_B_LEFT"), "0") &&
			      rig.state.journal.step == JOURNAL_IDLE);
			/* I6: as if there had been no cut. */
			check(!strcmp(rig_env("BOOT_ORDER"), "A"));
			if (!died) {
				assert_detail(d, DETAIL_OK);
				check(cuts > 10);
				return;
			}
			cuts++;
		}
	fail_msg("settle does not end");
}

/* --- Confirm --- */

static void is_confirmed(void)
{
	check(rig_choice_of(rig.disk->durable) == 'B');
	check(!strcmp(rig_env("BOOT_B_LEFT"), "3") && !strcmp(rig_env("BOOT_B_GOOD"), "1"));
	check(!strcmp(rig_env("BOOT_A_LEFT"), "3") && !strcmp(rig_env("BOOT_A_GOOD"), "1"));
	check(!strcmp(rig_env("fdtfile"), "board.dtb"));
	const struct state_record *r = &rig.state.record;
	check(r->rollback_floor == 8 && r->key_epoch == 5 && r->confirmed_release == 10 &&
	      r->self_starts == 0);
	check(r->slot[1].release == 10 && r->slot[1].confirmed &&
	      !strcmp(r->slot[1].version, "10.0"));
	check(!memcmp(r->slot[1].package_id, rig.package->id, HASH_LEN));
	check(r->slot[0].release == 9 && r->slot[0].confirmed);
	check(rig.state.journal.step == JOURNAL_IDLE);
}

static void i7_confirm_raises_floor_and_epoch(void **state)
{
	(void)state;
	on_trial();
	check(rig.state.record.rollback_floor == 7 && rig.state.record.key_epoch == 4);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(rig.result.what == RESULT_CONFIRM && rig.result.slot == 1 &&
	      rig.result.release == 10);
	is_confirmed();
	memdisk_power_cut(rig.disk, 0);
	rig_boot(1);
	is_confirmed();
	check(newest_result(DETAIL_OK, RESULT_CONFIRM));
	/* What is below the new floor is refused from now on, consent or not. */
	static const struct install_options consent = {.wanted = -1, .allow_older = true};
	memcpy(rig.pristine, rig.disk->durable, rig.size);
	memdisk_forget_ops(rig.disk);
	assert_detail(rig_install_with(rig_package(7, 7, "product"), &consent), DETAIL_BELOW_FLOOR);
	rig_nothing_was_changed();
}

static void confirm_again_changes_nothing(void **state)
{
	(void)state;
	on_trial();
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	for (int i = 0; i < 3; i++) {
		rig_boot(1);
		assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
		is_confirmed();
	}
	/* A system that was good before there was a journal. */
	rig_new(2);
	rig_restore(0);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'A' && !strcmp(rig_env("BOOT_A_GOOD"), "1"));
	check(rig.state.record.rollback_floor == 7 && rig.state.record.confirmed_release == 9);
}

static void confirm_gives_the_tries_back(void **state)
{
	(void)state;
	static const char *const left[] = {"0", "1", "2",
					   "3"}; /* 0: the last try is the one that runs */
	for (size_t i = 0; i < COUNT(left); i++) {
		on_trial();
		rig_env_put("B A", "3", "1", left[i], "0", "0");
		rig_boot(1);
		at_case("%s left", left[i]);
		assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
		is_confirmed();
		/* A good system that starts now and then uses up a try each time; so for it as
		 * well. */
		rig_env_put("B A", "3", "1", left[i], "1", "0");
		rig_boot(1);
		assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
		is_confirmed();
	}
}

static void confirm_in_recovery_is_refused(void **state)
{
	(void)state;
	on_trial();
	rig_boot(-1);
	check(install_confirm(&rig.device, &rig.result) != DETAIL_OK);
	check(rig_env_untouched() && rig.state.record.rollback_floor == 7);
}

/* I7: the other slot's system runs and confirms itself: that says nothing about the release that
 * was installed. */
static void i7_confirm_of_another_slot_raises_nothing(void **state)
{
	(void)state;
	on_trial();
	rig_boot(0);
	(void)install_confirm(&rig.device, &rig.result);
	check(rig.state.record.rollback_floor == 7 && rig.state.record.key_epoch == 4);
	check(strcmp(rig_env("BOOT_B_GOOD"), "1") != 0 && !rig.state.record.slot[1].confirmed);
}

/* One block of the state partition goes bad after the confirmation: unreadable, or other bytes. */
static void one_bad_block_keeps_the_floor(void)
{
	const struct part *state = rig_part("state");
	for (uint64_t block = 0; block < 4; block++)
		for (int rots = 0; rots < 2; rots++) {
			uint8_t *byte = rig.disk->now + state->off + block * 4096 + 700;
			if (rots)
				rig.disk->durable[byte - rig.disk->now] = *byte ^= 1;
			else
				rig.disk->bad_off = state->off + block * 4096;
			rig_boot(1);
			check(rig.state.record.rollback_floor == 8 &&
			      rig.state.record.key_epoch == 5);
			rig.disk->bad_off = UINT64_MAX;
			if (rots)
				rig.disk->durable[byte - rig.disk->now] = *byte ^= 1;
		}
	rig_boot(1);
}

/* I7 and I4 at every write: what is raised on the medium belongs to a system that is marked good on
 * the medium. */
static void i7_confirm_cut_at_every_write(void **state)
{
	(void)state;
	size_t cuts = 0;
	on_trial();
	for (long die = 0; die < 200; die++)
		for (uint64_t seed = 0; seed < 6; seed++) {
			bool settled;
			rig_restore(1);
			rig.disk->die = die;
			enum detail d = install_confirm(&rig.device, &rig.result);
			bool died = rig.disk->dead;
			memdisk_power_cut(rig.disk, seed);
			at_case("cut at %ld seed %llu", die, (unsigned long long)seed);
			rig_i4_holds_on(rig.disk->durable);
			check(rig_choice_of(rig.disk->durable) == 'B');
			rig_boot(1);
			if (rig.state.record.rollback_floor > 7 || rig.state.record.key_epoch > 4)
				check(!strcmp(rig_env("BOOT_B_GOOD"), "1"));
			assert_detail(settle(&settled), DETAIL_OK);
			check(!settled);
			assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
			is_confirmed();
			one_bad_block_keeps_the_floor();
			if (!died) {
				assert_detail(d, DETAIL_OK);
				check(cuts > 15);
				return;
			}
			cuts++;
		}
	fail_msg("confirm does not end");
}

/* A failing operation is told, and confirming again goes on. */
static void confirm_with_failing_operations(void **state)
{
	(void)state;
	on_trial();
	for (int kind = 0; kind < 3; kind++)
		for (long n = 0; n < 100; n++) {
			rig_restore(1);
			long *fail = kind == 0	 ? &rig.disk->fail_write
				     : kind == 1 ? &rig.disk->fail_flush
						 : &rig.disk->fail_read;
			*fail = n;
			at_case("kind %d operation %ld", kind, n);
			enum detail d = install_confirm(&rig.device, &rig.result);
			bool fired = *fail == -1;
			*fail = -1;
			if (d != DETAIL_OK)
				check(detail_status(d) == STATUS_INSTALL_FAILED &&
				      rig.result.fault.detail == d);
			memdisk_power_cut(rig.disk,
					  (uint64_t)n % 3); /* a failed flush says nothing */
			rig_boot(1);
			assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
			is_confirmed();
			if (!fired)
				break;
		}
}

/* An older release that was installed with consent confirms itself: nothing goes down. */
static void i7_confirm_of_an_older_release(void **state)
{
	(void)state;
	static const struct install_options consent = {.wanted = -1, .allow_older = true};
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install_with(rig_package(8, 8, "product"), &consent), DETAIL_OK);
	rig_boot(1);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(rig.state.record.rollback_floor == 7 && rig.state.record.key_epoch == 4);
	check(rig.state.record.confirmed_release == 9 && rig.state.record.slot[1].release == 8);
}

/* --- Reject --- */

static void reject_gives_a_trial_up(void **state)
{
	(void)state;
	struct fault why = health_failed();
	bool settled;
	on_trial();
	(void)install_reject(&rig.device, &why, &rig.result);
	check(rig.result.fault.detail == DETAIL_HEALTH_FAILED && rig.result.slot == 1);
	check(detail_status(rig.result.fault.detail) == STATUS_POSTCHECK_FAILED);
	check(rig_choice_of(rig.disk->durable) == 'A' && !strcmp(rig_env("BOOT_B_LEFT"), "0"));
	memdisk_power_cut(rig.disk, 0);
	rig_boot(0);
	struct result r;
	bool told = false;
	for (uint64_t back = 0; back < 2; back++)
		told |= state_result(&rig.state, back, &r) &&
			r.fault.detail == DETAIL_HEALTH_FAILED &&
			!strcmp(r.fault.object, "50-network");
	check(told);
	assert_detail(settle(&settled), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'A' && rig.state.journal.step == JOURNAL_IDLE);
	check(rig.state.record.rollback_floor == 7);
}

/* A good system that fails a check once is no reason to take it away; nor is a trial when nothing
 * else would start. */
static void reject_leaves_what_is_needed(void **state)
{
	(void)state;
	struct fault why = health_failed();
	rig_new(2);
	rig_restore(0);
	(void)install_reject(&rig.device, &why, &rig.result);
	check(rig_choice_of(rig.disk->durable) == 'A' && !strcmp(rig_env("BOOT_A_GOOD"), "1"));
	check(newest_result(DETAIL_HEALTH_FAILED, RESULT_TRIAL) ||
	      newest_result(DETAIL_HEALTH_FAILED, RESULT_CONFIRM));
}

static void reject_cut_at_every_write(void **state)
{
	(void)state;
	on_trial();
	for (long die = 0; die < 200; die++)
		for (uint64_t seed = 0; seed < 4; seed++) {
			struct fault why = health_failed();
			rig_restore(1);
			rig.disk->die = die;
			(void)install_reject(&rig.device, &why, &rig.result);
			bool died = rig.disk->dead;
			memdisk_power_cut(rig.disk, seed);
			at_case("cut at %ld seed %llu", die, (unsigned long long)seed);
			rig_i4_holds_on(rig.disk->durable);
			check(rig_choice_of(rig.disk->durable) != 'R');
			rig_boot(rig_choice_of(rig.disk->durable) == 'B');
			check(rig.state.record.rollback_floor == 7);
			/* I6: given up and journalled, or neither and on trial still. */
			bool settled, given_up = !strcmp(rig_env("BOOT_ORDER"), "A");
			struct flags flags;
			assert_detail(install_load_flags(&rig.device, &flags, NULL, &rig.fault),
				      DETAIL_OK);
			check(!install_is_pending(&rig.state, &flags));
			assert_detail(settle(&settled), DETAIL_OK);
			check(rig.state.journal.step ==
			      (given_up ? JOURNAL_IDLE : JOURNAL_COMMITTED));
			if (!died) {
				check(die > 2);
				return;
			}
		}
	fail_msg("reject does not end");
}

/* --- Flags that are damaged --- */

static void damaged_flags_are_told(void **state)
{
	(void)state;
	bool settled;
	for (int unreadable = 0; unreadable < 2; unreadable++) {
		rig_new(2);
		rig_restore(0);
		memset(rig.disk->now + ENV_A, 0xee, ENV_SIZE);
		memset(rig.disk->now + ENV_B, 0xee, ENV_SIZE);
		memcpy(rig.disk->durable + ENV_A, rig.disk->now + ENV_A, ENV_B + ENV_SIZE - ENV_A);
		if (unreadable)
			rig.disk->bad_off = ENV_A;
		at_case("unreadable %d", unreadable);
		check(install_request_recovery(&rig.device, "request", &rig.fault) != DETAIL_OK);
		(void)settle(&settled);
		for (size_t i = 0; i < rig.disk->op_count; i++) /* nothing was guessed into them */
			check(rig.disk->ops[i].kind != OP_WRITE ||
			      strcmp(rig.disk->ops[i].dev, "disk"));
	}
}

/* The system that runs and is known to be good may write them anew; what it writes is no guess. */
static void confirm_with_damaged_flags(void **state)
{
	(void)state;
	for (int running = 0; running < 2; running++) {
		rig_new(2);
		rig_put_slot(rig.pristine, 1,
			     rig.package); /* a system that runs is a complete one */
		rig_restore(running);
		memset(rig.disk->now + ENV_A, 0xee, ENV_SIZE);
		memset(rig.disk->now + ENV_B, 0xee, ENV_SIZE);
		memcpy(rig.disk->durable + ENV_A, rig.disk->now + ENV_A, ENV_B + ENV_SIZE - ENV_A);
		enum detail d = install_confirm(&rig.device, &rig.result);
		char choice = rig_choice_of(rig.disk->durable);
		at_case("running %d: %s, then %c boots", running, detail_name(d), choice);
		rig_i4_holds_on(rig.disk->durable);
		check(choice == 'R' || (d == DETAIL_OK && choice == 'A' + running));
		/* I7: nothing is known of a release that was on trial. */
		check(rig.state.record.rollback_floor == 7 && rig.state.record.key_epoch == 4);
	}
}

/* Both copies damaged: what the device record knows of confirmed slots, marked as to be written
 * anew. */
static void flags_from_the_device_record(void **state)
{
	(void)state;
	struct flags flags;
	bool anew = false;
	rig_new(2);
	rig_restore(-1);
	assert_detail(install_load_flags(&rig.device, &flags, &anew, &rig.fault), DETAIL_OK);
	check(!anew && flags.slot[0].good && flags_choice(&flags) == 0);
	memset(rig.disk->now + ENV_A, 0xee, ENV_SIZE);
	memset(rig.disk->now + ENV_B, 0xee, ENV_SIZE);
	assert_detail(install_load_flags(&rig.device, &flags, NULL, &rig.fault),
		      DETAIL_FLAGS_DAMAGED);
	assert_detail(install_load_flags(&rig.device, &flags, &anew, &rig.fault), DETAIL_OK);
	check(anew && flags.slot[0].good && !flags.slot[1].good && flags.slot[1].tries == 0);
	/* The newer of two that have confirmed themselves comes first. */
	rig.state.record.slot[1] = (struct state_slot){.release = 10, .confirmed = true};
	assert_detail(install_load_flags(&rig.device, &flags, &anew, &rig.fault), DETAIL_OK);
	check(anew && flags.order_count == 2 && flags.order[0] == 1 && flags.order[1] == 0);
	check(flags.slot[0].tries == 3 && flags.slot[1].tries == 3 && flags_choice(&flags) == 1);
	rig.state.record.slot[1].release = 9;
	assert_detail(install_load_flags(&rig.device, &flags, &anew, &rig.fault), DETAIL_OK);
	check(flags.order[0] == 0 && flags.order[1] == 1);
	rig.disk->bad_off = ENV_B;
	anew = false;
	enum detail d = install_load_flags(&rig.device, &flags, &anew, &rig.fault);
	check(d != DETAIL_OK && !anew);
}

/* The floor has dropped a slot from the flags, and the record still names it: it stays dropped. */
static void i7_flags_from_the_record_keep_the_floor(void **state)
{
	(void)state;
	for (uint64_t floor = 8; floor <= 10; floor++) {
		struct flags flags;
		bool anew = false;
		on_trial(); /* A: release 9, confirmed; B: release 10 */
		rig.state.journal.rollback_floor = floor;
		assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
		check(rig.state.record.rollback_floor == floor);
		memset(rig.disk->now + ENV_A, 0xee, ENV_SIZE);
		memset(rig.disk->now + ENV_B, 0xee, ENV_SIZE);
		memcpy(rig.disk->durable + ENV_A, rig.disk->now + ENV_A, ENV_B + ENV_SIZE - ENV_A);
		rig_boot(-1);
		assert_detail(install_load_flags(&rig.device, &flags, &anew, &rig.fault),
			      DETAIL_OK);
		at_case("floor %d: %d slots", (int)floor, (int)flags.order_count);
		check(anew && flags.order[0] == 1 && flags.slot[1].good);
		check(flags_in_order(&flags, 0) == (floor <= 9));
		check(flags.slot[0].good == (floor <= 9) && !flags.slot[0].tries == (floor > 9));
	}
}

/* --- The whole circle --- */

static void boots_are_counted(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	for (uint64_t n = 1; n <= 9; n++) {
		assert_detail(install_count_start(&rig.device, true, &rig.fault), DETAIL_OK);
		memdisk_power_cut(rig.disk, 0);
		rig_boot(0);
		check(rig.state.record.boot_count == n);
		check(rig.state.record.rollback_floor == 7 &&
		      rig.state.record.slot[0].release == 9);
	}
}

/* I11: the running system on trial, and the only slot that has confirmed itself. */
static void i11_no_install_before_the_confirmation(void **state)
{
	(void)state;
	on_trial();
	struct pkg *next = rig_package(11, 11, "product");
	assert_detail(rig_install(next), DETAIL_NOT_CONFIRMED_YET);
	rig_nothing_was_changed();
	rig_boot(1);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	rig_boot(1);
	assert_detail(rig_install(next), DETAIL_OK);
	check(rig_slot_holds(rig.disk->durable, 0, next) &&
	      rig_choice_of(rig.disk->durable) == 'A');
}

static void five_updates_in_a_row(void **state)
{
	(void)state;
	int running = 0;
	rig_new(2);
	rig_restore(0);
	for (uint64_t release = 10; release < 15; release++) {
		struct pkg *pkg = rig_package(release, release, "product");
		const char *other = running ? "system_b" : "system_a";
		uint8_t *kept = arena_copy(rig.disk->durable + rig_part(other)->off, SYSTEM_LEN);
		bool settled;
		at_case("release %llu", (unsigned long long)release);
		assert_detail(rig_install(pkg), DETAIL_OK);
		running = !running;
		check(rig_choice_of(rig.disk->durable) == 'A' + running);
		check(rig_slot_holds(rig.disk->durable, running, pkg));
		check(!memcmp(kept, rig.disk->durable + rig_part(other)->off, SYSTEM_LEN));
		memdisk_power_cut(rig.disk, release);
		rig_boot(running);
		assert_detail(settle(&settled), DETAIL_OK);
		check(!settled);
		assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
		memdisk_power_cut(rig.disk, release + 1);
		rig_boot(running);
		check(rig.state.record.rollback_floor == release - 2);
		check(rig.state.record.slot[running].release == release);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(settle_lets_a_trial_run),
		TEST(settle_says_what_a_cut_kept_back),
		TEST(i7_settle_raises_the_floor_of_a_confirmed_system),
		TEST(settle_with_nothing_to_settle),
		TEST(settle_gives_a_failed_trial_up),
		TEST(settle_keeps_a_trial_with_tries_left),
		TEST(settle_in_recovery_on_a_single_slot),
		TEST(settle_cut_at_every_write),
		TEST(i7_confirm_raises_floor_and_epoch),
		TEST(confirm_again_changes_nothing),
		TEST(confirm_gives_the_tries_back),
		TEST(confirm_in_recovery_is_refused),
		TEST(i7_confirm_of_another_slot_raises_nothing),
		TEST(i7_confirm_cut_at_every_write),
		TEST(confirm_with_failing_operations),
		TEST(i7_confirm_of_an_older_release),
		TEST(reject_gives_a_trial_up),
		TEST(reject_leaves_what_is_needed),
		TEST(reject_cut_at_every_write),
		TEST(damaged_flags_are_told),
		TEST(confirm_with_damaged_flags),
		TEST(flags_from_the_device_record),
		TEST(i7_flags_from_the_record_keep_the_floor),
		TEST(boots_are_counted),
		TEST(i11_no_install_before_the_confirmation),
		TEST(five_updates_in_a_row),
	};
	return RUN_ALL(tests);
}
