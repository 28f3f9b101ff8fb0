/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the IP layer's files share: struct net, its counters, and the functions by which a frame
 * goes from one mechanism to the next. Private to the IP layer and its tests.
 *
 *     net_input ─ Ethernet ─┬─ arp_input
 *                           ├─ ip4_input ─┬─ icmp4_input ─┐
 *                           └─ ip6_input ─┼─ icmp6_input ─┼─ nd_input, mld_input
 *                                         │               └─ icmp_tell ─ env.icmp
 *                                         └─ env.tcp, once for a burst
 *     net_output ─ neighbour_send ─ net_emit ─ env.send, once for a burst and port
 *
 * Everything that would call the engine back from inside one of its own calls is put off to the
 * next net_input() or net_advance(): errors for TCP, the news that paths changed; packets to
 * ourselves (loop.c) to the next net_advance().
 */
#ifndef TERN_DATAPLANE_NET_IMPL_H
#define TERN_DATAPLANE_NET_IMPL_H

#include <string.h>

#include "dataplane/cksum.h"
#include "dataplane/neighbour.h"
#include "dataplane/net.h"
#include "dataplane/net_wire.h"

enum {
	NET_BURST = 32,          /* frames collected for a port before they are sent */
	NET_LOOP_PACKETS = 4096, /* packets to ourselves that may wait; a power of 2 */
	NET_ICMP_NEWS = 64,      /* errors for TCP that may wait */
	NET_ROUTERS = 4,         /* default routers remembered */
	NET_GROUPS = 2 + CONFIG_MAX_ADDRESSES + 1, /* link-layer groups of a port */
	NET_ADDRESSES = CONFIG_MAX_PORTS * (2 * CONFIG_MAX_ADDRESSES + 1),
	NET_NO_PORT = UINT16_MAX,
	NET_HOP_LIMIT = 64,
	NET_SECOND_US = 1000000,
};

/* Counters have one writer; others may read them at any time. */
#define NET_COUNT_N(net, name, n)                                                                  \
	__atomic_store_n(&(net)->stats.name, (net)->stats.name + (n), __ATOMIC_RELAXED)
#define NET_COUNT(net, name) NET_COUNT_N(net, name, 1)

/* Drops a packet for a reason of net_stats.def. */
#define NET_DROP(net, m, reason)                                                                   \
	do {                                                                                       \
		NET_COUNT(net, reason);                                                            \
		rte_pktmbuf_free(m);                                                               \
	} while (0)

struct port {
	struct rte_ether_addr mac;
	uint16_t index;
	uint16_t mtu;        /* bytes of IP packet */
	uint16_t path_flags; /* TCP_PATH_... */
	struct tcp_tso_limits tso;
	bool up;

	uint16_t n_tx;
	struct rte_mbuf *tx[NET_BURST]; /* frames for env.send */

	struct ip_addr gateway4; /* any-address: none */
	struct ip_addr gateway6;

	struct rte_ether_addr groups[NET_GROUPS]; /* multicast addresses we listen to */
	unsigned int n_groups;

	uint8_t rs_left;    /* router solicitations still to send */
	uint64_t rs_due_us; /* the next one; UINT64_MAX: none */
};

enum address_step {
	ADDRESS_QUIET,    /* nothing to send */
	ADDRESS_DELAYED,  /* the first solicitation of duplicate address detection is due */
	ADDRESS_PROBING,  /* waiting for objections */
	ADDRESS_ANNOUNCE, /* an announcement is due */
};

struct address {
	struct ip_addr ip;
	uint8_t prefix_len;
	uint16_t port;
	enum net_address_state state;
	enum address_step step;
	bool generated;             /* the port's link-local address, made by ourselves */
	uint8_t dad_counter;        /* how many link-local addresses were duplicates before it */
	uint8_t announcements_left; /* gratuitous ARPs or unsolicited advertisements */
	uint8_t nonce[ND_NONCE_BYTES];
	uint64_t due_us;    /* of the step; UINT64_MAX: never */
	uint64_t defend_us; /* not before this a conflict is answered again (RFC 5227 §2.4) */
};

/* The addresses that a packet to us may bear, and those that no packet may come from. */
enum own_kind {
	OWN_NONE,
	OWN_UNICAST,
	OWN_BROADCAST, /* of an IPv4 prefix, and 255.255.255.255 */
	OWN_GROUP,     /* a multicast group that we have joined */
};

struct own {
	struct ip_addr ip;
	uint16_t address; /* of OWN_UNICAST: index into net->addresses */
	uint8_t kind;     /* enum own_kind; OWN_NONE: free slot */
};

enum {
	OWN_SLOTS = 2048, /* of the table of all these; at most a third is in use */
};

/* A default router that advertised itself. */
struct router {
	struct ip_addr ip;
	uint16_t port;
	uint64_t until_us; /* end of its lifetime; 0: free slot */
};

/* Token bucket for the errors that we send. */
struct icmp_bucket {
	uint64_t filled_us; /* when credit_us was last topped up */
	uint64_t credit_us; /* an error costs ICMP_ERROR_COST_US */
};

/* An answer of net_path(): path.c. */
struct kept_path {
	struct ip_addr remote, local;
	uint32_t generation; /* it holds while that is the net's; 0: none was kept */
	struct tcp_path path;
};

enum { NET_KEPT_PATHS = 256 };

struct net {
	struct net_env env;
	uint64_t now_us;
	uint64_t due_us; /* when net_advance() has to look closer; exact or earlier */
	bool started;    /* now_us is set and the addresses' timers run */
	bool announce;
	bool paths_dirty; /* env.paths_changed is due */
	uint32_t paths_generation;
	uint16_t n_ports;
	struct port ports[CONFIG_MAX_PORTS];
	uint32_t ports_pending; /* bit i: ports[i] has frames to send */
	struct rte_mempool *pool;

	struct own own[OWN_SLOTS];               /* hash table, linear probing */
	struct address addresses[NET_ADDRESSES]; /* in the order of ports */
	uint16_t by_prefix[NET_ADDRESSES];       /* indices of addresses, longest prefix first */
	unsigned int n_addresses;
	struct router routers[NET_ROUTERS];

	struct neighbours neighbours;

	struct rte_mbuf *loop[NET_LOOP_PACKETS]; /* a ring: n_loop packets from loop_head on */
	uint32_t loop_head, n_loop;
	struct tcp_icmp icmp_news[NET_ICMP_NEWS];
	unsigned int n_icmp_news;
	struct icmp_bucket icmp_bucket;
	uint64_t mld_due_us; /* next listener report; UINT64_MAX: none */
	uint8_t mld_left;    /* reports still to send */
	bool mld_answers;    /* they answer a query, rather than tell of a change */

	struct net_stats stats;
	struct kept_path kept_paths[NET_KEPT_PATHS];
};

/* A received IP packet on its way through the layer; m's data starts at the IP header. */
struct packet {
	struct rte_mbuf *m;
	struct port *port;
	uint16_t l3_len;  /* bytes of all headers before the transport's */
	uint16_t next_at; /* IPv6: where the field lies that names the transport */
	bool link_group;  /* link-layer destination is multicast or broadcast */
	bool ip_group;    /* IP destination is */
	bool fragmented;  /* has an (atomic) fragment header */
	bool looped;      /* sent by ourselves */
	bool from_own;    /* IPv6: bears our own address as its source */
};

/* ---- net.c */

/* Makes net_advance() look at its timers not later than at `due_us`. */
static inline void
net_wake_at(struct net *net, uint64_t due_us)
{
	if (due_us < net->due_us)
		net->due_us = due_us;
}

/* Hands a port's collected frames to env.send. */
void net_flush_port(struct net *net, struct port *port);

/*
 * Prepends an Ethernet header and collects the frame for its port. Takes the mbuf. The header is
 * one of 14 bytes made beforehand.
 */
static inline void
net_emit(struct net *net, uint16_t port_index, const struct rte_ether_hdr *header,
	 struct rte_mbuf *m)
{
	struct port *port = &net->ports[port_index];
	char *data = rte_pktmbuf_prepend(m, sizeof(*header));

	if (unlikely(data == NULL)) {
		NET_DROP(net, m, drop_tx_headroom);
		return;
	}
	memcpy(data, header, sizeof(*header));
	m->l2_len = sizeof(*header);
	port->tx[port->n_tx++] = m;
	net->ports_pending |= 1u << port_index;
	if (port->n_tx == NET_BURST)
		net_flush_port(net, port);
}

/* The same with the header's fields; type is RTE_ETHER_TYPE_... */
void net_emit_to(struct net *net, struct port *port, const struct rte_ether_addr *to, uint16_t type,
		 struct rte_mbuf *m);

/*
 * Sends an IP packet of our own by its destination address. port is where link-local and multicast
 * destinations are. Takes the mbuf.
 */
void net_send(struct net *net, struct rte_mbuf *m, uint16_t port);

/* An empty mbuf from the pool with room for `bytes` appended, or NULL and counted. */
struct rte_mbuf *net_alloc(struct net *net, uint16_t bytes);

/*
 * Makes the first `bytes` of a packet lie in its first segment, copying it if need be. bytes must
 * not exceed pkt_len. Returns the mbuf to go on with, or NULL when it was dropped.
 */
struct rte_mbuf *net_pull_slow(struct net *net, struct rte_mbuf *m, uint32_t bytes);

static inline struct rte_mbuf *
net_pull(struct net *net, struct rte_mbuf *m, uint32_t bytes)
{
	return likely(rte_pktmbuf_data_len(m) >= bytes) ? m : net_pull_slow(net, m, bytes);
}

/* Cuts a packet to its first `bytes`, at most pkt_len. */
void net_trim_slow(struct rte_mbuf *m, uint32_t bytes);

static inline void
net_trim(struct rte_mbuf *m, uint32_t bytes)
{
	if (likely(m->next == NULL))
		m->data_len = (uint16_t)(m->pkt_len = bytes);
	else if (bytes < m->pkt_len)
		net_trim_slow(m, bytes);
}

/* The MAC address that a multicast address maps to (RFC 1112 §6.4, RFC 2464 §7). */
struct rte_ether_addr net_group_mac(const struct ip_addr *group);

/* A random number below `below`, which is at most 2^32. */
uint64_t net_random_below(struct net *net, uint64_t below);

/* Hands packets that ip4_input() or ip6_input() returned to env.tcp. */
void net_hand_to_tcp(struct net *net, struct rte_mbuf **packets, unsigned int n);

/* ---- ipv4.c, ipv6.c */

/*
 * Check a packet whose data starts at the IP header, link padding included. Return it ready for
 * env.tcp, or NULL when it was not TCP for us.
 */
struct rte_mbuf *ip4_input(struct net *net, struct packet *p);
struct rte_mbuf *ip6_input(struct net *net, struct packet *p);

/* Fills in the header of an IPv4 packet of ours, checksum included; the rest of m is in place. */
void ip4_build(struct rte_mbuf *m, uint8_t proto, be32_t src, be32_t dst, uint8_t ttl);

/* The same for IPv6. */
void ip6_build(struct rte_mbuf *m, uint8_t proto, const uint8_t src[16], const uint8_t dst[16],
	       uint8_t hop_limit);

/* Source and destination address of a packet of ours; false if there is no IP header. */
bool ip_ends(const struct rte_mbuf *m, struct ip_addr *src, struct ip_addr *dst);

/*
 * Makes a TCP packet ready for env.tcp: headers in the first segment, the mbuf's fields as
 * tcp_input() wants them. Returns NULL when there was no memory for that.
 */
static inline struct rte_mbuf *
ip_tcp_ready(struct net *net, struct packet *p, uint32_t l3_type)
{
	struct rte_mbuf *m = p->m;
	uint64_t l4_cksum = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	m = net_pull(net, m, RTE_MIN(rte_pktmbuf_pkt_len(m), p->l3_len + TCP_MAX_HDR_BYTES));
	if (unlikely(m == NULL))
		return NULL;
	m->packet_type = l3_type | RTE_PTYPE_L4_TCP;
	m->tx_offload = rte_mbuf_tx_offload(0, p->l3_len, 0, 0, 0, 0, 0);
	/* NONE: verified, though not there. BAD: the engine looks for itself. */
	if (l4_cksum == RTE_MBUF_F_RX_L4_CKSUM_NONE || l4_cksum == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		m->ol_flags &= ~(uint64_t)RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (l4_cksum == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return m;
}

static inline const uint8_t *
ip_bytes(const struct ip_addr *a)
{
	return (const uint8_t *)a->w;
}

#endif
