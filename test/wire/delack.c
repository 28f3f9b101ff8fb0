/* SPDX-License-Identifier: BSD-3-Clause */
/* When acknowledgments leave: RFC 9293 §3.8.6.3, RFC 5681 §4.2, in Linux's way. */
#include "wire.h"

/* One segment of n bytes from byte `at` on. */
static void
segment(struct wire *w, unsigned int at, unsigned int n)
{
	wire_in(w, ". %u:%u(%u) ack 1", at, at + n, n);
}

WIRE_TEST(first_segments_are_acknowledged_at_once)
{
	unsigned int at = 1;

	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	/* 16 in a row, as many as a sender in slow start has use for; the window's growth adds one
	 * now and then. */
	for (unsigned int i = 0; i < 16; i++, at += WIRE_MSS) {
		segment(w, at, WIRE_MSS);
		wire_out(w, ". 1:1(0) ack %u", at + WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
	}
	wire_end(w);
}

/* Until quick acknowledgments are used up and the window grows no more; returns the next byte. */
static unsigned int
calm(struct wire *w)
{
	unsigned int at = 1;

	wire_set(w, SOL_SOCKET, SO_RCVBUF, 65536);
	for (unsigned int i = 0; i < 80; i++, at += WIRE_MSS) {
		segment(w, at, WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
		wire_skip(w);
	}
	return at;
}

WIRE_TEST(then_every_second_one)
{
	unsigned int at, acks = 0;

	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	at = calm(w);
	for (unsigned int i = 0; i < 40; i++, at += WIRE_MSS) {
		segment(w, at, WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
		acks += wire_skip(w);
	}
	WIRE_EQ(w, acks, 20);
	wire_end(w);
}

WIRE_TEST(a_conversation_is_acknowledged_by_its_answers)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_out(w, ". 1:1(0) ack 101");
	wire_recv(w, 100, 100);
	wire_get(w, IPPROTO_TCP, TCP_QUICKACK, 1);
	wire_send(w, 50, 50);
	wire_out(w, "P. 1:51(50) ack 101");
	/* From here on both ends talk. */
	wire_get(w, IPPROTO_TCP, TCP_QUICKACK, 0);
	wire_in(w, "P. 101:201(100) ack 51");
	wire_recv(w, 100, 100);
	wire_idle_for(w, MS(30));
	wire_send(w, 50, 50);
	wire_out(w, "P. 51:101(50) ack 201");
	/* No answer: the acknowledgment leaves alone, and the next ones at once again. */
	wire_in(w, "P. 201:301(100) ack 101");
	wire_recv(w, 100, 100);
	wire_idle_for(w, MS(39));
	wire_out(w, "<=1ms . 101:101(0) ack 301");
	wire_count(w, delayed_acks, 1);
	wire_get(w, IPPROTO_TCP, TCP_QUICKACK, 1);
	wire_in(w, "P. 301:401(100) ack 101");
	wire_out(w, ". 101:101(0) ack 401");
	wire_end(w);
}

/* TCP_QUICKACK 1 acknowledges at once what waits; 2 does so this once. */
WIRE_TEST(quickack_is_set)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	segment(w, 1, 100);
	wire_idle_for(w, MS(10));
	wire_recv(w, 100, 100);
	wire_idle(w);
	wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 1);
	wire_out(w, ". 1:1(0) ack 101");
	wire_get(w, IPPROTO_TCP, TCP_QUICKACK, 1);
	wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 0);
	segment(w, 101, 100);
	wire_idle_for(w, MS(10));
	wire_recv(w, 100, 100);
	wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 2);
	wire_out(w, ". 1:1(0) ack 201");
	wire_get(w, IPPROTO_TCP, TCP_QUICKACK, 0);
	wire_end(w);
}

/* Set before connecting: the handshake's last acknowledgment waits for data. */
WIRE_TEST(quickack_off_before_connecting)
{
	wire_start(w);
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_idle_for(w, MS(100));
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_in(w, ". 1:1(0) ack 11");
	wire_end(w);
}

WIRE_TEST(postponed_handshake_without_data)
{
	wire_start(w);
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_idle_for(w, MS(199));
	wire_out(w, "<=1ms . 1:1(0) ack 1");
	wire_end(w);
}

/* The wait follows the time between segments, unless a round trip is shorter. */
WIRE_TEST(waiting_follows_the_rhythm)
{
	unsigned int at;

	wire_start(w, .quickacks = true);
	wire_listen(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, "+300ms . 1:1(0) ack 1");
	wire_accept(w);
	at = calm(w);
	/* 30 ms between segments: 60 ms, by halves. */
	for (unsigned int i = 0; i < 20; i++, at += WIRE_MSS) {
		wire_in(w, "+30ms . %u:%u(1460) ack 1", at, at + WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
		wire_skip(w);
	}
	wire_in(w, "+30ms . %u:%u(1460) ack 1", at, at + WIRE_MSS);
	wire_recv(w, WIRE_MSS, WIRE_MSS);
	wire_idle_for(w, MS(58));
	wire_out(w, "<=3ms . 1:1(0) ack %u", at + WIRE_MSS);
	/* That was in vain: twice as long, but for this pause, and never more than 200 ms. */
	at += WIRE_MSS;
	for (unsigned int i = 0; i < 6; i++, at += 200) {
		segment(w, at, 200);
		wire_recv(w, 1000, 200);
		wire_out(w, "<=200ms . 1:1(0) ack %u", at + 200);
	}
	wire_end(w);
}

WIRE_TEST(no_longer_than_a_round_trip)
{
	unsigned int at;

	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	at = calm(w);
	for (unsigned int i = 0; i < 20; i++, at += WIRE_MSS) {
		wire_in(w, "+30ms . %u:%u(1460) ack 1", at, at + WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
		wire_skip(w);
	}
	wire_in(w, "+30ms . %u:%u(1460) ack 1", at, at + WIRE_MSS);
	wire_recv(w, WIRE_MSS, WIRE_MSS);
	wire_idle_for(w, MS(39));
	wire_out(w, "<=1ms . 1:1(0) ack %u", at + WIRE_MSS);
	wire_end(w);
}

/* A hole is told at once, and so is its filling; RFC 5681 §4.2. */
WIRE_TEST(disorder_is_told_at_once)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK>", 65535);
	segment(w, 1461, WIRE_MSS);
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
	segment(w, 4381, WIRE_MSS);
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,sack 4381:5841 1461:2921>");
	segment(w, 1, WIRE_MSS);
	wire_out(w, ". 1:1(0) ack 2921 <nop,nop,sack 4381:5841>");
	segment(w, 2921, WIRE_MSS);
	wire_out(w, ". 1:1(0) ack 5841");
	wire_end(w);
}

/* What arrives twice is answered at once, and what follows is too: acknowledgments were lost. */
WIRE_TEST(duplicates_bring_quick_acknowledgments_back)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	segment(w, 1, 100);
	wire_out(w, "+40ms . 1:1(0) ack 101");
	segment(w, 1, 100);
	wire_out(w, ". 1:1(0) ack 101");
	segment(w, 101, 100);
	wire_out(w, ". 1:1(0) ack 201");
	wire_end(w);
}

/* A burst is acknowledged once. */
WIRE_TEST(one_acknowledgment_for_a_burst)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_hold(w);
	for (unsigned int i = 0; i < 20; i++)
		segment(w, 1 + i * WIRE_MSS, WIRE_MSS);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack %u", 1 + 20 * WIRE_MSS);
	wire_end(w);
}

/* One full segment that ends a message: its reader's read acknowledges it; without PSH more is
 * to come. */
WIRE_TEST(reading_acknowledges_the_end_of_a_message)
{
	unsigned int at;

	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	at = calm(w);
	segment(w, at, WIRE_MSS);
	wire_recv(w, WIRE_MSS, WIRE_MSS);
	at += WIRE_MSS;
	wire_out(w, "+40ms . 1:1(0) ack %u", at);
	wire_in(w, "P. %u:%u(1460) ack 1", at, at + WIRE_MSS);
	wire_idle(w);
	wire_recv(w, 1000, 1000);
	wire_idle(w);
	wire_recv(w, 460, 460);
	wire_out(w, ". 1:1(0) ack %u", at + WIRE_MSS);
	wire_end(w);
}

/* A hostile peer cannot have each of its bytes answered for ever. */
WIRE_TEST(crumbs_do_not_stay_quick)
{
	unsigned int acks = 0;

	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 1000; i++) {
		segment(w, 1 + i, 1);
		acks += wire_skip(w);
	}
	WIRE_IN(w, acks, 1, 20);
	wire_wait(w, MS(40));
	wire_skip(w);
	wire_end(w);
}

/* As Linux: its user may close too, and that FIN carries the acknowledgment. */
WIRE_TEST(a_fin_after_data_waits_for_ours)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:1001(1000) ack 1");
	wire_out(w, ". 1:1(0) ack 1001");
	wire_recv(w, 1000, 1000);
	wire_in(w, "F. 1001:1001(0) ack 1");
	wire_idle(w);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_out(w, "+40ms . 1:1(0) ack 1002");
	wire_end(w);
}

WIRE_TEST(our_fin_acknowledges_the_peers)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:1001(1000) ack 1");
	wire_out(w, ". 1:1(0) ack 1001");
	wire_recv(w, 1000, 1000);
	wire_in(w, "F. 1001:1001(0) ack 1");
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1002");
	wire_in(w, ". 1002:1002(0) ack 2");
	wire_gone(w);
	wire_end(w);
}

/* What arrives a second time with the FIN is not told: the stream is over. */
WIRE_TEST(a_fin_with_known_data)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460,sackOK>", 65535);
	wire_in(w, "P. 1:1001(1000) ack 1");
	wire_out(w, ". 1:1(0) ack 1001");
	wire_recv(w, 1000, 1000);
	wire_in(w, "F. 1:1001(1000) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 1002");
	wire_state(w, TCP_CLOSE_WAIT);
	wire_in(w, "F. 1:1001(1000) ack 1");
	wire_out(w, ". 1:1(0) ack 1002 <nop,nop,sack 1:1001>");
	wire_end(w);
}

/* Where nothing but a FIN ever came, nothing is gained by waiting. */
WIRE_TEST(a_fin_alone_is_acknowledged_at_once)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, ". 1:1(0) ack 2");
	wire_end(w);
}
