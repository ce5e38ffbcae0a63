/* install, plan, verify, inspect: what takes a package. */
#include "verbs.h"
#include "find.h"
#include "ui/json.h"
#include "ui/report.h"
#include "ui/words.h"

#include <string.h>
#include <unistd.h>

int verb_fail(const struct fault *fault, const char *other)
{
	static struct out_fd err;
	char line[WORDS_SIZE];
	struct text t = TEXT_IN(line);

	out_fd_open(&err, STDERR_FILENO, false);
	text_add(&t, "lifeboat: ");
	words_fault(&t, fault, other);
	out_line(&err.out, line);
	text_clear(&t);
	text_add(&t, "  (code ");
	text_u64(&t, fault->detail);
	text_char(&t, ' ');
	text_add(&t, detail_name(fault->detail));
	text_add(&t, ") ");
	text_add(&t, detail_advice(fault->detail));
	out_line(&err.out, line);
	out_fd_close(&err);
	return (int)detail_status(fault->detail);
}

void verb_say(const char *line)
{
	static struct out_fd err;

	out_fd_open(&err, STDERR_FILENO, false);
	out_line(&err.out, line);
	out_fd_close(&err);
}

int verb_restart(void)
{
	char line[120];
	struct text t = TEXT_IN(line);
	int error = system_leave(SYSTEM_RESTART, true);

	text_add(&t, "lifeboat: this device does not restart (");
	words_errno(&t, error);
	text_add(&t, "). Restart it by hand; all else is done.");
	verb_say(line);
	return 1;
}

#define LOCK_WAIT_MS 5000 /* a confirm that is about to end is worth waiting for */

static enum detail wanted_slot(const struct app *app, const char *name, int *wanted,
			       struct fault *fault)
{
	char object[80];
	struct text t = TEXT_IN(object);

	*wanted = name ? board_slot(&app->board, name) : -1;
	if (!name || *wanted >= 0)
		return DETAIL_OK;
	text_add(&t, "slot ");
	text_add(&t, name);
	return fault_set(fault, DETAIL_SLOT_UNKNOWN, object);
}

/* What was found and what would happen, on the screen. */
static void show_plan(struct app *app, const char *name, const struct plan *plan)
{
	struct screen_package package;

	find_describe(app, source_http_is_url(name) ? ORIGIN_NETWORK : ORIGIN_FILE, name, &package);
	screen_found(&app->screen, &package);
	screen_plan(&app->screen, plan, plan->resume);
}

static enum detail run_install(struct app *app, const struct verb_options *o, struct result *result)
{
	struct install_options options = {.allow_older = o->allow_older,
					  .verify_first = o->verify_first};
	struct fault *fault = &result->fault;
	struct source *source;
	struct plan plan;
	enum detail detail;

	if ((detail = app_check_mode(app, fault)) ||
	    (detail = wanted_slot(app, o->slot, &options.wanted, fault)) ||
	    (detail = app_source_open(app, o->argument, &source, fault)))
		return detail;
	app_show_device(app);
	if (!install_plan(&app->device, source, &options, &plan, fault)) {
		show_plan(app, o->argument, &plan);
		screen_work(&app->screen, WORK_INSTALL, false);
	}
	/* From the start again: the engine proves for itself, and keeps the result when it refuses.
	 */
	detail = source->ops->seek(source, 0, fault);
	if (detail)
		return detail;
	install_run(&app->device, source, &options, result);
	app_log_result(app, result);
	return DETAIL_OK;
}

int verb_install(struct app *app, const struct verb_options *o)
{
	static struct result result;
	struct fault fault;
	int status;

	app_start(app, &o->app, true);
	app->lock_wait_ms = o->app.disk ? 0 : LOCK_WAIT_MS;
	if (app_open(app, true, &fault)) {
		app_end(app);
		return verb_fail(&fault, o->argument);
	}
	/* An agent may be quicker than `confirm`: what ended before is told first. */
	if (app->device.running >= 0)
		app_settle(app, "", &result);
	memset(&result, 0, sizeof(result));
	if (run_install(app, o, &result)) {
		fault = result.fault;
		app_failure(app, RESULT_INSTALL, &fault, o->argument, &result);
		app_keep(app, &result);
	}
	app_show_device(app);
	screen_result(&app->screen, &result);
	status = (int)detail_status(result.fault.detail);
	app_end(app);
	if (!status && o->reboot)
		status = verb_restart();
	return status;
}

int verb_plan(struct app *app, const struct verb_options *o)
{
	static struct out_fd out;
	struct install_options options = {.allow_older = true};
	struct source *source;
	struct plan plan;
	struct fault fault;

	app_start(app, &o->app, false);
	if (app_open(app, false, &fault) || app_check_mode(app, &fault) ||
	    wanted_slot(app, o->slot, &options.wanted, &fault) ||
	    app_source_open(app, o->argument, &source, &fault) ||
	    install_plan(&app->device, source, &options, &plan, &fault)) {
		app_end(app);
		return verb_fail(&fault, o->argument);
	}
	app_show_device(app);
	show_plan(app, o->argument, &plan);
	out_fd_open(&out, STDOUT_FILENO, false);
	report_found(&out.out, &app->screen);
	report_plan(&out.out, &app->screen);
	if (plan.older)
		report_row(&out.out, "Needs",
			   "--allow-older: without it, install ends with status 3");
	return verb_end_output(app, &out);
}

int verb_verify(struct app *app, const struct verb_options *o)
{
	static struct result result = {.what = RESULT_VERIFY, .slot = RESULT_NO_SLOT};
	struct source *source;
	enum detail detail;
	int status;

	app_start(app, &o->app, true);
	text_copy(result.origin, sizeof(result.origin), o->argument);
	detail = app_source_open(app, o->argument, &source, &result.fault);
	if (!detail)
		detail = front_open(&app->front, source, &trust_embedded, &result.fault);
	if (!detail) {
		result.release = app->front.manifest.release;
		text_copy(result.version, sizeof(result.version), app->front.manifest.version);
		screen_work(&app->screen, WORK_VERIFY, false);
		detail = front_verify_all(&app->front, &app->observer.observer, &result.fault);
	}
	if (!detail)
		fault_set(&result.fault, DETAIL_OK, "");
	screen_result(&app->screen, &result);
	status = (int)detail_status(detail);
	app_end(app);
	return status;
}

/* --- inspect --- */

static void row_u64(struct out *out, const char *label, uint64_t value)
{
	char text[24];
	struct text t = TEXT_IN(text);

	text_u64(&t, value);
	report_row(out, label, text);
}

static void inspect_text(const struct front *front, struct out *out)
{
	const struct manifest *m = &front->manifest;
	char text[256];
	struct text t = TEXT_IN(text);

	for (size_t i = 0; i < m->product_count; i++)
		report_row(out, i ? "" : "Product", m->products[i]);
	report_row(out, "Version", m->version);
	row_u64(out, "Release", m->release);
	row_u64(out, "Floor", m->rollback_floor);
	row_u64(out, "Needs", m->minimum_release);
	row_u64(out, "Key epoch", m->key_epoch);
	report_row(out, "Signed by", front->signer->name);
	text_hex(&t, front->id, HASH_LEN);
	report_row(out, "Package", text);
	for (size_t i = 0; i < m->image_count; i++) {
		text_clear(&t);
		text_add(&t, m->images[i].role);
		text_add(&t, ", ");
		text_size(&t, m->images[i].size);
		text_add(&t, ", SHA-256 ");
		text_hex(&t, m->images[i].sha256, HASH_LEN);
		report_row(out, i ? "" : "Images", text);
	}
	if (m->notes)
		report_row(out, "Notes", m->notes);
}

static void inspect_json(const struct front *front, struct out *out)
{
	const struct manifest *m = &front->manifest;
	struct json json = JSON_TO(out);

	json_object(&json, NULL);
	json_hex(&json, "package", front->id, HASH_LEN);
	json_array(&json, "products");
	for (size_t i = 0; i < m->product_count; i++)
		json_string(&json, NULL, m->products[i]);
	json_end(&json);
	json_string(&json, "version", m->version);
	json_u64(&json, "release", m->release);
	json_u64(&json, "rollback_floor", m->rollback_floor);
	json_u64(&json, "minimum_release", m->minimum_release);
	json_u64(&json, "key_epoch", m->key_epoch);
	json_string(&json, "signer", front->signer->name);
	json_string(&json, "notes", m->notes);
	json_array(&json, "images");
	for (size_t i = 0; i < m->image_count; i++) {
		json_object(&json, NULL);
		json_string(&json, "role", m->images[i].role);
		json_u64(&json, "size", m->images[i].size);
		json_u64(&json, "chunk_size", m->images[i].chunk_size);
		json_hex(&json, "sha256", m->images[i].sha256, HASH_LEN);
		json_end(&json);
	}
	json_end(&json);
	json_end(&json);
}

int verb_inspect(struct app *app, const struct verb_options *o)
{
	static struct out_fd out;
	struct source *source;
	struct fault fault;
	enum detail detail;

	app_start(app, &o->app, false);
	detail = app_source_open(app, o->argument, &source, &fault);
	if (!detail)
		detail = front_open(&app->front, source, &trust_embedded, &fault);
	if (detail) {
		app_end(app);
		return verb_fail(&fault, o->argument);
	}
	out_fd_open(&out, STDOUT_FILENO, false);
	if (o->json)
		inspect_json(&app->front, &out.out);
	else
		inspect_text(&app->front, &out.out);
	return verb_end_output(app, &out);
}
