/* SPDX-License-Identifier: BSD-3-Clause */
/* The world of a connection that came from an image: what it sends, and what peer and user do. */
#ifndef TERN_TEST_FUZZ_IMAGE_WORLD_H
#define TERN_TEST_FUZZ_IMAGE_WORLD_H

#include "dataplane/move.h"
#include "engine.h"

enum { IMAGE_HOP = 3, IMAGE_MTU = 1500 };

struct image_world {
	struct tcp_engine *e;
	struct tcp_conn *c; /* NULL: closed */
	struct move_stats stats;
	uint64_t now_us;
	uint64_t random;
};

/* env.transmit: each packet is one, and fits the connection. */
void image_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n);

/* One step of the peer, the user or time, as the input says. */
void image_step(struct image_world *w, struct fuzz_input *in);

#endif
