/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP, RFC 792 and RFC 1122 §3.2.2: echo, errors about TCP of ours, and errors that we send.
 *
 * An error that came in is believed only as far as it quotes a packet from an address of ours; that
 * its sequence number is in flight, the engine checks (RFC 5927).
 *
 * Left out: redirects, source quench (RFC 6633), timestamps, address masks; IPv4 options in an echo
 * reply.
 */
#include <errno.h>

#include "dataplane/address.h"
#include "dataplane/icmp.h"

enum {
	MIN_MTU = 68, /* RFC 791: every link carries so much */
};

/* The errno of a destination unreachable code, as Linux gives it to sockets. */
static const int unreachable_errno[ICMP4_UNREACHABLE_CODES] = {
	ENETUNREACH,  EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED, EMSGSIZE,     EOPNOTSUPP,
	ENETUNREACH,  EHOSTDOWN,    ENONET,       ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
	EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
};

/* RFC 1191 §7.1: the MTU to try when a router does not tell, the largest below the packet's length.
 */
static uint16_t
plateau_below(uint16_t bytes)
{
	static const uint16_t plateaus[] = {65535, 32000, 17914, 8166, 4352,   2002,
					    1492,  1006,  508,   296,  MIN_MTU};

	for (unsigned int i = 0; i < RTE_DIM(plateaus); i++)
		if (plateaus[i] < bytes)
			return plateaus[i];
	return MIN_MTU;
}

bool
icmp4_interpret(const struct icmp_header *icmp, const struct ip4_header *quoted,
		struct tcp_icmp *news)
{
	news->kind = TCP_ICMP_UNREACHABLE;
	switch (icmp->type) {
	case ICMP4_TIME_EXCEEDED:
		news->error = EHOSTUNREACH;
		return true;
	case ICMP4_PARAMETER_PROBLEM:
		news->error = EPROTO;
		return true;
	case ICMP4_UNREACHABLE:
		break;
	default:
		return false;
	}
	if (icmp->code >= ICMP4_UNREACHABLE_CODES)
		return false;
	news->error = unreachable_errno[icmp->code];
	if (icmp->code == ICMP4_PROTOCOL_UNREACHABLE || icmp->code == ICMP4_PORT_UNREACHABLE)
		news->kind = TCP_ICMP_REFUSED;
	if (icmp->code == ICMP4_FRAGMENTATION_NEEDED) {
		news->kind = TCP_ICMP_PACKET_TOO_BIG;
		news->mtu = (uint16_t)be32_get(icmp->rest);
		if (news->mtu == 0)
			news->mtu = plateau_below(be16_get(quoted->total_len));
	}
	return true;
}

/* The quoted header of an error, if it is one of TCP from us with ports and SEQ; else NULL. */
static const struct ip4_header *
quoted_header(struct net *net, const struct packet *p, uint32_t at, uint16_t *header_bytes)
{
	uint32_t left = rte_pktmbuf_data_len(p->m) - at;
	const struct ip4_header *ip = rte_pktmbuf_mtod_offset(p->m, const struct ip4_header *, at);
	struct ip_addr src;

	if (left < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return NULL;
	*header_bytes = (uint16_t)((ip->version_ihl & 0xf) * 4);
	if (*header_bytes < sizeof(*ip) || left < *header_bytes + (uint32_t)ICMP_QUOTE_TCP_BYTES ||
	    ip->proto != IP_PROTO_TCP || (be16_get(ip->frag) & IP4_OFFSET_MASK) != 0)
		return NULL;
	src = ip_from4(ip->src);
	return address_find(net, &src) == NULL ? NULL : ip;
}

static void
error_input(struct net *net, struct packet *p)
{
	uint32_t at = p->l3_len + (uint32_t)sizeof(struct icmp_header);
	const struct icmp_header *icmp;
	const struct ip4_header *quoted;
	struct tcp_icmp news = {0};
	struct ip_addr src, dst;
	uint16_t header_bytes;

	p->m = net_pull(net, p->m,
			RTE_MIN(rte_pktmbuf_pkt_len(p->m), at + 60u + ICMP_QUOTE_TCP_BYTES));
	if (p->m == NULL)
		return;
	icmp = rte_pktmbuf_mtod_offset(p->m, const struct icmp_header *, p->l3_len);
	quoted = quoted_header(net, p, at, &header_bytes);
	if (quoted == NULL) {
		NET_DROP(net, p->m, drop_icmp_quote);
		return;
	}
	if (!icmp4_interpret(icmp, quoted, &news)) {
		NET_DROP(net, p->m, icmp_ignored);
		return;
	}
	if (news.kind == TCP_ICMP_PACKET_TOO_BIG && news.mtu < MIN_MTU) {
		NET_DROP(net, p->m, drop_icmp_mtu);
		return;
	}
	src = ip_from4(quoted->src);
	dst = ip_from4(quoted->dst);
	icmp_quote_tcp(&news, &src, &dst, (const uint8_t *)quoted + header_bytes);
	NET_COUNT(net, icmp_errors_in);
	icmp_tell(net, &news);
	rte_pktmbuf_free(p->m);
}

/* Turns a request into its reply, in place; options before it are cut off. */
static void
echo_input(struct net *net, struct packet *p)
{
	struct rte_mbuf *m = p->m;
	const struct ip4_header *ip = rte_pktmbuf_mtod(m, const struct ip4_header *);
	be32_t src = ip->dst, dst = ip->src;
	struct icmp_header *icmp;

	if (!icmp_reply_prepare(net, p, sizeof(*ip)))
		return;
	icmp = rte_pktmbuf_mtod_offset(m, struct icmp_header *, sizeof(*ip));
	icmp->type = ICMP4_ECHO_REPLY;
	icmp->cksum = be16(0);
	icmp->cksum.raw = cksum_packet(m, sizeof(*ip), 0);
	ip4_build(m, IP_PROTO_ICMP, src, dst, NET_HOP_LIMIT);
	NET_COUNT(net, icmp_echo_replies_out);
	net_send(net, m, p->port->index);
}

void
icmp4_input(struct net *net, struct packet *p)
{
	const struct icmp_header *icmp;

	NET_COUNT(net, icmp_in);
	if (rte_pktmbuf_pkt_len(p->m) < p->l3_len + sizeof(*icmp)) {
		NET_DROP(net, p->m, drop_icmp_short);
		return;
	}
	if (cksum_packet(p->m, p->l3_len, 0) != 0) {
		NET_DROP(net, p->m, drop_icmp_checksum);
		return;
	}
	p->m = net_pull(net, p->m, p->l3_len + (uint32_t)sizeof(*icmp));
	if (p->m == NULL)
		return;
	icmp = rte_pktmbuf_mtod_offset(p->m, const struct icmp_header *, p->l3_len);
	if (p->ip_group) /* RFC 1122 §3.2.2.6: echo to a broadcast address may be ignored */
		NET_DROP(net, p->m, icmp_ignored);
	else if (icmp->type == ICMP4_ECHO_REQUEST && icmp->code == 0)
		echo_input(net, p);
	else if (icmp->type == ICMP4_UNREACHABLE || icmp->type == ICMP4_TIME_EXCEEDED ||
		 icmp->type == ICMP4_PARAMETER_PROBLEM)
		error_input(net, p);
	else
		NET_DROP(net, p->m, icmp_ignored);
}

/*
 * RFC 1122 §3.2.2: no error about what was sent to many. About ICMP, about fragments and to
 * impossible sources nobody asks for one.
 */
void
icmp4_error(struct net *net, const struct packet *p, uint8_t type, uint8_t code)
{
	const uint16_t fixed = sizeof(struct ip4_header) + sizeof(struct icmp_header);
	const struct ip4_header *ip = rte_pktmbuf_mtod(p->m, const struct ip4_header *);
	uint32_t quote = RTE_MIN(rte_pktmbuf_pkt_len(p->m), (uint32_t)ICMP4_ERROR_BYTES - fixed);
	be32_t src = ip->dst, dst = ip->src;
	struct icmp_header *icmp;
	struct rte_mbuf *m;

	if (p->link_group || p->ip_group || !icmp_may_send(net))
		return;
	m = icmp_error_build(net, p->m, fixed, quote);
	if (m == NULL)
		return;
	icmp = rte_pktmbuf_mtod_offset(m, struct icmp_header *, sizeof(struct ip4_header));
	*icmp = (struct icmp_header){.type = type, .code = code};
	icmp->cksum.raw = cksum_packet(m, sizeof(struct ip4_header), 0);
	ip4_build(m, IP_PROTO_ICMP, src, dst, NET_HOP_LIMIT);
	NET_COUNT(net, icmp_errors_out);
	net_send(net, m, p->port->index);
}
