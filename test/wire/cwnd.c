/* SPDX-License-Identifier: BSD-3-Clause */
/* Use of the congestion window, RFC 7661, RFC 2861: unused it does not grow, and may fall. */
#include "wire.h"

static void
after_idle(struct tcp_config *config)
{
	config->slow_start_after_idle = true;
}

/* Sends n segments behind `first`, and has them acknowledged two at a time. */
static unsigned int
exchange(struct wire *w, unsigned int first, unsigned int n)
{
	wire_send(w, n * WIRE_MSS, n * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), n);
	for (unsigned int i = 2; i <= n; i += 2)
		wire_in(w, "+1ms . 1:1(0) ack %u", first + i * WIRE_MSS);
	return first + n * WIRE_MSS;
}

/* More than half of the window used: slow start goes on until it is half, for one window of data.
 */
WIRE_TEST(half_used_grows)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	exchange(w, 1, 8);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 16);
	wire_end(w);
}

WIRE_TEST(little_used_does_not_grow)
{
	unsigned int next = 1;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 5; i++)
		next = exchange(w, next, 4);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	wire_end(w);
}

/* Idle for some RTOs: back to the initial window, ssthresh is three quarters of the old. */
WIRE_TEST(falls_after_idle)
{
	unsigned int next;

	wire_start(w, .configure = after_idle);
	wire_accepted(w, "<mss 1460>", 65535);
	next = exchange(w, 1, 10);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 20);
	wire_wait(w, MS(5000));
	exchange(w, next, 2);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	wire_end(w);
}

WIRE_TEST(stays_after_idle_if_not_asked)
{
	unsigned int next;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	next = exchange(w, 1, 10);
	wire_wait(w, MS(5000));
	exchange(w, next, 2);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 20);
	wire_end(w);
}

/* A shut window that opens counts as new data does; what lies queued meanwhile does not. */
WIRE_TEST(falls_when_a_window_opens)
{
	unsigned int next;

	wire_start(w, .configure = after_idle);
	wire_accepted(w, "<mss 1460>", 65535);
	next = exchange(w, 1, 10);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 20);
	wire_in(w, ". 1:1(0) ack %u win 0", next);
	wire_send(w, 20 * WIRE_MSS, 20 * WIRE_MSS);
	for (unsigned int i = 0; i < 3; i++)
		wire_out(w, "<=2s . %u:%u(0) ack 1", next - 1, next - 1);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 20);
	wire_in(w, "+100ms . 1:1(0) ack %u win 65535", next);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	WIRE_EQ(w, wire_skip(w), 10);
	wire_end(w);
}

/* It does not fall because the data was written before the time was up. */
WIRE_TEST(a_window_that_opens_soon_keeps_cwnd)
{
	unsigned int next;

	wire_start(w, .configure = after_idle);
	wire_accepted(w, "<mss 1460>", 65535);
	next = exchange(w, 1, 10);
	wire_in(w, ". 1:1(0) ack %u win 0", next);
	wire_send(w, 20 * WIRE_MSS, 20 * WIRE_MSS);
	wire_in(w, "+100ms . 1:1(0) ack %u win 65535", next);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 20);
	WIRE_EQ(w, wire_skip(w), 20);
	wire_end(w);
}
