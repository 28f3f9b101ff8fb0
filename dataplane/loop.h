/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from one of our own addresses to another: what Linux has its interface lo for. */
#ifndef TERN_DATAPLANE_LOOP_H
#define TERN_DATAPLANE_LOOP_H

#include "dataplane/net_impl.h"

/* Queues a packet to ourselves, and takes it. Drops it, counted, if the queue is full. */
void loop_put(struct net *net, struct rte_mbuf *m);

/* Takes in what is queued, as if it had just arrived; a bounded part of it. */
void loop_input(struct net *net);

/* What a path to one of our own addresses can do: fills in all but its source address. */
void loop_path(const struct ip_addr *remote, struct tcp_path *path);

/* Frees what is queued. */
void loop_clear(struct net *net);

#endif
