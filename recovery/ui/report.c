#include "ui/report.h"

#include <string.h>

#include "ui/words.h"

static void spaces(struct out *out, size_t n)
{
	while (n--)
		out_raw(out, " ", 1);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Copies the next word of a text to a buffer; returns where the rest begins. */
static const char *next_word(const char *text, char *word, size_t size)
{
	size_t len = 0;

	while (is_space(*text))
		text++;
	while (*text && !is_space(*text) && len + 1 < size)
		word[len++] = *text++;
	word[len] = 0;
	return text;
}

/* Words from a column on; lines after the first begin at indent. Ends the line. */
static void wrapped(struct out *out, const char *text, size_t indent)
{
	char word[WORDS_SIZE];
	size_t column = indent;
	const char *rest = next_word(text, word, sizeof(word));

	while (word[0]) {
		size_t columns = out_columns(word);
		if (column > indent && column + 1 + columns > REPORT_WIDTH) {
			out_raw(out, "\n", 1);
			spaces(out, indent);
			column = indent;
		}
		if (column > indent) {
			spaces(out, 1);
			column++;
		}
		out_add(out, word);
		column += columns;
		rest = next_word(rest, word, sizeof(word));
	}
	out_raw(out, "\n", 1);
}

void report_row(struct out *out, const char *label, const char *text)
{
	size_t columns = out_columns(label);

	out_add(out, label);
	spaces(out, columns < REPORT_INDENT ? REPORT_INDENT - columns : 1);
	wrapped(out, text, REPORT_INDENT);
}

void report_text(struct out *out, const char *text)
{
	wrapped(out, text, 0);
}

void report_slots(struct out *out, const struct screen *screen)
{
	char buffer[WORDS_SIZE], label[32];
	struct text t = TEXT_IN(buffer), l = TEXT_IN(label);

	for (size_t i = 0; i < screen->slot_count; i++) {
		text_clear(&l);
		say_with(&l, STRING_LABEL_SLOT, screen->slots[i].name, NULL, NULL, NULL);
		text_clear(&t);
		words_slot(&t, &screen->slots[i]);
		report_row(out, label, buffer);
	}
	if (screen->flags_damaged)
		report_row(out, "", string(STRING_FLAGS_DAMAGED));
	if (screen->wipe != STATE_WIPE_NONE) {
		text_clear(&t);
		words_wipe(&t, screen);
		report_row(out, string(STRING_LABEL_PENDING), buffer);
	}
	if (screen->pending) {
		text_clear(&t);
		words_pending(&t, screen);
		report_row(out, string(STRING_LABEL_PENDING), buffer);
	}
}

void report_found(struct out *out, const struct screen *screen)
{
	const struct screen_package *package = &screen->package;
	char buffer[WORDS_SIZE], others[32];
	struct text t = TEXT_IN(buffer), n = TEXT_IN(others);

	words_found(&t, package);
	report_row(out, string(STRING_LABEL_FOUND), buffer);
	text_clear(&t);
	words_found_version(&t, package);
	report_row(out, "", buffer);
	if (package->others) {
		text_u64(&n, package->others);
		text_clear(&t);
		say_with(&t, STRING_FOUND_OTHERS, others, NULL, NULL, NULL);
		report_row(out, "", buffer);
	}
	if (package->notes[0])
		report_row(out, string(STRING_LABEL_NOTES), package->notes);
}

/* Label, then size and room, in columns. */
static void plan_image(struct out *out, const struct plan_image *image, size_t label_columns)
{
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	words_plan_image(&t, image);
	spaces(out, REPORT_INDENT);
	out_add(out, image->label);
	spaces(out, label_columns - out_columns(image->label) + 2);
	out_line(out, buffer);
}

void report_plan(struct out *out, const struct screen *screen)
{
	const struct plan *plan = &screen->plan;
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);
	size_t widest = 0;

	words_plan(&t, screen);
	report_row(out, string(STRING_LABEL_PLAN), buffer);
	for (size_t i = 0; i < plan->image_count; i++) {
		size_t columns = out_columns(plan->images[i].label);
		widest = columns > widest ? columns : widest;
	}
	for (size_t i = 0; i < plan->image_count; i++)
		plan_image(out, &plan->images[i], widest);
}

void report_result(struct out *out, const struct screen *screen)
{
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);
	const char *advice = detail_advice(screen->result.fault.detail);

	words_result_head(&t, &screen->result);
	report_row(out, string(STRING_LABEL_RESULT), buffer);
	text_clear(&t);
	words_result(&t, screen);
	report_row(out, "", buffer);
	if (advice[0])
		report_row(out, string(STRING_LABEL_ADVICE), advice);
	text_clear(&t);
	words_next(&t, screen);
	if (t.len)
		report_row(out, string(STRING_LABEL_NEXT), buffer);
}

void report_settled(struct out *out, const struct result *result)
{
	bool state = result->fault.detail == DETAIL_STATE_LOST;
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	words_result_head(&t, result);
	report_row(out, string(state ? STRING_LABEL_STATE : STRING_LABEL_TRIAL), buffer);
	text_clear(&t);
	words_fault(&t, &result->fault, string(STRING_THE_PACKAGE));
	report_row(out, "", buffer);
	report_row(out, string(STRING_LABEL_ADVICE), detail_advice(result->fault.detail));
}

void report_results_title(struct out *out, bool any)
{
	out_line(out, string(any ? STRING_RESULTS_TITLE : STRING_RESULTS_NONE));
}

void report_past_result(struct out *out, const struct screen *screen, const struct result *result)
{
	char buffer[WORDS_SIZE], what[32], number[24];
	struct text t = TEXT_IN(buffer), w = TEXT_IN(what), n = TEXT_IN(number);

	words_result_what(&w, result->what);
	words_result_head(&t, result);
	if (result->version[0]) {
		text_add(&t, ", ");
		text_u64(&n, result->release);
		say_with(&t, STRING_VERSION, result->version, number, NULL, NULL);
	}
	if (result->slot < screen->slot_count) {
		text_add(&t, ", ");
		say_with(&t, STRING_IN_SLOT, screen->slots[result->slot].name, NULL, NULL, NULL);
	}
	text_clear(&n);
	text_u64(&n, result->boot_count);
	text_add(&t, ", ");
	say_with(&t, STRING_AT_BOOT, number, NULL, NULL, NULL);
	if (result->wall[0]) {
		text_add(&t, ", ");
		text_add(&t, result->wall);
	}
	report_row(out, what, buffer);
	if (result->fault.detail) {
		text_clear(&t);
		words_fault(&t, &result->fault, string(STRING_THE_PACKAGE));
		report_row(out, "", buffer);
	}
}
