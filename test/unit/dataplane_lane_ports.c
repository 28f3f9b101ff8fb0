/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/lane_ports.c: two lanes' engines, and packets that come to the wrong one. */
#include <errno.h>
#include <sys/socket.h>

#include <rte_malloc.h>

#include "dataplane/lane_impl.h"
#include "frames.h"
#include "unit.h"

#define PEER "198.18.0.1"
#define OURS "198.18.0.2"
#define MAC "02:00:00:00:00:01"

enum {
	LANES = 2,
	MBUFS = 511,
	SENT_MAX = 128,
};

static struct rig {
	struct lane *lanes[LANES];
	uint8_t table[LANE_PORTS];
	struct rte_mbuf *sent[LANES][SENT_MAX]; /* by each lane */
	unsigned int n_sent[LANES];
	uint32_t peer_seq;
} r;

/* ---- What the engines ask */

static void
transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	const struct lane *lane = ctx;

	for (unsigned int i = 0; i < n; i++) {
		CU_ASSERT_FATAL(r.n_sent[lane->index] < SENT_MAX);
		r.sent[lane->index][r.n_sent[lane->index]++] = packets[i];
	}
}

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *out)
{
	(void)ctx, (void)remote, (void)local;
	*out = (struct tcp_path){.local = ip(OURS), .mtu = 1500};
	return 0;
}

static bool
is_local(void *ctx, const struct ip_addr *local)
{
	struct ip_addr ours = ip(OURS);

	(void)ctx;
	return ip_eq(local, &ours);
}

static void
fill(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)buf)[i] = (uint8_t)rand();
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx, (void)c, (void)user;
}

static void *
alloc(void *ctx, size_t bytes, size_t align)
{
	(void)ctx;
	return rte_zmalloc("test", bytes, (unsigned int)align);
}

static void
release(void *ctx, void *memory)
{
	(void)ctx;
	rte_free(memory);
}

/* ---- The lanes */

static struct lane *
make_lane(unsigned int index)
{
	struct lane *lane = rte_zmalloc("lane", sizeof(*lane), 64);
	const struct tcp_env env = {.ctx = lane,
				    .transmit = transmit,
				    .path = path,
				    .is_local = is_local,
				    .random = fill,
				    .notify = notify,
				    .port = lane_port_in_use,
				    .stray = lane_hand_over,
				    .alloc = alloc,
				    .free = release};
	struct tcp_config config;
	char name[32];

	CU_ASSERT_FATAL(lane != NULL);
	lane->index = index;
	lane->lanes = r.lanes;
	lane->n_lanes = LANES;
	lane->port_lanes = r.table;
	for (unsigned int k = 0; k < POOL_KINDS; k++) {
		snprintf(name, sizeof(name), "%s%u", pool_name(k), index);
		lane->pools.pool[k] =
			k == POOL_NEWS
				? rte_mempool_create(name, 7, sizeof(struct lane_news), 0, 0, NULL,
						     NULL, NULL, NULL, SOCKET_ID_ANY, 0)
				: rte_pktmbuf_pool_create(name, MBUFS, 0, 0,
							  RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
		CU_ASSERT_FATAL(lane->pools.pool[k] != NULL);
	}
	snprintf(name, sizeof(name), "inbox%u", index);
	lane->inbox = rte_ring_create(name, 16, SOCKET_ID_ANY, RING_F_SC_DEQ);
	tcp_config_defaults(&config);
	snprintf(name, sizeof(name), "lane%u", index);
	config.name = name;
	config.max_conns = config.max_requests = config.max_timewait = 64;
	config.max_held_bufs = 256;
	config.timewait_ms = 1000;
	config.header_pool = lane->pools.pool[POOL_HEADER];
	config.data_pool = lane->pools.pool[POOL_DATA];
	config.ref_pool = lane->pools.pool[POOL_REF];
	CU_ASSERT_FATAL(tcp_engine_create(&config, &env, &lane->tcp) == 0);
	return lane;
}

static void
begin(void)
{
	memset(&r, 0, sizeof(r));
	r.peer_seq = 1000;
	for (unsigned int i = 0; i < LANES; i++)
		r.lanes[i] = make_lane(i);
}

static void
forget(void)
{
	for (unsigned int i = 0; i < LANES; i++) {
		rte_pktmbuf_free_bulk(r.sent[i], r.n_sent[i]);
		r.n_sent[i] = 0;
	}
}

static void
end(void)
{
	forget();
	for (unsigned int i = 0; i < LANES; i++) {
		lane_inbox_clear(r.lanes[i]);
		tcp_engine_destroy(r.lanes[i]->tcp);
	}
	for (unsigned int i = 0; i < LANES; i++) {
		UNIT_EQ(pools_check(&r.lanes[i]->pools, i), 0);
		pools_free(&r.lanes[i]->pools);
		rte_ring_free(r.lanes[i]->inbox);
		rte_free(r.lanes[i]);
	}
}

/* A burst of n segments from the peer's ports 4000, 4001, ... comes to a lane. */
static void
arrive(unsigned int lane, uint16_t port, uint8_t flags, uint32_t ack, unsigned int bytes,
       unsigned int n)
{
	struct rte_mbuf *packets[64];

	for (unsigned int i = 0; i < n; i++) {
		struct frame f = frame_tcp(MAC, MAC, PEER, OURS, (uint16_t)(4000 + i), port, bytes);
		struct tcp_header *th = (void *)(f.b + FRAME_L3 + 20);

		th->seq = be32(r.peer_seq);
		th->ack = be32(ack);
		th->flags = flags;
		th->wnd = be16(1000);
		packets[i] = frame_mbuf(&f, r.lanes[lane]->pools.pool[POOL_RX], 0);
		rte_pktmbuf_adj(packets[i], FRAME_L3);
		packets[i]->packet_type = RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
		packets[i]->l3_len = 20;
		packets[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	}
	r.peer_seq += bytes + ((flags & TCP_SYN) != 0);
	tcp_input(r.lanes[lane]->tcp, r.lanes[lane]->now_us, packets, n);
	lane_hand_flush(r.lanes[lane]);
}

/* Another iteration of both lanes. */
static void
turn(uint64_t us)
{
	for (unsigned int i = 0; i < LANES; i++) {
		r.lanes[i]->now_us += us;
		tcp_advance(r.lanes[i]->tcp, r.lanes[i]->now_us);
		lane_inbox_run(r.lanes[i]);
		tcp_flush(r.lanes[i]->tcp);
	}
}

static const struct tcp_header *
last_sent(unsigned int lane)
{
	CU_ASSERT_FATAL(r.n_sent[lane] > 0);
	return rte_pktmbuf_mtod_offset(r.sent[lane][r.n_sent[lane] - 1], const struct tcp_header *,
				       20);
}

static struct tcp_conn *
open_on(unsigned int lane, uint16_t port, bool listens)
{
	struct tcp_endpoint local = {.port = port};
	struct tcp_conn *c = NULL;

	local.ip = ip_from4(be32(0));
	CU_ASSERT_FATAL(tcp_open(r.lanes[lane]->tcp, AF_INET, &c) == 0);
	if (port != 0)
		UNIT_EQ(tcp_bind(c, &local), 0);
	if (listens)
		UNIT_EQ(tcp_listen(c, 60), 0);
	return c;
}

UNIT_CASE(the_table_says_who_has_a_port)
{
	struct tcp_endpoint to = {ip(PEER), 9}, local;
	struct tcp_conn *a, *b, *c;

	begin();
	a = open_on(0, 80, false);
	UNIT_EQ(r.table[80], 1);
	UNIT_EQ(tcp_listen(a, 1), 0);
	b = open_on(1, 81, true);
	UNIT_EQ(r.table[81], 2);
	tcp_close(a);
	tcp_close(b);
	UNIT_EQ(r.table[80] + r.table[81], 0);
	/* A port that connecting chose; two that share it need two to let go. */
	c = open_on(0, 0, false);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	tcp_getsockname(c, &local);
	UNIT_EQ(r.table[local.port], 1);
	tcp_abort(c);
	turn(0);
	UNIT_EQ(r.table[local.port], 0);
	for (unsigned int i = 0; i < LANE_PORTS; i++)
		if (r.table[i] != 0)
			CU_FAIL("a port that nobody has");
	end();
}

UNIT_CASE(a_connection_comes_by_the_other_lane)
{
	struct tcp_conn *listener, *c;
	struct lane_stats stats[LANES];
	char bytes[100];
	uint32_t ack;

	begin();
	listener = open_on(0, 80, true);
	arrive(1, 80, TCP_SYN, 0, 0, 1);
	UNIT_EQ(r.n_sent[1], 0);
	turn(1000);
	UNIT_EQ(r.n_sent[0], 1);
	UNIT_EQ(last_sent(0)->flags, TCP_SYN | TCP_ACK);
	ack = be32_get(last_sent(0)->seq) + 1;
	arrive(1, 80, TCP_ACK, ack, 100, 1);
	turn(1000);
	CU_ASSERT_FATAL(tcp_accept(listener, &c) == 0);
	/* What is queued is lane 0's own buffer. */
	UNIT_EQ(rte_mempool_in_use_count(r.lanes[1]->pools.pool[POOL_RX]), 0);
	UNIT_EQ(rte_mempool_in_use_count(r.lanes[1]->pools.pool[POOL_NEWS]), 0);
	UNIT_EQ(rte_mempool_in_use_count(r.lanes[0]->pools.pool[POOL_RX]), 1);
	UNIT_EQ(tcp_recv(c, bytes, sizeof(bytes), 0), 100);
	tcp_close(listener);
	UNIT_EQ(r.table[80], 1); /* the connection's */
	/* We close first: the port is ours until TIME-WAIT is over. */
	tcp_shutdown(c, SHUT_WR);
	turn(1000);
	arrive(1, 80, TCP_ACK | TCP_FIN, ack + 1, 0, 1);
	turn(1000);
	tcp_close(c);
	turn(1000);
	UNIT_EQ(r.table[80], 1);
	turn(2000000);
	turn(1000);
	UNIT_EQ(r.table[80], 0);
	lane_stats_read(r.lanes[0], &stats[0]);
	lane_stats_read(r.lanes[1], &stats[1]);
	UNIT_EQ(stats[1].handed_out, 3);
	UNIT_EQ(stats[0].handed_in, 3);
	UNIT_EQ(r.n_sent[1], 0);
	end();
}

UNIT_CASE(own_listeners_come_first)
{
	struct tcp_conn *program, *service;

	begin();
	service = open_on(1, 80, true);
	program = open_on(0, 80, true);
	r.table[80] = 1;
	arrive(1, 80, TCP_SYN, 0, 0, 1);
	UNIT_EQ(rte_ring_count(r.lanes[0]->inbox), 0);
	tcp_flush(r.lanes[1]->tcp);
	UNIT_EQ(last_sent(1)->flags, TCP_SYN | TCP_ACK);
	tcp_close(program);
	tcp_close(service);
	end();
}

UNIT_CASE(what_is_nobodys_is_reset)
{
	begin();
	arrive(1, 80, TCP_SYN, 0, 0, 1);
	tcp_flush(r.lanes[1]->tcp);
	UNIT_EQ(last_sent(1)->flags, TCP_RST | TCP_ACK);
	end();
}

/* The table may have changed on the way: a packet does not go back and forth. */
UNIT_CASE(a_packet_is_handed_over_once)
{
	begin();
	r.table[80] = 1;
	arrive(1, 80, TCP_SYN, 0, 0, 1);
	r.table[80] = 2;
	turn(1000);
	UNIT_EQ(last_sent(0)->flags, TCP_RST | TCP_ACK);
	UNIT_EQ(rte_ring_count(r.lanes[1]->inbox), 0);
	end();
}

UNIT_CASE(bursts_go_in_few_messages)
{
	struct tcp_conn *listener;

	begin();
	listener = open_on(0, 80, true);
	arrive(1, 80, TCP_SYN, 0, 0, 40);
	UNIT_EQ(rte_ring_count(r.lanes[0]->inbox), 3);
	turn(1000);
	UNIT_EQ(r.n_sent[0], 40);
	tcp_close(listener);
	end();
}

UNIT_CASE(no_room_drops)
{
	struct lane_stats stats;
	struct tcp_conn *listener;
	void *hoard[7];

	begin();
	listener = open_on(0, 80, true);
	for (unsigned int i = 0; i < 15; i++) /* a full inbox */
		UNIT_EQ(rte_ring_enqueue(r.lanes[0]->inbox, r.lanes[0]), 0);
	arrive(1, 80, TCP_SYN, 0, 0, 20);
	lane_stats_read(r.lanes[1], &stats);
	UNIT_EQ(stats.drop_handed_out, 20);
	while (rte_ring_dequeue(r.lanes[0]->inbox, &hoard[0]) == 0)
		;
	/* No message, then no buffer at the other end. */
	UNIT_EQ(rte_mempool_get_bulk(r.lanes[1]->pools.pool[POOL_NEWS], hoard, 7), 0);
	arrive(1, 80, TCP_SYN, 0, 0, 1);
	lane_stats_read(r.lanes[1], &stats);
	UNIT_EQ(stats.drop_handed_out, 21);
	UNIT_EQ(stats.handed_out, 0);
	rte_mempool_put_bulk(r.lanes[1]->pools.pool[POOL_NEWS], hoard, 7);
	arrive(1, 80, TCP_SYN, 0, 0, 2);
	{
		struct rte_mbuf *held[MBUFS];

		UNIT_EQ(rte_pktmbuf_alloc_bulk(r.lanes[0]->pools.pool[POOL_RX], held, MBUFS - 1),
			0);
		turn(1000);
		rte_pktmbuf_free_bulk(held, MBUFS - 1);
	}
	lane_stats_read(r.lanes[0], &stats);
	UNIT_EQ(stats.handed_in, 1);
	UNIT_EQ(stats.drop_handed_in, 1);
	tcp_close(listener);
	end();
}

/* What waits when all ends. */
UNIT_CASE(an_inbox_is_cleared_of_packets)
{
	struct tcp_conn *listener;

	begin();
	listener = open_on(0, 80, true);
	arrive(1, 80, TCP_SYN, 0, 0, 20);
	tcp_close(listener);
	end();
}

UNIT_MAIN_EAL(UNIT_RUN(the_table_says_who_has_a_port),
	      UNIT_RUN(a_connection_comes_by_the_other_lane), UNIT_RUN(own_listeners_come_first),
	      UNIT_RUN(what_is_nobodys_is_reset), UNIT_RUN(a_packet_is_handed_over_once),
	      UNIT_RUN(bursts_go_in_few_messages), UNIT_RUN(no_room_drops),
	      UNIT_RUN(an_inbox_is_cleared_of_packets))
