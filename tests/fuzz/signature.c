#include "signature.h"

#include "package.h"
#include "support.h"

int signature_key(const uint8_t id[HASH_LEN])
{
	for (size_t i = 0; i < SIGNATURE_KEYS; i++)
		if (hash_equal(test_key(i)->public.id, id))
			return (int)i;
	return -1;
}

/* FORMAT.md 1.3, without the program's parser. */
bool signature_block_holds(const uint8_t *block, size_t len, const uint8_t hash[HASH_LEN])
{
	uint64_t count = load_be64(block + 8);
	size_t off = 16, held = 0;

	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *entry = block + off;
		size_t bytes = (size_t)load_be64(entry + 40);
		int key = signature_key(entry);

		must(off + 48 + bytes <= len);
		if (key >= 0 && (load_be32(entry + 32) != 1 ||
				 !signature_holds((size_t)key, hash, entry + 48, bytes)))
			return false;
		held += key >= 0;
		off += 48 + (bytes + 7) / 8 * 8;
	}
	must(off == len);
	return held > 0;
}

size_t signature_block_make(const size_t *keys, size_t count, const uint8_t hash[HASH_LEN],
			    struct bytes *to)
{
	static const uint8_t zeros[8];
	size_t start = to->len;

	bytes_number(to, 0, 8);
	bytes_number(to, count, 8);
	for (size_t i = 0; i < count; i++) {
		uint8_t sig[SIGNATURE_LEN_MAX];
		size_t len = signature_make(keys[i], hash, sig);

		bytes_add(to, test_key(keys[i])->public.id, HASH_LEN);
		bytes_number(to, 1, 4);
		bytes_number(to, 0, 4);
		bytes_number(to, len, 8);
		bytes_add(to, sig, len);
		bytes_add(to, zeros, (8 - len % 8) % 8);
	}
	store_be64(to->at + start, to->len - start);
	return to->len - start;
}

void signature_block_sign(uint8_t *block, size_t len, const uint8_t hash[HASH_LEN])
{
	size_t off = 16;

	while (off <= len && len - off >= 48) {
		uint8_t *entry = block + off, sig[SIGNATURE_LEN_MAX];
		uint64_t room = load_be64(entry + 40);
		int key = signature_key(entry);

		off += 48;
		if (room > len - off)
			return;
		if (key >= 0) {
			size_t made = signature_make((size_t)key, hash, sig);

			if ((made + 7) / 8 * 8 <= (room + 7) / 8 * 8 &&
			    (made + 7) / 8 * 8 <= len - off) {
				memset(entry + 48, 0, (made + 7) / 8 * 8);
				memcpy(entry + 48, sig, made);
				if ((made + 7) / 8 == (room + 7) / 8)
					store_be64(entry + 40, made);
			}
		}
		room = (room + 7) / 8 * 8;
		if (room > len - off)
			return;
		off += (size_t)room;
	}
}
