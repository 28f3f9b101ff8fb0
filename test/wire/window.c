/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows: zero-window probes (RFC 9293 §3.8.6.1), silly windows (§3.8.6.2), the receive window as
 * memory fills. */
#include "wire.h"

/* The engine has n bytes queued and the peer's window is 0; bytes 1 to 1460 are acknowledged. */
static void
closed_window(struct wire *w, size_t n)
{
	wire_accepted(w, "<mss 1460>", 1460);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1461 win 0");
	wire_send(w, n, (ssize_t)n);
	wire_idle(w);
}

/* A probe is Linux's (no data, an old number) or the RFC's (one byte of new data). */
static void
probe(struct wire *w, uint64_t after_us)
{
	struct note note;

	wire_wait(w, after_us);
	if (!wire_next(w, &note))
		wire_fail(w, "no probe");
	WIRE_EQ(w, note.flags & ~TCP_PSH, TCP_ACK);
	WIRE_EQ(w, note.seq.value + (note.bytes.value == 0), 1461);
	WIRE_IN(w, note.bytes.value, 0, 1);
	wire_idle(w);
}

WIRE_TEST(probes_back_off)
{
	unsigned int rto;
	uint64_t wait_us;

	wire_start(w);
	closed_window(w, 5000);
	rto = wire_rto(w);
	wait_us = rto;
	for (unsigned int i = 0; i < 14; i++) {
		probe(w, wait_us);
		wire_in(w, ". 1:1(0) ack 1461 win 0");
		wire_idle(w);
		wait_us = wait_us * 2 > SEC(120) ? SEC(120) : wait_us * 2;
	}
	wire_count(w, persist_probes, 14);
	wire_count(w, retransmits, 0);
	wire_state(w, TCP_ESTABLISHED);
	wire_in(w, ". 1:1(0) ack 1461 win 65535");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_out(w, ". 4381:5841(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 5841 win 65535");
	wire_out(w, "P. 5841:6461(620) ack 1");
	wire_in(w, ". 1:1(0) ack 6461 win 65535");
	wire_idle_for(w, SEC(300));
	wire_end(w);
}

/* A FIN waits for the window as data does: without probes nothing would end an orphan whose peer
 * never opens it. */
WIRE_TEST(fin_at_a_closed_window_is_probed)
{
	unsigned int rto;

	wire_start(w, .orphan_retries = 2);
	wire_accepted(w, "<mss 1460>", 1460);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1461 win 0");
	wire_close(w);
	rto = wire_rto(w);
	wire_out(w, "+%uus . 1460:1460(0) ack 1", rto);
	wire_out(w, "+%uus . 1460:1460(0) ack 1", 2 * rto);
	wire_wait(w, SEC(10));
	wire_skip(w);
	wire_gone(w);
	wire_end(w);
}

/* RFC 9293 §3.8.6.1 (MUST-37): a peer that answers keeps the connection for ever. */
WIRE_TEST(answered_probes_keep_alive)
{
	wire_start(w, .retries = 3);
	closed_window(w, 5000);
	for (unsigned int i = 0; i < 4000; i++) {
		wire_wait(w, MS(250));
		if (wire_skip(w) != 0)
			wire_in(w, ". 1:1(0) ack 1461 win 0");
	}
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

WIRE_TEST(unanswered_probes_end)
{
	wire_start(w, .retries = 3);
	closed_window(w, 5000);
	wire_in(w, "+10ms . 1:1(0) ack 1461 win 0");
	for (unsigned int i = 0; i < 600 && tcp_state(w->flow->c) != TCP_CLOSED; i++) {
		wire_wait(w, MS(100));
		wire_skip(w);
	}
	wire_state(w, TCP_CLOSED);
	wire_recv(w, 10, -ETIMEDOUT);
	wire_end(w);
}

/* An orphan whose peer keeps its window closed does not stay for ever. */
WIRE_TEST(closed_window_of_an_orphan)
{
	wire_start(w, .orphan_retries = 3);
	closed_window(w, 5000);
	wire_close(w);
	for (unsigned int i = 0; i < 600; i++) {
		wire_wait(w, SEC(1));
		if (wire_skip(w) != 0)
			wire_in(w, ". 1:1(0) ack 1461 win 0");
		wire_skip(w);
	}
	wire_gone(w);
	wire_end(w);
}

/* Sending into a window that was zero before any byte: data, then a FIN. */
WIRE_TEST(closed_window_and_close)
{
	wire_start(w);
	closed_window(w, 100);
	wire_close(w);
	wire_idle(w);
	wire_in(w, "+50ms . 1:1(0) ack 1461 win 1000");
	wire_out(w, "FP. 1461:1561(100) ack 1");
	wire_in(w, ". 1:1(0) ack 1562 win 1000");
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

/* RFC 9293 §3.8.6.2.1: not into a crack of a window, until the override time-out. */
WIRE_TEST(sender_avoids_silly_windows)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1461 win 0");
	wire_send(w, 5000, 5000);
	wire_in(w, "+10ms . 1:1(0) ack 1461 win 100");
	wire_idle_for(w, MS(90));
	wire_out(w, "<=1s . 1461:1561(100) ack 1");
	wire_in(w, ". 1:1(0) ack 1561 win 65535");
	wire_out(w, ". 1561:3021(1460) ack 1");
	wire_skip(w);
	wire_end(w);
}

/* But half of the largest window ever seen is worth it. */
WIRE_TEST(half_of_a_small_window_is_used)
{
	wire_start(w);
	wire_listen(w, 1);
	wire_in(w, "S 0:0(0) win 1000 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 1000");
	wire_accept(w);
	wire_send(w, 5000, 5000);
	wire_out(w, "<=1s . 1:1001(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 500");
	wire_out(w, "<=300ms . 1001:1501(500) ack 1");
	wire_end(w);
}

/* A window that shrinks below what is in flight: discouraged, survived (§3.8.6, MUST-34). */
WIRE_TEST(shrinking_window)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 3);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 100");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 0");
	for (unsigned int i = 0; i < 10; i++) {
		wire_wait(w, MS(500));
		wire_skip(w);
	}
	wire_in(w, ". 1:1(0) ack 4381 win 65535");
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* An old segment's window is not taken (SND.WL1); of two of one number the wider is. */
WIRE_TEST(old_windows_are_ignored)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_in(w, "P. 1:11(10) ack 101 win 5000");
	wire_in(w, "P. 11:21(10) ack 101 win 4000");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 4000);
	wire_in(w, ". 1:11(10) ack 101 win 1");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 4000);
	wire_in(w, ". 21:21(0) ack 50 win 2");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 4000);
	wire_in(w, ". 21:21(0) ack 101 win 3");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 3);
	wire_in(w, ". 21:21(0) ack 101 win 2");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 3);
	wire_in(w, ". 21:21(0) ack 101 win 4001");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 4001);
	wire_in(w, ". 21:21(0) ack 101 win 0");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 0);
	wire_skip(w);
	wire_end(w);
}

/*
 * A segment that fills a hole is older than what was received out of order; if it acknowledges more
 * its window is taken all the same, or the right edge would move beyond what was ever offered.
 */
WIRE_TEST(window_moves_with_the_acknowledgment)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 3000);
	wire_send(w, 10000, 10000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_in(w, "P. 101:201(100) ack 1 win 3000");
	wire_skip(w);
	wire_in(w, "+10ms P. 1:101(100) ack 1461 win 1540");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 1540);
	wire_out(w, ". 2921:2921(0) ack 201");
	wire_in(w, "+10ms . 201:201(0) ack 2921 win 3000");
	wire_out(w, ". 2921:4381(1460) ack 201");
	wire_skip(w);
	wire_end(w);
}

/* ---- Ours */

/* Where the window's right edge lies by all that was told until now. */
static uint64_t
told(struct wire *w, uint64_t edge, unsigned int shift)
{
	struct note note;

	while (wire_next(w, &note)) {
		uint64_t now = note.ack.value + ((uint64_t)note.win.value << shift);

		if (now < edge)
			wire_fail(w, "the right edge moved back");
		edge = now;
	}
	return edge;
}

/* Sends segments of this size until the window that we were told is shut; returns bytes sent. */
static unsigned int
fill_by(struct wire *w, unsigned int shift, unsigned int size)
{
	uint64_t edge = 1 + wire_rcv_wnd(w), at = 1;

	for (unsigned int i = 0; edge - at >= size; i++) {
		if (i > 20000)
			wire_fail(w, "the window never shuts");
		wire_in(w, ". %u:%u(%u) ack 1", (uint32_t)at, (uint32_t)at + size, size);
		at += size;
		edge = told(w, edge, shift);
		if (edge - at < size) {
			wire_wait(w, MS(40));
			edge = told(w, edge, shift);
		}
	}
	return (unsigned int)(at - 1);
}

static unsigned int
fill(struct wire *w, unsigned int shift)
{
	return fill_by(w, shift, WIRE_MSS);
}

WIRE_TEST(our_window_shuts_and_reopens)
{
	unsigned int sent, left;
	struct note note;

	wire_start(w, .rcvbuf_bytes = 65536);
	wire_accepted(w, "<mss 1460>", 65535);
	sent = fill(w, 0);
	WIRE_IN(w, sent, 8 * WIRE_MSS, 65536);
	left = wire_rcv_wnd(w);
	WIRE_IN(w, left, 0, WIRE_MSS - 1);
	/* A probe beyond it is answered, not taken. */
	if (left == 0) {
		wire_in(w, ". %u:%u(1) ack 1", sent + 1, sent + 2);
		wire_out(w, ". 1:1(0) ack %u win 0", sent + 1);
	}
	/* All is read: the peer hears of it at once. */
	wire_recv(w, sent, (ssize_t)sent);
	if (!wire_next(w, &note))
		wire_fail(w, "no window update");
	WIRE_EQ(w, note.ack.value, sent + 1);
	WIRE_IN(w, note.win.value, 8 * WIRE_MSS, 65535);
	wire_idle(w);
	wire_in(w, ". %u:%u(1460) ack 1", sent + 1, sent + 1 + WIRE_MSS);
	wire_acked(w, sent + 1 + WIRE_MSS);
	wire_end(w);
}

/* RFC 9293 §3.8.6.2.2: the edge waits until it can move by a segment or half the buffer. */
WIRE_TEST(receiver_avoids_silly_windows)
{
	unsigned int sent;

	wire_start(w, .rcvbuf_bytes = 65536);
	wire_accepted(w, "<mss 1460>", 65535);
	sent = fill(w, 0);
	for (unsigned int i = 0; i < 10; i++)
		wire_recv(w, 100, 100);
	wire_idle_for(w, SEC(1));
	/* What a probe hears is 0 or worth sending into. */
	wire_in(w, ". %u:%u(0) ack 1", sent, sent);
	wire_out(w, ". 1:1(0) ack %u", sent + 1);
	WIRE_IN(w, wire_rcv_wnd(w), 0, WIRE_MSS - 1);
	wire_end(w);
}

WIRE_TEST(our_scaled_window_never_moves_back)
{
	unsigned int shift, sent;

	wire_start(w, .rcvbuf_bytes = 1 << 20);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 512);
	shift = wire_listing(w).rcv_wscale_shift;
	WIRE_IN(w, shift, 1, 14);
	sent = fill(w, shift);
	WIRE_IN(w, sent, 65536, 1 << 20);
	wire_recv(w, sent, (ssize_t)sent);
	wire_skip(w);
	wire_end(w);
}

/* One byte a segment: what the queue holds is charged by memory, so small ones are compacted. */
WIRE_TEST(small_segments_are_compacted)
{
	struct tcp_usage usage;

	wire_start(w, .rcvbuf_bytes = 131072);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 3000; i++) {
		wire_in(w, "P. %u:%u(1) ack 1", 1 + i, 2 + i);
		wire_skip(w);
	}
	tcp_usage(w->engine, &usage);
	WIRE_IN(w, usage.held_bufs, 1, 64);
	wire_wait(w, MS(50));
	wire_skip(w);
	wire_recv(w, 10000, 3000);
	wire_skip(w);
	wire_end(w);
}

/* A FIN at the edge of the shut window, and data behind it in the same burst. */
WIRE_TEST(fin_at_the_edge_of_the_window)
{
	unsigned int sent, left;

	wire_start(w, .rcvbuf_bytes = 65536);
	wire_accepted(w, "<mss 1460>", 65535);
	sent = fill(w, 0);
	left = wire_rcv_wnd(w);
	if (left > 0) {
		wire_in(w, ". %u:%u(%u) ack 1", sent + 1, sent + 1 + left, left);
		sent += left;
		wire_wait(w, MS(40));
		wire_skip(w);
	}
	WIRE_EQ(w, wire_rcv_wnd(w), 0);
	wire_hold(w);
	wire_in(w, "F. %u:%u(0) ack 1", sent + 1, sent + 1);
	wire_in(w, ". %u:%u(10) ack 1", sent + 2, sent + 12);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack %u win 0", sent + 2);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 100000, (ssize_t)sent);
	wire_recv(w, 100000, 0);
	wire_skip(w);
	wire_end(w);
}

/* RFC 9293 §3.8.6: what was offered is taken, even where segments fill a quarter of their buffers;
 * the peer of a reader who pauses sees a shut window rather than its segments lost. */
WIRE_TEST(window_holds_for_small_segments)
{
	unsigned int sent;

	wire_start(w, .rcvbuf_bytes = 32768);
	wire_accepted(w, "<mss 520>", 65535);
	sent = fill_by(w, 0, 520);
	WIRE_IN(w, sent, 8000, 32768);
	wire_count(w, drop_rcvbuf, 0);
	wire_in(w, ". %u:%u(0) ack 1", sent, sent);
	wire_out(w, ". 1:1(0) ack %u", sent + 1);
	wire_recv(w, 100000, (ssize_t)sent);
	wire_skip(w);
	wire_end(w);
}

/* RFC 6298 §5.1: when the window opens, the timer starts with RTO, whatever persist backed off. */
WIRE_TEST(timeout_after_persist)
{
	uint64_t wait_us;
	unsigned int rto;

	wire_start(w);
	closed_window(w, 1000);
	rto = wire_rto(w);
	wait_us = rto;
	for (unsigned int i = 0; i < 6; i++) {
		probe(w, wait_us);
		wire_in(w, ". 1:1(0) ack 1461 win 0");
		wait_us *= 2;
	}
	wire_in(w, ". 1:1(0) ack 1461 win 65535");
	wire_out(w, "P. 1461:2461(1000) ack 1");
	wire_out(w, "+%uus P. 1461:2461(1000) ack 1", rto);
	wire_end(w);
}

/* RFC 9293 §3.8.6 (MUST-34): a window shrunk to nothing under data in flight, by a peer that
 * answers every retransmission, is no dead connection; as Linux. */
WIRE_TEST(window_shrunk_to_nothing)
{
	wire_start(w, .retries = 3);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	for (unsigned int i = 0; i < 4000; i++) {
		wire_wait(w, MS(250));
		if (wire_skip(w) != 0)
			wire_in(w, ". 1:1(0) ack 1 win 0");
	}
	wire_state(w, TCP_ESTABLISHED);
	/* Once it falls silent it is. */
	for (unsigned int i = 0; i < 4000 && tcp_state(w->flow->c) != TCP_CLOSED; i++) {
		wire_wait(w, MS(250));
		wire_skip(w);
	}
	wire_state(w, TCP_CLOSED);
	wire_end(w);
}

/* The same with the first segment missing until all others are there. */
WIRE_TEST(window_holds_for_small_segments_out_of_order)
{
	unsigned int wnd, at;

	wire_start(w, .rcvbuf_bytes = 32768);
	wire_accepted(w, "<mss 520>", 65535);
	wnd = wire_rcv_wnd(w);
	for (at = 521; at - 1 + 520 <= wnd; at += 520) {
		wire_in(w, ". %u:%u(520) ack 1", at, at + 520);
		wire_skip(w);
	}
	wire_in(w, ". 1:521(520) ack 1");
	wire_out(w, ". 1:1(0) ack %u", at);
	wire_count(w, drop_rcvbuf, 0);
	wire_recv(w, 100000, (ssize_t)at - 1);
	wire_skip(w);
	wire_end(w);
}

/* RFC 9293 §3.8.6.2.1's override time-out comes, however often the user writes meanwhile. */
WIRE_TEST(writing_does_not_put_the_override_off)
{
	unsigned int sent = 0;
	struct note note;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 10000);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1461 win 1000");
	wire_send(w, 3000, 3000);
	for (unsigned int i = 0; i < 20 && sent == 0; i++) {
		wire_send(w, 10, 10);
		wire_wait(w, MS(50));
		if (wire_next(w, &note))
			sent = note.bytes.value;
	}
	WIRE_EQ(w, sent, 1000);
	wire_skip(w);
	wire_end(w);
}
