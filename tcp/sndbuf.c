/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send buffer grows by itself, as on Linux: while the user waits for room and the congestion
 * window is not full, to twice what that window can have in flight, up to sndbuf_max_bytes; unless
 * SO_SNDBUF was set, and never by more than a quarter of what the lane has left. Sizes are in
 * SO_SNDBUF's terms: what a segment costs on Linux.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	HEADERS_BYTES = 640, /* Linux's room for headers and a buffer's own record, ... */
	RECORD_BYTES = 256,  /* ... and what describes the buffer */
};

static uint32_t
segment_cost(const struct tcp_conn *c)
{
	return rte_align32pow2(RTE_MAX(c->peer_mss, c->mss) + (uint32_t)HEADERS_BYTES) +
	       RECORD_BYTES;
}

/* Buffers that no send queue holds. */
static uint32_t
bufs_left(const struct tcp_engine *e)
{
	uint32_t all = e->config.data_pool->size;

	return all > e->queued_bufs ? all - e->queued_bufs : 0;
}

void
tcp_sndbuf_expand(struct tcp_conn *c)
{
	uint32_t segs =
		RTE_MAX(RTE_MAX(c->cwnd, c->engine->config.initial_cwnd), c->reordering + 1);
	uint64_t bytes = (uint64_t)2 * segs * segment_cost(c);

	if (c->sndbuf_locked || tcp_flight_segs(c) >= c->cwnd)
		return;
	bytes = RTE_MIN(bytes, (uint64_t)c->engine->config.sndbuf_max_bytes);
	bytes = RTE_MIN(bytes, (uint64_t)bufs_left(c->engine) / 4 * c->mss);
	c->sndbuf_bytes = RTE_MAX(c->sndbuf_bytes, (uint32_t)bytes);
}
