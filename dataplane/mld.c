/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast Listener Discovery, version 2 (RFC 3810), the listener's side, for the solicited-node
 * groups of our addresses: a switch that snoops would else keep solicitations for them from us.
 *
 * Every report tells all groups of a port. One lane, the one that announces, does it for all.
 *
 * DEVIATION: RFC 4862 §5.4.2 lets the first report wait at random, as the first solicitation does.
 * Ours leaves at once, so that no switch can hold back objections to that solicitation; tested in
 * test/unit/dataplane_mld.c.
 *
 * Left out: version 1 queriers, the querier's robustness variable, queries for single sources.
 */
#include "dataplane/mld.h"

#include "dataplane/address.h"
#include "dataplane/route.h"

enum {
	REPORTS = 2,               /* Robustness Variable */
	REPORT_US = NET_SECOND_US, /* Unsolicited Report Interval */
	DELAY_MAX_MS = 10000,      /* Query Response Interval: longest wait before an answer */
	HOP_LIMIT = 1,
};

/* The hop-by-hop header of a report: router alert, padded to 8 bytes (RFC 2711). */
static const uint8_t router_alert[8] = {IP_PROTO_ICMP6, 0, IP6_OPT_ROUTER_ALERT, 2, 0, 0, 1, 0};

static const struct ip_addr all_listeners_routers = {{RTE_BE32(0xff020000), 0, 0, RTE_BE32(0x16)}};

void
mld_changed(struct net *net)
{
	if (!net->announce || !net->started)
		return;
	net->mld_left = REPORTS;
	net->mld_answers = false;
	net->mld_due_us = net->now_us;
	net_wake_at(net, net->mld_due_us);
}

/* The port's link-local address if it may be used, else the unspecified one (RFC 3590 §4). */
static struct ip_addr
report_source(const struct net *net, const struct port *port)
{
	for (unsigned int i = 0; i < net->n_addresses; i++) {
		const struct address *a = &net->addresses[i];

		if (a->port == port->index && ip_is_link_local6(&a->ip) &&
		    a->state == NET_ADDRESS_PREFERRED)
			return a->ip;
	}
	return (struct ip_addr){0};
}

/* Writes a record for each group, which may repeat; returns how many. */
static uint16_t
records_put(const struct net *net, const struct port *port, struct mld_record *records)
{
	uint16_t n = 0;

	for (unsigned int i = 0; i < net->n_addresses; i++) {
		const struct address *a = &net->addresses[i];
		struct ip_addr group = address_solicited_node(&a->ip);

		if (a->port != port->index || ip_is4(&a->ip) || a->state == NET_ADDRESS_DUPLICATE)
			continue;
		if (records != NULL) {
			records[n] = (struct mld_record){.type = net->mld_answers ? MLD_IS_EXCLUDE
										  : MLD_TO_EXCLUDE};
			memcpy(records[n].group, &group, sizeof(records[n].group));
		}
		n++;
	}
	return n;
}

static void
report(struct net *net, struct port *port)
{
	const uint16_t fixed = sizeof(struct ip6_header) + sizeof(router_alert);
	uint16_t n = records_put(net, port, NULL);
	uint32_t bytes = (uint32_t)(sizeof(struct icmp_header) + n * sizeof(struct mld_record));
	struct rte_ether_addr group = net_group_mac(&all_listeners_routers);
	const uint8_t *dst = ip_bytes(&all_listeners_routers);
	struct ip_addr src = report_source(net, port);
	struct icmp_header *icmp;
	struct rte_mbuf *m;

	m = n == 0 ? NULL : net_alloc(net, (uint16_t)(fixed + bytes));
	if (m == NULL)
		return;
	memcpy(rte_pktmbuf_mtod_offset(m, void *, sizeof(struct ip6_header)), router_alert,
	       sizeof(router_alert));
	icmp = rte_pktmbuf_mtod_offset(m, struct icmp_header *, fixed);
	*icmp = (struct icmp_header){.type = ICMP6_LISTENER_REPORT2, .rest = be32(n)};
	records_put(net, port, (struct mld_record *)(icmp + 1));
	icmp->cksum.raw = cksum_packet(m, fixed, cksum_pseudo6(ip_bytes(&src), dst, bytes));
	ip6_build(m, IP6_HOP_BY_HOP, ip_bytes(&src), dst, HOP_LIMIT);
	NET_COUNT(net, mld_reports_out);
	net_emit_to(net, port, &group, RTE_ETHER_TYPE_IPV6, m);
}

uint64_t
mld_advance(struct net *net)
{
	if (net->mld_due_us > net->now_us)
		return net->mld_due_us;
	for (uint16_t i = 0; i < net->n_ports; i++)
		report(net, &net->ports[i]);
	net->mld_due_us = --net->mld_left > 0 ? net->now_us + REPORT_US : UINT64_MAX;
	return net->mld_due_us;
}

void
mld_input(struct net *net, struct packet *p)
{
	const struct ip6_header *ip = rte_pktmbuf_mtod(p->m, const struct ip6_header *);
	struct ip_addr src = ip_from6(ip->src);
	const struct mld_query *query;
	uint64_t delay_ms, due_us;

	if (ip->hop_limit != HOP_LIMIT || !ip_is_link_local6(&src) ||
	    rte_pktmbuf_pkt_len(p->m) - p->l3_len < sizeof(*query)) {
		NET_DROP(net, p->m, drop_nd_format);
		return;
	}
	p->m = net_pull(net, p->m, p->l3_len + (uint32_t)sizeof(*query));
	if (p->m == NULL)
		return;
	query = rte_pktmbuf_mtod_offset(p->m, const struct mld_query *, p->l3_len);
	delay_ms = RTE_MIN(be32_get(query->icmp.rest) >> 16, (uint32_t)DELAY_MAX_MS);
	due_us = net->now_us + net_random_below(net, delay_ms * 1000 + 1);
	rte_pktmbuf_free(p->m);
	/* A report that is due earlier tells the same. */
	if (!net->announce || net->mld_due_us <= due_us)
		return;
	if (net->mld_left == 0) {
		net->mld_left = 1;
		net->mld_answers = true;
	}
	net->mld_due_us = due_us;
	net_wake_at(net, due_us);
}
