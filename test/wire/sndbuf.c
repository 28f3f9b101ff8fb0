/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send buffer's growth with the congestion window: to twice what the window can have in flight,
 * at 4352 bytes a full segment (2100 with Linux's headers, rounded up to a power of two, and 256).
 */
#include "wire.h"

enum { SEGMENT_COST = 4096 + 256, SMALL = 16384 };

static unsigned int
sndbuf(struct wire *w)
{
	int v = -1;
	size_t len = sizeof(v);

	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_SNDBUF, &v, &len), 0);
	return (unsigned int)v;
}

/* The buffer is full, its user waits, and what left of it is in flight. Returns how much that is.
 */
static unsigned int
filled(struct wire *w)
{
	unsigned int sent;

	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, sndbuf(w), SMALL);
	wire_send_all(w);
	wire_send(w, 1, -EAGAIN);
	wire_poll(w, 0);
	sent = wire_skip(w);
	WIRE_IN(w, sent, 2, 44); /* the window of 65,535 bytes */
	WIRE_EQ(w, sndbuf(w), SMALL);
	return sent * WIRE_MSS;
}

static unsigned int
twice_the_window(struct wire *w)
{
	return 2 * wire_listing(w).cwnd_segs * SEGMENT_COST;
}

/* ---- It grows ---------------------------------------------------------------------------------
 */

WIRE_TEST(grows_with_the_window)
{
	unsigned int first;

	wire_start(w, .sndbuf_bytes = SMALL);
	filled(w);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	WIRE_EQ(w, sndbuf(w), twice_the_window(w));
	WIRE_IN(w, sndbuf(w), 2 * 10 * SEGMENT_COST, 2 * 11 * SEGMENT_COST);
	wire_poll(w, POLLOUT);
	/* And again, when that is full too. */
	first = sndbuf(w);
	wire_skip(w);
	wire_send_all(w);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	WIRE_EQ(w, sndbuf(w), twice_the_window(w));
	WIRE_IN(w, sndbuf(w), first + 1, 100 * SEGMENT_COST);
	wire_skip(w);
	wire_end(w);
}

static void
initial_40(struct tcp_config *config)
{
	config->initial_cwnd = 40;
}

/* A window that a time-out took away does not make it smaller than the initial one asks for. */
WIRE_TEST(initial_window_is_the_least)
{
	wire_start(w, .sndbuf_bytes = SMALL, .configure = initial_40);
	filled(w);
	wire_out(w, "+%uus . 1:1461(1460) ack 1", wire_rto(w));
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 1);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	WIRE_IN(w, wire_listing(w).cwnd_segs, 1, 39);
	WIRE_EQ(w, sndbuf(w), 2 * 40 * SEGMENT_COST);
	wire_skip(w);
	wire_end(w);
}

/* What it grew to stays when the window falls. */
WIRE_TEST(does_not_shrink)
{
	unsigned int grown;

	wire_start(w, .sndbuf_bytes = SMALL);
	filled(w);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	grown = sndbuf(w);
	wire_send_all(w);
	wire_skip(w);
	wire_out(w, "+%uus . 1461:2921(1460) ack 1", wire_rto(w));
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 1);
	wire_in(w, "+10ms . 1:1(0) ack 2921");
	WIRE_EQ(w, sndbuf(w), grown);
	wire_skip(w);
	wire_end(w);
}

/* ---- It does not ------------------------------------------------------------------------------
 */

WIRE_TEST(set_by_its_user)
{
	wire_start(w, .sndbuf_bytes = 8192);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_SNDBUF, SMALL / 2);
	WIRE_EQ(w, sndbuf(w), SMALL);
	wire_send_all(w);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	WIRE_EQ(w, sndbuf(w), SMALL);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(nobody_waits_for_room)
{
	wire_start(w, .sndbuf_bytes = SMALL);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 5841");
	WIRE_EQ(w, sndbuf(w), SMALL);
	wire_end(w);
}

static void
at_most_50000(struct tcp_config *config)
{
	config->sndbuf_max_bytes = 50000;
}

WIRE_TEST(no_further_than_allowed)
{
	wire_start(w, .sndbuf_bytes = SMALL, .configure = at_most_50000);
	filled(w);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	WIRE_EQ(w, sndbuf(w), 50000);
	wire_skip(w);
	wire_end(w);
}

static void
endless(struct tcp_config *config)
{
	config->initial_cwnd = 1000;
	config->sndbuf_max_bytes = 1 << 30;
}

/* A quarter of the lane's buffers, each of a segment. */
WIRE_TEST(no_further_than_the_lane_bears)
{
	wire_start(w, .sndbuf_bytes = SMALL, .configure = endless);
	filled(w);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	WIRE_IN(w, sndbuf(w), (WIRE_POOL - 96) / 4 * WIRE_MSS, WIRE_POOL / 4 * WIRE_MSS);
	wire_skip(w);
	wire_end(w);
}

/* While the window is full, what is queued waits for the network, not for the buffer. */
static void
initial_2(struct tcp_config *config)
{
	config->initial_cwnd = 2;
}

WIRE_TEST(window_is_full)
{
	wire_start(w, .sndbuf_bytes = SMALL, .configure = initial_2);
	WIRE_EQ(w, filled(w), 2 * WIRE_MSS);
	/* Takes nothing out of flight. */
	wire_in(w, "+10ms . 1:1(0) ack 2");
	WIRE_EQ(w, sndbuf(w), SMALL);
	wire_skip(w);
	wire_end(w);
}

/* ACKs of a byte each make the peer no larger buffer than the window they bring about. */
WIRE_TEST(hostile_small_acks)
{
	wire_start(w, .sndbuf_bytes = SMALL);
	filled(w);
	for (unsigned int ack = 2; ack < 1000; ack++)
		wire_in(w, ". 1:1(0) ack %u", ack);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	WIRE_IN(w, sndbuf(w), SMALL, 2 * 10 * SEGMENT_COST);
	wire_skip(w);
	wire_end(w);
}
