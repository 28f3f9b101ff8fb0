/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parsing: RFC 9293 §3.1. The IP layer has checked the IP header; here the TCP header is, and the
 * checksum unless a device has done it.
 */
#include "segment.h"

#include "checksum.h"

static bool
checksum_is_good(const struct rte_mbuf *m, const struct tcp_tuple *tuple)
{
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	return tcp_full_sum(m, &tuple->local, &tuple->remote) == 0xffff;
}

static void
read_addresses(const struct rte_mbuf *m, bool is4, struct tcp_segment *seg)
{
	if (is4) {
		const struct ip4_header *ip = rte_pktmbuf_mtod(m, const struct ip4_header *);

		seg->tuple.local = ip_from4(ip->dst);
		seg->tuple.remote = ip_from4(ip->src);
		seg->ecn = ip->tos & 3;
	} else {
		const struct ip6_header *ip = rte_pktmbuf_mtod(m, const struct ip6_header *);

		seg->tuple.local = ip_from6(ip->dst);
		seg->tuple.remote = ip_from6(ip->src);
		seg->ecn = be32_get(ip->vtc_flow) >> 20 & 3;
	}
}

/* RFC 9293 §3.9.2.3: an address that no single host can have. */
static bool
nobody_is(const struct ip_addr *a)
{
	return ip_is_multicast(a) || ip_is_any(a) ||
	       (ip_is4(a) && be32_get(ip_to4(a)) == UINT32_MAX);
}

enum tcp_parse
tcp_segment_parse(struct rte_mbuf *m, struct tcp_segment *seg)
{
	bool is4 = RTE_ETH_IS_IPV4_HDR(m->packet_type);
	uint32_t l3_len = m->l3_len, hdr_len;
	const struct tcp_header *th;

	if (m->pkt_len < l3_len + sizeof(*th) || m->data_len < l3_len + sizeof(*th))
		return TCP_PARSE_SHORT;
	th = rte_pktmbuf_mtod_offset(m, const struct tcp_header *, l3_len);
	hdr_len = (uint32_t)(th->data_off >> 4) * 4;
	if (hdr_len < sizeof(*th) || l3_len + hdr_len > m->data_len)
		return TCP_PARSE_DATA_OFFSET;

	read_addresses(m, is4, seg);
	if (!checksum_is_good(m, &seg->tuple))
		return TCP_PARSE_CHECKSUM;
	seg->tuple.lport = th->dport;
	seg->tuple.rport = th->sport;
	seg->seq = be32_get(th->seq);
	seg->ack = be32_get(th->ack);
	seg->wnd = be16_get(th->wnd);
	seg->urg = be16_get(th->urg);
	seg->flags = th->flags;
	seg->reserved = th->data_off & 0xf;
	seg->was_syn = (th->flags & TCP_SYN) != 0;
	if (be16_get(th->sport) == 0 || nobody_is(&seg->tuple.remote))
		return TCP_PARSE_BAD_SOURCE;
	if (!tcp_options_decode((const uint8_t *)(th + 1), hdr_len - (uint32_t)sizeof(*th),
				(th->flags & TCP_SYN) != 0, &seg->opt))
		return TCP_PARSE_BAD_OPTION;

	seg->hdr_bytes = (uint8_t)hdr_len;
	seg->len = m->pkt_len - l3_len - hdr_len;
	seg->seg_bytes = seg->len;
	/* Large receive offload: what the peer sent was smaller. */
	if ((m->ol_flags & RTE_MBUF_F_RX_LRO) && m->tso_segsz != 0 && m->tso_segsz < seg->len)
		seg->seg_bytes = m->tso_segsz;
	rte_pktmbuf_adj(m, (uint16_t)(l3_len + hdr_len));
	seg->m = m;
	return TCP_PARSE_OK;
}
