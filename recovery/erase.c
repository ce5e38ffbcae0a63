#include "erase.h"
#include "ui/words.h"

#include <string.h>

#define DONE_COUNTDOWN_S 5 /* then the installed system starts */
#define NO_AFTER_S 60	   /* nobody answers the question: no */

/* Runs the engine and shows how it ended. */
static enum detail erase(struct recover *r, bool agreed)
{
	struct app *app = r->app;
	bool begun = app->state.record.wipe == STATE_WIPE_BEGUN;
	struct fault ignored;
	enum detail detail;

	screen_wait(&app->screen, WAIT_NOTHING, "");
	screen_work(&app->screen, WORK_WIPE, false);
	app_log(app,
		begun ? "wipe: going on with what was interrupted" : "wipe: erasing user data");
	detail = wipe_run(&app->device, agreed, &r->result);
	/* The next start is the system's, even when somebody now switches off. A failure shall be
	 * seen. */
	if (!detail)
		wipe_withdraw(&app->device, &ignored);
	app_log_result(app, &r->result);
	app_show_device(app);
	screen_result(&app->screen, &r->result);
	/* Shown is shown: the menu comes without looking for a package first. */
	r->failure_shown = true;
	r->menu = true;
	return detail;
}

/* Back to the system, unless somebody stops that or there is none. */
static void end_well(struct recover *r)
{
	static const enum action actions[] = {ACTION_RESTART, ACTION_SHOW_LOG, ACTION_POWER_OFF,
					      ACTION_MENU};
	enum action action = ACTION_SHOW_LOG;

	r->menu = r->failure_shown = false;
	if (install_has_nothing(&r->app->device))
		return;
	for (;;) {
		action = session_ask(r, QUESTION_WIPED, actions, 4, ACTION_RESTART,
				     DONE_COUNTDOWN_S, false);
		if (action != ACTION_SHOW_LOG)
			break;
		session_show_log(r);
	}
	if (action == ACTION_POWER_OFF)
		session_leave(r, SYSTEM_POWER_OFF);
	if (action == ACTION_RESTART)
		session_start_system(r, !r->app->screen.offers.by_itself);
	r->menu = true;
}

/*
 * Recovery runs because of a wipe that has ended: the power failed before the system could be
 * started again, or a failure has to be seen by somebody. True: this was so.
 */
static bool show_last(struct recover *r)
{
	if (!wipe_has_ended(&r->app->device, r->reason, &r->result))
		return false;
	screen_result(&r->app->screen, &r->result);
	r->failure_shown = r->menu = true;
	return true;
}

void erase_what_waits(struct recover *r)
{
	enum detail detail;

	if (wipe_is_wanted(&r->app->device))
		detail = erase(r, false);
	else if (show_last(r))
		detail = r->result.fault.detail;
	else
		return;
	if (!detail)
		end_well(r);
}

void erase_when_agreed(struct recover *r)
{
	static const enum action actions[] = {ACTION_NO, ACTION_WIPE_NOW};
	struct app *app = r->app;
	char names[WORDS_SIZE], line[WORDS_SIZE];
	struct text n = TEXT_IN(names), t = TEXT_IN(line);
	struct plan_wipe plan;
	struct fault fault;

	r->menu = r->failure_shown = true;
	if (plan_wipe_make(&plan, &app->board, &app->disk.gpt, &fault)) {
		session_failed(r, RESULT_WIPE, &fault, "", true);
		return;
	}
	words_wipe_names(&n, &plan);
	say_with(&t, STRING_WIPE_TAKES, names, NULL, NULL, NULL);
	screen_note(&app->screen, line);
	if (session_ask(r, QUESTION_WIPE, actions, 2, ACTION_NO, NO_AFTER_S, false) ==
	    ACTION_WIPE_NOW)
		erase(r, true);
}
