/* SPDX-License-Identifier: BSD-3-Clause */
/* Hand-made Ethernet frames: see frames.h. Checksums are computed the slow and obvious way. */
#include "frames.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
give_up(const char *text)
{
	fprintf(stderr, "not an address: %s\n", text);
	exit(2);
}

struct ip_addr
ip(const char *text)
{
	uint8_t b[16];
	be32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return ip_from4(v4);
	if (inet_pton(AF_INET6, text, b) != 1)
		give_up(text);
	return ip_from6(b);
}

struct rte_ether_addr
mac(const char *text)
{
	struct rte_ether_addr a;

	if (rte_ether_unformat_addr(text, &a) != 0)
		give_up(text);
	return a;
}

void
frame_put(struct frame *f, const void *data, unsigned int n)
{
	if (f->n + n > sizeof(f->b))
		give_up("frame too long");
	memcpy(f->b + f->n, data, n);
	f->n += n;
}

void
frame_put_zeros(struct frame *f, unsigned int n)
{
	while (n-- > 0)
		frame_put(f, "", 1);
}

static void
set16(struct frame *f, unsigned int at, unsigned int v)
{
	f->b[at] = (uint8_t)(v >> 8);
	f->b[at + 1] = (uint8_t)v;
}

struct frame
frame_eth(const char *dst, const char *src, uint16_t type)
{
	struct frame f = {0};
	struct rte_ether_addr a = mac(dst);

	frame_put(&f, &a, sizeof(a));
	a = mac(src);
	frame_put(&f, &a, sizeof(a));
	frame_put_zeros(&f, 2);
	set16(&f, 12, type);
	return f;
}

struct frame
frame_arp(const char *dst, uint16_t op, const char *sender_mac, const char *sender_ip,
	  const char *target_ip)
{
	struct frame f = frame_eth(dst == NULL ? "ff:ff:ff:ff:ff:ff" : dst, sender_mac, FRAME_ARP);
	struct ip_addr a = ip(sender_ip);

	frame_put(&f, "\0\1\x08\0\6\4", 6);
	frame_put_zeros(&f, 2);
	set16(&f, f.n - 2, op);
	frame_put(&f, f.b + 6, 6);
	frame_put(&f, &a.w[3], 4);
	frame_put_zeros(&f, 6);
	a = ip(target_ip);
	frame_put(&f, &a.w[3], 4);
	return f;
}

/* RFC 1071, two bytes at a time. */
static uint32_t
sum(const uint8_t *b, unsigned int n, uint32_t s)
{
	for (unsigned int i = 0; i < n; i++)
		s += i % 2 == 0 ? (uint32_t)b[i] << 8 : b[i];
	while (s > 0xffff)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static unsigned int
ip4_header_bytes(const struct frame *f)
{
	return (f->b[FRAME_L3] & 0xf) * 4u;
}

static uint32_t
icmp_sum(const struct frame *f)
{
	unsigned int bytes;

	if (frame_type(f) == FRAME_IP4) {
		bytes = frame_be16(f, FRAME_L3 + 2) - ip4_header_bytes(f);
		return sum(f->b + FRAME_L3 + ip4_header_bytes(f), bytes, 0);
	}
	bytes = frame_be16(f, FRAME_L3 + 4);
	return sum(f->b + FRAME_ICMP6, bytes, sum(f->b + FRAME_L3 + 8, 32, 58 + bytes));
}

void
frame_fix_ip4(struct frame *f)
{
	set16(f, FRAME_L3 + 10, 0);
	set16(f, FRAME_L3 + 10, ~sum(f->b + FRAME_L3, ip4_header_bytes(f), 0));
}

void
frame_fix_icmp(struct frame *f)
{
	unsigned int at = frame_type(f) == FRAME_IP4 ? FRAME_L3 + ip4_header_bytes(f) : FRAME_ICMP6;

	set16(f, at + 2, 0);
	set16(f, at + 2, ~icmp_sum(f));
}

bool
frame_ip4_cksum_ok(const struct frame *f)
{
	return sum(f->b + FRAME_L3, ip4_header_bytes(f), 0) == 0xffff;
}

bool
frame_icmp_cksum_ok(const struct frame *f)
{
	return icmp_sum(f) == 0xffff;
}

struct frame
frame_ip(const char *dst_mac, const char *src_mac, const char *src, const char *dst, uint8_t proto,
	 const void *payload, unsigned int n)
{
	struct ip_addr s = ip(src), d = ip(dst);
	bool v4 = ip_is4(&s);
	struct frame f = frame_eth(dst_mac, src_mac, v4 ? FRAME_IP4 : FRAME_IP6);

	if (v4) {
		frame_put(&f, "\x45\0\0\0\0\0\x40\0\x40\0\0\0", 12);
		frame_put(&f, &s.w[3], 4);
		frame_put(&f, &d.w[3], 4);
		set16(&f, FRAME_L3 + 2, 20 + n);
		f.b[FRAME_L3 + 9] = proto;
		frame_fix_ip4(&f);
	} else {
		frame_put(&f, "\x60\0\0\0\0\0\0\x40", 8);
		frame_put(&f, &s, 16);
		frame_put(&f, &d, 16);
		set16(&f, FRAME_L3 + 4, n);
		f.b[FRAME_L3 + 6] = proto;
	}
	frame_put(&f, payload, n);
	return f;
}

struct frame
frame_tcp(const char *dst_mac, const char *src_mac, const char *src, const char *dst,
	  uint16_t sport, uint16_t dport, unsigned int n)
{
	struct frame tcp = {0};

	frame_put_zeros(&tcp, 20 + n);
	set16(&tcp, 0, sport);
	set16(&tcp, 2, dport);
	set16(&tcp, 6, 1000);
	tcp.b[12] = 0x50;
	tcp.b[13] = 0x10;
	for (unsigned int i = 20; i < tcp.n; i++)
		tcp.b[i] = (uint8_t)i;
	return frame_ip(dst_mac, src_mac, src, dst, 6, tcp.b, tcp.n);
}

struct frame
frame_icmp(const char *dst_mac, const char *src_mac, const char *src, const char *dst, uint8_t type,
	   uint8_t code, uint32_t rest, const void *body, unsigned int n)
{
	struct ip_addr s = ip(src);
	struct frame icmp = {0}, f;

	frame_put(&icmp, &type, 1);
	frame_put(&icmp, &code, 1);
	frame_put_zeros(&icmp, 6);
	set16(&icmp, 4, rest >> 16);
	set16(&icmp, 6, rest);
	frame_put(&icmp, body, n);
	f = frame_ip(dst_mac, src_mac, src, dst, ip_is4(&s) ? 1 : 58, icmp.b, icmp.n);
	frame_fix_icmp(&f);
	return f;
}

uint16_t
frame_be16(const struct frame *f, unsigned int at)
{
	return (uint16_t)(f->b[at] << 8 | f->b[at + 1]);
}

uint32_t
frame_be32(const struct frame *f, unsigned int at)
{
	return (uint32_t)frame_be16(f, at) << 16 | frame_be16(f, at + 2);
}

uint16_t
frame_type(const struct frame *f)
{
	return frame_be16(f, 12);
}

bool
frame_to(const struct frame *f, const char *mac_text)
{
	struct rte_ether_addr a = mac(mac_text);

	return memcmp(f->b, &a, 6) == 0;
}

bool
frame_from(const struct frame *f, const char *mac_text)
{
	struct rte_ether_addr a = mac(mac_text);

	return memcmp(f->b + 6, &a, 6) == 0;
}

struct ip_addr
frame_ip4_at(const struct frame *f, unsigned int at)
{
	return ip_from4(be32(frame_be32(f, at)));
}

struct ip_addr
frame_ip6_at(const struct frame *f, unsigned int at)
{
	return ip_from6(f->b + at);
}

struct ip_addr
frame_src(const struct frame *f)
{
	return frame_type(f) == FRAME_IP4 ? frame_ip4_at(f, FRAME_L3 + 12)
					  : frame_ip6_at(f, FRAME_L3 + 8);
}

struct ip_addr
frame_dst(const struct frame *f)
{
	return frame_type(f) == FRAME_IP4 ? frame_ip4_at(f, FRAME_L3 + 16)
					  : frame_ip6_at(f, FRAME_L3 + 24);
}

struct rte_mbuf *
frame_mbuf(const struct frame *f, struct rte_mempool *pool, unsigned int segment)
{
	struct rte_mbuf *head = NULL;

	if (segment == 0)
		segment = FRAME_BYTES;
	for (unsigned int at = 0; at < f->n || head == NULL;) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		unsigned int n = RTE_MIN(f->n - at, segment);

		if (m == NULL)
			give_up("no mbuf");
		n = RTE_MIN(n, (unsigned int)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), f->b + at, n);
		at += n;
		if (head == NULL)
			head = m;
		else if (rte_pktmbuf_chain(head, m) != 0)
			give_up("too many segments");
	}
	return head;
}

struct frame
frame_of_mbuf(const struct rte_mbuf *m)
{
	struct frame f = {0};

	for (; m != NULL; m = m->next)
		frame_put(&f, rte_pktmbuf_mtod(m, const void *), rte_pktmbuf_data_len(m));
	return f;
}
