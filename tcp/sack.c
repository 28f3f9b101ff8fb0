/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selective acknowledgment, both ways: which blocks we report (RFC 2018 §4, RFC 2883), and what the
 * peer's blocks say of what we sent (RFC 2018 §5, RFC 6675 §4).
 *
 * A block is believed only if it lies in what is outstanding, [snd_una, snd_nxt); a first block
 * below that, or inside the second, is a DSACK. Others are counted and ignored.
 */
#include <rte_common.h>

#include "engine.h"

/* ---- what we report */

/* Behind a block's last number: that of the FIN is one, too. */
static seq_t
block_end(const struct tcp_conn *c, const struct tcp_range *r)
{
	seq_t end = tcp_range_end(r);

	return (c->flags & CONN_FIN_KNOWN) && end == c->fin_seq ? end + 1 : end;
}

unsigned int
tcp_sack_blocks(const struct tcp_conn *c, struct tcp_sack_block *blocks)
{
	unsigned int max = c->flags & CONN_TIMESTAMPS ? 3 : 4, n = 0;
	const struct tcp_range *r;

	if ((c->flags & CONN_SACK) == 0)
		return 0;
	if (c->flags & CONN_DSACK_DUE)
		blocks[n++] = c->dsack;
	TAILQ_FOREACH (r, &c->news, by_news) {
		if (n == max)
			break;
		blocks[n++] = (struct tcp_sack_block){r->seq, block_end(c, r)};
	}
	return n;
}

unsigned int
tcp_sack_blocks_bytes(const struct tcp_conn *c)
{
	struct tcp_sack_block blocks[TCP_MAX_SACK_BLOCKS];
	unsigned int n = tcp_sack_blocks(c, blocks);

	return n == 0 ? 0 : TCP_SACK_ALIGNED_BYTES(n);
}

void
tcp_dsack_note(struct tcp_conn *c, seq_t start, seq_t end)
{
	struct tcp_sack_block *d = &c->dsack;

	if ((c->flags & CONN_SACK) == 0 || !c->engine->config.dsack || start == end)
		return;
	if (c->flags & CONN_DSACK_DUE) {
		/* One block is told, RFC 2883 §4: the first, and what touches it. */
		if (seq_leq(start, d->end) && seq_geq(end, d->start))
			*d = (struct tcp_sack_block){seq_min(start, d->start),
						     seq_max(end, d->end)};
		return;
	}
	*d = (struct tcp_sack_block){start, end};
	c->flags |= CONN_DSACK_DUE;
	TCP_COUNT(c->engine, dsacks_out);
}

/* ---- what the peer reports */

/* RFC 2883 §4: the first block tells of something that had arrived before. */
static bool
is_dsack(const struct tcp_segment *seg, unsigned int i)
{
	const struct tcp_sack_block *b = seg->opt.sack;

	if (i != 0)
		return false;
	if (seq_lt(b[0].start, seg->ack))
		return true;
	return seg->opt.n_sack > 1 && seq_leq(b[0].end, b[1].end) &&
	       seq_geq(b[0].start, b[1].start);
}

static void
dsack_arrives(struct tcp_conn *c, const struct tcp_sack_block *b, struct tcp_ack *ack)
{
	seq_t oldest = c->snd_una - c->max_wnd;

	/* Only what we may have sent twice: not the future, not long ago. */
	if (seq_gt(b->end, c->snd_nxt) || seq_lt(b->start, oldest) || seq_geq(b->start, b->end)) {
		TCP_COUNT(c->engine, sack_blocks_ignored);
		return;
	}
	TCP_COUNT(c->engine, dsacks_in);
	c->dsack_dups++;
	ack->dsack = true;
	if (c->undo.possible && c->undo.retrans > 0 && seq_gt(b->end, c->undo.marker))
		c->undo.retrans--;
	tcp_rack_dsack(c);
	/* A probe's segment arrived twice: the probe was needless, nothing was lost. */
	if (c->tlp_sent && c->tlp_is_retrans && b->end == c->tlp_end_seq)
		ack->tlp_dsacked = true;
}

/* Marks one record; tells whether it was news. */
static void
tag(struct tcp_conn *c, struct tcp_sent *s, struct tcp_ack *ack)
{
	if (s->flags & SENT_SACKED)
		return;
	/* Behind something later that has arrived, and never sent again: it was reordered. */
	if ((s->flags & SENT_EVER_RETRANS) == 0) {
		if (seq_lt(s->seq, ack->fack_before) && seq_lt(s->seq, ack->reordered_from))
			ack->reordered_from = s->seq;
		if (seq_leq(s->end, c->recover))
			ack->original_arrived = true;
		ack->last_rtt_us = (int64_t)(ack->now_us - s->sent_us);
		if (ack->sack_rtt_us < 0)
			ack->sack_rtt_us = ack->last_rtt_us;
	}
	tcp_rack_delivered(c, s, ack);
	tcp_rate_delivered(c, s, ack);
	tcp_sent_mark_sacked(c, s);
	ack->sacked_segs++;
	ack->delivered_segs++;
	c->delivered_segs++;
	if (seq_gt(s->end, c->rack.fack))
		c->rack.fack = s->end;
}

/* Only segments that the block holds whole: one that is there in part is sent again whole, as by
 * Linux. */
static void
block_arrives(struct tcp_conn *c, const struct tcp_sack_block *b, struct tcp_ack *ack)
{
	struct tcp_sent *s = tcp_sent_not_sacked(c, tcp_sent_find(c, b->start)), *next;

	for (; s != NULL && seq_leq(s->end, b->end); s = tcp_sent_not_sacked(c, next)) {
		next = TAILQ_NEXT(s, link);
		if (seq_geq(s->seq, b->start))
			tag(c, s, ack);
	}
}

/* The largest distance, in segments, by which something was overtaken, as Linux keeps it. */
void
tcp_note_reordering(struct tcp_conn *c, const struct tcp_ack *ack)
{
	uint32_t segs;

	if (!seq_lt(ack->reordered_from, ack->fack_before))
		return;
	segs = (c->rack.fack - ack->reordered_from + c->mss - 1) / c->mss;
	c->rack.reordering_seen = true;
	TCP_COUNT(c->engine, reorderings);
	c->reord_seen++;
	if (segs > c->reordering)
		c->reordering = RTE_MIN(segs, (uint32_t)c->engine->config.max_reordering);
}

void
tcp_sack_arrives(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	for (unsigned int i = 0; i < seg->opt.n_sack; i++) {
		const struct tcp_sack_block *b = &seg->opt.sack[i];

		if (is_dsack(seg, i)) {
			dsack_arrives(c, b, ack);
			continue;
		}
		if (seq_geq(b->start, b->end) || seq_gt(b->end, c->snd_nxt) ||
		    seq_lt(b->start, c->snd_una)) {
			TCP_COUNT(c->engine, sack_blocks_ignored);
			continue;
		}
		block_arrives(c, b, ack);
	}
}
