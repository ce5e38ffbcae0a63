/*
 * Where text goes: a terminal, a log file, a pipe, a buffer of a test.
 *
 * Text may come from outside (names on a stick, a server's words), so that out_add() lets no
 * control character through: an escape sequence in a file name must not be able to draw. Characters
 * outside of ASCII are shown only where utf8 is set.
 *
 * Nothing here fails and nothing waits for long (I10): a console that is stopped (flow control, a
 * full pipe) is waited for OUT_PATIENCE_MS altogether, then loses text until it takes some again.
 * What it takes gives patience back, so that a slow console loses nothing. SIGPIPE must be ignored
 * by the program.
 */
#ifndef LIFEBOAT_OUT_H
#define LIFEBOAT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUT_BUFFER 512
#define OUT_PATIENCE_MS 2000

struct out {
	/* Takes all of it, or loses it. */
	void (*put)(struct out *out, const char *bytes, size_t len);
	bool utf8;
	size_t len; /* waiting in the buffer */
	char buffer[OUT_BUFFER];
};

struct out_fd {
	struct out out;	 /* first */
	int fd;		 /* non-blocking where that could be had */
	bool opened;	 /* fd is ours to close */
	int patience_ms; /* how long it may still be waited for */
	bool stuck;	 /* it did not take the last text */
	bool lost;	 /* something was dropped, or writing failed */
};

/* fd stays the caller's; a terminal is opened anew, so that not blocking is our own affair. */
void out_fd_open(struct out_fd *out, int fd, bool utf8);
void out_fd_close(struct out_fd *out);

void out_raw(struct out *out, const char *bytes, size_t len); /* as it is */
void out_add(struct out *out,
	     const char *text); /* made harmless; '\n' counts as a control character too */
void out_line(struct out *out, const char *text); /* and an end of line */
/* Bytes of unknown origin that may hold lines: line feeds stay, the rest is as out_add has it. */
void out_text(struct out *out, const char *text, size_t len);
void out_flush(struct out *out);

/* Columns that out_add() takes for a text. */
size_t out_columns(const char *text);

/* Bytes of the first character of a text when it is sound UTF-8 (RFC 3629), else 0. */
size_t utf8_len(const char *text);

#endif
