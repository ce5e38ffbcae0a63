/* Addresses. Input: a URL, a zero byte, a Location that came as an answer to it. */
#include "fuzz.h"

#include "platform/http_parse.h"
#include "platform/source_http.h"

/* What may go into a request and a look-up. */
static void check_url(const struct http_url *url)
{
	must_end(url->host);
	must_end(url->port);
	must_end(url->target);
	must(url->host[0] && url->target[0] == '/');
	must(!url->host[strspn(url->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789.:-_")]);
	must(url->literal6 || !strchr(url->host, ':'));
	must(strlen(url->port) >= 1 && strlen(url->port) == strspn(url->port, "0123456789"));
	must(atoi(url->port) >= 1 && atoi(url->port) <= 65535);
	for (const char *c = url->target; *c; c++)
		must(*c > 0x20 && *c < 0x7f && *c != '#');
}

static bool same(const struct http_url *a, const struct http_url *b)
{
	return !strcmp(a->host, b->host) && !strcmp(a->port, b->port) &&
	       a->literal6 == b->literal6 && !strcmp(a->target, b->target);
}

/* Written and read again. */
static void check_identity(const struct http_url *url)
{
	static struct http_url again, resolved;
	static char text[HTTP_HOST_SIZE + HTTP_TARGET_SIZE + 32];

	snprintf(text, sizeof(text), "HTTP://%s%s%s:%s%s#x", url->literal6 ? "[" : "", url->host,
		 url->literal6 ? "]" : "", url->port, url->target);
	/* A target of nearly HTTP_TARGET_SIZE may not fit once more. */
	if (http_url_parse(text, &again))
		must(strlen(url->target) + 8 > HTTP_TARGET_SIZE);
	else
		must(same(url, &again));
	must(source_http_is_url(text));
	/* Nothing is said of the base that an absolute Location does not say anew. */
	if (!http_url_resolve(&again, text, &resolved))
		must(same(url, &resolved));
}

/* RFC 3986 section 5.2.4: no dot segments are left in a path that was joined. */
static void check_no_dots(const char *target)
{
	size_t path = strcspn(target, "?");

	for (size_t at = 0; at < path;) {
		size_t len = 1 + strcspn(target + at + 1, "/?");

		must(!(len == 2 && target[at + 1] == '.'));
		must(!(len == 3 && target[at + 1] == '.' && target[at + 2] == '.'));
		at += len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_url url, next;
	struct feed input = {data, size};
	char *text = malloc(size + 1), *location = malloc(size + 1);
	bool joins;

	/* Each in memory of its own length. */
	feed_text(&input, text, size + 1);
	text = realloc(text, strlen(text) + 1);
	feed_text(&input, location, size + 1);
	location = realloc(location, strlen(location) + 1);
	source_http_is_url(text);
	if (!http_url_parse(text, &url)) {
		check_url(&url);
		check_identity(&url);
		joins = !strchr(location, ':') && strncmp(location, "//", 2) && location[0] &&
			location[0] != '#';
		if (!http_url_resolve(&url, location, &next)) {
			check_url(&next);
			check_identity(&next);
			if (joins)
				check_no_dots(next.target);
			if (!strchr(location, ':') && strncmp(location, "//", 2))
				must(!strcmp(next.host, url.host) && !strcmp(next.port, url.port));
		}
	}
	free(text);
	free(location);
	return 0;
}

void fuzz_make_seeds(void)
{
	static const char *const seeds[][2] = {
		{"http://host/a/b?c#d", "../x/./y/../z?q"},
		{"http://host:8080", "/abs"},
		{"HTTP://[fe80::1.2.3.4]:80/x", "//other:81/y"},
		{"http://h\xc3\xb6st/", ""},
		{"http://host/\xc3\xb6", "?only"},
		{"http://host:0/", "x"},
		{"http://host:65536/", "x"},
		{"http://host:123456/", "x"},
		{"http://host:8x/", "x"},
		{"http://host:/", "#frag"},
		{"http://user@host/", "x"},
		{"http:///x", "x"},
		{"http:host", "x"},
		{"https://host/", "x"},
		{"ftp:x", "x"},
		{"no url", "x"},
		{"http://h/a b", "x"},
		{"http://h/a/b", "https://h/"},
		{"http://h/a/b", "http:x"},
		{"http://h/a/b", "http://k/"},
		{"http://h/a/b", ".."},
		{"http://h/a/b", "../../.."},
		{"http://h/a/b", "."},
		{"http://h/a/b", "a b"},
		{"http://[::1/", "x"},
		{"http://[::g]/", "x"},
	};
	static char text[9000], location[2040];

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		int len = snprintf(text, sizeof(text), "%s%c%s", seeds[i][0], 0, seeds[i][1]);
		fuzz_seed(text, (size_t)len);
	}
	memset(location, 'x', sizeof(location) - 1);
	fuzz_seed(text, (size_t)snprintf(text, sizeof(text), "http://h/%s%c%s%s", location, 0,
					 location, location));
	fuzz_seed(text, (size_t)snprintf(text, sizeof(text), "http://h/%s%s", location, location));
	fuzz_seed(text, (size_t)snprintf(text, sizeof(text), "http://%s/", location));
	location[2000] = 0;
	fuzz_seed(text, (size_t)snprintf(text, sizeof(text), "http://h/%s/y%c%s%s", location, 0,
					 location, location));
}
