#include "ui/serial.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ui/report.h"
#include "ui/words.h"

#define REDRAW_MS 500	/* between two drawings of the same line */
#define LINE_MS 10000	/* the longest time without a line of progress */
#define LINE_PERCENT 10 /* a line at each of these */

/* Ends a line that was drawn in place, as it is. */
static void end_drawn(struct serial *s)
{
	if (s->drawn)
		out_raw(&s->out.out, "\n", 1);
	s->drawn = 0;
}

/* Draws a line over the one before, or below it where that cannot be. Cut to the width: it must not
 * wrap. */
static void draw(struct serial *s, const char *text)
{
	struct out *out = &s->out.out;
	char line[REPORT_WIDTH + 1];
	struct text t = TEXT_IN(line);
	size_t before = s->drawn;

	if (!s->redraw) {
		out_line(out, text);
		return;
	}
	text_add(&t, text);
	if (before)
		out_raw(out, "\r", 1);
	out_add(out, line);
	s->drawn = out_columns(line);
	for (size_t i = s->drawn; i < before; i++)
		out_raw(out, " ", 1);
}

static void gap(struct serial *s)
{
	end_drawn(s);
	out_raw(&s->out.out, "\n", 1);
}

/* Title and underline. */
static void show_title(struct serial *s, const struct screen *screen)
{
	struct out *out = &s->out.out;
	const char *title = string(screen->recovery	       ? STRING_TITLE_RECOVERY
				   : screen->work == WORK_WIPE ? STRING_TITLE_WIPE
							       : STRING_TITLE_INSTALL);

	gap(s);
	out_line(out, title);
	for (size_t i = out_columns(title); i; i--)
		out_raw(out, "=", 1);
	out_raw(out, "\n", 1);
	if (screen->development)
		report_text(out, string(STRING_DEVELOPMENT));
	s->titled = true;
}

static void show_device(struct serial *s, const struct screen *screen)
{
	gap(s);
	if (!s->named)
		report_row(&s->out.out, string(STRING_LABEL_DEVICE), screen->product);
	s->named = true;
	report_slots(&s->out.out, screen);
}

static void show_reason(struct serial *s, const struct screen *screen)
{
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	if (screen->known)
		end_drawn(s);
	else
		gap(s);
	words_reason(&t, screen->reason);
	report_row(&s->out.out, string(STRING_LABEL_REASON), buffer);
	if (screen->settled)
		report_settled(&s->out.out, &screen->trial);
}

static void show_wait(struct serial *s, const struct screen *screen)
{
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	if (screen->wait == WAIT_NOTHING && !screen->working)
		return; /* what was found speaks for itself */
	gap(s);
	words_wait(&t, screen);
	report_text(&s->out.out, buffer);
}

static void show_countdown(struct serial *s, const struct screen *screen)
{
	const struct screen_offers *offers = &screen->offers;
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	words_countdown(&t, offers);
	draw(s, buffer);
}

static void show_offers(struct serial *s, const struct screen *screen)
{
	const struct screen_offers *offers = &screen->offers;
	struct out *out = &s->out.out;
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	if (!offers->count) {
		end_drawn(s);
		if (offers->chosen != ACTION_NONE) {
			words_chosen(&t, offers);
			out_line(out, buffer);
		}
		return;
	}
	gap(s);
	words_question(&t, offers->question);
	report_text(out, buffer);
	for (size_t i = 0; i < offers->count; i++) {
		text_clear(&t);
		words_offer(&t, offers, i);
		out_line(out, buffer);
	}
	if (offers->at_end != ACTION_NONE)
		show_countdown(s, screen);
}

/* In a log: at the tens, and at 5. */
static bool is_countdown_due(const struct serial *s, const struct screen_offers *offers)
{
	return s->redraw || offers->seconds % 10 == 0 || offers->seconds == 5;
}

static void show_work(struct serial *s, const struct screen *screen)
{
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	gap(s);
	words_keep_on(&t, screen);
	if (t.len)
		report_text(&s->out.out, buffer);
	s->percent = screen->pace.percent;
}

static void show_step(struct serial *s, const struct screen *screen)
{
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	end_drawn(s);
	words_step(&t, screen);
	if (t.len)
		out_line(&s->out.out, buffer);
	if (screen->progress.step == STEP_DONE) {
		text_clear(&t);
		text_add(&t, "100 %  ");
		words_done(&t, screen);
		out_line(&s->out.out, buffer);
	}
	s->progress_ms = screen->clock->ops->monotonic_ms(screen->clock);
}

static void progress_line(struct serial *s, const struct screen *screen)
{
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);

	if (screen->pace.percent < 10)
		text_char(&t, ' ');
	if (screen->pace.percent < 100)
		text_char(&t, ' ');
	text_u64(&t, screen->pace.percent);
	text_add(&t, " %  ");
	words_progress(&t, screen);
	draw(s, buffer);
}

static bool is_progress_due(const struct serial *s, const struct screen *screen, uint64_t since_ms)
{
	if (s->redraw)
		return !s->drawn || since_ms >= REDRAW_MS ||
		       screen->progress.done == screen->progress.total;
	return since_ms >= LINE_MS ||
	       screen->pace.percent / LINE_PERCENT != s->percent / LINE_PERCENT;
}

static void show_progress(struct serial *s, const struct screen *screen)
{
	uint64_t now = screen->clock->ops->monotonic_ms(screen->clock);

	if (!is_progress_due(s, screen, now - s->progress_ms))
		return;
	s->progress_ms = now;
	s->percent = screen->pace.percent;
	progress_line(s, screen);
}

static void show_result(struct serial *s, const struct screen *screen)
{
	gap(s);
	report_result(&s->out.out, screen);
}

/* A page of the log. Its lines are our own, but hold names from outside. */
static void show_log(struct serial *s, const struct screen *screen)
{
	gap(s);
	out_text(&s->out.out, screen->log, screen->log_len);
	if (screen->log_len && screen->log[screen->log_len - 1] != '\n')
		out_raw(&s->out.out, "\n", 1);
}

static void show_leave(struct serial *s, const struct screen *screen)
{
	static const enum string ids[] = {
		[LEAVE_RESTART] = STRING_LEAVE_RESTART,
		[LEAVE_POWER_OFF] = STRING_LEAVE_POWER_OFF,
		[LEAVE_SHELL] = STRING_LEAVE_SHELL,
	};

	gap(s);
	report_text(&s->out.out, string(ids[screen->leave]));
}

/* Everything that a person who has just come needs to know. */
static void show_all(struct serial *s, const struct screen *screen)
{
	show_title(s, screen);
	s->named = false;
	if (screen->known)
		show_device(s, screen);
	if (screen->recovery)
		show_reason(s, screen);
	if (screen->working) {
		show_work(s, screen);
		show_step(s, screen);
		if (screen->progress.total)
			progress_line(s, screen);
	} else if (screen->ended) {
		show_result(s, screen);
	} else if (screen->found) {
		gap(s);
		report_found(&s->out.out, screen);
		if (screen->planned)
			report_plan(&s->out.out, screen);
	}
	if (screen->wait != WAIT_NOTHING)
		show_wait(s, screen);
	if (screen->offers.count)
		show_offers(s, screen);
}

static void show(struct skin *skin, const struct screen *screen, enum screen_change change)
{
	struct serial *s = (struct serial *)skin;
	struct out *out = &s->out.out;

	if (!s->titled && change != CHANGE_ALL && (screen->recovery || change == CHANGE_DEVICE))
		show_title(s, screen);
	switch (change) {
	case CHANGE_ALL:
		show_all(s, screen);
		break;
	case CHANGE_DEVICE:
		show_device(s, screen);
		break;
	case CHANGE_REASON:
		show_reason(s, screen);
		break;
	case CHANGE_WAIT:
		show_wait(s, screen);
		break;
	case CHANGE_FOUND:
		gap(s);
		report_found(out, screen);
		break;
	case CHANGE_PLAN:
		end_drawn(s);
		report_plan(out, screen);
		break;
	case CHANGE_OFFERS:
		s->asked = screen->offers.count > 0;
		if (s->asked)
			keys_forget(&s->keys);
		show_offers(s, screen);
		break;
	case CHANGE_COUNTDOWN:
		if (is_countdown_due(s, &screen->offers))
			show_countdown(s, screen);
		break;
	case CHANGE_WORK:
		show_work(s, screen);
		break;
	case CHANGE_STEP:
		show_step(s, screen);
		break;
	case CHANGE_PROGRESS:
		show_progress(s, screen);
		break;
	case CHANGE_RESULT:
		show_result(s, screen);
		break;
	case CHANGE_NOTE:
		end_drawn(s);
		report_text(out, screen->note);
		break;
	case CHANGE_LOG:
		show_log(s, screen);
		break;
	case CHANGE_LEAVE:
		show_leave(s, screen);
		break;
	}
	out_flush(out);
}

/* A pipe holds answers, not somebody's wish to see the screen: it is read only when there is a
 * question. */
static bool listens(const struct serial *s)
{
	return s->asked || s->keys.terminal;
}

static int key(struct skin *skin)
{
	struct serial *s = (struct serial *)skin;

	return listens(s) ? keys_next(&s->keys) : KEY_NONE;
}

static int fd(const struct skin *skin)
{
	const struct serial *s = (const struct serial *)skin;

	return listens(s) ? s->keys.fd : -1;
}

static void close_skin(struct skin *skin)
{
	struct serial *s = (struct serial *)skin;

	keys_close(&s->keys);
}

static const struct skin_ops serial_ops = {
	.show = show,
	.key = key,
	.fd = fd,
	.close = close_skin,
};

void serial_open(struct serial *serial, int in, int out, unsigned flags)
{
	const char *term = getenv("TERM");

	*serial = (struct serial){.skin = {.ops = &serial_ops}};
	out_fd_open(&serial->out, out, flags & SERIAL_UTF8);
	keys_open(&serial->keys, in, flags & SERIAL_SIGNALS);
	serial->redraw = !(flags & SERIAL_PLAIN) && isatty(out) && term && term[0] &&
			 strcmp(term, "dumb") != 0;
}

void serial_close(struct serial *serial)
{
	keys_close(&serial->keys);
	out_fd_close(&serial->out);
}
