/*
 * Boot flags of before: a boot loader that could not read the newer copy for once and stored the
 * older one (P4 of DESIGN.md), a hand with fw_setenv, and one block of the state partition that
 * went bad meanwhile. What had proved itself stays so, and floor and epoch are those of the package
 * that runs, however it came to run (I7).
 */
#include "support_rig.h"

/* The boot script, with the try that it stores. p4: the newer copy cannot be read. Returns what it
 * starts. */
static char start(bool p4)
{
	uint8_t *copies[] = {rig.disk->durable + ENV_A, rig.disk->durable + ENV_B};
	static uint8_t vars[ENV_SIZE];
	size_t len = 0;
	memdisk_power_cut(rig.disk, 0);
	int from = rig_env_of(rig.disk->durable) == copies[1];
	from ^= p4;
	char slot = env_choice(copies[from], ENV_SIZE);
	if (slot == 'R')
		return slot;
	char name[] = "BOOT_?_LEFT=";
	name[5] = slot;
	for (const char *at = (const char *)copies[from] + 5; *at; at += strlen(at) + 1) {
		memcpy(vars + len, at, strlen(at) + 1);
		if (!strncmp(at, name, 12))
			vars[len + 12]--;
		len += strlen(at) + 1;
	}
	env_make(copies[!from], ENV_SIZE, (uint8_t)(copies[from][4] + 1), (const char *)vars,
		 len - 1);
	memcpy(rig.disk->now, rig.disk->durable, rig.size);
	return slot;
}

/* Starts, and settles. */
static char comes_up(bool p4, bool *settled)
{
	char slot = start(p4);
	rig_boot(slot == 'R' ? -1 : slot - 'A');
	memset(&rig.result, 0xa5, sizeof(rig.result));
	assert_detail(install_settle(&rig.device, "", settled, &rig.result, &rig.fault), DETAIL_OK);
	return slot;
}

static size_t count_results(enum detail detail)
{
	struct result r;
	size_t n = 0;
	for (uint64_t back = 0; state_next_result(&rig.state, &back, &r);)
		n += r.fault.detail == detail;
	return n;
}

static bool is_raised(void)
{
	return rig.state.record.rollback_floor == 8 && rig.state.record.key_epoch == 5;
}

/* Release 10 in B asks for floor 10, confirms itself with its last try, and P4 follows. */
static void i7_what_is_below_the_floor_does_not_come_back(void **state)
{
	(void)state;
	for (uint32_t tries = 1; tries <= 3; tries++) {
		bool settled;
		rig_new(2);
		rig_restore(0);
		rig.board.tries = tries;
		struct pkg *pkg = rig_package(10, 10, "product");
		prop_u64(pkg->root, "rollback-floor", 10);
		pkg_seal(pkg);
		assert_detail(rig_install(pkg), DETAIL_OK);
		for (uint32_t i = 0; i < tries; i++)
			check(comes_up(false, &settled) == 'B');
		assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
		at_case("tries %u", tries);
		if (comes_up(true, &settled) == 'A')
			assert_detail(install_confirm(&rig.device, &rig.result),
				      DETAIL_SLOT_NOT_BOOTABLE);
		check(rig.state.record.rollback_floor == 10);
		check(comes_up(false, &settled) == 'B' && !strcmp(rig_env("BOOT_ORDER"), "B"));
		check(!strcmp(rig_env("BOOT_B_GOOD"), "1") && !strcmp(rig_env("BOOT_A_GOOD"), "0"));
	}
}

/* By hand, into the order again; and where nothing else has proved itself it is not taken away. */
static void i7_what_a_hand_put_back_is_dropped(void **state)
{
	(void)state;
	for (int other = 0; other < 2; other++) {
		bool settled;
		rig_new(2);
		rig_restore(0);
		rig.state.record.rollback_floor = 10;
		rig.state.record.slot[1].release = 10;
		rig.state.record.slot[1].confirmed = other;
		assert_detail(state_store_record(&rig.state, &rig.fault), DETAIL_OK);
		rig_env_put("A B", "3", "1", other ? "3" : "0", other ? "1" : "0", "0");
		at_case("other %d", other);
		check(comes_up(false, &settled) == 'A');
		check(comes_up(false, &settled) == (other ? 'B' : 'A'));
	}
}

/* P4 at the restart after an install: the flip is gone, and that is told, once. */
static void a_flip_that_is_lost_is_told(void **state)
{
	(void)state;
	bool settled;
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(comes_up(true, &settled) == 'A' && settled);
	check(rig.result.fault.detail == DETAIL_FLAGS_WENT_BACK && rig.result.release == 10);
	check(rig.result.what == RESULT_TRIAL && rig.result.slot == 1);
	check(!strcmp(rig.result.fault.object, "release 10 (10.0) in slot B"));
	check(comes_up(false, &settled) == 'A' && !settled);
	check(count_results(DETAIL_FLAGS_WENT_BACK) == 1);
	/* It has not failed: it may be installed again. */
	check(!install_has_failed(&rig.state, rig.package->id));
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(comes_up(false, &settled) == 'B' && !settled);
}

/* With one slot recovery starts, which reads both copies. */
static void a_flip_that_was_not_seen_is_not_lost(void **state)
{
	(void)state;
	bool settled;
	rig_new(1);
	rig_restore(-1);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(comes_up(true, &settled) == 'R' && !settled);
	check(comes_up(false, &settled) == 'A' && !settled);
}

/* What a trial's end has told already is not told as that. */
static void a_trial_that_ended_is_no_lost_flip(void **state)
{
	(void)state;
	struct fault why = {.detail = DETAIL_REJECTED};
	for (int rejected = 0; rejected < 2; rejected++) {
		bool settled;
		rig_new(2);
		rig_restore(0);
		assert_detail(rig_install(rig.package), DETAIL_OK);
		check(comes_up(false, &settled) == 'B');
		if (rejected) {
			install_reject(&rig.device, &why, &rig.result);
		} else {
			rig_env_put("B A", "3", "1", "0", "0", "0");
			check(comes_up(false, &settled) == 'A' && settled);
		}
		/* The journal's end was lost. */
		rig.state.journal.step = JOURNAL_COMMITTED;
		assert_detail(state_store_journal(&rig.state, &rig.fault), DETAIL_OK);
		at_case("rejected %d", rejected);
		check(comes_up(false, &settled) == 'A' && !settled);
		check(!count_results(DETAIL_FLAGS_WENT_BACK));
	}
}

/* --- Who confirms himself without a journal --- */

/* P4 after a rejection, and a hand after a failed trial: it runs, and confirms itself. */
static void i7_started_again_after_its_trial(void **state)
{
	(void)state;
	struct fault why = {.detail = DETAIL_REJECTED};
	for (int by_hand = 0; by_hand < 2; by_hand++) {
		bool settled;
		rig_new(2);
		rig_restore(0);
		assert_detail(rig_install(rig.package), DETAIL_OK);
		check(comes_up(false, &settled) == 'B');
		install_reject(&rig.device, &why, &rig.result);
		at_case("by hand %d", by_hand);
		if (by_hand)
			rig_env_put("B A", "3", "1", "3", "0", "0");
		check(comes_up(!by_hand, &settled) == 'B');
		assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
		check(is_raised());
	}
}

/* A new device: an agent in the system on trial begins the next install before it is confirmed. */
static void i7_confirmed_after_another_install_began(void **state)
{
	(void)state;
	bool settled;
	rig_new(2);
	rig_restore(-1);
	rig_env_put("", "0", "0", "0", "0", "0");
	rig_boot(-1);
	memset(&rig.state.record.slot, 0, sizeof(rig.state.record.slot));
	assert_detail(rig_install(rig.package), DETAIL_OK);
	char slot = comes_up(false, &settled);
	rig.observer.stop_after = 7;
	assert_detail(rig_install(rig_package(11, 11, "product")), DETAIL_INTERRUPTED);
	check(comes_up(false, &settled) == slot);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(is_raised());
}

/* One block of the state partition goes bad between the flip and the first start. */
static void i7_one_bad_block_after_the_flip(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++)
		for (uint64_t block = 0; block < 4; block++) {
			bool settled;
			rig_new(slots);
			rig_restore(-1);
			assert_detail(rig_install(rig.package), DETAIL_OK);
			at_case("slots %zu block %llu", slots, (unsigned long long)block);
			check(start(false) == (slots == 2 ? 'B' : 'A'));
			rig.disk->bad_off = rig_part("state")->off + block * 4096;
			rig_boot((int)slots - 1);
			settled = true;
			assert_detail(
				install_settle(&rig.device, "", &settled, &rig.result, &rig.fault),
				DETAIL_OK);
			check(!settled);
			assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
			check(is_raised() && rig.state.record.slot[slots - 1].release == 10);
		}
}

/* A trial that an older lifeboat began, whose record says nothing of floors: the journal does. */
static void i7_floor_of_a_record_of_before(void **state)
{
	(void)state;
	bool settled;
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	rig.state.record.slot[1].rollback_floor = rig.state.record.slot[1].key_epoch = 0;
	assert_detail(state_store_record(&rig.state, &rig.fault), DETAIL_OK);
	check(comes_up(false, &settled) == 'B');
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(is_raised());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(i7_what_is_below_the_floor_does_not_come_back),
		TEST(i7_what_a_hand_put_back_is_dropped),
		TEST(a_flip_that_is_lost_is_told),
		TEST(a_flip_that_was_not_seen_is_not_lost),
		TEST(a_trial_that_ended_is_no_lost_flip),
		TEST(i7_started_again_after_its_trial),
		TEST(i7_confirmed_after_another_install_began),
		TEST(i7_one_bad_block_after_the_flip),
		TEST(i7_floor_of_a_record_of_before),
	};
	return RUN_ALL(tests);
}
