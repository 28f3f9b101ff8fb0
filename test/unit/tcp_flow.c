/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/flow.c: finding, changing, removing; a hash that depends on its secret; all beside
 * a list; a table that fills. */
#include "unit.h"

#include <errno.h>

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

struct object {
	uint64_t before;
	struct tcp_tuple tuple;
	bool in;
};

static void
table_start(struct flow_table *t, uint32_t entries)
{
	for (unsigned int i = 0; i < 12; i++)
		t->secret[i] = 0x9e3779b97f4a7c15u * (i + 1);
	CU_ASSERT_FATAL(flow_table_init(t, "test", entries, SOCKET_ID_ANY) == 0);
}

static flow_t
look(const struct flow_table *t, const struct tcp_tuple *tuple)
{
	return flow_lookup(t, tuple, flow_hash(t, tuple));
}

UNIT_CASE(entries_are_found_changed_and_removed)
{
	struct tcp_tuple a = nth(1), other = nth(2);
	struct object objects[2];
	struct flow_table t;
	uint32_t h;

	table_start(&t, 100);
	h = flow_hash(&t, &a);
	UNIT_EQ(look(&t, &a), 0);
	UNIT_EQ(flow_set(&t, &a, h, flow_make(&objects[0], FLOW_REQUEST)), 0);
	UNIT_EQ(look(&t, &a), flow_make(&objects[0], FLOW_REQUEST));
	UNIT_EQ(look(&t, &other), 0);
	UNIT_EQ(flow_set(&t, &a, h, flow_make(&objects[1], FLOW_CONN)), 0);
	UNIT_EQ(flow_count(&t), 1);
	UNIT_EQ(look(&t, &a), flow_make(&objects[1], FLOW_CONN));
	flow_remove(&t, &other, flow_hash(&t, &other));
	UNIT_EQ(flow_count(&t), 1);
	flow_remove(&t, &a, h);
	UNIT_EQ(look(&t, &a), 0);
	UNIT_EQ(flow_count(&t), 0);
	flow_table_free(&t);
}

UNIT_CASE(equal_hashes_are_told_apart)
{
	struct tcp_tuple a = nth(7), other = nth(8);
	struct object object;
	struct flow_table t;
	uint32_t h;

	table_start(&t, 100);
	h = flow_hash(&t, &a);
	UNIT_EQ(flow_set(&t, &a, h, flow_make(&object, FLOW_CONN)), 0);
	UNIT_EQ(flow_lookup(&t, &other, h), 0);
	flow_table_free(&t);
}

/* Of its hash, that is, and of few others. */
UNIT_CASE(a_change_is_noted)
{
	struct tcp_tuple a = nth(1);
	struct object object;
	struct flow_table t;
	uint32_t h;

	table_start(&t, 100);
	h = flow_hash(&t, &a);
	UNIT_EQ(flow_has_changed(&t, h), false);
	UNIT_EQ(flow_set(&t, &a, h, flow_make(&object, FLOW_REQUEST)), 0);
	UNIT_EQ(flow_has_changed(&t, h), true);
	UNIT_EQ(flow_has_changed(&t, h + 1), false);
	flow_look(&t);
	UNIT_EQ(flow_has_changed(&t, h), false);
	UNIT_EQ(flow_set(&t, &a, h, flow_make(&object, FLOW_CONN)), 0);
	UNIT_EQ(flow_has_changed(&t, h), true);
	flow_look(&t);
	flow_remove(&t, &a, h);
	UNIT_EQ(flow_has_changed(&t, h), true);
	flow_table_free(&t);
}

UNIT_CASE(a_burst_is_looked_up_at_once)
{
	const struct tcp_tuple *keys[FLOW_BURST];
	struct object objects[FLOW_BURST];
	uint32_t hashes[FLOW_BURST];
	flow_t found[FLOW_BURST];
	struct flow_table t;

	table_start(&t, 64);
	for (uint32_t i = 0; i < FLOW_BURST; i++) {
		objects[i].tuple = nth(i);
		keys[i] = &objects[i].tuple;
		hashes[i] = flow_hash(&t, keys[i]);
		if (i % 2 == 0)
			UNIT_EQ(flow_set(&t, keys[i], hashes[i], flow_make(&objects[i], FLOW_CONN)),
				0);
	}
	flow_lookup_bulk(&t, keys, hashes, FLOW_BURST, found);
	for (uint32_t i = 0; i < FLOW_BURST; i++)
		UNIT_EQ(found[i], i % 2 == 0 ? flow_make(&objects[i], FLOW_CONN) : 0);
	flow_table_free(&t);
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
	flow_table_free(&t);
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
		h = flow_hash(&t, &o->tuple);
		UNIT_EQ(look(&t, &o->tuple), o->in ? flow_make(o, FLOW_CONN) : 0);
		if (o->in)
			flow_remove(&t, &o->tuple, h);
		else
			UNIT_EQ(flow_set(&t, &o->tuple, h, flow_make(o, FLOW_CONN)), 0);
		n += o->in ? -1u : 1u;
		o->in = !o->in;
		UNIT_EQ(flow_count(&t), n);
	}
	flow_table_free(&t);
}

UNIT_CASE(as_many_as_promised_go_in_and_more_are_refused)
{
	enum { ENTRIES = 20000 };
	struct flow_table t;
	uint32_t n = 0;

	table_start(&t, ENTRIES);
	for (; n < 4 * ENTRIES; n++) {
		struct tcp_tuple a = nth(n);
		int status = flow_set(&t, &a, flow_hash(&t, &a), flow_make(&t, FLOW_CONN));

		if (status < 0) {
			UNIT_EQ(status, -ENOSPC);
			break;
		}
	}
	CU_ASSERT(n >= ENTRIES);
	CU_ASSERT(n < 4 * ENTRIES);
	UNIT_EQ(flow_count(&t), n);
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_tuple a = nth(i);

		flow_remove(&t, &a, flow_hash(&t, &a));
	}
	UNIT_EQ(flow_count(&t), 0);
	flow_table_free(&t);
}

UNIT_MAIN_EAL(UNIT_RUN(entries_are_found_changed_and_removed),
	      UNIT_RUN(equal_hashes_are_told_apart), UNIT_RUN(a_change_is_noted),
	      UNIT_RUN(a_burst_is_looked_up_at_once),
	      UNIT_RUN(the_hash_depends_on_every_word_and_on_the_secret),
	      UNIT_RUN(it_answers_as_a_list_does_whatever_comes_and_goes),
	      UNIT_RUN(as_many_as_promised_go_in_and_more_are_refused))
