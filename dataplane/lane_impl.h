/* SPDX-License-Identifier: BSD-3-Clause */
/* What the lane's files share: its surroundings (lane_env.c), its inbox (lane_inbox.c), and what
 * ports other lanes have (lane_ports.c), and what crosses lanes (lane_hand.c). */
#ifndef TERN_DATAPLANE_LANE_IMPL_H
#define TERN_DATAPLANE_LANE_IMPL_H

#include "dataplane/lane.h"

/* Counters have one writer, the lane; others may read them at any time. */
#define LANE_COUNT_N(lane, name, n)                                                                \
	__atomic_store_n(&(lane)->stats.name, (lane)->stats.name + (n), __ATOMIC_RELAXED)
#define LANE_COUNT(lane, name) LANE_COUNT_N(lane, name, 1)

/* What the engine and the IP layer call. */
void lane_fill_tcp_env(struct lane *lane, struct tcp_env *env);
void lane_fill_net_env(struct lane *lane, struct net_env *env);

/* And what services call. */
void lane_fill_wire(struct lane *lane, struct service_wire *wire);

/* Hands waiting frames to a device. Returns how many it took. */
unsigned int lane_port_flush(struct lane *lane, struct lane_port *port);

/* Nothing waits: has a driver that keeps what it sent free what its peer has read, now and then. */
void lane_port_reap(const struct lane *lane, struct lane_port *port);

/*
 * Gives TCP a burst of packets, LANE_GROUP at a time, and with them those that follow of the last
 * one's connection, which are merged and acknowledged together. A group's answers leave before the
 * next one is looked at, so that the peer works on them meanwhile: else 32 requests that come at
 * once are answered at once, and each side waits until the other has done all.
 */
void lane_input(struct lane *lane, struct rte_mbuf **packets, unsigned int n);

/* The lane's place for [port N]; lane->n_ports if it has it not. */
static inline uint16_t
lane_port_at(const struct lane *lane, unsigned int index)
{
	uint16_t i = 0;

	while (i < lane->n_ports && lane->ports[i].device->index != index)
		i++;
	return i;
}

/* Tell all other lanes that have its ports, or one. `news` is copied; its kind and content are set.
 */
void lane_tell(struct lane *lane, const struct lane_news *news);
void lane_tell_one(struct lane *lane, unsigned int to, const struct lane_news *news);

/* ---- lane_idle.c */

/* Once ports and services are there. Returns 0, or -1 after telling why not. */
int lane_idle_open(struct lane *lane);
void lane_idle_close(struct lane *lane);

/* In the lane's thread, before its loop. */
void lane_idle_start(struct lane *lane);

/* A turn has ended, in which there was something to do or was not. May sleep. */
void lane_idle(struct lane *lane, bool worked);

/* A program's bell: see lib/shm.h. */
void lane_idle_watch(struct lane *lane, int bell);
void lane_idle_forget(struct lane *lane, int bell);

/* Any thread, after putting something down for the lane. */
void lane_ring(struct lane *lane);

/* ---- lane_ports.c */

/* tcp_env.port, .may_hold, .stray and .lands_here. */
void lane_port_in_use(void *ctx, uint16_t port, bool in_use);
bool lane_may_hold(void *ctx, const void *user, uint16_t port, bool chosen);
bool lane_stray(void *ctx, struct rte_mbuf *packet, const struct tcp_tuple *tuple);
bool lane_lands_here(void *ctx, const struct tcp_tuple *tuple);

/* Whose packets of this tuple are by steering. */
unsigned int lane_owner(const struct lane *lane, const struct tcp_tuple *tuple);

/* Which lane the table names for its port; `otherwise`: none. */
unsigned int lane_of_port(const struct lane *lane, const struct tcp_tuple *tuple,
			  unsigned int otherwise);

/* ---- lane_hand.c */

/* Makes what lanes hand packets over by. Returns 0, or -1 without memory. */
int lane_hand_open(struct lane *lane, unsigned int n_lanes);
void lane_hand_close(struct lane *lane);

/* With all lanes' opened: knows where each takes packets. */
void lane_hand_meet(struct lane *lane);

/* Hands over which of n packets of a device are other lanes'. Returns how many are left. */
unsigned int lane_hand_steer(struct lane *lane, struct rte_mbuf **packets, unsigned int n);

/* Collects a packet for a lane, and posts what was collected. */
void lane_hand_over(struct lane *lane, unsigned int to, struct rte_mbuf *packet);
void lane_hand_flush(struct lane *lane);

/* Takes in what other lanes handed over: packets, frames to send. Return how many there were. */
unsigned int lane_hand_take(struct lane *lane);
unsigned int lane_hand_take_frames(struct lane_port *port, struct lane *lane);

/* Has another lane send frames of a port that it has a queue of. Returns how many it took. */
unsigned int lane_hand_frames(struct lane *lane, struct lane_port *port);

/* Whether nothing waits that another lane handed over. */
bool lane_hand_is_empty(const struct lane *lane);

/* ---- lane_inbox.c */

/* Does what the inbox asks for. Returns how many messages there were. */
unsigned int lane_inbox_run(struct lane *lane);

#endif
