/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The headers of what is sent: room for them at a packet's start, the TCP header's fixed fields,
 * and when the packet is complete the IP header in front and both checksums, as far as no device
 * does.
 *
 *     headers_start()     [ IP .. | TCP: ports, data offset | options .. ]
 *     headers_finish()    [ IP    | TCP: and the checksum   | options    ] payload
 *
 * What lies between them, the rest of the TCP header and the options, is the caller's.
 */
#ifndef TERN_TCP_HEADERS_H
#define TERN_TCP_HEADERS_H

#include <rte_ip.h>

#include "checksum.h"
#include "engine.h"

enum {
	/* Up to this, copying is cheaper than an mbuf that refers to the bytes. */
	TCP_COPY_MAX_BYTES = 512,
	TCP_MAX_HEADERS_BYTES = (int)sizeof(struct ip6_header) + TCP_MAX_HDR_BYTES,
};

/* Payload that fits behind the headers in an mbuf of this pool. */
static inline uint32_t
headers_leave(struct rte_mempool *pool)
{
	uint32_t room = rte_pktmbuf_data_room_size(pool);
	uint32_t headers = RTE_PKTMBUF_HEADROOM + TCP_MAX_HEADERS_BYTES;

	return room > headers ? room - headers : 0;
}

/* What the IP header says besides the addresses. */
struct headers_marks {
	uint8_t ttl;
	uint8_t tos; /* or traffic class, with the ECN field */
};

static inline void
headers_put_ip4(struct rte_mbuf *m, struct tcp_engine *e, const struct tcp_tuple *tuple,
		struct headers_marks marks, uint16_t path_flags)
{
	struct ip4_header *ip = rte_pktmbuf_mtod(m, struct ip4_header *);

	*ip = (struct ip4_header){
		.version_ihl = 0x45,
		.tos = marks.tos,
		.total_len = be16((uint16_t)m->pkt_len),
		.id = be16(e->ip_id++),
		.frag = be16(IP4_DF),
		.ttl = marks.ttl,
		.proto = IP_PROTO_TCP,
		.src = ip_to4(&tuple->local),
		.dst = ip_to4(&tuple->remote),
	};
	m->packet_type = RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
	m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	if (path_flags & TCP_PATH_TX_IP4_CKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	else
		ip->cksum.raw = rte_ipv4_cksum((const struct rte_ipv4_hdr *)ip);
}

static inline void
headers_put_ip6(struct rte_mbuf *m, const struct tcp_tuple *tuple, struct headers_marks marks)
{
	struct ip6_header *ip = rte_pktmbuf_mtod(m, struct ip6_header *);

	ip->vtc_flow = be32(6u << 28 | (uint32_t)marks.tos << 20);
	ip->payload_len = be16((uint16_t)(m->pkt_len - sizeof(*ip)));
	ip->proto = IP_PROTO_TCP;
	ip->hop_limit = marks.ttl;
	memcpy(ip->src, tuple->local.w, sizeof(ip->src));
	memcpy(ip->dst, tuple->remote.w, sizeof(ip->dst));
	m->packet_type = RTE_PTYPE_L3_IPV6 | RTE_PTYPE_L4_TCP;
	m->ol_flags |= RTE_MBUF_F_TX_IPV6;
}

/* Fills in the IP header in front and the TCP checksum, once the packet is complete. */
static inline void
headers_finish(struct tcp_engine *e, struct rte_mbuf *m, const struct tcp_tuple *tuple,
	       struct headers_marks marks, uint16_t path_flags)
{
	bool is4 = ip_is4(&tuple->remote);
	struct tcp_header *th;

	m->l3_len = is4 ? sizeof(struct ip4_header) : sizeof(struct ip6_header);
	th = rte_pktmbuf_mtod_offset(m, struct tcp_header *, m->l3_len);
	m->l4_len = (uint8_t)(th->data_off >> 4) * 4u;
	if (is4)
		headers_put_ip4(m, e, tuple, marks, path_flags);
	else
		headers_put_ip6(m, tuple, marks);
	if (m->tso_segsz != 0) {
		/* The flag asks for the checksum too, and wants a pseudo-header without length. */
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		th->cksum.raw = tcp_pseudo_sum(&tuple->local, &tuple->remote, 0);
	} else if (path_flags & TCP_PATH_TX_TCP_CKSUM) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		th->cksum.raw = tcp_pseudo_sum(&tuple->local, &tuple->remote,
					       m->pkt_len - (uint32_t)m->l3_len);
	} else {
		th->cksum.raw = 0;
		th->cksum.raw = (uint16_t)~tcp_full_sum(m, &tuple->local, &tuple->remote);
	}
}

/* A packet with room for its headers made: returns the TCP header, options and payload follow. */
static inline struct tcp_header *
headers_start(struct rte_mbuf *m, const struct tcp_tuple *tuple, unsigned int options_len)
{
	unsigned int ip_len =
		ip_is4(&tuple->remote) ? sizeof(struct ip4_header) : sizeof(struct ip6_header);
	unsigned int tcp_len = (unsigned int)sizeof(struct tcp_header) + options_len;
	struct tcp_header *th;

	m->data_len = (uint16_t)(ip_len + tcp_len);
	m->pkt_len = m->data_len;
	th = rte_pktmbuf_mtod_offset(m, struct tcp_header *, ip_len);
	th->sport = tuple->lport;
	th->dport = tuple->rport;
	th->data_off = (uint8_t)(tcp_len / 4 << 4);
	th->urg = be16(0);
	return th;
}

#endif
