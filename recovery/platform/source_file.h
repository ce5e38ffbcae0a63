/* source_file: a package in a file or on a raw block device, as the source seam. */
#ifndef LIFEBOAT_SOURCE_FILE_H
#define LIFEBOAT_SOURCE_FILE_H

#include <sys/types.h>

#include "core/seam.h"

#define SOURCE_FILE_BUFFER (256u << 10)
#define SOURCE_FILE_GONE_MS 2000 /* how long the kernel may take to notice that a stick is gone */

struct source_file {
	struct source source; /* first */
	int fd;
	dev_t medium; /* the block device below; major 0: none that could be pulled out */
	uint64_t pos; /* of the next byte that read gives */
	uint64_t at;  /* of the buffer */
	size_t have;  /* bytes in the buffer */
	uint8_t *buffer;
};

/*
 * Opens path, once: what was checked is what is used. On a block device the size is that of the
 * package on it, as its header says; where that header makes no sense, the device's. Read and seek:
 * SOURCE_GONE when the medium was pulled out, else SOURCE_READ. Details: SOURCE_NOT_FOUND (errno in
 * the fault).
 */
enum detail source_file_open(struct source_file *file, const char *path, struct fault *fault);

#endif
