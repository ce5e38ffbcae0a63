/* What a cut left, what is started, and where it ends: I4, I5, I6, I8. */
#include "oracle_parts.h"

#define STARTS_MAX 24u /* of one power-on: a trial that hangs needs about ten */

/* --- What a cut left: atomic stores --- */

struct before_cut {
	struct look_env env, env_new;
	struct look_record record;
	struct look_journal journal;
	uint64_t results, logs;
};

void oracle_tears(const struct oracle *o, struct torn *torn)
{
	for (size_t i = 0; i < o->world->disk.pending_count; i++) {
		const struct sim_write *w = &o->world->disk.pending[i];
		if ((w->off == SIM_ENV_A || w->off == SIM_ENV_B) && torn->count < TORN_MAX)
			look_env_copy(o->world, w->bytes, &torn->env[torn->count++]);
	}
}

static bool env_is_any(const struct oracle *o, const struct look_env *env,
		       const struct before_cut *before)
{
	struct torn torn = o->torn;

	if (look_env_same(env, &before->env) || look_env_same(env, &before->env_new))
		return true;
	oracle_tears(o, &torn);
	for (size_t i = 0; i < torn.count; i++)
		if (look_env_same(env, &torn.env[i]))
			return true;
	return false;
}

static void judge_cut(struct oracle *o, const struct before_cut *before)
{
	struct look_env env;
	struct look_record record;
	struct look_journal journal;

	look_env(o->world, o->world->disk.durable, &env);
	look_record(o->world, o->world->disk.durable, &record);
	look_journal(o->world, o->world->disk.durable, &journal);
	if (before->env.valid && (!env.valid || !env_is_any(o, &env, before)))
		oracle_fail(o, "I4", "the cut leaves boot flags that nobody stored");
	if (record.floor < before->record.floor || record.epoch < before->record.epoch)
		oracle_fail(o, "I7", "the cut lowers floor or epoch");
	if (record.serial < before->record.serial)
		oracle_fail(o, "I3", "the cut loses a device record that was durable");
	if (journal.serial < before->journal.serial)
		oracle_fail(o, "I3", "the cut loses a journal record that was durable");
	if (look_serial(o->world, o->world->disk.durable, AREA_RESULT) < before->results)
		oracle_fail(o, "I8", "the cut loses a result that was durable");
	if (look_serial(o->world, o->world->disk.durable, AREA_LOG) < before->logs)
		oracle_fail(o, "I8", "the cut loses a part of the log that was durable");
}

/* Puts the units into the durable image, looks, and takes them out again. */
void oracle_cut(struct oracle *o, const struct left *left)
{
	struct sim_disk *disk = &o->world->disk;
	struct before_cut before;
	static uint8_t kept[SIM_UNIT * 4096];
	const struct part *state = world_part(o->world, "state");
	bool matters = false;

	for (size_t i = 0; i < left->count && !matters; i++) {
		uint64_t off = (uint64_t)left->units[i] * SIM_UNIT;
		matters = (off >= SIM_ENV_A && off < SIM_PARTS) ||
			  (off >= state->off && off < state->off + 356 * 4096);
	}
	if (oracle_lies(o) || !matters || left->count > 4096)
		return;
	look_env(o->world, disk->durable, &before.env);
	look_env(o->world, disk->now, &before.env_new);
	look_record(o->world, disk->durable, &before.record);
	look_journal(o->world, disk->durable, &before.journal);
	before.results = look_serial(o->world, disk->durable, AREA_RESULT);
	before.logs = look_serial(o->world, disk->durable, AREA_LOG);
	for (size_t i = 0; i < left->count; i++) {
		uint8_t *at = disk->durable + (size_t)left->units[i] * SIM_UNIT;
		memcpy(kept + i * SIM_UNIT, at, SIM_UNIT);
		memcpy(at, left->bytes + i * SIM_UNIT, SIM_UNIT);
	}
	/* A failure leaves this run for good: the next one puts everything back. */
	judge_cut(o, &before);
	for (size_t i = 0; i < left->count; i++)
		memcpy(disk->durable + (size_t)left->units[i] * SIM_UNIT, kept + i * SIM_UNIT,
		       SIM_UNIT);
}

/* --- Starts and ends --- */

bool oracle_started(struct oracle *o, char choice)
{
	struct look_record record;

	if (++o->starts > STARTS_MAX && o->may_go_round)
		return false;
	if (o->starts > STARTS_MAX)
		oracle_fail(o, "I8", "started %u times, and no end", STARTS_MAX);
	look_record(o->world, o->world->disk.now, &record);
	if (choice != 'R' && record.wipe == 2 && !oracle_lies(o))
		oracle_fail(o, "I4", "slot %c is started on data that is half erased", choice);
	if (choice == '-')
		oracle_fail(o, "I4", "nothing is started");
	if (choice != 'R' && o->world->physics->promise < PROMISE_REACHABLE &&
	    look_slot(o->world, o->world->disk.now, (size_t)(choice - 'A')) == PKG_NONE)
		oracle_fail(o, "I4", "slot %c is started and holds no complete system", choice);
	return true;
}

void oracle_installs(struct oracle *o, int package)
{
	o->doing.installing = package;
	o->doing.flipped = -1;
	o->doing.results = look_serial(o->world, o->world->disk.now, AREA_RESULT);
	memset(o->written, 0, o->world->size / SIM_UNIT);
}

void oracle_installed(struct oracle *o, enum detail detail)
{
	struct look_env env;
	int slot = o->doing.flipped;

	look_env(o->world, o->world->disk.now, &env);
	if (detail && slot >= 0 && look_in_order(&env, (size_t)slot) && env.left[slot])
		oracle_fail(o, "I5", "the flags are flipped, and the install says %s",
			    detail_name(detail));
	if (look_serial(o->world, o->world->disk.now, AREA_RESULT) <= o->doing.results &&
	    !(o->world->disk.fault_parts & oracle_state_parts(o)))
		oracle_fail(o, "I8", "the install says %s, and no result is stored",
			    detail_name(detail));
	if (!detail && (slot < 0 || !look_in_order(&env, (size_t)slot)))
		oracle_fail(o, "I5", "the install says that it is done, and nothing is flipped");
	o->doing.installing = PKG_NONE;
	o->doing.flipped = -1;
}

/* Boot flags, state, and the partitions that a step may write; each write was judged for itself. */
static bool may_change(const struct world *w, uint64_t off)
{
	if ((off >= SIM_ENV_A && off < SIM_ENV_A + w->env_size) ||
	    (off >= SIM_ENV_B && off < SIM_ENV_B + w->env_size))
		return true;
	for (size_t i = 0; i < w->part_count; i++)
		if (off >= w->parts[i].off && off - w->parts[i].off < w->parts[i].len)
			return strcmp(w->parts[i].label, "recovery") != 0;
	return false;
}

void oracle_outside(struct oracle *o)
{
	const struct sim_disk *disk = &o->world->disk;

	for (size_t i = 0; i < disk->changed_count; i++) {
		uint64_t off = (uint64_t)disk->changed_list[i] * SIM_UNIT;
		if (!may_change(o->world, off) &&
		    memcmp(disk->now + off, disk->base + off, SIM_UNIT))
			oracle_fail(o, "outside", "what is at %llu of the disk has changed",
				    (unsigned long long)off);
	}
}

void oracle_final(struct oracle *o, bool waits, char *text, size_t size)
{
	const struct world *w = o->world;
	const struct part *data = world_part(w, "data");
	struct look_record r;
	struct look_journal j;
	struct look_env e;
	uint64_t hash = 0;

	look_env(w, w->disk.now, &e);
	look_record(w, w->disk.now, &r);
	look_journal(w, w->disk.now, &j);
	/* What a system stores on a medium that lies is its own affair. */
	for (uint64_t at = 0; at < data->len && !oracle_lies(o); at += SIM_UNIT)
		hash += sim_unit_hash((uint32_t)((data->off + at) / SIM_UNIT),
				      w->disk.now + data->off + at);
	/* A slot without tries and mark is as good as in no order. */
	char order[sizeof(e.order)] = "", *to = order;
	for (const char *c = e.order; *c; c++)
		if (*c != ' ' && (e.left[*c - 'A'] || e.good[*c - 'A']))
			*to++ = *c;
	int n = snprintf(text, size, "%s %d; order \"%s\" %d%s %d%s%s, others %llx; ",
			 waits ? "recovery waits" : "runs", o->doing.running, order, e.left[0],
			 e.good[0] ? "g" : "", e.left[1], e.good[1] ? "g" : "",
			 e.valid ? e.recovery ? " request" : "" : " damaged",
			 (unsigned long long)e.others);
	for (size_t s = 0; s < w->slots && n < (int)size; s++)
		n += snprintf(text + n, size - (size_t)n, "%c holds %s, known as %llu%s; ",
			      (int)('A' + s), package_name(look_slot(w, w->disk.now, s)),
			      (unsigned long long)r.slot[s].release,
			      r.slot[s].confirmed ? " confirmed" : "");
	snprintf(text + n, size - (size_t)n,
		 "floor %llu, epoch %llu, confirmed %llu, failed %02x%02x; journal %u; data %llx",
		 (unsigned long long)r.floor, (unsigned long long)r.epoch,
		 (unsigned long long)r.confirmed, r.failed[0], r.failed[HASH_LEN], j.step,
		 (unsigned long long)hash);
}
