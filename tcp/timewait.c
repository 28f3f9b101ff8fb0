/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME-WAIT in a compact form, RFC 9293 §3.6.1 and §3.10.7.4, RFC 6191 (reuse by a
 * new SYN). As on Linux a reset ends it, but only with the exact sequence number.
 */
#include "engine.h"

static void
schedule(struct tcp_engine *e)
{
	const struct tcp_timewait *first = TAILQ_FIRST(&e->timewait_list);

	e->timewait_next_us = first == NULL ? UINT64_MAX : first->ends_us;
}

void
tcp_timewait_free(struct tcp_engine *e, struct tcp_timewait *tw)
{
	flow_remove(&e->flows, &tw->tuple, tw->hash);
	tcp_hold_timewait_release(e, tw);
	TAILQ_REMOVE(&e->timewait_list, tw, link);
	tw->ends_us = 0; /* free, for tcp_list() */
	slab_put(&e->timewaits, tw);
	schedule(e);
}

static void
restart(struct tcp_engine *e, struct tcp_timewait *tw)
{
	TAILQ_REMOVE(&e->timewait_list, tw, link);
	tw->ends_us = e->now_us + (uint64_t)e->config.timewait_ms * 1000;
	TAILQ_INSERT_TAIL(&e->timewait_list, tw, link);
	schedule(e);
}

static void
send_ack(struct tcp_engine *e, struct tcp_timewait *tw)
{
	uint8_t options[TCP_TIMESTAMPS_ALIGNED_BYTES];
	struct tcp_reply reply = {
		.tuple = &tw->tuple,
		.seq = tw->snd_nxt,
		.ack = tw->rcv_nxt,
		.wnd = tw->wnd,
		.flags = TCP_ACK,
		.options = options,
		.options_len = tw->timestamps ? sizeof(options) : 0,
	};
	struct tcp_path path;

	if (e->env.path(e->env.ctx, &tw->tuple.remote, &tw->tuple.local, &path) < 0) {
		TCP_COUNT(e, tx_no_path);
		return;
	}
	reply.hop = path.hop;
	reply.path_flags = path.flags;
	tcp_options_encode_timestamps(tcp_now_ts(e, tw->ts_offset), tw->ts_recent, options);
	tw->acked_us = e->now_us;
	TCP_COUNT(e, acks_out);
	tcp_transmit_reply(e, &reply);
}

static struct tcp_timewait *
timewait_get(struct tcp_engine *e)
{
	struct tcp_timewait *tw = slab_get(&e->timewaits);

	if (tw != NULL)
		return tw;
	TCP_COUNT(e, timewait_evicted);
	tcp_timewait_free(e, TAILQ_FIRST(&e->timewait_list));
	return slab_get(&e->timewaits);
}

void
tcp_timewait_enter(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;
	struct tcp_timewait *tw = timewait_get(e);

	*tw = (struct tcp_timewait){
		.tuple = c->tuple,
		.hash = flow_hash(&e->flows, &c->tuple),
		.ends_us = e->now_us + (uint64_t)e->config.timewait_ms * 1000,
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.wnd = (uint16_t)RTE_MIN(tcp_window_to_offer(c) >> c->rcv_wscale_shift, 0xffffu),
		.ts_recent = c->ts_recent,
		.ts_offset = c->ts_offset,
		.timestamps = (c->flags & CONN_TIMESTAMPS) != 0,
	};
	tcp_hold_timewait(c, tw);
	TCP_COUNT(e, timewait_entered);
	TAILQ_INSERT_TAIL(&e->timewait_list, tw, link);
	schedule(e);
	if (c->flags & CONN_ACK_NOW)
		send_ack(e, tw);
	/* The entry is there already, so changing what it means cannot fail. */
	flow_set(&e->flows, &tw->tuple, tw->hash, flow_make(tw, FLOW_TIMEWAIT));
	c->flags &= ~CONN_IN_FLOWS;
	tcp_conn_end(c, 0);
}

/* RFC 6191 §2: a later timestamp or, without, a later sequence number. */
static bool
is_new_connection(const struct tcp_timewait *tw, const struct tcp_segment *seg)
{
	if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return false;
	if (tw->timestamps && seg->opt.has_timestamps) {
		if ((int32_t)(seg->opt.ts_val - tw->ts_recent) > 0)
			return true;
		if (tcp_ts_is_old(seg->opt.ts_val, tw->ts_recent))
			return false;
	}
	return seq_gt(seg->seq, tw->rcv_nxt);
}

static void
reuse(struct tcp_engine *e, struct tcp_timewait *tw, struct tcp_segment *seg, struct tcp_bound *l)
{
	/* Beyond the largest window that the old connection could have had in flight, as Linux. */
	seq_t iss_floor = tw->snd_nxt + 65535 + 2;

	TCP_COUNT(e, timewait_reused);
	tcp_timewait_free(e, tw);
	tcp_listener_arrives(e, l, seg, &iss_floor);
}

void
tcp_timewait_arrives(struct tcp_engine *e, struct tcp_timewait *tw, struct tcp_segment *seg)
{
	struct tcp_bound *l;

	if (is_new_connection(tw, seg) && (l = tcp_listener_find(e, &seg->tuple)) != NULL) {
		reuse(e, tw, seg, l);
		return;
	}
	if (seg->flags & TCP_RST) {
		if (seg->seq == tw->rcv_nxt) {
			TCP_COUNT(e, timewait_rst);
			tcp_timewait_free(e, tw);
		} else {
			TCP_COUNT(e, drop_rst_invalid);
		}
		return;
	}
	TCP_COUNT(e, drop_timewait);
	if ((seg->flags & (TCP_FIN | TCP_ACK)) == (TCP_FIN | TCP_ACK) &&
	    seg->seq + tcp_segment_seqlen(seg) == tw->rcv_nxt) {
		restart(e, tw);
		/* A burst's FINs are acknowledged once: a peer who is gone by the first
		 * acknowledgment would answer the second with a reset. */
		if (tw->acked_us != e->now_us)
			send_ack(e, tw);
	} else if ((tcp_segment_seqlen(seg) > 0 || seg->seq != tw->rcv_nxt) &&
		   tcp_may_challenge(e, &tw->oow_ack_ms)) {
		send_ack(e, tw);
	}
}

void
tcp_timewait_advance(struct tcp_engine *e)
{
	struct tcp_timewait *tw;

	while ((tw = TAILQ_FIRST(&e->timewait_list)) != NULL && tw->ends_us <= e->now_us)
		tcp_timewait_free(e, tw);
}
