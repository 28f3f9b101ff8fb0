/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/net.c: Ethernet, the way out, time, tear-down. */
#include "net_rig.h"

#include <errno.h>

static void
expect_drop(struct rig *rig, const struct frame *f, const uint64_t *counter)
{
	uint64_t before = *counter;

	rig_in(rig, f);
	UNIT_EQ(*counter, before + 1);
	UNIT_EQ(rig->n_tcp, 0);
	UNIT_EQ(rig->n_out, 0);
}

#define EXPECT_DROP(rig, f, reason) expect_drop(rig, f, &(rig)->net->stats.reason)

UNIT_CASE(frames_for_others_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f;

	for (unsigned int n = 1; n < 14; n++) {
		f = frame_eth(RIG_MAC, PEER_MAC, FRAME_IP4);
		f.n = n;
		EXPECT_DROP(rig, &f, drop_eth_short);
	}
	f = frame_tcp("02:00:00:00:00:03", PEER_MAC, PEER_IP4, RIG_IP4, 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_eth_not_ours);
	f = frame_tcp("01:00:5e:00:00:05", PEER_MAC, PEER_IP4, RIG_IP4, 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_eth_group);
	f = frame_tcp("33:33:ff:00:00:03", PEER_MAC, PEER_IP6, RIG_IP6, 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_eth_group);
	f = frame_tcp(RIG_MAC, "01:00:00:00:00:01", PEER_IP4, RIG_IP4, 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_eth_source);
	f = frame_tcp(RIG_MAC, "00:00:00:00:00:00", PEER_IP4, RIG_IP4, 4000, 80, 0);
	EXPECT_DROP(rig, &f, drop_eth_source);
	rig_free(rig);
}

UNIT_CASE(foreign_types_are_dropped)
{
	static const uint16_t types[] = {0, 0x0026, 0x05ff, 0x0600, 0x8035, 0x88cc, 0xffff};
	struct rig *rig = rig_settled();
	struct frame f;

	for (unsigned int i = 0; i < RTE_DIM(types); i++) {
		f = frame_eth(RIG_MAC, PEER_MAC, types[i]);
		frame_put_zeros(&f, 46);
		EXPECT_DROP(rig, &f, drop_eth_type);
	}
	f = frame_eth(RIG_MAC, PEER_MAC, 0x8100);
	frame_put_zeros(&f, 46);
	EXPECT_DROP(rig, &f, drop_eth_vlan);
	f = frame_eth(RIG_MAC, PEER_MAC, 0x88a8);
	frame_put_zeros(&f, 46);
	EXPECT_DROP(rig, &f, drop_eth_vlan);
	f = frame_tcp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 4000, 80, 0);
	rig_in_flags(rig, &f, RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
	UNIT_EQ(RIG_COUNT(rig, drop_eth_vlan), 3);
	UNIT_EQ(rig->n_tcp, 0);
	/* The family is what the header says; the type must agree. */
	f = frame_tcp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 4000, 80, 20);
	f.b[12] = 0x86;
	f.b[13] = 0xdd;
	EXPECT_DROP(rig, &f, drop_ip_version);
	rig_free(rig);
}

UNIT_CASE(a_peer_with_our_mac_address_is_heard)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_tcp(RIG_MAC, RIG_MAC, PEER_IP4, RIG_IP4, 4000, 80, 0);

	rig_in(rig, &f);
	UNIT_EQ(rig->n_tcp, 1);
	rig_free(rig);
}

UNIT_CASE(a_burst_leaves_in_bursts_with_complete_headers)
{
	struct rig *rig = rig_settled();
	struct rte_mbuf *packets[100];
	uint32_t hop;

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	hop = rig_path(rig, PEER_IP4).hop;
	for (unsigned int i = 0; i < RTE_DIM(packets); i++) {
		struct frame f =
			frame_tcp(RIG_MAC, RIG_MAC, RIG_IP4, PEER_IP4, (uint16_t)i, 4000, i);

		packets[i] = frame_mbuf(&f, rig->pool, 0);
		rte_pktmbuf_adj(packets[i], FRAME_L3);
		packets[i]->l3_len = 20;
		packets[i]->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
		packets[i]->hash.usr = hop;
	}
	net_output(rig->net, packets, RTE_DIM(packets));
	UNIT_EQ(rig->n_out, 100);
	for (unsigned int i = 0; i < rig->n_out; i++) {
		const struct frame *f = &rig->out[i].f;

		CU_ASSERT(frame_to(f, PEER_MAC) && frame_from(f, RIG_MAC));
		UNIT_EQ(frame_type(f), FRAME_IP4);
		UNIT_EQ(frame_be16(f, FRAME_L3 + 20), i);
		UNIT_EQ(f->n, FRAME_L3 + 40 + i);
		CU_ASSERT((rig->out[i].ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0);
	}
	UNIT_EQ(RIG_COUNT(rig, frames_out), 102); /* with the question before, and what waited */
	rig_free(rig);
}

UNIT_CASE(what_cannot_be_sent_is_freed)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_tcp(RIG_MAC, RIG_MAC, RIG_IP4, PEER_IP4, 80, 4000, 1500);
	struct rte_mbuf *m;
	uint32_t hop;

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	hop = rig_path(rig, PEER_IP4).hop;
	m = frame_mbuf(&f, rig->pool, 0); /* too big, by address */
	rte_pktmbuf_adj(m, FRAME_L3);
	m->hash.usr = 0;
	net_output(rig->net, &m, 1);
	UNIT_EQ(RIG_COUNT(rig, drop_tx_too_big), 1);
	m = rte_pktmbuf_alloc(rig->pool); /* no IP header */
	rte_pktmbuf_append(m, 10);
	m->hash.usr = 0;
	net_output(rig->net, &m, 1);
	UNIT_EQ(RIG_COUNT(rig, drop_tx_malformed), 1);
	m = rte_pktmbuf_alloc(rig->pool); /* no headroom */
	rte_pktmbuf_append(m, 40);
	rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m));
	m->hash.usr = hop;
	net_output(rig->net, &m, 1);
	UNIT_EQ(RIG_COUNT(rig, drop_tx_headroom), 1);
	UNIT_EQ(rig->n_out, 0);
	rig_free(rig);
}

/* A packet for the device to cut, of two segments, by its address alone; what became of it. */
static unsigned int
sent_to_cut(struct rig *rig, uint16_t segsz)
{
	struct frame f = frame_tcp(RIG_MAC, RIG_MAC, RIG_IP4, PEER_IP4, 80, 4000, 2 * 1460);
	struct rte_mbuf *m = frame_mbuf(&f, rig->pool, 0);

	rte_pktmbuf_adj(m, FRAME_L3);
	m->hash.usr = 0;
	m->l3_len = m->l4_len = 20;
	m->tso_segsz = segsz;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	net_output(rig->net, &m, 1);
	return rig->n_out;
}

UNIT_CASE(packets_to_cut_go_where_they_can_be_cut)
{
	struct rig *rig = rig_new();

	rig->ports[0].path_flags = TCP_PATH_TX_TSO;
	rig->ports[0].tso.max_mbufs = 40;
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	rig_resolve(rig, PEER_IP4, PEER_MAC);
	UNIT_EQ(rig_path(rig, PEER_IP4).flags, TCP_PATH_TX_TSO);
	UNIT_EQ(rig_path(rig, PEER_IP4).tso.max_mbufs, 40);
	UNIT_EQ(rig_path(rig, RIG_IP4).flags & TCP_PATH_TX_TSO, 0);
	UNIT_EQ(rig_path(rig, RIG_IP4).tso.max_mbufs, 0);
	rig_forget(rig);
	UNIT_EQ(sent_to_cut(rig, 1460), 1);
	CU_ASSERT((rig->out[0].ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	rig_forget(rig);
	UNIT_EQ(sent_to_cut(rig, 1461), 0); /* its segments would not fit */
	UNIT_EQ(RIG_COUNT(rig, drop_tx_too_big), 1);
	rig_free(rig);

	rig = rig_settled(); /* a port that cuts nothing */
	rig_resolve(rig, PEER_IP4, PEER_MAC);
	UNIT_EQ(sent_to_cut(rig, 1460), 0);
	UNIT_EQ(RIG_COUNT(rig, drop_tx_too_big), 1);
	rig_free(rig);
}

UNIT_CASE(no_memory_for_a_question_is_survived)
{
	struct rig *rig = rig_settled();
	struct rte_mbuf *hoard[RIG_POOL], *m;
	struct frame f = frame_tcp(RIG_MAC, RIG_MAC, RIG_IP4, PEER_IP4, 80, 4000, 0);
	unsigned int n = 0;

	m = frame_mbuf(&f, rig->pool, 0);
	rte_pktmbuf_adj(m, FRAME_L3);
	m->l3_len = 20;
	m->hash.usr = rig_path(rig, PEER_IP4).hop;
	while ((hoard[n] = rte_pktmbuf_alloc(rig->pool)) != NULL)
		n++;
	net_output(rig->net, &m, 1);
	UNIT_EQ(rig->n_out, 0);
	UNIT_EQ(RIG_COUNT(rig, tx_no_mbuf), 1);
	rte_pktmbuf_free_bulk(hoard, n);
	rig_until(rig, RIG_SETTLED + RIG_SECOND);
	UNIT_EQ(rig->n_out, 1); /* the second question */
	rig_free(rig);
}

UNIT_CASE(counters_are_copied_whole)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_tcp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 4000, 80, 0);
	struct net_stats stats;

	rig_in(rig, &f);
	net_stats_read(rig->net, &stats);
	CU_ASSERT(memcmp(&stats, &rig->net->stats, sizeof(stats)) == 0);
	UNIT_EQ(stats.tcp_in, 1);
	rig_free(rig);
}

UNIT_CASE(bad_configurations_are_refused)
{
	struct rig *rig = rig_settled();
	struct net_config good = rig->net_config, c;
	struct net_env env = rig->net->env;
	struct net *net = NULL;

	c = good;
	c.n_ports = 0;
	UNIT_EQ(net_create(&c, &env, &net), -EINVAL);
	c.n_ports = CONFIG_MAX_PORTS + 1;
	UNIT_EQ(net_create(&c, &env, &net), -EINVAL);
	c = good;
	c.max_neighbours = 0;
	UNIT_EQ(net_create(&c, &env, &net), -EINVAL);
	c.max_neighbours = NEIGHBOUR_MAX + 1;
	UNIT_EQ(net_create(&c, &env, &net), -EINVAL);
	c = good;
	c.pool = NULL;
	UNIT_EQ(net_create(&c, &env, &net), -EINVAL);
	rig->ports[0].mac.addr_bytes[0] = 1;
	UNIT_EQ(net_create(&good, &env, &net), -EINVAL);
	CU_ASSERT(net == NULL);
	net_destroy(NULL);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(frames_for_others_are_dropped), UNIT_RUN(foreign_types_are_dropped),
	      UNIT_RUN(a_peer_with_our_mac_address_is_heard),
	      UNIT_RUN(a_burst_leaves_in_bursts_with_complete_headers),
	      UNIT_RUN(what_cannot_be_sent_is_freed),
	      UNIT_RUN(packets_to_cut_go_where_they_can_be_cut),
	      UNIT_RUN(no_memory_for_a_question_is_survived), UNIT_RUN(counters_are_copied_whole),
	      UNIT_RUN(bad_configurations_are_refused))
