/*
 * The target of an install while it is no system: who may bring it back, and who may not. The boot
 * loader, when it could not read the newer copy of the flags and went by the older one; a hand; a
 * confirmation of what cannot have been started; a package that is not the one that was agreed to.
 */
#include "support_rig.h"

/* Release 10 is being written; some chunks of it are there. */
static void interrupted(size_t slots, int running)
{
	long polls = 0;

	rig_new(slots);
	/* With one slot the whole package is proved first. */
	do {
		rig_restore(running);
		rig.observer.stop_after = polls += 4;
		assert_detail(rig_install(rig.package), DETAIL_INTERRUPTED);
	} while (rig.state.journal.step == JOURNAL_IDLE);
	rig.observer.stop_after = -1;
	memdisk_power_cut(rig.disk, 0);
	memcpy(rig.pristine, rig.disk->durable, rig.size);
}

static bool copy_says(uint64_t off, const char *name, const char *value)
{
	const char *is = env_get(rig.disk->durable + off, ENV_SIZE, name);

	return env_valid(rig.disk->durable + off, ENV_SIZE) && is && !strcmp(is, value);
}

/* I2: the older copy is what a boot loader goes by that cannot read the newer one for once. */
static void i2_both_copies_say_that_it_is_marked(void **state)
{
	(void)state;
	static const uint64_t offs[] = {ENV_A, ENV_B};
	for (int resumed = 0; resumed < 2; resumed++) {
		interrupted(2, 0);
		if (resumed) {
			/* U-Boot has stored a try since; its other copy may say anything. */
			rig_env_put("A B", "3", "1", "3", "1", "0");
			rig_restore(0);
			rig_env_put("A B", "3", "1", "3", "1", "0");
			rig_boot(0);
			rig.observer.stop_after = 1;
			assert_detail(rig_install(rig.package), DETAIL_INTERRUPTED);
			memdisk_power_cut(rig.disk, 0);
		}
		for (size_t i = 0; i < COUNT(offs); i++) {
			at_case("resumed %d, copy %zu", resumed, i);
			check(copy_says(offs[i], "BOOT_ORDER", "A") &&
			      copy_says(offs[i], "BOOT_B_LEFT", "0") &&
			      copy_says(offs[i], "BOOT_B_GOOD", "0"));
		}
	}
}

/* I2: flags of long ago call the target bootable again. Settling takes it out, in both copies. */
static void i2_a_target_that_was_brought_back(void **state)
{
	(void)state;
	for (int by_recovery = 0; by_recovery < 2; by_recovery++)
		for (int good = 0; good < 2; good++) {
			bool settled;
			interrupted(2, 0);
			at_case("recovery %d, good %d", by_recovery, good);
			rig_env_put("A B", "2", "1", "3", good ? "1" : "0", "0");
			rig_boot(by_recovery ? -1 : 0);
			assert_detail(
				install_settle(&rig.device, "", &settled, &rig.result, &rig.fault),
				DETAIL_OK);
			memdisk_power_cut(rig.disk, 0);
			check(copy_says(ENV_A, "BOOT_ORDER", "A") &&
			      copy_says(ENV_B, "BOOT_ORDER", "A"));
			check(copy_says(ENV_A, "BOOT_B_GOOD", "0") &&
			      copy_says(ENV_B, "BOOT_B_GOOD", "0"));
			/* It is still what is pending, and it is no system. */
			rig_boot(by_recovery ? -1 : 0);
			check(rig.state.journal.step == JOURNAL_PROGRESS ||
			      rig.state.journal.step == JOURNAL_BEGIN);
			check(!rig.state.record.slot[1].confirmed);
			assert_detail(rig_install(rig.package), DETAIL_OK);
			check(rig_slot_holds(rig.disk->now, 1, rig.package));
		}
}

/* A new system that runs, and a journal whose last words were lost, is not taken away. */
static void a_flip_that_the_journal_does_not_know_of(void **state)
{
	(void)state;
	static const enum journal_step steps[] = {JOURNAL_BEGIN, JOURNAL_PROGRESS, JOURNAL_WRITTEN,
						  JOURNAL_VERIFIED};
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	memdisk_power_cut(rig.disk, 0);
	memcpy(rig.pristine, rig.disk->durable, rig.size);
	for (size_t i = 0; i < COUNT(steps); i++)
		for (int running = 0; running < 2; running++) {
			bool settled;
			at_case("step %d, slot %d runs", steps[i], running);
			rig_restore(running);
			rig.state.journal.step = steps[i];
			assert_detail(state_store_journal(&rig.state, &rig.fault), DETAIL_OK);
			rig_boot(running);
			assert_detail(
				install_settle(&rig.device, "", &settled, &rig.result, &rig.fault),
				DETAIL_OK);
			check(!settled && rig_choice_of(rig.disk->now) == 'B');
			check(rig.state.journal.step == JOURNAL_COMMITTED);
		}
}

/* I4: a slot that is being written, or was given up, does not become good by being called so. */
static void i4_what_cannot_have_been_started_does_not_confirm(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		int target = slots == 2;
		interrupted(slots, slots == 2 ? 0 : -1);
		for (int listed = 0; listed < 2; listed++) {
			at_case("%zu slots, listed %d", slots, listed);
			rig_restore(target);
			if (listed)
				rig_env_put(slots == 2 ? "B A" : "A", "3", "1", "3", "1", "0");
			rig_boot(target);
			memdisk_forget_ops(rig.disk);
			assert_detail(install_confirm(&rig.device, &rig.result),
				      DETAIL_SLOT_NOT_BOOTABLE);
			check(!strcmp(rig.result.fault.object, slots == 2 ? "slot B" : "slot A"));
			check(!rig.state.record.slot[target].confirmed && rig.disk->writes == 0);
			check(install_is_pending(&rig.state, &(struct flags){.order_count = 0}));
		}
	}
	/* Given up in this very start. */
	struct fault why;
	rig_new(2);
	rig_restore(0);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	rig_boot(1);
	fault_set(&why, DETAIL_REJECTED, "by hand");
	assert_detail(install_reject(&rig.device, &why, &rig.result), DETAIL_REJECTED);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_SLOT_NOT_BOOTABLE);
	check(rig_choice_of(rig.disk->now) == 'A' && rig.state.record.rollback_floor == 7);
}

/* The last resort of the boot script: a good slot that is in no order. */
static void a_good_slot_in_no_order_confirms(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	rig_env_put("", "2", "1", "0", "0", "0");
	rig_boot(0);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(rig_choice_of(rig.disk->now) == 'A');
}

/* I8: a restart after a rejection has to lead somewhere. */
static void i8_a_rejection_that_leads_nowhere(void **state)
{
	(void)state;
	struct fault why;
	static const struct {
		const char *left, *good;
		int leads;
	} table[] = {{"3", "1", 0}, {"2", "1", 1}, {"0", "1", 1}, {"2", "0", 1}, {"3", "0", 1}};
	fault_set(&why, DETAIL_HEALTH_FAILED, "50-storage");
	for (size_t i = 0; i < COUNT(table); i++) {
		at_case("%s tries, good %s", table[i].left, table[i].good);
		rig_new(2);
		rig_restore(0);
		rig_env_put("A B", table[i].left, table[i].good, "3", "1", "0");
		rig_boot(0);
		install_reject(&rig.device, &why, &rig.result);
		check(install_may_restart(&rig.device) == table[i].leads);
	}
	/* On trial, and the flags take no store: no try was taken, so nothing would change. */
	rig_new(2);
	rig_restore(0);
	rig_env_put("A B", "3", "0", "3", "1", "0");
	rig_boot(0);
	rig.disk->bad_write_off = ENV_A + 7;
	rig.disk->fail_flush = 0;
	rig.disk->fail_more = 100;
	install_reject(&rig.device, &why, &rig.result);
	rig.disk->fail_more = 0;
	check(!install_may_restart(&rig.device));
	rig.disk->dead = true;
	check(!install_may_restart(&rig.device));
}

/* What was shown and agreed to is what is installed. */
static void another_package_than_agreed(void **state)
{
	(void)state;
	struct install_options options = {.wanted = -1, .allow_older = true};
	struct pkg *other = rig_package(10, 77, "product");
	struct plan plan;
	rig_new(2);
	rig_restore(-1);
	options.id = rig.package->id;
	memdisk_forget_ops(rig.disk);
	assert_detail(rig_install_with(other, &options), DETAIL_PACKAGE_SWAPPED);
	rig_nothing_was_changed();
	memsource_init(&rig.source, other->bytes, other->len);
	assert_detail(install_plan(&rig.device, &rig.source.source, &options, &plan, &rig.fault),
		      DETAIL_PACKAGE_SWAPPED);
	assert_detail(rig_install_with(rig.package, &options), DETAIL_OK);
}

/* The same package into the other slot is another install: older needs consent again. */
static void resuming_is_for_the_same_slot(void **state)
{
	(void)state;
	struct install_options options = {.wanted = 0};
	struct plan plan;
	rig_new(2);
	rig_restore(-1);
	rig_env_put("A B", "3", "1", "3", "1", "0");
	rig_boot(-1);
	rig.state.journal = (struct journal){.step = JOURNAL_PROGRESS, .target = 1};
	memcpy(rig.state.journal.package_id, rig.package->id, HASH_LEN);
	for (int wanted = -1; wanted < 2; wanted++) {
		at_case("wanted %d", wanted);
		options.wanted = wanted;
		memsource_init(&rig.source, rig.package->bytes, rig.package->len);
		assert_detail(
			install_plan(&rig.device, &rig.source.source, &options, &plan, &rig.fault),
			DETAIL_OK);
		check(plan.resume == (wanted != 0) && plan.target == (wanted == 0 ? 0u : 1u));
	}
}

/*
 * A board tree that lost a slot: the journal of it is no resumption, and does not stay. The only
 * system is not given up for a package that was not proved.
 */
static void a_journal_for_a_slot_that_the_board_lost(void **state)
{
	(void)state;
	bool settled;
	struct pkg *damaged = rig_package(10, 10, "product");
	rig_new(1);
	rig_restore(-1);
	rig.state.journal = (struct journal){.step = JOURNAL_PROGRESS, .target = 1};
	memcpy(rig.state.journal.package_id, damaged->id, HASH_LEN);
	assert_detail(state_store_journal(&rig.state, &rig.fault), DETAIL_OK);
	rig_boot(-1);
	damaged->bytes[damaged->len - 1] ^= 1;
	assert_detail(rig_install(damaged), DETAIL_CHUNK_STORED_HASH);
	check(rig_choice_of(rig.disk->now) == 'A' &&
	      rig_slot_holds(rig.disk->now, 0, rig.installed));
	rig_boot(-1);
	assert_detail(install_settle(&rig.device, "", &settled, &rig.result, &rig.fault),
		      DETAIL_OK);
	check(!settled && rig.state.journal.step == JOURNAL_IDLE);
}

/* The system that comes up is not the target because recovery was asked for. */
static void a_request_does_not_change_the_target(void **state)
{
	(void)state;
	for (int request = 0; request < 2; request++) {
		struct plan plan;
		rig_new(2);
		rig_restore(-1);
		rig_env_put("A B", "0", "1", "3", "1", request ? "1" : "0");
		rig_boot(-1);
		memsource_init(&rig.source, rig.package->bytes, rig.package->len);
		assert_detail(install_plan(&rig.device, &rig.source.source, &rig_any_slot, &plan,
					   &rig.fault),
			      DETAIL_OK);
		at_case("request %d", request);
		check(plan.target == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(i2_both_copies_say_that_it_is_marked),
		TEST(i2_a_target_that_was_brought_back),
		TEST(a_flip_that_the_journal_does_not_know_of),
		TEST(i4_what_cannot_have_been_started_does_not_confirm),
		TEST(a_good_slot_in_no_order_confirms),
		TEST(i8_a_rejection_that_leads_nowhere),
		TEST(another_package_than_agreed),
		TEST(resuming_is_for_the_same_slot),
		TEST(a_journal_for_a_slot_that_the_board_lost),
		TEST(a_request_does_not_change_the_target),
	};
	return RUN_ALL(tests);
}
