/* reject: give up the running system, which is on trial. */
#include "verbs.h"
#include "ui/report.h"
#include "ui/words.h"

#include <unistd.h>

/* "release 7 (7.0) in slot B, reason camera-is-dark" */
static void name_system(const struct app *app, const char *reason, struct text *t)
{
	const struct state_slot *slot = &app->state.record.slot[app->device.running];

	text_add(t, "release ");
	text_u64(t, slot->release);
	text_add(t, " (");
	text_add(t, slot->version);
	text_add(t, ") in slot ");
	text_add(t, app->board.slots[app->device.running].name);
	if (!reason)
		return;
	text_add(t, ", reason ");
	text_add(t, reason);
}

static enum detail check_running(struct app *app, struct fault *fault)
{
	char object[sizeof(fault->object)];
	struct text t = TEXT_IN(object);
	struct flags flags;
	enum detail detail;

	if (app->device.running < 0)
		return fault_set(fault, DETAIL_SLOT_NOT_RUNNING, "the kernel command line");
	if ((detail = install_load_flags(&app->device, &flags, NULL, fault)))
		return detail;
	if (!flags.slot[app->device.running].good)
		return DETAIL_OK;
	name_system(app, NULL, &t);
	return fault_set(fault, DETAIL_NOT_ON_TRIAL, object);
}

/* What the engine could not store it does not tell; the flags do. */
static enum detail give_up(struct app *app, const char *reason, struct result *result,
			   struct fault *fault)
{
	struct fault why;
	struct flags flags;
	char object[sizeof(why.object)];
	struct text t = TEXT_IN(object);
	enum detail detail;

	name_system(app, reason, &t);
	fault_set(&why, DETAIL_REJECTED, object);
	install_reject(&app->device, &why, result);
	app_log_result(app, result);
	if ((detail = install_load_flags(&app->device, &flags, NULL, fault)))
		return detail;
	if (flags_in_order(&flags, (size_t)app->device.running))
		return fault_set(fault, DETAIL_FLAGS_NOT_STORED, "the boot flags");
	return DETAIL_OK;
}

int verb_reject(struct app *app, const struct verb_options *o)
{
	static struct out_fd out;
	static struct result result;
	char line[WORDS_SIZE];
	struct text t = TEXT_IN(line);
	struct fault fault;
	enum detail detail;

	app_start(app, &o->app, false);
	if (o->argument && !verb_is_word(o->argument))
		detail = fault_set(&fault, DETAIL_USAGE, VERB_REASON_RULE);
	else if (!(detail = app_open(app, true, &fault)) && !(detail = check_running(app, &fault)))
		detail = give_up(app, o->argument, &result, &fault);
	if (detail) {
		app_end(app);
		return verb_fail(&fault, "this device");
	}
	app_show_device(app);
	out_fd_open(&out, STDOUT_FILENO, false);
	words_fault(&t, &result.fault, "");
	report_text(&out.out, line);
	report_slots(&out.out, &app->screen);
	out_fd_close(&out);
	app_end(app);
	return o->reboot ? verb_restart() : STATUS_OK;
}
