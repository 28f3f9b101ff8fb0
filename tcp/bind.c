/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets with an address of their own: bind(), listen(), and which listener a SYN is for. Who may
 * have which port is in ports.c.
 */
#include <errno.h>

#include "engine.h"

/* IPv4's any-address for a socket that speaks only IPv4. */
static int
check_family(const struct tcp_conn *c, struct tcp_endpoint *want)
{
	if ((c->flags & CONN_FAMILY6) == 0) {
		if (ip_is_any(&want->ip))
			want->ip = ip_from4(be32(0));
		return ip_is4(&want->ip) ? 0 : -EAFNOSUPPORT;
	}
	return ip_is4(&want->ip) && (c->flags & CONN_V6ONLY) ? -EINVAL : 0;
}

int
tcp_bind(struct tcp_conn *c, const struct tcp_endpoint *local)
{
	bool active = c->state != TCP_CLOSED || c->bound != NULL;
	bool is6 = (c->flags & CONN_FAMILY6) != 0;
	struct tcp_engine *e = c->engine;
	struct tcp_endpoint want = *local;
	int status;

	/* As Linux: an IPv6 socket's state is looked at before the address, an IPv4 one's after. */
	if (is6 && active)
		return -EINVAL;
	status = check_family(c, &want);
	if (status < 0)
		return status;
	if (!ip_is_any(&want.ip) && !c->freebind && !c->transparent &&
	    !e->env.is_local(e->env.ctx, &want.ip))
		return -EADDRNOTAVAIL;
	if (active)
		return -EINVAL;
	c->bind_ip = want.ip;
	if (want.port == 0 && c->bind_address_no_port)
		return 0;
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
	/* One that connects, or did, until connect() has told how it ended. */
	if (c->state != TCP_CLOSED || (c->flags & (CONN_ACTIVE | CONN_WAS_CONNECTED)))
		return -EINVAL;
	if (c->bound == NULL) {
		struct tcp_endpoint local = {.ip = c->bind_ip};

		if ((c->flags & CONN_FAMILY6) == 0 && ip_is_any(&local.ip))
			local.ip = ip_from4(be32(0));
		status = tcp_port_hold(c, &local);
		if (status < 0)
			return status;
	}
	if (tcp_port_conflicts(c, &c->bound->local)) {
		if (c->bound->chosen)
			tcp_port_release(c);
		return -EADDRINUSE;
	}
	c->bound->listening = true;
	c->bound->backlog = backlog;
	tcp_fastopen_listen(c);
	tcp_smc_listen(c);
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

	for (struct tcp_bound *b = *tcp_bounds_of(e, port); b != NULL; b = b->next) {
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
