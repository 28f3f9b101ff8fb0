/* SPDX-License-Identifier: BSD-3-Clause */
/* The SMC-R capability, RFC 7609 Appendix A: the option, the flag, and when it is cleared. */
#include "lib/tern.h"
#include "wire.h"

#define SMC "nop,nop,raw fe06e2d4c3d9"
#define SYN_OPTIONS "mss 1460,sackOK,TS val * ecr 0,nop,wscale *"
#define PEER_OPTIONS "mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7"

static void
set_flag(struct wire *w)
{
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_SYN_SMC, 1);
}

static void
flag_is(struct wire *w, int expected)
{
	wire_get(w, IPPROTO_TCP, TCP_SYN_SMC, expected);
	WIRE_EQ(w, wire_listing(w).smc, expected);
}

/* A listener with the flag. */
static void
listen_with_flag(struct wire *w)
{
	int on = 1;

	wire_listen(w, 16);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_SYN_SMC, &on, sizeof(on)), 0);
}

/* A SYN with these options is answered with the option (and a child with the flag), or without. */
static void
passive(struct wire *w, const char *options, bool answered)
{
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,%s>", options);
	if (answered)
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	else
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512");
	wire_accept(w);
	flag_is(w, answered);
}

/* ---- Connecting */

/* Byte by byte what it was before there was the option. */
WIRE_TEST(syn_with_the_flag_off)
{
	wire_start(w);
	wire_open(w);
	wire_get(w, IPPROTO_TCP, TCP_SYN_SMC, 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <" PEER_OPTIONS "," SMC ">");
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,TS val * ecr 7>");
	flag_is(w, 0);
	wire_end(w);
}

WIRE_TEST(both_say_it)
{
	wire_start(w);
	set_flag(w);
	wire_get(w, IPPROTO_TCP, TCP_SYN_SMC, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <" PEER_OPTIONS "," SMC ">");
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,TS val * ecr 7>");
	wire_poll(w, POLLOUT);
	flag_is(w, 1);
	/* The option is in SYNs alone. */
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_end(w);
}

WIRE_TEST(without_timestamps)
{
	wire_start(w, .no_timestamps = true);
	set_flag(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale *," SMC ">");
	wire_end(w);
}

WIRE_TEST(syn_ack_without_it_clears_the_flag)
{
	wire_start(w);
	set_flag(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <" PEER_OPTIONS ">");
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,TS val * ecr 7>");
	flag_is(w, 0);
	wire_end(w);
}

/* A SYN-ACK that answers something else decides nothing. */
WIRE_TEST(unacceptable_syn_ack_leaves_the_flag)
{
	wire_start(w);
	set_flag(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 100 win 65535 <mss 1460>");
	wire_skip(w);
	flag_is(w, 1);
	wire_end(w);
}

WIRE_TEST(it_stays_in_syns_sent_again)
{
	wire_start(w);
	set_flag(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_out(w, "+1s S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_out(w, "+1s S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460," SMC ">");
	wire_out(w, ". 1:1(0) ack 1");
	flag_is(w, 1);
	wire_end(w);
}

WIRE_TEST(crossing_syn_with_it)
{
	wire_start(w);
	set_flag(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_in(w, "+10ms S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	flag_is(w, 1);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460," SMC ">");
	wire_skip(w);
	wire_state(w, TCP_ESTABLISHED);
	flag_is(w, 1);
	wire_end(w);
}

WIRE_TEST(crossing_syn_without_it)
{
	wire_start(w);
	set_flag(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_in(w, "+10ms S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	flag_is(w, 0);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460," SMC ">");
	wire_skip(w);
	wire_state(w, TCP_ESTABLISHED);
	flag_is(w, 0);
	wire_end(w);
}

/* Without the flag there is nothing to keep. */
WIRE_TEST(crossing_syn_with_the_flag_off)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS ">");
	wire_in(w, "+10ms S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	flag_is(w, 0);
	wire_end(w);
}

/* ---- Listening */

WIRE_TEST(listener_answers)
{
	wire_start(w);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <" PEER_OPTIONS "," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS val * ecr 7,nop,wscale *," SMC ">");
	WIRE_EQ(w, wire_listing(w).smc, 1);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512 <nop,nop,TS val 8 ecr *>");
	wire_accept(w);
	flag_is(w, 1);
	wire_end(w);
}

WIRE_TEST(listener_is_not_asked)
{
	wire_start(w);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512");
	wire_accept(w);
	flag_is(w, 0);
	wire_end(w);
}

WIRE_TEST(listener_with_the_flag_off)
{
	wire_start(w);
	wire_listen(w, 16);
	passive(w, SMC, false);
	wire_end(w);
}

/* What the final ACK says counts for nothing. */
WIRE_TEST(option_outside_of_syns)
{
	wire_start(w);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512 <" SMC ">");
	wire_accept(w);
	flag_is(w, 0);
	wire_end(w);
}

WIRE_TEST(syn_ack_sent_again)
{
	wire_start(w);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512");
	wire_accept(w);
	flag_is(w, 1);
	wire_end(w);
}

static void
always_cookies(struct tcp_config *config)
{
	config->syncookies = TCP_SYNCOOKIES_ALWAYS;
}

WIRE_TEST(off_under_syn_cookies)
{
	wire_start(w, .configure = always_cookies);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <" PEER_OPTIONS "," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS val * ecr 7,nop,wscale *>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512 <nop,nop,TS val 8 ecr *>");
	wire_accept(w);
	flag_is(w, 0);
	wire_end(w);
}

/* ---- The option's form */

WIRE_TEST(option_of_every_length)
{
	char option[2 * TCP_MAX_OPTION_BYTES + 8], *p;

	wire_start(w);
	listen_with_flag(w);
	for (unsigned int len = 2; len <= 36; len++) {
		/* Rounded up by END: <mss> leaves 36 bytes. */
		p = option + sprintf(option, "raw fe%02x", len);
		for (unsigned int i = 2; i < len; i++)
			p += sprintf(p, "%02x", i < 6 ? "\xe2\xd4\xc3\xd9"[i - 2] & 0xff : i);
		for (unsigned int i = len; i % 4 != 0; i++)
			p += sprintf(p, "00");
		wire_flow(w, len);
		passive(w, option, len >= 6 && len % 2 == 0);
	}
	wire_end(w);
}

/* Alone a SYN's options can hold one of 40 bytes. */
WIRE_TEST(option_of_forty_bytes)
{
	wire_start(w);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <raw fe28e2d4c3d9%068d>", 0);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512");
	wire_accept(w);
	flag_is(w, 1);
	wire_end(w);
}

WIRE_TEST(other_experiments)
{
	static const char *const others[] = {
		"raw fe06e2d4c3da0000",         /* nearly */
		"raw fe06d9c3d4e20000",         /* in another byte order */
		"raw fe06e2d400000000",         /* as RFC 6994's 16 bits would have it */
		"raw fd06e2d4c3d90000",         /* the other experimental kind */
		"raw fe0400000000000000000000", /* none that we know, and the end */
		"raw fe06f989c3d90000",         /* Fast Open's, of a length that is none */
		"raw fe020000",                 /* none at all */
	};

	wire_start(w);
	listen_with_flag(w);
	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		wire_flow(w, i);
		passive(w, others[i], false);
	}
	wire_end(w);
}

/* Behind others that are skipped, in front of others, and without NOPs. */
WIRE_TEST(among_other_options)
{
	wire_start(w);
	listen_with_flag(w);
	passive(w, "raw fe08123400000000,raw fe06e2d4c3d9,raw fd0aabcdef0123456789", true);
	wire_flow(w, 1);
	passive(w, "raw fe06e2d4c3d9,nop,nop,raw fe06aaaaaaaa,nop,nop", true);
	wire_end(w);
}

WIRE_TEST(twice_in_one_syn)
{
	wire_start(w);
	listen_with_flag(w);
	passive(w, SMC "," SMC, true);
	wire_flow(w, 1);
	/* One is as good as two, wherever the bad one is; behind the end there is none. */
	passive(w, SMC ",raw fe07e2d4c3d900,nop", true);
	wire_flow(w, 2);
	passive(w, "raw fe07e2d4c3d900,nop," SMC, true);
	wire_flow(w, 3);
	passive(w, "eol,raw 000000," SMC, false);
	wire_end(w);
}

WIRE_TEST(cut_off_by_the_header)
{
	wire_start(w);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,nop,nop,raw fe06>");
	wire_idle(w);
	wire_count(w, drop_bad_option, 1);
	wire_end(w);
}

/* ---- TCP_SYN_SMC */

static void
set_fails(struct wire *w, struct tcp_conn *c, int value, size_t len, int error)
{
	WIRE_EQ(w, tcp_setsockopt(c, IPPROTO_TCP, TCP_SYN_SMC, &value, len), error);
}

WIRE_TEST(socket_option)
{
	wire_start(w);
	wire_open(w);
	set_fails(w, w->flow->c, 2, sizeof(int), -EINVAL);
	set_fails(w, w->flow->c, -1, sizeof(int), -EINVAL);
	set_fails(w, w->flow->c, 1, 3, -EINVAL);
	wire_set(w, IPPROTO_TCP, TCP_SYN_SMC, 1);
	wire_set(w, IPPROTO_TCP, TCP_SYN_SMC, 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS ">");
	set_fails(w, w->flow->c, 1, sizeof(int), -EINVAL);
	flag_is(w, 0);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	set_fails(w, w->flow->c, 0, sizeof(int), -EINVAL);
	wire_in(w, "R. 1:1(0) ack 1");
	wire_state(w, TCP_CLOSED);
	set_fails(w, w->flow->c, 1, sizeof(int), 0);
	wire_end(w);
}

/* A listener's flag may change; connections have what their SYN found. */
WIRE_TEST(listener_changes_its_mind)
{
	int off = 0;

	wire_start(w);
	listen_with_flag(w);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_SYN_SMC, &off, sizeof(off)), 0);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 512");
	wire_accept(w);
	flag_is(w, 1);
	wire_flow(w, 1);
	passive(w, SMC, false);
	wire_end(w);
}

/* What was cleared stays so, and is set anew for another attempt. */
WIRE_TEST(another_attempt)
{
	wire_start(w);
	set_flag(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_disconnect(w);
	wire_skip(w);
	wire_again(w, 100000);
	wire_get(w, IPPROTO_TCP, TCP_SYN_SMC, 0);
	wire_set(w, IPPROTO_TCP, TCP_SYN_SMC, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" SYN_OPTIONS "," SMC ">");
	wire_end(w);
}
