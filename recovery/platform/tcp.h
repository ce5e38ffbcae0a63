/* tcp: one connection, with every wait bounded and watched. */
#ifndef LIFEBOAT_TCP_H
#define LIFEBOAT_TCP_H

#include <stddef.h>
#include <sys/socket.h>

#include "platform/watch.h"

#define TCP_ADDRESSES_MAX 8

struct tcp {
	int fd; /* -1: none */
	const struct watch *watch;
	uint64_t polled_ms;
};

struct tcp_addresses {
	size_t count;
	struct tcp_address {
		socklen_t len;
		struct sockaddr_storage at;
	} at[TCP_ADDRESSES_MAX];
};

/*
 * Resolves a name or address. The resolver works in a child process, since nothing else can bound
 * or interrupt it. Returns 0; ENOENT: there is no such name; ETIMEDOUT; ECANCELED: the watch said
 * stop; or another errno.
 */
int tcp_resolve(struct tcp *tcp, const char *host, const char *port, uint32_t timeout_ms,
		struct tcp_addresses *addresses);

/* Connects to the first address that answers, timeout_ms for each. Returns 0 or an errno as above.
 */
int tcp_connect(struct tcp *tcp, const struct tcp_addresses *addresses, uint32_t timeout_ms);

void tcp_close(struct tcp *tcp);

int tcp_send(struct tcp *tcp, const char *buf, size_t len, uint32_t timeout_ms);

/*
 * Receives 1 to len bytes; *got = 0: the other side closed. *waited_ms is added the time that was
 * spent waiting; ETIMEDOUT when that exceeds limit_ms. Time between two calls does not count, so
 * that a slow card is not taken for a slow server.
 */
int tcp_receive(struct tcp *tcp, void *buf, size_t len, size_t *got, uint32_t *waited_ms,
		uint32_t limit_ms);

#endif
