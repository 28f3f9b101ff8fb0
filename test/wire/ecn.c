/* SPDX-License-Identifier: BSD-3-Clause */
/* Explicit congestion notification, RFC 3168 §6.1: who gets it, what is marked, what follows. */
#include "wire.h"

static void
on(struct tcp_config *config)
{
	config->ecn = TCP_ECN_ON;
}

static void
refuse(struct tcp_config *config)
{
	config->ecn = TCP_ECN_OFF;
}

static void
passive(struct tcp_config *config)
{
	config->ecn = TCP_ECN_PASSIVE;
}

static void
without_fallback(struct tcp_config *config)
{
	config->ecn = TCP_ECN_ON;
	config->ecn_fallback = false;
}

/* A connection that the peer opened, with ECN. */
static void
granted(struct wire *w)
{
	wire_start(w, .configure = passive);
	wire_listen(w, 16);
	wire_in(w, "SEW 0:0(0) win 65535 <mss 1460,nop,nop,sackOK>");
	wire_out(w, "SE. 0:0(0) ack 1 {mss 1460,sackOK}");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 0);
}

/* The SYN is answered by a SYN-ACK without ECE: not a mark on what is sent. */
static void
refused(struct wire *w, const char *syn)
{
	wire_listen(w, 16);
	wire_in(w, "%s", syn);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_in(w, "+10ms E. 1:1(0) ack 1001 win 65535");
	wire_count(w, ecn_reductions, 0);
	wire_end(w);
}

WIRE_TEST(granted_when_asked)
{
	granted(w);
	wire_send(w, 1000, 1000);
	wire_out(w, "[ect0] P. 1:1001(1000) ack 1");
	/* Neither acknowledgments nor FINs are marked. */
	wire_in(w, "+10ms [ect0] P. 1:1001(1000) ack 1001 win 65535");
	wire_out(w, "<=40ms . 1001:1001(0) ack 1001");
	wire_close(w);
	wire_next(w, &(struct note){0});
	wire_end(w);
}

WIRE_TEST(not_asked)
{
	wire_start(w, .configure = on);
	refused(w, "S 0:0(0) win 65535 <mss 1460>");
}

WIRE_TEST(half_asked)
{
	wire_start(w, .configure = on);
	refused(w, "SE 0:0(0) win 65535 <mss 1460>");
}

WIRE_TEST(off)
{
	wire_start(w, .configure = refuse);
	refused(w, "SEW 0:0(0) win 65535 <mss 1460>");
}

/* A marked SYN comes from a network that marks all, or from an attacker. */
WIRE_TEST(marked_syn)
{
	wire_start(w, .configure = on);
	refused(w, "[ce] SEW 0:0(0) win 65535 <mss 1460>");
}

WIRE_TEST(asks)
{
	wire_start(w, .configure = on);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "SEW 0:0(0) <*>");
	wire_in(w, "+10ms SE. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 1000, 1000);
	wire_out(w, "[ect0] P. 1:1001(1000) ack 1");
	wire_end(w);
}

/* Only passively: 2 is Linux's default. */
WIRE_TEST(does_not_ask)
{
	wire_start(w, .configure = passive);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_end(w);
}

/* A SYN-ACK that echoes our own flags comes from a reflecting middlebox: §6.1.1. */
WIRE_TEST(asks_a_mirror)
{
	wire_start(w, .configure = on);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "SEW 0:0(0) <*>");
	wire_in(w, "+10ms SEW. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_end(w);
}

/* §6.1.1.1: a SYN that went unanswered is sent again without. */
WIRE_TEST(falls_back)
{
	wire_start(w, .configure = on);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "SEW 0:0(0) <*>");
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_end(w);
}

WIRE_TEST(does_not_fall_back)
{
	wire_start(w, .configure = without_fallback);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "SEW 0:0(0) <*>");
	wire_out(w, "+1s SEW 0:0(0) <*>");
	wire_end(w);
}

/* §6.1.3: ECE on everything until the peer says that it has slowed down. */
WIRE_TEST(echoes)
{
	granted(w);
	wire_in(w, "[ce] P. 1:1001(1000) ack 1 win 65535");
	wire_out(w, "E. 1:1(0) ack 1001");
	wire_in(w, "[ect0] P. 1001:2001(1000) ack 1 win 65535");
	wire_out(w, "<=40ms E. 1:1(0) ack 2001");
	wire_send(w, 1000, 1000);
	wire_out(w, "[ect0] PE. 1:1001(1000) ack 2001");
	/* And that is acknowledged at once: its window may be one segment. */
	wire_in(w, "+10ms [ect0] PW. 2001:3001(1000) ack 1001 win 65535");
	wire_out(w, ". 1001:1001(0) ack 3001");
	wire_count(w, ecn_ce_in, 1);
	wire_end(w);
}

/* §6.1.2: half a window, once a window; CWR on the next new data. */
WIRE_TEST(reacts_once)
{
	granted(w);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	for (unsigned int i = 1; i <= 8; i++)
		wire_in(w, "+1ms E. 1:1(0) ack %u win 65535", 1 + i * WIRE_MSS);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_count(w, ecn_reductions, 1);
	wire_count(w, retransmits, 0);
	wire_send(w, 1000, 1000);
	wire_out(w, "[ect0] PW. 14601:15601(1000) ack 1");
	wire_send(w, 1000, 1000);
	wire_in(w, "+1ms . 1:1(0) ack 15601 win 65535");
	wire_out(w, "[ect0] P. 15601:16601(1000) ack 1");
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 5);
	wire_in(w, "+1ms E. 1:1(0) ack 16601 win 65535");
	wire_count(w, ecn_reductions, 2);
	wire_end(w);
}

/* §6.1.5: what is sent again is not marked, and says nothing of CWR. */
WIRE_TEST(retransmissions_are_not_marked)
{
	granted(w);
	wire_send(w, 1000, 1000);
	wire_out(w, "[ect0] P. 1:1001(1000) ack 1");
	wire_out(w, "<=1s P. 1:1001(1000) ack 1");
	wire_end(w);
}

/* A flood of ECE does not bring the window below what one reaction makes of it in each window. */
WIRE_TEST(flood_of_echoes)
{
	granted(w);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	for (unsigned int i = 0; i < 100; i++)
		wire_in(w, "E. 1:1(0) ack 1461 win 65535");
	wire_skip(w);
	wire_count(w, ecn_reductions, 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_end(w);
}

/* CWR without need, and without data, changes nothing. */
WIRE_TEST(flood_of_cwr)
{
	granted(w);
	for (unsigned int i = 0; i < 100; i++)
		wire_in(w, "W. 1:1(0) ack 1 win 65535");
	wire_idle_for(w, MS(100));
	wire_in(w, "[ce] PW. 1:1001(1000) ack 1 win 65535");
	wire_out(w, "E. 1:1(0) ack 1001");
	wire_end(w);
}

static void
cookies(struct tcp_config *config)
{
	config->ecn = TCP_ECN_PASSIVE;
	config->syncookies = TCP_SYNCOOKIES_ALWAYS;
}

/* A SYN cookie remembers the grant in the timestamp. */
WIRE_TEST(granted_by_cookie)
{
	wire_start(w, .configure = cookies);
	wire_listen(w, 16);
	wire_in(w, "SEW 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0>");
	wire_out(w, "SE. 0:0(0) ack 1 <*>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535 <nop,nop,TS val 110 ecr *>");
	wire_accept(w);
	wire_send(w, 1000, 1000);
	wire_out(w, "[ect0] P. 1:1001(1000) ack 1 <*>");
	wire_end(w);
}

/* Without one there is nothing to remember it by. */
WIRE_TEST(not_granted_by_cookie)
{
	wire_start(w, .configure = cookies);
	refused(w, "SEW 0:0(0) win 65535 <mss 1460>");
}
