#include "ui/words.h"

#include <errno.h>
#include <string.h>

const char *words_number(char buffer[WORDS_NUMBER_SIZE], uint64_t v)
{
	struct text t = {.at = buffer, .size = WORDS_NUMBER_SIZE};

	text_u64(&t, v);
	return buffer;
}

const char *words_bytes(char buffer[WORDS_NUMBER_SIZE], uint64_t v)
{
	struct text t = {.at = buffer, .size = WORDS_NUMBER_SIZE};

	text_size(&t, v);
	return buffer;
}

void words_speed(struct text *t, uint64_t bytes_per_second)
{
	char per[WORDS_NUMBER_SIZE];

	say_with(t, STRING_PROGRESS_SPEED, words_bytes(per, bytes_per_second), NULL, NULL, NULL);
}

void words_left(struct text *t, uint32_t seconds)
{
	char a[WORDS_NUMBER_SIZE], b[WORDS_NUMBER_SIZE];
	uint32_t minutes = (seconds + 59) / 60;

	if (seconds == PACE_UNKNOWN)
		return;
	if (seconds < 5)
		say(t, STRING_LEFT_FEW);
	else if (seconds <= 90) /* in fives: what moves each second looks more exact than it is */
		say_with(t, STRING_LEFT_SECONDS, words_number(a, ((uint64_t)seconds + 4) / 5 * 5),
			 NULL, NULL, NULL);
	else if (minutes < 90)
		say_with(t, STRING_LEFT_MINUTES, words_number(a, minutes), NULL, NULL, NULL);
	else
		say_with(t, STRING_LEFT_HOURS, words_number(a, minutes / 60),
			 words_number(b, minutes % 60), NULL, NULL);
}

void words_duration(struct text *t, uint64_t ms)
{
	char a[WORDS_NUMBER_SIZE], b[WORDS_NUMBER_SIZE];
	uint64_t seconds = (ms + 500) / 1000;

	if (seconds < 60)
		say_with(t, STRING_SECONDS, words_number(a, seconds), NULL, NULL, NULL);
	else
		say_with(t, STRING_MINUTES, words_number(a, seconds / 60),
			 words_number(b, seconds % 60), NULL, NULL);
}

void words_done_of(struct text *t, uint64_t done, uint64_t total)
{
	char a[WORDS_NUMBER_SIZE], b[WORDS_NUMBER_SIZE];
	char *unit = strchr(words_bytes(a, done), ' ');
	const char *other = strchr(words_bytes(b, total), ' ');

	if (unit && other && !strcmp(unit, other))
		*unit = 0; /* the same unit: once is enough */
	say_with(t, STRING_DONE_OF, a, b, NULL, NULL);
}

void words_version(struct text *t, enum string id, const char *text, uint64_t release)
{
	char n[WORDS_NUMBER_SIZE];

	say_with(t, id, text, words_number(n, release), NULL, NULL);
}

void words_slot(struct text *t, const struct screen_slot *slot)
{
	char tries[WORDS_NUMBER_SIZE];

	if (slot->known)
		words_version(t, STRING_VERSION, slot->version, slot->release);
	else
		say(t, slot->flags && !slot->in_order ? STRING_SLOT_EMPTY : STRING_SLOT_UNKNOWN);
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
		say_with(t, STRING_SLOT_TRIES, words_number(tries, slot->tries), NULL, NULL, NULL);
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
		{"no-slot", STRING_REASON_NO_TRIES},
		{"no-tries-left", STRING_REASON_NO_TRIES},
		{"boot-image-invalid", STRING_REASON_BOOT_IMAGE},
		{"environment-damaged", STRING_REASON_ENVIRONMENT},
		{"trial-failed", STRING_REASON_TRIAL},
		{"install", STRING_REASON_INSTALL},
		{WIPE_REASON, STRING_REASON_WIPE},
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
	say_with(t, screen->recovery ? STRING_PENDING : STRING_PENDING_RUNNING,
		 screen->pending_version, screen->pending_origin, NULL, NULL);
}

void words_wipe(struct text *t, const struct screen *screen)
{
	if (screen->wipe != STATE_WIPE_NONE)
		say(t, screen->wipe == STATE_WIPE_BEGUN ? STRING_WIPE_BEGUN : STRING_WIPE_ASKED);
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
		{ENAMETOOLONG, STRING_ERRNO_ENAMETOOLONG},
		{ELOOP, STRING_ERRNO_ELOOP},
		{EISDIR, STRING_ERRNO_EISDIR},
		{ESPIPE, STRING_ERRNO_ESPIPE},
		{ENOTBLK, STRING_ERRNO_ESPIPE},
		{ENOTDIR, STRING_ERRNO_ENOTDIR},
		{EFBIG, STRING_ERRNO_EFBIG},
		{EMFILE, STRING_ERRNO_EMFILE},
		{ENFILE, STRING_ERRNO_EMFILE},
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
	char n[WORDS_NUMBER_SIZE];

	words_number(n, (uint64_t)sys_errno);
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
	char n[WORDS_NUMBER_SIZE], image[64];
	struct text i = TEXT_IN(image);

	text_add(t, fault->object[0] ? fault->object : other);
	text_add(t, ": ");
	text_add(t, detail_sentence(fault->detail));
	text_clear(&i);
	say_with(&i, STRING_FAULT_IMAGE, fault->role, NULL, NULL, NULL);
	if (fault->role[0] && !strstr(fault->object, image)) {
		text_add(t, between);
		text_add(t, image);
		between = ", ";
	}
	if (fault->offset) {
		text_add(t, between);
		say_with(t, STRING_FAULT_OFFSET, words_number(n, fault->offset), NULL, NULL, NULL);
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
	char release[WORDS_NUMBER_SIZE], bytes[WORDS_NUMBER_SIZE];

	say_with(t, sized ? STRING_FOUND_VERSION : STRING_FOUND_VERSION_NO_SIZE, package->version,
		 words_number(release, package->release), words_bytes(bytes, package->size),
		 package->signer);
}
