/*
 * The install engine, the same package again: after a source that went away, after an interruption,
 * over itself, and over another package's beginnings (I9).
 */
#include "support_watch.h"

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
			rig_result_is(DETAIL_INTERRUPTED, -1);
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
			rig_result_is(DETAIL_SOURCE_GONE, -1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(i9_chunks_that_are_there_are_not_written),
		TEST(i9_the_journal_is_only_a_hint),
		TEST(interrupted_by_the_observer),
		TEST(source_gone_anywhere),
		TEST(pending_is_known_after_a_restart),
		TEST(another_package_after_an_interrupted_one),
		TEST(repair_of_the_installed_release),
		TEST(source_gone_where_little_is_read),
	};
	return RUN_ALL(tests);
}
