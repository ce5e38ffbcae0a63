/*
 * One run of the engine: what goes from step to step, and the two long steps, which move bytes. The
 * order of steps and all policy are in install.c; nobody else uses this.
 */
#ifndef LIFEBOAT_RUN_H
#define LIFEBOAT_RUN_H

#include "install.h"

struct run {
	struct device *device;
	struct plan plan;
	struct flags flags;
	bool anew; /* both copies of the boot flags were damaged: the first store writes them from
		      what the device record knows */
	struct dev *targets[MANIFEST_IMAGES_MAX];
	size_t hint_image; /* where the journal says that an earlier run got to: image and bytes
			      (I9: a hint only) */
	uint64_t hint_flushed;
	uint32_t misses;  /* chunks compared in a row that were not what they should be */
	uint64_t unsaved; /* bytes written since the last checkpoint */
	struct progress progress;
	struct fault fault;
};

/* What the observer is told. Nothing that it does changes what happens (I10), but poll. */
void run_report(const struct run *run);
void run_step(struct run *run, enum step step, uint64_t total);
/* DETAIL_INTERRUPTED when somebody asks to stop. */
enum detail run_poll(struct run *run);

/* Fills the fault with the target's label, the image's role and the offset in it. Returns detail.
 */
enum detail run_target_fault(struct run *run, enum detail detail, size_t image, uint64_t off,
			     int error);

/*
 * Writes every chunk that the targets do not hold already, and flushes. The targets are open, the
 * journal has begun. Keeps I1, I3 and I9.
 */
enum detail run_write(struct run *run);

/*
 * Reads the whole target back from the medium and compares it with the manifest: the first half of
 * I5. Details: READ_BACK, IMAGE_HASH (the package contradicts itself), DEVICE_READ.
 */
enum detail run_read_back(struct run *run);

#endif
