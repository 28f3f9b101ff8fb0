/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/tables.c: what an engine's tables take is known before there is an engine. */
#include <errno.h>

#include <rte_malloc.h>

#include "unit.h"

#include "tcp/tcp.h"

static void
nothing_leaves(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	(void)ctx;
	rte_pktmbuf_free_bulk(packets, n);
}

static void
fill(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	memset(buf, 1, bytes);
}

static void *
table_alloc(void *ctx, size_t bytes, size_t align)
{
	(void)ctx;
	return rte_zmalloc(NULL, bytes, (unsigned int)align);
}

static void
table_free(void *ctx, void *memory)
{
	(void)ctx;
	rte_free(memory);
}

static size_t
heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	rte_malloc_get_socket_stats(0, &stats);
	return stats.heap_allocsz_bytes;
}

static int
create(struct tcp_config *config, struct tcp_engine **e)
{
	static struct rte_mempool *pool;
	const struct tcp_env env = {
		.transmit = nothing_leaves,
		.random = fill,
		.alloc = table_alloc,
		.free = table_free,
	};

	if (pool == NULL)
		pool = rte_pktmbuf_pool_create("tables", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					       SOCKET_ID_ANY);
	config->name = "tables";
	config->header_pool = config->data_pool = config->ref_pool = pool;
	return tcp_engine_create(config, &env, e);
}

/* Neither less than it takes, nor so much that it would be asked for in vain. */
UNIT_CASE(memory_is_known_beforehand)
{
	static const uint32_t conns[] = {1, 1000, 30000, 33000, 100000};

	for (unsigned int i = 0; i < RTE_DIM(conns); i++) {
		struct tcp_config config;
		struct tcp_engine *e;
		size_t before, took;

		tcp_config_defaults(&config);
		config.max_conns = 1;
		CU_ASSERT_FATAL(create(&config, &e) == 0); /* and the pool, once */
		tcp_engine_destroy(e);
		before = heap_bytes();
		config.max_conns = conns[i];
		CU_ASSERT_FATAL(create(&config, &e) == 0);
		took = heap_bytes() - before;
		CU_ASSERT(took <= tcp_engine_bytes(&config));
		CU_ASSERT(took >= tcp_engine_bytes(&config) * 3 / 4);
		tcp_engine_destroy(e);
		UNIT_EQ(heap_bytes(), before);
	}
}

/* Whatever of the tables there is no memory for. */
UNIT_CASE(too_much_is_refused)
{
	struct tcp_config config;
	struct tcp_engine *e;
	size_t before = heap_bytes(); /* after the case above */

	tcp_config_defaults(&config);
	for (config.max_conns = 100000; config.max_conns < 3000000; config.max_conns *= 2)
		if (create(&config, &e) == 0)
			tcp_engine_destroy(e);
	CU_ASSERT(create(&config, &e) == -ENOMEM);
	UNIT_EQ(heap_bytes(), before);
}

UNIT_MAIN_EAL(UNIT_RUN(memory_is_known_beforehand), UNIT_RUN(too_much_is_refused))
