/*
 * HTTP source, with a server in memory in the place of tcp.c, and a clock that only waiting moves.
 *
 * Input: options (1 byte), length of the file (2), number of what the caller does (1), each: kind
 * (1), length or place (2); then connections. A hostile server's connection: options (1), length
 * (2) and its bytes, whatever is asked. An honest server's: options (1), after how many bytes it
 * breaks (2); when there are no more of these, nothing breaks any more.
 */
#include "fuzz.h"

#include <errno.h>

#include "platform/source_http.h"
#include "support.h"

enum { HONEST = 1, OPS_MAX = 24, CONNECTIONS_MAX = 24 };
enum { /* of a hostile connection */ STALLS = 1,
       REFUSED = 2,
       UNKNOWN = 4,
       SMALL_PIECES = 8,
       UNSENT = 16 };
enum { /* of an honest one */
       CHUNKED = 1,
       NO_RANGE = 2,
       CLOSES = 4,
       BUSY = 8,
       REDIRECTS = 16,
       STALLS_AT_CUT = 32,
       CUT = 64,
       NO_LENGTH = 128,
       CHANGED = 0x8000 /* of the place where it breaks: another file is there now */
};

struct connection {
	unsigned int options;
	size_t cut;
	const uint8_t *bytes; /* of a hostile server's */
	size_t len;
};

static struct {
	bool honest;
	uint8_t file[1 << 16], other_file[1 << 16];
	size_t file_len;
	size_t count, next; /* connections */
	struct connection script[CONNECTIONS_MAX];

	/* The one that is open. */
	bool open;
	struct connection now;
	uint8_t out[1 << 18]; /* what the server will say */
	size_t out_len, out_at;
	bool ends; /* and closes then */

	uint64_t clock_ms;
	size_t connects; /* since the caller's last call */
	bool any_no_range;
} server;

/* --- In the place of tcp.c, system.c and watch.c --- */

int __wrap_tcp_resolve(struct tcp *tcp, const char *host, const char *port, uint32_t timeout_ms,
		       struct tcp_addresses *addresses);
int __wrap_tcp_connect(struct tcp *tcp, const struct tcp_addresses *addresses, uint32_t timeout_ms);
void __wrap_tcp_close(struct tcp *tcp);
int __wrap_tcp_send(struct tcp *tcp, const char *buf, size_t len, uint32_t timeout_ms);
int __wrap_tcp_receive(struct tcp *tcp, void *buf, size_t len, size_t *got, uint32_t *waited_ms,
		       uint32_t limit_ms);
uint64_t __wrap_system_now_ms(void);
bool __wrap_watch_sleep(const struct watch *watch, uint32_t ms);

uint64_t __wrap_system_now_ms(void)
{
	return server.clock_ms + 1000;
}

bool __wrap_watch_sleep(const struct watch *watch, uint32_t ms)
{
	(void)watch;
	server.clock_ms += ms;
	return false;
}

int __wrap_tcp_resolve(struct tcp *tcp, const char *host, const char *port, uint32_t timeout_ms,
		       struct tcp_addresses *addresses)
{
	must(tcp->fd < 0 && timeout_ms);
	must(host[0] && port[0] && !strpbrk(host, "\r\n /?#@"));
	memset(addresses, 0, sizeof(*addresses));
	addresses->count = 1;
	/* What cannot be reached is tried for a minute, and not for ever. */
	must(++server.connects < 400);
	if (server.next < server.count && !server.honest &&
	    server.script[server.next].options & UNKNOWN) {
		server.next++;
		return ENOENT;
	}
	return 0;
}

int __wrap_tcp_connect(struct tcp *tcp, const struct tcp_addresses *addresses, uint32_t timeout_ms)
{
	must(tcp->fd < 0 && timeout_ms && addresses->count == 1);
	if (server.next == server.count && !server.honest)
		return ECONNREFUSED;
	server.now = (struct connection){0};
	if (server.next < server.count)
		server.now = server.script[server.next++];
	if (!server.honest && server.now.options & REFUSED)
		return ECONNREFUSED;
	server.open = true;
	server.ends = false;
	server.out_len = server.out_at = 0;
	if (!server.honest) {
		memcpy(server.out, server.now.bytes, server.now.len);
		server.out_len = server.now.len;
		server.ends = !(server.now.options & STALLS);
	}
	tcp->fd = 1000;
	return 0;
}

void __wrap_tcp_close(struct tcp *tcp)
{
	tcp->fd = -1;
	server.open = false;
}

static void say(const char *text, size_t len)
{
	if (len > sizeof(server.out) - server.out_len)
		len = sizeof(server.out) - server.out_len;
	memcpy(server.out + server.out_len, text, len);
	server.out_len += len;
}

static void say_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say_text(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	say(text, (size_t)vsnprintf(text, sizeof(text), format, args));
	va_end(args);
}

static void say_body(size_t first)
{
	const uint8_t *file = server.now.cut & CHANGED ? server.other_file : server.file;
	const char *body = (const char *)file + first;
	size_t len = server.file_len - first;

	if (!(server.now.options & CHUNKED)) {
		say(body, len);
		return;
	}
	while (len) {
		size_t n = len < 300 ? len : 300;

		say_text("%zx;x=y\r\n", n);
		say(body, n);
		say_text("\r\n");
		body += n;
		len -= n;
	}
	say_text("0\r\n\r\n");
}

/* What an honest server says to "from first on". */
static void answer(size_t first, bool whole)
{
	unsigned int options = server.now.options;
	size_t start = server.out_len;

	if (options & BUSY) {
		say_text("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n");
	} else if (options & REDIRECTS) {
		server.now.options &= ~(unsigned int)REDIRECTS;
		say_text("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ./other?x\r\n\r\n");
		return;
	} else if (first >= server.file_len && !whole) {
		say_text("HTTP/1.1 416 None\r\nContent-Length: 0\r\nContent-Range: bytes "
			 "*/%zu\r\n\r\n",
			 server.file_len);
	} else {
		say_text("HTTP/1.1 %s\r\nETag: \"%s\"\r\n%s", whole ? "200 OK" : "206 Part",
			 server.now.cut & CHANGED ? "two" : "one",
			 options & CLOSES ? "Connection: close\r\n" : "");
		if (!whole)
			say_text("Content-Range: bytes %zu-%zu/%zu\r\n", first, server.file_len - 1,
				 server.file_len);
		if (options & CHUNKED)
			say_text("Transfer-Encoding: chunked\r\n");
		else if (!(options & NO_LENGTH))
			say_text("Content-Length: %zu\r\n", server.file_len - first);
		say_text("\r\n");
		say_body(first);
		/* Without a length, where it closes is the end; so it may not break before. */
		server.ends = options & CLOSES || (options & NO_LENGTH && !(options & CHUNKED));
		if (options & NO_LENGTH && !(options & CHUNKED))
			return;
	}
	if (options & CUT && start + (server.now.cut & ~CHANGED) < server.out_len) {
		server.out_len = start + (server.now.cut & ~CHANGED);
		server.ends = true;
	}
}

/* A request is lines of one kind each, and nothing that came from outside makes a new one. */
static void check_request(const char *buf, size_t len)
{
	size_t lines = 0;

	must(len > 8 && !memcmp(buf, "GET /", 5) && !memcmp(buf + len - 4, "\r\n\r\n", 4));
	for (size_t at = 0; at + 2 < len; lines++) {
		static const char *const fields[] = {
			"Host: ",	 "User-Agent: ", "Accept: ", "Accept-Encoding: ",
			"Range: bytes=", "If-Range: "};
		const char *end = memchr(buf + at, '\r', len - at);
		size_t n = (size_t)(end - buf - at);

		must(end && end[1] == '\n' && n);
		for (size_t i = 0; i < n; i++)
			must((buf[at + i] >= 0x20 || buf[at + i] == '\t' || buf[at + i] < 0) &&
			     buf[at + i] != 0x7f);
		if (lines)
			must(lines <= COUNT(fields) &&
			     !strncmp(buf + at, fields[lines - 1], strlen(fields[lines - 1])));
		else
			must(n >= 14 && !memcmp(end - 9, " HTTP/1.1", 9) &&
			     memchr(buf + at + 4, ' ', n - 4) == end - 9);
		at += n + 2;
	}
	must(lines >= 5 && lines <= 7);
}

int __wrap_tcp_send(struct tcp *tcp, const char *buf, size_t len, uint32_t timeout_ms)
{
	char *text = calloc(1, len + 1);
	const char *range;
	unsigned long long first = 0;

	must(tcp->fd == 1000 && server.open && timeout_ms);
	check_request(buf, len);
	if (!server.honest && server.now.options & UNSENT) {
		free(text);
		return ECONNRESET;
	}
	memcpy(text, buf, len);
	range = strstr(text, "\r\nRange: bytes=");
	if (range)
		must(sscanf(range, "\r\nRange: bytes=%llu-", &first) == 1);
	if (server.honest) {
		bool whole = !range || server.now.options & NO_RANGE;

		server.any_no_range |= range && whole;
		answer(whole ? 0 : (size_t)first, whole);
	}
	free(text);
	return 0;
}

int __wrap_tcp_receive(struct tcp *tcp, void *buf, size_t len, size_t *got, uint32_t *waited_ms,
		       uint32_t limit_ms)
{
	size_t left = server.out_len - server.out_at;

	must(tcp->fd == 1000 && server.open && len && limit_ms);
	*got = 0;
	if (*waited_ms >= limit_ms)
		return ETIMEDOUT;
	if (!left && server.ends && !(server.honest && server.now.options & STALLS_AT_CUT))
		return 0;
	if (!left) {
		server.clock_ms += limit_ms - *waited_ms;
		*waited_ms = limit_ms;
		return ETIMEDOUT;
	}
	*waited_ms += 1;
	server.clock_ms += 1;
	*got = left < len ? left : len;
	if (!server.honest && server.now.options & SMALL_PIECES && *got > 7)
		*got = 7;
	memcpy(buf, server.out + server.out_at, *got);
	server.out_at += *got;
	return 0;
}

/* --- The caller --- */

static struct source_http http;
static struct fault fault;

static void check_fault(enum detail detail)
{
	must(fault.detail == detail && detail_status(detail) == STATUS_DOWNLOAD_FAILED);
	must_end(fault.object);
}

/* Bytes of the file that was there first, and of no other. */
static bool is_of_one_file(const uint8_t *buf, uint64_t pos, size_t len)
{
	const uint8_t *file = strcmp(http.etag, "\"two\"") ? server.file : server.other_file;

	return pos + len <= server.file_len && !memcmp(buf, file + pos, len);
}

static bool read_some(size_t len, uint64_t *pos)
{
	uint8_t *buf = malloc(len);
	size_t got = 77;
	uint64_t size = http.source.size;
	enum detail detail;

	server.connects = 0;
	detail = http.source.ops->read(&http.source, buf, len, &got, &fault);
	if (detail) {
		check_fault(detail);
	} else {
		must(got <= len);
		/* The length that was said holds. */
		must(size == UINT64_MAX || http.source.size == size);
		must(got || *pos >= http.source.size);
		must(*pos + got <= http.source.size || !got);
		if (server.honest)
			must(!got || is_of_one_file(buf, *pos, got));
		must(!server.honest || got || *pos >= server.file_len);
		*pos += got;
	}
	free(buf);
	return !detail;
}

static void script_read(struct feed *input)
{
	for (server.count = 0; server.count < CONNECTIONS_MAX && input->left; server.count++) {
		struct connection *c = &server.script[server.count];

		c->options = (unsigned int)feed_number(input, 1);
		c->cut = (size_t)feed_number(input, 2);
		c->bytes = NULL;
		c->len = 0;
		if (!server.honest) {
			c->bytes = feed_take(input, c->cut, &c->len);
			c->bytes = c->bytes ? c->bytes : (const uint8_t *)"";
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed input = {data, size}, ops;
	uint64_t pos = 0;
	size_t count, ignored;
	bool good = true;
	enum detail detail;

	server.honest = feed_number(&input, 1) & HONEST;
	server.file_len = (size_t)feed_number(&input, 2);
	if (!server.file[0])
		noise_fill(server.file, sizeof(server.file), 9);
	if (!server.other_file[0])
		noise_fill(server.other_file, sizeof(server.other_file), 10);
	count = (size_t)feed_number(&input, 1) % OPS_MAX;
	ops = input;
	feed_take(&input, 3 * count, &ignored);
	server.next = server.connects = 0;
	server.clock_ms = 0;
	server.any_no_range = false;
	script_read(&input);

	detail = source_http_open(&http, "http://host:81/folder/file?q", NULL, NULL, &fault);
	if (detail) {
		check_fault(detail);
		must(!server.honest || server.count);
		return 0;
	}
	for (size_t i = 0; i < count && good; i++) {
		unsigned int kind = (unsigned int)feed_number(&ops, 1);
		uint64_t n = feed_number(&ops, 2);

		if (kind & 1) {
			pos = kind & 2 && pos >= n ? pos - n : n;
			must(!http.source.ops->seek(&http.source, pos, &fault));
		} else {
			good = read_some((size_t)n + 1, &pos);
		}
	}
	while (good && server.honest && pos < server.file_len)
		good = read_some(20000, &pos);
	/* An honest server on a link without faults: everything came. */
	must(good || !server.honest || server.count);
	http.source.ops->close(&http.source);
	must(!server.open);
	return 0;
}

/* --- Seeds --- */

static struct bytes all;

static void begin(unsigned int options, unsigned int file_len, const uint8_t *ops, size_t count)
{
	all.len = 0;
	bytes_number(&all, options, 1);
	bytes_number(&all, file_len, 2);
	bytes_number(&all, count, 1);
	for (size_t i = 0; i < count; i++) {
		bytes_number(&all, ops[2 * i], 1);
		bytes_number(&all, (uint64_t)ops[2 * i + 1] * 100, 2);
	}
}

static void hostile(unsigned int options, const char *text)
{
	bytes_number(&all, options, 1);
	bytes_number(&all, strlen(text), 2);
	bytes_add(&all, text, strlen(text));
}

static void honest(unsigned int options, unsigned int cut)
{
	bytes_number(&all, options, 1);
	bytes_number(&all, cut, 2);
}

#define OK "HTTP/1.1 200 OK\r\n"

void fuzz_make_seeds(void)
{
	static const uint8_t ops[] = {0, 1, 1, 9, 0, 5, 1, 0, 0, 2, 3, 1, 0, 200};
	static const char *const one[] = {
		OK "Content-Length: 9\r\n\r\nnine here",
		OK "Content-Length: 9\r\nContent-Encoding: gzip\r\n\r\nnine here",
		OK "Content-Length: 9\r\nAccept-Ranges: none\r\n\r\nnine",
		OK "\r\nuntil the end",
		OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
		OK "Transfer-Encoding: chunked\r\n\r\nx",
		OK "Content-Length: 9\r\n\r\nnine here and more",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 1-4/9\r\n\r\nhello",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 6\r\n\r\nhello",
		"HTTP/1.1 206 P\r\n\r\nhello",
		"HTTP/1.1 404 Not\r\n\r\n",
		"HTTP/1.1 503 Busy\r\nRetry-After: 99\r\n\r\n",
		"HTTP/1.1 301 M\r\nLocation: https://x/\r\n\r\n",
		"HTTP/1.1 301 M\r\nLocation: http://x:99999/\r\n\r\n",
		"HTTP/1.1 301 M\r\n\r\n",
		"HTTP/1.1 301 M\r\nLocation: /y\r\nContent-Length: 2\r\n\r\nno",
		"SSH-2.0\r\n",
		"HTTP/1.1 nothing\r\n\r\n",
		"HTT",
		"",
	};
	static const char *const again[] = {
		OK "Content-Length: 9\r\n\r\nnine here",
		OK "Content-Length: 8\r\nETag: \"b\"\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 2-8/9\r\nETag: \"b\"\r\n\r\nne here",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 2-99/200\r\n\r\nne here",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 2-99/*\r\n\r\nne here, and more",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 2-8/9\r\nTransfer-Encoding: chunked\r\n\r\n"
		"8\r\nne here \r\n5\r\nagain\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\nb\r\nnine heremo\r\n0\r\n\r\n",
		OK "Content-Length: 8\r\n\r\nnine her",
		"HTTP/1.1 416 None\r\nContent-Range: bytes */9\r\n\r\n",
		"HTTP/1.1 416 None\r\nContent-Range: bytes */2\r\n\r\n",
		"HTTP/1.1 416 None\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 2-8/9\r\nLast-Modified: y\r\n\r\nne here",
	};

	for (size_t i = 0; i < COUNT(one); i++) {
		begin(0, 0, ops, 7);
		hostile(0, one[i]);
		fuzz_seed(all.at, all.len);
	}
	for (unsigned int options = 1; options <= UNSENT; options *= 2) {
		begin(0, 0, ops, 7);
		hostile(options, one[0]);
		hostile(0, one[0]);
		fuzz_seed(all.at, all.len);
	}
	for (size_t i = 0; i < COUNT(again); i++)
		for (int known = 0; known < 2; known++) {
			begin(0, 0, ops, 7);
			hostile(0, known ? OK "Content-Length: 9\r\nETag: \"a\"\r\n\r\nni"
					 : OK
					   "Transfer-Encoding: chunked\r\nLast-Modified: x\r\n\r\n"
					   "2\r\nni\r\n");
			hostile(0, again[i]);
			hostile(0, again[i]);
			fuzz_seed(all.at, all.len);
		}
	begin(0, 0, ops, 7); /* round and round */
	for (size_t i = 0; i < 8; i++)
		hostile(0, "HTTP/1.1 302 M\r\nLocation: /y\r\n\r\n");
	fuzz_seed(all.at, all.len);
	for (unsigned int i = 0; i < 4; i++) { /* another file, before or after the link breaks */
		begin(HONEST, 1500, ops, i % 2 ? 1 : 7);
		honest(CUT | (i / 2 ? CHUNKED : 0), 900 | (i == 3 ? CHANGED : 0));
		honest(i / 2 ? NO_RANGE : 0, CHANGED);
		honest(CUT, 900);
		fuzz_seed(all.at, all.len);
	}
	for (unsigned int bit = 1; bit <= 256; bit *= 2)
		for (unsigned int more = 0; more < 2; more++) {
			begin(HONEST, 1500, ops, 7);
			for (size_t i = 0; bit < 256 && i < 6; i++)
				honest(bit | (more ? CUT : 0), 300 + (unsigned int)i * 77);
			fuzz_seed(all.at, all.len);
		}
}
