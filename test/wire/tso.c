/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segmentation by the device: tso.c. The harness checks each packet that is to be cut against what
 * DPDK and the path ask for, and cuts it; here: when there is one, how much it carries, and what
 * becomes of its segments. That it changes no exchange, every other program shows, run with -t.
 */
#include "wire.h"

enum { TSO = TCP_PATH_TX_TSO | TCP_PATH_TX_TCP_CKSUM };

/* Pieces as large as half of the congestion window, which is twenty segments. */
static void
large_pieces(struct tcp_config *config)
{
	config->min_tso_segs = 64;
	config->initial_cwnd = 20;
}

/* `n` full segments from relative sequence number `seq` on; `last` has PSH. */
static void
expect_full(struct wire *w, unsigned int seq, unsigned int n, bool last)
{
	for (unsigned int i = 0; i < n; i++, seq += WIRE_MSS)
		wire_out(w, "%s %u:%u(%u) ack 1", last && i == n - 1 ? "P." : ".", seq,
			 seq + WIRE_MSS, WIRE_MSS);
}

WIRE_TEST(ten_segments_are_one_packet)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_full(w, 1, 10, true);
	WIRE_EQ(w, w->supers, 1);
	WIRE_EQ(w, w->super_segs, 10);
	wire_count(w, tso_packets, 1);
	wire_used(w, sent_records, 10);
	wire_in(w, ". 1:1(0) ack 14601");
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

/* The device also fills in the IPv4 header's checksum. */
WIRE_TEST(with_ip_checksum)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO | TCP_PATH_TX_IP4_CKSUM,
		   .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460,sackOK,TS val 7 ecr 0>", 65535);
	wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
	wire_out(w, ". 1:1449(1448) ack 1");
	wire_out(w, ". 1449:2897(1448) ack 1");
	wire_out(w, "P. 2897:2921(24) ack 1");
	WIRE_EQ(w, w->supers, 1);
	WIRE_EQ(w, w->super_segs, 3);
	wire_end(w);
}

/* What leaves as one packet is counted as what it becomes. */
WIRE_TEST(segments_are_counted)
{
	struct tcp_stats before;

	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 65535);
	before = wire_stats(w);
	wire_send(w, 5 * WIRE_MSS, 5 * WIRE_MSS);
	expect_full(w, 1, 5, true);
	WIRE_EQ(w, wire_stats(w).segs_out - before.segs_out, 5);
	WIRE_EQ(w, wire_stats(w).bytes_out, 5 * WIRE_MSS);
	wire_end(w);
}

/* A single one is none to cut. */
WIRE_TEST(one_segment_is_ordinary)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	expect_full(w, 1, 1, true);
	WIRE_EQ(w, w->supers, 0);
	wire_in(w, ". 1:1(0) ack 1461");
	wire_send(w, 100, 100);
	wire_out(w, "P. 1461:1561(100) ack 1");
	WIRE_EQ(w, w->supers, 0);
	wire_end(w);
}

/* PSH and FIN are the last segment's alone. */
WIRE_TEST(fin_is_on_the_last)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 2 * WIRE_MSS);
	wire_send(w, 6 * WIRE_MSS + 700, 6 * WIRE_MSS + 700);
	expect_full(w, 1, 2, false);
	wire_close(w);
	wire_in(w, ". 1:1(0) ack 2921 win 65535");
	expect_full(w, 2921, 4, false);
	wire_out(w, "FP. 8761:9461(700) ack 1");
	WIRE_EQ(w, w->supers, 2);
	WIRE_EQ(w, w->super_segs, 7);
	wire_in(w, ". 1:1(0) ack 9462");
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

/* Nagle holds a short one back as ever: nothing short may be out. */
WIRE_TEST(nagle_holds_the_last)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_send(w, 2 * WIRE_MSS + 10, 2 * WIRE_MSS + 10);
	wire_out(w, ". 101:1561(1460) ack 1");
	wire_out(w, ". 1561:3021(1460) ack 1");
	WIRE_EQ(w, w->super_segs, 2);
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 3021");
	wire_out(w, "P. 3021:3031(10) ack 1");
	wire_end(w);
}

WIRE_TEST(more_holds_the_last)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send_more(w, 3 * WIRE_MSS + 10, 3 * WIRE_MSS + 10);
	expect_full(w, 1, 3, false);
	wire_idle(w);
	wire_send(w, 10, 10);
	wire_out(w, "P. 4381:4401(20) ack 1");
	wire_end(w);
}

WIRE_TEST(congestion_window_bounds_it)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 80);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 40 * WIRE_MSS, 40 * WIRE_MSS);
	expect_full(w, 1, 20, false);
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 4381"); /* three have left, and slow start adds three */
	expect_full(w, 29201, 6, false);
	WIRE_EQ(w, w->supers, 3);
	wire_end(w);
}

/* ... and so does the peer's, with a short segment where it ends. */
WIRE_TEST(peers_window_bounds_it)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 3 * WIRE_MSS + 100);
	wire_send(w, 8 * WIRE_MSS, 8 * WIRE_MSS);
	expect_full(w, 1, 3, false);
	wire_idle(w);
	WIRE_EQ(w, w->super_segs, 3);
	wire_end(w);
}

/* The device's bounds: so many bytes, headers and all ... */
WIRE_TEST(bytes_bound_it)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO,
		   .tso = {.max_bytes = 4 * WIRE_MSS + 120, .max_mbufs = 40});
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_full(w, 1, 10, true);
	WIRE_EQ(w, w->supers, 3);
	wire_end(w);
}

/* ... so many segments ... */
WIRE_TEST(segments_bound_it)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO,
		   .tso = {.max_segs = 3, .max_mbufs = 40});
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_full(w, 1, 10, true);
	WIRE_EQ(w, w->supers, 3);
	WIRE_EQ(w, w->super_segs, 9);
	wire_end(w);
}

/* ... so many mbufs. */
WIRE_TEST(mbufs_bound_it)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 4);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_full(w, 1, 10, true);
	WIRE_IN(w, w->supers, 3, 5);
	wire_end(w);
}

/* A path without a word on mbufs: as many as an ordinary packet has. */
WIRE_TEST(no_bounds_told)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_full(w, 1, 10, true);
	WIRE_IN(w, w->supers, 1, 4);
	wire_end(w);
}

/* No packet is longer than IP can say, however wide the windows are. */
WIRE_TEST(ip_bounds_it)
{
	unsigned int sent = 0;
	struct note note;

	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 255);
	wire_accepted(w, "<mss 1460,wscale 7>", 65535);
	for (unsigned int i = 0; i < 12; i++) {
		wire_send_all(w);
		while (wire_next(w, &note))
			sent = note.seq.value + note.bytes.value;
		wire_in(w, "+10ms . 1:1(0) ack %u win 65535", sent);
	}
	WIRE_IN(w, sent, 100 * WIRE_MSS, 100000 * WIRE_MSS);
	WIRE_IN(w, w->super_segs / w->supers, 20, 44);
	wire_skip(w);
	wire_end(w);
}

/* One of a packet's segments is lost: that one alone is sent again, and it is no packet to cut. */
WIRE_TEST(a_lost_segment_is_repaired_alone)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_full(w, 1, 10, true);
	WIRE_EQ(w, w->supers, 1);
	wire_in(w, "+10ms . 1:1(0) ack 4381 <nop,nop,sack 5841:8761>");
	wire_in(w, ". 1:1(0) ack 4381 <nop,nop,sack 5841:10221>");
	wire_out(w, ". 4381:5841(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	WIRE_EQ(w, w->supers, 1);
	WIRE_EQ(w, wire_listing(w).retransmits, 1);
	wire_end(w);
}

/* After a time-out, one segment. */
WIRE_TEST(timeout_sends_one)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40,
		   .no_sack = true);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_full(w, 1, 10, true);
	wire_out(w, "+%uus . 1:1461(1460) ack 1", wire_rto(w));
	wire_idle(w);
	WIRE_EQ(w, w->supers, 1);
	wire_end(w);
}

/* The path goes by another device from now on, which cuts nothing. */
WIRE_TEST(path_without_it)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
	expect_full(w, 1, 2, true);
	WIRE_EQ(w, w->supers, 1);
	w->tso = false;
	w->options.path_flags = 0;
	wire_path(w, 0, w->mtu);
	wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
	expect_full(w, 2921, 2, true);
	WIRE_EQ(w, w->supers, 1);
	wire_end(w);
}

/* So few bytes that they are copied behind the headers. */
WIRE_TEST(small_pieces_are_copied)
{
	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 100>", 65535);
	wire_send(w, 300, 300);
	for (unsigned int i = 0; i < 3; i++)
		wire_out(w, "%s %u:%u(100) ack 1", i == 2 ? "P." : ".", 1 + i * 100, 101 + i * 100);
	WIRE_EQ(w, w->supers, 1);
	wire_end(w);
}

/* No mbuf to refer to the bytes: nothing has left, nothing is counted, all is sent when there is.
 */
WIRE_TEST(without_mbufs_nothing_is_sent)
{
	static struct rte_mbuf *taken[WIRE_POOL];
	unsigned int n = 0;

	wire_start(w, .configure = large_pieces, .path_flags = TSO, .tso.max_mbufs = 40);
	wire_accepted(w, "<mss 1460>", 65535);
	while (n < WIRE_POOL && (taken[n] = rte_pktmbuf_alloc(wire_pool_ref())) != NULL)
		n++;
	wire_send(w, 5 * WIRE_MSS, 5 * WIRE_MSS);
	wire_idle(w);
	wire_used(w, sent_records, 0);
	WIRE_IN(w, wire_stats(w).tx_no_mbuf, 1, 100);
	rte_pktmbuf_free_bulk(taken, n);
	for (unsigned int i = 0; i < 5; i++)
		wire_out(w, "<=1s %s %u:%u(1460) ack 1", i == 4 ? "P." : ".", 1 + i * WIRE_MSS,
			 1 + (i + 1) * WIRE_MSS);
	WIRE_EQ(w, w->supers, 1);
	wire_end(w);
}

/* ---- Pieces, whoever cuts them */

/* The next packets; which of the first 32 have PSH. */
static uint32_t
pushes(struct wire *w)
{
	uint32_t bits = 0;
	struct note note;

	for (unsigned int i = 0; wire_next(w, &note); i++)
		if ((note.flags & TCP_PSH) != 0)
			bits |= 1u << i;
	return bits;
}

/* 20 segments each 10 ms are two in a millisecond. */
WIRE_TEST(slow_paths_get_small_pieces)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 30 * WIRE_MSS, 30 * WIRE_MSS);
	WIRE_EQ(w, pushes(w), 0x2aa);
	wire_in(w, "+10ms . 1:1(0) ack 4381");
	WIRE_EQ(w, pushes(w), 0x2a);
	wire_end(w);
}

static void
fast_path(struct wire *w)
{
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,sackOK,nop,nop>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, "+100us . 1:1(0) ack 1 win 65535");
	wire_accept(w);
}

/* ... fast ones as large ones as half of the congestion window. */
WIRE_TEST(fast_paths_get_large_pieces)
{
	wire_start(w);
	fast_path(w);
	wire_send(w, 30 * WIRE_MSS, 30 * WIRE_MSS);
	WIRE_EQ(w, pushes(w), 0x210);
	wire_end(w);
}

/* A short end belongs to the piece before it, if there is room. */
WIRE_TEST(short_ends_go_along)
{
	wire_start(w);
	fast_path(w);
	wire_send(w, 3 * WIRE_MSS + 10, 3 * WIRE_MSS + 10);
	WIRE_EQ(w, pushes(w), 0x8);
	wire_in(w, ". 1:1(0) ack 4391");
	wire_send(w, WIRE_MSS + 10, WIRE_MSS + 10);
	WIRE_EQ(w, pushes(w), 0x2);
	wire_end(w);
}

/* Sent again, only those that left together and leave so again are a piece: push.c has more. */
WIRE_TEST(sent_again)
{
	wire_start(w);
	fast_path(w);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, pushes(w), 0x210);
	/* The fourth to sixth are lost: two of the first piece, one of the second. */
	wire_in(w, "+1ms . 1:1(0) ack 4381 <nop,nop,sack 8761:14601>");
	WIRE_EQ(w, pushes(w), 0x2);
	wire_in(w, "+1ms . 1:1(0) ack 13141");
	wire_out(w, "<=1s P. 13141:14601(1460) ack 1");
	wire_end(w);
}

/* No round trip, however short or long, divides by nothing or sends nothing. */
WIRE_TEST(any_rate_will_do)
{
	static const unsigned int waits_us[] = {1, 511, 512, 1000000, 90000000};
	unsigned int next = 1;
	struct note note;

	wire_start(w);
	fast_path(w);
	for (unsigned int i = 0; i < 5; i++) {
		wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
		for (unsigned int n = 0; n < 4; n++)
			if (wire_next(w, &note))
				next = note.seq.value + note.bytes.value;
		WIRE_EQ(w, next, 1 + (i + 1) * 4 * WIRE_MSS);
		for (unsigned int t = 0; t < waits_us[i]; t += 100000) {
			wire_wait(w, RTE_MIN(100000u, waits_us[i] - t));
			wire_skip(w);
		}
		wire_in(w, ". 1:1(0) ack %u", next);
	}
	wire_end(w);
}
