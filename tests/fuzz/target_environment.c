/*
 * Boot flags in U-Boot's environment. Input: options (2 bytes), serials of the two copies (2),
 * flags to store (3), length of the first copy's variables (2), both copies' variables.
 */
#include "fuzz.h"

#include "support.h"
#include "ubootenv.h"

enum {
	ONE_SLOT = 1,
	SIZE_SHIFT = 1, /* 2 bits: 512 << n */
	DAMAGED_0 = 8,
	DAMAGED_1 = 16,
	UNREADABLE_0 = 32,
	UNREADABLE_1 = 64,
	DEAD = 128,
	ANEW = 256,
	EQUAL_CRC = 512, /* checksums as they stand in the input: of a zeroed copy */
};
enum { OFF_0 = 0x4000, OFF_1 = 0x30000, DISK_SIZE = 0x60000 };

static struct ubootenv env;
static struct board board;
static struct sparse disk;

struct copy {
	uint8_t bytes[4096];
	size_t size;
	bool valid, readable;
};

static void copy_read(struct copy *copy, struct feed *input, size_t len, uint8_t serial,
		      bool damaged, bool readable)
{
	size_t got;
	const uint8_t *from = feed_take(input, len < copy->size - 5 ? len : copy->size - 5, &got);

	memset(copy->bytes, 0, sizeof(copy->bytes));
	if (got)
		memcpy(copy->bytes + 5, from, got);
	copy->bytes[4] = serial;
	store_le32(copy->bytes, crc32_of(copy->bytes + 5, copy->size - 5) ^ damaged);
	copy->valid = !damaged && readable;
	copy->readable = readable;
}

/* The copy that U-Boot takes (env/common.c, env_check_redund); -1: none. */
static int active(const struct copy copies[2])
{
	uint8_t a = copies[0].bytes[4], b = copies[1].bytes[4];

	if (!copies[0].valid || !copies[1].valid)
		return copies[0].valid ? 0 : copies[1].valid ? 1 : -1;
	return (a == 255 && b == 0) || (b > a && !(a == 0 && b == 255));
}

/* Value of a variable that has an end, as himport_r() sees it: the last where there are two. */
static const char *variable(const struct copy *copy, const char *name)
{
	const char *at = (const char *)copy->bytes + 5,
		   *end = (const char *)copy->bytes + copy->size, *found = NULL;
	size_t len = strlen(name);

	while (at < end && *at) {
		size_t n = strnlen(at, (size_t)(end - at));

		if (at + n == end)
			break;
		if (n > len && !memcmp(at, name, len) && at[len] == '=')
			found = at + len + 1;
		at += n + 1;
	}
	return found;
}

/* U-Boot's compiled-in environment, stored. */
static bool is_default(const struct copy *copy)
{
	const char *value = variable(copy, "BOOT_ENVIRONMENT");

	return value && !strcmp(value, "default");
}

static bool is_1(const char *value)
{
	return value && !strcmp(value, "1");
}

static void check_loaded(const struct flags *flags, const struct copy *copy)
{
	const char *order = variable(copy, "BOOT_ORDER");
	char text[32] = "";

	must(flags->order_count <= board.slot_count);
	for (size_t i = 0; i < flags->order_count; i++) {
		must(flags->order[i] < board.slot_count);
		must(!i || flags->order[0] != flags->order[1]);
		strcat(text, i ? " " : "");
		strcat(text, board.slots[flags->order[i]].name);
	}
	/* An order is taken to the letter, or not at all. */
	must(!flags->order_count || !strcmp(order, text));
	for (size_t i = 0; i < BOARD_SLOTS_MAX; i++) {
		char left[32], mark[32];
		const char *value;

		must(flags->slot[i].tries <= 9);
		must(i < board.slot_count || (!flags->slot[i].tries && !flags->slot[i].good));
		if (i >= board.slot_count)
			continue;
		snprintf(left, sizeof(left), "BOOT_%s_LEFT", board.slots[i].name);
		snprintf(mark, sizeof(mark), "BOOT_%s_GOOD", board.slots[i].name);
		value = variable(copy, left);
		must(!flags->slot[i].tries ||
		     (value[0] == '0' + (char)flags->slot[i].tries && !value[1]));
		must(flags->slot[i].good == is_1(variable(copy, mark)));
	}
	must(flags->recovery == is_1(variable(copy, "BOOT_RECOVERY")));
	must_end(flags->reason);
	must(!flags->reason[strspn(flags->reason, "abcdefghijklmnopqrstuvwxyz0123456789-")]);
}

/* Writes go to the copy that does not count, whole, and to nothing else. */
static void on_write(struct sparse *medium, uint64_t off, const void *buf, size_t len)
{
	const int *other = medium->context;

	(void)buf;
	must(other && off == (*other ? OFF_1 : OFF_0) && len == board.flag_size);
}

static void on_read(struct sparse *medium, uint64_t off, size_t len)
{
	(void)medium;
	must((off == OFF_0 || off == OFF_1) && len == board.flag_size);
}

static bool is_ours(const char *at)
{
	char name[32];

	if (!strncmp(at, "BOOT_ENVIRONMENT=", 17) || !strcmp(at, "BOOT_ENVIRONMENT"))
		return true;
	if (!strncmp(at, "BOOT_ORDER=", 11) || !strncmp(at, "BOOT_RECOVERY=", 14) ||
	    !strncmp(at, "BOOT_RECOVERY_REASON=", 21) || !strcmp(at, "BOOT_ORDER") ||
	    !strcmp(at, "BOOT_RECOVERY") || !strcmp(at, "BOOT_RECOVERY_REASON"))
		return true;
	for (size_t i = 0; i < board.slot_count * 2; i++) {
		size_t len = (size_t)snprintf(name, sizeof(name), "BOOT_%s_%s",
					      board.slots[i / 2].name, i % 2 ? "LEFT" : "GOOD");
		if (!strncmp(at, name, len) && (at[len] == '=' || !at[len]))
			return true;
	}
	return false;
}

/* Whatever else was in the environment is there still, in its order. */
static void check_others_kept(const struct copy *before, const struct copy *after)
{
	const char *a = (const char *)before->bytes + 5, *b = (const char *)after->bytes + 5;
	const char *a_end = (const char *)before->bytes + before->size;

	while (a < a_end && *a && a + strnlen(a, (size_t)(a_end - a)) < a_end) {
		if (!is_ours(a)) {
			must(!strcmp(a, b));
			b += strlen(b) + 1;
		}
		a += strlen(a) + 1;
	}
	must(is_ours(b));
}

static void make_flags(struct flags *flags, struct feed *input)
{
	unsigned int order = (unsigned int)feed_number(input, 1);
	unsigned int tries = (unsigned int)feed_number(input, 1);
	unsigned int rest = (unsigned int)feed_number(input, 1);

	memset(flags, 0, sizeof(*flags));
	flags->order_count = order % 3 < board.slot_count ? order % 3 : board.slot_count;
	flags->order[0] = board.slot_count == 2 && order & 16;
	flags->order[1] = !flags->order[0];
	for (size_t i = 0; i < board.slot_count; i++) {
		flags->slot[i].tries = (tries >> 4 * i & 15) % 10;
		flags->slot[i].good = rest >> i & 1;
	}
	flags->recovery = rest & 4;
	flags_set_reason(flags, rest & 8 ? "a Reason-1!" : "");
}

/* Bytes behind the two zeros that end the variables of a stored copy. */
static size_t free_len(int copy)
{
	uint8_t bytes[4096];
	size_t size = (size_t)board.flag_size, len = 0;

	sparse_get(&disk, copy ? OFF_1 : OFF_0, bytes, size);
	while (len < size - 5 && !bytes[size - 1 - len])
		len++;
	return len > 2 ? len - 2 : 0;
}

static void store(const struct flags *flags, struct copy copies[2], bool anew)
{
	struct fault fault;
	struct flags again;
	int current = active(copies), other = current < 0 ? 0 : 1 - current;
	bool readable = copies[0].readable && copies[1].readable;
	enum detail fits, detail;

	disk.context = &other;
	fits = env.store.ops->fits(&env.store, flags, anew, &fault);
	must(!disk.writes);
	detail = env.store.ops->store(&env.store, flags, anew, &fault);
	/* Room is also wanted for what U-Boot adds. */
	if (fits == DETAIL_FLAGS_FULL && detail != DETAIL_FLAGS_FULL)
		must(detail ? disk.dead : free_len(other) < 128);
	else
		must(fits == detail || (!fits && disk.dead && detail == DETAIL_FLAGS_NOT_STORED));
	if (!readable)
		must(detail == DETAIL_DEVICE_READ && !disk.writes);
	else if ((current < 0 || is_default(&copies[current])) && !anew)
		must(detail == DETAIL_FLAGS_DAMAGED && !disk.writes);
	else if (!disk.dead)
		must(!detail || (detail == DETAIL_FLAGS_FULL && !disk.writes));
	if (detail)
		return;
	copies[other].size = (size_t)board.flag_size;
	sparse_get(&disk, other ? OFF_1 : OFF_0, copies[other].bytes, copies[other].size);
	must(load_le32(copies[other].bytes) ==
	     crc32_of(copies[other].bytes + 5, copies[other].size - 5));
	copies[other].valid = true;
	must(active(copies) == other);
	must(!env.store.ops->load(&env.store, &again, &fault) && flags_equal(&again, flags));
	if (current >= 0)
		check_others_kept(&copies[current], &copies[other]);
}

static void board_make(unsigned int options)
{
	memset(&board, 0, sizeof(board));
	board.slot_count = options & ONE_SLOT ? 1 : 2;
	memcpy(board.slots[0].name, "A", 2);
	if (board.slot_count == 2)
		memcpy(board.slots[1].name, "B2", 3);
	board.flag_off[0] = OFF_0;
	board.flag_off[1] = OFF_1;
	board.flag_size = UINT64_C(512) << (options >> SIZE_SHIFT & 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct copy copies[2];
	struct feed input = {data, size};
	unsigned int options = (unsigned int)feed_number(&input, 2);
	uint8_t serials[2] = {(uint8_t)feed_number(&input, 1), (uint8_t)feed_number(&input, 1)};
	struct flags flags, wanted;
	struct fault fault;
	size_t first_len;
	enum detail detail;

	board_make(options);
	make_flags(&wanted, &input);
	first_len = (size_t)feed_number(&input, 2);
	sparse_open(&disk, DISK_SIZE, 512);
	disk.on_write = on_write;
	disk.on_read = on_read;
	for (int i = 0; i < 2; i++) {
		copies[i].size = (size_t)board.flag_size;
		copy_read(&copies[i], &input, i ? SIZE_MAX : first_len, serials[i],
			  options & (i ? DAMAGED_1 : DAMAGED_0),
			  !(options & (i ? UNREADABLE_1 : UNREADABLE_0)));
		sparse_put(&disk, i ? OFF_1 : OFF_0, copies[i].bytes, copies[i].size);
		if (!copies[i].readable)
			disk.bad[disk.bad_count++] = i ? OFF_1 : OFF_0;
	}
	ubootenv_init(&env, &disk.dev, &board);
	detail = env.store.ops->load(&env.store, &flags, &fault);
	/* U-Boot believes the copy that it can read; who may store what was read must not. */
	if (disk.bad_count)
		must(detail == DETAIL_DEVICE_READ);
	else if (active(copies) < 0 || is_default(&copies[active(copies)]))
		must(detail == DETAIL_FLAGS_DAMAGED);
	else
		must(detail == DETAIL_OK);
	if (!detail)
		check_loaded(&flags, &copies[active(copies)]);
	must(!disk.writes);
	disk.dead = options & DEAD;
	store(&wanted, copies, options & ANEW);
	sparse_close(&disk);
	return 0;
}

static void seed(unsigned int options, unsigned int serials, unsigned int flags, const char *first,
		 size_t first_len, const char *second, size_t second_len)
{
	static struct bytes all;

	all.len = 0;
	bytes_number(&all, options, 2);
	bytes_number(&all, serials, 2);
	bytes_number(&all, flags, 3);
	bytes_number(&all, first_len, 2);
	bytes_add(&all, first, first_len);
	bytes_add(&all, second, second_len);
	fuzz_seed(all.at, all.len);
}

#define TEXT(s) s, sizeof(s)

void fuzz_make_seeds(void)
{
	static const char one[] = "BOOT_ORDER=A B2\0BOOT_A_LEFT=3\0BOOT_B2_LEFT=1\0BOOT_A_GOOD=1\0"
				  "BOOT_RECOVERY=0\0bootdelay=2\0";
	static const char two[] = "arch=arm\0BOOT_ORDER=B2\0BOOT_B2_GOOD=1\0BOOT_RECOVERY=1\0"
				  "BOOT_RECOVERY_REASON=Asked-for!\0other=x\0";
	static const char *const orders[] = {"BOOT_ORDER=A  B2",
					     "BOOT_ORDER=A ",
					     "BOOT_ORDER=A A",
					     "BOOT_ORDER=C",
					     "BOOT_ORDER=TOOLONGNAME",
					     "BOOT_ORDER=",
					     "BOOT_ORDER",
					     "=x",
					     "BOOT_A_LEFT=12",
					     "BOOT_ENVIRONMENT=default",
					     "BOOT_ENVIRONMENT"};
	static const unsigned int serials[] = {0x0102, 0x0201, 0xff00, 0x00ff, 0x0505, 0xfe01};
	static char full[4096];

	for (size_t i = 0; i < COUNT(serials); i++)
		seed(4, serials[i], 0x12530f, TEXT(one), TEXT(two));
	for (unsigned int bit = 1; bit <= ANEW; bit *= 2)
		seed(bit, 0x0102, 0x12530f, TEXT(one), TEXT(two));
	seed(DAMAGED_0 | DAMAGED_1, 0, 0, TEXT(one), TEXT(two));
	seed(DAMAGED_0 | DAMAGED_1 | ANEW, 0, 0x12530f, TEXT(one), TEXT(two));
	seed(UNREADABLE_0 | UNREADABLE_1, 0, 0, TEXT(one), TEXT(two));
	seed(DAMAGED_0 | UNREADABLE_1 | ANEW, 0, 0, TEXT(one), TEXT(two));
	for (size_t i = 0; i < COUNT(orders); i++)
		seed(0, 0x0201, 0x020000, orders[i], strlen(orders[i]) + 1, TEXT(one));
	memset(full, 'x', sizeof(full));
	seed(0, 0x0201, 0, full, 512, TEXT(one)); /* a variable without end */
	full[400] = 0;
	seed(0, 0x0201, 0, full, 401, TEXT(one)); /* no room */
	seed(0, 0x0201, 0x020000,
	     TEXT("BOOT_A_LEFT=1\0BOOT_A_LEFT=2\0BOOT_A_GOOD=1\0BOOT_A_GOOD=2"), TEXT(one));
}
