#include "ui/screen.h"

#include <string.h>

#include "ui/words.h"

#define KEYS_AT_ONCE 64 /* that one poll looks at */
#define KEY_CTRL_C 3

static uint64_t now(const struct screen *screen)
{
	return screen->clock->ops->monotonic_ms(screen->clock);
}

static void show_on(struct screen *screen, struct skin *skin, enum screen_change change)
{
	if (skin->ops->show)
		skin->ops->show(skin, screen, change);
}

static void show(struct screen *screen, enum screen_change change)
{
	for (size_t i = 0; i < screen->skin_count; i++)
		show_on(screen, screen->skins[i], change);
}

void screen_open(struct screen *screen, struct clock *clock, bool recovery, bool development)
{
	memset(screen, 0, sizeof(*screen));
	screen->clock = clock;
	screen->recovery = recovery;
	screen->development = development;
	screen->pace.left_s = PACE_UNKNOWN;
}

void screen_add_skin(struct screen *screen, struct skin *skin)
{
	if (screen->skin_count < SCREEN_SKINS_MAX)
		screen->skins[screen->skin_count++] = skin;
}

void screen_close(struct screen *screen)
{
	for (size_t i = 0; i < screen->skin_count; i++) {
		if (screen->skins[i]->ops->close)
			screen->skins[i]->ops->close(screen->skins[i]);
	}
}

static void set_slot(struct screen_slot *slot, const char *name, size_t i,
		     const struct flags *flags, const struct state_record *record)
{
	text_copy(slot->name, sizeof(slot->name), name);
	if (record && record->slot[i].release) {
		slot->known = true;
		slot->release = record->slot[i].release;
		text_copy(slot->version, sizeof(slot->version), record->slot[i].version);
	}
	if (flags) {
		slot->flags = true;
		slot->tries = flags->slot[i].tries;
		slot->good = flags->slot[i].good;
		slot->in_order = flags_in_order(flags, i);
	}
}

/* What the boot script would start when nothing asks for recovery. */
static int first_slot(const struct flags *flags)
{
	struct flags without = *flags;

	without.recovery = false;
	return flags_choice(&without);
}

static void set_sources(struct screen *screen, const struct board *board)
{
	screen->look_stick = screen->look_network = false;
	for (size_t i = 0; i < board->source_count; i++) {
		if (board->sources[i] == BOARD_SOURCE_STICK)
			screen->look_stick = true;
		else if (board->network_url[0])
			screen->look_network = true;
	}
	text_copy(screen->network_url, sizeof(screen->network_url), board->network_url);
}

static void set_slots(struct screen *screen, const struct board *board, const struct flags *flags,
		      const struct state_record *record, int running)
{
	screen->slot_count = board->slot_count;
	memset(screen->slots, 0, sizeof(screen->slots));
	for (size_t i = 0; i < board->slot_count; i++)
		set_slot(&screen->slots[i], board->slots[i].name, i, flags, record);
	if (running >= 0 && (size_t)running < board->slot_count)
		screen->slots[running].running = true;
	if (flags && first_slot(flags) >= 0)
		screen->slots[first_slot(flags)].first = true;
}

void screen_device(struct screen *screen, const struct board *board, const struct flags *flags,
		   const struct state_record *record, const struct journal *pending, int running)
{
	struct screen_slot before[BOARD_SLOTS_MAX];
	enum state_wipe wipe =
		record && wipe_is_pending(record, flags) ? record->wipe : STATE_WIPE_NONE;
	bool same = screen->known && screen->flags_damaged == !flags && screen->wipe == wipe &&
		    screen->pending == (pending && pending->version[0]);

	memcpy(before, screen->slots, sizeof(before));
	screen->known = true;
	text_copy(screen->product, sizeof(screen->product), board->product);
	set_slots(screen, board, flags, record, running);
	screen->flags_damaged = !flags;
	screen->wipe = wipe;
	screen->pending = pending && pending->version[0];
	if (screen->pending) {
		text_copy(screen->pending_version, sizeof(screen->pending_version),
			  pending->version);
		text_copy(screen->pending_origin, sizeof(screen->pending_origin), pending->origin);
	}
	set_sources(screen, board);
	/* Slots that differ in their padding are shown once more, and that is all. */
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
	if (!same || memcmp(before, screen->slots, sizeof(before)) != 0)
		show(screen, CHANGE_DEVICE);
}

void screen_reason(struct screen *screen, const char *reason, const struct result *trial)
{
	text_copy(screen->reason, sizeof(screen->reason), reason);
	screen->settled = trial != NULL;
	if (trial)
		screen->trial = *trial;
	show(screen, CHANGE_REASON);
}

void screen_wait(struct screen *screen, enum screen_wait wait, const char *object)
{
	if (!object)
		object = "";
	if (screen->wait == wait &&
	    !strncmp(screen->wait_object, object, sizeof(screen->wait_object) - 1))
		return;
	screen->wait = wait;
	text_copy(screen->wait_object, sizeof(screen->wait_object), object);
	show(screen, CHANGE_WAIT);
}

void screen_found(struct screen *screen, const struct screen_package *package)
{
	screen->found = true;
	screen->planned = screen->ended = false;
	screen->package = *package;
	show(screen, CHANGE_FOUND);
}

void screen_plan(struct screen *screen, const struct plan *plan, bool resumes)
{
	screen->planned = true;
	screen->plan = *plan;
	screen->resumes = resumes;
	show(screen, CHANGE_PLAN);
}

/* Seconds until the countdown is over, rounded up. */
static unsigned seconds_left(const struct screen *screen)
{
	uint64_t ms = now(screen);

	return ms >= screen->offers.end_ms ? 0
					   : (unsigned)((screen->offers.end_ms - ms + 999) / 1000);
}

void screen_offer(struct screen *screen, enum question question, const enum action *actions,
		  size_t count, enum action at_end, unsigned seconds)
{
	struct screen_offers *offers = &screen->offers;

	memset(offers, 0, sizeof(*offers));
	offers->question = question;
	for (size_t i = 0; i < count && i < SCREEN_OFFERS_MAX; i++)
		offers->actions[offers->count++] = actions[i];
	if (seconds) {
		offers->at_end = at_end;
		offers->end_ms = now(screen) + (uint64_t)seconds * 1000;
		offers->seconds = seconds;
	}
	show(screen, CHANGE_OFFERS);
}

/* The offer is over. */
static enum action choose(struct screen *screen, enum action action, bool by_itself)
{
	screen->offers.count = 0;
	screen->offers.at_end = ACTION_NONE;
	screen->offers.chosen = action;
	screen->offers.by_itself = by_itself;
	show(screen, CHANGE_OFFERS);
	return action;
}

/* What a key means among what is offered. */
static enum action meaning(const struct screen_offers *offers, int key)
{
	enum action action = key == KEY_CTRL_C ? ACTION_MENU : words_action_of(key);

	if (key >= '1' && key <= '9' && (size_t)(key - '1') < offers->count)
		return offers->actions[key - '1'];
	for (size_t i = 0; i < offers->count; i++) {
		if (offers->actions[i] == action)
			return action;
	}
	return ACTION_NONE;
}

/* The choice of a person at one skin. Keys without a meaning show everything again, once. */
static enum action ask_skin(struct screen *screen, struct skin *skin)
{
	bool again = false;

	for (int i = 0; i < KEYS_AT_ONCE && skin->ops->key; i++) {
		int key = skin->ops->key(skin);
		enum action action;
		if (key < 0)
			break;
		action = meaning(&screen->offers, key);
		if (action != ACTION_NONE)
			return choose(screen, action, false);
		again = true;
	}
	if (again)
		show_on(screen, skin, CHANGE_ALL);
	return ACTION_NONE;
}

static enum action run_countdown(struct screen *screen)
{
	struct screen_offers *offers = &screen->offers;
	unsigned seconds;

	if (offers->at_end == ACTION_NONE)
		return ACTION_NONE;
	seconds = seconds_left(screen);
	if (!seconds)
		return choose(screen, offers->at_end, true);
	if (seconds != offers->seconds) {
		offers->seconds = seconds;
		show(screen, CHANGE_COUNTDOWN);
	}
	return ACTION_NONE;
}

enum action screen_poll(struct screen *screen)
{
	for (size_t i = 0; i < screen->skin_count; i++) {
		enum action action = ask_skin(screen, screen->skins[i]);
		if (action != ACTION_NONE)
			return action;
	}
	return run_countdown(screen);
}

int screen_fd(const struct screen *screen, size_t skin)
{
	if (skin >= screen->skin_count || !screen->skins[skin]->ops->fd)
		return -1;
	return screen->skins[skin]->ops->fd(screen->skins[skin]);
}

int screen_timeout_ms(const struct screen *screen)
{
	const struct screen_offers *offers = &screen->offers;
	uint64_t ms = now(screen), next;

	if (offers->at_end == ACTION_NONE)
		return -1;
	if (ms >= offers->end_ms)
		return 0;
	next = (offers->end_ms - ms) % 1000; /* until the number of seconds changes */
	return next ? (int)next : 1000;
}

void screen_work(struct screen *screen, enum work work, bool again)
{
	screen->work = work;
	screen->working = true;
	screen->ended = false;
	memset(&screen->progress, 0, sizeof(screen->progress));
	screen->role[0] = 0;
	if (!again) {
		screen->touched = screen->pending;
		screen->work_start_ms = now(screen);
	}
	screen->written = screen->unchanged = 0;
	pace_begin(&screen->pace, screen->plan.in_place && work == WORK_INSTALL,
		   work == WORK_VERIFY, again);
	show(screen, CHANGE_WORK);
}

void screen_progress(struct screen *screen, const struct progress *progress)
{
	bool new_step = !screen->pace.begun || screen->progress.step != progress->step;

	if (!screen->working)
		return;
	screen->progress = *progress;
	text_copy(screen->role, sizeof(screen->role), progress->role ? progress->role : "");
	screen->progress.role = screen->role;
	if (progress->step >= STEP_MARK)
		screen->touched = true;
	if (progress->step == STEP_WRITE) {
		screen->written = progress->written;
		screen->unchanged = progress->unchanged;
	}
	pace_update(&screen->pace, &screen->progress, now(screen));
	if (progress->step == STEP_DONE) {
		screen->work_ms = now(screen) - screen->work_start_ms;
		screen->working = false;
	}
	show(screen, new_step ? CHANGE_STEP : CHANGE_PROGRESS);
}

void screen_result(struct screen *screen, const struct result *result)
{
	screen->working = false;
	screen->wait = WAIT_NOTHING;
	screen->ended = true;
	screen->result = *result;
	show(screen, CHANGE_RESULT);
}

void screen_again(struct screen *screen)
{
	show(screen, CHANGE_ALL);
}

void screen_note(struct screen *screen, const char *text)
{
	screen->note = text;
	show(screen, CHANGE_NOTE);
	screen->note = NULL;
}

void screen_log(struct screen *screen, const char *text, size_t len)
{
	screen->log = text;
	screen->log_len = len;
	show(screen, CHANGE_LOG);
	screen->log = NULL;
	screen->log_len = 0;
}

void screen_leave(struct screen *screen, enum leave leave)
{
	screen->leave = leave;
	show(screen, CHANGE_LEAVE);
}
