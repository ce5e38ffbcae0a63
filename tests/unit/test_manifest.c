/*
 * The manifest, FORMAT.md 1.4: each rule broken alone in an otherwise good tree, with the exact
 * code. Where the format does not say which of two codes fits, both are taken; success never is.
 */
#include "support.h"

#include "manifest.h"

static struct manifest manifest;
static struct fault fault;

/* The tree is copied to an allocation of its exact size; the manifest points into it. */
static enum detail load_bytes(const uint8_t *fdt, size_t len, uint64_t payload_len)
{
	memset(&manifest, 0xa5, sizeof(manifest));
	memset(&fault, 0, sizeof(fault));
	return manifest_load(&manifest, arena_copy(fdt, len), len, payload_len, &fault);
}

static enum detail load(struct pkg *pkg)
{
	size_t len;
	uint8_t *fdt = fdt_make(pkg->root, &len);
	return load_bytes(fdt, len, pkg->payload_size);
}

/* --- The good one --- */

static void good_manifest_is_read(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	uint8_t sha256[HASH_LEN];
	prop_set(pkg->root, "product", "one\0two", 8);
	prop_text(pkg->root, "notes", "First line.\nSecond line: \xc3\xa4.");
	prop_u64(pkg->root, "created", 1767225600);
	assert_detail(load(pkg), DETAIL_OK);
	assert_int_equal(manifest.product_count, 2);
	assert_string_equal(manifest.products[0], "one");
	assert_string_equal(manifest.products[1], "two");
	assert_string_equal(manifest.version, "10.0");
	assert_int_equal(manifest.release, 10);
	assert_int_equal(manifest.rollback_floor, 3);
	assert_int_equal(manifest.minimum_release, 0);
	assert_int_equal(manifest.key_epoch, 1);
	assert_string_equal(manifest.notes, "First line.\nSecond line: \xc3\xa4.");
	assert_true(manifest.has_created);
	assert_int_equal(manifest.created, 1767225600);
	assert_int_equal(manifest.image_count, 2);

	const struct manifest_image *boot = &manifest.images[0], *system = &manifest.images[1];
	assert_string_equal(boot->role, "boot");
	assert_int_equal(boot->size, 5 * 4096 + 100);
	assert_int_equal(boot->chunk_size, 4096);
	assert_int_equal(boot->chunk_count, 6);
	assert_int_equal(boot->segment_count, 1);
	hash_of(pkg->images[0].plain, pkg->images[0].size, sha256);
	assert_memory_equal(boot->sha256, sha256, HASH_LEN);
	assert_string_equal(system->role, "system");
	assert_int_equal(system->chunk_count, 9);
	assert_int_equal(manifest_total_size(&manifest), 14 * 4096 + 100);
	assert_int_equal(manifest_segment_chunks(boot, 0), 6);
	assert_int_equal(manifest_segment_chunks(system, 0), 9);
	assert_int_equal(manifest_chunk_len(boot, 0), 4096);
	assert_int_equal(manifest_chunk_len(boot, 4), 4096);
	assert_int_equal(manifest_chunk_len(boot, 5), 100);
	assert_int_equal(manifest_chunk_len(system, 8), 4096);

	for (size_t i = 0; i < 2; i++) {
		struct manifest_segment segment;
		const struct pkg_segment *want = &pkg->images[i].segments[0];
		manifest_segment(&manifest.images[i], 0, &segment);
		assert_int_equal(segment.off, want->off);
		assert_int_equal(segment.len, want->len);
		assert_int_equal(segment.index_len, want->index_len);
		assert_memory_equal(segment.index_sha256, want->index_sha256, HASH_LEN);
	}
}

static void optional_properties_may_miss(void **state)
{
	(void)state;
	assert_detail(load(pkg_small()), DETAIL_OK);
	assert_null(manifest.notes);
	assert_false(manifest.has_created);
}

/* --- Required and unknown --- */

static const char *const root_props[] = {"compatible", "product",	 "version",
					 "release",    "rollback-floor", "minimum-release",
					 "key-epoch",  "signature-role", "signature-threshold",
					 "recipients"};
static const char *const image_props[] = {"role", "size", "sha256", "chunk-size", "segments"};

static void each_required_property_missing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(root_props); i++) {
		struct pkg *pkg = pkg_small();
		prop_remove(pkg->root, root_props[i]);
		at_case("%s", root_props[i]);
		assert_detail(load(pkg), DETAIL_MANIFEST_MISSING);
		check(strstr(fault.object, root_props[i]) != NULL);
	}
	for (size_t image = 0; image < 2; image++)
		for (size_t i = 0; i < COUNT(image_props); i++) {
			struct pkg *pkg = pkg_small();
			prop_remove(pkg_image_node(pkg, image), image_props[i]);
			at_case("image@%zu %s", image, image_props[i]);
			assert_detail(load(pkg), DETAIL_MANIFEST_MISSING);
			check(strstr(fault.object, image_props[i]) != NULL);
		}
	struct pkg *pkg = pkg_small();
	node_remove(pkg->root, "images");
	assert_detail(load(pkg), DETAIL_MANIFEST_MISSING);
}

static void unknown_properties_and_nodes(void **state)
{
	(void)state;
	static const char *const names[] = {
		"unknown", "X-upper",	     "x",	"y-x-", "compatible2",
		"produc",  "#address-cells", "phandle", "size", "role"};
	for (size_t i = 0; i < COUNT(names); i++) {
		struct pkg *pkg = pkg_small();
		at_case("%s", names[i]);
		prop_u64(pkg->root, names[i], 1);
		assert_detail(load(pkg), DETAIL_MANIFEST_UNKNOWN);
		check(strstr(fault.object, names[i]) != NULL);
		pkg = pkg_small();
		prop_u64(node_at(pkg->root, "images"), names[i], 1);
		assert_detail(load(pkg), DETAIL_MANIFEST_UNKNOWN);
		if (i >= 8) /* these belong to an image */
			continue;
		pkg = pkg_small();
		prop_u64(pkg_image_node(pkg, 1), names[i], 1);
		assert_detail(load(pkg), DETAIL_MANIFEST_UNKNOWN);
	}
	static const char *const nodes[] = {"other", "x-node", "Images", "images@0", "image@0"};
	for (size_t i = 0; i < COUNT(nodes); i++) {
		struct pkg *pkg = pkg_small();
		at_case("node %s", nodes[i]);
		node_add(pkg->root, nodes[i]);
		assert_detail(load(pkg), DETAIL_MANIFEST_UNKNOWN);
		pkg = pkg_small();
		node_add(pkg_image_node(pkg, 0), nodes[i]);
		assert_detail(load(pkg), DETAIL_MANIFEST_UNKNOWN);
	}
	static const char *const in_images[] = {"other",
						"x-image@2",
						"image",
						"image2",
						"image@",
						"image@02",
						"image@3",
						"image@a",
						"image@4294967298",
						"image@18446744073709551618"};
	for (size_t i = 0; i < COUNT(in_images); i++) {
		struct pkg *pkg = pkg_small();
		at_case("images/%s", in_images[i]);
		node_add(node_at(pkg->root, "images"), in_images[i]);
		assert_detail_in(load(pkg), DETAIL_MANIFEST_UNKNOWN, DETAIL_MANIFEST_VALUE);
	}
}

static void properties_for_people_are_allowed(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	prop_text(pkg->root, "x-built-by", "a builder");
	prop_set(pkg->root, "x-", "\x01\x02\x03", 3);
	prop_set(pkg->root, "x-empty", "", 0);
	prop_u64(node_at(pkg->root, "images"), "x-count", 2);
	prop_text(pkg_image_node(pkg, 0), "x-origin", "kernel");
	assert_detail(load(pkg), DETAIL_OK);
}

static void nothing_stands_there_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(root_props); i++) {
		struct pkg *pkg = pkg_small();
		struct prop *prop = prop_at(pkg->root, root_props[i]);
		at_case("%s", root_props[i]);
		prop_add(pkg->root, prop->name, prop->data, prop->len);
		assert_detail_in(load(pkg), DETAIL_MANIFEST_MALFORMED, DETAIL_MANIFEST_VALUE,
				 DETAIL_MANIFEST_UNKNOWN);
	}
	for (size_t i = 0; i < COUNT(image_props); i++) {
		struct pkg *pkg = pkg_small();
		struct prop *prop = prop_at(pkg_image_node(pkg, 1), image_props[i]);
		at_case("image@1 %s", image_props[i]);
		prop_add(pkg_image_node(pkg, 1), prop->name, prop->data, prop->len);
		assert_detail_in(load(pkg), DETAIL_MANIFEST_MALFORMED, DETAIL_MANIFEST_VALUE,
				 DETAIL_MANIFEST_UNKNOWN);
	}
	struct pkg *pkg = pkg_small();
	node_add(pkg->root, "images")->children = node_at(pkg->root, "images")->children;
	assert_detail_in(load(pkg), DETAIL_MANIFEST_MALFORMED, DETAIL_MANIFEST_VALUE,
			 DETAIL_MANIFEST_UNKNOWN);
	pkg = pkg_small();
	node_add(node_at(pkg->root, "images"), "image@1")->props = pkg_image_node(pkg, 1)->props;
	assert_detail_in(load(pkg), DETAIL_MANIFEST_MALFORMED, DETAIL_MANIFEST_VALUE,
			 DETAIL_MANIFEST_UNKNOWN);
}

/* --- Values --- */

static void root_value(const char *prop, const void *data, size_t len, enum detail want)
{
	struct pkg *pkg = pkg_small();
	prop_set(pkg->root, prop, data, len);
	assert_detail(load(pkg), want);
	if (want == DETAIL_MANIFEST_VALUE)
		check(strstr(fault.object, prop) != NULL);
}

static void image_value(const char *prop, const void *data, size_t len, enum detail want)
{
	for (size_t image = 0; image < 2; image++) {
		struct pkg *pkg = pkg_small();
		prop_set(pkg_image_node(pkg, image), prop, data, len);
		assert_detail(load(pkg), want);
	}
}

static void numbers_are_eight_bytes(void **state)
{
	(void)state;
	static const char *const names[] = {"release",	 "rollback-floor",	"minimum-release",
					    "key-epoch", "signature-threshold", "created"};
	static const size_t lengths[] = {0, 1, 4, 7, 9, 12, 16, 32};
	/* Every byte 0 but one where a truncated read would find a good value. */
	static const uint8_t data[32] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
	for (size_t n = 0; n < COUNT(lengths); n++) {
		for (size_t i = 0; i < COUNT(names); i++) {
			at_case("%s of %zu bytes", names[i], lengths[n]);
			root_value(names[i], data, lengths[n], DETAIL_MANIFEST_VALUE);
		}
		at_case("size or chunk-size of %zu bytes", lengths[n]);
		image_value("size", data, lengths[n], DETAIL_MANIFEST_VALUE);
		image_value("chunk-size", data, lengths[n], DETAIL_MANIFEST_VALUE);
	}
}

static enum detail with_numbers(uint64_t release, uint64_t floor, uint64_t minimum)
{
	struct pkg *pkg = pkg_small();
	prop_u64(pkg->root, "release", release);
	prop_u64(pkg->root, "rollback-floor", floor);
	prop_u64(pkg->root, "minimum-release", minimum);
	at_case("release %llu floor %llu minimum %llu", (unsigned long long)release,
		(unsigned long long)floor, (unsigned long long)minimum);
	return load(pkg);
}

static void releases_at_their_bounds(void **state)
{
	(void)state;
	static const uint64_t edges[] = {1,	     10,
					 INT32_MAX,  UINT64_C(1) << 31,
					 UINT32_MAX, UINT64_C(1) << 32,
					 INT64_MAX,  UINT64_C(1) << 63,
					 UINT64_MAX};
	assert_detail(with_numbers(0, 0, 0), DETAIL_MANIFEST_VALUE);
	for (size_t i = 0; i < COUNT(edges); i++) {
		uint64_t r = edges[i];
		assert_detail(with_numbers(r, 0, 0), DETAIL_OK);
		check(manifest.release == r);
		assert_detail(with_numbers(r, r, r), DETAIL_OK);
		check(manifest.rollback_floor == r && manifest.minimum_release == r);
		assert_detail(with_numbers(r, r - 1, r - 1), DETAIL_OK);
		if (r == UINT64_MAX)
			continue;
		assert_detail(with_numbers(r, r + 1, 0), DETAIL_MANIFEST_VALUE);
		assert_detail(with_numbers(r, 0, r + 1), DETAIL_MANIFEST_VALUE);
		assert_detail(with_numbers(r, UINT64_MAX, 0), DETAIL_MANIFEST_VALUE);
		assert_detail(with_numbers(r, 0, UINT64_MAX), DETAIL_MANIFEST_VALUE);
	}
}

static void any_epoch_and_any_creation_time(void **state)
{
	(void)state;
	static const uint64_t values[] = {0, 1, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX};
	for (size_t i = 0; i < COUNT(values); i++) {
		struct pkg *pkg = pkg_small();
		prop_u64(pkg->root, "key-epoch", values[i]);
		prop_u64(pkg->root, "created",
			 values[i]); /* 1970, 2100: no decision depends on it */
		assert_detail(load(pkg), DETAIL_OK);
		check(manifest.key_epoch == values[i] && manifest.created == values[i]);
	}
}

static void compatible_is_exact(void **state)
{
	(void)state;
	static const char *const wrong[] = {"",
					    "lifeboat,package",
					    "lifeboat,package-",
					    "lifeboat,package-2",
					    "lifeboat,package-10",
					    "Lifeboat,package-1",
					    "lifeboat,board-1"};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		at_case("\"%s\"", wrong[i]);
		root_value("compatible", wrong[i], strlen(wrong[i]) + 1, DETAIL_MANIFEST_VALUE);
	}
	at_case("not ended");
	root_value("compatible", "lifeboat,package-1", 18, DETAIL_MANIFEST_VALUE);
	at_case("empty");
	root_value("compatible", "", 0, DETAIL_MANIFEST_VALUE);
}

static void threshold_and_role_and_recipients(void **state)
{
	(void)state;
	static const uint64_t thresholds[] = {
		0, 2, 256, (UINT64_C(1) << 32) + 1, UINT64_C(1) << 63, UINT64_MAX};
	for (size_t i = 0; i < COUNT(thresholds); i++) {
		struct pkg *pkg = pkg_small();
		prop_u64(pkg->root, "signature-threshold", thresholds[i]);
		at_case("threshold %llx", (unsigned long long)thresholds[i]);
		assert_detail(load(pkg), DETAIL_THRESHOLD);
	}
	static const char *const roles[] = {"releas", "releases", "Release", "root", "development"};
	for (size_t i = 0; i < COUNT(roles); i++) {
		at_case("role \"%s\"", roles[i]);
		root_value("signature-role", roles[i], strlen(roles[i]) + 1, DETAIL_ROLE_UNKNOWN);
	}
	at_case("role not ended");
	root_value("signature-role", "release", 7, DETAIL_MANIFEST_VALUE);
	at_case("role empty");
	root_value("signature-role", "", 0, DETAIL_MANIFEST_VALUE);
	uint8_t recipients[96] = {1};
	for (size_t len = 1; len <= sizeof(recipients); len++) {
		at_case("recipients of %zu bytes", len);
		root_value("recipients", recipients, len,
			   len % 32 ? DETAIL_MANIFEST_VALUE : DETAIL_ENCRYPTED);
	}
}

static void string_of(const char *prop, size_t len, enum detail want)
{
	char *text = arena_alloc(len + 1);
	memset(text, 'v', len);
	at_case("%s of %zu bytes", prop, len);
	root_value(prop, text, len + 1, want);
}

static void string_lengths(void **state)
{
	(void)state;
	string_of("version", 0, DETAIL_MANIFEST_VALUE);
	string_of("version", 1, DETAIL_OK);
	string_of("version", 63, DETAIL_OK);
	assert_int_equal(strlen(manifest.version), 63);
	string_of("version", 64, DETAIL_MANIFEST_VALUE);
	string_of("version", 5000, DETAIL_MANIFEST_VALUE);
	string_of("notes", 1, DETAIL_OK);
	string_of("notes", 4095, DETAIL_OK);
	assert_int_equal(strlen(manifest.notes), 4095);
	string_of("notes", 4096, DETAIL_MANIFEST_VALUE);
}

static void strings_end_in_one_zero_byte(void **state)
{
	(void)state;
	static const char *const names[] = {"version", "notes", "signature-role"};
	for (size_t i = 0; i < COUNT(names); i++) {
		at_case("%s", names[i]);
		root_value(names[i], "release", 7, DETAIL_MANIFEST_VALUE);
		root_value(names[i], "release\0", 9, DETAIL_MANIFEST_VALUE);
		root_value(names[i], "rel\0ease", 9, DETAIL_MANIFEST_VALUE);
		root_value(names[i], "", 0, DETAIL_MANIFEST_VALUE);
	}
	image_value("role", "boot", 4, DETAIL_MANIFEST_VALUE);
	image_value("role", "boot\0", 6, DETAIL_MANIFEST_VALUE);
	image_value("role", "bo\0ot", 6, DETAIL_MANIFEST_VALUE);
	image_value("role", "", 0, DETAIL_MANIFEST_VALUE);
}

static void strings_are_utf8_without_control_characters(void **state)
{
	(void)state;
	static const char *const good[] = {"a b",
					   "~",
					   " ",
					   "\xc2\xa0",
					   "\xc3\xa4",
					   "\xe2\x82\xac",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xf0\x9f\x9a\xa4",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {
		"\x01",
		"\x07",
		"\x08",
		"\t",
		"\r",
		"\x1b[2J",
		"\x1f",
		"\x7f", /* control characters */
		"\xc2\x80",
		"\xc2\x9b",
		"\xc2\x9f", /* more of them: U+0080 to U+009F */
		"\x80",
		"\xbf",
		"a\xff",
		"\xfe", /* no beginning of a character */
		"\xc3",
		"\xe2\x82",
		"\xf0\x9f\x9a",
		"\xc3"
		"a", /* cut short */
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xf0\x80\x80\xaf", /* longer than need be */
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xc3\xa4\x1b",
		"\xe2\x82\xac\x07",
		"\xf0\x9f\x9a\xa4\x01a", /* surrogates */
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80", /* beyond U+10FFFF */
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		at_case("good %zu", i);
		root_value("version", good[i], strlen(good[i]) + 1, DETAIL_OK);
		root_value("notes", good[i], strlen(good[i]) + 1, DETAIL_OK);
		root_value("product", good[i], strlen(good[i]) + 1, DETAIL_OK);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		at_case("bad %zu", i);
		root_value("version", bad[i], strlen(bad[i]) + 1, DETAIL_MANIFEST_VALUE);
		root_value("notes", bad[i], strlen(bad[i]) + 1, DETAIL_MANIFEST_VALUE);
		root_value("product", bad[i], strlen(bad[i]) + 1, DETAIL_MANIFEST_VALUE);
	}
	at_case("line feed");
	root_value("notes", "a\nb\n", 5, DETAIL_OK);
	root_value("version", "a\nb", 4, DETAIL_MANIFEST_VALUE);
	root_value("product", "a\nb", 4, DETAIL_MANIFEST_VALUE);
}

static void product_list(void **state)
{
	(void)state;
	char list[17 * 4 + 16];
	for (int i = 0; i < 17; i++)
		snprintf(list + 4 * i, 16, "p%02d", i);
	at_case("16 products");
	root_value("product", list, 16 * 4, DETAIL_OK);
	assert_int_equal(manifest.product_count, 16);
	assert_string_equal(manifest.products[15], "p15");
	at_case("17 products");
	root_value("product", list, 17 * 4, DETAIL_MANIFEST_VALUE);
	string_of("product", 127, DETAIL_OK);
	string_of("product", 128, DETAIL_MANIFEST_VALUE);
	at_case("none");
	root_value("product", "", 0, DETAIL_MANIFEST_VALUE);
	at_case("the last not ended");
	root_value("product", list, 16 * 4 - 1, DETAIL_MANIFEST_VALUE);
	at_case("an empty one");
	root_value("product", "", 1, DETAIL_MANIFEST_VALUE);
	root_value("product", "a\0\0b", 5, DETAIL_MANIFEST_VALUE);
}

/* --- Images --- */

static void role_text(const char *role, enum detail want)
{
	struct pkg *pkg = pkg_small();
	prop_text(pkg_image_node(pkg, 0), "role", role);
	at_case("role \"%s\"", role);
	assert_detail(load(pkg), want);
}

static void role_characters_and_length(void **state)
{
	(void)state;
	char role[64];
	role_text("a", DETAIL_OK);
	role_text("abcdefghijklmnopqrstuvwxyz", DETAIL_OK);
	role_text("0123456789-_", DETAIL_OK);
	role_text("", DETAIL_MANIFEST_VALUE);
	memset(role, 'r', sizeof(role));
	role[31] = 0;
	role_text(role, DETAIL_OK);
	assert_string_equal(manifest.images[0].role, role);
	role[31] = 'r';
	role[32] = 0;
	role_text(role, DETAIL_MANIFEST_VALUE);
	for (int c = 1; c < 256; c++) {
		bool allowed =
			(c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
		snprintf(role, sizeof(role), "a%cb", c);
		role_text(role, allowed ? DETAIL_OK : DETAIL_MANIFEST_VALUE);
	}
}

static void no_role_twice(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	prop_text(pkg_image_node(pkg, 1), "role", "boot");
	assert_detail(load(pkg), DETAIL_MANIFEST_VALUE);
}

static void image_hash_is_32_bytes(void **state)
{
	(void)state;
	uint8_t data[64] = {1};
	for (size_t len = 0; len <= sizeof(data); len++) {
		at_case("%zu", len);
		image_value("sha256", data, len, len == 32 ? DETAIL_OK : DETAIL_MANIFEST_VALUE);
	}
}

static void chunk_size_is_a_power_of_two(void **state)
{
	(void)state;
	static const uint64_t bad[] = {0,
				       1,
				       2048,
				       4095,
				       4097,
				       6144,
				       12288,
				       1048575,
				       1048577,
				       2097152,
				       UINT64_C(1) << 31,
				       UINT64_C(1) << 32,
				       (UINT64_C(1) << 32) + 4096,
				       UINT64_C(1) << 63,
				       UINT64_MAX};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct pkg *pkg = pkg_small();
		at_case("%llx", (unsigned long long)bad[i]);
		prop_u64(pkg_image_node(pkg, 0), "chunk-size", bad[i]);
		assert_detail(load(pkg), DETAIL_MANIFEST_VALUE);
	}
	for (uint32_t size = 4096; size <= 1 << 20; size *= 2) {
		struct pkg *pkg = pkg_new();
		uint8_t *plain = arena_alloc(size + 1);
		pkg_add_image(pkg, "boot", plain, size + 1, size);
		pkg_link(pkg);
		at_case("%x", size);
		assert_detail(load(pkg), DETAIL_OK);
		check(manifest.images[0].chunk_size == size && manifest.images[0].chunk_count == 2);
		check(manifest_chunk_len(&manifest.images[0], 0) == size);
		check(manifest_chunk_len(&manifest.images[0], 1) == 1);
	}
}

static void image_size_bounds(void **state)
{
	(void)state;
	static const uint64_t bad[] = {0,
				       (UINT64_C(1) << 62) + 1,
				       UINT64_C(1) << 63,
				       (UINT64_C(1) << 63) + 4096,
				       UINT64_MAX - 4095,
				       UINT64_MAX};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct pkg *pkg = pkg_small();
		at_case("%llx", (unsigned long long)bad[i]);
		prop_u64(pkg_image_node(pkg, 0), "size", bad[i]);
		assert_detail(load(pkg), DETAIL_MANIFEST_VALUE);
	}
	/* In bounds, but not what the segments hold. */
	static const uint64_t other[] = {1,
					 4096,
					 5 * 4096,
					 6 * 4096 + 1,
					 (UINT64_C(1) << 31) + 1,
					 UINT64_C(1) << 32,
					 (UINT64_C(1) << 32) + 5 * 4096 + 100,
					 UINT64_C(1) << 62};
	for (size_t i = 0; i < COUNT(other); i++) {
		struct pkg *pkg = pkg_small();
		at_case("%llx", (unsigned long long)other[i]);
		prop_u64(pkg_image_node(pkg, 0), "size", other[i]);
		assert_detail_in(load(pkg), DETAIL_SEGMENT_LAYOUT, DETAIL_MANIFEST_VALUE);
	}
}

static struct pkg *with_images(size_t count)
{
	struct pkg *pkg = pkg_new();
	uint8_t plain[100];
	memset(plain, 7, sizeof(plain));
	for (size_t i = 0; i < count; i++) {
		char *role = arena_alloc(32);
		snprintf(role, 32, "r%zu", i);
		pkg_add_image(pkg, role, plain, sizeof(plain), 4096);
	}
	pkg_link(pkg);
	return pkg;
}

static void number_of_images(void **state)
{
	(void)state;
	assert_detail(load(with_images(1)), DETAIL_OK);
	assert_detail(load(with_images(16)), DETAIL_OK);
	assert_int_equal(manifest.image_count, 16);
	assert_string_equal(manifest.images[15].role, "r15");
	assert_int_equal(manifest_total_size(&manifest), 1600);
	assert_detail_in(load(with_images(17)), DETAIL_MANIFEST_VALUE, DETAIL_MANIFEST_UNKNOWN);
	assert_detail_in(load(with_images(0)), DETAIL_MANIFEST_MISSING, DETAIL_MANIFEST_VALUE);
}

static void images_stand_in_order(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	struct node *images = node_at(pkg->root, "images"), *first = images->children,
		    *second = first->next;
	images->children = second;
	second->next = first;
	first->next = NULL;
	assert_detail_in(load(pkg), DETAIL_MANIFEST_VALUE, DETAIL_MANIFEST_UNKNOWN);
	/* A gap in the numbers; and a list that does not begin at 0. */
	pkg = pkg_small();
	strcpy(pkg_image_node(pkg, 1)->name, "image@2");
	assert_detail_in(load(pkg), DETAIL_MANIFEST_VALUE, DETAIL_MANIFEST_UNKNOWN,
			 DETAIL_MANIFEST_MISSING);
	pkg = pkg_small();
	node_remove(node_at(pkg->root, "images"), "image@0");
	assert_detail_in(load(pkg), DETAIL_MANIFEST_VALUE, DETAIL_MANIFEST_UNKNOWN,
			 DETAIL_MANIFEST_MISSING);
	pkg = pkg_small();
	strcpy(pkg_image_node(pkg, 1)->name, "image@01");
	assert_detail_in(load(pkg), DETAIL_MANIFEST_VALUE, DETAIL_MANIFEST_UNKNOWN);
}

/* --- Segments --- */

static void segment_counts_and_lengths(void **state)
{
	(void)state;
	struct pkg *pkg;
	for (size_t len = 0; len < 120; len++) {
		if (len == 56)
			continue;
		uint8_t raw[128] = {0};
		pkg = pkg_small();
		memcpy(raw, prop_at(pkg_image_node(pkg, 0), "segments")->data, 56);
		prop_set(pkg_image_node(pkg, 0), "segments", raw, len);
		at_case("%zu bytes", len);
		assert_detail_in(load(pkg), DETAIL_MANIFEST_VALUE, DETAIL_SEGMENT_LAYOUT);
	}
	/* Exactly 1024 chunks are one segment, one byte more makes two. */
	for (size_t more = 0; more < 2; more++) {
		size_t size = 1024 * 4096 + more;
		pkg = pkg_new();
		pkg_add_image(pkg, "big", arena_alloc(size), size, 4096);
		pkg_link(pkg);
		assert_detail(load(pkg), DETAIL_OK);
		const struct manifest_image *image = &manifest.images[0];
		assert_int_equal(image->segment_count, 1 + more);
		assert_int_equal(image->chunk_count, 1024 + more);
		assert_int_equal(manifest_segment_chunks(image, 0), 1024);
		if (more) {
			struct manifest_segment segment;
			assert_int_equal(manifest_segment_chunks(image, 1), 1);
			assert_int_equal(manifest_chunk_len(image, 1024), 1);
			manifest_segment(image, 1, &segment);
			assert_int_equal(segment.off, pkg->images[0].segments[1].off);
			assert_int_equal(segment.len, 112 + 1);
			assert_int_equal(segment.index_len, 112);
		}
	}
}

/* Segment s of an image with three segments is changed by a function; the layout must be refused.
 */
static void layout_case(const char *what, size_t segment, int64_t off, int64_t len,
			int64_t index_len)
{
	struct pkg *pkg = pkg_new();
	size_t size = 2 * 1024 * 4096 + 5000;
	pkg_add_image(pkg, "first", arena_alloc(10), 10, 4096);
	pkg_add_image(pkg, "big", arena_alloc(size), size, 4096);
	pkg_link(pkg);
	assert_detail(load(pkg), DETAIL_OK);
	struct pkg_segment *s = &pkg->images[1].segments[segment];
	s->off += (uint64_t)off;
	s->len += (uint64_t)len;
	s->index_len += (uint64_t)index_len;
	pkg_store_segments(&pkg->images[1]);
	at_case("%s, segment %zu", what, segment);
	assert_detail(load(pkg), DETAIL_SEGMENT_LAYOUT);
	arena_free();
}

static void segments_follow_each_other(void **state)
{
	(void)state;
	for (size_t s = 0; s < 3; s++) {
		layout_case("gap before", s, 1, 0, 0);
		layout_case("overlap", s, -1, 0, 0);
		layout_case("longer", s, 0, 1, 0);
		layout_case("shorter", s, 0, -1, 0);
		layout_case("offset wraps", s, INT64_MIN, 0, 0);
		layout_case("length 2^63 more", s, 0, INT64_MIN, 0);
		layout_case("length 2^32 more", s, 0, INT64_C(1) << 32, 0);
		layout_case("index longer", s, 0, 0, 80);
		layout_case("index shorter", s, 0, 0, -80);
		layout_case("index 2^32 longer", s, 0, 0, INT64_C(1) << 32);
		layout_case("index 2^63 longer", s, 0, 0, INT64_MIN);
		layout_case("index one byte off", s, 0, 0, 1);
	}
}

/* Sums that wrap to the right end are no layout. */
static void segment_sums_cannot_wrap(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	struct pkg_segment *a = &pkg->images[0].segments[0], *b = &pkg->images[1].segments[0];
	a->len += UINT64_C(1) << 63;
	b->off += UINT64_C(1) << 63;
	b->len += UINT64_C(1) << 63;
	pkg_store_segments(&pkg->images[0]);
	pkg_store_segments(&pkg->images[1]);
	assert_detail(load(pkg), DETAIL_SEGMENT_LAYOUT);

	pkg = pkg_small();
	a = &pkg->images[0].segments[0];
	b = &pkg->images[1].segments[0];
	a->len -= pkg->payload_size + 1000; /* wraps below zero */
	b->off = a->off + a->len;
	b->len = pkg->payload_size - b->off;
	pkg_store_segments(&pkg->images[0]);
	pkg_store_segments(&pkg->images[1]);
	assert_detail(load(pkg), DETAIL_SEGMENT_LAYOUT);
}

static void segments_fill_the_payload(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	size_t len;
	uint8_t *fdt = fdt_make(pkg->root, &len);
	static const int64_t wrong[] = {-1,	  1, -100, 100, INT64_C(1) << 31, INT64_C(1) << 32,
					INT64_MIN};
	assert_detail(load_bytes(fdt, len, pkg->payload_size), DETAIL_OK);
	assert_detail(load_bytes(fdt, len, 0), DETAIL_SEGMENT_LAYOUT);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		at_case("%lld", (long long)wrong[i]);
		assert_detail(load_bytes(fdt, len, pkg->payload_size + (uint64_t)wrong[i]),
			      DETAIL_SEGMENT_LAYOUT);
	}
	/* The first one begins at 0. */
	pkg->images[0].segments[0].off = 8;
	pkg->images[1].segments[0].off += 8;
	pkg_store_segments(&pkg->images[0]);
	pkg_store_segments(&pkg->images[1]);
	fdt = fdt_make(pkg->root, &len);
	assert_detail(load_bytes(fdt, len, pkg->payload_size + 8), DETAIL_SEGMENT_LAYOUT);
}

/* --- The tree itself --- */

static void tree_header_is_checked(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		size_t at;
		uint32_t value;
	} cases[] = {
		{"magic", 0, 0xd00dfeee},
		{"totalsize 0", 4, 0},
		{"totalsize huge", 4, 0x80000000},
		{"struct offset", 8, 0xfffffff0},
		{"strings offset", 12, 0xfffffff0},
		{"reservations", 16, 0xfffffff8},
		{"version 16", 20, 16},
		{"version 2", 20, 2},
		{"strings size", 32, 0xffffffff},
		{"struct size", 36, 0xfffffffc},
	};
	struct pkg *pkg = pkg_small();
	size_t len;
	uint8_t *good = fdt_make(pkg->root, &len);
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t *fdt = arena_copy(good, len);
		store_be32(fdt + cases[i].at, cases[i].value);
		at_case("%s", cases[i].what);
		assert_detail(load_bytes(fdt, len, pkg->payload_size), DETAIL_MANIFEST_MALFORMED);
	}
	/* totalsize is the manifest length. */
	for (int d = -8; d <= 8; d++) {
		uint8_t *fdt = arena_copy(good, len);
		if (!d)
			continue;
		at_case("totalsize %+d", d);
		store_be32(fdt + 4, (uint32_t)((int)len + d));
		assert_detail(load_bytes(fdt, len, pkg->payload_size), DETAIL_MANIFEST_MALFORMED);
	}
}

/* The largest manifest that a header allows, to the byte; and one more. */
static void tree_of_the_largest_size(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		struct pkg *pkg = pkg_small();
		size_t len;
		prop_set(pkg->root, "x-pad", "", 0);
		(void)fdt_make(pkg->root, &len);
		size_t pad = (1 << 20) - len;
		/* The structure block grows in steps of four; the names make the rest. */
		char name[64] = "x-";
		memset(name + 2, 'n', pad % 4 + 1);
		prop_remove(pkg->root, "x-pad");
		prop_set(pkg->root, name, "", 0);
		(void)fdt_make(pkg->root, &len);
		while (((1 << 20) - len) % 4) {
			prop_at(pkg->root, name)->name[strlen(name)] = 'n';
			name[strlen(name)] = 'n';
			(void)fdt_make(pkg->root, &len);
		}
		pad = (1 << 20) - len + 4 * more;
		prop_set(pkg->root, name, arena_alloc(pad), pad);
		(void)fdt_make(pkg->root, &len);
		check(len == (1 << 20) + 4 * more);
		assert_detail(load(pkg), more ? DETAIL_MANIFEST_MALFORMED : DETAIL_OK);
	}
}

static void tree_is_cut(void **state)
{
	(void)state;
	struct pkg *pkg = pkg_small();
	size_t len;
	uint8_t *fdt = fdt_make(pkg->root, &len);
	for (size_t cut = 0; cut < len; cut++) {
		at_case("cut to %zu", cut);
		assert_detail(load_bytes(fdt, cut, pkg->payload_size), DETAIL_MANIFEST_MALFORMED);
		/* ... and where the tree says so itself. */
		if (cut < 8)
			continue;
		uint8_t *copy = arena_copy(fdt, cut);
		store_be32(copy + 4, (uint32_t)cut);
		check(load_bytes(copy, cut, pkg->payload_size) != DETAIL_OK);
		arena_free();
		pkg = pkg_small();
		fdt = fdt_make(pkg->root, &len);
	}
}

/* A tree whose structure block is these words; the strings are "a" and one that does not end. */
static enum detail load_words(const uint32_t *words, size_t count)
{
	size_t strings = 56 + 4 * count, len = strings + 4;
	uint8_t *fdt = arena_alloc(len);
	store_be32(fdt, 0xd00dfeed);
	store_be32(fdt + 4, (uint32_t)len);
	store_be32(fdt + 8, 56);
	store_be32(fdt + 12, (uint32_t)strings);
	store_be32(fdt + 16, 40);
	store_be32(fdt + 20, 17);
	store_be32(fdt + 24, 16);
	store_be32(fdt + 32, 4);
	store_be32(fdt + 36, (uint32_t)(4 * count));
	for (size_t i = 0; i < count; i++)
		store_be32(fdt + 56 + 4 * i, words[i]);
	memcpy(fdt + strings, "a\0bb", 4);
	return load_bytes(fdt, len, 0);
}

static void tree_structure_that_cannot_be(void **state)
{
	(void)state;
	enum { NODE = 1, CLOSE = 2, PROP = 3, NOP = 4, END = 9, NAME = 0x6e000000 };
#define WORDS(...)                                                                                 \
	{                                                                                          \
		(const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4       \
	}
	const struct {
		const uint32_t *words;
		size_t count;
	} cases[] = {
		WORDS(END),
		WORDS(CLOSE, END),
		WORDS(NODE, 0),
		WORDS(NODE, 0, END),
		WORDS(NODE, 0, CLOSE),
		WORDS(NODE, 0, CLOSE, CLOSE, END),
		WORDS(NODE, 0, CLOSE, NODE, 0, CLOSE, END),
		WORDS(NODE, 0, NODE, NAME, CLOSE, END),
		WORDS(NODE, 0, 7, CLOSE, END),
		WORDS(NODE, 0, 0, CLOSE, END),
		WORDS(NODE, 0, 0xffffffff, CLOSE, END),
		WORDS(NODE, 0x6e6e6e6e, 0x6e6e6e6e), /* a name that does not end */
		WORDS(PROP, 0, 0, NODE, 0, CLOSE, END),
		WORDS(NODE, 0, CLOSE, PROP, 0, 0, END),
		WORDS(NODE, 0, PROP, 0, 4, CLOSE, END), /* a name behind the strings */
		WORDS(NODE, 0, PROP, 0, 0xffffffff, CLOSE, END),
		WORDS(NODE, 0, PROP, 0, 0x80000000, CLOSE, END),
		WORDS(NODE, 0, PROP, 0, 2, CLOSE, END),	  /* a name that does not end */
		WORDS(NODE, 0, PROP, 100, 0, CLOSE, END), /* a value over the end */
		WORDS(NODE, 0, PROP, 0xffffffff, 0, CLOSE, END),
		WORDS(NODE, 0, PROP, 0x80000000, 0, CLOSE, END),
		WORDS(NODE, 0, PROP, 0x7fffffff, 0, CLOSE, END),
		WORDS(NODE, 0, PROP, 5, 0, 0, CLOSE, END),
		WORDS(NODE, 0, PROP, 0),
		WORDS(NODE, 0, PROP),
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		at_case("structure %zu", i);
		assert_detail(load_words(cases[i].words, cases[i].count),
			      DETAIL_MANIFEST_MALFORMED);
	}
	/* Sound as a tree, and empty. */
	at_case("empty root");
	static const uint32_t empty[] = {NODE, 0, NOP, CLOSE, END};
	assert_detail(load_words(empty, COUNT(empty)), DETAIL_MANIFEST_MISSING);
}

/* Any bit: no read outside (the sanitizer watches), and what is accepted keeps the promises of
 * manifest.h. */
static void tree_every_bit_flipped(void **state)
{
	(void)state;
	static uint8_t bytes[8192] __attribute__((aligned(8)));
	struct pkg *pkg = pkg_small();
	size_t len, accepted = 0;
	uint8_t *fdt = fdt_make(pkg->root, &len);
	uint64_t payload_len = pkg->payload_size;
	check(len <= sizeof(bytes));
	memcpy(bytes, fdt, len);
	for (size_t i = 0; i < len * 8; i++) {
		at_case("bit %zu of byte %zu", i % 8, i / 8);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		if (manifest_load(&manifest, bytes, len, payload_len, &fault) == DETAIL_OK) {
			uint64_t end = 0;
			accepted++;
			check(manifest.release >= 1 && manifest.rollback_floor <= manifest.release);
			check(manifest.minimum_release <= manifest.release);
			check(manifest.image_count >= 1 && manifest.image_count <= 16);
			for (size_t m = 0; m < manifest.image_count; m++) {
				const struct manifest_image *image = &manifest.images[m];
				check(image->size >= 1 && image->size <= MANIFEST_IMAGE_MAX);
				check((image->size + image->chunk_size - 1) / image->chunk_size ==
				      image->chunk_count);
				for (uint64_t s = 0; s < image->segment_count; s++) {
					struct manifest_segment segment;
					manifest_segment(image, s, &segment);
					check(segment.off == end);
					check(segment.index_len ==
					      32 + 80 * manifest_segment_chunks(image, s));
					check(segment.len > segment.index_len);
					end += segment.len;
				}
			}
			check(end == payload_len);
		}
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	/* Values that mean nothing to the rules (versions, hashes) may change; far from all may. */
	check(accepted > 0 && accepted < len * 8 / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_manifest_is_read),
		TEST(optional_properties_may_miss),
		TEST(each_required_property_missing),
		TEST(unknown_properties_and_nodes),
		TEST(properties_for_people_are_allowed),
		TEST(nothing_stands_there_twice),
		TEST(numbers_are_eight_bytes),
		TEST(releases_at_their_bounds),
		TEST(any_epoch_and_any_creation_time),
		TEST(compatible_is_exact),
		TEST(threshold_and_role_and_recipients),
		TEST(string_lengths),
		TEST(strings_end_in_one_zero_byte),
		TEST(strings_are_utf8_without_control_characters),
		TEST(product_list),
		TEST(role_characters_and_length),
		TEST(no_role_twice),
		TEST(image_hash_is_32_bytes),
		TEST(chunk_size_is_a_power_of_two),
		TEST(image_size_bounds),
		TEST(number_of_images),
		TEST(images_stand_in_order),
		TEST(segment_counts_and_lengths),
		TEST(segments_follow_each_other),
		TEST(segment_sums_cannot_wrap),
		TEST(segments_fill_the_payload),
		TEST(tree_header_is_checked),
		TEST(tree_of_the_largest_size),
		TEST(tree_is_cut),
		TEST(tree_structure_that_cannot_be),
		TEST(tree_every_bit_flipped),
	};
	return RUN_ALL(tests);
}
