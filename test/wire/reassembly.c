/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments out of order, overlapping, repeated: RFC 9293 §3.10.7.4, seventh step; RFC 5681 §4.2. */
#include "wire.h"

/* RFC 5681 §4.2: a hole is answered at once, and so is what fills it. */
WIRE_TEST(hole_and_filler)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_poll(w, POLLOUT);
	wire_recv(w, 10, -EAGAIN);
	wire_used(w, ranges, 1);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 4381");
	wire_used(w, ranges, 0);
	wire_recv(w, 10000, 4380);
	wire_count(w, ooo_segs, 2);
	wire_end(w);
}

/* Filling half of a hole is answered at once too. */
WIRE_TEST(partial_filler)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1461");
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 4381");
	wire_recv(w, 10000, 4380);
	wire_end(w);
}

WIRE_TEST(duplicate_is_acked_at_once)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_acked(w, 1461);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1461");
	wire_count(w, drop_duplicate, 1);
	wire_in(w, ". 101:1001(900) ack 1");
	wire_out(w, ". 1:1(0) ack 1461");
	wire_recv(w, 10000, 1460);
	wire_recv(w, 10000, -EAGAIN);
	wire_end(w);
}

WIRE_TEST(overlap_with_what_was_received)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 1:1001(1000) ack 1");
	wire_in(w, ". 501:1501(1000) ack 1");
	wire_acked(w, 1501);
	wire_recv(w, 10000, 1500);
	wire_in(w, ". 1:1511(1510) ack 1");
	wire_acked(w, 1511);
	wire_recv(w, 10000, 10);
	wire_end(w);
}

WIRE_TEST(overlaps_beyond_a_hole)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 2001:3001(1000) ack 1");
	wire_in(w, ". 2501:3501(1000) ack 1"); /* its end */
	wire_in(w, ". 1501:2201(700) ack 1");  /* its front */
	wire_in(w, ". 2101:2401(300) ack 1");  /* inside */
	wire_in(w, ". 4001:4101(100) ack 1");  /* apart */
	wire_in(w, ". 4301:4401(100) ack 1");
	wire_in(w, ". 3401:4601(1200) ack 1"); /* around two */
	wire_in(w, ". 2001:3001(1000) ack 1"); /* again */
	WIRE_EQ(w, wire_skip(w), 8);
	wire_in(w, ". 1:1601(1600) ack 1");
	wire_out(w, ". 1:1(0) ack 4601");
	wire_recv(w, 10000, 4600);
	wire_used(w, ranges, 0);
	wire_end(w);
}

WIRE_TEST(fin_before_its_data)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "F. 1001:1001(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_state(w, TCP_ESTABLISHED);
	wire_in(w, ". 1:1001(1000) ack 1");
	wire_acked(w, 1002);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 10000, 1000);
	wire_recv(w, 10000, 0);
	wire_end(w);
}

WIRE_TEST(fin_with_data_before_a_hole_is_filled)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "FP. 501:1001(500) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "P. 1:601(600) ack 1");
	wire_acked(w, 1002);
	wire_recv(w, 10000, 1000);
	wire_recv(w, 10000, 0);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_end(w);
}

/* Data behind the end of the stream is no data. */
WIRE_TEST(data_behind_the_fin)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "F. 501:501(0) ack 1");
	wire_in(w, "P. 502:602(100) ack 1");
	wire_skip(w);
	wire_in(w, "P. 1:501(500) ack 1");
	wire_skip(w);
	wire_wait(w, MS(40));
	wire_skip(w);
	wire_recv(w, 10000, 500);
	wire_recv(w, 10000, 0);
	wire_end(w);
}

/* Pieces of all sizes in any order, overlapping, some many times; the bytes are verified. */
WIRE_TEST(shuffled)
{
	enum { TOTAL = 30000 };
	uint32_t x = 12345;
	unsigned int got = 0;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 600; i++) {
		unsigned int from, len;

		x = x * 1103515245 + 12345;
		from = (x >> 8) % TOTAL;
		x = x * 1103515245 + 12345;
		len = 1 + (x >> 8) % 1460;
		if (from + len > TOTAL)
			len = TOTAL - from;
		wire_in(w, ". %u:%u(%u) ack 1", 1 + from, 1 + from + len, len);
		wire_skip(w);
	}
	for (unsigned int from = 0; from < TOTAL; from += 1000)
		wire_in(w, ". %u:%u(1000) ack 1", 1 + from, 1001 + from);
	wire_skip(w);
	wire_in(w, ". 1:2(1) ack 1");
	wire_out(w, ". 1:1(0) ack %u", TOTAL + 1);
	while (got < TOTAL) {
		wire_recv(w, 750, 750);
		got += 750;
	}
	wire_skip(w);
	wire_used(w, ranges, 0);
	wire_used(w, held_bufs, 0);
	wire_end(w);
}

/* Crumbs with holes between them: what is held stays within the receive buffer's memory. */
WIRE_TEST(crumbs)
{
	struct tcp_usage usage;

	wire_start(w, .rcvbuf_bytes = 65536);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 5000; i++) {
		wire_in(w, ". %u:%u(1) ack 1", 3 + 2 * i, 4 + 2 * i);
		wire_skip(w);
	}
	tcp_usage(w->engine, &usage);
	WIRE_IN(w, usage.held_bufs, 0, 200);
	/* The peer may still send what is missing. */
	for (unsigned int i = 0; i < 10; i++) {
		wire_in(w, ". %u:%u(1000) ack 1", 1 + 1000 * i, 1001 + 1000 * i);
		wire_skip(w);
	}
	wire_recv(w, 10000, 10000);
	wire_skip(w);
	wire_wait(w, MS(100));
	wire_skip(w);
	wire_end(w);
}

/* A FIN without data that came early is one number, however many there are: the first holds. */
WIRE_TEST(early_fins_take_no_memory)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 3000; i++) {
		wire_in(w, "F. %u:%u(0) ack 1", 6001 - i, 6001 - i);
		wire_skip(w);
	}
	wire_used(w, ranges, 0);
	wire_used(w, held_bufs, 0);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_in(w, ". 2921:4381(1460) ack 1");
	wire_in(w, ". 4381:5841(1460) ack 1");
	wire_skip(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_in(w, ". 5841:6001(160) ack 1");
	wire_state(w, TCP_CLOSE_WAIT);
	wire_out(w, "<=40ms . 1:1(0) ack 6002");
	wire_recv(w, 10000, 6000);
	wire_recv(w, 10000, 0);
	wire_end(w);
}

/* RFC 5681 §4.2 and §2 (e): a peer without SACK counts on a duplicate ACK, with the same window,
 * for each segment out of order, also if they came in one burst; three are enough. */
WIRE_TEST(duplicate_acks_for_a_burst)
{
	unsigned int dupacks = 0, win = 0;
	struct note note;

	wire_start(w, .rcvbuf_bytes = 1 << 20);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 512);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_wait(w, MS(40));
	while (wire_next(w, &note))
		win = note.win.value;
	wire_recv(w, 10000, 1460); /* so that the window might grow */
	wire_skip(w);
	wire_hold(w);
	for (unsigned int i = 2; i < 11; i++)
		wire_in(w, ". %u:%u(1460) ack 1", 1 + i * WIRE_MSS, 1 + (i + 1) * WIRE_MSS);
	wire_release(w);
	for (; wire_next(w, &note); dupacks++) {
		WIRE_EQ(w, note.ack.value, 1461);
		WIRE_EQ(w, note.win.value, win);
		WIRE_EQ(w, note.bytes.value, 0);
	}
	WIRE_IN(w, dupacks, 3, 9);
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack %u", 1 + 11 * WIRE_MSS);
	wire_end(w);
}

/* The FIN comes with bytes that reach a range reaching beyond it: the stream ends there. */
WIRE_TEST(fin_before_what_was_put_aside)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 11:21(10) ack 1");
	wire_in(w, ". 41:51(10) ack 1");
	wire_skip(w);
	wire_in(w, "F. 1:11(10) ack 1");
	wire_acked(w, 12);
	wire_used(w, ranges, 0);
	wire_recv(w, 10000, 10);
	wire_used(w, held_bufs, 0);
	wire_recv(w, 10000, 0);
	wire_in(w, "F. 1:11(10) ack 1");
	wire_out(w, ". 1:1(0) ack 12");
	wire_end(w);
}
