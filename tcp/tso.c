/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segmentation of large sends.
 *
 * New data leaves in pieces of several segments, of which the last may be short, as large as Linux
 * makes its own: what goes out in about a millisecond at the pacing rate (pacing.c), more on short
 * paths, at least min_tso_segs, at most 64 KB and half of the congestion window. PSH is on the last
 * segment of each piece, so that receivers pass it on.
 *
 * A device that can (RTE_MBUF_F_TX_TCP_SEG) gets a piece as one packet and cuts it apart:
 *
 *     sent          [ record ][ record ][ record ][rec]   one for each segment, as without
 *     packet        IP TCP options | mss | mss | mss | rest
 *     on the wire   four segments; PSH and FIN on the last, sequence numbers and IPv4 IDs counted
 * up
 *
 * Only what was never sent leaves this way: what is sent again is single segments, as loss recovery
 * counts them out. All segments of a packet have one time of transmission, which is what the wire
 * sees, too; RACK orders them by their sequence numbers. How much one packet carries is bounded by
 * IP's length field, by what the device takes, in bytes, segments and mbufs, and a segment by the
 * mbufs of an ordinary packet: some devices count those per segment.
 *
 * Where the device cannot, who owns it may cut in its place (dataplane/cut.c).
 */
#include <rte_common.h>

#include "engine.h"

enum {
	IP_MAX_BYTES = 65535,
	HEADERS_BYTES = (int)sizeof(struct ip6_header) + TCP_MAX_HDR_BYTES,
};

/* Bytes that leave in 1024 us at the pacing rate, and what Linux grants to short paths on top. */
static uint64_t
bytes_at_once(const struct tcp_conn *c)
{
	uint32_t shift = c->rack.min_rtt_us >> 9;
	uint64_t bytes;

	if (c->rack.min_rtt_us != 0 && shift == 0)
		return TCP_TSO_MAX_BYTES;
	bytes = tcp_pacing_rate(c) >> 10;
	if (c->rack.min_rtt_us != 0 && shift < 32)
		bytes += (uint64_t)TCP_TSO_MAX_BYTES >> shift;
	return RTE_MIN(bytes, (uint64_t)TCP_TSO_MAX_BYTES);
}

unsigned int
tcp_tso_goal(const struct tcp_conn *c)
{
	uint32_t half = RTE_MAX(c->cwnd / 2, 1u), segs, least;

	segs = (uint32_t)bytes_at_once(c) / c->mss;
	least = c->cc->min_tso_segs != NULL ? c->cc->min_tso_segs(c)
					    : c->engine->config.min_tso_segs;
	return RTE_MIN(RTE_MAX(segs, least), half);
}

unsigned int
tcp_tso_segs(const struct tcp_conn *c, uint32_t segsz, unsigned int segs)
{
	uint32_t bytes = c->tso.max_bytes != 0 ? c->tso.max_bytes : IP_MAX_BYTES;
	unsigned int bufs =
		(c->tso.max_mbufs != 0 ? c->tso.max_mbufs : TCP_SEGS_PER_PACKET + 1) - 1;
	uint32_t left = c->unsent_bytes, off = c->unsent_off;
	struct rte_mbuf *m = c->unsent_m;
	unsigned int n;

	/* A device would repeat the urgent pointer in each segment. */
	if ((c->path_flags & TCP_PATH_TX_TSO) == 0 || (c->flags & CONN_URG_SEND) ||
	    bytes <= HEADERS_BYTES)
		return 1;
	bytes -= HEADERS_BYTES;
	if (c->tso.max_segs != 0 && segs > c->tso.max_segs)
		segs = c->tso.max_segs;
	for (n = 0; n < segs && left > 0; n++) {
		uint32_t len = RTE_MIN(left, segsz);
		unsigned int spanned = tcp_mbufs_spanned(m, off, len);
		/* The first one may be the last of the segment before. */
		unsigned int more = spanned - (n > 0 && off != m->data_off);

		if (spanned > TCP_SEGS_PER_PACKET || more > bufs || len > bytes)
			break;
		bufs -= more;
		bytes -= len;
		left -= len;
		tcp_position_advance(&m, &off, len);
	}
	return n > 0 ? n : 1;
}
