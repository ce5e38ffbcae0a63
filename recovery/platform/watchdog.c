#include "platform/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "platform/system.h"

#define FEED_MS 1000

int watchdog_open(struct watchdog *watchdog, const char *path, uint32_t timeout_s)
{
	int timeout = (int)timeout_s;

	*watchdog = (struct watchdog){.fd = -1};
	/* Opening arms it. */
	watchdog->fd = open(path ? path : "/dev/watchdog", O_WRONLY | O_CLOEXEC);
	if (watchdog->fd < 0)
		return errno;
	/* A driver with a fixed time refuses to set it, but tells it. */
	if (ioctl(watchdog->fd, WDIOC_SETTIMEOUT, &timeout) &&
	    ioctl(watchdog->fd, WDIOC_GETTIMEOUT, &timeout))
		timeout = 0;
	watchdog->timeout_s = (uint32_t)timeout;
	watchdog_feed(watchdog);
	return 0;
}

void watchdog_feed(struct watchdog *watchdog)
{
	uint64_t now = system_now_ms();

	if (watchdog->fd < 0 || (watchdog->fed_ms && now - watchdog->fed_ms < FEED_MS))
		return;
	/* Any byte but 'V', which would disarm it, feeds it. */
	if (write(watchdog->fd, "", 1) == 1)
		watchdog->fed_ms = now;
}
