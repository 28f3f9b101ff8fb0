/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest round trip of the last min_rtt_wlen_s seconds (RACK.min_RTT of RFC 8985 §6.2 step
 * 1), so that a path that has become longer is believed in the end. Three samples are kept
 * (Nichols' windowed filter, as in Linux):
 *
 *     best[0]  smallest of the window      best[1]  smallest since      best[2]  smallest since
 *
 * all three not descending in size, not descending in age. A quarter of a window without a second
 * one, or half of one without a third, takes the newest sample for it, so that something is there
 * when the first grows too old. Times are milliseconds of the engine's clock, which wraps: a window
 * is much shorter.
 */
#include <rte_common.h>

#include "engine.h"

static uint32_t
age_ms(const struct tcp_rtt_at *of, uint32_t now_ms)
{
	return now_ms - of->at_ms;
}

/* The first may be too old by now, or those behind it not yet their own. */
static void
grow_older(struct tcp_rtt_at *best, const struct tcp_rtt_at *now, uint32_t window_ms)
{
	uint32_t age = age_ms(&best[0], now->at_ms);

	if (age > window_ms) {
		best[0] = best[1];
		best[1] = best[2];
		best[2] = *now;
		if (age_ms(&best[0], now->at_ms) > window_ms) {
			best[0] = best[1];
			best[1] = best[2];
		}
	} else if (best[1].at_ms == best[0].at_ms && age > window_ms / 4) {
		best[1] = best[2] = *now;
	} else if (best[2].at_ms == best[1].at_ms && age > window_ms / 2) {
		best[2] = *now;
	}
}

void
tcp_min_rtt_sample(struct tcp_conn *c, int64_t rtt_us)
{
	struct tcp_rtt_at *best = c->min_rtts;
	struct tcp_rtt_at now = {
		.at_ms = c->engine->now_ms,
		.rtt_us = (uint32_t)RTE_MIN(RTE_MAX(rtt_us, (int64_t)1), (int64_t)UINT32_MAX),
	};
	uint32_t window_ms = c->engine->config.min_rtt_wlen_s * 1000;

	if (rtt_us < 0)
		return;
	if (best[0].rtt_us == 0 || now.rtt_us <= best[0].rtt_us ||
	    age_ms(&best[2], now.at_ms) > window_ms) {
		best[0] = best[1] = best[2] = now;
	} else {
		if (now.rtt_us <= best[1].rtt_us)
			best[1] = best[2] = now;
		else if (now.rtt_us <= best[2].rtt_us)
			best[2] = now;
		grow_older(best, &now, window_ms);
	}
	c->rack.min_rtt_us = best[0].rtt_us;
}

/*
 * A lone short segment's acknowledgment, with nothing else about it: the peer may have waited with
 * it. Such a sample may lower the smallest round trip, but must not come to stand for it.
 */
static bool
may_be_delayed(const struct tcp_conn *c, const struct tcp_ack *ack)
{
	return ack->lone_short && ack->sacked_segs == 0 && !ack->dsack && !ack->ece &&
	       ack->rate.valid && ack->rate.prior_delivered_segs + 1 == c->delivered_segs;
}

void
tcp_min_rtt_ack(struct tcp_conn *c, struct tcp_ack *ack, int64_t rtt_us)
{
	ack->may_be_delayed = may_be_delayed(c, ack);
	if (ack->may_be_delayed && c->rack.min_rtt_us != 0 && rtt_us > c->rack.min_rtt_us)
		return;
	tcp_min_rtt_sample(c, rtt_us);
}
