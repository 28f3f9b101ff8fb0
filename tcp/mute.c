/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Silence for connections that are between two owners.
 *
 * A connection that was closed in repair lives on elsewhere, or will: to answer its peer, with a
 * reset, would kill it. So its 4-tuple stays in the flow table for a minute, and what arrives for
 * it is dropped and counted, until a connect() in repair takes it over. An engine that was started
 * for a restore does not know yet whose segments it hears: until its restores are done it drops all
 * that belong to nobody, but for SYNs.
 *
 * The table is bounded; when it is full the oldest entry gives way, counted. An entry keeps its
 * port known as one of ours (env.port), so that other engines hand its segments over rather than
 * answer them; it keeps nobody from binding to it.
 */
#include "engine.h"

bool
tcp_mute_make(struct tcp_engine *e)
{
	struct tcp_mutes *t = &e->mutes;
	size_t bytes = sizeof(struct tcp_mute) * e->config.max_mutes;

	TAILQ_INIT(&t->list);
	t->next_us = UINT64_MAX;
	slab_init(&t->slab, e->env.alloc(e->env.ctx, bytes, 64), sizeof(struct tcp_mute),
		  e->config.max_mutes);
	return t->slab.base != NULL;
}

static void
schedule(struct tcp_mutes *t)
{
	const struct tcp_mute *first = TAILQ_FIRST(&t->list);

	t->next_us = first != NULL ? first->ends_us : UINT64_MAX;
}

void
tcp_mute_free(struct tcp_engine *e, struct tcp_mute *m)
{
	flow_remove(&e->flows, &m->tuple, flow_hash(&e->flows, &m->tuple));
	tcp_hold_mute_release(e, m);
	TAILQ_REMOVE(&e->mutes.list, m, link);
	m->ends_us = 0; /* for who lists them */
	slab_put(&e->mutes.slab, m);
	schedule(&e->mutes);
}

static struct tcp_mute *
mute_get(struct tcp_engine *e)
{
	struct tcp_mute *m = slab_get(&e->mutes.slab);

	if (m != NULL)
		return m;
	TCP_COUNT(e, mutes_evicted);
	tcp_mute_free(e, TAILQ_FIRST(&e->mutes.list));
	return slab_get(&e->mutes.slab);
}

void
tcp_mute_enter(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;
	struct tcp_mute *m = mute_get(e);

	*m = (struct tcp_mute){.tuple = c->tuple, .ends_us = e->now_us + TCP_MUTE_US};
	tcp_hold_mute(e, m);
	TCP_COUNT(e, mutes);
	TAILQ_INSERT_TAIL(&e->mutes.list, m, link);
	schedule(&e->mutes);
	/* The entry is there already, so changing what it means cannot fail. */
	flow_set(&e->flows, &m->tuple, flow_hash(&e->flows, &m->tuple), flow_make(m, FLOW_MUTE));
	c->flags &= ~CONN_IN_FLOWS;
}

void
tcp_mute_advance(struct tcp_engine *e)
{
	struct tcp_mute *m;

	while ((m = TAILQ_FIRST(&e->mutes.list)) != NULL && m->ends_us <= e->now_us)
		tcp_mute_free(e, m);
}

bool
tcp_mute_awaits(const struct tcp_engine *e, const struct tcp_segment *seg)
{
	return e->mutes.restoring && (seg->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

void
tcp_set_restoring(struct tcp_engine *e, bool on)
{
	e->mutes.restoring = on;
}
