/*
 * What a package shall be: from a description (device-tree source or blob) and from the command
 *line, which wins.
 *
 *	/dts-v1/;
 *	/ {
 *		product = "example,board";
 *		version = "2.0.1";
 *		release = <2>;
 *		images {
 *			boot { file = "boot.itb"; };
 *		};
 *	};
 */
#ifndef LIFEBOAT_HOST_DESCRIBE_H
#define LIFEBOAT_HOST_DESCRIBE_H

#include <stdbool.h>
#include <stdint.h>

#include "manifest.h"
#include "problem.h"

#define DESCRIBE_CHUNK_SIZE (64u << 10)
#define DESCRIBE_LEVEL 19
#define DESCRIBE_EXTRAS_MAX 32

struct optional {
	bool set;
	uint64_t value;
};

/* A property whose name begins with "x-": for people and other tools, passed on as it is. */
struct describe_extra {
	char *name;
	uint8_t *bytes;
	size_t len;
};

struct describe_extras {
	size_t count;
	struct describe_extra at[DESCRIBE_EXTRAS_MAX];
};

struct describe_image {
	char *role;
	char *path;
	struct optional chunk_size;
	struct describe_extras extras;
};

/* All texts are its own. */
struct description {
	size_t product_count;
	char *products[MANIFEST_PRODUCTS_MAX];
	char *version;
	char *notes; /* NULL: none */
	struct optional release, rollback_floor, minimum_release, key_epoch, created;
	struct optional chunk_size, level;
	struct describe_extras extras;
	size_t image_count;
	struct describe_image images[MANIFEST_IMAGES_MAX];
};

/* Reads a description; the paths in it count from its folder. description: zeroed before. */
enum status describe_load(struct description *description, const char *path,
			  struct problem *problem);

/* Sets a property by its name in the description, from a text of the command line. object: for the
 * sentence. A list gets one more value. */
enum status describe_set(struct description *description, const char *name, const char *text,
			 const char *object, struct problem *problem);
void describe_clear_products(struct description *description);

/* Adds an image, or gives one of the description another file. */
enum status describe_set_image(struct description *description, const char *role, const char *path,
			       struct problem *problem);

/* Fills in what was not said, and checks everything that needs no image. */
enum status describe_check(struct description *description, struct problem *problem);

void describe_free(struct description *description);

#endif
