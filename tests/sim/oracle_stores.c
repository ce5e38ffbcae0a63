/* What is stored in the boot flags and in the state partition: I3, I4, I5, I7, I11. */
#include "oracle_parts.h"

/* --- The store of the boot flags: I4, I5, I11 --- */

static void proved(struct oracle *o, size_t slot)
{
	const struct world *w = o->world;
	const struct pkg *pkg = w->package[o->doing.installing];

	if (!oracle_lies(o) && !look_slot_holds(w, w->disk.durable, slot, o->doing.installing))
		oracle_fail(o, "I5", "slot %c is made bootable and is not what the package holds",
			    (int)('A' + slot));
	for (size_t i = 0; i < 2; i++) {
		const struct part *part = world_slot_part(w, slot, i);
		for (uint64_t at = 0; at < pkg->images[i].size; at += SIM_UNIT) {
			if (!oracle_lies(o) && oracle_waits_for_flush(o, part->off + at, SIM_UNIT))
				oracle_fail(o, "I5", "%s at %llu was not flushed before the flip",
					    part->label, (unsigned long long)at);
			if (!o->proof[(part->off + at) / SIM_UNIT])
				oracle_fail(o, "I5", "%s at %llu was not read back before the flip",
					    part->label, (unsigned long long)at);
		}
	}
}

static void slot_becomes_bootable(struct oracle *o, size_t slot, const struct look_env *before)
{
	struct look_record record;

	if (o->doing.installing != PKG_NONE && o->doing.running != (int)slot &&
	    !(before->valid && before->good[slot])) {
		look_record(o->world, o->world->disk.now, &record);
		/* Flags that were damaged: the record knows what else had confirmed itself. */
		if (!before->valid && record.slot[slot].confirmed)
			return;
		proved(o, slot);
		o->doing.flipped = (int)slot;
	} else if (!oracle_lies(o) &&
		   look_slot(o->world, o->world->disk.durable, slot) == PKG_NONE) {
		oracle_fail(o, "I4", "slot %c is made bootable and holds no complete system",
			    (int)('A' + slot));
	}
}

static void judge_flags(struct oracle *o, const struct look_env *before,
			const struct look_env *after)
{
	struct look_record record;
	int good_before = 0, good_after = 0;

	look_record(o->world, o->world->disk.now, &record);
	for (size_t s = 0; s < o->world->slots; s++) {
		bool bootable = look_in_order(after, s) && after->left[s];
		if (bootable && !oracle_lies(o) &&
		    look_slot(o->world, o->world->disk.durable, s) == PKG_NONE)
			oracle_fail(o, "I4",
				    "the flags call slot %c bootable, and it holds no complete "
				    "system",
				    (int)('A' + s));
		good_before += before->good[s];
		good_after += after->good[s];
		if (bootable && !(look_in_order(before, s) && before->left[s]))
			slot_becomes_bootable(o, s, before);
		if (after->good[s] && !before->good[s] &&
		    !(o->doing.confirming && o->doing.running == (int)s) &&
		    !(!before->valid && record.slot[s].confirmed))
			oracle_fail(o, "I5", "slot %c is called good and has not confirmed itself",
				    (int)('A' + s));
	}
	if (o->world->slots == 2 && before->valid && good_before && !good_after)
		oracle_fail(o, "I11", "the flags name no system any more that has proved itself");
}

void oracle_flags_write(struct oracle *o, const struct sim_op *op)
{
	const struct world *w = o->world;
	int copy = op->off >= SIM_ENV_B;
	struct look_env before, after;

	if (op->off != (copy ? SIM_ENV_B : SIM_ENV_A) || op->len != w->env_size)
		oracle_fail(o, "outside", "%zu bytes at %llu are not one copy of the boot flags",
			    op->len, (unsigned long long)op->off);
	look_env(w, w->disk.now, &before);
	/* A boot loader that could not read the newer copy goes by the older one. */
	if (op->part->index == SIM_LOADER && oracle_failed_on(o, 1u << SIM_LOADER)) {
		look_env_copy(w, w->disk.now + (copy ? SIM_ENV_A : SIM_ENV_B), &before);
		before.copy = !copy;
	}
	look_env_copy(w, op->bytes, &after);
	if (before.valid && before.copy == copy && !oracle_failed_on(o, oracle_flag_parts()))
		oracle_fail(o, "I4", "the copy of the boot flags that counts is written over");
	if (!after.valid) {
		/* A store that could not be seen to arrive is made worthless. */
		if (!oracle_failed_on(o, oracle_flag_parts()))
			oracle_fail(o, "I4", "damaged boot flags are written");
		return;
	}
	if (before.valid && before.others != after.others)
		oracle_fail(o, "outside", "a variable is lost or changed that is not Lifeboat's");
	judge_flags(o, &before, &after);
}

/* --- The state partition: I3, I7, I9 --- */

static void prefix_is_durable(struct oracle *o, size_t slot, const struct pkg *pkg, size_t image,
			      uint64_t len)
{
	const struct world *w = o->world;
	const struct part *part = world_slot_part(w, slot, image);

	if (len > pkg->images[image].size ||
	    memcmp(w->disk.durable + part->off, pkg->images[image].plain, len))
		oracle_fail(o, "I3",
			    "the journal says that %llu bytes of %s are flushed; they are not",
			    (unsigned long long)len, part->label);
}

/* What is wrong and was never written by this install was believed to be there. */
static void skipped(struct oracle *o, size_t slot, const struct pkg *pkg)
{
	const struct world *w = o->world;

	for (size_t i = 0; i < 2; i++) {
		const struct part *part = world_slot_part(w, slot, i);
		for (uint64_t at = 0; at < pkg->images[i].size; at += SIM_UNIT) {
			uint64_t left = pkg->images[i].size - at;
			if (!o->written[(part->off + at) / SIM_UNIT] &&
			    memcmp(w->disk.durable + part->off + at, pkg->images[i].plain + at,
				   left < SIM_UNIT ? left : SIM_UNIT))
				oracle_fail(o, "I9",
					    "%s at %llu is not what the package holds, and was "
					    "taken for it",
					    part->label, (unsigned long long)at);
		}
	}
}

static void journal_write(struct oracle *o, const uint8_t *content)
{
	const struct world *w = o->world;
	struct look_journal j;
	struct look_env env;
	int package;

	look_journal_content(content, &j);
	if (j.step == JOURNAL_IDLE)
		return;
	package = look_package(w, j.id);
	/* That the flip happened may be said later, when settling. */
	if (package == PKG_NONE || j.target >= w->slots ||
	    (package != o->doing.installing && j.step != JOURNAL_COMMITTED))
		oracle_fail(o, "I3", "the journal names a package that is not being installed");
	if (oracle_lies(o) || oracle_failed_on(o, UINT32_MAX))
		return;
	if (j.head_len != w->package[package]->payload_off)
		oracle_fail(o, "I3", "the journal says %llu bytes of the head, which has %llu",
			    (unsigned long long)j.head_len,
			    (unsigned long long)w->package[package]->payload_off);
	if (memcmp(w->disk.durable + world_part(w, "state")->off +
			   (uint64_t)look_areas[AREA_PENDING].first * 4096,
		   w->package[package]->bytes, j.head_len))
		oracle_fail(o, "I3", "the journal names a package whose head is not kept");
	if (j.step < JOURNAL_COMMITTED)
		oracle_marked(o, j.target);
	/* What an earlier run left is a hint (I9); what this one says must be so. */
	if (j.step == JOURNAL_PROGRESS) {
		if (j.image > 1)
			oracle_fail(o, "I3", "the journal names image %u", j.image);
		if (j.image)
			prefix_is_durable(o, j.target, w->package[package], 0,
					  w->package[package]->images[0].size);
		prefix_is_durable(o, j.target, w->package[package], j.image, j.flushed);
	}
	if (j.step >= JOURNAL_WRITTEN && !look_slot_holds(w, w->disk.durable, j.target, package)) {
		skipped(o, j.target, w->package[package]);
		oracle_fail(o, "I3", "the journal says step %u, and the slot is not whole", j.step);
	}
	look_env(w, w->disk.durable, &env);
	if (j.step == JOURNAL_COMMITTED && !look_in_order(&env, j.target))
		oracle_fail(o, "I3", "the journal says committed, and the flags are not flipped");
}

/* A floor rises to what a system wants that the flags call good, and to nothing else. */
static void record_write(struct oracle *o, const uint8_t *content)
{
	const struct world *w = o->world;
	struct look_record r;
	struct look_env env;
	bool earned = false;

	look_record_content(content, &r);
	if (r.floor < o->floor || r.epoch < o->epoch)
		oracle_fail(o, "I7", "the record would lower the floor or the epoch");
	if (r.floor == o->floor && r.epoch == o->epoch)
		return;
	look_env(w, oracle_lies(o) ? w->disk.now : w->disk.durable, &env);
	for (size_t s = 0; s < w->slots; s++) {
		int p = look_slot(w, w->disk.durable, s);
		earned |= env.good[s] && p != PKG_NONE && r.floor <= w->floor[p] &&
			  r.epoch <= w->epoch[p];
	}
	if (!earned && !oracle_lies(o))
		oracle_fail(o, "I7",
			    "the floor or the epoch rises before a system confirmed itself");
}

static void newest_is_kept(struct oracle *o, enum look_area area, uint32_t block,
			   const struct sim_op *op)
{
	static const char *const names[] = {"device record", "journal record", "result", "log"};
	const struct world *w = o->world;
	uint64_t serial;

	if (oracle_lies(o) || oracle_failed_on(o, oracle_state_parts(o)))
		return;
	serial = look_serial(w, w->disk.durable, area);
	if (serial && block == (serial - 1) % look_areas[area].blocks)
		oracle_fail(o, "I3", "the newest %s is written over", names[area]);
	/* Serials only grow: else what is read as the newest is not what was stored last. */
	if (load_be64(op->bytes + 8) <= look_serial(w, w->disk.now, area))
		oracle_fail(o, "I3", "a %s is stored with serial %llu after %llu", names[area],
			    (unsigned long long)load_be64(op->bytes + 8),
			    (unsigned long long)look_serial(w, w->disk.now, area));
}

void oracle_state_write(struct oracle *o, const struct sim_op *op, uint64_t off)
{
	uint32_t block = (uint32_t)(off / 4096);
	struct look_journal j;
	int area = 0;

	while (area < AREAS && !(block >= look_areas[area].first &&
				 block < look_areas[area].first + look_areas[area].blocks))
		area++;
	if (area == AREAS || off % 4096 || op->len != 4096)
		oracle_fail(o, "outside",
			    "%zu bytes at %llu of the state partition belong to nothing", op->len,
			    (unsigned long long)off);
	if (area != AREA_PENDING)
		newest_is_kept(o, (enum look_area)area, block - look_areas[area].first, op);
	if (area == AREA_RECORD)
		record_write(o, op->bytes + 64);
	if (area == AREA_JOURNAL)
		journal_write(o, op->bytes + 64);
	if (area != AREA_PENDING || oracle_lies(o))
		return;
	look_journal(o->world, o->world->disk.durable, &j);
	if (j.step != JOURNAL_IDLE)
		oracle_fail(o, "I3", "the head of a package changes while the journal names it");
}
