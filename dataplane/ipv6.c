/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6, RFC 8200: the checks of what comes in, the walk over extension headers, and the header of
 * what goes out.
 *
 * Invariants: the walk takes at most MAX_EXTENSIONS headers of MAX_EXTENSION_BYTES in all; an
 * address that arrives never is an IPv4-mapped one, since inside Tern those stand for IPv4.
 *
 * Left out: reassembly, but for atomic fragments, which are whole packets (RFC 6946); IPsec
 * headers, which count as unknown protocols; forwarding.
 */
#include "dataplane/address.h"
#include "dataplane/icmp.h"
#include "dataplane/net_impl.h"

enum {
	MAX_EXTENSIONS = 8,
	MAX_EXTENSION_BYTES = 448, /* an mbuf has nine bits for the length of all headers */
};

/* Checks lengths and version, and trims padding; false: dropped. */
static bool
header_check(struct net *net, struct packet *p)
{
	const struct ip6_header *ip;
	uint32_t total;

	if (unlikely(rte_pktmbuf_pkt_len(p->m) < sizeof(*ip))) {
		NET_DROP(net, p->m, drop_ip_short);
		return false;
	}
	p->m = net_pull(net, p->m, sizeof(*ip));
	if (unlikely(p->m == NULL))
		return false;
	ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	if (unlikely(be32_get(ip->vtc_flow) >> 28 != 6)) {
		NET_DROP(net, p->m, drop_ip_version);
		return false;
	}
	total = (uint32_t)sizeof(*ip) + be16_get(ip->payload_len);
	if (unlikely(total > rte_pktmbuf_pkt_len(p->m))) {
		NET_DROP(net, p->m, drop_ip_short);
		return false;
	}
	net_trim(p->m, total);
	p->l3_len = sizeof(*ip);
	p->next_at = offsetof(struct ip6_header, proto);
	return true;
}

static bool
is_loopback(const struct ip_addr *a)
{
	return (a->w[0] | a->w[1] | a->w[2]) == 0 && a->w[3] == RTE_BE32(1);
}

/* Checks that the packet is for us and from somebody else; false: dropped. */
static bool
ends_check(struct net *net, struct packet *p)
{
	const struct ip6_header *ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	struct ip_addr src = ip_from6(ip->src), dst = ip_from6(ip->dst);
	const struct own *to = own_find(net, &dst), *from = own_find(net, &src);

	if (unlikely(to == NULL || ip_is4(&dst) ||
		     (to->kind == OWN_UNICAST && !own_is_usable(net, to)))) {
		NET_DROP(net, p->m, drop_ip_not_ours);
		return false;
	}
	p->ip_group = to->kind != OWN_UNICAST;
	if (unlikely(p->link_group && !p->ip_group)) {
		NET_DROP(net, p->m, drop_ip_link_group);
		return false;
	}
	if (unlikely(ip_is_multicast(&src) || ip_is4(&src) || is_loopback(&src))) {
		NET_DROP(net, p->m, drop_ip_source);
		return false;
	}
	/* What others send in our name is of interest to Neighbour Discovery only. */
	p->from_own = !p->looped && own_is_usable(net, from);
	return true;
}

/*
 * Steps over the options of a hop-by-hop or destination header (RFC 8200 §4.2); `at` is where the
 * header lies in the packet. False: dropped.
 */
static bool
options_check(struct net *net, struct packet *p, uint16_t at, uint16_t bytes)
{
	const uint8_t *start = rte_pktmbuf_mtod(p->m, const uint8_t *);
	uint16_t end = (uint16_t)(at + bytes), i = (uint16_t)(at + sizeof(struct ip6_extension));

	while (i < end) {
		uint8_t type = start[i];

		if (type == IP6_OPT_PAD1) {
			i++;
			continue;
		}
		if (end - i < 2 || start[i + 1] > end - i - 2) {
			NET_DROP(net, p->m, drop_ip_option);
			return false;
		}
		if (type >> 6 != 0) { /* unknown, and not to be stepped over */
			if (type >> 6 == 2 || (type >> 6 == 3 && !p->ip_group))
				icmp6_error(net, p, ICMP6_PARAMETER_PROBLEM, ICMP6_PROBLEM_OPTION,
					    i);
			NET_DROP(net, p->m, drop_ip_option);
			return false;
		}
		i = (uint16_t)(i + 2 + start[i + 1]);
	}
	return true;
}

/* Judges one extension header of `bytes` at p->l3_len; false: dropped. */
static bool
extension_check(struct net *net, struct packet *p, uint8_t kind, uint16_t bytes)
{
	const uint8_t *ext = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, p->l3_len);
	const struct ip6_fragment *fragment = (const void *)ext;

	switch (kind) {
	case IP6_ROUTING:
		if (ext[3] == 0) /* segments left: we are the end */
			return true;
		icmp6_error(net, p, ICMP6_PARAMETER_PROBLEM, ICMP6_PROBLEM_FIELD,
			    (uint32_t)(p->l3_len + 2));
		NET_DROP(net, p->m, drop_ip_source_route);
		return false;
	case IP6_FRAGMENT:
		p->fragmented = true;
		if ((be16_get(fragment->offset) & IP6_FRAGMENT_MASK) == 0)
			return true;
		NET_DROP(net, p->m, drop_fragment);
		return false;
	default:
		return options_check(net, p, p->l3_len, bytes);
	}
}

/* Makes the whole extension header at p->l3_len lie in the first segment; 0: dropped. */
static uint16_t
extension_pull(struct net *net, struct packet *p, uint8_t kind)
{
	uint32_t left = rte_pktmbuf_pkt_len(p->m) - p->l3_len, bytes = 8;
	const struct ip6_extension *ext;

	if (left >= bytes) {
		p->m = net_pull(net, p->m, p->l3_len + bytes);
		if (p->m == NULL)
			return 0;
		ext = rte_pktmbuf_mtod_offset(p->m, const struct ip6_extension *, p->l3_len);
		if (kind != IP6_FRAGMENT)
			bytes += ext->len * 8u;
	}
	if (left < bytes || p->l3_len + bytes > sizeof(struct ip6_header) + MAX_EXTENSION_BYTES) {
		NET_DROP(net, p->m, drop_ip_extension);
		return 0;
	}
	p->m = net_pull(net, p->m, p->l3_len + bytes);
	return p->m == NULL ? 0 : (uint16_t)bytes;
}

static bool
is_extension(uint8_t kind)
{
	return kind == IP6_HOP_BY_HOP || kind == IP6_ROUTING || kind == IP6_FRAGMENT ||
	       kind == IP6_DESTINATION;
}

/* Walks to the transport header; false: dropped. */
static bool
extensions_walk(struct net *net, struct packet *p, uint8_t *proto)
{
	for (unsigned int n = 0; is_extension(*proto); n++) {
		uint16_t bytes;

		if (*proto == IP6_HOP_BY_HOP && n > 0) {
			icmp6_error(net, p, ICMP6_PARAMETER_PROBLEM, ICMP6_PROBLEM_NEXT_HEADER,
				    p->next_at);
			NET_DROP(net, p->m, drop_ip_extension);
			return false;
		}
		if (n == MAX_EXTENSIONS) {
			NET_DROP(net, p->m, drop_ip_extension);
			return false;
		}
		bytes = extension_pull(net, p, *proto);
		if (bytes == 0 || !extension_check(net, p, *proto, bytes))
			return false;
		*proto = rte_pktmbuf_mtod_offset(p->m, struct ip6_extension *, p->l3_len)->next;
		p->next_at = p->l3_len;
		p->l3_len = (uint16_t)(p->l3_len + bytes);
	}
	return true;
}

/* What is not TCP, or not to us alone, or not from anybody. */
static void
other_input(struct net *net, struct packet *p, uint8_t proto)
{
	if (proto == IP_PROTO_ICMP6) {
		icmp6_input(net, p);
		return;
	}
	if (proto == IP6_NO_NEXT_HEADER) {
		NET_DROP(net, p->m, drop_ip_no_next_header);
		return;
	}
	if (p->ip_group) {
		NET_DROP(net, p->m, drop_ip_group);
		return;
	}
	if (proto == IP_PROTO_UDP)
		icmp6_error(net, p, ICMP6_UNREACHABLE, ICMP6_UNREACHABLE_PORT, 0);
	else
		icmp6_error(net, p, ICMP6_PARAMETER_PROBLEM, ICMP6_PROBLEM_NEXT_HEADER, p->next_at);
	NET_DROP(net, p->m, drop_ip_protocol);
}

struct rte_mbuf *
ip6_input(struct net *net, struct packet *p)
{
	const struct ip6_header *ip;
	struct ip_addr src;
	uint8_t proto;

	NET_COUNT(net, ip6_in);
	if (unlikely(!header_check(net, p) || !ends_check(net, p)))
		return NULL;
	ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	src = ip_from6(ip->src);
	proto = ip->proto;
	if (unlikely(proto != IP_PROTO_TCP) && !extensions_walk(net, p, &proto))
		return NULL;
	if (unlikely((p->from_own || ip_is_any(&src)) && proto != IP_PROTO_ICMP6)) {
		NET_DROP(net, p->m, drop_ip_source);
		return NULL;
	}
	if (unlikely(proto != IP_PROTO_TCP || p->ip_group)) {
		other_input(net, p, proto);
		return NULL;
	}
	return ip_tcp_ready(net, p,
			    p->l3_len == sizeof(*ip) ? RTE_PTYPE_L3_IPV6 : RTE_PTYPE_L3_IPV6_EXT);
}

void
ip6_build(struct rte_mbuf *m, uint8_t proto, const uint8_t src[16], const uint8_t dst[16],
	  uint8_t hop_limit)
{
	struct ip6_header *ip = rte_pktmbuf_mtod(m, struct ip6_header *);

	ip->vtc_flow = be32(6u << 28);
	ip->payload_len = be16((uint16_t)(rte_pktmbuf_pkt_len(m) - sizeof(*ip)));
	ip->proto = proto;
	ip->hop_limit = hop_limit;
	memmove(ip->src, src, sizeof(ip->src));
	memmove(ip->dst, dst, sizeof(ip->dst));
	m->l3_len = sizeof(*ip);
}

bool
ip_ends(const struct rte_mbuf *m, struct ip_addr *src, struct ip_addr *dst)
{
	const struct ip4_header *ip4 = rte_pktmbuf_mtod(m, const struct ip4_header *);
	const struct ip6_header *ip6 = (const void *)ip4;

	if (rte_pktmbuf_data_len(m) >= sizeof(*ip4) && ip4->version_ihl >> 4 == 4) {
		*src = ip_from4(ip4->src);
		*dst = ip_from4(ip4->dst);
		return true;
	}
	if (rte_pktmbuf_data_len(m) >= sizeof(*ip6) && ip4->version_ihl >> 4 == 6) {
		*src = ip_from6(ip6->src);
		*dst = ip_from6(ip6->dst);
		return true;
	}
	return false;
}
