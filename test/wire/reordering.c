/* SPDX-License-Identifier: BSD-3-Clause */
/* By how many segments the path may reorder: where that begins, how it grows with what SACK shows,
 * and what it is good for, as Linux's tcp_reordering and tcp_max_reordering. */
#include <string.h>

#include "wire.h"

static const char sack_ok[] = "<mss 1460,nop,nop,sackOK>";

static uint32_t
reordering(struct wire *w)
{
	struct tcp_info info = {0};
	size_t len = sizeof(info);

	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_reordering;
}

/* Ten segments are in flight. */
static void
ten_sent(struct wire *w, const char *options)
{
	wire_accepted(w, options, 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
}

static void
begin_at_5(struct tcp_config *config)
{
	config->reordering = 5;
}

static void
at_most_6(struct tcp_config *config)
{
	config->max_reordering = 6;
}

/* ---- Where it begins --------------------------------------------------------------------------
 */

/* Without SACK so many duplicates are a loss: RFC 5681's three unless told otherwise. */
WIRE_TEST(three_duplicates)
{
	wire_start(w);
	ten_sent(w, "<mss 1460>");
	WIRE_EQ(w, reordering(w), 3);
	for (unsigned int i = 0; i < 2; i++)
		wire_in(w, "+1ms . 1:1(0) ack 1");
	wire_idle(w);
	wire_in(w, "+1ms . 1:1(0) ack 1");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_end(w);
}

WIRE_TEST(five_duplicates)
{
	wire_start(w, .configure = begin_at_5);
	ten_sent(w, "<mss 1460>");
	WIRE_EQ(w, reordering(w), 5);
	for (unsigned int i = 0; i < 4; i++)
		wire_in(w, "+1ms . 1:1(0) ack 1");
	wire_idle(w);
	wire_in(w, "+1ms . 1:1(0) ack 1");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_end(w);
}

/* An accepted connection has the value of when its handshake was over, as Linux's. */
WIRE_TEST(changes_for_new_connections)
{
	struct tcp_config config;

	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	tcp_config_defaults(&config);
	config.reordering = 7;
	WIRE_EQ(w, tcp_reconfigure(w->engine, &config), 0);
	WIRE_EQ(w, reordering(w), 3);
	wire_flow(w, 1);
	wire_accepted(w, sack_ok, 65535);
	WIRE_EQ(w, reordering(w), 7);
	wire_end(w);
}

/* ---- How it grows -----------------------------------------------------------------------------
 */

/* The first arrives behind the eighth: seven segments and itself. */
static void
overtaken(struct wire *w)
{
	ten_sent(w, sack_ok);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 8761:11681>");
	wire_in(w, "+1ms . 1:1(0) ack 11681");
	wire_count(w, reorderings, 1);
}

WIRE_TEST(grows_with_what_is_overtaken)
{
	wire_start(w);
	overtaken(w);
	WIRE_EQ(w, reordering(w), 8);
	wire_in(w, "+1ms . 1:1(0) ack 14601");
	wire_count(w, retransmits, 0);
	wire_end(w);
}

WIRE_TEST(grows_so_far)
{
	wire_start(w, .configure = at_most_6);
	overtaken(w);
	WIRE_EQ(w, reordering(w), 6);
	wire_in(w, "+1ms . 1:1(0) ack 14601");
	wire_end(w);
}

/* What begins higher stays. */
WIRE_TEST(does_not_fall)
{
	wire_start(w, .configure = begin_at_5);
	ten_sent(w, sack_ok);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
	wire_in(w, "+1ms . 1:1(0) ack 2921");
	wire_count(w, reorderings, 1);
	WIRE_EQ(w, reordering(w), 5);
	wire_in(w, "+1ms . 1:1(0) ack 14601");
	wire_end(w);
}

/* What was sent again may have been lost: an acknowledgment of it shows no reordering. */
WIRE_TEST(repairs_are_none)
{
	wire_start(w);
	ten_sent(w, sack_ok);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:11681>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 11681");
	wire_count(w, reorderings, 0);
	WIRE_EQ(w, reordering(w), 3);
	wire_skip(w);
	wire_end(w);
}

/* A peer that takes blocks back and forth raises it no further than it is allowed to. */
WIRE_TEST(hostile_blocks)
{
	wire_start(w, .configure = at_most_6);
	ten_sent(w, sack_ok);
	for (unsigned int i = 9; i > 0; i--)
		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack %u:%u>", 1 + i * WIRE_MSS,
			1 + (i + 1) * WIRE_MSS);
	WIRE_EQ(w, reordering(w), 6);
	wire_skip(w);
	wire_end(w);
}

/* ---- What it is good for ----------------------------------------------------------------------
 */

/*
 * Where the path reorders more than where it began, what SACK reports lets the window grow: nothing
 * may be lost. Elsewhere it waits for SND.UNA.
 */
WIRE_TEST(window_grows_with_blocks)
{
	uint32_t cwnd;

	wire_start(w);
	overtaken(w);
	wire_send(w, 30 * WIRE_MSS, 30 * WIRE_MSS);
	wire_skip(w);
	cwnd = wire_listing(w).cwnd_segs;
	wire_in(w, "+10ms . 1:1(0) ack 11681 <nop,nop,sack 13141:14601>");
	WIRE_EQ(w, wire_listing(w).cwnd_segs, cwnd + 1);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(window_waits_for_una)
{
	wire_start(w);
	ten_sent(w, sack_ok);
	wire_send(w, 30 * WIRE_MSS, 30 * WIRE_MSS);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 2921:4381>");
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	wire_skip(w);
	wire_end(w);
}
