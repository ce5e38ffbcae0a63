/* Packs one image into the payload of a package. */
#ifndef LIFEBOAT_HOST_IMAGE_H
#define LIFEBOAT_HOST_IMAGE_H

#include "compose.h"
#include "file.h"
#include "index.h"
#include "package.h"
#include "progress.h"

struct image_work {
	struct input input;
	const char *role;
	size_t number;			/* in the manifest */
	struct composed_image image;	/* size, chunk_size, segment_count are set at the start */
	uint64_t kinds[CHUNK_FILL + 1]; /* chunks of each kind, by enum chunk_kind */
};

/* Opens the file and works out its segments; nothing is read yet. */
enum status image_open(struct image_work *work, const struct describe_image *described,
		       size_t number, struct problem *problem);
void image_close(struct image_work *work);

struct image_packing {
	struct output *output;
	uint64_t payload; /* where it starts in the output */
	unsigned jobs;
	int level;
	struct progress_meter *meter;
	uint64_t *done; /* bytes of all images so far */
};

/* Appends all segments, and fills in the composed image. */
enum status image_pack(struct image_work *work, const struct image_packing *packing,
		       struct problem *problem);

#endif
