/*
 * Sentences from facts, for every skin. All functions append to a text of the caller's; WORDS_SIZE
 * bytes hold any of them.
 */
#ifndef LIFEBOAT_WORDS_H
#define LIFEBOAT_WORDS_H

#include "ui/screen.h"
#include "ui/strings.h"

#define WORDS_SIZE 768

/* Numbers for people. The first two give the caller's buffer back, for say_with(). */
#define WORDS_NUMBER_SIZE 32
const char *words_number(char buffer[WORDS_NUMBER_SIZE], uint64_t v);
const char *words_bytes(char buffer[WORDS_NUMBER_SIZE], uint64_t v);
void words_version(struct text *t, enum string id, const char *text, uint64_t release);
void words_speed(struct text *t, uint64_t bytes_per_second);
void words_left(struct text *t, uint32_t seconds); /* with a leading comma; nothing when unknown */
void words_duration(struct text *t, uint64_t ms);
void words_done_of(struct text *t, uint64_t done, uint64_t total); /* "8.0 of 36.3 MiB" */

/* Who this is, and why recovery runs. */
void words_slot(struct text *t, const struct screen_slot *slot);
void words_reason(struct text *t, const char *word);
void words_pending(struct text *t, const struct screen *screen);
void words_wipe(struct text *t, const struct screen *screen); /* nothing when none is to be done */

/* "object: sentence (image, offset, error)." other: what the sentence is about where the fault
 * names no object. */
void words_fault(struct text *t, const struct fault *fault, const char *other);
void words_errno(struct text *t, int sys_errno);

/* What was found, and what will happen. */
void words_wait(struct text *t, const struct screen *screen);
void words_found(struct text *t, const struct screen_package *package);
void words_found_version(struct text *t, const struct screen_package *package);
void words_plan(struct text *t, const struct screen *screen);
void words_plan_image(struct text *t, const struct plan_image *image); /* without its label */

void words_wipe_names(struct text *t,
		      const struct plan_wipe *plan); /* "data (8 MiB), logs (64 KiB)" */

/* Choices. */
char words_action_key(enum action action); /* lower case; 0 for ACTION_NONE */
enum action words_action_of(int key);	   /* either case; ACTION_NONE */
void words_action(struct text *t, enum action action);
void words_question(struct text *t, enum question question);
void words_offer(struct text *t, const struct screen_offers *offers, size_t i); /* a line */
void words_countdown(struct text *t, const struct screen_offers *offers);
void words_chosen(struct text *t, const struct screen_offers *offers);

/* The work. */
void words_keep_on(struct text *t, const struct screen *screen);
void words_step(struct text *t,
		const struct screen *screen); /* nothing for a step without a sentence */
void words_progress(struct text *t, const struct screen *screen);
void words_done(struct text *t, const struct screen *screen);

/* The end. */
void words_result_head(struct text *t, const struct result *result);
void words_result(struct text *t, const struct screen *screen);
void words_next(struct text *t, const struct screen *screen); /* what now holds; may be nothing */
void words_result_what(struct text *t, enum result_what what);

#endif
