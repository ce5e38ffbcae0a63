/*
 * lifeboat-pack inspect, for people and as JSON, of a package of which nobody knows what it is.
 * Input: the file.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "host/head.h"
#include "host/verbs.h"
#include "packages.h"
#include "support.h"
#include "texts.h"

/* What the verb prints; *len is its length, memory is the caller's to free. */
static char *printed(char *path, bool json, struct problem *problem, size_t *len)
{
	char json_word[] = "--json", *words[] = {json ? json_word : path, json ? path : NULL, NULL};
	FILE *before = stdout;
	char *text = NULL;

	stdout = open_memstream(&text, len);
	must(stdout);
	verb_inspect.run(words, problem);
	fclose(stdout);
	stdout = before;
	return text;
}

static void inspect(char *path, bool json, size_t size)
{
	struct problem problem = {.status = STATUS_OK};
	size_t len;
	char *text = printed(path, json, &problem, &len);

	must_end(problem.text);
	problem_make_printable(&problem);
	must(text_is_harmless(problem.text, strlen(problem.text)));
	must(!problem.status || (problem.text[0] && !strncmp(problem.text, path, strlen(path))));
	if (json && len)
		must(text_is_json(text, len));
	else
		must(text_is_harmless(text, len));
	/* Nothing, or a whole answer; something where nothing was wrong. */
	must(problem.status || (len && size >= PACKAGE_HEADER_LEN));
	free(text);
}

/* A head that was read and is written again is the same. */
static void load_head(const char *path, const uint8_t *file, size_t size)
{
	struct problem problem = {.status = STATUS_OK};
	struct input input;
	struct head head;
	uint8_t *block;
	size_t len;

	must(!input_open(&input, path, &problem));
	if (head_load(&head, &input, &problem) == STATUS_OK) {
		block = head_signature_block(&head, &len);
		must(head.payload_off == head.signed_len + len && head.payload_off <= size);
		must(!memcmp(head.bytes, file, head.signed_len));
		must(!memcmp(block, file + head.signed_len, len));
		must(head.has_payload == (size > head.payload_off));
		must(!head.has_payload || size - head.payload_off == head.header.payload_len);
		free(block);
	}
	head_free(&head);
	input_close(&input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("package", MFD_CLOEXEC);

	must(fd >= 0 && (!size || write(fd, data, size) == (ssize_t)size));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	inspect(path, false, size);
	inspect(path, true, size);
	load_head(path, data, size);
	close(fd);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice dice = {seed};

	size = packages_mutate(data, size, max, &dice);
	arena_free();
	return size;
}

void fuzz_make_seeds(void)
{
	size_t len;

	for (size_t i = 0; i < PACKAGES_SEEDS; i++) {
		const uint8_t *file = packages_seed(i, &len);

		fuzz_seed(file, len);
		if (i < 3) /* a head alone */
			fuzz_seed(file,
				  64 + (size_t)load_be64(file + 16) +
					  (size_t)load_be64(file + 64 + load_be64(file + 16)));
		arena_free();
	}
}
