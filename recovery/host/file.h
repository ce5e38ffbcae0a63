/* Files that the packer reads and writes. */
#ifndef LIFEBOAT_HOST_FILE_H
#define LIFEBOAT_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "problem.h"
#include "seam.h"

/* A file (or block device) to read from, at any place. */
struct input {
	int fd;
	uint64_t size; /* bytes */
	struct stat stat;
	const char *path; /* the caller's */
};

enum status input_open(struct input *input, const char *path, struct problem *problem);
enum status input_read(struct input *input, uint64_t off, void *buf, size_t len,
		       struct problem *problem);
/* Says so when the file is another one than when it was opened: what was read may be half old and
 * half new. */
enum status input_check_unchanged(struct input *input, struct problem *problem);
void input_close(struct input *input);

/* A whole small file with a zero byte after it; *bytes is the caller's to free. limit: bytes. */
enum status file_load(const char *path, size_t limit, uint8_t **bytes, size_t *len,
		      struct problem *problem);

/*
 * A file that appears under its name when it is complete, and not before: it is written under a
 * temporary name in the same folder, flushed, and renamed. Whatever ends the program before that
 * takes the temporary file away, but for SIGKILL. One at a time.
 */
struct output {
	int fd;
	char *path;
	char *temporary;
	uint64_t at; /* bytes appended */
	size_t buffered;
	uint8_t *buffer;
};

/* mode: as for open(2). Refuses to stand in for anything but a regular file. */
enum status output_open(struct output *output, const char *path, mode_t mode,
			struct problem *problem);
/* Gives it the owner and the mode of the file that it stands in for, as far as that is permitted.
 */
void output_keep_owner(struct output *output, const struct stat *other);
enum status output_append(struct output *output, const void *bytes, size_t len,
			  struct problem *problem);
enum status output_append_zeros(struct output *output, uint64_t len, struct problem *problem);
/* Over what was appended before. */
enum status output_rewrite(struct output *output, uint64_t off, const void *bytes, size_t len,
			   struct problem *problem);
/* Appends len bytes of an input from off on. */
enum status output_copy(struct output *output, struct input *input, uint64_t off, uint64_t len,
			struct problem *problem);
/* Gives the file its name. fresh: refuses to replace anything. */
enum status output_commit(struct output *output, bool fresh, struct problem *problem);
/* For the way out of a failure; does nothing after output_commit. */
void output_abandon(struct output *output);

/* True when both are the same file. */
bool file_is_same(const char *path, const struct stat *other);

/* A source for core's front, over an input. */
struct file_source {
	struct source source; /* first */
	struct input *input;
	uint64_t at;
};

void file_source_init(struct file_source *source, struct input *input);

#endif
