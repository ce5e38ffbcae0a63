/* Packages for the targets that read one: taken apart, changed, linked and signed again. */
#ifndef FUZZ_PACKAGES_H
#define FUZZ_PACKAGES_H

#include "fuzz.h"

/* A mutation of the package at data, mostly with every hash and signature made right again. */
size_t packages_mutate(uint8_t *data, size_t size, size_t max, struct dice *dice);

/* Small packages to begin with; the arena's. */
enum { PACKAGES_SEEDS = 20 };
const uint8_t *packages_seed(size_t i, size_t *len);

#endif
