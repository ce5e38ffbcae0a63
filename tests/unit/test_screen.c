/* The screen as people see it on a dumb terminal and in a log: whole transcripts, word for word. */
#include "support_screen.h"

#include "ui/report.h"

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
			    "Slot B      empty or incomplete\n"
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
		"Slot A      empty or incomplete\n"
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
		"What to do  It is failing, full or write-protected.\n"
		"Next        Slot B is not complete and is not started. Slot A with version 1.0\n"
		"            (release 1) is as it was.\n");
	end_session(s);
}

static void what_holds_after_a_failure_is_said_truly(void **state)
{
	(void)state;
	struct session *s = new_session(2), *single = new_session(1);
	struct journal journal = {.version = "2.0", .target = 1};
	struct result result = result_of(DETAIL_WRONG_PRODUCT, "update.boat", 1);

	show_device(s);
	found_and_planned(s, 1, false);
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_CHECK);
	step(s, STEP_PLAN);
	screen_result(&s->screen, &result);
	is_seen(s, "Next        Nothing on the device was changed.\n");

	/* A second attempt on a target that the first one had touched. */
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_MARK);
	screen_result(&s->screen, &result);
	seen(s);
	screen_work(&s->screen, WORK_INSTALL, true);
	step(s, STEP_CHECK);
	screen_result(&s->screen, &result);
	is_seen(s, "Slot B is not complete and is not started.");

	/* A slot that the boot script does not know of is no comfort. */
	s->flags.order_count = 0;
	show_device(s);
	screen_work(&s->screen, WORK_INSTALL, false);
	step(s, STEP_WRITE);
	screen_result(&s->screen, &result);
	is_seen(s, "Slot B is not complete. Recovery starts until an install succeeds.");
	s->flags.order_count = 1;

	/* Other work begins with a clean slate, ... */
	screen_work(&s->screen, WORK_INSTALL, false);
	screen_result(&s->screen, &result);
	is_seen(s, "Nothing on the device was changed.");
	/* ... but not after a power cut in the middle. */
	screen_device(&s->screen, &s->board, &s->flags, &s->record, &journal, -1);
	screen_work(&s->screen, WORK_INSTALL, false);
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

static void what_did_not_change_is_not_shown_again(void **state)
{
	(void)state;
	struct session *s = new_session(2);

	show_device(s);
	seen(s);
	show_device(s);
	step(s, STEP_CHECK); /* of a plan: the work has not begun */
	assert_string_equal(seen(s), "");
	s->flags.slot[0].tries = 0;
	show_device(s);
	assert_string_equal(seen(s),
			    "\n"
			    "Slot A      version 1.0 (release 1), confirmed, no tries left\n"
			    "Slot B      empty or incomplete\n");
	screen_device(&s->screen, &s->board, NULL, &s->record, NULL, -1);
	assert_string_equal(
		seen(s),
		"\n"
		"Slot A      version 1.0 (release 1)\n"
		"Slot B      version unknown\n"
		"            The boot flags are damaged in both copies, so no system is started.\n"
		"            An install writes them anew.\n");
	end_session(s);
}

/* No board tree, no disk: the screen still says what it is and what is wrong. */
static void a_device_that_cannot_be_opened_is_still_told_about(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	struct result result = result_of(DETAIL_DISK_NOT_FOUND, "partition state", RESULT_NO_SLOT);

	screen_reason(&s->screen, "request", NULL);
	screen_result(&s->screen, &result);
	assert_string_equal(seen(s), "\n"
				     "Lifeboat recovery\n"
				     "=================\n"
				     "\n"
				     "Why         Recovery was asked for.\n"
				     "\n"
				     "Result      install_failed (30), code 3003 DISK_NOT_FOUND\n"
				     "            partition state: is on no disk of this device.\n"
				     "What to do  Check the partition labels and the board tree.\n"
				     "Next        Nothing on the device was changed.\n");
	screen_again(&s->screen);
	is_seen(s, "partition state: is on no disk of this device.");
	end_session(s);
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

/* User data that waits to be erased, erased; then a medium that fails. */
static void a_wipe_is_told_from_end_to_end(void **state)
{
	(void)state;
	struct session *s = new_session(2);
	static const enum action end[] = {ACTION_RESTART, ACTION_SHOW_LOG, ACTION_POWER_OFF,
					  ACTION_MENU};
	static const enum action sure[] = {ACTION_NO, ACTION_WIPE_NOW};
	struct result result = {.what = RESULT_WIPE, .slot = RESULT_NO_SLOT};

	s->flags.recovery = true;
	s->record.wipe = STATE_WIPE_BEGUN;
	show_device(s);
	screen_reason(&s->screen, "wipe", NULL);
	screen_work(&s->screen, WORK_WIPE, false);
	step(s, STEP_PLAN);
	step(s, STEP_MARK);
	struct progress progress = {.step = STEP_WRITE, .role = "data", .total = MIB(200)};
	screen_progress(&s->screen, &progress);
	for (int i = 1; i <= 4; i++) {
		progress.done = MIB(50) * i;
		progress.written = MIB(40) * i;
		progress.unchanged = MIB(10) * i;
		s->ms += 5000;
		screen_progress(&s->screen, &progress);
	}
	progress.step = STEP_READ_BACK;
	screen_progress(&s->screen, &progress);
	progress.step = STEP_DONE;
	screen_progress(&s->screen, &progress);
	s->record.wipe = STATE_WIPE_NONE;
	s->flags.recovery = false;
	show_device(s);
	screen_result(&s->screen, &result);
	screen_offer(&s->screen, QUESTION_WIPED, end, 4, ACTION_RESTART, 5);
	assert_string_equal(
		seen(s),
		"\n"
		"Lifeboat recovery\n"
		"=================\n"
		"\n"
		"Device      lifeboat,reference\n"
		"Slot A      version 1.0 (release 1), confirmed, starts next\n"
		"Slot B      empty or incomplete\n"
		"Unfinished  Erasing user data was interrupted: recovery goes on with it before\n"
		"            anything else.\n"
		"Why         User data is to be erased.\n"
		"\n"
		"Do not switch off. If the power fails all the same, the work goes on by itself\n"
		"at the next start.\n"
		"Storing that user data is being erased.\n"
		"Overwriting user data with zeros.\n"
		" 18 %  erasing data, 50 of 200 MiB, 10 MiB/s, about 25 s left\n"
		" 37 %  erasing data, 100 of 200 MiB, 10 MiB/s, about 20 s left\n"
		" 56 %  erasing data, 150 of 200 MiB, 10 MiB/s, about 15 s left\n"
		" 75 %  erasing data, 200 of 200 MiB, 10 MiB/s, about 10 s left\n"
		"Reading what was erased back from the medium.\n"
		"100 %  done in 20 s: 160 MiB overwritten, 40 MiB held zeros already\n"
		"\n"
		"Slot A      version 1.0 (release 1), confirmed, starts next\n"
		"Slot B      empty or incomplete\n"
		"\n"
		"Result      ok (0)\n"
		"            User data is erased.\n"
		"\n"
		"Start the installed system?\n"
		"  1 or r  restart into the installed system\n"
		"  2 or l  show the log\n"
		"  3 or p  power off\n"
		"  4 or m  show the menu\n"
		"By itself in 5 s: restart into the installed system. Key m stops it.\n");

	/* Asked by hand: neither the key that led here nor Enter nor y says yes. */
	assert_int_equal(wait_for_choice(s, 6), ACTION_RESTART);
	screen_offer(&s->screen, QUESTION_WIPE, sure, 2, ACTION_NO, 60);
	type(s, "e\ry56");
	assert_int_equal(wait_for_choice(s, 1), ACTION_NONE);
	type(s, "d");
	assert_int_equal(wait_for_choice(s, 1), ACTION_WIPE_NOW);
	screen_offer(&s->screen, QUESTION_WIPE, sure, 2, ACTION_NO, 60);
	assert_int_equal(wait_for_choice(s, 61), ACTION_NO);

	/* A failure says plainly what it means. */
	fault_errno(&result.fault, DETAIL_DEVICE_WRITE, "data", 5);
	result.fault.offset = MIB(50);
	seen(s);
	screen_work(&s->screen, WORK_WIPE, false);
	screen_result(&s->screen, &result);
	assert_string_equal(
		seen(s),
		"\n"
		"Do not switch off. If the power fails all the same, the work goes on by itself\n"
		"at the next start.\n"
		"\n"
		"Result      install_failed (30), code 3012 DEVICE_WRITE\n"
		"            data: cannot be written (at byte 52428800, input/output error,\n"
		"            error 5).\n"
		"What to do  It is failing, full or write-protected.\n"
		"Next        User data may still be on this device.\n");
	/* ... and one that was stopped goes on. */
	s->flags.recovery = true;
	s->record.wipe = STATE_WIPE_BEGUN;
	fault_set(&result.fault, DETAIL_INTERRUPTED, "erasing user data");
	show_device(s);
	screen_result(&s->screen, &result);
	is_seen(s, "Next        Not all of it is erased. That goes on when recovery starts.\n");
	end_session(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_install_from_a_stick_reads_well_in_a_log),
		TEST(a_single_slot_goes_on_after_a_power_cut),
		TEST(a_fault_says_what_is_wrong_what_to_do_and_what_holds),
		TEST(what_holds_after_a_failure_is_said_truly),
		TEST(what_did_not_change_is_not_shown_again),
		TEST(a_device_that_cannot_be_opened_is_still_told_about),
		TEST(a_stick_that_is_pulled_out_is_asked_back),
		TEST(slow_work_still_shows_life_every_ten_seconds),
		TEST(stored_results_make_a_table),
		TEST(a_wipe_is_told_from_end_to_end),
	};

	return RUN_ALL(tests);
}
