/*
 * http_ask: the half of source_http that makes connections, asks, and understands the heads of
 * answers, up to the first byte of a body. What it finds stands in the source; nothing here waits
 * between two tries.
 */
#ifndef LIFEBOAT_HTTP_ASK_H
#define LIFEBOAT_HTTP_ASK_H

#include "platform/source_http.h"

/*
 * One try to get a body that leads to pos, redirects followed. DETAIL_OK: a body is there to be
 * read, or (where the length was not known) the source's size says that pos is its end. Else a
 * detail as of source_http_open; retry_status and retry_after_s tell more about HTTP_STATUS.
 */
enum detail http_ask(struct source_http *http, struct fault *fault);

/* Receives into the buffer's free end. *got = 0: the other side closed. Returns as tcp_receive. */
int http_fill(struct source_http *http, uint32_t limit_ms, size_t *got);

/* Ends the connection; what was received and not used yet is gone. */
void http_disconnect(struct source_http *http);

/* Tells a fault of this source, with why (may be NULL) in brackets, and returns detail. */
enum detail http_failed(struct source_http *http, enum detail detail, const char *why, int err,
			struct fault *fault);

/* The same for an errno of tcp: ECANCELED is INTERRUPTED, everything else detail. */
enum detail http_net_failed(struct source_http *http, enum detail detail, int err,
			    struct fault *fault);

#endif
