/* Chunked transfer coding. Input: length of the pieces that it comes in (1 byte), the coded body.
 */
#include "fuzz.h"

#include "platform/http_parse.h"

enum { MALFORMED, UNFINISHED, DONE };

struct body {
	int end;
	size_t len;  /* of the body */
	size_t used; /* of the input, up to and with the end */
	uint8_t *at;
};

/* Fed in pieces; what was not taken of one is given again with the next. */
static void decode(struct body *body, const char *in, size_t len, size_t piece)
{
	struct http_chunked chunked;
	size_t at = 0, have = 0;

	*body = (struct body){.end = UNFINISHED, .at = malloc(len + 1)};
	http_chunked_begin(&chunked);
	while (body->end == UNFINISHED) {
		char *exact;
		size_t used;
		int64_t ready;

		if (at == have) {
			if (have == len)
				return;
			have = len - have < piece ? len : have + piece;
		}
		exact = fuzz_copy(in + at, have - at);
		ready = http_chunked_step(&chunked, exact, have - at, &used);
		free(exact);
		must(used <= have - at);
		at += used;
		body->used = at;
		if (ready < 0) {
			body->end = MALFORMED;
		} else {
			must((uint64_t)ready <= have - at);
			memcpy(body->at + body->len, in + at, (size_t)ready);
			body->len += (size_t)ready;
			at += (size_t)ready;
			if (http_chunked_done(&chunked))
				body->end = DONE;
			else
				must(ready || at == have);
		}
	}
}

/* RFC 9112 section 7.1, read as a whole. */
static size_t line(const char *in, size_t len, size_t at)
{
	while (at + 1 < len && !(in[at] == '\r' && in[at + 1] == '\n'))
		at++;
	return at + 1 < len ? at + 2 : SIZE_MAX;
}

static void check_done(const struct body *body, const char *in, size_t len)
{
	size_t at = 0, out = 0;

	for (;;) {
		unsigned long long size = strtoull(in + at, NULL, 16);

		at = line(in, len, at);
		must(at != SIZE_MAX);
		if (!size)
			break;
		must(size <= len - at && size <= body->len - out);
		must(!memcmp(body->at + out, in + at, (size_t)size));
		must(!memcmp(in + at + size, "\r\n", 2));
		out += (size_t)size;
		at += (size_t)size + 2;
	}
	must(out == body->len);
	while (memcmp(in + at, "\r\n", 2)) {
		at = line(in, len, at);
		must(at != SIZE_MAX && at + 2 <= len);
	}
	must(body->used == at + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct body whole, pieces;
	char *in;

	if (size < 2)
		return 0;
	/* A zero byte ends what strtoull reads in the check. */
	in = calloc(1, size + 2);
	memcpy(in, data + 1, size - 1);
	decode(&whole, in, size - 1, size);
	decode(&pieces, in, size - 1, data[0] % 8 + 1);
	must(whole.end == pieces.end && whole.len == pieces.len);
	must(!memcmp(whole.at, pieces.at, whole.len));
	must(whole.end != DONE || whole.used == pieces.used);
	if (whole.end == DONE)
		check_done(&whole, in, size - 1);
	free(whole.at);
	free(pieces.at);
	free(in);
	return 0;
}

void fuzz_make_seeds(void)
{
	static const char *const bodies[] = {
		"\3"
		"5\r\nhello\r\n0\r\n\r\n",
		"\1"
		"5;name=value\r\nhello\r\n00000000\r\nTrailer: x\r\nMore: y\r\n\r\nnext",
		"\2"
		"A \t\r\nhellohello\r\n0\r\n\r\n",
		"\3"
		"f\r\nhel",
		"\3"
		"g\r\n",
		"\3"
		"5hello",
		"\3"
		"\r\n",
		"\3"
		"5\rx",
		"\3"
		"1\r\nxy",
		"\3"
		"1\r\nx\ry",
		"\3"
		"0\r\n\rx",
		"\3"
		"1234567890abcdef0\r\n",
		"\3"
		"7fffffffffffff\r\nx",
	};
	static char text[20000];
	size_t len;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		fuzz_seed(bodies[i], strlen(bodies[i]));
	len = (size_t)snprintf(text, sizeof(text),
			       "\7"
			       "1;");
	memset(text + len, 'x', 1100);
	fuzz_seed(text, len + 1100); /* an extension too long */
	len = (size_t)snprintf(text, sizeof(text),
			       "\7"
			       "0\r\n");
	memset(text + len, 'x', 16500);
	fuzz_seed(text, len + 16500); /* a trailer too long */
}
