/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, the server's child between SYN and final ACK: what it may send and when, what is sent
 * again, what its peer may do to it, and how its user may leave it. RFC 7413 §4.2.2.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "fastopen_server.h"
#include "repair_calls.h"

/* ---- Early answers */

/* SYN-ACK and answer leave in one burst, in this order, if the user answers when he is told. */
static void
answer_at_once(struct wire *w)
{
	wire_accept(w);
	wire_recv(w, 100, 50);
	wire_send(w, 200, 200);
}

WIRE_TEST(answer_leaves_with_the_synack)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	w->on_listener = answer_at_once;
	wire_in(w, "S 0:50(50) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 51 win 64240 <mss 1460>");
	wire_out(w, "P. 1:201(200) ack 51 win *");
	w->on_listener = NULL;
	wire_in(w, "+10ms . 51:51(0) ack 201 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	WIRE_EQ(w, server_info(w).rtt, MS(10));
	WIRE_EQ(w, server_info(w).delivered, 2);
	wire_idle_for(w, SEC(3));
	wire_end(w);
}

/* What was sent later and is acknowledged, too, is the sample: as Linux, the SYN-ACK is one only
 * where there is no other. */
WIRE_TEST(round_trip_of_the_early_answer)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_wait(w, MS(30));
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 11");
	wire_in(w, "+20ms . 11:11(0) ack 101 win 8000");
	WIRE_EQ(w, server_info(w).rtt, MS(20));
	wire_end(w);
}

/* As far as the initial congestion window. */
WIRE_TEST(early_data_up_to_the_initial_window)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 65535 <mss 1460,nop,wscale 7,raw 220a%s,nop,nop>",
		server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460,nop,wscale 7>");
	wire_accept(w);
	wire_send(w, 30000, 30000);
	for (unsigned int i = 0; i < 10; i++)
		wire_out(w, ". %u:%u(1460) ack 11", 1 + i * 1460, 1461 + i * 1460);
	wire_idle(w);
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_idle(w);
	wire_in(w, "+1ms . 11:11(0) ack 2921 win 8000");
	for (unsigned int i = 10; i < 14; i++)
		wire_out(w, ". %u:%u(1460) ack 11", 1 + i * 1460, 1461 + i * 1460);
	wire_end(w);
}

/* And the SYN's window, which is not scaled: RFC 7323 §2.2. */
WIRE_TEST(early_data_up_to_the_syns_window)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 3000 <mss 1460,nop,wscale 7,raw 220a%s,nop,nop>",
		server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460,nop,wscale 7>");
	wire_accept(w);
	WIRE_EQ(w, server_info(w).snd_wnd, 3000);
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:1461(1460) ack 11");
	wire_out(w, ". 1461:2921(1460) ack 11");
	wire_idle_for(w, MS(900));
	wire_in(w, ". 11:11(0) ack 1 win 100");
	wire_out(w, ". 2921:4381(1460) ack 11");
	wire_out(w, "P. 4381:5001(620) ack 11");
	wire_end(w);
}

/* A window of 0 is waited for; until the final ACK it is not asked for. */
WIRE_TEST(a_syn_without_a_window)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 0 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460>");
	wire_accept(w);
	wire_send(w, 100, 100);
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460>");
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_out(w, "P. 1:101(100) ack 11");
	wire_end(w);
}

/* ---- What is sent again */

/* Only the SYN-ACK, after 1, 2, 4, ... s; what was sent early only when the final ACK has come. */
WIRE_TEST(only_the_synack_is_sent_again)
{
	struct tcp_details info;

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1461(1460) ack 11");
	wire_out(w, ". 1461:2921(1460) ack 11");
	wire_out(w, "P. 2921:3001(80) ack 11");
	wire_out(w, "+1s S. 0:0(0) ack 11 win 64240 <mss 1460>");
	info = server_info(w);
	WIRE_EQ(w, info.retransmits, 1);
	WIRE_EQ(w, info.total_retrans, 1);
	WIRE_EQ(w, info.snd_cwnd, 10); /* the first is forgiven */
	wire_out(w, "+2s S. 0:0(0) ack 11 win 64240 <mss 1460>");
	info = server_info(w);
	WIRE_EQ(w, info.retransmits, 2);
	WIRE_EQ(w, info.snd_cwnd, 1); /* RFC 5681 §3.1 */
	WIRE_EQ(w, info.ca_state, 4);
	wire_out(w, "+4s S. 0:0(0) ack 11 win 64240 <mss 1460>");
	wire_count(w, synack_retransmits, 3);
	/* The user may go on meanwhile. */
	wire_recv(w, 10, 10);
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	WIRE_EQ(w, server_info(w).retransmits, 0);
	wire_out(w, ". 1:1461(1460) ack 11"); /* as if the time-out had been its own */
	wire_in(w, "+10ms . 11:11(0) ack 3001 win 8000");
	wire_end(w);
}

/* With the final ACK the time-outs are over: as Linux, the window stays small unless its timestamp
 * says that they were unfounded. */
WIRE_TEST(final_ack_after_time_outs)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460>");
	wire_out(w, "+2s S. 0:0(0) ack 11 <mss 1460>");
	WIRE_EQ(w, server_info(w).ca_state, 4);
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	WIRE_EQ(w, server_info(w).ca_state, 0);
	WIRE_EQ(w, server_info(w).snd_cwnd, 1);
	WIRE_EQ(w, server_info(w).snd_ssthresh, 5);
	WIRE_EQ(w, server_info(w).rto, 3000000);
	wire_end(w);
}

WIRE_TEST(final_ack_of_the_first_synack_after_time_outs)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,sackOK,TS val 1 ecr 0,raw 220a%s,nop,nop>",
		server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460,sackOK,TS val 0 ecr 1>");
	wire_accept(w);
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460,sackOK,TS val 1000 ecr 1>");
	wire_out(w, "+2s S. 0:0(0) ack 11 <mss 1460,sackOK,TS val 3000 ecr 1>");
	WIRE_EQ(w, server_info(w).snd_cwnd, 1);
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000 <nop,nop,TS val 20 ecr 0>");
	WIRE_EQ(w, server_info(w).ca_state, 0);
	WIRE_EQ(w, server_info(w).snd_cwnd, 10);
	WIRE_EQ(w, server_info(w).rtt, MS(3010)); /* as the echo says */
	wire_end(w);
}

/* What leaves between two time-outs is in nobody's way, and the final ACK is no duplicate that
 * would make room. */
WIRE_TEST(new_data_goes_on)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1461(1460) ack 11");
	wire_out(w, ". 1461:2921(1460) ack 11");
	wire_out(w, "P. 2921:3001(80) ack 11");
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460>");
	wire_out(w, "+2s S. 0:0(0) ack 11 <mss 1460>");
	wire_send(w, 3000, 3000);
	wire_out(w, ". 3001:4461(1460) ack 11");
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_idle_for(w, MS(100));
	wire_skip(w);
	wire_end(w);
}

/* The peer has some of it: the rest leaves at once. */
WIRE_TEST(final_ack_that_tells_of_a_loss)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 65535 <mss 1460,nop,nop,sackOK,raw 220a%s,nop,nop>",
		server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460,nop,nop,sackOK>");
	wire_accept(w);
	wire_send(w, 5840, 5840);
	for (unsigned int i = 0; i < 4; i++)
		wire_out(w, ". %u:%u(1460) ack 11", 1 + i * 1460, 1461 + i * 1460);
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000 <nop,nop,sack 1461:5841>");
	wire_out(w, ". 1:1461(1460) ack 11");
	WIRE_EQ(w, server_info(w).ca_state, 3);
	wire_in(w, "+10ms . 11:11(0) ack 5841 win 8000");
	wire_end(w);
}

/* One more than an ordinary SYN-ACK gets; then its user hears ETIMEDOUT. */
WIRE_TEST(it_times_out)
{
	wire_start(w, .configure = server_on, .synack_retries = 2);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460>");
	wire_out(w, "+2s S. 0:0(0) ack 11 <mss 1460>");
	wire_out(w, "+4s S. 0:0(0) ack 11 <mss 1460>");
	wire_idle_for(w, SEC(8) - 1);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_idle_for(w, 1);
	wire_state(w, TCP_CLOSED);
	wire_count(w, timeouts, 1);
	wire_count(w, attempts_failed, 1);
	wire_used(w, requests, 0);
	wire_recv(w, 20, 10); /* what came is his nevertheless */
	wire_recv(w, 20, -ETIMEDOUT);
	wire_recv(w, 20, 0);
	wire_send(w, 10, -EPIPE);
	wire_end(w);
}

/* TCP_SYNCNT of the listener counts, and then it is the number itself. */
WIRE_TEST(it_times_out_by_option)
{
	int two = 2;

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_SYNCNT, &two, sizeof(two)), 0);
	server_accepted(w, 0);
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+2s S. 0:0(0) ack 1 <mss 1460>");
	wire_idle_for(w, SEC(4));
	wire_state(w, TCP_CLOSED);
	wire_error(w, ETIMEDOUT);
	wire_end(w);
}

/* The same SYN again, with its payload or without: the same SYN-ACK; its timer runs on. */
WIRE_TEST(the_same_syn_again)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_child(w, 10);
	wire_in(w, "+600ms S 0:0(0) win 8000 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 11 win 64240 <mss 1460>");
	wire_in(w, "+10ms S 0:0(0) win 8000 <mss 1460>"); /* too soon */
	wire_out(w, "+390ms S. 0:0(0) ack 11 win 64240 <mss 1460>");
	wire_in(w, "+600ms S 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 win 64240 <mss 1460>");
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_accept(w);
	wire_recv(w, 100, 10);
	WIRE_EQ(w, server_info(w).rtt, 0); /* Karn: which of them it answers nobody knows */
	wire_count(w, fastopen_passive, 1);
	wire_end(w);
}

/* ---- The final ACK */

/* With payload and FIN, and after it everything is as ever. */
WIRE_TEST(final_ack_with_payload_and_fin)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_in(w, "+10ms FP. 11:21(10) ack 1 win 8000");
	wire_acked(w, 22);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 100, 20);
	wire_recv(w, 100, 0);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 22");
	wire_in(w, ". 22:22(0) ack 2 win 8000");
	wire_end(w);
}

/* Accepted later only, it is any other connection. */
WIRE_TEST(accepted_after_the_final_ack)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_child(w, 10);
	wire_in(w, "+10ms P. 11:21(10) ack 1 win 8000");
	wire_acked(w, 21);
	wire_accept(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_recv(w, 100, 20);
	WIRE_EQ(w, server_info(w).options, 0x20 | 0x80);
	wire_end(w);
}

/* RFC 9293 §3.10.7.4: what acknowledges nothing of ours is reset, and the child lives on. */
WIRE_TEST(wrong_acknowledgments)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 11");
	wire_in(w, ". 11:11(0) ack 0 win 8000");
	wire_out(w, "R 0:0(0)");
	wire_in(w, ". 11:11(0) ack 102 win 8000");
	wire_out(w, "R 102:102(0)");
	wire_in(w, "P 11:21(10) win 8000");
	wire_count(w, drop_no_ack, 1);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_in(w, ". 11:11(0) ack 51 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	wire_in(w, ". 11:11(0) ack 101 win 8000");
	wire_end(w);
}

/* Outside the window: told where we are; another SYN in it: reset, as Linux does. */
WIRE_TEST(what_does_not_fit)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	wire_in(w, ". 1000000:1000010(10) ack 1 win 8000");
	wire_out(w, ". 1:1(0) ack 11");
	wire_in(w, ". 1000000:1000010(10) ack 1 win 8000");
	wire_out(w, ". 1:1(0) ack 11");
	wire_in(w, "S 500:500(0) win 8000 <mss 1460>");
	wire_out(w, "R. *:*(0) ack 501");
	wire_state(w, TCP_SYN_RECEIVED);
	wire_end(w);
}

/* ---- In repair */

/* As Linux, it may be given what it sends and receives like a connection; that counts as sent. */
WIRE_TEST(child_in_repair_is_filled)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	repair_on(w);
	WIRE_EQ(w, tcp_send(w->flow->c, "abc", 3, 0), -EINVAL);
	WIRE_EQ(w, put_bytes(w, REPAIR_RECV, 0, 0), 0);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 100, 0), 100);
	WIRE_EQ(w, queued(w, SIOCOUTQ), 0); /* as ever before ESTABLISHED */
	wire_idle_for(w, SEC(10));
	repair_off(w, 0);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	wire_out(w, "+%uus P. 1:101(100) ack 11 win *", wire_rto(w));
	wire_in(w, "+10ms . 11:11(0) ack 101 win 8000");
	wire_end(w);
}

/* It is frozen as any other, SYN-ACK included; afterwards its handshake goes on. */
WIRE_TEST(child_in_repair)
{
	struct tcp_checkpoint saved;
	uint8_t got[20];
	int on = 1, off = 0, queue = 1;

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	tcp_set_privileged(w->flow->c, true);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)),
		0);
	WIRE_EQ(w, tcp_recv(w->flow->c, got, sizeof(got), MSG_PEEK), 10);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), -EBUSY);
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_count(w, drop_frozen, 1);
	wire_idle_for(w, SEC(5));
	wire_state(w, TCP_SYN_RECEIVED);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), 0);
	wire_flush(w);
	wire_idle(w);
	wire_out(w, "<=1s S. 0:0(0) ack 11 win 64240 <mss 1460>");
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), 0);
	wire_recv(w, 99, 10);
	wire_end(w);
}

/* Closed in repair nobody hears of it, and its listener has room for another. */
WIRE_TEST(child_closed_in_repair)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 1);
	server_accepted(w, 10);
	WIRE_EQ(w, tcp_freeze(w->flow->c), 0);
	wire_close(w);
	wire_idle_for(w, SEC(5));
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_count(w, drop_mute, 1);
	wire_used(w, requests, 0);
	wire_flow(w, 1);
	server_accepted(w, 10);
	wire_end(w);
}
