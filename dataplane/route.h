/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes: on-link prefixes, gateways and default routers; and which source address goes with them.
 */
#ifndef TERN_DATAPLANE_ROUTE_H
#define TERN_DATAPLANE_ROUTE_H

#include "dataplane/net_impl.h"

struct route {
	struct ip_addr next_hop;
	uint16_t port;
	bool local; /* to ourselves */
};

/*
 * Finds the way to a unicast address. port_hint says where link-local addresses are, NET_NO_PORT:
 * on the first port. Returns 0 or -ENETUNREACH.
 */
int route_find(const struct net *net, const struct ip_addr *to, uint16_t port_hint,
	       struct route *route);

/*
 * The address to send from: of the next hop's prefix, else the first usable one of the family, the
 * port's own before others. Link-local ones only towards link-local `to`. NULL if there is none.
 */
const struct address *route_source(const struct net *net, const struct ip_addr *to,
				   const struct route *route);

/* Whether a neighbour at this address may exist on the port's link. */
bool route_is_on_link(const struct net *net, const struct ip_addr *ip, uint16_t port);

/* Whether this is the address of a gateway or default router of the port. */
bool route_is_gateway(const struct net *net, const struct ip_addr *ip, uint16_t port);

/* A router advertised that it is a default router for so long; 0: no more. */
void router_learn(struct net *net, const struct ip_addr *ip, uint16_t port, uint16_t lifetime_s);

/* Forgets routers whose lifetime is over. Returns when the next one's is. */
uint64_t routers_advance(struct net *net);

#endif
