/* What the oracle's files share; nobody else uses this. */
#ifndef SIM_ORACLE_PARTS_H
#define SIM_ORACLE_PARTS_H

#include "oracle.h"

/* Whether the medium lies about flushes: then nothing is durable when it should be. */
bool oracle_lies(const struct oracle *oracle);
/*
 * Whether an operation on one of these parts (by index, a bit each) has failed on purpose: what is
 * pending there may be half of what was asked for.
 */
bool oracle_failed_on(const struct oracle *oracle, uint32_t parts);
uint32_t oracle_flag_parts(void);
uint32_t oracle_state_parts(const struct oracle *oracle);

/* Whether a write to this range has not been flushed yet. */
bool oracle_waits_for_flush(const struct oracle *oracle, uint64_t off, uint64_t len);
/* I2: flags and device record say that the slot is not bootable. */
void oracle_marked(struct oracle *oracle, size_t slot);

/* A write to the boot flags, and one to the state partition (off: in it). */
void oracle_flags_write(struct oracle *oracle, const struct sim_op *op);
void oracle_state_write(struct oracle *oracle, const struct sim_op *op, uint64_t off);

#endif
