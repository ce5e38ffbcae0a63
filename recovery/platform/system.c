#include "platform/system.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "platform/child.h"
#include "platform/format.h"
#include "platform/sysfs.h"

#define SYNC_MS 10000
#define INIT_MS 30000
#define YEAR_2020 1577836800
#define BOARD_TREE_MAX (2u << 20) /* bytes; Linux takes device trees up to this */

/* --- clock --- */

uint64_t system_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t clock_monotonic(struct clock *clock)
{
	(void)clock;
	return system_now_ms();
}

static void clock_wall(struct clock *clock, char *text, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	(void)clock;
	text[0] = 0;
	if (now >= YEAR_2020 && gmtime_r(&now, &tm))
		format_text(text, size, "%d-%02u-%02u %02u:%02u:%02u UTC", tm.tm_year + 1900,
			    (unsigned int)tm.tm_mon + 1, (unsigned int)tm.tm_mday,
			    (unsigned int)tm.tm_hour, (unsigned int)tm.tm_min,
			    (unsigned int)tm.tm_sec);
}

static const struct clock_ops clock_ops = {.monotonic_ms = clock_monotonic, .wall = clock_wall};
struct clock system_clock = {.ops = &clock_ops};

/* --- leaving --- */

static void sync_bounded(void)
{
	uint64_t deadline = system_now_ms() + SYNC_MS;
	pid_t pid = fork();

	/* A stick that died can hold sync up for ever. What matters was flushed before. */
	if (!pid) {
		sync();
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0 && system_now_ms() < deadline)
		watch_sleep(NULL, 20);
}

static void ask_init(enum system_action action)
{
	char *const restart[] = {"/sbin/reboot", NULL}, *const off[] = {"/sbin/poweroff", NULL};
	int value;

	if (child_run(action == SYSTEM_RESTART ? restart : off, INIT_MS, NULL, NULL, &value) ==
		    CHILD_EXITED &&
	    value == 0)
		watch_sleep(NULL, INIT_MS); /* init ends this process */
}

int system_leave(enum system_action action, bool by_init)
{
	if (by_init)
		ask_init(action);
	sync_bounded();
	reboot(action == SYSTEM_RESTART ? RB_AUTOBOOT : RB_POWER_OFF);
	return errno;
}

/* --- kernel command line --- */

bool system_cmdline(const char *path, const char *name, char *value, size_t size)
{
	static char line[4096]; /* too large for the stack */
	char *rest = line, *word;
	size_t name_len = strlen(name), len;
	bool found = false;

	value[0] = 0;
	if (sysfs_read(path ? path : "/proc/cmdline", line, sizeof(line) - 1, &len))
		return false;
	line[len] = 0;
	while ((word = strtok_r(rest, " \t\n", &rest))) {
		if (strncmp(word, name, name_len) || word[name_len] != '=')
			continue;
		text_copy(value, size, word + name_len + 1);
		found = true;
	}
	return found;
}

/* --- board tree --- */

/* Reads a whole file into memory that malloc aligned. Returns an errno. */
static int read_file(const char *path, void **content, size_t *len)
{
	int err;

	*content = malloc(BOARD_TREE_MAX);
	if (!*content)
		return ENOMEM;
	err = sysfs_read(path, *content, BOARD_TREE_MAX, len);
	if (!err && *len == BOARD_TREE_MAX)
		err = EFBIG;
	if (err)
		free(*content);
	return err;
}

static enum detail load_board(struct board *board, const char *path, struct fault *fault)
{
	enum detail detail;
	void *fdt = NULL;
	size_t len = 0;
	int err = read_file(path, &fdt, &len);

	if (err)
		return fault_errno(fault, DETAIL_BOARD_MISSING, path, err);
	detail = board_load(board, fdt, len, fault);
	free(fdt);
	if (detail == DETAIL_BOARD_MISSING)
		fault_set(fault, detail, path);
	return detail;
}

enum detail system_board(struct board *board, const char *path, struct fault *fault)
{
	enum detail detail;

	if (path)
		return load_board(board, path, fault);
	detail = load_board(board, SYSTEM_FDT, fault);
	if (detail == DETAIL_BOARD_MISSING)
		detail = load_board(board, SYSTEM_BOARD, fault);
	return detail == DETAIL_BOARD_MISSING ? fault_set(fault, detail, "this device") : detail;
}

/* --- one at a time --- */

enum detail system_lock(const char *image, int *lock, struct fault *fault)
{
	const char *path = image ? image : SYSTEM_LOCK;
	int flags = O_CLOEXEC | (image ? O_RDONLY : O_RDWR | O_CREAT | O_NOFOLLOW);
	int err;

	if (!image)
		mkdir("/run", 0755);
	*lock = open(path, flags, 0600);
	if (*lock < 0)
		return fault_errno(fault,
				   errno == EACCES || errno == EPERM ? DETAIL_NOT_PERMITTED
								     : DETAIL_DEVICE_OPEN,
				   path, errno);
	if (!flock(*lock, LOCK_EX | LOCK_NB))
		return DETAIL_OK;
	err = errno;
	close(*lock);
	*lock = -1;
	if (err == EWOULDBLOCK)
		return fault_set(fault, DETAIL_BUSY, image ? image : "this device");
	return fault_errno(fault, DETAIL_DEVICE_OPEN, path, err);
}

/* --- signals --- */

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

void system_catch_signals(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, note = {.sa_handler = on_signal};
	struct sigaction usual = {.sa_handler = SIG_DFL};
	sigset_t none;

	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGTTIN, &ignore, NULL);
	sigaction(SIGTTOU, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	sigaction(SIGCHLD, &usual, NULL);
	sigaction(SIGINT, &note, NULL);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGQUIT, &note, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void system_fill_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
		if (fd < 0) /* so early that there is no /dev */
			fd = open("/", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

bool system_interrupted(void)
{
	return interrupted != 0;
}
