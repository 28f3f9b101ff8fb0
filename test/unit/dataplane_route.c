/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/route.c and net_path(): which way, and from which address. */
#include "net_rig.h"

#include <errno.h>

#include "dataplane/route.h"

/* Two ports with nested and disjoint prefixes, and gateways. */
static struct rig *
two_ports(void)
{
	struct rig *rig = rig_new();

	rig->net_config.n_ports = 2;
	rig->config[0].addresses[2] = (struct config_address){ip("10.0.0.1"), 8};
	rig->config[0].addresses[3] = (struct config_address){ip("2001:db8:18:0:1::2"), 80};
	rig->config[0].n_addresses = 4;
	rig->config[1].addresses[0] = (struct config_address){ip("10.1.0.1"), 16};
	rig->config[1].addresses[1] = (struct config_address){ip("2001:db8:19::2"), 64};
	rig->config[1].gateway6 = ip("2001:db8:19::fe");
	rig->config[1].n_addresses = 2;
	rig->ports[1].mtu = 9000;
	rig->ports[1].path_flags = TCP_PATH_TX_TCP_CKSUM;
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	rig_forget(rig);
	return rig;
}

UNIT_CASE(the_longest_prefix_leads)
{
	static const struct {
		const char *to, *next_hop, *source;
		uint16_t port;
	} rows[] = {
		{PEER_IP4, PEER_IP4, RIG_IP4, 0},
		{"10.2.0.9", "10.2.0.9", "10.0.0.1", 0},
		{"10.1.0.9", "10.1.0.9", "10.1.0.1", 1},
		{"8.8.8.8", "198.18.0.254", RIG_IP4, 0},
		{PEER_IP6, PEER_IP6, RIG_IP6, 0},
		{"2001:db8:18:0:1::9", "2001:db8:18:0:1::9", "2001:db8:18:0:1::2", 0},
		{"2001:db8:19::9", "2001:db8:19::9", "2001:db8:19::2", 1},
		{"2001:db8:99::9", "2001:db8:19::fe", "2001:db8:19::2", 1},
		{PEER_LINK_LOCAL, PEER_LINK_LOCAL, RIG_LINK_LOCAL, 0},
	};
	struct rig *rig = two_ports();

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct ip_addr to = ip(rows[i].to), next_hop = ip(rows[i].next_hop);
		struct ip_addr source = ip(rows[i].source);
		struct tcp_path path = rig_path(rig, rows[i].to);
		const struct neighbour *n = neighbour_by_hop(&rig->net->neighbours, path.hop);
		struct route route;

		UNIT_EQ(route_find(rig->net, &to, NET_NO_PORT, &route), 0);
		CU_ASSERT(ip_eq(&route.next_hop, &next_hop) && !route.local);
		UNIT_EQ(route.port, rows[i].port);
		CU_ASSERT(ip_eq(&path.local, &source));
		CU_ASSERT_FATAL(n != NULL);
		CU_ASSERT(ip_eq(&n->ip, &next_hop));
		UNIT_EQ(n->port, rows[i].port);
		UNIT_EQ(path.mtu, rows[i].port == 0 ? 1500 : 9000);
		UNIT_EQ(path.flags, rows[i].port == 0 ? 0 : TCP_PATH_TX_TCP_CKSUM);
	}
	rig_free(rig);
}

UNIT_CASE(a_bound_link_local_address_chooses_its_port)
{
	struct rig *rig = two_ports();
	struct ip_addr to = ip(PEER_LINK_LOCAL), from = ip("fe80::216:3eff:fe00:102");
	struct tcp_path path;

	UNIT_EQ(net_path(rig->net, &to, &from, &path), 0);
	UNIT_EQ(neighbour_by_hop(&rig->net->neighbours, path.hop)->port, 1);
	rig_free(rig);
}

UNIT_CASE(errors_are_those_of_connect)
{
	static const struct {
		const char *remote, *local;
		int status;
	} rows[] = {
		{"224.0.0.1", "::", -EINVAL},
		{"255.255.255.255", "::", -EINVAL},
		{"198.18.0.255", "::", -EINVAL},
		{"0.0.0.0", "::", -EINVAL},
		{"127.0.0.1", "::", -EINVAL},
		{"240.0.0.1", "::", -EINVAL},
		{"::", "::", -EINVAL},
		{"::1", "::", -EINVAL},
		{"ff02::1", "::", -EINVAL},
		{PEER_IP4, RIG_IP6, -EINVAL},
		{PEER_IP6, RIG_IP4, -EINVAL},
		{PEER_IP4, "198.18.0.3", -EADDRNOTAVAIL},
		{PEER_IP6, "2001:db8:18::3", -EADDRNOTAVAIL},
		{"2001:db8:99::1", "::", -ENETUNREACH},
		{PEER_IP4, RIG_IP4, 0},
		{PEER_IP4, "0.0.0.0", 0},
		{PEER_IP6, RIG_IP6, 0},
	};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct ip_addr remote = ip(rows[i].remote), local = ip(rows[i].local);
		struct tcp_path path;

		UNIT_EQ(net_path(rig->net, &remote, &local, &path), rows[i].status);
	}
	rig_free(rig);
}

UNIT_CASE(no_address_yet_is_no_route_from_here)
{
	struct rig *rig = rig_new();
	struct ip_addr remote = ip(PEER_IP6), any = {0};
	struct tcp_path path;

	rig_start(rig);
	rig_until(rig, 0);
	UNIT_EQ(net_path(rig->net, &remote, &any, &path), -EADDRNOTAVAIL);
	rig_until(rig, 1500000);
	UNIT_EQ(net_path(rig->net, &remote, &any, &path), 0);
	rig_free(rig);
}

UNIT_CASE(a_silent_default_router_is_passed_over)
{
	struct rig *rig = rig_settled();
	struct ip_addr a = ip("fe80::a"), b = ip("fe80::b"), far = ip("2001:db8:99::1");
	struct route route;

	router_learn(rig->net, &a, 0, 100);
	router_learn(rig->net, &b, 0, 200);
	UNIT_EQ(route_find(rig->net, &far, NET_NO_PORT, &route), 0);
	CU_ASSERT(ip_eq(&route.next_hop, &a));
	rig_send(rig, RIG_IP6, "2001:db8:99::1", 0);
	rig_until(rig, RIG_SETTLED + 3 * RIG_SECOND);
	UNIT_EQ(route_find(rig->net, &far, NET_NO_PORT, &route), 0);
	CU_ASSERT(ip_eq(&route.next_hop, &b));
	rig_until(rig, RIG_SETTLED + 100 * RIG_SECOND);
	UNIT_EQ(route_find(rig->net, &far, NET_NO_PORT, &route), 0);
	CU_ASSERT(ip_eq(&route.next_hop, &b));
	rig_until(rig, RIG_SETTLED + 200 * RIG_SECOND);
	UNIT_EQ(route_find(rig->net, &far, NET_NO_PORT, &route), -ENETUNREACH);
	UNIT_EQ(RIG_COUNT(rig, routers_changed), 4);
	rig_free(rig);
}

UNIT_CASE(more_routers_than_slots_are_ignored)
{
	struct rig *rig = rig_settled();

	for (uint32_t i = 1; i < 20; i++) {
		struct ip_addr a = {{RTE_BE32(0xfe800000), 0, 0, i}};

		router_learn(rig->net, &a, 0, 100);
	}
	UNIT_EQ(RIG_COUNT(rig, routers_changed), NET_ROUTERS);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(the_longest_prefix_leads),
	      UNIT_RUN(a_bound_link_local_address_chooses_its_port),
	      UNIT_RUN(errors_are_those_of_connect), UNIT_RUN(no_address_yet_is_no_route_from_here),
	      UNIT_RUN(a_silent_default_router_is_passed_over),
	      UNIT_RUN(more_routers_than_slots_are_ignored))
