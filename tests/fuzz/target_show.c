/*
 * Text from outside on its way to a person or a program: no byte of it draws on a terminal or
 * breaks JSON. Input: options (1 byte), numbers (12), then texts that each end with a zero byte.
 */
#include "fuzz.h"

#include "texts.h"
#include "ui/json.h"
#include "ui/report.h"
#include "ui/words.h"

enum { UTF8 = 1, TIDY = 2 };

struct memory {
	struct out out; /* first */
	char *text;
	size_t len, max;
};

static void put(struct out *out, const char *bytes, size_t len)
{
	struct memory *m = (struct memory *)out;

	if (len > m->max - m->len) {
		m->max = (m->max + len) * 2;
		m->text = realloc(m->text, m->max);
		must(m->text);
	}
	memcpy(m->text + m->len, bytes, len);
	m->len += len;
}

static struct screen screen;
static struct result result;
static char name[600];

static void result_read(struct feed *input)
{
	memset(&result, 0, sizeof(result));
	detail_at((size_t)feed_number(input, 1), &result.fault.detail);
	result.what = (enum result_what)feed_number(input, 1);
	result.fault.sys_errno = (int)feed_number(input, 1);
	result.slot = (uint32_t)feed_number(input, 1) % 3;
	result.release = feed_number(input, 4) * feed_number(input, 4);
	result.fault.offset = result.release;
	feed_text(input, result.version, sizeof(result.version));
	feed_text(input, result.fault.object, sizeof(result.fault.object));
	feed_text(input, result.fault.role, sizeof(result.fault.role));
	feed_text(input, result.origin, sizeof(result.origin));
	feed_text(input, result.wall, sizeof(result.wall));
}

static void screen_read(struct feed *input, unsigned int options)
{
	memset(&screen, 0, sizeof(screen));
	screen.known = true;
	screen.slot_count = 2;
	for (size_t i = 0; i < 2; i++) {
		struct screen_slot *slot = &screen.slots[i];

		slot->name[0] = (char)('A' + i);
		slot->known = options & (i ? 4 : 8);
		slot->flags = options & 16;
		slot->good = options & 32;
		slot->running = i;
		slot->tries = (uint32_t)i;
		feed_text(input, slot->version, sizeof(slot->version));
	}
	screen.recovery = options & 64;
	screen.pending = screen.flags_damaged = options & 128;
	screen.result = result;
	screen.ended = screen.found = screen.planned = true;
	screen.package.origin = (enum origin)(options >> 2 & 1);
	screen.package.size = options & 8 ? UINT64_MAX : result.release;
	screen.package.others = options >> 5;
	feed_text(input, screen.pending_version, sizeof(screen.pending_version));
	feed_text(input, screen.pending_origin, sizeof(screen.pending_origin));
	feed_text(input, screen.package.name, sizeof(screen.package.name));
	feed_text(input, screen.package.medium, sizeof(screen.package.medium));
	feed_text(input, screen.package.version, sizeof(screen.package.version));
	feed_text(input, screen.package.signer, sizeof(screen.package.signer));
	feed_text(input, screen.package.notes, sizeof(screen.package.notes));
	screen.plan.image_count = 1;
	feed_text(input, screen.plan.images[0].label, sizeof(screen.plan.images[0].label));
	feed_text(input, name, sizeof(name));
}

static void to_people(struct memory *m)
{
	report_slots(&m->out, &screen);
	report_found(&m->out, &screen);
	report_plan(&m->out, &screen);
	report_result(&m->out, &screen);
	report_past_result(&m->out, &screen, &result);
	report_settled(&m->out, &result);
	report_results_title(&m->out, screen.recovery);
	report_row(&m->out, name, name);
	report_text(&m->out, name);
	out_line(&m->out, name);
	out_flush(&m->out);
	must(text_is_harmless(m->text, m->len));
	for (size_t i = 0; !m->out.utf8 && i < m->len; i++)
		must((uint8_t)m->text[i] < 0x80);
}

static void to_programs(struct memory *m)
{
	struct json json = JSON_TO(&m->out);

	m->len = 0;
	json_object(&json, NULL);
	json_string(&json, "version", result.version);
	json_string(&json, name, result.fault.object);
	json_array(&json, result.fault.role);
	json_string(&json, NULL, result.origin);
	json_u64(&json, NULL, result.release);
	json_object(&json, NULL);
	json_null(&json, result.wall);
	json_bool(&json, "b", screen.recovery);
	json_hex(&json, "h", (const uint8_t *)name, strlen(name));
	json_end(&json);
	json_end(&json);
	json_string(&json, "last", screen.package.notes);
	json_end(&json);
	out_flush(&m->out);
	must(text_is_json(m->text, m->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed input = {data, size};
	unsigned int options = (unsigned int)feed_number(&input, 1);
	struct memory m = {.out = {.put = put, .utf8 = options & UTF8}};

	result_read(&input);
	screen_read(&input, options);
	to_people(&m);
	to_programs(&m);
	free(m.text);
	return 0;
}

void fuzz_make_seeds(void)
{
	static const char *const texts[] = {
		"plain",
		"two words",
		"\x1b[2J",
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\x9f",
		"\xc2\x9b"
		"1m",
		"\xff\xc3",
		"\"\\\n\t\r",
		"a-very-long-word-without-any-blank-that-fits-no-line-of-a-terminal-and-is-not-cut-"
		"at-all",
		"\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x80",
		"",
	};
	static struct bytes all;

	for (size_t i = 0; i < 40; i++) {
		all.len = 0;
		bytes_number(&all, i * 37, 1);
		for (size_t k = 0; k < 12; k++)
			bytes_number(&all, i * 3 + (k > 2 ? k : 0), 1);
		for (size_t k = 0; k < 17; k++) {
			const char *text = texts[(i + k * k) % (sizeof(texts) / sizeof(texts[0]))];
			bytes_add(&all, text, strlen(text) + 1);
		}
		fuzz_seed(all.at, all.len);
	}
}
