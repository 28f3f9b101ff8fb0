/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data that flows both ways between two engines over a link that loses packets, while one end after
 * the other is moved: every byte arrives, in order, and nobody hears a reset.
 */
#ifndef TERN_TEST_UNIT_TRANSFER_H
#define TERN_TEST_UNIT_TRANSFER_H

#include "test/sim/pair.h"

struct transfer_end {
	struct tcp_conn *c;
	uint64_t written, read;
	bool shut, at_end;
};

struct transfer {
	struct pair pair;
	struct rng rng;
	struct tcp_conn *listener;
	struct transfer_end end[2]; /* by side; 1 accepts */
	bool connected;             /* both have their connection: users read and write */
	uint64_t seed;
	void *ctx; /* the test's own */
};

/* Connects; odd seeds are over IPv6, and every fourth is without losses. */
void transfer_begin(struct transfer *t, uint64_t seed);

/* Takes a side's connection away for some time, and brings it back. */
typedef void (*transfer_move)(struct transfer *t, unsigned int side);

/* A whole transfer, with moves at random moments. */
void transfer_run(uint64_t seed, transfer_move move, void *ctx);

#endif
