#include "platform/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/system.h"

/* Also while data comes in without a wait. */
static bool stopped(struct tcp *tcp)
{
	uint64_t now = system_now_ms();

	if (now - tcp->polled_ms < WATCH_POLL_MS)
		return false;
	tcp->polled_ms = now;
	return watch_poll(tcp->watch);
}

/*
 * Waits for events on fd. *waited_ms grows; ETIMEDOUT at limit_ms, also over many short waits: a
 * server that sends a byte now and then is not one that works.
 */
static int wait_for(struct tcp *tcp, int fd, short events, uint32_t *waited_ms, uint32_t limit_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};

	while (*waited_ms < limit_ms) {
		uint64_t before = system_now_ms();
		int ready = poll(&poll_fd, 1, WATCH_POLL_MS);

		*waited_ms += (uint32_t)(system_now_ms() - before);
		if (stopped(tcp))
			return ECANCELED;
		if (ready > 0)
			return 0;
	}
	return ETIMEDOUT;
}

static int lookup(const char *host, const char *port, int flags, struct tcp_addresses *addresses)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list, *info;
	int err = getaddrinfo(host, port, &hints, &list);

	memset(addresses, 0, sizeof(*addresses));
	if (err)
		return err == EAI_AGAIN ? EAGAIN : err == EAI_SYSTEM ? errno : ENOENT;
	for (info = list; info && addresses->count < TCP_ADDRESSES_MAX; info = info->ai_next) {
		struct tcp_address *address = &addresses->at[addresses->count];

		if (info->ai_addrlen > sizeof(address->at))
			continue;
		address->len = info->ai_addrlen;
		memcpy(&address->at, info->ai_addr, info->ai_addrlen);
		addresses->count++;
	}
	freeaddrinfo(list);
	return addresses->count ? 0 : ENOENT;
}

struct answer {
	int err;
	struct tcp_addresses addresses;
};

static void resolve_in_child(const char *host, const char *port, int out)
{
	struct answer answer;

	signal(SIGTERM, SIG_DFL);
	memset(&answer, 0, sizeof(answer));
	answer.err = lookup(host, port, 0, &answer.addresses);
	/* Less than PIPE_BUF: it arrives in one piece. */
	_exit(write(out, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
}

_Static_assert(sizeof(struct answer) <= 4096, "one write to a pipe");

int tcp_resolve(struct tcp *tcp, const char *host, const char *port, uint32_t timeout_ms,
		struct tcp_addresses *addresses)
{
	struct answer answer;
	uint32_t waited_ms = 0;
	int pipe_fd[2], err;
	pid_t pid;

	if (!lookup(host, port, AI_NUMERICHOST, addresses))
		return 0;
	if (pipe2(pipe_fd, O_CLOEXEC))
		return errno;
	pid = fork();
	if (!pid)
		resolve_in_child(host, port, pipe_fd[1]);
	err = pid < 0 ? errno : 0;
	close(pipe_fd[1]);
	if (!err)
		err = wait_for(tcp, pipe_fd[0], POLLIN, &waited_ms, timeout_ms);
	if (!err && read(pipe_fd[0], &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		err = EIO;
	close(pipe_fd[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (!err)
		*addresses = answer.addresses;
	return err ? err : answer.err;
}

static int connect_one(struct tcp *tcp, const struct tcp_address *address, uint32_t timeout_ms)
{
	uint32_t waited_ms = 0;
	socklen_t len = sizeof(int);
	int err = 0;

	tcp->fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (tcp->fd < 0)
		return errno;
	if (connect(tcp->fd, (const struct sockaddr *)&address->at, address->len))
		err = errno;
	if (err == EINPROGRESS || err == EINTR)
		err = wait_for(tcp, tcp->fd, POLLOUT, &waited_ms, timeout_ms);
	if (!err && getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err)
		tcp_close(tcp);
	return err;
}

int tcp_connect(struct tcp *tcp, const struct tcp_addresses *addresses, uint32_t timeout_ms)
{
	int err = EADDRNOTAVAIL;

	tcp_close(tcp);
	for (size_t i = 0; i < addresses->count && err && err != ECANCELED; i++)
		err = connect_one(tcp, &addresses->at[i], timeout_ms);
	return err;
}

void tcp_close(struct tcp *tcp)
{
	if (tcp->fd >= 0)
		close(tcp->fd);
	tcp->fd = -1;
}

int tcp_send(struct tcp *tcp, const char *buf, size_t len, uint32_t timeout_ms)
{
	uint32_t waited_ms = 0;
	int err;

	while (len) {
		ssize_t n = send(tcp->fd, buf, len, MSG_NOSIGNAL);

		if (n >= 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno;
		err = wait_for(tcp, tcp->fd, POLLOUT, &waited_ms, timeout_ms);
		if (err)
			return err;
	}
	return 0;
}

int tcp_receive(struct tcp *tcp, void *buf, size_t len, size_t *got, uint32_t *waited_ms,
		uint32_t limit_ms)
{
	*got = 0;
	if (stopped(tcp))
		return ECANCELED;
	for (;;) {
		ssize_t n = recv(tcp->fd, buf, len, 0);
		int err;

		if (n >= 0) {
			*got = (size_t)n;
			return 0;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno;
		err = wait_for(tcp, tcp->fd, POLLIN, waited_ms, limit_ms);
		if (err)
			return err;
	}
}
