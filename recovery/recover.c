#include "recover.h"
#include "core/text.h"
#include "erase.h"
#include "offer.h"
#include "ui/strings.h"

#include <string.h>

#define BEGINS_MAX 5 /* tries to open a disk that is not sound; then a person has to restart */
#define LOOK_AGAIN_MS 60000 /* at a device that was not sound, or when nothing could be started */
#define REST_MS 60000	    /* at the menu; what was done before does not restart the device */
#define STOPPED_MAX 3	    /* looks at the server that keys and devices may end, in a row */
#define STAND_MS 300000	    /* at the menu, with nobody there, before it goes on by itself */
#define ANNOUNCED_MS 10000  /* what was there at power-on has been announced by then */
#define STAY_MS 3600000	    /* with a system to start: however often something is plugged in */
#define FIRST_LOOK_MS 3000  /* a stick that was there at power-on appears this late */

static struct recover recover_state;

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

	if (resumes && source_http_is_url(origin) && offer_from_network(r, origin, id))
		return true;
	for (int round = 0; !done && round < (r->looked ? 1 : 2); round++) {
		if (round)
			wait_for_first(r);
		if (resumes)
			done = offer_from_stick(r, id);
		if (!done && (resumes || is_source(&app->board, BOARD_SOURCE_STICK)))
			done = offer_from_stick(r, NULL);
	}
	r->looked = true;
	if (!done && app->board.source_count && app->board.sources[0] == BOARD_SOURCE_NETWORK)
		done = offer_from_network(r, app->board.network_url, NULL);
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
	if (app->open && app->board.wipe_count)
		actions[n++] = ACTION_WIPE;
	if (app->development)
		actions[n++] = ACTION_SHELL;
	return n;
}

static void act(struct recover *r, enum action action)
{
	struct app *app = r->app;

	r->stay_ms = 0;
	switch (action) {
	case ACTION_FROM_STICK:
	case ACTION_FROM_NETWORK:
		r->by_hand = true;
		r->menu = r->stands = false;
		r->failure_shown = false;
		r->downloads = 0;
		for (size_t i = 0; i < SESSION_PACKAGES; i++)
			r->packages[i].attempts = r->packages[i].asked_s = 0;
		if (action == ACTION_FROM_STICK
			    ? offer_from_stick(r, NULL)
			    : offer_from_network(r, app->board.network_url, NULL))
			break;
		r->menu = true;
		break;
	case ACTION_RESTART:
		session_start_system(r, true);
		break;
	case ACTION_POWER_OFF:
		session_leave(r, SYSTEM_POWER_OFF);
		break;
	case ACTION_SHOW_LOG:
		session_show_log(r);
		break;
	case ACTION_WIPE:
		erase_when_agreed(r);
		break;
	case ACTION_SHELL:
		session_shell(app);
		break;
	default:
		break;
	}
	r->by_hand = false;
}

/* Whether the server is looked at now and then while the menu is on the screen. */
static bool waits_for_network(const struct recover *r)
{
	uint8_t id[HASH_LEN];
	char origin[STATE_ORIGIN_SIZE];

	return !r->menu && (is_source(&r->app->board, BOARD_SOURCE_NETWORK) ||
			    (pending(r, id, origin, sizeof(origin)) && source_http_is_url(origin)));
}

/* A key or a new device ends a look, but not each of them. */
static bool look_at_network(struct recover *r)
{
	struct app *app = r->app;
	uint8_t id[HASH_LEN];
	char origin[STATE_ORIGIN_SIZE];
	bool resumes, done;

	if (r->menu || system_now_ms() < r->network_ms)
		return false;
	resumes = pending(r, id, origin, sizeof(origin)) && source_http_is_url(origin);
	/* Where it came from may have nothing any more, or something else: in turn with the
	 * board's own address. */
	if (resumes && is_source(&app->board, BOARD_SOURCE_NETWORK) && r->looks++ % 2)
		resumes = false;
	if (!resumes && !is_source(&app->board, BOARD_SOURCE_NETWORK))
		return false;
	app->may_stop = r->stopped < STOPPED_MAX;
	r->idles = true;
	done = offer_from_network(r, resumes ? origin : app->board.network_url,
				  resumes ? id : NULL);
	app->may_stop = r->idles = false;
	return done;
}

/* Nobody is there. What comes and goes by itself must not keep it here for ever. */
static unsigned seconds_to_stay(struct recover *r)
{
	uint64_t now = system_now_ms(), left;

	if (!r->stay_ms)
		r->stay_ms = now + STAY_MS;
	left = r->stay_ms > now ? (r->stay_ms - now) / 1000 : 0;
	return left < 1 ? 1 : left < SESSION_IDLE_S ? (unsigned)left : SESSION_IDLE_S;
}

/*
 * Its last starts ended in the middle of something (core/install.h). Nothing is done of its own
 * accord for a while; when standing ends so too, the system is started at once where there is one.
 */
static void stand(struct recover *r)
{
	struct app *app = r->app;
	struct fault fault = app->uncounted;

	if (!fault.detail)
		fault_set(&fault, DETAIL_RESTARTS, "recovery");
	session_failed(r, RESULT_INSTALL, &fault, "", true);
	r->stands = r->menu = r->failure_shown = true;
	if (install_pace(&app->device) == INSTALL_GOES_BACK && install_may_leave(&app->device))
		session_start_system(r, false);
}

/* One stay at the menu. */
struct stay {
	uint64_t since_ms, again_ms;
	bool there; /* a system that may be started when nobody comes */
};

/* Nobody has come for a while, and nothing can be started. */
static bool goes_on(struct recover *r, const struct stay *stay)
{
	if (!r->menu || stay->there || system_now_ms() < stay->since_ms + STAND_MS)
		return false;
	r->menu = r->stands = false;
	return true;
}

/*
 * Nothing happens by itself any more, and has not for a while: what was done before does not
 * restart the device.
 */
static void rest(const struct recover *r, const struct stay *stay)
{
	if (!r->app->open || r->stands || system_now_ms() < stay->since_ms + REST_MS ||
	    r->app->state.record.recovery_starts < 2)
		return;
	if (r->menu ? stay->there : !waits_for_network(r))
		install_rests(&r->app->device);
}

/* Something was plugged in or out, and counts. */
static bool has_changed(struct recover *r, const struct stay *stay)
{
	struct app *app = r->app;
	uint64_t now = system_now_ms();

	/*
	 * Looking at a disk without a sound table is an event of that disk: it must not go round.
	 * And what may have restarted this device is announced at each start.
	 */
	if ((!app->open && r->begins >= BEGINS_MAX) ||
	    (r->stands && now < r->begun_ms + ANNOUNCED_MS))
		app->devices_changed = false;
	/* A stick that comes back by itself all the time must not put off a stand, or the end. */
	if (!app->devices_changed || (r->stands && now < r->begun_ms + REST_MS) ||
	    (stay->there && r->stay_ms && now >= r->stay_ms))
		return false;
	r->menu = r->stands = r->failure_shown = false;
	session_accept_all(r);
	return true;
}

/* What could not be opened or started before may have become better by itself. */
static bool tries_again(struct recover *r, struct stay *stay)
{
	struct app *app = r->app;

	if (stay->there || system_now_ms() < stay->again_ms)
		return false;
	stay->again_ms = system_now_ms() + LOOK_AGAIN_MS;
	if (app->open)
		return install_may_leave(&app->device);
	app->devices_changed = r->begins < BEGINS_MAX;
	return app->devices_changed;
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
	struct stay stay = {
		.since_ms = system_now_ms(),
		.again_ms = system_now_ms() + LOOK_AGAIN_MS,
		.there = app->open && install_may_leave(&app->device),
	};
	enum action action;

	if (app->open && !r->failure_shown)
		screen_wait(&app->screen, WAIT_PACKAGE, "");
	screen_offer(&app->screen, QUESTION_MENU, actions, count,
		     stay.there ? ACTION_RESTART : ACTION_NONE,
		     stay.there ? seconds_to_stay(r) : 0);
	do {
		action = session_wait(r);
		rest(r, &stay);
		/* The server before devices, for which it makes room, but not always. */
		if (!action && app->open && look_at_network(r))
			return;
		if ((!action || app->screen.offers.by_itself) && has_changed(r, &stay))
			return;
		if (!action && (tries_again(r, &stay) || goes_on(r, &stay)))
			return;
	} while (!action && !system_interrupted());
	if (action == ACTION_RESTART && app->screen.offers.by_itself)
		session_start_system(r, false);
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
		screen_reason(&app->screen, r->reason, NULL);
		session_failed(r, RESULT_INSTALL, &fault, "", false);
		r->failure_shown = true;
		return;
	}
	r->begun_ms = system_now_ms();
	settled = app_settle(app, r->reason, &r->result);
	text_add(&t, "recovery: started, reason ");
	text_add(&t, *r->reason ? r->reason : "(none)");
	app_log(app, line);
	state_flush_log(&app->state, &fault);
	app_show_device(app);
	if (app->disk.gpt.damaged) {
		app_log(app, string(STRING_TABLE_DAMAGED));
		screen_note(&app->screen, string(STRING_TABLE_DAMAGED));
	}
	/* The script's word when recovery was asked for is in the flags. */
	if (!strcmp(r->reason, "request") || !*r->reason) {
		struct flags flags;
		if (!install_load_flags(&app->device, &flags, NULL, NULL) && *flags.reason)
			text_copy(r->reason, sizeof(r->reason), flags.reason);
	}
	screen_reason(&app->screen, r->reason, settled ? &r->result : NULL);
	erase_what_waits(r);
	if (!r->menu && install_pace(&app->device) != INSTALL_GOES_ON)
		stand(r);
}

int recover_run(struct app *app)
{
	struct recover *r = &recover_state;

	r->app = app;
	hotplug_open(&app->hotplug);
	begin(r);
	/* Init ends this program before it restarts the device, and starts it again otherwise. */
	while (!system_interrupted()) {
		if (!app->open) {
			idle(r);
			if (r->app->devices_changed && r->begins++ < BEGINS_MAX)
				begin(r);
			r->app->devices_changed = false;
			continue;
		}
		if (r->menu || !look(r))
			idle(r);
	}
	app_end(app);
	return STATUS_OK;
}
