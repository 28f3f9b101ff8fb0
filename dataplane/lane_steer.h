/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which lane has a connection: one function of its 4-tuple, the same for all lanes.
 *
 *     device that spreads by key and table     its own hash, and its table's queue: RSS
 *     any other, or with fewer queues           a hash of ours, over all lanes of the port
 *
 * With the first, packets come to their lane by themselves. With the second the lane that received
 * a packet computes whose it is, and hands it over (lane_hand.c).
 */
#ifndef TERN_DATAPLANE_LANE_STEER_H
#define TERN_DATAPLANE_LANE_STEER_H

#include "dataplane/port.h"
#include "tcp/tcp.h"

struct lane_steer;

/* Reads what the started devices tell; NULL, which was told, without memory or random bytes. */
struct lane_steer *lane_steer_create(const struct port_device *ports, unsigned int n_ports);
void lane_steer_free(struct lane_steer *steer);

/* Whether a port's device brings each packet to its lane itself. */
bool lane_steer_by_device(const struct lane_steer *steer, unsigned int port);

/* Whether the lane of a tuple depends on the port that it uses. */
bool lane_steer_is_mixed(const struct lane_steer *steer);

/* The lane of a 4-tuple whose packets come by this port. */
unsigned int lane_steer_owner(const struct lane_steer *steer, unsigned int port,
			      const struct tcp_tuple *tuple);

/* The port that has a local address, for where it matters; 0 if none has. Main thread. */
unsigned int lane_steer_port(const struct port_device *ports, unsigned int n_ports,
			     const struct ip_addr *local);

#endif
