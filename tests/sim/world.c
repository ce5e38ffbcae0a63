#include "world.h"

enum { BOOT_SIZE = 4096 + 100, SYSTEM_SIZE = 5 * 4096, CHUNK = 4096 };

static const struct {
	const char *name, *version;
	uint64_t release, floor, epoch, seed;
} sim_packages[PKGS] = {
	[PKG_8] = {"8", "8.0", 8, 6, 4, 8},
	[PKG_9] = {"9", "9.0", 9, 7, 4, 9},
	[PKG_10] = {"10", "10.0", 10, 8, 5, 10},
	[PKG_11] = {"11", "11.0", 11, 9, 5, 11},
	[PKG_6] = {"6", "6.0", 6, 4, 4, 6},
	[PKG_DAMAGED] = {"10-damaged", "10.0", 10, 8, 5, 12},
	[PKG_STRANGER] = {"10-stranger", "10.0", 10, 8, 5, 13},
};

const char *package_name(int package)
{
	return package < 0 || package >= PKGS ? "nothing" : sim_packages[package].name;
}

/* --- Packages --- */

/* Chunks of all kinds; two of them the same in every release, so that some are not written. */
static struct pkg *make_package(enum sim_package which)
{
	struct pkg *pkg = pkg_new();
	uint64_t seed = sim_packages[which].seed;
	uint8_t *content = pkg_content(SYSTEM_SIZE, CHUNK, seed);

	prop_text(pkg->root, "product", "product");
	prop_text(pkg->root, "version", sim_packages[which].version);
	prop_u64(pkg->root, "release", sim_packages[which].release);
	prop_u64(pkg->root, "rollback-floor", sim_packages[which].floor);
	prop_u64(pkg->root, "key-epoch", sim_packages[which].epoch);
	memcpy(content + 4 * CHUNK, pkg_content(CHUNK, CHUNK, 1234), CHUNK);
	pkg_add_image(pkg, "boot", pkg_content(BOOT_SIZE, CHUNK, seed + 1000), BOOT_SIZE, CHUNK);
	pkg_add_image(pkg, "system", content, SYSTEM_SIZE, CHUNK);
	pkg_link(pkg);
	if (which == PKG_STRANGER)
		pkg->keys[0] = test_key(5);
	pkg_seal(pkg);
	if (which == PKG_DAMAGED) { /* the second chunk of the system */
		size_t at = pkg->payload_off + pkg->images[1].segments[0].off +
			    pkg->images[1].segments[0].page_len + CHUNK + 40;
		pkg->bytes[at] ^= 1;
	}
	return pkg;
}

/* --- Layout --- */

static void make_parts(struct world *w)
{
	static const struct {
		const char *label;
		uint64_t len;
	} table[] = {
		{"boot_a", SIM_BOOT_LEN}, {"system_a", SIM_SYSTEM_LEN},
		{"boot_b", SIM_BOOT_LEN}, {"system_b", SIM_SYSTEM_LEN},
		{"recovery", 0x2000},	  {"state", STATE_SIZE_MIN},
		{"data", 0x2000},
	};
	uint64_t at = SIM_PARTS;

	for (size_t i = 0; i < COUNT(table); i++) {
		if (w->slots == 1 && strstr(table[i].label, "_b"))
			continue;
		w->parts[w->part_count++] = (struct part){table[i].label, at, table[i].len};
		at += table[i].len + 0x1000; /* a gap that belongs to nobody */
	}
	w->size = at + 0x8000;
}

static void make_board(struct world *w)
{
	struct board *b = &w->board;

	strcpy(b->product, "product");
	strcpy(b->state_label, "state");
	strcpy(b->recovery_label, "recovery");
	b->tries = 3;
	b->slot_count = w->slots;
	for (size_t i = 0; i < w->slots; i++) {
		strcpy(b->slots[i].name, i ? "B" : "A");
		b->slots[i].part_count = 2;
		strcpy(b->slots[i].parts[0].role, "boot");
		strcpy(b->slots[i].parts[0].label, i ? "boot_b" : "boot_a");
		strcpy(b->slots[i].parts[1].role, "system");
		strcpy(b->slots[i].parts[1].label, i ? "system_b" : "system_a");
	}
	b->flag_off[0] = SIM_ENV_A;
	b->flag_off[1] = SIM_ENV_B;
	b->flag_size = w->env_size;
	b->wipe_count = 1;
	strcpy(b->wipe[0], "data");
	b->source_count = 1;
}

const struct part *world_part(const struct world *w, const char *label)
{
	for (size_t i = 0; i < w->part_count; i++)
		if (!strcmp(w->parts[i].label, label))
			return &w->parts[i];
	return NULL;
}

struct sim_part *world_dev(struct world *w, const char *label)
{
	for (size_t i = 0; i < w->part_count; i++)
		if (!strcmp(w->parts[i].label, label))
			return w->part[i];
	return NULL;
}

const struct part *world_slot_part(const struct world *w, size_t slot, size_t image)
{
	return &w->parts[slot * 2 + image];
}

/* --- The engine's surroundings --- */

static enum detail storage_open(struct storage *storage, const char *label, bool exclusive,
				struct dev **dev, struct fault *fault)
{
	struct world *w = (struct world *)((char *)storage - offsetof(struct world, storage));
	struct sim_part *p = world_dev(w, label);

	if (!p)
		return fault_set(fault, DETAIL_PARTITION_MISSING, label);
	p->open++;
	p->writable |= exclusive;
	*dev = &p->dev;
	return DETAIL_OK;
}

static void storage_close(struct storage *storage, struct dev *dev)
{
	struct sim_part *p = (struct sim_part *)dev;

	(void)storage;
	if (--p->open < 0)
		abort();
	if (!p->open)
		p->writable = 0;
}

static uint64_t clock_ms(struct clock *clock)
{
	(void)clock;
	return 7777; /* so that records do not differ between runs that do the same */
}

static void clock_wall(struct clock *clock, char *text, size_t size)
{
	(void)clock;
	snprintf(text, size, "1970-01-01 00:00:07 UTC");
}

static struct world *watched(struct observer *observer)
{
	return (struct world *)((char *)observer - offsetof(struct world, observer));
}

/* As app.c: a log line for each step, stored before the long ones; a hostile one stores always. */
static void observe_progress(struct observer *observer, const struct progress *progress)
{
	struct world *w = watched(observer);
	struct fault ignored;
	bool long_step = progress->step == STEP_WRITE || progress->step == STEP_READ_BACK;

	if (progress->step == w->step && !w->hostile)
		return;
	w->step = progress->step;
	state_log(&w->state, "install: a step");
	if (long_step || w->hostile)
		state_flush_log(&w->state, &ignored);
}

static void observe_line(struct observer *observer, const char *text)
{
	state_log(&watched(observer)->state, text);
}

static bool observe_poll(struct observer *observer)
{
	struct world *w = watched(observer);

	return w->stop_after && w->disk.bulk_written >= w->stop_after;
}

/* Of the large buffers the parts that are looked at first: what a run could mistake for its own. */
static void poison(struct world *w)
{
	memset(&w->gpt, 0xa5, sizeof(w->gpt));
	memset(&w->env, 0xa5, offsetof(struct ubootenv, copy));
	for (int i = 0; i < 2; i++)
		memset(w->env.copy[i], 0xa5, (size_t)w->env_size);
	memset(&w->state, 0xa5, sizeof(w->state));
	memset(&w->front, 0xa5, offsetof(struct front, head) + 8192);
	memset(w->front.page, 0xa5, 4096);
	memset(w->front.stored, 0xa5, CHUNK);
	memset(w->front.plain, 0xa5, CHUNK);
	memset(w->buffer, 0xa5, 2 * CHUNK);
	memset(&w->device, 0xa5, sizeof(w->device));
}

enum detail world_start(struct world *w, int running, struct fault *fault)
{
	static const struct storage_ops storage_ops = {storage_open, storage_close};
	static const struct clock_ops clock_ops = {clock_ms, clock_wall};
	static const struct observer_ops observer_ops = {observe_progress, observe_line,
							 observe_poll};
	static uint8_t scratch[GPT_SCRATCH_LEN];
	struct dev *whole = &w->disk.parts[SIM_WHOLE].dev, *state_dev;
	enum detail detail;

	poison(w);
	for (size_t i = 0; i < w->part_count; i++)
		w->part[i]->open = w->part[i]->writable = 0;
	w->storage = (struct storage){&storage_ops, whole};
	w->clock.ops = &clock_ops;
	w->observer.ops = &observer_ops;
	w->step = STEP_DONE;
	w->trust = trust_of(0, 2);
	if ((detail = gpt_load(&w->gpt, whole, scratch, fault)) ||
	    (detail = plan_check_board(&w->board, &w->gpt, w->size, fault)) ||
	    (detail = storage_open(&w->storage, "state", true, &state_dev, fault)) ||
	    (detail = state_open(&w->state, state_dev, fault)))
		return detail;
	ubootenv_init(&w->env, whole, &w->board);
	w->device = (struct device){
		.trust = &w->trust,
		.board = &w->board,
		.gpt = &w->gpt,
		.storage = &w->storage,
		.flag_store = &w->env.store,
		.state = &w->state,
		.clock = &w->clock,
		.observer = &w->observer,
		.front = &w->front,
		.buffer = w->buffer,
		.checkpoint = 2 * CHUNK,
		.running = running,
	};
	return DETAIL_OK;
}

enum detail world_install(struct world *w, enum sim_package package, bool allow_older,
			  struct result *result)
{
	struct install_options options = {.wanted = -1, .allow_older = allow_older};
	struct memsource source;

	memsource_init(&source, w->package[package]->bytes, w->package[package]->len);
	memset(result, 0xa5, sizeof(*result));
	return install_run(&w->device, &source.source, &options, result);
}

/* --- The disk at the start --- */

void world_put_env(struct world *w, uint8_t serial, const char *vars, size_t vars_len)
{
	env_make(w->disk.now + SIM_ENV_A, w->env_size, serial, vars, vars_len);
	env_make(w->disk.now + SIM_ENV_B, w->env_size, (uint8_t)(serial - 1), vars, vars_len);
}

void world_put_slot(struct world *w, size_t slot, enum sim_package package)
{
	for (size_t i = 0; i < 2; i++)
		memcpy(w->disk.now + world_slot_part(w, slot, i)->off,
		       w->package[package]->images[i].plain, w->package[package]->images[i].size);
}

static void nobody(void *context, const struct sim_op *op)
{
	(void)context;
	(void)op;
}

static void nobody_after(void *context, const struct sim_op *op, int error)
{
	(void)context;
	(void)op;
	(void)error;
}

static void put_record(struct world *w)
{
	struct fault fault;
	struct state_record *r = &w->state.record;

	if (world_start(w, -1, &fault))
		abort();
	r->rollback_floor = 7;
	r->key_epoch = 4;
	r->confirmed_release = 9;
	for (size_t i = 0; i < w->slots; i++) {
		enum sim_package p = i ? PKG_8 : PKG_9;
		r->slot[i].release = w->release[p];
		r->slot[i].confirmed = true;
		strcpy(r->slot[i].version, sim_packages[p].version);
		memcpy(r->slot[i].package_id, w->package[p]->id, HASH_LEN);
	}
	if (state_store_record(&w->state, &fault))
		abort();
}

void world_init(struct world *w, size_t slots, const struct physics *physics)
{
	memset(w, 0, sizeof(*w));
	w->slots = slots;
	w->physics = physics;
	w->env_size = physics->sector == 512 ? 2048 : 8192;
	make_parts(w);
	make_board(w);
	for (int i = 0; i < PKGS; i++) {
		w->package[i] = make_package((enum sim_package)i);
		w->release[i] = sim_packages[i].release;
		w->floor[i] = sim_packages[i].floor;
		w->epoch[i] = sim_packages[i].epoch;
	}
	sim_disk_init(&w->disk, w->size, physics);
	w->disk.before = nobody;
	w->disk.after = nobody_after;
	for (size_t i = 0; i < w->part_count; i++) {
		const struct part *p = &w->parts[i];
		w->part[i] = sim_disk_add(&w->disk, p->label, p->off, p->len);
		w->part[i]->bulk = i < 2 * slots || !strcmp(p->label, "data");
	}
	noise_fill(w->disk.now, w->size, 99);
	struct gpt_maker maker = {
		.sector = physics->sector, .part_count = w->part_count, .parts = w->parts};
	gpt_make(w->disk.now, w->size, &maker);
	memset(w->disk.now + world_part(w, "state")->off, 0, STATE_SIZE_MIN);
	world_put_slot(w, 0, PKG_9);
	if (slots == 2)
		world_put_slot(w, 1, PKG_8);
	sim_disk_settle(&w->disk);
	put_record(w);
	sim_disk_restart(&w->disk);
	sim_disk_settle(&w->disk);
}

void world_free(struct world *w)
{
	sim_disk_free(&w->disk);
}
