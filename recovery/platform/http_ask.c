#include "platform/http_ask.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "platform/format.h"

_Static_assert(HTTP_BUFFER >= HTTP_HEAD_MAX, "a head must fit");
_Static_assert(HTTP_BUFFER >= HTTP_TARGET_SIZE + HTTP_HOST_SIZE + HTTP_VALIDATOR_SIZE + 512,
	       "a request must fit");

/* --- faults --- */

enum detail http_failed(struct source_http *http, enum detail detail, const char *why, int err,
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

enum detail http_net_failed(struct source_http *http, enum detail detail, int err,
			    struct fault *fault)
{
	if (err == ECANCELED)
		return http_failed(http, DETAIL_INTERRUPTED, NULL, 0, fault);
	return http_failed(http, detail, NULL, err, fault);
}

/* --- connection --- */

void http_disconnect(struct source_http *http)
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

	http_disconnect(http);
	err = tcp_resolve(&http->tcp, url->host, url->port, http->limits.resolve_timeout_ms,
			  &addresses);
	/* The resolver says these two where a name has no address: nobody would understand them. */
	if (err)
		return http_net_failed(http, DETAIL_NAME_UNKNOWN,
				       err == ENOENT || err == EAGAIN ? 0 : err, fault);
	err = tcp_connect(&http->tcp, &addresses, http->limits.connect_timeout_ms);
	if (err)
		return http_net_failed(http, DETAIL_CONNECT_FAILED, err, fault);
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

int http_fill(struct source_http *http, uint32_t limit_ms, size_t *got)
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
			return http_failed(http, DETAIL_HTTP_MALFORMED, "this is not HTTP", 0,
					   fault);
		len = http_head_len(at, http->have - http->used);
		if (total + (len ? len : http->have - http->used) > HTTP_HEAD_MAX)
			return http_failed(http, DETAIL_HTTP_MALFORMED, "endless header", 0, fault);
		if (len) {
			total += len;
			http->used += len;
			if (!http_head_parse(at, len, head))
				return http_failed(http, DETAIL_HTTP_MALFORMED, NULL, 0, fault);
			if (head->status >= 200)
				return DETAIL_OK;
			continue;
		}
		if (http->used) {
			memmove(http->buffer, at, http->have - http->used);
			http->have -= http->used;
			http->used = 0;
		}
		int err = http_fill(http, http->limits.head_timeout_ms, &got);

		if (err || !got)
			return http_net_failed(http, DETAIL_CONNECTION_LOST, err ? err : ECONNRESET,
					       fault);
	}
}

static enum detail ask_once(struct source_http *http, struct http_head *head, struct fault *fault)
{
	/* The buffer is free until the answer comes. */
	size_t len = write_request(http, http->buffer, HTTP_BUFFER);
	int err;

	*head = (struct http_head){.status = 0};
	http->counts.requests++;
	err = tcp_send(&http->tcp, http->buffer, len, http->limits.head_timeout_ms);
	if (err)
		return http_net_failed(http, DETAIL_CONNECTION_LOST, err, fault);
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
	return http_failed(http, DETAIL_HTTP_STATUS, why, 0, fault);
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
		return http_failed(http, DETAIL_HTTP_CHANGED, NULL, 0, fault);
	/* Range was not asked for, or ignored: read from the start and throw away. */
	if (http->pos) {
		http->no_range = true;
		if (http->restarted++ >= http->limits.restarts)
			return http_failed(http, DETAIL_HTTP_NO_RANGE, NULL, 0, fault);
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
		return http_failed(http, DETAIL_HTTP_MALFORMED, "206 without Content-Range", 0,
				   fault);
	if (!is_same_file(http, head, total))
		return http_failed(http, DETAIL_HTTP_CHANGED, NULL, 0, fault);
	if (head->first != http->pos)
		return http_failed(http, DETAIL_HTTP_LENGTH, "another range than asked for", 0,
				   fault);
	if (head->has_length && head->length != head->last - head->first + 1)
		return http_failed(http, DETAIL_HTTP_LENGTH, "range and length differ", 0, fault);
	if (head->last >= http->source.size)
		return http_failed(http, DETAIL_HTTP_LENGTH, "range past the end", 0, fault);
	if (http->source.size == UINT64_MAX)
		http->source.size = total;
	begin_body(http, head, head->first, head->last + 1);
	return DETAIL_OK;
}

/* 416: nothing from pos on. Where the length was not known, that may be the end. */
static enum detail take_no_part(struct source_http *http, const struct http_head *head,
				struct fault *fault)
{
	http_disconnect(http);
	if (!head->has_total)
		return bad_status(http, head, fault);
	if (!is_same_file(http, head, head->total))
		return http_failed(http, DETAIL_HTTP_CHANGED, NULL, 0, fault);
	if (http->source.size != UINT64_MAX || head->total > http->pos)
		return http_failed(http, DETAIL_HTTP_LENGTH, "the server has no such range", 0,
				   fault);
	http->source.size = head->total;
	return DETAIL_OK;
}

static bool is_redirect(const struct http_head *head)
{
	return head->status == 301 || head->status == 302 || head->status == 303 ||
	       head->status == 307 || head->status == 308;
}

/* Not inlined: its 6 KiB of addresses would lie under everything that http_ask calls. */
__attribute__((noinline)) static enum detail
follow(struct source_http *http, const struct http_head *head, struct fault *fault)
{
	struct http_url next;
	enum http_url_error err = http_url_resolve(&http->current, head->location, &next);

	if (err == HTTP_URL_SCHEME)
		return http_failed(http, DETAIL_HTTP_REDIRECT_SCHEME, NULL, 0, fault);
	if (err || !head->location[0])
		return http_failed(http, DETAIL_HTTP_MALFORMED, "redirect to nowhere", 0, fault);
	/* The body of a redirect is worth reading only when it is there already. */
	if (!head->close && head->has_length && head->length == http->have - http->used) {
		http->used = http->have;
		http->keep = true;
	} else {
		http_disconnect(http);
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
		return http_failed(http, DETAIL_HTTP_MALFORMED, "compressed without being asked", 0,
				   fault);
	return head->status == 200 ? take_whole(http, head, fault) : take_part(http, head, fault);
}

enum detail http_ask(struct source_http *http, struct fault *fault)
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
				return http_failed(http, DETAIL_HTTP_REDIRECTS, NULL, 0, fault);
			detail = follow(http, &head, fault);
			if (detail)
				return detail;
			continue;
		}
		if (!known || head.status / 100 != 4 || head.status == 416)
			return take_answer(http, &head, fault);
		/* An address that a redirect gave may serve for a while only. */
		known = false;
		http_disconnect(http);
		http->current = http->origin;
		http->redirected = false;
	}
}
