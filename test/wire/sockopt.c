/* SPDX-License-Identifier: BSD-3-Clause */
/* Socket options: what they take, what they answer, and what a listener hands down. */
#include <string.h>

#include "wire.h"

enum {
	SENDER_LOWAT = 25, /* TCP_NOTSENT_LOWAT, which not every <linux/tcp.h> shows beside ours */
	READ_INQ = 36,     /* TCP_INQ */
};

static int
set(struct tcp_conn *c, int level, int name, int v)
{
	return tcp_setsockopt(c, level, name, &v, sizeof(v));
}

static int
get(struct tcp_conn *c, int level, int name)
{
	int v = -1;
	size_t len = sizeof(v);

	return tcp_getsockopt(c, level, name, &v, &len) < 0 || len != sizeof(v) ? -1 : v;
}

#define refused(w, level, name, v, error) WIRE_EQ(w, set((w)->flow->c, level, name, v), -(error))

static void
round_trip(struct wire *w, int level, int name, int v, int becomes)
{
	WIRE_EQ(w, set(w->flow->c, level, name, v), 0);
	WIRE_EQ(w, get(w->flow->c, level, name), becomes);
}

WIRE_TEST(switches_are_on_or_off)
{
	static const int names[] = {TCP_NODELAY, TCP_CORK, READ_INQ};

	wire_start(w);
	wire_open(w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		WIRE_EQ(w, get(w->flow->c, IPPROTO_TCP, names[i]), 0);
		round_trip(w, IPPROTO_TCP, names[i], 1, 1);
		round_trip(w, IPPROTO_TCP, names[i], 0, 0);
	}
	round_trip(w, IPPROTO_TCP, TCP_NODELAY, -7, 1);
	round_trip(w, IPPROTO_TCP, TCP_CORK, 1 << 30, 1);
	refused(w, IPPROTO_TCP, READ_INQ, 2, EINVAL);
	refused(w, IPPROTO_TCP, READ_INQ, -1, EINVAL);
	wire_end(w);
}

WIRE_TEST(ranges)
{
	int ip = w->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int hops = w->family == AF_INET ? IP_TTL : IPV6_UNICAST_HOPS;

	wire_start(w);
	wire_open(w);
	round_trip(w, IPPROTO_TCP, TCP_MAXSEG, 88, 88);
	round_trip(w, IPPROTO_TCP, TCP_MAXSEG, 32767, 32767);
	refused(w, IPPROTO_TCP, TCP_MAXSEG, 87, EINVAL);
	refused(w, IPPROTO_TCP, TCP_MAXSEG, 32768, EINVAL);
	refused(w, IPPROTO_TCP, TCP_MAXSEG, -1, EINVAL);
	WIRE_EQ(w, get(w->flow->c, IPPROTO_TCP, TCP_MAXSEG), 32767);
	round_trip(w, ip, hops, 1, 1);
	round_trip(w, ip, hops, 255, 255);
	refused(w, ip, hops, 256, EINVAL);
	refused(w, ip, hops, -2, EINVAL);
	WIRE_EQ(w, get(w->flow->c, ip, hops), 255);
	round_trip(w, ip, hops, -1, 64);
	round_trip(w, IPPROTO_TCP, SENDER_LOWAT, 16384, 16384);
	wire_end(w);
}

/* ECN's two bits are the stack's are the stack's. */
WIRE_TEST4(type_of_service_leaves_ecn_alone)
{
	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, get(w->flow->c, IPPROTO_IP, IP_TOS), 0);
	round_trip(w, IPPROTO_IP, IP_TOS, 0x10, 0x10);
	round_trip(w, IPPROTO_IP, IP_TOS, 0xff, 0xfc);
	wire_end(w);
}

/* Buffers take twice what was asked for, and never less than a packet. */
WIRE_TEST(buffers_are_doubled)
{
	wire_start(w);
	wire_open(w);
	round_trip(w, SOL_SOCKET, SO_SNDBUF, 10000, 20000);
	round_trip(w, SOL_SOCKET, SO_SNDBUF, 0, 4608);
	round_trip(w, SOL_SOCKET, SO_SNDBUF, -1, 128 << 20);
	round_trip(w, SOL_SOCKET, SO_SNDBUF, 0x7fffffff, 128 << 20);
	round_trip(w, SOL_SOCKET, SO_RCVBUF, 10000, 20000);
	round_trip(w, SOL_SOCKET, SO_RCVBUF, 0, 2304);
	wire_end(w);
}

WIRE_TEST(congestion_controls_by_name)
{
	char name[32];
	size_t len = sizeof(name);
	struct tcp_conn *c;

	wire_start(w);
	wire_open(w);
	c = w->flow->c;
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	WIRE_EQ(w, len, 16);
	WIRE_EQ(w, strcmp(name, "reno"), 0);
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, "cubic", 6), 0);
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	WIRE_EQ(w, strcmp(name, "cubic"), 0);
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	WIRE_EQ(w, strcmp(name, "reno"), 0);
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, "renown", 6), -ENOENT);
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, "", 0), -EINVAL);
	memset(name, 'x', sizeof(name));
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_TCP, TCP_CONGESTION, name, sizeof(name)), -ENOENT);
	len = 2; /* a caller with little room gets the beginning */
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	WIRE_EQ(w, len, 2);
	WIRE_EQ(w, memcmp(name, "rexx", 4), 0);
	wire_end(w);
}

/* The memory that queued data takes is seen, and gone once it is acknowledged. */
WIRE_TEST(memory_of_a_socket)
{
	uint32_t info[9];
	size_t len = sizeof(info);

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_SNDBUF, 50000);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_in(w, "P. 1:501(500) ack 1");
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_MEMINFO, info, &len), 0);
	WIRE_EQ(w, len, sizeof(info));
	WIRE_IN(w, info[0], 500, 5000);
	WIRE_EQ(w, info[3], 100000);
	WIRE_IN(w, info[5], 1000, 10000);
	wire_recv(w, 500, 500);
	wire_in(w, ". 501:501(0) ack 1001");
	wire_skip(w);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_MEMINFO, info, &len), 0);
	WIRE_EQ(w, info[0], 0);
	WIRE_EQ(w, info[5], 0);
	wire_end(w);
}

WIRE_TEST(what_is_unknown_short_or_one_way)
{
	char buf[8] = "";
	size_t len = sizeof(buf);
	struct tcp_conn *c;

	wire_start(w);
	wire_open(w);
	c = w->flow->c;
	refused(w, IPPROTO_TCP, 9999, 1, ENOPROTOOPT);
	refused(w, 9999, TCP_NODELAY, 1, ENOPROTOOPT);
	refused(w, SOL_SOCKET, -1, 1, ENOPROTOOPT);
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, 9999, buf, &len), -ENOPROTOOPT);
	for (size_t n = 0; n < sizeof(int); n++) {
		WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_TCP, TCP_NODELAY, buf, n), -EINVAL);
		WIRE_EQ(w, tcp_setsockopt(c, SOL_SOCKET, SO_SNDBUF, buf, n), -EINVAL);
	}
	refused(w, SOL_SOCKET, SO_ERROR, 1, ENOPROTOOPT);
	refused(w, SOL_SOCKET, SO_TYPE, 1, ENOPROTOOPT);
	refused(w, IPPROTO_TCP, TCP_INFO, 1, ENOPROTOOPT);
	len = (size_t)-1;
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, TCP_NODELAY, buf, &len), -EINVAL);
	wire_end(w);
}

WIRE_TEST(accepted_connections_inherit)
{
	static const struct {
		int level, name, set, get;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1, 1},      {IPPROTO_TCP, TCP_CORK, 1, 1},
		{IPPROTO_TCP, SENDER_LOWAT, 999, 999}, {IPPROTO_TCP, READ_INQ, 1, 1},
		{SOL_SOCKET, SO_SNDBUF, 10000, 20000}, {SOL_SOCKET, SO_PRIORITY, 3, 3},
		{SOL_SOCKET, SO_MARK, 77, 77},         {IPPROTO_IP, IP_TTL, 33, 33},
		{IPPROTO_IP, IP_TOS, 0x10, 0x10},
	};
	char name[16] = "";
	size_t len = sizeof(name);

	wire_start(w);
	wire_listen(w, 1);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		WIRE_EQ(w, set(w->listener, options[i].level, options[i].name, options[i].set), 0);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		WIRE_EQ(w, get(w->flow->c, options[i].level, options[i].name), options[i].get);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	WIRE_EQ(w, strcmp(name, "reno"), 0);
	wire_end(w);
}
