/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/pools.c: what was planned is there, what is gone is noticed. */
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "unit.h"

#include "dataplane/pools.h"

enum { NEWS_BYTES = 96 };

static struct config
small_config(uint32_t buffers, uint16_t mtu)
{
	struct config config = {.n_ports = 1, .buffers = buffers, .neighbours = 8};

	config.ports[0] = (struct config_port){.mtu = mtu, .rx_desc = 64, .tx_desc = 128};
	return config;
}

UNIT_CASE(pools_have_their_sizes)
{
	struct config config = small_config(4096, 0);
	struct lane_pools pools;
	struct pool_count count;

	UNIT_EQ(pools_create(&pools, &config, 3, SOCKET_ID_ANY, 1500, NEWS_BYTES), 0);
	for (unsigned int k = 0; k < POOL_KINDS; k++) {
		pool_count(pools.pool[k], &count);
		UNIT_EQ(count.available, count.size);
		UNIT_EQ(count.cached, 0);
	}
	pool_count(pools.pool[POOL_RX], &count);
	CU_ASSERT(count.size >= 4096 + 64); /* queues may hold 4096, and rings stay filled */
	CU_ASSERT(rte_pktmbuf_data_room_size(pools.pool[POOL_RX]) >= RTE_PKTMBUF_HEADROOM + 2048);
	CU_ASSERT(rte_pktmbuf_data_room_size(pools.pool[POOL_HEADER]) >=
		  RTE_PKTMBUF_HEADROOM + 14 + 40 + 60);
	UNIT_EQ(rte_pktmbuf_data_room_size(pools.pool[POOL_REF]), 0);
	CU_ASSERT_STRING_EQUAL(pools.pool[POOL_DATA]->name, "data3");
	UNIT_EQ(pools_check(&pools, 3, 0), 0);
	pools_free(&pools);
	CU_ASSERT_PTR_NULL(rte_mempool_lookup("data3"));
}

UNIT_CASE(large_packets_fit_in_one_mbuf)
{
	struct config config = small_config(1024, 0);
	struct lane_pools pools;

	UNIT_EQ(pools_create(&pools, &config, 0, SOCKET_ID_ANY, 9000, NEWS_BYTES), 0);
	CU_ASSERT(rte_pktmbuf_data_room_size(pools.pool[POOL_RX]) >=
		  RTE_PKTMBUF_HEADROOM + 9000 + 22);
	pools_free(&pools);
}

UNIT_CASE(what_does_not_come_back_is_noticed)
{
	struct config config = small_config(1024, 0);
	struct lane_pools pools;
	struct rte_mbuf *first, *second;
	struct pool_count count;

	UNIT_EQ(pools_create(&pools, &config, 0, SOCKET_ID_ANY, 1500, NEWS_BYTES), 0);
	first = rte_pktmbuf_alloc(pools.pool[POOL_DATA]);
	second = rte_pktmbuf_alloc(pools.pool[POOL_RX]);
	pool_count(pools.pool[POOL_DATA], &count);
	UNIT_EQ(count.size - count.available, 1);
	CU_ASSERT(count.cached > 0); /* the allocation filled this lcore's cache */
	UNIT_EQ(pools_check(&pools, 0, 0), 2);
	UNIT_EQ(pools_check(&pools, 0, 1), 0); /* what a driver may keep */
	rte_pktmbuf_free(first);
	UNIT_EQ(pools_check(&pools, 0, 0), 1);
	rte_pktmbuf_free(second);
	UNIT_EQ(pools_check(&pools, 0, 0), 0);
	pools_free(&pools);
}

/* The estimate, made before there is an EAL, must not be below what the pools really take. */
UNIT_CASE(the_estimate_suffices)
{
	struct config config = small_config(16384, 0);
	struct rte_malloc_socket_stats before, after;
	struct lane_pools pools;

	rte_malloc_get_socket_stats(0, &before);
	UNIT_EQ(pools_create(&pools, &config, 0, SOCKET_ID_ANY, 1500, NEWS_BYTES), 0);
	rte_malloc_get_socket_stats(0, &after);
	CU_ASSERT(after.heap_allocsz_bytes - before.heap_allocsz_bytes <=
		  lane_memory_bytes(&config, NEWS_BYTES, 4096));
	pools_free(&pools);
}

UNIT_CASE(no_memory_is_an_error)
{
	struct config config = small_config(16 << 20, 0);
	struct lane_pools pools;

	UNIT_EQ(pools_create(&pools, &config, 0, SOCKET_ID_ANY, 1500, NEWS_BYTES), -1);
	pools_free(&pools);
	CU_ASSERT_PTR_NULL(rte_mempool_lookup("rx0"));
	pools_free(&pools); /* an empty one is fine */
}

UNIT_MAIN_EAL(UNIT_RUN(pools_have_their_sizes), UNIT_RUN(large_packets_fit_in_one_mbuf),
	      UNIT_RUN(what_does_not_come_back_is_noticed), UNIT_RUN(the_estimate_suffices),
	      UNIT_RUN(no_memory_is_an_error))
