/* SPDX-License-Identifier: BSD-3-Clause */
/* Selective acknowledgment: what we report (RFC 2018 §4, RFC 2883 §4), and what the peer's reports
 * make us send again (RFC 2018 §5 and §8, RFC 6675). */
#include "wire.h"

static const char sack_ok[] = "<mss 1460,nop,nop,sackOK>";

/* Sends n full segments and sees them leave. */
static void
flight(struct wire *w, unsigned int n)
{
	wire_send(w, n * WIRE_MSS, n * WIRE_MSS);
	for (unsigned int i = 0; i < n; i++)
		wire_out(w, ". %u:%u(1460) ack 1", 1 + i * WIRE_MSS, 1 + (i + 1) * WIRE_MSS);
	wire_idle(w);
}

/* ---- Negotiation ------------------------------------------------------------------------------
 */

WIRE_TEST(offered_and_accepted)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK>");
	wire_out(w, "S. 0:0(0) ack 1 {mss 1460,sackOK}");
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	WIRE_EQ(w, wire_listing(w).sack, true);
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>");
	wire_out(w, "S. 0:0(0) ack 1 {mss 1460,sackOK,TS val * ecr 1,wscale *}");
	wire_flow(w, 2);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_end(w);
}

/* Neither side says anything of it if one of them does not want it. */
WIRE_TEST(not_negotiated)
{
	wire_start(w, .no_sack = true);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	/* Blocks mean nothing: the ACK is a duplicate and no more. */
	flight(w, 5);
	wire_in(w, ". 2921:2921(0) ack 1 <nop,nop,sack 1461:5841>");
	wire_idle(w);
	wire_count(w, sack_blocks_ignored, 0);
	wire_end(w);
}

/* ---- What we report ---------------------------------------------------------------------------
 */

/* RFC 2018 §4: first the block that holds the latest segment, then the others by their news. */
WIRE_TEST(latest_first)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:2921}");
	wire_in(w, ". 4381:5841(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 4381:5841 1461:2921}");
	wire_in(w, ". 7301:8761(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 7301:8761 4381:5841 1461:2921}");
	wire_in(w, ". 10221:11681(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 10221:11681 7301:8761 4381:5841 1461:2921}");
	/* Four fill the header. */
	wire_in(w, ". 13141:14601(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 13141:14601 10221:11681 7301:8761 4381:5841}");
	/* What joins two is news of the whole. */
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:5841 13141:14601 10221:11681 7301:8761}");
	/* What grows a block at its end, or at its front. */
	wire_in(w, ". 8761:9000(239) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 7301:9000 1461:5841 13141:14601 10221:11681}");
	wire_in(w, ". 13000:13141(141) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 13000:14601 7301:9000 1461:5841 10221:11681}");
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 5841 {sack 13000:14601 7301:9000 10221:11681}");
	wire_in(w, ". 5841:7301(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 9000 {sack 13000:14601 10221:11681}");
	wire_in(w, ". 9000:10221(1221) ack 1");
	wire_out(w, ". 1:1(0) ack 11681 {sack 13000:14601}");
	wire_in(w, ". 11681:13000(1319) ack 1");
	wire_out(w, ". 1:1(0) ack 14601");
	wire_recv(w, 20000, 14600);
	wire_end(w);
}

/* A FIN has a number of the sequence space: a peer who is not told of it sends the last segment
 * again. */
WIRE_TEST(fin_belongs_to_its_block)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:2921}");
	wire_in(w, "F. 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:4382}");
	/* The same where it comes with nothing. */
	wire_in(w, "F. 4381:4381(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:4382}");
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 4382");
	wire_recv(w, 20000, 4380);
	wire_end(w);
}

/* Beside timestamps there is room for three. */
WIRE_TEST(three_with_timestamps)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,TS val 100 ecr 0>", 65535);
	wire_in(w, ". 1449:2897(1448) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {TS val * ecr *,sack 1449:2897}");
	wire_in(w, ". 4345:5793(1448) ack 1");
	wire_skip(w);
	wire_in(w, ". 7241:8689(1448) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {TS val * ecr *,sack 7241:8689 4345:5793 1449:2897}");
	wire_in(w, ". 10137:11585(1448) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {TS val * ecr *,sack 10137:11585 7241:8689 4345:5793}");
	wire_end(w);
}

/* RFC 2883 §4.1: a duplicate of what was acknowledged; told of once. */
WIRE_TEST(dsack_below_the_acknowledgment)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_acked(w, 1461);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1461 {sack 1:1461}");
	wire_count(w, dsacks_out, 1);
	/* Beside the blocks that there are. */
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1461 {sack 2921:4381}");
	wire_in(w, ". 101:201(100) ack 1");
	wire_out(w, ". 1:1(0) ack 1461 {sack 101:201 2921:4381}");
	/* Only the part that was there before. */
	wire_in(w, ". 1401:1501(100) ack 1");
	wire_out(w, ". 1:1(0) ack 1501 {sack 1401:1461 2921:4381}");
	wire_count(w, dsacks_out, 3);
	wire_end(w);
}

/* RFC 2883 §4.2: a duplicate inside a block is followed by that block. */
WIRE_TEST(dsack_inside_a_block)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:2921}");
	wire_in(w, ". 4381:5841(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 4381:5841 1461:2921}");
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:2921 1461:2921 4381:5841}");
	wire_in(w, ". 5000:5100(100) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 5000:5100 4381:5841 1461:2921}");
	wire_in(w, ". 2500:3000(500) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 2500:2921 1461:3000 4381:5841}");
	wire_in(w, ". 7301:8761(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 7301:8761 1461:3000 4381:5841}");
	wire_end(w);
}

static void
without_dsack(struct tcp_config *config)
{
	config->dsack = false;
}

/* Switched off, what arrives twice is acknowledged and no more; blocks are told of as ever. */
WIRE_TEST(dsack_off)
{
	wire_start(w, .configure = without_dsack);
	wire_accepted(w, sack_ok, 65535);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_acked(w, 1461);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1461");
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1461 {sack 2921:4381}");
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1461 {sack 2921:4381}");
	wire_count(w, dsacks_out, 0);
	/* The peer's are heard all the same. */
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1461 {sack 2921:4381}");
	wire_in(w, ". 4381:4381(0) ack 101 <nop,nop,sack 1:101>");
	wire_count(w, dsacks_in, 1);
	wire_end(w);
}

/* Blocks take their part of a data segment: what does not fit the MTU the harness refuses. */
WIRE_TEST(payload_shrinks)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 2921:4381}");
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1449(1448) ack 1 {sack 2921:4381}");
	wire_out(w, ". 1449:2897(1448) ack 1 {sack 2921:4381}");
	wire_out(w, "P. 2897:3001(104) ack 1 {sack 2921:4381}");
	wire_in(w, ". 5841:7301(1460) ack 3001");
	wire_skip(w);
	wire_send(w, 1460, 1460);
	wire_out(w, ". 3001:4441(1440) ack 1 {sack 5841:7301 2921:4381}");
	wire_skip(w);
	wire_end(w);
}

/* A retransmission shrinks too, though its record was made without blocks. */
WIRE_TEST(retransmission_shrinks)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 4);
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 5841:5841(0) ack 1 {sack 2921:4381}");
	wire_in(w, "+10ms . 4381:4381(0) ack 1 <nop,nop,sack 1461:5841>");
	wire_out(w, ". 1:1449(1448) ack 1 {sack 2921:4381}");
	wire_out(w, ". 1449:1461(12) ack 1 {sack 2921:4381}");
	wire_end(w);
}

/* ---- What the peer reports --------------------------------------------------------------------
 */

/* Holes are sent again, and nothing else. */
WIRE_TEST(holes_are_repaired)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 10);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 7301:14601 4381:5841 1461:2921>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 5841:7301(1460) ack 1");
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 2921 <nop,nop,sack 7301:14601 4381:5841>");
	wire_in(w, ". 1:1(0) ack 5841 <nop,nop,sack 7301:14601>");
	wire_in(w, ". 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 3);
	wire_count(w, fast_retransmits, 3);
	wire_count(w, recoveries, 1);
	wire_count(w, rto, 0);
	wire_used(w, sent_records, 0);
	wire_end(w);
}

/* A block's edge inside a segment: it is there in part only, and sent again whole. */
WIRE_TEST(edge_within_a_segment)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 5);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 2000:7301>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 7301");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* Blocks for what was never sent, empty, the wrong way round, or from long ago. */
WIRE_TEST(bad_blocks)
{
	static const char *const bad[] = {"14601:16061",     "2921:20001",
					  "1461:1461",       "5841:1461",
					  "-200000:-190000", "1000000000:1000001000"};
	enum { BAD = sizeof(bad) / sizeof(bad[0]) };

	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 10);
	for (unsigned int i = 0; i < BAD; i++)
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack %s>", bad[i]);
	wire_idle_for(w, MS(15));
	wire_count(w, sack_blocks_ignored, BAD);
	wire_count(w, recoveries, 0);
	wire_count(w, dsacks_in, 0);
	/* A good one beside them counts. */
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:7301 14601:16061>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_count(w, sack_blocks_ignored, BAD + 1);
	wire_end(w);
}

/* RFC 2018 §8: at the time-out what was SACKed and is the first missing byte has been thrown away.
 */
WIRE_TEST(reneging)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 4);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:5841>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	wire_out(w, "<=1s . 1461:2921(1460) ack 1");
	wire_count(w, sack_reneged, 1);
	wire_count(w, rto, 1);
	wire_in(w, "+10ms . 1:1(0) ack 2921");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 4381:5841(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 5841");
	wire_idle_for(w, SEC(5));
	wire_used(w, sent_records, 0);
	wire_end(w);
}

/* Blocks that jump about, overlap and come again: each segment counts once, and nothing is lost but
 * what is missing. */
WIRE_TEST(hostile_blocks)
{
	struct tcp_info info;
	size_t len = sizeof(info);

	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 10);
	for (unsigned int i = 0; i < 200; i++) {
		unsigned int a = 1 + i * 7 % 9, b = 1 + i * 5 % 9, until = a > b ? a : b;

		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack %u:%u %u:%u %u:14601>", 1 + a * WIRE_MSS,
			1 + (a + 1) * WIRE_MSS, 1 + b * WIRE_MSS, 1 + (b + 1) * WIRE_MSS,
			1 + until * WIRE_MSS);
	}
	wire_skip(w);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	WIRE_EQ(w, info.tcpi_sacked, 9);
	WIRE_EQ(w, info.tcpi_unacked, 10);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_used(w, sent_records, 0);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}
