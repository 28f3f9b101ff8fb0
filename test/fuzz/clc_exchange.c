/* SPDX-License-Identifier: BSD-3-Clause */
/* A listener that talks CLC, and a peer who sends it a stream in pieces: see clc_exchange.h. */
#include "clc_exchange.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "invariants.h"
#include "test/wire/packet.h"

enum { PEER_ISS = 1000, PORT = 7 };

static struct tcp_engine *engine;
static uint64_t random_state, now_us;
static uint32_t our_iss;

static struct ip_addr
address(uint8_t last)
{
	return ip_from4(be32(0xc6120000u | last));
}

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	static uint8_t bytes[PACKET_MAX_BYTES];

	(void)ctx;
	for (unsigned int i = 0; i < n; i++) {
		struct packet p;
		const void *whole = rte_pktmbuf_read(packets[i], 0, packets[i]->pkt_len, bytes);
		const char *wrong = packet_parse(whole, packets[i]->pkt_len, 0, &p);

		FUZZ_CHECK(wrong == NULL, "%s", wrong);
		if (p.flags & TCP_SYN)
			our_iss = p.seq;
		rte_pktmbuf_free(packets[i]);
	}
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	(void)ctx;
	(void)remote;
	(void)local;
	*path = (struct tcp_path){.local = address(2), .mtu = 1500, .flags = TCP_PATH_TX_MULTI_SEG};
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	struct ip_addr ours = address(2);

	(void)ctx;
	return memcmp(local, &ours, sizeof(ours)) == 0;
}

static void
env_random(void *ctx, void *buf, size_t n)
{
	fuzz_random(ctx, buf, n);
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx;
	(void)c;
	(void)user;
}

void
exchange_start(void)
{
	struct tcp_env env = {
		.ctx = &random_state,
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.alloc = fuzz_alloc,
		.free = fuzz_free,
	};

	random_state = 1;
	fuzz_start();
	engine = fuzz_engine_make(&env);
}

/* One segment of the peer's. */
static void
arrive(uint8_t flags, uint32_t seq, const uint8_t *payload, size_t n)
{
	static const uint8_t smc[] = {1, 1, 254, 6, 0xe2, 0xd4, 0xc3, 0xd9};
	static uint8_t bytes[PACKET_MAX_BYTES];
	struct packet p = {
		.src = address(1),
		.dst = address(2),
		.sport = 40000,
		.dport = PORT,
		.seq = PEER_ISS + seq,
		.ack = flags & TCP_ACK ? our_iss + 1 : 0,
		.flags = flags,
		.win = 65535,
		.payload = payload,
		.payload_bytes = n,
		.ttl = 64,
	};
	const struct packet_faults none = {0};
	struct rte_mbuf *m;
	size_t all;

	if (flags & TCP_SYN) {
		memcpy(p.options, smc, sizeof(smc));
		p.option_bytes = sizeof(smc);
	}
	all = packet_build(&p, &none, bytes);
	m = fuzz_exact(bytes, all);
	m->l3_len = 20;
	m->packet_type = RTE_PTYPE_L3_IPV4_EXT_UNKNOWN;
	tcp_input(engine, now_us, &m, 1);
	tcp_advance(engine, now_us);
	tcp_flush(engine);
	fuzz_check_engine(engine);
}

/* All that the user can read. */
static size_t
read_all(struct tcp_conn *c, uint8_t *bytes, size_t room)
{
	size_t n = 0;
	ssize_t got;

	while (n < room && (got = tcp_recv(c, bytes + n, room - n, 0)) > 0)
		n += (size_t)got;
	return n;
}

void
exchange_check(const uint8_t *stream, size_t n, size_t step, size_t message)
{
	static uint8_t read[4096];
	struct tcp_endpoint at = {.port = PORT};
	struct tcp_conn *listener, *c;
	size_t got;

	fuzz_engine_restart(engine);
	random_state = 0x2545f4914f6cdd1d;
	now_us = FUZZ_START_US;
	FUZZ_CHECK(tcp_open(engine, AF_INET6, &listener) == 0, "no socket");
	tcp_smc_enable(listener);
	FUZZ_CHECK(tcp_bind(listener, &at) == 0 && tcp_listen(listener, 2) == 0, "no listener");
	arrive(TCP_SYN, 0, NULL, 0);
	arrive(TCP_ACK, 1, NULL, 0);
	FUZZ_CHECK(tcp_accept(listener, &c) == -EAGAIN, "accepted before CLC");
	for (size_t at_byte = 0; at_byte < n; at_byte += step) {
		size_t part = n - at_byte < step ? n - at_byte : step;

		arrive(TCP_ACK, 1 + (uint32_t)at_byte, stream + at_byte, part);
	}
	if (message == 0) {
		FUZZ_CHECK(tcp_accept(listener, &c) == -EAGAIN, "accepted without a message");
	} else {
		FUZZ_CHECK(tcp_accept(listener, &c) == 0, "a good message is not accepted");
		got = read_all(c, read, sizeof(read));
		FUZZ_CHECK(got == n - message, "%zu bytes are the user's, not %zu", got,
			   n - message);
		FUZZ_CHECK(memcmp(read, stream + message, got) == 0, "other bytes");
		tcp_abort(c);
	}
	tcp_close(listener);
	tcp_flush(engine);
	fuzz_engine_drain(engine, now_us);
	fuzz_check_pools();
}
