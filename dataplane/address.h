/* SPDX-License-Identifier: BSD-3-Clause */
/* Our addresses: which there are, whether they may be used, and how others hear of them. */
#ifndef TERN_DATAPLANE_ADDRESS_H
#define TERN_DATAPLANE_ADDRESS_H

#include "dataplane/net_impl.h"

/* Takes over the ports' configured addresses and makes the link-local ones. Returns 0, -EINVAL. */
int addresses_create(struct net *net, const struct net_config *config);

/* Starts duplicate address detection and announcements on a port, or on all (NET_NO_PORT). */
void addresses_start(struct net *net, uint16_t port);

/* The link went down: what is tentative waits for it to come back. */
void addresses_stop(struct net *net, uint16_t port);

/* Lets timers fire that are due. Returns when the next one is. */
uint64_t addresses_advance(struct net *net);

/* Another station has this tentative address. */
void address_is_duplicate(struct net *net, struct address *a);

/* What an address is to us; NULL: nothing. */
const struct own *own_find(const struct net *net, const struct ip_addr *ip);

/* The address of ours, usable or not; NULL if it is not ours. */
struct address *address_find(struct net *net, const struct ip_addr *ip);

/* Whether the address is ours and in use. */
static inline bool
own_is_usable(const struct net *net, const struct own *own)
{
	return own != NULL && own->kind == OWN_UNICAST &&
	       net->addresses[own->address].state == NET_ADDRESS_PREFERRED;
}

/* The solicited-node multicast address of an IPv6 address (RFC 4291 §2.7.1). */
struct ip_addr address_solicited_node(const struct ip_addr *ip);

/* Whether both share their first `bits`; for IPv4 those of the IPv4 address. */
bool address_shares_prefix(const struct ip_addr *a, const struct ip_addr *b, uint8_t bits);

#endif
