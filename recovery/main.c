#include "verbs.h"

#include <stdio.h>
#include <string.h>

enum argument { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST };

enum option_bit {
	OPTION_SLOT = 1,
	OPTION_ALLOW_OLDER = 2,
	OPTION_VERIFY_FIRST = 4,
	OPTION_REBOOT = 8,
	OPTION_NO_REBOOT = 16,
	OPTION_JSON = 32,
};

struct verb {
	const char *name;
	enum argument argument;
	const char *argument_name;
	unsigned options;
	int (*run)(struct app *app, const struct verb_options *options);
	const char *help;
};

static const struct verb verbs[] = {
	{"recover", ARGUMENT_NONE, "", 0, verb_recover,
	 "take the recovery system's console: find a package, ask, install, restart"},
	{"install", ARGUMENT_MUST, "PACKAGE|URL",
	 OPTION_SLOT | OPTION_ALLOW_OLDER | OPTION_VERIFY_FIRST | OPTION_REBOOT, verb_install,
	 "install into the slot that does not run; the next start tries it"},
	{"plan", ARGUMENT_MUST, "PACKAGE|URL", OPTION_SLOT, verb_plan,
	 "say what install would write, and write nothing"},
	{"verify", ARGUMENT_MUST, "PACKAGE|URL", 0, verb_verify,
	 "check the signature and every byte of a package"},
	{"inspect", ARGUMENT_MUST, "PACKAGE|URL", OPTION_JSON, verb_inspect,
	 "show what a signed package says of itself"},
	{"status", ARGUMENT_NONE, "", OPTION_JSON, verb_status,
	 "show slots, tries, unfinished work and the last results"},
	{"confirm", ARGUMENT_MAY, "FOLDER", OPTION_NO_REBOOT, verb_confirm,
	 "run the health checks; mark the running system good, or give it up and restart"},
	{"request-recovery", ARGUMENT_MAY, "REASON", OPTION_REBOOT, verb_request_recovery,
	 "start recovery next time"},
	{"log", ARGUMENT_NONE, "", 0, verb_log, "print the stored log, the oldest line first"},
};

/* Everything large, once. */
static struct app app;

static void print_option(unsigned options, unsigned bit, const char *text)
{
	if (options & bit)
		printf("  %s\n", text);
}

static int help_verb(const struct verb *verb)
{
	const char *open = verb->argument == ARGUMENT_MAY ? "[" : "";
	const char *close = verb->argument == ARGUMENT_MAY ? "]" : "";

	printf("usage: lifeboat %s [options]%s%s%s%s\n\n  %s\n\n", verb->name,
	       *verb->argument_name ? " " : "", open, verb->argument_name, close, verb->help);
	print_option(verb->options, OPTION_SLOT, "--slot NAME       the slot to overwrite");
	print_option(verb->options, OPTION_ALLOW_OLDER,
		     "--allow-older     go back to an older release");
	print_option(verb->options, OPTION_VERIFY_FIRST,
		     "--verify-first    check every byte before the first write");
	print_option(verb->options, OPTION_REBOOT, "--reboot          restart when all went well");
	print_option(verb->options, OPTION_NO_REBOOT,
		     "--no-reboot       do not restart after a failed check");
	print_option(verb->options, OPTION_JSON, "--json            for programs");
	puts("  --board FILE      board tree; without it the kernel's device tree, or "
	     "/etc/lifeboat/board.dtb\n"
	     "  --disk FILE       a disk that does not run: an image file or a device\n"
	     "  --running NAME    with --disk: the slot that counts as running");
	return STATUS_OK;
}

static int help(void)
{
	puts("usage: lifeboat VERB [options] ...\n\n"
	     "Lifeboat " LIFEBOAT_VERSION " updates this device, and brings it back.\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		printf("  %-17s %s\n", verbs[i].name, verbs[i].help);
	puts("\n`lifeboat VERB --help` shows its options.\n"
	     "Exit status: 0 ok, 2 usage, 3 not permitted, 10 download_failed, 20 verify_failed,\n"
	     "30 install_failed, 40 postcheck_failed.");
	return STATUS_OK;
}

static int usage(const char *what, const char *word)
{
	fprintf(stderr, "lifeboat: %s: %s\n  `lifeboat --help` shows what there is.\n", word, what);
	return STATUS_USAGE;
}

/* Options with a value: where it goes, or NULL. */
static const char **value_of(const struct verb *verb, const char *word,
			     struct verb_options *options)
{
	if (!strcmp(word, "--board"))
		return &options->app.board;
	if (!strcmp(word, "--disk"))
		return &options->app.disk;
	if (!strcmp(word, "--running"))
		return &options->app.running;
	if (!strcmp(word, "--slot") && verb->options & OPTION_SLOT)
		return &options->slot;
	return NULL;
}

static bool *switch_of(const struct verb *verb, const char *word, struct verb_options *options)
{
	const struct {
		const char *word;
		unsigned bit;
		bool *to;
	} switches[] = {
		{"--allow-older", OPTION_ALLOW_OLDER, &options->allow_older},
		{"--verify-first", OPTION_VERIFY_FIRST, &options->verify_first},
		{"--reboot", OPTION_REBOOT, &options->reboot},
		{"--no-reboot", OPTION_NO_REBOOT, &options->no_reboot},
		{"--json", OPTION_JSON, &options->json},
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (verb->options & switches[i].bit && !strcmp(word, switches[i].word))
			return switches[i].to;
	return NULL;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct verb_options options = {0};
	bool only_arguments = false;

	for (int i = 0; i < argc; i++) {
		const char **value;
		bool *set;

		if (only_arguments || argv[i][0] != '-') {
			if (verb->argument == ARGUMENT_NONE || options.argument || !*argv[i])
				return usage("is one word too many, or empty", argv[i]);
			options.argument = argv[i];
		} else if (!strcmp(argv[i], "--")) {
			only_arguments = true;
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			return help_verb(verb);
		} else if ((value = value_of(verb, argv[i], &options))) {
			if (++i == argc)
				return usage("needs a value", argv[i - 1]);
			*value = argv[i];
		} else if ((set = switch_of(verb, argv[i], &options))) {
			*set = true;
		} else {
			return usage("is no option of this verb", argv[i]);
		}
	}
	if (verb->argument == ARGUMENT_MUST && !options.argument)
		return usage("needs a package: a file, a block device or an address", verb->name);
	if (options.app.running && !options.app.disk)
		return usage("goes with --disk only: the kernel says which slot runs", "--running");
	return verb->run(&app, &options);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help();
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help();
	if (!strcmp(argv[1], "--version")) {
		puts("lifeboat " LIFEBOAT_VERSION);
		return STATUS_OK;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return run_verb(&verbs[i], argc - 2, argv + 2);
	return usage("is no verb of lifeboat", argv[1]);
}
