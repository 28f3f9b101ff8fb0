/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open, the client's first write: what of it goes into the SYN, and MSG_FASTOPEN. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "fastopen.h"

/* A full segment of both families' paths, less the room for all options there may be. */
enum { FULL = WIRE_MSS - 40 };

/* ---- How much */

WIRE_TEST(first_write_goes_with_the_syn)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_send(w, 100, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	WIRE_EQ(w, tcp_is_deferred(w->flow->c), false);
	wire_poll(w, 0);
	wire_send(w, 100, -EAGAIN);
	wire_connect(w, -EALREADY);
	wire_sendto(w, 100, MSG_FASTOPEN, -EALREADY);
	wire_recv(w, 100, -EAGAIN);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQNSD), 0);
	wire_count(w, active_opens, 2);
	wire_in(w, "+10ms S. 0:0(0) ack 101 win 65535 " FO_ANSWER);
	wire_out(w, ". 101:101(0) ack 1");
	wire_poll(w, POLLOUT);
	WIRE_EQ(w, fo_info(w).tcpi_options & 32, 32);
	WIRE_EQ(w, fo_info(w).tcpi_unacked, 0);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	wire_connect(w, 0);
	wire_connect(w, -EISCONN);
	wire_send(w, 100, 100);
	wire_out(w, "P. 101:201(100) ack 1");
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 100);
	wire_count(w, fastopen_active, 1);
	wire_count(w, bytes_out, 200);
	fo_abort(w);
	wire_end(w);
}

/* No PSH on the SYN: flags are compared where they are written. */
WIRE_TEST(no_push_on_the_syn)
{
	struct note note;

	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_send(w, 100, 100);
	WIRE_EQ(w, wire_next(w, &note), true);
	WIRE_EQ(w, note.flags, TCP_SYN);
	wire_end(w);
}

/* A SYN with as much as it takes of a larger write. */
static void
limit(struct wire *w, unsigned int expected)
{
	fo_defer(w);
	wire_send(w, 20000, expected);
	wire_out(w, "S 0:%u(%u) <*>", expected, expected);
	fo_abort(w);
}

WIRE_TEST(limit_by_mtu)
{
	wire_start(w);
	fo_learn(w, 1460);
	limit(w, FULL);
	wire_end(w);
}

WIRE_TEST(limit_by_mtu_without_timestamps)
{
	wire_start(w, .no_timestamps = true);
	wire_flow(w, 1);
	wire_open(w);
	w->flow->local.port = 0;
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 9000,FO " FO_COOKIE ">");
	wire_out(w, ". 1:1(0) ack 1");
	fo_abort(w);
	wire_flow(w, 0);
	limit(w, FULL);
	wire_end(w);
}

WIRE_TEST(limit_by_cached_mss)
{
	wire_start(w);
	fo_learn(w, 1000);
	limit(w, 960);
	wire_end(w);
}

WIRE_TEST(large_cached_mss_is_no_limit)
{
	wire_start(w);
	fo_learn(w, 9000);
	limit(w, FULL);
	wire_end(w);
}

WIRE_TEST(tiny_cached_mss)
{
	wire_start(w);
	fo_learn(w, 20);
	limit(w, 8);
	wire_end(w);
}

WIRE_TEST(limit_by_maxseg)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_open(w);
	wire_set(w, IPPROTO_TCP, TCP_MAXSEG, 500);
	wire_connect(w, 0);
	wire_send(w, 2000, 460);
	wire_out(w, "S 0:460(460) {mss 500,sackOK,TS val * ecr 0,wscale *,FO " FO_COOKIE "}");
	wire_end(w);
}

WIRE_TEST4(limit_by_small_mtu)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_path(w, 0, 576);
	limit(w, 496);
	wire_end(w);
}

WIRE_TEST6(limit_by_small_mtu_of_ipv6)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_path(w, 0, 1280);
	limit(w, 1280 - 60 - 40);
	wire_end(w);
}

/* More than an mbuf, on paths that take several and that take one. */
static void
large(struct wire *w)
{
	fo_learn(w, 60000);
	wire_path(w, 0, 4000);
	fo_defer(w);
	wire_send(w, 20000, w->mtu - (w->family == AF_INET ? 40 : 60) - 40);
	wire_out(w, "S 0:*(*) {mss *,sackOK,TS val * ecr 0,wscale *,FO " FO_COOKIE "}");
}

WIRE_TEST(jumbo)
{
	wire_start(w, .path_flags = TCP_PATH_TX_MULTI_SEG);
	large(w);
	wire_end(w);
}

/* ---- What kind of write */

static void
flags(struct wire *w, int send_flags)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_send_(WIRE_HERE(w), 100, send_flags, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_in(w, "+10ms S. 0:0(0) ack 101 win 65535 " FO_ANSWER);
	wire_out(w, ". 101:101(0) ack 1");
	wire_send(w, 10, 10);
	wire_out(w, "P. 101:111(10) ack 1");
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(more)
{
	flags(w, MSG_MORE);
}

WIRE_TEST(urgent)
{
	flags(w, MSG_OOB);
}

WIRE_TEST(record)
{
	flags(w, MSG_EOR);
}

WIRE_TEST(corked)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_open(w);
	wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
	wire_connect(w, 0);
	wire_send(w, 100, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_end(w);
}

WIRE_TEST(nothing_to_write)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_send(w, 0, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_COOKIE);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, ". 1:1(0) ack 1");
	WIRE_EQ(w, fo_info(w).tcpi_options & 32, 0);
	WIRE_EQ(w, fo_info(w).tcpi_fastopen_client_fail, 0);
	wire_count(w, fastopen_active, 0);
	wire_count(w, fastopen_active_fail, 0);
	fo_abort(w);
	wire_end(w);
}

static struct rte_mbuf *
chain_of(struct wire *w, unsigned int bytes, unsigned int each)
{
	struct rte_mbuf *head = NULL, *last = NULL;

	for (unsigned int at = 0; at < bytes; at += each) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(wire_pool_data());
		unsigned int n = bytes - at < each ? bytes - at : each;
		uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);

		for (unsigned int i = 0; i < n; i++)
			to[i] = wire_byte(true, w->flow->queued + at + i);
		if (head == NULL)
			head = m;
		else
			last->next = m;
		last = m;
	}
	w->flow->queued += bytes;
	return head;
}

/* Chains are taken whole: what the SYN has no room for follows the handshake. */
WIRE_TEST(chain_of_mbufs)
{
	wire_start(w, .path_flags = TCP_PATH_TX_MULTI_SEG);
	fo_learn(w, 1460);
	fo_defer(w);
	WIRE_EQ(w, tcp_send_mbufs(w->flow->c, chain_of(w, 2000, 600), 0), 2000);
	wire_flush(w);
	wire_out(w, "S 0:%d(%d) " FO_SYN_COOKIE, FULL, FULL);
	wire_in(w, "+10ms S. 0:0(0) ack %d win 65535 " FO_ANSWER, FULL + 1);
	wire_out(w, ". %d:2001(%d) ack 1", FULL + 1, 2000 - FULL);
	wire_in(w, "+10ms . 1:1(0) ack 2001 win 65535");
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(chain_without_a_cookie)
{
	struct rte_mbuf *chain;

	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	tcp_fastopen_flush(w->engine, NULL);
	chain = chain_of(w, 100, 100);
	WIRE_EQ(w, tcp_send_mbufs(w->flow->c, chain, 0), -EAGAIN);
	rte_pktmbuf_free(chain);
	wire_flush(w);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_end(w);
}

/* A writer who waits: the last ACK leaves with his bytes, or after 200 ms without. */
WIRE_TEST(waiting_writer)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_send(w, 2000, FULL);
	wire_out(w, "S 0:%d(%d) " FO_SYN_COOKIE, FULL, FULL);
	tcp_expect_write(w->flow->c);
	wire_in(w, "+10ms S. 0:0(0) ack %d win 65535 " FO_ANSWER, FULL + 1);
	wire_idle(w);
	wire_send(w, 580, 580);
	wire_out(w, "P. %d:2001(580) ack 1", FULL + 1);
	fo_abort(w);
	wire_flow(w, 1);
	fo_defer(w);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) " FO_SYN_COOKIE);
	tcp_expect_write(w->flow->c);
	wire_in(w, "+10ms S. 0:0(0) ack 11 win 65535 " FO_ANSWER);
	wire_out(w, "+200ms . 11:11(0) ack 1");
	fo_abort(w);
	wire_end(w);
}

/* ---- Want of memory */

/* All mbufs of a pool but `left`, chained. */
static struct rte_mbuf *
take_all(struct rte_mempool *pool, unsigned int left)
{
	struct rte_mbuf *taken = NULL, *m;

	while (rte_mempool_avail_count(pool) > left && (m = rte_pktmbuf_alloc(pool)) != NULL) {
		m->next = taken;
		taken = m;
	}
	return taken;
}

static void
give_back(struct rte_mbuf *taken)
{
	while (taken != NULL) {
		struct rte_mbuf *next = taken->next;

		taken->next = NULL;
		rte_pktmbuf_free(taken);
		taken = next;
	}
}

/* As Linux: the SYN leaves without the bytes, and asks for a cookie. */
WIRE_TEST(no_mbuf_for_the_bytes)
{
	struct rte_mbuf *taken;

	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	taken = take_all(wire_pool_data(), 0);
	wire_send(w, 100, -EINPROGRESS);
	give_back(taken);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,FO " FO_COOKIE ">");
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	fo_abort(w);
	wire_end(w);
}

/* Nothing leaves: what comes after a second is a SYN sent again, and then the bytes. */
WIRE_TEST(no_mbuf_for_the_syn)
{
	struct rte_mbuf *taken;

	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	taken = take_all(wire_pool_header(), 0);
	wire_send(w, 100, 100);
	wire_idle(w);
	give_back(taken);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, "P. 1:101(100) ack 1");
	fo_abort(w);
	wire_end(w);
}

/* ---- MSG_FASTOPEN */

static void
off(struct tcp_config *config)
{
	config->fastopen = 0;
}

WIRE_TEST(sendto_without_a_cookie)
{
	wire_start(w);
	wire_sendto(w, 100, MSG_FASTOPEN, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_sendto(w, 100, MSG_FASTOPEN, -EALREADY);
	wire_send(w, 100, -EAGAIN);
	wire_connect(w, -EALREADY);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, ". 1:1(0) ack 1");
	wire_idle(w);
	wire_sendto(w, 100, MSG_FASTOPEN, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_sendto(w, 100, MSG_FASTOPEN, -EISCONN);
	wire_connect(w, -EISCONN);
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(sendto_with_a_cookie)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_sendto(w, 100, MSG_FASTOPEN, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_poll(w, 0);
	wire_sendto(w, 100, MSG_FASTOPEN, -EALREADY);
	wire_send(w, 100, -EAGAIN);
	wire_in(w, "+10ms S. 0:0(0) ack 101 win 65535 " FO_ANSWER);
	wire_out(w, ". 101:101(0) ack 1");
	wire_connect(w, 0);
	wire_sendto(w, 100, MSG_FASTOPEN, -EISCONN);
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(sendto_nothing)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_sendto(w, 0, MSG_FASTOPEN, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_COOKIE);
	wire_end(w);
}

WIRE_TEST(sendto_without_an_address)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_open(w);
	WIRE_EQ(w, tcp_sendto(w->flow->c, "x", 1, MSG_FASTOPEN, NULL), -EINVAL);
	wire_state(w, TCP_CLOSED);
	wire_listen(w, 5);
	WIRE_EQ(w, tcp_sendto(w->listener, "x", 1, MSG_FASTOPEN, NULL), -EISCONN);
	WIRE_EQ(w, tcp_sendto(w->listener, "x", 1, MSG_FASTOPEN, &w->flow->remote), -EISCONN);
	wire_end(w);
}

WIRE_TEST(sendto_established)
{
	wire_start(w);
	wire_connected(w, "<mss 1460>", 65535);
	wire_connect(w, -EISCONN);
	wire_sendto(w, 100, MSG_FASTOPEN, -EISCONN);
	WIRE_EQ(w, tcp_sendto(w->flow->c, "x", 1, MSG_FASTOPEN, NULL), -EISCONN);
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(sendto_switched_off)
{
	wire_start(w, .configure = off);
	wire_sendto(w, 100, MSG_FASTOPEN, -EOPNOTSUPP);
	wire_state(w, TCP_CLOSED);
	wire_connected(w, "<mss 1460>", 65535);
	wire_sendto(w, 100, MSG_FASTOPEN, -EOPNOTSUPP);
	fo_abort(w);
	wire_end(w);
}

/* Without the flag an address is nothing to a stream. */
WIRE_TEST(sendto_without_the_flag)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_sendto(w, 100, 0, -EPIPE);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	wire_send(w, 100, -EPIPE);
	wire_idle(w);
	wire_end(w);
}

WIRE_TEST(sendto_on_a_socket_that_defers)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_open(w);
	wire_sendto(w, 100, MSG_FASTOPEN, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_connect(w, -EALREADY);
	wire_flow(w, 1);
	fo_defer(w);
	wire_sendto(w, 100, MSG_FASTOPEN, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_flow(w, 2);
	fo_defer(w);
	WIRE_EQ(w, tcp_sendto(w->flow->c, "x", 0, MSG_FASTOPEN, NULL), -EINPROGRESS);
	wire_flush(w);
	wire_out(w, "S 0:0(0) " FO_SYN_COOKIE);
	wire_end(w);
}

WIRE_TEST(sendto_without_a_route)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_path(w, ENETUNREACH, 1500);
	wire_sendto(w, 100, MSG_FASTOPEN, -ENETUNREACH);
	wire_state(w, TCP_CLOSED);
	wire_idle(w);
	wire_end(w);
}

/* As connect(): what ended an earlier attempt is told first. */
WIRE_TEST(sendto_after_a_refusal)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_sendto(w, 100, MSG_FASTOPEN, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_in(w, "+10ms R. 0:0(0) ack 1");
	wire_sendto(w, 100, MSG_FASTOPEN, -ECONNREFUSED);
	wire_again(w, 0);
	w->flow->queued = 0;
	wire_sendto(w, 100, MSG_FASTOPEN, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_end(w);
}
