/* Board tree. Input: a flattened device tree. */
#include "fuzz.h"

#include "board.h"
#include "trees.h"

static const char *const properties[] = {"compatible",
					 "product",
					 "state-partition",
					 "recovery-partition",
					 "storage",
					 "tries",
					 "wipe",
					 "sources",
					 "network-url",
					 "policy",
					 "countdown",
					 "health-checks",
					 "health-timeout",
					 "offset",
					 "size",
					 "boot",
					 "system",
					 "role-3",
					 "x-other",
					 "Role",
					 "",
					 NULL};
static const char *const nodes[] = {"lifeboat", "slots", "flag-store",	"A",   "B",
				    "C",	"b",	 "TOOLONGNAME", "x-n", NULL};
static const char *const values[] = {"lifeboat,board-1",
				     "u-boot,environment",
				     "stick",
				     "network",
				     "ask",
				     "go-ahead",
				     "a-label",
				     "system-a",
				     "state",
				     "recovery",
				     "",
				     "http://h/p",
				     "a label of more than thirty-six bytes, for sure",
				     NULL};
static const struct tree_words words = {properties, nodes, values};

static void check_label(const char label[GPT_LABEL_SIZE])
{
	must(memchr(label, 0, GPT_LABEL_SIZE));
}

static void check_slots(const struct board *b)
{
	must(b->slot_count >= 1 && b->slot_count <= BOARD_SLOTS_MAX);
	for (size_t s = 0; s < b->slot_count; s++) {
		const struct board_slot *slot = &b->slots[s];

		must_end(slot->name);
		must(slot->name[0] && board_slot(b, slot->name) == (int)s);
		must(!s || strcmp(b->slots[0].name, slot->name) < 0);
		must(slot->part_count >= 1 && slot->part_count <= BOARD_ROLES_MAX);
		must(slot->part_count == b->slots[0].part_count);
		for (size_t p = 0; p < slot->part_count; p++) {
			must_end(slot->parts[p].role);
			check_label(slot->parts[p].label);
			must(slot->parts[p].role[0] && slot->parts[p].label[0]);
			must(board_part(slot, slot->parts[p].role) == &slot->parts[p]);
			must(board_part(&b->slots[0], slot->parts[p].role));
		}
	}
}

/* No partition is two things. */
static void check_labels(const struct board *b)
{
	const char *labels[2 + BOARD_SLOTS_MAX * BOARD_ROLES_MAX];
	size_t count = 0;

	labels[count++] = b->state_label;
	if (b->recovery_label[0])
		labels[count++] = b->recovery_label;
	for (size_t s = 0; s < b->slot_count; s++)
		for (size_t p = 0; p < b->slots[s].part_count; p++)
			labels[count++] = b->slots[s].parts[p].label;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			must(strcmp(labels[i], labels[j]));
	must(b->wipe_count <= BOARD_WIPES_MAX);
	for (size_t w = 0; w < b->wipe_count; w++) {
		check_label(b->wipe[w]);
		for (size_t i = 0; i < count; i++)
			must(strcmp(b->wipe[w], labels[i]));
	}
}

static void check_accepted(const struct board *b)
{
	must_end(b->product);
	must_end(b->storage);
	must_end(b->network_url);
	must_end(b->health_checks);
	check_label(b->state_label);
	check_label(b->recovery_label);
	must(b->product[0] && b->state_label[0]);
	must(b->tries >= 1 && b->tries <= 9);
	must(b->countdown_s <= 3600 && b->health_timeout_s >= 1 && b->health_timeout_s <= 3600);
	must(b->source_count <= 2);
	must(b->policy == BOARD_ASK || b->policy == BOARD_GO_AHEAD);
	must(b->flag_size >= BOARD_FLAG_SIZE_MIN && b->flag_size <= BOARD_FLAG_SIZE_MAX);
	must(b->flag_size % 512 == 0 && b->flag_off[0] % 512 == 0 && b->flag_off[1] % 512 == 0);
	must(b->flag_off[0] <= INT64_MAX && b->flag_off[1] <= INT64_MAX);
	must(b->flag_off[0] + b->flag_size <= b->flag_off[1] ||
	     b->flag_off[1] + b->flag_size <= b->flag_off[0]);
	check_slots(b);
	check_labels(b);
}

/* The tree that this board came from, in another order. */
static uint8_t *tree_of(const struct board *b, size_t *len)
{
	static const char *const sources[] = {"stick", "network"};
	struct node *root = node_new(""), *top = node_add(root, "lifeboat");
	struct node *flags = node_add(top, "flag-store"), *slots = node_add(top, "slots");
	char list[BOARD_WIPES_MAX * GPT_LABEL_SIZE];
	size_t at = 0;

	prop_u64(top, "health-timeout", b->health_timeout_s);
	prop_text(top, "health-checks", b->health_checks);
	prop_u64(top, "countdown", b->countdown_s);
	prop_text(top, "policy", b->policy == BOARD_ASK ? "ask" : "go-ahead");
	prop_text(top, "network-url", b->network_url);
	for (size_t i = 0; i < b->source_count; i++) {
		strcpy(list + at, sources[b->sources[i] == BOARD_SOURCE_NETWORK]);
		at += strlen(list + at) + 1;
	}
	if (at)
		prop_set(top, "sources", list, at);
	at = 0;
	for (size_t i = 0; i < b->wipe_count; i++) {
		strcpy(list + at, b->wipe[i]);
		at += strlen(list + at) + 1;
	}
	if (at)
		prop_set(top, "wipe", list, at);
	prop_u64(top, "tries", b->tries);
	prop_text(top, "storage", b->storage);
	prop_text(top, "recovery-partition", b->recovery_label);
	prop_text(top, "state-partition", b->state_label);
	prop_text(top, "product", b->product);
	prop_text(top, "compatible", "lifeboat,board-1");
	prop_text(flags, "compatible", "u-boot,environment");
	prop_u64_pair(flags, "offset", b->flag_off[0], b->flag_off[1]);
	prop_u64(flags, "size", b->flag_size);
	for (size_t s = b->slot_count; s-- > 0;) {
		struct node *slot = node_add(slots, b->slots[s].name);
		for (size_t p = 0; p < b->slots[s].part_count; p++)
			prop_text(slot, b->slots[s].parts[p].role, b->slots[s].parts[p].label);
	}
	return fdt_make(root, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct board board, again;
	struct fault fault = {.detail = DETAIL_OK};
	uint8_t *fdt = fuzz_copy(data, size), *other;
	enum detail detail = board_load(&board, fdt, size, &fault);
	size_t len;

	must(fault.detail == detail);
	must_end(fault.object);
	if (!detail) {
		check_accepted(&board);
		other = tree_of(&board, &len);
		must(!board_load(&again, other, len, NULL));
		must(!memcmp(&board, &again, sizeof(board)));
	} else {
		must(detail == DETAIL_BOARD_MISSING || detail == DETAIL_BOARD_INVALID);
	}
	arena_free();
	free(fdt);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice dice = {seed};

	size = tree_mutate(data, size, max, &words, &dice, NULL);
	arena_free();
	return size;
}

static struct node *good(size_t slots)
{
	struct node *root = node_new(""), *top = node_add(root, "lifeboat");
	struct node *list = node_add(top, "slots"), *flags = node_add(top, "flag-store");

	prop_text(top, "compatible", "lifeboat,board-1");
	prop_text(top, "product", "lifeboat,reference-ab");
	prop_text(top, "state-partition", "state");
	prop_text(top, "recovery-partition", "recovery");
	prop_u64(top, "tries", 3);
	prop_set(top, "wipe", "data\0more", 10);
	prop_set(top, "sources", "stick\0network", 14);
	prop_text(top, "network-url", "http://updates/board.boat");
	prop_text(top, "policy", "go-ahead");
	prop_u64(top, "countdown", 10);
	prop_text(top, "health-checks", "/etc/checks");
	prop_u64(top, "health-timeout", 60);
	for (size_t s = 0; s < slots; s++) {
		struct node *slot = node_add(list, s ? "A" : "B"); /* not in order */
		prop_text(slot, "boot", s ? "boot-a" : "boot-b");
		prop_text(slot, "system", s ? "system-a" : "system-b");
		prop_text(slot, "x-note", "");
	}
	prop_text(flags, "compatible", "u-boot,environment");
	prop_u64_pair(flags, "offset", 0x10000, 0x18000);
	prop_u64(flags, "size", 0x8000);
	return root;
}

/* A property of /lifeboat, or of a node below it, with another value; NULL: none. */
static const struct change {
	const char *node, *name, *value;
	size_t len;
} changes[] = {
	{"", "compatible", "lifeboat,board-2", 17},
	{"", "compatible", NULL, 0},
	{"", "product", "", 1},
	{"", "product", "no end", 6},
	{"", "state-partition", "recovery", 9},
	{"", "tries", "\0\0\0\0\0\0\0\0", 8},
	{"", "tries", "x", 1},
	{"", "wipe", "system-a", 9},
	{"", "wipe", "not ended", 9},
	{"", "wipe", "a\0b\0c\0d\0e\0f\0g\0h\0i", 18},
	{"", "wipe", NULL, 0},
	{"", "sources", "elsewhere", 10},
	{"", "sources", "stick\0stick\0stick", 18},
	{"", "sources", NULL, 0},
	{"", "policy", "maybe", 6},
	{"", "policy", "ask", 4},
	{"", "policy", "more than fits here", 20},
	{"", "unknown", "", 0},
	{"", "x-known", "", 0},
	{"", "health-timeout", "\0\0\0\0\0\0\377\377", 8},
	{"flag-store", "compatible", "other", 6},
	{"flag-store", "compatible", NULL, 0},
	{"flag-store", "offset", "x", 1},
	{"flag-store", "offset", "\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0", 16},
	{"flag-store", "size", "x", 1},
	{"flag-store", "size", "\0\0\0\0\0\0\0\1", 8},
	{"flag-store", "unknown", "", 0},
	{"slots", "A", NULL, 0},
	{"slots", "too-small-a", "", 0},
};

void fuzz_make_seeds(void)
{
	static const char *const slot_names[] = {"b", "", "MORETHAN8", "C", "A"};
	uint8_t *fdt;
	size_t len;

	for (size_t i = 0; i < COUNT(changes) + 16; i++) {
		struct node *root = good(i == COUNT(changes) ? 1 : 2);
		struct node *top = node_at(root, "lifeboat"), *slots = node_at(top, "slots");

		if (i < COUNT(changes)) {
			struct node *node = *changes[i].node ? node_at(top, changes[i].node) : top;

			if (changes[i].value)
				prop_set(node, changes[i].name, changes[i].value, changes[i].len);
			else if (!strcmp(changes[i].node, "slots"))
				node_remove(node, changes[i].name);
			else
				prop_remove(node, changes[i].name);
		}
		switch (i - COUNT(changes)) {
		case 1:
			node_remove(root, "lifeboat");
			break;
		case 2:
			node_remove(top, "slots");
			break;
		case 3:
			node_remove(top, "flag-store");
			break;
		case 4:
			node_add(top, "unknown");
			break;
		case 5:
			slots->children = NULL;
			break;
		case 6:
		case 7:
		case 8:
		case 9:
		case 10:
			snprintf(slots->children->name, sizeof(slots->children->name), "%s",
				 slot_names[i - COUNT(changes) - 6]);
			break;
		case 11:
			prop_text(slots->children, "system", "boot-b");
			break;
		case 12:
			prop_text(slots->children, "system", "state");
			break;
		case 13:
			prop_text(slots->children, "Boot", "another");
			break;
		case 14:
			slots->children->props = NULL;
			break;
		case 15:
			prop_text(slots->children, "third", "third-b");
			break;
		}
		fdt = fdt_make(root, &len);
		fuzz_seed(fdt, len);
		arena_free();
	}
	for (size_t i = 0; i < 4; i++) { /* unlike one another, or too like */
		struct node *root = good(2), *slots = node_at(node_at(root, "lifeboat"), "slots");

		if (i == 0)
			prop_remove(slots->children, "boot");
		if (i == 1)
			snprintf(prop_at(slots->children, "boot")->name, 8, "root");
		if (i == 2)
			node_add(slots, "C");
		if (i == 3)
			prop_text(slots->children, "boot", "boot-a");
		fdt = fdt_make(root, &len);
		fuzz_seed(fdt, len);
		if (i == 3) { /* the root is not the first, or closes before it opens */
			store_be32(fdt + load_be32(fdt + 8), 4);
			fuzz_seed(fdt, len);
			store_be32(fdt + load_be32(fdt + 8), 2);
			fuzz_seed(fdt, len);
		}
		arena_free();
	}
}
