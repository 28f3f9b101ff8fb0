/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive queue, reassembly of what arrives out of order, and the window that we offer.
 *
 * Memory is bounded three times: by the window (payload), by the receive buffer (buffers of this
 * connection), and by max_held_bufs (buffers of all connections), so that a lane always has buffers
 * left in which acknowledgments can arrive. RFC 9293 §3.10.7.4 seventh, §3.8.6.2.2; RFC 7323 §2.
 */
#include <assert.h>

#include <rte_common.h>

#include "engine.h"

uint8_t
tcp_rcv_wscale_for(uint32_t rcvbuf_bytes)
{
	uint8_t shift = 0;

	while (shift < TCP_MAX_WSCALE_SHIFT && rcvbuf_bytes >> shift > 0xffff)
		shift++;
	return shift;
}

/* Payload that fits a buffer memory: half of it, for segments seldom fill their buffers. */
static uint32_t
window_of(uint32_t buffer_bytes)
{
	return buffer_bytes / 2;
}

uint32_t
tcp_initial_rcv_wnd(const struct tcp_engine *e, uint32_t rcvbuf_bytes)
{
	uint32_t wnd = window_of(rcvbuf_bytes);

	/* Linux offers no more than 64 KB at first, and raises the edge as data comes in. */
	(void)e;
	return RTE_MIN(wnd, 65535u);
}

void
tcp_rcv_adjust_held(struct tcp_engine *e, uint32_t before, uint32_t after)
{
	e->held_bufs += after - before;
}

/* RCV.WND that our buffers would bear, by whole window scale units; less than now means: no more.
 */
static uint32_t
window_borne(const struct tcp_conn *c)
{
	const struct tcp_engine *e = c->engine;
	uint32_t used = c->recvq.charge + c->ranges_charge;
	uint32_t wnd = c->rcvbuf_bytes > used ? window_of(c->rcvbuf_bytes - used) : 0;

	if (e->held_bufs > e->config.max_held_bufs / 4 * 3)
		return 0;
	wnd = RTE_MIN(wnd, 65535u << c->rcv_wscale_shift);
	wnd &= ~((1u << c->rcv_wscale_shift) - 1);
	/* RFC 9293 §3.8.6.2.2: no silly windows. */
	return wnd < c->rcv_mss && wnd < window_of(c->rcvbuf_bytes) / 2 ? 0 : wnd;
}

uint32_t
tcp_window_to_offer(struct tcp_conn *c)
{
	uint32_t unit = 1u << c->rcv_wscale_shift;
	uint32_t now = seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
	uint32_t wnd = window_borne(c);

	/* The right edge never moves left, not even by rounding. */
	if (wnd < now)
		wnd = RTE_MIN((now + unit - 1) & ~(unit - 1), 65535u << c->rcv_wscale_shift);
	if (seq_gt(c->rcv_nxt + wnd, c->rcv_adv))
		c->rcv_adv = c->rcv_nxt + wnd;
	return wnd;
}

void
tcp_window_opened(struct tcp_conn *c)
{
	uint32_t now = seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
	uint32_t wnd = window_borne(c);

	/* As Linux: tell when the window has at least doubled. */
	if (c->state >= TCP_ESTABLISHED && c->state <= TCP_FIN_WAIT_2 && wnd >= 2 * now &&
	    wnd - now >= c->rcv_mss)
		tcp_ack_now(c);
}

static void
range_free(struct tcp_conn *c, struct tcp_range *r)
{
	tcp_rcv_adjust_held(c->engine, r->q.bufs, 0);
	c->ranges_charge -= r->q.charge;
	mbufq_clear(&r->q);
	slab_put(&c->engine->ranges, r);
}

void
tcp_ranges_free(struct tcp_conn *c)
{
	struct tcp_range *r;

	while ((r = c->ranges) != NULL) {
		c->ranges = r->next;
		range_free(c, r);
	}
}

static seq_t
range_end(const struct tcp_range *r)
{
	return r->seq + r->q.bytes;
}

/* Appends to a queue, by copying where that saves a buffer; keeps the engine's count. */
static void
queue_append(struct tcp_conn *c, struct mbufq *q, struct mbufq *in)
{
	uint32_t before = q->bufs;

	if (in->bytes == 0)
		return;
	if (mbufq_coalesce(q, in->head, in->bytes)) {
		TCP_COUNT(c->engine, rcv_coalesced);
		*in = (struct mbufq){0};
	} else {
		mbufq_splice(q, in);
	}
	tcp_rcv_adjust_held(c->engine, before, q->bufs);
}

/* Takes what of the new bytes a following range has already, and swallows ranges that they cover.
 */
static void
cut_by_followers(struct tcp_conn *c, struct tcp_range **link, seq_t seq, struct mbufq *in,
		 bool *fin)
{
	struct tcp_range *r;

	while ((r = *link) != NULL && seq_lt(r->seq, seq + in->bytes)) {
		if (seq_gt(range_end(r), seq + in->bytes)) {
			mbufq_trim_back(in, seq + in->bytes - r->seq);
			return;
		}
		*fin |= r->fin;
		*link = r->next;
		range_free(c, r);
	}
}

/* Joins a range with the next one if that follows without gap. */
static void
join_next(struct tcp_conn *c, struct tcp_range *r)
{
	struct tcp_range *next = r->next;

	if (next == NULL || next->seq != range_end(r) || r->fin)
		return;
	mbufq_splice(&r->q, &next->q);
	r->fin |= next->fin;
	r->next = next->next;
	slab_put(&c->engine->ranges, next);
}

/* Puts bytes that begin behind rcv_nxt aside. Takes all of `in`. */
static void
range_insert(struct tcp_conn *c, seq_t seq, struct mbufq *in, bool fin)
{
	struct tcp_range **link = &c->ranges, *prev = NULL, *r;
	uint32_t charge;

	while (*link != NULL && seq_leq((*link)->seq, seq)) {
		prev = *link;
		link = &prev->next;
	}
	if (prev != NULL && seq_gt(range_end(prev), seq)) {
		uint32_t have = RTE_MIN(range_end(prev) - seq, in->bytes);

		mbufq_trim_front(in, have);
		seq += have;
	}
	cut_by_followers(c, link, seq, in, &fin);
	if ((in->bytes == 0 && !fin) || (prev != NULL && prev->fin)) {
		/* There is nothing behind a FIN. */
		TCP_COUNT(c->engine, drop_duplicate);
		mbufq_clear(in);
		return;
	}
	TCP_COUNT(c->engine, ooo_segs);
	if (prev != NULL && range_end(prev) == seq) {
		charge = prev->q.charge;
		queue_append(c, &prev->q, in);
		prev->fin |= fin;
		c->ranges_charge += prev->q.charge - charge;
		join_next(c, prev);
		return;
	}
	r = slab_get(&c->engine->ranges);
	if (r == NULL) {
		TCP_COUNT(c->engine, drop_no_memory);
		mbufq_clear(in);
		return;
	}
	*r = (struct tcp_range){.next = *link, .seq = seq, .fin = fin};
	*link = r;
	queue_append(c, &r->q, in);
	c->ranges_charge += r->q.charge;
	join_next(c, r);
}

static void
fin_in_order(struct tcp_conn *c)
{
	c->rcv_nxt++;
	c->flags |= CONN_PEER_FIN;
}

static void
append_in_order(struct tcp_conn *c, struct mbufq *in, bool fin)
{
	c->rcv_nxt += in->bytes;
	c->bytes_received += in->bytes;
	TCP_ADD(c->engine, bytes_in, in->bytes);
	queue_append(c, &c->recvq, in);
	if (fin)
		fin_in_order(c);
}

/* Moves ranges that rcv_nxt has reached into the receive queue. */
static void
pull_ranges(struct tcp_conn *c)
{
	struct tcp_range *r;

	while ((r = c->ranges) != NULL && seq_leq(r->seq, c->rcv_nxt)) {
		uint32_t have = c->rcv_nxt - r->seq;
		uint32_t charge = r->q.charge, bufs = r->q.bufs;
		bool fin = r->fin && (c->flags & CONN_PEER_FIN) == 0;

		c->ranges = r->next;
		c->ranges_charge -= charge;
		tcp_rcv_adjust_held(c->engine, bufs, 0);
		if (have <= r->q.bytes) {
			mbufq_trim_front(&r->q, have);
			append_in_order(c, &r->q, fin);
		}
		mbufq_clear(&r->q);
		slab_put(&c->engine->ranges, r);
		if (c->flags & CONN_PEER_FIN)
			tcp_ranges_free(c); /* nothing lies behind a FIN */
	}
}

/* Whether this connection, and the lane, may hold these buffers too. */
static bool
may_hold(struct tcp_conn *c, const struct mbufq *in, bool in_order)
{
	const struct tcp_engine *e = c->engine;

	if (in_order && c->ranges != NULL &&
	    (e->held_bufs + in->bufs > e->config.max_held_bufs ||
	     c->recvq.charge + c->ranges_charge + in->charge > 2 * c->rcvbuf_bytes))
		tcp_ranges_free(c);
	if (e->held_bufs + in->bufs > e->config.max_held_bufs) {
		TCP_COUNT(c->engine, drop_held_limit);
		return false;
	}
	if (c->recvq.charge + c->ranges_charge + in->charge >
	    c->rcvbuf_bytes + (in_order ? c->rcvbuf_bytes : 0)) {
		TCP_COUNT(c->engine, drop_rcvbuf);
		return false;
	}
	return true;
}

/* RFC 9293 §3.8.6.3: every second full segment at once, else within TCP_DELACK_US. */
static void
schedule_ack(struct tcp_conn *c)
{
	if (c->rcv_nxt - c->rcv_wup > c->rcv_mss || c->ranges != NULL) {
		tcp_ack_now(c);
	} else if ((c->flags & (CONN_ACK_DELAYED | CONN_ACK_NOW)) == 0) {
		c->flags |= CONN_ACK_DELAYED;
		c->ack_at_us = c->engine->now_us + TCP_DELACK_US;
		tcp_timers_arm(c);
		tcp_mark_dirty(c);
	}
}

void
tcp_receive_data(struct tcp_conn *c, struct tcp_segment *seg)
{
	bool fin = (seg->flags & TCP_FIN) != 0;
	struct mbufq in = {0};
	seq_t seq = seg->seq;
	bool in_order;

	if (seg->len > c->rcv_mss)
		c->rcv_mss = (uint16_t)RTE_MIN(seg->len, 65535u);
	mbufq_append(&in, seg->m);
	seg->m = NULL;
	assert(in.bytes == seg->len);
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t have = RTE_MIN(c->rcv_nxt - seq, in.bytes);

		mbufq_trim_front(&in, have);
		seq += have;
	}
	if (seq_gt(seq + in.bytes, c->rcv_adv)) {
		mbufq_trim_back(&in, seq + in.bytes - c->rcv_adv);
		fin = false;
	}
	in_order = seq == c->rcv_nxt;
	if ((c->flags & CONN_PEER_FIN) || (in.bytes == 0 && !fin) || !may_hold(c, &in, in_order)) {
		/* Nothing new, or no room: say again where we are. */
		if (seg->len > 0 && seq_leq(seg->seq + seg->len, c->rcv_nxt))
			TCP_COUNT(c->engine, drop_duplicate);
		mbufq_clear(&in);
		tcp_ack_now(c);
		return;
	}
	if (!in_order) {
		range_insert(c, seq, &in, fin);
		tcp_ack_now(c);
		return;
	}
	append_in_order(c, &in, fin);
	if (c->ranges != NULL) {
		pull_ranges(c);
		tcp_ack_now(c);
	}
	if (c->flags & CONN_PEER_FIN)
		tcp_ack_now(c);
	schedule_ack(c);
	tcp_mark_event(c);
}
