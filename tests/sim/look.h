/*
 * What a disk says, read from its bytes after FORMAT.md and U-Boot's env/common.c, without core.
 */
#ifndef SIM_LOOK_H
#define SIM_LOOK_H

#include "world.h"

struct look_env {
	bool valid;
	int copy; /* that counts */
	char order[8];
	int left[2];
	bool good[2];
	bool recovery;
	uint64_t others; /* hash of the variables that are not Lifeboat's, in any order */
};

struct look_record {
	uint64_t serial; /* 0: there is none */
	uint32_t self_starts;
	uint64_t floor, epoch, confirmed;
	uint32_t wipe; /* 0 none, 1 asked for, 2 begun */
	struct {
		uint64_t release;
		uint8_t id[HASH_LEN];
		bool confirmed;
	} slot[2];
	uint8_t failed[STATE_FAILED * HASH_LEN];
};

struct look_journal {
	uint64_t serial; /* 0: there is none */
	uint32_t step;
	uint8_t id[HASH_LEN];
	uint32_t target, image;
	uint64_t flushed, head_len;
};

/* Areas of the state partition, in blocks of 4096 (FORMAT.md 2). */
enum look_area { AREA_RECORD, AREA_JOURNAL, AREA_RESULT, AREA_LOG, AREA_PENDING, AREAS };
extern const struct look_area_range {
	uint32_t first, blocks;
} look_areas[AREAS];

void look_env(const struct world *world, const uint8_t *disk, struct look_env *env);
/* One copy, as if it were the one that counts. */
void look_env_copy(const struct world *world, const uint8_t *copy, struct look_env *env);
bool look_env_same(const struct look_env *a, const struct look_env *b);
bool look_in_order(const struct look_env *env, size_t slot);

void look_record(const struct world *world, const uint8_t *disk, struct look_record *record);
void look_record_content(const uint8_t *content, struct look_record *record);
void look_journal(const struct world *world, const uint8_t *disk, struct look_journal *journal);
void look_journal_content(const uint8_t *content, struct look_journal *journal);

/* Serial of the newest sound record of a ring; 0: there is none. */
uint64_t look_serial(const struct world *world, const uint8_t *disk, enum look_area area);

/* The package that a slot holds completely, or PKG_NONE. */
int look_slot(const struct world *world, const uint8_t *disk, size_t slot);
bool look_slot_holds(const struct world *world, const uint8_t *disk, size_t slot, int package);
/* Whether the boot image of a slot is that of some package: whether U-Boot would verify it. */
bool look_boot_image(const struct world *world, const uint8_t *disk, size_t slot);
/* The package with this id, or PKG_NONE. */
int look_package(const struct world *world, const uint8_t *id);

#endif
