/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4, RFC 791, as RFC 1122 §3.2.1 and RFC 1812 want it of a host: the checks of what comes in,
 * and the header of what goes out.
 *
 * Left out: reassembly (fragments are dropped and counted; TCP peers do path MTU discovery and send
 * none), options other than to step over them (source routes are refused, RFC 7126 §4.3),
 * forwarding.
 */
#include "dataplane/address.h"
#include "dataplane/icmp.h"
#include "dataplane/net_impl.h"

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_LOOSE_ROUTE = 131,
	OPTION_STRICT_ROUTE = 137,
};

enum options {
	OPTIONS_FINE,
	OPTIONS_BAD,
	OPTIONS_ROUTED,
};

static enum options
options_check(const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return OPTIONS_BAD;
		if (*at == OPTION_LOOSE_ROUTE || *at == OPTION_STRICT_ROUTE)
			return OPTIONS_ROUTED;
		at += at[1];
	}
	return OPTIONS_FINE;
}

/* Whether a header's checksum is right: by the device's word, or computed. */
static bool
checksum_is_right(const struct rte_mbuf *m, const struct ip4_header *ip, uint16_t bytes)
{
	switch (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
	case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
	case RTE_MBUF_F_RX_IP_CKSUM_NONE: /* verified, though not there (a virtual device) */
		return true;
	case RTE_MBUF_F_RX_IP_CKSUM_BAD:
		return false;
	default:
		return cksum_bytes(ip, bytes) == 0;
	}
}

/* Checks lengths, version, options and checksum, and trims padding; false: dropped. */
static bool
header_check(struct net *net, struct packet *p)
{
	const struct ip4_header *ip;
	uint32_t total;

	if (unlikely(rte_pktmbuf_pkt_len(p->m) < sizeof(*ip))) {
		NET_DROP(net, p->m, drop_ip_short);
		return false;
	}
	p->m = net_pull(net, p->m, sizeof(*ip));
	if (unlikely(p->m == NULL))
		return false;
	ip = rte_pktmbuf_mtod(p->m, const struct ip4_header *);
	if (unlikely(ip->version_ihl >> 4 != 4)) {
		NET_DROP(net, p->m, drop_ip_version);
		return false;
	}
	p->l3_len = (uint16_t)((ip->version_ihl & 0xf) * 4);
	total = be16_get(ip->total_len);
	if (unlikely(p->l3_len < sizeof(*ip) || p->l3_len > rte_pktmbuf_pkt_len(p->m))) {
		NET_DROP(net, p->m, drop_ip_header_length);
		return false;
	}
	if (unlikely(total < p->l3_len)) {
		NET_DROP(net, p->m, drop_ip_total_length);
		return false;
	}
	if (unlikely(total > rte_pktmbuf_pkt_len(p->m))) {
		NET_DROP(net, p->m, drop_ip_short);
		return false;
	}
	p->m = net_pull(net, p->m, p->l3_len);
	if (unlikely(p->m == NULL))
		return false;
	ip = rte_pktmbuf_mtod(p->m, const struct ip4_header *);
	if (unlikely(!checksum_is_right(p->m, ip, p->l3_len))) {
		NET_DROP(net, p->m, drop_ip_checksum);
		return false;
	}
	net_trim(p->m, total);
	if (likely(p->l3_len == sizeof(*ip)))
		return true;
	switch (options_check((const uint8_t *)(ip + 1), (const uint8_t *)ip + p->l3_len)) {
	case OPTIONS_FINE:
		return true;
	case OPTIONS_ROUTED:
		NET_DROP(net, p->m, drop_ip_source_route);
		return false;
	default:
		NET_DROP(net, p->m, drop_ip_option);
		return false;
	}
}

/* Checks that the packet is for us and from somebody else (RFC 1122 §3.2.1.3); false: dropped. */
static bool
ends_check(struct net *net, struct packet *p)
{
	const struct ip4_header *ip = rte_pktmbuf_mtod(p->m, const struct ip4_header *);
	struct ip_addr src = ip_from4(ip->src), dst = ip_from4(ip->dst);
	const struct own *to = own_find(net, &dst), *from = own_find(net, &src);
	uint8_t first = ip_bytes(&src)[12];

	if (unlikely(to == NULL || (to->kind == OWN_UNICAST && !own_is_usable(net, to)))) {
		NET_DROP(net, p->m, drop_ip_not_ours);
		return false;
	}
	p->ip_group = to->kind != OWN_UNICAST;
	if (unlikely(p->link_group && !p->ip_group)) {
		NET_DROP(net, p->m, drop_ip_link_group);
		return false;
	}
	if (unlikely(first == 0 || first == 127 || first >= 224 || (from != NULL && !p->looped))) {
		NET_DROP(net, p->m, drop_ip_source);
		return false;
	}
	return true;
}

/* What is not TCP, or not to us alone. */
static void
other_input(struct net *net, struct packet *p, uint8_t proto)
{
	if (proto == IP_PROTO_ICMP) {
		icmp4_input(net, p);
		return;
	}
	if (p->ip_group) {
		NET_DROP(net, p->m, drop_ip_group);
		return;
	}
	icmp4_error(net, p, ICMP4_UNREACHABLE,
		    proto == IP_PROTO_UDP ? ICMP4_PORT_UNREACHABLE : ICMP4_PROTOCOL_UNREACHABLE);
	NET_DROP(net, p->m, drop_ip_protocol);
}

struct rte_mbuf *
ip4_input(struct net *net, struct packet *p)
{
	const struct ip4_header *ip;

	NET_COUNT(net, ip4_in);
	if (unlikely(!header_check(net, p) || !ends_check(net, p)))
		return NULL;
	ip = rte_pktmbuf_mtod(p->m, const struct ip4_header *);
	if (unlikely((be16_get(ip->frag) & (IP4_MF | IP4_OFFSET_MASK)) != 0)) {
		NET_DROP(net, p->m, drop_fragment);
		return NULL;
	}
	if (unlikely(ip->proto != IP_PROTO_TCP || p->ip_group)) {
		other_input(net, p, ip->proto);
		return NULL;
	}
	return ip_tcp_ready(net, p,
			    p->l3_len == sizeof(*ip) ? RTE_PTYPE_L3_IPV4 : RTE_PTYPE_L3_IPV4_EXT);
}

void
ip4_build(struct rte_mbuf *m, uint8_t proto, be32_t src, be32_t dst, uint8_t ttl)
{
	struct ip4_header *ip = rte_pktmbuf_mtod(m, struct ip4_header *);

	*ip = (struct ip4_header){
		.version_ihl = 0x45,
		.total_len = be16((uint16_t)rte_pktmbuf_pkt_len(m)),
		.frag = be16(IP4_DF),
		.ttl = ttl,
		.proto = proto,
		.src = src,
		.dst = dst,
	};
	ip->cksum.raw = cksum_bytes(ip, sizeof(*ip));
	m->l3_len = sizeof(*ip);
}
