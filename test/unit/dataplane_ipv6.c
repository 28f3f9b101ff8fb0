/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/ipv6.c: what reaches TCP and how, the walk over extension headers, and what is dropped.
 */
#include "net_rig.h"

enum {
	PAYLOAD_LEN = FRAME_L3 + 4,
	NEXT = FRAME_L3 + 6,
	EXT = FRAME_L3 + 40,
	TCP_BYTES = 20,
};

static struct frame
tcp_frame(unsigned int payload)
{
	return frame_tcp(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 4000, 80, payload);
}

/* Extension headers `ext` of n bytes, the first of kind `first`, before a TCP header. */
static struct frame
with_extensions(uint8_t first, const void *ext, unsigned int n)
{
	struct frame payload = {0}, tcp = tcp_frame(0);

	frame_put(&payload, ext, n);
	frame_put(&payload, tcp.b + EXT, TCP_BYTES);
	return frame_ip(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, first, payload.b, payload.n);
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

/* The last frame sent is an ICMPv6 parameter problem of a code, pointing at a byte. */
static void
expect_problem(struct rig *rig, unsigned int n_out, uint8_t code, uint32_t pointer)
{
	const struct frame *f;

	UNIT_EQ(rig->n_out, n_out);
	if (rig->n_out != n_out)
		return;
	f = &rig->out[n_out - 1].f;
	UNIT_EQ(f->b[FRAME_ICMP6], 4);
	UNIT_EQ(f->b[FRAME_ICMP6 + 1], code);
	UNIT_EQ(frame_be32(f, FRAME_ICMP6 + 4), pointer);
	CU_ASSERT(frame_icmp_cksum_ok(f));
}

UNIT_CASE(tcp_arrives_as_the_engine_wants_it)
{
	struct rig *rig = rig_settled();
	struct frame f = tcp_frame(100);
	const struct rte_mbuf *m;

	frame_put_zeros(&f, 7);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_tcp, 1);
	m = rig->tcp[0];
	UNIT_EQ(m->packet_type & RTE_PTYPE_L3_MASK, RTE_PTYPE_L3_IPV6);
	UNIT_EQ(m->l3_len, 40);
	UNIT_EQ(rte_pktmbuf_pkt_len(m), 160);
	CU_ASSERT(memcmp(rte_pktmbuf_mtod(m, const void *), f.b + FRAME_L3, 160) == 0);
	rig_free(rig);
}

UNIT_CASE(bad_lengths_and_versions_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f;

	for (unsigned int n = FRAME_L3; n < EXT; n++) {
		f = tcp_frame(0);
		f.n = n;
		EXPECT_DROP(rig, &f, drop_ip_short);
	}
	f = tcp_frame(0);
	f.b[PAYLOAD_LEN + 1]++;
	EXPECT_DROP(rig, &f, drop_ip_short);
	f = tcp_frame(0);
	f.b[PAYLOAD_LEN] = 0xff;
	EXPECT_DROP(rig, &f, drop_ip_short);
	for (unsigned int version = 0; version < 16; version++) {
		f = tcp_frame(0);
		f.b[FRAME_L3] = (uint8_t)(version << 4);
		if (version != 6)
			EXPECT_DROP(rig, &f, drop_ip_version);
	}
	rig_free(rig);
}

UNIT_CASE(impossible_ends_are_dropped)
{
	static const char *const sources[] = {
		"ff02::1", "::1", "::", "::ffff:198.18.0.1", RIG_IP6, RIG_LINK_LOCAL};
	struct rig *rig = rig_settled();
	struct ip_addr mapped = ip("::ffff:198.18.0.2");
	struct frame f;

	for (unsigned int i = 0; i < RTE_DIM(sources); i++) {
		struct ip_addr a = ip(sources[i]);

		f = tcp_frame(0);
		memcpy(f.b + FRAME_L3 + 8, &a, 16);
		EXPECT_DROP(rig, &f, drop_ip_source);
	}
	f = tcp_frame(0);
	memcpy(f.b + FRAME_L3 + 24, &mapped, 16); /* our IPv4 address is none of IPv6 */
	EXPECT_DROP(rig, &f, drop_ip_not_ours);
	f = frame_tcp(RIG_MAC, PEER_MAC, PEER_IP6, "2001:db8:18::3", 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_not_ours);
	f = frame_tcp("33:33:00:00:00:01", PEER_MAC, PEER_IP6, "ff02::1", 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_group);
	f = frame_tcp("33:33:00:00:00:01", PEER_MAC, PEER_IP6, RIG_IP6, 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_ip_link_group);
	UNIT_EQ(rig->n_out, 0);
	rig_free(rig);
}

UNIT_CASE(a_tentative_address_receives_nothing)
{
	struct rig *rig = rig_new();
	struct frame f = tcp_frame(0);

	rig_start(rig);
	rig_until(rig, RIG_SECOND);
	EXPECT_DROP(rig, &f, drop_ip_not_ours);
	rig_free(rig);
}

UNIT_CASE(harmless_extension_headers_are_stepped_over)
{
	static const struct {
		uint8_t first;
		const char *ext;
		unsigned int n;
	} rows[] = {
		{0, "\6\0\1\4\0\0\0\0", 8},                    /* hop-by-hop, PadN */
		{0, "\6\0\0\0\0\0\0\0", 8},                    /* Pad1 */
		{0, "\6\0\5\2\0\0\1\0", 8},                    /* router alert */
		{60, "\6\0\36\4abcd", 8},                      /* unknown, to be skipped */
		{60, "\6\1\1\14\0\0\0\0\0\0\0\0\0\0\0\0", 16}, /* two units */
		{43, "\6\0\0\0\0\0\0\0", 8},                   /* routing, at its end */
		{44, "\6\0\0\0\1\2\3\4", 8},                   /* atomic fragment */
		{0, "\74\0\1\4\0\0\0\0\53\0\1\4\0\0\0\0\54\0\0\0\0\0\0\0\6\0\0\6\1\2\3\4", 32},
	};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct frame f = with_extensions(rows[i].first, rows[i].ext, rows[i].n);

		for (unsigned int segment = 0; segment < f.n; segment += 7) {
			rig_in_segments(rig, &f, segment);
			UNIT_EQ(rig->n_tcp, 1);
			if (rig->n_tcp != 1)
				break;
			UNIT_EQ(rig->tcp[0]->l3_len, 40 + rows[i].n);
			UNIT_EQ(rig->tcp[0]->packet_type & RTE_PTYPE_L3_MASK,
				RTE_PTYPE_L3_IPV6_EXT);
			rig_forget(rig);
		}
	}
	rig_free(rig);
}

UNIT_CASE(fragments_are_dropped)
{
	static const char *const ext[] = {"\6\0\0\1\1\2\3\4", "\6\0\0\10\1\2\3\4",
					  "\6\0\377\371\1\2\3\4"};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(ext); i++) {
		struct frame f = with_extensions(44, ext[i], 8);

		EXPECT_DROP(rig, &f, drop_fragment);
	}
	UNIT_EQ(rig->n_out, 0);
	rig_free(rig);
}

UNIT_CASE(extension_headers_past_the_end_are_dropped)
{
	static const uint8_t kinds[] = {0, 43, 44, 60};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(kinds); i++)
		for (unsigned int n = 0; n < 8; n++) {
			struct frame f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, kinds[i],
						  "\6\0\0\0\0\0\0\0", n);

			EXPECT_DROP(rig, &f, drop_ip_extension);
		}
	for (unsigned int len = 3; len < 256; len++) { /* 28 bytes follow */
		uint8_t ext[8] = {6, (uint8_t)len, 1, 4};
		struct frame f = with_extensions(60, ext, sizeof(ext));

		EXPECT_DROP(rig, &f, drop_ip_extension);
	}
	rig_free(rig);
}

UNIT_CASE(too_many_or_too_long_extensions_are_dropped)
{
	struct rig *rig = rig_settled();
	uint8_t ext[8 * 9], big[512] = {6, 63, 0};
	struct frame f;

	for (unsigned int i = 0; i < 9; i++)
		memcpy(ext + 8 * i, i < 8 ? "\74\0\1\4\0\0\0\0" : "\6\0\1\4\0\0\0\0", 8);
	f = with_extensions(60, ext, sizeof(ext));
	EXPECT_DROP(rig, &f, drop_ip_extension);
	f = with_extensions(60, ext + 8, sizeof(ext) - 8);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_tcp, 1);
	rig_forget(rig);
	f = with_extensions(60, big, sizeof(big));
	EXPECT_DROP(rig, &f, drop_ip_extension);
	big[1] = 448 / 8 - 1;
	f = with_extensions(60, big, 448);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_tcp, 1);
	UNIT_EQ(rig->tcp[0]->l3_len, 488);
	rig_free(rig);
}

UNIT_CASE(errors_point_at_what_is_wrong)
{
	struct rig *rig = rig_settled();
	struct frame f;

	rig_resolve(rig, PEER_IP6, PEER_MAC);
	f = with_extensions(43, "\6\0\4\1\0\0\0\0", 8); /* segments left */
	EXPECT_DROP(rig, &f, drop_ip_source_route);
	expect_problem(rig, 1, 0, 42);
	f = with_extensions(60, "\0\0\1\4\0\0\0\0\6\0\1\4\0\0\0\0", 16); /* hop-by-hop second */
	EXPECT_DROP(rig, &f, drop_ip_extension);
	expect_problem(rig, 2, 1, 40);
	f = with_extensions(200, "", 0); /* unknown next header */
	EXPECT_DROP(rig, &f, drop_ip_protocol);
	expect_problem(rig, 3, 1, 6);
	f = with_extensions(60, "\310\0\1\4\0\0\0\0", 8);
	EXPECT_DROP(rig, &f, drop_ip_protocol);
	expect_problem(rig, 4, 1, 40);
	f = with_extensions(60, "\6\0\1\0\202\2\0\0", 8); /* option of class 10 */
	EXPECT_DROP(rig, &f, drop_ip_option);
	expect_problem(rig, 5, 2, 44);
	f = with_extensions(60, "\6\0\1\0\302\2\0\0", 8); /* and 11 */
	EXPECT_DROP(rig, &f, drop_ip_option);
	expect_problem(rig, 6, 2, 44);
	f = with_extensions(60, "\6\0\1\0\102\2\0\0", 8); /* 01: silently */
	EXPECT_DROP(rig, &f, drop_ip_option);
	UNIT_EQ(rig->n_out, 6);
	f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 17, "\0\1\0\2\0\10\0\0", 8);
	EXPECT_DROP(rig, &f, drop_ip_protocol);
	UNIT_EQ(rig->n_out, 7);
	UNIT_EQ(frame_be16(&rig->out[6].f, FRAME_ICMP6), 0x0104);
	f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 59, "", 0);
	EXPECT_DROP(rig, &f, drop_ip_no_next_header);
	UNIT_EQ(rig->n_out, 7);
	rig_free(rig);
}

UNIT_CASE(options_of_groups_are_complained_of_by_class)
{
	struct rig *rig = rig_settled();
	struct frame f;

	rig_resolve(rig, PEER_IP6, PEER_MAC);
	f = frame_ip("33:33:00:00:00:01", PEER_MAC, PEER_IP6, "ff02::1", 60, "\6\0\302\2\0\0\0\0",
		     8);
	EXPECT_DROP(rig, &f, drop_ip_option);
	UNIT_EQ(rig->n_out, 0); /* class 11: not about multicast */
	f = frame_ip("33:33:00:00:00:01", PEER_MAC, PEER_IP6, "ff02::1", 60, "\6\0\202\2\0\0\0\0",
		     8);
	EXPECT_DROP(rig, &f, drop_ip_option);
	expect_problem(rig, 1, 2, 42); /* class 10: even then */
	rig_free(rig);
}

UNIT_CASE(options_past_their_header_are_dropped)
{
	static const char *const bad[] = {"\6\0\1\5\0\0\0\0", "\6\0\1\377\0\0\0\0",
					  "\6\0\0\0\0\0\0\1", "\6\0\1\3\0\0\0\5"};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		struct frame f = with_extensions(i % 2 == 0 ? 60 : 0, bad[i], 8);

		EXPECT_DROP(rig, &f, drop_ip_option);
	}
	rig_free(rig);
}

UNIT_CASE(noise_never_gets_through)
{
	static const uint8_t ext[] = {60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 1, 4, 0, 0, 0, 0,
				      44, 0, 0, 0, 0, 0, 0, 0, 6,  0, 0, 0, 1, 2, 3, 4};
	struct rig *rig = rig_settled();
	uint32_t x = 54321;

	for (unsigned int round = 0; round < 20000; round++) {
		struct frame f = with_extensions(0, ext, sizeof(ext));

		for (unsigned int i = 0; i < 1 + round % 4; i++) {
			x = x * 1664525 + 1013904223;
			f.b[EXT + (x >> 8) % (sizeof(ext) + 8)] ^= (uint8_t)(x >> 24);
		}
		f.n -= x % 40;
		f.b[PAYLOAD_LEN + 1] = (uint8_t)(f.n - EXT);
		rig_in_segments(rig, &f, 1 + (x >> 16) % 150);
		for (unsigned int i = 0; i < rig->n_tcp; i++) {
			const struct rte_mbuf *m = rig->tcp[i];

			CU_ASSERT_FATAL(m->l3_len >= 40 && m->l3_len <= m->data_len);
			CU_ASSERT_FATAL(m->data_len >= RTE_MIN(m->pkt_len, m->l3_len + 60u));
		}
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(tcp_arrives_as_the_engine_wants_it),
	      UNIT_RUN(bad_lengths_and_versions_are_dropped), UNIT_RUN(impossible_ends_are_dropped),
	      UNIT_RUN(a_tentative_address_receives_nothing),
	      UNIT_RUN(harmless_extension_headers_are_stepped_over),
	      UNIT_RUN(fragments_are_dropped), UNIT_RUN(extension_headers_past_the_end_are_dropped),
	      UNIT_RUN(too_many_or_too_long_extensions_are_dropped),
	      UNIT_RUN(errors_point_at_what_is_wrong),
	      UNIT_RUN(options_of_groups_are_complained_of_by_class),
	      UNIT_RUN(options_past_their_header_are_dropped), UNIT_RUN(noise_never_gets_through))
