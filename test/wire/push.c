/* SPDX-License-Identifier: BSD-3-Clause */
/* PSH, RFC 9293 §3.9.1: where a write ends, as Linux; a reader's peer need not wait for it. */
#include "wire.h"

enum { PSH = 8 };

/* The next packet's bytes, and whether it says PSH. */
static void
sent(struct wire *w, unsigned int bytes, bool push)
{
	struct note n;

	WIRE_EQ(w, wire_next(w, &n), true);
	WIRE_EQ(w, n.bytes.value, bytes);
	WIRE_EQ(w, (n.flags & PSH) != 0, push);
}

/* Whose window lets all repairs of the test leave at once. */
static void
with_cubic(struct tcp_config *config)
{
	config->congestion = "cubic";
}

WIRE_TEST(end_of_a_write)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	sent(w, 100, true);
	wire_in(w, ". 1:1(0) ack 101");
	wire_send(w, 3 * WIRE_MSS + 10, 3 * WIRE_MSS + 10);
	sent(w, WIRE_MSS, false);
	sent(w, WIRE_MSS, false);
	sent(w, WIRE_MSS, false);
	wire_in(w, ". 1:1(0) ack %u", 101 + 3 * WIRE_MSS);
	sent(w, 10, true);
	wire_end(w);
}

/* What leaves by twos has PSH by twos; sent again it has it where two that left together leave so
 * again. */
WIRE_TEST(pieces_sent_again)
{
	wire_start(w, .configure = with_cubic);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	for (unsigned int i = 0; i < 10; i++)
		sent(w, WIRE_MSS, i % 2 == 1);
	wire_in(w, "+10ms . 1:1(0) ack 1461 <nop,nop,sack 4381:5841 8761:14601>");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 5841:7301(1460) ack 1");
	wire_out(w, "P. 7301:8761(1460) ack 1");
	wire_idle(w);
	wire_end(w);
}

/* Of what is joined to one segment, its end is an end of a write. */
WIRE_TEST(joined_writes)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10, 10);
	sent(w, 10, true);
	wire_send(w, 20, 20); /* Nagle holds these */
	wire_send(w, 30, 30);
	wire_in(w, ". 1:1(0) ack 11");
	sent(w, 50, true);
	wire_end(w);
}

/* A write that says MSG_MORE has no end. */
WIRE_TEST(more_is_no_end)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send_more(w, WIRE_MSS + 10, WIRE_MSS + 10);
	sent(w, WIRE_MSS, false);
	wire_idle(w);
	wire_send(w, 10, 10);
	wire_in(w, ". 1:1(0) ack %u", 1 + WIRE_MSS);
	sent(w, 20, true);
	wire_end(w);
}

/* What is sent again says what it said. */
WIRE_TEST(sent_again)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	sent(w, 100, true);
	wire_wait(w, wire_rto(w));
	sent(w, 100, true);
	wire_end(w);
}

/* A peer without PSH: what has arrived is there to read at once. */
WIRE_TEST(peers_push_is_not_waited_for)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 1:11(10) ack 1");
	wire_skip(w);
	wire_poll(w, POLLIN | POLLOUT);
	wire_recv(w, 100, 10);
	wire_skip(w);
	wire_end(w);
}
