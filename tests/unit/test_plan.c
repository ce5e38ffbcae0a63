/* The plan: every check that can be made before the first write, each refusal alone (design 5, 7;
 * I11). */
#include "support.h"

#include "plan.h"

static struct board board;
static struct gpt gpt;
static struct manifest manifest;
static struct flags flags;
static struct state_record record;
static struct journal journal;
static uint8_t id[HASH_LEN];
static struct plan_request request;
static struct plan plan;
static struct fault fault;

static void add_part(const char *label, uint64_t off, uint64_t len)
{
	struct gpt_partition *p = &gpt.at[gpt.count++];
	*p = (struct gpt_partition){.number = (uint32_t)gpt.count, .off = off, .len = len};
	strcpy(p->label, label);
}

static struct gpt_partition *part(const char *label)
{
	for (size_t i = 0; i < gpt.count; i++)
		if (!strcmp(gpt.at[i].label, label))
			return &gpt.at[i];
	fail_msg("no partition %s", label);
	return NULL;
}

static void add_image(const char *role, uint64_t size)
{
	struct manifest_image *i = &manifest.images[manifest.image_count++];
	*i = (struct manifest_image){
		.size = size, .chunk_size = 4096, .chunk_count = (size + 4095) / 4096};
	strcpy(i->role, role);
}

/* A board with two slots; A runs, release 9, and has confirmed itself; B holds release 8, good as
 * well. */
static void good(void)
{
	memset(&board, 0, sizeof(board));
	strcpy(board.product, "lifeboat,reference-ab");
	strcpy(board.state_label, "state");
	strcpy(board.recovery_label, "recovery");
	board.tries = 3;
	board.slot_count = 2;
	for (int i = 0; i < 2; i++) {
		struct board_slot *s = &board.slots[i];
		strcpy(s->name, i ? "B" : "A");
		s->part_count = 2;
		strcpy(s->parts[0].role, "boot");
		strcpy(s->parts[0].label, i ? "boot_b" : "boot_a");
		strcpy(s->parts[1].role, "system");
		strcpy(s->parts[1].label, i ? "system_b" : "system_a");
	}
	board.flag_off[0] = 0x100000;
	board.flag_off[1] = 0x180000;
	board.flag_size = 0x4000;

	memset(&gpt, 0, sizeof(gpt));
	gpt.table_end = 34 * 512;
	gpt.first_usable = 34 * 512;
	gpt.end_usable = MIB(64) - 33 * 512;
	add_part("boot_a", MIB(2), MIB(1));
	add_part("system_a", MIB(4), MIB(8));
	add_part("boot_b", MIB(12), MIB(1));
	add_part("system_b", MIB(16), MIB(8));
	add_part("recovery", MIB(24), MIB(8));
	add_part("state", MIB(32), MIB(4));
	add_part("data", MIB(40), MIB(8));

	memset(&manifest, 0, sizeof(manifest));
	manifest.product_count = 2;
	manifest.products[0] = "another";
	manifest.products[1] = "lifeboat,reference-ab";
	manifest.version = "10.0";
	manifest.release = 10;
	manifest.rollback_floor = 3;
	manifest.key_epoch = 1;
	add_image("boot", 5000);
	add_image("system", MIB(7));

	flags = (struct flags){.order_count = 2, .order = {0, 1}, .slot = {{3, true}, {3, true}}};
	memset(&record, 0, sizeof(record));
	record.rollback_floor = 3;
	record.key_epoch = 1;
	record.confirmed_release = 9;
	record.slot[0] = (struct state_slot){
		.release = 9, .version = "9.0", .package_id = {9}, .confirmed = true};
	record.slot[1] = (struct state_slot){
		.release = 8, .version = "8.0", .package_id = {8}, .confirmed = true};
	memset(&journal, 0, sizeof(journal));
	memset(id, 0x10, sizeof(id));
	request = (struct plan_request){.board = &board,
					.gpt = &gpt,
					.manifest = &manifest,
					.flags = &flags,
					.record = &record,
					.journal = &journal,
					.package_id = id,
					.running = 0,
					.wanted = -1};
}

static void good_single(void)
{
	good();
	board.slot_count = 1;
	flags.order_count = 1;
	flags.slot[1] = (struct flags_slot){0};
	request.running = -1;
}

static enum detail make(void)
{
	memset(&plan, 0xa5, sizeof(plan));
	memset(&fault, 0, sizeof(fault));
	return plan_make(&plan, &request, &fault);
}

static void plan_says_what_is_written_where(void **state)
{
	(void)state;
	good();
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.target, 1);
	assert_int_equal(plan.image_count, 2);
	assert_string_equal(plan.images[0].label, "boot_b");
	assert_int_equal(plan.images[0].off, MIB(12));
	assert_int_equal(plan.images[0].partition_len, MIB(1));
	assert_int_equal(plan.images[0].image_len, 5000);
	assert_string_equal(plan.images[1].label, "system_b");
	assert_int_equal(plan.images[1].off, MIB(16));
	assert_int_equal(plan.total, 5000 + MIB(7));
	assert_int_equal(plan.installed_release, 9);
	assert_false(plan.in_place || plan.resume || plan.repair || plan.older);
	/* The images in the manifest's order, whatever the board's. */
	manifest.image_count = 0;
	add_image("system", 100);
	add_image("boot", 200);
	assert_detail(make(), DETAIL_OK);
	assert_string_equal(plan.images[0].label, "system_b");
	assert_string_equal(plan.images[1].label, "boot_b");
}

static void in_place_on_a_single_slot(void **state)
{
	(void)state;
	good_single();
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.target, 0);
	assert_true(plan.in_place);
	assert_int_equal(plan.installed_release, 9);
	request.running = 0;
	assert_detail(make(), DETAIL_SINGLE_SLOT_RUNNING);
}

static void product(void **state)
{
	(void)state;
	static const char *const wrong[] = {"lifeboat,reference-a", "lifeboat,reference-abc",
					    "Lifeboat,reference-ab", "", "lifeboat,reference-ab "};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		good();
		manifest.products[1] = wrong[i];
		at_case("\"%s\"", wrong[i]);
		assert_detail(make(), DETAIL_WRONG_PRODUCT);
	}
	good();
	manifest.product_count = 1; /* the right one is not in the list any more */
	assert_detail(make(), DETAIL_WRONG_PRODUCT);
	manifest.products[0] = "lifeboat,reference-ab";
	assert_detail(make(), DETAIL_OK);
}

/* One comparison of u64 for every order of releases (wolfBoot F-4410 cast one to int). */
static const uint64_t edges[] = {1,
				 2,
				 9,
				 INT32_MAX,
				 UINT64_C(1) << 31,
				 UINT32_MAX,
				 UINT64_C(1) << 32,
				 (UINT64_C(1) << 32) + 1,
				 INT64_MAX,
				 UINT64_C(1) << 63,
				 UINT64_MAX};

static void i7_rollback_floor(void **state)
{
	(void)state;
	for (size_t a = 0; a < COUNT(edges); a++)
		for (size_t b = 0; b < COUNT(edges); b++) {
			good();
			manifest.release = edges[a];
			manifest.rollback_floor = 0;
			record.rollback_floor = edges[b];
			at_case("release %llu floor %llu", (unsigned long long)edges[a],
				(unsigned long long)edges[b]);
			assert_detail(make(), edges[a] < edges[b] ? DETAIL_BELOW_FLOOR : DETAIL_OK);
		}
}

static void i7_key_epoch(void **state)
{
	(void)state;
	for (size_t a = 0; a < COUNT(edges); a++)
		for (size_t b = 0; b < COUNT(edges); b++) {
			good();
			manifest.key_epoch = edges[a];
			record.key_epoch = edges[b];
			at_case("epoch %llu device %llu", (unsigned long long)edges[a],
				(unsigned long long)edges[b]);
			assert_detail(make(), edges[a] < edges[b] ? DETAIL_KEY_EPOCH : DETAIL_OK);
		}
}

static void minimum_release(void **state)
{
	(void)state;
	for (size_t a = 0; a < COUNT(edges); a++)
		for (size_t b = 0; b < COUNT(edges); b++) {
			good();
			manifest.release = UINT64_MAX;
			manifest.minimum_release = edges[a];
			record.slot[0].release = edges[b];
			at_case("minimum %llu installed %llu", (unsigned long long)edges[a],
				(unsigned long long)edges[b]);
			assert_detail(make(), edges[b] < edges[a] ? DETAIL_NEEDS_NEWER_INSTALLED
								  : DETAIL_OK);
		}
	/* 0: any, though nothing is known to be installed. */
	good();
	record.slot[0].release = record.slot[1].release = 0;
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.installed_release, 0);
}

static void older_and_the_same(void **state)
{
	(void)state;
	for (size_t a = 0; a < COUNT(edges); a++)
		for (size_t b = 0; b < COUNT(edges); b++) {
			good();
			manifest.release = edges[a];
			manifest.rollback_floor = record.rollback_floor = 0;
			record.slot[0].release = edges[b];
			at_case("release %llu installed %llu", (unsigned long long)edges[a],
				(unsigned long long)edges[b]);
			assert_detail(make(), DETAIL_OK);
			check(plan.older == (edges[a] < edges[b]) &&
			      plan.repair == (edges[a] == edges[b]));
			check(plan.installed_release == edges[b]);
		}
}

/* A request for recovery hides no downgrade: what boots but for the request is what is installed.
 */
static void installed_is_what_would_boot(void **state)
{
	(void)state;
	good();
	request.running = -1;
	manifest.release = 7;
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.installed_release, 9);
	assert_true(plan.older);
	flags_request_recovery(&flags, "request");
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.installed_release, 9);
	assert_true(plan.older);
	flags.order[0] = 1;
	flags.order[1] = 0;
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.installed_release, 8);
	flags_leave_recovery(&flags);
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.installed_release, 8);
}

static void roles(void **state)
{
	(void)state;
	good();
	add_image("firmware", 100);
	assert_detail(make(), DETAIL_IMAGE_ROLE_UNKNOWN);
	assert_non_null(strstr(fault.object, "firmware"));
	good();
	strcpy(manifest.images[0].role, "boo");
	assert_detail_in(make(), DETAIL_IMAGE_ROLE_UNKNOWN, DETAIL_IMAGE_ROLE_MISSING);
	for (size_t i = 0; i < 2; i++) {
		good();
		manifest.images[0] = manifest.images[1 - i];
		manifest.image_count = 1;
		at_case("without %s", i ? "system" : "boot");
		assert_detail(make(), DETAIL_IMAGE_ROLE_MISSING);
		check(strstr(fault.object, i ? "system" : "boot") != NULL);
	}
}

static void sizes(void **state)
{
	(void)state;
	static const uint64_t large[] = {MIB(8) + 1, INT32_MAX, UINT64_C(1) << 32,
					 (UINT64_C(1) << 32) + 5, UINT64_C(1) << 62};
	good();
	manifest.images[1].size = MIB(8);
	assert_detail(make(), DETAIL_OK);
	for (size_t i = 0; i < COUNT(large); i++) {
		good();
		manifest.images[1].size = large[i];
		at_case("%llu", (unsigned long long)large[i]);
		assert_detail(make(), DETAIL_IMAGE_TOO_LARGE);
		check(strstr(fault.object, "system") != NULL);
	}
	/* The last sector of a partition that is not a whole chunk. */
	good();
	part("boot_b")->len = 4096 + 512;
	manifest.images[0].size = 4096 + 512;
	assert_detail(make(), DETAIL_OK);
	manifest.images[0].size++;
	assert_detail(make(), DETAIL_IMAGE_TOO_LARGE);
}

/* Both names are in the sentence (design 5). */
static void overlap(const char *one, const char *other)
{
	assert_detail(make(), DETAIL_EXTENT_OVERLAP);
	check(strstr(fault.object, one) != NULL && (!other || strstr(fault.object, other) != NULL));
}

static void overlaps(void **state)
{
	(void)state;
	for (int copy = 0; copy < 2; copy++) {
		good();
		board.flag_off[copy] = MIB(16) + MIB(8) - 512; /* in the last sector of system_b */
		at_case("copy %d at the end", copy);
		overlap("system_b", NULL);
		good();
		board.flag_off[copy] = MIB(12) - 0x4000 + 512; /* reaches into boot_b */
		at_case("copy %d at the beginning", copy);
		overlap("boot_b", NULL);
		good();
		board.flag_off[copy] = MIB(12) - 0x4000; /* ends where boot_b begins */
		assert_detail(make(), DETAIL_OK);
	}
	good();
	strcpy(board.recovery_label, "boot_b");
	at_case("recovery");
	overlap("boot_b", NULL);
	good();
	strcpy(board.state_label, "system_b");
	at_case("state");
	overlap("system_b", NULL);
	good();
	strcpy(board.slots[1].parts[1].label, "boot_b");
	manifest.images[1].size = 100;
	at_case("two images in one partition");
	overlap("boot_b", NULL);
	good();
	strcpy(board.slots[1].parts[1].label, "system_a");
	at_case("the running system");
	overlap("system_a", NULL);
	good();
	part("boot_b")->off = MIB(16) - 512;
	at_case("two partitions that overlap");
	overlap("boot_b", "system_b");
	good();
	part("system_b")->off = MIB(24) - 512;
	at_case("reaches into recovery");
	overlap("system_b", "recovery");
	good();
	part("boot_b")->off = 512;
	at_case("the partition table");
	overlap("boot_b", NULL);
	/* Recovery may live elsewhere. */
	good();
	board.recovery_label[0] = 0;
	assert_detail(make(), DETAIL_OK);
}

static void partitions(void **state)
{
	(void)state;
	static const char *const labels[] = {"boot_b", "system_b"};
	for (size_t i = 0; i < COUNT(labels); i++) {
		good();
		strcpy(part(labels[i])->label, "renamed");
		at_case("%s", labels[i]);
		assert_detail(make(), DETAIL_PARTITION_MISSING);
		check(strstr(fault.object, labels[i]) != NULL);
		good();
		strcpy(part("data")->label, labels[i]);
		assert_detail(make(), DETAIL_PARTITION_TWICE);
	}
}

static void i11_targets(void **state)
{
	(void)state;
	good();
	request.wanted = 0;
	assert_detail(make(), DETAIL_SLOT_KEPT); /* it runs */
	request.wanted = 1;
	assert_detail(make(), DETAIL_OK);
	request.wanted = 2;
	assert_detail(make(), DETAIL_SLOT_UNKNOWN);
	good();
	flags.slot[0].good = false; /* on trial, and B is the only one that has proved itself */
	assert_detail(make(), DETAIL_NOT_CONFIRMED_YET);
	request.running = -1;
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.target, 0);
	request.wanted = 1;
	assert_detail(make(), DETAIL_SLOT_KEPT);
	good_single();
	request.wanted = 1;
	assert_detail(make(), DETAIL_SLOT_UNKNOWN);
}

static void resume_is_of_this_very_package(void **state)
{
	(void)state;
	for (int step = JOURNAL_IDLE; step <= JOURNAL_COMMITTED; step++)
		for (int same = 0; same < 2; same++) {
			good_single();
			journal.step = (enum journal_step)step;
			journal.target = 0;
			journal.release = 10;
			memcpy(journal.package_id, id, HASH_LEN);
			journal.package_id[31] ^= !same;
			flags_mark_target(&flags, 0);
			at_case("step %d, %s package", step, same ? "the same" : "another");
			assert_detail(make(), DETAIL_OK);
			check(plan.resume ==
			      (same && step >= JOURNAL_BEGIN && step <= JOURNAL_VERIFIED));
		}
}

/* A package that asks for an installed release was accepted, then the power went: it must not lock
 * itself out (I6). */
static void i6_minimum_release_does_not_stop_a_resume(void **state)
{
	(void)state;
	good_single();
	manifest.minimum_release = 9;
	assert_detail(make(), DETAIL_OK);
	journal.step = JOURNAL_PROGRESS;
	journal.release = 10;
	memcpy(journal.package_id, id, HASH_LEN);
	flags_mark_target(&flags, 0);
	assert_detail(make(), DETAIL_OK);
	assert_true(plan.resume);
	record.slot[0] = (struct state_slot){0};
	assert_detail(make(), DETAIL_OK);
	assert_true(plan.resume);
}

/* ... but not for another package, and never below the floor. */
static void resume_opens_no_other_door(void **state)
{
	(void)state;
	good_single();
	journal.step = JOURNAL_PROGRESS;
	memcpy(journal.package_id, id, HASH_LEN);
	flags_mark_target(&flags, 0);
	record.rollback_floor = 11;
	assert_detail(make(), DETAIL_BELOW_FLOOR);
	record.rollback_floor = 3;
	record.key_epoch = 2;
	assert_detail(make(), DETAIL_KEY_EPOCH);
	record.key_epoch = 1;
	manifest.products[1] = "other";
	assert_detail(make(), DETAIL_WRONG_PRODUCT);
}

static void board_and_disk(void **state)
{
	(void)state;
	good();
	assert_detail(plan_check_board(&board, &gpt, MIB(64), &fault), DETAIL_OK);
	static const char *const labels[] = {"boot_a",	 "system_a", "boot_b",
					     "system_b", "recovery", "state"};
	for (size_t i = 0; i < COUNT(labels); i++) {
		good();
		strcpy(part(labels[i])->label, "renamed");
		at_case("%s", labels[i]);
		assert_detail(plan_check_board(&board, &gpt, MIB(64), &fault),
			      DETAIL_PARTITION_MISSING);
		good();
		strcpy(part("data")->label, labels[i]);
		assert_detail(plan_check_board(&board, &gpt, MIB(64), &fault),
			      DETAIL_PARTITION_TWICE);
		for (int copy = 0; copy < 2; copy++) {
			good();
			board.flag_off[copy] = part(labels[i])->off;
			assert_detail(plan_check_board(&board, &gpt, MIB(64), &fault),
				      DETAIL_EXTENT_OVERLAP);
		}
	}
	good();
	board.flag_off[1] =
		MIB(40); /* a partition that the board does not name is somebody's all the same */
	assert_detail(plan_check_board(&board, &gpt, MIB(64), &fault), DETAIL_EXTENT_OVERLAP);
	static const uint64_t tables[] = {0, 512, 33 * 512, MIB(64) - 0x4000,
					  MIB(64) - 33 * 512 - 512};
	for (size_t i = 0; i < COUNT(tables); i++) {
		good();
		board.flag_off[0] = tables[i];
		at_case("flags at %llx", (unsigned long long)tables[i]);
		assert_detail(plan_check_board(&board, &gpt, MIB(64), &fault),
			      DETAIL_EXTENT_OVERLAP);
	}
	static const uint64_t outside[] = {MIB(64) - 512, MIB(64), MIB(100), UINT64_C(1) << 62};
	for (size_t i = 0; i < COUNT(outside); i++) {
		good();
		board.flag_off[0] = outside[i];
		at_case("flags at %llx", (unsigned long long)outside[i]);
		check(plan_check_board(&board, &gpt, MIB(64), &fault) != DETAIL_OK);
	}
}

/* A good system that used up its tries starts no more, and is what is installed all the same. */
static void installed_although_nothing_starts(void **state)
{
	(void)state;
	good();
	request.running = -1;
	flags.slot[0].tries = 0;
	flags.slot[1] = (struct flags_slot){0};
	manifest.minimum_release = 9;
	assert_detail(make(), DETAIL_OK);
	assert_int_equal(plan.installed_release, 9);
	assert_int_equal(plan.target, 1);
	manifest.minimum_release = 10;
	record.confirmed_release = 11; /* the slot's own release counts, not the highest ever */
	assert_detail(make(), DETAIL_NEEDS_NEWER_INSTALLED);
}

/* gpt_load refuses such a table. What is about to be written is checked again all the same. */
static void a_target_in_the_partition_table(void **state)
{
	(void)state;
	good();
	part("boot_b")->off = 33 * 512;
	part("boot_b")->len = 0x10000;
	overlap("boot_b", "the partition table");
	good();
	part("system_b")->off = MIB(64) - 33 * 512 - MIB(8) + 512;
	overlap("system_b", "the partition table");
	part("system_b")->off -= 512;
	assert_detail(make(), DETAIL_OK);
}

static void what_must_be_kept_apart_must_be_known(void **state)
{
	(void)state;
	static const char *const labels[] = {"state", "recovery", "system_a"};
	for (size_t i = 0; i < COUNT(labels); i++) {
		good();
		strcpy(part(labels[i])->label, "other");
		at_case("%s", labels[i]);
		assert_detail(make(), DETAIL_PARTITION_MISSING);
		assert_string_equal(fault.object, labels[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plan_says_what_is_written_where),
		TEST(in_place_on_a_single_slot),
		TEST(product),
		TEST(i7_rollback_floor),
		TEST(i7_key_epoch),
		TEST(minimum_release),
		TEST(older_and_the_same),
		TEST(installed_is_what_would_boot),
		TEST(roles),
		TEST(sizes),
		TEST(overlaps),
		TEST(partitions),
		TEST(i11_targets),
		TEST(resume_is_of_this_very_package),
		TEST(i6_minimum_release_does_not_stop_a_resume),
		TEST(resume_opens_no_other_door),
		TEST(board_and_disk),
		TEST(installed_although_nothing_starts),
		TEST(a_target_in_the_partition_table),
		TEST(what_must_be_kept_apart_must_be_known),
	};
	return RUN_ALL(tests);
}
