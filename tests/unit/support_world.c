/* A world in memory behind core's seams: disk, partitions, partition table, environment, source,
 * clock, observer. */
#include "support.h"

enum { EIO_LINUX = 5, EINVAL_LINUX = 22 };

/* --- Memory disk --- */

struct pending_write {
	struct pending_write *next;
	const struct memdev *dev;
	uint64_t off; /* on the disk */
	size_t len;
	uint8_t *bytes;
};

static struct memdisk *memdisks;

static void op_add(struct memdisk *disk, struct op op)
{
	if (disk->op_count == disk->op_max) {
		size_t max = disk->op_max ? disk->op_max * 2 : 256;
		struct op *more = arena_alloc(max * sizeof(*more));
		if (disk->op_count)
			memcpy(more, disk->ops, disk->op_count * sizeof(*more));
		disk->ops = more;
		disk->op_max = max;
	}
	disk->ops[disk->op_count++] = op;
}

static void watched(struct memdisk *disk, struct op op, const uint8_t *buf)
{
	if (disk->watch && !disk->dead)
		disk->watch(disk, &op, buf);
}

/* Counts down; true when it fires. */
static bool fires(struct memdisk *disk, long *countdown)
{
	if (*countdown < 0 || (*countdown)-- > 0)
		return false;
	if (disk->fail_more > 0) {
		disk->fail_more--;
		*countdown = 0;
	}
	return true;
}

static void check_range(const struct memdev *d, uint64_t off, size_t len, const char *what)
{
	if (off % d->dev.sector_size || len % d->dev.sector_size || !len || off > d->dev.size ||
	    len > d->dev.size - off)
		fail_msg("%s: %s at %llu of %zu bytes breaks the contract of seam.h (sector %u, "
			 "size %llu)",
			 d->label, what, (unsigned long long)off, len, d->dev.sector_size,
			 (unsigned long long)d->dev.size);
}

static bool touches(uint64_t off, size_t len, uint64_t byte)
{
	return byte != UINT64_MAX && byte >= off && byte - off < len;
}

static int memdev_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
	struct memdev *d = (struct memdev *)dev;
	check_range(d, off, len, "read");
	d->disk->reads++;
	watched(d->disk, (struct op){.kind = OP_READ, .dev = d->label, .off = off, .len = len},
		NULL);
	if (d->disk->keep_reads)
		op_add(d->disk,
		       (struct op){.kind = OP_READ, .dev = d->label, .off = off, .len = len});
	if (d->disk->dead || fires(d->disk, &d->disk->fail_read) ||
	    touches(d->base + off, len, d->disk->bad_off))
		return EIO_LINUX;
	memcpy(buf, d->disk->now + d->base + off, len);
	return 0;
}

static int memdev_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
	struct memdev *d = (struct memdev *)dev;
	check_range(d, off, len, "write");
	if (d != &d->disk->whole && !d->writable)
		fail_msg("%s: written, but was not opened exclusively", d->label);
	d->disk->writes++;
	watched(d->disk, (struct op){.kind = OP_WRITE, .dev = d->label, .off = off, .len = len},
		buf);
	op_add(d->disk, (struct op){.kind = OP_WRITE, .dev = d->label, .off = off, .len = len});
	if (fires(d->disk, &d->disk->die))
		d->disk->dead = true;
	if (d->disk->dead || fires(d->disk, &d->disk->fail_write) ||
	    touches(d->base + off, len, d->disk->bad_write_off))
		return EIO_LINUX;
	struct pending_write *w = malloc(sizeof(*w));
	uint8_t *copy = malloc(len);
	if (!w || !copy)
		abort();
	*w = (struct pending_write){.dev = d, .off = d->base + off, .len = len, .bytes = copy};
	memcpy(copy, buf, len);
	memcpy(d->disk->now + w->off, buf, len);
	*d->disk->pending_end = w;
	d->disk->pending_end = &w->next;
	return 0;
}

static void make_durable(struct memdisk *disk, const struct pending_write *w)
{
	if (touches(w->off, w->len, disk->lose_off)) {
		/* The sector keeps what it held before; the rest arrives. */
		uint64_t sector = disk->lose_off / disk->sector * disk->sector;
		uint8_t *old = arena_copy(disk->durable + sector, disk->sector);
		memcpy(disk->durable + w->off, w->bytes, w->len);
		memcpy(disk->durable + sector, old, disk->sector);
		memcpy(disk->now + sector, old, disk->sector);
		return;
	}
	memcpy(disk->durable + w->off, w->bytes, w->len);
	if (disk->flip_times > 0 && touches(w->off, w->len, disk->flip_off)) {
		disk->flip_times--;
		disk->durable[disk->flip_off] ^= 0x10;
		disk->now[disk->flip_off] = disk->durable[disk->flip_off];
	}
}

static int memdev_flush(struct dev *dev)
{
	struct memdev *d = (struct memdev *)dev;
	struct memdisk *disk = d->disk;
	disk->flushes++;
	watched(disk, (struct op){.kind = OP_FLUSH, .dev = d->label}, NULL);
	op_add(disk, (struct op){.kind = OP_FLUSH, .dev = d->label});
	if (fires(disk, &disk->die))
		disk->dead = true;
	if (disk->dead || fires(disk, &disk->fail_flush))
		return EIO_LINUX;
	/* Only what went through this dev: a flush of one partition promises nothing about another.
	 */
	struct pending_write **at = &disk->pending;
	while (*at) {
		struct pending_write *w = *at;
		if (w->dev != d) {
			at = &w->next;
			continue;
		}
		make_durable(disk, w);
		*at = w->next;
		free(w->bytes);
		free(w);
	}
	disk->pending_end = at;
	return 0;
}

static const struct dev_ops memdev_ops = {memdev_read, memdev_write, memdev_flush};

void memdev_init(struct memdev *dev, struct memdisk *disk, const char *label, uint64_t base,
		 uint64_t len)
{
	*dev = (struct memdev){
		.dev = {.ops = &memdev_ops, .size = len, .sector_size = disk->sector},
		.disk = disk,
		.label = label,
		.base = base,
	};
}

static void no_faults(struct memdisk *disk)
{
	disk->dead = false;
	disk->fail_read = disk->fail_write = disk->fail_flush = disk->die = -1;
	disk->flip_off = disk->lose_off = disk->bad_off = disk->bad_write_off = UINT64_MAX;
	disk->flip_times = 0;
	disk->fail_more = 0;
}

struct memdisk *memdisk_new(uint64_t size, uint32_t sector)
{
	struct memdisk *disk = arena_alloc(sizeof(*disk));
	disk->now = arena_alloc(size);
	disk->durable = arena_alloc(size);
	disk->size = size;
	disk->sector = sector;
	disk->pending_end = &disk->pending;
	disk->next = memdisks;
	memdisks = disk;
	no_faults(disk);
	memdev_init(&disk->whole, disk, "disk", 0, size);
	return disk;
}

static void tear(struct memdisk *disk, const struct pending_write *w, uint64_t seed)
{
	for (size_t off = 0; off < w->len; off += disk->sector)
		if (noise(seed, w->off + off) & 1)
			memcpy(disk->durable + w->off + off, w->bytes + off, disk->sector);
}

void memdisk_power_cut(struct memdisk *disk, uint64_t seed)
{
	uint64_t n = 0;
	while (disk->pending) {
		struct pending_write *w = disk->pending;
		uint64_t fate = seed == 0 ? 0 : seed == 1 ? 1 : noise(seed, n++) % 3;
		if (fate == 1)
			memcpy(disk->durable + w->off, w->bytes, w->len);
		else if (fate == 2)
			tear(disk, w, seed);
		disk->pending = w->next;
		free(w->bytes);
		free(w);
	}
	disk->pending_end = &disk->pending;
	memcpy(disk->now, disk->durable, disk->size);
	no_faults(disk);
}

void memdisk_restore(struct memdisk *disk, const uint8_t *image)
{
	memdisk_power_cut(disk, 0);
	memcpy(disk->now, image, disk->size);
	memcpy(disk->durable, image, disk->size);
	memdisk_forget_ops(disk);
}

void memdisks_free(void)
{
	for (; memdisks; memdisks = memdisks->next)
		while (memdisks->pending) {
			struct pending_write *w = memdisks->pending;
			memdisks->pending = w->next;
			free(w->bytes);
			free(w);
		}
}

void memdisk_forget_ops(struct memdisk *disk)
{
	disk->op_count = 0;
	disk->reads = disk->writes = disk->flushes = 0;
}

/* --- GPT (UEFI 2.10, 5.3) --- */

static uint64_t le64(const uint8_t *p)
{
	return load_le64(p);
}

static void put_le64(uint8_t *p, uint64_t v)
{
	store_le32(p, (uint32_t)v);
	store_le32(p + 4, (uint32_t)(v >> 32));
}

uint8_t *gpt_header(uint8_t *disk, uint64_t size, uint32_t sector, bool backup)
{
	return disk + (backup ? size - sector : sector);
}

uint8_t *gpt_entry(uint8_t *disk, uint64_t size, uint32_t sector, bool backup, size_t i)
{
	const uint8_t *header = gpt_header(disk, size, sector, backup);
	return disk + le64(header + 72) * sector + i * load_le32(header + 84);
}

void gpt_seal(uint8_t *disk, uint64_t size, uint32_t sector, bool backup)
{
	uint8_t *header = gpt_header(disk, size, sector, backup);
	store_le32(header + 88, crc32_of(gpt_entry(disk, size, sector, backup, 0),
					 (size_t)load_le32(header + 80) * load_le32(header + 84)));
	store_le32(header + 16, 0);
	store_le32(header + 16, crc32_of(header, load_le32(header + 12)));
}

static void gpt_one(uint8_t *disk, uint64_t size, const struct gpt_maker *m, bool backup)
{
	uint64_t sectors = size / m->sector;
	uint64_t table = (m->entry_count * (uint64_t)m->entry_size + m->sector - 1) / m->sector;
	uint8_t *header = gpt_header(disk, size, m->sector, backup);
	memset(header, 0, m->sector);
	memcpy(header, "EFI PART", 8);
	store_le32(header + 8, 0x00010000);
	store_le32(header + 12, 92);
	put_le64(header + 24, backup ? sectors - 1 : 1);
	put_le64(header + 32, backup ? 1 : sectors - 1);
	put_le64(header + 40, m->first_usable ? m->first_usable : 2 + table);
	put_le64(header + 48, m->last_usable ? m->last_usable : sectors - 2 - table);
	memset(header + 56, 0x5a, 16);
	put_le64(header + 72, backup ? sectors - 1 - table : 2);
	store_le32(header + 80, m->entry_count);
	store_le32(header + 84, m->entry_size);
	memset(gpt_entry(disk, size, m->sector, backup, 0), 0, table * m->sector);
	for (size_t i = 0; i < m->part_count; i++) {
		uint8_t *entry = gpt_entry(disk, size, m->sector, backup, i);
		memset(entry, 0xaf, 16);		 /* type */
		memset(entry + 16, (int)(0x10 + i), 16); /* unique */
		put_le64(entry + 32, m->parts[i].off / m->sector);
		put_le64(entry + 40, (m->parts[i].off + m->parts[i].len) / m->sector - 1);
		for (size_t c = 0; c < 36 && m->parts[i].label[c]; c++)
			entry[56 + 2 * c] = (uint8_t)m->parts[i].label[c];
	}
	gpt_seal(disk, size, m->sector, backup);
}

void gpt_make(uint8_t *disk, uint64_t size, const struct gpt_maker *maker)
{
	struct gpt_maker m = *maker;
	m.entry_size = m.entry_size ? m.entry_size : 128;
	m.entry_count = m.entry_count ? m.entry_count : 128;
	memset(disk, 0, 512);
	disk[446 + 4] = 0xee;
	store_le32(disk + 446 + 8, 1);
	store_le32(disk + 446 + 12, (uint32_t)(size / m.sector - 1));
	disk[510] = 0x55;
	disk[511] = 0xaa;
	gpt_one(disk, size, &m, false);
	gpt_one(disk, size, &m, true);
}

/* --- U-Boot's environment (env/common.c, include/env_internal.h: crc, flags, data) --- */

void env_make(uint8_t *copy, size_t size, uint8_t serial, const char *vars, size_t vars_len)
{
	memset(copy, 0, size);
	copy[4] = serial;
	memcpy(copy + 5, vars, vars_len);
	store_le32(copy, crc32_of(copy + 5, size - 5));
}

bool env_valid(const uint8_t *copy, size_t size)
{
	return load_le32(copy) == crc32_of(copy + 5, size - 5);
}

const uint8_t *env_active(const uint8_t *a, const uint8_t *b, size_t size)
{
	bool a_valid = env_valid(a, size), b_valid = env_valid(b, size);
	if (!a_valid || !b_valid)
		return a_valid ? a : b_valid ? b : NULL;
	if (a[4] == 255 && b[4] == 0)
		return b;
	if (b[4] == 255 && a[4] == 0)
		return a;
	return b[4] > a[4] ? b : a;
}

const char *env_get(const uint8_t *copy, size_t size, const char *name)
{
	size_t name_len = strlen(name);
	for (size_t at = 5; at < size && copy[at];
	     at += strnlen((const char *)copy + at, size - at) + 1)
		if (!strncmp((const char *)copy + at, name, name_len) && copy[at + name_len] == '=')
			return (const char *)copy + at + name_len + 1;
	return NULL;
}

char env_choice(const uint8_t *copy, size_t size)
{
	const char *recovery = copy ? env_get(copy, size, "BOOT_RECOVERY") : NULL;
	const char *order = copy ? env_get(copy, size, "BOOT_ORDER") : NULL;
	if (!order || (recovery && !strcmp(recovery, "1")))
		return 'R';
	for (; *order; order++) {
		char name[] = "BOOT_?_LEFT";
		name[5] = *order;
		const char *left = *order == ' ' ? NULL : env_get(copy, size, name);
		if (left && atoi(left) > 0)
			return *order;
	}
	return 'R';
}

/* --- Source --- */

static enum detail source_fail(struct memsource *s, struct fault *fault)
{
	s->failed = true;
	return fault_set(fault, s->failure, s->source.name);
}

static enum detail memsource_read(struct source *source, void *buf, size_t len, size_t *got,
				  struct fault *fault)
{
	struct memsource *s = (struct memsource *)source;
	if (s->failed || s->closed || !len)
		fail_msg("source: read after a failure, after close, or of nothing");
	s->reads++;
	if (s->pos >= s->fail_at)
		return source_fail(s, fault);
	size_t n = s->pos < s->len ? s->len - s->pos : 0;
	if (n > len)
		n = len;
	if (n > s->max_read)
		n = s->max_read;
	if (n > s->fail_at - s->pos)
		n = s->fail_at - s->pos;
	if (n)
		memcpy(buf, s->bytes + s->pos, n);
	for (size_t i = 0; s->seen && i < n; i++) {
		if (s->seen[s->pos + i])
			((uint8_t *)buf)[i] ^= 1;
		s->seen[s->pos + i] = 1;
	}
	s->pos += n;
	s->bytes_read += n;
	*got = n;
	return DETAIL_OK;
}

static enum detail memsource_seek(struct source *source, uint64_t off, struct fault *fault)
{
	struct memsource *s = (struct memsource *)source;
	if (s->failed || s->closed)
		fail_msg("source: seek after a failure or close");
	s->seeks++;
	if (off > s->fail_at)
		return source_fail(s, fault);
	/* Beyond the end is allowed as in lseek(2): the next read gives nothing. */
	s->pos = off > s->len ? s->len : (size_t)off;
	return DETAIL_OK;
}

static void memsource_close(struct source *source)
{
	((struct memsource *)source)->closed = true;
}

static const struct source_ops memsource_ops = {memsource_read, memsource_seek, memsource_close};

void memsource_init(struct memsource *source, const uint8_t *bytes, size_t len)
{
	*source = (struct memsource){
		.source = {.ops = &memsource_ops, .size = len, .name = "stick:/update.boat"},
		.bytes = bytes,
		.len = len,
		.max_read = SIZE_MAX,
		.fail_at = SIZE_MAX,
		.failure = DETAIL_SOURCE_GONE,
	};
}

void memsource_differ_on_second_read(struct memsource *source)
{
	source->seen = arena_alloc(source->len);
}

/* --- Storage --- */

static enum detail memstorage_open(struct storage *storage, const char *label, bool exclusive,
				   struct dev **dev, struct fault *fault)
{
	struct memstorage *s = (struct memstorage *)storage;
	for (size_t i = 0; i < s->part_count; i++) {
		struct memdev *part = &s->parts[i];
		if (strcmp(part->label, label))
			continue;
		if (exclusive && part->busy)
			return fault_set(fault, DETAIL_PARTITION_BUSY, label);
		part->open++;
		part->writable |= exclusive;
		*dev = &part->dev;
		return DETAIL_OK;
	}
	return fault_set(fault, DETAIL_PARTITION_MISSING, label);
}

static void memstorage_close(struct storage *storage, struct dev *dev)
{
	(void)storage;
	struct memdev *part = (struct memdev *)dev;
	if (--part->open < 0)
		fail_msg("%s: closed more often than opened", part->label);
	if (!part->open)
		part->writable = 0;
}

static const struct storage_ops memstorage_ops = {memstorage_open, memstorage_close};

void memstorage_init(struct memstorage *storage, struct memdisk *disk, const struct part *parts,
		     size_t count)
{
	*storage = (struct memstorage){
		.storage = {.ops = &memstorage_ops, .disk = &disk->whole.dev}, .part_count = count};
	for (size_t i = 0; i < count; i++)
		memdev_init(&storage->parts[i], disk, parts[i].label, parts[i].off, parts[i].len);
}

struct memdev *memstorage_part(struct memstorage *storage, const char *label)
{
	for (size_t i = 0; i < storage->part_count; i++)
		if (!strcmp(storage->parts[i].label, label))
			return &storage->parts[i];
	fail_msg("no partition %s", label);
	return NULL;
}

/* --- Clock --- */

static uint64_t memclock_ms(struct clock *clock)
{
	return ((struct memclock *)clock)->ms += 7;
}

static void memclock_wall(struct clock *clock, char *text, size_t size)
{
	snprintf(text, size, "%s", ((struct memclock *)clock)->wall);
}

static const struct clock_ops memclock_ops = {memclock_ms, memclock_wall};

void memclock_init(struct memclock *clock)
{
	*clock = (struct memclock){.clock = {.ops = &memclock_ops},
				   .wall = "1970-01-01 00:00:07 UTC"};
}

/* --- Observer --- */

static void memobserver_progress(struct observer *observer, const struct progress *progress)
{
	struct memobserver *o = (struct memobserver *)observer;
	struct progress *last = &o->at[progress->step];
	if (!o->any || o->last != progress->step) {
		op_add(o->disk, (struct op){.kind = OP_STEP, .dev = "", .step = progress->step});
		o->last = progress->step;
		o->any = true;
	} else if (progress->done < last->done) {
		o->backwards = true;
	}
	if (progress->done > progress->total)
		o->backwards = true;
	*last = *progress;
	last->role = NULL; /* the caller's */
}

static void memobserver_line(struct observer *observer, const char *text)
{
	struct memobserver *o = (struct memobserver *)observer;
	if (!text)
		fail_msg("observer: a line without text");
	o->lines++;
}

static bool memobserver_poll(struct observer *observer)
{
	struct memobserver *o = (struct memobserver *)observer;
	o->polls++;
	return o->stop_after >= 0 && (long)o->polls > o->stop_after;
}

static const struct observer_ops memobserver_ops = {memobserver_progress, memobserver_line,
						    memobserver_poll};

void memobserver_init(struct memobserver *observer, struct memdisk *disk)
{
	*observer = (struct memobserver){
		.observer = {.ops = &memobserver_ops}, .disk = disk, .stop_after = -1};
}
