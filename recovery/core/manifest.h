/* The manifest: a flattened device tree (FORMAT.md 1.4). */
#ifndef LIFEBOAT_MANIFEST_H
#define LIFEBOAT_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "detail.h"
#include "hash.h"

#define MANIFEST_PRODUCTS_MAX 16
#define MANIFEST_IMAGES_MAX 16
#define MANIFEST_VERSION_SIZE 64 /* with the ending zero byte */
#define MANIFEST_ROLE_SIZE 32	 /* with the ending zero byte */
#define MANIFEST_NOTES_MAX 4095
#define MANIFEST_SEGMENT_LEN 56
#define MANIFEST_IMAGE_MAX (UINT64_C(1) << 62)

#define CHUNK_SIZE_MIN 4096u
#define CHUNK_SIZE_MAX (1u << 20)
#define SEGMENT_CHUNKS_MAX 1024u

struct manifest_image {
	char role[MANIFEST_ROLE_SIZE];
	uint64_t size;		  /* bytes */
	uint8_t sha256[HASH_LEN]; /* of the whole image */
	uint32_t chunk_size;	  /* bytes */
	uint64_t chunk_count;
	uint64_t segment_count;
	const uint8_t *segments; /* segment_count records, within the manifest's bytes */
};

struct manifest_segment {
	uint64_t off; /* from the start of the payload */
	uint64_t len; /* index page and stored chunks */
	uint64_t index_len;
	const uint8_t *index_sha256; /* HASH_LEN bytes, within the manifest */
};

/* Strings point into the manifest's bytes, which must outlive this. */
struct manifest {
	size_t product_count;
	const char *products[MANIFEST_PRODUCTS_MAX];
	const char *version;
	uint64_t release;
	uint64_t rollback_floor;
	uint64_t minimum_release;
	uint64_t key_epoch;
	const char *notes; /* NULL: none */
	bool has_created;
	uint64_t created; /* seconds since 1970; informative */
	size_t image_count;
	struct manifest_image images[MANIFEST_IMAGES_MAX];
};

/*
 * Reads a manifest whose signature holds. fdt: len bytes, 8-byte aligned (libfdt asks for it).
 * payload_len: from the header; the segments must fill it exactly. Every rule of FORMAT.md 1.4 is
 * checked here, tree_is_sound() first. The fault's object names the property or node. Details:
 * MANIFEST_MALFORMED, _MISSING, _UNKNOWN, _VALUE, ROLE_UNKNOWN, THRESHOLD, ENCRYPTED,
 * SEGMENT_LAYOUT.
 */
enum detail manifest_load(struct manifest *manifest, const uint8_t *fdt, size_t len,
			  uint64_t payload_len, struct fault *fault);

void manifest_segment(const struct manifest_image *image, uint64_t segment,
		      struct manifest_segment *out);

/* Bytes of all images together. Cannot overflow: 1 MiB holds the records of 2^15 segments, and a
 * segment 1 GiB. */
uint64_t manifest_total_size(const struct manifest *manifest);

/* Number of chunks in a segment of the image, and the plain length of a chunk of it. */
uint32_t manifest_segment_chunks(const struct manifest_image *image, uint64_t segment);
uint32_t manifest_chunk_len(const struct manifest_image *image, uint64_t chunk);

#endif
