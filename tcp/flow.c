/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow.h"

#include <assert.h>
#include <errno.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

enum {
	KEY_WORDS = sizeof(struct tcp_tuple) / sizeof(uint32_t),
	/* That a bucket has of a full table, at most: nine in ten are enough then. */
	LOAD = 4,
	LANE_BITS = 16,
	LOW_ENTRIES = 4, /* whose tags are in tags[0] */
};

static_assert(KEY_WORDS == 9, "flow_hash() is written for nine words");
static_assert(sizeof(flow_t) == sizeof(uint64_t), "a bucket has room for six");

#define LANES_ONE UINT64_C(0x0001000100010001)
#define LANES_HIGH UINT64_C(0x8000800080008000)
#define TAGS_HIGH UINT64_C(0xffffffff) /* the two of tags[1] */

static uint32_t
homes_of(uint32_t entries)
{
	return rte_align32pow2(RTE_MAX(entries / LOAD, 8u));
}

/* A row of k entries takes (k - 1) / 6 buckets besides its first. */
static uint32_t
more_of(uint32_t entries)
{
	return entries / FLOW_BUCKET_ENTRIES + 1;
}

size_t
flow_table_bytes(uint32_t entries)
{
	return ((size_t)homes_of(entries) + more_of(entries)) * sizeof(struct flow_bucket);
}

void
flow_table_init(struct flow_table *t, void *memory, uint32_t entries, const struct flow_keys *keys)
{
	t->buckets = memory;
	t->mask = homes_of(entries) - 1;
	t->more = more_of(entries);
	t->entries = entries;
	t->count = t->more_carved = t->more_free = 0;
	t->keys = *keys;
	flow_look(t);
}

uint32_t
flow_hash(const struct flow_table *t, const struct tcp_tuple *tuple)
{
	const uint64_t *k = t->secret;
	uint32_t x[10];
	uint64_t h = k[0];

	memcpy(x, tuple, sizeof(*tuple));
	x[9] = 0;
	for (unsigned int i = 0; i < 10; i += 2)
		h += (k[i + 1] + x[i]) * (k[i + 2] + x[i + 1]);
	return (uint32_t)(h >> 32);
}

/* ---- Finding */

/* Four times the tag, which is not 0: that is a free entry's. */
static inline uint64_t
tags_of(uint32_t hash)
{
	uint32_t tag = hash >> 16;

	return (tag != 0 ? tag : 1) * LANES_ONE;
}

/* The highest bit of each lane of a that is as b's; it may be said of one above such a one, too. */
static inline uint64_t
equal_lanes(uint64_t a, uint64_t b)
{
	uint64_t x = a ^ b;

	return (x - LANES_ONE) & ~x & LANES_HIGH;
}

static inline uint64_t
equal_low(const struct flow_bucket *b, uint64_t tags)
{
	return equal_lanes(b->tags[0], tags);
}

static inline uint64_t
equal_high(const struct flow_bucket *b, uint64_t tags)
{
	return equal_lanes(b->tags[1], tags) & TAGS_HIGH;
}

static inline unsigned int
lane_of(uint64_t bits)
{
	return (unsigned int)rte_bsf64(bits) / LANE_BITS;
}

static inline uint32_t
next_of(const struct flow_bucket *b)
{
	return (uint32_t)(b->tags[1] >> 32);
}

static inline struct flow_bucket *
home_of(const struct flow_table *t, uint32_t hash)
{
	return &t->buckets[hash & t->mask];
}

static inline bool
is_equal(const void *a, const struct tcp_tuple *b)
{
	uint64_t x[4], y[4];
	uint32_t v, w;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	memcpy(&v, (const uint8_t *)a + sizeof(x), sizeof(v));
	memcpy(&w, (const uint8_t *)b + sizeof(y), sizeof(w));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (v ^ w)) == 0;
}

/* Whether an entry is this tuple's. */
static inline bool
is_of(const struct flow_table *t, flow_t entry, const struct tcp_tuple *tuple)
{
	const struct flow_keys *keys = &t->keys;
	const uint8_t *object = flow_object(entry);
	uint16_t at = keys->at[flow_kind(entry)];

	if (unlikely(at == FLOW_KEY_ASK))
		return keys->is(keys->ctx, object, tuple);
	return is_equal(object + at, tuple);
}

flow_t
flow_lookup(const struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash)
{
	const struct flow_bucket *b = home_of(t, hash);
	uint64_t tags = tags_of(hash), m;

	for (;;) {
		for (m = equal_low(b, tags); m != 0; m &= m - 1) {
			flow_t entry = b->entry[lane_of(m)];

			if (entry != 0 && is_of(t, entry, tuple))
				return entry;
		}
		for (m = equal_high(b, tags); m != 0; m &= m - 1) {
			flow_t entry = b->entry[LOW_ENTRIES + lane_of(m)];

			if (entry != 0 && is_of(t, entry, tuple))
				return entry;
		}
		if (likely(next_of(b) == 0))
			return 0;
		b = &t->buckets[next_of(b)];
	}
}

/* What it probably is: the first with its tag in its first bucket; 0: there is none. */
static inline flow_t
guess(const struct flow_table *t, uint32_t hash)
{
	const struct flow_bucket *b = home_of(t, hash);
	uint64_t tags = tags_of(hash), m = equal_low(b, tags);

	if (m != 0)
		return b->entry[lane_of(m)];
	m = equal_high(b, tags);
	return m != 0 ? b->entry[LOW_ENTRIES + lane_of(m)] : 0;
}

void
flow_lookup_bulk(const struct flow_table *t, const struct tcp_tuple **tuples,
		 const uint32_t *hashes, unsigned int n, flow_t *found)
{
	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(home_of(t, hashes[i]));
	for (unsigned int i = 0; i < n; i++) {
		found[i] = guess(t, hashes[i]);
		/* As a number: there may be no object. */
		rte_prefetch0((const void *)((found[i] & ~(uintptr_t)FLOW_KIND_MASK) +
					     t->keys.at[flow_kind(found[i])]));
	}
	for (unsigned int i = 0; i < n; i++) {
		bool none = found[i] == 0 && next_of(home_of(t, hashes[i])) == 0;

		if (!none && (found[i] == 0 || !is_of(t, found[i], tuples[i])))
			found[i] = flow_lookup(t, tuples[i], hashes[i]);
	}
}

/* ---- Changing */

static void
note_change(struct flow_table *t, uint32_t hash)
{
	t->changes[hash % FLOW_CHANGES / 64] |= UINT64_C(1) << hash % 64;
}

/* A place in a row of buckets. */
struct place {
	struct flow_bucket *before, *bucket; /* before: NULL for the first of the row */
	unsigned int i;
};

/* Where an object's entry is, or, of object NULL, the first free one; then tags is 0. */
static bool
place_of(const struct flow_table *t, uint32_t hash, uint64_t tags, const void *object,
	 struct place *p)
{
	uint64_t m;

	*p = (struct place){.bucket = home_of(t, hash)};
	for (;;) {
		for (m = equal_low(p->bucket, tags); m != 0; m &= m - 1) {
			p->i = lane_of(m);
			if (flow_object(p->bucket->entry[p->i]) == object)
				return true;
		}
		for (m = equal_high(p->bucket, tags); m != 0; m &= m - 1) {
			p->i = LOW_ENTRIES + lane_of(m);
			if (flow_object(p->bucket->entry[p->i]) == object)
				return true;
		}
		if (next_of(p->bucket) == 0)
			return false;
		p->before = p->bucket;
		p->bucket = &t->buckets[next_of(p->bucket)];
	}
}

static void
set_tag(struct flow_bucket *b, unsigned int i, uint64_t tag)
{
	unsigned int shift = i % LOW_ENTRIES * LANE_BITS;
	uint64_t *tags = &b->tags[i / LOW_ENTRIES];

	*tags = (*tags & ~(UINT64_C(0xffff) << shift)) | (tag & 0xffff) << shift;
}

static uint64_t
tag_at(const struct flow_bucket *b, unsigned int i)
{
	return b->tags[i / LOW_ENTRIES] >> i % LOW_ENTRIES * LANE_BITS & 0xffff;
}

static void
set_next(struct flow_bucket *b, uint32_t next)
{
	b->tags[1] = (b->tags[1] & TAGS_HIGH) | (uint64_t)next << 32;
}

/* One more bucket for a row that is full. */
static struct flow_bucket *
lengthen(struct flow_table *t, struct flow_bucket *last)
{
	uint32_t number = t->more_free;

	if (number != 0) {
		t->more_free = next_of(&t->buckets[number]);
		set_next(&t->buckets[number], 0);
	} else {
		assert(t->more_carved < t->more);
		number = t->mask + 1 + t->more_carved++;
	}
	set_next(last, number);
	return &t->buckets[number];
}

int
flow_add(struct flow_table *t, uint32_t hash, flow_t value)
{
	struct place p;

	if (t->count == t->entries)
		return -ENOSPC;
	if (!place_of(t, hash, 0, NULL, &p)) {
		p.bucket = lengthen(t, p.bucket);
		p.i = 0;
	}
	set_tag(p.bucket, p.i, tags_of(hash));
	p.bucket->entry[p.i] = value;
	t->count++;
	note_change(t, hash);
	return 0;
}

bool
flow_change(struct flow_table *t, uint32_t hash, const void *object, flow_t value)
{
	struct place p;

	if (!place_of(t, hash, tags_of(hash), object, &p))
		return false;
	p.bucket->entry[p.i] = value;
	note_change(t, hash);
	return true;
}

/* The last entry of a row takes a free place, and an empty bucket leaves the row. */
static void
close_gap(struct flow_table *t, struct place gap)
{
	struct flow_bucket *before = gap.before, *last = gap.bucket;
	unsigned int i = FLOW_BUCKET_ENTRIES - 1;

	while (next_of(last) != 0) {
		before = last;
		last = &t->buckets[next_of(last)];
	}
	while (i > 0 && last->entry[i] == 0)
		i--;
	if (last->entry[i] != 0) {
		flow_t entry = last->entry[i];
		uint64_t tag = tag_at(last, i);

		last->entry[i] = 0;
		set_tag(last, i, 0);
		gap.bucket->entry[gap.i] = entry;
		set_tag(gap.bucket, gap.i, tag);
	}
	if (last->tags[0] != 0 || last->tags[1] != 0 || before == NULL)
		return;
	set_next(before, 0);
	set_next(last, t->more_free);
	t->more_free = (uint32_t)(last - t->buckets);
}

void
flow_remove(struct flow_table *t, uint32_t hash, const void *object)
{
	struct place p;

	if (!place_of(t, hash, tags_of(hash), object, &p))
		return;
	p.bucket->entry[p.i] = 0;
	set_tag(p.bucket, p.i, 0);
	if (p.before != NULL || next_of(p.bucket) != 0)
		close_gap(t, p);
	t->count--;
	note_change(t, hash);
}
