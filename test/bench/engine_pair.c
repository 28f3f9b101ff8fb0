/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

void
engine_pair_die(const char *what)
{
	fprintf(stderr, "engine: %s: %s\n", what, rte_strerror(rte_errno));
	exit(1);
}

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct pair_side *side = ctx;

	if (side->n_left + n > PAIR_WAITING)
		engine_pair_die("too much in one turn");
	memcpy(side->left + side->n_left, packets, n * sizeof(*packets));
	side->n_left += n;
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	const struct pair_side *side = ctx;

	(void)remote, (void)local;
	*path = (struct tcp_path){
		.local = side->ip,
		.mtu = side->pair->config.mtu,
		.flags = TCP_PATH_TX_MULTI_SEG,
	};
	if (!side->pair->config.checksums)
		path->flags |= TCP_PATH_TX_IP4_CKSUM | TCP_PATH_TX_TCP_CKSUM;
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	const struct pair_side *side = ctx;

	return ip_eq(local, &side->ip);
}

/* The same in each run: xorshift64. */
static void
env_random(void *ctx, void *buf, size_t bytes)
{
	struct engine_pair *pair = ((struct pair_side *)ctx)->pair;

	for (size_t i = 0; i < bytes; i++) {
		pair->random ^= pair->random << 13;
		pair->random ^= pair->random >> 7;
		pair->random ^= pair->random << 17;
		((uint8_t *)buf)[i] = (uint8_t)(pair->random >> 32);
	}
}

static void *
env_alloc(void *ctx, size_t bytes, size_t align)
{
	(void)ctx;
	return rte_zmalloc(NULL, bytes, (unsigned int)align);
}

static void
env_free(void *ctx, void *memory)
{
	(void)ctx;
	rte_free(memory);
}

static struct rte_mempool *
pool(const struct engine_pair *pair, const char *side, const char *what, uint32_t n,
     unsigned int room)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *p;

	snprintf(name, sizeof(name), "%s%u_%s", side, pair->config.number, what);
	p = rte_pktmbuf_pool_create(name, n, 256, 0,
				    room == 0 ? 0 : (uint16_t)(RTE_PKTMBUF_HEADROOM + room),
				    SOCKET_ID_ANY);
	if (p == NULL)
		engine_pair_die(name);
	return p;
}

static void
start_side(struct engine_pair *pair, struct pair_side *side, const char *name, uint32_t ip)
{
	const struct pair_config *c = &pair->config;
	const struct tcp_env env = {
		.ctx = side,
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = c->notify,
		.alloc = env_alloc,
		.free = env_free,
	};
	char engine_name[16];
	struct tcp_config config;

	side->pair = pair;
	side->ip = ip_from4(be32(ip));
	side->receive_pool = pool(pair, name, "receive", 32768, RTE_MAX(c->mtu, 2048));
	side->waiting = calloc(PAIR_WAITING, sizeof(*side->waiting));
	side->left = calloc(PAIR_WAITING, sizeof(*side->left));
	if (side->waiting == NULL || side->left == NULL)
		engine_pair_die("no memory");
	tcp_config_defaults(&config);
	snprintf(engine_name, sizeof(engine_name), "%s%u", name, c->number);
	config.name = engine_name;
	config.max_conns = c->connections * 2 + 64;
	config.max_requests = c->connections + 4096;
	config.max_timewait = 32768;
	config.max_held_bufs = 16384;
	config.header_pool = pool(pair, name, "header", 16384, 512);
	config.data_pool = pool(pair, name, "data", 16384, RTE_MAX(c->mtu, 2048));
	config.ref_pool = pool(pair, name, "ref", 32768, 0);
	if (tcp_engine_create(&config, &env, &side->engine) != 0)
		engine_pair_die("no engine");
	tcp_advance(side->engine, pair->now_us);
}

void
engine_pair_start(struct engine_pair *pair, const struct pair_config *config)
{
	memset(pair, 0, sizeof(*pair));
	pair->config = *config;
	pair->now_us = 1000000;
	pair->random = 0x9e3779b97f4a7c15 + config->number;
	pair->client.peer = &pair->server;
	pair->server.peer = &pair->client;
	start_side(pair, &pair->client, "client", 0xc6120001);
	start_side(pair, &pair->server, "server", 0xc6120002);
}

void
engine_pair_turn(struct pair_side *side)
{
	struct rte_mbuf **first = &side->waiting[side->head % PAIR_WAITING];
	uint32_t n = RTE_MIN(side->tail - side->head, side->pair->config.burst);

	/* What goes over the end of the array waits for the next turn. */
	n = RTE_MIN(n, PAIR_WAITING - side->head % PAIR_WAITING);
	side->head += n;
	tcp_input(side->engine, side->pair->now_us, first, n);
	tcp_advance(side->engine, side->pair->now_us);
	tcp_flush(side->engine);
}

/* As a device hands it over: in one buffer, the IP header parsed. */
static struct rte_mbuf *
copy_of(const struct pair_side *to, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(to->receive_pool);
	uint8_t *at;

	if (copy == NULL)
		engine_pair_die("no receive buffer");
	at = rte_pktmbuf_mtod(copy, uint8_t *);
	copy->l3_len = m->l3_len;
	copy->packet_type = m->packet_type;
	copy->pkt_len = m->pkt_len;
	copy->data_len = (uint16_t)m->pkt_len;
	if (!to->pair->config.checksums)
		copy->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	for (; m != NULL; m = m->next) {
		memcpy(at, rte_pktmbuf_mtod(m, const void *), m->data_len);
		at += m->data_len;
	}
	return copy;
}

void
engine_pair_carry(struct pair_side *side)
{
	struct pair_side *to = side->peer;

	if (to->tail - to->head + side->n_left > PAIR_WAITING)
		engine_pair_die("too much on the wire");
	for (uint32_t i = 0; i < side->n_left; i++)
		to->waiting[to->tail++ % PAIR_WAITING] = copy_of(to, side->left[i]);
	rte_pktmbuf_free_bulk(side->left, side->n_left);
	side->n_left = 0;
}
