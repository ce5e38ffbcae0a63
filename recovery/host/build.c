#include "verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "head.h"
#include "image.h"
#include "keys.h"
#include "options.h"
#include "text.h"

#define JOBS_MAX 256

enum { OUTPUT = 1, SET, IMAGE, KEY, PASS_FILE, JOBS, QUIET, PROPERTY };

/* Options from PROPERTY on are properties of the description, under the same name. */
static const struct option_spec specs[] = {
	{OUTPUT, "output", 'o', true},
	{SET, "set", 0, true},
	{IMAGE, "image", 0, true},
	{KEY, "key", 0, true},
	{PASS_FILE, "pass-file", 0, true},
	{JOBS, "jobs", 'j', true},
	{QUIET, "quiet", 'q', false},
	{PROPERTY, "product", 0, true},
	{PROPERTY, "version", 0, true},
	{PROPERTY, "release", 0, true},
	{PROPERTY, "rollback-floor", 0, true},
	{PROPERTY, "minimum-release", 0, true},
	{PROPERTY, "key-epoch", 0, true},
	{PROPERTY, "notes", 0, true},
	{PROPERTY, "created", 0, true},
	{PROPERTY, "chunk-size", 0, true},
	{PROPERTY, "level", 0, true},
	{0},
};

/* What the command line says, in its order: it is applied after the description was read. */
struct setting {
	bool image;
	char *name;
	const char *value;
};

struct build {
	const char *output, *source, *key, *pass_file;
	uint64_t jobs;
	bool quiet;
	size_t setting_count;
	struct setting *settings;

	struct description description;
	struct image_work works[MANIFEST_IMAGES_MAX];
	struct private_key private;
	uint8_t *head; /* header and manifest */
	size_t manifest_len;
	size_t block_len; /* of the signature block */
	uint64_t payload_len;
	uint8_t id[HASH_LEN];
};

/* --- command line --- */

static unsigned processors(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return count < 1 ? 1 : (unsigned)count;
}

static void add_setting(struct build *build, bool image, const char *name, size_t name_len,
			const char *value)
{
	build->settings = memory_resize(build->settings,
					(build->setting_count + 1) * sizeof(*build->settings));
	build->settings[build->setting_count++] = (struct setting){
		.image = image,
		.name = memory_text("%.*s", (int)name_len, name),
		.value = value,
	};
}

static enum status add_pair(struct build *build, bool image, const char *text,
			    struct problem *problem)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text || (image && !equals[1]))
		return problem_set(problem, STATUS_USAGE, text,
				   "is not of the form %s. Correct it.",
				   image ? "ROLE=FILE" : "NAME=VALUE");
	for (size_t i = 0; image && i < build->setting_count; i++) {
		const struct setting *other = &build->settings[i];
		if (other->image && strlen(other->name) == (size_t)(equals - text) &&
		    memcmp(other->name, text, (size_t)(equals - text)) == 0)
			return problem_set(problem, STATUS_USAGE, text,
					   "names the role %s a second time. "
					   "Give each role one image.",
					   other->name);
	}
	add_setting(build, image, text, (size_t)(equals - text), equals + 1);
	return STATUS_OK;
}

static enum status take_option(struct build *build, struct options *options, int id,
			       struct problem *problem)
{
	switch (id) {
	case OUTPUT:
		build->output = options->value;
		break;
	case SET:
		return add_pair(build, false, options->value, problem);
	case IMAGE:
		return add_pair(build, true, options->value, problem);
	case KEY:
		build->key = options->value;
		break;
	case PASS_FILE:
		build->pass_file = options->value;
		break;
	case JOBS:
		if (!options_number(options->value, &build->jobs) || !build->jobs ||
		    build->jobs > JOBS_MAX)
			return problem_set(problem, STATUS_USAGE, "--jobs",
					   "is \"%s\". Use 1 to %u.", options->value, JOBS_MAX);
		break;
	case QUIET:
		build->quiet = true;
		break;
	case PROPERTY:
		add_setting(build, false, options->found->name, strlen(options->found->name),
			    options->value);
		break;
	default:
		return options_only_one(options, &build->source, problem);
	}
	return STATUS_OK;
}

static enum status read_words(struct build *build, char **words, struct problem *problem)
{
	struct options options = {.verb = "build", .specs = specs, .next = words};
	int id;

	while ((id = options_next(&options, problem)) != OPTION_END) {
		if (id == OPTION_WRONG || take_option(build, &options, id, problem) != STATUS_OK)
			return problem->status;
	}
	if (!build->output)
		return problem_set(problem, STATUS_USAGE, "-o",
				   "is missing. Name the package to write: -o NAME.boat.");
	if (!build->source && !build->setting_count)
		return problem_set(problem, STATUS_USAGE, "DESCRIPTION",
				   "is missing. See `lifeboat-pack build --help`.");
	return STATUS_OK;
}

/* --- description --- */

static enum status apply_setting(struct build *build, const struct setting *setting,
				 bool *products_cleared, struct problem *problem)
{
	if (setting->image)
		return describe_set_image(&build->description, setting->name, setting->value,
					  problem);
	/* The command line's products stand in for the description's. */
	if (strcmp(setting->name, "product") == 0 && !*products_cleared) {
		describe_clear_products(&build->description);
		*products_cleared = true;
	}
	return describe_set(&build->description, setting->name, setting->value, setting->name,
			    problem);
}

static enum status take_epoch(struct description *description, struct problem *problem)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	if (description->created.set || !text)
		return STATUS_OK;
	return describe_set(description, "created", text, "SOURCE_DATE_EPOCH (environment)",
			    problem);
}

static enum status describe(struct build *build, struct problem *problem)
{
	bool products_cleared = false;

	if (build->source &&
	    describe_load(&build->description, build->source, problem) != STATUS_OK)
		return problem->status;
	for (size_t i = 0; i < build->setting_count; i++) {
		if (apply_setting(build, &build->settings[i], &products_cleared, problem) !=
		    STATUS_OK)
			return problem->status;
	}
	if (take_epoch(&build->description, problem) != STATUS_OK)
		return problem->status;
	return describe_check(&build->description, problem);
}

static enum status open_images(struct build *build, struct problem *problem)
{
	for (size_t i = 0; i < build->description.image_count; i++) {
		struct image_work *work = &build->works[i];
		if (image_open(work, &build->description.images[i], i, problem) != STATUS_OK)
			return problem->status;
		if (file_is_same(build->output, &work->input.stat))
			return problem_set(problem, STATUS_USAGE, build->output,
					   "is the package to write and an image at once. "
					   "Choose another name.");
	}
	return STATUS_OK;
}

/* --- the package --- */

static size_t compose(struct build *build)
{
	struct composed_image images[MANIFEST_IMAGES_MAX];
	uint8_t *manifest = build->head + PACKAGE_HEADER_LEN;

	for (size_t i = 0; i < build->description.image_count; i++)
		images[i] = build->works[i].image;
	memset(manifest, 0, PACKAGE_MANIFEST_MAX);
	return compose_manifest(&build->description, images, manifest);
}

/* The manifest's length follows from the number of segments: what comes after it can be written
 * first. */
static enum status leave_room(struct build *build, struct output *output, struct problem *problem)
{
	build->manifest_len = compose(build);
	if (!build->manifest_len)
		return problem_set(problem, STATUS_USAGE, build->output,
				   "would have a manifest of more than 1 MiB. "
				   "Use a larger --chunk-size, or shorter properties of your own.");
	build->block_len = PACKAGE_SIGNATURE_MIN_BLOCK;
	if (build->key) /* an ECDSA signature of 65 to 72 bytes, as all but 1 of 2^50 are */
		build->block_len += PACKAGE_SIGNATURE_ENTRY + KEYS_SIGNATURE_MAX;
	return output_append_zeros(
		output, PACKAGE_HEADER_LEN + build->manifest_len + build->block_len, problem);
}

static enum status pack_images(struct build *build, struct output *output, struct problem *problem)
{
	struct progress_meter meter;
	uint64_t done = 0, total = 0;
	struct image_packing packing = {
		.output = output,
		.payload = output->at,
		.jobs = (unsigned)build->jobs,
		.level = (int)build->description.level.value,
		.meter = &meter,
		.done = &done,
	};

	for (size_t i = 0; i < build->description.image_count; i++)
		total += build->works[i].image.size;
	progress_start(&meter, "packing", total, build->quiet);
	for (size_t i = 0; i < build->description.image_count; i++) {
		if (image_pack(&build->works[i], &packing, problem) != STATUS_OK)
			break;
	}
	progress_end(&meter);
	build->payload_len = output->at - packing.payload;
	return problem->status;
}

/* What a device would refuse must not leave this program. */
static enum status check_head(struct build *build, struct problem *problem)
{
	static struct manifest manifest;
	struct fault fault;

	if (manifest_load(&manifest, build->head + PACKAGE_HEADER_LEN, build->manifest_len,
			  build->payload_len, &fault) == DETAIL_OK)
		return STATUS_OK;
	return problem_fault(problem, build->output, &fault);
}

static enum status write_block(struct build *build, struct output *output, struct problem *problem)
{
	struct head head = {.signed_len = PACKAGE_HEADER_LEN + build->manifest_len};
	uint8_t signature[KEYS_SIGNATURE_MAX];
	struct package_signature entry = {
		.key_id = build->private.public.id,
		.algorithm = SIGNATURE_ECDSA_P256_SHA256,
		.bytes = signature,
	};
	size_t len;

	if (build->key &&
	    (keys_sign(&build->private, build->head, head.signed_len, signature, &entry.len,
		       problem) != STATUS_OK ||
	     head_put_signature(&head, &entry, build->output, NULL, problem) != STATUS_OK))
		return problem->status;
	uint8_t *block = head_signature_block(&head, &len);
	if (len == build->block_len)
		output_rewrite(output, head.signed_len, block, len, problem);
	else
		problem_set(problem, STATUS_INSTALL_FAILED, build->output,
			    "has a signature of unusual length. "
			    "Build without --key and sign it afterwards.");
	free(block);
	head_free(&head);
	return problem->status;
}

static enum status write_head(struct build *build, struct output *output, struct problem *problem)
{
	struct package_header header = {build->manifest_len, build->payload_len};
	size_t len = PACKAGE_HEADER_LEN + build->manifest_len;

	package_header_store(&header, build->head);
	if (compose(build) != build->manifest_len)
		return problem_set(problem, STATUS_INSTALL_FAILED, build->output,
				   "has a manifest that changed its length. "
				   "This is a fault of lifeboat-pack: please report it.");
	if (check_head(build, problem) != STATUS_OK ||
	    output_rewrite(output, 0, build->head, len, problem) != STATUS_OK ||
	    write_block(build, output, problem) != STATUS_OK)
		return problem->status;
	package_id(build->head, len, build->id);
	return STATUS_OK;
}

static enum status write_package(struct build *build, struct problem *problem)
{
	struct output output;

	if (output_open(&output, build->output, 0666, problem) != STATUS_OK)
		return problem->status;
	if (leave_room(build, &output, problem) == STATUS_OK &&
	    pack_images(build, &output, problem) == STATUS_OK &&
	    write_head(build, &output, problem) == STATUS_OK)
		output_commit(&output, false, problem);
	output_abandon(&output);
	return problem->status;
}

/* --- report --- */

static void print_summary(const struct build *build)
{
	const struct description *description = &build->description;
	char id[2 * HASH_LEN + 1], size_text[32];
	uint64_t total = 0;
	struct text size = TEXT_IN(size_text);

	for (size_t i = 0; i < description->image_count; i++)
		total += build->works[i].image.size;
	text_size(&size, total);
	printf("%s: %s %s (release %" PRIu64 "), %zu image%s of %s", build->output,
	       description->products[0], description->version, description->release.value,
	       description->image_count, description->image_count == 1 ? "" : "s", size_text);
	text_clear(&size);
	text_size(&size, build->payload_len);
	keys_id_text(build->id, id);
	printf(" in %s\npackage id: %s\n", size_text, id);
	if (!build->key) {
		puts("It is not signed: devices refuse it until `lifeboat-pack sign` has seen it.");
		return;
	}
	keys_id_text(build->private.public.id, id);
	printf("signed with key: %s\n", id);
}

static void free_build(struct build *build)
{
	for (size_t i = 0; i < build->setting_count; i++)
		free(build->settings[i].name);
	free(build->settings);
	for (size_t i = 0; i < build->description.image_count; i++)
		image_close(&build->works[i]);
	describe_free(&build->description);
	keys_free_private(&build->private);
	free(build->head);
	free(build);
}

static enum status run(char **words, struct problem *problem)
{
	struct build *build = memory_get(sizeof(*build));
	build->jobs = processors();
	build->head = memory_get(PACKAGE_HEADER_LEN + PACKAGE_MANIFEST_MAX);
	for (size_t i = 0; i < MANIFEST_IMAGES_MAX; i++)
		build->works[i].input.fd = -1;

	if (read_words(build, words, problem) == STATUS_OK &&
	    describe(build, problem) == STATUS_OK && open_images(build, problem) == STATUS_OK &&
	    (!build->key || keys_load_private(&build->private, build->key, build->pass_file,
					      problem) == STATUS_OK) &&
	    write_package(build, problem) == STATUS_OK && !build->quiet)
		print_summary(build);
	free_build(build);
	return problem->status;
}

const struct verb verb_build = {
	.name = "build",
	.summary = "make a package out of images",
	.help = "Usage: lifeboat-pack build -o PACKAGE [OPTION...] [DESCRIPTION]\n\n"
		"DESCRIPTION is device-tree source or a compiled tree (.dtb); options win over it, "
		"and\n"
		"without it they must say everything. The package is not signed unless --key is "
		"given.\n"
		"The same input makes the same bytes.\n\n"
		"  -o, --output PACKAGE   the file to write, by custom NAME.boat\n"
		"  --image ROLE=FILE      an image (again for each one)\n"
		"  --product NAME         a product that the package fits (again for each one)\n"
		"  --version TEXT         what people call the release\n"
		"  --release N            number that orders releases, from 1 on\n"
		"  --rollback-floor N     lowest release that may be installed once this one runs "
		"well;\n"
		"                         default 0: any\n"
		"  --minimum-release N    lowest installed release that may be updated; default 0: "
		"any\n"
		"  --key-epoch N          default 0\n"
		"  --notes TEXT           for people\n"
		"  --created N            seconds since 1970, for people; default "
		"$SOURCE_DATE_EPOCH, or\n"
		"                         nothing\n"
		"  --chunk-size N         a power of two from 4K to 1M; default 64K\n"
		"  --level N              of Zstandard, 1 to 22; default 19\n"
		"  --set NAME=VALUE       any of these properties, or one of your own (x-...)\n"
		"  --key FILE-OR-URI      sign at once (see `lifeboat-pack sign --help`)\n"
		"  --pass-file FILE       the key's pass phrase is on the first line of FILE\n"
		"  -j, --jobs N           threads; default: one for each processor\n"
		"  -q, --quiet            tell errors only\n",
	.run = run,
};
