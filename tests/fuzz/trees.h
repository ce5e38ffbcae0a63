/* Device trees for the targets that read one: taken apart, changed as trees, put together again. */
#ifndef FUZZ_TREES_H
#define FUZZ_TREES_H

#include "fuzz.h"
#include "support.h"

/* Words that a mutation may put in; each list ends with NULL. */
struct tree_words {
	const char *const *properties;
	const char *const *nodes;
	const char *const *values;
};

/* What can be read of a flattened tree; NULL: nothing. The arena's. */
struct node *tree_read(const uint8_t *fdt, size_t len);

/* Changes the tree in a few places. */
void tree_change(struct node *root, const struct tree_words *words, struct dice *dice);

/*
 * A mutation of the flattened tree at data: mostly of the tree, else of its bytes. Returns its new
 * length. adjust, which may be NULL, is called before the tree is put together.
 */
size_t tree_mutate(uint8_t *data, size_t size, size_t max, const struct tree_words *words,
		   struct dice *dice, void (*adjust)(struct node *root, struct dice *dice));

/* Any node of the tree, and the node above it (NULL for the root). */
struct node *tree_any(struct node *root, struct dice *dice, struct node **above);

#endif
