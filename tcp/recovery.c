/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss recovery without selective acknowledgments: fast retransmit and fast recovery by three
 * duplicate acknowledgments (RFC 5681 §3.2, RFC 6582), and what a retransmission time-out does to
 * the window.
 *
 * Which segments are in flight is counted as Linux counts it: those sent, less those taken for
 * lost, less those that duplicate acknowledgments say have arrived (reno_segs), plus those sent
 * again. So cwnd needs no artificial inflation: each duplicate acknowledgment makes room for one
 * segment.
 */
#include <rte_common.h>

#include "engine.h"

enum { DUPACK_THRESHOLD = 3 };

void
tcp_mark_lost(struct tcp_conn *c, struct tcp_sent *s)
{
	c->retrans_segs -= (s->flags & SENT_RETRANS) != 0;
	c->lost_segs += (s->flags & SENT_LOST) == 0;
	s->flags &= (uint8_t)~SENT_RETRANS;
	s->flags |= SENT_LOST;
}

static void
enter_recovery(struct tcp_conn *c)
{
	TCP_COUNT(c->engine, recoveries);
	c->ssthresh = c->cc->ssthresh(c, tcp_flight_segs(c) + c->reno_segs);
	c->cwnd = c->ssthresh;
	c->recover = c->snd_nxt;
	c->ca_state = CA_RECOVERY;
	tcp_mark_lost(c, c->sent_head);
	c->repair_now = true;
	tcp_mark_dirty(c);
}

static void
duplicate_ack(struct tcp_conn *c)
{
	/* One segment has left the network; the first outstanding one has not arrived. */
	if (c->reno_segs + c->lost_segs + 1 < c->sent_segs)
		c->reno_segs++;
	if (c->ca_state == CA_OPEN && c->dupacks >= DUPACK_THRESHOLD &&
	    seq_geq(c->snd_una, c->recover))
		enter_recovery(c);
	tcp_mark_dirty(c);
}

static void
leave(struct tcp_conn *c)
{
	if (c->ca_state == CA_RECOVERY)
		c->cwnd = RTE_MIN(c->cwnd, c->ssthresh);
	c->ca_state = CA_OPEN;
	c->reno_segs = 0;
}

/* RFC 6582 §3.2 step 3: a partial acknowledgment shows the next hole. */
static void
partial_ack(struct tcp_conn *c, const struct tcp_ack *ack)
{
	uint32_t arrived = ack->acked_segs > 0 ? ack->acked_segs - 1 : 0;

	c->reno_segs -= RTE_MIN(c->reno_segs, arrived);
	if (c->sent_head != NULL && (c->sent_head->flags & SENT_RETRANS) == 0) {
		tcp_mark_lost(c, c->sent_head);
		c->repair_now = true;
	}
	c->repair_now = true;
	tcp_mark_dirty(c);
}

void
tcp_recovery_ack(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack,
		 bool is_dupack)
{
	if (is_dupack) {
		if (c->ca_state != CA_LOSS)
			duplicate_ack(c);
		return;
	}
	switch (c->ca_state) {
	case CA_OPEN:
		c->reno_segs = 0;
		break;
	case CA_RECOVERY:
		if (seq_geq(seg->ack, c->recover))
			leave(c);
		else
			partial_ack(c, ack);
		break;
	case CA_LOSS:
		if (seq_geq(seg->ack, c->recover))
			leave(c);
		break;
	default:
		break;
	}
}

void
tcp_recovery_timeout(struct tcp_conn *c)
{
	/* RFC 5681 §3.1: once for each window of data, however often its first segment is lost. */
	if (c->ca_state != CA_LOSS || c->backoffs == 0)
		c->ssthresh = c->cc->ssthresh(c, tcp_flight_segs(c) + c->reno_segs);
	c->cwnd = 1;
	c->recover = c->snd_nxt;
	c->ca_state = CA_LOSS;
	c->dupacks = 0;
	c->reno_segs = 0;
	for (struct tcp_sent *s = c->sent_head; s != NULL; s = s->next)
		tcp_mark_lost(c, s);
}
