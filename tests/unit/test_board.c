/* The board tree: what is missing, unknown or wrong is an error that names the property. */
#include "support.h"

#include "board.h"

static struct board board;
static struct fault fault;

/* The example of the description, every property there. */
static struct node *tree(void)
{
	struct node *root = node_new(""), *b = node_add(root, "lifeboat");
	prop_text(b, "compatible", "lifeboat,board-1");
	prop_text(b, "product", "lifeboat,reference-ab");
	prop_text(b, "state-partition", "state");
	prop_text(b, "recovery-partition", "recovery");
	prop_text(b, "storage", "4010000000.pcie");
	prop_u64(b, "tries", 3);
	struct node *slots = node_add(b, "slots");
	for (int i = 0; i < 2; i++) {
		struct node *slot = node_add(slots, i ? "B" : "A");
		prop_text(slot, "boot", i ? "boot_b" : "boot_a");
		prop_text(slot, "system", i ? "system_b" : "system_a");
	}
	struct node *flags = node_add(b, "flag-store");
	prop_text(flags, "compatible", "u-boot,environment");
	prop_u64_pair(flags, "offset", 0x100000, 0x180000);
	prop_u64(flags, "size", 0x4000);
	prop_text(b, "wipe", "data");
	prop_set(b, "sources", "stick\0network", 14);
	prop_text(b, "network-url", "http://10.0.2.2:8080/update.boat");
	prop_text(b, "policy", "ask");
	prop_u64(b, "countdown", 10);
	prop_text(b, "health-checks", "/etc/lifeboat/health.d");
	prop_u64(b, "health-timeout", 20);
	return root;
}

static struct node *lifeboat(struct node *root)
{
	return node_at(root, "lifeboat");
}

static enum detail load(const struct node *root)
{
	size_t len;
	uint8_t *fdt = fdt_make(root, &len);
	memset(&board, 0xa5, sizeof(board));
	return board_load(&board, fdt, len, &fault);
}

static void example_is_read(void **state)
{
	(void)state;
	assert_detail(load(tree()), DETAIL_OK);
	assert_string_equal(board.product, "lifeboat,reference-ab");
	assert_string_equal(board.state_label, "state");
	assert_string_equal(board.recovery_label, "recovery");
	assert_string_equal(board.storage, "4010000000.pcie");
	assert_int_equal(board.tries, 3);
	assert_int_equal(board.slot_count, 2);
	assert_string_equal(board.slots[0].name, "A");
	assert_string_equal(board.slots[1].name, "B");
	assert_int_equal(board.slots[1].part_count, 2);
	assert_string_equal(board.slots[1].parts[0].role, "boot");
	assert_string_equal(board.slots[1].parts[0].label, "boot_b");
	assert_string_equal(board.slots[1].parts[1].role, "system");
	assert_string_equal(board.slots[1].parts[1].label, "system_b");
	assert_int_equal(board.flag_off[0], 0x100000);
	assert_int_equal(board.flag_off[1], 0x180000);
	assert_int_equal(board.flag_size, 0x4000);
	assert_int_equal(board.wipe_count, 1);
	assert_string_equal(board.wipe[0], "data");
	assert_int_equal(board.source_count, 2);
	assert_int_equal(board.sources[0], BOARD_SOURCE_STICK);
	assert_int_equal(board.sources[1], BOARD_SOURCE_NETWORK);
	assert_string_equal(board.network_url, "http://10.0.2.2:8080/update.boat");
	assert_int_equal(board.policy, BOARD_ASK);
	assert_int_equal(board.countdown_s, 10);
	assert_string_equal(board.health_checks, "/etc/lifeboat/health.d");
	assert_int_equal(board.health_timeout_s, 20);
	assert_int_equal(board_slot(&board, "A"), 0);
	assert_int_equal(board_slot(&board, "B"), 1);
	assert_int_equal(board_slot(&board, "C"), -1);
	assert_int_equal(board_slot(&board, ""), -1);
	assert_int_equal(board_slot(&board, "AB"), -1);
	assert_ptr_equal(board_part(&board.slots[0], "system"), &board.slots[0].parts[1]);
	assert_null(board_part(&board.slots[0], "data"));
}

/* The tree is found among the rest of a machine's, of which nothing else is looked at. */
static void rest_of_the_tree_is_not_looked_at(void **state)
{
	(void)state;
	struct node *root = tree();
	prop_text(root, "model", "\x01 whatever");
	struct node *chosen = node_add(root, "chosen");
	prop_text(chosen, "bootargs", "console=ttyAMA0");
	prop_text(node_add(root, "lifeboat@1"), "compatible", "something");
	assert_detail(load(root), DETAIL_OK);
}

static void no_board_at_all(void **state)
{
	(void)state;
	struct node *root = node_new("");
	uint8_t garbage[64] __attribute__((aligned(8)));
	size_t len;
	assert_detail(load(root), DETAIL_BOARD_MISSING);
	prop_text(node_add(root, "lifeboat-2"), "compatible", "lifeboat,board-1");
	assert_detail(load(root), DETAIL_BOARD_MISSING);
	noise_fill(garbage, sizeof(garbage), 3);
	assert_detail_in(board_load(&board, garbage, sizeof(garbage), &fault), DETAIL_BOARD_MISSING,
			 DETAIL_BOARD_INVALID);
	uint8_t *fdt = fdt_make(tree(), &len);
	for (size_t cut = 0; cut < len; cut += 3) {
		at_case("cut to %zu", cut);
		assert_detail_in(board_load(&board, arena_copy(fdt, cut), cut, &fault),
				 DETAIL_BOARD_MISSING, DETAIL_BOARD_INVALID);
	}
	/* /sys/firmware/fdt may be followed by padding: "at most len bytes". */
	uint8_t *padded = arena_alloc(len + 4096);
	memcpy(padded, fdt, len);
	assert_detail(board_load(&board, padded, len + 4096, &fault), DETAIL_OK);
}

static void required_properties(void **state)
{
	(void)state;
	static const char *const required[] = {"compatible", "product", "state-partition"};
	for (size_t i = 0; i < COUNT(required); i++) {
		struct node *root = tree();
		prop_remove(lifeboat(root), required[i]);
		at_case("%s", required[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
		check(strstr(fault.object, required[i]) != NULL);
	}
	static const char *const nodes[] = {"slots", "flag-store"};
	for (size_t i = 0; i < COUNT(nodes); i++) {
		struct node *root = tree();
		node_remove(lifeboat(root), nodes[i]);
		at_case("%s", nodes[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
		check(strstr(fault.object, nodes[i]) != NULL);
	}
	static const char *const in_flags[] = {"compatible", "offset", "size"};
	for (size_t i = 0; i < COUNT(in_flags); i++) {
		struct node *root = tree();
		prop_remove(node_at(lifeboat(root), "flag-store"), in_flags[i]);
		at_case("flag-store %s", in_flags[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
		check(strstr(fault.object, in_flags[i]) != NULL);
	}
}

static void optional_properties(void **state)
{
	(void)state;
	struct node *root = tree();
	prop_remove(lifeboat(root), "storage");
	prop_remove(lifeboat(root), "wipe");
	prop_remove(lifeboat(root), "network-url");
	assert_detail(load(root), DETAIL_OK);
	assert_string_equal(board.storage, "");
	assert_int_equal(board.wipe_count, 0);
	assert_string_equal(board.network_url, "");
	root = tree();
	prop_text(lifeboat(root), "storage", "");
	prop_set(lifeboat(root), "wipe", "data\0logs", 10);
	prop_text(lifeboat(root), "policy", "go-ahead");
	prop_text(lifeboat(root), "sources", "network");
	prop_text(lifeboat(root), "x-note", "for people");
	prop_text(node_at(lifeboat(root), "flag-store"), "x-note", "for people");
	assert_detail(load(root), DETAIL_OK);
	assert_int_equal(board.wipe_count, 2);
	assert_string_equal(board.wipe[1], "logs");
	assert_int_equal(board.policy, BOARD_GO_AHEAD);
	assert_int_equal(board.source_count, 1);
	assert_int_equal(board.sources[0], BOARD_SOURCE_NETWORK);
	/* recovery may live elsewhere */
	root = tree();
	prop_remove(lifeboat(root), "recovery-partition");
	assert_detail(load(root), DETAIL_OK);
	assert_string_equal(board.recovery_label, "");
}

static void unknown_properties(void **state)
{
	(void)state;
	static const char *const names[] = {"unknown", "Product", "x", "flag-stor",
					    "#address-cells"};
	for (size_t i = 0; i < COUNT(names); i++) {
		struct node *root = tree();
		prop_u64(lifeboat(root), names[i], 1);
		at_case("%s", names[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
		check(strstr(fault.object, names[i]) != NULL);
		root = tree();
		prop_u64(node_at(lifeboat(root), "flag-store"), names[i], 1);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
	}
	struct node *root = tree();
	node_add(lifeboat(root), "other");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
}

static void text_value(const char *prop, const void *data, size_t len, enum detail want)
{
	struct node *root = tree();
	prop_set(lifeboat(root), prop, data, len);
	assert_detail(load(root), want);
	if (want)
		check(strstr(fault.object, prop) != NULL);
}

static void texts_that_are_none(void **state)
{
	(void)state;
	static const char *const names[] = {
		"compatible", "product",      "state-partition", "recovery-partition",
		"storage",    "wipe",	      "sources",	 "network-url",
		"policy",     "health-checks"};
	char *longer = arena_alloc(300);
	memset(longer, 'a', 299);
	for (size_t i = 0; i < COUNT(names); i++) {
		at_case("%s", names[i]);
		text_value(names[i], "data", 4, DETAIL_BOARD_INVALID);
		text_value(names[i], longer, 300, DETAIL_BOARD_INVALID);
		if (strcmp(names[i], "wipe") && strcmp(names[i], "sources"))
			text_value(names[i], "a\0b", 4, DETAIL_BOARD_INVALID);
	}
	text_value("compatible", "lifeboat,board-2", 17, DETAIL_BOARD_INVALID);
	text_value("product", "", 1, DETAIL_BOARD_INVALID);
	text_value("state-partition", "", 1, DETAIL_BOARD_INVALID);
	text_value("state-partition", "a-label-of-exactly-thirty-six-letter", 37, DETAIL_OK);
	text_value("state-partition", "a-label-of-exactly-thirty-seven-lette", 38,
		   DETAIL_BOARD_INVALID);
	text_value("policy", "never", 6, DETAIL_BOARD_INVALID);
	text_value("policy", "", 1, DETAIL_BOARD_INVALID);
	text_value("sources", "stick\0floppy", 13, DETAIL_BOARD_INVALID);
	text_value("sources", "stick\0network\0stick", 20, DETAIL_BOARD_INVALID);
	text_value("wipe", "a\0b\0c\0d\0e\0f\0g\0h", 16, DETAIL_OK);
	text_value("wipe", "a\0b\0c\0d\0e\0f\0g\0h\0i", 18, DETAIL_BOARD_INVALID);
}

static void number_value(const char *prop, uint64_t v, enum detail want)
{
	struct node *root = tree();
	prop_u64(lifeboat(root), prop, v);
	at_case("%s = %llu", prop, (unsigned long long)v);
	assert_detail(load(root), want);
}

static void numbers(void **state)
{
	(void)state;
	static const char *const names[] = {"tries", "countdown", "health-timeout"};
	static const uint64_t edges[] = {UINT64_C(1) << 32, (UINT64_C(1) << 32) + 3,
					 UINT64_C(1) << 63, UINT64_MAX};
	for (size_t i = 0; i < COUNT(names); i++) {
		for (size_t e = 0; e < COUNT(edges); e++)
			number_value(names[i], edges[e], DETAIL_BOARD_INVALID);
		for (size_t len = 0; len < 20; len++) {
			struct node *root = tree();
			if (len == 8)
				continue;
			at_case("%s of %zu bytes", names[i], len);
			prop_set(lifeboat(root), names[i], "\0\0\0\3\0\0\0\3\0\0\0\3\0\0\0\3\0\0\0",
				 len);
			assert_detail(load(root), DETAIL_BOARD_INVALID);
		}
	}
	for (uint64_t tries = 0; tries < 12; tries++) {
		number_value("tries", tries,
			     tries >= 1 && tries <= 9 ? DETAIL_OK : DETAIL_BOARD_INVALID);
		if (tries >= 1 && tries <= 9)
			check(board.tries == tries);
	}
	number_value("countdown", 0, DETAIL_OK);
}

/* --- Slots --- */

static void slots_one_or_two(void **state)
{
	(void)state;
	struct node *root = tree(), *slots = node_at(lifeboat(root), "slots");
	node_remove(slots, "B");
	assert_detail(load(root), DETAIL_OK);
	assert_int_equal(board.slot_count, 1);
	node_remove(slots, "A");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	root = tree();
	prop_text(node_add(node_at(lifeboat(root), "slots"), "C"), "boot", "boot_c");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	/* A slot without a part; a role that is none; a label that is none. */
	root = tree();
	node_at(node_at(lifeboat(root), "slots"), "B")->props = NULL;
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	static const char *const roles[] = {"Boot", "bo.ot", "a-role-of-exactly-thirty-two-lett"};
	for (size_t i = 0; i < COUNT(roles); i++) {
		root = tree();
		slots = node_at(lifeboat(root), "slots");
		prop_text(node_at(slots, "A"), roles[i], "third_a");
		prop_text(node_at(slots, "B"), roles[i], "third_b");
		at_case("role %s", roles[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
	}
	root = tree();
	prop_set(node_at(node_at(lifeboat(root), "slots"), "A"), "boot", "boot_a", 6);
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	root = tree();
	prop_text(node_at(node_at(lifeboat(root), "slots"), "A"), "boot", "");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	root = tree();
	for (int i = 0; i < 7; i++) {
		char role[32], label[32];
		snprintf(role, sizeof(role), "more-%d", i);
		snprintf(label, sizeof(label), "more_%d", i);
		slots = node_at(lifeboat(root), "slots");
		prop_text(node_at(slots, "A"), role, label);
		label[4] = '-';
		prop_text(node_at(slots, "B"), role, label);
		at_case("%d roles", 3 + i);
		assert_detail(load(root), 3 + i <= 8 ? DETAIL_OK : DETAIL_BOARD_INVALID);
	}
}

/* The device record knows slots by number: the number must not hang on the order in the tree. */
static void slots_are_numbered_by_name(void **state)
{
	(void)state;
	struct node *root = tree(), *slots = node_at(lifeboat(root), "slots");
	struct node *a = slots->children, *b = a->next;
	slots->children = b;
	b->next = a;
	a->next = NULL;
	assert_detail(load(root), DETAIL_OK);
	assert_string_equal(board.slots[0].name, "A");
	assert_string_equal(board.slots[0].parts[0].label, "boot_a");
	assert_string_equal(board.slots[1].name, "B");
	assert_string_equal(board.slots[1].parts[1].label, "system_b");
}

/* Two slots of different roles: an update would fit into one of them only. */
static void slots_have_the_same_roles(void **state)
{
	(void)state;
	struct node *root = tree();
	prop_remove(node_at(node_at(lifeboat(root), "slots"), "B"), "system");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	root = tree();
	prop_text(node_at(node_at(lifeboat(root), "slots"), "B"), "extra", "extra_b");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
}

/* One label in two places: an install would overwrite what it must not touch (I11). */
static void no_label_twice(void **state)
{
	(void)state;
	struct node *root = tree();
	prop_text(node_at(node_at(lifeboat(root), "slots"), "B"), "system", "system_a");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	root = tree();
	prop_text(node_at(node_at(lifeboat(root), "slots"), "A"), "system", "boot_a");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	static const char *const taken[] = {"state-partition", "recovery-partition"};
	for (size_t i = 0; i < COUNT(taken); i++) {
		root = tree();
		prop_text(lifeboat(root), taken[i], "boot_b");
		at_case("%s", taken[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
	}
	root = tree();
	prop_text(lifeboat(root), "recovery-partition", "state");
	at_case("recovery in the state partition");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	static const char *const wipes[] = {"state", "recovery", "boot_a", "system_b"};
	for (size_t i = 0; i < COUNT(wipes); i++) {
		root = tree();
		prop_text(lifeboat(root), "wipe", wipes[i]);
		at_case("wipe %s", wipes[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
	}
	root = tree();
	prop_set(lifeboat(root), "wipe", "data\0logs\0data", 15);
	at_case("wipe data twice");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
}

/* Slot names stand in variable names and in BOOT_ORDER, divided by spaces. */
static void slot_names(void **state)
{
	(void)state;
	static const char *const bad[] = {"A B", "A=", "toolongname", "a-b"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct node *root = tree();
		strcpy(node_at(node_at(lifeboat(root), "slots"), "A")->name, bad[i]);
		at_case("\"%s\"", bad[i]);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
	}
	struct node *root = tree();
	strcpy(node_at(node_at(lifeboat(root), "slots"), "B")->name, "A");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
}

/* --- Flag store --- */

static void flag_value(uint64_t a, uint64_t b, uint64_t len, enum detail want)
{
	struct node *root = tree(), *flags = node_at(lifeboat(root), "flag-store");
	prop_u64_pair(flags, "offset", a, b);
	prop_u64(flags, "size", len);
	at_case("offsets %llx %llx size %llx", (unsigned long long)a, (unsigned long long)b,
		(unsigned long long)len);
	assert_detail(load(root), want);
}

static void flag_store_place(void **state)
{
	(void)state;
	flag_value(0x100000, 0x104000, 0x4000, DETAIL_OK);
	flag_value(0x180000, 0x100000, 0x4000, DETAIL_OK);
	flag_value(0x100000, 0x100000, 0x4000, DETAIL_BOARD_INVALID); /* on top of each other */
	flag_value(0x100000, 0x103e00, 0x4000, DETAIL_BOARD_INVALID);
	flag_value(0x103e00, 0x100000, 0x4000, DETAIL_BOARD_INVALID);
	flag_value(0x100000, 0x180000, 0, DETAIL_BOARD_INVALID);
	flag_value(0x100000, 0x180000, 511, DETAIL_BOARD_INVALID);
	flag_value(0x100000, 0x180000, 512, DETAIL_OK);
	flag_value(0x100000, 0x180000, 128 << 10, DETAIL_OK);
	flag_value(0x100000, 0x180000, (128 << 10) + 512, DETAIL_BOARD_INVALID);
	flag_value(0x100000, 0x180000, (UINT64_C(1) << 32) + 0x4000, DETAIL_BOARD_INVALID);
	flag_value(UINT64_MAX - 0x1000 + 1, 0x180000, 0x4000, DETAIL_BOARD_INVALID); /* wraps */
	flag_value(0x100000, UINT64_MAX - 511, 0x4000, DETAIL_BOARD_INVALID);
	struct node *root = tree();
	prop_text(node_at(lifeboat(root), "flag-store"), "compatible", "barebox,state");
	assert_detail(load(root), DETAIL_BOARD_INVALID);
	for (size_t len = 0; len < 32; len += 4) {
		uint8_t raw[32] = {0};
		if (len == 16)
			continue;
		root = tree();
		prop_set(node_at(lifeboat(root), "flag-store"), "offset", raw, len);
		at_case("offset of %zu bytes", len);
		assert_detail(load(root), DETAIL_BOARD_INVALID);
	}
}

/* Any bit of the tree: no read outside, no crash. */
static void every_bit_flipped(void **state)
{
	(void)state;
	size_t len;
	uint8_t *fdt = fdt_make(tree(), &len);
	for (size_t i = 0; i < len * 8; i++) {
		fdt[i / 8] ^= (uint8_t)(1 << i % 8);
		if (board_load(&board, fdt, len, &fault) == DETAIL_OK) {
			check(board.slot_count >= 1 && board.slot_count <= 2);
			check(board.tries >= 1 && board.tries <= 9);
			check(!range_overlaps(board.flag_off[0], board.flag_size, board.flag_off[1],
					      board.flag_size));
		}
		fdt[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

/* Filler before the root node: who counts nodes must not take it for one. */
static void nothing_stands_before_the_root(void **state)
{
	(void)state;
	size_t len;
	uint8_t *fdt = fdt_make(tree(), &len), *other = arena_alloc(len + 4);
	uint32_t structure = load_be32(fdt + 8);
	memcpy(other, fdt, structure);
	store_be32(other + structure, 4); /* FDT_NOP */
	memcpy(other + structure + 4, fdt + structure, len - structure);
	store_be32(other + 4, (uint32_t)len + 4);
	store_be32(other + 12, load_be32(fdt + 12) + 4);
	store_be32(other + 36, load_be32(fdt + 36) + 4);
	assert_detail(board_load(&board, other, len + 4, &fault), DETAIL_BOARD_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(example_is_read),
		TEST(rest_of_the_tree_is_not_looked_at),
		TEST(no_board_at_all),
		TEST(required_properties),
		TEST(optional_properties),
		TEST(unknown_properties),
		TEST(texts_that_are_none),
		TEST(numbers),
		TEST(slots_one_or_two),
		TEST(slots_are_numbered_by_name),
		TEST(slots_have_the_same_roles),
		TEST(no_label_twice),
		TEST(slot_names),
		TEST(flag_store_place),
		TEST(every_bit_flipped),
		TEST(nothing_stands_before_the_root),
	};
	return RUN_ALL(tests);
}
