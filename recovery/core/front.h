/*
 * The front half of the engine: turns a source into verified chunks.
 *
 * It knows no device. Order: header (lengths bounds-checked) -> manifest and signatures as raw
 * bytes -> signature -> manifest parsed -> index page hashed, then parsed -> stored bytes of a
 * chunk hashed, then decompressed -> plain bytes hashed. The buffer that was checked is the buffer
 * that is used: nothing is read twice from the source between check and use.
 *
 * Use: front_open; then front_next until *more is false, and for each chunk front_fetch, or
 * nothing: a chunk that is not fetched is passed over, and costs no read. Then front_end. After any
 * failure only front_open may follow.
 */
#ifndef LIFEBOAT_FRONT_H
#define LIFEBOAT_FRONT_H

#include <stdalign.h>

#include "index.h"
#include "manifest.h"
#include "package.h"
#include "seam.h"
#include "trust.h"

/*
 * ZSTD_estimateDCtxSize() of zstd 1.5 is below 96 KiB without, and about 160 KiB with, its larger
 * entropy tables.
 */
#define FRONT_ZSTD_WORKSPACE (192u << 10)

struct chunk {
	size_t image;		     /* place in the manifest */
	uint64_t number;	     /* in the image */
	uint64_t off;		     /* in the image, bytes */
	uint32_t len;		     /* plain bytes */
	uint32_t stored_len;	     /* bytes in the package */
	const uint8_t *plain_sha256; /* from the verified index; valid until the next front_next */
};

struct front {
	struct source *source;
	uint64_t pos;	  /* where the source stands */
	uint64_t payload; /* where the payload starts in the package */
	struct package_header header;
	size_t signatures_len;
	uint8_t id[HASH_LEN]; /* of the package */
	const struct trust_key *signer;
	struct manifest manifest;

	size_t image; /* of the next chunk */
	uint64_t segment;
	uint32_t entry;
	bool page_loaded;
	uint64_t chunk_pos; /* of the current chunk's stored bytes in the package */
	struct index_entry current;
	uint8_t fill_byte; /* plain hash of the last fill chunk, so that holes cost one hash and not
			      thousands */
	uint32_t fill_len;
	uint8_t fill_sha256[HASH_LEN];

	/*
	 * Buffers, here so that the memory is known beforehand: about 3.4 MiB, of which only what
	 * is used is touched.
	 */
	alignas(16) uint8_t head[PACKAGE_HEAD_MAX]; /* header, manifest, signature block, as they
						       stand in the package */
	alignas(16) uint8_t page[INDEX_PAGE_MAX];
	alignas(4096) uint8_t stored[CHUNK_SIZE_MAX];
	alignas(4096) uint8_t plain[CHUNK_SIZE_MAX];
	alignas(16) uint8_t zstd[FRONT_ZSTD_WORKSPACE];
};

/*
 * Reads and proves header, signatures and manifest. source stays the caller's and must outlive the
 * front. On failure front->id is set when the package got as far as having one (package_known).
 * Details: 10xx of the source, TOO_SHORT .. SEGMENT_LAYOUT.
 */
enum detail front_open(struct front *front, struct source *source, const struct trust *trust,
		       struct fault *fault);

/* The next chunk; *more = false after the last one. A page that is new is read and proved. */
enum detail front_next(struct front *front, struct chunk *chunk, bool *more, struct fault *fault);

/*
 * Reads, proves and unpacks the current chunk. plain: chunk.len bytes, valid until the next call.
 */
enum detail front_fetch(struct front *front, const uint8_t **plain, struct fault *fault);

/* After the last chunk: nothing may follow the payload. */
enum detail front_end(struct front *front, struct fault *fault);

/*
 * Puts the package's file name before what a fault's sentence is about: "update.boat, image system,
 * chunk 3". The front does it for its own faults.
 */
void front_name_fault(const struct front *front, struct fault *fault);

/*
 * Header, manifest and signature block as they stand in the package: what the state partition keeps
 * of a pending one.
 */
size_t front_head_len(const struct front *front);

/* Starts again at the first chunk, without reading the head again. */
void front_rewind(struct front *front);

/*
 * Proves a whole package without a device: every page, every chunk, every image's SHA-256, and the
 * end. observer may be NULL. Detail IMAGE_HASH when the chunks of an image do not make its SHA-256.
 */
enum detail front_verify_all(struct front *front, struct observer *observer, struct fault *fault);

#endif
