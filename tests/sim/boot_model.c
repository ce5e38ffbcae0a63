#include "boot_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENV_HEADER 5	   /* CRC-32 of the data, serial */
#define VARIABLES_MAX 4500 /* more than an environment of 16 KiB can hold (qemu/u-boot.config) */

/* qemu/u-boot.env: the environment when neither copy is valid. */
static const char default_environment[] = "BOOT_ORDER=\0BOOT_ENVIRONMENT=default\0";

/* Variables that recovery/components/u-boot.recipe locks: they are neither taken from storage nor
 * set. */
static const char *const locked[] = {
	".flags",	".callbacks",	 "verify",   "autostart",    "bootm_low",
	"bootm_size",	"bootm_mapsize", "fdt_high", "initrd_high",  "skip_board_fixup",
	"silent_linux", "baudrate",	 "IFS",	     "HUSH_NO_EVAL",
};

/* What the script removes before it starts: every name of its own, and the control tree's address.
 */
static const char *const removed[] = {
	"fdtcontroladdr", "lb_blocks", "lb_found", "lb_go",    "lb_good",  "lb_left",	"lb_must",
	"lb_next",	  "lb_number", "lb_ok",	   "lb_order", "lb_part",  "lb_reason", "lb_root",
	"lb_s",		  "lb_size",   "lb_slot",  "lb_start", "lb_total", "lb_tree",	"lb_uuid",
};

/* What it clears before it stores; they have no place in the stored environment. */
static const char *const cleared[] = {
	"bootargs", "fdtaddr",	"lb_blocks", "lb_number",
	"lb_size",  "lb_start", "lb_total",  "lb_uuid",
};

struct variable {
	char *name, *value;
};

struct loader {
	const struct boot_model *model;
	char *text; /* what names and values point into */
	struct variable *variables;
	size_t count;
	int valid;	/* gd->env_valid: the copy that counts; the other one is written */
	uint8_t serial; /* env_flags of env/common.c */
	struct boot_choice *choice;
};

/* --- CRC-32 of zlib, eight bytes at a time: the simulator reads an environment for every cut
 * ---------------------- */

static uint32_t crc_table[8][256];

static void make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
		crc_table[0][i] = c;
	}
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++)
			crc_table[k][i] =
				crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 0xff];
}

static uint32_t crc(const uint8_t *p, size_t len)
{
	uint32_t c = 0xffffffff;

	if (!crc_table[0][1])
		make_crc_table();
	for (; len >= 8; p += 8, len -= 8) {
		uint32_t low = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
				    (uint32_t)p[3] << 24);

		c = crc_table[7][low & 0xff] ^ crc_table[6][low >> 8 & 0xff] ^
		    crc_table[5][low >> 16 & 0xff] ^ crc_table[4][low >> 24] ^ crc_table[3][p[4]] ^
		    crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
	}
	while (len--)
		c = c >> 8 ^ crc_table[0][(c ^ *p++) & 0xff];
	return ~c;
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* --- The table of variables (lib/hashtable.c, cmd/nvedit.c)
 * ------------------------------------------------------- */

static bool is_locked(const char *name)
{
	for (size_t i = 0; i < sizeof(locked) / sizeof(*locked); i++) {
		const char *p = locked[i], *n = name;

		while (*p && *n && (*p == *n || *p == '.'))
			p++, n++;
		if (!*p && !*n)
			return true;
	}
	return false;
}

static struct variable *find(const struct loader *u, const char *name)
{
	for (size_t i = 0; i < u->count; i++)
		if (!strcmp(u->variables[i].name, name))
			return &u->variables[i];
	return NULL;
}

/* setenv NAME VALUE; NULL removes. Names and values stay the caller's. */
static void set(struct loader *u, const char *name, const char *value)
{
	struct variable *v = find(u, name);

	if (!value) {
		if (v)
			*v = u->variables[--u->count];
	} else if (v) {
		v->value = (char *)(uintptr_t)value;
	} else if (!is_locked(name) && u->count < VARIABLES_MAX) {
		u->variables[u->count++] =
			(struct variable){(char *)(uintptr_t)name, (char *)(uintptr_t)value};
	}
}

/* strcmp of lib/string.c: the sign of the difference as a signed char. */
static int by_name(const void *a, const void *b)
{
	const char *p = ((const struct variable *)a)->name, *q = ((const struct variable *)b)->name;

	while (*p && *p == *q)
		p++, q++;
	return (signed char)(*p - *q);
}

/* One "name=value" of himport_r at *at, which ends in a zero; false: the import fails there. */
static bool import_one(struct loader *u, char **at)
{
	char *p = *at, *name, *value, *end;

	while (*p == ' ' || *p == '\t')
		p++;
	if (*p == '#') {
		*at = p + strlen(p) + 1;
		return true;
	}
	name = p;
	while (*p != '=' && *p)
		p++;
	if (!*p || !p[1]) { /* "name" and "name=" remove it */
		if (*p)
			*p++ = 0;
		*at = p + 1;
		set(u, name, NULL);
		return true;
	}
	*p++ = 0;
	for (value = end = p; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		*end++ = *p;
	}
	*end = 0;
	*at = p + 1;
	if (!*name)
		return false;
	set(u, name, value);
	return true;
}

/* himport_r over size bytes at u->text. */
static bool import(struct loader *u, size_t size)
{
	char *p = u->text;

	u->count = 0;
	u->text[size] = u->text[size + 1] = 0;
	/* At least one is read: an empty one at the front does not end it, as one further on does.
	 */
	do {
		if (!import_one(u, &p))
			return false;
	} while (p < u->text + size && *p);
	return true;
}

static void import_default(struct loader *u)
{
	memcpy(u->text, default_environment, sizeof(default_environment));
	import(u, sizeof(default_environment));
}

/* --- The environment on the card (env/common.c, env/mmc.c)
 * -------------------------------------------------------- */

/* env_check_redund(): the copy that counts, or -1. */
static int choose_copy(const bool ok[2], const uint8_t serial[2])
{
	if (!ok[0] || !ok[1])
		return ok[0] ? 0 : ok[1] ? 1 : -1;
	if (serial[0] == 255 && serial[1] == 0)
		return 1;
	if (serial[1] == 255 && serial[0] == 0)
		return 0;
	return serial[1] > serial[0] ? 1 : 0;
}

static void load_environment(struct loader *u)
{
	struct dev *disk = u->model->disk;
	size_t size = (size_t)u->model->env_size;
	uint8_t *copy[2] = {malloc(size), malloc(size)}, serial[2];
	bool ok[2];
	int chosen;

	for (int i = 0; i < 2; i++) {
		ok[i] = !disk->ops->read(disk, u->model->env_off[i], copy[i], size) &&
			crc(copy[i] + ENV_HEADER, size - ENV_HEADER) == le32(copy[i]);
		serial[i] = copy[i][4];
	}
	chosen = choose_copy(ok, serial);
	if (chosen >= 0) {
		u->valid = chosen;
		u->serial = serial[chosen];
		memcpy(u->text, copy[chosen] + ENV_HEADER, size - ENV_HEADER);
	}
	if (chosen < 0 || !import(u, size - ENV_HEADER))
		import_default(u);
	free(copy[0]);
	free(copy[1]);
}

/* hexport_r: sorted, a backslash before each backslash; false: there is no room. */
static bool export(struct loader *u, uint8_t *data, size_t size)
{
	size_t at = 0;

	qsort(u->variables, u->count, sizeof(*u->variables), by_name);
	memset(data, 0, size);
	for (size_t i = 0; i < u->count; i++) {
		const char *name = u->variables[i].name, *value = u->variables[i].value;

		if (at + strlen(name) + 2 * strlen(value) + 3 > size) {
			size_t slashes = 0;

			for (const char *p = value; *p; p++)
				slashes += *p == '\\';
			if (at + strlen(name) + strlen(value) + slashes + 3 > size)
				return false;
		}
		memcpy(data + at, name, strlen(name));
		at += strlen(name);
		data[at++] = '=';
		for (const char *p = value; *p; p++) {
			if (*p == '\\')
				data[at++] = '\\';
			data[at++] = (uint8_t)*p;
		}
		at++;
	}
	return true;
}

/* env save: to the copy that does not count; when it is stored, it counts. */
static bool save(struct loader *u)
{
	struct dev *disk = u->model->disk;
	size_t size = (size_t)u->model->env_size;
	uint8_t *copy = malloc(size);
	uint32_t sum;
	bool ok = false;

	if (export(u, copy + ENV_HEADER, size - ENV_HEADER)) {
		sum = crc(copy + ENV_HEADER, size - ENV_HEADER);
		for (int i = 0; i < 4; i++)
			copy[i] = (uint8_t)(sum >> 8 * i);
		copy[4] = ++u->serial; /* counted up whether or not it can be written */
		ok = !disk->ops->write(disk, u->model->env_off[1 - u->valid], copy, size) &&
		     !disk->ops->flush(disk);
	}
	if (ok)
		u->valid = 1 - u->valid;
	free(copy);
	return ok;
}

/* --- The script (qemu/boot.cmd)
 * ----------------------------------------------------------------------------------- */

/* test "$NAME" = "CONSTANT". The shell makes a space of a line feed; quotes and backslashes: see
 * the header. */
static bool is(const struct loader *u, const char *name, const char *constant)
{
	const struct variable *v = find(u, name);
	const char *p = v ? v->value : "";

	for (; *p && *constant; p++, constant++)
		if (*p != *constant && !(*p == '\n' && *constant == ' '))
			return false;
	return !*p && !*constant;
}

/* lb_next: one try less, or -1. */
static int next_tries(const struct loader *u, const char *left)
{
	for (int i = 1; i <= 9; i++)
		if (is(u, left, (char[]){(char)('0' + i), 0}))
			return i - 1;
	return -1;
}

static void store_tries(struct loader *u, const char *left, int tries, bool *stored)
{
	static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};

	for (size_t i = 0; i < sizeof(cleared) / sizeof(*cleared); i++)
		set(u, cleared[i], NULL);
	set(u, left, digits[tries]);
	*stored = save(u);
}

/* One turn of the script's loop for a slot; true: it runs. */
static bool try_slot(struct loader *u, char slot, bool must_be_good, const char **reason)
{
	const struct boot_model *m = u->model;
	const char *left = slot == 'A' ? "BOOT_A_LEFT" : "BOOT_B_LEFT";
	const char *mark = slot == 'A' ? "BOOT_A_GOOD" : "BOOT_B_GOOD";
	int next = next_tries(u, left);
	bool good = is(u, mark, "1"), go;

	if (next < 0 || (must_be_good && !good))
		return false;
	store_tries(u, left, next, &go);
	if (!go)
		go = good;
	if (m->root_found && !m->root_found(m->context, slot))
		go = false;
	if (!go)
		return false;
	if (m->image_ok(m->context, slot)) {
		u->choice->started = slot;
		return true;
	}
	*reason = "boot-image-invalid";
	store_tries(u, left, 0, &go);
	return false;
}

static void run_script(struct loader *u)
{
	static const char *const orders[] = {"A B", "B A", "A", "B"};
	const struct boot_model *m = u->model;
	const char *order = "", *reason = "no-slot";

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		if (is(u, "BOOT_ORDER", orders[i])) {
			order = orders[i];
			reason = "no-tries-left";
		}
	}
	if (is(u, "BOOT_ENVIRONMENT", "default")) {
		order = "";
		reason = "environment-damaged";
	}
	if (is(u, "BOOT_RECOVERY", "1")) {
		order = "";
		reason = "request";
	}
	for (; *order; order++)
		if (*order != ' ' && try_slot(u, *order, false, &reason))
			return;
	if (m->image_ok(m->context, 'R')) {
		u->choice->started = 'R';
		snprintf(u->choice->reason, sizeof(u->choice->reason), "%s", reason);
		return;
	}
	/* The last resort. */
	if (!try_slot(u, 'A', true, &reason))
		try_slot(u, 'B', true, &reason);
}

void boot_model_start(const struct boot_model *model, struct boot_choice *choice)
{
	struct loader u = {.model = model, .choice = choice};
	const char *console = model->console ? model->console : "pl011@9000000";
	size_t room = (size_t)model->env_size;

	memset(choice, 0, sizeof(*choice));
	choice->started = '-';
	u.text = malloc((room > sizeof(default_environment) ? room : sizeof(default_environment)) +
			2);
	u.variables = malloc(VARIABLES_MAX * sizeof(*u.variables));
	load_environment(&u);
	set(&u, "stderr", console);
	set(&u, "stdin", console);
	set(&u, "stdout", console);
	for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++)
		set(&u, removed[i], NULL);
	run_script(&u);
	free(u.variables);
	free(u.text);
}
