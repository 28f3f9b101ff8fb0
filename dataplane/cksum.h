/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum, RFC 1071. Results are in network byte order, ready to be stored; over
 * bytes that hold their own right checksum the result is 0.
 */
#ifndef TERN_DATAPLANE_CKSUM_H
#define TERN_DATAPLANE_CKSUM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

/* Of some bytes in a row. */
uint16_t cksum_bytes(const void *data, size_t bytes);

/* Of a packet from `off` on, whatever its segments; `sum` is added, that of a pseudo header. */
uint16_t cksum_packet(const struct rte_mbuf *m, uint32_t off, uint32_t sum);

/* The sum of the ICMPv6 pseudo header (RFC 8200 §8.1) for `bytes` of message. */
uint32_t cksum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint32_t bytes);

#endif
