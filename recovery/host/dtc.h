/* Device trees from files: a blob as it is, source by running dtc. */
#ifndef LIFEBOAT_HOST_DTC_H
#define LIFEBOAT_HOST_DTC_H

#include <stdint.h>

#include "problem.h"

/* *fdt: new memory that holds a tree that is sound (core/tree.h). */
enum status dtc_load(const char *path, uint8_t **fdt, struct problem *problem);

#endif
