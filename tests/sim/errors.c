/*
 * Every operation fails: the Nth read, write or flush, N = 0, 1, 2 ... until a run does not get as
 * far; once, or from then on for good. The install ends well, or with an error that names the
 * cause; the invariants hold all the time; and when the medium works again, the end is the same.
 */
#include "explore.h"

enum where { ANYWHERE, IN_SLOTS, IN_FLAGS, IN_STATE, IN_DATA };

static const struct kind_of_error {
	char letter;
	enum sim_kind kind;
	enum sim_error error;
	int number; /* errno that a result has to name; 0: any */
	enum where where;
} kinds[] = {
	{'r', SIM_READ, SIM_EIO, 5, ANYWHERE},
	{'w', SIM_WRITE, SIM_EIO, 5, ANYWHERE},
	{'n', SIM_WRITE, SIM_ENOSPC, 28, ANYWHERE},
	{'s', SIM_WRITE, SIM_SHORT, 5, ANYWHERE},
	{'f', SIM_FLUSH, SIM_EIO, 5, ANYWHERE},
	{'e', SIM_FLUSH, SIM_ENOSPC, 28, ANYWHERE},
	{'l', SIM_FLUSH, SIM_LOST, 5, ANYWHERE},
	/* Bytes that go wrong in silence. */
	{'c', SIM_WRITE, SIM_CORRUPTS, 0, IN_SLOTS},
	{'g', SIM_WRITE, SIM_CORRUPTS, 0, IN_FLAGS},
	{'t', SIM_WRITE, SIM_CORRUPTS, 0, IN_STATE},
	{'d', SIM_WRITE, SIM_CORRUPTS, 0, IN_DATA},
};

static void set_range(const struct world *w, enum where where, struct sim_fault *fault)
{
	const struct part *last = &w->parts[2 * w->slots - 1];
	const struct part *part = world_part(w, where == IN_STATE ? "state" : "data");

	switch (where) {
	case ANYWHERE:
		break;
	case IN_SLOTS:
		fault->off = SIM_PARTS;
		fault->len = last->off + last->len - SIM_PARTS;
		break;
	case IN_FLAGS:
		fault->off = SIM_ENV_A;
		fault->len = SIM_PARTS - SIM_ENV_A;
		break;
	case IN_STATE:
	case IN_DATA:
		fault->off = part->off;
		fault->len = part->len;
		break;
	}
}

static struct sim_fault fault_of(const struct world *w, const struct kind_of_error *kind,
				 uint64_t at, bool for_good)
{
	struct sim_fault fault = {
		.kind = kind->kind, .error = kind->error, .at = at, .for_good = for_good};

	set_range(w, kind->where, &fault);
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

/* Results and log: what nobody but a reader misses. */
static bool struck_a_report(const struct world *w)
{
	const struct sim_disk *disk = &w->disk;
	const struct part *state = world_part(w, "state");
	uint64_t first = state->off + (uint64_t)look_areas[AREA_RESULT].first * 4096;
	uint64_t end = state->off + (uint64_t)look_areas[AREA_PENDING].first * 4096;

	return disk->fault.kind != SIM_FLUSH && disk->fault_off >= first && disk->fault_off < end;
}

/* What the scenario's calls say when nothing fails. */
struct usual {
	enum detail install, plan, settle;
};

static bool is_usual(const struct driver *d, const struct usual *usual)
{
	enum detail said = d->said.detail;

	return !said || !strcmp(d->struck, "reject") ||
	       (!strcmp(d->struck, "install") && said == usual->install) ||
	       (!strcmp(d->struck, "plan") && said == usual->plan) ||
	       (!strcmp(d->struck, "settle") && said == usual->settle);
}

/*
 * What the call said during which the medium failed first: it may have helped itself, or else it
 * names what went wrong, with the status of a failed install, and the medium's own errno.
 */
static void judge_status(struct bench *b, const struct kind_of_error *kind, bool for_good,
			 const struct usual *usual)
{
	const struct sim_disk *disk = &b->world.disk;
	const struct driver *d = &b->driver;
	const struct fault *said = &d->said;
	bool target = disk->fault_part->bulk && kind->kind != SIM_READ && kind->number;

	if (!d->struck)
		return;
	if (target && !strcmp(d->struck, "install") && !said->detail)
		oracle_fail(&b->oracle, "I5", "the target could not be written, and all is well");
	if (is_usual(d, usual))
		return;
	if (struck_a_report(&b->world) && !for_good)
		oracle_fail(&b->oracle, "I10", "%s fails with %s for a report that was not kept",
			    d->struck, detail_name(said->detail));
	if (detail_status(said->detail) != STATUS_INSTALL_FAILED)
		oracle_fail(&b->oracle, "I8", "%s on a failing medium says %s", d->struck,
			    detail_name(said->detail));
	if (kind->number && said->sys_errno != kind->number)
		oracle_fail(&b->oracle, "I8", "%s: errno %d is told as %d (%s)", d->struck,
			    kind->number, said->sys_errno, detail_name(said->detail));
}

/* One run with a fault and the next without. Returns whether the fault was reached. */
static bool one(struct bench *b, const struct kind_of_error *kind, uint64_t at, bool for_good,
		const struct usual *usual, struct totals *totals)
{
	static const struct outcome nothing;
	struct sim_fault fault = fault_of(&b->world, kind, at, for_good);
	struct snapshot *after;
	char path[40];

	snprintf(path, sizeof(path), "!%c%llu%s", kind->letter, (unsigned long long)at,
		 for_good ? "*" : "");
	if (bench_run(b, NULL, &fault) == BENCH_FAILED) {
		totals_fail(totals, b, path);
		return b->world.disk.fault_hit;
	}
	if (!b->world.disk.fault_hit)
		return false;
	totals->errors++;
	if (setjmp(b->oracle.fail)) {
		totals_fail(totals, b, path);
		return true;
	}
	judge_status(b, kind, for_good, usual);
	after = snapshot_make(b, &nothing, path);
	after->cuts = errors_starts(for_good);
	after->person = (struct person){0};
	b->insists = true;
	if (bench_run(b, after, NULL) == BENCH_FAILED)
		totals_fail(totals, b, path);
	b->insists = false;
	snapshot_free(after);
	return true;
}

void explore_errors(const struct scenario *scenario, const struct physics *physics,
		    bool stop_at_first, struct totals *totals)
{
	struct bench *b = bench_alloc(sizeof(*b));
	struct usual usual;

	if (bench_open(b, scenario, physics, false) == BENCH_FAILED)
		totals_fail(totals, b, "");
	/* Damaged flags are so until an install has written them anew. */
	usual = (struct usual){b->driver.last, b->driver.last_plan, DETAIL_FLAGS_DAMAGED};
	for (size_t k = 0; k < COUNT(kinds); k++)
		for (int for_good = 0; for_good < 2; for_good++)
			for (uint64_t at = 0; one(b, &kinds[k], at, for_good, &usual, totals); at++)
				if (totals->failures && stop_at_first)
					goto end;
end:
	bench_close(b);
	free(b);
}
