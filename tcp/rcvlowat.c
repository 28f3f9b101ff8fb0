/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SO_RCVLOWAT: how much must have arrived before a socket is readable, as Linux. Whoever waits for
 * more than the buffer holds would wait for ever: the buffer grows with the mark, and a socket
 * whose buffer or window is nearly full is readable all the same. recv() does not wait for the
 * mark.
 */
#include "sockopt.h"

/* An eighth of the buffer is left. */
static bool
buffer_is_full(const struct tcp_conn *c)
{
	return c->recvq.charge + c->ranges_charge > c->rcvbuf_bytes - c->rcvbuf_bytes / 8;
}

/* Not another full segment may come. */
static bool
window_is_full(const struct tcp_conn *c)
{
	return (int32_t)(c->rcv_adv - c->rcv_nxt) <= (int32_t)c->rcv_mss;
}

bool
tcp_rcv_is_ready(const struct tcp_conn *c)
{
	uint32_t target = c->rcvlowat_bytes;

	if (c->recvq.bytes == 0)
		return false;
	if (tcp_clc_is_on(c))
		return true;
	if (c->flags & CONN_URG_MARK) {
		if (tcp_urgent_hides_all(c))
			return false;
		/* The urgent byte is next, and does not count. */
		target += !c->oob_inline && c->urg_state == URG_HERE && tcp_urgent_at_mark(c);
	}
	return c->recvq.bytes >= target || buffer_is_full(c) || window_is_full(c);
}

int
tcp_rcvlowat_set(struct tcp_conn *c, int v)
{
	uint32_t most =
		c->rcvbuf_locked ? c->rcvbuf_bytes / 2 : c->engine->config.rcvbuf_max_bytes / 2;
	uint32_t bytes = RTE_MIN(v < 0 ? (uint32_t)INT32_MAX : (uint32_t)v, most);
	uint64_t space;

	c->rcvlowat_bytes = RTE_MAX(bytes, 1u);
	if (tcp_rcv_is_ready(c))
		tcp_mark_event(c);
	if (c->rcvbuf_locked)
		return 0;
	space = tcp_rcv_space_for(c, bytes);
	if (space <= c->rcvbuf_bytes)
		return 0;
	c->rcvbuf_bytes = (uint32_t)RTE_MIN(space, (uint64_t)c->engine->config.rcvbuf_max_bytes);
	if (c->window_clamp != 0 && c->window_clamp < bytes)
		tcp_rcv_set_clamp(c, bytes);
	return 0;
}
