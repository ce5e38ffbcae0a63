/*
 * GUID partition table (UEFI specification 2.10, section 5.3): read only, the primary, else the
 * backup.
 */
#ifndef LIFEBOAT_GPT_H
#define LIFEBOAT_GPT_H

#include "seam.h"

#define GPT_LABEL_SIZE                                                                             \
	37 /* 36 UTF-16 units, ASCII kept, others as '?', and the ending zero byte                 \
	    */
#define GPT_PARTITIONS_MAX 128
#define GPT_TABLE_MAX 16384u /* what every tool writes: 128 entries of 128 bytes */
#define GPT_SCRATCH_LEN (4096u + GPT_TABLE_MAX) /* with a header sector */

struct gpt_partition {
	uint32_t number; /* from 1, as the kernel counts */
	uint64_t off;	 /* bytes from the start of the disk */
	uint64_t len;	 /* bytes */
	char label[GPT_LABEL_SIZE];
};

struct gpt {
	uint64_t table_end;    /* bytes: end of the primary table, which starts at 0 with the
				  protective MBR */
	uint64_t first_usable; /* bytes */
	uint64_t end_usable;   /* bytes: from it on lies the backup */
	bool damaged;	       /* the primary table; what was read is its backup */
	size_t count;
	struct gpt_partition at[GPT_PARTITIONS_MAX];
};

/*
 * Reads the table of a disk. scratch: GPT_SCRATCH_LEN bytes of the caller's. Partitions that
 * overlap each other or leave the usable range make the table unsound. Details: GPT_INVALID,
 * DEVICE_READ.
 */
enum detail gpt_load(struct gpt *gpt, struct dev *disk, uint8_t *scratch, struct fault *fault);

/* Details: PARTITION_MISSING, PARTITION_TWICE. */
enum detail gpt_find(const struct gpt *gpt, const char *label, const struct gpt_partition **found,
		     struct fault *fault);

#endif
