/* Children, health checks, the command line, the lock, signals, the watchdog, the network's start.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/child.h"
#include "platform/health.h"
#include "platform/net.h"
#include "platform/system.h"
#include "scratch.h"

static struct fault fault;
static char lines[8192];
static int polls_left;

static void on_line(void *arg, const char *text)
{
	(void)arg;
	if (strlen(lines) + strlen(text) + 2 < sizeof(lines))
		strcat(strcat(lines, text), "|");
}

static bool on_poll(void *arg)
{
	(void)arg;
	return polls_left >= 0 && polls_left-- == 0;
}

static const struct watch watch = {.line = on_line, .poll = on_poll};

static enum child_end run(const char *script, uint32_t timeout_ms, int *value)
{
	char text[512];
	char *const argv[] = {(char *)"/bin/sh", (char *)"-c", text, NULL};

	snprintf(text, sizeof(text), "%s", script);
	lines[0] = 0;
	return child_run(argv, timeout_ms, "x: ", &watch, value);
}

/* Gone, or waiting for init to take note of it. */
static bool is_dead(int pid)
{
	char path[64], process_state = 'Z';
	FILE *file;

	sprintf(path, "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%*d %*s %c", &process_state) != 1)
		process_state = 'Z';
	if (file)
		fclose(file);
	return process_state == 'Z';
}

static void children_end_in_every_way(void **state)
{
	char *const none[] = {(char *)"/no/such/program", NULL};
	uint64_t before;
	int value;

	(void)state;
	assert_int_equal(run("echo one; echo two >&2; printf 'three\\033[2J\\r\\n\\n'; exit 7",
			     9000, &value),
			 CHILD_EXITED);
	assert_int_equal(value, 7);
	assert_string_equal(lines, "x: one|x: two|x: three[2J|");
	assert_int_equal(run("kill -SEGV $$", 9000, &value), CHILD_KILLED);
	assert_int_equal(value, SIGSEGV);
	assert_int_equal(child_run(none, 9000, NULL, &watch, &value), CHILD_NOT_RUN);
	assert_int_equal(value, ENOENT);
	/* Its own children go with it. */
	before = system_now_ms();
	assert_int_equal(run("sleep 30 & echo $!; sleep 30", 300, &value), CHILD_TIMEOUT);
	assert_in_range(system_now_ms() - before, 290, 3000);
	for (int i = 0; i < 50 && !is_dead(atoi(lines + 3)); i++)
		usleep(20000);
	assert_true(is_dead(atoi(lines + 3)));
	polls_left = 2;
	assert_int_equal(run("sleep 30", 9000, &value), CHILD_STOPPED);
	/* One that leaves a process behind with the output open does not hold this up. */
	before = system_now_ms();
	assert_int_equal(run("sleep 3 & exit 0", 9000, &value), CHILD_EXITED);
	assert_in_range(system_now_ms() - before, 0, 2000);
	assert_int_equal(run("read x && exit 1; exit 0", 9000, &value), CHILD_EXITED);
	assert_int_equal(value, 0);
	assert_int_equal(run("yes y | head -c 300000; exit 3", 9000, &value), CHILD_EXITED);
	assert_int_equal(value, 3);
	/* A line without end comes in pieces. */
	assert_int_equal(run("head -c 600 /dev/zero | tr '\\0' a", 9000, &value), CHILD_EXITED);
	assert_int_equal(strlen(lines), 600 + 3 * strlen("x: |"));
}

static void check_script(const char *name, const char *text, int mode)
{
	char path[64];

	sprintf(path, "h/%s", name);
	scratch_text(path, text);
	assert_int_equal(chmod(scratch("%s", path), (mode_t)mode), 0);
}

static enum detail health(uint32_t timeout_s)
{
	lines[0] = 0;
	memset(&fault, 0, sizeof(fault));
	return health_run(scratch("h"), timeout_s, &watch, &fault);
}

static void health_checks_run_in_order(void **state)
{
	(void)state;
	assert_detail(health(5), DETAIL_OK); /* no folder */
	scratch_folder("h/folder");
	assert_detail(health(5), DETAIL_OK);
	check_script("20-b", "#!/bin/sh\necho b\n", 0755);
	check_script("10-a", "#!/bin/sh\necho a\n", 0755);
	check_script(".dot", "x", 0644);
	check_script("._10-a", "x", 0644);
	check_script("10-a~", "x", 0644);
	assert_detail(health(5), DETAIL_OK);
	assert_string_equal(lines, "10-a: a|20-b: b|");
	check_script("15-bad", "#!/bin/sh\necho no\nexit 3\n", 0755);
	assert_detail(health(5), DETAIL_HEALTH_FAILED);
	assert_non_null(strstr(fault.object, "15-bad (exit status 3)"));
	assert_string_equal(lines, "10-a: a|15-bad: no|");
	check_script("15-bad", "#!/bin/sh\nkill -9 $$\n", 0755);
	assert_detail(health(5), DETAIL_HEALTH_FAILED);
	assert_non_null(strstr(fault.object, "signal 9"));
	check_script("15-bad", "#!/bin/sh\nsleep 20\n", 0755);
	assert_detail(health(1), DETAIL_HEALTH_TIMEOUT);
	assert_non_null(strstr(fault.object, "15-bad (1 s)"));
	check_script("15-bad", "#!/bin/sh\n", 0644);
	assert_detail(health(5), DETAIL_HEALTH_UNUSABLE);
	check_script("15-bad", "#!/no/such/shell\n", 0755);
	assert_detail(health(5), DETAIL_HEALTH_UNUSABLE);
	assert_int_equal(fault.sys_errno, ENOENT);
	check_script("15-bad", "\1\2\3\4", 0755);
	assert_detail(health(5), DETAIL_HEALTH_UNUSABLE);
	polls_left = 0;
	check_script("15-bad", "#!/bin/sh\nsleep 20\n", 0755);
	assert_detail(health(5), DETAIL_INTERRUPTED);
	scratch_text("file", "");
	assert_detail(health_run(scratch("file"), 5, NULL, &fault), DETAIL_HEALTH_UNUSABLE);
}

static void values_are_taken_from_the_command_line(void **state)
{
	char value[16];

	(void)state;
	scratch_text("cmdline", "quiet lifeboat.slot=B xlifeboat.slot=C lifeboat.slots=D "
				"lifeboat.reason=no-tries-left lifeboat.mode= lifeboat\n");
	assert_true(system_cmdline(scratch("cmdline"), "lifeboat.slot", value, sizeof(value)));
	assert_string_equal(value, "B");
	assert_true(system_cmdline(scratch("cmdline"), "lifeboat.reason", value, sizeof(value)));
	assert_string_equal(value, "no-tries-left");
	assert_true(system_cmdline(scratch("cmdline"), "lifeboat.mode", value, sizeof(value)));
	assert_string_equal(value, "");
	assert_false(system_cmdline(scratch("cmdline"), "lifeboat", value, sizeof(value)));
	assert_false(system_cmdline(scratch("none"), "lifeboat.slot", value, sizeof(value)));
	scratch_text("cmdline", "a=1 a=2 a=this-is-too-long-for-it");
	assert_true(system_cmdline(scratch("cmdline"), "a", value, sizeof(value)));
	assert_string_equal(value, "this-is-too-lon");
}

static void one_process_at_a_time(void **state)
{
	int first, second;

	(void)state;
	scratch_text("disk.img", "");
	assert_detail(system_lock(scratch("disk.img"), &first, &fault), DETAIL_OK);
	assert_detail(system_lock(scratch("disk.img"), &second, &fault), DETAIL_BUSY);
	assert_int_equal(second, -1);
	close(first);
	assert_detail(system_lock(scratch("disk.img"), &second, &fault), DETAIL_OK);
	close(second);
	assert_detail(system_lock(scratch("none"), &second, &fault), DETAIL_DEVICE_OPEN);
}

static void the_board_tree_is_asked_for_by_name(void **state)
{
	static struct board board;

	(void)state;
	assert_detail(system_board(&board, scratch("none"), &fault), DETAIL_BOARD_MISSING);
	assert_int_equal(fault.sys_errno, ENOENT);
	assert_string_equal(fault.object, scratch("none"));
	assert_int_equal(scratch_run("head -c 3000000 /dev/zero >big; : >empty"), 0);
	assert_detail(system_board(&board, scratch("big"), &fault), DETAIL_BOARD_MISSING);
	assert_int_equal(fault.sys_errno, EFBIG);
	assert_true(system_board(&board, scratch("empty"), &fault) != DETAIL_OK);
}

static void the_watchdog_is_fed_and_never_disarmed(void **state)
{
	struct watchdog watchdog;
	char fed[16];
	int fd;

	(void)state;
	assert_int_equal(watchdog_open(&watchdog, scratch("none"), 20), ENOENT);
	watchdog_feed(&watchdog);
	scratch_text("watchdog", "");
	assert_int_equal(watchdog_open(&watchdog, scratch("watchdog"), 20), 0);
	watchdog_feed(&watchdog);
	watchdog_feed(&watchdog);
	fd = open(scratch("watchdog"), O_RDONLY);
	/* At most once a second. */
	assert_int_equal(read(fd, fed, sizeof(fed)), 1);
	assert_int_not_equal(fed[0], 'V');
	watchdog.fed_ms -= 1000;
	watchdog_feed(&watchdog);
	assert_int_equal(read(fd, fed, sizeof(fed)), 1);
	close(fd);
	close(watchdog.fd);
}

static void a_lost_session_ends_nothing(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		system_catch_signals();
		raise(SIGHUP);
		raise(SIGPIPE);
		raise(SIGTTOU);
		raise(SIGTTIN);
		if (system_interrupted())
			_exit(1);
		raise(SIGTERM);
		_exit(system_interrupted() ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void time_goes_on(void **state)
{
	uint64_t before = system_clock.ops->monotonic_ms(&system_clock);
	char text[32];

	(void)state;
	assert_false(watch_sleep(NULL, 30));
	assert_in_range(system_clock.ops->monotonic_ms(&system_clock) - before, 29, 2000);
	polls_left = 0;
	assert_true(watch_sleep(&watch, 100000));
	system_clock.ops->wall(&system_clock, text, sizeof(text));
	assert_true(!text[0] || strlen(text) == strlen("2026-01-31 12:00:00 UTC"));
}

/* --- the network, in a network namespace of one's own --- */

static int network_without_address(void)
{
	struct net_options options = {.sys = arena_copy(scratch("sys"), 100),
				      .udhcpc = arena_copy(scratch("udhcpc"), 100),
				      .script = "/s",
				      .carrier_wait_ms = 300,
				      .watch = &watch};
	struct net_address address;

#define EXPECT(n, condition)                                                                       \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return n;                                                                  \
	} while (0)

	scratch_folder("sys/class/net/lo");
	EXPECT(2, !net_address_now(&address));
	EXPECT(3, net_up(&options, &address, &fault) == DETAIL_NETWORK_DOWN);
	EXPECT(4, strstr(fault.object, "no network interface"));
	EXPECT(5, !scratch_run("ip link add eth7 type veth peer name peer7"));
	scratch_folder("sys/class/net/eth7/device");
	scratch_text("sys/class/net/eth7/carrier", "0\n");
	EXPECT(6, net_up(&options, &address, &fault) == DETAIL_NETWORK_DOWN);
	EXPECT(7, strstr(fault.object, "eth7 (no cable"));
	EXPECT(8, !scratch_run("ip link show eth7 | grep -q '[<,]UP'"));
	scratch_text("sys/class/net/eth7/carrier", "1\n");
	EXPECT(9, net_up(&options, &address, &fault) == DETAIL_NETWORK_DOWN);
	EXPECT(10, fault.sys_errno == ENOENT && strstr(fault.object, "udhcpc"));
	scratch_text("udhcpc", "#!/bin/sh\necho $*\nexit 1\n");
	EXPECT(11, !chmod(scratch("udhcpc"), 0755));
	lines[0] = 0;
	EXPECT(12, net_up(&options, &address, &fault) == DETAIL_NETWORK_DOWN);
	EXPECT(13, strstr(fault.object, "eth7 (no answer"));
	EXPECT(14, strstr(lines, "-i eth7 -s /s"));
	scratch_text("udhcpc", "#!/bin/sh\nexit 0\n");
	EXPECT(15, net_up(&options, &address, &fault) == DETAIL_NETWORK_DOWN);
	EXPECT(16, strstr(fault.object, "script"));
	/* IPv6 alone will do where no DHCP server answers, and is no reason not to ask. */
	EXPECT(19, !scratch_run("ip -6 addr add 2001:db8::1/64 dev eth7"));
	EXPECT(20, !net_up(&options, &address, &fault));
	EXPECT(21, !strcmp(address.address, "2001:db8:0:0:0:0:0:1"));
	scratch_text("udhcpc", "#!/bin/sh\nip addr add 10.9.8.7/24 dev eth7\n");
	EXPECT(17, !net_up(&options, &address, &fault));
	EXPECT(18, !strcmp(address.interface, "eth7") && !strcmp(address.address, "10.9.8.7"));
	return 0;
}

static void the_network_says_what_is_wrong(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid)
		_exit(unshare(CLONE_NEWNET) ? 1 : network_without_address());
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 1)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int set_up(void **state)
{
	(void)state;
	polls_left = -1;
	scratch_begin();
	return 0;
}

static int tear_down(void **state)
{
	scratch_end();
	return arena_teardown(state);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(children_end_in_every_way),
		CASE(health_checks_run_in_order),
		CASE(values_are_taken_from_the_command_line),
		CASE(one_process_at_a_time),
		CASE(the_board_tree_is_asked_for_by_name),
		CASE(the_watchdog_is_fed_and_never_disarmed),
		CASE(a_lost_session_ends_nothing),
		CASE(time_goes_on),
		CASE(the_network_says_what_is_wrong),
	};

	return RUN_ALL(tests);
}
