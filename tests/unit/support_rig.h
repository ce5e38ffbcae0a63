/*
 * A device in memory for the install tests: a disk with one or two slots, release 9 in slot A, good
 * and known to the device record, and everything that core's install engine works on. And what the
 * disk says, read independently of core.
 */
#ifndef SUPPORT_RIG_H
#define SUPPORT_RIG_H

#include "support.h"

#include "install.h"
#include "ubootenv.h"

enum {
	ENV_A = 0x10000,
	ENV_B = 0x18000,
	ENV_SIZE = 0x1000,
	BOOT_LEN = 0x10000,
	SYSTEM_LEN = 0x40000,
};

struct rig {
	size_t slots;
	uint32_t sector;
	struct part parts[8];
	size_t part_count;
	uint64_t size;
	struct memdisk *disk;
	uint8_t *pristine; /* the disk before the test */
	struct memstorage storage;
	struct board board;
	struct gpt gpt;
	struct ubootenv env;
	struct state state;
	struct memclock clock;
	struct memobserver observer;
	struct trust trust;
	struct device device;
	struct pkg *installed; /* release 9, in slot A */
	struct pkg *package;   /* release 10 */
	struct result result;
	struct fault fault;
	struct memsource source;
};
extern struct rig rig;
extern uint64_t rig_data_len; /* of the partition "data"; not 0: there is one "logs" too */
extern const struct install_options rig_any_slot;

struct pkg *rig_package(uint64_t release, uint64_t seed, const char *product);
struct part *rig_part(const char *label);
/* Everything that a start of the program makes anew, from what the medium holds. */
void rig_boot(int running);
void rig_put_slot(uint8_t *disk, int slot, const struct pkg *pkg);
/* Release 9 is in slot A, good, and known to the device record; slot B holds something else. */
void rig_new_of(size_t slots, uint64_t system_len, uint32_t sector);
void rig_new(size_t slots);
void rig_restore(int running);
enum detail rig_install_with(const struct pkg *pkg, const struct install_options *options);
enum detail rig_install(const struct pkg *pkg);
/* The boot flags, both copies saying the same, as after U-Boot's own saves; on the medium at once.
 */
void rig_env_put(const char *order, const char *a_left, const char *a_good, const char *b_left,
		 const char *b_good, const char *recovery);
const uint8_t *rig_env_of(const uint8_t *disk);
char rig_choice_of(const uint8_t *disk);
bool rig_slot_holds(const uint8_t *disk, int slot, const struct pkg *pkg);
const char *rig_env(const char *name);
/* I4: what the boot loader would start is a complete system, or recovery. */
void rig_i4_holds_on(const uint8_t *disk);
void rig_part_untouched(const char *label);
bool rig_env_untouched(void);
bool rig_is_target_dev(const char *label);
/* How the install ended, and that the same is stored; a slot below 0: any. */
void rig_result_is(enum detail detail, int slot);
/* A bit turns in one copy of the boot flags, or in both. */
void rig_damage_env(bool both);
/* No partition of a system and no flag was written to; the running system boots as before. */
void rig_nothing_was_changed(void);

#endif
