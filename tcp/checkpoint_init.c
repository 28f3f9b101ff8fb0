/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A checkpoint of a connection of which little is known: what Linux's TCP_REPAIR tells, which is
 * what an image of CRIU's holds.
 *
 * All the rest is as of a connection of this engine that has just been opened: a socket like any
 * other is made, goes that far without a packet, and is saved. So whatever checkpoint.def lists is
 * here, too, and in range. Nothing is looked at that is known: that is tcp_restore()'s.
 *
 * A FIN of ours counts as sent if all before it was; should the peer not have it, it is sent again
 * like all that is not acknowledged.
 */
#include <rte_common.h>

#include "engine.h"
#include "wire.h"

/* ---- what the state says */

static bool
we_finish(uint8_t state)
{
	return state == TCP_FIN_WAIT_1 || state == TCP_FIN_WAIT_2 || state == TCP_CLOSING ||
	       state == TCP_LAST_ACK;
}

static bool
peer_finished(uint8_t state)
{
	return state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK;
}

static bool
is_opening(uint8_t state)
{
	return state == TCP_SYN_SENT || state == TCP_SYN_RECEIVED;
}

/* ---- what is known, in the connection's terms */

static void
take_options(struct tcp_conn *c, const struct tcp_known *k)
{
	bool is4 = ip_is4(&k->tuple.remote);

	c->flags |= (k->options & TCP_DETAILS_TIMESTAMPS ? CONN_TIMESTAMPS : 0) |
		    (k->options & TCP_DETAILS_SACK ? CONN_SACK : 0) |
		    (k->options & TCP_DETAILS_WSCALE ? CONN_WSCALE : 0) | (is4 ? 0 : CONN_FAMILY6) |
		    (k->cork ? CONN_CORK : 0) | (k->nodelay ? CONN_NODELAY : 0);
	if (k->options & TCP_DETAILS_WSCALE) {
		c->snd_wscale_shift = k->snd_wscale;
		c->rcv_wscale_shift = k->rcv_wscale;
	}
	if (k->options & TCP_DETAILS_ECN)
		c->ecn = ECN_ON | (k->options & TCP_DETAILS_ECN_SEEN ? ECN_SEEN : 0);
	c->peer_mss = k->mss;
	if (k->mss == 0)
		c->peer_mss = is4 ? TCP_MSS_DEFAULT4 : TCP_MSS_DEFAULT6;
	/* The path's is for tcp_restore() to find; until then, one like it. */
	c->mtu = (uint16_t)RTE_MIN(
		c->peer_mss + sizeof(struct tcp_header) +
			(is4 ? sizeof(struct ip4_header) : sizeof(struct ip6_header)),
		(size_t)UINT16_MAX);
	c->link_mtu = c->mtu;
}

/* The SYN and the FIN have numbers, and the queues hold what lies between. */
static void
take_numbers(struct tcp_conn *c, const struct tcp_known *k)
{
	bool fin = we_finish(k->state), fin_sent = fin && k->unsent_bytes == 0;
	bool fin_acked = k->state == TCP_FIN_WAIT_2;
	seq_t end = k->outq_seq - fin;

	c->snd_una = end - k->outq_bytes - is_opening(k->state) + fin_acked;
	c->snd_nxt = end - k->unsent_bytes + fin_sent;
	c->iss = is_opening(k->state) ? c->snd_una : c->snd_una - 1;
	c->rcv_nxt = k->inq_seq;
	c->irs = k->inq_seq - k->inq_bytes - peer_finished(k->state) - 1;
	c->flags |= (fin ? CONN_FIN_DUE : 0) | (fin_sent ? CONN_FIN_SENT : 0) |
		    (peer_finished(k->state) ? CONN_PEER_FIN : 0);
}

/* What was promised can be taken, though less is promised from now on. */
static void
take_window(struct tcp_conn *c, const struct tcp_known *k)
{
	struct tcp_engine *e = c->engine;
	uint32_t most = RTE_MAX(e->config.rcvbuf_max_bytes, e->config.rcvbuf_bytes);
	struct tcp_rcv_offer offer;

	tcp_rcv_first_offer(c, tcp_announced_mss(c->mtu, ip_is4(&k->tuple.remote), 0),
			    (c->flags & CONN_WSCALE) != 0, &offer);
	c->syn_wnd = offer.wnd;
	c->window_clamp = offer.clamp;
	c->rcv_wup = k->rcv_wup;
	c->rcv_adv = k->rcv_wup + k->rcv_wnd;
	c->snd_wl1 = k->snd_wl1;
	c->snd_wnd = k->snd_wnd;
	c->max_wnd = k->max_window;
	if (!k->has_window) {
		c->rcv_wup = k->inq_seq;
		c->rcv_adv = k->inq_seq + offer.wnd;
		c->snd_wl1 = k->inq_seq - 1;
		c->snd_wnd = c->max_wnd = 0;
	}
	if (k->has_window && k->rcv_wnd <= most && k->inq_bytes <= most)
		c->rcvbuf_bytes = (uint32_t)RTE_MAX(
			(uint64_t)c->rcvbuf_bytes,
			RTE_MIN(tcp_rcv_space_for(c, (uint64_t)k->rcv_wnd + k->inq_bytes),
				(uint64_t)most));
}

void
tcp_checkpoint_init(struct tcp_engine *e, const struct tcp_known *known, struct tcp_checkpoint *out)
{
	struct tcp_conn c;

	tcp_conn_init(e, &c);
	c.tuple = known->tuple;
	c.state = known->state;
	c.flags |=
		known->state == TCP_SYN_SENT ? CONN_ACTIVE : CONN_CONNECT_DONE | CONN_WAS_CONNECTED;
	take_options(&c, known);
	take_numbers(&c, known);
	take_window(&c, known);
	tcp_rtt_reset(&c);
	tcp_conn_start(&c);
	*out = (struct tcp_checkpoint){
		.tuple = known->tuple,
		.state = known->state,
		.ts_now = known->timestamp,
		.recvq_bytes = known->inq_bytes,
		.sendq_bytes = known->outq_bytes,
		.unsent_bytes = known->unsent_bytes,
	};
	tcp_checkpoint_rows(&c, out);
	tcp_checkpoint_congestion(e->cc, out);
}
