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

/* Payloads up to this are worth copying to save a buffer. */
enum {
	COALESCE_MAX_BYTES = 512,
	DUPACKS_DUE_MAX = 4,            /* one more than it takes to be believed */
	PRESSURE_RETRY_US = 100 * 1000, /* look again whether the lane has buffers */
};

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

static bool
is_under_pressure(const struct tcp_engine *e)
{
	return e->held_bufs > e->config.max_held_bufs / 4 * 3;
}

/* RCV.WND that our buffers would bear, by whole window scale units; less than now means: no more.
 */
static uint32_t
window_borne(const struct tcp_conn *c)
{
	const struct tcp_engine *e = c->engine;
	uint32_t used = c->recvq.charge + c->ranges_charge;
	uint32_t wnd = c->rcvbuf_bytes > used ? window_of(c->rcvbuf_bytes - used) : 0;

	if (is_under_pressure(e))
		return 0;
	wnd = RTE_MIN(wnd, 65535u << c->rcv_wscale_shift);
	wnd &= ~((1u << c->rcv_wscale_shift) - 1);
	/* RFC 9293 §3.8.6.2.2: no silly windows. */
	return wnd < c->rcv_mss && wnd < window_of(c->rcvbuf_bytes) / 2 ? 0 : wnd;
}

/* RCV.WND as it was offered last. */
static uint32_t
rcv_wnd(const struct tcp_conn *c)
{
	return seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
}

uint32_t
tcp_window_to_offer(struct tcp_conn *c)
{
	uint32_t unit = 1u << c->rcv_wscale_shift;
	uint32_t now = rcv_wnd(c), wnd = window_borne(c);

	if (c->window_shut && wnd == 0)
		return 0;
	c->window_shut = false;
	if (c->dupacks_due > 0)
		wnd = 0; /* an ACK that moves the edge would be no duplicate */
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
	uint32_t now = c->window_shut ? 0 : rcv_wnd(c), wnd = window_borne(c);

	if (now < c->rcv_mss && is_under_pressure(c->engine) && c->ack_at_us == UINT64_MAX) {
		/* Others hold the buffers; nobody but us would ever tell the peer. */
		c->flags |= CONN_ACK_DELAYED;
		c->ack_at_us = c->engine->now_us + PRESSURE_RETRY_US;
		tcp_timers_arm(c);
		return;
	}

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
	TAILQ_REMOVE(&c->news, r, by_news);
	slab_put(&c->engine->ranges, r);
}

/* RFC 2018 §4: the block that holds the latest arrival is reported first. */
static void
range_is_news(struct tcp_conn *c, struct tcp_range *r)
{
	TAILQ_REMOVE(&c->news, r, by_news);
	TAILQ_INSERT_HEAD(&c->news, r, by_news);
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

/*
 * Payloads up to this are copied to save a buffer: small ones always; any, once the queues use more
 * memory than the window was reckoned with. So what was offered can always be taken.
 */
static uint32_t
worth_copying(const struct tcp_conn *c)
{
	bool tight = c->recvq.charge + c->ranges_charge > c->rcvbuf_bytes / 2;

	return tight ? UINT32_MAX : COALESCE_MAX_BYTES;
}

/* Appends to a queue, by copying where that saves a buffer; keeps the engine's count. */
static void
queue_append(struct tcp_conn *c, struct mbufq *q, struct mbufq *in)
{
	uint32_t before = q->bufs;

	if (in->bytes == 0)
		return;
	if (mbufq_coalesce(q, in->head, in->bytes, worth_copying(c))) {
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
cut_by_followers(struct tcp_conn *c, struct tcp_range **link, seq_t seq, struct mbufq *in)
{
	struct tcp_range *r;

	while ((r = *link) != NULL && seq_lt(r->seq, seq + in->bytes)) {
		if (seq_gt(tcp_range_end(r), seq + in->bytes)) {
			tcp_dsack_note(c, r->seq, seq + in->bytes);
			mbufq_trim_back(in, seq + in->bytes - r->seq);
			return;
		}
		tcp_dsack_note(c, r->seq, tcp_range_end(r));
		*link = r->next;
		range_free(c, r);
	}
}

/* Joins a range with the next one if that follows without gap. */
static void
join_next(struct tcp_conn *c, struct tcp_range *r)
{
	struct tcp_range *next = r->next;

	if (next == NULL || next->seq != tcp_range_end(r))
		return;
	mbufq_splice(&r->q, &next->q);
	r->next = next->next;
	TAILQ_REMOVE(&c->news, next, by_news);
	slab_put(&c->engine->ranges, next);
}

/* Puts bytes that begin behind rcv_nxt aside. Takes all of `in`. */
static void
range_insert(struct tcp_conn *c, seq_t seq, struct mbufq *in)
{
	struct tcp_range **link = &c->ranges, *prev = NULL, *r;
	uint32_t charge;

	while (*link != NULL && seq_leq((*link)->seq, seq)) {
		prev = *link;
		link = &prev->next;
	}
	if (prev != NULL && seq_gt(tcp_range_end(prev), seq)) {
		uint32_t have = RTE_MIN(tcp_range_end(prev) - seq, in->bytes);

		tcp_dsack_note(c, seq, seq + have);
		range_is_news(c, prev);
		mbufq_trim_front(in, have);
		seq += have;
	}
	cut_by_followers(c, link, seq, in);
	if (in->bytes == 0) {
		TCP_COUNT(c->engine, drop_duplicate);
		return;
	}
	TCP_COUNT(c->engine, ooo_segs);
	if (prev != NULL && tcp_range_end(prev) == seq) {
		charge = prev->q.charge;
		queue_append(c, &prev->q, in);
		c->ranges_charge += prev->q.charge - charge;
		range_is_news(c, prev);
		join_next(c, prev);
		return;
	}
	r = slab_get(&c->engine->ranges);
	if (r == NULL) {
		TCP_COUNT(c->engine, drop_no_memory);
		mbufq_clear(in);
		return;
	}
	*r = (struct tcp_range){.next = *link, .seq = seq};
	*link = r;
	TAILQ_INSERT_HEAD(&c->news, r, by_news);
	queue_append(c, &r->q, in);
	c->ranges_charge += r->q.charge;
	join_next(c, r);
}

static void
append_in_order(struct tcp_conn *c, struct mbufq *in)
{
	c->rcv_nxt += in->bytes;
	c->bytes_received += in->bytes;
	TCP_ADD(c->engine, bytes_in, in->bytes);
	queue_append(c, &c->recvq, in);
}

/* Whether the stream ends at rcv_nxt. */
static bool
is_at_fin(const struct tcp_conn *c)
{
	return (c->flags & CONN_FIN_KNOWN) != 0 && c->rcv_nxt == c->fin_seq;
}

/* Moves ranges that rcv_nxt has reached into the receive queue; nothing from the FIN on. */
static void
pull_ranges(struct tcp_conn *c)
{
	struct tcp_range *r;

	while ((r = c->ranges) != NULL && seq_leq(r->seq, c->rcv_nxt) && !is_at_fin(c)) {
		uint32_t have = RTE_MIN(c->rcv_nxt - r->seq, r->q.bytes);

		c->ranges = r->next;
		TAILQ_REMOVE(&c->news, r, by_news);
		c->ranges_charge -= r->q.charge;
		tcp_rcv_adjust_held(c->engine, r->q.bufs, 0);
		if ((c->flags & CONN_FIN_KNOWN) && seq_gt(tcp_range_end(r), c->fin_seq))
			mbufq_trim_back(&r->q, tcp_range_end(r) - c->fin_seq);
		mbufq_trim_front(&r->q, have);
		append_in_order(c, &r->q);
		slab_put(&c->engine->ranges, r);
	}
}

/* The FIN, once everything before it is here. */
static void
take_fin(struct tcp_conn *c)
{
	if (!is_at_fin(c) || (c->flags & CONN_PEER_FIN))
		return;
	c->flags |= CONN_PEER_FIN;
	c->rcv_nxt++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
	tcp_ranges_free(c); /* nothing lies behind a FIN */
	tcp_ack_now(c);
}

/* Whether this connection, and the lane, may hold these buffers too. */
static bool
may_hold(struct tcp_conn *c, const struct mbufq *in, bool in_order)
{
	const struct tcp_engine *e = c->engine;

	/* A reader who waits for just this must get it. */
	if (in_order && c->recvq.bytes == 0 && e->held_bufs < 2 * e->config.max_held_bufs)
		return true;
	if (in_order && c->ranges != NULL &&
	    (e->held_bufs + in->bufs > e->config.max_held_bufs ||
	     c->recvq.charge + c->ranges_charge + in->charge > 2 * c->rcvbuf_bytes))
		tcp_ranges_free(c);
	if (e->held_bufs + in->bufs > e->config.max_held_bufs) {
		TCP_COUNT(c->engine, drop_held_limit);
		return false;
	}
	if (c->recvq.charge + c->ranges_charge + in->charge >
	    c->rcvbuf_bytes + (in_order ? c->rcvbuf_bytes : c->rcvbuf_bytes / 2)) {
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

/* Cuts what lies before rcv_nxt, behind the window, or behind the FIN. Returns the first byte's
 * number. */
static seq_t
cut_to_window(struct tcp_conn *c, seq_t seq, struct mbufq *in)
{
	seq_t edge = seq_max(c->rcv_adv, c->rcv_nxt);

	if (c->flags & CONN_FIN_KNOWN)
		edge = seq_min(edge, c->fin_seq);
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t have = RTE_MIN(c->rcv_nxt - seq, in->bytes);

		tcp_dsack_note(c, seq, seq + have);
		mbufq_trim_front(in, have);
		seq += have;
	}
	if (seq_gt(seq + in->bytes, edge))
		mbufq_trim_back(in, RTE_MIN(seq + in->bytes - edge, in->bytes));
	return seq;
}

/* Where the stream ends; the first FIN that fits the window says so. */
static void
note_fin(struct tcp_conn *c, const struct tcp_segment *seg)
{
	seq_t fin_seq = seg->seq + seg->len;

	if ((seg->flags & TCP_FIN) == 0 || (c->flags & CONN_FIN_KNOWN) ||
	    seq_lt(fin_seq, c->rcv_nxt) || seq_gt(fin_seq, seq_max(c->rcv_adv, c->rcv_nxt)))
		return;
	c->flags |= CONN_FIN_KNOWN;
	c->fin_seq = fin_seq;
}

/* No room: the window closes, so that the peer waits instead of giving up. */
static void
refuse(struct tcp_conn *c, struct mbufq *in, bool in_order)
{
	mbufq_clear(in);
	c->window_shut |= in_order;
	tcp_ack_now(c);
}

static void
out_of_order(struct tcp_conn *c, seq_t seq, struct mbufq *in)
{
	range_insert(c, seq, in);
	/* Without SACK the peer counts duplicates: RFC 5681 §4.2. */
	if ((c->flags & CONN_SACK) == 0 && c->dupacks_due < DUPACKS_DUE_MAX)
		c->dupacks_due++;
	tcp_ack_now(c);
}

void
tcp_receive_data(struct tcp_conn *c, struct tcp_segment *seg)
{
	struct mbufq in = {0};
	bool in_order;
	seq_t seq;

	if (seg->len > c->rcv_mss)
		c->rcv_mss = (uint16_t)RTE_MIN(seg->len, 65535u);
	mbufq_append(&in, seg->m);
	seg->m = NULL;
	assert(in.bytes == seg->len);
	if ((c->flags & CONN_PEER_FIN) == 0)
		note_fin(c, seg);
	seq = cut_to_window(c, seg->seq, &in);
	if (in.bytes == 0) {
		/* Nothing new but perhaps the FIN: say again where we are. */
		if (seg->len > 0 && seq_leq(seg->seq + seg->len, c->rcv_nxt))
			TCP_COUNT(c->engine, drop_duplicate);
		take_fin(c);
		tcp_ack_now(c);
		return;
	}
	in_order = seq == c->rcv_nxt;
	if (!may_hold(c, &in, in_order)) {
		refuse(c, &in, in_order);
		return;
	}
	if (!in_order) {
		out_of_order(c, seq, &in);
		return;
	}
	append_in_order(c, &in);
	if (c->ranges != NULL) {
		pull_ranges(c);
		tcp_ack_now(c);
	}
	take_fin(c);
	schedule_ack(c);
	tcp_mark_event(c);
}
