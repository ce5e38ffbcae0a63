#include "ui/words.h"

/* A slot other than the target that can be started, or NULL. */
static const struct screen_slot *other_slot(const struct screen *screen)
{
	for (size_t i = 0; i < screen->slot_count; i++) {
		const struct screen_slot *slot = &screen->slots[i];
		if (i != screen->plan.target && slot->flags && slot->in_order &&
		    (slot->tries || slot->running))
			return slot;
	}
	return NULL;
}

static void with_other_slot(struct text *t, enum string id, const struct screen_slot *slot)
{
	char buffer[160];
	struct text what = TEXT_IN(buffer);

	if (slot->known)
		words_version(&what, STRING_VERSION, slot->version, slot->release);
	else
		say(&what, STRING_SLOT_UNKNOWN);
	say_with(t, id, slot->name, buffer, NULL, NULL);
}

static const char *target_name(const struct screen *screen)
{
	return screen->plan.target < screen->slot_count ? screen->slots[screen->plan.target].name
							: "";
}

void words_plan(struct text *t, const struct screen *screen)
{
	const struct screen_package *package = &screen->package;
	const struct screen_slot *other = other_slot(screen);
	char release[WORDS_NUMBER_SIZE], bytes[WORDS_NUMBER_SIZE];

	say_with(t, STRING_PLAN_INTO, package->version, words_number(release, package->release),
		 target_name(screen), words_bytes(bytes, screen->plan.total));
	if (screen->plan.in_place)
		say(t, STRING_PLAN_IN_PLACE);
	else if (other)
		with_other_slot(t, STRING_PLAN_KEEPS, other);
	if (screen->plan.repair)
		say(t, STRING_PLAN_REPAIR);
	if (screen->plan.older)
		say_with(t, STRING_PLAN_OLDER,
			 words_number(release, screen->plan.installed_release), NULL, NULL, NULL);
	if (screen->resumes)
		say(t, STRING_PLAN_RESUMES);
}

void words_plan_image(struct text *t, const struct plan_image *image)
{
	char len[WORDS_NUMBER_SIZE], room[WORDS_NUMBER_SIZE];

	say_with(t, STRING_PLAN_IMAGE, words_bytes(len, image->image_len),
		 words_bytes(room, image->partition_len), NULL, NULL);
}

void words_wipe_names(struct text *t, const struct plan_wipe *plan)
{
	char len[WORDS_NUMBER_SIZE];

	for (size_t i = 0; i < plan->count; i++) {
		if (i)
			text_add(t, ", ");
		say_with(t, STRING_WIPE_NAMES, plan->parts[i].label,
			 words_bytes(len, plan->parts[i].len), NULL, NULL);
	}
}

static const struct {
	char key;
	enum string id;
} actions[ACTION_COUNT] = {
	[ACTION_INSTALL] = {'i', STRING_DO_INSTALL},
	[ACTION_YES] = {'y', STRING_DO_YES},
	[ACTION_NO] = {'n', STRING_DO_NO},
	[ACTION_FROM_STICK] = {'s', STRING_DO_STICK},
	[ACTION_FROM_NETWORK] = {'w', STRING_DO_NETWORK},
	[ACTION_RESTART] = {'r', STRING_DO_RESTART},
	[ACTION_POWER_OFF] = {'p', STRING_DO_POWER_OFF},
	[ACTION_SHOW_LOG] = {'l', STRING_DO_LOG},
	[ACTION_OLDER_LOG] = {'o', STRING_DO_OLDER_LOG},
	[ACTION_COPY_LOG] = {'c', STRING_DO_COPY_LOG},
	[ACTION_SHELL] = {'x', STRING_DO_SHELL},
	[ACTION_WIPE] = {'e', STRING_DO_WIPE},
	[ACTION_WIPE_NOW] = {'d', STRING_DO_WIPE_NOW},
	[ACTION_MENU] = {'m', STRING_DO_MENU},
};

char words_action_key(enum action action)
{
	return action < ACTION_COUNT ? actions[action].key : 0;
}

enum action words_action_of(int key)
{
	if (key >= 'A' && key <= 'Z')
		key += 'a' - 'A';
	for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
		if (actions[i].key == key)
			return (enum action)i;
	}
	return ACTION_NONE;
}

void words_action(struct text *t, enum action action)
{
	if (action > ACTION_NONE && action < ACTION_COUNT)
		say(t, actions[action].id);
}

void words_question(struct text *t, enum question question)
{
	static const enum string ids[] = {
		[QUESTION_MENU] = STRING_ASK_MENU,     [QUESTION_INSTALL] = STRING_ASK_INSTALL,
		[QUESTION_OLDER] = STRING_ASK_OLDER,   [QUESTION_DONE] = STRING_ASK_DONE,
		[QUESTION_FAILED] = STRING_ASK_FAILED, [QUESTION_LOG] = STRING_ASK_LOG,
		[QUESTION_WIPE] = STRING_ASK_WIPE,     [QUESTION_WIPED] = STRING_ASK_WIPED,
	};

	say(t, ids[question]);
}

void words_offer(struct text *t, const struct screen_offers *offers, size_t i)
{
	char buffer[80], digit[WORDS_NUMBER_SIZE];
	char key[2] = {words_action_key(offers->actions[i]), 0};
	struct text what = TEXT_IN(buffer);

	text_clear(&what);
	words_action(&what, offers->actions[i]);
	say_with(t, STRING_OFFER, words_number(digit, i + 1), key, buffer, NULL);
}

void words_countdown(struct text *t, const struct screen_offers *offers)
{
	char buffer[80], seconds[WORDS_NUMBER_SIZE];
	struct text what = TEXT_IN(buffer);
	char key[2] = {0, 0};

	words_action(&what, offers->at_end);
	say_with(t, STRING_COUNTDOWN, words_number(seconds, offers->seconds), buffer, NULL, NULL);
	for (size_t i = 0; i < offers->count; i++) {
		if (offers->actions[i] == ACTION_MENU) {
			key[0] = words_action_key(ACTION_MENU);
			say_with(t, STRING_COUNTDOWN_STOP, key, NULL, NULL, NULL);
		}
	}
}

void words_chosen(struct text *t, const struct screen_offers *offers)
{
	char buffer[80];
	struct text what = TEXT_IN(buffer);

	text_clear(&what);
	words_action(&what, offers->chosen);
	say_with(t, offers->by_itself ? STRING_CHOSEN_BY_ITSELF : STRING_CHOSEN, buffer, NULL, NULL,
		 NULL);
}

void words_keep_on(struct text *t, const struct screen *screen)
{
	static const enum string ids[] = {
		[ORIGIN_FILE] = STRING_KEEP_ON,
		[ORIGIN_STICK] = STRING_KEEP_STICK,
		[ORIGIN_NETWORK] = STRING_KEEP_NETWORK,
	};

	if (screen->work == WORK_WIPE) {
		say(t, STRING_KEEP_ON);
		if (screen->recovery)
			say(t, STRING_POWER_RECOVERY);
	}
	if (screen->work != WORK_INSTALL)
		return;
	say(t, ids[screen->package.origin]);
	say(t, screen->recovery ? STRING_POWER_RECOVERY : STRING_POWER_RUNNING);
}

void words_step(struct text *t, const struct screen *screen)
{
	bool wipe = screen->work == WORK_WIPE;
	enum string id;

	switch (screen->progress.step) {
	case STEP_CHECK:
		id = STRING_STEP_CHECK;
		break;
	case STEP_VERIFY_FIRST:
		id = screen->work == WORK_VERIFY ? STRING_STEP_VERIFY : STRING_STEP_VERIFY_FIRST;
		break;
	case STEP_MARK:
		id = wipe ? STRING_STEP_ERASE_MARK : STRING_STEP_MARK;
		break;
	case STEP_WRITE:
		id = wipe ? STRING_STEP_ERASE : STRING_STEP_WRITE;
		break;
	case STEP_READ_BACK:
		id = wipe ? STRING_STEP_ERASE_READ_BACK : STRING_STEP_READ_BACK;
		break;
	case STEP_COMMIT:
		id = STRING_STEP_COMMIT;
		break;
	case STEP_PLAN:
	case STEP_DONE:
	default:
		return;
	}
	say_with(t, id, target_name(screen), NULL, NULL, NULL);
}

void words_progress(struct text *t, const struct screen *screen)
{
	const struct progress *progress = &screen->progress;
	char buffer[64];
	struct text of = TEXT_IN(buffer);
	enum string write = screen->work == WORK_WIPE ? STRING_AT_ERASE : STRING_AT_WRITE;
	enum string at = progress->step == STEP_WRITE	    ? write
			 : progress->step == STEP_READ_BACK ? STRING_AT_READ_BACK
							    : STRING_AT_CHECK;

	words_done_of(&of, progress->done, progress->total);
	say_with(t, STRING_PROGRESS, string(at), screen->role, buffer, NULL);
	if (screen->pace.speed)
		words_speed(t, screen->pace.speed);
	words_left(t, screen->pace.left_s);
}

void words_done(struct text *t, const struct screen *screen)
{
	char buffer[64], written[WORDS_NUMBER_SIZE], unchanged[WORDS_NUMBER_SIZE];
	struct text took = TEXT_IN(buffer);

	words_duration(&took, screen->work_ms);
	say_with(t, screen->work == WORK_WIPE ? STRING_ERASED_IN : STRING_DONE_IN, buffer,
		 words_bytes(written, screen->written), words_bytes(unchanged, screen->unchanged),
		 NULL);
}

void words_result_head(struct text *t, const struct result *result)
{
	enum status status = detail_status(result->fault.detail);
	char number_of_status[WORDS_NUMBER_SIZE], code[WORDS_NUMBER_SIZE];

	if (result->fault.detail == DETAIL_OK)
		say(t, STRING_RESULT_OK);
	else
		say_with(t, STRING_RESULT_BAD, status_name(status),
			 words_number(number_of_status, (uint64_t)status),
			 words_number(code, (uint64_t)result->fault.detail),
			 detail_name(result->fault.detail));
}

void words_result(struct text *t, const struct screen *screen)
{
	const struct result *result = &screen->result;
	char release[WORDS_NUMBER_SIZE];
	const char *slot =
		result->slot < screen->slot_count ? screen->slots[result->slot].name : "";
	enum string id = STRING_DONE;

	if (result->fault.detail != DETAIL_OK) {
		words_fault(t, &result->fault, string(STRING_THE_PACKAGE));
		return;
	}
	if (result->what == RESULT_INSTALL)
		id = STRING_INSTALLED;
	else if (result->what == RESULT_CONFIRM)
		id = result->release ? STRING_CONFIRMED : STRING_CONFIRMED_UNKNOWN;
	else if (result->what == RESULT_VERIFY)
		id = STRING_VERIFIED;
	else if (result->what == RESULT_WIPE)
		id = STRING_WIPED;
	say_with(t, id, result->version, words_number(release, result->release), slot, NULL);
}

static void next_after_success(struct text *t, const struct screen *screen)
{
	const struct screen_slot *other = other_slot(screen);

	if (screen->package.origin == ORIGIN_STICK) {
		say(t, STRING_STICK_CAN_GO);
		text_char(t, ' ');
	}
	if (other)
		with_other_slot(t, STRING_ON_TRIAL, other);
	else
		say(t, STRING_ON_TRIAL_ALONE);
}

void words_next(struct text *t, const struct screen *screen)
{
	const struct screen_slot *other = other_slot(screen);
	const char *target = target_name(screen);

	if (screen->result.what == RESULT_WIPE && screen->result.fault.detail != DETAIL_OK)
		say(t, screen->wipe ? STRING_WIPE_GOES_ON : STRING_DATA_REMAINS);
	if (screen->result.what != RESULT_INSTALL)
		return;
	if (screen->result.fault.detail == DETAIL_OK) {
		next_after_success(t, screen);
	} else if (screen->result.fault.detail == DETAIL_RESTARTS) {
		say(t, STRING_STANDS);
	} else if (!screen->touched) {
		say(t, STRING_UNTOUCHED);
	} else if (other) {
		say_with(t, STRING_INCOMPLETE, target, NULL, NULL, NULL);
		with_other_slot(t, STRING_OTHER_AS_IT_WAS, other);
	} else {
		say_with(t, STRING_INCOMPLETE_ALONE, target, NULL, NULL, NULL);
	}
}

void words_result_what(struct text *t, enum result_what what)
{
	static const enum string ids[] = {
		[0] = STRING_WHAT_OTHER,
		[RESULT_INSTALL] = STRING_WHAT_INSTALL,
		[RESULT_CONFIRM] = STRING_WHAT_CONFIRM,
		[RESULT_TRIAL] = STRING_WHAT_TRIAL,
		[RESULT_VERIFY] = STRING_WHAT_VERIFY,
		[RESULT_WIPE] = STRING_WHAT_WIPE,
	};

	say(t, (size_t)what < sizeof(ids) / sizeof(ids[0]) ? ids[what] : STRING_WHAT_OTHER);
}
