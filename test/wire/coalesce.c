/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/coalesce.c: segments of one burst that are handled as one, and those that must not be. */
#include "wire.h"

static void
stage(struct wire *w)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460,sackOK>", 65535);
}

/* n full segments from byte `at` on, with these flags and this window. */
static void
segments(struct wire *w, unsigned int at, unsigned int n, const char *flags, unsigned int win)
{
	for (unsigned int i = 0; i < n; i++, at += WIRE_MSS)
		wire_in(w, "%s %u:%u(1460) ack 1 win %u", flags, at, at + WIRE_MSS, win);
}

WIRE_TEST(burst_is_one)
{
	struct tcp_info info;
	size_t len = sizeof(info);

	stage(w);
	wire_hold(w);
	segments(w, 1, 10, ".", 65535);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 14601");
	wire_count(w, rcv_merged, 9);
	WIRE_EQ(w, w->flow->notified, 1);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	WIRE_EQ(w, info.tcpi_data_segs_in, 10);
	wire_recv(w, 100000, 14600);
	wire_end(w);
}

/* The last may be shorter, and have PSH; what follows is another. */
WIRE_TEST(message_ends)
{
	stage(w);
	wire_hold(w);
	segments(w, 1, 2, ".", 65535);
	wire_in(w, "P. 2921:3021(100) ack 1 win 65535");
	wire_in(w, ". 3021:3121(100) ack 1 win 65535");
	wire_in(w, ". 3121:4581(1460) ack 1 win 65535");
	wire_in(w, "P. 4581:4681(100) ack 1 win 65535");
	wire_in(w, "P. 4681:4781(100) ack 1 win 65535");
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 4781");
	/* 3 in 1; 1; 2 in 1; 1. */
	wire_count(w, rcv_merged, 3);
	wire_recv(w, 100000, 4780);
	wire_end(w);
}

WIRE_TEST(connections_take_turns)
{
	stage(w);
	wire_flow(w, 1);
	wire_accepted(w, "<mss 1460,sackOK>", 65535);
	wire_hold(w);
	for (unsigned int i = 0; i < 10; i++) {
		wire_flow(w, i % 2);
		segments(w, 1 + i / 2 * WIRE_MSS, 1, ".", 65535);
	}
	wire_release(w);
	wire_flow(w, 0);
	wire_out(w, ". 1:1(0) ack 7301");
	wire_flow(w, 1);
	wire_out(w, ". 1:1(0) ack 7301");
	wire_count(w, rcv_merged, 8);
	wire_recv(w, 100000, 7300);
	wire_flow(w, 0);
	wire_recv(w, 100000, 7300);
	wire_end(w);
}

/* Each says something of its own. */
WIRE_TEST(differences_keep_them_apart)
{
	stage(w);
	wire_send(w, 200, 200);
	wire_out(w, "P. 1:201(200) ack 1");
	wire_hold(w);
	wire_in(w, ". 1:1461(1460) ack 1 win 1000");
	wire_in(w, ". 1461:2921(1460) ack 1 win 2000");
	wire_in(w, ". 2921:4381(1460) ack 201 win 2000");
	wire_in(w, "F. 4381:5841(1460) ack 201 win 2000");
	wire_release(w);
	wire_out(w, ". 201:201(0) ack 5842");
	wire_count(w, rcv_merged, 0);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 2000);
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 100000, 5840);
	wire_recv(w, 1, 0);
	wire_end(w);
}

WIRE_TEST(timestamps_keep_them_apart)
{
	wire_start(w, .quickacks = true);
	wire_accepted(w, "<mss 1460,sackOK,TS val * ecr 0>", 65535);
	wire_hold(w);
	wire_in(w, ". 1:1001(1000) ack 1 <nop,nop,TS val 1010 ecr *>");
	wire_in(w, ". 1001:2001(1000) ack 1 <nop,nop,TS val 1010 ecr *>");
	wire_in(w, ". 2001:3001(1000) ack 1 <nop,nop,TS val 1011 ecr *>");
	wire_in(w, ". 3001:4001(1000) ack 1 <nop,nop,TS val 1011 ecr *>");
	wire_release(w);
	/* RFC 7323 §4.3: the earliest of those acknowledged is echoed. */
	wire_out(w, ". 1:1(0) ack 4001 <nop,nop,TS val * ecr 1010>");
	wire_count(w, rcv_merged, 2);
	wire_end(w);
}

/* A hole: what lies behind it is not merged with what lies before, nor with itself. */
WIRE_TEST(disorder_is_not_merged)
{
	stage(w);
	wire_hold(w);
	segments(w, 1, 2, ".", 65535);
	segments(w, 4381, 3, ".", 65535);
	segments(w, 2921, 1, ".", 65535);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 8761");
	wire_count(w, rcv_merged, 1);
	wire_count(w, ooo_segs, 3);
	wire_recv(w, 100000, 8760);
	wire_end(w);
}

/* Twice the same in one burst: the second is a duplicate as ever. */
WIRE_TEST(duplicates_are_not_merged)
{
	stage(w);
	wire_hold(w);
	segments(w, 1, 2, ".", 65535);
	segments(w, 1, 2, ".", 65535);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 2921 <nop,nop,sack 1:2921>");
	wire_count(w, drop_duplicate, 2);
	wire_recv(w, 100000, 2920);
	wire_end(w);
}

/* A reset in the middle ends the connection there. */
WIRE_TEST(reset_in_the_burst)
{
	stage(w);
	wire_hold(w);
	segments(w, 1, 2, ".", 65535);
	wire_in(w, "R. 2921:2921(0) ack 1");
	segments(w, 2921, 2, ".", 65535);
	wire_release(w);
	/* What came after it is for nobody. */
	wire_out(w, "R 1:1(0)");
	wire_out(w, "R 1:1(0)");
	wire_state(w, TCP_CLOSED);
	wire_end(w);
}

/* The final ACK of the handshake and the first segments in one burst. */
WIRE_TEST(connection_made_in_the_burst)
{
	wire_start(w, .quickacks = true);
	wire_listen(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_hold(w);
	wire_in(w, "+10ms . 1:1(0) ack 1");
	segments(w, 1, 4, ".", 65535);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 5841");
	wire_accept(w);
	wire_recv(w, 100000, 5840);
	wire_end(w);
}

/* A burst larger than the window: what fits is taken, as if they had come one by one. */
WIRE_TEST(burst_beyond_the_window)
{
	wire_start(w, .quickacks = true, .rcvbuf_bytes = 20000);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, wire_rcv_wnd(w), 8760);
	wire_hold(w);
	segments(w, 1, 20, ".", 65535);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 8761");
	wire_recv(w, 100000, 8760);
	wire_skip(w);
	wire_end(w);
}

/* Packets of several buffers, none full. */
WIRE_TEST(scattered_packets)
{
	wire_start(w, .quickacks = true, .split = 1000);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_hold(w);
	segments(w, 1, 5, ".", 65535);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 7301");
	wire_count(w, rcv_merged, 4);
	wire_recv(w, 100000, 7300);
	wire_end(w);
}

static void
bursts(struct wire *w, bool alike)
{
	wire_start(w, .quickacks = true, .rx_cksum_good = true);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int b = 0, at = 1; b < 100; b++) {
		wire_hold(w);
		for (unsigned int i = 0; i < 16; i++, at += WIRE_MSS)
			segments(w, at, 1, ".", 65535 - (alike ? 0 : i % 2));
		wire_release(w);
		wire_skip(w);
		wire_recv(w, 100000, 16 * WIRE_MSS);
		wire_skip(w);
	}
	wire_count(w, rcv_merged, alike ? 1500 : 0);
	wire_end(w);
}

/* A long transfer, by the same number of instructions each time: for profilers, too. */
WIRE_TEST4(many_bursts_merged)
{
	bursts(w, true);
}

WIRE_TEST4(many_bursts_apart)
{
	bursts(w, false);
}
