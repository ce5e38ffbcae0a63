/*
 * GUID partition table. Input: options (2 bytes), sectors of the disk (5), then for each of the two
 * copies the 92 bytes of its header, the length of its entries (2) and the entries.
 */
#include "fuzz.h"

#include "gpt.h"
#include "support.h"

enum {
	SECTOR_4096 = 1,
	/* for the primary; times 16 for the backup */
	WRONG_HEADER_CRC = 2,
	WRONG_TABLE_CRC = 4,
	UNREADABLE_HEADER = 8,
	UNREADABLE_TABLE = 16,
};

struct table {
	uint64_t lba, at;
	uint8_t header[4096];
	uint8_t entries[GPT_TABLE_MAX + 4096];
	size_t entries_len;
};

/* Puts one copy on the disk; its checksums are right unless the options say otherwise. */
static void put_table(struct sparse *disk, struct table *t, struct feed *input,
		      unsigned int options)
{
	uint32_t sector = disk->dev.sector_size;
	uint64_t sectors = disk->dev.size / sector;
	const uint8_t *from;
	size_t got, covered;
	uint32_t header_len;

	memset(t->header, 0, sizeof(t->header));
	memset(t->entries, 0, sizeof(t->entries));
	from = feed_take(input, 92, &got);
	if (got)
		memcpy(t->header, from, got);
	from = feed_take(input, (size_t)feed_number(input, 2) % (sizeof(t->entries) + 1), &got);
	if (got)
		memcpy(t->entries, from, got);
	covered = (size_t)((uint64_t)load_le32(t->header + 80) * load_le32(t->header + 84));
	if (covered > sizeof(t->entries))
		covered = sizeof(t->entries);
	store_le32(t->header + 88, crc32_of(t->entries, covered) ^ (options & WRONG_TABLE_CRC));
	store_le32(t->header + 16, 0);
	header_len = load_le32(t->header + 12);
	store_le32(t->header + 16, crc32_of(t->header, header_len < sector ? header_len : sector) ^
					   (options & WRONG_HEADER_CRC));
	t->at = load_le64(t->header + 72);
	for (size_t i = 0; i < sizeof(t->entries) / sector; i++)
		if (t->at < sectors && i < sectors - t->at)
			sparse_put(disk, (t->at + i) * sector, t->entries + i * sector, sector);
	if (options & UNREADABLE_TABLE && t->at < sectors)
		disk->bad[disk->bad_count++] = t->at * sector;
	sparse_put(disk, t->lba * sector, t->header, sector);
	if (options & UNREADABLE_HEADER)
		disk->bad[disk->bad_count++] = t->lba * sector;
}

static void check_accepted(const struct gpt *gpt, const struct sparse *disk)
{
	must(gpt->count <= GPT_PARTITIONS_MAX);
	must(gpt->first_usable < gpt->end_usable && gpt->end_usable <= disk->dev.size);
	must(gpt->table_end <= disk->dev.size);
	for (size_t i = 0; i < gpt->count; i++) {
		const struct gpt_partition *p = &gpt->at[i], *found;
		size_t named = 0;

		must(p->len && p->off >= gpt->first_usable && p->off < gpt->end_usable &&
		     p->len <= gpt->end_usable - p->off);
		must(p->off % disk->dev.sector_size == 0 && p->len % disk->dev.sector_size == 0);
		must(p->number >= 1 && p->number <= GPT_PARTITIONS_MAX);
		must_end(p->label);
		for (const char *c = p->label; *c; c++)
			must(*c >= 0x20 && *c < 0x7f);
		for (size_t j = 0; j < gpt->count; j++) {
			const struct gpt_partition *q = &gpt->at[j];

			named += !strcmp(p->label, q->label);
			must(i == j || p->off + p->len <= q->off || q->off + q->len <= p->off);
			must(i == j || p->number != q->number);
		}
		must(gpt_find(gpt, p->label, &found, NULL) ==
		     (named == 1 ? DETAIL_OK : DETAIL_PARTITION_TWICE));
		must(named > 1 || found == p);
	}
}

/* A table with the same partitions, made by other code, reads the same. Small disks only. */
static void check_identity(const struct gpt *gpt, const struct sparse *disk, uint8_t *scratch)
{
	static struct part parts[GPT_PARTITIONS_MAX];
	static uint8_t image[512 << 10];
	static struct gpt again;
	uint32_t sector = disk->dev.sector_size;
	struct gpt_maker maker = {.sector = sector, .part_count = gpt->count, .parts = parts};
	struct sparse other;

	if (disk->dev.size > sizeof(image) || gpt->first_usable < 2 * sector + GPT_TABLE_MAX ||
	    gpt->end_usable > disk->dev.size - sector - GPT_TABLE_MAX)
		return;
	for (size_t i = 0; i < gpt->count; i++)
		parts[i] = (struct part){gpt->at[i].label, gpt->at[i].off, gpt->at[i].len};
	memset(image, 0, sizeof(image));
	gpt_make(image, disk->dev.size, &maker);
	sparse_open(&other, disk->dev.size, sector);
	sparse_put(&other, 0, image, (size_t)disk->dev.size);
	must(!gpt_load(&again, &other.dev, scratch, NULL));
	must(!again.damaged && again.count == gpt->count);
	for (size_t i = 0; i < gpt->count; i++)
		must(again.at[i].off == gpt->at[i].off && again.at[i].len == gpt->at[i].len &&
		     !strcmp(again.at[i].label, gpt->at[i].label));
	sparse_close(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct table primary, backup;
	static struct gpt gpt;
	struct feed input = {data, size};
	unsigned int options = (unsigned int)feed_number(&input, 2);
	uint64_t sectors = feed_number(&input, 5);
	uint32_t sector = options & SECTOR_4096 ? 4096 : 512;
	uint8_t *scratch = malloc(GPT_SCRATCH_LEN);
	const struct gpt_partition *found;
	struct sparse disk;
	struct fault fault;
	enum detail detail;

	sparse_open(&disk, sectors * sector, sector);
	if (sectors > 2) {
		primary.lba = 1;
		backup.lba = sectors - 1;
		put_table(&disk, &primary, &input, options);
		put_table(&disk, &backup, &input, options / 16);
	}
	detail = gpt_load(&gpt, &disk.dev, scratch, &fault);
	must(!detail || fault.detail == detail);
	must(!detail || detail == DETAIL_GPT_INVALID || detail == DETAIL_DEVICE_READ);
	must(detail != DETAIL_DEVICE_READ ||
	     disk.bad_count); /* both may have their entries there */
	must(!disk.writes);
	if (!detail) {
		check_accepted(&gpt, &disk);
		must(!(options & (WRONG_HEADER_CRC | UNREADABLE_HEADER)) || gpt.damaged);
		must(gpt_find(&gpt, "no such label", &found, &fault) == DETAIL_PARTITION_MISSING &&
		     !found);
		check_identity(&gpt, &disk, scratch);
	} else {
		must(!gpt.count);
	}
	sparse_close(&disk);
	free(scratch);
	return 0;
}

/* --- Mutator: fields of headers and entries, and libFuzzer's own --- */

static const uint8_t field_off[] = {12, 24, 40, 48, 72, 80, 84};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice dice = {seed};
	size_t entries = 7 + 92 + 2, i;
	uint8_t *at;

	if (size < entries + 128 || dice_below(&dice, 3) == 0)
		return LLVMFuzzerMutate(data, size, max);
	if (dice_below(&dice, 2)) { /* a field of an entry */
		i = dice_below(&dice, (size - entries) / 128);
		at = data + entries + 128 * i + 32 + 8 * dice_below(&dice, 2);
	} else {
		at = data + 7 + field_off[dice_below(&dice, sizeof(field_off))];
	}
	uint64_t v = dice_number(&dice, load_le64(at));
	store_le32(at, (uint32_t)v);
	if (at < data + 7 + 80 || at >= data + entries)
		store_le32(at + 4, (uint32_t)(v >> 32));
	return size;
}

static void seed_of(const struct gpt_maker *maker, uint64_t size, unsigned int options,
		    size_t entries_len, void (*change)(uint8_t *disk, uint64_t size))
{
	static uint8_t disk[1 << 20];
	static struct bytes all;

	memset(disk, 0, sizeof(disk));
	gpt_make(disk, size, maker);
	if (change)
		change(disk, size);
	all.len = 0;
	bytes_number(&all, options, 2);
	bytes_number(&all, size / maker->sector, 5);
	for (int backup = 0; backup < 2; backup++) {
		bytes_add(&all, gpt_header(disk, size, maker->sector, backup), 92);
		bytes_number(&all, entries_len, 2);
		bytes_add(&all, gpt_entry(disk, size, maker->sector, backup, 0), entries_len);
	}
	fuzz_seed(all.at, all.len);
}

static void odd_label(uint8_t *disk, uint64_t size)
{
	gpt_entry(disk, size, 512, false, 0)[57] = 1;
	memset(gpt_entry(disk, size, 512, false, 1) + 56, 'x', 72);
}

static void no_magic(uint8_t *disk, uint64_t size)
{
	(void)size;
	disk[512] = 'X';
}

static void elsewhere(uint8_t *disk, uint64_t size)
{
	(void)size;
	disk[512 + 24] = 2;
}

static void table_outside(uint8_t *disk, uint64_t size)
{
	(void)size;
	memset(disk + 512 + 72, 0xff, 8);
}

static void entry_backwards(uint8_t *disk, uint64_t size)
{
	gpt_entry(disk, size, 512, false, 0)[40] = 0;
}

void fuzz_make_seeds(void)
{
	static const struct part parts[] = {{"state", 0x8000, 0x4000},
					    {"boot-a", 0xc000, 0x8000},
					    {"system", 0x14000, 0x2000}},
				 twice[] = {{"same", 0x8000, 0x4000}, {"same", 0xc000, 0x8000}},
				 over[] = {{"one", 0x8000, 0x4000}, {"two", 0xb000, 0x8000}},
				 out[] = {{"one", 0x1000, 0x4000}};
	struct gpt_maker maker = {.sector = 512, .part_count = 3, .parts = parts};
	static void (*const changes[])(uint8_t *, uint64_t) = {
		NULL, odd_label, no_magic, elsewhere, table_outside, entry_backwards};

	for (size_t i = 0; i < COUNT(changes); i++)
		seed_of(&maker, 256 << 10, 0, 3 * 128, changes[i]);
	for (unsigned int bit = 2; bit <= 256; bit *= 2)
		seed_of(&maker, 256 << 10, bit | (bit < 32 ? bit * 16 : 0), 3 * 128, NULL);
	seed_of(&maker, 256 << 10, UNREADABLE_HEADER, 3 * 128, NULL);
	maker.entry_size = 256;
	maker.entry_count = 16;
	seed_of(&maker, 256 << 10, 0, 3 * 256, NULL);
	maker.entry_count = 128; /* a table twice as long as is known */
	seed_of(&maker, 256 << 10, 0, 3 * 256, NULL);
	maker.entry_size = 128;
	maker.entry_count = 129; /* one more than is known */
	seed_of(&maker, 256 << 10, 0, 3 * 128, NULL);
	maker = (struct gpt_maker){.sector = 4096, .part_count = 2, .parts = twice};
	seed_of(&maker, 512 << 10, SECTOR_4096, 2 * 128, NULL);
	maker = (struct gpt_maker){.sector = 512, .part_count = 2, .parts = over};
	seed_of(&maker, 256 << 10, 0, 2 * 128, NULL);
	maker = (struct gpt_maker){.sector = 512, .part_count = 1, .parts = out};
	seed_of(&maker, 256 << 10, 0, 128, NULL);
	fuzz_seed("\0\0\0\0\0\0\5", 7); /* too small a disk */
}
