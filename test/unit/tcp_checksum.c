/* SPDX-License-Identifier: BSD-3-Clause */
/* The TCP checksum over chains of buffers, against a sum byte by byte. */
#include "tcp/checksum.h"

#include "unit.h"

enum { MOST_BYTES = 4000, MOST_MBUFS = 9 };

static uint8_t flat[MOST_BYTES];
static uint8_t rooms[MOST_MBUFS][MOST_BYTES];
static struct rte_mbuf mbufs[MOST_MBUFS];

/* Lays `bytes` of `flat` out in mbufs whose lengths are drawn by chance, odd and 0 among them. */
static struct rte_mbuf *
lay_out(uint32_t bytes)
{
	uint32_t at = 0;
	unsigned int n = 1 + (unsigned int)rand() % MOST_MBUFS;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t left = bytes - at,
			 part = i == n - 1 ? left : (uint32_t)rand() % (left + 1);
		struct rte_mbuf *m = &mbufs[i];

		memset(m, 0, sizeof(*m));
		m->buf_addr = rooms[i];
		m->data_len = (uint16_t)part;
		m->next = i == n - 1 ? NULL : &mbufs[i + 1];
		memcpy(rooms[i], flat + at, part);
		at += part;
	}
	mbufs[0].nb_segs = (uint16_t)n;
	mbufs[0].pkt_len = bytes;
	return &mbufs[0];
}

static uint16_t
naive_sum(uint32_t off, uint32_t len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += (uint64_t)flat[off + i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum >> 16) + (sum & 0xffff);
	return rte_cpu_to_be_16((uint16_t)sum);
}

UNIT_CASE(chains_of_any_lengths_agree_with_the_naive_sum)
{
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		uint32_t bytes = 1 + (uint32_t)rand() % MOST_BYTES;
		uint32_t off = (uint32_t)rand() % bytes;
		struct rte_mbuf *m;

		for (uint32_t i = 0; i < bytes; i++)
			flat[i] = (uint8_t)(round % 4 == 0 ? 0xff : rand());
		m = lay_out(bytes);
		/* Folded sums of 0 and 0xffff are the same number. */
		if (tcp_bytes_sum(m, off, bytes - off) % 0xffff !=
		    naive_sum(off, bytes - off) % 0xffff) {
			UNIT_EQ(tcp_bytes_sum(m, off, bytes - off), naive_sum(off, bytes - off));
			break;
		}
	}
}

static uint16_t
naive_plain(const uint8_t *p, uint32_t bytes)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bytes; i++)
		sum += (uint64_t)p[i] << (i % 2 == 0 ? 0 : 8);
	while (sum >> 16 != 0)
		sum = (sum >> 16) + (sum & 0xffff);
	return rte_cpu_to_le_16((uint16_t)sum);
}

UNIT_CASE(the_wide_and_the_plain_sum_agree_at_any_length_and_alignment)
{
	static uint8_t most[65535 + 64];

	srand(2);
	for (uint32_t bytes = 0; bytes < 1500; bytes++) {
		uint32_t off = bytes % 64;

		for (uint32_t i = 0; i < bytes; i++)
			flat[off + i] = (uint8_t)(bytes % 3 == 0 ? 0xff : rand());
		UNIT_EQ(tcp_sum(flat + off, bytes), naive_plain(flat + off, bytes));
		UNIT_EQ(tcp_sum_plain(flat + off, bytes), naive_plain(flat + off, bytes));
	}
	/* As large as it gets. */
	memset(most, 0xff, sizeof(most));
	UNIT_EQ(tcp_sum(most, 65535), naive_plain(most, 65535));
	UNIT_EQ(tcp_sum_plain(most, 65535), naive_plain(most, 65535));
}

UNIT_CASE(a_known_segment_has_its_known_checksum)
{
	/* A SYN of Linux from 198.18.0.1:40000 to 198.18.0.2:80. */
	static const uint8_t segment[] = {0x9c, 0x40, 0x00, 0x50, 0x00, 0x00, 0x03,
					  0xe8, 0x00, 0x00, 0x00, 0x00, 0x50, 0x02,
					  0x20, 0x00, 0x00, 0x00, 0x00, 0x00};
	struct ip_addr a = ip_from4(be32(0xc6120001)), b = ip_from4(be32(0xc6120002));
	struct rte_mbuf *m;

	memcpy(flat, segment, sizeof(segment));
	m = lay_out(sizeof(segment));
	m->l3_len = 0;
	UNIT_EQ((uint16_t)~rte_be_to_cpu_16(tcp_full_sum(m, &a, &b)), 0x6342);
}

UNIT_MAIN(UNIT_RUN(the_wide_and_the_plain_sum_agree_at_any_length_and_alignment),
	  UNIT_RUN(chains_of_any_lengths_agree_with_the_naive_sum),
	  UNIT_RUN(a_known_segment_has_its_known_checksum))
