/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of IPPROTO_IP and IPPROTO_IPV6. */
#include <errno.h>

#include <rte_common.h>

#include "sockopt.h"

enum {
	OPT_IP_LOCAL_PORT_RANGE = 51,
	OPT_IPV6_FREEBIND = 78,
	IPV6_MIN_MTU = 1280,
};

/* The two lowest bits are ECN's. -1 is the default only for IPv6. */
static int
set_tos(struct tcp_conn *c, int v)
{
	c->tos = (uint8_t)(v & ~IP_ECN_MASK);
	return 0;
}

static int
set_tclass(struct tcp_conn *c, int v)
{
	if (v < -1 || v > 255)
		return -EINVAL;
	return set_tos(c, v == -1 ? 0 : v);
}

static int
get_tos(struct tcp_conn *c)
{
	return c->tos;
}

static int
set_ttl(struct tcp_conn *c, int v)
{
	if (v != -1 && (v < 1 || v > 255))
		return -EINVAL;
	c->ttl = v == -1 ? c->engine->config.ttl : (uint8_t)v;
	return 0;
}

static int
set_hops(struct tcp_conn *c, int v)
{
	if (v != 0)
		return set_ttl(c, v);
	c->ttl = 0;
	return 0;
}

static int
get_ttl(struct tcp_conn *c)
{
	return c->ttl;
}

static int
get_mtu_discover(struct tcp_conn *c)
{
	return c->mtu_discover;
}

static int
set_v6only(struct tcp_conn *c, int v)
{
	if (c->bound != NULL || c->state != TCP_CLOSED)
		return -EINVAL;
	tcp_set_flag(c, CONN_V6ONLY, v != 0);
	return 0;
}

static int
get_v6only(struct tcp_conn *c)
{
	return tcp_has_flag(c, CONN_V6ONLY);
}

static int
set_freebind(struct tcp_conn *c, int v)
{
	c->freebind = v != 0;
	return 0;
}

static int
get_freebind(struct tcp_conn *c)
{
	return c->freebind;
}

static int
set_bind_address_no_port(struct tcp_conn *c, int v)
{
	c->bind_address_no_port = v != 0;
	return 0;
}

static int
get_bind_address_no_port(struct tcp_conn *c)
{
	return c->bind_address_no_port;
}

/* As Linux: like IP_FREEBIND, where routes are not ours. */
static int
set_transparent(struct tcp_conn *c, int v)
{
	c->transparent = v != 0;
	return 0;
}

static int
get_transparent(struct tcp_conn *c)
{
	return c->transparent;
}

/* Whether ICMP errors end a connection at once: RFC 5461's soft ones, too. */
static int
set_recverr(struct tcp_conn *c, int v)
{
	c->recverr = v != 0;
	return 0;
}

static int
get_recverr(struct tcp_conn *c)
{
	return c->recverr;
}

/* As Linux: fragments would be of this size, and TCP makes none. */
static int
set_mtu6(struct tcp_conn *c, int v)
{
	(void)c;
	return v != 0 && v < IPV6_MIN_MTU ? -EINVAL : 0;
}

/* The first port, and the last in the upper half; 0 leaves that end as it is. */
static int
set_local_port_range(struct tcp_conn *c, int v)
{
	uint32_t range = (uint32_t)v, low = range & 0xffff, high = range >> 16;

	if (low != 0 && high != 0 && low > high)
		return -EINVAL;
	c->port_range = range;
	return 0;
}

static int
get_local_port_range(struct tcp_conn *c)
{
	return (int)c->port_range;
}

static const struct tcp_int_option ints[] = {
	{IPPROTO_IP, IP_FREEBIND, set_freebind, get_freebind, OPTION_NOT_EMPTY},
	{IPPROTO_IPV6, OPT_IPV6_FREEBIND, set_freebind, get_freebind, 0},
	{IPPROTO_IP, IP_TRANSPARENT, set_transparent, get_transparent, OPTION_NOT_EMPTY},
	{IPPROTO_IPV6, IPV6_TRANSPARENT, set_transparent, get_transparent, 0},
	{IPPROTO_IP, IP_RECVERR, set_recverr, get_recverr, 0},
	{IPPROTO_IPV6, IPV6_RECVERR, set_recverr, get_recverr, 0},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, set_bind_address_no_port, get_bind_address_no_port,
	 0},
	{IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE, set_local_port_range, get_local_port_range,
	 OPTION_EXACT},
	{IPPROTO_IP, IP_TOS, set_tos, get_tos, 0},
	{IPPROTO_IPV6, IPV6_TCLASS, set_tclass, get_tos, 0},
	{IPPROTO_IP, IP_TTL, set_ttl, get_ttl, OPTION_NOT_EMPTY},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS, set_hops, get_ttl, 0},
	{IPPROTO_IP, IP_MTU_DISCOVER, tcp_pmtu_set_discover, get_mtu_discover, 0},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER, tcp_pmtu_set_discover, get_mtu_discover, 0},
	{IPPROTO_IPV6, IPV6_MTU, set_mtu6, NULL, 0},
	{IPPROTO_IPV6, IPV6_V6ONLY, set_v6only, get_v6only, 0},
};

/* ENOTCONN while there is no path. */
static int
get_mtu(struct tcp_conn *c, void *value, size_t *len)
{
	int v, status = tcp_pmtu_get(c, &v);

	return status < 0 ? status : tcp_put_value(&v, sizeof(v), value, len);
}

static const struct tcp_block_option blocks[] = {
	{IPPROTO_IP, IP_MTU, NULL, get_mtu},
	{IPPROTO_IPV6, IPV6_MTU, NULL, get_mtu},
};

const struct tcp_option_list tcp_ip_options = {ints, RTE_DIM(ints), blocks, RTE_DIM(blocks)};
