#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_MS 200
#define LINES_MS 5000
/* Before this much work, no time left is guessed. */
#define GUESS_MS 2000

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_start(struct progress_meter *meter, const char *label, uint64_t total, bool quiet)
{
	uint64_t now = now_ms();
	*meter = (struct progress_meter){
		.label = label,
		.quiet = quiet,
		.terminal = isatty(STDERR_FILENO),
		.total = total,
		.start_ms = now,
		.told_ms = now,
	};
}

static void guess_left(const struct progress_meter *meter, uint64_t done, uint64_t now, char *text,
		       size_t size)
{
	uint64_t took = now - meter->start_ms;
	if (took < GUESS_MS || !done || done > meter->total) {
		text[0] = 0;
		return;
	}
	double left = (double)took * (double)(meter->total - done) / (double)done / 1000;
	uint64_t left_s = (uint64_t)left;
	snprintf(text, size, ", %" PRIu64 ":%02" PRIu64 " left", left_s / 60, left_s % 60);
}

void progress_tell(struct progress_meter *meter, uint64_t done)
{
	uint64_t now;
	char left[48];

	if (meter->quiet || !meter->total)
		return;
	now = now_ms();
	if (now - meter->told_ms < (meter->terminal ? TERMINAL_MS : LINES_MS))
		return;
	meter->told_ms = now;
	guess_left(meter, done, now, left, sizeof(left));
	fprintf(stderr, "%s%s %" PRIu64 " of %" PRIu64 " MiB (%u%%)%s%s",
		meter->terminal ? "\r" : "", meter->label, done >> 20, meter->total >> 20,
		(unsigned)((double)done * 100 / (double)meter->total), left,
		meter->terminal ? "\033[K" : "\n");
	fflush(stderr);
	meter->shown = meter->terminal;
}

void progress_end(struct progress_meter *meter)
{
	if (meter->shown) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	meter->shown = false;
}
