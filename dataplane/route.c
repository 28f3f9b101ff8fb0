/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes: the on-link prefixes of our addresses, the longest first; then the configured gateway of
 * the family; for IPv6 without one, the default routers that advertised themselves (RFC 4861 §5.2,
 * §6.3.6).
 *
 * Left out: redirects, prefixes and routes from router advertisements (RFC 4191), source-specific
 * routes. Source addresses are chosen by a short form of RFC 6724: scope, then the next hop's
 * prefix.
 */
#include "dataplane/route.h"

#include <errno.h>

#include "dataplane/address.h"

static bool
find_on_link(const struct net *net, const struct ip_addr *to, struct route *route)
{
	for (unsigned int i = 0; i < net->n_addresses; i++) {
		const struct address *a = &net->addresses[net->by_prefix[i]];

		if (address_shares_prefix(&a->ip, to, a->prefix_len)) {
			route->port = a->port;
			return true;
		}
	}
	return false;
}

static bool
find_gateway(const struct net *net, bool ip4, struct route *route)
{
	for (uint16_t i = 0; i < net->n_ports; i++) {
		const struct port *port = &net->ports[i];
		const struct ip_addr *gateway = ip4 ? &port->gateway4 : &port->gateway6;

		if (ip_is_any(gateway))
			continue;
		route->next_hop = *gateway;
		route->port = i;
		return true;
	}
	return false;
}

/* A default router, one that is not known to be silent if there is such. */
static bool
find_router(const struct net *net, struct route *route)
{
	bool found = false;

	for (unsigned int i = 0; i < NET_ROUTERS; i++) {
		const struct router *r = &net->routers[i];
		const struct neighbour *n;

		if (r->until_us <= net->now_us)
			continue;
		n = neighbour_find(net, r->port, &r->ip);
		if (found && n != NULL && n->state == NEIGHBOUR_FAILED)
			continue;
		route->next_hop = r->ip;
		route->port = r->port;
		found = true;
		if (n == NULL || n->state != NEIGHBOUR_FAILED)
			break;
	}
	return found;
}

int
route_find(const struct net *net, const struct ip_addr *to, uint16_t port_hint, struct route *route)
{
	const struct own *own = own_find(net, to);

	*route = (struct route){.next_hop = *to};
	if (own_is_usable(net, own)) {
		route->port = net->addresses[own->address].port;
		route->local = true;
		return 0;
	}
	if (ip_is_link_local6(to)) {
		route->port = port_hint == NET_NO_PORT ? 0 : port_hint;
		return 0;
	}
	if (find_on_link(net, to, route) || find_gateway(net, ip_is4(to), route) ||
	    (!ip_is4(to) && find_router(net, route)))
		return 0;
	return -ENETUNREACH;
}

/* How well an address suits as the source; 0: not at all. */
static unsigned int
rank(const struct address *a, const struct ip_addr *to, const struct route *route)
{
	bool to_link_local = ip_is_link_local6(to);

	if (a->state != NET_ADDRESS_PREFERRED || ip_is4(&a->ip) != ip_is4(to))
		return 0;
	if (ip_is_link_local6(&a->ip))
		return to_link_local && a->port == route->port ? 500 : 0;
	if (a->port != route->port)
		return 1;
	if (!to_link_local && address_shares_prefix(&a->ip, &route->next_hop, a->prefix_len))
		return 3u + a->prefix_len;
	return 2;
}

const struct address *
route_source(const struct net *net, const struct ip_addr *to, const struct route *route)
{
	const struct address *best = NULL;
	unsigned int best_rank = 0;

	if (route->local)
		return &net->addresses[own_find(net, to)->address];
	for (unsigned int i = 0; i < net->n_addresses; i++) {
		unsigned int r = rank(&net->addresses[i], to, route);

		if (r > best_rank) {
			best_rank = r;
			best = &net->addresses[i];
		}
	}
	return best;
}

bool
route_is_on_link(const struct net *net, const struct ip_addr *ip, uint16_t port)
{
	if (ip_is_link_local6(ip) || route_is_gateway(net, ip, port))
		return true;
	for (unsigned int i = 0; i < net->n_addresses; i++)
		if (net->addresses[i].port == port &&
		    address_shares_prefix(&net->addresses[i].ip, ip, net->addresses[i].prefix_len))
			return true;
	return false;
}

bool
route_is_gateway(const struct net *net, const struct ip_addr *ip, uint16_t port)
{
	const struct port *p = &net->ports[port];

	if (ip_is_any(ip))
		return false;
	if (ip_eq(ip, &p->gateway4) || ip_eq(ip, &p->gateway6))
		return true;
	for (unsigned int i = 0; i < NET_ROUTERS; i++)
		if (net->routers[i].until_us > net->now_us && net->routers[i].port == port &&
		    ip_eq(&net->routers[i].ip, ip))
			return true;
	return false;
}

/* The slot of a router; else a free one; else, with a lifetime to store, none. */
static struct router *
router_slot(struct net *net, const struct ip_addr *ip, uint16_t port)
{
	struct router *free_slot = NULL;

	for (unsigned int i = 0; i < NET_ROUTERS; i++) {
		struct router *r = &net->routers[i];

		if (r->until_us <= net->now_us)
			r->until_us = 0;
		if (r->until_us != 0 && r->port == port && ip_eq(&r->ip, ip))
			return r;
		if (r->until_us == 0 && free_slot == NULL)
			free_slot = r;
	}
	return free_slot;
}

void
router_learn(struct net *net, const struct ip_addr *ip, uint16_t port, uint16_t lifetime_s)
{
	struct router *r;

	if (!ip_is_any(&net->ports[port].gateway6))
		return;
	r = router_slot(net, ip, port);
	if (r == NULL || (r->until_us == 0 && lifetime_s == 0))
		return;
	if (r->until_us == 0 || lifetime_s == 0) {
		NET_COUNT(net, routers_changed);
		net->paths_dirty = true;
	}
	r->ip = *ip;
	r->port = port;
	r->until_us = lifetime_s == 0 ? 0 : net->now_us + (uint64_t)lifetime_s * NET_SECOND_US;
	if (lifetime_s != 0)
		net_wake_at(net, r->until_us);
}

uint64_t
routers_advance(struct net *net)
{
	uint64_t due_us = UINT64_MAX;

	for (unsigned int i = 0; i < NET_ROUTERS; i++) {
		struct router *r = &net->routers[i];

		if (r->until_us == 0)
			continue;
		if (r->until_us > net->now_us) {
			due_us = RTE_MIN(due_us, r->until_us);
			continue;
		}
		r->until_us = 0;
		NET_COUNT(net, routers_changed);
		net->paths_dirty = true;
	}
	return due_us;
}
