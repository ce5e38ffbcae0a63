#include "session.h"
#include "copy_log.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPTS_MAX 3 /* of one package without a person: a failing medium is not worn out */

/* --- What may happen without a person --- */

static struct session_package *known(struct recover *r, const uint8_t id[HASH_LEN])
{
	for (size_t i = 0; i < SESSION_PACKAGES; i++)
		if (hash_equal(r->packages[i].id, id))
			return &r->packages[i];
	return NULL;
}

struct session_package *session_package(struct recover *r, const uint8_t id[HASH_LEN])
{
	struct session_package *p = known(r, id);

	if (p)
		return p;
	p = &r->packages[r->next_package++ % SESSION_PACKAGES];
	*p = (struct session_package){.attempts = 0};
	memcpy(p->id, id, HASH_LEN);
	return p;
}

void session_accept_all(struct recover *r)
{
	for (size_t i = 0; i < SESSION_PACKAGES; i++)
		r->packages[i].refused = false;
}

bool session_may_try(struct recover *r, const uint8_t id[HASH_LEN])
{
	const struct session_package *p = known(r, id);

	return (!p || p->attempts < ATTEMPTS_MAX) && !install_has_failed(&r->app->state, id);
}

bool session_was_refused(struct recover *r, const uint8_t id[HASH_LEN])
{
	const struct session_package *p = known(r, id);

	return p && p->refused;
}

/* --- What failed --- */

void session_failed(struct recover *r, enum result_what what, const struct fault *fault,
		    const char *origin, bool keep)
{
	app_failure(r->app, what, fault, origin, &r->result);
	if (keep)
		app_keep(r->app, &r->result);
	screen_result(&r->app->screen, &r->result);
}

/* --- Leaving --- */

void session_leave(struct recover *r, enum system_action action)
{
	screen_leave(&r->app->screen, action == SYSTEM_RESTART ? LEAVE_RESTART : LEAVE_POWER_OFF);
	app_log(r->app, action == SYSTEM_RESTART ? "recovery: restart" : "recovery: power off");
	if (r->app->open)
		install_rests(&r->app->device);
	app_close(r->app);
	screen_close(&r->app->screen);
	system_leave(action, false);
	/*
	 * The kernel refused: init starts this program again, and the watchdog is not fed
	 * meanwhile.
	 */
	exit(1);
}

/* Starts what is installed. Returns only when that is not possible. */
void session_start_system(struct recover *r, bool by_hand)
{
	struct app *app = r->app;
	struct fault fault;
	bool again;

	if (app->open) {
		install_has_system(&app->device, &again);
		if (install_leave_recovery(&app->device, again || by_hand, by_hand, &fault)) {
			session_failed(r, RESULT_TRIAL, &fault, "", false);
			r->menu = true;
			r->stay_ms = 0;
			return;
		}
	}
	session_leave(r, SYSTEM_RESTART);
}

void session_shell(struct app *app)
{
	pid_t child;
	int status;

	screen_leave(&app->screen, LEAVE_SHELL);
	serial_close(&app->serial);
	child = fork();
	if (!child) {
		execl("/bin/sh", "sh", "-l", (char *)NULL);
		_exit(127);
	}
	while (child > 0 && waitpid(child, &status, WNOHANG) == 0) {
		app_poll(app);
		usleep(200000);
	}
	serial_open(&app->serial, STDIN_FILENO, STDOUT_FILENO, 0);
	screen_again(&app->screen);
}

/* --- Waiting for a person or for something to happen --- */

/*
 * Sleeps until a key, a device, or the end of a countdown. Returns what was chosen, or ACTION_NONE.
 */
enum action session_wait(struct recover *r)
{
	struct screen *screen = &r->app->screen;
	enum action action = r->app->chosen ? r->app->chosen : screen_poll(screen);
	int timeout = screen_timeout_ms(screen);
	unsigned int events;

	r->app->chosen = ACTION_NONE;
	if (action)
		return action;
	app_poll(r->app);
	if (timeout < 0 || timeout > 1000)
		timeout = 1000;
	events = hotplug_wait(&r->app->hotplug, screen_fd(screen, 0), (uint32_t)timeout);
	if (events & HOTPLUG_BLOCK)
		r->app->devices_changed = true;
	return screen_poll(screen);
}

/* Waits until something is chosen; a device that comes or goes ends it too when that matters. */
enum action session_ask(struct recover *r, enum question question, const enum action *actions,
			size_t count, enum action at_end, unsigned seconds, bool until_device)
{
	enum action action;

	screen_offer(&r->app->screen, question, actions, count, at_end, seconds);
	do {
		action = session_wait(r);
	} while (!action && !(until_device && r->app->devices_changed) && !system_interrupted());
	if (action && !r->app->screen.offers.by_itself)
		r->stay_ms = 0; /* somebody is there */
	if (!action)		/* what is plugged in now counts, not what was asked */
		screen_offer(&r->app->screen, question, NULL, 0, ACTION_NONE, 0);
	return action;
}

void session_show_log(struct recover *r)
{
	static const enum action actions[] = {ACTION_OLDER_LOG, ACTION_COPY_LOG, ACTION_MENU};
	char line[160];
	struct fault fault;
	struct app *app = r->app;
	enum action action = ACTION_OLDER_LOG;
	const char *page;
	size_t len;

	state_flush_log(&app->state, &r->result.fault);
	for (uint64_t back = 0; action == ACTION_OLDER_LOG && back < STATE_LOG_BLOCKS; back++) {
		page = state_log_block(&app->state, back, &len);
		if (!page)
			continue;
		screen_log(&app->screen, page, len);
		action = session_ask(r, QUESTION_LOG, actions, 3, ACTION_MENU, SESSION_IDLE_S,
				     false);
	}
	if (action != ACTION_COPY_LOG)
		return;
	if (!copy_log(app, line, sizeof(line), &fault)) {
		screen_note(&app->screen, line);
		return;
	}
	session_failed(r, RESULT_INSTALL, &fault, "", false);
}
