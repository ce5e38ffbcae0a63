#include "head.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status damaged(const struct input *input, enum detail detail, struct problem *problem)
{
	struct fault fault;
	fault_set(&fault, detail, "package");
	return problem_fault(problem, input->path, &fault);
}

/* Reads the next len bytes of the head to their place, or says that the file ends too early. */
static enum status take(struct head *head, size_t off, size_t len, struct input *input,
			struct problem *problem)
{
	if (!range_within(off, len, input->size))
		return damaged(input, DETAIL_TOO_SHORT, problem);
	return input_read(input, off, head->bytes + off, len, problem);
}

static enum status load_block(struct head *head, struct input *input, struct problem *problem)
{
	size_t off = head->signed_len, len;
	enum detail detail;

	if (take(head, off, PACKAGE_SIGNATURE_MIN_BLOCK, input, problem) != STATUS_OK)
		return problem->status;
	if ((detail = package_signatures_len(head->bytes + off, &len)) != DETAIL_OK)
		return damaged(input, detail, problem);
	if (take(head, off, len, input, problem) != STATUS_OK)
		return problem->status;
	if ((detail = package_signatures_load(head->bytes + off, len, &head->signatures)) !=
	    DETAIL_OK)
		return damaged(input, detail, problem);
	head->payload_off = off + len;
	return STATUS_OK;
}

static enum status check_size(struct head *head, struct input *input, struct problem *problem)
{
	uint64_t rest = input->size - head->payload_off;
	struct fault fault;

	head->has_payload = rest != 0;
	if (rest == 0 || rest == head->header.payload_len)
		return STATUS_OK;
	fault_set(&fault, DETAIL_SIZE_MISMATCH, "package");
	snprintf(fault.object, sizeof(fault.object), "%" PRIu64 " bytes, header says %" PRIu64,
		 input->size, head->payload_off + head->header.payload_len);
	return problem_fault(problem, input->path, &fault);
}

enum status head_load(struct head *head, struct input *input, struct problem *problem)
{
	struct fault fault;
	enum detail detail;

	*head = (struct head){.bytes = memory_get(PACKAGE_HEAD_MAX)};
	if (take(head, 0, PACKAGE_HEADER_LEN, input, problem) != STATUS_OK)
		return problem->status;
	if ((detail = package_header_load(head->bytes, &head->header)) != DETAIL_OK)
		return damaged(input, detail, problem);
	head->signed_len = PACKAGE_HEADER_LEN + (size_t)head->header.manifest_len;
	if (take(head, PACKAGE_HEADER_LEN, (size_t)head->header.manifest_len, input, problem) !=
		    STATUS_OK ||
	    load_block(head, input, problem) != STATUS_OK ||
	    check_size(head, input, problem) != STATUS_OK)
		return problem->status;
	package_id(head->bytes, head->signed_len, head->id);
	if (manifest_load(&head->manifest, head->bytes + PACKAGE_HEADER_LEN,
			  (size_t)head->header.manifest_len, head->header.payload_len,
			  &fault) != DETAIL_OK)
		return problem_fault(problem, input->path, &fault);
	return STATUS_OK;
}

void head_free(struct head *head)
{
	for (size_t i = 0; i < head->added_count; i++)
		free(head->added[i]);
	free(head->bytes);
	*head = (struct head){.bytes = NULL};
}

bool head_remove_signature(struct head *head, const uint8_t key_id[HASH_LEN])
{
	struct package_signatures *list = &head->signatures;
	for (size_t i = 0; i < list->count; i++) {
		if (!hash_equal(list->at[i].key_id, key_id))
			continue;
		list->count--;
		memmove(&list->at[i], &list->at[i + 1], (list->count - i) * sizeof(list->at[0]));
		return true;
	}
	return false;
}

/* Copies what the entry points to: who gave it may let go of it. */
static struct package_signature own(struct head *head, const struct package_signature *entry)
{
	uint8_t *copy = memory_get(HASH_LEN + entry->len);
	memcpy(copy, entry->key_id, HASH_LEN);
	memcpy(copy + HASH_LEN, entry->bytes, entry->len);
	head->added[head->added_count++] = copy;
	return (struct package_signature){
		.key_id = copy,
		.algorithm = entry->algorithm,
		.bytes = copy + HASH_LEN,
		.len = entry->len,
	};
}

enum status head_put_signature(struct head *head, const struct package_signature *entry,
			       const char *object, bool *replaced, struct problem *problem)
{
	struct package_signatures *list = &head->signatures;
	bool was_there = head_remove_signature(head, entry->key_id);
	size_t place = 0;

	if (list->count == PACKAGE_SIGNATURE_COUNT_MAX ||
	    head->added_count == PACKAGE_SIGNATURE_COUNT_MAX)
		return problem_set(problem, STATUS_USAGE, object,
				   "has %u signatures, and no room for one more. "
				   "Take one off with `lifeboat-pack unsign`.",
				   PACKAGE_SIGNATURE_COUNT_MAX);
	while (place < list->count && memcmp(list->at[place].key_id, entry->key_id, HASH_LEN) < 0)
		place++;
	memmove(&list->at[place + 1], &list->at[place],
		(list->count - place) * sizeof(list->at[0]));
	list->at[place] = own(head, entry);
	list->count++;
	if (replaced)
		*replaced = was_there;
	return STATUS_OK;
}

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

uint8_t *head_signature_block(const struct head *head, size_t *len)
{
	const struct package_signatures *list = &head->signatures;
	*len = PACKAGE_SIGNATURE_MIN_BLOCK;
	for (size_t i = 0; i < list->count; i++)
		*len += PACKAGE_SIGNATURE_ENTRY + padded(list->at[i].len);

	uint8_t *block = memory_get(*len); /* zeros */
	uint8_t *to = block + PACKAGE_SIGNATURE_MIN_BLOCK;
	store_be64(block, *len);
	store_be64(block + 8, list->count);
	for (size_t i = 0; i < list->count; i++) {
		memcpy(to, list->at[i].key_id, HASH_LEN);
		store_be32(to + 32, list->at[i].algorithm);
		store_be64(to + 40, list->at[i].len);
		memcpy(to + PACKAGE_SIGNATURE_ENTRY, list->at[i].bytes, list->at[i].len);
		to += PACKAGE_SIGNATURE_ENTRY + padded(list->at[i].len);
	}
	return block;
}

enum status head_write(const struct head *head, struct output *output, struct problem *problem)
{
	size_t len;
	uint8_t *block = head_signature_block(head, &len);
	if (output_append(output, head->bytes, head->signed_len, problem) == STATUS_OK)
		output_append(output, block, len, problem);
	free(block);
	return problem->status;
}

char *head_title(const struct head *head)
{
	const struct manifest *manifest = &head->manifest;
	return memory_text("%s%s %s (release %" PRIu64 ")", manifest->products[0],
			   manifest->product_count > 1 ? " and others," : "", manifest->version,
			   manifest->release);
}
