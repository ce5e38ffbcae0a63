/*
 * Turns chunks into what is stored of them, on several processors at once, and gives them back in
 * the order in which they came: the result does not depend on the number of processors.
 */
#ifndef LIFEBOAT_HOST_PACK_H
#define LIFEBOAT_HOST_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "index.h"

/* One chunk on its way. */
struct packed {
	bool done;
	bool hole;	/* plain bytes are zeros, and were not read */
	uint32_t len;	/* plain bytes */
	uint8_t *plain; /* chunk-size bytes of the pool's, to be filled unless it is a hole */
	uint8_t *room;	/* the same, for compressed bytes */

	/* The outcome: */
	enum chunk_kind kind;
	uint32_t stored_len;
	const uint8_t *stored;
	uint8_t stored_sha256[HASH_LEN];
	uint8_t plain_sha256[HASH_LEN];
};

struct pack_pool;

/* jobs: threads, 1 at least. level: of Zstandard. NULL when no thread can be started. */
struct pack_pool *pack_start(unsigned jobs, uint32_t chunk_size, int level);
void pack_stop(struct pack_pool *pool);

/* A place for the next chunk, or NULL: all are in use, so take one back first. */
struct packed *pack_place(struct pack_pool *pool);
/* Hands over the chunk that pack_place gave last; len and hole are set. */
void pack_submit(struct pack_pool *pool);
/* The oldest chunk, when it is done; NULL when there is none. Valid until pack_release. */
struct packed *pack_oldest(struct pack_pool *pool);
void pack_release(struct pack_pool *pool);

#endif
