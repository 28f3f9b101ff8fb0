/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segmentation by the device: new segments that leave at once are one packet, which the device cuts
 * apart as RTE_MBUF_F_TX_TCP_SEG asks.
 *
 *     sent          [ record ][ record ][ record ][rec]      one for each segment, as without
 *     packet        IP TCP options | mss | mss | mss | rest
 *     on the wire   four segments; PSH and FIN on the last, sequence numbers and IPv4 IDs counted
 * up
 *
 * Only what was never sent leaves this way: what is sent again is single segments, as loss recovery
 * counts them out. All segments of a packet have one time of transmission, which is what the wire
 * sees, too; RACK orders them by their sequence numbers.
 *
 * Here: how much one packet carries. It is bounded by IP's length field, by what the device takes,
 * in bytes, segments and mbufs, and a segment by the mbufs of an ordinary packet: some devices
 * count those per segment. How much may leave at all is output.c's business.
 *
 * Left out: segmentation of a burst in software. The engine builds a header for each segment
 * anyway, which is all that rte_gso would do.
 */
#include "engine.h"

enum {
	IP_MAX_BYTES = 65535,
	HEADERS_BYTES = (int)sizeof(struct ip6_header) + TCP_MAX_HDR_BYTES,
};

unsigned int
tcp_tso_segs(const struct tcp_conn *c, uint32_t segsz, unsigned int segs)
{
	uint32_t bytes = c->tso.max_bytes != 0 ? c->tso.max_bytes : IP_MAX_BYTES;
	unsigned int bufs =
		(c->tso.max_mbufs != 0 ? c->tso.max_mbufs : TCP_SEGS_PER_PACKET + 1) - 1;
	uint32_t left = c->unsent_bytes, off = c->unsent_off;
	struct rte_mbuf *m = c->unsent_m;
	unsigned int n;

	if ((c->path_flags & TCP_PATH_TX_TSO) == 0 || bytes <= HEADERS_BYTES)
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
