/*
 * source_http: a package behind http://, as the source seam. HTTP/1.1 (RFC 9110, 9112), IPv4 and
 * IPv6.
 *
 * A connection that is lost is made again and the download goes on at the byte where it stopped;
 * If-Range and the answer's own validators notice a file that changed meanwhile. Packages are
 * signed, so the transport needs no secrecy; https is refused with a sentence. Proxy variables are
 * not looked at.
 */
#ifndef LIFEBOAT_SOURCE_HTTP_H
#define LIFEBOAT_SOURCE_HTTP_H

#include "core/seam.h"
#include "http_parse.h"
#include "watch.h"

#define HTTP_BUFFER (32u << 10) /* at least HTTP_HEAD_MAX */

struct http_limits {
	uint32_t resolve_timeout_ms;
	uint32_t connect_timeout_ms; /* for each address of the host */
	uint32_t head_timeout_ms;    /* from request to the end of the answer's head */
	uint32_t stall_timeout_ms;   /* a connection that brings less than stall_len in this time
					counts as lost */
	uint32_t stall_len;
	uint32_t patience_ms; /* without stall_len bytes of progress: give up */
	uint32_t backoff_ms;  /* first pause, doubled each time */
	uint32_t backoff_max_ms;
	uint32_t retry_after_max_s; /* what of a server's Retry-After is honoured */
	uint32_t redirects;
	uint32_t skip_len; /* a seek forward up to this reads on instead of asking anew */
	uint32_t restarts; /* how often a server without Range may be read again from its first byte
			    */
};

/* 10 s, 10 s, 20 s, 20 s for 1 KiB, patience 60 s, pauses 0.5 s to 8 s, Retry-After up to 30 s, 5
 * redirects, 64 KiB, 4. */
extern const struct http_limits http_limits_default;

struct http_counts {
	uint64_t received; /* body bytes that came, thrown away ones included */
	uint64_t given;	   /* body bytes that read gave */
	uint32_t connections;
	uint32_t requests;
	uint32_t retries;
};

struct source_http {
	struct source source; /* first; size is known after open where the server says it */
	struct http_limits limits;
	const struct watch *watch;
	struct http_counts counts;

	struct http_url origin;	 /* as asked for */
	struct http_url current; /* after redirects */
	bool redirected;
	char etag[HTTP_VALIDATOR_SIZE]; /* of the first answer */
	char modified[64];

	int fd;		      /* -1: no connection */
	struct http_url peer; /* of the connection: host and port */
	bool in_body;	      /* an answer's body is being read */
	bool to_close;	      /* the body ends with the connection */
	bool chunked;
	bool keep;     /* the connection may serve another request */
	bool no_range; /* the server was seen to ignore Range */
	bool began;    /* there was a first answer */
	uint32_t restarted;
	uint64_t body_left; /* of a body with a length */
	struct http_chunked chunks;
	uint64_t chunk_left; /* body bytes of the current chunk in reach */

	uint64_t pos;	      /* of the next byte that read gives */
	uint64_t body_pos;    /* of the next byte of the body; below pos: throw away */
	uint64_t progress_ms; /* when the patience began */
	uint64_t progress_len;
	uint32_t backoff_ms;

	size_t have, used; /* of the buffer */
	char *buffer;
};

/*
 * Asks for url (at most 255 bytes) and reads the answer's head. limits: NULL for the default.
 * watch: may be NULL, else must outlive the source; its retry is told when a connection is lost and
 * tried again. Details: URL_INVALID (https included, with a reason), NAME_UNKNOWN, CONNECT_FAILED,
 * CONNECTION_LOST, HTTP_*, INTERRUPTED (the watch said stop); read and seek the same. 4xx is final;
 * 408, 429 and 5xx are tried again until the patience ends.
 */
enum detail source_http_open(struct source_http *http, const char *url,
			     const struct http_limits *limits, const struct watch *watch,
			     struct fault *fault);

/* True when text looks like a URL (scheme://), so that a command line can tell it from a path. */
bool source_http_is_url(const char *text);

#endif
