#include "manifests.h"

#include "index.h"

static const char *const properties[] = {
	"compatible",
	"product",
	"version",
	"release",
	"rollback-floor",
	"minimum-release",
	"key-epoch",
	"signature-role",
	"signature-threshold",
	"recipients",
	"notes",
	"created",
	"role",
	"size",
	"sha256",
	"chunk-size",
	"segments",
	"x-other",
	"no\xc2\x9bname",
	"",
	NULL,
};
static const char *const nodes[] = {"images",	"image@0",  "image@1", "image@2", "image@15",
				    "image@16", "image@00", "x-node",  "",	  NULL};
static const char *const values[] = {
	"lifeboat,package-1",
	"lifeboat,package-2",
	"release",
	"1.0",
	"boot",
	"system",
	"a-role_9",
	"Boot",
	"",
	"\xc3\xa9",
	"\xe2\x82\xac",
	"\xf0\x9f\x9b\x9f",
	"\xed\xa0\x80",
	"\xc2\x85",
	"\xc0\xaf",
	"\xf4\x90\x80\x80",
	"two\nlines",
	"\x7f",
	"product,a",
	NULL,
};
const struct tree_words manifests_words = {properties, nodes, values};

static void images_add(struct node *images, const struct manifest *m)
{
	for (size_t i = 0; i < m->image_count; i++) {
		const struct manifest_image *image = &m->images[i];
		char name[32];
		struct node *node;

		snprintf(name, sizeof(name), "image@%zu", i);
		node = node_add(images, name);
		prop_set(node, "segments", image->segments,
			 (size_t)image->segment_count * MANIFEST_SEGMENT_LEN);
		prop_set(node, "sha256", image->sha256, HASH_LEN);
		prop_u64(node, "chunk-size", image->chunk_size);
		prop_u64(node, "size", image->size);
		prop_text(node, "role", image->role);
	}
}

struct node *manifests_tree(const struct manifest *m)
{
	struct node *root = node_new("");
	char products[MANIFEST_PRODUCTS_MAX * 128];
	size_t len = 0;

	for (size_t i = 0; i < m->product_count; i++) {
		strcpy(products + len, m->products[i]);
		len += strlen(m->products[i]) + 1;
	}
	if (m->has_created)
		prop_u64(root, "created", m->created);
	if (m->notes)
		prop_text(root, "notes", m->notes);
	prop_set(root, "recipients", "", 0);
	prop_u64(root, "signature-threshold", 1);
	prop_text(root, "signature-role", "release");
	prop_u64(root, "key-epoch", m->key_epoch);
	prop_u64(root, "minimum-release", m->minimum_release);
	prop_u64(root, "rollback-floor", m->rollback_floor);
	prop_u64(root, "release", m->release);
	prop_text(root, "version", m->version);
	prop_set(root, "product", products, len);
	prop_text(root, "compatible", "lifeboat,package-1");
	images_add(node_add(root, "images"), m);
	return root;
}

static struct node *images_of(struct node *root)
{
	struct node *node = root->children;

	while (node && strcmp(node->name, "images"))
		node = node->next;
	return node;
}

uint64_t manifests_payload(struct node *root)
{
	struct node *images = images_of(root);
	uint64_t total = 0;

	for (struct node *image = images ? images->children : NULL; image; image = image->next) {
		struct prop *segments = prop_at(image, "segments");

		for (size_t at = 0; segments && at + 56 <= segments->len; at += 56)
			total += load_be64(segments->data + at + 8);
	}
	return total & INT64_MAX;
}

static uint64_t number_of(struct node *node, const char *name)
{
	struct prop *prop = prop_at(node, name);

	return prop && prop->len == 8 ? load_be64(prop->data) : 0;
}

/* Returns where the payload goes on. dice: for what is wrong now and then; NULL: nothing is. */
static uint64_t lay_out(struct node *image, uint64_t end, struct dice *dice)
{
	uint64_t size = number_of(image, "size"), chunk = number_of(image, "chunk-size");
	uint64_t chunks = chunk ? size / chunk + (size % chunk != 0) : 0;
	size_t count = chunks > 8 * 1024 ? 0 : (size_t)(chunks + 1023) / 1024;
	uint8_t *raw = arena_alloc(count * 56 + 1);

	if (!count)
		return end;
	for (size_t i = 0; i < count; i++) {
		uint64_t n = i + 1 < count ? 1024 : chunks - 1024 * (uint64_t)i;
		uint64_t index_len = 32 + 80 * n, least = index_len + n;
		uint64_t most = index_len + n * chunk;
		uint64_t len = dice && dice_below(dice, 2) ? least : most, off = end;

		if (dice && !dice_below(dice, 8))
			len += dice_below(dice, 3) - 1;
		if (dice && !dice_below(dice, 16))
			off += dice_below(dice, 3) - 1;
		store_be64(raw + 56 * i, off);
		store_be64(raw + 56 * i + 8, len);
		store_be64(raw + 56 * i + 16, index_len);
		memset(raw + 56 * i + 24, 0x5e, 32);
		end += len;
	}
	prop_set(image, "segments", raw, count * 56);
	return end;
}

void manifests_adjust(struct node *root, struct dice *dice)
{
	struct node *images = images_of(root);
	uint64_t end = 0;

	if (!images || !dice_below(dice, 4))
		return;
	for (struct node *image = images->children; image; image = image->next)
		end = lay_out(image, end, dice);
}

/* --- Seeds: a good one, and changes of it that each have a rule of their own --- */

static struct node *image_add(struct node *root, const char *role, uint64_t size, uint64_t chunk)
{
	struct node *images = images_of(root), *image;
	uint8_t sha256[HASH_LEN];
	char name[32];
	size_t count = 0;

	for (image = images->children; image; image = image->next)
		count++;
	snprintf(name, sizeof(name), "image@%zu", count);
	image = node_add(images, name);
	memset(sha256, 0x77, sizeof(sha256));
	prop_text(image, "role", role);
	prop_u64(image, "size", size);
	prop_set(image, "sha256", sha256, sizeof(sha256));
	prop_u64(image, "chunk-size", chunk);
	prop_set(image, "segments", "", 0);
	return image;
}

static void relay(struct node *root)
{
	uint64_t end = 0;

	for (struct node *image = images_of(root)->children; image; image = image->next)
		end = lay_out(image, end, NULL);
}

static void change_root(struct node *root, size_t i)
{
	static const char two[] = "product,a\0product,b";
	static const char *const texts[] = {"\xc3\xa9t\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9b\x9f",
					    "\xed\xa0\x80", "a\x01"};

	if (i < 5)
		prop_text(root, "version", texts[i]);
	switch (i) {
	case 5:
		prop_set(root, "product", two, sizeof(two));
		prop_text(root, "notes", "two\nlines");
		prop_u64(root, "created", 1700000000);
		prop_text(root, "x-mine", "anything");
		break;
	case 6:
		prop_text(root, "signature-role", "other");
		break;
	case 7:
		prop_u64(root, "signature-threshold", 2);
		break;
	case 8:
		prop_set(root, "recipients", "0123456789abcdef0123456789abcdef", 32);
		break;
	case 9:
		prop_set(root, "recipients", "0", 1);
		break;
	case 10:
		prop_u64(root, "release", 0);
		break;
	case 11:
		prop_u64(root, "rollback-floor", 11);
		break;
	case 12:
		prop_u64(root, "minimum-release", 11);
		break;
	case 13:
		prop_remove(root, "key-epoch");
		break;
	case 14:
		prop_add(root, "release", "\0\0\0\0\0\0\0\1", 8);
		break;
	case 15:
		prop_text(root, "unheard\xc2\x9bof", "");
		break;
	case 16:
		prop_text(root, "compatible", "lifeboat,package-2");
		break;
	case 17:
		prop_set(root, "release", "\1", 1);
		break;
	case 18:
		prop_set(root, "product", "a\0\0b", 5);
		break;
	case 19:
		prop_set(root, "product", "a", 1);
		break;
	case 20:
		node_add(root, "more");
		break;
	}
}

static void change_images(struct node *root, size_t i)
{
	struct node *images = images_of(root), *first = images->children;
	char text[4097] = "";

	switch (i) {
	case 21:
		node_remove(root, "images");
		break;
	case 22:
		images->children = NULL;
		break;
	case 23:
		node_add(first, "below");
		break;
	case 24:
		snprintf(first->name, sizeof(first->name), "image@7");
		break;
	case 25:
		prop_text(first, "role", "Boot");
		break;
	case 26:
		prop_text(first, "role", "system");
		break;
	case 27:
		prop_u64(first, "size", 0);
		break;
	case 28:
		prop_u64(first, "chunk-size", 5000);
		break;
	case 29:
		prop_set(first, "sha256", "short", 5);
		break;
	case 30:
		prop_set(first, "segments", "odd", 3);
		break;
	case 31: /* does not follow the one before it */
		first->next->name[0] = 'i';
		store_be64(prop_at(first->next, "segments")->data, 1);
		break;
	case 32:
		prop_u64(images, "x-y", 1);
		prop_u64(images, "z", 1);
		break;
	case 33:
		for (size_t n = 0; n < 14; n++) {
			char role[8];
			snprintf(role, sizeof(role), "r%zu", n);
			image_add(root, role, 5000, 4096);
		}
		relay(root);
		break;
	case 34:
		change_images(root, 33);
		image_add(root, "one-too-many", 5000, 4096);
		relay(root);
		break;
	case 35:
		prop_set(root, "notes", "\xff", 2);
		break;
	case 37: /* one more than there may be */
		prop_set(root, "product", "a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0q", 34);
		break;
	case 38: /* a byte more */
		memset(text, 'v', 64);
		prop_text(root, "version", text);
		break;
	case 39:
		memset(text, 'n', 4096);
		prop_text(root, "notes", text);
		break;
	case 40:
		memset(text, 'p', 128);
		prop_text(root, "product", text);
		break;
	case 41:
		memset(text, 'r', 32);
		prop_text(first, "role", text);
		break;
	case 43: /* a gap before it */
		store_be64(prop_at(first, "segments")->data, 1);
		break;
	case 42:
		prop_u64(first, "chunk-size", 2 << 20);
		break;
	case 36:
		prop_remove(first, "sha256");
		break;
	}
}

struct node *manifests_seed(size_t i)
{
	struct node *root = pkg_new()->root;

	image_add(root, "boot", 4096 * 3 + 5, 4096);
	image_add(root, "system", (UINT64_C(1025) << 16) + 1, 1 << 16);
	relay(root);
	change_root(root, i);
	change_images(root, i);
	return root; /* the last seed is as it should be */
}
