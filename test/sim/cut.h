/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device does with a packet as it leaves: it computes the checksums that were left to it,
 * and cuts what is too large for the wire into segments (TSO). One that cuts repeats every header
 * field in each segment but these: sequence number and IPv4 ID count up, PSH and FIN are on the
 * last one only. The simplest devices know no more of TCP than that.
 */
#ifndef TERN_TEST_CUT_H
#define TERN_TEST_CUT_H

#include <rte_mbuf.h>

#include "tcp/tcp.h"

/* Segments that a packet becomes on the wire. */
unsigned int cut_segments(const struct rte_mbuf *packet);

/* Whether a device with these limits takes the packet. */
bool cut_is_within(const struct rte_mbuf *packet, const struct tcp_tso_limits *limits);

/* The i-th segment as it lies on the wire: contiguous, checksums complete. NULL without an mbuf. */
struct rte_mbuf *cut_segment(const struct rte_mbuf *packet, unsigned int i,
			     struct rte_mempool *pool);

#endif
