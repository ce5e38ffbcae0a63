/*
 * The install engine over a memory disk: I1 to I6, I8 to I11 at every write, and again after a
 * power cut at every write.
 *
 * A watcher sees each operation before it is done, with what the medium holds by then, and holds it
 * against the invariants.
 */
#include "support_rig.h"

/* --- The watcher --- */

static struct watch {
	int target;	       /* slot */
	const struct pkg *pkg; /* being installed */
	bool flipped;
	bool medium_fails; /* so what is durable need not be what was written */
	bool flushed;	   /* by the operation before */
	size_t target_writes, flips, records[6];
	/* Sectors of each image that were read since they were last written to and flushed. */
	uint8_t read_back[2][SYSTEM_LEN / 512];
	bool dirty[2]; /* written since the last flush */
} watch;

static int image_of(const char *label)
{
	return !strncmp(label, "system", 6);
}

static int slot_of(const char *label)
{
	return label[strlen(label) - 1] == 'b';
}

static void all_read_back(void)
{
	for (int i = 0; i < 2; i++) {
		check(!watch.dirty[i]);
		for (size_t s = 0; s * 512 < watch.pkg->images[i].size; s++)
			check(watch.read_back[i][s]);
	}
}

static bool target_in_order(const uint8_t *env, int target)
{
	const char *order = env ? env_get(env, ENV_SIZE, "BOOT_ORDER") : NULL;
	return order && strchr(order, 'A' + target);
}

/* I2: the flags on the medium say, whatever of the unflushed is lost, that the target cannot be
 * started. */
static void i2_holds(const uint8_t *disk)
{
	const uint8_t *env = rig_env_of(disk);
	char left[] = "BOOT_?_LEFT", mark[] = "BOOT_?_GOOD";
	left[5] = mark[5] = (char)('A' + watch.target);
	check(env != NULL);
	check(!target_in_order(env, watch.target));
	const char *value = env_get(env, ENV_SIZE, left);
	check(!value || !strcmp(value, "0"));
	value = env_get(env, ENV_SIZE, mark);
	check(!value || !strcmp(value, "0"));
}

static void watch_target_write(struct memdisk *disk, const struct op *op, const uint8_t *buf)
{
	int image = image_of(op->dev);
	const struct pkg_image *want = &watch.pkg->images[image];
	check(slot_of(op->dev) == watch.target); /* I11 and common sense */
	check(!watch.flipped);
	i2_holds(disk->durable);
	i2_holds(disk->now);
	/* I1: only what the signed manifest vouches for, and nothing behind the image's last
	 * sector. */
	check(op->off < want->size &&
	      op->off + op->len <= (want->size + rig.sector - 1) / rig.sector * rig.sector);
	size_t len = op->off + op->len > want->size ? want->size - op->off : op->len;
	check(!memcmp(buf, want->plain + op->off, len));
	watch.target_writes++;
	watch.dirty[image] = true;
	for (size_t s = op->off / 512; s < (op->off + op->len) / 512; s++)
		watch.read_back[image][s] = 0;
}

/* I3: a journal record tells of what is durable already. */
static void watch_journal(struct memdisk *disk, const uint8_t *content)
{
	uint32_t step = load_be32(content + 4), image = load_be32(content + 68);
	uint64_t flushed = load_be64(content + 72);
	check(step <= JOURNAL_COMMITTED);
	watch.records[step]++;
	if (step == JOURNAL_IDLE)
		return;
	check(!memcmp(content + 8, watch.pkg->id, HASH_LEN));
	check((int)load_be32(content + 64) == watch.target);
	if (step == JOURNAL_BEGIN)
		i2_holds(disk->durable);
	if (watch.medium_fails)
		return;
	if (step == JOURNAL_PROGRESS) {
		check(image < 2 && flushed <= watch.pkg->images[image].size);
		const char *label = image	   ? watch.target ? "system_b" : "system_a"
				    : watch.target ? "boot_b"
						   : "boot_a";
		check(!memcmp(disk->durable + rig_part(label)->off, watch.pkg->images[image].plain,
			      flushed));
	}
	if (step >= JOURNAL_WRITTEN)
		check(rig_slot_holds(disk->durable, watch.target, watch.pkg));
	if (step >= JOURNAL_VERIFIED)
		all_read_back();
	if (step == JOURNAL_COMMITTED)
		check(target_in_order(rig_env_of(disk->durable), watch.target));
}

/* I5: the write that makes the target bootable comes after the whole target was read back, and is
 * one. */
static void watch_flags(struct memdisk *disk, const struct op *op, const uint8_t *buf)
{
	uint64_t base = op->off < ENV_B ? ENV_A : ENV_B;
	check(op->off >= base && op->off + op->len <= base + ENV_SIZE);
	if (op->off != base || op->len != ENV_SIZE)
		fail_msg("the flags are stored in pieces: teach this watcher to put them together");
	if (!env_valid(buf, ENV_SIZE) || !target_in_order(buf, watch.target))
		return;
	if (target_in_order(rig_env_of(disk->now), watch.target)) /* as before the mark */
		return;
	watch.flips++;
	all_read_back();
	check(rig_slot_holds(disk->durable, watch.target, watch.pkg));
	watch.flipped = true;
}

static void watcher(struct memdisk *disk, const struct op *op, const uint8_t *buf)
{
	if (watch.flushed) /* only then is anything else durable than before */
		rig_i4_holds_on(disk->durable);
	watch.flushed = op->kind == OP_FLUSH;
	if (op->kind == OP_FLUSH && rig_is_target_dev(op->dev))
		watch.dirty[image_of(op->dev)] = false;
	if (op->kind == OP_READ && rig_is_target_dev(op->dev) && slot_of(op->dev) == watch.target) {
		if (!watch.dirty[image_of(op->dev)])
			for (size_t s = op->off / 512; s < (op->off + op->len) / 512; s++)
				watch.read_back[image_of(op->dev)][s] = 1;
	}
	if (op->kind != OP_WRITE)
		return;
	if (rig_is_target_dev(op->dev))
		watch_target_write(disk, op, buf);
	else if (!strcmp(op->dev, "disk"))
		watch_flags(disk, op, buf);
	else if (!strcmp(op->dev, "state") && op->len == 4096 && op->off >= 4 * 4096 &&
		 op->off < 68 * 4096)
		watch_journal(disk, buf + 64);
	else
		check(!strcmp(op->dev, "state"));
}

static void watch_for(int target, const struct pkg *pkg)
{
	memset(&watch, 0, sizeof(watch));
	watch.target = target;
	watch.pkg = pkg;
	rig.disk->watch = watcher;
}

/* --- Happy paths --- */

static void result_is(enum detail detail, int slot)
{
	struct result stored;
	check(rig.result.fault.detail == detail && rig.result.what == RESULT_INSTALL);
	if (slot >= 0)
		check(rig.result.slot == (uint32_t)slot);
	check(state_result(&rig.state, 0, &stored));
	check(stored.fault.detail == detail && stored.what == RESULT_INSTALL &&
	      stored.slot == rig.result.slot);
	check(stored.release == rig.result.release && !strcmp(stored.version, rig.result.version));
}

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
	result_is(DETAIL_OK, 1);
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
	result_is(DETAIL_OK, 0);
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

/* --- Resume, repair --- */

/* A chunk that the target holds already is not written again, and is found by reading it, not by
 * trusting (I9). */
static void i9_chunks_that_are_there_are_not_written(void **state)
{
	(void)state;
	rig_new(2);
	for (int missing = 0; missing <= 9; missing++) {
		rig_restore(0);
		rig_put_slot(rig.disk->now, 1, rig.package);
		rig_put_slot(rig.disk->durable, 1, rig.package);
		if (missing < 9) {
			rig.disk->now[rig_part("system_b")->off + (size_t)missing * 4096 + 17] ^= 1;
			rig.disk->durable[rig_part("system_b")->off + (size_t)missing * 4096 +
					  17] ^= 1;
		}
		watch_for(1, rig.package);
		at_case("chunk %d differs", missing);
		assert_detail(rig_install(rig.package), DETAIL_OK);
		size_t written = 0;
		for (size_t i = 0; i < rig.disk->op_count; i++)
			if (rig.disk->ops[i].kind == OP_WRITE &&
			    rig_is_target_dev(rig.disk->ops[i].dev)) {
				written += rig.disk->ops[i].len;
				check(rig.disk->ops[i].off / 4096 == (uint64_t)missing);
			}
		check(written == (missing < 9 ? 4096 : 0));
		check(rig_slot_holds(rig.disk->durable, 1, rig.package) &&
		      rig_choice_of(rig.disk->durable) == 'B');
		check(rig.observer.at[STEP_WRITE].unchanged ==
		      5 * 4096 + 100 + (missing < 9 ? 8 : 9) * 4096);
		check(rig.observer.at[STEP_WRITE].written == (missing < 9 ? 4096 : 0));
	}
}

/* A journal that claims more than is there is not believed (I9). */
static void i9_the_journal_is_only_a_hint(void **state)
{
	(void)state;
	rig_new(2);
	for (int step = JOURNAL_BEGIN; step <= JOURNAL_COMMITTED; step++)
		for (int running = -1; running <= 0; running++) {
			rig_restore(running);
			struct journal *j = &rig.state.journal;
			j->step = (enum journal_step)step;
			j->release = 10;
			j->target = 1;
			j->image = 1;
			j->flushed = 9 * 4096;
			memcpy(j->package_id, rig.package->id, HASH_LEN);
			assert_detail(state_store_journal(&rig.state, &rig.fault), DETAIL_OK);
			rig_boot(running);
			watch_for(1, rig.package);
			at_case("step %d running %d", step, running);
			assert_detail(rig_install(rig.package), DETAIL_OK);
			check(rig_slot_holds(rig.disk->durable, 1, rig.package) &&
			      rig_choice_of(rig.disk->durable) == 'B');
			rig.disk->watch = NULL;
		}
}

static void interrupted_by_the_observer(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		for (long stop = 0; stop < 1000; stop++) {
			rig_restore(-1);
			watch_for(slots == 2, rig.package);
			rig.observer.stop_after = stop;
			at_case("slots %zu, stop after %ld polls", slots, stop);
			enum detail d = rig_install(rig.package);
			if (d == DETAIL_OK) {
				check(stop > 14);
				break;
			}
			assert_detail(d, DETAIL_INTERRUPTED);
			rig_i4_holds_on(rig.disk->now);
			check(slots == 1 || rig_choice_of(rig.disk->durable) == 'A');
			result_is(DETAIL_INTERRUPTED, -1);
			rig_boot(-1);
			watch_for(slots == 2, rig.package);
			assert_detail(rig_install(rig.package), DETAIL_OK);
			check(rig_slot_holds(rig.disk->durable, slots == 2, rig.package));
			rig.disk->watch = NULL;
		}
	}
}

/* The stick is pulled out at any byte; plugged again, it goes on. */
static void source_gone_anywhere(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		for (size_t at = 0; at < rig.package->len;
		     at += at < rig.package->payload_off ? 211 : 1777) {
			rig_restore(-1);
			watch_for(slots == 2, rig.package);
			memsource_init(&rig.source, rig.package->bytes, rig.package->len);
			rig.source.fail_at = at;
			at_case("slots %zu, gone at %zu", slots, at);
			assert_detail(install_run(&rig.device, &rig.source.source, &rig_any_slot,
						  &rig.result),
				      DETAIL_SOURCE_GONE);
			result_is(DETAIL_SOURCE_GONE, -1);
			rig_i4_holds_on(rig.disk->now);
			check(rig_choice_of(rig.disk->durable) ==
			      (slots == 2 ? 'A' : rig_choice_of(rig.disk->durable)));
			rig_boot(-1);
			watch_for(slots == 2, rig.package);
			assert_detail(rig_install(rig.package), DETAIL_OK);
			check(rig_slot_holds(rig.disk->durable, slots == 2, rig.package));
			rig.disk->watch = NULL;
		}
	}
}

/* In recovery, an interrupted install says so, until it is done. */
static void pending_is_known_after_a_restart(void **state)
{
	(void)state;
	struct flags flags;
	rig_new(1);
	rig_restore(-1);
	assert_detail(rig.env.store.ops->load(&rig.env.store, &flags, &rig.fault), DETAIL_OK);
	check(!install_is_pending(&rig.state, &flags));
	rig.observer.stop_after = 18; /* within the writing: the proof comes first and polls too */
	assert_detail(rig_install(rig.package), DETAIL_INTERRUPTED);
	rig_boot(-1);
	assert_detail(rig.env.store.ops->load(&rig.env.store, &flags, &rig.fault), DETAIL_OK);
	check(install_is_pending(&rig.state, &flags) && rig_choice_of(rig.disk->durable) == 'R');
	check(!strcmp(rig.state.journal.origin, rig.source.source.name));
	check(!strcmp(rig.state.journal.version, "10.0") && rig.state.journal.release == 10);
	/* Its head is there, to be shown and to be compared with what is plugged in. */
	uint8_t *head = arena_alloc(PACKAGE_HEAD_MAX);
	size_t len;
	assert_detail(state_load_pending(&rig.state, head, &len, &rig.fault), DETAIL_OK);
	check(len == rig.package->payload_off && !memcmp(head, rig.package->bytes, len));
	assert_detail(rig_install(rig.package), DETAIL_OK);
	assert_detail(rig.env.store.ops->load(&rig.env.store, &flags, &rig.fault), DETAIL_OK);
	check(!install_is_pending(&rig.state, &flags));
}

/* Another package may be installed over an interrupted one. */
static void another_package_after_an_interrupted_one(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		struct pkg *other = rig_package(11, 55, "product");
		rig_restore(-1);
		rig.observer.stop_after = slots == 1 ? 18 : 5;
		assert_detail(rig_install(rig.package), DETAIL_INTERRUPTED);
		rig_boot(-1);
		watch_for(slots == 2, other);
		rig.package = other; /* what may be complete from now on */
		assert_detail(rig_install(other), DETAIL_OK);
		check(rig_slot_holds(rig.disk->durable, slots == 2, other));
		check(rig_choice_of(rig.disk->durable) == (slots == 2 ? 'B' : 'A'));
	}
}

/* The same release over itself: nothing to write, and it is proved all the same. */
static void repair_of_the_installed_release(void **state)
{
	(void)state;
	rig_new(1);
	rig_restore(-1);
	rig.disk->now[rig_part("system_a")->off + 5000] ^= 1;
	rig.disk->durable[rig_part("system_a")->off + 5000] ^= 1;
	watch_for(0, rig.installed);
	rig.disk->watch = NULL; /* it boots a damaged system: that is why it is repaired */
	assert_detail(rig_install(rig.installed), DETAIL_OK);
	check(rig_slot_holds(rig.disk->durable, 0, rig.installed));
	check(rig.observer.at[STEP_WRITE].written == 4096);
	check(rig_choice_of(rig.disk->durable) == 'A');
}

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
			result_is(DETAIL_READ_BACK, 1);
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

static uint8_t *noise_of(size_t size, uint64_t seed)
{
	uint8_t *bytes = arena_alloc(size);
	for (size_t i = 0; i < size; i += 8)
		memcpy(bytes + i, &(uint64_t){noise(seed, i)}, 8 < size - i ? 8 : size - i);
	return bytes;
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
	pkg_add_image(pkg, "boot", noise_of(sizes[0], 8), sizes[0], 1 << 20);
	pkg_add_image(pkg, "system", noise_of(sizes[1], 9), sizes[1], 1 << 16);
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

/* --- Refusals: before anything was changed --- */

static void refused(struct pkg *pkg, enum detail want)
{
	for (int running = -1; running <= 0; running++) {
		rig_restore(running);
		at_case("%s, running %d", detail_name(want), running);
		assert_detail(rig_install(pkg), want);
		rig_nothing_was_changed();
		result_is(want, -1);
		check(!strcmp(rig.result.origin, rig.source.source.name));
		/* From the signature on, the result says which package it was. */
		if (want == DETAIL_OLDER_NEEDS_CONSENT ||
		    (want >= DETAIL_WRONG_PRODUCT && want <= DETAIL_IMAGE_ROLE_MISSING))
			check(!memcmp(rig.result.package_id, pkg->id, HASH_LEN) &&
			      rig.result.version[0] && rig.result.release);
	}
}

static void refused_packages_change_nothing(void **state)
{
	(void)state;
	rig_new(2);
	struct pkg *pkg = rig_package(10, 10, "product");
	pkg->key_count = 0;
	pkg_seal(pkg);
	refused(pkg, DETAIL_UNSIGNED);
	pkg->key_count = 1;
	pkg->keys[0] = test_key(7);
	pkg_seal(pkg);
	refused(pkg, DETAIL_NO_KNOWN_KEY);
	pkg->keys[0] = test_key(0);
	pkg_seal(pkg);
	pkg->bytes[100] ^= 1;
	refused(pkg, DETAIL_SIGNATURE_WRONG);
	refused(rig_package(10, 10, "another product"), DETAIL_WRONG_PRODUCT);
	refused(rig_package(8, 8, "product"), DETAIL_OLDER_NEEDS_CONSENT);
	refused(rig_package(6, 6, "product"), DETAIL_BELOW_FLOOR);
	pkg = rig_package(10, 10, "product");
	prop_u64(pkg->root, "key-epoch", 3);
	pkg_seal(pkg);
	refused(pkg, DETAIL_KEY_EPOCH);
	prop_u64(pkg->root, "key-epoch", 5);
	prop_u64(pkg->root, "minimum-release", 10);
	pkg_seal(pkg);
	refused(pkg, DETAIL_NEEDS_NEWER_INSTALLED);
	pkg = rig_package(10, 10, "product");
	prop_text(pkg_image_node(pkg, 1), "role", "rootfs");
	pkg_seal(pkg);
	refused(pkg, DETAIL_IMAGE_ROLE_UNKNOWN);
	pkg = rig_package(10, 10, "product");
	pkg_add_image(pkg, "firmware", pkg->images[0].plain, 100, 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	refused(pkg, DETAIL_IMAGE_ROLE_UNKNOWN);
	pkg = pkg_new();
	prop_text(pkg->root, "product", "product");
	prop_u64(pkg->root, "key-epoch", 5);
	pkg_add_image(pkg, "boot", rig.package->images[0].plain, 4096, 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	refused(pkg, DETAIL_IMAGE_ROLE_MISSING);
	pkg_add_image(pkg, "system", arena_alloc(SYSTEM_LEN + 1), SYSTEM_LEN + 1, 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	refused(pkg, DETAIL_IMAGE_TOO_LARGE);
	pkg = rig_package(10, 10, "product");
	pkg->len--;
	refused(pkg, DETAIL_SIZE_MISMATCH);
}

/* No room for the flags of the flip: said before the first write, not after the last. */
static void full_environment_is_told_first(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++)
		for (size_t room = 0; room < 200; room++) {
			check(room < 199);
			char vars[ENV_SIZE] = "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_A_GOOD=1\0filler=";
			size_t used = 13 + 14 + 14 + 7;
			rig_new(slots);
			memset(vars + used, 'f', ENV_SIZE - 5 - 1 - used - 1 - room);
			env_make(rig.pristine + ENV_A, ENV_SIZE, 17, vars,
				 strlen(vars + 41) + 41 + 1);
			env_make(rig.pristine + ENV_B, ENV_SIZE, 16, vars,
				 strlen(vars + 41) + 41 + 1);
			rig_restore(-1);
			at_case("slots %zu, room for %zu", slots, room);
			check(rig_choice_of(rig.disk->durable) == 'A');
			enum detail d = rig_install(rig.package);
			if (d == DETAIL_OK) {
				check(room > 128); /* U-Boot must store a try */
				break;
			}
			assert_detail(d, DETAIL_FLAGS_FULL);
			rig_nothing_was_changed();
			arena_free();
		}
}

static void exactly_the_size_of_the_partition(void **state)
{
	(void)state;
	rig_new(2);
	struct pkg *pkg = pkg_new();
	prop_text(pkg->root, "product", "product");
	prop_u64(pkg->root, "key-epoch", 5);
	pkg_add_image(pkg, "boot", pkg_content(BOOT_LEN, 65536, 3), BOOT_LEN, 65536);
	pkg_add_image(pkg, "system", pkg_content(SYSTEM_LEN, 8192, 4), SYSTEM_LEN, 8192);
	pkg_link(pkg);
	pkg_seal(pkg);
	rig.package = pkg;
	rig_restore(0);
	watch_for(1, pkg);
	assert_detail(rig_install(pkg), DETAIL_OK);
	check(rig_slot_holds(rig.disk->durable, 1, pkg));
	rig_part_untouched("recovery");
	rig_part_untouched("system_a");
}

static void older_with_consent(void **state)
{
	(void)state;
	static const struct install_options consent = {.wanted = -1, .allow_older = true};
	rig_new(2);
	struct pkg *older = rig_package(8, 8, "product");
	rig_restore(0);
	assert_detail(rig_install_with(older, &consent), DETAIL_OK);
	check(rig_slot_holds(rig.disk->durable, 1, older) &&
	      rig_choice_of(rig.disk->durable) == 'B');
	rig_restore(0);
	assert_detail(rig_install_with(rig_package(6, 6, "product"), &consent),
		      DETAIL_BELOW_FLOOR); /* no consent helps */
	rig_nothing_was_changed();
}

static void wanted_slots(void **state)
{
	(void)state;
	rig_new(2);
	struct install_options options = {.wanted = 0};
	rig_restore(0);
	assert_detail(rig_install_with(rig.package, &options), DETAIL_SLOT_KEPT);
	rig_nothing_was_changed();
	rig_restore(-1); /* I11: the only good slot is no target in recovery either */
	assert_detail(rig_install_with(rig.package, &options), DETAIL_SLOT_KEPT);
	rig_nothing_was_changed();
	options.wanted = 2;
	rig_restore(-1);
	assert_detail(rig_install_with(rig.package, &options), DETAIL_SLOT_UNKNOWN);
	rig_nothing_was_changed();
	options.wanted = 1;
	rig_restore(-1);
	assert_detail(rig_install_with(rig.package, &options), DETAIL_OK);
}

/* A chunk in the middle is damaged. With two slots the target is lost and the system stays; with
 * one, nothing is touched. */
static void damage_in_the_payload(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		for (size_t at = rig.package->payload_off; at < rig.package->len; at += 1013) {
			rig_restore(-1);
			watch_for(slots == 2, rig.package);
			uint8_t *bytes = arena_copy(rig.package->bytes, rig.package->len);
			bytes[at] ^= 1;
			memsource_init(&rig.source, bytes, rig.package->len);
			at_case("slots %zu byte %zu", slots, at);
			enum detail d = install_run(&rig.device, &rig.source.source, &rig_any_slot,
						    &rig.result);
			assert_detail_in(d, DETAIL_CHUNK_STORED_HASH, DETAIL_INDEX_HASH);
			check(rig_choice_of(rig.disk->durable) == 'A');
			check(watch.flips == 0);
			if (slots == 1)
				rig_nothing_was_changed();
			rig.disk->watch = NULL;
		}
		/* verify_first does the same for two slots. */
		static const struct install_options first = {.wanted = -1, .verify_first = true};
		struct pkg *pkg = rig_package(10, 10, "product");
		pkg->bytes[pkg->len - 1] ^= 1;
		rig_restore(-1);
		assert_detail(rig_install_with(pkg, &first), DETAIL_CHUNK_STORED_HASH);
		rig_nothing_was_changed();
	}
}

/* The image's own hash in the manifest is wrong though every chunk is right. */
static void image_hash_is_wrong(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++)
		for (size_t image = 0; image < 2; image++) {
			rig_new(slots);
			struct pkg *pkg = rig_package(10, 10, "product");
			prop_at(pkg_image_node(pkg, image), "sha256")->data[0] ^= 1;
			pkg_seal(pkg);
			rig_restore(-1);
			at_case("slots %zu image %zu", slots, image);
			assert_detail(rig_install(pkg), DETAIL_IMAGE_HASH);
			check(rig_choice_of(rig.disk->durable) == 'A');
			if (slots == 1)
				rig_nothing_was_changed();
		}
}

/* I1: a stick whose second read differs, on a board where the package is read twice. */
static void i1_second_read_differs(void **state)
{
	(void)state;
	rig_new(1);
	rig_restore(-1);
	watch_for(0, rig.package); /* checks every byte that is written */
	memsource_init(&rig.source, rig.package->bytes, rig.package->len);
	memsource_differ_on_second_read(&rig.source);
	enum detail d = install_run(&rig.device, &rig.source.source, &rig_any_slot, &rig.result);
	check(d != DETAIL_OK && detail_status(d) == STATUS_VERIFY_FAILED);
	check(watch.flips == 0);
	rig_i4_holds_on(rig.disk->now);
}

/* --- Flags that are damaged --- */

static void damage_env(bool both)
{
	uint8_t *const images[] = {rig.disk->now, rig.disk->durable};
	for (size_t i = 0; i < 2; i++) {
		images[i][ENV_A + 20] ^= 1;
		if (both)
			images[i][ENV_B + 20] ^= 1;
	}
}

static void one_damaged_copy_of_the_flags(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	damage_env(false);
	watch_for(1, rig.package);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B' && !strcmp(rig_env("fdtfile"), "board.dtb"));
}

static void both_damaged_in_the_running_system(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	damage_env(true);
	assert_detail(rig_install(rig.package), DETAIL_FLAGS_DAMAGED);
	for (size_t i = 0; i < rig.disk->op_count; i++)
		check(rig.disk->ops[i].kind != OP_WRITE || !strcmp(rig.disk->ops[i].dev, "state"));
}

/* Recovery writes them anew; the device record still knows the only good slot (I11). */
static void both_damaged_in_recovery(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		rig_restore(-1);
		damage_env(true);
		check(rig_choice_of(rig.disk->durable) == 'R');
		at_case("slots %zu", slots);
		assert_detail(rig_install(rig.package), DETAIL_OK);
		check(rig_slot_holds(rig.disk->durable, slots == 2, rig.package));
		check(rig_choice_of(rig.disk->durable) == (slots == 2 ? 'B' : 'A'));
		if (slots == 2) {
			rig_part_untouched("boot_a");
			rig_part_untouched("system_a");
		}
	}
}

/* A blank device in the factory: nothing is known of it. */
static void blank_device(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		rig_new(slots);
		memset(rig.pristine + ENV_A, 0xff, 0x10000);
		memset(rig.pristine + rig_part("state")->off, 0xff, STATE_SIZE_MIN);
		rig_restore(-1);
		at_case("slots %zu", slots);
		assert_detail(rig_install(rig.package), DETAIL_OK);
		char choice = rig_choice_of(rig.disk->durable);
		check(choice == 'A' || choice == 'B');
		check(rig_slot_holds(rig.disk->durable, choice == 'B', rig.package));
	}
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
				damage_env(true);
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
		check(rig_choice_of(rig.disk->durable) == 'A' + first_target(slots));
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
			uint8_t *content = arena_alloc(sizes[i]);
			noise_fill(content, sizes[i], i);
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

/* The target holds nearly everything, so that the source is hardly read; where it is gone it is
 * noticed all the same, and nothing new is started. */
static void source_gone_where_little_is_read(void **state)
{
	(void)state;
	size_t last;
	rig_new(2);
	last = pkg_chunk(rig.package, 1, 8)->stored_len;
	rig_put_slot(rig.pristine, 1, rig.package);
	const struct {
		const char *what;
		size_t fail_at;
		bool last_differs;
	} rows[] = {
		{"before the one chunk that is needed", rig.package->len - last - 1, true},
		{"before the end that must be looked for", rig.package->len - 1, false},
		{"at the end", rig.package->len, false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		rig_restore(-1);
		if (rows[i].last_differs) {
			uint64_t at = rig_part("system_b")->off + 8 * 4096;
			rig.disk->now[at] ^= 1;
			rig.disk->durable[at] ^= 1;
		}
		memsource_init(&rig.source, rig.package->bytes, rig.package->len);
		rig.source.source.size = UINT64_MAX;
		rig.source.fail_at = rows[i].fail_at;
		at_case("%s", rows[i].what);
		assert_detail(
			install_run(&rig.device, &rig.source.source, &rig_any_slot, &rig.result),
			DETAIL_SOURCE_GONE);
		check(rig_choice_of(rig.disk->durable) == 'A');
		/* When it is there again, the rest is done. */
		assert_detail(rig_install(rig.package), DETAIL_OK);
		check(rig_choice_of(rig.disk->durable) == 'B' &&
		      rig_slot_holds(rig.disk->durable, 1, rig.package));
	}
}

/* Images above the checkpoint: progress is recorded, truthfully (the watcher reads it), and a cut
 * loses little. */
static void i3_checkpoints_of_a_large_image(void **state)
{
	(void)state;
	rig_new_of(2, MIB(20), 512);
	size_t size = MIB(19) + 5000;
	uint8_t *system = noise_of(size, 3);
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
		TEST(i9_chunks_that_are_there_are_not_written),
		TEST(i9_the_journal_is_only_a_hint),
		TEST(interrupted_by_the_observer),
		TEST(source_gone_anywhere),
		TEST(pending_is_known_after_a_restart),
		TEST(another_package_after_an_interrupted_one),
		TEST(repair_of_the_installed_release),
		TEST(byte_flipped_on_the_medium),
		TEST(i5_large_images_are_read_back_to_their_ends),
		TEST(lost_write_is_noticed),
		TEST(nth_operation_fails),
		TEST(a_copy_of_the_flags_takes_no_write),
		TEST(busy_partition),
		TEST(refused_packages_change_nothing),
		TEST(full_environment_is_told_first),
		TEST(exactly_the_size_of_the_partition),
		TEST(older_with_consent),
		TEST(wanted_slots),
		TEST(damage_in_the_payload),
		TEST(image_hash_is_wrong),
		TEST(i1_second_read_differs),
		TEST(one_damaged_copy_of_the_flags),
		TEST(both_damaged_in_the_running_system),
		TEST(both_damaged_in_recovery),
		TEST(blank_device),
		TEST(i4_i6_cut_at_every_write_ab_running),
		TEST(i4_i6_cut_at_every_write_ab_recovery),
		TEST(i4_i6_cut_at_every_write_single),
		TEST(i6_cut_again_during_the_resume),
		TEST(i4_i6_cut_while_the_flags_are_damaged),
		TEST(sectors_of_4096_bytes),
		TEST(images_of_every_end),
		TEST(from_a_network),
		TEST(a_partition_of_another_size),
		TEST(source_gone_where_little_is_read),
		TEST(i3_checkpoints_of_a_large_image),
	};
	return RUN_ALL(tests);
}
