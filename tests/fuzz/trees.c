#include "trees.h"

enum { NODES_MAX = 256, DEPTH_MAX = 16 };

/* --- Taking apart (Devicetree Specification 0.4, section 5) --- */

struct reader {
	const uint8_t *structure, *strings;
	size_t structure_len, strings_len, at, nodes;
};

static uint32_t next_u32(struct reader *r)
{
	uint32_t v = 0;

	if (r->structure_len - r->at >= 4)
		v = load_be32(r->structure + r->at);
	r->at = r->structure_len - r->at >= 4 ? r->at + 4 : r->structure_len;
	return v;
}

static void copy_name(char *to, size_t size, const uint8_t *from, size_t len)
{
	size_t n = strnlen((const char *)from, len < size - 1 ? len : size - 1);

	memcpy(to, from, n);
	to[n] = 0;
}

static struct node *read_node(struct reader *r, unsigned int depth)
{
	struct node *node = node_new("");
	size_t left = r->structure_len - r->at;

	copy_name(node->name, sizeof(node->name), r->structure + r->at, left);
	left = strnlen((const char *)r->structure + r->at, left) + 1;
	r->at += (left + 3) / 4 * 4;
	while (r->at < r->structure_len) {
		uint32_t tag = next_u32(r);

		if (tag == 1) {
			if (depth == DEPTH_MAX || r->nodes++ == NODES_MAX)
				return node;
			struct node *child = read_node(r, depth + 1), **end = &node->children;

			while (*end)
				end = &(*end)->next;
			*end = child;
		} else if (tag == 3) {
			uint32_t len = next_u32(r), name_off = next_u32(r);
			char name[64] = "";

			if (name_off < r->strings_len)
				copy_name(name, sizeof(name), r->strings + name_off,
					  r->strings_len - name_off);
			if (r->at > r->structure_len || len > r->structure_len - r->at)
				return node;
			prop_add(node, name, r->structure + r->at, len);
			r->at += (len + (size_t)3) / 4 * 4;
		} else if (tag != 4) {
			return node;
		}
	}
	return node;
}

struct node *tree_read(const uint8_t *fdt, size_t len)
{
	struct reader r = {.at = 4};
	size_t structure, strings;

	if (len < 40 || load_be32(fdt) != 0xd00dfeed)
		return NULL;
	structure = load_be32(fdt + 8);
	strings = load_be32(fdt + 12);
	r.structure_len = load_be32(fdt + 36);
	r.strings_len = load_be32(fdt + 32);
	if (structure > len || r.structure_len > len - structure || strings > len ||
	    r.strings_len > len - strings || r.structure_len < 8 || load_be32(fdt + structure) != 1)
		return NULL;
	r.structure = fdt + structure;
	r.strings = fdt + strings;
	return read_node(&r, 0);
}

/* --- Changes --- */

static size_t list_nodes(struct node *node, struct node *above, struct node **list,
			 struct node **parents, size_t count)
{
	if (count == NODES_MAX)
		return count;
	list[count] = node;
	parents[count++] = above;
	for (struct node *child = node->children; child; child = child->next)
		count = list_nodes(child, node, list, parents, count);
	return count;
}

struct node *tree_any(struct node *root, struct dice *dice, struct node **above)
{
	struct node *list[NODES_MAX], *parents[NODES_MAX];
	size_t i = dice_below(dice, list_nodes(root, NULL, list, parents, 0));

	if (above)
		*above = parents[i];
	return list[i];
}

static struct prop **any_prop(struct node *node, struct dice *dice)
{
	struct prop **at = &node->props;
	size_t count = 0, i;

	for (struct prop *prop = node->props; prop; prop = prop->next)
		count++;
	if (!count)
		return NULL;
	for (i = dice_below(dice, count); i; i--)
		at = &(*at)->next;
	return at;
}

static const char *any_word(const char *const *list, struct dice *dice)
{
	size_t count = 0;

	while (list[count])
		count++;
	return list[dice_below(dice, count)];
}

/* Bytes by libFuzzer's own mutations, of which the length may change. */
static void bend(struct prop *prop)
{
	size_t max = prop->len + 32;
	uint8_t *data = arena_alloc(max);

	if (prop->len)
		memcpy(data, prop->data, prop->len);
	prop->len = LLVMFuzzerMutate(data, prop->len, max);
	prop->data = data;
}

static void change_value(struct prop *prop, const struct tree_words *words, struct dice *dice)
{
	struct prop with = *prop;
	const char *word;
	size_t i;

	switch (dice_below(dice, 6)) {
	case 0: /* a number */
		if (prop->len >= 8) {
			i = dice_below(dice, prop->len / 8);
			prop->data = arena_copy(prop->data, prop->len);
			store_be64(prop->data + 8 * i,
				   dice_number(dice, load_be64(prop->data + 8 * i)));
			return;
		}
		/* fall through */
	case 1: /* a word */
		word = any_word(words->values, dice);
		prop->len = strlen(word) + 1;
		prop->data = arena_copy(word, prop->len);
		return;
	case 2: /* one more word */
		word = any_word(words->values, dice);
		prop->data = arena_alloc(with.len + strlen(word) + 1);
		memcpy(prop->data, with.data, with.len);
		memcpy(prop->data + with.len, word, strlen(word) + 1);
		prop->len = with.len + strlen(word) + 1;
		return;
	case 3: /* shorter, longer */
		prop->len = prop->len + dice_below(dice, 3);
		prop->data = arena_alloc(prop->len + 1);
		memcpy(prop->data, with.data, with.len < prop->len ? with.len : prop->len);
		prop->len -= prop->len && dice_below(dice, 2);
		return;
	default:
		bend(prop);
	}
}

static void change_properties(struct node *node, const struct tree_words *words, struct dice *dice)
{
	struct prop **at = any_prop(node, dice), **other = any_prop(node, dice);
	struct prop taken;

	switch (at ? dice_below(dice, 8) : 0) {
	case 0:
		prop_add(node, any_word(words->properties, dice), "", 0);
		for (at = &node->props; (*at)->next;)
			at = &(*at)->next;
		change_value(*at, words, dice);
		return;
	case 1:
		*at = (*at)->next;
		return;
	case 2: /* twice */
		prop_add(node, (*at)->name, (*at)->data, (*at)->len);
		return;
	case 3:
		snprintf((*at)->name, sizeof((*at)->name), "%s", any_word(words->properties, dice));
		return;
	case 4: /* values change places */
		taken = **at;
		(*at)->data = (*other)->data;
		(*at)->len = (*other)->len;
		(*other)->data = taken.data;
		(*other)->len = taken.len;
		return;
	default:
		change_value(*at, words, dice);
	}
}

static struct node *copy_node(const struct node *from)
{
	struct node *node = arena_copy(from, sizeof(*from)), **at = &node->children;
	struct prop **to = &node->props;

	node->next = NULL;
	for (const struct prop *prop = from->props; prop; prop = prop->next, to = &(*to)->next)
		*to = arena_copy(prop, sizeof(*prop));
	for (const struct node *child = from->children; child; child = child->next) {
		*at = copy_node(child);
		at = &(*at)->next;
	}
	return node;
}

static void change_nodes(struct node *root, const struct tree_words *words, struct dice *dice)
{
	struct node *above, *node = tree_any(root, dice, &above), **at;

	if (!above || !dice_below(dice, 4)) {
		node_add(node, any_word(words->nodes, dice));
		return;
	}
	for (at = &above->children; *at != node;)
		at = &(*at)->next;
	switch (dice_below(dice, 3)) {
	case 0:
		*at = node->next;
		break;
	case 1: /* twice, mostly by another name */
		node = copy_node(node);
		if (dice_below(dice, 4))
			snprintf(node->name, sizeof(node->name), "%s",
				 any_word(words->nodes, dice));
		node->next = (*at)->next;
		(*at)->next = node;
		break;
	default:
		snprintf(node->name, sizeof(node->name), "%s", any_word(words->nodes, dice));
	}
}

void tree_change(struct node *root, const struct tree_words *words, struct dice *dice)
{
	for (size_t n = 1 + dice_below(dice, 3); n; n--) {
		if (dice_below(dice, 5))
			change_properties(tree_any(root, dice, NULL), words, dice);
		else
			change_nodes(root, words, dice);
	}
}

size_t tree_mutate(uint8_t *data, size_t size, size_t max, const struct tree_words *words,
		   struct dice *dice, void (*adjust)(struct node *root, struct dice *dice))
{
	struct node *root = dice_below(dice, 8) ? tree_read(data, size) : NULL;
	uint8_t *fdt;
	size_t len;

	if (!root)
		return LLVMFuzzerMutate(data, size, max);
	tree_change(root, words, dice);
	if (adjust)
		adjust(root, dice);
	fdt = fdt_make(root, &len);
	if (len > max)
		return LLVMFuzzerMutate(data, size, max);
	memcpy(data, fdt, len);
	return len;
}
