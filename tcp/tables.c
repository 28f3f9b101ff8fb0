/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's tables: how many objects of each kind its limits allow for, and their memory. All of
 * it is asked for at start; of slabs, what is never used is never touched.
 */
#include <rte_common.h>

#include "engine.h"

enum { TABLES = 7 }; /* of one kind of object each; others are made by who has them */

struct table {
	size_t slab; /* its place in struct tcp_engine */
	size_t size; /* bytes of an object */
	uint32_t n;
};

/* Connections that are not folded. */
static uint32_t
places_of(const struct tcp_config *c)
{
	if (c->fold_after_ms == 0 || c->max_unfolded == 0)
		return c->max_conns;
	return RTE_MIN(c->max_unfolded, c->max_conns);
}

static void
list_tables(const struct tcp_config *c, struct table tables[TABLES])
{
	uint32_t places = places_of(c);
	const struct table list[TABLES] = {
		{offsetof(struct tcp_engine, conns), sizeof(struct tcp_conn), places},
		{offsetof(struct tcp_engine, requests), sizeof(struct tcp_request),
		 c->max_requests},
		{offsetof(struct tcp_engine, timewaits), sizeof(struct tcp_timewait),
		 c->max_timewait},
		{offsetof(struct tcp_engine, bounds), sizeof(struct tcp_bound), places},
		{offsetof(struct tcp_engine, holds), sizeof(struct tcp_hold),
		 c->max_conns + c->max_timewait + c->max_mutes + 1},
		/* One for each segment in flight: enough for all send buffers of a busy lane. */
		{offsetof(struct tcp_engine, sents), sizeof(struct tcp_sent), places * 2 + 65536},
		{offsetof(struct tcp_engine, ranges), sizeof(struct tcp_range), places / 4 + 4096},
	};

	memcpy(tables, list, sizeof(list));
}

static uint32_t
flows_of(const struct tcp_config *c)
{
	return c->max_conns + c->max_requests + c->max_timewait + c->max_mutes;
}

bool
tcp_tables_make(struct tcp_engine *e)
{
	const struct tcp_config *c = &e->config;
	struct table tables[TABLES];

	list_tables(c, tables);
	for (unsigned int i = 0; i < TABLES; i++) {
		struct slab *s = (struct slab *)((uint8_t *)e + tables[i].slab);
		void *base = e->env.alloc(e->env.ctx, tables[i].size * tables[i].n, 64);

		if (base == NULL)
			return false;
		slab_init(s, base, (uint32_t)tables[i].size, tables[i].n);
	}
	e->pmtus = e->env.alloc(e->env.ctx, tcp_pmtu_bytes(), 64);
	return e->pmtus != NULL && fastopen_cache_make(e) && tcp_mute_make(e) && tcp_fold_make(e) &&
	       flow_table_init(&e->flows, c->name, flows_of(c), c->socket_id) == 0;
}

void
tcp_tables_free(struct tcp_engine *e)
{
	struct table tables[TABLES];

	flow_table_free(&e->flows);
	tcp_fold_free(e);
	list_tables(&e->config, tables);
	for (unsigned int i = 0; i < TABLES; i++)
		e->env.free(e->env.ctx, ((struct slab *)((uint8_t *)e + tables[i].slab))->base);
	e->env.free(e->env.ctx, e->pmtus);
	e->env.free(e->env.ctx, e->fastopen_cache.nodes.base);
	e->env.free(e->env.ctx, e->mutes.slab.base);
}

uint64_t
tcp_engine_bytes(const struct tcp_config *c)
{
	struct table tables[TABLES];
	uint64_t bytes = sizeof(struct tcp_engine) + tcp_pmtu_bytes() +
			 sizeof(struct fastopen_node) * FASTOPEN_ENTRIES +
			 (uint64_t)c->max_mutes * sizeof(struct tcp_mute) +
			 flow_table_bytes(flows_of(c));

	list_tables(c, tables);
	for (unsigned int i = 0; i < TABLES; i++)
		bytes += (uint64_t)tables[i].n * tables[i].size;
	if (c->fold_after_ms != 0)
		bytes += tcp_fold_bytes(c->max_conns);
	return bytes + bytes / 64; /* what the allocator takes for itself */
}
