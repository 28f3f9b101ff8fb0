/* SPDX-License-Identifier: BSD-3-Clause */
/* Data that flows while its connections move; see transfer.h. */
#include <errno.h>
#include <netinet/in.h>

#include "transfer.h"
#include "unit.h"

enum {
	MOVES = 20,
	BYTES = 3 << 20, /* each way */
	CHUNK = 16384,
	ONE_WAY_US = 2000,
	LINE_BYTES_PER_S = 12500000,
	QUEUE_BYTES = 1 << 18,
	SECONDS_MAX = 600,
};

static uint8_t
byte_at(unsigned int side, uint64_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) + side * 7);
}

static void
give(struct transfer *t, unsigned int side)
{
	struct transfer_end *e = &t->end[side];
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
	struct transfer_end *e = &t->end[side];
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
	struct transfer_end *e = &t->end[side];

	if (side == 1 && e->c == NULL && t->listener != NULL)
		tcp_accept(t->listener, &e->c);
	if (!t->connected || e->c == NULL || tcp_in_repair(e->c))
		return;
	take(t, side);
	give(t, side);
}

void
transfer_begin(struct transfer *t, uint64_t seed)
{
	struct tcp_endpoint any = {.port = 80}, server;
	struct tcp_config config;

	memset(t, 0, sizeof(*t));
	t->seed = seed;
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

static bool
is_over(const struct transfer_end *e)
{
	return e->at_end && e->shut;
}

void
transfer_run(uint64_t seed, transfer_move move, void *ctx)
{
	struct tcp_stats stats;
	struct transfer *t = malloc(sizeof(*t));
	unsigned int moves = 0;

	CU_ASSERT_FATAL(t != NULL);
	transfer_begin(t, seed);
	t->ctx = ctx;
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
