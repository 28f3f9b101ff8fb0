/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that is one end of a pair of rings inside this ternd: `device = ring,NAME` in two
 * sections [port N]. What one sends the other receives; there is no wire, so no loss but by a full
 * ring.
 *
 *     one lane:  tx ──▶ [ frames ] ──▶ rx, copied, the other lane
 *     reaped ◀── [ done ] ◀── what was copied
 *
 * Buffers do not change hands: who receives copies into buffers of its own, and gives back what it
 * copied, so that its owner frees it (a reference among them may be a service's or a program's
 * memory, and is for its lane alone to let go). See loop.c for what a queue of received packets
 * may hold.
 */
#ifndef TERN_DATAPLANE_PORT_RING_H
#define TERN_DATAPLANE_PORT_RING_H

#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

/* One end's. */
struct port_ring {
	struct rte_ring *back; /* to the other: what we have copied */
	struct rte_ring *done; /* from the other: ours, to be freed */
};

/* Makes the next end of the pair of this name. Returns ethdev's number, or a negative errno. */
int port_ring_attach(const char *name, struct port_ring *end);

/* Replaces frames that were received by copies from the pool. Returns how many there are now. */
uint16_t port_ring_copy(const struct port_ring *end, struct rte_mempool *pool,
			struct rte_mbuf **frames, uint16_t n);

/* Frees what the other end has copied. */
void port_ring_reap(const struct port_ring *end);

/* Gives back what was sent to it, unread, and frees what came back. No lane runs. */
void port_ring_clear(const struct port_ring *end, uint16_t id);

#endif
