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

#include "test/sim/pair.h"

enum {
	MOVES = 20,
	BYTES = 3 << 20, /* each way */
	CHUNK = 16384,
	ONE_WAY_US = 2000,
	LINE_BYTES_PER_S = 12500000,
	QUEUE_BYTES = 1 << 18,
	SECONDS_MAX = 600,
	GARBAGE = 20000,
};

struct end {
	struct tcp_conn *c;
	uint64_t written, read;
	bool shut, at_end;
};

struct transfer {
	struct pair pair;
	struct rng rng;
	struct tcp_conn *listener;
	struct end end[2]; /* by side; 1 accepts */
	bool connected;
};

static uint8_t
byte_at(unsigned int side, uint64_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) + side * 7);
}

static void
give(struct transfer *t, unsigned int side)
{
	struct end *e = &t->end[side];
	static uint8_t bytes[CHUNK];
	ssize_t n;

	while (!e->shut) {
		size_t most = RTE_MIN((uint64_t)CHUNK, BYTES - e->written);

		if (most == 0) {
			UNIT_EQ(tcp_shutdown(e->c, SHUT_WR), 0);
			e->shut = true;
			return;
		}
		for (size_t i = 0; i < most; i++)
			bytes[i] = byte_at(side, e->written + i);
		n = tcp_send(e->c, bytes, most, 0);
		if (n <= 0) {
			UNIT_EQ(n, -EAGAIN);
			return;
		}
		e->written += (uint64_t)n;
	}
}

static void
take(struct transfer *t, unsigned int side)
{
	struct end *e = &t->end[side];
	static uint8_t bytes[CHUNK];
	ssize_t n;

	while (!e->at_end && (n = tcp_recv(e->c, bytes, CHUNK, 0)) != -EAGAIN) {
		unsigned int wrong = 0;

		if (n <= 0) {
			UNIT_EQ(n, 0);
			e->at_end = true;
			return;
		}
		for (ssize_t i = 0; i < n; i++)
			wrong += bytes[i] != byte_at(!side, e->read + (uint64_t)i);
		UNIT_EQ(wrong, 0);
		e->read += (uint64_t)n;
	}
}

static void
users(void *ctx, unsigned int side)
{
	struct transfer *t = ctx;
	struct end *e = &t->end[side];

	if (side == 1 && e->c == NULL && t->listener != NULL)
		tcp_accept(t->listener, &e->c);
	if (!t->connected || e->c == NULL || tcp_in_repair(e->c))
		return;
	take(t, side);
	give(t, side);
}

static void
begin(struct transfer *t, uint64_t seed)
{
	struct tcp_endpoint any = {.port = 80}, server;
	struct tcp_config config;

	memset(t, 0, sizeof(*t));
	t->rng.state = seed;
	tcp_config_defaults(&config);
	config.max_conns = 16;
	config.max_requests = 16;
	config.max_timewait = 16;
	config.max_mutes = 4;
	config.max_held_bufs = 8192;
	pair_start_with(
		&t->pair,
		&(struct pair_setup){.config = {&config, &config}, .seed = seed, .ipv6 = seed & 1});
	for (int i = 0; i < 2; i++) {
		link_add_loss(&t->pair.side[i].link, seed % 4 == 0 ? 0 : 0.01);
		link_add_bottleneck(&t->pair.side[i].link, LINE_BYTES_PER_S, QUEUE_BYTES, 0);
		link_add_delay(&t->pair.side[i].link, ONE_WAY_US, 0, true);
	}
	t->pair.users = users;
	t->pair.poll_us = 20;
	t->pair.ctx = t;
	CU_ASSERT_FATAL(tcp_open(t->pair.side[1].engine, AF_INET6, &t->listener) == 0);
	UNIT_EQ(tcp_bind(t->listener, &any), 0);
	UNIT_EQ(tcp_listen(t->listener, 1), 0);
	CU_ASSERT_FATAL(tcp_open(t->pair.side[0].engine, AF_INET6, &t->end[0].c) == 0);
	server = (struct tcp_endpoint){.ip = t->pair.side[1].ip, .port = 80};
	UNIT_EQ(tcp_connect(t->end[0].c, &server), -EINPROGRESS);
	while (t->end[1].c == NULL)
		pair_run_until(&t->pair, t->pair.now_us + 10000);
	t->connected = true;
}

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
	struct end *end = &t->end[side];
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

static bool
is_over(const struct end *e)
{
	return e->at_end && e->shut;
}

static void
transfer(uint64_t seed)
{
	struct tcp_stats stats;
	struct transfer *t = malloc(sizeof(*t));
	unsigned int moves = 0;

	CU_ASSERT_FATAL(t != NULL);
	begin(t, seed);
	while (!is_over(&t->end[0]) || !is_over(&t->end[1])) {
		pair_run_until(&t->pair, t->pair.now_us + 1000 + rng_below(&t->rng, 50000));
		for (unsigned int side = 0; side < 2; side++) {
			enum tcp_state state = tcp_state(t->end[side].c);

			if (moves < MOVES && state != TCP_CLOSED && rng_below(&t->rng, 2) == 0) {
				move(t, side);
				moves++;
			}
		}
		CU_ASSERT_FATAL(t->pair.now_us < SECONDS_MAX * UINT64_C(1000000));
	}
	UNIT_EQ(t->end[0].read, BYTES);
	UNIT_EQ(t->end[1].read, BYTES);
	CU_ASSERT(moves > 5);
	for (unsigned int side = 0; side < 2; side++) {
		tcp_stats_read(t->pair.side[side].engine, &stats);
		UNIT_EQ(stats.rsts_out, 0);
		tcp_close(t->end[side].c);
	}
	tcp_close(t->listener);
	pair_run_until(&t->pair, t->pair.now_us + 200 * UINT64_C(1000000));
	CU_ASSERT(pair_is_idle(&t->pair.side[0]));
	CU_ASSERT(pair_is_idle(&t->pair.side[1]));
	CU_ASSERT(pair_end(&t->pair));
	free(t);
}

UNIT_CASE(moves_while_data_flows)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		transfer(seed);
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
	begin(t, 4);
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
