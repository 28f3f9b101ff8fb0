/* SPDX-License-Identifier: BSD-3-Clause */
/* Listing what the engine holds: sockets, then half-open connections, then TIME-WAIT. */
#include "engine.h"

enum list_part {
	PART_CONNS,
	PART_REQUESTS,
	PART_TIMEWAIT,
	PARTS,
};

static struct tcp_tuple
tuple_of(const struct tcp_conn *c)
{
	struct tcp_tuple t = c->tuple;

	if ((c->state == TCP_LISTEN || c->state == TCP_CLOSED) && c->bound != NULL) {
		t = (struct tcp_tuple){.local = c->bound->local.ip,
				       .lport = be16(c->bound->local.port)};
		/* The any-address of the same family. */
		if (ip_is4(&t.local))
			t.remote = ip_from4(be32(0));
	}
	return t;
}

static bool
list_conn(const struct tcp_engine *e, uint32_t index, struct tcp_listing *out)
{
	const struct tcp_conn *c = slab_at(&e->conns, index);

	if (c->flags & CONN_DEAD)
		return false;
	*out = (struct tcp_listing){
		.tuple = tuple_of(c),
		.state = (enum tcp_state)c->state,
		.recv_q = c->recvq.bytes,
		.send_q = c->sendq.bytes,
		.srtt_us = c->srtt_us >> 3,
		.rttvar_us = c->mdev_us >> 2,
		.rto_us = c->rto_us,
		.cwnd_segs = c->cwnd,
		.ssthresh_segs = c->ssthresh,
		.mss = c->mss,
		.snd_wnd = c->snd_wnd,
		.rcv_wnd = seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0,
		.retransmits = c->retransmits,
		.bytes_acked = c->bytes_acked,
		.bytes_received = c->bytes_received,
		.snd_wscale_shift = c->snd_wscale_shift,
		.rcv_wscale_shift = c->rcv_wscale_shift,
		.timestamps = (c->flags & CONN_TIMESTAMPS) != 0,
		.sack = (c->flags & CONN_SACK) != 0,
		.orphan = (c->flags & CONN_ORPHAN) != 0,
	};
	if (c->state == TCP_LISTEN) {
		out->recv_q = c->bound->waiting;
		out->send_q = (uint32_t)c->bound->backlog;
	}
	return true;
}

static bool
list_request(const struct tcp_engine *e, uint32_t index, struct tcp_listing *out)
{
	const struct tcp_request *r = slab_at(&e->requests, index);

	if (r->listener == NULL)
		return false;
	*out = (struct tcp_listing){
		.tuple = r->tuple,
		.state = TCP_SYN_RECEIVED,
		.timestamps = r->timestamps,
	};
	return true;
}

static bool
list_timewait(const struct tcp_engine *e, uint32_t index, struct tcp_listing *out)
{
	const struct tcp_timewait *tw = slab_at(&e->timewaits, index);

	if (tw->ends_us == 0)
		return false;
	*out = (struct tcp_listing){
		.tuple = tw->tuple,
		.state = TCP_TIME_WAIT,
		.timestamps = tw->timestamps,
		.orphan = true,
	};
	return true;
}

unsigned int
tcp_list(const struct tcp_engine *e, uint64_t *cursor, struct tcp_listing *listing, unsigned int n)
{
	static bool (*const list_one[PARTS])(const struct tcp_engine *, uint32_t,
					     struct tcp_listing *) = {
		[PART_CONNS] = list_conn,
		[PART_REQUESTS] = list_request,
		[PART_TIMEWAIT] = list_timewait,
	};
	const struct slab *const slabs[PARTS] = {&e->conns, &e->requests, &e->timewaits};
	unsigned int part = (unsigned int)(*cursor >> 32), written = 0;
	uint32_t index = (uint32_t)*cursor;

	while (part < PARTS && written < n) {
		if (index >= slabs[part]->carved) {
			part++;
			index = 0;
			continue;
		}
		written += list_one[part](e, index++, &listing[written]);
	}
	*cursor = (uint64_t)part << 32 | index;
	return written;
}
