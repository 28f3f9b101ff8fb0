/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open's options of IPPROTO_TCP: TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE. */
#include <errno.h>

#include <rte_common.h>

#include "sockopt.h"

enum {
	OPT_TCP_FASTOPEN_CONNECT = 30,
	OPT_TCP_FASTOPEN_NO_COOKIE = 34,
};

/* As Linux: the value first, then whether there is Fast Open at all, then the state. */
static int
set_connect(struct tcp_conn *c, int v)
{
	if (v != 0 && v != 1)
		return -EINVAL;
	if ((c->engine->config.fastopen & TCP_FASTOPEN_CLIENT) == 0)
		return -EOPNOTSUPP;
	if (c->state != TCP_CLOSED)
		return -EINVAL;
	c->fastopen.connect = v != 0;
	return 0;
}

static int
get_connect(struct tcp_conn *c)
{
	return c->fastopen.connect;
}

static int
set_no_cookie(struct tcp_conn *c, int v)
{
	if ((v != 0 && v != 1) || (c->state != TCP_CLOSED && c->state != TCP_LISTEN))
		return -EINVAL;
	c->fastopen.no_cookie = v != 0;
	return 0;
}

static int
get_no_cookie(struct tcp_conn *c)
{
	return c->fastopen.no_cookie;
}

static const struct tcp_int_option ints[] = {
	{IPPROTO_TCP, OPT_TCP_FASTOPEN_CONNECT, set_connect, get_connect, 0},
	{IPPROTO_TCP, OPT_TCP_FASTOPEN_NO_COOKIE, set_no_cookie, get_no_cookie, 0},
};

const struct tcp_option_list tcp_fastopen_options = {ints, RTE_DIM(ints), NULL, 0};
