/* Keys of the menu. Input: the bytes that a terminal sends. */
#include "fuzz.h"

#include <unistd.h>

#include "ui/keys.h"

/* What is left when escape sequences and noise are taken out (ECMA-48 for the sequences). */
static size_t expected(const uint8_t *in, size_t len, uint8_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++) {
		if (in[i] == 0x1b) {
			while (i + 1 < len && in[i + 1] == 0x1b)
				i++;
			if (i + 1 < len && in[i + 1] == '[') {
				for (i += 2; i < len && !(in[i] >= 0x40 && in[i] <= 0x7e);)
					i++;
				continue;
			}
			if (i + 1 < len && in[i + 1] == 'O')
				i += 2;
			continue;
		}
		if (in[i] == '\r' || in[i] == '\n' || in[i] == 3 || (in[i] >= 0x20 && in[i] < 0x7f))
			out[count++] = in[i];
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *want = malloc(size + 1);
	size_t count = 0, calls = 0, wanted;
	struct keys keys;
	int ends[2], key;

	size = size < 4096 ? size : 4096; /* a pipe holds this much */
	wanted = expected(data, size, want);
	must(!pipe(ends));
	must(!size || write(ends[1], data, size) == (ssize_t)size);
	close(ends[1]);
	keys_open(&keys, ends[0], false);
	/* No call waits, and noise ends it sooner or later. */
	while (keys.fd >= 0) {
		must(calls++ <= size + 1);
		key = keys_next(&keys);
		if (key == KEY_NONE)
			continue;
		must(count < wanted && key == want[count]);
		count++;
	}
	must(count == wanted);
	must(keys_next(&keys) == KEY_NONE);
	keys_forget(&keys);
	keys_close(&keys);
	close(ends[0]);
	free(want);
	return 0;
}

void fuzz_make_seeds(void)
{
	static const char *const texts[] = {"i2\n",
					    "\x1b[A\x1b[1;5Cq\x03",
					    "\x1bOPx\x1bQy",
					    "\x1b\x1b\x1b[Zz",
					    "\xff\x01\x80 \x7f",
					    "\x1b[",
					    "\x1b",
					    ""};
	static char noise[600];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		fuzz_seed(texts[i], strlen(texts[i]));
	memset(noise, 1, sizeof(noise));
	noise[599] = 'x';
	fuzz_seed(noise, sizeof(noise));
}
