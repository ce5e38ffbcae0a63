#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "head.h"
#include "keys.h"
#include "options.h"

enum { OUTPUT = 1, KEY, PASS_FILE, KEY_ID, ALL };

/* A package (or head of one) that is read, changed, and written again as a whole. */
struct change {
	const char *verb;
	const char *path;
	const char *output; /* NULL: in place */
	struct input input;
	struct head head;
};

static enum status change_open(struct change *change, struct problem *problem)
{
	change->input.fd = -1;
	if (!change->path)
		return problem_set(problem, STATUS_USAGE, "PACKAGE",
				   "is missing. See `lifeboat-pack %s --help`.", change->verb);
	if (input_open(&change->input, change->path, problem) != STATUS_OK)
		return problem->status;
	return head_load(&change->head, &change->input, problem);
}

static void change_close(struct change *change)
{
	head_free(&change->head);
	input_close(&change->input);
}

/* The signature block may have another length, so that the payload moves: the file is written anew.
 */
static enum status change_store(struct change *change, bool payload, struct problem *problem)
{
	const char *path = change->output ? change->output : change->path;
	struct output output;

	if (output_open(&output, path, change->output ? 0666 : 0600, problem) != STATUS_OK)
		return problem->status;
	if (!change->output)
		output_keep_owner(&output, &change->input.stat);
	if (head_write(&change->head, &output, problem) == STATUS_OK &&
	    (!payload || output_copy(&output, &change->input, change->head.payload_off,
				     change->head.header.payload_len, problem) == STATUS_OK) &&
	    input_check_unchanged(&change->input, problem) == STATUS_OK)
		output_commit(&output, false, problem);
	output_abandon(&output);
	return problem->status;
}

static void print_what(const struct change *change, const char *done)
{
	char *title = head_title(&change->head);
	char id[2 * HASH_LEN + 1];

	keys_id_text(change->head.id, id);
	printf("%s: %s\npackage id: %s\n%s\n", change->output ? change->output : change->path,
	       title, id, done);
	free(title);
}

/* --- sign --- */

static const struct option_spec sign_specs[] = {
	{OUTPUT, "output", 'o', true},
	{KEY, "key", 0, true},
	{PASS_FILE, "pass-file", 0, true},
	{0},
};

static enum status sign(struct change *change, const struct private_key *key,
			struct problem *problem)
{
	uint8_t signature[KEYS_SIGNATURE_MAX];
	struct package_signature entry = {
		.key_id = key->public.id,
		.algorithm = SIGNATURE_ECDSA_P256_SHA256,
		.bytes = signature,
	};
	char id[2 * HASH_LEN + 1];
	bool replaced;

	if (keys_sign(key, change->head.bytes, change->head.signed_len, signature, &entry.len,
		      problem) != STATUS_OK ||
	    head_put_signature(&change->head, &entry, change->path, &replaced, problem) !=
		    STATUS_OK ||
	    change_store(change, change->head.has_payload, problem) != STATUS_OK)
		return problem->status;
	keys_id_text(key->public.id, id);
	char *done = memory_text("%s with key: %s", replaced ? "signed again" : "signed", id);
	print_what(change, done);
	free(done);
	return STATUS_OK;
}

static enum status run_sign(char **words, struct problem *problem)
{
	struct options options = {.verb = "sign", .specs = sign_specs, .next = words};
	struct change change = {.verb = "sign"};
	const char *key_name = NULL, *pass_file = NULL;
	struct private_key key;
	const struct option_place places[] = {
		{OUTPUT, .value = &change.output},
		{KEY, .value = &key_name},
		{PASS_FILE, .value = &pass_file},
		{OPTION_ARGUMENT, .value = &change.path},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) != STATUS_OK)
		return problem->status;
	if (!key_name)
		return problem_set(problem, STATUS_USAGE, "--key",
				   "is missing. Name the private key to sign with.");
	if (change_open(&change, problem) == STATUS_OK) {
		if (keys_load_private(&key, key_name, pass_file, problem) == STATUS_OK)
			sign(&change, &key, problem);
		keys_free_private(&key);
	}
	change_close(&change);
	return problem->status;
}

const struct verb verb_sign = {
	.name = "sign",
	.summary = "add a signature to a package, or to the head of one",
	.help = "Usage: lifeboat-pack sign --key FILE-OR-URI [--pass-file FILE] [-o OUT] "
		"PACKAGE\n\n"
		"Adds a signature, or replaces the one of the same key. PACKAGE may be a head made "
		"by\n"
		"`lifeboat-pack head`. What does not parse is not signed. What is signed is "
		"printed.\n\n"
		"  --key FILE-OR-URI   private key in PEM, or an address that OpenSSL can open,\n"
		"                      such as pkcs11:token=release;object=packages\n"
		"  --pass-file FILE    the key's pass phrase is on the first line of FILE; without "
		"it, it\n"
		"                      is asked for\n"
		"  -o, --output OUT    write to OUT and leave PACKAGE as it is\n",
	.run = run_sign,
};

/* --- unsign --- */

static const struct option_spec unsign_specs[] = {
	{OUTPUT, "output", 'o', true},
	{KEY_ID, "key-id", 0, true},
	{ALL, "all", 0, false},
	{0},
};

/* The one signature whose key id begins with the text; 8 digits at least, so that it is no
 * accident. */
static enum status find_by_id(const struct head *head, const char *text, const uint8_t **key_id,
			      struct problem *problem)
{
	char id[2 * HASH_LEN + 1];
	size_t len = strlen(text), found = 0;

	for (size_t i = 0; len >= 8 && i < head->signatures.count; i++) {
		keys_id_text(head->signatures.at[i].key_id, id);
		if (strncasecmp(id, text, len) == 0) {
			*key_id = head->signatures.at[i].key_id;
			found++;
		}
	}
	if (found == 1)
		return STATUS_OK;
	return problem_set(problem, STATUS_USAGE, text,
			   "%s. `lifeboat-pack inspect` shows the ids.",
			   len < 8 ? "is too short for a key id: give 8 digits at least"
			   : found ? "begins more than one key id of the package"
				   : "is the key id of no signature of the package");
}

static enum status unsign(struct change *change, const char *id_text, struct problem *problem)
{
	const uint8_t *key_id = NULL;
	size_t count = change->head.signatures.count;

	if (!count)
		return problem_set(problem, STATUS_USAGE, change->path,
				   "has no signature. There is nothing to take off.");
	if (!id_text) {
		change->head.signatures.count = 0;
	} else {
		if (find_by_id(&change->head, id_text, &key_id, problem) != STATUS_OK)
			return problem->status;
		head_remove_signature(&change->head, key_id);
	}
	if (change_store(change, change->head.has_payload, problem) != STATUS_OK)
		return problem->status;
	char *done =
		memory_text("signatures taken off: %zu, left: %zu",
			    count - change->head.signatures.count, change->head.signatures.count);
	print_what(change, done);
	free(done);
	return STATUS_OK;
}

static enum status run_unsign(char **words, struct problem *problem)
{
	struct options options = {.verb = "unsign", .specs = unsign_specs, .next = words};
	struct change change = {.verb = "unsign"};
	const char *id_text = NULL;
	bool all = false;
	const struct option_place places[] = {
		{OUTPUT, .value = &change.output},
		{KEY_ID, .value = &id_text},
		{ALL, .given = &all},
		{OPTION_ARGUMENT, .value = &change.path},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) != STATUS_OK)
		return problem->status;
	if (all == (id_text != NULL))
		return problem_set(problem, STATUS_USAGE, "--key-id, --all",
				   "are a choice: give one of them.");
	if (change_open(&change, problem) == STATUS_OK)
		unsign(&change, id_text, problem);
	change_close(&change);
	return problem->status;
}

const struct verb verb_unsign = {
	.name = "unsign",
	.summary = "take signatures off a package",
	.help = "Usage: lifeboat-pack unsign (--key-id ID | --all) [-o OUT] PACKAGE\n\n"
		"  --key-id ID       the signature of this key (8 or more of the id's first "
		"digits)\n"
		"  --all             all signatures\n"
		"  -o, --output OUT  write to OUT and leave PACKAGE as it is\n",
	.run = run_unsign,
};

/* --- head and attach --- */

static const struct option_spec head_specs[] = {
	{OUTPUT, "output", 'o', true},
	{0},
};

static enum status run_head(char **words, struct problem *problem)
{
	struct options options = {.verb = "head", .specs = head_specs, .next = words};
	struct change change = {.verb = "head"};
	char *beside = NULL;
	const struct option_place places[] = {
		{OUTPUT, .value = &change.output},
		{OPTION_ARGUMENT, .value = &change.path},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) != STATUS_OK)
		return problem->status;
	if (change_open(&change, problem) == STATUS_OK) {
		beside = memory_text("%s.head", change.path);
		if (!change.output)
			change.output = beside;
		if (file_is_same(change.output, &change.input.stat))
			problem_set(problem, STATUS_USAGE, change.output,
				    "is the package itself. Choose another name for its head.");
		else if (change_store(&change, false, problem) == STATUS_OK)
			print_what(&change, "This is the head only: sign it where the key is, then "
					    "`lifeboat-pack attach` it.");
	}
	change_close(&change);
	free(beside);
	return problem->status;
}

const struct verb verb_head = {
	.name = "head",
	.summary = "take the small part that is signed out of a package",
	.help = "Usage: lifeboat-pack head [-o HEAD] PACKAGE\n\n"
		"Writes header, manifest and signatures of PACKAGE to HEAD, by default "
		"PACKAGE.head,\n"
		"so that they can be signed on another machine: `sign HEAD`, then `attach`.\n\n"
		"  -o, --output HEAD  the file to write\n",
	.run = run_head,
};

/* Puts the head's signatures into the package. */
static enum status attach(struct change *change, const struct head *from, const char *from_path,
			  struct problem *problem)
{
	size_t count = from->signatures.count;

	if (!hash_equal(change->head.id, from->id))
		return problem_set(problem, STATUS_VERIFY_FAILED, from_path,
				   "is the head of another package than %s. "
				   "Attach it to the package that it was taken from.",
				   change->path);
	if (!count)
		return problem_set(problem, STATUS_USAGE, from_path,
				   "has no signature. Sign it first.");
	for (size_t i = 0; i < count; i++) {
		if (head_put_signature(&change->head, &from->signatures.at[i], change->path, NULL,
				       problem) != STATUS_OK)
			return problem->status;
	}
	if (change_store(change, change->head.has_payload, problem) != STATUS_OK)
		return problem->status;
	char *done = memory_text("signatures attached: %zu, now there: %zu", count,
				 change->head.signatures.count);
	print_what(change, done);
	free(done);
	return STATUS_OK;
}

static enum status run_attach(char **words, struct problem *problem)
{
	struct options options = {.verb = "attach", .specs = head_specs, .next = words};
	struct change change = {.verb = "attach"}, from = {.verb = "attach"};
	const struct option_place places[] = {
		{OUTPUT, .value = &change.output},
		{OPTION_ARGUMENT, .value = &change.path},
		{OPTION_ARGUMENT, .value = &from.path},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) != STATUS_OK)
		return problem->status;
	from.input.fd = -1;
	if (change_open(&change, problem) == STATUS_OK && change_open(&from, problem) == STATUS_OK)
		attach(&change, &from.head, from.path, problem);
	change_close(&from);
	change_close(&change);
	return problem->status;
}

const struct verb verb_attach = {
	.name = "attach",
	.summary = "put the signatures of a head into its package",
	.help = "Usage: lifeboat-pack attach [-o OUT] PACKAGE HEAD\n\n"
		"Adds the signatures in HEAD to PACKAGE; those of the same keys are replaced.\n\n"
		"  -o, --output OUT  write to OUT and leave PACKAGE as it is\n",
	.run = run_attach,
};
