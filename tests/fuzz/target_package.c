/* A whole package through the front, as a device proves it. Input: options (1 byte), the file. */
#include "fuzz.h"

#include "front.h"
#include "packages.h"
#include "signature.h"
#include "support.h"

enum { NO_SIZE = 1, SMALL_READS = 2, FAILS = 4, TWICE_DIFFERENT = 8, SKIPS = 16, STOPS = 32 };

static struct front front;

/* FORMAT.md 1.2 and 1.3, without the program's parsers: header, manifest and block hold. */
static void check_signed(const uint8_t *file, size_t size)
{
	uint64_t manifest_len = load_be64(file + 16), block_len;
	uint8_t id[HASH_LEN];
	struct hash h;

	must(manifest_len < size - 64 - 16);
	block_len = load_be64(file + 64 + manifest_len);
	must(block_len <= size - 64 - manifest_len);
	hash_begin(&h);
	hash_add(&h, "lifeboat package 1", 19);
	hash_add(&h, file, 64 + (size_t)manifest_len);
	hash_end(&h, id);
	must(!memcmp(id, front.id, HASH_LEN));
	must(signature_block_holds(file + 64 + manifest_len, (size_t)block_len, id));
	must(front.signer && signature_key(front.signer->id) >= 0);
	must(front_head_len(&front) == 64 + manifest_len + block_len);
	must(!memcmp(front.head, file, front_head_len(&front)));
}

/* What was taken from the source is what is used: nothing is read twice. */
static void check_reads(const struct memsource *source, size_t size)
{
	must(source->bytes_read <= size);
}

static bool stop_at_once(struct observer *observer)
{
	(void)observer;
	return true;
}

/* Every chunk, or each second one; images are what their hashes say. */
static enum detail go_through(struct fault *fault, bool skips)
{
	struct hash image_hash;
	const uint8_t *plain;
	struct chunk chunk;
	uint64_t end = 0;
	size_t image = 0;
	uint8_t sha256[HASH_LEN];
	bool more;
	enum detail detail;

	for (uint64_t n = 0;; n++) {
		detail = front_next(&front, &chunk, &more, fault);
		if (detail || !more)
			return detail ? detail : front_end(&front, fault);
		must(chunk.image < front.manifest.image_count);
		must(chunk.image == image || (chunk.image == image + 1 && !chunk.number));
		if (!chunk.number)
			end = 0;
		image = chunk.image;
		must(chunk.off == end && chunk.len && chunk.stored_len <= chunk.len);
		end += chunk.len;
		must(end <= front.manifest.images[image].size);
		if (skips && n % 2)
			continue;
		detail = front_fetch(&front, &plain, fault);
		if (detail)
			return detail;
		hash_of(plain, chunk.len, sha256);
		must(hash_equal(sha256, chunk.plain_sha256));
		if (!chunk.number)
			hash_begin(&image_hash);
		hash_add(&image_hash, plain, chunk.len);
		if (end == front.manifest.images[image].size && !skips) {
			hash_end(&image_hash, sha256);
			if (!hash_equal(sha256, front.manifest.images[image].sha256))
				return DETAIL_IMAGE_HASH;
		}
	}
}

static void prove(struct memsource *source, unsigned int options, const uint8_t *file, size_t size)
{
	static const struct observer_ops stop_ops = {.poll = stop_at_once}, no_ops = {.poll = NULL};
	struct observer observer = {options & STOPS ? &stop_ops : &no_ops};
	struct trust trust = trust_of(0, SIGNATURE_KEYS);
	struct fault fault = {.detail = DETAIL_OK}, second = {.detail = DETAIL_OK};
	enum detail detail = front_open(&front, &source->source, &trust, &fault), again;

	must(fault.detail == detail);
	must_end(fault.object);
	check_reads(source, size);
	if (detail) {
		must(detail_status(detail) == STATUS_VERIFY_FAILED || source->failed);
		return;
	}
	check_signed(file, size);
	detail = go_through(&fault, options & SKIPS);
	check_reads(source, size);
	must(!detail || detail_status(detail) == STATUS_VERIFY_FAILED || source->failed);
	if (source->failed)
		return;
	/* The other way through says the same. */
	front_rewind(&front);
	again = front_verify_all(&front, options & STOPS ? &observer : NULL, &second);
	if (options & STOPS)
		must(again != DETAIL_OK);
	else if (options & TWICE_DIFFERENT)
		must(detail || again);
	else if (!(options & SKIPS))
		must(again == detail || source->failed);
	if (!again && !source->failed)
		must(front.payload + front.header.payload_len == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed input = {data, size};
	unsigned int options = (unsigned int)feed_number(&input, 1);
	uint8_t *file = fuzz_copy(input.at, input.left);
	struct memsource source;

	memsource_init(&source, file, input.left);
	if (options & NO_SIZE)
		source.source.size = UINT64_MAX;
	if (options & SMALL_READS)
		source.max_read = 100;
	if (options & FAILS)
		source.fail_at = (size_t)(options >> 6) * input.left / 4;
	if (options & TWICE_DIFFERENT && input.left)
		memsource_differ_on_second_read(&source);
	if (input.left >= 80)
		prove(&source, options, file, input.left);
	arena_free();
	free(file);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice dice = {seed};

	if (size < 2)
		return LLVMFuzzerMutate(data, size, max);
	if (!dice_below(&dice, 8))
		data[0] = (uint8_t)dice_next(&dice);
	size = 1 + packages_mutate(data + 1, size - 1, max - 1, &dice);
	arena_free();
	return size;
}

void fuzz_make_seeds(void)
{
	static struct bytes all;
	size_t len;

	for (size_t i = 0; i < PACKAGES_SEEDS + 12; i++) {
		const uint8_t *file = packages_seed(i < PACKAGES_SEEDS ? i : 0, &len);
		unsigned int options = i % 3 ? 0 : NO_SIZE;

		if (i >= PACKAGES_SEEDS)
			options = i - PACKAGES_SEEDS < 8 ? 1u << (i - PACKAGES_SEEDS)
							 : FAILS | (unsigned int)(i % 4) << 6;
		all.len = 0;
		bytes_number(&all, options, 1);
		bytes_add(&all, file, len);
		fuzz_seed(all.at, all.len);
		if (i == 0) { /* more than the header says, where no size is known */
			bytes_number(&all, 0, 1);
			fuzz_seed(all.at, all.len);
		}
		arena_free();
	}
}
