/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local ports: who holds which, who may have one besides, and how one is chosen (RFC 6056 §3.3.3:
 * an offset that depends on the destination under a secret, and a counter).
 *
 * A port is held in two ways. A socket that was bound, or listens, has a struct tcp_bound of its
 * own. Connections that were accepted, or got their port by connecting, and those in TIME-WAIT,
 * have a share in a struct tcp_hold: one for all that are alike in what a newcomer asks of them.
 * So a busy server's port costs one, and a bind() need not walk a million connections.
 *
 * The rules are Linux's: two whose addresses overlap may have one port if both say SO_REUSEADDR
 * and the one that was there first does not listen, or if both say SO_REUSEPORT and belong to the
 * same user. A port that the engine chooses for bind() or listen() is one where nothing overlaps;
 * one for connect() is one where no socket was bound, and only the 4-tuple must be new. Where
 * several engines share an address it is also one whose answers come to this engine (RFC 6056's
 * counter goes on to it); only if none of all ports is, another, which tcp_env.port is told of.
 * Which ports a user may have in this engine, tcp_env.may_hold says. A listener may be one of
 * several, in each engine one (tcp_found_everywhere()): who binds then asks the others, too, what
 * they hold of the port (tcp_may_bind()).
 */
#include <errno.h>

#include "engine.h"

enum {
	TW_REUSE_US = 1000 * 1000,

	/* kinds of a holder */
	HOLD_REUSEADDR = 1 << 0,
	HOLD_REUSEPORT = 1 << 1,
	HOLD_V6ONLY = 1 << 2,
	HOLD_AUTOBOUND = 1 << 3, /* connect() chose the port */
	HOLD_TIMEWAIT = 1 << 4,  /* whose it was does not matter any more */
	HOLD_LISTENS = 1 << 5,
	HOLD_MUTE = 1 << 6,  /* of a connection that was moved away: in nobody's way */
	HOLD_LANDS = 1 << 7, /* its packets come here: nobody need be told whose they are */
};

/* One who has a port, or wants one. */
struct holder {
	struct ip_addr ip;
	uint32_t uid;
	uint8_t kind; /* HOLD_… */
};

static uint8_t
kind_of(const struct tcp_conn *c)
{
	return (uint8_t)((c->flags & CONN_REUSEADDR ? HOLD_REUSEADDR : 0) |
			 (c->reuseport ? HOLD_REUSEPORT : 0) |
			 (c->flags & CONN_V6ONLY ? HOLD_V6ONLY : 0));
}

static bool
is_any6(const struct ip_addr *a)
{
	return ip_is_any(a) && !ip_is4(a);
}

/* Whether one packet could be for both: IPv6's any-address takes IPv4 in, unless IPV6_V6ONLY. */
static bool
overlap(const struct holder *is, const struct holder *wants)
{
	bool is4 = ip_is4(&is->ip), wants4 = ip_is4(&wants->ip);

	if (is4 && wants4)
		return ip_is_any(&is->ip) || ip_is_any(&wants->ip) || ip_eq(&is->ip, &wants->ip);
	if (is_any6(&is->ip) && is_any6(&wants->ip))
		return true;
	if (is_any6(&is->ip) && !((is->kind & HOLD_V6ONLY) && wants4))
		return true;
	if (is_any6(&wants->ip) && !((wants->kind & HOLD_V6ONLY) && is4))
		return true;
	return ip_eq(&is->ip, &wants->ip);
}

/* Whether they do not mind. */
static bool
may_share(const struct holder *is, const struct holder *wants)
{
	uint8_t both = is->kind & wants->kind;

	if ((both & HOLD_REUSEADDR) && (is->kind & HOLD_LISTENS) == 0)
		return true;
	return (both & HOLD_REUSEPORT) && ((is->kind & HOLD_TIMEWAIT) || is->uid == wants->uid);
}

static struct tcp_hold **
holds_of(struct tcp_engine *e, uint16_t port)
{
	return &e->hold_buckets[port % TCP_HOLD_BUCKETS];
}

/* The address that a bound socket has: once connected it is an exact one. */
static struct holder
holder_of(const struct tcp_bound *b)
{
	uint8_t listens = b->listening ? HOLD_LISTENS : 0;

	return (struct holder){
		.ip = b->c->flags & CONN_IN_FLOWS ? b->c->tuple.local : b->local.ip,
		.uid = b->c->uid,
		.kind = kind_of(b->c) | listens,
	};
}

/* Whether somebody other than c is in the way of who wants a port; `alone`: anybody. */
static bool
is_taken(struct tcp_engine *e, const struct tcp_conn *c, uint16_t port, const struct holder *wants,
	 bool alone)
{
	for (struct tcp_bound *b = *tcp_bounds_of(e, port); b != NULL; b = b->next) {
		struct holder is = holder_of(b);

		if (b->c != c && b->local.port == port && overlap(&is, wants) &&
		    (alone || !may_share(&is, wants)))
			return true;
	}
	for (struct tcp_hold *h = *holds_of(e, port); h != NULL; h = h->next) {
		struct holder is = {h->ip, h->uid, h->kind};

		if (h->port == port && (h->kind & HOLD_MUTE) == 0 && overlap(&is, wants) &&
		    (alone || !may_share(&is, wants)))
			return true;
	}
	return false;
}

/* Whether c may not have this address and port; `alone`: with nobody. */
static bool
conflicts(struct tcp_conn *c, const struct tcp_endpoint *local, bool alone)
{
	const struct holder wants = {local->ip, c->uid, kind_of(c)};

	return is_taken(c->engine, c, local->port, &wants, alone);
}

void
tcp_bound_as_chosen(struct tcp_conn *c)
{
	c->bound->chosen = true;
}

void
tcp_bound_as(const struct tcp_conn *c, struct tcp_bound_as *as)
{
	*as = (struct tcp_bound_as){.local = {.ip = c->bind_ip}};
	if (c->bound != NULL)
		*as = (struct tcp_bound_as){c->bound->local, c->bound->chosen, kind_of(c)};
}

int
tcp_may_bind(struct tcp_engine *e, const struct tcp_bound_as *as, uint32_t uid)
{
	const uint8_t kinds = HOLD_REUSEADDR | HOLD_REUSEPORT | HOLD_V6ONLY;
	const struct holder wants = {as->local.ip, uid, as->kind & kinds};

	return is_taken(e, NULL, as->local.port, &wants, as->chosen) ? -EADDRINUSE : 0;
}

/* ---- whether anybody has it */

/* But for those whose packets find here by themselves. */
static bool
is_in_use(struct tcp_engine *e, uint16_t port)
{
	for (const struct tcp_bound *b = *tcp_bounds_of(e, port); b != NULL; b = b->next)
		if (b->local.port == port && !b->everywhere)
			return true;
	for (const struct tcp_hold *h = *holds_of(e, port); h != NULL; h = h->next)
		if (h->port == port && (h->kind & HOLD_LANDS) == 0)
			return true;
	return false;
}

/* A holder is about to come; the first one is told of. */
static void
tell_taken(struct tcp_engine *e, uint16_t port, uint8_t kind)
{
	if (e->env.port != NULL && (kind & HOLD_LANDS) == 0 && !is_in_use(e, port))
		e->env.port(e->env.ctx, port, true);
}

/* A holder has gone; the last one is told of. */
static void
tell_free(struct tcp_engine *e, uint16_t port, uint8_t kind)
{
	if (e->env.port != NULL && (kind & HOLD_LANDS) == 0 && !is_in_use(e, port))
		e->env.port(e->env.ctx, port, false);
}

/* Whether its user may have it here, where several engines share our addresses. */
static bool
may_hold(const struct tcp_conn *c, uint16_t port, bool chosen)
{
	const struct tcp_env *env = &c->engine->env;

	return env->may_hold == NULL || env->may_hold(env->ctx, c->user, port, chosen);
}

bool
tcp_port_conflicts(struct tcp_conn *c, const struct tcp_endpoint *local)
{
	return conflicts(c, local, false);
}

/* ---- shares */

/* Takes one for this tuple; there is always memory for it. */
static struct tcp_hold *
hold_get(struct tcp_engine *e, const struct tcp_tuple *t, uint32_t uid, uint8_t kind)
{
	uint16_t port = be16_get(t->lport);
	struct tcp_hold *h;

	for (h = *holds_of(e, port); h != NULL; h = h->next)
		if (h->port == port && h->kind == kind && h->uid == uid &&
		    ip_eq(&h->ip, &t->local)) {
			h->shares++;
			return h;
		}
	tell_taken(e, port, kind);
	h = slab_get(&e->holds);
	assert(h != NULL);
	*h = (struct tcp_hold){*holds_of(e, port), t->local, uid, 1, port, kind};
	*holds_of(e, port) = h;
	return h;
}

static void
hold_put(struct tcp_engine *e, struct tcp_hold *h)
{
	struct tcp_hold **link;
	uint16_t port = h->port;
	uint8_t kind = h->kind;

	if (--h->shares > 0)
		return;
	for (link = holds_of(e, h->port); *link != h; link = &(*link)->next)
		;
	*link = h->next;
	slab_put(&e->holds, h);
	tell_free(e, port, kind);
}

static bool
lands_here(const struct tcp_engine *e, const struct tcp_tuple *t)
{
	return e->env.lands_here == NULL || e->env.lands_here(e->env.ctx, t);
}

/* Whether packets come here by themselves, where there are other engines. */
static uint8_t
lands_of(const struct tcp_engine *e, const struct tcp_tuple *t)
{
	return e->env.lands_here != NULL && lands_here(e, t) ? HOLD_LANDS : 0;
}

/* What its port is to others: connect() chose it, or a listener's child has it. */
static uint8_t
found_as(const struct tcp_conn *c)
{
	uint8_t chosen = c->bound == NULL && (c->flags & CONN_ACTIVE) ? HOLD_AUTOBOUND : 0;

	if (c->hold != NULL)
		return chosen | (c->hold->kind & HOLD_LANDS);
	return chosen | lands_of(c->engine, &c->tuple);
}

void
tcp_hold_take(struct tcp_conn *c)
{
	assert(c->hold == NULL);
	if (c->bound == NULL)
		c->hold = hold_get(c->engine, &c->tuple, c->uid, kind_of(c) | found_as(c));
}

void
tcp_hold_release(struct tcp_conn *c)
{
	if (c->hold != NULL)
		hold_put(c->engine, c->hold);
	c->hold = NULL;
}

void
tcp_hold_changed(struct tcp_conn *c)
{
	struct tcp_hold *before = c->hold;

	if (before == NULL)
		return;
	c->hold = NULL;
	tcp_hold_take(c);
	hold_put(c->engine, before); /* after: the port is never free meanwhile */
}

void
tcp_hold_timewait(struct tcp_conn *c, struct tcp_timewait *tw)
{
	tw->hold = hold_get(c->engine, &tw->tuple, 0, kind_of(c) | HOLD_TIMEWAIT | found_as(c));
}

void
tcp_hold_timewait_release(struct tcp_engine *e, struct tcp_timewait *tw)
{
	hold_put(e, tw->hold);
}

void
tcp_hold_mute(struct tcp_engine *e, struct tcp_mute *m)
{
	m->hold = hold_get(e, &m->tuple, 0, HOLD_MUTE | lands_of(e, &m->tuple));
}

void
tcp_hold_mute_release(struct tcp_engine *e, struct tcp_mute *m)
{
	hold_put(e, m->hold);
}

/* ---- choosing */

struct range {
	uint32_t first, ports;
};

/* As far as IP_LOCAL_PORT_RANGE lies inside what is chosen from, it narrows it. */
static struct range
range_of(const struct tcp_conn *c)
{
	uint32_t low = TCP_PORT_FIRST, high = TCP_PORT_LAST;
	uint32_t user_low = c->port_range & 0xffff, user_high = c->port_range >> 16;

	if (user_low >= low && user_low <= high)
		low = user_low;
	if (user_high >= low && user_high <= high)
		high = user_high;
	return (struct range){low, high - low + 1};
}

static uint16_t
nth_port(const struct range *r, uint32_t n)
{
	return (uint16_t)(r->first + n % r->ports);
}

/* A port where nobody is in the way of this address, or 0. */
static uint16_t
free_port(struct tcp_conn *c, const struct ip_addr *ip)
{
	const struct range r = range_of(c);
	struct tcp_engine *e = c->engine;
	uint32_t start;

	e->env.random(e->env.ctx, &start, sizeof(start));
	for (uint32_t i = 0; i < r.ports; i++) {
		struct tcp_endpoint local = {*ip, nth_port(&r, start % r.ports + i)};

		if (may_hold(c, local.port, true) && !conflicts(c, &local, true))
			return local.port;
	}
	return 0;
}

int
tcp_port_hold(struct tcp_conn *c, const struct tcp_endpoint *local)
{
	struct tcp_engine *e = c->engine;
	struct tcp_endpoint want = *local;
	struct tcp_bound *b;

	if (want.port == 0)
		want.port = free_port(c, &want.ip);
	else if (!may_hold(c, want.port, false))
		return -EXDEV;
	else if (!c->frozen && conflicts(c, &want, false))
		return -EADDRINUSE;
	if (want.port == 0)
		return -EADDRINUSE;
	b = slab_get(&e->bounds);
	if (b == NULL)
		return -ENOBUFS;
	tell_taken(e, want.port, 0);
	*b = (struct tcp_bound){.c = c,
				.local = want,
				.chosen = local->port == 0,
				.next = *tcp_bounds_of(e, want.port)};
	*tcp_bounds_of(e, want.port) = b;
	c->bound = b;
	return 0;
}

void
tcp_port_release(struct tcp_conn *c)
{
	struct tcp_bound *b = c->bound, **link;
	uint8_t kind;
	uint16_t port;

	if (b == NULL)
		return;
	kind = b->everywhere ? HOLD_LANDS : 0;
	port = b->local.port;
	for (link = tcp_bounds_of(c->engine, b->local.port); *link != b; link = &(*link)->next)
		;
	*link = b->next;
	slab_put(&c->engine->bounds, b);
	c->bound = NULL;
	tell_free(c->engine, port, kind);
}

void
tcp_found_everywhere(struct tcp_conn *c, bool everywhere)
{
	struct tcp_bound *b = c->bound;

	if (b == NULL || b->everywhere == everywhere)
		return;
	if (!everywhere)
		tell_taken(c->engine, b->local.port, 0);
	b->everywhere = everywhere;
	if (everywhere)
		tell_free(c->engine, b->local.port, 0);
}

void
tcp_port_ended(struct tcp_conn *c)
{
	tcp_hold_release(c);
	if (c->bound != NULL && c->bound->chosen)
		tcp_port_release(c);
}

/*
 * Takes a 4-tuple: 0 if no connection has it. With tw_reuse one in TIME-WAIT gives way after a
 * second, if both ends used timestamps: RFC 6191, as Linux's tcp_tw_reuse. Then 1, and sequence
 * numbers must begin beyond *iss_floor. A mute one gives way to who repairs, or has and now sends
 * its SYN again: it is he who was meant.
 */
static int
take_tuple(struct tcp_conn *c, const struct tcp_tuple *t, seq_t *iss_floor)
{
	struct tcp_engine *e = c->engine;
	flow_t flow = flow_lookup(&e->flows, t, flow_hash(&e->flows, t));
	struct tcp_timewait *tw = flow_object(flow);

	if (flow == 0)
		return 0;
	if (flow_kind(flow) == FLOW_MUTE && (c->frozen || c->repair.snd_seq_set)) {
		tcp_mute_free(e, flow_object(flow));
		return 0;
	}
	if (flow_kind(flow) != FLOW_TIMEWAIT || !e->config.tw_reuse || !tw->timestamps ||
	    e->now_us + (uint64_t)e->config.timewait_ms * 1000 < tw->ends_us + TW_REUSE_US)
		return -EADDRNOTAVAIL;
	*iss_floor = tw->snd_nxt + 65535 + 2;
	TCP_COUNT(e, timewait_reused);
	tcp_timewait_free(e, tw);
	return 1;
}

int
tcp_port_take_tuple(struct tcp_conn *c)
{
	seq_t ignored;

	return RTE_MIN(take_tuple(c, &c->tuple, &ignored), 0);
}

/* Whether only connections have it whose ports were chosen as this one is. */
static bool
is_for_connecting(struct tcp_engine *e, uint16_t port)
{
	for (const struct tcp_bound *b = *tcp_bounds_of(e, port); b != NULL; b = b->next)
		if (b->local.port == port)
			return false;
	for (const struct tcp_hold *h = *holds_of(e, port); h != NULL; h = h->next)
		if (h->port == port && (h->kind & (HOLD_AUTOBOUND | HOLD_MUTE)) == 0)
			return false;
	return true;
}

/* The next port of the range that is free, `here`: and lands here. -EADDRNOTAVAIL: none is. */
static int
choose(struct tcp_conn *c, const struct range *r, uint32_t offset, bool here, seq_t *iss_floor)
{
	struct tcp_engine *e = c->engine;
	struct tcp_tuple *t = &c->tuple;
	int status;

	for (uint32_t i = 0; i < r->ports; i++) {
		uint16_t port = nth_port(r, offset + i);

		e->port_next++;
		t->lport = be16(port);
		if (!may_hold(c, port, true) || lands_here(e, t) != here ||
		    !is_for_connecting(e, port))
			continue;
		status = take_tuple(c, t, iss_floor);
		if (status >= 0)
			return status;
	}
	return -EADDRNOTAVAIL;
}

int
tcp_port_choose(struct tcp_conn *c, seq_t *iss_floor)
{
	const struct range r = range_of(c);
	struct tcp_engine *e = c->engine;
	struct tcp_tuple *t = &c->tuple;
	uint32_t offset;
	int status;

	if (c->bound != NULL) {
		t->lport = be16(c->bound->local.port);
		return take_tuple(c, t, iss_floor);
	}
	t->lport = be16(0);
	offset = (tcp_port_offset(e, t) + e->port_next) % r.ports;
	status = choose(c, &r, offset, true, iss_floor);
	if (status == -EADDRNOTAVAIL && e->env.lands_here != NULL)
		status = choose(c, &r, offset, false, iss_floor);
	return status;
}
