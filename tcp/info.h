/* SPDX-License-Identifier: BSD-3-Clause */
/* What a connection can tell of itself: TCP_INFO's values, and `tern ss`'s. */
#ifndef TERN_TCP_INFO_H
#define TERN_TCP_INFO_H

#include <stdint.h>

/* Bits of `options`. */
enum {
	TCP_DETAILS_TIMESTAMPS = 1,
	TCP_DETAILS_SACK = 2,
	TCP_DETAILS_WSCALE = 4,
	TCP_DETAILS_ECN = 8,
	TCP_DETAILS_ECN_SEEN = 16,
	TCP_DETAILS_SYN_DATA = 32, /* all payload of the SYN was taken: of ours, by the SYN-ACK */
	TCP_DETAILS_FASTOPEN_CHILD = 128, /* accepted before its handshake was finished */
};

/* Linux's struct tcp_info, member for member; times in microseconds unless they say otherwise. */
struct tcp_details {
	uint8_t state, ca_state, retransmits, probes, backoff, options;
	uint8_t wscales; /* the peer's in the low four bits, ours above */
	uint8_t flags;   /* bit 0: delivery_rate is limited by the application; bits 1 and 2: why
			    Fast Open failed: 1 no cookie, 2 data not acknowledged, 3 SYN sent again
			  */
	uint32_t rto, ato;
	uint32_t snd_mss, rcv_mss;                        /* bytes */
	uint32_t unacked, sacked, lost, retrans, fackets; /* segments; of a listener: its queue */
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv; /* ms ago */
	uint32_t pmtu, rcv_ssthresh;                                           /* bytes */
	uint32_t rtt, rttvar;
	uint32_t snd_ssthresh, snd_cwnd; /* segments */
	uint32_t advmss;                 /* bytes */
	uint32_t reordering;             /* segments */
	uint32_t rcv_rtt, rcv_space;
	uint32_t total_retrans;
	uint64_t pacing_rate, max_pacing_rate; /* bytes a second; all ones: none */
	uint64_t bytes_acked, bytes_received;
	uint32_t segs_out, segs_in;
	uint32_t notsent_bytes, min_rtt;
	uint32_t data_segs_in, data_segs_out;
	uint64_t delivery_rate; /* bytes a second */
	uint64_t busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce; /* segments */
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack;
	uint32_t snd_wnd, rcv_wnd; /* bytes */
	uint32_t rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time; /* ms */
	uint32_t received_ce;
	uint32_t accecn[7]; /* of Accurate ECN */
};

#endif
