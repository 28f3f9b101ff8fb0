/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One direction of a simulated link: a chain of nodes that packets pass one after the other, each
 * with one way of treating them badly. What a node does depends on its random numbers, on the
 * packets and on the virtual clock only.
 *
 *     engine -> [mtu] -> [loss] -> [corrupt] -> [duplicate] -> [bottleneck] -> [delay] -> end ->
 * engine
 *
 * Any order and any number of nodes will do. A packet is one contiguous mbuf that starts at its IP
 * header; mbuf.hash.usr carries LINK_... marks, which the end reads and clears.
 */
#ifndef TERN_TEST_LINK_H
#define TERN_TEST_LINK_H

#include <rte_mbuf.h>

#include "rng.h"

enum {
	LINK_CORRUPTED = 1 << 0,
	LINK_DUPLICATE = 1 << 1,
	LINK_LATE = 1 << 2, /* held back so that others overtake it */
};

enum { LINK_MAX_NODES = 16 };

/* What happened to packets, over all nodes of one direction. */
struct link_counts {
	uint64_t put, delivered;
	uint64_t lost_random, lost_burst, lost_pattern, lost_outage, lost_outage_both, lost_queue,
		lost_mtu;
	uint64_t corrupted, duplicated, held_back, marked;
	uint64_t no_memory;
};

struct link;
struct link_node;

struct link_kind {
	void (*put)(struct link_node *n, struct rte_mbuf *m, uint64_t now_us);
	uint64_t (*next_us)(const struct link_node *n); /* NULL: it holds nothing */
	void (*run)(struct link_node *n, uint64_t now_us);
	void (*clear)(struct link_node *n);
};

/* A packet that waits. */
struct link_held {
	uint64_t at_us;
	uint64_t serial; /* breaks ties: first in, first out */
	struct rte_mbuf *m;
};

struct link_node {
	const struct link_kind *kind;
	struct link *link;
	struct link_node *next; /* NULL: the end of the link */
	/* When it works; before and after that packets pass. */
	uint64_t from_us, until_us;
	double probability; /* loss, corrupt, duplicate, and delay's holding back */
	union {
		struct {
			double to_bad, to_good, loss_bad; /* Gilbert-Elliott, each packet */
			bool bad;
		} burst;
		bool outage_both_ways;
		struct {
			uint64_t period, length; /* loses `length` packets of each `period` ... */
			uint64_t first;          /* ... from this one on */
			uint64_t seen;
		} pattern;
		struct {
			uint64_t base_us, jitter_us, late_us;
			uint64_t last_us; /* when the last in order leaves */
			bool in_order;    /* jitter does not reorder */
		} delay;
		struct {
			uint64_t bytes_per_s;
			uint32_t queue_bytes, mark_bytes; /* mark_bytes 0: never */
			uint32_t queued_bytes;
			uint64_t free_us; /* when the line is free again */
		} bottleneck;
		struct {
			uint16_t mtu;
			/* Told of each packet that is too big; NULL: a black hole. */
			void (*too_big)(void *ctx, const struct rte_mbuf *m, uint16_t mtu);
			void *ctx;
		} mtu;
	};
	struct link_held *held; /* a heap by at_us and serial */
	unsigned int n_held, room;
};

struct link {
	struct link_node nodes[LINK_MAX_NODES];
	unsigned int n_nodes;
	struct rng rng;
	uint64_t serial;
	struct link_counts counts;
	struct rte_mempool *pool; /* for duplicates */
	void (*end)(void *ctx, struct rte_mbuf *m, uint64_t now_us);
	void *ctx;
};

void link_init(struct link *l, uint64_t seed, struct rte_mempool *pool,
	       void (*end)(void *ctx, struct rte_mbuf *m, uint64_t now_us), void *ctx);

/* Each appends a node, which works at all times until the caller narrows from_us and until_us. */
struct link_node *link_add_loss(struct link *l, double probability);
struct link_node *link_add_burst_loss(struct link *l, double to_bad, double to_good,
				      double loss_bad);
struct link_node *link_add_pattern_loss(struct link *l, uint64_t period, uint64_t length,
					uint64_t first);
/* both_ways: the other direction has the same one; it is only counted apart. */
struct link_node *link_add_outage(struct link *l, uint64_t from_us, uint64_t until_us,
				  bool both_ways);
struct link_node *link_add_corrupt(struct link *l, double probability);
struct link_node *link_add_duplicate(struct link *l, double probability);
struct link_node *link_add_delay(struct link *l, uint64_t base_us, uint64_t jitter_us,
				 bool in_order);
/* A share of the packets takes late_us more, and is overtaken. */
struct link_node *link_add_late(struct link *l, double probability, uint64_t late_us);
struct link_node *link_add_bottleneck(struct link *l, uint64_t bytes_per_s, uint32_t queue_bytes,
				      uint32_t mark_bytes);
struct link_node *link_add_mtu(struct link *l, uint16_t mtu, uint64_t from_us,
			       void (*too_big)(void *ctx, const struct rte_mbuf *m, uint16_t mtu),
			       void *ctx);

/* Takes ownership of m. */
void link_put(struct link *l, struct rte_mbuf *m, uint64_t now_us);
/* When link_run() has something to do next; UINT64_MAX: nothing is on the way. */
uint64_t link_next_us(const struct link *l);
void link_run(struct link *l, uint64_t now_us);
/* Frees what is on the way, and the nodes. */
void link_clear(struct link *l);

/* The longest that a packet can take, if it arrives: in microseconds. */
uint64_t link_longest_us(const struct link *l, uint32_t packet_bytes);

/* Sets the packet's ECN field to "congestion experienced", mending the IPv4 checksum. */
bool link_mark_ce(struct rte_mbuf *m);

#endif
