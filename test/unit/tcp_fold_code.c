/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/fold_code.c: every bit of a connection comes back, and little is written of a usual one. */
#include <stdlib.h>
#include <sys/queue.h>

#include "unit.h"

#include "tcp/conn.h"
#include "tcp/fold.h"
#include "test/sim/rng.h"

enum { WORDS = sizeof(struct tcp_conn) / sizeof(uint32_t) };

/* As every idle connection is, whatever else it holds. */
static void
make_idle(struct tcp_conn *c)
{
	TAILQ_INIT(&c->sent);
	TAILQ_INIT(&c->news);
	TAILQ_INIT(&c->ranges);
	memset(&c->sent_index, 0, sizeof(c->sent_index));
}

static size_t
comes_back(const struct tcp_conn *c, const struct tcp_conn *template)
{
	static uint8_t bytes[FOLD_BYTES_MAX];
	static struct tcp_conn back;
	uint32_t *words = malloc(tcp_fold_template_bytes());
	size_t n;

	tcp_fold_template_make(words, template);
	n = tcp_fold_encode(c, words, bytes);
	CU_ASSERT(n <= sizeof(bytes));
	memset(&back, 0xaa, sizeof(back));
	tcp_fold_decode(&back, words, bytes);
	/* The heads of its lists lead into it: those of the original, to compare. */
	back.sent = c->sent;
	back.news = c->news;
	back.ranges = c->ranges;
	CU_ASSERT(memcmp(&back, c, sizeof(back)) == 0);
	free(words);
	return n;
}

static void
fill(struct tcp_conn *c, struct rng *rng)
{
	uint32_t words[WORDS];

	for (unsigned int i = 0; i < WORDS; i++)
		words[i] = (uint32_t)rng_next(rng);
	memcpy(c, words, sizeof(*c));
	make_idle(c);
}

UNIT_CASE(anything_comes_back)
{
	struct rng rng = {1};
	struct tcp_conn a, b;

	for (unsigned int i = 0; i < 2000; i++) {
		fill(&a, &rng);
		fill(&b, &rng);
		comes_back(&a, &b);
	}
}

/* Few words differ, by little or much, at any distance from each other. */
UNIT_CASE(what_is_near_comes_back)
{
	struct rng rng = {2};
	struct tcp_conn a, b;

	for (unsigned int i = 0; i < 5000; i++) {
		uint32_t words[WORDS];

		if (i % 100 == 0)
			fill(&b, &rng);
		memcpy(words, &b, sizeof(b));
		for (uint64_t n = rng_next(&rng) % 8; n > 0; n--)
			words[rng_next(&rng) % WORDS] +=
				(uint32_t)rng_next(&rng) >> rng_next(&rng) % 32;
		memcpy(&a, words, sizeof(a));
		make_idle(&a);
		comes_back(&a, &b);
	}
}

/* 0 stands for itself in what counts from a time, and so does what is equal to that time. */
UNIT_CASE(edges_come_back)
{
	static const uint64_t edges[] = {0,    1,    2,    999,        1000,
					 1001, 1002, 1003, 4294967296, UINT64_MAX};
	struct tcp_conn a, b;

	for (unsigned int i = 0; i < RTE_DIM(edges); i++)
		for (unsigned int k = 0; k < RTE_DIM(edges); k++)
			for (unsigned int t = 0; t < RTE_DIM(edges); t++) {
				memset(&a, 0, sizeof(a));
				make_idle(&a);
				b = a;
				a.progress_us = edges[i];
				a.rack.xmit_us = edges[k];
				a.chrono.since_us = edges[k] * 1000;
				a.heard_ms = (uint32_t)edges[k];
				a.autotune.last_echo = (uint32_t)edges[k] + 5;
				a.ts_offset = 5;
				a.snd_una = (uint32_t)edges[k];
				b.progress_us = edges[t];
				b.rack.xmit_us = edges[t];
				comes_back(&a, &b);
			}
}

/* Another connection of the same kind, at other numbers, addresses and times. */
UNIT_CASE(another_of_its_kind_is_short)
{
	struct rng rng = {3};
	struct tcp_conn a, b;

	fill(&b, &rng);
	a = b;
	make_idle(&a);
	CU_ASSERT(comes_back(&a, &b) <= 16);
	a.tuple.rport = be16(1);
	a.cwnd++;
	a.rack.xmit_us += 300;
	a.heard_ms -= 2;
	CU_ASSERT(comes_back(&a, &b) <= 32);
}

UNIT_MAIN(UNIT_RUN(anything_comes_back), UNIT_RUN(what_is_near_comes_back),
	  UNIT_RUN(edges_come_back), UNIT_RUN(another_of_its_kind_is_short))
