/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC, RFC 9438, with HyStart (Ha and Rhee, 2008) to leave slow start before it overflows the
 * bottleneck's queue.
 *
 *     W_cubic(t) = C (t - K)^3 + W_max,   C = 0.4,   K = cbrt((W_max - cwnd_epoch) / C)
 *
 *     cwnd
 *      |            ___....  W_max is approached, probed, and left behind
 *      |        _--          ever faster
 *      |      /
 *      |_____/_____________ t
 *        K ---->|
 *
 * Windows are segments, times milliseconds; the curve is evaluated in 64-bit integers. As in Linux
 * the curve is looked at one smallest round trip ahead, and cwnd grows by at most one half a round
 * trip.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	BETA_NUM = 7, /* beta = 0.7 */
	BETA_DEN = 10,
	MAX_OFFSET_MS = 1000 * 1000, /* of (t - K): its cube fits 64 bits */
	HYSTART_MIN_CWND = 16,
	HYSTART_SAMPLES = 8,         /* RTT samples that make a round's minimum */
	HYSTART_TRAIN_US = 2000,     /* acknowledgments closer than this are one train */
	HYSTART_DELAY_MIN_US = 4000, /* how much more than the smallest RTT says "queue" */
	HYSTART_DELAY_MAX_US = 16000,
};

/* Largest r with r^3 <= v. */
static uint64_t
cube_root(uint64_t v)
{
	uint64_t r = 0;

	for (int shift = 63; shift >= 0; shift -= 3) {
		uint64_t next;

		r *= 2;
		next = 3 * r * (r + 1) + 1;
		if (v >> shift >= next) {
			v -= next << shift;
			r++;
		}
	}
	return r;
}

/* C (t - K)^3 in segments, rounded towards zero: 0.4 / s^3. */
static int64_t
cubic_offset(int64_t ms)
{
	ms = RTE_MAX(RTE_MIN(ms, (int64_t)MAX_OFFSET_MS), -(int64_t)MAX_OFFSET_MS);
	return ms * ms * ms / 10 * 4 / 1000000000;
}

static void
round_start(struct tcp_conn *c, uint64_t now_us)
{
	c->cubic.round_end = c->snd_nxt;
	c->cubic.round_us = c->cubic.train_us = now_us;
	c->cubic.round_rtt_us = UINT32_MAX;
	c->cubic.round_samples = 0;
}

static void
cubic_start(struct tcp_conn *c)
{
	c->cubic = (struct tcp_cubic){0};
	c->cwnd_count = 0;
	round_start(c, c->engine->now_us);
}

/* ---- HyStart */

/* Acknowledgments in one unbroken train for half of the smallest RTT: the pipe is full. */
static bool
train_is_long(struct tcp_conn *c, uint64_t now_us)
{
	if (now_us - c->cubic.train_us > HYSTART_TRAIN_US)
		return false;
	c->cubic.train_us = now_us;
	return now_us - c->cubic.round_us > c->rack.min_rtt_us / 2;
}

/* This round's RTT is clearly above the smallest: a queue builds up. */
static bool
delay_has_grown(const struct tcp_conn *c)
{
	uint32_t margin = c->rack.min_rtt_us / 8;

	margin = RTE_MAX(RTE_MIN(margin, (uint32_t)HYSTART_DELAY_MAX_US),
			 (uint32_t)HYSTART_DELAY_MIN_US);
	return c->cubic.round_samples >= HYSTART_SAMPLES &&
	       c->cubic.round_rtt_us > c->rack.min_rtt_us + margin;
}

static void
hystart(struct tcp_conn *c, const struct tcp_ack *ack)
{
	if (seq_gt(c->snd_una, c->cubic.round_end))
		round_start(c, ack->now_us);
	if (ack->rtt_us < 0 || c->rack.min_rtt_us == 0)
		return;
	if (c->cubic.round_samples < HYSTART_SAMPLES) {
		uint32_t rtt_us = (uint32_t)RTE_MIN(ack->rtt_us, (int64_t)UINT32_MAX);

		c->cubic.round_rtt_us = RTE_MIN(c->cubic.round_rtt_us, rtt_us);
		c->cubic.round_samples++;
	}
	if (c->cwnd < HYSTART_MIN_CWND)
		return;
	if (train_is_long(c, ack->now_us) || delay_has_grown(c))
		c->ssthresh = c->cwnd;
}

/* ---- congestion avoidance */

static void
epoch_start(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_cubic *cubic = &c->cubic;

	cubic->epoch_us = now_us;
	cubic->w_est = (uint64_t)c->cwnd << 16;
	c->cwnd_count = 0;
	if (c->cwnd < cubic->w_max) {
		/* K in ms: cbrt(segments / 0.4 * 10^9) */
		cubic->k_ms = (uint32_t)cube_root((uint64_t)(cubic->w_max - c->cwnd) * 2500000000u);
		cubic->origin = cubic->w_max;
	} else {
		cubic->k_ms = 0;
		cubic->origin = c->cwnd;
	}
}

/* RFC 9438 §4.2: where the curve is one round trip from now. */
static uint32_t
curve(const struct tcp_conn *c, uint64_t now_us)
{
	uint64_t t_ms = (now_us + c->rack.min_rtt_us - c->cubic.epoch_us) / 1000;
	int64_t w = (int64_t)c->cubic.origin + cubic_offset((int64_t)t_ms - c->cubic.k_ms);

	return (uint32_t)RTE_MAX(RTE_MIN(w, (int64_t)UINT32_MAX / 2), (int64_t)0);
}

/* RFC 9438 §4.3: what Reno would have by now; alpha = 3 (1 - beta) / (1 + beta) = 9/17, later 1. */
static uint32_t
reno_estimate(struct tcp_conn *c, uint32_t acked_segs)
{
	struct tcp_cubic *cubic = &c->cubic;
	uint64_t step = ((uint64_t)acked_segs << 16) / c->cwnd;

	cubic->w_est += cubic->w_est >> 16 >= cubic->w_max ? step : step * 9 / 17;
	return (uint32_t)(cubic->w_est >> 16);
}

/* Segments to be acknowledged for one more in cwnd. */
static uint32_t
segs_per_increase(struct tcp_conn *c, const struct tcp_ack *ack, uint32_t acked_segs)
{
	uint32_t target = RTE_MAX(curve(c, ack->now_us), reno_estimate(c, acked_segs));

	if (target <= c->cwnd)
		return 100 * c->cwnd;
	/* RFC 9438 §4.4: at most 1.5 cwnd within a round trip. */
	return RTE_MAX(c->cwnd / (target - c->cwnd), 2u);
}

static void
cubic_acked(struct tcp_conn *c, const struct tcp_ack *ack)
{
	uint32_t left = ack->delivered_segs, per;

	if (!ack->cwnd_limited)
		return;
	if (c->cwnd < c->ssthresh) {
		hystart(c, ack);
		left = tcp_cc_slow_start(c, left);
		if (left == 0)
			return;
	}
	if (c->cubic.epoch_us == 0)
		epoch_start(c, ack->now_us);
	per = segs_per_increase(c, ack, left);
	if (c->cwnd_count >= per) {
		/* Collected while the curve was flat: worth one segment, not as many as it is now.
		 */
		c->cwnd_count = 0;
		c->cwnd++;
	}
	c->cwnd_count += left;
	if (c->cwnd_count >= per) {
		c->cwnd += c->cwnd_count / per;
		c->cwnd_count %= per;
	}
}

/* RFC 9438 §4.6, §4.7 (fast convergence: leave room for those who came later). */
static uint32_t
cubic_ssthresh(struct tcp_conn *c)
{
	struct tcp_cubic *cubic = &c->cubic;

	cubic->w_max =
		c->cwnd < cubic->w_max ? c->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN) : c->cwnd;
	cubic->epoch_us = 0;
	return RTE_MAX(c->cwnd * BETA_NUM / BETA_DEN, 2u);
}

/* RFC 9438 §4.8: after a time-out the curve starts anew. */
static void
cubic_timeout(struct tcp_conn *c)
{
	c->cubic.epoch_us = 0;
	round_start(c, c->engine->now_us);
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic",
	.start = cubic_start,
	.acked = cubic_acked,
	.ssthresh = cubic_ssthresh,
	.timeout = cubic_timeout,
};
