/* watch: whoever looks on while the platform waits for something slow. Any member may be NULL. */
#ifndef LIFEBOAT_WATCH_H
#define LIFEBOAT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_POLL_MS 200 /* the longest time between two calls of poll */

struct watch {
	/* Feeds the watchdog, looks at keys and signals. True: stop waiting, DETAIL_INTERRUPTED. */
	bool (*poll)(void *arg);
	/* A line for the log, without its line end. */
	void (*line)(void *arg, const char *text);
	/* Something failed and is tried again in so many seconds; 0: is being tried now. */
	void (*retry)(void *arg, const char *why, uint32_t in_s);
	void *arg;
};

/* watch may be NULL in all of them. */
bool watch_poll(const struct watch *watch);
void watch_line(const struct watch *watch, const char *text);
void watch_retry(const struct watch *watch, const char *why, uint32_t in_s);

/* Sleeps, polling. True: asked to stop. */
bool watch_sleep(const struct watch *watch, uint32_t ms);

#endif
