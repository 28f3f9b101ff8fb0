/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP for IPv4 over Ethernet: RFC 826, RFC 1122 §2.3.2, RFC 5227 §2.3 (announcements) and §2.4
 * (defence of an address).
 *
 * Nothing is believed of a packet whose sender is not the frame's source, or has an address that no
 * station on this link can have. An entry is made only for who asks for an address of ours;
 * everything else merely updates what is there.
 *
 * A sender with our MAC address is not taken for ourselves, for on a tap device the other end has
 * it too; a packet with our MAC and our IP address is what we sent.
 */
#include "dataplane/arp.h"

#include "dataplane/address.h"
#include "dataplane/route.h"

enum {
	DEFEND_US = 10 * NET_SECOND_US, /* DEFEND_INTERVAL */
};

/* Builds and sends a packet. */
static bool
send(struct net *net, struct port *port, uint16_t op, be32_t sender_ip,
     const struct rte_ether_addr *target_mac, be32_t target_ip, const struct rte_ether_addr *to)
{
	struct rte_mbuf *m = net_alloc(net, sizeof(struct arp_pkt));
	struct arp_pkt *arp;

	if (m == NULL)
		return false;
	arp = rte_pktmbuf_mtod(m, struct arp_pkt *);
	*arp = (struct arp_pkt){
		.hw_type = be16(ARP_HW_ETHERNET),
		.proto_type = be16(RTE_ETHER_TYPE_IPV4),
		.hw_len = RTE_ETHER_ADDR_LEN,
		.proto_len = sizeof(be32_t),
		.op = be16(op),
		.sender_ip = sender_ip,
		.target_ip = target_ip,
	};
	memcpy(arp->sender_mac, &port->mac, sizeof(arp->sender_mac));
	if (target_mac != NULL)
		memcpy(arp->target_mac, target_mac, sizeof(arp->target_mac));
	net_emit_to(net, port, to, RTE_ETHER_TYPE_ARP, m);
	return true;
}

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void
arp_solicit(struct net *net, struct port *port, const struct ip_addr *ip,
	    const struct rte_ether_addr *to)
{
	const struct route route = {.next_hop = *ip, .port = port->index};
	const struct address *source = route_source(net, ip, &route);

	if (source != NULL && send(net, port, ARP_REQUEST, ip_to4(&source->ip), NULL, ip_to4(ip),
				   to != NULL ? to : &broadcast))
		NET_COUNT(net, arp_requests_out);
}

void
arp_announce(struct net *net, const struct address *a)
{
	be32_t ip = ip_to4(&a->ip);

	if (send(net, &net->ports[a->port], ARP_REQUEST, ip, NULL, ip, &broadcast))
		NET_COUNT(net, arp_announcements_out);
}

/* Somebody uses our address: we keep it, and say so now and then (RFC 5227 §2.4 c). */
static void
conflict(struct net *net, struct address *a)
{
	NET_COUNT(net, arp_conflicts);
	if (net->now_us < a->defend_us)
		return;
	a->defend_us = net->now_us + DEFEND_US;
	arp_announce(net, a);
}

/* Whether the sender's address is one that a station on this link can have. */
static bool
sender_is_plausible(const struct net *net, const struct port *port, const struct ip_addr *sender)
{
	const struct own *own = own_find(net, sender);
	uint8_t first = ip_bytes(sender)[12];

	if (first == 0 || first == 127 || first >= 224)
		return false;
	return (own == NULL || own->kind == OWN_UNICAST) &&
	       route_is_on_link(net, sender, port->index);
}

/* The merge of RFC 826: what the packet says of its sender. */
static void
learn(struct net *net, const struct port *port, const struct ip_addr *sender,
      const struct rte_ether_addr *mac, bool asks_us, bool answers_us)
{
	const struct net_neighbour_news heard = {
		.ip = *sender,
		.mac = *mac,
		.port = port->index,
		.override = true,
		.solicited = answers_us,
	};

	neighbour_heard_here(net, &heard, asks_us);
}

/* Takes a packet whose form is right. */
static void
packet_input(struct net *net, struct port *port, const struct rte_ether_hdr *eth,
	     const struct arp_pkt *arp)
{
	struct ip_addr sender = ip_from4(arp->sender_ip), target = ip_from4(arp->target_ip);
	struct address *own_sender = address_find(net, &sender);
	const struct address *own_target = address_find(net, &target);
	bool request = be16_get(arp->op) == ARP_REQUEST, probe = be32_get(arp->sender_ip) == 0;
	bool to_us = own_target != NULL && own_target->port == port->index;

	if (own_sender != NULL) {
		if (rte_is_same_ether_addr(&eth->src_addr, &port->mac))
			NET_COUNT(net, arp_looped);
		else
			conflict(net, own_sender);
		return;
	}
	if (probe && !request) {
		NET_COUNT(net, drop_arp_sender);
		return;
	}
	if (!probe) {
		if (!sender_is_plausible(net, port, &sender)) {
			NET_COUNT(net, drop_arp_sender);
			return;
		}
		learn(net, port, &sender, &eth->src_addr, request && to_us,
		      !request && to_us && rte_is_same_ether_addr(&eth->dst_addr, &port->mac));
	}
	if (!request)
		return;
	if (!to_us)
		NET_COUNT(net, arp_not_ours);
	else if (send(net, port, ARP_REPLY, arp->target_ip, &eth->src_addr, arp->sender_ip,
		      &eth->src_addr))
		NET_COUNT(net, arp_replies_out);
}

void
arp_input(struct net *net, struct port *port, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth;
	const struct arp_pkt *arp;

	NET_COUNT(net, arp_in);
	if (rte_pktmbuf_pkt_len(m) < sizeof(*eth) + sizeof(*arp)) {
		NET_DROP(net, m, drop_arp_short);
		return;
	}
	m = net_pull(net, m, sizeof(*eth) + sizeof(*arp));
	if (m == NULL)
		return;
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	arp = (const struct arp_pkt *)(eth + 1);
	if (be16_get(arp->hw_type) != ARP_HW_ETHERNET ||
	    be16_get(arp->proto_type) != RTE_ETHER_TYPE_IPV4 || arp->hw_len != RTE_ETHER_ADDR_LEN ||
	    arp->proto_len != sizeof(be32_t) ||
	    (be16_get(arp->op) != ARP_REQUEST && be16_get(arp->op) != ARP_REPLY))
		NET_COUNT(net, drop_arp_format);
	else if (rte_is_multicast_ether_addr(&eth->dst_addr) &&
		 !rte_is_broadcast_ether_addr(&eth->dst_addr))
		NET_COUNT(net, drop_arp_group);
	else if (memcmp(arp->sender_mac, &eth->src_addr, sizeof(arp->sender_mac)) != 0)
		NET_COUNT(net, drop_arp_sender);
	else
		packet_input(net, port, eth, arp);
	rte_pktmbuf_free(m);
}
