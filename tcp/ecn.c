/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Explicit congestion notification, RFC 3168 §6.1, as Linux with tcp_ecn 0, 1 and 2.
 *
 *     SYN with ECE and CWR asks, SYN-ACK with ECE alone grants          ECN_ON on both sides
 *     new data carries ECT(0); a router on the way may make CE of it    never retransmissions, ACKs
 *     data with CE arrives: every segment of ours says ECE ...          ECN_ECHO
 *     ... until the peer's data says CWR
 *     an ACK with ECE: the window is reduced once for a window of data  CA_CWR
 *     the next new data says CWR                                        ECN_TELL_CWR
 *
 * A SYN that is marked ECT or CE is no honest one: it is granted nothing. A peer with AccECN that
 * asks for it (RFC 9768 §3.1) is granted this.
 *
 * Leaves out: ECT on SYN-ACKs (RFC 5562), AccECN.
 */
#include "engine.h"

/* Of what arrives out of turn, this many acknowledgments leave at once. */
enum { QUICK_ACKS = 2 };

uint8_t
tcp_ecn_syn_flags(struct tcp_conn *c)
{
	c->ecn = c->engine->config.ecn == TCP_ECN_ON ? ECN_ON : 0;
	if (c->ecn == 0)
		return 0;
	return TCP_ECE | TCP_CWR;
}

uint8_t
tcp_ecn_syn_again_flags(const struct tcp_conn *c)
{
	if ((c->ecn & ECN_ON) == 0)
		return 0;
	if (c->state != TCP_SYN_SENT)
		return TCP_ECE;
	/* What went unanswered may have been dropped for these flags: §6.1.1.1. */
	return c->engine->config.ecn_fallback ? 0 : TCP_ECE | TCP_CWR;
}

void
tcp_ecn_syn_arrives(struct tcp_conn *c, const struct tcp_segment *seg)
{
	uint8_t both = seg->flags & (TCP_ECE | TCP_CWR);
	uint8_t wanted = seg->flags & TCP_ACK ? TCP_ECE : TCP_ECE | TCP_CWR;

	if (both != wanted)
		c->ecn &= (uint8_t)~ECN_ON;
}

bool
tcp_ecn_grants(const struct tcp_engine *e, const struct tcp_segment *seg)
{
	bool asked = (seg->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);

	return asked && e->config.ecn != TCP_ECN_OFF &&
	       (seg->ecn == IP_ECN_NOT_ECT || seg->reserved != 0);
}

void
tcp_ecn_data_arrives(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if ((c->ecn & ECN_ON) == 0)
		return;
	switch (seg->ecn) {
	case IP_ECN_NOT_ECT:
		/* A retransmission, then: as after a loss. */
		if (c->ecn & ECN_SEEN)
			tcp_delack_quick(c, QUICK_ACKS);
		break;
	case IP_ECN_CE:
		TCP_COUNT(c->engine, ecn_ce_in);
		if ((c->ecn & ECN_ECHO) == 0)
			tcp_delack_quick(c, QUICK_ACKS);
		c->ecn |= ECN_ECHO | ECN_SEEN;
		break;
	default:
		c->ecn |= ECN_SEEN;
		break;
	}
}

void
tcp_ecn_cwr_arrives(struct tcp_conn *c)
{
	c->ecn &= (uint8_t)~ECN_ECHO;
	/* Its window may be one segment now: it waits for us. */
	tcp_ack_now(c);
}

void
tcp_ecn_reduced(struct tcp_conn *c)
{
	if (c->ecn & ECN_ON)
		c->ecn |= ECN_TELL_CWR;
}

void
tcp_ecn_unreduced(struct tcp_conn *c)
{
	c->ecn &= (uint8_t)~ECN_TELL_CWR;
}
