/* SPDX-License-Identifier: BSD-3-Clause */
/* What a connection has of the listener that it came by: its options, as on Linux. */
#include "engine.h"

void
tcp_inherit(struct tcp_conn *c, const struct tcp_conn *l)
{
	c->flags |= l->flags & (CONN_NODELAY | CONN_CORK | CONN_FAMILY6 | CONN_V6ONLY |
				CONN_LINGER_RESET | CONN_REUSEADDR);
	c->rcvbuf_bytes = l->rcvbuf_bytes;
	c->rcvbuf_locked = l->rcvbuf_locked;
	c->delack.pingpong = l->delack.pingpong;
	c->sndbuf_bytes = l->sndbuf_bytes;
	c->sndbuf_locked = l->sndbuf_locked;
	c->user_timeout_ms = l->user_timeout_ms;
	c->notsent_lowat_bytes = l->notsent_lowat_bytes;
	c->wants_inq = l->wants_inq;
	c->zerocopy.on = l->zerocopy.on;
	c->tos = l->tos;
	c->ttl = l->ttl;
	c->mark = l->mark;
	c->priority = l->priority;
	c->pacing.max_rate = l->pacing.max_rate;
	c->pacing.on = l->pacing.on;
	c->cc = l->cc;
	c->user_mss = l->user_mss;
	c->rto_max_ms = l->rto_max_ms;
	c->rto_min_us = l->rto_min_us;
	c->keepalive = l->keepalive;
	c->keepidle_s = l->keepidle_s;
	c->keepintvl_s = l->keepintvl_s;
	c->keepcnt = l->keepcnt;
	c->linger2_s = l->linger2_s;
	c->linger_on = l->linger_on;
	c->linger_s = l->linger_s;
	c->oob_inline = l->oob_inline;
	c->reuseport = l->reuseport;
	c->uid = l->uid;
	c->freebind = l->freebind;
	c->bind_address_no_port = l->bind_address_no_port;
	c->port_range = l->port_range;
	c->transparent = l->transparent;
	c->recverr = l->recverr;
	c->no_txrehash = l->no_txrehash;
	c->rx_timestamp = l->rx_timestamp;
	c->kept = l->kept;
	c->rcvlowat_bytes = l->rcvlowat_bytes;
	c->busy_poll_us = l->busy_poll_us;
	c->incoming_cpu = l->incoming_cpu;
	c->rcvtimeo_ms = l->rcvtimeo_ms;
	c->sndtimeo_ms = l->sndtimeo_ms;
	c->syn_retries = l->syn_retries;
	c->mtu_discover = l->mtu_discover;
}
