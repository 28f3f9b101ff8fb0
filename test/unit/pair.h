/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines with a wire between them, on one virtual clock: what one transmits, the other gets
 * after the wire's delay, in order. For tests of whole conversations; test/wire is for exact
 * packets.
 */
#ifndef TERN_TEST_PAIR_H
#define TERN_TEST_PAIR_H

#include "tcp/tcp.h"

enum {
	PAIR_WIRE_PACKETS = 8192,
	PAIR_POOLS = 4,
};

struct pair_side;

/* Whether the wire loses a packet; NULL: it loses none. */
typedef bool (*pair_loss)(void *ctx, const struct rte_mbuf *packet);

struct pair_side {
	struct pair *pair;
	struct tcp_engine *engine;
	struct ip_addr ip;
	struct {
		struct rte_mbuf *m;
		uint64_t at_us;
	} wire[PAIR_WIRE_PACKETS]; /* towards this side */
	unsigned int head, tail;
	void (*notify)(void *ctx, struct tcp_conn *c, void *user);
	void *notify_ctx;
};

struct pair {
	uint64_t now_us;
	uint64_t delay_us;
	uint16_t mtu;
	uint16_t path_flags;
	pair_loss loses;
	void *loss_ctx;
	struct pair_side side[2];
	struct rte_mempool *rx_pool, *header_pool, *data_pool, *ref_pool;
};

/* Makes both engines with these limits (name and pools are filled in). Ends the program on failure.
 */
void pair_start(struct pair *p, const struct tcp_config *config);

/* Runs until a time, in the exact order of packets and timers. */
void pair_run_until(struct pair *p, uint64_t time_us);

/* Destroys both; false, with a line for each, if mbufs or objects are missing. */
bool pair_end(struct pair *p);

#endif
