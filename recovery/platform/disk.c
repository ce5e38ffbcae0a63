#include "platform/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/text.h"
#include "platform/format.h"
#include "platform/sysfs.h"
#include "platform/system.h"

#define LOOK_AGAIN_MS 250
#define MOUNTS_LEN (64u << 10) /* bytes of the list of mounts that are looked at */
#define PARTITION_NODE_MS 1000 /* a disk is visible a little before its partitions */

/* --- the storage seam --- */

/* A line of words, after so many of them. */
static char *word(char *line, unsigned int skip)
{
	while (skip--) {
		line += strcspn(line, " \n");
		line += *line == ' ';
	}
	return line;
}

/* Whether "8:17" names a device. */
static bool names_device(const char *text, dev_t dev)
{
	char name[32];
	size_t len = format_text(name, sizeof(name), "%u:%u", major(dev), minor(dev));

	return !strncmp(text, name, len) && (text[len] == ' ' || !text[len]);
}

/* Says in the fault where a busy partition is mounted, when that can be found out. */
static void name_mount(const char *node, const char *label, struct fault *fault)
{
	char *table = malloc(MOUNTS_LEN + 1), *line;
	struct stat st;
	size_t len = 0;

	if (table && !stat(node, &st))
		sysfs_read("/proc/self/mountinfo", table, MOUNTS_LEN, &len);
	if (table)
		table[len] = 0;
	/* The third word is the device, the fifth the mount point (proc(5)). */
	for (line = table; fault && line && *line;
	     line += strcspn(line, "\n"), line += *line != 0) {
		char *where = word(line, 4);

		if (!names_device(word(line, 2), st.st_rdev))
			continue;
		where[strcspn(where, " \n")] = 0;
		format_text(fault->object, sizeof(fault->object), "partition %s (%.40s, on %.60s)",
			    label, node, where);
		break;
	}
	free(table);
}

/* The node of a partition of the table, when the kernel sees it where the table says. */
static enum detail partition_node(struct disk *disk, const struct gpt_partition *partition,
				  char *node, size_t node_size, struct fault *fault)
{
	char folder[SYSFS_PATH_SIZE], object[160];
	uint64_t number, start, size, deadline = system_now_ms() + PARTITION_NODE_MS;
	static struct sysfs_names names; /* too large for the stack */

	format_text(folder, sizeof(folder), "%s/block/%s", disk->sys, disk->name);
	do {
		sysfs_list(&names, folder);
		for (size_t i = 0; i < names.count; i++) {
			const char *name = names.at[i];

			if (!sysfs_u64(&number, "%s/%s/partition", folder, name) ||
			    number != partition->number)
				continue;
			if (sysfs_u64(&start, "%s/%s/start", folder, name) &&
			    sysfs_u64(&size, "%s/%s/size", folder, name) &&
			    start == partition->off / 512 && size == partition->len / 512) {
				format_text(node, node_size, "%s/%s", disk->dev, name);
				return DETAIL_OK;
			}
			format_text(object, sizeof(object), "partition %s (%s)", partition->label,
				    name);
			return fault_set(fault, DETAIL_PARTITION_CHANGED, object);
		}
	} while (system_now_ms() < deadline && !watch_sleep(NULL, LOOK_AGAIN_MS));
	format_text(object, sizeof(object),
		    "partition %s (number %u of %.60s, not known to the kernel)", partition->label,
		    partition->number, disk->path);
	return fault_set(fault, DETAIL_PARTITION_CHANGED, object);
}

static enum detail open_partition(struct disk *disk, struct disk_partition *open,
				  const struct gpt_partition *partition, struct fault *fault)
{
	struct blockdev_options options = {
		.write = open->exclusive, .exclusive = open->exclusive, .len = UINT64_MAX};
	char node[256], object[160];
	enum detail detail;

	format_text(object, sizeof(object), "partition %s", partition->label);
	if (disk->windows) {
		/* The disk itself is claimed already, or is a file. */
		options.exclusive = false;
		options.off = partition->off;
		options.len = partition->len;
		return blockdev_open(&open->blockdev, disk->path, object, &options, fault);
	}
	detail = partition_node(disk, partition, node, sizeof(node), fault);
	if (detail)
		return detail;
	detail = blockdev_open(&open->blockdev, node, object, &options, fault);
	if (detail == DETAIL_PARTITION_BUSY)
		name_mount(node, partition->label, fault);
	if (!detail && open->blockdev.dev.size != partition->len) {
		blockdev_close(&open->blockdev);
		detail = fault_set(fault, DETAIL_PARTITION_CHANGED, object);
	}
	return detail;
}

static enum detail disk_open(struct storage *storage, const char *label, bool exclusive,
			     struct dev **dev, struct fault *fault)
{
	struct disk *disk = (struct disk *)storage;
	struct disk_partition *free_entry = NULL;
	const struct gpt_partition *partition;
	enum detail detail = gpt_find(&disk->gpt, label, &partition, fault);

	if (detail)
		return detail;
	for (size_t i = 0; i < DISK_OPEN_MAX; i++) {
		struct disk_partition *open = &disk->open[i];

		if (!open->users) {
			free_entry = free_entry ? free_entry : open;
		} else if (!strcmp(open->label, label) && (open->exclusive || !exclusive)) {
			open->users++;
			*dev = &open->blockdev.dev;
			return DETAIL_OK;
		}
	}
	if (!free_entry)
		return fault_errno(fault, DETAIL_DEVICE_OPEN, label, EMFILE);
	text_copy(free_entry->label, sizeof(free_entry->label), label);
	free_entry->exclusive = exclusive;
	detail = open_partition(disk, free_entry, partition, fault);
	if (detail)
		return detail;
	free_entry->users = 1;
	*dev = &free_entry->blockdev.dev;
	return DETAIL_OK;
}

/* cppcheck-suppress constParameter ; struct storage_ops says what it looks like */
static void disk_close_partition(struct storage *storage, struct dev *dev)
{
	struct disk *disk = (struct disk *)storage;

	for (size_t i = 0; i < DISK_OPEN_MAX; i++) {
		struct disk_partition *open = &disk->open[i];

		if (open->users && dev == &open->blockdev.dev && !--open->users)
			blockdev_close(&open->blockdev);
	}
}

static const struct storage_ops disk_ops = {
	.open = disk_open,
	.close = disk_close_partition,
};

/* --- finding it --- */

/* Counts the labels that the board needs and the table has, once each; *missing: the first that it
 * has not. */
static size_t count_labels(const struct gpt *gpt, const struct board *board, size_t *wanted,
			   const char **missing)
{
	const struct gpt_partition *found;
	size_t have = 0;

	*wanted = 1;
	*missing = NULL;
	if (!gpt_find(gpt, board->state_label, &found, NULL))
		have++;
	else
		*missing = board->state_label;
	for (size_t s = 0; s < board->slot_count; s++) {
		const struct board_slot *slot = &board->slots[s];

		for (size_t p = 0; p < slot->part_count; p++) {
			++*wanted;
			if (!gpt_find(gpt, slot->parts[p].label, &found, NULL))
				have++;
			else if (!*missing)
				*missing = slot->parts[p].label;
		}
	}
	return have;
}

static enum detail load_table(struct disk *disk, struct blockdev *blockdev, struct fault *fault)
{
	uint8_t *scratch = malloc(GPT_SCRATCH_LEN);
	enum detail detail;

	if (!scratch)
		return fault_errno(fault, DETAIL_DEVICE_READ, disk->path, ENOMEM);
	detail = gpt_load(&disk->gpt, &blockdev->dev, scratch, fault);
	free(scratch);
	if (detail && fault)
		text_copy(fault->object, sizeof(fault->object), disk->path);
	return detail;
}

static bool could_be(const char *sys, const char *name, const struct board *board)
{
	char path[SYSFS_PATH_SIZE];

	if (!sysfs_block_path(path, sys, name))
		return false;
	if (board->storage[0])
		return strstr(path, board->storage) != NULL;
	return !strstr(path, "/virtual/") && !strstr(path, "/usb");
}

/* The node is the device that sysfs means. */
static bool node_fits(const char *sys, const char *name, const char *node)
{
	struct stat st;
	char text[32];

	if (!sysfs_text(text, sizeof(text), "%s/block/%s/dev", sys, name))
		return true;
	return !stat(node, &st) && S_ISBLK(st.st_mode) && names_device(text, st.st_rdev);
}

static void set_path(struct disk *disk, const char *name)
{
	format_text(disk->path, sizeof(disk->path), "%s/%s", disk->dev, name);
	/* sysfs writes the slash of a name like cciss/c0d0 as an exclamation mark. */
	for (char *c = disk->path + strlen(disk->dev); *c; c++)
		if (*c == '!')
			*c = '/';
	text_copy(disk->name, sizeof(disk->name), name);
}

struct search {
	char found[SYSFS_NAME_SIZE], second[SYSFS_NAME_SIZE];
	char nearest[SYSFS_NAME_SIZE]; /* the disk with the most labels, when none has all */
	char missing[GPT_LABEL_SIZE];
	size_t most;
	char unread[SYSFS_NAME_SIZE]; /* the first whose table cannot be used, and why */
	struct fault why;
};

static void look_at(struct disk *disk, const struct board *board, const char *name,
		    struct search *search)
{
	struct blockdev_options options = {.len = UINT64_MAX};
	struct blockdev blockdev;
	const char *missing;
	struct fault fault;
	size_t have, wanted;

	set_path(disk, name);
	if (!node_fits(disk->sys, name, disk->path) ||
	    blockdev_open(&blockdev, disk->path, disk->path, &options, NULL))
		return;
	if (load_table(disk, &blockdev, &fault)) {
		if (!search->unread[0]) {
			text_copy(search->unread, sizeof(search->unread), name);
			search->why = fault;
		}
	} else {
		have = count_labels(&disk->gpt, board, &wanted, &missing);
		if (have == wanted) {
			text_copy(search->found[0] ? search->second : search->found,
				  SYSFS_NAME_SIZE, name);
		} else if (have > search->most) {
			search->most = have;
			text_copy(search->nearest, sizeof(search->nearest), name);
			text_copy(search->missing, sizeof(search->missing), missing);
		}
	}
	blockdev_close(&blockdev);
}

static void look(struct disk *disk, const struct board *board, struct search *search)
{
	char folder[SYSFS_PATH_SIZE];
	static struct sysfs_names names; /* too large for the stack */

	memset(search, 0, sizeof(*search));
	format_text(folder, sizeof(folder), "%s/block", disk->sys);
	sysfs_list(&names, folder);
	for (size_t i = 0; i < names.count; i++)
		if (could_be(disk->sys, names.at[i], board))
			look_at(disk, board, names.at[i], search);
}

static enum detail not_found(const struct board *board, const struct search *search,
			     struct fault *fault)
{
	char object[160];

	if (search->nearest[0])
		format_text(object, sizeof(object), "partition %s (%s has %zu of the others)",
			    search->missing, search->nearest, search->most);
	else if (search->unread[0])
		format_text(object, sizeof(object), "partition %s (%s %s)", board->state_label,
			    search->unread, detail_sentence(search->why.detail));
	else
		format_text(object, sizeof(object), "partition %s%s%.80s", board->state_label,
			    board->storage[0] ? " with storage " : "", board->storage);
	return fault_errno(fault, DETAIL_DISK_NOT_FOUND, object,
			   search->nearest[0] ? 0 : search->why.sys_errno);
}

static enum detail search_disk(struct disk *disk, const struct board *board,
			       const struct disk_options *options, struct fault *fault)
{
	uint64_t deadline = system_now_ms() + options->wait_ms;
	char object[160];
	struct search search;

	for (;;) {
		look(disk, board, &search);
		if (search.found[0] || system_now_ms() >= deadline)
			break;
		if (watch_sleep(options->watch, LOOK_AGAIN_MS))
			return fault_set(fault, DETAIL_INTERRUPTED, "the search for the disk");
	}
	if (!search.found[0])
		return not_found(board, &search, fault);
	if (search.second[0]) {
		format_text(object, sizeof(object), "partition %s (%.40s and %.40s)",
			    board->state_label, search.found, search.second);
		return fault_set(fault, DETAIL_DISK_AMBIGUOUS, object);
	}
	set_path(disk, search.found);
	return DETAIL_OK;
}

static bool has_partitions(const char *sys, const char *name)
{
	char folder[SYSFS_PATH_SIZE];
	static struct sysfs_names names; /* too large for the stack */

	format_text(folder, sizeof(folder), "%s/block/%s", sys, name);
	sysfs_list(&names, folder);
	for (size_t i = 0; i < names.count; i++)
		if (sysfs_exists("%s/%s/partition", folder, names.at[i]))
			return true;
	return false;
}

/* A disk that the user named: a whole disk with partition nodes, or anything else, which is cut
 * into windows. */
static enum detail take_path(struct disk *disk, const char *path, struct fault *fault)
{
	char link[64], real[SYSFS_PATH_SIZE];
	struct stat st;

	if (strlen(path) >= sizeof(disk->path))
		return fault_errno(fault, DETAIL_DEVICE_OPEN, path, ENAMETOOLONG);
	text_copy(disk->path, sizeof(disk->path), path);
	if (stat(path, &st))
		return fault_errno(fault, DETAIL_DEVICE_OPEN, path, errno);
	disk->windows = true;
	if (!S_ISBLK(st.st_mode))
		return DETAIL_OK;
	format_text(link, sizeof(link), "%.32s/dev/block/%u:%u", disk->sys, major(st.st_rdev),
		    minor(st.st_rdev));
	if (sysfs_real_path(real, link) && !sysfs_exists("%s/partition", real)) {
		text_copy(disk->name, sizeof(disk->name), strrchr(real, '/') + 1);
		disk->windows = !has_partitions(disk->sys, disk->name);
	}
	return DETAIL_OK;
}

static enum detail check_labels(const struct disk *disk, const struct board *board,
				struct fault *fault)
{
	const struct gpt_partition *found;
	const char *missing;
	size_t wanted;

	count_labels(&disk->gpt, board, &wanted, &missing);
	return missing ? gpt_find(&disk->gpt, missing, &found, fault) : DETAIL_OK;
}

enum detail disk_find(struct disk *disk, const struct board *board,
		      const struct disk_options *options, struct fault *fault)
{
	struct blockdev_options whole = {.write = options->write, .len = UINT64_MAX};
	enum detail detail;

	memset(disk, 0, sizeof(*disk));
	text_copy(disk->sys, sizeof(disk->sys), options->sys ? options->sys : "/sys");
	text_copy(disk->dev, sizeof(disk->dev), options->dev ? options->dev : "/dev");
	detail = options->path ? take_path(disk, options->path, fault)
			       : search_disk(disk, board, options, fault);
	if (detail)
		return detail;
	/* With partition nodes, each is claimed by itself; without, the disk stands for them. */
	whole.exclusive = options->write && disk->windows;
	detail = blockdev_open(&disk->whole, disk->path, disk->path, &whole, fault);
	if (!detail)
		detail = load_table(disk, &disk->whole, fault);
	if (!detail)
		detail = check_labels(disk, board, fault);
	if (detail) {
		disk_close(disk);
		return detail;
	}
	disk->storage.ops = &disk_ops;
	disk->storage.disk = &disk->whole.dev;
	return DETAIL_OK;
}

void disk_close(struct disk *disk)
{
	for (size_t i = 0; i < DISK_OPEN_MAX; i++)
		if (disk->open[i].users)
			blockdev_close(&disk->open[i].blockdev);
	blockdev_close(&disk->whole);
	memset(disk, 0, sizeof(*disk));
}
