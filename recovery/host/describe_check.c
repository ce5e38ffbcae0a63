/* The checks of a description that need no image: before the long work, and in the words of who
 * wrote it. */
#include "describe.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* UTF-8 (RFC 3629) without control characters. Returns the length of the first character, or 0. */
static size_t character_len(const uint8_t *s, size_t len)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t low; /* a shorter form would have done below this */
	} forms[] = {
		{0x80, 0x00, 0x20}, {0xe0, 0xc0, 0xa0}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t n = 0; n < 4 && n < len; n++) {
		if ((s[0] & forms[n].mask) != forms[n].lead)
			continue;
		uint32_t c = s[0] & (uint8_t)~forms[n].mask;
		for (size_t i = 1; i <= n; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3f);
		}
		if (c < forms[n].low || c == 0x7f || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
			return 0;
		return n + 1;
	}
	return 0;
}

static enum status check_text(const char *name, const char *text, size_t max, bool line_feeds,
			      struct problem *problem)
{
	size_t len = strlen(text);
	if (len > max)
		return problem_set(problem, STATUS_USAGE, name,
				   "is %zu bytes long; %zu fit. Make it shorter.", len, max);
	for (size_t at = 0; at < len;) {
		size_t n = line_feeds && text[at] == '\n'
				   ? 1
				   : character_len((const uint8_t *)text + at, len - at);
		if (!n)
			return problem_set(problem, STATUS_USAGE, name,
					   "has a control character, or a byte that is not UTF-8, "
					   "at byte %zu. Take it out.",
					   at);
		at += n;
	}
	return STATUS_OK;
}

static enum status check_texts(const struct description *description, struct problem *problem)
{
	if (!description->product_count)
		return problem_set(problem, STATUS_USAGE, "product",
				   "is missing. Say which products the package fits: "
				   "product = \"...\"; or --product.");
	for (size_t i = 0; i < description->product_count; i++) {
		const char *product = description->products[i];
		if (!product[0])
			return problem_set(problem, STATUS_USAGE, "product",
					   "is empty. Write the product's name.");
		if (check_text("product", product, 127, false, problem) != STATUS_OK)
			return problem->status;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(description->products[k], product) == 0)
				return problem_set(problem, STATUS_USAGE, "product",
						   "names %s twice. Name it once.", product);
		}
	}
	if (!description->version || !description->version[0])
		return problem_set(problem, STATUS_USAGE, "version",
				   "is missing. Say what people call this release: "
				   "version = \"...\"; or --version.");
	if (check_text("version", description->version, MANIFEST_VERSION_SIZE - 1, false,
		       problem) != STATUS_OK)
		return problem->status;
	if (description->notes)
		check_text("notes", description->notes, MANIFEST_NOTES_MAX, true, problem);
	return problem->status;
}

static enum status check_below(const char *name, const struct optional *number,
			       const struct optional *release, struct problem *problem)
{
	if (number->set && number->value > release->value)
		return problem_set(problem, STATUS_USAGE, name,
				   "is %llu, above the release %llu, so the package could never "
				   "be installed. Lower it.",
				   (unsigned long long)number->value,
				   (unsigned long long)release->value);
	return STATUS_OK;
}

static enum status check_numbers(const struct description *description, struct problem *problem)
{
	if (!description->release.set)
		return problem_set(problem, STATUS_USAGE, "release",
				   "is missing. Number the releases 1, 2, 3 ...: "
				   "release = <N>; or --release.");
	if (!description->release.value)
		return problem_set(problem, STATUS_USAGE, "release",
				   "is 0. Number the releases from 1 on.");
	if (check_below("rollback-floor", &description->rollback_floor, &description->release,
			problem) != STATUS_OK)
		return problem->status;
	return check_below("minimum-release", &description->minimum_release, &description->release,
			   problem);
}

static enum status check_chunk_size(const char *object, uint64_t size, struct problem *problem)
{
	if (size < CHUNK_SIZE_MIN || size > CHUNK_SIZE_MAX || (size & (size - 1)))
		return problem_set(problem, STATUS_USAGE, object,
				   "is %llu. Use a power of two from %u (4K) to %u (1M).",
				   (unsigned long long)size, CHUNK_SIZE_MIN, CHUNK_SIZE_MAX);
	return STATUS_OK;
}

static enum status check_image(struct description *description, struct describe_image *image,
			       struct problem *problem)
{
	size_t len = strlen(image->role);
	char *object = memory_text("image %s", image->role);

	if (!len || len >= MANIFEST_ROLE_SIZE ||
	    image->role[strspn(image->role, "abcdefghijklmnopqrstuvwxyz0123456789-_")]) {
		problem_set(problem, STATUS_USAGE, object,
			    "has a role that cannot be used. "
			    "Use 1 to %u of the characters a-z 0-9 - _.",
			    MANIFEST_ROLE_SIZE - 1);
	} else {
		if (!image->chunk_size.set)
			image->chunk_size = description->chunk_size;
		char *size = memory_text("image %s: chunk-size", image->role);
		check_chunk_size(size, image->chunk_size.value, problem);
		free(size);
	}
	free(object);
	return problem->status;
}

enum status describe_check(struct description *description, struct problem *problem)
{
	if (!description->chunk_size.set)
		description->chunk_size = (struct optional){true, DESCRIBE_CHUNK_SIZE};
	if (!description->level.set)
		description->level = (struct optional){true, DESCRIBE_LEVEL};

	if (check_texts(description, problem) != STATUS_OK ||
	    check_numbers(description, problem) != STATUS_OK ||
	    check_chunk_size("chunk-size", description->chunk_size.value, problem) != STATUS_OK)
		return problem->status;
	if (!description->level.value || description->level.value > (uint64_t)ZSTD_maxCLevel())
		return problem_set(problem, STATUS_USAGE, "level", "is %llu. Use 1 to %d.",
				   (unsigned long long)description->level.value, ZSTD_maxCLevel());
	if (!description->image_count)
		return problem_set(problem, STATUS_USAGE, "images",
				   "are missing. Name one at least: "
				   "images { boot { file = \"...\"; }; }; or --image ROLE=FILE.");
	for (size_t i = 0; i < description->image_count; i++) {
		if (check_image(description, &description->images[i], problem) != STATUS_OK)
			return problem->status;
	}
	return STATUS_OK;
}
