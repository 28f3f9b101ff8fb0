/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/ipv4.c: what reaches TCP and how, and what is dropped for which reason. */
#include "net_rig.h"

enum {
	IHL = FRAME_L3,
	TOTAL_LEN = FRAME_L3 + 2,
	FRAG = FRAME_L3 + 6,
	TTL = FRAME_L3 + 8,
	PROTO = FRAME_L3 + 9,
	CKSUM = FRAME_L3 + 10,
};

static struct frame
tcp_frame(unsigned int payload)
{
	return frame_tcp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 4000, 80, payload);
}

/* Puts options (a multiple of 4 bytes) behind the IPv4 header. */
static struct frame
with_options(const void *options, unsigned int n)
{
	struct frame f = tcp_frame(0), out = f;

	out.n = FRAME_L3 + 20;
	frame_put(&out, options, n);
	frame_put(&out, f.b + FRAME_L3 + 20, f.n - FRAME_L3 - 20);
	out.b[IHL] = (uint8_t)(0x40 | (20 + n) / 4);
	out.b[TOTAL_LEN + 1] = (uint8_t)(out.n - FRAME_L3);
	frame_fix_ip4(&out);
	return out;
}

static void
expect_drop(struct rig *rig, const struct frame *f, const uint64_t *counter)
{
	uint64_t before = *counter;

	rig_in(rig, f);
	UNIT_EQ(*counter, before + 1);
	UNIT_EQ(rig->n_tcp, 0);
}

#define EXPECT_DROP(rig, f, reason) expect_drop(rig, f, &(rig)->net->stats.reason)

UNIT_CASE(tcp_arrives_as_the_engine_wants_it)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(100);
	const struct rte_mbuf *m;

	frame_put_zeros(&f, 7); /* link padding */
	rig_in(rig, &f);
	UNIT_EQ(rig->n_tcp, 1);
	m = rig->tcp[0];
	UNIT_EQ(m->packet_type & RTE_PTYPE_L3_MASK, RTE_PTYPE_L3_IPV4);
	UNIT_EQ(m->l3_len, 20);
	UNIT_EQ(rte_pktmbuf_pkt_len(m), 140);
	UNIT_EQ(rte_pktmbuf_data_len(m), 140);
	CU_ASSERT(memcmp(rte_pktmbuf_mtod(m, const void *), f.b + FRAME_L3, 140) == 0);
	UNIT_EQ(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
	rig_free(rig);
}

UNIT_CASE(a_burst_is_handed_over_at_once_in_order)
{
	struct rig *rig = rig_settled();
	struct rte_mbuf *burst[40];

	for (unsigned int i = 0; i < RTE_DIM(burst); i++) {
		struct frame f = i % 4 == 3 ? frame_arp(NULL, 1, PEER_MAC, PEER_IP4, RIG_IP4)
					    : frame_tcp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4,
							(uint16_t)(1000 + i), 80, i);

		burst[i] = frame_mbuf(&f, rig->pool, 0);
	}
	net_input(rig->net, rig->now_us, 0, burst, RTE_DIM(burst));
	UNIT_EQ(rig->tcp_bursts, 1);
	UNIT_EQ(rig->n_tcp, 30);
	for (unsigned int i = 0, last = 0; i < rig->n_tcp; i++) {
		const uint8_t *tcp = rte_pktmbuf_mtod_offset(rig->tcp[i], const uint8_t *, 20);
		unsigned int port = tcp[0] * 256u + tcp[1];

		CU_ASSERT(port > last);
		last = port;
	}
	UNIT_EQ(rig->n_out, 10);
	UNIT_EQ(RIG_COUNT(rig, frames_in), 40);
	UNIT_EQ(RIG_COUNT(rig, tcp_in), 30);
	rig_free(rig);
}

UNIT_CASE(scattered_headers_are_brought_together)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(300);

	for (unsigned int segment = 1; segment < 160; segment += segment < 80 ? 1 : 13) {
		struct frame got;

		/* The pool's segments are at most 255 to a packet. */
		if (f.n / segment >= 255)
			continue;
		rig_in_segments(rig, &f, segment);
		UNIT_EQ(rig->n_tcp, 1);
		if (rig->n_tcp != 1)
			break;
		CU_ASSERT(rte_pktmbuf_data_len(rig->tcp[0]) >= 80);
		got = frame_of_mbuf(rig->tcp[0]);
		UNIT_EQ(got.n, 340);
		CU_ASSERT(memcmp(got.b, f.b + FRAME_L3, 340) == 0);
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_CASE(padding_is_cut_off_over_segments)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(100);

	frame_put_zeros(&f, 60);
	for (unsigned int segment = 94; segment < 230; segment++) {
		rig_in_segments(rig, &f, segment);
		UNIT_EQ(rig->n_tcp, 1);
		UNIT_EQ(rte_pktmbuf_pkt_len(rig->tcp[0]), 140);
		rte_mbuf_sanity_check(rig->tcp[0], 1);
		UNIT_EQ(frame_of_mbuf(rig->tcp[0]).n, 140);
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_CASE(no_memory_to_bring_headers_together_is_counted)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(0);
	struct rte_mbuf *m = frame_mbuf(&f, rig->pool, 30), *hoard[RIG_POOL];
	unsigned int n = 0;

	while ((hoard[n] = rte_pktmbuf_alloc(rig->pool)) != NULL)
		n++;
	net_input(rig->net, rig->now_us, 0, &m, 1);
	UNIT_EQ(RIG_COUNT(rig, drop_no_mbuf), 1);
	UNIT_EQ(rig->n_tcp, 0);
	rte_pktmbuf_free_bulk(hoard, n);
	rig_free(rig);
}

UNIT_CASE(the_devices_word_on_checksums_counts)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(0);

	rig_in_flags(rig, &f, RTE_MBUF_F_RX_IP_CKSUM_BAD);
	UNIT_EQ(rig->n_tcp, 0);
	f.b[CKSUM] ^= 1;
	EXPECT_DROP(rig, &f, drop_ip_checksum);
	UNIT_EQ(RIG_COUNT(rig, drop_ip_checksum), 2);
	rig_in_flags(rig, &f, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	UNIT_EQ(rig->n_tcp, 1);
	UNIT_EQ(rig->tcp[0]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	rig_in_flags(rig, &f, RTE_MBUF_F_RX_IP_CKSUM_NONE | RTE_MBUF_F_RX_L4_CKSUM_NONE);
	UNIT_EQ(rig->n_tcp, 2);
	UNIT_EQ(rig->tcp[1]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	/* A device that finds the TCP checksum bad may be wrong; the engine looks for itself. */
	rig_in_flags(rig, &f, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD);
	UNIT_EQ(rig->n_tcp, 3);
	UNIT_EQ(rig->tcp[2]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK,
		RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
	rig_free(rig);
}

UNIT_CASE(every_flipped_header_bit_is_noticed)
{
	struct rig *rig = rig_settled();

	for (unsigned int bit = 0; bit < 20 * 8; bit++) {
		struct frame f = tcp_frame(0);

		f.b[FRAME_L3 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		rig_in(rig, &f);
		UNIT_EQ(rig->n_tcp, 0);
	}
	rig_free(rig);
}

UNIT_CASE(bad_lengths_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f;

	for (unsigned int n = FRAME_L3; n < FRAME_L3 + 20; n++) {
		f = tcp_frame(0);
		f.n = n;
		EXPECT_DROP(rig, &f, drop_ip_short);
	}
	for (unsigned int ihl = 0; ihl < 5; ihl++) {
		f = tcp_frame(0);
		f.b[IHL] = (uint8_t)(0x40 | ihl);
		EXPECT_DROP(rig, &f, drop_ip_header_length);
	}
	f = tcp_frame(0);
	f.n = FRAME_L3 + 20;
	f.b[IHL] = 0x46; /* the header ends behind the frame */
	EXPECT_DROP(rig, &f, drop_ip_header_length);
	for (unsigned int len = 0; len < 20; len++) {
		f = tcp_frame(0);
		f.b[TOTAL_LEN + 1] = (uint8_t)len;
		frame_fix_ip4(&f);
		EXPECT_DROP(rig, &f, drop_ip_total_length);
	}
	f = tcp_frame(0);
	f.b[TOTAL_LEN + 1]++;
	frame_fix_ip4(&f);
	EXPECT_DROP(rig, &f, drop_ip_short);
	for (unsigned int version = 0; version < 16; version++) {
		f = tcp_frame(0);
		f.b[IHL] = (uint8_t)(version << 4 | 5);
		frame_fix_ip4(&f);
		if (version != 4)
			EXPECT_DROP(rig, &f, drop_ip_version);
	}
	rig_free(rig);
}

UNIT_CASE(options_are_stepped_over)
{
	static const char *const fine[] = {
		"\1\1\1\1",   "\0\0\0\0",         "\0\377\377\377",
		"\224\4\0\0", "\7\7\4\0\0\0\0\0", "\1\202\3\0",
	};
	static const unsigned int bytes[] = {4, 4, 4, 4, 8, 4};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(fine); i++) {
		struct frame f = with_options(fine[i], bytes[i]);

		rig_in(rig, &f);
		UNIT_EQ(rig->n_tcp, 1);
		UNIT_EQ(rig->tcp[0]->l3_len, 20 + bytes[i]);
		UNIT_EQ(rig->tcp[0]->packet_type & RTE_PTYPE_L3_MASK, RTE_PTYPE_L3_IPV4_EXT);
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_CASE(hostile_options_are_refused)
{
	static const char *const bad[] = {
		"\7\0\0\0", "\7\1\0\0", "\7\5\0\0", "\7\377\0\0", "\1\1\1\7", "\1\1\7\3",
	};
	static const char *const routes[] = {"\203\3\4\0", "\211\3\4\0", "\1\203\3\4",
					     "\203\7\4\1\2\3\4\0"};
	struct rig *rig = rig_settled();
	struct frame f;

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		f = with_options(bad[i], 4);
		EXPECT_DROP(rig, &f, drop_ip_option);
	}
	for (unsigned int i = 0; i < RTE_DIM(routes); i++) {
		f = with_options(routes[i], i == 3 ? 8 : 4);
		EXPECT_DROP(rig, &f, drop_ip_source_route);
	}
	rig_free(rig);
}

UNIT_CASE(fragments_are_dropped_whatever_their_overlap)
{
	static const uint16_t frags[] = {0x2000, 0x0001, 0x2001, 0x1fff, 0x3fff, 0x6000, 0x0003};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(frags); i++) {
		struct frame f = tcp_frame(40);

		f.b[FRAG] = (uint8_t)(frags[i] >> 8);
		f.b[FRAG + 1] = (uint8_t)frags[i];
		frame_fix_ip4(&f);
		EXPECT_DROP(rig, &f, drop_fragment);
	}
	rig_free(rig);
}

UNIT_CASE(martians_are_dropped)
{
	static const char *const sources[] = {"0.0.0.0",         "0.1.2.3",   "127.0.0.1",
					      "224.0.0.1",       "239.1.1.1", "240.0.0.1",
					      "255.255.255.255", RIG_IP4,     "198.18.0.255"};
	struct rig *rig = rig_settled();
	struct frame f;

	for (unsigned int i = 0; i < RTE_DIM(sources); i++) {
		f = frame_tcp(RIG_MAC, PEER_MAC, sources[i], RIG_IP4, 4000, 80, 0);
		EXPECT_DROP(rig, &f, drop_ip_source);
	}
	rig_free(rig);
}

UNIT_CASE(only_what_is_for_us_alone_reaches_tcp)
{
	struct rig *rig = rig_settled();
	struct frame f;

	f = frame_tcp(RIG_MAC, PEER_MAC, PEER_IP4, "198.18.0.3", 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_not_ours);
	f = frame_tcp(RIG_MAC, PEER_MAC, PEER_IP4, "224.0.0.5", 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_not_ours);
	f = frame_tcp("ff:ff:ff:ff:ff:ff", PEER_MAC, PEER_IP4, RIG_IP4, 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_link_group);
	f = frame_tcp("ff:ff:ff:ff:ff:ff", PEER_MAC, PEER_IP4, "198.18.0.255", 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_group);
	f = frame_tcp("ff:ff:ff:ff:ff:ff", PEER_MAC, PEER_IP4, "255.255.255.255", 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_group);
	f = frame_tcp("01:00:5e:00:00:01", PEER_MAC, PEER_IP4, "224.0.0.1", 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_group);
	UNIT_EQ(rig->n_out, 0); /* and nobody is told */
	rig_free(rig);
}

UNIT_CASE(time_to_live_does_not_matter_at_the_end)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(0);

	f.b[TTL] = 0;
	frame_fix_ip4(&f);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_tcp, 1);
	rig_free(rig);
}

UNIT_CASE(other_protocols_are_refused)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(0);

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	f.b[PROTO] = 17;
	frame_fix_ip4(&f);
	EXPECT_DROP(rig, &f, drop_ip_protocol);
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(frame_be16(&rig->out[0].f, FRAME_ICMP4), 0x0303);
	f.b[PROTO] = 132;
	frame_fix_ip4(&f);
	EXPECT_DROP(rig, &f, drop_ip_protocol);
	UNIT_EQ(rig->n_out, 2);
	UNIT_EQ(frame_be16(&rig->out[1].f, FRAME_ICMP4), 0x0302);
	rig_free(rig);
}

UNIT_CASE(noise_never_gets_through)
{
	struct rig *rig = rig_settled();
	uint32_t x = 12345;

	for (unsigned int round = 0; round < 20000; round++) {
		struct frame f = tcp_frame(round % 64);
		unsigned int changes = 1 + round % 5;

		for (unsigned int i = 0; i < changes; i++) {
			x = x * 1664525 + 1013904223;
			f.b[FRAME_L3 + (x >> 8) % (f.n - FRAME_L3)] ^= (uint8_t)(x >> 24);
		}
		f.n -= x % 30;
		rig_in_segments(rig, &f, 1 + (x >> 16) % 200);
		for (unsigned int i = 0; i < rig->n_tcp; i++) {
			const struct rte_mbuf *m = rig->tcp[i];

			CU_ASSERT_FATAL(m->l3_len >= 20 && m->l3_len <= m->data_len);
			CU_ASSERT_FATAL(m->data_len >= RTE_MIN(m->pkt_len, m->l3_len + 60u));
		}
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(tcp_arrives_as_the_engine_wants_it),
	      UNIT_RUN(a_burst_is_handed_over_at_once_in_order),
	      UNIT_RUN(scattered_headers_are_brought_together),
	      UNIT_RUN(padding_is_cut_off_over_segments),
	      UNIT_RUN(no_memory_to_bring_headers_together_is_counted),
	      UNIT_RUN(the_devices_word_on_checksums_counts),
	      UNIT_RUN(every_flipped_header_bit_is_noticed), UNIT_RUN(bad_lengths_are_dropped),
	      UNIT_RUN(options_are_stepped_over), UNIT_RUN(hostile_options_are_refused),
	      UNIT_RUN(fragments_are_dropped_whatever_their_overlap),
	      UNIT_RUN(martians_are_dropped), UNIT_RUN(only_what_is_for_us_alone_reaches_tcp),
	      UNIT_RUN(time_to_live_does_not_matter_at_the_end),
	      UNIT_RUN(other_protocols_are_refused), UNIT_RUN(noise_never_gets_through))
