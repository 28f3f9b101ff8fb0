/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive buffer grows with what its reader takes in a round trip: dynamic right-sizing
 * (Fisk and Feng, 2001), in Linux's form.
 *
 * A sender whose window is no obstacle doubles its rate each round trip, and we learn of it one
 * round trip late: the buffer is made to hold twice what was read in the last one, and more while
 * the rate still rises. What lies out of order is added, for it cannot be read.
 *
 *     round trip   with timestamps: from the echo on a full segment, smoothed;
 *                  without: the time in which one whole window arrives, the smallest of these
 *     grows        never beyond rcvbuf_max_bytes, nor beyond a quarter of what the lane's queues
 *                  may still take; never where SO_RCVBUF was set. It does not shrink again.
 */
#include <rte_common.h>

#include "engine.h"

enum { SHARE = 4, BUF_BYTES = (int)sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE };

/* The first byte that the user has not read. */
static seq_t
copied_seq(const struct tcp_conn *c)
{
	return c->rcv_nxt - c->recvq.bytes - ((c->flags & CONN_PEER_FIN) != 0);
}

void
tcp_autotune_start(struct tcp_conn *c)
{
	struct tcp_autotune *a = &c->autotune;

	a->space_at_us = c->engine->now_us;
	a->space_seq = copied_seq(c);
	a->space_bytes = RTE_MIN(RTE_MIN(c->rcv_ssthresh, c->rcv_adv - c->rcv_wup),
				 (uint32_t)TCP_INITIAL_CWND * c->adv_mss);
}

static void
rtt_update(struct tcp_conn *c, uint64_t sample_us, bool by_window)
{
	uint32_t old = c->autotune.rtt_us;
	uint32_t sample = (uint32_t)RTE_MIN(sample_us, (uint64_t)UINT32_MAX >> 3);

	if (old == 0 || sample << 3 < old)
		c->autotune.rtt_us = sample << 3;
	/* A reader who lags makes the window's time long; and the peer's echo late. */
	else if (!by_window && c->recvq.bytes == 0)
		c->autotune.rtt_us = old - (old >> 3) + sample;
}

void
tcp_autotune_measure(struct tcp_conn *c)
{
	struct tcp_autotune *a = &c->autotune;

	if (a->window_at_us != 0) {
		uint64_t took_us = c->engine->now_us - a->window_at_us;

		if (seq_lt(c->rcv_nxt, a->window_end))
			return;
		rtt_update(c, RTE_MAX(took_us, UINT64_C(1)), true);
	}
	a->window_end = c->rcv_nxt + (c->rcv_adv - c->rcv_wup);
	a->window_at_us = c->engine->now_us;
}

void
tcp_autotune_measure_echo(struct tcp_conn *c, const struct tcp_segment *seg)
{
	uint32_t ms;

	if ((c->flags & CONN_TIMESTAMPS) == 0 || !seg->opt.has_timestamps || seg->opt.ts_ecr == 0 ||
	    seg->opt.ts_ecr == c->autotune.last_echo)
		return;
	c->autotune.last_echo = seg->opt.ts_ecr;
	ms = tcp_now_ts(c->engine, c->ts_offset) - seg->opt.ts_ecr;
	if (tcp_segment_seqlen(seg) >= c->rcv_mss && ms <= TCP_RTO_MAX_US / 1000)
		rtt_update(c, (uint64_t)RTE_MAX(ms, 1u) * 1000, false);
}

/* What this connection's buffer may grow to. */
static uint32_t
buffer_cap(const struct tcp_engine *e)
{
	uint32_t max = e->config.max_held_bufs;
	uint32_t left = max > e->held_bufs ? max - e->held_bufs : 0;

	return (uint32_t)RTE_MIN((uint64_t)e->config.rcvbuf_max_bytes,
				 (uint64_t)left * BUF_BYTES / SHARE);
}

/* So that the window can be what was read in a round trip, as it will be two round trips later. */
static void
grow(struct tcp_conn *c, uint32_t read_bytes)
{
	struct tcp_autotune *a = &c->autotune;
	uint64_t before = RTE_MAX(a->space_bytes, 1u), wnd = (uint64_t)read_bytes * 2, space;

	a->space_bytes = read_bytes;
	if (c->rcvbuf_locked)
		return;
	if (read_bytes > before)
		wnd += wnd * (read_bytes - before) / before * 2;
	wnd += tcp_ranges_span(c);
	space = RTE_MIN(tcp_rcv_space_for(c, RTE_MIN(wnd, (uint64_t)UINT32_MAX)),
			(uint64_t)buffer_cap(c->engine));
	if (space > c->rcvbuf_bytes) {
		c->rcvbuf_bytes = (uint32_t)space;
		c->window_clamp = tcp_rcv_window_of(c, c->rcvbuf_bytes);
	}
}

void
tcp_autotune_out_of_order(struct tcp_conn *c)
{
	/* Only for a user who is there to read. */
	if ((c->flags & (CONN_ACCEPTING | CONN_ORPHAN)) == 0)
		grow(c, c->autotune.space_bytes);
}

void
tcp_autotune_read(struct tcp_conn *c)
{
	struct tcp_autotune *a = &c->autotune;
	seq_t copied = copied_seq(c);
	int64_t read;

	if (a->rtt_us == 0 || c->engine->now_us - a->space_at_us < a->rtt_us >> 3)
		return;
	/* What waits in the queue was not taken in time. */
	read = (int64_t)(copied - a->space_seq) - (int64_t)(c->rcv_nxt - copied);
	if (read > (int64_t)a->space_bytes)
		grow(c, (uint32_t)read);
	a->space_seq = copied;
	a->space_at_us = c->engine->now_us;
}
