/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options about a connection's beginning, its idle life and its end: SO_KEEPALIVE and its times,
 * TCP_SYNCNT, TCP_DEFER_ACCEPT, TCP_LINGER2, SO_LINGER, the bounds of the time-out, SO_OOBINLINE,
 * SO_REUSEPORT. Ranges and rounding are Linux's.
 */
#include <errno.h>

#include <rte_common.h>

#include "sockopt.h"

enum {
	OPT_TCP_KEEPIDLE = 4,
	OPT_TCP_KEEPINTVL = 5,
	OPT_TCP_KEEPCNT = 6,
	OPT_TCP_SYNCNT = 7,
	OPT_TCP_LINGER2 = 8,
	OPT_TCP_DEFER_ACCEPT = 9,
	OPT_TCP_RTO_MAX_MS = 44,
	OPT_TCP_RTO_MIN_US = 45,

	KEEPALIVE_MAX_S = 32767,
	COUNT_MAX = 127,
	LINGER2_MAX_S = 120,
	RTO_MAX_LEAST_MS = 1000,
	RTO_MIN_LEAST_US = 2000, /* two of Linux's clock ticks */
};

static int
set_keepalive(struct tcp_conn *c, int v)
{
	bool before = c->keepalive;

	c->keepalive = v != 0;
	if (c->keepalive != before)
		tcp_keepalive_start(c);
	return 0;
}

static int
get_keepalive(struct tcp_conn *c)
{
	return c->keepalive;
}

static int
set_keepidle(struct tcp_conn *c, int v)
{
	if (v < 1 || v > KEEPALIVE_MAX_S)
		return -EINVAL;
	c->keepidle_s = (uint16_t)v;
	tcp_keepalive_idle_changed(c);
	return 0;
}

static int
get_keepidle(struct tcp_conn *c)
{
	return (int)(c->keepidle_s != 0 ? c->keepidle_s : c->engine->config.keepalive_time_s);
}

static int
set_keepintvl(struct tcp_conn *c, int v)
{
	if (v < 1 || v > KEEPALIVE_MAX_S)
		return -EINVAL;
	c->keepintvl_s = (uint16_t)v;
	return 0;
}

static int
get_keepintvl(struct tcp_conn *c)
{
	return (int)(c->keepintvl_s != 0 ? c->keepintvl_s : c->engine->config.keepalive_intvl_s);
}

static int
set_keepcnt(struct tcp_conn *c, int v)
{
	if (v < 1 || v > COUNT_MAX)
		return -EINVAL;
	c->keepcnt = (uint8_t)v;
	return 0;
}

static int
get_keepcnt(struct tcp_conn *c)
{
	return c->keepcnt != 0 ? c->keepcnt : c->engine->config.keepalive_probes;
}

static int
set_syncnt(struct tcp_conn *c, int v)
{
	if (v < 1 || v > COUNT_MAX)
		return -EINVAL;
	c->syn_retries = (uint8_t)v;
	return 0;
}

static int
get_syncnt(struct tcp_conn *c)
{
	return c->syn_retries != 0 ? c->syn_retries : c->engine->config.syn_retries;
}

/* A negative time means that the connection ends with our FIN's acknowledgment. */
static int
set_linger2(struct tcp_conn *c, int v)
{
	c->linger2_s = (int16_t)RTE_MAX(RTE_MIN(v, (int)LINGER2_MAX_S), -1);
	return 0;
}

static int
get_linger2(struct tcp_conn *c)
{
	return c->linger2_s != 0 ? c->linger2_s : (int)(c->engine->config.timewait_ms / 1000);
}

/* Seconds as the number of SYN-ACKs whose time-outs reach them, and back. */
static int
set_defer_accept(struct tcp_conn *c, int v)
{
	uint64_t reached_us = 0, rto_us = TCP_RTO_INITIAL_US;
	uint8_t n = 0;

	while (v > 0 && n < UINT8_MAX && reached_us < (uint64_t)v * 1000000) {
		reached_us += rto_us;
		rto_us = RTE_MIN(rto_us * 2, (uint64_t)TCP_RTO_MAX_US);
		n++;
	}
	c->defer_accept = n;
	return 0;
}

static int
get_defer_accept(struct tcp_conn *c)
{
	uint64_t us = 0, rto_us = TCP_RTO_INITIAL_US;

	for (uint8_t i = 0; i < c->defer_accept; i++) {
		us += rto_us;
		rto_us = RTE_MIN(rto_us * 2, (uint64_t)TCP_RTO_MAX_US);
	}
	return (int)(us / 1000000);
}

static int
set_rto_max(struct tcp_conn *c, int v)
{
	if (v < RTO_MAX_LEAST_MS || v > TCP_RTO_MAX_US / 1000)
		return -EINVAL;
	c->rto_max_ms = (uint32_t)v;
	return 0;
}

static int
get_rto_max(struct tcp_conn *c)
{
	return (int)c->rto_max_ms;
}

static int
set_rto_min(struct tcp_conn *c, int v)
{
	if (v < RTO_MIN_LEAST_US || v > TCP_RTO_MIN_US)
		return -EINVAL;
	c->rto_min_us = (uint32_t)v;
	return 0;
}

static int
get_rto_min(struct tcp_conn *c)
{
	return (int)c->rto_min_us;
}

static int
set_oobinline(struct tcp_conn *c, int v)
{
	c->oob_inline = v != 0;
	return 0;
}

static int
get_oobinline(struct tcp_conn *c)
{
	return c->oob_inline;
}

static int
set_reuseport(struct tcp_conn *c, int v)
{
	c->reuseport = v != 0;
	tcp_hold_changed(c);
	return 0;
}

static int
get_reuseport(struct tcp_conn *c)
{
	return c->reuseport;
}

static const struct tcp_int_option ints[] = {
	{SOL_SOCKET, SO_KEEPALIVE, set_keepalive, get_keepalive, 0},
	{SOL_SOCKET, SO_OOBINLINE, set_oobinline, get_oobinline, 0},
	{SOL_SOCKET, SO_REUSEPORT, set_reuseport, get_reuseport, 0},
	{IPPROTO_TCP, OPT_TCP_KEEPIDLE, set_keepidle, get_keepidle, 0},
	{IPPROTO_TCP, OPT_TCP_KEEPINTVL, set_keepintvl, get_keepintvl, 0},
	{IPPROTO_TCP, OPT_TCP_KEEPCNT, set_keepcnt, get_keepcnt, 0},
	{IPPROTO_TCP, OPT_TCP_SYNCNT, set_syncnt, get_syncnt, 0},
	{IPPROTO_TCP, OPT_TCP_LINGER2, set_linger2, get_linger2, 0},
	{IPPROTO_TCP, OPT_TCP_DEFER_ACCEPT, set_defer_accept, get_defer_accept, 0},
	{IPPROTO_TCP, OPT_TCP_RTO_MAX_MS, set_rto_max, get_rto_max, 0},
	{IPPROTO_TCP, OPT_TCP_RTO_MIN_US, set_rto_min, get_rto_min, 0},
};

static int
set_linger(struct tcp_conn *c, const void *value, size_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	c->linger_on = l.l_onoff != 0;
	if (c->linger_on)
		c->linger_s = l.l_linger;
	tcp_set_flag(c, CONN_LINGER_RESET, c->linger_on && c->linger_s == 0);
	return 0;
}

static int
get_linger(struct tcp_conn *c, void *value, size_t *len)
{
	struct linger l = {.l_onoff = c->linger_on, .l_linger = c->linger_s};

	return tcp_put_value(&l, sizeof(l), value, len);
}

static const struct tcp_block_option blocks[] = {
	{SOL_SOCKET, SO_LINGER, set_linger, get_linger},
};

const struct tcp_option_list tcp_life_options = {ints, RTE_DIM(ints), blocks, RTE_DIM(blocks)};
