/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listing what the engine holds: sockets, then half-open connections, TIME-WAIT, what is mute, and
 * connections that are folded, which stay so. A walk unfolds them.
 */
#include <rte_common.h>

#include "engine.h"

enum { LOOK_MAX = 512 }; /* places that one call looks at: each may be a miss in every cache */

#define WALK_FOLDED (UINT64_C(1) << 32)

enum list_part {
	PART_CONNS,
	PART_REQUESTS,
	PART_TIMEWAIT,
	PART_MUTES,
	PART_FOLDED,
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

static uint32_t
ms_until(const struct tcp_engine *e, uint64_t at_us)
{
	return at_us <= e->now_us ? 0 : (uint32_t)((at_us - e->now_us) / 1000);
}

static void
put_timer(const struct tcp_engine *e, struct tcp_listing *out, enum tcp_list_timer timer,
	  uint64_t at_us, uint8_t retries)
{
	out->timer = (uint8_t)timer;
	out->timer_ms = ms_until(e, at_us);
	out->timer_retries = retries;
}

static void
put_since(const struct tcp_engine *e, struct tcp_listing *out, enum tcp_list_timer timer,
	  uint64_t since_us)
{
	out->timer = (uint8_t)timer;
	out->timer_ms = (uint32_t)((e->now_us - since_us) / 1000);
}

/* The one of its timers that Linux would tell of. */
static void
list_timer(const struct tcp_engine *e, const struct tcp_conn *c, struct tcp_listing *out)
{
	bool persists = c->rtx_kind == RTX_TIMEOUT && TAILQ_EMPTY(&c->sent) &&
			(c->flags & CONN_OPENING) == 0;

	if (c->frozen)
		put_since(e, out, TCP_LIST_TIMER_REPAIR, c->repair.since_us);
	else if (c->rtx_at_us != UINT64_MAX && !persists)
		put_timer(e, out, TCP_LIST_TIMER_ON, c->rtx_at_us, c->retries);
	else if (c->rtx_at_us != UINT64_MAX)
		put_timer(e, out, TCP_LIST_TIMER_PERSIST, c->rtx_at_us, c->probes);
	else if (c->life_at_us != UINT64_MAX && !tcp_clc_is_on(c))
		put_timer(e, out, TCP_LIST_TIMER_TIMEWAIT, c->life_at_us, 0);
	else if (c->keep_at_us != UINT64_MAX)
		put_timer(e, out, TCP_LIST_TIMER_KEEPALIVE, c->keep_at_us, c->probes);
}

static void
put_conn(const struct tcp_engine *e, const struct tcp_conn *c, struct tcp_listing *out)
{
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
		.frozen = c->frozen,
		.has_details = true,
		.ipv6 = (c->flags & CONN_FAMILY6) != 0,
		.v6only = (c->flags & CONN_V6ONLY) != 0,
		.smc = c->smc.syn,
		.user = tcp_user(c),
		.congestion = c->cc->name,
	};
	tcp_details_get(c, &out->details);
	list_timer(e, c, out);
	if (c->state == TCP_LISTEN) {
		out->recv_q = c->bound->waiting;
		out->send_q = (uint32_t)c->bound->backlog;
	}
}

static bool
list_conn(const struct tcp_engine *e, uint32_t index, struct tcp_listing *out)
{
	const struct tcp_conn *c = slab_at(&e->conns, index);

	if (c->flags & CONN_DEAD)
		return false;
	put_conn(e, c, out);
	return true;
}

static bool
list_folded(const struct tcp_engine *e, uint32_t index, struct tcp_listing *out)
{
	const struct tcp_folded *folded = slab_at(&e->folds.blocks, index);
	struct tcp_conn c;

	if ((folded->link & FOLD_USE) != FOLD_FIRST)
		return false;
	tcp_fold_look(e, folded, &c);
	put_conn(e, &c, out);
	return true;
}

static bool
list_request(const struct tcp_engine *e, uint32_t index, struct tcp_listing *out)
{
	const struct tcp_request *r = slab_at(&e->requests, index);

	if (r->listener == NULL || r->use != REQUEST_HALF_OPEN)
		return false;
	*out = (struct tcp_listing){
		.tuple = r->tuple,
		.state = TCP_SYN_RECEIVED,
		.timestamps = r->timestamps,
		.smc = r->smc,
		.ipv6 = (r->listener->c->flags & CONN_FAMILY6) != 0,
	};
	put_timer(e, out, TCP_LIST_TIMER_ON, r->timer.at_us, r->retries);
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
		.ipv6 = !ip_is4(&tw->tuple.local),
	};
	put_timer(e, out, TCP_LIST_TIMER_TIMEWAIT, tw->ends_us, 0);
	return true;
}

static bool
list_mute(const struct tcp_engine *e, uint32_t index, struct tcp_listing *out)
{
	const struct tcp_mute *m = slab_at(&e->mutes.slab, index);

	if (m->ends_us == 0)
		return false;
	*out = (struct tcp_listing){
		.tuple = m->tuple,
		.state = TCP_CLOSED,
		.orphan = true,
		.mute = true,
		.ipv6 = !ip_is4(&m->tuple.local),
	};
	put_timer(e, out, TCP_LIST_TIMER_MUTE, m->ends_us, 0);
	return true;
}

unsigned int
tcp_list(const struct tcp_engine *e, uint64_t *cursor, struct tcp_listing *listing, unsigned int n)
{
	static bool (*const list_one[PARTS])(const struct tcp_engine *, uint32_t,
					     struct tcp_listing *) = {
		[PART_CONNS] = list_conn,        [PART_REQUESTS] = list_request,
		[PART_TIMEWAIT] = list_timewait, [PART_MUTES] = list_mute,
		[PART_FOLDED] = list_folded,
	};
	const struct slab *const slabs[PARTS] = {&e->conns, &e->requests, &e->timewaits,
						 &e->mutes.slab, &e->folds.blocks};
	unsigned int part = (unsigned int)(*cursor >> 32), written = 0;
	uint32_t index = (uint32_t)*cursor;

	for (unsigned int looked = 0; part < PARTS && written < n && looked < LOOK_MAX; looked++) {
		if (index >= slabs[part]->carved) {
			part++;
			index = 0;
			continue;
		}
		written += list_one[part](e, index++, &listing[written]);
	}
	*cursor = part == PARTS ? TCP_LIST_END : (uint64_t)part << 32 | index;
	return written;
}

/* At a place of the walk, which goes through connections and then through blocks of folded ones. */
static struct tcp_conn *
walk_at(struct tcp_engine *e, uint64_t place)
{
	struct tcp_folded *folded;
	struct tcp_conn *c;

	if (place >= WALK_FOLDED) {
		folded = slab_at(&e->folds.blocks, (uint32_t)(place - WALK_FOLDED));
		return (folded->link & FOLD_USE) == FOLD_FIRST ? tcp_unfold(e, folded) : NULL;
	}
	c = slab_at(&e->conns, (uint32_t)place);
	if ((c->flags & CONN_DEAD) != 0 || c->state <= TCP_LISTEN ||
	    (tcp_user(c) == NULL && (c->flags & (CONN_ORPHAN | CONN_ACCEPTING)) == 0))
		return NULL;
	return c;
}

struct tcp_conn *
tcp_walk(struct tcp_engine *e, uint64_t *cursor)
{
	uint64_t place = *cursor;
	struct tcp_conn *c = NULL;

	for (unsigned int looked = 0; c == NULL && looked < LOOK_MAX; looked++) {
		if (place < WALK_FOLDED && place >= e->conns.carved)
			place = WALK_FOLDED;
		if (place >= WALK_FOLDED + e->folds.blocks.carved) {
			*cursor = TCP_LIST_END;
			return NULL;
		}
		c = walk_at(e, place++);
	}
	*cursor = place;
	if (place < e->conns.carved) /* the next one, while this one is looked at */
		tcp_checkpoint_prefetch(slab_at(&e->conns, (uint32_t)place));
	return c;
}

struct tcp_conn *
tcp_find(struct tcp_engine *e, const struct tcp_tuple *tuple)
{
	flow_t f = flow_lookup(&e->flows, tuple, flow_hash(&e->flows, tuple));

	if (flow_kind(f) == FLOW_FOLDED)
		return tcp_unfold(e, flow_object(f));
	return flow_kind(f) == FLOW_CONN || flow_kind(f) == FLOW_FROZEN ? flow_object(f) : NULL;
}

void
tcp_find_ahead(struct tcp_engine *e, const struct tcp_tuple **tuples, unsigned int n,
	       const struct tcp_conn **at)
{
	uint32_t hashes[TCP_FIND_AHEAD];
	flow_t found[TCP_FIND_AHEAD];

	static_assert((int)TCP_FIND_AHEAD <= (int)FLOW_BURST, "one look");
	for (unsigned int i = 0; i < n; i++)
		hashes[i] = flow_hash(&e->flows, tuples[i]);
	flow_lookup_bulk(&e->flows, tuples, hashes, n, found);
	for (unsigned int i = 0; i < n; i++)
		at[i] = flow_kind(found[i]) == FLOW_CONN || flow_kind(found[i]) == FLOW_FROZEN
				? flow_object(found[i])
				: NULL;
}

struct tcp_tuple
tcp_tuple_of(const struct tcp_conn *c)
{
	return c->tuple;
}
