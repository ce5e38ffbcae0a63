/* The check of signatures (I1): empty, short and missing values are failures, and no setting turns
 * it off. */
#include "support.h"

struct entry {
	const struct test_key *key;
	uint32_t algorithm;
	uint8_t sig[80];
	size_t len;
};

static uint8_t hash[HASH_LEN];

static void sign_with(struct entry *e, size_t key)
{
	memset(hash, 0x5c, sizeof(hash));
	e->key = test_key(key);
	e->algorithm = SIGNATURE_ECDSA_P256_SHA256;
	e->len = test_sign(e->key, hash, e->sig);
}

static enum detail check_entries(const struct trust *trust, const struct entry *entries,
				 size_t count, const struct trust_key **signer)
{
	struct package_signatures s = {.count = count};
	struct fault fault;
	for (size_t i = 0; i < count; i++)
		s.at[i] = (struct package_signature){
			.key_id = entries[i].key->public.id,
			.algorithm = entries[i].algorithm,
			.bytes = arena_copy(entries[i].sig, entries[i].len),
			.len = entries[i].len,
		};
	return trust_check(trust, &s, hash, signer, &fault);
}

static enum detail check_one(const struct entry *e)
{
	struct trust trust = trust_of(0, 1);
	return check_entries(&trust, e, 1, NULL);
}

static void good_signature_holds(void **state)
{
	(void)state;
	struct trust trust = trust_of(0, 3);
	const struct trust_key *signer = NULL;
	struct entry e;
	for (size_t k = 0; k < 3; k++) {
		sign_with(&e, k);
		assert_detail(check_entries(&trust, &e, 1, &signer), DETAIL_OK);
		assert_ptr_equal(signer, &trust.keys[k]);
		assert_detail(check_entries(&trust, &e, 1, NULL), DETAIL_OK);
	}
}

static void find_by_whole_id(void **state)
{
	(void)state;
	struct trust trust = trust_of(0, 3);
	uint8_t id[HASH_LEN];
	for (size_t k = 0; k < 3; k++)
		assert_ptr_equal(trust_find(&trust, test_key(k)->public.id), &trust.keys[k]);
	assert_null(trust_find(&trust, test_key(3)->public.id));
	for (int i = 0; i < HASH_LEN; i++) {
		memcpy(id, test_key(1)->public.id, HASH_LEN);
		id[i] ^= 1;
		assert_null(trust_find(&trust, id));
	}
}

static void no_keys_is_a_failure(void **state)
{
	(void)state;
	struct trust none = {0};
	struct entry e;
	sign_with(&e, 0);
	assert_detail(check_entries(&none, &e, 1, NULL), DETAIL_NO_TRUST_STORE);
	assert_detail(check_entries(&none, &e, 0, NULL), DETAIL_NO_TRUST_STORE);
}

static void unsigned_and_unknown(void **state)
{
	(void)state;
	struct trust trust = trust_of(0, 2);
	struct entry e[2];
	assert_detail(check_entries(&trust, e, 0, NULL), DETAIL_UNSIGNED);
	sign_with(&e[0], 5);
	assert_detail(check_entries(&trust, e, 1, NULL), DETAIL_NO_KNOWN_KEY);
	sign_with(&e[1], 6);
	assert_detail(check_entries(&trust, e, 2, NULL), DETAIL_NO_KNOWN_KEY);
}

/* FORMAT.md 1.3: an entry whose key the reader does not have is passed over, whatever its
 * algorithm. */
static void unknown_beside_known(void **state)
{
	(void)state;
	struct trust trust = trust_of(0, 2);
	const struct trust_key *signer;
	struct entry e[2];
	for (int order = 0; order < 2; order++) {
		sign_with(&e[order], 1);
		sign_with(&e[!order], 5);
		e[!order].algorithm = 99;
		memset(e[!order].sig, 0, sizeof(e[0].sig));
		at_case("order %d", order);
		assert_detail(check_entries(&trust, e, 2, &signer), DETAIL_OK);
		check(signer == &trust.keys[1]);
		/* ... but it does not stand in for the known one. */
		e[order].sig[20] ^= 1;
		assert_detail(check_entries(&trust, e, 2, &signer), DETAIL_SIGNATURE_WRONG);
	}
}

/* An entry of a key that the reader has and that does not hold is an error, though another one
 * holds. */
static void one_known_wrong_beside_one_right(void **state)
{
	(void)state;
	struct trust trust = trust_of(0, 2);
	struct entry e[2];
	for (int order = 0; order < 2; order++) {
		sign_with(&e[order], 0);
		sign_with(&e[!order], 1);
		assert_detail(check_entries(&trust, e, 2, NULL), DETAIL_OK);
		e[!order].sig[e[!order].len - 1] ^= 1;
		assert_detail(check_entries(&trust, e, 2, NULL), DETAIL_SIGNATURE_WRONG);
		sign_with(&e[!order], 1);
		e[!order].algorithm = 2;
		assert_detail(check_entries(&trust, e, 2, NULL), DETAIL_SIGNATURE_ALGORITHM);
	}
}

static void signer_is_the_first_that_held(void **state)
{
	(void)state;
	struct trust trust = trust_of(0, 3);
	const struct trust_key *signer = NULL;
	struct entry e[2];
	sign_with(&e[0], 2);
	sign_with(&e[1], 1);
	assert_detail(check_entries(&trust, e, 2, &signer), DETAIL_OK);
	assert_ptr_equal(signer, &trust.keys[2]);
}

static void unknown_algorithm_of_a_known_key(void **state)
{
	(void)state;
	static const uint32_t algorithms[] = {0,   2,	    3,		255,	    256,
					      257, 0x10001, 0x01000000, 0x80000001, UINT32_MAX};
	struct entry e;
	sign_with(&e, 0);
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		e.algorithm = algorithms[i];
		at_case("algorithm %x", algorithms[i]);
		assert_detail(check_one(&e), DETAIL_SIGNATURE_ALGORITHM);
	}
}

static void every_bit_of_the_signature_counts(void **state)
{
	(void)state;
	struct entry good, e;
	sign_with(&good, 0);
	for (size_t i = 0; i < good.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			e = good;
			e.sig[i] ^= (uint8_t)(1 << bit);
			at_case("byte %zu bit %d", i, bit);
			assert_detail(check_one(&e), DETAIL_SIGNATURE_WRONG);
		}
}

static void every_bit_of_the_hash_counts(void **state)
{
	(void)state;
	struct entry e;
	sign_with(&e, 0);
	for (int i = 0; i < HASH_LEN; i++) {
		hash[i] ^= 0x01;
		at_case("byte %d", i);
		assert_detail(check_one(&e), DETAIL_SIGNATURE_WRONG);
		hash[i] ^= 0x01;
	}
	assert_detail(check_one(&e), DETAIL_OK);
}

static void cut_and_lengthened_signatures(void **state)
{
	(void)state;
	struct entry good, e;
	sign_with(&good, 0);
	for (size_t len = 1; len < good.len; len++) {
		e = good;
		e.len = len;
		at_case("cut to %zu", len);
		assert_detail(check_one(&e), DETAIL_SIGNATURE_WRONG);
	}
	e = good;
	e.sig[e.len++] = 0;
	assert_detail(check_one(&e), DETAIL_SIGNATURE_WRONG);
}

/* The classics: r or s zero, and a signature of nothing. */
static void degenerate_signatures(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		uint8_t sig[16];
	} cases[] = {
		{8, {0x30, 6, 2, 1, 0, 2, 1, 0}},
		{8, {0x30, 6, 2, 1, 1, 2, 1, 0}},
		{8, {0x30, 6, 2, 1, 0, 2, 1, 1}},
		{8, {0x30, 6, 2, 1, 1, 2, 1, 1}},
		{6, {0x30, 4, 2, 0, 2, 0}},
		{2, {0x30, 0}},
		{1, {0}},
		{8, {0}},
	};
	struct entry e;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sign_with(&e, 0);
		memcpy(e.sig, cases[i].sig, cases[i].len);
		e.len = cases[i].len;
		at_case("degenerate %zu", i);
		assert_detail(check_one(&e), DETAIL_SIGNATURE_WRONG);
	}
}

static void signature_of_another_key(void **state)
{
	(void)state;
	struct trust trust = trust_of(0, 2);
	struct entry e;
	sign_with(&e, 1);
	e.key = test_key(0);
	assert_detail(check_entries(&trust, &e, 1, NULL), DETAIL_SIGNATURE_WRONG);
	sign_with(&e, 5); /* an unknown key's signature under a known key's name */
	e.key = test_key(0);
	assert_detail(check_entries(&trust, &e, 1, NULL), DETAIL_SIGNATURE_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_signature_holds),
		TEST(find_by_whole_id),
		TEST(no_keys_is_a_failure),
		TEST(unsigned_and_unknown),
		TEST(unknown_beside_known),
		TEST(one_known_wrong_beside_one_right),
		TEST(signer_is_the_first_that_held),
		TEST(unknown_algorithm_of_a_known_key),
		TEST(every_bit_of_the_signature_counts),
		TEST(every_bit_of_the_hash_counts),
		TEST(cut_and_lengthened_signatures),
		TEST(degenerate_signatures),
		TEST(signature_of_another_key),
	};
	return RUN_ALL(tests);
}
