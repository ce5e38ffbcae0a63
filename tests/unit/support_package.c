/* Makers of Zstandard frames and packages, after RFC 8878 and FORMAT.md 1. */
#include "support.h"

#include "index.h"
#include "package.h"

/* --- Zstandard frames --- */

static size_t run_at(const uint8_t *p, size_t len)
{
	size_t run = 1;
	while (run < len && p[run] == p[0])
		run++;
	return run;
}

static size_t put_block(uint8_t *out, uint32_t type, uint32_t size, bool last)
{
	uint32_t header = size << 3 | type << 1 | last;
	out[0] = (uint8_t)header;
	out[1] = (uint8_t)(header >> 8);
	out[2] = (uint8_t)(header >> 16);
	return 3;
}

static size_t frame_header(uint8_t *out, size_t len, const struct frame_options *o)
{
	size_t at = 0;
	uint64_t content_size = o->content_size ? o->content_size : len;
	store_le32(out, 0xFD2FB528);
	at = 4;
	/* Always an eight-byte content size (flag 3), so that any value fits. */
	uint8_t descriptor = o->no_content_size ? 0 : 3 << 6;
	if (!o->window_descriptor && !o->no_content_size)
		descriptor |= 1 << 5; /* single segment */
	if (o->reserved_bit)
		descriptor |= 1 << 3;
	if (o->checksum_flag)
		descriptor |= 1 << 2;
	if (o->dictionary)
		descriptor |= 1;
	out[at++] = descriptor;
	if (!(descriptor & 1 << 5))
		out[at++] = o->window;
	if (o->dictionary)
		out[at++] = 1;
	if (!o->no_content_size) {
		store_le32(out + at, (uint32_t)content_size);
		store_le32(out + at + 4, (uint32_t)(content_size >> 32));
		at += 8;
	}
	return at;
}

uint8_t *frame_make(const uint8_t *plain, size_t len, const struct frame_options *options,
		    size_t *frame_len)
{
	static const struct frame_options none;
	const struct frame_options *o = options ? options : &none;
	uint8_t *out = arena_alloc(len + len / 16 + 64);
	size_t at = frame_header(out, len, o), pos = 0;
	const size_t block_max = 1024; /* never above a window, and several blocks in a chunk */

	do {
		size_t rest = len - pos < block_max ? len - pos : block_max;
		size_t run = rest ? run_at(plain + pos, rest) : 0;
		if (run >= 64) {
			at += put_block(out + at, 1, (uint32_t)run, pos + run == len);
			out[at++] = plain[pos];
			pos += run;
			continue;
		}
		size_t raw = 0;
		while (raw < rest && (raw == 0 || run_at(plain + pos + raw, rest - raw) < 64))
			raw++;
		at += put_block(out + at, 0, (uint32_t)raw, pos + raw == len);
		memcpy(out + at, plain + pos, raw);
		at += raw;
		pos += raw;
	} while (pos < len);
	if (o->checksum_flag) {
		store_le32(out + at, 0x600dbad);
		at += 4;
	}
	*frame_len = at;
	return arena_copy(out, at);
}

/* --- Packages --- */

struct pkg *pkg_new(void)
{
	struct pkg *pkg = arena_alloc(sizeof(*pkg));
	memcpy(pkg->magic, "LBOAT\r\n\x1a", 8);
	pkg->format = 1;
	pkg->algorithm = 1;
	pkg->key_count = 1;
	pkg->keys[0] = test_key(0);
	struct node *root = pkg->root = node_new("");
	prop_text(root, "compatible", "lifeboat,package-1");
	prop_text(root, "product", "lifeboat,reference-ab");
	prop_text(root, "version", "10.0");
	prop_u64(root, "release", 10);
	prop_u64(root, "rollback-floor", 3);
	prop_u64(root, "minimum-release", 0);
	prop_u64(root, "key-epoch", 1);
	prop_text(root, "signature-role", "release");
	prop_u64(root, "signature-threshold", 1);
	prop_set(root, "recipients", "", 0);
	node_add(root, "images");
	return pkg;
}

void pkg_chunk_set(struct pkg_chunk *chunk, uint32_t kind, const uint8_t *plain, size_t plain_len,
		   const void *stored, size_t stored_len)
{
	*chunk = (struct pkg_chunk){
		.kind = kind,
		.stored_len = stored_len,
		.stored = arena_copy(stored, stored_len),
		.real_len = stored_len,
	};
	hash_of(stored, stored_len, chunk->stored_sha256);
	hash_of(plain, plain_len, chunk->plain_sha256);
}

static void chunk_make(struct pkg_chunk *chunk, const uint8_t *plain, size_t len)
{
	size_t half = len / 2;
	if (run_at(plain, len) == len) {
		pkg_chunk_set(chunk, CHUNK_FILL, plain, len, plain, 1);
	} else if (len - half >= 128 && run_at(plain + half, len - half) == len - half) {
		size_t frame_len;
		uint8_t *frame = frame_make(plain, len, NULL, &frame_len);
		pkg_chunk_set(chunk, CHUNK_ZSTD, plain, len, frame, frame_len);
	} else {
		pkg_chunk_set(chunk, CHUNK_RAW, plain, len, plain, len);
	}
}

struct pkg_image *pkg_add_image(struct pkg *pkg, const char *role, const uint8_t *plain,
				size_t size, uint32_t chunk_size)
{
	if (pkg->image_count == COUNT(pkg->images))
		fail_msg("too many images");
	struct pkg_image *image = &pkg->images[pkg->image_count];
	size_t chunks = (size + chunk_size - 1) / chunk_size;
	image->role = role;
	image->plain = arena_copy(plain, size);
	image->size = size;
	image->chunk_size = chunk_size;
	image->segment_count = (chunks + SEGMENT_CHUNKS_MAX - 1) / SEGMENT_CHUNKS_MAX;
	image->segments = arena_alloc(image->segment_count * sizeof(*image->segments));
	for (size_t s = 0; s < image->segment_count; s++) {
		struct pkg_segment *segment = &image->segments[s];
		size_t first = s * SEGMENT_CHUNKS_MAX;
		size_t count =
			chunks - first < SEGMENT_CHUNKS_MAX ? chunks - first : SEGMENT_CHUNKS_MAX;
		memcpy(segment->magic, "LBINDEX1", 8);
		segment->image = pkg->image_count;
		segment->first = first;
		segment->count = segment->chunk_count = count;
		segment->chunks = arena_alloc(count * sizeof(*segment->chunks));
		for (size_t c = 0; c < count; c++) {
			size_t off = (first + c) * chunk_size;
			size_t len = size - off < chunk_size ? size - off : chunk_size;
			chunk_make(&segment->chunks[c], image->plain + off, len);
		}
	}
	pkg->image_count++;
	return image;
}

struct pkg_chunk *pkg_chunk(struct pkg *pkg, size_t image, size_t number)
{
	return &pkg->images[image]
			.segments[number / SEGMENT_CHUNKS_MAX]
			.chunks[number % SEGMENT_CHUNKS_MAX];
}

static void page_make(struct pkg_segment *segment)
{
	segment->page_len = 32 + 80 * segment->chunk_count;
	segment->page = arena_alloc(segment->page_len);
	memcpy(segment->page, segment->magic, 8);
	store_be64(segment->page + 8, segment->image);
	store_be64(segment->page + 16, segment->first);
	store_be64(segment->page + 24, segment->count);
	for (size_t c = 0; c < segment->chunk_count; c++) {
		const struct pkg_chunk *chunk = &segment->chunks[c];
		uint8_t *entry = segment->page + 32 + 80 * c;
		store_be32(entry, chunk->kind);
		store_be32(entry + 4, chunk->flags);
		store_be64(entry + 8, chunk->stored_len);
		memcpy(entry + 16, chunk->stored_sha256, 32);
		memcpy(entry + 48, chunk->plain_sha256, 32);
	}
	hash_of(segment->page, segment->page_len, segment->index_sha256);
}

void pkg_store_segments(struct pkg_image *image)
{
	uint8_t *raw = arena_alloc(56 * image->segment_count);
	for (size_t s = 0; s < image->segment_count; s++) {
		store_be64(raw + 56 * s, image->segments[s].off);
		store_be64(raw + 56 * s + 8, image->segments[s].len);
		store_be64(raw + 56 * s + 16, image->segments[s].index_len);
		memcpy(raw + 56 * s + 24, image->segments[s].index_sha256, 32);
	}
	prop_set(image->node, "segments", raw, 56 * image->segment_count);
}

void pkg_link(struct pkg *pkg)
{
	struct node *images = node_at(pkg->root, "images");
	size_t total = 0;
	images->children = NULL;
	for (size_t i = 0; i < pkg->image_count; i++)
		for (size_t s = 0; s < pkg->images[i].segment_count; s++) {
			struct pkg_segment *segment = &pkg->images[i].segments[s];
			page_make(segment);
			segment->off = total;
			segment->index_len = segment->len = segment->page_len;
			for (size_t c = 0; c < segment->chunk_count; c++)
				segment->len += segment->chunks[c].real_len;
			total += segment->len;
		}
	pkg->payload = arena_alloc(total);
	pkg->payload_size = 0;
	for (size_t i = 0; i < pkg->image_count; i++) {
		struct pkg_image *image = &pkg->images[i];
		uint8_t sha256[HASH_LEN];
		char name[32];
		snprintf(name, sizeof(name), "image@%zu", i);
		image->node = node_add(images, name);
		prop_text(image->node, "role", image->role);
		prop_u64(image->node, "size", image->size);
		hash_of(image->plain, image->size, sha256);
		prop_set(image->node, "sha256", sha256, sizeof(sha256));
		prop_u64(image->node, "chunk-size", image->chunk_size);
		pkg_store_segments(image);
		for (size_t s = 0; s < image->segment_count; s++) {
			const struct pkg_segment *segment = &image->segments[s];
			memcpy(pkg->payload + pkg->payload_size, segment->page, segment->page_len);
			pkg->payload_size += segment->page_len;
			for (size_t c = 0; c < segment->chunk_count; c++) {
				memcpy(pkg->payload + pkg->payload_size, segment->chunks[c].stored,
				       segment->chunks[c].real_len);
				pkg->payload_size += segment->chunks[c].real_len;
			}
		}
	}
}

static size_t signatures_make(const struct pkg *pkg, const uint8_t id[HASH_LEN], uint8_t *out)
{
	size_t at = 16;
	for (size_t i = 0; i < pkg->key_count; i++) {
		uint8_t sig[80];
		size_t len = test_sign(pkg->keys[i], id, sig);
		memcpy(out + at, pkg->keys[i]->public.id, 32);
		store_be32(out + at + 32, pkg->algorithm);
		store_be32(out + at + 36, 0);
		store_be64(out + at + 40, len);
		memset(out + at + 48, 0, (len + 7) / 8 * 8);
		memcpy(out + at + 48, sig, len);
		at += 48 + (len + 7) / 8 * 8;
	}
	store_be64(out, at);
	store_be64(out + 8, pkg->key_count);
	return at;
}

void pkg_seal(struct pkg *pkg)
{
	static const char domain[19] = "lifeboat package 1";
	uint8_t block[16 + 20 * 128];
	size_t manifest_len = pkg->manifest_size;
	const uint8_t *manifest =
		pkg->manifest ? pkg->manifest : fdt_make(pkg->root, &manifest_len);
	uint8_t header[64] = {0};
	struct hash h;

	memcpy(header, pkg->magic, 8);
	store_be32(header + 8, pkg->format);
	store_be32(header + 12, pkg->flags);
	store_be64(header + 16, pkg->manifest_len ? *pkg->manifest_len : manifest_len);
	store_be64(header + 24, pkg->payload_len ? *pkg->payload_len : pkg->payload_size);
	memcpy(header + 32, pkg->reserved, 32);

	hash_begin(&h);
	hash_add(&h, domain, sizeof(domain));
	hash_add(&h, header, sizeof(header));
	hash_add(&h, manifest, manifest_len);
	hash_end(&h, pkg->id);
	size_t block_len = signatures_make(pkg, pkg->id, block);

	pkg->manifest_off = 64;
	pkg->signatures_off = 64 + manifest_len;
	pkg->payload_off = pkg->signatures_off + block_len;
	pkg->len = pkg->payload_off + pkg->payload_size;
	pkg->bytes = arena_alloc(pkg->len);
	memcpy(pkg->bytes, header, 64);
	memcpy(pkg->bytes + 64, manifest, manifest_len);
	memcpy(pkg->bytes + pkg->signatures_off, block, block_len);
	if (pkg->payload_size)
		memcpy(pkg->bytes + pkg->payload_off, pkg->payload, pkg->payload_size);
}

struct node *pkg_image_node(struct pkg *pkg, size_t image)
{
	char name[32];
	snprintf(name, sizeof(name), "image@%zu", image);
	return node_at(node_at(pkg->root, "images"), name);
}

uint8_t *pkg_content(size_t size, uint32_t chunk_size, uint64_t seed)
{
	uint8_t *p = arena_alloc(size);
	noise_fill(p, size, seed);
	for (size_t i = 0; i * chunk_size < size; i++) {
		size_t off = i * chunk_size,
		       len = size - off < chunk_size ? size - off : chunk_size;
		if (i % 4 == 1)
			memset(p + off + len / 2, (int)(seed & 0xff), len - len / 2);
		else if (i % 4 == 2)
			memset(p + off, 0, len);
		else if (i % 8 == 3)
			memset(p + off, 0xff, len);
	}
	return p;
}

struct pkg *pkg_small(void)
{
	struct pkg *pkg = pkg_new();
	size_t boot = 5 * 4096 + 100, system = 9 * 4096;
	pkg_add_image(pkg, "boot", pkg_content(boot, 4096, 1), boot, 4096);
	pkg_add_image(pkg, "system", pkg_content(system, 4096, 2), system, 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	return pkg;
}
