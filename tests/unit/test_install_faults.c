/*
 * The install engine on storage that fails at every operation, and under a power cut at every write
 * and flush (I4, I6).
 */
#include "support_watch.h"

/* --- Failing storage --- */

/* A byte that changes between write and read-back is noticed, wherever it is (status 30). */
static void byte_flipped_on_the_medium(void **state)
{
	(void)state;
	static const char *const labels[] = {"boot_b", "system_b"};
	rig_new(2);
	for (size_t l = 0; l < 2; l++)
		for (size_t at = 0; at < rig.package->images[l].size; at += 1999) {
			rig_restore(0);
			watch_for(1, rig.package);
			rig.disk->flip_off = rig_part(labels[l])->off + at;
			rig.disk->flip_times = 1000;
			watch.medium_fails = true;
			at_case("%s byte %zu", labels[l], at);
			enum detail d = rig_install(rig.package);
			if (d == DETAIL_OK) { /* that chunk was there already, and nothing was
						 written to it */
				check(rig_slot_holds(rig.disk->durable, 1, rig.package));
				continue;
			}
			assert_detail(d, DETAIL_READ_BACK);
			check(detail_status(d) == STATUS_INSTALL_FAILED);
			rig_result_is(DETAIL_READ_BACK, 1);
			check(!strcmp(rig.result.fault.role, l ? "system" : "boot"));
			check(rig.result.fault.offset / 4096 == at / 4096);
			check(rig_choice_of(rig.disk->durable) == 'A' &&
			      !strcmp(rig_env("BOOT_B_LEFT"), "0"));
			check(watch.flips == 0);
			/* The medium is sound again: running again converges. */
			rig.disk->flip_times = 0;
			rig_boot(0);
			watch_for(1, rig.package);
			assert_detail(rig_install(rig.package), DETAIL_OK);
			check(rig_slot_holds(rig.disk->durable, 1, rig.package));
			rig.disk->watch = NULL;
		}
}

/* The same in images that are read back in many pieces: I5 is about each byte of each image. */
static void i5_large_images_are_read_back_to_their_ends(void **state)
{
	(void)state;
	static const size_t sizes[] = {MIB(2) + 100, MIB(3) + 700};
	static const char *const labels[] = {"boot_b", "system_b"};
	rig_new_of(2, MIB(4), 512);
	struct pkg *pkg = pkg_new();
	prop_text(pkg->root, "product", "product");
	prop_u64(pkg->root, "key-epoch", 5);
	pkg_add_image(pkg, "boot", arena_noise(sizes[0], 8), sizes[0], 1 << 20);
	pkg_add_image(pkg, "system", arena_noise(sizes[1], 9), sizes[1], 1 << 16);
	pkg_link(pkg);
	pkg_seal(pkg);
	for (size_t l = 0; l < 2; l++) {
		const size_t at[] = {0, 700000, MIB(1), MIB(2) + 50, sizes[l] - 1};
		for (size_t i = 0; i < COUNT(at); i++) {
			rig_restore(0);
			rig.disk->keep_reads = false;
			rig.disk->flip_off = rig_part(labels[l])->off + at[i];
			rig.disk->flip_times = 1;
			at_case("%s byte %zu", labels[l], at[i]);
			assert_detail(rig_install(pkg), DETAIL_READ_BACK);
			check(!strcmp(rig.result.fault.role, l ? "system" : "boot"));
			check(rig.result.fault.offset <= at[i] &&
			      at[i] - rig.result.fault.offset < (l ? 1 << 16 : 1 << 20));
			check(rig_choice_of(rig.disk->durable) == 'A');
			assert_detail(rig_install(pkg), DETAIL_OK);
		}
	}
}

/* A write that the storage acknowledges and loses: every sector in turn. */
static void lost_write_is_noticed(void **state)
{
	(void)state;
	rig_new(2);
	size_t noticed = 0;
	for (uint64_t at = 0; at < 9 * 4096; at += 512) {
		rig_restore(0);
		watch_for(1, rig.package);
		rig.disk->lose_off = rig_part("system_b")->off + at;
		watch.medium_fails = true;
		at_case("sector at %llu", (unsigned long long)at);
		enum detail d = rig_install(rig.package);
		check(d == DETAIL_READ_BACK || rig_slot_holds(rig.disk->durable, 1, rig.package));
		check(d != DETAIL_OK || rig_choice_of(rig.disk->durable) == 'B');
		check(d == DETAIL_OK || rig_choice_of(rig.disk->durable) == 'A');
		noticed += d == DETAIL_READ_BACK;
		rig.disk->watch = NULL;
	}
	assert_true(noticed > 60);
}

/*
 * Flags and records are tried twice, results and log are only told (I10), and after the flip
 * nothing can fail any more (I5); images and the pending head must have been written.
 */
static bool write_must_succeed(size_t n)
{
	const struct op *failed = NULL;
	for (size_t i = 0; i < rig.disk->op_count; i++) {
		const struct op *op = &rig.disk->ops[i];
		if (op->kind != OP_WRITE)
			continue;
		if (!n--)
			failed = op;
		if (failed && !strcmp(op->dev, "disk")) /* flags are still to come */
			return failed != op &&
			       (strcmp(failed->dev, "state") || failed->off >= 356 * 4096);
	}
	return failed && rig_is_target_dev(failed->dev);
}

/* The Nth operation fails once, for every N: an error with errno, never a partial system, and again
 * converges (I6). */
static void nth_operation_fails(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++)
		for (int kind = 0; kind < 3; kind++) {
			rig_new(slots);
			for (long n = 0; n < 2000; n++) {
				rig_restore(-1);
				watch_for(slots == 2, rig.package);
				long *fail = kind == 0	 ? &rig.disk->fail_write
					     : kind == 1 ? &rig.disk->fail_flush
							 : &rig.disk->fail_read;
				*fail = n;
				at_case("slots %zu, %s %ld", slots,
					kind == 0   ? "write"
					: kind == 1 ? "flush"
						    : "read",
					n);
				enum detail d = rig_install(rig.package);
				if (*fail != -1) { /* it did not fire: that was all of them */
					assert_detail(d, DETAIL_OK);
					check(n > 10);
					break;
				}
				if (kind == 0 && write_must_succeed((size_t)n))
					assert_detail(d, DETAIL_DEVICE_WRITE);
				if (d != DETAIL_OK) {
					check(detail_status(d) == STATUS_INSTALL_FAILED);
					check(rig.result.fault.detail == d);
				}
				rig_i4_holds_on(rig.disk->now);
				memdisk_power_cut(rig.disk, 1);
				rig_boot(-1);
				watch_for(slots == 2, rig.package);
				if (rig_choice_of(rig.disk->durable) != (slots == 2 ? 'B' : 'A') ||
				    !rig_slot_holds(rig.disk->durable, slots == 2, rig.package))
					assert_detail(rig_install(rig.package), DETAIL_OK);
				check(rig_slot_holds(rig.disk->durable, slots == 2, rig.package));
				check(rig_choice_of(rig.disk->durable) == (slots == 2 ? 'B' : 'A'));
				rig.disk->watch = NULL;
			}
		}
}

/* A copy of the flags that takes no store any more costs nothing that is there. */
static void a_copy_of_the_flags_takes_no_write(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++)
		for (int copy = 0; copy < 2; copy++) {
			bool again;
			rig_new(slots);
			rig_restore(-1);
			rig.disk->bad_write_off = copy ? ENV_B : ENV_A;
			at_case("slots %zu copy %d", slots, copy);
			assert_detail(rig_install(rig.package), DETAIL_FLAGS_NOT_STORED);
			memdisk_power_cut(rig.disk, 0);
			rig_boot(-1);
			check(install_has_system(&rig.device, &again) && !again);
			check(rig_choice_of(rig.disk->durable) == 'A');
			check(rig_slot_holds(rig.disk->durable, 0, rig.installed) &&
			      rig.state.record.slot[0].confirmed);
		}
}

/* A partition that is mounted: said before anything is changed. */
static void busy_partition(void **state)
{
	(void)state;
	static const char *const labels[] = {"boot_b", "system_b"};
	for (size_t i = 0; i < 2; i++) {
		rig_new(2);
		rig_restore(0);
		memstorage_part(&rig.storage, labels[i])->busy = true;
		at_case("%s", labels[i]);
		assert_detail(rig_install(rig.package), DETAIL_PARTITION_BUSY);
		rig_nothing_was_changed();
	}
	rig_new(1);
	rig_restore(-1);
	memstorage_part(&rig.storage, "system_a")->busy = true;
	assert_detail(rig_install(rig.package), DETAIL_PARTITION_BUSY);
	rig_nothing_was_changed();
	check(rig_choice_of(rig.disk->durable) == 'A');
}

/* --- Power cuts: I4 and I6 at every write and flush --- */

static int first_target(size_t slots)
{
	return slots == 2;
}

/* Starts what the boot loader would, as it would. */
static void start_again(void)
{
	char choice = rig_choice_of(rig.disk->durable);
	bool settled;
	struct result result;
	rig_boot(choice == 'R' ? -1 : choice == 'B');
	assert_detail(install_settle(&rig.device, "", &settled, &result, &rig.fault), DETAIL_OK);
}

static void converge(size_t slots)
{
	int target = first_target(slots);
	start_again();
	bool there = rig_choice_of(rig.disk->durable) == 'A' + target &&
		     rig_slot_holds(rig.disk->durable, target, rig.package);
	watch_for(target, rig.package);
	if (!there) {
		if (slots == 1)
			rig.device.running = -1; /* an untouched single slot: the person asks for
						    recovery again */
		assert_detail(rig_install(rig.package), DETAIL_OK);
	}
	rig.disk->watch = NULL;
	check(rig_slot_holds(rig.disk->durable, target, rig.package));
	check(rig_choice_of(rig.disk->durable) == 'A' + target);
	check(!strcmp(rig_env(target ? "BOOT_B_LEFT" : "BOOT_A_LEFT"), "3"));
	check(!strcmp(rig_env(target ? "BOOT_B_GOOD" : "BOOT_A_GOOD"), "0"));
	check(!strcmp(rig_env("BOOT_ORDER"), target ? "B A" : "A"));
	check(!strcmp(rig_env("fdtfile"), "board.dtb") && !strcmp(rig_env("bootdelay"), "0"));
	static const char *const others[] = {"recovery", "data"};
	for (size_t i = 0; i < COUNT(others); i++)
		rig_part_untouched(others[i]);
	if (slots == 2) {
		rig_part_untouched("boot_a");
		rig_part_untouched("system_a");
	}
	/* ... and the new system can confirm itself. */
	rig_boot(target);
	assert_detail(install_confirm(&rig.device, &rig.result), DETAIL_OK);
	check(rig.state.record.rollback_floor == 8 && rig.state.record.key_epoch == 5);
	check(!strcmp(rig_env(target ? "BOOT_B_GOOD" : "BOOT_A_GOOD"), "1"));
}

static void cut_sweep(size_t slots, int running)
{
	size_t cuts = 0, in_recovery = 0;
	rig_new(slots);
	for (long die = 0; die < 2000; die++)
		for (uint64_t seed = 0; seed < 5; seed++) {
			rig_restore(running);
			watch_for(first_target(slots), rig.package);
			rig.disk->die = die;
			enum detail d = rig_install(rig.package);
			bool died = rig.disk->dead;
			at_case("slots %zu running %d cut at %ld seed %llu", slots, running, die,
				(unsigned long long)seed);
			memdisk_power_cut(rig.disk, seed);
			rig_i4_holds_on(rig.disk->durable);
			if (!died) {
				assert_detail(d, DETAIL_OK);
				check(cuts > 50);
				check(slots == 2 || in_recovery > 10);
				return;
			}
			check(slots == 1 ||
			      rig_choice_of(rig.disk->durable) != 'R'); /* A/B: always a system */
			cuts++;
			in_recovery += rig_choice_of(rig.disk->durable) == 'R';
			converge(slots);
		}
	fail_msg("the install does not end");
}

static void i4_i6_cut_at_every_write_ab_running(void **state)
{
	(void)state;
	cut_sweep(2, 0);
}

static void i4_i6_cut_at_every_write_ab_recovery(void **state)
{
	(void)state;
	cut_sweep(2, -1);
}

static void i4_i6_cut_at_every_write_single(void **state)
{
	(void)state;
	cut_sweep(1, -1);
}

/* A second cut during the resume, and a third. */
static void i6_cut_again_during_the_resume(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		for (uint64_t round = 0; round < 150; round++) {
			memdisk_restore(rig.disk, rig.pristine);
			for (uint64_t cut = 0; cut < 3; cut++) {
				at_case("slots %zu round %llu cut %llu", slots,
					(unsigned long long)round, (unsigned long long)cut);
				start_again();
				if (slots == 1)
					rig.device.running = -1;
				if (rig_choice_of(rig.disk->durable) == 'A' + first_target(slots) &&
				    rig_slot_holds(rig.disk->durable, first_target(slots),
						   rig.package))
					break;
				watch_for(first_target(slots), rig.package);
				rig.disk->die = (long)(noise(round, cut) % 80);
				(void)rig_install(rig.package);
				rig.disk->watch = NULL;
				memdisk_power_cut(rig.disk, noise(round, 100 + cut) % 9);
				rig_i4_holds_on(rig.disk->durable);
			}
			converge(slots);
		}
	}
}

/* Both copies of the flags are damaged, and the power goes during the install that heals them. */
static void i4_i6_cut_while_the_flags_are_damaged(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		bool died = true;
		rig_new(slots);
		for (long die = 0; died; die++)
			for (uint64_t seed = 0; seed < 3; seed++) {
				rig_restore(-1);
				rig_damage_env(true);
				rig.disk->die = die;
				enum detail d = rig_install(rig.package);
				died = rig.disk->dead;
				memdisk_power_cut(rig.disk, seed);
				at_case("slots %zu cut at %ld seed %llu", slots, die,
					(unsigned long long)seed);
				rig_i4_holds_on(rig.disk->durable);
				if (!died)
					assert_detail(d, DETAIL_OK);
				if (rig_choice_of(rig.disk->durable) == 'R') {
					rig_boot(-1);
					assert_detail(rig_install(rig.package), DETAIL_OK);
				}
				check(rig_choice_of(rig.disk->durable) ==
				      'A' + first_target(slots));
				check(rig_slot_holds(rig.disk->durable, first_target(slots),
						     rig.package));
				if (slots == 2) {
					rig_part_untouched("boot_a");
					rig_part_untouched("system_a");
				}
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(byte_flipped_on_the_medium),
		TEST(i5_large_images_are_read_back_to_their_ends),
		TEST(lost_write_is_noticed),
		TEST(nth_operation_fails),
		TEST(a_copy_of_the_flags_takes_no_write),
		TEST(busy_partition),
		TEST(i4_i6_cut_at_every_write_ab_running),
		TEST(i4_i6_cut_at_every_write_ab_recovery),
		TEST(i4_i6_cut_at_every_write_single),
		TEST(i6_cut_again_during_the_resume),
		TEST(i4_i6_cut_while_the_flags_are_damaged),
	};
	return RUN_ALL(tests);
}
