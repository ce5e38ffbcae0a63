/* Description of a package, as lifeboat-pack build reads it. Input: a compiled tree. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "host/describe.h"
#include "texts.h"
#include "trees.h"

static const char *const properties[] = {
	"product",	   "version",	 "release", "rollback-floor",
	"minimum-release", "key-epoch",	 "created", "notes",
	"level",	   "chunk-size", "file",    "x-other",
	"x-\x1b[2J",	   "unknown",	 "",	    NULL};
static const char *const nodes[] = {"images", "boot", "system", "root_2", "Boot", "x", "", NULL};
static const char *const values[] = {"boot.itb", "/abs/olute",	 "1.0",	       "product,a",
				     "",	 "\x1b[2J",	 "two\nlines", "\xc3\xa9",
				     "\xff",	 "\xe0\x80\x80", NULL};
static const struct tree_words words = {properties, nodes, values};

/* What was checked fits into a manifest. */
static void check_described(const struct description *d)
{
	must(d->product_count >= 1 && d->product_count <= MANIFEST_PRODUCTS_MAX);
	for (size_t i = 0; i < d->product_count; i++)
		must(d->products[i][0] && strlen(d->products[i]) <= 127 &&
		     text_is_harmless(d->products[i], strlen(d->products[i])) &&
		     !strchr(d->products[i], '\n'));
	must(d->version[0] && strlen(d->version) < MANIFEST_VERSION_SIZE);
	must(text_is_harmless(d->version, strlen(d->version)) && !strchr(d->version, '\n'));
	must(!d->notes || (strlen(d->notes) <= MANIFEST_NOTES_MAX &&
			   text_is_harmless(d->notes, strlen(d->notes))));
	must(d->release.set && d->release.value);
	must(!d->rollback_floor.set || d->rollback_floor.value <= d->release.value);
	must(!d->minimum_release.set || d->minimum_release.value <= d->release.value);
	must(d->image_count >= 1 && d->image_count <= MANIFEST_IMAGES_MAX);
	for (size_t i = 0; i < d->image_count; i++) {
		const struct describe_image *image = &d->images[i];

		must(image->role[0] && strlen(image->role) < MANIFEST_ROLE_SIZE && image->path);
		must(!image->role[strspn(image->role, "abcdefghijklmnopqrstuvwxyz0123456789-_")]);
		must(image->chunk_size.set && image->chunk_size.value >= CHUNK_SIZE_MIN &&
		     image->chunk_size.value <= CHUNK_SIZE_MAX);
		for (size_t j = 0; j < i; j++)
			must(strcmp(image->role, d->images[j].role));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct description description;
	struct problem problem = {.status = STATUS_OK};
	char path[64];
	int fd;

	/* Other files are source, for dtc to judge. */
	if (size < 4 || load_be32(data) != 0xd00dfeed)
		return 0;
	fd = memfd_create("description", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(&description, 0, sizeof(description));
	if (describe_load(&description, path, &problem) == STATUS_OK &&
	    describe_check(&description, &problem) == STATUS_OK)
		check_described(&description);
	must_end(problem.text);
	must(problem.status == STATUS_OK || problem.status == STATUS_USAGE);
	problem_make_printable(&problem);
	must(text_is_harmless(problem.text, strlen(problem.text)));
	describe_free(&description);
	close(fd);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice dice = {seed};

	size = tree_mutate(data, size, max, &words, &dice, NULL);
	arena_free();
	return size;
}

static void prop_u32(struct node *node, const char *name, uint32_t v)
{
	uint8_t raw[4];

	store_be32(raw, v);
	prop_set(node, name, raw, sizeof(raw));
}

static struct node *good(void)
{
	struct node *root = node_new(""), *images = node_add(root, "images"), *boot, *system;

	prop_set(root, "product", "example,a\0example,b", 20);
	prop_text(root, "version", "2.0.1");
	prop_u32(root, "release", 5);
	prop_u64(root, "rollback-floor", 2);
	prop_u32(root, "minimum-release", 1);
	prop_u32(root, "key-epoch", 1);
	prop_u64(root, "created", 1700000000);
	prop_text(root, "notes", "two\nlines of \xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\x9f");
	prop_u32(root, "level", 3);
	prop_u32(root, "chunk-size", 65536);
	prop_text(root, "x-mine", "anything");
	boot = node_add(images, "boot");
	prop_text(boot, "file", "boot.itb");
	prop_text(boot, "x-note", "");
	system = node_add(images, "system");
	prop_text(system, "file", "/abs/system.img");
	prop_u32(system, "chunk-size", 4096);
	return root;
}

static const struct change {
	const char *name, *value;
	size_t len;
	bool image;
} changes[] = {
	{"product", NULL, 0, false},
	{"product", "", 1, false},
	{"product", "a\0a", 4, false},
	{"product", "a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0q", 34, false},
	{"product", "no end", 6, false},
	{"version", NULL, 0, false},
	{"version", "\x1b", 2, false},
	{"version", "two\0texts", 10, false},
	{"version", "0123456789012345678901234567890123456789012345678901234567890123", 65, false},
	{"release", NULL, 0, false},
	{"release", "\0\0\0", 4, false},
	{"release", "x", 1, false},
	{"rollback-floor", "\0\0\0\6", 4, false},
	{"minimum-release", "\0\0\0\6", 4, false},
	{"chunk-size", "\0\0\0\6", 4, false},
	{"level", "\0\0\0\0", 4, false},
	{"level", "\0\0\1\0", 4, false},
	{"unknown", "", 0, false},
	{"x-", "", 0, false},
	{"notes", "\xed\xa0\x80", 4, false},
	{"notes", "\xe0\x80\x80", 4, false},
	{"notes", "\xc3", 2, false},
	{"file", NULL, 0, true},
	{"file", "", 1, true},
	{"chunk-size", "x", 1, true},
	{"chunk-size", "\0\0\0\6", 4, true},
	{"unknown", "", 0, true},
};

void fuzz_make_seeds(void)
{
	uint8_t *fdt;
	size_t len;

	for (size_t i = 0; i < COUNT(changes) + 10; i++) {
		struct node *root = good(), *images = node_at(root, "images");
		struct node *first = images->children;

		if (i < COUNT(changes)) {
			struct node *node = changes[i].image ? first : root;

			if (changes[i].value)
				prop_set(node, changes[i].name, changes[i].value, changes[i].len);
			else
				prop_remove(node, changes[i].name);
		}
		switch (i - COUNT(changes)) {
		case 0:
			break;
		case 1:
			node_add(root, "more");
			break;
		case 2:
			prop_text(images, "some", "");
			break;
		case 3:
			node_add(first, "below");
			break;
		case 4:
			node_add(images, "boot");
			break;
		case 5:
			snprintf(first->name, sizeof(first->name), "Boot");
			break;
		case 6:
			images->children = NULL;
			break;
		case 7:
			for (size_t n = 0; n < 15; n++) {
				char role[16];
				snprintf(role, sizeof(role), "r%u", (unsigned int)n);
				prop_text(node_add(images, role), "file", "x");
			}
			break;
		case 8:
			for (size_t n = 0; n < 33; n++) {
				char extra[16];
				snprintf(extra, sizeof(extra), "x-%u", (unsigned int)n);
				prop_text(first, extra, "");
			}
			break;
		case 9:
			prop_text(root, "x-mine", "twice");
			prop_add(root, "x-mine", "", 0);
			prop_remove(root, "level");
			prop_remove(root, "chunk-size");
			break;
		}
		fdt = fdt_make(root, &len);
		fuzz_seed(fdt, len);
		arena_free();
	}
}
