#include "platform/media.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/package.h"
#include "core/text.h"
#include "platform/sysfs.h"
#include "platform/format.h"

/* --- recognising --- */

static bool is_power_of_two(uint32_t v)
{
	return v && !(v & (v - 1));
}

/* FAT: the boot sector has no magic that means it, so its fields must make sense (Microsoft FAT
 * specification 1.03). */
static bool is_vfat(const uint8_t *s)
{
	uint32_t sector = load_le16(s + 11), reserved = load_le16(s + 14);
	bool fat32 = load_le16(s + 22) == 0;

	return load_le16(s + 510) == 0xaa55 && (s[0] == 0xeb || s[0] == 0xe9) &&
	       is_power_of_two(sector) && sector >= 512 && sector <= 4096 &&
	       is_power_of_two(s[13]) && reserved && (s[16] == 1 || s[16] == 2) &&
	       (s[21] == 0xf0 || s[21] >= 0xf8) && (!fat32 || load_le32(s + 36));
}

static bool is_exfat(const uint8_t *s)
{
	return load_le16(s + 510) == 0xaa55 && !memcmp(s + 3, "EXFAT   ", 8);
}

enum media_kind media_probe(int fd, uint64_t off)
{
	uint8_t head[2048]; /* boot sector, and ext4's superblock at 1024 */
	ssize_t len;

	memset(head, 0, sizeof(head));
	len = pread(fd, head, sizeof(head), (off_t)off);
	if (len < 0)
		return MEDIA_UNREADABLE;
	if (!memcmp(head, package_magic, sizeof(package_magic)))
		return MEDIA_PACKAGE;
	/* ext4 leaves the boot sector alone, so an old FAT may still stand there. */
	if (load_le16(head + 1024 + 56) == 0xef53)
		return MEDIA_EXT4;
	if (is_exfat(head))
		return MEDIA_EXFAT;
	return is_vfat(head) ? MEDIA_VFAT : MEDIA_UNKNOWN;
}

/* --- listing --- */

struct listing {
	const char *sys, *dev;
	struct medium *list;
	size_t count, max;
};

static void set_title(struct medium *medium, const char *sys, const char *disk, const char *name)
{
	char vendor[32] = "", model[48] = "", size[32];
	struct text text = TEXT_IN(size);

	sysfs_text(vendor, sizeof(vendor), "%s/block/%s/device/vendor", sys, disk);
	if (!sysfs_text(model, sizeof(model), "%s/block/%s/device/model", sys, disk))
		sysfs_text(model, sizeof(model), "%s/block/%s/device/name", sys, disk);
	/* Hardware says what it likes. */
	for (char *c = vendor; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	for (char *c = model; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	text_size(&text, medium->size);
	format_text(medium->title, sizeof(medium->title), "%s %.16s (%.16s%s%.20s%s%.16s)",
		    medium->usb			  ? "USB stick"
		    : !strncmp(name, "mmcblk", 6) ? "SD card"
						  : "disk",
		    name, vendor, vendor[0] ? " " : "", model, vendor[0] || model[0] ? ", " : "",
		    size);
}

/* Adds one partition or disk. Returns whether something was recognised on it. */
static bool add(struct listing *l, const char *disk, const char *name, bool usb, bool only_known)
{
	struct medium *medium = &l->list[l->count];
	uint64_t sectors = 0;
	int fd;

	if (l->count == l->max)
		return false;
	memset(medium, 0, sizeof(*medium));
	if (disk == name)
		sysfs_u64(&sectors, "%s/block/%s/size", l->sys, name);
	else
		sysfs_u64(&sectors, "%s/block/%s/%s/size", l->sys, disk, name);
	/* A reader without a card has no size. */
	if (!sectors || sectors > UINT64_MAX / 512)
		return false;
	medium->size = sectors * 512;
	medium->usb = usb;
	format_text(medium->node, sizeof(medium->node), "%.60s/%.64s", l->dev, name);
	fd = open(medium->node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	medium->kind = fd < 0 ? MEDIA_UNREADABLE : media_probe(fd, 0);
	if (fd >= 0)
		close(fd);
	if (only_known && medium->kind == MEDIA_UNKNOWN)
		return false;
	set_title(medium, l->sys, disk, name);
	l->count++;
	return medium->kind != MEDIA_UNKNOWN && medium->kind != MEDIA_UNREADABLE;
}

static void add_disk(struct listing *l, const char *disk, bool usb)
{
	char folder[SYSFS_PATH_SIZE];
	static struct sysfs_names names; /* too large for the stack */
	bool any = false;

	format_text(folder, sizeof(folder), "%s/block/%s", l->sys, disk);
	sysfs_list(&names, folder);
	for (size_t i = 0; i < names.count; i++)
		if (sysfs_exists("%s/%s/partition", folder, names.at[i]))
			any |= add(l, disk, names.at[i], usb, true);
	/* The whole disk: one without a partition table, or one of which nothing is known. */
	add(l, disk, disk, usb, any);
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && !strcmp(name + len - end_len, end);
}

/* The device behind a disk, so that a card's boot areas are known to be the same card. */
static bool device_path(char path[SYSFS_PATH_SIZE], const char *sys, const char *name)
{
	char link[SYSFS_PATH_SIZE];

	format_text(link, sizeof(link), "%s/block/%.64s/device", sys, name);
	return sysfs_real_path(path, link);
}

static bool is_candidate(const char *sys, const char *name, const char *own, const char *own_device)
{
	char path[SYSFS_PATH_SIZE], device[SYSFS_PATH_SIZE];

	if (!sysfs_block_path(path, sys, name) || strstr(path, "/virtual/"))
		return false;
	if (own[0] && !strcmp(name, own))
		return false;
	if (own_device[0] && device_path(device, sys, name) && !strcmp(device, own_device))
		return false;
	return !ends_with(name, "boot0") && !ends_with(name, "boot1") && !ends_with(name, "rpmb");
}

size_t media_list(const struct media_roots *roots, const char *own_disk, struct medium *list,
		  size_t max)
{
	struct listing listing = {.sys = roots && roots->sys ? roots->sys : "/sys",
				  .dev = roots && roots->dev ? roots->dev : "/dev",
				  .list = list,
				  .max = max};
	char folder[SYSFS_PATH_SIZE], path[SYSFS_PATH_SIZE], own_device[SYSFS_PATH_SIZE] = "";
	const char *own = own_disk ? own_disk : "";
	static struct sysfs_names names; /* too large for the stack */

	if (own[0])
		device_path(own_device, listing.sys, own);
	format_text(folder, sizeof(folder), "%s/block", listing.sys);
	sysfs_list(&names, folder);
	for (size_t i = 0; i < names.count; i++) {
		if (!is_candidate(listing.sys, names.at[i], own, own_device))
			continue;
		add_disk(&listing, names.at[i],
			 sysfs_block_path(path, listing.sys, names.at[i]) &&
				 strstr(path, "/usb") != NULL);
	}
	return listing.count;
}

/* --- mounting --- */

/* Makes a folder and those above it. */
static int make_folder(const char *path)
{
	char part[256];

	if (strlen(path) >= sizeof(part))
		return ENAMETOOLONG;
	for (size_t len = 1; len <= strlen(path); len++) {
		if (path[len] && path[len] != '/')
			continue;
		memcpy(part, path, len);
		part[len] = 0;
		if (mkdir(part, 0755) && errno != EEXIST)
			return errno;
	}
	return 0;
}

static enum detail mount_with(const struct medium *medium, const char *mount_point, bool writable,
			      struct fault *fault)
{
	/* noload: a journal that is not clean would be replayed, which writes. */
	static const struct {
		const char *type, *read_options;
	} how[] = {
		[MEDIA_VFAT] = {"vfat", ""},
		[MEDIA_EXFAT] = {"exfat", ""},
		[MEDIA_EXT4] = {"ext4", "noload"},
	};
	unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC | (writable ? 0 : MS_RDONLY);
	int err;

	if (medium->kind == MEDIA_UNREADABLE)
		return fault_errno(fault, DETAIL_SOURCE_READ, medium->title, EIO);
	if (medium->kind < MEDIA_VFAT || medium->kind > MEDIA_EXT4)
		return fault_set(fault, DETAIL_MOUNT_FAILED, medium->title);
	err = make_folder(mount_point);
	if (!err && mount(medium->node, mount_point, how[medium->kind].type, flags,
			  writable ? "" : how[medium->kind].read_options))
		err = errno;
	return err ? fault_errno(fault, DETAIL_MOUNT_FAILED, medium->title, err) : DETAIL_OK;
}

enum detail media_mount(const struct medium *medium, const char *mount_point, struct fault *fault)
{
	return mount_with(medium, mount_point, false, fault);
}

enum detail media_mount_writable(const struct medium *medium, const char *mount_point,
				 struct fault *fault)
{
	return mount_with(medium, mount_point, true, fault);
}

void media_unmount(const char *mount_point)
{
	if (umount2(mount_point, UMOUNT_NOFOLLOW) && errno != EINVAL && errno != ENOENT)
		umount2(mount_point, UMOUNT_NOFOLLOW | MNT_DETACH);
}
