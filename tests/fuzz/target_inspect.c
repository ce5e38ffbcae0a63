/*
 * lifeboat-pack inspect, for people and as JSON, of a package of which nobody knows what it is.
 * Input: the file.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "host/head.h"
#include "host/verbs.h"
#include "packages.h"
#include "support.h"
#include "texts.h"

/* A file with test key 0, as lifeboat-pack takes public keys. */
static char *key_file(void)
{
	static char path[64];
	uint8_t *point = (uint8_t *)test_key(0)->public.point;
	char group[] = "prime256v1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 65),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *context;
	EVP_PKEY *key = NULL;
	FILE *file;
	int fd;

	if (path[0])
		return path;
	fd = memfd_create("key", MFD_CLOEXEC);
	file = fdopen(dup(fd), "w");
	context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	must(file && context && EVP_PKEY_fromdata_init(context) == 1 &&
	     EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
	     PEM_write_PUBKEY(file, key) == 1 && !fclose(file));
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(context);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* What the verb prints; *len is its length, memory is the caller's to free. */
static char *printed(char *path, bool json, bool key, struct problem *problem, size_t *len)
{
	char json_word[] = "--json", key_word[] = "--key", *words[5];
	size_t count = 0;
	FILE *before = stdout;
	char *text = NULL;

	if (json)
		words[count++] = json_word;
	if (key) {
		words[count++] = key_word;
		words[count++] = key_file();
	}
	words[count++] = path;
	words[count] = NULL;
	stdout = open_memstream(&text, len);
	must(stdout);
	verb_inspect.run(words, problem);
	fclose(stdout);
	stdout = before;
	return text;
}

static void inspect(char *path, bool json, bool key, size_t size)
{
	struct problem problem = {.status = STATUS_OK};
	size_t len;
	char *text = printed(path, json, key, &problem, &len);

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
	/* To read a key costs more than all the rest. */
	inspect(path, false, size % 4 == 0, size);
	inspect(path, true, size % 4 == 1, size);
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
