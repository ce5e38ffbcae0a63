#include "platform/hotplug.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_EVENTS 1 /* multicast group of the kernel's own uevents; 2 would be udev's */
#define MESSAGE_MAX 8192
#define MESSAGES_AT_ONCE 256 /* a flood must not keep the caller from its keys */

int hotplug_open(struct hotplug *hotplug)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_EVENTS};
	int err;

	hotplug->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			     NETLINK_KOBJECT_UEVENT);
	if (hotplug->fd < 0)
		return errno;
	if (!bind(hotplug->fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	err = errno;
	hotplug_close(hotplug);
	return err;
}

void hotplug_close(struct hotplug *hotplug)
{
	if (hotplug->fd >= 0)
		close(hotplug->fd);
	hotplug->fd = -1;
}

bool hotplug_is_block(const char *message, size_t len)
{
	static const char block[] = "SUBSYSTEM=block";
	size_t at = 0;

	/* Each string with its zero byte lies within the message, or does not count. */
	while (at < len) {
		const char *end = memchr(message + at, 0, len - at);

		if (!end)
			return false;
		if (!strcmp(message + at, block))
			return true;
		at = (size_t)(end - message) + 1;
	}
	return false;
}

/* Takes all messages that wait. */
static bool take_messages(int fd)
{
	bool block = false;

	for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
		static char message[MESSAGE_MAX]; /* too large for the stack */
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from,
				       &from_len);

		if (len < 0 && errno != EINTR && errno != ENOBUFS)
			break;
		/*
		 * ENOBUFS: messages were lost, and anything may have happened. Port 0 is the
		 * kernel; programs could write to the group too.
		 */
		if (len < 0 ? errno == ENOBUFS
			    : from.nl_pid == 0 && hotplug_is_block(message, (size_t)len))
			block = true;
	}
	return block;
}

static unsigned int look(struct pollfd fds[2])
{
	unsigned int happened = 0;

	if (fds[0].revents && take_messages(fds[0].fd))
		happened |= HOTPLUG_BLOCK;
	if (fds[1].revents & POLLIN)
		happened |= HOTPLUG_KEY;
	else if (fds[1].revents)
		happened |= HOTPLUG_KEY_GONE;
	return happened;
}

unsigned int hotplug_wait(struct hotplug *hotplug, int key_fd, uint32_t timeout_ms)
{
	struct pollfd fds[2] = {{.fd = hotplug->fd, .events = POLLIN},
				{.fd = key_fd, .events = POLLIN}};
	int ready = poll(fds, 2, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);

	if (ready < 0)
		return HOTPLUG_SIGNAL;
	return ready ? look(fds) : HOTPLUG_TIME;
}
