#include "board.h"
#include "bytes.h"
#include "text.h"
#include "tree.h"

#include <libfdt.h>
#include <string.h>

struct reader {
	const void *fdt;
	int node;
	struct fault *fault;
};

static enum detail invalid(const struct reader *r, const char *name)
{
	return fault_set(r->fault, DETAIL_BOARD_INVALID, name);
}

/* A string property; an absent one leaves `to` empty and is an error when it is required. */
static enum detail get_text(const struct reader *r, const char *name, bool required, char *to,
			    size_t size)
{
	int len;
	const char *p = fdt_getprop(r->fdt, r->node, name, &len);

	*to = 0;
	if (!p)
		return required ? invalid(r, name) : DETAIL_OK;
	if (len < 1 || (size_t)len > size || memchr(p, 0, (size_t)len) != p + len - 1 ||
	    (required && len == 1))
		return invalid(r, name);
	text_copy(to, size, p);
	return DETAIL_OK;
}

static enum detail get_number(const struct reader *r, const char *name, uint32_t min, uint32_t max,
			      uint32_t absent, uint32_t *value)
{
	int len;
	const uint8_t *p = fdt_getprop(r->fdt, r->node, name, &len);
	uint64_t v;

	*value = absent;
	if (!p)
		return DETAIL_OK;
	if (len != 8)
		return invalid(r, name);
	v = load_be64(p);
	if (v < min || v > max)
		return invalid(r, name);
	*value = (uint32_t)v;
	return DETAIL_OK;
}

/* The n-th string of a list, or NULL. */
static const char *list_at(const struct reader *r, const char *name, int n)
{
	int len;

	return fdt_stringlist_get(r->fdt, r->node, name, n, &len);
}

static enum detail known_only(const struct reader *r, const char *const *names, size_t count)
{
	const char *name;
	int p, len;

	fdt_for_each_property_offset (p, r->fdt, r->node) {
		size_t i = 0;
		if (!fdt_getprop_by_offset(r->fdt, p, &name, &len))
			return invalid(r, "(property)");
		while (i < count && strcmp(name, names[i]))
			i++;
		if (i == count && strncmp(name, "x-", 2))
			return invalid(r, name);
	}
	return DETAIL_OK;
}

static enum detail known_nodes(const struct reader *r)
{
	int node;

	fdt_for_each_subnode (node, r->fdt, r->node) {
		const char *name = fdt_get_name(r->fdt, node, NULL);
		if (!name ||
		    (strcmp(name, "slots") && strcmp(name, "flag-store") && strncmp(name, "x-", 2)))
			return invalid(r, name ? name : "(node)");
	}
	return DETAIL_OK;
}

static bool label_is_taken(const struct board *board, const char *label)
{
	for (size_t s = 0; s < board->slot_count; s++)
		for (size_t p = 0; p < board->slots[s].part_count; p++)
			if (!strcmp(board->slots[s].parts[p].label, label))
				return true;
	for (size_t i = 0; i < board->wipe_count; i++)
		if (!strcmp(board->wipe[i], label))
			return true;
	return !strcmp(label, board->state_label) || !strcmp(label, board->recovery_label);
}

/* As FORMAT.md 1.4 has it: a role that no package can have would make every package incomplete. */
static bool role_is_clean(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (!(s[n] >= 'a' && s[n] <= 'z') && !(s[n] >= '0' && s[n] <= '9') && s[n] != '-' &&
		    s[n] != '_')
			return false;
	return n > 0 && n < MANIFEST_ROLE_SIZE;
}

static enum detail load_slot(struct board *board, const struct reader *r, const char *name)
{
	struct board_slot *slot = &board->slots[board->slot_count];
	const char *role;
	const char *label;
	int p, len;

	/* Names become part of variable names in the flag store: BOOT_<name>_LEFT. */
	for (const char *c = name; *c; c++)
		if (!((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
			return invalid(r, name);
	if (!*name || strlen(name) >= sizeof(slot->name))
		return invalid(r, name);
	text_copy(slot->name, sizeof(slot->name), name);
	fdt_for_each_property_offset (p, r->fdt, r->node) {
		struct board_part *part = &slot->parts[slot->part_count];
		label = fdt_getprop_by_offset(r->fdt, p, &role, &len);
		if (!label)
			return invalid(r, name);
		if (!strncmp(role, "x-", 2))
			continue;
		if (slot->part_count == BOARD_ROLES_MAX || !role_is_clean(role) || len < 2 ||
		    (size_t)len > sizeof(part->label) ||
		    memchr(label, 0, (size_t)len) != label + len - 1 || board_part(slot, role))
			return invalid(r, role);
		if (label_is_taken(board, label))
			return invalid(r, label);
		for (size_t i = 0; i < slot->part_count; i++)
			if (!strcmp(slot->parts[i].label, label))
				return invalid(r, label);
		text_copy(part->role, sizeof(part->role), role);
		text_copy(part->label, sizeof(part->label), label);
		slot->part_count++;
	}
	if (!slot->part_count)
		return invalid(r, name);
	board->slot_count++;
	return DETAIL_OK;
}

static enum detail load_slots(struct board *board, const struct reader *root)
{
	struct reader r = {.fdt = root->fdt, .fault = root->fault};
	int slots = fdt_subnode_offset(root->fdt, root->node, "slots");

	if (slots < 0)
		return invalid(root, "slots");
	fdt_for_each_subnode (r.node, root->fdt, slots) {
		const char *name = fdt_get_name(root->fdt, r.node, NULL);
		if (!name || board->slot_count == BOARD_SLOTS_MAX || board_slot(board, name) >= 0)
			return invalid(root, "slots");
		enum detail detail = load_slot(board, &r, name);
		if (detail)
			return detail;
	}
	if (!board->slot_count)
		return invalid(root, "slots");
	/* By name: tools that rewrite trees change the order of nodes, and records go by number. */
	if (board->slot_count == 2 && strcmp(board->slots[0].name, board->slots[1].name) > 0) {
		struct board_slot first = board->slots[1];
		board->slots[1] = board->slots[0];
		board->slots[0] = first;
	}
	/* An update must be able to fill either slot. */
	for (size_t i = 0; i < board->slots[0].part_count; i++)
		if (board->slot_count == 2 &&
		    !board_part(&board->slots[1], board->slots[0].parts[i].role))
			return invalid(root, board->slots[0].parts[i].role);
	if (board->slot_count == 2 && board->slots[0].part_count != board->slots[1].part_count)
		return invalid(root, "slots");
	return DETAIL_OK;
}

static enum detail load_flag_store(struct board *board, const struct reader *root)
{
	static const char *const names[] = {"compatible", "offset", "size"};
	struct reader r = {.fdt = root->fdt, .fault = root->fault};
	char compatible[32];
	const uint8_t *p;
	int len;
	enum detail detail;

	r.node = fdt_subnode_offset(root->fdt, root->node, "flag-store");
	if (r.node < 0)
		return invalid(root, "flag-store");
	if ((detail = known_only(&r, names, 3)) ||
	    (detail = get_text(&r, "compatible", true, compatible, sizeof(compatible))))
		return detail;
	if (strcmp(compatible, "u-boot,environment"))
		return invalid(&r, "flag-store/compatible");
	p = fdt_getprop(r.fdt, r.node, "offset", &len);
	if (!p || len != 16)
		return invalid(&r, "flag-store/offset");
	board->flag_off[0] = load_be64(p);
	board->flag_off[1] = load_be64(p + 8);
	p = fdt_getprop(r.fdt, r.node, "size", &len);
	if (!p || len != 8)
		return invalid(&r, "flag-store/size");
	board->flag_size = load_be64(p);
	if (board->flag_size < BOARD_FLAG_SIZE_MIN || board->flag_size > BOARD_FLAG_SIZE_MAX ||
	    board->flag_size % 512)
		return invalid(&r, "flag-store/size");
	if (board->flag_off[0] > INT64_MAX || board->flag_off[1] > INT64_MAX ||
	    board->flag_off[0] % 512 || board->flag_off[1] % 512 ||
	    range_overlaps(board->flag_off[0], board->flag_size, board->flag_off[1],
			   board->flag_size))
		return invalid(&r, "flag-store/offset");
	return DETAIL_OK;
}

static enum detail load_wipes(struct board *board, const struct reader *r)
{
	int count = fdt_stringlist_count(r->fdt, r->node, "wipe");

	if (count == -FDT_ERR_NOTFOUND)
		return DETAIL_OK;
	if (count < 0 || count > BOARD_WIPES_MAX)
		return invalid(r, "wipe");
	for (int i = 0; i < count; i++) {
		const char *label = list_at(r, "wipe", i);
		if (!label || !*label || strlen(label) >= GPT_LABEL_SIZE ||
		    label_is_taken(board, label))
			return invalid(r, "wipe");
		text_copy(board->wipe[board->wipe_count++], GPT_LABEL_SIZE, label);
	}
	return DETAIL_OK;
}

static enum detail load_sources(struct board *board, const struct reader *r)
{
	int count = fdt_stringlist_count(r->fdt, r->node, "sources");

	if (count == -FDT_ERR_NOTFOUND)
		return DETAIL_OK;
	if (count < 0 || count > 2)
		return invalid(r, "sources");
	for (int i = 0; i < count; i++) {
		const char *name = list_at(r, "sources", i);
		if (name && !strcmp(name, "stick"))
			board->sources[board->source_count++] = BOARD_SOURCE_STICK;
		else if (name && !strcmp(name, "network"))
			board->sources[board->source_count++] = BOARD_SOURCE_NETWORK;
		else
			return invalid(r, "sources");
	}
	return DETAIL_OK;
}

static enum detail one_label_each(const struct board *board, const struct reader *r)
{
	return strcmp(board->state_label, board->recovery_label) ? DETAIL_OK
								 : invalid(r, "recovery-partition");
}

static enum detail load_policy(struct board *board, const struct reader *r)
{
	char policy[16];
	enum detail detail = get_text(r, "policy", false, policy, sizeof(policy));

	if (detail)
		return detail;
	if (!strcmp(policy, "ask") || !fdt_getprop(r->fdt, r->node, "policy", NULL))
		board->policy = BOARD_ASK;
	else if (!strcmp(policy, "go-ahead"))
		board->policy = BOARD_GO_AHEAD;
	else
		return invalid(r, "policy");
	return get_number(r, "countdown", 0, 3600, 10, &board->countdown_s);
}

enum detail board_load(struct board *board, const void *fdt, size_t len, struct fault *fault)
{
	static const char *const names[] = {
		"compatible", "product",       "state-partition", "recovery-partition", "storage",
		"tries",      "wipe",	       "sources",	  "network-url",	"policy",
		"countdown",  "health-checks", "health-timeout",
	};
	struct reader r = {.fdt = fdt, .fault = fault};
	char compatible[32];
	enum detail detail;

	memset(board, 0, sizeof(*board));
	if (!tree_is_sound(fdt, len))
		return fault_set(fault, DETAIL_BOARD_INVALID, "device tree");
	r.node = fdt_path_offset(fdt, "/lifeboat");
	if (r.node < 0)
		return fault_set(fault, DETAIL_BOARD_MISSING, "/lifeboat");
	if ((detail = known_only(&r, names, sizeof(names) / sizeof(names[0]))) ||
	    (detail = known_nodes(&r)) ||
	    (detail = get_text(&r, "compatible", true, compatible, sizeof(compatible))))
		return detail;
	if (strcmp(compatible, "lifeboat,board-1"))
		return invalid(&r, "compatible");
	if ((detail = get_text(&r, "product", true, board->product, sizeof(board->product))) ||
	    (detail = get_text(&r, "state-partition", true, board->state_label,
			       sizeof(board->state_label))) ||
	    (detail = get_text(&r, "recovery-partition", false, board->recovery_label,
			       sizeof(board->recovery_label))) ||
	    (detail = one_label_each(board, &r)) ||
	    (detail = get_text(&r, "storage", false, board->storage, sizeof(board->storage))) ||
	    (detail = get_number(&r, "tries", 1, 9, 3, &board->tries)) ||
	    (detail = load_slots(board, &r)) || (detail = load_flag_store(board, &r)) ||
	    (detail = load_wipes(board, &r)) || (detail = load_sources(board, &r)) ||
	    (detail = get_text(&r, "network-url", false, board->network_url,
			       sizeof(board->network_url))) ||
	    (detail = load_policy(board, &r)) ||
	    (detail = get_text(&r, "health-checks", false, board->health_checks,
			       sizeof(board->health_checks))))
		return detail;
	return get_number(&r, "health-timeout", 1, 3600, 60, &board->health_timeout_s);
}

int board_slot(const struct board *board, const char *name)
{
	for (size_t i = 0; i < board->slot_count; i++)
		if (!strcmp(board->slots[i].name, name))
			return (int)i;
	return -1;
}

const struct board_part *board_part(const struct board_slot *slot, const char *role)
{
	for (size_t i = 0; i < slot->part_count; i++)
		if (!strcmp(slot->parts[i].role, role))
			return &slot->parts[i];
	return NULL;
}
