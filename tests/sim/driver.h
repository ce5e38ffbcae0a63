/*
 * What happens from power on until nothing more happens by itself: the boot loader (boot_model.h)
 * chooses, and recovery or a system does with core what the device program does (session.c,
 * recover.c, offer.c, verbs_device.c), for a person with a stick and an update agent whose wishes
 * the scenario has.
 */
#ifndef SIM_DRIVER_H
#define SIM_DRIVER_H

#include "oracle.h"

enum health {
	HEALTH_OK,
	HEALTH_FAILS, /* the checks fail, and say so */
	HEALTH_HANGS, /* it never gets as far; a watchdog or a person restarts it */
};

struct scenario {
	const char *name;
	size_t slots;
	void (*prepare)(struct world *world); /* the disk at the start, after world_init */
	enum sim_package stick;		      /* in the slot for sticks whenever recovery looks */
	enum sim_package agent; /* what the system's update agent wants to be installed */
	bool agrees_to_older;
	bool by_hand;	    /* the person chooses the package, even one that has failed */
	bool asks;	    /* the person wants to see recovery once */
	bool wipes;	    /* and to wipe from there */
	bool wipes_by_menu; /* the person chooses it in recovery's menu, once */
	bool no_recovery;   /* recovery's image is not valid */
	bool many_ends; /* an error may lead to the same system by another way, in another slot */
	bool floods;	/* the observer stores log lines at every occasion (I10) */
	struct sim_fault always; /* something is broken throughout (I10) */
	enum health health[PKGS];
	bool blank;	       /* nothing has proved itself at the start */
	enum sim_package runs; /* at the end; PKG_NONE: recovery waits for a person */
};

/* What people remember; power cuts do not take it away. */
struct person {
	uint8_t has_seen_recovery;
	uint8_t has_wiped;
};

struct driver {
	struct world *world;
	struct oracle *oracle;
	const struct scenario *scenario;
	struct person person;
	bool insists; /* the person asks for recovery until the end is as it should be */
	bool trace;

	/* Of the last install, for whoever asks what is usual. */
	enum detail last, last_plan;
	/*
	 * The call during which a medium that fails on purpose failed first, and what it said of
	 * it. NULL: none yet. by_loader: it was the boot loader.
	 */
	const char *struck;
	struct fault said;
	bool by_loader;
};

/* From power on to the end. Returns true when recovery waits for a person, false: a system runs. */
bool driver_run(struct driver *driver);

#endif
