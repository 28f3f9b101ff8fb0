/* SPDX-License-Identifier: BSD-3-Clause */
/* Urgent data: RFC 9293 §3.8.5, RFC 6093, with Linux's semantics. */
#include "wire.h"

/* recv(MSG_OOB) answers with the peer's byte at this stream offset. */
static void
oob(struct wire *w, uint64_t offset)
{
	uint8_t byte = 0;

	WIRE_EQ(w, tcp_recv(w->flow->c, &byte, 1, MSG_OOB | MSG_PEEK), 1);
	WIRE_EQ(w, byte, wire_byte(false, offset));
	byte = 0;
	WIRE_EQ(w, tcp_recv(w->flow->c, &byte, 1, MSG_OOB), 1);
	WIRE_EQ(w, byte, wire_byte(false, offset));
}

static void
no_oob(struct wire *w, int error)
{
	uint8_t byte;

	WIRE_EQ(w, tcp_recv(w->flow->c, &byte, 1, MSG_OOB), error);
}

static void
send_oob(struct wire *w, size_t bytes)
{
	uint8_t buf[4000];

	for (size_t i = 0; i < bytes; i++)
		buf[i] = wire_byte(true, w->flow->queued + i);
	WIRE_EQ(w, tcp_send(w->flow->c, buf, bytes, MSG_OOB), (long long)bytes);
	w->flow->queued += bytes;
	tcp_flush(w->engine);
}

/* The byte is taken out of the stream; reads stop before it. */
WIRE_TEST(out_of_band)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	no_oob(w, -EINVAL);
	wire_in(w, "PU. 1:11(10) ack 1 urg 5"); /* the fifth byte */
	wire_poll(w, POLLIN | POLLOUT | POLLPRI);
	oob(w, 4);
	no_oob(w, -EINVAL); /* once */
	wire_poll(w, POLLIN | POLLOUT);
	wire_recv_peek(w, 100, 4);
	wire_recv(w, 100, 4);
	w->flow->read++;
	wire_recv(w, 100, 5);
	wire_recv(w, 100, -EAGAIN);
	no_oob(w, -EINVAL);
	wire_acked(w, 11);
	wire_end(w);
}

/* Unread by MSG_OOB it is not in the stream either, and gone once the stream has passed it. */
WIRE_TEST(passed_unread)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "PU. 1:11(10) ack 1 urg 10");
	wire_recv(w, 100, 9);
	/* Nothing but the urgent byte is left: nothing to read, but for MSG_OOB. */
	wire_poll(w, POLLOUT | POLLPRI);
	wire_recv_peek(w, 100, -EAGAIN);
	wire_in(w, "P. 11:21(10) ack 1");
	w->flow->read++;
	wire_recv(w, 100, 10);
	no_oob(w, -EINVAL);
	wire_acked(w, 21);
	wire_end(w);
}

WIRE_TEST(in_line)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_get(w, SOL_SOCKET, SO_OOBINLINE, 0);
	wire_set(w, SOL_SOCKET, SO_OOBINLINE, 1);
	wire_get(w, SOL_SOCKET, SO_OOBINLINE, 1);
	wire_in(w, "PU. 1:11(10) ack 1 urg 5");
	wire_poll(w, POLLIN | POLLOUT | POLLPRI);
	no_oob(w, -EINVAL);
	wire_recv(w, 100, 4); /* up to the mark */
	wire_recv(w, 100, 6);
	wire_poll(w, POLLOUT);
	wire_acked(w, 11);
	wire_end(w);
}

/* The pointer comes before its byte. */
WIRE_TEST(announced_before)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "U. 1:1(0) ack 1 urg 15");
	no_oob(w, -EAGAIN);
	wire_poll(w, POLLOUT);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_recv(w, 100, 10);
	no_oob(w, -EAGAIN);
	wire_in(w, "P. 11:21(10) ack 1");
	oob(w, 14);
	wire_recv(w, 100, 4);
	w->flow->read++;
	wire_recv(w, 100, 5);
	wire_acked(w, 21);
	wire_end(w);
}

/* A later mark takes the earlier one's place, whose byte is data like any other then. */
WIRE_TEST(superseded)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "PU. 1:11(10) ack 1 urg 5");
	wire_in(w, "PU. 11:21(10) ack 1 urg 5");
	oob(w, 14);
	wire_recv(w, 100, 14);
	w->flow->read++;
	wire_recv(w, 100, 5);
	/* An older one does not come back. */
	wire_in(w, "PU. 21:31(10) ack 1 urg 5");
	wire_in(w, "U. 25:25(0) ack 1 urg 1");
	oob(w, 24);
	wire_acked(w, 31);
	wire_end(w);
}

/* Two in a row, the first next to be read: both are out of the stream. */
WIRE_TEST(two_in_a_row)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "PU. 1:2(1) ack 1 urg 1");
	oob(w, 0);
	wire_in(w, "PU. 2:3(1) ack 1 urg 1");
	oob(w, 1);
	wire_in(w, "P. 3:8(5) ack 1");
	w->flow->read += 2;
	wire_recv(w, 100, 5);
	wire_acked(w, 8);
	wire_end(w);
}

WIRE_TEST(across_a_gap)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK>", 65535);
	wire_in(w, "PU. 11:21(10) ack 1 urg 5");
	wire_skip(w);
	oob(w, 14);
	wire_recv(w, 100, -EAGAIN);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_recv(w, 100, 14);
	w->flow->read++;
	wire_recv(w, 100, 5);
	wire_acked(w, 21);
	wire_end(w);
}

WIRE_TEST(retransmitted)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "PU. 1:11(10) ack 1 urg 10");
	oob(w, 9);
	wire_in(w, "PU. 1:11(10) ack 1 urg 10");
	no_oob(w, -EINVAL);
	wire_recv(w, 100, 9);
	wire_in(w, "PU. 1:11(10) ack 1 urg 10");
	wire_skip(w);
	no_oob(w, -EINVAL);
	wire_end(w);
}

WIRE_TEST(end_of_stream_without_it)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "U. 1:1(0) ack 1 urg 100");
	wire_in(w, "F. 1:11(10) ack 1");
	wire_skip(w);
	no_oob(w, 0);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, 0);
	wire_close(w);
	wire_skip(w);
	wire_end(w);
}

/* Pointers beyond all that will ever come, before all that came, and many of them. */
WIRE_TEST(hostile_pointers)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 200; i++)
		wire_in(w, "PU. %u:%u(10) ack 1 urg %u", 1 + 10 * i, 11 + 10 * i,
			(i * 40503u + 77) & 0xffff);
	wire_in(w, "U. 2001:2001(0) ack 1 urg 65535");
	wire_in(w, "U. 2001:2001(0) ack 1 urg 0");
	wire_in(w, "U. -100:-100(0) ack 1 urg 3");
	wire_skip(w);
	no_oob(w, -EAGAIN);
	wire_recv(w, 4000, 2000);
	wire_recv(w, 1, -EAGAIN);
	wire_in(w, "P. 2001:2101(100) ack 1");
	wire_recv(w, 1, 1);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(not_connected)
{
	uint8_t byte;

	wire_start(w);
	wire_open(w);
	no_oob(w, -EINVAL);
	wire_listen(w, 1);
	WIRE_EQ(w, tcp_recv(w->listener, &byte, 1, MSG_OOB), -ENOTCONN);
	wire_end(w);
}

/* ---- sending */

/* The pointer is behind the last byte of the call. */
WIRE_TEST(sent)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_oob(w, 3);
	wire_out(w, "PU. 1:4(3) ack 1 urg 3");
	wire_in(w, "+10ms . 1:1(0) ack 4");
	wire_send(w, 10, 10);
	wire_out(w, "P. 4:14(10) ack 1 win 64240");
	wire_in(w, "+10ms . 1:1(0) ack 14");
	wire_count(w, urgent_marks, 0);
	wire_end(w);
}

/* Urgent is not held by Nagle; what is behind the mark does not carry it. */
WIRE_TEST(sent_at_once)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_send(w, 10, 10);
	wire_idle(w);
	send_oob(w, 1);
	wire_out(w, "PU. 11:22(11) ack 1 urg 11");
	wire_in(w, "P. 1:11(10) ack 1"); /* acknowledgments carry it, too, up to the mark */
	wire_wait(w, MS(50));
	wire_skip(w);
	wire_recv(w, 10, 10);
	wire_in(w, "P. 11:21(10) ack 22");
	wire_skip(w);
	wire_end(w);
}

/* All segments up to the mark say where it is, retransmissions too. */
WIRE_TEST(sent_over_segments)
{
	wire_start(w);
	wire_accepted(w, "<mss 1000>", 65535);
	send_oob(w, 2500);
	wire_out(w, "U. 1:1001(1000) ack 1 urg 2500");
	wire_out(w, "U. 1001:2001(1000) ack 1 urg 1500");
	wire_out(w, "PU. 2001:2501(500) ack 1 urg 500");
	wire_in(w, "+10ms . 1:1(0) ack 1001");
	wire_in(w, "+10ms . 1:1(0) ack 2001");
	wire_out(w, "<=1s PU. 2001:2501(500) ack 1 urg 500");
	wire_in(w, "+10ms . 1:1(0) ack 2501");
	wire_skip(w);
	wire_end(w);
}

/* A closed window: the peer hears of the urgent byte before it can come. RFC 9293 §3.8.6.1. */
WIRE_TEST(sent_to_a_closed_window)
{
	struct note n;
	bool seen = false;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 0);
	send_oob(w, 5);
	for (int i = 0; i < 100 && !seen; i++) {
		wire_wait(w, MS(10));
		while (wire_next(w, &n))
			seen |= n.seq.value == 1 && n.bytes.value == 0 && n.urg.value == 5;
	}
	WIRE_EQ(w, seen, true);
	wire_in(w, ". 1:1(0) ack 1 win 100");
	wire_out(w, "PU. 1:6(5) ack 1 urg 5");
	wire_skip(w);
	wire_end(w);
}
