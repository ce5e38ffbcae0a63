#include "platform/http_parse.h"

#include <string.h>
#include <strings.h>

#include "core/text.h"

#define CHUNK_LINE_MAX 1024 /* size and extensions */
#define CHUNK_DIGITS_MAX 15 /* hexadecimal: below 2^60 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* --- URLs --- */

/* The length of "scheme" when text begins with "scheme:"; else 0. */
static size_t scheme_len(const char *text)
{
	size_t len = 0;

	if (!is_alpha(text[0]))
		return 0;
	while (is_alpha(text[len]) || is_digit(text[len]) ||
	       (text[len] && strchr("+-.", text[len])))
		len++;
	return text[len] == ':' ? len : 0;
}

static bool is_http(const char *text)
{
	return scheme_len(text) == 4 && !strncasecmp(text, "http", 4);
}

/* Takes a host of len bytes. */
static bool take_host(const char *text, size_t len, struct http_url *url)
{
	bool literal = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (literal) {
		text++;
		len -= 2;
	}
	if (!len || len >= sizeof(url->host))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (literal ? hex_value(c) < 0 && c != ':' && c != '.'
			    : !is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	memcpy(url->host, text, len);
	url->host[len] = 0;
	url->literal6 = literal;
	return true;
}

static bool take_port(const char *text, size_t len, struct http_url *url)
{
	uint32_t port = 0;

	if (!len) {
		text_copy(url->port, sizeof(url->port), "80");
		return true;
	}
	if (len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return false;
		port = port * 10 + (uint32_t)(text[i] - '0');
	}
	if (!port || port > 65535)
		return false;
	memcpy(url->port, text, len);
	url->port[len] = 0;
	return true;
}

/* Takes path and query: everything up to a fragment. */
static bool take_target(const char *text, struct http_url *url)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t out = 0;

	if (*text != '/')
		url->target[out++] = '/';
	for (; *text && *text != '#'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= 0x20 || c == 0x7f || out + 4 > sizeof(url->target))
			return false;
		if (c < 0x80) {
			url->target[out++] = (char)c;
			continue;
		}
		url->target[out++] = '%';
		url->target[out++] = hex[c >> 4];
		url->target[out++] = hex[c & 15];
	}
	url->target[out] = 0;
	return true;
}

/* What follows "http:" */
static enum http_url_error take_authority(const char *text, struct http_url *url)
{
	size_t len, host_len;
	const char *colon;

	if (strncmp(text, "//", 2))
		return HTTP_URL_BAD;
	text += 2;
	len = strcspn(text, "/?#");
	/* The last colon that is not within brackets. */
	for (host_len = len; host_len && text[host_len - 1] != ':' && text[host_len - 1] != ']';)
		host_len--;
	colon = host_len && text[host_len - 1] == ':' ? text + host_len - 1 : text + len;
	if (!take_host(text, (size_t)(colon - text), url) ||
	    !take_port(colon + 1, colon < text + len ? (size_t)(text + len - colon - 1) : 0, url) ||
	    !take_target(text + len, url))
		return HTTP_URL_BAD;
	return HTTP_URL_OK;
}

enum http_url_error http_url_parse(const char *text, struct http_url *url)
{
	size_t scheme = scheme_len(text);

	memset(url, 0, sizeof(*url));
	if (scheme && !is_http(text) && !strncmp(text + scheme, "://", 3))
		return HTTP_URL_SCHEME;
	return is_http(text) ? take_authority(text + scheme + 1, url) : HTTP_URL_BAD;
}

/* Takes "." and ".." out of a path (RFC 3986 section 5.2.4), in place; the query stays. */
static void remove_dots(char *target)
{
	char *in = target, *out = target, *end = target + strcspn(target, "?");

	while (in < end) {
		size_t len = 1 + strcspn(in + 1, "/?");
		bool last = in + len >= end;

		if (len == 2 && in[1] == '.') {
			if (last)
				*out++ = '/';
		} else if (len == 3 && in[1] == '.' && in[2] == '.') {
			while (out > target && *--out != '/')
				;
			if (last)
				*out++ = '/';
		} else {
			memmove(out, in, len);
			out += len;
		}
		in += len;
	}
	if (out == target)
		*out++ = '/';
	memmove(out, end, strlen(end) + 1);
}

/* Joins a relative reference with the folder, or the path, of base. */
static enum http_url_error join(const struct http_url *base, const char *reference,
				struct http_url *url)
{
	char target[HTTP_TARGET_SIZE + HTTP_LOCATION_SIZE];
	size_t keep = strcspn(base->target, "?");

	if (reference[0] == '#' || !reference[0]) {
		text_copy(url->target, sizeof(url->target), base->target);
		return HTTP_URL_OK;
	}
	if (reference[0] == '/')
		keep = 0;
	else if (reference[0] != '?')
		while (keep && base->target[keep - 1] != '/')
			keep--;
	if (keep + strlen(reference) >= sizeof(target))
		return HTTP_URL_BAD;
	memcpy(target, base->target, keep);
	memcpy(target + keep, reference, strlen(reference) + 1);
	if (!take_target(target, url))
		return HTTP_URL_BAD;
	remove_dots(url->target);
	return HTTP_URL_OK;
}

enum http_url_error http_url_resolve(const struct http_url *base, const char *location,
				     struct http_url *url)
{
	size_t scheme = scheme_len(location);

	memset(url, 0, sizeof(*url));
	if (scheme)
		return is_http(location) ? take_authority(location + scheme + 1, url)
					 : HTTP_URL_SCHEME;
	if (!strncmp(location, "//", 2))
		return take_authority(location, url);
	text_copy(url->host, sizeof(url->host), base->host);
	text_copy(url->port, sizeof(url->port), base->port);
	url->literal6 = base->literal6;
	return join(base, location, url);
}

/* --- heads --- */

size_t http_head_len(const char *buf, size_t len)
{
	size_t line = 0; /* bytes of the current line, without CR */

	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '\n' && !line)
			return i + 1;
		if (buf[i] == '\n')
			line = 0;
		else if (buf[i] != '\r' || (i + 1 < len && buf[i + 1] != '\n'))
			line++;
	}
	return 0;
}

static bool take_u64(const char *text, size_t len, uint64_t *value)
{
	char digits[24];

	if (!len || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = 0;
	/* Half of the range is left, so that sums and UINT64_MAX keep their meaning. */
	return !text_parse_u64(digits, value) && *value <= INT64_MAX;
}

static bool equals(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

static bool has_token(const char *value, size_t len, const char *word)
{
	size_t at = 0;

	while (at < len) {
		size_t start, end;

		while (at < len && (value[at] == ' ' || value[at] == '\t' || value[at] == ','))
			at++;
		start = at;
		while (at < len && value[at] != ',')
			at++;
		end = at;
		while (end > start && (value[end - 1] == ' ' || value[end - 1] == '\t'))
			end--;
		if (equals(value + start, end - start, word))
			return true;
	}
	return false;
}

/* Copies a value that fits and leaves the first one that came. */
static bool take_text(char *to, size_t size, const char *value, size_t len)
{
	if (len >= size)
		return false;
	if (!to[0]) {
		memcpy(to, value, len);
		to[len] = 0;
	}
	return true;
}

static bool on_length(struct http_head *head, const char *value, size_t len)
{
	uint64_t length;

	/* Two that differ make the end of the body a matter of taste. */
	if (!take_u64(value, len, &length) || (head->has_length && length != head->length))
		return false;
	head->has_length = true;
	head->length = length;
	return true;
}

static bool on_coding(struct http_head *head, const char *value, size_t len)
{
	/* Another coding was not asked for. */
	if (!equals(value, len, "chunked") || head->chunked)
		return false;
	head->chunked = true;
	return true;
}

static bool on_connection(struct http_head *head, const char *value, size_t len)
{
	if (has_token(value, len, "close"))
		head->close = true;
	else if (head->http10 && has_token(value, len, "keep-alive"))
		head->close = false;
	return true;
}

/* "bytes 0-499/1234", "bytes 0-499/" with an asterisk, "bytes" asterisk "/1234" (RFC 9110
 * section 14.4) */
static bool on_range(struct http_head *head, const char *value, size_t len)
{
	const char *slash, *dash, *end = value + len;

	if (len < 6 || strncasecmp(value, "bytes ", 6) || head->has_range || head->has_total)
		return false;
	value += 6;
	slash = memchr(value, '/', (size_t)(end - value));
	if (!slash)
		return false;
	head->has_total = !equals(slash + 1, (size_t)(end - slash - 1), "*");
	if (head->has_total && !take_u64(slash + 1, (size_t)(end - slash - 1), &head->total))
		return false;
	if (equals(value, (size_t)(slash - value), "*"))
		return head->has_total;
	dash = memchr(value, '-', (size_t)(slash - value));
	if (!dash || !take_u64(value, (size_t)(dash - value), &head->first) ||
	    !take_u64(dash + 1, (size_t)(slash - dash - 1), &head->last))
		return false;
	head->has_range = true;
	return head->first <= head->last && (!head->has_total || head->last < head->total);
}

static bool on_accept_ranges(struct http_head *head, const char *value, size_t len)
{
	head->ranges_none = has_token(value, len, "none");
	return true;
}

static bool on_retry_after(struct http_head *head, const char *value, size_t len)
{
	uint64_t seconds;

	if (take_u64(value, len, &seconds))
		head->retry_after_s = seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
	return true;
}

static bool on_encoding(struct http_head *head, const char *value, size_t len)
{
	if (!equals(value, len, "identity"))
		head->coded = true;
	return true;
}

static bool on_location(struct http_head *head, const char *value, size_t len)
{
	return take_text(head->location, sizeof(head->location), value, len);
}

/* A validator that is too long is no validator. */
static bool on_etag(struct http_head *head, const char *value, size_t len)
{
	take_text(head->etag, sizeof(head->etag), value, len);
	return true;
}

static bool on_modified(struct http_head *head, const char *value, size_t len)
{
	take_text(head->modified, sizeof(head->modified), value, len);
	return true;
}

static const struct field {
	const char *name;
	bool (*on)(struct http_head *head, const char *value, size_t len);
} fields[] = {
	{"Accept-Ranges", on_accept_ranges}, {"Connection", on_connection},
	{"Content-Encoding", on_encoding},   {"Content-Length", on_length},
	{"Content-Range", on_range},	     {"ETag", on_etag},
	{"Last-Modified", on_modified},	     {"Location", on_location},
	{"Retry-After", on_retry_after},     {"Transfer-Encoding", on_coding},
};

static bool take_status(struct http_head *head, const char *line, size_t len)
{
	if (len < 12 || strncmp(line, "HTTP/1.", 7) || !is_digit(line[7]) || line[8] != ' ' ||
	    line[9] < '1' || line[9] > '5' || !is_digit(line[10]) || !is_digit(line[11]) ||
	    (len > 12 && line[12] != ' '))
		return false;
	head->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0';
	head->http10 = line[7] == '0';
	head->close = head->http10;
	return true;
}

static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_alpha(text[i]) && !is_digit(text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
			return false;
	return len > 0;
}

static bool take_field(struct http_head *head, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value, *end = line + len;

	/* No blank before the colon, and no folded lines: both were used to smuggle. */
	if (!colon || !is_token(line, (size_t)(colon - line)))
		return false;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (equals(line, (size_t)(colon - line), fields[i].name))
			return fields[i].on(head, value, (size_t)(end - value));
	return true;
}

static bool is_clean(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return false;
	return true;
}

bool http_head_parse(const char *buf, size_t len, struct http_head *head)
{
	const char *end = buf + len;
	bool first = true;

	memset(head, 0, sizeof(*head));
	while (buf < end) {
		const char *newline = memchr(buf, '\n', (size_t)(end - buf));
		size_t line;

		if (!newline)
			return false;
		line = (size_t)(newline - buf);
		if (line && buf[line - 1] == '\r')
			line--;
		/* A single LF ends a line too (RFC 9112 section 2.2). */
		if (!is_clean(buf, line))
			return false;
		if (!line)
			break;
		if (!(first ? take_status(head, buf, line) : take_field(head, buf, line)))
			return false;
		first = false;
		buf = newline + 1;
	}
	/* A body with two ends (RFC 9112 section 6.3). */
	return !first && !(head->chunked && (head->has_length || head->http10));
}

/* --- chunked bodies --- */

enum {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER,
	CHUNK_TRAILER_LF,
	CHUNK_DONE
};

void http_chunked_begin(struct http_chunked *c)
{
	memset(c, 0, sizeof(*c));
}

bool http_chunked_done(const struct http_chunked *c)
{
	return c->state == CHUNK_DONE;
}

static bool on_size(struct http_chunked *c, char in)
{
	int value = hex_value(in);

	if (value >= 0) {
		c->left = c->left << 4 | (unsigned int)value;
		return ++c->digits <= CHUNK_DIGITS_MAX;
	}
	if (!c->digits || (in != '\r' && in != ';' && in != ' ' && in != '\t'))
		return false;
	c->state = in == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
	return true;
}

static bool on_trailer(struct http_chunked *c, char in)
{
	if (++c->trailer > HTTP_HEAD_MAX)
		return false;
	if (in == '\r')
		c->state = CHUNK_TRAILER_LF;
	else
		c->line++;
	return true;
}

/* One byte of framing. */
static bool step(struct http_chunked *c, char in)
{
	switch (c->state) {
	case CHUNK_SIZE:
		return on_size(c, in);
	case CHUNK_EXTENSION:
		if (in == '\r')
			c->state = CHUNK_SIZE_LF;
		return ++c->line <= CHUNK_LINE_MAX;
	case CHUNK_SIZE_LF:
		c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
		c->line = 0;
		c->digits = 0;
		return in == '\n';
	case CHUNK_DATA_CR:
		c->state = CHUNK_DATA_LF;
		return in == '\r';
	case CHUNK_DATA_LF:
		c->state = CHUNK_SIZE;
		return in == '\n';
	case CHUNK_TRAILER:
		return on_trailer(c, in);
	case CHUNK_TRAILER_LF:
		c->state = c->line ? CHUNK_TRAILER : CHUNK_DONE;
		c->line = 0;
		return in == '\n';
	}
	return false;
}

int64_t http_chunked_step(struct http_chunked *c, const char *in, size_t len, size_t *used)
{
	*used = 0;
	while (*used < len && c->state != CHUNK_DONE) {
		if (c->state == CHUNK_DATA) {
			uint64_t n = len - *used < c->left ? len - *used : c->left;

			c->left -= n;
			if (!c->left)
				c->state = CHUNK_DATA_CR;
			return (int64_t)n;
		}
		if (!step(c, in[(*used)++]))
			return -1;
	}
	return 0;
}
