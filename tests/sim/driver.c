#include "driver.h"
#include "boot_model.h"
#include "wipe.h"

enum next { NEXT_RESTART, NEXT_RUNS, NEXT_WAITS };

static void say(const struct driver *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void say(const struct driver *d, const char *format, ...)
{
	va_list args;

	if (!d->trace)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* fault: what the call filled when it failed, or NULL. */
static enum detail done(struct driver *d, const char *what, enum detail detail,
			const struct fault *fault)
{
	say(d, "  %s: %s", what, detail_name(detail));
	if (d->world->disk.fault_hit && !d->struck && !d->by_loader) {
		d->struck = what;
		d->said = (struct fault){.detail = detail};
		if (detail && fault)
			d->said = *fault;
	}
	return detail;
}

/* --- The boot loader --- */

static bool image_ok(void *context, char which)
{
	const struct driver *d = context;
	const struct part *p = world_part(d->world, "recovery");

	if (which == 'R' && d->scenario->no_recovery)
		return false;
	if (which == 'R')
		return !memcmp(d->world->disk.now + p->off, d->world->disk.base + p->off, p->len);
	return look_boot_image(d->world, d->world->disk.now, (size_t)(which - 'A'));
}

static char boot(struct driver *d, char *reason)
{
	struct boot_model model = {
		.disk = &d->world->disk.parts[SIM_LOADER].dev,
		.env_off = {SIM_ENV_A, SIM_ENV_B},
		.env_size = d->world->env_size,
		.image_ok = image_ok,
		.context = d,
	};
	struct boot_choice choice;

	d->oracle->doing = (struct doing){.running = -1, .installing = PKG_NONE, .flipped = -1};
	boot_model_start(&model, &choice);
	d->by_loader |= d->world->disk.fault_hit && !d->struck;
	say(d, "  boot loader: starts %c %s", choice.started, choice.reason);
	strcpy(reason, choice.reason);
	return oracle_started(d->oracle, choice.started) ? choice.started : '-';
}

/* --- Both --- */

static enum detail start(struct driver *d, int running)
{
	struct fault fault;

	d->oracle->doing.running = running;
	return done(d, "start", world_start(d->world, running, &fault), &fault);
}

/* app_settle() */
static void count_and_settle(struct driver *d, const char *reason)
{
	struct device *device = &d->world->device;
	static struct result result;
	struct fault fault;
	bool settled;

	done(d, "count", install_count_start(device, true, &fault), &fault);
	done(d, "settle", install_settle(device, reason, &settled, &result, &fault), &fault);
	if (settled) {
		state_log(&d->world->state, "trial: postcheck_failed");
		state_flush_log(&d->world->state, &fault);
	}
}

static enum detail install(struct driver *d, enum sim_package package, bool allow_older)
{
	struct result result;

	oracle_installs(d->oracle, (int)package);
	d->last = world_install(d->world, package, allow_older, &result);
	if (result.fault.detail != d->last)
		oracle_fail(d->oracle, "I8", "the install says %s, its result %s",
			    detail_name(d->last), detail_name(result.fault.detail));
	oracle_installed(d->oracle, d->last);
	return done(d, "install", d->last, &result.fault);
}

/* --- Recovery --- */

/* Whether what is on the stick is installed without or with a word of the person: offer.c. */
static bool offers(struct driver *d)
{
	struct world *w = d->world;
	struct install_options options = {.wanted = -1, .allow_older = true};
	enum sim_package package = d->scenario->stick;
	struct memsource source;
	struct fault fault;
	struct plan plan;

	if (package == PKG_NONE)
		return false;
	memsource_init(&source, w->package[package]->bytes, w->package[package]->len);
	d->last_plan = install_plan(&w->device, &source.source, &options, &plan, &fault);
	if (done(d, "plan", d->last_plan, &fault))
		return false;
	if (plan.older)
		return d->scenario->agrees_to_older;
	return d->scenario->by_hand || !install_has_failed(&w->state, w->front.id);
}

/* idle(), and session_start_system() of nobody */
static enum next leave_or_wait(struct driver *d)
{
	struct device *device = &d->world->device;
	struct fault fault;
	bool again;

	if (!install_may_leave(device))
		return NEXT_WAITS;
	install_has_system(device, &again);
	return done(d, "leave", install_leave_recovery(device, again, false, &fault), &fault)
		       ? NEXT_WAITS
		       : NEXT_RESTART;
}

/* session_leave(), or a while at the menu */
static enum next rest(struct driver *d, enum next next)
{
	install_rests(&d->world->device);
	return next;
}

/* stand(): back to the system, at once or later; or on with it, once more. */
static bool goes_back(struct driver *d)
{
	return install_pace(&d->world->device) != INSTALL_GOES_ON &&
	       leave_or_wait(d) == NEXT_RESTART;
}

static enum detail wipe_now(struct driver *d, bool agreed)
{
	struct device *device = &d->world->device;
	struct result result;
	struct fault fault;
	enum detail detail;

	d->oracle->doing.wiping = true;
	detail = done(d, "wipe", wipe_run(device, agreed, &result), &result.fault);
	if (!detail)
		done(d, "withdraw", wipe_withdraw(device, &fault), &fault);
	d->oracle->doing.wiping = false;
	return detail;
}

/* erase_what_waits(). True: this is what recovery was for; back to the system, or to the menu. */
static bool wipe(struct driver *d, const char *reason)
{
	struct device *device = &d->world->device;
	struct result result;
	enum detail detail;

	if (wipe_is_wanted(device))
		detail = wipe_now(d, false);
	else if (wipe_has_ended(device, reason, &result))
		detail = result.fault.detail;
	else
		return false;
	/* With no system to go back to, it looks for one. */
	return detail || !install_has_nothing(device);
}

static enum next recovery(struct driver *d, const char *reason)
{
	const struct scenario *s = d->scenario;
	struct fault ignored;

	if (start(d, -1))
		return NEXT_WAITS;
	d->person.has_seen_recovery = 1;
	count_and_settle(d, reason);
	state_log(&d->world->state, "recovery: started");
	state_flush_log(&d->world->state, &ignored);
	if (wipe(d, reason))
		return rest(d, leave_or_wait(d));
	if (goes_back(d))
		return rest(d, NEXT_RESTART);
	/* erase_when_agreed() */
	if (s->wipes_by_menu && !d->person.has_wiped)
		d->person.has_wiped = !wipe_now(d, true);
	if (offers(d) && !install(d, s->stick, s->agrees_to_older))
		return rest(d, NEXT_RESTART);
	return rest(d, leave_or_wait(d));
}

/* --- A system --- */

static enum next confirm(struct driver *d, enum health health)
{
	struct device *device = &d->world->device;
	static struct result result;
	struct fault why;

	count_and_settle(d, "");
	if (health == HEALTH_FAILS) {
		fault_set(&why, DETAIL_HEALTH_FAILED, "health check");
		done(d, "reject", install_reject(device, &why, &result), NULL);
		return install_may_restart(device) ? NEXT_RESTART : NEXT_RUNS;
	}
	d->oracle->doing.confirming = true;
	done(d, "confirm", install_confirm(device, &result), &result.fault);
	d->oracle->doing.confirming = false;
	return NEXT_RUNS;
}

/* The person wants the data gone; then the system makes new data, which is to stay. */
static enum next wipe_once(struct driver *d)
{
	struct sim_part *data = world_dev(d->world, "data");
	uint8_t bytes[0x2000];
	struct fault fault;

	if (data->dev.ops->read(&data->dev, 0, bytes, sizeof(bytes)))
		return NEXT_RUNS;
	if (!bytes_are_zero(bytes, sizeof(bytes)))
		return done(d, "ask for a wipe", wipe_request(&d->world->device, &fault), &fault)
			       ? NEXT_RUNS
			       : NEXT_RESTART;
	memset(bytes, 'n', sizeof(bytes));
	d->oracle->doing.new_data = d->world->disk.spared = true;
	data->writable = 1;
	if (!data->dev.ops->write(&data->dev, 0, bytes, sizeof(bytes)) &&
	    !data->dev.ops->flush(&data->dev))
		d->person.has_wiped = 1;
	d->oracle->doing.new_data = d->world->disk.spared = false;
	return NEXT_RUNS;
}

/* After an error a person insists on what was wanted: this package, even if only for its trial. */
static bool misses(const struct driver *d, int package)
{
	const struct scenario *s = d->scenario;
	const struct world *w = d->world;

	return d->insists &&
	       (package != (int)s->runs || (s->wipes_by_menu && !d->person.has_wiped) ||
		(s->stick != PKG_NONE && s->stick != s->runs &&
		 !install_has_failed(&w->state, w->package[s->stick]->id)));
}

static enum next running(struct driver *d, size_t slot)
{
	const struct scenario *s = d->scenario;
	struct world *w = d->world;
	int package = look_slot(w, w->disk.now, slot);
	struct fault fault;

	d->oracle->doing.running = (int)slot;
	/* One that is not whole does not come up. */
	if (package == PKG_NONE || s->health[package] == HEALTH_HANGS)
		return NEXT_RESTART;
	if (start(d, (int)slot))
		return NEXT_RUNS;
	if (confirm(d, s->health[package]) == NEXT_RESTART)
		return NEXT_RESTART;
	if (s->agent != PKG_NONE && package != (int)s->agent &&
	    !install_has_failed(&w->state, w->package[s->agent]->id))
		return install(d, s->agent, s->agrees_to_older) ? NEXT_RUNS : NEXT_RESTART;
	if (s->wipes && !d->person.has_wiped)
		return wipe_once(d);
	if ((s->asks || misses(d, package)) && !d->person.has_seen_recovery)
		return done(d, "request", install_request_recovery(&w->device, "test", &fault),
			    &fault)
			       ? NEXT_RUNS
			       : NEXT_RESTART;
	return NEXT_RUNS;
}

bool driver_run(struct driver *d)
{
	char reason[32];
	enum next next;

	d->world->hostile = d->scenario->floods;
	for (;;) {
		char choice = boot(d, reason);
		if (choice == '-')
			return true;
		next = choice == 'R' ? recovery(d, reason) : running(d, (size_t)(choice - 'A'));
		if (next != NEXT_RESTART)
			break;
		/* With the power on: sync, then restart. */
		sim_disk_restart(&d->world->disk);
	}
	sim_disk_restart(&d->world->disk);
	return next == NEXT_WAITS;
}
