/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connect(), as on Linux: RFC 9293 §3.10.1. A connection is prepared first, down to its numbers and
 * its place in the flow table; then its SYN leaves, at once or, with Fast Open, with the first
 * write (fastopen_client.c).
 *
 *     CLOSED --tcp_connect_prepare()--> SYN-SENT without a SYN --tcp_connect_send()--> SYN-SENT
 */
#include <errno.h>

#include "engine.h"

void
tcp_forget_connection(struct tcp_conn *c)
{
	tcp_rcv_adjust_held(c->engine, c->recvq.bufs, 0);
	mbufq_clear(&c->recvq);
	c->flags &= ~(CONN_ACTIVE | CONN_CONNECT_DONE | CONN_WAS_CONNECTED | CONN_PEER_FIN |
		      CONN_FIN_KNOWN | CONN_RD_SHUT | CONN_FIN_DUE | CONN_FIN_SENT | CONN_URG_MARK);
	c->fastopen_server.is_child = c->fastopen_server.data_taken = false;
	c->window_clamp = 0; /* as Linux, also if TCP_WINDOW_CLAMP set it */
	c->tuple.local = c->bind_ip;
}

/*
 * How the last connect() went: 1 if there was none. As Linux: as long as nobody has asked, an end
 * is this connect()'s failure, even of a connection that was open for long.
 */
int
tcp_connect_again(struct tcp_conn *c)
{
	int error;

	if (c->state == TCP_LISTEN || (c->flags & CONN_CONNECT_DONE) || c->fastopen.deferred)
		return -EISCONN;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED || tcp_clc_is_on(c))
		return -EALREADY;
	if (c->state != TCP_CLOSED) {
		c->flags |= CONN_CONNECT_DONE;
		return 0;
	}
	if ((c->flags & CONN_ACTIVE) == 0)
		return 1;
	error = tcp_take_error(c);
	tcp_forget_connection(c);
	return error != 0 ? error : -ECONNABORTED;
}

/* What an earlier connection of this socket left behind. */
static void
forget_earlier(struct tcp_conn *c)
{
	c->flags &= ~(CONN_CONNECT_DONE | CONN_PEER_FIN | CONN_RD_SHUT | CONN_FIN_DUE |
		      CONN_FIN_SENT | CONN_URG_SEND | CONN_URG_MARK | CONN_TIMESTAMPS |
		      CONN_WSCALE | CONN_SACK | CONN_FIN_KNOWN | CONN_MORE);
	c->ca_state = CA_OPEN;
	c->backoffs = c->dupacks = c->probes = c->retries = 0;
	c->soft_error = c->error = 0;
	tcp_rtt_reset(c);
	c->ssthresh = UINT32_MAX;
	c->snd_wnd = c->max_wnd = 0;
	c->snd_wscale_shift = 0;
	c->write_expected = false;
	tcp_fastopen_reset(c);
}

/* Its place among all others, and its numbers. */
static int
begin_connection(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;
	seq_t iss_floor = 0;
	int status = tcp_port_choose(c, &iss_floor);
	struct tcp_numbers numbers;
	struct tcp_rcv_offer offer;

	if (status < 0)
		return status;
	if (flow_set(&e->flows, &c->tuple, flow_hash(&e->flows, &c->tuple),
		     flow_make(c, c->frozen ? FLOW_FROZEN : FLOW_CONN)) < 0) {
		TCP_COUNT(e, drop_flow_table);
		return -ENOBUFS;
	}
	c->flags |= CONN_IN_FLOWS | CONN_ACTIVE;
	tcp_hold_take(c);
	forget_earlier(c);
	c->state = TCP_SYN_SENT;
	/* What the SYN says of the window holds, whatever the user does to SO_RCVBUF: RFC 7323
	 * §2.2. */
	tcp_rcv_first_offer(c, tcp_announced_mss(c->mtu, ip_is4(&c->tuple.remote), c->user_mss),
			    e->config.window_scaling, &offer);
	c->rcv_wscale_shift = offer.wscale_shift;
	c->window_clamp = offer.clamp;
	c->syn_wnd = offer.wnd;
	numbers = tcp_new_numbers(e, &c->tuple);
	c->iss = numbers.iss;
	if (status > 0 && seq_lt(c->iss, iss_floor))
		c->iss = iss_floor;
	if (c->frozen || c->repair.snd_seq_set)
		c->iss = tcp_repair_first_seq(c);
	c->ts_offset = numbers.ts_offset;
	tcp_smc_connect(c);
	c->snd_una = c->iss;
	c->snd_nxt = c->iss;
	c->cwnd = c->engine->config.initial_cwnd;
	return 0;
}

/* Both addresses, the remote port, and the way there. */
static int
find_way(struct tcp_conn *c, const struct tcp_endpoint *remote)
{
	if ((c->flags & CONN_FAMILY6) == 0 && !ip_is4(&remote->ip))
		return -EAFNOSUPPORT;
	if (ip_is4(&remote->ip) && (c->flags & CONN_V6ONLY))
		return -ENETUNREACH;
	if (remote->port == 0 || ip_is_any(&remote->ip))
		return -ECONNREFUSED;
	if (ip_is_multicast(&remote->ip))
		return -ENETUNREACH;
	c->tuple.remote = remote->ip;
	c->tuple.rport = be16(remote->port);
	c->tuple.local = (struct ip_addr){0};
	if (!ip_is_any(&c->bind_ip)) {
		if (ip_is4(&c->bind_ip) != ip_is4(&remote->ip))
			return -ENETUNREACH;
		c->tuple.local = c->bind_ip;
	}
	return tcp_conn_find_path(c);
}

int
tcp_connect_prepare(struct tcp_conn *c, const struct tcp_endpoint *remote)
{
	int status = find_way(c, remote);

	return status < 0 ? status : begin_connection(c);
}

bool
tcp_connect_tuple(struct tcp_conn *c, const struct tcp_endpoint *remote, struct tcp_tuple *tuple)
{
	if (c->state != TCP_CLOSED || (c->flags & (CONN_ACTIVE | CONN_WAS_CONNECTED)) ||
	    c->bound == NULL || find_way(c, remote) < 0)
		return false;
	*tuple = c->tuple;
	tuple->lport = be16(c->bound->local.port);
	return true;
}

void
tcp_connect_undo(struct tcp_conn *c)
{
	struct flow_table *t = &c->engine->flows;

	flow_remove(t, &c->tuple, flow_hash(t, &c->tuple));
	c->flags &= ~CONN_IN_FLOWS;
	c->state = TCP_CLOSED;
	tcp_hold_release(c);
}

/*
 * SYN and data are two records, as on Linux: the SYN is sent again alone, and what is not
 * acknowledged with it is data like any other.
 */
int
tcp_connect_send(struct tcp_conn *c, const struct tcp_syn_load *load)
{
	struct tcp_sent *syn = tcp_sent_append(c, 1, SENT_SYN), *data;

	if (syn == NULL)
		return -ENOBUFS;
	c->snd_nxt = c->iss + 1;
	if (load != NULL && load->len > 0) {
		data = tcp_sent_append(c, load->len, SENT_PSH);
		if (data == NULL) {
			tcp_sent_remove(c, syn);
			c->snd_nxt = c->iss;
			return -ENOBUFS;
		}
		data->m = load->m;
		data->data_off = (uint16_t)load->data_off;
		c->snd_nxt += load->len;
		TCP_ADD(c->engine, bytes_out, load->len);
	}
	c->progress_us = c->engine->now_us;
	tcp_transmit_syn(c, TCP_SYN | tcp_ecn_syn_flags(c), load);
	tcp_rtx_restart(c);
	tcp_timers_arm(c);
	TCP_COUNT(c->engine, active_opens);
	return 0;
}

int
tcp_connect(struct tcp_conn *c, const struct tcp_endpoint *remote)
{
	int status = tcp_connect_again(c);

	if (status <= 0)
		return status;
	if (c->frozen)
		return tcp_repair_connect(c, remote);
	status = tcp_connect_prepare(c, remote);
	if (status < 0)
		return status;
	if (c->fastopen.connect)
		return tcp_fastopen_connect(c);
	status = tcp_connect_send(c, NULL);
	if (status < 0)
		tcp_connect_undo(c);
	return status < 0 ? status : -EINPROGRESS;
}
