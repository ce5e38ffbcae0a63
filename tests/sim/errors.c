/*
 * Every operation fails: the Nth read, write or flush, N = 0, 1, 2 ... until a run does not get as
 * far; once, or from then on for good. The install ends well, or with an error that names the
 * cause; the invariants hold all the time; and when the medium works again, the end is the same.
 */
#include "explore.h"

static const struct kind_of_error {
	char letter;
	enum sim_kind kind;
	enum sim_error error;
	int number; /* errno that a result has to name; 0: any */
} kinds[] = {
	{'r', SIM_READ, SIM_EIO, 0},	   {'w', SIM_WRITE, SIM_EIO, 5},
	{'n', SIM_WRITE, SIM_ENOSPC, 28},  {'s', SIM_WRITE, SIM_SHORT, 5},
	{'c', SIM_WRITE, SIM_CORRUPTS, 0}, {'f', SIM_FLUSH, SIM_EIO, 5},
	{'l', SIM_FLUSH, SIM_LOST, 5},
};

static struct sim_fault fault_of(const struct world *w, const struct kind_of_error *kind,
				 uint64_t at, bool for_good)
{
	struct sim_fault fault = {
		.kind = kind->kind, .error = kind->error, .at = at, .for_good = for_good};

	/* Bytes that go wrong in silence are looked for in what is installed. */
	if (kind->error == SIM_CORRUPTS) {
		fault.off = SIM_PARTS;
		fault.len =
			w->parts[2 * w->slots - 1].off + w->parts[2 * w->slots - 1].len - SIM_PARTS;
	}
	return fault;
}

/* "!w17" or "!w17*" */
bool errors_parse(const struct world *world, const char *text, struct sim_fault *fault)
{
	char letter, star = 0;
	unsigned long long at;

	if (sscanf(text, "!%c%llu%c", &letter, &at, &star) < 2 || (star && star != '*'))
		return false;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (kinds[i].letter == letter) {
			*fault = fault_of(world, &kinds[i], at, star != 0);
			return true;
		}
	return false;
}

/* A medium that fails for good costs a trial as many starts as it has tries. */
unsigned errors_starts(bool for_good)
{
	return for_good ? 9 : 0;
}

/* What the last install said, against what went wrong. */
static void judge_status(struct bench *b, const struct kind_of_error *kind, enum detail usual)
{
	const struct sim_disk *disk = &b->world.disk;
	const struct driver *d = &b->driver;
	bool target = disk->fault_hit && disk->fault_part && disk->fault_part->bulk &&
		      kind->kind != SIM_READ && kind->error != SIM_CORRUPTS;

	if (!d->installed || !disk->fault_hit)
		return;
	if (d->last && d->last != usual && detail_status(d->last) != STATUS_INSTALL_FAILED)
		oracle_fail(&b->oracle, "I8", "an install on a failing medium says %s",
			    detail_name(d->last));
	if (target && d->installs == 1 && !d->last)
		oracle_fail(&b->oracle, "I5", "the target could not be written, and all is well");
	if (target && d->installs == 1 && kind->number && d->last_errno != kind->number)
		oracle_fail(&b->oracle, "I8", "errno %d is told as %d (%s)", kind->number,
			    d->last_errno, detail_name(d->last));
}

/* One run with a fault and the next without. Returns whether the fault was reached. */
static bool one(struct bench *b, const struct kind_of_error *kind, uint64_t at, bool for_good,
		enum detail usual, struct totals *totals)
{
	static const struct outcome nothing;
	struct sim_fault fault = fault_of(&b->world, kind, at, for_good);
	struct snapshot *after;
	char path[40];

	snprintf(path, sizeof(path), "!%c%llu%s", kind->letter, (unsigned long long)at,
		 for_good ? "*" : "");
	b->driver.installed = false;
	b->driver.installs = 0;
	if (bench_run(b, NULL, &fault) == BENCH_FAILED) {
		totals_fail(totals, b, path);
		return true;
	}
	if (!b->world.disk.fault_hit)
		return false;
	totals->errors++;
	if (setjmp(b->oracle.fail)) {
		totals_fail(totals, b, path);
		return true;
	}
	judge_status(b, kind, usual);
	after = snapshot_make(b, &nothing, path);
	after->cuts = errors_starts(for_good);
	after->person = (struct person){0};
	b->driver.insists = true;
	if (bench_run(b, after, NULL) == BENCH_FAILED)
		totals_fail(totals, b, path);
	b->driver.insists = false;
	snapshot_free(after);
	return true;
}

void explore_errors(const struct scenario *scenario, const struct physics *physics,
		    bool stop_at_first, struct totals *totals)
{
	struct bench *b = bench_alloc(sizeof(*b));
	enum detail usual;

	if (bench_open(b, scenario, physics, false) == BENCH_FAILED)
		totals_fail(totals, b, "");
	usual = b->driver.last;
	for (size_t k = 0; k < COUNT(kinds); k++)
		for (int for_good = 0; for_good < 2; for_good++)
			for (uint64_t at = 0; one(b, &kinds[k], at, for_good, usual, totals); at++)
				if (totals->failures && stop_at_first)
					goto end;
end:
	bench_close(b);
	free(b);
}
