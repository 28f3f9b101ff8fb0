/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peers without SACK: duplicate acknowledgments stand for segments that have left the network, and
 * partial ones for losses. RFC 5681 §3.2, RFC 6582 §3.2.
 *
 * As in Linux a duplicate is counted as if it had SACKed one segment; which one nobody knows, so
 * c->sacked_segs belongs to no record here. The acknowledgment that fills the hole then takes back
 * as many as it covers, and only the rest of it is newly delivered. More duplicates than
 * segments behind a hole mean that something was reordered, or that the peer is not honest: what is
 * counted never exceeds what was sent, less one hole.
 */
#include <rte_common.h>

#include "engine.h"

/* Keeps room for the lost, and for one hole at least; more duplicates than that are reordering. */
static void
limit(struct tcp_conn *c, uint32_t also_acked)
{
	uint32_t holes = RTE_MIN(RTE_MAX(c->lost_segs, 1u), c->sent_segs);

	if (c->sacked_segs + holes <= c->sent_segs)
		return;
	c->sacked_segs = c->sent_segs - holes;
	c->reordering =
		RTE_MIN(c->sent_segs + also_acked, (uint32_t)c->engine->config.max_reordering);
	c->reord_seen++;
	c->rack.reordering_seen = true;
	TCP_COUNT(c->engine, reorderings);
}

void
tcp_reno_acked(struct tcp_conn *c, struct tcp_ack *ack)
{
	uint32_t segs = ack->acked_segs;

	/* One filled the hole; duplicates had told of the others. */
	if (segs > 0) {
		uint32_t news = segs > c->sacked_segs ? segs - c->sacked_segs : 1;

		c->delivered_segs += news;
		/* A SYN filled no window. */
		ack->delivered_segs += news - ack->acked_syn;
		c->sacked_segs -= RTE_MIN(segs - 1, c->sacked_segs);
	}
	limit(c, segs);
}

void
tcp_reno_duplicate(struct tcp_conn *c, struct tcp_ack *ack)
{
	uint32_t before = c->sacked_segs;

	c->sacked_segs++;
	limit(c, 0);
	if (c->sacked_segs > before) {
		c->delivered_segs++;
		ack->delivered_segs++;
	}
}

void
tcp_reno_forget(struct tcp_conn *c)
{
	c->sacked_segs = 0;
}

void
tcp_reno_detect_loss(struct tcp_conn *c, const struct tcp_ack *ack)
{
	struct tcp_sent *head = TAILQ_FIRST(&c->sent);
	bool begins = c->ca_state < CA_RECOVERY && c->sacked_segs >= c->reordering;
	bool partial = c->ca_state == CA_RECOVERY && ack->una_advanced;

	if ((!begins && !partial) || (head->flags & SENT_LOST))
		return;
	/* An MTU probe is lost whole: tcp_mtu_probe_lost() judges it. */
	if (tcp_sent_bytes(head) > c->mss && c->mtu_search.size == 0)
		tcp_sent_split(c, head, c->mss);
	tcp_sent_mark_lost(c, head);
}
