#include "trust.h"
#include "text.h"

#include <bearssl_ec.h>

const struct trust_key *trust_find(const struct trust *trust, const uint8_t id[HASH_LEN])
{
	for (size_t i = 0; i < trust->count; i++)
		if (hash_equal(trust->keys[i].id, id))
			return &trust->keys[i];
	return NULL;
}

static bool holds(const struct trust_key *key, const struct package_signature *signature,
		  const uint8_t signed_hash[HASH_LEN])
{
	/* BearSSL takes the point through a pointer that is not const, and does not write to it. */
	uint8_t point[sizeof(key->point)];
	memcpy(point, key->point, sizeof(point));
	br_ec_public_key pk = {.curve = BR_EC_secp256r1, .q = point, .qlen = sizeof(point)};

	/*
	 * Named, not br_ecdsa_vrfy_asn1_get_default(): only one curve and one integer code are
	 * linked.
	 */
	return br_ecdsa_i31_vrfy_asn1(&br_ec_p256_m31, signed_hash, HASH_LEN, &pk, signature->bytes,
				      signature->len) == 1;
}

static enum detail key_fault(struct fault *fault, enum detail detail, const char *before,
			     const uint8_t id[HASH_LEN])
{
	char object[80];
	struct text t = TEXT_IN(object);

	text_add(&t, before);
	text_hex(&t, id, 8);
	return fault_set(fault, detail, object);
}

enum detail trust_check(const struct trust *trust, const struct package_signatures *signatures,
			const uint8_t signed_hash[HASH_LEN], const struct trust_key **signer,
			struct fault *fault)
{
	const struct trust_key *first = NULL;

	if (!trust->count)
		return fault_set(fault, DETAIL_NO_TRUST_STORE, "package");
	if (!signatures->count)
		return fault_set(fault, DETAIL_UNSIGNED, "package");
	for (size_t i = 0; i < signatures->count; i++) {
		const struct package_signature *signature = &signatures->at[i];
		const struct trust_key *key = trust_find(trust, signature->key_id);
		if (!key)
			continue;
		if (signature->algorithm != SIGNATURE_ECDSA_P256_SHA256)
			return key_fault(fault, DETAIL_SIGNATURE_ALGORITHM, "package, key ",
					 key->id);
		if (!holds(key, signature, signed_hash))
			return key_fault(fault, DETAIL_SIGNATURE_WRONG, "package, key ", key->id);
		if (!first)
			first = key;
	}
	if (!first)
		return key_fault(fault, DETAIL_NO_KNOWN_KEY, "package, signed with key ",
				 signatures->at[0].key_id);
	if (signer)
		*signer = first;
	return DETAIL_OK;
}
