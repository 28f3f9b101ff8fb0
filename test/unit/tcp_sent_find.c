/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/sent_find.c against a naive twin that walks all records: whatever is sent, acknowledged, cut
 * and SACKed, both find the same; and the clever one takes few steps. */
#include "unit.h"

#include <stdlib.h>

#include "tcp/engine.h"

enum { RECORDS = 20000 };

static struct tcp_engine e;
static struct tcp_conn c;

static void
start(seq_t iss)
{
	free(e.sents.base);
	memset(&e, 0, sizeof(e));
	slab_init(&e.sents, malloc(RECORDS * sizeof(struct tcp_sent)), sizeof(struct tcp_sent),
		  RECORDS);
	CU_ASSERT_FATAL(e.sents.base != NULL);
	memset(&c, 0, sizeof(c));
	c.engine = &e;
	c.snd_una = c.snd_nxt = iss;
	c.in_flight = (struct tcp_flight){SENT_NONE, SENT_NONE};
	TAILQ_INIT(&c.sent);
}

static void
send_one(uint32_t bytes)
{
	static struct rte_mbuf bytes_of_all = {.data_len = UINT16_MAX};
	struct tcp_sent *s = tcp_sent_append(&c, bytes, 0);

	CU_ASSERT_FATAL(s != NULL);
	s->m = &bytes_of_all;
	c.snd_nxt += bytes;
}

static void
acknowledge(seq_t ack)
{
	struct tcp_sent *s;

	while ((s = TAILQ_FIRST(&c.sent)) != NULL && seq_leq(s->end, ack))
		tcp_sent_remove(&c, s);
	if (s != NULL && seq_lt(s->seq, ack))
		tcp_sent_trim(&c, s, ack);
	c.snd_una = ack;
}

static struct tcp_sent *
naive_find(seq_t seq)
{
	struct tcp_sent *s;

	TAILQ_FOREACH (s, &c.sent, link)
		if (seq_gt(s->end, seq))
			return s;
	return NULL;
}

static struct tcp_sent *
naive_not_sacked(struct tcp_sent *s)
{
	while (s != NULL && (s->flags & SENT_SACKED))
		s = TAILQ_NEXT(s, link);
	return s;
}

static uint64_t seed;

static uint32_t
below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static seq_t
somewhere(void)
{
	return c.snd_una + below(c.snd_nxt - c.snd_una);
}

/* As the peer's block does. */
static void
sack(seq_t from, seq_t to)
{
	struct tcp_sent *s = tcp_sent_not_sacked(&c, tcp_sent_find(&c, from));

	for (; s != NULL && seq_leq(s->end, to); s = tcp_sent_not_sacked(&c, TAILQ_NEXT(s, link)))
		if (seq_geq(s->seq, from))
			tcp_sent_mark_sacked(&c, s);
}

static void
step(uint32_t largest)
{
	struct tcp_sent *s;
	seq_t at;

	switch (below(8)) {
	case 0:
	case 1:
		for (unsigned int n = below(30); n > 0 && c.sent_segs < RECORDS / 4; n--)
			send_one(1 + below(largest));
		break;
	case 2:
		if (c.sent_segs > 0)
			acknowledge(somewhere() + 1);
		break;
	case 3: /* what could not leave */
		s = TAILQ_LAST(&c.sent, tcp_sent_list);
		if (s != NULL && (s->flags & SENT_SACKED) == 0) {
			c.snd_nxt = s->seq;
			tcp_sent_remove(&c, s);
		}
		break;
	case 4:
		if (c.sent_segs == 0)
			break;
		s = naive_find(somewhere());
		if ((s->flags & SENT_SACKED) == 0 && tcp_sent_bytes(s) > 1)
			tcp_sent_split(&c, s, 1 + below(tcp_sent_bytes(s) - 1));
		break;
	default:
		if (c.sent_segs == 0)
			break;
		at = somewhere();
		sack(at, at + 1 + below(c.snd_nxt - at));
		break;
	}
}

/* Everything that can be asked, compared. */
static void
compare(void)
{
	for (unsigned int i = 0; i < 4 && c.sent_segs > 0; i++) {
		seq_t at = somewhere();
		struct tcp_sent *s = tcp_sent_find(&c, at);

		CU_ASSERT_FATAL(s == naive_find(at));
		CU_ASSERT_FATAL(tcp_sent_not_sacked(&c, s) == naive_not_sacked(s));
	}
}

UNIT_CASE(finds_what_the_twin_finds)
{
	for (unsigned int run = 0; run < 60; run++) {
		uint32_t largest = 1u << (run % 16);

		seed = run;
		/* Across the end of sequence space, too. */
		start(UINT32_MAX - below(1 << 20));
		for (unsigned int n = 0; n < 400; n++) {
			step(largest);
			compare();
		}
		tcp_sent_clear(&c);
		UNIT_EQ(e.sents.used, 0);
	}
}

/* A window that grows by far after the first block: the index grows with it. */
UNIT_CASE(grows_with_the_window)
{
	start(1000);
	send_one(100);
	send_one(100);
	sack(1100, 1200);
	for (unsigned int n = 0; n < 10000; n++)
		send_one(60000);
	for (unsigned int n = 0; n < 200; n++)
		compare();
	acknowledge(1100);
	acknowledge(c.snd_nxt);
	UNIT_EQ(c.sent_segs, 0);
	CU_ASSERT(!c.sent_index.on);
}

/* Reneging: what was SACKED is not any more, and may be again. */
UNIT_CASE(forgets)
{
	struct tcp_sent *s;

	start(1);
	for (unsigned int n = 0; n < 100; n++)
		send_one(10);
	sack(11, 1001);
	CU_ASSERT(tcp_sent_not_sacked(&c, tcp_sent_find(&c, 11)) == NULL);
	TAILQ_FOREACH (s, &c.sent, link) {
		tcp_sent_forget_sack(&c, s);
		tcp_sent_mark_lost(&c, s);
	}
	TAILQ_FOREACH (s, &c.sent, link)
		tcp_sent_again(&c, s);
	CU_ASSERT(tcp_sent_not_sacked(&c, tcp_sent_find(&c, 11)) == naive_find(11));
	sack(501, 601);
	CU_ASSERT(tcp_sent_not_sacked(&c, tcp_sent_find(&c, 501)) == naive_find(601));
	tcp_sent_clear(&c);
}

UNIT_MAIN(UNIT_RUN(finds_what_the_twin_finds), UNIT_RUN(grows_with_the_window), UNIT_RUN(forgets))
