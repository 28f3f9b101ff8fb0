/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: one ethdev, with a receive and a transmit queue for each lane.
 *
 * Offloads are asked for only if the device offers them; what it does not do is done in software.
 * Main thread only, but for the fields that lanes read and nobody writes after port_start().
 */
#ifndef TERN_DATAPLANE_PORT_H
#define TERN_DATAPLANE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_ring.h>

#include "dataplane/config.h"
#include "dataplane/pools.h"
#include "dataplane/port_ring.h"
#include "tcp/tcp.h"

struct port_device {
	unsigned int index; /* N of [port N] */
	uint16_t id;        /* ethdev's */
	uint16_t mtu;
	uint16_t path_flags; /* TCP_PATH_... */
	struct tcp_tso_limits tso;
	uint16_t tx_most; /* frames that the driver is given at a time; 0: any number */
	bool keeps_sent;  /* it frees what it sent only when it is called again, see port_memif.h */
	unsigned int kept; /* mbufs of each kind that it does not give back when it is closed */
	bool multi_seg;    /* transmits packets of several mbufs */
	bool cut;          /* packets that are to be cut into segments are cut first: cut.h */
	bool prepare;      /* packets pass rte_eth_tx_prepare() first */
	bool configured;
	bool started;
	bool link_up;    /* as last told to lanes */
	bool rss;        /* it was asked to spread what it receives over its queues */
	bool untold_mtu; /* the driver takes frames of any MTU that info allows, but not the MTU */

	/*
	 * Its lanes, and its queues of each direction, no more than those. Queue i is lanes[i]'s;
	 * a lane beyond the queues sends by that of another, into whose ring it puts its frames.
	 */
	unsigned int n_lanes, queues;
	uint8_t lanes[CONFIG_MAX_LANES];
	struct rte_ring *tx_rings[CONFIG_MAX_LANES]; /* of each queue, where lanes share it */
	struct port_ring ring; /* of a device that is a ring's end; .done is NULL otherwise */
	struct rte_ether_addr mac;
	char name[RTE_ETH_NAME_MAX_LEN];
	const char *driver;
	struct rte_eth_dev_info info;
	const struct config_port *config;
};

/* Finds the device of [port index], and what it is. Returns 0, or -1 after telling why not. */
int port_probe(struct port_device *port, unsigned int index, const struct config *config);

/* Configures its queues, lane i receiving into pools[i]; with interrupts for lanes that sleep.
 * Returns 0, or -1 after telling why not. */
int port_configure(struct port_device *port, unsigned int lanes,
		   const struct lane_pools *const *pools, const int *socket_ids,
		   enum config_idle idle);

/* Starts it, and has it receive what Neighbour Discovery needs. Returns as above. */
int port_start(struct port_device *port);

/* Asks for the state of the link; true if it is not port->link_up any more, which is set. */
bool port_link_changed(struct port_device *port);

/* Stops and closes it. */
void port_close(struct port_device *port);

#endif
