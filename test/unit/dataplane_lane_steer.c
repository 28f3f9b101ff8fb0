/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/lane_steer.c: the examples of Microsoft's "Verifying the RSS Hash Calculation". */
#include <arpa/inet.h>

#include "dataplane/lane_steer.h"
#include "unit.h"

static const uint8_t key[] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static struct ip_addr
ip_of(const char *text)
{
	struct ip_addr ip;
	be32_t ip4;

	if (inet_pton(AF_INET6, text, ip.w) == 1)
		return ip;
	CU_ASSERT(inet_pton(AF_INET, text, &ip4) == 1);
	return ip_from4(ip4);
}

static void
check(const char *to, uint16_t lport, const char *from, uint16_t rport, uint32_t alone,
      uint32_t with_ports)
{
	struct tcp_tuple tuple = {
		.local = ip_of(to),
		.remote = ip_of(from),
		.lport = be16(lport),
		.rport = be16(rport),
	};

	UNIT_EQ(lane_steer_hash(&tuple, key, false), alone);
	UNIT_EQ(lane_steer_hash(&tuple, key, true), with_ports);
}

UNIT_CASE(hashes_are_as_microsoft_says)
{
	check("161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178);
	check("65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea);
	check("3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d);
	check("ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf);
}

UNIT_CASE(one_lane_has_all)
{
	struct tcp_tuple tuple = {.local = ip_of("10.0.0.1"), .remote = ip_of("10.0.0.2")};

	UNIT_EQ(lane_steer(NULL, 0, 1, &tuple), 0);
	UNIT_EQ(lane_steer(NULL, 0, 4, &tuple), 0);
}

UNIT_MAIN(UNIT_RUN(hashes_are_as_microsoft_says), UNIT_RUN(one_lane_has_all))
