/* What an install, a wipe or a confirmation works on, and what all of them do with it. */
#ifndef LIFEBOAT_DEVICE_H
#define LIFEBOAT_DEVICE_H

#include "flags.h"
#include "front.h"
#include "gpt.h"
#include "state.h"

#define INSTALL_CHECKPOINT                                                                         \
	(8u << 20) /* what a cut may cost; a flush for each takes little time                      \
		    */

/*
 * What an install works on. All pointers are the caller's; one device serves any number of calls,
 * one after the other.
 */
struct device {
	const struct trust *trust;
	const struct board *board;
	const struct gpt *gpt;
	struct storage *storage;
	struct flag_store *flag_store;
	struct state *state;
	struct clock *clock;
	struct observer *observer; /* may be NULL */
	struct front *front;
	uint8_t *buffer;     /* CHUNK_SIZE_MAX bytes, for reading the target */
	uint32_t checkpoint; /* bytes written between two flushes (and journal records) */
	int running; /* slot index of the running system; -1: recovery, or a disk that does not run
			(factory) */
};

/*
 * Begins a result: what, when, and what the device record says of the slot (index; -1: of none).
 */
void device_begin_result(const struct device *device, enum result_what what, int slot,
			 struct result *result);

/* Stores a result, and the log. I10: that a report cannot be kept changes nothing. */
void device_keep_result(struct device *device, const struct result *result);

/* The store of the flag store: anew also where both copies are damaged. */
enum detail device_store_flags(struct device *device, const struct flags *flags, bool anew,
			       struct fault *fault);

/*
 * A wipe counts while the flags ask for recovery (core/wipe.h). Once they do not, it must not come
 * back with some later request.
 */
enum detail device_forget_wipe(struct device *device, struct fault *fault);

#endif
