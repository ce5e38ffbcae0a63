/* Looks for the package that fits best on everything that is plugged in. */
#ifndef LIFEBOAT_FIND_H
#define LIFEBOAT_FIND_H

#include "app.h"
#include "platform/media.h"

struct found {
	bool any;	/* a package that can be installed */
	bool preferred; /* and find_prefers says so */
	struct medium medium;
	char path[256]; /* of the file, mount point included, or of the device node */
	struct plan plan;
	struct screen_package package; /* for the screen */
	uint8_t id[HASH_LEN];

	unsigned media;	     /* that were looked at */
	unsigned candidates; /* packages that were looked at */
	struct result why;   /* why there is none, where there is a medium */
};

/* Whether there is no reason to take another one first, whatever its release is. */
typedef bool find_prefers(void *context, const uint8_t id[HASH_LEN]);

/*
 * wanted: only the package with this id (an interrupted install), or NULL: of those that this
 * device can install a preferred one, and of these the one with the highest release. Recognised by
 * content; nothing stays mounted.
 */
void find_package(struct app *app, const uint8_t *wanted, find_prefers *prefers, void *context,
		  struct found *found);

/* Opens what was found: mounts its medium again. Ends with find_close. */
enum detail find_open(struct app *app, const struct found *found, struct source **source,
		      struct fault *fault);
void find_close(struct app *app);

/* What a package says of itself, for the screen; the front holds its head. */
void find_describe(const struct app *app, enum origin origin, const char *name,
		   struct screen_package *package);

#endif
