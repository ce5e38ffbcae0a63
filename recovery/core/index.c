#include "index.h"
#include "text.h"

const uint8_t index_magic[8] = {'L', 'B', 'I', 'N', 'D', 'E', 'X', '1'};

static enum detail index_fault(struct fault *fault, enum detail detail,
			       const struct manifest_image *image, uint64_t chunk)
{
	char object[96];
	struct text t = TEXT_IN(object);

	text_add(&t, "image ");
	text_add(&t, image->role);
	text_add(&t, ", chunk ");
	text_u64(&t, chunk);
	fault_set(fault, detail, object);
	if (fault) {
		text_copy(fault->role, sizeof(fault->role), image->role);
		fault->offset = chunk * image->chunk_size;
	}
	return detail;
}

static enum detail check_entry(const uint8_t *raw, uint32_t plain_len, uint64_t *stored)
{
	uint64_t len = load_be64(raw + 8);

	*stored = len;
	if (load_be32(raw + 4))
		return DETAIL_CHUNK_KIND;
	switch (load_be32(raw)) {
	case CHUNK_RAW:
		return len == plain_len ? DETAIL_OK : DETAIL_CHUNK_LENGTH;
	case CHUNK_ZSTD:
		return len >= 1 && len < plain_len ? DETAIL_OK : DETAIL_CHUNK_LENGTH;
	case CHUNK_FILL:
		return len == 1 ? DETAIL_OK : DETAIL_CHUNK_LENGTH;
	default:
		return DETAIL_CHUNK_KIND;
	}
}

enum detail index_check(const struct manifest_image *image, size_t image_number, uint64_t segment,
			const uint8_t *page, struct fault *fault)
{
	struct manifest_segment s;
	uint64_t first = segment * SEGMENT_CHUNKS_MAX;
	uint32_t count = manifest_segment_chunks(image, segment);
	uint64_t filled, stored;
	uint8_t hash[HASH_LEN];

	manifest_segment(image, segment, &s);
	hash_of(page, (size_t)s.index_len, hash);
	if (!hash_equal(hash, s.index_sha256))
		return index_fault(fault, DETAIL_INDEX_HASH, image, first);
	if (memcmp(page, index_magic, sizeof(index_magic)) || load_be64(page + 8) != image_number ||
	    load_be64(page + 16) != first || load_be64(page + 24) != count)
		return index_fault(fault, DETAIL_INDEX_MALFORMED, image, first);
	filled = s.index_len;
	for (uint32_t n = 0; n < count; n++) {
		enum detail detail =
			check_entry(page + INDEX_HEADER_LEN + (size_t)n * INDEX_ENTRY_LEN,
				    manifest_chunk_len(image, first + n), &stored);
		if (detail)
			return index_fault(fault, detail, image, first + n);
		filled += stored;
	}
	if (filled != s.len)
		return index_fault(fault, DETAIL_INDEX_MALFORMED, image, first);
	return DETAIL_OK;
}

void index_entry(const struct manifest_image *image, uint64_t segment, const uint8_t *page,
		 uint32_t n, struct index_entry *entry)
{
	const uint8_t *raw = page + INDEX_HEADER_LEN + (size_t)n * INDEX_ENTRY_LEN;

	entry->kind = (enum chunk_kind)load_be32(raw);
	entry->stored_len = (uint32_t)load_be64(raw + 8);
	entry->plain_len = manifest_chunk_len(image, segment * SEGMENT_CHUNKS_MAX + n);
	entry->stored_sha256 = raw + 16;
	entry->plain_sha256 = raw + 48;
}

void index_header_store(uint8_t raw[INDEX_HEADER_LEN], uint64_t image_number, uint64_t first_chunk,
			uint64_t count)
{
	memcpy(raw, index_magic, sizeof(index_magic));
	store_be64(raw + 8, image_number);
	store_be64(raw + 16, first_chunk);
	store_be64(raw + 24, count);
}

void index_entry_store(uint8_t raw[INDEX_ENTRY_LEN], enum chunk_kind kind, uint64_t stored_len,
		       const uint8_t stored_sha256[HASH_LEN], const uint8_t plain_sha256[HASH_LEN])
{
	store_be32(raw, kind);
	store_be32(raw + 4, 0);
	store_be64(raw + 8, stored_len);
	memcpy(raw + 16, stored_sha256, HASH_LEN);
	memcpy(raw + 48, plain_sha256, HASH_LEN);
}
