/* A folder of one's own for tests that need real files, and loop devices for those that need more.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* Makes a new empty folder; scratch_end removes it with everything in it. */
void scratch_begin(void);
void scratch_end(void);

/* The path of something in it; of a few calls, the last 8 stay valid. */
const char *scratch(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Make folders (those above too), files and links there. */
void scratch_folder(const char *name);
void scratch_file(const char *name, const void *content, size_t len);
void scratch_text(const char *name, const char *text);
void scratch_link(const char *name, const char *target);

/* Attaches a file as a loop device with partitions; NULL where that is not possible. */
const char *scratch_loop(const char *name);

/* Runs a shell command in the folder; its exit status. */
int scratch_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
