/* SPDX-License-Identifier: BSD-3-Clause */
/* What the lane's files share: its surroundings (lane_env.c) and its inbox (lane_inbox.c). */
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

/* Does what the inbox asks for. */
void lane_inbox_run(struct lane *lane);

#endif
