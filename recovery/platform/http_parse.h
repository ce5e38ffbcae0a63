/*
 * What an HTTP/1.1 client has to understand (RFC 9110, RFC 9112, RFC 3986): pure functions on
 * bytes, no system calls. Everything that comes in is hostile.
 */
#ifndef LIFEBOAT_HTTP_PARSE_H
#define LIFEBOAT_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX (16u << 10) /* bytes of a status line and all header fields */
#define HTTP_HOST_SIZE 256
#define HTTP_TARGET_SIZE 2048
#define HTTP_LOCATION_SIZE 2048
#define HTTP_VALIDATOR_SIZE 256

struct http_url {
	char host[HTTP_HOST_SIZE];     /* without brackets */
	char port[6];		       /* decimal, 1 to 65535 */
	bool literal6;		       /* the host is an IPv6 address */
	char target[HTTP_TARGET_SIZE]; /* path and query, begins with '/' */
};

enum http_url_error {
	HTTP_URL_OK,
	HTTP_URL_SCHEME, /* a scheme other than http */
	HTTP_URL_BAD,
};

/* Reads an absolute URL. User names, control characters and blanks are refused; a fragment is
 * dropped; bytes above 0x7e become %XX. */
enum http_url_error http_url_parse(const char *text, struct http_url *url);

/* A Location as it stands to base (RFC 3986 section 5.2). base and url may not be the same. */
enum http_url_error http_url_resolve(const struct http_url *base, const char *location,
				     struct http_url *url);

struct http_head {
	int status; /* 100 to 599 */
	bool http10;
	bool close;   /* the connection ends with this answer */
	bool chunked; /* the body is chunked; its length stands in it */
	bool has_length;
	bool coded;	  /* a Content-Encoding other than identity */
	bool ranges_none; /* Accept-Ranges: none */
	bool has_range;	  /* Content-Range with first and last */
	bool has_total;	  /* Content-Range names the whole length */
	uint64_t length;  /* Content-Length */
	uint64_t first, last, total;
	uint32_t retry_after_s; /* 0: none, or a date */
	char location[HTTP_LOCATION_SIZE];
	char etag[HTTP_VALIDATOR_SIZE]; /* as it came, W/ included; empty: none */
	char modified[64];
};

/* Length of the head with its empty line, or 0 when that has not come yet. */
size_t http_head_len(const char *buf, size_t len);

/* Reads a head of exactly len bytes. False: not HTTP/1.x, or contradicts itself. */
bool http_head_parse(const char *buf, size_t len, struct http_head *head);

/* Chunked transfer coding (RFC 9112 section 7.1), fed piece by piece. */
struct http_chunked {
	int state;
	uint64_t left; /* bytes of the current chunk that are to come */
	uint32_t line; /* bytes of the current line so far */
	uint32_t trailer;
	unsigned int digits;
};

void http_chunked_begin(struct http_chunked *chunked);

/*
 * Looks at in[0..len). Takes framing and stops at body bytes: *used says how much framing was
 * taken; returns how many body bytes follow at in + *used (they count as delivered). 0 with *used
 * == len: more input is needed. Returns -1: malformed. http_chunked_done: the end was taken.
 */
int64_t http_chunked_step(struct http_chunked *chunked, const char *in, size_t len, size_t *used);
bool http_chunked_done(const struct http_chunked *chunked);

#endif
