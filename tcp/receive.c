/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive queue, and reassembly of what arrives out of order.
 *
 * Memory is bounded four times: by the window (payload), by the receive buffer (buffers of this
 * connection), by RANGES_MAX (holes of this connection, and with them the time to find one's place
 * among them), and by max_held_bufs (buffers of all connections), so that a lane always has buffers
 * left in which acknowledgments can arrive. Where memory is tight, what lies out of order gives way
 * to what is in order, the highest first, and small segments are copied together.
 * RFC 9293 §3.10.7.4 seventh; whether a segment is acceptable decides input.c, as Linux does: one
 * that only begins in the window is taken whole by an empty queue, and not at all by another.
 */
#include <assert.h>

#include <rte_common.h>

#include "engine.h"

enum {
	COALESCE_MAX_BYTES = 512, /* payloads up to this are worth copying to save a buffer */
	DUPACKS_DUE_MAX = 4,      /* one more than it takes to be believed */
	QUICK_AFTER_TROUBLE = 16,
	RANGES_MAX = 512,
	GROW_MIN_BYTES = 128, /* as Linux: smaller segments say nothing of the buffers' use */
};

static void
range_forget(struct tcp_conn *c, struct tcp_range *r)
{
	TAILQ_REMOVE(&c->ranges, r, link);
	TAILQ_REMOVE(&c->news, r, by_news);
	c->n_ranges--;
}

static void
range_free(struct tcp_conn *c, struct tcp_range *r)
{
	tcp_rcv_adjust_held(c->engine, r->q.bufs, 0);
	c->ranges_charge -= r->q.charge;
	mbufq_clear(&r->q);
	range_forget(c, r);
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

	while ((r = TAILQ_FIRST(&c->ranges)) != NULL)
		range_free(c, r);
}

/* Gives up what lies furthest ahead, until `charge` bytes and `bufs` buffers are free again. */
static void
prune(struct tcp_conn *c, uint32_t charge, uint32_t bufs)
{
	uint32_t charge_goal = RTE_MAX(charge, c->rcvbuf_bytes / 8), freed = 0, freed_bufs = 0;
	struct tcp_range *r;

	/* More than is needed: not again with the very next segment. */
	while ((freed < charge_goal || freed_bufs < bufs) &&
	       (r = TAILQ_LAST(&c->ranges, tcp_range_list)) != NULL) {
		freed += r->q.charge;
		freed_bufs += r->q.bufs;
		TCP_COUNT(c->engine, ooo_pruned);
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

/* Takes what of the new bytes the ranges from r on have already, and swallows those that they
 * cover. */
static void
cut_by_followers(struct tcp_conn *c, struct tcp_range *r, seq_t seq, struct mbufq *in)
{
	struct tcp_range *next;

	for (; r != NULL && seq_lt(r->seq, seq + in->bytes); r = next) {
		next = TAILQ_NEXT(r, link);
		if (seq_gt(tcp_range_end(r), seq + in->bytes)) {
			tcp_dsack_note(c, r->seq, seq + in->bytes);
			mbufq_trim_back(in, seq + in->bytes - r->seq);
			return;
		}
		tcp_dsack_note(c, r->seq, tcp_range_end(r));
		range_free(c, r);
	}
}

/* Joins a range with the next one if that follows without gap. */
static void
join_next(struct tcp_conn *c, struct tcp_range *r)
{
	struct tcp_range *next = TAILQ_NEXT(r, link);

	if (next == NULL || next->seq != tcp_range_end(r))
		return;
	mbufq_splice(&r->q, &next->q);
	range_forget(c, next);
	slab_put(&c->engine->ranges, next);
}

/* The last range that begins at seq or before. What arrives usually lies behind all others. */
static struct tcp_range *
range_before(const struct tcp_conn *c, seq_t seq)
{
	struct tcp_range *r = TAILQ_LAST(&c->ranges, tcp_range_list);

	while (r != NULL && seq_gt(r->seq, seq))
		r = TAILQ_PREV(r, tcp_range_list, link);
	return r;
}

/* A new range behind prev (NULL: in front). NULL if there may be no more. */
static struct tcp_range *
range_make(struct tcp_conn *c, struct tcp_range *prev, seq_t seq)
{
	struct tcp_range *r, *last = TAILQ_LAST(&c->ranges, tcp_range_list);

	if (c->n_ranges == RANGES_MAX) {
		TCP_COUNT(c->engine, ooo_pruned);
		if (prev == last)
			return NULL;
		range_free(c, last);
	}
	r = slab_get(&c->engine->ranges);
	if (r == NULL) {
		TCP_COUNT(c->engine, drop_no_memory);
		return NULL;
	}
	*r = (struct tcp_range){.seq = seq};
	if (prev != NULL)
		TAILQ_INSERT_AFTER(&c->ranges, prev, r, link);
	else
		TAILQ_INSERT_HEAD(&c->ranges, r, link);
	TAILQ_INSERT_HEAD(&c->news, r, by_news);
	c->n_ranges++;
	return r;
}

static void
range_append(struct tcp_conn *c, struct tcp_range *r, struct mbufq *in)
{
	uint32_t charge = r->q.charge;

	queue_append(c, &r->q, in);
	c->ranges_charge += r->q.charge - charge;
	range_is_news(c, r);
	join_next(c, r);
}

/* Puts bytes that begin behind rcv_nxt aside. Takes all of `in`. */
static void
range_insert(struct tcp_conn *c, seq_t seq, struct mbufq *in)
{
	struct tcp_range *prev = range_before(c, seq), *r = prev;

	if (prev != NULL && seq_gt(tcp_range_end(prev), seq)) {
		uint32_t have = RTE_MIN(tcp_range_end(prev) - seq, in->bytes);

		tcp_dsack_note(c, seq, seq + have);
		range_is_news(c, prev);
		mbufq_trim_front(in, have);
		seq += have;
	}
	cut_by_followers(c, prev != NULL ? TAILQ_NEXT(prev, link) : TAILQ_FIRST(&c->ranges), seq,
			 in);
	if (in->bytes == 0) {
		TCP_COUNT(c->engine, drop_duplicate);
		return;
	}
	TCP_COUNT(c->engine, ooo_segs);
	if (prev == NULL || tcp_range_end(prev) != seq)
		r = range_make(c, prev, seq);
	if (r != NULL)
		range_append(c, r, in);
	else
		mbufq_clear(in);
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

	while ((r = TAILQ_FIRST(&c->ranges)) != NULL && seq_leq(r->seq, c->rcv_nxt) &&
	       !is_at_fin(c)) {
		uint32_t have = RTE_MIN(c->rcv_nxt - r->seq, r->q.bytes);

		if (have > 0)
			tcp_dsack_note(c, r->seq, r->seq + have);
		range_forget(c, r);
		c->ranges_charge -= r->q.charge;
		tcp_rcv_adjust_held(c->engine, r->q.bufs, 0);
		if ((c->flags & CONN_FIN_KNOWN) && seq_gt(tcp_range_end(r), c->fin_seq))
			mbufq_trim_back(&r->q, tcp_range_end(r) - c->fin_seq);
		mbufq_trim_front(&r->q, RTE_MIN(have, r->q.bytes));
		append_in_order(c, &r->q);
		slab_put(&c->engine->ranges, r);
	}
}

/* The FIN, once everything before it is here. Returns whether that is so, for the first time. */
static bool
take_fin(struct tcp_conn *c)
{
	if (!is_at_fin(c) || (c->flags & CONN_PEER_FIN))
		return false;
	c->flags |= CONN_PEER_FIN;
	c->rcv_nxt++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
	tcp_ranges_free(c); /* nothing lies behind a FIN, and nothing but it is to be told */
	c->flags &= ~CONN_DSACK_DUE;
	if (c->state == TCP_ESTABLISHED)
		tcp_delack_fin(c);
	else
		tcp_ack_now(c);
	return true;
}

/* Whether the lane's buffers and this connection's memory have room for `in` beside what they
 * hold. */
static bool
fits_lane(const struct tcp_engine *e, const struct mbufq *in)
{
	return e->held_bufs + in->bufs <= e->config.max_held_bufs;
}

/* Linux looks at the payload only, for what was offered must be taken; we at the memory, and give
 * what is in order twice the buffer, and the rest half as much again. */
static bool
fits_buffer(const struct tcp_conn *c, const struct mbufq *in, bool in_order)
{
	return c->recvq.charge + c->ranges_charge + in->charge <=
	       c->rcvbuf_bytes + (in_order ? c->rcvbuf_bytes : c->rcvbuf_bytes / 2);
}

/* Whether this connection, and the lane, may hold these buffers too. */
static bool
may_hold(struct tcp_conn *c, const struct mbufq *in, bool in_order)
{
	const struct tcp_engine *e = c->engine;

	/* A reader who waits for just this must get it. */
	if (in_order && c->recvq.bytes == 0 && e->held_bufs < 2 * e->config.max_held_bufs)
		return true;
	if (in_order && (!fits_lane(e, in) || !fits_buffer(c, in, true)))
		prune(c, in->charge, in->bufs);
	if (!fits_lane(e, in)) {
		TCP_COUNT(c->engine, drop_held_limit);
		return false;
	}
	if (!fits_buffer(c, in, in_order)) {
		TCP_COUNT(c->engine, drop_rcvbuf);
		return false;
	}
	return true;
}

/* Cuts what lies before rcv_nxt or behind the FIN. Returns the first byte's number. */
static seq_t
cut_to_stream(struct tcp_conn *c, seq_t seq, struct mbufq *in)
{
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t have = RTE_MIN(c->rcv_nxt - seq, in->bytes);

		tcp_dsack_note(c, seq, seq + have);
		mbufq_trim_front(in, have);
		seq += have;
	}
	if ((c->flags & CONN_FIN_KNOWN) && seq_gt(seq + in->bytes, c->fin_seq))
		mbufq_trim_back(in, RTE_MIN(seq + in->bytes - c->fin_seq, in->bytes));
	return seq;
}

/* Where the stream ends; the first FIN says so. */
static void
note_fin(struct tcp_conn *c, const struct tcp_segment *seg)
{
	seq_t fin_seq = seg->seq + seg->len;

	if ((seg->flags & TCP_FIN) == 0 || (c->flags & CONN_FIN_KNOWN) ||
	    seq_lt(fin_seq, c->rcv_nxt))
		return;
	c->flags |= CONN_FIN_KNOWN;
	c->fin_seq = fin_seq;
}

/* Whether payload meets a window that is shut, or begins at its right edge or behind it. */
static bool
is_out_of_window(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return seg->len > 0 && (seq_leq(c->rcv_adv, c->rcv_nxt) || seq_geq(seg->seq, c->rcv_adv));
}

/* Say again at once where we are, and of what follows soon: the peer may not know. */
static void
repeat_ack(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (seg->len > 0)
		tcp_delack_quick(c, QUICK_AFTER_TROUBLE);
	tcp_delack_owe(c);
	tcp_ack_now(c);
}

static void
out_of_window(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (seq_leq(seg->seq + seg->len, c->rcv_nxt)) {
		tcp_dsack_note(c, seg->seq, seg->seq + seg->len);
		TCP_COUNT(c->engine, drop_duplicate);
	} else {
		TCP_COUNT(c->engine, drop_window_shut);
	}
	repeat_ack(c, seg);
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
out_of_order(struct tcp_conn *c, const struct tcp_segment *seg, seq_t seq, struct mbufq *in)
{
	uint32_t charge = in->charge, bytes = in->bytes;

	tcp_delack_measure_mss(c, seg, charge);
	c->rcv_ooopack += seg->seg_bytes < seg->len ? seg->len / seg->seg_bytes : 1;
	range_insert(c, seq, in);
	if (c->flags & CONN_SACK)
		tcp_rcv_grow(c, bytes, charge);
	/* Without SACK the peer counts duplicates, and a window that moves makes none: RFC 5681
	 * §4.2. */
	else if (c->dupacks_due < DUPACKS_DUE_MAX)
		c->dupacks_due++;
	tcp_autotune_out_of_order(c);
	tcp_delack_owe(c);
	tcp_ack_now(c);
}

/* What was appended in order, `bytes` in `charge` bytes of memory, is news. */
static void
arrived_in_order(struct tcp_conn *c, const struct tcp_segment *seg, uint32_t bytes, uint32_t charge)
{
	tcp_delack_data_arrived(c, seg, charge);
	if (bytes >= GROW_MIN_BYTES)
		tcp_rcv_grow(c, bytes, charge);
	if (!TAILQ_EMPTY(&c->ranges)) {
		pull_ranges(c);
		tcp_ack_now(c); /* RFC 5681 §4.2 */
	}
	take_fin(c);
	tcp_delack_check(c);
	if (tcp_rcv_is_ready(c))
		tcp_mark_event(c);
}

static void
in_order(struct tcp_conn *c, const struct tcp_segment *seg, struct mbufq *in)
{
	uint32_t charge = in->charge, bytes = in->bytes;

	/* Taken only because its reader waits for it: the window says so at once. */
	if (c->recvq.charge + c->ranges_charge + bytes > c->rcvbuf_bytes)
		tcp_ack_now(c);
	append_in_order(c, in);
	arrived_in_order(c, seg, bytes, charge);
}

/* One mbuf, all of it new, for a reader who has read everything: as it comes mostly. */
static bool
is_lone(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	const struct tcp_engine *e = c->engine;
	const struct rte_mbuf *m = seg->m;

	return seg->seq == c->rcv_nxt && c->recvq.head == NULL && m->nb_segs == 1 && seg->len > 0 &&
	       m->data_len == seg->len && seq_leq(seg->seq + seg->len, c->rcv_adv) &&
	       TAILQ_EMPTY(&c->ranges) && c->ranges_charge + seg->len <= c->rcvbuf_bytes &&
	       (seg->flags & (TCP_FIN | TCP_CWR)) == 0 && (c->flags & CONN_FIN_KNOWN) == 0 &&
	       e->held_bufs < 2 * e->config.max_held_bufs && e->config.fast_paths;
}

/* It becomes the queue: what in_order() comes to for it. */
static void
take_lone(struct tcp_conn *c, struct tcp_segment *seg)
{
	tcp_ecn_data_arrives(c, seg);
	c->rcv_nxt += seg->len;
	c->bytes_received += seg->len;
	TCP_ADD(c->engine, bytes_in, seg->len);
	mbufq_push(&c->recvq, seg->m);
	seg->m = NULL;
	tcp_rcv_adjust_held(c->engine, 0, 1);
	arrived_in_order(c, seg, seg->len, c->recvq.charge);
}

void
tcp_receive_data(struct tcp_conn *c, struct tcp_segment *seg)
{
	struct mbufq in = {0};
	seq_t seq;

	tcp_autotune_measure_echo(c, seg);
	if (is_lone(c, seg)) {
		take_lone(c, seg);
		return;
	}
	if ((seg->flags & TCP_CWR) && seg->len > 0)
		tcp_ecn_cwr_arrives(c);
	if (is_out_of_window(c, seg)) {
		out_of_window(c, seg);
		return;
	}
	mbufq_append(&in, seg->m);
	seg->m = NULL;
	assert(in.bytes == seg->len);
	if ((c->flags & CONN_PEER_FIN) == 0)
		note_fin(c, seg);
	seq = cut_to_stream(c, seg->seq, &in);
	if (in.bytes == 0) {
		/* Nothing new but perhaps the FIN: say again where we are. */
		if (seg->len > 0 && seq_leq(seg->seq + seg->len, c->rcv_nxt))
			TCP_COUNT(c->engine, drop_duplicate);
		if (take_fin(c))
			tcp_delack_check(c);
		else
			repeat_ack(c, seg);
	} else if (!may_hold(c, &in, seq == c->rcv_nxt)) {
		refuse(c, &in, seq == c->rcv_nxt);
	} else {
		tcp_ecn_data_arrives(c, seg);
		if (seq == c->rcv_nxt)
			in_order(c, seg, &in);
		else
			out_of_order(c, seg, seq, &in);
	}
}

void
tcp_receive_syn_data(struct tcp_conn *c, struct tcp_segment *seg)
{
	struct mbufq in = {0};

	mbufq_append(&in, seg->m);
	seg->m = NULL;
	append_in_order(c, &in);
}
