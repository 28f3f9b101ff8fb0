/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_tap without its signals.
 *
 * The driver has the kernel send a signal for each packet, and looks for packets only when a signal
 * has reached some thread of the process: the main thread is woken, on a processor that somebody
 * else needs, and the lane waits until it has run. A driver that no signal has ever reached looks
 * for packets in every poll. So none ever does.
 */
#ifndef DATAPLANE_PORT_TAP_H
#define DATAPLANE_PORT_TAP_H

/* Before EAL makes threads: they inherit that no such signal reaches them. */
void port_tap_block_signals(void);

/* When a device's queues are set up, before it is started: the kernel sends no more. */
void port_tap_stop_signals(void);

#endif
