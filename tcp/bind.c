/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local ports: which socket holds which, and how one is chosen for a connection that we open (RFC
 * 6056 §3.3.3: an offset that depends on the destination under a secret, and a counter).
 */
#include <errno.h>

#include "engine.h"

enum { TW_REUSE_US = 1000 * 1000 };

static struct tcp_bound **
bucket_of(struct tcp_engine *e, uint16_t port)
{
	return &e->bound_buckets[port % TCP_BOUND_BUCKETS];
}

/* Whether one packet could be for both. */
static bool
overlap(const struct tcp_bound *b, const struct tcp_endpoint *local, bool v6only)
{
	bool b_any = ip_is_any(&b->local.ip), any = ip_is_any(&local->ip);
	bool b4 = ip_is4(&b->local.ip), is4 = ip_is4(&local->ip);

	if (b4 != is4) {
		/* The any-address of IPv6 takes IPv4 in, unless it was told not to. */
		if (b4)
			return any && !v6only;
		return b_any && (b->c->flags & CONN_V6ONLY) == 0;
	}
	return b_any || any || ip_eq(&b->local.ip, &local->ip);
}

static bool
conflicts(struct tcp_engine *e, const struct tcp_conn *c, const struct tcp_endpoint *local,
	  bool listening)
{
	for (struct tcp_bound *b = *bucket_of(e, local->port); b != NULL; b = b->next) {
		bool shared = (c->flags & CONN_REUSEADDR) && (b->c->flags & CONN_REUSEADDR);
		bool port_shared = c->reuseport && b->c->reuseport;

		if (b->c == c || b->local.port != local->port ||
		    !overlap(b, local, (c->flags & CONN_V6ONLY) != 0))
			continue;
		if (!port_shared && (b->listening || (!listening && !shared)))
			return true;
	}
	return false;
}

static bool
is_held(struct tcp_engine *e, uint16_t port)
{
	for (const struct tcp_bound *b = *bucket_of(e, port); b != NULL; b = b->next)
		if (b->local.port == port)
			return true;
	return false;
}

static uint16_t
nth_port(uint32_t n)
{
	return (uint16_t)(TCP_PORT_FIRST + n % (TCP_PORT_LAST - TCP_PORT_FIRST + 1));
}

/* A port that nobody holds, or 0. */
static uint16_t
free_port(struct tcp_engine *e)
{
	uint32_t start;

	e->env.random(e->env.ctx, &start, sizeof(start));
	for (uint32_t i = 0; i <= TCP_PORT_LAST - TCP_PORT_FIRST; i++)
		if (!is_held(e, nth_port(start + i)))
			return nth_port(start + i);
	return 0;
}

int
tcp_port_hold(struct tcp_conn *c, const struct tcp_endpoint *local)
{
	struct tcp_engine *e = c->engine;
	struct tcp_endpoint want = *local;
	struct tcp_bound *b;

	if (want.port == 0)
		want.port = free_port(e);
	else if (conflicts(e, c, &want, false))
		return -EADDRINUSE;
	if (want.port == 0)
		return -EADDRINUSE;
	b = slab_get(&e->bounds);
	if (b == NULL)
		return -ENOBUFS;
	*b = (struct tcp_bound){.c = c, .local = want, .next = *bucket_of(e, want.port)};
	*bucket_of(e, want.port) = b;
	c->bound = b;
	return 0;
}

void
tcp_port_release(struct tcp_conn *c)
{
	struct tcp_bound *b = c->bound, **link;

	if (b == NULL)
		return;
	for (link = bucket_of(c->engine, b->local.port); *link != b; link = &(*link)->next)
		;
	*link = b->next;
	slab_put(&c->engine->bounds, b);
	c->bound = NULL;
}

/*
 * Takes a 4-tuple: 0 if no connection has it. With tw_reuse one in TIME-WAIT gives way after a
 * second, if both ends used timestamps: RFC 6191, as Linux's tcp_tw_reuse. Then 1, and sequence
 * numbers must begin beyond *iss_floor.
 */
static int
take_tuple(struct tcp_engine *e, const struct tcp_tuple *t, seq_t *iss_floor)
{
	flow_t flow = flow_lookup(&e->flows, t, flow_hash(&e->flows, t));
	struct tcp_timewait *tw = flow_object(flow);

	if (flow == 0)
		return 0;
	if (flow_kind(flow) != FLOW_TIMEWAIT || !e->config.tw_reuse || !tw->timestamps ||
	    e->now_us + (uint64_t)e->config.timewait_ms * 1000 < tw->ends_us + TW_REUSE_US)
		return -EADDRNOTAVAIL;
	*iss_floor = tw->snd_nxt + 65535 + 2;
	TCP_COUNT(e, timewait_reused);
	tcp_timewait_free(e, tw);
	return 1;
}

int
tcp_port_choose(struct tcp_conn *c, seq_t *iss_floor)
{
	struct tcp_engine *e = c->engine;
	struct tcp_tuple *t = &c->tuple;
	uint32_t offset;
	int status;

	if (c->bound != NULL) {
		t->lport = be16(c->bound->local.port);
		return take_tuple(e, t, iss_floor);
	}
	t->lport = be16(0);
	offset = tcp_port_offset(e, t) + e->port_next;
	for (uint32_t i = 0; i <= TCP_PORT_LAST - TCP_PORT_FIRST; i++) {
		uint16_t port = nth_port(offset + i);

		t->lport = be16(port);
		e->port_next++;
		if (is_held(e, port))
			continue;
		status = take_tuple(e, t, iss_floor);
		if (status >= 0)
			return status;
	}
	return -EADDRNOTAVAIL;
}

int
tcp_bind(struct tcp_conn *c, const struct tcp_endpoint *local)
{
	struct tcp_engine *e = c->engine;
	struct tcp_endpoint want = *local;

	if (c->state != TCP_CLOSED || c->bound != NULL)
		return -EINVAL;
	if ((c->flags & CONN_FAMILY6) == 0) {
		if (ip_is_any(&want.ip))
			want.ip = ip_from4(be32(0));
		if (!ip_is4(&want.ip))
			return -EAFNOSUPPORT;
	} else if (ip_is4(&want.ip) && (c->flags & CONN_V6ONLY)) {
		return -EINVAL;
	}
	if (!ip_is_any(&want.ip) && !e->env.is_local(e->env.ctx, &want.ip))
		return -EADDRNOTAVAIL;
	return tcp_port_hold(c, &want);
}

int
tcp_listen(struct tcp_conn *c, int backlog)
{
	struct tcp_engine *e = c->engine;
	int status;

	/* As Linux: a negative backlog is the largest. */
	if (backlog < 0 || backlog > 65535)
		backlog = 65535;
	if (c->state == TCP_LISTEN) {
		c->bound->backlog = backlog;
		return 0;
	}
	if (c->state != TCP_CLOSED || c->error != 0 || (c->flags & CONN_WAS_CONNECTED))
		return -EINVAL;
	if (c->bound == NULL) {
		struct tcp_endpoint any = {0};

		if ((c->flags & CONN_FAMILY6) == 0)
			any.ip = ip_from4(be32(0));
		status = tcp_port_hold(c, &any);
		if (status < 0)
			return status;
	}
	if (conflicts(e, c, &c->bound->local, true))
		return -EADDRINUSE;
	c->bound->listening = true;
	c->bound->backlog = backlog;
	c->state = TCP_LISTEN;
	e->listeners++;
	return 0;
}

/* Most specific first: an exact address before the any-address of its family, that before `::`. */
static int
match(const struct tcp_bound *b, const struct tcp_tuple *tuple)
{
	if (ip_eq(&b->local.ip, &tuple->local))
		return 3;
	if (!ip_is_any(&b->local.ip))
		return 0;
	if (ip_is4(&b->local.ip) == ip_is4(&tuple->local))
		return 2;
	return ip_is4(&tuple->local) && (b->c->flags & CONN_V6ONLY) == 0 ? 1 : 0;
}

struct tcp_bound *
tcp_listener_find(struct tcp_engine *e, const struct tcp_tuple *tuple)
{
	uint16_t port = be16_get(tuple->lport);
	struct tcp_bound *best = NULL;
	uint32_t hash = 0, equals = 0;
	int best_match = 0;

	for (struct tcp_bound *b = *bucket_of(e, port); b != NULL; b = b->next) {
		int m = b->listening && b->local.port == port ? match(b, tuple) : 0;

		if (m > best_match) {
			best = b;
			best_match = m;
			equals = 1;
		} else if (m > 0 && m == best_match) {
			/* SO_REUSEPORT: each takes its share, the same one for the same peer. */
			if (equals++ == 1)
				hash = flow_hash(&e->flows, tuple);
			hash = hash * 1664525 + 1013904223;
			if (((uint64_t)hash * equals) >> 32 == 0)
				best = b;
		}
	}
	return best;
}
