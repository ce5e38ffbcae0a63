/*
 * Watches the install engine on the device of support_rig.h: each operation is seen before it is
 * done, with what the medium holds by then, and is held against I1 to I5 and I11.
 */
#ifndef SUPPORT_WATCH_H
#define SUPPORT_WATCH_H

#include "support_rig.h"

struct watch {
	int target;	       /* slot */
	const struct pkg *pkg; /* being installed */
	bool flipped;
	bool medium_fails; /* so what is durable need not be what was written */
	bool flushed;	   /* by the operation before */
	size_t target_writes, flips, records[6];
	/* Sectors of each image that were read since they were last written to and flushed. */
	uint8_t read_back[2][SYSTEM_LEN / 512];
	bool dirty[2]; /* written since the last flush */
};
extern struct watch watch;

/* From now on the package is installed into the slot target, and into nothing else. */
void watch_for(int target, const struct pkg *pkg);

#endif
