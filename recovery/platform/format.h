/*
 * format: texts with names and numbers in them.
 *
 * What the platform needs of snprintf(), a subset that compilers check in the same way. The C
 * library's own brings floating point with it, which costs a static program about 20 KiB.
 */
#ifndef LIFEBOAT_FORMAT_H
#define LIFEBOAT_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Knows %s, %d, %u, %x, %zu, %llu and %%, a precision for %s ("%.40s"), and zeros to a width of
 * one digit for %u and %x ("%02u"). Cuts what does not fit; size is at least 1. Returns the length
 * that all of it would have had.
 */
size_t format_text(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t format_text_v(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

#endif
