/* Manifests for the targets that read one. */
#ifndef FUZZ_MANIFESTS_H
#define FUZZ_MANIFESTS_H

#include "manifest.h"
#include "trees.h"

extern const struct tree_words manifests_words;

/* The tree that a manifest came from, without what is for people and other tools. The arena's. */
struct node *manifests_tree(const struct manifest *manifest);

/* The payload that the segments of a tree come to, whatever else it says. */
uint64_t manifests_payload(struct node *root);

/* Mostly: gives each image the segments that its size and chunk size ask for. */
void manifests_adjust(struct node *root, struct dice *dice);

/* Trees to begin with. */
enum { MANIFESTS_SEEDS = 45 };
struct node *manifests_seed(size_t i);

#endif
