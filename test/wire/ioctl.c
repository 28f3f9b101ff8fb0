/* SPDX-License-Identifier: BSD-3-Clause */
/* How much waits in either queue, by SIOCINQ, SIOCOUTQ and SIOCOUTQNSD; the mark is urgent.c's. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "wire.h"

/* What the request answers: the value, or a negative errno. */
static int
answer(struct tcp_conn *c, unsigned long request)
{
	int value = -1, status = tcp_ioctl(c, request, &value);

	return status < 0 ? status : value;
}

#define expect(w, request, expected) WIRE_EQ(w, answer((w)->flow->c, request), expected)

WIRE_TEST(what_waits_to_be_read)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	expect(w, SIOCINQ, 0);
	wire_in(w, "P. 1:101(100) ack 1");
	expect(w, SIOCINQ, 100);
	wire_in(w, "P. 201:301(100) ack 1"); /* behind a gap: not readable */
	expect(w, SIOCINQ, 100);
	wire_recv(w, 40, 40);
	expect(w, FIONREAD, 60);
	wire_skip(w);
	wire_in(w, "P. 101:201(100) ack 1");
	expect(w, SIOCINQ, 260);
	wire_in(w, "F. 301:301(0) ack 1");
	expect(w, SIOCINQ, 260); /* FIN is no byte */
	wire_recv(w, 300, 260);
	expect(w, SIOCINQ, 0);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(what_waits_to_be_sent_and_acknowledged)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1000);
	expect(w, SIOCOUTQ, 0);
	expect(w, SIOCOUTQNSD, 0);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_send(w, 500, 500);
	wire_idle(w);
	expect(w, SIOCOUTQ, 1500);
	expect(w, TIOCOUTQ, 1500);
	expect(w, SIOCOUTQNSD, 500);
	wire_in(w, ". 1:1(0) ack 401 win 600");
	expect(w, SIOCOUTQ, 1100);
	expect(w, SIOCOUTQNSD, 500);
	wire_in(w, ". 1:1(0) ack 1001 win 1000");
	wire_out(w, "P. 1001:1501(500) ack 1");
	expect(w, SIOCOUTQ, 500);
	expect(w, SIOCOUTQNSD, 0);
	wire_in(w, ". 1:1(0) ack 1501");
	expect(w, SIOCOUTQ, 0);
	wire_end(w);
}

/* The FIN counts as long as it is not acknowledged, and as long as it is not sent. */
WIRE_TEST(the_fin_is_one_to_be_acknowledged)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1000);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_send(w, 10, 10);
	wire_shutdown(w, SHUT_WR, 0);
	expect(w, SIOCOUTQ, 1011);
	expect(w, SIOCOUTQNSD, 11);
	wire_in(w, ". 1:1(0) ack 1001 win 1000");
	wire_out(w, "FP. 1001:1011(10) ack 1");
	expect(w, SIOCOUTQ, 11);
	expect(w, SIOCOUTQNSD, 0);
	wire_in(w, ". 1:1(0) ack 1012");
	expect(w, SIOCOUTQ, 0);
	wire_end(w);
}

/* A listener has no queues; before the handshake is done both are empty. */
WIRE_TEST(no_queues_without_a_connection)
{
	wire_start(w);
	wire_listen(w, 1);
	WIRE_EQ(w, answer(w->listener, SIOCINQ), -EINVAL);
	WIRE_EQ(w, answer(w->listener, SIOCOUTQ), -EINVAL);
	WIRE_EQ(w, answer(w->listener, SIOCOUTQNSD), -EINVAL);
	wire_open(w);
	expect(w, SIOCINQ, 0);
	expect(w, SIOCOUTQ, 0);
	expect(w, SIOCOUTQNSD, 0);
	wire_connect(w, -EINPROGRESS);
	wire_skip(w);
	expect(w, SIOCINQ, 0);
	expect(w, SIOCOUTQ, 0);
	wire_end(w);
}

WIRE_TEST(no_other_request)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	expect(w, FIONBIO, -ENOTTY);
	expect(w, 0, -ENOTTY);
	expect(w, ~0ul, -ENOTTY);
	wire_end(w);
}
