#include "platform/format.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct out {
	char *buf;
	size_t size, len;
};

static void put(struct out *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++, out->len++)
		if (out->len < out->size - 1)
			out->buf[out->len] = text[i];
}

static void put_number(struct out *out, uint64_t value, unsigned int base, size_t width)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (sizeof(digits) - at < width)
		digits[--at] = '0';
	put(out, digits + at, sizeof(digits) - at);
}

/* Reads digits; *format goes behind them. */
static size_t take_number(const char **format)
{
	size_t value = 0;

	while (**format >= '0' && **format <= '9')
		value = value * 10 + (size_t)(*(*format)++ - '0');
	return value;
}

size_t format_text_v(char *buf, size_t size, const char *format, va_list args)
{
	struct out out = {.buf = buf, .size = size};

	while (*format) {
		size_t plain = strcspn(format, "%"), width, precision = SIZE_MAX;
		const char *text;
		int value;

		put(&out, format, plain);
		format += plain;
		if (!*format)
			break;
		format++;
		width = take_number(&format);
		if (*format == '.') {
			format++;
			precision = take_number(&format);
		}
		if (!strncmp(format, "llu", 3)) {
			put_number(&out, va_arg(args, unsigned long long), 10, width);
			format += 3;
			continue;
		}
		if (!strncmp(format, "zu", 2)) {
			put_number(&out, va_arg(args, size_t), 10, width);
			format += 2;
			continue;
		}
		switch (*format++) {
		case 's':
			text = va_arg(args, const char *);
			put(&out, text, strnlen(text, precision));
			break;
		case 'd':
			value = va_arg(args, int);
			put(&out, "-", value < 0);
			put_number(&out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width);
			break;
		case 'u':
			put_number(&out, va_arg(args, unsigned int), 10, width);
			break;
		case 'x':
			put_number(&out, va_arg(args, unsigned int), 16, width);
			break;
		default: /* "%%" */
			put(&out, "%", 1);
		}
	}
	buf[out.len < size ? out.len : size - 1] = 0;
	return out.len;
}

size_t format_text(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	len = format_text_v(buf, size, format, args);
	va_end(args);
	return len;
}
