/* SPDX-License-Identifier: BSD-3-Clause */
/* Options: MSS (RFC 9293 §3.7.1, RFC 6691), window scaling and timestamps with PAWS (RFC 7323). */
#include "wire.h"

/* Without the option: 536 bytes over IPv4, 1220 over IPv6. */
WIRE_TEST4(mss_default_ipv4)
{
	wire_start(w);
	wire_accepted(w, "", 65535);
	wire_send(w, 1072, 1072);
	wire_out(w, ". 1:537(536) ack 1");
	wire_out(w, "P. 537:1073(536) ack 1");
	wire_end(w);
}

WIRE_TEST6(mss_default_ipv6)
{
	wire_start(w);
	wire_accepted(w, "", 65535);
	wire_send(w, 2440, 2440);
	wire_out(w, ". 1:1221(1220) ack 1");
	wire_out(w, "P. 1221:2441(1220) ack 1");
	wire_end(w);
}

WIRE_TEST(mss_of_the_peer)
{
	wire_start(w);
	wire_connected(w, "<mss 1000>", 65535);
	wire_send(w, 2000, 2000);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_out(w, "P. 1001:2001(1000) ack 1");
	wire_end(w);
}

/* The path is the limit for us, and it is what we tell the peer. */
WIRE_TEST(mss_of_the_path)
{
	unsigned int mtu = w->family == AF_INET ? 1380 : 1400;

	wire_start(w, .mtu = (uint16_t)mtu);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 9000>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1340>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_send(w, 2680, 2680);
	wire_out(w, ". 1:1341(1340) ack 1");
	wire_out(w, "P. 1341:2681(1340) ack 1");
	wire_end(w);
}

/* RFC 6691: the option does not count the options of each segment, the segment does. */
WIRE_TEST(mss_less_timestamps)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,TS val 1 ecr 0>", 65535);
	wire_send(w, 2896, 2896);
	wire_out(w, ". 1:1449(1448) ack 1");
	wire_out(w, "P. 1449:2897(1448) ack 1");
	wire_end(w);
}

/* A peer that asks for segments without payload gets small ones, not an endless loop. */
static void
absurd_mss(struct wire *w, unsigned int mss)
{
	struct note note;

	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss %u,nop,nop,TS val 1 ecr 0>", mss);
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_send(w, 1000, 1000);
	if (!wire_next(w, &note))
		wire_fail(w, "nothing was sent");
	WIRE_IN(w, note.bytes.value, 8, 1220);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(mss_of_zero)
{
	absurd_mss(w, 0);
}

WIRE_TEST(mss_of_one)
{
	absurd_mss(w, 1);
}

WIRE_TEST(mss_option_of_wrong_length)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <raw 02030501>");
	wire_skip(w);
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <raw 020605b40000,nop,nop>");
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(unknown_options_are_skipped)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <raw fd06abcdef01,raw 1c02,mss 1000,eol,raw 02040001>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	WIRE_EQ(w, wire_listing(w).mss, 1000);
	wire_end(w);
}

/* ---- Window scaling */

WIRE_TEST(scaling_only_if_both_ask)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1 win 4380");
	wire_accept(w);
	WIRE_EQ(w, wire_listing(w).rcv_wscale_shift, 0);
	WIRE_EQ(w, wire_listing(w).snd_wscale_shift, 0);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 4380);
	wire_end(w);
}

WIRE_TEST(nothing_is_asked_if_switched_off)
{
	wire_start(w, .no_timestamps = true, .no_window_scaling = true, .no_sack = true);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1 win 1000 <>");
	wire_accept(w);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 1000);
	wire_flow(w, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <mss 1460>");
	wire_end(w);
}

WIRE_TEST(scaled_window_limits_us)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,wscale 2>", 1095);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 4380);
	wire_send(w, 10000, 10000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_idle(w);
	wire_end(w);
}

/* RFC 7323 §2.2: the window of a SYN is never scaled. */
WIRE_TEST(window_of_a_syn_is_not_scaled)
{
	wire_start(w);
	wire_connected(w, "<mss 1460,nop,wscale 7>", 2920);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 2920);
	WIRE_EQ(w, wire_listing(w).snd_wscale_shift, 7);
	wire_send(w, 10000, 10000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 2921 win 100");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 12800);
	wire_skip(w);
	wire_end(w);
}

/* RFC 7323 §2.3: above 14 is taken as 14. */
WIRE_TEST(scale_above_14)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,wscale 255>", 1);
	WIRE_EQ(w, wire_listing(w).snd_wscale_shift, 14);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 16384);
	wire_end(w);
}

/* What we advertise is what the shift can say: the right edge never moves back. */
WIRE_TEST(our_scaled_window)
{
	unsigned int shift;
	struct note note;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 512);
	shift = wire_listing(w).rcv_wscale_shift;
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_in(w, ". 1461:2921(1460) ack 1");
	if (!wire_next(w, &note))
		wire_fail(w, "nothing was sent");
	WIRE_EQ(w, note.ack.value, 2921);
	WIRE_EQ(w, wire_rcv_wnd(w), note.win.value << shift);
	wire_end(w);
}

/* ---- Timestamps */

#define TS "<mss 1460,nop,nop,TS val 100 ecr 0>"

WIRE_TEST(timestamps_only_if_both_ask)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1 <>");
	WIRE_EQ(w, wire_listing(w).timestamps, false);
	wire_flow(w, 1);
	wire_connected(w, "<mss 1460>", 65535);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1 <>");
	wire_end(w);
}

/* RFC 7323 §5.4: a tick is 1 ms to 1 s. */
WIRE_TEST(timestamp_clock)
{
	struct note a, b;

	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_send(w, 10, 10);
	if (!wire_next(w, &a))
		wire_fail(w, "nothing was sent");
	wire_in(w, "+1s . 1:1(0) ack 11");
	wire_skip(w);
	wire_send(w, 10, 10);
	if (!wire_next(w, &b))
		wire_fail(w, "nothing was sent");
	WIRE_IN(w, b.options[2].a.value - a.options[2].a.value, 1, 1000);
	wire_end(w);
}

/* RFC 7323 §4.3: a delayed ACK echoes the first segment that it covers, not the last. */
WIRE_TEST(echo_of_the_first_covered)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_hold(w);
	wire_in(w, ". 1:1449(1448) ack 1 <nop,nop,TS val 2000 ecr *>");
	wire_in(w, ". 1449:2897(1448) ack 1 <nop,nop,TS val 2010 ecr *>");
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 2897 <nop,nop,TS val * ecr 2000>");
	wire_end(w);
}

/* A segment after a hole does not change what is echoed, the one that fills it does. */
WIRE_TEST(echo_around_a_hole)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_in(w, ". 1:1449(1448) ack 1 <nop,nop,TS val 2000 ecr *>");
	wire_acked(w, 1449);
	wire_in(w, ". 2897:4345(1448) ack 1 <nop,nop,TS val 2020 ecr *>");
	wire_out(w, ". 1:1(0) ack 1449 <nop,nop,TS val * ecr 2000>");
	wire_in(w, ". 1449:2897(1448) ack 1 <nop,nop,TS val 2030 ecr *>");
	wire_out(w, ". 1:1(0) ack 4345 <nop,nop,TS val * ecr 2030>");
	wire_end(w);
}

/* RFC 7323 §5.3: older than the last one is dropped and answered by an ACK. */
WIRE_TEST(paws)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_in(w, "P. 1:11(10) ack 1 <nop,nop,TS val 2000 ecr *>");
	wire_acked(w, 11);
	wire_in(w, "P. 11:21(10) ack 1 <nop,nop,TS val 1999 ecr *>");
	wire_out(w, ". 1:1(0) ack 11 <nop,nop,TS val * ecr 2000>");
	wire_count(w, drop_paws, 1);
	wire_recv(w, 100, 10);
	wire_in(w, "+2s F. 11:11(0) ack 1 <nop,nop,TS val -2147481600 ecr *>");
	wire_out(w, ". 1:1(0) ack 11 <nop,nop,TS val * ecr 2000>");
	wire_count(w, drop_paws, 2);
	wire_state(w, TCP_ESTABLISHED);
	wire_in(w, "P. 11:21(10) ack 1 <nop,nop,TS val 2000 ecr *>");
	wire_recv(w, 100, 10);
	wire_acked(w, 21);
	wire_end(w);
}

WIRE_TEST(paws_across_the_wrap)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) <mss 1460,nop,nop,TS val 4294967200 ecr 0>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,TS val 4294967201 ecr *>");
	wire_in(w, "P. 1:11(10) ack 1 <nop,nop,TS val 4294967290 ecr *>");
	wire_acked(w, 11);
	wire_in(w, "P. 11:21(10) ack 1 <nop,nop,TS val 5 ecr *>");
	wire_acked(w, 21);
	wire_accept(w);
	wire_in(w, "P. 21:31(10) ack 1 <nop,nop,TS val 4294967295 ecr *>");
	wire_out(w, ". 1:1(0) ack 21 <nop,nop,TS val * ecr 5>");
	wire_count(w, drop_paws, 1);
	wire_end(w);
}

/* RFC 7323 §5.2: PAWS is not for resets, with an old timestamp or with none. */
WIRE_TEST(paws_spares_resets)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_in(w, "R 1:1(0) <nop,nop,TS val 1 ecr *>");
	wire_state(w, TCP_CLOSED);
	wire_flow(w, 1);
	wire_accepted(w, TS, 65535);
	wire_in(w, "R 1:1(0) {}");
	wire_state(w, TCP_CLOSED);
	wire_end(w);
}

/* A challenged reset must not move what PAWS compares with. */
WIRE_TEST(forged_reset_leaves_the_timestamp)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_in(w, "R 2:2(0) <nop,nop,TS val 2000000000 ecr *>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "S 0:0(0) <mss 1460,nop,nop,TS val 2000000000 ecr *>");
	wire_skip(w);
	wire_in(w, "P. 1:11(10) ack 1 <nop,nop,TS val 2000 ecr *>");
	wire_recv(w, 100, 10);
	wire_acked(w, 11);
	wire_end(w);
}

/* RFC 7323 §5.3 R3 and §4.3: an unacceptable segment neither. */
WIRE_TEST(forged_segment_leaves_the_timestamp)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_in(w, "P. 1000000:1000010(10) ack 1 <nop,nop,TS val 2000000000 ecr *>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "+2s P. 1:11(10) ack 2000000 <nop,nop,TS val 2000000000 ecr *>");
	wire_skip(w);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_recv(w, 100, 10);
	wire_acked(w, 11);
	wire_end(w);
}

/* RFC 7323 §5.5: after 24 days of silence the last timestamp means nothing. */
WIRE_TEST(paws_forgets_after_24_days)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_in(w, "P. 1:11(10) ack 1 <nop,nop,TS val 2000000000 ecr *>");
	wire_acked(w, 11);
	wire_wait(w, SEC(25 * 86400));
	wire_in(w, "P. 11:21(10) ack 1 <nop,nop,TS val 1999999999 ecr *>");
	wire_recv(w, 100, 20);
	wire_acked(w, 21);
	wire_count(w, drop_paws, 0);
	wire_end(w);
}

/* As Linux: a SYN's timestamp of 0 is no clock that what follows could be behind. */
WIRE_TEST(paws_is_not_for_zero)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) <mss 1460,nop,nop,TS val 0 ecr 0>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,TS val 3000000000 ecr *>");
	wire_accept(w);
	wire_in(w, "P. 1:11(10) ack 1 <nop,nop,TS val 3000000001 ecr *>");
	wire_recv(w, 100, 10);
	wire_acked(w, 11);
	wire_flow(w, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 0 ecr *>");
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,TS val * ecr 0>");
	wire_in(w, "P. 1:11(10) ack 1 <nop,nop,TS val 3000000001 ecr *>");
	wire_recv(w, 100, 10);
	wire_acked(w, 11);
	wire_count(w, drop_paws, 0);
	wire_end(w);
}

/* RFC 7323 §4.1: without ACK the echo means nothing; with it, it measures even retransmissions. */
WIRE_TEST(rtt_by_timestamps_despite_retransmission)
{
	wire_start(w);
	wire_accepted(w, TS, 65535);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_out(w, "+%uus P. 1:11(10) ack 1", wire_rto(w));
	wire_in(w, "+20ms . 1:1(0) ack 11");
	WIRE_IN(w, wire_listing(w).srtt_us, 8000, 22000);
	wire_end(w);
}
