/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The delivery rate as TCP_INFO shows it: which interval counts, what the user's own slowness
 * marks, and what gives no sample. The handshake's round trip is 10 ms, and its SYN counts as
 * delivered.
 */
#include <string.h>

#include "wire.h"

static const char sack_ok[] = "<mss 1460,nop,nop,sackOK>";

static struct tcp_info
info(struct wire *w)
{
	struct tcp_info i;
	size_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
	return i;
}

static void
send_segs(struct wire *w, unsigned int n)
{
	wire_send(w, n * WIRE_MSS, n * WIRE_MSS);
	wire_skip(w);
}

static void
ack(struct wire *w, unsigned int wait_us, unsigned int segs)
{
	wire_in(w, "+%uus . 1:1(0) ack %u", wait_us, 1 + segs * WIRE_MSS);
}

/* The rate is n segments in `us`, and the user limited it or not. */
static void
expect(struct wire *w, unsigned int n, unsigned int us, bool app_limited)
{
	struct tcp_info i = info(w);

	WIRE_EQ(w, i.tcpi_delivery_rate, (uint64_t)n * WIRE_MSS * 1000000 / us);
	WIRE_EQ(w, i.tcpi_delivery_rate_app_limited, app_limited);
}

/* ---- happy */

WIRE_TEST(none_before_data)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, info(w).tcpi_delivery_rate, 0);
	WIRE_EQ(w, info(w).tcpi_delivery_rate_app_limited, 1);
	WIRE_EQ(w, info(w).tcpi_delivered, 1);
	wire_end(w);
}

/* Our own SYN is the first sample: one in a round trip. */
WIRE_TEST(our_syn_gives_one)
{
	wire_start(w);
	wire_connected(w, "<mss 1460>", 65535);
	WIRE_EQ(w, info(w).tcpi_delivered, 1);
	expect(w, 1, 10000, true);
	wire_end(w);
}

/* All of a flight in a round trip; it was all that the user had. */
WIRE_TEST(a_flight_in_a_round_trip)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_segs(w, 8);
	ack(w, 10000, 8);
	WIRE_EQ(w, info(w).tcpi_delivered, 9);
	expect(w, 8, 10000, true);
	wire_end(w);
}

/* The window ended the first flight: what left behind it shows what the path can do. */
WIRE_TEST(limited_by_the_window)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_segs(w, 30);
	ack(w, 10000, 10);
	expect(w, 10, 10000, true);
	wire_skip(w);
	ack(w, 10000, 30);
	expect(w, 20, 10000, false);
	wire_end(w);
}

/* An unlimited sample stays until the next unlimited one, or a higher one. */
WIRE_TEST(an_unlimited_one_outweighs_lower_limited_ones)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_segs(w, 30);
	ack(w, 10000, 10);
	wire_skip(w);
	ack(w, 10000, 30);
	expect(w, 20, 10000, false);
	send_segs(w, 5);
	ack(w, 10000, 35);
	expect(w, 20, 10000, false);
	send_segs(w, 25);
	ack(w, 10000, 60);
	expect(w, 25, 10000, true);
	wire_end(w);
}

/* Time in which nothing was out is no part of an interval. */
WIRE_TEST(idle_time_does_not_count)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_segs(w, 4);
	ack(w, 10000, 4);
	wire_wait(w, SEC(30));
	send_segs(w, 8);
	ack(w, 10000, 12);
	expect(w, 8, 10000, true);
	wire_end(w);
}

/*
 *     sent    1 2 3 4 5 (1 ms apart)          6
 *     acked                           1 (19)  2..5 (19.1)    6 (29)
 *
 * Between 6 and its acknowledgment lie 10 ms, but what was acknowledged in them took 19 to send.
 */
WIRE_TEST(bunched_acknowledgments_do_not_raise_it)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 5; i++) {
		send_segs(w, 1);
		wire_wait(w, MS(1));
	}
	ack(w, 14000, 1);
	expect(w, 1, 19000, true);
	send_segs(w, 1);
	ack(w, 100, 5);
	expect(w, 5, 19100, true);
	ack(w, 9900, 6);
	expect(w, 5, 19000, true);
	wire_end(w);
}

/* A segment counts when it is SACKed, and not once more when it is acknowledged. */
WIRE_TEST(sacked_ones_count_once)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	send_segs(w, 4);
	wire_in(w, "+10ms . 1:1(0) ack 1461 <nop,nop,sack 2921:4381>");
	WIRE_EQ(w, info(w).tcpi_delivered, 3);
	expect(w, 2, 10000, true);
	ack(w, 1000, 4);
	WIRE_EQ(w, info(w).tcpi_delivered, 5);
	expect(w, 4, 11000, true);
	wire_end(w);
}

/* ECE on an acknowledgment counts all that it covers. */
WIRE_TEST(delivered_with_a_mark)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "SEW 0:0(0) win 65535 <mss 1460,nop,nop,sackOK>");
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	send_segs(w, 4);
	ack(w, 10000, 1);
	WIRE_EQ(w, info(w).tcpi_delivered_ce, 0);
	wire_in(w, "+1ms E. 1:1(0) ack 4381");
	WIRE_EQ(w, info(w).tcpi_delivered, 4);
	WIRE_EQ(w, info(w).tcpi_delivered_ce, 2);
	wire_skip(w);
	wire_end(w);
}

/* ---- unhappy */

/* Without SACK a duplicate tells of a segment; what is then acknowledged was told of already. */
WIRE_TEST(duplicates_count_once)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_segs(w, 6);
	ack(w, 10000, 0);
	for (unsigned int i = 0; i < 2; i++)
		ack(w, 100, 0);
	WIRE_EQ(w, info(w).tcpi_delivered, 4);
	WIRE_EQ(w, wire_skip(w), 1);
	ack(w, 10000, 6);
	WIRE_EQ(w, info(w).tcpi_delivered, 7);
	wire_end(w);
}

/* A repair's interval begins when it was sent; the user had no part in its being alone. */
WIRE_TEST(a_repair_gives_a_sample)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	send_segs(w, 5);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:7301>");
	expect(w, 4, 10000, true);
	wire_out(w, ". 1:1461(1460) ack 1");
	ack(w, 10000, 5);
	WIRE_EQ(w, info(w).tcpi_delivered, 6);
	expect(w, 1, 10000, false);
	wire_end(w);
}

/*
 * After a time-out that was none the originals' acknowledgments come just behind what was sent
 * again: one in 1 ms would be ten times what the path does.
 */
WIRE_TEST(too_short_to_be_a_round_trip)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_segs(w, 3);
	ack(w, 10000, 1);
	expect(w, 1, 10000, true);
	rto = wire_rto(w);
	wire_out(w, "+%uus . 1461:2921(1460) ack 1", rto);
	ack(w, 1000, 2);
	expect(w, 1, 10000 + rto, false); /* since the first of the flight left */
	wire_out(w, "P. 2921:4381(1460) ack 1");
	ack(w, 1000, 3);
	WIRE_EQ(w, info(w).tcpi_delivered, 4);
	expect(w, 1, 10000 + rto, false);
	wire_end(w);
}

/* ---- hostile */

/* The same block again and again, and blocks of what was never sent, are no news. */
WIRE_TEST(repeated_and_invented_blocks_count_nothing)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	send_segs(w, 3);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
	for (unsigned int i = 0; i < 10; i++) {
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 4381:14601>");
	}
	wire_in(w, ". 1:1(0) ack 999999");
	WIRE_EQ(w, info(w).tcpi_delivered, 2);
	expect(w, 1, 10000, true);
	wire_skip(w);
	wire_end(w);
}

/* Who takes back what he had SACKed has it counted twice: until that is over there is no sample. */
WIRE_TEST(reneging_gives_no_sample)
{
	struct tcp_info i;

	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	send_segs(w, 4);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 2921:5841>");
	expect(w, 2, 10000, true);
	wire_wait(w, MS(50));
	wire_skip(w);
	/* Everything before them is acknowledged, and they are not. */
	wire_in(w, ". 1:1(0) ack 2921");
	wire_skip(w);
	while (wire_stats(w).sack_reneged == 0)
		wire_wait(w, MS(1));
	WIRE_EQ(w, wire_skip(w), 1);
	WIRE_EQ(w, info(w).tcpi_delivered, 5);
	i = info(w);
	ack(w, 10000, 4);
	WIRE_EQ(w, info(w).tcpi_delivered, 7);
	WIRE_EQ(w, info(w).tcpi_delivery_rate, i.tcpi_delivery_rate);
	send_segs(w, 3);
	ack(w, 10000, 7);
	expect(w, 3, 10000, true);
	wire_end(w);
}

/* Blocks of single bytes deliver no segment, and make no rate. */
WIRE_TEST(blocks_of_one_byte)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	send_segs(w, 2);
	for (unsigned int i = 1500; i < 1600; i += 2) {
		wire_in(w, "+1ms . 1:1(0) ack 1 <nop,nop,sack %u:%u>", i, i + 1);
		wire_skip(w);
	}
	WIRE_EQ(w, info(w).tcpi_delivered, 1);
	WIRE_EQ(w, info(w).tcpi_delivery_rate, 0);
	ack(w, 1000, 2);
	wire_end(w);
}
