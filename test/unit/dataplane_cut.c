/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/cut.c: each segment is what a sender of single segments would have made. */
#include <rte_ip.h>

#include "dataplane/cut.h"
#include "frames.h"
#include "tcp/wire.h"
#include "unit.h"

enum {
	MBUFS = 127,
	PAYLOAD_MBUFS = 4095,
	HEADER_ROOM = 512 + RTE_PKTMBUF_HEADROOM,
	DATA_ROOM = 2048 + RTE_PKTMBUF_HEADROOM,
	OPTIONS = 12,
	TCP_BYTES = (int)sizeof(struct tcp_header) + OPTIONS,
	FIRST_ID = 0xffff, /* goes round, as the sequence number does */
};

static const uint32_t first_seq = 0xfffff800;

static const char *const ends[2][2] = {{"198.18.0.2", "198.18.0.1"},
				       {"2001:db8::2", "2001:db8::1"}};

static struct lane_pools pools;
static struct rte_mempool *payload_pool;

static void
pools_up(void)
{
	pools.pool[POOL_HEADER] = rte_pktmbuf_pool_create("header", MBUFS, 0, 0, HEADER_ROOM, 0);
	pools.pool[POOL_DATA] = rte_pktmbuf_pool_create("data", MBUFS, 0, 0, DATA_ROOM, 0);
	pools.pool[POOL_REF] = rte_pktmbuf_pool_create("ref", MBUFS, 0, 0, 0, 0);
	payload_pool = rte_pktmbuf_pool_create("payload", PAYLOAD_MBUFS, 0, 0, HEADER_ROOM, 0);
	for (unsigned int k = POOL_HEADER; k <= POOL_REF; k++)
		CU_ASSERT_PTR_NOT_NULL_FATAL(pools.pool[k]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(payload_pool);
}

/* All that was taken has come back. */
static void
pools_down(void)
{
	for (unsigned int k = POOL_HEADER; k <= POOL_REF; k++) {
		UNIT_EQ(rte_mempool_avail_count(pools.pool[k]), MBUFS);
		rte_mempool_free(pools.pool[k]);
	}
	UNIT_EQ(rte_mempool_avail_count(payload_pool), PAYLOAD_MBUFS);
	rte_mempool_free(payload_pool);
}

static uint8_t
payload_byte(unsigned int i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

/* As the engine has it for a device: `bytes` of payload, `piece` in each mbuf behind the headers.
 */
static struct rte_mbuf *
to_cut(bool is6, unsigned int bytes, uint16_t segsz, unsigned int piece, uint8_t flags)
{
	struct frame f = frame_tcp("02:00:00:00:00:01", "02:00:00:00:00:02", ends[is6][0],
				   ends[is6][1], 80, 4000, OPTIONS);
	unsigned int l3_len = is6 ? sizeof(struct ip6_header) : sizeof(struct ip4_header);
	uint8_t *l3 = f.b + FRAME_L3;
	struct tcp_header *th = (struct tcp_header *)(l3 + l3_len);
	struct rte_mbuf *m, *last;

	th->seq = be32(first_seq);
	th->data_off = TCP_BYTES / 4 << 4;
	th->flags = flags;
	th->cksum.raw = is6 ? rte_ipv6_phdr_cksum((void *)l3, RTE_MBUF_F_TX_TCP_SEG)
			    : rte_ipv4_phdr_cksum((void *)l3, RTE_MBUF_F_TX_TCP_SEG);
	if (!is6)
		((struct ip4_header *)l3)->id = be16(FIRST_ID);
	m = last = frame_mbuf(&f, payload_pool, 0);
	m->l2_len = FRAME_L3;
	m->l3_len = l3_len & 0x1ff;
	m->l4_len = TCP_BYTES;
	m->tso_segsz = segsz;
	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG;
	for (unsigned int i = 0; i < bytes;) {
		struct rte_mbuf *next = rte_pktmbuf_alloc(payload_pool);

		CU_ASSERT_PTR_NOT_NULL_FATAL(next);
		for (; i < bytes && next->data_len < piece; i++)
			*(uint8_t *)rte_pktmbuf_append(next, 1) = payload_byte(i);
		last->next = next;
		last = next;
		m->nb_segs++;
		m->pkt_len += next->data_len;
	}
	return m;
}

/* The segment of `bytes` of payload from `at` on. */
static void
expect_segment(const struct rte_mbuf *m, bool is6, unsigned int index, unsigned int at,
	       unsigned int bytes, uint8_t flags)
{
	struct frame f = frame_of_mbuf(m);
	const uint8_t *l3 = f.b + FRAME_L3;
	unsigned int l3_len = is6 ? sizeof(struct ip6_header) : sizeof(struct ip4_header);
	struct tcp_header *th = (struct tcp_header *)(f.b + FRAME_L3 + l3_len);
	const uint8_t *payload = (const uint8_t *)th + TCP_BYTES;
	uint16_t cksum = th->cksum.raw;
	bool same = true;

	th->cksum.raw = 0;
	rte_mbuf_sanity_check(m, 1);
	UNIT_EQ(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0);
	UNIT_EQ(f.n, FRAME_L3 + l3_len + TCP_BYTES + bytes);
	if (is6) {
		UNIT_EQ(be16_get(((const struct ip6_header *)l3)->payload_len), TCP_BYTES + bytes);
		UNIT_EQ(rte_ipv6_udptcp_cksum((const void *)l3, th), cksum);
	} else {
		UNIT_EQ(be16_get(((const struct ip4_header *)l3)->total_len),
			l3_len + TCP_BYTES + bytes);
		UNIT_EQ(be16_get(((const struct ip4_header *)l3)->id),
			(uint16_t)(FIRST_ID + index));
		CU_ASSERT(frame_ip4_cksum_ok(&f));
		UNIT_EQ(rte_ipv4_udptcp_cksum((const void *)l3, th), cksum);
	}
	UNIT_EQ(be32_get(th->seq), first_seq + at);
	UNIT_EQ(th->flags, flags);
	for (unsigned int i = 0; i < OPTIONS; i++)
		same &= ((const uint8_t *)(th + 1))[i] == (uint8_t)(20 + i);
	for (unsigned int i = 0; i < bytes; i++)
		same &= payload[i] == payload_byte(at + i);
	CU_ASSERT(same);
}

/* Cuts it, looks at all segments, and gives everything back. */
static void
check(bool is6, unsigned int bytes, uint16_t segsz, unsigned int piece)
{
	const uint8_t flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR | TCP_ECE;
	struct rte_mbuf *m = to_cut(is6, bytes, segsz, piece, flags), *out[CUT_MAX_SEGS];
	unsigned int n = cut_frame(&pools, m, out), expected = (bytes + segsz - 1) / segsz;

	rte_pktmbuf_free(m); /* segments do not need it */
	UNIT_EQ(n, expected);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t not =
			(uint8_t)((i > 0 ? TCP_CWR : 0) | (i + 1 < n ? TCP_PSH | TCP_FIN : 0));

		expect_segment(out[i], is6, i, i * segsz, RTE_MIN(bytes - i * segsz, segsz),
			       flags & (uint8_t) ~not );
	}
	rte_pktmbuf_free_bulk(out, n);
}

static void
check_all(void)
{
	static const unsigned int pieces[] = {1, 100, 499, 512};

	for (unsigned int p = 0; p < RTE_DIM(pieces); p++)
		for (unsigned int is6 = 0; is6 < 2; is6++) {
			check(is6 != 0, 3 * 536, 536, pieces[p]);
			check(is6 != 0, 2 * 537 + 1, 537, pieces[p]);
			check(is6 != 0, 100, 1448, RTE_MAX(pieces[p], 10u));
			check(is6 != 0, 25 * 1448 + 3, 1448, RTE_MAX(pieces[p], 499u));
		}
}

UNIT_CASE(segments_are_whole)
{
	pools_up();
	check_all();
	pools_down();
}

/* Payload in the headers' mbuf, as the engine has it when there is little. */
UNIT_CASE(payload_may_lie_behind_the_headers)
{
	struct rte_mbuf *m, *out[CUT_MAX_SEGS];

	pools_up();
	m = to_cut(false, 0, 50, 1, TCP_ACK);
	for (unsigned int i = 0; i < 101; i++)
		*(uint8_t *)rte_pktmbuf_append(m, 1) = payload_byte(i);
	UNIT_EQ(cut_frame(&pools, m, out), 3);
	for (unsigned int i = 0; i < 3; i++)
		expect_segment(out[i], false, i, i * 50, i == 2 ? 1 : 50, TCP_ACK);
	rte_pktmbuf_free_bulk(out, 3);
	rte_pktmbuf_free(m);
	pools_down();
}

/* The queue of what waits to be sent may hold all data mbufs. */
UNIT_CASE(without_data_mbufs_payload_is_referred_to)
{
	struct rte_mbuf *hoard[MBUFS];

	pools_up();
	UNIT_EQ(rte_pktmbuf_alloc_bulk(pools.pool[POOL_DATA], hoard, MBUFS), 0);
	check(false, 25 * 1448 + 3, 1448, 512);
	check(false, 2 * 537 + 1, 537, 99);
	check(true, 2 * 537 + 1, 537, 99);
	rte_pktmbuf_free_bulk(hoard, MBUFS);
	pools_down();
}

UNIT_CASE(without_mbufs_nothing_is_kept)
{
	struct rte_mbuf *hoard[MBUFS], *refs[MBUFS], *m, *out[CUT_MAX_SEGS];

	pools_up();
	m = to_cut(false, 3 * 536, 536, 100, TCP_ACK);
	UNIT_EQ(rte_pktmbuf_alloc_bulk(pools.pool[POOL_DATA], hoard, MBUFS), 0);
	UNIT_EQ(rte_pktmbuf_alloc_bulk(pools.pool[POOL_REF], refs, MBUFS - 8), 0);
	UNIT_EQ(cut_frame(&pools, m, out), 0); /* in the midst of the second segment */
	rte_pktmbuf_free_bulk(refs, MBUFS - 8);
	UNIT_EQ(rte_pktmbuf_alloc_bulk(pools.pool[POOL_HEADER], refs, MBUFS - 2), 0);
	UNIT_EQ(cut_frame(&pools, m, out), 0);
	rte_pktmbuf_free_bulk(refs, MBUFS - 2);
	rte_pktmbuf_free_bulk(hoard, MBUFS);
	UNIT_EQ(cut_frame(&pools, m, out), 3);
	rte_pktmbuf_free_bulk(out, 3);
	rte_pktmbuf_free(m);
	m = to_cut(false, CUT_MAX_SEGS * 20 + 1, 20, 500, TCP_ACK);
	UNIT_EQ(cut_frame(&pools, m, out), 0); /* more segments than there may be */
	rte_pktmbuf_free(m);
	pools_down();
}

UNIT_MAIN_EAL(UNIT_RUN(segments_are_whole), UNIT_RUN(payload_may_lie_behind_the_headers),
	      UNIT_RUN(without_data_mbufs_payload_is_referred_to),
	      UNIT_RUN(without_mbufs_nothing_is_kept))
