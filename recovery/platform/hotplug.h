/* hotplug: one wait for block devices that come and go, keys, and time. */
#ifndef LIFEBOAT_HOTPLUG_H
#define LIFEBOAT_HOTPLUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOTPLUG_TIME 0u	    /* nothing of these: the time is over, or almost */
#define HOTPLUG_BLOCK 1u    /* a block device came, went or changed: list the media again */
#define HOTPLUG_KEY 2u	    /* key_fd can be read */
#define HOTPLUG_KEY_GONE 4u /* key_fd hung up: do not wait for it again */
#define HOTPLUG_SIGNAL 8u   /* a signal came */

struct hotplug {
	int fd; /* netlink; -1: no uevents, only keys and time */
};

/* Returns 0 or an errno; hotplug_wait works after a failure too, without HOTPLUG_BLOCK. */
int hotplug_open(struct hotplug *hotplug);
void hotplug_close(struct hotplug *hotplug);

/*
 * Waits until something happens, at most timeout_ms; may come back early with HOTPLUG_TIME, so
 * look at the clock. key_fd: -1 for none. Returns a set of HOTPLUG_ bits.
 */
unsigned int hotplug_wait(struct hotplug *hotplug, int key_fd, uint32_t timeout_ms);

/* Whether a kernel uevent ("add@/devices/...", then NAME=VALUE strings, each ended by a zero byte)
 * is about a block device. */
bool hotplug_is_block(const char *message, size_t len);

#endif
