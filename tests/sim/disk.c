#include "disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EIO_LINUX = 5, ENOSPC_LINUX = 28 };

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t sim_unit_hash(uint32_t unit, const uint8_t *bytes)
{
	uint64_t h = 0x9e3779b97f4a7c15ull * (unit + 1), w[4];

	for (size_t i = 0; i < SIM_UNIT; i += sizeof(w)) {
		memcpy(w, bytes + i, sizeof(w));
		h = mix(h ^ w[0] ^ 0xa0761d6478bd642full, w[1] ^ 0xe7037ed1a0b428dbull) ^
		    mix(h ^ w[2] ^ 0x8ebc6af09c88c6e3ull, w[3] ^ 0x589965cc75374cc3ull);
	}
	return mix(h ^ 0x1d8e4e27c47d124full, 0xeb44accab455d165ull);
}

static void note_change(struct sim_disk *disk, uint32_t unit)
{
	if (disk->changed[unit])
		return;
	disk->changed[unit] = 1;
	disk->changed_list[disk->changed_count++] = unit;
}

/* --- Durable --- */

static void make_durable(struct sim_disk *disk, const struct sim_write *w)
{
	for (size_t at = 0; at < w->len; at += SIM_UNIT) {
		uint32_t unit = (uint32_t)((w->off + at) / SIM_UNIT);
		uint8_t *to = disk->durable + w->off + at;
		if (!memcmp(to, w->bytes + at, SIM_UNIT))
			continue;
		disk->hash -= sim_unit_hash(unit, to);
		memcpy(to, w->bytes + at, SIM_UNIT);
		disk->hash += sim_unit_hash(unit, to);
	}
}

/* Takes writes out of the list: those that are durable now, or (gone) that never will be. */
static void retire(struct sim_disk *disk, int part, bool gone)
{
	size_t kept = 0;

	for (size_t i = 0; i < disk->pending_count; i++) {
		struct sim_write *w = &disk->pending[i];
		bool mine = part < 0 ? w->flushed : w->part == part;
		bool volatile_still = disk->written - 1 - w->number < disk->physics->lie;
		if (!mine || (!gone && volatile_still)) {
			w->flushed |= mine;
			disk->pending[kept++] = *w;
			continue;
		}
		if (gone)
			memcpy(disk->now + w->off, disk->durable + w->off, w->len);
		else
			make_durable(disk, w);
	}
	disk->pending_count = kept;
	if (!kept)
		disk->pool_used = 0;
}

void sim_disk_restart(struct sim_disk *disk)
{
	for (size_t i = 0; i < disk->pending_count; i++)
		disk->pending[i].flushed = true;
	retire(disk, -1, false);
}

/* --- The seam --- */

static void check_range(const struct sim_part *p, uint64_t off, size_t len, const char *what)
{
	if (off % p->dev.sector_size || len % p->dev.sector_size || !len || off > p->dev.size ||
	    len > p->dev.size - off) {
		fprintf(stderr, "%s: %s at %llu of %zu bytes breaks the contract of seam.h\n",
			p->label, what, (unsigned long long)off, len);
		abort();
	}
}

/* Counts the operation; the error that is to come of it. */
static enum sim_error strikes(struct sim_disk *disk, const struct sim_op *op)
{
	const struct sim_fault *f = &disk->fault;
	bool touches = !f->len || (op->kind != SIM_FLUSH && op->off < f->off + f->len &&
				   f->off < op->off + op->len);
	uint64_t number;

	if (f->error == SIM_NO_ERROR || f->kind != op->kind || !touches || disk->spared)
		return SIM_NO_ERROR;
	number = disk->done[op->kind]++;
	if (number != f->at && !(f->for_good && number > f->at))
		return SIM_NO_ERROR;
	if (!disk->fault_hit) {
		disk->fault_part = op->part;
		disk->fault_off = op->off;
	}
	disk->fault_hit = true;
	disk->fault_parts |= 1u << op->part->index;
	return f->error;
}

static int part_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
	struct sim_part *p = (struct sim_part *)dev;
	struct sim_disk *disk = p->disk;
	struct sim_op op = {.kind = SIM_READ, .part = p, .off = p->base + off, .len = len};
	int error = 0;

	check_range(p, off, len, "read");
	disk->before(disk->context, &op);
	if (strikes(disk, &op))
		error = EIO_LINUX;
	else
		memcpy(buf, disk->now + op.off, len);
	disk->after(disk->context, &op, error);
	return error;
}

/* Writes leave the list in any order; their bytes stand in the pool in the order of the list. */
static void compact_pool(struct sim_disk *disk)
{
	disk->pool_used = 0;
	for (size_t i = 0; i < disk->pending_count; i++) {
		struct sim_write *w = &disk->pending[i];
		memmove(disk->pool + disk->pool_used, w->bytes, w->len);
		w->bytes = disk->pool + disk->pool_used;
		disk->pool_used += w->len;
	}
}

static void add_pending(struct sim_disk *disk, int part, uint64_t off, const uint8_t *bytes,
			size_t len)
{
	if (disk->pool_size - disk->pool_used < len)
		compact_pool(disk);
	if (disk->pending_count == SIM_PENDING_MAX || disk->pool_size - disk->pool_used < len) {
		fprintf(stderr, "sim: too many writes wait for a flush\n");
		abort();
	}
	uint8_t *copy = disk->pool + disk->pool_used;
	disk->pool_used += len;
	memcpy(copy, bytes, len);
	disk->pending[disk->pending_count++] = (struct sim_write){
		.part = part, .off = off, .len = len, .number = disk->written, .bytes = copy};
	disk->written++;
	disk->bulk_written += disk->parts[part].bulk;
	memcpy(disk->now + off, bytes, len);
	for (size_t at = 0; at < len; at += SIM_UNIT)
		note_change(disk, (uint32_t)((off + at) / SIM_UNIT));
	if (disk->physics->lie)
		retire(disk, -1, false);
}

static int part_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
	struct sim_part *p = (struct sim_part *)dev;
	struct sim_disk *disk = p->disk;
	struct sim_op op = {
		.kind = SIM_WRITE, .part = p, .off = p->base + off, .len = len, .bytes = buf};
	enum sim_error error;
	int result = 0;

	check_range(p, off, len, "write");
	disk->before(disk->context, &op);
	disk->ops++;
	error = strikes(disk, &op);
	if (error == SIM_SHORT && len > disk->physics->sector)
		add_pending(disk, p->index, op.off, buf,
			    len / 2 / disk->physics->sector * disk->physics->sector);
	if (error == SIM_CORRUPTS) {
		uint8_t *other = need(malloc(len));
		memcpy(other, buf, len);
		other[len / 2 + 3] ^= 0x10;
		add_pending(disk, p->index, op.off, other, len);
		free(other);
	} else if (error) {
		result = error == SIM_ENOSPC ? ENOSPC_LINUX : EIO_LINUX;
	} else {
		add_pending(disk, p->index, op.off, buf, len);
	}
	disk->after(disk->context, &op, result);
	return result;
}

static int part_flush(struct dev *dev)
{
	struct sim_part *p = (struct sim_part *)dev;
	struct sim_disk *disk = p->disk;
	struct sim_op op = {.kind = SIM_FLUSH, .part = p, .off = p->base, .len = 0};
	enum sim_error error;
	int result;

	disk->before(disk->context, &op);
	disk->ops++;
	error = strikes(disk, &op);
	if (!error) {
		/* What U-Boot wrote waits in the device itself, which each flush reaches. */
		retire(disk, SIM_LOADER, false);
		retire(disk, p->index, false);
	} else if (error == SIM_LOST) {
		retire(disk, p->index, true);
	}
	result = error == SIM_ENOSPC ? ENOSPC_LINUX : error ? EIO_LINUX : 0;
	disk->after(disk->context, &op, result);
	return result;
}

/* --- Making and resetting --- */

struct sim_part *sim_disk_add(struct sim_disk *disk, const char *label, uint64_t base, uint64_t len)
{
	static const struct dev_ops ops = {part_read, part_write, part_flush};
	struct sim_part *p = &disk->parts[disk->part_count];

	*p = (struct sim_part){
		.dev = {.ops = &ops, .size = len, .sector_size = disk->physics->sector},
		.disk = disk,
		.base = base,
		.index = disk->part_count++,
	};
	snprintf(p->label, sizeof(p->label), "%s", label);
	return p;
}

void sim_disk_init(struct sim_disk *disk, uint64_t size, const struct physics *physics)
{
	size_t units = size / SIM_UNIT;

	memset(disk, 0, sizeof(*disk));
	disk->physics = physics;
	disk->size = size;
	disk->base = need(calloc(1, size));
	disk->now = need(calloc(1, size));
	disk->durable = need(calloc(1, size));
	disk->changed = need(calloc(units, 1));
	disk->changed_list = need(calloc(units, sizeof(*disk->changed_list)));
	disk->pool_size = 4u << 20;
	disk->pool = need(malloc(disk->pool_size));
	sim_disk_add(disk, "disk", 0, size);
	sim_disk_add(disk, "boot loader", 0, size);
}

void sim_disk_free(struct sim_disk *disk)
{
	free(disk->base);
	free(disk->now);
	free(disk->durable);
	free(disk->changed);
	free(disk->changed_list);
	free(disk->pool);
}

void sim_disk_settle(struct sim_disk *disk)
{
	memcpy(disk->durable, disk->now, disk->size);
	memcpy(disk->base, disk->now, disk->size);
	sim_disk_reset(disk);
}

void sim_disk_reset(struct sim_disk *disk)
{
	for (size_t i = 0; i < disk->changed_count; i++) {
		uint32_t unit = disk->changed_list[i];
		size_t off = (size_t)unit * SIM_UNIT;
		memcpy(disk->now + off, disk->base + off, SIM_UNIT);
		memcpy(disk->durable + off, disk->base + off, SIM_UNIT);
		disk->changed[unit] = 0;
	}
	disk->changed_count = 0;
	disk->pending_count = 0;
	disk->pool_used = 0;
	disk->ops = disk->written = disk->bulk_written = 0;
	disk->hash = 0;
	memset(disk->done, 0, sizeof(disk->done));
	memset(&disk->fault, 0, sizeof(disk->fault));
	disk->fault_hit = disk->spared = false;
	disk->fault_parts = 0;
	for (int i = 0; i < disk->part_count; i++)
		disk->parts[i].open = disk->parts[i].writable = 0;
}

void sim_disk_put(struct sim_disk *disk, uint32_t unit, const uint8_t *bytes)
{
	size_t off = (size_t)unit * SIM_UNIT;

	note_change(disk, unit);
	disk->hash += sim_unit_hash(unit, bytes) - sim_unit_hash(unit, disk->durable + off);
	memcpy(disk->now + off, bytes, SIM_UNIT);
	memcpy(disk->durable + off, bytes, SIM_UNIT);
}
