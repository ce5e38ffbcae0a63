/*
 * Rows and tables for people: a label, and text beside it that is wrapped to the width of a
 * terminal. Used by the serial skin and by `lifeboat status`, `plan`, `install`.
 */
#ifndef LIFEBOAT_REPORT_H
#define LIFEBOAT_REPORT_H

#include "ui/out.h"
#include "ui/screen.h"

#define REPORT_WIDTH 79	 /* columns: the last one would wrap on some terminals */
#define REPORT_INDENT 12 /* of the text beside the labels */

/* label may be "" (the row goes on). A word that is too long for a line is not cut: an address can
 * be copied. */
void report_row(struct out *out, const char *label, const char *text);
/* Text over the whole width. */
void report_text(struct out *out, const char *text);

/* Slots, damaged flags, unfinished work. */
void report_slots(struct out *out, const struct screen *screen);

/* What was found, and the plan for it. */
void report_found(struct out *out, const struct screen *screen);
void report_plan(struct out *out, const struct screen *screen);

/* The result on the screen: status, sentence, advice, what holds now. */
void report_result(struct out *out, const struct screen *screen);

/* What install_settle found: status, sentence, advice. */
void report_settled(struct out *out, const struct result *result);

/* One line of the table of stored results; slot names come from the screen. */
void report_results_title(struct out *out, bool any);
void report_past_result(struct out *out, const struct screen *screen, const struct result *result);

#endif
