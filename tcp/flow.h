/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: 4-tuple -> what the engine knows of it. It keeps no keys: a 4-tuple lies in the
 * object that it leads to, which whoever looks for it touches anyway.
 *
 *     bucket, a cache line      | 6 tags of 16 bits | next | 6 tagged pointers |
 *     where that is too few                            └──▶ another bucket, from the end of the
 * array
 *
 * The hash is the multilinear one, h = (k0 + sum (k[2i+1] + x[2i]) * (k[2i+2] + x[2i+1])) >> 32
 * over the key's 32-bit words with secret 64-bit k drawn at start: two different keys collide with
 * probability 2^-32 whoever chose them, which no seeded CRC or Jenkins hash promises. Its low bits
 * name the bucket, its high ones are the tag.
 *
 * Invariants: an object has at most one entry; a free entry and its tag are 0; of a row of buckets
 * all but the last are full, so that as many as the table was made for always find room.
 */
#ifndef TERN_TCP_FLOW_H
#define TERN_TCP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ip_addr.h"

/* Kinds of entry, in the low bits of its pointer: all objects are at least 8 bytes apart. */
enum flow_kind {
	FLOW_NONE,
	FLOW_CONN,
	FLOW_REQUEST,
	FLOW_TIMEWAIT,
	FLOW_FROZEN, /* a connection in repair: repair.c */
	FLOW_MUTE,   /* what is left of one that was moved away: mute.c */
	FLOW_FOLDED, /* a connection in less memory: fold.c */
	FLOW_KIND_MASK = 7,
};

/* A tagged pointer; 0 where nothing was found. */
typedef uintptr_t flow_t;

static inline flow_t
flow_make(const void *object, enum flow_kind kind)
{
	return (uintptr_t)object | (uintptr_t)kind;
}

static inline enum flow_kind
flow_kind(flow_t f)
{
	return (enum flow_kind)(f & FLOW_KIND_MASK);
}

static inline void *
flow_object(flow_t f)
{
	return (void *)(f & ~(uintptr_t)FLOW_KIND_MASK);
}

enum { FLOW_BURST = 64 }; /* that are looked up at once, at most */

enum { FLOW_CHANGES = 256 };

enum { FLOW_BUCKET_ENTRIES = 6 };

struct flow_bucket {
	uint64_t tags[2]; /* four; two, and above them the next bucket's number, 0: none */
	flow_t entry[FLOW_BUCKET_ENTRIES];
};

static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

/* Where objects have their 4-tuples. */
struct flow_keys {
	uint16_t at[FLOW_KIND_MASK + 1]; /* by kind: its offset; FLOW_KEY_ASK: `is` tells */
	/* Whether an object is this one's. */
	bool (*is)(const void *ctx, const void *object, const struct tcp_tuple *tuple);
	const void *ctx;
};

enum { FLOW_KEY_ASK = UINT16_MAX };

struct flow_table {
	struct flow_bucket *buckets; /* mask + 1 that a hash names, then `more` others */
	uint32_t mask;
	uint32_t count;
	uint32_t more, more_carved;
	uint32_t more_free;                  /* the first of those that were given back; 0: none */
	uint32_t entries;                    /* that always find room */
	uint64_t changes[FLOW_CHANGES / 64]; /* since flow_look(): a bit for each hash, modulo */
	uint64_t secret[12];
	struct flow_keys keys;
};

/* What is looked up from now on is true until flow_has_changed() says so of its hash. */
static inline void
flow_look(struct flow_table *t)
{
	memset(t->changes, 0, sizeof(t->changes));
}

/* Whether an entry with this hash may have come, gone or changed since flow_look(). */
static inline bool
flow_has_changed(const struct flow_table *t, uint32_t hash)
{
	return (t->changes[hash % FLOW_CHANGES / 64] >> hash % 64 & 1) != 0;
}

/* How much memory a table takes. */
size_t flow_table_bytes(uint32_t entries);
/* `memory` is that much, all zero, and begins a cache line. The secret must already be random. */
void flow_table_init(struct flow_table *t, void *memory, uint32_t entries,
		     const struct flow_keys *keys);

uint32_t flow_hash(const struct flow_table *t, const struct tcp_tuple *tuple);

flow_t flow_lookup(const struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash);

/* Looks up n <= FLOW_BURST tuples at once. */
void flow_lookup_bulk(const struct flow_table *t, const struct tcp_tuple **tuples,
		      const uint32_t *hashes, unsigned int n, flow_t *found);

/* How many entries there are. */
static inline uint32_t
flow_count(const struct flow_table *t)
{
	return t->count;
}

/* Adds an entry; the caller knows that its tuple has none. Returns 0 or -ENOSPC. */
int flow_add(struct flow_table *t, uint32_t hash, flow_t value);
/* What an object's entry means from now on, of the same hash. Returns false if it has none. */
bool flow_change(struct flow_table *t, uint32_t hash, const void *object, flow_t value);
/* Removes an object's entry, if it has one. */
void flow_remove(struct flow_table *t, uint32_t hash, const void *object);

#endif
