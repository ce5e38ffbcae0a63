#include "ring.h"
#include "bytes.h"

#include <string.h>

/* Layout of a block: FORMAT.md 2. */
static const uint8_t ring_magic[4] = {'L', 'B', 'R', '1'};
#define AT_RING 4
#define AT_SERIAL 8
#define AT_LEN 16
#define AT_HASH 32

static void record_hash(const uint8_t *block, size_t len, uint8_t sha256[HASH_LEN])
{
	struct hash h;

	hash_begin(&h);
	hash_add(&h, block, AT_HASH);
	hash_add(&h, block + RING_HEADER, len);
	hash_end(&h, sha256);
}

/* The serial of a sound record of this ring that stands where it belongs; else 0. */
static uint64_t record_serial(const struct ring *ring, uint32_t index, const uint8_t *block)
{
	uint32_t len = load_be32(block + AT_LEN);
	uint64_t serial = load_be64(block + AT_SERIAL);
	uint8_t sha256[HASH_LEN];

	if (memcmp(block, ring_magic, sizeof(ring_magic)) ||
	    load_be32(block + AT_RING) != ring->id || len > RING_CONTENT_MAX || !serial ||
	    (serial - 1) % ring->blocks != index ||
	    !bytes_are_zero(block + AT_LEN + 4, AT_HASH - AT_LEN - 4))
		return 0;
	record_hash(block, len, sha256);
	return hash_equal(sha256, block + AT_HASH) ? serial : 0;
}

/* A read that fails is tried once more: media have their moments. */
static int read_block(struct ring *ring, uint32_t index, uint8_t *block)
{
	const struct dev_ops *ops = ring->dev->ops;
	uint64_t off = (uint64_t)(ring->first + index) * RING_BLOCK;
	int error = ops->read(ring->dev, off, block, RING_BLOCK);

	if (error)
		error = ops->read(ring->dev, off, block, RING_BLOCK);
	if (error)
		ring->error = error;
	return error;
}

enum detail ring_open(struct ring *ring, struct dev *dev, uint32_t id, uint32_t first,
		      uint32_t blocks, uint8_t *block, struct fault *fault)
{
	uint32_t unreadable = 0;

	*ring = (struct ring){.dev = dev, .id = id, .first = first, .blocks = blocks};
	for (uint32_t i = 0; i < blocks; i++) {
		uint64_t serial;

		if (read_block(ring, i, block)) {
			unreadable++;
			continue;
		}
		serial = record_serial(ring, i, block);
		if (serial > ring->serial)
			ring->serial = serial;
	}
	ring->tried = ring->serial;
	/*
	 * One block that cannot be read is as one that has rotted: what it held is lost, and what
	 * must not be lost stands in two. Of more, or when nothing else is there, nobody knows.
	 */
	return unreadable > 1 || (unreadable && !ring->serial)
		       ? fault_errno(fault, DETAIL_DEVICE_READ, "state partition", ring->error)
		       : DETAIL_OK;
}

static uint32_t index_of(const struct ring *ring, uint64_t serial)
{
	return (uint32_t)((serial - 1) % ring->blocks);
}

static enum detail append_at(struct ring *ring, uint64_t serial, const void *content, size_t len,
			     uint8_t *block, struct fault *fault)
{
	uint32_t index = index_of(ring, serial);
	uint8_t sha256[HASH_LEN];
	int error;

	memset(block, 0, RING_BLOCK);
	memcpy(block, ring_magic, sizeof(ring_magic));
	store_be32(block + AT_RING, ring->id);
	store_be64(block + AT_SERIAL, serial);
	store_be32(block + AT_LEN, (uint32_t)len);
	memcpy(block + RING_HEADER, content, len);
	record_hash(block, len, block + AT_HASH);
	memcpy(sha256, block + AT_HASH, HASH_LEN);
	error = ring->dev->ops->write(ring->dev, (uint64_t)(ring->first + index) * RING_BLOCK,
				      block, RING_BLOCK);
	if (error)
		return fault_errno(fault, DETAIL_DEVICE_WRITE, "state partition", error);
	error = ring->dev->ops->flush(ring->dev);
	if (error)
		return fault_errno(fault, DETAIL_DEVICE_FLUSH, "state partition", error);
	/* A medium that says nothing and keeps something else: the next step must not build on it.
	 */
	error = read_block(ring, index, block);
	if (error)
		return fault_errno(fault, DETAIL_DEVICE_READ, "state partition", error);
	if (record_serial(ring, index, block) != serial || !hash_equal(block + AT_HASH, sha256))
		return fault_set(fault, DETAIL_READ_BACK, "state partition");
	return DETAIL_OK;
}

enum detail ring_append(struct ring *ring, const void *content, size_t len, uint8_t *block,
			struct fault *fault)
{
	enum detail detail = DETAIL_OK;

	/* A block that takes nothing any more is passed over: it must not be the end of the ring.
	 */
	for (int attempt = 0; attempt < 2; attempt++) {
		enum detail failed;

		/*
		 * What failed may be on the medium all the same: its serial is not used again. The
		 * newest record stays where it is.
		 */
		do {
			ring->tried++;
		} while (ring->serial &&
			 index_of(ring, ring->tried) == index_of(ring, ring->serial));
		failed = append_at(ring, ring->tried, content, len, block, attempt ? NULL : fault);
		if (!failed) {
			ring->serial = ring->tried;
			return DETAIL_OK;
		}
		if (!attempt)
			detail = failed;
	}
	return detail;
}

bool ring_read(struct ring *ring, uint64_t back, uint8_t *block, const uint8_t **content,
	       size_t *len)
{
	uint64_t serial = ring->serial - back;
	uint32_t index;

	if (back >= ring->serial || back >= ring->blocks)
		return false;
	index = index_of(ring, serial);
	if (read_block(ring, index, block) || record_serial(ring, index, block) != serial)
		return false;
	*content = block + RING_HEADER;
	*len = load_be32(block + AT_LEN);
	return true;
}
