/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's IP layer: Ethernet, ARP, IPv4, IPv6, Neighbour Discovery, ICMP and routes.
 *
 * It sits between a lane's ports and its TCP engine. Like the engine it has no clock and does no
 * I/O: frames come in through net_input(), leave through net_env.send, and time is an argument. All
 * functions belong to the lane's one thread.
 */
#ifndef TERN_DATAPLANE_NET_H
#define TERN_DATAPLANE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/config.h"
#include "tcp/tcp.h"

struct net;

/* One port as the IP layer sees it. */
struct net_port {
	struct rte_ether_addr mac;
	uint16_t mtu;        /* bytes of IP packet */
	uint16_t path_flags; /* TCP_PATH_...: what its transmit side offers */
	struct tcp_tso_limits tso;
	const struct config_port *config; /* addresses and gateways; copied */
};

/* News of a neighbour, for the other lanes. */
struct net_neighbour_news {
	struct ip_addr ip;
	struct rte_ether_addr mac;
	uint16_t port;
	bool router;
	bool override;  /* replaces another link-layer address */
	bool solicited; /* answers a solicitation: confirms reachability */

	/*
	 * What a router advertised of itself: it is a default router for so many seconds from now,
	 * 0: no more. Only where has_lifetime.
	 */
	bool has_lifetime;
	uint16_t lifetime_s;
};

struct net_env {
	void *ctx; /* first argument of every function below */

	/* Sends n complete Ethernet frames on a port and takes ownership of them. */
	void (*send)(void *ctx, uint16_t port, struct rte_mbuf **frames, unsigned int n);

	/* Hands a burst of checked IP packets that carry TCP to us on to tcp_input(). */
	void (*tcp)(void *ctx, struct rte_mbuf **packets, unsigned int n);

	/* Hands on an ICMP error that quotes TCP, or the news that a TCP packet's neighbour is
	 * silent. */
	void (*icmp)(void *ctx, const struct tcp_icmp *icmp);

	/* Tells the other lanes of a neighbour. May be NULL with a single lane. */
	void (*neighbour)(void *ctx, const struct net_neighbour_news *news);

	/* A next hop that engines may remember has changed or gone: tcp_paths_changed(). */
	void (*paths_changed)(void *ctx);

	void (*random)(void *ctx, void *buf, size_t bytes);
};

struct net_config {
	const struct net_port *ports; /* copied */
	unsigned int n_ports;
	uint32_t max_neighbours;
	bool taken_over; /* addresses were ours a moment ago: no DAD, as net_address_add() */
	bool announce;   /* do DAD, gratuitous ARP, router solicitation: one lane does */
	struct rte_mempool *pool; /* for ARP, ND and ICMP packets */
	int socket_id;
};

/* Every counter of the IP layer, in the order of net_stats.def. */
struct net_stats {
#define NET_STAT(name, text) uint64_t name;
#include "dataplane/net_stats.def"
#undef NET_STAT
};

extern const char *const net_stats_names[];
extern const char *const net_stats_texts[];
#define NET_STATS_COUNT (sizeof(struct net_stats) / sizeof(uint64_t))

/* Makes an IP layer; *net is set on success. Returns 0, -EINVAL, -ENOMEM. */
int net_create(const struct net_config *config, const struct net_env *env, struct net **net);

/* Frees it with all packets it holds. NULL is ignored. */
void net_destroy(struct net *net);

/*
 * Takes a burst of Ethernet frames that arrived on a port. TCP is handed to env.tcp once for the
 * whole burst; everything else is answered or dropped, and counted.
 */
void net_input(struct net *net, uint64_t now_us, uint16_t port, struct rte_mbuf **frames,
	       unsigned int n);

/*
 * Sends IP packets of the TCP engine (tcp_env.transmit): finds the next hop by tcp_packet_hop(), or
 * anew by address if that is stale, prepends the Ethernet header, and hands bursts to env.send.
 * Packets for an unresolved neighbour wait in its queue.
 */
void net_output(struct net *net, struct rte_mbuf **packets, unsigned int n);

/*
 * Whether packets over this hop leave at once. If not, its neighbour is being asked for its
 * link-layer address, or has not answered.
 */
bool net_resolve(struct net *net, uint32_t hop);

/* tcp_env.path and tcp_env.is_local. */
int net_path(struct net *net, const struct ip_addr *remote, const struct ip_addr *local,
	     struct tcp_path *path);
bool net_is_local(const struct net *net, const struct ip_addr *local);

/* The port that has an address of ours, or another one. */
uint16_t net_port_of(struct net *net, const struct ip_addr *local);

/* Timers: ARP and ND retries, reachability, DAD, cache ageing. Cheap to call each iteration. */
void net_advance(struct net *net, uint64_t now_us);

/* When net_advance() has something to do next; UINT64_MAX: never. */
uint64_t net_next_timer(const struct net *net);

/* Learns what another lane told. */
void net_neighbour_learn(struct net *net, uint64_t now_us, const struct net_neighbour_news *news);

/* The link of a port came up (announce again) or went down. */
void net_link_changed(struct net *net, uint64_t now_us, uint16_t port, bool up);

/*
 * Forward progress: what was sent over this hop arrived (RFC 4861 §7.3.1), because the peer
 * acknowledged something new. Spares the neighbour from being probed; cheap.
 */
void net_confirm(struct net *net, uint32_t hop);

/*
 * Takes an address more, and announces it. What another station on this link has had until now, and
 * gives up, is in use at once; else an IPv6 address is first looked for on the link. Returns 0;
 * -EEXIST; -EINVAL for what no station can have; -ENOSPC with CONFIG_MAX_ADDRESSES of its family.
 */
int net_address_add(struct net *net, uint64_t now_us, uint16_t port,
		    const struct config_address *address, bool taken_over);

/* Gives one up, in silence: connections that have it starve. Returns 0; -ENOENT. */
int net_address_del(struct net *net, uint64_t now_us, const struct ip_addr *ip);

/* What an address of ours is good for. */
enum net_address_state {
	NET_ADDRESS_NONE,      /* not ours */
	NET_ADDRESS_TENTATIVE, /* IPv6, duplicate address detection runs: not used yet */
	NET_ADDRESS_PREFERRED, /* in use */
	NET_ADDRESS_DUPLICATE, /* another station has it: not used */
};

enum net_address_state net_address_state(const struct net *net, const struct ip_addr *ip);

/* Marks an address as another station's; for lanes that do not announce, told by the one that does.
 */
void net_address_duplicate(struct net *net, uint64_t now_us, const struct ip_addr *ip);

/* One of our addresses, the link-local ones that every port makes for itself included. */
struct net_address_listing {
	struct ip_addr ip;
	uint8_t prefix_len; /* bits: 0...32 or 0...128 */
	uint16_t port;
	enum net_address_state state;
};

/* Lists our addresses; *cursor is 0 at first. Returns how many were written, 0 at the end. */
unsigned int net_list_addresses(const struct net *net, uint32_t *cursor,
				struct net_address_listing *listing, unsigned int n);

/* Copies the counters; any thread. */
void net_stats_read(const struct net *net, struct net_stats *stats);

/* One line of the neighbour table. */
struct net_neighbour_listing {
	struct ip_addr ip;
	struct rte_ether_addr mac;
	uint16_t port;
	const char *state; /* "INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED" */
	uint32_t waiting;  /* packets in its queue */
};

/* Lists neighbours; *cursor is 0 at first. Returns how many were written, 0 at the end. */
unsigned int net_list_neighbours(const struct net *net, uint32_t *cursor,
				 struct net_neighbour_listing *listing, unsigned int n);

/* Mbufs that wait in neighbour queues or to be turned around, for the check that nothing leaked. */
uint32_t net_held_bufs(const struct net *net);

#endif
