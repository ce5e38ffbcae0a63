/* Finding the board's disk in a made-up /sys and /dev, and the storage seam on files and loop
 * devices. */
#include "support.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "board.h"
#include "platform/disk.h"
#include "scratch.h"

#define DISK_LEN MIB(16)

static const struct part parts[] = {
	{"boot_a", MIB(2), MIB(1)},   {"system_a", MIB(3), MIB(2)}, {"boot_b", MIB(5), MIB(1)},
	{"system_b", MIB(6), MIB(2)}, {"recovery", MIB(8), MIB(1)}, {"state", MIB(9), MIB(4)},
};

static struct board board;
static struct disk disk;
static struct fault fault;
static struct disk_options options;

static void make_board(void)
{
	memset(&board, 0, sizeof(board));
	strcpy(board.state_label, "state");
	board.slot_count = 2;
	for (size_t s = 0; s < 2; s++) {
		strcpy(board.slots[s].name, s ? "B" : "A");
		board.slots[s].part_count = 2;
		strcpy(board.slots[s].parts[0].role, "boot");
		strcpy(board.slots[s].parts[0].label, s ? "boot_b" : "boot_a");
		strcpy(board.slots[s].parts[1].role, "system");
		strcpy(board.slots[s].parts[1].label, s ? "system_b" : "system_a");
	}
}

static void make_disk(const char *name, size_t part_count)
{
	uint8_t *bytes = arena_alloc(DISK_LEN);
	struct gpt_maker maker = {.sector = 512,
				  .entry_size = 128,
				  .entry_count = 128,
				  .part_count = part_count,
				  .parts = parts};

	gpt_make(bytes, DISK_LEN, &maker);
	for (size_t i = 0; i < part_count; i++)
		memset(bytes + parts[i].off, (int)i + 1, (size_t)parts[i].len);
	scratch_file(name, bytes, DISK_LEN);
}

/* A disk as the kernel shows it: where it is plugged in, and its partitions, which are files of
 * their own here. */
static void plug(const char *name, const char *where, size_t part_count)
{
	char path[256];

	make_disk(arena_copy(path, (size_t)sprintf(path, "dev/%s", name) + 1), part_count);
	sprintf(path, "sys/devices/%s/block/%s", where, name);
	scratch_folder(path);
	for (size_t i = 0; i < part_count; i++) {
		char number[32];

		sprintf(path, "sys/devices/%s/block/%s/%sp%zu/partition", where, name, name, i + 1);
		sprintf(number, "%zu\n", i + 1);
		scratch_text(path, number);
		sprintf(strrchr(path, '/'), "/start");
		sprintf(number, "%llu\n", (unsigned long long)parts[i].off / 512);
		scratch_text(path, number);
		sprintf(strrchr(path, '/'), "/size");
		sprintf(number, "%llu\n", (unsigned long long)parts[i].len / 512);
		scratch_text(path, number);
		uint8_t *content = arena_alloc((size_t)parts[i].len);
		memset(content, (int)i + 1, (size_t)parts[i].len);
		sprintf(path, "dev/%sp%zu", name, i + 1);
		scratch_file(path, content, (size_t)parts[i].len);
	}
	sprintf(path, "../devices/%s/block/%s", where, name);
	scratch_folder("sys/block");
	char link[128];
	sprintf(link, "sys/block/%s", name);
	scratch_link(link, path);
}

static enum detail find(void)
{
	memset(&fault, 0, sizeof(fault));
	return disk_find(&disk, &board, &options, &fault);
}

static void the_disk_is_found_by_its_labels(void **state)
{
	(void)state;
	plug("mmcblk1", "platform/mmc1", COUNT(parts));
	plug("mmcblk0", "platform/mmc0", 4); /* no state */
	plug("sda", "pci0/usb1/1-1", COUNT(parts));
	plug("loop0", "virtual", COUNT(parts));
	scratch_text("dev/vda", "no table");
	scratch_folder("sys/devices/virtio0/block/vda");
	scratch_link("sys/block/vda", "../devices/virtio0/block/vda");
	assert_detail(find(), DETAIL_OK);
	assert_string_equal(disk.name, "mmcblk1");
	assert_false(disk.windows);
	assert_int_equal(disk.storage.disk->size, DISK_LEN);
	disk_close(&disk);
}

static void two_disks_are_one_too_many(void **state)
{
	(void)state;
	plug("mmcblk0", "platform/mmc0", COUNT(parts));
	plug("mmcblk1", "platform/mmc1", COUNT(parts));
	assert_detail(find(), DETAIL_DISK_AMBIGUOUS);
	assert_non_null(strstr(fault.object, "mmcblk0"));
	assert_non_null(strstr(fault.object, "mmcblk1"));
	strcpy(board.storage, "platform/mmc1");
	assert_detail(find(), DETAIL_OK);
	assert_string_equal(disk.name, "mmcblk1");
	disk_close(&disk);
	strcpy(board.storage, "platform/mmc7");
	assert_detail(find(), DETAIL_DISK_NOT_FOUND);
	assert_non_null(strstr(fault.object, "mmc7"));
}

static void usb_counts_only_when_the_board_tree_says_so(void **state)
{
	(void)state;
	plug("sda", "pci0/usb1/1-1", COUNT(parts));
	assert_detail(find(), DETAIL_DISK_NOT_FOUND);
	strcpy(board.storage, "usb1/1-1");
	assert_detail(find(), DETAIL_OK);
	disk_close(&disk);
}

static void the_missing_label_is_named(void **state)
{
	(void)state;
	assert_detail(find(), DETAIL_DISK_NOT_FOUND);
	assert_string_equal(fault.object, "partition state");
	plug("mmcblk0", "platform/mmc0", 3);
	assert_detail(find(), DETAIL_DISK_NOT_FOUND);
	assert_non_null(strstr(fault.object, "mmcblk0"));
	assert_non_null(strstr(fault.object, "partition state"));
}

static bool plug_late(void *arg)
{
	int *polls = arg;

	if (++*polls == 3)
		plug("mmcblk0", "platform/mmc0", COUNT(parts));
	return *polls == 50;
}

static void a_late_disk_is_waited_for(void **state)
{
	int polls = 0;
	struct watch watch = {.poll = plug_late, .arg = &polls};

	(void)state;
	scratch_folder("sys/block");
	options.watch = &watch;
	options.wait_ms = 5000;
	assert_detail(find(), DETAIL_OK);
	disk_close(&disk);
	polls = 49;
	strcpy(board.storage, "nowhere");
	assert_detail(find(), DETAIL_INTERRUPTED);
}

static uint8_t first_byte(struct dev *dev)
{
	uint8_t sector[512];

	assert_int_equal(dev->ops->read(dev, 0, sector, 512), 0);
	return sector[0];
}

static void partitions_are_opened_by_label(void **state)
{
	struct storage *storage = &disk.storage;
	struct dev *a, *b, *again, *reader;
	uint8_t sector[512] = {0};

	(void)state;
	plug("mmcblk0", "platform/mmc0", COUNT(parts));
	assert_detail(find(), DETAIL_OK);
	assert_detail(storage->ops->open(storage, "boot_b", true, &b, &fault), DETAIL_OK);
	assert_int_equal(b->size, MIB(1));
	assert_int_equal(first_byte(b), 3);
	assert_detail(storage->ops->open(storage, "boot_a", false, &a, &fault), DETAIL_OK);
	assert_int_equal(first_byte(a), 1);
	assert_int_equal(a->ops->write(a, 0, sector, 512), EBADF);
	/* Once more: the same one, and it lives until its last user is gone. */
	assert_detail(storage->ops->open(storage, "boot_b", false, &again, &fault), DETAIL_OK);
	assert_ptr_equal(again, b);
	storage->ops->close(storage, again);
	assert_int_equal(b->ops->write(b, 0, sector, 512), 0);
	/* For writing after for reading: another one. */
	assert_detail(storage->ops->open(storage, "state", false, &reader, &fault), DETAIL_OK);
	assert_detail(storage->ops->open(storage, "state", true, &again, &fault), DETAIL_OK);
	assert_ptr_not_equal(again, reader);
	assert_int_equal(again->ops->write(again, 0, sector, 512), 0);
	assert_detail(storage->ops->open(storage, "nothing", true, &again, &fault),
		      DETAIL_PARTITION_MISSING);
	assert_non_null(strstr(fault.object, "nothing"));
	disk_close(&disk);
}

static void a_partition_that_moved_is_refused(void **state)
{
	struct dev *dev;

	(void)state;
	plug("mmcblk0", "platform/mmc0", COUNT(parts));
	scratch_text("sys/devices/platform/mmc0/block/mmcblk0/mmcblk0p3/start", "10241\n");
	scratch_text("sys/devices/platform/mmc0/block/mmcblk0/mmcblk0p4/size", "4095\n");
	assert_int_equal(scratch_run("rm sys/block/mmcblk0/mmcblk0p5/partition"), 0);
	assert_int_equal(scratch_run("truncate -s 1M dev/mmcblk0p2"), 0);
	assert_detail(find(), DETAIL_OK);
	for (size_t i = 1; i < 5; i++) {
		at_case("%s", parts[i].label);
		assert_detail(
			disk.storage.ops->open(&disk.storage, parts[i].label, true, &dev, &fault),
			DETAIL_PARTITION_CHANGED);
		check(strstr(fault.object, parts[i].label) != NULL);
	}
	disk_close(&disk);
}

static void an_image_is_cut_into_windows(void **state)
{
	struct dev *dev;
	uint8_t sector[512];

	(void)state;
	make_disk("disk.img", COUNT(parts));
	options.path = scratch("disk.img");
	assert_detail(find(), DETAIL_OK);
	assert_true(disk.windows);
	assert_string_equal(disk.name, "");
	assert_detail(disk.storage.ops->open(&disk.storage, "system_b", true, &dev, &fault),
		      DETAIL_OK);
	assert_int_equal(dev->size, MIB(2));
	assert_int_equal(first_byte(dev), 4);
	memset(sector, 0x77, sizeof(sector));
	assert_int_equal(dev->ops->write(dev, 0, sector, 512), 0);
	assert_int_equal(dev->ops->flush(dev), 0);
	assert_int_equal(disk.storage.disk->ops->read(disk.storage.disk, MIB(6), sector, 512), 0);
	assert_int_equal(sector[511], 0x77);
	disk_close(&disk);

	make_disk("less.img", 5);
	options.path = scratch("less.img");
	assert_detail(find(), DETAIL_PARTITION_MISSING);
	assert_non_null(strstr(fault.object, "state"));
	scratch_text("text.img", "nothing");
	options.path = scratch("text.img");
	assert_detail(find(), DETAIL_GPT_INVALID);
	assert_string_equal(fault.object, options.path);
	options.path = scratch("none.img");
	assert_detail(find(), DETAIL_DEVICE_OPEN);
	assert_int_equal(fault.sys_errno, ENOENT);
	options.path = scratch(".");
	assert_detail(find(), DETAIL_DEVICE_OPEN);
}

static void real_partitions_are_claimed(void **state)
{
	struct dev *dev, *second;
	const char *loop;
	char node[64];

	(void)state;
	make_disk("disk.img", COUNT(parts));
	loop = scratch_loop("disk.img");
	if (!loop || scratch_run("test -b %sp1", loop))
		skip();
	options.path = loop;
	options.sys = options.dev = NULL;
	assert_detail(find(), DETAIL_OK);
	assert_false(disk.windows);
	assert_detail(disk.storage.ops->open(&disk.storage, "boot_b", true, &dev, &fault),
		      DETAIL_OK);
	assert_int_equal(first_byte(dev), 3);
	/* A mounted one, and where. */
	sprintf(node, "%sp4", loop);
	scratch_folder("mnt");
	assert_int_equal(scratch_run("mkfs.ext4 -q %s && mount %s mnt", node, node), 0);
	assert_detail(disk.storage.ops->open(&disk.storage, "system_b", true, &second, &fault),
		      DETAIL_PARTITION_BUSY);
	assert_non_null(strstr(fault.object, "partition system_b"));
	assert_non_null(strstr(fault.object, "/mnt"));
	assert_detail(disk.storage.ops->open(&disk.storage, "system_b", false, &second, &fault),
		      DETAIL_OK);
	disk_close(&disk);
	assert_int_equal(scratch_run("umount mnt"), 0);
}

static int set_up(void **state)
{
	(void)state;
	scratch_begin();
	make_board();
	options = (struct disk_options){.write = true};
	options.sys = arena_copy(scratch("sys"), strlen(scratch("sys")) + 1);
	options.dev = arena_copy(scratch("dev"), strlen(scratch("dev")) + 1);
	return 0;
}

static int tear_down(void **state)
{
	disk_close(&disk);
	scratch_end();
	return arena_teardown(state);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_disk_is_found_by_its_labels),
		CASE(two_disks_are_one_too_many),
		CASE(usb_counts_only_when_the_board_tree_says_so),
		CASE(the_missing_label_is_named),
		CASE(a_late_disk_is_waited_for),
		CASE(partitions_are_opened_by_label),
		CASE(a_partition_that_moved_is_refused),
		CASE(an_image_is_cut_into_windows),
		CASE(real_partitions_are_claimed),
	};

	return RUN_ALL(tests);
}
