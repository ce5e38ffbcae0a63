/*
 * Index page. Input: chunk size (1 byte), options (1), place of the image (1), size of the image
 * (8), segment (2), the page.
 */
#include "fuzz.h"

#include "index.h"

enum { WRONG_HASH = 1, WRONG_LEN = 2 };

struct page {
	struct manifest_image image;
	uint8_t record[MANIFEST_SEGMENT_LEN * 4];
	uint64_t segment;
	uint8_t *bytes; /* exactly index_len */
	size_t len;
};

/* The stored lengths of a page, as far as they can be added up. */
static uint64_t stored_total(const struct page *page)
{
	uint64_t total = page->len;

	for (size_t off = 32; off < page->len; off += 80)
		total += load_be64(page->bytes + off + 8);
	return total;
}

static bool page_read(struct page *page, struct feed *input)
{
	struct manifest_image *image = &page->image;
	uint8_t *record;
	size_t got;
	const uint8_t *from;
	unsigned int options;

	memset(page, 0, sizeof(*page));
	image->chunk_size = CHUNK_SIZE_MIN << feed_number(input, 1) % 9;
	options = (unsigned int)feed_number(input, 2);
	image->size = feed_number(input, 8) % (4 * UINT64_C(1024) * image->chunk_size) + 1;
	image->chunk_count = (image->size - 1) / image->chunk_size + 1;
	image->segment_count = (image->chunk_count - 1) / 1024 + 1;
	image->segments = page->record;
	memcpy(image->role, "boot", 5);
	page->segment = feed_number(input, 2) % image->segment_count;
	page->len = 32 + 80 * (size_t)manifest_segment_chunks(image, page->segment);
	page->bytes = calloc(1, page->len);
	from = feed_take(input, page->len, &got);
	if (got)
		memcpy(page->bytes, from, got);
	record = page->record + 56 * page->segment;
	store_be64(record + 8, stored_total(page) + (options >> 8 & WRONG_LEN ? 1 : 0));
	store_be64(record + 16, page->len);
	hash_of(page->bytes, page->len, record + 24);
	record[24] ^= options >> 8 & WRONG_HASH;
	return options >> 8 & WRONG_HASH;
}

static void check_entries(const struct page *page)
{
	uint64_t filled = page->len;
	uint8_t raw[80];

	for (uint32_t n = 0; n < (page->len - 32) / 80; n++) {
		const uint8_t *at = page->bytes + 32 + (size_t)n * 80;
		struct index_entry e;

		index_entry(&page->image, page->segment, page->bytes, n, &e);
		must(e.plain_len >= 1 && e.plain_len <= page->image.chunk_size);
		must(e.stored_len >= 1 && e.stored_len <= e.plain_len);
		must(e.kind == CHUNK_RAW    ? e.stored_len == e.plain_len
		     : e.kind == CHUNK_FILL ? e.stored_len == 1
					    : e.kind == CHUNK_ZSTD && e.stored_len < e.plain_len);
		must(e.stored_sha256 == at + 16 && e.plain_sha256 == at + 48);
		index_entry_store(raw, e.kind, e.stored_len, e.stored_sha256, e.plain_sha256);
		must(!memcmp(raw, at, sizeof(raw)));
		filled += e.stored_len;
	}
	must(filled == load_be64(page->record + 56 * page->segment + 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed input = {data, size};
	struct page page;
	struct fault fault;
	uint8_t header[INDEX_HEADER_LEN];
	size_t number = size > 2 ? data[2] % 16 : 0;
	bool wrong_hash = page_read(&page, &input);
	enum detail detail = index_check(&page.image, number, page.segment, page.bytes, &fault);

	must(!wrong_hash || detail == DETAIL_INDEX_HASH);
	must(wrong_hash || detail != DETAIL_INDEX_HASH);
	must(index_check(&page.image, number, page.segment, page.bytes, NULL) == detail);
	if (!detail) {
		index_header_store(header, number, page.segment * 1024, (page.len - 32) / 80);
		must(!memcmp(header, page.bytes, sizeof(header)));
		check_entries(&page);
	} else {
		must(fault.detail == detail && !strcmp(fault.role, "boot"));
	}
	free(page.bytes);
	return 0;
}

static void seed(unsigned int log, unsigned int options, unsigned int number, uint64_t image_size,
		 unsigned int segment, size_t change, uint64_t value)
{
	static struct bytes all;
	uint64_t chunk = UINT64_C(4096) << log;
	uint64_t chunks = (image_size - 1) / chunk + 1 - 1024 * (uint64_t)segment;
	size_t page;

	all.len = 0;
	bytes_number(&all, log, 1);
	bytes_number(&all, options, 1);
	bytes_number(&all, number, 1);
	bytes_number(&all, image_size - 1, 8);
	bytes_number(&all, segment, 2);
	page = all.len;
	bytes_add(&all, "LBINDEX1", 8);
	bytes_number(&all, number, 8);
	bytes_number(&all, segment * 1024, 8);
	bytes_number(&all, chunks, 8);
	for (uint64_t i = 0; i < chunks; i++) {
		uint64_t left = image_size - (1024 * (uint64_t)segment + i) * chunk;
		uint64_t plain = left < chunk ? left : chunk;
		unsigned int kind = 1 + (unsigned int)(i % 3);

		bytes_number(&all, kind, 4);
		bytes_number(&all, 0, 4);
		bytes_number(&all, kind == 1 ? plain : kind == 2 ? plain - 1 : 1, 8);
		for (size_t n = 0; n < 64; n++)
			bytes_number(&all, n, 1);
	}
	if (change)
		store_be64(all.at + page + change, value);
	fuzz_seed(all.at, all.len);
}

void fuzz_make_seeds(void)
{
	static const struct {
		size_t off;
		uint64_t value;
	} changes[] = {
		{8, 5},			     /* another image */
		{16, 1},		     /* another chunk */
		{24, 2},		     /* fewer */
		{32, UINT64_C(1) << 32 | 1}, /* flags */
		{32, UINT64_C(4) << 32},     /* kinds */
		{40, 4095},		     /* raw, short */
		{120, 4096},		     /* zstd, not shorter */
		{120, 0},		     /* zstd, nothing */
		{200, 2},		     /* fill, long */
		{32, UINT64_C(2) << 32},
		{40, UINT64_MAX},
	};

	seed(0, 0, 3, 4 * 4096 + 7, 0, 0, 0);
	seed(0, WRONG_HASH, 0, 4 * 4096 + 7, 0, 0, 0);
	seed(0, WRONG_LEN, 0, 4 * 4096 + 7, 0, 0, 0);
	seed(8, 0, 1, (UINT64_C(1026) << 20) + 9, 1, 0, 0);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		seed(0, 0, 3, 4 * 4096 + 7, 0, changes[i].off, changes[i].value);
}
