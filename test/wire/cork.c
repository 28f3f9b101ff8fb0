/* SPDX-License-Identifier: BSD-3-Clause */
/* Holding data back and letting it go: TCP_CORK, MSG_MORE, and what overrides them. */
#include "wire.h"

WIRE_TEST(cork_holds_the_partial_segment_only)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_get(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	wire_idle(w);
	wire_send(w, 1400, 1400);
	/* No PSH: the end of the first write is forgotten when the second joins it. */
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 1461");
	wire_idle_for(w, MS(100));
	wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_out(w, "P. 1461:1501(40) ack 1");
	wire_get(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_in(w, ". 1:1(0) ack 1501");
	wire_end(w);
}

/* Nobody takes the cork out: as Linux, the retransmission time-out does, for what is there. */
WIRE_TEST(cork_gives_way_after_the_time_out)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	rto = wire_rto(w);
	wire_out(w, "+%uus P. 1:101(100) ack 1", rto);
	wire_in(w, ". 1:1(0) ack 101");
	wire_get(w, IPPROTO_TCP, TCP_CORK, 1); /* it still is in */
	wire_send(w, 50, 50);
	wire_idle_for(w, MS(100));
	wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_out(w, "P. 101:151(50) ack 1");
	wire_in(w, ". 1:1(0) ack 151");
	wire_end(w);
}

/* An acknowledgment is no reason to let corked data go, though Nagle would. */
WIRE_TEST(cork_outlasts_acknowledgments)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	wire_in(w, "+10ms . 1:1(0) ack 101");
	wire_idle(w);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_out(w, "P. 101:201(100) ack 1");
	wire_in(w, ". 1:1(0) ack 201");
	wire_end(w);
}

/* Without the cork Nagle still rules: what is small waits for what is small. */
WIRE_TEST(nagle_rules_where_the_cork_was)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 101");
	wire_out(w, "P. 101:201(100) ack 1");
	wire_in(w, ". 1:1(0) ack 201");
	wire_end(w);
}

/* TCP_NODELAY pushes out what is there, cork or not; what comes after is held again. */
WIRE_TEST(nodelay_pushes_past_the_cork_once)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	wire_idle(w);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_in(w, ". 1:1(0) ack 101");
	wire_send(w, 100, 100);
	wire_idle_for(w, MS(100));
	wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_out(w, "P. 101:201(100) ack 1");
	wire_in(w, ". 1:1(0) ack 201");
	wire_end(w);
}

WIRE_TEST(a_fin_takes_corked_data_along)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	wire_idle(w);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "FP. 1:101(100) ack 1");
	wire_in(w, ". 1:1(0) ack 102");
	wire_end(w);
}

WIRE_TEST(more_waits_for_the_write_without_it)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send_more(w, 100, 100);
	wire_idle_for(w, MS(100));
	wire_send_more(w, 100, 100);
	wire_idle_for(w, MS(50));
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:301(300) ack 1");
	wire_in(w, ". 1:1(0) ack 301");
	wire_end(w);
}

/* Written in one iteration; as on Linux an acknowledgment lets go what MSG_MORE held. */
WIRE_TEST(more_holds_back_nothing_written_before)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_hold(w);
	wire_send(w, 10, 10);
	wire_send_more(w, 5, 5);
	wire_release(w);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_idle_for(w, MS(100));
	wire_in(w, ". 1:1(0) ack 11");
	wire_out(w, ". 11:16(5) ack 1");
	wire_in(w, ". 1:1(0) ack 16");
	wire_end(w);
}

/* A cork on a closed window: the probe carries what the window lets through, never more. */
WIRE_TEST(cork_and_a_window_that_shrinks)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 1000, 1000);
	wire_in(w, "P. 1:2(1) ack 1 win 0");
	wire_recv(w, 1, 1);
	wire_acked(w, 2);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_idle_for(w, MS(100));
	wire_in(w, ". 2:2(0) ack 1 win 65535");
	wire_out(w, "P. 1:1001(1000) ack 2");
	wire_in(w, ". 2:2(0) ack 1001");
	wire_end(w);
}

WIRE_TEST(cork_before_connecting)
{
	wire_start(w);
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_connected(w, "<mss 1460>", 65535);
	wire_get(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	wire_idle_for(w, MS(100));
	wire_close(w);
	wire_out(w, "FP. 1:101(100) ack 1");
	wire_end(w);
}
