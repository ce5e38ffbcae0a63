/*
 * What the fuzz targets share. A target is one file, target_NAME.c, with the entry of libFuzzer, a
 * maker of seeds and, where random bytes would not get far, a mutator that knows the format. It is
 * built twice: by clang as a fuzzer, and by gcc with fuzz_main.c, which gives it the files of its
 * corpus (`make fuzz-corpus`) or writes its seeds.
 *
 * A target does not only wait for a crash: must() says what holds of whatever was accepted.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "detail.h"
#include "seam.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
/* libFuzzer's own mutations. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Each target has one: writes what its corpus begins with. */
void fuzz_make_seeds(void);
void fuzz_seed(const void *bytes, size_t len);

#define must(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_fail(const char *what, const char *file, int line);

/* Memory of exactly this length, so that the sanitizer sees a read past its end; free() it. */
void *fuzz_copy(const void *bytes, size_t len);

/* A text that ends within its buffer. */
#define must_end(buffer) must(memchr((buffer), 0, sizeof(buffer)))

/* --- An input that is taken piece by piece; zero bytes where it has ended --- */

struct feed {
	const uint8_t *at;
	size_t left;
};
uint64_t feed_number(struct feed *input, size_t bytes); /* big-endian */
/* Up to len bytes; *got says how many. NULL: none are left. */
const uint8_t *feed_take(struct feed *input, size_t len, size_t *got);
/* A text of at most size - 1 bytes, up to a zero byte or the end. */
void feed_text(struct feed *input, char *to, size_t size);

/* --- The same, written: for seeds and mutators --- */

struct bytes {
	uint8_t at[1 << 18];
	size_t len;
};
void bytes_number(struct bytes *to, uint64_t value, size_t bytes);
void bytes_add(struct bytes *to, const void *from, size_t len); /* what does not fit is cut off */

/* --- Dice for mutators: the same for the same seed --- */

struct dice {
	uint64_t state;
};
uint64_t dice_next(struct dice *dice);
size_t dice_below(struct dice *dice, size_t n); /* 0 to n - 1; n at least 1 */
/* A number at which things go wrong: around powers of two, small, or near what is there. */
uint64_t dice_number(struct dice *dice, uint64_t near);

/* --- A medium: zero bytes but where something was put; the contract of seam.h is checked --- */

#define SPARSE_PAGE 4096u
#define SPARSE_BAD_MAX 4
struct sparse_page {
	uint64_t number;
	uint8_t bytes[SPARSE_PAGE];
};
struct sparse {
	struct dev dev; /* first */
	size_t page_count, page_max;
	struct sparse_page *pages;
	size_t bad_count;
	uint64_t bad[SPARSE_BAD_MAX]; /* reads that touch such a byte fail */
	bool dead;		      /* writes fail */
	bool no_flush;		      /* flushes fail */
	size_t reads, writes, flushes;
	/* Before each write; may be NULL. */
	void (*on_write)(struct sparse *medium, uint64_t off, const void *buf, size_t len);
	void (*on_read)(struct sparse *medium, uint64_t off, size_t len);
	void *context; /* of the two */
};
void sparse_open(struct sparse *medium, uint64_t size, uint32_t sector_size);
void sparse_put(struct sparse *medium, uint64_t off, const void *bytes, size_t len);
void sparse_get(struct sparse *medium, uint64_t off, void *bytes, size_t len);
void sparse_close(struct sparse *medium);

#endif
