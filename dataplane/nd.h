/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour Discovery for IPv6: RFC 4861 and, for duplicate addresses, RFC 4862 and RFC 7527. */
#ifndef TERN_DATAPLANE_ND_H
#define TERN_DATAPLANE_ND_H

#include "dataplane/net_impl.h"

/* Takes a checked ICMPv6 packet of types 133...137. */
void nd_input(struct net *net, struct packet *p);

/* Asks for an address: by multicast, or of the station itself if `to` is not NULL. */
void nd_solicit(struct net *net, struct port *port, const struct ip_addr *ip,
		const struct rte_ether_addr *to);

/* Asks whether anybody has this tentative address of ours (RFC 4862 §5.4.2). */
void nd_probe_duplicate(struct net *net, const struct address *a);

/* Announces an address of ours to all nodes (RFC 4861 §7.2.6). */
void nd_announce(struct net *net, const struct address *a);

/* Starts asking for routers on a port; does nothing where a gateway is configured. */
void nd_seek_router(struct net *net, struct port *port);

/* Sends the router solicitations that are due. Returns when the next one is. */
uint64_t nd_advance(struct net *net);

/* A walk over the options of a message; the first two fields are set by the caller. */
struct nd_options {
	const uint8_t *at;
	const uint8_t *end;
	const uint8_t *source_link; /* found: 6 bytes each, NULL if absent */
	const uint8_t *target_link;
	const uint8_t *nonce;
};

/* Reads all options; false if one has length 0 or goes past the end. */
bool nd_options_read(struct nd_options *o);

#endif
