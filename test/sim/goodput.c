/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast a bulk transfer is under random loss, against theory.
 *
 * One connection with unlimited data; each packet with data is lost with the same probability,
 * independently; acknowledgments are not. The line carries 1 Gbit/s, which nobody reaches. Theory
 * is for a sender like Reno, which CUBIC is in its Reno-friendly region (RFC 9438 §4.3), that is
 * for all round trips and losses here:
 *
 *     Mathis, Semke, Mahdavi, Ott (1997):  MSS / RTT * sqrt(3/2) / sqrt(p)
 *     Padhye, Firoiu, Towsley, Kurose (1998), who count time-outs, too:
 *         MSS / (RTT sqrt(2p/3) + RTO min(1, 3 sqrt(3p/8)) p (1 + 32 p^2)),  RTO = RTT + 200 ms
 *
 * Mathis is a bound that no time-out spoils; Padhye's Reno has no SACK and times out more.
 */
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { MAX_REPETITIONS = 50 };

static const double losses[] = {0.01, 0.03, 0.10};

static const struct {
	uint64_t rtt_us, warm_us, measured_us;
} round_trips[] = {
	{1000, 2000000, 20000000},
	{10000, 5000000, 60000000},
	{100000, 20000000, 300000000},
};

static const char *const controls[] = {"cubic", "newreno"};

struct bulk {
	struct pair pair;
	struct tcp_conn *sender, *receiver, *listener;
	uint64_t received;
	double loss;
	struct rng rng;
};

static struct bulk bulk;

static void
on_notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct bulk *b = ctx;

	(void)user;
	if (c == b->listener)
		tcp_accept(c, &b->receiver);
}

static void
users(void *ctx, unsigned int side)
{
	static uint8_t data[65536];
	const struct rte_mbuf *m;
	struct bulk *b = ctx;
	ssize_t n;

	if (side == 0)
		while (tcp_send(b->sender, data, sizeof(data), 0) > 0)
			;
	else if (b->receiver != NULL && (n = tcp_peek_mbufs(b->receiver, &m)) > 0)
		b->received += tcp_consume(b->receiver, (size_t)n);
}

static bool
loses(void *ctx, const struct rte_mbuf *packet)
{
	struct bulk *b = ctx;

	return packet->pkt_len > 100 && rng_chance(&b->rng, b->loss);
}

/* Mbit/s of payload. */
static double
measure(struct sim_pools *pools, const char *control, double loss, unsigned int round_trip,
	uint64_t seed)
{
	struct tcp_endpoint any = {.port = OBSERVER_PORT}, to;
	struct tcp_config config;
	struct pair_setup setup = {.config = {&config, &config},
				   .pools = {&pools->plenty, &pools->plenty},
				   .seed = seed};
	uint64_t at;

	tcp_config_defaults(&config);
	config.max_conns = 8;
	config.max_requests = 8;
	config.max_timewait = 8;
	config.congestion = control;
	config.rcvbuf_bytes = config.rcvbuf_max_bytes = 8 << 20;
	config.sndbuf_bytes = config.sndbuf_max_bytes = 4 << 20;
	memset(&bulk, 0, sizeof(bulk));
	bulk.rng.state = seed;
	bulk.loss = loss;
	pair_start_with(&bulk.pair, &setup);
	bulk.pair.loses = loses;
	bulk.pair.loss_ctx = &bulk;
	bulk.pair.users = users;
	bulk.pair.ctx = &bulk;
	for (int side = 0; side < 2; side++) {
		struct link *l = &bulk.pair.side[side].link;

		link_add_bottleneck(l, 125000000, 1 << 20, 0);
		link_add_delay(l, round_trips[round_trip].rtt_us / 2, 0, true);
		bulk.pair.side[side].notify = on_notify;
		bulk.pair.side[side].notify_ctx = &bulk;
	}
	to = (struct tcp_endpoint){bulk.pair.side[1].ip, OBSERVER_PORT};
	tcp_open(bulk.pair.side[1].engine, AF_INET, &bulk.listener);
	tcp_bind(bulk.listener, &any);
	tcp_listen(bulk.listener, 1);
	tcp_open(bulk.pair.side[0].engine, AF_INET, &bulk.sender);
	tcp_connect(bulk.sender, &to);
	pair_run_until(&bulk.pair, round_trips[round_trip].warm_us);
	at = bulk.received;
	pair_run_until(&bulk.pair,
		       round_trips[round_trip].warm_us + round_trips[round_trip].measured_us);
	at = bulk.received - at;
	tcp_abort(bulk.sender);
	if (bulk.receiver != NULL)
		tcp_abort(bulk.receiver);
	tcp_close(bulk.listener);
	pair_run_until(&bulk.pair, bulk.pair.now_us + 61000000);
	if (!pair_end(&bulk.pair))
		exit(1);
	return (double)at * 8 / (double)round_trips[round_trip].measured_us;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
mathis(double loss, double rtt_s)
{
	return 1448 * 8e-6 / rtt_s * sqrt(1.5 / loss);
}

static double
padhye(double loss, double rtt_s)
{
	double timeouts = fmin(1, 3 * sqrt(3 * loss / 8)) * loss * (1 + 32 * loss * loss);

	return 1448 * 8e-6 / (rtt_s * sqrt(2 * loss / 3) + (rtt_s + 0.2) * timeouts);
}

int
sim_goodput(struct sim_pools *pools, unsigned int repetitions)
{
	double results[MAX_REPETITIONS];

	repetitions = RTE_MIN(repetitions, (unsigned int)MAX_REPETITIONS);
	printf("Goodput in Mbit/s, median (range) of %u seeds, and the median / Mathis\n\n",
	       repetitions);
	printf("| loss | RTT | Mathis | Padhye | CUBIC | | NewReno | |\n");
	printf("|---|---|---|---|---|---|---|---|\n");
	for (unsigned int l = 0; l < RTE_DIM(losses); l++)
		for (unsigned int r = 0; r < RTE_DIM(round_trips); r++) {
			double rtt_s = (double)round_trips[r].rtt_us * 1e-6;
			double theory = mathis(losses[l], rtt_s);

			printf("| %.0f %% | %.0f ms | %.2f | %.2f |", losses[l] * 100, rtt_s * 1e3,
			       theory, padhye(losses[l], rtt_s));
			for (unsigned int c = 0; c < RTE_DIM(controls); c++) {
				for (unsigned int i = 0; i < repetitions; i++)
					results[i] =
						measure(pools, controls[c], losses[l], r, i + 1);
				qsort(results, repetitions, sizeof(results[0]), compare);
				printf(" %.2f (%.2f … %.2f) | %.2f |", results[repetitions / 2],
				       results[0], results[repetitions - 1],
				       results[repetitions / 2] / theory);
			}
			printf("\n");
			fflush(stdout);
		}
	return 0;
}
