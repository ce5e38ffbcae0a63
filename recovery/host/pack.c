#include "pack.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "problem.h"

/* Chunks in flight for each thread: enough that none waits for the one that reads and writes. */
#define PLACES_PER_JOB 4

struct pack_pool {
	pthread_mutex_t lock;
	pthread_cond_t work; /* something was submitted, or the end came */
	pthread_cond_t done; /* a chunk is done */
	bool ending;
	uint64_t submitted, taken,
		released; /* counts; a chunk's place is its number modulo place_count */
	size_t place_count;
	struct packed *places;
	uint32_t chunk_size;
	int level;
	uint32_t zero_len; /* of the hole whose hash is kept; 0: none yet */
	uint8_t zero_sha256[HASH_LEN];
	unsigned thread_count;
	pthread_t *threads;
};

static bool is_uniform(const uint8_t *bytes, size_t len)
{
	return len == 1 || memcmp(bytes, bytes + 1, len - 1) == 0;
}

static void become_fill(struct packed *packed, uint8_t byte)
{
	packed->kind = CHUNK_FILL;
	packed->room[0] = byte;
	packed->stored = packed->room;
	packed->stored_len = 1;
	SHA256(packed->stored, 1, packed->stored_sha256);
}

static void become_raw(struct packed *packed)
{
	packed->kind = CHUNK_RAW;
	packed->stored = packed->plain;
	packed->stored_len = packed->len;
	memcpy(packed->stored_sha256, packed->plain_sha256, HASH_LEN);
}

static void pack(struct packed *packed, ZSTD_CCtx *zstd)
{
	SHA256(packed->plain, packed->len, packed->plain_sha256);
	if (is_uniform(packed->plain, packed->len)) {
		become_fill(packed, packed->plain[0]);
		return;
	}
	/* Room for one byte less than the chunk: what does not get smaller is an error, and stored
	 * raw. */
	size_t n = ZSTD_compress2(zstd, packed->room, packed->len - 1, packed->plain, packed->len);
	if (ZSTD_isError(n)) {
		become_raw(packed);
		return;
	}
	packed->kind = CHUNK_ZSTD;
	packed->stored = packed->room;
	packed->stored_len = (uint32_t)n;
	SHA256(packed->stored, n, packed->stored_sha256);
}

static void pack_hole(struct pack_pool *pool, struct packed *packed)
{
	if (pool->zero_len != packed->len) {
		memset(packed->plain, 0, packed->len);
		SHA256(packed->plain, packed->len, pool->zero_sha256);
		pool->zero_len = packed->len;
	}
	memcpy(packed->plain_sha256, pool->zero_sha256, HASH_LEN);
	become_fill(packed, 0);
}

static ZSTD_CCtx *make_context(const struct pack_pool *pool)
{
	int window_log = __builtin_ctz(pool->chunk_size);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();

	if (!zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, pool->level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 0)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_dictIDFlag, 0)))
		memory_resize(NULL, SIZE_MAX); /* says that memory is missing, and ends */
	return zstd;
}

/* Holes are done at once, and may have been taken back before any thread looked: their places are
 * others' by now. */
static bool is_work(struct pack_pool *pool)
{
	if (pool->taken < pool->released)
		pool->taken = pool->released;
	return pool->taken < pool->submitted;
}

static void *work(void *argument)
{
	struct pack_pool *pool = argument;
	ZSTD_CCtx *zstd = make_context(pool);

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!is_work(pool) && !pool->ending)
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->ending)
			break;
		struct packed *packed = &pool->places[pool->taken++ % pool->place_count];
		if (packed->done)
			continue; /* a hole */
		pthread_mutex_unlock(&pool->lock);
		pack(packed, zstd);
		pthread_mutex_lock(&pool->lock);
		packed->done = true;
		pthread_cond_signal(&pool->done);
	}
	pthread_mutex_unlock(&pool->lock);
	ZSTD_freeCCtx(zstd);
	return NULL;
}

/* Signals are for the main thread. */
static void start_threads(struct pack_pool *pool, unsigned jobs)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (pool->thread_count < jobs &&
	       pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) == 0)
		pool->thread_count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct pack_pool *pack_start(unsigned jobs, uint32_t chunk_size, int level)
{
	struct pack_pool *pool = memory_get(sizeof(*pool));
	pool->place_count = (size_t)jobs * PLACES_PER_JOB;
	pool->places = memory_get(pool->place_count * sizeof(*pool->places));
	pool->threads = memory_get(jobs * sizeof(*pool->threads));
	pool->chunk_size = chunk_size;
	pool->level = level;
	for (size_t i = 0; i < pool->place_count; i++) {
		pool->places[i].plain = memory_get(chunk_size);
		pool->places[i].room = memory_get(chunk_size);
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->done, NULL);
	start_threads(pool, jobs);
	if (!pool->thread_count) {
		pack_stop(pool);
		return NULL;
	}
	return pool;
}

void pack_stop(struct pack_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	for (size_t i = 0; i < pool->place_count; i++) {
		free(pool->places[i].plain);
		free(pool->places[i].room);
	}
	pthread_cond_destroy(&pool->done);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool->threads);
	free(pool->places);
	free(pool);
}

/* submitted and released are written by this side only, so it reads them without the lock. */

struct packed *pack_place(struct pack_pool *pool)
{
	if (pool->submitted - pool->released == pool->place_count)
		return NULL;
	struct packed *packed = &pool->places[pool->submitted % pool->place_count];
	packed->done = false;
	packed->hole = false;
	return packed;
}

void pack_submit(struct pack_pool *pool)
{
	struct packed *packed = &pool->places[pool->submitted % pool->place_count];
	if (packed->hole)
		pack_hole(pool, packed);
	pthread_mutex_lock(&pool->lock);
	packed->done = packed->hole;
	pool->submitted++;
	if (!packed->hole)
		pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

struct packed *pack_oldest(struct pack_pool *pool)
{
	if (pool->released == pool->submitted)
		return NULL;
	struct packed *packed = &pool->places[pool->released % pool->place_count];
	pthread_mutex_lock(&pool->lock);
	while (!packed->done)
		pthread_cond_wait(&pool->done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	return packed;
}

void pack_release(struct pack_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->released++;
	pthread_mutex_unlock(&pool->lock);
}
