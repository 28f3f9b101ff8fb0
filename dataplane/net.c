/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IP layer's frame: creation, the way in through Ethernet (RFC 894, RFC 2464), the way out to a
 * next hop, and time.
 *
 * Invariants: every mbuf that comes in is handed on, kept in a queue that net_held_bufs() counts,
 * or freed and counted; nothing is left in a port's burst when a public function returns; the
 * engine is never called from inside net_output() and net_path().
 *
 * Left out: VLAN tags, 802.3 length fields with LLC, forwarding, reassembly. TCP peers have no
 * reason to fragment: they send with DF set or not at all beyond the path's MTU, and so does Tern.
 */
#include <errno.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dataplane/address.h"
#include "dataplane/arp.h"
#include "dataplane/icmp.h"
#include "dataplane/loop.h"
#include "dataplane/mld.h"
#include "dataplane/nd.h"
#include "dataplane/net_impl.h"
#include "dataplane/path.h"
#include "dataplane/route.h"

static bool
config_is_valid(const struct net_config *config, const struct net_env *env)
{
	if (config->n_ports == 0 || config->n_ports > CONFIG_MAX_PORTS || config->pool == NULL ||
	    config->max_neighbours == 0 || config->max_neighbours > NEIGHBOUR_MAX)
		return false;
	for (unsigned int i = 0; i < config->n_ports; i++)
		if (config->ports[i].config == NULL || config->ports[i].mtu < 68 ||
		    !rte_is_valid_assigned_ether_addr(&config->ports[i].mac))
			return false;
	return env->send != NULL && env->tcp != NULL && env->icmp != NULL &&
	       env->paths_changed != NULL && env->random != NULL;
}

static void
port_create(struct port *port, uint16_t index, const struct net_port *config)
{
	port->index = index;
	port->mac = config->mac;
	port->mtu = config->mtu;
	port->path_flags = config->path_flags;
	port->tso = config->tso;
	port->gateway4 = config->config->gateway4;
	port->gateway6 = config->config->gateway6;
	port->rs_due_us = UINT64_MAX;
	port->up = true;
}

int
net_create(const struct net_config *config, const struct net_env *env, struct net **result)
{
	struct net *net;
	int status;

	if (!config_is_valid(config, env))
		return -EINVAL;
	net = rte_zmalloc_socket("net", sizeof(*net), RTE_CACHE_LINE_SIZE, config->socket_id);
	if (net == NULL)
		return -ENOMEM;
	net->env = *env;
	net->paths_generation = 1; /* of what was never kept it is 0 */
	net->pool = config->pool;
	net->announce = config->announce;
	net->mld_due_us = UINT64_MAX;
	net->icmp_bucket.credit_us = ICMP_ERROR_BURST * ICMP_ERROR_COST_US;
	net->n_ports = (uint16_t)config->n_ports;
	for (uint16_t i = 0; i < net->n_ports; i++)
		port_create(&net->ports[i], i, &config->ports[i]);
	status = addresses_create(net, config);
	if (status == 0)
		status = neighbours_create(net, config->max_neighbours, config->socket_id);
	if (status < 0) {
		rte_free(net);
		return status;
	}
	*result = net;
	return 0;
}

void
net_destroy(struct net *net)
{
	if (net == NULL)
		return;
	neighbours_destroy(net);
	loop_clear(net);
	rte_free(net);
}

/* ---- Help for the other files */

struct rte_mbuf *
net_alloc(struct net *net, uint16_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net->pool);

	if (m != NULL && rte_pktmbuf_append(m, bytes) != NULL)
		return m;
	rte_pktmbuf_free(m);
	NET_COUNT(net, tx_no_mbuf);
	return NULL;
}

struct rte_mbuf *
net_pull_slow(struct net *net, struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, net->pool, 0, UINT32_MAX);

	if (copy == NULL) {
		NET_DROP(net, m, drop_no_mbuf);
		return NULL;
	}
	rte_pktmbuf_free(m);
	if (rte_pktmbuf_data_len(copy) < bytes) {
		NET_DROP(net, copy, drop_scattered);
		return NULL;
	}
	NET_COUNT(net, pulled);
	return copy;
}

void
net_trim_slow(struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *last = m;
	uint16_t segs = 1;

	m->pkt_len = bytes;
	for (; last->data_len < bytes && last->next != NULL; last = last->next, segs++)
		bytes -= last->data_len;
	last->data_len = (uint16_t)bytes;
	rte_pktmbuf_free(last->next);
	last->next = NULL;
	m->nb_segs = segs;
}

struct rte_ether_addr
net_group_mac(const struct ip_addr *group)
{
	const uint8_t *b = ip_bytes(group);

	if (ip_is4(group))
		return (struct rte_ether_addr){{0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15]}};
	return (struct rte_ether_addr){{0x33, 0x33, b[12], b[13], b[14], b[15]}};
}

uint64_t
net_random_below(struct net *net, uint64_t below)
{
	uint32_t r;

	net->env.random(net->env.ctx, &r, sizeof(r));
	return r * below >> 32;
}

/* ---- The way out */

void
net_flush_port(struct net *net, struct port *port)
{
	uint16_t n = port->n_tx;

	port->n_tx = 0;
	net->ports_pending &= ~(1u << port->index);
	NET_COUNT_N(net, frames_out, n);
	net->env.send(net->env.ctx, port->index, port->tx, n);
}

static void
flush(struct net *net)
{
	while (net->ports_pending != 0)
		net_flush_port(net, &net->ports[rte_bsf32(net->ports_pending)]);
}

void
net_emit_to(struct net *net, struct port *port, const struct rte_ether_addr *to, uint16_t type,
	    struct rte_mbuf *m)
{
	struct rte_ether_hdr header = {
		.dst_addr = *to, .src_addr = port->mac, .ether_type = rte_cpu_to_be_16(type)};

	net_emit(net, port->index, &header, m);
}

/* Whether a port cuts the packet into segments that fit: it may be another than the path's was. */
static bool
can_cut(const struct port *port, const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 &&
	       (port->path_flags & TCP_PATH_TX_TSO) != 0 &&
	       m->l3_len + m->l4_len + m->tso_segsz <= port->mtu;
}

void
net_send(struct net *net, struct rte_mbuf *m, uint16_t port_hint)
{
	struct rte_ether_addr group;
	struct ip_addr src, dst;
	struct neighbour *n;
	struct route route;

	if (!ip_ends(m, &src, &dst)) {
		NET_DROP(net, m, drop_tx_malformed);
		return;
	}
	if (ip_is_multicast(&dst)) {
		group = net_group_mac(&dst);
		net_emit_to(net, &net->ports[port_hint == NET_NO_PORT ? 0 : port_hint], &group,
			    ip_is4(&dst) ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6, m);
		return;
	}
	if (route_find(net, &dst, port_hint, &route) < 0) {
		icmp_tell_unsent(net, m, ENETUNREACH);
		NET_DROP(net, m, drop_tx_no_route);
		return;
	}
	if (route.local) {
		loop_put(net, m);
		return;
	}
	if (rte_pktmbuf_pkt_len(m) > net->ports[route.port].mtu &&
	    !can_cut(&net->ports[route.port], m)) {
		NET_DROP(net, m, drop_tx_too_big);
		return;
	}
	n = neighbour_obtain(net, route.port, &route.next_hop);
	if (n == NULL) {
		NET_DROP(net, m, drop_neighbour_full);
		return;
	}
	neighbour_send(net, n, m);
}

void
net_output(struct net *net, struct rte_mbuf **packets, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t hop = tcp_packet_hop(packets[i]);
		struct neighbour *neighbour = neighbour_by_hop(&net->neighbours, hop);

		if (likely(neighbour != NULL)) {
			neighbour_send(net, neighbour, packets[i]);
			continue;
		}
		if (hop != 0)
			NET_COUNT(net, hops_stale);
		net_send(net, packets[i], NET_NO_PORT);
	}
	flush(net);
}

bool
net_resolve(struct net *net, uint32_t hop)
{
	struct neighbour *n = neighbour_by_hop(&net->neighbours, hop);
	bool ready = n != NULL && neighbour_resolve(net, n);

	flush(net);
	return ready;
}

uint16_t
net_port_of(struct net *net, const struct ip_addr *local)
{
	const struct address *own = address_find(net, local);

	return own == NULL ? 0 : own->port;
}

/* ---- The way in */

static bool
port_listens_to(const struct port *port, const struct rte_ether_addr *group)
{
	for (unsigned int i = 0; i < port->n_groups; i++)
		if (rte_is_same_ether_addr(&port->groups[i], group))
			return true;
	return false;
}

/* Checks the Ethernet header's addresses. Returns false when the frame was dropped. */
static bool
frame_is_for_us(struct net *net, const struct port *port, struct rte_mbuf *m, bool *group)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

	*group = false;
	if (unlikely(!rte_is_same_ether_addr(&eth->dst_addr, &port->mac))) {
		*group = rte_is_multicast_ether_addr(&eth->dst_addr);
		if (!*group) {
			NET_DROP(net, m, drop_eth_not_ours);
			return false;
		}
		if (!rte_is_broadcast_ether_addr(&eth->dst_addr) &&
		    !port_listens_to(port, &eth->dst_addr)) {
			NET_DROP(net, m, drop_eth_group);
			return false;
		}
	}
	if (unlikely(!rte_is_valid_assigned_ether_addr(&eth->src_addr))) {
		NET_DROP(net, m, drop_eth_source);
		return false;
	}
	return true;
}

/* Takes one frame. Returns the packet if it is one for env.tcp. */
static struct rte_mbuf *
frame_input(struct net *net, struct port *port, struct rte_mbuf *m)
{
	struct packet p = {.port = port};
	uint16_t type;

	if (unlikely(rte_pktmbuf_pkt_len(m) < RTE_ETHER_HDR_LEN)) {
		NET_DROP(net, m, drop_eth_short);
		return NULL;
	}
	m = net_pull(net, m, RTE_ETHER_HDR_LEN);
	if (m == NULL || !frame_is_for_us(net, port, m, &p.link_group))
		return NULL;
	type = rte_be_to_cpu_16(rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type);
	if (unlikely(type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ ||
		     (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0)) {
		NET_DROP(net, m, drop_eth_vlan);
		return NULL;
	}
	if (type == RTE_ETHER_TYPE_ARP) {
		arp_input(net, port, m);
		return NULL;
	}
	if (type != RTE_ETHER_TYPE_IPV4 && type != RTE_ETHER_TYPE_IPV6) {
		NET_DROP(net, m, drop_eth_type);
		return NULL;
	}
	/* The header was pulled: it lies in the first segment. */
	(void)rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	p.m = m;
	return type == RTE_ETHER_TYPE_IPV4 ? ip4_input(net, &p) : ip6_input(net, &p);
}

void
net_hand_to_tcp(struct net *net, struct rte_mbuf **packets, unsigned int n)
{
	if (n == 0)
		return;
	NET_COUNT_N(net, tcp_in, n);
	net->env.tcp(net->env.ctx, packets, n);
}

/* Tells the engine what could not be told from inside its own calls. */
static void
catch_up(struct net *net)
{
	if (unlikely(net->paths_dirty)) {
		net->paths_dirty = false;
		paths_forget(net);
		net->env.paths_changed(net->env.ctx);
	}
	if (unlikely(net->n_icmp_news != 0))
		icmp_tell_all(net);
}

static void
set_time(struct net *net, uint64_t now_us)
{
	net->now_us = now_us;
	if (likely(net->started))
		return;
	net->started = true;
	net->icmp_bucket.filled_us = now_us;
	net->due_us = now_us;
	addresses_start(net, NET_NO_PORT);
}

void
net_input(struct net *net, uint64_t now_us, uint16_t port, struct rte_mbuf **frames, unsigned int n)
{
	unsigned int n_tcp = 0;

	set_time(net, now_us);
	catch_up(net);
	NET_COUNT_N(net, frames_in, n);
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m;

		if (i + 1 < n)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + 1], void *));
		m = frame_input(net, &net->ports[port], frames[i]);
		if (m != NULL)
			frames[n_tcp++] = m;
	}
	flush(net);
	net_hand_to_tcp(net, frames, n_tcp);
}

/* ---- Time and news */

void
net_advance(struct net *net, uint64_t now_us)
{
	set_time(net, now_us);
	catch_up(net);
	if (net->n_loop != 0)
		loop_input(net);
	if (likely(now_us < net->due_us))
		return;
	net->due_us = UINT64_MAX;
	net_wake_at(net, neighbours_advance(net));
	net_wake_at(net, addresses_advance(net));
	net_wake_at(net, nd_advance(net));
	net_wake_at(net, routers_advance(net));
	net_wake_at(net, mld_advance(net));
	flush(net);
}

uint64_t
net_next_timer(const struct net *net)
{
	if (!net->started || net->paths_dirty || net->n_icmp_news != 0 || net->n_loop != 0)
		return net->now_us;
	return net->due_us;
}

void
net_neighbour_learn(struct net *net, uint64_t now_us, const struct net_neighbour_news *news)
{
	set_time(net, now_us);
	if (news->port >= net->n_ports)
		return;
	if (news->has_lifetime)
		router_learn(net, &news->ip, news->port, news->lifetime_s);
	neighbour_heard(net, news, false);
	flush(net);
}

void
net_link_changed(struct net *net, uint64_t now_us, uint16_t port, bool up)
{
	set_time(net, now_us);
	if (port >= net->n_ports || net->ports[port].up == up)
		return;
	net->ports[port].up = up;
	if (up)
		addresses_start(net, port);
	else
		addresses_stop(net, port);
}

void
net_address_duplicate(struct net *net, uint64_t now_us, const struct ip_addr *ip)
{
	struct address *a = address_find(net, ip);

	set_time(net, now_us);
	if (a != NULL && !ip_is4(ip))
		address_is_duplicate(net, a);
}

uint32_t
net_held_bufs(const struct net *net)
{
	return net->neighbours.waiting + net->n_loop;
}
