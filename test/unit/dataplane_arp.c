/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/arp.c: who is answered, who is believed. */
#include "net_rig.h"

enum {
	OP = FRAME_L3 + 6,
	SENDER_MAC = FRAME_L3 + 8,
	SENDER_IP = FRAME_L3 + 14,
	TARGET_MAC = FRAME_L3 + 18,
	TARGET_IP = FRAME_L3 + 24,
};

UNIT_CASE(a_request_for_our_address_is_answered)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, PEER_MAC, PEER_IP4, RIG_IP4), *reply;
	struct ip_addr us = ip(RIG_IP4), peer = ip(PEER_IP4), a;

	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	reply = &rig->out[0].f;
	UNIT_EQ(reply->n, 42);
	CU_ASSERT(frame_to(reply, PEER_MAC) && frame_from(reply, RIG_MAC));
	UNIT_EQ(frame_type(reply), FRAME_ARP);
	CU_ASSERT(memcmp(reply->b + FRAME_L3, "\0\1\x08\0\6\4\0\2", 8) == 0);
	CU_ASSERT(memcmp(reply->b + SENDER_MAC, reply->b + 6, 6) == 0);
	CU_ASSERT(memcmp(reply->b + TARGET_MAC, reply->b, 6) == 0);
	a = frame_ip4_at(reply, SENDER_IP);
	CU_ASSERT(ip_eq(&a, &us));
	a = frame_ip4_at(reply, TARGET_IP);
	CU_ASSERT(ip_eq(&a, &peer));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "STALE");
	UNIT_EQ(RIG_COUNT(rig, arp_replies_out), 1);
	rig_free(rig);
}

UNIT_CASE(a_probe_is_answered_and_teaches_nothing)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, PEER_MAC, "0.0.0.0", RIG_IP4);

	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(RIG_COUNT(rig, neighbours_created), 0);
	f.b[OP + 1] = 2; /* a reply from nobody */
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_arp_sender), 1);
	rig_free(rig);
}

UNIT_CASE(requests_for_others_are_left_alone)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, PEER_MAC, PEER_IP4, "198.18.0.3");

	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 0);
	UNIT_EQ(RIG_COUNT(rig, arp_not_ours), 1);
	UNIT_EQ(RIG_COUNT(rig, neighbours_created), 0);
	rig_free(rig);
}

UNIT_CASE(a_port_answers_for_its_own_addresses_only)
{
	struct rig *rig = rig_new();
	struct frame f = frame_arp(NULL, 1, PEER_MAC, PEER_IP4, "198.19.0.2");

	rig->net_config.n_ports = 2;
	rig->config[1].addresses[0] = (struct config_address){ip("198.19.0.2"), 24};
	rig->config[1].n_addresses = 1;
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	rig_forget(rig);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 0);
	UNIT_EQ(RIG_COUNT(rig, arp_not_ours), 1);
	rig_free(rig);
}

UNIT_CASE(an_announcement_changes_what_is_known_and_nothing_else)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, "02:00:00:00:00:99", PEER_IP4, PEER_IP4);

	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, neighbours_created), 0);
	UNIT_EQ(rig->n_news, 0);
	rig_resolve(rig, PEER_IP4, PEER_MAC);
	rig_in(rig, &f);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "STALE");
	UNIT_EQ(RIG_COUNT(rig, neighbours_changed), 1);
	UNIT_EQ(rig->n_news, 1); /* the other lanes hear of it */
	CU_ASSERT(!rig->news[0].solicited && rig->news[0].override);
	rig_free(rig);
}

UNIT_CASE(an_answer_ends_the_wait)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(RIG_MAC, 2, PEER_MAC, PEER_IP4, RIG_IP4), *asked;
	struct ip_addr a, us = ip(RIG_IP4), peer = ip(PEER_IP4);

	rig_send(rig, RIG_IP4, PEER_IP4, rig_path(rig, PEER_IP4).hop);
	UNIT_EQ(rig->n_out, 1);
	asked = &rig->out[0].f;
	CU_ASSERT(frame_to(asked, "ff:ff:ff:ff:ff:ff"));
	UNIT_EQ(frame_be16(asked, OP), 1);
	a = frame_ip4_at(asked, SENDER_IP);
	CU_ASSERT(ip_eq(&a, &us));
	a = frame_ip4_at(asked, TARGET_IP);
	CU_ASSERT(ip_eq(&a, &peer));
	rig_in(rig, &f);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "REACHABLE");
	UNIT_EQ(rig->n_out, 2);
	CU_ASSERT(frame_to(&rig->out[1].f, PEER_MAC));
	UNIT_EQ(frame_type(&rig->out[1].f), FRAME_IP4);
	CU_ASSERT(rig->n_news == 1 && rig->news[0].solicited);
	rig_free(rig);
}

UNIT_CASE(an_answer_to_another_lane_is_passed_on)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(RIG_MAC, 2, PEER_MAC, PEER_IP4, RIG_IP4);

	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, neighbours_created), 0);
	CU_ASSERT(rig->n_news == 1 && rig->news[0].solicited);
	rig_free(rig);
}

UNIT_CASE(a_broadcast_reply_confirms_nothing)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 2, PEER_MAC, PEER_IP4, RIG_IP4);

	rig_send(rig, RIG_IP4, PEER_IP4, rig_path(rig, PEER_IP4).hop);
	rig_in(rig, &f);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "DELAY"); /* used, to be verified */
	UNIT_EQ(rig->n_out, 2);
	rig_free(rig);
}

/* A frame with something spoilt must be dropped, unanswered and unlearned, under its counter. */
#define EXPECT_DROP(rig, f, reason)                                                                \
	do {                                                                                       \
		uint64_t before = RIG_COUNT(rig, reason);                                          \
		rig_in(rig, f);                                                                    \
		UNIT_EQ(RIG_COUNT(rig, reason), before + 1);                                       \
		UNIT_EQ((rig)->n_out, 0);                                                          \
		UNIT_EQ(RIG_COUNT(rig, neighbours_created), 0);                                    \
		UNIT_EQ((rig)->n_news, 0);                                                         \
	} while (0)

UNIT_CASE(malformed_packets_are_dropped)
{
	static const unsigned int format_bytes[] = {0, 1, 2, 3, 4, 5};
	struct rig *rig = rig_settled();
	struct frame good = frame_arp(NULL, 1, PEER_MAC, PEER_IP4, RIG_IP4), f;

	for (unsigned int n = 14; n < good.n; n++) {
		f = good;
		f.n = n;
		EXPECT_DROP(rig, &f, drop_arp_short);
	}
	for (unsigned int i = 0; i < RTE_DIM(format_bytes); i++) {
		f = good;
		f.b[FRAME_L3 + format_bytes[i]] ^= 0x40;
		EXPECT_DROP(rig, &f, drop_arp_format);
	}
	for (unsigned int op = 0; op < 12; op++) {
		f = good;
		f.b[OP + 1] = (uint8_t)op;
		if (op != 1 && op != 2)
			EXPECT_DROP(rig, &f, drop_arp_format);
	}
	rig_free(rig);
}

UNIT_CASE(forged_senders_are_not_believed)
{
	static const char *const impossible[] = {"127.0.0.1",    "224.0.0.1", "255.255.255.255",
						 "198.18.0.255", "10.0.0.1",  "240.0.0.1",
						 "0.0.0.1"};
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, PEER_MAC, PEER_IP4, RIG_IP4);

	f.b[SENDER_MAC + 5] ^= 0xff; /* not the frame's source */
	EXPECT_DROP(rig, &f, drop_arp_sender);
	for (unsigned int i = 0; i < RTE_DIM(impossible); i++) {
		f = frame_arp(NULL, 1, PEER_MAC, impossible[i], RIG_IP4);
		EXPECT_DROP(rig, &f, drop_arp_sender);
	}
	f = frame_arp(NULL, 1, "03:00:00:00:00:01", PEER_IP4, RIG_IP4);
	EXPECT_DROP(rig, &f, drop_eth_source);
	f = frame_arp(NULL, 1, "00:00:00:00:00:00", PEER_IP4, RIG_IP4);
	EXPECT_DROP(rig, &f, drop_eth_source);
	f = frame_arp("01:00:5e:00:00:01", 1, PEER_MAC, PEER_IP4, RIG_IP4);
	EXPECT_DROP(rig, &f, drop_arp_group);
	rig_free(rig);
}

UNIT_CASE(another_owner_of_our_address_is_told_off_once_in_ten_seconds)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, PEER_MAC, RIG_IP4, RIG_IP4);

	rig_in(rig, &f);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, arp_conflicts), 2);
	UNIT_EQ(rig->n_out, 1);
	CU_ASSERT(frame_to(&rig->out[0].f, "ff:ff:ff:ff:ff:ff"));
	rig_until(rig, RIG_SETTLED + 10 * RIG_SECOND - 1);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	rig_until(rig, RIG_SETTLED + 10 * RIG_SECOND);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 2);
	rig_free(rig);
}

UNIT_CASE(our_own_announcement_come_back_is_no_conflict)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, RIG_MAC, RIG_IP4, RIG_IP4);

	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, arp_conflicts), 0);
	UNIT_EQ(RIG_COUNT(rig, arp_looped), 1);
	UNIT_EQ(rig->n_out, 0);
	rig_free(rig);
}

UNIT_CASE(a_peer_with_our_mac_address_is_a_peer)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, RIG_MAC, PEER_IP4, RIG_IP4);

	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	CU_ASSERT(frame_to(&rig->out[0].f, RIG_MAC) && frame_from(&rig->out[0].f, RIG_MAC));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "STALE");
	rig_free(rig);
}

UNIT_CASE(a_scattered_packet_is_read_too)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_arp(NULL, 1, PEER_MAC, PEER_IP4, RIG_IP4);

	for (unsigned int segment = 1; segment < 42; segment++) {
		rig_in_segments(rig, &f, segment);
		UNIT_EQ(rig->n_out, segment);
	}
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(a_request_for_our_address_is_answered),
	      UNIT_RUN(a_probe_is_answered_and_teaches_nothing),
	      UNIT_RUN(requests_for_others_are_left_alone),
	      UNIT_RUN(a_port_answers_for_its_own_addresses_only),
	      UNIT_RUN(an_announcement_changes_what_is_known_and_nothing_else),
	      UNIT_RUN(an_answer_ends_the_wait), UNIT_RUN(an_answer_to_another_lane_is_passed_on),
	      UNIT_RUN(a_broadcast_reply_confirms_nothing), UNIT_RUN(malformed_packets_are_dropped),
	      UNIT_RUN(forged_senders_are_not_believed),
	      UNIT_RUN(another_owner_of_our_address_is_told_off_once_in_ten_seconds),
	      UNIT_RUN(our_own_announcement_come_back_is_no_conflict),
	      UNIT_RUN(a_peer_with_our_mac_address_is_a_peer),
	      UNIT_RUN(a_scattered_packet_is_read_too))
