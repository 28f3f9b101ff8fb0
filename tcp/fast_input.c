/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way in, header prediction: a segment in ESTABLISHED that is the next in order, with
 * nothing but ACK and PSH, and that acknowledges what was sent once and not taken for lost.
 *
 *     is_expected()       every question of RFC 9293 §3.10.7.4 that such a segment answers at a
 *     acks_cleanly()      glance; all others go the general way, in the RFC's order
 *     acknowledged()      as acknowledge() and ack_with_news() of ack.c, where nothing is lost,
 *                         SACKed, probed or marked
 *     tcp_fast_arrives()  the rest of tcp_conn_arrives() and tcp_ack_arrives(), in their order
 *
 * Invariant: whatever is remembered of the segment, and sent because of it, is as if the general
 * way had been taken; test/sim compares. So a question that cannot be answered at once is answered
 * no, and nothing has changed then. Payload, merged or not, is receive.c's in either way.
 *
 * What is left out: connections without SACK, with ECN, or whose control goes by rates.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	IN_THE_WAY = (int)(CONN_OPENING | CONN_FIN_DUE | CONN_PEER_FIN | CONN_FIN_KNOWN |
			   CONN_URG_MARK | CONN_ORPHAN | CONN_RD_SHUT),
	ORDINARY_SENT = SENT_IN_FLIGHT | SENT_PSH,
};

/* What the connection is busy with does not ask for more than the short way does. */
static bool
is_calm(const struct tcp_conn *c)
{
	return c->state == TCP_ESTABLISHED && c->ca_state == CA_OPEN &&
	       (c->flags & (CONN_SACK | (uint32_t)IN_THE_WAY)) == CONN_SACK &&
	       (c->sacked_segs | c->lost_segs | c->retrans_segs) == 0 && c->backoffs == 0 &&
	       c->ecn == 0 && !c->tlp_sent && c->mtu_search.size == 0 && c->zerocopy.n == 0 &&
	       c->clc_phase == CLC_OVER && c->cc->control == NULL &&
	       seq_leq(c->rack.fack, c->snd_una);
}

/* Its timestamp, if that is negotiated, is there and not old. */
static bool
is_timely(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return (c->flags & CONN_TIMESTAMPS) == 0 ||
	       (seg->opt.has_timestamps && !tcp_ts_is_old(seg->opt.ts_val, c->ts_recent));
}

/* Its window lets nothing leave that waited, nor keeps it. */
static bool
window_is_quiet(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return c->unsent_bytes == 0 || (uint32_t)seg->wnd << c->snd_wscale_shift == c->snd_wnd;
}

/* It is the next in order, inside the window, and no duplicate acknowledgment. */
static bool
is_expected(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return seg->seq == c->rcv_nxt && (seg->flags & (uint8_t)~TCP_PSH) == TCP_ACK &&
	       seg->opt.n_sack == 0 && seq_leq(seg->ack, c->snd_nxt) &&
	       (seg->len > 0
			? seq_geq(seg->ack, c->snd_una) && seq_leq(seg->seq + seg->len, c->rcv_adv)
			: seq_gt(seg->ack, c->snd_una)) &&
	       is_calm(c) && is_timely(c, seg) && window_is_quiet(c, seg);
}

/* Whether what SEG.ACK covers are whole records, each sent once. */
static bool
acks_cleanly(const struct tcp_conn *c, seq_t ack)
{
	const struct tcp_sent *s = TAILQ_FIRST(&c->sent);

	for (; s != NULL && seq_leq(s->end, ack); s = TAILQ_NEXT(s, link))
		if ((s->flags & (uint8_t)~ORDINARY_SENT) != 0)
			return false;
	return s == NULL || seq_geq(s->seq, ack);
}

/* take_window() of ack.c, where nothing waits for it. */
static void
take_window(struct tcp_conn *c, const struct tcp_segment *seg)
{
	uint32_t wnd = (uint32_t)seg->wnd << c->snd_wscale_shift;

	if (seq_gt(seg->ack, c->snd_una) || seq_gt(seg->seq, c->snd_wl1) ||
	    (seg->seq == c->snd_wl1 && (wnd > c->snd_wnd || wnd == 0)))
		tcp_update_snd_wnd(c, seg, wnd);
}

/* Removes the records that SEG.ACK covers, and their bytes. */
static void
remove_acknowledged(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	struct tcp_engine *e = c->engine;
	uint32_t bytes = seg->ack - c->snd_una, bufs = c->sendq.bufs;
	struct tcp_sent *s;

	while ((s = TAILQ_FIRST(&c->sent)) != NULL && seq_leq(s->end, seg->ack)) {
		ack->last_rtt_us = (int64_t)(ack->now_us - s->sent_us);
		if (ack->rtt_us < 0)
			ack->rtt_us = ack->last_rtt_us;
		tcp_rack_delivered(c, s, ack);
		tcp_rate_delivered(c, s, ack);
		c->delivered_segs++;
		ack->acked_segs++;
		tcp_sent_remove(c, s);
	}
	ack->delivered_segs = ack->acked_segs;
	ack->lone_short = ack->acked_segs == 1 && bytes < c->mss;
	ack->acked_bytes = bytes;
	ack->una_advanced = true;
	mbufq_trim_front(&c->sendq, bytes);
	e->queued_bufs -= bufs - c->sendq.bufs;
	e->no_data_mbuf = e->no_data_mbuf && bufs == c->sendq.bufs;
	c->bytes_acked += bytes;
	TCP_ADD(e, bytes_acked, bytes);
}

/* What an acknowledgment of new data tells of the path. */
static void
acknowledged(struct tcp_conn *c, const struct tcp_segment *seg)
{
	struct tcp_ack ack = {
		.rtt_us = -1,
		.sack_rtt_us = -1,
		.last_rtt_us = -1,
		.now_us = c->engine->now_us,
		.flight_before = tcp_flight_segs(c),
		.fack_before = c->rack.fack,
		.reordered_from = c->snd_nxt,
		.marked_lost_before = c->marked_lost_segs,
	};

	remove_acknowledged(c, seg, &ack);
	c->snd_una = seg->ack;
	c->rack.fack = seg->ack; /* was not beyond it */
	c->progress_us = ack.now_us;
	c->dupacks = 0;
	c->soft_error = 0;
	tcp_min_rtt_ack(c, &ack, ack.last_rtt_us);
	tcp_rtt_sample(c, ack.rtt_us);
	if (c->cc->rtt != NULL)
		c->cc->rtt(c, &ack);
	tcp_undo_forget(c);
	tcp_rate_sample(c, &ack);
	c->retries = 0;
	ack.cwnd_limited = tcp_cwnd_is_limited(c);
	c->cc->acked(c, &ack);
	tcp_cwnd_touched(c);
	tcp_pacing_update(c);
	if (!TAILQ_EMPTY(&c->sent) && (c->rtx_kind != RTX_REORDER || c->rtx_at_us <= ack.now_us))
		tcp_rtx_restart(c);
}

/* Its user, and what waits to be sent, go on. */
static void
go_on(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	c->flags &= ~CONN_MORE;
	if (e->env.confirm != NULL)
		e->env.confirm(e->env.ctx, c->hop);
	if (c->flags & CONN_WANT_ROOM)
		tcp_tell_room(c);
	if (c->unsent_bytes > 0)
		tcp_mark_dirty(c);
	tcp_chrono_stop(c, CHRONO_BUSY);
}

/* Nothing is in flight: tcp_rtx_restart(), where nothing is to be sent either. */
static void
flight_over(struct tcp_conn *c)
{
	if (c->unsent_bytes > 0 || (c->flags & CONN_WANT_ROOM)) {
		tcp_rtx_restart(c);
		return;
	}
	c->rtx_kind = RTX_TIMEOUT;
	c->rtx_at_us = UINT64_MAX;
	if (!wheel_is_armed(&c->timer))
		tcp_timers_arm(c);
}

bool
tcp_fast_arrives(struct tcp_conn *c, struct tcp_segment *seg)
{
	bool news = seg->ack != c->snd_una;

	if (!is_expected(c, seg) || (news && !acks_cleanly(c, seg->ack)) ||
	    !c->engine->config.fast_paths)
		return false;
	tcp_count_arrival(c, seg);
	c->probes = 0;
	c->heard_ms = c->engine->now_ms;
	take_window(c, seg);
	if (news) {
		acknowledged(c, seg);
		go_on(c);
	}
	if (TAILQ_EMPTY(&c->sent))
		flight_over(c);
	if ((c->flags & CONN_TIMESTAMPS) && seq_leq(seg->seq, c->rcv_wup)) {
		c->ts_recent = seg->opt.ts_val;
		c->ts_recent_s = tcp_now_s(c->engine);
	}
	if (seg->len > 0) {
		TCP_COUNT(c->engine, predicted_data);
		tcp_receive_data(c, seg);
	} else {
		TCP_COUNT(c->engine, predicted_acks);
	}
	return true;
}
