#include "ui/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OUT_PAUSE_MS 20
#define OUT_BYTE_MS 2 /* patience for each byte taken: 4800 baud loses nothing */

size_t utf8_len(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* too long a form, a surrogate, or beyond U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* A character that can be shown: no control character, C1 (U+0080 to U+009F) included. */
static bool is_shown(const char *text, size_t len, bool utf8)
{
	unsigned char c = (unsigned char)text[0];

	if (len == 1)
		return c >= 0x20 && c != 0x7f;
	return utf8 && len && !(c == 0xc2 && (unsigned char)text[1] < 0xa0);
}

void out_flush(struct out *out)
{
	if (out->len)
		out->put(out, out->buffer, out->len);
	out->len = 0;
}

void out_raw(struct out *out, const char *bytes, size_t len)
{
	if (len > OUT_BUFFER - out->len)
		out_flush(out);
	if (len > OUT_BUFFER) {
		out->put(out, bytes, len);
		return;
	}
	memcpy(out->buffer + out->len, bytes, len);
	out->len += len;
}

void out_add(struct out *out, const char *text)
{
	while (*text) {
		size_t len = utf8_len(text);
		bool shown = is_shown(text, len, out->utf8);

		if (!len)
			len = 1;
		out_raw(out, shown ? text : "?", shown ? len : 1);
		text += len;
	}
}

void out_line(struct out *out, const char *text)
{
	out_add(out, text);
	out_raw(out, "\n", 1);
}

void out_text(struct out *out, const char *text, size_t len)
{
	while (len) {
		char one[5] = {0};
		size_t n;

		memcpy(one, text, len < 4 ? len : 4);
		n = utf8_len(one);
		n = n ? n : 1;
		one[n] = 0;
		if (one[0] == '\n')
			out_raw(out, "\n", 1);
		else
			out_add(out, one[0] ? one : "?");
		text += n;
		len -= n;
	}
}

size_t out_columns(const char *text)
{
	size_t columns = 0;

	while (*text) {
		size_t len = utf8_len(text);
		text += len ? len : 1;
		columns++;
	}
	return columns;
}

static int now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int)(t.tv_sec % 1000000 * 1000 + t.tv_nsec / 1000000);
}

/* Waits at most ms, and takes the time from the patience. True: there is room. */
static bool wait_for_room(struct out_fd *of, nfds_t count, int ms)
{
	struct pollfd ready = {.fd = of->fd, .events = POLLOUT};
	int start = now_ms();
	bool room = poll(&ready, count, ms) > 0;
	int passed = now_ms() - start;

	of->patience_ms = passed < of->patience_ms ? of->patience_ms - passed : 0;
	return room;
}

/* True: a write will not wait. */
static bool may_write(struct out_fd *of)
{
	bool room;

	do /* a signal may end a wait early */
		room = wait_for_room(of, 1, of->patience_ms);
	while (!room && of->patience_ms > 0);
	return room;
}

static void put_fd(struct out *out, const char *bytes, size_t len)
{
	struct out_fd *of = (struct out_fd *)out;
	bool again = may_write(of);

	while (len && again) {
		/* In pieces: a pipe that takes something takes this much. */
		ssize_t written = write(of->fd, bytes, len < OUT_BUFFER ? len : OUT_BUFFER);
		if (written > 0) {
			bytes += written;
			len -= (size_t)written;
			of->patience_ms += (int)written * OUT_BYTE_MS;
			if (of->patience_ms > OUT_PATIENCE_MS)
				of->patience_ms = OUT_PATIENCE_MS;
			again = !len || may_write(of);
		} else if (written < 0 && (errno == EINTR || errno == EAGAIN)) {
			/* A terminal may have room, and yet not enough for a line's end. */
			wait_for_room(of, 0, OUT_PAUSE_MS);
			again = of->patience_ms > 0 && may_write(of);
		} else {
			again = false;
		}
	}
	of->stuck = len > 0;
	if (len)
		of->lost = true;
}

void out_fd_open(struct out_fd *out, int fd, bool utf8)
{
	char path[32] = "/proc/self/fd/";
	size_t at = strlen(path);

	*out = (struct out_fd){
		.out = {.put = put_fd, .utf8 = utf8}, .fd = fd, .patience_ms = OUT_PATIENCE_MS};
	if (fd < 0 || fd > 99 || !isatty(fd))
		return;
	if (fd > 9)
		path[at++] = (char)('0' + fd / 10);
	path[at++] = (char)('0' + fd % 10);
	path[at] = 0;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		out->fd = fd;
		out->opened = true;
	}
}

void out_fd_close(struct out_fd *out)
{
	out_flush(&out->out);
	if (out->opened)
		close(out->fd);
	out->opened = false;
	out->fd = -1;
}
