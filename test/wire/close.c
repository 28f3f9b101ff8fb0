/* SPDX-License-Identifier: BSD-3-Clause */
/* Closing from either side, in every order: RFC 9293 §3.6 and §3.10.4-5, RFC 2525 §2.17, RFC 1122
 * §4.2.2.13. */
#include "wire.h"

WIRE_TEST(we_close_first)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_listed(w, TCP_FIN_WAIT_1);
	wire_used(w, orphans, 1);
	wire_in(w, "+10ms . 1:1(0) ack 2");
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_in(w, "+10ms F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_used(w, orphans, 0);
	wire_used(w, timewait, 1);
	wire_used(w, conns, 1); /* the listener */
	wire_count(w, timewait_entered, 1);
	wire_idle_for(w, MS(59999));
	wire_listed(w, TCP_TIME_WAIT);
	wire_idle_for(w, MS(2));
	wire_gone(w);
	wire_used(w, timewait, 0);
	wire_used(w, flows, 0);
	wire_end(w);
}

WIRE_TEST(peer_closes_first)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 2");
	wire_state(w, TCP_CLOSE_WAIT);
	WIRE_EQ(w, w->flow->notified, 1);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_recv(w, 10, 0);
	wire_recv(w, 10, 0);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 2");
	wire_in(w, ". 2:2(0) ack 11");
	wire_close(w);
	wire_out(w, "F. 11:11(0) ack 2");
	wire_listed(w, TCP_LAST_ACK);
	wire_in(w, "+10ms . 2:2(0) ack 12");
	wire_gone(w);
	wire_used(w, timewait, 0);
	wire_used(w, conns, 1);
	wire_end(w);
}

WIRE_TEST(both_close)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_CLOSING);
	wire_in(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_idle_for(w, MS(60001));
	wire_gone(w);
	wire_end(w);
}

/* In CLOSING our FIN may be lost. */
WIRE_TEST(both_close_and_ours_is_lost)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, ". 2:2(0) ack 2");
	wire_out(w, "<=230ms F. 1:1(0) ack 2");
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, ". 2:2(0) ack 2");
	wire_in(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

WIRE_TEST(fin_that_acknowledges_our_fin)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

WIRE_TEST(fin_rides_on_data)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "FP. 1:101(100) ack 1");
	wire_recv(w, 1000, 100);
	wire_recv(w, 1000, 0);
	wire_acked(w, 102);
	wire_hold(w);
	wire_send(w, 2000, 2000);
	wire_close(w);
	wire_release(w);
	wire_out(w, ". 1:1461(1460) ack 102");
	wire_out(w, "FP. 1461:2001(540) ack 102");
	wire_listed(w, TCP_LAST_ACK);
	wire_in(w, ". 102:102(0) ack 2002");
	wire_gone(w);
	wire_end(w);
}

/* What is queued is sent before the FIN, however long it takes. */
WIRE_TEST(close_with_data_queued)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 2920);
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_close(w);
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 2921 win 2920");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_out(w, "FP. 4381:5001(620) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 5002 win 2920");
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

WIRE_TEST(half_close)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_state(w, TCP_FIN_WAIT_1);
	wire_send(w, 10, -EPIPE);
	wire_poll(w, POLLOUT);
	wire_in(w, ". 1:1(0) ack 2");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_in(w, "P. 1:1001(1000) ack 2");
	wire_recv(w, 2000, 1000);
	wire_acked(w, 1001);
	wire_idle_for(w, SEC(300)); /* only an orphan's FIN-WAIT-2 ends by itself */
	wire_state(w, TCP_FIN_WAIT_2);
	wire_in(w, "F. 1001:1001(0) ack 2");
	wire_out(w, ". 2:2(0) ack 1002");
	wire_listed(w, TCP_TIME_WAIT);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	wire_recv(w, 10, 0);
	wire_shutdown(w, SHUT_RDWR, -ENOTCONN);
	wire_close(w);
	wire_listed(w, TCP_TIME_WAIT);
	wire_idle_for(w, MS(60001));
	wire_gone(w);
	wire_end(w);
}

WIRE_TEST(shutdown_answers)
{
	wire_start(w);
	wire_open(w);
	wire_shutdown(w, SHUT_WR, -ENOTCONN);
	wire_close(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_shutdown(w, 3, -EINVAL);
	wire_shutdown(w, -1, -EINVAL);
	wire_shutdown(w, SHUT_RD, 0);
	wire_idle(w);
	wire_recv(w, 10, 0);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_shutdown(w, SHUT_RDWR, 0);
	wire_out(w, "F. 11:11(0) ack 1");
	wire_shutdown(w, SHUT_WR, 0);
	wire_end(w);
}

/*
 * RFC 1122 §4.2.2.13: data that nobody will ever read is answered by RST. Its number is SND.NXT, as
 * of any abort (RFC 9293 §3.10.5).
 */
WIRE_TEST(data_after_close)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 2");
	wire_in(w, "P. 1:11(10) ack 2");
	wire_out(w, "R 2:2(0)");
	wire_gone(w);
	wire_count(w, drop_after_close, 1);
	wire_count(w, orphans_reset, 1);
	wire_end(w);
}

/* The same while our FIN is on its way. */
WIRE_TEST(data_after_close_in_fin_wait_1)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "P. 1:11(10) ack 1");
	wire_out(w, "R 1:1(0)");
	wire_gone(w);
	wire_end(w);
}

/* RFC 2525 §2.17. */
WIRE_TEST(close_with_unread_data)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_recv(w, 50, 50);
	wire_skip(w);
	wire_close(w);
	wire_out(w, "R. 1:1(0) ack 101");
	wire_gone(w);
	wire_used(w, held_bufs, 0);
	wire_count(w, orphans_reset, 1);
	wire_idle_for(w, SEC(1));
	wire_end(w);
}

/* Unread, and after the peer's FIN. */
WIRE_TEST(close_with_unread_data_in_close_wait)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "FP. 1:101(100) ack 1");
	wire_acked(w, 102);
	wire_close(w);
	wire_out(w, "R. 1:1(0) ack 102");
	wire_gone(w);
	wire_end(w);
}

WIRE_TEST(linger_of_zero)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0}, got;
	size_t len = sizeof(got);

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_LINGER, &got, &len), 0);
	WIRE_EQ(w, got.l_onoff, 1);
	WIRE_EQ(w, got.l_linger, 0);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_close(w);
	wire_out(w, "R. 1001:1001(0) ack 1");
	wire_gone(w);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

/* RFC 9293 §3.10.5: <SEQ=SND.NXT><CTL=RST>; what was never sent is not counted. */
WIRE_TEST(abort_with_data_queued)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1460);
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_abort(w);
	wire_out(w, "R. 1461:1461(0) ack 1");
	wire_gone(w);
	wire_used(w, queued_bufs, 0);
	wire_used(w, sent_records, 0);
	wire_end(w);
}

/* Linux's tcp_fin_timeout, here as long as TIME-WAIT. */
WIRE_TEST(fin_wait_2_of_an_orphan_ends)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 2");
	wire_idle_for(w, SEC(59));
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_idle_for(w, SEC(2));
	wire_gone(w);
	wire_used(w, conns, 1);
	wire_end(w);
}

WIRE_TEST(last_ack_is_lost)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "F. 1:1(0) ack 1");
	wire_acked(w, 2);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 2");
	wire_out(w, "<=230ms F. 1:1(0) ack 2");
	wire_in(w, "F. 1:1(0) ack 1"); /* the peer has not heard us */
	wire_acked(w, 2);
	wire_in(w, ". 2:2(0) ack 2");
	wire_gone(w);
	wire_end(w);
}

/* A reset ends each of the closing states. */
static void
reset_in(struct wire *w, unsigned int flow, enum tcp_state state)
{
	unsigned int rcv_nxt = 1;

	wire_flow(w, flow);
	wire_accepted(w, "<mss 1460>", 65535);
	if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK) {
		wire_in(w, "F. 1:1(0) ack 1");
		wire_acked(w, 2);
		rcv_nxt = 2;
	}
	if (state != TCP_CLOSE_WAIT) {
		wire_close(w);
		wire_out(w, "F. 1:1(0) ack %u", rcv_nxt);
	}
	if (state == TCP_FIN_WAIT_2)
		wire_in(w, ". 1:1(0) ack 2");
	if (state == TCP_CLOSING) {
		wire_in(w, "F. 1:1(0) ack 1");
		wire_out(w, ". 2:2(0) ack 2");
		rcv_nxt = 2;
	}
	wire_listed(w, state);
	wire_in(w, "R %u:%u(0)", rcv_nxt, rcv_nxt);
	wire_gone(w);
	if (w->flow->c != NULL)
		wire_close(w);
	wire_idle_for(w, SEC(1));
	wire_used(w, conns, 1);
}

WIRE_TEST(reset_in_every_closing_state)
{
	wire_start(w);
	reset_in(w, 0, TCP_FIN_WAIT_1);
	reset_in(w, 1, TCP_FIN_WAIT_2);
	reset_in(w, 2, TCP_CLOSING);
	reset_in(w, 3, TCP_CLOSE_WAIT);
	reset_in(w, 4, TCP_LAST_ACK);
	wire_end(w);
}

/* A FIN is part of the sequence space: ours is acknowledged only by its own number. */
WIRE_TEST(ack_of_data_but_not_of_fin)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_hold(w);
	wire_send(w, 100, 100);
	wire_close(w);
	wire_release(w);
	wire_out(w, "FP. 1:101(100) ack 1");
	wire_in(w, ". 1:1(0) ack 101");
	wire_listed(w, TCP_FIN_WAIT_1);
	wire_out(w, "<=230ms F. 101:101(0) ack 1");
	wire_in(w, ". 1:1(0) ack 102");
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

WIRE_TEST(unaccepted_connection_closed_by_its_peer)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "P. 1:11(10) ack 1");
	wire_in(w, "F. 11:11(0) ack 1");
	wire_acked(w, 12);
	wire_accept(w);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, 0);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 12");
	wire_end(w);
}

static void
shut_on_end(struct wire *w, struct wire_flow *f)
{
	uint8_t byte;

	(void)w;
	if (tcp_recv(f->c, &byte, 1, 0) == 0 && tcp_shutdown(f->c, SHUT_WR) != 0)
		wire_fail(w, "shutdown()");
}

/* A user who answers the stream's end from inside notify() is not told for ever of his own doing:
 * the harness allows one notification for each connection and call. */
WIRE_TEST(shutdown_inside_notify)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	w->on_notify = shut_on_end;
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, "F. 1:1(0) ack 2");
	wire_idle_for(w, MS(100));
	WIRE_IN(w, w->flow->notified, 1, 3);
	wire_state(w, TCP_LAST_ACK);
	w->on_notify = NULL;
	wire_in(w, ". 2:2(0) ack 2");
	wire_state(w, TCP_CLOSED);
	wire_end(w);
}

/* The FIN does not wait for the congestion window: nothing follows it. */
WIRE_TEST(fin_beyond_the_congestion_window)
{
	wire_start(w);
	wire_accepted(w, "<mss 1000>", 65535);
	wire_send(w, 10000, 10000);
	for (unsigned int i = 0; i < 10; i++)
		wire_out(w, ". %u:%u(1000) ack 1", 1 + 1000 * i, 1001 + 1000 * i);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 10001:10001(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 10002");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

/* A reset carries timestamps where the connection has them. */
WIRE_TEST(reset_with_timestamps)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,TS val 1000 ecr 0>", 65535);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_skip(w);
	wire_wait(w, SEC(1));
	wire_skip(w);
	wire_close(w);
	wire_out(w, "R. 1:1(0) ack 101 {TS val * ecr *}");
	wire_end(w);
}

enum { LINGER2 = 8 };

/* TCP_LINGER2: how long an orphan waits for the peer's FIN; below 0 not at all. */
WIRE_TEST(linger2)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_get(w, IPPROTO_TCP, LINGER2, 60);
	wire_set(w, IPPROTO_TCP, LINGER2, 1000);
	wire_get(w, IPPROTO_TCP, LINGER2, 120);
	wire_set(w, IPPROTO_TCP, LINGER2, 5);
	wire_get(w, IPPROTO_TCP, LINGER2, 5);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 2");
	wire_idle_for(w, MS(4900));
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_idle_for(w, MS(200));
	wire_gone(w);
	wire_end(w);
}

WIRE_TEST(linger2_negative)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, LINGER2, -5);
	wire_get(w, IPPROTO_TCP, LINGER2, -1);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 2");
	wire_gone(w);
	/* In FIN-WAIT-2 already, close() resets. */
	wire_flow(w, 1);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, LINGER2, -1);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 2");
	wire_close(w);
	wire_out(w, "R. 2:2(0) ack 1");
	wire_gone(w);
	wire_end(w);
}

/* SO_LINGER is told as it was set; only 0 seconds reset. */
WIRE_TEST(linger_seconds)
{
	struct linger l = {1, 30}, got = {0};
	size_t len = sizeof(got);

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_LINGER, &got, &len), 0);
	WIRE_EQ(w, got.l_onoff, 1);
	WIRE_EQ(w, got.l_linger, 30);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, SO_LINGER, &l, 4), -EINVAL);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_end(w);
}
