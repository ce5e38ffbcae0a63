#include "gpt.h"
#include "bytes.h"
#include "crc32.h"
#include "text.h"

#include <string.h>

/* UEFI 2.10, table 5.5: GPT header; all little-endian. */
#define HEADER_LEN 92u
#define HEADER_CRC 16
#define HEADER_MY_LBA 24
#define HEADER_OTHER_LBA 32
#define HEADER_FIRST_USABLE 40
#define HEADER_LAST_USABLE 48
#define HEADER_ENTRIES_LBA 72
#define HEADER_ENTRY_COUNT 80
#define HEADER_ENTRY_LEN 84
#define HEADER_ENTRIES_CRC 88

/* Table 5.6: partition entry. */
#define ENTRY_LEN_MIN 128u /* 128 * 2^n */
#define ENTRY_FIRST_LBA 32
#define ENTRY_LAST_LBA 40
#define ENTRY_NAME 56
#define ENTRY_NAME_UNITS 36

static void load_label(const uint8_t *raw, char *label)
{
	size_t i = 0;

	for (; i < ENTRY_NAME_UNITS; i++) {
		uint16_t c = load_le16(raw + 2 * i);
		if (!c)
			break;
		label[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	label[i] = 0;
}

/* Adds one used entry; false when it does not lie in the usable range or overlaps one before it. */
static bool add_entry(struct gpt *gpt, const uint8_t *raw, uint32_t number, uint32_t sector)
{
	uint64_t first = load_le64(raw + ENTRY_FIRST_LBA);
	uint64_t last = load_le64(raw + ENTRY_LAST_LBA);
	struct gpt_partition *p = &gpt->at[gpt->count];

	if (first > last || last >= UINT64_MAX / sector)
		return false;
	p->number = number;
	p->off = first * sector;
	p->len = (last - first + 1) * sector;
	if (p->off < gpt->first_usable || p->off + p->len > gpt->end_usable)
		return false;
	for (size_t i = 0; i < gpt->count; i++)
		if (range_overlaps(p->off, p->len, gpt->at[i].off, gpt->at[i].len))
			return false;
	load_label(raw + ENTRY_NAME, p->label);
	gpt->count++;
	return true;
}

/*
 * One copy of the table, whose header is at lba. Returns 0, an errno, or -1 when the copy is not
 * sound. A table of more than GPT_TABLE_MAX bytes is not sound here, so that memory is known
 * beforehand.
 */
static int load_copy(struct gpt *gpt, struct dev *disk, uint64_t lba, uint8_t *scratch)
{
	uint32_t sector = disk->sector_size;
	uint8_t *header = scratch, *entries = scratch + 4096;
	uint64_t sectors = disk->size / sector, first, last, table;
	uint32_t crc, count, entry_len, bytes;
	int error = disk->ops->read(disk, lba * sector, header, sector);

	if (error)
		return error;
	crc = load_le32(header + HEADER_CRC);
	if (memcmp(header, "EFI PART", 8) || load_le32(header + 12) < HEADER_LEN ||
	    load_le32(header + 12) > sector)
		return -1;
	store_le32(header + HEADER_CRC, 0);
	if (crc32(header, load_le32(header + 12)) != crc ||
	    load_le64(header + HEADER_MY_LBA) != lba)
		return -1;
	first = load_le64(header + HEADER_FIRST_USABLE);
	last = load_le64(header + HEADER_LAST_USABLE);
	table = load_le64(header + HEADER_ENTRIES_LBA);
	count = load_le32(header + HEADER_ENTRY_COUNT);
	entry_len = load_le32(header + HEADER_ENTRY_LEN);
	if (first > last || last >= sectors || entry_len < ENTRY_LEN_MIN ||
	    entry_len & (entry_len - 1) || !count || count > GPT_PARTITIONS_MAX ||
	    entry_len > GPT_TABLE_MAX / count)
		return -1;
	bytes = (count * entry_len + sector - 1) / sector * sector;
	/* Between the headers: over one of them it would be both tables' trouble, or no table. */
	if (table < 2 || !range_within(table, bytes / sector, sectors - 1))
		return -1;
	error = disk->ops->read(disk, table * sector, entries, bytes);
	if (error)
		return error;
	if (crc32(entries, (size_t)count * entry_len) != load_le32(header + HEADER_ENTRIES_CRC))
		return -1;
	gpt->count = 0;
	gpt->table_end = (lba == 1 ? table * sector : 2 * (uint64_t)sector) + bytes;
	gpt->first_usable = first * sector;
	gpt->end_usable = (last + 1) * sector;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *raw = entries + (size_t)i * entry_len;
		if (!bytes_are_zero(raw, 16) && !add_entry(gpt, raw, i + 1, sector))
			return -1;
	}
	return 0;
}

enum detail gpt_load(struct gpt *gpt, struct dev *disk, uint8_t *scratch, struct fault *fault)
{
	int primary, backup;

	memset(gpt, 0, sizeof(*gpt));
	if (disk->size / disk->sector_size < 6)
		return fault_set(fault, DETAIL_GPT_INVALID, "disk");
	primary = load_copy(gpt, disk, 1, scratch);
	if (!primary)
		return DETAIL_OK;
	backup = load_copy(gpt, disk, disk->size / disk->sector_size - 1, scratch);
	gpt->damaged = !backup;
	if (!backup)
		return DETAIL_OK;
	gpt->count = 0;
	if (primary > 0 && backup > 0)
		return fault_errno(fault, DETAIL_DEVICE_READ, "disk, partition table", primary);
	return fault_set(fault, DETAIL_GPT_INVALID, "disk");
}

enum detail gpt_find(const struct gpt *gpt, const char *label, const struct gpt_partition **found,
		     struct fault *fault)
{
	*found = NULL;
	for (size_t i = 0; i < gpt->count; i++) {
		if (strcmp(gpt->at[i].label, label))
			continue;
		if (*found)
			return fault_set(fault, DETAIL_PARTITION_TWICE, label);
		*found = &gpt->at[i];
	}
	return *found ? DETAIL_OK : fault_set(fault, DETAIL_PARTITION_MISSING, label);
}
