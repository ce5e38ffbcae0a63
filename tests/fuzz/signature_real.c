#include "signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "support.h"

size_t signature_make(size_t key, const uint8_t hash[HASH_LEN], uint8_t out[SIGNATURE_LEN_MAX])
{
	return test_sign(test_key(key), hash, out);
}

static EVP_PKEY *public_of(size_t key)
{
	static EVP_PKEY *keys[SIGNATURE_KEYS];
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	uint8_t *point = (uint8_t *)test_key(key)->public.point;
	char group[] = "prime256v1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 65),
		OSSL_PARAM_construct_end(),
	};

	if (!keys[key])
		must(context && EVP_PKEY_fromdata_init(context) == 1 &&
		     EVP_PKEY_fromdata(context, &keys[key], EVP_PKEY_PUBLIC_KEY, params) == 1);
	EVP_PKEY_CTX_free(context);
	return keys[key];
}

static bool openssl_says(EVP_PKEY *key, const uint8_t *hash, const ECDSA_SIG *sig)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	uint8_t *der = NULL;
	int len = i2d_ECDSA_SIG(sig, &der);
	bool holds = context && len > 0 && EVP_PKEY_verify_init(context) == 1 &&
		     EVP_PKEY_verify(context, der, (size_t)len, hash, HASH_LEN) == 1;

	OPENSSL_free(der);
	EVP_PKEY_CTX_free(context);
	return holds;
}

/* SEQUENCE { INTEGER r, INTEGER s }, both as long as they like, in the short or long form of a
 * length: as little as the mathematics needs. */
static const uint8_t *take(const uint8_t **at, const uint8_t *end, uint8_t tag, size_t *len)
{
	const uint8_t *value;

	if (end - *at < 2 || *(*at)++ != tag)
		return NULL;
	*len = *(*at)++;
	if (*len == 0x81) {
		if (end == *at)
			return NULL;
		*len = *(*at)++;
	} else if (*len > 0x7f) {
		return NULL;
	}
	if (*len > (size_t)(end - *at))
		return NULL;
	value = *at;
	*at += *len;
	return value;
}

bool signature_holds(size_t key, const uint8_t hash[HASH_LEN], const uint8_t *bytes, size_t len)
{
	const uint8_t *end = bytes + len, *r, *s;
	size_t outer, r_len = 0, s_len = 0;
	ECDSA_SIG *sig;
	bool holds;

	bytes = take(&bytes, end, 0x30, &outer);
	if (!bytes || bytes + outer != end)
		return false;
	r = take(&bytes, end, 2, &r_len);
	s = r ? take(&bytes, end, 2, &s_len) : NULL;
	if (!s || bytes != end)
		return false;
	sig = ECDSA_SIG_new();
	must(sig &&
	     ECDSA_SIG_set0(sig, BN_bin2bn(r, (int)r_len, NULL), BN_bin2bn(s, (int)s_len, NULL)));
	holds = openssl_says(public_of(key), hash, sig);
	ECDSA_SIG_free(sig);
	return holds;
}
