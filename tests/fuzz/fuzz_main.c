/*
 * A target without libFuzzer.
 *
 *	NAME FILE-OR-FOLDER...     gives the target each file, and says how many there were
 *	NAME --seeds FOLDER        writes the target's seeds
 *
 * What does not hold ends the program; the last line on standard error then names the input.
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *seed_folder;
static unsigned int seed_count, file_count;
static char current[4096]; /* the input that is being tried */

void fuzz_seed(const void *bytes, size_t len)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/seed-%03u", seed_folder, seed_count++);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, len, file) != len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
	(void)data;
	return size < max ? size : max;
}

/* Called by the sanitizers too, through abort(). */
static void name_input(int number)
{
	static const char text[] = "the input that did this: ";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, current, strlen(current)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		_exit(1);
	signal(number, SIG_DFL);
	raise(number);
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1:handle_abort=0";
}

static void try_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;

	snprintf(current, sizeof(current), "%s", path);
	if (!file || fstat(fileno(file), &st)) {
		perror(path);
		exit(1);
	}
	bytes = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!bytes || fread(bytes, 1, (size_t)st.st_size, file) != (size_t)st.st_size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, (size_t)st.st_size);
	free(bytes);
	file_count++;
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void try_path(const char *path)
{
	struct dirent **entries;
	char below[4096];
	int count = scandir(path, &entries, is_shown, alphasort);

	if (count < 0) {
		try_file(path);
		return;
	}
	for (int i = 0; i < count; i++) {
		snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
		try_file(below);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--seeds")) {
		seed_folder = argv[2];
		fuzz_make_seeds();
		printf("%u seeds\n", seed_count);
		return 0;
	}
	signal(SIGABRT, name_input);
	for (int i = 1; i < argc; i++)
		try_path(argv[i]);
	printf("%u inputs\n", file_count);
	return !file_count;
}
