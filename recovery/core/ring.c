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

static int read_block(struct ring *ring, uint32_t index, uint8_t *block)
{
	return ring->dev->ops->read(ring->dev, (uint64_t)(ring->first + index) * RING_BLOCK, block,
				    RING_BLOCK);
}

enum detail ring_open(struct ring *ring, struct dev *dev, uint32_t id, uint32_t first,
		      uint32_t blocks, uint8_t *block, struct fault *fault)
{
	*ring = (struct ring){.dev = dev, .id = id, .first = first, .blocks = blocks};
	for (uint32_t i = 0; i < blocks; i++) {
		int error = read_block(ring, i, block);
		uint64_t serial;

		/*
		 * What cannot be read may be the newest: going on would write over it, or believe
		 * an older one.
		 */
		if (error)
			return fault_errno(fault, DETAIL_DEVICE_READ, "state partition", error);
		serial = record_serial(ring, i, block);
		if (serial > ring->serial)
			ring->serial = serial;
	}
	return DETAIL_OK;
}

enum detail ring_append(struct ring *ring, const void *content, size_t len, uint8_t *block,
			struct fault *fault)
{
	uint64_t serial = ring->serial + 1;
	uint64_t off = (ring->first + (serial - 1) % ring->blocks) * RING_BLOCK;
	int error;

	memset(block, 0, RING_BLOCK);
	memcpy(block, ring_magic, sizeof(ring_magic));
	store_be32(block + AT_RING, ring->id);
	store_be64(block + AT_SERIAL, serial);
	store_be32(block + AT_LEN, (uint32_t)len);
	memcpy(block + RING_HEADER, content, len);
	record_hash(block, len, block + AT_HASH);
	error = ring->dev->ops->write(ring->dev, off, block, RING_BLOCK);
	if (error)
		return fault_errno(fault, DETAIL_DEVICE_WRITE, "state partition", error);
	error = ring->dev->ops->flush(ring->dev);
	if (error)
		return fault_errno(fault, DETAIL_DEVICE_FLUSH, "state partition", error);
	ring->serial = serial;
	return DETAIL_OK;
}

bool ring_read(struct ring *ring, uint64_t back, uint8_t *block, const uint8_t **content,
	       size_t *len)
{
	uint64_t serial = ring->serial - back;
	uint32_t index;

	if (back >= ring->serial || back >= ring->blocks)
		return false;
	index = (uint32_t)((serial - 1) % ring->blocks);
	if (read_block(ring, index, block) || record_serial(ring, index, block) != serial)
		return false;
	*content = block + RING_HEADER;
	*len = load_be32(block + AT_LEN);
	return true;
}
