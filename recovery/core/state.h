/* The state partition: device record, journal, results, log, pending package (FORMAT.md 2). */
#ifndef LIFEBOAT_STATE_H
#define LIFEBOAT_STATE_H

#include "board.h"
#include "package.h"
#include "ring.h"

#define STATE_SIZE_MIN (UINT64_C(768) * RING_BLOCK)
#define STATE_ORIGIN_SIZE 256
#define STATE_RESULTS 32
#define STATE_FAILED 4
#define STATE_LOG_BLOCKS 256

struct state_slot {
	uint64_t release; /* 0: nothing known to be there */
	char version[MANIFEST_VERSION_SIZE];
	uint8_t package_id[HASH_LEN];
	bool confirmed;
	uint64_t rollback_floor,
		key_epoch; /* that its package asks for: in force once it confirms */
};

/* Erasing user data: what was asked for, or has begun and is not finished (core/wipe.h). */
enum state_wipe {
	STATE_WIPE_NONE = 0,
	STATE_WIPE_ASKED = 1, /* nothing is erased yet */
	STATE_WIPE_BEGUN = 2, /* any byte may be gone */
};

struct state_record {
	uint32_t self_starts; /* times recovery started a good system again of its own accord, since
				 the last confirmation */
	uint64_t boot_count;
	uint64_t rollback_floor;
	uint64_t key_epoch;
	uint64_t confirmed_release; /* the highest that has confirmed itself */
	enum state_wipe wipe;
	uint32_t wipe_starts; /* times that this wipe was begun */
	/*
	 * Starts of recovery in a row that ended in the middle of something and got on with
	 * nothing; how far the install had got at the furthest of them, and of which package, by
	 * the beginning of its id (core/install.h).
	 */
	uint64_t recovery_starts, recovery_reached;
	uint8_t recovery_package[8];
	struct state_slot slot[BOARD_SLOTS_MAX];
	uint8_t failed[STATE_FAILED]
		      [HASH_LEN]; /* packages whose trial failed, the newest first; zero: none */
};

enum journal_step {
	JOURNAL_IDLE = 0,
	JOURNAL_BEGIN = 1,
	JOURNAL_PROGRESS = 2,
	JOURNAL_WRITTEN = 3,
	JOURNAL_VERIFIED = 4,
	JOURNAL_COMMITTED = 5,
};

struct journal {
	enum journal_step step;
	uint8_t package_id[HASH_LEN];
	uint64_t release;
	uint64_t rollback_floor;
	uint64_t key_epoch;
	uint32_t target;
	uint32_t image;
	uint64_t flushed; /* bytes of the image; a hint only (I9) */
	uint64_t head_len;
	char version[MANIFEST_VERSION_SIZE];
	char origin[STATE_ORIGIN_SIZE];
};

enum result_what {
	RESULT_INSTALL = 1,
	RESULT_CONFIRM = 2,
	RESULT_TRIAL = 3,
	RESULT_VERIFY = 4,
	RESULT_WIPE = 5,
};

#define RESULT_NO_SLOT UINT32_MAX

struct result {
	enum result_what what;
	struct fault fault; /* detail, errno, offset, role, object */
	uint64_t release;
	uint64_t boot_count;
	uint64_t monotonic_ms;
	uint32_t slot;
	char version[MANIFEST_VERSION_SIZE];
	char wall[32];
	char origin[STATE_ORIGIN_SIZE];
	uint8_t package_id[HASH_LEN];
};

struct state {
	struct dev *dev;
	struct ring record_ring, journal_ring, result_ring, log_ring;
	struct state_record record;
	struct journal journal;
	bool blank; /* no device record was found: a new partition, or one that lost everything */
	uint64_t stored_floor, stored_epoch; /* what the medium holds: I7 */
	size_t log_len;			     /* lines not yet stored */
	char log[RING_CONTENT_MAX];
	uint8_t block[RING_BLOCK]; /* scratch */
};

/*
 * Loads everything. A blank partition is an empty state; one block that cannot be read costs what
 * it held. Details: STATE_TOO_SMALL, DEVICE_READ (the device record).
 */
enum detail state_open(struct state *state, struct dev *dev, struct fault *fault);

/*
 * Makes state->record durable, as a whole. The floor and the epoch never go down (I7): a lower one
 * is raised to what is stored.
 */
enum detail state_store_record(struct state *state, struct fault *fault);

/*
 * The same twice, in two blocks: what one block that goes bad must not take back. The second time
 * is made although nothing changed.
 */
enum detail state_store_record_twice(struct state *state, struct fault *fault);

/* Makes state->journal durable. */
enum detail state_store_journal(struct state *state, struct fault *fault);

/* Keeps a result. The oldest of STATE_RESULTS goes. */
enum detail state_add_result(struct state *state, const struct result *result, struct fault *fault);

/* The result that is `back` before the newest; false when there is none. */
bool state_result(struct state *state, uint64_t back, struct result *result);
/* One after the other, the newest first, over gaps; *back begins as 0. False: no more. */
bool state_next_result(struct state *state, uint64_t *back, struct result *result);

/*
 * Adds a line to the log in memory; it is stored by state_flush_log or when the block is full.
 * Never fails (I10).
 */
void state_log(struct state *state, const char *line);
enum detail state_flush_log(struct state *state, struct fault *fault);

/*
 * Content of the log record that is `back` before the newest; NULL when there is none. Valid until
 * the next call.
 */
const char *state_log_block(struct state *state, uint64_t back, size_t *len);

/* Keeps the head (header, manifest, signature block) of a package that is being installed. */
enum detail state_store_pending(struct state *state, const uint8_t *head, size_t len,
				struct fault *fault);
/*
 * Reads it back into head (PACKAGE_HEAD_MAX bytes). It was proved once; who uses it proves it
 * again.
 */
enum detail state_load_pending(struct state *state, uint8_t *head, size_t *len,
			       struct fault *fault);

#endif
