/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about our segments: believed only if they quote one that is in flight (RFC 5927 §4),
 * they end a handshake and otherwise are remembered as soft errors (RFC 5461), or lower the MTU
 * (RFC 1191, RFC 8201).
 */
#include <errno.h>

#include <rte_common.h>

#include "engine.h"

/* Below these no path goes: RFC 8200 §5, and Linux's ip_rt_min_pmtu. */
enum {
	MTU_MIN_IP4 = 552,
	MTU_MIN_IP6 = 1280,
};

static void
packet_too_big(struct tcp_conn *c, uint16_t mtu)
{
	uint16_t min = ip_is4(&c->tuple.remote) ? MTU_MIN_IP4 : MTU_MIN_IP6;
	uint16_t mss_before = c->mss;
	struct tcp_sent *s;

	if (mtu < min)
		mtu = min;
	if (mtu >= c->mtu)
		return;
	c->mtu = mtu;
	if (c->state == TCP_SYN_SENT)
		return;
	tcp_conn_set_mss(c);
	if (c->mss >= mss_before)
		return;
	/* What was too big is lost: send it again, smaller, without blaming congestion. */
	TAILQ_FOREACH (s, &c->sent, link)
		if (tcp_sent_bytes(s) > c->mss)
			tcp_sent_mark_lost(c, s);
	tcp_mark_dirty(c);
}

static void
conn_error(struct tcp_conn *c, const struct tcp_icmp *icmp)
{
	if (icmp->kind == TCP_ICMP_PACKET_TOO_BIG) {
		packet_too_big(c, icmp->mtu);
		return;
	}
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
		tcp_conn_end(c, icmp->error);
	else
		c->soft_error = (uint8_t)icmp->error;
}

void
tcp_icmp_input(struct tcp_engine *e, const struct tcp_icmp *icmp)
{
	flow_t flow = flow_lookup(&e->flows, &icmp->tuple, flow_hash(&e->flows, &icmp->tuple));
	struct tcp_conn *c = flow_object(flow);

	if (flow_kind(flow) != FLOW_CONN || !seq_within(icmp->seq, c->snd_una, c->snd_nxt)) {
		TCP_COUNT(e, icmp_ignored);
		return;
	}
	TCP_COUNT(e, icmp_accepted);
	conn_error(c, icmp);
}
