/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits: full queues, full tables, memory that is all held. Refused cleanly, counted, and
 * recovered from. */
#include "wire.h"

static void
syn(struct wire *w, unsigned int flow)
{
	wire_flow(w, flow);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
}

static void
opened(struct wire *w, unsigned int flow)
{
	syn(w, flow);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_idle(w);
}

/* As on Linux backlog + 1 connections wait, further SYNs are dropped. */
WIRE_TEST(accept_queue_full)
{
	wire_start(w);
	wire_listen(w, 1);
	opened(w, 0);
	opened(w, 1);
	syn(w, 2);
	wire_idle(w);
	wire_count(w, drop_accept_queue_full, 1);
	wire_flow(w, 0);
	wire_accept(w);
	opened(w, 2);
	wire_flow(w, 1);
	wire_accept(w);
	wire_flow(w, 2);
	wire_accept(w);
	wire_accept_none(w);
	wire_end(w);
}

/* The queue fills between SYN and final ACK: that ACK is dropped, the SYN-ACK comes again. */
WIRE_TEST(accept_queue_full_at_the_final_ack)
{
	wire_start(w);
	wire_listen(w, 1);
	opened(w, 2);
	syn(w, 0);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	syn(w, 1);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_flow(w, 0);
	wire_in(w, ". 1:1(0) ack 1");
	wire_flow(w, 1);
	wire_in(w, ". 1:1(0) ack 1");
	wire_count(w, drop_accept_queue_full, 1);
	wire_flow(w, 2);
	wire_accept(w);
	wire_flow(w, 0);
	wire_accept(w);
	wire_accept_none(w);
	wire_flow(w, 1);
	wire_out(w, "<=3.1s S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_end(w);
}

static void
no_cookies(struct tcp_config *config)
{
	config->syncookies = TCP_SYNCOOKIES_OFF;
}

WIRE_TEST(syn_queue_full)
{
	wire_start(w, .max_requests = 4, .configure = no_cookies);
	wire_listen(w, 100);
	for (unsigned int i = 0; i < 4; i++) {
		syn(w, i);
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	}
	syn(w, 4);
	wire_idle(w);
	wire_count(w, drop_syn_queue_full, 1);
	wire_used(w, requests, 4);
	/* One completes: there is room again. */
	wire_flow(w, 1);
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	syn(w, 4);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_end(w);
}

/* As on Linux backlog + 1 may be half open. */
WIRE_TEST(syn_queue_of_a_small_backlog)
{
	wire_start(w, .configure = no_cookies);
	wire_listen(w, 1);
	for (unsigned int i = 0; i < 2; i++) {
		syn(w, i);
		wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	}
	syn(w, 2);
	wire_idle(w);
	wire_count(w, drop_syn_queue_full, 1);
	wire_used(w, requests, 2);
	wire_end(w);
}

WIRE_TEST(connection_table_full)
{
	struct tcp_conn *c[4];

	wire_start(w, .max_conns = 4);
	wire_listen(w, 100);
	opened(w, 0);
	opened(w, 1);
	WIRE_EQ(w, tcp_open(w->engine, w->family, &c[0]), 0);
	WIRE_EQ(w, tcp_open(w->engine, w->family, &c[1]), -ENOBUFS);
	wire_used(w, conns, 4);
	/* A handshake finds no room for its connection; whatever it hears, nothing breaks. */
	syn(w, 2);
	wire_in(w, ". 1:1(0) ack 1");
	wire_in(w, "P. 1:11(10) ack 1");
	wire_skip(w);
	wire_used(w, conns, 4);
	tcp_close(c[0]);
	wire_used(w, conns, 3);
	wire_flow(w, 0);
	wire_accept(w);
	wire_flow(w, 1);
	wire_accept(w);
	opened(w, 3);
	wire_accept(w);
	wire_end(w);
}

/* All but one of the addresses' ports are free again when a table empties: nothing is leaked. */
WIRE_TEST(many_short_connections)
{
	wire_start(w, .max_conns = 8, .max_timewait = 16);
	wire_listen(w, 4);
	for (unsigned int i = 0; i < 300; i++) {
		opened(w, i);
		wire_accept(w);
		wire_in(w, "P. 1:101(100) ack 1");
		wire_out(w, ". 1:1(0) ack 101");
		wire_recv(w, 200, 100);
		wire_send(w, 200, 200);
		wire_out(w, "P. 1:201(200) ack 101");
		wire_close(w);
		wire_out(w, "F. 201:201(0) ack 101");
		wire_in(w, "F. 101:101(0) ack 202");
		wire_out(w, ". 202:202(0) ack 102");
		wire_wait(w, MS(1));
	}
	wire_used(w, conns, 1);
	wire_used(w, timewait, 16);
	wire_count(w, timewait_evicted, 284);
	wire_end(w);
}

WIRE_TEST(ephemeral_ports_differ)
{
	wire_start(w);
	w->flows[1].remote = w->flows[0].remote;
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_flow(w, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	WIRE_EQ(w, w->flows[0].local.port == w->flows[1].local.port, 0);
	WIRE_IN(w, w->flows[0].local.port, 1024, 65535);
	wire_end(w);
}

/*
 * Queues may hold only so many receive buffers: payload beyond is dropped, but acknowledgments of
 * what we send get through, and reading makes room.
 */
WIRE_TEST(held_buffers_limit)
{
	unsigned int next = 1;
	struct tcp_usage usage;

	wire_start(w, .max_held_bufs = 64, .rcvbuf_bytes = 4 << 20);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 512);
	wire_send(w, 2920, 2920);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, "P. 1461:2921(1460) ack 1");
	for (unsigned int i = 0; i < 100; i++) {
		wire_in(w, ". %u:%u(1460) ack 1", next, next + WIRE_MSS);
		wire_skip(w);
		next += WIRE_MSS;
	}
	tcp_usage(w->engine, &usage);
	WIRE_IN(w, usage.held_bufs, 32, 64);
	WIRE_IN(w, wire_stats(w).drop_held_limit, 1, 100);
	/* The acknowledgment on a segment whose payload is dropped counts. */
	wire_in(w, ". %u:%u(1460) ack 1461", next, next + WIRE_MSS);
	wire_skip(w);
	WIRE_EQ(w, wire_listing(w).send_q, 1460);
	wire_in(w, ". %u:%u(0) ack 2921", 1 + usage.held_bufs * WIRE_MSS,
		1 + usage.held_bufs * WIRE_MSS);
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_recv(w, 64 * WIRE_MSS, (ssize_t)(usage.held_bufs * WIRE_MSS));
	wire_skip(w);
	next = 1 + usage.held_bufs * WIRE_MSS;
	wire_in(w, ". %u:%u(1460) ack 2921", next, next + WIRE_MSS);
	wire_recv(w, WIRE_MSS, WIRE_MSS);
	wire_wait(w, MS(50));
	wire_skip(w);
	wire_end(w);
}

/* A peer that ignores our window: beyond the buffer nothing is taken. */
WIRE_TEST(peer_ignores_the_window)
{
	struct tcp_usage usage;

	wire_start(w, .rcvbuf_bytes = 32768);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 200; i++) {
		wire_in(w, ". %u:%u(1460) ack 1", 1 + i * WIRE_MSS, 1 + (i + 1) * WIRE_MSS);
		wire_skip(w);
	}
	tcp_usage(w->engine, &usage);
	WIRE_IN(w, usage.held_bufs, 4, 40);
	wire_state(w, TCP_ESTABLISHED);
	wire_wait(w, MS(50));
	wire_skip(w);
	wire_end(w);
}

/* ---- Initial sequence numbers, RFC 6528 */

WIRE_TEST(initial_sequence_numbers)
{
	uint32_t first, second, later;

	wire_start(w);
	wire_listen(w, 16);
	syn(w, 0);
	wire_skip(w);
	first = w->flow->iss;
	wire_in(w, "R 1:1(0)");
	syn(w, 1);
	wire_skip(w);
	second = w->flow->iss;
	/* Nobody can tell one connection's from another's. */
	WIRE_IN(w, second - first, 100000, UINT32_MAX - 100000);
	/* The same 4-tuple's grow with time, a 4 us tick or faster. */
	wire_wait(w, MS(500));
	wire_flow(w, 0);
	wire_again(w, 100);
	syn(w, 0);
	wire_skip(w);
	later = w->flow->iss;
	WIRE_IN(w, (int32_t)(later - first), 100000, INT32_MAX);
	wire_end(w);
}

static uint32_t
iss_now(struct wire *w)
{
	wire_again(w, 1 << 20);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_skip(w);
	wire_in(w, "R 1:1(0)");
	wire_skip(w);
	return w->flow->iss;
}

/* Waits for an initial sequence number just below 2^32, so that ours wrap as the peer's do. */
WIRE_TEST(our_sequence_numbers_wrap)
{
	uint32_t first, per_second, left;
	struct note note;
	unsigned int next = 1;

	wire_start(w);
	wire_listen(w, 16);
	first = iss_now(w);
	wire_wait(w, SEC(1));
	per_second = iss_now(w) - first;
	WIRE_IN(w, per_second, 100000, 100000000);
	left = UINT32_MAX - first - per_second;
	wire_wait(w, (uint64_t)(left - 20000) * SEC(1) / per_second);
	left = UINT32_MAX - iss_now(w);
	WIRE_IN(w, left, 1000, 100000);
	wire_again(w, 1 << 20);
	wire_accepted(w, "<mss 1460>", 65535);
	while (next < 1 + 200000) {
		while (wire_next(w, &note)) {
			WIRE_EQ(w, note.seq.value, next);
			next += note.bytes.value;
		}
		wire_in(w, "+1ms . 1:1(0) ack %u", next);
		if (w->flow->queued < 200000)
			wire_send(w, 10000, 10000);
	}
	wire_skip(w);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

/* Where the lane has no buffer left, the peer is told to wait rather than left to give up; one who
 * reads all that comes still gets the next segment, and the window opens again. */
WIRE_TEST(held_limit_shuts_the_window)
{
	enum { BUFS = 16 };
	unsigned int n;
	struct note note;

	wire_start(w, .max_held_bufs = BUFS);
	wire_flow(w, 1);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_flow(w, 0);
	wire_accepted(w, "<mss 1460>", 65535);
	for (n = 0; n < BUFS; n++) {
		wire_in(w, ". %u:%u(1460) ack 1", 1 + n * WIRE_MSS, 1 + (n + 1) * WIRE_MSS);
		wire_skip(w);
	}
	wire_wait(w, MS(40));
	wire_skip(w);
	wire_in(w, ". %u:%u(1460) ack 1", 1 + n * WIRE_MSS, 1 + (n + 1) * WIRE_MSS);
	wire_out(w, ". 1:1(0) ack %u win 0", 1 + n * WIRE_MSS);
	wire_count(w, drop_held_limit, 1);
	wire_flow(w, 1);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_recv(w, 10000, 1460);
	wire_acked(w, 1461);
	wire_flow(w, 0);
	wire_recv(w, 100000, BUFS * WIRE_MSS);
	if (!wire_next(w, &note))
		wire_fail(w, "no window update");
	WIRE_IN(w, note.win.value, WIRE_MSS, 65535);
	wire_skip(w);
	wire_end(w);
}

/* Want of mbufs for headers is no loss: nothing backs off, and the byte leaves soon after. */
WIRE_TEST(no_headers_for_a_minute)
{
	static struct rte_mbuf *taken[WIRE_POOL];
	unsigned int n = 0;

	wire_start(w, .retries = 3);
	wire_accepted(w, "<mss 1460>", 65535);
	while (n < WIRE_POOL && (taken[n] = rte_pktmbuf_alloc(wire_pool_header())) != NULL)
		n++;
	wire_send(w, 1, 1);
	wire_idle_for(w, SEC(60));
	wire_state(w, TCP_ESTABLISHED);
	rte_pktmbuf_free_bulk(taken, n);
	wire_out(w, "<=500ms P. 1:2(1) ack 1");
	wire_end(w);
}

/* Nor is it during a retransmission. */
WIRE_TEST(no_headers_to_retransmit)
{
	static struct rte_mbuf *taken[WIRE_POOL];
	unsigned int n = 0;

	wire_start(w, .retries = 3);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1, 1);
	wire_out(w, "P. 1:2(1) ack 1");
	while (n < WIRE_POOL && (taken[n] = rte_pktmbuf_alloc(wire_pool_header())) != NULL)
		n++;
	wire_idle_for(w, SEC(60));
	wire_state(w, TCP_ESTABLISHED);
	rte_pktmbuf_free_bulk(taken, n);
	wire_out(w, "<=500ms P. 1:2(1) ack 1");
	wire_end(w);
}
