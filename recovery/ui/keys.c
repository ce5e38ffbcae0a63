#include "ui/keys.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define NOISE_MAX 256 /* bytes without a key that one call swallows */

enum { PLAIN, AFTER_ESCAPE, IN_SEQUENCE, LAST_OF_SEQUENCE };

static bool in_foreground(const struct keys *keys)
{
	return !keys->terminal || tcgetpgrp(keys->fd) == getpgrp();
}

void keys_open(struct keys *keys, int fd, bool signals)
{
	struct termios t;

	*keys = (struct keys){.fd = fd};
	if (fd < 0 || !isatty(fd))
		return;
	keys->terminal = true;
	/* A console without a controlling process has no foreground (tcgetpgrp fails): nobody can
	 * be disturbed. */
	if (tcgetpgrp(fd) >= 0 && !in_foreground(keys)) {
		keys->fd = -1;
		return;
	}
	if (tcgetattr(fd, &keys->before))
		return;
	t = keys->before;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	t.c_iflag &=
		~(tcflag_t)(IXON | IXOFF); /* nobody shall be able to stop the work by Ctrl-S */
	if (!signals) {
		t.c_lflag &= ~(tcflag_t)ISIG;
		t.c_iflag &= ~(tcflag_t)BRKINT;
		t.c_iflag |= IGNBRK;
	}
	t.c_cc[VMIN] = 0; /* a read never waits, even when another reader was faster */
	t.c_cc[VTIME] = 0;
	keys->changed = tcsetattr(fd, TCSANOW, &t) == 0;
}

/* One byte; 0: none now; -1: no more for ever. */
static int next_byte(struct keys *keys, unsigned char *byte)
{
	struct pollfd ready = {.fd = keys->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&ready, 1, 0) <= 0)
		return 0;
	if (keys->terminal && tcgetpgrp(keys->fd) >= 0 && !in_foreground(keys))
		return 0;
	n = read(keys->fd, byte, 1);
	if (n == 1)
		return 1;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	/* A terminal says nothing by 0, and its end by a hang-up. */
	if (n == 0 && keys->terminal && keys->changed && !(ready.revents & (POLLHUP | POLLERR)))
		return 0;
	return -1;
}

/* What a byte means after those before it. */
static int key_of(struct keys *keys, unsigned char byte)
{
	switch (keys->sequence) {
	case AFTER_ESCAPE:
		if (byte == '[')
			keys->sequence = IN_SEQUENCE;
		else if (byte == 'O')
			keys->sequence = LAST_OF_SEQUENCE;
		else if (byte != 0x1b)
			keys->sequence = PLAIN;
		if (keys->sequence != PLAIN)
			return KEY_NONE;
		break;
	case IN_SEQUENCE:
		if (byte >= 0x40 && byte <= 0x7e)
			keys->sequence = PLAIN;
		return KEY_NONE;
	case LAST_OF_SEQUENCE:
		keys->sequence = PLAIN;
		return KEY_NONE;
	default:
		break;
	}
	if (byte == 0x1b)
		keys->sequence = AFTER_ESCAPE;
	if (byte == '\r' || byte == '\n' || byte == KEY_CTRL_C || (byte >= 0x20 && byte < 0x7f))
		return byte;
	return KEY_NONE;
}

int keys_next(struct keys *keys)
{
	unsigned char byte;
	int n;

	for (int i = 0; i < NOISE_MAX && keys->fd >= 0; i++) {
		n = next_byte(keys, &byte);
		if (n < 0) {
			keys_close(keys);
			keys->fd = -1;
		}
		if (n <= 0)
			break;
		n = key_of(keys, byte);
		if (n != KEY_NONE)
			return n;
	}
	return KEY_NONE;
}

void keys_forget(struct keys *keys)
{
	if (keys->fd >= 0 && keys->terminal)
		tcflush(keys->fd, TCIFLUSH);
	keys->sequence = PLAIN;
}

void keys_close(struct keys *keys)
{
	if (keys->changed)
		tcsetattr(keys->fd, TCSANOW, &keys->before);
	keys->changed = false;
}
