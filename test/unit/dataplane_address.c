/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/address.c: duplicate address detection to the microsecond, announcements, prefixes. */
#include "net_rig.h"

#include <errno.h>

#include "dataplane/address.h"

#define RIG_NODE "ff02::1:ff00:2"
#define RIG_NODE_MAC "33:33:ff:00:00:02"

static enum net_address_state
state(struct rig *rig, const char *address)
{
	struct ip_addr a = ip(address);

	return net_address_state(rig->net, &a);
}

/* A solicitation (135) from nobody, or an advertisement (136), for an address of the rig's. */
static struct frame
objection(const char *src_mac, uint8_t type, const char *src, const char *target,
	  const uint8_t *nonce)
{
	struct ip_addr t = ip(target);
	struct frame body = {0}, f;

	frame_put(&body, &t, 16);
	if (nonce != NULL) {
		frame_put(&body, "\16\1", 2);
		frame_put(&body, nonce, 6);
	}
	f = type == 135
		    ? frame_icmp(RIG_NODE_MAC, src_mac, src, RIG_NODE, type, 0, 0, body.b, body.n)
		    : frame_icmp("33:33:00:00:00:01", src_mac, src, "ff02::1", type, 0, 0x20000000,
				 body.b, body.n);
	f.b[FRAME_L3 + 7] = 255;
	return f;
}

/* The n-th frame sent that is ICMPv6 of a type (0: an ARP packet) about an address; NULL: none. */
static const struct rig_frame *
sent(const struct rig *rig, uint8_t type, const char *about, unsigned int n)
{
	struct ip_addr a = ip(about), b;

	for (unsigned int i = 0; i < rig->n_out; i++) {
		const struct frame *f = &rig->out[i].f;

		if (type == 0 && frame_type(f) == FRAME_ARP)
			b = frame_ip4_at(f, FRAME_L3 + 24);
		else if (type != 0 && frame_type(f) == FRAME_IP6 && f->b[FRAME_L3 + 6] == 58 &&
			 f->b[FRAME_ICMP6] == type)
			b = frame_ip6_at(f, FRAME_ICMP6 + 8);
		else
			continue;
		if (ip_eq(&a, &b) && n-- == 0)
			return &rig->out[i];
	}
	return NULL;
}

UNIT_CASE(detection_and_announcement_keep_their_times)
{
	static const char *const addresses[] = {RIG_IP6, RIG_LINK_LOCAL};
	struct rig *rig = rig_new();
	struct ip_addr nobody = {0}, node = ip(RIG_NODE), a, b;
	const struct rig_frame *f;

	rig_start(rig);
	UNIT_EQ(net_next_timer(rig->net), 0);
	rig_until(rig, 1500000 - 1);
	for (unsigned int i = 0; i < 2; i++) {
		UNIT_EQ(state(rig, addresses[i]), NET_ADDRESS_TENTATIVE);
		f = sent(rig, 135, addresses[i], 0);
		CU_ASSERT_FATAL(f != NULL);
		UNIT_EQ(f->at_us, 500000);
		a = frame_src(&f->f);
		b = frame_dst(&f->f);
		CU_ASSERT(ip_eq(&a, &nobody) && ip_eq(&b, &node));
		CU_ASSERT(frame_to(&f->f, RIG_NODE_MAC) && frame_icmp_cksum_ok(&f->f));
		UNIT_EQ(f->f.b[FRAME_ICMP6 + 24], 14); /* the nonce, and no link-layer address */
		UNIT_EQ(f->f.n, FRAME_ICMP6 + 32);
		CU_ASSERT(sent(rig, 135, addresses[i], 1) == NULL);
		CU_ASSERT(sent(rig, 136, addresses[i], 0) == NULL);
	}
	rig_until(rig, 1500000);
	for (unsigned int i = 0; i < 2; i++)
		UNIT_EQ(state(rig, addresses[i]), NET_ADDRESS_PREFERRED);
	rig_until(rig, 60 * RIG_SECOND);
	for (unsigned int i = 0; i < 2; i++) {
		UNIT_EQ(sent(rig, 136, addresses[i], 0)->at_us, 1500000);
		UNIT_EQ(sent(rig, 136, addresses[i], 1)->at_us, 3500000);
		CU_ASSERT(sent(rig, 136, addresses[i], 2) == NULL);
		CU_ASSERT(frame_to(&sent(rig, 136, addresses[i], 0)->f, "33:33:00:00:00:01"));
	}
	/* IPv4 is in use at once, and announced. */
	UNIT_EQ(sent(rig, 0, RIG_IP4, 0)->at_us, 0);
	UNIT_EQ(sent(rig, 0, RIG_IP4, 1)->at_us, 2000000);
	CU_ASSERT(sent(rig, 0, RIG_IP4, 2) == NULL);
	a = frame_ip4_at(&sent(rig, 0, RIG_IP4, 0)->f, FRAME_L3 + 14);
	b = ip(RIG_IP4);
	CU_ASSERT(ip_eq(&a, &b));
	UNIT_EQ(net_next_timer(rig->net), UINT64_MAX);
	rig_free(rig);
}

/* At which moment, and by what, an address is found to be another's. */
UNIT_CASE(objections_are_heard)
{
	static const uint8_t other_nonce[6] = {9, 9, 9, 9, 9, 9};
	static const struct {
		uint64_t at_us;
		uint8_t type;
		const char *src_mac, *src;
		const uint8_t *nonce;
	} rows[] = {
		{100000, 135, PEER_MAC, "::", NULL},  /* before we asked */
		{1000000, 135, PEER_MAC, "::", NULL}, /* after */
		{1000000, 135, PEER_MAC, "::", other_nonce},
		{1000000, 135, RIG_MAC, "::", NULL}, /* our MAC proves nothing */
		{1000000, 135, RIG_MAC, "::", other_nonce},
		{1000000, 136, PEER_MAC, RIG_IP6, NULL}, /* its owner speaks */
		{1000000, 136, RIG_MAC, RIG_IP6, NULL},
		{1499999, 136, PEER_MAC, RIG_IP6, NULL},
	};

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct rig *rig = rig_new();
		struct ip_addr remote = ip(PEER_IP6), local = ip(RIG_IP6);
		struct tcp_path path;
		struct frame f;

		rig_start(rig);
		rig_until(rig, rows[i].at_us);
		f = objection(rows[i].src_mac, rows[i].type, rows[i].src, RIG_IP6, rows[i].nonce);
		rig_in(rig, &f);
		UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_DUPLICATE);
		UNIT_EQ(RIG_COUNT(rig, dad_duplicates), 1);
		rig_until(rig, RIG_SETTLED);
		UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_DUPLICATE);
		CU_ASSERT(sent(rig, 136, RIG_IP6, 0) == NULL);
		CU_ASSERT(!net_is_local(rig->net, &local));
		UNIT_EQ(net_path(rig->net, &remote, &local, &path), -EADDRNOTAVAIL);
		rig_free(rig);
	}
}

UNIT_CASE(our_own_question_come_back_is_no_objection)
{
	struct rig *rig = rig_new();
	struct frame f;

	rig_start(rig);
	rig_until(rig, 600000);
	f = sent(rig, 135, RIG_IP6, 0)->f;
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, nd_looped), 1);
	rig_until(rig, 1500000);
	UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_PREFERRED);
	/* Nor are our own advertisements. */
	f = sent(rig, 136, RIG_IP6, 0)->f;
	rig_in(rig, &f);
	UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_PREFERRED);
	UNIT_EQ(RIG_COUNT(rig, nd_conflicts), 0);
	rig_free(rig);
}

UNIT_CASE(who_asks_for_a_tentative_address_is_not_answered)
{
	struct rig *rig = rig_new();
	struct frame f;

	rig_start(rig);
	rig_until(rig, 600000);
	f = objection(PEER_MAC, 135, PEER_IP6, RIG_IP6, NULL);
	rig_in(rig, &f);
	CU_ASSERT(sent(rig, 136, RIG_IP6, 0) == NULL);
	UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_TENTATIVE);
	rig_free(rig);
}

UNIT_CASE(a_duplicate_link_local_address_is_replaced_three_times)
{
	struct rig *rig = rig_new();
	struct net_address_listing listing[4];
	uint32_t cursor = 0;
	unsigned int n;

	rig_start(rig);
	rig_until(rig, 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct ip_addr link_local;

		cursor = 0;
		n = net_list_addresses(rig->net, &cursor, listing, 4);
		UNIT_EQ(n, 3);
		link_local = listing[2].ip;
		CU_ASSERT(ip_is_link_local6(&link_local));
		UNIT_EQ(listing[2].state, NET_ADDRESS_TENTATIVE);
		net_address_duplicate(rig->net, rig->now_us, &link_local);
		cursor = 0;
		net_list_addresses(rig->net, &cursor, listing, 4);
		CU_ASSERT(ip_eq(&listing[2].ip, &link_local) == (i == 3));
		rig_until(rig, rig->now_us + 1);
	}
	UNIT_EQ(listing[2].state, NET_ADDRESS_DUPLICATE);
	rig_until(rig, RIG_SETTLED);
	UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_PREFERRED); /* goes on without */
	UNIT_EQ(RIG_COUNT(rig, nd_router_solicitations_out), 3);
	rig_free(rig);
}

UNIT_CASE(a_local_mac_address_is_hashed)
{
	struct rig *rig = rig_new();
	struct ip_addr eui64 = ip("fe80::ff:fe00:2");
	struct net_address_listing listing[4];
	uint32_t cursor = 0;

	rig->ports[0].mac = mac("02:00:00:00:00:02");
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	UNIT_EQ(net_list_addresses(rig->net, &cursor, listing, 4), 3);
	CU_ASSERT(ip_is_link_local6(&listing[2].ip) && !ip_eq(&listing[2].ip, &eui64));
	UNIT_EQ(listing[2].state, NET_ADDRESS_PREFERRED);
	UNIT_EQ(net_address_state(rig->net, &eui64), NET_ADDRESS_NONE);
	rig_free(rig);
}

UNIT_CASE(lanes_agree_on_the_replacement)
{
	struct rig *a = rig_new(), *b = rig_new();
	struct net_address_listing x[4], y[4];
	struct ip_addr first = ip(RIG_LINK_LOCAL);
	uint32_t cursor = 0;

	b->random = 0x12345678;
	b->net_config.announce = false;
	rig_start(a);
	rig_start(b);
	net_address_duplicate(a->net, 0, &first);
	net_address_duplicate(b->net, 0, &first);
	net_list_addresses(a->net, &cursor, x, 4);
	cursor = 0;
	net_list_addresses(b->net, &cursor, y, 4);
	CU_ASSERT(ip_eq(&x[2].ip, &y[2].ip) && !ip_eq(&x[2].ip, &first));
	rig_until(b, RIG_SETTLED);
	UNIT_EQ(b->n_out, 0); /* a lane that does not announce is silent */
	UNIT_EQ(state(b, RIG_IP6), NET_ADDRESS_PREFERRED);
	net_destroy(a->net); /* two share the pool: leaks show when the last is freed */
	free(a->out);
	free(a);
	rig_free(b);
}

UNIT_CASE(a_link_that_comes_back_is_announced_to)
{
	struct rig *rig = rig_settled();

	net_link_changed(rig->net, rig->now_us, 0, true); /* no change */
	UNIT_EQ(net_next_timer(rig->net), UINT64_MAX);
	net_link_changed(rig->net, rig->now_us, 0, false);
	rig_until(rig, RIG_SETTLED + 10 * RIG_SECOND);
	UNIT_EQ(rig->n_out, 0);
	net_link_changed(rig->net, rig->now_us, 0, true);
	rig_until(rig, RIG_SETTLED + 20 * RIG_SECOND);
	UNIT_EQ(sent(rig, 0, RIG_IP4, 0)->at_us, RIG_SETTLED + 10 * RIG_SECOND);
	UNIT_EQ(sent(rig, 0, RIG_IP4, 1)->at_us, RIG_SETTLED + 12 * RIG_SECOND);
	UNIT_EQ(sent(rig, 136, RIG_IP6, 0)->at_us, RIG_SETTLED + 10 * RIG_SECOND);
	CU_ASSERT(sent(rig, 135, RIG_IP6, 0) == NULL);
	rig_free(rig);
}

UNIT_CASE(detection_waits_for_the_link)
{
	struct rig *rig = rig_new();

	rig_start(rig);
	net_link_changed(rig->net, 0, 0, false);
	rig_until(rig, 20 * RIG_SECOND);
	UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_TENTATIVE);
	CU_ASSERT(sent(rig, 135, RIG_IP6, 0) == NULL);
	net_link_changed(rig->net, rig->now_us, 0, true);
	rig_until(rig, 21500000);
	UNIT_EQ(sent(rig, 135, RIG_IP6, 0)->at_us, 20500000);
	UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_PREFERRED);
	rig_free(rig);
}

UNIT_CASE(prefixes_are_compared_bit_by_bit)
{
	static const struct {
		const char *a, *b;
		uint8_t bits;
		bool shared;
	} rows[] = {
		{"198.18.0.1", "198.18.0.254", 24, true},  {"198.18.0.1", "198.18.1.1", 24, false},
		{"198.18.0.1", "198.18.1.1", 23, true},    {"198.18.0.1", "198.18.0.1", 32, true},
		{"198.18.0.1", "198.18.0.0", 32, false},   {"198.18.0.1", "1.2.3.4", 0, true},
		{"198.18.0.1", "::1", 0, false},           {"2001:db8::", "2001:db8::1", 127, true},
		{"2001:db8::", "2001:db8::1", 128, false}, {"2001:db8::", "3000::", 0, true},
		{"2001:db8::", "198.18.0.1", 0, false},    {"2001:db8::", "2001:db9::", 31, true},
		{"2001:db8::", "2001:db9::", 32, false},
	};

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct ip_addr a = ip(rows[i].a), b = ip(rows[i].b);

		CU_ASSERT(address_shares_prefix(&a, &b, rows[i].bits) == rows[i].shared);
	}
}

UNIT_CASE(addresses_nobody_can_have_are_refused)
{
	static const struct config_address bad[] = {
		{{{0}}, 0}, {{{0, 0, RTE_BE32(0xffff), RTE_BE32(0xc6120003)}}, 33}};
	static const char *const impossible[] = {
		"0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "ff02::1", "255.255.255.255", RIG_IP4};
	const struct net_env env = {0};

	for (unsigned int i = 0; i < RTE_DIM(impossible) + RTE_DIM(bad); i++) {
		struct rig *rig = rig_new();
		struct net_env whole;
		struct net *net = NULL;

		rig_start(rig); /* to borrow its functions */
		whole = rig->net->env;
		rig->config[0].addresses[2] =
			i < RTE_DIM(bad)
				? bad[i]
				: (struct config_address){ip(impossible[i - RTE_DIM(bad)]), 24};
		rig->config[0].n_addresses = 3;
		UNIT_EQ(net_create(&rig->net_config, &whole, &net), -EINVAL);
		UNIT_EQ(net_create(&rig->net_config, &env, &net), -EINVAL);
		CU_ASSERT(net == NULL);
		rig_free(rig);
	}
}

UNIT_CASE(full_ports_fit)
{
	struct rig *rig = rig_new();

	rig->net_config.n_ports = CONFIG_MAX_PORTS;
	for (unsigned int p = 0; p < CONFIG_MAX_PORTS; p++) {
		struct config_port *c = &rig->config[p];

		for (unsigned int i = 0; i < CONFIG_MAX_ADDRESSES; i++) {
			c->addresses[2 * i] = (struct config_address){
				ip_from4(be32(0x0a000001 + p * 65536 + i * 256)), 24};
			c->addresses[2 * i + 1] = (struct config_address){
				{{RTE_BE32(0x20010db8), p, i, RTE_BE32(i * 7 + p + 1)}}, 96};
		}
		c->n_addresses = 2 * CONFIG_MAX_ADDRESSES;
	}
	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	for (unsigned int p = 0; p < CONFIG_MAX_PORTS; p++) {
		for (unsigned int i = 0; i < 2 * CONFIG_MAX_ADDRESSES; i++)
			CU_ASSERT(net_is_local(rig->net, &rig->config[p].addresses[i].ip));
		UNIT_EQ(rig->net->ports[p].n_groups > CONFIG_MAX_ADDRESSES / 2, true);
	}
	rig_free(rig);
}

static int
add(struct rig *rig, const char *address, uint8_t prefix_len, bool taken_over)
{
	struct config_address a = {.ip = ip(address), .prefix_len = prefix_len};

	return net_address_add(rig->net, rig->now_us, 0, &a, taken_over);
}

static int
del(struct rig *rig, const char *address)
{
	struct ip_addr a = ip(address);

	return net_address_del(rig->net, rig->now_us, &a);
}

UNIT_CASE(addresses_come_while_it_runs)
{
	struct rig *rig = rig_new();
	struct ip_addr a;

	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	rig_forget(rig);
	UNIT_EQ(add(rig, "198.18.0.9", 24, false), 0);
	UNIT_EQ(add(rig, "2001:db8:18::9", 64, true), 0);
	UNIT_EQ(add(rig, "2001:db8:18::10", 64, false), 0);
	a = ip("198.18.0.9");
	CU_ASSERT(net_is_local(rig->net, &a));
	UNIT_EQ(state(rig, "2001:db8:18::9"), NET_ADDRESS_PREFERRED);
	UNIT_EQ(state(rig, "2001:db8:18::10"), NET_ADDRESS_TENTATIVE);
	rig_until(rig, rig->now_us + 1);
	CU_ASSERT(sent(rig, 0, "198.18.0.9", 0) != NULL);
	CU_ASSERT(sent(rig, 136, "2001:db8:18::9", 0) != NULL);
	CU_ASSERT(sent(rig, 135, "2001:db8:18::9", 0) == NULL);
	CU_ASSERT(sent(rig, 136, "2001:db8:18::10", 0) == NULL);
	CU_ASSERT(rig->paths_changed > 0);
	rig_until(rig, rig->now_us + 10 * RIG_SECOND);
	UNIT_EQ(state(rig, "2001:db8:18::10"), NET_ADDRESS_PREFERRED);
	CU_ASSERT(sent(rig, 135, "2001:db8:18::10", 0) != NULL);
	CU_ASSERT(sent(rig, 136, "2001:db8:18::10", 0) != NULL);
	rig_free(rig);
}

UNIT_CASE(addresses_go_while_it_runs)
{
	struct rig *rig = rig_new();
	struct ip_addr a = ip(RIG_IP4), b = ip("198.18.0.9");

	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	UNIT_EQ(add(rig, "198.18.0.9", 32, true), 0);
	UNIT_EQ(del(rig, RIG_IP4), 0);
	CU_ASSERT(!net_is_local(rig->net, &a));
	CU_ASSERT(net_is_local(rig->net, &b));
	CU_ASSERT(address_find(rig->net, &b) == &rig->net->addresses[rig->net->n_addresses - 1]);
	UNIT_EQ(state(rig, RIG_IP6), NET_ADDRESS_PREFERRED);
	rig_forget(rig);
	rig_until(rig, rig->now_us + RIG_SECOND);
	CU_ASSERT(sent(rig, 0, RIG_IP4, 0) == NULL);
	UNIT_EQ(add(rig, RIG_IP4, 24, true), 0);
	CU_ASSERT(net_is_local(rig->net, &a));
	rig_free(rig);
}

UNIT_CASE(changes_that_cannot_be_are_refused)
{
	struct rig *rig = rig_new();
	char text[32];
	int status = 0;

	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	UNIT_EQ(add(rig, RIG_IP4, 24, false), -EEXIST);
	UNIT_EQ(add(rig, RIG_LINK_LOCAL, 64, false), -EEXIST);
	UNIT_EQ(add(rig, "127.0.0.1", 8, false), -EINVAL);
	UNIT_EQ(add(rig, "198.18.0.9", 33, false), -EINVAL);
	UNIT_EQ(del(rig, "198.18.0.9"), -ENOENT);
	UNIT_EQ(del(rig, RIG_LINK_LOCAL), -ENOENT);
	for (unsigned int i = 0; i < 2 * CONFIG_MAX_ADDRESSES; i++) {
		snprintf(text, sizeof(text), i % 2 == 0 ? "198.18.1.%u" : "2001:db8::%u", i + 1);
		status = add(rig, text, 24, true);
	}
	UNIT_EQ(status, -ENOSPC);
	UNIT_EQ(rig->net->n_addresses, 2 * CONFIG_MAX_ADDRESSES + 1);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(addresses_come_while_it_runs), UNIT_RUN(addresses_go_while_it_runs),
	      UNIT_RUN(changes_that_cannot_be_are_refused),
	      UNIT_RUN(detection_and_announcement_keep_their_times), UNIT_RUN(objections_are_heard),
	      UNIT_RUN(our_own_question_come_back_is_no_objection),
	      UNIT_RUN(who_asks_for_a_tentative_address_is_not_answered),
	      UNIT_RUN(a_duplicate_link_local_address_is_replaced_three_times),
	      UNIT_RUN(a_local_mac_address_is_hashed), UNIT_RUN(lanes_agree_on_the_replacement),
	      UNIT_RUN(a_link_that_comes_back_is_announced_to),
	      UNIT_RUN(detection_waits_for_the_link), UNIT_RUN(prefixes_are_compared_bit_by_bit),
	      UNIT_RUN(addresses_nobody_can_have_are_refused), UNIT_RUN(full_ports_fit))
