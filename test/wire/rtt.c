/* SPDX-License-Identifier: BSD-3-Clause */
/* The round trip and the time-out made of it: RFC 6298 in Linux's form, to the microsecond. */
#include <string.h>

#include "wire.h"

static struct tcp_info
info(struct wire *w)
{
	struct tcp_info i;
	size_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
	return i;
}

static void
expect(struct wire *w, uint32_t rtt_us, uint32_t rttvar_us, uint32_t rto_us)
{
	struct tcp_info i = info(w);

	WIRE_EQ(w, i.tcpi_rtt, rtt_us);
	WIRE_EQ(w, i.tcpi_rttvar, rttvar_us);
	WIRE_EQ(w, i.tcpi_rto, rto_us);
}

/* A connection whose handshake took that long. */
static void
accepted_after(struct wire *w, uint32_t ms)
{
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+%ums . 1:1(0) ack 1", ms);
	wire_accept(w);
}

/* A segment that is acknowledged after that long. */
static void
sample(struct wire *w, uint32_t us)
{
	uint32_t seq = 1 + (uint32_t)info(w).tcpi_bytes_acked;

	wire_send(w, 1000, 1000);
	wire_out(w, "P. %u:%u(1000) ack 1", seq, seq + 1000);
	wire_in(w, "+%uus . 1:1(0) ack %u", us, seq + 1000);
}

WIRE_TEST(variance_rises_at_once_and_falls_by_round_trips)
{
	wire_start(w);
	accepted_after(w, 100);
	expect(w, 100000, 50000, 300000);
	sample(w, 100000);
	expect(w, 100000, 37500, 300000);
	sample(w, 250000); /* 150 ms late: 150000 - 37500 more */
	expect(w, 118750, 65625, 381250 + 750);
	sample(w, 118750);
	expect(w, 118750, 49218, 366000);
	wire_end(w);
}

/* A shorter round trip is no reason to wait longer: its error counts an eighth. */
WIRE_TEST(shorter_round_trips)
{
	wire_start(w);
	accepted_after(w, 400);
	expect(w, 400000, 200000, 1200000);
	sample(w, 10000);
	/* 390000 - 200000 = 190000, an eighth of that 23750 */
	expect(w, 351250, 205937, 1175000);
	wire_end(w);
}

/* The variance's part is never below 200 ms, however steady the round trip. */
WIRE_TEST(least_time_out)
{
	wire_start(w);
	accepted_after(w, 10);
	for (unsigned int i = 0; i < 50; i++)
		sample(w, 10000);
	WIRE_EQ(w, info(w).tcpi_rto, 210000);
	WIRE_IN(w, info(w).tcpi_rttvar, 0, 10);
	wire_end(w);
}

/* RFC 7323 §4.1: the SYN-ACK was sent again, and the echo tells which one was answered. */
WIRE_TEST(sample_from_the_handshakes_echo)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,TS val 1 ecr 0>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 0 ecr 1>");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 1000 ecr 1>");
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,TS val 20 ecr 1000>");
	wire_accept(w);
	expect(w, 10000, 5000, 210000);
	WIRE_EQ(w, info(w).tcpi_min_rtt, 10000);
	wire_end(w);
}

/* RFC 6298 §5.7: the SYN-ACK was sent again, and nothing tells of the round trip: 3 s. */
WIRE_TEST(no_sample_from_the_handshake)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	expect(w, 0, 750000, 3000000);
	sample(w, 10000);
	expect(w, 10000, 5000, 210000);
	wire_end(w);
}
