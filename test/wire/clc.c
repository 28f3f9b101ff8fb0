/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CLC exchange, RFC 7609 §4, on sockets that leave it to the engine: who says what, what is
 * wrong and what becomes of it then, and that not one byte of the user's is lost or taken.
 *
 * The lengths: a Decline has 28 bytes, in version 2 44; the Proposals here 52 and 144.
 */
#include <sys/ioctl.h>

#include "tcp/clc.h"
#include "wire.h"

#define SMC "nop,nop,raw fe06e2d4c3d9"

static const uint8_t decline[] = {
	0xe2, 0xd4, 0xc3, 0xd9, 4,    0,    28, 0x10, 0, 0, 0,    0,    0,    0,
	0,    0,    0x03, 0x03, 0x00, 0x00, 0,  0,    0, 0, 0xe2, 0xd4, 0xc3, 0xd9,
};

static const uint8_t decline_v2[] = {
	0xe2, 0xd4, 0xc3, 0xd9, 4,    0, 44, 0x20, 0, 0, 0,    0,    0,    0,    0,
	0,    0x03, 0x03, 0x00, 0x00, 0, 0,  0,    0, 0, 0,    0,    0,    0,    0,
	0,    0,    0,    0,    0,    0, 0,  0,    0, 0, 0xe2, 0xd4, 0xc3, 0xd9,
};

/* As in an SMC-R Proposal of version 1 over IPv4. */
static const uint8_t proposal[52] = {
	0xe2, 0xd4, 0xc3, 0xd9, 1, 0, 52, 0x10, [40] = 10, [44] = 24, [48] = 0xe2, 0xd4, 0xc3, 0xd9,
};

/* Version 2, SMC-R in both: its extension, without EIDs, is behind the prefixes. */
static const uint8_t proposal_v2[132] = {
	0xe2,      0xd4,      0xc3,      0xd9,         1,    0,    132,  0x20, [39] = 40,
	[51] = 36, [80] = 10, [84] = 24, [128] = 0xe2, 0xd4, 0xc3, 0xd9,
};

/* ---- Openings */

/* A connection of ours; their SYN-ACK has the option. */
static void
client(struct wire *w)
{
	if (w->flow->c == NULL)
		wire_open(w);
	tcp_smc_enable(w->flow->c);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <mss 1460,sackOK,TS val * ecr 0,nop,wscale *," SMC ">");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460," SMC ">");
}

static void
listen_for_clc(struct wire *w, int backlog)
{
	wire_listen(w, backlog);
	tcp_smc_enable(w->listener);
}

/* One that the peer opens. */
static void
child(struct wire *w)
{
	wire_in(w, "S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
}

static void
server(struct wire *w)
{
	listen_for_clc(w, 16);
	child(w);
	wire_accept_none(w);
}

/* Both ways, from these sequence numbers on. */
static void
talk(struct wire *w, unsigned int ours, unsigned int theirs)
{
	wire_poll(w, POLLOUT);
	wire_send(w, 10, 10);
	wire_out(w, "P. %u:%u(10) ack %u", ours, ours + 10, theirs);
	wire_in(w, "P. %u:%u(10) ack %u win 65535", theirs, theirs + 10, ours + 10);
	wire_skip(w);
	wire_poll(w, POLLIN | POLLOUT);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, -EAGAIN);
}

/* ---- Without a device */

WIRE_TEST(client_declines)
{
	wire_start(w);
	wire_begins(w, true, decline, sizeof(decline));
	client(w);
	WIRE_EQ(w, w->flow->notified, 1);
	wire_out(w, "P. 1:29(28) ack 1");
	wire_connect(w, 0);
	wire_connect(w, -EISCONN);
	wire_count(w, clc_declines_out, 1);
	talk(w, 29, 1);
	wire_end(w);
}

/* What the server sends at once is the user's. */
WIRE_TEST(client_declines_and_reads)
{
	wire_start(w);
	wire_begins(w, true, decline, sizeof(decline));
	client(w);
	wire_out(w, "P. 1:29(28) ack 1");
	wire_in(w, "P. 1:101(100) ack 29 win 65535");
	wire_skip(w);
	wire_recv(w, 1000, 100);
	wire_end(w);
}

/* The user's options do not hold it back. */
WIRE_TEST(client_is_corked)
{
	wire_start(w);
	wire_begins(w, true, decline, sizeof(decline));
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	client(w);
	wire_out(w, "P. 1:29(28) ack 1");
	wire_send(w, 10, 10);
	wire_idle(w);
	wire_end(w);
}

WIRE_TEST(server_without_the_option)
{
	wire_start(w);
	wire_open(w);
	tcp_smc_enable(w->flow->c);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	WIRE_EQ(w, w->flow->notified, 1);
	talk(w, 1, 1);
	wire_end(w);
}

WIRE_TEST(client_without_the_option)
{
	wire_start(w);
	listen_for_clc(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	talk(w, 1, 1);
	wire_end(w);
}

/* The flag alone is the program's promise, not the engine's. */
WIRE_TEST(flag_without_clc)
{
	int on = 1;

	wire_start(w);
	wire_listen(w, 16);
	tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_OPT_SYN_SMC, &on, sizeof(on));
	child(w);
	wire_accept(w);
	talk(w, 1, 1);
	wire_end(w);
}

WIRE_TEST(decline_is_not_answered)
{
	wire_start(w);
	wire_begins(w, false, decline, sizeof(decline));
	server(w);
	WIRE_EQ(w, w->listener_notified, 0);
	wire_in(w, "P. 1:29(28) ack 1 win 65535");
	WIRE_EQ(w, w->listener_notified, 1);
	wire_accept(w);
	wire_out(w, "<=40ms . 1:1(0) ack 29");
	wire_count(w, clc_declines_in, 1);
	wire_get(w, IPPROTO_TCP, TCP_OPT_SYN_SMC, 1);
	talk(w, 1, 29);
	wire_end(w);
}

WIRE_TEST(proposal_is_declined)
{
	wire_start(w);
	wire_begins(w, false, proposal, sizeof(proposal));
	wire_begins(w, true, decline, sizeof(decline));
	server(w);
	wire_in(w, "P. 1:53(52) ack 1 win 65535");
	wire_out(w, "P. 1:29(28) ack 53");
	wire_accept(w);
	wire_accept_none(w);
	talk(w, 29, 53);
	wire_end(w);
}

WIRE_TEST(later_proposal_is_declined_in_version_2)
{
	wire_start(w);
	wire_begins(w, false, proposal_v2, sizeof(proposal_v2));
	wire_begins(w, true, decline_v2, sizeof(decline_v2));
	server(w);
	wire_in(w, "P. 1:133(132) ack 1 win 65535");
	wire_out(w, "P. 1:45(44) ack 133");
	wire_accept(w);
	talk(w, 45, 133);
	wire_end(w);
}

WIRE_TEST(decline_of_version_2)
{
	wire_start(w);
	wire_begins(w, false, decline_v2, sizeof(decline_v2));
	server(w);
	wire_in(w, "P. 1:45(44) ack 1 win 65535");
	wire_accept(w);
	wire_skip(w);
	talk(w, 1, 45);
	wire_end(w);
}

/* In the segment of the final ACK, with the user's first bytes behind it, and the FIN. */
WIRE_TEST(all_at_once)
{
	wire_start(w);
	wire_begins(w, false, decline, sizeof(decline));
	listen_for_clc(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_in(w, "+10ms FP. 1:129(128) ack 1 win 65535");
	wire_accept(w);
	wire_skip(w);
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_recv(w, 1000, 100);
	wire_recv(w, 1000, 0);
	wire_end(w);
}

/* Byte by byte, and each is where it belongs. */
WIRE_TEST(message_in_pieces)
{
	wire_start(w);
	wire_begins(w, false, proposal, sizeof(proposal));
	wire_begins(w, true, decline, sizeof(decline));
	server(w);
	for (unsigned int i = 1; i < 52; i++) {
		wire_in(w, "+10ms P. %u:%u(1) ack 1 win 65535", i, i + 1);
		wire_skip(w);
		wire_accept_none(w);
	}
	wire_in(w, "P. 52:63(11) ack 1 win 65535");
	wire_out(w, "P. 1:29(28) ack 63");
	wire_accept(w);
	wire_recv(w, 100, 10);
	wire_recv(w, 100, -EAGAIN);
	talk(w, 29, 63);
	wire_end(w);
}

/* Behind a gap there is no message yet. */
WIRE_TEST(message_out_of_order)
{
	wire_start(w);
	wire_begins(w, false, proposal, sizeof(proposal));
	wire_begins(w, true, decline, sizeof(decline));
	server(w);
	wire_in(w, "P. 21:153(132) ack 1 win 65535");
	wire_skip(w);
	wire_accept_none(w);
	wire_in(w, ". 1:21(20) ack 1 win 65535");
	wire_out(w, "P. 1:29(28) ack 153");
	wire_accept(w);
	wire_recv(w, 1000, 100);
	wire_end(w);
}

/* A user who asks for much gets little, as long as it is a message. */
WIRE_TEST(low_water_mark_does_not_count)
{
	int bytes = 1000;

	wire_start(w);
	wire_begins(w, false, decline, sizeof(decline));
	listen_for_clc(w, 16);
	tcp_setsockopt(w->listener, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
	child(w);
	wire_in(w, "P. 1:29(28) ack 1 win 65535");
	wire_accept(w);
	wire_skip(w);
	wire_end(w);
}

/* Both are clients, and neither answers. */
WIRE_TEST(syns_cross)
{
	wire_start(w);
	wire_begins(w, true, decline, sizeof(decline));
	wire_begins(w, false, proposal, sizeof(proposal));
	wire_open(w);
	tcp_smc_enable(w->flow->c);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_out(w, "P. 1:29(28) ack 1");
	wire_poll(w, 0);
	wire_connect(w, -EALREADY);
	wire_in(w, "P. 1:53(52) ack 29 win 65535");
	wire_skip(w);
	wire_connect(w, 0);
	talk(w, 29, 53);
	wire_end(w);
}

/* First bytes in the SYN, and CLC before all bytes: the peer may want either. */
WIRE_TEST(fast_open_comes_first)
{
	wire_start(w);
	listen_for_clc(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460,raw 22020101," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	wire_end(w);
}

static void
grab(struct rte_mempool *pool, struct rte_mbuf **held, unsigned int *n)
{
	for (*n = 0; (held[*n] = rte_pktmbuf_alloc(pool)) != NULL; (*n)++)
		;
}

WIRE_TEST(no_mbuf_for_a_decline)
{
	static struct rte_mbuf *held[WIRE_POOL + 1];
	unsigned int n;

	wire_start(w);
	wire_begins(w, true, decline, sizeof(decline));
	wire_begins(w, false, proposal, sizeof(proposal));
	server(w);
	grab(wire_pool_data(), held, &n);
	wire_in(w, "P. 1:53(52) ack 1 win 65535");
	wire_skip(w);
	wire_accept_none(w);
	wire_flow(w, 1);
	client(w);
	wire_skip(w);
	wire_poll(w, 0);
	wire_wait(w, MS(200));
	wire_skip(w);
	wire_poll(w, 0);
	rte_pktmbuf_free_bulk(held, n);
	wire_wait(w, MS(1));
	wire_flow(w, 0);
	wire_out(w, "P. 1:29(28) ack 53");
	wire_accept(w);
	wire_flow(w, 1);
	wire_out(w, "P. 1:29(28) ack 1");
	wire_poll(w, POLLOUT);
	wire_end(w);
}

/* ---- What a server does with what is no message */

/* Dropped: by a reset if something is unread, else by a FIN; nobody accepts it. */
static void
dropped(struct wire *w, const char *packet)
{
	wire_out(w, "%s", packet);
	wire_accept_none(w);
	WIRE_EQ(w, w->listener_notified, 0);
}

WIRE_TEST(silence)
{
	wire_start(w);
	server(w);
	wire_wait(w, SEC(5.9));
	wire_accept_none(w);
	dropped(w, "<=101ms F. 1:1(0) ack 1");
	wire_count(w, clc_timeouts, 1);
	wire_end(w);
}

/* A message that comes slowly has no more time than one that does not come. */
WIRE_TEST(slow_message)
{
	wire_start(w);
	wire_begins(w, false, proposal, sizeof(proposal));
	server(w);
	for (unsigned int i = 1; i < 12; i++) {
		wire_in(w, "+500ms P. %u:%u(1) ack 1 win 65535", i, i + 1);
		wire_skip(w);
	}
	wire_wait(w, MS(499));
	wire_skip(w);
	wire_out(w, "+1ms R. 1:1(0) ack 12");
	wire_accept_none(w);
	wire_count(w, clc_timeouts, 1);
	wire_end(w);
}

WIRE_TEST(peer_closes_before_a_message)
{
	wire_start(w);
	server(w);
	wire_in(w, "F. 1:1(0) ack 1 win 65535");
	dropped(w, "F. 1:1(0) ack 2");
	wire_count(w, clc_closed, 1);
	wire_end(w);
}

WIRE_TEST(peer_closes_inside_a_message)
{
	wire_start(w);
	wire_begins(w, false, proposal, sizeof(proposal));
	server(w);
	wire_in(w, "FP. 1:52(51) ack 1 win 65535");
	dropped(w, "R. 1:1(0) ack 53");
	wire_count(w, clc_malformed, 1);
	wire_end(w);
}

WIRE_TEST(peer_resets)
{
	wire_start(w);
	server(w);
	wire_in(w, "R. 1:1(0) ack 1");
	wire_idle(w);
	wire_accept_none(w);
	wire_gone(w);
	wire_end(w);
}

/* Each of these ends in a reset: what came is left unread. */
WIRE_TEST(what_is_no_message)
{
	static const struct {
		unsigned int at, value;
	} wrongs[] = {
		{0, 0xe3},          /* the eyecatcher */
		{3, 0xc4},          /* SMC-D's, which Proposals do not have */
		{4, 0},             /* no type */
		{4, 2},             /* an Accept */
		{4, 3},             /* a Confirm */
		{4, 5},     {5, 1}, /* 308 bytes */
		{6, 51},            /* too short for any */
		{6, 69},            /* long enough, but that is not what it says of itself */
		{7, 0x00},          /* version 0 */
		{7, 0x12},          /* neither SMC-R nor SMC-D */
		{39, 1},            /* its prefixes are elsewhere */
		{39, 41},   {38, 0xff}, {47, 1}, /* one IPv6 prefix, for which there is no room */
		{47, 9},    {48, 0xe3},          /* the eyecatcher at the end */
		{51, 0xc4},
	};
	uint8_t bytes[80];

	wire_start(w);
	listen_for_clc(w, 16);
	for (unsigned int i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, proposal, sizeof(proposal));
		bytes[wrongs[i].at] = (uint8_t)wrongs[i].value;
		wire_begins(w, false, bytes, sizeof(bytes));
		wire_flow(w, i);
		child(w);
		wire_in(w, "P. 1:81(80) ack 1 win 65535");
		dropped(w, "R. 1:1(0) ack 81");
		wire_count(w, clc_malformed, i + 1);
	}
	wire_end(w);
}

/* A length beyond what is there is believed before it is refused: no longer than 6 s. */
WIRE_TEST(message_shorter_than_it_says)
{
	uint8_t bytes[52];

	wire_start(w);
	memcpy(bytes, proposal, sizeof(bytes));
	bytes[6] = 92;
	wire_begins(w, false, bytes, sizeof(bytes));
	server(w);
	wire_in(w, "P. 1:53(52) ack 1 win 65535");
	wire_skip(w);
	wire_wait(w, SEC(5.9));
	wire_skip(w);
	dropped(w, "<=101ms R. 1:1(0) ack 53");
	wire_end(w);
}

/* Those who are silent count as those who wait for accept() do. */
WIRE_TEST(many_are_silent)
{
	wire_start(w);
	wire_begins(w, false, decline, sizeof(decline));
	listen_for_clc(w, 2);
	for (unsigned int i = 0; i < 3; i++) {
		wire_flow(w, i);
		child(w);
	}
	wire_flow(w, 3);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_idle(w);
	wire_count(w, drop_accept_queue_full, 1);
	wire_flow(w, 1); /* one of them speaks, and overtakes the others */
	wire_in(w, "P. 1:29(28) ack 1 win 65535");
	wire_accept(w);
	wire_skip(w);
	wire_flow(w, 3);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460," SMC ">");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460," SMC ">");
	wire_end(w);
}

WIRE_TEST(listener_closes)
{
	wire_start(w);
	server(w);
	tcp_close(w->listener);
	w->listener = NULL;
	wire_flush(w);
	wire_out(w, "R. 1:1(0) ack 1");
	wire_end(w);
}
