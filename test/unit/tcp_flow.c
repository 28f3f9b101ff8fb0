/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/flow.c: finding, replacing, removing; a hash that depends on its secret; a table that fills.
 */
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

static void
table_start(struct flow_table *t, uint32_t entries)
{
	for (unsigned int i = 0; i < 12; i++)
		t->secret[i] = 0x9e3779b97f4a7c15u * (i + 1);
	CU_ASSERT_FATAL(flow_table_init(t, "test", entries, SOCKET_ID_ANY) == 0);
}

UNIT_CASE(entries_are_found_replaced_and_removed)
{
	uint64_t objects[2];
	struct flow_table t;
	struct tcp_tuple a = nth(1);
	uint32_t h;

	table_start(&t, 100);
	h = flow_hash(&t, &a);
	UNIT_EQ(flow_lookup(&t, &a, h), 0);
	UNIT_EQ(flow_set(&t, &a, h, flow_make(&objects[0], FLOW_REQUEST)), 0);
	UNIT_EQ(flow_kind(flow_lookup(&t, &a, h)), FLOW_REQUEST);
	UNIT_EQ(flow_set(&t, &a, h, flow_make(&objects[1], FLOW_CONN)), 0);
	UNIT_EQ(flow_count(&t), 1);
	CU_ASSERT(flow_object(flow_lookup(&t, &a, h)) == &objects[1]);
	flow_remove(&t, &a);
	UNIT_EQ(flow_lookup(&t, &a, h), 0);
	UNIT_EQ(flow_count(&t), 0);
	flow_remove(&t, &a);
	UNIT_EQ(flow_count(&t), 0);
	flow_table_free(&t);
}

UNIT_CASE(a_burst_is_looked_up_at_once)
{
	const struct tcp_tuple *keys[FLOW_BURST];
	struct tcp_tuple tuples[FLOW_BURST];
	uint32_t hashes[FLOW_BURST];
	flow_t found[FLOW_BURST];
	struct flow_table t;

	table_start(&t, 1000);
	for (uint32_t i = 0; i < FLOW_BURST; i++) {
		tuples[i] = nth(i);
		keys[i] = &tuples[i];
		hashes[i] = flow_hash(&t, &tuples[i]);
		if (i % 2 == 0)
			UNIT_EQ(flow_set(&t, &tuples[i], hashes[i],
					 flow_make((void *)&t, FLOW_CONN)),
				0);
	}
	flow_lookup_bulk(&t, keys, hashes, FLOW_BURST, found);
	for (uint32_t i = 0; i < FLOW_BURST; i++)
		CU_ASSERT((found[i] != 0) == (i % 2 == 0));
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

		flow_remove(&t, &a);
	}
	UNIT_EQ(flow_count(&t), 0);
	flow_table_free(&t);
}

UNIT_MAIN_EAL(UNIT_RUN(entries_are_found_replaced_and_removed),
	      UNIT_RUN(a_burst_is_looked_up_at_once),
	      UNIT_RUN(the_hash_depends_on_every_word_and_on_the_secret),
	      UNIT_RUN(as_many_as_promised_go_in_and_more_are_refused))
