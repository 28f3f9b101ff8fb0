/* SPDX-License-Identifier: BSD-3-Clause */
/* Socket options, by Linux's levels, names, layouts and limits. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "engine.h"

/* Of IPPROTO_TCP; <netinet/tcp.h> has them too, and state names that are ours. */
enum {
	OPT_TCP_NODELAY = 1,
	OPT_TCP_MAXSEG = 2,
	OPT_TCP_WINDOW_CLAMP = 10,
	OPT_TCP_QUICKACK = 12,
	OPT_TCP_USER_TIMEOUT = 18,
};

/* SO_SNDBUF and SO_RCVBUF: Linux's net.core.wmem_max is raised, its minima are kept. */
enum {
	BUF_MIN_SND = 4608,
	BUF_MIN_RCV = 2304,
	BUF_MAX = 64 * 1024 * 1024,
};

static void
set_flag(struct tcp_conn *c, uint32_t flag, bool on)
{
	c->flags = on ? c->flags | flag : c->flags & ~flag;
}

static int
get_int(const void *value, size_t len, int *v)
{
	if (len < sizeof(*v))
		return -EINVAL;
	memcpy(v, value, sizeof(*v));
	return 0;
}

/* As Linux: the value is doubled, for the buffers' own memory. */
static uint32_t
buffer_size(int v, uint32_t min)
{
	uint32_t bytes = v < 0 ? 0 : (uint32_t)RTE_MIN(v, (int)BUF_MAX);

	return RTE_MAX(bytes * 2, min);
}

static int
set_linger(struct tcp_conn *c, const void *value, size_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	set_flag(c, CONN_LINGER_RESET, l.l_onoff != 0 && l.l_linger == 0);
	return 0;
}

static int
set_socket_option(struct tcp_conn *c, int name, const void *value, size_t len)
{
	int v, status;

	if (name == SO_LINGER)
		return set_linger(c, value, len);
	status = get_int(value, len, &v);
	if (status < 0)
		return status;
	switch (name) {
	case SO_REUSEADDR:
		set_flag(c, CONN_REUSEADDR, v != 0);
		return 0;
	case SO_SNDBUF:
		c->sndbuf_bytes = buffer_size(v, BUF_MIN_SND);
		return 0;
	case SO_RCVBUF:
		c->rcvbuf_bytes = buffer_size(v, BUF_MIN_RCV);
		c->rcvbuf_locked = true;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int
set_tcp_option(struct tcp_conn *c, int name, const void *value, size_t len)
{
	int v, status = get_int(value, len, &v);

	if (status < 0)
		return status;
	switch (name) {
	case OPT_TCP_NODELAY:
		set_flag(c, CONN_NODELAY, v != 0);
		if (v != 0 && c->unsent_bytes > 0)
			tcp_mark_dirty(c);
		return 0;
	case OPT_TCP_MAXSEG:
		if (v != 0 && (v < 88 || v > 32767))
			return -EINVAL;
		c->user_mss = (uint16_t)v;
		return 0;
	case OPT_TCP_WINDOW_CLAMP:
		return tcp_rcv_set_clamp(c, (uint32_t)v);
	case OPT_TCP_QUICKACK:
		tcp_delack_set_quickack(c, v);
		return 0;
	case OPT_TCP_USER_TIMEOUT:
		if (v < 0)
			return -EINVAL;
		c->user_timeout_ms = (uint32_t)v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int
set_ip_option(struct tcp_conn *c, int name, const void *value, size_t len)
{
	int v, status = get_int(value, len, &v);

	if (name != IP_MTU_DISCOVER)
		return -ENOPROTOOPT;
	return status < 0 ? status : tcp_pmtu_set_discover(c, v);
}

static int
set_ipv6_option(struct tcp_conn *c, int name, const void *value, size_t len)
{
	int v, status = get_int(value, len, &v);

	if (name != IPV6_V6ONLY && name != IPV6_MTU_DISCOVER)
		return -ENOPROTOOPT;
	if (status < 0)
		return status;
	if (name == IPV6_MTU_DISCOVER)
		return tcp_pmtu_set_discover(c, v);
	if (c->bound != NULL || (c->flags & CONN_FAMILY6) == 0)
		return -EINVAL;
	set_flag(c, CONN_V6ONLY, v != 0);
	return 0;
}

#include "sockopt.h"

static int
life_option(struct tcp_conn *c, int level, int name, const void *value, size_t len, int *got)
{
	for (size_t i = 0; i < tcp_life_options.n_ints; i++) {
		const struct tcp_int_option *o = &tcp_life_options.ints[i];
		int v;

		if (o->level != level || o->name != name)
			continue;
		if (got != NULL) {
			*got = o->get(c);
			return 0;
		}
		if (len < sizeof(v))
			return -EINVAL;
		memcpy(&v, value, sizeof(v));
		return o->set(c, v);
	}
	return -ENOPROTOOPT;
}

int
tcp_setsockopt(struct tcp_conn *c, int level, int name, const void *value, size_t len)
{
	int life = life_option(c, level, name, value, len, NULL);

	if (level == SOL_SOCKET && name == SO_LINGER)
		return tcp_life_options.blocks[0].set(c, value, len);
	if (life != -ENOPROTOOPT)
		return life;
	switch (level) {
	case SOL_SOCKET:
		return set_socket_option(c, name, value, len);
	case IPPROTO_TCP:
		return set_tcp_option(c, name, value, len);
	case IPPROTO_IP:
		return set_ip_option(c, name, value, len);
	case IPPROTO_IPV6:
		return set_ipv6_option(c, name, value, len);
	default:
		return -ENOPROTOOPT;
	}
}

static int
put_value(const void *from, size_t size, void *value, size_t *len)
{
	*len = RTE_MIN(*len, size);
	memcpy(value, from, *len);
	return 0;
}

static int
get_socket_option(struct tcp_conn *c, int name, int *v)
{
	switch (name) {
	case SO_ERROR:
		*v = c->error != 0 ? c->error : c->soft_error;
		c->error = 0;
		c->soft_error = 0;
		return 0;
	case SO_REUSEADDR:
		*v = (c->flags & CONN_REUSEADDR) != 0;
		return 0;
	case SO_SNDBUF:
		*v = (int)c->sndbuf_bytes;
		return 0;
	case SO_RCVBUF:
		*v = (int)c->rcvbuf_bytes;
		return 0;
	case SO_TYPE:
		*v = SOCK_STREAM;
		return 0;
	case SO_PROTOCOL:
		*v = IPPROTO_TCP;
		return 0;
	case SO_DOMAIN:
		*v = c->flags & CONN_FAMILY6 ? AF_INET6 : AF_INET;
		return 0;
	case SO_ACCEPTCONN:
		*v = c->state == TCP_LISTEN;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int
get_tcp_option(const struct tcp_conn *c, int name, int *v)
{
	switch (name) {
	case OPT_TCP_NODELAY:
		*v = (c->flags & CONN_NODELAY) != 0;
		return 0;
	case OPT_TCP_MAXSEG:
		if (c->state >= TCP_ESTABLISHED)
			*v = c->mss;
		else
			*v = c->user_mss != 0 ? c->user_mss : (int)TCP_MSS_DEFAULT4;
		return 0;
	case OPT_TCP_WINDOW_CLAMP:
		*v = (int)c->window_clamp;
		return 0;
	case OPT_TCP_QUICKACK:
		*v = tcp_delack_get_quickack(c);
		return 0;
	case OPT_TCP_USER_TIMEOUT:
		*v = (int)c->user_timeout_ms;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int
tcp_getsockopt(struct tcp_conn *c, int level, int name, void *value, size_t *len)
{
	int v = 0, status = -ENOPROTOOPT;

	if (*len > INT_MAX)
		return -EINVAL;
	if (life_option(c, level, name, NULL, 0, &v) == 0)
		return put_value(&v, sizeof(v), value, len);
	if (level == SOL_SOCKET && name == SO_LINGER)
		return tcp_life_options.blocks[0].get(c, value, len);
	if (level == SOL_SOCKET && name == SO_LINGER) {
		struct linger l = {.l_onoff = (c->flags & CONN_LINGER_RESET) != 0};

		return put_value(&l, sizeof(l), value, len);
	}
	if (level == SOL_SOCKET) {
		status = get_socket_option(c, name, &v);
	} else if (level == IPPROTO_TCP) {
		status = get_tcp_option(c, name, &v);
	} else if ((level == IPPROTO_IP && name == IP_MTU) ||
		   (level == IPPROTO_IPV6 && name == IPV6_MTU)) {
		status = tcp_pmtu_get(c, &v);
	} else if ((level == IPPROTO_IP && name == IP_MTU_DISCOVER) ||
		   (level == IPPROTO_IPV6 && name == IPV6_MTU_DISCOVER)) {
		v = c->mtu_discover;
		status = 0;
	} else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) {
		v = (c->flags & CONN_V6ONLY) != 0;
		status = 0;
	}
	return status < 0 ? status : put_value(&v, sizeof(v), value, len);
}
