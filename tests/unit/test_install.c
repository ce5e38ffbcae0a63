/*
 * The install engine over a memory disk: what a complete install does, in which order, and on media
 * and from sources of every shape. What goes wrong is in the other test_install_*.c.
 */
#include "support_watch.h"

/* --- Happy paths --- */
static size_t first_op(enum op_kind kind, const char *dev)
{
	for (size_t i = 0; i < rig.disk->op_count; i++)
		if (rig.disk->ops[i].kind == kind && (!dev || !strcmp(rig.disk->ops[i].dev, dev)))
			return i;
	return SIZE_MAX;
}

static size_t step_op(enum step step)
{
	for (size_t i = 0; i < rig.disk->op_count; i++)
		if (rig.disk->ops[i].kind == OP_STEP && rig.disk->ops[i].step == step)
			return i;
	return SIZE_MAX;
}

static void steps_in_order(bool verify_first)
{
	static const enum step steps[] = {STEP_MARK, STEP_WRITE, STEP_READ_BACK, STEP_COMMIT,
					  STEP_DONE};
	for (size_t i = 0; i < COUNT(steps); i++) {
		at_case("step %d", (int)steps[i]);
		check(step_op(steps[i]) != SIZE_MAX);
		if (i)
			check(step_op(steps[i - 1]) < step_op(steps[i]));
	}
	check((step_op(STEP_VERIFY_FIRST) != SIZE_MAX) == verify_first);
	if (verify_first)
		check(step_op(STEP_VERIFY_FIRST) < step_op(STEP_MARK));
	check(!rig.observer.backwards);
}

static void ab_install(int running)
{
	rig_new(2);
	rig_restore(running);
	watch_for(1, rig.package);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B');
	check(rig_slot_holds(rig.disk->durable, 1, rig.package));
	check(watch.flips == 1 && watch.records[JOURNAL_BEGIN] >= 1 &&
	      watch.records[JOURNAL_COMMITTED] == 1);
	check(watch.records[JOURNAL_WRITTEN] >= 1 && watch.records[JOURNAL_VERIFIED] >= 1);
	static const char *const others[] = {"boot_a", "system_a", "recovery", "data"};
	for (size_t i = 0; i < COUNT(others); i++)
		rig_part_untouched(others[i]);
	check(!strcmp(rig_env("BOOT_ORDER"), "B A") && !strcmp(rig_env("BOOT_B_LEFT"), "3"));
	check(!strcmp(rig_env("BOOT_B_GOOD"), "0") && !strcmp(rig_env("BOOT_A_GOOD"), "1"));
	check(!strcmp(rig_env("fdtfile"), "board.dtb") && !strcmp(rig_env("bootdelay"), "0"));
	rig_result_is(DETAIL_OK, 1);
	check(rig.result.release == 10 && !strcmp(rig.result.version, "10.0"));
	check(!memcmp(rig.result.package_id, rig.package->id, HASH_LEN));
	check(!strcmp(rig.result.origin, rig.source.source.name));
	check(!rig.source.failed);
	/* Each byte of the package was read once: no staging, no second download. */
	check(rig.source.bytes_read == rig.package->len);
	steps_in_order(false);
	check(rig.observer.at[STEP_WRITE].done == rig.observer.at[STEP_WRITE].total);
	check(rig.observer.at[STEP_READ_BACK].done == 5 * 4096 + 100 + 9 * 4096);
	for (size_t i = 0; i < rig.storage.part_count; i++) /* what was opened was closed */
		check(rig.storage.parts[i].open == !strcmp(rig.storage.parts[i].label, "state"));
	/* I7: nothing is raised before the confirmation. */
	check(rig.state.record.rollback_floor == 7 && rig.state.record.key_epoch == 4);
}

static void ab_from_the_running_system(void **state)
{
	(void)state;
	ab_install(0);
}

static void ab_from_recovery(void **state)
{
	(void)state;
	ab_install(-1);
}

static void single_slot_in_place(void **state)
{
	(void)state;
	rig_new(1);
	rig_restore(-1);
	watch_for(0, rig.package);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'A');
	check(rig_slot_holds(rig.disk->durable, 0, rig.package));
	rig_part_untouched("recovery");
	rig_part_untouched("data");
	rig_result_is(DETAIL_OK, 0);
	/* The whole package is proved before the only slot is touched. */
	steps_in_order(true);
	check(step_op(STEP_VERIFY_FIRST) < first_op(OP_WRITE, "disk"));
	check(!strcmp(rig_env("BOOT_A_GOOD"), "0"));
}

static void single_slot_running_is_refused(void **state)
{
	(void)state;
	rig_new(1);
	rig_restore(0);
	assert_detail(rig_install(rig.package), DETAIL_SINGLE_SLOT_RUNNING);
	rig_nothing_was_changed();
	check(rig.result.fault.detail == DETAIL_SINGLE_SLOT_RUNNING);
}

static void plan_writes_nothing(void **state)
{
	(void)state;
	struct plan plan;
	rig_new(2);
	rig_restore(0);
	memsource_init(&rig.source, rig.package->bytes, rig.package->len);
	assert_detail(
		install_plan(&rig.device, &rig.source.source, &rig_any_slot, &plan, &rig.fault),
		DETAIL_OK);
	check(plan.target == 1 && plan.image_count == 2 && plan.installed_release == 9);
	check(!strcmp(plan.images[1].label, "system_b") && plan.images[1].image_len == 9 * 4096);
	check(rig.disk->writes == 0 && rig.disk->flushes == 0);
	check(rig.source.bytes_read <= rig.package->payload_off);
	memsource_init(&rig.source, rig.package->bytes, rig.package->len - 1);
	check(install_plan(&rig.device, &rig.source.source, &rig_any_slot, &plan, &rig.fault) !=
	      DETAIL_OK);
	check(rig.disk->writes == 0);
}

/* Without anybody who watches, and with one who offers nothing (I10). */
static void i10_nobody_watches(void **state)
{
	(void)state;
	static const struct observer_ops nothing;
	struct observer silent = {.ops = &nothing};
	rig_new(2);
	for (int i = 0; i < 2; i++) {
		rig_restore(0);
		rig.device.observer = i ? &silent : NULL;
		assert_detail(rig_install(rig.package), DETAIL_OK);
		check(rig_choice_of(rig.disk->durable) == 'B');
	}
}

/* --- Shapes --- */

/* The last chunk of an image ends within a sector of 4096 bytes. */
static void sectors_of_4096_bytes(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new_of(slots, SYSTEM_LEN, 4096);
		rig_restore(-1);
		watch_for(slots == 2, rig.package);
		assert_detail(rig_install(rig.package), DETAIL_OK);
		check(rig_slot_holds(rig.disk->durable, slots == 2, rig.package));
		check(rig_choice_of(rig.disk->durable) == 'A' + (slots == 2));
		rig_part_untouched("recovery");
		rig_part_untouched("data");
		/* Nothing to write the second time: the end of the last sector is not part of the
		 * image. */
		rig_boot(-1);
		if (slots == 2)
			continue; /* its target is on trial now */
		memdisk_forget_ops(rig.disk);
		rig.disk->watch = NULL;
		assert_detail(rig_install(rig.package), DETAIL_OK);
		check(rig.observer.at[STEP_WRITE].written == 0);
	}
}

/* Images that end anywhere in a sector: written whole, read back whole, and nothing behind the
 * sector. */
static void images_of_every_end(void **state)
{
	(void)state;
	static const size_t sizes[] = {1,    2,	   511,	 512,  513,  1023,
				       1025, 4095, 4096, 4097, 8191, 8193};
	for (uint32_t sector = 512; sector <= 4096; sector *= 8)
		for (size_t i = 0; i < COUNT(sizes); i++) {
			struct pkg *pkg = pkg_new();
			uint8_t *content = arena_noise(sizes[i], i);
			prop_text(pkg->root, "product", "product");
			prop_u64(pkg->root, "key-epoch", 5);
			pkg_add_image(pkg, "boot", content, sizes[i], 4096);
			pkg_add_image(pkg, "system", content, sizes[i], 4096);
			pkg_link(pkg);
			pkg_seal(pkg);
			rig_new_of(2, SYSTEM_LEN, sector);
			rig.package = pkg;
			rig_restore(-1);
			watch_for(1, pkg);
			at_case("%zu bytes, sectors of %u", sizes[i], sector);
			assert_detail(rig_install(pkg), DETAIL_OK);
			check(rig_slot_holds(rig.disk->durable, 1, pkg));
			rig.disk->watch = NULL;
			arena_free();
		}
}

/*
 * From a network the size may be unknown. With two slots nothing is downloaded twice unless
 * somebody asks for it; the only slot of a board is never given up for a package that was not
 * proved.
 */
static void from_a_network(void **state)
{
	(void)state;
	static const struct install_options first = {.wanted = -1, .verify_first = true};
	for (size_t slots = 1; slots <= 2; slots++)
		for (int good = 0; good < 2; good++)
			for (int known = 0; known < 2; known++)
				for (int proved = 0; proved < 2; proved++) {
					rig_new(slots);
					rig_restore(-1);
					watch_for(slots == 2, rig.package);
					uint8_t *bytes =
						arena_copy(rig.package->bytes, rig.package->len);
					bytes[rig.package->len - 1] ^= !good;
					memsource_init(&rig.source, bytes, rig.package->len);
					if (!known)
						rig.source.source.size = UINT64_MAX;
					at_case("slots %zu, good %d, size known %d, proved first "
						"%d",
						slots, good, known, proved);
					enum detail d = install_run(&rig.device, &rig.source.source,
								    proved ? &first : &rig_any_slot,
								    &rig.result);
					assert_detail(d,
						      good ? DETAIL_OK : DETAIL_CHUNK_STORED_HASH);
					if (good && !proved && slots == 2)
						check(rig.source.bytes_read <= rig.package->len);
					if (good)
						check(rig_slot_holds(rig.disk->durable, slots == 2,
								     rig.package));
					else if (proved || slots == 1)
						rig_nothing_was_changed();
					else
						check(rig_choice_of(rig.disk->durable) == 'A');
				}
}

/* The kernel sees a partition in another size than the table says: what is opened is not what was
 * planned. */
static void a_partition_of_another_size(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	memstorage_part(&rig.storage, "system_b")->dev.size -= 4096;
	assert_detail(rig_install(rig.package), DETAIL_PARTITION_CHANGED);
	assert_string_equal(rig.result.fault.object, "system_b");
	rig_nothing_was_changed();
}

/* Images above the checkpoint: progress is recorded, truthfully (the watcher reads it), and a cut
 * loses little. */
static void i3_checkpoints_of_a_large_image(void **state)
{
	(void)state;
	rig_new_of(2, MIB(20), 512);
	size_t size = MIB(19) + 5000;
	uint8_t *system = arena_noise(size, 3);
	struct pkg *pkg = pkg_new();
	prop_text(pkg->root, "product", "product");
	prop_u64(pkg->root, "key-epoch", 5);
	pkg_add_image(pkg, "boot", rig.package->images[0].plain, rig.package->images[0].size, 4096);
	pkg_add_image(pkg, "system", system, size, 1 << 20);
	pkg_link(pkg);
	pkg_seal(pkg);
	rig_restore(0);
	rig.disk->keep_reads = false;
	memsource_init(&rig.source, pkg->bytes, pkg->len);
	rig.source.fail_at = pkg->len - MIB(2);
	assert_detail(install_run(&rig.device, &rig.source.source, &rig_any_slot, &rig.result),
		      DETAIL_SOURCE_GONE);
	memdisk_power_cut(rig.disk, 0);
	rig_boot(0);
	check(rig.state.journal.step == JOURNAL_PROGRESS && rig.state.journal.image == 1);
	check(rig.state.journal.flushed >= MIB(15) && rig.state.journal.flushed <= MIB(17));
	check(!memcmp(rig.disk->durable + rig_part("system_b")->off, system,
		      rig.state.journal.flushed));
	assert_detail(rig_install(pkg), DETAIL_OK);
	check(!memcmp(rig.disk->durable + rig_part("system_b")->off, system, size));
	check(rig.observer.at[STEP_WRITE].unchanged >= MIB(8));
	/* What is there already is not downloaded again either. */
	check(rig.source.bytes_read < pkg->len - MIB(8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ab_from_the_running_system),
		TEST(ab_from_recovery),
		TEST(single_slot_in_place),
		TEST(single_slot_running_is_refused),
		TEST(plan_writes_nothing),
		TEST(i10_nobody_watches),
		TEST(sectors_of_4096_bytes),
		TEST(images_of_every_end),
		TEST(from_a_network),
		TEST(a_partition_of_another_size),
		TEST(i3_checkpoints_of_a_large_image),
	};
	return RUN_ALL(tests);
}
