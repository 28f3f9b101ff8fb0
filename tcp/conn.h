/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine keeps of a connection, in its forms:
 *
 *     struct tcp_conn      a socket: closed, listening, opening, open, closing
 *     struct tcp_request   a SYN that was answered, before it became a connection
 *     struct tcp_timewait  what is left of a connection in TIME-WAIT
 *     struct tcp_bound     a local port that a socket holds, with a listener's queue
 *     struct tcp_hold      a local port that connections hold
 */
#ifndef TERN_TCP_CONN_H
#define TERN_TCP_CONN_H

#include <sys/queue.h>

#include "cc.h"
#include "fastopen_client.h"
#include "fastopen_server.h"
#include "mbufq.h"
#include "options.h"
#include "repair_conn.h"
#include "seq.h"
#include "smc_conn.h"
#include "tcp.h"
#include "timer_wheel.h"

/* Flags of a connection. */
enum {
	/* negotiated */
	CONN_TIMESTAMPS = 1u << 0, /* RFC 7323 §3, in every segment */
	CONN_WSCALE = 1u << 1,     /* RFC 7323 §2 */
	/* what is due at the next flush */
	CONN_ACK_NOW = 1u << 2,
	CONN_ACK_DELAYED = 1u << 3, /* an acknowledgment is owed, ack_at_us tells until when */
	CONN_SEND_PROBE = 1u << 4,  /* a zero-window probe, RFC 9293 §3.8.6.1 */
	/* the user */
	CONN_NODELAY = 1u << 5,
	CONN_MORE = 1u << 6,    /* the last send said MSG_MORE */
	CONN_ORPHAN = 1u << 7,  /* the user has closed */
	CONN_FIN_DUE = 1u << 8, /* the user will send no more: FIN follows the queue */
	CONN_FIN_SENT = 1u << 9,
	CONN_RD_SHUT = 1u << 10,      /* the user will read no more */
	CONN_CONNECT_DONE = 1u << 11, /* connect() has reported how the handshake ended */
	CONN_WANT_ROOM = 1u << 12,    /* tell the user when there is room to send again */
	CONN_REUSEADDR = 1u << 13,
	CONN_V6ONLY = 1u << 14,
	CONN_LINGER_RESET = 1u << 15, /* SO_LINGER with 0 seconds */
	CONN_FAMILY6 = 1u << 16,
	CONN_PEER_FIN = 1u << 17, /* the peer's FIN arrived in order */
	CONN_OPENING = 1u << 18,  /* made by a SYN with data, and the final ACK has not come */
	/* lists it is on */
	CONN_ON_DIRTY = 1u << 19,
	CONN_ON_EVENTS = 1u << 20,
	CONN_DEAD = 1u << 21,      /* freed; may still wait to leave these lists */
	CONN_ACCEPTING = 1u << 22, /* in its listener's accept queue */
	CONN_IN_FLOWS = 1u << 23,
	CONN_ACTIVE = 1u << 24,    /* opened by us */
	CONN_SACK = 1u << 25,      /* RFC 2018, negotiated */
	CONN_DSACK_DUE = 1u << 26, /* the next acknowledgment reports dsack, RFC 2883 */
	CONN_FIN_KNOWN = 1u << 27, /* the peer's FIN has been seen, in order or not */
	CONN_WAS_CONNECTED = 1u << 28,
	CONN_URG_SEND = 1u << 29, /* snd_up is set: segments before it carry the urgent pointer */
	CONN_URG_MARK = 1u << 30, /* urg_seq is set: the peer's urgent byte, not read past yet */
	CONN_CORK = 1u << 31,     /* TCP_CORK: hold a partial segment */
};

/* Of ECN, RFC 3168; without ECN_ON nothing else counts. */
enum {
	ECN_ON = 1 << 3,       /* asked for, then negotiated */
	ECN_SEEN = 1 << 0,     /* the peer's data has carried ECT or CE */
	ECN_ECHO = 1 << 1,     /* CE arrived: our segments say ECE until CWR comes */
	ECN_TELL_CWR = 1 << 2, /* our window was reduced: the next new data says CWR */
};

/* Loss recovery's state, in Linux's terms. */
enum tcp_ca_state {
	CA_OPEN,
	CA_DISORDER, /* something arrived out of order, or twice; nothing is known to be lost */
	CA_CWR,      /* the window is being reduced for another reason than loss */
	CA_RECOVERY, /* fast recovery, until snd_una reaches recover */
	CA_LOSS,     /* after a retransmission time-out, likewise */
};

/* The byte at the urgent mark, while CONN_URG_MARK. */
enum tcp_urg_state {
	URG_AWAITED,
	URG_HERE, /* urg_byte, to be read by MSG_OOB */
	URG_READ, /* by MSG_OOB */
};

/* What rtx_at_us is for. */
enum tcp_rtx_kind {
	RTX_TIMEOUT, /* RFC 6298; or persist, RFC 9293 §3.8.6.1, while nothing is in flight */
	RTX_REORDER, /* RACK waits for what may only be reordered, RFC 8985 §6.2 step 5 */
	RTX_TLP,     /* tail loss probe, RFC 8985 §7 */
};

/* Flags of a transmission record. */
enum {
	SENT_LOST = 1 << 0,         /* its first transmission is taken for lost */
	SENT_RETRANS = 1 << 1,      /* it has been sent again, and that is not taken for lost */
	SENT_EVER_RETRANS = 1 << 2, /* no RTT sample from it: Karn, RFC 6298 §3 */
	SENT_SYN = 1 << 3,
	SENT_FIN = 1 << 4,
	SENT_SACKED = 1 << 5,    /* the peer has it, RFC 2018 */
	SENT_IN_FLIGHT = 1 << 6, /* on the list by time */
	SENT_PSH = 1 << 7,       /* a write ended with it */
};

/* Of more_flags. */
enum {
	SENT_RATE_APP_LIMITED = 1 << 0, /* when it was sent, the user had too little to send */
	SENT_RATE_TAKEN = 1 << 1,       /* it has arrived once: no sample from it any more */
	SENT_JOINED = 1 << 2,           /* left in one piece with the record before it */
};

/*
 * One transmission awaiting acknowledgment; they cover [snd_una, snd_nxt) in order and without gap.
 * SYN and FIN, which take a sequence number and no byte, share a record with the bytes beside them.
 *
 * Those in flight, neither known to have arrived nor taken for lost, are also listed in the order
 * in which they were sent last: RACK looks at the oldest only.
 */
struct tcp_sent {
	TAILQ_ENTRY(tcp_sent) link; /* by sequence */
	uint64_t sent_us;           /* last time it was sent */
	struct rte_mbuf *m;      /* where its bytes start in the send queue; NULL without bytes */
	uint32_t earlier, later; /* by time, while SENT_IN_FLIGHT: their numbers, or SENT_NONE;
				    later, while SENT_SACKED: sent_find.c's */
	seq_t seq, end;
	uint32_t delivered_segs;   /* the connection's when it was sent last: rate.c */
	uint32_t delivered_ago_us; /* how long ago that had last grown then */
	uint32_t first_ago_us;     /* how long ago what had just arrived then had been sent */
	uint16_t data_off;         /* of its first byte in m, from buf_addr */
	uint8_t flags;
	uint8_t more_flags; /* SENT_RATE_..., SENT_JOINED */
};

TAILQ_HEAD(tcp_sent_list, tcp_sent);

static_assert(sizeof(struct tcp_sent) == 64, "a record is one cache line");

/* Records are numbered by their place in the slab: half of a pointer's size. */
enum { SENT_NONE = UINT32_MAX };

/* Those in flight, oldest transmission first. */
struct tcp_flight {
	uint32_t oldest, newest; /* their numbers, or SENT_NONE */
};

/* When what may leave does: pacing.c. */
struct tcp_pacing {
	uint64_t rate; /* bytes a second, as a congestion control set it; UINT64_MAX: none yet */
	uint64_t max_rate; /* SO_MAX_PACING_RATE; UINT64_MAX: not set */
	uint64_t product;  /* divided by srtt_us: the default rate; 0: none yet */
	uint64_t at_ns;    /* nothing leaves before, on the engine's clock */
	bool on;
};

/* How fast the path delivers: rate.c. */
struct tcp_rate {
	uint64_t first_sent_us; /* when what arrived last was sent, or the first of what is out */
	uint64_t delivered_us; /* when delivered_segs last grew, or the first of what is out left */
	uint32_t app_limited; /* until delivered_segs is beyond it, the user sends too little; 0: he
				 does not */
	uint32_t sample_segs; /* the sample that TCP_INFO shows: segments in sample_us */
	uint32_t sample_us;   /* 0: none yet */
	bool sample_app_limited;
	bool reneged; /* until the loss is recovered from: some may be counted twice */
};

/* To find records by sequence number: sent_find.c. */
enum { SENT_BUCKETS = 64, SENT_SHIFT_MAX = 26, SENT_HINTS = 4 };

struct tcp_sent_hint {
	seq_t seq;       /* looked for */
	uint32_t number; /* of the record that holds it, or SENT_NONE */
};

struct tcp_sent_index {
	bool on;
	uint8_t shift; /* a bucket is 2^shift bytes of sequence space, at most SENT_SHIFT_MAX */
	uint8_t next_hint;
	seq_t until;                  /* kept until this is acknowledged */
	uint32_t first[SENT_BUCKETS]; /* numbers of the first that begin in each, or SENT_NONE */
	struct tcp_sent_hint hints[SENT_HINTS];
};

/* A round trip, and when it was measured. */
struct tcp_rtt_at {
	uint32_t at_ms; /* of the engine's clock */
	uint32_t rtt_us;
};

/* RFC 8985 §5.3, in its names. */
struct tcp_rack {
	uint64_t xmit_us; /* when the latest sent of what has arrived was sent */
	seq_t end_seq;    /* its end */
	uint32_t rtt_us;
	uint32_t min_rtt_us; /* of the last minutes: min_rtt.c; 0: none */
	seq_t fack;          /* highest sequence number known to have arrived */
	seq_t dsack_round;   /* RACK.dsack_round: reo_wnd_mult grows once a round trip */
	uint8_t reo_wnd_mult;
	uint8_t reo_wnd_persist; /* recoveries until reo_wnd_mult falls back */
	bool reordering_seen;
	bool dsack_in_round;
};

/* RFC 6937, in its names; in segments. */
struct tcp_prr {
	uint32_t prior_cwnd; /* RecoverFS is its counterpart */
	uint32_t delivered;
	uint32_t out;
};

/* What it takes to see that a reduction of the window was unfounded, and to take it back. */
struct tcp_undo {
	bool possible;
	bool forbidden;      /* ECE came since: the reduction was founded */
	seq_t marker;        /* snd_una at the reduction */
	int32_t retrans;     /* retransmissions since, less those that a DSACK called needless */
	uint32_t retrans_ts; /* our timestamp at the first of them: RFC 3522; 0: none */
	uint32_t prior_cwnd;
	uint32_t prior_ssthresh;
};

/* Bytes [seq, seq + q.bytes) that arrived before what precedes them. */
struct tcp_range {
	TAILQ_ENTRY(tcp_range) link;    /* by sequence */
	TAILQ_ENTRY(tcp_range) by_news; /* latest first: RFC 2018 §4 */
	seq_t seq;
	struct mbufq q;
};

/* CUBIC's state: RFC 9438 §4.1 in its names, and HyStart's; windows in segments. */
struct tcp_cubic {
	uint32_t per;          /* segments to be acknowledged for one more in cwnd */
	uint32_t w_max;        /* 0: no loss yet, or a time-out since */
	uint32_t looked_cwnd;  /* cwnd when the curve was last looked at */
	uint32_t looked_ms;    /* when that was, of the engine's clock */
	uint32_t origin;       /* where the curve is flat */
	uint32_t k;            /* when that is, 1024ths of a second from epoch_ms */
	uint32_t epoch_ms;     /* when congestion avoidance began, while in_epoch */
	uint32_t w_est;        /* what Reno's cwnd would be */
	uint32_t reno_acked;   /* segments acknowledged towards its next increase */
	uint32_t delay_min_us; /* smallest RTT; 0: none yet */
	uint64_t round_us;     /* when HyStart's round began */
	uint64_t train_us;     /* when the last of its unbroken row of acknowledgments came */
	seq_t round_end;       /* the round ends when this is acknowledged */
	uint32_t round_rtt_us; /* smallest in this round */
	uint8_t round_samples; /* at most 8 */
	bool in_epoch;
	bool found; /* HyStart has ended slow start: once is enough */
};

/* The search for a path's MTU, RFC 4821; MTUs in bytes. */
struct tcp_mtu_search {
	seq_t start, end; /* of the probe under way, while size != 0 */
	uint32_t began_s; /* when it last began to look upward, seconds of the engine's clock */
	uint16_t low;     /* goes through */
	uint16_t high;    /* nothing larger does */
	uint16_t size;    /* of the probe under way; 0: there is none */
	bool on;
};

TAILQ_HEAD(tcp_range_list, tcp_range);

/* When to acknowledge: delack.c. */
struct tcp_delack {
	uint64_t last_data_us;   /* when payload arrived last in order */
	uint32_t ato_us;         /* how long an acknowledgment waits; 0: no payload yet */
	uint16_t last_seg_bytes; /* of the last segment smaller than rcv_mss; 0: it was not */
	uint8_t quick;           /* acknowledgments that are still to leave at once */
	bool pingpong;           /* both ends talk: wait for data that carries it */
	bool owed;               /* something has arrived since our last segment */
	bool pushed;             /* since then: a short segment, or a full one with PSH */
	bool pushed_twice;       /* since then: a short segment behind such a one */
};

/* How much is read in a round trip: rcv_autotune.c. */
struct tcp_autotune {
	uint64_t window_at_us; /* when window_end was set; 0: not yet */
	uint64_t space_at_us;  /* when space_seq was set */
	seq_t window_end;      /* right edge of the window then */
	seq_t space_seq;       /* first byte not read then */
	uint32_t space_bytes;  /* read in the best round trip so far */
	uint32_t rtt_us;       /* << 3; as the receiver sees it; 0: no sample yet */
	uint32_t last_echo;    /* TSecr of the last sample */
};

/* What the sender is held back by, the later ones taking precedence: chrono.c. */
enum tcp_chrono_kind {
	CHRONO_IDLE, /* nothing to send, nothing to be acknowledged */
	CHRONO_BUSY,
	CHRONO_RWND,   /* held back by the peer's window */
	CHRONO_SNDBUF, /* held back by our send buffer */
	CHRONO_KINDS,
};

struct tcp_chrono {
	uint64_t since_us; /* when kind began */
	uint64_t us[CHRONO_KINDS];
	uint8_t kind; /* enum tcp_chrono_kind */
};

/* How much of the congestion window is used: cwnd.c. */
struct tcp_cwnd_use {
	uint64_t since_us;     /* when it was last used up, or reduced for not being used */
	uint32_t used_segs;    /* most that were outstanding since */
	uint32_t max_out_segs; /* outstanding when `limited` was found */
	seq_t until;           /* `limited` holds until this is acknowledged */
	bool limited;          /* sending stopped because of cwnd */
};

enum { TCP_ZEROCOPY_ENDS = 8 };

/* zerocopy.c */
struct tcp_zerocopy {
	uint8_t n; /* of ends */
	bool due;  /* a report waits */
	bool on;   /* SO_ZEROCOPY */
	struct {
		seq_t end;         /* behind the last byte */
		uint32_t sends;    /* how many send() calls that stands for */
	} ends[TCP_ZEROCOPY_ENDS]; /* not acknowledged yet, rising */
	uint32_t reported;         /* numbers below have been or are to be reported */
	uint32_t report_first;     /* while due: up to reported - 1 */
};

/*
 *       acknowledged       sent, in flight        may be sent        not yet
 *     --------------- | -------------------- | ---------------- | -----------
 *                  snd_una                snd_nxt        snd_una + snd_wnd
 *
 *       read / queued      may arrive             not yet
 *     --------------- | -------------------- | -------------
 *                  rcv_nxt                rcv_adv = rcv_nxt + RCV.WND, never moves left
 */
struct tcp_conn {
	/* ---- cache line 0: every segment that arrives */
	seq_t rcv_nxt;
	seq_t rcv_adv; /* right edge of the window that we advertised last */
	seq_t rcv_wup; /* rcv_nxt when we last acknowledged (RFC 7323's Last.ACK.sent) */
	seq_t snd_una;
	seq_t snd_nxt;            /* next never sent; retransmissions do not move it back */
	seq_t snd_wl1;            /* SEG.SEQ of the last window update */
	uint32_t snd_wnd;         /* bytes, scaled */
	uint32_t max_wnd;         /* largest snd_wnd seen, bytes */
	uint32_t ts_recent;       /* TS.Recent, RFC 7323 §4.3 */
	uint32_t flags;           /* CONN_... */
	uint16_t mss;             /* bytes of payload in a full segment, options taken off */
	uint16_t rcv_mss;         /* estimate of the peer's full segment, bytes */
	uint8_t state;            /* enum tcp_state */
	uint8_t ca_state;         /* enum tcp_ca_state */
	uint8_t snd_wscale_shift; /* the peer's windows are shifted by this */
	uint8_t rcv_wscale_shift; /* ours are */
	uint8_t dupacks;          /* in a row */
	uint8_t backoffs;         /* RTOs or probes in a row without progress */
	uint8_t error;            /* errno to report, once */
	uint8_t ttl;
	bool frozen;       /* in repair: its entry in the flow table is FLOW_FROZEN */
	uint8_t clc_phase; /* enum tcp_clc_phase */
	struct tcp_engine *engine;

	/* ---- cache line 1: sending */
	struct mbufq sendq;        /* from snd_una on: sent and unsent bytes */
	struct rte_mbuf *unsent_m; /* where the first byte never sent lies; NULL: none queued */
	uint32_t unsent_off;       /* its offset from buf_addr */
	uint32_t unsent_bytes;
	uint32_t cwnd;      /* segments */
	uint32_t ssthresh;  /* segments; UINT32_MAX: not set yet */
	uint32_t sent_segs; /* transmissions awaiting acknowledgment */
	uint32_t lost_segs; /* of those: taken for lost */

	/* ---- cache lines 2 and 3: receiving, and the headers of what we send */
	struct mbufq recvq; /* up to rcv_nxt: not yet read */
	struct tcp_tuple tuple;
	uint32_t hop;              /* env's */
	uint32_t paths_generation; /* engine's when hop was found */
	uint16_t path_flags;
	uint16_t mtu;       /* bytes */
	uint32_t ts_offset; /* our timestamps are the engine's milliseconds plus this */
	struct tcp_tso_limits tso;
	struct tcp_conn *dirty_next;
	struct tcp_conn *events_next;
	struct tcp_sent_list sent; /* awaiting acknowledgment, by sequence */
	uint32_t srtt_us;          /* << 3; 0: no sample yet */
	uint32_t rttvar_us;        /* << 2: of the time-out; this and the next three: rtt.c */

	/* ---- warm: what each request and its answer use besides, prefetched together.
	 * what was sent, and is to be */
	uint32_t rto_us;
	uint32_t mdev_us;         /* << 2: the mean deviation of round trips */
	uint32_t mdev_max_us;     /* the largest mdev_us of this round trip, at least rto_min_us */
	seq_t rtt_seq;            /* beyond it a round trip has passed */
	uint32_t retrans_segs;    /* transmissions sent again and in flight */
	uint32_t unrepaired_segs; /* lost, and not yet sent again */
	uint32_t sacked_segs;     /* of the sent ones: known to have arrived, or, without SACK, as
				     many as duplicate acknowledgments tell of */
	struct tcp_flight in_flight;  /* by time */
	struct tcp_sent *repair_from; /* nothing before it is unrepaired */
	struct tcp_rack rack;
	struct tcp_undo undo;
	seq_t recover;       /* RFC 6582: highest sequence sent when recovery began */
	seq_t snd_sml;       /* end of the last partial segment sent: Minshall's form of Nagle */
	uint8_t rtx_kind;    /* enum tcp_rtx_kind */
	uint8_t ecn;         /* ECN_... */
	bool frto;           /* RFC 5682: this time-out may have been spurious */
	bool frto_new_first; /* its step 2b: send new data before what may be lost */
	bool tlp_sent;
	bool tlp_is_retrans;
	uint8_t retries;       /* retransmission time-outs in a row without progress */
	uint8_t probes;        /* sent in a row without any answer */
	uint8_t soft_error;    /* errno of the last ICMP error that did not end it */
	seq_t pushed_seq;      /* what is queued has PSH up to here */
	uint32_t piece_filled; /* bytes in the last piece of what is unsent, at most that much */
	uint16_t snd_ratio;    /* of send queue memory in SO_SNDBUF terms, of 65536: a 16th over the
				  payload */
	bool eor_used;         /* MSG_EOR was: the queue may hold MBUF_EOR marks */
	uint8_t tos;           /* IP_TOS or IPV6_TCLASS, without the ECN field */
	uint32_t sndbuf_bytes;
	uint32_t notsent_lowat_bytes; /* TCP_NOTSENT_LOWAT; 0: the engine's default */
	uint32_t heard_ms;            /* when the peer's last acceptable acknowledgment came */

	/* the rate and the window */
	struct tcp_rate rate;
	uint32_t delivered_segs;       /* over the connection's life, SACKed ones and the SYN too */
	uint32_t marked_lost_segs;     /* over the connection's life; of retransmissions, too */
	uint32_t reordering;           /* segments by which the path may reorder */
	struct tcp_rtt_at min_rtts[3]; /* min_rtt.c */
	struct tcp_pacing pacing;
	const struct tcp_cc_ops *cc;
	struct tcp_cubic cubic;
	struct tcp_cwnd_use cwnd_use;
	uint32_t cwnd_count; /* segments acknowledged towards the next increase */

	/* timers */
	struct wheel_timer timer; /* fires no later than the earliest of the five below */
	uint64_t rtx_at_us;       /* retransmission or persist; UINT64_MAX: off */
	uint64_t ack_at_us;       /* delayed ACK */
	uint64_t life_at_us;      /* FIN-WAIT-2 of an orphan; of others, CLC's wait */
	uint64_t keep_at_us;      /* keep-alive */
	uint64_t pace_at_us;      /* the next slot, while something waits for it */
	uint64_t
		progress_us; /* when something unacknowledged was first sent or last acknowledged */
	uint32_t rto_max_ms; /* TCP_RTO_MAX_MS */
	uint32_t rto_min_us; /* TCP_RTO_MIN_US */

	/* receiving */
	struct tcp_range_list ranges; /* out of order, by sequence */
	union {
		void *user;                   /* what notify() passes along */
		struct tcp_conn *accept_next; /* while CONN_ACCEPTING */
	};
	uint32_t ranges_charge;
	uint32_t rcvbuf_bytes; /* SO_RCVBUF: memory, see rcv_window.c */
	uint32_t window_clamp; /* bytes; 0: not set, before connecting */
	uint32_t rcv_ssthresh; /* bytes that are offered at most now */
	uint32_t ts_recent_s;  /* when ts_recent was set, seconds of the engine's clock */
	struct tcp_delack delack;
	struct tcp_autotune autotune;
	uint32_t rcvlowat_bytes; /* SO_RCVLOWAT, at least 1 */
	int peek_off;            /* SO_PEEK_OFF: where MSG_PEEK looks next; negative: the front */
	uint16_t adv_mss;        /* bytes: as announced, options taken off */
	uint16_t n_ranges;       /* at most RANGES_MAX of receive.c */
	uint8_t rcv_ratio;       /* bytes of window for 256 bytes of buffer memory; not 0 */
	bool window_waits;       /* ack_at_us is for looking whether the lane has buffers again */
	bool window_shut; /* we ran out of memory and offer 0, right of rcv_adv notwithstanding */
	uint8_t dupacks_due; /* duplicate ACKs owed to a peer without SACK */

	/* what TCP_INFO tells, all over the connection's life */
	uint64_t bytes_acked;
	uint64_t bytes_received;
	uint64_t bytes_sent; /* retransmissions included */
	uint32_t segs_in, segs_out, data_segs_in, data_segs_out;
	uint32_t last_data_sent_ms; /* of the engine's clock */
	uint32_t last_data_recv_ms;
	struct tcp_chrono chrono;

	/* of these only how they begin */
	struct tcp_mtu_search mtu_search;
	struct tcp_zerocopy zerocopy;
	struct tcp_sent_index sent_index;

	/* ---- cold */
	struct tcp_prr prr;
	struct tcp_range_list news;  /* of ranges */
	struct tcp_sack_block dsack; /* while CONN_DSACK_DUE */
	uint32_t delivered_ce_segs;  /* of delivered_segs: by acknowledgments with ECE */
	seq_t tlp_end_seq;           /* RFC 8985 §7.2; while tlp_sent */
	uint64_t rtx_since_us;       /* while retries > 0: when the first of them left */
	struct tcp_bound *bound;     /* the local port that it was bound to, or listens at */
	struct tcp_hold *hold;       /* without bound: its share in its port, while in flows */
	struct ip_addr bind_ip;      /* what bind() said; any: nothing */
	uint32_t port_range;         /* IP_LOCAL_PORT_RANGE: first, and last << 16; 0: all */
	uint32_t uid;                /* of its user: only one's own sockets share by SO_REUSEPORT */
	bool bind_address_no_port;   /* IP_BIND_ADDRESS_NO_PORT */
	bool freebind;               /* IP_FREEBIND */
	bool transparent;            /* IP_TRANSPARENT */
	bool recverr;                /* IP_RECVERR */
	bool no_txrehash;            /* SO_TXREHASH 0 */
	uint8_t rx_timestamp;        /* SO_TIMESTAMP and its kin: which; 0: none */
	uint32_t kept;               /* switches that sockopt_kept.c keeps, a bit each */
	uint32_t busy_poll_us;       /* SO_BUSY_POLL */
	int incoming_cpu;            /* SO_INCOMING_CPU */
	int64_t rcvtimeo_ms;         /* SO_RCVTIMEO; INT64_MAX: for ever */
	int64_t sndtimeo_ms;         /* SO_SNDTIMEO, likewise */
	uint64_t cookie;             /* SO_COOKIE; 0: nobody has asked yet */
	struct tcp_bound *parent;    /* the listener whose accept queue it is in */
	uint64_t accept_us;          /* since when it is; 0: it is not */
	seq_t iss;
	seq_t irs;
	uint32_t rcv_ooopack; /* segments that arrived out of order, over the connection's life */
	bool rcvbuf_locked;   /* SO_RCVBUF was set: no autotuning */
	uint32_t user_timeout_ms;
	uint32_t retransmits;
	uint16_t link_mtu;    /* bytes; of the first hop, mtu is never more */
	uint8_t mtu_discover; /* IP_MTU_DISCOVER */
	uint16_t keepidle_s;  /* TCP_KEEPIDLE; 0: the configuration's */
	uint16_t keepintvl_s; /* TCP_KEEPINTVL, likewise */
	int16_t linger2_s;    /* TCP_LINGER2; 0: the configuration's, below: none at all */
	bool keepalive;       /* SO_KEEPALIVE */
	bool oob_inline;      /* SO_OOBINLINE */
	uint8_t urg_state;    /* enum tcp_urg_state */
	uint8_t urg_byte;     /* while URG_HERE */
	seq_t urg_seq;        /* while CONN_URG_MARK */
	seq_t snd_up;         /* SND.UP, behind our urgent byte; while CONN_URG_SEND */
	bool reuseport;       /* SO_REUSEPORT */
	bool linger_on;       /* SO_LINGER */
	int linger_s;         /* its seconds, as last said while it was on */
	uint8_t syn_retries;  /* TCP_SYNCNT; 0: the configuration's, also for SYN-ACKs */
	uint8_t defer_accept; /* TCP_DEFER_ACCEPT, as SYN-ACKs that may go unanswered; 0: off */
	uint16_t user_mss;    /* TCP_MAXSEG; 0: not set */
	uint16_t peer_mss;    /* from its SYN */
	uint8_t keepcnt;      /* TCP_KEEPCNT; 0: the configuration's */
	seq_t fin_seq;        /* of the peer's FIN, while CONN_FIN_KNOWN */
	uint32_t oow_ack_ms;  /* when an unacceptable segment was last answered */
	uint16_t syn_wnd;     /* offered in our SYN or SYN-ACK, bytes */
	bool sndbuf_locked;   /* SO_SNDBUF was set: no autotuning */
	bool wants_inq;       /* TCP_INQ */
	bool write_expected;  /* somebody waits for the handshake in order to write: its last ACK
				 leaves with his bytes */
	uint32_t mark;        /* SO_MARK */
	uint32_t priority;    /* SO_PRIORITY */
	struct tcp_fastopen_client fastopen;
	struct tcp_fastopen_server fastopen_server;
	struct tcp_request *opening; /* while CONN_OPENING */
	struct tcp_repair repair;
	struct tcp_smc smc;
	uint64_t bytes_retrans;
	uint32_t dsack_dups; /* D-SACK reports received */
	uint32_t reord_seen; /* acknowledgments that showed reordering */
	uint16_t total_rtos; /* retransmission time-outs */
} __attribute__((aligned(64)));

static_assert(offsetof(struct tcp_conn, sendq) == 64, "arrival has one cache line");
static_assert(offsetof(struct tcp_conn, recvq) == 128, "sending has one cache line");
static_assert(offsetof(struct tcp_conn, rto_us) == 256, "the hot part is four cache lines");

/* Where what an ordinary request touches ends: the first line of sent_index. */
enum { TCP_CONN_WARM_BYTES = (offsetof(struct tcp_conn, sent_index) + 64) / 64 * 64 };

static_assert(TCP_CONN_WARM_BYTES <= 18 * 64, "the warm part is fourteen");

enum tcp_request_use {
	REQUEST_HALF_OPEN, /* in the flow table */
	REQUEST_CHILD,     /* its connection is there already: fastopen_server.c */
	REQUEST_GUARD,     /* what is left of one of those that was reset */
};

/* A handshake that a peer began and has not finished: SYN-RECEIVED without the price of a socket.
 */
struct tcp_request {
	struct wheel_timer timer;
	struct tcp_tuple tuple;
	uint32_t hash; /* of tuple */
	struct tcp_bound *listener;
	union {
		uint64_t sent_us;        /* when the SYN-ACK left first: the first RTT sample */
		uint64_t guard_until_us; /* REQUEST_GUARD */
	};
	union {
		struct tcp_conn *child; /* REQUEST_CHILD; listener is NULL once that has gone */
		struct tcp_request *next_guard; /* REQUEST_GUARD */
	};
	seq_t irs, iss;
	uint32_t ts_recent;
	uint32_t ts_offset;
	uint32_t snd_wnd; /* of the SYN, not scaled */
	uint32_t hop;
	uint32_t paths_generation;
	uint32_t oow_ack_ms;
	uint32_t rcv_wnd;   /* as offered in the SYN-ACK */
	uint32_t rcv_clamp; /* of the connection that it becomes: its window_clamp */
	uint16_t mtu;
	uint16_t path_flags;
	struct tcp_tso_limits tso;
	uint16_t peer_mss;
	uint8_t snd_wscale_shift;
	uint8_t rcv_wscale_shift;
	uint8_t retries;
	bool timestamps;
	bool wscale;
	bool ecn; /* RFC 3168: granted */
	bool sack;
	bool smc;    /* RFC 7609: in the SYN, and to be in the SYN-ACK */
	bool acked;  /* the final ACK came and was ignored: TCP_DEFER_ACCEPT, full accept queue */
	uint8_t use; /* enum tcp_request_use */
	uint32_t syn_bytes; /* of the SYN's payload: what the SYN-ACK acknowledges */
};

/* TIME-WAIT, RFC 9293 §3.6.1. All last equally long, so the oldest is always the first to end. */
struct tcp_timewait {
	TAILQ_ENTRY(tcp_timewait) link;
	struct tcp_tuple tuple;
	uint32_t hash; /* of tuple */
	uint64_t ends_us;
	uint64_t acked_us; /* when it last acknowledged */
	seq_t snd_nxt, rcv_nxt;
	uint16_t wnd; /* to advertise, as on the wire */
	uint32_t oow_ack_ms;
	uint32_t ts_recent;
	uint32_t ts_offset;
	struct tcp_hold *hold; /* its share in its port */
	bool timestamps;
};

TAILQ_HEAD(tcp_timewait_list, tcp_timewait);

/* What an ICMP error told of the path to a destination: pmtu.c. */
struct tcp_pmtu {
	struct ip_addr remote;
	uint32_t until_s; /* it holds, in seconds of the engine's clock */
	uint16_t mtu;     /* bytes; 0: the entry is free, and until_s is 0 */
};

/*
 * A local address and port that connections have without a bound socket of their own, and those in
 * TIME-WAIT: one for all that are alike.
 */
struct tcp_hold {
	struct tcp_hold *next; /* of the same hash bucket */
	struct ip_addr ip;
	uint32_t uid;    /* 0 in TIME-WAIT */
	uint32_t shares; /* how many have it, at least 1 */
	uint16_t port;
	uint8_t kind; /* HOLD_… of ports.c */
};

/* A local port that a socket holds by bind() or listen(). */
struct tcp_bound {
	struct tcp_bound *next; /* of the same hash bucket */
	struct tcp_conn *c;
	struct tcp_endpoint local;
	bool listening;
	bool chosen;     /* by the engine: given back when the socket becomes CLOSED */
	bool everywhere; /* other engines have a listener like it */
	int backlog;
	uint32_t requests;       /* half-open ones of this listener */
	uint32_t waiting;        /* in the accept queue */
	uint64_t cookie_sent_us; /* when a SYN was last answered by a cookie; 0: never */
	uint64_t arrived;        /* that ever entered the accept queue */
	struct tcp_conn *accept_head, *accept_tail;
	struct tcp_fastopen_queue fastopen;
	struct tcp_conn *clc_head; /* connections that talk CLC before they are accepted */
	uint32_t in_clc;           /* how many they are */
};

#endif
