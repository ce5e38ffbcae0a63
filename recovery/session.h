/*
 * A session of recovery: what it knows between two rounds, what may happen without a person, and
 * how people are asked. recover.c has the loop, offer.c what becomes of a package that was found.
 */
#ifndef LIFEBOAT_SESSION_H
#define LIFEBOAT_SESSION_H

#include "find.h"

/* Nobody came and nothing was plugged in: back to the system that is there. */
#define SESSION_IDLE_S 300
/* Waiting for somebody, with nothing going on: what was done before does not restart the device. */
#define SESSION_REST_MS 60000

/* What recover knows between two rounds. */
struct recover {
	struct app *app;
	char reason[FLAGS_REASON_SIZE];
	struct found found;
	struct result result;
	bool by_hand;		 /* a person chose what happens now: attempts do not count */
	bool menu;		 /* the menu is wanted, nothing happens by itself */
	uint8_t tried[HASH_LEN]; /* package of the attempts below */
	unsigned attempts;
	bool worked; /* on this package, so that percent does not go back when it goes on */
	uint8_t worked_on[HASH_LEN];
	uint8_t refused[HASH_LEN]; /* a person said no to this one */
	bool failure_shown;
	bool stands;	     /* nothing happens by itself for a while: that ended badly too often */
	unsigned begins;     /* tries to open the device after the first one failed */
	bool looked;	     /* at least once */
	uint64_t network_ms; /* when the server may be asked again */
	unsigned downloads;
	unsigned looks;		 /* at the server while an install from one waits */
	uint8_t asked[HASH_LEN]; /* about this package, a question that a device interrupted: */
	uint64_t asked_until_ms; /* ... when it ends by itself; 0: none */
	uint64_t stay_ms; /* when it is time to start the system, whatever happens; 0: not known */
	bool network_ok;
};

/*
 * Whether this package may be installed without a person: a few times, and never after a failed
 * trial (I8).
 */
bool session_may_try(struct recover *r, const uint8_t id[HASH_LEN]);

/* Stores the log and restarts or powers off. Does not return. */
void session_leave(struct recover *r, enum system_action action);

/* Starts what is installed. Returns only when that is not possible: the reason is on the screen. */
void session_start_system(struct recover *r, bool by_hand);

/* The maintenance shell of a development build, until it ends. */
void session_shell(struct app *app);

/*
 * Waits at most a second for a key, a device or the end of a countdown. Returns what was chosen, or
 * ACTION_NONE.
 */
enum action session_wait(struct recover *r);

/* To be called while it waits for somebody, since then: counts starts anew after a while (I8). */
void session_rests(struct recover *r, uint64_t since_ms);

/*
 * Offers choices and waits for one. until_device: something that is plugged in or out ends it too,
 * with ACTION_NONE.
 */
enum action session_ask(struct recover *r, enum question question, const enum action *actions,
			size_t count, enum action at_end, unsigned seconds, bool until_device);

/* Pages of the log, until a person has seen enough; or the way onto a stick. */
void session_show_log(struct recover *r);

#endif
