/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP checksum with its pseudo-header, RFC 9293 §3.1 and RFC 8200 §8.1.
 */
#ifndef TERN_TCP_CHECKSUM_H
#define TERN_TCP_CHECKSUM_H

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "ip_addr.h"
#include "sum.h"

/*
 * The pseudo-header's sum, folded and not complemented, for tcp_len bytes of header and payload. A
 * device that fills in checksums wants it in the checksum field.
 */
static inline uint16_t
tcp_pseudo_sum(const struct ip_addr *a, const struct ip_addr *b, uint32_t tcp_len)
{
	uint64_t sum = rte_cpu_to_be_32(tcp_len);

	sum += rte_cpu_to_be_32(IP_PROTO_TCP);
	if (ip_is4(a)) {
		sum += (uint64_t)a->w[3] + b->w[3];
	} else {
		for (unsigned int i = 0; i < 4; i++)
			sum += (uint64_t)a->w[i] + b->w[i];
	}
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/*
 * The sum over len bytes of a packet from off on, folded and not complemented. Not
 * rte_raw_cksum_mbuf(): in DPDK 22.11 it loses carries of a segment that starts at an odd offset.
 */
static inline uint16_t
tcp_bytes_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t sum = 0, done = 0;

	for (; m != NULL && done < len; m = m->next) {
		uint32_t part;
		uint16_t sum_of_part;

		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		part = RTE_MIN(m->data_len - off, len - done);
		sum_of_part = tcp_sum(rte_pktmbuf_mtod_offset(m, const void *, off), part);
		sum += done & 1 ? rte_bswap16(sum_of_part) : sum_of_part;
		done += part;
		off = 0;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

/*
 * The sum over the pseudo-header and everything behind l3_len, folded and not complemented: 0xffff
 * if the checksum inside is right; the complement is the checksum if that is 0.
 */
static inline uint16_t
tcp_full_sum(const struct rte_mbuf *m, const struct ip_addr *a, const struct ip_addr *b)
{
	uint32_t l3_len = (uint32_t)m->l3_len, tcp_len = m->pkt_len - l3_len, sum;

	sum = (uint32_t)tcp_bytes_sum(m, l3_len, tcp_len) + tcp_pseudo_sum(a, b, tcp_len);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

#endif
