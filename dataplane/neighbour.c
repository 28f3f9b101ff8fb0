/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The neighbour table. RFC 4861 §7.3 (states and their timers), §7.2.5 (what an answer changes),
 * and the same for ARP, which has no states of its own (RFC 1122 §2.3.2).
 *
 * The table is bounded. When it is full the entry goes that is worth least: first one that failed,
 * then one that nobody ever sent to (a stranger's ARP request makes such), then one that has not
 * answered yet, then the one unused for longest. A gateway never gives way, nor does an entry that
 * is being probed; so a flood of forged senders pushes out only its own kind.
 *
 * Invariants: an entry is on the list that fits its state; a queue of waiting packets is empty
 * unless the state is INCOMPLETE; `waiting` of the table is the sum of the entries'.
 *
 * Left out: the timer values of router advertisements.
 */
#include <errno.h>

#include <rte_malloc.h>

#include "dataplane/arp.h"
#include "dataplane/icmp.h"
#include "dataplane/nd.h"
#include "dataplane/route.h"

enum {
	EVICTION_LOOKS = 64, /* entries looked at, at most, to find one that gives way */
};

static_assert(offsetof(struct neighbour, due_us) + sizeof(uint64_t) <= RTE_CACHE_LINE_SIZE,
	      "what a sent packet needs lies in one cache line");

int
neighbours_create(struct net *net, uint32_t max, int socket_id)
{
	struct neighbours *t = &net->neighbours;
	uint32_t n_buckets = rte_align32pow2(max);

	t->table = rte_zmalloc_socket("neighbours", max * sizeof(*t->table), RTE_CACHE_LINE_SIZE,
				      socket_id);
	t->buckets = rte_zmalloc_socket("neighbours", n_buckets * sizeof(struct neighbour *), 0,
					socket_id);
	t->nodes = rte_zmalloc_socket("neighbours", NEIGHBOUR_WAITING_ALL * sizeof(*t->nodes), 0,
				      socket_id);
	if (t->table == NULL || t->buckets == NULL || t->nodes == NULL) {
		rte_free(t->table);
		rte_free(t->buckets);
		rte_free(t->nodes);
		return -ENOMEM;
	}
	t->max = max;
	t->bucket_mask = n_buckets - 1;
	net->env.random(net->env.ctx, t->key, sizeof(t->key));
	t->reachable_us =
		NEIGHBOUR_REACHABLE_US / 2 + net_random_below(net, NEIGHBOUR_REACHABLE_US);
	for (unsigned int i = 0; i < NEIGHBOURS_LISTS; i++)
		TAILQ_INIT(&t->lists[i]);
	for (uint32_t i = 0; i < max; i++) {
		t->table[i].generation = 1;
		t->table[i].queue_head = NEIGHBOUR_NO_NODE;
		TAILQ_INSERT_TAIL(&t->lists[NEIGHBOURS_FREE], &t->table[i], link);
	}
	for (uint32_t i = 0; i < NEIGHBOUR_WAITING_ALL; i++)
		t->nodes[i].next = i + 1 < NEIGHBOUR_WAITING_ALL ? i + 1 : NEIGHBOUR_NO_NODE;
	return 0;
}

/* ---- Waiting packets */

/* Takes the oldest packet of a queue that is not empty. */
static struct rte_mbuf *
waiting_pop(struct neighbours *t, struct neighbour *n)
{
	uint32_t at = n->queue_head;
	struct waiting_node *node = &t->nodes[at];

	n->queue_head = node->next;
	node->next = t->free_node;
	t->free_node = at;
	n->waiting--;
	t->waiting--;
	return node->m;
}

/* Appends a packet; a full queue loses its oldest. */
static void
waiting_push(struct net *net, struct neighbour *n, struct rte_mbuf *m)
{
	struct neighbours *t = &net->neighbours;
	uint32_t at;

	if (n->waiting == NEIGHBOUR_WAITING ||
	    (t->free_node == NEIGHBOUR_NO_NODE && n->waiting > 0))
		NET_DROP(net, waiting_pop(t, n), drop_neighbour_queue);
	if (t->free_node == NEIGHBOUR_NO_NODE) {
		NET_DROP(net, m, drop_neighbour_queue);
		return;
	}
	at = t->free_node;
	t->free_node = t->nodes[at].next;
	t->nodes[at] = (struct waiting_node){.m = m, .next = NEIGHBOUR_NO_NODE};
	if (n->waiting == 0)
		n->queue_head = at;
	else
		t->nodes[n->queue_tail].next = at;
	n->queue_tail = at;
	n->waiting++;
	t->waiting++;
}

static void
refuse(struct net *net, struct rte_mbuf *m)
{
	icmp_tell_unsent(net, m, EHOSTUNREACH);
	NET_DROP(net, m, drop_neighbour_failed);
}

static void
waiting_refuse(struct net *net, struct neighbour *n)
{
	while (n->waiting > 0)
		refuse(net, waiting_pop(&net->neighbours, n));
}

static void
waiting_emit(struct net *net, struct neighbour *n)
{
	while (n->waiting > 0)
		net_emit(net, n->port, &n->header, waiting_pop(&net->neighbours, n));
}

void
neighbours_destroy(struct net *net)
{
	struct neighbours *t = &net->neighbours;

	for (uint32_t i = 0; i < t->max; i++)
		while (t->table[i].waiting > 0)
			rte_pktmbuf_free(waiting_pop(t, &t->table[i]));
	rte_free(t->table);
	rte_free(t->buckets);
	rte_free(t->nodes);
}

/* ---- Entries */

static struct neighbour **
bucket_of(const struct neighbours *t, uint16_t port, const struct ip_addr *ip)
{
	const uint64_t *k = t->key;
	/* Multilinear, as the flow table's: who does not know the key finds no two that collide. */
	uint64_t h = k[0] + (k[1] + ip->w[0]) * (k[2] + ip->w[1]) +
		     (k[3] + ip->w[2]) * (k[4] + ip->w[3]) + k[5] * port;

	return &t->buckets[(uint32_t)(h >> 32) & t->bucket_mask];
}

static void
list_move(struct neighbours *t, struct neighbour *n, enum neighbour_list list)
{
	TAILQ_REMOVE(&t->lists[n->list], n, link);
	n->list = (uint8_t)list;
	TAILQ_INSERT_TAIL(&t->lists[list], n, link);
}

/* Enters a state: its list, and its timer if it has one. */
static void
enter(struct net *net, struct neighbour *n, enum neighbour_state state)
{
	struct neighbours *t = &net->neighbours;
	uint64_t wait_us = 0;

	n->state = (uint8_t)state;
	switch (state) {
	case NEIGHBOUR_FREE:
		list_move(t, n, NEIGHBOURS_FREE);
		return;
	case NEIGHBOUR_INCOMPLETE:
	case NEIGHBOUR_PROBE:
		list_move(t, n, NEIGHBOURS_RETRANS);
		wait_us = NEIGHBOUR_RETRANS_US;
		break;
	case NEIGHBOUR_DELAY:
		list_move(t, n, NEIGHBOURS_DELAY);
		wait_us = NEIGHBOUR_DELAY_US;
		break;
	case NEIGHBOUR_FAILED:
		list_move(t, n, NEIGHBOURS_FAILED);
		wait_us = NEIGHBOUR_FAILED_US;
		break;
	case NEIGHBOUR_REACHABLE:
		n->reachable_until_us = net->now_us + t->reachable_us;
		list_move(t, n, NEIGHBOURS_IDLE);
		return;
	case NEIGHBOUR_NEW:
	case NEIGHBOUR_STALE:
		list_move(t, n, n->proven ? NEIGHBOURS_IDLE : NEIGHBOURS_UNPROVEN);
		return;
	}
	n->due_us = net->now_us + wait_us;
	net_wake_at(net, n->due_us);
}

enum neighbour_state
neighbour_state_now(const struct net *net, const struct neighbour *n)
{
	if (n->state == NEIGHBOUR_REACHABLE && net->now_us >= n->reachable_until_us)
		return NEIGHBOUR_STALE;
	return n->state;
}

uint32_t
neighbour_hop(const struct net *net, const struct neighbour *n)
{
	return (uint32_t)n->generation << NEIGHBOUR_HOP_SHIFT |
	       (uint32_t)(n - net->neighbours.table);
}

struct neighbour *
neighbour_find(const struct net *net, uint16_t port, const struct ip_addr *ip)
{
	struct neighbour *n = *bucket_of(&net->neighbours, port, ip);

	while (n != NULL && (n->port != port || !ip_eq(&n->ip, ip)))
		n = n->chain;
	return n;
}

void
neighbour_forget(struct net *net, struct neighbour *n)
{
	struct neighbour **at = bucket_of(&net->neighbours, n->port, &n->ip);

	waiting_refuse(net, n);
	while (*at != n)
		at = &(*at)->chain;
	*at = n->chain;
	if (++n->generation == 0)
		n->generation = 1;
	net->paths_dirty = true;
	enter(net, n, NEIGHBOUR_FREE);
}

/* The first on a list that may give way. Entries used since the last look get another round. */
static struct neighbour *
list_victim(struct net *net, enum neighbour_list list)
{
	struct neighbours *t = &net->neighbours;
	struct neighbour *n = TAILQ_FIRST(&t->lists[list]), *next;

	for (unsigned int i = 0; n != NULL && i < EVICTION_LOOKS; i++, n = next) {
		next = TAILQ_NEXT(n, link);
		if (n->state == NEIGHBOUR_PROBE || route_is_gateway(net, &n->ip, n->port))
			continue;
		if (list != NEIGHBOURS_IDLE || !n->used)
			return n;
		n->used = false;
		list_move(t, n, NEIGHBOURS_IDLE);
		if (next == NULL)
			next = n;
	}
	return NULL;
}

static struct neighbour *
free_entry(struct net *net)
{
	static const enum neighbour_list order[] = {NEIGHBOURS_FAILED, NEIGHBOURS_UNPROVEN,
						    NEIGHBOURS_RETRANS, NEIGHBOURS_IDLE};
	struct neighbour *n = TAILQ_FIRST(&net->neighbours.lists[NEIGHBOURS_FREE]);

	for (unsigned int i = 0; n == NULL && i < RTE_DIM(order); i++) {
		n = list_victim(net, order[i]);
		if (n == NULL)
			continue;
		NET_COUNT(net, neighbours_evicted);
		neighbour_forget(net, n);
	}
	return n;
}

struct neighbour *
neighbour_obtain(struct net *net, uint16_t port, const struct ip_addr *ip)
{
	struct neighbour *n = neighbour_find(net, port, ip), **bucket;

	if (n != NULL)
		return n;
	n = free_entry(net);
	if (n == NULL)
		return NULL;
	NET_COUNT(net, neighbours_created);
	n->ip = *ip;
	n->port = port;
	n->used = n->proven = false;
	memset(&n->header.dst_addr, 0, sizeof(n->header.dst_addr));
	n->header.src_addr = net->ports[port].mac;
	n->header.ether_type =
		rte_cpu_to_be_16(ip_is4(ip) ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	bucket = bucket_of(&net->neighbours, port, ip);
	n->chain = *bucket;
	*bucket = n;
	enter(net, n, NEIGHBOUR_NEW);
	return n;
}

/* ---- Sending */

static void
solicit(struct net *net, struct neighbour *n)
{
	const struct rte_ether_addr *to = n->state == NEIGHBOUR_PROBE ? &n->header.dst_addr : NULL;

	n->probes++;
	if (ip_is4(&n->ip))
		arp_solicit(net, &net->ports[n->port], &n->ip, to);
	else
		nd_solicit(net, &net->ports[n->port], &n->ip, to);
}

/* Starts to ask: by broadcast or multicast in INCOMPLETE, of the neighbour itself in PROBE. */
static void
solicit_first(struct net *net, struct neighbour *n, enum neighbour_state state)
{
	n->probes = 0;
	enter(net, n, state);
	solicit(net, n);
}

void
neighbour_send(struct net *net, struct neighbour *n, struct rte_mbuf *m)
{
	switch (neighbour_state_now(net, n)) {
	case NEIGHBOUR_STALE:
		n->proven = true;
		enter(net, n, NEIGHBOUR_DELAY);
		break;
	case NEIGHBOUR_REACHABLE:
	case NEIGHBOUR_DELAY:
	case NEIGHBOUR_PROBE:
		break;
	case NEIGHBOUR_NEW:
		n->proven = n->used = true;
		waiting_push(net, n, m);
		solicit_first(net, n, NEIGHBOUR_INCOMPLETE);
		return;
	case NEIGHBOUR_INCOMPLETE:
		waiting_push(net, n, m);
		return;
	default:
		refuse(net, m);
		return;
	}
	n->used = true;
	net_emit(net, n->port, &n->header, m);
}

bool
neighbour_resolve(struct net *net, struct neighbour *n)
{
	if (n->state == NEIGHBOUR_NEW) {
		n->proven = n->used = true;
		solicit_first(net, n, NEIGHBOUR_INCOMPLETE);
	}
	return n->state != NEIGHBOUR_INCOMPLETE && n->state != NEIGHBOUR_FAILED;
}

/* ---- Learning */

/* Takes a link-layer address; returns whether it is another than before. */
static bool
take_mac(struct net *net, struct neighbour *n, const struct rte_ether_addr *mac)
{
	bool known = !rte_is_zero_ether_addr(&n->header.dst_addr);

	if (rte_is_same_ether_addr(&n->header.dst_addr, mac))
		return false;
	n->header.dst_addr = *mac;
	if (known)
		NET_COUNT(net, neighbours_changed);
	return true;
}

/* RFC 4861 §7.2.5 for an entry whose link-layer address is not known. */
static bool
resolved(struct net *net, struct neighbour *n, const struct net_neighbour_news *heard)
{
	if (rte_is_zero_ether_addr(&heard->mac))
		return false;
	take_mac(net, n, &heard->mac);
	if (n->state == NEIGHBOUR_INCOMPLETE && heard->solicited)
		enter(net, n, NEIGHBOUR_REACHABLE);
	else if (n->waiting > 0)
		enter(net, n, NEIGHBOUR_DELAY); /* its packets go out now: STALE ends at once */
	else
		enter(net, n, NEIGHBOUR_STALE);
	waiting_emit(net, n);
	return true;
}

/*
 * The same for one whose address is known. An answer counts as one only while we are asking, so
 * that nobody can keep an entry alive, or move it unprobed, by claiming to answer.
 */
static bool
updated(struct net *net, struct neighbour *n, const struct net_neighbour_news *heard)
{
	bool differs = !rte_is_zero_ether_addr(&heard->mac) &&
		       !rte_is_same_ether_addr(&n->header.dst_addr, &heard->mac);
	bool answers = heard->solicited && n->state == NEIGHBOUR_PROBE;

	if (differs && !heard->override) {
		if (n->state == NEIGHBOUR_REACHABLE)
			enter(net, n, NEIGHBOUR_STALE);
		return false;
	}
	if (differs)
		take_mac(net, n, &heard->mac);
	if (answers)
		enter(net, n, NEIGHBOUR_REACHABLE);
	else if (differs)
		enter(net, n, NEIGHBOUR_STALE);
	return differs || answers;
}

bool
neighbour_heard(struct net *net, const struct net_neighbour_news *heard, bool create)
{
	struct neighbour *n = neighbour_find(net, heard->port, &heard->ip);

	if (n == NULL && create && !rte_is_zero_ether_addr(&heard->mac))
		n = neighbour_obtain(net, heard->port, &heard->ip);
	if (n == NULL)
		return false;
	if (rte_is_zero_ether_addr(&n->header.dst_addr) || n->state == NEIGHBOUR_FAILED)
		return resolved(net, n, heard);
	return updated(net, n, heard);
}

void
neighbour_heard_here(struct net *net, const struct net_neighbour_news *heard, bool create)
{
	bool news = neighbour_heard(net, heard, create);

	/* An answer may be for another lane's question: answers come in where the device wants. */
	if (net->env.neighbour != NULL && (news || heard->solicited || heard->has_lifetime))
		net->env.neighbour(net->env.ctx, heard);
}

void
net_confirm(struct net *net, uint32_t hop)
{
	struct neighbour *n = neighbour_by_hop(&net->neighbours, hop);

	if (n == NULL || n->state < NEIGHBOUR_REACHABLE || n->state == NEIGHBOUR_FAILED)
		return;
	if (likely(n->state == NEIGHBOUR_REACHABLE))
		n->reachable_until_us = net->now_us + net->neighbours.reachable_us;
	else
		enter(net, n, NEIGHBOUR_REACHABLE);
}

/* ---- Time */

/* The next solicitation, or the end of asking. */
static void
retrans(struct net *net, struct neighbour *n)
{
	if (n->probes < NEIGHBOUR_PROBES) {
		enter(net, n, n->state);
		solicit(net, n);
		return;
	}
	NET_COUNT(net, neighbours_failed);
	waiting_refuse(net, n);
	enter(net, n, NEIGHBOUR_FAILED);
	if (route_is_gateway(net, &n->ip, n->port))
		net->paths_dirty = true; /* there may be another */
}

static void
fire(struct net *net, struct neighbour *n)
{
	switch (n->state) {
	case NEIGHBOUR_DELAY:
		solicit_first(net, n, NEIGHBOUR_PROBE);
		break;
	case NEIGHBOUR_FAILED:
		neighbour_forget(net, n);
		break;
	default:
		retrans(net, n);
	}
}

uint64_t
neighbours_advance(struct net *net)
{
	uint64_t due_us = UINT64_MAX;

	for (unsigned int i = NEIGHBOURS_RETRANS; i <= NEIGHBOURS_FAILED; i++) {
		struct neighbour_head *list = &net->neighbours.lists[i];
		struct neighbour *n;

		while ((n = TAILQ_FIRST(list)) != NULL && n->due_us <= net->now_us)
			fire(net, n);
	}
	for (unsigned int i = NEIGHBOURS_RETRANS; i <= NEIGHBOURS_FAILED; i++) {
		struct neighbour *n = TAILQ_FIRST(&net->neighbours.lists[i]);

		if (n != NULL)
			due_us = RTE_MIN(due_us, n->due_us);
	}
	return due_us;
}

/* ---- Looking at it */

unsigned int
net_list_neighbours(const struct net *net, uint32_t *cursor, struct net_neighbour_listing *listing,
		    unsigned int n)
{
	static const char *const names[] = {
		[NEIGHBOUR_NEW] = "INCOMPLETE",      [NEIGHBOUR_INCOMPLETE] = "INCOMPLETE",
		[NEIGHBOUR_REACHABLE] = "REACHABLE", [NEIGHBOUR_STALE] = "STALE",
		[NEIGHBOUR_DELAY] = "DELAY",         [NEIGHBOUR_PROBE] = "PROBE",
		[NEIGHBOUR_FAILED] = "FAILED",
	};
	unsigned int written = 0;

	for (; *cursor < net->neighbours.max && written < n; ++*cursor) {
		const struct neighbour *entry = &net->neighbours.table[*cursor];

		if (entry->state == NEIGHBOUR_FREE)
			continue;
		listing[written++] = (struct net_neighbour_listing){
			.ip = entry->ip,
			.mac = entry->header.dst_addr,
			.port = entry->port,
			.state = names[neighbour_state_now(net, entry)],
			.waiting = entry->waiting,
		};
	}
	return written;
}
