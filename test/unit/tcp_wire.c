/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/wire.h, tcp/ip_addr.h, tcp/seq.h: byte order, addresses and sequence arithmetic. */
#include "unit.h"

#include "tcp/ip_addr.h"
#include "tcp/seq.h"

UNIT_CASE(fields_lie_in_network_order)
{
	be16_t a = be16(0x1234);
	be32_t b = be32(0x12345678);

	CU_ASSERT(memcmp(&a, "\x12\x34", 2) == 0);
	CU_ASSERT(memcmp(&b, "\x12\x34\x56\x78", 4) == 0);
	UNIT_EQ(be16_get(a), 0x1234);
	UNIT_EQ(be32_get(b), 0x12345678);
}

UNIT_CASE(sequence_numbers_wrap)
{
	CU_ASSERT(seq_lt(0xffffffffu, 0));
	CU_ASSERT(seq_gt(0, 0xffffffffu));
	CU_ASSERT(seq_leq(5, 5) && seq_geq(5, 5));
	CU_ASSERT(seq_within(0, 0xfffffff0u, 16));
	CU_ASSERT(!seq_within(16, 0xfffffff0u, 16));
	CU_ASSERT(!seq_within(7, 7, 7));
	UNIT_EQ(seq_max(0xffffffffu, 1), 1);
	UNIT_EQ(seq_min(0xffffffffu, 1), 0xffffffffu);
}

UNIT_CASE(addresses_know_their_kind)
{
	const uint8_t link_local[16] = {0xfe, 0xbf};
	const uint8_t global[16] = {0x20, 0x01};
	struct ip_addr v4 = ip_from4(be32(0xc6120002)), any4 = ip_from4(be32(0)), any = {0};
	struct ip_addr ll = ip_from6(link_local), g = ip_from6(global);
	struct ip_addr multicast = ip_from4(be32(0xe0000001));

	CU_ASSERT(ip_is4(&v4) && ip_is4(&any4) && !ip_is4(&any) && !ip_is4(&g));
	UNIT_EQ(be32_get(ip_to4(&v4)), 0xc6120002);
	CU_ASSERT(ip_is_any(&any) && ip_is_any(&any4) && !ip_is_any(&v4) && !ip_is_any(&g));
	CU_ASSERT(ip_is_link_local6(&ll) && !ip_is_link_local6(&g) && !ip_is_link_local6(&v4));
	CU_ASSERT(ip_is_multicast(&multicast) && !ip_is_multicast(&v4) && !ip_is_multicast(&g));
}

UNIT_MAIN(UNIT_RUN(fields_lie_in_network_order), UNIT_RUN(sequence_numbers_wrap),
	  UNIT_RUN(addresses_know_their_kind))
