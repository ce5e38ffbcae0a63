/* CRC-32 of ISO 3309, as zlib's crc32(): what GPT (UEFI 2.10, 5.3) and U-Boot's environment use. */
#ifndef LIFEBOAT_CRC32_H
#define LIFEBOAT_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const void *p, size_t len);

#endif
