/* The state partition of the tests. */
#include "support_rings.h"

struct memdisk *disk;
struct memdev part;

void new_disk(uint32_t sector, uint64_t size)
{
	disk = memdisk_new(size + 8192, sector);
	memdev_init(&part, disk, "state", 8192, size);
	part.writable = 1;
}

uint8_t *at_block(uint64_t n)
{
	return disk->now + 8192 + n * 4096;
}

/* A ring's block as FORMAT.md has it. */
void put_record(uint64_t at, uint32_t id, uint64_t serial, const void *content, size_t len)
{
	uint8_t *b = at_block(at);
	struct hash h;
	memset(b, 0, 4096);
	memcpy(b, "LBR1", 4);
	store_be32(b + 4, id);
	store_be64(b + 8, serial);
	store_be32(b + 16, (uint32_t)len);
	if (len)
		memcpy(b + 64, content, len);
	hash_begin(&h);
	hash_add(&h, b, 32);
	hash_add(&h, b + 64, len);
	hash_end(&h, b + 32);
	memcpy(disk->durable + (b - disk->now), b, 4096);
}

void seal_record(uint64_t at)
{
	uint8_t *b = at_block(at);
	struct hash h;
	hash_begin(&h);
	hash_add(&h, b, 32);
	hash_add(&h, b + 64, load_be32(b + 16));
	hash_end(&h, b + 32);
}
