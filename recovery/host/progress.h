/* Tells on standard error how far long work has come: on a terminal at once, elsewhere a line every
 * few seconds. */
#ifndef LIFEBOAT_HOST_PROGRESS_H
#define LIFEBOAT_HOST_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress_meter {
	const char *label; /* "packing" */
	bool quiet;
	bool terminal;
	bool shown;	/* a line stands on the terminal */
	uint64_t total; /* bytes */
	uint64_t start_ms, told_ms;
};

void progress_start(struct progress_meter *meter, const char *label, uint64_t total, bool quiet);
void progress_tell(struct progress_meter *meter, uint64_t done);
/* Clears the terminal's line; also before an error is printed. */
void progress_end(struct progress_meter *meter);

#endif
