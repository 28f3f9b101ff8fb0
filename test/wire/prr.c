/* SPDX-License-Identifier: BSD-3-Clause */
/* Proportional rate reduction, RFC 6937: how much leaves while the window falls. */
#include "wire.h"

static const char sack_ok[] = "<mss 1460,nop,nop,sackOK>";

/* Ten segments are in flight, and ten more wait; the window falls from 10 to 5. */
static void
ten(struct wire *w)
{
	wire_accepted(w, sack_ok, 65535);
	wire_send(w, 25 * WIRE_MSS, 25 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
}

/* §3.1, above ssthresh: one for each two that were delivered, rounded up. */
WIRE_TEST(in_proportion)
{
	unsigned int sent = 0, edge = 2921;

	wire_start(w);
	ten(w);
	wire_wait(w, MS(10));
	/* RFC 3042: limited transmit, one for each of the first two. */
	for (; edge <= 4381; edge += WIRE_MSS) {
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:%u>", edge);
		WIRE_EQ(w, wire_skip(w), 1);
	}
	for (unsigned int delivered = 1; delivered <= 6; delivered++, edge += WIRE_MSS) {
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:%u>", edge);
		sent += wire_skip(w);
		WIRE_EQ(w, sent, (delivered + 1) / 2);
	}
	wire_count(w, fast_retransmits, 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	/* All that was out when it began is there: the window is what it should be. */
	wire_in(w, "+10ms . 1:1(0) ack %u", 1 + 12 * WIRE_MSS);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 5, 6);
	wire_skip(w);
	wire_count(w, rto, 0);
	wire_end(w);
}

/* §3.1's slow start reduction bound: most is lost, and what leaves grows with what arrives. */
WIRE_TEST(most_is_lost)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 10221:14601>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 1461 <nop,nop,sack 10221:14601>");
	wire_out(w, ". 4381:5841(1460) ack 1");
	wire_out(w, ". 5841:7301(1460) ack 1");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 2921 <nop,nop,sack 10221:14601>");
	wire_out(w, ". 7301:8761(1460) ack 1");
	wire_out(w, ". 8761:10221(1460) ack 1");
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	WIRE_IN(w, wire_listing(w).cwnd_segs, 5, 6);
	wire_idle_for(w, SEC(5));
	wire_count(w, rto, 0);
	wire_count(w, retransmits, 7);
	wire_end(w);
}

/* The first retransmission leaves whatever the proportion is. */
WIRE_TEST(first_repair_leaves)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 2);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
	wire_out(w, "<=10ms . 1:1461(1460) ack 1");
	wire_end(w);
}
