/* SPDX-License-Identifier: BSD-3-Clause */
/* SYN cookies: RFC 4987 §3.6. Sent when the SYN queue is full, never sooner; what they carry comes
 * back; forged and outdated ones do not. */
#include "wire.h"

#define SYN_OPTIONS "<mss 1400,sackOK,TS val 1000 ecr 0,nop,wscale 7>"

static void
off(struct tcp_config *config)
{
	config->syncookies = TCP_SYNCOOKIES_OFF;
}

static void
always(struct tcp_config *config)
{
	config->syncookies = TCP_SYNCOOKIES_ALWAYS;
}

/* A listener whose SYN queue of one is taken by a peer that never answers. */
static void
fill_queue(struct wire *w)
{
	wire_listen(w, 0);
	wire_flow(w, 100);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_count(w, syncookies_sent, 0);
	wire_flow(w, 0);
}

/* Drops the half-open connection before its SYN-ACK is due again. */
static void
empty_queue(struct wire *w)
{
	wire_flow(w, 100);
	wire_in(w, "R 1:1(0) win 0");
	wire_flow(w, 0);
}

WIRE_TEST(full_queue_is_answered_by_a_cookie)
{
	wire_start(w);
	fill_queue(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_count(w, syncookies_sent, 1);
	wire_used(w, requests, 1); /* nothing was kept */
	empty_queue(w);
	wire_idle_for(w, SEC(10)); /* and nothing is sent again */
	wire_in(w, ". 1:1(0) ack 1 win 1000");
	wire_count(w, syncookies_received, 1);
	wire_accept(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_send(w, 2000, 2000);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_in(w, "P. 1:101(100) ack 1001 win 1000");
	wire_out(w, "P. 1001:2001(1000) ack 101");
	wire_recv(w, 200, 100);
	wire_end(w);
}

WIRE_TEST(never_sooner)
{
	wire_start(w);
	wire_listen(w, 3);
	for (unsigned int i = 0; i < 4; i++) {
		wire_flow(w, i);
		wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	}
	wire_count(w, syncookies_sent, 0);
	wire_used(w, requests, 4);
	wire_flow(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_count(w, syncookies_sent, 1);
	wire_used(w, requests, 4);
	wire_end(w);
}

/* All listeners' half-open connections come from one table. */
WIRE_TEST(full_table_is_answered_by_a_cookie)
{
	wire_start(w, .max_requests = 1);
	wire_listen(w, 100);
	wire_flow(w, 100);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_flow(w, 0);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_count(w, syncookies_sent, 1);
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_end(w);
}

/* Window scale, SACK and timestamps come back by the timestamp; the MSS by the cookie. */
WIRE_TEST(timestamps_carry_the_options)
{
	struct tcp_listing l;

	wire_start(w, .configure = always);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 " SYN_OPTIONS);
	wire_out(w, "S. 0:0(0) ack 1 {mss 1460,sackOK,TS val * ecr 1000,wscale *}");
	wire_used(w, requests, 0);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512");
	wire_accept(w);
	l = wire_listing(w);
	WIRE_EQ(w, l.timestamps, true);
	WIRE_EQ(w, l.sack, true);
	WIRE_EQ(w, l.snd_wscale_shift, 7);
	WIRE_EQ(w, l.snd_wnd, 512 << 7);
	WIRE_EQ(w, l.srtt_us, 0); /* there is nothing to measure by */
	/* 1400 is rounded down to what the table knows. */
	WIRE_EQ(w, l.mss, (w->family == AF_INET ? 1300 : 1220) - 12);
	wire_send(w, 4000, 4000);
	wire_skip(w);
	wire_in(w, ". 1:1(0) ack 1 win 512 <nop,nop,TS val * ecr *,nop,nop,sack 1289:2577>");
	wire_skip(w);
	wire_end(w);
}

/* The timestamp of the SYN-ACK is not ahead of those that follow: the peer's PAWS would drop them.
 */
WIRE_TEST(timestamps_go_forward)
{
	struct note synack, data;

	wire_start(w, .configure = always);
	wire_listen(w, 4);
	for (unsigned int i = 0; i < 70; i++) {
		wire_flow(w, i);
		wire_in(w, "S 0:0(0) win 65535 " SYN_OPTIONS);
		WIRE_EQ(w, wire_next(w, &synack), true);
		wire_in(w, ". 1:1(0) ack 1 win 512");
		wire_accept(w);
		wire_send(w, 1, 1);
		WIRE_EQ(w, wire_next(w, &data), true);
		WIRE_EQ(w, data.n_options, 3);
		/* Relative to the SYN-ACK's, which the flow counts from. */
		WIRE_IN(w, data.options[2].a.value, 0, 64);
		wire_abort(w);
		wire_skip(w);
		wire_wait(w, MS(1));
	}
	wire_end(w);
}

/* Without timestamps neither SACK nor window scaling is offered: nothing would remember them. */
WIRE_TEST(without_timestamps_only_the_mss)
{
	struct tcp_listing l;

	wire_start(w, .configure = always);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,sackOK,nop,wscale 7>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512");
	wire_accept(w);
	l = wire_listing(w);
	WIRE_EQ(w, l.timestamps, false);
	WIRE_EQ(w, l.sack, false);
	WIRE_EQ(w, l.snd_wnd, 512);
	WIRE_EQ(w, l.mss, w->family == AF_INET ? 1460 : 1440);
	wire_end(w);
}

WIRE_TEST4(mss_table)
{
	static const struct {
		unsigned int said, kept;
	} cases[] = {{100, 536},   {536, 536},   {1299, 536},  {1300, 1300}, {1439, 1300},
		     {1440, 1440}, {1459, 1440}, {1460, 1460}, {9000, 1460}};

	wire_start(w, .configure = always);
	wire_listen(w, 20);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wire_flow(w, i);
		wire_in(w, "S 0:0(0) win 65535 <mss %u>", cases[i].said);
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
		wire_in(w, ". 1:1(0) ack 1");
		wire_accept(w);
		WIRE_EQ(w, wire_listing(w).mss, cases[i].kept);
	}
	wire_end(w);
}

/* The first data says as much as the final ACK, if that was lost. */
WIRE_TEST(data_brings_it_back)
{
	wire_start(w, .configure = always);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "P. 1:101(100) ack 1 win 65535");
	wire_acked(w, 101);
	wire_accept(w);
	wire_recv(w, 200, 100);
	wire_end(w);
}

WIRE_TEST(off_drops)
{
	wire_start(w, .configure = off);
	fill_queue(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_idle(w);
	wire_count(w, syncookies_sent, 0);
	wire_count(w, drop_syn_queue_full, 1);
	wire_end(w);
}

/* Good in its minute and the next. */
WIRE_TEST(cookies_age)
{
	wire_start(w, .configure = always);
	wire_listen(w, 8);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_wait(w, SEC(59));
	wire_flow(w, 0);
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	/* Others keep the listener in need of cookies. */
	wire_wait(w, SEC(60));
	wire_flow(w, 2);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_wait(w, SEC(2));
	wire_flow(w, 1);
	wire_in(w, ". 1:1(0) ack 1");
	wire_out(w, "R 1:1(0)");
	wire_count(w, syncookies_failed, 1);
	wire_end(w);
}

/* A listener that has sent none for two minutes takes none: a guess would open a connection. */
WIRE_TEST(none_expected_none_taken)
{
	wire_start(w);
	wire_listen(w, 8);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_flow(w, 1);
	wire_in(w, ". 1:1(0) ack 12345");
	wire_out(w, "R *:*(0)");
	wire_count(w, syncookies_failed, 0); /* not even looked at */
	wire_end(w);
}

WIRE_TEST(forged_cookies)
{
	wire_start(w);
	fill_queue(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	/* One off in either number, another port, a number out of thin air. */
	wire_in(w, ". 1:1(0) ack 100");
	wire_out(w, "R 100:100(0)");
	wire_in(w, ". 77:77(0) ack 1");
	wire_out(w, "R 1:1(0)");
	for (unsigned int i = 1; i <= 90; i++) {
		wire_flow(w, i);
		wire_in(w, ". 1:1(0) ack %u", 2654435761u * i);
		wire_out(w, "R *:*(0)");
	}
	wire_count(w, syncookies_failed, 92);
	wire_count(w, syncookies_received, 0);
	wire_used(w, conns, 1);
	/* A reset or a SYN is no final ACK. */
	wire_flow(w, 0);
	wire_in(w, "R. 1:1(0) ack 1");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_end(w);
}

/*
 * ACKs from the middle of a connection: its first bytes were lost, or it has gone and this is a
 * late duplicate. A few bytes off in one number or in both must not do.
 */
WIRE_TEST(no_cookie_from_the_middle)
{
	wire_start(w, .configure = always);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	for (unsigned int i = 1; i <= 16; i++) {
		wire_in(w, "P. %u:%u(10) ack 1", 1 + i, 11 + i);
		wire_out(w, "R 1:1(0)");
		wire_in(w, ". 1:1(0) ack %u", 1 + i);
		wire_out(w, "R %u:%u(0)", 1 + i, 1 + i);
		wire_in(w, ". %u:%u(0) ack %u", 1 + i, 1 + i, 1 + i);
		wire_out(w, "R %u:%u(0)", 1 + i, 1 + i);
	}
	wire_count(w, syncookies_received, 0);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_acked(w, 11);
	wire_accept(w);
	wire_end(w);
}

/* A valid cookie asks for what is switched off meanwhile, or for a place that is not there. */
WIRE_TEST(accept_queue_full_at_the_cookie)
{
	wire_start(w, .configure = always);
	wire_listen(w, 0);
	for (unsigned int i = 0; i < 2; i++) {
		wire_flow(w, i);
		wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	}
	wire_flow(w, 0);
	wire_in(w, ". 1:1(0) ack 1");
	wire_flow(w, 1);
	wire_in(w, ". 1:1(0) ack 1");
	wire_idle(w); /* dropped, and not reset: the peer sends something again */
	wire_count(w, drop_accept_queue_full, 1);
	wire_flow(w, 0);
	wire_accept(w);
	wire_flow(w, 1);
	wire_in(w, "+1s P. 1:11(10) ack 1");
	wire_acked(w, 11);
	wire_accept(w);
	wire_end(w);
}

/* 10,000 SYNs that nobody will complete: memory is bounded, and whoever is real gets through. */
WIRE_TEST(flood)
{
	struct wire_flow *f;

	wire_start(w);
	wire_listen(w, 64);
	for (unsigned int i = 0; i < 10000; i++) {
		wire_flow(w, 1);
		wire_again(w, 4242);
		f = w->flow;
		f->remote.port = (uint16_t)(1024 + i);
		wire_in(w, "S 0:0(0) win 65535 " SYN_OPTIONS);
		wire_skip(w);
		WIRE_IN(w, wire_stats(w).syncookies_sent, i < 64 ? 0 : i - 64, i < 64 ? 0 : i);
		if (i == 5000) {
			wire_flow(w, 0);
			wire_in(w, "S 0:0(0) win 65535 " SYN_OPTIONS);
			wire_out(w, "S. 0:0(0) ack 1 {mss 1460,sackOK,TS val * ecr 1000,wscale *}");
		}
	}
	wire_flow(w, 0);
	wire_in(w, "P. 1:101(100) ack 1 win 512");
	wire_accept(w);
	wire_recv(w, 200, 100);
	wire_used(w, requests, 64);
	wire_used(w, conns, 2);
	wire_used(w, flows, 65);
	wire_skip(w);
	wire_end(w);
}
