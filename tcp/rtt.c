/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The round trip and the retransmission time-out that follows from it: RFC 6298, as Linux reads it.
 *
 *     srtt_us      smoothed, gain 1/8                                          kept << 3
 *     mdev_us      mean deviation, gain 1/4; 1/32 while round trips get shorter kept << 2
 *     rttvar_us    the largest mdev_us of late: grows at once, and falls once a round trip, by a
 *                  quarter of the way to the largest of that round trip        kept << 2
 *     rto_us       srtt + rttvar_us, in whole milliseconds, rounded up
 *
 * mdev_max_us begins each round trip with the least time-out, so rttvar_us is never below it
 * and the time-out is more than 200 ms longer than the round trip.
 */
#include <rte_common.h>

#include "engine.h"

enum { LONGEST_US = 1 << 27 }; /* of a sample: eight of it fit 32 bits */

static void
first_sample(struct tcp_conn *c, uint32_t rtt_us)
{
	c->srtt_us = rtt_us << 3;
	c->mdev_us = rtt_us << 1;
	c->rttvar_us = RTE_MAX(c->mdev_us, c->rto_min_us);
	c->mdev_max_us = c->rttvar_us;
	c->rtt_seq = c->snd_nxt;
}

/* RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R|, but a shorter round trip is no reason to wait longer. */
static void
deviate(struct tcp_conn *c, int64_t error_us)
{
	int64_t change = (error_us < 0 ? -error_us : error_us) - (c->mdev_us >> 2);

	if (error_us < 0 && change > 0)
		change >>= 3;
	c->mdev_us = (uint32_t)((int64_t)c->mdev_us + change);
	c->mdev_max_us = RTE_MAX(c->mdev_max_us, c->mdev_us);
	c->rttvar_us = RTE_MAX(c->rttvar_us, c->mdev_max_us);
}

static void
round_trip_ends(struct tcp_conn *c)
{
	c->rttvar_us -= (c->rttvar_us - c->mdev_max_us) >> 2;
	c->rtt_seq = c->snd_nxt;
	c->mdev_max_us = c->rto_min_us;
}

void
tcp_rtt_sample(struct tcp_conn *c, int64_t rtt_us)
{
	uint64_t rto_us;

	if (rtt_us < 0)
		return;
	rtt_us = RTE_MIN(RTE_MAX(rtt_us, (int64_t)1), (int64_t)LONGEST_US);
	if (c->srtt_us == 0) {
		first_sample(c, (uint32_t)rtt_us);
	} else {
		int64_t error_us = rtt_us - (c->srtt_us >> 3);

		c->srtt_us = (uint32_t)RTE_MAX((int64_t)c->srtt_us + error_us, (int64_t)1);
		deviate(c, error_us);
		if (seq_gt(c->snd_una, c->rtt_seq))
			round_trip_ends(c);
	}
	rto_us = ((uint64_t)(c->srtt_us >> 3) + c->rttvar_us + 999) / 1000 * 1000;
	c->rto_us = (uint32_t)RTE_MIN(rto_us, (uint64_t)c->rto_max_ms * 1000);
}

void
tcp_rtt_reset(struct tcp_conn *c)
{
	c->srtt_us = 0;
	c->rttvar_us = c->mdev_us = c->mdev_max_us = TCP_RTO_INITIAL_US;
	c->rto_us = TCP_RTO_INITIAL_US;
}

void
tcp_rtt_handshake(struct tcp_conn *c, int64_t rtt_us)
{
	if (rtt_us < 0)
		return;
	tcp_min_rtt_sample(c, rtt_us);
	tcp_rtt_sample(c, rtt_us);
}

void
tcp_rtt_handshake_over(struct tcp_conn *c)
{
	if (c->srtt_us == 0) {
		c->rttvar_us = c->mdev_us = c->mdev_max_us = TCP_RTO_FALLBACK_US;
		c->rto_us = RTE_MIN((uint32_t)TCP_RTO_FALLBACK_US, c->rto_max_ms * 1000);
	}
	c->backoffs = 0;
	tcp_pacing_update(c);
}
