/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of IPPROTO_IP and IPPROTO_IPV6. */
#include <errno.h>

#include <rte_common.h>

#include "sockopt.h"

enum { OPT_IP_LOCAL_PORT_RANGE = 51 };

/* -1 is the default, as on Linux; the two lowest bits are ECN's. */
static int
set_tos(struct tcp_conn *c, int v)
{
	if (v < -1 || v > 255)
		return -EINVAL;
	c->tos = v == -1 ? 0 : (uint8_t)(v & ~IP_ECN_MASK);
	return 0;
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
	if (c->bound != NULL || !tcp_has_flag(c, CONN_FAMILY6))
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
	{IPPROTO_IP, IP_FREEBIND, set_freebind, get_freebind},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, set_bind_address_no_port, get_bind_address_no_port},
	{IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE, set_local_port_range, get_local_port_range},
	{IPPROTO_IP, IP_TOS, set_tos, get_tos},
	{IPPROTO_IPV6, IPV6_TCLASS, set_tos, get_tos},
	{IPPROTO_IP, IP_TTL, set_ttl, get_ttl},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS, set_ttl, get_ttl},
	{IPPROTO_IP, IP_MTU_DISCOVER, tcp_pmtu_set_discover, get_mtu_discover},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER, tcp_pmtu_set_discover, get_mtu_discover},
	{IPPROTO_IPV6, IPV6_V6ONLY, set_v6only, get_v6only},
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
