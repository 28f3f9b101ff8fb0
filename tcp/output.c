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
	default:
		return false;
	}
}

static struct tcp_sent *
sent_append(struct tcp_conn *c, seq_t seq, uint32_t seqlen, uint8_t flags)
{
	struct tcp_sent *s = slab_get(&c->engine->sents);

	if (s == NULL)
		return NULL;
	*s = (struct tcp_sent){
		.sent_us = c->engine->now_us,
		.seq = seq,
		.end = seq + seqlen,
		.flags = flags,
	};
	if (c->sent_tail != NULL)
		c->sent_tail->next = s;
	else
		c->sent_head = s;
	c->sent_tail = s;
	c->sent_segs++;
	return s;
}

/* Takes back the record just appended: its segment could not be sent. */
static void
sent_drop_tail(struct tcp_conn *c)
{
	struct tcp_sent *s = c->sent_tail, *prev = NULL;

	for (struct tcp_sent *i = c->sent_head; i != s; i = i->next)
		prev = i;
	c->sent_tail = prev;
	if (prev != NULL)
		prev->next = NULL;
	else
		c->sent_head = NULL;
	c->sent_segs--;
	slab_put(&c->engine->sents, s);
}

static uint32_t
sent_bytes(const struct tcp_sent *s)
{
	return s->end - s->seq - ((s->flags & SENT_SYN) != 0) - ((s->flags & SENT_FIN) != 0);
}

/* Moves (m, off) n bytes on; to the next mbuf only if there are more bytes behind. */
static void
position_advance(struct rte_mbuf **m, uint32_t *off, uint32_t n)
{
	while (n > 0) {
		uint32_t part = (uint32_t)(*m)->data_off + (*m)->data_len - *off;

		if (n < part) {
			*off += n;
			return;
		}
		n -= part;
		*m = (*m)->next;
		*off = *m != NULL ? (*m)->data_off : 0;
	}
}

/* Cuts a record that is longer than a segment may be now. Returns false without memory for it. */
static bool
sent_split(struct tcp_conn *c, struct tcp_sent *s, uint32_t bytes)
{
	struct tcp_sent *rest = slab_get(&c->engine->sents);

	if (rest == NULL)
		return false;
	*rest = *s;
	rest->seq = s->seq + bytes;
	position_advance(&rest->m, &rest->data_off, bytes);
	s->end = rest->seq;
	s->flags &= (uint8_t)~SENT_FIN;
	s->next = rest;
	if (c->sent_tail == s)
		c->sent_tail = rest;
	c->sent_segs++;
	c->lost_segs += (s->flags & SENT_LOST) != 0;
	c->retrans_segs += (s->flags & SENT_RETRANS) != 0;
	return true;
}

bool
tcp_retransmit(struct tcp_conn *c, struct tcp_sent *s)
{
	struct tcp_engine *e = c->engine;
	uint32_t bytes = sent_bytes(s);
	bool sent;

	if (s->flags & SENT_SYN) {
		sent = tcp_transmit_syn(c, c->state == TCP_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK);
	} else {
		uint8_t flags = TCP_ACK | (s->flags & SENT_FIN ? TCP_FIN : 0);

		if (bytes > c->mss) {
			if (!sent_split(c, s, c->mss))
				return false;
			bytes = c->mss;
			flags = TCP_ACK;
		}
		if (s->end == c->snd_nxt && bytes > 0)
			flags |= TCP_PSH;
		sent = tcp_transmit_segment(c, s->seq, flags, s->m, s->data_off, bytes);
	}
	if (!sent)
		return false;
	TCP_COUNT(e, retransmits);
	c->retransmits++;
	s->sent_us = e->now_us;
	c->retrans_segs += (s->flags & SENT_RETRANS) == 0;
	s->flags |= SENT_RETRANS | SENT_EVER_RETRANS;
	return true;
}

static void
send_lost(struct tcp_conn *c)
{
	for (struct tcp_sent *s = c->sent_head; s != NULL && tcp_has_unrepaired(c); s = s->next) {
		if ((s->flags & (SENT_LOST | SENT_RETRANS)) != SENT_LOST)
			continue;
		if ((tcp_flight_segs(c) >= c->cwnd && !c->repair_now) || !tcp_retransmit(c, s))
			return;
		c->repair_now = false;
		if (c->ca_state == CA_RECOVERY)
			TCP_COUNT(c->engine, fast_retransmits);
	}
}

/* Nagle, MSG_MORE: whether a last, partial segment should wait for company. */
static bool
should_hold(const struct tcp_conn *c)
{
	if (c->flags & CONN_MORE)
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
	uint32_t unsent = c->unsent_bytes;

	if ((int32_t)wnd < 0)
		wnd = 0;
	*fin = (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE;
	if (unsent == 0)
		return *fin && wnd > 0;
	*len = RTE_MIN(RTE_MIN(unsent, (uint32_t)c->mss), wnd);
	if (*len == 0)
		return false;
	if (*len < unsent) {
		*fin = false;
		return *len == c->mss || *len >= c->max_wnd / 2 || forced;
	}
	*fin = *fin && *len < wnd;
	return *len == c->mss || *fin || forced || (c->flags & CONN_FIN_DUE) || !should_hold(c);
}

/* Sends one segment of new data and accounts for it. Returns false if it could not. */
static bool
send_new(struct tcp_conn *c, uint32_t len, bool fin)
{
	uint8_t flags = TCP_ACK | (fin ? TCP_FIN : 0);
	struct tcp_sent *s;

	if (len > 0 && len == c->unsent_bytes)
		flags |= TCP_PSH;
	s = sent_append(c, c->snd_nxt, len + fin, fin ? SENT_FIN : 0);
	if (s == NULL) {
		TCP_COUNT(c->engine, tx_no_mbuf);
		return false;
	}
	s->m = len > 0 ? c->unsent_m : NULL;
	s->data_off = c->unsent_off;
	if (!tcp_transmit_segment(c, c->snd_nxt, flags, s->m, s->data_off, len)) {
		sent_drop_tail(c);
		return false;
	}
	TCP_ADD(c->engine, bytes_out, len);
	c->snd_nxt += len + fin;
	c->unsent_bytes -= len;
	position_advance(&c->unsent_m, &c->unsent_off, len);
	if (len < c->mss && len > 0)
		c->snd_sml = c->snd_nxt;
	if (fin)
		c->flags |= CONN_FIN_SENT;
	if (c->sent_segs == 1) {
		/* RFC 6298 §5.1, whatever the timer was set for before. */
		c->progress_us = c->engine->now_us;
		tcp_rtx_restart(c);
	}
	return true;
}

static void
send_window(struct tcp_conn *c)
{
	bool fin;

	for (;;) {
		uint32_t len = 0;

		if (tcp_flight_segs(c) >= c->cwnd) {
			c->flags |= CONN_CWND_LIMITED;
			return;
		}
		if (!next_segment(c, false, &len, &fin) || !send_new(c, len, fin))
			return;
	}
}

/* RFC 9293 §3.8.6.1: what fits, or, as Linux, an old acknowledged sequence number without data. */
static void
send_probe(struct tcp_conn *c)
{
	uint32_t len = 0;
	bool fin;

	c->flags &= ~CONN_SEND_PROBE;
	TCP_COUNT(c->engine, persist_probes);
	if (next_segment(c, true, &len, &fin))
		send_new(c, len, fin);
	else
		tcp_transmit_segment(c, c->snd_una - 1, TCP_ACK, NULL, 0, 0);
}

/* A segment could not leave for want of memory: try again soon. */
static bool
is_stalled(const struct tcp_conn *c)
{
	return c->sent_head == NULL && c->unsent_bytes > 0 && c->snd_wnd > 0;
}

void
tcp_output(struct tcp_conn *c)
{
	if (c->state < TCP_SYN_SENT)
		return;
	if (!tcp_conn_has_path(c)) {
		/* As if it were lost on the way: a timer tries again. */
		if (c->rtx_at_us == UINT64_MAX)
			tcp_rtx_restart(c);
		return;
	}
	if (may_send_data(c)) {
		send_lost(c);
		if (!tcp_has_unrepaired(c) &&
		    (c->unsent_bytes > 0 ||
		     (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE))
			send_window(c);
		if (c->flags & CONN_SEND_PROBE)
			send_probe(c);
	}
	if ((c->flags & CONN_ACK_NOW) && c->state >= TCP_SYN_RECEIVED) {
		if (tcp_transmit_segment(c, c->snd_nxt, TCP_ACK, NULL, 0, 0)) {
			TCP_COUNT(c->engine, acks_out);
		} else {
			c->flags |= CONN_ACK_DELAYED;
			c->ack_at_us = c->engine->now_us + 1000;
		}
	}
	if (is_stalled(c) || (c->sent_head != NULL && c->rtx_at_us == UINT64_MAX) ||
	    (c->unsent_bytes > 0 && c->rtx_at_us == UINT64_MAX))
		tcp_rtx_restart(c);
	tcp_timers_arm(c);
}

void
tcp_send_syn(struct tcp_conn *c)
{
	struct tcp_sent *s = sent_append(c, c->iss, 1, SENT_SYN);

	if (s == NULL)
		return;
	c->snd_nxt = c->iss + 1;
	c->progress_us = c->engine->now_us;
	tcp_transmit_syn(c, TCP_SYN);
	tcp_rtx_restart(c);
	tcp_timers_arm(c);
}
