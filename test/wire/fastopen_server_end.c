/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, how a server's child ends before its final ACK: by the peer's reset, by an ICMP error,
 * by its user, with its listener; and whom the limit of such children holds down how long, RFC 7413
 * §5.1.
 */
#include "fastopen_server.h"

/* ---- The peer's reset */

/* Before accept: it is accepted all the same, with what came. */
WIRE_TEST(reset_before_accept)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_child(w, 10);
	wire_in(w, "+10ms R. 11:11(0) ack 1 win 0");
	wire_count(w, rsts_in, 1);
	wire_used(w, requests, 0);
	WIRE_EQ(w, tcp_poll(w->listener), POLLIN | POLLRDNORM);
	wire_accept(w);
	wire_state(w, TCP_CLOSED);
	WIRE_EQ(w, server_info(w).options, 0x20 | 0x80);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, -ECONNRESET);
	wire_send(w, 10, -EPIPE);
	wire_end(w);
}

WIRE_TEST(reset_after_accept)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_in(w, "+10ms R 11:11(0) win 0"); /* with or without ACK */
	wire_poll(w, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	wire_send(w, 10, -ECONNRESET);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, 0);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* RFC 5961 §3.2: not at the expected number, it is asked about; outside the window it is nothing.
 */
WIRE_TEST(a_guessed_reset)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_in(w, "R. 500:500(0) ack 1 win 0");
	wire_out(w, ". 1:1(0) ack 11");
	wire_in(w, "R. 1000000:1000000(0) ack 1 win 0");
	wire_idle(w);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_end(w);
}

/* ---- ICMP */

/* Before accept it ends the child, whose SYN-ACK it quotes. */
WIRE_TEST(icmp_error_before_accept)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_child(w, 10);
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 5000);
	wire_count(w, icmp_ignored, 1);
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 0);
	wire_accept(w);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, -EHOSTUNREACH);
	wire_send(w, 10, -EPIPE);
	wire_used(w, requests, 0);
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_out(w, "R 1:1(0)");
	wire_end(w);
}

/* After accept it is remembered: should nothing else come, it is the reason. */
WIRE_TEST(icmp_error_after_accept)
{
	wire_start(w, .configure = server_on, .synack_retries = 1);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 0);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460>");
	wire_out(w, "+2s S. 0:0(0) ack 11 <mss 1460>");
	wire_idle_for(w, SEC(4));
	wire_error(w, EHOSTUNREACH);
	wire_end(w);
}

/* ---- Its user */

WIRE_TEST(closed_with_unread_data)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_close(w);
	wire_out(w, "R. 1:1(0) ack 11 win 64240");
	wire_gone(w);
	wire_used(w, requests, 0);
	wire_end(w);
}

/* After reading, its FIN leaves at once, in FIN-WAIT-1, and is sent again after the final ACK only.
 */
WIRE_TEST(closed_after_reading)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_recv(w, 10, 10);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 11");
	wire_close(w);
	wire_out(w, "F. 101:101(0) ack 11");
	wire_listed(w, TCP_FIN_WAIT_1);
	wire_in(w, "+600ms S 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460>");
	wire_out(w, "+400ms S. 0:0(0) ack 11 <mss 1460>");
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_out(w, "+%uus P. 1:101(100) ack 11", wire_rto(w));
	wire_in(w, "+10ms . 11:11(0) ack 102 win 8000");
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

/* All that comes is the FIN's acknowledgment, or the peer's FIN: as in any FIN-WAIT-1. */
WIRE_TEST(closed_and_acknowledged)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 0);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "+10ms F. 1:1(0) ack 1 win 8000");
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_CLOSING);
	wire_used(w, requests, 0);
	wire_in(w, ". 2:2(0) ack 2 win 8000");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

/* An old acknowledgment finishes no handshake. */
WIRE_TEST(closed_and_asked_by_an_old_acknowledgment)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 0);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 0 win 8000");
	wire_skip(w);
	wire_used(w, requests, 1);
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_end(w);
}

/* shutdown() keeps the FIN back until there is a peer for certain. */
WIRE_TEST(shut_down)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 11");
	wire_shutdown(w, SHUT_WR, 0);
	wire_idle(w);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_send(w, 100, -EPIPE);
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460>");
	wire_in(w, "+10ms . 11:11(0) ack 101 win 8000");
	wire_out(w, "F. 101:101(0) ack 11");
	wire_state(w, TCP_FIN_WAIT_1);
	wire_recv(w, 100, 10);
	wire_in(w, "F. 11:11(0) ack 102 win 8000");
	wire_out(w, ". 102:102(0) ack 12");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

/* connect() to AF_UNSPEC: and what connects then is no child any more. */
WIRE_TEST(disconnected)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_disconnect(w);
	wire_out(w, "R. 1:1(0) ack 11");
	wire_state(w, TCP_CLOSED);
	wire_used(w, requests, 0);
	wire_error(w, ECONNRESET);
	WIRE_EQ(w, server_info(w).options, 0);
	wire_again(w, 4242);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) win 64240 <mss 1460,sackOK,TS val * ecr 0,nop,wscale 7>");
	wire_out(w, "+1s S 0:0(0) win 64240 <mss 1460,sackOK,TS val * ecr 0,nop,wscale 7>");
	wire_end(w);
}

/* ---- Its listener */

/* Who has not been accepted is reset; who has goes on. */
WIRE_TEST(listener_closed)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_flow(w, 1);
	server_child(w, 10);
	tcp_close(w->listener);
	w->listener = NULL;
	wire_flush(w);
	wire_out(w, "R. 1:1(0) ack 11 win 64240");
	wire_flow(w, 0);
	wire_used(w, requests, 1);
	wire_out(w, "+1s S. 0:0(0) ack 11 win 64240 <mss 1460>");
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	wire_used(w, requests, 0);
	wire_recv(w, 100, 10);
	wire_end(w);
}

/* A SYN with a right cookie that is taken as an ordinary one. */
static void
overflows(struct wire *w)
{
	uint64_t before = wire_stats(w).fastopen_listen_overflow;

	wire_in(w, "S 0:10(10) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_count(w, fastopen_listen_overflow, before + 1);
	wire_in(w, "R 1:1(0) win 0");
	wire_again(w, 4242);
}

/* Nor do they count towards its limit if it listens again. */
WIRE_TEST(it_listens_again)
{
	const int on = 1;

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 1);
	WIRE_EQ(w, tcp_setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	server_accepted(w, 10);
	WIRE_EQ(w, tcp_shutdown(w->listener, SHUT_RD), 0);
	wire_listen(w, 16); /* TCP_FASTOPEN is kept */
	wire_flow(w, 1);
	server_child(w, 10);
	wire_flow(w, 0);
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_flow(w, 2);
	overflows(w);
	wire_end(w);
}

/* ---- The limit */

WIRE_TEST(limit_reached)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 2);
	server_accepted(w, 10);
	wire_flow(w, 1);
	server_child(w, 10);
	wire_flow(w, 2);
	overflows(w);
	/* Not even who asks gets a cookie. */
	wire_in(w, "S 0:0(0) win 8000 <mss 1460,nop,nop,raw 2202,nop,nop>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_count(w, fastopen_listen_overflow, 2);
	wire_count(w, fastopen_cookie_reqd, 1);
	wire_flow(w, 3);
	/* An ordinary SYN is no matter of the limit. */
	wire_in(w, "S 0:0(0) win 8000 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_count(w, fastopen_listen_overflow, 2);
	/* Its final ACK makes room, accepted or not. */
	wire_flow(w, 0);
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_flow(w, 4);
	server_child(w, 10);
	wire_flow(w, 5);
	overflows(w);
	wire_end(w);
}

/* A raised limit counts at once; a lowered one lets those go on that are there. */
WIRE_TEST(limit_changed)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 1);
	server_child(w, 10);
	server_listen(w, 16, 2);
	wire_flow(w, 1);
	server_child(w, 10);
	server_listen(w, 16, 1);
	wire_flow(w, 0);
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_flow(w, 2);
	overflows(w);
	wire_end(w);
}

WIRE_TEST(a_reset_before_accept_makes_room)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 1);
	server_child(w, 10);
	wire_in(w, "R. 11:11(0) ack 1 win 0");
	wire_flow(w, 1);
	server_child(w, 10);
	wire_end(w);
}

/* RFC 7413 §5.1: whoever forges addresses with their right cookies has work done only so often. */
WIRE_TEST(a_reset_after_accept_counts_for_a_minute)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 1);
	server_accepted(w, 10);
	wire_in(w, "R. 11:11(0) ack 1 win 0");
	wire_close(w);
	wire_used(w, requests, 1);
	wire_flow(w, 1);
	wire_wait(w, SEC(60) - 1);
	overflows(w);
	wire_wait(w, 1);
	server_child(w, 10);
	wire_flow(w, 2);
	overflows(w);
	wire_end(w);
}

/* Other ends of an accepted child make room at once. */
WIRE_TEST(other_ends_make_room)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 1);
	server_accepted(w, 10);
	wire_close(w);
	wire_out(w, "R. 1:1(0) ack 11");
	wire_flow(w, 1);
	server_accepted(w, 10);
	wire_recv(w, 10, 10);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 11");
	wire_flow(w, 2);
	overflows(w); /* that one's handshake still runs */
	wire_flow(w, 1);
	wire_in(w, "F. 11:11(0) ack 2 win 8000");
	wire_out(w, ". 2:2(0) ack 12");
	wire_flow(w, 2);
	server_child(w, 10);
	wire_end(w);
}

/* Nothing of a listener's minutes outlives it. */
WIRE_TEST(a_listener_closed_with_guards)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 3);
	for (unsigned int i = 0; i < 2; i++) {
		wire_flow(w, i);
		server_accepted(w, 10);
		wire_in(w, "R. 11:11(0) ack 1 win 0");
	}
	wire_used(w, requests, 2);
	tcp_close(w->listener);
	w->listener = NULL;
	wire_flush(w);
	wire_used(w, requests, 0);
	wire_end(w);
}
