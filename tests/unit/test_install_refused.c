/*
 * What the install engine refuses: packages that are not for this device or not whole, and boot
 * flags that are damaged. Nothing is changed before the refusal, or what was lost is told.
 */
#include "support_watch.h"

/* --- Refusals: before anything was changed --- */

static void refused(struct pkg *pkg, enum detail want)
{
	for (int running = -1; running <= 0; running++) {
		rig_restore(running);
		at_case("%s, running %d", detail_name(want), running);
		assert_detail(rig_install(pkg), want);
		rig_nothing_was_changed();
		rig_result_is(want, -1);
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

static void one_damaged_copy_of_the_flags(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	rig_damage_env(false);
	watch_for(1, rig.package);
	assert_detail(rig_install(rig.package), DETAIL_OK);
	check(rig_choice_of(rig.disk->durable) == 'B' && !strcmp(rig_env("fdtfile"), "board.dtb"));
}

static void both_damaged_in_the_running_system(void **state)
{
	(void)state;
	rig_new(2);
	rig_restore(0);
	rig_damage_env(true);
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
		rig_damage_env(true);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return RUN_ALL(tests);
}
