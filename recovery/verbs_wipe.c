/* wipe: erase user data. */
#include "verbs.h"
#include "ui/words.h"

#include <unistd.h>

#define LOCK_WAIT_MS 5000 /* a confirm that is about to end is worth waiting for */

static void print(enum string id)
{
	static struct out_fd out;

	out_fd_open(&out, STDOUT_FILENO, false);
	out_line(&out.out, string(id));
	out_fd_close(&out);
}

static int fail(struct app *app, const struct fault *fault)
{
	app_end(app);
	return verb_fail(fault, "this device");
}

/* "data (206 MiB): is erased for good, so somebody must say yes" */
static enum detail check_consent(struct app *app, bool yes, struct fault *fault)
{
	struct plan_wipe plan;
	struct text t = TEXT_IN(fault->object);
	enum detail detail;

	if (yes) /* the engine makes the checks, and keeps what it finds */
		return DETAIL_OK;
	if ((detail = plan_wipe_make(&plan, &app->board, &app->disk.gpt, fault)))
		return detail;
	fault_set(fault, DETAIL_WIPE_NEEDS_CONSENT, "");
	words_wipe_names(&t, &plan);
	return fault->detail;
}

static int withdraw(struct app *app)
{
	struct fault fault;

	if (wipe_withdraw(&app->device, &fault))
		return fail(app, &fault);
	app_log(app, "wipe: not asked for any more");
	app_end(app);
	print(STRING_WIPE_WITHDRAWN);
	return STATUS_OK;
}

/* A system runs on this disk: its data is in use, and recovery does it. */
static int request(struct app *app, const struct verb_options *o)
{
	struct fault fault;

	if (wipe_request(&app->device, &fault))
		return fail(app, &fault);
	app_log(app, "wipe: asked for");
	app_end(app);
	print(STRING_WIPE_REQUESTED);
	return o->reboot ? verb_restart() : STATUS_OK;
}

static int erase_now(struct app *app)
{
	static struct result result;
	struct fault ignored;

	app->screen.work = WORK_WIPE; /* of which the title speaks */
	app_show_device(app);
	screen_work(&app->screen, WORK_WIPE, false);
	/* Nobody is there to look at recovery: what asked for it is done, one way or the other. */
	if (wipe_run(&app->device, true, &result) != DETAIL_INTERRUPTED)
		wipe_withdraw(&app->device, &ignored);
	app_log_result(app, &result);
	app_show_device(app);
	screen_result(&app->screen, &result);
	app_end(app);
	return (int)detail_status(result.fault.detail);
}

int verb_wipe(struct app *app, const struct verb_options *o)
{
	struct fault fault;

	app_start(app, &o->app, true);
	app->lock_wait_ms = o->app.disk ? 0 : LOCK_WAIT_MS;
	if (app_open(app, true, &fault) || app_check_mode(app, &fault))
		return fail(app, &fault);
	if (o->cancel)
		return withdraw(app);
	if (check_consent(app, o->yes, &fault))
		return fail(app, &fault);
	return app->device.running >= 0 ? request(app, o) : erase_now(app);
}
