/* SPDX-License-Identifier: BSD-3-Clause */
/* MSG_EOR: what is written after it never shares a segment with what was written before. */
#include "wire.h"

#define wire_send_eor(w, bytes, expected) wire_send_(WIRE_HERE(w), bytes, MSG_EOR, expected)

WIRE_TEST(records_share_no_segment)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_hold(w);
	wire_send_eor(w, 100, 100);
	wire_send_eor(w, 200, 200);
	wire_send(w, 300, 300);
	wire_send(w, 400, 400);
	wire_release(w);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_out(w, "P. 101:301(200) ack 1");
	wire_out(w, "P. 301:1001(700) ack 1");
	wire_in(w, ". 1:1(0) ack 1001");
	wire_end(w);
}

/* A record longer than a segment: full segments, and a rest of its own. */
WIRE_TEST(a_long_record_ends_in_a_segment_of_its_own)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_hold(w);
	wire_send_eor(w, 2000, 2000);
	wire_send(w, 1460, 1460);
	wire_release(w);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, "P. 1461:2001(540) ack 1");
	wire_out(w, "P. 2001:3461(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 3461");
	wire_end(w);
}

/* What is sent again keeps the boundary, though both would fit into one segment. */
WIRE_TEST(retransmissions_keep_the_boundary)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_hold(w);
	wire_send_eor(w, 100, 100);
	wire_send(w, 200, 200);
	wire_release(w);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_out(w, "P. 101:301(200) ack 1");
	rto = wire_rto(w);
	wire_out(w, "+%uus P. 1:101(100) ack 1", rto);
	wire_in(w, "+10ms . 1:1(0) ack 101");
	wire_out(w, "P. 101:301(200) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 301");
	wire_idle(w);
	wire_end(w);
}

/* The FIN takes along the last record only. */
WIRE_TEST(the_fin_goes_with_the_last_record)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_hold(w);
	wire_send_eor(w, 100, 100);
	wire_send(w, 100, 100);
	wire_close(w);
	wire_release(w);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_out(w, "FP. 101:201(100) ack 1");
	wire_in(w, ". 1:1(0) ack 202");
	wire_end(w);
}
