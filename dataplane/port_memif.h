/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_memif's MTU.
 *
 * The driver reports Ethernet's, and has no call to set another; what it carries is what a buffer
 * of its shared memory holds, the device's argument `bsize`. A frame in several buffers it mixes up
 * with others when its ring is full, and with later ones, by a flag that it does not clear. So the
 * MTU is what leaves a frame whole.
 */
#ifndef DATAPLANE_PORT_MEMIF_H
#define DATAPLANE_PORT_MEMIF_H

#include <rte_ethdev.h>

/* Whether it is one; if so, corrects what the driver said of itself. */
bool port_memif_correct(struct rte_eth_dev_info *info);

/* The largest MTU by the arguments of a memif. They are the user's. */
uint16_t port_memif_max_mtu(const char *arguments);

#endif
