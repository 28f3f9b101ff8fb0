/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's inside: one lane's state, and the functions that its files offer to each other. Who
 * implements what is said above each group.
 */
#ifndef TERN_TCP_ENGINE_H
#define TERN_TCP_ENGINE_H

#include "conn.h"
#include "fastopen_cache.h"
#include "fastopen_guard.h"
#include "flow.h"
#include "fold.h"
#include "mute.h"
#include "segment.h"
#include "slab.h"

enum {
	TCP_TX_BURST = 64,
	TCP_BOUND_BUCKETS = 256,
	TCP_HOLD_BUCKETS = 4096,
	TCP_MSS_DEFAULT4 = 536, /* RFC 9293 §3.7.1, if the peer says nothing */
	TCP_MSS_DEFAULT6 = 1220,
	TCP_MSS_MIN = 48,          /* below it we do not go, whatever the peer says */
	TCP_INITIAL_CWND = 10,     /* RFC 6928 */
	TCP_DELACK_US = 40 * 1000, /* as Linux's TCP_DELACK_MIN */
	TCP_DELACK_MAX_US = 200 * 1000,
	TCP_STARVED_USER_US = 1000, /* a user who got no mbuf tries again */
	TCP_RTO_INITIAL_US = 1000 * 1000,
	TCP_RTO_FALLBACK_US = 3000 * 1000, /* RFC 6298 §5.7 */
	TCP_RTO_MIN_US = 200 * 1000,       /* as Linux; RFC 6298 has 1 s */
	TCP_RTO_MAX_US = 120 * 1000 * 1000,
	TCP_SEGS_PER_PACKET = 7, /* mbufs behind the header of one packet: i40e takes no more */
};

struct tcp_engine {
	uint64_t now_us;
	uint32_t now_ms; /* timestamps' clock */
	uint32_t paths_generation;
	struct flow_table flows;
	struct timer_wheel wheel;
	struct tcp_conn *dirty_head, *dirty_tail; /* have something to send */
	struct tcp_conn *more_head, *more_tail;   /* of those, have had their turn in this flush */
	struct tcp_conn *events_head, *events_tail; /* have news for their user */
	struct rte_mbuf *tx[TCP_TX_BURST];
	unsigned int n_tx;
	uint32_t held_bufs;   /* receive mbufs in queues */
	uint32_t queued_bufs; /* mbufs in send queues */
	bool no_data_mbuf;    /* a packet got none; until queued ones are freed */
	bool flushing;        /* who has more to send than a flush takes waits for the next */
	struct tcp_stats stats;

	struct tcp_config config;
	struct tcp_env env;
	struct slab conns, requests, timewaits, bounds, holds, sents, ranges;
	struct tcp_timewait_list timewait_list;
	uint64_t timewait_next_us; /* when the first of the list ends */
	struct tcp_mutes mutes;
	struct tcp_folds folds;
	struct tcp_pmtu *pmtus; /* learned path MTUs: pmtu.c */
	uint32_t pmtus_used;
	uint64_t pmtu_next_us; /* when one of them may end */
	struct fastopen_cache fastopen_cache;
	struct tcp_fastopen_guard fastopen_guard; /* until_us is not kept */
	struct tcp_bound *bound_buckets[TCP_BOUND_BUCKETS];
	struct tcp_hold *hold_buckets[TCP_HOLD_BUCKETS];
	const struct tcp_cc_ops *cc;
	uint64_t cookies; /* SO_COOKIEs given out */
	uint32_t listeners;
	uint32_t orphans;
	uint8_t numbers_secret[16], port_secret[16], pmtu_secret[16];
	uint8_t cookie_secrets[2][16];
	struct tcp_fastopen_keys fastopen_drawn_key; /* where the configuration has none */
	uint32_t fastopen_requests;  /* of the requests: all but REQUEST_HALF_OPEN */
	struct tcp_tuple port_tuple; /* whose port_offset is */
	uint32_t port_offset;
	uint16_t port_next; /* RFC 6056 §3.3.3's increment */
	uint16_t ip_id;
};

/* One writer, this lane; readers elsewhere see each counter whole. */
#define TCP_ADD(e, name, n)                                                                        \
	__atomic_store_n(&(e)->stats.name, (e)->stats.name + (uint64_t)(n), __ATOMIC_RELAXED)
#define TCP_COUNT(e, name) TCP_ADD(e, name, 1)

/* ---- fold.c */

/* Something happens: what is idle now, wherever it lies, may be folded later. */
static inline void
tcp_fold_wake(struct tcp_engine *e)
{
	e->folds.young = true;
	if (e->folds.next_us == UINT64_MAX && e->config.fold_after_ms != 0)
		e->folds.next_us = e->now_us + e->config.fold_after_ms * UINT64_C(1000) / 2;
}

/* Whether one more connection may be made: those that are folded need a place now and then. */
static inline bool
tcp_fold_leaves_room(const struct tcp_engine *e)
{
	return e->conns.used + e->folds.n < e->config.max_conns &&
	       (e->folds.pressed_at == UINT32_MAX ||
		e->conns.used < (e->folds.pressed_at + e->conns.capacity) / 2);
}

/* ---- tables.c */

/* Of the limits that the engine was made with. Whether there is memory; tcp_tables_free() anyway.
 */
bool tcp_tables_make(struct tcp_engine *e);
void tcp_tables_free(struct tcp_engine *e);

/* ---- engine.c: life of the objects, lists */

struct tcp_conn *tcp_conn_new(struct tcp_engine *e);
void tcp_conn_init(struct tcp_engine *e, struct tcp_conn *c); /* as new ones are */
void tcp_conn_free(struct tcp_conn *c); /* out of all lists and tables, queues emptied */
struct tcp_request *tcp_request_new(struct tcp_engine *e);
void tcp_request_free(struct tcp_engine *e, struct tcp_request *r);
void tcp_deliver_events(struct tcp_engine *e);

/* Flush it. */
static inline void
tcp_mark_dirty(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	if (c->flags & CONN_ON_DIRTY)
		return;
	c->flags |= CONN_ON_DIRTY;
	c->dirty_next = NULL;
	if (e->dirty_tail != NULL)
		e->dirty_tail->dirty_next = c;
	else
		e->dirty_head = c;
	e->dirty_tail = c;
}

/* It has sent what it may at one flush, and has more. */
static inline void
tcp_mark_more(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	if (!e->flushing || (c->flags & CONN_ON_DIRTY)) {
		tcp_mark_dirty(c);
		return;
	}
	c->flags |= CONN_ON_DIRTY;
	c->dirty_next = NULL;
	if (e->more_tail != NULL)
		e->more_tail->dirty_next = c;
	else
		e->more_head = c;
	e->more_tail = c;
}

/* Tell its user. */
static inline void
tcp_mark_event(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	if ((c->flags & (CONN_ON_EVENTS | CONN_ORPHAN)) ||
	    ((c->flags & CONN_ACCEPTING) && c->clc_phase == CLC_OVER))
		return;
	c->flags |= CONN_ON_EVENTS;
	c->events_next = NULL;
	if (e->events_tail != NULL)
		e->events_tail->events_next = c;
	else
		e->events_head = c;
	e->events_tail = c;
}

/* The connection's error as a negative errno, once. */
static inline int
tcp_take_error(struct tcp_conn *c)
{
	int error = c->error;

	c->error = 0;
	return -error;
}

/* Whether the peer's FIN came, in order, while there was a connection. */
static inline bool
tcp_peer_finished(const struct tcp_conn *c)
{
	return (c->flags & CONN_FIN_KNOWN) && seq_gt(c->rcv_nxt, c->fin_seq);
}

/* The connection is over: CLOSED, with the error for its user, or freed if it has none. */
void tcp_conn_end(struct tcp_conn *c, int error);
/* As tcp_conn_end, sending a reset first. */
void tcp_conn_reset(struct tcp_conn *c, int error);

/* A new connection's windows, MSS and congestion state, once path and peer's options are known. */
void tcp_conn_start(struct tcp_conn *c);
/* Of that, what depends on the path alone: what a segment holds, and the search for more. */
void tcp_conn_start_path(struct tcp_conn *c);

/* Finds the path again, after tcp_paths_changed() or before connecting. 0 or a negative errno. */
int tcp_conn_find_path(struct tcp_conn *c);

/* Paths have changed: finds it anew. Counts, and remembers the error, if there is none. */
bool tcp_conn_refresh_path(struct tcp_conn *c);

/* Whether there is a path, also if paths changed. */
static inline bool
tcp_conn_has_path(struct tcp_conn *c)
{
	return c->paths_generation == c->engine->paths_generation || tcp_conn_refresh_path(c);
}

/* Sets mss from the path's MTU as far as it is trusted, the peer's MSS and the user's. */
void tcp_conn_set_mss(struct tcp_conn *c);

/* The MSS of a path MTU, the peer and the user willing: without options. */
uint16_t tcp_mss_of_mtu(const struct tcp_conn *c, uint16_t mtu);

/* The MSS that we announce: what our MTU lets in, not more than the user wants. */
uint16_t tcp_announced_mss(uint16_t mtu, bool is4, uint16_t user_mss);

/* ---- clc_exchange.c: see smc_conn.h */

/* CLC is not over: for the user the handshake is not. */
static inline bool
tcp_clc_is_on(const struct tcp_conn *c)
{
	return c->clc_phase != CLC_OVER;
}

/* ---- zerocopy.c */

void tcp_zerocopy_acked(struct tcp_conn *c); /* SND.UNA moved, while zerocopy.n > 0 */
void tcp_zerocopy_over(struct tcp_conn *c);  /* nothing will be acknowledged any more */

/* ---- pmtu.c: RFC 1191, RFC 8201 */

size_t tcp_pmtu_bytes(void); /* of the table at e->pmtus */
/* What goes through to a destination by a first hop of this MTU. */
uint16_t tcp_pmtu_of(const struct tcp_engine *e, const struct ip_addr *remote, uint16_t link_mtu);
void tcp_pmtu_advance(struct tcp_engine *e); /* from pmtu_next_us on */
void tcp_packet_too_big(struct tcp_conn *c, uint16_t mtu);
/* Sends again what is in flight and larger than what fits, without blaming congestion. */
void tcp_resend_smaller(struct tcp_conn *c, uint32_t fits);
int tcp_pmtu_set_discover(struct tcp_conn *c, int how);
int tcp_pmtu_get(const struct tcp_conn *c, int *mtu);

/* ---- mtu_probe.c: RFC 4821 */

enum tcp_mtu_probe {
	TCP_MTU_PROBE_NONE, /* there is none to send: go on */
	TCP_MTU_PROBE_SENT,
	TCP_MTU_PROBE_WAIT, /* one is due as soon as what is in flight has arrived: send nothing */
};

void tcp_mtu_probe_start(struct tcp_conn *c);
/* While the search is on: sends one if it is due, before other new data. */
enum tcp_mtu_probe tcp_mtu_probe(struct tcp_conn *c);
void tcp_mtu_probe_acked(struct tcp_conn *c); /* snd_una moved, and one is under way */
/* What was just found lost is the probe under way, and repaired as such. */
bool tcp_mtu_probe_lost(struct tcp_conn *c);
/* A retransmission time-out: does something swallow large segments? */
void tcp_mtu_black_hole(struct tcp_conn *c);

/* ---- secrets.c: RFC 6528, RFC 7323 §5.4, RFC 6056 */

struct tcp_numbers {
	seq_t iss;
	uint32_t ts_offset;
};

struct tcp_numbers tcp_new_numbers(const struct tcp_engine *e, const struct tcp_tuple *tuple);
/* Where the search for a port begins; the last destination's is kept. */
uint32_t tcp_port_offset(struct tcp_engine *e, const struct tcp_tuple *tuple);

/* RFC 4987: of a connection in a minute or, with TCP_COOKIE_BASE and another key, of it alone. */
#define TCP_COOKIE_BASE UINT64_MAX
uint32_t tcp_cookie_hash(const struct tcp_engine *e, const struct tcp_tuple *tuple,
			 uint64_t minute);
uint32_t tcp_pmtu_hash(const struct tcp_engine *e, const struct ip_addr *remote);

static inline uint32_t
tcp_now_ts(const struct tcp_engine *e, uint32_t offset)
{
	return e->now_ms + offset;
}

/*
 * Whether a timestamp is older than TS.Recent. As Linux: a TS.Recent of 0 is older than all, for it
 * is that of a connection that knows none, or of a SYN whose sender's clock did not run yet.
 */
static inline bool
tcp_ts_is_old(uint32_t val, uint32_t recent)
{
	return recent != 0 && (int32_t)(val - recent) < 0;
}

/* Seconds, from a clock that does not wrap as now_ms does. */
static inline uint32_t
tcp_now_s(const struct tcp_engine *e)
{
	return (uint32_t)(e->now_us / 1000000);
}

/* ---- coalesce.c: segments of a burst that follow each other */

enum { TCP_COALESCE_NONE = 255 };

/* next[i]: the next segment behind i that may be of the same flow, or TCP_COALESCE_NONE. */
void tcp_coalesce_link(const uint32_t *hashes, unsigned int n, uint8_t *next);
/* Moves into segs[i], of a connection, what follows it; those are left without mbuf. */
void tcp_coalesce(struct tcp_segment *segs, const flow_t *flows, const uint8_t *next,
		  unsigned int i);

/* ---- input.c */

void tcp_segment_arrives(struct tcp_engine *e, struct tcp_segment *seg, flow_t flow);
/* Segment arrival for a synchronized connection; request.c hands the final ACK on to it. */
void tcp_conn_arrives(struct tcp_conn *c, struct tcp_segment *seg);
void tcp_ack_now(struct tcp_conn *c);
void tcp_count_arrival(struct tcp_conn *c, const struct tcp_segment *seg);

/* ---- fast_input.c */

/* The next segment in order, in ESTABLISHED, with nothing special about it: takes it. Returns
 * false, with nothing changed, where that is not so, or not certain at a glance. */
bool tcp_fast_arrives(struct tcp_conn *c, struct tcp_segment *seg);

/* ---- ack.c: RFC 9293 §3.10.7.4 fifth, RFC 6298, what leaves the send queue */

/* Returns false if the segment must be dropped. */
bool tcp_ack_arrives(struct tcp_conn *c, const struct tcp_segment *seg);
/* The round trip that a segment's timestamp tells of, in microseconds; < 0: none. */
int64_t tcp_timestamp_rtt(const struct tcp_conn *c, const struct tcp_segment *seg);
/* Tells a user who waits for room, if there is some. */
void tcp_tell_room(struct tcp_conn *c);
/* The window in a segment, scaled: SYNs' are not. */
void tcp_update_snd_wnd(struct tcp_conn *c, const struct tcp_segment *seg, uint32_t wnd);

/* ---- rtt.c: RFC 6298 */

/* Nothing is known: before a SYN leaves. */
void tcp_rtt_reset(struct tcp_conn *c);
/* < 0: no sample. */
void tcp_rtt_sample(struct tcp_conn *c, int64_t rtt_us);
/* Our SYN-ACK was answered after that long; < 0: no sample. */
void tcp_rtt_handshake(struct tcp_conn *c, int64_t rtt_us);
/* Without a sample from the handshake the time-out is careful, RFC 6298 §5.7. */
void tcp_rtt_handshake_over(struct tcp_conn *c);

/* ---- sent.c: transmission records */

/* By its number, and that of a record. */
static inline struct tcp_sent *
tcp_sent_at(const struct tcp_conn *c, uint32_t number)
{
	return (struct tcp_sent *)c->engine->sents.base + number;
}

static inline uint32_t
tcp_sent_number(const struct tcp_conn *c, const struct tcp_sent *s)
{
	return (uint32_t)(s - (const struct tcp_sent *)c->engine->sents.base);
}

/* In the order of their transmission; NULL: none, no more. */
static inline struct tcp_sent *
tcp_flight_oldest(const struct tcp_conn *c)
{
	return c->in_flight.oldest != SENT_NONE ? tcp_sent_at(c, c->in_flight.oldest) : NULL;
}

static inline struct tcp_sent *
tcp_flight_later(const struct tcp_conn *c, const struct tcp_sent *s)
{
	return s->later != SENT_NONE ? tcp_sent_at(c, s->later) : NULL;
}

/* Appends one for [snd_nxt, snd_nxt + seqlen); NULL without memory. */
struct tcp_sent *tcp_sent_append(struct tcp_conn *c, uint32_t seqlen, unsigned int flags);
void tcp_sent_remove(struct tcp_conn *c, struct tcp_sent *s);
void tcp_sent_clear(struct tcp_conn *c);
uint32_t tcp_sent_bytes(const struct tcp_sent *s);
/* Cuts a record behind its first bytes (more than none, not all). false without memory. */
bool tcp_sent_split(struct tcp_conn *c, struct tcp_sent *s, uint32_t bytes);
/* Takes what is acknowledged off the front of a record. */
void tcp_sent_trim(struct tcp_conn *c, struct tcp_sent *s, seq_t ack);
void tcp_sent_mark_lost(struct tcp_conn *c, struct tcp_sent *s);
void tcp_sent_unmark_lost(struct tcp_conn *c, struct tcp_sent *s);
void tcp_sent_mark_sacked(struct tcp_conn *c, struct tcp_sent *s);
void tcp_sent_forget_sack(struct tcp_conn *c, struct tcp_sent *s);
/* It has just been sent again. */
void tcp_sent_again(struct tcp_conn *c, struct tcp_sent *s);
/* Moves a position in a chain n bytes on; to the next mbuf only if there are more bytes behind. */
void tcp_position_advance(struct rte_mbuf **m, uint32_t *off, uint32_t n);

/* ---- sent_find.c: records by sequence number */

/* The one that holds `seq`, which is outstanding. */
struct tcp_sent *tcp_sent_find(struct tcp_conn *c, seq_t seq);
/* This one, or the first behind it that is not SACKED; NULL: there is none. s may be NULL. */
struct tcp_sent *tcp_sent_not_sacked(struct tcp_conn *c, struct tcp_sent *s);
/* For sent.c: it was appended, or put between others; it is about to go; it became SACKED. */
void tcp_sent_index_add(struct tcp_conn *c, const struct tcp_sent *s);
void tcp_sent_index_remove(struct tcp_conn *c, const struct tcp_sent *s);
void tcp_sent_run_begin(struct tcp_conn *c, struct tcp_sent *s);

/* RFC 6675's pipe, in segments. */
static inline uint32_t
tcp_flight_segs(const struct tcp_conn *c)
{
	uint32_t gone = c->lost_segs + c->sacked_segs;

	return c->sent_segs + c->retrans_segs - (gone < c->sent_segs ? gone : c->sent_segs);
}

/* TCP_NOTSENT_LOWAT: how many bytes may wait unsent before the user must wait. */
static inline uint32_t
tcp_notsent_lowat(const struct tcp_conn *c)
{
	return c->notsent_lowat_bytes != 0 ? c->notsent_lowat_bytes
					   : c->engine->config.notsent_lowat_bytes;
}

/* ---- sack.c: RFC 2018, RFC 2883 */

/* The blocks to report now, latest news first; returns how many, at most TCP_MAX_SACK_BLOCKS. */
unsigned int tcp_sack_blocks(const struct tcp_conn *c, struct tcp_sack_block *blocks);
/* Bytes that the SACK option takes of the next segment: something is missing, or came twice. */
unsigned int tcp_sack_blocks_bytes(const struct tcp_conn *c);

/* The same at any time; nearly always there is nothing to report. */
static inline unsigned int
tcp_sack_option_bytes(const struct tcp_conn *c)
{
	return TAILQ_EMPTY(&c->ranges) && (c->flags & CONN_DSACK_DUE) == 0
		       ? 0
		       : tcp_sack_blocks_bytes(c);
}
/* [start, end) has arrived again. */
void tcp_dsack_note(struct tcp_conn *c, seq_t start, seq_t end);
void tcp_sack_arrives(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack);
void tcp_note_reordering(struct tcp_conn *c, const struct tcp_ack *ack);

/* ---- dupthresh.c: RFC 6675 §4, without RACK */

void tcp_dupthresh_detect_loss(struct tcp_conn *c);

/* ---- rack.c: RFC 8985 */

void tcp_rack_delivered(struct tcp_conn *c, const struct tcp_sent *s, const struct tcp_ack *ack);
void tcp_rack_dsack(struct tcp_conn *c);
void tcp_rack_recovery_ended(struct tcp_conn *c);
/* Marks what is lost; sets the reordering timer for what may be. */
void tcp_rack_detect_loss(struct tcp_conn *c);
/* Sets the timer for a tail loss probe, if one is due to be thought of; not beyond the time-out. */
bool tcp_tlp_schedule(struct tcp_conn *c, uint64_t rto_at_us);
/* Returns whether a probe left. */
bool tcp_tlp_send(struct tcp_conn *c);
void tcp_tlp_ack(struct tcp_conn *c, const struct tcp_segment *seg, const struct tcp_ack *ack);

/* ---- pacing.c: see also cc.h */

/* After an acknowledgment: the default rate. */
void tcp_pacing_update(struct tcp_conn *c);
/* Bytes a second; UINT64_MAX: none. */
uint64_t tcp_pacing_rate(const struct tcp_conn *c);
/* Of one that is paced: until its next slot; whether what would leave now must wait for it, the
 * timer is set then; and what has just left, as one piece. */
uint64_t tcp_pacing_slot_us(const struct tcp_conn *c);
bool tcp_pacing_slot_waits(struct tcp_conn *c);
void tcp_pacing_slot_taken(struct tcp_conn *c, uint32_t bytes);

/* The same of any. */
static inline uint64_t
tcp_pacing_delay_us(const struct tcp_conn *c)
{
	return c->pacing.on ? tcp_pacing_slot_us(c) : 0;
}

static inline bool
tcp_pacing_waits(struct tcp_conn *c)
{
	return c->pacing.on && tcp_pacing_slot_waits(c);
}

static inline void
tcp_pacing_sent(struct tcp_conn *c, uint32_t bytes)
{
	if (c->pacing.on)
		tcp_pacing_slot_taken(c, bytes);
}

/* ---- min_rtt.c: the smallest round trip */

/* Of the handshake; of an acknowledgment. Negative: there is none. */
void tcp_min_rtt_sample(struct tcp_conn *c, int64_t rtt_us);
void tcp_min_rtt_ack(struct tcp_conn *c, struct tcp_ack *ack, int64_t rtt_us);

/* ---- rate.c: the delivery rate */

/* A record is about to be sent, again or for the first time: before it is counted. */
void tcp_rate_sent(struct tcp_conn *c, struct tcp_sent *s);
/* A record has arrived that had not before. */
void tcp_rate_delivered(struct tcp_conn *c, struct tcp_sent *s, struct tcp_ack *ack);
/* All of an acknowledgment is known: completes its sample. */
void tcp_rate_sample(struct tcp_conn *c, struct tcp_ack *ack);
/* Before the user's bytes are queued: has he kept us waiting? */
void tcp_rate_check_app_limited(struct tcp_conn *c);
/* Bytes a second, of the sample that TCP_INFO shows. */
uint64_t tcp_rate_shown(const struct tcp_conn *c);

/* ---- ecn.c: RFC 3168 */

/* The flags that our SYN carries for ECN's sake; it again, or a crossing SYN's answer. */
uint8_t tcp_ecn_syn_flags(struct tcp_conn *c);
uint8_t tcp_ecn_syn_again_flags(const struct tcp_conn *c);
/* The peer's SYN or SYN-ACK, to a connection of ours that may have asked. */
void tcp_ecn_syn_arrives(struct tcp_conn *c, const struct tcp_segment *seg);
/* Whether a SYN asks for it and is granted it. */
bool tcp_ecn_grants(const struct tcp_engine *e, const struct tcp_segment *seg);
/* Payload that is news; payload with CWR. */
void tcp_ecn_data_arrives(struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_ecn_cwr_arrives(struct tcp_conn *c);
/* The window has been reduced; that was taken back. */
void tcp_ecn_reduced(struct tcp_conn *c);
void tcp_ecn_unreduced(struct tcp_conn *c);

/* ---- reno.c: what stands in for SACK without it */

/* Transmissions were acknowledged in sequence: how much of it is news. */
void tcp_reno_acked(struct tcp_conn *c, struct tcp_ack *ack);
void tcp_reno_duplicate(struct tcp_conn *c, struct tcp_ack *ack);
/* Duplicates tell nothing any more. */
void tcp_reno_forget(struct tcp_conn *c);
/* The third duplicate, or a partial acknowledgment in recovery: the first segment is lost. */
void tcp_reno_detect_loss(struct tcp_conn *c, const struct tcp_ack *ack);

/* ---- recovery.c, undo.c */

void tcp_recovery_ack(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack);
void tcp_recovery_timeout(struct tcp_conn *c);
void tcp_recovery_reorder_timeout(struct tcp_conn *c);
/* The final ACK of a connection that could send before it came. */
void tcp_recovery_handshake_over(struct tcp_conn *c, const struct tcp_segment *seg);
/* The window is to shrink as after a loss, though nothing is lost: ECN, TLP. */
void tcp_enter_cwr(struct tcp_conn *c);

void tcp_undo_begin(struct tcp_conn *c);
void tcp_undo_note_retransmit(struct tcp_conn *c);
/* What was sent again is acknowledged. */
static inline void
tcp_undo_forget(struct tcp_conn *c)
{
	c->undo.retrans_ts = 0;
}

bool tcp_undo_is_due(const struct tcp_conn *c, const struct tcp_segment *seg);
bool tcp_undo_is_due_in_part(const struct tcp_conn *c, const struct tcp_segment *seg);
bool tcp_undo_is_due_by_dsack(const struct tcp_conn *c);
void tcp_undo(struct tcp_conn *c, bool unmark_lost);

/* ---- receive.c: queues of received bytes */

void tcp_receive_data(struct tcp_conn *c, struct tcp_segment *seg);
/* Queues a SYN's payload; the SYN-ACK is its acknowledgment. */
void tcp_receive_syn_data(struct tcp_conn *c, struct tcp_segment *seg);
void tcp_ranges_free(struct tcp_conn *c);

static inline seq_t
tcp_range_end(const struct tcp_range *r)
{
	return r->seq + r->q.bytes;
}

/* Bytes from rcv_nxt to the end of the last range; 0 without ranges. */
static inline uint32_t
tcp_ranges_span(const struct tcp_conn *c)
{
	const struct tcp_range *last = TAILQ_LAST(&c->ranges, tcp_range_list);

	return last != NULL ? tcp_range_end(last) - c->rcv_nxt : 0;
}

/* A queue of the engine's holds more receive buffers than before, or fewer. */
static inline void
tcp_rcv_adjust_held(struct tcp_engine *e, uint32_t before, uint32_t after)
{
	e->held_bufs += after - before;
}

/* ---- rcv_window.c: the window that we offer */

/* What a SYN or SYN-ACK says of our window, and what follows from it. */
struct tcp_rcv_offer {
	uint16_t wnd; /* bytes, never scaled */
	uint8_t wscale_shift;
	uint32_t clamp; /* the connection's window_clamp */
};

/* By a socket's or listener's settings; mss: of the segments that we announce. */
void tcp_rcv_first_offer(const struct tcp_conn *c, uint32_t mss, bool wscale,
			 struct tcp_rcv_offer *o);
void tcp_rcv_start(struct tcp_conn *c);
/* Sets adv_mss. */
void tcp_rcv_announce(struct tcp_conn *c);
/* Window for buffer memory, and the reverse. */
uint32_t tcp_rcv_window_of(const struct tcp_conn *c, uint32_t space);
uint64_t tcp_rcv_space_for(const struct tcp_conn *c, uint64_t wnd);
/* `bytes` of payload took `charge` bytes of memory. */
void tcp_rcv_ratio_update(struct tcp_conn *c, uint32_t bytes, uint32_t charge);
void tcp_rcv_grow(struct tcp_conn *c, uint32_t bytes, uint32_t charge);
/* TCP_WINDOW_CLAMP. 0 or -EINVAL. */
int tcp_rcv_set_clamp(struct tcp_conn *c, uint32_t v);
/* RCV.WND that the buffers bear; less than was offered means: no more. */
uint32_t tcp_window_select(struct tcp_conn *c);
/* RCV.WND to advertise now; moves rcv_adv. */
uint32_t tcp_window_to_offer(struct tcp_conn *c);
/* After the user read: tells if the window grew enough. */
void tcp_window_opened(struct tcp_conn *c);
/* Looks again soon whether the lane has buffers, and tells the peer. */
void tcp_window_wait(struct tcp_conn *c);

/* ---- rcvlowat.c: SO_RCVLOWAT */

/* Whether enough has arrived to be told of it. */
bool tcp_rcv_is_ready(const struct tcp_conn *c);
int tcp_rcvlowat_set(struct tcp_conn *c, int v);

/* ---- rcv_autotune.c: the receive buffer's growth */

void tcp_autotune_start(struct tcp_conn *c);
/* Payload arrived in order; with an acceptable segment's timestamp echo; out of order. */
void tcp_autotune_measure(struct tcp_conn *c);
void tcp_autotune_measure_echo(struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_autotune_out_of_order(struct tcp_conn *c);
/* The user has read. */
void tcp_autotune_read(struct tcp_conn *c);

/* ---- delack.c: when to acknowledge */

void tcp_delack_start(struct tcp_conn *c);
/* Payload was queued in order, and takes `charge` bytes of memory. */
void tcp_delack_data_arrived(struct tcp_conn *c, const struct tcp_segment *seg, uint32_t charge);
void tcp_delack_measure_mss(struct tcp_conn *c, const struct tcp_segment *seg, uint32_t charge);
/* An acknowledgment is owed for another reason; tcp_delack_check() says when. */
void tcp_delack_owe(struct tcp_conn *c);
void tcp_delack_fin(struct tcp_conn *c); /* the peer's, in ESTABLISHED */
/* Acknowledge what is owed now or later. */
void tcp_delack_check(struct tcp_conn *c);
/* Trouble: the next acknowledgments, at most `max`, leave at once. */
void tcp_delack_quick(struct tcp_conn *c, unsigned int max);
/* The SYN-ACK's acknowledgment waits for data. */
void tcp_delack_postpone(struct tcp_conn *c);
/* The user has read that many bytes. */
void tcp_delack_read(struct tcp_conn *c, uint32_t read_bytes);
/* A segment has left, which acknowledges all. */
void tcp_delack_sent(struct tcp_conn *c, bool with_data);
/* ack_at_us has come. */
void tcp_delack_timeout(struct tcp_conn *c);
/* TCP_QUICKACK. */
void tcp_delack_set_quickack(struct tcp_conn *c, int v);
int tcp_delack_get_quickack(const struct tcp_conn *c);

/* ---- output.c: what to send */

void tcp_output(struct tcp_conn *c);
/* The same, of new data no more than leaves at once: while the user still writes. */
void tcp_output_once(struct tcp_conn *c);
/* Sends one segment of new data, whatever cwnd says. Returns false if there was none to send. */
bool tcp_send_one(struct tcp_conn *c);
/* Sends `len` bytes of new data as one segment, whatever the MSS. Returns false if it could not. */
bool tcp_send_exactly(struct tcp_conn *c, uint32_t len);
/* Sends one record again. Returns false if there was no mbuf. */
bool tcp_retransmit(struct tcp_conn *c, struct tcp_sent *s);

/* ---- transmit.c: building segments */

/* Whatever is sent without payload: what it needs to know. */
struct tcp_reply {
	const struct tcp_tuple *tuple;
	seq_t seq, ack;
	uint16_t wnd; /* as on the wire */
	uint8_t flags;
	uint32_t hop;
	uint16_t path_flags;
	uint8_t tos;
	const uint8_t *options;
	unsigned int options_len;
};

/* Returns false if there was no mbuf. */
bool tcp_transmit_reply(struct tcp_engine *e, const struct tcp_reply *reply);

/* A segment of a connection. `len` bytes from data_off in m on; returns false without mbufs. */
bool tcp_transmit_segment(struct tcp_conn *c, seq_t seq, uint8_t flags, struct rte_mbuf *m,
			  uint32_t data_off, uint32_t len);
/* The same for bytes that were never sent before. */
bool tcp_transmit_new(struct tcp_conn *c, seq_t seq, uint8_t flags, struct rte_mbuf *m,
		      uint32_t data_off, uint32_t len);
/* The same for `len` bytes that the device cuts into `segs` segments of segsz: see tso.c. */
bool tcp_transmit_super(struct tcp_conn *c, seq_t seq, uint8_t flags, struct rte_mbuf *m,
			uint32_t data_off, uint32_t len, uint16_t segsz, unsigned int segs);
/* How many of `len` bytes one packet can carry: those in few enough mbufs, or that can be copied.
 */
uint32_t tcp_transmit_limit(const struct tcp_conn *c, const struct rte_mbuf *m, uint32_t data_off,
			    uint32_t len);
/* How many mbufs hold `len` bytes. */
unsigned int tcp_mbufs_spanned(const struct rte_mbuf *m, uint32_t data_off, uint32_t len);
/* What a SYN carries that others do not: Fast Open's. */
struct tcp_syn_load {
	const struct tcp_fastopen_cookie *cookie; /* NULL: no option */
	struct rte_mbuf *m;                       /* payload: `len` bytes from data_off on */
	uint32_t data_off, len;
};

/* SYN or SYN-ACK of a connection (not of a request); load may be NULL. */
bool tcp_transmit_syn(struct tcp_conn *c, uint8_t flags, const struct tcp_syn_load *load);
void tcp_transmit_flush(struct tcp_engine *e);

/* A packet that is complete, of `segs` segments. */
static inline void
tcp_transmit_enqueue(struct tcp_engine *e, struct rte_mbuf *m, uint32_t hop, unsigned int segs)
{
	m->hash.usr = hop;
	e->tx[e->n_tx++] = m;
	TCP_ADD(e, segs_out, segs);
	if (e->n_tx == TCP_TX_BURST)
		tcp_transmit_flush(e);
}

/* Every segment acknowledges all that has arrived, and tells the window. */
static inline void
tcp_note_ack_sent(struct tcp_conn *c, bool with_data)
{
	c->rcv_wup = c->rcv_nxt;
	c->flags &= ~(CONN_ACK_NOW | CONN_ACK_DELAYED | CONN_DSACK_DUE);
	c->ack_at_us = UINT64_MAX;
	tcp_delack_sent(c, with_data);
}

/* ---- fast_output.c */

/* What is due is one small segment of new data, and nothing stands in its way: sends it. Returns
 * false, with nothing changed, where that is not so, or not certain at a glance. */
bool tcp_fast_output(struct tcp_conn *c);

/* ---- tso.c: what one packet takes that the device cuts into segments */

/* Payload of the largest packet: as Linux, which leaves room for the largest headers. */
enum { TCP_TSO_MAX_BYTES = 65536 - 321 };

/* How many segments leave at once, whoever cuts them, where there are two or more to send; computed
 * once for all that leaves now. */
unsigned int tcp_tso_goal(const struct tcp_conn *c);

/* How many of `segs` segments of new data, segsz bytes each but the last, one packet carries: at
 * least 1. */
unsigned int tcp_tso_segs(const struct tcp_conn *c, uint32_t segsz, unsigned int segs);

/* ---- reset.c: answers to segments that belong to no connection */

/* RFC 9293 §3.10.7.1: the reset that a segment deserves. */
void tcp_reset_segment(struct tcp_engine *e, const struct tcp_segment *seg);
/* Whether a segment that does not fit may be answered now; *last_ms is the connection's. */
bool tcp_may_answer(struct tcp_engine *e, uint32_t *last_ms);
/* The same for challenge ACKs (RFC 5961), which are counted. */
bool tcp_may_challenge(struct tcp_engine *e, uint32_t *last_ms);

/* ---- syncookie.c: RFC 4987 §3.6 */

/* Makes a request's initial sequence number its cookie; takes from it what the cookie cannot carry.
 * Returns the timestamp to send with it. */
uint32_t tcp_syncookie_make(struct tcp_engine *e, struct tcp_request *r);
/* Whether a final ACK may carry a cookie: this listener sent some lately. */
bool tcp_syncookie_expected(const struct tcp_engine *e, const struct tcp_bound *l);
/* Restores a request from its final ACK: addresses, numbers, MSS and options. false: no cookie. */
bool tcp_syncookie_check(struct tcp_engine *e, struct tcp_request *r,
			 const struct tcp_segment *seg);

/* ---- connect.c */

/* Memory left in the send buffer, in SO_SNDBUF's terms. */
uint32_t tcp_send_memory(const struct tcp_conn *c);

/* The socket is as new, but for its options, its address and its error. */
void tcp_forget_connection(struct tcp_conn *c);
/* How the last connect() went, as connect() says it: 1 if there was none. */
int tcp_connect_again(struct tcp_conn *c);
/* Everything of a new connection but its SYN. 0 or a negative errno. */
int tcp_connect_prepare(struct tcp_conn *c, const struct tcp_endpoint *remote);
/* Its SYN: 0 or -ENOBUFS, and then nothing has changed. */
int tcp_connect_send(struct tcp_conn *c, const struct tcp_syn_load *load);
/* CLOSED again, before a SYN was sent. */
void tcp_connect_undo(struct tcp_conn *c);

/* ---- inherit.c, request.c, accept.c, bind.c, timewait.c */

/* Takes a listener's options over. */
void tcp_inherit(struct tcp_conn *c, const struct tcp_conn *l);

/* A SYN's answer starts above iss_floor if that is not NULL: it reuses a TIME-WAIT. */
void tcp_listener_arrives(struct tcp_engine *e, struct tcp_bound *l, struct tcp_segment *seg,
			  const seq_t *iss_floor);
void tcp_request_arrives(struct tcp_engine *e, struct tcp_request *r, struct tcp_segment *seg);
void tcp_request_timeout(struct tcp_engine *e, struct tcp_request *r);
/* Until the next SYN-ACK, by how many there were. */
uint64_t tcp_request_timeout_us(const struct tcp_request *r);
/* Sends a SYN-ACK, with a Fast Open cookie or, if that is NULL, without; once more. */
bool tcp_request_synack(struct tcp_engine *e, struct tcp_request *r,
			const struct tcp_fastopen_cookie *cookie);
void tcp_request_synack_again(struct tcp_engine *e, struct tcp_request *r);
/* The connection that a request makes, in the flow table; NULL without memory. */
struct tcp_conn *tcp_request_connection(struct tcp_engine *e, struct tcp_request *r);

/* What a segment means in SYN-RECEIVED. */
enum tcp_request_news {
	REQUEST_NOTHING, /* it is dropped, and was answered if that was due */
	REQUEST_RESET,
	REQUEST_ACKED, /* it has an acknowledgment and fits the window */
};
enum tcp_request_news tcp_request_check(struct tcp_engine *e, struct tcp_request *r,
					const struct tcp_segment *seg);
void tcp_request_error(struct tcp_engine *e, struct tcp_request *r, const struct tcp_icmp *icmp);
void tcp_requests_drop(struct tcp_engine *e, struct tcp_bound *l);
void tcp_listener_close(struct tcp_conn *c);
struct tcp_bound *tcp_listener_find(struct tcp_engine *e, const struct tcp_tuple *tuple);
/* Gives a segment that is none of ours to another engine, as the packet that it was; then seg->m is
 * NULL. False: it is nobody's. */
bool tcp_is_anothers(struct tcp_engine *e, struct tcp_segment *seg);
bool tcp_accept_queue_full(const struct tcp_bound *l);
void tcp_accept_queue_add(struct tcp_bound *l, struct tcp_conn *c);
void tcp_accept_queue_remove(struct tcp_conn *c);

void tcp_timewait_enter(struct tcp_conn *c); /* frees or detaches c */
void tcp_timewait_arrives(struct tcp_engine *e, struct tcp_timewait *tw, struct tcp_segment *seg);
void tcp_timewait_advance(struct tcp_engine *e);
void tcp_timewait_free(struct tcp_engine *e, struct tcp_timewait *tw);

/* ---- ports.c */

/* Where to look for the sockets that are bound to a port. */
static inline struct tcp_bound **
tcp_bounds_of(struct tcp_engine *e, uint16_t port)
{
	return &e->bound_buckets[port % TCP_BOUND_BUCKETS];
}

/* Binds a socket; port 0 chooses one. 0, -EADDRINUSE, -ENOBUFS. */
int tcp_port_hold(struct tcp_conn *c, const struct tcp_endpoint *local);
void tcp_port_release(struct tcp_conn *c);
/* Whether others have an address and port who do not want to share it with c. */
bool tcp_port_conflicts(struct tcp_conn *c, const struct tcp_endpoint *local);
/* Completes c->tuple's local port for connecting. 0, -EADDRNOTAVAIL, or 1 with *iss_floor
 * set if it takes the place of a TIME-WAIT. */
int tcp_port_choose(struct tcp_conn *c, seq_t *iss_floor);
/* Whether c's whole tuple may be its own: 0 or -EADDRNOTAVAIL; a mute one it takes. */
int tcp_port_take_tuple(struct tcp_conn *c);
/* c's tuple was entered into the flow table; SO_REUSEADDR or the like changed. */
void tcp_hold_take(struct tcp_conn *c);
void tcp_hold_release(struct tcp_conn *c);
void tcp_hold_changed(struct tcp_conn *c);
/* What c has is tw's from now on. */
void tcp_hold_timewait(struct tcp_conn *c, struct tcp_timewait *tw);
void tcp_hold_timewait_release(struct tcp_engine *e, struct tcp_timewait *tw);
void tcp_hold_mute(struct tcp_engine *e, struct tcp_mute *m);
void tcp_hold_mute_release(struct tcp_engine *e, struct tcp_mute *m);
/* c became CLOSED: only a port that its user named stays his. */
void tcp_port_ended(struct tcp_conn *c);

/* ---- urgent.c: RFC 9293 §3.8.5, RFC 6093 */

/* A segment with URG, or one that may bring the byte that is awaited. */
void tcp_urgent_arrives(struct tcp_conn *c, const struct tcp_segment *seg);
/* The stream was read on. */
void tcp_urgent_consumed(struct tcp_conn *c);
/* recv(), with MSG_OOB and, while CONN_URG_MARK and there is something queued, without. */
ssize_t tcp_urgent_recv_oob(struct tcp_conn *c, void *buf, size_t bytes, int flags);
ssize_t tcp_urgent_recv(struct tcp_conn *c, void *buf, size_t bytes, int flags);
/* While CONN_URG_MARK: POLLPRI, and whether nothing but the urgent byte is there to read. */
short tcp_urgent_poll(const struct tcp_conn *c);
bool tcp_urgent_hides_all(const struct tcp_conn *c);
/* What SIOCATMARK and SIOCINQ answer. */
bool tcp_urgent_at_mark(const struct tcp_conn *c);
uint32_t tcp_urgent_unread(const struct tcp_conn *c);
/* The last byte queued is urgent. */
void tcp_urgent_send(struct tcp_conn *c);
/* While CONN_URG_SEND: whether the urgent byte is not acknowledged yet, and the pointer that a
 * segment carries, 0: none. */
bool tcp_urgent_pending(struct tcp_conn *c);
uint16_t tcp_urgent_pointer(struct tcp_conn *c, seq_t seq);

/* ---- keepalive.c: RFC 9293 §3.8.4 */

/* Sets or clears the timer, as SO_KEEPALIVE and the connection's state ask for. */
void tcp_keepalive_start(struct tcp_conn *c);
void tcp_keepalive_idle_changed(struct tcp_conn *c);
void tcp_keepalive_fired(struct tcp_conn *c);

/* ---- give_up.c: RFC 9293 §3.8.3, RFC 5482 */

/* Whether a retransmission, or a probe of a closed window, should be the connection's end. */
bool tcp_rtx_timed_out(const struct tcp_conn *c);
bool tcp_persist_timed_out(const struct tcp_conn *c);
/* A time, or that of TCP_USER_TIMEOUT counted from `since_us`, if that comes first. */
uint64_t tcp_clamp_to_user_timeout(const struct tcp_conn *c, uint64_t at_us, uint64_t since_us);
/* ---- sndbuf.c */

/* Lets the send buffer grow with the congestion window. */
void tcp_sndbuf_expand(struct tcp_conn *c);

/* ---- checkpoint.c */

/* What checkpoint.def lists. */
void tcp_checkpoint_rows(const struct tcp_conn *c, struct tcp_checkpoint *out);
void tcp_checkpoint_congestion(const struct tcp_cc_ops *cc, struct tcp_checkpoint *out);

/* ---- info.c, chrono.c */

/* TCP_INFO's value, as tcp_getsockopt() gives it. */
int tcp_info_get(struct tcp_conn *c, void *value, size_t *len);
void tcp_details_get(const struct tcp_conn *c, struct tcp_details *details);

void tcp_chrono_start(struct tcp_conn *c, enum tcp_chrono_kind kind);
void tcp_chrono_stop(struct tcp_conn *c, enum tcp_chrono_kind kind);
/* Times in microseconds; busy includes the other two. */
void tcp_chrono_read(const struct tcp_conn *c, uint64_t *busy_us, uint64_t *rwnd_us,
		     uint64_t *sndbuf_us);

/* ---- timers.c */

void tcp_timer_fired(struct tcp_engine *e, struct wheel_timer *t);
/* Makes the wheel fire no later than the connection's earliest time. */
void tcp_timers_arm(struct tcp_conn *c);

/* One of its times has just become at_us. */
static inline void
tcp_timer_by(struct tcp_conn *c, uint64_t at_us)
{
	if (!wheel_is_armed(&c->timer) || c->timer.at_us > at_us)
		tcp_timers_arm(c);
}

void tcp_rtx_restart(struct tcp_conn *c); /* as RFC 6298 §5: running exactly while needed */
/* When the retransmission time-out of the oldest outstanding transmission comes. */
uint64_t tcp_rto_at(const struct tcp_conn *c);
void tcp_user_closed(struct tcp_conn *c); /* orphans end in time */

/* ---- cwnd.c */

/* Whether acknowledgments may let the window grow. */
static inline bool
tcp_cwnd_is_limited(const struct tcp_conn *c)
{
	const struct tcp_cwnd_use *u = &c->cwnd_use;

	/* In slow start half of the window in use is enough. */
	return u->limited || (c->cwnd < c->ssthresh && c->cwnd < 2 * (uint64_t)u->max_out_segs);
}
/* After sending: `limited` says that the congestion window ended it. */
void tcp_cwnd_validate(struct tcp_conn *c, bool limited);
/* When the window was set anew, for whatever reason: its use is looked at from now on. */
static inline void
tcp_cwnd_touched(struct tcp_conn *c)
{
	c->cwnd_use.since_us = c->engine->now_us;
}
/* Before the user's bytes, or room for them, wake a connection that may have been idle. */
void tcp_cwnd_restart(struct tcp_conn *c);

#endif
