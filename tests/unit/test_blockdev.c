/* The dev seam on files and loop devices, and packages on them. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "package.h"
#include "platform/blockdev.h"
#include "platform/source_file.h"
#include "scratch.h"

#define IMAGE_LEN (1u << 20)

static struct fault fault;
static uint8_t image[IMAGE_LEN];

static void make_image(void)
{
	noise_fill(image, sizeof(image), 1);
	scratch_file("image", image, sizeof(image));
}

static uint8_t byte_of_image(uint64_t off)
{
	uint8_t byte;
	int fd = open(scratch("image"), O_RDONLY);

	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	close(fd);
	return byte;
}

/* Every alignment of the buffer, lengths around the bounce buffer's. */
static void check_transfers(struct blockdev *b, const uint8_t *content)
{
	static uint8_t buf[IMAGE_LEN + 64], back[IMAGE_LEN];
	static const size_t lens[] = {512,
				      4096,
				      BLOCKDEV_BOUNCE - 512,
				      BLOCKDEV_BOUNCE,
				      BLOCKDEV_BOUNCE + 512,
				      3 * BLOCKDEV_BOUNCE};

	for (size_t i = 0; i < COUNT(lens); i++) {
		size_t shift = i * 7 % 17, off = i * 512;

		at_case("len %zu", lens[i]);
		check(!b->dev.ops->read(&b->dev, off, buf + shift, lens[i]));
		check(!memcmp(buf + shift, content + off, lens[i]));
		noise_fill(buf + shift, lens[i], i + 100);
		check(!b->dev.ops->write(&b->dev, off, buf + shift, lens[i]));
		check(!b->dev.ops->flush(&b->dev));
		check(!b->dev.ops->read(&b->dev, off, back, lens[i]));
		check(!memcmp(buf + shift, back, lens[i]));
		check(!b->dev.ops->write(&b->dev, off, content + off, lens[i]));
		check(!b->dev.ops->flush(&b->dev));
	}
}

static void check_bounds(struct blockdev *b)
{
	uint8_t sector[8192];
	uint64_t size = b->dev.size;

	check(b->dev.ops->read(&b->dev, size, sector, 4096) == EINVAL);
	check(b->dev.ops->read(&b->dev, size - 4096, sector, 8192) == EINVAL);
	check(b->dev.ops->write(&b->dev, UINT64_MAX - 511, sector, 512) == EINVAL);
	check(b->dev.ops->write(&b->dev, 1, sector, 512) == EINVAL);
	check(b->dev.ops->write(&b->dev, 0, sector, 100) == EINVAL);
	check(!b->dev.ops->read(&b->dev, size - 512, sector, 512));
	check(!b->dev.ops->read(&b->dev, size, sector, 0));
}

static void files_are_read_and_written(void **state)
{
	struct blockdev_options options = {.write = true, .exclusive = true, .len = UINT64_MAX};
	struct blockdev b;

	(void)state;
	make_image();
	assert_detail(blockdev_open(&b, scratch("image"), "image", &options, &fault), DETAIL_OK);
	assert_int_equal(b.dev.size, IMAGE_LEN);
	assert_int_equal(b.dev.sector_size, 512);
	check_transfers(&b, image);
	check_bounds(&b);
	/* The same without O_DIRECT, as on a file system that has none. */
	fcntl(b.fd, F_SETFL, fcntl(b.fd, F_GETFL) & ~O_DIRECT);
	b.direct = false;
	check_transfers(&b, image);
	check_bounds(&b);
	blockdev_close(&b);
	blockdev_close(&b);
}

static void windows_keep_to_themselves(void **state)
{
	struct blockdev_options options = {.write = true, .off = 65536, .len = 8192};
	uint8_t sector[8192];
	struct blockdev b;

	(void)state;
	make_image();
	assert_detail(blockdev_open(&b, scratch("image"), "w", &options, &fault), DETAIL_OK);
	assert_int_equal(b.dev.size, 8192);
	check_bounds(&b);
	memset(sector, 0xee, sizeof(sector));
	assert_int_equal(b.dev.ops->write(&b.dev, 0, sector, 8192), 0);
	blockdev_close(&b);
	assert_int_equal(byte_of_image(65535), image[65535]);
	assert_int_equal(byte_of_image(65536), 0xee);
	assert_int_equal(byte_of_image(65536 + 8191), 0xee);
	assert_int_equal(byte_of_image(65536 + 8192), image[65536 + 8192]);
	options.off = IMAGE_LEN - 4096;
	assert_detail(blockdev_open(&b, scratch("image"), "w", &options, &fault),
		      DETAIL_DEVICE_OPEN);
	options.off = 100;
	assert_detail(blockdev_open(&b, scratch("image"), "w", &options, &fault),
		      DETAIL_DEVICE_OPEN);
	assert_int_equal(fault.sys_errno, EINVAL);
}

static void what_cannot_be_opened_is_named(void **state)
{
	struct blockdev_options options = {.len = UINT64_MAX};
	uint8_t sector[512] = {0};
	struct blockdev b;

	(void)state;
	assert_detail(blockdev_open(&b, scratch("none"), "this", &options, &fault),
		      DETAIL_DEVICE_OPEN);
	assert_int_equal(fault.sys_errno, ENOENT);
	assert_string_equal(fault.object, "this");
	assert_detail(blockdev_open(&b, scratch("."), "x", &options, &fault), DETAIL_DEVICE_OPEN);
	assert_int_equal(fault.sys_errno, EISDIR);
	assert_int_equal(mkfifo(scratch("pipe"), 0600), 0);
	assert_detail(blockdev_open(&b, scratch("pipe"), "x", &options, &fault),
		      DETAIL_DEVICE_OPEN);
	make_image();
	assert_detail(blockdev_open(&b, scratch("image"), "x", &options, &fault), DETAIL_OK);
	assert_int_equal(b.dev.ops->write(&b.dev, 0, sector, 512), EBADF);
	/* The file became shorter behind our back. */
	assert_int_equal(truncate(scratch("image"), 4096), 0);
	assert_int_equal(b.dev.ops->read(&b.dev, 65536, sector, 512), EIO);
	blockdev_close(&b);
}

static void loop_devices_are_claimed(void **state)
{
	struct blockdev_options options = {.write = true, .exclusive = true, .len = UINT64_MAX};
	struct blockdev b, second;
	const char *loop;

	(void)state;
	make_image();
	loop = scratch_loop("image");
	if (!loop)
		skip();
	assert_detail(blockdev_open(&b, loop, "boot_b", &options, &fault), DETAIL_OK);
	assert_true(b.direct && b.is_block);
	assert_int_equal(b.dev.size, IMAGE_LEN);
	check_transfers(&b, image);
	check_bounds(&b);
	assert_detail(blockdev_open(&second, loop, "boot_b", &options, &fault),
		      DETAIL_PARTITION_BUSY);
	assert_string_equal(fault.object, "boot_b");
	options.exclusive = false;
	assert_detail(blockdev_open(&second, loop, "boot_b", &options, &fault), DETAIL_OK);
	blockdev_close(&second);
	blockdev_close(&b);
}

/* What was written through one node is seen past the page cache of another. */
static void reads_come_from_the_medium(void **state)
{
	struct blockdev_options options = {.len = UINT64_MAX};
	uint8_t sector[512], old;
	struct blockdev b;
	const char *loop;
	int fd;

	(void)state;
	make_image();
	loop = scratch_loop("image");
	if (!loop)
		skip();
	for (int direct = 1; direct >= 0; direct--) {
		assert_detail(blockdev_open(&b, loop, "x", &options, &fault), DETAIL_OK);
		if (!direct)
			fcntl(b.fd, F_SETFL, fcntl(b.fd, F_GETFL) & ~O_DIRECT);
		b.direct = direct;
		assert_int_equal(b.dev.ops->read(&b.dev, 0, sector, 512), 0);
		old = sector[0];
		/* Changes the medium below the loop device. */
		fd = open(scratch("image"), O_WRONLY | O_SYNC);
		assert_int_equal(pwrite(fd, &(uint8_t){(uint8_t)~old}, 1, 0), 1);
		close(fd);
		assert_int_equal(b.dev.ops->read(&b.dev, 0, sector, 512), 0);
		assert_int_equal(sector[0], (uint8_t)~old);
		blockdev_close(&b);
	}
}

/* --- packages on them --- */

static void read_package(struct source_file *file, const struct pkg *pkg)
{
	uint8_t buf[1000];
	size_t total = 0, got = 1;

	assert_int_equal(file->source.size, pkg->len);
	while (got) {
		assert_detail(file->source.ops->read(&file->source, buf, sizeof(buf), &got, &fault),
			      DETAIL_OK);
		assert_memory_equal(buf, pkg->bytes + total, got);
		total += got;
	}
	assert_int_equal(total, pkg->len);
	for (size_t off = pkg->len; off > 100; off /= 3) {
		assert_detail(file->source.ops->seek(&file->source, off - 100, &fault), DETAIL_OK);
		assert_detail(file->source.ops->read(&file->source, buf, 100, &got, &fault),
			      DETAIL_OK);
		assert_true(got > 0);
		assert_memory_equal(buf, pkg->bytes + off - 100, got);
	}
}

static void packages_are_read_from_files(void **state)
{
	struct pkg *pkg = pkg_small();
	struct source_file file;
	uint8_t byte;
	size_t got;

	(void)state;
	scratch_file("p.boat", pkg->bytes, pkg->len);
	assert_detail(source_file_open(&file, scratch("p.boat"), &fault), DETAIL_OK);
	read_package(&file, pkg);
	/* Cut while it is open: an end before the end, not an endless loop. */
	assert_int_equal(truncate(scratch("p.boat"), 1000), 0);
	file.source.ops->seek(&file.source, 2000, &fault);
	file.have = 0;
	assert_detail(file.source.ops->read(&file.source, &byte, 1, &got, &fault), DETAIL_OK);
	assert_int_equal(got, 0);
	file.source.ops->close(&file.source);
	assert_detail(source_file_open(&file, scratch("none"), &fault), DETAIL_SOURCE_NOT_FOUND);
	assert_int_equal(fault.sys_errno, ENOENT);
	assert_detail(source_file_open(&file, scratch("."), &fault), DETAIL_SOURCE_NOT_FOUND);
	assert_int_equal(mkfifo(scratch("pipe"), 0600), 0);
	assert_detail(source_file_open(&file, scratch("pipe"), &fault), DETAIL_SOURCE_NOT_FOUND);
	scratch_text("empty", "");
	assert_detail(source_file_open(&file, scratch("empty"), &fault), DETAIL_OK);
	assert_int_equal(file.source.size, 0);
	file.source.ops->close(&file.source);
}

static void packages_on_a_raw_device_have_their_own_length(void **state)
{
	struct pkg *pkg = pkg_small();
	struct source_file file;
	const char *loop;

	(void)state;
	memset(image, 0xaa, sizeof(image));
	memcpy(image, pkg->bytes, pkg->len);
	scratch_file("image", image, sizeof(image));
	loop = scratch_loop("image");
	if (!loop)
		skip();
	assert_detail(source_file_open(&file, loop, &fault), DETAIL_OK);
	read_package(&file, pkg);
	file.source.ops->close(&file.source);
	/* A payload that the device cannot hold: left to the front to refuse. */
	image[24] = 0x01;
	scratch_file("longer", image, sizeof(image));
	loop = scratch_loop("longer");
	assert_non_null(loop);
	assert_detail(source_file_open(&file, loop, &fault), DETAIL_OK);
	assert_int_equal(file.source.size, IMAGE_LEN);
	file.source.ops->close(&file.source);
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
		CASE(files_are_read_and_written),
		CASE(windows_keep_to_themselves),
		CASE(what_cannot_be_opened_is_named),
		CASE(loop_devices_are_claimed),
		CASE(reads_come_from_the_medium),
		CASE(packages_are_read_from_files),
		CASE(packages_on_a_raw_device_have_their_own_length),
	};

	return RUN_ALL(tests);
}
