/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hand-made Ethernet frames. A frame is plain bytes in a struct, so that a test can spoil any of
 * them before it is sent. Builders complete lengths and checksums; frame_put() appends whatever is
 * wanted.
 */
#ifndef TERN_TEST_FRAMES_H
#define TERN_TEST_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "tcp/ip_addr.h"

enum {
	FRAME_BYTES = 4096,
	FRAME_L3 = 14, /* where the IP header or ARP packet starts */
	FRAME_ICMP4 = FRAME_L3 + 20,
	FRAME_ICMP6 = FRAME_L3 + 40,
	FRAME_IP4 = 0x0800, /* Ethernet types */
	FRAME_ARP = 0x0806,
	FRAME_IP6 = 0x86dd,
};

struct frame {
	unsigned int n; /* bytes in b */
	uint8_t b[FRAME_BYTES];
};

/* "198.18.0.1", "2001:db8::1"; and "02:00:00:00:00:01". End the program when they are none. */
struct ip_addr ip(const char *text);
struct rte_ether_addr mac(const char *text);

/* An Ethernet header alone. */
struct frame frame_eth(const char *dst, const char *src, uint16_t type);
void frame_put(struct frame *f, const void *data, unsigned int n);
void frame_put_zeros(struct frame *f, unsigned int n);

/* An ARP packet, by broadcast if dst is NULL; the frame's source is the sender's MAC. */
struct frame frame_arp(const char *dst, uint16_t op, const char *sender_mac, const char *sender_ip,
		       const char *target_ip);

/* IP packets around a payload, either family. */
struct frame frame_ip(const char *dst_mac, const char *src_mac, const char *src, const char *dst,
		      uint8_t proto, const void *payload, unsigned int n);

/* A bare ACK with n bytes of payload, sequence number 1000. Its checksum is left 0. */
struct frame frame_tcp(const char *dst_mac, const char *src_mac, const char *src, const char *dst,
		       uint16_t sport, uint16_t dport, unsigned int n);

/* ICMP or ICMPv6 by family: type, code, the four bytes behind the checksum, and what follows. */
struct frame frame_icmp(const char *dst_mac, const char *src_mac, const char *src, const char *dst,
			uint8_t type, uint8_t code, uint32_t rest, const void *body,
			unsigned int n);

/* Corrects the IPv4 header checksum, and the ICMP or ICMPv6 one behind a header without options. */
void frame_fix_ip4(struct frame *f);
void frame_fix_icmp(struct frame *f);

/* Whether these are right. */
bool frame_ip4_cksum_ok(const struct frame *f);
bool frame_icmp_cksum_ok(const struct frame *f);

/* Reading. */
uint16_t frame_be16(const struct frame *f, unsigned int at);
uint32_t frame_be32(const struct frame *f, unsigned int at);
uint16_t frame_type(const struct frame *f);
bool frame_to(const struct frame *f, const char *mac_text);
bool frame_from(const struct frame *f, const char *mac_text);
struct ip_addr frame_src(const struct frame *f); /* of the IP header */
struct ip_addr frame_dst(const struct frame *f);
struct ip_addr frame_ip4_at(const struct frame *f, unsigned int at);
struct ip_addr frame_ip6_at(const struct frame *f, unsigned int at);

/* To and from mbufs; `segment` > 0 spreads the frame over mbufs of that many bytes each. */
struct rte_mbuf *frame_mbuf(const struct frame *f, struct rte_mempool *pool, unsigned int segment);
struct frame frame_of_mbuf(const struct rte_mbuf *m);

#endif
