/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path MTU: pmtu.c. What was too big is sent again at once and smaller; what was learned holds for
 * ten minutes, for new connections too. Which ICMP errors are believed: icmp.c.
 */
#include "wire.h"

/* A path MTU that gives the same MSS over both families. */
static uint16_t
mtu_of(const struct wire *w, unsigned int mss)
{
	return (uint16_t)(mss + (w->family == AF_INET ? 40 : 60));
}

static void
too_big(struct wire *w, unsigned int mss, uint32_t seq)
{
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, mtu_of(w, mss), seq);
}

static int
level(const struct wire *w)
{
	return w->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
}

WIRE_TEST(sent_again_at_once_and_smaller)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 3);
	wire_wait(w, MS(5));
	too_big(w, 1260, 1);
	for (unsigned int i = 0; i < 3; i++) {
		wire_out(w, ". %u:%u(1260) ack 1", 1 + i * 1460, 1261 + i * 1460);
		wire_out(w, "%s %u:%u(200) ack 1", i == 2 ? "P." : ".", 1261 + i * 1460,
			 1461 + i * 1460);
	}
	wire_idle(w);
	wire_count(w, pmtu_lowered, 1);
	/* No loss by congestion: both windows are what they were. */
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 10);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, UINT32_MAX);
	wire_count(w, recoveries, 0);
	wire_in(w, "+10ms . 1:1(0) ack 4381");
	WIRE_IN(w, wire_listing(w).cwnd_segs, 10, 16);
	wire_send(w, 2000, 2000);
	wire_out(w, ". 4381:5641(1260) ack 1");
	wire_out(w, "P. 5641:6381(740) ack 1");
	wire_end(w);
}

/* One of them is lost by congestion: a reduction like any other, which ends where it should. */
WIRE_TEST(lost_when_sent_again)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 3);
	wire_wait(w, MS(5));
	too_big(w, 1260, 1);
	WIRE_EQ(w, wire_skip(w), 6);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1261:4381>");
	wire_out(w, "<=20ms . 1:1261(1260) ack 1");
	wire_count(w, recoveries, 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_in(w, "+10ms . 1:1(0) ack 4381");
	WIRE_IN(w, wire_listing(w).cwnd_segs, 1, 5);
	wire_end(w);
}

/* No more than the congestion window is sent, also of this. */
WIRE_TEST4(within_the_congestion_window)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_send(w, 20 * WIRE_MSS, 20 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	too_big(w, 730, 1);
	WIRE_EQ(w, wire_skip(w), 10);
	WIRE_EQ(w, wire_listing(w).retransmits, 10);
	wire_in(w, "+10ms . 1:1(0) ack 7301");
	WIRE_IN(w, wire_skip(w), 10, 20);
	wire_end(w);
}

WIRE_TEST(without_sack)
{
	wire_start(w, .no_sack = true);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 4);
	/* The first went through, and so the router's second error comes with duplicates. */
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	wire_in(w, ". 1:1(0) ack 1461");
	too_big(w, 1300, 1461);
	for (unsigned int i = 1; i < 4; i++) {
		wire_out(w, ". %u:%u(1300) ack 1", 1 + i * 1460, 1301 + i * 1460);
		wire_out(w, "%s %u:%u(160) ack 1", i == 3 ? "P." : ".", 1301 + i * 1460,
			 1461 + i * 1460);
	}
	wire_in(w, "+10ms . 1:1(0) ack 5841");
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

/* What fits is not sent again. */
WIRE_TEST(small_ones_stay)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_send(w, 1400, 1400);
	wire_out(w, "P. 1001:2401(1400) ack 1");
	wire_send(w, 10, 10);
	wire_out(w, "P. 2401:2411(10) ack 1");
	too_big(w, 1300, 1001);
	wire_out(w, ". 1001:2301(1300) ack 1");
	wire_out(w, ". 2301:2401(100) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 2411");
	wire_end(w);
}

/* Fewer bytes go lost: a second, narrower link further on. */
WIRE_TEST(twice)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1:1461(1460) ack 1");
	too_big(w, 1400, 1);
	wire_out(w, ". 1:1401(1400) ack 1");
	wire_out(w, "P. 1401:1461(60) ack 1");
	too_big(w, 1300, 1);
	wire_out(w, ". 1:1301(1300) ack 1");
	wire_out(w, ". 1301:1401(100) ack 1");
	too_big(w, 1400, 1); /* an old one, late */
	wire_idle(w);
	WIRE_EQ(w, wire_listing(w).mss, 1300);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	wire_end(w);
}

/* An error while another loss is being repaired. */
WIRE_TEST(during_recovery)
{
	struct note note;
	unsigned int next = 1;

	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:5841>");
	wire_out(w, ". 1:1461(1460) ack 1");
	too_big(w, 1250, 1);
	for (unsigned int i = 0; i < 100 && next < 14601; i++) {
		while (wire_next(w, &note)) {
			WIRE_IN(w, note.bytes.value, 1, 1250);
			if (note.seq.value == next)
				next += note.bytes.value;
			if (next == 1461)
				next = 5841;
		}
		wire_in(w, "+10ms . 1:1(0) ack %u", next);
	}
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

/* While connecting: the SYN says what may come to us, which is no other; data goes by the path. */
WIRE_TEST(while_connecting)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	too_big(w, 1300, 0);
	wire_out(w, "+1s S 0:0(0) {mss 1460,sackOK,TS val * ecr 0,wscale *}");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 1500, 1500);
	wire_out(w, ". 1:1301(1300) ack 1");
	wire_out(w, "P. 1301:1501(200) ack 1");
	wire_end(w);
}

/* Another connection to the same place begins with what this one learned ... */
WIRE_TEST(new_connections_know)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1:1461(1460) ack 1");
	too_big(w, 1300, 1);
	wire_skip(w);
	wire_in(w, ". 1:1(0) ack 1461");
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>"); /* not of what may come in */
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	wire_get(w, level(w), w->family == AF_INET ? IP_MTU : IPV6_MTU, mtu_of(w, 1300));
	wire_send(w, 1500, 1500);
	wire_out(w, ". 1:1301(1300) ack 1");
	wire_out(w, "P. 1301:1501(200) ack 1");
	wire_in(w, ". 1:1(0) ack 1501");
	/* ... and one that goes elsewhere does not. */
	wire_flow(w, 2);
	w->flow->remote.ip.w[3] ^= RTE_BE32(1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	wire_send(w, 1460, 1460);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 1461");
	wire_end(w);
}

/* RFC 1191 §6.3: after ten minutes larger ones are tried again. */
WIRE_TEST(forgotten_after_ten_minutes)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1:1461(1460) ack 1");
	too_big(w, 1300, 1);
	wire_skip(w);
	wire_in(w, ". 1:1(0) ack 1461");
	wire_wait(w, SEC(590));
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, ". 1461:2761(1300) ack 1");
	wire_out(w, "P. 2761:2921(160) ack 1");
	wire_in(w, ". 1:1(0) ack 2921");
	wire_wait(w, SEC(22));
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 2921:4381(1460) ack 1");
	wire_get(w, level(w), w->family == AF_INET ? IP_MTU : IPV6_MTU, mtu_of(w, 1460));
	/* It is still narrow there. */
	too_big(w, 1300, 2921);
	wire_out(w, ". 2921:4221(1300) ack 1");
	wire_out(w, "P. 4221:4381(160) ack 1");
	wire_in(w, ". 1:1(0) ack 4381");
	wire_end(w);
}

/* A lie, or a link that none has: IPv4 goes no lower than 552, IPv6 has no such links. */
WIRE_TEST4(below_the_minimum)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 600, 600);
	wire_out(w, "P. 1:601(600) ack 1");
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 68, 1);
	wire_out(w, ". 1:513(512) ack 1");
	wire_out(w, "P. 513:601(88) ack 1");
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 68, 1);
	wire_idle(w);
	wire_count(w, pmtu_lowered, 1);
	wire_get(w, IPPROTO_IP, IP_MTU, 552);
	wire_in(w, ". 1:1(0) ack 601");
	wire_end(w);
}

WIRE_TEST6(below_the_minimum6)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 1279, 1);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 68, 1);
	wire_idle(w);
	wire_count(w, pmtu_lowered, 0);
	wire_get(w, IPPROTO_IPV6, IPV6_MTU, 1520);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, 1280, 1);
	wire_out(w, ". 1:1221(1220) ack 1");
	wire_out(w, "P. 1221:1461(240) ack 1");
	wire_end(w);
}

/* Errors for the same segment, each a byte smaller: each segment is cut once more at most, and no
 * record is without bytes. */
WIRE_TEST(a_salami_of_errors)
{
	struct note note;
	unsigned int packets = 0;

	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	for (unsigned int mss = 1459; mss > 1220; mss--) {
		too_big(w, mss, 1);
		for (; wire_next(w, &note); packets++)
			WIRE_IN(w, note.bytes.value, 1, mss);
	}
	WIRE_IN(w, packets, 200, 10 * 240);
	WIRE_EQ(w, wire_listing(w).mss, 1221);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_skip(w);
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

WIRE_TEST(options)
{
	int name = w->family == AF_INET ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER;

	wire_start(w);
	wire_open(w);
	wire_get(w, level(w), name, IP_PMTUDISC_WANT);
	wire_set(w, level(w), name, IP_PMTUDISC_DO);
	wire_get(w, level(w), name, IP_PMTUDISC_DO);
	for (int bad = -1; bad <= 6; bad += 7)
		WIRE_EQ(w, tcp_setsockopt(w->flow->c, level(w), name, &bad, sizeof(bad)), -EINVAL);
	wire_end(w);
}

WIRE_TEST(mtu_of_nothing)
{
	size_t len = sizeof(int);
	int mtu;

	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_IP, IP_MTU, &mtu, &len), -ENOTCONN);
	wire_end(w);
}

/* One who believes no errors is left alone by them. */
WIRE_TEST(unbelieving)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, level(w), w->family == AF_INET ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
		 IP_PMTUDISC_INTERFACE);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1:1461(1460) ack 1");
	too_big(w, 1300, 1);
	wire_idle(w);
	WIRE_EQ(w, wire_listing(w).mss, 1460);
	wire_end(w);
}

/* A wider path than before is used, too. */
WIRE_TEST(route_becomes_wider)
{
	wire_start(w, .mtu = w->family == AF_INET ? 1040 : 1060);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_out(w, "P. 1001:1461(460) ack 1");
	wire_in(w, ". 1:1(0) ack 1461");
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, "P. 1461:2921(1460) ack 1");
	wire_end(w);
}
