/* One case by its id, with everything that happens. */
#include "explore.h"

struct target {
	uint64_t ops; /* where the power is cut */
	const char *outcome;
	const char *path;
	struct snapshot *snapshot;
	bool wrong;
};

static void place(struct bench *b, void *context)
{
	struct target *t = context;
	struct outcome outcome;

	if (b->world.disk.ops != t->ops)
		return;
	if (!outcome_parse(&b->world.disk, t->outcome, &outcome)) {
		t->wrong = true;
	} else {
		char text[1024];
		outcome_print(&b->world.disk, &outcome, text, sizeof(text));
		printf("cut before operation %llu: %s\n", (unsigned long long)t->ops, text);
		struct left left = outcome_left(&b->world.disk, &outcome);
		b->outcome = &outcome;
		oracle_cut(&b->oracle, &left);
		b->outcome = NULL;
		t->snapshot = snapshot_make(b, &outcome, t->path);
	}
	bench_cut(b);
}

static int failed(const struct bench *b)
{
	printf("%s\n", b->oracle.what);
	return 1;
}

/* One part of the id: "17:A,L", or "!w17". Replaces *from. */
static int step(struct bench *b, const char *part, struct snapshot **from)
{
	static const struct outcome nothing;
	struct target t = {.path = part};
	struct sim_fault fault;
	char *end;
	enum bench_end how;

	if (*part == '!') {
		if (!errors_parse(&b->world, part, &fault))
			return 2;
		b->place = NULL;
		how = bench_run(b, *from, &fault);
		if (how == BENCH_ENDED) {
			t.snapshot = snapshot_make(b, &nothing, part);
			t.snapshot->cuts = errors_starts(fault.for_good);
			t.snapshot->person = (struct person){0};
			b->insists = true;
		}
	} else {
		t.ops = strtoull(part, &end, 10);
		t.outcome = *end == ':' ? end + 1 : "";
		b->place = place;
		b->context = &t;
		how = bench_run(b, *from, NULL);
	}
	if (how == BENCH_FAILED)
		return failed(b);
	if (!t.snapshot) {
		fprintf(stderr, "sim: %s: %s\n", part,
			t.wrong ? "the writes that wait there are others" : "no run gets as far");
		return 2;
	}
	if (*from)
		snapshot_free(*from);
	*from = t.snapshot;
	printf("--- power on\n");
	return 0;
}

static int replay(struct bench *b, char *parts)
{
	struct snapshot *from = NULL;
	int status = 0;

	b->driver.trace = true;
	for (char *part = strtok(parts, "/"); part && !status; part = strtok(NULL, "/"))
		status = step(b, part, &from);
	b->place = NULL;
	if (!status && bench_run(b, from, NULL) == BENCH_FAILED)
		status = failed(b);
	if (!status)
		printf("all invariants hold\n");
	if (from)
		snapshot_free(from);
	return status;
}

int explore_replay(const char *id)
{
	struct bench *b = bench_alloc(sizeof(*b));
	char copy[4096], scenario[64], physics[32], *rest;
	int used = 0, status = 2;

	if (sscanf(id, "%63[^/]/%31[^/]%n", scenario, physics, &used) != 2) {
		fprintf(stderr, "sim: %s: not SCENARIO/PHYSICS[/CUT:OUTCOME...]\n", id);
		return 2;
	}
	snprintf(copy, sizeof(copy), "%s", id + used);
	rest = copy;
	for (size_t s = 0; s < scenario_count; s++)
		for (size_t p = 0; p < physics_count; p++) {
			if (strcmp(scenarios[s].name, scenario) ||
			    strcmp(physics_table[p].name, physics))
				continue;
			status = bench_open(b, &scenarios[s], &physics_table[p], !*rest) ==
						 BENCH_FAILED
					 ? failed(b)
				 : *rest ? replay(b, rest)
					 : 0;
			bench_close(b);
		}
	if (!*b->reference && status == 2)
		fprintf(stderr, "sim: %s/%s: no such scenario or physics (--list shows them)\n",
			scenario, physics);
	free(b);
	return status;
}
