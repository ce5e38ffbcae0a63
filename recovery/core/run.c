#include "run.h"
#include "text.h"

#include <string.h>

/*
 * After this many misses in a row only every PROBE-th chunk is compared, until one matches again.
 */
#define COMPARE_ALWAYS 16u
#define COMPARE_PROBE 16u

void run_report(const struct run *run)
{
	observer_progress(run->device->observer, &run->progress);
}

void run_step(struct run *run, enum step step, uint64_t total)
{
	run->progress = (struct progress){.step = step,
					  .total = total,
					  .written = run->progress.written,
					  .unchanged = run->progress.unchanged};
	run_report(run);
}

enum detail run_poll(struct run *run)
{
	if (observer_stops(run->device->observer))
		return fault_set(&run->fault, DETAIL_INTERRUPTED, "install");
	return DETAIL_OK;
}

enum detail run_target_fault(struct run *run, enum detail detail, size_t image, uint64_t off,
			     int error)
{
	fault_errno(&run->fault, detail, run->plan.images[image].label, error);
	run->fault.offset = off;
	text_copy(run->fault.role, sizeof(run->fault.role),
		  run->device->front->manifest.images[image].role);
	return detail;
}

/* I3: flush first, then say that it is flushed. */
static enum detail checkpoint(struct run *run, enum journal_step step, size_t image,
			      uint64_t flushed)
{
	struct state *state = run->device->state;
	int error = run->targets[image]->ops->flush(run->targets[image]);

	if (error)
		return run_target_fault(run, DETAIL_DEVICE_FLUSH, image, flushed, error);
	run->unsaved = 0;
	state->journal.step = step;
	state->journal.image = (uint32_t)image;
	state->journal.flushed = flushed;
	return state_store_journal(state, &run->fault);
}

/* --- Write --- */

static size_t padded(const struct dev *dev, uint32_t len)
{
	return ((size_t)len + dev->sector_size - 1) & ~((size_t)dev->sector_size - 1);
}

/*
 * Whether to look at what the target holds before writing. Always where an earlier run has been,
 * and while looking pays; else now and then, because reading costs time too. It never decides what
 * the target holds in the end.
 */
static bool worth_comparing(const struct run *run, const struct chunk *chunk)
{
	if (chunk->image < run->hint_image ||
	    (chunk->image == run->hint_image && chunk->off < run->hint_flushed))
		return true;
	return run->misses < COMPARE_ALWAYS || chunk->number % COMPARE_PROBE == 0;
}

/* True when the medium holds the chunk already (I9: read and hashed, whatever the journal says). */
static bool already_there(struct run *run, const struct chunk *chunk)
{
	struct dev *dev = run->targets[chunk->image];
	uint8_t sha256[HASH_LEN];

	if (!worth_comparing(run, chunk))
		return false;
	if (!dev->ops->read(dev, chunk->off, run->device->buffer, padded(dev, chunk->len))) {
		hash_of(run->device->buffer, chunk->len, sha256);
		if (hash_equal(sha256, chunk->plain_sha256)) {
			run->misses = 0;
			return true;
		}
	}
	run->misses++;
	return false;
}

/*
 * I1: the back trusts nobody: what it writes is hashed here, against the index that the signature
 * vouches for.
 */
static enum detail write_chunk(struct run *run, const struct chunk *chunk, const uint8_t *plain)
{
	struct dev *dev = run->targets[chunk->image];
	size_t len = padded(dev, chunk->len);
	uint8_t sha256[HASH_LEN];
	int error;

	hash_of(plain, chunk->len, sha256);
	if (!hash_equal(sha256, chunk->plain_sha256))
		return run_target_fault(run, DETAIL_CHUNK_CHANGED, chunk->image, chunk->off, 0);
	if (len != chunk->len) {
		/* The image's last sector: what follows the image in it becomes zero. */
		memcpy(run->device->buffer, plain, chunk->len);
		memset(run->device->buffer + chunk->len, 0, len - chunk->len);
		plain = run->device->buffer;
	}
	error = dev->ops->write(dev, chunk->off, plain, len);
	return error ? run_target_fault(run, DETAIL_DEVICE_WRITE, chunk->image, chunk->off, error)
		     : DETAIL_OK;
}

static enum detail take_chunk(struct run *run, const struct chunk *chunk)
{
	const uint8_t *plain;
	enum detail detail;

	if (already_there(run, chunk)) {
		run->progress.unchanged += chunk->len;
		return DETAIL_OK;
	}
	if ((detail = front_fetch(run->device->front, &plain, &run->fault)) ||
	    (detail = write_chunk(run, chunk, plain)))
		return detail;
	run->progress.written += chunk->len;
	run->unsaved += chunk->len;
	if (run->unsaved >= run->device->checkpoint)
		return checkpoint(run, JOURNAL_PROGRESS, chunk->image, chunk->off + chunk->len);
	return DETAIL_OK;
}

enum detail run_write(struct run *run)
{
	struct front *front = run->device->front;
	struct chunk chunk;
	bool more;
	enum detail detail;

	front_rewind(front);
	run->progress.written = run->progress.unchanged = 0;
	run_step(run, STEP_WRITE, run->plan.total);
	for (;;) {
		if ((detail = run_poll(run)) ||
		    (detail = front_next(front, &chunk, &more, &run->fault)))
			return detail;
		if (!more)
			break;
		if ((detail = take_chunk(run, &chunk)))
			return detail;
		run->progress.role = front->manifest.images[chunk.image].role;
		run->progress.done += chunk.len;
		run_report(run);
		if (chunk.number + 1 == front->manifest.images[chunk.image].chunk_count) {
			bool last = chunk.image + 1 == run->plan.image_count;
			detail = checkpoint(run, last ? JOURNAL_WRITTEN : JOURNAL_PROGRESS,
					    chunk.image, chunk.off + chunk.len);
			if (detail)
				return detail;
		}
	}
	return front_end(front, &run->fault);
}

/* --- Read back --- */

/* Not the medium's fault. */
static enum detail package_fault(struct run *run, enum detail detail, size_t image)
{
	struct text t = TEXT_IN(run->fault.object);

	run_target_fault(run, detail, image, 0, 0);
	text_clear(&t);
	text_add(&t, "image ");
	text_add(&t, run->fault.role);
	front_name_fault(run->device->front, &run->fault);
	return detail;
}

/*
 * An image that is not what the manifest says: which chunk of the medium is wrong? When none is, it
 * is the package that contradicts itself, and no sound medium shall be blamed for it.
 */
static enum detail find_difference(struct run *run, size_t image)
{
	struct front *front = run->device->front;
	struct dev *dev = run->targets[image];
	uint8_t sha256[HASH_LEN];
	struct fault ignored;
	struct chunk chunk;
	bool more;

	front_rewind(front);
	while (!front_next(front, &chunk, &more, &ignored)) {
		if (!more || chunk.image > image)
			return package_fault(run, DETAIL_IMAGE_HASH, image);
		if (chunk.image < image)
			continue;
		if (dev->ops->read(dev, chunk.off, run->device->buffer, padded(dev, chunk.len)))
			break;
		hash_of(run->device->buffer, chunk.len, sha256);
		if (!hash_equal(sha256, chunk.plain_sha256))
			return run_target_fault(run, DETAIL_READ_BACK, image, chunk.off, 0);
	}
	return run_target_fault(run, DETAIL_READ_BACK, image, 0, 0);
}

static enum detail read_back_one(struct run *run, size_t image)
{
	const struct manifest_image *m = &run->device->front->manifest.images[image];
	struct dev *dev = run->targets[image];
	uint8_t sha256[HASH_LEN];
	struct hash h;
	enum detail detail;

	hash_begin(&h);
	run->progress.role = m->role;
	for (uint64_t off = 0; off < m->size;) {
		uint64_t left = m->size - off;
		uint32_t n = left < CHUNK_SIZE_MAX ? (uint32_t)left : CHUNK_SIZE_MAX;
		int error = dev->ops->read(dev, off, run->device->buffer, padded(dev, n));
		if (error)
			return run_target_fault(run, DETAIL_DEVICE_READ, image, off, error);
		if ((detail = run_poll(run)))
			return detail;
		hash_add(&h, run->device->buffer, n);
		off += n;
		run->progress.done += n;
		run_report(run);
	}
	hash_end(&h, sha256);
	return hash_equal(sha256, m->sha256) ? DETAIL_OK : find_difference(run, image);
}

/* I5, first half: the whole target, from the medium, whatever was written now or earlier. */
enum detail run_read_back(struct run *run)
{
	struct state *state = run->device->state;
	enum detail detail;

	run_step(run, STEP_READ_BACK, run->plan.total);
	for (size_t i = 0; i < run->plan.image_count; i++)
		if ((detail = read_back_one(run, i)))
			return detail;
	state->journal.step = JOURNAL_VERIFIED;
	return state_store_journal(state, &run->fault);
}
