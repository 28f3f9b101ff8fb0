/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp/checkpoint.c, under way: data flows both ways over a link that loses packets, and at random
 * moments one end is saved, closed without a word, and restored a while later from copies. Every
 * byte arrives, in order, and nobody hears a reset. And garbage: a checkpoint with any bits turned
 * over is refused or becomes a connection that can be closed.
 */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>

#include "transfer.h"

enum { GARBAGE = 20000 };

static struct rte_mbuf *
copy_of(struct tcp_engine *e, const struct rte_mbuf *m, uint32_t bytes)
{
	static uint8_t all[16 << 20];
	uint32_t at = 0;

	for (; m != NULL; at += m->data_len, m = m->next)
		memcpy(all + at, rte_pktmbuf_mtod(m, const void *), m->data_len);
	UNIT_EQ(at, bytes);
	return bytes > 0 ? tcp_copy_bytes(e, all, bytes) : NULL;
}

/* One end is away for a while, during which the other talks to nobody. */
static void
move(struct transfer *t, unsigned int side)
{
	struct tcp_engine *e = t->pair.side[side].engine;
	struct transfer_end *end = &t->end[side];
	struct tcp_checkpoint saved;

	UNIT_EQ(tcp_checkpoint(end->c, &saved), 0);
	saved.sendq = copy_of(e, saved.sendq, saved.sendq_bytes);
	saved.recvq = copy_of(e, saved.recvq, saved.recvq_bytes);
	tcp_close_silently(end->c);
	end->c = NULL;
	t->connected = false;
	pair_run_until(&t->pair, t->pair.now_us + rng_below(&t->rng, 100000));
	t->connected = true;
	CU_ASSERT_FATAL(tcp_restore(e, &saved, &end->c) == 0);
	tcp_resume(end->c);
	tcp_flush(e);
}

UNIT_CASE(moves_while_data_flows)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		transfer_run(seed, move, NULL);
}

/* Any number, but more often one that is at an edge. */
static uint64_t
odd_number(struct rng *r)
{
	static const uint64_t edges[] = {0, 1, 2, 127, 255, 65535, 1u << 30, INT32_MAX, UINT32_MAX};

	return rng_below(r, 2) == 0 ? rng_next(r) : edges[rng_below(r, RTE_DIM(edges))];
}

enum {
#define KEPT_FLAG(name, flag) ROW_##name,
#define KEPT_VALUE(type, name, field) ROW_##name,
#define KEPT_DUE_US(name, field) ROW_##name,
#define KEPT_SINCE_US(name, field) ROW_##name,
#define KEPT_SINCE_MS(name, field) ROW_##name,
#include "tcp/checkpoint.def"
	ROWS,
};

/* Gives one row another value. */
static void
spoil(struct tcp_checkpoint *bad, struct rng *r)
{
	uint64_t v = odd_number(r);

	switch (rng_below(r, ROWS)) {
#define KEPT_FLAG(name, flag)                                                                      \
	case ROW_##name:                                                                           \
		bad->name = (v & 1) != 0;                                                          \
		break;
#define KEPT_VALUE(type, name, field)                                                              \
	case ROW_##name:                                                                           \
		bad->name = (type)v;                                                               \
		break;
#define KEPT_DUE_US(name, field)                                                                   \
	case ROW_##name:                                                                           \
		bad->name = (int64_t)v;                                                            \
		break;
#define KEPT_SINCE_US(name, field)                                                                 \
	case ROW_##name:                                                                           \
		bad->name = (int64_t)v;                                                            \
		break;
#define KEPT_SINCE_MS(name, field)                                                                 \
	case ROW_##name:                                                                           \
		bad->name = (uint32_t)v;                                                           \
		break;
#include "tcp/checkpoint.def"
	default:
		break;
	}
}

/* Whatever the numbers are: what is refused changes nothing, what is not can be lived with. */
UNIT_CASE(survives_garbage)
{
	struct transfer *t = malloc(sizeof(*t));
	struct tcp_checkpoint good, bad;
	unsigned int restored = 0;
	struct tcp_engine *e;
	struct tcp_conn *c;

	CU_ASSERT_FATAL(t != NULL);
	transfer_begin(t, 4);
	e = t->pair.side[0].engine;
	pair_run_until(&t->pair, t->pair.now_us + 10000);
	t->connected = false;
	UNIT_EQ(tcp_checkpoint(t->end[0].c, &good), 0);
	good.tuple.rport = be16(7);
	good.sendq = copy_of(e, good.sendq, good.sendq_bytes);
	good.recvq = copy_of(e, good.recvq, good.recvq_bytes);
	for (unsigned int i = 0; i < GARBAGE; i++) {
		bad = good;
		if (rng_below(&t->rng, 4) == 0)
			bad.state = (uint8_t)rng_below(&t->rng, TCP_STATES + 1);
		for (uint64_t n = rng_below(&t->rng, 4); n > 0; n--)
			spoil(&bad, &t->rng);
		bad.sendq = copy_of(e, good.sendq, good.sendq_bytes);
		bad.recvq = copy_of(e, good.recvq, good.recvq_bytes);
		if (tcp_restore(e, &bad, &c) == 0) {
			restored++;
			tcp_resume(c);
			tcp_flush(e);
			if (i % 64 == 0)
				pair_run_until(&t->pair, t->pair.now_us + 300000);
			tcp_abort(c);
			tcp_flush(e);
		} else {
			rte_pktmbuf_free(bad.sendq);
			rte_pktmbuf_free(bad.recvq);
		}
	}
	CU_ASSERT(restored > 0 && restored < GARBAGE);
	rte_pktmbuf_free(good.sendq);
	rte_pktmbuf_free(good.recvq);
	tcp_abort(t->end[0].c);
	tcp_abort(t->end[1].c);
	tcp_close(t->listener);
	pair_run_until(&t->pair, t->pair.now_us + 2000 * UINT64_C(1000000));
	CU_ASSERT(pair_end(&t->pair));
	free(t);
}

UNIT_MAIN_EAL(UNIT_RUN(moves_while_data_flows), UNIT_RUN(survives_garbage))
