#include "offer.h"
#include "core/text.h"
#include "platform/net.h"

#include <string.h>

#define DOWNLOAD_ATTEMPTS 20 /* of a server, about 20 min; then rarely, and from the menu alone */
#define RESUME_COUNTDOWN_S 3 /* an interrupted install goes on; somebody may still stop it */
#define DONE_COUNTDOWN_S 5   /* then the new system starts */
#define NO_AFTER_S 60	     /* nobody answers the question for an older one: no */
#define SETTLE_MS 400	     /* a new stick: from the disk to its last partition */
#define SETTLE_ROUNDS 10
#define QUICK_PATIENCE_MS 5000
#define NETWORK_AGAIN_MS 30000 /* between two looks at the server while nothing else is there */
#define NETWORK_RARELY_MS 900000
#define ASKED_AGAIN_MS 300000 /* between two questions that are one: looks at the server */

/* For a look at a server: nobody should have to wait for one that is not there. */
static struct http_limits quick_limits;

/* --- Installing --- */

static void end_well(struct recover *r)
{
	static const enum action actions[] = {ACTION_RESTART, ACTION_SHOW_LOG, ACTION_POWER_OFF,
					      ACTION_MENU};
	enum action action;

	for (;;) {
		action = session_ask(r, QUESTION_DONE, actions, 4, ACTION_RESTART, DONE_COUNTDOWN_S,
				     false);
		if (action == ACTION_RESTART)
			session_leave(r, SYSTEM_RESTART);
		if (action == ACTION_POWER_OFF)
			session_leave(r, SYSTEM_POWER_OFF);
		if (action == ACTION_MENU)
			break;
		session_show_log(r);
	}
	r->menu = true;
}

/* Runs the engine on an open source and shows how it ended. */
static enum detail install(struct recover *r, struct source *source, bool allow_older)
{
	struct app *app = r->app;
	/* What was shown and agreed to, whatever the stick or the server gives now. */
	struct install_options options = {
		.wanted = -1, .allow_older = allow_older, .id = r->found.id};
	bool again = r->worked && hash_equal(r->worked_on, r->found.id);
	enum detail detail;

	session_package(r, r->found.id)->attempts++;
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
	struct session_package *package = session_package(r, r->found.id);

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
		if (package->attempts)
			package->attempts--;
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
		session_failed(r, RESULT_INSTALL, &fault, r->found.path, true);
	find_close(r->app);
	after_install(r, detail);
}

/*
 * Asks whether to install the package. What is announced again and again meanwhile does not put off
 * the end: the question goes on where it was interrupted, if that was not long ago.
 */
static enum action ask(struct recover *r, struct session_package *package, enum action at_end,
		       unsigned seconds)
{
	static const enum action offers[] = {ACTION_INSTALL, ACTION_MENU};
	uint64_t now = system_now_ms();
	enum action action;

	if (!package->asked_ms || now > package->asked_ms + ASKED_AGAIN_MS)
		package->asked_s = 0;
	seconds = seconds > package->asked_s ? seconds - package->asked_s : 0;
	action = session_ask(r, QUESTION_INSTALL, offers, 2, at_end, seconds ? seconds : 1,
			     seconds > 0);
	package->asked_s += 1 + (unsigned)((system_now_ms() - now) / 1000);
	package->asked_ms = action ? 0 : system_now_ms();
	return action;
}

/*
 * Shows what was found and what would happen; then goes ahead, counts down, or asks. True: install
 * it.
 */
static bool agree(struct recover *r, const uint8_t id[HASH_LEN], bool resumes, bool older)
{
	static const enum action older_offers[] = {ACTION_NO, ACTION_YES};
	struct app *app = r->app;
	bool alone = install_has_nothing(&app->device);
	struct session_package *package = session_package(r, id);
	bool alone_and_new = alone && session_may_try(r, id);
	unsigned seconds = 0;
	enum action action;

	if (older) {
		action = session_ask(r, QUESTION_OLDER, older_offers, 2, ACTION_NO, NO_AFTER_S,
				     true);
		return action == ACTION_YES;
	}
	/*
	 * An interrupted install was agreed to; a device that can start nothing has nothing to
	 * lose.
	 */
	if (resumes && session_may_try(r, id))
		seconds = RESUME_COUNTDOWN_S;
	else if ((app->board.policy == BOARD_GO_AHEAD && session_may_try(r, id)) || alone_and_new)
		seconds = app->board.countdown_s ? app->board.countdown_s : 1;
	if (seconds)
		action = ask(r, package, ACTION_INSTALL, seconds);
	else /* nobody may be there to answer: other sources, and the way back to the system */
		action = ask(r, package, ACTION_MENU, SESSION_IDLE_S);
	if (action == ACTION_INSTALL)
		return true;
	if (action == ACTION_MENU) {
		package->refused = true;
		r->menu = !app->screen.offers.by_itself;
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

/*
 * What failed, or what somebody who is asked once more said no to, must not hide the others that
 * are there.
 */
static bool prefers(void *context, const uint8_t id[HASH_LEN])
{
	struct recover *r = context;

	return session_may_try(r, id) && !(r->by_hand && session_was_refused(r, id));
}

/* A package on a stick or card. True when something was done about one. */
bool offer_from_stick(struct recover *r, const uint8_t *wanted)
{
	struct app *app = r->app;
	struct found *found = &r->found;
	struct fault fault;

	settle_devices(r);
	find_package(app, wanted, prefers, r, found);
	if (!found->media && r->by_hand) {
		fault_set(&fault, DETAIL_NO_MEDIUM, "this device");
		session_failed(r, RESULT_INSTALL, &fault, "", false);
	}
	if (!found->any) {
		if (found->media && !wanted && !r->failure_shown) {
			r->result = found->why;
			app_keep(app, &r->result);
			screen_result(&app->screen, &r->result);
			r->failure_shown = true;
		}
		return false;
	}
	if (!r->by_hand && session_was_refused(r, found->id))
		return false;
	if (r->by_hand && !found->preferred) /* all were shown: from the first again */
		session_accept_all(r);
	r->failure_shown = false;
	screen_wait(&app->screen, WAIT_NOTHING, "");
	screen_found(&app->screen, &found->package);
	screen_plan(&app->screen, &found->plan, found->plan.resume);
	if (agree(r, found->id, found->plan.resume, found->plan.older))
		install_found(r, found->plan.older);
	else if (found->plan.older)
		session_package(r, found->id)->refused = true;
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
		if (r->by_hand) /* somebody wanted it now: nothing waits */
			session_failed(r, RESULT_INSTALL, &fault, app->board.network_url, true);
		else if (fault.detail == DETAIL_INTERRUPTED)
			r->stopped++;
		else
			screen_wait(&app->screen, WAIT_NETWORK, fault.object);
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

/* A server that has not answered for long may be back tomorrow. */
static void look_later(struct recover *r)
{
	r->network_ms = system_now_ms() +
			(r->downloads < DOWNLOAD_ATTEMPTS ? NETWORK_AGAIN_MS : NETWORK_RARELY_MS);
}

/* What was looked at and agreed to is asked for once more, as a whole. */
static void install_from_network(struct recover *r, const char *url, bool allow_older)
{
	struct source *source;
	struct fault fault;
	enum detail detail = app_source_open(r->app, url, &source, &fault);

	if (!detail)
		detail = install(r, source, allow_older);
	else
		session_failed(r, RESULT_INSTALL, &fault, url, true);
	if (detail_status(detail) == STATUS_DOWNLOAD_FAILED) {
		/* A bad line is not the package's failure; downloads are counted. */
		r->downloads++;
		session_package(r, r->found.id)->attempts = 0;
		look_later(r);
	}
	after_install(r, detail);
}

/* A package at an address. True when something was done about it. */
bool offer_from_network(struct recover *r, const char *url, const uint8_t *wanted)
{
	struct app *app = r->app;
	struct install_options options = {.wanted = -1, .allow_older = true};
	struct found *found = &r->found;
	struct source *source;
	struct fault fault;
	enum detail detail;

	if (!*url || (!r->by_hand && (system_now_ms() < r->network_ms ||
				      (r->downloads >= DOWNLOAD_ATTEMPTS && !r->idles))))
		return false;
	if (!network_up(r)) {
		look_later(r);
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
	look_later(r);
	if (detail == DETAIL_INTERRUPTED) {
		r->stopped++;
		app_source_close(app);
		return false;
	}
	r->stopped = 0;
	if (detail) {
		r->downloads++;
		app_source_close(app);
		app_failure(app, RESULT_INSTALL, &fault, url, &r->result);
		app_keep(app, &r->result);
		if (!r->failure_shown || r->by_hand) /* looks follow one another */
			screen_result(&app->screen, &r->result);
		r->failure_shown = true;
		return false;
	}
	memcpy(found->id, app->front.id, HASH_LEN);
	/* The board's own address may have a later release by now: that is as good. */
	if ((wanted && !hash_equal(found->id, wanted) && strcmp(url, app->board.network_url)) ||
	    (!r->by_hand && session_was_refused(r, found->id))) {
		app_source_close(app);
		return false;
	}
	find_describe(app, ORIGIN_NETWORK, url, &found->package);
	screen_wait(&app->screen, WAIT_NOTHING, "");
	screen_found(&app->screen, &found->package);
	screen_plan(&app->screen, &found->plan, found->plan.resume);
	app_source_close(app);
	if (agree(r, found->id, found->plan.resume, found->plan.older))
		install_from_network(r, url, found->plan.older);
	else if (found->plan.older)
		session_package(r, found->id)->refused = true;
	return true;
}
