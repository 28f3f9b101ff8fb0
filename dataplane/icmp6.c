/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMPv6, RFC 4443: echo, errors about TCP of ours, errors that we send; Neighbour Discovery and
 * Multicast Listener Discovery go on to their own files.
 *
 * An error that came in is believed only as far as it quotes a packet from an address of ours; that
 * its sequence number is in flight, the engine checks (RFC 5927).
 */
#include <errno.h>

#include "dataplane/address.h"
#include "dataplane/icmp.h"
#include "dataplane/mld.h"
#include "dataplane/nd.h"
#include "dataplane/route.h"

enum {
	MIN_MTU = 1280,        /* RFC 8200 §5 */
	QUOTED_EXTENSIONS = 8, /* extension headers stepped over in a quote */
	QUOTED_EXTENSION_BYTES = 256,
	ERROR_EXTENSIONS = 16, /* looked through for the protocol of a packet at fault */
};

/* The errno of a destination unreachable code, as Linux gives it to sockets. */
static const int unreachable_errno[ICMP6_UNREACHABLE_CODES] = {
	ENETUNREACH, EACCES, EHOSTUNREACH, EHOSTUNREACH, ECONNREFUSED, EACCES, EACCES,
};

bool
icmp6_interpret(const struct icmp_header *icmp, struct tcp_icmp *news)
{
	news->kind = TCP_ICMP_UNREACHABLE;
	switch (icmp->type) {
	case ICMP6_UNREACHABLE:
		if (icmp->code >= ICMP6_UNREACHABLE_CODES)
			return false;
		news->error = unreachable_errno[icmp->code];
		if (icmp->code == ICMP6_UNREACHABLE_PORT)
			news->kind = TCP_ICMP_REFUSED;
		return true;
	case ICMP6_PACKET_TOO_BIG:
		news->kind = TCP_ICMP_PACKET_TOO_BIG;
		news->error = EMSGSIZE;
		news->mtu = (uint16_t)RTE_MIN(be32_get(icmp->rest), UINT32_C(0xffff));
		return true;
	case ICMP6_TIME_EXCEEDED:
		news->error = EHOSTUNREACH;
		return true;
	case ICMP6_PARAMETER_PROBLEM:
		news->error = EPROTO;
		return true;
	default:
		return false;
	}
}

/* Walks a quoted packet to its TCP header; NULL if it does not get there. */
static const uint8_t *
quoted_tcp(const uint8_t *at, const uint8_t *end)
{
	uint8_t next = ((const struct ip6_header *)(const void *)at)->proto;

	at += sizeof(struct ip6_header);
	for (unsigned int n = 0; next != IP_PROTO_TCP; n++) {
		const struct ip6_extension *ext = (const void *)at;
		const struct ip6_fragment *fragment = (const void *)at;
		ptrdiff_t bytes = 8;

		if (n == QUOTED_EXTENSIONS || end - at < bytes)
			return NULL;
		if (next == IP6_FRAGMENT) {
			if (be16_get(fragment->offset) >> 3 != 0)
				return NULL;
		} else if (next == IP6_HOP_BY_HOP || next == IP6_ROUTING ||
			   next == IP6_DESTINATION) {
			bytes += ext->len * 8;
		} else {
			return NULL;
		}
		if (end - at < bytes)
			return NULL;
		next = ext->next;
		at += bytes;
	}
	return end - at < ICMP_QUOTE_TCP_BYTES ? NULL : at;
}

static void
error_input(struct net *net, struct packet *p)
{
	uint32_t at = p->l3_len + (uint32_t)sizeof(struct icmp_header), end;
	const struct ip6_header *quoted;
	struct tcp_icmp news = {0};
	const uint8_t *tcp = NULL;
	struct ip_addr src = {0}, dst;

	end = RTE_MIN(rte_pktmbuf_pkt_len(p->m), at + (uint32_t)sizeof(*quoted) +
							 QUOTED_EXTENSION_BYTES +
							 ICMP_QUOTE_TCP_BYTES);
	p->m = net_pull(net, p->m, end);
	if (p->m == NULL)
		return;
	quoted = rte_pktmbuf_mtod_offset(p->m, const struct ip6_header *, at);
	if (end - at >= sizeof(*quoted) && be32_get(quoted->vtc_flow) >> 28 == 6) {
		src = ip_from6(quoted->src);
		tcp = quoted_tcp((const uint8_t *)quoted,
				 rte_pktmbuf_mtod_offset(p->m, const uint8_t *, end));
	}
	if (tcp == NULL || ip_is4(&src) || address_find(net, &src) == NULL) {
		NET_DROP(net, p->m, drop_icmp_quote);
		return;
	}
	if (!icmp6_interpret(rte_pktmbuf_mtod_offset(p->m, const struct icmp_header *, p->l3_len),
			     &news)) {
		NET_DROP(net, p->m, icmp_ignored);
		return;
	}
	if (news.kind == TCP_ICMP_PACKET_TOO_BIG && news.mtu < MIN_MTU) {
		NET_DROP(net, p->m, drop_icmp_mtu); /* RFC 8201 §4 */
		return;
	}
	dst = ip_from6(quoted->dst);
	icmp_quote_tcp(&news, &src, &dst, tcp);
	NET_COUNT(net, icmp_errors_in);
	icmp_tell(net, &news);
	rte_pktmbuf_free(p->m);
}

/*
 * The address to answer a packet from: the one it was sent to, or, if that is a group, one of ours
 * that fits; false if there is none.
 */
static bool
answer_source(const struct net *net, const struct packet *p, const struct ip_addr *to,
	      const struct ip_addr *sent_to, struct ip_addr *src)
{
	const struct address *a;
	struct route route;

	*src = *sent_to;
	if (!p->ip_group)
		return true;
	if (route_find(net, to, p->port->index, &route) < 0)
		return false;
	a = route_source(net, to, &route);
	if (a != NULL)
		*src = a->ip;
	return a != NULL;
}

static void
complete_and_send(struct net *net, const struct packet *p, struct rte_mbuf *m,
		  const struct ip_addr *src, const struct ip_addr *dst)
{
	uint32_t bytes = rte_pktmbuf_pkt_len(m) - (uint32_t)sizeof(struct ip6_header);
	struct icmp_header *icmp =
		rte_pktmbuf_mtod_offset(m, struct icmp_header *, sizeof(struct ip6_header));

	icmp->cksum = be16(0);
	icmp->cksum.raw = cksum_packet(m, sizeof(struct ip6_header),
				       cksum_pseudo6(ip_bytes(src), ip_bytes(dst), bytes));
	ip6_build(m, IP_PROTO_ICMP6, ip_bytes(src), ip_bytes(dst), NET_HOP_LIMIT);
	net_send(net, m, p->port->index);
}

/* Turns a request into its reply, in place; extension headers before it are cut off. */
static void
echo_input(struct net *net, struct packet *p)
{
	const struct ip6_header *ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	struct ip_addr from = ip_from6(ip->src), to = ip_from6(ip->dst), src;

	if (ip_is_any(&from) || !answer_source(net, p, &from, &to, &src)) {
		NET_DROP(net, p->m, drop_ip_source);
		return;
	}
	if (!icmp_reply_prepare(net, p, sizeof(*ip)))
		return;
	rte_pktmbuf_mtod_offset(p->m, struct icmp_header *, sizeof(*ip))->type = ICMP6_ECHO_REPLY;
	NET_COUNT(net, icmp_echo_replies_out);
	complete_and_send(net, p, p->m, &src, &from);
}

/* Hands a checked message to who it concerns. */
static void
message_input(struct net *net, struct packet *p, uint8_t type)
{
	bool from_nobody = p->from_own;

	switch (type) {
	case ICMP6_ROUTER_SOLICITATION:
	case ICMP6_ROUTER_ADVERTISEMENT:
	case ICMP6_NEIGHBOUR_SOLICITATION:
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
	case ICMP6_REDIRECT:
		nd_input(net, p);
		return;
	case ICMP6_LISTENER_QUERY:
		mld_input(net, p);
		return;
	}
	if (from_nobody)
		NET_DROP(net, p->m, drop_ip_source);
	else if (type == ICMP6_ECHO_REQUEST)
		echo_input(net, p);
	else if (type < ICMP6_INFORMATIONAL && !p->ip_group)
		error_input(net, p);
	else
		NET_DROP(net, p->m, icmp_ignored);
}

void
icmp6_input(struct net *net, struct packet *p)
{
	const struct ip6_header *ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	uint32_t bytes = rte_pktmbuf_pkt_len(p->m) - p->l3_len;
	const struct icmp_header *icmp;

	NET_COUNT(net, icmp_in);
	if (bytes < sizeof(*icmp)) {
		NET_DROP(net, p->m, drop_icmp_short);
		return;
	}
	if (cksum_packet(p->m, p->l3_len, cksum_pseudo6(ip->src, ip->dst, bytes)) != 0) {
		NET_DROP(net, p->m, drop_icmp_checksum);
		return;
	}
	p->m = net_pull(net, p->m, p->l3_len + (uint32_t)sizeof(*icmp));
	if (p->m == NULL)
		return;
	icmp = rte_pktmbuf_mtod_offset(p->m, const struct icmp_header *, p->l3_len);
	message_input(net, p, icmp->type);
}

/*
 * Whether a packet is itself an error, or a redirect: none is answered with an error. The walk over
 * extension headers may have stopped before what tells; it goes on here, without judging.
 */
static bool
is_error(const struct packet *p)
{
	uint8_t kind = *rte_pktmbuf_mtod_offset(p->m, const uint8_t *, p->next_at);
	uint32_t at = p->l3_len;
	struct ip6_extension copy;

	for (unsigned int n = 0; n < ERROR_EXTENSIONS; n++) {
		const struct ip6_extension *ext = rte_pktmbuf_read(p->m, at, sizeof(copy), &copy);

		if (kind == IP_PROTO_ICMP6) /* its type lies where an extension's `next` does */
			return ext == NULL || ext->next < ICMP6_INFORMATIONAL ||
			       ext->next == ICMP6_REDIRECT;
		if (ext == NULL || (kind != IP6_HOP_BY_HOP && kind != IP6_ROUTING &&
				    kind != IP6_FRAGMENT && kind != IP6_DESTINATION))
			return false;
		at += kind == IP6_FRAGMENT ? 8u : 8u + ext->len * 8u;
		kind = ext->next;
	}
	return true; /* who hides it so well shall not have an answer */
}

/* RFC 4443 §2.4 e; an unknown option of a group packet alone is worth an error to many. */
void
icmp6_error(struct net *net, const struct packet *p, uint8_t type, uint8_t code, uint32_t rest)
{
	const uint16_t fixed = sizeof(struct ip6_header) + sizeof(struct icmp_header);
	const struct ip6_header *ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	uint32_t quote = RTE_MIN(rte_pktmbuf_pkt_len(p->m), (uint32_t)ICMP6_ERROR_BYTES - fixed);
	struct ip_addr to = ip_from6(ip->src), sent_to = ip_from6(ip->dst), src;
	struct icmp_header *icmp;
	struct rte_mbuf *m;

	if ((p->ip_group && (type != ICMP6_PARAMETER_PROBLEM || code != ICMP6_PROBLEM_OPTION)) ||
	    p->from_own || ip_is_any(&to) || is_error(p) ||
	    !answer_source(net, p, &to, &sent_to, &src) || !icmp_may_send(net))
		return;
	m = icmp_error_build(net, p->m, fixed, quote);
	if (m == NULL)
		return;
	icmp = rte_pktmbuf_mtod_offset(m, struct icmp_header *, sizeof(*ip));
	*icmp = (struct icmp_header){.type = type, .code = code, .rest = be32(rest)};
	NET_COUNT(net, icmp_errors_out);
	complete_and_send(net, p, m, &src, &to);
}
