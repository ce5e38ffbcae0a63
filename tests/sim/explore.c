#include "explore.h"

#define SEEN_START (1u << 16)

/* Keys of states that are known. */
struct known {
	uint64_t *keys; /* 0: free */
	size_t size, count;
};

struct walk {
	struct bench bench;
	const struct explore_options *options;
	struct totals *totals;
	struct known known;
	unsigned depth; /* cuts before the run that goes on */
	const struct snapshot *from;
	struct snapshot *found, **found_end; /* states after one more cut */
	bool stop;
};

static void known_add(struct known *k, uint64_t key);

static void known_grow(struct known *k)
{
	struct known old = *k;

	k->size = old.size ? old.size * 2 : SEEN_START;
	k->count = 0;
	k->keys = calloc(k->size, sizeof(*k->keys));
	if (!k->keys)
		abort();
	for (size_t i = 0; i < old.size; i++)
		if (old.keys[i])
			known_add(k, old.keys[i]);
	free(old.keys);
}

static size_t known_at(const struct known *k, uint64_t key)
{
	size_t at = key & (k->size - 1);

	while (k->keys[at] && k->keys[at] != key)
		at = (at + 1) & (k->size - 1);
	return at;
}

static void known_add(struct known *k, uint64_t key)
{
	k->keys[known_at(k, key)] = key;
	k->count++;
}

static bool known_new(struct known *k, uint64_t key)
{
	if (k->count * 2 >= k->size)
		known_grow(k);
	if (k->keys[known_at(k, key)])
		return false;
	known_add(k, key);
	return true;
}

void totals_fail(struct totals *t, const struct bench *b, const char *path)
{
	char id[800];

	t->failures++;
	if (*t->first)
		return;
	bench_id(b, path, id, sizeof(id));
	snprintf(t->first, sizeof(t->first), "%s: %s  [%s]", b->scenario->name, b->oracle.what, id);
}

/* What the medium, the person and the promises so far amount to. */
static uint64_t state_key(const struct walk *w, uint64_t hash)
{
	const struct oracle *o = &w->bench.oracle;
	uint64_t key = noise(hash, (uint64_t)w->bench.driver.person.has_seen_recovery << 48 |
					   (uint64_t)w->bench.driver.person.has_wiped << 40 |
					   o->floor << 20 | o->epoch);
	return key ? key : 1;
}

static void visit(void *context, const struct outcome *outcome, uint64_t hash)
{
	struct walk *w = context;
	struct bench *b = &w->bench;
	uint64_t key = state_key(w, hash);
	struct left left;
	char path[2048], text[1024];

	if (w->options->thin > 1 && noise(key, 1) % w->options->thin)
		return;
	if (w->options->whole_padding && w->depth && outcome->splits_padding)
		return;
	if (w->depth >= w->options->depth &&
	    noise(key, w->bench.world.disk.ops) % w->options->random)
		return;
	w->totals->cases++;
	if (!known_new(&w->known, key))
		return;
	w->totals->states++;
	b->outcome = outcome;
	left = outcome_left(&b->world.disk, outcome);
	oracle_cut(&b->oracle, &left);
	outcome_print(&b->world.disk, outcome, text, sizeof(text));
	snprintf(path, sizeof(path), "%s%s%llu:%s", w->from ? w->from->path : "",
		 w->from ? "/" : "", (unsigned long long)b->world.disk.ops, text);
	*w->found_end = snapshot_make(b, outcome, path);
	(*w->found_end)->leaf = w->options->whole_padding && outcome->splits_padding;
	w->found_end = &(*w->found_end)->next;
	b->outcome = NULL;
}

static void place(struct bench *bench, void *context)
{
	struct walk *w = context;

	if (!w->depth)
		w->totals->cuts++;
	outcome_each(&bench->world.disk, visit, w);
}

static void walk_from(struct walk *w, struct snapshot *from, unsigned depth, bool deeper)
{
	struct snapshot *next;
	unsigned number = 0;

	w->depth = depth;
	w->from = from;
	w->found = NULL;
	w->found_end = &w->found;
	w->bench.place = deeper ? place : NULL;
	w->bench.context = w;
	if (bench_run(&w->bench, from, NULL) == BENCH_FAILED) {
		totals_fail(w->totals, &w->bench, from ? from->path : "");
		w->stop |= w->options->stop_at_first;
	}
	for (struct snapshot *s = w->found; s; s = next, number++) {
		next = s->next;
		bool more = depth + 1 < w->options->depth
				    ? number % w->options->share == 0
				    : depth + 1 == w->options->depth && w->options->random;
		if (!w->stop)
			walk_from(w, s, depth + 1, more && !s->leaf);
		snapshot_free(s);
	}
}

void explore(const struct scenario *scenario, const struct physics *physics,
	     const struct explore_options *options, struct totals *totals)
{
	struct walk *w = bench_alloc(sizeof(*w));

	w->options = options;
	w->totals = totals;
	known_grow(&w->known);
	if (bench_open(&w->bench, scenario, physics, false) == BENCH_FAILED)
		totals_fail(totals, &w->bench, "");
	else
		walk_from(w, NULL, 0, true);
	bench_close(&w->bench);
	free(w->known.keys);
	free(w);
}
