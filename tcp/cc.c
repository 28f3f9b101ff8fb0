/* SPDX-License-Identifier: BSD-3-Clause */
/* Congestion controls by name, and what they share. */
#include <string.h>

#include "conn.h"

static const struct tcp_cc_ops *const all[] = {&tcp_cc_cubic, &tcp_cc_newreno};

const char *
tcp_congestion_name(unsigned int n)
{
	return n < sizeof(all) / sizeof(all[0]) ? all[n]->name : NULL;
}

const struct tcp_cc_ops *
tcp_cc_find(const char *name)
{
	if (strcmp(name, "reno") == 0)
		name = tcp_cc_newreno.name; /* Linux's name of it */
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

void
tcp_cc_switch(struct tcp_conn *c, const struct tcp_cc_ops *cc)
{
	if (cc == c->cc)
		return;
	c->cc = cc;
	if (c->state < TCP_SYN_RECEIVED)
		return;
	c->undo.forbidden = true; /* what the control before gave up it cannot have back */
	cc->start(c);
}

uint32_t
tcp_cc_slow_start(struct tcp_conn *c, uint32_t acked_segs)
{
	uint32_t room = c->ssthresh > c->cwnd ? c->ssthresh - c->cwnd : 0;
	uint32_t grow = acked_segs < room ? acked_segs : room;

	c->cwnd += grow;
	return acked_segs - grow;
}

void
tcp_cc_avoid(struct tcp_conn *c, uint32_t per, uint32_t acked_segs)
{
	if (c->cwnd_count >= per) {
		/* Collected while more were asked for: worth one segment, not as many as now. */
		c->cwnd_count = 0;
		c->cwnd++;
	}
	c->cwnd_count += acked_segs;
	if (c->cwnd_count >= per) {
		c->cwnd += c->cwnd_count / per;
		c->cwnd_count %= per;
	}
}
