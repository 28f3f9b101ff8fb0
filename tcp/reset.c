/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers to segments that belong to no connection, and the limit on answers to segments that do
 * not fit theirs. The limit is each connection's own (RFC 5961 §10): one for all would let a
 * stranger learn from it what others receive.
 */
#include "engine.h"

void
tcp_reset_segment(struct tcp_engine *e, const struct tcp_segment *seg)
{
	struct tcp_reply reply = {.tuple = &seg->tuple};
	struct tcp_path path;

	/* Never in answer to a reset: two stacks would go on for ever. */
	if (seg->flags & TCP_RST)
		return;
	if (e->env.path(e->env.ctx, &seg->tuple.remote, &seg->tuple.local, &path) < 0) {
		TCP_COUNT(e, tx_no_path);
		return;
	}
	reply.hop = path.hop;
	reply.path_flags = path.flags;
	if (seg->flags & TCP_ACK) {
		reply.seq = seg->ack;
		reply.flags = TCP_RST;
	} else {
		reply.ack = seg->seq + tcp_segment_seqlen(seg);
		reply.flags = TCP_RST | TCP_ACK;
	}
	TCP_COUNT(e, rsts_out);
	tcp_transmit_reply(e, &reply);
}

bool
tcp_may_answer(struct tcp_engine *e, uint32_t *last_ms)
{
	/* 0 means never. */
	uint32_t now_ms = e->now_ms | 1;

	if (*last_ms != 0 && now_ms - *last_ms < e->config.invalid_ratelimit_ms) {
		TCP_COUNT(e, challenge_acks_limited);
		return false;
	}
	*last_ms = now_ms;
	return true;
}

bool
tcp_may_challenge(struct tcp_engine *e, uint32_t *last_ms)
{
	if (!tcp_may_answer(e, last_ms))
		return false;
	TCP_COUNT(e, challenge_acks);
	return true;
}
