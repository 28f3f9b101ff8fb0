/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/icmp.c: the limit to our errors, and news for TCP. */
#include "net_rig.h"

#include <errno.h>

#include "dataplane/icmp.h"

UNIT_CASE(fifty_errors_at_once_and_a_thousand_a_second)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 17, "\0\1\0\2\0\10\0\0", 8);

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	for (unsigned int i = 0; i < 60; i++)
		rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 50);
	UNIT_EQ(RIG_COUNT(rig, icmp_errors_limited), 10);
	rig_until(rig, RIG_SETTLED + 999);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 50);
	rig_until(rig, RIG_SETTLED + 1000);
	rig_in(rig, &f);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 51);
	rig_until(rig, RIG_SETTLED + 20 * RIG_SECOND); /* no more than the bucket holds */
	for (unsigned int i = 0; i < 60; i++)
		rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 101);
	rig_free(rig);
}

UNIT_CASE(news_wait_until_the_engine_may_be_called)
{
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < NET_ICMP_NEWS + 5; i++)
		rig_send(rig, RIG_IP6, "2001:db8:99::1", 0); /* no route */
	UNIT_EQ(rig->n_icmp, 0);
	UNIT_EQ(RIG_COUNT(rig, drop_tx_no_route), NET_ICMP_NEWS + 5);
	UNIT_EQ(RIG_COUNT(rig, icmp_news_lost), 5);
	UNIT_EQ(net_next_timer(rig->net), rig->now_us);
	net_input(rig->net, rig->now_us, 0, NULL, 0);
	UNIT_EQ(rig->n_icmp, NET_ICMP_NEWS);
	UNIT_EQ(rig->icmp[0].error, ENETUNREACH);
	UNIT_EQ(rig->icmp[0].kind, TCP_ICMP_UNREACHABLE);
	UNIT_EQ(rig->icmp[0].seq, 1000);
	CU_ASSERT(net_next_timer(rig->net) > rig->now_us);
	rig_free(rig);
}

UNIT_CASE(only_tcp_hears_of_packets_not_sent)
{
	struct rig *rig = rig_settled();
	struct frame f =
		frame_icmp(RIG_MAC, PEER_MAC, "198.18.0.77", RIG_IP4, 8, 0, 0x10001, "ping", 4);

	rig_in(rig, &f); /* the reply waits for a neighbour that stays silent */
	UNIT_EQ(net_held_bufs(rig->net), 1);
	rig_until(rig, RIG_SETTLED + 4 * RIG_SECOND);
	UNIT_EQ(RIG_COUNT(rig, drop_neighbour_failed), 1);
	UNIT_EQ(rig->n_icmp, 0);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(fifty_errors_at_once_and_a_thousand_a_second),
	      UNIT_RUN(news_wait_until_the_engine_may_be_called),
	      UNIT_RUN(only_tcp_hears_of_packets_not_sent))
