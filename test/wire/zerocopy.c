/* SPDX-License-Identifier: BSD-3-Clause */
/* MSG_ZEROCOPY's reports, as Linux gives them where it copied. */
#include <time.h>

#include <linux/errqueue.h> /* needs <time.h> */

#include "wire.h"

/* One send() with MSG_ZEROCOPY. */
static void
zerocopy_send(struct wire *w, size_t bytes)
{
	wire_send(w, bytes, (ssize_t)bytes);
	tcp_sent_zerocopy(w->flow->c);
}

static void
reports(struct wire *w, uint32_t first, uint32_t last)
{
	struct sock_extended_err e;

	WIRE_EQ(w, tcp_poll(w->flow->c) & POLLERR, POLLERR);
	WIRE_EQ(w, tcp_recv_report(w->flow->c, &e), 0);
	WIRE_EQ(w, e.ee_errno, 0);
	WIRE_EQ(w, e.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	WIRE_EQ(w, e.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
	WIRE_EQ(w, e.ee_info, first);
	WIRE_EQ(w, e.ee_data, last);
}

static void
no_report(struct wire *w)
{
	struct sock_extended_err e;

	WIRE_EQ(w, tcp_poll(w->flow->c) & POLLERR, 0);
	WIRE_EQ(w, tcp_recv_report(w->flow->c, &e), -EAGAIN);
}

WIRE_TEST(reported_when_acknowledged)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_ZEROCOPY, 1);
	zerocopy_send(w, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	no_report(w);
	wire_in(w, "+10ms . 1:1(0) ack 1000");
	no_report(w);
	wire_in(w, "+10ms . 1:1(0) ack 1001");
	reports(w, 0, 0);
	no_report(w);
	zerocopy_send(w, 100);
	wire_out(w, "P. 1001:1101(100) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1101");
	reports(w, 1, 1);
	wire_end(w);
}

WIRE_TEST(one_report_for_several_sends)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_ZEROCOPY, 1);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	for (unsigned int i = 0; i < 3; i++) {
		zerocopy_send(w, 100);
		wire_out(w, "P. %u:%u(100) ack 1", 1 + i * 100, 101 + i * 100);
	}
	wire_in(w, "+10ms . 1:1(0) ack 101");
	wire_in(w, "+10ms . 1:1(0) ack 301");
	reports(w, 0, 2);
	no_report(w);
	wire_end(w);
}

/* However many sends are under way, their memory is the same: the last ones are told together. */
WIRE_TEST(more_sends_than_are_told_apart)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_ZEROCOPY, 1);
	for (unsigned int i = 0; i < 300; i++) {
		zerocopy_send(w, 10);
		wire_skip(w);
	}
	wire_in(w, "+10ms . 1:1(0) ack 71");
	reports(w, 0, 6);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1001");
	wire_skip(w);
	no_report(w);
	wire_in(w, "+10ms . 1:1(0) ack 3001");
	wire_skip(w);
	reports(w, 7, 299);
	wire_end(w);
}

static void
refused(struct wire *w, int v)
{
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, SO_ZEROCOPY, &v, sizeof(v)), -EINVAL);
}

WIRE_TEST(not_without_the_option)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	refused(w, 2);
	refused(w, -1);
	zerocopy_send(w, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001");
	no_report(w);
	wire_set(w, SOL_SOCKET, SO_ZEROCOPY, 1);
	wire_get(w, SOL_SOCKET, SO_ZEROCOPY, 1);
	zerocopy_send(w, 1000);
	wire_out(w, "P. 1001:2001(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 2001");
	reports(w, 0, 0);
	wire_end(w);
}

/* What the peer will never acknowledge is over, too: nobody waits for his buffer for ever. */
WIRE_TEST(reported_after_a_reset)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_ZEROCOPY, 1);
	zerocopy_send(w, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_in(w, "+10ms R. 1:1(0) ack 1");
	wire_recv(w, 10, -ECONNRESET);
	reports(w, 0, 0);
	wire_end(w);
}

/* An ACK of what was never sent reports nothing. */
WIRE_TEST(not_by_a_forged_acknowledgment)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, SO_ZEROCOPY, 1);
	zerocopy_send(w, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 2001");
	wire_out(w, ". 1001:1001(0) ack 1");
	no_report(w);
	wire_in(w, "+10ms . 1:1(0) ack 1001");
	reports(w, 0, 0);
	wire_end(w);
}
