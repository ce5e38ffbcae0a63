#include "front.h"
#include "text.h"

#include <string.h>

/* The static decoder context lives in the front's own workspace: core allocates nothing. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

/* The last part of a path or address, cut so that there is room for more in a fault's object. */
#define NAME_MAX_LEN 72u

void front_name_fault(const struct front *front, struct fault *fault)
{
	const char *name = front->source->name, *end = strrchr(name, '/');
	char object[160];
	struct text t = TEXT_IN(object);

	if (!fault)
		return;
	if (end && end[1])
		name = end + 1;
	text_clear(&t);
	for (size_t i = 0; i < NAME_MAX_LEN && name[i]; i++)
		text_char(&t, name[i]);
	/* "package" is what a fault calls the whole. */
	if (strcmp(fault->object, "package")) {
		text_add(&t, ", ");
		text_add(&t, strncmp(fault->object, "package, ", 9) ? fault->object
								    : fault->object + 9);
	}
	text_copy(fault->object, sizeof(fault->object), object);
}

/* Reads exactly len bytes at the source's position. */
static enum detail take(struct front *front, void *buf, size_t len, enum detail early,
			struct fault *fault)
{
	uint8_t *to = buf;
	size_t got;

	while (len) {
		enum detail detail = front->source->ops->read(front->source, to, len, &got, fault);
		if (detail)
			return detail;
		if (!got || got > len)
			return fault_set(fault, early, front->source->name);
		to += got;
		len -= got;
		front->pos += got;
	}
	return DETAIL_OK;
}

static enum detail take_at(struct front *front, uint64_t pos, void *buf, size_t len,
			   struct fault *fault)
{
	if (pos != front->pos) {
		enum detail detail = front->source->ops->seek(front->source, pos, fault);
		if (detail)
			return detail;
		front->pos = pos;
	}
	return take(front, buf, len, DETAIL_ENDED_EARLY, fault);
}

/*
 * The header says how long everything is: a file that is shorter or longer is refused before
 * anything is written.
 */
static enum detail check_size(const struct front *front, struct fault *fault)
{
	uint64_t expected = front->payload + front->header.payload_len;
	char object[160];
	struct text t = TEXT_IN(object);

	if (front->source->size == UINT64_MAX || front->source->size == expected)
		return DETAIL_OK;
	text_add(&t, "package, ");
	text_u64(&t, front->source->size);
	text_add(&t, " bytes where its header says ");
	text_u64(&t, expected);
	fault_set(fault, DETAIL_SIZE_MISMATCH, object);
	front_name_fault(front, fault);
	return DETAIL_SIZE_MISMATCH;
}

static enum detail read_head(struct front *front, struct fault *fault)
{
	uint8_t *signatures;
	enum detail detail;

	detail = take(front, front->head, PACKAGE_HEADER_LEN, DETAIL_TOO_SHORT, fault);
	if (detail)
		return detail;
	detail = package_header_load(front->head, &front->header);
	if (detail)
		return fault_set(fault, detail, front->source->name);
	detail = take(front, front->head + PACKAGE_HEADER_LEN, (size_t)front->header.manifest_len,
		      DETAIL_TOO_SHORT, fault);
	if (detail)
		return detail;
	signatures = front->head + PACKAGE_HEADER_LEN + front->header.manifest_len;
	detail = take(front, signatures, PACKAGE_SIGNATURE_MIN_BLOCK, DETAIL_TOO_SHORT, fault);
	if (detail)
		return detail;
	detail = package_signatures_len(signatures, &front->signatures_len);
	if (detail)
		return fault_set(fault, detail, front->source->name);
	detail = take(front, signatures + PACKAGE_SIGNATURE_MIN_BLOCK,
		      front->signatures_len - PACKAGE_SIGNATURE_MIN_BLOCK, DETAIL_TOO_SHORT, fault);
	if (detail)
		return detail;
	front->payload = front->pos;
	return DETAIL_OK;
}

enum detail front_open(struct front *front, struct source *source, const struct trust *trust,
		       struct fault *fault)
{
	struct package_signatures signatures;
	size_t signed_len;
	enum detail detail;

	front->source = source;
	front->pos = 0;
	front->signer = NULL;
	front->fill_len = 0;
	front->manifest.image_count = 0;
	memset(front->id, 0, sizeof(front->id));
	front_rewind(front);
	detail = read_head(front, fault);
	if (detail)
		return detail;
	signed_len = PACKAGE_HEADER_LEN + (size_t)front->header.manifest_len;
	detail = package_signatures_load(front->head + signed_len, front->signatures_len,
					 &signatures);
	if (detail)
		return fault_set(fault, detail, source->name);
	package_id(front->head, signed_len, front->id);
	detail = trust_check(trust, &signatures, front->id, &front->signer, fault);
	if (detail) {
		front_name_fault(front, fault);
		return detail;
	}
	detail = check_size(front, fault);
	if (detail)
		return detail;
	detail =
		manifest_load(&front->manifest, front->head + PACKAGE_HEADER_LEN,
			      (size_t)front->header.manifest_len, front->header.payload_len, fault);
	if (detail)
		front_name_fault(front, fault);
	return detail;
}

size_t front_head_len(const struct front *front)
{
	return PACKAGE_HEADER_LEN + (size_t)front->header.manifest_len + front->signatures_len;
}

void front_rewind(struct front *front)
{
	front->image = 0;
	front->segment = 0;
	front->entry = 0;
	front->page_loaded = false;
}

static enum detail load_page(struct front *front, struct fault *fault)
{
	const struct manifest_image *image = &front->manifest.images[front->image];
	struct manifest_segment s;
	enum detail detail;

	manifest_segment(image, front->segment, &s);
	detail = take_at(front, front->payload + s.off, front->page, (size_t)s.index_len, fault);
	if (detail)
		return detail;
	detail = index_check(image, front->image, front->segment, front->page, fault);
	if (detail) {
		front_name_fault(front, fault);
		return detail;
	}
	front->page_loaded = true;
	front->entry = 0;
	front->chunk_pos = front->payload + s.off + s.index_len;
	front->current.stored_len = 0;
	return DETAIL_OK;
}

enum detail front_next(struct front *front, struct chunk *chunk, bool *more, struct fault *fault)
{
	const struct manifest_image *image;
	enum detail detail;

	*more = front->image < front->manifest.image_count;
	if (!*more)
		return DETAIL_OK;
	image = &front->manifest.images[front->image];
	if (front->page_loaded)
		front->chunk_pos += front->current.stored_len; /* past the chunk before this one */
	if (front->page_loaded && front->entry == manifest_segment_chunks(image, front->segment)) {
		front->page_loaded = false;
		if (++front->segment == image->segment_count) {
			front->segment = 0;
			if (++front->image == front->manifest.image_count) {
				*more = false;
				return DETAIL_OK;
			}
			image = &front->manifest.images[front->image];
		}
	}
	if (!front->page_loaded && (detail = load_page(front, fault)))
		return detail;
	index_entry(image, front->segment, front->page, front->entry, &front->current);
	chunk->image = front->image;
	chunk->number = front->segment * SEGMENT_CHUNKS_MAX + front->entry;
	chunk->off = chunk->number * image->chunk_size;
	chunk->len = front->current.plain_len;
	chunk->stored_len = front->current.stored_len;
	chunk->plain_sha256 = front->current.plain_sha256;
	front->entry++;
	return DETAIL_OK;
}

static enum detail chunk_fault(const struct front *front, enum detail detail, struct fault *fault)
{
	const struct manifest_image *image = &front->manifest.images[front->image];
	uint64_t number = front->segment * SEGMENT_CHUNKS_MAX + front->entry - 1;
	char object[96];
	struct text t = TEXT_IN(object);

	text_add(&t, "image ");
	text_add(&t, image->role);
	text_add(&t, ", chunk ");
	text_u64(&t, number);
	fault_set(fault, detail, object);
	front_name_fault(front, fault);
	if (fault) {
		text_copy(fault->role, sizeof(fault->role), image->role);
		fault->offset = number * image->chunk_size;
	}
	return detail;
}

/*
 * One frame that says its own length, asks for no dictionary and no window above the chunk, and
 * ends with the stored bytes. What the frame says is checked before the decoder sees it, although
 * its bytes are already authentic.
 */
static bool unpack_zstd(struct front *front)
{
	const struct index_entry *e = &front->current;
	ZSTD_frameHeader header;
	ZSTD_DCtx *ctx;
	size_t n;

	if (ZSTD_getFrameHeader(&header, front->stored, e->stored_len) != 0 ||
	    header.frameType != ZSTD_frame || header.frameContentSize != e->plain_len ||
	    header.dictID || header.windowSize > front->manifest.images[front->image].chunk_size)
		return false;
	n = ZSTD_findFrameCompressedSize(front->stored, e->stored_len);
	if (ZSTD_isError(n) || n != e->stored_len)
		return false;
	ctx = ZSTD_initStaticDCtx(front->zstd, sizeof(front->zstd));
	if (!ctx)
		return false;
	n = ZSTD_decompressDCtx(ctx, front->plain, e->plain_len, front->stored, e->stored_len);
	return !ZSTD_isError(n) && n == e->plain_len;
}

/* A hole has thousands of equal chunks: their plain hash is worked out once. */
static void unpack_fill(struct front *front, uint8_t plain_sha256[HASH_LEN])
{
	uint32_t len = front->current.plain_len;

	memset(front->plain, front->stored[0], len);
	if (front->fill_len != len || front->fill_byte != front->stored[0]) {
		hash_of(front->plain, len, front->fill_sha256);
		front->fill_len = len;
		front->fill_byte = front->stored[0];
	}
	memcpy(plain_sha256, front->fill_sha256, HASH_LEN);
}

enum detail front_fetch(struct front *front, const uint8_t **plain, struct fault *fault)
{
	const struct index_entry *e = &front->current;
	uint8_t sha256[HASH_LEN];
	enum detail detail = take_at(front, front->chunk_pos, front->stored, e->stored_len, fault);

	if (detail)
		return detail;
	hash_of(front->stored, e->stored_len, sha256);
	if (!hash_equal(sha256, e->stored_sha256))
		return chunk_fault(front, DETAIL_CHUNK_STORED_HASH, fault);
	*plain = front->plain;
	switch (e->kind) {
	case CHUNK_RAW: /* the same bytes under both hashes: used where they are */
		*plain = front->stored;
		break;
	case CHUNK_ZSTD:
		if (!unpack_zstd(front))
			return chunk_fault(front, DETAIL_CHUNK_DECOMPRESS, fault);
		hash_of(front->plain, e->plain_len, sha256);
		break;
	case CHUNK_FILL:
		unpack_fill(front, sha256);
		break;
	default: /* index_check lets no other kind pass */
		return chunk_fault(front, DETAIL_CHUNK_KIND, fault);
	}
	if (!hash_equal(sha256, e->plain_sha256))
		return chunk_fault(front, DETAIL_CHUNK_PLAIN_HASH, fault);
	return DETAIL_OK;
}

enum detail front_end(struct front *front, struct fault *fault)
{
	uint64_t end = front->payload + front->header.payload_len;
	uint8_t byte;
	size_t got;
	enum detail detail;

	if (front->source->size != UINT64_MAX) /* front_open compared it */
		return DETAIL_OK;
	if (front->pos != end && (detail = front->source->ops->seek(front->source, end, fault)))
		return detail;
	front->pos = end;
	detail = front->source->ops->read(front->source, &byte, 1, &got, fault);
	if (detail)
		return detail;
	return got ? fault_set(fault, DETAIL_SIZE_MISMATCH, front->source->name) : DETAIL_OK;
}

enum detail front_verify_all(struct front *front, struct observer *observer, struct fault *fault)
{
	struct progress progress = {.step = STEP_VERIFY_FIRST,
				    .total = manifest_total_size(&front->manifest)};
	struct chunk chunk;
	struct hash image_hash;
	uint8_t sha256[HASH_LEN];
	const uint8_t *plain;
	bool more;
	enum detail detail;

	front_rewind(front);
	for (;;) {
		detail = front_next(front, &chunk, &more, fault);
		if (detail || !more)
			break;
		if (observer_stops(observer))
			return fault_set(fault, DETAIL_INTERRUPTED, front->source->name);
		if (!chunk.number)
			hash_begin(&image_hash);
		detail = front_fetch(front, &plain, fault);
		if (detail)
			return detail;
		hash_add(&image_hash, plain, chunk.len);
		progress.role = front->manifest.images[chunk.image].role;
		progress.done += chunk.len;
		observer_progress(observer, &progress);
		if (chunk.number + 1 < front->manifest.images[chunk.image].chunk_count)
			continue;
		hash_end(&image_hash, sha256);
		if (!hash_equal(sha256, front->manifest.images[chunk.image].sha256))
			return chunk_fault(front, DETAIL_IMAGE_HASH, fault);
	}
	return detail ? detail : front_end(front, fault);
}
