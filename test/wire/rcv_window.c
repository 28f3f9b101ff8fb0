/* SPDX-License-Identifier: BSD-3-Clause */
/* The window that we offer, its first value and its growth, and what is taken at its edge: RFC 9293
 * §3.8.6.2, §3.10.7.4, RFC 7323 §2; in Linux's figures. */
#include "wire.h"

static void
large_buffers(struct tcp_config *config)
{
	config->rcvbuf_bytes = 540000;
	config->rcvbuf_max_bytes = 15 << 20;
}

/* Half of the buffer in whole segments, at most what a SYN can say. */
WIRE_TEST(first_window_of_a_server)
{
	wire_start(w);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,nop,wscale 7>");
	wire_out(w, "S. 0:0(0) ack 1 win 64240 <mss 1460,nop,wscale 7>");
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,sackOK,TS val * ecr 0>");
	wire_out(w, "S. 0:0(0) ack 1 win 65160 <*>");
	wire_end(w);
}

WIRE_TEST(first_window_of_a_client)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) win 64240 <*>");
	wire_end(w);
}

/* The scale is for what the buffer may grow to. */
WIRE_TEST(scale_for_the_largest_buffer)
{
	wire_start(w, .configure = large_buffers);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,nop,wscale 7>");
	wire_out(w, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 8>");
	wire_end(w);
}

WIRE_TEST(buffer_that_was_set_needs_no_scale)
{
	wire_start(w);
	wire_listen(w, 4);
	tcp_setsockopt(w->listener, SOL_SOCKET, SO_RCVBUF, &(int){20000}, sizeof(int));
	wire_in(w, "S 0:0(0) win 65535 <mss 1000,nop,wscale 7>");
	wire_out(w, "S. 0:0(0) ack 1 win 18980 <mss 1460,nop,wscale 0>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	wire_get(w, SOL_SOCKET, SO_RCVBUF, 40000);
	wire_end(w);
}

WIRE_TEST(clamp_before_connecting)
{
	wire_start(w);
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 10000);
	wire_get(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 10000);
	wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 1);
	wire_get(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 1152);
	wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0);
	wire_get(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0);
	wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 10000);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) win 8760 <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1 win 8760");
	WIRE_EQ(w,
		tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_WINDOW_CLAMP, &(int){0}, sizeof(int)),
		-EINVAL);
	wire_end(w);
}

/* The right edge of what was told until now never moves back. */
static uint64_t
told(struct wire *w, uint64_t edge)
{
	unsigned int shift = wire_listing(w).rcv_wscale_shift;
	struct note note;

	while (wire_next(w, &note)) {
		uint64_t now = note.ack.value + ((uint64_t)note.win.value << shift);

		if (now < edge)
			wire_fail(w, "the right edge moved back");
		edge = now;
	}
	return edge;
}

/* Segments that fill their buffers raise the window by twice their size, until the buffer is what
 * holds it. */
WIRE_TEST(window_grows_with_what_arrives)
{
	unsigned int at = 1;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 65535);
	WIRE_EQ(w, wire_rcv_wnd(w), 64240);
	for (unsigned int i = 0; i < 4; i++, at += WIRE_MSS) {
		wire_in(w, ". %u:%u(1460) ack 1", at, at + WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
		wire_skip(w);
	}
	wire_wait(w, MS(40));
	wire_skip(w);
	WIRE_IN(w, wire_rcv_wnd(w), 64240 + 3 * 2 * WIRE_MSS, 64240 + 4 * 2 * WIRE_MSS + 128);
	wire_end(w);
}

/* A clamp and a smaller buffer set later hold the window down, but take nothing back. */
WIRE_TEST(clamp_and_buffer_shrink_nothing)
{
	uint64_t edge = 64241;
	unsigned int at = 1;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000);
	wire_set(w, SOL_SOCKET, SO_RCVBUF, 8000);
	for (unsigned int i = 0; i < 60; i++, at += WIRE_MSS) {
		wire_in(w, ". %u:%u(1460) ack 1", at, at + WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
		edge = told(w, edge);
	}
	wire_wait(w, MS(200));
	told(w, edge);
	WIRE_IN(w, wire_rcv_wnd(w), WIRE_MSS, 16000);
	wire_end(w);
}

static void
small_window(struct wire *w)
{
	wire_start(w, .rcvbuf_bytes = 20000, .quickacks = true, .split = 2000);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, wire_rcv_wnd(w), 8760);
}

/* What ends beyond the window: all of it while the reader waits, none of it else. */
WIRE_TEST(partial_fit_while_the_reader_lags)
{
	unsigned int edge;

	small_window(w);
	edge = 1 + wire_rcv_wnd(w);
	for (unsigned int at = 1; at + 1000 < edge; at += 1000) {
		wire_hold(w);
		wire_in(w, ". %u:%u(1000) ack 1", at, at + 1000);
		wire_release(w);
		wire_skip(w);
	}
	/* Queued: 8000 bytes, and 760 may come; 1000 are too many. */
	edge = 8001 + wire_rcv_wnd(w);
	wire_in(w, ". 8001:%u(%u) ack 1", edge + 100, edge + 100 - 8001);
	wire_out(w, ". 1:1(0) ack 8001");
	wire_count(w, drop_beyond_window, 1);
	/* Nor out of order. */
	edge = 8001 + wire_rcv_wnd(w);
	wire_in(w, ". 8101:%u(%u) ack 1", edge + 100, edge + 100 - 8101);
	wire_out(w, ". 1:1(0) ack 8001");
	wire_count(w, drop_beyond_window, 2);
	edge = 8001 + wire_rcv_wnd(w);
	wire_in(w, ". %u:%u(10) ack 1", edge + 50, edge + 60);
	wire_out(w, ". 1:1(0) ack 8001");
	wire_count(w, drop_beyond_window, 3);
	wire_end(w);
}

WIRE_TEST(partial_fit_while_the_reader_waits)
{
	unsigned int edge;

	small_window(w);
	wire_hold(w);
	for (unsigned int at = 1; at < 8001; at += 1000)
		wire_in(w, ". %u:%u(1000) ack 1", at, at + 1000);
	wire_release(w);
	wire_skip(w);
	WIRE_IN(w, wire_rcv_wnd(w), 0, 8759);
	edge = 8001 + wire_rcv_wnd(w);
	wire_hold(w);
	wire_recv(w, 8000, 8000);
	/* Not told of yet: the edge is where it was. */
	wire_in(w, ". 8001:%u(%u) ack 1", edge + 100, edge + 100 - 8001);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack %u", edge + 100);
	wire_recv(w, 100000, edge + 100 - 8001);
	wire_skip(w);
	wire_end(w);
}

/* Shuts the window that small_window() opened; returns the next byte. */
static unsigned int
shut(struct wire *w)
{
	unsigned int at = 1, n;

	for (unsigned int i = 0; i < 1000 && (n = wire_rcv_wnd(w)) > 0; i++, at += n) {
		n = n > WIRE_MSS ? WIRE_MSS : n;
		wire_in(w, ". %u:%u(%u) ack 1", at, at + n, n);
		wire_skip(w);
		wire_wait(w, MS(40));
		wire_skip(w);
	}
	WIRE_EQ(w, wire_rcv_wnd(w), 0);
	return at;
}

/* Some peers send their FIN although the window is shut. */
WIRE_TEST(fin_alone_fits_a_shut_window)
{
	unsigned int at;

	small_window(w);
	at = shut(w);
	wire_in(w, "F. %u:%u(0) ack 1", at, at);
	wire_out(w, "<=200ms . 1:1(0) ack %u win 0", at + 1);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_end(w);
}

WIRE_TEST(fin_with_payload_does_not)
{
	unsigned int at;

	small_window(w);
	at = shut(w);
	wire_in(w, "F. %u:%u(1) ack 1", at, at + 1);
	wire_out(w, ". 1:1(0) ack %u win 0", at);
	wire_state(w, TCP_ESTABLISHED);
	wire_in(w, ". %u:%u(1) ack 1", at, at + 1);
	wire_out(w, ". 1:1(0) ack %u win 0", at);
	wire_count(w, drop_beyond_window, 2);
	wire_recv(w, 100000, at - 1);
	wire_skip(w);
	wire_in(w, "F. %u:%u(1) ack 1", at, at + 1);
	wire_out(w, "<=200ms . 1:1(0) ack %u", at + 2);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_end(w);
}

/* Payload that fills the window exactly, and a FIN behind it. */
WIRE_TEST(fin_just_beyond_the_window)
{
	unsigned int at = 1, wnd;

	small_window(w);
	for (wnd = wire_rcv_wnd(w); wnd > WIRE_MSS; wnd = wire_rcv_wnd(w), at += WIRE_MSS) {
		wire_in(w, ". %u:%u(1460) ack 1", at, at + WIRE_MSS);
		wire_skip(w);
		wire_wait(w, MS(40));
		wire_skip(w);
	}
	wire_in(w, "F. %u:%u(%u) ack 1", at, at + wnd, wnd);
	wire_out(w, "<=200ms . 1:1(0) ack %u", at + wnd + 1);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_end(w);
}

/* A peer without regard for the window gets no memory for it. */
WIRE_TEST(flood_beyond_the_window)
{
	struct tcp_usage usage;
	unsigned int at;

	small_window(w);
	at = shut(w);
	for (unsigned int i = 0; i < 2000; i++) {
		wire_in(w, ". %u:%u(1460) ack 1", at + i * 7, at + i * 7 + WIRE_MSS);
		wire_skip(w);
	}
	tcp_usage(w->engine, &usage);
	WIRE_IN(w, usage.held_bufs, 1, 10);
	wire_end(w);
}

/* Resets of a connection say the window and the time as its other segments do. */
WIRE_TEST(reset_tells_window_and_time)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,TS val * ecr 0>", 65535);
	wire_abort(w);
	wire_out(w, "R. 1:1(0) ack 1 win 65160 <nop,nop,TS val * ecr 1010>");
	wire_end(w);
}

/* Received in memory that is not the device pool's: it costs what it takes all the same. */
WIRE_TEST(foreign_buffers_are_charged_too)
{
	wire_start(w, .quickacks = true, .exact_bufs = true);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 65535);
	/* They are nearly full, so the window may become nearly as large as the buffer. */
	for (unsigned int i = 0, at = 1; i < 40; i++, at += WIRE_MSS) {
		wire_in(w, ". %u:%u(1460) ack 1", at, at + WIRE_MSS);
		wire_recv(w, WIRE_MSS, WIRE_MSS);
		wire_skip(w);
	}
	WIRE_IN(w, wire_rcv_wnd(w), 131072 / 10 * 8, 131072);
	wire_end(w);
}
