/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open, what comes back to a client whose SYN had data, or asked for a cookie. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "fastopen.h"

/* A SYN with the cookie and so many bytes is on its way. */
static void
opened(struct wire *w, unsigned int bytes)
{
	fo_defer(w);
	wire_send(w, bytes, bytes);
	wire_out(w, "S 0:%u(%u) " FO_SYN_COOKIE, bytes, bytes);
}

static void
started(struct wire *w, unsigned int bytes)
{
	wire_start(w);
	fo_learn(w, 1460);
	opened(w, bytes);
}

/* tcpi_options' SYN_DATA, and why not. */
static void
luck(struct wire *w, bool data_acked, int fail)
{
	WIRE_EQ(w, (fo_info(w).tcpi_options & 32) != 0, data_acked);
	WIRE_EQ(w, fo_info(w).tcpi_fastopen_client_fail, fail);
}

/* ---- SYN-ACKs */

WIRE_TEST(all_acknowledged)
{
	started(w, 1000);
	WIRE_EQ(w, fo_info(w).tcpi_unacked, 2);
	wire_in(w, "+10ms S. 0:0(0) ack 1001 win 65535 " FO_ANSWER);
	wire_out(w, ". 1001:1001(0) ack 1");
	wire_state(w, TCP_ESTABLISHED);
	luck(w, true, 0);
	WIRE_EQ(w, fo_info(w).tcpi_unacked, 0);
	WIRE_EQ(w, fo_info(w).tcpi_delivered, 1);
	WIRE_EQ(w, fo_info(w).tcpi_snd_cwnd, 10);
	WIRE_EQ(w, fo_info(w).tcpi_bytes_acked, 1000);
	WIRE_EQ(w, fo_info(w).tcpi_rtt, 10000);
	wire_count(w, fastopen_active, 1);
	wire_count(w, fastopen_active_fail, 0);
	wire_idle_for(w, SEC(10));
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(none_acknowledged)
{
	started(w, 1000);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_idle(w);
	luck(w, false, 2);
	WIRE_EQ(w, fo_info(w).tcpi_delivered, 1);
	WIRE_EQ(w, fo_info(w).tcpi_retrans, 1);
	WIRE_EQ(w, fo_info(w).tcpi_snd_cwnd, 10);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 1000);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQNSD), 0);
	wire_count(w, fastopen_active, 0);
	wire_count(w, fastopen_active_fail, 1);
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 65535");
	WIRE_EQ(w, fo_info(w).tcpi_delivered, 2);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	luck(w, false, 2);
	fo_abort(w);
	/* The cookie is kept. */
	wire_flow(w, 1);
	opened(w, 10);
	wire_end(w);
}

WIRE_TEST(none_acknowledged_and_a_new_cookie)
{
	started(w, 1000);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,FO 01020304>");
	wire_out(w, "P. 1:1001(1000) ack 1");
	fo_abort(w);
	wire_flow(w, 1);
	fo_defer(w);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) <mss 1460,sackOK,TS val * ecr 0,nop,wscale *,FO 01020304,nop,nop>");
	wire_end(w);
}

WIRE_TEST(part_acknowledged)
{
	started(w, 1000);
	wire_in(w, "+10ms S. 0:0(0) ack 401 win 65535 " FO_ANSWER);
	wire_out(w, "P. 401:1001(600) ack 1");
	luck(w, false, 2);
	wire_count(w, fastopen_active_fail, 1);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 600);
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 65535");
	fo_abort(w);
	wire_flow(w, 1);
	opened(w, 10);
	wire_end(w);
}

/* What the peer's segments may hold is smaller than what the SYN took. */
WIRE_TEST(resent_in_smaller_segments)
{
	started(w, 1420);
	wire_in(w, "+10ms S. 0:0(0) ack 101 win 65535 <mss 1000,sackOK>");
	wire_out(w, ". 101:1101(1000) ack 1");
	wire_out(w, "P. 1101:1421(320) ack 1");
	WIRE_EQ(w, fo_info(w).tcpi_unacked, 2);
	WIRE_EQ(w, fo_info(w).tcpi_retrans, 2);
	wire_in(w, "+10ms . 1:1(0) ack 1421 win 65535");
	fo_abort(w);
	wire_end(w);
}

/* And its window, of which the SYN knew nothing: what is beyond it waits. */
WIRE_TEST(resent_as_far_as_the_window_goes)
{
	started(w, 1420);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 1000 " FO_ANSWER);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 1000");
	wire_out(w, "P. 1001:1421(420) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1421 win 1000");
	wire_idle_for(w, SEC(10));
	fo_abort(w);
	wire_end(w);
}

/* A window of nothing is asked for by what is first. */
WIRE_TEST(resent_into_a_closed_window)
{
	started(w, 1420);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 0 <mss 1000,sackOK>");
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 5000");
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 5000");
	wire_out(w, "P. 1001:1421(420) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1421 win 5000");
	wire_idle_for(w, SEC(10));
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(too_much_acknowledged)
{
	started(w, 100);
	wire_in(w, "+10ms S. 0:0(0) ack 102 win 65535 <mss 1040,sackOK,FO badc00ce>");
	wire_out(w, "R 102:102(0)");
	wire_state(w, TCP_SYN_SENT);
	luck(w, false, 0);
	wire_out(w, "+990ms S 0:0(0) " FO_SYN);
	wire_in(w, "+10ms S. 0:0(0) ack 0 win 65535 " FO_ANSWER);
	wire_out(w, "R 0:0(0)");
	wire_in(w, "S. 0:0(0) ack 101 win 65535 " FO_ANSWER);
	wire_out(w, ". 101:101(0) ack 1");
	luck(w, true, 0);
	fo_abort(w);
	/* It taught nothing. */
	wire_flow(w, 1);
	fo_defer(w);
	wire_send(w, 2000, 1420);
	wire_out(w, "S 0:1420(1420) " FO_SYN_COOKIE);
	wire_end(w);
}

WIRE_TEST(payload_on_the_syn_ack)
{
	started(w, 100);
	wire_in(w, "+10ms S. 0:500(500) ack 101 win 65535 " FO_ANSWER);
	wire_out(w, ". 101:101(0) ack 501");
	wire_poll(w, POLLIN | POLLOUT);
	wire_recv(w, 1000, 500);
	luck(w, true, 0);
	wire_in(w, ". 501:1001(500) ack 101 win 65535");
	wire_recv(w, 1000, 500);
	wire_acked(w, 1001);
	fo_abort(w);
	wire_end(w);
}

/* The whole answer and its end. */
WIRE_TEST(payload_and_fin_on_the_syn_ack)
{
	started(w, 100);
	wire_in(w, "+10ms SF. 0:500(500) ack 101 win 65535 " FO_ANSWER);
	wire_out(w, ". 101:101(0) ack 502");
	wire_state(w, TCP_CLOSE_WAIT);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_recv(w, 1000, 500);
	wire_recv(w, 1000, 0);
	wire_close(w);
	wire_out(w, "F. 101:101(0) ack 502");
	wire_in(w, ". 502:502(0) ack 102 win 65535");
	wire_gone(w);
	wire_end(w);
}

WIRE_TEST(fin_on_a_crossing_syn)
{
	started(w, 100);
	wire_in(w, "+10ms SF 0:500(500) win 65535 " FO_ANSWER);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>");
	wire_in(w, ". 1:1(0) ack 101 win 65535");
	wire_state(w, TCP_ESTABLISHED);
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(fin_on_an_ordinary_syn_ack)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN);
	wire_in(w, "+10ms SF. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_idle(w);
	wire_count(w, drop_syn_fin, 1);
	wire_end(w);
}

WIRE_TEST(reset_refuses)
{
	started(w, 100);
	wire_in(w, "+10ms R. 0:0(0) ack 1");
	wire_idle(w);
	wire_poll(w, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	luck(w, false, 0);
	wire_error(w, ECONNREFUSED);
	wire_error(w, 0);
	wire_send(w, 10, -EPIPE);
	wire_used(w, sent_records, 0);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

WIRE_TEST(reset_that_acknowledges_the_data_refuses)
{
	started(w, 100);
	wire_in(w, "+10ms R. 0:0(0) ack 101");
	wire_send(w, 10, -ECONNREFUSED);
	wire_end(w);
}

WIRE_TEST(unreachable)
{
	started(w, 100);
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 0);
	wire_state(w, TCP_CLOSED);
	wire_error(w, EHOSTUNREACH);
	wire_end(w);
}

/* ---- Silence */

/* No SYN after the first has data or the option; as ever, four of them come after a second each. */
WIRE_TEST(nothing_comes_back)
{
	started(w, 1000);
	for (int i = 0; i < 5; i++)
		wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_out(w, "+2s S 0:0(0) " FO_SYN);
	wire_out(w, "+4s S 0:0(0) " FO_SYN);
	wire_out(w, "+8s S 0:0(0) " FO_SYN);
	wire_out(w, "+16s S 0:0(0) " FO_SYN);
	wire_out(w, "+32s S 0:0(0) " FO_SYN);
	wire_idle_for(w, SEC(64));
	wire_state(w, TCP_CLOSED);
	wire_send(w, 10, -ETIMEDOUT);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

WIRE_TEST(request_goes_unanswered)
{
	wire_start(w);
	fo_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, ". 1:1(0) ack 1");
	luck(w, false, 1);
	fo_abort(w);
	/* Which says nothing of the kind. */
	wire_flow(w, 1);
	fo_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_end(w);
}

WIRE_TEST(answered_late)
{
	struct tcp_fastopen_entry entry;
	uint64_t cursor = 0;

	started(w, 1000);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	wire_in(w, "+20ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, "P. 1:1001(1000) ack 1");
	luck(w, false, 3);
	WIRE_EQ(w, fo_info(w).tcpi_delivered, 1);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 1000);
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 65535");
	WIRE_EQ(w, fo_info(w).tcpi_delivered, 2);
	WIRE_EQ(w, tcp_fastopen_list(w->engine, &cursor, &entry, 1), 1);
	WIRE_EQ(w, entry.losses, 1);
	fo_abort(w);
	wire_flow(w, 1);
	opened(w, 10);
	wire_in(w, "+10ms S. 0:0(0) ack 11 win 65535 " FO_ANSWER);
	wire_out(w, ". 11:11(0) ack 1");
	cursor = 0;
	WIRE_EQ(w, tcp_fastopen_list(w->engine, &cursor, &entry, 1), 1);
	WIRE_EQ(w, entry.losses, 0);
	fo_abort(w);
	wire_end(w);
}

/* The SYN-ACK to the first SYN was late, not lost. */
WIRE_TEST(late_answer_to_the_first_syn)
{
	started(w, 1000);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_in(w, "+20ms S. 0:0(0) ack 1001 win 65535 " FO_ANSWER);
	wire_out(w, ". 1001:1001(0) ack 1");
	luck(w, true, 0);
	wire_count(w, fastopen_active, 1);
	fo_abort(w);
	wire_end(w);
}

/* What was sent at once again is lost, too: it is retransmitted like any other data. */
WIRE_TEST(data_lost_again)
{
	started(w, 1000);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", wire_rto(w));
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 65535");
	wire_idle_for(w, SEC(10));
	fo_abort(w);
	wire_end(w);
}

/* ---- ICMP */

static void
too_big(struct wire *w, uint16_t mtu)
{
	unsigned int mss = mtu - (w->family == AF_INET ? 40 : 60);

	started(w, 1420);
	wire_wait(w, MS(10));
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, mtu, 0);
	wire_out(w, "S 0:0(0) <mss %u,sackOK,TS val * ecr 0,nop,wscale *>", mss);
	/* The same again changes nothing. */
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, mtu, 0);
	wire_idle(w);
	wire_in(w, "+20ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, ". 1:%u(%u) ack 1", mss + 1, mss);
	if (mss * 2 < 1420) {
		wire_out(w, ". %u:%u(%u) ack 1", mss + 1, 2 * mss + 1, mss);
		wire_out(w, "P. %u:1421(%u) ack 1", 2 * mss + 1, 1420 - 2 * mss);
	} else {
		wire_out(w, "P. %u:1421(%u) ack 1", mss + 1, 1420 - mss);
	}
	luck(w, false, 3);
	wire_in(w, "+10ms . 1:1(0) ack 1421 win 65535");
	fo_abort(w);
	/* What fits is remembered. */
	wire_flow(w, 1);
	fo_defer(w);
	wire_send(w, 2000, (int)mss - 40);
	wire_out(w, "S 0:%u(%u) <*>", mss - 40, mss - 40);
	wire_end(w);
}

WIRE_TEST4(fragmentation_needed)
{
	too_big(w, 840);
}

WIRE_TEST4(fragmentation_needed_much)
{
	too_big(w, 600);
}

WIRE_TEST6(packet_too_big)
{
	too_big(w, 1280);
}

/* An ordinary SYN is small. */
WIRE_TEST(fragmentation_needed_without_data)
{
	wire_start(w);
	fo_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 1300, 0);
	wire_idle(w);
	wire_end(w);
}

/* ---- SYNs that cross */

/* Nothing of Fast Open is left then, on either side: the answer is that to an ordinary SYN. */
WIRE_TEST(syns_cross)
{
	started(w, 1000);
	wire_in(w, "+5ms S 0:500(500) win 65535 <mss 1460,sackOK,FO 87654321>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>");
	wire_state(w, TCP_SYN_RECEIVED);
	wire_in(w, "+10ms S. 0:0(0) ack 1001 win 65535 <mss 1460,sackOK,FO 12345678>");
	wire_out(w, ". 1001:1001(0) ack 1 <nop,nop,sack 0:1>");
	wire_state(w, TCP_ESTABLISHED);
	luck(w, false, 0);
	wire_in(w, "P. 1:501(500) ack 1001 win 65535");
	wire_recv(w, 1000, 500);
	wire_acked(w, 501);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(syns_cross_and_the_data_is_lost)
{
	started(w, 1000);
	wire_in(w, "+5ms S 0:0(0) win 65535 <mss 1460,sackOK>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_state(w, TCP_ESTABLISHED);
	wire_out(w, "<=3s P. 1:1001(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 65535");
	wire_idle_for(w, SEC(10));
	fo_abort(w);
	wire_end(w);
}

/* ---- Ends before an answer */

WIRE_TEST(closed_before_the_answer)
{
	started(w, 100);
	wire_close(w);
	wire_idle_for(w, SEC(10));
	wire_used(w, conns, 0);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

WIRE_TEST(shut_down_before_the_answer)
{
	started(w, 100);
	wire_shutdown(w, SHUT_WR, 0);
	wire_state(w, TCP_CLOSED);
	wire_error(w, ECONNRESET);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}
