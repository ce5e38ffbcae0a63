/* The serial skin: choices, terminals that can redraw and others, and texts from outside. */
#include "support_screen.h"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include "ui/report.h"

/* --- Choices --- */

static void a_choice_is_a_letter_or_a_number(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	static const struct {
		const char *key;
		enum action action;
	} cases[] = {{"1", ACTION_INSTALL}, {"2", ACTION_MENU}, {"i", ACTION_INSTALL},
		     {"I", ACTION_INSTALL}, {"m", ACTION_MENU}, {"\x03", ACTION_MENU}};

	show_device(s);
	for (size_t i = 0; i < COUNT(cases); i++) {
		at_case("key %s", cases[i].key);
		offer_install(s, 10);
		type(s, cases[i].key);
		assert_int_equal(screen_poll(&s->screen), cases[i].action);
		assert_int_equal(screen_poll(&s->screen), ACTION_NONE);
		assert_int_equal(s->screen.offers.by_itself, false);
	}
	is_seen(s, "> show the menu\n");
	end_session(s);
}

static void other_keys_choose_nothing_and_show_everything(void **state)
{
	(void)state;
	struct session *s = new_session(2);

	show_device(s);
	screen_reason(&s->screen, "request", NULL);
	found_and_planned(s, 1, false);
	offer_install(s, 10);
	seen(s);
	s->ms += 4000;
	type(s, "\r\n 39zryp");
	assert_int_equal(screen_poll(&s->screen), ACTION_NONE);
	is_seen(s, "Lifeboat recovery\n");
	check(strstr(s->seen, "Recovery was asked for."));
	check(strstr(s->seen, "Found       update.boat on sda1\n"));
	check(strstr(s->seen, "  1 or i  install now\n"));
	check(strstr(strstr(s->seen, "Lifeboat recovery") + 1, "Lifeboat recovery") == NULL);
	/* the countdown goes on */
	assert_int_equal(wait_for_choice(s, 7), ACTION_INSTALL);
	end_session(s);
}

static void going_back_to_an_older_release_is_no_by_default(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	static const enum action actions[] = {ACTION_YES, ACTION_NO};
	struct screen_package package = package_2(ORIGIN_STICK);
	struct plan plan = plan_for(1, false);

	plan.older = true;
	plan.installed_release = 3;
	show_device(s);
	screen_found(&s->screen, &package);
	screen_plan(&s->screen, &plan, false);
	is_seen(s, "It is OLDER than the\n            installed release 3.\n");
	screen_offer(&s->screen, QUESTION_OLDER, actions, 2, ACTION_NO, 60);
	assert_int_equal(wait_for_choice(s, 61), ACTION_NO);
	is_seen(s, "> no (nobody chose)\n");
	end_session(s);
}

static void without_a_countdown_nothing_happens_by_itself(void **state)
{
	(void)state;
	struct session *s = new_session(2);

	show_device(s);
	offer_install(s, 0);
	assert_int_equal(wait_for_choice(s, 3600), ACTION_NONE);
	assert_int_equal(screen_timeout_ms(&s->screen), -1);
	offer_install(s, 10);
	check(screen_timeout_ms(&s->screen) > 0 && screen_timeout_ms(&s->screen) <= 1000);
	s->ms += 10000;
	assert_int_equal(screen_timeout_ms(&s->screen), 0);
	end_session(s);
}

/* `echo y | lifeboat install`: the answer waits for the question. */
static void a_pipe_is_read_only_when_something_is_asked(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	static const enum action actions[] = {ACTION_YES, ACTION_NO};

	type(s, "y");
	show_device(s);
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_WRITE);
	assert_int_equal(screen_poll(&s->screen), ACTION_NONE);
	assert_int_equal(screen_fd(&s->screen, 0), -1);
	screen_offer(&s->screen, QUESTION_OLDER, actions, 2, ACTION_NO, 60);
	assert_int_equal(screen_fd(&s->screen, 0), s->typed);
	assert_int_equal(screen_poll(&s->screen), ACTION_YES);
	end_session(s);
}

static void the_end_of_input_does_not_spin(void **state)
{
	(void)state;
	struct session *s = new_session(2);

	show_device(s);
	offer_install(s, 10);
	close(s->in);
	assert_int_equal(screen_poll(&s->screen), ACTION_NONE);
	assert_int_equal(screen_fd(&s->screen, 0), -1);
	assert_int_equal(wait_for_choice(s, 11), ACTION_INSTALL);
	s->in = open("/dev/null", O_RDONLY);
	end_session(s);
}

/* --- On a terminal --- */

/* What a terminal got, played on one line: '\r' goes back, nothing else but text may come. */
static void check_terminal(const char *bytes, size_t len)
{
	size_t column = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\r' || c == '\n')
			column = 0;
		else
			column++;
		check(c == '\r' || c == '\n' || (c >= 0x20 && c < 0x7f));
		check(column <= REPORT_WIDTH);
	}
}

static void a_terminal_gets_one_line_of_progress_drawn_in_place(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	int master, slave;
	char *bytes = arena_alloc(KIB(64));
	size_t len = 0;
	ssize_t n;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	fcntl(master, F_SETFL, O_NONBLOCK);
	setenv("TERM", "vt102", 1);
	serial_close(&s->serial);
	serial_open(&s->serial, slave, slave, 0);
	check(s->serial.redraw);
	show_device(s);
	found_and_planned(s, 1, false);
	offer_install(s, 3);
	wait_for_choice(s, 4);
	screen_work(&s->screen, WORK_INSTALL, false);
	long_step(s, STEP_WRITE, MIB(12));
	step(s, STEP_DONE);
	while ((n = read(master, bytes + len, KIB(64) - 1 - len)) > 0)
		len += (size_t)n;
	check_terminal(bytes, len);
	check(strstr(bytes, "\rBy itself in 2 s: install now. Key m stops it.\r"));
	check(strstr(bytes, "\n  1 %  writing boot, 512 KiB of 36 MiB\r"));
	check(strstr(bytes, "\r 75 %  writing system, 36 of 36 MiB"));
	check(strstr(bytes, "\r\n100 %  done in"));

	/* A key during the work shows everything, and chooses nothing. */
	assert_int_equal(write(master, "\r", 1), 1);
	assert_int_equal(screen_poll(&s->screen), ACTION_NONE);
	close(slave);
	end_session(s);
	close(master);
	unsetenv("TERM");
}

static void a_dumb_terminal_is_not_drawn_on(void **state)
{
	(void)state;
	struct serial *serial = arena_alloc(sizeof(*serial));
	static const char *const terms[] = {"dumb", "", NULL};
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	for (size_t i = 0; i < COUNT(terms); i++) {
		if (terms[i])
			setenv("TERM", terms[i], 1);
		else
			unsetenv("TERM");
		serial_open(serial, slave, slave, 0);
		check(!serial->redraw);
		serial_close(serial);
	}
	setenv("TERM", "linux", 1);
	serial_open(serial, slave, slave, SERIAL_PLAIN);
	check(!serial->redraw);
	serial_close(serial);
	unsetenv("TERM");
	close(slave);
	close(master);
}

/* --- What must always hold --- */

static void nothing_from_outside_can_draw(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	struct screen_package package = package_2(ORIGIN_STICK);
	struct plan plan = plan_for(1, false);
	static const char log[] = "one\ntwo \x1b[31m\0three\n\nlast";

	show_device(s);
	strcpy(package.name, "\x1b[2J\rupdate\n.boat\x9b");
	strcpy(package.version, "2\x07.0\xe2\x80\xae");
	strcpy(package.notes, "first\n\nsecond\x1b]0;title\x07");
	screen_found(&s->screen, &package);
	screen_plan(&s->screen, &plan, false);
	screen_note(&s->screen, "note \x1b[0m");
	screen_log(&s->screen, log, sizeof(log) - 1);
	screen_reason(&s->screen, "\x1b[7mword", NULL);
	for (const char *p = seen(s); *p; p++)
		check(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
	check(strstr(s->seen, "Notes       first second?]0;title?\n"));
	check(strstr(s->seen, "one\ntwo ?[31m?three\n\nlast\n"));
	check(strstr(s->seen, "reason '?[7mword'"));
	end_session(s);
}

static void text_is_wrapped_at_the_last_column_and_not_before(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	char fits[128] = "x", wide[128] = "xx", expected[128] = "xx";

	for (int i = 0; i < 39; i++) {
		strcat(fits, " x");
		strcat(wide, " x");
		strcat(expected, i == 38 ? "\nx\n" : " x");
	}
	assert_int_equal(strlen(fits), REPORT_WIDTH);
	report_text(&s->serial.out.out, fits);
	out_flush(&s->serial.out.out);
	assert_string_equal(seen(s), strcat(fits, "\n"));
	report_text(&s->serial.out.out, wide);
	out_flush(&s->serial.out.out);
	assert_string_equal(seen(s), expected);
	end_session(s);
}

static void no_line_is_wider_than_a_terminal(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	struct result result = result_of(DETAIL_HTTP_NO_RANGE, NULL, RESULT_NO_SLOT);
	size_t width = 0;

	screen_open(&s->screen, &s->clock, true, true);
	screen_add_skin(&s->screen, &s->serial.skin);
	s->board.source_count = 2;
	s->board.sources[1] = BOARD_SOURCE_NETWORK;
	strcpy(s->board.network_url, "http://updates.example.org/product/update.boat");
	screen_device(&s->screen, &s->board, NULL, &s->record, NULL, -1);
	screen_reason(&s->screen, "environment-damaged", &result);
	for (int wait = WAIT_PACKAGE; wait <= WAIT_SERVER; wait++)
		screen_wait(&s->screen, (enum screen_wait)wait, "http://10.0.2.2:8080/update.boat");
	found_and_planned(s, 1, false);
	for (int question = QUESTION_MENU; question <= QUESTION_LOG; question++) {
		static const enum action all[] = {
			ACTION_INSTALL,	   ACTION_YES,		ACTION_NO,
			ACTION_FROM_STICK, ACTION_FROM_NETWORK, ACTION_RESTART,
			ACTION_SHELL,	   ACTION_COPY_LOG,	ACTION_MENU};
		screen_offer(&s->screen, (enum question)question, all, COUNT(all), ACTION_RESTART,
			     100);
	}
	for (const char *p = seen(s); *p; p++) {
		width = *p == '\n' ? 0 : width + 1;
		check(width <= REPORT_WIDTH);
	}
	end_session(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_choice_is_a_letter_or_a_number),
		TEST(other_keys_choose_nothing_and_show_everything),
		TEST(going_back_to_an_older_release_is_no_by_default),
		TEST(without_a_countdown_nothing_happens_by_itself),
		TEST(a_pipe_is_read_only_when_something_is_asked),
		TEST(the_end_of_input_does_not_spin),
		TEST(a_terminal_gets_one_line_of_progress_drawn_in_place),
		TEST(a_dumb_terminal_is_not_drawn_on),
		TEST(nothing_from_outside_can_draw),
		TEST(text_is_wrapped_at_the_last_column_and_not_before),
		TEST(no_line_is_wider_than_a_terminal),
	};

	return RUN_ALL(tests);
}
