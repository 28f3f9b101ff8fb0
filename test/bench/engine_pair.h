/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines and the wire between them, without a device: what one transmits is copied into a
 * buffer of the other's receive pool, as a memory interface does, and waits there for its turn.
 *
 *     client turn ─▶ left ─ pair_carry() ─▶ waiting ─▶ server turn ─▶ left ─ pair_carry() ─▶ ...
 *
 * A turn is an iteration of a lane: input of a burst, timers, output. Time is virtual, and goes on
 * by a step for each turn, so that all that happens is the same in each run.
 */
#ifndef TERN_TEST_ENGINE_PAIR_H
#define TERN_TEST_ENGINE_PAIR_H

#include "tcp/tcp.h"

enum { PAIR_WAITING = 1 << 16 }; /* packets that fit on the wire in each direction */

struct pair_config {
	unsigned int number; /* of this pair in the process */
	uint32_t connections;
	uint32_t step_us;
	unsigned int burst;
	uint16_t mtu;
	bool checksums; /* in software, on both sides; else as if devices did them */
	void (*notify)(void *ctx, struct tcp_conn *c, void *user); /* ctx: a struct pair_side */
};

struct pair_side {
	struct engine_pair *pair;
	struct pair_side *peer;
	struct tcp_engine *engine;
	struct ip_addr ip;
	struct rte_mempool *receive_pool;
	struct rte_mbuf **waiting; /* arrived, at [head, tail) modulo its size */
	struct rte_mbuf **left;    /* transmitted in this turn */
	uint32_t head, tail, n_left;
};

struct engine_pair {
	struct pair_config config;
	struct pair_side client, server;
	uint64_t now_us;
	uint64_t random;
};

/* Ends the process with a message if something is missing. */
void engine_pair_start(struct engine_pair *pair, const struct pair_config *config);

/* The engine's part of an iteration; what it sends is in side->left. */
void engine_pair_turn(struct pair_side *side);

/* Takes what a side sent to the other. */
void engine_pair_carry(struct pair_side *side);

_Noreturn void engine_pair_die(const char *what);

#endif
