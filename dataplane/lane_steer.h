/* SPDX-License-Identifier: BSD-3-Clause */
/* Which lane a device brings a connection's packets to. Main thread. */
#ifndef TERN_DATAPLANE_LANE_STEER_H
#define TERN_DATAPLANE_LANE_STEER_H

#include "dataplane/port.h"
#include "tcp/tcp.h"

/*
 * The lane of a 4-tuple, by the hash of the device that has its local address. A device that does
 * not tell its key and table (net_tap learns where a flow's packets leave) brings them to any: 0.
 */
unsigned int lane_steer(const struct port_device *ports, unsigned int n_ports, unsigned int n_lanes,
			const struct tcp_tuple *tuple);

/* Microsoft's hash over a packet's addresses and ports, which come from the remote end. */
uint32_t lane_steer_hash(const struct tcp_tuple *tuple, const uint8_t *key, bool with_ports);

#endif
