/* Sticks and cards: what is recognised on them, what is listed, what is found in their folders. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "package.h"
#include "platform/hotplug.h"
#include "platform/media.h"
#include "scratch.h"

static struct fault fault;
static struct media_scan scan;
static struct medium list[MEDIA_MAX];

static const char package_start[] = "LBOAT\r\n\x1a and what follows";

static enum media_kind probe(const char *name)
{
	int fd = open(scratch("%s", name), O_RDONLY);
	enum media_kind kind = media_probe(fd, 0);

	close(fd);
	return kind;
}

static enum media_kind probe_made(const char *command)
{
	assert_int_equal(
		scratch_run("rm -f i && truncate -s 64M i && { %s; } >/dev/null 2>&1", command), 0);
	return probe("i");
}

static void file_systems_are_recognised(void **state)
{
	(void)state;
	assert_int_equal(probe_made("mkfs.vfat -F 12 i"), MEDIA_VFAT);
	assert_int_equal(probe_made("mkfs.vfat -F 16 i"), MEDIA_VFAT);
	assert_int_equal(probe_made("mkfs.vfat -F 32 i"), MEDIA_VFAT);
	assert_int_equal(probe_made("mkfs.vfat -S 4096 i"), MEDIA_VFAT);
	assert_int_equal(probe_made("mkfs.exfat i"), MEDIA_EXFAT);
	assert_int_equal(probe_made("mkfs.ext4 i"), MEDIA_EXT4);
	assert_int_equal(probe_made("mkfs.ext2 i"), MEDIA_EXT4);
	/* A stick that was vfat before. */
	assert_int_equal(probe_made("mkfs.vfat i && mkfs.ext4 -qF i"), MEDIA_EXT4);
	assert_int_equal(probe_made("mkfs.ext4 i && mkfs.vfat i"), MEDIA_VFAT);
	assert_int_equal(probe_made("mkfs.ext4 i && mkfs.exfat i"), MEDIA_EXFAT);
	/* A partition table is not a file system, though it ends in the same two bytes. */
	assert_int_equal(probe_made("echo ',,c' | sfdisk i"), MEDIA_UNKNOWN);
	assert_int_equal(probe_made("echo label: gpt | sfdisk i"), MEDIA_UNKNOWN);
	assert_int_equal(probe_made("true"), MEDIA_UNKNOWN);
	scratch_file("i", package_start, sizeof(package_start));
	assert_int_equal(probe("i"), MEDIA_PACKAGE);
	scratch_text("i", "");
	assert_int_equal(probe("i"), MEDIA_UNKNOWN);
	assert_int_equal(media_probe(-1, 0), MEDIA_UNREADABLE);
}

/* Each field that must make sense, wrong in a boot sector that is right otherwise. */
static void boot_sectors_must_make_sense(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{0, 0},  {11, 1}, {12, 0}, {12, 32},   {13, 0},  {13, 3},
		     {14, 0}, {16, 0}, {16, 3}, {21, 0xf7}, {510, 0}, {511, 0}};
	uint8_t sector[2048];
	int fd;

	(void)state;
	assert_int_equal(probe_made("mkfs.vfat -F 16 -R 1 i"), MEDIA_VFAT);
	fd = open(scratch("i"), O_RDONLY);
	assert_int_equal(read(fd, sector, sizeof(sector)), sizeof(sector));
	close(fd);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		uint8_t good = sector[wrong[i].at];

		at_case("byte %zu", wrong[i].at);
		sector[wrong[i].at] = wrong[i].value;
		scratch_file("i", sector, sizeof(sector));
		check(probe("i") == MEDIA_UNKNOWN);
		sector[wrong[i].at] = good;
	}
}

/* --- listing --- */

static void plug(const char *disk, const char *where, const char *partition, const char *content,
		 const char *sectors)
{
	char path[256], link[128];
	int len = sprintf(path, "sys/devices/%s/block/%s/", where, disk);

	if (partition) {
		sprintf(path + len, "%s/partition", partition);
		scratch_text(path, "1\n");
		len += sprintf(path + len, "%s/", partition);
	}
	sprintf(path + len, "size");
	scratch_text(path, sectors);
	sprintf(link, "sys/block/%s", disk);
	sprintf(path, "../devices/%s/block/%s", where, disk);
	if (access(scratch("%s", link), F_OK))
		scratch_link(link, path);
	sprintf(link, "sys/devices/%s/block/%s/device", where, disk);
	if (access(scratch("%s", link), F_OK))
		scratch_link(link, "../..");
	sprintf(path, "dev/%s", partition ? partition : disk);
	scratch_text(path, content);
}

static size_t list_all(const char *own)
{
	struct media_roots roots = {.sys = scratch("sys"), .dev = scratch("dev")};

	return media_list(&roots, own, list, MEDIA_MAX);
}

static void check_listed(size_t i, const char *name, enum media_kind kind)
{
	at_case("%zu: %s", i, list[i].title);
	check(!strcmp(strrchr(list[i].node, '/') + 1, name));
	check(list[i].kind == kind);
}

static void media_are_listed(void **state)
{
	(void)state;
	plug("mmcblk0", "platform/mmc0/mmc0:1", NULL, "", "500000\n");
	plug("mmcblk0", "platform/mmc0/mmc0:1", "mmcblk0p1", package_start, "1000\n");
	plug("mmcblk0boot0", "platform/mmc0/mmc0:1", NULL, package_start, "1000\n");
	plug("mmcblk0gp0", "platform/mmc0/mmc0:1", NULL, package_start, "1000\n");
	plug("mmcblk7boot1", "platform/mmc7", NULL, package_start, "1000\n");
	plug("mmcblk0rpmb", "platform/mmc9", NULL, package_start, "1000\n");
	plug("mmcblk1", "platform/mmc1/mmc1:2", NULL, package_start, "2000\n");
	plug("loop0", "virtual", NULL, package_start, "2000\n");
	plug("sda", "pci/usb1/1-1", NULL, "", "16777216\n");
	plug("sda", "pci/usb1/1-1", "sda10", package_start, "2000\n");
	plug("sda", "pci/usb1/1-1", "sda2", package_start, "2000\n");
	plug("sda", "pci/usb1/1-1", "sda1", "", "2000\n");
	plug("sdb", "pci/usb1/1-2", NULL, "", "2000\n");	 /* nothing on it */
	plug("sdc", "pci/usb1/1-3", NULL, package_start, "0\n"); /* a reader without a card */
	scratch_text("sys/devices/pci/usb1/vendor", "ACME\x1b[2J   \n");
	scratch_text("sys/devices/pci/usb1/1-1/vendor", "ACME\x1b[2J   \n");
	scratch_text("sys/devices/pci/usb1/1-1/model", "Stick of many words  \n");
	assert_int_equal(list_all("mmcblk0"), 4);
	check_listed(0, "mmcblk1", MEDIA_PACKAGE);
	check_listed(1, "sda2", MEDIA_PACKAGE);
	check_listed(2, "sda10", MEDIA_PACKAGE);
	check_listed(3, "sdb", MEDIA_UNKNOWN);
	assert_true(list[1].usb && !list[0].usb);
	assert_non_null(strstr(list[1].title, "USB stick sda2 (ACME?[2J Stick of many words"));
	assert_non_null(strstr(list[0].title, "SD card mmcblk1"));
	/* Nobody's own disk. */
	assert_int_equal(list_all(""), 6);
	check_listed(0, "mmcblk0p1", MEDIA_PACKAGE);
	check_listed(1, "mmcblk0gp0", MEDIA_PACKAGE);
	/* Known by its name where the kernel shows no device. */
	assert_int_equal(scratch_run("rm sys/block/mmcblk0/device"), 0);
	assert_int_equal(list_all("mmcblk0"), 5);
	check_listed(0, "mmcblk0gp0", MEDIA_PACKAGE);
	assert_int_equal(scratch_run("rm -r sys/block/mmcblk0gp0"), 0);
	assert_int_equal(
		media_list(&(struct media_roots){scratch("sys"), scratch("dev")}, NULL, list, 2),
		2);
	assert_int_equal(scratch_run("rm dev/sdb"), 0);
	assert_int_equal(list_all("mmcblk0"), 4);
	check_listed(3, "sdb", MEDIA_UNREADABLE);
}

/* --- folders --- */

static void fill_folder(const char *root)
{
	char path[128];
	static const char *const good[] = {"update.boat", "UPDATE.TXT", "noname",
					   "LifeBoat/in.boat", "lifeboat/b b.boat"};
	static const char *const bad[] = {"._update.boat", ".hidden.boat", "lifeboat/._in.boat",
					  "other/x.boat", "lifeboat/d/x"};

	for (size_t i = 0; i < COUNT(good); i++) {
		sprintf(path, "%s/%s", root, good[i]);
		scratch_file(path, package_start, sizeof(package_start));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		sprintf(path, "%s/%s", root, bad[i]);
		scratch_file(path, package_start, sizeof(package_start));
	}
	sprintf(path, "%s/text.boat", root);
	scratch_text(path, "LBOAT\r\n");
	sprintf(path, "%s/empty.boat", root);
	scratch_text(path, "");
}

static void check_found(size_t i, const char *name)
{
	at_case("%zu: %s", i, scan.at[i].path);
	check(i < scan.count && !strcmp(scan.at[i].path, scratch("m/%s", name)));
	check(scan.at[i].size == sizeof(package_start));
}

static void packages_are_found_by_content(void **state)
{
	(void)state;
	fill_folder("m");
	scratch_link("m/link.boat", "update.boat");
	scratch_link("m/out.boat", "/etc/passwd");
	assert_int_equal(mkfifo(scratch("m/pipe.boat"), 0600), 0);
	media_scan(scratch("m"), &scan);
	assert_int_equal(scan.count, 5);
	check_found(0, "LifeBoat/in.boat");
	check_found(1, "UPDATE.TXT");
	check_found(2, "lifeboat/b b.boat");
	check_found(3, "noname");
	check_found(4, "update.boat");
	assert_false(scan.cut);
	assert_int_equal(scan.read_errno, 0);
}

static void a_folder_that_is_a_link_is_passed_over(void **state)
{
	(void)state;
	scratch_file("away/x.boat", package_start, sizeof(package_start));
	scratch_folder("m");
	scratch_link("m/lifeboat", "../away");
	media_scan(scratch("m"), &scan);
	assert_int_equal(scan.count, 0);
	assert_int_equal(scan.read_errno, 0);
	assert_int_equal(scratch_run("rm m/lifeboat"), 0);
	scratch_text("m/lifeboat", "a file");
	media_scan(scratch("m"), &scan);
	assert_int_equal(scan.count, 0);
	assert_int_equal(scan.read_errno, 0);
	media_scan(scratch("none"), &scan);
	assert_int_equal(scan.read_errno, ENOENT);
}

static void the_bounds_hold(void **state)
{
	char path[64];

	(void)state;
	for (int i = MEDIA_PACKAGES_MAX + 24; i; i--) {
		sprintf(path, "m/p%03d", i);
		scratch_file(path, package_start, sizeof(package_start));
	}
	media_scan(scratch("m"), &scan);
	assert_int_equal(scan.count, MEDIA_PACKAGES_MAX);
	assert_true(scan.cut);
	check_found(0, "p001");
	check_found(15, "p016");
	assert_int_equal(scratch_run("for i in $(seq 1100); do : > m/f$i; done"), 0);
	media_scan(scratch("m"), &scan);
	assert_true(scan.cut);
	assert_int_equal(scan.entries, MEDIA_ENTRIES_MAX);
}

/* --- mounting, on real file systems --- */

static bool make_stick(struct medium *medium, const char *mkfs)
{
	const char *loop;

	assert_int_equal(scratch_run("rm -f i && truncate -s 64M i && %s i >/dev/null 2>&1", mkfs),
			 0);
	loop = scratch_loop("i");
	if (!loop)
		return false;
	scratch_folder("m");
	/* The test's own mount, to put something on it; this kernel may not know the file system.
	 */
	if (scratch_run("mount %s m 2>/dev/null", loop))
		return false;
	assert_int_equal(
		scratch_run("mkdir -p m/Lifeboat && printf 'LBOAT\\r\\n\\032x' >m/u.boat && "
			    "cp m/u.boat m/Lifeboat/v && cp m/u.boat m/._u.boat && umount m"),
		0);
	memset(medium, 0, sizeof(*medium));
	strcpy(medium->node, loop);
	strcpy(medium->title, "the stick");
	medium->kind = probe("i");
	return true;
}

static void check_stick(const char *mkfs)
{
	struct medium medium;
	struct statvfs vfs;
	char *point = arena_copy(scratch("run/a/b"), strlen(scratch("run/a/b")) + 1);

	at_case("%s", mkfs);
	if (!make_stick(&medium, mkfs)) {
		print_message("not possible here: %s\n", mkfs);
		return;
	}
	assert_int_equal(scratch_run("sha256sum i >sum"), 0);
	assert_detail(media_mount(&medium, point, &fault), DETAIL_OK);
	assert_int_equal(statvfs(point, &vfs), 0);
	check((vfs.f_flag & ST_RDONLY) && (vfs.f_flag & ST_NOSUID) && (vfs.f_flag & ST_NODEV) &&
	      (vfs.f_flag & ST_NOEXEC));
	media_scan(point, &scan);
	check(scan.count == 2);
	check(!strcmp(scan.at[0].path, scratch("run/a/b/Lifeboat/v")));
	check(!strcmp(scan.at[1].path, scratch("run/a/b/u.boat")));
	/* In use: it goes all the same. */
	int fd = open(scan.at[1].path, O_RDONLY);
	media_unmount(point);
	check(access(scratch("run/a/b/u.boat"), F_OK) && errno == ENOENT);
	close(fd);
	media_unmount(point);
	check(scratch_run("sha256sum --quiet -c sum") == 0);
}

/* Pulled out of a computer without a goodbye: its journal would be replayed, which writes. */
static void a_dirty_journal_is_left_alone(void **state)
{
	struct medium medium;
	const char *loop;
	char *point = arena_copy(scratch("run"), strlen(scratch("run")) + 1);

	(void)state;
	if (!make_stick(&medium, "mkfs.ext4 -q"))
		skip();
	assert_int_equal(
		scratch_run("mount %s m && cp m/u.boat m/w.boat && sync -f m && cp i dirty && "
			    "umount m && sha256sum dirty >sum",
			    medium.node),
		0);
	loop = scratch_loop("dirty");
	assert_non_null(loop);
	strcpy(medium.node, loop);
	assert_detail(media_mount(&medium, point, &fault), DETAIL_OK);
	media_scan(point, &scan);
	media_unmount(point);
	assert_true(scan.count >= 2);
	assert_int_equal(scratch_run("sync && sha256sum --quiet -c sum"), 0);
}

static void sticks_are_mounted_read_only(void **state)
{
	struct medium medium = {.kind = MEDIA_UNKNOWN, .title = "the stick"};

	(void)state;
	check_stick("mkfs.vfat");
	check_stick("mkfs.exfat");
	check_stick("mkfs.ext4 -q");
	check_stick("mkfs.ext2 -q");
	assert_detail(media_mount(&medium, scratch("m"), &fault), DETAIL_MOUNT_FAILED);
	assert_string_equal(fault.object, "the stick");
	medium.kind = MEDIA_PACKAGE;
	assert_detail(media_mount(&medium, scratch("m"), &fault), DETAIL_MOUNT_FAILED);
	medium.kind = MEDIA_UNREADABLE;
	assert_detail(media_mount(&medium, scratch("m"), &fault), DETAIL_SOURCE_READ);
	medium.kind = MEDIA_EXT4;
	strcpy(medium.node, scratch("none"));
	assert_detail(media_mount(&medium, scratch("m"), &fault), DETAIL_MOUNT_FAILED);
	assert_true(fault.sys_errno);
}

/* --- hot-plug --- */

static void block_events_are_told_from_others(void **state)
{
	static const char add[] = "add@/devices/x\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda";
	static const char usb[] = "add@/devices/x\0ACTION=add\0SUBSYSTEM=usb\0X=SUBSYSTEM=block";

	(void)state;
	assert_true(hotplug_is_block(add, sizeof(add)));
	assert_false(hotplug_is_block(usb, sizeof(usb)));
	/* Not ended: does not count, and is not read past. */
	char *cut = arena_copy("SUBSYSTEM=block", 15);
	assert_false(hotplug_is_block(cut, 15));
	assert_false(hotplug_is_block("", 0));
}

static void a_wait_ends_by_key_time_or_device(void **state)
{
	struct hotplug hotplug;
	int keys[2];

	(void)state;
	assert_int_equal(hotplug_open(&hotplug), 0);
	assert_int_equal(pipe(keys), 0);
	assert_int_equal(hotplug_wait(&hotplug, keys[0], 50), HOTPLUG_TIME);
	assert_int_equal(write(keys[1], "x", 1), 1);
	assert_int_equal(hotplug_wait(&hotplug, keys[0], 5000), HOTPLUG_KEY);
	close(keys[1]);
	assert_int_equal(hotplug_wait(&hotplug, keys[0], 5000), HOTPLUG_KEY);
	assert_int_equal(read(keys[0], (char[2]){0}, 2), 1);
	assert_int_equal(hotplug_wait(&hotplug, keys[0], 5000), HOTPLUG_KEY_GONE);
	close(keys[0]);
	scratch_text("i", "");
	assert_int_equal(scratch_run("truncate -s 1M i"), 0);
	if (scratch_loop("i"))
		assert_true(hotplug_wait(&hotplug, -1, 5000) & HOTPLUG_BLOCK);
	else
		print_message("not possible here: a device that comes\n");
	hotplug_close(&hotplug);
	assert_int_equal(hotplug_wait(&hotplug, -1, 10), HOTPLUG_TIME);
}

static int set_up(void **state)
{
	(void)state;
	scratch_begin();
	return 0;
}

static int tear_down(void **state)
{
	scratch_end();
	return arena_teardown(state);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(file_systems_are_recognised),
		CASE(boot_sectors_must_make_sense),
		CASE(media_are_listed),
		CASE(packages_are_found_by_content),
		CASE(a_folder_that_is_a_link_is_passed_over),
		CASE(the_bounds_hold),
		CASE(sticks_are_mounted_read_only),
		CASE(a_dirty_journal_is_left_alone),
		CASE(block_events_are_told_from_others),
		CASE(a_wait_ends_by_key_time_or_device),
	};

	return RUN_ALL(tests);
}
