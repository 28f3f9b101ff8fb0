/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket calls in repair: reading and writing the queues, bind, connect, shutdown. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "repair_calls.h"

WIRE_TEST(peek)
{
	uint8_t buf[100];

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1000);
	repair_on(w);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 10, 0), -EPERM);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 10, MSG_PEEK), -EINVAL);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 10, MSG_PEEK | MSG_OOB), -EINVAL);
	WIRE_EQ(w, peek_bytes(w, REPAIR_RECV, buf, 10), -EAGAIN);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 10, MSG_PEEK | MSG_OOB), -EINVAL);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 10, 0), -EPERM);
	WIRE_EQ(w, peek_bytes(w, REPAIR_SEND, buf, 10), 0);
	repair_off(w, -1);
	wire_in(w, "P. 1:301(300) ack 1 win 1000");
	wire_acked(w, 301);
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1001(1000) ack 301");
	repair_on(w);
	holds_bytes(w, REPAIR_RECV, 300, 0);
	holds_bytes(w, REPAIR_SEND, 3000, 0);
	WIRE_EQ(w, peek_bytes(w, REPAIR_RECV, buf, 100), 100);
	WIRE_EQ(w, buf[99], wire_byte(false, 99));
	WIRE_EQ(w, peek_bytes(w, REPAIR_SEND, buf, 100), 100);
	WIRE_EQ(w, buf[99], wire_byte(true, 99));
	WIRE_EQ(w, queued(w, FIONREAD), 300);
	repair_off(w, -1);
	/* From what is not acknowledged on. */
	wire_in(w, ". 301:301(0) ack 501 win 500");
	repair_on(w);
	holds_bytes(w, REPAIR_SEND, 2500, 500);
	wire_end(w);
}

WIRE_TEST(peek_in_closed)
{
	uint8_t buf[10];

	wire_start(w);
	wire_open(w);
	repair_on(w);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 10, 0), -EPERM);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 10, MSG_PEEK), -EINVAL);
	WIRE_EQ(w, peek_bytes(w, REPAIR_RECV, buf, 10), 0);
	WIRE_EQ(w, peek_bytes(w, REPAIR_SEND, buf, 10), 0);
	wire_end(w);
}

/* Connect first: there is nothing to send into before, whatever the queue. */
WIRE_TEST(send_in_closed)
{
	wire_start(w);
	wire_open(w);
	repair_on(w);
	WIRE_EQ(w, tcp_send(w->flow->c, "x", 1, 0), -EPIPE);
	WIRE_EQ(w, put_bytes(w, REPAIR_RECV, 10, 0), -EPIPE);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 10, 0), -EPIPE);
	wire_end(w);
}

/* Behind what was received before, to be read later; the peer's numbers go on behind it. */
WIRE_TEST(fill_receive_queue)
{
	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, tcp_send(w->flow->c, "x", 1, 0), -EINVAL);
	WIRE_EQ(w, put_bytes(w, REPAIR_RECV, 1000, 0), 1000);
	WIRE_EQ(w, put_bytes(w, REPAIR_RECV, 4000, 1000), 4000);
	WIRE_EQ(w, queued(w, FIONREAD), 5000);
	WIRE_EQ(w, get_seq(w, REPAIR_RECV) - w->flow->peer_iss, 5001);
	holds_bytes(w, REPAIR_RECV, 5000, 0);
	wire_idle(w);
	repair_off(w, -1);
	wire_poll(w, POLLIN | POLLOUT);
	wire_in(w, "P. 5001:5101(100) ack 1 win 1000");
	wire_acked(w, 5101);
	wire_recv(w, 9999, 5100);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(receive_queue_is_bounded)
{
	long n, total = 0;

	wire_start(w, .rcvbuf_bytes = 16384);
	repair_connect(w);
	while ((n = put_bytes(w, REPAIR_RECV, 10000, (uint64_t)total)) > 0)
		total += n;
	WIRE_EQ(w, n, -ENOBUFS);
	WIRE_IN(w, total, 8000, 20000);
	wire_used(w, held_bufs, (uint32_t)(total + 2047) / 2048);
	wire_end(w);
}

/* It counts as sent, although the peer's window is 0; unsent is what came before repair. */
WIRE_TEST(fill_send_queue)
{
	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 5000, 0), 5000);
	WIRE_EQ(w, queued(w, TIOCOUTQ), 5000);
	WIRE_EQ(w, queued(w, SIOCOUTQNSD), 0);
	holds_bytes(w, REPAIR_SEND, 5000, 0);
	WIRE_EQ(w, get_seq(w, REPAIR_SEND) - w->flow->iss, 5001);
	wire_idle(w);
	w->flow->queued = 5000;
	repair_off(w, -1);
	wire_send(w, 700, 700);
	WIRE_EQ(w, queued(w, SIOCOUTQNSD), 700);
	wire_idle(w);
	/* The peer has it all: nothing of it leaves again. */
	wire_in(w, ". 1:1(0) ack 5001 win 5000");
	wire_out(w, "P. 5001:5701(700) ack 1");
	wire_end(w);
}

WIRE_TEST(send_queue_is_bounded)
{
	long n, total = 0;

	wire_start(w, .sndbuf_bytes = 16384);
	repair_connect(w);
	while ((n = put_bytes(w, REPAIR_SEND, 10000, (uint64_t)total)) > 0)
		total += n;
	WIRE_EQ(w, n, -EAGAIN);
	WIRE_IN(w, total, 8000, 30000);
	WIRE_EQ(w, queued(w, TIOCOUTQ), total);
	wire_end(w);
}

/* A program's credit ends with repair; what was promised before stays inside. */
WIRE_TEST(promises)
{
	uint8_t bytes[100];

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	repair_on(w);
	WIRE_EQ(w, tcp_send_room(w->flow->c), 0);
	fill_bytes(bytes, sizeof(bytes), true, 0);
	WIRE_EQ(w, tcp_send_promised(w->flow->c, bytes, 100, 0), 100);
	wire_flush(w);
	wire_idle_for(w, SEC(1));
	w->flow->queued = 100;
	repair_off(w, -1);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_end(w);
}

/* bind() to what others have; the whole 4-tuple must be nobody's, though. */
WIRE_TEST(bind_and_connect)
{
	struct tcp_endpoint peer;
	struct tcp_conn *alive;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	alive = w->flow->c;
	w->flow->c = NULL;
	wire_open(w);
	WIRE_EQ(w, tcp_bind(w->flow->c, &w->flow->local), -EADDRINUSE);
	repair_on(w);
	WIRE_EQ(w, tcp_bind(w->flow->c, &w->flow->local), 0);
	wire_connect(w, -EADDRNOTAVAIL);
	/* Frozen it is alive, too. */
	tcp_set_privileged(alive, true);
	WIRE_EQ(w, tcp_setsockopt(alive, IPPROTO_TCP, TCP_REPAIR, &(int){1}, 4), 0);
	wire_connect(w, -EADDRNOTAVAIL);
	tcp_close(alive);
	wire_used(w, mutes, 1);
	wire_connect(w, 0);
	wire_used(w, mutes, 0);
	wire_idle(w);
	wire_state(w, TCP_ESTABLISHED);
	WIRE_EQ(w, tcp_getpeername(w->flow->c, &peer), 0);
	WIRE_EQ(w, peer.port, w->flow->remote.port);
	wire_connect(w, -EISCONN);
	wire_count(w, repair_connects, 1);
	wire_end(w);
}

/* Repair wins over a deferred Fast Open connect, and over MSG_FASTOPEN. */
WIRE_TEST(fast_open)
{
	wire_start(w);
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	repair_on(w);
	WIRE_EQ(w, tcp_sendto(w->flow->c, "x", 1, MSG_FASTOPEN, &w->flow->remote), -EPIPE);
	set_seq(w, REPAIR_SEND, 5001);
	wire_connect(w, 0);
	wire_state(w, TCP_ESTABLISHED);
	WIRE_EQ(w, queued(w, TIOCOUTQ), 0);
	repair_queue(w, REPAIR_SEND);
	WIRE_EQ(w, tcp_sendto(w->flow->c, "x", 1, MSG_FASTOPEN, &w->flow->remote), 1);
	WIRE_EQ(w, queued(w, TIOCOUTQ), 1);
	wire_idle(w);
	wire_end(w);
}

/* With the send queue chosen the FIN counts as sent: the peer may acknowledge it at once. */
WIRE_TEST(shutdown_as_sent)
{
	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 100, 0), 100);
	wire_shutdown(w, SHUT_WR, 0);
	wire_state(w, TCP_FIN_WAIT_1);
	WIRE_EQ(w, queued(w, TIOCOUTQ), 101);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 100, 0), -EPIPE);
	repair_off(w, 0);
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 102 win 1000");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_in(w, "F. 1:1(0) ack 102 win 1000");
	wire_out(w, ". 102:102(0) ack 2");
	wire_end(w);
}

/* With none or the other it is to leave with the end of repair, and not before. */
WIRE_TEST(shutdown_as_unsent)
{
	for (unsigned int queue = REPAIR_NONE; queue <= REPAIR_RECV; queue++) {
		if (queue == REPAIR_NONE)
			wire_start(w);
		else
			wire_flow(w, 1);
		repair_connect(w);
		WIRE_EQ(w,
			set_window(w, &(struct tcp_repair_window){w->flow->peer_iss + 1, 9000, 9000,
								  9000, w->flow->peer_iss + 1}),
			0);
		repair_queue(w, (int)queue);
		wire_shutdown(w, SHUT_WR, 0);
		wire_state(w, TCP_FIN_WAIT_1);
		wire_idle_for(w, SEC(10));
		repair_off(w, 0);
		wire_out(w, "F. 1:1(0) ack 1");
		wire_in(w, ". 1:1(0) ack 2 win 9000");
	}
	wire_end(w);
}
