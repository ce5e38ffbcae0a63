/*
 * A chunk's stored bytes, with the right hash, so that they reach the decoder. Input: chunk size
 * (1 byte), kind (1), options (1), fill byte (1), plain length of the last chunk (4), its stored
 * bytes. Before that chunk come up to three of one repeated byte.
 */
#include "fuzz.h"

#include "front.h"
#include "support.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

enum { BEFORE = 3, WRONG_STORED_HASH = 4, WRONG_PLAIN_HASH = 8, ENDS_EARLY = 16 };
enum { CANARY_LEN = 4096, CANARY = 0xc5 };

struct stream {
	uint32_t chunk_size;
	uint32_t kind;
	unsigned int options;
	uint8_t fill;
	uint32_t plain_len; /* of the last chunk */
	const uint8_t *stored;
	size_t stored_len;
	uint8_t *plain; /* what the last chunk has to become; NULL: it cannot be unpacked */
};

static struct front front;
static uint8_t segments[MANIFEST_SEGMENT_LEN];
static struct bytes package;

/* One frame that keeps to FORMAT.md 1.5, by other calls than the front's. */
static bool frame_is_allowed(const struct stream *s)
{
	ZSTD_frameHeader header;
	size_t n;

	if (s->stored_len < 4 || load_le32(s->stored) != 0xFD2FB528 ||
	    ZSTD_getFrameHeader(&header, s->stored, s->stored_len))
		return false;
	n = ZSTD_findFrameCompressedSize(s->stored, s->stored_len);
	return !ZSTD_isError(n) && n == s->stored_len &&
	       ZSTD_getFrameContentSize(s->stored, s->stored_len) == s->plain_len &&
	       !ZSTD_getDictID_fromFrame(s->stored, s->stored_len) &&
	       header.windowSize <= s->chunk_size;
}

static void unpack(struct stream *s)
{
	s->plain = malloc(s->plain_len);
	if (s->kind == CHUNK_RAW && s->stored_len == s->plain_len) {
		memcpy(s->plain, s->stored, s->plain_len);
		return;
	}
	if (s->kind == CHUNK_FILL && s->stored_len == 1) {
		memset(s->plain, s->stored[0], s->plain_len);
		return;
	}
	if (s->kind == CHUNK_ZSTD && frame_is_allowed(s) &&
	    ZSTD_decompress(s->plain, s->plain_len, s->stored, s->stored_len) == s->plain_len)
		return;
	free(s->plain);
	s->plain = NULL;
}

static void stream_read(struct stream *s, struct feed *input)
{
	static const uint32_t sizes[] = {4096, 65536, 16384, 8192};

	s->chunk_size = sizes[feed_number(input, 1) % 4];
	s->kind = (uint32_t)feed_number(input, 1) % 8;
	s->options = (unsigned int)feed_number(input, 1);
	s->fill = (uint8_t)feed_number(input, 1);
	s->plain_len = (uint32_t)feed_number(input, 4) % s->chunk_size + 1;
	s->stored = feed_take(input, s->chunk_size, &s->stored_len);
	unpack(s);
}

static void add_entry(uint32_t kind, uint64_t stored_len, const uint8_t *stored_sha256,
		      const uint8_t *plain_sha256)
{
	bytes_number(&package, kind, 4);
	bytes_number(&package, 0, 4);
	bytes_number(&package, stored_len, 8);
	bytes_add(&package, stored_sha256, HASH_LEN);
	bytes_add(&package, plain_sha256, HASH_LEN);
}

/* A segment with the chunks before and the one that matters. */
static void build(const struct stream *s, size_t before)
{
	uint8_t stored_sha256[HASH_LEN], plain_sha256[HASH_LEN] = {0};
	uint8_t *filled = malloc(s->chunk_size);

	package.len = 0;
	bytes_add(&package, "LBINDEX1", 8);
	bytes_number(&package, 0, 8); /* image, first chunk */
	bytes_number(&package, 0, 8);
	bytes_number(&package, before + 1, 8);
	memset(filled, s->fill, s->chunk_size);
	hash_of(&s->fill, 1, stored_sha256);
	hash_of(filled, s->chunk_size, plain_sha256);
	for (size_t i = 0; i < before; i++)
		add_entry(CHUNK_FILL, 1, stored_sha256, plain_sha256);
	free(filled);
	hash_of(s->stored, s->stored_len, stored_sha256);
	stored_sha256[0] ^= s->options & WRONG_STORED_HASH;
	if (s->plain)
		hash_of(s->plain, s->plain_len, plain_sha256);
	plain_sha256[0] ^= s->options & WRONG_PLAIN_HASH;
	add_entry(s->kind, s->stored_len, stored_sha256, plain_sha256);
}

/* The front as it is after a head whose manifest says this. */
static void front_prepare(const struct stream *s, struct memsource *source, size_t before)
{
	struct manifest_image *image = &front.manifest.images[0];
	size_t page_len;

	build(s, before);
	page_len = package.len;
	hash_of(package.at, package.len, segments + 24);
	for (size_t i = 0; i < before; i++)
		bytes_add(&package, &s->fill, 1);
	bytes_add(&package, s->stored, s->stored_len);
	store_be64(segments + 8, package.len);
	store_be64(segments + 16, page_len);
	memsource_init(source, package.at, s->options & ENDS_EARLY ? package.len - 1 : package.len);
	front.source = &source->source;
	front.pos = front.payload = 0;
	front.header.payload_len = package.len;
	front.fill_len = 0;
	front.manifest.image_count = 1;
	*image = (struct manifest_image){
		.role = "boot",
		.chunk_size = s->chunk_size,
		.size = (uint64_t)before * s->chunk_size + s->plain_len,
		.chunk_count = before + 1,
		.segment_count = 1,
		.segments = segments,
	};
	front_rewind(&front);
}

static size_t canary_len(size_t used)
{
	return CHUNK_SIZE_MAX - used < CANARY_LEN ? CHUNK_SIZE_MAX - used : CANARY_LEN;
}

static bool canary_lives(const uint8_t *buffer, size_t used)
{
	for (size_t i = 0; i < canary_len(used); i++)
		if (buffer[used + i] != CANARY)
			return false;
	return true;
}

/* What front_fetch has to say. */
static enum detail expected(const struct stream *s)
{
	if (s->options & ENDS_EARLY)
		return DETAIL_ENDED_EARLY;
	if (s->options & WRONG_STORED_HASH)
		return DETAIL_CHUNK_STORED_HASH;
	if (s->kind == CHUNK_ZSTD && !s->plain)
		return DETAIL_CHUNK_DECOMPRESS;
	/* A raw chunk's plain hash is not looked at again: its stored one was. */
	return s->options & WRONG_PLAIN_HASH ? DETAIL_CHUNK_PLAIN_HASH : DETAIL_OK;
}

static void fetch_last(const struct stream *s, const struct chunk *chunk)
{
	const uint8_t *plain = NULL;
	struct fault fault;
	enum detail detail;

	must(chunk->len == s->plain_len && chunk->stored_len == s->stored_len);
	memset(front.plain + s->plain_len, CANARY, canary_len(s->plain_len));
	memset(front.stored + s->stored_len, CANARY, canary_len(s->stored_len));
	detail = front_fetch(&front, &plain, &fault);
	must(detail == expected(s));
	must(!detail || fault.detail == detail);
	must(detail || !memcmp(plain, s->plain, s->plain_len));
	must(canary_lives(front.plain, s->plain_len));
	must(canary_lives(front.stored, s->stored_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed input = {data, size};
	struct memsource source;
	struct stream s;
	struct chunk chunk;
	struct fault fault;
	const uint8_t *plain;
	size_t before;
	bool more;
	enum detail detail;

	stream_read(&s, &input);
	before = s.options & BEFORE;
	if (s.stored_len) {
		front_prepare(&s, &source, before);
		detail = front_next(&front, &chunk, &more, &fault);
		for (size_t i = 0; !detail && i < before; i++) {
			must(more && chunk.len == s.chunk_size && chunk.number == i);
			must(!front_fetch(&front, &plain, &fault));
			must(plain[0] == s.fill && !memcmp(plain, plain + 1, chunk.len - 1));
			detail = front_next(&front, &chunk, &more, &fault);
		}
		if (!detail) {
			fetch_last(&s, &chunk);
			/* An image's hash, which is not of this one, is the last to be looked at.
			 */
			detail = front_verify_all(&front, NULL, &fault);
			must(detail == (expected(&s) ? expected(&s) : DETAIL_IMAGE_HASH));
		} else {
			must(detail == DETAIL_CHUNK_KIND || detail == DETAIL_CHUNK_LENGTH ||
			     detail == DETAIL_ENDED_EARLY);
		}
	}
	free(s.plain);
	return 0;
}

static void seed(unsigned int size, unsigned int kind, unsigned int options, uint32_t plain_len,
		 const void *stored, size_t stored_len)
{
	static struct bytes all;

	all.len = 0;
	bytes_number(&all, size, 1);
	bytes_number(&all, kind, 1);
	bytes_number(&all, options, 1);
	bytes_number(&all, 0xee, 1);
	bytes_number(&all, plain_len - 1, 4);
	bytes_add(&all, stored, stored_len);
	fuzz_seed(all.at, all.len);
}

/* Frames that a real packer made are in the corpus; these are by hand, of raw and repeated blocks.
 */
void fuzz_make_seeds(void)
{
	static const struct frame_options frames[] = {
		{.window_descriptor = false},
		{.window_descriptor = true, .window = 0x10},
		{.window_descriptor = true, .window = 0x58},
		{.no_content_size = true},
		{.dictionary = true},
		{.checksum_flag = true},
		{.reserved_bit = true},
		{.content_size = 77},
	};
	uint8_t text[1500];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i < 100 || i > 1000 ? (uint8_t) "lifeboat "[i % 9] : 'x';
	for (size_t i = 0; i < COUNT(frames); i++) {
		size_t len;
		uint8_t *frame = frame_make(text, sizeof(text), &frames[i], &len);

		seed(0, 2, i % 4, sizeof(text), frame, len);
		if (!i) {
			seed(1, 2, WRONG_PLAIN_HASH, sizeof(text), frame, len);
			seed(2, 2, WRONG_STORED_HASH, sizeof(text), frame, len);
			seed(0, 2, ENDS_EARLY, sizeof(text), frame, len);
			seed(0, 2, 0, sizeof(text), frame, len - 1);
			/* Frames that are to be skipped (RFC 8878, 3.1.2), after and before. */
			uint8_t *both = arena_alloc(len + 16);
			store_le32(both, 0x184D2A50);
			memcpy(both + 8, frame, len);
			store_le32(both + 8 + len, 0x184D2A5F);
			seed(0, 2, 0, sizeof(text), both + 8, len + 8);
			seed(0, 2, 0, sizeof(text), both + 8, len + 7);
			seed(0, 2, 0, sizeof(text), both, len + 8);
			seed(0, 2, 0, 8, both, 8);
		}
	}
	seed(0, 1, 2, 40, text, 40);
	seed(0, 3, 3, 40, text, 1);
	seed(0, 3, WRONG_PLAIN_HASH, 40, text, 1);
	seed(0, 3, 0, 40, text, 2);
	seed(0, 4, 0, 40, text, 4);
	arena_free();
}
