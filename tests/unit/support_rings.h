/* The state partition of the tests: on a memory disk, behind 8192 bytes of something else. */
#ifndef SUPPORT_RINGS_H
#define SUPPORT_RINGS_H

#include "support.h"

#include "state.h"

extern struct memdisk *disk;
extern struct memdev part;

/* A new one, of size bytes. */
void new_disk(uint32_t sector, uint64_t size);
uint8_t *at_block(uint64_t n);
/* A ring's block as FORMAT.md has it, at block number at, now and durable. */
void put_record(uint64_t at, uint32_t id, uint64_t serial, const void *content, size_t len);
/* Makes the hash right of a block that was changed. */
void seal_record(uint64_t at);

#endif
