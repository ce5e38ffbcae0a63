/* What text for people and for programs must be, whatever it was made of. */
#ifndef FUZZ_TEXTS_H
#define FUZZ_TEXTS_H

#include "fuzz.h"

/* Sound UTF-8 (RFC 3629) without control characters but the end of a line. */
bool text_is_harmless(const char *text, size_t len);

/* One JSON text (RFC 8259), sound UTF-8, no control character in a string. */
bool text_is_json(const char *text, size_t len);

#endif
