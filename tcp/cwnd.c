/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the congestion window is used, RFC 7661 and RFC 2861 in Linux's form: one that is not
 * does not grow, and, with slow_start_after_idle, falls: towards what is used while the user has
 * too little to send, towards the initial window while nothing is sent at all (RFC 5681 §4.1).
 *
 * The answer is kept for a window of data: until what was sent when it was found is acknowledged.
 */
#include <rte_common.h>

#include "engine.h"

/* What slow start may go back up to: three quarters of the window that is given up. */
static void
keep_ssthresh(struct tcp_conn *c)
{
	if (c->ca_state != CA_CWR && c->ca_state != CA_RECOVERY)
		c->ssthresh = RTE_MAX(c->ssthresh, (c->cwnd >> 1) + (c->cwnd >> 2));
}

static void
use_anew(struct tcp_conn *c)
{
	c->cwnd_use.used_segs = 0;
	tcp_cwnd_touched(c);
}

/* An RTO with less in flight than the window allows: halfway to what was in flight. */
static void
application_limited(struct tcp_conn *c)
{
	uint32_t used = RTE_MAX(c->cwnd_use.used_segs, (uint32_t)c->engine->config.initial_cwnd);

	if (c->ca_state == CA_OPEN && (c->flags & (CONN_WANT_ROOM | CONN_ORPHAN)) == 0) {
		if (used < c->cwnd) {
			keep_ssthresh(c);
			c->cwnd = (c->cwnd + used) / 2;
		}
		c->cwnd_use.used_segs = 0;
	}
	tcp_cwnd_touched(c);
}

void
tcp_cwnd_validate(struct tcp_conn *c, bool limited)
{
	struct tcp_cwnd_use *u = &c->cwnd_use;

	if (limited || seq_geq(c->snd_una, u->until) ||
	    (!u->limited && c->sent_segs > u->max_out_segs)) {
		u->limited = limited;
		u->max_out_segs = c->sent_segs;
		u->until = c->snd_nxt;
	}
	if (tcp_cwnd_is_limited(c)) {
		use_anew(c);
		return;
	}
	u->used_segs = RTE_MAX(u->used_segs, c->sent_segs);
	if (c->engine->config.slow_start_after_idle && c->engine->now_us - u->since_us >= c->rto_us)
		application_limited(c);
}

void
tcp_cwnd_restart(struct tcp_conn *c)
{
	uint32_t restart = RTE_MIN(c->cwnd, (uint32_t)c->engine->config.initial_cwnd);
	uint64_t rto_ms = RTE_MAX(c->rto_us / 1000, 1u);
	uint64_t idle_ms;

	if (!c->engine->config.slow_start_after_idle || c->sent_segs > 0 || c->data_segs_out == 0)
		return;
	idle_ms = (uint32_t)(c->engine->now_ms - c->last_data_sent_ms);
	if (idle_ms <= rto_ms)
		return;
	keep_ssthresh(c);
	for (; idle_ms > rto_ms && c->cwnd > restart; idle_ms -= rto_ms)
		c->cwnd >>= 1;
	c->cwnd = RTE_MAX(c->cwnd, restart);
	use_anew(c);
}
