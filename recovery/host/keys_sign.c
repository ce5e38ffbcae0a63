#include "keys.h"

#include <bearssl_ec.h>
#include <openssl/err.h>
#include <string.h>

/* BearSSL takes the number through a pointer that is not const: scalar is a copy, for the caller to
 * clear. */
static br_ec_private_key private_half(const struct private_key *key, uint8_t scalar[32])
{
	memcpy(scalar, key->scalar, 32);
	return (br_ec_private_key){.curve = BR_EC_secp256r1, .x = scalar, .xlen = 32};
}

bool keys_scalar_fits(const struct private_key *key)
{
	uint8_t scalar[32], point[BR_EC_KBUF_PUB_MAX_SIZE];
	br_ec_private_key private = private_half(key, scalar);
	size_t len = br_ec_compute_pub(&br_ec_p256_m31, NULL, point, &private);
	OPENSSL_cleanse(scalar, sizeof(scalar));
	return len == sizeof(key->public.point) && memcmp(point, key->public.point, len) == 0;
}

/* RFC 6979: OpenSSL 3.0 has no deterministic nonce, BearSSL has no other. */
static size_t sign_deterministic(const struct private_key *key, const uint8_t hash[HASH_LEN],
				 uint8_t *signature)
{
	uint8_t scalar[32];
	br_ec_private_key private = private_half(key, scalar);
	size_t len = br_ecdsa_i31_sign_asn1(&br_ec_p256_m31, &br_sha256_vtable, hash, &private,
					    signature);
	OPENSSL_cleanse(scalar, sizeof(scalar));
	return len;
}

static size_t sign_elsewhere(const struct private_key *key, const uint8_t *head, size_t head_len,
			     uint8_t *signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = KEYS_SIGNATURE_MAX;
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
		  EVP_DigestSignUpdate(ctx, PACKAGE_DOMAIN, sizeof(PACKAGE_DOMAIN)) == 1 &&
		  EVP_DigestSignUpdate(ctx, head, head_len) == 1 &&
		  EVP_DigestSignFinal(ctx, signature, &len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? len : 0;
}

enum status keys_sign(const struct private_key *key, const uint8_t *head, size_t head_len,
		      uint8_t *signature, size_t *len, struct problem *problem)
{
	uint8_t hash[HASH_LEN];

	package_id(head, head_len, hash);
	*len = key->extractable ? sign_deterministic(key, hash, signature)
				: sign_elsewhere(key, head, head_len, signature);
	if (!*len)
		return problem_set(problem, STATUS_INSTALL_FAILED, key->public.name,
				   "did not sign. Check that it may be used for signing.");

	/* What a device will do; a computer or token that errs shall not bring out a wrong
	 * signature. */
	struct package_signatures signatures = {
		.count = 1,
		.at = {{.key_id = key->public.id,
			.algorithm = SIGNATURE_ECDSA_P256_SHA256,
			.bytes = signature,
			.len = *len}},
	};
	struct trust trust = {.keys = &key->public, .count = 1};
	if (trust_check(&trust, &signatures, hash, NULL, NULL) != DETAIL_OK)
		return problem_set(problem, STATUS_INSTALL_FAILED, key->public.name,
				   "made a signature that does not hold under its own public half. "
				   "Do not use this key or this computer.");
	return STATUS_OK;
}
