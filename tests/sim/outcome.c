#include "outcome.h"
#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 512	 /* for one write */
#define PRODUCT_MAX 600u /* combinations of the options of several writes */
#define LEFT_MAX 65536u	 /* units */
#define SEEN_SIZE (1u << 18)

unsigned outcome_subsets = 4;

static size_t piece_len(const struct sim_disk *disk, const struct sim_write *w)
{
	size_t sector = disk->physics->sector, sectors = w->len / sector;
	return (sectors + 63) / 64 * sector;
}

static unsigned piece_count(const struct sim_disk *disk, const struct sim_write *w)
{
	size_t piece = piece_len(disk, w);
	return (unsigned)((w->len + piece - 1) / piece);
}

uint64_t outcome_all(const struct sim_disk *disk, const struct sim_write *w)
{
	unsigned n = piece_count(disk, w);
	return n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

/* --- What an outcome leaves --- */

static struct {
	uint32_t *slot; /* of a unit, where stamp says so */
	uint32_t *stamp;
	size_t units_max;
	uint32_t now;
	uint32_t units[LEFT_MAX];
	uint8_t bytes[(size_t)LEFT_MAX * SIM_UNIT];
	size_t count;
} left;

static uint8_t *left_unit(struct sim_disk *disk, uint32_t unit)
{
	if (left.stamp[unit] == left.now)
		return left.bytes + (size_t)left.slot[unit] * SIM_UNIT;
	if (left.count == LEFT_MAX)
		abort();
	left.stamp[unit] = left.now;
	left.slot[unit] = (uint32_t)left.count;
	left.units[left.count] = unit;
	uint8_t *bytes = left.bytes + left.count++ * SIM_UNIT;
	memcpy(bytes, disk->durable + (size_t)unit * SIM_UNIT, SIM_UNIT);
	return bytes;
}

/* A unit of a sector that was being written when the power went. at: where in the sector. */
static void garble(uint8_t *to, const uint8_t *from, enum garble how, size_t at, size_t sector)
{
	for (size_t i = 0; i < SIM_UNIT; i++) {
		bool first_half = at + i < sector / 2 + 8; /* not at a round place */
		if (how == GARBLE_NOISE)
			to[i] = (uint8_t)(from[i] * 167u + i * 59u + at / SIM_UNIT + 0x5b);
		else if (first_half == (how == GARBLE_NEW_OLD))
			to[i] = from[i];
	}
}

static void leave_write(struct sim_disk *disk, const struct sim_write *w, const struct fate *fate)
{
	size_t piece = piece_len(disk, w);

	for (size_t at = 0; at < w->len; at += SIM_UNIT) {
		unsigned p = (unsigned)(at / piece);
		uint32_t unit = (uint32_t)((w->off + at) / SIM_UNIT);
		if (fate->garbled == p + 1)
			garble(left_unit(disk, unit), w->bytes + at, (enum garble)fate->how,
			       at % piece, piece);
		else if (fate->arrived >> p & 1)
			memcpy(left_unit(disk, unit), w->bytes + at, SIM_UNIT);
	}
}

struct left outcome_left(struct sim_disk *disk, const struct outcome *outcome)
{
	size_t units = disk->size / SIM_UNIT;

	if (left.units_max < units) {
		free(left.slot);
		free(left.stamp);
		left.units_max = units;
		left.slot = calloc(units, sizeof(*left.slot));
		left.stamp = calloc(units, sizeof(*left.stamp));
		if (!left.slot || !left.stamp)
			abort();
	}
	left.count = 0;
	left.now++;
	for (size_t i = 0; i < outcome->count; i++) {
		size_t k = outcome->backwards ? outcome->count - 1 - i : i;
		leave_write(disk, &disk->pending[k], &outcome->fate[k]);
	}
	return (struct left){.count = left.count, .units = left.units, .bytes = left.bytes};
}

static uint64_t left_hash(struct sim_disk *disk, const struct outcome *outcome)
{
	struct left l = outcome_left(disk, outcome);
	uint64_t hash = disk->hash;

	for (size_t i = 0; i < l.count; i++)
		hash += sim_unit_hash(l.units[i], l.bytes + i * SIM_UNIT) -
			sim_unit_hash(l.units[i], disk->durable + (size_t)l.units[i] * SIM_UNIT);
	return hash;
}

/*
 * The same for writes that do not overlap, which is nearly always: what each piece adds is worked
 * out once for each cut.
 */
static uint64_t piece_delta[SIM_PENDING_MAX][64];

static uint64_t unit_delta(const struct sim_disk *disk, uint32_t unit, const uint8_t *bytes)
{
	const uint8_t *before = disk->durable + (size_t)unit * SIM_UNIT;
	return memcmp(before, bytes, SIM_UNIT)
		       ? sim_unit_hash(unit, bytes) - sim_unit_hash(unit, before)
		       : 0;
}

static void work_out_deltas(const struct sim_disk *disk, size_t i)
{
	const struct sim_write *w = &disk->pending[i];
	size_t piece = piece_len(disk, w);

	memset(piece_delta[i], 0, sizeof(piece_delta[i]));
	for (size_t at = 0; at < w->len; at += SIM_UNIT)
		piece_delta[i][at / piece] +=
			unit_delta(disk, (uint32_t)((w->off + at) / SIM_UNIT), w->bytes + at);
}

static uint64_t garbled_delta(const struct sim_disk *disk, const struct sim_write *w,
			      const struct fate *fate)
{
	size_t piece = piece_len(disk, w), from = (fate->garbled - 1u) * piece;
	uint64_t delta = 0;
	uint8_t bytes[SIM_UNIT];

	for (size_t at = from; at < from + piece && at < w->len; at += SIM_UNIT) {
		memcpy(bytes, disk->durable + w->off + at, SIM_UNIT);
		garble(bytes, w->bytes + at, (enum garble)fate->how, at - from, piece);
		delta += unit_delta(disk, (uint32_t)((w->off + at) / SIM_UNIT), bytes);
	}
	return delta;
}

static uint64_t quick_hash(const struct sim_disk *disk, const struct outcome *outcome)
{
	uint64_t hash = disk->hash;

	for (size_t i = 0; i < outcome->count; i++) {
		const struct fate *f = &outcome->fate[i];
		uint64_t arrived = f->arrived;
		if (f->garbled) {
			arrived &= ~((uint64_t)1 << (f->garbled - 1));
			hash += garbled_delta(disk, &disk->pending[i], f);
		}
		for (; arrived; arrived &= arrived - 1)
			hash += piece_delta[i][__builtin_ctzll(arrived)];
	}
	return hash;
}

/* --- Options of one write --- */

struct options {
	size_t count;
	struct fate at[OPTIONS_MAX];
};

static void add(struct options *o, uint64_t arrived, unsigned garbled, enum garble how)
{
	if (o->count < OPTIONS_MAX)
		o->at[o->count++] = (struct fate){arrived, (uint8_t)garbled, (uint8_t)how};
}

/* The pieces that would change. Where writes overlap, all of them. */
static uint64_t changing(const struct sim_disk *disk, const struct sim_write *w, bool overlap)
{
	size_t piece = piece_len(disk, w);
	uint64_t mask = 0;

	if (overlap)
		return outcome_all(disk, w);
	for (unsigned p = 0; p < piece_count(disk, w); p++) {
		size_t at = p * piece, len = w->len - at < piece ? w->len - at : piece;
		if (memcmp(disk->durable + w->off + at, w->bytes + at, len))
			mask |= (uint64_t)1 << p;
	}
	return mask;
}

static void add_garbled(const struct sim_disk *disk, struct options *o, uint64_t mask)
{
	if (disk->physics->atomic)
		return;
	for (unsigned p = 0; p < 64; p++)
		for (unsigned how = 0; how < GARBLES && mask >> p & 1; how++) {
			uint64_t this = (uint64_t)1 << p;
			add(o, mask & (this - 1), p + 1, (enum garble)how);
			add(o, mask & ~this, p + 1, (enum garble)how);
		}
}

/* Every subset of the pieces that change; of many, the ends, the singles and the torn ones. */
static void write_options(const struct sim_disk *disk, const struct sim_write *w, bool overlap,
			  struct options *o)
{
	uint64_t mask = changing(disk, w, overlap), all = outcome_all(disk, w);

	o->count = 0;
	if ((unsigned)__builtin_popcountll(mask) <= outcome_subsets) {
		uint64_t subset = 0;
		do {
			add(o, subset == mask ? all : subset, 0, 0);
			subset = (subset - mask) & mask;
		} while (subset);
	} else {
		add(o, 0, 0, 0);
		for (unsigned p = 0; p < 64; p++) {
			uint64_t this = (uint64_t)1 << p;
			if (!(mask & this))
				continue;
			add(o, mask & this, 0, 0);
			add(o, mask & (this - 1), 0, 0);
			add(o, mask & ~(this - 1), 0, 0);
			add(o, mask & ~this, 0, 0);
		}
		add(o, all, 0, 0);
	}
	add_garbled(disk, o, mask);
}

/* --- All outcomes of a cut --- */

struct each {
	struct sim_disk *disk;
	uint64_t padding[SIM_PENDING_MAX]; /* pieces that change; none where writes overlap */
	outcome_visit *visit;
	void *context;
	bool overlap;
	struct outcome outcome;
	uint64_t count;
	uint32_t bulk[SIM_PENDING_MAX], critical[SIM_PENDING_MAX];
	size_t bulk_count, critical_count;
};

/* Images that this cut has left already. */
static struct {
	uint64_t hash[SEEN_SIZE];
	uint32_t stamp[SEEN_SIZE];
	uint32_t now;
} seen;

static bool is_new(uint64_t hash)
{
	uint32_t at = (uint32_t)(hash >> 40) % SEEN_SIZE;

	for (size_t i = 0; i < SEEN_SIZE; i++, at = (at + 1) % SEEN_SIZE) {
		if (seen.stamp[at] != seen.now) {
			seen.stamp[at] = seen.now;
			seen.hash[at] = hash;
			return true;
		}
		if (seen.hash[at] == hash)
			return false;
	}
	abort();
}

/* The pieces of a record that nobody reads: those behind its content, FORMAT.md 2. */
static uint64_t padding_of(const struct sim_disk *disk, const struct sim_write *w)
{
	size_t piece = piece_len(disk, w), first;

	if (w->len < 64 || memcmp(w->bytes, "LBR1", 4))
		return 0;
	first = (64 + (size_t)load_be32(w->bytes + 16) + piece - 1) / piece;
	return first < 64 ? outcome_all(disk, w) & UINT64_MAX << first : 0;
}

static bool splits_padding(const struct each *e)
{
	for (size_t i = 0; i < e->outcome.count; i++) {
		const struct fate *f = &e->outcome.fate[i];
		uint64_t there = f->arrived & e->padding[i];
		if (there && there != e->padding[i])
			return true;
		if (f->garbled && e->padding[i] >> (f->garbled - 1) & 1)
			return true;
	}
	return false;
}

static void visit_one(struct each *e)
{
	e->outcome.splits_padding = splits_padding(e);
	for (int backwards = 0; backwards <= e->overlap; backwards++) {
		e->outcome.backwards = backwards;
		uint64_t hash = e->overlap ? left_hash(e->disk, &e->outcome)
					   : quick_hash(e->disk, &e->outcome);
		if (!is_new(hash))
			continue;
		e->count++;
		e->visit(e->context, &e->outcome, hash);
	}
	e->outcome.backwards = false;
}

static struct options options[SIM_PENDING_MAX];

static uint64_t critical_product(const struct each *e)
{
	uint64_t product = 1;

	for (size_t i = 0; i < e->critical_count && product <= PRODUCT_MAX; i++)
		product *= options[e->critical[i]].count;
	return product;
}

static void vary_all(struct each *e, size_t i)
{
	if (i == e->critical_count) {
		visit_one(e);
		return;
	}
	const struct options *o = &options[e->critical[i]];
	for (size_t k = 0; k < o->count; k++) {
		e->outcome.fate[e->critical[i]] = o->at[k];
		vary_all(e, i + 1);
	}
}

static void set_critical(struct each *e, size_t from, size_t to, bool arrived)
{
	for (size_t i = from; i < to; i++) {
		uint32_t w = e->critical[i];
		e->outcome.fate[w] = (struct fate){
			.arrived = arrived ? outcome_all(e->disk, &e->disk->pending[w]) : 0};
	}
}

/* Too many to combine all: each write in all its ways, with the others lost, arrived, in order. */
static void vary_one(struct each *e)
{
	for (size_t i = 0; i < e->critical_count; i++)
		for (int others = 0; others < 4; others++) {
			const struct options *o = &options[e->critical[i]];
			set_critical(e, 0, i, others & 1);
			set_critical(e, i + 1, e->critical_count, others & 2);
			for (size_t k = 0; k < o->count; k++) {
				e->outcome.fate[e->critical[i]] = o->at[k];
				visit_one(e);
			}
		}
}

static void with_critical(struct each *e)
{
	if (critical_product(e) <= PRODUCT_MAX)
		vary_all(e, 0);
	else
		vary_one(e);
}

static void set_bulk(struct each *e, size_t from, size_t to, bool arrived)
{
	for (size_t i = from; i < to; i++) {
		uint32_t w = e->bulk[i];
		e->outcome.fate[w] = (struct fate){
			.arrived = arrived ? outcome_all(e->disk, &e->disk->pending[w]) : 0};
	}
}

/* One write torn in every way that its options know, with what is before and behind it. */
static void tear_bulk(struct each *e, size_t i)
{
	const struct options *o = &options[e->bulk[i]];

	for (int behind = 0; behind < 2; behind++)
		for (size_t k = 0; k < o->count; k++) {
			set_bulk(e, 0, i, true);
			set_bulk(e, i + 1, e->bulk_count, behind);
			e->outcome.fate[e->bulk[i]] = o->at[k];
			with_critical(e);
		}
}

static void each_bulk(struct each *e)
{
	size_t n = e->bulk_count;

	set_bulk(e, 0, n, true);
	with_critical(e);
	for (size_t i = 0; i < n; i++) {
		for (int others = 0; others < 4; others++) {
			set_bulk(e, 0, i, others & 1);
			set_bulk(e, i + 1, n, others & 2);
			set_bulk(e, i, i + 1, !others);
			with_critical(e);
		}
	}
	set_bulk(e, 0, n, false);
	with_critical(e);
	if (n)
		tear_bulk(e, n - 1);
	if (n > 1)
		tear_bulk(e, n / 2 - (n == 2));
}

static bool any_overlap(const struct sim_disk *disk)
{
	for (size_t i = 0; i < disk->pending_count; i++)
		for (size_t k = 0; k < i; k++) {
			const struct sim_write *a = &disk->pending[i], *b = &disk->pending[k];
			if (a->off < b->off + b->len && b->off < a->off + a->len)
				return true;
		}
	return false;
}

uint64_t outcome_each(struct sim_disk *disk, outcome_visit *visit, void *context)
{
	static struct each e;

	e = (struct each){.disk = disk,
			  .visit = visit,
			  .context = context,
			  .overlap = any_overlap(disk),
			  .outcome = {.count = disk->pending_count}};
	seen.now++;
	for (uint32_t i = 0; i < disk->pending_count; i++) {
		const struct sim_write *w = &disk->pending[i];
		write_options(disk, w, e.overlap, &options[i]);
		work_out_deltas(disk, i);
		if (!e.overlap)
			e.padding[i] = padding_of(disk, w) & changing(disk, w, false);
		if (disk->parts[w->part].bulk)
			e.bulk[e.bulk_count++] = i;
		else
			e.critical[e.critical_count++] = i;
	}
	if (e.bulk_count)
		each_bulk(&e);
	else
		with_critical(&e);
	return e.count;
}
