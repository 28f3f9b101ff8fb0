/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The delivery rate: how fast the path has brought our segments to the peer lately. In the terms of
 * draft-ietf-ccwg-bbr §4.1 (before: draft-cheng-iccrg-delivery-rate-estimation), as Linux has it:
 *
 *     sent      first_sent ------------ sent           send phase: the last flight's transmission
 *     known          delivered_us ------------- now    ack phase: what it brought back
 *     delivered   delivered(then) ............. delivered(now)
 *
 *     rate = segments delivered between / the longer of the two phases
 *
 * The send phase counts because acknowledgments may come in bunches, faster than the path delivers,
 * but never faster than we sent. A record remembers the counts of the moment when it was sent last,
 * times as distances from its own: 32 bits each, which a distance beyond fills (71 minutes; the
 * rate of such a sample is next to nothing anyway).
 *
 * Of the records that an acknowledgment covers the one sent last tells most. A sample is none
 *   - without a record that had not been known to have arrived,
 *   - while the peer has taken back what it had SACKed, and the loss goes on,
 *   - of an interval below the smallest round trip: something arrived whose retransmission, not
 *     itself, gave the times.
 *
 * A user who sends less than the path could take shows less than its rate: as long as anything sent
 * meanwhile is on its way, samples are marked so. TCP_INFO shows the last sample without that mark,
 * or one with it that is higher.
 *
 * Left out: how many of the delivered segments were marked by ECN (the connection's sum is there).
 */
#include <rte_common.h>

#include "engine.h"

static uint32_t
fit32(uint64_t us)
{
	return (uint32_t)RTE_MIN(us, (uint64_t)UINT32_MAX);
}

void
tcp_rate_sent(struct tcp_conn *c, struct tcp_sent *s)
{
	struct tcp_rate *r = &c->rate;

	/* All that was sent is acknowledged, whatever is taken for lost: a new flight. */
	if (c->sent_segs == 0)
		r->first_sent_us = r->delivered_us = s->sent_us;
	s->delivered_segs = c->delivered_segs;
	s->delivered_ago_us = fit32(s->sent_us - r->delivered_us);
	s->first_ago_us = fit32(s->sent_us - r->first_sent_us);
	s->more_flags = (uint8_t)((s->more_flags & SENT_JOINED) |
				  (r->app_limited != 0 ? SENT_RATE_APP_LIMITED : 0));
}

void
tcp_rate_delivered(struct tcp_conn *c, struct tcp_sent *s, struct tcp_ack *ack)
{
	struct tcp_rate_sample *rs = &ack->rate;

	if (s->more_flags & SENT_RATE_TAKEN)
		return;
	if (!rs->valid || s->sent_us > c->rate.first_sent_us ||
	    (s->sent_us == c->rate.first_sent_us && seq_gt(s->end, rs->last_end))) {
		rs->valid = true;
		rs->prior_delivered_segs = s->delivered_segs;
		rs->prior_us = s->sent_us - s->delivered_ago_us;
		rs->send_us = s->first_ago_us;
		rs->last_end = s->end;
		rs->app_limited = (s->more_flags & SENT_RATE_APP_LIMITED) != 0;
		rs->of_retrans = (s->flags & SENT_EVER_RETRANS) != 0;
		c->rate.first_sent_us = s->sent_us;
	}
	s->more_flags |= SENT_RATE_TAKEN;
}

/* The last one that the user did not limit, or a higher one that he did. */
static void
show(struct tcp_conn *c, const struct tcp_rate_sample *rs)
{
	struct tcp_rate *r = &c->rate;

	if (rs->app_limited && (uint64_t)rs->delivered_segs * r->sample_us <
				       (uint64_t)r->sample_segs * rs->interval_us)
		return;
	r->sample_segs = rs->delivered_segs;
	r->sample_us = rs->interval_us;
	r->sample_app_limited = rs->app_limited;
}

void
tcp_rate_sample(struct tcp_conn *c, struct tcp_ack *ack)
{
	struct tcp_rate_sample *rs = &ack->rate;
	struct tcp_rate *r = &c->rate;

	if (r->app_limited != 0 && seq_gt(c->delivered_segs, r->app_limited))
		r->app_limited = 0;
	rs->lost_segs = c->marked_lost_segs - ack->marked_lost_before;
	if (ack->delivered_segs > 0 || rs->valid)
		r->delivered_us = ack->now_us;
	if (!rs->valid)
		return;
	rs->delivered_segs = c->delivered_segs - rs->prior_delivered_segs;
	rs->ack_us = fit32(ack->now_us - rs->prior_us);
	rs->interval_us = RTE_MAX(rs->send_us, rs->ack_us);
	rs->valid = !r->reneged && c->rack.min_rtt_us != 0 && rs->interval_us >= c->rack.min_rtt_us;
	r->reneged = r->reneged && c->ca_state == CA_LOSS;
	if (rs->valid)
		show(c, rs);
}

void
tcp_rate_check_app_limited(struct tcp_conn *c)
{
	uint32_t flight = tcp_flight_segs(c);

	/* Nothing waits here, and the window would have let more leave. */
	if (c->unsent_bytes < c->mss && flight < c->cwnd && c->unrepaired_segs == 0)
		c->rate.app_limited = RTE_MAX(c->delivered_segs + flight, 1u);
}

uint64_t
tcp_rate_shown(const struct tcp_conn *c)
{
	const struct tcp_rate *r = &c->rate;

	return r->sample_us != 0 ? (uint64_t)r->sample_segs * c->mss * 1000000 / r->sample_us : 0;
}
