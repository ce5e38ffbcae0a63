/*
 * Boot flags in U-Boot's redundant environment (FORMAT.md 3; U-Boot env/common.c,
 * env_check_redund).
 */
#ifndef LIFEBOAT_UBOOTENV_H
#define LIFEBOAT_UBOOTENV_H

#include "flags.h"

#define UBOOTENV_SIZE_MAX BOARD_FLAG_SIZE_MAX

struct ubootenv {
	struct flag_store store; /* first */
	struct dev *disk;
	const struct board *board;
	uint8_t copy[2][UBOOTENV_SIZE_MAX];
};

/* disk and board stay the caller's and must outlive it. */
void ubootenv_init(struct ubootenv *env, struct dev *disk, const struct board *board);

#endif
