/* SPDX-License-Identifier: BSD-3-Clause */
#include "pair.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"

static struct pair_side *
other(struct pair_side *s)
{
	return &s->pair->side[s == &s->pair->side[0]];
}

static unsigned int
index_of(const struct pair_side *s)
{
	return (unsigned int)(s - s->pair->side);
}

/* ---- The way of a packet */

static void
put_on_link(struct pair_side *from, struct rte_mbuf *m)
{
	struct pair *p = from->pair;

	if (p->loses != NULL && p->loses(p->loss_ctx, m)) {
		rte_pktmbuf_free(m);
		return;
	}
	if (p->on_sent != NULL)
		p->on_sent(p->ctx, index_of(from), m);
	link_put(&from->link, m, p->now_us);
}

static void
transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct pair_side *from = ctx;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int segs = cut_segments(packets[i]);

		from->transmitted += segs;
		from->beyond_limits += !cut_is_within(packets[i], &from->tso);
		for (unsigned int k = 0; k < segs; k++) {
			struct rte_mbuf *m =
				cut_segment(packets[i], k, from->pair->pools_of[0]->rx);

			if (m != NULL)
				put_on_link(from, m);
		}
		rte_pktmbuf_free(packets[i]);
	}
}

static void
arrive(void *ctx, struct rte_mbuf *m, uint64_t now_us)
{
	struct pair_side *from = ctx, *to = other(from);
	struct pair *p = from->pair;
	bool corrupted = (m->hash.usr & LINK_CORRUPTED) != 0;

	(void)now_us;
	from->link.counts.delivered++;
	if (to->engine == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	if (p->on_arrived != NULL)
		p->on_arrived(p->ctx, index_of(to), m);
	if (p->rx_checks_checksums)
		m->ol_flags |= corrupted ? RTE_MBUF_F_RX_L4_CKSUM_BAD : RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	m->hash.usr = 0;
	assert(to->n_inbox < PAIR_POOL_MBUFS);
	to->inbox[to->n_inbox++] = m;
}

/* ---- What the engines ask */

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *out)
{
	struct pair_side *s = ctx;

	if (!ip_eq(remote, &other(s)->ip))
		return -ENETUNREACH;
	if (!ip_is_any(local) && !ip_eq(local, &s->ip))
		return -EADDRNOTAVAIL;
	*out = (struct tcp_path){
		.local = s->ip, .mtu = s->mtu, .flags = s->path_flags, .tso = s->tso};
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
	struct pair_side *s = ctx;
	uint8_t *b = buf;

	for (size_t i = 0; i < bytes; i++)
		b[i] = (uint8_t)rng_next(&s->rng);
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct pair_side *s = ctx;

	if (s->notify != NULL)
		s->notify(s->notify_ctx, c, user);
}

static bool
may_fold(void *ctx, void *user)
{
	struct pair_side *s = ctx;

	return s->may_fold != NULL && s->may_fold(s->notify_ctx, user);
}

static void
fold(void *ctx, void *user, struct tcp_folded *folded)
{
	struct pair_side *s = ctx;

	s->fold(s->notify_ctx, user, folded);
}

static void
unfold(void *ctx, void *user, struct tcp_conn *c)
{
	struct pair_side *s = ctx;

	s->unfold(s->notify_ctx, user, c);
}

/* Large tables of which little is used: calloc() gives pages that cost nothing until then. */
static void *
table_alloc(void *ctx, size_t bytes, size_t align)
{
	char *memory = calloc(1, bytes + align + sizeof(void *));
	uintptr_t at = ((uintptr_t)memory + sizeof(void *) + align - 1) & ~(uintptr_t)(align - 1);

	(void)ctx;
	if (memory == NULL)
		return NULL;
	((void **)at)[-1] = memory;
	return (void *)at;
}

static void
table_free(void *ctx, void *memory)
{
	(void)ctx;
	if (memory != NULL)
		free(((void **)memory)[-1]);
}

/* ---- Pools */

static struct rte_mempool *
make_pool(const char *name, const char *what, unsigned int n, uint16_t room)
{
	struct rte_mempool *pool;
	char full[RTE_MEMPOOL_NAMESIZE];

	snprintf(full, sizeof(full), "%s_%s", name, what);
	pool = rte_pktmbuf_pool_create(full, n, 0, 0, room, SOCKET_ID_ANY);
	if (pool == NULL) {
		fprintf(stderr, "no memory for pool %s\n", full);
		exit(2);
	}
	return pool;
}

void
pair_pools_make(struct pair_pools *pools, const char *name, unsigned int mbufs)
{
	pools->rx = make_pool(name, "rx", mbufs, RTE_MBUF_DEFAULT_BUF_SIZE);
	pools->header = make_pool(name, "header", mbufs, RTE_PKTMBUF_HEADROOM + 640);
	pools->data = make_pool(name, "data", mbufs, RTE_MBUF_DEFAULT_BUF_SIZE);
	pools->ref = make_pool(name, "ref", mbufs, 0);
}

static bool
pool_is_full(struct rte_mempool *pool)
{
	unsigned int used = rte_mempool_in_use_count(pool);

	if (used != 0)
		printf("\n  pool %s: %u mbufs missing\n", pool->name, used);
	return used == 0;
}

bool
pair_pools_are_full(const struct pair_pools *pools)
{
	bool good = pool_is_full(pools->rx);

	good &= pool_is_full(pools->header);
	good &= pool_is_full(pools->data);
	good &= pool_is_full(pools->ref);
	return good;
}

void
pair_pools_free(struct pair_pools *pools)
{
	rte_mempool_free(pools->rx);
	rte_mempool_free(pools->header);
	rte_mempool_free(pools->data);
	rte_mempool_free(pools->ref);
	*pools = (struct pair_pools){0};
}

/* ---- Start */

static struct ip_addr
address(bool ipv6, unsigned int i)
{
	uint8_t bytes[16] = {0xfd, [15] = (uint8_t)(i + 1)};

	return ipv6 ? ip_from6(bytes) : ip_from4(be32(0x0a000001u + i));
}

static void
start_engine(struct pair *p, unsigned int i, const struct tcp_config *config)
{
	static const char *const names[2] = {"left", "right"};
	struct pair_side *s = &p->side[i];
	struct tcp_config c = *config;
	struct tcp_env env = {
		.ctx = s,
		.transmit = transmit,
		.path = path,
		.is_local = is_local,
		.random = fill,
		.notify = notify,
		.may_fold = may_fold,
		.fold = fold,
		.unfold = unfold,
		.alloc = table_alloc,
		.free = table_free,
	};

	c.name = names[i];
	c.header_pool = p->pools_of[i]->header;
	c.data_pool = p->pools_of[i]->data;
	c.ref_pool = p->pools_of[i]->ref;
	if (tcp_engine_create(&c, &env, &s->engine) < 0) {
		fprintf(stderr, "no engine\n");
		exit(2);
	}
	tcp_advance(s->engine, p->now_us + s->clock_us);
}

static void
start_side(struct pair *p, unsigned int i, const struct pair_setup *setup)
{
	struct pair_side *s = &p->side[i];

	s->pair = p;
	s->ip = address(setup->ipv6, i);
	s->rng.state = setup->seed * 4 + i;
	s->mtu = 1500;
	s->path_flags = TCP_PATH_TX_MULTI_SEG;
	p->pools_of[i] = setup->pools[i] != NULL ? setup->pools[i] : &p->pools;
	link_init(&s->link, setup->seed * 4 + 2 + i, p->pools_of[0]->rx, arrive, s);
	start_engine(p, i, setup->config[i]);
}

void
pair_kill(struct pair *p, unsigned int side)
{
	tcp_engine_destroy(p->side[side].engine);
	p->side[side].engine = NULL;
}

void
pair_revive(struct pair *p, unsigned int side, const struct tcp_config *config, uint64_t clock_us)
{
	p->side[side].clock_us = clock_us;
	start_engine(p, side, config);
}

void
pair_start_with(struct pair *p, const struct pair_setup *setup)
{
	*p = (struct pair){.now_us = setup->start_us, .burst = 32};
	if (setup->pools[0] == NULL || setup->pools[1] == NULL)
		pair_pools_make(&p->pools, "pair", PAIR_POOL_MBUFS);
	start_side(p, 0, setup);
	start_side(p, 1, setup);
}

void
pair_start(struct pair *p, const struct tcp_config *config)
{
	struct pair_setup setup = {.config = {config, config}, .seed = 1};

	pair_start_with(p, &setup);
	link_add_delay(&p->side[0].link, 1000, 0, true);
	link_add_delay(&p->side[1].link, 1000, 0, true);
}

/* ---- The clock */

static uint64_t
next_timer(const struct pair_side *s)
{
	uint64_t at_us = s->engine != NULL ? tcp_next_timer(s->engine) : UINT64_MAX;

	return at_us == UINT64_MAX ? UINT64_MAX : at_us - s->clock_us;
}

uint64_t
pair_next_us(const struct pair *p)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		const struct pair_side *s = &p->side[i];
		uint64_t timer = next_timer(s), arrival = link_next_us(&s->link);

		if (p->poll_us > 0 && arrival != UINT64_MAX)
			arrival = (arrival + p->poll_us - 1) / p->poll_us * p->poll_us;
		next = RTE_MIN(next, RTE_MIN(timer, arrival));
	}
	for (unsigned int i = 0; i < p->n_icmp; i++)
		next = RTE_MIN(next, p->icmp[i].at_us);
	return next;
}

void
pair_icmp(struct pair *p, unsigned int side, uint64_t at_us, const struct tcp_icmp *icmp)
{
	if (p->n_icmp < PAIR_ICMP_PENDING)
		p->icmp[p->n_icmp++] = (struct pair_icmp){at_us, side, *icmp};
}

static void
deliver_icmp(struct pair *p, unsigned int side)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < p->n_icmp; i++) {
		if (p->icmp[i].side != side || p->icmp[i].at_us > p->now_us) {
			p->icmp[kept++] = p->icmp[i];
			continue;
		}
		if (p->side[side].engine == NULL)
			continue;
		if (p->on_icmp != NULL)
			p->on_icmp(p->ctx, side, &p->icmp[i].icmp);
		tcp_icmp_input(p->side[side].engine, &p->icmp[i].icmp);
	}
	p->n_icmp = kept;
}

static void
run_side(struct pair_side *s)
{
	struct pair *p = s->pair;
	uint64_t now_us = p->now_us + s->clock_us;
	unsigned int n = s->n_inbox;

	s->n_inbox = 0;
	s->received += n;
	for (unsigned int at = 0; at < n; at += p->burst)
		tcp_input(s->engine, now_us, s->inbox + at, RTE_MIN(p->burst, n - at));
	if (s->engine != NULL)
		tcp_advance(s->engine, now_us);
	deliver_icmp(p, index_of(s));
	if (p->users != NULL)
		p->users(p->ctx, index_of(s));
	if (s->engine != NULL)
		tcp_flush(s->engine);
}

void
pair_step(struct pair *p, uint64_t time_us)
{
	uint64_t before = p->side[0].transmitted + p->side[1].transmitted + p->side[0].received +
			  p->side[1].received;

	p->now_us = RTE_MAX(time_us, p->now_us);
	link_run(&p->side[0].link, p->now_us);
	link_run(&p->side[1].link, p->now_us);
	run_side(&p->side[0]);
	run_side(&p->side[1]);
	p->steps++;
	if (before == p->side[0].transmitted + p->side[1].transmitted + p->side[0].received +
			      p->side[1].received)
		p->idle_steps++;
}

void
pair_run_until(struct pair *p, uint64_t time_us)
{
	uint64_t next;

	while ((next = pair_next_us(p)) <= time_us)
		pair_step(p, next);
	pair_step(p, time_us);
}

/* ---- The end */

bool
pair_is_idle(const struct pair_side *s)
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

bool
pair_end(struct pair *p)
{
	bool good = true;

	for (int i = 0; i < 2; i++) {
		struct pair_side *s = &p->side[i];

		link_clear(&s->link);
		rte_pktmbuf_free_bulk(s->inbox, s->n_inbox);
		good &= pair_is_idle(s);
		tcp_engine_destroy(s->engine);
	}
	for (int i = 0; i < 2; i++)
		good &= pair_pools_are_full(p->pools_of[i]);
	if (p->pools.rx != NULL)
		pair_pools_free(&p->pools);
	return good;
}
