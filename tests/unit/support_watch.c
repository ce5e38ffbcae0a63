/* The watcher of the install tests. */
#include "support_watch.h"

struct watch watch;

static int image_of(const char *label)
{
	return !strncmp(label, "system", 6);
}

static int slot_of(const char *label)
{
	return label[strlen(label) - 1] == 'b';
}

static void all_read_back(void)
{
	for (int i = 0; i < 2; i++) {
		check(!watch.dirty[i]);
		for (size_t s = 0; s * 512 < watch.pkg->images[i].size; s++)
			check(watch.read_back[i][s]);
	}
}

static bool target_in_order(const uint8_t *env, int target)
{
	const char *order = env ? env_get(env, ENV_SIZE, "BOOT_ORDER") : NULL;
	return order && strchr(order, 'A' + target);
}

/* I2: the flags on the medium say, whatever of the unflushed is lost, that the target cannot be
 * started. */
static void i2_holds(const uint8_t *disk)
{
	const uint8_t *env = rig_env_of(disk);
	char left[] = "BOOT_?_LEFT", mark[] = "BOOT_?_GOOD";
	left[5] = mark[5] = (char)('A' + watch.target);
	check(env != NULL);
	check(!target_in_order(env, watch.target));
	const char *value = env_get(env, ENV_SIZE, left);
	check(!value || !strcmp(value, "0"));
	value = env_get(env, ENV_SIZE, mark);
	check(!value || !strcmp(value, "0"));
}

static void watch_target_write(struct memdisk *disk, const struct op *op, const uint8_t *buf)
{
	int image = image_of(op->dev);
	const struct pkg_image *want = &watch.pkg->images[image];
	check(slot_of(op->dev) == watch.target); /* I11 and common sense */
	check(!watch.flipped);
	i2_holds(disk->durable);
	i2_holds(disk->now);
	/* I1: only what the signed manifest vouches for, and nothing behind the image's last
	 * sector. */
	check(op->off < want->size &&
	      op->off + op->len <= (want->size + rig.sector - 1) / rig.sector * rig.sector);
	size_t len = op->off + op->len > want->size ? want->size - op->off : op->len;
	check(!memcmp(buf, want->plain + op->off, len));
	watch.target_writes++;
	watch.dirty[image] = true;
	for (size_t s = op->off / 512; s < (op->off + op->len) / 512; s++)
		watch.read_back[image][s] = 0;
}

/* I3: a journal record tells of what is durable already. */
static void watch_journal(struct memdisk *disk, const uint8_t *content)
{
	uint32_t step = load_be32(content + 4), image = load_be32(content + 68);
	uint64_t flushed = load_be64(content + 72);
	check(step <= JOURNAL_COMMITTED);
	watch.records[step]++;
	if (step == JOURNAL_IDLE)
		return;
	check(!memcmp(content + 8, watch.pkg->id, HASH_LEN));
	check((int)load_be32(content + 64) == watch.target);
	if (step == JOURNAL_BEGIN)
		i2_holds(disk->durable);
	if (watch.medium_fails)
		return;
	if (step == JOURNAL_PROGRESS) {
		check(image < 2 && flushed <= watch.pkg->images[image].size);
		const char *label = image	   ? watch.target ? "system_b" : "system_a"
				    : watch.target ? "boot_b"
						   : "boot_a";
		check(!memcmp(disk->durable + rig_part(label)->off, watch.pkg->images[image].plain,
			      flushed));
	}
	if (step >= JOURNAL_WRITTEN)
		check(rig_slot_holds(disk->durable, watch.target, watch.pkg));
	if (step >= JOURNAL_VERIFIED)
		all_read_back();
	if (step == JOURNAL_COMMITTED)
		check(target_in_order(rig_env_of(disk->durable), watch.target));
}

/* I5: the write that makes the target bootable comes after the whole target was read back, and is
 * one. */
static void watch_flags(struct memdisk *disk, const struct op *op, const uint8_t *buf)
{
	uint64_t base = op->off < ENV_B ? ENV_A : ENV_B;
	check(op->off >= base && op->off + op->len <= base + ENV_SIZE);
	if (op->off != base || op->len != ENV_SIZE)
		fail_msg("the flags are stored in pieces: teach this watcher to put them together");
	if (!env_valid(buf, ENV_SIZE) || !target_in_order(buf, watch.target))
		return;
	if (target_in_order(rig_env_of(disk->now), watch.target)) /* as before the mark */
		return;
	watch.flips++;
	all_read_back();
	check(rig_slot_holds(disk->durable, watch.target, watch.pkg));
	watch.flipped = true;
}

static void watcher(struct memdisk *disk, const struct op *op, const uint8_t *buf)
{
	if (watch.flushed) /* only then is anything else durable than before */
		rig_i4_holds_on(disk->durable);
	watch.flushed = op->kind == OP_FLUSH;
	if (op->kind == OP_FLUSH && rig_is_target_dev(op->dev))
		watch.dirty[image_of(op->dev)] = false;
	if (op->kind == OP_READ && rig_is_target_dev(op->dev) && slot_of(op->dev) == watch.target) {
		if (!watch.dirty[image_of(op->dev)])
			for (size_t s = op->off / 512; s < (op->off + op->len) / 512; s++)
				watch.read_back[image_of(op->dev)][s] = 1;
	}
	if (op->kind != OP_WRITE)
		return;
	if (rig_is_target_dev(op->dev))
		watch_target_write(disk, op, buf);
	else if (!strcmp(op->dev, "disk"))
		watch_flags(disk, op, buf);
	else if (!strcmp(op->dev, "state") && op->len == 4096 && op->off >= 4 * 4096 &&
		 op->off < 68 * 4096)
		watch_journal(disk, buf + 64);
	else
		check(!strcmp(op->dev, "state"));
}

void watch_for(int target, const struct pkg *pkg)
{
	memset(&watch, 0, sizeof(watch));
	watch.target = target;
	watch.pkg = pkg;
	rig.disk->watch = watcher;
}
