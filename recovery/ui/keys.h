/*
 * Keys from a terminal, a pipe or nothing, without ever waiting.
 *
 * A terminal is read key by key, without echo, and is put back by keys_close(); it stays untouched
 * while this process is in the background of a shell, which would stop it. Arrow and function keys
 * (escape sequences) and bytes that no keyboard sends (line noise) are swallowed. After the end of
 * the input there are no keys any more, and nothing spins.
 */
#ifndef LIFEBOAT_KEYS_H
#define LIFEBOAT_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#define KEY_NONE (-1)
#define KEY_CTRL_C 3

struct keys {
	int fd; /* -1: no input, or no more */
	bool terminal;
	bool changed; /* the terminal's settings are ours */
	struct termios before;
	int sequence; /* where we are in an escape sequence */
};

/* fd: -1 for none. signals: Ctrl-C ends the program as usual; else it is a key like another, and so
 * is a break. */
void keys_open(struct keys *keys, int fd, bool signals);
int keys_next(struct keys *keys);    /* a character, or KEY_NONE */
void keys_forget(struct keys *keys); /* what was typed at a terminal before now */
void keys_close(struct keys *keys);  /* may be called from a signal handler, and twice */

#endif
