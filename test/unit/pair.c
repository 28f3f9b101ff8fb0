/* SPDX-License-Identifier: BSD-3-Clause */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <rte_malloc.h>

static struct pair_side *
other(struct pair_side *s)
{
	return &s->pair->side[s == &s->pair->side[0]];
}

/* As a NIC would deliver it: contiguous, its checksum not looked at. */
static struct rte_mbuf *
received_copy(struct pair *p, const struct rte_mbuf *sent)
{
	struct rte_mbuf *m = rte_pktmbuf_copy(sent, p->rx_pool, 0, UINT32_MAX);

	if (m == NULL)
		return NULL;
	m->ol_flags = 0;
	m->packet_type = sent->packet_type & RTE_PTYPE_L3_MASK;
	m->l3_len = sent->l3_len;
	return m;
}

static void
transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct pair_side *from = ctx, *to = other(from);
	struct pair *p = from->pair;

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = NULL;

		if (p->loses == NULL || !p->loses(p->loss_ctx, packets[i]))
			m = received_copy(p, packets[i]);
		rte_pktmbuf_free(packets[i]);
		if (m == NULL)
			continue;
		if (to->tail - to->head == PAIR_WIRE_PACKETS) {
			rte_pktmbuf_free(m);
			continue;
		}
		to->wire[to->tail % PAIR_WIRE_PACKETS].m = m;
		to->wire[to->tail++ % PAIR_WIRE_PACKETS].at_us = p->now_us + p->delay_us;
	}
}

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *out)
{
	struct pair_side *s = ctx;

	if (!ip_eq(remote, &other(s)->ip))
		return -ENETUNREACH;
	if (!ip_is_any(local) && !ip_eq(local, &s->ip))
		return -EADDRNOTAVAIL;
	*out = (struct tcp_path){.local = s->ip, .mtu = s->pair->mtu, .flags = s->pair->path_flags};
	return 0;
}

static bool
is_local(void *ctx, const struct ip_addr *local)
{
	return ip_eq(local, &((struct pair_side *)ctx)->ip);
}

/* Repeatable: the tests are. */
static void
fill(void *ctx, void *buf, size_t bytes)
{
	static unsigned int state = 1;
	uint8_t *b = buf;

	(void)ctx;
	for (size_t i = 0; i < bytes; i++) {
		state = state * 1103515245u + 12345u;
		b[i] = (uint8_t)(state >> 16);
	}
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct pair_side *s = ctx;

	if (s->notify != NULL)
		s->notify(s->notify_ctx, c, user);
}

static void *
table_alloc(void *ctx, size_t bytes, size_t align)
{
	void *memory = NULL;

	(void)ctx;
	if (posix_memalign(&memory, align, bytes) != 0)
		return NULL;
	return memset(memory, 0, bytes);
}

static void
table_free(void *ctx, void *memory)
{
	(void)ctx;
	free(memory);
}

static struct rte_mempool *
make_pool(const char *name, unsigned int n, uint16_t room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, n, 0, 0, room, SOCKET_ID_ANY);

	if (pool == NULL) {
		fprintf(stderr, "no memory for pool %s\n", name);
		exit(2);
	}
	return pool;
}

void
pair_start(struct pair *p, const struct tcp_config *config)
{
	static const char *const names[2] = {"left", "right"};

	memset(p, 0, sizeof(*p));
	p->mtu = 1500;
	p->path_flags = TCP_PATH_TX_MULTI_SEG;
	p->delay_us = 1000;
	p->rx_pool = make_pool("rx", 16383, RTE_MBUF_DEFAULT_BUF_SIZE);
	p->header_pool = make_pool("header", 16383, RTE_PKTMBUF_HEADROOM + 640);
	p->data_pool = make_pool("data", 16383, RTE_MBUF_DEFAULT_BUF_SIZE);
	p->ref_pool = make_pool("ref", 16383, 0);
	for (int i = 0; i < 2; i++) {
		struct pair_side *s = &p->side[i];
		struct tcp_config c = *config;
		struct tcp_env env = {
			.ctx = s,
			.transmit = transmit,
			.path = path,
			.is_local = is_local,
			.random = fill,
			.notify = notify,
			.alloc = table_alloc,
			.free = table_free,
		};

		s->pair = p;
		s->ip = ip_from4(be32(0x0a000001u + (unsigned int)i));
		c.name = names[i];
		c.header_pool = p->header_pool;
		c.data_pool = p->data_pool;
		c.ref_pool = p->ref_pool;
		if (tcp_engine_create(&c, &env, &s->engine) < 0) {
			fprintf(stderr, "no engine\n");
			exit(2);
		}
	}
}

static uint64_t
next_event(const struct pair *p)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		const struct pair_side *s = &p->side[i];
		uint64_t timer = tcp_next_timer(s->engine);

		next = RTE_MIN(next, timer);
		if (s->head != s->tail)
			next = RTE_MIN(next, s->wire[s->head % PAIR_WIRE_PACKETS].at_us);
	}
	return next;
}

static void
deliver(struct pair_side *s)
{
	struct rte_mbuf *burst[32];
	unsigned int n = 0;

	while (s->head != s->tail && n < RTE_DIM(burst) &&
	       s->wire[s->head % PAIR_WIRE_PACKETS].at_us <= s->pair->now_us)
		burst[n++] = s->wire[s->head++ % PAIR_WIRE_PACKETS].m;
	tcp_input(s->engine, s->pair->now_us, burst, n);
	tcp_advance(s->engine, s->pair->now_us);
	tcp_flush(s->engine);
}

void
pair_run_until(struct pair *p, uint64_t time_us)
{
	uint64_t next;

	while ((next = next_event(p)) <= time_us) {
		p->now_us = RTE_MAX(next, p->now_us);
		deliver(&p->side[0]);
		deliver(&p->side[1]);
	}
	p->now_us = time_us;
	deliver(&p->side[0]);
	deliver(&p->side[1]);
}

static bool
is_idle(const struct pair_side *s)
{
	struct tcp_usage u;

	tcp_usage(s->engine, &u);
	if (u.conns == 0 && u.requests == 0 && u.held_bufs == 0 && u.queued_bufs == 0 &&
	    u.sent_records == 0 && u.ranges == 0 && u.orphans == 0 && u.listeners == 0 &&
	    u.flows == u.timewait)
		return true;
	printf("\n  left over: %u connections, %u listeners, %u orphans, %u requests, %u flows, "
	       "%u TIME-WAIT, %u held, %u queued, %u records, %u ranges\n",
	       u.conns, u.listeners, u.orphans, u.requests, u.flows, u.timewait, u.held_bufs,
	       u.queued_bufs, u.sent_records, u.ranges);
	return false;
}

static bool
pool_end(struct rte_mempool *pool)
{
	unsigned int used = rte_mempool_in_use_count(pool);

	if (used != 0)
		printf("\n  pool %s: %u mbufs missing\n", pool->name, used);
	rte_mempool_free(pool);
	return used == 0;
}

bool
pair_end(struct pair *p)
{
	bool good = true;

	for (int i = 0; i < 2; i++) {
		struct pair_side *s = &p->side[i];

		for (; s->head != s->tail; s->head++)
			rte_pktmbuf_free(s->wire[s->head % PAIR_WIRE_PACKETS].m);
		good &= is_idle(s);
		tcp_engine_destroy(s->engine);
	}
	good &= pool_end(p->rx_pool);
	good &= pool_end(p->header_pool);
	good &= pool_end(p->data_pool);
	good &= pool_end(p->ref_pool);
	return good;
}
