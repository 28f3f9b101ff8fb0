/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP for IPv4 over Ethernet, RFC 826, and conflict detection, RFC 5227. */
#ifndef TERN_DATAPLANE_ARP_H
#define TERN_DATAPLANE_ARP_H

#include "dataplane/net_impl.h"

/* Takes a frame whose data starts at its Ethernet header. */
void arp_input(struct net *net, struct port *port, struct rte_mbuf *m);

/* Asks for an address: by broadcast, or of the station itself if `to` is not NULL. */
void arp_solicit(struct net *net, struct port *port, const struct ip_addr *ip,
		 const struct rte_ether_addr *to);

/* Announces an address of ours (RFC 5227 §2.3). */
void arp_announce(struct net *net, const struct address *a);

#endif
