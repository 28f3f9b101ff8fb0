/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/cc_cubic.c: against RFC 9438's formulas in floating point, over a steady round trip. */
#include "unit.h"

#include <math.h>

#include "tcp/engine.h"

enum { RTT_US = 50000 };

static void
start(struct tcp_engine *e, struct tcp_conn *c, uint32_t cwnd)
{
	memset(e, 0, sizeof(*e));
	memset(c, 0, sizeof(*c));
	e->now_us = 1000000;
	c->engine = e;
	c->ssthresh = UINT32_MAX;
	c->rack.min_rtt_us = RTT_US;
	c->cc = &tcp_cc_cubic;
	c->cc->start(c);
	c->cwnd = cwnd;
}

/* One acknowledgment a segment, evenly spread over the round trips, until a time. */
static void
run_until(struct tcp_conn *c, uint64_t time_us)
{
	while (c->engine->now_us < time_us) {
		struct tcp_ack ack = {
			.now_us = c->engine->now_us,
			.delivered_segs = 1,
			.rtt_us = RTT_US,
			.cwnd_limited = true,
		};

		c->snd_una += 1000;
		c->snd_nxt = c->snd_una + c->cwnd * 1000;
		c->cc->acked(c, &ack);
		c->engine->now_us += RTT_US / c->cwnd + 1;
	}
}

static void
lose(struct tcp_conn *c)
{
	c->ssthresh = c->cc->ssthresh(c);
	c->cwnd = c->ssthresh;
}

/* RFC 9438 §4.2 and §4.3 with what one round trip more brings. */
static double
expected(double w_max, double cwnd_epoch, double t)
{
	double k = cbrt((w_max - cwnd_epoch) / 0.4), w = 0.4 * pow(t - k, 3) + w_max;
	double reno = cwnd_epoch + 9.0 / 17 * t / (RTT_US / 1e6);

	return w > reno ? w : reno;
}

UNIT_CASE(the_curve_is_the_rfcs)
{
	struct tcp_engine e;
	struct tcp_conn c;
	uint64_t epoch_us;

	start(&e, &c, 1000);
	lose(&c);
	UNIT_EQ(c.cwnd, 700);
	epoch_us = e.now_us;
	for (int second = 1; second <= 14; second++) {
		double w;

		run_until(&c, epoch_us + (uint64_t)second * 1000000);
		w = expected(1000, 700, second);
		if (fabs(c.cwnd - w) > 0.02 * w)
			printf("\n  at %d s: %u, expected %.1f", second, c.cwnd, w);
		CU_ASSERT(fabs(c.cwnd - w) <= 0.02 * w);
	}
}

UNIT_CASE(a_small_window_grows_as_renos)
{
	struct tcp_engine e;
	struct tcp_conn c;
	double reno;

	start(&e, &c, 20);
	lose(&c);
	UNIT_EQ(c.cwnd, 14);
	run_until(&c, e.now_us + 500000);
	reno = 14 + 9.0 / 17 * 10;
	CU_ASSERT(c.cwnd >= (uint32_t)reno - 1 && c.cwnd <= (uint32_t)reno + 2);
}

UNIT_CASE(losses_before_the_old_height_make_room)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 1000);
	lose(&c);
	UNIT_EQ(c.cubic.w_max, 1000);
	lose(&c);
	UNIT_EQ(c.cwnd, 490);
	UNIT_EQ(c.cubic.w_max, 595); /* 0.85 of 700 */
	c.cwnd = 2;
	UNIT_EQ(c.cc->ssthresh(&c), 2);
}

/* HyStart: a round trip that grows ends slow start; an application that sends little does not. */
UNIT_CASE(a_queue_ends_slow_start)
{
	struct tcp_engine e;
	struct tcp_conn c;
	struct tcp_ack ack = {.delivered_segs = 1, .cwnd_limited = true, .rtt_us = RTT_US};

	start(&e, &c, 100);
	c.snd_nxt = 100;
	for (int i = 0; i < 20; i++) {
		ack.now_us = e.now_us += 5000; /* no train */
		c.cc->acked(&c, &ack);
	}
	UNIT_EQ(c.cwnd, 120);
	UNIT_EQ(c.ssthresh == UINT32_MAX, 1);
	c.snd_una = 101; /* the next round */
	c.snd_nxt = 200;
	ack.rtt_us = RTT_US + 10000;
	for (int i = 0; i < 20; i++) {
		ack.now_us = e.now_us += 5000;
		c.cc->acked(&c, &ack);
	}
	CU_ASSERT(c.ssthresh != UINT32_MAX && c.ssthresh <= 130);
	ack.cwnd_limited = false;
	ack.now_us = e.now_us;
	c.cwnd = 50;
	c.cc->acked(&c, &ack);
	UNIT_EQ(c.cwnd, 50);
}

UNIT_MAIN(UNIT_RUN(the_curve_is_the_rfcs), UNIT_RUN(a_small_window_grows_as_renos),
	  UNIT_RUN(losses_before_the_old_height_make_room), UNIT_RUN(a_queue_ends_slow_start))
