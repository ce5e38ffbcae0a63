/* SHA-256 (FIPS 180-4), from BearSSL; here so that the rest of core names it in one way. */
#ifndef LIFEBOAT_HASH_H
#define LIFEBOAT_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bearssl_hash.h>

#define HASH_LEN 32

struct hash {
	br_sha256_context ctx;
};

static inline void hash_begin(struct hash *h)
{
	br_sha256_init(&h->ctx);
}

static inline void hash_add(struct hash *h, const void *p, size_t len)
{
	br_sha256_update(&h->ctx, p, len);
}

static inline void hash_end(struct hash *h, uint8_t out[HASH_LEN])
{
	br_sha256_out(&h->ctx, out);
}

static inline void hash_of(const void *p, size_t len, uint8_t out[HASH_LEN])
{
	struct hash h;
	hash_begin(&h);
	hash_add(&h, p, len);
	hash_end(&h, out);
}

static inline bool hash_equal(const uint8_t a[HASH_LEN], const uint8_t b[HASH_LEN])
{
	return memcmp(a, b, HASH_LEN) == 0;
}

#endif
