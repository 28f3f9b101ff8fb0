/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum over DPDK's sums of plain memory. Over several segments DPDK 22.11's
 * rte_raw_cksum_mbuf() loses carries where a segment starts at an odd offset, so that is done here.
 *
 * Left out: incremental update (RFC 1624), for want of use.
 */
#include "dataplane/cksum.h"

#include <stdbool.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

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
	bool odd = false;

	for (; m != NULL; m = m->next) {
		uint32_t bytes = rte_pktmbuf_data_len(m);
		uint16_t part;

		if (off >= bytes) {
			off -= bytes;
			continue;
		}
		bytes -= off;
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, off), bytes);
		/* Bytes that start at an odd offset change sides (RFC 1071 §2 B). */
		sum += odd ? rte_bswap16(part) : part;
		odd ^= bytes % 2 != 0;
		off = 0;
	}
	return (uint16_t)~fold(sum);
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
