#include "inspect.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "options.h"
#include "verbs.h"

enum { KEY = 1, JSON };

static const struct option_spec specs[] = {
	{KEY, "key", 'k', true},
	{JSON, "json", 0, false},
	{0},
};

const char *inspect_signature_state(enum detail detail)
{
	switch (detail) {
	case DETAIL_OK:
		return "holds";
	case DETAIL_SIGNATURE_WRONG:
		return "wrong";
	case DETAIL_SIGNATURE_ALGORITHM:
		return "unknown-algorithm";
	default:
		return "unknown-key";
	}
}

/*
 * Printable ASCII that is one string. Nothing else checks names and values of properties of one's
 * own, and they shall not reach a terminal as they are.
 */
static bool is_plain(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	if (!len || at[len - 1])
		return false;
	for (size_t i = 0; i + 1 < len; i++) {
		if (at[i] < ' ' || at[i] > '~')
			return false;
	}
	return true;
}

bool inspect_extra(const struct inspected *inspected, int image, size_t n, const char **name,
		   const uint8_t **bytes, size_t *len, const char **text)
{
	const void *fdt = inspected->head.bytes + PACKAGE_HEADER_LEN;
	char path[40] = "/";
	int property, found_len;

	if (image >= 0)
		snprintf(path, sizeof(path), "/images/image@%d", image);
	fdt_for_each_property_offset (property, fdt, fdt_path_offset(fdt, path)) {
		const void *found = fdt_getprop_by_offset(fdt, property, name, &found_len);
		if (!found || strncmp(*name, "x-", 2) != 0 || n--)
			continue;
		if (!is_plain(*name, strlen(*name) + 1))
			*name = "x-(unprintable)";
		*bytes = found;
		*len = (size_t)found_len;
		*text = is_plain(*bytes, *len) ? found : NULL;
		return true;
	}
	return false;
}

/* Says of each signature alone, and of all together, what the keys say. */
static void check_signatures(struct inspected *inspected)
{
	const struct head *head = &inspected->head;

	inspected->trusted =
		trust_check(&inspected->trust, &head->signatures, head->id, NULL, NULL);
	for (size_t i = 0; i < head->signatures.count; i++) {
		struct package_signatures one = {.count = 1, .at = {head->signatures.at[i]}};
		inspected->signatures[i] =
			trust_check(&inspected->trust, &one, head->id, NULL, NULL);
	}
}

static enum status count_segment(struct inspected *inspected, size_t number, uint64_t segment,
				 uint8_t *page, struct problem *problem)
{
	const struct manifest_image *image = &inspected->head.manifest.images[number];
	struct inspected_image *counts = &inspected->images[number];
	struct manifest_segment place;
	struct index_entry entry;

	manifest_segment(image, segment, &place);
	counts->stored += place.len;
	if (!counts->counted)
		return STATUS_OK;
	if (input_read(&inspected->input, inspected->head.payload_off + place.off, page,
		       (size_t)place.index_len, problem) != STATUS_OK)
		return problem->status;
	if (index_check(image, number, segment, page,
			inspected->fault.detail == DETAIL_OK ? &inspected->fault : NULL) !=
	    DETAIL_OK) {
		counts->counted = false;
		return STATUS_OK;
	}
	for (uint32_t n = 0; n < manifest_segment_chunks(image, segment); n++) {
		index_entry(image, segment, page, n, &entry);
		counts->kinds[entry.kind]++;
	}
	return STATUS_OK;
}

static enum status count_chunks(struct inspected *inspected, struct problem *problem)
{
	const struct manifest *manifest = &inspected->head.manifest;
	uint8_t *page = memory_get(INDEX_PAGE_MAX);

	for (size_t i = 0; i < manifest->image_count && problem->status == STATUS_OK; i++) {
		inspected->images[i].counted = inspected->head.has_payload;
		for (uint64_t s = 0; s < manifest->images[i].segment_count; s++) {
			if (count_segment(inspected, i, s, page, problem) != STATUS_OK)
				break;
		}
	}
	free(page);
	return problem->status;
}

static enum status inspect(struct inspected *inspected, bool json, struct problem *problem)
{
	if (input_open(&inspected->input, inspected->path, problem) != STATUS_OK)
		return problem->status;
	if (head_load(&inspected->head, &inspected->input, problem) == STATUS_OK &&
	    count_chunks(inspected, problem) == STATUS_OK) {
		check_signatures(inspected);
		if (json)
			inspect_print_json(inspected);
		else
			inspect_print(inspected);
		if (inspected->fault.detail != DETAIL_OK)
			problem_fault(problem, inspected->path, &inspected->fault);
	}
	head_free(&inspected->head);
	input_close(&inspected->input);
	return problem->status;
}

static enum status run(char **words, struct problem *problem)
{
	struct options options = {.verb = "inspect", .specs = specs, .next = words};
	const char *path = NULL;
	struct option_list keys = {0};
	bool json = false;
	const struct option_place places[] = {
		{KEY, .list = &keys},
		{JSON, .given = &json},
		{OPTION_ARGUMENT, .value = &path},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) == STATUS_OK && !path)
		problem_set(problem, STATUS_USAGE, "PACKAGE",
			    "is missing. See `lifeboat-pack inspect --help`.");
	if (problem->status == STATUS_OK) {
		struct inspected *inspected = memory_get(sizeof(*inspected));
		inspected->path = path;
		if (keys_load_trust(&inspected->trust, keys.at, keys.count, problem) == STATUS_OK)
			inspect(inspected, json, problem);
		keys_free_trust(&inspected->trust);
		free(inspected);
	}
	free(keys.at);
	return problem->status;
}

const struct verb verb_inspect = {
	.name = "inspect",
	.summary = "show what a package says about itself",
	.help = "Usage: lifeboat-pack inspect [--json] [--key PUBLIC-KEY...] PACKAGE\n\n"
		"Shows a package, or the head of one, whether it is to be trusted or not; only "
		"the\n"
		"manifest and the index pages are read. To prove a package, use `verify`.\n\n"
		"  -k, --key PUBLIC-KEY  say whether the signature of this key holds (again for "
		"each\n"
		"                        one)\n"
		"  --json                print JSON, for programs\n",
	.run = run,
};
