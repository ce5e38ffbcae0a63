/* The board tree: node /lifeboat (DESIGN.md, "Board tree"). */
#ifndef LIFEBOAT_BOARD_H
#define LIFEBOAT_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detail.h"
#include "gpt.h"
#include "manifest.h"

#define BOARD_SLOTS_MAX 2
#define BOARD_ROLES_MAX 8
#define BOARD_WIPES_MAX 8
#define BOARD_TEXT_SIZE 256
#define BOARD_FLAG_SIZE_MIN 512u
#define BOARD_FLAG_SIZE_MAX (128u << 10) /* U-Boot boards use 8 to 128 KiB */

struct board_part {
	char role[MANIFEST_ROLE_SIZE];
	char label[GPT_LABEL_SIZE];
};

struct board_slot {
	char name[8]; /* as in BOOT_ORDER */
	size_t part_count;
	struct board_part parts[BOARD_ROLES_MAX];
};

enum board_source { BOARD_SOURCE_STICK, BOARD_SOURCE_NETWORK };
enum board_policy { BOARD_ASK, BOARD_GO_AHEAD };

struct board {
	char product[BOARD_TEXT_SIZE];
	char state_label[GPT_LABEL_SIZE];
	char recovery_label[GPT_LABEL_SIZE]; /* empty: recovery lives elsewhere */
	char storage[BOARD_TEXT_SIZE];	     /* part of the disk's sysfs path; empty: any */
	uint32_t tries;			     /* that a new system gets, 1 to 9 */
	size_t slot_count;
	struct board_slot slots[BOARD_SLOTS_MAX];
	uint64_t flag_off[2]; /* bytes on the disk */
	uint64_t flag_size;   /* bytes of each copy */
	size_t wipe_count;
	char wipe[BOARD_WIPES_MAX][GPT_LABEL_SIZE];
	size_t source_count;
	enum board_source sources[2];
	char network_url[BOARD_TEXT_SIZE]; /* empty: none */
	enum board_policy policy;
	uint32_t countdown_s;
	char health_checks[BOARD_TEXT_SIZE];
	uint32_t health_timeout_s;
};

/*
 * Reads /lifeboat from a flattened device tree of at most len bytes, 8-byte aligned. Details:
 * BOARD_MISSING, BOARD_INVALID (the fault's object names the property).
 */
enum detail board_load(struct board *board, const void *fdt, size_t len, struct fault *fault);

/* Index of a slot by name, or -1. */
int board_slot(const struct board *board, const char *name);

/* The part of a slot that holds a role, or NULL. */
const struct board_part *board_part(const struct board_slot *slot, const char *role);

#endif
