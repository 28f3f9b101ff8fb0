/* SPDX-License-Identifier: BSD-3-Clause */
/* RACK-TLP, RFC 8985: losses by time, reordering, probes at the tail. The round trip is 10 ms, so a
 * quarter of it 2500 us, and a probe's time-out 22 ms (two round trips and Linux's 2 ms). */
#include "wire.h"

static const char sack_ok[] = "<mss 1460,nop,nop,sackOK>";

static void
flight(struct wire *w, unsigned int n)
{
	wire_send(w, n * WIRE_MSS, n * WIRE_MSS);
	for (unsigned int i = 0; i < n; i++)
		wire_out(w, ". %u:%u(1460) ack 1", 1 + i * WIRE_MSS, 1 + (i + 1) * WIRE_MSS);
	wire_idle(w);
}

/* How often the byte `seq` is in what was sent. */
static unsigned int
sent_with(struct wire *w, uint32_t seq)
{
	unsigned int n = 0;
	struct note note;

	while (wire_next(w, &note))
		n += note.seq.value <= seq && seq < note.seq.value + note.bytes.value;
	return n;
}

/* ---- Losses -----------------------------------------------------------------------------------
 */

/* §6.2 step 4: while no reordering was seen, three later ones are enough, as ever. */
WIRE_TEST(three_later_ones)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 5);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:4381>");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:5841>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_idle(w);
	wire_count(w, recoveries, 1);
	wire_in(w, "+10ms . 1:1(0) ack 7301");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* One later segment, and a quarter of the round trip: no three are needed. */
WIRE_TEST(one_later_and_time)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 2);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
	wire_out(w, "+4500us . 1:1461(1460) ack 1");
	wire_count(w, rto, 0);
	wire_count(w, recoveries, 1);
	wire_in(w, "+10ms . 1:1(0) ack 2921");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* The first two segments swap places: then three later ones are no proof any more. */
static void
reordered(struct wire *w)
{
	wire_accepted(w, sack_ok, 65535);
	flight(w, 10);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
	wire_in(w, "+1ms . 1:1(0) ack 2921");
	wire_count(w, reorderings, 1);
	wire_in(w, "+1ms . 1:1(0) ack 2921 <nop,nop,sack 4381:8761>");
	wire_idle(w);
}

WIRE_TEST(reordering_is_no_loss)
{
	wire_start(w);
	reordered(w);
	wire_in(w, "+2ms . 1:1(0) ack 8761");
	wire_in(w, "+1ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 0);
	wire_count(w, recoveries, 0);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 20);
	wire_end(w);
}

WIRE_TEST(loss_behind_reordering)
{
	wire_start(w);
	reordered(w);
	wire_out(w, "+4500us . 2921:4381(1460) ack 1");
	wire_count(w, recoveries, 1);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_count(w, retransmits, 1);
	wire_end(w);
}

/* A retransmission is lost again: what was sent after it arrived, and it has not. */
WIRE_TEST(lost_retransmission)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_send(w, 20 * WIRE_MSS, 20 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:5841>");
	WIRE_EQ(w, sent_with(w, 1), 1);
	wire_in(w, "+1ms . 1:1(0) ack 1 <nop,nop,sack 1461:14601>");
	WIRE_EQ(w, sent_with(w, 1), 0);
	/* These left after it. */
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:17521>");
	WIRE_EQ(w, sent_with(w, 1), 1);
	wire_count(w, rto, 0);
	wire_end(w);
}

/* ---- Tail loss probes -------------------------------------------------------------------------
 */

/* §7.3: the last segment again; then the time-out runs anew. */
WIRE_TEST(probe)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	rto = wire_rto(w);
	flight(w, 3);
	wire_out(w, "+22ms P. 2921:4381(1460) ack 1");
	wire_count(w, tlp_probes, 1);
	wire_count(w, rto, 0);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	wire_out(w, "+%uus . 1:1461(1460) ack 1", rto);
	wire_count(w, rto, 1);
	wire_count(w, tlp_probes, 1);
	wire_end(w);
}

/* §7.2: a lone segment may wait for the peer's delayed ACK, so the probe comes when the time-out
 * would have. */
WIRE_TEST(probe_of_a_lone_segment)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	rto = wire_rto(w);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", rto);
	wire_count(w, tlp_probes, 1);
	wire_count(w, rto, 0);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", rto);
	wire_count(w, rto, 1);
	wire_end(w);
}

/* What the peer says to have is not probed with; that it is not acknowledged is the time-out's. */
WIRE_TEST(no_probe_of_what_arrived)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	rto = wire_rto(w);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1:1001>");
	wire_out(w, "<=%uus P. 1:1001(1000) ack 1", rto + 1);
	wire_count(w, tlp_probes, 0);
	wire_count(w, rto, 1);
	wire_end(w);
}

/* §7.3: new data, if there is some, though the window be full. */
WIRE_TEST(probe_with_new_data)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	wire_send(w, 12 * WIRE_MSS, 12 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	wire_out(w, "+22ms . 14601:16061(1460) ack 1");
	wire_count(w, tlp_probes, 1);
	wire_count(w, retransmits, 0);
	wire_in(w, "+10ms . 1:1(0) ack 16061");
	wire_out(w, "P. 16061:17521(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 17521");
	wire_count(w, tlp_recoveries, 0);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 30);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* The peer's window is no less closed to a probe. */
WIRE_TEST(probe_keeps_to_the_window)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 2 * WIRE_MSS);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 2);
	wire_out(w, "+22ms . 1461:2921(1460) ack 1");
	wire_end(w);
}

/* §7.4: the probe makes the peer tell what is missing. */
WIRE_TEST(probe_finds_a_loss)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 4);
	wire_in(w, "+10ms . 1:1(0) ack 2921");
	wire_out(w, "<=25ms P. 4381:5841(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 2921 <nop,nop,sack 4381:5841>");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 5841");
	wire_idle_for(w, SEC(5));
	wire_count(w, tlp_probes, 1);
	wire_count(w, recoveries, 1);
	wire_count(w, rto, 0);
	wire_end(w);
}

/* §7.4.2: the probe repaired the only loss: the window falls as if it had been seen. */
WIRE_TEST(probe_repairs_a_loss)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 3);
	wire_out(w, "+22ms P. 2921:4381(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 4381");
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 4381:5381(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 5381");
	wire_count(w, tlp_recoveries, 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 5381:6381(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 6381");
	WIRE_IN(w, wire_listing(w).cwnd_segs, 1, 6);
	wire_end(w);
}

/* A DSACK says that both copies arrived: no loss. The next tail has a probe of its own. */
WIRE_TEST(needless_probe)
{
	wire_start(w);
	wire_accepted(w, sack_ok, 65535);
	flight(w, 3);
	wire_out(w, "+22ms P. 2921:4381(1460) ack 1");
	wire_in(w, "+1ms . 1:1(0) ack 4381");
	wire_in(w, "+9ms . 1:1(0) ack 4381 <nop,nop,sack 2921:4381>");
	wire_count(w, dsacks_in, 1);
	wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
	wire_out(w, ". 4381:5841(1460) ack 1");
	wire_out(w, ". 5841:7301(1460) ack 1");
	wire_out(w, "<=100ms . 5841:7301(1460) ack 1");
	wire_in(w, "+1ms . 1:1(0) ack 7301 <nop,nop,sack 5841:7301>");
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 7301:8301(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 8301");
	wire_count(w, tlp_probes, 2);
	wire_count(w, tlp_recoveries, 0);
	wire_count(w, rto, 0);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, UINT32_MAX);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 30);
	wire_end(w);
}

/* §7.1: not without SACK. */
WIRE_TEST(no_probe_without_sack)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	rto = wire_rto(w);
	flight(w, 3);
	wire_out(w, "+%uus . 1:1461(1460) ack 1", rto);
	wire_count(w, tlp_probes, 0);
	wire_end(w);
}

static void
without_probes(struct tcp_config *config)
{
	config->tlp = false;
}

/* Nor where they are switched off: as Linux's tcp_early_retrans 0. The probe's figures are in
 * probe(). */
WIRE_TEST(probes_off)
{
	unsigned int rto;

	wire_start(w, .configure = without_probes);
	wire_accepted(w, sack_ok, 65535);
	rto = wire_rto(w);
	flight(w, 3);
	wire_out(w, "+%uus . 1:1461(1460) ack 1", rto);
	wire_count(w, tlp_probes, 0);
	wire_count(w, rto, 1);
	wire_end(w);
}
