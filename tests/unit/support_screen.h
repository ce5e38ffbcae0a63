/* A session at a screen, with a clock of its own: what is typed comes from a pipe, what is shown
 * goes to a file. */
#ifndef SUPPORT_SCREEN_H
#define SUPPORT_SCREEN_H

#include "support.h"

#include "ui/serial.h"
#include "ui/words.h"

struct session {
	struct clock clock; /* first: fake_ms */
	uint64_t ms;
	struct board board;
	struct flags flags;
	struct state_record record;
	struct screen screen;
	struct serial serial;
	int in, out; /* ends of ours: what is written to in is typed, out is a file */
	int typed;   /* the serial skin's end */
	char *seen;
};

struct session *new_session(size_t slots);
void end_session(struct session *s);
const char *seen(struct session *s);
void is_seen(struct session *s, const char *text);
void show_device(struct session *s);
struct screen_package package_2(enum origin origin);
struct plan plan_for(size_t target, bool in_place);
void found_and_planned(struct session *s, size_t target, bool in_place);
void step(struct session *s, enum step at);
void long_step(struct session *s, enum step at, uint64_t bytes_per_s);
enum action wait_for_choice(struct session *s, unsigned seconds);
struct result result_of(enum detail detail, const char *object, uint32_t slot);
void offer_install(struct session *s, unsigned seconds);
void type(struct session *s, const char *keys); /* at the skin's input */

#endif
