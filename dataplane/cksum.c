/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum over DPDK's sums. Left out: incremental update (RFC 1624), for want of use.
 */
#include "dataplane/cksum.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

enum {
	NOT_ZERO = 0xffff, /* fails whoever compares with 0 */
};

static uint16_t
fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

uint16_t
cksum_bytes(const void *data, size_t bytes)
{
	return (uint16_t)~rte_raw_cksum(data, bytes);
}

uint16_t
cksum_packet(const struct rte_mbuf *m, uint32_t off, uint32_t sum)
{
	uint16_t data = 0;

	if (rte_raw_cksum_mbuf(m, off, rte_pktmbuf_pkt_len(m) - off, &data) < 0)
		return NOT_ZERO;
	return (uint16_t)~fold(sum + data);
}

uint32_t
cksum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint32_t bytes)
{
	struct {
		uint8_t src[16];
		uint8_t dst[16];
		uint32_t bytes;
		uint32_t proto;
	} pseudo = {.bytes = rte_cpu_to_be_32(bytes), .proto = RTE_BE32(IPPROTO_ICMPV6)};

	memcpy(pseudo.src, src, sizeof(pseudo.src));
	memcpy(pseudo.dst, dst, sizeof(pseudo.dst));
	return rte_raw_cksum(&pseudo, sizeof(pseudo));
}
