/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options that the engine keeps for others: what a library above it or its caller acts on (waiting
 * times, control messages), and what has no meaning on a stack without queueing disciplines, frames
 * and error queues but is set by programs all the same. Ranges and rounding are Linux's.
 *
 * Left out, and refused, is what a program would rely on: filters, zero-copy, transmit time stamps,
 * devices to bind to.
 */
#include <errno.h>
#include <limits.h>
#include <sys/time.h>

#include <rte_common.h>

#include "sockopt.h"

enum {
	OPT_SO_RXQ_OVFL = 40,
	OPT_SO_PEEK_OFF = 42,
	OPT_SO_SELECT_ERR_QUEUE = 45,
	OPT_SO_BUSY_POLL = 46,
	OPT_SO_INCOMING_CPU = 49,
	OPT_SO_INCOMING_NAPI_ID = 56,
	OPT_SO_COOKIE = 57,
	OPT_SO_BINDTOIFINDEX = 62,
	OPT_SO_TIMESTAMP_NEW = 63,
	OPT_SO_TIMESTAMPNS_NEW = 64,
	OPT_SO_RCVTIMEO_NEW = 66,
	OPT_SO_SNDTIMEO_NEW = 67,
	OPT_SO_PREFER_BUSY_POLL = 69,
	OPT_SO_BUSY_POLL_BUDGET = 70,
	OPT_SO_BUF_LOCK = 72,
	OPT_SO_TXREHASH = 74,
	OPT_SO_RCVMARK = 75,
	OPT_SO_RCVPRIORITY = 82,
	OPT_IP_CHECKSUM = 23,
	OPT_IP_UNICAST_IF = 50,
	OPT_IPV6_UNICAST_IF = 76,
	OPT_TCP_IS_MPTCP = 43,

	TICKS = 1000, /* a second: Linux's waiting times are in these */
	USEC = 1000000,
};

/* ---- switches: a bit of c->kept each */

static const struct {
	int level, name;
	int lens; /* as of an option that is a number */
} switches[] = {
	{SOL_SOCKET, SO_DEBUG, 0},
	{SOL_SOCKET, SO_DONTROUTE, 0},
	{SOL_SOCKET, SO_BROADCAST, 0},
	{SOL_SOCKET, SO_NO_CHECK, 0},
	{SOL_SOCKET, OPT_SO_RXQ_OVFL, 0},
	{SOL_SOCKET, OPT_SO_SELECT_ERR_QUEUE, 0},
	{SOL_SOCKET, OPT_SO_PREFER_BUSY_POLL, 0},
	{SOL_SOCKET, OPT_SO_RCVMARK, 0},
	{SOL_SOCKET, OPT_SO_RCVPRIORITY, 0},
	{IPPROTO_IP, IP_RECVOPTS, 0},
	{IPPROTO_IP, IP_RETOPTS, 0},
	{IPPROTO_IP, IP_PKTINFO, 0},
	{IPPROTO_IP, IP_RECVTTL, 0},
	{IPPROTO_IP, IP_RECVTOS, 0},
	{IPPROTO_IP, IP_RECVORIGDSTADDR, 0},
	{IPPROTO_IP, OPT_IP_CHECKSUM, 0},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO, 0},
	{IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0},
	{IPPROTO_IPV6, IPV6_RECVTCLASS, 0},
	{IPPROTO_IPV6, IPV6_DONTFRAG, OPTION_ANY},
};

static_assert(RTE_DIM(switches) <= 32, "c->kept has 32 bits");

static int
switch_of(int level, int name)
{
	for (int i = 0; i < (int)RTE_DIM(switches); i++)
		if (switches[i].level == level && switches[i].name == name)
			return i;
	return -1;
}

bool
tcp_kept_switch(int level, int name, int *lens)
{
	int i = switch_of(level, name);

	if (i >= 0)
		*lens = switches[i].lens;
	return i >= 0;
}

void
tcp_kept_set(struct tcp_conn *c, int level, int name, int v)
{
	uint32_t bit = 1u << switch_of(level, name);

	c->kept = v != 0 ? c->kept | bit : c->kept & ~bit;
}

int
tcp_kept_get(const struct tcp_conn *c, int level, int name)
{
	return (int)(c->kept >> switch_of(level, name) & 1);
}

/* ---- numbers */

static int
always_zero(struct tcp_conn *c)
{
	(void)c;
	return 0;
}

static int
always_one(struct tcp_conn *c)
{
	(void)c;
	return 1;
}

/* SO_BSDCOMPAT has no effect since long. */
static int
ignored(struct tcp_conn *c, int v)
{
	(void)c;
	(void)v;
	return 0;
}

static int
set_incoming_cpu(struct tcp_conn *c, int v)
{
	c->incoming_cpu = v;
	return 0;
}

static int
get_incoming_cpu(struct tcp_conn *c)
{
	return c->incoming_cpu;
}

static int
set_busy_poll(struct tcp_conn *c, int v)
{
	if (v < 0)
		return -EINVAL;
	c->busy_poll_us = (uint32_t)v;
	return 0;
}

static int
get_busy_poll(struct tcp_conn *c)
{
	return (int)c->busy_poll_us;
}

static int
set_busy_poll_budget(struct tcp_conn *c, int v)
{
	(void)c;
	return v < 0 || v > UINT16_MAX ? -EINVAL : 0;
}

static int
set_peek_off(struct tcp_conn *c, int v)
{
	c->peek_off = v;
	return 0;
}

static int
get_peek_off(struct tcp_conn *c)
{
	return c->peek_off;
}

/* Bit 0: SO_SNDBUF was set, or is to be as if; bit 1: SO_RCVBUF. */
static int
set_buf_lock(struct tcp_conn *c, int v)
{
	if (v < 0 || v > 3)
		return -EINVAL;
	c->sndbuf_locked = v & 1;
	c->rcvbuf_locked = v >> 1;
	return 0;
}

static int
get_buf_lock(struct tcp_conn *c)
{
	return c->sndbuf_locked | c->rcvbuf_locked << 1;
}

/* -1 is the default, which is on. */
static int
set_txrehash(struct tcp_conn *c, int v)
{
	if (v < -1 || v > 1)
		return -EINVAL;
	c->no_txrehash = v == 0;
	return 0;
}

static int
get_txrehash(struct tcp_conn *c)
{
	return !c->no_txrehash;
}

/* There is no device to bind to. */
static int
set_no_device(struct tcp_conn *c, int v)
{
	(void)c;
	return v < 0 ? -EINVAL : v > 0 ? -ENODEV : 0;
}

static int
set_no_interface(struct tcp_conn *c, int v)
{
	(void)c;
	return v != 0 ? -EADDRNOTAVAIL : 0;
}

/* ---- SO_TIMESTAMP and its kin: the last one that was set counts */

#define TIMESTAMP(option)                                                                          \
	static int set_##option(struct tcp_conn *c, int v)                                         \
	{                                                                                          \
		c->rx_timestamp = v != 0 ? option : 0;                                             \
		return 0;                                                                          \
	}                                                                                          \
                                                                                                   \
	static int get_##option(struct tcp_conn *c)                                                \
	{                                                                                          \
		return c->rx_timestamp == option;                                                  \
	}

enum {
	TIMESTAMP_US = 1,
	TIMESTAMP_NS,
	TIMESTAMP_US_NEW,
	TIMESTAMP_NS_NEW,
};

TIMESTAMP(TIMESTAMP_US)
TIMESTAMP(TIMESTAMP_NS)
TIMESTAMP(TIMESTAMP_US_NEW)
TIMESTAMP(TIMESTAMP_NS_NEW)

static const struct tcp_int_option ints[] = {
	{SOL_SOCKET, SO_BSDCOMPAT, ignored, always_zero, 0},
	{SOL_SOCKET, SO_SNDLOWAT, NULL, always_one, 0},
	{SOL_SOCKET, SO_TIMESTAMP, set_TIMESTAMP_US, get_TIMESTAMP_US, 0},
	{SOL_SOCKET, SO_TIMESTAMPNS, set_TIMESTAMP_NS, get_TIMESTAMP_NS, 0},
	{SOL_SOCKET, OPT_SO_TIMESTAMP_NEW, set_TIMESTAMP_US_NEW, get_TIMESTAMP_US_NEW, 0},
	{SOL_SOCKET, OPT_SO_TIMESTAMPNS_NEW, set_TIMESTAMP_NS_NEW, get_TIMESTAMP_NS_NEW, 0},
	{SOL_SOCKET, OPT_SO_PEEK_OFF, set_peek_off, get_peek_off, 0},
	{SOL_SOCKET, OPT_SO_BUSY_POLL, set_busy_poll, get_busy_poll, 0},
	{SOL_SOCKET, OPT_SO_BUSY_POLL_BUDGET, set_busy_poll_budget, NULL, 0},
	{SOL_SOCKET, OPT_SO_INCOMING_CPU, set_incoming_cpu, get_incoming_cpu, 0},
	{SOL_SOCKET, OPT_SO_INCOMING_NAPI_ID, NULL, always_zero, 0},
	{SOL_SOCKET, OPT_SO_BINDTOIFINDEX, set_no_device, always_zero, 0},
	{SOL_SOCKET, OPT_SO_BUF_LOCK, set_buf_lock, get_buf_lock, 0},
	{SOL_SOCKET, OPT_SO_TXREHASH, set_txrehash, get_txrehash, 0},
	{IPPROTO_IP, OPT_IP_UNICAST_IF, set_no_interface, always_zero, OPTION_EXACT},
	{IPPROTO_IPV6, OPT_IPV6_UNICAST_IF, set_no_interface, always_zero, OPTION_EXACT},
	{IPPROTO_TCP, OPT_TCP_IS_MPTCP, NULL, always_zero, 0},
};

/* ---- waiting times: the caller's */

/* In ticks, rounded up; INT64_MAX: for ever, which 0 and more than Linux can count are. */
static int
ticks_of(const void *value, size_t len, int64_t *ticks)
{
	struct timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, value, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= USEC)
		return -EDOM;
	*ticks = INT64_MAX;
	if (tv.tv_sec < 0)
		*ticks = 0; /* do not wait */
	else if ((tv.tv_sec != 0 || tv.tv_usec != 0) && tv.tv_sec < INT64_MAX / TICKS - 1)
		*ticks = tv.tv_sec * TICKS + (tv.tv_usec + USEC / TICKS - 1) / (USEC / TICKS);
	return 0;
}

static int
put_ticks(int64_t ticks, void *value, size_t *len)
{
	struct timeval tv = {0};

	if (ticks != INT64_MAX) {
		tv.tv_sec = ticks / TICKS;
		tv.tv_usec = ticks % TICKS * (USEC / TICKS);
	}
	return tcp_put_value(&tv, sizeof(tv), value, len);
}

static int
set_rcvtimeo(struct tcp_conn *c, const void *value, size_t len)
{
	return ticks_of(value, len, &c->rcvtimeo_ms);
}

static int
get_rcvtimeo(struct tcp_conn *c, void *value, size_t *len)
{
	return put_ticks(c->rcvtimeo_ms, value, len);
}

static int
set_sndtimeo(struct tcp_conn *c, const void *value, size_t len)
{
	return ticks_of(value, len, &c->sndtimeo_ms);
}

static int
get_sndtimeo(struct tcp_conn *c, void *value, size_t *len)
{
	return put_ticks(c->sndtimeo_ms, value, len);
}

/* ---- names and others */

/* No name unbinds; there is no device of any other. */
static int
set_bind_to_device(struct tcp_conn *c, const void *value, size_t len)
{
	(void)c;
	return len == 0 || *(const char *)value == '\0' ? 0 : -ENODEV;
}

static int
get_bind_to_device(struct tcp_conn *c, void *value, size_t *len)
{
	(void)c;
	(void)value;
	*len = 0;
	return 0;
}

/* A number that no other socket of this engine has or had. */
static int
get_cookie(struct tcp_conn *c, void *value, size_t *len)
{
	if (*len < sizeof(c->cookie))
		return -EINVAL;
	if (c->cookie == 0)
		c->cookie = ++c->engine->cookies;
	return tcp_put_value(&c->cookie, sizeof(c->cookie), value, len);
}

static const struct tcp_block_option blocks[] = {
	{SOL_SOCKET, SO_RCVTIMEO, set_rcvtimeo, get_rcvtimeo},
	{SOL_SOCKET, SO_SNDTIMEO, set_sndtimeo, get_sndtimeo},
	{SOL_SOCKET, OPT_SO_RCVTIMEO_NEW, set_rcvtimeo, get_rcvtimeo},
	{SOL_SOCKET, OPT_SO_SNDTIMEO_NEW, set_sndtimeo, get_sndtimeo},
	{SOL_SOCKET, SO_BINDTODEVICE, set_bind_to_device, get_bind_to_device},
	{SOL_SOCKET, OPT_SO_COOKIE, NULL, get_cookie},
};

const struct tcp_option_list tcp_kept_options = {ints, RTE_DIM(ints), blocks, RTE_DIM(blocks)};
