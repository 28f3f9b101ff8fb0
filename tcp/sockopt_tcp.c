/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of IPPROTO_TCP. */
#include <errno.h>

#include <rte_common.h>

#include "sockopt.h"

/* <netinet/tcp.h> has them too, and with them names that are ours. */
enum {
	OPT_TCP_NODELAY = 1,
	OPT_TCP_MAXSEG = 2,
	OPT_TCP_CORK = 3,
	OPT_TCP_WINDOW_CLAMP = 10,
	OPT_TCP_INFO = 11,
	OPT_TCP_QUICKACK = 12,
	OPT_TCP_CONGESTION = 13,
	OPT_TCP_USER_TIMEOUT = 18,
	OPT_TCP_NOTSENT_LOWAT = 25,
	OPT_TCP_CC_INFO = 26,
	OPT_TCP_INQ = 36,
	CC_NAME_BYTES = 16, /* Linux's TCP_CA_NAME_MAX */
};

/* What is held back leaves at once, once; `held` is what holds it from then on. */
static void
push(struct tcp_conn *c, uint32_t held)
{
	c->flags &= ~(CONN_MORE | CONN_CORK);
	if (c->unsent_bytes > 0)
		tcp_output(c);
	c->flags |= held;
}

static int
set_cork(struct tcp_conn *c, int v)
{
	if (v != 0)
		c->flags |= CONN_CORK;
	else if (c->flags & CONN_CORK)
		push(c, 0);
	return 0;
}

static int
get_cork(struct tcp_conn *c)
{
	return tcp_has_flag(c, CONN_CORK);
}

static int
set_nodelay(struct tcp_conn *c, int v)
{
	tcp_set_flag(c, CONN_NODELAY, v != 0);
	if (v != 0)
		push(c, c->flags & CONN_CORK);
	return 0;
}

static int
get_nodelay(struct tcp_conn *c)
{
	return tcp_has_flag(c, CONN_NODELAY);
}

static int
set_maxseg(struct tcp_conn *c, int v)
{
	if (v != 0 && (v < 88 || v > 32767))
		return -EINVAL;
	c->user_mss = (uint16_t)v;
	return 0;
}

/* As Linux: what is sent now, or before connecting what was asked for. */
static int
get_maxseg(struct tcp_conn *c)
{
	bool unconnected = c->state == TCP_CLOSED || c->state == TCP_LISTEN;

	if (c->frozen)
		return tcp_repair_maxseg(c);
	if (unconnected && c->user_mss != 0)
		return c->user_mss;
	return c->state >= TCP_ESTABLISHED ? c->mss : TCP_MSS_DEFAULT4;
}

static int
set_window_clamp(struct tcp_conn *c, int v)
{
	return tcp_rcv_set_clamp(c, v < 0 ? 1 : (uint32_t)v);
}

static int
get_window_clamp(struct tcp_conn *c)
{
	return (int)c->window_clamp;
}

static int
set_quickack(struct tcp_conn *c, int v)
{
	tcp_delack_set_quickack(c, v);
	return 0;
}

static int
get_quickack(struct tcp_conn *c)
{
	return tcp_delack_get_quickack(c);
}

static int
set_user_timeout(struct tcp_conn *c, int v)
{
	if (v < 0)
		return -EINVAL;
	c->user_timeout_ms = (uint32_t)v;
	return 0;
}

static int
get_user_timeout(struct tcp_conn *c)
{
	return (int)c->user_timeout_ms;
}

static int
set_notsent_lowat(struct tcp_conn *c, int v)
{
	c->notsent_lowat_bytes = (uint32_t)v;
	tcp_tell_room(c);
	return 0;
}

static int
get_notsent_lowat(struct tcp_conn *c)
{
	return (int)c->notsent_lowat_bytes;
}

static int
set_inq(struct tcp_conn *c, int v)
{
	if (v != 0 && v != 1)
		return -EINVAL;
	c->wants_inq = v != 0;
	return 0;
}

static int
get_inq(struct tcp_conn *c)
{
	return c->wants_inq;
}

static const struct tcp_int_option ints[] = {
	{IPPROTO_TCP, OPT_TCP_NODELAY, set_nodelay, get_nodelay, 0},
	{IPPROTO_TCP, OPT_TCP_CORK, set_cork, get_cork, 0},
	{IPPROTO_TCP, OPT_TCP_MAXSEG, set_maxseg, get_maxseg, 0},
	{IPPROTO_TCP, OPT_TCP_WINDOW_CLAMP, set_window_clamp, get_window_clamp, 0},
	{IPPROTO_TCP, OPT_TCP_QUICKACK, set_quickack, get_quickack, 0},
	{IPPROTO_TCP, OPT_TCP_USER_TIMEOUT, set_user_timeout, get_user_timeout, 0},
	{IPPROTO_TCP, OPT_TCP_NOTSENT_LOWAT, set_notsent_lowat, get_notsent_lowat, 0},
	{IPPROTO_TCP, OPT_TCP_INQ, set_inq, get_inq, 0},
};

/* A name, with or without a terminating zero. */
static int
set_congestion(struct tcp_conn *c, const void *value, size_t len)
{
	const struct tcp_cc_ops *cc;
	char name[CC_NAME_BYTES] = "";

	if (len < 1)
		return -EINVAL;
	memcpy(name, value, RTE_MIN(len, sizeof(name) - 1));
	cc = tcp_cc_find(name);
	if (cc == NULL)
		return -ENOENT;
	tcp_cc_switch(c, cc);
	return 0;
}

/* NewReno by Linux's name of it. */
static int
get_congestion(struct tcp_conn *c, void *value, size_t *len)
{
	const char *shown = c->cc == &tcp_cc_newreno ? "reno" : c->cc->name;
	char name[CC_NAME_BYTES] = "";

	memcpy(name, shown, RTE_MIN(strlen(shown), sizeof(name) - 1));
	return tcp_put_value(name, sizeof(name), value, len);
}

/* No control here has anything to tell, as Linux's cubic and reno have not. */
static int
get_cc_info(struct tcp_conn *c, void *value, size_t *len)
{
	(void)c;
	(void)value;
	*len = 0;
	return 0;
}

static const struct tcp_block_option blocks[] = {
	{IPPROTO_TCP, OPT_TCP_INFO, NULL, tcp_info_get},
	{IPPROTO_TCP, OPT_TCP_CONGESTION, set_congestion, get_congestion},
	{IPPROTO_TCP, OPT_TCP_CC_INFO, NULL, get_cc_info},
};

const struct tcp_option_list tcp_tcp_options = {ints, RTE_DIM(ints), blocks, RTE_DIM(blocks)};
