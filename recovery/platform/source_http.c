#include "platform/source_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "platform/http_ask.h"
#include "platform/system.h"

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
		http_disconnect(http);
	if (http->body_end != UINT64_MAX && http->body_pos != http->body_end)
		return http_failed(http, DETAIL_HTTP_LENGTH, NULL, 0, fault);
	if (http->source.size == UINT64_MAX && http->body_end == UINT64_MAX)
		http->source.size = http->body_pos;
	return DETAIL_OK;
}

/* The connection closed within a body. */
static enum detail closed(struct source_http *http, struct fault *fault)
{
	if (!http->chunked && http->body_end == UINT64_MAX)
		return end_body(http, fault);
	return http_failed(http, DETAIL_CONNECTION_LOST, NULL, ECONNRESET, fault);
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
			return http_failed(http, DETAIL_HTTP_MALFORMED, "chunks", 0, fault);
		http->chunk_ready = (size_t)ready;
		if (http_chunked_done(&http->chunks))
			return end_body(http, fault);
		if (ready)
			break;
		int err = http_fill(http, http->limits.stall_timeout_ms, &got);

		if (err)
			return http_net_failed(http, DETAIL_CONNECTION_LOST, err, fault);
		if (!got)
			return closed(http, fault);
	}
	if (http->chunk_ready > http->body_end - http->body_pos)
		return http_failed(http, DETAIL_HTTP_LENGTH, NULL, 0, fault);
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

		err = http_fill(http, http->limits.stall_timeout_ms, &filled);
		if (!err && filled)
			return DETAIL_OK;
	}
	if (err)
		return http_net_failed(http, DETAIL_CONNECTION_LOST, err, fault);
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

	http_disconnect(http);
	/* The next try starts at the address that was given: a redirect may have led to a dead end.
	 */
	http->current = http->origin;
	http->redirected = false;
	if (!wait) {
		/* What could be reached before was not a wrong name or port. */
		if (http->began && detail != DETAIL_HTTP_STATUS && may_try_again(http, detail))
			return http_failed(http, DETAIL_CONNECTION_LOST, NULL,
					   fault ? fault->sys_errno : 0, fault);
		return detail;
	}
	http->counts.retries++;
	while (wait) {
		uint32_t step = wait % 1000 ? wait % 1000 : 1000;

		watch_retry(http->watch, why, (wait + 999) / 1000);
		if (watch_sleep(http->watch, step))
			return http_failed(http, DETAIL_INTERRUPTED, NULL, 0, fault);
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
		detail = http->in_body ? read_body(http, buf, len, got, fault)
				       : http_ask(http, fault);
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
		http_disconnect(http);
	return DETAIL_OK;
}

static void http_close(struct source *source)
{
	struct source_http *http = (struct source_http *)source;

	http_disconnect(http);
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
		return http_failed(http, DETAIL_URL_INVALID, "too long", 0, fault);
	if (err == HTTP_URL_SCHEME)
		return http_failed(http, DETAIL_URL_INVALID, "only http: a package is signed", 0,
				   fault);
	return err ? http_failed(http, DETAIL_URL_INVALID, NULL, 0, fault) : DETAIL_OK;
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
		detail = http_ask(http, fault);
		if (detail)
			detail = try_again(http, detail, fault);
		if (detail) {
			http_close(&http->source);
			return detail;
		}
	}
	return DETAIL_OK;
}
