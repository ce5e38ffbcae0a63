/* Package header and signature block (FORMAT.md 1.1 to 1.3). */
#ifndef LIFEBOAT_PACKAGE_H
#define LIFEBOAT_PACKAGE_H

#include <stddef.h>
#include <stdint.h>

#include "detail.h"
#include "hash.h"

#define PACKAGE_HEADER_LEN 64
#define PACKAGE_FORMAT_VERSION 1
#define PACKAGE_MANIFEST_MIN 48		   /* an FDT header and an empty reservation map */
#define PACKAGE_MANIFEST_MAX (1u << 20)	   /* 1 MiB: 18000 segments of 64 MiB and more */
#define PACKAGE_SIGNATURES_MAX (64u << 10) /* 64 KiB: the whole block */
#define PACKAGE_SIGNATURE_COUNT_MAX 16
#define PACKAGE_SIGNATURE_MAX 1024     /* one signature */
#define PACKAGE_SIGNATURE_MIN_BLOCK 16 /* length and count, no entry */
#define PACKAGE_SIGNATURE_ENTRY 48     /* fixed part of an entry */
#define PACKAGE_HEAD_MAX (PACKAGE_HEADER_LEN + PACKAGE_MANIFEST_MAX + PACKAGE_SIGNATURES_MAX)
#define PACKAGE_DOMAIN "lifeboat package 1" /* signed with its ending zero byte: 19 bytes */

#define SIGNATURE_ECDSA_P256_SHA256 1u

extern const uint8_t package_magic[8];

struct package_header {
	uint64_t manifest_len; /* bytes */
	uint64_t payload_len;  /* bytes */
};

struct package_signature {
	const uint8_t *key_id; /* HASH_LEN bytes, within the block */
	uint32_t algorithm;
	const uint8_t *bytes;
	size_t len;
};

struct package_signatures {
	size_t count;
	struct package_signature at[PACKAGE_SIGNATURE_COUNT_MAX];
};

/*
 * Checks and reads a header. Details: NOT_A_PACKAGE, FORMAT_VERSION, HEADER_FLAGS, MANIFEST_LENGTH,
 * SIZE_MISMATCH (a payload length that no file can have).
 */
enum detail package_header_load(const uint8_t raw[PACKAGE_HEADER_LEN],
				struct package_header *header);

void package_header_store(const struct package_header *header, uint8_t raw[PACKAGE_HEADER_LEN]);

/*
 * The length of the signature block from its first 8 bytes; DETAIL_SIGNATURE_BLOCK when out of
 * bounds.
 */
enum detail package_signatures_len(const uint8_t raw[8], size_t *len);

/*
 * Reads a whole block. The entries point into it. DETAIL_SIGNATURE_BLOCK when malformed, entries
 * twice included.
 */
enum detail package_signatures_load(const uint8_t *raw, size_t len, struct package_signatures *out);

/*
 * The SHA-256 that signatures sign and that names the package: domain, header, manifest. head:
 * header and manifest.
 */
void package_id(const uint8_t *head, size_t head_len, uint8_t id[HASH_LEN]);

#endif
