/* Head of an HTTP answer. Input: its bytes, and what follows it. */
#include "fuzz.h"

#include <strings.h>

#include "platform/http_parse.h"

/* A head of lines that has_field looks through. */
static bool has_field(const char *head, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i + name_len < len; i++)
		if ((!i || head[i - 1] == '\n') && !strncasecmp(head + i, name, name_len) &&
		    head[i + name_len] == ':')
			return true;
	return false;
}

static void check_text(const char *text)
{
	for (; *text; text++)
		must(((unsigned char)*text >= 0x20 || *text == '\t') && *text != 0x7f);
}

static void check_head(const struct http_head *h, const char *text, size_t len)
{
	must(h->status >= 100 && h->status <= 599);
	must(!h->chunked ||
	     (!h->has_length && !h->http10 && has_field(text, len, "Transfer-Encoding")));
	must(!h->has_length || (h->length <= INT64_MAX && has_field(text, len, "Content-Length")));
	must(!h->has_range || (h->first <= h->last && h->last <= INT64_MAX));
	must(!h->has_total || h->total <= INT64_MAX);
	must(!h->has_range || !h->has_total || h->last < h->total);
	must(!(h->has_range || h->has_total) || has_field(text, len, "Content-Range"));
	must(h->http10 <= h->close || has_field(text, len, "Connection"));
	must_end(h->location);
	must_end(h->etag);
	must_end(h->modified);
	/* They go into requests and messages. */
	check_text(h->location);
	check_text(h->etag);
	check_text(h->modified);
}

/* Written from what was read, and read again. */
static void check_identity(const struct http_head *h)
{
	static char text[HTTP_HEAD_MAX];
	static struct http_head again;
	size_t len;

	len = (size_t)snprintf(text, sizeof(text), "HTTP/1.%d %d x\nConnection: %s\n", !h->http10,
			       h->status, h->close ? "close" : "keep-alive");
	if (h->chunked)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"transfer-encoding:chunked \n");
	if (h->has_length)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "content-length: %llu\r\n",
					(unsigned long long)h->length);
	if (h->has_range && h->has_total)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"Content-Range: bytes %llu-%llu/%llu\n",
					(unsigned long long)h->first, (unsigned long long)h->last,
					(unsigned long long)h->total);
	else if (h->has_range)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"Content-Range: bytes %llu-%llu/*\n",
					(unsigned long long)h->first, (unsigned long long)h->last);
	else if (h->has_total)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"Content-Range: bytes */%llu\n",
					(unsigned long long)h->total);
	len += (size_t)snprintf(
		text + len, sizeof(text) - len,
		"Retry-After: %u\nLocation: %s\nETag: %s\nLast-Modified: %s\n%s%s\n",
		h->retry_after_s, h->location, h->etag, h->modified,
		h->coded ? "Content-Encoding: gzip\n" : "",
		h->ranges_none ? "Accept-Ranges: none\n" : "");
	must(http_head_len(text, len) == len);
	must(http_head_parse(text, len, &again));
	must(!memcmp(&again, h, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	char *text = fuzz_copy(data, size), *exact;
	size_t len = http_head_len(text, size);

	must(len <= size);
	must(!len || text[len - 1] == '\n');
	/* The end does not depend on what follows it, or on how it came. */
	must(!len || http_head_len(text, len) == len);
	must(!len || !http_head_len(text, len - 1));
	exact = fuzz_copy(text, len ? len : size);
	free(text);
	if (http_head_parse(exact, len ? len : size, &head)) {
		check_head(&head, exact, len ? len : size);
		check_identity(&head);
	}
	free(exact);
	return 0;
}

void fuzz_make_seeds(void)
{
	static const char *const heads[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"a\"\r\nLast-Modified: "
		"x\r\n\r\nabc",
		"HTTP/1.0 200\nConnection: keep-alive\nContent-Encoding: identity\n\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\nAccept-Ranges: none\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/*\r\n\r\n",
		"HTTP/1.1 416 P\r\nContent-Range: bytes */10\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes */*\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 9-5/10\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 5-10/10\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 5-x/10\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 0-9223372036854775807/*\r\n\r\n",
		"HTTP/1.1 200 P\r\nContent-Length: 9223372036854775807\r\n\r\n",
		"HTTP/1.1 200 P\r\nContent-Length: 9223372036854775808\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/x\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: bytes 5-9\r\n\r\n",
		"HTTP/1.1 206 P\r\nContent-Range: byte\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
		"chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
		"HTTP/1.1 301 M\r\nLocation: /x\r\nConnection: a , close\r\nRetry-After: 5\r\n\r\n",
		"HTTP/1.1 503 M\r\nRetry-After: tomorrow\r\n\r\n",
		"HTTP/1.1 503 M\r\nRetry-After: 99999999999\r\nContent-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nblank : x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: y",
		"HTTP/2 200\r\n\r\n",
		"HTTP/1.1 999 x\r\n\r\n",
		"HTTP/1.1 200x\r\n\r\n",
		"\r\n",
		"short\r\n\r\n",
		"HTTP/1.1 200 OK\r\rX: y\r\n\r\r\n\r\n",
	};
	static char text[6000], word[2200];

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		fuzz_seed(heads[i], strlen(heads[i]));
	memset(word, 'x', sizeof(word) - 1);
	fuzz_seed(text,
		  (size_t)snprintf(text, sizeof(text), "HTTP/1.1 301 M\nLocation: %s\n\n", word));
	word[300] = 0;
	fuzz_seed(text, (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 M\nETag: %s\n\n", word));
}
