/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a passive observer on the link can hold two engines to. It sees each packet as it is sent
 * and as it arrives, and keeps of each connection what both sides must know by then:
 *
 *   - a packet is well-formed, its checksums are right, it fits the MTU and the peer's MSS;
 *   - first transmissions follow each other without a gap; what is sent again is what was sent;
 *     each byte is the one that its offset determines;
 *   - nothing is sent beyond the right edge of the window that the sender has been told
 *     (RFC 9293 §3.8.6), and no more segments than the initial window and what has arrived allow;
 *   - nothing is acknowledged, by number or by SACK block, that has never arrived (RFC 2018 §3);
 *   - no acknowledgment takes an earlier one back;
 *   - timestamps do not go back (RFC 7323 §4.1);
 *   - the right edge that a receiver offers does not move left (RFC 9293 §3.8.6, SHLD-14);
 *   - who has something outstanding does not fall silent for longer than its retransmission timer
 *     may back off to (RFC 6298 §5.5).
 *
 * Sequence numbers are held as 64-bit offsets from the ISS: SYN is 0, the first byte is 1.
 * Not looked at: resets, SYN-ACKs that a late SYN called forth, and a connection that its server
 * has given up and then, as whatever looks like the third segment of the handshake arrives, makes
 * again from a SYN cookie: it knows nothing of what went before.
 */
#ifndef TERN_TEST_OBSERVER_H
#define TERN_TEST_OBSERVER_H

#include "tcp/seq.h"
#include "tcp/tcp.h"

enum {
	OBSERVER_CONNS = 128,
	OBSERVER_PORT = 80, /* both sides listen there */
	OBSERVER_CANDIDATES = 16,
	OBSERVER_PAYLOAD_PERIOD = 65521,
};

struct observer_range {
	uint64_t start, end;
};

/* When what ends there was first sent. */
struct observer_first {
	uint64_t end, at_us;
};

/* What one side sends on a connection. */
struct observer_half {
	bool iss_known;
	seq_t iss;
	uint64_t sent_end;             /* of what was sent */
	uint64_t acked;                /* highest ACK that its sender has got */
	uint64_t edge;                 /* right edge that its sender has been told */
	uint64_t offered;              /* right edge that its receiver has offered */
	uint64_t resent_end;           /* of what was sent more than once */
	uint64_t arrived;              /* all before it has arrived */
	uint64_t told;                 /* highest ACK that its receiver has sent */
	struct observer_range *ranges; /* arrived beyond it, in order */
	unsigned int n_ranges, ranges_room;
	uint64_t first_segs, again_segs, arrived_segs;
	bool moved;           /* small segments that were in flight count as few large ones since */
	uint64_t again_below; /* who counts says: what is sent again of what ends before ... */
	uint64_t again_bytes; /* ... each time */
	bool fin_sent, fin_arrived;
	bool ts_known;
	uint32_t ts; /* the last timestamp */
	bool syn_sack, syn_timestamps;
	int syn_wscale; /* offered in its SYN; -1: none */
	uint16_t syn_mss;
	uint16_t path_mtu;     /* that an ICMP error told its sender; 0: none did */
	uint64_t last_sent_us; /* anything that its sender's timer sends */
	/* Its sender was acknowledged something, given more window, or told of it with nothing in
	 * flight. */
	uint64_t last_news_us;
	uint64_t busy_us; /* since when something is outstanding; UINT64_MAX: nothing is */
	struct observer_first *firsts; /* of what is not acknowledged, a ring */
	unsigned int firsts_head, n_firsts, firsts_room;
	bool sampled; /* its sender has been acknowledged data in a way that gave it a round trip */
	uint64_t sample_us; /* the longest round trip that its sender may have measured lately */
	uint64_t round_end; /* acknowledged beyond this, another round trip has passed */
	/*
	 * Since when its timer may have been backing off: each time-out is as long as all before
	 * it together, and one more. Only an unambiguous acknowledgment ends that (Karn).
	 */
	uint64_t chain_us;
};

struct observer_conn {
	bool used, established, reset;
	bool reborn; /* the server has forgotten it, and made it again from its SYN cookie */
	unsigned int client;                   /* side */
	uint16_t port;                         /* the client's */
	unsigned int start;                    /* of its payload in the pattern */
	seq_t candidates[OBSERVER_CANDIDATES]; /* ISS of SYN-ACKs, while not established */
	unsigned int n_candidates;
	/* Its SO_RCVBUF was changed: what no longer fits is dropped and the window shut, as Linux.
	 */
	bool may_shrink[2];
	uint64_t away_us[2]; /* since when the connection of a side is nowhere; 0: it is there */
	struct observer_half half[2]; /* by the side that sends */
};

struct observer {
	struct observer_conn conns[OBSERVER_CONNS];
	unsigned int n_conns;
	uint16_t mtu[2];
	bool may_shrink[2]; /* a side that may run out of memory takes offers back */
	uint64_t rto_us;    /* the longest first RTO that the link's round trip can cause */
	uint64_t again_segs, first_segs, silences_checked, zero_windows;
	/* Whether this side has made a connection from a SYN cookie. */
	bool (*had_cookie)(void *ctx, unsigned int side);
	void (*fail)(void *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
	void *ctx;
};

void observer_init(struct observer *o);
void observer_clear(struct observer *o);

/* A connection is about to be opened from this port of a side. NULL: no room. */
struct observer_conn *observer_open(struct observer *o, unsigned int client, uint16_t port);
/* By the client's side and port; NULL if it is not known. */
struct observer_conn *observer_find(struct observer *o, unsigned int client, uint16_t port);

void observer_sent(struct observer *o, uint64_t now_us, unsigned int side,
		   const struct rte_mbuf *m);
void observer_arrived(struct observer *o, uint64_t now_us, unsigned int side,
		      const struct rte_mbuf *m);
void observer_icmp(struct observer *o, unsigned int side, const struct tcp_icmp *icmp);

/*
 * To be told, from time to time, how many bytes a side's user has given to a connection that still
 * lives there.
 */
void observer_silence(struct observer *o, uint64_t now_us, struct observer_conn *c,
		      unsigned int side, uint64_t given_bytes);

/* A side's connection is nowhere from now on: what arrives for it is lost, and it may be silent. */
void observer_away(struct observer *o, uint64_t now_us, struct observer_conn *c, unsigned int side);
/* It is back; new_path: it finds out anew how large a packet may be. */
void observer_back(struct observer *o, uint64_t now_us, struct observer_conn *c, unsigned int side,
		   bool new_path);

/* The bytes that a side sends on a connection, from an offset on: at most OBSERVER_PAYLOAD_PERIOD.
 */
const uint8_t *observer_payload(const struct observer_conn *c, unsigned int side, uint64_t offset);

#endif
