/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The neighbour table: IP address and port to MAC address, for ARP and Neighbour Discovery alike.
 *
 * An entry's states are those of RFC 4861 §7.3.2, for IPv4 too, with two more: NEW, made by
 * net_path() and not sent to yet, and FAILED, which refuses packets for some seconds instead of
 * asking again for each.
 *
 *            first packet       answer               30 s          packet
 *      NEW ─────────────▶ INCOMPLETE ───▶ REACHABLE ─────▶ STALE ─────▶ DELAY
 *                          │                 ▲  ▲ net_confirm()  5 s │
 *                   3 × 1 s│                 │  └──────────────┬─────┤
 *                          ▼  gone after 3 s │ answer          │     ▼
 *                        FAILED ─────▶       └─────────────────┴── PROBE
 *                          ▲                      3 × 1 s            │
 *                          └─────────────────────────────────────────┘
 *
 * Invariant: every entry is on exactly one list. Those with a running timer are on a list of
 * entries that wait equally long, so that each list is in order of time and only its head needs a
 * look.
 */
#ifndef TERN_DATAPLANE_NEIGHBOUR_H
#define TERN_DATAPLANE_NEIGHBOUR_H

#include <sys/queue.h>

#include <rte_common.h>

#include "dataplane/net.h"

enum {
	NEIGHBOUR_WAITING = 128, /* packets that may wait for one neighbour; Linux: 101 full ones */
	NEIGHBOUR_WAITING_ALL = 1024, /* and for all of them */
	NEIGHBOUR_PROBES = 3,         /* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
	NEIGHBOUR_RETRANS_US = 1000000,
	NEIGHBOUR_DELAY_US = 5000000,
	NEIGHBOUR_FAILED_US = 3000000,
	NEIGHBOUR_REACHABLE_US = 30000000, /* times a random factor of 0.5 to 1.5 */
	NEIGHBOUR_HOP_SHIFT = 16,
	NEIGHBOUR_MAX = 1 << NEIGHBOUR_HOP_SHIFT,
};

enum neighbour_state {
	NEIGHBOUR_FREE,
	NEIGHBOUR_NEW,
	NEIGHBOUR_INCOMPLETE,
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_STALE,
	NEIGHBOUR_DELAY,
	NEIGHBOUR_PROBE,
	NEIGHBOUR_FAILED,
};

enum neighbour_list {
	NEIGHBOURS_FREE,
	NEIGHBOURS_UNPROVEN, /* NEW, or STALE and never sent to: the first to give way */
	NEIGHBOURS_RETRANS,  /* INCOMPLETE, PROBE: the next solicitation */
	NEIGHBOURS_DELAY,    /* DELAY: the first probe */
	NEIGHBOURS_FAILED,   /* FAILED: its end */
	NEIGHBOURS_IDLE,     /* REACHABLE, STALE: least recently used first, roughly */
	NEIGHBOURS_LISTS,
};

struct neighbour {
	/* What each packet sent needs: one cache line. */
	struct rte_ether_hdr header; /* of frames to it, ready-made */
	uint16_t generation;         /* never 0; changes when the entry is used for another */
	uint16_t port;
	uint8_t state;               /* enum neighbour_state */
	uint8_t list;                /* enum neighbour_list: the one it is on */
	uint8_t probes;              /* solicitations sent in this state */
	bool used;                   /* sent to since eviction last looked */
	bool proven;                 /* ever sent to */
	uint16_t waiting;            /* packets in its queue */
	uint64_t reachable_until_us; /* REACHABLE counts as STALE from then on */
	uint64_t due_us;             /* of its list's timer */

	struct ip_addr ip;
	uint32_t queue_head; /* of waiting packets, indices of nodes; NEIGHBOUR_NO_NODE: none */
	uint32_t queue_tail;
	struct neighbour *chain; /* next of the same hash bucket */
	TAILQ_ENTRY(neighbour) link;
} __rte_cache_aligned;

TAILQ_HEAD(neighbour_head, neighbour);

struct waiting_node {
	struct rte_mbuf *m;
	uint32_t next;
};

#define NEIGHBOUR_NO_NODE UINT32_MAX

struct neighbours {
	struct neighbour *table; /* `max` entries; a hop names one by index and generation */
	uint32_t max;
	uint32_t bucket_mask;
	uint64_t reachable_us; /* ReachableTime, randomised */
	struct neighbour **buckets;
	struct neighbour_head lists[NEIGHBOURS_LISTS];
	struct waiting_node *nodes; /* NEIGHBOUR_WAITING_ALL */
	uint32_t free_node;
	uint32_t waiting; /* packets in all queues */
	uint64_t key[6];  /* of the hash: secret */
};

int neighbours_create(struct net *net, uint32_t max, int socket_id);
void neighbours_destroy(struct net *net);

/* The entry of an address on a port, or NULL. */
struct neighbour *neighbour_find(const struct net *net, uint16_t port, const struct ip_addr *ip);

/* The same, made if need be, by evicting another if need be; NULL when none can give way. */
struct neighbour *neighbour_obtain(struct net *net, uint16_t port, const struct ip_addr *ip);

/* Forgets an entry; its packets are dropped and TCP hears of it. */
void neighbour_forget(struct net *net, struct neighbour *n);

/* Sends an IP packet to a neighbour, or lets it wait. Takes the mbuf. */
void neighbour_send(struct net *net, struct neighbour *n, struct rte_mbuf *m);

/* Asks for its link-layer address unless that was done. Returns whether it is known. */
bool neighbour_resolve(struct net *net, struct neighbour *n);

/*
 * A neighbour told its link-layer address: updates its entry by RFC 4861 §7.2.5, makes one if
 * `create`. Returns whether anything new was learned.
 */
bool neighbour_heard(struct net *net, const struct net_neighbour_news *heard, bool create);

/* The same, and tells the other lanes what they should know. */
void neighbour_heard_here(struct net *net, const struct net_neighbour_news *heard, bool create);

/* Lets timers fire that are due. Returns when the next one is. */
uint64_t neighbours_advance(struct net *net);

/* The state as of now: REACHABLE ends by itself. */
enum neighbour_state neighbour_state_now(const struct net *net, const struct neighbour *n);

/* The name of an entry in tcp_path.hop. */
uint32_t neighbour_hop(const struct net *net, const struct neighbour *n);

/* The entry that a hop names, or NULL if it is gone. */
static inline struct neighbour *
neighbour_by_hop(const struct neighbours *table, uint32_t hop)
{
	uint32_t index = hop & (NEIGHBOUR_MAX - 1);
	struct neighbour *n = &table->table[index];

	if (unlikely(index >= table->max || n->generation != hop >> NEIGHBOUR_HOP_SHIFT ||
		     n->state == NEIGHBOUR_FREE))
		return NULL;
	return n;
}

#endif
