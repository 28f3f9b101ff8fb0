/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/path.c: answers of net_path() are kept, and no longer than they are true. What they are
 * is dataplane_route.c's. */
#include "net_rig.h"

#include <errno.h>

#include "dataplane/path.h"

UNIT_CASE(an_answer_is_kept_until_something_changes)
{
	struct rig *rig = rig_settled();
	struct tcp_path first = rig_path(rig, PEER_IP4), again;

	/* Nobody said so: it is not looked at. */
	rig->net->ports[0].mtu = 1234;
	again = rig_path(rig, PEER_IP4);
	UNIT_EQ(again.mtu, first.mtu);
	UNIT_EQ(again.hop, first.hop);
	CU_ASSERT(ip_eq(&again.local, &first.local));
	paths_forget(rig->net);
	UNIT_EQ(rig_path(rig, PEER_IP4).mtu, 1234);
	rig_free(rig);
}

UNIT_CASE(generations_may_begin_anew)
{
	struct rig *rig = rig_settled();

	rig->net->paths_generation = UINT32_MAX;
	rig_path(rig, PEER_IP4);
	rig->net->ports[0].mtu = 1234;
	paths_forget(rig->net);
	UNIT_EQ(rig_path(rig, PEER_IP4).mtu, 1234);
	rig_free(rig);
}

UNIT_CASE(what_is_asked_for_from_another_address_is_another_answer)
{
	struct rig *rig = rig_settled();
	struct ip_addr to = ip(PEER_IP4), own = ip(RIG_IP4), other = ip("198.18.0.77"), any = {0};
	struct tcp_path path;

	for (unsigned int i = 0; i < 2; i++) {
		UNIT_EQ(net_path(rig->net, &to, &any, &path), 0);
		UNIT_EQ(net_path(rig->net, &to, &other, &path), -EADDRNOTAVAIL);
		UNIT_EQ(net_path(rig->net, &to, &own, &path), 0);
	}
	rig_free(rig);
}

UNIT_CASE(an_address_that_goes_takes_its_answers_along)
{
	struct rig *rig = rig_settled();
	struct ip_addr to = ip(PEER_IP4), own = ip(RIG_IP4);
	struct tcp_path path;

	UNIT_EQ(net_path(rig->net, &to, &own, &path), 0);
	UNIT_EQ(net_address_del(rig->net, rig->now_us, &own), 0);
	UNIT_EQ(net_path(rig->net, &to, &own, &path), -EADDRNOTAVAIL); /* at once */
	rig_until(rig, rig->now_us + 1);
	UNIT_EQ(net_path(rig->net, &to, &own, &path), -EADDRNOTAVAIL); /* and afterwards */
	rig_free(rig);
}

UNIT_CASE(a_neighbour_that_goes_takes_its_answers_along)
{
	struct rig *rig = rig_settled();
	uint32_t hop = rig_path(rig, PEER_IP4).hop;

	neighbour_forget(rig->net, neighbour_by_hop(&rig->net->neighbours, hop));
	CU_ASSERT(rig_path(rig, PEER_IP4).hop != hop); /* at once */
	rig_until(rig, rig->now_us + 1);
	CU_ASSERT(rig_path(rig, PEER_IP4).hop != hop); /* and afterwards */
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(an_answer_is_kept_until_something_changes),
	      UNIT_RUN(generations_may_begin_anew),
	      UNIT_RUN(what_is_asked_for_from_another_address_is_another_answer),
	      UNIT_RUN(an_address_that_goes_takes_its_answers_along),
	      UNIT_RUN(a_neighbour_that_goes_takes_its_answers_along))
