#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "keys.h"
#include "text.h"

/* --- for people --- */

/* Values begin in one column; further lines of a value too. */
static void print_label(const char *label)
{
	printf("%-17s", label);
}

static void print_number(const char *label, uint64_t value, const char *meaning)
{
	print_label(label);
	printf("%" PRIu64 "%s%s%s\n", value, meaning ? " (" : "", meaning ? meaning : "",
	       meaning ? ")" : "");
}

static void print_text(const char *label, const char *text)
{
	do {
		size_t len = strcspn(text, "\n");
		print_label(label);
		printf("%.*s\n", (int)len, text);
		text += len;
		label = "";
	} while (*text++);
}

static void print_created(uint64_t created)
{
	time_t seconds = (time_t)created;
	struct tm utc;
	char text[64];

	print_label("created");
	if (created < 253402300800 && gmtime_r(&seconds, &utc) && /* up to the year 9999 */
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc))
		printf("%s (as its maker says)\n", text);
	else
		printf("%" PRIu64 " seconds since 1970 (as its maker says)\n", created);
}

static void print_extras(const struct inspected *inspected, int image, const char *prefix)
{
	const char *name, *text;
	const uint8_t *bytes;
	char label[80];
	size_t len;

	for (size_t n = 0; inspect_extra(inspected, image, n, &name, &bytes, &len, &text); n++) {
		snprintf(label, sizeof(label), "%s%s ", prefix, name);
		print_label(label);
		if (text) {
			printf("%s\n", text);
			continue;
		}
		printf("0x");
		for (size_t i = 0; i < len && i < 64; i++)
			printf("%02x", bytes[i]);
		printf("%s\n", len > 64 ? "..." : "");
	}
}

static void print_manifest(const struct inspected *inspected)
{
	const struct manifest *manifest = &inspected->head.manifest;
	char id[2 * HASH_LEN + 1];

	for (size_t i = 0; i < manifest->product_count; i++)
		print_text(i ? "" : "product", manifest->products[i]);
	print_text("version", manifest->version);
	print_number("release", manifest->release, NULL);
	print_number("rollback floor", manifest->rollback_floor,
		     manifest->rollback_floor ? "lowest release allowed once this one runs well"
					      : "any older release may come back");
	print_number("minimum release", manifest->minimum_release,
		     manifest->minimum_release ? "lowest installed release that may be updated"
					       : "any installed release may be updated");
	print_number("key epoch", manifest->key_epoch, NULL);
	if (manifest->has_created)
		print_created(manifest->created);
	if (manifest->notes)
		print_text("notes", manifest->notes);
	print_extras(inspected, -1, "");
	keys_id_text(inspected->head.id, id);
	print_text("package id", id);
}

static void print_image(const struct inspected *inspected, size_t number)
{
	const struct manifest_image *image = &inspected->head.manifest.images[number];
	const struct inspected_image *counts = &inspected->images[number];
	char sha256[2 * HASH_LEN + 1], size_text[32], stored_text[32], prefix[64];
	struct text size = TEXT_IN(size_text), stored = TEXT_IN(stored_text);

	text_size(&size, image->size);
	text_size(&stored, counts->stored);
	keys_id_text(image->sha256, sha256);
	printf("\nimage %s\n", image->role);
	print_label("  size");
	printf("%s (%" PRIu64 " bytes)\n", size_text, image->size);
	print_label("  stored");
	printf("%s (%.1f %%)\n", stored_text, (double)counts->stored * 100 / (double)image->size);
	print_label("  chunks");
	printf("%" PRIu64 " of %" PRIu32 " KiB", image->chunk_count, image->chunk_size >> 10);
	if (counts->counted)
		printf(": %" PRIu64 " zstd, %" PRIu64 " raw, %" PRIu64 " fill",
		       counts->kinds[CHUNK_ZSTD], counts->kinds[CHUNK_RAW],
		       counts->kinds[CHUNK_FILL]);
	printf(", in %" PRIu64 " segment%s\n", image->segment_count,
	       image->segment_count == 1 ? "" : "s");
	print_text("  sha256", sha256);
	snprintf(prefix, sizeof(prefix), "  ");
	print_extras(inspected, (int)number, prefix);
}

static const char *signature_words(enum detail detail)
{
	switch (detail) {
	case DETAIL_OK:
		return "holds";
	case DETAIL_SIGNATURE_WRONG:
		return "DOES NOT HOLD";
	case DETAIL_SIGNATURE_ALGORITHM:
		return "has an algorithm that this version does not know";
	default:
		return "not checked: its public key was not given";
	}
}

static void print_signatures(const struct inspected *inspected)
{
	const struct package_signatures *list = &inspected->head.signatures;
	char id[2 * HASH_LEN + 1];

	puts("");
	for (size_t i = 0; i < list->count; i++) {
		const struct trust_key *key = trust_find(&inspected->trust, list->at[i].key_id);
		keys_id_text(list->at[i].key_id, id);
		print_text(i ? "" : "signed with key", id);
		print_label("");
		printf("%s%s%s%s\n", signature_words(inspected->signatures[i]), key ? " (" : "",
		       key ? key->name : "", key ? ")" : "");
	}
	print_label("trust");
	if (!list->count)
		puts("NONE: the package is not signed, so anybody may have made or changed it");
	else if (inspected->trusted == DETAIL_NO_TRUST_STORE)
		puts("NOT CHECKED: no --key was given, so anybody may have made or changed it");
	else if (inspected->trusted == DETAIL_OK)
		puts("what is shown here is signed with a key that was given "
		     "(to prove the images too: verify)");
	else
		printf("NONE: the package %s\n", detail_sentence(inspected->trusted));
}

void inspect_print(const struct inspected *inspected)
{
	print_manifest(inspected);
	for (size_t i = 0; i < inspected->head.manifest.image_count; i++)
		print_image(inspected, i);
	if (!inspected->head.has_payload)
		puts("\nThis is the head of a package only; the images are not in it.");
	print_signatures(inspected);
}

/* --- for programs --- */

static void json_extras(struct json *json, const struct inspected *inspected, int image)
{
	const char *name, *text;
	const uint8_t *bytes;
	size_t len;

	json_begin(json, "extras", '{');
	for (size_t n = 0; inspect_extra(inspected, image, n, &name, &bytes, &len, &text); n++) {
		json_begin(json, name, '{');
		if (text)
			json_text(json, "text", text);
		json_hex(json, "hex", bytes, len);
		json_end(json, '}');
	}
	json_end(json, '}');
}

static void json_manifest(struct json *json, const struct inspected *inspected)
{
	const struct manifest *manifest = &inspected->head.manifest;

	json_begin(json, "product", '[');
	for (size_t i = 0; i < manifest->product_count; i++)
		json_text(json, NULL, manifest->products[i]);
	json_end(json, ']');
	json_text(json, "version", manifest->version);
	json_u64(json, "release", manifest->release);
	json_u64(json, "rollback_floor", manifest->rollback_floor);
	json_u64(json, "minimum_release", manifest->minimum_release);
	json_u64(json, "key_epoch", manifest->key_epoch);
	json_text(json, "notes", manifest->notes);
	if (manifest->has_created)
		json_u64(json, "created", manifest->created);
	else
		json_null(json, "created");
	json_extras(json, inspected, -1);
}

static void json_image(struct json *json, const struct inspected *inspected, size_t number)
{
	const struct manifest_image *image = &inspected->head.manifest.images[number];
	const struct inspected_image *counts = &inspected->images[number];

	json_begin(json, NULL, '{');
	json_text(json, "role", image->role);
	json_u64(json, "size", image->size);
	json_u64(json, "stored", counts->stored);
	json_hex(json, "sha256", image->sha256, HASH_LEN);
	json_u64(json, "chunk_size", image->chunk_size);
	json_u64(json, "chunks", image->chunk_count);
	json_u64(json, "segments", image->segment_count);
	if (counts->counted) {
		json_begin(json, "kinds", '{');
		json_u64(json, "raw", counts->kinds[CHUNK_RAW]);
		json_u64(json, "zstd", counts->kinds[CHUNK_ZSTD]);
		json_u64(json, "fill", counts->kinds[CHUNK_FILL]);
		json_end(json, '}');
	} else {
		json_null(json, "kinds");
	}
	json_extras(json, inspected, (int)number);
	json_end(json, '}');
}

static void json_signatures(struct json *json, const struct inspected *inspected)
{
	const struct package_signatures *list = &inspected->head.signatures;

	json_begin(json, "signatures", '[');
	for (size_t i = 0; i < list->count; i++) {
		const struct trust_key *key = trust_find(&inspected->trust, list->at[i].key_id);
		json_begin(json, NULL, '{');
		json_hex(json, "key_id", list->at[i].key_id, HASH_LEN);
		json_text(json, "key_name", key ? key->name : NULL);
		json_u64(json, "algorithm", list->at[i].algorithm);
		json_text(json, "state", inspect_signature_state(inspected->signatures[i]));
		json_end(json, '}');
	}
	json_end(json, ']');
}

static void json_problem(struct json *json, const struct fault *fault)
{
	if (fault->detail == DETAIL_OK) {
		json_null(json, "problem");
		return;
	}
	json_begin(json, "problem", '{');
	json_u64(json, "code", (uint64_t)fault->detail);
	json_text(json, "name", detail_name(fault->detail));
	json_text(json, "object", fault->object);
	json_text(json, "sentence", detail_sentence(fault->detail));
	json_end(json, '}');
}

void inspect_print_json(const struct inspected *inspected)
{
	struct json json = {.to = stdout};

	json_begin(&json, NULL, '{');
	json_u64(&json, "format", PACKAGE_FORMAT_VERSION);
	json_hex(&json, "package_id", inspected->head.id, HASH_LEN);
	json_u64(&json, "size", inspected->input.size);
	json_bool(&json, "head_only", !inspected->head.has_payload);
	json_manifest(&json, inspected);
	json_begin(&json, "images", '[');
	for (size_t i = 0; i < inspected->head.manifest.image_count; i++)
		json_image(&json, inspected, i);
	json_end(&json, ']');
	json_signatures(&json, inspected);
	/* true: the signatures hold against the given keys. The images are not proved by that:
	 * verify does it. */
	json_bool(&json, "signatures_hold", inspected->trusted == DETAIL_OK);
	json_problem(&json, &inspected->fault);
	json_end(&json, '}');
}
