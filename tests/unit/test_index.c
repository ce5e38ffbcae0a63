/* Index pages, FORMAT.md 1.5: each field wrong in a page whose hash is right, so that the check and
 * not the hash fires. */
#include "support.h"

#include "index.h"

static struct manifest manifest;
static struct fault fault;

static void load(struct pkg *pkg)
{
	size_t len;
	uint8_t *fdt = fdt_make(pkg->root, &len);
	assert_detail(manifest_load(&manifest, fdt, len, pkg->payload_size, &fault), DETAIL_OK);
}

static enum detail check_page(struct pkg *pkg, size_t image, size_t segment)
{
	const struct pkg_segment *s = &pkg->images[image].segments[segment];
	return index_check(&manifest.images[image], image, segment,
			   arena_copy(s->page, s->page_len), &fault);
}

/* Links again after a change of the page's fields; the manifest then vouches for the page as it is.
 */
static enum detail relinked(struct pkg *pkg, size_t image, size_t segment)
{
	pkg_link(pkg);
	load(pkg);
	return check_page(pkg, image, segment);
}

static struct pkg *big(void)
{
	struct pkg *pkg = pkg_new();
	size_t size = 1024 * 4096 + 3 * 4096 + 77;
	pkg_add_image(pkg, "boot", pkg_content(5000, 4096, 3), 5000, 4096);
	pkg_add_image(pkg, "system", pkg_content(size, 4096, 4), size, 4096);
	pkg_link(pkg);
	return pkg;
}

static void good_pages_are_read(void **state)
{
	(void)state;
	struct pkg *pkg = big();
	load(pkg);
	assert_memory_equal(index_magic, "LBINDEX1", 8);
	for (size_t i = 0; i < 2; i++)
		for (size_t s = 0; s < pkg->images[i].segment_count; s++) {
			const struct pkg_segment *segment = &pkg->images[i].segments[s];
			assert_detail(check_page(pkg, i, s), DETAIL_OK);
			for (uint32_t n = 0; n < segment->chunk_count; n++) {
				struct index_entry e;
				const struct pkg_chunk *want = &segment->chunks[n];
				size_t off = (s * 1024 + n) * 4096,
				       rest = pkg->images[i].size - off;
				index_entry(&manifest.images[i], s, segment->page, n, &e);
				at_case("image %zu segment %zu chunk %u", i, s, n);
				check(e.kind == want->kind && e.stored_len == want->stored_len);
				check(e.plain_len == (rest < 4096 ? rest : 4096));
				check(!memcmp(e.stored_sha256, want->stored_sha256, 32));
				check(!memcmp(e.plain_sha256, want->plain_sha256, 32));
			}
		}
}

static void every_byte_of_the_page_is_hashed(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	load(pkg);
	struct pkg_segment *segment = &pkg->images[0].segments[0];
	for (size_t i = 0; i < segment->page_len; i++) {
		segment->page[i] ^= (uint8_t)(1 << i % 8);
		at_case("byte %zu", i);
		check(index_check(&manifest.images[0], 0, 0, segment->page, &fault) ==
		      DETAIL_INDEX_HASH);
		segment->page[i] ^= (uint8_t)(1 << i % 8);
	}
	assert_detail(check_page(pkg, 0, 0), DETAIL_OK);
}

/* A page that is good, but stands at another place: the manifest does not vouch for it there. */
static void page_of_another_place(void **state)
{
	(void)state;
	struct pkg *pkg = big();
	uint8_t *page = arena_alloc(INDEX_PAGE_MAX);
	load(pkg);
	memcpy(page, pkg->images[0].segments[0].page, pkg->images[0].segments[0].page_len);
	assert_detail(index_check(&manifest.images[1], 1, 1, page, &fault), DETAIL_INDEX_HASH);
	memcpy(page, pkg->images[1].segments[0].page, INDEX_PAGE_MAX);
	assert_detail(index_check(&manifest.images[1], 1, 1, page, &fault), DETAIL_INDEX_HASH);
	assert_detail(index_check(&manifest.images[1], 1, 0, page, &fault), DETAIL_OK);
	/* The hash holds, and still it says which image it is of. */
	assert_detail(index_check(&manifest.images[1], 0, 0, page, &fault), DETAIL_INDEX_MALFORMED);
}

static void magic_image_first_and_count(void **state)
{
	(void)state;
	static const uint64_t deltas[] = {1, UINT64_MAX, UINT64_C(1) << 31, UINT64_C(1) << 32,
					  UINT64_C(1) << 63};
	struct pkg *pkg = big();
	for (int i = 0; i < 8; i++) {
		pkg->images[1].segments[1].magic[i] ^= 1;
		at_case("magic %d", i);
		assert_detail(relinked(pkg, 1, 1), DETAIL_INDEX_MALFORMED);
		pkg->images[1].segments[1].magic[i] ^= 1;
	}
	for (size_t i = 0; i < COUNT(deltas); i++) {
		struct pkg_segment *s = &pkg->images[1].segments[1];
		uint64_t *const fields[] = {&s->image, &s->first, &s->count};
		for (size_t f = 0; f < COUNT(fields); f++) {
			at_case("field %zu + %llx", f, (unsigned long long)deltas[i]);
			*fields[f] += deltas[i];
			assert_detail(relinked(pkg, 1, 1), DETAIL_INDEX_MALFORMED);
			*fields[f] -= deltas[i];
		}
	}
	pkg->images[1].segments[1].first = 0; /* the first segment again */
	assert_detail(relinked(pkg, 1, 1), DETAIL_INDEX_MALFORMED);
	pkg->images[1].segments[1].first = 1024;
	assert_detail(relinked(pkg, 1, 1), DETAIL_OK);
}

static void kinds_and_flags(void **state)
{
	(void)state;
	static const uint32_t kinds[] = {0,	4,	 5,	     6,		 255,
					 0x100, 0x10001, 0x01000000, 0x80000001, UINT32_MAX};
	struct pkg *pkg = pkg_small();
	for (size_t n = 0; n < 6; n += 5) /* the first and the last entry */
		for (size_t i = 0; i < COUNT(kinds); i++) {
			struct pkg_chunk *chunk = pkg_chunk(pkg, 0, n);
			uint32_t kind = chunk->kind;
			chunk->kind = kinds[i];
			at_case("chunk %zu kind %x", n, kinds[i]);
			assert_detail(relinked(pkg, 0, 0), DETAIL_CHUNK_KIND);
			chunk->kind = kind;
		}
	for (size_t n = 0; n < 6; n++)
		for (int bit = 0; bit < 32; bit++) {
			struct pkg_chunk *chunk = pkg_chunk(pkg, 0, n);
			chunk->flags = 1u << bit;
			at_case("chunk %zu flag %d", n, bit);
			assert_detail(relinked(pkg, 0, 0), DETAIL_CHUNK_KIND);
			chunk->flags = 0;
		}
}

static void stored_length_of(size_t number, uint32_t kind, uint64_t len, enum detail want)
{
	struct pkg *pkg = pkg_small();
	struct pkg_chunk *chunk = pkg_chunk(pkg, 0, number);
	chunk->kind = kind;
	chunk->stored_len = len;
	/* The payload holds as much, where it can: then the sum is right and the entry alone is
	 * wrong. */
	if (len <= 8192) {
		chunk->stored = arena_alloc(len);
		chunk->real_len = len;
	}
	at_case("chunk %zu kind %u length %llx", number, kind, (unsigned long long)len);
	assert_detail(relinked(pkg, 0, 0), want);
	if (want == DETAIL_OK)
		return;
	/* The message finds the chunk. */
	char named[32];
	snprintf(named, sizeof(named), "chunk %zu", number);
	check(!strcmp(fault.role, "boot") && strstr(fault.object, named) != NULL);
}

static void stored_lengths_of_each_kind(void **state)
{
	(void)state;
	static const uint64_t huge[] = {INT32_MAX,
					UINT64_C(1) << 31,
					(UINT64_C(1) << 32) + 1,
					(UINT64_C(1) << 32) + 4096,
					(UINT64_C(1) << 32) + 100,
					INT64_MAX,
					UINT64_C(1) << 63,
					(UINT64_C(1) << 63) + 1,
					UINT64_MAX};
	for (uint32_t kind = CHUNK_RAW; kind <= CHUNK_FILL; kind++) {
		for (size_t number = 0; number < 6;
		     number += 5) { /* 5 is the short last one: 100 bytes */
			stored_length_of(number, kind, 0, DETAIL_CHUNK_LENGTH);
			stored_length_of(number, kind, 4097, DETAIL_CHUNK_LENGTH);
			stored_length_of(number, kind, 8192, DETAIL_CHUNK_LENGTH);
			for (size_t i = 0; i < COUNT(huge); i++)
				stored_length_of(number, kind, huge[i], DETAIL_CHUNK_LENGTH);
		}
	}
	/* raw: stored length = plain length */
	stored_length_of(0, CHUNK_RAW, 1, DETAIL_CHUNK_LENGTH);
	stored_length_of(0, CHUNK_RAW, 4095, DETAIL_CHUNK_LENGTH);
	stored_length_of(0, CHUNK_RAW, 4096, DETAIL_OK);
	stored_length_of(5, CHUNK_RAW, 99, DETAIL_CHUNK_LENGTH);
	stored_length_of(5, CHUNK_RAW, 100, DETAIL_OK);
	stored_length_of(5, CHUNK_RAW, 101, DETAIL_CHUNK_LENGTH);
	stored_length_of(5, CHUNK_RAW, 4096, DETAIL_CHUNK_LENGTH);
	/* zstd: stored length < plain length */
	stored_length_of(0, CHUNK_ZSTD, 1, DETAIL_OK);
	stored_length_of(0, CHUNK_ZSTD, 4095, DETAIL_OK);
	stored_length_of(0, CHUNK_ZSTD, 4096, DETAIL_CHUNK_LENGTH);
	stored_length_of(5, CHUNK_ZSTD, 99, DETAIL_OK);
	stored_length_of(5, CHUNK_ZSTD, 100, DETAIL_CHUNK_LENGTH);
	stored_length_of(5, CHUNK_ZSTD, 101, DETAIL_CHUNK_LENGTH);
	/* fill: one byte */
	stored_length_of(0, CHUNK_FILL, 1, DETAIL_OK);
	stored_length_of(0, CHUNK_FILL, 2, DETAIL_CHUNK_LENGTH);
	stored_length_of(0, CHUNK_FILL, 4096, DETAIL_CHUNK_LENGTH);
	stored_length_of(5, CHUNK_FILL, 1, DETAIL_OK);
	stored_length_of(5, CHUNK_FILL, 100, DETAIL_CHUNK_LENGTH);
}

/* The stored lengths fill the segment: what an entry says and what the segment holds differ by a
 * few bytes. */
static void stored_lengths_fill_the_segment(void **state)
{
	(void)state;
	static const int deltas[] = {-1, 1, -17, 17};
	for (size_t i = 0; i < COUNT(deltas); i++) {
		struct pkg *pkg = pkg_small();
		struct pkg_chunk *chunk = pkg_chunk(pkg, 0, 1);
		assert_int_equal(chunk->kind, CHUNK_ZSTD);
		chunk->stored_len += (uint64_t)(int64_t)deltas[i];
		at_case("%+d", deltas[i]);
		assert_detail_in(relinked(pkg, 0, 0), DETAIL_INDEX_MALFORMED, DETAIL_CHUNK_LENGTH);
	}
}

static void raw_forms_for_the_packer(void **state)
{
	(void)state;
	struct pkg *pkg = big();
	const struct pkg_segment *s = &pkg->images[1].segments[1];
	uint8_t header[32], entry[80];
	memset(header, 0xee, sizeof(header));
	index_header_store(header, s->image, s->first, s->count);
	assert_memory_equal(header, s->page, 32);
	for (size_t n = 0; n < s->chunk_count; n++) {
		const struct pkg_chunk *c = &s->chunks[n];
		memset(entry, 0xee, sizeof(entry));
		index_entry_store(entry, c->kind, c->stored_len, c->stored_sha256, c->plain_sha256);
		assert_memory_equal(entry, s->page + 32 + 80 * n, 80);
	}
}

/* Who only counts chunks wants no sentence. */
static void a_fault_may_be_null(void **state)
{
	(void)state;
	struct pkg *pkg = big();
	load(pkg);
	uint8_t *page =
		arena_copy(pkg->images[0].segments[0].page, pkg->images[0].segments[0].page_len);
	page[40] ^= 1;
	assert_detail(index_check(&manifest.images[0], 0, 0, page, NULL), DETAIL_INDEX_HASH);
	page = arena_copy(pkg->images[0].segments[0].page, pkg->images[0].segments[0].page_len);
	assert_detail(index_check(&manifest.images[0], 0, 0, page, NULL), DETAIL_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_pages_are_read),
		TEST(every_byte_of_the_page_is_hashed),
		TEST(page_of_another_place),
		TEST(magic_image_first_and_count),
		TEST(kinds_and_flags),
		TEST(stored_lengths_of_each_kind),
		TEST(stored_lengths_fill_the_segment),
		TEST(raw_forms_for_the_packer),
		TEST(a_fault_may_be_null),
	};
	return RUN_ALL(tests);
}
