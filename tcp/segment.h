/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A received segment, parsed: what RFC 9293 §3.10 calls SEG.SEQ, SEG.ACK, SEG.LEN, SEG.WND.
 */
#ifndef TERN_TCP_SEGMENT_H
#define TERN_TCP_SEGMENT_H

#include <rte_mbuf.h>

#include "ip_addr.h"
#include "options.h"
#include "seq.h"

struct tcp_segment {
	struct tcp_tuple tuple; /* local is the destination */
	seq_t seq;
	seq_t ack;
	uint32_t hash; /* of the tuple, flow_hash()'s: the burst's */
	uint32_t len;  /* bytes of payload; SYN and FIN are not counted */
	uint32_t
		seg_bytes; /* of payload in each segment that a device made this one of; else len */
	uint16_t urg;      /* the urgent pointer, while TCP_URG */
	uint16_t wnd;      /* as on the wire, not scaled */
	uint8_t flags;     /* TCP_FIN ... */
	uint8_t ecn;       /* the IP header's ECN field, IP_ECN_... */
	uint8_t reserved;  /* the TCP header's reserved bits: AccECN's AE is the lowest */
	uint8_t hdr_bytes; /* of the TCP header with options */
	bool was_syn;      /* SYN was set on arrival: the window is not scaled */
	struct tcp_options opt;
	struct rte_mbuf *m; /* data_off at the payload; NULL once somebody took it */
};

enum tcp_parse {
	TCP_PARSE_OK,
	TCP_PARSE_SHORT,
	TCP_PARSE_DATA_OFFSET,
	TCP_PARSE_CHECKSUM,
	TCP_PARSE_BAD_OPTION,
	TCP_PARSE_BAD_SOURCE,
};

/*
 * Parses the IP packet in m (see tcp_input()) and moves its data_off to the payload. On failure m
 * stays the caller's, as it was.
 */
enum tcp_parse tcp_segment_parse(struct rte_mbuf *m, struct tcp_segment *seg);

/* SEG.LEN as sequence numbers count it. */
static inline uint32_t
tcp_segment_seqlen(const struct tcp_segment *seg)
{
	return seg->len + ((seg->flags & TCP_SYN) != 0) + ((seg->flags & TCP_FIN) != 0);
}

#endif
