/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pacing: when what may leave does leave, as Linux's TCP has it within itself.
 *
 *     sent   [ piece ]          [ piece ]          [ piece ]
 *            at_ns <-- bytes/rate --> at_ns <-- bytes/rate --> at_ns
 *
 * Each departure moves at_ns on by what it takes at the connection's rate; while that lies ahead
 * nothing leaves but acknowledgments, loss probes and what a time-out repeats, and the timer wheel
 * wakes the connection at its slot, to the microsecond. at_ns counts nanoseconds, so no rate is
 * lost to rounding. Who comes late to his slot may make up for it, by half of a departure at most.
 * The first ten segments of a connection are not paced.
 *
 * A connection is paced if its congestion control asks for it (tcp_pacing_start()), if
 * SO_MAX_PACING_RATE was set, or if the configuration says so for all. The rate is the control's
 * (tcp_pacing_set_rate()), or else what the congestion window is in a round trip: twice that in
 * slow start, so that it can double, 1.2 times later. SO_MAX_PACING_RATE bounds either; 0 of it is
 * no rate at all, and nothing is paced, as on Linux. The rate also says how large pieces are
 * (tso.c), paced or not.
 *
 * The default rate is that of the last acknowledgment; it is kept as a product, and divided by the
 * round trip only where it is used: no acknowledgment pays for a division.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	SLOW_START_PERCENT = 200, /* as Linux's tcp_pacing_ss_ratio */
	AVOIDANCE_PERCENT = 120,  /* and tcp_pacing_ca_ratio */
	UNPACED_SEGS = 10,
	NS_PER_SECOND = 1000000000,
};

static bool
control_has_rate(const struct tcp_conn *c)
{
	return c->cc->control != NULL;
}

void
tcp_pacing_update(struct tcp_conn *c)
{
	unsigned int percent = c->cwnd < c->ssthresh / 2 ? SLOW_START_PERCENT : AVOIDANCE_PERCENT;

	/* bytes * percent in 8 us * 10^6 / 100: divided by srtt_us it is bytes a second. */
	c->pacing.product =
		(uint64_t)c->mss * RTE_MAX(c->cwnd, c->sent_segs) * percent * (8 * 10000);
}

uint64_t
tcp_pacing_rate(const struct tcp_conn *c)
{
	const struct tcp_pacing *p = &c->pacing;
	uint64_t rate;

	if (control_has_rate(c) || p->product == 0)
		rate = p->rate;
	else
		rate = c->srtt_us != 0 ? p->product / c->srtt_us : p->product;
	return RTE_MIN(rate, p->max_rate);
}

void
tcp_pacing_start(struct tcp_conn *c)
{
	c->pacing.on = true;
}

void
tcp_pacing_set_rate(struct tcp_conn *c, uint64_t bytes_per_s)
{
	c->pacing.rate = bytes_per_s;
}

uint64_t
tcp_pacing_slot_us(const struct tcp_conn *c)
{
	uint64_t now_ns = c->engine->now_us * 1000;

	return c->pacing.at_ns > now_ns ? (c->pacing.at_ns - now_ns + 999) / 1000 : 0;
}

bool
tcp_pacing_slot_waits(struct tcp_conn *c)
{
	uint64_t delay_us = tcp_pacing_slot_us(c);

	if (delay_us == 0)
		return false;
	if (c->pace_at_us == UINT64_MAX)
		TCP_COUNT(c->engine, pacing_waits);
	c->pace_at_us = c->engine->now_us + delay_us;
	tcp_timers_arm(c);
	return true;
}

void
tcp_pacing_slot_taken(struct tcp_conn *c, uint32_t bytes)
{
	struct tcp_pacing *p = &c->pacing;
	uint64_t now_ns = c->engine->now_us * 1000, rate, late_ns, len_ns;

	late_ns = now_ns > p->at_ns ? now_ns - p->at_ns : 0;
	p->at_ns += late_ns;
	rate = tcp_pacing_rate(c);
	if (rate == 0 || rate == UINT64_MAX || c->data_segs_out < UNPACED_SEGS)
		return;
	len_ns = (uint64_t)bytes * NS_PER_SECOND / rate;
	p->at_ns += len_ns - RTE_MIN(len_ns / 2, late_ns);
}
