/*
 * What went wrong in lifeboat-pack. Whoever finds it fills a struct problem and returns its status;
 * main prints it, once.
 *
 * Every text reads "OBJECT: what is wrong. What to do."
 */
#ifndef LIFEBOAT_HOST_PROBLEM_H
#define LIFEBOAT_HOST_PROBLEM_H

#include <stddef.h>

#include "detail.h"

struct problem {
	enum status status;
	char text[2048];
};

/* Sets the problem and returns its status. format: what is wrong and what to do. A problem that is
 * set already stays. */
enum status problem_set(struct problem *problem, enum status status, const char *object,
			const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An input that cannot be read, or an output that cannot be written, with the system's reason.
 * EACCES and EPERM become STATUS_NOT_PERMITTED. */
enum status problem_input(struct problem *problem, const char *path, int error);
enum status problem_output(struct problem *problem, const char *path, int error);

/* A fault of core about the package at path: number and sentence are those that the device shows.
 */
enum status problem_fault(struct problem *problem, const char *path, const struct fault *fault);

/* Names of files and what a hostile package says may hold anything: a terminal gets sound UTF-8
 * (RFC 3629) and none of the control characters, C1 (U+0080 to U+009F) included. */
void problem_make_printable(struct problem *problem);

/* Memory that may not be missing: ends the program with a sentence when there is none. */
void *memory_get(size_t size);
void *memory_resize(void *at, size_t size);
char *memory_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
