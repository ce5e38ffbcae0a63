#include "recover.h"
#include "copy_log.h"
#include "find.h"
#include "platform/net.h"
#include "ui/words.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPTS_MAX 3	     /* of one package without a person: a failing medium is not worn out */
#define DOWNLOAD_ATTEMPTS 20 /* the same for a server that is not there: about 20 min */
#define RESUME_COUNTDOWN_S 3 /* an interrupted install goes on; somebody may still stop it */
#define DONE_COUNTDOWN_S 5   /* then the new system starts */
#define IDLE_COUNTDOWN_S                                                                           \
	300	      /* nobody came, nothing was plugged in: back to the system that is there */
#define SETTLE_MS 400 /* a new stick: from the disk to its last partition */
#define SETTLE_ROUNDS 10
#define FIRST_LOOK_MS 3000 /* a stick that was there at power-on appears this late */
#define QUICK_PATIENCE_MS 5000
#define NETWORK_AGAIN_MS 30000 /* between two looks at the server while nothing else is there */

/* What recover knows between two rounds. */
struct recover {
	struct app *app;
	char reason[FLAGS_REASON_SIZE];
	struct found found;
	struct result result;
	bool by_hand;		 /* a person chose what happens now: attempts do not count */
	bool menu;		 /* the menu is wanted, nothing happens by itself */
	uint8_t tried[HASH_LEN]; /* package of the attempts below */
	unsigned attempts;
	bool worked; /* on this package, so that percent does not go back when it goes on */
	uint8_t worked_on[HASH_LEN];
	uint8_t refused[HASH_LEN]; /* a person said no to this one */
	bool failure_shown;
	bool looked;	     /* at least once */
	uint64_t network_ms; /* when the server may be asked again */
	unsigned downloads;
	bool network_ok;
};

static struct recover recover_state;

/* Looking whether a server has something: nobody should have to wait for a server that is not
 * there. */
static struct http_limits quick_limits;

/* --- What may happen without a person --- */

/*
 * A package whose trial has failed is not installed again by itself: that would go round for ever
 * (I8).
 */
static bool failed_before(struct app *app, const uint8_t id[HASH_LEN])
{
	static struct result result;

	for (uint64_t back = 0; back < STATE_RESULTS; back++) {
		if (!state_result(&app->state, back, &result) || !hash_equal(result.package_id, id))
			continue;
		if (detail_status(result.fault.detail) == STATUS_POSTCHECK_FAILED)
			return true;
		if (result.what == RESULT_CONFIRM && !result.fault.detail)
			return false;
	}
	return false;
}

/* The boot flags as they would be after leaving recovery: is there a system to start? */
static bool system_is_there(struct app *app, bool *needs_tries)
{
	struct flags flags;
	bool anew;

	*needs_tries = false;
	if (install_load_flags(&app->device, &flags, &anew, NULL))
		return false;
	flags_leave_recovery(&flags);
	if (flags_choice(&flags) >= 0) {
		*needs_tries = anew;
		return true;
	}
	*needs_tries = true;
	for (size_t i = 0; i < app->board.slot_count; i++)
		if (flags.slot[i].good)
			return true;
	return false;
}

static bool may_try(struct recover *r, const uint8_t id[HASH_LEN])
{
	if (!hash_equal(r->tried, id)) {
		memcpy(r->tried, id, HASH_LEN);
		r->attempts = 0;
	}
	return r->attempts < ATTEMPTS_MAX && !failed_before(r->app, id);
}

/* --- Leaving --- */

static void leave(struct recover *r, enum system_action action)
{
	screen_leave(&r->app->screen, action == SYSTEM_RESTART ? LEAVE_RESTART : LEAVE_POWER_OFF);
	app_log(r->app, action == SYSTEM_RESTART ? "recovery: restart" : "recovery: power off");
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
static void start_system(struct recover *r, bool by_hand)
{
	struct app *app = r->app;
	struct fault fault;
	bool needs_tries;

	if (app->open) {
		system_is_there(app, &needs_tries);
		if (install_leave_recovery(&app->device, needs_tries || by_hand, by_hand, &fault)) {
			memset(&r->result, 0, sizeof(r->result));
			r->result.what = RESULT_TRIAL;
			r->result.slot = RESULT_NO_SLOT;
			r->result.fault = fault;
			screen_result(&app->screen, &r->result);
			r->menu = true;
			return;
		}
	}
	leave(r, SYSTEM_RESTART);
}

static void run_shell(struct app *app)
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
static enum action wait_for_something(struct recover *r)
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
static enum action ask(struct recover *r, enum question question, const enum action *actions,
		       size_t count, enum action at_end, unsigned seconds, bool until_device)
{
	enum action action;

	screen_offer(&r->app->screen, question, actions, count, at_end, seconds);
	do {
		action = wait_for_something(r);
	} while (!action && !(until_device && r->app->devices_changed));
	if (!action) /* what is plugged in now counts, not what was asked */
		screen_offer(&r->app->screen, question, NULL, 0, ACTION_NONE, 0);
	return action;
}

static void show_log(struct recover *r)
{
	static const enum action actions[] = {ACTION_OLDER_LOG, ACTION_COPY_LOG, ACTION_MENU};
	char line[160];
	struct fault fault;
	struct app *app = r->app;
	enum action action = ACTION_OLDER_LOG;
	const char *page;
	size_t len;

	state_flush_log(&app->state, &r->result.fault);
	for (uint64_t back = 0; action == ACTION_OLDER_LOG; back++) {
		page = state_log_block(&app->state, back, &len);
		if (!page)
			break;
		screen_log(&app->screen, page, len);
		action = ask(r, QUESTION_LOG, actions, 3, ACTION_NONE, 0, false);
	}
	if (action != ACTION_COPY_LOG)
		return;
	if (!copy_log(app, line, sizeof(line), &fault)) {
		screen_note(&app->screen, line);
		return;
	}
	app_failure(app, RESULT_INSTALL, &fault, "", &r->result);
	screen_result(&app->screen, &r->result);
}

/* --- Installing --- */

static void end_well(struct recover *r)
{
	static const enum action actions[] = {ACTION_RESTART, ACTION_SHOW_LOG, ACTION_POWER_OFF,
					      ACTION_MENU};
	enum action action;

	for (;;) {
		action = ask(r, QUESTION_DONE, actions, 4, ACTION_RESTART, DONE_COUNTDOWN_S, false);
		if (action == ACTION_RESTART)
			leave(r, SYSTEM_RESTART);
		if (action == ACTION_POWER_OFF)
			leave(r, SYSTEM_POWER_OFF);
		if (action == ACTION_MENU)
			break;
		show_log(r);
	}
	r->menu = true;
}

/* Something failed before the engine could make a result of it. */
static void fail(struct recover *r, const struct fault *fault, const char *origin, bool show)
{
	app_failure(r->app, RESULT_INSTALL, fault, origin, &r->result);
	app_keep(r->app, &r->result);
	if (show)
		screen_result(&r->app->screen, &r->result);
}

/* Runs the engine on an open source and shows how it ended. */
static enum detail install(struct recover *r, struct source *source, bool allow_older)
{
	struct app *app = r->app;
	struct install_options options = {.wanted = -1, .allow_older = allow_older};
	bool again = r->worked && hash_equal(r->worked_on, r->found.id);
	enum detail detail;

	r->attempts++;
	r->worked = true;
	memcpy(r->worked_on, r->found.id, HASH_LEN);
	screen_work(&app->screen, WORK_INSTALL, again);
	detail = install_run(&app->device, source, &options, &r->result);
	app_source_close(app);
	app_log_result(app, &r->result);
	app_show_device(app);
	screen_result(&app->screen, &r->result);
	return detail;
}

static void after_install(struct recover *r, enum detail detail)
{
	if (!detail) {
		end_well(r);
		return;
	}
	if (detail == DETAIL_SOURCE_GONE) {
		/*
		 * Comes back by itself, as an interrupted install, when the stick does; pulling it
		 * is nobody's failure.
		 */
		screen_wait(&r->app->screen, WAIT_STICK_BACK, r->found.package.medium);
		r->attempts--;
		r->failure_shown = true;
		return;
	}
	r->failure_shown = true;
	if (r->by_hand || detail_status(detail) != STATUS_DOWNLOAD_FAILED)
		r->menu = true;
	r->by_hand = false;
}

static void install_found(struct recover *r, bool allow_older)
{
	struct source *source;
	struct fault fault;
	enum detail detail = find_open(r->app, &r->found, &source, &fault);

	if (!detail)
		detail = install(r, source, allow_older);
	else
		fail(r, &fault, r->found.path, false);
	find_close(r->app);
	after_install(r, detail);
}

/*
 * Shows what was found and what would happen; then goes ahead, counts down, or asks. True: install
 * it.
 */
static bool agree(struct recover *r, const uint8_t id[HASH_LEN], bool resumes, bool older)
{
	static const enum action offers[] = {ACTION_INSTALL, ACTION_MENU};
	static const enum action older_offers[] = {ACTION_NO, ACTION_YES};
	struct app *app = r->app;
	bool needs_tries, alone = !system_is_there(app, &needs_tries);
	bool alone_and_new = alone && may_try(r, id);
	unsigned seconds = 0;
	enum action action;

	if (older) {
		action = ask(r, QUESTION_OLDER, older_offers, 2, ACTION_NO,
			     app->board.countdown_s ? 60 : 0, true);
		return action == ACTION_YES;
	}
	/*
	 * An interrupted install was agreed to; a device that can start nothing has nothing to
	 * lose.
	 */
	if (resumes && may_try(r, id))
		seconds = RESUME_COUNTDOWN_S;
	else if ((app->board.policy == BOARD_GO_AHEAD && may_try(r, id)) || alone_and_new)
		seconds = app->board.countdown_s ? app->board.countdown_s : 1;
	if (seconds)
		action = ask(r, QUESTION_INSTALL, offers, 2, ACTION_INSTALL, seconds, true);
	else /* nobody may be there to answer: the menu knows the way back to the system */
		action = ask(r, QUESTION_INSTALL, offers, 2, alone ? ACTION_NONE : ACTION_MENU,
			     alone ? 0 : IDLE_COUNTDOWN_S, true);
	if (action == ACTION_INSTALL)
		return true;
	if (action == ACTION_MENU) {
		memcpy(r->refused, id, HASH_LEN);
		r->menu = true;
	}
	return false;
}

/* A stick is announced before its partitions are: waits until nothing more comes. */
static void settle_devices(struct recover *r)
{
	for (int i = 0; r->app->devices_changed && i < SETTLE_ROUNDS; i++) {
		app_poll(r->app);
		r->app->devices_changed =
			hotplug_wait(&r->app->hotplug, -1, SETTLE_MS) & HOTPLUG_BLOCK;
	}
	r->app->devices_changed = false;
}

/* A package on a stick or card. True when something was done about one. */
static bool try_stick(struct recover *r, const uint8_t *wanted)
{
	struct app *app = r->app;
	struct found *found = &r->found;

	settle_devices(r);
	find_package(app, wanted, found);
	if (!found->any) {
		if (found->media && !wanted && !r->failure_shown) {
			if (!found->candidates) {
				screen_wait(&app->screen, WAIT_NO_PACKAGE, "The stick");
			} else {
				r->result = found->why;
				app_keep(app, &r->result);
				screen_result(&app->screen, &r->result);
			}
			r->failure_shown = true;
		}
		return false;
	}
	if (!r->by_hand && hash_equal(found->id, r->refused))
		return false;
	r->failure_shown = false;
	screen_wait(&app->screen, WAIT_NOTHING, "");
	screen_found(&app->screen, &found->package);
	screen_plan(&app->screen, &found->plan, found->plan.resume);
	if (agree(r, found->id, found->plan.resume, found->plan.older))
		install_found(r, found->plan.older);
	else if (found->plan.older)
		memcpy(r->refused, found->id, HASH_LEN);
	return true;
}

/* --- Network --- */

static bool network_up(struct recover *r)
{
	struct app *app = r->app;
	struct net_options options = {.watch = &app->watch};
	struct net_address address;
	struct fault fault;
	char line[120];
	struct text t = TEXT_IN(line);

	if (net_up(&options, &address, &fault)) {
		screen_wait(&app->screen, WAIT_NETWORK, fault.object);
		if (r->by_hand)
			fail(r, &fault, app->board.network_url, false);
		return false;
	}
	if (!r->network_ok) {
		text_add(&t, "network: ");
		text_add(&t, address.interface);
		text_add(&t, " has ");
		text_add(&t, address.address);
		app_log(app, line);
	}
	r->network_ok = true;
	return true;
}

/* A package at an address. True when something was done about it. */
static bool try_network(struct recover *r, const char *url, const uint8_t *wanted)
{
	struct app *app = r->app;
	struct install_options options = {.wanted = -1, .allow_older = true};
	struct found *found = &r->found;
	struct source *source;
	struct fault fault;
	enum detail detail;

	if (!*url ||
	    (!r->by_hand && (system_now_ms() < r->network_ms || r->downloads >= DOWNLOAD_ATTEMPTS)))
		return false;
	if (!network_up(r)) {
		r->network_ms = system_now_ms() + NETWORK_AGAIN_MS;
		return false;
	}
	memset(found, 0, sizeof(*found));
	quick_limits = http_limits_default;
	quick_limits.patience_ms = QUICK_PATIENCE_MS;
	app->limits = &quick_limits;
	detail = app_source_open(app, url, &source, &fault);
	if (!detail)
		detail = install_plan(&app->device, source, &options, &found->plan, &fault);
	app->limits = NULL;
	app->may_stop = false; /* from here on it is no look any more */
	r->network_ms = system_now_ms() + NETWORK_AGAIN_MS;
	if (detail == DETAIL_INTERRUPTED) {
		app_source_close(app);
		return false;
	}
	if (detail) {
		r->downloads++;
		app_source_close(app);
		fail(r, &fault, url, !r->failure_shown || r->by_hand);
		r->failure_shown = true;
		return false;
	}
	memcpy(found->id, app->front.id, HASH_LEN);
	if ((wanted && !hash_equal(found->id, wanted)) ||
	    (!r->by_hand && hash_equal(found->id, r->refused))) {
		app_source_close(app);
		return false;
	}
	find_describe(app, ORIGIN_NETWORK, url, &found->package);
	screen_wait(&app->screen, WAIT_NOTHING, "");
	screen_found(&app->screen, &found->package);
	screen_plan(&app->screen, &found->plan, found->plan.resume);
	app_source_close(app);
	if (agree(r, found->id, found->plan.resume, found->plan.older)) {
		detail = app_source_open(app, url, &source, &fault);
		if (!detail)
			detail = install(r, source, found->plan.older);
		if (detail_status(detail) == STATUS_DOWNLOAD_FAILED) {
			r->downloads++;
			r->attempts = 0; /* a bad line is not the package's failure; downloads are
					    counted on their own */
		}
		after_install(r, detail);
	} else if (found->plan.older) {
		memcpy(r->refused, found->id, HASH_LEN);
	}
	return true;
}

/* --- The loop --- */

static bool is_source(const struct board *board, enum board_source source)
{
	for (size_t i = 0; i < board->source_count; i++)
		if (board->sources[i] == source)
			return true;
	return false;
}

/* An interrupted install: the package it waits for, and where that came from. */
static bool pending(const struct recover *r, uint8_t id[HASH_LEN], char *origin, size_t size)
{
	struct app *app = r->app;
	const struct journal *j = &app->state.journal;
	struct flags flags;
	bool anew;

	if (install_load_flags(&app->device, &flags, &anew, NULL) ||
	    !install_is_pending(&app->state, &flags))
		return false;
	memcpy(id, j->package_id, HASH_LEN);
	text_copy(origin, size, j->origin);
	return true;
}

/* A stick that was plugged in at power-on is found by the kernel after this program started. */
static void wait_for_first(struct recover *r)
{
	uint64_t until = system_now_ms() + FIRST_LOOK_MS;

	if (r->looked || !is_source(&r->app->board, BOARD_SOURCE_STICK))
		return;
	while (!r->app->devices_changed && system_now_ms() < until) {
		app_poll(r->app);
		r->app->devices_changed = hotplug_wait(&r->app->hotplug, -1, 200) & HOTPLUG_BLOCK;
	}
}

/*
 * What can be done without a person's choice: go on with an interrupted install from where its
 * package is; else what a stick holds; else the network where that comes first. True: something was
 * done.
 */
static bool look(struct recover *r)
{
	struct app *app = r->app;
	uint8_t id[HASH_LEN];
	char origin[STATE_ORIGIN_SIZE];
	bool resumes = pending(r, id, origin, sizeof(origin));
	bool done = false;

	if (resumes && source_http_is_url(origin) && try_network(r, origin, id))
		return true;
	for (int round = 0; !done && round < (r->looked ? 1 : 2); round++) {
		if (round)
			wait_for_first(r);
		if (resumes)
			done = try_stick(r, id);
		if (!done && (resumes || is_source(&app->board, BOARD_SOURCE_STICK)))
			done = try_stick(r, NULL);
	}
	r->looked = true;
	if (!done && app->board.source_count && app->board.sources[0] == BOARD_SOURCE_NETWORK)
		done = try_network(r, app->board.network_url, NULL);
	return done;
}

static size_t menu_actions(const struct recover *r, enum action *actions)
{
	const struct app *app = r->app;
	size_t n = 0;

	if (app->open) {
		actions[n++] = ACTION_FROM_STICK;
		if (*app->board.network_url)
			actions[n++] = ACTION_FROM_NETWORK;
	}
	actions[n++] = ACTION_RESTART;
	actions[n++] = ACTION_POWER_OFF;
	if (app->open)
		actions[n++] = ACTION_SHOW_LOG;
	if (app->development)
		actions[n++] = ACTION_SHELL;
	return n;
}

static void act(struct recover *r, enum action action)
{
	struct app *app = r->app;

	switch (action) {
	case ACTION_FROM_STICK:
	case ACTION_FROM_NETWORK:
		r->by_hand = true;
		r->menu = false;
		r->failure_shown = false;
		r->attempts = 0;
		r->downloads = 0;
		memset(r->refused, 0, sizeof(r->refused));
		if (action == ACTION_FROM_STICK ? try_stick(r, NULL)
						: try_network(r, app->board.network_url, NULL))
			break;
		r->menu = true;
		break;
	case ACTION_RESTART:
		start_system(r, true);
		break;
	case ACTION_POWER_OFF:
		leave(r, SYSTEM_POWER_OFF);
		break;
	case ACTION_SHOW_LOG:
		show_log(r);
		break;
	case ACTION_SHELL:
		run_shell(app);
		break;
	default:
		break;
	}
	r->by_hand = false;
}

/* Looks at the server now and then while the menu is on the screen; a key or a new device ends
 * that. */
static bool look_at_network(struct recover *r)
{
	struct app *app = r->app;
	uint8_t id[HASH_LEN];
	char origin[STATE_ORIGIN_SIZE];
	bool resumes, done;

	if (r->menu || system_now_ms() < r->network_ms)
		return false;
	resumes = pending(r, id, origin, sizeof(origin)) && source_http_is_url(origin);
	if (!resumes && !is_source(&app->board, BOARD_SOURCE_NETWORK))
		return false;
	app->may_stop = true;
	done = try_network(r, resumes ? origin : app->board.network_url, resumes ? id : NULL);
	app->may_stop = false;
	return done;
}

/*
 * Nothing to install: the menu, until something is plugged in or found, or until the time is over
 * and a system can be started.
 */
static void idle(struct recover *r)
{
	struct app *app = r->app;
	enum action actions[SCREEN_OFFERS_MAX];
	size_t count = menu_actions(r, actions);
	bool needs_tries, there = app->open && system_is_there(app, &needs_tries);
	enum action action;

	if (there && needs_tries && app->state.record.self_starts >= INSTALL_SELF_STARTS)
		there = false;
	if (app->open && !r->failure_shown)
		screen_wait(&app->screen, WAIT_PACKAGE, "");
	screen_offer(&app->screen, QUESTION_MENU, actions, count,
		     there ? ACTION_RESTART : ACTION_NONE, there ? IDLE_COUNTDOWN_S : 0);
	do {
		action = wait_for_something(r);
		if (r->app->devices_changed) {
			r->menu = false;
			r->failure_shown = false;
			memset(r->refused, 0, sizeof(r->refused));
			return;
		}
		if (!action && app->open && look_at_network(r))
			return;
	} while (!action);
	if (action == ACTION_RESTART && app->screen.offers.by_itself)
		start_system(r, false);
	else
		act(r, action);
}

static void begin(struct recover *r)
{
	struct app *app = r->app;
	struct fault fault;
	bool settled;
	char line[80];
	struct text t = TEXT_IN(line);

	system_cmdline(NULL, "lifeboat.reason", r->reason, sizeof(r->reason));
	if (app_open(app, true, &fault)) {
		memset(&r->result, 0, sizeof(r->result));
		r->result.what = RESULT_INSTALL;
		r->result.slot = RESULT_NO_SLOT;
		r->result.fault = fault;
		screen_reason(&app->screen, r->reason, NULL);
		screen_result(&app->screen, &r->result);
		r->failure_shown = true;
		return;
	}
	settled = app_settle(app, r->reason, &r->result);
	text_add(&t, "recovery: started, reason ");
	text_add(&t, *r->reason ? r->reason : "(none)");
	app_log(app, line);
	state_flush_log(&app->state, &fault);
	app_show_device(app);
	/* The script's word when recovery was asked for is in the flags. */
	if (!strcmp(r->reason, "request") || !*r->reason) {
		struct flags flags;
		if (!install_load_flags(&app->device, &flags, NULL, NULL) && *flags.reason)
			text_copy(r->reason, sizeof(r->reason), flags.reason);
	}
	screen_reason(&app->screen, r->reason, settled ? &r->result : NULL);
}

int recover_run(struct app *app)
{
	struct recover *r = &recover_state;

	r->app = app;
	hotplug_open(&app->hotplug);
	begin(r);
	for (;;) {
		if (!app->open) {
			idle(r);
			if (!app->open && r->app->devices_changed)
				begin(r);
			continue;
		}
		if (r->menu || !look(r))
			idle(r);
	}
}
