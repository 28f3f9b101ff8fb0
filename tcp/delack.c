/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to acknowledge: RFC 9293 §3.8.6.3 and RFC 5681 §4.2, in Linux's way.
 *
 *     at once     the first acknowledgments of a connection, and after a long pause or trouble
 *                 ("quick"): a sender in slow start waits for nothing else;
 *                 more than one full segment, if the window's right edge can follow;
 *                 whatever arrives out of order, twice, or fills a hole
 *     later       else: within ato_us, 40 to 200 ms, which follows the rhythm of arrivals
 *     with data   where both ends talk ("pingpong") quick acknowledgments would only be in the
 *                 way of the answer that carries one
 *
 * The timer's expiry doubles ato_us, or, in pingpong mode, leaves that mode: there was no answer.
 *
 * Invariants: ato_us is 0 until payload arrived, and TCP_DELACK_US at least then. `owed` is set
 * exactly while something arrived that no segment of ours has acknowledged yet.
 * Not here: what forces an acknowledgment for reasons of security (input.c), SACK compression.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	QUICK_MAX = 16, /* quick acknowledgments in a row, as Linux */
	HALF_SECOND_US = 500 * 1000,
	MSS_FLOOR = 88,    /* as Linux: below it nothing counts as a full segment */
	HEADER_BYTES = 20, /* of TCP without options */
	NOT_FULL = TCP_FIN | TCP_SYN | TCP_PSH | TCP_URG, /* may be shorter than full */
};

void
tcp_delack_start(struct tcp_conn *c)
{
	uint32_t mss = RTE_MIN(c->adv_mss, c->mss);

	/* Rather too small than too large: that only acknowledges more often. */
	mss = RTE_MIN(mss, (c->rcv_adv - c->rcv_wup) / 2);
	mss = RTE_MIN(mss, (uint32_t)TCP_MSS_DEFAULT4);
	c->rcv_mss = (uint16_t)RTE_MAX(mss, (uint32_t)MSS_FLOOR);
	c->delack.last_data_us = c->engine->now_us;
}

static bool
is_quick(const struct tcp_conn *c)
{
	return c->delack.quick > 0 && !c->delack.pingpong;
}

static void
more_quick(struct tcp_conn *c, unsigned int max)
{
	uint32_t wnd = c->rcv_adv - c->rcv_wup, n = wnd / (2u * c->rcv_mss);

	n = RTE_MIN(RTE_MAX(n, 2u), max);
	if (n > c->delack.quick)
		c->delack.quick = (uint8_t)n;
}

void
tcp_delack_quick(struct tcp_conn *c, unsigned int max)
{
	more_quick(c, RTE_MIN(max, (unsigned int)QUICK_MAX));
	c->delack.pingpong = false;
	c->delack.ato_us = TCP_DELACK_US;
}

/*
 * The peer's full segment. SACK blocks make a segment's payload vary: what counts is its length
 * with options, less those that every segment has. Without PSH a short segment is taken for full:
 * the link is like that.
 */
void
tcp_delack_measure_mss(struct tcp_conn *c, const struct tcp_segment *seg, uint32_t charge)
{
	struct tcp_delack *d = &c->delack;
	uint32_t bytes = seg->seg_bytes, last = d->last_seg_bytes;
	uint32_t options = c->flags & CONN_TIMESTAMPS ? TCP_TIMESTAMPS_ALIGNED_BYTES : 0;

	d->last_seg_bytes = 0;
	if (bytes >= c->rcv_mss) {
		if (bytes != c->rcv_mss)
			tcp_rcv_ratio_update(c, seg->len, charge);
		c->rcv_mss = (uint16_t)RTE_MAX(RTE_MIN(bytes, (uint32_t)c->adv_mss), 1u);
		/* One full segment with PSH may be all: the reader tells when he has it. */
		if (seg->flags & TCP_PSH)
			d->pushed = true;
		return;
	}
	bytes += seg->hdr_bytes;
	if (bytes >= TCP_MSS_DEFAULT4 + HEADER_BYTES ||
	    (bytes >= MSS_FLOOR + HEADER_BYTES && (seg->flags & NOT_FULL) == 0)) {
		bytes -= RTE_MIN(bytes, HEADER_BYTES + options);
		d->last_seg_bytes = (uint16_t)RTE_MIN(bytes, 65535u);
		if (bytes == last && bytes > 0) {
			c->rcv_mss = (uint16_t)bytes;
			return;
		}
	}
	d->pushed_twice |= d->pushed;
	d->pushed = true;
}

/* ato_us follows the time between arrivals. */
static void
follow_rhythm(struct tcp_conn *c)
{
	struct tcp_delack *d = &c->delack;
	uint64_t pause_us = c->engine->now_us - d->last_data_us;

	if (d->ato_us == 0) {
		more_quick(c, QUICK_MAX);
		d->ato_us = TCP_DELACK_US;
	} else if (pause_us <= TCP_DELACK_US / 2) {
		d->ato_us = d->ato_us / 2 + TCP_DELACK_US / 2;
	} else if (pause_us < d->ato_us) {
		d->ato_us = RTE_MIN(d->ato_us / 2 + (uint32_t)pause_us, c->rto_us);
	} else if (pause_us > c->rto_us) {
		/* So long that the sender starts again with a small window. */
		more_quick(c, QUICK_MAX);
	}
	d->last_data_us = c->engine->now_us;
}

void
tcp_delack_data_arrived(struct tcp_conn *c, const struct tcp_segment *seg, uint32_t charge)
{
	c->delack.owed = true;
	tcp_delack_measure_mss(c, seg, charge);
	tcp_autotune_measure(c);
	follow_rhythm(c);
}

void
tcp_delack_owe(struct tcp_conn *c)
{
	c->delack.owed = true;
}

/* As Linux: our user is likely to close too, and his FIN acknowledges the peer's. */
void
tcp_delack_fin(struct tcp_conn *c)
{
	c->delack.owed = true;
	c->delack.pingpong = true;
}

static void
delay(struct tcp_conn *c)
{
	const struct tcp_delack *d = &c->delack;
	uint64_t now_us = c->engine->now_us, at_us;
	uint32_t ato_us = d->ato_us;

	if (ato_us == 0) {
		tcp_ack_now(c); /* no rhythm yet: only a FIN has arrived */
		return;
	}
	if (ato_us > TCP_DELACK_US) {
		uint32_t max_us = d->pingpong || d->pushed ? TCP_DELACK_MAX_US : HALF_SECOND_US;

		/* No longer than a round trip: by then the sender has stopped. */
		if (c->srtt_us != 0)
			max_us = RTE_MIN(max_us, RTE_MAX(c->srtt_us >> 3, (uint32_t)TCP_DELACK_US));
		ato_us = RTE_MIN(ato_us, max_us);
	}
	ato_us = RTE_MIN(ato_us, (uint32_t)TCP_DELACK_MAX_US);
	at_us = now_us + ato_us;
	if (c->flags & CONN_ACK_DELAYED) {
		/* It is about to leave anyway: save the timer. */
		if (c->ack_at_us <= now_us + ato_us / 4) {
			tcp_ack_now(c);
			return;
		}
		at_us = RTE_MIN(at_us, c->ack_at_us);
	}
	c->flags |= CONN_ACK_DELAYED;
	c->ack_at_us = at_us;
	tcp_timer_by(c, at_us);
}

void
tcp_delack_check(struct tcp_conn *c)
{
	if (!c->delack.owed || (c->flags & CONN_ACK_NOW) != 0)
		return;
	if (!TAILQ_EMPTY(&c->ranges) ||
	    (c->rcv_nxt - c->rcv_wup > c->rcv_mss &&
	     tcp_window_select(c) >= c->rcv_adv - c->rcv_wup) ||
	    is_quick(c))
		tcp_ack_now(c);
	else
		delay(c);
}

/* Before SYN-ACK's acknowledgment: the user said that data follows at once. */
void
tcp_delack_postpone(struct tcp_conn *c)
{
	c->delack.owed = true;
	tcp_delack_quick(c, QUICK_MAX);
	c->flags |= CONN_ACK_DELAYED;
	c->ack_at_us = c->engine->now_us + TCP_DELACK_MAX_US;
	tcp_timers_arm(c);
}

void
tcp_delack_read(struct tcp_conn *c, uint32_t read_bytes)
{
	const struct tcp_delack *d = &c->delack;
	bool drained = read_bytes > 0 && c->recvq.bytes == 0;

	if (!d->owed || (c->flags & CONN_ACK_NOW) != 0)
		return;
	if (c->rcv_nxt - c->rcv_wup > c->rcv_mss ||
	    (drained && (d->pushed_twice || (d->pushed && !d->pingpong))))
		tcp_ack_now(c);
}

void
tcp_delack_sent(struct tcp_conn *c, bool with_data)
{
	struct tcp_delack *d = &c->delack;

	if (d->quick > 0 && d->owed && --d->quick == 0)
		d->ato_us = TCP_DELACK_US;
	d->owed = d->pushed = d->pushed_twice = false;
	if (c->window_waits)
		tcp_window_wait(c);
	/* An answer within the time that an acknowledgment may wait: both ends talk. */
	if (with_data && c->engine->now_us - d->last_data_us < d->ato_us)
		d->pingpong = true;
}

void
tcp_delack_timeout(struct tcp_conn *c)
{
	struct tcp_delack *d = &c->delack;

	c->ack_at_us = UINT64_MAX;
	c->flags &= ~CONN_ACK_DELAYED;
	if (c->window_waits) {
		c->window_waits = false;
		tcp_window_opened(c);
		if (!d->owed)
			return;
	}
	if (d->owed) {
		TCP_COUNT(c->engine, delayed_acks);
		if (d->pingpong) {
			d->pingpong = false;
			d->ato_us = TCP_DELACK_US;
		} else {
			d->ato_us = RTE_MIN(d->ato_us * 2, c->rto_us);
		}
	}
	tcp_ack_now(c);
}

void
tcp_delack_set_quickack(struct tcp_conn *c, int v)
{
	c->delack.pingpong = v == 0;
	if (v == 0 || (c->state != TCP_ESTABLISHED && c->state != TCP_CLOSE_WAIT) ||
	    !c->delack.owed)
		return;
	c->delack.pushed = true;
	tcp_delack_read(c, 1);
	/* As Linux: an even value is for this once. */
	if ((v & 1) == 0)
		c->delack.pingpong = true;
}

int
tcp_delack_get_quickack(const struct tcp_conn *c)
{
	return !c->delack.pingpong;
}
