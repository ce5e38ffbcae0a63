/*
 * What the unit tests share: makers of good objects (a test changes one field, seals the object
 * again, and expects the exact detail code), and a world in memory behind core's seams.
 *
 * Nothing here is derived from core's code: the makers follow FORMAT.md, the UEFI specification,
 * RFC 8878 and U-Boot's env/common.c on their own, so that a mistake in core does not hide behind
 * the same mistake here.
 *
 * All memory comes from an arena that the teardown of every test empties.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bytes.h"
#include "detail.h"
#include "flags.h"
#include "gpt.h"
#include "hash.h"
#include "seam.h"
#include "trust.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

/* One row of a test program's table: the arena is emptied after it. */
#define TEST(f) cmocka_unit_test_teardown(f, arena_teardown)
#define RUN_ALL(tests) cmocka_run_group_tests(tests, NULL, NULL)

/* --- Memory and expectations --- */

void *arena_alloc(size_t len); /* zeroed, exactly this long for the sanitizer; never NULL */
void *arena_copy(const void *p, size_t len);
void arena_free(void);
void memdisks_free(void);
int arena_teardown(void **state);

/* The line that a loop is at, for failures within it. */
void at_case(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define assert_detail(got, want) assert_detail_at((got), (want), #got, __FILE__, __LINE__)
void assert_detail_at(enum detail got, enum detail want, const char *what, const char *file,
		      int line);
/* One of several, where the specification does not say which. */
#define assert_detail_in(got, ...)                                                                 \
	assert_detail_in_at((got), (const enum detail[]){__VA_ARGS__, DETAIL_OK}, #got, __FILE__,  \
			    __LINE__)
void assert_detail_in_at(enum detail got, const enum detail *want, const char *what,
			 const char *file, int line);
#define check(condition) check_at((condition), #condition, __FILE__, __LINE__)
void check_at(bool holds, const char *what, const char *file, int line);

uint32_t crc32_of(const uint8_t *p, size_t len); /* ISO 3309 */

/* The n-th number of a stream that a seed names; the same on every machine. */
uint64_t noise(uint64_t seed, uint64_t n);
void noise_fill(uint8_t *p, size_t len, uint64_t seed);
uint8_t *arena_noise(size_t len, uint64_t seed); /* of the arena */

/* --- Device trees --- */

struct prop {
	char name[64];
	uint8_t *data;
	size_t len;
	struct prop *next;
};
struct node {
	char name[64];
	struct prop *props;
	struct node *children;
	struct node *next;
};

struct node *node_new(const char *name);
struct node *node_add(struct node *parent,
		      const char *name); /* at the end; twice the same name is possible */
struct node *node_at(struct node *parent, const char *name); /* must be there */
void node_remove(struct node *parent, const char *name);
struct prop *prop_at(struct node *node, const char *name); /* NULL: none */
void prop_set(struct node *node, const char *name, const void *data, size_t len);
void prop_add(struct node *node, const char *name, const void *data,
	      size_t len); /* even when it is there */
void prop_text(struct node *node, const char *name, const char *text);
void prop_u64(struct node *node, const char *name, uint64_t v);
void prop_u64_pair(struct node *node, const char *name, uint64_t a, uint64_t b);
void prop_remove(struct node *node, const char *name);
/* A flattened tree, version 17, packed; 8-byte aligned. */
uint8_t *fdt_make(const struct node *root, size_t *len);

/* --- Keys --- */

struct test_key {
	uint8_t secret[32];
	struct trust_key public;
};
enum { TEST_KEYS = 24 };
const struct test_key *test_key(size_t i); /* i < TEST_KEYS */
struct trust trust_of(size_t first,
		      size_t count); /* test keys first .. first + count - 1, side by side */
size_t test_sign(const struct test_key *key, const uint8_t hash[HASH_LEN], uint8_t sig[80]);

/* --- Zstandard frames, made by hand (RFC 8878) --- */

struct frame_options {
	bool no_content_size;
	bool window_descriptor; /* instead of a single segment */
	uint8_t window;		/* the descriptor's byte */
	bool dictionary;	/* names dictionary 1 */
	bool checksum_flag;	/* claims a checksum (and ends in a wrong one) */
	bool reserved_bit;
	uint64_t content_size; /* 0: the right one */
};
/* Frame of plain[0..len): raw blocks, and RLE blocks for runs. options may be NULL. */
uint8_t *frame_make(const uint8_t *plain, size_t len, const struct frame_options *options,
		    size_t *frame_len);

/* --- Packages --- */

struct pkg_chunk {
	uint32_t kind;
	uint32_t flags;
	uint64_t stored_len; /* as the index says it */
	uint8_t stored_sha256[HASH_LEN];
	uint8_t plain_sha256[HASH_LEN];
	uint8_t *stored;
	size_t real_len; /* of stored */
};
struct pkg_segment {
	uint8_t magic[8];
	uint64_t image, first, count; /* as the page says them */
	size_t chunk_count;
	struct pkg_chunk *chunks;
	uint8_t *page; /* made by pkg_link */
	size_t page_len;
	uint64_t off, len, index_len; /* of the record, made by pkg_link */
	uint8_t index_sha256[HASH_LEN];
};
struct pkg_image {
	const char *role;
	uint8_t *plain;
	size_t size;
	uint32_t chunk_size;
	size_t segment_count;
	struct pkg_segment *segments;
	struct node *node;
};

struct pkg {
	/* Free to be changed before pkg_seal. */
	uint8_t magic[8];
	uint32_t format, flags;
	uint8_t reserved[32];
	const uint64_t *manifest_len; /* NULL: the right one */
	const uint64_t *payload_len;  /* NULL: the right one */
	struct node *root;
	size_t key_count;
	const struct test_key *keys[20];
	uint32_t algorithm;	 /* of every signature */
	const uint8_t *manifest; /* NULL: made from root */
	size_t manifest_size;

	/* Free to be changed before pkg_link. */
	size_t image_count;
	struct pkg_image images[MANIFEST_IMAGES_MAX + 1];

	/* Made by pkg_link. */
	uint8_t *payload;
	size_t payload_size;

	/* Made by pkg_seal. */
	uint8_t *bytes;
	size_t len;
	size_t manifest_off, signatures_off, payload_off;
	uint8_t id[HASH_LEN];
};

/* Release 10 "10.0" for lifeboat,reference-ab, floor 3, epoch 1, key 0, no images yet. */
struct pkg *pkg_new(void);
/* Splits plain into chunks: fill where one byte repeats, zstd where the second half does, else raw.
 * plain is copied. */
struct pkg_image *pkg_add_image(struct pkg *pkg, const char *role, const uint8_t *plain,
				size_t size, uint32_t chunk_size);
void pkg_chunk_set(struct pkg_chunk *chunk, uint32_t kind, const uint8_t *plain, size_t plain_len,
		   const void *stored, size_t stored_len);
struct pkg_chunk *pkg_chunk(struct pkg *pkg, size_t image, size_t number);
/* Pages, payload and the manifest's image nodes from the images. */
void pkg_link(struct pkg *pkg);
/* The segments property alone, from the records. */
void pkg_store_segments(struct pkg_image *image);
void pkg_seal(struct pkg *pkg);
struct node *pkg_image_node(struct pkg *pkg, size_t image);
/* Content with chunks of every kind. */
uint8_t *pkg_content(size_t size, uint32_t chunk_size, uint64_t seed);
/* boot (5 chunks and a bit) and system (9 chunks), chunks of 4096 bytes, of all kinds; linked and
 * sealed. */
struct pkg *pkg_small(void);

/* --- Memory disk --- */

enum op_kind { OP_READ, OP_WRITE, OP_FLUSH, OP_STEP };
struct op {
	enum op_kind kind;
	const char *dev; /* label; "disk" for the whole */
	uint64_t off;	 /* within the dev */
	size_t len;
	enum step step; /* OP_STEP */
};

struct memdev {
	struct dev dev; /* first */
	struct memdisk *disk;
	const char *label;
	uint64_t base;
	bool busy; /* mounted: may not be opened for writing */
	int open, writable;
};

struct pending_write;

struct memdisk {
	struct memdisk *next; /* of all, for the teardown */
	uint8_t *now;	      /* what a read gives */
	uint8_t *durable;     /* what a power cut leaves at least */
	uint64_t size;
	uint32_t sector;
	struct pending_write *pending, **pending_end;

	struct op *ops; /* everything, in order */
	size_t op_count, op_max;
	bool keep_reads; /* in ops; else only writes, flushes and steps */

	/* Faults. Counters count down to 0 and then fire once; -1: never. */
	long fail_read, fail_write, fail_flush; /* errno 5 (EIO) */
	long fail_more;				/* times that the one that fired fires again */
	long die; /* writes and flushes until everything fails, for good (a power cut) */
	bool dead;
	uint64_t flip_off; /* the byte there is flipped when a flush makes it durable; UINT64_MAX:
			      none */
	int flip_times;
	uint64_t lose_off;	/* writes to this sector are lost at the flush; UINT64_MAX: none */
	uint64_t bad_off;	/* reads that touch this byte fail; UINT64_MAX: none */
	uint64_t bad_write_off; /* the same for writes */
	size_t reads, writes, flushes;
	/* Called before each read, write and flush is done; buf: what is written. NULL: nobody. */
	void (*watch)(struct memdisk *disk, const struct op *op, const uint8_t *buf);
	struct memdev whole;
};

struct memdisk *memdisk_new(uint64_t size, uint32_t sector);
void memdev_init(struct memdev *dev, struct memdisk *disk, const char *label, uint64_t base,
		 uint64_t len);
/* What the medium may hold after a power cut: seed 0 loses every unflushed write, 1 keeps all,
 * others keep some, torn and reordered. The disk then works again. */
void memdisk_power_cut(struct memdisk *disk, uint64_t seed);
/* Puts an image on the medium, takes every fault and pending write away, and forgets the ops. */
void memdisk_restore(struct memdisk *disk, const uint8_t *image);
void memdisk_forget_ops(struct memdisk *disk);

/* --- GPT, as the UEFI specification has it --- */

struct part {
	const char *label;
	uint64_t off, len; /* bytes */
};
struct gpt_maker {
	uint32_t sector;
	uint32_t entry_size;		    /* 128, 256, ... */
	uint32_t entry_count;		    /* 128 */
	uint64_t first_usable, last_usable; /* sectors; 0: the usual */
	size_t part_count;
	const struct part *parts;
};
/* Writes protective MBR, primary and backup. */
void gpt_make(uint8_t *disk, uint64_t size, const struct gpt_maker *maker);
uint8_t *gpt_header(uint8_t *disk, uint64_t size, uint32_t sector, bool backup);
uint8_t *gpt_entry(uint8_t *disk, uint64_t size, uint32_t sector, bool backup, size_t i);
/* Makes both checksums right again after a change. */
void gpt_seal(uint8_t *disk, uint64_t size, uint32_t sector, bool backup);

/* --- U-Boot's environment --- */

/* vars: "a=1\0b=2\0" (the string's own end closes the list). */
void env_make(uint8_t *copy, size_t size, uint8_t serial, const char *vars, size_t vars_len);
bool env_valid(const uint8_t *copy, size_t size);
/* The copy that U-Boot would take; NULL when both are damaged. */
const uint8_t *env_active(const uint8_t *a, const uint8_t *b, size_t size);
/* Value of a variable, NULL: none. */
const char *env_get(const uint8_t *copy, size_t size, const char *name);
/* Slot letter that the boot script of the reference boards would start, 'R' for recovery.
 * takes_try: as it does. */
char env_choice(const uint8_t *copy, size_t size);

/* --- Source --- */

struct memsource {
	struct source source; /* first */
	const uint8_t *bytes;
	size_t len;
	size_t pos;
	size_t max_read; /* of one read; SIZE_MAX: any */
	size_t fail_at;	 /* position at which reading fails; SIZE_MAX: never */
	enum detail failure;
	uint8_t *seen; /* not NULL: a byte that is read again comes flipped */
	size_t bytes_read;
	size_t seeks, reads;
	bool failed; /* after which only close may follow */
	bool closed;
};
void memsource_init(struct memsource *source, const uint8_t *bytes, size_t len);
void memsource_differ_on_second_read(struct memsource *source);

/* --- Storage, clock, observer --- */

enum { PARTS_MAX = 16 };
struct memstorage {
	struct storage storage; /* first */
	size_t part_count;
	struct memdev parts[PARTS_MAX];
};
void memstorage_init(struct memstorage *storage, struct memdisk *disk, const struct part *parts,
		     size_t count);
struct memdev *memstorage_part(struct memstorage *storage, const char *label);

struct memclock {
	struct clock clock; /* first */
	uint64_t ms;
	const char *wall;
};
void memclock_init(struct memclock *clock);

struct memobserver {
	struct observer observer; /* first */
	struct memdisk *disk;	  /* steps go to its ops */
	enum step last;
	bool any;
	long stop_after; /* polls until it asks to stop; -1: never */
	size_t lines, polls;
	struct progress at[STEP_DONE + 1]; /* the last report of each step */
	bool backwards;			   /* a step's done went down, or was over total */
};
void memobserver_init(struct memobserver *observer, struct memdisk *disk);

#endif
