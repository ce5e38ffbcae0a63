#include "ui/words.h"

#include <errno.h>
#include <string.h>

#define NUMBER_SIZE 32

/* A number as text, in a buffer of the caller's. */
static const char *number(char buffer[NUMBER_SIZE], uint64_t v)
{
	struct text t = {.at = buffer, .size = NUMBER_SIZE};

	text_u64(&t, v);
	return buffer;
}

static const char *size(char buffer[NUMBER_SIZE], uint64_t v)
{
	struct text t = {.at = buffer, .size = NUMBER_SIZE};

	text_size(&t, v);
	return buffer;
}

void words_speed(struct text *t, uint64_t bytes_per_second)
{
	char per[NUMBER_SIZE];

	say_with(t, STRING_PROGRESS_SPEED, size(per, bytes_per_second), NULL, NULL, NULL);
}

void words_left(struct text *t, uint32_t seconds)
{
	char a[NUMBER_SIZE], b[NUMBER_SIZE];
	uint32_t minutes = (seconds + 59) / 60;

	if (seconds == PACE_UNKNOWN)
		return;
	if (seconds < 5)
		say(t, STRING_LEFT_FEW);
	else if (seconds <= 90) /* in fives: what moves each second looks more exact than it is */
		say_with(t, STRING_LEFT_SECONDS, number(a, (seconds + 4) / 5 * 5), NULL, NULL,
			 NULL);
	else if (minutes < 90)
		say_with(t, STRING_LEFT_MINUTES, number(a, minutes), NULL, NULL, NULL);
	else
		say_with(t, STRING_LEFT_HOURS, number(a, minutes / 60), number(b, minutes % 60),
			 NULL, NULL);
}

void words_duration(struct text *t, uint64_t ms)
{
	char a[NUMBER_SIZE], b[NUMBER_SIZE];
	uint64_t seconds = (ms + 500) / 1000;

	if (seconds < 60)
		say_with(t, STRING_SECONDS, number(a, seconds), NULL, NULL, NULL);
	else
		say_with(t, STRING_MINUTES, number(a, seconds / 60), number(b, seconds % 60), NULL,
			 NULL);
}

void words_done_of(struct text *t, uint64_t done, uint64_t total)
{
	char a[NUMBER_SIZE], b[NUMBER_SIZE];
	char *unit = strchr(size(a, done), ' ');
	const char *other = strchr(size(b, total), ' ');

	if (unit && other && !strcmp(unit, other))
		*unit = 0; /* the same unit: once is enough */
	say_with(t, STRING_DONE_OF, a, b, NULL, NULL);
}

static void version(struct text *t, enum string id, const char *text, uint64_t release)
{
	char n[NUMBER_SIZE];

	say_with(t, id, text, number(n, release), NULL, NULL);
}

void words_slot(struct text *t, const struct screen_slot *slot)
{
	char tries[NUMBER_SIZE];

	if (slot->known)
		version(t, STRING_VERSION, slot->version, slot->release);
	else
		say(t, STRING_SLOT_EMPTY);
	if (slot->running)
		say(t, STRING_SLOT_RUNNING);
	if (!slot->flags)
		return;
	if (!slot->in_order) {
		if (slot->known)
			say(t, STRING_SLOT_NOT_BOOTABLE);
		return;
	}
	say(t, slot->good ? STRING_SLOT_CONFIRMED : STRING_SLOT_TRIAL);
	if (!slot->tries)
		say(t, STRING_SLOT_NO_TRIES);
	else if (!slot->good)
		say_with(t, STRING_SLOT_TRIES, number(tries, slot->tries), NULL, NULL, NULL);
	if (slot->first)
		say(t, STRING_SLOT_NEXT);
}

void words_reason(struct text *t, const char *word)
{
	static const struct {
		const char *word;
		enum string id;
	} reasons[] = {
		{"", STRING_REASON_NONE},
		{"request", STRING_REASON_REQUEST},
		{"no-tries-left", STRING_REASON_NO_TRIES},
		{"boot-image-invalid", STRING_REASON_BOOT_IMAGE},
		{"environment-damaged", STRING_REASON_ENVIRONMENT},
		{"trial-failed", STRING_REASON_TRIAL},
		{"install", STRING_REASON_INSTALL},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!strcmp(reasons[i].word, word)) {
			say(t, reasons[i].id);
			return;
		}
	}
	say_with(t, STRING_REASON_OTHER, word, NULL, NULL, NULL);
}

void words_pending(struct text *t, const struct screen *screen)
{
	say_with(t, STRING_PENDING, screen->pending_version, screen->pending_origin, NULL, NULL);
}

void words_errno(struct text *t, int sys_errno)
{
	static const struct {
		int number;
		enum string id;
	} known[] = {
		{EPERM, STRING_ERRNO_EPERM},
		{ENOENT, STRING_ERRNO_ENOENT},
		{EIO, STRING_ERRNO_EIO},
		{ENXIO, STRING_ERRNO_ENXIO},
		{ENODEV, STRING_ERRNO_ENXIO},
		{ENOMEM, STRING_ERRNO_ENOMEM},
		{EACCES, STRING_ERRNO_EACCES},
		{EBUSY, STRING_ERRNO_EBUSY},
		{ENOSPC, STRING_ERRNO_ENOSPC},
		{EROFS, STRING_ERRNO_EROFS},
		{ENETDOWN, STRING_ERRNO_ENETDOWN},
		{ENETUNREACH, STRING_ERRNO_ENETUNREACH},
		{ECONNRESET, STRING_ERRNO_ECONNRESET},
		{ETIMEDOUT, STRING_ERRNO_ETIMEDOUT},
		{ECONNREFUSED, STRING_ERRNO_ECONNREFUSED},
		{EHOSTUNREACH, STRING_ERRNO_EHOSTUNREACH},
		{ENOMEDIUM, STRING_ERRNO_ENOMEDIUM},
	};
	char n[NUMBER_SIZE];

	number(n, (uint64_t)sys_errno);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].number == sys_errno) {
			say_with(t, STRING_FAULT_ERRNO_TEXT, n, string(known[i].id), NULL, NULL);
			return;
		}
	}
	say_with(t, STRING_FAULT_ERRNO, n, NULL, NULL, NULL);
}

void words_fault(struct text *t, const struct fault *fault, const char *other)
{
	const char *between = " (";
	char n[NUMBER_SIZE];

	text_add(t, fault->object[0] ? fault->object : other);
	text_add(t, ": ");
	text_add(t, detail_sentence(fault->detail));
	if (fault->role[0]) {
		text_add(t, between);
		say_with(t, STRING_FAULT_IMAGE, fault->role, NULL, NULL, NULL);
		between = ", ";
	}
	if (fault->offset) {
		text_add(t, between);
		say_with(t, STRING_FAULT_OFFSET, number(n, fault->offset), NULL, NULL, NULL);
		between = ", ";
	}
	if (fault->sys_errno) {
		text_add(t, between);
		words_errno(t, fault->sys_errno);
		between = ", ";
	}
	text_add(t, between[0] == ',' ? ")." : ".");
}

void words_wait(struct text *t, const struct screen *screen)
{
	const char *object = screen->wait_object;

	switch (screen->wait) {
	case WAIT_NOTHING:
		say(t, STRING_WAIT_OVER);
		break;
	case WAIT_PACKAGE:
		if (!screen->look_stick && !screen->look_network)
			say(t, STRING_WAIT_MENU_ONLY);
		else if (!screen->look_network)
			say(t, STRING_WAIT_STICK);
		else
			say_with(t,
				 screen->look_stick ? STRING_WAIT_STICK_NETWORK
						    : STRING_WAIT_NETWORK_ONLY,
				 screen->network_url, NULL, NULL, NULL);
		break;
	case WAIT_STICK_BACK:
		say_with(t, STRING_WAIT_STICK_BACK, object, NULL, NULL, NULL);
		break;
	case WAIT_NETWORK:
		say_with(t, STRING_WAIT_NETWORK, object, NULL, NULL, NULL);
		break;
	case WAIT_SERVER:
		say_with(t, STRING_WAIT_SERVER, object, NULL, NULL, NULL);
		break;
	case WAIT_NO_PACKAGE:
		say_with(t, STRING_WAIT_NO_PACKAGE, object, NULL, NULL, NULL);
		break;
	}
}

void words_found(struct text *t, const struct screen_package *package)
{
	if (package->medium[0])
		say_with(t, STRING_FOUND_ON, package->name, package->medium, NULL, NULL);
	else
		text_add(t, package->name);
}

void words_found_version(struct text *t, const struct screen_package *package)
{
	bool sized = package->size != UINT64_MAX;
	char release[NUMBER_SIZE], bytes[NUMBER_SIZE];

	say_with(t, sized ? STRING_FOUND_VERSION : STRING_FOUND_VERSION_NO_SIZE, package->version,
		 number(release, package->release), size(bytes, package->size), package->signer);
}

/* A slot other than the target that can be started, or NULL. */
static const struct screen_slot *other_slot(const struct screen *screen)
{
	for (size_t i = 0; i < screen->slot_count; i++) {
		const struct screen_slot *slot = &screen->slots[i];
		if (i != screen->plan.target && slot->known && slot->flags && slot->in_order &&
		    (slot->tries || slot->running))
			return slot;
	}
	return NULL;
}

static void with_other_slot(struct text *t, enum string id, const struct screen_slot *slot)
{
	char buffer[160];
	struct text what = TEXT_IN(buffer);

	version(&what, STRING_VERSION, slot->version, slot->release);
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
	char release[NUMBER_SIZE], bytes[NUMBER_SIZE];

	say_with(t, STRING_PLAN_INTO, package->version, number(release, package->release),
		 target_name(screen), size(bytes, screen->plan.total));
	if (screen->plan.in_place)
		say(t, STRING_PLAN_IN_PLACE);
	else if (other)
		with_other_slot(t, STRING_PLAN_KEEPS, other);
	if (screen->plan.repair)
		say(t, STRING_PLAN_REPAIR);
	if (screen->plan.older)
		say_with(t, STRING_PLAN_OLDER, number(release, screen->plan.installed_release),
			 NULL, NULL, NULL);
	if (screen->resumes)
		say(t, STRING_PLAN_RESUMES);
}

void words_plan_image(struct text *t, const struct plan_image *image)
{
	char len[NUMBER_SIZE], room[NUMBER_SIZE];

	say_with(t, STRING_PLAN_IMAGE, size(len, image->image_len),
		 size(room, image->partition_len), NULL, NULL);
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
	};

	say(t, ids[question]);
}

void words_offer(struct text *t, const struct screen_offers *offers, size_t i)
{
	char buffer[80], digit[NUMBER_SIZE];
	char key[2] = {words_action_key(offers->actions[i]), 0};
	struct text what = TEXT_IN(buffer);

	text_clear(&what);
	words_action(&what, offers->actions[i]);
	say_with(t, STRING_OFFER, number(digit, i + 1), key, buffer, NULL);
}

void words_countdown(struct text *t, const struct screen_offers *offers)
{
	char buffer[80], seconds[NUMBER_SIZE];
	struct text what = TEXT_IN(buffer);
	char key[2] = {0, 0};

	words_action(&what, offers->at_end);
	say_with(t, STRING_COUNTDOWN, number(seconds, offers->seconds), buffer, NULL, NULL);
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

	if (screen->work != WORK_INSTALL)
		return;
	say(t, ids[screen->package.origin]);
	say(t, screen->recovery ? STRING_POWER_RECOVERY : STRING_POWER_RUNNING);
}

void words_step(struct text *t, const struct screen *screen)
{
	enum string id;

	switch (screen->progress.step) {
	case STEP_CHECK:
		id = STRING_STEP_CHECK;
		break;
	case STEP_VERIFY_FIRST:
		id = screen->work == WORK_VERIFY ? STRING_STEP_VERIFY : STRING_STEP_VERIFY_FIRST;
		break;
	case STEP_MARK:
		id = STRING_STEP_MARK;
		break;
	case STEP_WRITE:
		id = STRING_STEP_WRITE;
		break;
	case STEP_READ_BACK:
		id = STRING_STEP_READ_BACK;
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
	enum string at = progress->step == STEP_WRITE	    ? STRING_AT_WRITE
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
	char buffer[64], written[NUMBER_SIZE], unchanged[NUMBER_SIZE];
	struct text took = TEXT_IN(buffer);

	words_duration(&took, screen->work_ms);
	say_with(t, STRING_DONE_IN, buffer, size(written, screen->written),
		 size(unchanged, screen->unchanged), NULL);
}

void words_result_head(struct text *t, const struct result *result)
{
	enum status status = detail_status(result->fault.detail);
	char number_of_status[NUMBER_SIZE], code[NUMBER_SIZE];

	if (result->fault.detail == DETAIL_OK)
		say(t, STRING_RESULT_OK);
	else
		say_with(t, STRING_RESULT_BAD, status_name(status),
			 number(number_of_status, (uint64_t)status),
			 number(code, (uint64_t)result->fault.detail),
			 detail_name(result->fault.detail));
}

void words_result(struct text *t, const struct screen *screen)
{
	const struct result *result = &screen->result;
	char release[NUMBER_SIZE];
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
		id = STRING_CONFIRMED;
	else if (result->what == RESULT_VERIFY)
		id = STRING_VERIFIED;
	else if (result->what == RESULT_WIPE)
		id = STRING_WIPED;
	say_with(t, id, result->version, number(release, result->release), slot, NULL);
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

	if (screen->result.what != RESULT_INSTALL)
		return;
	if (screen->result.fault.detail == DETAIL_OK) {
		next_after_success(t, screen);
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
