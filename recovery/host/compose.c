#include "compose.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "package.h"

/* libfdt keeps an error, and every call after it fails: it is looked at once, at the end. */
struct composer {
	void *fdt;
	int error;
};

static void add(struct composer *composer, const char *name, const void *bytes, size_t len)
{
	if (!composer->error)
		composer->error = fdt_property(composer->fdt, name, bytes, (int)len);
}

static void add_u64(struct composer *composer, const char *name, uint64_t value)
{
	uint8_t bytes[8];
	store_be64(bytes, value);
	add(composer, name, bytes, sizeof(bytes));
}

static void add_text(struct composer *composer, const char *name, const char *text)
{
	add(composer, name, text, strlen(text) + 1);
}

static void begin(struct composer *composer, const char *name)
{
	if (!composer->error)
		composer->error = fdt_begin_node(composer->fdt, name);
}

static void end(struct composer *composer)
{
	if (!composer->error)
		composer->error = fdt_end_node(composer->fdt);
}

static void add_extras(struct composer *composer, const struct describe_extras *extras)
{
	for (size_t i = 0; i < extras->count; i++)
		add(composer, extras->at[i].name, extras->at[i].bytes, extras->at[i].len);
}

static void add_products(struct composer *composer, const struct description *description)
{
	char *list = NULL;
	size_t len = 0;
	for (size_t i = 0; i < description->product_count; i++) {
		size_t part = strlen(description->products[i]) + 1;
		list = memory_resize(list, len + part);
		memcpy(list + len, description->products[i], part);
		len += part;
	}
	add(composer, "product", list, len);
	free(list);
}

static void add_root(struct composer *composer, const struct description *description)
{
	add_text(composer, "compatible", "lifeboat,package-1");
	add_products(composer, description);
	add_text(composer, "version", description->version);
	add_u64(composer, "release", description->release.value);
	add_u64(composer, "rollback-floor", description->rollback_floor.value);
	add_u64(composer, "minimum-release", description->minimum_release.value);
	add_u64(composer, "key-epoch", description->key_epoch.value);
	add_text(composer, "signature-role", "release");
	add_u64(composer, "signature-threshold", 1);
	add(composer, "recipients", "", 0);
	if (description->notes)
		add_text(composer, "notes", description->notes);
	if (description->created.set)
		add_u64(composer, "created", description->created.value);
	add_extras(composer, &description->extras);
}

static void add_image(struct composer *composer, const struct describe_image *described,
		      const struct composed_image *image, size_t number)
{
	char name[32];
	snprintf(name, sizeof(name), "image@%zu", number);
	begin(composer, name);
	add_text(composer, "role", described->role);
	add_u64(composer, "size", image->size);
	add(composer, "sha256", image->sha256, sizeof(image->sha256));
	add_u64(composer, "chunk-size", image->chunk_size);
	add(composer, "segments", image->segments, image->segment_count * MANIFEST_SEGMENT_LEN);
	add_extras(composer, &described->extras);
	end(composer);
}

void compose_segment(uint8_t record[MANIFEST_SEGMENT_LEN], uint64_t off, uint64_t len,
		     uint64_t index_len, const uint8_t index_sha256[HASH_LEN])
{
	store_be64(record, off);
	store_be64(record + 8, len);
	store_be64(record + 16, index_len);
	memcpy(record + 24, index_sha256, HASH_LEN);
}

size_t compose_manifest(const struct description *description, const struct composed_image *images,
			uint8_t *to)
{
	struct composer composer = {.fdt = to};
	for (size_t i = 0; i < description->image_count; i++) {
		/* Lengths in libfdt are int: what cannot fit must not get there. */
		if (images[i].segment_count > PACKAGE_MANIFEST_MAX / MANIFEST_SEGMENT_LEN)
			return 0;
	}
	composer.error = fdt_create(to, PACKAGE_MANIFEST_MAX);
	if (!composer.error)
		composer.error = fdt_finish_reservemap(to);
	begin(&composer, "");
	add_root(&composer, description);
	begin(&composer, "images");
	for (size_t i = 0; i < description->image_count; i++)
		add_image(&composer, &description->images[i], &images[i], i);
	end(&composer);
	end(&composer);
	if (!composer.error)
		composer.error = fdt_finish(to);
	return composer.error ? 0 : fdt_totalsize(to);
}
