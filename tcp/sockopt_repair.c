/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Repair's options of IPPROTO_TCP: TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS,
 * TCP_TIMESTAMP, TCP_REPAIR_WINDOW; and what TCP_MAXSEG says in repair. Each rule's order is
 * Linux's. Only TCP_REPAIR itself asks whether its user may; the rest needs repair mode.
 */
#include <errno.h>

#include <rte_common.h>

#include "sockopt.h"

enum {
	OPT_TCP_REPAIR = 19,
	OPT_TCP_REPAIR_QUEUE = 20,
	OPT_TCP_QUEUE_SEQ = 21,
	OPT_TCP_REPAIR_OPTIONS = 22,
	OPT_TCP_TIMESTAMP = 24,
	OPT_TCP_REPAIR_WINDOW = 29,

	REPAIR_ON = 1,
	REPAIR_OFF = 0,
	REPAIR_OFF_SILENTLY = -1,

	/* codes of TCP_REPAIR_OPTIONS: the options' kinds */
	REPAIR_MSS = 2,
	REPAIR_WSCALE = 3,
	REPAIR_SACK = 4,
	REPAIR_TIMESTAMPS = 8,
};

static int
set_repair(struct tcp_conn *c, int v)
{
	if (!c->repair.privileged || c->state == TCP_LISTEN)
		return -EPERM;
	switch (v) {
	case REPAIR_ON:
		if (tcp_clc_is_on(c))
			return -EBUSY; /* what its queues hold is not its user's */
		tcp_repair_enter(c);
		return 0;
	case REPAIR_OFF:
		tcp_repair_leave(c);
		tcp_repair_probe(c);
		return 0;
	case REPAIR_OFF_SILENTLY:
		tcp_repair_leave(c);
		return 0;
	default:
		return -EINVAL;
	}
}

static int
get_repair(struct tcp_conn *c)
{
	return c->frozen;
}

static int
set_queue(struct tcp_conn *c, int v)
{
	if (!c->frozen)
		return -EPERM;
	if (v < 0 || v >= TCP_REPAIR_QUEUES)
		return -EINVAL;
	c->repair.queue = (uint8_t)v;
	return 0;
}

static int
get_queue(struct tcp_conn *c, void *value, size_t *len)
{
	int v = c->repair.queue;

	return c->frozen ? tcp_put_value(&v, sizeof(v), value, len) : -EINVAL;
}

static int
set_queue_seq(struct tcp_conn *c, const void *value, size_t len)
{
	seq_t v;

	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, value, sizeof(v));
	if (c->state != TCP_CLOSED)
		return -EPERM;
	switch (c->repair.queue) {
	case TCP_REPAIR_SEND_QUEUE:
		c->repair.snd_seq = v;
		c->repair.snd_seq_set = true;
		return 0;
	case TCP_REPAIR_RECV_QUEUE:
		if (c->recvq.bytes > 0)
			return -EPERM;
		c->rcv_nxt = v;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Linux's write_seq: behind all that was queued, its FIN included. */
static seq_t
write_seq(const struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED)
		return c->repair.snd_seq;
	return c->snd_nxt + c->unsent_bytes +
	       ((c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE);
}

static int
get_queue_seq(struct tcp_conn *c, void *value, size_t *len)
{
	seq_t v;

	if (c->repair.queue == TCP_REPAIR_NO_QUEUE)
		return -EINVAL;
	v = c->repair.queue == TCP_REPAIR_SEND_QUEUE ? write_seq(c) : c->rcv_nxt;
	return tcp_put_value(&v, sizeof(v), value, len);
}

/* ---- TCP_REPAIR_OPTIONS: what the SYNs agreed on */

static int
take_option(struct tcp_conn *c, uint32_t code, uint32_t value)
{
	uint32_t snd_wscale = value & 0xffff, rcv_wscale = value >> 16;

	switch (code) {
	case REPAIR_MSS:
		c->peer_mss = (uint16_t)value;
		return 0;
	case REPAIR_WSCALE:
		if (snd_wscale > TCP_MAX_WSCALE_SHIFT || rcv_wscale > TCP_MAX_WSCALE_SHIFT)
			return -EFBIG;
		c->snd_wscale_shift = (uint8_t)snd_wscale;
		c->rcv_wscale_shift = (uint8_t)rcv_wscale;
		c->flags |= CONN_WSCALE;
		return 0;
	case REPAIR_SACK:
		if (value != 0)
			return -EINVAL;
		c->flags |= CONN_SACK;
		return 0;
	case REPAIR_TIMESTAMPS:
		if (value != 0)
			return -EINVAL;
		c->flags |= CONN_TIMESTAMPS;
		c->ts_recent = 0; /* none is known: the first that comes is as good as any */
		c->ts_recent_s = tcp_now_s(c->engine);
		return 0;
	default:
		return 0;
	}
}

static int
set_options(struct tcp_conn *c, const void *value, size_t len)
{
	const uint8_t *at = value;
	uint32_t pair[2];
	int status = 0;

	if (len < sizeof(int) || !c->frozen)
		return -EINVAL;
	if (c->state != TCP_ESTABLISHED || c->bytes_sent > 0)
		return -EPERM;
	for (; len >= sizeof(pair) && status == 0; len -= sizeof(pair), at += sizeof(pair)) {
		memcpy(pair, at, sizeof(pair));
		status = take_option(c, pair[0], pair[1]);
	}
	tcp_mtu_probe_start(c);
	tcp_conn_set_mss(c);
	tcp_rcv_start(c);
	return status;
}

/* ---- TCP_TIMESTAMP */

/*
 * Bit 0 is Linux's flag for a clock of microseconds, which ours is not: it reads 0, and the clock
 * is never behind what it was. DEVIATION: set, it only makes the clock go on from there, in
 * milliseconds, which to the peer is a slower clock.
 */
static int
even_up(uint32_t v)
{
	return (int)((v + 1) & ~1u);
}

static int
set_timestamp(struct tcp_conn *c, int v)
{
	if (!c->frozen)
		return -EPERM;
	c->ts_offset = (uint32_t)even_up((uint32_t)v) - c->engine->now_ms;
	return 0;
}

static int
get_timestamp(struct tcp_conn *c)
{
	return even_up(tcp_now_ts(c->engine, c->ts_offset));
}

/* ---- TCP_REPAIR_WINDOW */

/* As Linux lays it out. */
struct repair_window {
	uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
};

static int
set_window(struct tcp_conn *c, const void *value, size_t len)
{
	struct repair_window w;

	if (len < sizeof(int))
		return -EINVAL;
	if (!c->frozen)
		return -EPERM;
	if (len != sizeof(w))
		return -EINVAL;
	memcpy(&w, value, sizeof(w));
	if (w.max_window < w.snd_wnd || seq_gt(w.snd_wl1, c->rcv_nxt + w.rcv_wnd) ||
	    seq_gt(w.rcv_wup, c->rcv_nxt))
		return -EINVAL;
	c->snd_wl1 = w.snd_wl1;
	c->snd_wnd = w.snd_wnd;
	c->max_wnd = w.max_window;
	c->rcv_wup = w.rcv_wup;
	c->rcv_adv = w.rcv_wup + w.rcv_wnd;
	c->rcv_ssthresh = RTE_MAX(c->rcv_ssthresh, RTE_MIN(w.rcv_wnd, c->window_clamp));
	return 0;
}

static int
get_window(struct tcp_conn *c, void *value, size_t *len)
{
	struct repair_window w = {
		.snd_wl1 = c->snd_wl1,
		.snd_wnd = c->snd_wnd,
		.max_window = c->max_wnd,
		.rcv_wnd = c->rcv_adv - c->rcv_wup,
		.rcv_wup = c->rcv_wup,
	};

	if (*len != sizeof(w))
		return -EINVAL;
	return c->frozen ? tcp_put_value(&w, sizeof(w), value, len) : -EPERM;
}

/* The negotiated clamp, without regard to options and path: none yet in CLOSED. */
int
tcp_repair_maxseg(const struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED)
		return 0;
	return c->user_mss != 0 && c->user_mss < c->peer_mss ? c->user_mss : c->peer_mss;
}

static const struct tcp_int_option ints[] = {
	{IPPROTO_TCP, OPT_TCP_REPAIR, set_repair, get_repair, 0},
	{IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, set_queue, NULL, 0},
	{IPPROTO_TCP, OPT_TCP_TIMESTAMP, set_timestamp, get_timestamp, 0},
};

static const struct tcp_block_option blocks[] = {
	{IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, NULL, get_queue},
	{IPPROTO_TCP, OPT_TCP_QUEUE_SEQ, set_queue_seq, get_queue_seq},
	{IPPROTO_TCP, OPT_TCP_REPAIR_OPTIONS, set_options, NULL},
	{IPPROTO_TCP, OPT_TCP_REPAIR_WINDOW, set_window, get_window},
};

const struct tcp_option_list tcp_repair_options = {ints, RTE_DIM(ints), blocks, RTE_DIM(blocks)};
