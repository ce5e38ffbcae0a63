/*
 * The HTTP source against a server that misbehaves in every way that has a name. The server is a
 * child process on 127.0.0.1; what it saw is in memory that both share.
 */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/source_http.h"
#include "platform/system.h"

#define BODY_LEN 300000u

/* --- the server --- */

enum framing { LENGTH, CHUNKED, UNTIL_CLOSE };

/* What the server does. The requests are counted from 0. */
struct script {
	enum framing framing;
	bool ignores_range, http10, silent_validators;
	bool deaf_to_if_range;	   /* sends 206 whatever If-Range says */
	size_t cut_after;	   /* body bytes after which the connection ends; 0: never */
	unsigned int cut_requests; /* how many requests are cut */
	size_t hang_after;	   /* body bytes after which nothing comes any more, once */
	unsigned int trickle;	   /* requests whose body comes byte by byte */
	size_t part_max;	   /* longest 206; 0: no bound */
	size_t surplus;		   /* bytes after the announced body */
	bool closes;		   /* after each answer, without a word */
	unsigned int errors;	   /* requests that are answered with `error` first */
	const char *error;	   /* a whole head */
	const char *raw;	   /* every answer, if set */
	const char *raw_later;	   /* every answer to a request with Range */
	unsigned int redirects;	   /* so many before the file; UINT32_MAX: for ever */
	const char *location;	   /* of redirects; NULL: /r */
	unsigned int changes_at;   /* request from which the file is another one; 0: never */
	bool grows;		   /* the other one is longer, too */
	unsigned int down_after;   /* requests after which the server is away for down_ms */
	unsigned int down_ms;
};

struct seen {
	unsigned int connections, requests, ranges;
	unsigned long long sent; /* body bytes */
	unsigned long long range[32];
	char last[4096];
};

static struct seen *seen;
static pid_t server;
static char url[64];

static uint8_t body_at(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void sleep_ms(unsigned int ms)
{
	struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&rest, NULL);
}

static bool send_text(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_request(int fd, char *text, size_t size)
{
	size_t len = 0;

	while (len < size - 1 && recv(fd, text + len, 1, 0) == 1) {
		text[++len] = 0;
		if (len >= 4 && !memcmp(text + len - 4, "\r\n\r\n", 4))
			return true;
	}
	return false;
}

static bool send_piece(int fd, const struct script *script, uint64_t at, size_t len)
{
	char data[4096 + 32], *p = data;

	if (script->framing == CHUNKED)
		p += sprintf(p, "%zx;ext=1\r\n", len);
	for (size_t i = 0; i < len; i++)
		*p++ = (char)body_at(at + i);
	if (script->framing == CHUNKED)
		p += sprintf(p, "\r\n");
	seen->sent += len;
	return send_text(fd, data, (size_t)(p - data));
}

/* Returns whether the connection lives on. */
static bool send_body(int fd, const struct script *script, uint64_t at, uint64_t end,
		      unsigned int number)
{
	size_t sent = 0;

	while (at < end) {
		size_t piece = end - at < 4096 ? (size_t)(end - at) : 4096;

		if (number < script->trickle) {
			piece = 1;
			sleep_ms(5);
		}
		if (script->cut_after && number < script->cut_requests &&
		    sent + piece >= script->cut_after)
			return send_piece(fd, script, at, script->cut_after - sent) && false;
		if (script->hang_after && number == 0 && sent + piece >= script->hang_after) {
			send_piece(fd, script, at, script->hang_after - sent);
			sleep_ms(1500);
			return false;
		}
		if (!send_piece(fd, script, at, piece))
			return false;
		at += piece;
		sent += piece;
	}
	for (size_t i = 0; i < script->surplus; i++)
		send_text(fd, "!", 1);
	if (script->framing == CHUNKED)
		return send_text(fd, "0\r\nX-Trailer: y\r\n\r\n", 20);
	return script->framing == LENGTH && !script->http10 && !script->closes;
}

static bool serve_file(int fd, const struct script *script, const char *request,
		       unsigned int number)
{
	const char *range = strstr(request, "Range: bytes=");
	bool other = script->changes_at && number >= script->changes_at;
	uint64_t len = BODY_LEN + (other && script->grows ? 1000 : 0), start = 0, end = len;
	const char *etag = other ? "\"two\"" : "\"one\"";
	char head[512], *p = head;

	if (range && seen->ranges < 32)
		seen->range[seen->ranges++] = strtoull(range + 13, NULL, 10);
	if (range && strstr(request, "If-Range: ") && !strstr(request, etag) &&
	    !script->deaf_to_if_range)
		range = NULL;
	if (range && !script->ignores_range) {
		start = strtoull(range + 13, NULL, 10);
		if (start >= len) {
			p += sprintf(p,
				     "HTTP/1.1 416 x\r\nContent-Length: 0\r\n"
				     "Content-Range: bytes */%llu\r\n\r\n",
				     (unsigned long long)len);
			return send_text(fd, head, (size_t)(p - head));
		}
		if (script->part_max && end - start > script->part_max)
			end = start + script->part_max;
		p += sprintf(p, "HTTP/1.1 206 Part\r\nContent-Range: bytes %llu-%llu/%llu\r\n",
			     (unsigned long long)start, (unsigned long long)end - 1,
			     (unsigned long long)len);
	} else {
		p += sprintf(p, "HTTP/1.%d 200 OK\r\n", script->http10 ? 0 : 1);
	}
	if (!script->silent_validators)
		p += sprintf(p, "ETag: %s\r\n", etag);
	if (script->framing == LENGTH)
		p += sprintf(p, "Content-Length: %llu\r\n", (unsigned long long)(end - start));
	if (script->framing == CHUNKED)
		p += sprintf(p, "Transfer-Encoding: chunked\r\n");
	p += sprintf(p, "\r\n");
	return send_text(fd, head, (size_t)(p - head)) && send_body(fd, script, start, end, number);
}

static bool serve(int fd, const struct script *script, const char *request, unsigned int number)
{
	char head[512];

	if (script->raw || (script->raw_later && strstr(request, "Range: "))) {
		const char *raw = script->raw ? script->raw : script->raw_later;

		return send_text(fd, raw, strlen(raw)) && false;
	}
	if (number < script->redirects) {
		sprintf(head, "HTTP/1.1 302 x\r\nContent-Length: 4\r\nLocation: %s\r\n\r\nmove",
			script->location ? script->location : "/r");
		return send_text(fd, head, strlen(head));
	}
	if (number < script->errors)
		return send_text(fd, script->error, strlen(script->error)) && false;
	return serve_file(fd, script, request, number);
}

static int listen_on(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons(*port)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, len) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		abort();
	*port = ntohs(address.sin_port);
	return fd;
}

static void run_server(int listener, uint16_t port, const struct script *script)
{
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		bool more = true;

		seen->connections++;
		while (more && read_request(fd, seen->last, sizeof(seen->last))) {
			unsigned int number = seen->requests++;

			more = serve(fd, script, seen->last, number);
			if (script->down_after && seen->requests == script->down_after) {
				close(listener);
				shutdown(fd, SHUT_RDWR);
				sleep_ms(script->down_ms);
				listener = listen_on(&port);
				more = false;
			}
		}
		close(fd);
	}
}

static void start(const struct script *script)
{
	uint16_t port = 0;
	int listener = listen_on(&port);

	memset(seen, 0, sizeof(*seen));
	sprintf(url, "http://127.0.0.1:%u/update.boat", port);
	server = fork();
	if (!server)
		run_server(listener, port, script);
	close(listener);
}

static void stop(void)
{
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	server = 0;
}

/* --- the client --- */

static struct source_http http;
static struct fault fault;
static bool stop_asked;
static unsigned int told_retries;

static bool on_poll(void *arg)
{
	(void)arg;
	return stop_asked;
}

static void on_retry(void *arg, const char *why, uint32_t in_s)
{
	(void)arg;
	assert_non_null(why);
	if (in_s)
		told_retries++;
}

static const struct watch watch = {.poll = on_poll, .retry = on_retry};

static const struct http_limits quick = {
	.resolve_timeout_ms = 2000,
	.connect_timeout_ms = 1000,
	.head_timeout_ms = 400,
	.stall_timeout_ms = 400,
	.stall_len = 1024,
	.patience_ms = 1500,
	.backoff_ms = 50,
	.backoff_max_ms = 400,
	.retry_after_max_s = 1,
	.redirects = 5,
	.skip_len = 64 << 10,
	.restarts = 4,
};

static enum detail open_it(void)
{
	memset(&fault, 0, sizeof(fault));
	stop_asked = false;
	told_retries = 0;
	return source_http_open(&http, url, &quick, &watch, &fault);
}

/* Reads len bytes and compares them. The number read goes to *total. */
static enum detail read_some(uint64_t *at, size_t len, size_t *total)
{
	static uint8_t buf[50000];
	enum detail detail;
	size_t got;

	*total = 0;
	while (*total < len) {
		size_t want = len - *total < sizeof(buf) ? len - *total : sizeof(buf);

		detail = http.source.ops->read(&http.source, buf, want, &got, &fault);
		if (detail || !got)
			return detail;
		assert_true(got <= want);
		for (size_t i = 0; i < got; i++)
			if (buf[i] != body_at(*at + i))
				fail_msg("byte %llu differs", (unsigned long long)(*at + i));
		*at += got;
		*total += got;
	}
	return DETAIL_OK;
}

static void close_it(void)
{
	http.source.ops->close(&http.source);
}

/* Opens, reads everything, and expects it whole. */
static void read_all(const struct script *script)
{
	uint64_t at = 0;
	size_t total;

	start(script);
	assert_detail(open_it(), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	assert_int_equal(total, BODY_LEN);
	assert_int_equal(http.source.size, BODY_LEN);
	assert_int_equal(http.counts.given, BODY_LEN);
	close_it();
	stop();
}

/* Opens and reads until the expected fault, at open or later. */
static void read_until(const struct script *script, enum detail want)
{
	uint64_t at = 0;
	size_t total;
	enum detail detail;

	start(script);
	detail = open_it();
	if (!detail) {
		detail = read_some(&at, SIZE_MAX, &total);
		close_it();
	}
	assert_detail(detail, want);
	assert_int_equal(fault.detail, want);
	assert_true(fault.object[0]);
	stop();
}

#define SCRIPT(...) (&(struct script){__VA_ARGS__})

/* --- tests --- */

static void every_framing_is_read(void **state)
{
	(void)state;
	read_all(SCRIPT(.framing = LENGTH));
	assert_int_equal(seen->requests, 1);
	assert_null(strstr(seen->last, "Range"));
	assert_non_null(strstr(seen->last, "GET /update.boat HTTP/1.1\r\nHost: 127.0.0.1:"));
	read_all(SCRIPT(.framing = CHUNKED));
	read_all(SCRIPT(.framing = UNTIL_CLOSE));
	read_all(SCRIPT(.framing = LENGTH, .http10 = true));
	read_all(SCRIPT(.framing = UNTIL_CLOSE, .http10 = true));
	read_all(SCRIPT(.framing = LENGTH, .surplus = 100));
}

static void lost_connections_are_resumed_at_the_byte(void **state)
{
	(void)state;
	read_all(SCRIPT(.cut_after = 70001, .cut_requests = 4));
	assert_int_equal(seen->requests, 5);
	assert_int_equal(seen->ranges, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(seen->range[i], (i + 1) * 70001);
	assert_int_equal(http.counts.received, BODY_LEN);
	assert_int_equal(seen->sent, BODY_LEN);
	assert_int_equal(told_retries, 4);
	read_all(SCRIPT(.framing = CHUNKED, .cut_after = 70001, .cut_requests = 3));
	assert_int_equal(http.counts.received, BODY_LEN);
	/* Cut within the head of the answer: nothing of the body came. */
	read_all(SCRIPT(.error = "HTTP/1.1 200 OK\r\nContent-", .errors = 2));
}

/* Patience is for one trouble: who gets on between two troubles is not given up. */
static void a_bad_line_is_endured_while_it_gets_on(void **state)
{
	(void)state;
	read_all(SCRIPT(.cut_after = 6000, .cut_requests = UINT32_MAX));
	assert_int_equal(http.counts.received, BODY_LEN);
	assert_true(http.counts.retries * quick.backoff_ms > quick.patience_ms);
}

static void a_server_that_was_away_is_found_again(void **state)
{
	(void)state;
	read_all(SCRIPT(.cut_after = 100000, .cut_requests = 1, .down_after = 1, .down_ms = 900));
	assert_int_equal(http.counts.received, BODY_LEN);
	assert_true(told_retries >= 2);
	read_until(SCRIPT(.cut_after = 100000, .cut_requests = 1, .down_after = 1, .down_ms = 9000),
		   DETAIL_CONNECTION_LOST);
	assert_int_equal(fault.sys_errno, ECONNREFUSED);
	assert_int_equal(fault.offset, 100000);
}

static void stalls_are_noticed(void **state)
{
	(void)state;
	read_all(SCRIPT(.hang_after = 50000));
	assert_int_equal(seen->range[0], 50000);
	read_all(SCRIPT(.trickle = 1));
	assert_int_equal(http.counts.received, BODY_LEN);
	read_until(SCRIPT(.trickle = UINT32_MAX), DETAIL_CONNECTION_LOST);
}

static void servers_without_range_are_read_again_a_few_times(void **state)
{
	(void)state;
	read_all(SCRIPT(.ignores_range = true, .cut_after = 100000, .cut_requests = 2));
	assert_int_equal(http.counts.received, BODY_LEN + 200000);
	read_until(SCRIPT(.ignores_range = true, .cut_after = 100000, .cut_requests = UINT32_MAX),
		   DETAIL_HTTP_NO_RANGE);
	assert_int_equal(seen->requests, 6);
}

static void short_parts_are_joined(void **state)
{
	(void)state;
	read_all(SCRIPT(.part_max = 30000, .cut_after = 1000, .cut_requests = 1));
	assert_int_equal(http.counts.received, BODY_LEN);
	assert_int_equal(seen->ranges, 10);
	/* The connection was kept from part to part. */
	assert_int_equal(seen->connections, 2);
}

static void changed_files_are_noticed(void **state)
{
	struct script script = {.cut_after = 100000, .cut_requests = 1, .changes_at = 1};

	(void)state;
	read_until(&script, DETAIL_HTTP_CHANGED);
	script.deaf_to_if_range = true;
	read_until(&script, DETAIL_HTTP_CHANGED);
	script.silent_validators = true;
	script.grows = true;
	read_until(&script, DETAIL_HTTP_CHANGED);
}

static void statuses_end_or_are_tried_again(void **state)
{
	uint64_t before;

	(void)state;
	read_until(SCRIPT(.raw = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
		   DETAIL_HTTP_STATUS);
	assert_int_equal(seen->requests, 1);
	assert_non_null(strstr(fault.object, "404"));
	read_until(SCRIPT(.raw = "HTTP/1.1 403 No\r\n\r\n"), DETAIL_HTTP_STATUS);
	assert_int_equal(seen->requests, 1);
	read_until(SCRIPT(.raw = "HTTP/1.1 204 No\r\n\r\n"), DETAIL_HTTP_STATUS);
	assert_int_equal(seen->requests, 1);
	read_until(SCRIPT(.raw = "HTTP/1.1 503 Busy\r\n\r\n"), DETAIL_HTTP_STATUS);
	assert_in_range(seen->requests, 3, 30);
	assert_non_null(strstr(fault.object, "503"));
	read_all(SCRIPT(.error = "HTTP/1.1 500 Oh\r\n\r\n", .errors = 3));
	before = system_now_ms();
	read_all(SCRIPT(.error = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\n\r\n", .errors = 1));
	assert_int_equal(seen->requests, 2);
	assert_in_range(system_now_ms() - before, 950, 1450);
}

static void redirects_are_followed_five_times(void **state)
{
	(void)state;
	read_all(SCRIPT(.redirects = 5));
	assert_int_equal(seen->requests, 6);
	assert_int_equal(seen->connections, 1);
	assert_non_null(strstr(seen->last, "GET /r HTTP"));
	read_until(SCRIPT(.redirects = 6), DETAIL_HTTP_REDIRECTS);
	read_until(SCRIPT(.redirects = UINT32_MAX), DETAIL_HTTP_REDIRECTS);
	assert_int_equal(seen->requests, 6);
	read_until(SCRIPT(.redirects = 1, .location = "https://127.0.0.1/"),
		   DETAIL_HTTP_REDIRECT_SCHEME);
	read_until(SCRIPT(.redirects = 1, .location = "file:///etc/shadow"),
		   DETAIL_HTTP_REDIRECT_SCHEME);
	read_until(SCRIPT(.redirects = 1, .location = "http://a b/"), DETAIL_HTTP_MALFORMED);
	read_until(SCRIPT(.raw = "HTTP/1.1 302 x\r\n\r\n"), DETAIL_HTTP_MALFORMED);
	/* A dead end: the next try asks the first address again. */
	read_all(SCRIPT(.redirects = 1, .location = "http://127.0.0.1:1/"));
	read_until(SCRIPT(.redirects = UINT32_MAX, .location = "http://127.0.0.1:1/"),
		   DETAIL_CONNECT_FAILED);
}

static void contradictions_are_refused(void **state)
{
	static const struct {
		const char *raw;
		enum detail detail;
	} later[] = {
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 5-9/300000\r\n\r\n", DETAIL_HTTP_LENGTH},
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-9/300000\r\n\r\n",
		 DETAIL_HTTP_MALFORMED},
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1999/300001\r\n\r\n",
		 DETAIL_HTTP_CHANGED},
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-300000/*\r\n\r\n",
		 DETAIL_HTTP_LENGTH},
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1999/300000\r\n"
		 "Content-Length: 999\r\n\r\n",
		 DETAIL_HTTP_LENGTH},
		{"HTTP/1.1 206 x\r\n\r\n", DETAIL_HTTP_MALFORMED},
		{"HTTP/1.1 416 x\r\nContent-Range: bytes */500\r\n\r\n", DETAIL_HTTP_CHANGED},
		{"HTTP/1.1 416 x\r\nContent-Range: bytes */300000\r\n\r\n", DETAIL_HTTP_LENGTH},
		{"HTTP/1.1 416 x\r\n\r\n", DETAIL_HTTP_STATUS},
		{"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", DETAIL_HTTP_CHANGED},
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1999/300000\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 DETAIL_HTTP_LENGTH},
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1000/300000\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		 DETAIL_HTTP_LENGTH},
		{"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1000/300000\r\n"
		 "Transfer-Encoding: chunked\r\n\r\nxx\r\n",
		 DETAIL_HTTP_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(later); i++) {
		at_case("answer %zu", i);
		read_until(SCRIPT(.cut_after = 1000, .cut_requests = 1, .raw_later = later[i].raw),
			   later[i].detail);
	}
}

static void other_protocols_are_refused(void **state)
{
	char *endless = arena_alloc(40001);

	(void)state;
	read_until(SCRIPT(.raw = "220 smtp ready\r\n\r\n"), DETAIL_HTTP_MALFORMED);
	read_until(SCRIPT(.raw = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"),
		   DETAIL_HTTP_MALFORMED);
	read_until(
		SCRIPT(.raw = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
		DETAIL_HTTP_MALFORMED);
	memset(endless, 'x', 40000);
	memcpy(endless, "HTTP/1.1 200 OK\r\nX: ", 20);
	read_until(SCRIPT(.raw = endless), DETAIL_HTTP_MALFORMED);
	for (size_t i = 0; i + 25 < 40000; i += 25)
		memcpy(endless + i, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	read_until(SCRIPT(.raw = endless), DETAIL_HTTP_MALFORMED);
	/* It accepts and says nothing. */
	read_until(SCRIPT(.raw = ""), DETAIL_CONNECTION_LOST);
}

static void seeks_cost_what_they_must(void **state)
{
	uint64_t at = 0;
	size_t total;

	(void)state;
	start(SCRIPT(.framing = LENGTH));
	assert_detail(open_it(), DETAIL_OK);
	assert_detail(read_some(&at, 1000, &total), DETAIL_OK);
	at += 60000; /* near: reads on */
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, 1000, &total), DETAIL_OK);
	assert_int_equal(seen->requests, 1);
	at = 200000; /* far: asks */
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, 1000, &total), DETAIL_OK);
	assert_int_equal(seen->requests, 2);
	assert_int_equal(seen->range[0], 200000);
	at = 64; /* back, then to the end */
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	assert_int_equal(total, BODY_LEN - 64);
	assert_int_equal(seen->connections, 3);
	at = 0; /* again: on the same connection, since nothing was left on it */
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	assert_int_equal(total, BODY_LEN);
	assert_int_equal(seen->connections, 3);
	assert_detail(http.source.ops->seek(&http.source, BODY_LEN, &fault), DETAIL_OK);
	assert_detail(read_some(&at, 1, &total), DETAIL_OK);
	assert_int_equal(total, 0);
	assert_int_equal(seen->requests, 4);
	close_it();
	stop();
}

static void what_was_not_announced_is_not_the_next_answer(void **state)
{
	uint64_t at = 0;
	size_t total;

	(void)state;
	start(SCRIPT(.surplus = 100));
	assert_detail(open_it(), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	sleep_ms(100);
	at = 0;
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	assert_int_equal(total, BODY_LEN);
	close_it();
	stop();
}

static void a_kept_connection_that_was_closed_is_no_fault(void **state)
{
	uint64_t at = 0;
	size_t total;

	(void)state;
	start(SCRIPT(.closes = true));
	assert_detail(open_it(), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	sleep_ms(100);
	at = 0;
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	assert_int_equal(total, BODY_LEN);
	assert_int_equal(seen->connections, 2);
	assert_int_equal(http.counts.retries, 0);
	close_it();
	stop();
}

static void seeks_work_without_range(void **state)
{
	uint64_t at = 200000;
	size_t total;

	(void)state;
	start(SCRIPT(.ignores_range = true));
	assert_detail(open_it(), DETAIL_OK);
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, 10, &total), DETAIL_OK);
	at = 290000; /* now it is known, and read on */
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, SIZE_MAX, &total), DETAIL_OK);
	assert_int_equal(total, BODY_LEN - 290000);
	assert_int_equal(seen->requests, 2);
	at = 5;
	assert_detail(http.source.ops->seek(&http.source, at, &fault), DETAIL_OK);
	assert_detail(read_some(&at, 10, &total), DETAIL_OK);
	close_it();
	stop();
}

static void unreachable_servers_are_named(void **state)
{
	(void)state;
	start(SCRIPT(.framing = LENGTH));
	stop();
	assert_detail(open_it(), DETAIL_CONNECT_FAILED);
	assert_int_equal(fault.sys_errno, ECONNREFUSED);
	assert_true(http.counts.retries >= 3);
	strcpy(url, "http://no-such-host.invalid/x");
	assert_detail(open_it(), DETAIL_NAME_UNKNOWN);
	strcpy(url, "https://127.0.0.1/x");
	assert_detail(open_it(), DETAIL_URL_INVALID);
	assert_non_null(strstr(fault.object, "only http"));
	strcpy(url, "http://127.0.0.1:99999/x");
	assert_detail(open_it(), DETAIL_URL_INVALID);
	assert_true(source_http_is_url("http://x") && source_http_is_url("https://x"));
	assert_false(source_http_is_url("/http://x") || source_http_is_url("file") ||
		     source_http_is_url("://") || source_http_is_url("a/b://c"));
}

static void a_stop_is_heard(void **state)
{
	uint64_t at = 0;
	size_t total;

	(void)state;
	start(SCRIPT(.hang_after = 50000));
	assert_detail(open_it(), DETAIL_OK);
	assert_detail(read_some(&at, 50000, &total), DETAIL_OK);
	stop_asked = true;
	assert_detail(read_some(&at, 1, &total), DETAIL_INTERRUPTED);
	close_it();
	stop();
}

static int set_up(void **state)
{
	(void)state;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return seen == MAP_FAILED;
}

static int tear_down(void **state)
{
	stop();
	return arena_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_framing_is_read, tear_down),
		cmocka_unit_test_teardown(lost_connections_are_resumed_at_the_byte, tear_down),
		cmocka_unit_test_teardown(a_bad_line_is_endured_while_it_gets_on, tear_down),
		cmocka_unit_test_teardown(a_server_that_was_away_is_found_again, tear_down),
		cmocka_unit_test_teardown(stalls_are_noticed, tear_down),
		cmocka_unit_test_teardown(servers_without_range_are_read_again_a_few_times,
					  tear_down),
		cmocka_unit_test_teardown(short_parts_are_joined, tear_down),
		cmocka_unit_test_teardown(changed_files_are_noticed, tear_down),
		cmocka_unit_test_teardown(statuses_end_or_are_tried_again, tear_down),
		cmocka_unit_test_teardown(redirects_are_followed_five_times, tear_down),
		cmocka_unit_test_teardown(contradictions_are_refused, tear_down),
		cmocka_unit_test_teardown(other_protocols_are_refused, tear_down),
		cmocka_unit_test_teardown(seeks_cost_what_they_must, tear_down),
		cmocka_unit_test_teardown(what_was_not_announced_is_not_the_next_answer, tear_down),
		cmocka_unit_test_teardown(a_kept_connection_that_was_closed_is_no_fault, tear_down),
		cmocka_unit_test_teardown(seeks_work_without_range, tear_down),
		cmocka_unit_test_teardown(unreachable_servers_are_named, tear_down),
		cmocka_unit_test_teardown(a_stop_is_heard, tear_down),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
