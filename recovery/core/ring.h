/*
 * A ring of records in 4096-byte blocks of the state partition (FORMAT.md 2): the one mechanism
 * under the device record, the journal, the results and the log. A record overwrites the oldest
 * one, never the newest, and counts only when its SHA-256 holds, so that a write that a power cut
 * tore leaves the record before it.
 */
#ifndef LIFEBOAT_RING_H
#define LIFEBOAT_RING_H

#include "hash.h"
#include "seam.h"

#define RING_BLOCK 4096u
#define RING_HEADER 64u
#define RING_CONTENT_MAX (RING_BLOCK - RING_HEADER)

struct ring {
	struct dev *dev;
	uint32_t id;
	uint32_t first;	 /* block */
	uint32_t blocks; /* at least 2 */
	uint64_t serial; /* of the newest record; 0: none */
	uint64_t tried;	 /* the highest that was given to a record, stored or not */
	int error;	 /* errno of the last read that failed, or 0 */
};

/*
 * Finds the newest record. block: RING_BLOCK bytes of the caller's. DETAIL_DEVICE_READ when more
 * than one block cannot be read, or when one cannot and no other holds a record; the ring is usable
 * even then, with the newest record that could be read.
 */
enum detail ring_open(struct ring *ring, struct dev *dev, uint32_t id, uint32_t first,
		      uint32_t blocks, uint8_t *block, struct fault *fault);

/*
 * Appends, flushes and reads back; tries a second block when the first one fails. Durable when it
 * returns DETAIL_OK; else what was stored before, or this, is the newest at the next start. Serials
 * of failures are not used again, so there may be gaps. len at most RING_CONTENT_MAX; block:
 * scratch. Details: DEVICE_WRITE, DEVICE_FLUSH, DEVICE_READ, READ_BACK.
 */
enum detail ring_append(struct ring *ring, const void *content, size_t len, uint8_t *block,
			struct fault *fault);

/*
 * Reads the record whose serial is `back` before the newest's (0: the newest) into block; content
 * and length point into it. Returns false when there is none or it does not hold.
 */
bool ring_read(struct ring *ring, uint64_t back, uint8_t *block, const uint8_t **content,
	       size_t *len);

#endif
