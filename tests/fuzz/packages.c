#include "packages.h"

#include <zstd.h>

#include "manifests.h"
#include "package.h"
#include "signature.h"

/* A package taken apart, as far as its lengths can be believed. */
struct parts {
	uint8_t header[64];
	struct node *root; /* NULL: the manifest is bytes only */
	const uint8_t *manifest;
	size_t manifest_len;
	uint8_t *block;
	size_t block_len;
	uint8_t *payload;
	size_t payload_len;
};

static bool take_apart(struct parts *p, const uint8_t *data, size_t size)
{
	uint64_t manifest_len, block_len;

	if (size < 64 + 16)
		return false;
	memcpy(p->header, data, 64);
	manifest_len = load_be64(data + 16);
	if (manifest_len > size - 64 - 16)
		return false;
	p->manifest_len = (size_t)manifest_len;
	p->manifest = arena_copy(data + 64, p->manifest_len);
	p->root = tree_read(p->manifest, p->manifest_len);
	data += 64 + p->manifest_len;
	size -= 64 + p->manifest_len;
	block_len = load_be64(data);
	if (block_len > size || block_len < 16)
		return false;
	p->block_len = (size_t)block_len;
	p->block = arena_copy(data, p->block_len);
	p->payload_len = size - p->block_len;
	p->payload = arena_copy(data + p->block_len, p->payload_len);
	return true;
}

/* --- Linking: hashes of chunks, pages and images, where lengths allow --- */

static struct prop *value(struct node *image, const char *name, size_t least)
{
	struct prop *prop = prop_at(image, name);

	return prop && prop->len >= least ? prop : NULL;
}

static struct node *images_of(struct parts *p)
{
	struct node *node = p->root ? p->root->children : NULL;

	while (node && strcmp(node->name, "images"))
		node = node->next;
	return node ? node->children : NULL;
}

/* Adds the plain bytes of a chunk to the image's hash, and gives its own. */
static void plain_hash(uint32_t kind, const uint8_t *stored, size_t stored_len, size_t plain_len,
		       struct hash *image, uint8_t out[HASH_LEN])
{
	uint8_t *plain = malloc(plain_len + 1);

	memset(plain, stored_len && kind == 3 ? stored[0] : 0, plain_len);
	if (kind == 1)
		memcpy(plain, stored, stored_len < plain_len ? stored_len : plain_len);
	if (kind == 2)
		ZSTD_decompress(plain, plain_len, stored, stored_len);
	hash_add(image, plain, plain_len);
	hash_of(plain, plain_len, out);
	free(plain);
}

/* One segment at its place in the payload; *left counts the image's bytes down. */
static void link_segment(struct parts *p, uint8_t *record, uint64_t chunk_size, uint64_t *left,
			 struct hash *image)
{
	uint64_t off = load_be64(record), index_len = load_be64(record + 16), at, entries;

	if (off > p->payload_len || index_len < 32 || index_len > p->payload_len - off)
		return;
	at = off + index_len;
	entries = (index_len - 32) / 80;
	for (uint64_t i = 0; i < entries; i++) {
		uint8_t *entry = p->payload + off + 32 + 80 * i;
		uint64_t stored = load_be64(entry + 8);
		uint64_t plain = *left < chunk_size ? *left : chunk_size;

		if (stored > p->payload_len - at)
			break;
		hash_of(p->payload + at, (size_t)stored, entry + 16);
		plain_hash(load_be32(entry), p->payload + at, (size_t)stored, (size_t)plain, image,
			   entry + 48);
		at += stored;
		*left -= plain;
	}
	hash_of(p->payload + off, (size_t)index_len, record + 24);
}

static void link_images(struct parts *p)
{
	for (struct node *image = images_of(p); image; image = image->next) {
		struct prop *segments = value(image, "segments", 56);
		struct prop *size = value(image, "size", 8), *sha = value(image, "sha256", 32);
		struct prop *chunk = value(image, "chunk-size", 8);
		uint64_t left, chunk_size;
		struct hash hash;

		if (!segments || !size || !chunk)
			continue;
		left = load_be64(size->data);
		chunk_size = load_be64(chunk->data);
		if (chunk_size > 1 << 20)
			continue;
		hash_begin(&hash);
		segments->data = arena_copy(segments->data, segments->len);
		for (size_t at = 0; at + 56 <= segments->len; at += 56)
			link_segment(p, segments->data + at, chunk_size, &left, &hash);
		if (sha) {
			sha->data = arena_copy(sha->data, sha->len);
			hash_end(&hash, sha->data);
		}
	}
}

/* --- Changes --- */

static void bend_bytes(uint8_t **at, size_t *len, size_t room)
{
	uint8_t *data = arena_alloc(*len + room);

	if (*len)
		memcpy(data, *at, *len);
	*len = LLVMFuzzerMutate(data, *len, *len + room);
	*at = data;
}

/* A chunk and where it stands. */
struct place {
	uint8_t *record, *entry;
	uint64_t off, stored;
};

static bool any_chunk(struct parts *p, struct dice *dice, struct place *place)
{
	struct place found[64];
	size_t count = 0;

	for (struct node *image = images_of(p); image; image = image->next) {
		struct prop *segments = value(image, "segments", 56);

		for (size_t at = 0; segments && at + 56 <= segments->len; at += 56) {
			uint8_t *record = segments->data + at;
			uint64_t off = load_be64(record), index_len = load_be64(record + 16);
			uint64_t end;

			if (off > p->payload_len || index_len < 32 ||
			    index_len > p->payload_len - off)
				continue;
			end = off + index_len;
			for (uint64_t i = 0; i < (index_len - 32) / 80 && count < 64; i++) {
				uint8_t *entry = p->payload + off + 32 + 80 * i;
				uint64_t stored = load_be64(entry + 8);

				if (stored > p->payload_len - end)
					break;
				found[count++] = (struct place){record, entry, end, stored};
				end += stored;
			}
		}
	}
	if (count)
		*place = found[dice_below(dice, count)];
	return count > 0;
}

/* Puts other bytes in the place of a chunk's; what lies behind moves. */
static void replace(struct parts *p, const struct place *place, const uint8_t *bytes, size_t len)
{
	size_t end = (size_t)(place->off + place->stored);
	uint8_t *payload = arena_alloc(p->payload_len - (size_t)place->stored + len + 1);
	uint64_t moved = len - place->stored; /* may wrap, and wraps back */

	store_be64(place->entry + 8, len);
	store_be64(place->record + 8, load_be64(place->record + 8) + moved);
	for (struct node *image = images_of(p); image; image = image->next) {
		struct prop *segments = value(image, "segments", 56);

		for (size_t at = 0; segments && at + 56 <= segments->len; at += 56) {
			uint64_t off = load_be64(segments->data + at);
			if (off > load_be64(place->record))
				store_be64(segments->data + at, off + moved);
		}
	}
	memcpy(payload, p->payload, (size_t)place->off);
	if (len)
		memcpy(payload + place->off, bytes, len);
	memcpy(payload + place->off + len, p->payload + end, p->payload_len - end);
	p->payload = payload;
	p->payload_len = p->payload_len - (size_t)place->stored + len;
}

static void change_chunk(struct parts *p, struct dice *dice)
{
	struct place place;
	uint8_t *bytes;
	size_t len;

	if (!any_chunk(p, dice, &place))
		return;
	len = (size_t)place.stored;
	bytes = arena_copy(p->payload + place.off, len);
	switch (dice_below(dice, 4)) {
	case 0:
		store_be32(place.entry, (uint32_t)dice_below(dice, 6));
		return;
	case 1:
		store_be64(place.entry + 8, dice_number(dice, place.stored));
		return;
	case 2: /* another kind, with what belongs to it */
		bytes = frame_make(bytes, len, NULL, &len);
		store_be32(place.entry, 2);
		break;
	default:
		bend_bytes(&bytes, &len, 64);
	}
	replace(p, &place, bytes, len);
}

static void change(struct parts *p, struct dice *dice)
{
	switch (dice_below(dice, 8)) {
	case 0:
		LLVMFuzzerMutate(p->header, sizeof(p->header), sizeof(p->header));
		return;
	case 1:
		bend_bytes(&p->block, &p->block_len, 200);
		return;
	case 2:
		bend_bytes(&p->payload, &p->payload_len, 64);
		return;
	case 3:
	case 4:
		if (p->root)
			tree_change(p->root, &manifests_words, dice);
		return;
	default:
		change_chunk(p, dice);
	}
}

/* --- Putting together --- */

static size_t put_together(struct parts *p, uint8_t *data, size_t max, struct dice *dice)
{
	static struct bytes all;
	uint8_t id[HASH_LEN];

	if (dice_below(dice, 16))
		link_images(p);
	if (p->root)
		p->manifest = fdt_make(p->root, &p->manifest_len);
	if (dice_below(dice, 16)) {
		store_be64(p->header + 16, p->manifest_len);
		store_be64(p->header + 24, p->payload_len);
	}
	all.len = 0;
	bytes_add(&all, p->header, 64);
	bytes_add(&all, p->manifest, p->manifest_len);
	package_id(all.at, all.len, id);
	if (p->block_len >= 16 && dice_below(dice, 16)) {
		store_be64(p->block, p->block_len);
		signature_block_sign(p->block, p->block_len, id);
	}
	bytes_add(&all, p->block, p->block_len);
	bytes_add(&all, p->payload, p->payload_len);
	if (all.len > max)
		return 0;
	memcpy(data, all.at, all.len);
	return all.len;
}

size_t packages_mutate(uint8_t *data, size_t size, size_t max, struct dice *dice)
{
	struct parts p;
	size_t len;

	if (!dice_below(dice, 16) || !take_apart(&p, data, size))
		return LLVMFuzzerMutate(data, size, max);
	for (size_t n = 1 + dice_below(dice, 3); n; n--)
		change(&p, dice);
	len = put_together(&p, data, max, dice);
	return len ? len : LLVMFuzzerMutate(data, size, max);
}

/* --- Seeds --- */

/* Signs as signature.h has it. */
static const uint8_t *sealed(struct pkg *pkg, const size_t *keys, size_t count, size_t *len)
{
	static struct bytes all;

	pkg_seal(pkg);
	all.len = 0;
	bytes_add(&all, pkg->bytes, pkg->signatures_off);
	signature_block_make(keys, count, pkg->id, &all);
	if (pkg->payload_size)
		bytes_add(&all, pkg->payload, pkg->payload_size);
	*len = all.len;
	return arena_copy(all.at, all.len);
}

const uint8_t *packages_seed(size_t i, size_t *len)
{
	static const size_t keys[] = {1, 0, 3}, unknown[] = {3};
	uint8_t plain[4096 * 2 + 70];
	struct pkg *pkg = pkg_new();
	struct pkg_chunk *chunk;
	uint64_t wrong_len;
	uint8_t *bytes;

	memset(plain, 'z', sizeof(plain));
	noise_fill(plain + 4096 * 2, 70, 3);
	memset(plain + 4096, 'y', 300);
	pkg_add_image(pkg, "boot", plain, sizeof(plain), 4096);
	pkg_add_image(pkg, "system", plain + 4096 * 2, 70, 8192);
	chunk = pkg_chunk(pkg, 0, i % 3);
	if (i == 1)
		chunk->kind = 4;
	if (i == 2)
		chunk->flags = 1;
	if (i == 3)
		chunk->stored_sha256[0] ^= 1;
	if (i >= 4 && i < 7)
		chunk->plain_sha256[0] ^= 1;
	if (i == 7)
		pkg_chunk(pkg, 0, 1)->stored[6] ^= 0xff;
	if (i == 7)
		hash_of(pkg_chunk(pkg, 0, 1)->stored, pkg_chunk(pkg, 0, 1)->real_len,
			pkg_chunk(pkg, 0, 1)->stored_sha256);
	if (i == 8)
		pkg->images[0].plain[0] ^= 1; /* the image's hash is another's */
	if (i == 9)
		chunk->stored_len++;
	pkg_link(pkg);
	if (i == 10)
		pkg->payload[0] ^= 1;
	if (i == 11)
		pkg->flags = 1;
	if (i == 12)
		prop_u64(pkg->root, "release", 0);
	if (i == 17) { /* what only inspect shows */
		prop_u64(pkg->root, "created", 1700000000);
		prop_text(pkg->root, "notes", "two\nlines, \"quoted\"");
		prop_text(pkg->root, "x-mine", "anything");
		prop_text(pkg->root, "x-\x1b[2J", "\x1b[2J");
		prop_set(pkg->images[0].node, "x-long", plain, 70);
	}
	if (i == 18) {
		prop_u64(pkg->root, "created", UINT64_MAX);
		prop_u64(pkg->root, "no\xc2\x9bname", 1);
	}
	wrong_len = pkg->payload_size + 1;
	if (i == 13)
		pkg->payload_len = &wrong_len;
	if (i == 14)
		return sealed(pkg, unknown, 1, len);
	if (i == 15)
		return sealed(pkg, keys, 0, len);
	bytes = (uint8_t *)sealed(pkg, keys, i % 3 + 1, len);
	if (i == 16)
		bytes[pkg->signatures_off + 15] ^= 1;
	if (i == 18)
		bytes[pkg->signatures_off + 16 + 35] = 2; /* algorithm */
	if (i == 19)
		*len -= 20;
	return bytes;
}
