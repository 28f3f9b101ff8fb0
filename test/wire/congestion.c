/* SPDX-License-Identifier: BSD-3-Clause */
/* NewReno's congestion window: RFC 5681, RFC 6928 (initial window), RFC 3465 (counting bytes). */
#include "wire.h"

static const char large[] = "<mss 1460,nop,wscale 7>"; /* with win 8192: 1 MiB */

/* Takes n segments that follow one another from `first` on. */
static void
burst(struct wire *w, unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		wire_out(w, ". %u:%u(1460) ack 1", first + i * WIRE_MSS,
			 first + (i + 1) * WIRE_MSS);
	wire_idle(w);
}

WIRE_TEST(initial_window_and_slow_start)
{
	unsigned int sent = 1;

	wire_start(w, .sndbuf_bytes = 1 << 20);
	wire_accepted(w, large, 8192);
	wire_send_all(w);
	burst(w, sent, 10);
	sent += 10 * WIRE_MSS;
	for (unsigned int i = 1; i <= 20; i++) {
		wire_in(w, "+1ms . 1:1(0) ack %u win 8192", 1 + i * WIRE_MSS);
		burst(w, sent, 2);
		sent += 2 * WIRE_MSS;
		WIRE_EQ(w, wire_listing(w).cwnd_segs, 10 + i);
	}
	wire_end(w);
}

/* After recovery the window grows by one segment a round trip. */
WIRE_TEST(congestion_avoidance)
{
	unsigned int acked = 14601, cwnd;
	struct note note;

	wire_start(w, .sndbuf_bytes = 1 << 20);
	wire_accepted(w, large, 8192);
	wire_send(w, 14600, 14600);
	burst(w, 1, 10);
	for (unsigned int i = 0; i < 3; i++)
		wire_in(w, ". 1:1(0) ack 1 win 8192");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 14601 win 8192");
	wire_send_all(w);
	wire_skip(w);
	/* Up to ssthresh by slow start, if the recovery ended below it. */
	for (unsigned int i = 0; i < 10 && wire_listing(w).cwnd_segs < 5; i++) {
		acked += WIRE_MSS;
		wire_in(w, "+1ms . 1:1(0) ack %u win 8192", acked);
		wire_skip(w);
	}
	for (unsigned int round = 0; round < 5; round++) {
		cwnd = wire_listing(w).cwnd_segs;
		for (unsigned int i = 0; i < cwnd; i++) {
			acked += WIRE_MSS;
			wire_in(w, "+1ms . 1:1(0) ack %u win 8192", acked);
			while (wire_next(w, &note))
				WIRE_IN(w, (note.seq.value + note.bytes.value - acked), 0,
					(cwnd + 1) * WIRE_MSS);
		}
		WIRE_IN(w, wire_listing(w).cwnd_segs, cwnd + (round != 0), cwnd + 1);
	}
	wire_end(w);
}

/* RFC 3465 §2: many ACKs for one segment open the window no further than one. */
WIRE_TEST(split_acks)
{
	wire_start(w, .sndbuf_bytes = 1 << 20);
	wire_accepted(w, large, 8192);
	wire_send_all(w);
	burst(w, 1, 10);
	for (unsigned int i = 1; i <= 100; i++) {
		wire_in(w, ". 1:1(0) ack %u win 8192", 1 + i * 10);
		wire_skip(w);
	}
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 11);
	wire_end(w);
}

/* The peer's window is a limit too. */
WIRE_TEST(peers_window_limits)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 5 * WIRE_MSS);
	wire_send_all(w);
	burst(w, 1, 5);
	wire_in(w, "+1ms . 1:1(0) ack 1461 win %u", 5 * WIRE_MSS);
	burst(w, 1 + 5 * WIRE_MSS, 1);
	wire_end(w);
}
