#include "image.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index.h"
#include "pack.h"

enum status image_open(struct image_work *work, const struct describe_image *described,
		       size_t number, struct problem *problem)
{
	*work = (struct image_work){.role = described->role, .number = number};
	if (input_open(&work->input, described->path, problem) != STATUS_OK)
		return problem->status;
	if (!work->input.size)
		return problem_set(problem, STATUS_USAGE, described->path,
				   "is empty, but image %s needs at least one byte. "
				   "Check how it was made.",
				   described->role);
	if (work->input.size > MANIFEST_IMAGE_MAX)
		return problem_set(problem, STATUS_USAGE, described->path,
				   "is too large for a package. Check that it is the right file.");
	uint64_t chunk_size = described->chunk_size.value;
	uint64_t chunks = (work->input.size - 1) / chunk_size + 1;
	work->image.size = work->input.size;
	work->image.chunk_size = (uint32_t)chunk_size;
	work->image.segment_count = (chunks - 1) / SEGMENT_CHUNKS_MAX + 1;
	/* More would make a manifest that is too long, which is found before the segments are
	 * filled. */
	if (work->image.segment_count <= PACKAGE_MANIFEST_MAX / MANIFEST_SEGMENT_LEN)
		work->image.segments = memory_get(work->image.segment_count * MANIFEST_SEGMENT_LEN);
	return STATUS_OK;
}

void image_close(struct image_work *work)
{
	input_close(&work->input);
	free(work->image.segments);
	work->image.segments = NULL;
}

/* --- holes --- */

/* The part of the file around the place that was asked for last. */
struct extent {
	uint64_t end;
	bool hole;
};

/* Asks the file system what is at off. Where it does not know holes, all is data. */
static struct extent extent_at(const struct input *input, uint64_t off)
{
	struct extent rest = {.end = input->size, .hole = false};
	off_t data = lseek(input->fd, (off_t)off, SEEK_DATA);

	if (data < 0 && errno == ENXIO) {
		rest.hole = true;
		return rest;
	}
	if (data < 0)
		return rest;
	if ((uint64_t)data > off)
		return (struct extent){.end = (uint64_t)data, .hole = true};
	off_t hole = lseek(input->fd, (off_t)off, SEEK_HOLE);
	if (hole > (off_t)off)
		rest.end = (uint64_t)hole;
	return rest;
}

/* --- segments --- */

/* Where an image's packing stands. */
struct walk {
	struct image_work *work;
	const struct image_packing *packing;
	struct pack_pool *pool;
	EVP_MD_CTX *sha;
	struct extent extent;
	uint64_t chunk_count;
	uint64_t stored;      /* chunks that were appended */
	uint64_t segment_off; /* in the output */
	uint8_t page[INDEX_PAGE_MAX];
};

static uint64_t chunks_in_segment(const struct walk *walk, uint64_t segment)
{
	uint64_t left = walk->chunk_count - segment * SEGMENT_CHUNKS_MAX;
	return left < SEGMENT_CHUNKS_MAX ? left : SEGMENT_CHUNKS_MAX;
}

static size_t page_len(uint64_t chunks)
{
	return INDEX_HEADER_LEN + (size_t)chunks * INDEX_ENTRY_LEN;
}

/* The page precedes its chunks but is known after them: its place is kept free. */
static enum status begin_segment(struct walk *walk, struct problem *problem)
{
	uint64_t chunks = chunks_in_segment(walk, walk->stored / SEGMENT_CHUNKS_MAX);
	walk->segment_off = walk->packing->output->at;
	index_header_store(walk->page, walk->work->number, walk->stored, chunks);
	return output_append_zeros(walk->packing->output, page_len(chunks), problem);
}

static enum status end_segment(struct walk *walk, struct problem *problem)
{
	struct output *output = walk->packing->output;
	uint64_t segment = (walk->stored - 1) / SEGMENT_CHUNKS_MAX;
	size_t len = page_len(chunks_in_segment(walk, segment));
	uint8_t sha256[HASH_LEN];

	SHA256(walk->page, len, sha256);
	compose_segment(walk->work->image.segments + segment * MANIFEST_SEGMENT_LEN,
			walk->segment_off - walk->packing->payload, output->at - walk->segment_off,
			len, sha256);
	return output_rewrite(output, walk->segment_off, walk->page, len, problem);
}

/* Takes the oldest chunk back and appends it. */
static enum status store_oldest(struct walk *walk, struct problem *problem)
{
	struct packed *packed = pack_oldest(walk->pool);
	uint64_t place = walk->stored % SEGMENT_CHUNKS_MAX;

	if (place == 0 && begin_segment(walk, problem) != STATUS_OK)
		return problem->status;
	index_entry_store(walk->page + page_len(place), packed->kind, packed->stored_len,
			  packed->stored_sha256, packed->plain_sha256);
	walk->work->kinds[packed->kind]++;
	if (output_append(walk->packing->output, packed->stored, packed->stored_len, problem) !=
	    STATUS_OK)
		return problem->status;
	*walk->packing->done += packed->len;
	progress_tell(walk->packing->meter, *walk->packing->done);
	pack_release(walk->pool);
	walk->stored++;
	if (place + 1 == SEGMENT_CHUNKS_MAX || walk->stored == walk->chunk_count)
		return end_segment(walk, problem);
	return STATUS_OK;
}

/* --- chunks --- */

static bool hash_zeros(EVP_MD_CTX *sha, size_t len)
{
	static const uint8_t zeros[64 << 10];
	bool ok = true;
	while (len && ok) {
		size_t part = len < sizeof(zeros) ? len : sizeof(zeros);
		ok = EVP_DigestUpdate(sha, zeros, part) == 1;
		len -= part;
	}
	return ok;
}

static enum status read_chunk(struct walk *walk, uint64_t number, struct packed *packed,
			      struct problem *problem)
{
	struct image_work *work = walk->work;
	uint64_t off = number * work->image.chunk_size;
	uint64_t left = work->image.size - off;
	bool hashed;

	packed->len = left < work->image.chunk_size ? (uint32_t)left : work->image.chunk_size;
	if (off >= walk->extent.end)
		walk->extent = extent_at(&work->input, off);
	packed->hole = walk->extent.hole && walk->extent.end - off >= packed->len;
	if (packed->hole) {
		hashed = hash_zeros(walk->sha, packed->len);
	} else {
		if (input_read(&work->input, off, packed->plain, packed->len, problem) != STATUS_OK)
			return problem->status;
		hashed = EVP_DigestUpdate(walk->sha, packed->plain, packed->len) == 1;
	}
	if (!hashed)
		return problem_set(problem, STATUS_INSTALL_FAILED, "SHA-256",
				   "failed in OpenSSL. Check its installation.");
	return STATUS_OK;
}

static enum status pack_all(struct walk *walk, struct problem *problem)
{
	for (uint64_t number = 0; number < walk->chunk_count; number++) {
		struct packed *packed;
		while (!(packed = pack_place(walk->pool))) {
			if (store_oldest(walk, problem) != STATUS_OK)
				return problem->status;
		}
		if (read_chunk(walk, number, packed, problem) != STATUS_OK)
			return problem->status;
		pack_submit(walk->pool);
	}
	while (walk->stored < walk->chunk_count) {
		if (store_oldest(walk, problem) != STATUS_OK)
			return problem->status;
	}
	if (EVP_DigestFinal_ex(walk->sha, walk->work->image.sha256, NULL) != 1)
		return problem_set(problem, STATUS_INSTALL_FAILED, "SHA-256",
				   "failed in OpenSSL. Check its installation.");
	return input_check_unchanged(&walk->work->input, problem);
}

enum status image_pack(struct image_work *work, const struct image_packing *packing,
		       struct problem *problem)
{
	struct walk *walk = memory_get(sizeof(*walk));
	walk->work = work;
	walk->packing = packing;
	walk->chunk_count = (work->image.size - 1) / work->image.chunk_size + 1;
	walk->sha = EVP_MD_CTX_new();
	walk->pool = pack_start(packing->jobs, work->image.chunk_size, packing->level);

	if (!walk->pool || !walk->sha || EVP_DigestInit_ex(walk->sha, EVP_sha256(), NULL) != 1)
		problem_set(problem, STATUS_INSTALL_FAILED, work->role,
			    "cannot be packed: the system gives no thread or no memory. "
			    "Use fewer --jobs.");
	else
		pack_all(walk, problem);
	if (walk->pool)
		pack_stop(walk->pool);
	EVP_MD_CTX_free(walk->sha);
	free(walk);
	return problem->status;
}
