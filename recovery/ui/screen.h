/*
 * What a person must know now: one model, shown by any number of skins (serial console; later
 * display and web).
 *
 * The model holds facts and no sentence; sentences come from words.h, so that every skin says the
 * same. Whoever drives it (recover, install) states facts with the functions below; each hands the
 * change on to all skins. Nothing here can fail, block for long, or change what an install does
 * (I10): a skin that cannot show something drops it.
 *
 * A session of recovery:
 *
 *   screen_open, screen_add_skin           once
 *   screen_device, screen_reason           who this is, and why recovery runs
 *   screen_wait                            nothing found yet
 *   screen_found, screen_plan              what was found, and what would happen
 *   screen_offer, then screen_poll         until it returns an action: chosen, or by countdown
 *   screen_work, then screen_progress      from the observer of the engine
 *   screen_device, screen_result           how it ended; then again screen_offer, screen_poll
 *   screen_leave, screen_close
 *
 * Between two calls of screen_poll the caller may sleep in poll(2) on screen_fd() for at most
 * screen_timeout_ms(). All text that comes from outside (file names, versions, addresses) may hold
 * any byte: skins make it harmless.
 */
#ifndef LIFEBOAT_SCREEN_H
#define LIFEBOAT_SCREEN_H

#include "core/wipe.h"
#include "ui/pace.h"

#define SCREEN_SKINS_MAX 4
#define SCREEN_OFFERS_MAX 9 /* so that each has a digit */

enum screen_wait {
	WAIT_NOTHING,
	WAIT_PACKAGE,	 /* looking for a package at all sources of the board; object: "" */
	WAIT_STICK_BACK, /* the stick was pulled out during the work; object: which */
	WAIT_NETWORK,	 /* no link, or no address yet; object: the interface, or "" */
	WAIT_SERVER,	 /* the server does not answer, it is tried again; object: the address */
};

/* What a person can choose. Each has one letter, the same everywhere (words_action_key). */
enum action {
	ACTION_NONE,
	ACTION_INSTALL,	     /* i  what the plan says */
	ACTION_YES,	     /* y */
	ACTION_NO,	     /* n */
	ACTION_FROM_STICK,   /* s  menu: install from a stick or card */
	ACTION_FROM_NETWORK, /* w  menu: install from the network */
	ACTION_RESTART,	     /* r  start the installed system */
	ACTION_POWER_OFF,    /* p */
	ACTION_SHOW_LOG,     /* l */
	ACTION_OLDER_LOG,    /* o  the page before this one */
	ACTION_COPY_LOG,     /* c  onto the stick */
	ACTION_SHELL,	     /* x  development builds only */
	ACTION_WIPE,	     /* e  menu: erase user data */
	ACTION_WIPE_NOW,     /* d  not the key that led to the question */
	ACTION_MENU,	     /* m  also Ctrl-C: stops a countdown */
	ACTION_COUNT
};

/* What is asked. It is the sentence above the choices. */
enum question {
	QUESTION_MENU,	  /* what to do */
	QUESTION_INSTALL, /* install what was found? */
	QUESTION_OLDER,	  /* it is older than what is installed: really? */
	QUESTION_DONE,	  /* after a good result: restart */
	QUESTION_FAILED,  /* after a bad result */
	QUESTION_LOG,	  /* below a page of the log */
	QUESTION_WIPE,	  /* erase user data: really? */
	QUESTION_WIPED,	  /* after that: restart */
};

/* What kind of work goes on. */
enum work { WORK_INSTALL, WORK_VERIFY, WORK_WIPE };

/* Where a package came from. */
enum origin { ORIGIN_FILE, ORIGIN_STICK, ORIGIN_NETWORK };

struct screen_slot {
	char name[8];
	bool known; /* the state partition knows what is in it */
	char version[MANIFEST_VERSION_SIZE];
	uint64_t release;
	bool flags; /* the flag store could be read; else tries, good and in_order say nothing */
	bool in_order;
	bool first; /* the boot script would start it */
	bool good;
	bool running;
	uint32_t tries;
};

struct screen_package {
	enum origin origin;
	char name[256];	 /* path or address; with a stick, within it */
	char medium[64]; /* stick or interface, as people may know it ("sda1, SanDisk Ultra"); may
			    be empty */
	char version[MANIFEST_VERSION_SIZE];
	uint64_t release;
	uint64_t size;	 /* bytes of the package; UINT64_MAX: unknown */
	char signer[64]; /* name of the key that held */
	char notes[256]; /* of the manifest, cut; may be empty */
	unsigned others; /* packages that were there too and are not used */
};

struct screen_offers {
	enum question question;
	size_t count;				/* 0: nothing can be chosen now */
	enum action actions[SCREEN_OFFERS_MAX]; /* as they are shown, numbered from 1 */
	enum action at_end; /* what happens when the time is over; ACTION_NONE: no countdown */
	uint64_t end_ms;    /* monotonic */
	unsigned seconds;   /* left, rounded up */
	enum action chosen; /* when count is 0: what was chosen last, until the next offer */
	bool by_itself;	    /* chosen by the countdown */
};

/* How it ends. */
enum leave { LEAVE_RESTART, LEAVE_POWER_OFF, LEAVE_SHELL };

enum screen_change {
	CHANGE_ALL, /* show everything again: somebody has just sat down */
	CHANGE_DEVICE,
	CHANGE_REASON,
	CHANGE_WAIT,
	CHANGE_FOUND,
	CHANGE_PLAN,
	CHANGE_OFFERS,	  /* new ones, or none any more */
	CHANGE_COUNTDOWN, /* seconds, or the countdown was stopped */
	CHANGE_WORK,	  /* begins */
	CHANGE_STEP,	  /* another step, or another image */
	CHANGE_PROGRESS,
	CHANGE_RESULT,
	CHANGE_NOTE,
	CHANGE_LOG,
	CHANGE_LEAVE,
};

struct skin;
struct screen {
	struct clock *clock;
	size_t skin_count;
	struct skin *skins[SCREEN_SKINS_MAX];
	bool recovery;	  /* else: an install in the running system */
	bool development; /* a development build: says so */

	bool known; /* the board: what follows */
	char product[BOARD_TEXT_SIZE];
	size_t slot_count;
	struct screen_slot slots[BOARD_SLOTS_MAX];
	bool flags_damaged;
	bool pending; /* an interrupted install waits for its package ... */
	char pending_version[MANIFEST_VERSION_SIZE];
	char pending_origin[STATE_ORIGIN_SIZE];
	enum state_wipe wipe;		/* user data is to be erased before anything else */
	char reason[FLAGS_REASON_SIZE]; /* the boot script's word */
	bool settled;			/* a trial ended badly: result is its */
	struct result trial;

	enum screen_wait wait;
	char wait_object[256];
	bool look_stick, look_network; /* where WAIT_PACKAGE looks */
	char network_url[BOARD_TEXT_SIZE];

	bool found;
	struct screen_package package;
	bool planned;
	bool resumes; /* the plan goes on with an interrupted install */
	struct plan plan;

	struct screen_offers offers;

	enum work work;
	bool working;
	bool touched;		  /* the target was marked: it is not what it was before */
	struct progress progress; /* role points to role below */
	char role[MANIFEST_ROLE_SIZE];
	uint64_t written, unchanged; /* bytes of the target, by the step that wrote it */
	uint64_t work_start_ms;
	uint64_t work_ms; /* how long it took, when it is done */
	struct pace pace; /* percent, speed, time left */

	bool ended; /* there is a result */
	struct result result;

	const char *note; /* during CHANGE_NOTE only */
	const char *log;  /* during CHANGE_LOG only */
	size_t log_len;
	enum leave leave;
};

/* A skin: how it is shown. Functions may be NULL. */
struct skin_ops {
	void (*show)(struct skin *skin, const struct screen *screen, enum screen_change change);
	/* The next key that was pressed, as a character; -1: none. Never blocks. */
	int (*key)(struct skin *skin);
	/* Becomes readable when key() has something to say; -1: none, or none any more. */
	int (*fd)(const struct skin *skin);
	/* Puts the terminal back as it was. May be called from a signal handler, and twice. */
	void (*close)(struct skin *skin);
};
struct skin {
	const struct skin_ops *ops;
};

/* clock must outlive the screen. recovery: this is the recovery system. */
void screen_open(struct screen *screen, struct clock *clock, bool recovery, bool development);
void screen_add_skin(struct screen *screen, struct skin *skin);
void screen_close(struct screen *screen);

/*
 * Who this is. flags: NULL when the store is damaged. record: NULL when there is no state
 * partition. pending: NULL, or the journal of an interrupted install. running: slot index, -1:
 * recovery. Everything is copied. The same again shows nothing.
 */
void screen_device(struct screen *screen, const struct board *board, const struct flags *flags,
		   const struct state_record *record, const struct journal *pending, int running);

/* Why recovery runs. reason: the boot script's word, or "". trial: what install_settle found. */
void screen_reason(struct screen *screen, const char *reason, const struct result *trial);

/* Nothing to do until something comes; WAIT_NOTHING: it has come. The same again shows nothing. */
void screen_wait(struct screen *screen, enum screen_wait wait, const char *object);

void screen_found(struct screen *screen, const struct screen_package *package);
void screen_plan(struct screen *screen, const struct plan *plan, bool resumes);

/*
 * Offers choices. at_end happens after that many seconds unless somebody chooses before;
 * ACTION_NONE or 0 seconds: there is no countdown. at_end should be one of the actions. ACTION_MENU
 * can be chosen only where it is offered.
 */
void screen_offer(struct screen *screen, enum question question, const enum action *actions,
		  size_t count, enum action at_end, unsigned seconds);

/*
 * Reads keys and runs the countdown. Returns what was chosen (the offer is then over), or
 * ACTION_NONE. A key that is no choice, Enter included, shows everything again: so nobody who only
 * wants to see whether the device lives chooses something by that. Cheap: may be called from
 * observer.poll.
 */
enum action screen_poll(struct screen *screen);
int screen_fd(const struct screen *screen, size_t skin); /* -1: none */
int screen_timeout_ms(const struct screen *screen);	 /* -1: for ever */

/* The work begins. again: after an interruption, with the same package: percent does not go back.
 */
void screen_work(struct screen *screen, enum work work, bool again);
/* Outside of the work (a plan reports steps too) nothing is shown. */
void screen_progress(struct screen *screen, const struct progress *progress);

/*
 * The end of it, good or bad: result.fault says which. The slots that it speaks of are those of the
 * last screen_device: call that first, with the flags as they are now.
 */
void screen_result(struct screen *screen, const struct result *result);

/* Shows everything again: after something else had the terminal. */
void screen_again(struct screen *screen);

/* A line that is not part of the story (a log line that people should see). */
void screen_note(struct screen *screen, const char *text);
/* A page of the log, as stored: lines that end with '\n'. Then offer QUESTION_LOG. */
void screen_log(struct screen *screen, const char *text, size_t len);

/* Last words before a restart, power off or shell. */
void screen_leave(struct screen *screen, enum leave leave);

#endif
