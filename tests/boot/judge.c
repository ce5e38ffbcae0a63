/*
 * What tests/boot/boot_matrix.py asks about a disk image in memory: what the model of the boot
 * loader (tests/sim) does with it, and which slot core would say is started.
 */
#include "boot_model.h"

#include "board.h"
#include "ubootenv.h"

#include <errno.h>
#include <string.h>

#define SECTOR 512u

struct judge_disk {
	struct dev dev; /* first */
	uint8_t *bytes;
	uint32_t fail_writes;	/* bit n: the write number n fails */
	uint32_t unreadable[4]; /* reads of these sectors fail; 0: none */
	uint32_t writes;
};

/* One case; laid out as tests/boot/boot_matrix.py does. */
struct judge_case {
	uint8_t *bytes;
	uint64_t size;
	uint64_t env_off[2], env_size;
	uint32_t fail_writes;
	uint32_t unreadable[4];
	uint8_t ok[3];	  /* the images of A, B and recovery verify */
	uint8_t roots[2]; /* the root filesystems of A and B have a partition */
	char started;
	char reason[32];
	char core; /* 'A', 'B', 'R'; 'D': core says that the environment is damaged; '?': another
		      error */
};

__attribute__((visibility("default"))) void judge(struct judge_case *c);

static int disk_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
	struct judge_disk *d = (struct judge_disk *)dev;

	if (off > dev->size || dev->size - off < len)
		return EINVAL;
	for (int i = 0; i < 4; i++)
		if (d->unreadable[i] && d->unreadable[i] >= off / SECTOR &&
		    d->unreadable[i] - off / SECTOR < len / SECTOR)
			return EIO;
	memcpy(buf, d->bytes + off, len);
	return 0;
}

static int disk_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
	struct judge_disk *d = (struct judge_disk *)dev;

	if (off > dev->size || dev->size - off < len)
		return EINVAL;
	if (d->fail_writes >> d->writes++ & 1)
		return EIO;
	memcpy(d->bytes + off, buf, len);
	return 0;
}

static int disk_flush(struct dev *dev)
{
	(void)dev;
	return 0;
}

static bool image_ok(void *context, char which)
{
	const struct judge_case *c = context;

	return c->ok[which == 'A' ? 0 : which == 'B' ? 1 : 2];
}

static bool root_found(void *context, char which)
{
	const struct judge_case *c = context;

	return c->roots[which == 'B'];
}

static char ask_core(const struct judge_case *c, struct dev *disk)
{
	static struct ubootenv env;
	static struct board board;
	struct flags flags;
	struct fault fault;
	enum detail detail;
	int slot;

	memset(&board, 0, sizeof(board));
	board.slot_count = 2;
	board.slots[0].name[0] = 'A';
	board.slots[1].name[0] = 'B';
	board.tries = 3;
	memcpy(board.flag_off, c->env_off, sizeof(board.flag_off));
	board.flag_size = c->env_size;
	ubootenv_init(&env, disk, &board);
	detail = env.store.ops->load(&env.store, &flags, &fault);
	if (detail)
		return detail == DETAIL_FLAGS_DAMAGED ? 'D' : '?';
	slot = flags_choice(&flags);
	return slot < 0 ? 'R' : "AB"[slot];
}

void judge(struct judge_case *c)
{
	static const struct dev_ops ops = {disk_read, disk_write, disk_flush};
	struct judge_disk disk = {
		.dev = {&ops, c->size, SECTOR}, .bytes = c->bytes, .fail_writes = c->fail_writes};
	struct boot_model model = {.disk = &disk.dev,
				   .env_off = {c->env_off[0], c->env_off[1]},
				   .env_size = c->env_size,
				   .image_ok = image_ok,
				   .root_found = root_found,
				   .context = c,
				   .console = "serial"};
	struct boot_choice choice;

	memcpy(disk.unreadable, c->unreadable, sizeof(disk.unreadable));
	c->core = ask_core(c, &disk.dev);
	boot_model_start(&model, &choice);
	c->started = choice.started;
	memcpy(c->reason, choice.reason, sizeof(c->reason));
}
