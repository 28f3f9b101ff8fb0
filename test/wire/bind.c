/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may have which port: bind, listen and connect in Linux's ways; SO_REUSEADDR, SO_REUSEPORT,
 * IPV6_V6ONLY; TIME-WAIT that gives way to connections of our own (RFC 6191). */
#include <string.h>

#include "wire.h"

enum { MAX = 24 };

struct sockets {
	struct tcp_conn *c[MAX];
	unsigned int n;
};

static struct tcp_conn *
sock(struct wire *w, struct sockets *s, int family)
{
	WIRE_EQ(w, tcp_open(w->engine, family, &s->c[s->n]), 0);
	return s->c[s->n++];
}

static void
set(struct wire *w, struct tcp_conn *c, int level, int name, int v)
{
	WIRE_EQ(w, tcp_setsockopt(c, level, name, &v, sizeof(v)), 0);
}

static void
done(struct wire *w, struct sockets *s)
{
	while (s->n > 0)
		tcp_close(s->c[--s->n]);
	wire_end(w);
}

/* The any-address of a family. */
static struct tcp_endpoint
any(int family, uint16_t port)
{
	struct tcp_endpoint e = {.port = port};

	if (family == AF_INET)
		e.ip = ip_from4(be32(0));
	return e;
}

static struct tcp_endpoint
ours(struct wire *w, uint16_t port)
{
	return (struct tcp_endpoint){.ip = w->local, .port = port};
}

static int
bind_any(struct wire *w, struct tcp_conn *c, uint16_t port)
{
	struct tcp_endpoint e = any(w->family, port);

	return tcp_bind(c, &e);
}

static int
bind_ours(struct wire *w, struct tcp_conn *c, uint16_t port)
{
	struct tcp_endpoint e = ours(w, port);

	return tcp_bind(c, &e);
}

WIRE_TEST(one_socket_one_port)
{
	struct sockets s = {0};
	struct tcp_endpoint foreign;
	struct tcp_conn *c;
	int on = 1;

	wire_start(w);
	c = sock(w, &s, w->family);
	WIRE_EQ(w, bind_any(w, c, 1000), 0);
	WIRE_EQ(w, bind_any(w, c, 1001), -EINVAL);
	WIRE_EQ(w, bind_any(w, sock(w, &s, w->family), 1000), -EADDRINUSE);
	WIRE_EQ(w, bind_ours(w, sock(w, &s, w->family), 1000), -EADDRINUSE);
	WIRE_EQ(w, bind_ours(w, sock(w, &s, w->family), 1001), 0);
	foreign = (struct tcp_endpoint){.ip = w->flows[0].remote.ip, .port = 1002};
	c = sock(w, &s, w->family);
	WIRE_EQ(w, tcp_bind(c, &foreign), -EADDRNOTAVAIL);
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_bind(c, &foreign), 0);
	tcp_close(s.c[0]);
	s.c[0] = s.c[--s.n];
	WIRE_EQ(w, bind_any(w, sock(w, &s, w->family), 1000), 0);
	done(w, &s);
}

/* Both must want it, and nobody may listen. */
WIRE_TEST(reuseaddr)
{
	struct sockets s = {0};
	struct tcp_conn *a, *b, *c;

	wire_start(w);
	a = sock(w, &s, w->family);
	b = sock(w, &s, w->family);
	c = sock(w, &s, w->family);
	set(w, a, SOL_SOCKET, SO_REUSEADDR, 1);
	WIRE_EQ(w, bind_any(w, a, 1000), 0);
	WIRE_EQ(w, bind_any(w, b, 1000), -EADDRINUSE);
	set(w, b, SOL_SOCKET, SO_REUSEADDR, 1);
	WIRE_EQ(w, bind_any(w, b, 1000), 0);
	WIRE_EQ(w, tcp_listen(a, 1), 0);
	WIRE_EQ(w, tcp_listen(b, 1), -EADDRINUSE);
	set(w, c, SOL_SOCKET, SO_REUSEADDR, 1);
	WIRE_EQ(w, bind_any(w, c, 1000), -EADDRINUSE);
	WIRE_EQ(w, bind_any(w, c, 1001), 0);
	done(w, &s);
}

/* Several may listen then; each peer belongs to one of them, and they share. */
WIRE_TEST(reuseport)
{
	unsigned int got[3] = {0};
	struct sockets s = {0};

	wire_start(w);
	for (int i = 0; i < 3; i++) {
		struct tcp_conn *c = sock(w, &s, w->family);

		set(w, c, SOL_SOCKET, SO_REUSEPORT, 1);
		WIRE_EQ(w, bind_any(w, c, WIRE_LOCAL_PORT), 0);
		WIRE_EQ(w, tcp_listen(c, 200), 0);
	}
	WIRE_EQ(w, bind_any(w, sock(w, &s, w->family), WIRE_LOCAL_PORT), -EADDRINUSE);
	for (unsigned int i = 0; i < 120; i++) {
		struct tcp_conn *child;
		unsigned int takers = 0;

		wire_flow(w, i);
		wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
		wire_in(w, ". 1:1(0) ack 1");
		for (int l = 0; l < 3; l++)
			if (tcp_accept(s.c[l], &child) == 0) {
				takers++;
				got[l]++;
				w->flow->c = child;
			}
		WIRE_EQ(w, takers, 1);
	}
	for (int l = 0; l < 3; l++)
		WIRE_IN(w, got[l], 15, 70);
	/* One leaves: the others take over. */
	tcp_close(s.c[0]);
	s.c[0] = s.c[--s.n];
	for (unsigned int i = 120; i < 130; i++) {
		wire_flow(w, i);
		wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	}
	done(w, &s);
}

WIRE_TEST(reuseport_needs_both)
{
	struct sockets s = {0};
	struct tcp_conn *a, *b;

	wire_start(w);
	a = sock(w, &s, w->family);
	b = sock(w, &s, w->family);
	WIRE_EQ(w, bind_any(w, a, 1000), 0);
	set(w, b, SOL_SOCKET, SO_REUSEPORT, 1);
	WIRE_EQ(w, bind_any(w, b, 1000), -EADDRINUSE);
	done(w, &s);
}

/* An exact address takes precedence over any. */
WIRE_TEST(most_specific_listener)
{
	struct sockets s = {0};
	struct tcp_conn *all, *one, *child;

	wire_start(w);
	all = sock(w, &s, w->family);
	one = sock(w, &s, w->family);
	set(w, all, SOL_SOCKET, SO_REUSEPORT, 1);
	set(w, one, SOL_SOCKET, SO_REUSEPORT, 1);
	WIRE_EQ(w, bind_any(w, all, WIRE_LOCAL_PORT), 0);
	WIRE_EQ(w, bind_ours(w, one, WIRE_LOCAL_PORT), 0);
	WIRE_EQ(w, tcp_listen(all, 9), 0);
	WIRE_EQ(w, tcp_listen(one, 9), 0);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1");
	WIRE_EQ(w, tcp_accept(all, &child), -EAGAIN);
	WIRE_EQ(w, tcp_accept(one, &child), 0);
	w->flow->c = child;
	done(w, &s);
}

/* The any-address of IPv6 is that of IPv4, too, unless it was told not to be. */
WIRE_TEST6(v6only)
{
	struct tcp_endpoint any4 = any(AF_INET, 1000), any6 = any(AF_INET6, 1000);
	struct sockets s = {0};
	struct tcp_conn *c;
	int on = 1;

	wire_start(w);
	c = sock(w, &s, AF_INET6);
	WIRE_EQ(w, tcp_bind(c, &any6), 0);
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), -EINVAL);
	WIRE_EQ(w, tcp_bind(sock(w, &s, AF_INET), &any4), -EADDRINUSE);
	any4.port = any6.port = 1001;
	c = sock(w, &s, AF_INET6);
	set(w, c, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	WIRE_EQ(w, tcp_bind(c, &any6), 0);
	WIRE_EQ(w, tcp_bind(sock(w, &s, AF_INET), &any4), 0);
	any4.port = 1002;
	c = sock(w, &s, AF_INET6);
	set(w, c, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	WIRE_EQ(w, tcp_bind(c, &any4), -EINVAL);
	any6 = ours(w, 1003);
	WIRE_EQ(w, tcp_bind(sock(w, &s, AF_INET), &any6), -EAFNOSUPPORT);
	done(w, &s);
}

/* Port 0: one that nobody has, listening included. */
WIRE_TEST(chosen_ports_differ)
{
	struct sockets s = {0};
	uint16_t ports[20];

	wire_start(w);
	for (unsigned int i = 0; i < 20; i++) {
		struct tcp_conn *c = sock(w, &s, w->family);
		struct tcp_endpoint e;

		WIRE_EQ(w, i % 2 ? bind_any(w, c, 0) : tcp_listen(c, 1), 0);
		tcp_getsockname(c, &e);
		WIRE_IN(w, e.port, 32768, 60999);
		for (unsigned int j = 0; j < i; j++)
			WIRE_EQ(w, e.port == ports[j], false);
		ports[i] = e.port;
	}
	done(w, &s);
}

WIRE_TEST(bound_and_connecting_twice)
{
	struct sockets s = {0};
	struct tcp_conn *a, *b;

	wire_start(w);
	a = sock(w, &s, w->family);
	b = sock(w, &s, w->family);
	set(w, a, SOL_SOCKET, SO_REUSEADDR, 1);
	set(w, b, SOL_SOCKET, SO_REUSEADDR, 1);
	WIRE_EQ(w, bind_ours(w, a, WIRE_LOCAL_PORT), 0);
	WIRE_EQ(w, bind_ours(w, b, WIRE_LOCAL_PORT), 0);
	WIRE_EQ(w, tcp_connect(a, &w->flow->remote), -EINPROGRESS);
	tcp_flush(w->engine);
	wire_out(w, "S 0:0(0) <*>");
	WIRE_EQ(w, tcp_connect(b, &w->flow->remote), -EADDRNOTAVAIL);
	WIRE_EQ(w, tcp_listen(a, 1), -EINVAL);
	done(w, &s);
}

static void
tw_reuse(struct tcp_config *config)
{
	config->tw_reuse = true;
}

/* To TIME-WAIT from a socket bound to our port; then another of its kind connects. */
static void
connect_again(struct wire *w, struct sockets *s, uint64_t after_us, int expected)
{
	struct tcp_conn *c;

	c = sock(w, s, w->family);
	set(w, c, SOL_SOCKET, SO_REUSEADDR, 1);
	WIRE_EQ(w, bind_ours(w, c, WIRE_LOCAL_PORT), 0);
	WIRE_EQ(w, tcp_connect(c, &w->flow->remote), -EINPROGRESS);
	tcp_flush(w->engine);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,TS val 1000 ecr 0>");
	wire_out(w, ". 1:1(0) ack 1");
	tcp_close(c);
	s->n--;
	tcp_flush(w->engine);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_wait(w, after_us);
	c = sock(w, s, w->family);
	set(w, c, SOL_SOCKET, SO_REUSEADDR, 1);
	WIRE_EQ(w, bind_ours(w, c, WIRE_LOCAL_PORT), 0);
	wire_again(w, 100000);
	WIRE_EQ(w, tcp_connect(c, &w->flow->remote), expected);
	tcp_flush(w->engine);
}

WIRE_TEST(timewait_gives_way)
{
	struct sockets s = {0};

	wire_start(w, .configure = tw_reuse);
	connect_again(w, &s, MS(1100), -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_count(w, timewait_reused, 1);
	done(w, &s);
}

WIRE_TEST(timewait_stays_for_a_second)
{
	struct sockets s = {0};

	wire_start(w, .configure = tw_reuse);
	connect_again(w, &s, MS(900), -EADDRNOTAVAIL);
	done(w, &s);
}

WIRE_TEST(timewait_stays_by_default)
{
	struct sockets s = {0};

	wire_start(w);
	connect_again(w, &s, SEC(10), -EADDRNOTAVAIL);
	done(w, &s);
}
