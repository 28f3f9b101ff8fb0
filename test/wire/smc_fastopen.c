/* SPDX-License-Identifier: BSD-3-Clause */
/* The SMC option beside Fast Open's, which comes first: every cookie in every SYN, to the byte. */
#include "fastopen.h"
#include "lib/tern.h"

#define SMC "nop,nop,raw fe06e2d4c3d9"
#define WITH_TS "mss 1460,sackOK,TS val * ecr 0,nop,wscale *"
#define WITHOUT_TS "mss 1460,nop,nop,sackOK,nop,wscale *"

static void
flag_is(struct wire *w, int expected)
{
	wire_get(w, IPPROTO_TCP, TCP_SYN_SMC, expected);
}

/* The cookie 01 02 ... of this length is known. */
static void
know(struct wire *w, unsigned int len, bool experimental)
{
	struct tcp_fastopen_news news = {
		.kind = TCP_FASTOPEN_NEWS_ENTRY,
		.entry = {.local = w->local,
			  .remote = w->flow->remote.ip,
			  .mss = 1460,
			  .cookie = {.len = (uint8_t)len, .experimental = experimental}},
	};

	for (unsigned int i = 0; i < len; i++)
		news.entry.cookie.bytes[i] = (uint8_t)(i + 1);
	tcp_fastopen_take_news(w->engine, &news);
}

/* The option's notation, padded. */
static const char *
fastopen_text(unsigned int len, bool experimental)
{
	static char text[80];
	char *p = text + sprintf(text, experimental ? "FOEXP" : "FO");

	for (unsigned int i = 0; i < len; i++)
		p += sprintf(p, "%s%02x", i == 0 ? " " : "", i + 1);
	if ((len + (experimental ? 4 : 2)) % 4 != 0)
		sprintf(p, ",nop,nop");
	return text;
}

static void
open_early(struct wire *w)
{
	fo_open(w);
	wire_set(w, IPPROTO_TCP, TCP_SYN_SMC, 1);
}

static void
every_cookie(struct wire *w, bool timestamps)
{
	unsigned int flow = 0;

	for (unsigned int len = 4; len <= 16; len += 2) {
		for (int exp = 0; exp < 2; exp++) {
			/* Behind 20 bytes, or 12: 40 are all. */
			unsigned int used = ((exp ? 4 : 2) + len + 3) / 4 * 4;
			bool fits = (timestamps ? 20 : 12) + used + 8 <= 40;

			wire_flow(w, flow++);
			know(w, len, exp != 0);
			open_early(w);
			wire_connect(w, 0);
			wire_send(w, 10, 10);
			wire_out(w, "S 0:10(10) <%s,%s%s>", timestamps ? WITH_TS : WITHOUT_TS,
				 fastopen_text(len, exp != 0), fits ? "," SMC : "");
			WIRE_EQ(w, fits, !timestamps || len <= 8 || (len == 10 && exp == 0));
			wire_in(w, "+10ms S. 0:0(0) ack 11 win 65535 <mss 1460," SMC ">");
			wire_out(w, ". 11:11(0) ack 1");
			flag_is(w, fits);
			fo_abort(w);
		}
	}
	wire_end(w);
}

WIRE_TEST(every_cookie_with_timestamps)
{
	wire_start(w);
	every_cookie(w, true);
}

WIRE_TEST(every_cookie_without_timestamps)
{
	wire_start(w, .no_timestamps = true);
	every_cookie(w, false);
}

WIRE_TEST(request_for_a_cookie)
{
	wire_start(w);
	open_early(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <" WITH_TS ",FO,nop,nop," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460," SMC ">");
	wire_out(w, ". 1:1(0) ack 1");
	flag_is(w, 1);
	wire_end(w);
}

/* Fast Open's option is not sent again, SMC's is; and then there is room for it. */
WIRE_TEST(syn_sent_again)
{
	wire_start(w);
	know(w, 16, false);
	open_early(w);
	wire_connect(w, 0);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) <" WITH_TS ",FO 0102030405060708090a0b0c0d0e0f10,nop,nop>");
	wire_out(w, "+1s S 0:0(0) <" WITH_TS "," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460," SMC ">");
	wire_skip(w);
	flag_is(w, 1);
	wire_end(w);
}

/* What was not said cannot have been answered. */
WIRE_TEST(smc_that_did_not_fit)
{
	wire_start(w);
	know(w, 16, false);
	open_early(w);
	wire_connect(w, 0);
	flag_is(w, 1);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) <" WITH_TS ",FO 0102030405060708090a0b0c0d0e0f10,nop,nop>");
	wire_in(w, "+10ms S. 0:0(0) ack 11 win 65535 <mss 1460," SMC ">");
	wire_out(w, ". 11:11(0) ack 1");
	flag_is(w, 0);
	wire_end(w);
}

/* ---- AF_SMC: either bytes in the SYN, or CLC before all bytes */

WIRE_TEST(fastopen_option_ends_clc)
{
	wire_start(w);
	know(w, 8, false);
	wire_open(w);
	tcp_smc_enable(w->flow->c);
	flag_is(w, 1);
	w->flow->local.port = 0;
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	flag_is(w, 0);
	wire_connect(w, 0);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) <" WITH_TS ",FO 0102030405060708,nop,nop>");
	wire_in(w, "+10ms S. 0:0(0) ack 11 win 65535 <mss 1460," SMC ">");
	wire_out(w, ". 11:11(0) ack 1");
	wire_poll(w, POLLOUT);
	wire_end(w);
}

WIRE_TEST(msg_fastopen_ends_clc)
{
	wire_start(w);
	know(w, 8, false);
	wire_open(w);
	tcp_smc_enable(w->flow->c);
	w->flow->local.port = 0;
	wire_sendto(w, 10, MSG_FASTOPEN, 10);
	flag_is(w, 0);
	wire_out(w, "S 0:10(10) <" WITH_TS ",FO 0102030405060708,nop,nop>");
	wire_end(w);
}

/* As Linux: too late. */
WIRE_TEST(fastopen_option_on_an_open_socket)
{
	int n = 5, on = 1;

	wire_start(w);
	wire_listen(w, 16);
	tcp_smc_enable(w->listener);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN, &n, sizeof(n)), -EINVAL);
	wire_open(w);
	tcp_smc_enable(w->flow->c);
	wire_connect(w, -EINPROGRESS);
	wire_skip(w);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof(on)),
		-EINVAL);
	flag_is(w, 1);
	wire_end(w);
}
