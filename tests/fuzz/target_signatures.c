/*
 * Signature block, and what the trust store says of it. Input: 32 bytes of which the hash is
 * signed, a block. (Not a hash: nobody has a message whose hash is 0, which BearSSL takes for no
 * hash.)
 */
#include "fuzz.h"

#include "package.h"
#include "signature.h"
#include "support.h"
#include "trust.h"

/* What was read, written again after FORMAT.md 1.3, is what was read. */
static void check_identity(const struct package_signatures *list, const uint8_t *raw, size_t len)
{
	static struct bytes again;

	again.len = 0;
	bytes_number(&again, len, 8);
	bytes_number(&again, list->count, 8);
	must(list->count <= 16);
	for (size_t i = 0; i < list->count; i++) {
		static const uint8_t zeros[8];
		const struct package_signature *entry = &list->at[i];

		must(entry->len >= 1 && entry->len <= 1024);
		must(entry->key_id == raw + again.len && entry->bytes == raw + again.len + 48);
		bytes_add(&again, entry->key_id, HASH_LEN);
		bytes_number(&again, entry->algorithm, 4);
		bytes_number(&again, 0, 4);
		bytes_number(&again, entry->len, 8);
		bytes_add(&again, entry->bytes, entry->len);
		bytes_add(&again, zeros, (8 - entry->len % 8) % 8);
		for (size_t j = 0; j < i; j++)
			must(!hash_equal(entry->key_id, list->at[j].key_id));
	}
	must(again.len == len && !memcmp(again.at, raw, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trust trust = trust_of(0, SIGNATURE_KEYS), empty = {.count = 0};
	const struct trust_key *signer = NULL;
	struct package_signatures list;
	struct fault fault;
	size_t named;
	uint8_t *raw, hash[HASH_LEN];
	enum detail detail;

	if (size < HASH_LEN + 8)
		return 0;
	hash_of(data, HASH_LEN, hash);
	raw = fuzz_copy(data + HASH_LEN, size - HASH_LEN);
	detail = package_signatures_len(raw, &named);
	must(detail || (named >= 16 && named <= 65536 && named % 8 == 0));
	detail = package_signatures_load(raw, size - HASH_LEN, &list);
	must(!detail || detail == DETAIL_SIGNATURE_BLOCK);
	if (!detail) {
		check_identity(&list, raw, size - HASH_LEN);
		detail = trust_check(&trust, &list, hash, &signer, &fault);
		must(!detail == signature_block_holds(raw, size - HASH_LEN, hash));
		must(detail ? fault.detail == detail : signer && signature_key(signer->id) >= 0);
		must(trust_check(&trust, &list, hash, NULL, NULL) == detail);
		must(trust_check(&empty, &list, hash, NULL, NULL) == DETAIL_NO_TRUST_STORE);
	}
	free(raw);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static struct bytes block;
	struct dice dice = {seed};
	uint8_t hash[HASH_LEN];

	if (size < HASH_LEN + 16 || !dice_below(&dice, 16)) {
		/* A block from nothing. */
		size_t keys[5], count = dice_below(&dice, 6);

		for (size_t i = 0; i < count; i++)
			keys[i] = dice_below(&dice, 5);
		if (size < HASH_LEN)
			return LLVMFuzzerMutate(data, size, max);
		hash_of(data, HASH_LEN, hash);
		block.len = 0;
		signature_block_make(keys, count, hash, &block);
		if (block.len > max - HASH_LEN)
			return LLVMFuzzerMutate(data, size, max);
		memcpy(data + HASH_LEN, block.at, block.len);
		return HASH_LEN + block.len;
	}
	if (dice_below(&dice, 4))
		size = LLVMFuzzerMutate(data, size, max);
	if (size < HASH_LEN + 16)
		return size;
	if (dice_below(&dice, 2))
		store_be64(data + HASH_LEN, size - HASH_LEN);
	hash_of(data, HASH_LEN, hash);
	if (dice_below(&dice, 2))
		signature_block_sign(data + HASH_LEN, size - HASH_LEN, hash);
	return size;
}

void fuzz_make_seeds(void)
{
	static const size_t keys[] = {0, 3, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	static const size_t unknown[] = {3, 4}, twice[] = {1, 1};
	static struct bytes all;
	uint8_t hash[HASH_LEN];
	size_t counts[] = {0, 1, 2, 3, 16, 17};

	for (size_t i = 0; i < COUNT(counts) + 6; i++) {
		all.len = 0;
		for (size_t k = 0; k < HASH_LEN; k++)
			bytes_number(&all, i, 1);
		hash_of(all.at, HASH_LEN, hash);
		if (i < COUNT(counts))
			signature_block_make(keys, counts[i], hash, &all);
		else if (i == COUNT(counts))
			signature_block_make(unknown, 2, hash, &all);
		else if (i == COUNT(counts) + 1)
			signature_block_make(twice, 2, hash, &all);
		else
			signature_block_make(keys, 3, hash, &all);
		if (i == COUNT(counts) + 2)
			all.at[HASH_LEN + 16 + 35] = 2; /* algorithm */
		if (i == COUNT(counts) + 3)
			all.at[HASH_LEN + 16 + 36] = 1; /* reserved */
		if (i == COUNT(counts) + 4)
			all.at[HASH_LEN + 16 + 50] ^= 1; /* the signature */
		if (i == COUNT(counts) + 5) {		 /* bytes that pad it */
			store_be64(all.at + HASH_LEN + 16 + 40, 25);
			all.at[HASH_LEN + 16 + 48 + 31] = 1;
		}
		fuzz_seed(all.at, all.len);
	}
	/* The longest signature, and a longer one, of a key that nobody has. */
	for (size_t len = 1024; len <= 1032; len += 8) {
		all.len = HASH_LEN;
		bytes_number(&all, 16 + 48 + len, 8);
		bytes_number(&all, 1, 8);
		for (size_t i = 0; i < 48 + len; i++)
			bytes_number(&all, i < 32 || i >= 48 ? 0x99 : 0, 1);
		store_be64(all.at + HASH_LEN + 16 + 40, len);
		fuzz_seed(all.at, all.len);
	}
}
