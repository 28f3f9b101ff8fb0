/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acknowledgments that arrive: what they take from the send queue, what they tell of the round trip
 * and of the peer's window. RFC 9293 §3.10.7.4 fifth, RFC 5961 §5.
 */
#include <errno.h>

#include <rte_common.h>

#include "engine.h"

void
tcp_update_snd_wnd(struct tcp_conn *c, const struct tcp_segment *seg, uint32_t wnd)
{
	c->snd_wnd = wnd;
	c->max_wnd = RTE_MAX(c->max_wnd, wnd);
	c->snd_wl1 = seg->seq;
}

/* Whether SND.WND changed. */
static bool
take_window(struct tcp_conn *c, const struct tcp_segment *seg)
{
	/* RFC 7323 §2.2: a window beside a SYN is never scaled. */
	uint32_t wnd = (uint32_t)seg->wnd << (seg->was_syn ? 0 : c->snd_wscale_shift);
	uint32_t before = c->snd_wnd;

	/*
	 * RFC 9293 §3.10.7.4 fifth asks for a SEG.SEQ that is not old. But if SEG.ACK moves SND.UNA
	 * and the window stays, its right edge moves beyond what the peer ever offered: such a
	 * segment's window is taken, as Linux does. Of two with one number the wider is the newer.
	 */
	if (seq_leq(seg->ack, c->snd_una) && seq_leq(seg->seq, c->snd_wl1) &&
	    (seg->seq != c->snd_wl1 || (wnd <= c->snd_wnd && wnd != 0)))
		return false;
	tcp_update_snd_wnd(c, seg, wnd);
	if (wnd != before && c->unsent_bytes > 0)
		tcp_cwnd_restart(c);
	if (wnd > before && (c->unsent_bytes > 0 || (c->flags & CONN_FIN_DUE)))
		tcp_mark_dirty(c);
	return wnd != before;
}

/* One record is acknowledged whole. */
static void
acknowledge_record(struct tcp_conn *c, struct tcp_sent *s, struct tcp_ack *ack)
{
	if ((s->flags & SENT_EVER_RETRANS) == 0) {
		if ((s->flags & SENT_SACKED) == 0) {
			ack->last_rtt_us = (int64_t)(ack->now_us - s->sent_us);
			/* The oldest: the peer may have waited for a second to acknowledge. */
			if (ack->rtt_us < 0)
				ack->rtt_us = ack->last_rtt_us;
			if (seq_leq(s->end, c->recover))
				ack->original_arrived = true;
			if (seq_lt(s->seq, ack->fack_before) && seq_lt(s->seq, ack->reordered_from))
				ack->reordered_from = s->seq;
		}
	}
	if ((s->flags & SENT_SACKED) == 0) {
		tcp_rack_delivered(c, s, ack);
		tcp_rate_delivered(c, s, ack);
		/* Without SACK reno.c counts. */
		if (c->flags & CONN_SACK) {
			c->delivered_segs++;
			/* A SYN filled no window. */
			ack->delivered_segs += (s->flags & SENT_SYN) == 0;
		}
	}
	ack->acked_segs++;
	ack->acked_syn |= (s->flags & SENT_SYN) != 0;
	tcp_sent_remove(c, s);
}

/* Removes what SEG.ACK covers; fills in the record. */
static void
acknowledge(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	struct tcp_engine *e = c->engine;
	uint32_t bytes = seg->ack - c->snd_una;
	uint32_t sacked_before = c->sacked_segs;
	bool ambiguous = false, syn = false;
	struct tcp_sent *s;

	while ((s = TAILQ_FIRST(&c->sent)) != NULL && seq_leq(s->end, seg->ack)) {
		bytes -= ((s->flags & SENT_SYN) != 0) + ((s->flags & SENT_FIN) != 0);
		ambiguous |= (s->flags & SENT_EVER_RETRANS) != 0;
		syn |= (s->flags & SENT_SYN) != 0;
		acknowledge_record(c, s, ack);
	}
	/* Before the bytes go: the record may point into the first mbuf that stays. */
	if (s != NULL && seq_lt(s->seq, seg->ack)) {
		bytes -= (s->flags & SENT_SYN) != 0;
		tcp_sent_trim(c, s, seg->ack);
	} else {
		ack->lone_short =
			ack->acked_segs == 1 && bytes < c->mss && !syn && sacked_before == 0;
	}
	if (ambiguous)
		ack->rtt_us = ack->last_rtt_us = -1; /* Karn: RFC 6298 §3 */
	if ((c->flags & CONN_SACK) == 0) {
		/* What duplicates told of has no mark: it cannot be told from retransmissions. */
		ack->original_arrived &= !ambiguous;
		tcp_reno_acked(c, ack);
	}
	if (bytes > 0) {
		uint32_t bufs = c->sendq.bufs;

		mbufq_trim_front(&c->sendq, bytes);
		e->queued_bufs -= bufs - c->sendq.bufs;
		e->no_data_mbuf = e->no_data_mbuf && bufs == c->sendq.bufs;
		c->bytes_acked += bytes;
		TCP_ADD(e, bytes_acked, bytes);
	}
	ack->acked_bytes = bytes;
	ack->una_advanced = true;
	c->snd_una = seg->ack;
	if (c->zerocopy.n > 0)
		tcp_zerocopy_acked(c);
	c->progress_us = ack->now_us;
	if (seq_lt(c->rack.fack, c->snd_una))
		c->rack.fack = c->snd_una;
}

/* RFC 7323 §4.1: the echoed timestamp, in milliseconds, where no transmission gives a sample. */
int64_t
tcp_timestamp_rtt(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	uint32_t elapsed_ms;

	if ((c->flags & CONN_TIMESTAMPS) == 0 || !seg->opt.has_timestamps || seg->opt.ts_ecr == 0)
		return -1;
	elapsed_ms = tcp_now_ts(c->engine, c->ts_offset) - seg->opt.ts_ecr;
	return elapsed_ms > TCP_RTO_MAX_US / 1000 ? -1 : (int64_t)RTE_MAX(elapsed_ms, 1u) * 1000;
}

void
tcp_tell_room(struct tcp_conn *c)
{
	if (c->flags & CONN_WANT_ROOM)
		tcp_sndbuf_expand(c);
	if ((c->flags & CONN_WANT_ROOM) && (tcp_poll(c) & 0x004 /* POLLOUT */)) {
		c->flags &= ~CONN_WANT_ROOM;
		tcp_chrono_stop(c, CHRONO_SNDBUF);
		tcp_mark_event(c);
	}
}

/* RFC 5681 §2, RFC 9293: neither data nor news, while data is outstanding. */
static bool
is_duplicate(const struct tcp_conn *c, const struct tcp_segment *seg, bool window_changed)
{
	return !TAILQ_EMPTY(&c->sent) && seg->ack == c->snd_una && seg->len == 0 &&
	       (seg->flags & (TCP_SYN | TCP_FIN)) == 0 && !window_changed &&
	       (c->flags & CONN_OPENING) == 0; /* the final ACK is the first of its kind */
}

static void
take_rtt(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	int64_t rtt_us = ack->rtt_us;

	if (rtt_us < 0 && ack->sack_rtt_us >= 0)
		rtt_us = ack->sack_rtt_us;
	if (rtt_us < 0 && ack->una_advanced)
		rtt_us = ack->last_rtt_us = tcp_timestamp_rtt(c, seg);
	if (rtt_us >= 0)
		tcp_min_rtt_ack(c, ack, ack->last_rtt_us);
	tcp_rtt_sample(c, rtt_us);
	/* Karn: a backed-off RTO stands until a sample says otherwise, RFC 6298 §3. */
	if (rtt_us >= 0)
		c->backoffs = 0;
	if (c->cc->rtt != NULL)
		c->cc->rtt(c, ack);
}

/* Whether the window may grow: not while it is being reduced, not for what recovery repairs. */
static bool
may_grow(const struct tcp_conn *c, const struct tcp_ack *ack)
{
	if (c->ca_state == CA_CWR || c->ca_state == CA_RECOVERY)
		return false;
	return c->reordering > c->engine->config.reordering ? ack->delivered_segs > 0
							    : ack->una_advanced;
}

static void
ack_with_news(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	if (ack->una_advanced) {
		if (c->mtu_search.size != 0)
			tcp_mtu_probe_acked(c);
		c->dupacks = 0;
		c->soft_error = 0;
	}
	tcp_note_reordering(c, ack);
	take_rtt(c, seg, ack);
	if (c->tlp_sent)
		tcp_tlp_ack(c, seg, ack);
	tcp_recovery_ack(c, seg, ack);
	if (ack->ece)
		c->delivered_ce_segs += ack->delivered_segs;
	tcp_rate_sample(c, ack);
	if (ack->una_advanced)
		c->retries = 0;
	if (c->cc->control != NULL) {
		c->cc->control(c, ack);
		tcp_cwnd_touched(c);
	} else {
		if (may_grow(c, ack)) {
			ack->cwnd_limited = tcp_cwnd_is_limited(c);
			c->cc->acked(c, ack);
			tcp_cwnd_touched(c);
		}
		tcp_pacing_update(c);
	}
	/* RACK may have set its own time; and what to do without flight comes last. */
	if (ack->una_advanced && !TAILQ_EMPTY(&c->sent) &&
	    (c->rtx_kind != RTX_REORDER || c->rtx_at_us <= ack->now_us))
		tcp_rtx_restart(c);
}

bool
tcp_ack_arrives(struct tcp_conn *c, const struct tcp_segment *seg)
{
	struct tcp_engine *e = c->engine;
	struct tcp_ack ack = {
		.rtt_us = -1,
		.sack_rtt_us = -1,
		.last_rtt_us = -1,
		.now_us = e->now_us,
		.flight_before = tcp_flight_segs(c),
		.fack_before = c->rack.fack,
		.reordered_from = c->snd_nxt,
		.marked_lost_before = c->marked_lost_segs,
		.ece = (c->ecn & ECN_ON) != 0 && (seg->flags & TCP_ECE) != 0 && !seg->was_syn,
	};
	bool window_changed;

	/* RFC 5961 §5.2: of what was never sent, or long acknowledged. */
	if (seq_gt(seg->ack, c->snd_nxt) || seq_lt(seg->ack, c->snd_una - c->max_wnd)) {
		TCP_COUNT(e, drop_ack_invalid);
		if (tcp_may_challenge(e, &c->oow_ack_ms))
			tcp_ack_now(c);
		return false;
	}
	c->probes = 0;
	c->heard_ms = e->now_ms;
	if (seq_lt(seg->ack, c->snd_una)) {
		/* Old and harmless: its payload may still be news, and so may its SACK blocks. */
		if (seg->opt.n_sack > 0 && (c->flags & CONN_SACK)) {
			tcp_sack_arrives(c, seg, &ack);
			ack_with_news(c, seg, &ack);
		}
		return true;
	}
	window_changed = take_window(c, seg);
	ack.is_dup = is_duplicate(c, seg, window_changed);
	if (seq_gt(seg->ack, c->snd_una)) {
		acknowledge(c, seg, &ack);
	}
	if (seg->opt.n_sack > 0 && (c->flags & CONN_SACK))
		tcp_sack_arrives(c, seg, &ack);
	if (ack.is_dup) {
		TCP_COUNT(e, dupacks_in);
		c->dupacks = (uint8_t)RTE_MIN(c->dupacks + 1, 255);
	}
	if (ack.una_advanced || ack.is_dup || ack.sacked_segs > 0 || ack.dsack || ack.ece)
		ack_with_news(c, seg, &ack);
	if (ack.una_advanced) {
		c->flags &=
			~CONN_MORE; /* as Linux: it held back what was sent with it, no longer */
		if (e->env.confirm != NULL)
			e->env.confirm(e->env.ctx, c->hop);
		tcp_tell_room(c);
		if (c->unsent_bytes > 0 || c->unrepaired_segs > 0 ||
		    (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE)
			tcp_mark_dirty(c);
	}
	if (ack.una_advanced)
		tcp_chrono_stop(c, CHRONO_BUSY);
	if (TAILQ_EMPTY(&c->sent)) {
		/* The window has opened: what persist backed off is no longer. */
		if (window_changed && c->snd_wnd > 0)
			c->backoffs = 0;
		tcp_rtx_restart(c);
	}
	return true;
}
