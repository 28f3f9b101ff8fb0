/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of SOL_SOCKET. */
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "sockopt.h"

/* SO_SNDBUF and SO_RCVBUF: Linux's net.core.wmem_max is raised, its minima are kept. */
enum {
	BUF_MIN_SND = 4608,
	BUF_MIN_RCV = 2304,
	BUF_MAX = 64 * 1024 * 1024,
};

/* As Linux: the value is doubled, for the buffers' own memory; below zero it is the largest. */
static uint32_t
buffer_size(int v, uint32_t min)
{
	uint32_t bytes = RTE_MIN((uint32_t)v, (uint32_t)BUF_MAX);

	return RTE_MAX(bytes * 2, min);
}

static int
set_reuseaddr(struct tcp_conn *c, int v)
{
	tcp_set_flag(c, CONN_REUSEADDR, v != 0);
	tcp_hold_changed(c);
	return 0;
}

static int
get_reuseaddr(struct tcp_conn *c)
{
	/* As Linux: a port in use is no obstacle in repair. */
	return c->frozen ? 2 : tcp_has_flag(c, CONN_REUSEADDR);
}

static int
set_sndbuf(struct tcp_conn *c, int v)
{
	c->sndbuf_bytes = buffer_size(v, BUF_MIN_SND);
	c->sndbuf_locked = true;
	tcp_tell_room(c);
	return 0;
}

static int
get_sndbuf(struct tcp_conn *c)
{
	return (int)c->sndbuf_bytes;
}

static int
set_rcvbuf(struct tcp_conn *c, int v)
{
	c->rcvbuf_bytes = buffer_size(v, BUF_MIN_RCV);
	c->rcvbuf_locked = true;
	return 0;
}

static int
get_rcvbuf(struct tcp_conn *c)
{
	return (int)c->rcvbuf_bytes;
}

static int
get_rcvlowat(struct tcp_conn *c)
{
	return (int)c->rcvlowat_bytes;
}

static int
get_error(struct tcp_conn *c)
{
	int v = c->error != 0 ? c->error : c->soft_error;

	c->error = 0;
	c->soft_error = 0;
	return v;
}

static int
get_type(struct tcp_conn *c)
{
	(void)c;
	return SOCK_STREAM;
}

static int
get_protocol(struct tcp_conn *c)
{
	(void)c;
	return IPPROTO_TCP;
}

static int
get_domain(struct tcp_conn *c)
{
	return tcp_family(c);
}

static int
get_acceptconn(struct tcp_conn *c)
{
	return c->state == TCP_LISTEN;
}

/* Marks and priorities choose routes and queues on Linux; here they are only remembered. */
static int
set_mark(struct tcp_conn *c, int v)
{
	c->mark = (uint32_t)v;
	return 0;
}

static int
get_mark(struct tcp_conn *c)
{
	return (int)c->mark;
}

static int
set_priority(struct tcp_conn *c, int v)
{
	c->priority = (uint32_t)v;
	return 0;
}

static int
get_priority(struct tcp_conn *c)
{
	return (int)c->priority;
}

static int
set_zerocopy(struct tcp_conn *c, int v)
{
	if (v < 0 || v > 1)
		return -EINVAL;
	c->zerocopy.on = v == 1;
	return 0;
}

static int
get_zerocopy(struct tcp_conn *c)
{
	return c->zerocopy.on;
}

static const struct tcp_int_option ints[] = {
	{SOL_SOCKET, SO_REUSEADDR, set_reuseaddr, get_reuseaddr, 0},
	{SOL_SOCKET, SO_SNDBUF, set_sndbuf, get_sndbuf, 0},
	{SOL_SOCKET, SO_SNDBUFFORCE, set_sndbuf, NULL, 0},
	{SOL_SOCKET, SO_RCVBUF, set_rcvbuf, get_rcvbuf, 0},
	{SOL_SOCKET, SO_RCVBUFFORCE, set_rcvbuf, NULL, 0},
	{SOL_SOCKET, SO_RCVLOWAT, tcp_rcvlowat_set, get_rcvlowat, 0},
	{SOL_SOCKET, SO_MARK, set_mark, get_mark, 0},
	{SOL_SOCKET, SO_PRIORITY, set_priority, get_priority, 0},
	{SOL_SOCKET, SO_ZEROCOPY, set_zerocopy, get_zerocopy, 0},
	{SOL_SOCKET, SO_ERROR, NULL, get_error, 0},
	{SOL_SOCKET, SO_TYPE, NULL, get_type, 0},
	{SOL_SOCKET, SO_PROTOCOL, NULL, get_protocol, 0},
	{SOL_SOCKET, SO_DOMAIN, NULL, get_domain, 0},
	{SOL_SOCKET, SO_ACCEPTCONN, NULL, get_acceptconn, 0},
};

/* The memory of a socket, in the order of Linux's SK_MEMINFO_… */
static int
get_meminfo(struct tcp_conn *c, void *value, size_t *len)
{
	uint32_t info[9] = {
		c->recvq.charge + c->ranges_charge, /* RMEM_ALLOC */
		c->rcvbuf_bytes,                    /* RCVBUF */
		0,                                  /* WMEM_ALLOC: the device's, not ours */
		c->sndbuf_bytes,                    /* SNDBUF */
		0,                                  /* FWD_ALLOC */
		c->sendq.charge,                    /* WMEM_QUEUED */
		0,                                  /* OPTMEM */
		0,                                  /* BACKLOG */
		0,                                  /* DROPS */
	};

	return tcp_put_value(info, sizeof(info), value, len);
}

/* Bytes a second, in 32 bits or in 64; all ones: none. As Linux, who sets any is paced from then
 * on.
 */
static int
set_max_pacing_rate(struct tcp_conn *c, const void *value, size_t len)
{
	uint64_t rate;
	uint32_t v;

	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, value, sizeof(v));
	rate = v == UINT32_MAX ? UINT64_MAX : v;
	if (len >= sizeof(rate))
		memcpy(&rate, value, sizeof(rate));
	if (rate != UINT64_MAX)
		tcp_pacing_start(c);
	c->pacing.max_rate = rate;
	tcp_mark_dirty(c);
	return 0;
}

static int
get_max_pacing_rate(struct tcp_conn *c, void *value, size_t *len)
{
	uint64_t rate = c->pacing.max_rate;
	uint32_t v = (uint32_t)RTE_MIN(rate, (uint64_t)UINT32_MAX);

	if (*len >= sizeof(rate))
		return tcp_put_value(&rate, sizeof(rate), value, len);
	return tcp_put_value(&v, sizeof(v), value, len);
}

static const struct tcp_block_option blocks[] = {
	{SOL_SOCKET, SO_MAX_PACING_RATE, set_max_pacing_rate, get_max_pacing_rate},
	{SOL_SOCKET, SO_MEMINFO, NULL, get_meminfo},
};

const struct tcp_option_list tcp_socket_options = {ints, RTE_DIM(ints), blocks, RTE_DIM(blocks)};
