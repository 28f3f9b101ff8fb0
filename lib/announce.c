/* SPDX-License-Identifier: BSD-3-Clause */
/* See announce.h. The kernel does this by itself only when an interface comes up. */
#include "announce.h"

#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <netpacket/packet.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	MAC_BYTES = 6,
	HOPS = 255, /* RFC 4861 §7.1.2 */
	OPTION_BYTES = 8,
};

struct advertisement {
	struct ether_header ethernet;
	struct ip6_hdr ip;
	struct nd_neighbor_advert na;
	struct nd_opt_hdr option;
	uint8_t mac[MAC_BYTES];
} __attribute__((packed));

struct gratuitous {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed));

static uint16_t
checksum(const uint8_t *bytes, size_t n, uint32_t total)
{
	for (size_t i = 0; i < n; i++)
		total += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	while (total >> 16 != 0)
		total = (total & 0xffff) + (total >> 16);
	return htons((uint16_t)~total);
}

static void
send_frame(int fd, unsigned int interface, const void *frame, size_t bytes)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)interface,
		.sll_halen = MAC_BYTES,
	};

	memcpy(to.sll_addr, frame, MAC_BYTES);
	(void)!sendto(fd, frame, bytes, 0, (struct sockaddr *)&to, sizeof(to));
}

static void
send_arp(int fd, unsigned int interface, const uint8_t *mac, const union endpoint *address)
{
	struct gratuitous frame;

	memset(&frame, 0, sizeof(frame));
	memset(frame.ethernet.ether_dhost, 0xff, MAC_BYTES);
	memcpy(frame.ethernet.ether_shost, mac, MAC_BYTES);
	frame.ethernet.ether_type = htons(ETHERTYPE_ARP);
	frame.arp.ea_hdr.ar_hrd = htons(ARPHRD_ETHER);
	frame.arp.ea_hdr.ar_pro = htons(ETHERTYPE_IP);
	frame.arp.ea_hdr.ar_hln = MAC_BYTES;
	frame.arp.ea_hdr.ar_pln = sizeof(frame.arp.arp_spa);
	frame.arp.ea_hdr.ar_op = htons(ARPOP_REQUEST);
	memcpy(frame.arp.arp_sha, mac, MAC_BYTES);
	memcpy(frame.arp.arp_spa, &address->v4.sin_addr, sizeof(frame.arp.arp_spa));
	memcpy(frame.arp.arp_tpa, &address->v4.sin_addr, sizeof(frame.arp.arp_tpa));
	send_frame(fd, interface, &frame, sizeof(frame));
}

static void
send_advertisement(int fd, unsigned int interface, const uint8_t *mac,
		   const union endpoint *address)
{
	static const uint8_t group_mac[MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1};
	const size_t icmp_bytes = sizeof(struct nd_neighbor_advert) + OPTION_BYTES;
	struct advertisement frame;
	uint8_t *ip = (uint8_t *)&frame + sizeof(frame.ethernet);

	memset(&frame, 0, sizeof(frame));
	memcpy(frame.ethernet.ether_dhost, group_mac, MAC_BYTES);
	memcpy(frame.ethernet.ether_shost, mac, MAC_BYTES);
	frame.ethernet.ether_type = htons(ETHERTYPE_IPV6);
	frame.ip.ip6_flow = htonl(UINT32_C(6) << 28);
	frame.ip.ip6_plen = htons((uint16_t)icmp_bytes);
	frame.ip.ip6_nxt = IPPROTO_ICMPV6;
	frame.ip.ip6_hlim = HOPS;
	frame.ip.ip6_src = address->v6.sin6_addr;
	frame.ip.ip6_dst.s6_addr[0] = 0xff; /* ff02::1, all nodes */
	frame.ip.ip6_dst.s6_addr[1] = 0x02;
	frame.ip.ip6_dst.s6_addr[15] = 1;
	frame.na.nd_na_hdr.icmp6_type = ND_NEIGHBOR_ADVERT;
	frame.na.nd_na_hdr.icmp6_dataun.icmp6_un_data32[0] = ND_NA_FLAG_OVERRIDE;
	frame.na.nd_na_target = address->v6.sin6_addr;
	frame.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
	frame.option.nd_opt_len = OPTION_BYTES / 8;
	memcpy(frame.mac, mac, MAC_BYTES);
	/* Both addresses and the message; the pseudo header's length and protocol come first. */
	frame.na.nd_na_hdr.icmp6_cksum =
		checksum(ip + 8, sizeof(frame) - sizeof(frame.ethernet) - 8,
			 (uint32_t)icmp_bytes + IPPROTO_ICMPV6);
	send_frame(fd, interface, &frame, sizeof(frame));
}

void
announce_address(unsigned int interface, const union endpoint *address)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	if (fd < 0)
		return;
	if (if_indextoname(interface, request.ifr_name) != NULL &&
	    ioctl(fd, SIOCGIFHWADDR, &request) == 0 &&
	    request.ifr_hwaddr.sa_family == ARPHRD_ETHER) {
		const uint8_t *mac = (const uint8_t *)request.ifr_hwaddr.sa_data;

		if (address->any.sa_family == AF_INET)
			send_arp(fd, interface, mac, address);
		else
			send_advertisement(fd, interface, mac, address);
	}
	close(fd);
}
