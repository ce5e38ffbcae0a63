/* URLs, heads and chunked bodies: what is taken, what is refused, and that hostile bytes end well.
 */
#include "support.h"

#include "platform/http_parse.h"

static void check_url(const char *text, const char *host, const char *port, const char *target)
{
	struct http_url url;

	at_case("%s", text);
	check(http_url_parse(text, &url) == HTTP_URL_OK);
	check(!strcmp(url.host, host));
	check(!strcmp(url.port, port));
	check(!strcmp(url.target, target));
}

static void urls_are_taken_apart(void **state)
{
	(void)state;
	check_url("http://a", "a", "80", "/");
	check_url("HTTP://a.b-c.example/x.boat", "a.b-c.example", "80", "/x.boat");
	check_url("http://10.0.2.2:8080/update.boat", "10.0.2.2", "8080", "/update.boat");
	check_url("http://[::1]:8080/x", "::1", "8080", "/x");
	check_url("http://[fe80::1]", "fe80::1", "80", "/");
	check_url("http://a:/x", "a", "80", "/x");
	check_url("http://a?q=1#f", "a", "80", "/?q=1");
	check_url("http://a/x?u=http://b/@:#frag", "a", "80", "/x?u=http://b/@:");
	check_url("http://a/\xc3\xa4", "a", "80", "/%C3%A4");
	check_url("http://a:65535/", "a", "65535", "/");
}

static void wrong_urls_are_refused(void **state)
{
	static const char *const bad[] = {"",
					  "a",
					  "http:",
					  "http:/a/b",
					  "http://",
					  "http:///x",
					  "http://a:0/",
					  "http://a:65536/",
					  "http://a:1a/",
					  "http://u@a/",
					  "http://u:p@a/",
					  "http://a b/",
					  "http://a/b c",
					  "http://a/\r\nX: y",
					  "http://a\r\n/",
					  "http://[::1/",
					  "http://::1/",
					  "http://[]/",
					  "http://[x]/",
					  "http://a:080000/",
					  "//a/b",
					  "/x",
					  "http://a/\x7f",
					  "http://\xc3\xa4/"};
	char longest[3000];
	struct http_url url;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		at_case("%s", bad[i]);
		check(http_url_parse(bad[i], &url) == HTTP_URL_BAD);
	}
	check(http_url_parse("https://a/", &url) == HTTP_URL_SCHEME);
	check(http_url_parse("ftp://a/", &url) == HTTP_URL_SCHEME);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "http://", 7);
	longest[7 + 255] = 0;
	check(http_url_parse(longest, &url) == HTTP_URL_OK);
	longest[7 + 255] = 'a';
	longest[7 + 256] = 0;
	check(http_url_parse(longest, &url) == HTTP_URL_BAD);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "http://b/", 9);
	longest[sizeof(longest) - 1] = 0;
	check(http_url_parse(longest, &url) == HTTP_URL_BAD);
}

static void check_resolve(const char *base, const char *location, const char *host,
			  const char *target)
{
	struct http_url from, to;

	print_message("%s + %s\n", base, location);
	check(http_url_parse(base, &from) == HTTP_URL_OK);
	check(http_url_resolve(&from, location, &to) == HTTP_URL_OK);
	check(!strcmp(to.host, host));
	check(!strcmp(to.target, target));
}

static void locations_are_resolved(void **state)
{
	struct http_url from, to;

	(void)state;
	check_resolve("http://a/b/c?q", "http://d/e", "d", "/e");
	check_resolve("http://a/b/c?q", "//d/e", "d", "/e");
	check_resolve("http://a/b/c?q", "/e?r", "a", "/e?r");
	check_resolve("http://a/b/c?q", "e", "a", "/b/e");
	check_resolve("http://a/b/c?q", "?r", "a", "/b/c?r");
	check_resolve("http://a/b/c?q", "#f", "a", "/b/c?q");
	/* RFC 3986 section 5.4 */
	check_resolve("http://a/b/c/d;p?q", "./g", "a", "/b/c/g");
	check_resolve("http://a/b/c/d;p?q", "g/", "a", "/b/c/g/");
	check_resolve("http://a/b/c/d;p?q", ".", "a", "/b/c/");
	check_resolve("http://a/b/c/d;p?q", "..", "a", "/b/");
	check_resolve("http://a/b/c/d;p?q", "../g", "a", "/b/g");
	check_resolve("http://a/b/c/d;p?q", "../../../g", "a", "/g");
	check_resolve("http://a/b/c/d;p?q", "g..", "a", "/b/c/g..");
	check_resolve("http://a/b/c/d;p?q", "./g/.", "a", "/b/c/g/");
	check_resolve("http://a/b/c/d;p?q", "g?y/../x", "a", "/b/c/g?y/../x");
	check(http_url_parse("http://a:81/b", &from) == HTTP_URL_OK);
	check(http_url_resolve(&from, "c", &to) == HTTP_URL_OK);
	assert_string_equal(to.port, "81");
	check(http_url_resolve(&from, "https://a/", &to) == HTTP_URL_SCHEME);
	check(http_url_resolve(&from, "file:///etc/passwd", &to) == HTTP_URL_SCHEME);
	check(http_url_resolve(&from, "c d", &to) == HTTP_URL_BAD);
	check(http_url_resolve(&from, "http:c", &to) == HTTP_URL_BAD);
}

static bool parse(const char *text, struct http_head *head)
{
	size_t len = http_head_len(text, strlen(text));

	return len && http_head_parse(text, len, head);
}

static void heads_are_read(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(
		parse("HTTP/1.1 206 Partial Content\r\ncontent-length:  5 \r\n"
		      "Content-Range: bytes 10-14/1000\r\nETag: \"x\"\r\nLast-Modified: then\r\n"
		      "Accept-Ranges: bytes\r\nX: y\r\n\r\nbody",
		      &head));
	assert_int_equal(head.status, 206);
	assert_true(head.has_length && head.length == 5);
	assert_true(head.has_range && head.first == 10 && head.last == 14);
	assert_true(head.has_total && head.total == 1000);
	assert_string_equal(head.etag, "\"x\"");
	assert_string_equal(head.modified, "then");
	assert_false(head.close || head.chunked || head.coded || head.ranges_none);

	assert_true(parse("HTTP/1.0 503\r\nRetry-After: 7\r\n\r\n", &head));
	assert_int_equal(head.status, 503);
	assert_true(head.http10 && head.close && head.retry_after_s == 7);
	assert_true(parse("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", &head));
	assert_false(head.close);
	assert_true(parse(
		"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nTransfer-Encoding: Chunked\r\n\r\n",
		&head));
	assert_true(head.close && head.chunked);
	assert_true(parse("HTTP/1.1 200 OK\nContent-Length: 3\n\n", &head));
	assert_true(head.has_length);
	assert_true(parse("HTTP/1.1 416 x\r\nContent-Range: bytes */77\r\n\r\n", &head));
	assert_true(!head.has_range && head.has_total && head.total == 77);
	assert_true(parse("HTTP/1.1 206 x\r\nContent-Range: bytes 1-2/*\r\n\r\n", &head));
	assert_true(head.has_range && !head.has_total);
	assert_true(
		parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", &head));
	assert_true(parse("HTTP/1.1 200 OK\r\nRetry-After: Fri, 31 Dec\r\n\r\n", &head));
	assert_int_equal(head.retry_after_s, 0);
	assert_int_equal(http_head_len("HTTP/1.1 200 OK\r\n\r", 18), 0);
}

static void wrong_heads_are_refused(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 99 x\r\n\r\n",
		"HTTP/1.1 600 x\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"<html>\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
		"HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
		"chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: bytes 5-4/10\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: bytes 5-10/10\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: bytes 5-/10\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: bytes */*\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: lines 1-2/3\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: bytes 1-2\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: bytes 1-9223372036854775808/*\r\n\r\n",
		"HTTP/1.1 206 x\r\nContent-Range: bytes 1-2/3\r\nContent-Range: bytes "
		"1-2/3\r\n\r\n",
	};
	struct http_head head;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		at_case("%s", bad[i]);
		check(!parse(bad[i], &head));
	}
	assert_false(http_head_parse("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", 24, &head));
}

/* Takes a chunked body in pieces of `piece` bytes. Returns the body's length, or -1. */
static int take_chunks(const char *in, size_t piece, char *out, bool *done)
{
	struct http_chunked chunked;
	size_t len = strlen(in), at = 0, used;
	int total = 0;

	http_chunked_begin(&chunked);
	while (at < len && !http_chunked_done(&chunked)) {
		size_t have = len - at < piece ? len - at : piece;
		int64_t n = http_chunked_step(&chunked, in + at, have, &used);

		if (n < 0)
			return -1;
		at += used;
		memcpy(out + total, in + at, (size_t)n);
		total += (int)n;
		at += (size_t)n;
	}
	*done = http_chunked_done(&chunked);
	return total;
}

static void chunks_are_joined(void **state)
{
	static const char in[] = "5\r\nhello\r\n00001;x=\"y\"\r\n \r\nA \r\n0123456789\r\n"
				 "0\r\nTrailer: x\r\n\r\n";
	char out[64];
	bool done;

	(void)state;
	for (size_t piece = 1; piece < sizeof(in); piece++) {
		assert_int_equal(take_chunks(in, piece, out, &done), 16);
		assert_true(done);
		assert_memory_equal(out, "hello 0123456789", 16);
	}
}

static void wrong_chunks_are_refused(void **state)
{
	static const char *const bad[] = {"\r\n",
					  "x\r\n",
					  "-1\r\n",
					  "5\nhello\r\n",
					  "5\r\nhelloX\r\n",
					  "5\r\nhello\rX",
					  "1000000000000000\r\n",
					  "0\r\nx\n\ry\r\r",
					  ";\r\n",
					  "5\rX"};
	char long_extension[2000], out[64];
	bool done;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		at_case("%s", bad[i]);
		check(take_chunks(bad[i], 100, out, &done) == -1);
	}
	memset(long_extension, 'a', sizeof(long_extension));
	memcpy(long_extension, "5;", 2);
	long_extension[sizeof(long_extension) - 1] = 0;
	assert_int_equal(take_chunks(long_extension, 100, out, &done), -1);
	assert_int_equal(take_chunks("5\r\nhel", 100, out, &done), 3);
	assert_false(done);
}

/* A small generator, so that a failure can be repeated. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	return *seed ^= *seed << 5;
}

/* Changed and cut heads under the sanitizers; what is taken must make sense. */
static void hostile_heads_end_well(void **state)
{
	static const char good[] = "HTTP/1.1 206 Partial Content\r\nContent-Length: "
				   "5\r\nContent-Range: bytes 10-14/1000\r\n"
				   "ETag: \"x\"\r\nLocation: ../../a/./b?c#d\r\nConnection: close, "
				   "x\r\nRetry-After: 3\r\n\r\n";
	uint32_t seed = 1;
	unsigned int taken = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char text[sizeof(good)];
		struct http_head head;
		struct http_url base, url;
		size_t len;

		memcpy(text, good, sizeof(good));
		for (uint32_t n = next_random(&seed) % 4; n; n--)
			text[next_random(&seed) % (sizeof(text) - 1)] = (char)next_random(&seed);
		len = http_head_len(text, sizeof(text) - 1);
		if (!len || !http_head_parse(text, len, &head))
			continue;
		taken++;
		assert_in_range(head.status, 100, 599);
		if (head.has_range)
			assert_true(head.first <= head.last && head.last <= INT64_MAX);
		check(http_url_parse("http://h/a/b/c", &base) == HTTP_URL_OK);
		if (!http_url_resolve(&base, head.location, &url)) {
			assert_true(url.host[0] && url.target[0] == '/');
			for (const char *c = url.target; *c; c++)
				assert_true(*c > ' ' && *c < 0x7f);
		}
	}
	assert_in_range(taken, 1000, 199999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(urls_are_taken_apart),	TEST(wrong_urls_are_refused),
		TEST(locations_are_resolved),	TEST(heads_are_read),
		TEST(wrong_heads_are_refused),	TEST(chunks_are_joined),
		TEST(wrong_chunks_are_refused), TEST(hostile_heads_end_well),
	};

	return RUN_ALL(tests);
}
