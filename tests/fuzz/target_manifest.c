/* Manifest. Input: payload length (8 bytes), a flattened tree. */
#include "fuzz.h"

#include "index.h"
#include "manifest.h"
#include "manifests.h"
#include "package.h"
#include "trees.h"

static void check_text(const char *text, size_t max, const uint8_t *fdt, size_t len)
{
	must((const uint8_t *)text > fdt && (const uint8_t *)text < fdt + len);
	must(strnlen(text, (size_t)(fdt + len - (const uint8_t *)text)) <= max);
	must((const uint8_t *)text + strlen(text) < fdt + len);
	/* Nothing in it moves a cursor: C0, DEL and C1 controls. */
	for (const uint8_t *c = (const uint8_t *)text; *c; c++)
		must((*c >= 0x20 || (*c == '\n' && max == MANIFEST_NOTES_MAX)) && *c != 0x7f &&
		     !(*c == 0xc2 && c[1] < 0xa0));
}

/* Every segment, from the manifest's own arithmetic. */
static uint64_t check_image(const struct manifest_image *image, const uint8_t *fdt, size_t len,
			    uint64_t end)
{
	struct manifest_segment s;
	uint64_t chunks = 0;

	must(image->size && image->size <= UINT64_C(1) << 62);
	must(image->chunk_size >= 4096 && image->chunk_size <= 1 << 20 &&
	     !(image->chunk_size & (image->chunk_size - 1)));
	must(image->chunk_count ==
	     image->size / image->chunk_size + (image->size % image->chunk_size != 0));
	must(image->segment_count == (image->chunk_count + 1023) / 1024);
	must(image->segments > fdt &&
	     (uint64_t)(fdt + len - image->segments) / 56 >= image->segment_count);
	must_end(image->role);
	for (uint64_t i = 0; i < image->segment_count; i++) {
		uint32_t n = manifest_segment_chunks(image, i);

		manifest_segment(image, i, &s);
		must(n >= 1 && n <= 1024 && (i + 1 == image->segment_count || n == 1024));
		must(s.off == end && s.index_len == 32 + 80 * (uint64_t)n);
		must(s.index_len <= INDEX_PAGE_MAX && s.len > s.index_len);
		chunks += n;
		end += s.len;
	}
	must(chunks == image->chunk_count);
	must(manifest_chunk_len(image, 0) >= 1);
	must((image->chunk_count - 1) * image->chunk_size +
		     manifest_chunk_len(image, image->chunk_count - 1) ==
	     image->size);
	return end;
}

static void check_accepted(const struct manifest *m, const uint8_t *fdt, size_t len,
			   uint64_t payload_len)
{
	uint64_t end = 0, total = 0;

	must(m->product_count >= 1 && m->product_count <= MANIFEST_PRODUCTS_MAX);
	for (size_t i = 0; i < m->product_count; i++)
		check_text(m->products[i], 127, fdt, len);
	check_text(m->version, 63, fdt, len);
	if (m->notes)
		check_text(m->notes, MANIFEST_NOTES_MAX, fdt, len);
	must(m->release && m->rollback_floor <= m->release && m->minimum_release <= m->release);
	must(m->image_count >= 1 && m->image_count <= MANIFEST_IMAGES_MAX);
	for (size_t i = 0; i < m->image_count; i++) {
		end = check_image(&m->images[i], fdt, len, end);
		must(total + m->images[i].size >= total);
		total += m->images[i].size;
		for (size_t j = 0; j < i; j++)
			must(strcmp(m->images[i].role, m->images[j].role));
	}
	must(end == payload_len && manifest_total_size(m) == total);
}

/* Written from what was read, by other code, and read again: the same. */
static void check_identity(const struct manifest *m, uint64_t payload_len)
{
	static struct manifest again;
	struct fault fault;
	size_t len;
	uint8_t *fdt = fdt_make(manifests_tree(m), &len);

	must(!manifest_load(&again, fdt, len, payload_len, &fault));
	must(again.product_count == m->product_count && again.image_count == m->image_count);
	for (size_t i = 0; i < m->product_count; i++)
		must(!strcmp(again.products[i], m->products[i]));
	must(!strcmp(again.version, m->version) && !again.notes == !m->notes);
	must(!m->notes || !strcmp(again.notes, m->notes));
	must(again.release == m->release && again.rollback_floor == m->rollback_floor &&
	     again.minimum_release == m->minimum_release && again.key_epoch == m->key_epoch);
	must(again.has_created == m->has_created && again.created == m->created);
	for (size_t i = 0; i < m->image_count; i++) {
		const struct manifest_image *a = &again.images[i], *b = &m->images[i];

		must(!strcmp(a->role, b->role) && a->size == b->size &&
		     a->chunk_size == b->chunk_size && !memcmp(a->sha256, b->sha256, HASH_LEN) &&
		     !memcmp(a->segments, b->segments, b->segment_count * 56));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct manifest manifest;
	struct fault fault = {.detail = DETAIL_OK};
	uint64_t payload_len;
	uint8_t *fdt;
	enum detail detail;

	if (size < 8 || size > 8 + PACKAGE_MANIFEST_MAX)
		return 0;
	/* The header keeps payloads below this. */
	payload_len = load_be64(data) & INT64_MAX;
	fdt = fuzz_copy(data + 8, size - 8);
	detail = manifest_load(&manifest, fdt, size - 8, payload_len, &fault);
	must(fault.detail == detail);
	must_end(fault.object);
	if (!detail) {
		check_accepted(&manifest, fdt, size - 8, payload_len);
		check_identity(&manifest, payload_len);
	} else {
		must(detail_status(detail) == STATUS_VERIFY_FAILED);
	}
	arena_free();
	free(fdt);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice dice = {seed};
	struct node *root;

	if (size < 8 + 40)
		return LLVMFuzzerMutate(data, size, max);
	size = 8 +
	       tree_mutate(data + 8, size - 8, max - 8, &manifests_words, &dice, manifests_adjust);
	/* Mostly the length that the segments come to. */
	if (dice_below(&dice, 8) && (root = tree_read(data + 8, size - 8)))
		store_be64(data, manifests_payload(root));
	else if (!dice_below(&dice, 4))
		store_be64(data, dice_number(&dice, load_be64(data)));
	arena_free();
	return size;
}

void fuzz_make_seeds(void)
{
	for (size_t i = 0; i < MANIFESTS_SEEDS; i++) {
		static struct bytes all;
		struct node *root = manifests_seed(i);
		size_t len;
		uint8_t *fdt = fdt_make(root, &len);

		all.len = 0;
		bytes_number(&all, manifests_payload(root), 8);
		bytes_add(&all, fdt, len);
		fuzz_seed(all.at, all.len);
		arena_free();
	}
}
