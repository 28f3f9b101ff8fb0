/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/lane_ports.c, lane_hand.c: two lanes' engines, and packets that come to the wrong one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <rte_malloc.h>

#include "dataplane/gateway_impl.h"
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
	OPT_IP_LOCAL_PORT_RANGE = 51,
};

static struct rig {
	struct lane *lanes[LANES];
	struct lane_steer *steer;
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
				    .may_hold = lane_may_hold,
				    .lands_here = lane_lands_here,
				    .stray = lane_stray,
				    .alloc = alloc,
				    .free = release};
	struct gateway_config gateway = {.max_sockets = 1, .numa_node = SOCKET_ID_ANY};
	struct tcp_config config;
	char name[32];

	CU_ASSERT_FATAL(lane != NULL);
	lane->index = index;
	lane->lanes = r.lanes;
	lane->n_lanes = LANES;
	lane->peers = (UINT64_C(1) << LANES) - 1;
	lane->port_lanes = r.table;
	lane->steer = r.steer;
	UNIT_EQ(lane_hand_open(lane, LANES), 0);
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
	gateway.engine = lane->tcp;
	lane->gateway = gateway_create(&gateway);
	CU_ASSERT_FATAL(lane->gateway != NULL);
	return lane;
}

/* Steering over n lanes by our own hash. */
static struct lane_steer *
steer_over(unsigned int n)
{
	struct port_device device = {.n_lanes = n, .queues = 1};
	struct lane_steer *steer;

	for (unsigned int i = 0; i < n; i++)
		device.lanes[i] = (uint8_t)i;
	steer = lane_steer_create(&device, 1);
	CU_ASSERT_FATAL(steer != NULL);
	return steer;
}

static void
begin(void)
{
	memset(&r, 0, sizeof(r));
	r.peer_seq = 1000;
	r.steer = steer_over(LANES);
	for (unsigned int i = 0; i < LANES; i++)
		r.lanes[i] = make_lane(i);
	for (unsigned int i = 0; i < LANES; i++)
		lane_hand_meet(r.lanes[i]);
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
		gateway_destroy(r.lanes[i]->gateway);
		tcp_engine_destroy(r.lanes[i]->tcp);
	}
	for (unsigned int i = 0; i < LANES; i++) {
		UNIT_EQ(pools_check(&r.lanes[i]->pools, i, 0), 0);
		pools_free(&r.lanes[i]->pools);
		lane_hand_close(r.lanes[i]);
		rte_ring_free(r.lanes[i]->inbox);
		rte_free(r.lanes[i]);
	}
	lane_steer_free(r.steer);
}

/* A burst of n segments from the peer's ports 4000, 4001, ... */
static void
make_packets(unsigned int lane, uint16_t port, uint8_t flags, uint32_t ack, unsigned int bytes,
	     unsigned int n, struct rte_mbuf **packets)
{
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
}

/* It comes to a lane, whose device is believed to know whose it is. */
static void
arrive(unsigned int lane, uint16_t port, uint8_t flags, uint32_t ack, unsigned int bytes,
       unsigned int n)
{
	struct rte_mbuf *packets[64];

	make_packets(lane, port, flags, ack, bytes, n, packets);
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
		lane_hand_take(r.lanes[i]);
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

/* From this one on the next port to which the peer's port 4000 is steered to a lane. */
static uint16_t
port_steered_to(unsigned int lane, uint16_t port)
{
	struct tcp_tuple tuple = {ip(OURS), ip(PEER), be16(port), be16(4000)};

	while (lane_steer_owner(r.steer, 0, &tuple) != lane)
		tuple.lport = be16((uint16_t)(be16_get(tuple.lport) + 2));
	return be16_get(tuple.lport);
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
	/* A port that connecting chose needs no telling; one that was bound does. */
	c = open_on(0, 0, false);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	tcp_getsockname(c, &local);
	UNIT_EQ(r.table[local.port], 0);
	tcp_abort(c);
	c = open_on(1, 4320, false);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	UNIT_EQ(r.table[4320], 2);
	/* Who is not the port's own lane does not take another's word back. */
	r.table[4320] = 1;
	local.port = 4320;
	tcp_abort(c);
	turn(0);
	UNIT_EQ(r.table[local.port], 1);
	r.table[local.port] = 0;
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
	uint16_t port;
	uint32_t ack;

	begin();
	port = port_steered_to(1, 80);
	listener = open_on(0, port, true);
	arrive(1, port, TCP_SYN, 0, 0, 1);
	UNIT_EQ(r.n_sent[1], 0);
	turn(1000);
	UNIT_EQ(r.n_sent[0], 1);
	UNIT_EQ(last_sent(0)->flags, TCP_SYN | TCP_ACK);
	ack = be32_get(last_sent(0)->seq) + 1;
	arrive(1, port, TCP_ACK, ack, 100, 1);
	turn(1000);
	CU_ASSERT_FATAL(tcp_accept(listener, &c) == 0);
	/* What is queued is lane 1's buffer, of which there are plenty. */
	UNIT_EQ(rte_mempool_in_use_count(r.lanes[1]->pools.pool[POOL_RX]), 1);
	UNIT_EQ(tcp_recv(c, bytes, sizeof(bytes), 0), 100);
	tcp_close(listener);
	UNIT_EQ(r.table[port], 1); /* the connection's */
	/* We close first: the port is ours until TIME-WAIT is over. */
	tcp_shutdown(c, SHUT_WR);
	turn(1000);
	arrive(1, port, TCP_ACK | TCP_FIN, ack + 1, 0, 1);
	turn(1000);
	tcp_close(c);
	turn(1000);
	UNIT_EQ(r.table[port], 1);
	turn(2000000);
	turn(1000);
	UNIT_EQ(r.table[port], 0);
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
	UNIT_EQ(rte_ring_count(r.lanes[0]->handed), 0);
	tcp_flush(r.lanes[1]->tcp);
	UNIT_EQ(last_sent(1)->flags, TCP_SYN | TCP_ACK);
	tcp_close(program);
	tcp_close(service);
	end();
}

/* By the lane whose it would be. */
UNIT_CASE(what_is_nobodys_is_reset)
{
	begin();
	arrive(1, 80, TCP_SYN, 0, 0, 40);
	CU_ASSERT(rte_ring_count(r.lanes[0]->handed) > 0);
	turn(1000);
	UNIT_EQ(r.n_sent[0] + r.n_sent[1], 40);
	UNIT_EQ(last_sent(0)->flags, TCP_RST | TCP_ACK);
	UNIT_EQ(last_sent(1)->flags, TCP_RST | TCP_ACK);
	end();
}

/* The table may have changed on the way: a packet follows it, and does not go back and forth. */
UNIT_CASE(a_packet_that_was_handed_over_ends_where_the_table_says)
{
	begin();
	r.table[80] = 1;
	arrive(1, 80, TCP_SYN, 0, 0, 1);
	r.table[80] = 2;
	turn(1000);
	turn(1000);
	UNIT_EQ(last_sent(1)->flags, TCP_RST | TCP_ACK);
	UNIT_EQ(rte_ring_count(r.lanes[0]->handed), 0);
	r.table[80] = 0;
	for (unsigned int lane = 0; lane < LANES; lane++) {
		struct rte_mbuf *packet;

		make_packets(lane, 80, TCP_SYN, 0, 0, 1, &packet);
		lane_hand_over(r.lanes[lane], 1 - lane, packet);
		lane_hand_flush(r.lanes[lane]);
		forget();
		turn(1000);
		turn(1000);
		UNIT_EQ(last_sent(1 - lane)->flags, TCP_RST | TCP_ACK);
	}
	end();
}

UNIT_CASE(a_burst_is_steered)
{
	struct tcp_conn *listener[LANES];
	struct rte_mbuf *packets[40];
	struct tcp_tuple tuple = {ip(OURS), ip(PEER), be16(80), be16(0)};
	struct lane_stats stats[LANES];
	unsigned int kept, mine = 0;

	begin();
	for (unsigned int i = 0; i < LANES; i++) {
		listener[i] = open_on(i, 80, true);
		tcp_found_everywhere(listener[i], true);
	}
	UNIT_EQ(r.table[80], 0);
	for (uint16_t i = 0; i < 40; i++) {
		tuple.rport = be16((uint16_t)(4000 + i));
		mine += lane_steer_owner(r.steer, 0, &tuple) == 0;
	}
	make_packets(0, 80, TCP_SYN, 0, 0, 40, packets);
	kept = lane_hand_steer(r.lanes[0], packets, 40);
	UNIT_EQ(kept, mine);
	CU_ASSERT(kept > 0 && kept < 40);
	UNIT_EQ(rte_ring_count(r.lanes[1]->handed), 40 - kept);
	tcp_input(r.lanes[0]->tcp, r.lanes[0]->now_us, packets, kept);
	turn(1000);
	UNIT_EQ(r.n_sent[0], kept);
	UNIT_EQ(r.n_sent[1], 40 - kept);
	/* One cut before its ports stays. */
	make_packets(0, 80, TCP_SYN, 0, 0, 1, packets);
	rte_pktmbuf_trim(packets[0], 18);
	UNIT_EQ(lane_hand_steer(r.lanes[0], packets, 1), 1);
	rte_pktmbuf_free(packets[0]);
	lane_stats_read(r.lanes[0], &stats[0]);
	lane_stats_read(r.lanes[1], &stats[1]);
	UNIT_EQ(stats[0].handed_out, 40 - kept);
	UNIT_EQ(stats[1].handed_in, 40 - kept);
	tcp_close(listener[0]);
	tcp_close(listener[1]);
	end();
}

/* Answers do not wait for the end of a burst; what follows of a connection stays together. */
UNIT_CASE(a_burst_is_answered_in_groups)
{
	struct rte_mbuf *packets[40];
	struct net_env env;

	begin();
	r.table[80] = 1; /* they are this lane's */
	lane_fill_net_env(r.lanes[0], &env);
	make_packets(0, 80, TCP_ACK, 0, 0, 2 * LANE_GROUP + 8, packets);
	env.tcp(env.ctx, packets, 2 * LANE_GROUP + 8);
	UNIT_EQ(r.n_sent[0], 2 * LANE_GROUP);
	turn(1000);
	UNIT_EQ(r.n_sent[0], 2 * LANE_GROUP + 8);
	forget();
	/* The last of the first group, and 3 more like it; then one cut before its ports. */
	make_packets(0, 80, TCP_ACK, 0, 0, 40, packets);
	for (unsigned int i = LANE_GROUP; i < LANE_GROUP + 3; i++)
		memcpy(rte_pktmbuf_mtod_offset(packets[i], void *, 20),
		       rte_pktmbuf_mtod_offset(packets[LANE_GROUP - 1], const void *, 20), 2);
	rte_pktmbuf_trim(packets[LANE_GROUP + 3], 18);
	env.tcp(env.ctx, packets, LANE_GROUP + 4);
	UNIT_EQ(r.n_sent[0], LANE_GROUP + 3);
	turn(1000);
	UNIT_EQ(r.n_sent[0], LANE_GROUP + 3);
	rte_pktmbuf_free_bulk(packets + LANE_GROUP + 4, 40 - (LANE_GROUP + 4));
	end();
}

/* Connections' ports are chosen so that what comes for them is steered to their lane. */
UNIT_CASE(ports_land_on_their_lane)
{
	struct tcp_endpoint to = {ip(PEER), 0}, local;
	struct tcp_tuple tuple = {ip(OURS), ip(PEER), be16(0), be16(0)};
	struct lane *lane;

	begin();
	lane = r.lanes[0];
	for (unsigned int n = 1; n <= 16; n++) {
		struct lane_steer *steer = steer_over(n);

		lane->steer = steer;
		for (unsigned int i = 0; i < 2 * n; i++) {
			struct tcp_conn *c;

			lane->index = i % n;
			c = open_on(0, 0, false);
			to.port = (uint16_t)(1000 + i);
			UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
			tcp_getsockname(c, &local);
			tuple.lport = be16(local.port);
			tuple.rport = be16(to.port);
			UNIT_EQ(lane_steer_owner(steer, 0, &tuple), lane->index);
			UNIT_EQ(r.table[local.port], 0);
			tcp_abort(c);
			lane->index = 0;
			turn(0);
			forget();
		}
		lane->steer = r.steer;
		lane_steer_free(steer);
	}
	end();
}

/* Where no port lands here any is taken, and the others are told. */
UNIT_CASE(a_port_that_lands_elsewhere_is_told_of)
{
	struct tcp_endpoint to = {ip(PEER), 9};
	struct tcp_tuple tuple = {ip(OURS), ip(PEER), be16(0), be16(9)};
	uint16_t port = 40000;
	uint32_t range;
	struct tcp_conn *c;

	begin();
	for (tuple.lport = be16(port); lane_steer_owner(r.steer, 0, &tuple) != 1;)
		tuple.lport = be16(++port);
	range = (uint32_t)port << 16 | port;
	c = open_on(0, 0, false);
	UNIT_EQ(tcp_setsockopt(c, IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE, &range, sizeof(range)), 0);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	UNIT_EQ(r.table[port], 1);
	tcp_abort(c);
	turn(0);
	UNIT_EQ(r.table[port], 0);
	end();
}

/* A program's socket: one of the gateway's. */
static struct tcp_conn *
open_of_program(unsigned int lane)
{
	struct tcp_conn *c = open_on(lane, 0, false);

	tcp_set_user(c, &r.lanes[lane]->gateway->sockets[0]);
	return c;
}

static int
bind_to(struct tcp_conn *c, uint16_t port)
{
	struct tcp_endpoint local = {.port = port};

	local.ip = ip_from4(be32(0));
	return tcp_bind(c, &local);
}

static uint16_t
local_port(const struct tcp_conn *c)
{
	struct tcp_endpoint local;

	tcp_getsockname(c, &local);
	return local.port;
}

static void
choose_only(struct tcp_conn *c, uint16_t port)
{
	uint32_t range = (uint32_t)port << 16 | port;

	UNIT_EQ(tcp_setsockopt(c, IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE, &range, sizeof(range)), 0);
}

UNIT_CASE(a_port_of_programs_is_one_lanes)
{
	struct tcp_endpoint to = {ip(PEER), 9};
	struct tcp_conn *c[LANES], *d;

	begin();
	/* Of two lanes the odd ports are the second's, whoever asks first. */
	c[0] = open_of_program(0);
	UNIT_EQ(bind_to(c[0], 81), -EXDEV);
	UNIT_EQ(bind_to(c[0], 80), 0);
	UNIT_EQ(tcp_listen(c[0], 1), 0);
	c[1] = open_of_program(1);
	UNIT_EQ(bind_to(c[1], 80), -EXDEV);
	UNIT_EQ(bind_to(c[1], 81), 0);
	UNIT_EQ(r.table[80], 1);
	UNIT_EQ(r.table[81], 2);
	d = open_of_program(1);
	UNIT_EQ(bind_to(d, 81), -EADDRINUSE);
	tcp_close(d);
	/* What is the matter with the socket is told first. */
	UNIT_EQ(bind_to(c[1], 80), -EINVAL);
	tcp_close(c[0]);
	tcp_close(c[1]);
	/* Chosen ones are, too. */
	for (unsigned int i = 0; i < 8 * LANES; i++) {
		unsigned int lane = i % LANES;

		d = open_of_program(lane);
		UNIT_EQ(i < LANES ? bind_to(d, 0) : 0, 0);
		UNIT_EQ(i < 2 * LANES ? tcp_listen(d, 1) : tcp_connect(d, &to),
			i < 2 * LANES ? 0 : -EINPROGRESS);
		UNIT_EQ(local_port(d) % LANES, lane);
		tcp_close(d);
	}
	/* Where none is left the caller asks the next lane. */
	d = open_of_program(0);
	choose_only(d, 40001);
	UNIT_EQ(tcp_connect(d, &to), -EADDRNOTAVAIL);
	UNIT_EQ(bind_to(d, 0), -EADDRINUSE);
	tcp_close(d);
	d = open_of_program(1);
	choose_only(d, 40001);
	UNIT_EQ(tcp_connect(d, &to), -EINPROGRESS);
	tcp_abort(d);
	turn(0);
	end();
}

/* Services' ports are any lane's: connections of theirs are found beside a program's listener. */
UNIT_CASE(a_port_to_choose_is_steered_first)
{
	struct tcp_tuple tuple = {ip(OURS), ip(PEER), be16(40000), be16(4000)};
	struct tcp_endpoint to = {ip(PEER), 4000};
	struct tcp_conn *service, *program, *child, *other;
	struct rte_mbuf *packet;

	begin();
	while (lane_steer_owner(r.steer, 0, &tuple) != 1)
		tuple.lport = be16((uint16_t)(be16_get(tuple.lport) + 2));
	service = open_on(1, 0, false);
	choose_only(service, be16_get(tuple.lport));
	UNIT_EQ(tcp_connect(service, &to), -EINPROGRESS);
	turn(0);
	program = open_of_program(0);
	UNIT_EQ(bind_to(program, be16_get(tuple.lport)), 0);
	UNIT_EQ(tcp_listen(program, 1), 0);
	UNIT_EQ(r.table[be16_get(tuple.lport)], 1);
	make_packets(0, be16_get(tuple.lport), TCP_SYN | TCP_ACK, be32_get(last_sent(1)->seq) + 1,
		     0, 1, &packet);
	UNIT_EQ(lane_hand_steer(r.lanes[0], &packet, 1), 0);
	turn(0);
	UNIT_EQ(tcp_state(service), TCP_ESTABLISHED);
	/* And no other takes a port that another lane's program has. */
	to.port = 9;
	other = open_on(1, 0, false);
	choose_only(other, be16_get(tuple.lport));
	UNIT_EQ(tcp_connect(other, &to), -EADDRNOTAVAIL);
	tcp_close(other);
	tcp_abort(service);
	turn(0);
	forget();
	/* What nobody has there, goes to the listener. */
	arrive(1, be16_get(tuple.lport), TCP_SYN, 0, 0, 1);
	turn(0);
	UNIT_EQ(last_sent(0)->flags, TCP_SYN | TCP_ACK);
	arrive(1, be16_get(tuple.lport), TCP_ACK, be32_get(last_sent(0)->seq) + 1, 0, 1);
	turn(0);
	UNIT_EQ(tcp_accept(program, &child), 0);
	tcp_abort(child);
	tcp_close(program);
	turn(0);
	end();
}

/* A part of a listener, on a lane whose the port is not. */
static struct tcp_conn *
listen_in_part(unsigned int lane, uint16_t port)
{
	struct tcp_conn *c = open_of_program(lane);

	r.lanes[lane]->gateway->sockets[0].part = r.lanes[lane]->gateway->sockets[0].guest = true;
	UNIT_EQ(bind_to(c, port), 0);
	UNIT_EQ(tcp_listen(c, 60), 0);
	tcp_found_everywhere(c, true);
	return c;
}

/* What a lane accepts it keeps, nobody is told the way, and who wants the port hears of it. */
UNIT_CASE(a_listener_has_parts)
{
	struct tcp_conn *own, *part, *child;
	struct tcp_bound_as as;
	uint64_t arrived, since_us;
	uint16_t port;

	begin();
	port = port_steered_to(1, 80);
	own = open_of_program(0);
	UNIT_EQ(bind_to(own, port), 0);
	tcp_bound_as(own, &as);
	UNIT_EQ(as.local.port, port);
	UNIT_EQ(tcp_may_bind(r.lanes[1]->tcp, &as, 0), 0);
	UNIT_EQ(tcp_listen(own, 60), 0);
	UNIT_EQ(r.table[port], 1);
	part = listen_in_part(1, port);
	tcp_found_everywhere(own, true);
	UNIT_EQ(r.table[port], 0);
	arrive(1, port, TCP_SYN, 0, 0, 1);
	turn(1000);
	arrive(1, port, TCP_ACK, be32_get(last_sent(1)->seq) + 1, 0, 1);
	tcp_accept_news(part, &arrived, &since_us);
	UNIT_EQ(arrived, 1);
	UNIT_EQ(since_us, r.lanes[1]->now_us);
	UNIT_EQ(tcp_accept(part, &child), 0);
	UNIT_EQ(r.n_sent[0], 0);
	tcp_accept_news(part, &arrived, &since_us);
	UNIT_EQ(arrived, 1);
	UNIT_EQ(since_us, 0);
	UNIT_EQ(tcp_may_bind(r.lanes[1]->tcp, &as, 0), -EADDRINUSE);
	tcp_close(part);
	tcp_close(own);
	UNIT_EQ(r.table[port], 0);
	/* Its child, and then TIME-WAIT, are in the way of who does not share. */
	UNIT_EQ(tcp_may_bind(r.lanes[1]->tcp, &as, 0), -EADDRINUSE);
	tcp_abort(child);
	turn(1000);
	UNIT_EQ(tcp_may_bind(r.lanes[1]->tcp, &as, 0), 0);
	/* One that is shut down is alone. */
	own = open_on(0, port, true);
	tcp_found_everywhere(own, true);
	UNIT_EQ(tcp_shutdown(own, SHUT_RD), 0);
	UNIT_EQ(r.table[port], 1);
	tcp_close(own);
	turn(1000);
	end();
}

/* A connection that is not where its packets are steered to is found behind a listener's part, and
 * behind the silence of one that left. */
UNIT_CASE(who_is_elsewhere_is_found_behind_a_part)
{
	struct tcp_conn *bound, *part;
	struct tcp_endpoint to = {ip(PEER), 4000};
	uint16_t port;

	begin();
	port = port_steered_to(1, 80);
	bound = open_of_program(0);
	UNIT_EQ(bind_to(bound, port), 0);
	part = listen_in_part(1, port);
	UNIT_EQ(tcp_connect(bound, &to), -EINPROGRESS);
	turn(0);
	UNIT_EQ(r.table[port], 1);
	arrive(1, port, TCP_SYN | TCP_ACK, be32_get(last_sent(0)->seq) + 1, 0, 1);
	r.peer_seq++;
	turn(0);
	UNIT_EQ(tcp_state(bound), TCP_ESTABLISHED);
	arrive(1, port, TCP_RST, 0, 0, 1);
	UNIT_EQ(rte_ring_count(r.lanes[0]->handed), 1);
	turn(0);
	tcp_close(part);
	tcp_abort(bound);
	turn(0);
	end();
}

/* An error is told to the lane of the packet that it quotes, and to no other. */
UNIT_CASE(errors_go_to_the_lane_of_what_they_quote)
{
	struct tcp_icmp icmp = {.kind = TCP_ICMP_REFUSED, .error = ECONNREFUSED};
	struct tcp_endpoint to = {ip(PEER), 9};
	struct net_env env[LANES];
	size_t bytes = sizeof(int);
	struct tcp_conn *c;
	int error = 0;

	begin();
	for (unsigned int i = 0; i < LANES; i++)
		lane_fill_net_env(r.lanes[i], &env[i]);
	c = open_on(0, 0, false);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	turn(0);
	icmp.tuple = tcp_tuple_of(c);
	icmp.seq = be32_get(last_sent(0)->seq);
	env[1].icmp(r.lanes[1], &icmp);
	UNIT_EQ(rte_ring_count(r.lanes[0]->inbox), 1);
	turn(0);
	UNIT_EQ(tcp_getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &bytes), 0);
	UNIT_EQ(error, ECONNREFUSED);
	tcp_close(c);
	turn(0);
	env[0].icmp(r.lanes[0], &icmp);
	UNIT_EQ(rte_ring_count(r.lanes[1]->inbox), 0);
	/* A port that services have, too: the lane by steering, and the program's. */
	r.table[80] = 1;
	for (icmp.tuple.lport = be16(80), icmp.tuple.rport = be16(1);
	     lane_steer_owner(r.steer, 0, &icmp.tuple) != 1;)
		icmp.tuple.rport = be16((uint16_t)(be16_get(icmp.tuple.rport) + 1));
	env[1].icmp(r.lanes[1], &icmp);
	UNIT_EQ(rte_ring_count(r.lanes[0]->inbox), 1);
	env[0].icmp(r.lanes[0], &icmp);
	UNIT_EQ(rte_ring_count(r.lanes[1]->inbox), 1);
	turn(0);
	end();
}

UNIT_CASE(no_room_drops)
{
	struct rte_mbuf *held[MBUFS];
	struct lane_stats stats;
	struct tcp_conn *listener;

	begin();
	listener = open_on(0, 80, true);
	/* A full ring; what lies in it is nobody's. */
	while (rte_ring_enqueue(r.lanes[0]->handed, r.lanes[0]) == 0)
		;
	arrive(1, 80, TCP_SYN, 0, 0, 20);
	lane_stats_read(r.lanes[1], &stats);
	UNIT_EQ(stats.drop_handed_out, 20);
	UNIT_EQ(stats.handed_out, 0);
	rte_ring_reset(r.lanes[0]->handed);
	/* The other lane is short of buffers: copies, and with one buffer there is one. */
	r.lanes[0]->lend_above = MBUFS;
	arrive(1, 80, TCP_SYN, 0, 0, 2);
	UNIT_EQ(rte_pktmbuf_alloc_bulk(r.lanes[0]->pools.pool[POOL_RX], held, MBUFS - 1), 0);
	turn(1000);
	rte_pktmbuf_free_bulk(held, MBUFS - 1);
	lane_stats_read(r.lanes[0], &stats);
	UNIT_EQ(stats.handed_in, 1);
	UNIT_EQ(stats.handed_copied, 1);
	UNIT_EQ(stats.drop_handed_in, 1);
	UNIT_EQ(rte_mempool_in_use_count(r.lanes[1]->pools.pool[POOL_RX]), 0);
	tcp_close(listener);
	end();
}

/* A lane without a queue sends by another's. */
UNIT_CASE(frames_go_to_the_lane_with_the_queue)
{
	struct port_device device = {.n_lanes = LANES, .queues = 1, .lanes = {0, 1}};
	struct lane_port *mine, *theirs;
	struct lane_stats stats;

	begin();
	mine = &r.lanes[1]->ports[0];
	theirs = &r.lanes[0]->ports[0];
	device.tx_rings[0] =
		rte_ring_create("tx", 16, SOCKET_ID_ANY, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	mine->device = theirs->device = &device;
	mine->carrier = r.lanes[0];
	theirs->has_queue = theirs->carries = true;
	r.lanes[0]->n_ports = 1;
	UNIT_EQ(rte_pktmbuf_alloc_bulk(r.lanes[1]->pools.pool[POOL_HEADER], mine->tx, 20), 0);
	mine->n_tx = 20;
	UNIT_EQ(lane_port_flush(r.lanes[1], mine), 15);
	UNIT_EQ(mine->n_tx, 5);
	CU_ASSERT(!lane_hand_is_empty(r.lanes[0]));
	UNIT_EQ(lane_hand_take_frames(theirs, r.lanes[0]), 15);
	UNIT_EQ(lane_port_flush(r.lanes[1], mine), 5);
	UNIT_EQ(lane_hand_take_frames(theirs, r.lanes[0]), 5);
	CU_ASSERT(lane_hand_is_empty(r.lanes[0]));
	UNIT_EQ(theirs->n_tx, 20);
	rte_pktmbuf_free_bulk(theirs->tx, 20);
	lane_stats_read(r.lanes[0], &stats);
	UNIT_EQ(stats.frames_handed_in, 20);
	lane_stats_read(r.lanes[1], &stats);
	UNIT_EQ(stats.frames_handed_out, 20);
	UNIT_EQ(stats.tx_postponed, 5);
	rte_ring_free(device.tx_rings[0]);
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
	      UNIT_RUN(what_is_nobodys_is_reset),
	      UNIT_RUN(a_packet_that_was_handed_over_ends_where_the_table_says),
	      UNIT_RUN(a_burst_is_steered), UNIT_RUN(a_burst_is_answered_in_groups),
	      UNIT_RUN(ports_land_on_their_lane), UNIT_RUN(a_port_that_lands_elsewhere_is_told_of),
	      UNIT_RUN(a_port_of_programs_is_one_lanes),
	      UNIT_RUN(a_port_to_choose_is_steered_first), UNIT_RUN(a_listener_has_parts),
	      UNIT_RUN(who_is_elsewhere_is_found_behind_a_part),
	      UNIT_RUN(errors_go_to_the_lane_of_what_they_quote), UNIT_RUN(no_room_drops),
	      UNIT_RUN(frames_go_to_the_lane_with_the_queue),
	      UNIT_RUN(an_inbox_is_cleared_of_packets))
