/*
 * Keys: ECDSA on P-256. A private key is PEM (PKCS #8 or SEC 1, with a pass phrase or without) or a
 * URI that an OpenSSL provider knows, such as pkcs11: for an HSM. A public key is PEM
 * SubjectPublicKeyInfo.
 *
 * A key's id is the SHA-256 of its DER SubjectPublicKeyInfo (RFC 5480) with a named curve and an
 * uncompressed point.
 */
#ifndef LIFEBOAT_HOST_KEYS_H
#define LIFEBOAT_HOST_KEYS_H

#include <stdbool.h>
#include <openssl/evp.h>

#include "hash.h"
#include "package.h"
#include "problem.h"
#include "trust.h"

#define KEYS_SPKI_LEN 91
#define KEYS_SIGNATURE_MAX 72 /* DER, two integers of at most 33 bytes */

struct private_key {
	EVP_PKEY *pkey;
	struct trust_key public; /* its name is the caller's text */
	bool extractable;
	uint8_t scalar[32]; /* when extractable */
};

/* pass_file: a file whose first line is the pass phrase, or NULL: ask on the terminal when one is
 * needed. */
enum status keys_load_private(struct private_key *key, const char *name, const char *pass_file,
			      struct problem *problem);
/* Forgets the secret; may be called after a failed load. */
void keys_free_private(struct private_key *key);

/* key->name is new memory: the file's name without folders and without ".pub". */
enum status keys_load_public(struct trust_key *key, const char *path, struct problem *problem);

/* A trust store of public key files; refuses a key that comes twice. It is to be freed after a
 * failure too. */
enum status keys_load_trust(struct trust *trust, const char *const *paths, size_t count,
			    struct problem *problem);
void keys_free_trust(struct trust *trust);

/* The public half of a key that is P-256; says what it is otherwise. object: for the sentence. */
enum status keys_public_of(struct trust_key *key, EVP_PKEY *pkey, const char *object,
			   struct problem *problem);

/* The pass phrase in a file: its first line. *pass is new memory that the caller clears. */
enum status keys_load_pass(const char *path, char **pass, struct problem *problem);

/* Asks on the terminal; false when there is none, or nothing usable was typed. *pass as above. */
bool keys_ask_pass(const char *name, bool twice, char **pass);

/*
 * Signs the head of a package (header and manifest). With a key whose number can be read the nonce
 * follows RFC 6979, so the same package and key give the same bytes; a key in an HSM brings its own
 * nonce. The signature was checked with the public key before this returns. signature:
 * KEYS_SIGNATURE_MAX bytes.
 */
enum status keys_sign(const struct private_key *key, const uint8_t *head, size_t head_len,
		      uint8_t *signature, size_t *len, struct problem *problem);

/* True when the scalar is the number of the public half. */
bool keys_scalar_fits(const struct private_key *key);

/* Lower-case hexadecimal and a zero byte. */
void keys_id_text(const uint8_t id[HASH_LEN], char text[2 * HASH_LEN + 1]);

#endif
