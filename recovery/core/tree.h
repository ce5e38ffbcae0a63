/*
 * Soundness of a flattened device tree, before anything is looked up in it. The copy of libfdt that
 * the kernel carries has no fdt_check_full(); this keeps the same promise with libfdt's own tag
 * walker: after it, no offset that libfdt follows leaves the tree.
 */
#ifndef LIFEBOAT_TREE_H
#define LIFEBOAT_TREE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * fdt: len bytes, 8-byte aligned. True when the header and its blocks lie within len, the
 * reservation map ends, there is exactly one root, nodes nest and close, every property's value and
 * name lie within the tree, and the end tag follows the root (Devicetree Specification v0.4,
 * chapter 5).
 */
bool tree_is_sound(const void *fdt, size_t len);

#endif
