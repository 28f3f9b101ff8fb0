/* SPDX-License-Identifier: BSD-3-Clause */
/* Repair: who may, and that a connection in repair is frozen. */
#include <sys/ioctl.h>

#include "repair_calls.h"

static void
plain(struct tcp_config *config)
{
	config->tlp = false;
	config->rack = false;
}

/* Who may not may not even turn it off; what is no connection yet may, a listener may not. */
WIRE_TEST(permission)
{
	wire_start(w);
	wire_open(w);
	for (int v = -2; v <= 2; v++)
		WIRE_EQ(w, try_set(w, TCP_REPAIR, v), -EPERM);
	WIRE_EQ(w, try_get(w, TCP_REPAIR), 0);
	tcp_set_privileged(w->flow->c, true);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, 2), -EINVAL);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, -2), -EINVAL);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR, "", 1), -EINVAL);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, 1), 0);
	WIRE_EQ(w, try_get(w, TCP_REPAIR), 1);
	tcp_set_privileged(w->flow->c, false);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, 0), -EPERM);
	WIRE_EQ(w, try_get(w, TCP_REPAIR), 1);
	tcp_set_privileged(w->flow->c, true);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, -1), 0);
	wire_listen(w, 1);
	tcp_set_privileged(w->listener, true);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_REPAIR, &(int){1}, 4), -EPERM);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_REPAIR, &(int){7}, 4), -EPERM);
	wire_end(w);
}

/* An accepted socket is its program's only when the program has it. */
WIRE_TEST(permission_is_not_inherited)
{
	wire_start(w);
	wire_listen(w, 1);
	tcp_set_privileged(w->listener, true);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, 1), -EPERM);
	wire_end(w);
}

WIRE_TEST(reuseaddr_reads_2)
{
	wire_start(w);
	wire_open(w);
	repair_on(w);
	wire_get(w, SOL_SOCKET, SO_REUSEADDR, 2);
	repair_off(w, -1);
	wire_get(w, SOL_SOCKET, SO_REUSEADDR, 0);
	wire_set(w, SOL_SOCKET, SO_REUSEADDR, 1);
	repair_on(w);
	wire_get(w, SOL_SOCKET, SO_REUSEADDR, 2);
	repair_off(w, 0);
	wire_get(w, SOL_SOCKET, SO_REUSEADDR, 1);
	wire_end(w);
}

/* Whatever comes is dropped: data, acknowledgments, resets, ICMP errors; then all is as it was. */
WIRE_TEST(nothing_arrives)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 500, 500);
	wire_out(w, "P. 1:501(500) ack 1");
	repair_on(w);
	wire_in(w, "P. 1:101(100) ack 501");
	wire_in(w, ". 1:1(0) ack 501 win 100");
	wire_in(w, "R. 1:1(0) ack 501");
	wire_in(w, "S 5:5(0) win 65535 <mss 1460>");
	wire_in(w, "F. 1:1(0) ack 501");
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 600, 1);
	wire_icmp(w, TCP_ICMP_REFUSED, ECONNREFUSED, 0, 1);
	wire_count(w, drop_frozen, 5);
	wire_count(w, icmp_ignored, 2);
	WIRE_EQ(w, queued(w, FIONREAD), 0);
	WIRE_EQ(w, queued(w, TIOCOUTQ), 500);
	wire_state(w, TCP_ESTABLISHED);
	repair_off(w, -1);
	wire_in(w, "P. 1:101(100) ack 501");
	wire_acked(w, 101);
	wire_recv(w, 200, 100);
	wire_end(w);
}

/* An hour in repair is no time to its timers: each fires as late as it would have. */
WIRE_TEST(timers_stand_still)
{
	unsigned int rto_us;

	wire_start(w, .configure = plain);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 2000);
	wire_send(w, 500, 500);
	wire_out(w, "P. 1:501(500) ack 1");
	rto_us = wire_rto(w);
	wire_wait(w, MS(50));
	repair_on(w);
	wire_idle_for(w, SEC(3600));
	repair_off(w, -1);
	wire_idle(w);
	wire_out(w, "+%uus P. 1:501(500) ack 1", rto_us - 50000);
	wire_in(w, "+10ms . 1:1(0) ack 501");
	/* Seven quiet days in repair are no reason for a keep-alive. */
	repair_on(w);
	wire_idle_for(w, SEC(7 * 86400));
	repair_off(w, -1);
	wire_idle_for(w, SEC(7190));
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* A delayed acknowledgment does not wait for as long as repair may take, and leaves once. */
WIRE_TEST(delayed_ack_leaves_first)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_wait(w, MS(15));
	repair_on(w);
	wire_flush(w);
	wire_out(w, ". 1:1(0) ack 101");
	wire_idle_for(w, SEC(10));
	repair_off(w, -1);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}

/* The time in repair is in no round trip, nor does RACK take it for a loss. */
WIRE_TEST(round_trips_leave_it_out)
{
	uint32_t srtt_us;

	wire_start(w, .no_timestamps = true);
	wire_accepted(w, "<mss 1460>", 65535);
	srtt_us = wire_listing(w).srtt_us;
	wire_send(w, 1460, 1460);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_wait(w, MS(5));
	repair_on(w);
	wire_idle_for(w, SEC(5));
	repair_off(w, -1);
	wire_in(w, "+5ms . 1:1(0) ack 1461");
	WIRE_IN(w, wire_listing(w).srtt_us, srtt_us - 200, srtt_us + 200);
	wire_end(w);
}

/* What the user does meanwhile stays inside: options that push, a window that opens, FIN. */
WIRE_TEST(nothing_leaves)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_send(w, 100, 100);
	repair_on(w);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 1);
	wire_shutdown(w, SHUT_WR, 0);
	wire_idle_for(w, SEC(100));
	repair_off(w, -1);
	wire_out(w, "FP. 1:101(100) ack 1");
	wire_end(w);
}

/* Options that set a timer set none in repair; a connection made in it is frozen from the start. */
WIRE_TEST(frozen_from_the_start)
{
	wire_start(w);
	repair_connect(w);
	wire_in(w, "P. 1:101(100) ack 1 win 1000");
	wire_count(w, drop_frozen, 1);
	wire_set(w, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_idle_for(w, SEC(100));
	repair_off(w, -1);
	wire_out(w, "<=102s . 0:0(0) ack 1");
	wire_end(w);
}

/* A SYN that waits for its answer waits on, and takes it afterwards. */
WIRE_TEST(syn_sent)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_wait(w, MS(400));
	repair_on(w);
	wire_idle_for(w, SEC(600));
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_count(w, drop_frozen, 1);
	repair_off(w, 0);
	wire_idle(w);
	wire_out(w, "+600ms S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1 <*>");
	wire_state(w, TCP_ESTABLISHED);
	wire_count(w, repair_probes, 0);
	wire_end(w);
}

/* Silence: no FIN, no reset even with data unread, and none for what comes in the minute after. */
WIRE_TEST(close_is_silent_and_mute)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_acked(w, 101);
	wire_send(w, 200, 200);
	wire_out(w, "P. 1:201(200) ack 101");
	repair_on(w);
	wire_close(w);
	wire_idle(w);
	wire_used(w, conns, 1); /* the listener */
	wire_used(w, mutes, 1);
	wire_used(w, flows, 1);
	wire_used(w, sent_records, 0);
	wire_in(w, "P. 101:201(100) ack 201");
	wire_in(w, "R 101:101(0)");
	wire_in(w, "+58s S 70000:70000(0) win 65535 <mss 1460>");
	wire_count(w, drop_mute, 3);
	wire_idle(w);
	wire_wait(w, SEC(2));
	wire_used(w, mutes, 0);
	wire_used(w, flows, 0);
	wire_in(w, "P. 101:201(100) ack 201");
	wire_out(w, "R 201:201(0)");
	wire_end(w);
}

/* A program that dies in repair is no other. */
WIRE_TEST(abort_is_silent_and_mute)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	repair_on(w);
	wire_abort(w);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_count(w, drop_mute, 1);
	wire_idle(w);
	wire_end(w);
}

/* In CLOSED there is no address to be silent for. */
WIRE_TEST(close_of_no_connection)
{
	wire_start(w);
	wire_open(w);
	repair_on(w);
	wire_close(w);
	wire_used(w, conns, 0);
	wire_used(w, mutes, 0);
	wire_end(w);
}

static void
few_mutes(struct tcp_config *config)
{
	config->max_mutes = 2;
}

/* The table is bounded: the oldest gives way. */
WIRE_TEST(mute_table_is_bounded)
{
	wire_start(w, .configure = few_mutes);
	for (unsigned int i = 0; i < 3; i++) {
		wire_flow(w, i);
		wire_accepted(w, "<mss 1460>", 65535);
		repair_on(w);
		wire_close(w);
	}
	wire_used(w, mutes, 2);
	wire_count(w, mutes, 3);
	wire_count(w, mutes_evicted, 1);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_flow(w, 1);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_count(w, drop_mute, 2);
	wire_flow(w, 0);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_out(w, "R 1:1(0)");
	wire_end(w);
}

/* A mute address is no obstacle for another socket at its port, but its 4-tuple is taken. */
WIRE_TEST(mute_port)
{
	struct tcp_conn *c;
	struct tcp_endpoint local;

	wire_start(w);
	wire_connected(w, "<mss 1460>", 65535);
	local = w->flow->local;
	repair_on(w);
	wire_close(w);
	WIRE_EQ(w, tcp_open(w->engine, w->family, &c), 0);
	WIRE_EQ(w, tcp_bind(c, &local), 0);
	WIRE_EQ(w, tcp_connect(c, &w->flow->remote), -EADDRNOTAVAIL);
	WIRE_EQ(w, tcp_listen(c, 1), 0);
	tcp_close(c);
	wire_end(w);
}

/* connect() to AF_UNSPEC in repair: silent, too. */
WIRE_TEST(disconnect_is_silent)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	repair_on(w);
	wire_disconnect(w);
	wire_idle(w);
	wire_state(w, TCP_CLOSED);
	wire_error(w, ECONNABORTED);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_count(w, drop_mute, 1);
	wire_end(w);
}

/* An engine whose connections are yet to come answers nothing but SYNs. */
WIRE_TEST(restoring)
{
	wire_start(w);
	tcp_set_restoring(w->engine, true);
	wire_in(w, "P. 1:101(100) ack 1 win 1000");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_in(w, "F. 1:1(0) ack 1 win 1000");
	wire_count(w, drop_restoring, 3);
	wire_listen(w, 2);
	wire_in(w, ". 1:1(0) ack 1 win 1000");
	wire_count(w, drop_restoring, 4);
	wire_idle(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_flow(w, 1);
	w->flow->remote.port = 999;
	w->flow->local.port = 81;
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "R. 0:0(0) ack 1");
	tcp_set_restoring(w->engine, false);
	wire_in(w, "P. 1:101(100) ack 1 win 1000");
	wire_out(w, "R 1:1(0)");
	wire_end(w);
}
