/* The device of the install tests. */
#include "support_rig.h"

struct rig rig;
uint64_t rig_data_len;
const struct install_options rig_any_slot = {.wanted = -1};

static struct front front;
static uint8_t buffer[CHUNK_SIZE_MAX];

/* --- The rig --- */

struct pkg *rig_package(uint64_t release, uint64_t seed, const char *product)
{
	struct pkg *pkg = pkg_new();
	char version[32];
	size_t boot = 5 * 4096 + 100, system = 9 * 4096;
	uint8_t *content = pkg_content(system, 4096, seed);
	snprintf(version, sizeof(version), "%llu.0", (unsigned long long)release);
	prop_text(pkg->root, "version", version);
	prop_text(pkg->root, "product", product);
	prop_u64(pkg->root, "release", release);
	prop_u64(pkg->root, "rollback-floor", release - 2);
	prop_u64(pkg->root, "key-epoch", release / 2);
	memcpy(content + 4 * 4096, pkg_content(4096, 4096, 1234),
	       4096); /* the same in every release */
	pkg_add_image(pkg, "boot", pkg_content(boot, 4096, seed + 1000), boot, 4096);
	pkg_add_image(pkg, "system", content, system, 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	return pkg;
}

struct part *rig_part(const char *label)
{
	for (size_t i = 0; i < rig.part_count; i++)
		if (!strcmp(rig.parts[i].label, label))
			return &rig.parts[i];
	fail_msg("no partition %s", label);
	return NULL;
}

static void rig_board(void)
{
	struct board *b = &rig.board;
	memset(b, 0, sizeof(*b));
	strcpy(b->product, "product");
	strcpy(b->state_label, "state");
	strcpy(b->recovery_label, "recovery");
	b->tries = 3;
	b->slot_count = rig.slots;
	for (size_t i = 0; i < rig.slots; i++) {
		strcpy(b->slots[i].name, i ? "B" : "A");
		b->slots[i].part_count = 2;
		strcpy(b->slots[i].parts[0].role, "boot");
		strcpy(b->slots[i].parts[0].label, i ? "boot_b" : "boot_a");
		strcpy(b->slots[i].parts[1].role, "system");
		strcpy(b->slots[i].parts[1].label, i ? "system_b" : "system_a");
	}
	b->flag_off[0] = ENV_A;
	b->flag_off[1] = ENV_B;
	b->flag_size = ENV_SIZE;
	b->source_count = 1;
}

static void rig_parts(uint64_t system_len)
{
	static const char *const labels[] = {"boot_a",	 "system_a", "boot_b", "system_b",
					     "recovery", "state",    "data"};
	uint64_t at = 0x20000;
	rig.part_count = 0;
	for (size_t i = 0; i < COUNT(labels); i++) {
		bool large = !strncmp(labels[i], "system", 6) ||
			     (system_len > MIB(1) && !strncmp(labels[i], "boot", 4));
		uint64_t len = i == 5 ? STATE_SIZE_MIN : large ? system_len : BOOT_LEN;
		if (i == 6 && rig_data_len)
			len = rig_data_len;
		if (rig.slots == 1 && strstr(labels[i], "_b"))
			continue;
		rig.parts[rig.part_count++] = (struct part){labels[i], at, len};
		at += len;
	}
	if (rig_data_len) {
		rig.parts[rig.part_count++] = (struct part){"logs", at, BOOT_LEN};
		at += BOOT_LEN;
	}
	rig.size = at + 0x8000;
}

/* Everything that a start of the program makes anew, from what the medium holds. */
void rig_boot(int running)
{
	static uint8_t scratch[GPT_SCRATCH_LEN];
	struct dev *state_dev;
	memstorage_init(&rig.storage, rig.disk, rig.parts, rig.part_count);
	assert_detail(gpt_load(&rig.gpt, &rig.disk->whole.dev, scratch, &rig.fault), DETAIL_OK);
	assert_detail(rig.storage.storage.ops->open(&rig.storage.storage, "state", true, &state_dev,
						    &rig.fault),
		      DETAIL_OK);
	assert_detail(state_open(&rig.state, state_dev, &rig.fault), DETAIL_OK);
	ubootenv_init(&rig.env, &rig.disk->whole.dev, &rig.board);
	memclock_init(&rig.clock);
	memobserver_init(&rig.observer, rig.disk);
	rig.trust = trust_of(0, 2);
	rig.device = (struct device){
		.trust = &rig.trust,
		.board = &rig.board,
		.gpt = &rig.gpt,
		.storage = &rig.storage.storage,
		.flag_store = &rig.env.store,
		.state = &rig.state,
		.clock = &rig.clock.clock,
		.observer = &rig.observer.observer,
		.front = &front,
		.buffer = buffer,
		.checkpoint = INSTALL_CHECKPOINT,
		.running = running,
	};
}

void rig_put_slot(uint8_t *disk, int slot, const struct pkg *pkg)
{
	memcpy(disk + rig_part(slot ? "boot_b" : "boot_a")->off, pkg->images[0].plain,
	       pkg->images[0].size);
	memcpy(disk + rig_part(slot ? "system_b" : "system_a")->off, pkg->images[1].plain,
	       pkg->images[1].size);
}

#define ENV_GOOD_A                                                                                 \
	"fdtfile=board.dtb\0BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_A_GOOD=1\0BOOT_B_LEFT=0\0BOOT_B_"    \
	"GOOD=0\0BOOT_RECOVERY=0\0"                                                                \
	"bootdelay=0"

/* Release 9 is in slot A, good, and known to the device record; slot B holds something else. */
void rig_new_of(size_t slots, uint64_t system_len, uint32_t sector)
{
	memset(&rig, 0, sizeof(rig));
	rig.slots = slots;
	rig.sector = sector;
	rig_parts(system_len);
	rig_board();
	rig.disk = memdisk_new(rig.size, sector);
	struct gpt_maker maker = {
		.sector = sector, .part_count = rig.part_count, .parts = rig.parts};
	gpt_make(rig.disk->now, rig.size, &maker);
	for (size_t i = 0; i < rig.part_count; i++)
		if (rig.parts[i].len < MIB(1))
			noise_fill(rig.disk->now + rig.parts[i].off, rig.parts[i].len, 40 + i);
	rig.installed = rig_package(9, 9, "product");
	rig.package = rig_package(10, 10, "product");
	rig_put_slot(rig.disk->now, 0, rig.installed);
	env_make(rig.disk->now + ENV_A, ENV_SIZE, 17, ENV_GOOD_A, sizeof(ENV_GOOD_A));
	env_make(rig.disk->now + ENV_B, ENV_SIZE, 16, ENV_GOOD_A, sizeof(ENV_GOOD_A));
	memset(rig.disk->now + rig_part("state")->off, 0, STATE_SIZE_MIN);

	rig_boot(-1);
	rig.state.record.rollback_floor = 7;
	rig.state.record.key_epoch = 4;
	rig.state.record.confirmed_release = 9;
	rig.state.record.slot[0] =
		(struct state_slot){.release = 9, .version = "9.0", .confirmed = true};
	memcpy(rig.state.record.slot[0].package_id, rig.installed->id, HASH_LEN);
	assert_detail(state_store_record(&rig.state, &rig.fault), DETAIL_OK);
	rig.pristine = arena_copy(rig.disk->now, rig.size);
	memdisk_restore(rig.disk, rig.pristine);
}

void rig_new(size_t slots)
{
	rig_new_of(slots, SYSTEM_LEN, 512);
}

void rig_restore(int running)
{
	memdisk_restore(rig.disk, rig.pristine);
	rig_boot(running);
	memdisk_forget_ops(rig.disk);
}

enum detail rig_install_with(const struct pkg *pkg, const struct install_options *options)
{
	memsource_init(&rig.source, pkg->bytes, pkg->len);
	memset(&rig.result, 0xa5, sizeof(rig.result));
	return install_run(&rig.device, &rig.source.source, options, &rig.result);
}

enum detail rig_install(const struct pkg *pkg)
{
	return rig_install_with(pkg, &rig_any_slot);
}

/* --- The boot script's part --- */

void rig_env_put(const char *order, const char *a_left, const char *a_good, const char *b_left,
		 const char *b_good, const char *recovery)
{
	char vars[512];
	size_t len = 0;
	const char *const pairs[][2] = {{"fdtfile", "board.dtb"},   {"BOOT_ORDER", order},
					{"BOOT_A_LEFT", a_left},    {"BOOT_A_GOOD", a_good},
					{"BOOT_B_LEFT", b_left},    {"BOOT_B_GOOD", b_good},
					{"BOOT_RECOVERY", recovery}};
	for (size_t i = 0; i < COUNT(pairs); i++)
		len += (size_t)snprintf(vars + len, sizeof(vars) - len, "%s=%s", pairs[i][0],
					pairs[i][1]) +
		       1;
	env_make(rig.disk->durable + ENV_A, ENV_SIZE, 100, vars, len);
	env_make(rig.disk->durable + ENV_B, ENV_SIZE, 99, vars, len);
	memcpy(rig.disk->now + ENV_A, rig.disk->durable + ENV_A, ENV_SIZE);
	memcpy(rig.disk->now + ENV_B, rig.disk->durable + ENV_B, ENV_SIZE);
}

/* --- What a disk says, read independently of core --- */

const uint8_t *rig_env_of(const uint8_t *disk)
{
	return env_active(disk + ENV_A, disk + ENV_B, ENV_SIZE);
}

char rig_choice_of(const uint8_t *disk)
{
	return env_choice(rig_env_of(disk), ENV_SIZE);
}

bool rig_slot_holds(const uint8_t *disk, int slot, const struct pkg *pkg)
{
	return !memcmp(disk + rig_part(slot ? "boot_b" : "boot_a")->off, pkg->images[0].plain,
		       pkg->images[0].size) &&
	       !memcmp(disk + rig_part(slot ? "system_b" : "system_a")->off, pkg->images[1].plain,
		       pkg->images[1].size);
}

const char *rig_env(const char *name)
{
	const uint8_t *env = rig_env_of(rig.disk->durable);
	const char *value = env ? env_get(env, ENV_SIZE, name) : NULL;
	return value ? value : "";
}

/* I4: what the boot loader would start is a complete system, or recovery. */
void rig_i4_holds_on(const uint8_t *disk)
{
	char choice = rig_choice_of(disk);
	if (choice == 'R')
		return;
	check(rig_slot_holds(disk, choice == 'B', rig.installed) ||
	      rig_slot_holds(disk, choice == 'B', rig.package));
}

void rig_part_untouched(const char *label)
{
	const struct part *p = rig_part(label);
	check(!memcmp(rig.disk->now + p->off, rig.pristine + p->off, p->len));
}

bool rig_env_untouched(void)
{
	return !memcmp(rig.disk->now + ENV_A, rig.pristine + ENV_A, ENV_SIZE) &&
	       !memcmp(rig.disk->now + ENV_B, rig.pristine + ENV_B, ENV_SIZE);
}

bool rig_is_target_dev(const char *label)
{
	return !strncmp(label, "boot_", 5) || !strncmp(label, "system_", 7);
}

/* No partition of a system and no flag was written to; the running system boots as before. */
void rig_nothing_was_changed(void)
{
	check(rig_env_untouched());
	for (size_t i = 0; i < rig.part_count; i++)
		if (strcmp(rig.parts[i].label, "state"))
			rig_part_untouched(rig.parts[i].label);
	for (size_t i = 0; i < rig.disk->op_count; i++)
		check(rig.disk->ops[i].kind != OP_WRITE || !strcmp(rig.disk->ops[i].dev, "state"));
}

void rig_result_is(enum detail detail, int slot)
{
	struct result stored;
	check(rig.result.fault.detail == detail && rig.result.what == RESULT_INSTALL);
	if (slot >= 0)
		check(rig.result.slot == (uint32_t)slot);
	check(state_result(&rig.state, 0, &stored));
	check(stored.fault.detail == detail && stored.what == RESULT_INSTALL &&
	      stored.slot == rig.result.slot);
	check(stored.release == rig.result.release && !strcmp(stored.version, rig.result.version));
}

void rig_damage_env(bool both)
{
	uint8_t *const images[] = {rig.disk->now, rig.disk->durable};
	for (size_t i = 0; i < 2; i++) {
		images[i][ENV_A + 20] ^= 1;
		if (both)
			images[i][ENV_B + 20] ^= 1;
	}
}
