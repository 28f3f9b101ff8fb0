/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/flow.c: finding, changing, removing; a hash that depends on its secret; rows of buckets
 * beside a list; a table that fills. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "tcp/flow.h"

static struct tcp_tuple
nth(uint32_t n)
{
	return (struct tcp_tuple){
		.local = ip_from4(be32(0x0a000001)),
		.remote = ip_from4(be32(0x0b000000 + n / 60000)),
		.lport = be16(80),
		.rport = be16((uint16_t)(1 + n % 60000)),
	};
}

/* What tables lead to. */
struct object {
	uint64_t before;
	struct tcp_tuple tuple;
	bool in;
};

static bool
asked(const void *ctx, const void *object, const struct tcp_tuple *tuple)
{
	++*(unsigned int *)(uintptr_t)ctx;
	return memcmp(&((const struct object *)object)->tuple, tuple, sizeof(*tuple)) == 0;
}

static void
table_start(struct flow_table *t, uint32_t entries)
{
	static unsigned int n_asked;
	const struct flow_keys keys = {
		.at = {[FLOW_CONN] = offsetof(struct object, tuple),
		       [FLOW_REQUEST] = offsetof(struct object, tuple),
		       [FLOW_FOLDED] = FLOW_KEY_ASK},
		.is = asked,
		.ctx = &n_asked,
	};
	void *memory = aligned_alloc(64, flow_table_bytes(entries));

	CU_ASSERT_FATAL(memory != NULL);
	memset(memory, 0, flow_table_bytes(entries));
	for (unsigned int i = 0; i < 12; i++)
		t->secret[i] = 0x9e3779b97f4a7c15u * (i + 1);
	n_asked = 0;
	flow_table_init(t, memory, entries, &keys);
}

static flow_t
look(const struct flow_table *t, const struct object *o)
{
	return flow_lookup(t, &o->tuple, flow_hash(t, &o->tuple));
}

UNIT_CASE(entries_are_found_changed_and_removed)
{
	struct object a[2] = {{.tuple = nth(1)}, {.tuple = nth(1)}}, other = {.tuple = nth(2)};
	struct flow_table t;
	uint32_t h;

	table_start(&t, 100);
	h = flow_hash(&t, &a[0].tuple);
	UNIT_EQ(look(&t, &a[0]), 0);
	UNIT_EQ(flow_change(&t, h, &a[0], flow_make(&a[1], FLOW_CONN)), false);
	UNIT_EQ(flow_add(&t, h, flow_make(&a[0], FLOW_REQUEST)), 0);
	UNIT_EQ(look(&t, &a[1]), flow_make(&a[0], FLOW_REQUEST));
	UNIT_EQ(look(&t, &other), 0);
	UNIT_EQ(flow_change(&t, h, &a[0], flow_make(&a[1], FLOW_CONN)), true);
	UNIT_EQ(flow_count(&t), 1);
	UNIT_EQ(look(&t, &a[0]), flow_make(&a[1], FLOW_CONN));
	flow_remove(&t, h, &a[0]); /* has none any more */
	UNIT_EQ(flow_count(&t), 1);
	flow_remove(&t, h, &a[1]);
	UNIT_EQ(look(&t, &a[0]), 0);
	UNIT_EQ(flow_count(&t), 0);
	free(t.buckets);
}

UNIT_CASE(an_object_that_has_no_tuple_is_asked_for_it)
{
	struct object folded = {.tuple = nth(7)}, other = {.tuple = nth(8)};
	struct flow_table t;
	uint32_t h;

	table_start(&t, 100);
	h = flow_hash(&t, &folded.tuple);
	UNIT_EQ(flow_add(&t, h, flow_make(&folded, FLOW_FOLDED)), 0);
	UNIT_EQ(look(&t, &folded), flow_make(&folded, FLOW_FOLDED));
	UNIT_EQ(*(const unsigned int *)t.keys.ctx, 1);
	/* Of the same hash, but another one's. */
	UNIT_EQ(flow_lookup(&t, &other.tuple, h), 0);
	UNIT_EQ(*(const unsigned int *)t.keys.ctx, 2);
	free(t.buckets);
}

UNIT_CASE(a_burst_is_looked_up_at_once)
{
	const struct tcp_tuple *keys[FLOW_BURST];
	struct object objects[FLOW_BURST];
	uint32_t hashes[FLOW_BURST];
	flow_t found[FLOW_BURST];
	struct flow_table t;

	table_start(&t, 64); /* rows of more than one bucket are among them */
	for (uint32_t i = 0; i < FLOW_BURST; i++) {
		objects[i].tuple = nth(i);
		keys[i] = &objects[i].tuple;
		hashes[i] = flow_hash(&t, keys[i]);
		if (i % 2 == 0)
			UNIT_EQ(flow_add(&t, hashes[i], flow_make(&objects[i], FLOW_CONN)), 0);
	}
	flow_lookup_bulk(&t, keys, hashes, FLOW_BURST, found);
	for (uint32_t i = 0; i < FLOW_BURST; i++)
		UNIT_EQ(found[i], i % 2 == 0 ? flow_make(&objects[i], FLOW_CONN) : 0);
	free(t.buckets);
}

UNIT_CASE(the_hash_depends_on_every_word_and_on_the_secret)
{
	struct flow_table t, other;
	struct tcp_tuple a = nth(1), b;
	uint32_t *words = (uint32_t *)&b;

	table_start(&t, 100);
	other = t;
	other.secret[3]++;
	CU_ASSERT(flow_hash(&t, &a) != flow_hash(&other, &a));
	for (unsigned int i = 0; i < sizeof(b) / sizeof(uint32_t); i++) {
		b = a;
		words[i] ^= 0x01000000;
		CU_ASSERT(flow_hash(&t, &a) != flow_hash(&t, &b));
	}
	free(t.buckets);
}

/* Rows are full but for their last buckets, and the others are all free. */
static void
check_rows(const struct flow_table *t)
{
	uint32_t used = 0, free_ones = 0, entries = 0;

	for (uint32_t i = 0; i <= t->mask; i++) {
		const struct flow_bucket *b = &t->buckets[i];

		for (;;) {
			uint32_t next = (uint32_t)(b->tags[1] >> 32), n = 0;

			for (unsigned int j = 0; j < FLOW_BUCKET_ENTRIES; j++) {
				uint64_t tag = b->tags[j / 4] >> j % 4 * 16 & 0xffff;

				CU_ASSERT((b->entry[j] != 0) == (tag != 0));
				n += b->entry[j] != 0;
			}
			entries += n;
			CU_ASSERT(next == 0 || n == FLOW_BUCKET_ENTRIES);
			CU_ASSERT(b == &t->buckets[i] || n > 0);
			if (next == 0)
				break;
			used++;
			b = &t->buckets[next];
		}
	}
	for (uint32_t i = t->more_free; i != 0; i = (uint32_t)(t->buckets[i].tags[1] >> 32))
		free_ones++;
	UNIT_EQ(used + free_ones, t->more_carved);
	UNIT_EQ(entries, flow_count(t));
}

UNIT_CASE(it_answers_as_a_list_does_whatever_comes_and_goes)
{
	enum { OBJECTS = 300, STEPS = 60000 };
	static struct object objects[OBJECTS];
	uint64_t random = 1;
	struct flow_table t;
	uint32_t n = 0;

	table_start(&t, OBJECTS);
	for (uint32_t i = 0; i < OBJECTS; i++)
		objects[i] = (struct object){.tuple = nth(i)};
	for (unsigned int step = 0; step < STEPS; step++) {
		struct object *o;
		uint32_t h;

		random = random * 6364136223846793005u + 1442695040888963407u;
		o = &objects[(random >> 33) % OBJECTS];
		/* Few buckets are named: rows become long. */
		h = (flow_hash(&t, &o->tuple) & ~t.mask) | (uint32_t)(o - objects) % 8;
		UNIT_EQ(flow_lookup(&t, &o->tuple, h), o->in ? flow_make(o, FLOW_CONN) : 0);
		if (o->in)
			flow_remove(&t, h, o);
		else
			UNIT_EQ(flow_add(&t, h, flow_make(o, FLOW_CONN)), 0);
		n += o->in ? -1u : 1u;
		o->in = !o->in;
		UNIT_EQ(flow_count(&t), n);
		if (step % 1000 == 0)
			check_rows(&t);
	}
	check_rows(&t);
	free(t.buckets);
}

UNIT_CASE(as_many_as_promised_go_in_and_more_are_refused)
{
	enum { ENTRIES = 20000 };
	struct object *objects = calloc(ENTRIES, sizeof(*objects)),
		      one_more = {.tuple = nth(ENTRIES)};
	struct flow_table t;

	CU_ASSERT_FATAL(objects != NULL);
	table_start(&t, ENTRIES);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		objects[i].tuple = nth(i);
		/* The worst there is: all in one row, or a row for every seven. */
		UNIT_EQ(flow_add(&t, i % 14 < 7 ? i / 14 : 0, flow_make(&objects[i], FLOW_CONN)),
			0);
	}
	UNIT_EQ(flow_add(&t, 1, flow_make(&one_more, FLOW_CONN)), -ENOSPC);
	UNIT_EQ(flow_count(&t), ENTRIES);
	check_rows(&t);
	for (uint32_t i = 0; i < ENTRIES; i++)
		flow_remove(&t, i % 14 < 7 ? i / 14 : 0, &objects[i]);
	UNIT_EQ(flow_count(&t), 0);
	check_rows(&t);
	free(objects);
	free(t.buckets);
}

UNIT_MAIN_EAL(UNIT_RUN(entries_are_found_changed_and_removed),
	      UNIT_RUN(an_object_that_has_no_tuple_is_asked_for_it),
	      UNIT_RUN(a_burst_is_looked_up_at_once),
	      UNIT_RUN(the_hash_depends_on_every_word_and_on_the_secret),
	      UNIT_RUN(it_answers_as_a_list_does_whatever_comes_and_goes),
	      UNIT_RUN(as_many_as_promised_go_in_and_more_are_refused))
