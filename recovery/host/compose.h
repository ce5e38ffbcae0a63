/* Writes a manifest (FORMAT.md 1.4). */
#ifndef LIFEBOAT_HOST_COMPOSE_H
#define LIFEBOAT_HOST_COMPOSE_H

#include "describe.h"
#include "hash.h"

struct composed_image {
	uint64_t size;
	uint8_t sha256[HASH_LEN];
	uint32_t chunk_size;
	uint64_t segment_count;
	uint8_t *segments; /* segment_count records of MANIFEST_SEGMENT_LEN bytes */
};

void compose_segment(uint8_t record[MANIFEST_SEGMENT_LEN], uint64_t off, uint64_t len,
		     uint64_t index_len, const uint8_t index_sha256[HASH_LEN]);

/*
 * One composed image for each of the description's, in its order. to: PACKAGE_MANIFEST_MAX zero
 * bytes, 8-byte aligned. Returns the manifest's length, which depends on the description and the
 * segment counts only; 0: it does not fit.
 */
size_t compose_manifest(const struct description *description, const struct composed_image *images,
			uint8_t *to);

#endif
