/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Openings and closings that cross: RFC 9293 figures 8 and 13 and §3.10.7.4, with data, with lost
 * segments, and with a FIN before the handshake is over.
 */
#include "wire.h"

/* Both FINs are lost: ours is sent again, the peer's arrives then. */
WIRE_TEST(both_fins_are_lost)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_wait(w, wire_rto(w));
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_CLOSING);
	wire_in(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

/* Both FINs come behind data; each side still gets all of it. */
WIRE_TEST(both_close_with_data)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 101:101(0) ack 1");
	wire_in(w, "FP. 1:51(50) ack 1");
	wire_out(w, ". 102:102(0) ack 52");
	wire_state(w, TCP_CLOSING);
	wire_in(w, ". 52:52(0) ack 101"); /* the data, not yet the FIN */
	wire_state(w, TCP_CLOSING);
	wire_in(w, ". 52:52(0) ack 102");
	wire_listed(w, TCP_TIME_WAIT);
	wire_recv(w, 100, 50);
	wire_recv(w, 100, 0);
	wire_end(w);
}

/* The peer's FIN is there before his data: CLOSING comes only with both. */
WIRE_TEST(fin_before_its_data)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 51:51(0) ack 1");
	wire_skip(w);
	wire_state(w, TCP_FIN_WAIT_1);
	wire_in(w, "P. 1:51(50) ack 1");
	wire_out(w, ". 2:2(0) ack 52");
	wire_state(w, TCP_CLOSING);
	wire_recv(w, 100, 50);
	wire_in(w, ". 52:52(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

/* The ACK of the handshake is a FIN, too. */
WIRE_TEST(fin_ends_the_handshake)
{
	wire_start(w);
	wire_listen(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "F. 1:1(0) ack 1 win 65535");
	wire_out(w, ". 1:1(0) ack 2");
	wire_accept(w);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_recv(w, 1, 0);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 2");
	wire_in(w, ". 2:2(0) ack 2");
	wire_gone(w);
	wire_end(w);
}

/* The same where both have opened. */
WIRE_TEST(fin_ends_a_simultaneous_open)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_state(w, TCP_SYN_RECEIVED);
	wire_in(w, "F. 1:1(0) ack 1 win 65535");
	wire_out(w, ". 1:1(0) ack 2");
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 1, 0);
	wire_end(w);
}

/* Closed before it was open: the FIN leaves as soon as it is. */
WIRE_TEST(closed_while_opening_simultaneously)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_shutdown(w, SHUT_WR, 0);
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1 win 65535");
	wire_out(w, "F. 1:1(0) ack 1");
	wire_state(w, TCP_FIN_WAIT_1);
	wire_in(w, ". 1:1(0) ack 2");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

/* A reset refuses a connection that both were opening; one that is not for it does not. */
WIRE_TEST(reset_while_opening_simultaneously)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, "R 5000:5000(0)");
	wire_skip(w);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_in(w, "R 1:1(0)");
	wire_state(w, TCP_CLOSED);
	wire_error(w, ECONNREFUSED);
	wire_end(w);
}

/* Only our side is closed, by a user who still reads: that may last. */
WIRE_TEST(half_closed_for_long)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 2");
	wire_state(w, TCP_FIN_WAIT_2);
	for (unsigned int i = 0; i < 5; i++) {
		wire_wait(w, SEC(600));
		wire_in(w, "P. %u:%u(100) ack 2", 1 + i * 100, 101 + i * 100);
		wire_acked(w, 101 + i * 100);
		wire_recv(w, 200, 100);
	}
	wire_wait(w, SEC(600));
	wire_in(w, "F. 501:501(0) ack 2");
	wire_out(w, ". 2:2(0) ack 502");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

/* Only the peer's side is closed: we may send for long. */
WIRE_TEST(peer_half_closed_for_long)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, ". 1:1(0) ack 2");
	wire_state(w, TCP_CLOSE_WAIT);
	for (unsigned int i = 0; i < 5; i++) {
		wire_wait(w, SEC(600));
		wire_send(w, 100, 100);
		wire_out(w, "P. %u:%u(100) ack 2", 1 + i * 100, 101 + i * 100);
		wire_in(w, ". 2:2(0) ack %u", 101 + i * 100);
	}
	wire_close(w);
	wire_out(w, "F. 501:501(0) ack 2");
	wire_in(w, ". 2:2(0) ack 502");
	wire_gone(w);
	wire_end(w);
}
