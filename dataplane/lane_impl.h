/* SPDX-License-Identifier: BSD-3-Clause */
/* What the lane's files share: its surroundings (lane_env.c), its inbox (lane_inbox.c), and what
 * ports other lanes have (lane_ports.c). */
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

/* Hands waiting frames to a device. Returns how many it took. */
unsigned int lane_port_flush(struct lane *lane, struct lane_port *port);

/* Tells all other lanes. `news` is copied; its kind and content are set. */
void lane_tell(struct lane *lane, const struct lane_news *news);

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

/* tcp_env.port and tcp_env.stray. */
void lane_port_in_use(void *ctx, uint16_t port, bool in_use);
bool lane_hand_over(void *ctx, struct rte_mbuf *packet, uint16_t port);

/* Posts what lane_hand_over() has collected. */
void lane_hand_flush(struct lane *lane);

/* Takes in what another lane handed over; frees it where the lane has no engine any more. */
void lane_take_packets(struct lane *lane, const struct lane_packets *packets);
void lane_drop_packets(const struct lane_packets *packets);

/* ---- lane_inbox.c */

/* Does what the inbox asks for. Returns how many messages there were. */
unsigned int lane_inbox_run(struct lane *lane);

#endif
