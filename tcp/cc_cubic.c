/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC, RFC 9438, with HyStart (Ha and Rhee, 2008) to leave slow start before it overflows the
 * bottleneck's queue. Both give Linux's windows: its constants in its units, rounded where it
 * rounds.
 *
 *     W_cubic(t) = C (t - K)^3 + W_max,   C = 410/1024,   K = cbrt((W_max - cwnd_epoch) / C)
 *
 *     cwnd
 *      |            ___....  W_max is approached, probed, and left behind
 *      |        _--          ever faster
 *      |      /
 *      |_____/_____________ t
 *        K ---->|
 *
 * Windows are segments. The curve's time is counted in 1024ths of a second, from clocks of
 * milliseconds, and looked at one smallest round trip ahead. What it says becomes `per`: how many
 * segments must be acknowledged for one more in cwnd, no less than 2; that changes at most once a
 * millisecond, and within 31 ms only when cwnd does.
 *
 * DEVIATION: Linux takes the cube root from a table and one Newton step, up to a few thousandths
 * beside the exact one here; it lets products beyond cwnd = 10^6 or four minutes overflow, which
 * are bounded here. test/unit/tcp_cc_cubic.c.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	BETA = 717, /* beta = 0.7, of 1024 */
	C_SCALED = 410,
	RENO_SHARE = 15,         /* of 8: RFC 9438's 1 / alpha = (1 + beta) / 3 (1 - beta) */
	OFFSET_MAX = 1 << 18,    /* of (t - K): its cube fits 64 bits */
	STEADY_MS = 31,          /* so long the same cwnd needs no new look at the curve */
	DELAY_SETTLES_MS = 1000, /* RTT samples soon after a loss tell of its queue */
	PER_BEFORE_LOSS = 20,    /* the path's room is unknown: 5 % a round trip at least */
	HYSTART_MIN_CWND = 16,
	HYSTART_SAMPLES = 8,         /* RTT samples before a round's minimum counts */
	HYSTART_TRAIN_US = 2000,     /* acknowledgments closer than this are one train */
	HYSTART_DELAY_MIN_US = 4000, /* how much more than the smallest RTT says "queue" */
	HYSTART_DELAY_MAX_US = 16000,
	HYSTART_SPREAD_MAX_US = 1000, /* by which large packets stretch a train, at most */
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

static void
round_start(struct tcp_conn *c)
{
	c->cubic.round_end = c->snd_nxt;
	c->cubic.round_us = c->cubic.train_us = c->engine->now_us;
	c->cubic.round_rtt_us = UINT32_MAX;
	c->cubic.round_samples = 0;
}

static void
cubic_start(struct tcp_conn *c)
{
	c->cubic = (struct tcp_cubic){0};
	round_start(c);
}

/* ---- HyStart */

/* Acknowledgments in one unbroken train for half of the smallest RTT: the pipe is full. */
static bool
train_is_long(struct tcp_conn *c)
{
	uint64_t now_us = c->engine->now_us, limit_us, rate;

	if (now_us - c->cubic.train_us > HYSTART_TRAIN_US)
		return false;
	c->cubic.train_us = now_us;
	/* Four of the largest packets at the rate that we send at: they are acknowledged late. */
	rate = tcp_pacing_rate(c);
	limit_us = RTE_MIN(rate != 0 ? (uint64_t)4 * TCP_TSO_MAX_BYTES * 1000000 / rate : 0,
			   (uint64_t)HYSTART_SPREAD_MAX_US);
	limit_us += c->cubic.delay_min_us;
	/* What is paced is spread out over the round trip, and so is what answers it. */
	if (!c->pacing.on)
		limit_us /= 2;
	return now_us - c->cubic.round_us > limit_us;
}

/* This round's RTT is clearly above the smallest: a queue builds up. */
static bool
delay_has_grown(struct tcp_conn *c, uint32_t rtt_us)
{
	struct tcp_cubic *cubic = &c->cubic;
	uint32_t margin_us = cubic->delay_min_us >> 3;

	margin_us = RTE_MAX(RTE_MIN(margin_us, (uint32_t)HYSTART_DELAY_MAX_US),
			    (uint32_t)HYSTART_DELAY_MIN_US);
	cubic->round_rtt_us = RTE_MIN(cubic->round_rtt_us, rtt_us);
	if (cubic->round_samples < HYSTART_SAMPLES) {
		cubic->round_samples++;
		return false;
	}
	return cubic->round_rtt_us > (uint64_t)cubic->delay_min_us + margin_us;
}

static void
hystart(struct tcp_conn *c, uint32_t rtt_us)
{
	bool train, delay;

	if (seq_gt(c->snd_una, c->cubic.round_end))
		round_start(c);
	train = train_is_long(c);
	delay = delay_has_grown(c, rtt_us);
	if (!train && !delay)
		return;
	c->cubic.found = true;
	c->ssthresh = c->cwnd;
	TCP_COUNT(c->engine, hystart_exits);
}

/* Before the window grows by what was acknowledged; in each state. */
static void
cubic_rtt(struct tcp_conn *c, const struct tcp_ack *ack)
{
	struct tcp_cubic *cubic = &c->cubic;
	uint32_t rtt_us;

	if (ack->last_rtt_us < 0)
		return;
	if (cubic->in_epoch && c->engine->now_ms - cubic->epoch_ms < DELAY_SETTLES_MS)
		return;
	rtt_us = (uint32_t)RTE_MIN(RTE_MAX(ack->last_rtt_us, 1), (int64_t)UINT32_MAX);
	if (cubic->delay_min_us == 0 || rtt_us < cubic->delay_min_us)
		cubic->delay_min_us = rtt_us;
	if (!cubic->found && c->cwnd < c->ssthresh && c->cwnd >= HYSTART_MIN_CWND)
		hystart(c, rtt_us);
}

/* ---- congestion avoidance */

static void
epoch_start(struct tcp_conn *c, uint32_t acked_segs)
{
	struct tcp_cubic *cubic = &c->cubic;

	cubic->in_epoch = true;
	cubic->epoch_ms = c->engine->now_ms;
	cubic->reno_acked = acked_segs;
	cubic->w_est = c->cwnd;
	if (c->cwnd < cubic->w_max) {
		cubic->k = (uint32_t)cube_root((uint64_t)(cubic->w_max - c->cwnd) *
					       ((UINT64_C(1) << 40) / C_SCALED));
		cubic->origin = cubic->w_max;
	} else {
		cubic->k = 0;
		cubic->origin = c->cwnd;
	}
}

/* RFC 9438 §4.2: where the curve is one round trip from now. */
static uint32_t
curve(const struct tcp_conn *c)
{
	const struct tcp_cubic *cubic = &c->cubic;
	uint64_t ms = c->engine->now_ms - cubic->epoch_ms;
	uint64_t t = (ms + (cubic->delay_min_us + UINT64_C(999)) / 1000) * 1024 / 1000;
	uint64_t offset = t < cubic->k ? cubic->k - t : t - cubic->k;
	uint64_t segs;

	offset = RTE_MIN(offset, (uint64_t)OFFSET_MAX);
	segs = (uint64_t)C_SCALED * offset * offset * offset >> 40;
	if (t < cubic->k)
		return cubic->origin - (uint32_t)RTE_MIN(segs, (uint64_t)cubic->origin);
	return (uint32_t)RTE_MIN(cubic->origin + segs, (uint64_t)UINT32_MAX / 2);
}

/* RFC 9438 §4.3: no slower than Reno would be by now. */
static void
keep_up_with_reno(struct tcp_conn *c)
{
	struct tcp_cubic *cubic = &c->cubic;
	uint32_t step = (uint32_t)((uint64_t)c->cwnd * RENO_SHARE >> 3);

	if (cubic->reno_acked > step) {
		/* A rest of nothing stays a whole step: it must be exceeded. */
		uint32_t steps = (cubic->reno_acked - 1) / step;

		cubic->reno_acked -= steps * step;
		cubic->w_est += steps;
	}
	if (cubic->w_est > c->cwnd)
		cubic->per = RTE_MIN(cubic->per, c->cwnd / (cubic->w_est - c->cwnd));
}

/* Segments to be acknowledged for one more in cwnd. */
static void
look_at_curve(struct tcp_conn *c, uint32_t acked_segs)
{
	struct tcp_cubic *cubic = &c->cubic;
	uint32_t now_ms = c->engine->now_ms, target;

	cubic->reno_acked += acked_segs;
	if (cubic->looked_cwnd == c->cwnd && now_ms - cubic->looked_ms <= STEADY_MS)
		return;
	if (!cubic->in_epoch || now_ms != cubic->looked_ms) {
		cubic->looked_cwnd = c->cwnd;
		cubic->looked_ms = now_ms;
		if (!cubic->in_epoch)
			epoch_start(c, acked_segs);
		target = curve(c);
		cubic->per = target > c->cwnd ? c->cwnd / (target - c->cwnd) : 100 * c->cwnd;
		if (cubic->w_max == 0)
			cubic->per = RTE_MIN(cubic->per, (uint32_t)PER_BEFORE_LOSS);
	}
	keep_up_with_reno(c);
	/* RFC 9438 §4.4: at most 1.5 cwnd within a round trip. */
	cubic->per = RTE_MAX(cubic->per, 2u);
}

static void
cubic_acked(struct tcp_conn *c, const struct tcp_ack *ack)
{
	uint32_t left = ack->delivered_segs;

	if (!ack->cwnd_limited)
		return;
	if (c->cwnd < c->ssthresh) {
		left = tcp_cc_slow_start(c, left);
		if (left == 0)
			return;
	}
	look_at_curve(c, left);
	tcp_cc_avoid(c, c->cubic.per, left);
}

/* The curve does not run on while nothing is sent: no leap when the user comes back. */
static void
cubic_resumes(struct tcp_conn *c, uint32_t idle_ms)
{
	struct tcp_cubic *cubic = &c->cubic;

	if (cubic->in_epoch)
		cubic->epoch_ms += RTE_MIN(idle_ms, c->engine->now_ms - cubic->epoch_ms);
}

/* RFC 9438 §4.6, §4.7 (fast convergence: leave room for those who came later). */
static uint32_t
cubic_ssthresh(struct tcp_conn *c)
{
	struct tcp_cubic *cubic = &c->cubic;
	uint64_t cwnd = c->cwnd;

	cubic->w_max = c->cwnd < cubic->w_max ? (uint32_t)(cwnd * (1024 + BETA) / 2048) : c->cwnd;
	cubic->in_epoch = false;
	return RTE_MAX((uint32_t)(cwnd * BETA / 1024), 2u);
}

/* RFC 9438 §4.8: a time-out makes all that was learned of the path doubtful. */
static void
cubic_timeout(struct tcp_conn *c)
{
	cubic_start(c);
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic",
	.start = cubic_start,
	.rtt = cubic_rtt,
	.acked = cubic_acked,
	.resumes = cubic_resumes,
	.ssthresh = cubic_ssthresh,
	.timeout = cubic_timeout,
};
