/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, the server under floods: forged cookies leave nothing behind, and neither memory nor
 * ordinary clients suffer from right ones.
 */
#include "fastopen_server.h"

/* The sanitizers find in the first of them what they find. */
#ifdef __SANITIZE_ADDRESS__
enum { FORGED = 10000 };
#else
enum { FORGED = 100000 };
#endif

/* The n-th forger's address. */
static void
forge(struct wire *w, unsigned int n)
{
	wire_flow(w, 1);
	wire_again(w, 4242);
	w->flow->remote.ip.w[3] = rte_cpu_to_be_32(0x0a000001 + n / 50000);
	w->flow->remote.port = (uint16_t)(1024 + n % 50000);
}

/* A legitimate client on its way through all of it. */
static void
legitimate(struct wire *w, unsigned int number)
{
	wire_flow(w, number);
	server_accepted(w, 10);
	wire_recv(w, 20, 10);
	wire_in(w, ". 11:11(0) ack 1 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	wire_abort(w);
	wire_out(w, "R. 1:1(0) ack 11");
}

/* Each is an ordinary SYN to the server: a place in the SYN queue while there is one, then a SYN
 * cookie. */
WIRE_TEST(wrong_cookies)
{
	wire_start(w, .configure = server_on, .max_requests = 1000);
	server_listen(w, 64, 16);
	for (unsigned int i = 0; i < FORGED; i++) {
		forge(w, i);
		wire_in(w, "S 0:1400(1400) win 65535 <mss 1460,nop,nop,raw 220a%016x,nop,nop>", i);
		wire_skip(w);
		if (i == 30) {
			legitimate(w, 2);
			wire_used(w, requests, i + 1);
		}
	}
	wire_count(w, fastopen_passive, 1);
	wire_count(w, fastopen_passive_fail, 65); /* later ones had no say: SYN cookies in force */
	wire_used(w, requests, 65);
	wire_used(w, conns, 1);
	wire_used(w, flows, 65);
	wire_used(w, held_bufs, 0);
	wire_accept_none(w);
	/* Who is real gets through, without Fast Open. */
	wire_flow(w, 3);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "P. 1:11(10) ack 1 win 8000");
	wire_acked(w, 11);
	wire_accept(w);
	wire_recv(w, 20, 10);
	wire_end(w);
}

/* Forged by hosts that answer with a reset: again and again there is a free place, and none is
 * kept. */
WIRE_TEST(wrong_cookies_from_hosts_that_are_there)
{
	wire_start(w, .configure = server_on, .max_requests = 1000);
	server_listen(w, 64, 16);
	for (unsigned int i = 0; i < FORGED; i++) {
		forge(w, i);
		wire_in(w, "S 0:1400(1400) win 65535 <mss 1460,nop,nop,raw 220a%016x,nop,nop>", i);
		wire_in(w, "R 1:1(0) win 0");
		wire_skip(w);
		if (i % (FORGED / 10) == FORGED / 20)
			legitimate(w, 2 + i / (FORGED / 10));
	}
	wire_count(w, fastopen_passive_fail, FORGED);
	wire_count(w, fastopen_passive, 10);
	wire_used(w, requests, 0);
	wire_used(w, conns, 1);
	wire_used(w, flows, 0);
	wire_used(w, held_bufs, 0);
	wire_end(w);
}

/* With right cookies: no more children than the limit, and no more work for the user. */
WIRE_TEST(right_cookies)
{
	wire_start(w, .configure = server_on, .max_requests = 1000);
	server_listen(w, 64, 16);
	for (unsigned int i = 0; i < 10000; i++) {
		forge(w, i);
		wire_in(w, "S 0:1400(1400) win 65535 <mss 1460,nop,nop,raw 220a%s,nop,nop>",
			server_cookie(w));
		wire_skip(w);
	}
	wire_count(w, fastopen_passive, 16);
	wire_used(w, conns, 17);
	wire_used(w, requests, 16 + 65);
	wire_used(w, held_bufs, 16);
	wire_flow(w, 3);
	wire_in(w, "S 0:0(0) win 8000 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "P. 1:11(10) ack 1 win 8000");
	wire_acked(w, 11);
	wire_destroy(w); /* with all those children */
}

/* At most half of the table of requests is Fast Open's, whatever the listeners allow. */
WIRE_TEST(the_table_of_requests_is_shared)
{
	wire_start(w, .configure = server_on, .max_requests = 8);
	server_listen(w, 64, 64);
	for (unsigned int i = 0; i < 4; i++) {
		wire_flow(w, i);
		server_accepted(w, 10);
	}
	wire_flow(w, 4);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_count(w, fastopen_passive_fail, 1);
	/* Guards count, too. */
	wire_in(w, "R 1:1(0) win 0");
	wire_again(w, 4242);
	wire_flow(w, 0);
	wire_in(w, "R. 11:11(0) ack 1 win 0");
	wire_flow(w, 4);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_end(w);
}

/* No more sockets, or no more receive buffers to hold: an ordinary request, whose payload may come
 * again. */
WIRE_TEST(without_memory)
{
	wire_start(w, .configure = server_on, .max_conns = 2);
	server_listen(w, 64, 64);
	server_child(w, 10);
	wire_flow(w, 1);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_count(w, fastopen_passive_fail, 1);
	wire_end(w);
}

WIRE_TEST(without_receive_buffers)
{
	wire_start(w, .configure = server_on, .max_held_bufs = 1);
	server_listen(w, 64, 64);
	server_child(w, 10);
	wire_flow(w, 1);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_count(w, fastopen_passive_fail, 1);
	wire_end(w);
}
