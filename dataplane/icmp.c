/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ICMP and ICMPv6 share: the limit to the errors that we send (RFC 1812 §4.3.2.8, RFC 4443
 * §2.4 f), and the errors that TCP is told of.
 *
 * TCP is told later, from net_input() or net_advance(): an error may arise while the engine is in
 * the midst of sending. What does not fit until then is forgotten and counted; for TCP these are
 * hints.
 */
#include "dataplane/icmp.h"

bool
icmp_may_send(struct net *net)
{
	struct icmp_bucket *b = &net->icmp_bucket;
	const uint64_t full_us = ICMP_ERROR_BURST * ICMP_ERROR_COST_US;

	b->credit_us = RTE_MIN(b->credit_us + (net->now_us - b->filled_us), full_us);
	b->filled_us = net->now_us;
	if (b->credit_us < ICMP_ERROR_COST_US) {
		NET_COUNT(net, icmp_errors_limited);
		return false;
	}
	b->credit_us -= ICMP_ERROR_COST_US;
	return true;
}

bool
icmp_reply_prepare(struct net *net, struct packet *p, uint16_t ip_bytes)
{
	struct rte_mbuf *m = p->m;

	/* The headers lie in the first segment. */
	(void)rte_pktmbuf_adj(m, (uint16_t)(p->l3_len - ip_bytes));
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
	if (m->next == NULL || (p->port->path_flags & TCP_PATH_TX_MULTI_SEG) != 0 ||
	    rte_pktmbuf_linearize(m) == 0)
		return true;
	NET_DROP(net, m, drop_scattered);
	return false;
}

struct rte_mbuf *
icmp_error_build(struct net *net, const struct rte_mbuf *m, uint16_t fixed, uint32_t quote)
{
	struct rte_mbuf *error = net_alloc(net, (uint16_t)(fixed + quote));
	const void *from;
	void *to;

	if (error == NULL)
		return NULL;
	to = rte_pktmbuf_mtod_offset(error, void *, fixed);
	from = rte_pktmbuf_read(m, 0, quote, to);
	if (from != to)
		memcpy(to, from, quote);
	return error;
}

void
icmp_tell(struct net *net, const struct tcp_icmp *icmp)
{
	if (net->n_icmp_news == NET_ICMP_NEWS)
		NET_COUNT(net, icmp_news_lost);
	else
		net->icmp_news[net->n_icmp_news++] = *icmp;
}

void
icmp_tell_all(struct net *net)
{
	struct tcp_icmp news[NET_ICMP_NEWS];
	unsigned int n = net->n_icmp_news;

	/* Being told makes the engine send, and that may make more news. */
	memcpy(news, net->icmp_news, n * sizeof(*news));
	net->n_icmp_news = 0;
	for (unsigned int i = 0; i < n; i++)
		net->env.icmp(net->env.ctx, &news[i]);
}

void
icmp_quote_tcp(struct tcp_icmp *icmp, const struct ip_addr *src, const struct ip_addr *dst,
	       const uint8_t *tcp)
{
	const struct tcp_header *hdr = (const void *)tcp;

	icmp->tuple = (struct tcp_tuple){
		.local = *src, .remote = *dst, .lport = hdr->sport, .rport = hdr->dport};
	icmp->seq = be32_get(hdr->seq);
}

void
icmp_tell_unsent(struct net *net, const struct rte_mbuf *m, int error)
{
	struct tcp_icmp icmp = {.kind = TCP_ICMP_UNREACHABLE, .error = error};
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	struct ip_addr src, dst;
	uint8_t proto;

	if (!ip_ends(m, &src, &dst) ||
	    rte_pktmbuf_data_len(m) < m->l3_len + (unsigned int)ICMP_QUOTE_TCP_BYTES)
		return;
	proto = ip_is4(&dst) ? ((const struct ip4_header *)(const void *)ip)->proto
			     : ((const struct ip6_header *)(const void *)ip)->proto;
	if (proto != IP_PROTO_TCP)
		return;
	icmp_quote_tcp(&icmp, &src, &dst, ip + m->l3_len);
	icmp_tell(net, &icmp);
}
