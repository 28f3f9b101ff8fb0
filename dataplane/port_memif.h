/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of net_memif, of DPDK 22.11, is to be known.
 *
 * The driver reports Ethernet's MTU, and has no call to set another; what it carries is what a
 * buffer of its shared memory holds, the device's argument `bsize`. A frame in several buffers it
 * mixes up with others when its ring is full, and with later ones, by a flag that it does not
 * clear. So the MTU is what leaves a frame whole.
 *
 * With `zero-copy=yes` a client shows its server all of EAL's memory and copies nothing: the server
 * reads frames where they lie, and writes into the client's mbufs. Then the driver
 *
 *   - takes four frames without asking whether there is room for their mbufs, so it may have up to
 *     four at a time, which it asks for one by one (PORT_MEMIF_BURST);
 *   - gives the server room for frames by 32 at least, so its rings must have twice as many;
 *   - frees what the server has read when it is called to send, so it is called, now and then, when
 *     there is nothing to send; and keeps the frames of its rings for ever when it is closed;
 *   - knows one piece of memory, of less than 4 GB, as it is when the server is found
 *     (port_memif_share_memory());
 *   - closes the descriptor of that memory, which is EAL's: it is given one to close.
 */
#ifndef DATAPLANE_PORT_MEMIF_H
#define DATAPLANE_PORT_MEMIF_H

#include <rte_ethdev.h>

enum {
	PORT_MEMIF_BURST = 4,
	PORT_MEMIF_RING_MIN = 64,
};

/* Whether it is one; if so, corrects what the driver said of itself. */
bool port_memif_correct(struct rte_eth_dev_info *info);

/* Whether it is one that does not copy. */
bool port_memif_zero_copy(const struct rte_eth_dev_info *info);

/* Of one that does not copy: frames in a ring. */
unsigned int port_memif_ring_frames(const struct rte_eth_dev_info *info);

/*
 * Before one that does not copy starts: sees to it that the server finds all that mbufs will refer
 * to. Returns NULL, or why that cannot be.
 */
const char *port_memif_share_memory(void);

/* By the arguments of a memif, which are the user's. */
uint16_t port_memif_max_mtu(const char *arguments);
bool port_memif_copies_nothing(const char *arguments);

#endif
