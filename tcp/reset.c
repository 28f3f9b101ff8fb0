/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to segments that belong to no connection, and the limit on challenge ACKs. */
#include "engine.h"

/* As Linux's tcp_challenge_ack_limit before it became unlimited: attackers must not count with it.
 */
enum { CHALLENGES_PER_SECOND = 1000 };

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
tcp_may_challenge(struct tcp_engine *e)
{
	uint64_t second = e->now_us / 1000000;

	if (second != e->challenge_second) {
		e->challenge_second = second;
		e->challenge_count = 0;
	}
	if (e->challenge_count >= CHALLENGES_PER_SECOND) {
		TCP_COUNT(e, challenge_acks_limited);
		return false;
	}
	e->challenge_count++;
	TCP_COUNT(e, challenge_acks);
	return true;
}
