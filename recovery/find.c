#include "find.h"
#include "core/text.h"

#include <string.h>

void find_describe(const struct app *app, enum origin origin, const char *name,
		   struct screen_package *package)
{
	const struct front *front = &app->front;

	memset(package, 0, sizeof(*package));
	package->origin = origin;
	text_copy(package->name, sizeof(package->name), name);
	text_copy(package->version, sizeof(package->version), front->manifest.version);
	package->release = front->manifest.release;
	package->size = front->payload + front->header.payload_len;
	text_copy(package->signer, sizeof(package->signer), front->signer->name);
	text_copy(package->notes, sizeof(package->notes),
		  front->manifest.notes ? front->manifest.notes : "");
}

static void keep(struct app *app, const struct medium *medium, const char *path,
		 const struct plan *plan, struct found *found)
{
	size_t mount_len = strlen(MEDIA_MOUNT_POINT);
	const char *name =
		strncmp(path, MEDIA_MOUNT_POINT "/", mount_len + 1) ? path : path + mount_len + 1;
	unsigned others = found->any ? found->package.others + 1 : found->candidates - 1;

	found->any = true;
	found->medium = *medium;
	found->plan = *plan;
	text_copy(found->path, sizeof(found->path), path);
	memcpy(found->id, app->front.id, HASH_LEN);
	find_describe(app, ORIGIN_STICK, name, &found->package);
	text_copy(found->package.medium, sizeof(found->package.medium), medium->title);
	found->package.others = others;
}

/*
 * For the journal, results and messages: what people know a package by, not where it is mounted.
 */
static void name_by(const struct medium *medium, const char *path, char *name, size_t size)
{
	size_t mount_len = strlen(MEDIA_MOUNT_POINT);
	struct text t = {.at = name, .size = size, .len = 0};

	text_clear(&t);
	if (strncmp(path, MEDIA_MOUNT_POINT "/", mount_len + 1)) {
		text_add(&t, path);
		return;
	}
	text_add(&t, medium->title);
	text_add(&t, path + mount_len);
}

/* What is looked for. */
struct search {
	const uint8_t *wanted;
	find_prefers *prefers;
	void *context;
};

/* One candidate: proved, planned, and kept when it fits better than what was found before. */
static void consider(struct app *app, const struct medium *medium, const char *path,
		     const struct search *search, struct found *found)
{
	struct install_options options = {.wanted = -1, .allow_older = true};
	struct source *source;
	char name[sizeof(source->name)];
	struct plan plan;
	struct fault fault;
	enum detail detail;
	bool preferred, better;

	found->candidates++;
	name_by(medium, path, name, sizeof(name));
	detail = app_source_open(app, path, &source, &fault);
	if (!detail) {
		text_copy(source->name, sizeof(source->name), name);
		detail = install_plan(&app->device, source, &options, &plan, &fault);
	} else {
		text_copy(fault.object, sizeof(fault.object), name);
	}
	app_source_close(app);
	if (detail) {
		if (!found->why.fault.detail)
			app_failure(app, RESULT_INSTALL, &fault, name, &found->why);
		return;
	}
	if (search->wanted && !hash_equal(app->front.id, search->wanted))
		return;
	preferred = search->prefers(search->context, app->front.id);
	better = preferred != found->preferred
			 ? preferred
			 : app->front.manifest.release > found->package.release;
	if (found->any && !better) {
		found->package.others++;
		return;
	}
	keep(app, medium, path, &plan, found);
	found->preferred = preferred;
}

static void look_at(struct app *app, const struct medium *medium, const struct search *search,
		    struct found *found)
{
	static struct media_scan scan; /* 70 KiB: not for the stack */
	struct fault fault;

	if (medium->kind == MEDIA_PACKAGE) {
		consider(app, medium, medium->node, search, found);
		return;
	}
	if (medium->kind != MEDIA_VFAT && medium->kind != MEDIA_EXFAT && medium->kind != MEDIA_EXT4)
		return;
	if (media_mount(medium, MEDIA_MOUNT_POINT, &fault)) {
		app_log(app, fault.object);
		if (!found->why.fault.detail)
			app_failure(app, RESULT_INSTALL, &fault, medium->node, &found->why);
		return;
	}
	media_scan(MEDIA_MOUNT_POINT, &scan);
	for (size_t i = 0; i < scan.count; i++) {
		app_poll(app);
		consider(app, medium, scan.at[i].path, search, found);
	}
	if (scan.cut)
		app_log(app, "there are more files on the stick than are looked at");
	if (scan.read_errno && !found->why.fault.detail) {
		fault_errno(&fault, DETAIL_SOURCE_READ, medium->title, scan.read_errno);
		app_failure(app, RESULT_INSTALL, &fault, medium->node, &found->why);
	}
	media_unmount(MEDIA_MOUNT_POINT);
}

void find_package(struct app *app, const uint8_t *wanted, find_prefers *prefers, void *context,
		  struct found *found)
{
	struct search search = {wanted, prefers, context};
	static struct medium media[MEDIA_MAX];
	size_t count = media_list(NULL, app->disk.name, media, MEDIA_MAX);
	struct fault fault;

	memset(found, 0, sizeof(*found));
	for (size_t i = 0; i < count; i++) {
		found->media++;
		if (media[i].kind == MEDIA_UNKNOWN || media[i].kind == MEDIA_UNREADABLE) {
			/* The most frequent mistake of all: a stick with another file system. */
			fault_set(&fault,
				  media[i].kind == MEDIA_UNKNOWN ? DETAIL_MOUNT_FAILED
								 : DETAIL_SOURCE_READ,
				  media[i].title);
			if (!found->why.fault.detail)
				app_failure(app, RESULT_INSTALL, &fault, media[i].node,
					    &found->why);
			continue;
		}
		app_poll(app);
		look_at(app, &media[i], &search, found);
	}
	if (count && !found->candidates && !found->why.fault.detail) {
		fault_set(&fault, DETAIL_NO_PACKAGE, media[0].title);
		app_failure(app, RESULT_INSTALL, &fault, media[0].node, &found->why);
	}
}

enum detail find_open(struct app *app, const struct found *found, struct source **source,
		      struct fault *fault)
{
	enum detail detail;

	if (found->medium.kind != MEDIA_PACKAGE) {
		detail = media_mount(&found->medium, MEDIA_MOUNT_POINT, fault);
		if (detail)
			return detail;
	}
	detail = app_source_open(app, found->path, source, fault);
	if (!detail)
		name_by(&found->medium, found->path, (*source)->name, sizeof((*source)->name));
	return detail;
}

void find_close(struct app *app)
{
	app_source_close(app);
	media_unmount(MEDIA_MOUNT_POINT);
}
