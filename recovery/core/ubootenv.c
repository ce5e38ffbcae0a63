#include "ubootenv.h"
#include "bytes.h"
#include "crc32.h"
#include "text.h"

#include <string.h>

/* struct environment_s of U-Boot (include/env_internal.h) with a redundant environment. */
#define ENV_CRC 0    /* little-endian on the boards that this store is for */
#define ENV_SERIAL 4 /* "flags": counts up with each save */
#define ENV_DATA 5

/*
 * U-Boot must store a try before it starts a trial, and adds variables of its own when it does:
 * stdin, stdout and stderr with the name of the console, of up to some 35 characters.
 */
#define UBOOT_ADDS 128

static const char the_store[] = "U-Boot environment (boot flags)";

enum copy_state { COPY_VALID, COPY_DAMAGED, COPY_UNREADABLE };

/* A buffer of environment data that is being put together. */
struct writer {
	uint8_t *at;
	size_t size, len;
	bool full;
};

static void put(struct writer *w, const void *p, size_t len)
{
	/* One byte stays free for the zero that ends the whole. */
	if (w->full || !range_within(w->len, len + 1, w->size)) {
		w->full = true;
		return;
	}
	memcpy(w->at + w->len, p, len);
	w->len += len;
}

static void put_variable(struct writer *w, const char *name, const char *value)
{
	put(w, name, strlen(name));
	put(w, "=", 1);
	put(w, value, strlen(value) + 1);
}

static enum copy_state read_copy(struct ubootenv *env, int i, int *error)
{
	uint8_t *copy = env->copy[i];
	size_t size = (size_t)env->board->flag_size;
	int failed = env->disk->ops->read(env->disk, env->board->flag_off[i], copy, size);

	/* Once more: media have their moments. */
	if (failed)
		failed = env->disk->ops->read(env->disk, env->board->flag_off[i], copy, size);
	if (failed) {
		*error = failed;
		return COPY_UNREADABLE;
	}
	if (crc32(copy + ENV_DATA, size - ENV_DATA) != load_le32(copy + ENV_CRC))
		return COPY_DAMAGED;
	return COPY_VALID;
}

/* env_check_redund() of U-Boot: the higher serial counts, and 0 comes after 255. */
static int newer(uint8_t serial0, uint8_t serial1)
{
	if (serial0 == 255 && serial1 == 0)
		return 1;
	if (serial1 == 255 && serial0 == 0)
		return 0;
	return serial1 > serial0 ? 1 : 0;
}

/*
 * Reads both copies; the number of the one that counts, or -1 with the fault set. A copy that
 * cannot be read may be the newer one: then the other one is not believed (U-Boot does), because
 * who stores what it says, a moment later when both can be read, makes bootable again what was
 * marked as a target; and nothing is stored over it.
 */
static int read_both(struct ubootenv *env, struct fault *fault)
{
	int error = 0;
	const enum copy_state state[2] = {read_copy(env, 0, &error), read_copy(env, 1, &error)};

	if (error) {
		fault_errno(fault, DETAIL_DEVICE_READ, the_store, error);
		return -1;
	}
	if (state[0] == COPY_VALID && state[1] == COPY_VALID)
		return newer(env->copy[0][ENV_SERIAL], env->copy[1][ENV_SERIAL]);
	if (state[0] == COPY_VALID || state[1] == COPY_VALID)
		return state[0] == COPY_VALID ? 0 : 1;
	fault_set(fault, DETAIL_FLAGS_DAMAGED, the_store);
	return -1;
}

/* The length of the variable at off, without its ending zero; 0 at the end of the data. */
static size_t variable_len(const uint8_t *data, size_t size, size_t off)
{
	size_t len = 0;

	while (off + len < size && data[off + len])
		len++;
	return len;
}

/* Of a name that is there twice the last counts, as U-Boot reads it. */
static const char *find(const uint8_t *data, size_t size, const char *name)
{
	size_t name_len = strlen(name), len;
	const char *found = NULL;

	for (size_t off = 0; (len = variable_len(data, size, off)); off += len + 1) {
		if (off + len >= size) /* not ended: no string to hand out */
			break;
		if (len > name_len && !memcmp(data + off, name, name_len) &&
		    data[off + name_len] == '=')
			found = (const char *)data + off + name_len + 1;
	}
	return found;
}

/*
 * U-Boot's compiled-in environment, which says so (qemu/u-boot.env), was stored by somebody: the
 * boot script starts recovery, as if both copies were damaged.
 */
static bool is_default(const uint8_t *data, size_t size)
{
	const char *value = find(data, size, "BOOT_ENVIRONMENT");

	return value && !strcmp(value, "default");
}

static void slot_variable(const struct board *board, size_t slot, const char *end, char *name,
			  size_t size)
{
	struct text t = {.at = name, .size = size, .len = 0};

	text_add(&t, "BOOT_");
	text_add(&t, board->slots[slot].name);
	text_add(&t, end);
}

/*
 * Reads the order as the boot script does, to the letter: names of slots, one space between them.
 * What the script would not understand is no order here either, so that nobody is told that a slot
 * will be started when it will not.
 */
static void load_order(const struct board *board, const char *value, struct flags *flags)
{
	while (*value) {
		char name[sizeof(board->slots[0].name)];
		struct text t = TEXT_IN(name);
		size_t len = 0;
		int slot;

		text_clear(&t);
		for (; *value && *value != ' '; value++, len++)
			text_char(&t, *value);
		slot = len < sizeof(name) ? board_slot(board, name) : -1;
		if (slot < 0 || flags_in_order(flags, (size_t)slot) || (*value && !value[1])) {
			flags->order_count = 0;
			return;
		}
		flags->order[flags->order_count++] = (uint8_t)slot;
		if (*value)
			value++;
	}
}

/* One digit from 1 to 9, as the boot script counts; what is none is no try. */
static uint32_t load_tries(const char *value)
{
	return value && *value >= '1' && *value <= '9' && !value[1] ? (uint32_t)(*value - '0') : 0;
}

static void load_flags(const struct board *board, const uint8_t *data, size_t size,
		       struct flags *flags)
{
	char name[32];
	const char *value;

	memset(flags, 0, sizeof(*flags));
	value = find(data, size, "BOOT_ORDER");
	if (value)
		load_order(board, value, flags);
	for (size_t i = 0; i < board->slot_count; i++) {
		slot_variable(board, i, "_LEFT", name, sizeof(name));
		flags->slot[i].tries = load_tries(find(data, size, name));
		slot_variable(board, i, "_GOOD", name, sizeof(name));
		value = find(data, size, name);
		flags->slot[i].good = value && !strcmp(value, "1");
	}
	value = find(data, size, "BOOT_RECOVERY");
	flags->recovery = value && !strcmp(value, "1");
	value = find(data, size, "BOOT_RECOVERY_REASON");
	flags_set_reason(flags, value ? value : "");
}

static enum detail env_load(struct flag_store *store, struct flags *flags, struct fault *fault)
{
	struct ubootenv *env = (struct ubootenv *)store;
	size_t size = (size_t)env->board->flag_size - ENV_DATA;
	struct fault why;
	int current = read_both(env, &why);

	if (current < 0) {
		if (fault)
			*fault = why;
		return why.detail;
	}
	if (is_default(env->copy[current] + ENV_DATA, size))
		return fault_set(fault, DETAIL_FLAGS_DAMAGED, the_store);
	load_flags(env->board, env->copy[current] + ENV_DATA, size, flags);
	return DETAIL_OK;
}

static bool is_ours(const struct board *board, const uint8_t *variable, size_t len)
{
	static const char *const fixed[] = {"BOOT_ORDER", "BOOT_RECOVERY", "BOOT_RECOVERY_REASON",
					    "BOOT_ENVIRONMENT"};
	static const char *const ends[] = {"_LEFT", "_GOOD"};
	char name[32];
	size_t name_len = 0;

	while (name_len < len && variable[name_len] != '=')
		name_len++;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (name_len == strlen(fixed[i]) && !memcmp(variable, fixed[i], name_len))
			return true;
	for (size_t i = 0; i < board->slot_count * 2; i++) {
		slot_variable(board, i / 2, ends[i % 2], name, sizeof(name));
		if (name_len == strlen(name) && !memcmp(variable, name, name_len))
			return true;
	}
	return false;
}

/* Everything that is not ours, in its order, then ours. */
static void write_data(const struct ubootenv *env, struct writer *w, const uint8_t *old,
		       size_t size, const struct flags *flags)
{
	char name[32], value[32];
	struct text t = TEXT_IN(value);
	size_t len;

	for (size_t off = 0; old && (len = variable_len(old, size, off)) && off + len < size;
	     off += len + 1)
		if (!is_ours(env->board, old + off, len))
			put(w, old + off, len + 1);
	text_clear(&t);
	for (size_t i = 0; i < flags->order_count; i++) {
		if (i)
			text_char(&t, ' ');
		text_add(&t, env->board->slots[flags->order[i]].name);
	}
	put_variable(w, "BOOT_ORDER", value);
	for (size_t i = 0; i < env->board->slot_count; i++) {
		text_clear(&t);
		text_u64(&t, flags->slot[i].tries);
		slot_variable(env->board, i, "_LEFT", name, sizeof(name));
		put_variable(w, name, value);
		slot_variable(env->board, i, "_GOOD", name, sizeof(name));
		put_variable(w, name, flags->slot[i].good ? "1" : "0");
	}
	put_variable(w, "BOOT_RECOVERY", flags->recovery ? "1" : "0");
	if (*flags->reason)
		put_variable(w, "BOOT_RECOVERY_REASON", flags->reason);
}

/*
 * Writes one copy, flushes it, and reads it back from the medium. Returns 0, an errno, or -1: other
 * bytes came back.
 */
static int write_and_look(struct ubootenv *env, int i, uint8_t *scratch)
{
	struct dev *disk = env->disk;
	uint64_t off = env->board->flag_off[i];
	size_t size = (size_t)env->board->flag_size;
	int error = disk->ops->write(disk, off, env->copy[i], size);

	if (!error)
		error = disk->ops->flush(disk);
	if (!error)
		error = disk->ops->read(disk, off, scratch, size);
	if (!error && memcmp(scratch, env->copy[i], size))
		error = -1;
	return error;
}

/*
 * A store that nobody saw arrive is no store. It is tried once more; then the copy is made
 * worthless, so that what is reported as not stored does not count after all at the next start.
 */
static enum detail write_copy(struct ubootenv *env, int i, uint8_t *scratch, struct fault *fault)
{
	int error = write_and_look(env, i, scratch);

	if (error)
		error = write_and_look(env, i, scratch);
	if (!error)
		return DETAIL_OK;
	memset(env->copy[i], 0, (size_t)env->board->flag_size);
	write_and_look(env, i, scratch);
	return fault_errno(fault, DETAIL_FLAGS_NOT_STORED, the_store, error < 0 ? 0 : error);
}

/*
 * Lays out what a store would write, in the buffer of the copy that does not count: *other. spare:
 * bytes that have to stay free.
 */
static enum detail lay_out(struct ubootenv *env, const struct flags *flags, bool anew, size_t spare,
			   int *other, struct fault *fault)
{
	size_t size = (size_t)env->board->flag_size;
	struct fault why;
	int current = read_both(env, &why);
	uint8_t *copy;

	*other = current < 0 ? 0 : 1 - current;
	if (current < 0 && !(anew && why.detail == DETAIL_FLAGS_DAMAGED)) {
		if (fault)
			*fault = why;
		return why.detail;
	}
	if (current >= 0 && !anew && is_default(env->copy[current] + ENV_DATA, size - ENV_DATA))
		return fault_set(fault, DETAIL_FLAGS_DAMAGED, the_store);
	copy = env->copy[*other];
	struct writer w = {.at = copy + ENV_DATA, .size = size - ENV_DATA};
	memset(copy, 0, size);
	write_data(env, &w, current < 0 ? NULL : env->copy[current] + ENV_DATA, size - ENV_DATA,
		   flags);
	if (w.full || w.size - w.len <= spare)
		return fault_set(fault, DETAIL_FLAGS_FULL, the_store);
	copy[ENV_SERIAL] = current < 0 ? 1 : (uint8_t)(env->copy[current][ENV_SERIAL] + 1);
	store_le32(copy + ENV_CRC, crc32(copy + ENV_DATA, size - ENV_DATA));
	return DETAIL_OK;
}

static enum detail env_store(struct flag_store *store, const struct flags *flags, bool anew,
			     struct fault *fault)
{
	struct ubootenv *env = (struct ubootenv *)store;
	int other;
	enum detail detail = lay_out(env, flags, anew, 0, &other, fault);

	/*
	 * The current copy's buffer has done its work and takes the read-back; its medium is not
	 * touched.
	 */
	return detail ? detail : write_copy(env, other, env->copy[1 - other], fault);
}

static enum detail env_fits(struct flag_store *store, const struct flags *flags, bool anew,
			    struct fault *fault)
{
	int other;

	return lay_out((struct ubootenv *)store, flags, anew, UBOOT_ADDS, &other, fault);
}

void ubootenv_init(struct ubootenv *env, struct dev *disk, const struct board *board)
{
	static const struct flag_store_ops ops = {
		.load = env_load, .store = env_store, .fits = env_fits};

	env->store.ops = &ops;
	env->disk = disk;
	env->board = board;
}
