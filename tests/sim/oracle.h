/*
 * The judge: holds every operation, every state that a cut leaves, every start and every end
 * against the invariants I1 to I11 of DESIGN.md. It reads the disk itself (look.h) and knows what
 * the packages hold; it asks core nothing.
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include <setjmp.h>

#include "look.h"
#include "outcome.h"

/* What the driver is doing, as far as it decides what may be written. */
struct doing {
	int running;	  /* slot, -1: recovery or the boot loader */
	int installing;	  /* package, or PKG_NONE */
	int flipped;	  /* slot that this install made bootable, -1: none yet */
	uint64_t results; /* that were stored when it began */
	bool confirming;  /* the running system has passed its checks */
	bool wiping;	  /* user data is erased */
	bool new_data;	  /* the system writes user data */
};

/*
 * Stores of the boot flags that earlier cuts tore: a later store to the same copy that is torn too
 * may leave one of them whole.
 */
#define TORN_MAX 8
struct torn {
	struct look_env env[TORN_MAX];
	size_t count;
};

struct oracle {
	struct world *world;
	struct doing doing;
	struct torn torn;
	bool errors; /* operations fail, on purpose */
	/* A system that hangs is started again and again where no try can be taken away. */
	bool may_go_round;
	bool one_proved;  /* at the start one slot held a confirmed system (I11) */
	uint8_t *proof;	  /* a byte for each unit of the disk: read back since it was written */
	uint8_t *written; /* and: written by the install that goes on */
	uint64_t operations, starts;
	uint64_t floor, epoch; /* that are durable: they never go down */

	jmp_buf fail; /* where a failure goes */
	char what[600];
};

void oracle_init(struct oracle *oracle, struct world *world);
void oracle_free(struct oracle *oracle);
/* Power on: nothing is known but what is durable. */
void oracle_begin(struct oracle *oracle);

/* An invariant does not hold: "I4", and what was found. Does not return. */
_Noreturn void oracle_fail(struct oracle *oracle, const char *invariant, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Each operation, before and after it is done. */
void oracle_before(struct oracle *oracle, const struct sim_op *op);
void oracle_after(struct oracle *oracle, const struct sim_op *op, int error);

/* Adds the stores that wait now. */
void oracle_tears(const struct oracle *oracle, struct torn *torn);

/* What a cut left: the units have not been put into the disk yet. */
void oracle_cut(struct oracle *oracle, const struct left *left);

/* The boot loader chose: 'A', 'B', 'R', '-'. I4. False: somebody switches it off now. */
bool oracle_started(struct oracle *oracle, char choice);

/* An install of this package begins. */
void oracle_installs(struct oracle *oracle, int package);
/* How an install ended, against what the disk says. I5: after the flip nothing fails. */
void oracle_installed(struct oracle *oracle, enum detail detail);

/* What must be the same after every cut (I6), as text. */
void oracle_final(struct oracle *oracle, bool waits, char *text, size_t size);

/* Every unit that no step may touch is as it was. */
void oracle_outside(struct oracle *oracle);

#endif
