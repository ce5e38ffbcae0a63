/* Boot flags: the model, all transitions, and I11 over every state that there is. */
#include "support.h"

/* --- Every state of a board with one or two slots --- */

struct iterator {
	size_t slots;
	unsigned n;
};

/* tries 0, 1, 3; good or not; all orders; recovery or not. */
static bool next_flags(struct iterator *it, struct flags *f)
{
	static const uint8_t orders[][3] = {{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {2, 0, 1}, {2, 1, 0}};
	static const uint32_t tries[] = {0, 1, 3};
	unsigned n = it->n++;
	memset(f, 0, sizeof(*f));
	const uint8_t *order = orders[n % 5];
	n /= 5;
	f->order_count = order[0];
	f->order[0] = order[1];
	f->order[1] = order[2];
	f->recovery = n % 2;
	n /= 2;
	for (size_t s = 0; s < it->slots; s++) {
		f->slot[s].tries = tries[n % 3];
		n /= 3;
		f->slot[s].good = n % 2;
		n /= 2;
	}
	if (it->slots == 1 && (f->order_count == 2 || (f->order_count && f->order[0] == 1)))
		return n ? false : next_flags(it, f);
	return !n;
}

static const char *shown(const struct flags *f)
{
	static char text[128];
	snprintf(text, sizeof(text), "order %zu:%d%d A %u%s B %u%s%s", f->order_count, f->order[0],
		 f->order[1], f->slot[0].tries, f->slot[0].good ? " good" : "", f->slot[1].tries,
		 f->slot[1].good ? " good" : "", f->recovery ? " recovery" : "");
	return text;
}

static bool listed(const struct flags *f, size_t slot)
{
	for (size_t i = 0; i < f->order_count; i++)
		if (f->order[i] == slot)
			return true;
	return false;
}

/* design 6: recovery when requested; else the first slot in order with tries left; else recovery.
 */
static int boot_script(const struct flags *f)
{
	for (size_t i = 0; i < f->order_count && !f->recovery; i++)
		if (f->slot[f->order[i]].tries)
			return f->order[i];
	return -1;
}

static void choice_is_the_boot_scripts(void **state)
{
	(void)state;
	for (size_t slots = 1; slots <= 2; slots++) {
		struct iterator it = {.slots = slots};
		struct flags f;
		while (next_flags(&it, &f)) {
			at_case("%s", shown(&f));
			check(flags_choice(&f) == boot_script(&f));
			check(flags_in_order(&f, 0) == listed(&f, 0));
			check(flags_in_order(&f, 1) == listed(&f, 1));
		}
		assert_true(it.n > (slots == 1 ? 20 : 300));
	}
}

static void equality_sees_every_field(void **state)
{
	(void)state;
	struct flags a = {.order_count = 2,
			  .order = {0, 1},
			  .slot = {{3, true}, {2, false}},
			  .reason = "request"},
		     b;
	b = a;
	assert_true(flags_equal(&a, &b));
#define DIFFERS(change)                                                                            \
	do {                                                                                       \
		b = a;                                                                             \
		change;                                                                            \
		check(!flags_equal(&a, &b) && !flags_equal(&b, &a));                               \
	} while (0)
	DIFFERS(b.order_count = 1);
	DIFFERS(b.order_count = 0);
	DIFFERS((b.order[0] = 1, b.order[1] = 0));
	DIFFERS(b.slot[0].tries = 2);
	DIFFERS(b.slot[0].good = false);
	DIFFERS(b.slot[1].tries = 3);
	DIFFERS(b.slot[1].good = true);
	DIFFERS(b.recovery = true);
	DIFFERS(strcpy(b.reason, "other"));
#undef DIFFERS
	/* What lies behind the order's end does not count. */
	a.order_count = b.order_count = 1;
	b = a;
	b.order[1] = 0;
	assert_true(flags_equal(&a, &b));
}

/* The other slot is as it was: its tries, its mark, and its place among the others. */
static void other_untouched(const struct flags *before, const struct flags *after, size_t slot)
{
	size_t other = !slot;
	check(after->slot[other].tries == before->slot[other].tries);
	check(after->slot[other].good == before->slot[other].good);
	check(listed(after, other) == listed(before, other));
	check(after->order_count ==
	      (size_t)listed(after, 0) + listed(after, 1)); /* nothing twice */
}

static void each_change_in_every_state(void (*test)(const struct flags *before, size_t slot))
{
	for (size_t slot = 0; slot < 2; slot++) {
		struct iterator it = {.slots = 2};
		struct flags f;
		while (next_flags(&it, &f)) {
			at_case("%s, slot %zu", shown(&f), slot);
			test(&f, slot);
		}
	}
}

/* I2: not bootable means no tries, not good, not in the order. */
static void mark(const struct flags *before, size_t slot)
{
	struct flags f = *before;
	flags_mark_target(&f, slot);
	check(f.slot[slot].tries == 0 && !f.slot[slot].good && !listed(&f, slot));
	other_untouched(before, &f, slot);
	check(flags_choice(&f) != (int)slot);
	check(f.recovery == before->recovery);
	struct flags again = f;
	flags_mark_target(&again, slot);
	check(flags_equal(&again, &f));
}

static void i2_mark_target(void **state)
{
	(void)state;
	each_change_in_every_state(mark);
}

/* I5: first in the order, on trial, with tries; a recovery request is done with. */
static void commit(const struct flags *before, size_t slot)
{
	struct flags f = *before;
	flags_commit(&f, slot, 3);
	check(f.order_count >= 1 && f.order[0] == slot);
	check(f.slot[slot].tries == 3 && !f.slot[slot].good);
	check(!f.recovery && !f.reason[0]);
	check(flags_choice(&f) == (int)slot);
	other_untouched(before, &f, slot);
}

static void i5_commit(void **state)
{
	(void)state;
	each_change_in_every_state(commit);
}

static void confirm(const struct flags *before, size_t slot)
{
	struct flags f = *before;
	flags_confirm(&f, slot, 3);
	check(f.slot[slot].tries == 3 && f.slot[slot].good);
	check(listed(&f, slot));
	other_untouched(before, &f, slot);
}

static void confirm_marks_good(void **state)
{
	(void)state;
	each_change_in_every_state(confirm);
}

static void give_up(const struct flags *before, size_t slot)
{
	struct flags f = *before;
	flags_give_up(&f, slot);
	check(f.slot[slot].tries == 0 && !f.slot[slot].good);
	check(flags_choice(&f) != (int)slot);
	other_untouched(before, &f, slot);
}

static void give_up_is_for_good(void **state)
{
	(void)state;
	each_change_in_every_state(give_up);
}

static void recovery_is_asked_for_and_left(void **state)
{
	(void)state;
	struct iterator it = {.slots = 2};
	struct flags before, f;
	while (next_flags(&it, &before)) {
		at_case("%s", shown(&before));
		f = before;
		flags_request_recovery(&f, "request");
		check(f.recovery && !strcmp(f.reason, "request") && flags_choice(&f) == -1);
		for (size_t s = 0; s < 2; s++)
			check(f.slot[s].tries == before.slot[s].tries &&
			      f.slot[s].good == before.slot[s].good);
		check(f.order_count == before.order_count &&
		      !memcmp(f.order, before.order, f.order_count));
		flags_leave_recovery(&f);
		check(!f.recovery && !f.reason[0]);
		f.recovery = before.recovery;
		check(flags_equal(&f, &before));
	}
}

/* The reason is one word of the environment: it must not be able to say anything else there. */
static void reason_is_a_word(void **state)
{
	(void)state;
	static const char *const hostile[] = {
		"two words",  "a=b",
		"x;reset",    "quote\"",
		"line\nfeed", "UPPER",
		"\xc3\xa4",   "a_very_long_reason_that_does_not_fit_into_the_field_at_all"};
	for (size_t i = 0; i < COUNT(hostile); i++) {
		struct flags f = {0};
		flags_request_recovery(&f, hostile[i]);
		at_case("\"%s\" became \"%s\"", hostile[i], f.reason);
		check(f.recovery && strlen(f.reason) < FLAGS_REASON_SIZE);
		for (const char *c = f.reason; *c; c++)
			check((*c >= 'a' && *c <= 'z') || *c == '-' || (*c >= '0' && *c <= '9'));
	}
	struct flags f = {0};
	flags_request_recovery(&f, "");
	assert_true(f.recovery);
	flags_request_recovery(&f, "no-tries-left");
	assert_string_equal(f.reason, "no-tries-left");
}

/*
 * I11 in words of its own: with two slots, a target is never the one that runs, and never the one
 * slot that has confirmed itself when the other has not. With one slot, that slot, and only from
 * recovery.
 */
static bool may_overwrite(const struct flags *f, size_t slot_count, int running, size_t slot)
{
	if (slot >= slot_count || (int)slot == running)
		return false;
	if (slot_count == 1)
		return running < 0;
	return !(f->slot[slot].good && !f->slot[!slot].good);
}

static void i11_target_truth_table(void **state)
{
	(void)state;
	size_t rows = 0, refused = 0;
	for (size_t slots = 1; slots <= 2; slots++) {
		struct iterator it = {.slots = slots};
		struct flags f;
		while (next_flags(&it, &f))
			for (int running = -1; running < (int)slots; running++)
				for (int wanted = -1; wanted < (int)slots; wanted++) {
					enum detail why = DETAIL_OK;
					int target = flags_target(&f, slots, running, wanted, &why);
					bool any = false;
					at_case("%s, slots %zu running %d wanted %d: %d %s",
						shown(&f), slots, running, wanted, target,
						detail_name(why));
					rows++;
					for (size_t s = 0; s < slots; s++)
						any |= (wanted < 0 || wanted == (int)s) &&
						       may_overwrite(&f, slots, running, s);
					/* Sound, and it finds one where there is one. */
					if (target >= 0) {
						check(target < (int)slots);
						check(may_overwrite(&f, slots, running,
								    (size_t)target));
						check(wanted < 0 || wanted == target);
						continue;
					}
					refused++;
					check(target == -1 && !any);
					/* Somebody named the slot, or everything was tried. */
					check(why == DETAIL_SLOT_KEPT ||
					      why == DETAIL_NOT_CONFIRMED_YET ||
					      why == DETAIL_SINGLE_SLOT_RUNNING);
					check(why != DETAIL_SLOT_KEPT || wanted >= 0);
					check((why == DETAIL_SINGLE_SLOT_RUNNING) == (slots == 1));
				}
	}
	assert_true(rows > 3000 && refused > 100);
}

/* The running system on trial must not overwrite the only good one: its own sentence says what to
 * do. */
static void i11_running_on_trial(void **state)
{
	(void)state;
	struct flags f = {.order_count = 2, .order = {1, 0}, .slot = {{3, true}, {2, false}}};
	enum detail why = DETAIL_OK;
	assert_int_equal(flags_target(&f, 2, 1, -1, &why), -1);
	assert_detail(why, DETAIL_NOT_CONFIRMED_YET);
	f.slot[1].good = true;
	assert_int_equal(flags_target(&f, 2, 1, -1, &why), 0);
	assert_int_equal(flags_target(&f, 2, 0, -1, &why), 1);
}

static void slot_that_does_not_exist(void **state)
{
	(void)state;
	struct flags f = {.order_count = 1, .slot = {{3, true}, {0, false}}};
	enum detail why = DETAIL_OK;
	for (size_t slots = 1; slots <= 2; slots++)
		for (int wanted = (int)slots; wanted < 5; wanted++) {
			assert_int_equal(flags_target(&f, slots, -1, wanted, &why), -1);
			assert_detail(why, DETAIL_SLOT_UNKNOWN);
		}
}

/* From recovery with nothing said: what would boot is kept where something else can be taken. */
static void target_spares_what_would_boot(void **state)
{
	(void)state;
	struct flags f = {.order_count = 2, .order = {0, 1}, .slot = {{3, true}, {3, true}}};
	enum detail why;
	assert_int_equal(flags_target(&f, 2, -1, -1, &why), 1);
	f.order[0] = 1;
	f.order[1] = 0;
	assert_int_equal(flags_target(&f, 2, -1, -1, &why), 0);
	f.recovery = true; /* the request does not change which of them is the better one */
	assert_int_equal(flags_target(&f, 2, -1, -1, &why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(choice_is_the_boot_scripts),
		TEST(equality_sees_every_field),
		TEST(i2_mark_target),
		TEST(i5_commit),
		TEST(confirm_marks_good),
		TEST(give_up_is_for_good),
		TEST(recovery_is_asked_for_and_left),
		TEST(reason_is_a_word),
		TEST(i11_target_truth_table),
		TEST(i11_running_on_trial),
		TEST(slot_that_does_not_exist),
		TEST(target_spares_what_would_boot),
	};
	return RUN_ALL(tests);
}
