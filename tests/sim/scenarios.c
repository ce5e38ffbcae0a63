/* The situations in which the power is cut. */
#include "bench.h"

#define HEALTH(package, how) .health[package] = how

/* --- Boot flags --- */

struct flags_text {
	const char *order;
	char left_a, good_a, left_b, good_b, recovery;
};

/* As U-Boot stores it: sorted, among variables of its own that make it several sectors long. */
static void put_flags(struct world *w, uint8_t serial, const struct flags_text *f)
{
	static char vars[2048];
	size_t n = 0;
	const char b = w->slots == 2;

	n += (size_t)snprintf(vars + n, sizeof(vars) - n, "BOOT_A_GOOD=%c", f->good_a) + 1;
	n += (size_t)snprintf(vars + n, sizeof(vars) - n, "BOOT_A_LEFT=%c", f->left_a) + 1;
	if (b) {
		n += (size_t)snprintf(vars + n, sizeof(vars) - n, "BOOT_B_GOOD=%c", f->good_b) + 1;
		n += (size_t)snprintf(vars + n, sizeof(vars) - n, "BOOT_B_LEFT=%c", f->left_b) + 1;
	}
	n += (size_t)snprintf(vars + n, sizeof(vars) - n, "BOOT_ORDER=%s", f->order) + 1;
	n += (size_t)snprintf(vars + n, sizeof(vars) - n, "BOOT_RECOVERY=%c", f->recovery) + 1;
	n += (size_t)snprintf(vars + n, sizeof(vars) - n, "ethaddr=02:00:00:00:00:01") + 1;
	for (int i = 0; i < 20; i++)
		n += (size_t)snprintf(vars + n, sizeof(vars) - n,
				      "factory_%02d=calibration %02d %040d", i, i, i * i) +
		     1;
	world_put_env(w, serial, vars, n - 1);
}

static void both_good(struct world *w)
{
	put_flags(w, 17,
		  &(struct flags_text){w->slots == 2 ? "A B" : "A", '3', '1', '3', '1', '0'});
}

static void into_recovery(struct world *w)
{
	put_flags(w, 17,
		  &(struct flags_text){w->slots == 2 ? "A B" : "A", '3', '1', '3', '1', '1'});
}

/* --- Work that was begun --- */

static void begin(struct world *w, int running)
{
	struct fault fault;

	sim_disk_settle(&w->disk);
	if (world_start(w, running, &fault))
		abort();
}

static void keep(struct world *w)
{
	sim_disk_restart(&w->disk);
}

/* Release 10 is being installed from recovery; three writes to the slot are made. */
static void interrupted(struct world *w)
{
	struct result result;

	into_recovery(w);
	begin(w, -1);
	w->stop_after = 3;
	if (world_install(w, PKG_10, false, &result) != DETAIL_INTERRUPTED)
		abort(); /* no finding, but no such scenario either */
	w->stop_after = 0;
	keep(w);
}

/* Release 10 is committed in slot B (or the only one) and was not started yet. */
static void committed(struct world *w)
{
	struct result result;

	into_recovery(w);
	begin(w, -1);
	if (world_install(w, PKG_10, false, &result))
		abort();
	keep(w);
}

/* ... and has confirmed itself. */
static void confirmed_in_b(struct world *w)
{
	struct result result;

	committed(w);
	begin(w, 1);
	if (install_confirm(&w->device, &result))
		abort();
	keep(w);
}

/* The journal says that all is written and verified, and slot B holds half of it. */
static void lying_journal(struct world *w)
{
	struct fault fault;

	interrupted(w);
	begin(w, -1);
	w->state.journal.step = JOURNAL_VERIFIED;
	w->state.journal.image = 1;
	w->state.journal.flushed = 5 * 4096;
	if (state_store_journal(&w->state, &fault))
		abort();
	keep(w);
	const struct part *p = world_slot_part(w, w->slots - 1, 0);
	noise_fill(w->disk.now + p->off + 512, 1024, 4711);
}

/* --- Rings and serials that come around --- */

static void reports_at_the_wrap(struct world *w)
{
	static struct result result;
	struct fault fault;

	into_recovery(w);
	begin(w, -1);
	for (int i = 0; i < 31; i++)
		state_add_result(&w->state, &result, &fault);
	for (int i = 0; i < 254; i++) {
		state_log(&w->state, "a line");
		state_flush_log(&w->state, &fault);
	}
	keep(w);
}

static void journal_at_the_wrap(struct world *w)
{
	struct fault fault;

	into_recovery(w);
	begin(w, -1);
	for (int i = 0; i < 62; i++)
		state_store_journal(&w->state, &fault);
	keep(w);
}

static void records_at_the_wrap(struct world *w)
{
	struct fault fault;

	into_recovery(w);
	begin(w, -1);
	for (int i = 0; i < 3; i++)
		state_store_record(&w->state, &fault);
	keep(w);
}

static void serial_at_the_wrap(struct world *w)
{
	put_flags(w, 254,
		  &(struct flags_text){w->slots == 2 ? "A B" : "A", '3', '1', '3', '1', '1'});
}

static void serial_past_the_wrap(struct world *w)
{
	put_flags(w, 0, &(struct flags_text){w->slots == 2 ? "A B" : "A", '3', '1', '3', '1', '0'});
}

/* --- What else is wrong at the start --- */

static void flags_damaged(struct world *w)
{
	both_good(w);
	noise_fill(w->disk.now + SIM_ENV_A, w->env_size, 71);
	noise_fill(w->disk.now + SIM_ENV_B, w->env_size, 72);
}

static void tries_used_up(struct world *w)
{
	put_flags(w, 17, &(struct flags_text){"A", '0', '1', '0', '0', '0'});
}

static void state_erased(struct world *w)
{
	into_recovery(w);
	memset(w->disk.now + world_part(w, "state")->off, 0xff, STATE_SIZE_MIN);
}

static void blank_device(struct world *w)
{
	into_recovery(w);
	memset(w->disk.now + world_part(w, "state")->off, 0xff, STATE_SIZE_MIN);
	memset(w->disk.now + SIM_ENV_A, 0xff, w->env_size);
	memset(w->disk.now + SIM_ENV_B, 0xff, w->env_size);
	for (size_t i = 0; i < 2 * w->slots; i++)
		memset(w->disk.now + w->parts[i].off, 0xff, w->parts[i].len);
}

/* The only slot was given up, and recovery was restarted in the middle of something ten times. */
static void restarts(struct world *w)
{
	struct fault fault;

	interrupted(w);
	begin(w, -1);
	w->state.record.recovery_starts = INSTALL_STARTS;
	if (state_store_record(&w->state, &fault))
		abort();
	keep(w);
}

/* --- The table --- */

#define REPORTS ((uint64_t)68 * 4096) /* results and log, in the state partition */
#define NOTHING .stick = PKG_NONE, .agent = PKG_NONE

const struct scenario scenarios[] = {
	{"ab-install", 2, into_recovery, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"single-install", 1, into_recovery, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"ab-resume", 2, interrupted, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"single-resume", 1, interrupted, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"single-restarts", 1, restarts, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"ab-resume-other", 2, interrupted, .stick = PKG_11, .agent = PKG_NONE, .runs = PKG_11},
	{"single-resume-other", 1, interrupted, .stick = PKG_11, .agent = PKG_NONE, .runs = PKG_11},
	{"running-install", 2, both_good, .stick = PKG_NONE, .agent = PKG_10, .runs = PKG_10},
	{"running-install-b", 2, confirmed_in_b, .stick = PKG_NONE, .agent = PKG_11,
	 .runs = PKG_11},
	{"running-resume", 2, interrupted, .stick = PKG_NONE, .agent = PKG_10, .runs = PKG_10},
	{"confirm", 2, committed, NOTHING, .runs = PKG_10},
	{"single-confirm", 1, committed, NOTHING, .runs = PKG_10},
	{"trial-fails", 2, into_recovery, .stick = PKG_10, .agent = PKG_NONE,
	 HEALTH(PKG_10, HEALTH_FAILS), .runs = PKG_9},
	{"trial-hangs", 2, into_recovery, .stick = PKG_10, .agent = PKG_NONE,
	 HEALTH(PKG_10, HEALTH_HANGS), .runs = PKG_9},
	{"agent-trial-hangs", 2, both_good, .stick = PKG_NONE, .agent = PKG_10,
	 HEALTH(PKG_10, HEALTH_HANGS), .runs = PKG_9},
	{"single-trial-hangs", 1, into_recovery, .stick = PKG_10, .agent = PKG_NONE,
	 HEALTH(PKG_10, HEALTH_HANGS), .runs = PKG_NONE},
	{"good-hangs", 2, both_good, NOTHING, HEALTH(PKG_9, HEALTH_HANGS), .runs = PKG_8},
	{"request", 2, both_good, NOTHING, .asks = true, .runs = PKG_9},
	{"single-request", 1, both_good, NOTHING, .asks = true, .runs = PKG_9},
	{"wipe", 2, both_good, NOTHING, .wipes = true, .runs = PKG_9},
	{"single-wipe", 1, both_good, NOTHING, .wipes = true, .runs = PKG_9},
	{"menu-wipe", 2, into_recovery, NOTHING, .wipes_by_menu = true, .runs = PKG_9},
	{"menu-wipe-resume", 1, interrupted, .stick = PKG_10, .agent = PKG_NONE,
	 .wipes_by_menu = true, .runs = PKG_10},
	{"menu-wipe-damaged", 2, flags_damaged, NOTHING, .wipes_by_menu = true, .runs = PKG_9},
	{"single-trial-fails", 1, into_recovery, .stick = PKG_10, .agent = PKG_NONE,
	 HEALTH(PKG_10, HEALTH_FAILS), .runs = PKG_NONE},
	{"no-recovery", 2, into_recovery, .stick = PKG_NONE, .agent = PKG_10, .no_recovery = true,
	 .runs = PKG_10},
	{"leave-again", 2, tries_used_up, NOTHING, .runs = PKG_9},
	{"reports-wrap", 2, reports_at_the_wrap, .stick = PKG_10, .agent = PKG_NONE,
	 .runs = PKG_10},
	{"journal-wrap", 1, journal_at_the_wrap, .stick = PKG_10, .agent = PKG_NONE,
	 .runs = PKG_10},
	{"record-wrap", 2, records_at_the_wrap, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"serial-wrap", 2, serial_at_the_wrap, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"serial-zero", 2, serial_past_the_wrap, .stick = PKG_NONE, .agent = PKG_10,
	 .runs = PKG_10},
	{"flags-damaged", 2, flags_damaged, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"flags-damaged-alone", 2, flags_damaged, NOTHING, .runs = PKG_9},
	{"single-flags-damaged", 1, flags_damaged, .stick = PKG_10, .agent = PKG_NONE,
	 .runs = PKG_10},
	{"state-erased", 2, state_erased, .stick = PKG_10, .agent = PKG_NONE, .many_ends = true,
	 .runs = PKG_10},
	{"blank", 2, blank_device, .stick = PKG_10, .agent = PKG_NONE, .blank = true,
	 .many_ends = true, .runs = PKG_10},
	{"lying-journal", 2, lying_journal, .stick = PKG_10, .agent = PKG_NONE, .runs = PKG_10},
	{"single-lying-journal", 1, lying_journal, .stick = PKG_10, .agent = PKG_NONE,
	 .runs = PKG_10},
	{"below-epoch", 2, confirmed_in_b, .stick = PKG_9, .agent = PKG_NONE,
	 .agrees_to_older = true, .asks = true, .runs = PKG_10},
	{"below-floor", 2, into_recovery, .stick = PKG_6, .agent = PKG_NONE, .runs = PKG_9},
	{"older-refused", 2, into_recovery, .stick = PKG_8, .agent = PKG_NONE, .runs = PKG_9},
	{"older-agreed", 2, into_recovery, .stick = PKG_8, .agent = PKG_NONE,
	 .agrees_to_older = true, .runs = PKG_8},
	{"damaged-package", 2, into_recovery, .stick = PKG_DAMAGED, .agent = PKG_NONE,
	 .runs = PKG_9},
	{"single-damaged", 1, into_recovery, .stick = PKG_DAMAGED, .agent = PKG_NONE,
	 .runs = PKG_9},
	{"single-stranger", 1, into_recovery, .stick = PKG_STRANGER, .agent = PKG_NONE,
	 .runs = PKG_9},
	{"stranger", 2, into_recovery, .stick = PKG_STRANGER, .agent = PKG_NONE, .runs = PKG_9},
	{"reports-fail", 2, into_recovery, .stick = PKG_10, .agent = PKG_NONE, .floods = true,
	 .always = {.kind = SIM_WRITE,
		    .error = SIM_EIO,
		    .for_good = true,
		    .off = REPORTS,
		    .len = (32 + 256) * 4096},
	 .runs = PKG_10},
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
