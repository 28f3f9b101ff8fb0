/* SPDX-License-Identifier: BSD-3-Clause */
/* SO_RCVLOWAT: who is told when, and that nobody waits for what cannot come. */
#include "wire.h"

/* The user hears of the byte that reaches the mark, and of none before it. */
WIRE_TEST(told_at_the_mark)
{
	unsigned int before;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 1000);
	before = w->flow->notified;
	wire_in(w, "P. 1:1000(999) ack 1");
	wire_skip(w);
	WIRE_EQ(w, w->flow->notified, before);
	wire_poll(w, POLLOUT);
	wire_in(w, "P. 1000:1001(1) ack 1");
	wire_skip(w);
	WIRE_EQ(w, w->flow->notified, before + 1);
	wire_poll(w, POLLIN | POLLOUT);
	wire_recv(w, 2000, 1000);
	wire_skip(w); /* its window update */
	wire_end(w);
}

/* recv() does not wait for it, and the end of the stream is told whatever has arrived. */
WIRE_TEST(neither_reads_nor_ends_wait)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 1000);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_skip(w);
	wire_recv(w, 4, 4);
	wire_in(w, "F. 11:11(0) ack 1");
	wire_skip(w);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_recv(w, 100, 6);
	wire_recv(w, 100, 0);
	wire_end(w);
}

/* Lowered under what is there: told at once. */
WIRE_TEST(lowered)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 1000);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_skip(w);
	wire_poll(w, POLLOUT);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 10);
	wire_poll(w, POLLIN | POLLOUT);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 0);
	wire_get(w, SOL_SOCKET, SO_RCVLOWAT, 1);
	wire_end(w);
}

/* The buffer grows with the mark, up to its maximum; one that was set holds half of it. */
WIRE_TEST(buffer_follows)
{
	wire_start(w, .rcvbuf_bytes = 65536);
	wire_open(w);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 200000);
	wire_get(w, SOL_SOCKET, SO_RCVLOWAT, 200000);
	wire_get(w, SOL_SOCKET, SO_RCVBUF, 400000);
	wire_close(w);
	wire_open(w);
	wire_set(w, SOL_SOCKET, SO_RCVBUF, 10000);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 200000);
	wire_get(w, SOL_SOCKET, SO_RCVLOWAT, 10000);
	wire_get(w, SOL_SOCKET, SO_RCVBUF, 20000);
	wire_end(w);
}

/* A buffer that is full before the mark is reached: whoever waits is told all the same. */
WIRE_TEST(full_buffer)
{
	unsigned int sent = 0;
	struct pollfd p = {0};

	wire_start(w);
	wire_listen(w, 1);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 4000000);
	wire_set(w, SOL_SOCKET, SO_RCVBUF, 20000);
	while (p.revents == 0 && sent < 100) {
		wire_in(w, ". %u:%u(1460) ack 1", 1 + sent * WIRE_MSS, 1 + (sent + 1) * WIRE_MSS);
		wire_skip(w);
		sent++;
		p.revents = tcp_poll(w->flow->c) & POLLIN;
	}
	WIRE_IN(w, sent, 2, 50);
	wire_recv(w, WIRE_MSS, WIRE_MSS);
	wire_skip(w);
	wire_end(w);
}
