/*
 * A session of recovery: what it knows between two rounds, what may happen without a person, and
 * how people are asked. recover.c has the loop, offer.c what becomes of a package that was found.
 */
#ifndef LIFEBOAT_SESSION_H
#define LIFEBOAT_SESSION_H

#include "find.h"

/* Nobody came and nothing was plugged in: back to the system that is there. */
#define SESSION_IDLE_S 300

/* What has become of a package in this session; a choice from the menu forgets it. */
#define SESSION_PACKAGES 8
struct session_package {
	uint8_t id[HASH_LEN];
	unsigned attempts; /* without a person */
	bool refused;	   /* a person said no to it, or nobody said anything */
	unsigned asked_s;  /* so long it was asked about, in questions that devices interrupted, */
	uint64_t asked_ms; /* ... the last of them until then; 0: none */
};

/* What recover knows between two rounds. */
struct recover {
	struct app *app;
	char reason[FLAGS_REASON_SIZE];
	struct found found;
	struct result result;
	bool by_hand; /* a person chose what happens now: attempts do not count */
	bool menu;    /* the menu is wanted, nothing happens by itself */
	struct session_package packages[SESSION_PACKAGES];
	size_t next_package; /* takes the place of the oldest */
	bool worked;	     /* on this package, so that percent does not go back when it goes on */
	uint8_t worked_on[HASH_LEN];
	bool failure_shown;
	bool stands;	     /* nothing happens by itself for a while: that ended badly too often */
	unsigned begins;     /* tries to open the device after the first one failed */
	bool looked;	     /* at least once */
	uint64_t network_ms; /* when the server may be asked again */
	unsigned downloads;
	bool idles;	   /* nothing else is left to look at than the server */
	unsigned stopped;  /* looks at the server in a row that a key or a device ended */
	unsigned looks;	   /* at the server while an install from one waits */
	uint64_t begun_ms; /* the device is open since then */
	uint64_t stay_ms;  /* when it is time to start the system, whatever happens; 0: not known */
	bool network_ok;
};

/* The package's entry, or a new one. */
struct session_package *session_package(struct recover *r, const uint8_t id[HASH_LEN]);

bool session_was_refused(struct recover *r, const uint8_t id[HASH_LEN]);
/* Forgets which packages were refused. */
void session_accept_all(struct recover *r);

/*
 * Whether this package may be installed without a person: a few times, and never after a failed
 * trial (I8).
 */
bool session_may_try(struct recover *r, const uint8_t id[HASH_LEN]);

/* What failed before the engine could make a result of it: shown, and (keep) stored. */
void session_failed(struct recover *r, enum result_what what, const struct fault *fault,
		    const char *origin, bool keep);

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

/*
 * Offers choices and waits for one. until_device: something that is plugged in or out ends it too,
 * with ACTION_NONE.
 */
enum action session_ask(struct recover *r, enum question question, const enum action *actions,
			size_t count, enum action at_end, unsigned seconds, bool until_device);

/* Pages of the log, until a person has seen enough; or the way onto a stick. */
void session_show_log(struct recover *r);

#endif
