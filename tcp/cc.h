/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion control: how large the congestion window should be. How loss is found and what is sent
 * again is loss recovery's business (recovery.c).
 *
 * A control sees one record for each acknowledgment that moved something, and the events of a loss.
 * It counts in segments, as Linux does. One that goes by rates rather than by losses, as BBR, has
 * control().
 */
#ifndef TERN_TCP_CC_H
#define TERN_TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_conn;

/* How fast the path delivered lately, as one acknowledgment shows it: rate.c. */
struct tcp_rate_sample {
	uint64_t prior_us;             /* when the interval began, at the receiving end */
	uint32_t prior_delivered_segs; /* the connection's delivered_segs then */
	uint32_t delivered_segs;       /* since; per interval_us that is the rate */
	uint32_t interval_us;          /* the longer of the next two */
	uint32_t send_us;              /* in which these segments were sent */
	uint32_t ack_us;               /* in which they were acknowledged */
	uint32_t last_end;             /* end of the record that it is taken from */
	uint32_t lost_segs;            /* taken for lost by this acknowledgment; valid or not */
	bool valid;                    /* it is a sample: else nothing above counts */
	bool app_limited;              /* the user sent too little to show the path's rate */
	bool of_retrans;               /* taken from a retransmission */
};

/* What one acknowledgment told. */
struct tcp_ack {
	uint64_t now_us;
	uint32_t acked_bytes;        /* newly acknowledged in sequence */
	uint32_t acked_segs;         /* transmissions newly acknowledged in sequence */
	uint32_t sacked_segs;        /* newly SACKed */
	uint32_t delivered_segs;     /* newly known to have arrived, in either way */
	uint32_t flight_before;      /* segments in flight before it */
	uint32_t marked_lost_before; /* the connection's marked_lost_segs before it */
	int64_t rtt_us;              /* sample from what was acknowledged in sequence; < 0: none */
	int64_t sack_rtt_us;         /* sample from what was SACKed; < 0: none */
	int64_t last_rtt_us;  /* of the last acknowledged, or if any was the last SACKed; < 0: none
			       */
	uint32_t fack_before; /* highest sequence number known to have arrived before it */
	uint32_t reordered_from; /* lowest that was overtaken; fack_before or above: none */
	bool acked_syn;          /* one of acked_segs is a SYN */
	bool una_advanced;
	bool is_dup;           /* a duplicate acknowledgment, RFC 5681 §2 */
	bool dsack;            /* something arrived twice */
	bool ece;              /* it echoes a mark of congestion, RFC 3168 */
	bool tlp_dsacked;      /* the loss probe did */
	bool original_arrived; /* something never sent again, from before the time-out */
	bool cwnd_limited;     /* the window, not the application, held us back */
	bool lone_short;       /* of one record, shorter than a full segment, and all of it */
	bool may_be_delayed;   /* the peer may have waited before he acknowledged */
	struct tcp_rate_sample rate;
};

struct tcp_cc_ops {
	const char *name;
	void (*start)(struct tcp_conn *c);
	/* A sample of the round trip may have come: before anything else is made of the
	 * acknowledgment, in each state; may be NULL. */
	void (*rtt)(struct tcp_conn *c, const struct tcp_ack *ack);
	/* Grows cwnd; not called while the window is being reduced. */
	void (*acked)(struct tcp_conn *c, const struct tcp_ack *ack);
	/* Data leaves with nothing in flight, idle_ms after the last; may be NULL. */
	void (*resumes)(struct tcp_conn *c, uint32_t idle_ms);
	/* The slow start threshold after a loss; at least 2. */
	uint32_t (*ssthresh)(struct tcp_conn *c);
	/* A retransmission time-out has happened; may be NULL. */
	void (*timeout)(struct tcp_conn *c);
	/*
	 * Takes the place of acked(), if it is not NULL: called for each acknowledgment that tells
	 * something, in every state, behind loss recovery (which finds what is lost and repairs it,
	 * but leaves cwnd alone: no proportional rate reduction, nothing taken back) and with its
	 * rate sample, ack->rate. It sets c->cwnd, and the rate by tcp_pacing_set_rate(); start()
	 * calls tcp_pacing_start(). c->ca_state tells it of recovery, timeout() of time-outs (cwnd
	 * is what is in flight and one more then), ssthresh() that a reduction begins.
	 */
	void (*control)(struct tcp_conn *c, const struct tcp_ack *ack);
	/* A reduction turned out to be unfounded; for those with control(), may be NULL. */
	void (*undone)(struct tcp_conn *c);
	/* Segments that leave at once, if they may; NULL: the configuration's min_tso_segs. */
	uint32_t (*min_tso_segs)(const struct tcp_conn *c);
};

/* Paces the connection from now on. */
void tcp_pacing_start(struct tcp_conn *c);

/* The rate of a connection under a control with control(), bytes a second, 0 or UINT64_MAX for no
 * pacing; SO_MAX_PACING_RATE bounds it. */
void tcp_pacing_set_rate(struct tcp_conn *c, uint64_t bytes_per_s);

/* Puts a connection under another control, which starts anew; cwnd and ssthresh stay. */
void tcp_cc_switch(struct tcp_conn *c, const struct tcp_cc_ops *cc);

/* By name, or NULL; NewReno also as "reno". */
const struct tcp_cc_ops *tcp_cc_find(const char *name);

/*
 * Slow start, RFC 5681 §3.1 with RFC 3465's byte counting without limit, as Linux: cwnd grows by
 * what was acknowledged. Returns the segments left over when ssthresh was reached.
 */
uint32_t tcp_cc_slow_start(struct tcp_conn *c, uint32_t acked_segs);

/* Congestion avoidance: one segment more for `per` of those acknowledged. */
void tcp_cc_avoid(struct tcp_conn *c, uint32_t per, uint32_t acked_segs);

extern const struct tcp_cc_ops tcp_cc_cubic;
extern const struct tcp_cc_ops tcp_cc_newreno;

#endif
