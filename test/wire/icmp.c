/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors: RFC 5461 (soft errors), RFC 5927 §4 (the quoted sequence number), RFC 1191 and 8201
 * (path MTU). */
#include "wire.h"

WIRE_TEST(unreachable_while_connecting)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 5000);
	wire_state(w, TCP_SYN_SENT);
	wire_count(w, icmp_ignored, 1);
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 0);
	wire_count(w, icmp_accepted, 1);
	wire_state(w, TCP_CLOSED); /* as Linux: there is nothing yet to lose */
	WIRE_EQ(w, w->flow->notified, 1);
	wire_connect(w, -EHOSTUNREACH);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}

WIRE_TEST(refused_while_connecting)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_icmp(w, TCP_ICMP_REFUSED, ECONNREFUSED, 0, 0);
	wire_connect(w, -ECONNREFUSED);
	wire_end(w);
}

/* RFC 5461 §2.1 and RFC 9293 §3.9.2.2: soft when established. */
WIRE_TEST(unreachable_when_established)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_icmp(w, TCP_ICMP_UNREACHABLE, ENETUNREACH, 0, 1);
	wire_icmp(w, TCP_ICMP_REFUSED, ECONNREFUSED, 0, 1);
	wire_state(w, TCP_ESTABLISHED);
	wire_out(w, "+%uus P. 1:101(100) ack 1", wire_rto(w));
	wire_in(w, ". 1:1(0) ack 101");
	wire_error(w, 0);
	wire_poll(w, POLLOUT);
	wire_end(w);
}

/* What killed it in the end is told as the reason. */
WIRE_TEST(soft_error_is_the_reason)
{
	wire_start(w, .retries = 2);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 1);
	for (unsigned int i = 0; i < 100; i++) {
		wire_wait(w, MS(100));
		wire_skip(w);
	}
	wire_error(w, EHOSTUNREACH);
	wire_end(w);
}

/* RFC 5927 §4: a forger does not know what is in flight. */
WIRE_TEST(quotes_of_nothing_in_flight)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 600, 1);
	wire_send(w, 1460, 1460);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 600, 1461);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 600, 0);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 600, 2000000);
	wire_count(w, icmp_ignored, 4);
	wire_count(w, icmp_accepted, 0);
	wire_idle_for(w, MS(100));
	wire_in(w, ". 1:1(0) ack 1461");
	WIRE_EQ(w, wire_listing(w).mss, 1460);
	wire_flow(w, 1); /* no such connection */
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 1);
	wire_count(w, icmp_ignored, 5);
	wire_end(w);
}

/* What did not fit is sent again in smaller segments. */
WIRE_TEST(too_big)
{
	unsigned int next = 1;
	struct note note;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 5 * WIRE_MSS, 5 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 5);
	w->mtu = w->family == AF_INET ? 1300 : 1320;
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, w->mtu, 1);
	wire_count(w, icmp_accepted, 1);
	WIRE_EQ(w, wire_listing(w).mss, 1260);
	for (unsigned int i = 0; next < 1 + 5 * WIRE_MSS; i++) {
		if (i > 200)
			wire_fail(w, "it never ends");
		while (wire_next(w, &note)) {
			WIRE_IN(w, note.bytes.value, 1, 1260);
			if (note.seq.value == next)
				next += note.bytes.value;
		}
		wire_in(w, "+20ms . 1:1(0) ack %u", next);
	}
	wire_skip(w);
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

/* An MTU below what every link carries is a lie, or at least not worth following to the end. */
static void
absurd_mtu(struct wire *w, uint16_t mtu)
{
	struct note note;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 3);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, mtu, 1);
	for (unsigned int i = 0; i < 4; i++) {
		while (wire_next(w, &note))
			WIRE_IN(w, note.bytes.value, 200, 1460);
		wire_wait(w, MS(100));
	}
	wire_skip(w);
	wire_in(w, ". 1:1(0) ack 4381");
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

WIRE_TEST(too_big_for_nothing)
{
	absurd_mtu(w, 0);
}

WIRE_TEST(too_big_by_a_header)
{
	absurd_mtu(w, 40);
}

WIRE_TEST(too_big_for_68_bytes)
{
	absurd_mtu(w, 68);
}

/* One that names more than the path has changes nothing. */
WIRE_TEST(too_big_but_larger)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1460, 1460);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 9000, 1);
	WIRE_EQ(w, wire_listing(w).mss, 1460);
	wire_idle_for(w, MS(100));
	wire_end(w);
}

/* Routes change: the next segment takes the new path's size. */
WIRE_TEST(path_changes)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1460, 1460);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 1461");
	wire_path(w, 0, w->family == AF_INET ? 1040 : 1060);
	wire_send(w, 2000, 2000);
	wire_out(w, ". 1461:2461(1000) ack 1");
	wire_out(w, "P. 2461:3461(1000) ack 1");
	wire_in(w, ". 1:1(0) ack 3461");
	/* No route any more: it waits, and goes on when there is one. */
	wire_path(w, ENETUNREACH, 1500);
	wire_send(w, 100, 100);
	wire_idle_for(w, SEC(3));
	wire_state(w, TCP_ESTABLISHED);
	wire_path(w, 0, w->family == AF_INET ? 1500 : 1520);
	wire_out(w, "<=10s P. 3461:3561(100) ack 1");
	wire_in(w, ". 1:1(0) ack 3561");
	wire_end(w);
}

/* A SYN-ACK that cannot arrive: the request is dropped, as on Linux; others' numbers do nothing. */
WIRE_TEST(half_open)
{
	wire_start(w);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 5);
	wire_count(w, icmp_ignored, 1);
	wire_icmp(w, TCP_ICMP_REFUSED, ECONNREFUSED, 0, 0);
	wire_used(w, requests, 1);
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 0);
	wire_used(w, requests, 0);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}
