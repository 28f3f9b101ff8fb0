/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/cksum.c, against the slow and obvious sums of frames.c. */
#include "net_rig.h"

UNIT_CASE(known_bytes_have_their_sum)
{
	/* RFC 1071 §3's example: the sum is ddf2. */
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	UNIT_EQ(cksum_bytes(example, sizeof(example)), rte_cpu_to_be_16(0xffff - 0xddf2));
}

UNIT_CASE(packets_sum_alike_however_they_are_cut)
{
	struct rig *rig = rig_settled();

	for (unsigned int n = 0; n < 64; n++) {
		struct frame f = frame_icmp(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 128, 0,
					    n * 0x01234567u, f.b, 0);

		for (unsigned int i = 0; i < n; i++)
			frame_put(&f, &(uint8_t){(uint8_t)(i * 37 + n)}, 1);
		f.b[FRAME_L3 + 5] = (uint8_t)(8 + n);
		frame_fix_icmp(&f);
		for (unsigned int segment = 1; segment < 40; segment += 3) {
			struct rte_mbuf *m = frame_mbuf(&f, rig->pool, segment);
			uint32_t pseudo =
				cksum_pseudo6(f.b + FRAME_L3 + 8, f.b + FRAME_L3 + 24, 8 + n);

			UNIT_EQ(cksum_packet(m, FRAME_ICMP6, pseudo), 0);
			CU_ASSERT(cksum_packet(m, FRAME_ICMP6, pseudo + 1) != 0);
			rte_pktmbuf_free(m);
		}
	}
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(known_bytes_have_their_sum),
	      UNIT_RUN(packets_sum_alike_however_they_are_cut))
