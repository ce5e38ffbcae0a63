/* Index pages (FORMAT.md 1.5). */
#ifndef LIFEBOAT_INDEX_H
#define LIFEBOAT_INDEX_H

#include "manifest.h"

#define INDEX_HEADER_LEN 32u
#define INDEX_ENTRY_LEN 80u
#define INDEX_PAGE_MAX (INDEX_HEADER_LEN + INDEX_ENTRY_LEN * SEGMENT_CHUNKS_MAX) /* 81952 bytes */

enum chunk_kind {
	CHUNK_RAW = 1,
	CHUNK_ZSTD = 2,
	CHUNK_FILL = 3,
	CHUNK_COPY = 4,	 /* reserved */
	CHUNK_PATCH = 5, /* reserved */
};

extern const uint8_t index_magic[8];

struct index_entry {
	enum chunk_kind kind;
	uint32_t stored_len;
	uint32_t plain_len;
	const uint8_t *stored_sha256; /* within the page */
	const uint8_t *plain_sha256;  /* within the page */
};

/*
 * Checks a whole page against the manifest: its hash first, then every entry, then that the stored
 * lengths fill the segment. page: segment.index_len bytes. image_number: place of the image in the
 * manifest. Details: INDEX_HASH, INDEX_MALFORMED, CHUNK_KIND, CHUNK_LENGTH.
 */
enum detail index_check(const struct manifest_image *image, size_t image_number, uint64_t segment,
			const uint8_t *page, struct fault *fault);

/* Entry n of a page that index_check accepted. */
void index_entry(const struct manifest_image *image, uint64_t segment, const uint8_t *page,
		 uint32_t n, struct index_entry *entry);

/* For the packer: the raw form of a page's header and of an entry. */
void index_header_store(uint8_t raw[INDEX_HEADER_LEN], uint64_t image_number, uint64_t first_chunk,
			uint64_t count);
void index_entry_store(uint8_t raw[INDEX_ENTRY_LEN], enum chunk_kind kind, uint64_t stored_len,
		       const uint8_t stored_sha256[HASH_LEN], const uint8_t plain_sha256[HASH_LEN]);

#endif
