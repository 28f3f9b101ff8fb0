/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP_INFO: what it tells after a short exchange, of a listener, and to callers with little room.
 */
#include <string.h>

#include "wire.h"

static struct tcp_info
info_of(struct wire *w, struct tcp_conn *c)
{
	struct tcp_info i;
	size_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
	return i;
}

WIRE_TEST(a_short_exchange)
{
	struct tcp_info i;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	i = info_of(w, w->flow->c);
	WIRE_EQ(w, i.tcpi_state, 1);
	WIRE_EQ(w, i.tcpi_ca_state, 0);
	WIRE_EQ(w, i.tcpi_options, 0);
	WIRE_EQ(w, i.tcpi_unacked, 1);
	WIRE_EQ(w, i.tcpi_bytes_acked, 0);
	WIRE_EQ(w, i.tcpi_data_segs_out, 1);
	WIRE_EQ(w, i.tcpi_bytes_sent, 1000);
	wire_in(w, "+10ms P. 1:501(500) ack 1001");
	wire_wait(w, MS(5));
	i = info_of(w, w->flow->c);
	WIRE_EQ(w, i.tcpi_unacked, 0);
	WIRE_EQ(w, i.tcpi_bytes_acked, 1000);
	WIRE_EQ(w, i.tcpi_bytes_received, 500);
	WIRE_EQ(w, i.tcpi_data_segs_in, 1);
	WIRE_EQ(w, i.tcpi_snd_mss, 1460);
	WIRE_EQ(w, i.tcpi_advmss, 1460);
	WIRE_EQ(w, i.tcpi_min_rtt, 10000);
	WIRE_EQ(w, i.tcpi_delivered, 2);
	WIRE_EQ(w, i.tcpi_last_data_sent, 15);
	WIRE_EQ(w, i.tcpi_last_data_recv, 5);
	WIRE_EQ(w, i.tcpi_last_ack_recv, 5);
	WIRE_EQ(w, i.tcpi_total_retrans, 0);
	WIRE_EQ(w, i.tcpi_busy_time, 10000);
	WIRE_EQ(w, i.tcpi_rwnd_limited, 0);
	wire_recv(w, 500, 500);
	wire_acked(w, 501);
	wire_end(w);
}

WIRE_TEST(what_was_sent_again)
{
	struct tcp_info i;
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	rto = wire_rto(w);
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", rto);
	i = info_of(w, w->flow->c);
	WIRE_EQ(w, i.tcpi_ca_state, 4);
	WIRE_EQ(w, i.tcpi_backoff, 1);
	WIRE_EQ(w, i.tcpi_retransmits, 1);
	WIRE_EQ(w, i.tcpi_retrans, 1);
	WIRE_EQ(w, i.tcpi_lost, 1);
	WIRE_EQ(w, i.tcpi_total_retrans, 1);
	WIRE_EQ(w, i.tcpi_rto, 2 * rto);
	WIRE_EQ(w, i.tcpi_snd_cwnd, 1);
	WIRE_EQ(w, i.tcpi_bytes_sent, 2000);
	WIRE_EQ(w, i.tcpi_bytes_retrans, 1000);
	wire_in(w, "+10ms . 1:1(0) ack 1001");
	wire_end(w);
}

/* Time behind the peer's window is busy time, and counted for itself, too. */
WIRE_TEST(time_behind_the_peers_window)
{
	struct tcp_info i;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1000);
	wire_send(w, 1500, 1500);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_wait(w, MS(20));
	i = info_of(w, w->flow->c);
	WIRE_EQ(w, i.tcpi_busy_time, 20000);
	WIRE_EQ(w, i.tcpi_rwnd_limited, 20000);
	WIRE_EQ(w, i.tcpi_notsent_bytes, 500);
	wire_in(w, ". 1:1(0) ack 1001 win 1000");
	wire_out(w, "P. 1001:1501(500) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1501");
	wire_wait(w, MS(30)); /* idle time is none of them */
	i = info_of(w, w->flow->c);
	WIRE_EQ(w, i.tcpi_busy_time, 30000);
	WIRE_EQ(w, i.tcpi_rwnd_limited, 20000);
	WIRE_EQ(w, i.tcpi_sndbuf_limited, 0);
	wire_end(w);
}

WIRE_TEST(of_a_listener)
{
	struct tcp_info i;

	wire_start(w);
	wire_listen(w, 7);
	i = info_of(w, w->listener);
	WIRE_EQ(w, i.tcpi_state, 10);
	WIRE_EQ(w, i.tcpi_unacked, 0);
	WIRE_EQ(w, i.tcpi_sacked, 7);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	WIRE_EQ(w, info_of(w, w->listener).tcpi_unacked, 1);
	wire_accept(w);
	WIRE_EQ(w, info_of(w, w->listener).tcpi_unacked, 0);
	wire_end(w);
}

/* Old programs know less than there is, newer ones more: nothing is written past either's end. */
WIRE_TEST(short_and_long_buffers)
{
	uint8_t buf[1024], whole[1024];
	size_t len = sizeof(whole), size;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	memset(whole, 0xa5, sizeof(whole));
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, whole, &len), 0);
	size = len;
	WIRE_IN(w, size, 232, 400);
	WIRE_EQ(w, whole[size], 0xa5);
	for (len = 0; len < size; len++) {
		size_t n = len;

		memset(buf, 0xa5, sizeof(buf));
		WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, buf, &n), 0);
		WIRE_EQ(w, n, len);
		WIRE_EQ(w, memcmp(buf, whole, n), 0);
		WIRE_EQ(w, buf[n], 0xa5);
	}
	wire_end(w);
}
