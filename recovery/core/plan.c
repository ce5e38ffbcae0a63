#include "plan.h"
#include "text.h"

#include <string.h>

static enum detail numbers_fault(struct fault *fault, enum detail detail, const char *what,
				 uint64_t a, const char *middle, uint64_t b)
{
	char object[160];
	struct text t = TEXT_IN(object);

	text_add(&t, what);
	text_u64(&t, a);
	text_add(&t, middle);
	text_u64(&t, b);
	text_char(&t, ')');
	return fault_set(fault, detail, object);
}

static bool fits_product(const struct board *board, const struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->product_count; i++)
		if (!strcmp(manifest->products[i], board->product))
			return true;
	return false;
}

static enum detail check_product(const struct plan_request *request, struct fault *fault)
{
	char object[160];
	struct text t = TEXT_IN(object);

	if (fits_product(request->board, request->manifest))
		return DETAIL_OK;
	text_add(&t, "package for ");
	text_add(&t, request->manifest->products[0]);
	text_add(&t, " (this is ");
	text_add(&t, request->board->product);
	text_char(&t, ')');
	return fault_set(fault, DETAIL_WRONG_PRODUCT, object);
}

/*
 * The slot that counts as installed: the running one, else the one that would be started, else one
 * that has proved itself.
 */
static int installed_slot(const struct plan_request *request)
{
	struct flags flags = *request->flags;
	int slot = request->running;

	flags_leave_recovery(
		&flags); /* a request for recovery says nothing about what is installed */
	if (slot < 0)
		slot = flags_choice(&flags);
	for (size_t i = 0; slot < 0 && i < request->board->slot_count; i++)
		if (request->flags->slot[i].good)
			slot = (int)i;
	return slot;
}

/* The one comparison of releases: numbers of 64 bits, never texts. */
static enum detail check_release(struct plan *plan, const struct plan_request *request,
				 struct fault *fault)
{
	const struct manifest *m = request->manifest;
	const struct state_record *record = request->record;
	int slot = installed_slot(request);
	uint64_t base = slot >= 0 ? record->slot[slot].release : 0;

	plan->installed_release = base;
	if (!base) /* an in-place install took the slot's own record away: what ran before it still
		      counts */
		base = record->confirmed_release;
	if (m->release < record->rollback_floor)
		return numbers_fault(fault, DETAIL_BELOW_FLOOR, "release ", m->release, " (floor ",
				     record->rollback_floor);
	if (m->key_epoch < record->key_epoch)
		return numbers_fault(fault, DETAIL_KEY_EPOCH, "key epoch ", m->key_epoch,
				     " (device: ", record->key_epoch);
	if (plan->resume)
		return DETAIL_OK;
	if (base && base < m->minimum_release)
		return numbers_fault(fault, DETAIL_NEEDS_NEWER_INSTALLED,
				     "a package that wants release ", m->minimum_release,
				     " or later (installed: ", base);
	plan->older = m->release < base;
	plan->repair = m->release == plan->installed_release;
	return DETAIL_OK;
}

static enum detail overlap_fault(struct fault *fault, const char *a, const char *b)
{
	char object[160];
	struct text t = TEXT_IN(object);

	text_add(&t, a);
	text_add(&t, " and ");
	text_add(&t, b);
	return fault_set(fault, DETAIL_EXTENT_OVERLAP, object);
}

/* An extent must not touch the boot flags, nor the partition table. */
static enum detail check_extent(const struct board *board, const struct gpt *gpt, const char *label,
				uint64_t off, uint64_t len, struct fault *fault)
{
	for (size_t i = 0; i < 2; i++)
		if (range_overlaps(off, len, board->flag_off[i], board->flag_size))
			return overlap_fault(fault, label, "the boot flags");
	if (off < gpt->table_end || off + len > gpt->end_usable)
		return overlap_fault(fault, label, "the partition table");
	return DETAIL_OK;
}

static enum detail check_apart(const struct gpt *gpt, const char *label,
			       const struct gpt_partition *target, const char *other,
			       struct fault *fault)
{
	const struct gpt_partition *p;
	enum detail detail;

	if (!*other)
		return DETAIL_OK;
	detail = gpt_find(gpt, other, &p, fault);
	if (detail)
		return detail;
	return range_overlaps(target->off, target->len, p->off, p->len)
		       ? overlap_fault(fault, label, other)
		       : DETAIL_OK;
}

/*
 * gpt_load and board_load refuse what overlaps; here it is checked again for what is about to be
 * written. No slot but this one may be touched; -1: none at all.
 */
static enum detail check_others(const struct board *board, const struct gpt *gpt, int slot,
				const char *label, const struct gpt_partition *target,
				struct fault *fault)
{
	enum detail detail;

	if ((detail = check_extent(board, gpt, label, target->off, target->len, fault)) ||
	    (detail = check_apart(gpt, label, target, board->state_label, fault)) ||
	    (detail = check_apart(gpt, label, target, board->recovery_label, fault)))
		return detail;
	for (size_t s = 0; s < board->slot_count; s++)
		for (size_t i = 0; (int)s != slot && i < board->slots[s].part_count; i++)
			if ((detail = check_apart(gpt, label, target,
						  board->slots[s].parts[i].label, fault)))
				return detail;
	return DETAIL_OK;
}

static enum detail plan_one(struct plan *plan, const struct plan_request *request,
			    const struct manifest_image *image, struct fault *fault)
{
	const struct board_part *part =
		board_part(&request->board->slots[plan->target], image->role);
	struct plan_image *out = &plan->images[plan->image_count];
	const struct gpt_partition *partition;
	enum detail detail;

	if (!part)
		return fault_set(fault, DETAIL_IMAGE_ROLE_UNKNOWN, image->role);
	detail = gpt_find(request->gpt, part->label, &partition, fault);
	if (detail)
		return detail;
	if (image->size > partition->len) {
		char object[160];
		struct text t = TEXT_IN(object);
		text_add(&t, image->role);
		text_add(&t, " of ");
		text_u64(&t, image->size);
		text_add(&t, " bytes (");
		text_add(&t, part->label);
		text_add(&t, " has ");
		text_u64(&t, partition->len);
		text_char(&t, ')');
		return fault_set(fault, DETAIL_IMAGE_TOO_LARGE, object);
	}
	detail = check_others(request->board, request->gpt, (int)plan->target, part->label,
			      partition, fault);
	if (detail)
		return detail;
	for (size_t i = 0; i < plan->image_count; i++)
		if (range_overlaps(partition->off, partition->len, plan->images[i].off,
				   plan->images[i].partition_len))
			return overlap_fault(fault, part->label, plan->images[i].label);
	text_copy(out->label, sizeof(out->label), part->label);
	out->off = partition->off;
	out->partition_len = partition->len;
	out->image_len = image->size;
	plan->total += image->size;
	plan->image_count++;
	return DETAIL_OK;
}

static enum detail no_target(const struct plan_request *request, enum detail why,
			     struct fault *fault)
{
	char slot[16];
	struct text t = TEXT_IN(slot);

	if (why == DETAIL_SINGLE_SLOT_RUNNING)
		return fault_set(fault, why, "package");
	if (why == DETAIL_NOT_CONFIRMED_YET)
		return fault_set(fault, why, "the running system");
	/* One of two slots can always be overwritten: this one was asked for by its name. */
	text_add(&t, "slot ");
	text_add(&t, request->board->slots[request->wanted].name);
	return fault_set(fault, why, slot);
}

static enum detail choose_target(struct plan *plan, const struct plan_request *request,
				 struct fault *fault)
{
	size_t slots = request->board->slot_count;
	enum detail why;
	int target = -1;

	/* What was begun goes on where it was begun, so that it ends as if nothing had happened
	 * (I6). */
	if (plan->resume && request->wanted < 0)
		target = flags_target(request->flags, slots, request->running,
				      (int)request->journal->target, &why);
	if (target < 0)
		target = flags_target(request->flags, slots, request->running, request->wanted,
				      &why);
	if (target < 0)
		return no_target(request, why, fault);
	plan->target = (size_t)target;
	plan->in_place = request->board->slot_count == 1;
	return DETAIL_OK;
}

enum detail plan_make(struct plan *plan, const struct plan_request *request, struct fault *fault)
{
	const struct manifest *m = request->manifest;
	const struct journal *j = request->journal;
	const struct board_slot *slot;
	struct fault no_slot;
	enum detail detail, target;

	memset(plan, 0, sizeof(*plan));
	if ((detail = check_product(request, fault)))
		return detail;
	if (request->wanted >= (int)request->board->slot_count)
		return fault_set(fault, DETAIL_SLOT_UNKNOWN, "the wanted slot");
	plan->resume = j->step >= JOURNAL_BEGIN && j->step <= JOURNAL_VERIFIED &&
		       hash_equal(j->package_id, request->package_id);
	target = choose_target(plan, request, &no_slot);
	/* The same package into another slot is another install. */
	plan->resume = plan->resume && !target && j->target == plan->target;
	if ((detail = check_release(plan, request, fault)))
		return detail;
	if (target) {
		if (fault)
			*fault = no_slot;
		return target;
	}
	for (size_t i = 0; i < m->image_count; i++)
		if ((detail = plan_one(plan, request, &m->images[i], fault)))
			return detail;
	/* A slot that is half new and half old has never been tested by anybody. */
	slot = &request->board->slots[plan->target];
	for (size_t i = 0; i < slot->part_count; i++) {
		bool there = false;
		for (size_t k = 0; k < m->image_count; k++)
			there |= !strcmp(m->images[k].role, slot->parts[i].role);
		if (!there)
			return fault_set(fault, DETAIL_IMAGE_ROLE_MISSING, slot->parts[i].role);
	}
	return DETAIL_OK;
}

enum detail plan_wipe_make(struct plan_wipe *plan, const struct board *board, const struct gpt *gpt,
			   struct fault *fault)
{
	const struct gpt_partition *p;
	enum detail detail;

	memset(plan, 0, sizeof(*plan));
	if (!board->wipe_count)
		return fault_set(fault, DETAIL_NOTHING_TO_WIPE, "the board tree");
	for (size_t i = 0; i < board->wipe_count; i++) {
		struct plan_wipe_part *part = &plan->parts[i];

		if ((detail = gpt_find(gpt, board->wipe[i], &p, fault)) ||
		    (detail = check_others(board, gpt, -1, board->wipe[i], p, fault)))
			return detail;
		for (size_t k = 0; k < i; k++)
			if (range_overlaps(p->off, p->len, plan->parts[k].off, plan->parts[k].len))
				return overlap_fault(fault, board->wipe[i], plan->parts[k].label);
		text_copy(part->label, sizeof(part->label), board->wipe[i]);
		part->off = p->off;
		part->len = p->len;
		plan->total += p->len;
		plan->count++;
	}
	return DETAIL_OK;
}

enum detail plan_check_board(const struct board *board, const struct gpt *gpt, uint64_t disk_size,
			     struct fault *fault)
{
	const struct gpt_partition *p;
	enum detail detail;

	for (size_t i = 0; i < 2; i++)
		if (!range_within(board->flag_off[i], board->flag_size, disk_size))
			return fault_set(fault, DETAIL_BOARD_INVALID, "flag-store/offset");
	for (size_t i = 0; i < 2; i++)
		if (board->flag_off[i] < gpt->table_end ||
		    board->flag_off[i] + board->flag_size > gpt->end_usable)
			return overlap_fault(fault, "the boot flags", "the partition table");
	for (size_t i = 0; i < gpt->count; i++)
		if ((detail = check_extent(board, gpt, gpt->at[i].label, gpt->at[i].off,
					   gpt->at[i].len, fault)))
			return detail;
	if ((detail = gpt_find(gpt, board->state_label, &p, fault)))
		return detail;
	if (*board->recovery_label && (detail = gpt_find(gpt, board->recovery_label, &p, fault)))
		return detail;
	for (size_t s = 0; s < board->slot_count; s++)
		for (size_t i = 0; i < board->slots[s].part_count; i++)
			if ((detail = gpt_find(gpt, board->slots[s].parts[i].label, &p, fault)))
				return detail;
	return DETAIL_OK;
}
