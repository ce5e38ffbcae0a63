#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include "file.h"
#include "front.h"
#include "head.h"
#include "keys.h"
#include "options.h"
#include "progress.h"

enum { KEY = 1, QUIET };

static const struct option_spec specs[] = {
	{KEY, "key", 'k', true},
	{QUIET, "quiet", 'q', false},
	{0},
};

struct watcher {
	struct observer observer; /* first */
	struct progress_meter meter;
};

static void on_progress(struct observer *observer, const struct progress *progress)
{
	struct watcher *watcher = (struct watcher *)observer;
	progress_tell(&watcher->meter, progress->done);
}

/* The same front half as on the device. */
static enum status verify(const char *path, const struct trust *trust, bool quiet,
			  struct problem *problem)
{
	static const struct observer_ops ops = {.progress = on_progress};
	struct watcher watcher = {.observer = {.ops = &ops}};
	struct front *front = aligned_alloc(_Alignof(struct front), sizeof(*front));
	struct input input;
	struct file_source source;
	struct fault fault;
	enum detail detail;
	char id[2 * HASH_LEN + 1];

	if (!front)
		return problem_set(problem, STATUS_INSTALL_FAILED, "memory",
				   "is not enough. End other programs.");
	if (input_open(&input, path, problem) == STATUS_OK) {
		file_source_init(&source, &input);
		detail = front_open(front, &source.source, trust, &fault);
		if (detail == DETAIL_OK) {
			progress_start(&watcher.meter, "verifying",
				       manifest_total_size(&front->manifest), quiet);
			detail = front_verify_all(front, &watcher.observer, &fault);
			progress_end(&watcher.meter);
		}
		if (detail != DETAIL_OK) {
			problem_fault(problem, path, &fault);
		} else if (!quiet) {
			keys_id_text(front->id, id);
			printf("%s: %s %s (release %llu) is complete, and signed with key %s\n"
			       "package id: %s\n",
			       path, front->manifest.products[0], front->manifest.version,
			       (unsigned long long)front->manifest.release, front->signer->name,
			       id);
		}
		input_close(&input);
	}
	free(front);
	return problem->status;
}

static enum status run(char **words, struct problem *problem)
{
	struct options options = {.verb = "verify", .specs = specs, .next = words};
	const char *path = NULL;
	struct option_list keys = {0};
	bool quiet = false;
	const struct option_place places[] = {
		{KEY, .list = &keys},
		{QUIET, .given = &quiet},
		{OPTION_ARGUMENT, .value = &path},
		{OPTION_END},
	};

	if (options_read(&options, places, problem) == STATUS_OK && !path)
		problem_set(problem, STATUS_USAGE, "PACKAGE",
			    "is missing. See `lifeboat-pack verify --help`.");
	else if (problem->status == STATUS_OK && !keys.count)
		problem_set(problem, STATUS_USAGE, "--key",
			    "is missing. Name a public key that the devices trust; "
			    "to look into a package without trust, use `inspect`.");
	if (problem->status == STATUS_OK) {
		struct trust trust;
		if (keys_load_trust(&trust, keys.at, keys.count, problem) == STATUS_OK)
			verify(path, &trust, quiet, problem);
		keys_free_trust(&trust);
	}
	free(keys.at);
	return problem->status;
}

const struct verb verb_verify = {
	.name = "verify",
	.summary = "prove a whole package, as a device would",
	.help = "Usage: lifeboat-pack verify --key PUBLIC-KEY... PACKAGE\n\n"
		"Checks the signatures against the given public keys, then the manifest, every "
		"index\n"
		"page, every chunk and every image. Statuses, codes and sentences are the "
		"device's.\n\n"
		"  -k, --key PUBLIC-KEY  a key that the devices trust (again for each one)\n"
		"  -q, --quiet           tell errors only\n",
	.run = run,
};
