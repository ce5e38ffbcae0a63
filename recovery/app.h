/*
 * The wiring: one place that knows core, platform and screen. Everything large lives in here, once,
 * so that the memory of the program is known beforehand.
 */
#ifndef LIFEBOAT_APP_H
#define LIFEBOAT_APP_H

#include "core/install.h"
#include "core/ubootenv.h"
#include "platform/disk.h"
#include "platform/hotplug.h"
#include "platform/source_file.h"
#include "platform/source_http.h"
#include "platform/system.h"
#include "platform/watch.h"
#include "ui/screen.h"
#include "ui/serial.h"

#define LIFEBOAT_VERSION "0.1"
#define APP_DEVELOPMENT_FILE "/etc/lifeboat/development"

struct app_options {
	const char *board; /* --board: a compiled device tree; NULL: the running kernel's */
	const char *disk; /* --disk: a disk that does not run (image file or device); NULL: look for
			     it */
	const char *running; /* --running: with --disk, the slot that counts as running */
};

struct app_observer {
	struct observer observer; /* first */
	struct app *app;
	enum step step; /* last one that was logged */
};

struct app {
	struct app_options options;
	bool recovery;	  /* this is the recovery system */
	bool development; /* a development build */
	bool open;	  /* the device below is usable */
	struct fault
		uncounted;     /* why this start could not be counted, as app_settle found; or OK */
	int lock;	       /* -1: none */
	uint32_t lock_wait_ms; /* how long to wait for another lifeboat process to end */
	struct dev *state_dev;
	struct watchdog watchdog;
	struct watch watch;
	struct app_observer observer;

	struct screen screen;
	struct serial serial;
	bool may_stop;	      /* a choice or a new device ends what is being waited for: */
	enum action chosen;   /* ... what was chosen meanwhile */
	bool devices_changed; /* ... something was plugged in or out */
	struct hotplug hotplug;

	struct board board;
	struct disk disk;
	struct ubootenv env;
	struct state state;
	struct device device;
	struct front front;
	alignas(4096) uint8_t buffer[CHUNK_SIZE_MAX];

	union {
		struct source source;
		struct source_file file;
		struct source_http http;
	} from;
	bool from_open;
	const struct http_limits *limits; /* for the next source; NULL: the usual */
};

/* Signals, mode, watchdog. screen: what happens is shown on standard output, and keys are read. */
void app_start(struct app *app, const struct app_options *options, bool screen);
void app_end(struct app *app);

/*
 * Board tree, lock, disk, state, flags. for_writing: takes the lock and opens for writing. On
 * failure app->open is false and only the screen may be used.
 */
enum detail app_open(struct app *app, bool for_writing, struct fault *fault);
void app_close(struct app *app);

/*
 * Opens a package by path or URL; what was open before is closed. The source stays valid until
 * app_source_close.
 */
enum detail app_source_open(struct app *app, const char *name, struct source **source,
			    struct fault *fault);
void app_source_close(struct app *app);

/*
 * Counts this start of the system (once, however often this is called) and settles a trial that
 * ended badly. True: one did; result tells.
 */
bool app_settle(struct app *app, const char *reason, struct result *result);

/* Whether another lifeboat process works on this device. */
bool app_is_busy(const struct app *app);

/* What the device is like now, for the screen. */
void app_show_device(struct app *app);

/* A line for the stored log, with boot count and time before it. */
void app_log(struct app *app, const char *text);
/* "install: verify_failed (20), 2010 SIGNATURE_WRONG: package, key ...: has a signature ..." */
void app_log_result(struct app *app, const struct result *result);

/*
 * Feeds the watchdog, looks at signals, and at keys where they may stop what goes on; true: stop.
 */
bool app_poll(struct app *app);

/*
 * The result of something that failed before install_run could make one: with what the package says
 * of itself where its signature held (the front holds it). app_keep stores and logs it.
 */
void app_failure(struct app *app, enum result_what what, const struct fault *fault,
		 const char *origin, struct result *result);
void app_keep(struct app *app, const struct result *result);

/* Whether a write may go on: in the running system its slot must be known. */
enum detail app_check_mode(const struct app *app, struct fault *fault);

#endif
