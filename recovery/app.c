#include "app.h"
#include "ui/words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DISK_WAIT_MS 10000 /* a card may take a second or two to appear; ten is a broken one */
#define LOCK_AGAIN_MS 500
#define BOOT_STAMP "/run/lifeboat.counted"
#define WATCHDOG_TIMEOUT_S 60 /* longer than any single operation of the recovery system */

static const char *const step_names[] = {
	[STEP_CHECK] = "checking signature and manifest",
	[STEP_VERIFY_FIRST] = "checking the whole package",
	[STEP_PLAN] = "planning",
	[STEP_MARK] = "marking the target not bootable",
	[STEP_WRITE] = "writing",
	[STEP_READ_BACK] = "reading back",
	[STEP_COMMIT] = "switching the boot flags",
	[STEP_DONE] = "done",
};

/* --- Log --- */

void app_log(struct app *app, const char *text)
{
	char line[1024];
	struct text t = TEXT_IN(line);
	uint64_t ms = system_now_ms();

	text_add(&t, "[boot ");
	text_u64(&t, app->state.record.boot_count);
	text_add(&t, " +");
	text_u64(&t, ms / 1000);
	text_char(&t, '.');
	text_char(&t, (char)('0' + ms / 100 % 10));
	text_add(&t, "] ");
	text_add(&t, text);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20)
			*c = ' ';
	if (app->open)
		state_log(&app->state, line);
}

static void log_flush(struct app *app)
{
	struct fault ignored;

	if (app->open)
		state_flush_log(&app->state, &ignored);
}

void app_log_result(struct app *app, const struct result *result)
{
	char line[900];
	struct text t = TEXT_IN(line);
	const struct fault *f = &result->fault;

	words_result_what(&t, result->what);
	text_add(&t, ": ");
	text_add(&t, status_name(detail_status(f->detail)));
	text_add(&t, " (");
	text_u64(&t, detail_status(f->detail));
	text_char(&t, ')');
	if (result->release) {
		text_add(&t, ", release ");
		text_u64(&t, result->release);
	}
	if (f->detail) {
		text_add(&t, ", ");
		text_u64(&t, f->detail);
		text_char(&t, ' ');
		text_add(&t, detail_name(f->detail));
		text_add(&t, ": ");
		words_fault(&t, f, result->origin);
	}
	app_log(app, line);
	log_flush(app);
}

/* --- Who watches --- */

bool app_poll(struct app *app)
{
	watchdog_feed(&app->watchdog);
	if (!app->may_stop)
		return system_interrupted();
	if (!app->chosen)
		app->chosen = screen_poll(&app->screen);
	if (hotplug_wait(&app->hotplug, -1, 0) & HOTPLUG_BLOCK)
		app->devices_changed = true;
	return system_interrupted() || app->chosen || app->devices_changed;
}

static bool watch_poll_app(void *arg)
{
	return app_poll(arg);
}

static void watch_line_app(void *arg, const char *text)
{
	app_log(arg, text);
}

static void watch_retry_app(void *arg, const char *why, uint32_t in_s)
{
	struct app *app = arg;

	if (!in_s)
		return;
	app_log(app, why);
	/* While only looking whether a server is there, nobody waits for it. */
	if (app->screen.working)
		screen_wait(&app->screen, WAIT_SERVER, app->from.source.name);
}

static void observe_progress(struct observer *observer, const struct progress *progress)
{
	struct app_observer *o = (struct app_observer *)observer;
	char line[64];
	struct text t = TEXT_IN(line);
	bool wipe = o->app->screen.work == WORK_WIPE;

	watchdog_feed(&o->app->watchdog);
	screen_wait(&o->app->screen, WAIT_NOTHING, "");
	if (progress->step != o->step) {
		o->step = progress->step;
		text_add(&t, wipe ? "wipe: " : "install: ");
		text_add(&t, wipe && progress->step == STEP_MARK ? "storing that it begins"
								 : step_names[progress->step]);
		app_log(o->app, line);
		/*
		 * Before the long steps: what is known should not wait in memory for a power cut.
		 */
		if (progress->step == STEP_WRITE || progress->step == STEP_READ_BACK)
			log_flush(o->app);
	}
	screen_progress(&o->app->screen, progress);
}

static void observe_line(struct observer *observer, const char *text)
{
	app_log(((struct app_observer *)observer)->app, text);
}

static bool observe_poll(struct observer *observer)
{
	struct app *app = ((struct app_observer *)observer)->app;

	screen_poll(&app->screen);
	return app_poll(app);
}

/* --- Start and end --- */

void app_start(struct app *app, const struct app_options *options, bool screen)
{
	static const struct observer_ops observer_ops = {observe_progress, observe_line,
							 observe_poll};
	char mode[16];

	app->options = *options;
	app->lock = -1;
	app->watchdog.fd = -1;
	app->hotplug.fd = -1;
	app->device.running = -1;
	app->recovery = !options->disk &&
			system_cmdline(NULL, "lifeboat.mode", mode, sizeof(mode)) &&
			!strcmp(mode, "recovery");
	app->development = access(APP_DEVELOPMENT_FILE, F_OK) == 0;
	app->watch = (struct watch){watch_poll_app, watch_line_app, watch_retry_app, app};
	app->observer = (struct app_observer){{&observer_ops}, app, STEP_DONE};
	system_catch_signals();
	screen_open(&app->screen, &system_clock, app->recovery, app->development && app->recovery);
	serial_open(&app->serial, STDIN_FILENO, STDOUT_FILENO, app->recovery ? 0 : SERIAL_SIGNALS);
	if (screen)
		screen_add_skin(&app->screen, &app->serial.skin);
	if (app->recovery)
		watchdog_open(&app->watchdog, NULL, WATCHDOG_TIMEOUT_S);
}

void app_end(struct app *app)
{
	app_source_close(app);
	app_close(app);
	screen_close(&app->screen);
}

static enum detail find_running(struct app *app, struct fault *fault)
{
	char name[16];

	app->device.running = -1;
	if (app->options.disk) {
		if (!app->options.running)
			return DETAIL_OK;
		app->device.running = board_slot(&app->board, app->options.running);
		return app->device.running < 0
			       ? fault_set(fault, DETAIL_SLOT_UNKNOWN, app->options.running)
			       : DETAIL_OK;
	}
	if (!app->recovery && system_cmdline(NULL, "lifeboat.slot", name, sizeof(name)))
		app->device.running = board_slot(&app->board, name);
	return DETAIL_OK;
}

enum detail app_check_mode(const struct app *app, struct fault *fault)
{
	if (!app->recovery && !app->options.disk && app->device.running < 0)
		return fault_set(fault, DETAIL_SLOT_NOT_RUNNING, "the kernel command line");
	return DETAIL_OK;
}

static enum detail take_lock(struct app *app, struct fault *fault)
{
	uint64_t until = system_now_ms() + app->lock_wait_ms;
	enum detail detail;

	while ((detail = system_lock(app->options.disk, &app->lock, fault)) == DETAIL_BUSY &&
	       system_now_ms() < until)
		if (watch_sleep(&app->watch, LOCK_AGAIN_MS))
			break;
	return detail;
}

bool app_is_busy(const struct app *app)
{
	struct fault ignored;
	int lock;

	if (system_lock(app->options.disk, &lock, &ignored) == DETAIL_BUSY)
		return true;
	if (lock >= 0)
		close(lock);
	return false;
}

/*
 * --disk is for a disk that does not run. Given this device's own, nothing would count as running,
 * and the slot that does could be the target.
 */
static bool is_own_disk(const struct app *app)
{
	static struct disk own;
	struct disk_options options = {.path = NULL};
	struct fault ignored;
	char word[16];
	bool same;

	/* On a machine that the boot script did not start, a card in its reader is just a card. */
	if (!system_cmdline(NULL, "lifeboat.slot", word, sizeof(word)) &&
	    !system_cmdline(NULL, "lifeboat.mode", word, sizeof(word)))
		return false;
	if (!*app->disk.name || disk_find(&own, &app->board, &options, &ignored))
		return false;
	same = !strcmp(own.name, app->disk.name);
	disk_close(&own);
	return same;
}

static enum detail open_disk(struct app *app, bool for_writing, struct fault *fault)
{
	struct disk_options options = {
		.path = app->options.disk,
		.write = for_writing,
		.wait_ms = app->options.disk ? 0 : DISK_WAIT_MS,
		.watch = &app->watch,
	};
	enum detail detail;

	if (for_writing && geteuid() != 0 && !app->options.disk)
		return fault_set(fault, DETAIL_NOT_PERMITTED,
				 "changing the device without being root");
	if (for_writing && (detail = take_lock(app, fault)))
		return detail;
	detail = disk_find(&app->disk, &app->board, &options, fault);
	if (detail == DETAIL_DISK_NOT_FOUND && !app->options.disk && geteuid() != 0)
		return fault_set(fault, DETAIL_NOT_PERMITTED,
				 "looking at this device's storage without being root");
	if (detail)
		return detail;
	if (app->options.disk && is_own_disk(app)) {
		disk_close(&app->disk);
		return fault_set(fault, DETAIL_USAGE,
				 "--disk with this device's own disk (leave it out)");
	}
	detail = plan_check_board(&app->board, &app->disk.gpt, app->disk.storage.disk->size, fault);
	if (!detail)
		detail = app->disk.storage.ops->open(&app->disk.storage, app->board.state_label,
						     for_writing, &app->state_dev, fault);
	if (!detail)
		detail = state_open(&app->state, app->state_dev, fault);
	if (detail)
		disk_close(&app->disk);
	return detail;
}

static void release_lock(struct app *app)
{
	if (app->lock >= 0)
		close(app->lock);
	app->lock = -1;
}

enum detail app_open(struct app *app, bool for_writing, struct fault *fault)
{
	enum detail detail = system_board(&app->board, app->options.board, fault);

	if (detail && app->options.board && strcmp(app->options.board, fault->object)) {
		char object[sizeof(fault->object)];
		struct text t = TEXT_IN(object);
		text_add(&t, app->options.board);
		text_add(&t, ", ");
		text_add(&t, fault->object);
		text_copy(fault->object, sizeof(fault->object), object);
	}
	if (!detail)
		detail = find_running(app, fault);
	if (!detail)
		detail = open_disk(app, for_writing, fault);
	if (detail) {
		release_lock(app);
		return detail;
	}
	ubootenv_init(&app->env, app->disk.storage.disk, &app->board);
	app->device = (struct device){
		.trust = &trust_embedded,
		.board = &app->board,
		.gpt = &app->disk.gpt,
		.storage = &app->disk.storage,
		.flag_store = &app->env.store,
		.state = &app->state,
		.clock = &system_clock,
		.observer = &app->observer.observer,
		.front = &app->front,
		.buffer = app->buffer,
		.checkpoint = INSTALL_CHECKPOINT,
		.running = app->device.running,
	};
	app->open = true;
	return DETAIL_OK;
}

void app_close(struct app *app)
{
	if (!app->open)
		return;
	if (app->lock >= 0) /* for writing */
		log_flush(app);
	app->open = false;
	disk_close(&app->disk);
	release_lock(app);
}

/* --- Sources --- */

enum detail app_source_open(struct app *app, const char *name, struct source **source,
			    struct fault *fault)
{
	enum detail detail;

	app_source_close(app);
	if (source_http_is_url(name))
		detail = source_http_open(&app->from.http, name, app->limits, &app->watch, fault);
	else
		detail = source_file_open(&app->from.file, name, fault);
	app->from_open = !detail;
	*source = &app->from.source;
	return detail;
}

void app_source_close(struct app *app)
{
	if (app->from_open)
		app->from.source.ops->close(&app->from.source);
	app->from_open = false;
}

/* --- Each start --- */

/* The stamp lives as long as the kernel that runs. */
static bool is_new_boot(void)
{
	int fd = open(BOOT_STAMP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != EEXIST;
}

bool app_settle(struct app *app, const char *reason, struct result *result)
{
	struct fault fault;
	bool booted = !app->options.disk && is_new_boot();
	bool settled = false;

	app->uncounted.detail = DETAIL_OK;
	if (booted || app->recovery)
		install_count_start(&app->device, booted, &app->uncounted);
	if (install_settle(&app->device, reason, &settled, result, &fault)) {
		app_log(app, fault.object);
		return false;
	}
	if (settled)
		app_log_result(app, result);
	return settled;
}

/* --- Facts for the screen --- */

void app_show_device(struct app *app)
{
	struct flags flags;
	bool sound = !install_load_flags(&app->device, &flags, NULL, NULL);
	bool pending = sound && install_is_pending(&app->state, &flags);

	screen_device(&app->screen, &app->board, sound ? &flags : NULL, &app->state.record,
		      pending ? &app->state.journal : NULL, app->device.running);
}

void app_failure(struct app *app, enum result_what what, const struct fault *fault,
		 const char *origin, struct result *result)
{
	const struct front *front = &app->front;

	*result = (struct result){
		.what = what,
		.fault = *fault,
		.boot_count = app->state.record.boot_count,
		.monotonic_ms = system_now_ms(),
		.slot = RESULT_NO_SLOT,
	};
	system_clock.ops->wall(&system_clock, result->wall, sizeof(result->wall));
	text_copy(result->origin, sizeof(result->origin), origin);
	if (detail_status(fault->detail) != STATUS_VERIFY_FAILED || !front->manifest.image_count)
		return;
	result->release = front->manifest.release;
	text_copy(result->version, sizeof(result->version), front->manifest.version);
	memcpy(result->package_id, front->id, HASH_LEN);
}

/*
 * The same failure as the one before it, in the same start: looking again and again is one result.
 */
static bool is_repeated(struct app *app, const struct result *result)
{
	static struct result last;

	return state_result(&app->state, 0, &last) && last.fault.detail == result->fault.detail &&
	       last.what == result->what && last.boot_count == result->boot_count &&
	       !strcmp(last.origin, result->origin) &&
	       hash_equal(last.package_id, result->package_id);
}

void app_keep(struct app *app, const struct result *result)
{
	struct fault ignored;

	app_log_result(app, result);
	if (app->open && !is_repeated(app, result))
		state_add_result(&app->state, result, &ignored);
}
