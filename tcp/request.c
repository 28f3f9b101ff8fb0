/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passive opens: a SYN becomes a request, the final ACK makes a connection of it.
 *
 *     SYN -> request in the flow table, SYN-ACK sent, retransmitted after 1, 2, 4, ... s
 *     ACK -> connection in its place and in the listener's accept queue; or, while that is full,
 *            nothing: the request goes on asking, as on Linux
 *
 * RFC 9293 §3.10.7.2 (LISTEN) and §3.10.7.4 (SYN-RECEIVED).
 */
#include <errno.h>

#include <rte_common.h>

#include "engine.h"

static void
take_path(const struct tcp_engine *e, struct tcp_request *r, const struct tcp_path *path)
{
	r->hop = path->hop;
	r->mtu = path->mtu;
	r->path_flags = path->flags;
	r->tso = path->tso;
	r->paths_generation = e->paths_generation;
}

/* By the path of now. */
static bool
transmit(struct tcp_engine *e, struct tcp_request *r, struct tcp_reply *reply)
{
	struct tcp_path path;

	if (r->paths_generation != e->paths_generation) {
		if (e->env.path(e->env.ctx, &r->tuple.remote, &r->tuple.local, &path) < 0) {
			TCP_COUNT(e, tx_no_path);
			return false;
		}
		take_path(e, r, &path);
	}
	reply->hop = r->hop;
	reply->path_flags = r->path_flags;
	return tcp_transmit_reply(e, reply);
}

/* Whose options count. */
static const struct tcp_conn *
socket_of(const struct tcp_request *r)
{
	return r->use == REQUEST_CHILD ? r->child : r->listener->c;
}

/* RCV.NXT: behind the SYN and what was taken of its payload. */
static seq_t
rcv_nxt_of(const struct tcp_request *r)
{
	return r->irs + 1 + r->syn_bytes;
}

/* Sends a SYN-ACK with this timestamp, and a Fast Open cookie or NULL. */
static bool
send_synack_at(struct tcp_engine *e, struct tcp_request *r, uint32_t ts_val,
	       const struct tcp_fastopen_cookie *cookie)
{
	struct tcp_options opt = {
		.has_mss = true,
		.mss = tcp_announced_mss(r->mtu, ip_is4(&r->tuple.remote), socket_of(r)->user_mss),
		.has_timestamps = r->timestamps,
		.sack_permitted = r->sack,
		.ts_val = ts_val,
		.ts_ecr = r->ts_recent,
		.has_wscale = r->wscale,
		.wscale_shift = r->rcv_wscale_shift,
		.has_fastopen = cookie != NULL,
	};
	uint8_t bytes[TCP_MAX_OPTION_BYTES];
	struct tcp_reply reply = {
		.tuple = &r->tuple,
		.seq = r->iss,
		.ack = rcv_nxt_of(r),
		.wnd = (uint16_t)RTE_MIN(r->rcv_wnd, 0xffffu),
		.flags = (uint8_t)(TCP_SYN | TCP_ACK | (r->ecn ? TCP_ECE : 0)),
		.options = bytes,
	};

	if (cookie != NULL)
		opt.fastopen = *cookie;
	reply.options_len = tcp_options_encode_syn(&opt, bytes);
	reply.options_len = tcp_smc_put_request(r, bytes, reply.options_len);
	return transmit(e, r, &reply);
}

bool
tcp_request_synack(struct tcp_engine *e, struct tcp_request *r,
		   const struct tcp_fastopen_cookie *cookie)
{
	return send_synack_at(e, r, tcp_now_ts(e, r->ts_offset), cookie);
}

/* RFC 9293 §3.10.7.4, RFC 5961 §3.2: where we are, for a segment that does not fit. */
static void
send_ack(struct tcp_engine *e, struct tcp_request *r)
{
	struct tcp_reply reply = {
		.tuple = &r->tuple,
		.seq = r->iss + 1,
		.ack = r->irs + 1,
		.wnd = (uint16_t)(RTE_MIN(r->rcv_wnd, 0xffffu) >> r->rcv_wscale_shift),
		.flags = TCP_ACK,
	};
	uint8_t bytes[TCP_TIMESTAMPS_ALIGNED_BYTES];

	if (r->use == REQUEST_CHILD) {
		tcp_ack_now(r->child);
		return;
	}
	if (r->timestamps) {
		tcp_options_encode_timestamps(tcp_now_ts(e, r->ts_offset), r->ts_recent, bytes);
		reply.options = bytes;
		reply.options_len = sizeof(bytes);
	}
	TCP_COUNT(e, acks_out);
	transmit(e, r, &reply);
}

/* The same, unless it was just said; as Linux, a child is free with it where payload comes. */
static void
say_where(struct tcp_engine *e, struct tcp_request *r, const struct tcp_segment *seg)
{
	bool payload = r->use == REQUEST_CHILD && seg->len > 0;

	if (payload || tcp_may_challenge(e, &r->oow_ack_ms))
		send_ack(e, r);
}

/* The window that we offer, and its scale. */
static void
take_window(struct tcp_request *r)
{
	const struct tcp_conn *l = r->listener->c;
	uint32_t mss = tcp_announced_mss(r->mtu, ip_is4(&r->tuple.remote), l->user_mss);
	struct tcp_rcv_offer offer;

	if (r->timestamps)
		mss -= TCP_TIMESTAMPS_ALIGNED_BYTES;
	tcp_rcv_first_offer(l, mss, r->wscale, &offer);
	r->rcv_wnd = offer.wnd;
	r->rcv_clamp = offer.clamp;
	r->rcv_wscale_shift = offer.wscale_shift;
}

static void
take_options(struct tcp_engine *e, struct tcp_request *r, const struct tcp_segment *seg)
{
	r->peer_mss = seg->opt.has_mss             ? seg->opt.mss
		      : ip_is4(&seg->tuple.remote) ? (uint16_t)TCP_MSS_DEFAULT4
						   : (uint16_t)TCP_MSS_DEFAULT6;
	r->timestamps = e->config.timestamps && seg->opt.has_timestamps;
	r->sack = e->config.sack && seg->opt.sack_permitted;
	r->ecn = tcp_ecn_grants(e, seg);
	tcp_smc_request(r, seg);
	r->ts_recent = seg->opt.ts_val;
	r->wscale = e->config.window_scaling && seg->opt.has_wscale;
	if (r->wscale)
		r->snd_wscale_shift = seg->opt.wscale_shift;
	take_window(r);
}

/* What a SYN says, in a request that nobody else knows yet. */
static void
take_syn(struct tcp_engine *e, struct tcp_request *r, struct tcp_bound *l,
	 const struct tcp_segment *seg, const struct tcp_path *path)
{
	const struct tcp_numbers numbers = tcp_new_numbers(e, &seg->tuple);

	r->listener = l;
	r->tuple = seg->tuple;
	r->hash = seg->hash;
	r->irs = seg->seq;
	r->snd_wnd = seg->wnd;
	r->sent_us = e->now_us;
	take_path(e, r, path);
	r->iss = numbers.iss;
	r->ts_offset = numbers.ts_offset;
	take_options(e, r, seg);
}

static struct tcp_request *
request_make(struct tcp_engine *e, struct tcp_bound *l, const struct tcp_segment *seg,
	     const struct tcp_path *path)
{
	struct tcp_request *r = tcp_request_new(e);

	if (r == NULL) {
		TCP_COUNT(e, drop_syn_queue_full);
		return NULL;
	}
	take_syn(e, r, l, seg, path);
	l->requests++;
	return r;
}

/* 1, 2, 4, ... s. */
uint64_t
tcp_request_timeout_us(const struct tcp_request *r)
{
	uint64_t wait_us = (uint64_t)TCP_RTO_INITIAL_US << RTE_MIN(r->retries, (uint8_t)7);

	return RTE_MIN(wait_us, (uint64_t)TCP_RTO_MAX_US);
}

static void
timer_restart(struct tcp_engine *e, struct tcp_request *r)
{
	if (r->use == REQUEST_CHILD)
		return; /* its connection has one */
	wheel_remove(&r->timer);
	wheel_add(&e->wheel, &r->timer, e->now_us + tcp_request_timeout_us(r));
}

void
tcp_request_synack_again(struct tcp_engine *e, struct tcp_request *r)
{
	TCP_COUNT(e, synack_retransmits);
	r->sent_us = 0; /* which SYN-ACK the ACK will be for nobody knows: Karn */
	tcp_request_synack(e, r, NULL);
}

/* As Linux: backlog + 1 may be half open. */
static bool
syn_queue_full(const struct tcp_engine *e, const struct tcp_bound *l)
{
	return l->requests > (uint32_t)l->backlog || e->requests.used == e->requests.capacity;
}

/* Answers a SYN without keeping anything of it. */
static void
send_cookie(struct tcp_engine *e, struct tcp_bound *l, const struct tcp_segment *seg,
	    const struct tcp_path *path)
{
	struct tcp_request r = {0};
	uint32_t ts_val;

	take_syn(e, &r, l, seg, path);
	ts_val = tcp_syncookie_make(e, &r);
	take_window(&r);
	TCP_COUNT(e, syncookies_sent);
	send_synack_at(e, &r, ts_val, NULL);
}

/* Waits for the final ACK. */
static void
request_begin(struct tcp_engine *e, struct tcp_request *r, const struct tcp_fastopen_cookie *cookie)
{
	if (flow_set(&e->flows, &r->tuple, r->hash, flow_make(r, FLOW_REQUEST)) < 0) {
		TCP_COUNT(e, drop_flow_table);
		tcp_request_free(e, r);
		return;
	}
	tcp_request_synack(e, r, cookie);
	timer_restart(e, r);
}

/* A SYN to a listener. One that ends a TIME-WAIT is known to be no flood's, as on Linux. */
static void
syn_arrives(struct tcp_engine *e, struct tcp_bound *l, struct tcp_segment *seg,
	    const seq_t *iss_floor)
{
	bool full = iss_floor == NULL && syn_queue_full(e, l);
	struct tcp_fastopen_cookie cookie = {0};
	struct tcp_request *r;
	struct tcp_path path;

	if (tcp_accept_queue_full(l)) {
		TCP_COUNT(e, drop_accept_queue_full);
		return;
	}
	if (full && e->config.syncookies == TCP_SYNCOOKIES_OFF) {
		TCP_COUNT(e, drop_syn_queue_full);
		return;
	}
	if (e->env.path(e->env.ctx, &seg->tuple.remote, &seg->tuple.local, &path) < 0) {
		TCP_COUNT(e, tx_no_path);
		return;
	}
	if (full || (iss_floor == NULL && e->config.syncookies == TCP_SYNCOOKIES_ALWAYS)) {
		send_cookie(e, l, seg, &path);
		return;
	}
	r = request_make(e, l, seg, &path);
	if (r == NULL)
		return;
	if (iss_floor != NULL && seq_lt(r->iss, *iss_floor))
		r->iss = *iss_floor;
	if ((seg->len > 0 || seg->opt.has_fastopen) && tcp_fastopen_syn_arrives(e, r, seg, &cookie))
		return;
	request_begin(e, r, cookie.len > 0 ? &cookie : NULL);
}

static void
request_end(struct tcp_engine *e, struct tcp_request *r)
{
	flow_remove(&e->flows, &r->tuple, r->hash);
	tcp_request_free(e, r);
}

void
tcp_request_timeout(struct tcp_engine *e, struct tcp_request *r)
{
	const struct tcp_conn *l = r->listener->c;
	uint8_t allowed = l->syn_retries != 0 ? l->syn_retries : e->config.synack_retries;

	if (r->retries >= allowed) {
		TCP_COUNT(e, attempts_failed);
		request_end(e, r);
		return;
	}
	/* A peer who is only to send data first needs no SYN-ACK, but for the last: it asks him for
	 * an ACK that will then do. */
	if (!r->acked || l->defer_accept == 0 || r->retries >= l->defer_accept - 1)
		tcp_request_synack_again(e, r);
	r->retries++;
	timer_restart(e, r);
}

/* As Linux: a half-open connection whose SYN-ACK does not arrive is not worth its memory. */
void
tcp_request_error(struct tcp_engine *e, struct tcp_request *r, const struct tcp_icmp *icmp)
{
	if (icmp->seq != r->iss) {
		TCP_COUNT(e, icmp_ignored);
		return;
	}
	TCP_COUNT(e, icmp_accepted);
	if (icmp->kind == TCP_ICMP_UNREACHABLE &&
	    (icmp->error == ENETUNREACH || icmp->error == EHOSTUNREACH || icmp->error == EPROTO)) {
		TCP_COUNT(e, attempts_failed);
		request_end(e, r);
	}
}

void
tcp_requests_drop(struct tcp_engine *e, struct tcp_bound *l)
{
	for (uint32_t i = 0; i < e->requests.carved && l->requests > 0; i++) {
		struct tcp_request *r = slab_at(&e->requests, i);

		if (r->listener == l && r->use == REQUEST_HALF_OPEN)
			request_end(e, r);
	}
}

/* In ESTABLISHED; takes the request's place in the flow table, if that is there. */
struct tcp_conn *
tcp_request_connection(struct tcp_engine *e, struct tcp_request *r)
{
	const struct tcp_conn *l = r->listener->c;
	struct tcp_conn *c = tcp_conn_new(e);

	if (c == NULL)
		return NULL;
	c->tuple = r->tuple;
	if (flow_set(&e->flows, &c->tuple, r->hash, flow_make(c, FLOW_CONN)) < 0) {
		tcp_conn_free(c);
		return NULL;
	}
	c->flags = CONN_IN_FLOWS | CONN_CONNECT_DONE | (r->sack ? CONN_SACK : 0) |
		   (r->timestamps ? CONN_TIMESTAMPS : 0) | (r->wscale ? CONN_WSCALE : 0);
	c->ecn = r->ecn ? ECN_ON : 0;
	tcp_smc_inherit(c, r);
	c->window_clamp = r->rcv_clamp;
	tcp_inherit(c, l);
	tcp_hold_take(c);
	c->hop = r->hop;
	c->link_mtu = r->mtu;
	c->mtu = tcp_pmtu_of(e, &r->tuple.remote, r->mtu);
	c->path_flags = r->path_flags;
	c->tso = r->tso;
	c->paths_generation = r->paths_generation;
	c->iss = r->iss;
	c->irs = r->irs;
	c->snd_una = c->snd_nxt = r->iss + 1;
	c->rcv_nxt = c->rcv_wup = r->irs + 1;
	c->rcv_adv = c->rcv_nxt + r->rcv_wnd;
	c->snd_wscale_shift = r->snd_wscale_shift;
	c->rcv_wscale_shift = r->rcv_wscale_shift;
	c->ts_recent = r->ts_recent;
	c->ts_recent_s = tcp_now_s(e);
	c->ts_offset = r->ts_offset;
	c->peer_mss = r->peer_mss;
	c->state = TCP_ESTABLISHED;
	tcp_conn_start(c);
	c->flags |= CONN_WAS_CONNECTED;
	return c;
}

/* The same for a finished handshake. */
static struct tcp_conn *
connection_make(struct tcp_engine *e, struct tcp_request *r, const struct tcp_segment *seg)
{
	struct tcp_conn *c = tcp_request_connection(e, r);

	if (c == NULL)
		return NULL;
	c->delivered_segs = 1; /* our SYN-ACK, of which there is no record */
	if (r->retries == 0 && r->sent_us != 0)
		tcp_rtt_handshake(c, (int64_t)(e->now_us - r->sent_us));
	else if (r->retries > 0)
		tcp_rtt_handshake(c, tcp_timestamp_rtt(c, seg));
	if (r->retries > 1)
		c->cwnd = 1; /* as Linux: RFC 5681 §3.1 */
	tcp_rtt_handshake_over(c);
	return c;
}

/* Makes the connection, if there is room for it. */
static struct tcp_conn *
promote(struct tcp_engine *e, struct tcp_request *r, const struct tcp_segment *seg)
{
	struct tcp_conn *c = NULL;

	if (tcp_accept_queue_full(r->listener)) {
		TCP_COUNT(e, drop_accept_queue_full);
		r->acked = true;
	} else {
		c = connection_make(e, r, seg);
		if (c == NULL)
			TCP_COUNT(e, drop_no_memory);
	}
	return c;
}

/* Queues a new connection for accept(), or for CLC, and lets its first segment arrive. */
static void
enter_accept_queue(struct tcp_bound *l, struct tcp_conn *c, struct tcp_segment *seg)
{
	if (!tcp_clc_begin_child(l, c))
		tcp_accept_queue_add(l, c);
	tcp_update_snd_wnd(c, seg, (uint32_t)seg->wnd << c->snd_wscale_shift);
	tcp_conn_arrives(c, seg);
}

static void
final_ack_arrives(struct tcp_engine *e, struct tcp_request *r, struct tcp_segment *seg)
{
	struct tcp_bound *l = r->listener;
	struct tcp_conn *c = promote(e, r, seg);

	if (c == NULL)
		return;
	tcp_request_free(e, r);
	enter_accept_queue(l, c, seg);
}

/* RFC 9293 §3.10.7.4's first step, with the window of the SYN-ACK. */
static bool
is_acceptable(const struct tcp_request *r, const struct tcp_segment *seg)
{
	seq_t rcv_nxt = rcv_nxt_of(r);

	if (r->timestamps && seg->opt.has_timestamps && (seg->flags & TCP_RST) == 0 &&
	    tcp_ts_is_old(seg->opt.ts_val, r->ts_recent))
		return false;
	return seq_geq(seg->seq + tcp_segment_seqlen(seg), rcv_nxt) &&
	       seq_leq(seg->seq, rcv_nxt + r->rcv_wnd);
}

enum tcp_request_news
tcp_request_check(struct tcp_engine *e, struct tcp_request *r, const struct tcp_segment *seg)
{
	bool child = r->use == REQUEST_CHILD;

	if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && seg->seq == r->irs) {
		/* The same SYN again: so is our answer, and its time runs anew. */
		if (tcp_may_answer(e, &r->oow_ack_ms)) {
			tcp_request_synack_again(e, r);
			timer_restart(e, r);
		}
		return REQUEST_NOTHING;
	}
	/* A child knows itself what it has sent. */
	if (!child && (seg->flags & (TCP_ACK | TCP_RST)) == TCP_ACK && seg->ack != r->iss + 1) {
		TCP_COUNT(e, drop_ack_invalid);
		tcp_reset_segment(e, seg);
		return REQUEST_NOTHING;
	}
	if (!is_acceptable(r, seg)) {
		TCP_COUNT(e, drop_sequence);
		if ((seg->flags & TCP_RST) == 0)
			say_where(e, r, seg);
		return REQUEST_NOTHING;
	}
	if (seg->flags & TCP_RST) {
		if (seg->seq == rcv_nxt_of(r))
			return REQUEST_RESET;
		TCP_COUNT(e, drop_rst_invalid);
		say_where(e, r, seg);
		return REQUEST_NOTHING;
	}
	if (seg->flags & TCP_SYN) {
		TCP_COUNT(e, drop_sequence);
		if (child) /* as Linux */
			tcp_reset_segment(e, seg);
		else
			say_where(e, r, seg);
		return REQUEST_NOTHING;
	}
	if ((seg->flags & TCP_ACK) == 0) {
		TCP_COUNT(e, drop_no_ack);
		return REQUEST_NOTHING;
	}
	return REQUEST_ACKED;
}

void
tcp_request_arrives(struct tcp_engine *e, struct tcp_request *r, struct tcp_segment *seg)
{
	switch (tcp_request_check(e, r, seg)) {
	case REQUEST_RESET:
		TCP_COUNT(e, rsts_in);
		TCP_COUNT(e, attempts_failed);
		request_end(e, r);
		break;
	case REQUEST_ACKED:
		if (r->retries < r->listener->c->defer_accept &&
		    seg->seq + tcp_segment_seqlen(seg) == r->irs + 1) {
			TCP_COUNT(e, drop_defer_accept);
			r->acked = true;
			r->sent_us = 0; /* what comes next comes when the peer's user likes */
			break;
		}
		final_ack_arrives(e, r, seg);
		break;
	default:
		break;
	}
}

/* An ACK to a listener: the final one of a handshake that a cookie answered, or nobody's. */
static void
ack_arrives(struct tcp_engine *e, struct tcp_bound *l, struct tcp_segment *seg)
{
	struct tcp_request r = {.listener = l};
	struct tcp_path path;
	struct tcp_conn *c;

	if ((seg->flags & TCP_SYN) || !tcp_syncookie_expected(e, l) ||
	    !tcp_syncookie_check(e, &r, seg)) {
		if (tcp_is_anothers(e, seg))
			return;
		TCP_COUNT(e, drop_no_socket);
		tcp_reset_segment(e, seg);
		return;
	}
	if (e->env.path(e->env.ctx, &r.tuple.remote, &r.tuple.local, &path) < 0) {
		TCP_COUNT(e, tx_no_path);
		return;
	}
	take_path(e, &r, &path);
	take_window(&r);
	c = promote(e, &r, seg);
	if (c != NULL)
		enter_accept_queue(l, c, seg);
}

void
tcp_listener_arrives(struct tcp_engine *e, struct tcp_bound *l, struct tcp_segment *seg,
		     const seq_t *iss_floor)
{
	if (seg->flags & TCP_RST) {
		if (!tcp_is_anothers(e, seg))
			TCP_COUNT(e, drop_no_socket);
	} else if (seg->flags & TCP_ACK) {
		ack_arrives(e, l, seg);
	} else if (seg->flags & TCP_SYN) {
		syn_arrives(e, l, seg, iss_floor);
	} else {
		TCP_COUNT(e, drop_no_ack);
	}
}
