/*
 * Erasing user data: what is overwritten and what is not, asked for and taken back, cut at every
 * write, and on media that fail (I2, I3, I8 as core/wipe.h has them).
 */
#include "support_rig.h"

#include "wipe.h"

#define DATA_LEN (MIB(2) + 0x18000) /* chunks of 1 MiB: two and a bit */

static const char *const erased[] = {"data", "logs"};

/* Two partitions that hold something; release 9 runs in slot A, and B holds something else. */
static void wipe_rig(size_t slots, uint32_t sector)
{
	rig_data_len = DATA_LEN;
	rig_new_of(slots, SYSTEM_LEN, sector);
	rig_data_len = 0;
	rig.board.wipe_count = 2;
	strcpy(rig.board.wipe[0], "data");
	strcpy(rig.board.wipe[1], "logs");
	noise_fill(rig.pristine + rig_part("data")->off, DATA_LEN, 77);
	rig_restore(-1);
}

static bool holds_zeros(const uint8_t *disk, const char *label)
{
	const struct part *p = rig_part(label);
	return bytes_are_zero(disk + p->off, p->len);
}

static bool all_erased(const uint8_t *disk)
{
	return holds_zeros(disk, "data") && holds_zeros(disk, "logs");
}

static bool nothing_erased(const uint8_t *disk)
{
	for (size_t i = 0; i < COUNT(erased); i++) {
		const struct part *p = rig_part(erased[i]);
		if (memcmp(disk + p->off, rig.pristine + p->off, p->len))
			return false;
	}
	return true;
}

/* Whatever happens, nothing but the named partitions, the state and the boot flags is written. */
static void others_untouched(void)
{
	for (size_t i = 0; i < rig.part_count; i++) {
		const char *label = rig.parts[i].label;
		if (strcmp(label, "state") && strcmp(label, "data") && strcmp(label, "logs"))
			rig_part_untouched(label);
	}
	check(!memcmp(rig.disk->now, rig.pristine, ENV_A));
	check(!memcmp(rig.disk->now + rig.size - 0x8000, rig.pristine + rig.size - 0x8000, 0x8000));
	for (size_t i = 0; i < rig.disk->op_count; i++) {
		const struct op *op = &rig.disk->ops[i];
		check(op->kind != OP_WRITE || !rig_is_target_dev(op->dev));
		check(op->kind != OP_WRITE || strcmp(op->dev, "disk") ||
		      (op->off >= ENV_A && op->off + op->len <= ENV_B + ENV_SIZE));
	}
}

static enum detail wipe(bool agreed)
{
	memset(&rig.result, 0xa5, sizeof(rig.result));
	return wipe_run(&rig.device, agreed, &rig.result);
}

static bool newest_result(enum detail detail)
{
	struct result r;
	return state_result(&rig.state, 0, &r) && r.fault.detail == detail && r.what == RESULT_WIPE;
}

static size_t count_results(void)
{
	struct result r;
	size_t n = 0;
	while (state_result(&rig.state, n, &r))
		n++;
	return n;
}

/* A cut that loses what was not flushed, and the next start. */
static void restart(int running)
{
	memdisk_power_cut(rig.disk, 0);
	rig_boot(running);
}

static void damage_flags(void)
{
	memset(rig.disk->now + ENV_A, 0xee, ENV_SIZE);
	memset(rig.disk->now + ENV_B, 0xee, ENV_SIZE);
	memcpy(rig.disk->durable + ENV_A, rig.disk->now + ENV_A, ENV_B + ENV_SIZE - ENV_A);
}

/* --- What it does --- */

static void erases_what_the_board_names(void **state)
{
	(void)state;
	static const uint32_t sectors[] = {512, 4096};
	for (size_t slots = 1; slots <= 2; slots++)
		for (size_t i = 0; i < COUNT(sectors); i++) {
			at_case("%zu slots, sectors of %u", slots, sectors[i]);
			wipe_rig(slots, sectors[i]);
			assert_detail(wipe(true), DETAIL_OK);
			check(rig.result.what == RESULT_WIPE && rig.result.fault.detail == 0 &&
			      rig.result.slot == RESULT_NO_SLOT);
			others_untouched();
			/* Durable, told once, and over. */
			restart(-1);
			check(all_erased(rig.disk->now));
			check(newest_result(DETAIL_OK) && count_results() == 1);
			check(rig.state.record.wipe == STATE_WIPE_NONE &&
			      !wipe_is_wanted(&rig.device));
			/* What the record says of the systems is as it was. */
			check(rig.state.record.slot[0].confirmed &&
			      rig.state.record.rollback_floor == 7);
			check(!strcmp(rig_env("BOOT_A_LEFT"), "3") &&
			      !strcmp(rig_env("BOOT_A_GOOD"), "1") &&
			      !strcmp(rig_env("BOOT_ORDER"), "A"));
			/* Recovery is left as after every other work. */
			check(rig_choice_of(rig.disk->now) == 'R');
			assert_detail(install_leave_recovery(&rig.device, false, true, &rig.fault),
				      DETAIL_OK);
			check(rig_choice_of(rig.disk->now) == 'A');
		}
}

static struct op *find_op(enum op_kind kind, const char *dev, size_t *from)
{
	for (size_t i = *from; i < rig.disk->op_count; i++)
		if (rig.disk->ops[i].kind == kind && !strcmp(rig.disk->ops[i].dev, dev)) {
			*from = i + 1;
			return &rig.disk->ops[i];
		}
	fail_msg("no such operation on %s", dev);
	return NULL;
}

/* The order that core/wipe.h gives, from what the medium was told. */
static void order_of_steps(void **state)
{
	(void)state;
	size_t at = 0, last = 0;
	wipe_rig(2, 512);
	rig.disk->keep_reads = true;
	assert_detail(wipe(true), DETAIL_OK);
	find_op(OP_WRITE, "disk", &at); /* the request for recovery */
	find_op(OP_FLUSH, "disk", &at);
	find_op(OP_WRITE, "state", &at); /* begun */
	find_op(OP_FLUSH, "state", &at);
	for (size_t i = 0; i < at; i++)
		check(rig.disk->ops[i].kind != OP_WRITE || (strcmp(rig.disk->ops[i].dev, "data") &&
							    strcmp(rig.disk->ops[i].dev, "logs")));
	for (size_t i = 0; i < COUNT(erased); i++) {
		for (size_t n = 0; n < (i ? 1 : 3); n++)
			find_op(OP_WRITE, erased[i], &at);
		find_op(OP_FLUSH, erased[i], &at);
	}
	for (size_t i = 0; i < COUNT(erased); i++)
		for (size_t n = 0; n < (i ? 1 : 3); n++)
			find_op(OP_READ, erased[i], &at);
	find_op(OP_WRITE, "state", &at); /* the result */
	for (last = rig.disk->op_count - 1;
	     rig.disk->ops[last].kind == OP_STEP || rig.disk->ops[last].kind == OP_READ; last--)
		;
	check(rig.disk->ops[last].kind == OP_FLUSH && !strcmp(rig.disk->ops[last].dev, "state"));
}

static void progress_is_told(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	assert_detail(wipe(true), DETAIL_OK);
	check(!rig.observer.backwards && rig.observer.last == STEP_DONE);
	uint64_t total = DATA_LEN + BOOT_LEN;
	check(rig.observer.at[STEP_WRITE].total == total &&
	      rig.observer.at[STEP_WRITE].done == total &&
	      rig.observer.at[STEP_WRITE].written == total);
	check(rig.observer.at[STEP_READ_BACK].done == total);
}

/* A byte anywhere is seen: when it is looked whether to write, and when it is read back. */
static void one_byte_is_enough(void **state)
{
	(void)state;
	static const uint64_t offs[] = {0, 1, 7, 8, 511, MIB(1) - 1, MIB(1), DATA_LEN - 1};
	wipe_rig(2, 512);
	uint64_t data = rig_part("data")->off;
	for (size_t i = 0; i < COUNT(offs); i++) {
		at_case("byte %llu", (unsigned long long)offs[i]);
		rig_restore(-1);
		memset(rig.disk->now + data, 0, DATA_LEN);
		rig.disk->now[data + offs[i]] = 1;
		memcpy(rig.disk->durable + data, rig.disk->now + data, DATA_LEN);
		assert_detail(wipe(true), DETAIL_OK);
		check(all_erased(rig.disk->durable));
		/* The other chunks hold zeros already. */
		check(rig.observer.at[STEP_WRITE].unchanged >= DATA_LEN - MIB(1));

		rig_restore(-1);
		rig.disk->flip_off = data + offs[i];
		rig.disk->flip_times = 1;
		assert_detail(wipe(true), DETAIL_READ_BACK);
		check(!strcmp(rig.result.fault.object, "data") &&
		      rig.result.fault.offset == offs[i] / MIB(1) * MIB(1));
	}
}

/* Where nothing matches, not every chunk is read before it is written; where zeros begin, it is
 * seen. */
static void looks_only_while_it_pays(void **state)
{
	(void)state;
	rig_data_len = MIB(64);
	rig_new_of(1, SYSTEM_LEN, 512);
	rig_data_len = 0;
	rig.board.wipe_count = 1;
	strcpy(rig.board.wipe[0], "data");
	memset(rig.pristine + rig_part("data")->off, 0x55, MIB(40));
	rig_restore(-1);
	assert_detail(wipe(true), DETAIL_OK);
	check(holds_zeros(rig.disk->durable, "data"));
	/* 48 is the first chunk that is looked at and holds zeros. */
	check(rig.observer.at[STEP_WRITE].written == MIB(48) &&
	      rig.observer.at[STEP_WRITE].unchanged == MIB(16));
	/* Flushed on the way: what waits is bounded. */
	size_t flushes = 0;
	for (size_t i = 0; i < rig.disk->op_count; i++)
		flushes +=
			rig.disk->ops[i].kind == OP_FLUSH && !strcmp(rig.disk->ops[i].dev, "data");
	assert_int_equal(flushes, MIB(48) / INSTALL_CHECKPOINT + 1);
	rig_restore(-1);
	rig.disk->fail_flush = 3; /* after those of the flags and of the record */
	assert_detail(wipe(true), DETAIL_DEVICE_FLUSH);
	check(!strcmp(rig.result.fault.object, "data") &&
	      rig.result.fault.offset == INSTALL_CHECKPOINT - MIB(1));
	/* Nobody has to look. */
	rig_restore(-1);
	rig.device.observer = NULL;
	assert_detail(wipe(true), DETAIL_OK);
	check(holds_zeros(rig.disk->durable, "data"));
}

/* --- Consent and refusals --- */

static void nobody_agreed(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	assert_detail(wipe(false), DETAIL_WIPE_NEEDS_CONSENT);
	check(rig.result.fault.detail == DETAIL_WIPE_NEEDS_CONSENT);
	check(rig.disk->writes == 0);
	/* Recovery that was asked for something else is no consent. */
	assert_detail(install_request_recovery(&rig.device, "service", &rig.fault), DETAIL_OK);
	memdisk_forget_ops(rig.disk);
	assert_detail(wipe(false), DETAIL_WIPE_NEEDS_CONSENT);
	check(rig.disk->writes == 0);
}

static void never_under_a_running_system(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	rig_boot(0);
	assert_detail(wipe(true), DETAIL_NOT_RECOVERY);
	check(rig.disk->writes == 0);
	assert_detail(wipe_request(&rig.device, &rig.fault), DETAIL_OK);
	memdisk_forget_ops(rig.disk);
	assert_detail(wipe(false), DETAIL_NOT_RECOVERY);
	check(rig.disk->writes == 0 && wipe_is_wanted(&rig.device));
}

/* Refused before anything but the report is written. */
static void refused(enum detail detail, const char *object)
{
	size_t n = count_results();
	assert_detail(wipe(true), detail);
	check(strstr(rig.result.fault.object, object) != NULL);
	rig_nothing_was_changed();
	check(newest_result(detail) && count_results() == n + 1);
	check(rig.state.record.wipe == STATE_WIPE_NONE);
	/* The running system is told at once. */
	rig_boot(0);
	memdisk_forget_ops(rig.disk);
	if (detail != DETAIL_PARTITION_BUSY && detail != DETAIL_PARTITION_CHANGED) {
		assert_detail(wipe_request(&rig.device, &rig.fault), detail);
		check(rig.disk->writes == 0);
	}
	rig_boot(-1);
}

static void refusals(void **state)
{
	(void)state;
	static const char *const labels[] = {"boot_a", "system_b", "recovery", "state"};
	wipe_rig(2, 512);
	for (size_t i = 0; i < COUNT(labels); i++) {
		rig_restore(-1);
		at_case("wipe = data, %s", labels[i]);
		strcpy(rig.board.wipe[1], labels[i]);
		refused(DETAIL_EXTENT_OVERLAP, labels[i]);
	}
	rig_restore(-1);
	at_case("the same twice");
	strcpy(rig.board.wipe[1], "data");
	refused(DETAIL_EXTENT_OVERLAP, "data");
	rig_restore(-1);
	at_case("missing");
	strcpy(rig.board.wipe[1], "nosuch");
	refused(DETAIL_PARTITION_MISSING, "nosuch");
	strcpy(rig.board.wipe[1], "logs");
	for (int copy = 0; copy < 2; copy++) {
		uint64_t before = rig.board.flag_off[copy];
		rig_restore(-1);
		at_case("copy %d of the boot flags in data", copy);
		rig.board.flag_off[copy] = rig_part("data")->off + DATA_LEN - 512;
		refused(DETAIL_EXTENT_OVERLAP, "boot flags");
		rig.board.flag_off[copy] = before;
	}
	rig_restore(-1);
	at_case("over the partition table");
	rig.device.gpt = &rig.gpt;
	for (size_t i = 0; i < rig.gpt.count; i++)
		if (!strcmp(rig.gpt.at[i].label, "logs"))
			rig.gpt.at[i].off = 512;
	assert_detail(wipe(true), DETAIL_EXTENT_OVERLAP);
	rig_nothing_was_changed();
	rig_restore(-1);
	at_case("mounted");
	memstorage_part(&rig.storage, "logs")->busy = true;
	refused(DETAIL_PARTITION_BUSY, "logs");
	rig_restore(-1);
	at_case("changed meanwhile");
	memstorage_part(&rig.storage, "logs")->dev.size -= 512;
	refused(DETAIL_PARTITION_CHANGED, "logs");
	rig_restore(-1);
	at_case("nothing to wipe");
	rig.board.wipe_count = 0;
	refused(DETAIL_NOTHING_TO_WIPE, "board tree");
}

/* --- Asked for in the running system --- */

static void asked(void)
{
	wipe_rig(2, 512);
	rig_boot(0);
	assert_detail(wipe_request(&rig.device, &rig.fault), DETAIL_OK);
	memdisk_power_cut(rig.disk, 0);
	check(rig_choice_of(rig.disk->durable) == 'R');
	check(!strcmp(rig_env("BOOT_RECOVERY_REASON"), "wipe"));
	check(nothing_erased(rig.disk->durable));
}

static void asked_for_and_done_by_recovery(void **state)
{
	(void)state;
	bool settled;
	asked();
	rig_boot(-1);
	assert_detail(install_settle(&rig.device, "request", &settled, &rig.result, &rig.fault),
		      DETAIL_OK);
	check(wipe_is_wanted(&rig.device) && rig.state.record.wipe == STATE_WIPE_ASKED);
	assert_detail(wipe(false), DETAIL_OK);
	others_untouched();
	restart(-1);
	check(all_erased(rig.disk->now) && !wipe_is_wanted(&rig.device));
	assert_detail(install_leave_recovery(&rig.device, false, false, &rig.fault), DETAIL_OK);
	check(rig_choice_of(rig.disk->now) == 'A');
	/* Never again. */
	assert_detail(install_request_recovery(&rig.device, "service", &rig.fault), DETAIL_OK);
	rig_boot(-1);
	check(!wipe_is_wanted(&rig.device));
}

/* FORMAT.md 2.1, read by hand. */
static void bytes_of_the_record(void **state)
{
	(void)state;
	asked();
	const uint8_t *ring = rig.disk->durable + rig_part("state")->off, *newest = NULL;
	for (int i = 0; i < 4; i++)
		if (load_be32(ring + i * 4096) == 0x4c425231 &&
		    (!newest || load_be64(ring + i * 4096 + 8) > load_be64(newest + 8)))
			newest = ring + i * 4096;
	check(newest != NULL);
	assert_int_equal(load_be32(newest + 64 + 40), 1);
	assert_int_equal(load_be32(newest + 64 + 44), 0);
}

static void asked_for_twice(void **state)
{
	(void)state;
	asked();
	rig_boot(0);
	memdisk_forget_ops(rig.disk);
	assert_detail(wipe_request(&rig.device, &rig.fault), DETAIL_OK);
	check(rig.disk->writes == 0);
	/* One that was begun stays one that was begun. */
	rig.state.record.wipe = STATE_WIPE_BEGUN;
	rig.state.record.wipe_starts = 4;
	assert_detail(wipe_request(&rig.device, &rig.fault), DETAIL_OK);
	check(rig.state.record.wipe == STATE_WIPE_BEGUN && rig.state.record.wipe_starts == 0);
}

/* Recovery was asked for already: the reason stays. */
static void asked_for_when_recovery_is(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	rig_boot(0);
	assert_detail(install_request_recovery(&rig.device, "service", &rig.fault), DETAIL_OK);
	assert_detail(wipe_request(&rig.device, &rig.fault), DETAIL_OK);
	restart(-1);
	check(!strcmp(rig_env("BOOT_RECOVERY_REASON"), "service"));
	check(wipe_is_wanted(&rig.device));
	/* Taken back: recovery is still what the other wanted. */
	assert_detail(wipe_withdraw(&rig.device, &rig.fault), DETAIL_OK);
	check(!wipe_is_wanted(&rig.device) && rig_choice_of(rig.disk->now) == 'R');
}

static void taken_back(void **state)
{
	(void)state;
	asked();
	rig_boot(0);
	assert_detail(wipe_withdraw(&rig.device, &rig.fault), DETAIL_OK);
	restart(0);
	check(rig_choice_of(rig.disk->now) == 'A' && rig.state.record.wipe == STATE_WIPE_NONE);
	check(nothing_erased(rig.disk->now));
	memdisk_forget_ops(rig.disk);
	assert_detail(wipe_withdraw(&rig.device, &rig.fault), DETAIL_OK);
	check(rig.disk->writes == 0);
}

/* What was taken back does not come back with a block that goes bad and a request of another kind.
 */
static void taken_back_and_one_bad_block(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++)
		for (int block = 0; block < 4; block++) {
			wipe_rig(2, 512);
			restart(0);
			assert_detail(wipe_request(&rig.device, &rig.fault), DETAIL_OK);
			if (how) {
				rig_env_put("A B", "3", "1", "3", "0", "0");
				rig_boot(0);
				assert_detail(
					install_request_recovery(&rig.device, "a", &rig.fault),
					DETAIL_OK);
			} else {
				assert_detail(wipe_withdraw(&rig.device, &rig.fault), DETAIL_OK);
				assert_detail(
					install_request_recovery(&rig.device, "a", &rig.fault),
					DETAIL_OK);
			}
			memdisk_power_cut(rig.disk, 0);
			rig.disk->bad_off = rig_part("state")->off + (uint64_t)block * 4096;
			rig_boot(-1);
			at_case("how %d block %d", how, block);
			check(!wipe_is_wanted(&rig.device));
		}
}

/*
 * Somebody cleared the request for recovery without lifeboat: a recovery that starts months later
 * for something else must not erase.
 */
static void nothing_comes_back_later(void **state)
{
	(void)state;
	static const enum state_wipe steps[] = {STATE_WIPE_ASKED, STATE_WIPE_BEGUN};
	for (size_t i = 0; i < COUNT(steps); i++) {
		bool settled;
		wipe_rig(2, 512);
		for (int way = 0; way < 3; way++) {
			at_case("step %d, way %d", steps[i], way);
			rig_restore(0);
			rig.state.record.wipe = steps[i];
			assert_detail(state_store_record(&rig.state, &rig.fault), DETAIL_OK);
			check(!wipe_is_wanted(&rig.device));
			if (way == 0) {
				assert_detail(install_settle(&rig.device, "", &settled, &rig.result,
							     &rig.fault),
					      DETAIL_OK);
				check(!settled);
				/* That data is half gone, or all there still, is told. */
				check(count_results() == 1 && newest_result(DETAIL_INTERRUPTED));
			} else if (way == 1) {
				/* The request that follows is not the wipe's. */
				rig.disk->fail_write = 0;
				rig.disk->fail_more = 1;
				check(install_request_recovery(&rig.device, "service",
							       &rig.fault) != DETAIL_OK);
				check(rig_choice_of(rig.disk->now) == 'A');
			} else {
				assert_detail(install_leave_recovery(&rig.device, false, true,
								     &rig.fault),
					      DETAIL_OK);
			}
			if (way != 1)
				check(rig.state.record.wipe == STATE_WIPE_NONE);
			assert_detail(install_request_recovery(&rig.device, "service", &rig.fault),
				      DETAIL_OK);
			restart(-1);
			check(!wipe_is_wanted(&rig.device));
		}
	}
}

/* Flags that nobody can read: one that was begun is not forgotten, one that was asked for is no
 * consent. */
static void damaged_flags(void **state)
{
	(void)state;
	asked();
	damage_flags();
	rig_boot(-1);
	check(!wipe_is_wanted(&rig.device));
	assert_detail(wipe(false), DETAIL_WIPE_NEEDS_CONSENT);
	/* A person may erase all the same; the flags are not written over. */
	memdisk_forget_ops(rig.disk);
	rig.disk->die = 8;
	check(wipe(true) != DETAIL_OK);
	restart(-1);
	check(rig_choice_of(rig.disk->now) == 'R' && wipe_is_wanted(&rig.device));
	assert_detail(wipe(false), DETAIL_OK);
	check(all_erased(rig.disk->durable));
	check(rig.disk->now[ENV_A] == 0xee && rig.disk->now[ENV_B] == 0xee);
	/* In the running system there is no way to ask. */
	rig_boot(0);
	assert_detail(wipe_request(&rig.device, &rig.fault), DETAIL_FLAGS_DAMAGED);
}

/* A copy that cannot be read may be the newer one: what starts next is unknown, so nothing is
 * erased. */
static void unreadable_flags(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	rig.disk->bad_off = ENV_B;
	assert_detail(wipe(true), DETAIL_DEVICE_READ);
	check(nothing_erased(rig.disk->now) && rig_env_untouched());
}

/* --- With what else goes on --- */

static void pending_installs_stay_pending(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	rig.disk->die = 12;
	check(rig_install(rig.package) != DETAIL_OK);
	restart(-1);
	struct journal before = rig.state.journal;
	check(before.step != JOURNAL_IDLE);
	assert_detail(wipe(true), DETAIL_OK);
	restart(-1);
	check(!memcmp(&before, &rig.state.journal, sizeof(before)));
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B' && all_erased(rig.disk->durable));
}

/* An update agent is quicker than the restart: both are done, the wipe first. */
static void install_keeps_the_request(void **state)
{
	(void)state;
	asked();
	rig_boot(0);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	restart(-1);
	check(rig_choice_of(rig.disk->now) == 'R' && wipe_is_wanted(&rig.device));
	assert_detail(wipe(false), DETAIL_OK);
	assert_detail(install_leave_recovery(&rig.device, false, false, &rig.fault), DETAIL_OK);
	check(rig_choice_of(rig.disk->now) == 'B' && rig_slot_holds(rig.disk->now, 1, rig.package));
	check(!strcmp(rig_env("BOOT_B_LEFT"), "3") && !strcmp(rig_env("BOOT_B_GOOD"), "0"));
}

/* A request for recovery that is no wipe's ends with an install, as before. */
static void install_ends_other_requests(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	assert_detail(install_request_recovery(&rig.device, "service", &rig.fault), DETAIL_OK);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B');
}

static void no_system_is_needed(void **state)
{
	(void)state;
	wipe_rig(1, 512);
	static const char none[] = "BOOT_ORDER=\0BOOT_RECOVERY=0\0";
	env_make(rig.disk->now + ENV_A, ENV_SIZE, 17, none, sizeof(none));
	env_make(rig.disk->now + ENV_B, ENV_SIZE, 16, none, sizeof(none));
	memcpy(rig.disk->durable, rig.disk->now, rig.size);
	assert_detail(wipe(true), DETAIL_OK);
	check(all_erased(rig.disk->durable) && rig_choice_of(rig.disk->durable) == 'R');
}

/* --- Power cuts --- */

/* What must hold after a cut, and what follows by itself. Returns whether it was begun. */
static bool goes_on_after_a_cut(void)
{
	bool begun;

	others_untouched();
	rig_boot(-1);
	begun = rig.state.record.wipe == STATE_WIPE_BEGUN;
	/* I3: no byte is gone before the record says so. */
	if (rig.state.record.wipe != STATE_WIPE_BEGUN)
		check(nothing_erased(rig.disk->durable) || all_erased(rig.disk->durable));
	/* I2: no system starts on data that is half gone. */
	if (begun)
		check(rig_choice_of(rig.disk->durable) == 'R' && wipe_is_wanted(&rig.device));
	if (wipe_is_wanted(&rig.device))
		assert_detail(wipe(false), DETAIL_OK);
	check(rig.state.record.wipe == STATE_WIPE_NONE);
	memdisk_power_cut(rig.disk, 0);
	check(!begun || (all_erased(rig.disk->durable) && newest_result(DETAIL_OK)));
	return begun;
}

static void cut_at_every_write(void **state)
{
	(void)state;
	size_t begun = 0;
	bool died = true;
	wipe_rig(2, 512);
	for (long die = 0; died; die++) {
		for (uint64_t seed = 0; seed < 5; seed++) {
			at_case("power fails at operation %ld, seed %llu", die,
				(unsigned long long)seed);
			rig_restore(-1);
			rig.disk->die = die;
			enum detail d = wipe(true);
			died = rig.disk->dead;
			check(died ? d != DETAIL_OK || rig.state.record.wipe == STATE_WIPE_NONE
				   : d == DETAIL_OK);
			memdisk_power_cut(rig.disk, seed);
			begun += goes_on_after_a_cut();
		}
		check(die < 60);
	}
	check(begun > 40);
}

static void cut_again_and_again(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	for (uint64_t round = 0; round < 60; round++) {
		at_case("round %llu", (unsigned long long)round);
		rig_restore(-1);
		rig.disk->die = 5 + (long)(noise(round, 0) % 14);
		wipe(true);
		memdisk_power_cut(rig.disk, 2 + round);
		rig_boot(-1);
		for (uint64_t cut = 1; cut < 4 && wipe_is_wanted(&rig.device); cut++) {
			rig.disk->die = (long)(noise(round, cut) % 14);
			wipe(false);
			memdisk_power_cut(rig.disk, 3 * round + cut);
			rig_boot(-1);
		}
		goes_on_after_a_cut();
	}
}

static void request_cut_at_every_write(void **state)
{
	(void)state;
	bool died = true;
	wipe_rig(2, 512);
	for (long die = 0; died; die++)
		for (uint64_t seed = 0; seed < 5; seed++) {
			at_case("power fails at operation %ld, seed %llu", die,
				(unsigned long long)seed);
			rig_restore(0);
			rig.disk->die = die;
			enum detail d = wipe_request(&rig.device, &rig.fault);
			died = rig.disk->dead;
			check(died || d == DETAIL_OK);
			memdisk_power_cut(rig.disk, seed);
			check(nothing_erased(rig.disk->durable));
			rig_boot(-1);
			/* Never asked for with a system that would start over it. */
			if (rig.state.record.wipe != STATE_WIPE_NONE)
				check(rig_choice_of(rig.disk->durable) == 'R');
			check(d != DETAIL_OK || wipe_is_wanted(&rig.device));
			/* Taken back, cut as well: in the end either it stands or it does not. */
			if (!wipe_is_wanted(&rig.device))
				continue;
			rig.disk->die = (long)seed;
			wipe_withdraw(&rig.device, &rig.fault);
			memdisk_power_cut(rig.disk, seed);
			rig_boot(-1);
			check(rig_choice_of(rig.disk->durable) == 'R' ||
			      rig.state.record.wipe == STATE_WIPE_NONE);
		}
}

/* I8: a device that hangs in the middle of it gets out of it. */
static void begun_too_often(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	rig.disk->die = 8;
	wipe(true);
	restart(-1);
	for (int i = 1; i < WIPE_STARTS; i++) {
		at_case("start %d", i);
		check(wipe_is_wanted(&rig.device) && rig.state.record.wipe_starts == (uint32_t)i);
		rig.disk->die = 5;
		check(wipe(false) != DETAIL_WIPE_GIVEN_UP);
		restart(-1);
	}
	uint8_t *before = arena_copy(rig.disk->now + rig_part("data")->off, DATA_LEN);
	assert_detail(wipe(false), DETAIL_WIPE_GIVEN_UP);
	check(newest_result(DETAIL_WIPE_GIVEN_UP) && !wipe_is_wanted(&rig.device));
	check(!memcmp(before, rig.disk->now + rig_part("data")->off, DATA_LEN));
	/* A person may choose it again, and then it has all its starts. */
	rig.disk->die = 6;
	wipe(true);
	restart(-1);
	check(rig.state.record.wipe_starts == 1);
	assert_detail(wipe(false), DETAIL_OK);
	check(all_erased(rig.disk->durable));
}

static void interrupted_and_gone_on_with(void **state)
{
	(void)state;
	for (long polls = 0;; polls++) {
		at_case("stopped after %ld polls", polls);
		wipe_rig(2, 512);
		rig.observer.stop_after = polls;
		enum detail d = wipe(true);
		if (!d)
			break;
		assert_detail(d, DETAIL_INTERRUPTED);
		check(newest_result(DETAIL_INTERRUPTED));
		restart(-1);
		check(wipe_is_wanted(&rig.device) && rig_choice_of(rig.disk->now) == 'R');
		assert_detail(wipe(false), DETAIL_OK);
		check(all_erased(rig.disk->durable));
		check(polls < 20);
	}
}

/* --- Media that fail --- */

/* Success, or a failure that is told, after which nothing happens by itself any more. */
static void after_a_failure(enum detail d)
{
	enum detail told = rig.result.fault.detail;

	others_untouched();
	check(told == d);
	if (!d) {
		check(all_erased(rig.disk->durable) && rig.state.record.wipe == STATE_WIPE_NONE);
		return;
	}
	check(detail_status(d) == STATUS_INSTALL_FAILED);
	/* No system starts on data that may be half gone before somebody leaves recovery. */
	check(nothing_erased(rig.disk->durable) || rig_choice_of(rig.disk->durable) == 'R');
	check(rig_env_of(rig.disk->durable) != NULL);
	/* When it says that it is not wanted any more, that is so after the next start, too. */
	bool wanted = wipe_is_wanted(&rig.device);
	rig_boot(-1);
	check(wanted || !wipe_is_wanted(&rig.device));
}

static void failing_operations(void **state)
{
	(void)state;
	wipe_rig(2, 512);
	long *const counters[] = {&rig.disk->fail_read, &rig.disk->fail_write,
				  &rig.disk->fail_flush};
	for (size_t kind = 0; kind < COUNT(counters); kind++)
		for (long more = 0; more < 4; more += 3) {
			size_t failed = 0;
			for (long n = 0; n < 200; n++) {
				at_case("kind %zu, operation %ld and %ld more", kind, n, more);
				rig_restore(-1);
				*counters[kind] = n;
				rig.disk->fail_more = more;
				enum detail d = wipe(true);
				bool reached = *counters[kind] != n && *counters[kind] < 0;
				*counters[kind] = -1;
				rig.disk->fail_more = 0;
				failed += d != DETAIL_OK;
				after_a_failure(d);
				if (!reached && more == 0 && !d && n > 40)
					break;
			}
			/* What is stored is tried again: once is helped, but for the data itself.
			 */
			check(failed > (more ? 3 : 0));
		}
}

/* After a failure nothing is asked for, and what was asked for before still is. */
static void failing_requests(void **state)
{
	(void)state;
	size_t failed = 0;
	wipe_rig(2, 512);
	long *const counters[] = {&rig.disk->fail_read, &rig.disk->fail_write,
				  &rig.disk->fail_flush};
	for (int service = 0; service < 2; service++)
		for (size_t kind = 0; kind < COUNT(counters); kind++)
			for (long n = 0; n < 60; n++) {
				at_case("service %d, kind %zu, operation %ld", service, kind, n);
				rig_restore(0);
				if (service)
					assert_detail(install_request_recovery(
							      &rig.device, "service", &rig.fault),
						      DETAIL_OK);
				*counters[kind] = n / 2;
				rig.disk->fail_more = n % 2 ? 3 : 0;
				enum detail d = wipe_request(&rig.device, &rig.fault);
				*counters[kind] = -1;
				rig.disk->fail_more = 0;
				failed += d != DETAIL_OK;
				/* What was written and not flushed may arrive all the same. */
				memdisk_power_cut(rig.disk, 1);
				rig_boot(-1);
				check(wipe_is_wanted(&rig.device) == !d);
				check(rig_choice_of(rig.disk->now) == (d && !service ? 'A' : 'R'));
				check(nothing_erased(rig.disk->now));
			}
	check(failed >= 6);
}

/* A sector that takes no zeros; the same with the request that recovery finds. */
static void a_sector_that_keeps_what_it_held(void **state)
{
	(void)state;
	asked();
	rig_boot(-1);
	rig.disk->lose_off = rig_part("data")->off + MIB(1) + 1024;
	assert_detail(wipe(false), DETAIL_READ_BACK);
	check(rig.result.fault.offset == MIB(1) && !strcmp(rig.result.fault.object, "data"));
	restart(-1);
	check(newest_result(DETAIL_READ_BACK) && !wipe_is_wanted(&rig.device));
	check(rig_choice_of(rig.disk->now) == 'R');
}

/* What is shown as erased was erased just now, and not by some wipe of long ago. */
static void the_result_of_an_older_wipe_says_nothing(void **state)
{
	(void)state;
	struct result r;
	wipe_rig(2, 512);
	assert_detail(wipe(true), DETAIL_OK);
	for (int starts = 0; starts < 3; starts++) {
		at_case("%d starts later", starts);
		check(wipe_has_ended(&rig.device, WIPE_REASON, &r) == (starts < 2));
		check(!wipe_has_ended(&rig.device, "service", &r));
		assert_detail(install_count_start(&rig.device, true, &rig.fault), DETAIL_OK);
	}
}

/* One that was only asked for, and flags that cannot be read: nobody knows, nothing is erased. */
static void asked_for_with_flags_that_cannot_be_read(void **state)
{
	(void)state;
	asked();
	rig_boot(-1);
	rig.disk->bad_off = ENV_A;
	check(wipe_is_wanted(&rig.device));
	assert_detail(wipe(false), DETAIL_DEVICE_READ);
	check(nothing_erased(rig.disk->now) && rig.result.fault.sys_errno == 5);
	rig.disk->bad_off = UINT64_MAX;
	assert_detail(wipe(false), DETAIL_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(erases_what_the_board_names),
		TEST(order_of_steps),
		TEST(progress_is_told),
		TEST(one_byte_is_enough),
		TEST(looks_only_while_it_pays),
		TEST(nobody_agreed),
		TEST(never_under_a_running_system),
		TEST(refusals),
		TEST(asked_for_and_done_by_recovery),
		TEST(bytes_of_the_record),
		TEST(asked_for_twice),
		TEST(asked_for_when_recovery_is),
		TEST(taken_back),
		TEST(taken_back_and_one_bad_block),
		TEST(nothing_comes_back_later),
		TEST(damaged_flags),
		TEST(unreadable_flags),
		TEST(pending_installs_stay_pending),
		TEST(install_keeps_the_request),
		TEST(install_ends_other_requests),
		TEST(no_system_is_needed),
		TEST(cut_at_every_write),
		TEST(cut_again_and_again),
		TEST(request_cut_at_every_write),
		TEST(begun_too_often),
		TEST(interrupted_and_gone_on_with),
		TEST(failing_operations),
		TEST(failing_requests),
		TEST(a_sector_that_keeps_what_it_held),
		TEST(the_result_of_an_older_wipe_says_nothing),
		TEST(asked_for_with_flags_that_cannot_be_read),
	};
	return RUN_ALL(tests);
}
