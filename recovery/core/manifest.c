#include "manifest.h"
#include "index.h"
#include "package.h"
#include "text.h"
#include "tree.h"

#include <libfdt.h>
#include <string.h>

/* What is being read: the tree, the fault to fill, and the node's name for it. */
struct reader {
	const void *fdt;
	int node;
	const char *name; /* of the node, "" for the root */
	struct fault *fault;
};

static enum detail fail(const struct reader *r, enum detail detail, const char *property)
{
	char object[120];
	struct text t = TEXT_IN(object);

	text_add(&t, r->name);
	if (*r->name && *property)
		text_char(&t, '/');
	text_add(&t, property);
	return fault_set(r->fault, detail, object);
}

/* A property that may occur in a node, and whether it must. */
struct known {
	const char *name;
	bool required;
};

static const struct known root_properties[] = {
	{"compatible", true}, {"product", true},	{"version", true},
	{"release", true},    {"rollback-floor", true}, {"minimum-release", true},
	{"key-epoch", true},  {"signature-role", true}, {"signature-threshold", true},
	{"recipients", true}, {"notes", false},		{"created", false},
};

static const struct known image_properties[] = {
	{"role", true}, {"size", true}, {"sha256", true}, {"chunk-size", true}, {"segments", true},
};

static enum detail check_properties(const struct reader *r, const struct known *known, size_t count)
{
	uint32_t seen = 0;
	int p, len;
	const char *name;

	fdt_for_each_property_offset (p, r->fdt, r->node) {
		size_t i = 0;
		if (!fdt_getprop_by_offset(r->fdt, p, &name, &len))
			return fail(r, DETAIL_MANIFEST_MALFORMED, "");
		if (!strncmp(name, "x-", 2))
			continue;
		while (i < count && strcmp(name, known[i].name))
			i++;
		if (i == count)
			return fail(r, DETAIL_MANIFEST_UNKNOWN, name);
		if (seen &
		    UINT32_C(1)
			    << i) /* two values for one name: which one counts must never matter */
			return fail(r, DETAIL_MANIFEST_VALUE, name);
		seen |= UINT32_C(1) << i;
	}
	for (size_t i = 0; i < count; i++)
		if (known[i].required && !(seen & UINT32_C(1) << i))
			return fail(r, DETAIL_MANIFEST_MISSING, known[i].name);
	return DETAIL_OK;
}

static enum detail get_u64(const struct reader *r, const char *name, uint64_t *value)
{
	int len;
	const uint8_t *p = fdt_getprop(r->fdt, r->node, name, &len);

	if (!p || len != 8)
		return fail(r, DETAIL_MANIFEST_VALUE, name);
	*value = load_be64(p);
	return DETAIL_OK;
}

/*
 * UTF-8 (RFC 3629) without control characters; line feeds where they are allowed. Returns false
 * otherwise.
 */
static bool text_is_clean(const uint8_t *s, size_t len, bool line_feeds)
{
	size_t i = 0;

	while (i < len) {
		uint32_t c = s[i];
		uint32_t low = 0x80;
		size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

		if (!more) {
			if (c == 0x7f || (c < 0x20 && !(line_feeds && c == '\n')))
				return false;
			i++;
			continue;
		}
		if (c < 0xc2 || c > 0xf4 || more >= len - i)
			return false;
		c &= 0x3fu >> more;
		for (size_t k = 1; k <= more; k++) {
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (s[i + k] & 0x3fu);
		}
		low = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
		/* C1 controls, overlong forms, surrogates, beyond Unicode */
		if (c < 0xa0 || c < low || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
			return false;
		i += more + 1;
	}
	return true;
}

/* One string of min to max bytes without its ending zero. */
static enum detail get_string(const struct reader *r, const char *name, size_t min, size_t max,
			      bool line_feeds, const char **value)
{
	int len;
	const char *p = fdt_getprop(r->fdt, r->node, name, &len);
	size_t n;

	if (!p || len < 1)
		return fail(r, DETAIL_MANIFEST_VALUE, name);
	n = (size_t)len - 1;
	if (n < min || n > max || memchr(p, 0, n) || p[n] ||
	    !text_is_clean((const uint8_t *)p, n, line_feeds))
		return fail(r, DETAIL_MANIFEST_VALUE, name);
	*value = p;
	return DETAIL_OK;
}

static enum detail load_products(struct manifest *m, const struct reader *r)
{
	int len;
	const char *p = fdt_getprop(r->fdt, r->node, "product", &len);
	size_t left;

	if (!p || len < 2 || p[len - 1])
		return fail(r, DETAIL_MANIFEST_VALUE, "product");
	for (left = (size_t)len; left;) {
		size_t n = strlen(p); /* ends within the property: its last byte is zero */
		if (!n || n > 127 || m->product_count == MANIFEST_PRODUCTS_MAX ||
		    !text_is_clean((const uint8_t *)p, n, false))
			return fail(r, DETAIL_MANIFEST_VALUE, "product");
		m->products[m->product_count++] = p;
		p += n + 1;
		left -= n + 1;
	}
	return DETAIL_OK;
}

/* What format 1 has room for but accepts in one form only. */
static enum detail check_reserved(const struct reader *r)
{
	const char *role;
	uint64_t threshold;
	int len;
	enum detail detail;

	if ((detail = get_string(r, "signature-role", 1, 31, false, &role)))
		return detail;
	if (strcmp(role, "release"))
		return fault_set(r->fault, DETAIL_ROLE_UNKNOWN, role);
	if ((detail = get_u64(r, "signature-threshold", &threshold)))
		return detail;
	if (threshold != 1)
		return fail(r, DETAIL_THRESHOLD, "signature-threshold");
	if (!fdt_getprop(r->fdt, r->node, "recipients", &len) || len % HASH_LEN)
		return fail(r, DETAIL_MANIFEST_VALUE, "recipients");
	if (len)
		return fault_set(r->fault, DETAIL_ENCRYPTED, "package");
	return DETAIL_OK;
}

static enum detail load_root(struct manifest *m, const struct reader *r)
{
	const char *compatible;
	enum detail detail;

	if ((detail = check_properties(r, root_properties,
				       sizeof(root_properties) / sizeof(root_properties[0]))) ||
	    (detail = get_string(r, "compatible", 1, 63, false, &compatible)))
		return detail;
	if (strcmp(compatible, "lifeboat,package-1"))
		return fail(r, DETAIL_MANIFEST_VALUE, "compatible");
	if ((detail = check_reserved(r)) || (detail = load_products(m, r)) ||
	    (detail = get_string(r, "version", 1, MANIFEST_VERSION_SIZE - 1, false, &m->version)) ||
	    (detail = get_u64(r, "release", &m->release)) ||
	    (detail = get_u64(r, "rollback-floor", &m->rollback_floor)) ||
	    (detail = get_u64(r, "minimum-release", &m->minimum_release)) ||
	    (detail = get_u64(r, "key-epoch", &m->key_epoch)))
		return detail;
	if (!m->release)
		return fail(r, DETAIL_MANIFEST_VALUE, "release");
	if (m->rollback_floor > m->release)
		return fail(r, DETAIL_MANIFEST_VALUE, "rollback-floor");
	if (m->minimum_release > m->release)
		return fail(r, DETAIL_MANIFEST_VALUE, "minimum-release");
	if (fdt_getprop(r->fdt, r->node, "notes", NULL) &&
	    (detail = get_string(r, "notes", 0, MANIFEST_NOTES_MAX, true, &m->notes)))
		return detail;
	m->has_created = fdt_getprop(r->fdt, r->node, "created", NULL) != NULL;
	return m->has_created ? get_u64(r, "created", &m->created) : DETAIL_OK;
}

static bool role_is_clean(const char *s)
{
	for (; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') && *s != '-' &&
		    *s != '_')
			return false;
	return true;
}

/* Each segment begins where the one before it ends; *end moves along. */
static enum detail check_segments(const struct manifest_image *image, const struct reader *r,
				  uint64_t payload_len, uint64_t *end)
{
	struct manifest_segment s;

	for (uint64_t i = 0; i < image->segment_count; i++) {
		uint32_t chunks = manifest_segment_chunks(image, i);
		uint64_t index_len = INDEX_HEADER_LEN + (uint64_t)INDEX_ENTRY_LEN * chunks;
		manifest_segment(image, i, &s);
		if (s.index_len != index_len || s.off != *end ||
		    !range_within(s.off, s.len, payload_len) || s.len < index_len + chunks ||
		    s.len > index_len + (uint64_t)chunks * image->chunk_size)
			return fail(r, DETAIL_SEGMENT_LAYOUT, "segments");
		*end += s.len;
	}
	return DETAIL_OK;
}

static enum detail load_image(struct manifest *m, const struct reader *r, uint64_t payload_len,
			      uint64_t *end)
{
	struct manifest_image *image = &m->images[m->image_count];
	const char *role;
	const uint8_t *sha;
	uint64_t chunk_size;
	int len;
	enum detail detail;

	if ((detail = check_properties(r, image_properties,
				       sizeof(image_properties) / sizeof(image_properties[0]))) ||
	    (detail = get_string(r, "role", 1, MANIFEST_ROLE_SIZE - 1, false, &role)) ||
	    (detail = get_u64(r, "size", &image->size)) ||
	    (detail = get_u64(r, "chunk-size", &chunk_size)))
		return detail;
	if (!role_is_clean(role))
		return fail(r, DETAIL_MANIFEST_VALUE, "role");
	for (size_t i = 0; i < m->image_count; i++)
		if (!strcmp(m->images[i].role, role))
			return fail(r, DETAIL_MANIFEST_VALUE, "role");
	text_copy(image->role, sizeof(image->role), role);
	if (!image->size || image->size > MANIFEST_IMAGE_MAX)
		return fail(r, DETAIL_MANIFEST_VALUE, "size");
	if (chunk_size < CHUNK_SIZE_MIN || chunk_size > CHUNK_SIZE_MAX ||
	    chunk_size & (chunk_size - 1))
		return fail(r, DETAIL_MANIFEST_VALUE, "chunk-size");
	image->chunk_size = (uint32_t)chunk_size;
	sha = fdt_getprop(r->fdt, r->node, "sha256", &len);
	if (!sha || len != HASH_LEN)
		return fail(r, DETAIL_MANIFEST_VALUE, "sha256");
	memcpy(image->sha256, sha, HASH_LEN);

	image->chunk_count = (image->size - 1) / chunk_size + 1;
	image->segment_count = (image->chunk_count - 1) / SEGMENT_CHUNKS_MAX + 1;
	image->segments = fdt_getprop(r->fdt, r->node, "segments", &len);
	if (!image->segments || len < 0 || (uint64_t)len % MANIFEST_SEGMENT_LEN ||
	    (uint64_t)len / MANIFEST_SEGMENT_LEN != image->segment_count)
		return fail(r, DETAIL_MANIFEST_VALUE, "segments");
	return check_segments(image, r, payload_len, end);
}

/* "image@0", "image@1", ...: the one name that the n-th child may have. */
static void image_name(size_t n, char *name, size_t size)
{
	struct text t = {.at = name, .size = size, .len = 0};

	text_add(&t, "image@");
	text_u64(&t, n);
}

static enum detail load_images(struct manifest *m, const struct reader *root, int images,
			       uint64_t payload_len)
{
	struct reader r = {
		.fdt = root->fdt, .node = images, .name = "images", .fault = root->fault};
	uint64_t end = 0;
	char name[16];
	int node;
	enum detail detail = check_properties(&r, NULL, 0);

	if (detail)
		return detail;
	fdt_for_each_subnode (node, root->fdt, images) {
		const char *found = fdt_get_name(root->fdt, node, NULL);
		image_name(m->image_count, name, sizeof(name));
		if (!found)
			return fail(&r, DETAIL_MANIFEST_MALFORMED, "");
		if (strcmp(found, name))
			return fail(&r, DETAIL_MANIFEST_UNKNOWN, found);
		if (m->image_count == MANIFEST_IMAGES_MAX)
			return fail(&r, DETAIL_MANIFEST_VALUE, found);
		struct reader ri = {
			.fdt = root->fdt, .node = node, .name = name, .fault = root->fault};
		int below = fdt_first_subnode(root->fdt, node);
		if (below >= 0) {
			found = fdt_get_name(root->fdt, below, NULL);
			return fail(&ri, DETAIL_MANIFEST_UNKNOWN, found ? found : "");
		}
		if ((detail = load_image(m, &ri, payload_len, &end)))
			return detail;
		m->image_count++;
	}
	if (!m->image_count)
		return fail(&r, DETAIL_MANIFEST_MISSING, "image@0");
	if (end != payload_len)
		return fail(&r, DETAIL_SEGMENT_LAYOUT, "");
	return DETAIL_OK;
}

enum detail manifest_load(struct manifest *manifest, const uint8_t *fdt, size_t len,
			  uint64_t payload_len, struct fault *fault)
{
	struct reader root = {.fdt = fdt, .node = 0, .name = "", .fault = fault};
	int node, images = -1;
	enum detail detail;

	memset(manifest, 0, sizeof(*manifest));
	if (len < PACKAGE_MANIFEST_MIN || len > PACKAGE_MANIFEST_MAX || !tree_is_sound(fdt, len) ||
	    fdt_totalsize(fdt) != len || fdt_version(fdt) != 17 || fdt_num_mem_rsv(fdt))
		return fault_set(fault, DETAIL_MANIFEST_MALFORMED, "package");
	if ((detail = load_root(manifest, &root)))
		return detail;
	fdt_for_each_subnode (node, fdt, 0) {
		const char *name = fdt_get_name(fdt, node, NULL);
		if (!name)
			return fail(&root, DETAIL_MANIFEST_MALFORMED, "");
		if (strcmp(name, "images") || images >= 0)
			return fail(&root, DETAIL_MANIFEST_UNKNOWN, name);
		images = node;
	}
	if (images < 0)
		return fail(&root, DETAIL_MANIFEST_MISSING, "images");
	return load_images(manifest, &root, images, payload_len);
}

void manifest_segment(const struct manifest_image *image, uint64_t segment,
		      struct manifest_segment *out)
{
	const uint8_t *p = image->segments + segment * MANIFEST_SEGMENT_LEN;

	out->off = load_be64(p);
	out->len = load_be64(p + 8);
	out->index_len = load_be64(p + 16);
	out->index_sha256 = p + 24;
}

uint64_t manifest_total_size(const struct manifest *manifest)
{
	uint64_t total = 0;

	for (size_t i = 0; i < manifest->image_count; i++)
		total += manifest->images[i].size;
	return total;
}

uint32_t manifest_segment_chunks(const struct manifest_image *image, uint64_t segment)
{
	uint64_t left = image->chunk_count - segment * SEGMENT_CHUNKS_MAX;

	return left < SEGMENT_CHUNKS_MAX ? (uint32_t)left : SEGMENT_CHUNKS_MAX;
}

uint32_t manifest_chunk_len(const struct manifest_image *image, uint64_t chunk)
{
	uint64_t left = image->size - chunk * image->chunk_size;

	return left < image->chunk_size ? (uint32_t)left : image->chunk_size;
}
