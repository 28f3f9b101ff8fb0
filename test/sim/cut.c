/* SPDX-License-Identifier: BSD-3-Clause */
#include "cut.h"

#include <rte_ip.h>
#include <rte_tcp.h>

static bool
is_cut(const struct rte_mbuf *packet)
{
	return (packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

static uint32_t
headers_bytes(const struct rte_mbuf *packet)
{
	return (uint32_t)packet->l3_len + packet->l4_len;
}

unsigned int
cut_segments(const struct rte_mbuf *packet)
{
	uint32_t payload = packet->pkt_len - headers_bytes(packet);

	return is_cut(packet) ? (payload + packet->tso_segsz - 1) / packet->tso_segsz : 1;
}

bool
cut_is_within(const struct rte_mbuf *packet, const struct tcp_tso_limits *limits)
{
	if (!is_cut(packet))
		return true;
	return (limits->max_bytes == 0 || packet->pkt_len <= limits->max_bytes) &&
	       (limits->max_segs == 0 || cut_segments(packet) <= limits->max_segs) &&
	       (limits->max_mbufs == 0 || packet->nb_segs <= limits->max_mbufs);
}

static void
fill_tcp_checksum(const void *l3, struct rte_tcp_hdr *tcp)
{
	tcp->cksum = 0;
	tcp->cksum = *(const uint8_t *)l3 >> 4 == 4 ? rte_ipv4_udptcp_cksum(l3, tcp)
						    : rte_ipv6_udptcp_cksum(l3, tcp);
}

static void
fill_ip_checksum(struct rte_ipv4_hdr *ip)
{
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* The headers of one segment of several. */
static void
adapt_headers(struct rte_mbuf *m, const struct rte_mbuf *packet, unsigned int i, bool last)
{
	uint8_t *l3 = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(l3 + packet->l3_len);

	if (l3[0] >> 4 == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)l3;

		ip->total_length = rte_cpu_to_be_16(m->data_len);
		ip->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip->packet_id) + i));
		fill_ip_checksum(ip);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(void *)l3;

		ip->payload_len = rte_cpu_to_be_16((uint16_t)(m->data_len - packet->l3_len));
	}
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + i * packet->tso_segsz);
	if (!last)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	fill_tcp_checksum(l3, tcp);
}

static struct rte_mbuf *
one_of_several(const struct rte_mbuf *packet, unsigned int i, struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint32_t headers = headers_bytes(packet), segsz = packet->tso_segsz;
	uint32_t from = headers + i * segsz;
	uint32_t len = RTE_MIN(segsz, packet->pkt_len - from);
	uint8_t *to;
	const void *at;

	if (m == NULL)
		return NULL;
	to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(headers + len));
	if (to == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	at = rte_pktmbuf_read(packet, 0, headers, to);
	if (at != to)
		memcpy(to, at, headers);
	at = rte_pktmbuf_read(packet, from, len, to + headers);
	if (at != to + headers)
		memcpy(to + headers, at, len);
	adapt_headers(m, packet, i, from + len == packet->pkt_len);
	return m;
}

static struct rte_mbuf *
whole(const struct rte_mbuf *packet, struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_copy(packet, pool, 0, UINT32_MAX);
	void *l3;

	if (m == NULL || m->nb_segs > 1)
		return m;
	l3 = rte_pktmbuf_mtod(m, void *);
	if ((packet->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM)
		fill_tcp_checksum(l3,
				  rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, packet->l3_len));
	if ((packet->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0)
		fill_ip_checksum(l3);
	return m;
}

struct rte_mbuf *
cut_segment(const struct rte_mbuf *packet, unsigned int i, struct rte_mempool *pool)
{
	struct rte_mbuf *m = is_cut(packet) ? one_of_several(packet, i, pool) : whole(packet, pool);

	if (m == NULL)
		return NULL;
	m->ol_flags = 0;
	m->packet_type = packet->packet_type & RTE_PTYPE_L3_MASK;
	m->l3_len = packet->l3_len;
	return m;
}
