/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about our segments: believed only if they quote one that is in flight (RFC 5927 §4),
 * they end a handshake and otherwise are remembered as soft errors (RFC 5461), or lower the MTU
 * (pmtu.c).
 */
#include "engine.h"

/* Fast Open: whether its user has it, in spite of its handshake. As Linux: an error ends it no more
 * than any other connection. */
static bool
is_in_use(const struct tcp_conn *c)
{
	return (c->flags & (CONN_OPENING | CONN_ACCEPTING)) == CONN_OPENING;
}

/* The first sequence number that may be under way. */
static seq_t
oldest_sent(const struct tcp_conn *c)
{
	return c->flags & CONN_OPENING ? c->iss : c->snd_una;
}

static void
conn_error(struct tcp_conn *c, const struct tcp_icmp *icmp)
{
	if (icmp->kind == TCP_ICMP_PACKET_TOO_BIG) {
		tcp_packet_too_big(c, icmp->mtu);
		return;
	}
	if (c->state == TCP_SYN_SENT || (c->state == TCP_SYN_RECEIVED && !is_in_use(c))) {
		tcp_conn_end(c, icmp->error);
	} else if (c->recverr) {
		/* As Linux: told at once, and the connection goes on. */
		c->error = (uint8_t)icmp->error;
		tcp_mark_event(c);
	} else {
		c->soft_error = (uint8_t)icmp->error;
	}
}

void
tcp_icmp_input(struct tcp_engine *e, const struct tcp_icmp *icmp)
{
	flow_t flow = flow_lookup(&e->flows, &icmp->tuple, flow_hash(&e->flows, &icmp->tuple));
	struct tcp_conn *c = flow_object(flow);

	if (flow_kind(flow) == FLOW_REQUEST) {
		tcp_request_error(e, flow_object(flow), icmp);
		return;
	}
	if (flow_kind(flow) != FLOW_CONN || !seq_within(icmp->seq, oldest_sent(c), c->snd_nxt)) {
		TCP_COUNT(e, icmp_ignored);
		return;
	}
	TCP_COUNT(e, icmp_accepted);
	conn_error(c, icmp);
}
