/* SPDX-License-Identifier: BSD-3-Clause */
/* The smallest round trip: of a window of time, and not of acknowledgments that waited. */
#include <string.h>

#include "wire.h"

static void
ten_seconds(struct tcp_config *config)
{
	config->min_rtt_wlen_s = 10;
}

static uint32_t
min_rtt(struct wire *w)
{
	struct tcp_info i;
	size_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
	return i.tcpi_min_rtt;
}

/* Two full segments, acknowledged after that time; returns where the next one begins. */
static unsigned int
exchange(struct wire *w, unsigned int seq, unsigned int rtt_us)
{
	wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
	wire_skip(w);
	seq += 2 * WIRE_MSS;
	wire_in(w, "+%uus . 1:1(0) ack %u", rtt_us, seq);
	return seq;
}

WIRE_TEST(of_the_handshake)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, min_rtt(w), 10000);
	wire_end(w);
}

WIRE_TEST(of_our_own_handshake)
{
	wire_start(w);
	wire_connected(w, "<mss 1460>", 65535);
	WIRE_EQ(w, min_rtt(w), 10000);
	wire_end(w);
}

/* A SYN-ACK sent twice tells nothing. */
WIRE_TEST(not_of_an_ambiguous_handshake)
{
	wire_start(w);
	wire_listen(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+1ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	WIRE_EQ(w, min_rtt(w), UINT32_MAX);
	exchange(w, 1, 20000);
	WIRE_EQ(w, min_rtt(w), 20000);
	wire_end(w);
}

WIRE_TEST(the_smallest_counts)
{
	unsigned int seq = 1;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	seq = exchange(w, seq, 15000);
	WIRE_EQ(w, min_rtt(w), 10000);
	seq = exchange(w, seq, 7000);
	WIRE_EQ(w, min_rtt(w), 7000);
	seq = exchange(w, seq, 9000);
	WIRE_EQ(w, min_rtt(w), 7000);
	wire_end(w);
}

/* Of what one acknowledgment covers the segment sent last counts: the others may have waited. */
WIRE_TEST(the_newest_of_an_acknowledgment)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_skip(w);
	wire_wait(w, MS(20));
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_skip(w);
	wire_in(w, "+8ms . 1:1(0) ack 2921");
	WIRE_EQ(w, min_rtt(w), 8000);
	wire_end(w);
}

/* Five minutes, by default: then the path is as long as it has been since. */
WIRE_TEST(a_longer_path_is_believed_in_the_end)
{
	unsigned int seq = 1;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int s = 10; s <= 290; s += 10) {
		wire_at(w, SEC(s));
		seq = exchange(w, seq, 30000);
		WIRE_EQ(w, min_rtt(w), 10000);
	}
	wire_at(w, SEC(301));
	exchange(w, seq, 40000);
	WIRE_EQ(w, min_rtt(w), 30000);
	wire_end(w);
}

/* The second smallest of the window takes over, not the last. */
WIRE_TEST(the_next_one_follows)
{
	unsigned int seq = 1;

	wire_start(w, .configure = ten_seconds);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_at(w, SEC(3));
	seq = exchange(w, seq, 50000);
	wire_at(w, SEC(6));
	seq = exchange(w, seq, 20000);
	WIRE_EQ(w, min_rtt(w), 10000);
	wire_at(w, SEC(9));
	seq = exchange(w, seq, 60000);
	WIRE_EQ(w, min_rtt(w), 10000);
	wire_at(w, SEC(11));
	seq = exchange(w, seq, 70000);
	WIRE_EQ(w, min_rtt(w), 20000);
	wire_at(w, SEC(17));
	seq = exchange(w, seq, 80000);
	WIRE_EQ(w, min_rtt(w), 60000);
	wire_end(w);
}

/* After longer than the window without any sample the next one is all there is. */
WIRE_TEST(idle_for_longer_than_the_window)
{
	wire_start(w, .configure = ten_seconds);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_at(w, SEC(60));
	exchange(w, 1, 30000);
	WIRE_EQ(w, min_rtt(w), 30000);
	wire_end(w);
}

/* ---- unhappy: acknowledgments that wait */

/* One short segment at a time, each acknowledged late: they never become the smallest. */
WIRE_TEST(delayed_acknowledgments_do_not_count)
{
	unsigned int seq = 1;

	wire_start(w, .configure = ten_seconds);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int s = 1; s < 30; s++) {
		wire_at(w, SEC(s));
		wire_send(w, 100, 100);
		wire_skip(w);
		seq += 100;
		wire_in(w, "+50ms . 1:1(0) ack %u", seq);
		WIRE_EQ(w, min_rtt(w), 10000);
	}
	wire_end(w);
}

/* But a short one that is acknowledged sooner lowers it. */
WIRE_TEST(a_short_one_may_lower_it)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_skip(w);
	wire_in(w, "+4ms . 1:1(0) ack 101");
	WIRE_EQ(w, min_rtt(w), 4000);
	wire_end(w);
}

/* What was sent again tells nothing without timestamps: Karn. */
WIRE_TEST(retransmissions_do_not_count)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_skip(w);
	rto = wire_rto(w);
	wire_out(w, "+%uus P. 1:1461(1460) ack 1", rto);
	wire_in(w, "+1ms . 1:1(0) ack 1461");
	WIRE_EQ(w, min_rtt(w), 10000);
	wire_end(w);
}

/* ---- hostile */

/* Acknowledgments of what was never sent, and timestamps from nowhere, move nothing. */
WIRE_TEST(invented_echoes_move_nothing)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,TS val 1000 ecr 0>", 65535);
	WIRE_EQ(w, min_rtt(w), 10000);
	for (unsigned int i = 0; i < 5; i++) {
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,TS val 1001 ecr 4294967295>");
		wire_in(w, ". 1:1(0) ack 5000 <nop,nop,TS val 1001 ecr *>");
	}
	WIRE_EQ(w, min_rtt(w), 10000);
	wire_skip(w);
	wire_end(w);
}

/* A peer who acknowledges at once has a round trip of nothing, and that is its business. */
WIRE_TEST(nothing_is_a_microsecond)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_skip(w);
	wire_in(w, ". 1:1(0) ack 1461");
	WIRE_EQ(w, min_rtt(w), 1);
	exchange(w, 1461, 10000);
	WIRE_EQ(w, min_rtt(w), 1);
	wire_end(w);
}
