#include "verbs.h"
#include "core/text.h"

#include <string.h>
#include <unistd.h>

enum argument { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST };

enum option_bit {
	OPTION_SLOT = 1,
	OPTION_ALLOW_OLDER = 2,
	OPTION_VERIFY_FIRST = 4,
	OPTION_REBOOT = 8,
	OPTION_NO_REBOOT = 16,
	OPTION_JSON = 32,
	OPTION_YES = 64,
	OPTION_CANCEL = 128,
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
	{"reject", ARGUMENT_MAY, "REASON", OPTION_REBOOT, verb_reject,
	 "give up the running system, which is on trial"},
	{"request-recovery", ARGUMENT_MAY, "REASON", OPTION_REBOOT, verb_request_recovery,
	 "start recovery next time"},
	{"wipe", ARGUMENT_NONE, "", OPTION_YES | OPTION_CANCEL | OPTION_REBOOT, verb_wipe,
	 "erase user data at the next start, in recovery; nothing is kept of it"},
	{"log", ARGUMENT_NONE, "", 0, verb_log, "print the stored log, the oldest line first"},
};

/* Everything large, once. */
static struct app app;

static struct out_fd console;

/* Help and usage: lines, without the weight of stdio's formats. */
static void line(const char *a, const char *b, const char *c, const char *d)
{
	char text[256];
	struct text t = TEXT_IN(text);

	text_add(&t, a);
	text_add(&t, b);
	text_add(&t, c);
	text_add(&t, d);
	out_line(&console.out, text);
}

static void option(const struct verb *verb, unsigned bit, const char *text)
{
	if (verb->options & bit)
		line("  ", text, "", "");
}

static int help_verb(const struct verb *verb)
{
	const char *open = verb->argument == ARGUMENT_MAY ? " [" : " ";
	const char *close = verb->argument == ARGUMENT_MAY ? "]" : "";
	char argument[64];
	struct text t = TEXT_IN(argument);

	text_clear(&t);
	if (verb->argument != ARGUMENT_NONE) {
		text_add(&t, open);
		text_add(&t, verb->argument_name);
		text_add(&t, close);
	}
	out_fd_open(&console, STDOUT_FILENO, false);
	line("usage: lifeboat ", verb->name, " [options]", argument);
	line("", "", "", "");
	line("  ", verb->help, "", "");
	line("", "", "", "");
	option(verb, OPTION_SLOT, "--slot NAME       the slot to overwrite");
	option(verb, OPTION_ALLOW_OLDER, "--allow-older     go back to an older release");
	option(verb, OPTION_VERIFY_FIRST,
	       "--verify-first    check every byte before the first write");
	option(verb, OPTION_YES, "--yes             erase all user data, for good");
	option(verb, OPTION_CANCEL, "--cancel          do not erase: take it back");
	option(verb, OPTION_REBOOT, "--reboot          restart when all went well");
	option(verb, OPTION_NO_REBOOT, "--no-reboot       do not restart after a failed check");
	option(verb, OPTION_JSON, "--json            for programs");
	line("  --board FILE      board tree; without it the kernel's device tree,", "", "", "");
	line("                    or /etc/lifeboat/board.dtb", "", "", "");
	line("  --disk FILE       a disk that does not run: an image file or a device", "", "", "");
	line("  --running NAME    with --disk: the slot that counts as running", "", "", "");
	out_fd_close(&console);
	return STATUS_OK;
}

static int help(void)
{
	static const char spaces[] = "                  ";

	out_fd_open(&console, STDOUT_FILENO, false);
	line("usage: lifeboat VERB [options] ...", "", "", "");
	line("", "", "", "");
	line("Lifeboat " LIFEBOAT_VERSION " updates this device, and brings it back.", "", "", "");
	line("", "", "", "");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		line("  ", verbs[i].name, spaces + strlen(verbs[i].name), verbs[i].help);
	line("", "", "", "");
	line("`lifeboat VERB --help` shows its options.", "", "", "");
	line("Exit status: 0 ok, 2 usage, 3 not permitted, 10 download_failed, 20 verify_failed,",
	     "", "", "");
	line("30 install_failed, 40 postcheck_failed.", "", "", "");
	out_fd_close(&console);
	return STATUS_OK;
}

static int usage(const char *what, const char *word)
{
	out_fd_open(&console, STDERR_FILENO, false);
	line("lifeboat: ", word, ": ", what);
	line("  `lifeboat --help` shows what there is.", "", "", "");
	out_fd_close(&console);
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
		{"--yes", OPTION_YES, &options->yes},
		{"--cancel", OPTION_CANCEL, &options->cancel},
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
			if (++i == argc || !*argv[i])
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
	if (options.app.disk && verb->run == verb_recover)
		return usage("does not go with --disk: it restarts what it runs on", "recover");
	if (options.app.disk && options.reboot)
		return usage("does not go with --disk: the disk is not this machine's", "--reboot");
	if (options.app.disk && !options.app.running &&
	    (verb->run == verb_confirm || verb->run == verb_reject))
		return usage("with --disk needs --running: which slot is it about?", verb->name);
	if (options.cancel && (options.yes || options.reboot))
		return usage("goes with neither --yes nor --reboot", "--cancel");
	if (options.app.running && !options.app.disk)
		return usage("goes with --disk only: the kernel says which slot runs", "--running");
	return verb->run(&app, &options);
}

int main(int argc, char **argv)
{
	system_fill_descriptors();
	if (argc < 2) {
		help();
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help();
	if (!strcmp(argv[1], "--version")) {
		out_fd_open(&console, STDOUT_FILENO, false);
		line("lifeboat ", LIFEBOAT_VERSION, "", "");
		out_fd_close(&console);
		return STATUS_OK;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return run_verb(&verbs[i], argc - 2, argv + 2);
	return usage("is no verb of lifeboat", argv[1]);
}
