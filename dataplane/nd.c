/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour Discovery for IPv6: solicitations and advertisements of neighbours (RFC 4861 §7), our
 * side of duplicate address detection (RFC 4862 §5.4, RFC 7527), and default routers (RFC 4861
 * §6.3).
 *
 * Our own solicitation for a tentative address, come back over a looped link, is known by its
 * nonce, and by nothing else: on a tap device the other end has our MAC address.
 *
 * Invariants: no message is believed that came through a router (hop limit), in fragments (RFC
 * 6980), or with an option of length 0; an entry is made only for who solicits an address of ours
 * and for routers that we want.
 *
 * Left out: redirects, prefix and MTU options, parameters in router advertisements, proxies,
 * anycast.
 */
#include "dataplane/nd.h"

#include "dataplane/address.h"
#include "dataplane/icmp.h"
#include "dataplane/route.h"

enum {
	ND_HOP_LIMIT = 255,
	RS_COUNT = 3,                       /* MAX_RTR_SOLICITATIONS */
	RS_INTERVAL_US = 4 * NET_SECOND_US, /* RTR_SOLICITATION_INTERVAL */
	LINK_OPTION_BYTES = 8,
	NONCE_OPTION_BYTES = 8,
};

static const struct ip_addr all_nodes = {{RTE_BE32(0xff020000), 0, 0, RTE_BE32(1)}};
static const struct ip_addr all_routers = {{RTE_BE32(0xff020000), 0, 0, RTE_BE32(2)}};
static const struct ip_addr unspecified;

bool
nd_options_read(struct nd_options *o)
{
	while (o->end - o->at >= (ptrdiff_t)sizeof(struct nd_option)) {
		const struct nd_option *option = (const void *)o->at;
		const uint8_t *value = o->at + sizeof(*option);
		ptrdiff_t bytes = option->len * 8;

		if (bytes == 0 || bytes > o->end - o->at)
			return false;
		if (option->type == ND_OPT_SOURCE_LINK && option->len == 1)
			o->source_link = value;
		else if (option->type == ND_OPT_TARGET_LINK && option->len == 1)
			o->target_link = value;
		else if (option->type == ND_OPT_NONCE && option->len == 1)
			o->nonce = value;
		o->at += bytes;
	}
	return o->at == o->end;
}

/* ---- What we say */

static uint8_t *
option_put(uint8_t *at, uint8_t type, const void *value)
{
	at[0] = type;
	at[1] = 1;
	memcpy(at + 2, value, 6);
	return at + 8;
}

/* Completes a message that lies behind room for the IPv6 header, and sends it. */
static void
send(struct net *net, struct port *port, struct rte_mbuf *m, const struct ip_addr *src,
     const struct ip_addr *dst, const struct rte_ether_addr *to)
{
	uint32_t bytes = rte_pktmbuf_pkt_len(m) - (uint32_t)sizeof(struct ip6_header);
	struct icmp_header *icmp =
		rte_pktmbuf_mtod_offset(m, struct icmp_header *, sizeof(struct ip6_header));

	ip6_build(m, IP_PROTO_ICMP6, ip_bytes(src), ip_bytes(dst), ND_HOP_LIMIT);
	icmp->cksum.raw = cksum_packet(m, sizeof(struct ip6_header),
				       cksum_pseudo6(ip_bytes(src), ip_bytes(dst), bytes));
	net_emit_to(net, port, to, RTE_ETHER_TYPE_IPV6, m);
}

/* A message with room for the IPv6 header before it and `options` bytes behind; NULL: no memory. */
static void *
message(struct net *net, struct rte_mbuf **m, uint16_t bytes, uint16_t options, uint8_t type,
	uint32_t rest)
{
	struct icmp_header *icmp;

	*m = net_alloc(net, (uint16_t)(sizeof(struct ip6_header) + bytes + options));
	if (*m == NULL)
		return NULL;
	icmp = rte_pktmbuf_mtod_offset(*m, struct icmp_header *, sizeof(struct ip6_header));
	memset(icmp, 0, bytes);
	icmp->type = type;
	icmp->rest = be32(rest);
	return icmp;
}

void
nd_solicit(struct net *net, struct port *port, const struct ip_addr *ip,
	   const struct rte_ether_addr *to)
{
	const struct route route = {.next_hop = *ip, .port = port->index};
	const struct address *source = route_source(net, ip, &route);
	struct ip_addr dst = to != NULL ? *ip : address_solicited_node(ip);
	struct rte_ether_addr group = net_group_mac(&dst);
	struct nd_neighbour *ns;
	struct rte_mbuf *m;

	/* Without a source it would be taken for duplicate address detection. */
	if (source == NULL)
		return;
	ns = message(net, &m, sizeof(*ns), LINK_OPTION_BYTES, ICMP6_NEIGHBOUR_SOLICITATION, 0);
	if (ns == NULL)
		return;
	memcpy(ns->target, ip, sizeof(ns->target));
	option_put((uint8_t *)(ns + 1), ND_OPT_SOURCE_LINK, &port->mac);
	NET_COUNT(net, nd_solicitations_out);
	send(net, port, m, &source->ip, &dst, to != NULL ? to : &group);
}

void
nd_probe_duplicate(struct net *net, const struct address *a)
{
	struct ip_addr dst = address_solicited_node(&a->ip);
	struct rte_ether_addr group = net_group_mac(&dst);
	struct nd_neighbour *ns;
	struct rte_mbuf *m;

	ns = message(net, &m, sizeof(*ns), NONCE_OPTION_BYTES, ICMP6_NEIGHBOUR_SOLICITATION, 0);
	if (ns == NULL)
		return;
	memcpy(ns->target, &a->ip, sizeof(ns->target));
	option_put((uint8_t *)(ns + 1), ND_OPT_NONCE, a->nonce);
	NET_COUNT(net, nd_solicitations_out);
	send(net, &net->ports[a->port], m, &unspecified, &dst, &group);
}

static void
advertise(struct net *net, const struct address *a, const struct ip_addr *dst,
	  const struct rte_ether_addr *to, uint32_t flags)
{
	struct port *port = &net->ports[a->port];
	struct nd_neighbour *na;
	struct rte_mbuf *m;

	na = message(net, &m, sizeof(*na), LINK_OPTION_BYTES, ICMP6_NEIGHBOUR_ADVERTISEMENT, flags);
	if (na == NULL)
		return;
	memcpy(na->target, &a->ip, sizeof(na->target));
	option_put((uint8_t *)(na + 1), ND_OPT_TARGET_LINK, &port->mac);
	NET_COUNT(net, nd_advertisements_out);
	send(net, port, m, &a->ip, dst, to);
}

void
nd_announce(struct net *net, const struct address *a)
{
	struct rte_ether_addr group = net_group_mac(&all_nodes);

	advertise(net, a, &all_nodes, &group, ND_OVERRIDE);
}

void
nd_seek_router(struct net *net, struct port *port)
{
	if (!net->announce || !ip_is_any(&port->gateway6))
		return;
	port->rs_left = RS_COUNT;
	port->rs_due_us = net->now_us;
	net_wake_at(net, net->now_us);
}

static void
solicit_router(struct net *net, struct port *port)
{
	const struct route route = {.next_hop = all_routers, .port = port->index};
	struct ip_addr link_local = {{RTE_BE32(0xfe800000)}};
	const struct address *source = route_source(net, &link_local, &route);
	bool is_link_local = source != NULL && ip_is_link_local6(&source->ip);
	struct rte_ether_addr group = net_group_mac(&all_routers);
	struct icmp_header *rs;
	struct rte_mbuf *m;

	rs = message(net, &m, sizeof(*rs), is_link_local ? LINK_OPTION_BYTES : 0,
		     ICMP6_ROUTER_SOLICITATION, 0);
	if (rs == NULL)
		return;
	if (is_link_local)
		option_put((uint8_t *)(rs + 1), ND_OPT_SOURCE_LINK, &port->mac);
	NET_COUNT(net, nd_router_solicitations_out);
	send(net, port, m, is_link_local ? &source->ip : &unspecified, &all_routers, &group);
}

uint64_t
nd_advance(struct net *net)
{
	uint64_t due_us = UINT64_MAX;

	for (uint16_t i = 0; i < net->n_ports; i++) {
		struct port *port = &net->ports[i];

		if (port->rs_due_us <= net->now_us) {
			solicit_router(net, port);
			port->rs_due_us =
				--port->rs_left > 0 ? net->now_us + RS_INTERVAL_US : UINT64_MAX;
		}
		due_us = RTE_MIN(due_us, port->rs_due_us);
	}
	return due_us;
}

/* ---- What we hear */

/* A message under examination. */
struct heard {
	struct port *port;
	struct ip_addr src;
	struct ip_addr dst;
	const struct icmp_header *icmp;
	struct nd_options options;
};

/* A link-layer address from an option; false if it is none that a station can have. */
static bool
link_address(const uint8_t *option, struct rte_ether_addr *mac)
{
	if (option == NULL)
		return false;
	memcpy(mac, option, sizeof(*mac));
	return rte_is_valid_assigned_ether_addr(mac);
}

/* Somebody asks whether a tentative address of ours is taken, or tells us that it is. */
static void
tentative_solicited(struct net *net, struct address *a, const struct heard *h)
{
	if (!ip_is_any(&h->src))
		return; /* it wants to talk to the address's owner, which we are not yet */
	if (a->step == ADDRESS_PROBING && h->options.nonce != NULL &&
	    memcmp(h->options.nonce, a->nonce, sizeof(a->nonce)) == 0)
		NET_COUNT(net, nd_looped);
	else
		address_is_duplicate(net, a);
}

/* Answers a solicitation for an address in use (RFC 4861 §7.2.4). */
static void
answer(struct net *net, const struct address *a, const struct heard *h)
{
	struct net_neighbour_news heard = {.ip = h->src, .port = h->port->index, .override = true};
	struct neighbour *n;

	if (ip_is_any(&h->src)) {
		nd_announce(net, a);
		return;
	}
	if (!route_is_on_link(net, &h->src, h->port->index)) {
		NET_COUNT(net, drop_nd_format);
		return;
	}
	if (link_address(h->options.source_link, &heard.mac)) {
		neighbour_heard_here(net, &heard, true);
		advertise(net, a, &h->src, &heard.mac, ND_SOLICITED | ND_OVERRIDE);
		return;
	}
	n = neighbour_find(net, h->port->index, &h->src);
	if (n != NULL && !rte_is_zero_ether_addr(&n->header.dst_addr))
		advertise(net, a, &h->src, &n->header.dst_addr, ND_SOLICITED | ND_OVERRIDE);
}

static void
solicitation_input(struct net *net, const struct heard *h)
{
	const struct nd_neighbour *ns = (const void *)h->icmp;
	struct ip_addr target = ip_from6(ns->target), group = address_solicited_node(&target);
	struct address *a = address_find(net, &target);

	/* RFC 4861 §7.1.1 */
	if (ip_is_multicast(&target) ||
	    (ip_is_any(&h->src) && (!ip_eq(&h->dst, &group) || h->options.source_link != NULL))) {
		NET_COUNT(net, drop_nd_format);
		return;
	}
	if (a == NULL || ip_is4(&target) || a->port != h->port->index)
		NET_COUNT(net, nd_not_ours);
	else if (a->state == NET_ADDRESS_TENTATIVE)
		tentative_solicited(net, a, h);
	else if (address_find(net, &h->src) != NULL)
		NET_COUNT(net, nd_looped);
	else
		answer(net, a, h);
}

/* An advertisement for an address of ours. Tentative ones we never advertise, so it is another's.
 */
static void
own_advertised(struct net *net, struct address *a, const struct heard *h)
{
	struct rte_ether_addr mac;

	if (a->state == NET_ADDRESS_TENTATIVE)
		address_is_duplicate(net, a);
	else if (link_address(h->options.target_link, &mac) &&
		 rte_is_same_ether_addr(&mac, &h->port->mac))
		NET_COUNT(net, nd_looped);
	else
		NET_COUNT(net, nd_conflicts);
}

static void
advertisement_input(struct net *net, const struct heard *h)
{
	const struct nd_neighbour *na = (const void *)h->icmp;
	uint32_t flags = be32_get(na->icmp.rest);
	struct ip_addr target = ip_from6(na->target);
	struct address *a = address_find(net, &target);
	struct net_neighbour_news heard = {
		.ip = target,
		.port = h->port->index,
		.router = (flags & ND_ROUTER) != 0,
		.override = (flags & ND_OVERRIDE) != 0,
		.solicited = (flags & ND_SOLICITED) != 0,
	};

	/* RFC 4861 §7.1.2 */
	if (ip_is_multicast(&target) || ip_is4(&target) || ip_is_any(&h->src) ||
	    (ip_is_multicast(&h->dst) && heard.solicited) ||
	    (h->options.target_link != NULL && !link_address(h->options.target_link, &heard.mac))) {
		NET_COUNT(net, drop_nd_format);
		return;
	}
	if (a != NULL) {
		own_advertised(net, a, h);
		return;
	}
	if (!heard.router && route_is_gateway(net, &target, h->port->index)) {
		/* RFC 4861 §7.2.5: it stopped being a router; a configured gateway stays one. */
		heard.has_lifetime = true;
		router_learn(net, &target, h->port->index, 0);
	}
	neighbour_heard_here(net, &heard, false);
}

static void
router_input(struct net *net, const struct heard *h)
{
	struct net_neighbour_news heard = {
		.ip = h->src,
		.port = h->port->index,
		.router = true,
		.override = true,
		.has_lifetime = true,
		.lifetime_s = (uint16_t)be32_get(h->icmp->rest),
	};

	if (!ip_is_link_local6(&h->src)) {
		NET_COUNT(net, drop_nd_format);
		return;
	}
	if (!ip_is_any(&h->port->gateway6)) {
		NET_COUNT(net, nd_ignored);
		return;
	}
	h->port->rs_due_us = UINT64_MAX;
	router_learn(net, &h->src, h->port->index, heard.lifetime_s);
	if (!link_address(h->options.source_link, &heard.mac))
		memset(&heard.mac, 0, sizeof(heard.mac));
	neighbour_heard_here(net, &heard, heard.lifetime_s != 0);
}

static uint32_t
minimum_bytes(uint8_t type)
{
	switch (type) {
	case ICMP6_NEIGHBOUR_SOLICITATION:
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		return sizeof(struct nd_neighbour);
	case ICMP6_ROUTER_ADVERTISEMENT:
		return sizeof(struct nd_router_advert);
	default:
		return sizeof(struct icmp_header);
	}
}

/* Takes a message that lies in one segment. */
static void
message_input(struct net *net, const struct packet *p)
{
	const struct ip6_header *ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	const uint8_t *icmp = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, p->l3_len);
	uint32_t bytes = rte_pktmbuf_pkt_len(p->m) - p->l3_len, fixed;
	struct heard h = {
		.port = p->port,
		.src = ip_from6(ip->src),
		.dst = ip_from6(ip->dst),
		.icmp = (const void *)icmp,
	};

	fixed = minimum_bytes(h.icmp->type);
	if (bytes < fixed || h.icmp->code != 0) {
		NET_COUNT(net, drop_nd_format);
		return;
	}
	h.options.at = icmp + fixed;
	h.options.end = icmp + bytes;
	if (h.icmp->type != ICMP6_ROUTER_SOLICITATION && h.icmp->type != ICMP6_REDIRECT &&
	    !nd_options_read(&h.options)) {
		NET_COUNT(net, drop_nd_option);
		return;
	}
	if (h.icmp->type == ICMP6_NEIGHBOUR_SOLICITATION)
		solicitation_input(net, &h);
	else if (h.icmp->type == ICMP6_NEIGHBOUR_ADVERTISEMENT)
		advertisement_input(net, &h);
	else if (h.icmp->type == ICMP6_ROUTER_ADVERTISEMENT)
		router_input(net, &h);
	else
		NET_COUNT(net, nd_ignored);
}

void
nd_input(struct net *net, struct packet *p)
{
	const struct ip6_header *ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);

	NET_COUNT(net, nd_in);
	if (ip->hop_limit != ND_HOP_LIMIT) {
		NET_DROP(net, p->m, drop_nd_hop_limit);
		return;
	}
	if (p->fragmented) {
		NET_DROP(net, p->m, drop_nd_fragment);
		return;
	}
	p->m = net_pull(net, p->m, rte_pktmbuf_pkt_len(p->m));
	if (p->m == NULL)
		return;
	message_input(net, p);
	rte_pktmbuf_free(p->m);
}
