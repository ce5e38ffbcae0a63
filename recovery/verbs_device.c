/* status, log, confirm, request-recovery: what concerns the device itself. */
#include "verbs.h"
#include "platform/health.h"
#include "recover.h"
#include "ui/json.h"
#include "ui/report.h"
#include "ui/strings.h"
#include "ui/words.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int verb_recover(struct app *app, const struct verb_options *o)
{
	struct fault fault;

	app_start(app, &o->app, true);
	if (app->recovery)
		return recover_run(app);
	/* It restarts and powers off what it runs on, and takes its sticks: never a machine that is
	 * no recovery system. */
	app_end(app);
	fault_set(&fault, DETAIL_NOT_RECOVERY, "`lifeboat recover`");
	return verb_fail(&fault, "");
}

#define CONFIRM_WAIT_MS (30u * 60 * 1000) /* an install from a slow server takes its time */

/* --- status --- */

/* A request for recovery comes before every slot: then none "starts next". */
static void report_request(struct app *app, struct out *out)
{
	char text[80];
	struct text t = TEXT_IN(text);
	struct flags flags;

	if (install_load_flags(&app->device, &flags, NULL, NULL) || !flags.recovery)
		return;
	for (size_t i = 0; i < app->screen.slot_count; i++)
		app->screen.slots[i].first = false;
	text_add(&t, "recovery starts next, reason ");
	text_add(&t, *flags.reason ? flags.reason : "(none)");
	report_row(out, "Requested", text);
}

static void status_text(struct app *app, struct out *out)
{
	static struct result result;
	uint64_t first = 0;
	bool any = state_next_result(&app->state, &first, &result), advised = false;

	report_row(out, "Device", app->board.product);
	if (app_is_busy(app)) { /* what it has begun is not unfinished */
		app->screen.pending = false;
		app->screen.wipe = STATE_WIPE_NONE;
		report_row(out, "Busy", string(STRING_WORKING));
	}
	report_request(app, out);
	report_slots(out, &app->screen);
	if (app->disk.gpt.damaged)
		report_row(out, "Disk", string(STRING_TABLE_DAMAGED));
	if (app->state.blank)
		report_row(out, string(STRING_LABEL_STATE),
			   "nothing valid in the state partition: no history, no rollback floor");
	report_results_title(out, any);
	for (uint64_t back = 0; state_next_result(&app->state, &back, &result);) {
		report_past_result(out, &app->screen, &result);
		if (result.fault.detail && !advised)
			report_row(out, string(STRING_LABEL_ADVICE),
				   detail_advice(result.fault.detail));
		advised |= result.fault.detail != DETAIL_OK;
	}
}

static void json_result(struct app *app, struct json *json, const struct result *r)
{
	char what[16];
	struct text t = TEXT_IN(what);

	text_clear(&t);
	words_result_what(&t, r->what);
	json_object(json, NULL);
	json_string(json, "what", what);
	json_u64(json, "status", detail_status(r->fault.detail));
	json_string(json, "status_name", status_name(detail_status(r->fault.detail)));
	json_u64(json, "detail", r->fault.detail);
	json_string(json, "detail_name", detail_name(r->fault.detail));
	json_string(json, "object", r->fault.object);
	json_string(json, "sentence", detail_sentence(r->fault.detail));
	json_string(json, "advice", detail_advice(r->fault.detail));
	json_u64(json, "errno", (uint64_t)r->fault.sys_errno);
	json_string(json, "image", r->fault.role);
	json_u64(json, "offset", r->fault.offset);
	json_u64(json, "release", r->release);
	json_string(json, "version", r->version);
	json_hex(json, "package", r->package_id, HASH_LEN);
	json_string(json, "origin", r->origin);
	if (r->slot < app->board.slot_count)
		json_string(json, "slot", app->board.slots[r->slot].name);
	else
		json_null(json, "slot");
	json_u64(json, "boot", r->boot_count);
	json_u64(json, "monotonic_ms", r->monotonic_ms);
	json_string(json, "wall_clock", r->wall);
	json_end(json);
}

static void json_slot(const struct app *app, struct json *json, size_t i, const struct flags *flags,
		      bool sound)
{
	const struct state_slot *slot = &app->state.record.slot[i];

	json_object(json, NULL);
	json_string(json, "name", app->board.slots[i].name);
	json_u64(json, "release", slot->release);
	json_string(json, "version", slot->version);
	json_hex(json, "package", slot->package_id, HASH_LEN);
	json_bool(json, "confirmed", slot->confirmed);
	json_bool(json, "running", app->device.running == (int)i);
	if (sound) {
		json_bool(json, "in_order", flags_in_order(flags, i));
		json_bool(json, "next", flags_choice(flags) == (int)i);
		json_bool(json, "good", flags->slot[i].good);
		json_u64(json, "tries_left", flags->slot[i].tries);
	}
	json_end(json);
}

static void status_json(struct app *app, struct out *out)
{
	static struct result result;
	const struct state_record *record = &app->state.record;
	const struct journal *j = &app->state.journal;
	struct json json = JSON_TO(out);
	struct flags flags;
	bool sound = !install_load_flags(&app->device, &flags, NULL, NULL);

	json_object(&json, NULL);
	json_string(&json, "lifeboat", LIFEBOAT_VERSION);
	json_string(&json, "product", app->board.product);
	json_bool(&json, "recovery", app->recovery);
	json_bool(&json, "busy", app_is_busy(app));
	json_bool(&json, "partition_table_damaged", app->disk.gpt.damaged);
	json_bool(&json, "boot_flags_sound", sound);
	if (sound) {
		json_bool(&json, "recovery_requested", flags.recovery);
		json_string(&json, "recovery_reason", flags.reason);
	}
	json_u64(&json, "boot_count", record->boot_count);
	json_u64(&json, "rollback_floor", record->rollback_floor);
	json_u64(&json, "key_epoch", record->key_epoch);
	json_u64(&json, "confirmed_release", record->confirmed_release);
	json_array(&json, "slots");
	for (size_t i = 0; i < app->board.slot_count; i++)
		json_slot(app, &json, i, &flags, sound);
	json_end(&json);
	if (sound && install_is_pending(&app->state, &flags)) {
		json_object(&json, "pending");
		json_hex(&json, "package", j->package_id, HASH_LEN);
		json_u64(&json, "release", j->release);
		json_string(&json, "version", j->version);
		json_string(&json, "slot", app->board.slots[j->target].name);
		json_string(&json, "origin", j->origin);
		json_end(&json);
	} else {
		json_null(&json, "pending");
	}
	if (wipe_is_pending(record, sound ? &flags : NULL))
		json_string(&json, "wipe", record->wipe == STATE_WIPE_BEGUN ? "begun" : "asked");
	else
		json_null(&json, "wipe");
	json_array(&json, "results");
	for (uint64_t back = 0; state_next_result(&app->state, &back, &result);)
		json_result(app, &json, &result);
	json_end(&json);
	json_end(&json);
}

int verb_end_output(struct app *app, struct out_fd *out)
{
	struct fault fault;
	bool lost;

	out_flush(&out->out);
	lost = out->lost;
	out_fd_close(out);
	app_end(app);
	if (!lost)
		return STATUS_OK;
	fault_set(&fault, DETAIL_DEVICE_WRITE, "standard output");
	return verb_fail(&fault, "");
}

int verb_status(struct app *app, const struct verb_options *o)
{
	static struct out_fd out;
	struct fault fault;

	app_start(app, &o->app, false);
	if (app_open(app, false, &fault)) {
		app_end(app);
		return verb_fail(&fault, "this device");
	}
	app_show_device(app);
	out_fd_open(&out, STDOUT_FILENO, false);
	if (o->json)
		status_json(app, &out.out);
	else
		status_text(app, &out.out);
	return verb_end_output(app, &out);
}

/* The stored log, the oldest line first. */
int verb_log(struct app *app, const struct verb_options *o)
{
	static struct out_fd out;
	struct fault fault;
	const char *page;
	size_t len;

	app_start(app, &o->app, false);
	if (app_open(app, false, &fault)) {
		app_end(app);
		return verb_fail(&fault, "this device");
	}
	out_fd_open(&out, STDOUT_FILENO, true);
	for (uint64_t back = STATE_LOG_BLOCKS; back-- > 0;) {
		page = state_log_block(&app->state, back, &len);
		if (page)
			out_text(&out.out, page, len);
	}
	return verb_end_output(app, &out);
}

/* --- confirm and request-recovery --- */

static int reject(struct app *app, const struct verb_options *o, const struct fault *why,
		  struct result *result)
{
	int status = (int)detail_status(why->detail);

	bool restart = !o->no_reboot && !o->app.disk, in_vain;

	install_reject(&app->device, why, result);
	app_log_result(app, result);
	in_vain = restart && !install_may_restart(&app->device);
	if (in_vain)
		app_log(app, string(STRING_NO_RESTART));
	app_end(app);
	verb_fail(why, "health check");
	if (in_vain)
		verb_say(string(STRING_NO_RESTART));
	else if (restart)
		verb_restart();
	return status;
}

static enum detail open_to_confirm(struct app *app, const struct verb_options *o,
				   struct fault *fault)
{
	enum detail detail;
	struct stat st;

	/* In recovery no system runs, and `lifeboat recover` holds the lock: nothing to wait for.
	 */
	if (app->recovery)
		return fault_set(fault, DETAIL_SLOT_NOT_RUNNING, "the kernel command line");
	/* A folder that somebody names must be there: a slip of the pen is no clean bill of health.
	 */
	if (o->argument && (stat(o->argument, &st) || access(o->argument, R_OK)))
		return fault_errno(fault, DETAIL_SOURCE_NOT_FOUND, o->argument, errno);
	if (o->argument && !S_ISDIR(st.st_mode))
		return fault_errno(fault, DETAIL_SOURCE_NOT_FOUND, o->argument, ENOTDIR);
	/* An update agent may have been quicker; a start that is not confirmed costs a try. */
	app->lock_wait_ms = o->app.disk ? 0 : CONFIRM_WAIT_MS;
	detail = app_open(app, true, fault);
	if (!detail && app->device.running < 0)
		detail = fault_set(fault, DETAIL_SLOT_NOT_RUNNING, "the kernel command line");
	return detail;
}

int verb_confirm(struct app *app, const struct verb_options *o)
{
	static struct out_fd out;
	static struct result result;
	struct fault fault;
	const char *folder;
	bool first;
	enum detail detail;

	app_start(app, &o->app, false);
	out_fd_open(&out, STDOUT_FILENO, false);
	if (open_to_confirm(app, o, &fault)) {
		app_end(app);
		return verb_fail(&fault, "this device");
	}
	if (app_settle(app, "", &result))
		report_settled(&out.out, &result);
	folder = o->argument ? o->argument : app->board.health_checks;
	first = !app->state.record.slot[app->device.running].confirmed;
	if (first && (!*folder || access(folder, F_OK)))
		app_log(app, "confirm: no folder of health checks");
	if (*folder && health_run(folder, app->board.health_timeout_s, &app->watch, &fault)) {
		if (fault.detail != DETAIL_INTERRUPTED)
			return reject(app, o, &fault, &result);
		app_end(app);
		return verb_fail(&fault, "health check");
	}
	detail = install_confirm(&app->device, &result);
	if (!detail)
		fault_set(&result.fault, DETAIL_OK, "");
	if (first || detail) /* a confirm that changes nothing is no news, and wears no flash */
		app_log_result(app, &result);
	app_show_device(app);
	screen_result(&app->screen, &result);
	/* Who reads that it is confirmed may start the next command at once: the lock goes first.
	 */
	app_close(app);
	if (!detail)
		report_result(&out.out, &app->screen);
	out_fd_close(&out);
	app_end(app);
	return detail ? verb_fail(&result.fault, "this device") : STATUS_OK;
}

bool verb_is_word(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (!(s[n] >= 'a' && s[n] <= 'z') && !(s[n] >= '0' && s[n] <= '9') && s[n] != '-')
			return false;
	return n > 0 && n < FLAGS_REASON_SIZE;
}

int verb_request_recovery(struct app *app, const struct verb_options *o)
{
	static struct out_fd out;
	const char *reason = o->argument ? o->argument : "request";
	struct fault fault;
	enum detail detail;
	char line[80];
	struct text t = TEXT_IN(line);

	app_start(app, &o->app, false);
	if (!strcmp(reason, WIPE_REASON))
		detail = fault_set(&fault, DETAIL_USAGE,
				   "the reason wipe (that is `lifeboat wipe`)");
	else if (!verb_is_word(reason))
		detail = fault_set(&fault, DETAIL_USAGE, VERB_REASON_RULE);
	else if (!(detail = app_open(app, true, &fault)))
		detail = install_request_recovery(&app->device, reason, &fault);
	if (!detail) {
		text_add(&t, "recovery requested, reason ");
		text_add(&t, reason);
		app_log(app, line);
	}
	app_end(app);
	if (detail)
		return verb_fail(&fault, "this device");
	out_fd_open(&out, STDOUT_FILENO, false);
	out_line(&out.out, "The next start goes to recovery.");
	out_fd_close(&out);
	return o->reboot ? verb_restart() : STATUS_OK;
}
