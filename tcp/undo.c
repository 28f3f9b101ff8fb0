/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking back a reduction of the window that was unfounded. Three witnesses:
 *
 *   timestamps   the acknowledgment echoes a time before the first retransmission, so what it
 *                acknowledges is the original (Eifel, RFC 3522, RFC 4015)
 *   DSACK        every retransmission arrived where the original already was (RFC 2883, RFC 3708)
 *   F-RTO        after a time-out something arrives that was never sent again (RFC 5682)
 */
#include <rte_common.h>

#include "engine.h"

void
tcp_undo_begin(struct tcp_conn *c)
{
	c->undo.possible = true;
	c->undo.forbidden = false;
	c->undo.marker = c->snd_una;
	c->undo.prior_cwnd = c->cwnd;
	c->undo.prior_ssthresh = c->ssthresh;
	/* Retransmissions under way now may be called needless too; -1: there is none yet. */
	c->undo.retrans = c->retrans_segs != 0 ? (int32_t)c->retrans_segs : -1;
}

void
tcp_undo_note_retransmit(struct tcp_conn *c)
{
	if (c->undo.retrans_ts == 0)
		/* 0 means none. */
		c->undo.retrans_ts = tcp_now_ts(c->engine, c->ts_offset) | 1;
	c->undo.retrans = RTE_MAX(c->undo.retrans, 0) + 1;
}

static bool
original_arrived(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return (c->flags & CONN_TIMESTAMPS) != 0 && seg->opt.has_timestamps &&
	       seg->opt.ts_ecr != 0 && c->undo.retrans_ts != 0 &&
	       (int32_t)(seg->opt.ts_ecr - (c->undo.retrans_ts & ~1u)) < 0;
}

bool
tcp_undo_is_due(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return c->undo.possible && (c->undo.retrans == 0 || original_arrived(c, seg));
}

bool
tcp_undo_is_due_by_dsack(const struct tcp_conn *c)
{
	return c->undo.possible && c->undo.retrans == 0;
}

bool
tcp_undo_is_due_in_part(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return c->undo.possible && original_arrived(c, seg);
}

void
tcp_undo(struct tcp_conn *c, bool unmark_lost)
{
	struct tcp_sent *s;

	TCP_COUNT(c->engine, undos);
	if (unmark_lost)
		TAILQ_FOREACH (s, &c->sent, link)
			tcp_sent_unmark_lost(c, s);
	c->undo.possible = false;
	/* There was congestion, whatever was lost. */
	if (c->undo.forbidden)
		return;
	if (c->cc->control == NULL)
		c->cwnd = RTE_MAX(c->cwnd, c->undo.prior_cwnd);
	else if (c->cc->undone != NULL)
		c->cc->undone(c);
	tcp_cwnd_touched(c);
	if (c->undo.prior_ssthresh > c->ssthresh) {
		c->ssthresh = c->undo.prior_ssthresh;
		tcp_ecn_unreduced(c);
	}
}
