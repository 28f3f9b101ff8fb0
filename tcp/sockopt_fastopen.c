/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open's options of IPPROTO_TCP: TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY,
 * TCP_FASTOPEN_NO_COOKIE. */
#include <errno.h>

#include <rte_common.h>

#include "sockopt.h"

enum {
	OPT_TCP_FASTOPEN = 23,
	OPT_TCP_FASTOPEN_CONNECT = 30,
	OPT_TCP_FASTOPEN_KEY = 33,
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

static int
set_qlen(struct tcp_conn *c, int v)
{
	if (v < 0 || (c->state != TCP_CLOSED && c->state != TCP_LISTEN))
		return -EINVAL;
	c->fastopen_server.qlen_max = RTE_MIN((uint32_t)v, (uint32_t)TCP_SOMAXCONN);
	return 0;
}

static int
get_qlen(struct tcp_conn *c)
{
	return (int)c->fastopen_server.qlen_max;
}

/* The key, or the key and a backup. */
static int
set_keys(struct tcp_conn *c, const void *value, size_t len)
{
	struct tcp_fastopen_keys *keys = &c->fastopen_server.keys;

	if (len != TCP_FASTOPEN_KEY_BYTES && len != sizeof(keys->key))
		return -EINVAL;
	keys->n = (uint8_t)(len / TCP_FASTOPEN_KEY_BYTES);
	memcpy(keys->key, value, len);
	return 0;
}

static int
get_keys(struct tcp_conn *c, void *value, size_t *len)
{
	const struct tcp_fastopen_keys *keys = &c->fastopen_server.keys;

	return tcp_put_value(keys->key, (size_t)keys->n * TCP_FASTOPEN_KEY_BYTES, value, len);
}

static const struct tcp_int_option ints[] = {
	{IPPROTO_TCP, OPT_TCP_FASTOPEN, set_qlen, get_qlen, 0},
	{IPPROTO_TCP, OPT_TCP_FASTOPEN_CONNECT, set_connect, get_connect, 0},
	{IPPROTO_TCP, OPT_TCP_FASTOPEN_NO_COOKIE, set_no_cookie, get_no_cookie, 0},
};

static const struct tcp_block_option blocks[] = {
	{IPPROTO_TCP, OPT_TCP_FASTOPEN_KEY, set_keys, get_keys},
};

const struct tcp_option_list tcp_fastopen_options = {ints, RTE_DIM(ints), blocks, RTE_DIM(blocks)};
