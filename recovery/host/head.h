/*
 * The head of a package: header, manifest and signature block. A file that ends after it is a head
 * without payload: small enough to be carried to where the key is.
 */
#ifndef LIFEBOAT_HOST_HEAD_H
#define LIFEBOAT_HOST_HEAD_H

#include <stdbool.h>

#include "file.h"
#include "manifest.h"
#include "package.h"

struct head {
	uint8_t *bytes;	   /* header, manifest and signature block, as read; 16-byte aligned */
	size_t signed_len; /* header and manifest */
	struct package_header header;
	struct manifest manifest;
	uint8_t id[HASH_LEN]; /* of the package */
	struct package_signatures signatures;
	uint8_t *added[PACKAGE_SIGNATURE_COUNT_MAX]; /* memory of entries that were added */
	size_t added_count;
	uint64_t payload_off; /* in the file */
	bool has_payload;
};

/*
 * Reads a package or the head of one, and checks all but signatures and payload: lengths, block,
 * manifest. Sentences and codes are those of the device. After a failure head_free may be called,
 * and is harmless.
 */
enum status head_load(struct head *head, struct input *input, struct problem *problem);
void head_free(struct head *head);

/* Puts an entry in, in place of one with the same key; entries are kept in the order of their key
 * ids, so that the order of signing does not show. The entry's bytes are copied. *replaced may be
 * NULL. object: for the sentence. */
enum status head_put_signature(struct head *head, const struct package_signature *entry,
			       const char *object, bool *replaced, struct problem *problem);
/* False when there is none with this key. */
bool head_remove_signature(struct head *head, const uint8_t key_id[HASH_LEN]);

/* The signature block as it is now; *len is its length. New memory. */
uint8_t *head_signature_block(const struct head *head, size_t *len);

/* Appends header, manifest and signature block. */
enum status head_write(const struct head *head, struct output *output, struct problem *problem);

/* "example,board 2.0.1 (release 2)", for messages. New memory. */
char *head_title(const struct head *head);

#endif
