/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's repair knows no half-closed states: the kernel is led there by the segment that the peer
 * sent once, which a raw socket hands to it over loopback. Its mark lets packet filters know it.
 */
#include "kernel_repair_impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "lock.h"

enum {
	TCP_BYTES = 20,
	FLAG_FIN = 1,
	FLAG_ACK = 16,
	OFFSET_FLAGS = 5 << 12, /* a header of 5 words */
	HOPS = 64,
};

/* A packet without options, and the pseudo header before it for the checksum. */
struct packet {
	union {
		struct ip v4;
		struct ip6_hdr v6;
	} ip;
	size_t ip_bytes;
	uint16_t tcp[TCP_BYTES / 2];
};

static uint32_t
sum(const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint32_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	return total;
}

static uint32_t
sum_address(const union endpoint *end)
{
	return end->any.sa_family == AF_INET6 ? sum(&end->v6.sin6_addr, sizeof(end->v6.sin6_addr))
					      : sum(&end->v4.sin_addr, sizeof(end->v4.sin_addr));
}

static void
build_tcp(struct packet *packet, const struct endpoints *ends, const struct kernel_segment *segment)
{
	uint16_t *tcp = packet->tcp;
	uint32_t total;

	tcp[0] = htons(endpoint_port(&ends->remote));
	tcp[1] = htons(endpoint_port(&ends->local));
	tcp[2] = htons((uint16_t)(segment->seq >> 16));
	tcp[3] = htons((uint16_t)segment->seq);
	tcp[4] = htons((uint16_t)(segment->ack >> 16));
	tcp[5] = htons((uint16_t)segment->ack);
	tcp[6] = htons((uint16_t)(OFFSET_FLAGS | FLAG_ACK | (segment->fin ? FLAG_FIN : 0)));
	tcp[7] = htons(segment->window);
	total = sum(tcp, TCP_BYTES) + sum_address(&ends->local) + sum_address(&ends->remote) +
		IPPROTO_TCP + TCP_BYTES;
	while (total >> 16 != 0)
		total = (total & 0xffff) + (total >> 16);
	tcp[8] = htons((uint16_t)~total);
}

static void
build_ip(struct packet *packet, const struct endpoints *ends)
{
	if (ends->local.any.sa_family == AF_INET6) {
		packet->ip_bytes = sizeof(packet->ip.v6);
		packet->ip.v6.ip6_flow = htonl(UINT32_C(6) << 28);
		packet->ip.v6.ip6_plen = htons(TCP_BYTES);
		packet->ip.v6.ip6_nxt = IPPROTO_TCP;
		packet->ip.v6.ip6_hlim = HOPS;
		packet->ip.v6.ip6_src = ends->remote.v6.sin6_addr;
		packet->ip.v6.ip6_dst = ends->local.v6.sin6_addr;
		return;
	}
	/* The kernel fills in length, identification and checksum. */
	packet->ip_bytes = sizeof(packet->ip.v4);
	packet->ip.v4.ip_v = 4;
	packet->ip.v4.ip_hl = sizeof(packet->ip.v4) / 4;
	packet->ip.v4.ip_ttl = HOPS;
	packet->ip.v4.ip_p = IPPROTO_TCP;
	packet->ip.v4.ip_src = ends->remote.v4.sin_addr;
	packet->ip.v4.ip_dst = ends->local.v4.sin_addr;
}

int
kernel_inject(const struct endpoints *ends, const struct kernel_segment *segment, char *why)
{
	uint8_t bytes[sizeof(struct ip6_hdr) + TCP_BYTES];
	union endpoint to = ends->local;
	struct packet packet;
	ssize_t sent = -1;
	int fd;

	memset(&packet, 0, sizeof(packet));
	build_ip(&packet, ends);
	build_tcp(&packet, ends, segment);
	memcpy(bytes, &packet.ip, packet.ip_bytes);
	memcpy(bytes + packet.ip_bytes, packet.tcp, TCP_BYTES);
	endpoint_set_port(&to, 0); /* raw sockets of IPv6 want it so */
	fd = socket(to.any.sa_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return kernel_failed(why, "a raw socket");
	if (kernel_set(fd, SOL_SOCKET, SO_MARK, LOCK_PASS_MARK, "SO_MARK", why) == 0) {
		sent = sendto(fd, bytes, packet.ip_bytes + TCP_BYTES, 0, &to.any,
			      endpoint_bytes(&to));
		if (sent < 0)
			kernel_failed(why, "a segment in the peer's name");
	}
	close(fd);
	return sent < 0 ? -1 : 0;
}
