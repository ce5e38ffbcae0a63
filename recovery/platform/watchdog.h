/*
 * watchdog: the hardware watchdog. Once open it is never disarmed: closing it, or the end of the
 * program, lets it run, so that a recovery that died is started again by init within the time, or
 * the device resets.
 */
#ifndef LIFEBOAT_WATCHDOG_H
#define LIFEBOAT_WATCHDOG_H

#include <stdint.h>

struct watchdog {
	int fd;		    /* -1: none */
	uint32_t timeout_s; /* as the hardware took it */
	uint64_t fed_ms;
};

/*
 * path: NULL for /dev/watchdog. Returns 0 or an errno; watchdog_feed is harmless after a failure.
 */
int watchdog_open(struct watchdog *watchdog, const char *path, uint32_t timeout_s);

/* Feeds it, at most once a second. */
void watchdog_feed(struct watchdog *watchdog);

#endif
