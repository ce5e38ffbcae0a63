/*
 * What is on a stick: its first bytes, recognised by content, and how long the package on a raw
 * device is. Input: length of the device (5 bytes), its first bytes.
 */
#include "fuzz.h"

#include <sys/mman.h>

/* The length of a package is worked out for block devices only, which nobody has in a test. */
#include "platform/source_file.c"

#include "platform/media.h"
#include "support.h"

static void check_kind(enum media_kind kind, const uint8_t *head, size_t len)
{
	uint8_t s[2048] = {0};

	memcpy(s, head, len < sizeof(s) ? len : sizeof(s));
	must((kind == MEDIA_PACKAGE) == !memcmp(s, "LBOAT\r\n\x1a", 8));
	if (kind == MEDIA_EXT4)
		must(load_le16(s + 1080) == 0xef53);
	if (kind == MEDIA_EXFAT)
		must(!memcmp(s + 3, "EXFAT   ", 8));
	if (kind == MEDIA_EXFAT || kind == MEDIA_VFAT)
		must(s[510] == 0x55 && s[511] == 0xaa);
	if (kind == MEDIA_VFAT)
		must(load_le16(s + 11) >= 512 && load_le16(s + 11) <= 4096 && s[13]);
	must(kind != MEDIA_UNREADABLE);
}

static void check_len(struct source_file *file, uint64_t device_len)
{
	uint8_t raw[64] = {0};
	uint64_t len = package_len(file, device_len);

	must(len <= device_len);
	must(pread(file->fd, raw, sizeof(raw), 0) >= 0);
	/* Another length than the device's is that of a package that fits on it. */
	must(len == device_len || (!memcmp(raw, "LBOAT\r\n\x1a", 8) &&
				   len >= 64 + load_be64(raw + 16) + 16 + load_be64(raw + 24)));
}

static void read_all(struct source_file *file, const uint8_t *bytes, size_t len)
{
	static uint8_t buf[5000];
	struct fault fault;
	size_t got = 1;

	file->source.size = len;
	for (size_t at = 0; got; at += got) {
		must(!file->source.ops->read(&file->source, buf, sizeof(buf), &got, &fault));
		must(got <= len - at && (!got || !memcmp(buf, bytes + at, got)));
		must(got || at == len);
	}
	must(!file->source.ops->seek(&file->source, len / 2, &fault));
	must(!file->source.ops->read(&file->source, buf, 1, &got, &fault));
	must(got == (len > len / 2) && (!got || buf[0] == bytes[len / 2]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed input = {data, size};
	uint64_t device_len = feed_number(&input, 5);
	struct source_file file;
	struct fault fault;
	char path[64];
	int fd = memfd_create("stick", MFD_CLOEXEC);

	must(fd >= 0);
	if (input.left)
		must(write(fd, input.at, input.left) == (ssize_t)input.left);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(!source_file_open(&file, path, &fault));
	must(file.source.size == input.left);
	check_kind(media_probe(fd, 0), input.at, input.left);
	must(media_probe(-1, 0) == MEDIA_UNREADABLE);
	check_len(&file, device_len);
	if (input.left)
		read_all(&file, input.at, input.left);
	file.source.ops->close(&file.source);
	close(fd);
	return 0;
}

void fuzz_make_seeds(void)
{
	static uint8_t all[2100];
	struct pkg *pkg = pkg_new();
	uint8_t *s = all + 5;

	pkg_add_image(pkg, "boot", pkg_content(5000, 4096, 1), 100, 4096);
	pkg_link(pkg);
	pkg_seal(pkg);
	for (size_t i = 0; i < 4; i++) {
		memset(all, 0, sizeof(all));
		store_be32(all + 1, i == 0 ? 1 << 20 : i == 1 ? 64 : i == 2 ? 600 : 1 << 20);
		memcpy(s, pkg->bytes, pkg->len < 2048 ? pkg->len : 2048);
		if (i == 3)
			s[64 + load_be64(s + 16) + 7] = 1; /* no length of a signature block */
		fuzz_seed(all, 5 + (pkg->len < 2048 ? pkg->len : 2048));
	}
	memset(all, 0, sizeof(all));
	fuzz_seed(all, 5);
	s[0] = 0xeb; /* vfat */
	s[12] = 2;
	s[13] = s[14] = s[16] = 1;
	s[21] = 0xf8;
	s[22] = 9;
	s[510] = 0x55;
	s[511] = 0xaa;
	fuzz_seed(all, sizeof(all));
	s[22] = 0;
	s[36] = 9;
	fuzz_seed(all, sizeof(all));
	memcpy(s + 3, "EXFAT   ", 8);
	fuzz_seed(all, 5 + 512);
	s[1080] = 0x53;
	s[1081] = 0xef;
	fuzz_seed(all, 5 + 1100);
	arena_free();
}
