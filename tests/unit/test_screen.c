/* The screen as people see it on a dumb terminal, in a log, and on a terminal: whole transcripts,
 * and what must always hold. */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include "ui/report.h"
#include "ui/serial.h"
#include "ui/words.h"

struct session {
	struct clock clock; /* first: fake_ms */
	uint64_t ms;
	struct board board;
	struct flags flags;
	struct state_record record;
	struct screen screen;
	struct serial serial;
	int in, out; /* ends of ours: what is written to in is typed, out is a file */
	int typed;   /* the serial skin's end */
	char *seen;
};

static uint64_t fake_ms(struct clock *clock)
{
	return ((struct session *)clock)->ms;
}
static const struct clock_ops clock_ops = {.monotonic_ms = fake_ms};

/* A board with slots A (release 1, confirmed) and B (empty), in recovery. */
static struct session *new_session(size_t slots)
{
	struct session *s = arena_alloc(sizeof(*s));
	char name[] = "/tmp/lifeboat-screen-XXXXXX";
	int ends[2];

	s->clock.ops = &clock_ops;
	s->ms = 1000;
	s->out = mkstemp(name);
	check(s->out >= 0);
	unlink(name);
	assert_int_equal(pipe(ends), 0);
	s->typed = ends[0];
	s->in = ends[1];

	strcpy(s->board.product, "lifeboat,reference");
	s->board.slot_count = slots;
	strcpy(s->board.slots[0].name, "A");
	strcpy(s->board.slots[1].name, "B");
	s->board.source_count = 1;
	s->board.sources[0] = BOARD_SOURCE_STICK;
	s->flags = (struct flags){.order_count = 1, .slot = {{3, true}, {0, false}}};
	s->record.slot[0] = (struct state_slot){.release = 1, .version = "1.0"};

	screen_open(&s->screen, &s->clock, true, false);
	serial_open(&s->serial, s->typed, s->out, 0);
	screen_add_skin(&s->screen, &s->serial.skin);
	return s;
}

static void end_session(struct session *s)
{
	screen_close(&s->screen);
	serial_close(&s->serial);
	close(s->in);
	close(s->out);
	close(s->typed);
}

/* What was written since the last look. */
static const char *seen(struct session *s)
{
	off_t len = lseek(s->out, 0, SEEK_CUR);

	s->seen = arena_alloc((size_t)len + 1);
	assert_int_equal(pread(s->out, s->seen, (size_t)len, 0), len);
	assert_int_equal(ftruncate(s->out, 0), 0);
	lseek(s->out, 0, SEEK_SET);
	return s->seen;
}

static void is_seen(struct session *s, const char *text)
{
	if (!strstr(seen(s), text))
		fail_msg("not seen: %s\nbut:\n%s", text, s->seen);
}

static void show_device(struct session *s)
{
	screen_device(&s->screen, &s->board, &s->flags, &s->record, NULL, -1);
}

static struct screen_package package_2(enum origin origin)
{
	struct screen_package package = {
		.origin = origin, .release = 2, .size = MIB(31), .version = "2.0"};

	strcpy(package.name, "update.boat");
	strcpy(package.medium, "sda1");
	strcpy(package.signer, "development");
	return package;
}

static struct plan plan_for(size_t target, bool in_place)
{
	struct plan plan = {.target = target, .image_count = 2, .total = MIB(36)};

	strcpy(plan.images[0].label, target ? "boot_b" : "boot_a");
	plan.images[0].image_len = MIB(6);
	plan.images[0].partition_len = MIB(8);
	strcpy(plan.images[1].label, target ? "system_b" : "system_a");
	plan.images[1].image_len = MIB(30);
	plan.images[1].partition_len = MIB(32);
	plan.in_place = in_place;
	return plan;
}

static void found_and_planned(struct session *s, size_t target, bool in_place)
{
	struct screen_package package = package_2(ORIGIN_STICK);
	struct plan plan = plan_for(target, in_place);

	screen_found(&s->screen, &package);
	screen_plan(&s->screen, &plan, false);
}

static void step(struct session *s, enum step at)
{
	struct progress progress = {.step = at};

	screen_progress(&s->screen, &progress);
}

/* A long step over both images at a speed, half of each image unchanged. */
static void long_step(struct session *s, enum step at, uint64_t bytes_per_s)
{
	struct progress progress = {.step = at, .total = MIB(36)};
	uint64_t start = s->ms;

	while (progress.done < progress.total) {
		progress.role = progress.done < MIB(6) ? "boot" : "system";
		progress.done += KIB(256);
		progress.written = progress.unchanged = progress.done / 2;
		s->ms = start + progress.done * 1000 / bytes_per_s;
		screen_progress(&s->screen, &progress);
		assert_int_equal(screen_poll(&s->screen), ACTION_NONE);
	}
}

/* Lets time pass, a tenth of a second at a time, until something is chosen. */
static enum action wait_for_choice(struct session *s, unsigned seconds)
{
	enum action action = screen_poll(&s->screen);

	for (unsigned i = 0; i < seconds * 10 && action == ACTION_NONE; i++) {
		s->ms += 100;
		action = screen_poll(&s->screen);
	}
	return action;
}

static struct result result_of(enum detail detail, const char *object, uint32_t slot)
{
	struct result result = {.what = RESULT_INSTALL, .release = 2, .slot = slot};

	strcpy(result.version, "2.0");
	fault_set(&result.fault, detail, object);
	return result;
}

static void offer_install(struct session *s, unsigned seconds)
{
	static const enum action actions[] = {ACTION_INSTALL, ACTION_MENU};

	screen_offer(&s->screen, QUESTION_INSTALL, actions, 2, ACTION_INSTALL, seconds);
}

/* --- Transcripts
 * --------------------------------------------------------------------------------------- */

static void an_install_from_a_stick_reads_well_in_a_log(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	static const enum action done[] = {ACTION_RESTART, ACTION_MENU};
	struct result result = result_of(DETAIL_OK, NULL, 1);

	show_device(s);
	screen_reason(&s->screen, "request", NULL);
	screen_wait(&s->screen, WAIT_PACKAGE, "");
	screen_wait(&s->screen, WAIT_PACKAGE, "");
	assert_string_equal(seen(s),
			    "\n"
			    "Lifeboat recovery\n"
			    "=================\n"
			    "\n"
			    "Device      lifeboat,reference\n"
			    "Slot A      version 1.0 (release 1), confirmed, starts next\n"
			    "Slot B      empty, or unknown what is in it\n"
			    "Why         Recovery was asked for.\n"
			    "\n"
			    "Waiting for a package: plug in a stick or card that holds one.\n");

	screen_wait(&s->screen, WAIT_NOTHING, "");
	found_and_planned(s, 1, false);
	offer_install(s, 10);
	assert_int_equal(wait_for_choice(s, 11), ACTION_INSTALL);
	assert_string_equal(
		seen(s),
		"\n"
		"Found       update.boat on sda1\n"
		"            version 2.0 (release 2), 31 MiB, signed with key 'development'\n"
		"Plan        Install version 2.0 (release 2) into slot B: 36 MiB. Slot A with\n"
		"            version 1.0 (release 1) stays as it is.\n"
		"            boot_b    6 MiB into a partition of 8 MiB\n"
		"            system_b  30 MiB into a partition of 32 MiB\n"
		"\n"
		"Install this version?\n"
		"  1 or i  install now\n"
		"  2 or m  show the menu\n"
		"By itself in 10 s: install now. Key m stops it.\n"
		"By itself in 5 s: install now. Key m stops it.\n"
		"> install now (nobody chose)\n");

	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_CHECK);
	step(s, STEP_PLAN);
	step(s, STEP_MARK);
	long_step(s, STEP_WRITE, MIB(3));
	long_step(s, STEP_READ_BACK, MIB(18));
	step(s, STEP_COMMIT);
	step(s, STEP_DONE);
	assert_string_equal(
		seen(s),
		"\n"
		"Do not switch off, and leave the stick in. If the power fails all the same, the\n"
		"work goes on by itself at the next start.\n"
		"Checking the signature and the manifest.\n"
		"Marking slot B as not bootable.\n"
		"Writing slot B.\n"
		" 10 %  writing boot, 5 of 36 MiB\n"
		" 20 %  writing system, 9.7 of 36 MiB, 3 MiB/s, about 15 s left\n"
		" 30 %  writing system, 14.5 of 36 MiB, 3 MiB/s, about 15 s left\n"
		" 40 %  writing system, 19.2 of 36 MiB, 3 MiB/s, about 10 s left\n"
		" 50 %  writing system, 24 of 36 MiB, 3 MiB/s, about 10 s left\n"
		" 60 %  writing system, 29 of 36 MiB, 3 MiB/s, about 10 s left\n"
		" 70 %  writing system, 33.7 of 36 MiB, 3 MiB/s, about 5 s left\n"
		"Reading slot B back from the medium.\n"
		" 80 %  reading back system, 7.2 of 36 MiB, a few seconds left\n"
		" 90 %  reading back system, 21.7 of 36 MiB, 18 MiB/s, a few seconds left\n"
		"Switching the boot flags to slot B.\n"
		"100 %  done in 14 s: 18 MiB written, 18 MiB unchanged\n");

	s->flags =
		(struct flags){.order_count = 2, .order = {1, 0}, .slot = {{3, true}, {3, false}}};
	s->record.slot[1] = (struct state_slot){.release = 2, .version = "2.0"};
	show_device(s);
	screen_result(&s->screen, &result);
	screen_offer(&s->screen, QUESTION_DONE, done, 2, ACTION_RESTART, 3);
	assert_int_equal(wait_for_choice(s, 4), ACTION_RESTART);
	screen_leave(&s->screen, LEAVE_RESTART);
	assert_string_equal(
		seen(s),
		"\n"
		"Slot A      version 1.0 (release 1), confirmed\n"
		"Slot B      version 2.0 (release 2), on trial, tries left: 3, starts next\n"
		"\n"
		"Result      ok (0)\n"
		"            Version 2.0 (release 2) is installed in slot B.\n"
		"Next        The stick can be removed now. The new system starts on trial. If it\n"
		"            does not confirm itself, slot A with version 1.0 (release 1) starts\n"
		"            again.\n"
		"\n"
		"Start the new system?\n"
		"  1 or r  restart into the installed system\n"
		"  2 or m  show the menu\n"
		"By itself in 3 s: restart into the installed system. Key m stops it.\n"
		"> restart into the installed system (nobody chose)\n"
		"\n"
		"Restarting.\n");
	end_session(s);
}

static void a_single_slot_goes_on_after_a_power_cut(void **state)
{
	(void)state;
	struct session *s = new_session(1);
	struct journal journal = {.version = "2.0", .origin = "sda1: update.boat"};
	struct screen_package package = package_2(ORIGIN_NETWORK);
	struct plan plan = plan_for(0, true);

	s->flags = (struct flags){.recovery = true};
	s->record.slot[0].release = 0;
	screen_device(&s->screen, &s->board, &s->flags, &s->record, &journal, -1);
	screen_reason(&s->screen, "", NULL);
	screen_found(&s->screen, &package);
	screen_plan(&s->screen, &plan, true);
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_CHECK);
	long_step(s, STEP_VERIFY_FIRST, MIB(18));
	assert_string_equal(
		seen(s),
		"\n"
		"Lifeboat recovery\n"
		"=================\n"
		"\n"
		"Device      lifeboat,reference\n"
		"Slot A      empty, or unknown what is in it\n"
		"Unfinished  The install of version 2.0 was interrupted. It goes on by itself as\n"
		"            soon as its package is there again: sda1: update.boat\n"
		"Why         The boot loader started recovery and gave no reason.\n"
		"\n"
		"Found       update.boat on sda1\n"
		"            version 2.0 (release 2), 31 MiB, signed with key 'development'\n"
		"Plan        Install version 2.0 (release 2) into slot A: 36 MiB. It is the only\n"
		"            slot: until all is done, only recovery can start. It goes on where\n"
		"            it was interrupted.\n"
		"            boot_a    6 MiB into a partition of 8 MiB\n"
		"            system_a  30 MiB into a partition of 32 MiB\n"
		"\n"
		"Do not switch off, and leave the network connected. If the power fails all the\n"
		"same, the work goes on by itself at the next start.\n"
		"Checking the signature and the manifest.\n"
		"Checking the whole package before the only slot is overwritten.\n"
		" 10 %  checking system, 18 of 36 MiB\n"
		" 20 %  checking system, 36 of 36 MiB\n");
	end_session(s);
}

static void a_fault_says_what_is_wrong_what_to_do_and_what_holds(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	struct result result = result_of(DETAIL_DEVICE_WRITE, "system_b", 1);

	show_device(s);
	found_and_planned(s, 1, false);
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_MARK);
	seen(s);
	strcpy(result.fault.role, "system");
	result.fault.offset = 1572864;
	result.fault.sys_errno = 5;
	screen_result(&s->screen, &result);
	assert_string_equal(
		seen(s),
		"\n"
		"Result      install_failed (30), code 3012 DEVICE_WRITE\n"
		"            system_b: cannot be written (image system, at byte 1572864,\n"
		"            input/output error, error 5).\n"
		"What to do  The storage is failing or write-protected.\n"
		"Next        Slot B is not complete and is not started. Slot A with version 1.0\n"
		"            (release 1) is as it was.\n");
	end_session(s);
}

static void what_holds_after_a_failure_is_said_truly(void **state)
{
	(void)state;
	struct session *s = new_session(2), *single = new_session(1);
	struct result result = result_of(DETAIL_WRONG_PRODUCT, "update.boat", 1);

	show_device(s);
	found_and_planned(s, 1, false);
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_CHECK);
	step(s, STEP_PLAN);
	screen_result(&s->screen, &result);
	is_seen(s, "Next        Nothing on the device was changed.\n");

	/* A second attempt on a target that the first one had touched. */
	step(s, STEP_MARK);
	screen_result(&s->screen, &result);
	seen(s);
	screen_work(&s->screen, WORK_INSTALL, true);
	step(s, STEP_CHECK);
	screen_result(&s->screen, &result);
	is_seen(s, "Slot B is not complete and is not started.");

	show_device(single);
	found_and_planned(single, 0, true);
	screen_work(&single->screen, WORK_INSTALL, false);
	step(single, STEP_WRITE);
	screen_result(&single->screen, &result);
	is_seen(single, "Slot A is not complete. Recovery starts until an install succeeds.");
	end_session(s);
	end_session(single);
}

static void a_stick_that_is_pulled_out_is_asked_back(void **state)
{
	(void)state;
	struct session *s = new_session(2);

	show_device(s);
	found_and_planned(s, 1, false);
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_WRITE);
	seen(s);
	screen_wait(&s->screen, WAIT_STICK_BACK, "sda1");
	screen_wait(&s->screen, WAIT_STICK_BACK, "sda1");
	screen_wait(&s->screen, WAIT_NOTHING, "");
	assert_string_equal(
		seen(s),
		"\n"
		"The stick was pulled out: plug it in again, and the work goes on where it\n"
		"stopped. (sda1)\n"
		"\n"
		"It is there: the work goes on.\n");
	end_session(s);
}

static void slow_work_still_shows_life_every_ten_seconds(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	struct progress progress = {.step = STEP_WRITE, .role = "system", .total = MIB(36)};
	unsigned lines = 0;

	show_device(s);
	found_and_planned(s, 1, false);
	screen_work(&s->screen, WORK_INSTALL, false);
	for (int i = 0; i < 600; i++) { /* a minute for 600 KiB */
		s->ms += 100;
		progress.done += KIB(1);
		screen_progress(&s->screen, &progress);
	}
	for (const char *p = seen(s); (p = strstr(p, " %  writing")); p++)
		lines++;
	check(lines >= 5 && lines <= 7);
	end_session(s);
}

static void stored_results_make_a_table(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	struct result good = result_of(DETAIL_OK, NULL, 1),
		      bad = result_of(DETAIL_TRIAL_FAILED, "slot B", RESULT_NO_SLOT);
	struct out *out = &s->serial.out.out;

	show_device(s);
	seen(s);
	good.boot_count = 12;
	bad.what = RESULT_TRIAL;
	bad.version[0] = 0;
	report_results_title(out, true);
	report_past_result(out, &s->screen, &good);
	report_past_result(out, &s->screen, &bad);
	out_flush(out);
	assert_string_equal(seen(s),
			    "Last results, the newest first\n"
			    "install     ok (0), version 2.0 (release 2), slot B, boot 12\n"
			    "trial       postcheck_failed (40), code 4003 TRIAL_FAILED, boot 0\n"
			    "            slot B: did not confirm itself and was given up.\n");
	end_session(s);
}

/* --- Choices
 * ------------------------------------------------------------------------------------------- */

static void type(struct session *s, const char *keys)
{
	assert_int_equal(write(s->in, keys, strlen(keys)), (int)strlen(keys));
}

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

/* --- On a terminal
 * ------------------------------------------------------------------------------------- */

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

/* --- What must always hold
 * ----------------------------------------------------------------------------- */

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

static void reasons_of_the_boot_script_have_sentences_of_their_own(void **state)
{
	(void)state;
	static const char *const words[] = {"",
					    "request",
					    "no-tries-left",
					    "boot-image-invalid",
					    "environment-damaged",
					    "trial-failed",
					    "install",
					    "something-new"};
	char text[COUNT(words)][WORDS_SIZE];

	for (size_t i = 0; i < COUNT(words); i++) {
		struct text t = TEXT_IN(text[i]);
		words_reason(&t, words[i]);
		check(t.len > 10 && t.at[t.len - 1] == '.');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(text[i], text[j]);
	}
	check(strstr(text[COUNT(words) - 1], "something-new"));
}

static void keys_are_unique(void **state)
{
	(void)state;
	for (int a = ACTION_NONE + 1; a < ACTION_COUNT; a++) {
		char key = words_action_key((enum action)a);
		at_case("action %d", a);
		check(key >= 'a' && key <= 'z');
		assert_int_equal(words_action_of(key), a);
		assert_int_equal(words_action_of(key - 'a' + 'A'), a);
	}
	assert_int_equal(words_action_of(0), ACTION_NONE);
	assert_int_equal(words_action_of('\r'), ACTION_NONE);
}

static void strings_are_short_enough_and_ascii(void **state)
{
	(void)state;
	for (int i = 0; i < STRING_COUNT; i++) {
		const char *text = string((enum string)i);
		at_case("string %d: %s", i, text);
		check(text[0]);
		for (const char *p = text; *p; p++)
			check(*p >= 0x20 && *p < 0x7f);
	}
	for (int i = STRING_LABEL_DEVICE; i <= STRING_LABEL_NEXT; i++)
		check(strlen(string((enum string)i)) <= STRING_LABEL_WIDTH);
	assert_string_equal(string(STRING_COUNT), "");
}

static void placeholders_may_stand_in_any_order(void **state)
{
	(void)state;
	char buffer[64], small[8];
	struct text t = TEXT_IN(buffer), cut = TEXT_IN(small);

	say_with(&t, STRING_FAULT_ERRNO_TEXT, "5", "broken", NULL, NULL);
	assert_string_equal(buffer, "broken, error 5");
	text_clear(&t);
	say_with(&t, STRING_CHOSEN, NULL, NULL, NULL, NULL);
	assert_string_equal(buffer, "> ");
	text_clear(&t);
	say_with(&t, STRING_CHOSEN, "100 %1 %", NULL, NULL, NULL);
	assert_string_equal(buffer, "> 100 %1 %");
	say_with(&cut, STRING_CHOSEN, "much too long", NULL, NULL, NULL);
	assert_string_equal(small, "> much ");
}

/* The longest texts that can come fit into WORDS_SIZE. */
static void the_longest_sentences_are_not_cut(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	char buffer[WORDS_SIZE];
	struct text t = TEXT_IN(buffer);
	struct screen *screen = &s->screen;

	show_device(s);
	memset(screen->package.name, 'n', sizeof(screen->package.name) - 1);
	memset(screen->package.version, 'v', sizeof(screen->package.version) - 1);
	memset(screen->pending_version, 'v', sizeof(screen->pending_version) - 1);
	memset(screen->pending_origin, 'o', sizeof(screen->pending_origin) - 1);
	memset(screen->wait_object, 'o', sizeof(screen->wait_object) - 1);
	memset(screen->network_url, 'u', sizeof(screen->network_url) - 1);
	memset(screen->slots[0].version, 'v', sizeof(screen->slots[0].version) - 1);
	screen->look_stick = screen->look_network = true;
	screen->package.release = screen->plan.installed_release = screen->plan.total = UINT64_MAX;
	screen->plan.target = 1;
	screen->plan.in_place = screen->plan.repair = screen->plan.older = screen->resumes = true;
	words_plan(&t, screen);
	check(t.len + 1 < t.size && t.at[t.len - 1] == '.');
	text_clear(&t);
	words_pending(&t, screen);
	check(t.len + 1 < t.size && t.at[t.len - 1] == 'o');
	for (int wait = WAIT_PACKAGE; wait <= WAIT_NO_PACKAGE; wait++) {
		screen->wait = (enum screen_wait)wait;
		text_clear(&t);
		words_wait(&t, screen);
		check(t.len + 1 < t.size);
	}
	memset(screen->result.fault.object, 'o', sizeof(screen->result.fault.object) - 1);
	memset(screen->result.fault.role, 'r', sizeof(screen->result.fault.role) - 1);
	screen->result.fault.offset = UINT64_MAX;
	screen->result.fault.sys_errno = 111;
	enum detail detail;
	for (size_t i = 1; !detail_at(i, &detail); i++) {
		screen->result.fault.detail = detail;
		text_clear(&t);
		words_fault(&t, &screen->result.fault, "");
		at_case("detail %d", detail);
		check(t.len + 1 < t.size && t.at[t.len - 1] == '.');
	}
	end_session(s);
}

static void time_left_is_said_in_steps(void **state)
{
	(void)state;
	static const struct {
		uint32_t seconds;
		const char *text;
	} cases[] = {
		{PACE_UNKNOWN, ""},
		{0, ", a few seconds left"},
		{4, ", a few seconds left"},
		{5, ", about 5 s left"},
		{6, ", about 10 s left"},
		{90, ", about 90 s left"},
		{91, ", about 2 min left"},
		{120, ", about 2 min left"},
		{121, ", about 3 min left"},
		{5340, ", about 89 min left"},
		{5341, ", about 1 h 30 min left"},
		{359999, ", about 100 h 0 min left"},
	};
	char buffer[64];
	struct text t = TEXT_IN(buffer);

	for (size_t i = 0; i < COUNT(cases); i++) {
		text_clear(&t);
		words_left(&t, cases[i].seconds);
		assert_string_equal(buffer, cases[i].text);
	}
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
	for (int wait = WAIT_PACKAGE; wait <= WAIT_NO_PACKAGE; wait++)
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
		TEST(an_install_from_a_stick_reads_well_in_a_log),
		TEST(a_single_slot_goes_on_after_a_power_cut),
		TEST(a_fault_says_what_is_wrong_what_to_do_and_what_holds),
		TEST(what_holds_after_a_failure_is_said_truly),
		TEST(a_stick_that_is_pulled_out_is_asked_back),
		TEST(slow_work_still_shows_life_every_ten_seconds),
		TEST(stored_results_make_a_table),
		TEST(a_choice_is_a_letter_or_a_number),
		TEST(other_keys_choose_nothing_and_show_everything),
		TEST(going_back_to_an_older_release_is_no_by_default),
		TEST(without_a_countdown_nothing_happens_by_itself),
		TEST(a_pipe_is_read_only_when_something_is_asked),
		TEST(the_end_of_input_does_not_spin),
		TEST(a_terminal_gets_one_line_of_progress_drawn_in_place),
		TEST(a_dumb_terminal_is_not_drawn_on),
		TEST(nothing_from_outside_can_draw),
		TEST(reasons_of_the_boot_script_have_sentences_of_their_own),
		TEST(keys_are_unique),
		TEST(strings_are_short_enough_and_ascii),
		TEST(placeholders_may_stand_in_any_order),
		TEST(the_longest_sentences_are_not_cut),
		TEST(time_left_is_said_in_steps),
		TEST(no_line_is_wider_than_a_terminal),
	};

	return RUN_ALL(tests);
}
