#include "platform/watch.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

bool watch_poll(const struct watch *watch)
{
	return watch && watch->poll && watch->poll(watch->arg);
}

void watch_line(const struct watch *watch, const char *text)
{
	if (watch && watch->line)
		watch->line(watch->arg, text);
}

void watch_retry(const struct watch *watch, const char *why, uint32_t in_s)
{
	if (watch && watch->retry)
		watch->retry(watch->arg, why, in_s);
}

bool watch_sleep(const struct watch *watch, uint32_t ms)
{
	while (!watch_poll(watch)) {
		uint32_t step = ms < WATCH_POLL_MS ? ms : WATCH_POLL_MS;
		struct timespec rest = {.tv_nsec = (long)step * 1000000};

		if (!ms)
			return false;
		while (nanosleep(&rest, &rest) && errno == EINTR)
			;
		ms -= step;
	}
	return true;
}
