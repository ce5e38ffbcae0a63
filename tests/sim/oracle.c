#include "oracle_parts.h"

/* Of one power-on and all restarts after it; a run without cuts needs a small part of them. */
#define OPERATIONS_MAX 40000u

void oracle_init(struct oracle *o, struct world *world)
{
	memset(o, 0, sizeof(*o));
	o->world = world;
	o->proof = calloc(world->size / SIM_UNIT, 1);
	o->written = calloc(world->size / SIM_UNIT, 1);
	if (!o->proof || !o->written)
		abort();
}

void oracle_free(struct oracle *o)
{
	free(o->proof);
	free(o->written);
}

_Noreturn void oracle_fail(struct oracle *o, const char *invariant, const char *format, ...)
{
	va_list args;
	int n = snprintf(o->what, sizeof(o->what), "%s: ", invariant);

	va_start(args, format);
	vsnprintf(o->what + n, sizeof(o->what) - (size_t)n, format, args);
	va_end(args);
	longjmp(o->fail, 1);
}

static void read_floor(struct oracle *o)
{
	struct look_record record;

	look_record(o->world, o->world->disk.durable, &record);
	if (record.floor < o->floor || record.epoch < o->epoch)
		oracle_fail(o, "I7", "floor %llu, epoch %llu became %llu, %llu",
			    (unsigned long long)o->floor, (unsigned long long)o->epoch,
			    (unsigned long long)record.floor, (unsigned long long)record.epoch);
	o->floor = record.floor;
	o->epoch = record.epoch;
}

void oracle_begin(struct oracle *o)
{
	o->doing = (struct doing){.running = -1, .installing = PKG_NONE, .flipped = -1};
	o->operations = o->starts = 0;
	o->floor = o->epoch = 0;
	memset(o->proof, 0, o->world->size / SIM_UNIT);
	memset(o->written, 0, o->world->size / SIM_UNIT);
	read_floor(o);
}

bool oracle_lies(const struct oracle *o)
{
	return o->world->physics->lie != 0;
}

bool oracle_failed_on(const struct oracle *o, uint32_t parts)
{
	return o->errors && o->world->disk.fault_parts & parts;
}

uint32_t oracle_flag_parts(void)
{
	return 1u << SIM_WHOLE | 1u << SIM_LOADER;
}

uint32_t oracle_state_parts(const struct oracle *o)
{
	const struct world *w = o->world;

	for (size_t i = 0; i < w->part_count; i++)
		if (!strcmp(w->parts[i].label, "state"))
			return 1u << w->part[i]->index;
	abort();
}

bool oracle_waits_for_flush(const struct oracle *o, uint64_t off, uint64_t len)
{
	const struct sim_disk *disk = &o->world->disk;

	for (size_t i = 0; i < disk->pending_count; i++)
		if (!disk->pending[i].flushed && disk->pending[i].off < off + len &&
		    off < disk->pending[i].off + disk->pending[i].len)
			return true;
	return false;
}

/* --- Writes to slots: I1, I2, I3, I11 --- */

static void not_bootable(struct oracle *o, const uint8_t *disk, size_t slot, const char *when)
{
	struct look_env env;

	look_env(o->world, disk, &env);
	if (look_in_order(&env, slot) || env.left[slot] || env.good[slot])
		oracle_fail(o, "I2",
			    "slot %c is written while the flags %s say: order \"%s\", %d tries, "
			    "good %d",
			    (int)('A' + slot), when, env.order, env.left[slot], env.good[slot]);
}

void oracle_marked(struct oracle *o, size_t slot)
{
	const struct world *w = o->world;
	struct look_record record;

	not_bootable(o, w->disk.durable, slot, "on the medium");
	not_bootable(o, w->disk.now, slot, "under way to it");
	look_record(w, w->disk.durable, &record);
	if (record.slot[slot].release || record.slot[slot].confirmed)
		oracle_fail(o, "I2", "slot %c is written while the device record says release %llu",
			    (int)('A' + slot), (unsigned long long)record.slot[slot].release);
}

static void announced(struct oracle *o, size_t slot)
{
	const struct world *w = o->world;
	struct look_journal j;

	look_journal(w, w->disk.durable, &j);
	if (!j.serial || j.step < JOURNAL_BEGIN || j.step > JOURNAL_VERIFIED || j.target != slot ||
	    memcmp(j.id, w->package[o->doing.installing]->id, HASH_LEN))
		oracle_fail(
			o, "I3",
			"slot %c is written while the journal on the medium says step %u, slot %u",
			(int)('A' + slot), j.step, j.target);
}

/* The other slot still holds a system that has proved itself. */
static void other_is_left(struct oracle *o, size_t slot)
{
	const struct world *w = o->world;
	struct look_record record;
	struct look_env env;
	size_t other = 1 - slot;

	if (w->slots < 2 || !o->one_proved)
		return;
	look_record(w, w->disk.durable, &record);
	look_env(w, w->disk.durable, &env);
	if (look_slot(w, w->disk.durable, other) == PKG_NONE ||
	    !(env.good[other] || (!env.valid && record.slot[other].confirmed)))
		oracle_fail(o, "I11", "slot %c is written, and %c is no confirmed system",
			    (int)('A' + slot), (int)('A' + other));
}

static void slot_write(struct oracle *o, const struct sim_op *op, size_t slot, size_t image)
{
	const struct world *w = o->world;
	const struct part *part = world_slot_part(w, slot, image);
	uint64_t off = op->off - part->off;
	const struct pkg_image *want;
	size_t n;

	if (o->doing.installing == PKG_NONE)
		oracle_fail(o, "I1", "%s is written, and nothing is being installed", part->label);
	if (o->doing.running == (int)slot)
		oracle_fail(o, "I11", "%s of the running system is written", part->label);
	if (o->doing.installing == PKG_STRANGER || o->doing.installing == PKG_6)
		oracle_fail(o, "I1", "%s is written from package %s, which must be refused",
			    part->label, package_name(o->doing.installing));
	want = &w->package[o->doing.installing]->images[image];
	n = off >= want->size ? 0 : want->size - off < op->len ? want->size - off : op->len;
	if (!n || memcmp(op->bytes, want->plain + off, n) ||
	    !bytes_are_zero(op->bytes + n, op->len - n) || op->len - n >= w->physics->sector)
		oracle_fail(o, "I1", "%s at %llu, %zu bytes: not what package %s holds there",
			    part->label, (unsigned long long)off, op->len,
			    package_name(o->doing.installing));
	if (o->doing.flipped == (int)slot)
		oracle_fail(o, "I5", "%s is written after the flip", part->label);
	if (oracle_lies(o))
		return;
	oracle_marked(o, slot);
	announced(o, slot);
	other_is_left(o, slot);
}

/* --- Operations --- */

/* What wipe.h promises: recovery is all that starts, and the record says so, before the first zero.
 */
static void data_write(struct oracle *o, const struct sim_op *op)
{
	struct look_record record;
	struct look_env env;

	if (o->doing.new_data)
		return;
	if (!bytes_are_zero(op->bytes, op->len))
		oracle_fail(o, "I1", "a wipe writes something other than zeros");
	if (oracle_lies(o))
		return;
	look_env(o->world, o->world->disk.durable, &env);
	look_record(o->world, o->world->disk.durable, &record);
	if (env.valid && !env.recovery)
		oracle_fail(o, "I2", "data is erased while the flags start a system");
	if (record.wipe != 2)
		oracle_fail(o, "I3", "data is erased while the device record says wipe %u",
			    record.wipe);
}

static void judge_write(struct oracle *o, const struct sim_op *op)
{
	const struct world *w = o->world;

	if (op->off >= SIM_ENV_A && op->off < SIM_PARTS) {
		oracle_flags_write(o, op);
		return;
	}
	for (size_t i = 0; i < w->part_count; i++) {
		const struct part *p = &w->parts[i];
		if (op->off < p->off || op->off - p->off >= p->len)
			continue;
		if (op->part != w->part[i])
			break;
		if (i < 2 * w->slots) {
			slot_write(o, op, i / 2, i % 2);
			return;
		}
		if (!strcmp(p->label, "state")) {
			oracle_state_write(o, op, op->off - p->off);
			return;
		}
		if (!strcmp(p->label, "data") && (o->doing.wiping || o->doing.new_data)) {
			data_write(o, op);
			return;
		}
		oracle_fail(o, "outside", "%s is written", p->label);
	}
	oracle_fail(o, "outside", "%zu bytes at %llu are written that belong to nobody", op->len,
		    (unsigned long long)op->off);
}

void oracle_before(struct oracle *o, const struct sim_op *op)
{
	if (++o->operations > OPERATIONS_MAX)
		oracle_fail(o, "I8", "more than %u operations, and no end", OPERATIONS_MAX);
	if (op->kind == SIM_WRITE && op->part->index > SIM_LOADER && !op->part->writable)
		oracle_fail(o, "outside", "%s is written and was not opened for it",
			    op->part->label);
	if (op->kind == SIM_WRITE)
		judge_write(o, op);
}

void oracle_after(struct oracle *o, const struct sim_op *op, int error)
{
	if (op->kind == SIM_FLUSH) {
		if (!error && !oracle_lies(o) && !strcmp(op->part->label, "state"))
			read_floor(o);
		return;
	}
	if (!op->part->bulk)
		return;
	bool good = op->kind == SIM_READ && !error && !oracle_waits_for_flush(o, op->off, op->len);
	for (uint64_t at = op->off; at < op->off + op->len; at += SIM_UNIT) {
		if (op->kind == SIM_WRITE || good)
			o->proof[at / SIM_UNIT] = good;
		o->written[at / SIM_UNIT] |= op->kind == SIM_WRITE;
	}
}
