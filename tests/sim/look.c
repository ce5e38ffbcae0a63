#include "look.h"

const struct look_area_range look_areas[AREAS] = {
	[AREA_RECORD] = {0, 4},	 [AREA_JOURNAL] = {4, 64},    [AREA_RESULT] = {68, 32},
	[AREA_LOG] = {100, 256}, [AREA_PENDING] = {356, 284},
};

/* --- Boot flags --- */

static int look_tries(const uint8_t *copy, size_t size, char slot)
{
	char name[] = "BOOT_?_LEFT";

	name[5] = slot;
	const char *value = env_get(copy, size, name);
	return value && *value >= '1' && *value <= '9' && !value[1] ? *value - '0' : 0;
}

static bool look_flag(const uint8_t *copy, size_t size, const char *name)
{
	const char *value = env_get(copy, size, name);
	return value && !strcmp(value, "1");
}

/* What U-Boot adds when it stores is nobody's either. */
static bool is_foreign(const char *name)
{
	static const char *const known[] = {"BOOT_", "stdin=", "stdout=", "stderr="};

	for (size_t i = 0; i < COUNT(known); i++)
		if (!strncmp(name, known[i], strlen(known[i])))
			return false;
	return true;
}

static uint64_t hash_others(const uint8_t *copy, size_t size)
{
	uint64_t sum = 0;

	for (const char *at = (const char *)copy + 5; at < (const char *)copy + size && *at;
	     at += strlen(at) + 1) {
		uint64_t h = 0xcbf29ce484222325u;
		if (!is_foreign(at))
			continue;
		for (const char *c = at; *c; c++)
			h = (h ^ (uint8_t)*c) * 0x100000001b3u;
		sum += h;
	}
	return sum;
}

void look_env_copy(const struct world *w, const uint8_t *copy, struct look_env *env)
{
	memset(env, 0, sizeof(*env));
	env->valid = env_valid(copy, w->env_size);
	if (!env->valid)
		return;
	const char *order = env_get(copy, w->env_size, "BOOT_ORDER");
	snprintf(env->order, sizeof(env->order), "%s", order ? order : "");
	env->left[0] = look_tries(copy, w->env_size, 'A');
	env->left[1] = look_tries(copy, w->env_size, 'B');
	env->good[0] = look_flag(copy, w->env_size, "BOOT_A_GOOD");
	env->good[1] = look_flag(copy, w->env_size, "BOOT_B_GOOD");
	env->recovery = look_flag(copy, w->env_size, "BOOT_RECOVERY");
	env->others = hash_others(copy, w->env_size);
}

void look_env(const struct world *w, const uint8_t *disk, struct look_env *env)
{
	const uint8_t *copy = env_active(disk + SIM_ENV_A, disk + SIM_ENV_B, w->env_size);

	memset(env, 0, sizeof(*env));
	if (!copy)
		return;
	look_env_copy(w, copy, env);
	env->copy = copy == disk + SIM_ENV_B;
}

bool look_env_same(const struct look_env *a, const struct look_env *b)
{
	return a->valid == b->valid && !strcmp(a->order, b->order) && a->left[0] == b->left[0] &&
	       a->left[1] == b->left[1] && a->good[0] == b->good[0] && a->good[1] == b->good[1] &&
	       a->recovery == b->recovery && a->others == b->others;
}

bool look_in_order(const struct look_env *env, size_t slot)
{
	return env->valid && strchr(env->order, (int)('A' + slot));
}

/* --- Rings --- */

static bool block_holds(const uint8_t *block, size_t len)
{
	uint8_t sha256[HASH_LEN];
	struct hash h;

	hash_begin(&h);
	hash_add(&h, block, 32);
	hash_add(&h, block + 64, len);
	hash_end(&h, sha256);
	return !memcmp(sha256, block + 32, HASH_LEN);
}

/* The serial that a block claims, where it may stand; 0: none. */
static uint64_t claimed_serial(const uint8_t *block, enum look_area area, uint32_t i, size_t len)
{
	uint64_t serial = load_be64(block + 8);

	if (memcmp(block, "LBR1", 4) || load_be32(block + 4) != area + 1u || !serial ||
	    (serial - 1) % look_areas[area].blocks != i || load_be32(block + 16) > 4096 - 64 ||
	    (len && load_be32(block + 16) != len) || load_be32(block + 20) || load_be64(block + 24))
		return 0;
	return serial;
}

/*
 * The newest sound record of a ring: its content, and its serial; NULL and 0 when there is none.
 * len: of its content, 0: any.
 */
static const uint8_t *newest(const struct world *w, const uint8_t *disk, enum look_area area,
			     size_t len, uint64_t *serial)
{
	const struct look_area_range *range = &look_areas[area];
	const uint8_t *first = disk + world_part(w, "state")->off + (uint64_t)range->first * 4096;

	/* From the highest serial that is claimed down to one that holds. */
	for (uint64_t below = UINT64_MAX;; below = *serial) {
		const uint8_t *found = NULL;
		*serial = 0;
		for (uint32_t i = 0; i < range->blocks; i++) {
			const uint8_t *block = first + (size_t)i * 4096;
			uint64_t at = claimed_serial(block, area, i, len);
			if (at > *serial && at < below) {
				*serial = at;
				found = block;
			}
		}
		if (!found)
			return NULL;
		if (block_holds(found, load_be32(found + 16)))
			return found + 64;
	}
}

uint64_t look_serial(const struct world *w, const uint8_t *disk, enum look_area area)
{
	uint64_t serial;

	newest(w, disk, area, 0, &serial);
	return serial;
}

void look_record_content(const uint8_t *raw, struct look_record *r)
{
	memset(r, 0, sizeof(*r));
	r->self_starts = load_be32(raw + 4);
	r->floor = load_be64(raw + 16);
	r->epoch = load_be64(raw + 24);
	r->confirmed = load_be64(raw + 32);
	r->wipe = load_be32(raw + 40);
	for (size_t i = 0; i < 2; i++) {
		const uint8_t *slot = raw + 48 + 112 * i;
		r->slot[i].release = load_be64(slot);
		memcpy(r->slot[i].id, slot + 72, HASH_LEN);
		r->slot[i].confirmed = load_be64(slot + 104) & 1;
	}
	memcpy(r->failed, raw + 272, sizeof(r->failed));
}

void look_record(const struct world *w, const uint8_t *disk, struct look_record *r)
{
	uint64_t serial;
	const uint8_t *raw = newest(w, disk, AREA_RECORD, 456, &serial);

	memset(r, 0, sizeof(*r));
	if (raw)
		look_record_content(raw, r);
	r->serial = serial;
}

void look_journal_content(const uint8_t *raw, struct look_journal *j)
{
	memset(j, 0, sizeof(*j));
	j->step = load_be32(raw + 4);
	memcpy(j->id, raw + 8, HASH_LEN);
	j->target = load_be32(raw + 64);
	j->image = load_be32(raw + 68);
	j->flushed = load_be64(raw + 72);
	j->head_len = load_be64(raw + 80);
}

void look_journal(const struct world *w, const uint8_t *disk, struct look_journal *j)
{
	uint64_t serial;
	const uint8_t *raw = newest(w, disk, AREA_JOURNAL, 408, &serial);

	memset(j, 0, sizeof(*j));
	if (raw)
		look_journal_content(raw, j);
	j->serial = serial;
}

/* --- Slots --- */

static bool image_is(const struct world *w, const uint8_t *disk, size_t slot, size_t image,
		     int package)
{
	const struct pkg_image *want = &w->package[package]->images[image];

	return !memcmp(disk + world_slot_part(w, slot, image)->off, want->plain, want->size);
}

bool look_slot_holds(const struct world *w, const uint8_t *disk, size_t slot, int package)
{
	return image_is(w, disk, slot, 0, package) && image_is(w, disk, slot, 1, package);
}

int look_slot(const struct world *w, const uint8_t *disk, size_t slot)
{
	for (int p = 0; p < PKGS; p++)
		if (look_slot_holds(w, disk, slot, p))
			return p;
	return PKG_NONE;
}

bool look_boot_image(const struct world *w, const uint8_t *disk, size_t slot)
{
	for (int p = 0; p < PKGS; p++)
		if (image_is(w, disk, slot, 0, p))
			return true;
	return false;
}

int look_package(const struct world *w, const uint8_t *id)
{
	for (int p = 0; p < PKGS; p++)
		if (!memcmp(w->package[p]->id, id, HASH_LEN))
			return p;
	return PKG_NONE;
}
