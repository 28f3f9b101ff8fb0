/* SPDX-License-Identifier: BSD-3-Clause */
/* Keep-alives: RFC 9293 §3.8.4, RFC 1122 §4.2.3.6, with Linux's options and ranges. */
#include "wire.h"

enum { KEEPIDLE = 4, KEEPINTVL = 5, KEEPCNT = 6, USER_TIMEOUT = 18 };

static void
keep_alive(struct wire *w, int idle, int interval, int count)
{
	wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_set(w, IPPROTO_TCP, KEEPIDLE, idle);
	wire_set(w, IPPROTO_TCP, KEEPINTVL, interval);
	wire_set(w, IPPROTO_TCP, KEEPCNT, count);
}

static void
refused(struct wire *w, int name, int v)
{
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, name, &v, sizeof(v)), -EINVAL);
}

/* Off by default: RFC 1122's MUST. */
WIRE_TEST(off_by_default)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_get(w, SOL_SOCKET, SO_KEEPALIVE, 0);
	wire_idle_for(w, SEC(30000));
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

WIRE_TEST(options)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_get(w, IPPROTO_TCP, KEEPIDLE, 7200);
	wire_get(w, IPPROTO_TCP, KEEPINTVL, 75);
	wire_get(w, IPPROTO_TCP, KEEPCNT, 9);
	keep_alive(w, 32767, 32767, 127);
	wire_get(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_get(w, IPPROTO_TCP, KEEPIDLE, 32767);
	wire_get(w, IPPROTO_TCP, KEEPINTVL, 32767);
	wire_get(w, IPPROTO_TCP, KEEPCNT, 127);
	for (int name = KEEPIDLE; name <= KEEPCNT; name++) {
		refused(w, name, 0);
		refused(w, name, -1);
		refused(w, name, name == KEEPCNT ? 128 : 32768);
	}
	wire_end(w);
}

/* One number below what is acknowledged, without payload; the answer puts the next one off. */
WIRE_TEST(probes_an_idle_peer)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 10, 3, 4);
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_in(w, "+20ms . 1:1(0) ack 1");
	wire_idle(w);
	wire_out(w, "+10s . 0:0(0) ack 1");
	/* Unanswered, it comes again after the interval. */
	wire_out(w, "+3s . 0:0(0) ack 1");
	wire_out(w, "+3s . 0:0(0) ack 1");
	wire_in(w, "+1s . 1:1(0) ack 1");
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_count(w, keepalive_probes, 5);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

WIRE_TEST(gives_a_dead_peer_up)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 10, 3, 2);
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_out(w, "+3s . 0:0(0) ack 1");
	wire_out(w, "+3s R. 1:1(0) ack 1");
	wire_state(w, TCP_CLOSED);
	wire_recv(w, 10, -ETIMEDOUT);
	wire_count(w, timeouts, 1);
	wire_end(w);
}

/* Whatever the peer says counts as a sign of life. */
WIRE_TEST(data_puts_it_off)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 10, 3, 2);
	wire_in(w, "+9s P. 1:101(100) ack 1");
	wire_acked(w, 101);
	wire_recv(w, 100, 100);
	wire_idle_for(w, MS(9900));
	wire_out(w, "<=100ms . 0:0(0) ack 101");
	wire_end(w);
}

/* What is in flight has its own time-outs. */
WIRE_TEST(not_while_data_is_outstanding)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 1, 1, 1);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_wait(w, MS(10));
	wire_run_to(w, w->now_us);
	for (int i = 0; i < 6; i++) {
		struct note n;

		while (!wire_next(w, &n))
			wire_wait(w, MS(100));
		WIRE_EQ(w, n.seq.value, 1);
		WIRE_EQ(w, n.bytes.value, 100);
	}
	wire_count(w, keepalive_probes, 0);
	wire_skip(w);
	wire_end(w);
}

/* TCP_USER_TIMEOUT decides instead of the count: RFC 5482 and Linux. */
WIRE_TEST(user_timeout_overrides_the_count)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 10, 2, 1);
	wire_set(w, IPPROTO_TCP, USER_TIMEOUT, 15000);
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_out(w, "+2s . 0:0(0) ack 1");
	wire_out(w, "+2s . 0:0(0) ack 1");
	wire_out(w, "+2s R. 1:1(0) ack 1");
	wire_recv(w, 10, -ETIMEDOUT);
	wire_end(w);
}

WIRE_TEST(at_least_one_probe_before_user_timeout)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 10, 2, 9);
	wire_set(w, IPPROTO_TCP, USER_TIMEOUT, 1000);
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_out(w, "+2s R. 1:1(0) ack 1");
	wire_recv(w, 10, -ETIMEDOUT);
	wire_end(w);
}

/* Set on the listener it holds for what is accepted; set before connecting it starts with the
 * handshake's end. */
WIRE_TEST(listener_passes_it_on)
{
	int on = 1, idle = 5;

	wire_start(w);
	wire_listen(w, 4);
	WIRE_EQ(w, tcp_setsockopt(w->listener, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, KEEPIDLE, &idle, sizeof(idle)), 0);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_get(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_out(w, "+5s . 0:0(0) ack 1");
	wire_end(w);
}

WIRE_TEST(set_before_connecting)
{
	wire_start(w);
	wire_open(w);
	keep_alive(w, 10, 3, 2);
	wire_connected(w, "<mss 1460>", 65535);
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_end(w);
}

WIRE_TEST(turned_off_and_on_again)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 10, 3, 2);
	wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 0);
	wire_idle_for(w, SEC(100));
	/* As on Linux the idle time counts from now, unless it is set anew. */
	wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_set(w, IPPROTO_TCP, KEEPIDLE, 20);
	wire_wait(w, 0);
	wire_out(w, ". 0:0(0) ack 1");
	wire_end(w);
}

/* A reset in answer: the peer has forgotten us. RFC 9293 §3.8.4. */
WIRE_TEST(peer_forgot_us)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	keep_alive(w, 10, 3, 2);
	wire_out(w, "+10s . 0:0(0) ack 1");
	wire_in(w, "R 1:1(0) win 0");
	wire_state(w, TCP_CLOSED);
	wire_recv(w, 10, -ECONNRESET);
	wire_end(w);
}

/* The other side's keep-alives are answered, whatever they carry; many at once are not. */
WIRE_TEST(answers_the_peers)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "+10s . 0:0(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+10s . 0:1(1) ack 1");
	wire_out(w, ". 1:1(0) ack 1 <*>");
	for (int i = 0; i < 100; i++)
		wire_in(w, ". 0:0(0) ack 1");
	WIRE_IN(w, wire_skip(w), 0, 1);
	wire_end(w);
}
