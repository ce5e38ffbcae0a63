/* Memory, expectations, device trees and keys for the unit tests. */
#include "support.h"

#include <bearssl_ec.h>

/* --- Memory and expectations --- */

struct arena_block {
	struct arena_block *next;
	void *p;
};
static struct arena_block *arena;
static char current_case[256];

void *arena_alloc(size_t len)
{
	struct arena_block *block = malloc(sizeof(*block));
	void *p = calloc(1, len ? len : 1);
	if (!block || !p)
		abort();
	block->p = p;
	block->next = arena;
	arena = block;
	return p;
}

void *arena_copy(const void *p, size_t len)
{
	void *copy = arena_alloc(len);
	if (len)
		memcpy(copy, p, len);
	return copy;
}

void arena_free(void)
{
	memdisks_free();
	while (arena) {
		struct arena_block *next = arena->next;
		free(arena->p);
		free(arena);
		arena = next;
	}
}

int arena_teardown(void **state)
{
	(void)state;
	arena_free();
	current_case[0] = 0;
	return 0;
}

void at_case(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(current_case, sizeof(current_case), format, args);
	va_end(args);
}

void assert_detail_at(enum detail got, enum detail want, const char *what, const char *file,
		      int line)
{
	if (got == want)
		return;
	print_error("%s: got %s (%d), expected %s (%d)%s%s\n", what, detail_name(got), (int)got,
		    detail_name(want), (int)want, current_case[0] ? "; case: " : "", current_case);
	_fail(file, line);
}

void assert_detail_in_at(enum detail got, const enum detail *want, const char *what,
			 const char *file, int line)
{
	for (size_t i = 0; want[i] != DETAIL_OK; i++)
		if (got == want[i])
			return;
	print_error("%s: got %s (%d), expected %s or the like%s%s\n", what, detail_name(got),
		    (int)got, detail_name(want[0]), current_case[0] ? "; case: " : "",
		    current_case);
	_fail(file, line);
}

void check_at(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	print_error("does not hold: %s%s%s\n", what, current_case[0] ? "; case: " : "",
		    current_case);
	_fail(file, line);
}

uint32_t crc32_of(const uint8_t *p, size_t len)
{
	static uint32_t table[256];
	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t v = i;
			for (int bit = 0; bit < 8; bit++)
				v = v >> 1 ^ (v & 1 ? 0xedb88320u : 0);
			table[i] = v;
		}
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xff];
	return ~crc;
}

/* splitmix64 */
uint64_t noise(uint64_t seed, uint64_t n)
{
	uint64_t z = seed * 0x2545f4914f6cdd1dull + (n + 1) * 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void noise_fill(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = noise(seed, i / 8);
		for (size_t k = 0; k < 8 && i + k < len; k++)
			p[i + k] = (uint8_t)(word >> (k * 8));
	}
}

uint8_t *arena_noise(size_t len, uint64_t seed)
{
	uint8_t *p = arena_alloc(len);
	noise_fill(p, len, seed);
	return p;
}

/* --- Device trees --- */

struct node *node_new(const char *name)
{
	struct node *node = arena_alloc(sizeof(*node));
	snprintf(node->name, sizeof(node->name), "%s", name);
	return node;
}

struct node *node_add(struct node *parent, const char *name)
{
	struct node **at = &parent->children;
	while (*at)
		at = &(*at)->next;
	return *at = node_new(name);
}

struct node *node_at(struct node *parent, const char *name)
{
	struct node *node = parent->children;
	while (node && strcmp(node->name, name))
		node = node->next;
	if (!node)
		fail_msg("no node %s in %s", name, parent->name);
	return node;
}

void node_remove(struct node *parent, const char *name)
{
	struct node **at = &parent->children;
	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	if (!*at)
		fail_msg("no node %s in %s", name, parent->name);
	*at = (*at)->next;
}

struct prop *prop_at(struct node *node, const char *name)
{
	struct prop *prop = node->props;
	while (prop && strcmp(prop->name, name))
		prop = prop->next;
	return prop;
}

void prop_add(struct node *node, const char *name, const void *data, size_t len)
{
	struct prop **at = &node->props;
	while (*at)
		at = &(*at)->next;
	struct prop *prop = arena_alloc(sizeof(*prop));
	snprintf(prop->name, sizeof(prop->name), "%s", name);
	prop->data = arena_copy(data, len);
	prop->len = len;
	*at = prop;
}

void prop_set(struct node *node, const char *name, const void *data, size_t len)
{
	struct prop *prop = prop_at(node, name);
	if (!prop) {
		prop_add(node, name, data, len);
		return;
	}
	prop->data = arena_copy(data, len);
	prop->len = len;
}

void prop_text(struct node *node, const char *name, const char *text)
{
	prop_set(node, name, text, strlen(text) + 1);
}

void prop_u64(struct node *node, const char *name, uint64_t v)
{
	uint8_t raw[8];
	store_be64(raw, v);
	prop_set(node, name, raw, sizeof(raw));
}

void prop_u64_pair(struct node *node, const char *name, uint64_t a, uint64_t b)
{
	uint8_t raw[16];
	store_be64(raw, a);
	store_be64(raw + 8, b);
	prop_set(node, name, raw, sizeof(raw));
}

void prop_remove(struct node *node, const char *name)
{
	struct prop **at = &node->props;
	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	if (!*at)
		fail_msg("no property %s in %s", name, node->name);
	*at = (*at)->next;
}

/* Devicetree Specification 0.4, section 5. */
struct fdt_out {
	uint8_t *structure;
	size_t structure_len, structure_max;
	char *strings;
	size_t strings_len, strings_max;
};

static void out_structure(struct fdt_out *out, const void *p, size_t len)
{
	while (out->structure_max - out->structure_len < len + 4) {
		uint8_t *more = arena_alloc(out->structure_max * 2);
		memcpy(more, out->structure, out->structure_len);
		out->structure = more;
		out->structure_max *= 2;
	}
	if (len)
		memcpy(out->structure + out->structure_len, p, len);
	out->structure_len += len;
	while (out->structure_len % 4)
		out->structure[out->structure_len++] = 0;
}

static void out_u32(struct fdt_out *out, uint32_t v)
{
	uint8_t raw[4];
	store_be32(raw, v);
	out_structure(out, raw, 4);
}

static uint32_t out_string(struct fdt_out *out, const char *s)
{
	for (size_t i = 0; i < out->strings_len; i += strlen(out->strings + i) + 1)
		if (!strcmp(out->strings + i, s))
			return (uint32_t)i;
	size_t at = out->strings_len, len = strlen(s) + 1;
	if (out->strings_max - at < len)
		fail_msg("too many property names");
	memcpy(out->strings + at, s, len);
	out->strings_len += len;
	return (uint32_t)at;
}

static void out_node(struct fdt_out *out, const struct node *node)
{
	out_u32(out, 1); /* FDT_BEGIN_NODE */
	out_structure(out, node->name, strlen(node->name) + 1);
	for (const struct prop *prop = node->props; prop; prop = prop->next) {
		out_u32(out, 3); /* FDT_PROP */
		out_u32(out, (uint32_t)prop->len);
		out_u32(out, out_string(out, prop->name));
		out_structure(out, prop->data, prop->len);
	}
	for (const struct node *child = node->children; child; child = child->next)
		out_node(out, child);
	out_u32(out, 2); /* FDT_END_NODE */
}

uint8_t *fdt_make(const struct node *root, size_t *len)
{
	struct fdt_out out = {.structure_max = 4096, .strings_max = 8192};
	out.structure = arena_alloc(out.structure_max);
	out.strings = arena_alloc(out.strings_max);
	out_node(&out, root);
	out_u32(&out, 9); /* FDT_END */

	size_t structure_off = 40 + 16, strings_off = structure_off + out.structure_len;
	*len = strings_off + out.strings_len;
	uint8_t *fdt = arena_alloc(*len);
	store_be32(fdt, 0xd00dfeed);
	store_be32(fdt + 4, (uint32_t)*len);
	store_be32(fdt + 8, (uint32_t)structure_off);
	store_be32(fdt + 12, (uint32_t)strings_off);
	store_be32(fdt + 16, 40); /* memory reservations: one empty entry */
	store_be32(fdt + 20, 17);
	store_be32(fdt + 24, 16);
	store_be32(fdt + 32, (uint32_t)out.strings_len);
	store_be32(fdt + 36, (uint32_t)out.structure_len);
	memcpy(fdt + structure_off, out.structure, out.structure_len);
	memcpy(fdt + strings_off, out.strings, out.strings_len);
	return fdt;
}

/* --- Keys --- */

/* DER of an uncompressed P-256 SubjectPublicKeyInfo up to the point (RFC 5480). */
static const uint8_t spki_prefix[26] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
					0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
					0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

static struct test_key keys[TEST_KEYS];
static struct trust_key public_keys[TEST_KEYS];
static bool keys_made;

static br_ec_private_key private_of(const struct test_key *key)
{
	return (br_ec_private_key){
		.curve = BR_EC_secp256r1, .x = (uint8_t *)key->secret, .xlen = 32};
}

static void keys_make(void)
{
	static const char *const names[4] = {"first", "second", "third", "fourth"};
	for (size_t i = 0; i < TEST_KEYS; i++) {
		uint8_t spki[26 + 65], point[BR_EC_KBUF_PUB_MAX_SIZE];
		br_ec_public_key pub;
		noise_fill(keys[i].secret, 32, 7000 + i);
		keys[i].secret[0] &= 0x7f; /* below the order */
		br_ec_private_key private = private_of(&keys[i]);
		if (br_ec_compute_pub(&br_ec_p256_m31, &pub, point, &private) != 65)
			abort();
		memcpy(spki, spki_prefix, sizeof(spki_prefix));
		memcpy(spki + 26, pub.q, 65);
		memcpy(keys[i].public.point, pub.q, 65);
		hash_of(spki, sizeof(spki), keys[i].public.id);
		keys[i].public.name = i < COUNT(names) ? names[i] : "another";
		public_keys[i] = keys[i].public;
	}
	keys_made = true;
}

const struct test_key *test_key(size_t i)
{
	if (!keys_made)
		keys_make();
	return &keys[i];
}

struct trust trust_of(size_t first, size_t count)
{
	test_key(0);
	return (struct trust){.keys = public_keys + first, .count = count};
}

size_t test_sign(const struct test_key *key, const uint8_t hash[HASH_LEN], uint8_t sig[80])
{
	br_ec_private_key private = private_of(key);
	return br_ecdsa_i31_sign_asn1(&br_ec_p256_m31, &br_sha256_vtable, hash, &private, sig);
}
