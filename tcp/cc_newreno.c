/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NewReno's congestion control, RFC 5681 §3.1: slow start, then one segment more per window of
 * acknowledged segments; half of the flight after a loss.
 */
#include "conn.h"

static void
newreno_start(struct tcp_conn *c)
{
	c->cwnd_count = 0;
}

static void
newreno_acked(struct tcp_conn *c, const struct tcp_ack *ack)
{
	uint32_t left = ack->delivered_segs;

	/* RFC 5681 §3.1, RFC 7661: a window that is not used does not grow. */
	if (!ack->cwnd_limited)
		return;
	if (c->cwnd < c->ssthresh) {
		left = tcp_cc_slow_start(c, left);
		if (left == 0)
			return;
	}
	tcp_cc_avoid(c, c->cwnd, left);
}

static uint32_t
newreno_ssthresh(struct tcp_conn *c)
{
	return c->cwnd / 2 > 2 ? c->cwnd / 2 : 2;
}

const struct tcp_cc_ops tcp_cc_newreno = {
	.name = "newreno",
	.start = newreno_start,
	.acked = newreno_acked,
	.ssthresh = newreno_ssthresh,
};
