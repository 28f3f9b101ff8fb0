/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets, and attacks with forged segments: RFC 9293 §3.5.2-3, §3.10.7.1, RFC 5961. */
#include "wire.h"

WIRE_TEST(closed_port)
{
	wire_start(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "R. 0:0(0) ack 1");
	wire_in(w, "S 0:10(10) win 65535 <mss 1460>");
	wire_out(w, "R. 0:0(0) ack 11");
	wire_in(w, ". 5:5(0) ack 77");
	wire_out(w, "R 77:77(0)");
	wire_in(w, "P. 5:15(10) ack 77");
	wire_out(w, "R 77:77(0)");
	wire_in(w, "P 5:15(10)");
	wire_out(w, "R. 0:0(0) ack 15");
	wire_in(w, "F 5:5(0)");
	wire_out(w, "R. 0:0(0) ack 6");
	wire_in(w, "S. 5:5(0) ack 77");
	wire_out(w, "R 77:77(0)");
	wire_count(w, drop_no_socket, 7);
	wire_count(w, rsts_out, 7);
	wire_end(w);
}

WIRE_TEST(a_reset_is_never_answered)
{
	wire_start(w);
	wire_in(w, "R 5:5(0)");
	wire_in(w, "R. 5:5(0) ack 77");
	wire_in(w, "R 5:15(10)");
	wire_in(w, "SR 5:5(0)");
	wire_in(w, "SFRPU. 5:5(0) ack 5");
	wire_idle_for(w, SEC(1));
	wire_end(w);
}

/* RFC 5961 §3.2: only a RST at RCV.NXT resets. */
WIRE_TEST(reset_at_rcv_nxt)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "R 1:1(0)");
	wire_idle(w);
	wire_state(w, TCP_CLOSED);
	wire_gone(w);
	wire_poll(w, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	WIRE_EQ(w, w->flow->notified, 1);
	wire_count(w, established_resets, 1);
	wire_count(w, rsts_in, 1);
	wire_recv(w, 10, -ECONNRESET);
	wire_recv(w, 10, 0);
	wire_send(w, 10, -EPIPE);
	wire_poll(w, POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	wire_close(w);
	wire_end(w);
}

WIRE_TEST(reset_is_told_to_send_once)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_in(w, "R. 1:1(0) ack 11");
	wire_send(w, 10, -ECONNRESET);
	wire_send(w, 10, -EPIPE);
	wire_error(w, 0);
	wire_used(w, queued_bufs, 0);
	wire_used(w, sent_records, 0);
	wire_end(w);
}

/* As Linux: a reset after the peer's FIN is EPIPE. */
WIRE_TEST(reset_in_close_wait)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 2");
	wire_in(w, "R 2:2(0)");
	wire_state(w, TCP_CLOSED);
	wire_error(w, EPIPE);
	wire_end(w);
}

/* As Linux: who has read all up to the FIN hears of the end first, and of the reset apart. */
WIRE_TEST(reset_behind_the_end)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "FP. 1:11(10) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 12");
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 12");
	wire_state(w, TCP_LAST_ACK);
	wire_in(w, "R 12:12(0)");
	wire_state(w, TCP_CLOSED);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, 0);
	wire_recv_peek(w, 100, 0);
	wire_error(w, ECONNRESET);
	wire_recv(w, 100, 0);
	wire_end(w);
}

WIRE_TEST(reset_elsewhere_in_the_window)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "R 2:2(0)");
	wire_out(w, ". 1:1(0) ack 1");
	wire_count(w, challenge_acks, 1);
	wire_count(w, drop_rst_invalid, 1);
	wire_in(w, "+2s R. 1000:1000(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_count(w, challenge_acks, 2);
	wire_state(w, TCP_ESTABLISHED);
	/* The genuine peer answers the challenge with the RST it meant. */
	wire_in(w, "R 1:1(0)");
	wire_state(w, TCP_CLOSED);
	wire_end(w);
}

WIRE_TEST(reset_outside_the_window)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "R 0:0(0)");
	wire_in(w, "R -100000:-100000(0)");
	wire_in(w, "R %u:%u(0)", 2 + wire_rcv_wnd(w), 2 + wire_rcv_wnd(w));
	wire_in(w, "R 2000000000:2000000000(0)");
	wire_idle(w);
	wire_count(w, drop_rst_invalid, 4);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* RFC 5961 §4.2: a SYN, wherever it lies, is answered by a challenge ACK. */
WIRE_TEST(syn_in_established)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "S 1:1(0) win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+2s S 500:500(0) win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+2s S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+2s S -500000:-500000(0) win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+2s S. 1:1(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_state(w, TCP_ESTABLISHED);
	wire_accept_none(w);
	wire_in(w, ". 1:11(10) ack 1");
	wire_recv(w, 100, 10);
	wire_out(w, "<=40ms . 1:1(0) ack 11");
	wire_end(w);
}

/* An ACK of what was never sent is dropped with all that it carries, and answered, though seldom:
 * RFC 5961 §5.2. */
WIRE_TEST(ack_too_new)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:11(10) ack 2");
	wire_out(w, ". 1:1(0) ack 1");
	wire_recv(w, 10, -EAGAIN);
	wire_count(w, drop_ack_invalid, 1);
	wire_in(w, "P. 1:11(10) ack 3");
	wire_idle(w);
	wire_in(w, "+2s P. 1:11(10) ack 2000000000");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_in(w, "+2s . 1:1(0) ack 102");
	wire_skip(w); /* retransmissions and an ACK */
	WIRE_EQ(w, wire_listing(w).send_q, 100);
	wire_in(w, ". 1:1(0) ack 101");
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

/* RFC 5961 §5.2: one older than SND.UNA - MAX.SND.WND is not believed. */
WIRE_TEST(ack_too_old)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:11(10) ack -70000");
	wire_out(w, ". 1:1(0) ack 1");
	wire_recv(w, 10, -EAGAIN);
	wire_count(w, drop_ack_invalid, 1);
	wire_count(w, challenge_acks, 1);
	/* A little old is only a segment overtaken by another: its data counts. */
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_in(w, ". 1:1(0) ack 101");
	wire_in(w, "P. 1:11(10) ack 50");
	wire_recv(w, 10, 10);
	wire_out(w, "<=40ms . 101:101(0) ack 11");
	wire_end(w);
}

/* RFC 5961 §7: challenge ACKs are limited. */
WIRE_TEST(challenge_acks_are_limited)
{
	unsigned int sent;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 3000; i++)
		wire_in(w, "R 100:100(0)");
	sent = wire_skip(w);
	WIRE_IN(w, sent, 1, 1000);
	wire_count(w, challenge_acks, sent);
	wire_count(w, challenge_acks_limited, 3000 - sent);
	wire_in(w, "+2s R 100:100(0)");
	wire_out(w, ". 1:1(0) ack 1");
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* RFC 9293 §3.10.7.4, first step: what is outside the window is answered by an ACK. */
WIRE_TEST(outside_the_window)
{
	unsigned int edge;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	edge = 2 + wire_rcv_wnd(w); /* Linux is lenient by one byte */
	wire_in(w, "P. %u:%u(10) ack 1", edge, edge + 10);
	wire_out(w, ". 1:1(0) ack 1");
	wire_count(w, drop_beyond_window, 1);
	wire_in(w, "+2s . 1000000000:1000000000(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+2s . -1000000:-1000000(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_count(w, drop_sequence, 2);
	wire_recv(w, 100, -EAGAIN);
	wire_end(w);
}

WIRE_TEST(no_ack_flag)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P 1:11(10)");
	wire_in(w, "F 1:1(0)");
	wire_in(w, "0 1:11(10)");
	wire_idle(w);
	wire_count(w, drop_no_ack, 3);
	wire_recv(w, 10, -EAGAIN);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* RFC 5961 §10, Linux's tcp_invalid_ratelimit: two ends that disagree must not answer each other's
 * answers for ever. */
WIRE_TEST(ack_storm)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". -100:-100(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	for (unsigned int i = 0; i < 99; i++)
		wire_in(w, "+1ms . -100:-100(0) ack 1");
	wire_idle(w);
	wire_count(w, challenge_acks_limited, 99);
	wire_in(w, "+401ms . -100:-100(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	/* Data that came before is the peer's retransmission: its ACK was lost. */
	for (unsigned int i = 0; i < 5; i++) {
		wire_in(w, ". -10:0(10) ack 1");
		wire_out(w, ". 1:1(0) ack 1");
	}
	wire_end(w);
}

WIRE_TEST(ack_storm_by_old_timestamps)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,TS val 1000 ecr 0>", 65535);
	for (unsigned int i = 0; i < 100; i++)
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,TS val 10 ecr *>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_idle(w);
	wire_count(w, drop_paws, 100);
	wire_end(w);
}

WIRE_TEST(ack_storm_to_a_request)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	for (unsigned int i = 0; i < 100; i++)
		wire_in(w, ". -100:-100(0) ack 1");
	wire_out(w, ". 1:1(0) ack 1");
	wire_idle(w);
	wire_end(w);
}

/* Each connection has a limit of its own: what one draws tells nothing of another
 * (CVE-2016-5696). */
WIRE_TEST(challenge_acks_are_limited_apart)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_flow(w, 1);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 3000; i++)
		wire_in(w, "R 1000:1000(0)");
	wire_out(w, ". 1:1(0) ack 1");
	wire_idle(w);
	wire_flow(w, 0);
	wire_in(w, "R 1000:1000(0)");
	wire_out(w, ". 1:1(0) ack 1");
	wire_end(w);
}
