/* SPDX-License-Identifier: BSD-3-Clause */
/* Reductions of the window that turn out to be unfounded, and those that do not: Eifel (RFC 3522,
 * RFC 4015), DSACK (RFC 2883, RFC 3708), F-RTO (RFC 5682). */
#include "wire.h"

enum { TS_MSS = 1448 }; /* beside timestamps */

static void
flight_of(struct wire *w, unsigned int n, unsigned int mss)
{
	wire_send(w, n * mss, (ssize_t)(n * mss));
	WIRE_EQ(w, wire_skip(w), n);
}

static void
whole_again(struct wire *w)
{
	wire_count(w, undos, 1);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 20);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, UINT32_MAX);
}

static void
stays_reduced(struct wire *w)
{
	wire_count(w, undos, 0);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 1, 6);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
}

/* ---- Eifel ------------------------------------------------------------------------------------
 */

/* In flight since 10 ms by our timestamps, sent again at 20. */
static void
eifel(struct wire *w)
{
	wire_accepted(w, "<mss 1460,sackOK,TS val 100 ecr 0>", 65535);
	flight_of(w, 10, TS_MSS);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,TS val * ecr 10,nop,nop,sack 1449:5793>");
	wire_out(w, ". 1:1449(1448) ack 1 <nop,nop,TS val 20 ecr *>");
	wire_count(w, recoveries, 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
}

WIRE_TEST(eifel_original_arrived)
{
	wire_start(w);
	eifel(w);
	wire_in(w, "+2ms . 1:1(0) ack 14481 <nop,nop,TS val * ecr 10>");
	whole_again(w);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* Already by an ACK of a part. */
WIRE_TEST(eifel_in_part)
{
	wire_start(w);
	eifel(w);
	wire_in(w, "+2ms . 1:1(0) ack 5793 <nop,nop,TS val * ecr 10>");
	whole_again(w);
	wire_in(w, "+1ms . 1:1(0) ack 14481 <nop,nop,TS val * ecr 10>");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 1);
	wire_end(w);
}

WIRE_TEST(eifel_retransmission_arrived)
{
	wire_start(w);
	eifel(w);
	wire_in(w, "+10ms . 1:1(0) ack 14481 <nop,nop,TS val * ecr 20>");
	stays_reduced(w);
	wire_end(w);
}

/* After a time-out: the path was slow for a while. Nothing else is sent again. */
WIRE_TEST(eifel_after_a_timeout)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,TS val 100 ecr 0>", 65535);
	rto = wire_rto(w);
	flight_of(w, 10, TS_MSS);
	wire_out(w, "+%uus . 1:1449(1448) ack 1", rto);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 1);
	wire_in(w, "+5ms . 1:1(0) ack 1449 <nop,nop,TS val * ecr 10>");
	whole_again(w);
	wire_in(w, "+5ms . 1:1(0) ack 14481 <nop,nop,TS val * ecr 10>");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 1);
	wire_end(w);
}

/* ---- DSACK ------------------------------------------------------------------------------------
 */

/* Two holes are repaired, and then everything is acknowledged. */
static void
two_repairs(struct wire *w)
{
	wire_accepted(w, "<mss 1460,nop,nop,sackOK>", 65535);
	flight_of(w, 10, WIRE_MSS);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 4381:14601 1461:2921>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_in(w, "+1ms . 1:1(0) ack 14601");
	stays_reduced(w);
}

WIRE_TEST(dsack_for_each_repair)
{
	wire_start(w);
	two_repairs(w);
	wire_in(w, "+9ms . 1:1(0) ack 14601 <nop,nop,sack 1:1461>");
	stays_reduced(w);
	wire_in(w, ". 1:1(0) ack 14601 <nop,nop,sack 2921:4381>");
	whole_again(w);
	wire_count(w, dsacks_in, 2);
	wire_end(w);
}

WIRE_TEST(dsack_for_one_of_two)
{
	wire_start(w);
	two_repairs(w);
	wire_in(w, "+9ms . 1:1(0) ack 14601 <nop,nop,sack 1:1461>");
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 14601:15601(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 15601");
	stays_reduced(w);
	wire_end(w);
}

/* ---- F-RTO ------------------------------------------------------------------------------------
 */

/* A time-out with ten in flight; without SACK or timestamps. */
static void
timed_out(struct wire *w)
{
	unsigned int rto;

	wire_accepted(w, "<mss 1460>", 65535);
	rto = wire_rto(w);
	flight_of(w, 10, WIRE_MSS);
	wire_out(w, "+%uus . 1:1461(1460) ack 1", rto);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
}

/* Without SACK originals behind what was sent again are no proof: duplicates may have told of them.
 * With nothing new to send the old is repaired, as fast as slow start lets it. */
WIRE_TEST(frto_without_new_data)
{
	wire_start(w);
	timed_out(w);
	wire_in(w, "+5ms . 1:1(0) ack 4381");
	for (unsigned int i = 3; i < 7; i++)
		wire_out(w, ". %u:%u(1460) ack 1", 1 + i * WIRE_MSS, 1 + (i + 1) * WIRE_MSS);
	wire_idle(w);
	wire_count(w, undos, 0);
	wire_in(w, "+5ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 5);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_end(w);
}

/* With SACK they are. */
WIRE_TEST(frto_originals_arrive)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK>", 65535);
	rto = wire_rto(w);
	flight_of(w, 10, WIRE_MSS);
	wire_out(w, "+22ms . 13141:14601(1460) ack 1"); /* the tail's probe */
	wire_out(w, "+%uus . 1:1461(1460) ack 1", rto);
	wire_in(w, "+5ms . 1:1(0) ack 4381");
	wire_idle(w);
	wire_count(w, undos, 1);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 20);
	wire_in(w, "+5ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 2);
	wire_end(w);
}

/* RFC 5682 §2.1 step 2b: new data first; then step 3b, more arrives: spurious. */
WIRE_TEST(frto_new_data_first)
{
	wire_start(w);
	timed_out(w);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	wire_in(w, "+5ms . 1:1(0) ack 1461");
	wire_out(w, ". 14601:16061(1460) ack 1");
	wire_out(w, ". 16061:17521(1460) ack 1");
	wire_idle(w);
	wire_in(w, "+1ms . 1:1(0) ack 2921");
	whole_again(w);
	wire_out(w, ". 17521:18981(1460) ack 1");
	wire_in(w, "+5ms . 1:1(0) ack 18981");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 1);
	wire_end(w);
}

/* Step 3a: a duplicate: the losses are real. */
WIRE_TEST(frto_losses_are_real)
{
	wire_start(w);
	timed_out(w);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	wire_in(w, "+5ms . 1:1(0) ack 1461");
	wire_out(w, ". 14601:16061(1460) ack 1");
	wire_out(w, ". 16061:17521(1460) ack 1");
	wire_idle(w);
	wire_in(w, "+5ms . 1:1(0) ack 1461");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_count(w, undos, 0);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_end(w);
}

/* With SACK: what was never sent again is reported. */
WIRE_TEST(frto_with_sack)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK>", 65535);
	rto = wire_rto(w);
	flight_of(w, 10, WIRE_MSS);
	wire_out(w, "+22ms . 13141:14601(1460) ack 1"); /* the tail's probe */
	wire_out(w, "+%uus . 1:1461(1460) ack 1", rto);
	wire_in(w, "+5ms . 1:1(0) ack 1 <nop,nop,sack 2921:4381>");
	wire_count(w, undos, 1);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 20);
	wire_end(w);
}

static void
without_frto(struct tcp_config *config)
{
	config->frto = false;
}

/* Switched off, what frto_originals_arrive() takes for spurious is a loss like any other. */
WIRE_TEST(frto_off)
{
	wire_start(w, .configure = without_frto);
	timed_out(w);
	wire_in(w, "+5ms . 1:1(0) ack 4381");
	wire_out(w, ". 4381:5841(1460) ack 1");
	wire_count(w, undos, 0);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_skip(w);
	wire_end(w);
}

/* Nor is new data sent first. */
WIRE_TEST(frto_off_sends_old_data)
{
	wire_start(w, .configure = without_frto);
	timed_out(w);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	wire_in(w, "+5ms . 1:1(0) ack 1461");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_idle(w);
	wire_end(w);
}

WIRE_TEST(frto_off_with_sack)
{
	unsigned int rto;

	wire_start(w, .configure = without_frto);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK>", 65535);
	rto = wire_rto(w);
	flight_of(w, 10, WIRE_MSS);
	wire_out(w, "+22ms . 13141:14601(1460) ack 1");
	wire_out(w, "+%uus . 1:1461(1460) ack 1", rto);
	wire_in(w, "+5ms . 1:1(0) ack 1 <nop,nop,sack 2921:4381>");
	wire_count(w, undos, 0);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_skip(w);
	wire_end(w);
}
