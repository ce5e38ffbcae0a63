#include "platform/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/system.h"
#include "platform/format.h"

#define LAST_WORDS_MS 200 /* for output that a grandchild holds open after the child's end */

struct output {
	const struct watch *watch;
	const char *prefix;
	size_t len;
	char line[CHILD_LINE_SIZE];
};

static void end_line(struct output *out)
{
	char text[CHILD_LINE_SIZE + 128];

	out->line[out->len] = 0;
	if (out->len) {
		format_text(text, sizeof(text), "%.100s%s", out->prefix ? out->prefix : "",
			    out->line);
		watch_line(out->watch, text);
	}
	out->len = 0;
}

/* Takes what is there; false at the end. Control characters do not get through to a log or a
 * terminal. */
static bool take_output(int fd, struct output *out)
{
	char buf[512];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c == '\n' || c == '\r' || out->len == sizeof(out->line) - 1)
			end_line(out);
		if (c == '\t' || (c >= 0x20 && c != 0x7f))
			out->line[out->len++] = (char)c;
	}
	return n > 0;
}

static void start(char *const argv[], int out, int told)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;
	int err;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < 32; s++)
		signal(s, SIG_DFL);
	if (dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0) {
		/* A path is run as it is: execvp would hand what it cannot run to a shell. */
		if (strchr(argv[0], '/'))
			execv(argv[0], argv);
		else
			execvp(argv[0], argv);
	}
	err = errno;
	/* told is closed by a successful exec. */
	if (write(told, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* Waits until the child ends or must be ended. */
static enum child_end follow(pid_t pid, int fd, uint64_t deadline, struct output *out, int *status)
{
	bool open = true;

	for (;;) {
		struct pollfd poll_fd = {.fd = open ? fd : -1, .events = POLLIN};

		poll(&poll_fd, 1, WATCH_POLL_MS);
		if (open && poll_fd.revents)
			open = take_output(fd, out);
		if (waitpid(pid, status, WNOHANG) == pid)
			return CHILD_EXITED;
		if (system_now_ms() >= deadline)
			return CHILD_TIMEOUT;
		if (watch_poll(out->watch))
			return CHILD_STOPPED;
	}
}

static void last_words(int fd, struct output *out)
{
	uint64_t deadline = system_now_ms() + LAST_WORDS_MS;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	while (system_now_ms() < deadline && poll(&poll_fd, 1, LAST_WORDS_MS) > 0 &&
	       take_output(fd, out))
		;
	end_line(out);
}

static enum child_end supervise(pid_t pid, int fd, uint32_t timeout_ms, struct output *out,
				int *value)
{
	int status = 0;
	enum child_end end = follow(pid, fd, system_now_ms() + timeout_ms, out, &status);

	if (end != CHILD_EXITED) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	last_words(fd, out);
	if (end != CHILD_EXITED)
		return end;
	*value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	return WIFSIGNALED(status) ? CHILD_KILLED : CHILD_EXITED;
}

/* Waits for the exec, which is at once. True: it failed, and errno was sent. */
static bool was_not_run(int told, int *err)
{
	ssize_t n;

	do
		n = read(told, err, sizeof(*err));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*err);
}

enum child_end child_run(char *const argv[], uint32_t timeout_ms, const char *prefix,
			 const struct watch *watch, int *value)
{
	struct output out = {.watch = watch, .prefix = prefix};
	enum child_end end = CHILD_NOT_RUN;
	int output[2], told[2];
	pid_t pid;

	*value = EMFILE;
	if (pipe2(output, O_CLOEXEC))
		return CHILD_NOT_RUN;
	if (pipe2(told, O_CLOEXEC)) {
		close(output[0]);
		close(output[1]);
		return CHILD_NOT_RUN;
	}
	pid = fork();
	if (!pid)
		start(argv, output[1], told[1]);
	*value = errno;
	close(output[1]);
	close(told[1]);
	if (pid > 0) {
		setpgid(pid, pid);
		fcntl(output[0], F_SETFL, O_NONBLOCK);
		if (was_not_run(told[0], value))
			waitpid(pid, NULL, 0);
		else
			end = supervise(pid, output[0], timeout_ms, &out, value);
	}
	close(output[0]);
	close(told[0]);
	return end;
}
