/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CLC exchange with a transport that goes on where the one that there is declines: the hook
 * tcp_smc_ops, and what a client does with what is wrong. The transport here moves no bytes: it
 * says its messages, and tells what it was told.
 */
#include <sys/ioctl.h>

#include "tcp/clc.h"
#include "wire.h"

#define SMC "nop,nop,raw fe06e2d4c3d9"

static const uint8_t decline[] = {
	0xe2, 0xd4, 0xc3, 0xd9, 4,    0,    28, 0x10, 0, 0, 0,    0,    0,    0,
	0,    0,    0x03, 0x03, 0x00, 0x00, 0,  0,    0, 0, 0xe2, 0xd4, 0xc3, 0xd9,
};

static const uint8_t proposal[52] = {
	0xe2, 0xd4, 0xc3, 0xd9, 1, 0, 52, 0x10, [40] = 10, [44] = 24, [48] = 0xe2, 0xd4, 0xc3, 0xd9,
};

static const uint8_t accepted[68] = {
	0xe2, 0xd4, 0xc3, 0xd9, 2, 0, 68, 0x18, [64] = 0xe2, 0xd4, 0xc3, 0xd9,
};

static const uint8_t confirm[68] = {
	0xe2, 0xd4, 0xc3, 0xd9, 3, 0, 68, 0x18, [64] = 0xe2, 0xd4, 0xc3, 0xd9,
};

/* SMC-D's. */
static const uint8_t accepted_smcd[48] = {
	0xe2, 0xd4, 0xc3, 0xc4, 2, 0, 48, 0x19, [44] = 0xe2, 0xd4, 0xc3, 0xc4,
};

/* ---- The transport */

static struct {
	bool declines, starts;
	unsigned int proposals, accepts, confirms, started, over;
	struct tcp_conn *c;
} transport;

static unsigned int
say(uint8_t *message, const uint8_t *bytes, unsigned int n, uint32_t *diagnosis)
{
	*diagnosis = CLC_NO_DEVICE;
	if (transport.declines)
		return 0;
	memcpy(message, bytes, n);
	return n;
}

static unsigned int
propose(void *ctx, struct tcp_conn *c, uint8_t *message, uint32_t *diagnosis)
{
	(void)ctx;
	transport.c = c;
	transport.proposals++;
	memcpy(message, proposal, sizeof(proposal));
	*diagnosis = 0;
	return sizeof(proposal);
}

static unsigned int
answer_proposal(void *ctx, struct tcp_conn *c, const uint8_t *received, uint8_t *message,
		uint32_t *diagnosis)
{
	(void)ctx;
	transport.c = c;
	transport.accepts += memcmp(received, proposal, sizeof(proposal)) == 0;
	return say(message, accepted, sizeof(accepted), diagnosis);
}

static unsigned int
answer_accept(void *ctx, struct tcp_conn *c, const uint8_t *received, uint8_t *message,
	      uint32_t *diagnosis)
{
	(void)ctx;
	(void)c;
	transport.confirms += received[4] == CLC_ACCEPT;
	return say(message, confirm, sizeof(confirm), diagnosis);
}

static bool
start(void *ctx, struct tcp_conn *c, const uint8_t *received)
{
	(void)ctx;
	(void)c;
	transport.started += received == NULL || received[4] == CLC_CONFIRM;
	return transport.starts;
}

static void
is_over(void *ctx, struct tcp_conn *c)
{
	(void)ctx;
	(void)c;
	transport.over++;
}

static const struct tcp_smc_ops ops = {
	.propose = propose,
	.accept = answer_proposal,
	.confirm = answer_accept,
	.start = start,
	.over = is_over,
};

static void
with_transport(struct tcp_config *config)
{
	config->smc = &ops;
}

/* ---- A client */

/* Has proposed, and waits. */
static void
client(struct wire *w, const uint8_t *theirs, size_t n)
{
	static uint8_t ours[sizeof(proposal) + sizeof(confirm)];

	wire_start(w, .configure = with_transport);
	memcpy(ours, proposal, sizeof(proposal));
	memcpy(ours + sizeof(proposal), confirm, sizeof(confirm));
	if (transport.declines)
		memcpy(ours + sizeof(proposal), decline, sizeof(decline));
	wire_begins(w, true, ours,
		    sizeof(proposal) + (transport.declines ? sizeof(decline) : sizeof(confirm)));
	wire_begins(w, false, theirs, n);
	wire_open(w);
	tcp_smc_enable(w->flow->c);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460," SMC ">");
	wire_out(w, "P. 1:53(52) ack 1");
	WIRE_EQ(w, w->flow->notified, 0);
}

/* connect() ended like this. */
static void
failed(struct wire *w, int error)
{
	wire_state(w, TCP_CLOSED);
	WIRE_EQ(w, w->flow->notified, 1);
	wire_poll(w, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	wire_connect(w, -error);
	WIRE_EQ(w, transport.over, 1);
	wire_close(w);
	wire_end(w);
}

static void
malformed(struct wire *w, const uint8_t *theirs, size_t n)
{
	client(w, theirs, n);
	wire_in(w, "P. 1:%zu(%zu) ack 53 win 65535", n + 1, n);
	wire_out(w, "R. 53:53(0) ack %zu", n + 1);
	wire_count(w, clc_malformed, 1);
	failed(w, EPROTO);
}

/* While it waits the user sees a handshake that goes on. */
WIRE_TEST(calls_while_clc_goes_on)
{
	struct tcp_endpoint peer;
	int value = 7;

	client(w, decline, sizeof(decline));
	wire_in(w, "P. 1:21(20) ack 53 win 65535");
	wire_skip(w);
	wire_poll(w, 0);
	wire_connect(w, -EALREADY);
	wire_send(w, 10, -EAGAIN);
	wire_send(w, 0, -EAGAIN);
	wire_recv(w, 10, -EAGAIN);
	wire_recv_peek(w, 10, -EAGAIN);
	wire_shutdown(w, SHUT_WR, -ENOTCONN);
	wire_shutdown(w, SHUT_RDWR, -ENOTCONN);
	WIRE_EQ(w, tcp_getpeername(w->flow->c, &peer), -ENOTCONN);
	WIRE_EQ(w, tcp_readable(w->flow->c), 0);
	WIRE_EQ(w, tcp_send_room(w->flow->c), 0);
	WIRE_EQ(w, tcp_ioctl(w->flow->c, FIONREAD, &value), 0);
	WIRE_EQ(w, value, 0);
	wire_error(w, 0);
	wire_idle(w);
	wire_in(w, "P. 21:29(8) ack 53 win 65535");
	wire_skip(w);
	WIRE_EQ(w, w->flow->notified, 1);
	wire_poll(w, POLLOUT);
	wire_connect(w, 0);
	WIRE_EQ(w, transport.over, 1);
	wire_end(w);
}

/* What its queues hold is not its user's yet: no repair, and no checkpoint; later both. */
WIRE_TEST(no_repair_while_clc_goes_on)
{
	struct tcp_checkpoint saved;
	int on = 1;

	client(w, decline, sizeof(decline));
	tcp_set_privileged(w->flow->c, true);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), -EBUSY);
	WIRE_EQ(w, tcp_freeze(w->flow->c), -EBUSY);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), -EBUSY);
	wire_in(w, "P. 1:29(28) ack 53 win 9000");
	wire_skip(w);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), 0);
	WIRE_EQ(w, saved.recvq_bytes, 0);
	WIRE_EQ(w, tcp_freeze(w->flow->c), 0);
	wire_close(w);
	wire_end(w);
}

WIRE_TEST(closed_while_clc_goes_on)
{
	client(w, decline, sizeof(decline));
	wire_close(w);
	wire_out(w, "R. 53:53(0) ack 1");
	WIRE_EQ(w, transport.over, 1);
	wire_end(w);
}

WIRE_TEST(disconnected_while_clc_goes_on)
{
	client(w, decline, sizeof(decline));
	wire_in(w, "P. 1:21(20) ack 53 win 65535");
	wire_skip(w);
	wire_disconnect(w);
	wire_out(w, "R. 53:53(0) ack 21");
	wire_state(w, TCP_CLOSED);
	wire_end(w);
}

WIRE_TEST(server_declines)
{
	client(w, decline, sizeof(decline));
	wire_in(w, "P. 1:39(38) ack 53 win 65535");
	wire_skip(w);
	wire_connect(w, 0);
	wire_recv(w, 100, 10);
	wire_end(w);
}

WIRE_TEST(server_accepts)
{
	transport.starts = true;
	client(w, accepted, sizeof(accepted));
	wire_in(w, "P. 1:69(68) ack 53 win 65535");
	wire_out(w, "P. 53:121(68) ack 69");
	WIRE_EQ(w, transport.confirms, 1);
	WIRE_EQ(w, transport.started, 1);
	wire_connect(w, -EALREADY);
	wire_in(w, ". 69:69(0) ack 121 win 65535");
	wire_idle_for(w, SEC(60));
	wire_connect(w, -EALREADY);
	wire_close(w);
	wire_out(w, "R. 121:121(0) ack 69");
	WIRE_EQ(w, transport.over, 1);
	wire_end(w);
}

WIRE_TEST(server_accepts_smcd)
{
	transport.starts = true;
	client(w, accepted_smcd, sizeof(accepted_smcd));
	wire_in(w, "P. 1:49(48) ack 53 win 65535");
	wire_out(w, "P. 53:121(68) ack 49");
	WIRE_EQ(w, transport.started, 1);
	wire_end(w);
}

/* It could not start, and waits for the peer to find out: one second. */
WIRE_TEST(transport_does_not_start)
{
	client(w, accepted, sizeof(accepted));
	wire_in(w, "P. 1:69(68) ack 53 win 65535");
	wire_out(w, "P. 53:121(68) ack 69");
	wire_in(w, ". 69:69(0) ack 121 win 65535");
	wire_wait(w, MS(999));
	wire_poll(w, 0);
	wire_out(w, "+1ms R. 121:121(0) ack 69");
	wire_count(w, clc_timeouts, 1);
	failed(w, ETIMEDOUT);
}

WIRE_TEST(transport_fails_and_the_peer_declines)
{
	static uint8_t theirs[sizeof(accepted) + sizeof(decline)];

	memcpy(theirs, accepted, sizeof(accepted));
	memcpy(theirs + sizeof(accepted), decline, sizeof(decline));
	transport.starts = true;
	client(w, theirs, sizeof(theirs));
	wire_in(w, "P. 1:69(68) ack 53 win 65535");
	wire_out(w, "P. 53:121(68) ack 69");
	wire_in(w, "+500ms P. 69:97(28) ack 121 win 65535");
	wire_skip(w);
	wire_connect(w, -EALREADY);
	tcp_smc_failed(transport.c);
	wire_wait(w, MS(1));
	wire_connect(w, 0);
	wire_in(w, "P. 97:107(10) ack 121 win 65535");
	wire_skip(w);
	wire_recv(w, 100, 10);
	wire_skip(w);
	WIRE_EQ(w, transport.over, 1);
	wire_end(w);
}

/* It does not like the Accept, and then all is TCP. */
WIRE_TEST(client_declines_an_accept)
{
	transport.declines = true;
	client(w, accepted, sizeof(accepted));
	wire_in(w, "P. 1:69(68) ack 53 win 65535");
	wire_out(w, "P. 53:81(28) ack 69");
	wire_connect(w, 0);
	wire_send(w, 10, 10);
	wire_out(w, "P. 81:91(10) ack 69");
	WIRE_EQ(w, transport.over, 1);
	wire_end(w);
}

WIRE_TEST(server_is_silent)
{
	client(w, decline, sizeof(decline));
	wire_in(w, ". 1:1(0) ack 53 win 65535");
	wire_wait(w, SEC(5.9));
	wire_poll(w, 0);
	wire_out(w, "<=101ms R. 53:53(0) ack 1");
	failed(w, ETIMEDOUT);
}

WIRE_TEST(server_closes)
{
	client(w, decline, sizeof(decline));
	wire_in(w, "F. 1:1(0) ack 53 win 65535");
	wire_out(w, "R. 53:53(0) ack 2");
	wire_count(w, clc_closed, 1);
	failed(w, ECONNRESET);
}

WIRE_TEST(server_closes_inside_a_message)
{
	client(w, decline, sizeof(decline));
	wire_in(w, "FP. 1:28(27) ack 53 win 65535");
	wire_out(w, "R. 53:53(0) ack 29");
	wire_count(w, clc_malformed, 1);
	failed(w, EPROTO);
}

WIRE_TEST(server_resets)
{
	client(w, decline, sizeof(decline));
	wire_in(w, "R. 1:1(0) ack 53 win 65535");
	wire_idle(w);
	failed(w, ECONNRESET);
}

WIRE_TEST(server_falls_silent_altogether)
{
	client(w, decline, sizeof(decline));
	/* Our own Proposal is not even acknowledged: retransmissions go on meanwhile. */
	wire_wait(w, SEC(5.9));
	WIRE_IN(w, wire_skip(w), 2, 10);
	wire_out(w, "<=101ms R. 53:53(0) ack 1");
	failed(w, ETIMEDOUT);
}

WIRE_TEST(server_confirms)
{
	malformed(w, confirm, sizeof(confirm));
}

WIRE_TEST(server_proposes)
{
	malformed(w, proposal, sizeof(proposal));
}

WIRE_TEST(server_talks_http)
{
	malformed(w, (const uint8_t *)"HTTP/1.1 200 OK\r\n", 17);
}

WIRE_TEST(accept_of_a_wrong_length)
{
	uint8_t bytes[72];

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, accepted, sizeof(accepted));
	bytes[6] = 72;
	malformed(w, bytes, sizeof(bytes));
}

WIRE_TEST(accept_with_a_wrong_end)
{
	uint8_t bytes[68];

	memcpy(bytes, accepted, sizeof(bytes));
	bytes[67] = 0xc4; /* SMC-D's */
	malformed(w, bytes, sizeof(bytes));
}

WIRE_TEST(accept_for_a_path_that_is_none)
{
	uint8_t bytes[68];

	memcpy(bytes, accepted, sizeof(bytes));
	bytes[7] = 0x1b;
	malformed(w, bytes, sizeof(bytes));
}

WIRE_TEST(decline_of_a_wrong_length)
{
	uint8_t bytes[44];

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, decline, sizeof(decline));
	bytes[6] = 44; /* version 2's */
	malformed(w, bytes, sizeof(bytes));
}

/* As on Linux: what is at the end of a Decline does not matter. */
WIRE_TEST(decline_without_an_end)
{
	uint8_t bytes[28];

	memcpy(bytes, decline, sizeof(bytes));
	memset(bytes + 24, 0, 4);
	client(w, bytes, sizeof(bytes));
	wire_in(w, "P. 1:29(28) ack 53 win 65535");
	wire_skip(w);
	wire_connect(w, 0);
	wire_end(w);
}

/* ---- A server */

static void
server(struct wire *w, const uint8_t *second, size_t n)
{
	static uint8_t theirs[200];

	memcpy(theirs, proposal, sizeof(proposal));
	if (n > 0)
		memcpy(theirs + sizeof(proposal), second, n);
	wire_start(w, .configure = with_transport);
	wire_begins(w, true, transport.declines ? decline : accepted,
		    transport.declines ? sizeof(decline) : sizeof(accepted));
	wire_begins(w, false, theirs, sizeof(proposal) + n);
	wire_listen(w, 16);
	tcp_smc_enable(w->listener);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_in(w, "P. 1:53(52) ack 1 win 65535");
	if (transport.declines)
		wire_out(w, "P. 1:29(28) ack 53");
	else
		wire_out(w, "P. 1:69(68) ack 53");
	WIRE_EQ(w, transport.accepts, 1);
}

WIRE_TEST(client_confirms)
{
	transport.starts = true;
	server(w, confirm, sizeof(confirm));
	wire_in(w, "P. 53:121(68) ack 69 win 65535");
	wire_skip(w);
	WIRE_EQ(w, transport.started, 1);
	wire_accept_none(w);
	wire_end(w);
	WIRE_EQ(w, transport.over, 1);
}

WIRE_TEST(client_declines_instead_of_confirming)
{
	server(w, decline, sizeof(decline));
	wire_in(w, "P. 53:81(28) ack 69 win 65535");
	wire_accept(w);
	wire_skip(w);
	wire_send(w, 10, 10);
	wire_out(w, "P. 69:79(10) ack 81");
	WIRE_EQ(w, transport.over, 1);
	wire_end(w);
}

WIRE_TEST(client_proposes_again)
{
	server(w, proposal, sizeof(proposal));
	wire_in(w, "P. 53:105(52) ack 69 win 65535");
	wire_out(w, "R. 69:69(0) ack 105");
	wire_accept_none(w);
	wire_end(w);
}

WIRE_TEST(client_never_confirms)
{
	server(w, confirm, sizeof(confirm));
	wire_in(w, ". 53:53(0) ack 69 win 65535");
	wire_wait(w, SEC(5.9));
	wire_out(w, "<=101ms F. 69:69(0) ack 53");
	wire_accept_none(w);
	wire_count(w, clc_timeouts, 1);
	wire_end(w);
}

/* A transport may decline for a reason of its own. */
WIRE_TEST(transport_declines)
{
	transport.declines = true;
	server(w, NULL, 0);
	wire_accept(w);
	WIRE_EQ(w, transport.over, 0);
	wire_end(w);
}
