/*
 * source_http: a package behind http://, as the source seam. HTTP/1.1 (RFC 9110, RFC 9112), IPv4
 * and IPv6.
 *
 * A connection that is lost is made again and the download goes on at the byte where it stopped;
 * If-Range and the answer's own validators notice a file that changed meanwhile. Packages are
 * signed, so the transport needs no secrecy; https is refused with a sentence. Proxy variables are
 * not looked at.
 */
#ifndef LIFEBOAT_SOURCE_HTTP_H
#define LIFEBOAT_SOURCE_HTTP_H

#include "core/seam.h"
#include "platform/http_parse.h"
#include "platform/tcp.h"
#include "platform/watch.h"

#define HTTP_BUFFER (32u << 10) /* at least HTTP_HEAD_MAX */

struct http_limits {
	uint32_t resolve_timeout_ms;
	uint32_t connect_timeout_ms; /* for each address of the host */
	uint32_t head_timeout_ms;    /* from the request to the end of the answer's head */
	uint32_t stall_timeout_ms;   /* less than stall_len bytes in this time: lost */
	uint32_t stall_len;
	uint32_t patience_ms; /* of trouble without stall_len bytes of progress: give up */
	uint32_t backoff_ms;  /* first pause, doubled each time */
	uint32_t backoff_max_ms;
	uint32_t retry_after_max_s; /* what of a server's Retry-After is honoured */
	uint32_t redirects;
	uint32_t skip_len; /* a seek forward up to this reads on instead of asking anew */
	uint32_t restarts; /* how often a server without Range is read again from its first byte */
};

/*
 * 10 s to resolve, 10 s to connect, 20 s for a head, 20 s for 1 KiB of body; patience 60 s; pauses
 * 0.5 s to 8 s; Retry-After up to 30 s; 5 redirects; 64 KiB; 4 restarts.
 */
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
	struct http_counts counts;

	/* The rest is the source's own. */
	struct http_limits limits;
	const struct watch *watch;
	struct http_url origin;	 /* as asked for */
	struct http_url current; /* after redirects */
	bool redirected;	 /* current was found by a redirect */
	bool began;		 /* there was a first answer: size and validators are known */
	char etag[HTTP_VALIDATOR_SIZE];
	char modified[64];

	struct tcp tcp;
	struct http_url peer; /* whom tcp is connected to */
	bool keep;	      /* the connection may serve another request after this body */

	bool in_body; /* an answer's body is being read */
	bool chunked;
	uint64_t body_pos; /* of the body's next byte in the package; below pos: to throw away */
	uint64_t body_end; /* where it ends; UINT64_MAX: not known */
	struct http_chunked chunks;
	size_t chunk_ready; /* body bytes at the buffer's front */

	uint64_t pos;  /* of the next byte that read gives */
	bool no_range; /* the server was seen to ignore Range */
	uint32_t restarted;
	uint32_t waited_ms;  /* for the head, or for stall_len bytes of body */
	uint32_t arrived;    /* of stall_len */
	uint64_t trouble_ms; /* when trouble began; 0: none */
	uint32_t backoff_ms;
	uint32_t retry_after_s;
	bool retry_status; /* the last status may be tried again */

	size_t have, used; /* of the buffer */
	char *buffer;
};

/*
 * Asks for url (at most 255 bytes) and reads the head of the answer. limits: NULL for the default.
 * watch: may be NULL, else must outlive the source; its retry is told when something is tried
 * again. Details, for read and seek too: URL_INVALID (https included, with a reason),
 * NAME_UNKNOWN, CONNECT_FAILED, CONNECTION_LOST, HTTP_*, INTERRUPTED (the watch said stop). 4xx is
 * final; 408, 429, 5xx and everything about the connection is tried again until patience ends.
 */
enum detail source_http_open(struct source_http *http, const char *url,
			     const struct http_limits *limits, const struct watch *watch,
			     struct fault *fault);

/* True when text looks like a URL (scheme://), so that a command line can tell it from a path. */
bool source_http_is_url(const char *text);

#endif
