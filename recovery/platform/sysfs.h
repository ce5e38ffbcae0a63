/* sysfs: small facts from /sys, and other small files. Paths are made by format_text. */
#ifndef LIFEBOAT_SYSFS_H
#define LIFEBOAT_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSFS_PATH_SIZE 512
#define SYSFS_NAMES_MAX 128
#define SYSFS_NAME_SIZE 64

/* Reads a file from its start, as much as fits. Returns 0 or an errno. */
int sysfs_read(const char *path, void *buf, size_t size, size_t *len);

/* Reads the first line of a file into text, without blanks at its end; false when that is not
 * possible. */
bool sysfs_text(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Reads a decimal number. */
bool sysfs_u64(uint64_t *value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether a file is there. */
bool sysfs_exists(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct sysfs_names {
	size_t count;
	char at[SYSFS_NAMES_MAX][SYSFS_NAME_SIZE];
};

/* The names in a folder without those that begin with a dot, sorted ("sda2" before "sda10"). False:
 * no such folder. */
bool sysfs_list(struct sysfs_names *names, const char *folder);

/* The real path of SYS/block/NAME ("/sys/devices/.../block/sda"); false when there is none. */
bool sysfs_block_path(char path[SYSFS_PATH_SIZE], const char *sys, const char *name);

/* The real path of any file, links resolved; false when there is none, or it is longer. */
bool sysfs_real_path(char path[SYSFS_PATH_SIZE], const char *file);

#endif
