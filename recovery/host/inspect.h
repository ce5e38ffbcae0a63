/* What there is to see in a package, whether it is to be trusted or not. */
#ifndef LIFEBOAT_HOST_INSPECT_H
#define LIFEBOAT_HOST_INSPECT_H

#include "head.h"
#include "index.h"
#include "trust.h"

struct inspected_image {
	uint64_t stored; /* bytes in the package, index pages too */
	bool counted;	 /* all its index pages were there, and sound */
	uint64_t kinds[CHUNK_FILL + 1];
};

struct inspected {
	const char *path;
	struct input input;
	struct head head;
	struct trust trust; /* the keys that were given */
	struct inspected_image images[MANIFEST_IMAGES_MAX];
	/* Of each signature: OK: it holds, NO_KNOWN_KEY: no key was given for it, or what is wrong
	 * with it. */
	enum detail signatures[PACKAGE_SIGNATURE_COUNT_MAX];
	enum detail trusted; /* of all together; NO_TRUST_STORE: no key was given */
	struct fault fault;  /* of an index page; DETAIL_OK: none */
};

/* "holds", "unknown-key", "wrong", "unknown-algorithm" */
const char *inspect_signature_state(enum detail detail);

/* The n-th property of one's own (x-...) of a node of the manifest, false past the last. text: its
 * value when that can be shown as it is, else NULL. image: place in the manifest, -1: the package.
 */
bool inspect_extra(const struct inspected *inspected, int image, size_t n, const char **name,
		   const uint8_t **bytes, size_t *len, const char **text);

void inspect_print(const struct inspected *inspected);
void inspect_print_json(const struct inspected *inspected);

#endif
