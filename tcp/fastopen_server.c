/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, the server: RFC 7413 §4.2.
 *
 *     SYN that asks for a cookie -> an ordinary request, whose SYN-ACK brings the cookie
 *     SYN with a wrong cookie    -> likewise; its payload is dropped
 *     SYN with the right cookie  -> a connection in SYN-RECEIVED, the child: SYN-ACK for all of it,
 * and into the accept queue at once, its payload there to be read
 *
 * A child keeps its request (c->opening, CONN_OPENING) until the final ACK, for the SYN-ACK may
 * have to be sent again, and nothing else may until then: RFC 7413 §4.2.2. It may send new data, as
 * far as the initial window and the SYN's, which is not scaled, allow; shut down, it keeps its FIN
 * back.
 *
 * What can be forged costs nothing: a wrong cookie leaves no more behind than any SYN does. Who has
 * a right one, but no right to his address, is held down by qlen_max, the number of children whose
 * handshake is not finished: the host whose address it is answers our SYN-ACK with a reset, and a
 * child that was accepted counts on for a minute then (RFC 7413 §5.1). The requests that
 * count are on the listener's queue. All listeners' together are at most half of the table of
 * requests: without Fast Open a server goes on, without requests it does not.
 *
 * As Linux but for that half. Not here: cookies (fastopen_cookie.c), the accept queue (accept.c).
 */
#include "fastopen_server.h"

#include <errno.h>

#include <rte_common.h>

#include "engine.h"
#include "fastopen_cookie.h"

#define GUARD_US (60 * UINT64_C(1000000))

static const struct tcp_fastopen_keys *
keys_of(const struct tcp_engine *e, const struct tcp_bound *l)
{
	const struct tcp_fastopen_keys *own = &l->c->fastopen_server.keys;

	return own->n != 0                      ? own
	       : e->config.fastopen_keys.n != 0 ? &e->config.fastopen_keys
						: &e->fastopen_drawn_key;
}

/* ---- Who counts towards qlen_max */

static void
guard_add(struct tcp_engine *e, struct tcp_bound *l, struct tcp_request *r)
{
	struct tcp_fastopen_queue *q = &l->fastopen;

	*r = (struct tcp_request){
		.listener = l, .use = REQUEST_GUARD, .guard_until_us = e->now_us + GUARD_US};
	if (q->last != NULL)
		q->last->next_guard = r;
	else
		q->first = r;
	q->last = r;
	q->guards++;
}

static void
guard_end(struct tcp_engine *e, struct tcp_bound *l)
{
	struct tcp_fastopen_queue *q = &l->fastopen;
	struct tcp_request *r = q->first;

	q->first = r->next_guard;
	if (q->first == NULL)
		q->last = NULL;
	q->guards--;
	tcp_request_free(e, r);
}

/* Whether one more child may be opening; as on Linux at most one minute's end is looked for. */
static bool
has_room(struct tcp_engine *e, struct tcp_bound *l)
{
	struct tcp_fastopen_queue *q = &l->fastopen;
	uint32_t max = l->c->fastopen_server.qlen_max;

	if (max == 0)
		return false;
	if (q->opening + q->guards >= max) {
		if (q->first == NULL || e->now_us < q->first->guard_until_us) {
			TCP_COUNT(e, fastopen_listen_overflow);
			return false;
		}
		guard_end(e, l);
	}
	return true;
}

/* ---- SYNs */

/* Queues a SYN's payload, which its SYN-ACK acknowledges. */
static void
take_payload(struct tcp_conn *c, struct tcp_segment *seg, struct tcp_request *r)
{
	if (seg->len > 0)
		tcp_receive_syn_data(c, seg);
	r->syn_bytes = seg->len;
	c->fastopen_server.data_taken = seg->len > 0;
	c->rcv_wup = c->rcv_nxt;
	c->rcv_adv = c->rcv_nxt + r->rcv_wnd;
}

static void
synack_timer_restart(struct tcp_conn *c)
{
	c->rtx_kind = RTX_TIMEOUT;
	c->rtx_at_us = c->engine->now_us + tcp_request_timeout_us(c->opening);
	tcp_timers_arm(c);
}

static bool
fits_memory(const struct tcp_engine *e, const struct tcp_segment *seg)
{
	return e->fastopen_requests < RTE_MAX(e->requests.capacity / 2, 1u) &&
	       (seg->len == 0 || e->held_bufs + seg->m->nb_segs <= e->config.max_held_bufs);
}

/* The SYN-ACK leaves before anything that the child has to say, with a new cookie, if one is given.
 * NULL without memory. */
static struct tcp_conn *
child_make(struct tcp_engine *e, struct tcp_request *r, struct tcp_segment *seg,
	   const struct tcp_fastopen_cookie *cookie)
{
	struct tcp_conn *c = fits_memory(e, seg) ? tcp_request_connection(e, r) : NULL;

	if (c == NULL)
		return NULL;
	c->state = TCP_SYN_RECEIVED;
	c->flags |= CONN_OPENING;
	c->opening = r;
	c->fastopen_server.is_child = true;
	r->use = REQUEST_CHILD;
	r->child = c;
	r->listener->requests--;
	r->listener->fastopen.opening++;
	e->fastopen_requests++;
	tcp_update_snd_wnd(c, seg, seg->wnd);
	tcp_rtt_handshake_over(c);
	tcp_count_arrival(c, seg);
	take_payload(c, seg, r);
	tcp_request_synack(e, r, cookie);
	synack_timer_restart(c);
	return c;
}

/* The cookie that a SYN with this option deserves. */
static void
cookie_make(const struct tcp_fastopen_keys *keys, const struct tcp_segment *seg,
	    struct tcp_fastopen_cookie *cookie)
{
	cookie->len = TCP_FASTOPEN_COOKIE_BYTES;
	cookie->experimental = seg->opt.fastopen.experimental;
	tcp_fastopen_cookie_make(keys, 0, &seg->tuple.remote, &seg->tuple.local, cookie->bytes);
}

bool
tcp_fastopen_syn_arrives(struct tcp_engine *e, struct tcp_request *r, struct tcp_segment *seg,
			 struct tcp_fastopen_cookie *cookie)
{
	struct tcp_bound *l = r->listener;
	const struct tcp_fastopen_keys *keys = keys_of(e, l);
	bool bare =
		(e->config.fastopen & TCP_FASTOPEN_SERVER_BARE) != 0 || l->c->fastopen.no_cookie;
	struct tcp_conn *c;
	int key = 0;

	cookie->len = 0;
	if (seg->opt.has_fastopen && seg->opt.fastopen.len == 0)
		TCP_COUNT(e, fastopen_cookie_reqd);
	if ((e->config.fastopen & TCP_FASTOPEN_SERVER) == 0 || !has_room(e, l))
		return false;
	if (!bare) {
		if (!seg->opt.has_fastopen)
			return false;
		cookie_make(keys, seg, cookie);
		if (seg->opt.fastopen.len == 0)
			return false;
		key = tcp_fastopen_cookie_check(keys, &seg->tuple.remote, &seg->tuple.local,
						&seg->opt.fastopen);
	}
	c = key >= 0 ? child_make(e, r, seg, key > 0 ? cookie : NULL) : NULL;
	if (c == NULL) {
		TCP_COUNT(e, fastopen_passive_fail);
		return false;
	}
	TCP_COUNT(e, fastopen_passive);
	if (key > 0)
		TCP_COUNT(e, fastopen_passive_alt_key);
	tcp_accept_queue_add(l, c);
	return true;
}

/* ---- What a child hears before its final ACK */

/* A reset. One that was accepted counts on: its user was made to work for a forged SYN. */
static void
reset_arrives(struct tcp_conn *c)
{
	TCP_COUNT(c->engine, rsts_in);
	tcp_fastopen_child_over(c, (c->flags & CONN_ACCEPTING) == 0);
	tcp_conn_end(c, ECONNRESET);
}

bool
tcp_fastopen_child_arrives(struct tcp_conn *c, struct tcp_segment *seg)
{
	struct tcp_engine *e = c->engine;

	switch (tcp_request_check(e, c->opening, seg)) {
	case REQUEST_RESET:
		reset_arrives(c);
		return false;
	case REQUEST_ACKED:
		break;
	default:
		return false;
	}
	if (c->state != TCP_SYN_RECEIVED ||
	    (seq_geq(seg->ack, c->snd_una) && seq_leq(seg->ack, c->snd_nxt)))
		return true;
	TCP_COUNT(e, drop_ack_invalid);
	tcp_reset_segment(e, seg);
	return false;
}

void
tcp_fastopen_child_acked(struct tcp_conn *c, const struct tcp_segment *seg)
{
	struct tcp_engine *e = c->engine;
	struct tcp_request *r = c->opening;

	if (seg->ack != c->snd_una)
		return;      /* too old: its user has closed, so it was no reason for a reset */
	c->delivered_segs++; /* our SYN-ACK, of which there is no record */
	if (c->srtt_us == 0)
		tcp_rtt_handshake(c, r->sent_us != 0 ? (int64_t)(e->now_us - r->sent_us)
						     : tcp_timestamp_rtt(c, seg));
	tcp_recovery_handshake_over(c, seg);
	if (c->state == TCP_SYN_RECEIVED)
		c->state = c->flags & CONN_FIN_DUE ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	tcp_update_snd_wnd(c, seg, (uint32_t)seg->wnd << c->snd_wscale_shift);
	c->retries = c->backoffs = 0;
	c->last_data_sent_ms = e->now_ms;
	tcp_fastopen_child_over(c, false);
	if (c->rtx_kind != RTX_REORDER || c->rtx_at_us <= e->now_us)
		tcp_rtx_restart(c);
	tcp_mark_event(c);
	tcp_mark_dirty(c);
}

void
tcp_fastopen_synack_timeout(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;
	struct tcp_request *r = c->opening;
	/* As Linux: one more than an ordinary one, for its user may have seen it already. */
	unsigned int allowed = c->syn_retries != 0 ? c->syn_retries : e->config.synack_retries + 1u;

	if (r->retries >= allowed) {
		TCP_COUNT(e, timeouts);
		tcp_conn_end(c, c->soft_error != 0 ? c->soft_error : ETIMEDOUT);
		return;
	}
	/* RFC 5681 §3.1; as Linux, which forgives the first. */
	if (c->retries == 1)
		tcp_recovery_timeout(c);
	tcp_request_synack_again(e, r);
	tcp_undo_note_retransmit(c);
	c->retransmits++;
	c->retries++;
	r->retries++;
	synack_timer_restart(c);
	/* A user who found no mbuf for his first byte hears of it by this timer only. */
	if ((c->flags & CONN_WANT_ROOM) && c->sendq.bytes == 0) {
		c->flags &= ~CONN_WANT_ROOM;
		tcp_mark_event(c);
	}
}

void
tcp_fastopen_child_over(struct tcp_conn *c, bool reset)
{
	struct tcp_engine *e = c->engine;
	struct tcp_request *r = c->opening;
	struct tcp_bound *l = r->listener;

	c->flags &= ~CONN_OPENING;
	c->opening = NULL;
	if (l != NULL)
		l->fastopen.opening--;
	if (l != NULL && reset)
		guard_add(e, l, r);
	else
		tcp_request_free(e, r);
}

/* ---- The listener's life */

void
tcp_fastopen_listen(struct tcp_conn *c)
{
	const uint32_t both = TCP_FASTOPEN_SERVER | TCP_FASTOPEN_EVERY_LISTENER;
	struct tcp_fastopen_server *s = &c->fastopen_server;

	if ((c->engine->config.fastopen & both) == both && s->qlen_max == 0)
		s->qlen_max = RTE_MIN((uint32_t)c->bound->backlog, (uint32_t)TCP_SOMAXCONN);
}

/* Children that were accepted go on without it. */
void
tcp_fastopen_listener_close(struct tcp_engine *e, struct tcp_bound *l)
{
	struct tcp_fastopen_queue *q = &l->fastopen;

	while (q->first != NULL)
		guard_end(e, l);
	for (uint32_t i = 0; i < e->requests.carved && q->opening > 0; i++) {
		struct tcp_request *r = slab_at(&e->requests, i);

		if (r->listener == l && r->use == REQUEST_CHILD) {
			r->listener = NULL;
			q->opening--;
		}
	}
}
