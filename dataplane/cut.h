/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cuts packets into segments for devices that cannot, or do it wrong: what RTE_MBUF_F_TX_TCP_SEG
 * asks of a device, in software.
 */
#ifndef TERN_DATAPLANE_CUT_H
#define TERN_DATAPLANE_CUT_H

#include <rte_mbuf.h>

#include "dataplane/pools.h"

enum { CUT_MAX_SEGS = 64 };

/*
 * The segments of a frame that asks to be cut, complete with checksums, in their order; it stays as
 * it is, and the caller's. Returns how many they are: 0 without packet buffers, or if it would be
 * more than CUT_MAX_SEGS.
 */
unsigned int cut_frame(const struct lane_pools *pools, const struct rte_mbuf *frame,
		       struct rte_mbuf *segments[CUT_MAX_SEGS]);

#endif
