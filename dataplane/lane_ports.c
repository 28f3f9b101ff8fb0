/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which lane has a local port, where steering does not say it, and packets that came to another.
 *
 * Steering (lane_steer.c) knows nothing of sockets. Where each lane has what a packet is for it
 * need not: services listen on every lane, a program's listener has a part on each, with what that
 * accepts, and a connection that is opened takes a port with which its packets are steered to its
 * lane. But a socket that was bound before it connected is on one lane, and so is a listener that
 * could not be opened on all. A table that all share has a byte for each port: 0, or the index + 1
 * of a lane that has such a one.
 *
 *     lane 1: tcp_input - no flow, no listener - stray - port_lanes[port] -> lane 0
 *
 * Programs' sockets are bound to a port on one lane only, the port's own, which follows from its
 * number (shm_lane_of_port()): so no two lanes give it away at once. What other lanes have of it, a
 * listener's parts, its children and TIME-WAIT, they are asked for (SHM_MAY_BIND). Ports of
 * services are any lane's.
 *
 * A byte's writer is the lane itself, which hears from its engine of the first such holder of a
 * port and of the last, TIME-WAIT included; lanes other than the port's own say nothing over
 * another's word. Packets are steered first, and only then given to the lane that the byte names:
 * what is no SYN also where there is a listener. The byte is relaxed: a packet that is older than
 * it is answered with a reset, as one that came a moment earlier.
 *
 * A packet that was handed over already goes on only to the lane that the table names.
 *
 * Left out: a simultaneous open between a socket that was bound and another one that listens at its
 * port: the peer's SYN is the listener's, on its lane.
 */
#include "dataplane/lane_impl.h"

/* The port's own lane: of those on whose networks programs are, the first lane's. */
static unsigned int
lane_of(const struct lane *lane, uint16_t port)
{
	return shm_lane_of_port(lane->lanes[0]->peers, port);
}

void
lane_port_in_use(void *ctx, uint16_t port, bool in_use)
{
	struct lane *lane = ctx;
	uint8_t *at = &lane->port_lanes[port];
	uint8_t own = (uint8_t)(lane->index + 1), is = in_use ? 0 : own, to = in_use ? own : 0;

	if (lane_of(lane, port) == lane->index)
		__atomic_store_n(at, to, __ATOMIC_RELAXED);
	else
		__atomic_compare_exchange_n(at, &is, to, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool
lane_may_hold(void *ctx, const void *user, uint16_t port, bool chosen)
{
	const struct lane *lane = ctx;
	uint8_t named;

	if (user != NULL && gateway_owns(lane->gateway, user) &&
	    !gateway_is_guest(lane->gateway, user) && lane_of(lane, port) != lane->index)
		return false;
	named = __atomic_load_n(&lane->port_lanes[port], __ATOMIC_RELAXED);
	return !chosen || named == 0 || named == lane->index + 1;
}

/* Whether another lane is on the same networks: its ports are others otherwise. */
static bool
is_peer(const struct lane *lane, unsigned int other)
{
	return (lane->peers >> other & 1) != 0;
}

unsigned int
lane_owner(const struct lane *lane, const struct tcp_tuple *tuple)
{
	unsigned int port = 0;

	if (lane_steer_is_mixed(lane->steer))
		port = lane->ports[net_port_of(lane->net, &tuple->local)].device->index;
	return lane_steer_owner(lane->steer, port, tuple);
}

unsigned int
lane_of_port(const struct lane *lane, const struct tcp_tuple *tuple, unsigned int otherwise)
{
	uint8_t named =
		__atomic_load_n(&lane->port_lanes[be16_get(tuple->lport)], __ATOMIC_RELAXED);

	return named != 0 && is_peer(lane, named - 1u) ? named - 1u : otherwise;
}

bool
lane_lands_here(void *ctx, const struct tcp_tuple *tuple)
{
	const struct lane *lane = ctx;

	return lane_owner(lane, tuple) == lane->index;
}

bool
lane_stray(void *ctx, struct rte_mbuf *packet, const struct tcp_tuple *tuple)
{
	struct lane *lane = ctx;
	unsigned int to =
		lane_of_port(lane, tuple, lane->taking ? lane->index : lane_owner(lane, tuple));

	if (to == lane->index)
		return false;
	lane_hand_over(lane, to, packet);
	return true;
}
