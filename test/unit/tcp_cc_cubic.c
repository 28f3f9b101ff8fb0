/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp/cc_cubic.c: against RFC 9438's formulas in floating point, over a steady round trip, and the
 * steps of Linux's arithmetic one by one.
 */
#include "unit.h"

#include <math.h>

#include "tcp/engine.h"

enum { RTT_US = 50000 };

static void
move_to(struct tcp_engine *e, uint64_t now_us)
{
	e->now_us = now_us;
	e->now_ms = (uint32_t)(now_us / 1000);
}

/* The milliseconds wrap two seconds from here. */
static void
start(struct tcp_engine *e, struct tcp_conn *c, uint32_t cwnd)
{
	memset(e, 0, sizeof(*e));
	memset(c, 0, sizeof(*c));
	move_to(e, (UINT64_C(1) << 32) * 1000 - 2000000);
	c->engine = e;
	c->ssthresh = UINT32_MAX;
	c->mss = 1000;
	c->srtt_us = RTT_US << 3;
	c->pacing.rate = c->pacing.max_rate = UINT64_MAX;
	c->cc = &tcp_cc_cubic;
	c->cc->start(c);
	c->cwnd = cwnd;
	tcp_pacing_update(c);
}

/* One acknowledgment for `segs`, in each state. */
static void
take(struct tcp_conn *c, uint32_t segs, uint32_t rtt_us, bool cwnd_limited)
{
	struct tcp_ack ack = {
		.now_us = c->engine->now_us,
		.delivered_segs = segs,
		.rtt_us = rtt_us,
		.last_rtt_us = rtt_us,
		.cwnd_limited = cwnd_limited,
	};

	c->cc->rtt(c, &ack);
	c->cc->acked(c, &ack);
	tcp_pacing_update(c);
}

/* One acknowledgment a segment, evenly spread over the round trips, until a time. */
static void
run_until(struct tcp_conn *c, uint64_t time_us)
{
	while (c->engine->now_us < time_us) {
		c->snd_una += 1000;
		c->snd_nxt = c->snd_una + c->cwnd * 1000;
		take(c, 1, RTT_US, true);
		move_to(c->engine, c->engine->now_us + RTT_US / c->cwnd + 1);
	}
}

static void
lose(struct tcp_conn *c)
{
	c->ssthresh = c->cc->ssthresh(c);
	c->cwnd = c->ssthresh;
	c->cwnd_count = 0;
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

/* 717/1024 of it is below 0.7 of it by up to one segment: 10 becomes 7, 20 becomes 14, 40 28. */
UNIT_CASE(a_loss_takes_linuxs_share)
{
	struct tcp_engine e;
	struct tcp_conn c;

	for (uint32_t cwnd = 1; cwnd < 5000; cwnd++) {
		uint32_t share = cwnd * 717 / 1024;

		start(&e, &c, cwnd);
		lose(&c);
		UNIT_EQ(c.cwnd, share > 2 ? share : 2);
	}
}

/* No loss was seen: the curve is flat at first, but one segment for 20 comes all the same. */
UNIT_CASE(without_a_loss_grows_by_a_twentieth)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	c.ssthresh = 100;
	for (int i = 0; i < 100; i++)
		take(&c, 1, RTT_US, true);
	UNIT_EQ(c.cubic.per, 20);
	UNIT_EQ(c.cwnd, 105);
	/* After a loss the plateau is all but level. */
	lose(&c);
	c.cwnd = c.cubic.w_max;
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.cubic.per, 100 * c.cwnd);
}

/* A time-out forgets the height of the curve and the smallest delay. */
UNIT_CASE(a_timeout_forgets)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	take(&c, 1, RTT_US, true);
	c.cubic.found = true;
	lose(&c);
	c.cc->timeout(&c);
	UNIT_EQ(c.cubic.w_max, 0);
	UNIT_EQ(c.cubic.delay_min_us, 0);
	UNIT_EQ(c.cubic.found, false);
	UNIT_EQ(c.ssthresh, 70);
}

/* The curve is looked at again after 31 ms, or when cwnd has changed, but once a millisecond. */
UNIT_CASE(the_curve_is_not_looked_at_each_time)
{
	struct tcp_engine e;
	struct tcp_conn c;
	uint32_t looked_ms;

	start(&e, &c, 1000);
	lose(&c);
	take(&c, 1, RTT_US, true);
	looked_ms = c.cubic.looked_ms;
	UNIT_EQ(looked_ms, e.now_ms);
	move_to(&e, e.now_us + 31000);
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.cubic.looked_ms, looked_ms);
	move_to(&e, e.now_us + 1000);
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.cubic.looked_ms, looked_ms + 32);
	c.cwnd++;
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.cubic.looked_cwnd, c.cwnd - 1);
	move_to(&e, e.now_us + 1000);
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.cubic.looked_cwnd, c.cwnd);
}

/* Never more than half of cwnd in a round trip, however steep the curve is. */
UNIT_CASE(growth_is_bounded)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 10);
	lose(&c);
	take(&c, 1, RTT_US, true);
	for (int hour = 1; hour < 1500; hour++) {
		uint32_t before;

		move_to(&e, e.now_us + UINT64_C(3600000000));
		before = c.cwnd;
		take(&c, 2, RTT_US, true);
		UNIT_EQ(c.cubic.per, 2);
		CU_ASSERT(c.cwnd - before <= 2);
	}
}

/* While the application is idle the curve stands still. */
UNIT_CASE(an_idle_time_does_not_count)
{
	struct tcp_engine e;
	struct tcp_conn c, never_idle;
	uint32_t sent_ms;

	start(&e, &c, 1000);
	lose(&c);
	run_until(&c, e.now_us + 1000000);
	never_idle = c;
	sent_ms = e.now_ms;
	move_to(&e, e.now_us + 20000000);
	c.cc->resumes(&c, e.now_ms - sent_ms);
	UNIT_EQ(c.cubic.epoch_ms, never_idle.cubic.epoch_ms + 20000);
	run_until(&c, e.now_us + 1000000);
	CU_ASSERT(fabs(c.cwnd - expected(1000, 700, 2)) <= 0.02 * c.cwnd);
	/* Its start is never in the future, and without a curve there is none to shift. */
	c.cc->resumes(&c, UINT32_MAX);
	UNIT_EQ(c.cubic.epoch_ms, e.now_ms);
	lose(&c);
	c.cc->resumes(&c, 20000);
	UNIT_EQ(c.cubic.in_epoch, false);
}

/* An acknowledgment of several counts as that many of one. */
UNIT_CASE(delayed_acknowledgments_count_whole)
{
	struct tcp_engine e1, e2;
	struct tcp_conn c1, c2;

	start(&e1, &c1, 1000);
	start(&e2, &c2, 1000);
	lose(&c1);
	lose(&c2);
	for (int i = 0; i < 4000; i++) {
		move_to(&e1, e1.now_us + 1000);
		move_to(&e2, e2.now_us + 1000);
		for (int one = 0; one < 16; one++)
			take(&c1, 1, RTT_US, true);
		take(&c2, 16, RTT_US, true);
	}
	CU_ASSERT(c1.cwnd > 900);
	CU_ASSERT(abs((int)c1.cwnd - (int)c2.cwnd) <= 2);
}

/* The smallest delay is not taken from within a second after the curve began. */
UNIT_CASE(delays_after_a_loss_do_not_count)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.cubic.delay_min_us, RTT_US);
	lose(&c);
	take(&c, 1, RTT_US, true);
	take(&c, 1, RTT_US / 2, true);
	UNIT_EQ(c.cubic.delay_min_us, RTT_US);
	move_to(&e, e.now_us + 1000000);
	take(&c, 1, RTT_US / 2, true);
	UNIT_EQ(c.cubic.delay_min_us, RTT_US / 2);
}

/* As Linux: asking for the control that is there changes nothing, another one starts anew. */
UNIT_CASE(only_another_control_starts_anew)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	c.state = TCP_ESTABLISHED;
	lose(&c);
	tcp_cc_switch(&c, &tcp_cc_cubic);
	UNIT_EQ(c.cubic.w_max, 100);
	UNIT_EQ(c.undo.forbidden, false);
	tcp_cc_switch(&c, &tcp_cc_newreno);
	UNIT_EQ(c.undo.forbidden, true);
	UNIT_EQ(c.cwnd, 70);
	UNIT_EQ(c.ssthresh, 70);
	tcp_cc_switch(&c, &tcp_cc_cubic);
	UNIT_EQ(c.cubic.w_max, 0);
	UNIT_EQ(c.cwnd, 70);
	UNIT_EQ(c.ssthresh, 70);
}

/* ---- HyStart */

/* n acknowledgments of a segment each in a round of its own, step_us apart. */
static void
one_round(struct tcp_conn *c, int n, uint64_t step_us, uint32_t rtt_us)
{
	c->snd_una = c->cubic.round_end + 1;
	c->snd_nxt = c->snd_una + 1000;
	for (int i = 0; i < n; i++) {
		move_to(c->engine, c->engine->now_us + step_us);
		take(c, 1, rtt_us, true);
	}
}

/* A round trip that grows ends slow start, as soon as nine samples agree. */
UNIT_CASE(a_queue_ends_slow_start)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	one_round(&c, 20, 5000, RTT_US);
	UNIT_EQ(c.cwnd, 120);
	UNIT_EQ(c.ssthresh, UINT32_MAX);
	one_round(&c, 20, 5000, RTT_US + RTT_US / 8); /* not yet */
	UNIT_EQ(c.cwnd, 140);
	UNIT_EQ(c.ssthresh, UINT32_MAX);
	one_round(&c, 8, 5000, RTT_US + RTT_US / 8 + 1);
	UNIT_EQ(c.ssthresh, UINT32_MAX);
	take(&c, 1, RTT_US + RTT_US / 8 + 1, true);
	UNIT_EQ(c.ssthresh, 148);
	UNIT_EQ(c.cwnd, 148);
	UNIT_EQ(e.stats.hystart_exits, 1);
	/* Once is enough: what raises ssthresh later is not contradicted. */
	c.ssthresh = 200;
	one_round(&c, 9, 5000, 2 * RTT_US);
	UNIT_EQ(c.ssthresh, 200);
}

/* One low sample in the round denies the queue. */
UNIT_CASE(one_short_round_trip_denies_the_queue)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	one_round(&c, 9, 5000, RTT_US);
	one_round(&c, 8, 5000, 2 * RTT_US);
	take(&c, 1, RTT_US / 4, true);
	take(&c, 1, 2 * RTT_US, true);
	UNIT_EQ(c.ssthresh, UINT32_MAX);
}

/* The margin is an eighth of the smallest round trip, within 4 and 16 ms. */
UNIT_CASE(the_margin_is_bounded)
{
	static const struct {
		uint32_t rtt_us, margin_us;
	} table[] = {{100, 4000}, {32000, 4000}, {40000, 5000}, {128000, 16000}, {900000, 16000}};
	struct tcp_engine e;
	struct tcp_conn c;

	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		start(&e, &c, 100);
		one_round(&c, 9, 5000, table[i].rtt_us);
		one_round(&c, 9, 5000, table[i].rtt_us + table[i].margin_us);
		UNIT_EQ(c.ssthresh, UINT32_MAX);
		one_round(&c, 9, 5000, table[i].rtt_us + table[i].margin_us + 1);
		CU_ASSERT(c.ssthresh != UINT32_MAX);
	}
}

/* Below 16 segments slow start goes on whatever happens. */
UNIT_CASE(small_windows_are_left_alone)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 1);
	one_round(&c, 1, 5000, RTT_US);
	one_round(&c, 13, 5000, 4 * RTT_US);
	UNIT_EQ(c.cwnd, 15);
	UNIT_EQ(c.ssthresh, UINT32_MAX);
}

/* Acknowledgments at most 2 ms apart, for half of the smallest round trip and half a millisecond.
 */
UNIT_CASE(a_train_ends_slow_start)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	one_round(&c, 1, 5000, RTT_US);
	c.cubic.round_end = c.snd_una - 1; /* a round begins with the next */
	c.snd_nxt = c.snd_una + 1000;
	for (int i = 0; i <= 12; i++) {
		move_to(&e, e.now_us + 2000);
		take(&c, 1, RTT_US, true);
	}
	UNIT_EQ(c.ssthresh, UINT32_MAX); /* 24 ms */
	move_to(&e, e.now_us + 1500);
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.ssthresh, UINT32_MAX); /* 25.5 ms are not more than 25.5 */
	move_to(&e, e.now_us + 1);
	take(&c, 1, RTT_US, true);
	UNIT_EQ(c.ssthresh, c.cwnd);
}

UNIT_CASE(a_gap_breaks_the_train)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 100);
	one_round(&c, 10, 2000, RTT_US);
	one_round(&c, 1, 2001, RTT_US);
	for (int i = 0; i < 50; i++) {
		move_to(&e, e.now_us + (i == 5 ? 2001 : 2000));
		take(&c, 1, RTT_US, true);
	}
	UNIT_EQ(c.ssthresh, UINT32_MAX);
}

/* An application that sends little keeps its window, and HyStart its measurements. */
UNIT_CASE(an_unused_window_does_not_grow)
{
	struct tcp_engine e;
	struct tcp_conn c;

	start(&e, &c, 50);
	take(&c, 10, RTT_US, false);
	UNIT_EQ(c.cwnd, 50);
	UNIT_EQ(c.cubic.delay_min_us, RTT_US);
	c.ssthresh = 20;
	take(&c, 10, RTT_US, false);
	UNIT_EQ(c.cwnd, 50);
	UNIT_EQ(c.cubic.in_epoch, false);
}

UNIT_MAIN(UNIT_RUN(the_curve_is_the_rfcs), UNIT_RUN(a_small_window_grows_as_renos),
	  UNIT_RUN(losses_before_the_old_height_make_room), UNIT_RUN(a_loss_takes_linuxs_share),
	  UNIT_RUN(without_a_loss_grows_by_a_twentieth), UNIT_RUN(a_timeout_forgets),
	  UNIT_RUN(the_curve_is_not_looked_at_each_time), UNIT_RUN(growth_is_bounded),
	  UNIT_RUN(an_idle_time_does_not_count), UNIT_RUN(delayed_acknowledgments_count_whole),
	  UNIT_RUN(delays_after_a_loss_do_not_count), UNIT_RUN(only_another_control_starts_anew),
	  UNIT_RUN(a_queue_ends_slow_start), UNIT_RUN(one_short_round_trip_denies_the_queue),
	  UNIT_RUN(the_margin_is_bounded), UNIT_RUN(small_windows_are_left_alone),
	  UNIT_RUN(a_train_ends_slow_start), UNIT_RUN(a_gap_breaks_the_train),
	  UNIT_RUN(an_unused_window_does_not_grow))
