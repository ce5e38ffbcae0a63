#include "ui/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define OUT_PAUSE_MS 20

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

static void put_fd(struct out *out, const char *bytes, size_t len)
{
	struct out_fd *of = (struct out_fd *)out;
	struct pollfd ready = {.fd = of->fd, .events = POLLOUT};
	/* Who was stuck is only asked, not waited for. */
	int patience_ms = of->stuck ? 0 : OUT_PATIENCE_MS;

	while (len) {
		int n = poll(&ready, 1, patience_ms);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		/* In pieces: a pipe that takes something takes this much. */
		ssize_t written = write(of->fd, bytes, len < OUT_BUFFER ? len : OUT_BUFFER);
		if (written > 0) {
			bytes += written;
			len -= (size_t)written;
			patience_ms = OUT_PATIENCE_MS;
		} else if (written == 0 || (errno != EINTR && errno != EAGAIN) ||
			   patience_ms <= 0) {
			break;
		} else { /* a terminal may have room, and yet not enough for a line's end */
			poll(NULL, 0, OUT_PAUSE_MS);
			patience_ms -= OUT_PAUSE_MS;
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

	*out = (struct out_fd){.out = {.put = put_fd, .utf8 = utf8}, .fd = fd};
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
