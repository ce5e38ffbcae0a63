/*
 * The device that the simulator works on: a small disk with everything that a real one has (both
 * copies of a partition table, both copies of the boot flags, slots, recovery, state, data, and
 * gaps between them), packages for it, and core's engine wired to it as recovery/app.c wires it.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "../unit/support.h"

#include "disk.h"
#include "install.h"
#include "ubootenv.h"

enum {
	SIM_ENV_A = 0x8000,
	SIM_ENV_B = 0xc000,
	SIM_PARTS = 0x10000, /* the first partition */
	SIM_BOOT_LEN = 0x3000,
	SIM_SYSTEM_LEN = 0x6000,
};

/* Packages by what they are. Their releases: sim_packages in world.c. */
enum sim_package {
	PKG_8,	      /* in slot B at the start */
	PKG_9,	      /* in slot A at the start */
	PKG_10,	      /* the update */
	PKG_11,	      /* another update */
	PKG_6,	      /* below the floor */
	PKG_DAMAGED,  /* release 10 with a chunk that was changed after signing */
	PKG_STRANGER, /* release 10, signed with a key that the device does not trust */
	PKGS,
	PKG_NONE = -1,
};

struct world {
	size_t slots;
	const struct physics *physics;
	uint64_t env_size, size;
	size_t part_count;
	struct part parts[8];
	struct sim_part *part[8]; /* of the disk, as in parts */
	struct pkg *package[PKGS];
	uint64_t floor[PKGS], epoch[PKGS], release[PKGS];
	struct board board;
	struct sim_disk disk;

	/* What a start of the program makes anew. */
	struct gpt gpt;
	struct storage storage;
	struct ubootenv env;
	struct state state;
	struct clock clock;
	struct trust trust;
	struct front front;
	uint8_t buffer[CHUNK_SIZE_MAX];
	struct device device;
	struct observer observer;
	bool hostile;	     /* the observer stores log lines at every occasion */
	enum step step;	     /* that was told last */
	uint64_t stop_after; /* somebody interrupts after so many writes to slots; 0: nobody */
};

/* A disk as it leaves the factory, release 9 in A (and 8 in B) confirmed. Called once for a world.
 */
void world_init(struct world *world, size_t slots, const struct physics *physics);
void world_free(struct world *world);

/*
 * A start of recovery (running: -1) or of the system in a slot: nothing in memory is as it was.
 * Details: what gpt_load, plan_check_board, state_open and the storage give.
 */
enum detail world_start(struct world *world, int running, struct fault *fault);

/* Runs the engine on a package, as if from a stick. */
enum detail world_install(struct world *world, enum sim_package package, bool allow_older,
			  struct result *result);

const struct part *world_part(const struct world *world, const char *label);
struct sim_part *world_dev(struct world *world, const char *label);
/* The i-th image's partition of a slot (0 boot, 1 system). */
const struct part *world_slot_part(const struct world *world, size_t slot, size_t image);
/* Writes both copies of the boot flags to the disk's present content. vars as env_make wants them.
 */
void world_put_env(struct world *world, uint8_t serial, const char *vars, size_t vars_len);
void world_put_slot(struct world *world, size_t slot, enum sim_package package);
const char *package_name(int package);

#endif
