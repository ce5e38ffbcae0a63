/* system: clock, reboot, kernel command line, board tree, lock and signals. */
#ifndef LIFEBOAT_SYSTEM_H
#define LIFEBOAT_SYSTEM_H

#include "core/board.h"
#include "core/seam.h"
#include "platform/watchdog.h"

#define SYSTEM_LOCK "/run/lifeboat.lock"
#define SYSTEM_FDT "/sys/firmware/fdt"
#define SYSTEM_BOARD "/etc/lifeboat/board.dtb"

/* Milliseconds since the kernel started, without time asleep: nothing could be done then. */
uint64_t system_now_ms(void);

/* The clock seam. Wall clock: "" while it stands before 2020, which means that nobody set it. */
extern struct clock system_clock;

/*
 * Writes what is dirty, for a bounded time, and restarts or powers off. by_init: in the running
 * system, through init's /sbin/reboot or /sbin/poweroff, so that services stop in order; else, and
 * when that does nothing within 30 s, by the kernel. Returns an errno when even the kernel refuses.
 */
enum system_action { SYSTEM_RESTART, SYSTEM_POWER_OFF };
int system_leave(enum system_action action, bool by_init);

/*
 * The value of NAME=VALUE on the kernel command line, the last one where it stands twice. False:
 * not there; value is "" then. path: NULL for /proc/cmdline.
 */
bool system_cmdline(const char *path, const char *name, char *value, size_t size);

/*
 * The board tree: from path, or where that is NULL from SYSTEM_FDT, else from SYSTEM_BOARD. A tree
 * without /lifeboat counts as none. Details: BOARD_MISSING, BOARD_INVALID.
 */
enum detail system_board(struct board *board, const char *path, struct fault *fault);

/*
 * One lifeboat process at a time. image: lock this file, for work on a disk image; NULL:
 * SYSTEM_LOCK. *lock: an open descriptor that holds the lock while it is open. Details: BUSY,
 * DEVICE_OPEN, NOT_PERMITTED.
 */
enum detail system_lock(const char *image, int *lock, struct fault *fault);

/*
 * SIGHUP, SIGPIPE, SIGTTIN and SIGTTOU are ignored, so that a lost session does not end an install,
 * and SIGXFSZ, so that a write beyond a limit fails; SIGINT, SIGTERM and SIGQUIT set a flag. What
 * was inherited does not matter: where children are reaped by the kernel, because a parent ignored
 * SIGCHLD, no health check would ever be seen to end well.
 */
void system_catch_signals(void);

/*
 * Missing standard descriptors become ones that end at once and take nothing. Else the next file
 * that is opened, the disk perhaps, would be the one that messages are written to.
 */
void system_fill_descriptors(void);
bool system_interrupted(void);

#endif
