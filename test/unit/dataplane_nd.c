/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/nd.c: who is answered and believed, routers, and every way to spoil a message. */
#include "net_rig.h"

#include <errno.h>

#include "dataplane/nd.h"

#define RIG_NODE "ff02::1:ff00:2" /* solicited-node group of RIG_IP6 and RIG_LINK_LOCAL */
#define RIG_NODE_MAC "33:33:ff:00:00:02"
#define ROUTER "fe80::fe"
#define ROUTER_MAC "02:00:00:00:00:fe"

enum {
	HOP_LIMIT = FRAME_L3 + 7,
	TARGET = FRAME_ICMP6 + 8,
	OPTION = FRAME_ICMP6 + 24,
	RA_OPTION = FRAME_ICMP6 + 16,
};

/* Neighbour solicitation (135) or advertisement (136) with one option, or none if its type is 0. */
static struct frame
neighbour_frame(const char *dst_mac, const char *src, const char *dst, uint8_t type, uint32_t flags,
		const char *target, uint8_t option, const char *link)
{
	struct ip_addr t = ip(target);
	struct rte_ether_addr l = mac(link);
	struct frame body = {0}, f;

	frame_put(&body, &t, 16);
	if (option != 0) {
		frame_put(&body, &option, 1);
		frame_put(&body, "\1", 1);
		frame_put(&body, &l, 6);
	}
	f = frame_icmp(dst_mac, PEER_MAC, src, dst, type, 0, flags, body.b, body.n);
	f.b[HOP_LIMIT] = 255;
	return f;
}

static struct frame
solicitation(void)
{
	return neighbour_frame(RIG_NODE_MAC, PEER_IP6, RIG_NODE, 135, 0, RIG_IP6, 1, PEER_MAC);
}

static struct frame
advertisement(uint32_t flags, const char *link)
{
	return neighbour_frame(RIG_MAC, PEER_IP6, RIG_IP6, 136, flags, PEER_IP6, 2, link);
}

static struct frame
router_frame(const char *src, uint16_t lifetime_s)
{
	struct rte_ether_addr l = mac(ROUTER_MAC);
	struct frame body = {0}, f;

	frame_put_zeros(&body, 8);
	frame_put(&body, "\1\1", 2);
	frame_put(&body, &l, 6);
	f = frame_icmp("33:33:00:00:00:01", ROUTER_MAC, src, "ff02::1", 134, 0,
		       0x40000000u | lifetime_s, body.b, body.n);
	f.b[HOP_LIMIT] = 255;
	return f;
}

static void
expect_drop(struct rig *rig, const struct frame *f, const uint64_t *counter)
{
	uint64_t before = *counter, created = rig->net->stats.neighbours_created;

	rig_in(rig, f);
	UNIT_EQ(*counter, before + 1);
	UNIT_EQ(rig->n_out, 0);
	UNIT_EQ(rig->n_news, 0);
	UNIT_EQ(rig->net->stats.neighbours_created, created);
}

#define EXPECT_DROP(rig, f, reason) expect_drop(rig, f, &(rig)->net->stats.reason)

UNIT_CASE(a_solicitation_is_answered_and_its_sender_remembered)
{
	struct rig *rig = rig_settled();
	struct frame f = solicitation();
	struct ip_addr us = ip(RIG_IP6), peer = ip(PEER_IP6), a;
	const struct frame *na;

	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	na = &rig->out[0].f;
	CU_ASSERT(frame_to(na, PEER_MAC) && frame_from(na, RIG_MAC));
	UNIT_EQ(na->n, FRAME_ICMP6 + 32);
	UNIT_EQ(na->b[HOP_LIMIT], 255);
	UNIT_EQ(na->b[FRAME_ICMP6], 136);
	UNIT_EQ(frame_be32(na, FRAME_ICMP6 + 4), 0x60000000); /* solicited, override */
	CU_ASSERT(frame_icmp_cksum_ok(na));
	a = frame_src(na);
	CU_ASSERT(ip_eq(&a, &us));
	a = frame_dst(na);
	CU_ASSERT(ip_eq(&a, &peer));
	a = frame_ip6_at(na, TARGET);
	CU_ASSERT(ip_eq(&a, &us));
	CU_ASSERT(memcmp(na->b + OPTION, "\2\1\0\26\76\0\0\2", 8) == 0);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP6), "STALE");
	rig_free(rig);
}

UNIT_CASE(a_unicast_solicitation_is_answered_too)
{
	struct rig *rig = rig_settled();
	struct frame f = neighbour_frame(RIG_MAC, PEER_IP6, RIG_IP6, 135, 0, RIG_IP6, 1, PEER_MAC);

	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	/* Without its link-layer address only who is known gets an answer. */
	f = neighbour_frame(RIG_MAC, PEER_IP6, RIG_IP6, 135, 0, RIG_IP6, 0, PEER_MAC);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 2);
	f = neighbour_frame(RIG_MAC, "2001:db8:18::77", RIG_IP6, 135, 0, RIG_IP6, 0, PEER_MAC);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 2);
	rig_free(rig);
}

UNIT_CASE(somebody_elses_detection_of_our_address_is_answered_to_all)
{
	struct rig *rig = rig_settled();
	struct frame f =
		neighbour_frame(RIG_NODE_MAC, "::", RIG_NODE, 135, 0, RIG_IP6, 0, PEER_MAC);
	struct ip_addr all = ip("ff02::1"), a;

	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	CU_ASSERT(frame_to(&rig->out[0].f, "33:33:00:00:00:01"));
	a = frame_dst(&rig->out[0].f);
	CU_ASSERT(ip_eq(&a, &all));
	UNIT_EQ(frame_be32(&rig->out[0].f, FRAME_ICMP6 + 4), 0x20000000);
	UNIT_EQ(RIG_COUNT(rig, neighbours_created), 0);
	rig_free(rig);
}

UNIT_CASE(solicitations_for_others_are_left_alone)
{
	struct rig *rig = rig_settled();
	struct frame f = neighbour_frame(RIG_NODE_MAC, PEER_IP6, RIG_NODE, 135, 0,
					 "2001:db8:18:1::2", 1, PEER_MAC);

	EXPECT_DROP(rig, &f, nd_not_ours);
	/* Our IPv4 address in IPv6's clothes is none of ours. */
	f = neighbour_frame(RIG_NODE_MAC, PEER_IP6, RIG_NODE, 135, 0, "::ffff:198.18.0.2", 1,
			    PEER_MAC);
	EXPECT_DROP(rig, &f, nd_not_ours);
	rig_free(rig);
}

UNIT_CASE(senders_off_the_link_are_not_remembered)
{
	struct rig *rig = rig_settled();
	struct frame f = neighbour_frame(RIG_NODE_MAC, "2001:db8:99::1", RIG_NODE, 135, 0, RIG_IP6,
					 1, PEER_MAC);

	EXPECT_DROP(rig, &f, drop_nd_format);
	rig_free(rig);
}

UNIT_CASE(asking_and_being_answered)
{
	struct rig *rig = rig_settled();
	struct frame f = advertisement(0x60000000, PEER_MAC);
	struct ip_addr node = ip("ff02::1:ff00:1"), us = ip(RIG_IP6), peer = ip(PEER_IP6), a;
	const struct frame *ns;

	rig_send(rig, RIG_IP6, PEER_IP6, rig_path(rig, PEER_IP6).hop);
	UNIT_EQ(rig->n_out, 1);
	ns = &rig->out[0].f;
	CU_ASSERT(frame_to(ns, "33:33:ff:00:00:01"));
	a = frame_dst(ns);
	CU_ASSERT(ip_eq(&a, &node));
	a = frame_src(ns);
	CU_ASSERT(ip_eq(&a, &us));
	a = frame_ip6_at(ns, TARGET);
	CU_ASSERT(ip_eq(&a, &peer));
	UNIT_EQ(ns->b[HOP_LIMIT], 255);
	CU_ASSERT(frame_icmp_cksum_ok(ns));
	CU_ASSERT(memcmp(ns->b + OPTION, "\1\1\0\26\76\0\0\2", 8) == 0);
	rig_in(rig, &f);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP6), "REACHABLE");
	UNIT_EQ(rig->n_out, 2);
	CU_ASSERT(frame_to(&rig->out[1].f, PEER_MAC));
	UNIT_EQ(frame_type(&rig->out[1].f), FRAME_IP6);
	rig_free(rig);
}

UNIT_CASE(a_link_local_neighbour_is_asked_from_our_link_local_address)
{
	struct rig *rig = rig_settled();
	struct ip_addr us = ip(RIG_LINK_LOCAL), a;

	rig_send(rig, RIG_LINK_LOCAL, PEER_LINK_LOCAL, rig_path(rig, PEER_LINK_LOCAL).hop);
	UNIT_EQ(rig->n_out, 1);
	a = frame_src(&rig->out[0].f);
	CU_ASSERT(ip_eq(&a, &us));
	rig_free(rig);
}

UNIT_CASE(probes_go_to_the_neighbour_itself)
{
	struct rig *rig = rig_settled();
	struct frame f = advertisement(0x40000000, PEER_MAC);
	struct ip_addr peer = ip(PEER_IP6), a;
	uint64_t t0;

	rig_resolve(rig, PEER_IP6, PEER_MAC);
	rig_until(rig, RIG_SETTLED + 40 * RIG_SECOND);
	rig_send(rig, RIG_IP6, PEER_IP6, 0);
	rig_forget(rig);
	t0 = rig->now_us;
	rig_until(rig, t0 + 5 * RIG_SECOND);
	UNIT_EQ(rig->n_out, 1);
	CU_ASSERT(frame_to(&rig->out[0].f, PEER_MAC));
	a = frame_dst(&rig->out[0].f);
	CU_ASSERT(ip_eq(&a, &peer));
	f.n -= 8; /* an answer to a unicast solicitation may go without its address */
	f.b[FRAME_L3 + 5] = 24;
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP6), "REACHABLE");
	rig_free(rig);
}

UNIT_CASE(an_advertisement_nobody_asked_for_makes_no_entry)
{
	struct rig *rig = rig_settled();
	struct frame f = neighbour_frame("33:33:00:00:00:01", PEER_IP6, "ff02::1", 136, 0x20000000,
					 PEER_IP6, 2, "02:00:00:00:00:99");

	rig_in(rig, &f);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP6), "");
	rig_resolve(rig, PEER_IP6, PEER_MAC);
	rig_in(rig, &f);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP6), "STALE");
	UNIT_EQ(rig->n_news, 1);
	rig_free(rig);
}

UNIT_CASE(advertisements_for_our_address_are_conflicts_or_echoes)
{
	struct rig *rig = rig_settled();
	struct frame f = neighbour_frame("33:33:00:00:00:01", PEER_IP6, "ff02::1", 136, 0x20000000,
					 RIG_IP6, 2, PEER_MAC);
	struct ip_addr us = ip(RIG_IP6);

	EXPECT_DROP(rig, &f, nd_conflicts);
	f = neighbour_frame("33:33:00:00:00:01", RIG_IP6, "ff02::1", 136, 0x20000000, RIG_IP6, 2,
			    RIG_MAC);
	EXPECT_DROP(rig, &f, nd_looped);
	UNIT_EQ(net_address_state(rig->net, &us), NET_ADDRESS_PREFERRED);
	rig_free(rig);
}

UNIT_CASE(spoilt_messages_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f;

	f = solicitation();
	f.b[HOP_LIMIT] = 254;
	EXPECT_DROP(rig, &f, drop_nd_hop_limit);
	f = solicitation();
	f.b[FRAME_ICMP6 + 2] ^= 1;
	EXPECT_DROP(rig, &f, drop_icmp_checksum);
	f = solicitation();
	f.b[FRAME_ICMP6 + 1] = 1; /* code */
	frame_fix_icmp(&f);
	EXPECT_DROP(rig, &f, drop_nd_format);
	f = neighbour_frame(RIG_NODE_MAC, PEER_IP6, RIG_NODE, 135, 0, "ff02::1", 1, PEER_MAC);
	EXPECT_DROP(rig, &f, drop_nd_format);
	/* Nobody may solicit with a link-layer address, or elsewhere than at the group. */
	f = neighbour_frame(RIG_NODE_MAC, "::", RIG_NODE, 135, 0, RIG_IP6, 1, PEER_MAC);
	EXPECT_DROP(rig, &f, drop_nd_format);
	f = neighbour_frame(RIG_MAC, "::", RIG_IP6, 135, 0, RIG_IP6, 0, PEER_MAC);
	EXPECT_DROP(rig, &f, drop_nd_format);
	/* Solicited, but to everybody. */
	f = neighbour_frame("33:33:00:00:00:01", PEER_IP6, "ff02::1", 136, 0x40000000, PEER_IP6, 2,
			    PEER_MAC);
	EXPECT_DROP(rig, &f, drop_nd_format);
	f = advertisement(0x60000000, "03:00:00:00:00:01"); /* a group's address */
	EXPECT_DROP(rig, &f, drop_nd_format);
	f = advertisement(0x60000000, "00:00:00:00:00:00");
	EXPECT_DROP(rig, &f, drop_nd_format);
	f = neighbour_frame(RIG_MAC, PEER_IP6, RIG_IP6, 136, 0, "::ffff:198.18.0.1", 2, PEER_MAC);
	EXPECT_DROP(rig, &f, drop_nd_format);
	rig_free(rig);
}

UNIT_CASE(truncated_messages_and_options_are_dropped)
{
	struct rig *rig = rig_settled();

	for (unsigned int bytes = 8; bytes < 32; bytes++) {
		struct frame f = solicitation();

		f.n = FRAME_ICMP6 + bytes;
		f.b[FRAME_L3 + 5] = (uint8_t)bytes;
		frame_fix_icmp(&f);
		if (bytes < 24)
			EXPECT_DROP(rig, &f, drop_nd_format);
		else if (bytes > 24)
			EXPECT_DROP(rig, &f, drop_nd_option);
	}
	for (unsigned int len = 0; len < 256; len++) {
		struct frame f = solicitation();

		f.b[OPTION + 1] = (uint8_t)len;
		frame_fix_icmp(&f);
		if (len != 1)
			EXPECT_DROP(rig, &f, drop_nd_option);
	}
	rig_free(rig);
}

UNIT_CASE(fragmented_messages_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame whole = solicitation(), f, payload = {0};

	frame_put(&payload, "\72\0\0\0\0\0\0\1", 8);
	frame_put(&payload, whole.b + FRAME_ICMP6, whole.n - FRAME_ICMP6);
	f = frame_ip(RIG_NODE_MAC, PEER_MAC, PEER_IP6, RIG_NODE, 44, payload.b, payload.n);
	f.b[HOP_LIMIT] = 255;
	EXPECT_DROP(rig, &f, drop_nd_fragment);
	rig_free(rig);
}

UNIT_CASE(options_are_read_by_their_kind)
{
	static const uint8_t all[] = {1, 1, 1, 1, 1, 1, 1, 1, 5,  1, 0, 0, 0, 0, 5, 220,
				      2, 1, 2, 2, 2, 2, 2, 2, 14, 1, 3, 3, 3, 3, 3, 3,
				      3, 2, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0};
	static const uint8_t long_link[] = {1, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};
	struct nd_options o = {.at = all, .end = all + sizeof(all)};

	CU_ASSERT(nd_options_read(&o));
	CU_ASSERT(o.source_link == all + 2 && o.target_link == all + 18 && o.nonce == all + 26);
	o = (struct nd_options){.at = long_link, .end = long_link + sizeof(long_link)};
	CU_ASSERT(nd_options_read(&o) && o.source_link == NULL); /* not Ethernet's */
	o = (struct nd_options){.at = all, .end = all};
	CU_ASSERT(nd_options_read(&o));
	for (unsigned int n = 1; n < sizeof(all); n++) {
		o = (struct nd_options){.at = all, .end = all + n};
		CU_ASSERT(nd_options_read(&o) == (n == 8 || n == 16 || n == 24 || n == 32));
	}
}

UNIT_CASE(routers_are_sought_three_times_four_seconds_apart)
{
	struct rig *rig = rig_new();
	unsigned int n = 0;

	rig_start(rig);
	rig_until(rig, 60 * RIG_SECOND);
	for (unsigned int i = 0; i < rig->n_out; i++) {
		const struct frame *f = &rig->out[i].f;
		struct ip_addr us = ip(RIG_LINK_LOCAL), routers = ip("ff02::2"), a, b;

		if (frame_type(f) != FRAME_IP6 || f->b[FRAME_L3 + 6] != 58 ||
		    f->b[FRAME_ICMP6] != 133)
			continue;
		UNIT_EQ(rig->out[i].at_us, 1500000 + n * 4 * RIG_SECOND);
		a = frame_src(f);
		b = frame_dst(f);
		CU_ASSERT(ip_eq(&a, &us) && ip_eq(&b, &routers));
		CU_ASSERT(frame_to(f, "33:33:00:00:00:02") && frame_icmp_cksum_ok(f));
		n++;
	}
	UNIT_EQ(n, 3);
	rig_free(rig);
}

UNIT_CASE(a_router_advertisement_is_a_default_route_for_its_lifetime)
{
	struct rig *rig = rig_settled();
	struct frame f = router_frame(ROUTER, 1800);
	struct ip_addr far = ip("2001:db8:99::1"), any = {0};
	struct tcp_path path;
	uint64_t t0;

	UNIT_EQ(net_path(rig->net, &far, &any, &path), -ENETUNREACH);
	rig_in(rig, &f);
	UNIT_EQ(rig->paths_changed, 1);
	CU_ASSERT(rig->n_news == 1 && rig->news[0].has_lifetime && rig->news[0].lifetime_s == 1800);
	UNIT_EQ(net_path(rig->net, &far, &any, &path), 0);
	rig_send(rig, RIG_IP6, "2001:db8:99::1", path.hop);
	UNIT_EQ(rig->n_out, 1);
	CU_ASSERT(frame_to(&rig->out[0].f, ROUTER_MAC)); /* its option told the address */
	t0 = rig->now_us;
	rig_until(rig, t0 + UINT64_C(1800) * RIG_SECOND - 1);
	UNIT_EQ(net_path(rig->net, &far, &any, &path), 0);
	rig_until(rig, t0 + UINT64_C(1800) * RIG_SECOND);
	UNIT_EQ(net_path(rig->net, &far, &any, &path), -ENETUNREACH);
	rig_free(rig);
}

UNIT_CASE(a_router_may_resign)
{
	struct rig *rig = rig_settled();
	struct frame f = router_frame(ROUTER, 1800);
	struct ip_addr far = ip("2001:db8:99::1"), any = {0};
	struct tcp_path path;

	rig_in(rig, &f);
	UNIT_EQ(net_path(rig->net, &far, &any, &path), 0);
	f = router_frame(ROUTER, 0);
	rig_in(rig, &f);
	UNIT_EQ(net_path(rig->net, &far, &any, &path), -ENETUNREACH);
	UNIT_EQ(rig->paths_changed, 2);
	/* By an advertisement without the router flag as well. */
	f = router_frame(ROUTER, 1800);
	rig_in(rig, &f);
	f = neighbour_frame("33:33:00:00:00:01", ROUTER, "ff02::1", 136, 0x20000000, ROUTER, 2,
			    ROUTER_MAC);
	rig_in(rig, &f);
	UNIT_EQ(net_path(rig->net, &far, &any, &path), -ENETUNREACH);
	rig_free(rig);
}

UNIT_CASE(advertisements_are_ignored_where_a_gateway_is_configured)
{
	struct rig *rig = rig_new();
	struct frame f = router_frame(ROUTER, 1800);

	rig->config[0].gateway6 = ip(PEER_IP6);
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	UNIT_EQ(RIG_COUNT(rig, nd_router_solicitations_out), 0);
	rig_forget(rig);
	EXPECT_DROP(rig, &f, nd_ignored);
	rig_free(rig);
}

UNIT_CASE(routers_that_are_not_on_the_link_are_not_believed)
{
	struct rig *rig = rig_settled();
	struct frame f = router_frame("2001:db8:18::fe", 1800);

	EXPECT_DROP(rig, &f, drop_nd_format);
	f = router_frame(ROUTER, 1800);
	f.b[RA_OPTION + 1] = 0;
	frame_fix_icmp(&f);
	EXPECT_DROP(rig, &f, drop_nd_option);
	f = router_frame(ROUTER, 1800);
	f.n = FRAME_ICMP6 + 12;
	f.b[FRAME_L3 + 5] = 12;
	frame_fix_icmp(&f);
	EXPECT_DROP(rig, &f, drop_nd_format);
	rig_free(rig);
}

UNIT_CASE(redirects_and_router_solicitations_are_ignored)
{
	struct rig *rig = rig_settled();
	struct frame f = neighbour_frame(RIG_MAC, ROUTER, RIG_IP6, 137, 0, PEER_IP6, 2, PEER_MAC);

	EXPECT_DROP(rig, &f, nd_ignored);
	f.b[FRAME_ICMP6] = 133;
	frame_fix_icmp(&f);
	EXPECT_DROP(rig, &f, nd_ignored);
	rig_free(rig);
}

UNIT_CASE(scattered_messages_are_read_too)
{
	struct rig *rig = rig_settled();
	struct frame f = solicitation();

	for (unsigned int segment = 1; segment < f.n; segment++) {
		rig_in_segments(rig, &f, segment);
		UNIT_EQ(rig->n_out, segment);
	}
	rig_free(rig);
}

UNIT_CASE(noise_does_no_harm)
{
	struct rig *rig = rig_settled();
	uint32_t x = 777;

	for (unsigned int round = 0; round < 20000; round++) {
		struct frame f = round % 3 == 0   ? solicitation()
				 : round % 3 == 1 ? advertisement(0x60000000, PEER_MAC)
						  : router_frame(ROUTER, 1800);

		for (unsigned int i = 0; i < 1 + round % 4; i++) {
			x = x * 1664525 + 1013904223;
			f.b[FRAME_ICMP6 + (x >> 8) % (f.n - FRAME_ICMP6)] ^= (uint8_t)(x >> 24);
		}
		frame_fix_icmp(&f);
		rig_in_segments(rig, &f, 1 + (x >> 16) % 100);
		rig_forget(rig);
	}
	CU_ASSERT(RIG_COUNT(rig, drop_nd_option) > 100);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(a_solicitation_is_answered_and_its_sender_remembered),
	      UNIT_RUN(a_unicast_solicitation_is_answered_too),
	      UNIT_RUN(somebody_elses_detection_of_our_address_is_answered_to_all),
	      UNIT_RUN(solicitations_for_others_are_left_alone),
	      UNIT_RUN(senders_off_the_link_are_not_remembered),
	      UNIT_RUN(asking_and_being_answered),
	      UNIT_RUN(a_link_local_neighbour_is_asked_from_our_link_local_address),
	      UNIT_RUN(probes_go_to_the_neighbour_itself),
	      UNIT_RUN(an_advertisement_nobody_asked_for_makes_no_entry),
	      UNIT_RUN(advertisements_for_our_address_are_conflicts_or_echoes),
	      UNIT_RUN(spoilt_messages_are_dropped),
	      UNIT_RUN(truncated_messages_and_options_are_dropped),
	      UNIT_RUN(fragmented_messages_are_dropped), UNIT_RUN(options_are_read_by_their_kind),
	      UNIT_RUN(routers_are_sought_three_times_four_seconds_apart),
	      UNIT_RUN(a_router_advertisement_is_a_default_route_for_its_lifetime),
	      UNIT_RUN(a_router_may_resign),
	      UNIT_RUN(advertisements_are_ignored_where_a_gateway_is_configured),
	      UNIT_RUN(routers_that_are_not_on_the_link_are_not_believed),
	      UNIT_RUN(redirects_and_router_solicitations_are_ignored),
	      UNIT_RUN(scattered_messages_are_read_too), UNIT_RUN(noise_does_no_harm))
