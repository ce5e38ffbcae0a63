#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "keys.h"
#include "options.h"

enum { OUTPUT = 1 };

static const struct option_spec specs[] = {
	{OUTPUT, "output", 'o', true},
	{0},
};

static void print_bytes(FILE *to, const char *name, const uint8_t *bytes, size_t len)
{
	fprintf(to, "\t\t.%s = {", name);
	for (size_t i = 0; i < len; i++)
		fprintf(to, "%s0x%02x,", i % 13 ? " " : "\n\t\t\t", bytes[i]);
	fputs("\n\t\t},\n", to);
}

/* A C string literal: whatever a file may be called stays within its quotes. */
static void print_string(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < ' ' || c > '~' || strchr("\"\\?", c))
			fprintf(to, "\\%03o", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

static void print_source(FILE *to, const struct trust *trust)
{
	fputs("/* Made by `lifeboat-pack trust`: the public keys that this build trusts. */\n"
	      "#include \"trust.h\"\n\n"
	      "static const struct trust_key keys[] = {\n",
	      to);
	for (size_t i = 0; i < trust->count; i++) {
		fputs("\t{\n", to);
		print_bytes(to, "id", trust->keys[i].id, sizeof(trust->keys[i].id));
		print_bytes(to, "point", trust->keys[i].point, sizeof(trust->keys[i].point));
		fputs("\t\t.name = ", to);
		print_string(to, trust->keys[i].name);
		fputs(",\n\t},\n", to);
	}
	fprintf(to, "};\n\nconst struct trust trust_embedded = {.keys = keys, .count = %zu};\n",
		trust->count);
}

static enum status write_source(const struct trust *trust, const char *path,
				struct problem *problem)
{
	char *source = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&source, &len);
	struct output output;

	if (!memory)
		return problem_set(problem, STATUS_INSTALL_FAILED, "memory",
				   "is not enough. End other programs.");
	print_source(memory, trust);
	bool whole = !ferror(memory);
	if (fclose(memory) != 0 || !whole) {
		problem_set(problem, STATUS_INSTALL_FAILED, "memory",
			    "is not enough. End other programs.");
	} else if (!path) {
		fwrite(source, 1, len, stdout);
	} else if (output_open(&output, path, 0666, problem) == STATUS_OK) {
		if (output_append(&output, source, len, problem) == STATUS_OK)
			output_commit(&output, false, problem);
		output_abandon(&output);
	}
	free(source);
	return problem->status;
}

static enum status run(char **words, struct problem *problem)
{
	struct options options = {.verb = "trust", .specs = specs, .next = words};
	struct option_list paths = {0};
	const char *output = NULL;
	struct trust trust;
	const struct option_place places[] = {
		{OUTPUT, .value = &output},
		{OPTION_ARGUMENT, .list = &paths},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) == STATUS_OK && !paths.count)
		problem_set(problem, STATUS_USAGE, "PUBLIC-KEY",
			    "is missing. A device without a key trusts no package; "
			    "see `lifeboat-pack trust --help`.");
	if (problem->status == STATUS_OK) {
		if (keys_load_trust(&trust, paths.at, paths.count, problem) == STATUS_OK)
			write_source(&trust, output, problem);
		keys_free_trust(&trust);
	}
	free(paths.at);
	return problem->status;
}

const struct verb verb_trust = {
	.name = "trust",
	.summary = "turn public keys into the C source of a device's trust store",
	.help = "Usage: lifeboat-pack trust [-o FILE] PUBLIC-KEY...\n\n"
		"Prints C source that defines trust_embedded (recovery/core/trust.h) with these "
		"keys.\n"
		"A key's name in messages is the name of its file without .pub.\n\n"
		"  -o, --output FILE  write to FILE instead of standard output\n",
	.run = run,
};
