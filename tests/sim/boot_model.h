/*
 * The boot loader of the reference boards as a model: what U-Boot 2023.01 (env/common.c, env/mmc.c,
 * lib/hashtable.c) and qemu/boot.cmd do with a disk at one power-on. Written from them, never from
 * recovery/core, so that what core stores is judged by somebody else; tests/boot holds it against
 * the real U-Boot.
 */
#ifndef LIFEBOAT_BOOT_MODEL_H
#define LIFEBOAT_BOOT_MODEL_H

#include "seam.h"

struct boot_model {
	struct dev *disk; /* whole disk as the boot loader sees it */
	uint64_t env_off[2], env_size;
	bool (*image_ok)(void *context,
			 char which); /* does the signed image of 'A', 'B', 'R' verify? */
	void *context;
	/* Is there a partition for the root filesystem of 'A', 'B'? NULL: both are there. */
	bool (*root_found)(void *context, char which);
	/* Values of stderr, stdin and stdout that U-Boot stores; NULL: the reference board's. */
	const char *console;
};

struct boot_choice {
	char started; /* 'A', 'B', 'R'; '-': nothing verifies (it says so and starts again after a
			 minute) */
	char reason[32]; /* lifeboat.reason= that recovery is given, else "" */
};

/*
 * One power-on: what U-Boot 2023.01 and qemu/boot.cmd do with the disk: both copies of the
 * environment read (env/common.c rules), tries taken and stored (env save: to the other copy, then
 * it counts), script followed. Written from boot.cmd and U-Boot, never from recovery/core. No core
 * headers except seam.h. When a write or flush fails it goes on as the script does.
 *
 * Exact for every environment but one whose BOOT_ values hold a quote or a backslash: U-Boot's
 * shell then reads other words than are there, which can at most choose among what an honest value
 * can choose. Here they match nothing.
 */
void boot_model_start(const struct boot_model *model, struct boot_choice *choice);

#endif
