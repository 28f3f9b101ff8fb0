/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening connections: RFC 9293 §3.5 and §3.10.7.2-4, RFC 6298 for the retransmissions; retry
 * counts are Linux's. */
#include "wire.h"

WIRE_TEST(passive_with_timestamps_and_scaling)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
	wire_out(w, "S. 0:0(0) ack 1 {mss 1460,sackOK,TS val 0 ecr 100,wscale *}");
	wire_accept_none(w);
	wire_used(w, requests, 1);
	wire_listed(w, TCP_SYN_RECEIVED);
	WIRE_EQ(w, w->listener_notified, 0);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512 <nop,nop,TS val 110 ecr 0>");
	WIRE_EQ(w, w->listener_notified, 1);
	wire_used(w, requests, 0);
	wire_accept(w);
	wire_accept_none(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_poll(w, POLLOUT);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1 <nop,nop,TS val * ecr 110>");
	wire_in(w, "+10ms . 1:1(0) ack 101 win 512 <nop,nop,TS val 120 ecr *>");
	wire_in(w, "P. 1:51(50) ack 101 win 512 <nop,nop,TS val 120 ecr *>");
	WIRE_EQ(w, w->flow->notified, 1);
	wire_out(w, "<=40ms . 101:101(0) ack 51 <nop,nop,TS val * ecr 120>");
	wire_poll(w, POLLIN | POLLOUT);
	wire_recv(w, 1000, 50);
	wire_recv(w, 1000, -EAGAIN);
	wire_count(w, passive_opens, 1);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}

WIRE_TEST(active)
{
	wire_start(w);
	wire_open(w);
	w->flow->local.port = 0;
	wire_poll(w, POLLOUT | POLLHUP);
	wire_send(w, 1, -EPIPE);
	wire_recv(w, 1, -ENOTCONN);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) {mss 1460,sackOK,TS val 0 ecr 0,wscale *}");
	wire_state(w, TCP_SYN_SENT);
	wire_poll(w, 0);
	wire_send(w, 10, -EAGAIN);
	wire_connect(w, -EALREADY);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7>");
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,TS val * ecr 7>");
	wire_state(w, TCP_ESTABLISHED);
	WIRE_EQ(w, w->flow->notified, 1);
	wire_poll(w, POLLOUT);
	wire_connect(w, 0);
	wire_connect(w, -EISCONN);
	wire_count(w, active_opens, 1);
	wire_end(w);
}

/* RFC 9293 §3.10.7.3: RST counts only with an acceptable ACK. */
WIRE_TEST(active_refused)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "R 0:0(0)");
	wire_in(w, "R. 0:0(0) ack 0");
	wire_in(w, "R. 0:0(0) ack 2");
	wire_state(w, TCP_SYN_SENT);
	wire_in(w, "R. 0:0(0) ack 1");
	wire_idle(w);
	wire_state(w, TCP_CLOSED);
	wire_poll(w, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	WIRE_EQ(w, w->flow->notified, 1);
	wire_connect(w, -ECONNREFUSED);
	wire_error(w, 0);
	wire_count(w, attempts_failed, 1);
	wire_close(w);
	wire_used(w, conns, 0);
	wire_end(w);
}

WIRE_TEST(active_refused_shows_in_so_error)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "R. 0:0(0) ack 1");
	wire_error(w, ECONNREFUSED);
	wire_error(w, 0);
	wire_end(w);
}

/* An unacceptable ACK is answered <SEQ=SEG.ACK><CTL=RST>, unless it carries RST itself. */
WIRE_TEST(active_bad_ack)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, ". 5000:5000(0) ack 77");
	wire_out(w, "R 77:77(0)");
	wire_in(w, "S. 0:0(0) ack 2 win 65535 <mss 1460>");
	wire_out(w, "R 2:2(0)");
	wire_in(w, "S. 0:0(0) ack 0 win 65535 <mss 1460>");
	wire_out(w, "R 0:0(0)");
	wire_in(w, "R. 0:0(0) ack 77");
	wire_in(w, ". 0:0(0) ack 1");
	wire_idle(w);
	wire_in(w, "F 0:0(0)");
	wire_in(w, "0 0:0(0)");
	wire_idle(w);
	wire_state(w, TCP_SYN_SENT);
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* Linux's tcp_syn_retries 6 behind tcp_syn_linear_timeouts 4: given up after 131 s. */
WIRE_TEST(active_retransmits_and_times_out)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	for (int i = 0; i < 5; i++)
		wire_out(w, "+1s S 0:0(0) <*>");
	wire_out(w, "+2s S 0:0(0) <*>");
	wire_out(w, "+4s S 0:0(0) <*>");
	wire_out(w, "+8s S 0:0(0) <*>");
	wire_out(w, "+16s S 0:0(0) <*>");
	wire_out(w, "+32s S 0:0(0) <*>");
	wire_idle_for(w, SEC(63));
	wire_state(w, TCP_SYN_SENT);
	wire_idle_for(w, SEC(1));
	wire_state(w, TCP_CLOSED);
	wire_connect(w, -ETIMEDOUT);
	wire_count(w, timeouts, 1);
	wire_count(w, attempts_failed, 1);
	wire_end(w);
}

WIRE_TEST(active_answered_late)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_in(w, "+100ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>"); /* its duplicate */
	wire_out(w, ". 1:1(0) ack 1");
	wire_idle_for(w, SEC(20));
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

WIRE_TEST(active_close_while_connecting)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_close(w);
	wire_idle_for(w, SEC(10));
	wire_used(w, conns, 0);
	wire_end(w);
}

WIRE_TEST(active_without_route)
{
	wire_start(w);
	wire_path(w, ENETUNREACH, 1500);
	wire_connect(w, -ENETUNREACH);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}

/* RFC 9293 §3.5, figure 8. */
WIRE_TEST(simultaneous_open)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_state(w, TCP_SYN_RECEIVED);
	wire_in(w, ". 1:1(0) ack 1");
	wire_idle(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_connect(w, 0);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_in(w, ". 1:1(0) ack 11");
	wire_end(w);
}

/* Both sides answer with a SYN-ACK, whose SYN lies before the window. */
WIRE_TEST(simultaneous_open_by_syn_acks)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

WIRE_TEST(simultaneous_open_retransmits)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_out(w, "<=1.1s S. 0:0(0) ack 1 <*>");
	wire_in(w, "R 1:1(0)");
	wire_state(w, TCP_CLOSED);
	wire_connect(w, -ECONNREFUSED);
	wire_end(w);
}

/* Without Fast Open, data on a SYN is neither taken nor an error. */
WIRE_TEST(syn_with_data)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:100(100) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "P. 1:101(100) ack 1");
	wire_accept(w);
	wire_recv(w, 1000, 100);
	wire_out(w, "<=40ms . 1:1(0) ack 101");
	wire_end(w);
}

WIRE_TEST(data_with_the_final_ack)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "FP. 1:101(100) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 102");
	wire_accept(w);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_recv(w, 1000, 100);
	wire_recv(w, 1000, 0);
	wire_end(w);
}

/* The window of the final ACK counts, not that of the SYN. */
WIRE_TEST(final_acks_window)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1460);
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_idle(w);
	wire_end(w);
}

WIRE_TEST(reset_before_accept)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "P. 1:101(100) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 101");
	wire_in(w, "R 101:101(0)");
	wire_accept(w);
	wire_recv(w, 1000, 100);
	wire_recv(w, 1000, -ECONNRESET);
	wire_recv(w, 1000, 0);
	wire_end(w);
}

WIRE_TEST(closing_a_listener_resets_what_waits)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	tcp_close(w->listener);
	w->listener = NULL;
	wire_flush(w);
	wire_flow(w, 0);
	wire_out(w, "R. 1:1(0) ack 1");
	wire_idle_for(w, SEC(100));
	wire_used(w, conns, 0);
	wire_used(w, requests, 0);
	wire_end(w);
}

/* Linux's tcp_synack_retries 5: forgotten after 63 s. */
WIRE_TEST(syn_ack_retransmissions)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+2s S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+4s S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+8s S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+16s S. 0:0(0) ack 1 <mss 1460>");
	wire_idle_for(w, SEC(31));
	wire_listed(w, TCP_SYN_RECEIVED);
	wire_idle_for(w, SEC(1));
	wire_gone(w);
	wire_used(w, requests, 0);
	wire_count(w, synack_retransmits, 5);
	wire_count(w, attempts_failed, 1);
	wire_end(w);
}

WIRE_TEST(syn_again_is_answered_again)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+700ms S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_used(w, requests, 1);
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_accept_none(w);
	wire_end(w);
}

WIRE_TEST(syn_received_bad_ack)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 2");
	wire_out(w, "R 2:2(0)");
	wire_in(w, ". 1:1(0) ack 0");
	wire_out(w, "R 0:0(0)");
	wire_accept_none(w);
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

WIRE_TEST(syn_received_reset)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "R -5:-5(0)");
	wire_in(w, "R 1000000:1000000(0)");
	wire_idle(w);
	/* In the window, but not its first: RFC 5961 §3.2, seldom. */
	wire_in(w, "R 2:2(0)");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "R. 3:3(0) ack 77");
	wire_idle(w);
	wire_used(w, requests, 1);
	wire_in(w, "R 1:1(0)");
	wire_idle_for(w, SEC(10));
	wire_used(w, requests, 0);
	wire_gone(w);
	wire_accept_none(w);
	wire_count(w, attempts_failed, 1);
	wire_end(w);
}

/* A listener: RST is ignored, ACK answered by RST, what is neither SYN nor these is dropped. */
WIRE_TEST(strange_segments_to_a_listener)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "R 0:0(0)");
	wire_in(w, "R. 0:0(0) ack 77");
	wire_in(w, "SR 0:0(0)");
	wire_in(w, "F 0:0(0)");
	wire_in(w, "P 0:10(10)");
	wire_in(w, "0 0:0(0)");
	wire_idle(w);
	wire_in(w, ". 5:5(0) ack 77");
	wire_out(w, "R 77:77(0)");
	wire_in(w, "S. 5:5(0) ack 77");
	wire_out(w, "R 77:77(0)");
	wire_used(w, requests, 0);
	wire_used(w, flows, 0);
	wire_end(w);
}

/* A dual-stack listener (RFC 3493 §3.7) takes IPv4 too, unless it is IPV6_V6ONLY. */
WIRE_TEST4(dual_stack_listener)
{
	wire_start(w);
	w->family = AF_INET6;
	wire_listen(w, 16);
	w->family = AF_INET;
	wire_accepted(w, "<mss 1460>", 65535);
	wire_end(w);
}

static void
no_linear_timeouts(struct tcp_config *config)
{
	config->syn_linear_timeouts = 0;
}

/* RFC 9293 §3.8.3: R2 for a SYN, and what the user asked for. */
WIRE_TEST(retries_are_configurable)
{
	wire_start(w, .syn_retries = 1, .synack_retries = 1, .configure = no_linear_timeouts);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_idle_for(w, SEC(2));
	wire_connect(w, -ETIMEDOUT);
	wire_flow(w, 1);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_idle_for(w, SEC(2));
	wire_gone(w);
	wire_end(w);
}

/* RFC 7323 §2.2: what our SYN said of the window holds, whatever happens to SO_RCVBUF then. */
WIRE_TEST(receive_buffer_changes_while_connecting)
{
	struct note note;

	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	if (!wire_next(w, &note))
		wire_fail(w, "no SYN");
	wire_set(w, SOL_SOCKET, SO_RCVBUF, 2304);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7>");
	wire_out(w, ". 1:1(0) ack 1");
	for (unsigned int i = 0; i < note.n_options; i++)
		if (note.options[i].kind == NOTE_WSCALE)
			WIRE_EQ(w, wire_listing(w).rcv_wscale_shift, note.options[i].a.value);
	/* By whole units of the scale. */
	WIRE_IN(w, wire_rcv_wnd(w), note.win.value, note.win.value + 127);
	wire_end(w);
}

/* Linux: a socket that was connected once, and was told so, does not connect again. */
WIRE_TEST(connected_once)
{
	wire_start(w);
	wire_connected(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:4(3) ack 1");
	wire_in(w, "R 4:4(0)");
	wire_skip(w);
	wire_connect(w, -EISCONN);
	wire_connect(w, -EISCONN);
	wire_idle_for(w, SEC(1));
	wire_state(w, TCP_CLOSED);
	wire_recv(w, 100, 3);
	wire_recv(w, 100, -ECONNRESET);
	wire_connect(w, -EISCONN);
	wire_end(w);
}

/* Linux: whoever waits in accept() or poll() hears that the listener was shut down. */
WIRE_TEST(listener_shut_down)
{
	unsigned int notified;

	wire_start(w);
	wire_listen(w, 16);
	notified = w->listener_notified;
	if (tcp_shutdown(w->listener, SHUT_RD) != 0)
		wire_fail(w, "shutdown()");
	wire_wait(w, MS(1));
	WIRE_EQ(w, w->listener_notified, notified + 1);
	WIRE_EQ(w, tcp_poll(w->listener) & POLLHUP, POLLHUP);
	wire_end(w);
}

/* RFC 6298 §3: after a SYN twice nobody knows which SYN-ACK the ACK is for. */
WIRE_TEST(no_sample_from_a_repeated_syn_ack)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+500ms S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	WIRE_EQ(w, wire_listing(w).srtt_us, 0);
	wire_end(w);
}

/* However many retries are asked for, their interval ends at two minutes. */
WIRE_TEST(very_many_syn_ack_retries)
{
	wire_start(w, .synack_retries = 80);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	for (unsigned int i = 0; i < 80; i++)
		wire_out(w, "+%us S. 0:0(0) ack 1 <mss 1460>", i < 7 ? 1u << i : 120);
	wire_idle_for(w, SEC(300));
	wire_used(w, requests, 0);
	wire_end(w);
}

/* RFC 5681 §3.1 as Linux keeps it: a SYN lost twice leaves an initial window of one segment. */
WIRE_TEST(initial_window_after_lost_syns)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 5 * WIRE_MSS, 5 * WIRE_MSS);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_idle(w);
	wire_end(w);
}

/* RFC 2018 §2. */
WIRE_TEST(active_offers_sack)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) {mss 1460,sackOK,TS val * ecr 0,wscale *}");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,sackOK>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 1:1(0) ack 1 {sack 1461:2921}");
	wire_end(w);
}

enum { DEFER_ACCEPT = 9 };

static void
listen_deferring(struct wire *w, int seconds, int told)
{
	size_t len = sizeof(int);
	int got;

	wire_listen(w, 16);
	WIRE_EQ(w,
		tcp_setsockopt(w->listener, IPPROTO_TCP, DEFER_ACCEPT, &seconds, sizeof(seconds)),
		0);
	WIRE_EQ(w, tcp_getsockopt(w->listener, IPPROTO_TCP, DEFER_ACCEPT, &got, &len), 0);
	WIRE_EQ(w, got, told);
}

/* TCP_DEFER_ACCEPT: a bare ACK is ignored, data opens. Seconds are rounded up to time-outs. */
WIRE_TEST(defer_accept_until_data)
{
	wire_start(w);
	listen_deferring(w, 5, 7);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept_none(w);
	wire_count(w, drop_defer_accept, 1);
	wire_idle_for(w, SEC(2)); /* the SYN-ACK arrived: it is not sent again */
	wire_in(w, "P. 1:101(100) ack 1");
	wire_accept(w);
	wire_recv(w, 100, 100);
	wire_acked(w, 101);
	wire_end(w);
}

/* When the time is over the SYN-ACK asks once more, and a bare ACK does. */
WIRE_TEST(defer_accept_times_out)
{
	wire_start(w);
	listen_deferring(w, 3, 3);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_out(w, "<=3100ms S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* A SYN again is answered, but not each of many. */
WIRE_TEST(repeated_syns_are_answered_seldom)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+100ms S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	for (unsigned int i = 0; i < 40; i++)
		wire_in(w, "+10ms S 0:0(0) win 65535 <mss 1460>");
	wire_idle(w);
	wire_in(w, "+200ms S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_end(w);
}

static void
no_tail_probes(struct tcp_config *config)
{
	config->tlp = false;
}

/* RFC 6298 §5.7: without a sample from the handshake the first data has 3 s, whoever opened. */
WIRE_TEST(timeout_without_a_sample)
{
	wire_start(w, .configure = no_tail_probes);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	for (int i = 0; i < 6; i++)
		wire_out(w, i < 5 ? "+1s S 0:0(0) <*>" : "+2s S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_out(w, "+3s P. 1:101(100) ack 1");
	wire_flow(w, 1);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_idle_for(w, MS(2900));
	wire_out(w, "<=101ms P. 1:101(100) ack 1");
	wire_end(w);
}
