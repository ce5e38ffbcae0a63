/*
 * Small texts that the kernel, the hardware and people write: command line words, numbers in /sys,
 * the list of mounts, uevents, the reason for recovery, what a program says that was started.
 * Input: which (1 byte), the text.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* The list of mounts has a fixed place, so that disk.c is asked here, with another reader. */
#define sysfs_read mounts_read
#include "platform/disk.c"
#undef sysfs_read

/* And child.c, which wants a process for what it reads. */
#include "platform/child.c"

#include "core/flags.h"
#include "platform/hotplug.h"
#include "support.h"

static const uint8_t *mounts;
static size_t mounts_len;

int mounts_read(const char *path, void *buf, size_t size, size_t *len)
{
	must(!strcmp(path, "/proc/self/mountinfo"));
	*len = mounts_len < size ? mounts_len : size;
	if (*len)
		memcpy(buf, mounts, *len);
	return 0;
}

/* A file with these bytes, and its path. */
static int file_of(const void *bytes, size_t len, char path[64])
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* The last word NAME=VALUE of a text without zero bytes. */
static const char *word_of(const char *line, const char *name, size_t *len)
{
	const char *value = NULL;
	size_t name_len = strlen(name);

	while (*line) {
		size_t n;

		line += strspn(line, " \t\n");
		n = strcspn(line, " \t\n");
		if (n > name_len && !strncmp(line, name, name_len) && line[name_len] == '=') {
			value = line + name_len + 1;
			*len = n - name_len - 1;
		}
		line += n;
	}
	return value;
}

static void command_line(struct feed *input)
{
	static const char *const names[] = {"lifeboat.slot", "lifeboat.reason", "a"};
	const char *name = names[feed_number(input, 1) % 3], *want;
	char *text = calloc(1, input->left + 1), *value = malloc(32), path[64];
	size_t len = input->left, want_len = 0;
	int fd;

	memcpy(text, input->at, len);
	text[len < 4095 ? len : 4095] = 0; /* as much as is looked at */
	fd = file_of(input->at, len, path);
	want = word_of(text, name, &want_len);
	must(system_cmdline(path, name, value, 32) == (want != NULL));
	must(memchr(value, 0, 32));
	must(want ? strlen(value) == (want_len < 31 ? want_len : 31) &&
			     !strncmp(value, want, strlen(value))
		  : !value[0]);
	must(!system_cmdline("/nowhere", name, value, 32) && !value[0]);
	close(fd);
	free(value);
	free(text);
}

static void number(struct feed *input)
{
	char *text = malloc(24), path[64], again[32];
	struct text t = TEXT_IN(again);
	uint64_t value = 0;
	int fd = file_of(input->at, input->left, path);

	must(sysfs_text(text, 24, "%s", path));
	must(memchr(text, 0, 24) && !strchr(text, '\n'));
	must(!text[0] || text[strlen(text) - 1] != ' ');
	if (sysfs_u64(&value, "%s", path)) {
		text_u64(&t, value);
		must(text[strspn(text, "0123456789")] == 0);
		must(strlen(text) >= 23 || !strcmp(text + strspn(text, "0"), again) || !value);
	}
	must(sysfs_exists("%s", path));
	must(!sysfs_text(text, 24, "%s/x", path) && !text[0]);
	close(fd);
	free(text);
}

static void mount_table(struct feed *input)
{
	struct fault what = {.detail = DETAIL_PARTITION_BUSY};
	struct stat st;
	const char *node = "/dev/null";

	must(!stat(node, &st));
	mounts = input->at;
	mounts_len = input->left;
	name_mount(node, "label", &what);
	must_end(what.object);
	must(!what.object[0] || !strncmp(what.object, "partition label (/dev/null, on ", 30));
	must(!strchr(what.object, '\n'));
	name_mount("/nowhere", "label", &what);
	name_mount(node, "label", NULL);
}

static void uevent(struct feed *input)
{
	char *message = fuzz_copy(input->at, input->left);
	bool block = false;

	for (size_t at = 0; at + 16 <= input->left; at++)
		block |= (!at || !message[at - 1]) && !memcmp(message + at, "SUBSYSTEM=block", 16);
	must(hotplug_is_block(message, input->left) == block);
	free(message);
}

static void reason(struct feed *input)
{
	char *text = malloc(input->left + 1);
	struct flags flags = {0};

	feed_text(input, text, input->left + 1);
	flags_request_recovery(&flags, text);
	must_end(flags.reason);
	must(flags.recovery);
	must(!flags.reason[strspn(flags.reason, "abcdefghijklmnopqrstuvwxyz0123456789-")]);
	free(text);
}

static size_t lines_len; /* of all lines together */

static void on_line(void *arg, const char *text)
{
	must(arg == &lines_len && !strncmp(text, "prefix: ", 8));
	must(text[8] && strlen(text) < CHILD_LINE_SIZE + 128);
	for (const char *c = text; *c; c++)
		must(((unsigned char)*c >= 0x20 || *c == '\t') && *c != 0x7f);
	lines_len += strlen(text) - 8;
}

/* What a program says comes in lines, all of it but for control characters. */
static void said(struct feed *input)
{
	struct watch watch = {.line = on_line, .arg = &lines_len};
	struct output out = {.watch = &watch, .prefix = "prefix: "};
	char path[64];
	int fd = file_of(input->at, input->left, path);
	size_t want = 0;

	lines_len = 0;
	must(lseek(fd, 0, SEEK_SET) == 0);
	while (take_output(fd, &out))
		must(out.len < sizeof(out.line));
	end_line(&out);
	for (size_t i = 0; i < input->left; i++)
		want += input->at[i] == '\t' || (input->at[i] >= 0x20 && input->at[i] != 0x7f);
	must(lines_len == want);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct feed *) = {command_line, number, mount_table,
						     uevent,	   reason, said};
	struct feed input = {data, size};

	/* memcpy and write want a place, even for nothing. */
	if (size > 1)
		all[feed_number(&input, 1) % COUNT(all)](&input);
	return 0;
}

void fuzz_make_seeds(void)
{
	static const char *const texts[] = {
		"\0\0console=ttyAMA0 lifeboat.slot=A\nroot=/dev/vda3 lifeboat.slot=B ro",
		"\0\1lifeboat.reason=a-word-that-is-longer-than-it-may-be-here lifeboat.reason",
		"\0\2a= a=\ta=b",
		"\0\2b=a aa=1",
		"\1"
		"12345\n",
		"\1"
		"0007   ",
		"\1"
		"18446744073709551615\n",
		"\1"
		"18446744073709551616\n",
		"\1"
		"-1\n",
		"\1"
		"1234567890123456789012345678901234567890",
		"\2"
		"22 27 0:21 / /proc rw - proc proc rw\n99 1 1:3 / /mnt/stick rw - vfat /dev/x rw\n",
		"\2"
		"99 1 1:3",
		"\2"
		"99 1 1:33 / /mnt\n1:3\n\n   \n99 1 1:3 / /a\\040b",
		"\4"
		"Asked-for by 1 person!",
		"\5"
		"two\nlines\r\n\n\x1b[2J and \x80 \x7f\ttab",
		"\4"
		"a-very-long-reason-that-does-not-fit-anywhere",
	};
	static char line[2 * CHILD_LINE_SIZE];
	static const char event[] = "\3add@/devices/x\0ACTION=add\0SUBSYSTEM=block\0",
			  other[] = "\3add@/devices/x\0SUBSYSTEM=blocks\0SUBSYSTEM=bloc";

	for (size_t i = 0; i < COUNT(texts); i++) {
		size_t len = texts[i][0] ? strlen(texts[i])
					 : 2 + strlen(texts[i] + (texts[i][1] ? 1 : 2)) -
						   (texts[i][1] ? 1 : 0);
		fuzz_seed(texts[i], len);
	}
	memset(line, 'l', sizeof(line));
	line[0] = 5;
	fuzz_seed(line, sizeof(line));
	fuzz_seed(event, sizeof(event));
	fuzz_seed(other, sizeof(other) - 1);
}
