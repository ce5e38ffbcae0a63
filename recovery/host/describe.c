#include "describe.h"

#include <libfdt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dtc.h"
#include "options.h"

enum kind { TEXT, TEXTS, NUMBER, SIZE };

/* Properties of the description's root node; the command line knows them by the same names. */
static const struct property {
	const char *name;
	enum kind kind;
	size_t off; /* in struct description */
} properties[] = {
	{"chunk-size", SIZE, offsetof(struct description, chunk_size)},
	{"created", NUMBER, offsetof(struct description, created)},
	{"key-epoch", NUMBER, offsetof(struct description, key_epoch)},
	{"level", NUMBER, offsetof(struct description, level)},
	{"minimum-release", NUMBER, offsetof(struct description, minimum_release)},
	{"notes", TEXT, offsetof(struct description, notes)},
	{"product", TEXTS, offsetof(struct description, products)},
	{"release", NUMBER, offsetof(struct description, release)},
	{"rollback-floor", NUMBER, offsetof(struct description, rollback_floor)},
	{"version", TEXT, offsetof(struct description, version)},
};

static const struct property *find_property(const char *name)
{
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		if (strcmp(properties[i].name, name) == 0)
			return &properties[i];
	}
	return NULL;
}

static void *place_of(struct description *description, const struct property *property)
{
	return (char *)description + property->off;
}

static void replace_text(char **place, const char *text)
{
	free(*place);
	*place = memory_text("%s", text);
}

/* --- values --- */

static enum status add_product(struct description *description, const char *text,
			       const char *object, struct problem *problem)
{
	if (description->product_count == MANIFEST_PRODUCTS_MAX)
		return problem_set(problem, STATUS_USAGE, object,
				   "has more than %u products. Make two packages.",
				   MANIFEST_PRODUCTS_MAX);
	description->products[description->product_count++] = memory_text("%s", text);
	return STATUS_OK;
}

static enum status add_extra(struct describe_extras *extras, const char *name, const void *bytes,
			     size_t len, struct problem *problem)
{
	struct describe_extra *extra = NULL;
	for (size_t i = 0; i < extras->count; i++) {
		if (strcmp(extras->at[i].name, name) == 0)
			extra = &extras->at[i];
	}
	if (!extra) {
		if (extras->count == DESCRIBE_EXTRAS_MAX)
			return problem_set(problem, STATUS_USAGE, name,
					   "is one property of one's own too many: %u at most. "
					   "Leave some out.",
					   DESCRIBE_EXTRAS_MAX);
		extra = &extras->at[extras->count++];
		extra->name = memory_text("%s", name);
	}
	free(extra->bytes);
	extra->bytes = memory_get(len);
	extra->len = len;
	if (len)
		memcpy(extra->bytes, bytes, len);
	return STATUS_OK;
}

static bool is_extra(const char *name)
{
	/* What the Devicetree Specification allows in a name, section 2.2.4. */
	return strncmp(name, "x-", 2) == 0 && name[2] && strlen(name) <= 31 &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789,._+?#-")];
}

enum status describe_set(struct description *description, const char *name, const char *text,
			 const char *object, struct problem *problem)
{
	const struct property *property = find_property(name);
	if (!property && is_extra(name))
		return add_extra(&description->extras, name, text, strlen(text) + 1, problem);
	if (!property)
		return problem_set(problem, STATUS_USAGE, object,
				   "names no property of a package. lifeboat-pack(1) lists them; "
				   "names of one's own begin with x-.");

	struct optional *number = place_of(description, property);
	switch (property->kind) {
	case TEXT:
		replace_text(place_of(description, property), text);
		return STATUS_OK;
	case TEXTS:
		return add_product(description, text, object, problem);
	case NUMBER:
		number->set = options_number(text, &number->value);
		break;
	case SIZE:
		number->set = options_size(text, &number->value);
		break;
	}
	if (!number->set)
		return problem_set(problem, STATUS_USAGE, object,
				   "is not a number that can be used: \"%s\". "
				   "Give a whole number%s.",
				   text, property->kind == SIZE ? ", with K or M if you like" : "");
	return STATUS_OK;
}

void describe_clear_products(struct description *description)
{
	for (size_t i = 0; i < description->product_count; i++)
		free(description->products[i]);
	description->product_count = 0;
}

static struct describe_image *find_image(struct description *description, const char *role)
{
	for (size_t i = 0; i < description->image_count; i++) {
		if (strcmp(description->images[i].role, role) == 0)
			return &description->images[i];
	}
	return NULL;
}

static struct describe_image *add_image(struct description *description, const char *role,
					struct problem *problem)
{
	if (description->image_count == MANIFEST_IMAGES_MAX) {
		problem_set(problem, STATUS_USAGE, role,
			    "is one image too many: a package has at most %u. Leave some out.",
			    MANIFEST_IMAGES_MAX);
		return NULL;
	}
	struct describe_image *image = &description->images[description->image_count++];
	image->role = memory_text("%s", role);
	return image;
}

enum status describe_set_image(struct description *description, const char *role, const char *path,
			       struct problem *problem)
{
	struct describe_image *image = find_image(description, role);
	if (!image)
		image = add_image(description, role, problem);
	if (image)
		replace_text(&image->path, path);
	return problem->status;
}

/* --- a description as a device tree --- */

struct reader {
	struct description *description;
	const char *path;
	const void *fdt;
	struct problem *problem;
};

static enum status wrong(const struct reader *reader, const char *where, const char *name,
			 const char *what)
{
	char *object = memory_text("%s: %s%s%s", reader->path, where, where[0] ? "/" : "", name);
	problem_set(reader->problem, STATUS_USAGE, object, "%s", what);
	free(object);
	return reader->problem->status;
}

static bool read_number(const uint8_t *bytes, size_t len, struct optional *number)
{
	if (len != 4 && len != 8)
		return false;
	number->set = true;
	number->value = len == 4 ? load_be32(bytes) : load_be64(bytes);
	return true;
}

/* One string, or several when list is true; an empty one is found by describe_check. */
static bool is_text(const char *bytes, size_t len, bool list)
{
	return len && !bytes[len - 1] && (list || strlen(bytes) == len - 1);
}

static enum status read_property(const struct reader *reader, const char *name,
				 const uint8_t *bytes, size_t len)
{
	const struct property *property = find_property(name);
	const char *text = (const char *)bytes;

	if (!property && is_extra(name))
		return add_extra(&reader->description->extras, name, bytes, len, reader->problem);
	if (!property)
		return wrong(reader, "", name,
			     "is unknown. lifeboat-pack(1) lists the properties; "
			     "names of one's own begin with x-.");
	void *place = place_of(reader->description, property);
	switch (property->kind) {
	case TEXT:
		if (!is_text(text, len, false))
			return wrong(reader, "", name, "is not one text. Write it as \"...\".");
		replace_text(place, text);
		break;
	case TEXTS:
		if (!is_text(text, len, true))
			return wrong(reader, "", name,
				     "is not a list of texts. Write it as \"...\", \"...\".");
		for (size_t off = 0; off < len; off += strlen(text + off) + 1) {
			if (add_product(reader->description, text + off, reader->path,
					reader->problem) != STATUS_OK)
				return reader->problem->status;
		}
		break;
	case NUMBER:
	case SIZE:
		if (!read_number(bytes, len, place))
			return wrong(reader, "", name,
				     "is not one number. Write it as <N>, "
				     "or as /bits/ 64 <N> above 4294967295.");
		break;
	}
	return STATUS_OK;
}

static char *path_beside(const char *description, const char *file)
{
	const char *slash = strrchr(description, '/');
	if (file[0] == '/' || !slash)
		return memory_text("%s", file);
	return memory_text("%.*s%s", (int)(slash - description + 1), description, file);
}

static enum status read_image_property(const struct reader *reader, struct describe_image *image,
				       const char *name, const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes;

	if (is_extra(name))
		return add_extra(&image->extras, name, bytes, len, reader->problem);
	if (strcmp(name, "file") == 0) {
		if (!is_text(text, len, false) || !text[0])
			return wrong(reader, image->role, name,
				     "is not the name of a file. Write it as \"...\".");
		free(image->path); /* a tree may say it twice */
		image->path = path_beside(reader->path, text);
		return STATUS_OK;
	}
	if (strcmp(name, "chunk-size") == 0) {
		if (!read_number(bytes, len, &image->chunk_size))
			return wrong(reader, image->role, name,
				     "is not one number. Write it as <N>.");
		return STATUS_OK;
	}
	return wrong(reader, image->role, name,
		     "is unknown. An image has file and chunk-size; "
		     "names of one's own begin with x-.");
}

static enum status read_image(const struct reader *reader, int node)
{
	const char *role = fdt_get_name(reader->fdt, node, NULL);
	if (find_image(reader->description, role))
		return wrong(reader, "images", role, "is there twice. Give each role one image.");
	if (fdt_first_subnode(reader->fdt, node) >= 0)
		return wrong(reader, "images", role, "has a node in it. An image has none.");
	struct describe_image *image = add_image(reader->description, role, reader->problem);
	if (!image)
		return reader->problem->status;

	int property;
	fdt_for_each_property_offset (property, reader->fdt, node) {
		const char *name;
		int len;
		const void *bytes = fdt_getprop_by_offset(reader->fdt, property, &name, &len);
		if (read_image_property(reader, image, name, bytes, (size_t)len) != STATUS_OK)
			return reader->problem->status;
	}
	if (!image->path)
		return wrong(reader, "images", role, "names no file. Add file = \"...\";.");
	return STATUS_OK;
}

static enum status read_nodes(const struct reader *reader)
{
	int node, image;

	fdt_for_each_subnode (node, reader->fdt, 0) {
		const char *name = fdt_get_name(reader->fdt, node, NULL);
		if (strcmp(name, "images") != 0)
			return wrong(reader, "", name,
				     "is unknown. The only node is images { ... };.");
		if (fdt_first_property_offset(reader->fdt, node) >= 0)
			return wrong(reader, "", name,
				     "has a property. It has a node for each image only.");
		fdt_for_each_subnode (image, reader->fdt, node) {
			if (read_image(reader, image) != STATUS_OK)
				return reader->problem->status;
		}
	}
	return STATUS_OK;
}

enum status describe_load(struct description *description, const char *path,
			  struct problem *problem)
{
	uint8_t *fdt;
	if (dtc_load(path, &fdt, problem) != STATUS_OK)
		return problem->status;

	struct reader reader = {description, path, fdt, problem};
	int property;
	fdt_for_each_property_offset (property, fdt, 0) {
		const char *name;
		int len;
		const void *bytes = fdt_getprop_by_offset(fdt, property, &name, &len);
		if (read_property(&reader, name, bytes, (size_t)len) != STATUS_OK)
			break;
	}
	if (problem->status == STATUS_OK)
		read_nodes(&reader);
	free(fdt);
	return problem->status;
}

static void free_extras(struct describe_extras *extras)
{
	for (size_t i = 0; i < extras->count; i++) {
		free(extras->at[i].name);
		free(extras->at[i].bytes);
	}
}

void describe_free(struct description *description)
{
	describe_clear_products(description);
	free(description->version);
	free(description->notes);
	free_extras(&description->extras);
	for (size_t i = 0; i < description->image_count; i++) {
		free(description->images[i].role);
		free(description->images[i].path);
		free_extras(&description->images[i].extras);
	}
}
