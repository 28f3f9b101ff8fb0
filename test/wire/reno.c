/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers without SACK: duplicate acknowledgments count as if each had SACKed a segment. */
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
flight(struct wire *w, unsigned int queued, unsigned int sent)
{
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, queued * WIRE_MSS, queued * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), sent);
}

/* A duplicate, with what was acknowledged last; returns how many segments answer it. */
static unsigned int
dup(struct wire *w)
{
	wire_in(w, "+1ms . 1:1(0) ack %u", 1 + (unsigned int)info(w).tcpi_bytes_acked);
	return wire_skip(w);
}

/* RFC 3042, and then it was reordering: of three acknowledged two had been told of before. */
WIRE_TEST(slow_start_counts_what_is_new)
{
	wire_start(w);
	flight(w, 15, 10);
	WIRE_EQ(w, dup(w), 1);
	WIRE_EQ(w, dup(w), 1);
	WIRE_EQ(w, info(w).tcpi_sacked, 2);
	wire_in(w, "+1ms . 1:1(0) ack %u", 1 + 3 * WIRE_MSS);
	WIRE_EQ(w, info(w).tcpi_snd_cwnd, 11);
	WIRE_EQ(w, info(w).tcpi_sacked, 0);
	WIRE_EQ(w, wire_skip(w), 2); /* nine are out */
	wire_in(w, "+10ms . 1:1(0) ack %u", 1 + 14 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 1);
	wire_end(w);
}

/* Duplicates beyond what can have left: reordering, and never more than was sent. */
WIRE_TEST(more_duplicates_than_segments)
{
	wire_start(w);
	flight(w, 3, 3);
	for (unsigned int i = 0; i < 300; i++)
		wire_in(w, "+10us . 1:1(0) ack 1");
	WIRE_EQ(w, info(w).tcpi_sacked, 2);
	WIRE_EQ(w, info(w).tcpi_reord_seen, 298);
	WIRE_EQ(w, info(w).tcpi_reordering, 3);
	WIRE_EQ(w, info(w).tcpi_lost, 0);
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack %u", 1 + 3 * WIRE_MSS);
	WIRE_EQ(w, info(w).tcpi_sacked, 0);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* In recovery too, where lost ones take their place. */
WIRE_TEST(more_duplicates_in_recovery)
{
	wire_start(w);
	flight(w, 5, 5);
	for (unsigned int i = 0; i < 3; i++)
		wire_in(w, "+1ms . 1:1(0) ack 1");
	wire_out(w, ". 1:1461(1460) ack 1");
	for (unsigned int i = 0; i < 100; i++)
		wire_in(w, "+10us . 1:1(0) ack 1");
	WIRE_EQ(w, info(w).tcpi_sacked, 4);
	WIRE_EQ(w, info(w).tcpi_lost, 1);
	WIRE_EQ(w, info(w).tcpi_reordering, 5);
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack %u", 1 + 5 * WIRE_MSS);
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 1);
	wire_end(w);
}

/* RFC 6582 §3.2: all that was out when recovery began has arrived, but nothing beyond it: what is
 * out beyond it is not lost for that, nor do duplicates begin another recovery. */
WIRE_TEST(recovery_reached_exactly)
{
	unsigned int behind = 0;

	wire_start(w);
	flight(w, 30, 10);
	WIRE_EQ(w, dup(w), 1);
	WIRE_EQ(w, dup(w), 1);
	WIRE_EQ(w, dup(w), 1);
	for (unsigned int i = 0; i < 8; i++)
		behind += dup(w);
	WIRE_IN(w, behind, 1, 8); /* new data, behind what recovery repairs */
	wire_in(w, "+10ms . 1:1(0) ack %u", 1 + 12 * WIRE_MSS);
	WIRE_EQ(w, info(w).tcpi_lost, 0);
	WIRE_EQ(w, info(w).tcpi_ca_state, 3);
	wire_skip(w);
	dup(w);
	dup(w);
	dup(w);
	WIRE_EQ(w, info(w).tcpi_lost, 0);
	wire_count(w, recoveries, 1);
	wire_count(w, retransmits, 1);
	wire_end(w);
}
