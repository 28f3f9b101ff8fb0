/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The window that we offer: RFC 9293 §3.8.6.2.2 (silly windows), RFC 7323 §2, in Linux's terms.
 *
 *     rcvbuf_bytes    memory that the queues may take, buffers and their mbufs
 *     rcv_ratio       bytes of window for 256 bytes of it: how full the peer's segments make their
 *                     buffers (1460 bytes in an mbuf of 2 KiB: 162); half until something arrived
 *     window_clamp    what all of rcvbuf_bytes would bear, or less by TCP_WINDOW_CLAMP
 *     rcv_ssthresh    what is offered at most now: it begins with the first window and grows by
 *                     what arrives, as long as that fills its buffers well
 *
 * So what is offered can be taken, also when segments become smaller: they are compacted then
 * (receive.c). The right edge never moves left (RFC 9293 §3.8.6), but for one case: when the
 * lane has no buffers left for what is in flight, the window is said to be 0 until it has.
 */
#include <errno.h>

#include <rte_common.h>

#include "engine.h"

enum {
	RATIO_SHIFT = 8,
	RATIO_FIRST = 128,
	CLAMP_MIN = 1152,               /* as Linux: half of the smallest SO_RCVBUF */
	PRESSURE_RETRY_US = 100 * 1000, /* look again whether the lane has buffers */
};

uint32_t
tcp_rcv_window_of(const struct tcp_conn *c, uint32_t space)
{
	return (uint32_t)((uint64_t)space * c->rcv_ratio >> RATIO_SHIFT);
}

uint64_t
tcp_rcv_space_for(const struct tcp_conn *c, uint64_t wnd)
{
	return (wnd << RATIO_SHIFT) / c->rcv_ratio;
}

void
tcp_rcv_first_offer(const struct tcp_conn *c, uint32_t mss, bool wscale, struct tcp_rcv_offer *o)
{
	uint32_t full = c->rcvbuf_bytes / 2, clamp = c->window_clamp, wnd, top;

	if (c->rcvbuf_locked && (clamp == 0 || clamp > full))
		clamp = full;
	if (clamp == 0)
		clamp = 65535u << TCP_MAX_WSCALE_SHIFT;
	wnd = RTE_MIN(clamp, full);
	if (wnd > mss)
		wnd -= wnd % mss;
	o->wscale_shift = 0;
	top = RTE_MIN(RTE_MAX(wnd, c->engine->config.rcvbuf_max_bytes), clamp);
	while (wscale && o->wscale_shift < TCP_MAX_WSCALE_SHIFT && top >> o->wscale_shift > 65535)
		o->wscale_shift++;
	o->clamp = RTE_MIN(clamp, 65535u << o->wscale_shift);
	o->wnd = (uint16_t)RTE_MIN(wnd, 65535u);
}

void
tcp_rcv_announce(struct tcp_conn *c)
{
	uint32_t mss = tcp_announced_mss(c->mtu, ip_is4(&c->tuple.remote), c->user_mss);

	if (c->flags & CONN_TIMESTAMPS)
		mss -= TCP_TIMESTAMPS_ALIGNED_BYTES;
	c->adv_mss = (uint16_t)mss;
}

/* Room is left for one segment more than is offered. */
void
tcp_rcv_start(struct tcp_conn *c)
{
	uint32_t mss, full;

	tcp_rcv_announce(c);
	mss = c->adv_mss;
	c->rcv_ratio = RATIO_FIRST;
	full = tcp_rcv_window_of(c, c->rcvbuf_bytes);
	c->rcv_ssthresh = c->rcv_adv - c->rcv_wup;
	if (c->window_clamp == 0 || c->window_clamp >= full)
		c->window_clamp = full;
	if ((c->flags & CONN_WSCALE) == 0)
		c->window_clamp = RTE_MIN(c->window_clamp, 65535u);
	if (c->window_clamp > 2 * mss && c->window_clamp + mss > full)
		c->window_clamp = RTE_MAX(2 * mss, full > mss ? full - mss : 0);
	c->rcv_ssthresh = RTE_MIN(c->rcv_ssthresh, c->window_clamp);
	tcp_autotune_start(c);
	tcp_delack_start(c);
}

void
tcp_rcv_ratio_update(struct tcp_conn *c, uint32_t bytes, uint32_t charge)
{
	uint32_t ratio = (uint32_t)(((uint64_t)bytes << RATIO_SHIFT) / RTE_MAX(charge, 1u));

	ratio = RTE_MAX(RTE_MIN(ratio, 255u), 1u);
	if (ratio == c->rcv_ratio)
		return;
	c->rcv_ratio = (uint8_t)ratio;
	tcp_rcv_set_clamp(c, RTE_MAX(tcp_rcv_window_of(c, c->rcvbuf_bytes), 1u));
	c->autotune.space_bytes = RTE_MIN(c->autotune.space_bytes, c->window_clamp);
}

/* TCP_WINDOW_CLAMP. */
int
tcp_rcv_set_clamp(struct tcp_conn *c, uint32_t v)
{
	uint32_t before = c->window_clamp;

	if (v == 0) {
		if (c->state != TCP_CLOSED)
			return -EINVAL;
		c->window_clamp = 0;
		return 0;
	}
	v = RTE_MAX(v, (uint32_t)CLAMP_MIN);
	c->window_clamp = v;
	if (v < before)
		c->rcv_ssthresh = RTE_MIN(c->rcv_ssthresh, v);
	else if (v > before)
		c->rcv_ssthresh = RTE_MAX(c->rcv_ssthresh, RTE_MIN(c->rcv_adv - c->rcv_wup, v));
	return 0;
}

static bool
is_under_pressure(const struct tcp_engine *e)
{
	return e->held_bufs > e->config.max_held_bufs / 4 * 3;
}

/* Payload that the free part of the buffer can take. */
static uint32_t
free_window(const struct tcp_conn *c)
{
	uint32_t used = c->recvq.charge + c->ranges_charge;

	return c->rcvbuf_bytes > used ? tcp_rcv_window_of(c, c->rcvbuf_bytes - used) : 0;
}

/* Whether segments that fill their buffers as this one still fit when the window is as large as
 * now: bad ones may let a small window grow, never a large one. */
static bool
may_grow(const struct tcp_conn *c, uint32_t bytes, uint32_t charge)
{
	uint32_t needed = tcp_rcv_window_of(c, charge);
	uint32_t largest = tcp_rcv_window_of(c, c->engine->config.rcvbuf_max_bytes);

	while (needed > bytes) {
		needed >>= 1;
		largest >>= 1;
		if (c->rcv_ssthresh > largest)
			return false;
	}
	return true;
}

void
tcp_rcv_grow(struct tcp_conn *c, uint32_t bytes, uint32_t charge)
{
	uint32_t room = RTE_MIN(c->window_clamp, free_window(c)), step;

	if (room <= c->rcv_ssthresh)
		return;
	if (is_under_pressure(c->engine)) {
		c->rcv_ssthresh = RTE_MIN(c->rcv_ssthresh, 4u * c->adv_mss);
		return;
	}
	if (!may_grow(c, bytes, charge))
		return;
	step = tcp_rcv_window_of(c, charge) <= bytes ? 2u * c->adv_mss : 2u * c->rcv_mss;
	step = RTE_MAX(step, 2 * bytes);
	c->rcv_ssthresh += RTE_MIN(room - c->rcv_ssthresh, step);
	c->delack.quick |= 1;
}

/* The largest multiple of a segment; or as it is, where that is as good. */
static uint32_t
whole_segments(const struct tcp_conn *c, uint32_t free, uint32_t mss, uint32_t full)
{
	uint32_t wnd = c->rcv_adv - c->rcv_wup;

	if (wnd + mss <= free || wnd > free)
		return free - free % mss;
	if (mss == full && free > wnd + full / 2)
		return free;
	return wnd;
}

uint32_t
tcp_window_select(struct tcp_conn *c)
{
	uint32_t all = tcp_rcv_window_of(c, c->rcvbuf_bytes), free = free_window(c);
	uint32_t full = RTE_MIN(c->window_clamp, all), mss = RTE_MIN((uint32_t)c->rcv_mss, full);
	uint32_t unit = 1u << c->rcv_wscale_shift;

	if (mss == 0 || is_under_pressure(c->engine))
		return 0;
	if (free < full / 2) {
		/* The reader lags: nothing is gained by acknowledging quickly. */
		c->delack.quick = 0;
		free &= ~(unit - 1);
		if (free < all / 16 || free < mss)
			return 0;
	}
	free = RTE_MIN(free, c->rcv_ssthresh);
	if (c->rcv_wscale_shift == 0)
		return whole_segments(c, free, mss, full);
	/* Up, lest a unit larger than a segment makes it 0. */
	return (free + unit - 1) & ~(unit - 1);
}

/* RCV.WND as it was offered last. */
static uint32_t
rcv_wnd(const struct tcp_conn *c)
{
	return seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
}

uint32_t
tcp_window_to_offer(struct tcp_conn *c)
{
	uint32_t unit = 1u << c->rcv_wscale_shift;
	uint32_t now = rcv_wnd(c), wnd = tcp_window_select(c);

	if (c->window_shut && wnd == 0) {
		c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
		return 0;
	}
	c->window_shut = false;
	if (c->dupacks_due > 0)
		wnd = 0; /* an ACK that moves the edge would be no duplicate */
	/* The right edge never moves left, not even by rounding. */
	if (wnd < now)
		wnd = (now + unit - 1) & ~(unit - 1);
	wnd = RTE_MIN(wnd, 65535u << c->rcv_wscale_shift);
	if (seq_gt(c->rcv_nxt + wnd, c->rcv_adv))
		c->rcv_adv = c->rcv_nxt + wnd;
	return wnd;
}

void
tcp_window_wait(struct tcp_conn *c)
{
	c->window_waits = true;
	c->ack_at_us = c->engine->now_us + PRESSURE_RETRY_US;
	tcp_timers_arm(c);
}

void
tcp_window_opened(struct tcp_conn *c)
{
	uint32_t now = c->window_shut ? 0 : rcv_wnd(c), wnd;

	if (now < c->rcv_mss && is_under_pressure(c->engine) && c->ack_at_us == UINT64_MAX) {
		/* Others hold the buffers; nobody but us would ever tell the peer. */
		tcp_window_wait(c);
		return;
	}
	if (c->state < TCP_ESTABLISHED || c->state > TCP_FIN_WAIT_2 ||
	    (c->flags & (CONN_RD_SHUT | CONN_ACK_NOW)) != 0 || 2 * now > c->window_clamp)
		return;
	wnd = tcp_window_select(c);
	if (wnd > 0 && wnd >= 2 * now)
		tcp_ack_now(c);
}
