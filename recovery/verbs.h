/*
 * The verbs of the device program, but `recover`. Each prints what a person needs and returns an
 * exit status.
 */
#ifndef LIFEBOAT_VERBS_H
#define LIFEBOAT_VERBS_H

#include "app.h"

struct verb_options {
	struct app_options app;
	const char *argument; /* package, reason, ... ; NULL: not given */
	const char *slot;
	bool allow_older;
	bool verify_first;
	bool reboot;
	bool no_reboot;
	bool json;
	bool yes;
	bool cancel;
};

int verb_recover(struct app *app, const struct verb_options *options);
int verb_install(struct app *app, const struct verb_options *options);
int verb_plan(struct app *app, const struct verb_options *options);
int verb_verify(struct app *app, const struct verb_options *options);
int verb_inspect(struct app *app, const struct verb_options *options);
int verb_status(struct app *app, const struct verb_options *options);
int verb_log(struct app *app, const struct verb_options *options);
int verb_confirm(struct app *app, const struct verb_options *options);
int verb_request_recovery(struct app *app, const struct verb_options *options);
int verb_reject(struct app *app, const struct verb_options *options);
int verb_wipe(struct app *app, const struct verb_options *options);

/* "lifeboat: object: sentence" and the advice, on standard error. Returns the exit status. */
int verb_fail(const struct fault *fault, const char *other);
/* A line on stderr. */
void verb_say(const char *line);

/* Restarts this device. Returns when the kernel refuses, which it says: the exit status. */
int verb_restart(void);

/*
 * Ends a verb whose output was all of its work. What could not be written was not said: a program
 * that reads it must not take that for the whole. Returns the exit status.
 */
int verb_end_output(struct app *app, struct out_fd *out);

/* A reason: it goes to the boot loader's environment and to the kernel command line. */
bool verb_is_word(const char *s);
#define VERB_REASON_RULE "the reason (one word of a-z, 0-9 and -, at most 31 long)"

#endif
