/*
 * Signatures for the targets that get past them. Linked with one of two: signature_cheap.c puts a
 * hash in the place of ECDSA (the linker's --wrap), so that a fuzzer does thousands of runs in a
 * second; signature_real.c leaves the program's own code in place, and asks OpenSSL about each
 * signature.
 */
#ifndef FUZZ_SIGNATURE_H
#define FUZZ_SIGNATURE_H

#include "fuzz.h"
#include "hash.h"

#define SIGNATURE_KEYS 3 /* that are trusted: test keys 0 to 2; test key 3 is known to nobody */
#define SIGNATURE_LEN_MAX 80

/* Signs with a test key; returns the length. */
size_t signature_make(size_t key, const uint8_t hash[HASH_LEN], uint8_t out[SIGNATURE_LEN_MAX]);

/* Whether a signature holds, worked out by other code than the program's. */
bool signature_holds(size_t key, const uint8_t hash[HASH_LEN], const uint8_t *bytes, size_t len);

/* Which test key an id is of; -1: none that is trusted. */
int signature_key(const uint8_t id[HASH_LEN]);

/*
 * What trust_check has to say of a signature block that is sound: true when an entry is of a
 * trusted key and every entry of one holds.
 */
bool signature_block_holds(const uint8_t *block, size_t len, const uint8_t hash[HASH_LEN]);

/* A block with entries of these test keys; returns its length. */
size_t signature_block_make(const size_t *keys, size_t count, const uint8_t hash[HASH_LEN],
			    struct bytes *to);

/*
 * Signs anew each entry of a trusted key, in place, where the length of its signature allows. */
void signature_block_sign(uint8_t *block, size_t len, const uint8_t hash[HASH_LEN]);

#endif
