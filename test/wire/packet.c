/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to bytes and back. Leaves out: IP options, IPv6 extension headers, fragments. */
#include "packet.h"

/* RFC 1071, the slow and obvious way. */
static uint32_t
sum_bytes(uint32_t sum, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += (i & 1) != 0 ? b[i] : (uint32_t)b[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The pseudo header's part of the sum: addresses, protocol, length. */
static uint32_t
sum_pseudo(const struct ip_addr *src, const struct ip_addr *dst, size_t tcp_bytes)
{
	size_t skip = ip_is4(src) ? 12 : 0;
	uint32_t sum = sum_bytes(0, (const uint8_t *)src + skip, 16 - skip);

	sum = sum_bytes(sum, (const uint8_t *)dst + skip, 16 - skip);
	return sum + IP_PROTO_TCP + (uint32_t)tcp_bytes;
}

static void
put_u16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void
put_u32(uint8_t *b, uint32_t v)
{
	put_u16(b, v >> 16);
	put_u16(b + 2, v);
}

static uint16_t
get_u16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static uint32_t
get_u32(const uint8_t *b)
{
	return (uint32_t)get_u16(b) << 16 | get_u16(b + 2);
}

static size_t
build_ip(const struct packet *p, size_t tcp_bytes, uint8_t *ip)
{
	if (ip_is4(&p->src)) {
		memset(ip, 0, 20);
		ip[0] = 0x45;
		ip[1] = p->ecn;
		put_u16(ip + 2, (uint32_t)(20 + tcp_bytes));
		put_u16(ip + 6, IP4_DF);
		ip[8] = p->ttl;
		ip[9] = IP_PROTO_TCP;
		memcpy(ip + 12, &p->src.w[3], 4);
		memcpy(ip + 16, &p->dst.w[3], 4);
		put_u16(ip + 10, ~sum_bytes(0, ip, 20));
		return 20;
	}
	memset(ip, 0, 40);
	ip[0] = 0x60;
	ip[1] = (uint8_t)(p->ecn << 4);
	put_u16(ip + 4, (uint32_t)tcp_bytes);
	ip[6] = IP_PROTO_TCP;
	ip[7] = p->ttl;
	memcpy(ip + 8, p->src.w, 16);
	memcpy(ip + 24, p->dst.w, 16);
	return 40;
}

size_t
packet_build(const struct packet *p, const struct packet_faults *faults,
	     uint8_t buf[PACKET_MAX_BYTES])
{
	size_t ip_bytes = ip_is4(&p->src) ? 20 : 40;
	size_t header = 20 + (p->option_bytes + 3u) / 4 * 4, n = header + p->payload_bytes;
	uint8_t *t = buf + ip_bytes;

	memset(t, 0, header);
	put_u16(t, p->sport);
	put_u16(t + 2, p->dport);
	put_u32(t + 4, p->seq);
	put_u32(t + 8, p->ack);
	t[12] = (uint8_t)((faults->has_data_off ? faults->data_off : header / 4) << 4);
	t[13] = p->flags;
	put_u16(t + 14, p->win);
	put_u16(t + 18, p->urg);
	memcpy(t + 20, p->options, p->option_bytes);
	if (p->payload_bytes != 0)
		memcpy(t + header, p->payload, p->payload_bytes);
	if (faults->has_cut && faults->cut < n)
		n = faults->cut;
	build_ip(p, n, buf);
	if (n >= 18) {
		put_u16(t + 16, ~sum_bytes(sum_pseudo(&p->src, &p->dst, n), t, n));
		if (faults->bad_sum)
			t[16] ^= 0x55;
	}
	return ip_bytes + n;
}

static const char *
parse_ip4(const uint8_t *b, size_t n, unsigned int left, struct packet *p)
{
	if (n < 20 || b[0] != 0x45)
		return "not an IPv4 header of 20 bytes";
	if (get_u16(b + 2) != n)
		return "IPv4 total length is not the packet's";
	if (get_u16(b + 6) != IP4_DF)
		return "IPv4 fragment field is not DF alone";
	if (b[9] != IP_PROTO_TCP)
		return "IPv4 protocol is not TCP";
	if ((left & PACKET_IP4_CKSUM_LEFT) != 0 ? get_u16(b + 10) != 0
						: sum_bytes(0, b, 20) != 0xffff)
		return "IPv4 header checksum";
	p->src = (struct ip_addr){{0, 0, RTE_BE32(0xffff), 0}};
	p->dst = p->src;
	memcpy(&p->src.w[3], b + 12, 4);
	memcpy(&p->dst.w[3], b + 16, 4);
	p->ttl = b[8];
	p->ecn = b[1] & 3;
	return NULL;
}

static const char *
parse_ip6(const uint8_t *b, size_t n, struct packet *p)
{
	if (n < 40)
		return "shorter than an IPv6 header";
	if (get_u16(b + 4) != n - 40)
		return "IPv6 payload length is not the packet's";
	if (b[6] != IP_PROTO_TCP)
		return "IPv6 next header is not TCP";
	memcpy(p->src.w, b + 8, 16);
	memcpy(p->dst.w, b + 24, 16);
	p->ttl = b[7];
	p->ecn = b[1] >> 4 & 3;
	return NULL;
}

const char *
packet_parse(const uint8_t *bytes, size_t n, unsigned int left, struct packet *p)
{
	bool v4 = n > 0 && bytes[0] >> 4 == 4;
	const char *wrong = v4 ? parse_ip4(bytes, n, left, p) : parse_ip6(bytes, n, p);
	const uint8_t *t = bytes + (v4 ? 20 : 40);
	size_t tcp_bytes, header;
	uint32_t sum;

	if (wrong != NULL)
		return wrong;
	tcp_bytes = n - (size_t)(t - bytes);
	if (tcp_bytes < 20)
		return "shorter than a TCP header";
	header = (size_t)(t[12] >> 4) * 4;
	if (header < 20 || header > tcp_bytes)
		return "TCP data offset";
	if ((t[12] & 0x0f) != 0)
		return "TCP reserved bits are not 0";
	sum = sum_pseudo(&p->src, &p->dst, tcp_bytes);
	if ((left & PACKET_TSO_CKSUM_LEFT) != 0) {
		if (sum_pseudo(&p->src, &p->dst, 0) != get_u16(t + 16))
			return "TCP checksum for TSO is not the pseudo header's without length";
	} else if ((left & PACKET_TCP_CKSUM_LEFT) != 0) {
		if (sum_bytes(sum, NULL, 0) != get_u16(t + 16))
			return "TCP checksum for offload is not the pseudo header's";
	} else if (sum_bytes(sum, t, tcp_bytes) != 0xffff) {
		return "TCP checksum";
	}
	p->sport = get_u16(t);
	p->dport = get_u16(t + 2);
	p->seq = get_u32(t + 4);
	p->ack = get_u32(t + 8);
	p->flags = t[13];
	p->win = get_u16(t + 14);
	p->urg = get_u16(t + 18);
	p->option_bytes = (unsigned int)(header - 20);
	memcpy(p->options, t + 20, p->option_bytes);
	p->payload = t + header;
	p->payload_bytes = tcp_bytes - header;
	if ((p->flags & TCP_ACK) == 0 && p->ack != 0)
		return "acknowledgment number without the ACK flag";
	return NULL;
}
