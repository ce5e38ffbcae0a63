#include "platform/source_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "platform/system.h"
#include "platform/format.h"

const struct http_limits http_limits_default = {
	.resolve_timeout_ms = 10000,
	.connect_timeout_ms = 10000,
	.head_timeout_ms = 20000,
	.stall_timeout_ms = 20000,
	.stall_len = 1024,
	.patience_ms = 60000,
	.backoff_ms = 500,
	.backoff_max_ms = 8000,
	.retry_after_max_s = 30,
	.redirects = 5,
	.skip_len = 64 << 10,
	.restarts = 4,
};

_Static_assert(HTTP_BUFFER >= HTTP_HEAD_MAX, "a head must fit");

/* --- faults --- */

static enum detail failed(struct source_http *http, enum detail detail, const char *why, int err,
			  struct fault *fault)
{
	char object[160];

	format_text(object, sizeof(object), "%.110s%s%s%s", http->source.name, why ? " (" : "",
		    why ? why : "", why ? ")" : "");
	fault_errno(fault, detail, object, err);
	if (fault)
		fault->offset = http->pos;
	return detail;
}

static enum detail net_failed(struct source_http *http, enum detail detail, int err,
			      struct fault *fault)
{
	if (err == ECANCELED)
		return failed(http, DETAIL_INTERRUPTED, NULL, 0, fault);
	return failed(http, detail, NULL, err, fault);
}

/* --- connection --- */

static void disconnect(struct source_http *http)
{
	tcp_close(&http->tcp);
	http->in_body = false;
	http->keep = false;
	http->have = http->used = 0;
}

static bool is_connected_to(const struct source_http *http, const struct http_url *url)
{
	return http->tcp.fd >= 0 && http->keep && !strcmp(http->peer.host, url->host) &&
	       !strcmp(http->peer.port, url->port);
}

static enum detail make_connection(struct source_http *http, struct fault *fault)
{
	const struct http_url *url = &http->current;
	struct tcp_addresses addresses;
	int err;

	disconnect(http);
	err = tcp_resolve(&http->tcp, url->host, url->port, http->limits.resolve_timeout_ms,
			  &addresses);
	if (err)
		return net_failed(http, DETAIL_NAME_UNKNOWN, err, fault);
	err = tcp_connect(&http->tcp, &addresses, http->limits.connect_timeout_ms);
	if (err)
		return net_failed(http, DETAIL_CONNECT_FAILED, err, fault);
	http->peer = *url;
	http->counts.connections++;
	return DETAIL_OK;
}

static size_t write_request(const struct source_http *http, char *buf, size_t size)
{
	const struct http_url *url = &http->current;
	const char *open = url->literal6 ? "[" : "", *close = url->literal6 ? "]" : "";
	bool default_port = !strcmp(url->port, "80");
	size_t len;

	len = format_text(buf, size,
			  "GET %s HTTP/1.1\r\nHost: %s%s%s%s%s\r\nUser-Agent: lifeboat\r\n"
			  "Accept: */*\r\nAccept-Encoding: identity\r\n",
			  url->target, open, url->host, close, default_port ? "" : ":",
			  default_port ? "" : url->port);
	if (http->pos && !http->no_range) {
		len += format_text(buf + len, size - len, "Range: bytes=%llu-\r\n",
				   (unsigned long long)http->pos);
		/* Only a strong validator may stand in If-Range (RFC 9110 section 13.1.5). */
		if (http->etag[0] == '"')
			len += format_text(buf + len, size - len, "If-Range: %s\r\n", http->etag);
		else if (!http->etag[0] && http->modified[0])
			len += format_text(buf + len, size - len, "If-Range: %s\r\n",
					   http->modified);
	}
	len += format_text(buf + len, size - len, "\r\n");
	return len;
}

/* Receives into the buffer's free end. *got = 0: the other side closed. */
static int fill(struct source_http *http, uint32_t limit_ms, size_t *got)
{
	int err;

	if (http->used == http->have)
		http->used = http->have = 0;
	err = tcp_receive(&http->tcp, http->buffer + http->have, HTTP_BUFFER - http->have, got,
			  &http->waited_ms, limit_ms);
	http->have += *got;
	return err;
}

/* Reads one head, interim ones (1xx) passed over. Nothing came and the connection closed:
 * ECONNRESET. */
static enum detail read_head(struct source_http *http, struct http_head *head, struct fault *fault)
{
	size_t len, got, total = 0;

	http->waited_ms = 0;
	for (;;) {
		const char *at = http->buffer + http->used;

		/* Whoever does not begin like this speaks something else, and will next time too.
		 */
		len = http->have - http->used < 5 ? http->have - http->used : 5;
		if (memcmp(at, "HTTP/", len))
			return failed(http, DETAIL_HTTP_MALFORMED, "this is not HTTP", 0, fault);
		len = http_head_len(at, http->have - http->used);
		if (total + (len ? len : http->have - http->used) > HTTP_HEAD_MAX)
			return failed(http, DETAIL_HTTP_MALFORMED, "endless header", 0, fault);
		if (len) {
			total += len;
			http->used += len;
			if (!http_head_parse(at, len, head))
				return failed(http, DETAIL_HTTP_MALFORMED, NULL, 0, fault);
			if (head->status >= 200)
				return DETAIL_OK;
			continue;
		}
		if (http->used) {
			memmove(http->buffer, at, http->have - http->used);
			http->have -= http->used;
			http->used = 0;
		}
		int err = fill(http, http->limits.head_timeout_ms, &got);

		if (err || !got)
			return net_failed(http, DETAIL_CONNECTION_LOST, err ? err : ECONNRESET,
					  fault);
	}
}

static enum detail ask_once(struct source_http *http, struct http_head *head, struct fault *fault)
{
	char request[HTTP_TARGET_SIZE + HTTP_HOST_SIZE + HTTP_VALIDATOR_SIZE + 512];
	size_t len = write_request(http, request, sizeof(request));
	int err;

	http->counts.requests++;
	err = tcp_send(&http->tcp, request, len, http->limits.head_timeout_ms);
	if (err)
		return net_failed(http, DETAIL_CONNECTION_LOST, err, fault);
	return read_head(http, head, fault);
}

/* One request and the head of its answer. */
static enum detail exchange(struct source_http *http, struct http_head *head, struct fault *fault)
{
	enum detail detail;

	if (is_connected_to(http, &http->current)) {
		http->have = http->used = 0;
		detail = ask_once(http, head, fault);
		/*
		 * A kept connection may have been closed meanwhile, which is no fault of anybody's,
		 * or hold bytes that nobody announced: a new one is the way out of both.
		 */
		if (detail != DETAIL_HTTP_MALFORMED &&
		    (detail != DETAIL_CONNECTION_LOST || http->have))
			return detail;
	}
	detail = make_connection(http, fault);
	return detail ? detail : ask_once(http, head, fault);
}

/* --- answers --- */

static enum detail bad_status(struct source_http *http, const struct http_head *head,
			      struct fault *fault)
{
	char why[32];

	http->retry_status = head->status >= 500 || head->status == 408 || head->status == 429;
	http->retry_after_s = head->retry_after_s;
	format_text(why, sizeof(why), "status %d", head->status);
	return failed(http, DETAIL_HTTP_STATUS, why, 0, fault);
}

static bool differ(const char *a, const char *b)
{
	return a[0] && b[0] && strcmp(a, b);
}

/* Whether an answer is about the same file as the first one. whole: its length, UINT64_MAX when not
 * known. */
static bool is_same_file(const struct source_http *http, const struct http_head *head,
			 uint64_t whole)
{
	if (!http->began)
		return true;
	if (whole != UINT64_MAX && http->source.size != UINT64_MAX && whole != http->source.size)
		return false;
	if (http->etag[0] && head->etag[0])
		return !strcmp(http->etag, head->etag);
	return !differ(http->modified, head->modified);
}

static void begin_body(struct source_http *http, const struct http_head *head, uint64_t start,
		       uint64_t end)
{
	http->in_body = true;
	http->chunked = head->chunked;
	http->keep = !head->close && (head->chunked || head->has_length);
	http->body_pos = start;
	http->body_end = end;
	http->chunk_ready = 0;
	http->waited_ms = 0;
	http->arrived = 0;
	http_chunked_begin(&http->chunks);
	if (!http->began) {
		text_copy(http->etag, sizeof(http->etag), head->etag);
		text_copy(http->modified, sizeof(http->modified), head->modified);
	}
	http->began = true;
}

static enum detail take_whole(struct source_http *http, const struct http_head *head,
			      struct fault *fault)
{
	uint64_t len = head->has_length ? head->length : UINT64_MAX;

	if (!is_same_file(http, head, len))
		return failed(http, DETAIL_HTTP_CHANGED, NULL, 0, fault);
	/* Range was not asked for, or ignored: read from the start and throw away. */
	if (http->pos) {
		http->no_range = true;
		if (http->restarted++ >= http->limits.restarts)
			return failed(http, DETAIL_HTTP_NO_RANGE, NULL, 0, fault);
	}
	if (head->ranges_none)
		http->no_range = true;
	if (http->source.size == UINT64_MAX)
		http->source.size = len;
	begin_body(http, head, 0, http->source.size);
	return DETAIL_OK;
}

static enum detail take_part(struct source_http *http, const struct http_head *head,
			     struct fault *fault)
{
	uint64_t total = head->has_total ? head->total : UINT64_MAX;

	if (!head->has_range)
		return failed(http, DETAIL_HTTP_MALFORMED, "206 without Content-Range", 0, fault);
	if (!is_same_file(http, head, total))
		return failed(http, DETAIL_HTTP_CHANGED, NULL, 0, fault);
	if (head->first != http->pos)
		return failed(http, DETAIL_HTTP_LENGTH, "another range than asked for", 0, fault);
	if (head->has_length && head->length != head->last - head->first + 1)
		return failed(http, DETAIL_HTTP_LENGTH, "range and length differ", 0, fault);
	if (head->last >= http->source.size)
		return failed(http, DETAIL_HTTP_LENGTH, "range past the end", 0, fault);
	if (http->source.size == UINT64_MAX)
		http->source.size = total;
	begin_body(http, head, head->first, head->last + 1);
	return DETAIL_OK;
}

/* 416: nothing from pos on. Where the length was not known, that may be the end. */
static enum detail take_no_part(struct source_http *http, const struct http_head *head,
				struct fault *fault)
{
	disconnect(http);
	if (!head->has_total)
		return bad_status(http, head, fault);
	if (!is_same_file(http, head, head->total))
		return failed(http, DETAIL_HTTP_CHANGED, NULL, 0, fault);
	if (http->source.size != UINT64_MAX || head->total > http->pos)
		return failed(http, DETAIL_HTTP_LENGTH, "the server has no such range", 0, fault);
	http->source.size = head->total;
	return DETAIL_OK;
}

static bool is_redirect(const struct http_head *head)
{
	return head->status == 301 || head->status == 302 || head->status == 303 ||
	       head->status == 307 || head->status == 308;
}

static enum detail follow(struct source_http *http, const struct http_head *head,
			  struct fault *fault)
{
	struct http_url next;
	enum http_url_error err = http_url_resolve(&http->current, head->location, &next);

	if (err == HTTP_URL_SCHEME)
		return failed(http, DETAIL_HTTP_REDIRECT_SCHEME, NULL, 0, fault);
	if (err || !head->location[0])
		return failed(http, DETAIL_HTTP_MALFORMED, "redirect to nowhere", 0, fault);
	/* The body of a redirect is worth reading only when it is there already. */
	if (!head->close && head->has_length && head->length == http->have - http->used) {
		http->used = http->have;
		http->keep = true;
	} else {
		disconnect(http);
	}
	http->current = next;
	http->redirected = true;
	return DETAIL_OK;
}

static enum detail take_answer(struct source_http *http, const struct http_head *head,
			       struct fault *fault)
{
	if (head->status == 416 && http->pos && !http->no_range)
		return take_no_part(http, head, fault);
	if (head->status != 200 && head->status != 206)
		return bad_status(http, head, fault);
	if (head->coded)
		return failed(http, DETAIL_HTTP_MALFORMED, "compressed without being asked", 0,
			      fault);
	return head->status == 200 ? take_whole(http, head, fault) : take_part(http, head, fault);
}

/* One try to get a body that leads to pos. */
static enum detail ask(struct source_http *http, struct fault *fault)
{
	bool known = http->redirected; /* start where the last redirects led to */
	uint32_t redirects = 0;
	struct http_head head;
	enum detail detail;

	http->retry_status = false;
	http->retry_after_s = 0;
	for (;;) {
		detail = exchange(http, &head, fault);
		if (detail)
			return detail;
		if (is_redirect(&head)) {
			if (redirects++ >= http->limits.redirects)
				return failed(http, DETAIL_HTTP_REDIRECTS, NULL, 0, fault);
			detail = follow(http, &head, fault);
			if (detail)
				return detail;
			continue;
		}
		if (!known || head.status / 100 != 4 || head.status == 416)
			return take_answer(http, &head, fault);
		/* An address that a redirect gave may serve for a while only. */
		known = false;
		disconnect(http);
		http->current = http->origin;
		http->redirected = false;
	}
}

/* --- bodies --- */

static void count_arrived(struct source_http *http, size_t len)
{
	http->counts.received += len;
	http->body_pos += len;
	if (len < http->limits.stall_len && http->arrived + len < http->limits.stall_len) {
		http->arrived += (uint32_t)len;
		return;
	}
	http->arrived = 0;
	http->waited_ms = 0;
	http->trouble_ms = 0;
	http->backoff_ms = http->limits.backoff_ms;
}

/* The body is over, properly. */
static enum detail end_body(struct source_http *http, struct fault *fault)
{
	http->in_body = false;
	/* What comes unasked is not the head of the next answer. */
	if (!http->keep || http->used != http->have)
		disconnect(http);
	if (http->body_end != UINT64_MAX && http->body_pos != http->body_end)
		return failed(http, DETAIL_HTTP_LENGTH, NULL, 0, fault);
	if (http->source.size == UINT64_MAX && http->body_end == UINT64_MAX)
		http->source.size = http->body_pos;
	return DETAIL_OK;
}

/* The connection closed within a body. */
static enum detail closed(struct source_http *http, struct fault *fault)
{
	if (!http->chunked && http->body_end == UINT64_MAX)
		return end_body(http, fault);
	return failed(http, DETAIL_CONNECTION_LOST, NULL, ECONNRESET, fault);
}

/* Makes chunk_ready > 0, or ends the body. */
static enum detail next_chunk(struct source_http *http, struct fault *fault)
{
	while (!http->chunk_ready) {
		size_t used, got;
		int64_t ready = http_chunked_step(&http->chunks, http->buffer + http->used,
						  http->have - http->used, &used);

		http->used += used;
		if (ready < 0)
			return failed(http, DETAIL_HTTP_MALFORMED, "chunks", 0, fault);
		http->chunk_ready = (size_t)ready;
		if (http_chunked_done(&http->chunks))
			return end_body(http, fault);
		if (ready)
			break;
		int err = fill(http, http->limits.stall_timeout_ms, &got);

		if (err)
			return net_failed(http, DETAIL_CONNECTION_LOST, err, fault);
		if (!got)
			return closed(http, fault);
	}
	if (http->chunk_ready > http->body_end - http->body_pos)
		return failed(http, DETAIL_HTTP_LENGTH, NULL, 0, fault);
	return DETAIL_OK;
}

/* Takes up to len bytes of the body to buf; buf NULL: throws them away. *got = 0: the body ended,
 * or not yet. */
static enum detail take_body(struct source_http *http, char *buf, size_t len, size_t *got,
			     struct fault *fault)
{
	uint64_t left = http->body_end - http->body_pos;
	size_t ready = http->have - http->used;
	int err;

	*got = 0;
	if (http->chunked) {
		enum detail detail = next_chunk(http, fault);

		if (detail || !http->in_body)
			return detail;
		ready = http->chunk_ready;
	} else if (!left) {
		return end_body(http, fault);
	}
	len = len < left ? len : (size_t)left;
	if (ready) {
		*got = ready < len ? ready : len;
		if (buf)
			memcpy(buf, http->buffer + http->used, *got);
		http->used += *got;
		http->chunk_ready -= http->chunked ? *got : 0;
		return DETAIL_OK;
	}
	/* Straight to the caller where it pays. */
	if (buf && len >= HTTP_BUFFER / 2) {
		err = tcp_receive(&http->tcp, buf, len, got, &http->waited_ms,
				  http->limits.stall_timeout_ms);
	} else {
		size_t filled;

		err = fill(http, http->limits.stall_timeout_ms, &filled);
		if (!err && filled)
			return DETAIL_OK;
	}
	if (err)
		return net_failed(http, DETAIL_CONNECTION_LOST, err, fault);
	return *got ? DETAIL_OK : closed(http, fault);
}

static enum detail read_body(struct source_http *http, void *buf, size_t len, size_t *given,
			     struct fault *fault)
{
	uint64_t ahead = http->pos - http->body_pos;
	size_t got;
	enum detail detail;

	if (ahead)
		detail = take_body(http, NULL, ahead < SIZE_MAX ? (size_t)ahead : SIZE_MAX, &got,
				   fault);
	else
		detail = take_body(http, buf, len, &got, fault);
	count_arrived(http, got);
	if (!ahead) {
		http->pos += got;
		http->counts.given += got;
		*given = got;
	}
	/* At once, so that the connection is free for what a seek may ask. */
	if (!detail && http->in_body && !http->chunked && http->body_pos == http->body_end)
		detail = end_body(http, fault);
	return detail;
}

/* --- trying again --- */

static bool may_try_again(const struct source_http *http, enum detail detail)
{
	return detail == DETAIL_NAME_UNKNOWN || detail == DETAIL_CONNECT_FAILED ||
	       detail == DETAIL_CONNECTION_LOST ||
	       (detail == DETAIL_HTTP_STATUS && http->retry_status);
}

/* How long to pause before the next try; 0: the patience is over. */
static uint32_t pause_ms(struct source_http *http)
{
	uint64_t now = system_now_ms(), spent;
	uint32_t wait = http->backoff_ms, left;

	if (!http->trouble_ms)
		http->trouble_ms = now;
	spent = now - http->trouble_ms;
	if (spent >= http->limits.patience_ms)
		return 0;
	left = http->limits.patience_ms - (uint32_t)spent;
	if (http->retry_after_s) {
		uint32_t asked = http->retry_after_s < http->limits.retry_after_max_s
					 ? http->retry_after_s
					 : http->limits.retry_after_max_s;

		wait = wait > asked * 1000 ? wait : asked * 1000;
	}
	http->backoff_ms = http->backoff_ms < http->limits.backoff_max_ms / 2
				   ? http->backoff_ms * 2
				   : http->limits.backoff_max_ms;
	return wait < left ? wait : left;
}

/* After a failure: pauses and returns DETAIL_OK when it is worth another try. */
static enum detail try_again(struct source_http *http, enum detail detail, struct fault *fault)
{
	const char *why = detail_sentence(detail);
	uint32_t wait = may_try_again(http, detail) ? pause_ms(http) : 0;

	disconnect(http);
	/* The next try starts at the address that was given: a redirect may have led to a dead end.
	 */
	http->current = http->origin;
	http->redirected = false;
	if (!wait) {
		/* What could be reached before was not a wrong name or port. */
		if (http->began && detail != DETAIL_HTTP_STATUS && may_try_again(http, detail))
			return failed(http, DETAIL_CONNECTION_LOST, NULL,
				      fault ? fault->sys_errno : 0, fault);
		return detail;
	}
	http->counts.retries++;
	while (wait) {
		uint32_t step = wait % 1000 ? wait % 1000 : 1000;

		watch_retry(http->watch, why, (wait + 999) / 1000);
		if (watch_sleep(http->watch, step))
			return failed(http, DETAIL_INTERRUPTED, NULL, 0, fault);
		wait -= step;
	}
	watch_retry(http->watch, why, 0);
	return DETAIL_OK;
}

/* --- the seam --- */

static enum detail http_read(struct source *source, void *buf, size_t len, size_t *got,
			     struct fault *fault)
{
	struct source_http *http = (struct source_http *)source;
	enum detail detail;

	*got = 0;
	while (!*got && len && http->pos < source->size) {
		detail = http->in_body ? read_body(http, buf, len, got, fault) : ask(http, fault);
		if (detail)
			detail = try_again(http, detail, fault);
		if (detail)
			return detail;
	}
	return DETAIL_OK;
}

static enum detail http_seek(struct source *source, uint64_t off, struct fault *fault)
{
	struct source_http *http = (struct source_http *)source;

	(void)fault;
	http->pos = off;
	/* Reading on costs less than asking anew, and is the only way where Range is ignored. */
	if (http->in_body && (off < http->body_pos ||
			      (off - http->body_pos > http->limits.skip_len && !http->no_range)))
		disconnect(http);
	return DETAIL_OK;
}

static void http_close(struct source *source)
{
	struct source_http *http = (struct source_http *)source;

	disconnect(http);
	free(http->buffer);
	http->buffer = NULL;
}

static const struct source_ops http_ops = {
	.read = http_read,
	.seek = http_seek,
	.close = http_close,
};

bool source_http_is_url(const char *text)
{
	size_t len =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return len && !strncmp(text + len, "://", 3);
}

static enum detail check_url(struct source_http *http, const char *url, struct fault *fault)
{
	enum http_url_error err = http_url_parse(url, &http->origin);

	if (strlen(url) >= sizeof(http->source.name))
		return failed(http, DETAIL_URL_INVALID, "too long", 0, fault);
	if (err == HTTP_URL_SCHEME)
		return failed(http, DETAIL_URL_INVALID, "only http: a package is signed", 0, fault);
	return err ? failed(http, DETAIL_URL_INVALID, NULL, 0, fault) : DETAIL_OK;
}

enum detail source_http_open(struct source_http *http, const char *url,
			     const struct http_limits *limits, const struct watch *watch,
			     struct fault *fault)
{
	enum detail detail;

	memset(http, 0, sizeof(*http));
	http->source.ops = &http_ops;
	http->source.size = UINT64_MAX;
	text_copy(http->source.name, sizeof(http->source.name), url);
	http->limits = limits ? *limits : http_limits_default;
	http->backoff_ms = http->limits.backoff_ms;
	http->watch = watch;
	http->tcp = (struct tcp){.fd = -1, .watch = watch};
	detail = check_url(http, url, fault);
	if (detail)
		return detail;
	http->buffer = malloc(HTTP_BUFFER);
	if (!http->buffer)
		return fault_errno(fault, DETAIL_SOURCE_READ, url, ENOMEM);
	http->current = http->origin;
	while (!http->began) {
		detail = ask(http, fault);
		if (detail)
			detail = try_again(http, detail, fault);
		if (detail) {
			http_close(&http->source);
			return detail;
		}
	}
	return DETAIL_OK;
}
