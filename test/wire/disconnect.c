/* SPDX-License-Identifier: BSD-3-Clause */
/* connect() to AF_UNSPEC, in each state. */
#include "wire.h"

WIRE_TEST(an_open_connection_is_reset)
{
	wire_start(w);
	wire_connected(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 11");
	wire_disconnect(w);
	wire_out(w, "R. 1:1(0) ack 11");
	wire_poll(w, POLLOUT | POLLERR | POLLHUP);
	WIRE_EQ(w, tcp_readable(w->flow->c), 0);
	wire_recv(w, 1, -ECONNRESET);
	wire_recv(w, 1, -ENOTCONN);
	wire_poll(w, POLLOUT | POLLHUP);
	wire_used(w, flows, 0);
	wire_end(w);
}

WIRE_TEST(a_connection_in_the_making_ends)
{
	wire_start(w);
	w->flow->local.port = 0;
	wire_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) {mss 1460,sackOK,TS val 0 ecr 0,wscale *}");
	wire_disconnect(w);
	wire_poll(w, POLLOUT | POLLERR | POLLHUP);
	wire_used(w, flows, 0);
	wire_idle_for(w, SEC(3));
	wire_again(w, 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) {mss 1460,sackOK,TS val 0 ecr 0,wscale *}");
	wire_end(w);
}

WIRE_TEST(a_fresh_socket_stays_one)
{
	wire_start(w);
	wire_open(w);
	wire_disconnect(w);
	wire_poll(w, POLLOUT | POLLHUP);
	wire_end(w);
}

WIRE_TEST(a_listener_ends_and_may_listen_anew)
{
	wire_start(w);
	wire_listen(w, 5);
	tcp_disconnect(w->listener);
	WIRE_EQ(w, tcp_state(w->listener), TCP_CLOSED);
	wire_in(w, "S 0:0(0) <mss 1460>");
	wire_out(w, "R. 0:0(0) ack 1");
	WIRE_EQ(w, tcp_listen(w->listener, 5), 0);
	wire_end(w);
}
