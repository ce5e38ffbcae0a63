#include "flags.h"
#include "text.h"

#include <string.h>

int flags_choice(const struct flags *flags)
{
	if (flags->recovery)
		return -1;
	for (size_t i = 0; i < flags->order_count; i++)
		if (flags->slot[flags->order[i]].tries)
			return flags->order[i];
	return -1;
}

bool flags_in_order(const struct flags *flags, size_t slot)
{
	for (size_t i = 0; i < flags->order_count; i++)
		if (flags->order[i] == slot)
			return true;
	return false;
}

bool flags_equal(const struct flags *a, const struct flags *b)
{
	if (a->order_count != b->order_count || a->recovery != b->recovery ||
	    strcmp(a->reason, b->reason))
		return false;
	for (size_t i = 0; i < a->order_count; i++)
		if (a->order[i] != b->order[i])
			return false;
	for (size_t i = 0; i < BOARD_SLOTS_MAX; i++)
		if (a->slot[i].tries != b->slot[i].tries || a->slot[i].good != b->slot[i].good)
			return false;
	return true;
}

static void drop(struct flags *flags, size_t slot)
{
	size_t kept = 0;

	for (size_t i = 0; i < flags->order_count; i++)
		if (flags->order[i] != slot)
			flags->order[kept++] = flags->order[i];
	flags->order_count = kept;
}

void flags_prefer(struct flags *flags, size_t slot)
{
	drop(flags, slot);
	for (size_t i = flags->order_count; i > 0; i--)
		flags->order[i] = flags->order[i - 1];
	flags->order[0] = (uint8_t)slot;
	flags->order_count++;
}

void flags_mark_target(struct flags *flags, size_t slot)
{
	drop(flags, slot);
	flags->slot[slot] = (struct flags_slot){.tries = 0, .good = false};
}

void flags_commit(struct flags *flags, size_t slot, uint32_t tries)
{
	flags_prefer(flags, slot);
	flags->slot[slot] = (struct flags_slot){.tries = tries, .good = false};
	flags_leave_recovery(flags);
}

void flags_confirm(struct flags *flags, size_t slot, uint32_t tries)
{
	if (!flags_in_order(flags, slot))
		flags_prefer(flags, slot);
	flags->slot[slot] = (struct flags_slot){.tries = tries, .good = true};
}

void flags_give_up(struct flags *flags, size_t slot)
{
	flags_mark_target(flags, slot);
}

void flags_set_reason(struct flags *flags, const char *reason)
{
	struct text t = TEXT_IN(flags->reason);

	text_clear(&t);
	for (; *reason; reason++)
		if ((*reason >= 'a' && *reason <= 'z') || (*reason >= '0' && *reason <= '9') ||
		    *reason == '-')
			text_char(&t, *reason);
}

void flags_request_recovery(struct flags *flags, const char *reason)
{
	flags->recovery = true;
	flags_set_reason(flags, reason);
}

void flags_leave_recovery(struct flags *flags)
{
	flags->recovery = false;
	flags_set_reason(flags, "");
}

/*
 * A slot that may be overwritten: not the running one, and not the only one that has confirmed
 * itself.
 */
static bool may_be_target(const struct flags *flags, size_t slot, int running, enum detail *why)
{
	if (running >= 0 && (size_t)running == slot) {
		*why = DETAIL_SLOT_KEPT;
		return false;
	}
	if (flags->slot[slot].good && !flags->slot[1 - slot].good) {
		*why = running >= 0 ? DETAIL_NOT_CONFIRMED_YET : DETAIL_SLOT_KEPT;
		return false;
	}
	return true;
}

int flags_target(const struct flags *flags, size_t slot_count, int running, int wanted,
		 enum detail *why)
{
	struct flags without = *flags;
	int first;
	enum detail ignored;

	/* A request for recovery says nothing about which system is the one that works. */
	flags_leave_recovery(&without);
	first = flags_choice(&without);

	*why = DETAIL_OK;
	if (wanted >= (int)slot_count) {
		*why = DETAIL_SLOT_UNKNOWN;
		return -1;
	}
	if (slot_count == 1) {
		if (running >= 0)
			*why = DETAIL_SINGLE_SLOT_RUNNING;
		return running >= 0 ? -1 : 0;
	}
	if (wanted >= 0)
		return may_be_target(flags, (size_t)wanted, running, why) ? wanted : -1;
	/*
	 * Rather not the slot that would be started next; when none would be, not the one that
	 * comes first in the order; on a blank device the first slot is filled first.
	 */
	if (first < 0)
		first = flags->order_count ? flags->order[0] : 1;
	if (running >= 0)
		first = running;
	if (may_be_target(flags, (size_t)(1 - first), running, why))
		return 1 - first;
	return may_be_target(flags, (size_t)first, running, &ignored) ? first : -1;
}
