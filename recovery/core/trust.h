/*
 * The trust store: public keys compiled into the program, and the check of a package's signatures
 * against them.
 */
#ifndef LIFEBOAT_TRUST_H
#define LIFEBOAT_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "package.h"

struct trust_key {
	uint8_t id[HASH_LEN]; /* SHA-256 of the DER SubjectPublicKeyInfo */
	uint8_t point[65];    /* uncompressed P-256 point, SEC 1 section 2.3.3 */
	const char *name;     /* for messages */
};

struct trust {
	const struct trust_key *keys;
	size_t count;
};

/* Generated into build/keys.c by `lifeboat-pack trust`. */
extern const struct trust trust_embedded;

const struct trust_key *trust_find(const struct trust *trust, const uint8_t id[HASH_LEN]);

/*
 * Checks the signatures of a package. signed_hash: package_id(). Holds when at least one entry is
 * of a trusted key and every entry of a trusted key holds (ECDSA P-256, FIPS 186-4; DER as in RFC
 * 3279). signer: the first key that held; may be NULL. Details: NO_TRUST_STORE, UNSIGNED,
 * NO_KNOWN_KEY, SIGNATURE_ALGORITHM, SIGNATURE_WRONG.
 */
enum detail trust_check(const struct trust *trust, const struct package_signatures *signatures,
			const uint8_t signed_hash[HASH_LEN], const struct trust_key **signer,
			struct fault *fault);

#endif
