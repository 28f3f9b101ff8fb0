/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_paths_changed(): whatever is sent from then on goes by the path that env.path names now. The
 * harness fails a packet to another hop than the current one. */
#include "wire.h"

WIRE_TEST(new_data)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_hop(w, 9);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_end(w);
}

/* A connection that only retransmits. */
WIRE_TEST(retransmission)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_hop(w, 9);
	rto = wire_rto(w);
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", rto);
	wire_hop(w, 8);
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", 2 * rto);
	wire_end(w);
}

/* The harness fails a packet that is larger than its path's MTU: by the timer, and by the probe. */
WIRE_TEST(retransmission_over_a_narrow_path)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_path(w, 0, 1300);
	wire_wait(w, SEC(1));
	WIRE_EQ(w, wire_skip(w) > 0, true);
	wire_end(w);
}

WIRE_TEST(tail_loss_probe_over_a_narrow_path)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_path(w, 0, 1300);
	wire_wait(w, SEC(1));
	WIRE_EQ(w, wire_skip(w) > 0, true);
	wire_end(w);
}

WIRE_TEST(zero_window_probe)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1000);
	wire_send(w, 2000, 2000);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 0");
	wire_hop(w, 9);
	wire_out(w, "+%uus . 1000:1000(0) ack 1", wire_rto(w));
	wire_end(w);
}

WIRE_TEST(syn)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_hop(w, 9);
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_end(w);
}

WIRE_TEST(crossing_syn)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_hop(w, 9);
	wire_in(w, "+10ms S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_hop(w, 8);
	wire_out(w, "<=2s S. 0:0(0) ack 1 <*>");
	wire_end(w);
}

WIRE_TEST(syn_ack)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_hop(w, 9);
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_hop(w, 8);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_end(w);
}

/* An ACK that tells a SYN out of place where the half-open connection is. */
WIRE_TEST(ack_of_a_half_open_connection)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_hop(w, 9);
	wire_in(w, "S 100000:100000(0) win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_end(w);
}

/* The change falls between SYN-ACK and final ACK: the connection must not believe its path fresh.
 */
WIRE_TEST(during_the_handshake)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_hop(w, 9);
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_acked(w, 11);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 11");
	wire_end(w);
}

WIRE_TEST(time_wait)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_hop(w, 9);
	wire_in(w, "+1s F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_end(w);
}

/* An acknowledgment that no path carries is lost; what arrives later is owed another. */
WIRE_TEST(acknowledgment_without_a_path)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_path(w, ENETUNREACH, 1500);
	wire_idle_for(w, SEC(1));
	wire_path(w, 0, w->family == AF_INET ? 1500 : 1520);
	wire_in(w, "P. 11:21(10) ack 1");
	wire_acked(w, 21);
	wire_end(w);
}
