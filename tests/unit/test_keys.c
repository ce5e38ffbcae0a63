/* Keys and text at a real terminal (a pty), at pipes, and at nothing. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include "ui/keys.h"
#include "ui/out.h"

struct pty {
	int master, slave;
	struct keys keys;
};

static struct pty *new_pty(bool signals)
{
	struct pty *pty = arena_alloc(sizeof(*pty));

	assert_int_equal(openpty(&pty->master, &pty->slave, NULL, NULL, NULL), 0);
	keys_open(&pty->keys, pty->slave, signals);
	return pty;
}

static void end_pty(struct pty *pty)
{
	keys_close(&pty->keys);
	close(pty->slave);
	close(pty->master);
}

static void type_bytes(struct pty *pty, const char *bytes, size_t len)
{
	assert_int_equal(write(pty->master, bytes, len), (int)len);
}

static void type(struct pty *pty, const char *text)
{
	type_bytes(pty, text, strlen(text));
}

/* All keys that come, as a string. */
static const char *typed(struct keys *keys)
{
	char *got = arena_alloc(256);
	size_t len = 0;
	int key;

	while ((key = keys_next(keys)) != KEY_NONE && len < 255)
		got[len++] = (char)key;
	return got;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void keys_come_without_enter_and_without_waiting(void **state)
{
	(void)state;
	struct pty *pty = new_pty(false);

	assert_int_equal(keys_next(&pty->keys), KEY_NONE);
	type(pty, "i");
	assert_string_equal(typed(&pty->keys), "i");
	type(pty, "2Ym");
	assert_string_equal(typed(&pty->keys), "2Ym");
	assert_int_equal(pty->keys.fd, pty->slave);
	end_pty(pty);
}

static void nothing_is_echoed_and_ctrl_s_stops_nothing(void **state)
{
	(void)state;
	struct pty *pty = new_pty(false);
	struct pollfd echo = {.fd = pty->master, .events = POLLIN};
	char byte;

	type(pty, "a\x13"
		  "b");
	assert_string_equal(typed(&pty->keys), "ab");
	assert_int_equal(poll(&echo, 1, 50), 0);
	assert_int_equal(write(pty->slave, "x", 1), 1);
	assert_int_equal(poll(&echo, 1, 1000), 1);
	assert_int_equal(read(pty->master, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	end_pty(pty);
}

static void settings_are_put_back(void **state)
{
	(void)state;
	struct pty *pty = new_pty(false);
	struct termios raw, after;

	assert_int_equal(tcgetattr(pty->slave, &raw), 0);
	assert_int_equal(raw.c_lflag & (ICANON | ECHO | ISIG), 0);
	check(raw.c_oflag & OPOST);
	keys_close(&pty->keys);
	keys_close(&pty->keys);
	assert_int_equal(tcgetattr(pty->slave, &after), 0);
	assert_int_equal(after.c_lflag & (ICANON | ECHO | ISIG), ICANON | ECHO | ISIG);
	check(after.c_iflag & IXON);
	end_pty(pty);
}

static void ctrl_c_is_a_key_in_recovery_and_a_signal_in_a_command(void **state)
{
	(void)state;
	struct pty *recovery = new_pty(false), *command = new_pty(true);
	struct termios t;

	type(recovery, "\x03");
	assert_int_equal(keys_next(&recovery->keys), KEY_CTRL_C);
	assert_int_equal(tcgetattr(command->slave, &t), 0);
	check(t.c_lflag & ISIG);
	end_pty(recovery);
	end_pty(command);
}

static void arrows_and_noise_are_no_keys(void **state)
{
	(void)state;
	struct pty *pty = new_pty(false);

	/* arrow up, F5, F1, Home, Delete: each ends in a letter or digit that would be a choice */
	type(pty, "\x1b[A\x1b[15~\x1bOP\x1bOH\x1b[3~\x1b[1;5C");
	assert_string_equal(typed(&pty->keys), "");
	type_bytes(pty, "\0\x80\xff\xfe\x07\x08", 6);
	assert_string_equal(typed(&pty->keys), "");
	/* cut in two by a slow line */
	type(pty, "\x1b");
	assert_string_equal(typed(&pty->keys), "");
	type(pty, "[");
	assert_string_equal(typed(&pty->keys), "");
	type(pty, "Ci");
	assert_string_equal(typed(&pty->keys), "i");
	/* Escape alone does not eat what comes later */
	type(pty, "\x1b");
	assert_string_equal(typed(&pty->keys), "");
	type(pty, "r");
	assert_string_equal(typed(&pty->keys), "r");
	end_pty(pty);
}

static void noise_without_end_does_not_hold_up(void **state)
{
	(void)state;
	struct keys keys;
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	keys_open(&keys, fd, false);
	for (int i = 0; i < 10; i++)
		assert_int_equal(keys_next(&keys), KEY_NONE);
	close(fd);
}

static void what_was_typed_before_can_be_forgotten(void **state)
{
	(void)state;
	struct pty *pty = new_pty(false);
	struct pollfd arrived = {.fd = pty->slave, .events = POLLIN};

	type(pty, "yyy");
	assert_int_equal(poll(&arrived, 1, 1000), 1);
	keys_forget(&pty->keys);
	assert_string_equal(typed(&pty->keys), "");
	type(pty, "n");
	assert_string_equal(typed(&pty->keys), "n");
	end_pty(pty);
}

static void the_end_of_input_is_the_end(void **state)
{
	(void)state;
	struct keys keys;
	int ends[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	keys_open(&keys, null, false);
	assert_int_equal(keys_next(&keys), KEY_NONE);
	assert_int_equal(keys.fd, -1);
	close(null);

	assert_int_equal(pipe(ends), 0);
	keys_open(&keys, ends[0], false);
	assert_int_equal(keys_next(&keys), KEY_NONE);
	assert_int_equal(keys.fd, ends[0]);
	assert_int_equal(write(ends[1], "y", 1), 1);
	close(ends[1]);
	assert_string_equal(typed(&keys), "y");
	assert_int_equal(keys.fd, -1);
	close(ends[0]);

	keys_open(&keys, -1, false);
	assert_int_equal(keys_next(&keys), KEY_NONE);
	keys_close(&keys);
}

static void a_hang_up_is_the_end(void **state)
{
	(void)state;
	struct pty *pty = new_pty(false);

	close(pty->master);
	assert_int_equal(keys_next(&pty->keys), KEY_NONE);
	assert_int_equal(pty->keys.fd, -1);
	close(pty->slave);
}

/* In the background of a shell: touching the terminal would stop the whole install. */
static void the_background_leaves_the_terminal_alone(void **state)
{
	(void)state;
	struct pty *pty = arena_alloc(sizeof(*pty));
	int status;
	pid_t session;

	assert_int_equal(openpty(&pty->master, &pty->slave, NULL, NULL, NULL), 0);
	session = fork();
	if (!session) {
		pid_t background;
		setsid();
		if (login_tty(pty->slave)) /* our controlling terminal; we are its foreground */
			_exit(2);
		background = fork();
		if (!background) {
			struct keys keys;
			struct termios t;
			setpgid(0, 0);
			keys_open(&keys, 0, false);
			if (keys.fd != -1 || keys_next(&keys) != KEY_NONE || tcgetattr(0, &t))
				_exit(3);
			_exit(t.c_lflag & ICANON ? 0 : 4);
		}
		waitpid(background, &status, WUNTRACED);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
	}
	assert_int_equal(waitpid(session, &status, 0), session);
	check(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(pty->slave);
	close(pty->master);
}

/* --- Output that nobody takes --- */

static void a_full_pipe_loses_text_and_never_holds_up_for_long(void **state)
{
	(void)state;
	struct out_fd *out = arena_alloc(sizeof(*out));
	char *page = arena_alloc(KIB(4) + 1), bytes[1024];
	uint64_t start = now_ms(), took;
	int ends[2];

	memset(page, 'x', KIB(4));
	assert_int_equal(pipe(ends), 0);
	out_fd_open(out, ends[1], false);
	for (int i = 0; i < 64; i++) /* 256 KiB into a pipe of 64 KiB */
		out_add(&out->out, page);
	out_flush(&out->out);
	took = now_ms() - start;
	check(out->lost && out->stuck);
	check(took >= OUT_PATIENCE_MS && took < OUT_PATIENCE_MS + 1500);

	/* Somebody reads again. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	while (read(ends[0], bytes, sizeof(bytes)) > 0)
		;
	out_line(&out->out, "again");
	out_flush(&out->out);
	check(!out->stuck);
	assert_int_equal(read(ends[0], bytes, sizeof(bytes)), 6);
	assert_memory_equal(bytes, "again\n", 6);
	out_fd_close(out);
	close(ends[0]);
	close(ends[1]);
}

static void one_long_text_does_not_hold_up_either(void **state)
{
	(void)state;
	struct out_fd *out = arena_alloc(sizeof(*out));
	char *page = arena_alloc(KIB(256));
	uint64_t start = now_ms();
	int ends[2];

	assert_int_equal(pipe(ends), 0); /* a write into it may block */
	out_fd_open(out, ends[1], false);
	out_raw(&out->out, page, KIB(256));
	check(out->lost && now_ms() - start < OUT_PATIENCE_MS + 1500);
	out_fd_close(out);
	close(ends[0]);
	close(ends[1]);
}

static void a_stopped_terminal_does_not_hold_up(void **state)
{
	(void)state;
	struct pty *pty = arena_alloc(sizeof(*pty));
	struct out_fd *out = arena_alloc(sizeof(*out));
	char *page = arena_alloc(KIB(4) + 1);
	uint64_t start;

	memset(page, 'x', KIB(4));
	assert_int_equal(openpty(&pty->master, &pty->slave, NULL, NULL, NULL), 0);
	out_fd_open(out, pty->slave, false);
	check(out->opened);
	assert_int_equal(tcflow(pty->slave, TCOOFF), 0);
	start = now_ms();
	for (int i = 0; i < 32; i++)
		out_add(&out->out, page);
	out_flush(&out->out);
	check(out->lost);
	check(now_ms() - start < OUT_PATIENCE_MS + 1500);
	tcflow(pty->slave, TCOON);
	out_fd_close(out);
	close(pty->slave);
	close(pty->master);
}

/* Its buffer takes something, but not all of it: a write that may block would. */
static void a_terminal_that_nobody_reads_does_not_hold_up(void **state)
{
	(void)state;
	struct pty *pty = arena_alloc(sizeof(*pty));
	struct out_fd *out = arena_alloc(sizeof(*out));
	uint64_t start = now_ms();

	assert_int_equal(openpty(&pty->master, &pty->slave, NULL, NULL, NULL), 0);
	out_fd_open(out, pty->slave, false);
	for (int i = 0; i < 4096; i++) {
		out_line(&out->out, "a line of some length");
		out_flush(&out->out);
	}
	check(out->lost);
	/* What it takes late, a kernel's buffer at most, gives some patience back. */
	check(now_ms() - start < 2 * OUT_PATIENCE_MS + 1500);
	out_fd_close(out);
	close(pty->slave);
	close(pty->master);
}

static void a_closed_pipe_is_only_noted(void **state)
{
	(void)state;
	struct out_fd *out = arena_alloc(sizeof(*out));
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	out_fd_open(out, ends[1], false);
	close(ends[0]);
	out_line(&out->out, "nobody");
	out_flush(&out->out);
	check(out->lost);
	out_fd_close(out);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_come_without_enter_and_without_waiting),
		TEST(nothing_is_echoed_and_ctrl_s_stops_nothing),
		TEST(settings_are_put_back),
		TEST(ctrl_c_is_a_key_in_recovery_and_a_signal_in_a_command),
		TEST(arrows_and_noise_are_no_keys),
		TEST(noise_without_end_does_not_hold_up),
		TEST(what_was_typed_before_can_be_forgotten),
		TEST(the_end_of_input_is_the_end),
		TEST(a_hang_up_is_the_end),
		TEST(the_background_leaves_the_terminal_alone),
		TEST(a_full_pipe_loses_text_and_never_holds_up_for_long),
		TEST(one_long_text_does_not_hold_up_either),
		TEST(a_stopped_terminal_does_not_hold_up),
		TEST(a_terminal_that_nobody_reads_does_not_hold_up),
		TEST(a_closed_pipe_is_only_noted),
	};

	alarm(60); /* what waits for ever fails */
	return RUN_ALL(tests);
}
