/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers as they lie on the wire.
 *
 * Fields wider than a byte are wrapper types, so that a forgotten byte swap does not compile:
 * they are read with be16_get()/be32_get() at parse and written with be16()/be32() at build.
 *
 * RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 §3.1 (TCP).
 */
#ifndef TERN_TCP_WIRE_H
#define TERN_TCP_WIRE_H

#include <assert.h>
#include <stdint.h>

#include <rte_byteorder.h>

typedef struct {
	uint16_t raw;
} __attribute__((packed)) be16_t;

typedef struct {
	uint32_t raw;
} __attribute__((packed)) be32_t;

static inline be16_t
be16(uint16_t host)
{
	return (be16_t){rte_cpu_to_be_16(host)};
}

static inline uint16_t
be16_get(be16_t wire)
{
	return rte_be_to_cpu_16(wire.raw);
}

static inline be32_t
be32(uint32_t host)
{
	return (be32_t){rte_cpu_to_be_32(host)};
}

static inline uint32_t
be32_get(be32_t wire)
{
	return rte_be_to_cpu_32(wire.raw);
}

enum {
	IP_PROTO_ICMP = 1,
	IP_PROTO_TCP = 6,
	IP_PROTO_UDP = 17,
	IP_PROTO_ICMP6 = 58,
};

/* The ECN field: the two lowest bits of IPv4's TOS and IPv6's traffic class, RFC 3168 §5. */
enum {
	IP_ECN_NOT_ECT = 0,
	IP_ECN_ECT1 = 1,
	IP_ECN_ECT0 = 2,
	IP_ECN_CE = 3,
	IP_ECN_MASK = 3,
};

struct ip4_header {
	uint8_t version_ihl; /* version << 4 | header length in 32-bit words */
	uint8_t tos;
	be16_t total_len; /* header and payload, bytes */
	be16_t id;
	be16_t frag; /* IP4_DF | IP4_MF | offset in 8-byte units */
	uint8_t ttl;
	uint8_t proto;
	be16_t cksum;
	be32_t src;
	be32_t dst;
};

enum {
	IP4_DF = 0x4000,
	IP4_MF = 0x2000,
	IP4_OFFSET_MASK = 0x1fff,
};

struct ip6_header {
	be32_t vtc_flow; /* version << 28 | traffic class << 20 | flow label */
	be16_t payload_len;
	uint8_t proto; /* next header */
	uint8_t hop_limit;
	uint8_t src[16];
	uint8_t dst[16];
};

struct tcp_header {
	be16_t sport;
	be16_t dport;
	be32_t seq;
	be32_t ack;
	uint8_t data_off; /* header length in 32-bit words << 4 | reserved bits */
	uint8_t flags;    /* TCP_FIN … */
	be16_t wnd;
	be16_t cksum;
	be16_t urg;
};

static_assert(sizeof(struct ip4_header) == 20, "IPv4 header without options");
static_assert(sizeof(struct ip6_header) == 40, "IPv6 header without extensions");
static_assert(sizeof(struct tcp_header) == 20, "TCP header without options");

/* The control bits of a TCP header, RFC 9293 §3.1. */
enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

enum {
	TCP_MAX_HDR_BYTES = 60,
	TCP_MAX_OPTION_BYTES = 40,
};

#endif
