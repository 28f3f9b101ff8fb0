/* SPDX-License-Identifier: BSD-3-Clause */
/* What was moved, for the report; and what is sent again because of it. */
#include <inttypes.h>

#include "move.h"
#include "tcp/engine.h"

enum { AGAIN_SLACK = 1500 /* a probe */ };

/* ---- What a move costs */

/* From now on counts what is sent again of what is outstanding now. */
void
sim_move_watch(struct sim_conn *conn)
{
	for (unsigned int side = 0; side < 2; side++) {
		struct observer_half *h = &conn->seen->half[side];

		h->again_below = h->sent_end;
		h->again_bytes = 0;
		conn->again_max[side] = h->sent_end - RTE_MIN(h->acked, h->sent_end);
	}
	conn->watched = true;
}

void
sim_move_reckon(struct sim *s, struct sim_conn *conn)
{
	for (unsigned int side = 0; side < 2 && conn->watched; side++) {
		uint64_t again = conn->seen->half[side].again_bytes;

		if (again <= conn->again_max[side] + s->moving.again_excess)
			continue;
		s->moving.again_excess = again - conn->again_max[side];
		s->moving.excess_port = conn->seen->port;
	}
	conn->watched = false;
}

/* Whether only moves lose anything. */
static bool
link_is_good(const struct sim *s)
{
	for (unsigned int side = 0; side < 2; side++) {
		const struct link_counts *c = &s->pair.side[side].link.counts;

		if (c->lost_random + c->lost_burst + c->lost_pattern + c->lost_outage +
			    c->lost_outage_both + c->lost_queue + c->lost_mtu + c->corrupted +
			    c->duplicated + c->held_back >
		    0)
			return false;
		if (s->scarce[side])
			return false;
	}
	/* A smaller SO_RCVBUF may make the receiver drop what it had offered to take. */
	return s->events[SIM_JITTER] == 0 && s->events[SIM_RCVBUF_CHANGES] == 0;
}

void
sim_moves_check(struct sim *s)
{
	for (unsigned int i = 0; i < s->n_conns; i++)
		if (s->conns[i].seen != NULL)
			sim_move_reckon(s, &s->conns[i]);
	if (!link_is_good(s))
		return;
	s->events[SIM_MOVES_COUNTED] += s->events[SIM_MOVES];
	if (s->moving.again_excess > AGAIN_SLACK)
		sim_fail(s,
			 "%" PRIu64 " bytes were sent again on port %u beyond what was outstanding",
			 s->moving.again_excess, s->moving.excess_port);
}

static void
count_state(struct sim *s, enum tcp_state state)
{
	static const enum sim_event events[TCP_STATES] = {
		[TCP_SYN_SENT] = SIM_MOVED_SYN_SENT,     [TCP_ESTABLISHED] = SIM_MOVED_ESTABLISHED,
		[TCP_FIN_WAIT_1] = SIM_MOVED_FIN_WAIT_1, [TCP_FIN_WAIT_2] = SIM_MOVED_FIN_WAIT_2,
		[TCP_CLOSE_WAIT] = SIM_MOVED_CLOSE_WAIT, [TCP_CLOSING] = SIM_MOVED_CLOSING,
		[TCP_LAST_ACK] = SIM_MOVED_LAST_ACK,
	};

	if (events[state] != 0)
		s->events[events[state]]++;
}

void
sim_move_count(struct sim *s, const struct tcp_conn *c)
{
	bool in = c->recvq.bytes > 0, out = c->sendq.bytes > 0;

	s->events[SIM_MOVES]++;
	count_state(s, (enum tcp_state)c->state);
	s->events[SIM_MOVED_SENDQ] += out && !in;
	s->events[SIM_MOVED_RECVQ] += in && !out;
	s->events[SIM_MOVED_BOTH_QUEUES] += in && out;
	s->events[SIM_MOVED_EMPTY] += !in && !out;
	s->events[SIM_MOVED_IN_FLIGHT] += c->sent_segs > 0;
	s->events[SIM_MOVED_UNSENT] += c->unsent_bytes > 0;
	s->events[SIM_MOVED_ZERO_WINDOW] += c->snd_wnd == 0 && c->state > TCP_SYN_RECEIVED;
	s->events[SIM_MOVED_OWN_ZERO_WINDOW] +=
		c->rcv_adv == c->rcv_nxt && c->state > TCP_SYN_RECEIVED;
	s->events[SIM_MOVED_ACK_OWED] += (c->flags & CONN_ACK_DELAYED) != 0;
	s->events[SIM_MOVED_BACKED_OFF] += c->backoffs > 0;
	s->events[SIM_MOVED_URGENT] += (c->flags & (CONN_URG_SEND | CONN_URG_MARK)) != 0;
	s->events[SIM_MOVED_CORKED] += (c->flags & CONN_CORK) != 0;
	s->events[SIM_MOVED_RECOVERING] += c->ca_state >= CA_RECOVERY;
	s->events[SIM_MOVED_OUT_OF_ORDER] += !TAILQ_EMPTY(&c->news);
	s->events[SIM_MOVED_ECN] += (c->ecn & ECN_ON) != 0;
	s->events[SIM_MOVED_KEEPALIVE] += c->keepalive;
}
