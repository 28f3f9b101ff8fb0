/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segment arrival, RFC 9293 §3.10.7.
 *
 * A burst is parsed first, then looked up in one go, then worked through segment by segment.
 * Whatever has to be sent waits for tcp_flush(), so that a burst is acknowledged once; whatever
 * users should know waits for the end of the burst, so that they are told once.
 */
#include <assert.h>
#include <errno.h>

#include <rte_prefetch.h>

#include "engine.h"

void
tcp_ack_now(struct tcp_conn *c)
{
	c->flags |= CONN_ACK_NOW;
	tcp_mark_dirty(c);
}

static void
challenge(struct tcp_conn *c)
{
	if (tcp_may_challenge(c->engine, &c->oow_ack_ms))
		tcp_ack_now(c);
}

/* RFC 7323 §5.2, for connections that negotiated timestamps. */
static bool
paws_rejects(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	/* A timestamp older than the wrap of its clock at 1 kHz says nothing: RFC 7323 §5.5. */
	const uint32_t outdated_s = 24 * 24 * 3600;

	if ((c->flags & CONN_TIMESTAMPS) == 0 || !seg->opt.has_timestamps ||
	    !tcp_ts_is_old(seg->opt.ts_val, c->ts_recent))
		return false;
	return tcp_now_s(c->engine) - c->ts_recent_s < outdated_s;
}

/* RFC 7323 §4.3: of the segments that our next acknowledgment covers, the earliest. */
static void
take_timestamp(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if ((c->flags & CONN_TIMESTAMPS) && seg->opt.has_timestamps &&
	    seq_leq(seg->seq, c->rcv_wup)) {
		c->ts_recent = seg->opt.ts_val;
		c->ts_recent_s = tcp_now_s(c->engine);
	}
}

/*
 * RFC 9293 §3.10.7.4 first; like Linux lenient towards what was acknowledged a moment ago, towards
 * a FIN just beyond the window, and, while the reader waits, towards a segment that only begins in
 * it.
 */
static bool
is_acceptable(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	seq_t end = seg->seq + tcp_segment_seqlen(seg), edge = seq_max(c->rcv_adv, c->rcv_nxt);

	if (seq_lt(end, c->rcv_wup) || seq_gt(seg->seq, edge))
		return false;
	return seq_leq(end - ((seg->flags & TCP_FIN) != 0), edge) || c->recvq.bytes == 0;
}

/*
 * An acknowledgment for a segment that is not acceptable; where nothing but its numbers asks for
 * it, seldom: two ends that disagree would answer each other's answers for ever.
 */
static void
answer_unacceptable(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (seg->len > 0 && (seg->flags & TCP_SYN) == 0)
		tcp_ack_now(c);
	else
		challenge(c);
}

static bool
check_sequence(struct tcp_conn *c, const struct tcp_segment *seg)
{
	bool rst = (seg->flags & TCP_RST) != 0;

	if (!rst && paws_rejects(c, seg)) {
		TCP_COUNT(c->engine, drop_paws);
		answer_unacceptable(c, seg);
		return false;
	}
	if (is_acceptable(c, seg))
		return true;
	if (seg->len > 0 && seq_lt(seg->seq, c->rcv_nxt) && !rst) {
		tcp_delack_quick(c, UINT32_MAX);
		tcp_dsack_note(c, seg->seq, seq_min(seg->seq + seg->len, c->rcv_nxt));
	}
	if (rst)
		TCP_COUNT(c->engine, drop_rst_invalid);
	else if (seg->len > 0 && seq_lt(seg->seq + seg->len, c->rcv_nxt))
		TCP_COUNT(c->engine, drop_duplicate);
	else if (seg->len > 0 && seq_gt(seg->seq + seg->len, seq_max(c->rcv_adv, c->rcv_nxt)))
		TCP_COUNT(c->engine, drop_beyond_window);
	else
		TCP_COUNT(c->engine, drop_sequence);
	if (!rst)
		answer_unacceptable(c, seg);
	return false;
}

/* Second, with RFC 5961 §3.2: only the expected sequence number resets. */
static void
reset_arrives(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (seg->seq != c->rcv_nxt) {
		TCP_COUNT(c->engine, drop_rst_invalid);
		tcp_fastopen_odd_reset(c);
		challenge(c);
		return;
	}
	TCP_COUNT(c->engine, rsts_in);
	if (c->state == TCP_SYN_RECEIVED) {
		tcp_conn_end(c, ECONNREFUSED);
		return;
	}
	TCP_COUNT(c->engine, established_resets);
	tcp_conn_end(c, c->state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
}

static void
established(struct tcp_conn *c)
{
	tcp_clc_begin(c);
	c->state = c->flags & CONN_FIN_DUE ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	tcp_conn_start(c);
	c->flags |= CONN_WAS_CONNECTED;
	if (c->retries > 1)
		c->cwnd = 1; /* RFC 5681 §3.1; as Linux, which forgives the first */
	c->retries = 0;
	tcp_mark_event(c);
	tcp_mark_dirty(c);
}

/* Fifth, in SYN-RECEIVED: simultaneous open ends here. */
static bool
ack_opens(struct tcp_conn *c, struct tcp_segment *seg)
{
	if (seq_leq(seg->ack, c->snd_una) || seq_gt(seg->ack, c->snd_nxt)) {
		TCP_COUNT(c->engine, drop_ack_invalid);
		tcp_reset_segment(c->engine, seg);
		return false;
	}
	established(c);
	tcp_update_snd_wnd(c, seg, (uint32_t)seg->wnd << c->snd_wscale_shift);
	return true;
}

/* Our FIN was acknowledged. Returns false if that ended the connection. */
static bool
fin_acknowledged(struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		if ((c->flags & CONN_ORPHAN) && c->linger2_s < 0) {
			tcp_conn_end(c, 0);
			return false;
		}
		if (c->flags & CONN_ORPHAN)
			tcp_user_closed(c);
		tcp_mark_event(c);
		return true;
	case TCP_CLOSING:
		tcp_timewait_enter(c);
		return false;
	case TCP_LAST_ACK:
		tcp_conn_end(c, 0);
		return false;
	default:
		return true;
	}
}

/* Eighth: the peer's FIN has just arrived in order. */
static void
fin_arrived(struct tcp_conn *c)
{
	tcp_mark_event(c);
	switch (c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1:
		c->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		tcp_timewait_enter(c);
		break;
	default:
		break;
	}
}

/* Whether payload comes for a user who said that he will not read it: RFC 9293 §3.6.1, as Linux. */
static bool
is_unwanted(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	return seg->len > 0 && (c->flags & (CONN_ORPHAN | CONN_RD_SHUT)) != 0 &&
	       c->state >= TCP_FIN_WAIT_1 && seq_gt(seg->seq + seg->len, c->rcv_nxt);
}

/* Seventh and eighth. */
static void
text_arrives(struct tcp_conn *c, struct tcp_segment *seg)
{
	bool had_fin = (c->flags & CONN_PEER_FIN) != 0;

	if (is_unwanted(c, seg)) {
		TCP_COUNT(c->engine, drop_after_close);
		TCP_COUNT(c->engine, orphans_reset);
		TCP_COUNT(c->engine, established_resets);
		tcp_reset_segment(c->engine, seg);
		tcp_conn_end(c, ECONNRESET);
		return;
	}
	tcp_receive_data(c, seg);
	if (!had_fin && (c->flags & CONN_PEER_FIN))
		fin_arrived(c);
}

void
tcp_count_arrival(struct tcp_conn *c, const struct tcp_segment *seg)
{
	c->segs_in++;
	if (seg->len > 0) {
		c->data_segs_in++;
		c->last_data_recv_ms = c->engine->now_ms;
	}
}

void
tcp_conn_arrives(struct tcp_conn *c, struct tcp_segment *seg)
{
	bool syn_again = false;

	if (tcp_fast_arrives(c, seg))
		return;
	tcp_count_arrival(c, seg);
	if ((c->flags & CONN_OPENING) && !tcp_fastopen_child_arrives(c, seg))
		return;
	/* A SYN again in SYN-RECEIVED is the crossing one with an ACK: its text is new. */
	if (c->state == TCP_SYN_RECEIVED && (seg->flags & TCP_SYN) && seg->seq == c->irs) {
		if ((seg->flags & TCP_ACK) == 0) {
			tcp_retransmit(c, TAILQ_FIRST(&c->sent));
			return;
		}
		seg->seq++;
		seg->flags &= (uint8_t)~TCP_SYN;
		syn_again = true;
	}
	if (!check_sequence(c, seg))
		return;
	if (seg->flags & TCP_RST) {
		reset_arrives(c, seg);
		return;
	}
	if (seg->flags & TCP_SYN) {
		/* RFC 5961 §4.2 */
		TCP_COUNT(c->engine, drop_sequence);
		challenge(c);
		return;
	}
	if ((seg->flags & TCP_ACK) == 0) {
		TCP_COUNT(c->engine, drop_no_ack);
		return;
	}
	if (c->state == TCP_SYN_RECEIVED && (c->flags & CONN_OPENING) == 0 && !ack_opens(c, seg))
		return;
	if (syn_again) {
		/* As Linux: it has arrived twice. */
		tcp_dsack_note(c, c->irs, c->irs + 1);
		tcp_ack_now(c);
	}
	/* Only then is it the peer's: a forged timestamp would make PAWS drop all that follows. */
	if (!tcp_ack_arrives(c, seg))
		return;
	if (c->flags & CONN_OPENING)
		tcp_fastopen_child_acked(c, seg);
	take_timestamp(c, seg);
	if ((c->flags & CONN_FIN_SENT) && c->snd_una == c->snd_nxt && !fin_acknowledged(c))
		return;
	if ((seg->flags & TCP_URG) || (c->flags & CONN_URG_MARK))
		tcp_urgent_arrives(c, seg);
	if (seg->len > 0 || (seg->flags & TCP_FIN))
		text_arrives(c, seg);
}

/* What the peer's SYN says of it. */
static void
take_syn(struct tcp_conn *c, const struct tcp_segment *seg)
{
	const struct tcp_engine *e = c->engine;

	c->irs = seg->seq;
	c->rcv_nxt = seg->seq + 1;
	c->rcv_wup = c->rcv_nxt;
	c->rcv_adv = c->rcv_nxt + c->syn_wnd;
	c->peer_mss = seg->opt.has_mss           ? seg->opt.mss
		      : ip_is4(&c->tuple.remote) ? (uint16_t)TCP_MSS_DEFAULT4
						 : (uint16_t)TCP_MSS_DEFAULT6;
	if (e->config.timestamps && seg->opt.has_timestamps) {
		c->flags |= CONN_TIMESTAMPS;
		c->ts_recent = seg->opt.ts_val;
		c->ts_recent_s = tcp_now_s(e);
	}
	if (e->config.sack && seg->opt.sack_permitted)
		c->flags |= CONN_SACK;
	tcp_ecn_syn_arrives(c, seg);
	tcp_smc_syn_arrives(c, seg);
	if (e->config.window_scaling && seg->opt.has_wscale) {
		c->flags |= CONN_WSCALE;
		c->snd_wscale_shift = seg->opt.wscale_shift;
	} else {
		c->rcv_wscale_shift = 0;
	}
	/* A window in a SYN is never scaled: RFC 7323 §2.2. */
	tcp_update_snd_wnd(c, seg, seg->wnd);
}

/* RFC 7323 §3.2, as Linux: a SYN-ACK that echoes what we never sent answers another's SYN. */
static bool
echo_is_wrong(const struct tcp_conn *c, const struct tcp_segment *seg)
{
	const struct tcp_engine *e = c->engine;

	return e->config.timestamps && seg->opt.has_timestamps && seg->opt.ts_ecr != 0 &&
	       tcp_now_ts(e, c->ts_offset) - seg->opt.ts_ecr > INT32_MAX;
}

/* RFC 9293 §3.10.7.3. */
static void
syn_sent_arrives(struct tcp_conn *c, struct tcp_segment *seg)
{
	bool ack = (seg->flags & TCP_ACK) != 0, deferred = c->fastopen.deferred;

	tcp_count_arrival(c, seg);
	if (ack && (seq_leq(seg->ack, c->snd_una) || seq_gt(seg->ack, c->snd_nxt) ||
		    echo_is_wrong(c, seg))) {
		TCP_COUNT(c->engine, drop_ack_invalid);
		if ((seg->flags & TCP_RST) == 0)
			tcp_reset_segment(c->engine, seg);
		return;
	}
	if (seg->flags & TCP_RST) {
		if (ack) {
			TCP_COUNT(c->engine, rsts_in);
			tcp_conn_end(c, ECONNREFUSED);
		} else {
			TCP_COUNT(c->engine, drop_rst_invalid);
		}
		return;
	}
	if ((seg->flags & TCP_SYN) == 0) {
		TCP_COUNT(c->engine, drop_no_ack);
		return;
	}
	if (!ack && deferred && !tcp_fastopen_crossed(c)) {
		TCP_COUNT(c->engine, drop_no_memory);
		return;
	}
	take_syn(c, seg);
	seg->seq++;
	seg->flags &= (uint8_t)~TCP_SYN;
	if (!ack) {
		/* The SYNs crossed. */
		c->state = TCP_SYN_RECEIVED;
		tcp_conn_start(c);
		if (deferred)
			tcp_fastopen_crossed_answer(c);
		else
			tcp_retransmit(c, TAILQ_FIRST(&c->sent));
		return;
	}
	established(c);
	if (c->delack.pingpong || c->write_expected)
		tcp_delack_postpone(c);
	else
		tcp_ack_now(c);
	if (!tcp_ack_arrives(c, seg))
		return;
	tcp_rtt_handshake_over(c);
	if (tcp_fastopen_was_used(&c->fastopen))
		tcp_fastopen_synack(c, seg);
	if (seg->flags & TCP_URG)
		tcp_urgent_arrives(c, seg);
	if (seg->len > 0 || (seg->flags & TCP_FIN))
		text_arrives(c, seg);
}

bool
tcp_is_anothers(struct tcp_engine *e, struct tcp_segment *seg)
{
	uint16_t headers;

	if (e->env.stray == NULL)
		return false;
	headers = (uint16_t)(seg->m->l3_len + seg->hdr_bytes);
	rte_pktmbuf_prepend(seg->m, headers);
	if (e->env.stray(e->env.ctx, seg->m, &seg->tuple)) {
		TCP_COUNT(e, strays);
		seg->m = NULL;
		return true;
	}
	rte_pktmbuf_adj(seg->m, headers);
	return false;
}

static void
no_connection(struct tcp_engine *e, struct tcp_segment *seg)
{
	struct tcp_bound *l = tcp_listener_find(e, &seg->tuple);
	bool awaited = tcp_mute_awaits(e, seg);

	if (l != NULL && !awaited) {
		tcp_listener_arrives(e, l, seg, NULL);
		return;
	}
	if (tcp_is_anothers(e, seg))
		return;
	if (awaited) {
		TCP_COUNT(e, drop_restoring);
		return;
	}
	TCP_COUNT(e, drop_no_socket);
	tcp_reset_segment(e, seg);
}

/* To a request in the SYN even the end of the answer may come with the SYN-ACK: RFC 7413 §4.2.1. */
static bool
may_be_whole_answer(flow_t flow)
{
	const struct tcp_conn *c = flow_object(flow);

	return flow_kind(flow) == FLOW_CONN && c->state == TCP_SYN_SENT &&
	       tcp_fastopen_was_used(&c->fastopen);
}

void
tcp_segment_arrives(struct tcp_engine *e, struct tcp_segment *seg, flow_t flow)
{
	struct tcp_conn *c;

	if ((seg->flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN) &&
	    !may_be_whole_answer(flow)) {
		TCP_COUNT(e, drop_syn_fin);
		return;
	}
	switch (flow_kind(flow)) {
	case FLOW_CONN:
		c = flow_object(flow);
		if (c->state == TCP_SYN_SENT)
			syn_sent_arrives(c, seg);
		else
			tcp_conn_arrives(c, seg);
		break;
	case FLOW_REQUEST:
		tcp_request_arrives(e, flow_object(flow), seg);
		break;
	case FLOW_TIMEWAIT:
		tcp_timewait_arrives(e, flow_object(flow), seg);
		break;
	case FLOW_FROZEN:
		TCP_COUNT(e, drop_frozen);
		break;
	case FLOW_MUTE:
		if (!tcp_is_anothers(e, seg))
			TCP_COUNT(e, drop_mute);
		break;
	case FLOW_FOLDED:
		c = tcp_unfold(e, flow_object(flow));
		if (c == NULL)
			TCP_COUNT(e, drop_folded);
		else
			tcp_conn_arrives(c, seg);
		break;
	default:
		no_connection(e, seg);
		break;
	}
}

static void
count_bad(struct tcp_engine *e, enum tcp_parse reason)
{
	switch (reason) {
	case TCP_PARSE_SHORT:
		TCP_COUNT(e, drop_short);
		break;
	case TCP_PARSE_DATA_OFFSET:
		TCP_COUNT(e, drop_data_offset);
		break;
	case TCP_PARSE_CHECKSUM:
		TCP_COUNT(e, drop_checksum);
		break;
	case TCP_PARSE_BAD_OPTION:
		TCP_COUNT(e, drop_bad_option);
		break;
	default:
		TCP_COUNT(e, drop_bad_source);
		break;
	}
}

/* Fetches the warm part of the connection whose turn is next while another's segment arrives. */
static void
prefetch_warm(flow_t flow)
{
	const uint8_t *c = flow_object(flow);

	if (flow_kind(flow) != FLOW_CONN)
		return;
	for (size_t at = 2 * RTE_CACHE_LINE_SIZE; at < TCP_CONN_WARM_BYTES;
	     at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(c + at);
}

/* At most FLOW_BURST packets. */
static void
input_burst(struct tcp_engine *e, struct rte_mbuf **packets, unsigned int n)
{
	const struct tcp_tuple *tuples[FLOW_BURST];
	struct tcp_segment segs[FLOW_BURST];
	uint32_t hashes[FLOW_BURST];
	uint8_t next[FLOW_BURST];
	flow_t flows[FLOW_BURST];
	unsigned int good = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct tcp_segment *seg = &segs[good];
		enum tcp_parse status = tcp_segment_parse(packets[i], seg);

		if (status != TCP_PARSE_OK) {
			count_bad(e, status);
			rte_pktmbuf_free(packets[i]);
			continue;
		}
		tuples[good] = &seg->tuple;
		seg->hash = hashes[good] = flow_hash(&e->flows, &seg->tuple);
		good++;
	}
	if (good == 0)
		return;
	flow_look(&e->flows);
	flow_lookup_bulk(&e->flows, tuples, hashes, good, flows);
	for (unsigned int i = 0; i < good; i++) {
		uintptr_t object = (uintptr_t)flow_object(flows[i]);

		/* As numbers: there may be no object. */
		rte_prefetch0((const void *)object);
		rte_prefetch0((const void *)(object + RTE_CACHE_LINE_SIZE));
	}
	tcp_coalesce_link(hashes, good, next);
	for (unsigned int i = 0; i < good; i++) {
		if (segs[i].m == NULL)
			continue; /* merged into one before it */
		if (i + 1 < good)
			prefetch_warm(flows[i + 1]);
		/* A segment before it in this burst may have made or ended its connection. */
		if (flow_has_changed(&e->flows, hashes[i]))
			flows[i] = flow_lookup(&e->flows, &segs[i].tuple, hashes[i]);
		else if (next[i] != TCP_COALESCE_NONE && flow_kind(flows[i]) == FLOW_CONN)
			tcp_coalesce(segs, flows, next, i);
		tcp_segment_arrives(e, &segs[i], flows[i]);
		if (segs[i].m != NULL) /* nobody has taken it */
			rte_pktmbuf_free(segs[i].m);
	}
}

void
tcp_input(struct tcp_engine *e, uint64_t now_us, struct rte_mbuf **packets, unsigned int n)
{
	assert(now_us >= e->now_us);
	e->now_us = now_us;
	e->now_ms = (uint32_t)(now_us / 1000);
	TCP_ADD(e, segs_in, n);
	tcp_fold_wake(e);
	for (unsigned int at = 0; at < n; at += FLOW_BURST)
		input_burst(e, packets + at, RTE_MIN(n - at, (unsigned int)FLOW_BURST));
	tcp_deliver_events(e);
}
