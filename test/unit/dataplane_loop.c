/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dataplane/loop.c: packets to ourselves, by themselves and under an engine whose sockets talk to
 * each other.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "net_rig.h"

/* ---- Packets */

UNIT_CASE(packets_arrive_in_the_next_iteration)
{
	struct rig *rig = rig_settled();
	static const char *const ours[] = {RIG_IP4, RIG_IP6, RIG_LINK_LOCAL};

	for (unsigned int i = 0; i < RTE_DIM(ours); i++) {
		struct tcp_path path = rig_path(rig, ours[i]);
		struct ip_addr a = ip(ours[i]);

		CU_ASSERT(ip_eq(&path.local, &a));
		rig_send(rig, ours[i], ours[i], path.hop);
		UNIT_EQ(rig->n_tcp, 0);
		UNIT_EQ(net_held_bufs(rig->net), 1);
		UNIT_EQ(net_next_timer(rig->net), rig->now_us);
		net_advance(rig->net, rig->now_us);
		UNIT_EQ(rig->n_tcp, 1);
		UNIT_EQ(rig->n_out, 0);
		UNIT_EQ(rig->tcp[0]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK,
			RTE_MBUF_F_RX_L4_CKSUM_GOOD);
		UNIT_EQ(rig->tcp[0]->l3_len, i == 0 ? 20 : 40);
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_CASE(an_iteration_takes_a_part)
{
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < 100; i++)
		rig_send(rig, RIG_IP4, RIG_IP4, 0);
	net_advance(rig->net, rig->now_us);
	UNIT_EQ(rig->n_tcp, 64);
	UNIT_EQ(net_next_timer(rig->net), rig->now_us);
	net_advance(rig->net, rig->now_us);
	UNIT_EQ(rig->n_tcp, 100);
	UNIT_EQ(RIG_COUNT(rig, looped), 100);
	rig_free(rig);
}

UNIT_CASE(a_full_queue_drops_and_is_freed)
{
	struct rig *rig = rig_settled();
	struct rte_mbuf *m[2];

	/* References to one packet: more of them than the pool has mbufs. */
	rig_send(rig, RIG_IP4, RIG_IP4, 0);
	m[0] = rig->net->loop[rig->net->loop_head];
	for (unsigned int i = 0; i < NET_LOOP_PACKETS + 2; i++) {
		m[1] = m[0];
		rte_pktmbuf_refcnt_update(m[1], 1);
		net_output(rig->net, &m[1], 1);
	}
	UNIT_EQ(RIG_COUNT(rig, drop_loop_full), 3);
	UNIT_EQ(net_held_bufs(rig->net), NET_LOOP_PACKETS);
	rig_free(rig);
}

UNIT_CASE(without_a_buffer_a_packet_is_lost)
{
	struct rig *rig = rig_settled();
	struct rte_mbuf *hoard[RIG_POOL];
	unsigned int n = 0;

	rig_send(rig, RIG_IP4, RIG_IP4, 0);
	while ((hoard[n] = rte_pktmbuf_alloc(rig->pool)) != NULL)
		n++;
	net_advance(rig->net, rig->now_us);
	UNIT_EQ(RIG_COUNT(rig, drop_no_mbuf), 1);
	UNIT_EQ(rig->n_tcp, 0);
	rte_pktmbuf_free_bulk(hoard, n);
	rig_free(rig);
}

/* RFC 1122 §3.2.1.3: only what we looped ourselves may bear our address as its source. */
UNIT_CASE(martians_are_dropped)
{
	static const char *const ours[] = {RIG_IP4, RIG_IP6, RIG_LINK_LOCAL};
	struct rig *rig = rig_settled();

	for (unsigned int i = 0; i < RTE_DIM(ours); i++) {
		struct frame f = frame_tcp(RIG_MAC, PEER_MAC, ours[i], ours[i], 4000, 80, 10);

		rig_in(rig, &f);
		UNIT_EQ(RIG_COUNT(rig, drop_ip_source), i + 1);
		UNIT_EQ(rig->n_tcp, 0);
		UNIT_EQ(rig->n_out, 0);
	}
	rig_free(rig);
}

/* ---- Sockets */

struct loop_rig {
	struct rig *rig;
	struct tcp_engine *engine;
	struct rte_mempool *header, *data, *ref;
	unsigned int lose; /* every lose-th packet of the engine is; 0: none */
	unsigned int sent;
	uint64_t most_bytes; /* that one iteration took in */
};

static void
transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct loop_rig *l = ctx;

	for (unsigned int i = 0; i < n; i++) {
		if (l->lose != 0 && ++l->sent % l->lose == 0)
			rte_pktmbuf_free(packets[i]);
		else
			net_output(l->rig->net, &packets[i], 1);
	}
}

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *out)
{
	return net_path(((struct loop_rig *)ctx)->rig->net, remote, local, out);
}

static bool
is_local(void *ctx, const struct ip_addr *local)
{
	return net_is_local(((struct loop_rig *)ctx)->rig->net, local);
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
	void *memory = aligned_alloc(align, RTE_ALIGN_CEIL(bytes, align));

	(void)ctx;
	return memory == NULL ? NULL : memset(memory, 0, bytes);
}

static void
release(void *ctx, void *memory)
{
	(void)ctx;
	free(memory);
}

static struct rte_mempool *
make_pool(const char *name, uint16_t room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, 2047, 0, 0, room, SOCKET_ID_ANY);

	CU_ASSERT_FATAL(pool != NULL);
	return pool;
}

static void
loop_start(struct loop_rig *l)
{
	struct tcp_config config;
	const struct tcp_env env = {.ctx = l,
				    .transmit = transmit,
				    .path = path,
				    .is_local = is_local,
				    .random = fill,
				    .notify = notify,
				    .alloc = alloc,
				    .free = release};

	memset(l, 0, sizeof(*l));
	l->rig = rig_settled();
	l->header = make_pool("header", RTE_PKTMBUF_HEADROOM + 512);
	l->data = make_pool("data", RTE_MBUF_DEFAULT_BUF_SIZE);
	l->ref = make_pool("ref", 0);
	tcp_config_defaults(&config);
	config.name = "loop";
	config.max_conns = 64;
	config.max_requests = 64;
	config.max_timewait = 64;
	config.max_held_bufs = 2048;
	config.timewait_ms = 1000;
	config.header_pool = l->header;
	config.data_pool = l->data;
	config.ref_pool = l->ref;
	CU_ASSERT_FATAL(tcp_engine_create(&config, &env, &l->engine) == 0);
	tcp_advance(l->engine, l->rig->now_us);
}

/* An iteration of the lane each 100 us. */
static void
loop_run(struct loop_rig *l, uint64_t us)
{
	struct rig *rig = l->rig;

	for (uint64_t end = rig->now_us + us; rig->now_us < end; rig->now_us += 100) {
		uint64_t bytes = 0;

		tcp_advance(l->engine, rig->now_us);
		net_advance(rig->net, rig->now_us);
		for (unsigned int i = 0; i < rig->n_tcp; i++)
			bytes += rig->tcp[i]->pkt_len;
		l->most_bytes = RTE_MAX(l->most_bytes, bytes);
		tcp_input(l->engine, rig->now_us, rig->tcp, rig->n_tcp);
		rig->n_tcp = 0;
		tcp_flush(l->engine);
	}
}

static void
expect_full(struct rte_mempool *pool)
{
	UNIT_EQ(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
}

/* Nothing went to the port, and nothing is left. */
static void
loop_end(struct loop_rig *l)
{
	struct tcp_usage usage;

	loop_run(l, 3 * RIG_SECOND);
	tcp_usage(l->engine, &usage);
	UNIT_EQ(usage.conns + usage.requests + usage.timewait + usage.flows, 0);
	UNIT_EQ(usage.held_bufs + usage.queued_bufs + usage.sent_records, 0);
	UNIT_EQ(l->rig->n_out, 0);
	tcp_engine_destroy(l->engine);
	rig_free(l->rig);
	expect_full(l->header);
	expect_full(l->data);
	expect_full(l->ref);
}

static struct tcp_conn *
open_at(struct loop_rig *l, int family, const char *host, uint16_t port)
{
	struct tcp_endpoint at = {ip(host), port};
	struct tcp_conn *c = NULL;

	CU_ASSERT_FATAL(tcp_open(l->engine, family, &c) == 0);
	if (port != 0)
		UNIT_EQ(tcp_bind(c, &at), 0);
	return c;
}

/* A listener on all addresses, and a connection to it from an address' socket. */
static void
connect_pair(struct loop_rig *l, int family, const char *host, struct tcp_conn **client,
	     struct tcp_conn **server)
{
	struct tcp_conn *listener = open_at(l, AF_INET6, "::", 80);
	struct tcp_endpoint to = {ip(host), 80}, from, peer;

	UNIT_EQ(tcp_listen(listener, 5), 0);
	*client = open_at(l, family, host, 0);
	UNIT_EQ(tcp_connect(*client, &to), -EINPROGRESS);
	loop_run(l, 1000);
	UNIT_EQ(tcp_state(*client), TCP_ESTABLISHED);
	CU_ASSERT_FATAL(tcp_accept(listener, server) == 0);
	tcp_close(listener);
	UNIT_EQ(tcp_getsockname(*client, &from), 0);
	UNIT_EQ(tcp_getpeername(*server, &peer), 0);
	CU_ASSERT(ip_eq(&from.ip, &to.ip) && ip_eq(&peer.ip, &to.ip));
	UNIT_EQ(from.port, peer.port);
}

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 31 + i / 251);
}

/* Reads what is there; the bytes must be right. Returns how many there have been in all. */
static size_t
read_right(struct tcp_conn *c, size_t got)
{
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = tcp_recv(c, bytes, sizeof(bytes), 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != byte_at(got++))
				CU_FAIL_FATAL("a wrong byte");
	return got;
}

static size_t
write_some(struct tcp_conn *c, size_t at, size_t end)
{
	uint8_t bytes[4096];
	ssize_t n = 1;

	while (at < end && n > 0) {
		size_t some = RTE_MIN(end - at, sizeof(bytes));

		for (size_t i = 0; i < some; i++)
			bytes[i] = byte_at(at + i);
		n = tcp_send(c, bytes, some, 0);
		at += n > 0 ? (size_t)n : 0;
	}
	return at;
}

static void
transfer(struct loop_rig *l, struct tcp_conn *from, struct tcp_conn *to, size_t bytes)
{
	size_t sent = 0, got = 0;

	for (unsigned int i = 0; got < bytes && i < 100000; i++) {
		sent = write_some(from, sent, bytes);
		loop_run(l, 100);
		got = read_right(to, got);
	}
	UNIT_EQ(got, bytes);
}

UNIT_CASE(sockets_talk_to_each_other)
{
	static const struct {
		int family;
		const char *host;
	} ways[] = {{AF_INET, RIG_IP4},
		    {AF_INET6, RIG_IP6},
		    {AF_INET6, "::ffff:" RIG_IP4},
		    {AF_INET6, RIG_LINK_LOCAL}};

	for (unsigned int i = 0; i < RTE_DIM(ways); i++) {
		struct tcp_conn *client, *server;
		struct loop_rig l;

		loop_start(&l);
		connect_pair(&l, ways[i].family, ways[i].host, &client, &server);
		transfer(&l, client, server, 1);
		transfer(&l, server, client, 3000000);
		transfer(&l, client, server, 100000);
		/* Segments are large, and an iteration's work is bounded all the same. */
		CU_ASSERT(RIG_COUNT(l.rig, looped) < 1000);
		CU_ASSERT(l.most_bytes < 300000);
		tcp_close(client);
		loop_run(&l, 1000);
		UNIT_EQ(tcp_recv(server, &(char){0}, 1, 0), 0);
		tcp_close(server);
		loop_end(&l);
	}
}

/* What a sender's queue lets go of, a receiver's must still have; and the other way round. */
UNIT_CASE(buffers_are_the_receivers_own)
{
	struct tcp_conn *client, *server;
	struct loop_rig l;
	size_t sent;

	loop_start(&l);
	connect_pair(&l, AF_INET, RIG_IP4, &client, &server);
	sent = write_some(client, 0, 100); /* small ones travel behind their header */
	loop_run(&l, 100000);
	UNIT_EQ(rte_mempool_in_use_count(l.header), 0);
	sent = write_some(client, sent, 60000);
	loop_run(&l, 100000);
	UNIT_EQ(tcp_readable(server), sent);
	UNIT_EQ(rte_mempool_in_use_count(l.header), 0); /* all acknowledged: nothing is held */
	UNIT_EQ(rte_mempool_in_use_count(l.data), 0);
	UNIT_EQ(rte_mempool_in_use_count(l.ref), 0);
	tcp_abort(client);
	loop_run(&l, 1000);
	UNIT_EQ(tcp_poll(server) & POLLERR, POLLERR);
	tcp_close(server);
	loop_end(&l);
}

UNIT_CASE(a_socket_connects_to_itself)
{
	static const struct {
		int family;
		const char *host;
	} ways[] = {{AF_INET, RIG_IP4}, {AF_INET6, RIG_IP6}};

	for (unsigned int i = 0; i < RTE_DIM(ways); i++) {
		struct tcp_endpoint at = {ip(ways[i].host), 4000};
		struct loop_rig l;
		struct tcp_conn *c;

		loop_start(&l);
		c = open_at(&l, ways[i].family, ways[i].host, 4000);
		UNIT_EQ(tcp_connect(c, &at), -EINPROGRESS);
		loop_run(&l, 1000);
		UNIT_EQ(tcp_connect(c, &at), 0);
		UNIT_EQ(tcp_state(c), TCP_ESTABLISHED);
		transfer(&l, c, c, 100000);
		UNIT_EQ(tcp_shutdown(c, SHUT_WR), 0);
		loop_run(&l, 1000);
		UNIT_EQ(tcp_recv(c, &(char){0}, 1, 0), 0);
		tcp_close(c);
		loop_end(&l);
	}
}

UNIT_CASE(a_closed_port_refuses_at_once)
{
	struct tcp_endpoint to = {ip(RIG_IP6), 81};
	struct loop_rig l;
	struct tcp_conn *c;

	loop_start(&l);
	c = open_at(&l, AF_INET6, RIG_IP6, 0);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	loop_run(&l, 300); /* the SYN, the reset */
	UNIT_EQ(tcp_connect(c, &to), -ECONNREFUSED);
	tcp_close(c);
	loop_end(&l);
}

UNIT_CASE(losses_are_recovered_from)
{
	struct tcp_conn *client, *server;
	struct loop_rig l;

	loop_start(&l);
	connect_pair(&l, AF_INET, RIG_IP4, &client, &server);
	l.lose = 10; /* as a full queue does */
	transfer(&l, client, server, 1000000);
	l.lose = 0;
	tcp_close(client);
	loop_run(&l, 1000000);
	tcp_close(server);
	loop_end(&l);
}

UNIT_MAIN_EAL(UNIT_RUN(packets_arrive_in_the_next_iteration), UNIT_RUN(an_iteration_takes_a_part),
	      UNIT_RUN(a_full_queue_drops_and_is_freed),
	      UNIT_RUN(without_a_buffer_a_packet_is_lost), UNIT_RUN(martians_are_dropped),
	      UNIT_RUN(sockets_talk_to_each_other), UNIT_RUN(buffers_are_the_receivers_own),
	      UNIT_RUN(a_socket_connects_to_itself), UNIT_RUN(a_closed_port_refuses_at_once),
	      UNIT_RUN(losses_are_recovered_from))
