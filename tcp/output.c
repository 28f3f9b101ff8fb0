/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What to send, when: lost segments again, then new ones as far as the two windows allow, then an
 * acknowledgment if one is owed and nothing carried it.
 *
 * RFC 9293 §3.8.6.2.1 (sender's silly windows), §3.7.4 (Nagle, in Minshall's form as in Linux: one
 * partial segment in flight at most), §3.8.6.1 (zero-window probes), RFC 5681.
 */
#include <errno.h>

#include "engine.h"

/* Payload bytes of a full segment now: SACK blocks take their part. */
static uint32_t
segment_room(const struct tcp_conn *c)
{
	return c->mss - tcp_sack_option_bytes(c);
}

/* States in which new data and FIN may leave. */
static bool
may_send_data(const struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
	case TCP_FIN_WAIT_1:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return true;
	case TCP_SYN_RECEIVED:
		return (c->flags & CONN_OPENING) != 0;
	default:
		return false;
	}
}

/* Whether the FIN may leave behind what is queued. RFC 7413 §4.2.2, as Linux: of a child only once
 * it is known that there is a peer, unless its user has closed. */
static bool
fin_is_due(const struct tcp_conn *c)
{
	return (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE &&
	       c->state != TCP_SYN_RECEIVED;
}

static uint8_t
flags_of(const struct tcp_sent *s)
{
	return (uint8_t)(TCP_ACK | (s->flags & SENT_FIN ? TCP_FIN : 0) |
			 (s->flags & SENT_PSH ? TCP_PSH : 0));
}

/*
 * How many bytes of a record may leave again, as on Linux: none beyond a window that is narrower
 * than when they left, which with a SYN nobody knew; but the first of all, which asks for it.
 */
static uint32_t
resend_room(const struct tcp_conn *c, const struct tcp_sent *s)
{
	uint32_t wnd = c->snd_una + c->snd_wnd - s->seq;

	if ((int32_t)wnd > 0)
		return RTE_MIN(segment_room(c), wnd);
	return s->seq == c->snd_una ? segment_room(c) : 0;
}

/* Sends a record again; `push` sets PSH, whether a write ended with it or not. */
static bool
send_again(struct tcp_conn *c, struct tcp_sent *s, bool push)
{
	struct tcp_engine *e = c->engine;
	bool sent, resumes = tcp_flight_segs(c) == 0;
	uint32_t bytes, room, idle_ms = e->now_ms - c->last_data_sent_ms;

	/* Another path may take less. */
	if (!tcp_conn_has_path(c))
		return false;
	bytes = tcp_sent_bytes(s);
	if (s->flags & SENT_SYN) {
		uint8_t ack = c->state == TCP_SYN_SENT ? 0 : TCP_ACK;

		sent = tcp_transmit_syn(c, TCP_SYN | ack | tcp_ecn_syn_again_flags(c), NULL);
	} else {
		uint8_t flags;

		room = resend_room(c, s);
		if (room == 0 && bytes > 0)
			return false;
		room = tcp_transmit_limit(c, s->m, s->data_off, RTE_MIN(bytes, room));
		if (bytes > room) {
			if (!tcp_sent_split(c, s, room))
				return false;
			bytes = room;
		}
		flags = (uint8_t)(flags_of(s) | (push ? TCP_PSH : 0));
		if (bytes == 0)
			flags &= (uint8_t)~TCP_PSH; /* the bytes before FIN have arrived */
		sent = tcp_transmit_segment(c, s->seq, flags, s->m, s->data_off, bytes);
	}
	if (!sent)
		return false;
	if (resumes && bytes > 0 && c->cc->resumes != NULL)
		c->cc->resumes(c, idle_ms);
	TCP_COUNT(e, retransmits);
	c->retransmits++;
	c->mtu_search.size = 0;
	c->bytes_retrans += bytes;
	tcp_pacing_sent(c, bytes);
	if (c->ca_state == CA_RECOVERY || c->ca_state == CA_CWR)
		c->prr.out++;
	tcp_undo_note_retransmit(c);
	tcp_sent_again(c, s);
	return true;
}

/* Whether there are bytes or a FIN that were never sent. */
static bool
something_new(const struct tcp_conn *c)
{
	return c->unsent_bytes > 0 || fin_is_due(c);
}

bool
tcp_retransmit(struct tcp_conn *c, struct tcp_sent *s)
{
	return send_again(c, s, false);
}

static bool
needs_repair(const struct tcp_sent *s)
{
	return (s->flags & (SENT_LOST | SENT_RETRANS)) == SENT_LOST;
}

/* Whether what left in one piece with a record leaves again behind it, at once. */
static bool
goes_on(const struct tcp_conn *c, const struct tcp_sent *s)
{
	const struct tcp_sent *next = TAILQ_NEXT(s, link);

	return next != NULL && (next->more_flags & SENT_JOINED) && needs_repair(next) &&
	       tcp_flight_segs(c) + 1 < c->cwnd;
}

/* As Linux: PSH is on the last of what left in one piece and leaves so again. */
static void
send_lost(struct tcp_conn *c)
{
	struct tcp_sent *s;
	bool joined = false; /* the one before has just been sent again */

	for (s = c->repair_from; s != NULL && c->unrepaired_segs > 0; s = TAILQ_NEXT(s, link)) {
		c->repair_from = s;
		if (!needs_repair(s)) {
			joined = false;
			continue;
		}
		joined = joined && (s->more_flags & SENT_JOINED) != 0;
		if (tcp_flight_segs(c) >= c->cwnd || tcp_pacing_waits(c) ||
		    !send_again(c, s, joined && !goes_on(c, s)))
			return;
		joined = true;
		if (c->ca_state == CA_RECOVERY)
			TCP_COUNT(c->engine, fast_retransmits);
	}
}

/* Bytes up to the next record boundary that the user set with MSG_EOR, `len` at most. */
static uint32_t
bytes_of_record(const struct tcp_conn *c, uint32_t len)
{
	const struct rte_mbuf *m = c->unsent_m;
	uint32_t off = c->unsent_off, bytes = 0;

	while (m != NULL && bytes < len) {
		bytes += (uint32_t)m->data_off + m->data_len - off;
		if (m->packet_type & MBUF_EOR)
			break;
		m = m->next;
		off = m != NULL ? m->data_off : 0;
	}
	return RTE_MIN(bytes, len);
}

/* Whether a write ended in these bytes. */
static bool
holds_push(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	while (m != NULL && len > 0) {
		uint32_t part = (uint32_t)m->data_off + m->data_len - off;

		if (part <= len && (m->packet_type & MBUF_PUSH))
			return true;
		len -= RTE_MIN(part, len);
		m = m->next;
		off = m != NULL ? m->data_off : 0;
	}
	return false;
}

/* Nagle, MSG_MORE: whether a last, partial segment should wait for company. */
static bool
should_hold(struct tcp_conn *c)
{
	if ((c->flags & CONN_URG_SEND) && tcp_urgent_pending(c))
		return false;
	if (c->flags & (CONN_MORE | CONN_CORK))
		return true;
	return (c->flags & CONN_NODELAY) == 0 && c->snd_nxt != c->snd_una &&
	       seq_gt(c->snd_sml, c->snd_una);
}

/*
 * How many bytes the next segment takes; *fin: FIN goes with it. false: nothing may leave now.
 * `forced`: the persist timer overrides silly window avoidance.
 */
static bool
next_segment(struct tcp_conn *c, bool forced, uint32_t *len, bool *fin)
{
	uint32_t wnd = c->snd_una + c->snd_wnd - c->snd_nxt;
	uint32_t unsent = c->unsent_bytes, room = segment_room(c);

	if ((int32_t)wnd < 0)
		wnd = 0;
	*fin = fin_is_due(c);
	if (unsent == 0)
		return *fin && wnd > 0;
	*len = RTE_MIN(RTE_MIN(unsent, room), wnd);
	if (*len == 0)
		return false;
	if (c->eor_used) {
		uint32_t record = bytes_of_record(c, *len);

		if (record < *len) {
			*len = record;
			*fin = false;
			return true;
		}
	}
	if (*len < unsent) {
		*fin = false;
		return *len == room || *len >= c->max_wnd / 2 || forced;
	}
	*fin = *fin && *len < wnd;
	return *len == room || *fin || forced || (c->flags & CONN_FIN_DUE) || !should_hold(c);
}

/* What is about to leave at once: one segment, or a piece of several (tso.c). */
struct departure {
	struct tcp_sent *first;
	seq_t sml_before;
	uint32_t bytes;
	unsigned int segs;
};

/* Moves a segment from what is unsent to what was sent. Returns false without a record for it. */
static bool
take_segment(struct tcp_conn *c, struct departure *d, uint32_t len, bool fin)
{
	struct tcp_sent *s = tcp_sent_append(c, len + fin, fin ? SENT_FIN : 0);

	if (s == NULL) {
		TCP_COUNT(c->engine, tx_no_mbuf);
		return false;
	}
	if (d->segs == 0)
		d->first = s;
	else
		s->more_flags |= SENT_JOINED;
	s->m = len > 0 ? c->unsent_m : NULL;
	s->data_off = (uint16_t)c->unsent_off;
	if (holds_push(s->m, s->data_off, len))
		s->flags |= SENT_PSH;
	c->snd_nxt += len + fin;
	c->unsent_bytes -= len;
	tcp_position_advance(&c->unsent_m, &c->unsent_off, len);
	if (len < segment_room(c) && len > 0)
		c->snd_sml = c->snd_nxt;
	d->bytes += len;
	d->segs++;
	return true;
}

/* The last segments could not leave: as if they had never been taken. */
static void
put_back(struct tcp_conn *c, const struct departure *d, unsigned int segs)
{
	for (; segs > 0; segs--) {
		struct tcp_sent *s = TAILQ_LAST(&c->sent, tcp_sent_list);

		c->snd_nxt = s->seq;
		c->unsent_bytes += tcp_sent_bytes(s);
		if (s->m != NULL) {
			c->unsent_m = s->m;
			c->unsent_off = s->data_off;
		}
		tcp_sent_remove(c, s);
	}
	c->snd_sml = d->sml_before;
}

/*
 * The last of a piece of several has PSH, as Linux's have, but not when it is sent again, nor where
 * the user holds the rest back.
 */
static uint8_t
flags_of_last(const struct tcp_conn *c, const struct departure *d, const struct tcp_sent *last)
{
	bool push = d->segs > 1 && (c->flags & (CONN_MORE | CONN_CORK)) == 0;

	return (uint8_t)(flags_of(last) | (push ? TCP_PSH : 0));
}

/* Sends each segment in a packet of its own; returns how many. */
static unsigned int
depart_singly(struct tcp_conn *c, const struct departure *d)
{
	struct tcp_sent *s = d->first;
	unsigned int n;

	for (n = 0; n < d->segs; n++, s = TAILQ_NEXT(s, link)) {
		uint8_t flags = n == d->segs - 1 ? flags_of_last(c, d, s) : flags_of(s);

		if (!tcp_transmit_new(c, s->seq, flags, s->m, s->data_off, tcp_sent_bytes(s)))
			break;
	}
	return n;
}

/* Sends them all in one packet; returns how many. */
static unsigned int
depart_in_one(struct tcp_conn *c, const struct departure *d, const struct tcp_sent *last)
{
	const struct tcp_sent *first = d->first;
	uint16_t segsz = (uint16_t)tcp_sent_bytes(first);

	return tcp_transmit_super(c, first->seq, flags_of_last(c, d, last), first->m,
				  first->data_off, d->bytes, segsz, d->segs)
		       ? d->segs
		       : 0;
}

/* Builds and sends what was taken. Returns false, and what did not leave put back, if not all did.
 */
static bool
depart(struct tcp_conn *c, struct departure *d, bool in_one)
{
	struct tcp_sent *last = TAILQ_LAST(&c->sent, tcp_sent_list);
	bool was_idle = c->sent_segs == d->segs, resumes = tcp_flight_segs(c) <= d->segs;
	uint32_t idle_ms = c->engine->now_ms - c->last_data_sent_ms;
	unsigned int sent;
	uint32_t bytes;

	sent = in_one ? depart_in_one(c, d, last) : depart_singly(c, d);
	if (sent < d->segs) {
		put_back(c, d, d->segs - sent);
	} else if (last->flags & SENT_FIN) {
		c->flags |= CONN_FIN_SENT;
	}
	if (sent == 0)
		return false;
	last = TAILQ_LAST(&c->sent, tcp_sent_list);
	bytes = last->end - d->first->seq - ((last->flags & SENT_FIN) != 0);
	TCP_ADD(c->engine, bytes_out, bytes);
	tcp_pacing_sent(c, bytes);
	if (c->ca_state == CA_RECOVERY || c->ca_state == CA_CWR)
		c->prr.out += sent;
	if (resumes && d->bytes > 0 && c->cc->resumes != NULL)
		c->cc->resumes(c, idle_ms);
	if (was_idle) {
		/* RFC 6298 §5.1, whatever the timer was set for before. */
		c->progress_us = c->engine->now_us;
		tcp_rtx_restart(c);
	}
	return sent == d->segs;
}

/*
 * Sends a segment of new data, as next_segment() allows, and with it those behind it, up to a short
 * one and `most` segments at most. Returns false if it could not.
 */
static bool
send_new(struct tcp_conn *c, uint32_t len, bool fin, unsigned int most, bool push)
{
	struct departure d = {.sml_before = c->snd_sml};
	uint32_t carried = tcp_transmit_limit(c, c->unsent_m, c->unsent_off, len);
	uint32_t segsz = segment_room(c);
	bool in_one;

	if (carried < segsz)
		most = 1;
	in_one = most > 1 && (c->path_flags & TCP_PATH_TX_TSO) != 0;
	if (in_one)
		most = tcp_tso_segs(c, segsz, most);
	fin = fin && carried == len;
	if (!take_segment(c, &d, carried, fin))
		return false;
	if (push && carried > 0)
		d.first->flags |= SENT_PSH;
	while (d.segs < most && !fin && len == segsz && next_segment(c, false, &len, &fin) &&
	       (in_one || tcp_transmit_limit(c, c->unsent_m, c->unsent_off, len) == len))
		if (!take_segment(c, &d, len, fin))
			break;
	/* CWR is the first segment's alone: not every device knows that. */
	return depart(c, &d, in_one && d.segs > 1 && (c->ecn & ECN_TELL_CWR) == 0);
}

/* The next segment of new data, and what may leave with it: `most` segments. */
static bool
send_some(struct tcp_conn *c, unsigned int most)
{
	uint32_t len = 0;
	bool fin;

	return next_segment(c, false, &len, &fin) && send_new(c, len, fin, most, false);
}

bool
tcp_send_exactly(struct tcp_conn *c, uint32_t len)
{
	struct departure d = {.sml_before = c->snd_sml};

	return tcp_transmit_limit(c, c->unsent_m, c->unsent_off, len) == len &&
	       take_segment(c, &d, len, false) && depart(c, &d, false);
}

bool
tcp_send_one(struct tcp_conn *c)
{
	return send_some(c, 1);
}

/* The segment with our FIN leaves whatever the congestion window says, as on Linux: nothing follows
 * it, and it lets the peer get ready. */
static bool
is_last(const struct tcp_conn *c)
{
	return fin_is_due(c) && c->unsent_bytes <= segment_room(c);
}

/* Why sending stopped: what TCP_INFO tells of it. `ours`: by the congestion window, by pacing. */
static void
note_limit(struct tcp_conn *c, bool ours)
{
	uint32_t wnd = c->snd_una + c->snd_wnd - c->snd_nxt;

	if (c->unsent_bytes == 0) {
		tcp_chrono_stop(c, CHRONO_RWND);
		if (!ours && (c->flags & CONN_WANT_ROOM) &&
		    (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT))
			tcp_chrono_start(c, CHRONO_SNDBUF);
	} else if (!ours && ((int32_t)wnd <= 0 || wnd < RTE_MIN(c->unsent_bytes, c->mss))) {
		tcp_chrono_start(c, CHRONO_RWND);
	} else {
		tcp_chrono_stop(c, CHRONO_RWND);
	}
}

/* `once`: at most what may leave at once. */
static void
send_window(struct tcp_conn *c, bool once)
{
	seq_t before = c->snd_nxt;
	uint32_t flight, most_bytes = c->engine->config.flush_bytes;
	bool cwnd_limited = false, ours = false;
	unsigned int goal;

	if (c->mtu_search.on && tcp_mtu_probe(c) == TCP_MTU_PROBE_WAIT)
		return;
	goal = c->unsent_bytes < 2u * c->mss ? 1 : tcp_tso_goal(c);
	do {
		ours = something_new(c) && tcp_pacing_waits(c);
		if (ours)
			break;
		if (most_bytes != 0 && c->snd_nxt - before >= most_bytes) {
			ours = something_new(c);
			if (ours)
				tcp_mark_more(c);
			break;
		}
		flight = tcp_flight_segs(c);
		if (flight >= c->cwnd && is_last(c))
			flight = c->cwnd - 1;
		if (flight >= c->cwnd) {
			cwnd_limited = true;
			break;
		}
	} while (send_some(c, RTE_MIN(goal, c->cwnd - flight)) && !once);
	if (c->snd_nxt != before || cwnd_limited)
		tcp_cwnd_validate(c, cwnd_limited || tcp_flight_segs(c) >= c->cwnd);
	note_limit(c, cwnd_limited || ours);
	/* RFC 8985 §7.2: the probe's time runs from the last of what was sent; a lone one has just
	 * set it. */
	if (c->snd_nxt != before && c->rtx_kind == RTX_TLP && c->sent_segs > 1)
		tcp_tlp_schedule(c, tcp_rto_at(c));
}

/* RFC 9293 §3.8.6.1: what fits, or, as Linux, an old acknowledged sequence number without data. */
static void
send_probe(struct tcp_conn *c)
{
	uint32_t len = 0;
	bool fin, sent;

	/* What is urgent the peer hears of at its own place, too: RFC 9293 §3.8.6.1. */
	if ((c->flags & CONN_URG_SEND) && tcp_urgent_pending(c))
		tcp_transmit_segment(c, c->snd_una, TCP_ACK, NULL, 0, 0);
	if (next_segment(c, true, &len, &fin))
		sent = send_new(c, len, fin, 1, true);
	else
		sent = tcp_transmit_segment(c, c->snd_una - 1, TCP_ACK, NULL, 0, 0);
	if (sent) {
		TCP_COUNT(c->engine, persist_probes);
	} else if (c->backoffs > 0) {
		/* Want of memory here is no news of the peer. */
		c->backoffs--;
		c->probes = (uint8_t)(c->probes - (c->probes > 0));
	}
}

/* A segment could not leave for want of memory: try again soon. */
static bool
is_stalled(const struct tcp_conn *c)
{
	return TAILQ_EMPTY(&c->sent) && c->unsent_bytes > 0 && c->snd_wnd > 0;
}

static void
send_lost_and_new(struct tcp_conn *c, bool once)
{
	if (c->frto_new_first) {
		/* RFC 5682 §3.1 step 2b: only if there is nothing new, the old again. */
		c->frto_new_first = false;
		send_window(c, once);
		if (seq_gt(c->snd_nxt, c->recover))
			return;
		c->frto = false;
	}
	/* RFC 7413 §4.2.2: nothing again but the SYN-ACK. */
	if (c->unrepaired_segs > 0 && (c->flags & CONN_OPENING) == 0)
		send_lost(c);
	if ((c->unrepaired_segs == 0 || (c->flags & CONN_OPENING)) && something_new(c))
		send_window(c, once);
}

/* A peer without SACK hears of each segment that arrived out of order: RFC 5681 §4.2. */
static void
send_duplicate_acks(struct tcp_conn *c)
{
	for (; c->dupacks_due > 1; c->dupacks_due--) {
		if (!tcp_transmit_segment(c, c->snd_nxt, TCP_ACK, NULL, 0, 0))
			break;
		TCP_COUNT(c->engine, acks_out);
		c->flags |= CONN_ACK_NOW;
	}
}

static void
output(struct tcp_conn *c, bool once)
{
	if (tcp_fast_output(c))
		return;
	if (c->state < TCP_SYN_SENT || c->frozen)
		return;
	if (!tcp_conn_has_path(c)) {
		/* As if it were lost on the way: a timer tries again, or the peer does. */
		c->flags &= ~(CONN_ACK_NOW | CONN_ACK_DELAYED);
		if (!c->window_waits)
			c->ack_at_us = UINT64_MAX;
		c->dupacks_due = 0;
		if (c->flags & CONN_WANT_ROOM)
			tcp_tell_room(c); /* what has left makes room under TCP_NOTSENT_LOWAT */
		if (c->rtx_at_us == UINT64_MAX)
			tcp_rtx_restart(c);
		return;
	}
	if (may_send_data(c)) {
		send_lost_and_new(c, once);
		if ((c->flags & CONN_SEND_PROBE) && TAILQ_EMPTY(&c->sent))
			send_probe(c);
		c->flags &= ~CONN_SEND_PROBE;
	}
	send_duplicate_acks(c);
	if ((c->flags & CONN_ACK_NOW) && c->state >= TCP_SYN_RECEIVED) {
		if (tcp_transmit_segment(c, c->snd_nxt, TCP_ACK, NULL, 0, 0)) {
			TCP_COUNT(c->engine, acks_out);
		} else {
			c->flags |= CONN_ACK_DELAYED;
			c->ack_at_us = c->engine->now_us + 1000;
		}
	}
	c->dupacks_due = 0;
	if (is_stalled(c) || (!TAILQ_EMPTY(&c->sent) && c->rtx_at_us == UINT64_MAX) ||
	    (something_new(c) && c->rtx_at_us == UINT64_MAX)) {
		uint64_t at_us = c->rtx_at_us;

		tcp_rtx_restart(c);
		/* A user who keeps writing must not put the override time-out off. */
		c->rtx_at_us = RTE_MIN(c->rtx_at_us, at_us);
	}
	tcp_timer_by(c, RTE_MIN(c->rtx_at_us, c->ack_at_us));
}

void
tcp_output(struct tcp_conn *c)
{
	output(c, false);
}

void
tcp_output_once(struct tcp_conn *c)
{
	output(c, true);
}
