/*
 * The front half: a package becomes verified chunks, or an exact error (I1). The packages are made
 * by support_package.c; hostile content stands behind right hashes and a right signature wherever
 * the check behind them is meant.
 */
#include "support.h"

#include "front.h"

static struct front front;
static struct fault fault;
static struct memsource source;

static struct trust keys(void)
{
	return trust_of(0, 2);
}

/* Opens, fetches every chunk, compares it with the images, ends. The first failure is returned. */
static enum detail read_all(const struct pkg *pkg, struct memsource *from)
{
	struct trust trust = keys();
	struct chunk chunk;
	bool more;
	enum detail d = front_open(&front, &from->source, &trust, &fault);
	size_t image = 0;
	uint64_t off = 0;
	if (d)
		return d;
	for (;;) {
		const uint8_t *plain;
		d = front_next(&front, &chunk, &more, &fault);
		if (d)
			return d;
		if (!more)
			break;
		if (image < pkg->image_count && off == pkg->images[image].size) {
			image++;
			off = 0;
		}
		check(image < pkg->image_count);
		const struct pkg_image *want = &pkg->images[image];
		check(chunk.image == image && chunk.off == off &&
		      chunk.number == off / want->chunk_size);
		check(chunk.len ==
		      (want->size - off < want->chunk_size ? want->size - off : want->chunk_size));
		d = front_fetch(&front, &plain, &fault);
		if (d)
			return d;
		check(!memcmp(plain, want->plain + off, chunk.len));
		off += chunk.len;
	}
	check(image == pkg->image_count - 1 && off == pkg->images[image].size);
	return front_end(&front, &fault);
}

static enum detail read_bytes(const struct pkg *pkg, const uint8_t *bytes, size_t len,
			      bool size_known)
{
	memsource_init(&source, bytes, len);
	if (!size_known)
		source.source.size = UINT64_MAX;
	return read_all(pkg, &source);
}

static enum detail read_pkg(const struct pkg *pkg)
{
	return read_bytes(pkg, pkg->bytes, pkg->len, true);
}

static enum detail verify(const struct pkg *pkg, struct observer *observer)
{
	struct trust trust = keys();
	memsource_init(&source, pkg->bytes, pkg->len);
	enum detail d = front_open(&front, &source.source, &trust, &fault);
	return d ? d : front_verify_all(&front, observer, &fault);
}

/* One image of three chunks: raw, zstd, fill. Small, for the loops over every byte. */
static struct pkg *pkg_tiny(void)
{
	struct pkg *pkg = pkg_new();
	pkg_add_image(pkg, "boot", pkg_content(3 * 4096, 4096, 5), 3 * 4096, 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	return pkg;
}

/* --- Round trips --- */

static void all_kinds_come_back(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	unsigned kinds = 0;
	for (size_t n = 0; n < 6; n++)
		kinds |= 1u << pkg_chunk(pkg, 0, n)->kind;
	assert_int_equal(kinds, 1 << CHUNK_RAW | 1 << CHUNK_ZSTD | 1 << CHUNK_FILL);
	assert_detail(read_pkg(pkg), DETAIL_OK);
	assert_memory_equal(front.id, pkg->id, HASH_LEN);
	assert_string_equal(front.signer->name, "first");
	assert_int_equal(front_head_len(&front), pkg->payload_off);
	assert_memory_equal(front.head, pkg->bytes, pkg->payload_off);
	assert_int_equal(front.payload, pkg->payload_off);
	assert_int_equal(front.manifest.image_count, 2);
	assert_detail(verify(pkg, NULL), DETAIL_OK);
}

static void size_need_not_be_known(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	assert_detail(read_bytes(pkg, pkg->bytes, pkg->len, false), DETAIL_OK);
	assert_int_equal(source.bytes_read, pkg->len);
}

/* Front to back, each byte once: what an HTTP source costs. */
static void every_byte_is_read_once(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	memsource_init(&source, pkg->bytes, pkg->len);
	memsource_differ_on_second_read(&source);
	assert_detail(read_all(pkg, &source), DETAIL_OK);
	assert_int_equal(source.bytes_read, pkg->len);
	assert_int_equal(source.seeks, 0);
}

static void short_reads_are_survived(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	for (size_t max = 1; max < 20; max += 6) {
		memsource_init(&source, pkg->bytes, pkg->len);
		source.max_read = max;
		at_case("%zu at once", max);
		assert_detail(read_all(pkg, &source), DETAIL_OK);
	}
}

static void chunk_sizes_and_many_segments(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_new();
	size_t many = 2 * 1024 * 4096 + 4096 + 1, large = (3 << 20) + 12345;
	pkg_add_image(pkg, "many", pkg_content(many, 4096, 6), many, 4096);
	pkg_add_image(pkg, "one", pkg_content(1, 4096, 7), 1, 4096);
	pkg_add_image(pkg, "large", pkg_content(large, 1 << 20, 8), large, 1 << 20);
	pkg_link(pkg);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_OK);
	assert_detail(verify(pkg, NULL), DETAIL_OK);
}

/* A chunk that is not fetched costs no read, so a resume costs the pages only. */
static void skipping_reads_pages_only(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	struct trust trust = keys();
	for (unsigned fetched = 0; fetched < 16;
	     fetched++) { /* bit n: fetch chunks n, n + 4, ... */
		size_t want = pkg->payload_off + pkg->images[0].segments[0].page_len +
			      pkg->images[1].segments[0].page_len;
		struct chunk chunk;
		bool more;
		memsource_init(&source, pkg->bytes, pkg->len);
		at_case("mask %x", fetched);
		assert_detail(front_open(&front, &source.source, &trust, &fault), DETAIL_OK);
		for (;;) {
			const uint8_t *plain;
			assert_detail(front_next(&front, &chunk, &more, &fault), DETAIL_OK);
			if (!more)
				break;
			const struct pkg_chunk *c = pkg_chunk(pkg, chunk.image, chunk.number);
			check(chunk.stored_len == c->stored_len);
			check(!memcmp(chunk.plain_sha256, c->plain_sha256, HASH_LEN));
			if (!(fetched >> chunk.number % 4 & 1))
				continue;
			want += c->real_len;
			assert_detail(front_fetch(&front, &plain, &fault), DETAIL_OK);
			check(!memcmp(plain, pkg->images[chunk.image].plain + chunk.off,
				      chunk.len));
		}
		assert_detail(front_end(&front, &fault), DETAIL_OK);
		check(source.bytes_read == want);
	}
}

static void rewind_starts_at_the_first_chunk(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	struct trust trust = keys();
	memsource_init(&source, pkg->bytes, pkg->len);
	assert_detail(front_open(&front, &source.source, &trust, &fault), DETAIL_OK);
	for (int stop = 0; stop < 14; stop++) {
		struct chunk chunk;
		bool more;
		for (int n = 0; n <= stop; n++) {
			const uint8_t *plain;
			assert_detail(front_next(&front, &chunk, &more, &fault), DETAIL_OK);
			check(more && chunk.image == (n >= 6) &&
			      chunk.number == (uint64_t)(n < 6 ? n : n - 6));
			if (n % 2)
				continue;
			assert_detail(front_fetch(&front, &plain, &fault), DETAIL_OK);
			check(!memcmp(plain, pkg->images[chunk.image].plain + chunk.off,
				      chunk.len));
		}
		front_rewind(&front);
	}
	assert_detail(front_verify_all(&front, NULL, &fault), DETAIL_OK);
}

/* --- Damage --- */

static void every_byte_flipped_is_an_error(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	uint8_t *bytes = arena_copy(pkg->bytes, pkg->len);
	size_t page_end = pkg->payload_off + pkg->images[0].segments[0].page_len;
	/* All of the head, the page and the borders of the chunks; within a chunk every seventh
	 * will do. */
	for (size_t i = 0; i<pkg->len; i += i> page_end + 100 && i + 100 < pkg->len ? 7 : 1) {
		bytes[i] ^= (uint8_t)(1 << i % 8);
		at_case("byte %zu", i);
		enum detail d = read_bytes(pkg, bytes, pkg->len, i % 2);
		check(d != DETAIL_OK && detail_status(d) == STATUS_VERIFY_FAILED);
		if (i < 8)
			assert_detail(d, DETAIL_NOT_A_PACKAGE);
		else if (i < 12)
			assert_detail(d, DETAIL_FORMAT_VERSION);
		else if (i < 16 || (i >= 32 && i < 64))
			assert_detail(d, DETAIL_HEADER_FLAGS);
		else if (i >= 64 && i < pkg->signatures_off)
			assert_detail(
				d,
				DETAIL_SIGNATURE_WRONG); /* and nothing of it was parsed before */
		else if (i >= pkg->payload_off && i < page_end)
			assert_detail(d, DETAIL_INDEX_HASH);
		else if (i >= page_end)
			assert_detail(d, DETAIL_CHUNK_STORED_HASH);
		bytes[i] ^= (uint8_t)(1 << i % 8);
	}
	assert_detail(read_bytes(pkg, bytes, pkg->len, true), DETAIL_OK);
}

static void cut_at_every_length_is_an_error(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	size_t page_end = pkg->payload_off + pkg->images[0].segments[0].page_len;
	for (size_t len = 0;
	     len<pkg->len; len += len> page_end + 100 && len + 100 < pkg->len ? 7 : 1)
		for (int known = 0; known < 2; known++) {
			at_case("cut to %zu of %zu, size %s", len, pkg->len,
				known ? "known" : "unknown");
			uint8_t *bytes = malloc(len ? len : 1); /* the sanitizer watches its end */
			memcpy(bytes, pkg->bytes, len);
			enum detail d = read_bytes(pkg, bytes, len, known);
			free(bytes);
			if (len < 64)
				assert_detail(d, DETAIL_TOO_SHORT);
			else if (known)
				assert_detail_in(d, DETAIL_SIZE_MISMATCH, DETAIL_TOO_SHORT,
						 DETAIL_ENDED_EARLY);
			else
				assert_detail_in(d, DETAIL_ENDED_EARLY, DETAIL_TOO_SHORT);
		}
}

static void nothing_may_follow(void **state)
{
	(void)state;
	static const size_t more[] = {1, 2, 8, 4096};
	struct pkg *pkg = pkg_tiny();
	for (size_t i = 0; i < COUNT(more); i++)
		for (int known = 0; known < 2; known++)
			for (int value = 0; value < 2; value++) {
				uint8_t *bytes = arena_alloc(pkg->len + more[i]);
				memcpy(bytes, pkg->bytes, pkg->len);
				memset(bytes + pkg->len, value, more[i]);
				at_case("%zu bytes more, size %s", more[i],
					known ? "known" : "unknown");
				assert_detail(read_bytes(pkg, bytes, pkg->len + more[i], known),
					      DETAIL_SIZE_MISMATCH);
			}
}

/* The source says one size and gives another. */
static void source_lies_about_its_size(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	memsource_init(&source, pkg->bytes, pkg->len - 10); /* the file shrank while it was read */
	source.source.size = pkg->len;
	assert_detail(read_all(pkg, &source), DETAIL_ENDED_EARLY);
	static const uint64_t sizes[] = {0, 1, 63, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 1};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memsource_init(&source, pkg->bytes, pkg->len);
		source.source.size = sizes[i];
		at_case("size %llx", (unsigned long long)sizes[i]);
		assert_detail_in(read_all(pkg, &source), DETAIL_SIZE_MISMATCH, DETAIL_TOO_SHORT);
	}
}

/* What the source reports is what comes out, wherever it happens. */
static void source_fails_anywhere(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	for (size_t at = 0; at < pkg->len; at += at < pkg->payload_off ? 1 : 37) {
		memsource_init(&source, pkg->bytes, pkg->len);
		source.fail_at = at;
		source.failure = at % 2 ? DETAIL_SOURCE_GONE : DETAIL_CONNECTION_LOST;
		at_case("at %zu", at);
		assert_detail(read_all(pkg, &source),
			      at % 2 ? DETAIL_SOURCE_GONE : DETAIL_CONNECTION_LOST);
	}
}

/* I1: a stick whose second read differs. What was checked is what is used. */
static void second_read_differs(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	struct trust trust = keys();
	struct chunk chunk;
	const uint8_t *plain;
	bool more;
	memsource_init(&source, pkg->bytes, pkg->len);
	memsource_differ_on_second_read(&source);
	assert_detail(read_all(pkg, &source), DETAIL_OK);
	front_rewind(&front); /* reads the pages again: now they are others */
	assert_detail(front_next(&front, &chunk, &more, &fault), DETAIL_INDEX_HASH);

	memsource_init(&source, pkg->bytes, pkg->len);
	assert_detail(front_open(&front, &source.source, &trust, &fault), DETAIL_OK);
	assert_detail(front_next(&front, &chunk, &more, &fault), DETAIL_OK);
	assert_detail(front_fetch(&front, &plain, &fault), DETAIL_OK);
	front_rewind(&front);
	source.seen = arena_alloc(source.len);
	memset(source.seen + pkg->payload_off + pkg->images[0].segments[0].page_len, 1, 4096);
	assert_detail(front_next(&front, &chunk, &more, &fault), DETAIL_OK);
	assert_detail(front_fetch(&front, &plain, &fault), DETAIL_CHUNK_STORED_HASH);
}

/* --- Signatures at the package --- */

static void nothing_is_parsed_before_the_signature(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	uint8_t garbage[100];
	noise_fill(garbage, sizeof(garbage), 11);
	pkg->manifest = garbage;
	pkg->manifest_size = sizeof(garbage);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_MANIFEST_MALFORMED);
	pkg->key_count = 0;
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_UNSIGNED);
	pkg->key_count = 1;
	pkg->keys[0] = test_key(9);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_NO_KNOWN_KEY);
	pkg->keys[0] = test_key(0);
	pkg->algorithm = 3;
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_SIGNATURE_ALGORITHM);
	/* The id is there for messages all the same. */
	assert_memory_equal(front.id, pkg->id, HASH_LEN);
}

static void signatures_can_be_added_and_replaced(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	uint8_t id[HASH_LEN];
	memcpy(id, pkg->id, HASH_LEN);
	pkg->key_count = 16;
	for (size_t i = 0; i < 16; i++)
		pkg->keys[i] = test_key(i ? 4 + i : 1);
	pkg_seal(pkg);
	assert_memory_equal(pkg->id, id, HASH_LEN); /* no signed byte changed */
	assert_detail(read_pkg(pkg), DETAIL_OK);
	assert_string_equal(front.signer->name, "second");
	pkg->key_count = 17;
	pkg->keys[16] = test_key(23);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_SIGNATURE_BLOCK);
	pkg->key_count = 2;
	pkg->keys[0] = pkg->keys[1] = test_key(0);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_SIGNATURE_BLOCK);
}

/* Header fields changed and signed again: the field itself is refused. */
static void signed_header_fields(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	pkg->format = 2;
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_FORMAT_VERSION);
	pkg->format = 1;
	pkg->flags = 1;
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_HEADER_FLAGS);
	pkg->flags = 0;
	pkg->reserved[31] = 1;
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_HEADER_FLAGS);
	pkg->reserved[31] = 0;
	const uint64_t payload_len = pkg->payload_size + 1, huge = UINT64_MAX;
	pkg->payload_len = &payload_len;
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_SIZE_MISMATCH);
	assert_detail(read_bytes(pkg, pkg->bytes, pkg->len, false), DETAIL_SEGMENT_LAYOUT);
	check(strstr(fault.object, "update.boat") !=
	      NULL); /* the person knows it by the file's name */
	pkg->payload_len = &huge;
	pkg_seal(pkg);
	assert_detail(read_bytes(pkg, pkg->bytes, pkg->len, false), DETAIL_SIZE_MISMATCH);
	pkg->payload_len = NULL;
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_OK);
}

static void index_page_of_another_package(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny(), *other = pkg_new();
	pkg_add_image(other, "boot", pkg_content(3 * 4096, 4096, 77), 3 * 4096, 4096);
	pkg_link(other);
	memcpy(pkg->bytes + pkg->payload_off, other->images[0].segments[0].page, 32 + 3 * 80);
	assert_detail(read_pkg(pkg), DETAIL_INDEX_HASH);
}

/* --- Chunks: right stored hash, signed, and still wrong --- */

/* Chunk 1 of the tiny package gets these stored bytes; its plain bytes are as they were. */
static enum detail with_chunk(uint32_t kind, const uint8_t *stored, size_t len)
{
	struct pkg *pkg = pkg_tiny();
	pkg_chunk_set(pkg_chunk(pkg, 0, 1), kind, pkg->images[0].plain + 4096, 4096, stored, len);
	pkg_link(pkg);
	pkg_seal(pkg);
	return read_pkg(pkg);
}

static const uint8_t *tiny_plain(void)
{
	return pkg_content(3 * 4096, 4096, 5) + 4096;
}

static enum detail with_frame(struct frame_options options)
{
	size_t len;
	uint8_t *frame = frame_make(tiny_plain(), 4096, &options, &len);
	return with_chunk(CHUNK_ZSTD, frame, len);
}

static void frames_of_the_right_form(void **state)
{
	(void)state;
	assert_detail(with_frame((struct frame_options){0}), DETAIL_OK);
	/* A window of exactly the chunk size, 2^12, and smaller ones. */
	assert_detail(
		with_frame((struct frame_options){.window_descriptor = true, .window = 2 << 3}),
		DETAIL_OK);
	assert_detail(with_frame((struct frame_options){.window_descriptor = true, .window = 0}),
		      DETAIL_OK);
}

static void frames_of_the_wrong_form(void **state)
{
	(void)state;
	static const uint64_t sizes[] = {1,
					 4095,
					 4097,
					 8192,
					 UINT64_C(1) << 31,
					 (UINT64_C(1) << 32) + 4096,
					 INT64_MAX,
					 UINT64_C(1) << 63,
					 UINT64_MAX - 1,
					 UINT64_MAX};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		at_case("content size %llx", (unsigned long long)sizes[i]);
		assert_detail(with_frame((struct frame_options){.content_size = sizes[i]}),
			      DETAIL_CHUNK_DECOMPRESS);
		assert_detail(with_frame((struct frame_options){.content_size = sizes[i],
								.window_descriptor = true,
								.window = 2 << 3}),
			      DETAIL_CHUNK_DECOMPRESS);
	}
	at_case("no content size");
	assert_detail(with_frame((struct frame_options){.no_content_size = true, .window = 2 << 3}),
		      DETAIL_CHUNK_DECOMPRESS);
	for (unsigned window = (2 << 3) + 1; window < 256; window++) {
		at_case("window descriptor %x", window);
		assert_detail(with_frame((struct frame_options){.window_descriptor = true,
								.window = (uint8_t)window}),
			      DETAIL_CHUNK_DECOMPRESS);
	}
	at_case("dictionary");
	assert_detail(with_frame((struct frame_options){.dictionary = true}),
		      DETAIL_CHUNK_DECOMPRESS);
	at_case("reserved bit");
	assert_detail(with_frame((struct frame_options){.reserved_bit = true}),
		      DETAIL_CHUNK_DECOMPRESS);
	at_case("wrong checksum");
	assert_detail(with_frame((struct frame_options){.checksum_flag = true}),
		      DETAIL_CHUNK_DECOMPRESS);
}

static void frames_with_something_after_or_missing(void **state)
{
	(void)state;
	static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
	size_t len;
	uint8_t *frame = frame_make(tiny_plain(), 4096, NULL, &len);
	uint8_t *more = arena_alloc(2 * len + 64);
	for (size_t extra = 1; extra <= 16; extra++) {
		memset(more, 0, len + extra);
		memcpy(more, frame, len);
		at_case("%zu bytes after", extra);
		assert_detail(with_chunk(CHUNK_ZSTD, more, len + extra), DETAIL_CHUNK_DECOMPRESS);
	}
	at_case("skippable frame after");
	memcpy(more + len, skippable, sizeof(skippable));
	assert_detail(with_chunk(CHUNK_ZSTD, more, len + sizeof(skippable)),
		      DETAIL_CHUNK_DECOMPRESS);
	at_case("skippable frame before");
	memcpy(more, skippable, sizeof(skippable));
	memcpy(more + sizeof(skippable), frame, len);
	assert_detail(with_chunk(CHUNK_ZSTD, more, len + sizeof(skippable)),
		      DETAIL_CHUNK_DECOMPRESS);
	/* Two frames that together make the chunk. */
	at_case("two frames");
	size_t a, b;
	uint8_t *first = frame_make(tiny_plain(), 3000, NULL, &a);
	uint8_t *second = frame_make(tiny_plain() + 3000, 1096, NULL, &b);
	memcpy(more, first, a);
	memcpy(more + a, second, b);
	assert_detail(with_chunk(CHUNK_ZSTD, more, a + b), DETAIL_CHUNK_DECOMPRESS);
	/* An empty frame in front of the right one. */
	at_case("empty frame first");
	first = frame_make(tiny_plain(), 0, NULL, &a);
	memcpy(more, first, a);
	memcpy(more + a, frame, len);
	assert_detail(with_chunk(CHUNK_ZSTD, more, a + len), DETAIL_CHUNK_DECOMPRESS);
	for (size_t cut = 1; cut < len; cut += cut < 40 ? 1 : 61) {
		at_case("cut to %zu", cut);
		assert_detail(with_chunk(CHUNK_ZSTD, frame, cut), DETAIL_CHUNK_DECOMPRESS);
	}
}

/* The frame says 4096 and its blocks give more, or less. */
static void frames_whose_blocks_disagree(void **state)
{
	(void)state;
	uint8_t *plain = arena_alloc(3 << 20);
	static const size_t real[] = {1, 4095, 4097, 5000, 8192, 1 << 17, 3 << 20};
	for (size_t i = 0; i < COUNT(real); i++) {
		size_t len;
		struct frame_options options = {.content_size = 4096};
		uint8_t *frame = frame_make(plain, real[i], &options, &len);
		at_case("%zu", real[i]);
		if (len < 4096)
			assert_detail(with_chunk(CHUNK_ZSTD, frame, len), DETAIL_CHUNK_DECOMPRESS);
	}
	/* One RLE block that claims 2 MiB. */
	uint8_t bomb[17] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0,	0x10, 0,  0,
			    0,	  0,	0,    0,    0x03, 0x00, 0xff, 'x'};
	assert_detail(with_chunk(CHUNK_ZSTD, bomb, sizeof(bomb)), DETAIL_CHUNK_DECOMPRESS);
	bomb[0] = 0x27; /* the magic of zstd 0.7 */
	assert_detail(with_chunk(CHUNK_ZSTD, bomb, sizeof(bomb)), DETAIL_CHUNK_DECOMPRESS);
}

static void noise_as_frames(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		size_t len = 5 + seed * 20;
		uint8_t *stored = arena_alloc(len);
		noise_fill(stored, len, seed);
		if (seed % 2) /* a good beginning */
			memcpy(stored, "\x28\xb5\x2f\xfd\xe0\x00\x10\0\0\0\0\0\0",
			       len < 13 ? len : 13);
		at_case("seed %llu", (unsigned long long)seed);
		assert_detail(with_chunk(CHUNK_ZSTD, stored, len < 4095 ? len : 4095),
			      DETAIL_CHUNK_DECOMPRESS);
	}
}

static void plain_hash_is_checked_for_every_kind(void **state)
{
	(void)state;
	for (size_t n = 0; n < 3; n++)
		for (int byte = 0; byte < HASH_LEN; byte += 31) {
			struct pkg *pkg = pkg_tiny();
			pkg_chunk(pkg, 0, n)->plain_sha256[byte] ^= 1;
			pkg_link(pkg);
			pkg_seal(pkg);
			at_case("chunk %zu byte %d", n, byte);
			assert_detail(read_pkg(pkg), DETAIL_CHUNK_PLAIN_HASH);
			assert_detail(verify(pkg, NULL), DETAIL_CHUNK_PLAIN_HASH);
		}
	/* A fill chunk after one of the same byte and length, whose hash is wrong: no cached hash
	 * may hide it. */
	struct pkg *pkg = pkg_new();
	pkg_add_image(pkg, "boot", arena_alloc(5 * 4096 + 10), 5 * 4096 + 10, 4096);
	pkg_chunk(pkg, 0, 3)->plain_sha256[0] ^= 1;
	pkg_link(pkg);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_CHUNK_PLAIN_HASH);
	/* ... and one of another byte that claims the hash of the first. */
	pkg = pkg_new();
	uint8_t *plain = arena_alloc(2 * 4096);
	memset(plain + 4096, 9, 4096);
	pkg_add_image(pkg, "boot", plain, 2 * 4096, 4096);
	memcpy(pkg_chunk(pkg, 0, 1)->plain_sha256, pkg_chunk(pkg, 0, 0)->plain_sha256, HASH_LEN);
	pkg_link(pkg);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_CHUNK_PLAIN_HASH);
}

/* Holes: many fill chunks, the last one shorter, another byte between. */
static void fills_of_all_lengths_and_bytes(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_new();
	size_t size = 20 * 4096 + 1;
	uint8_t *plain = arena_alloc(size);
	for (size_t i = 0; i < 20; i++)
		memset(plain + i * 4096, i % 5 == 4 ? 0xff : (int)(i / 7), 4096);
	pkg_add_image(pkg, "boot", plain, size, 4096);
	pkg_add_image(pkg, "other", plain, 8192 + 100, 8192);
	pkg_link(pkg);
	pkg_seal(pkg);
	assert_detail(read_pkg(pkg), DETAIL_OK);
	assert_detail(verify(pkg, NULL), DETAIL_OK);
}

static void image_hash_is_checked_by_verify(void **state)
{
	(void)state;
	for (size_t image = 0; image < 2; image++) {
		struct pkg *pkg = pkg_small();
		prop_at(pkg_image_node(pkg, image), "sha256")->data[31] ^= 1;
		pkg_seal(pkg);
		assert_detail(verify(pkg, NULL), DETAIL_IMAGE_HASH);
	}
}

static void kinds_for_later_are_errors(void **state)
{
	(void)state;
	for (uint32_t kind = 0; kind < 10; kind++) {
		if (kind >= CHUNK_RAW && kind <= CHUNK_FILL)
			continue;
		at_case("kind %u", kind);
		assert_detail(with_chunk(kind, tiny_plain(), 100), DETAIL_CHUNK_KIND);
	}
}

/* --- The whole package, watched --- */

static void verify_reports_and_can_be_stopped(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	struct memdisk *disk = memdisk_new(4096, 512);
	struct memobserver observer;
	uint64_t total = pkg->images[0].size + pkg->images[1].size;
	memobserver_init(&observer, disk);
	assert_detail(verify(pkg, &observer.observer), DETAIL_OK);
	assert_true(observer.any && !observer.backwards);
	assert_int_equal(observer.at[observer.last].done, total);
	assert_int_equal(observer.at[observer.last].total, total);
	size_t polls = observer.polls;
	assert_true(polls >= 15);
	for (size_t stop = 0; stop < polls; stop++) {
		memobserver_init(&observer, disk);
		observer.stop_after = (long)stop;
		at_case("stop after %zu", stop);
		assert_detail(verify(pkg, &observer.observer), DETAIL_INTERRUPTED);
	}
	static const struct observer_ops nothing;
	struct observer silent = {.ops = &nothing};
	assert_detail(verify(pkg, &silent), DETAIL_OK);
}

static void verify_finds_each_damage(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_tiny();
	for (size_t i = 0; i < pkg->len; i += 17) {
		pkg->bytes[i] ^= 0x40;
		at_case("byte %zu", i);
		check(verify(pkg, NULL) != DETAIL_OK);
		pkg->bytes[i] ^= 0x40;
	}
	pkg->bytes = arena_copy(pkg->bytes, pkg->len);
	pkg->len--;
	assert_detail_in(verify(pkg, NULL), DETAIL_SIZE_MISMATCH, DETAIL_ENDED_EARLY);
}

/* --- Frames of the real compressor --- */

/* 4096 bytes of words, compressed with zstd 1.5.4 -19 --no-check: Huffman tables and sequences. */
static const uint8_t text_zst[] = {
	0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x00, 0x0f, 0x05, 0x15, 0x00, 0xb2, 0x03, 0x0a, 0x0c, 0xc0,
	0x3d, 0xe4, 0xba, 0x1a, 0x6c, 0xfc, 0xff, 0xed, 0x35, 0x07, 0x03, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0x35, 0xf0, 0xbf, 0x06, 0x06, 0xca, 0x24, 0xaa, 0x06, 0x82, 0xcd, 0xd4,
	0x81, 0xd1, 0x16, 0x78, 0xe3, 0xc0, 0xac, 0x29, 0x81, 0x61, 0xa8, 0xa1, 0x53, 0xda, 0x3f,
	0x03, 0x31, 0x08, 0x01, 0x45, 0x71, 0x50, 0x82, 0xd9, 0x03, 0x11, 0x94, 0x08, 0x21, 0x96,
	0x21, 0x03, 0x69, 0x52, 0x90, 0xa8, 0x34, 0x6c, 0x06, 0xa1, 0x80, 0xf2, 0x71, 0xc6, 0x23,
	0xe2, 0x54, 0xbe, 0xdf, 0xbe, 0xf7, 0x60, 0x0c, 0xd9, 0xd9, 0xcd, 0xb6, 0x10, 0x9b, 0x09,
	0x12, 0x24, 0xc5, 0x16, 0x0a, 0xa0, 0x4c, 0x87, 0x42, 0x4b, 0x8e, 0x78, 0xbf, 0xe4, 0xa1,
	0xa1, 0xe2, 0xfe, 0x98, 0x9c, 0x25, 0xc6, 0x6a, 0x3b, 0x3e, 0xb1, 0x3a, 0x8c, 0xc6, 0xd1,
	0xbe, 0xa6, 0x7b, 0x67, 0x56, 0xbe, 0xac, 0x14, 0xe5, 0xb8, 0xc0, 0x56, 0x67, 0xf4, 0x9e,
	0x46, 0x75, 0xe9, 0xa7, 0xab, 0xcb, 0xc0, 0x54, 0xed, 0xa9, 0xce, 0x56, 0x6d, 0x16, 0x3e,
	0x69, 0xfd, 0xc7, 0x9b, 0x35, 0x5f, 0x5d, 0xd9, 0x7e, 0x0a, 0xe0, 0x5d, 0x64, 0xd0, 0x46,
	0xc1, 0x4d, 0x48, 0x69, 0xac, 0x1c, 0x23, 0x40, 0x58, 0x0f, 0x1d, 0xee, 0x61, 0x1a, 0xb6,
	0xe1, 0xf4, 0xa5, 0x74, 0x27, 0xfb, 0xed, 0x53, 0x27, 0x2f, 0x6a, 0x9f, 0xb5, 0xa2, 0x92,
	0x18, 0x02, 0x09, 0x08, 0x72, 0x69, 0xe1, 0x7a, 0x99, 0x8d, 0x5e, 0xf0, 0xe6, 0xcb, 0xb9,
	0xf8, 0x2c, 0xd9, 0x46, 0x84, 0x02, 0x60, 0x6f, 0x14, 0xed, 0x34, 0x0c, 0x52, 0x62, 0x5b,
	0x90, 0xa1, 0x1d, 0xb9, 0x09, 0x9f, 0x04, 0xf8, 0x94, 0xca, 0x8f, 0xfe, 0x80, 0x11, 0x00,
	0xce, 0xd9, 0xe0, 0xdb, 0xae, 0x96, 0xf4, 0xe9, 0x0d, 0xaf, 0x40, 0x34, 0x4f, 0x12, 0xde,
	0xb6, 0x2c, 0xa9, 0x55, 0x9a, 0x6b, 0xc2, 0x81, 0xcf, 0xd7, 0xc7, 0x6e, 0x64, 0x50, 0x67,
	0x84, 0x02, 0x38, 0x85, 0x3c, 0x9b, 0xbf, 0xe5, 0x03, 0x70, 0xd1, 0xfd, 0x86, 0x32, 0x1d,
	0x06, 0xb6, 0xbf, 0x97, 0xe5, 0x4d, 0x98, 0xf8, 0xc0, 0xb2, 0x6f, 0xc9, 0x4f, 0x62, 0xd7,
	0x6d, 0xc6, 0xf6, 0x00, 0x22, 0x4e, 0x2c, 0xbd, 0x65, 0x12, 0x04, 0x48, 0x67, 0x5d, 0xb2,
	0xa5, 0xbd, 0x45, 0xf2, 0x57, 0x85, 0xa6, 0xda, 0xcf, 0x1f, 0x93, 0x41, 0xef, 0x3b, 0x31,
	0x7a, 0xbb, 0xf8, 0xfd, 0x07, 0x23, 0x16, 0xbf, 0x50, 0xf2, 0xea, 0x2d, 0x12, 0xb2, 0x66,
	0xec, 0x45, 0x69, 0xf1, 0xb4, 0x9b, 0xd6, 0xcb, 0x4c, 0xe2, 0x30, 0xce, 0x91, 0xc3, 0xc6,
	0x94, 0x0d, 0x2c, 0x50, 0x1e, 0x49, 0x4f, 0x0e, 0x17, 0x06, 0x69, 0x8c, 0x1f, 0x9a, 0xa7,
	0x5c, 0x64, 0x86, 0xf3, 0x10, 0xef, 0x2c, 0x38, 0x7a, 0x67, 0x5a, 0xca, 0x7a, 0xb1, 0x67,
	0x39, 0xf5, 0x50, 0x4c, 0x71, 0x4e, 0x50, 0x06, 0x10, 0x55, 0xdc, 0x7c, 0xdf, 0x4f, 0x4b,
	0x60, 0x32, 0xaf, 0x32, 0x98, 0x57, 0xb5, 0xea, 0xcc, 0x8c, 0x2a, 0xd5, 0x24, 0x92, 0x17,
	0x59, 0xb1, 0x01, 0xe9, 0x3a, 0x92, 0x16, 0x4c, 0xfa, 0xf4, 0x5c, 0x00, 0xdc, 0x03, 0xb2,
	0x8a, 0x6d, 0x63, 0x81, 0x5c, 0xd1, 0x8a, 0xa9, 0xdf, 0x79, 0xb2, 0x13, 0x20, 0x17, 0x7e,
	0x71, 0xb6, 0xd9, 0x27, 0x96, 0x4c, 0xc7, 0x90, 0x1e, 0x82, 0x1c, 0x53, 0x60, 0xde, 0x89,
	0xcf, 0xaf, 0x09, 0x5b, 0x88, 0xeb, 0x03, 0x20, 0x14, 0x88, 0x17, 0xd9, 0xb7, 0xbd, 0x60,
	0x02, 0x18, 0xc9, 0x38, 0xd5, 0xa6, 0x94, 0x04, 0xc8, 0xc8, 0xbd, 0xe1, 0x91, 0x30, 0x50,
	0xac, 0x8f, 0xcc, 0x7a, 0x9e, 0x35, 0x85, 0x27, 0x00, 0x0c, 0xcc, 0x49, 0x22, 0x55, 0x95,
	0x0f, 0xf1, 0x20, 0xe3, 0x14, 0x48, 0x4a, 0x8c, 0xe7, 0xe4, 0x83, 0xc1, 0xc8, 0xfd, 0x29,
	0x8f, 0x2d, 0xed, 0xc5, 0x02, 0x1b, 0x26, 0x6c, 0x1f, 0x1e, 0xb8, 0x13, 0xfe, 0xcc, 0x31,
	0xda, 0xcf, 0x14, 0x60, 0x69, 0xff, 0x65, 0x2b, 0x35, 0x7b, 0x63, 0x88, 0xb7, 0x1e, 0xb1,
	0x98, 0x91, 0xce, 0x4b, 0xc8, 0x38, 0xda, 0xb2, 0xf2, 0xb8, 0x65, 0xd1, 0xf1, 0xf2, 0x36,
	0xa8, 0x1d, 0x56, 0x6a, 0xb8, 0x8e, 0x38, 0x71, 0x8c, 0xb0, 0x7f, 0x0c, 0x99, 0x93, 0xf9,
	0xb5, 0x54, 0xed, 0x6f, 0xe9, 0x76, 0xd7, 0x70, 0x53, 0x6a, 0x90, 0x8e, 0x59, 0xea, 0x80,
	0x6d, 0x23, 0xc0, 0x70, 0xc4, 0x67, 0x72, 0x0a, 0x68, 0x87, 0x93, 0x81, 0x1a, 0x2a, 0x78,
	0x93, 0x7a, 0xae, 0x20, 0x5d, 0xe5, 0x06, 0x2c, 0x19, 0x4f, 0x82, 0xf1, 0x8a, 0xf9, 0x0e,
	0xc6, 0xa0, 0x20, 0xbf, 0x2b, 0x51, 0xcb, 0x00, 0x41, 0x3b, 0x92, 0x4c, 0x01, 0x14, 0xb1,
	0x55, 0x72, 0x81, 0x87, 0x5c, 0xef, 0x09, 0x03, 0x03, 0x35, 0x58, 0xb0, 0xa0, 0x01, 0x16,
	0xc0, 0xbe, 0xf1, 0x1f, 0x42, 0x50, 0x05};

static uint8_t *text_plain(void)
{
	static const char *const words[] = {"slot ", "boat ", "keel ", "mast ",
					    "rope ", "\n",    "hull ", "oar "};
	uint8_t *plain = arena_alloc(4096 + 16);
	size_t len = 0;
	for (uint64_t i = 0; len < 4096; i++) {
		const char *word = words[noise(99, i) % 8];
		memcpy(plain + len, word, strlen(word));
		len += strlen(word);
	}
	return plain;
}

static struct pkg *pkg_text(const uint8_t *stored, size_t len)
{
	struct pkg *pkg = pkg_new();
	pkg_add_image(pkg, "boot", text_plain(), 4096, 4096);
	pkg_chunk_set(pkg_chunk(pkg, 0, 0), CHUNK_ZSTD, pkg->images[0].plain, 4096, stored, len);
	pkg_link(pkg);
	pkg_seal(pkg);
	return pkg;
}

static void real_frame_comes_back(void **state)
{
	(void)state;
	assert_detail(read_pkg(pkg_text(text_zst, sizeof(text_zst))), DETAIL_OK);
}

/* Every bit of a real frame, behind a right stored hash: an error of the decoder or of the plain
 * hash, never other bytes. */
static void real_frame_every_bit_flipped(void **state)
{
	(void)state;
	uint8_t stored[sizeof(text_zst)];
	for (size_t i = 0; i < sizeof(text_zst); i += i < 80 ? 1 : 3) {
		memcpy(stored, text_zst, sizeof(stored));
		stored[i] ^= (uint8_t)(1 << (i + i / 8) % 8);
		at_case("byte %zu", i);
		enum detail d = read_pkg(pkg_text(stored, sizeof(stored)));
		if (d != DETAIL_OK) /* an unused bit: the plain bytes were compared */
			assert_detail_in(d, DETAIL_CHUNK_DECOMPRESS, DETAIL_CHUNK_PLAIN_HASH);
		arena_free();
	}
}

static enum detail says_too_much(struct source *s, void *buf, size_t len, size_t *got,
				 struct fault *f)
{
	(void)s;
	(void)f;
	memset(buf, 'L', len);
	*got = len + 1;
	return DETAIL_OK;
}

/* A source that says it gave more than was asked for is not believed: nothing is written past the
 * buffer. */
static void a_source_that_says_too_much(void **state)
{
	(void)state;
	static const struct source_ops ops = {.read = says_too_much};
	struct source liar = {.ops = &ops, .size = UINT64_MAX, .name = "liar"};
	struct trust trust = keys();
	assert_detail(front_open(&front, &liar, &trust, &fault), DETAIL_TOO_SHORT);
}

/* The end of all chunks was told; asking again tells it again. */
static void after_the_end_there_is_nothing(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	struct chunk chunk;
	bool more = true;
	assert_detail(read_pkg(pkg), DETAIL_OK);
	for (int i = 0; i < 3; i++) {
		assert_detail(front_next(&front, &chunk, &more, &fault), DETAIL_OK);
		check(!more);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_kinds_come_back),
		TEST(size_need_not_be_known),
		TEST(every_byte_is_read_once),
		TEST(short_reads_are_survived),
		TEST(chunk_sizes_and_many_segments),
		TEST(skipping_reads_pages_only),
		TEST(rewind_starts_at_the_first_chunk),
		TEST(every_byte_flipped_is_an_error),
		TEST(cut_at_every_length_is_an_error),
		TEST(nothing_may_follow),
		TEST(source_lies_about_its_size),
		TEST(source_fails_anywhere),
		TEST(second_read_differs),
		TEST(nothing_is_parsed_before_the_signature),
		TEST(signatures_can_be_added_and_replaced),
		TEST(signed_header_fields),
		TEST(index_page_of_another_package),
		TEST(frames_of_the_right_form),
		TEST(frames_of_the_wrong_form),
		TEST(frames_with_something_after_or_missing),
		TEST(frames_whose_blocks_disagree),
		TEST(noise_as_frames),
		TEST(plain_hash_is_checked_for_every_kind),
		TEST(fills_of_all_lengths_and_bytes),
		TEST(image_hash_is_checked_by_verify),
		TEST(kinds_for_later_are_errors),
		TEST(verify_reports_and_can_be_stopped),
		TEST(verify_finds_each_damage),
		TEST(real_frame_comes_back),
		TEST(real_frame_every_bit_flipped),
		TEST(a_source_that_says_too_much),
		TEST(after_the_end_there_is_nothing),
	};
	return RUN_ALL(tests);
}
