/*
 * The skin for a serial console: lines that people and tests can follow, on the dumbest terminal
 * and in a log file.
 *
 * On a terminal that can go back to the start of a line (TERM is set and not "dumb") the line of
 * progress and the countdown are drawn again in place; elsewhere progress is a line at each ten
 * percent and at least every ten seconds. No other control characters are ever sent. Text is ASCII
 * unless SERIAL_UTF8.
 */
#ifndef LIFEBOAT_SERIAL_H
#define LIFEBOAT_SERIAL_H

#include "ui/keys.h"
#include "ui/out.h"
#include "ui/screen.h"

#define SERIAL_SIGNALS 1u /* Ctrl-C ends the program (a command): it is not a key */
#define SERIAL_UTF8 2u
#define SERIAL_PLAIN 4u /* never draw a line again in place */

struct serial {
	struct skin skin; /* first */
	struct out_fd out;
	struct keys keys;
	bool redraw;	      /* the terminal knows '\r' */
	bool titled;	      /* the title was shown */
	bool named;	      /* the product too */
	bool asked;	      /* something can be chosen now */
	size_t drawn;	      /* columns of the line that may be drawn again; 0: none */
	unsigned percent;     /* last shown */
	uint64_t progress_ms; /* when progress was last shown */
};

/* Starts a skin on two descriptors, which stay the caller's. in: -1 for no input. */
void serial_open(struct serial *serial, int in, int out, unsigned flags);

/* Puts the terminal back and lets go of it, while a shell has it; serial_open() may follow. */
void serial_close(struct serial *serial);

#endif
