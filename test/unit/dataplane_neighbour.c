/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/neighbour.c: states and their timers to the microsecond, queues, eviction, hops. */
#include "net_rig.h"

#include <errno.h>

#define T(seconds) (RIG_SETTLED + (uint64_t)((seconds)*RIG_SECOND))

static struct net_neighbour_news
told(const char *address, const char *mac_text, bool override, bool solicited)
{
	return (struct net_neighbour_news){.ip = ip(address),
					   .mac = mac(mac_text),
					   .override = override,
					   .solicited = solicited};
}

UNIT_CASE(a_silent_neighbour_is_asked_three_times_a_second_apart)
{
	struct rig *rig = rig_settled();
	struct tcp_path path = rig_path(rig, PEER_IP4);
	struct ip_addr us = ip(RIG_IP4), peer = ip(PEER_IP4);

	UNIT_EQ(rig->n_out, 0); /* a path alone asks nobody */
	rig_send(rig, RIG_IP4, PEER_IP4, path.hop);
	UNIT_EQ(net_held_bufs(rig->net), 1);
	UNIT_EQ(net_next_timer(rig->net), T(1));
	rig_until(rig, T(3) - 1);
	UNIT_EQ(rig->n_out, 3);
	UNIT_EQ(rig->out[0].at_us, T(0));
	UNIT_EQ(rig->out[1].at_us, T(1));
	UNIT_EQ(rig->out[2].at_us, T(2));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "INCOMPLETE");
	UNIT_EQ(rig->n_icmp, 0);
	rig_until(rig, T(3));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "FAILED");
	UNIT_EQ(net_held_bufs(rig->net), 0);
	UNIT_EQ(rig->n_icmp, 1);
	UNIT_EQ(rig->icmp[0].kind, TCP_ICMP_UNREACHABLE);
	UNIT_EQ(rig->icmp[0].error, EHOSTUNREACH);
	UNIT_EQ(rig->icmp[0].seq, 1000);
	CU_ASSERT(ip_eq(&rig->icmp[0].tuple.local, &us) &&
		  ip_eq(&rig->icmp[0].tuple.remote, &peer));
	UNIT_EQ(be16_get(rig->icmp[0].tuple.lport), 80);
	UNIT_EQ(be16_get(rig->icmp[0].tuple.rport), 4000);
	rig_free(rig);
}

UNIT_CASE(a_failed_neighbour_refuses_for_three_seconds_and_is_forgotten)
{
	struct rig *rig = rig_settled();
	uint32_t hop = rig_path(rig, PEER_IP4).hop;

	rig_send(rig, RIG_IP4, PEER_IP4, hop);
	rig_until(rig, T(3));
	rig_forget(rig);
	rig_send(rig, RIG_IP4, PEER_IP4, hop);
	UNIT_EQ(rig->n_out, 0);
	UNIT_EQ(rig->n_icmp, 0); /* not from inside net_output() */
	UNIT_EQ(net_next_timer(rig->net), T(3));
	rig_until(rig, T(6) - 1);
	UNIT_EQ(rig->n_icmp, 1);
	UNIT_EQ(RIG_COUNT(rig, drop_neighbour_failed), 2);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "FAILED");
	rig_until(rig, T(6));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "");
	UNIT_EQ(rig->paths_changed, 1);
	/* Its hop is stale now; the packet finds its way by address and asks anew. */
	rig_send(rig, RIG_IP4, PEER_IP4, hop);
	UNIT_EQ(RIG_COUNT(rig, hops_stale), 1);
	UNIT_EQ(rig->n_out, 1);
	CU_ASSERT(rig_path(rig, PEER_IP4).hop != hop);
	rig_free(rig);
}

UNIT_CASE(who_asks_whether_a_hop_is_ready_has_its_neighbour_asked_once)
{
	struct rig *rig = rig_settled();
	uint32_t hop = rig_path(rig, PEER_IP4).hop;
	struct net_neighbour_news news = told(PEER_IP4, PEER_MAC, true, true);

	CU_ASSERT(!net_resolve(rig->net, hop));
	CU_ASSERT(!net_resolve(rig->net, hop));
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(net_held_bufs(rig->net), 0);
	net_neighbour_learn(rig->net, rig->now_us, &news);
	CU_ASSERT(net_resolve(rig->net, hop));
	UNIT_EQ(rig->n_out, 1);
	CU_ASSERT(!net_resolve(rig->net, 0));
	rig_free(rig);
	rig = rig_settled();
	hop = rig_path(rig, PEER_IP4).hop;
	CU_ASSERT(!net_resolve(rig->net, hop));
	rig_until(rig, T(3));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "FAILED");
	CU_ASSERT(!net_resolve(rig->net, hop));
	UNIT_EQ(rig->n_icmp, 0); /* no packet waited */
	rig_until(rig, T(6));    /* forgotten, and asked anew */
	CU_ASSERT(!net_resolve(rig->net, hop));
	CU_ASSERT(!net_resolve(rig->net, rig_path(rig, PEER_IP4).hop));
	UNIT_EQ(rig->n_out, 4);
	rig_free(rig);
}

UNIT_CASE(waiting_packets_leave_in_order_and_the_oldest_gives_way)
{
	struct rig *rig = rig_settled();
	uint32_t hop = rig_path(rig, PEER_IP4).hop;
	struct net_neighbour_news news = told(PEER_IP4, PEER_MAC, true, true);

	for (unsigned int i = 0; i < NEIGHBOUR_WAITING + 3; i++) {
		struct frame f =
			frame_tcp(RIG_MAC, RIG_MAC, RIG_IP4, PEER_IP4, (uint16_t)i, 4000, 0);
		struct rte_mbuf *m = frame_mbuf(&f, rig->pool, 0);

		rte_pktmbuf_adj(m, FRAME_L3);
		m->l3_len = 20;
		m->hash.usr = hop;
		net_output(rig->net, &m, 1);
	}
	UNIT_EQ(net_held_bufs(rig->net), NEIGHBOUR_WAITING);
	UNIT_EQ(RIG_COUNT(rig, drop_neighbour_queue), 3);
	rig_forget(rig);
	net_neighbour_learn(rig->net, rig->now_us, &news);
	UNIT_EQ(rig->n_out, NEIGHBOUR_WAITING);
	for (unsigned int i = 0; i < rig->n_out; i++)
		UNIT_EQ(frame_be16(&rig->out[i].f, FRAME_L3 + 20), 3 + i);
	UNIT_EQ(net_held_bufs(rig->net), 0);
	rig_free(rig);
}

UNIT_CASE(packets_that_wait_at_tear_down_are_freed)
{
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < 5; i++)
		rig_send(rig, RIG_IP4, PEER_IP4, 0);
	UNIT_EQ(net_held_bufs(rig->net), 5);
	rig_free(rig); /* asserts that the pool is full */
}

UNIT_CASE(all_queues_together_are_bounded)
{
	struct rig *rig = rig_new();
	char address[32];

	rig->net_config.max_neighbours = 64;
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	for (unsigned int i = 0; i < NEIGHBOUR_WAITING_ALL / NEIGHBOUR_WAITING + 8; i++)
		for (unsigned int j = 0; j < NEIGHBOUR_WAITING; j++) {
			snprintf(address, sizeof(address), "198.18.0.%u", 10 + i);
			rig_send(rig, RIG_IP4, address, 0);
		}
	UNIT_EQ(net_held_bufs(rig->net), NEIGHBOUR_WAITING_ALL);
	UNIT_EQ(RIG_COUNT(rig, drop_neighbour_queue), 8 * NEIGHBOUR_WAITING);
	rig_free(rig);
}

UNIT_CASE(reachable_ends_after_thirty_seconds_and_probes_follow_use)
{
	struct rig *rig = rig_settled();
	uint32_t hop;

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	hop = rig_path(rig, PEER_IP4).hop;
	rig_until(rig, T(30) - 1);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "REACHABLE");
	rig_until(rig, T(30));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "STALE");
	rig_until(rig, T(50)); /* unused, it costs nothing */
	UNIT_EQ(rig->n_out, 0);
	rig_send(rig, RIG_IP4, PEER_IP4, hop);
	UNIT_EQ(rig->n_out, 1); /* sent at once */
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "DELAY");
	rig_forget(rig);
	rig_until(rig, T(55) - 1);
	UNIT_EQ(rig->n_out, 0);
	rig_until(rig, T(58) - 1);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "PROBE");
	UNIT_EQ(rig->n_out, 3);
	for (unsigned int i = 0; i < 3; i++) {
		UNIT_EQ(rig->out[i].at_us, T(55 + i));
		UNIT_EQ(frame_type(&rig->out[i].f), FRAME_ARP);
		CU_ASSERT(frame_to(&rig->out[i].f, PEER_MAC));
	}
	rig_until(rig, T(58));
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "FAILED");
	rig_free(rig);
}

UNIT_CASE(an_answer_to_a_probe_makes_it_reachable)
{
	struct rig *rig = rig_settled();
	struct frame answer = frame_arp(RIG_MAC, 2, PEER_MAC, PEER_IP4, RIG_IP4);
	uint32_t hop;

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	hop = rig_path(rig, PEER_IP4).hop;
	rig_until(rig, T(40));
	rig_send(rig, RIG_IP4, PEER_IP4, hop);
	rig_in(rig, &answer); /* nobody asked yet */
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "DELAY");
	rig_until(rig, T(45));
	rig_in(rig, &answer);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "REACHABLE");
	rig_until(rig, T(75) - 1);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "REACHABLE");
	rig_free(rig);
}

UNIT_CASE(forward_progress_spares_the_probes)
{
	struct rig *rig = rig_settled();
	uint32_t hop;

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	hop = rig_path(rig, PEER_IP4).hop;
	rig_until(rig, T(20));
	net_confirm(rig->net, hop);
	rig_until(rig, T(50) - 1);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "REACHABLE");
	rig_until(rig, T(50));
	rig_send(rig, RIG_IP4, PEER_IP4, hop);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "DELAY");
	net_confirm(rig->net, hop);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "REACHABLE");
	rig_forget(rig);
	rig_until(rig, T(60));
	UNIT_EQ(rig->n_out, 0);
	rig_free(rig);
}

UNIT_CASE(only_what_was_resolved_can_be_confirmed)
{
	struct rig *rig = rig_settled();
	uint32_t hop = rig_path(rig, PEER_IP4).hop;

	net_confirm(rig->net, hop);
	net_confirm(rig->net, 0);
	net_confirm(rig->net, UINT32_MAX);
	rig_send(rig, RIG_IP4, PEER_IP4, hop);
	net_confirm(rig->net, hop);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "INCOMPLETE");
	rig_until(rig, T(3));
	net_confirm(rig->net, hop);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "FAILED");
	rig_free(rig);
}

/* RFC 4861 §7.2.5 and Appendix C, as a table. */
UNIT_CASE(news_change_an_entry_by_the_table)
{
	static const struct {
		const char *mac;
		bool override, solicited;
		const char *state; /* of an entry that was REACHABLE */
		const char *to;    /* where packets go then */
	} rows[] = {
		{PEER_MAC, false, false, "REACHABLE", PEER_MAC},
		{PEER_MAC, true, false, "REACHABLE", PEER_MAC},
		{PEER_MAC, true, true, "REACHABLE", PEER_MAC},
		{"02:00:00:00:00:99", false, false, "STALE", PEER_MAC},
		{"02:00:00:00:00:99", false, true, "STALE", PEER_MAC},
		{"02:00:00:00:00:99", true, false, "STALE", "02:00:00:00:00:99"},
		/* An answer that nobody asked for: believed, but verified. */
		{"02:00:00:00:00:99", true, true, "STALE", "02:00:00:00:00:99"},
		{"00:00:00:00:00:00", true, false, "REACHABLE", PEER_MAC},
	};

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct rig *rig = rig_settled();
		struct net_neighbour_news news =
			told(PEER_IP4, rows[i].mac, rows[i].override, rows[i].solicited);

		rig_resolve(rig, PEER_IP4, PEER_MAC);
		net_neighbour_learn(rig->net, rig->now_us, &news);
		CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), rows[i].state);
		rig_send(rig, RIG_IP4, PEER_IP4, 0);
		CU_ASSERT(rig->n_out == 1 && frame_to(&rig->out[0].f, rows[i].to));
		rig_free(rig);
	}
}

UNIT_CASE(news_from_other_lanes_make_no_entries_and_no_news)
{
	struct rig *rig = rig_settled();
	struct net_neighbour_news news = told(PEER_IP4, PEER_MAC, true, true);

	net_neighbour_learn(rig->net, rig->now_us, &news);
	news.port = 77;
	net_neighbour_learn(rig->net, rig->now_us, &news);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "");
	UNIT_EQ(rig->n_news, 0);
	rig_free(rig);
}

UNIT_CASE(strangers_push_out_strangers_and_no_gateway_and_no_peer)
{
	struct rig *rig = rig_settled();
	uint32_t gateway_hop, peer_hop;
	char address[32];

	rig_resolve(rig, "198.18.0.254", "02:00:00:00:00:fe");
	rig_resolve(rig, PEER_IP4, PEER_MAC);
	gateway_hop = rig_path(rig, "8.8.8.8").hop;
	peer_hop = rig_path(rig, PEER_IP4).hop;
	for (unsigned int i = 10; i < 210; i++) {
		struct frame f;

		snprintf(address, sizeof(address), "198.18.0.%u", i);
		f = frame_arp(NULL, 1, "02:00:00:00:00:55", address, RIG_IP4);
		rig_in(rig, &f);
	}
	UNIT_EQ(rig->n_out, 200); /* everybody was answered */
	UNIT_EQ(RIG_COUNT(rig, neighbours_evicted), 202 - 16);
	UNIT_EQ(rig_path(rig, "8.8.8.8").hop, gateway_hop);
	UNIT_EQ(rig_path(rig, PEER_IP4).hop, peer_hop);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, PEER_IP4), "REACHABLE");
	/* Nor do answers to spoofed SYNs, whose senders do not exist. */
	for (unsigned int i = 10; i < 210; i++) {
		snprintf(address, sizeof(address), "198.18.0.%u", i);
		rig_send(rig, RIG_IP4, address, rig_path(rig, address).hop);
	}
	UNIT_EQ(rig_path(rig, "8.8.8.8").hop, gateway_hop);
	UNIT_EQ(rig_path(rig, PEER_IP4).hop, peer_hop);
	CU_ASSERT(net_held_bufs(rig->net) <= 14);
	rig_free(rig);
}

UNIT_CASE(the_least_recently_used_goes_when_all_are_in_use)
{
	struct rig *rig = rig_settled();
	char address[32];

	for (unsigned int i = 10; i < 26; i++) {
		snprintf(address, sizeof(address), "198.18.0.%u", i);
		rig_resolve(rig, address, PEER_MAC);
	}
	rig_path(rig, "198.18.0.100"); /* everyone was used: all get another round but one */
	CU_ASSERT_STRING_EQUAL(rig_state(rig, "198.18.0.10"), "");
	rig_send(rig, RIG_IP4, "198.18.0.11", 0);
	rig_resolve(rig, "198.18.0.100", PEER_MAC);
	rig_path(rig, "198.18.0.101");
	CU_ASSERT_STRING_EQUAL(rig_state(rig, "198.18.0.11"), "REACHABLE");
	CU_ASSERT_STRING_EQUAL(rig_state(rig, "198.18.0.12"), "");
	rig_until(rig, rig->now_us + 1);
	CU_ASSERT(rig->paths_changed > 0);
	rig_free(rig);
}

UNIT_CASE(a_table_of_gateways_refuses_others)
{
	struct rig *rig = rig_new();

	rig->net_config.max_neighbours = 1;
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	CU_ASSERT(rig_path(rig, "8.8.8.8").hop != 0);
	UNIT_EQ(rig_path(rig, PEER_IP4).hop, 0); /* a path all the same, by address */
	rig_send(rig, RIG_IP4, PEER_IP4, 0);
	UNIT_EQ(RIG_COUNT(rig, drop_neighbour_full), 1);
	rig_free(rig);
}

UNIT_CASE(hops_that_never_were_are_harmless)
{
	static const uint32_t hops[] = {1,       15,      16,         0xffff,
					0x10000, 0x1ffff, 0xffff0000, 0xffffffff};
	struct rig *rig = rig_settled();

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	for (unsigned int i = 0; i < RTE_DIM(hops); i++) {
		if (hops[i] != rig_path(rig, PEER_IP4).hop)
			rig_send(rig, RIG_IP4, PEER_IP4, hops[i]);
		else
			rig_send(rig, RIG_IP4, PEER_IP4, 0);
		UNIT_EQ(rig->n_out, i + 1);
	}
	rig_free(rig);
}

UNIT_CASE(one_address_on_two_ports_is_two_neighbours)
{
	struct rig *rig = rig_new();
	struct net_neighbour_news news = told(PEER_LINK_LOCAL, PEER_MAC, true, true);
	struct ip_addr peer = ip(PEER_LINK_LOCAL);

	rig->net_config.n_ports = 2;
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	CU_ASSERT(neighbour_obtain(rig->net, 0, &peer) != neighbour_obtain(rig->net, 1, &peer));
	news.port = 1;
	net_neighbour_learn(rig->net, rig->now_us, &news);
	UNIT_EQ(neighbour_find(rig->net, 0, &peer)->state, NEIGHBOUR_NEW);
	UNIT_EQ(neighbour_find(rig->net, 1, &peer)->state, NEIGHBOUR_STALE);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(a_silent_neighbour_is_asked_three_times_a_second_apart),
	      UNIT_RUN(a_failed_neighbour_refuses_for_three_seconds_and_is_forgotten),
	      UNIT_RUN(who_asks_whether_a_hop_is_ready_has_its_neighbour_asked_once),
	      UNIT_RUN(waiting_packets_leave_in_order_and_the_oldest_gives_way),
	      UNIT_RUN(packets_that_wait_at_tear_down_are_freed),
	      UNIT_RUN(all_queues_together_are_bounded),
	      UNIT_RUN(reachable_ends_after_thirty_seconds_and_probes_follow_use),
	      UNIT_RUN(an_answer_to_a_probe_makes_it_reachable),
	      UNIT_RUN(forward_progress_spares_the_probes),
	      UNIT_RUN(only_what_was_resolved_can_be_confirmed),
	      UNIT_RUN(news_change_an_entry_by_the_table),
	      UNIT_RUN(news_from_other_lanes_make_no_entries_and_no_news),
	      UNIT_RUN(strangers_push_out_strangers_and_no_gateway_and_no_peer),
	      UNIT_RUN(the_least_recently_used_goes_when_all_are_in_use),
	      UNIT_RUN(a_table_of_gateways_refuses_others),
	      UNIT_RUN(hops_that_never_were_are_harmless),
	      UNIT_RUN(one_address_on_two_ports_is_two_neighbours))
