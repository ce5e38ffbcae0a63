#include "bench.h"

/*
 * A medium that says "flushed" and keeps its newest K writes volatile breaks the ground that every
 * order of steps stands on. What was found by trying K, and is held to here:
 *
 * K = 1: everything still holds. Records and flags never overwrite what counts, so one lost write
 * is one step back, and each step can be repeated.
 *
 * K up to 4: a complete system or recovery is started (I4): between the last write to the target
 * and the flip stand the journal's two records and the device record. But what was recorded last
 * may be forgotten: the rise of the floor, a confirmation, a failed trial, a request. When both
 * copies of the boot flags are among the K, recovery starts and writes them anew.
 *
 * More: a slot that lost its last writes may be called bootable. U-Boot refuses a boot image that
 * is not whole; a root filesystem that is not is started, uses its tries up, and what was there
 * before it, or recovery, is started again. Recovery installs, whatever was lost.
 */
const struct physics physics_table[] = {
	{"512", 512, true, 0, PROMISE_ALL, false},
	{"512g", 512, false, 0, PROMISE_ALL, false},
	{"4096", 4096, true, 0, PROMISE_ALL, false},
	{"4096g", 4096, false, 0, PROMISE_ALL, false},
	{"lie1", 512, true, 1, PROMISE_ALL, false},
	{"lie4", 512, true, 4, PROMISE_COMPLETE, false},
	{"lie12", 512, true, 12, PROMISE_REACHABLE, false},
	{"misread", 512, true, 0, PROMISE_ALL, true},
};
const size_t physics_count = COUNT(physics_table);

/* --- What is seen of the operations --- */

static const char *where(const struct bench *b, uint64_t off, char *text, size_t size)
{
	const struct world *w = &b->world;

	snprintf(text, size, "disk+%llu", (unsigned long long)off);
	if (off == SIM_ENV_A || off == SIM_ENV_B)
		snprintf(text, size, "boot flags %d", off == SIM_ENV_B);
	for (size_t i = 0; i < w->part_count; i++) {
		const struct part *p = &w->parts[i];
		uint64_t at = off - p->off;
		if (off < p->off || at >= p->len)
			continue;
		snprintf(text, size, "%s+%llu", p->label, (unsigned long long)at);
		if (strcmp(p->label, "state"))
			continue;
		static const char *const names[AREAS] = {"record", "journal", "result", "log",
							 "pending"};
		for (int a = 0; a < AREAS; a++)
			if (at / 4096 - look_areas[a].first < look_areas[a].blocks)
				snprintf(text, size, "state, %s block %llu", names[a],
					 (unsigned long long)(at / 4096 - look_areas[a].first));
	}
	return text;
}

static void trace(const struct bench *b, const struct sim_op *op)
{
	char text[80];

	if (op->kind == SIM_FLUSH)
		printf("%5llu flush  %s\n", (unsigned long long)b->world.disk.ops, op->part->label);
	if (op->kind == SIM_WRITE)
		printf("%5llu write  %s, %zu bytes\n", (unsigned long long)b->world.disk.ops,
		       where(b, op->off, text, sizeof(text)), op->len);
}

static void before(void *context, const struct sim_op *op)
{
	struct bench *b = context;

	if (op->kind != SIM_READ) {
		if (b->place && b->driver.scenario == b->scenario)
			b->place(b, b->context);
		if (b->driver.trace)
			trace(b, op);
	}
	oracle_before(&b->oracle, op);
}

static void after(void *context, const struct sim_op *op, int error)
{
	struct bench *b = context;

	if (error && b->driver.trace)
		printf("      error %d\n", error);
	oracle_after(&b->oracle, op, error);
}

/* --- Snapshots --- */

static void put_unit(struct snapshot *s, uint32_t unit, const uint8_t *bytes)
{
	s->units[s->count] = unit;
	memcpy(s->bytes + s->count++ * SIM_UNIT, bytes, SIM_UNIT);
}

struct snapshot *snapshot_make(struct bench *b, const struct outcome *outcome, const char *path)
{
	struct sim_disk *disk = &b->world.disk;
	struct left left = outcome_left(disk, outcome);
	struct snapshot *s = calloc(1, sizeof(*s));
	size_t max = disk->changed_count + left.count;

	if (!s || !(s->units = malloc((max + 1) * sizeof(*s->units))) ||
	    !(s->bytes = malloc((max + 1) * SIM_UNIT)) || !(s->path = strdup(path)))
		abort();
	s->person = b->driver.person;
	s->torn = b->oracle.torn;
	oracle_tears(&b->oracle, &s->torn);
	s->cuts = b->cuts + 1;
	for (size_t i = 0; i < disk->changed_count; i++) {
		size_t off = (size_t)disk->changed_list[i] * SIM_UNIT;
		if (memcmp(disk->durable + off, disk->base + off, SIM_UNIT))
			put_unit(s, disk->changed_list[i], disk->durable + off);
	}
	/* Put later, so it counts. */
	for (size_t i = 0; i < left.count; i++)
		put_unit(s, left.units[i], left.bytes + i * SIM_UNIT);
	s->bytes = realloc(s->bytes, (s->count + 1) * SIM_UNIT);
	s->units = realloc(s->units, (s->count + 1) * sizeof(*s->units));
	return s;
}

void snapshot_free(struct snapshot *s)
{
	free(s->units);
	free(s->bytes);
	free(s->path);
	free(s);
}

/* --- Runs --- */

void bench_put(struct bench *b, const struct snapshot *from)
{
	sim_disk_reset(&b->world.disk);
	for (size_t i = 0; from && i < from->count; i++)
		sim_disk_put(&b->world.disk, from->units[i], from->bytes + i * SIM_UNIT);
	b->driver.person = from ? from->person : (struct person){0};
}

/*
 * Starts that end before the confirmation use the tries of a system up: as many cuts as it has, or
 * a medium that fails for good.
 *
 * After so many cuts another complete system may run, and go on from there (a good one that lost
 * its tries is the next target); or, when the one on trial was the only one, recovery waits. A
 * medium that failed excuses another end only where it bears that out: the package counts as
 * failed, the good system that should run has no tries, or recovery has helped as often as it may.
 */
static bool tries_were_used_up(const struct bench *b, const struct scenario *s, int package)
{
	const struct world *w = &b->world;
	struct look_record record;
	struct look_env env;

	if (b->cuts < w->board.tries)
		return false;
	look_record(w, w->disk.now, &record);
	look_env(w, w->disk.now, &env);
	if (record.self_starts >= INSTALL_SELF_STARTS)
		return true;
	if (!b->driver.insists)
		return package != PKG_NONE || !bytes_are_zero(record.failed, HASH_LEN);
	for (size_t i = 0; i < STATE_FAILED && s->runs != PKG_NONE; i++)
		if (!memcmp(record.failed + i * HASH_LEN, w->package[s->runs]->id, HASH_LEN))
			return true;
	for (size_t i = 0; i < w->slots && s->runs != PKG_NONE; i++)
		if (look_slot_holds(w, w->disk.now, i, (int)s->runs) && !env.left[i])
			return true;
	return false;
}

/*
 * What an error may change for good: which tries the other slot has, and which packages have
 * failed, when it ended an install before its trial did.
 */
static void hide(char *end)
{
	char *order = strstr(end, "; order"), *others = strstr(end, ", others");
	char *failed = strstr(end, ", failed"), *journal = strstr(end, "; journal");

	for (char *c = order ? strchr(order + 9, '"') : NULL; c && c < others; c++)
		if (*c >= '1' && *c <= '3')
			*c = 'n';
	for (char *c = failed; c && c < journal; c++)
		*c = '.';
}

static void judge_end(struct bench *b, const struct scenario *s, bool waits)
{
	struct oracle *o = &b->oracle;
	char end[sizeof(b->reference)], want[sizeof(b->reference)];
	int slot = o->doing.running;
	int package = waits || slot < 0 ? PKG_NONE
					: look_slot(&b->world, b->world.disk.now, (size_t)slot);

	oracle_outside(o);
	oracle_final(o, waits, end, sizeof(end));
	if (b->driver.trace)
		printf("  end: %s\n", end);
	if (tries_were_used_up(b, s, package))
		return;
	if (waits != (s->runs == PKG_NONE) || package != (int)s->runs)
		oracle_fail(o, "I6", "the end is not package %s: %s", package_name((int)s->runs),
			    end);
	if (s != b->scenario || (b->driver.insists && s->many_ends))
		return;
	if (!*b->reference)
		strcpy(b->reference, end);
	strcpy(want, b->reference);
	if (b->driver.insists) {
		hide(end);
		hide(want);
	}
	if (strcmp(end, want))
		oracle_fail(o, "I6", "the end is not the same: %s (without a cut: %s)", end, want);
}

/* Where less is promised: somebody comes with a stick, and release 11 is installed and runs. */
static void judge_reachable(struct bench *b)
{
	struct scenario again = {.name = "again",
				 .slots = b->scenario->slots,
				 .stick = PKG_11,
				 .agent = PKG_NONE,
				 .asks = true,
				 .agrees_to_older = true,
				 .by_hand = true,
				 .runs = PKG_11};
	bool waits;

	b->driver.scenario = &again;
	b->driver.person = (struct person){0};
	b->oracle.starts = 0;
	waits = driver_run(&b->driver);
	judge_end(b, &again, waits);
}

/* The first read of the copy that counts, which is the boot loader's. */
static struct sim_fault misread(const struct bench *b)
{
	struct look_env env;

	look_env(&b->world, b->world.disk.now, &env);
	return (struct sim_fault){.kind = SIM_READ,
				  .error = SIM_EIO,
				  .off = env.copy ? SIM_ENV_B : SIM_ENV_A,
				  .len = b->world.env_size};
}

enum bench_end bench_run(struct bench *b, const struct snapshot *from,
			 const struct sim_fault *fault)
{
	struct sim_disk *disk = &b->world.disk;
	bool waits;

	bench_put(b, from);
	b->outcome = NULL;
	b->driver.scenario = b->scenario;
	b->cuts = from ? from->cuts : 0;
	if (setjmp(b->oracle.fail))
		return BENCH_FAILED;
	if (setjmp(b->cut))
		return BENCH_CUT;
	oracle_begin(&b->oracle);
	b->oracle.torn = from ? from->torn : (struct torn){0};
	b->oracle.errors = fault != NULL;
	b->driver.insists = b->insists;
	b->driver.struck = NULL;
	b->driver.by_loader = false;
	disk->fault = fault ? *fault : b->scenario->always;
	if (!fault && disk->fault.error)
		disk->fault.off += world_part(&b->world, "state")->off;
	if (b->physics->misreads && from) {
		disk->fault = misread(b);
		b->oracle.errors = b->driver.insists = true;
	}
	/* Nobody can tell that a card says nothing and keeps the tries as they were. */
	b->oracle.may_go_round =
		fault && fault->for_good &&
		(b->scenario->health[PKG_9] == HEALTH_HANGS || fault->error == SIM_CORRUPTS);
	waits = driver_run(&b->driver);
	if (b->place)
		b->place(b, b->context);
	if (fault)
		oracle_outside(&b->oracle);
	else if (b->physics->promise == PROMISE_ALL || !from)
		judge_end(b, b->scenario, waits);
	else
		judge_reachable(b);
	return BENCH_ENDED;
}

_Noreturn void bench_cut(struct bench *b)
{
	longjmp(b->cut, 1);
}

void *bench_alloc(size_t size)
{
	size_t whole = (size + 4095) & ~(size_t)4095;
	void *p = aligned_alloc(4096, whole);

	if (!p)
		abort();
	return memset(p, 0, whole);
}

enum bench_end bench_open(struct bench *b, const struct scenario *scenario,
			  const struct physics *physics, bool tracing)
{
	memset(b, 0, sizeof(*b));
	b->scenario = scenario;
	b->physics = physics;
	world_init(&b->world, scenario->slots, physics);
	scenario->prepare(&b->world);
	sim_disk_settle(&b->world.disk);
	oracle_init(&b->oracle, &b->world);
	b->oracle.one_proved = !scenario->blank;
	b->driver = (struct driver){
		.world = &b->world, .oracle = &b->oracle, .scenario = scenario, .trace = tracing};
	b->world.disk.before = before;
	b->world.disk.after = after;
	b->world.disk.context = b;
	return bench_run(b, NULL, NULL);
}

void bench_close(struct bench *b)
{
	world_free(&b->world);
	oracle_free(&b->oracle);
	arena_free();
}

void bench_id(const struct bench *b, const char *path, char *text, size_t size)
{
	char outcome[512] = "";

	if (b->outcome)
		outcome_print(&b->world.disk, b->outcome, outcome, sizeof(outcome));
	snprintf(text, size, "%s/%s%s%s", b->scenario->name, b->physics->name, *path ? "/" : "",
		 path);
	if (b->outcome)
		snprintf(text + strlen(text), size - strlen(text), "/%llu:%s",
			 (unsigned long long)b->world.disk.ops, outcome);
}
