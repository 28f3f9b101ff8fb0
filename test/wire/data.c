/* SPDX-License-Identifier: BSD-3-Clause */
/* Bulk and small data both ways: segmentation, Nagle, delayed ACKs (RFC 9293 §3.7.4, §3.8.6.3),
 * mbufs by reference. */
#include <stdlib.h>

#include "wire.h"

WIRE_TEST(echo)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_recv(w, 1000, 100);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 101"); /* the ACK rides along */
	wire_in(w, "+10ms . 101:101(0) ack 101");
	wire_idle_for(w, SEC(5));
	wire_count(w, bytes_in, 100);
	wire_count(w, bytes_out, 100);
	wire_count(w, bytes_acked, 100);
	wire_end(w);
}

/* A user who answers within the iteration saves the acknowledgment. */
WIRE_TEST(answer_in_the_same_iteration)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 3; i++) {
		wire_in(w, "P. %u:%u(100) ack %u", 1 + 100 * i, 101 + 100 * i, 1 + 50 * i);
		wire_recv(w, 1000, 100);
		wire_send(w, 50, 50);
		wire_out(w, "P. %u:%u(50) ack %u", 1 + 50 * i, 51 + 50 * i, 101 + 100 * i);
	}
	wire_in(w, ". 301:301(0) ack 151");
	wire_idle_for(w, SEC(1));
	wire_count(w, acks_out, 0);
	wire_end(w);
}

WIRE_TEST(segments_are_full)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 4380, 4380);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_out(w, "P. 2921:4381(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 4381");
	wire_used(w, queued_bufs, 0);
	wire_used(w, sent_records, 0);
	wire_end(w);
}

/* Small writes that wait share a segment. */
WIRE_TEST(small_writes_are_joined)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_hold(w);
	for (unsigned int i = 0; i < 146; i++)
		wire_send(w, 10, 10);
	wire_release(w);
	wire_out(w, "P. 1:1461(1460) ack 1");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1461");
	wire_end(w);
}

/* ---- Nagle */

WIRE_TEST(nagle)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_send(w, 100, 100);
	wire_send(w, 100, 100);
	wire_idle_for(w, MS(50));
	wire_in(w, ". 1:1(0) ack 101");
	wire_out(w, "P. 101:301(200) ack 1");
	/* A full segment does not wait, its rest does, while a small one is on its way. */
	wire_send(w, 2000, 2000);
	wire_out(w, ". 301:1761(1460) ack 1");
	wire_idle(w);
	/* DEVIATION from RFC 9293 §3.7.4, with Linux: a full one on its way does not hold it back.
	 */
	wire_in(w, ". 1:1(0) ack 301");
	wire_out(w, "P. 1761:2301(540) ack 1");
	wire_in(w, ". 1:1(0) ack 2301");
	wire_end(w);
}

WIRE_TEST(no_delay)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_send(w, 100, 100);
	wire_idle(w);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_out(w, "P. 101:201(100) ack 1"); /* as Linux: what waits is pushed out */
	wire_send(w, 100, 100);
	wire_out(w, "P. 201:301(100) ack 1");
	wire_get(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_end(w);
}

WIRE_TEST(nagle_does_not_hold_a_fin)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_send(w, 50, 50);
	wire_idle(w);
	wire_close(w);
	wire_out(w, "FP. 101:151(50) ack 1");
	wire_in(w, ". 1:1(0) ack 152");
	wire_listed(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

/* MSG_MORE holds a partial segment, 200 ms at most. */
WIRE_TEST(more)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send_more(w, 1000, 1000);
	wire_idle(w);
	wire_send_more(w, 1000, 1000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_send(w, 10, 10);
	wire_in(w, ". 1:1(0) ack 1461");
	wire_out(w, "P. 1461:2011(550) ack 1");
	wire_in(w, ". 1:1(0) ack 2011");
	wire_send_more(w, 10, 10);
	wire_out(w, "<=210ms . 2011:2021(10) ack 1");
	wire_in(w, ". 1:1(0) ack 2021");
	wire_end(w);
}

/* ---- Acknowledging */

WIRE_TEST(ack_of_one_segment_is_delayed)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 1:1461(1460) ack 1");
	wire_out(w, "<=40ms . 1:1(0) ack 1461");
	wire_idle_for(w, SEC(1));
	wire_end(w);
}

WIRE_TEST(ack_of_every_second_segment)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 10; i++) {
		unsigned int a = 1 + 2920 * i;

		wire_in(w, "+1ms . %u:%u(1460) ack 1", a, a + 1460);
		wire_in(w, "+1ms . %u:%u(1460) ack 1", a + 1460, a + 2920);
		wire_acked(w, a + 2920);
		wire_recv(w, 5000, 2920);
	}
	wire_skip(w); /* window updates are fine */
	wire_end(w);
}

WIRE_TEST(ack_of_a_burst_is_one)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_hold(w);
	for (unsigned int i = 0; i < 10; i++)
		wire_in(w, ". %u:%u(1460) ack 1", 1 + 1460 * i, 1461 + 1460 * i);
	wire_release(w);
	wire_out(w, ". 1:1(0) ack 14601");
	wire_idle_for(w, SEC(1));
	wire_recv(w, 20000, 14600);
	wire_end(w);
}

/* ---- Reading */

WIRE_TEST(peek_and_partial_reads)
{
	const struct rte_mbuf *chain;
	uint64_t offset = 0;

	wire_start(w, .split = 100);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, ". 1:1001(1000) ack 1");
	wire_in(w, ". 1001:1501(500) ack 1");
	wire_acked(w, 1501);
	wire_recv_peek(w, 10, 10);
	wire_recv_peek(w, 5000, 1500);
	wire_recv(w, 7, 7);
	wire_recv_peek(w, 5000, 1493);
	WIRE_EQ(w, tcp_consume(w->flow->c, 493), 493);
	w->flow->read += 493;
	WIRE_EQ(w, tcp_peek_mbufs(w->flow->c, &chain), 1000);
	for (; chain != NULL; chain = chain->next)
		for (uint16_t i = 0; i < chain->data_len; i++, offset++)
			WIRE_EQ(w, rte_pktmbuf_mtod(chain, const uint8_t *)[i],
				wire_byte(false, 500 + offset));
	WIRE_EQ(w, offset, 1000);
	WIRE_EQ(w, tcp_consume(w->flow->c, 999), 999);
	w->flow->read += 999;
	wire_recv(w, 10, 1);
	WIRE_EQ(w, tcp_consume(w->flow->c, 10), 0);
	WIRE_EQ(w, tcp_peek_mbufs(w->flow->c, &chain), -EAGAIN);
	wire_used(w, held_bufs, 0);
	wire_skip(w);
	wire_end(w);
}

/* ---- Send buffer */

WIRE_TEST(full_send_buffer)
{
	size_t taken;

	wire_start(w, .sndbuf_bytes = 32768);
	wire_accepted(w, "<mss 1460>", 2920);
	taken = wire_send_all(w);
	WIRE_IN(w, taken, 4096, 65536);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	WIRE_EQ(w, tcp_send_room(w->flow->c), 0);
	wire_poll(w, 0);
	w->flow->notified = 0;
	/* All is acknowledged: there is room again, and the user hears of it. */
	for (unsigned int acked = 2921; acked < taken + 1;) {
		struct note note;

		wire_in(w, "+1ms . 1:1(0) ack %u win 2920", acked);
		while (wire_next(w, &note))
			acked = note.seq.value + note.bytes.value;
	}
	wire_in(w, ". 1:1(0) ack %zu win 2920", taken + 1);
	wire_poll(w, POLLOUT);
	WIRE_IN(w, w->flow->notified, 1, 100);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

/* ---- By reference */

static struct rte_mbuf *
chain_of(struct wire *w, unsigned int n, uint16_t each)
{
	struct rte_mbuf *head = NULL;
	static uint8_t bytes[2048];

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m;

		for (uint16_t b = 0; b < each; b++)
			bytes[b] = wire_byte(true, w->flow->queued++);
		m = wire_mbuf(w, bytes, each);
		if (head == NULL)
			head = m;
		else if (rte_pktmbuf_chain(head, m) != 0)
			wire_fail(w, "the chain is too long");
	}
	return head;
}

/* Acknowledges everything as it comes, until `total` bytes arrived. */
static void
drain(struct wire *w, uint32_t total)
{
	uint32_t next = 1;
	struct note note;

	for (unsigned int i = 0; next != total + 1; i++) {
		if (i > 10000)
			wire_fail(w, "it never ends");
		while (wire_next(w, &note)) {
			WIRE_EQ(w, note.seq.value, next);
			next += note.bytes.value;
		}
		wire_in(w, "+1ms . 1:1(0) ack %u win 65535", next);
	}
	wire_used(w, queued_bufs, 0);
	wire_used(w, sent_records, 0);
}

static void
send_chain(struct wire *w, unsigned int n, uint16_t each)
{
	struct rte_mbuf *chain = chain_of(w, n, each);

	WIRE_EQ(w, tcp_send_mbufs(w->flow->c, chain, 0), n * each);
	wire_log(w, "   send_mbufs(%u x %u)", n, each);
	wire_flush(w);
}

WIRE_TEST(chain_by_reference)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_chain(w, 3, 1000);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_in(w, ". 1:1(0) ack 2921");
	wire_out(w, "P. 2921:3001(80) ack 1");
	/* Freed only when acknowledged: still there to be sent again. */
	wire_out(w, "+%uus P. 2921:3001(80) ack 1", wire_rto(w));
	wire_in(w, ". 1:1(0) ack 3001");
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

static void
large_chain(struct wire *w)
{
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 65535);
	send_chain(w, 200, 1999);
	drain(w, 200 * 1999);
	wire_end(w);
}

WIRE_TEST(large_chain_by_reference)
{
	wire_start(w);
	large_chain(w);
}

WIRE_TEST(large_chain_on_a_card_without_multi_segment)
{
	wire_start(w, .single_segment = true);
	large_chain(w);
}

WIRE_TEST(large_chain_with_offloads)
{
	wire_start(w, .path_flags = TCP_PATH_TX_IP4_CKSUM | TCP_PATH_TX_TCP_CKSUM);
	large_chain(w);
}

/* Slivers: a segment gathers many mbufs. */
WIRE_TEST(chain_of_slivers)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_chain(w, 250, 7);
	drain(w, 250 * 7);
	wire_end(w);
}

WIRE_TEST(chain_of_slivers_without_multi_segment)
{
	wire_start(w, .single_segment = true);
	wire_accepted(w, "<mss 1460>", 65535);
	send_chain(w, 250, 7);
	drain(w, 250 * 7);
	wire_end(w);
}

/* Large segments of more mbufs than a packet may have, or than one buffer holds: cut, not stuck. */
static void
jumbo(struct wire *w)
{
	wire_accepted(w, "<mss 8940>", 65535);
	send_chain(w, 100, 200);
	drain(w, 20000);
	wire_end(w);
}

WIRE_TEST(jumbo_chain_of_small_buffers)
{
	wire_start(w, .mtu = 9000);
	jumbo(w);
}

WIRE_TEST(jumbo_chain_without_multi_segment)
{
	wire_start(w, .mtu = 9000, .single_segment = true);
	jumbo(w);
}

/* Memory that is not an mbuf's own is given back when the peer has it, not before. */
WIRE_TEST(external_buffers)
{
	wire_start(w, .exact_bufs = true);
	wire_accepted(w, "<mss 1460>", 65535);
	send_chain(w, 20, 2000);
	drain(w, 20 * 2000);
	wire_end(w);
}

WIRE_TEST(mixed_sends)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 700, 700);
	send_chain(w, 3, 999);
	wire_send(w, 3000, 3000);
	send_chain(w, 1, 1);
	wire_send(w, 1, 1);
	drain(w, 700 + 3 * 999 + 3000 + 2);
	wire_end(w);
}

WIRE_TEST(refused_chain_stays_the_callers)
{
	struct rte_mbuf *chain;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	chain = chain_of(w, 3, 10);
	WIRE_EQ(w, tcp_send_mbufs(w->flow->c, chain, 0), -EPIPE);
	rte_pktmbuf_free(chain);
	wire_end(w);
}

/* With unacknowledged data by reference everywhere, destroying the engine frees it all. */
WIRE_TEST(destroyed_in_the_middle)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	send_chain(w, 30, 1999);
	wire_skip(w);
	wire_in(w, ". 1:1001(1000) ack 1461");
	wire_in(w, ". 5001:6001(1000) ack 1461");
	wire_skip(w);
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_skip(w);
	wire_flow(w, 2);
	wire_connect(w, -EINPROGRESS);
	wire_skip(w);
	wire_destroy(w);
}

/* What tcp_send_room() promises tcp_send() takes. */
WIRE_TEST(room_is_what_send_takes)
{
	static uint8_t bytes[1 << 20];
	size_t room;

	wire_start(w, .sndbuf_bytes = 1 << 19);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 3; i++) {
		room = tcp_send_room(w->flow->c);
		WIRE_IN(w, room, i == 0 ? 100000 : 0, 1 << 19);
		if (room == 0)
			break;
		/* Odd parts first, so that the queue's end is partly filled. */
		room = i == 0 ? 1001 : room;
		for (size_t at = 0; at < room; at++)
			bytes[at] = wire_byte(true, w->flow->queued + at);
		WIRE_EQ(w, tcp_send(w->flow->c, bytes, room, 0), room);
		w->flow->queued += room;
	}
	wire_wait(w, MS(1));
	wire_skip(w);
	wire_end(w);
}

/*
 * The send queue holds the last data mbufs, and the card wants packets of one mbuf: those come out
 * of the pool for headers then, and are small.
 */
WIRE_TEST(queue_holds_all_mbufs)
{
	struct rte_mempool *pool;
	struct rte_mbuf *held[WIRE_POOL];
	unsigned int n = 0, at;
	struct note note;

	wire_start(w, .single_segment = true);
	pool = wire_pool_data();
	wire_accepted(w, "<mss 1460>", 65535);
	while (rte_mempool_avail_count(pool) > 3)
		held[n++] = rte_pktmbuf_alloc(pool);
	wire_send(w, 3 * WIRE_MSS, 3 * WIRE_MSS);
	wire_idle(w);
	wire_wait(w, MS(210));
	wire_count(w, tx_no_mbuf, 1);
	for (at = 1; wire_next(w, &note); at += note.bytes.value) {
		WIRE_EQ(w, note.seq.value, at);
		WIRE_IN(w, note.bytes.value, 100, 600);
	}
	wire_in(w, "+10ms . 1:1(0) ack %u win 65535", at);
	while (at < 3 * WIRE_MSS + 1 && wire_next(w, &note))
		at += note.bytes.value;
	wire_in(w, "+10ms . 1:1(0) ack 4381 win 65535");
	rte_pktmbuf_free_bulk(held, n);
	wire_end(w);
}

/* A user who finds no mbuf for the first byte hears when there may be one, whatever arrives
 * meanwhile. */
WIRE_TEST(starved_user_hears)
{
	struct rte_mempool *pool;
	struct rte_mbuf *held[WIRE_POOL];
	unsigned int n = 0, notified;

	wire_start(w);
	pool = wire_pool_data();
	wire_accepted(w, "<mss 1460>", 65535);
	while (n < WIRE_POOL && (held[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	wire_send(w, 100, -EAGAIN);
	notified = w->flow->notified;
	wire_in(w, "P. 1:1(0) ack 1 win 65000");
	wire_in(w, ". 1:1(0) ack 1 win 65535");
	WIRE_EQ(w, w->flow->notified, notified);
	wire_wait(w, MS(1));
	WIRE_EQ(w, w->flow->notified, notified + 1);
	rte_pktmbuf_free_bulk(held, n);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_in(w, ". 1:1(0) ack 101");
	wire_end(w);
}

/*
 * One long write has PSH as Linux's would: where a piece of half of the largest window is full, 11
 * segments here, if that is more than that much behind the last. What leaves meanwhile makes room
 * in the piece, which keeps its mark at its end: so comes the first one to its place.
 */
WIRE_TEST(a_long_write_pushes_now_and_then)
{
	static const unsigned int pushed[] = {21, 32, 54, 76, 80};
	unsigned int sent = 0, n = 0;
	struct note note;

	wire_start(w);
	wire_listen(w, 1);
	wire_in(w, "S 0:0(0) win 32120 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 32120");
	wire_accept(w);
	wire_send(w, 80 * WIRE_MSS, 80 * WIRE_MSS);
	sent = wire_skip(w);
	WIRE_EQ(w, sent, 10);
	while (sent < 80) {
		/* One at a time, so that no PSH is for the sake of a piece that leaves at once. */
		wire_in(w, "+10ms . 1:1(0) ack %u win 1460", 1 + sent * WIRE_MSS);
		WIRE_EQ(w, wire_next(w, &note), true);
		sent++;
		if (note.flags & TCP_PSH)
			WIRE_EQ(w, sent, pushed[n++]);
	}
	WIRE_EQ(w, n, 5);
	wire_end(w);
}
