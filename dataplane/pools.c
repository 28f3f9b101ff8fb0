/* SPDX-License-Identifier: BSD-3-Clause */
/* The sizes of a lane's pools; see pools.h for what each is for. */
#include <string.h>

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "dataplane/log.h"
#include "dataplane/pools.h"
#include "dataplane/service.h"

enum {
	CACHE_OBJECTS = 256,
	ROOM_BYTES = 2048,       /* of rx and data mbufs, behind the headroom, if the MTU fits in */
	HEADER_ROOM_BYTES = 512, /* headers take up to 118; the rest takes small payload along */
	RX_RESERVE = 2048,       /* rx mbufs beyond what queues and rings hold */
	RX_LENT = 1024,          /* rx mbufs beyond those, for other lanes to hold */
	HEADER_OBJECTS = 8192,   /* header mbufs beyond what rings hold: neighbours' queues */
	NEWS_OBJECTS = 1024,
	LINK_BYTES = RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN,

	/* Rough, and rather too much. */
	SOCKET_BYTES = 64, /* of the gateway's, for each connection */
	NEIGHBOUR_BYTES = 512,
	OTHER_BYTES = 24 << 20, /* EAL's and devices' own, files to serve */
};

static const char *const names[POOL_KINDS] = {"rx", "header", "data", "ref", "news"};

struct pool_plan {
	uint32_t objects;
	uint32_t room_bytes; /* of an mbuf, headroom included */
};

const char *
pool_name(enum pool_kind kind)
{
	return names[kind];
}

static uint32_t
larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void
make_plans(const struct config *config, uint16_t max_mtu, struct pool_plan plan[POOL_KINDS])
{
	uint32_t rx_desc = 0, tx_desc = 0;
	uint32_t room = RTE_PKTMBUF_HEADROOM + larger(ROOM_BYTES, max_mtu + LINK_BYTES);

	for (unsigned int i = 0; i < config->n_ports; i++) {
		rx_desc += config->ports[i].rx_desc;
		tx_desc += config->ports[i].tx_desc;
	}
	plan[POOL_RX] = (struct pool_plan){config->buffers + rx_desc + RX_RESERVE, room};
	if (config->lanes > 1) /* each lcore that frees some keeps some */
		plan[POOL_RX].objects += RX_LENT + (config->lanes - 1) * CACHE_OBJECTS * 3 / 2;
	plan[POOL_HEADER] = (struct pool_plan){HEADER_OBJECTS + tx_desc,
					       RTE_PKTMBUF_HEADROOM + HEADER_ROOM_BYTES};
	plan[POOL_DATA] = (struct pool_plan){larger(config->buffers / 2, 2048), room};
	plan[POOL_REF] = (struct pool_plan){larger(config->buffers, 4096) + tx_desc, 0};
	plan[POOL_NEWS] = (struct pool_plan){NEWS_OBJECTS, 0};
}

uint32_t
pools_lend_above(const struct config *config)
{
	return config->buffers + RX_RESERVE;
}

static uint64_t
pool_bytes(uint64_t objects, uint64_t object_bytes, uint64_t page_bytes)
{
	uint64_t a_page = page_bytes / object_bytes;

	if (a_page == 0)
		return objects * RTE_ALIGN_CEIL(object_bytes, page_bytes);
	return (objects + a_page - 1) / a_page * page_bytes;
}

uint64_t
lane_memory_bytes(const struct config *config, size_t news_bytes, uint64_t page_bytes)
{
	struct pool_plan plan[POOL_KINDS];
	struct tcp_config tcp = {0};
	uint64_t bytes = OTHER_BYTES;
	uint16_t max_mtu = 0;

	for (unsigned int i = 0; i < config->n_ports; i++)
		max_mtu = (uint16_t)larger(max_mtu, config->ports[i].mtu);
	make_plans(config, max_mtu, plan);
	for (unsigned int k = 0; k < POOL_KINDS; k++) {
		uint32_t object = k == POOL_NEWS
					  ? (uint32_t)news_bytes
					  : (uint32_t)sizeof(struct rte_mbuf) + plan[k].room_bytes;

		bytes += pool_bytes(plan[k].objects, rte_mempool_calc_obj_size(object, 0, NULL),
				    page_bytes);
		bytes += plan[k].objects * sizeof(void *); /* in the pool's ring */
	}
	pools_take_limits(&tcp, config);
	bytes += tcp_engine_bytes(&tcp);
	bytes += (uint64_t)config->connections * (SOCKET_BYTES + service_conn_bytes(config));
	bytes += (uint64_t)config->neighbours * NEIGHBOUR_BYTES;
	return bytes;
}

void
pools_take_limits(struct tcp_config *tcp, const struct config *config)
{
	tcp->max_conns = config->connections;
	tcp->max_requests = config->requests;
	tcp->max_timewait = config->timewait;
	tcp->max_mutes = config->mutes;
	tcp->max_unfolded = config->unfolded;
	tcp->fold_after_ms = config->fold_after_s * 1000;
	tcp->max_held_bufs = config->buffers;
}

int
pools_create(struct lane_pools *pools, const struct config *config, unsigned int lane,
	     int socket_id, uint16_t max_mtu, size_t news_bytes)
{
	struct pool_plan plan[POOL_KINDS];
	char name[RTE_MEMPOOL_NAMESIZE];

	memset(pools, 0, sizeof(*pools));
	make_plans(config, max_mtu, plan);
	for (unsigned int k = 0; k < POOL_KINDS; k++) {
		snprintf(name, sizeof(name), "%s%u", names[k], lane);
		if (k == POOL_NEWS)
			pools->pool[k] =
				rte_mempool_create(name, plan[k].objects, (unsigned int)news_bytes,
						   32, 0, NULL, NULL, NULL, NULL, socket_id, 0);
		else
			pools->pool[k] =
				rte_pktmbuf_pool_create(name, plan[k].objects, CACHE_OBJECTS, 0,
							(uint16_t)plan[k].room_bytes, socket_id);
		if (pools->pool[k] == NULL) {
			log_line("no memory for the %u buffers of lane %u's pool \"%s\" (%s); "
				 "lower [limits] buffers, or reserve more huge pages",
				 plan[k].objects, lane, names[k], rte_strerror(rte_errno));
			return -1;
		}
	}
	return 0;
}

void
pools_free(struct lane_pools *pools)
{
	for (unsigned int k = 0; k < POOL_KINDS; k++)
		rte_mempool_free(pools->pool[k]);
	memset(pools, 0, sizeof(*pools));
}

void
pool_count(const struct rte_mempool *pool, struct pool_count *count)
{
	uint32_t cached = 0;

	for (unsigned int i = 0; pool->cache_size != 0 && i < RTE_MAX_LCORE; i++)
		cached += __atomic_load_n(&pool->local_cache[i].len, __ATOMIC_RELAXED);
	count->size = pool->size;
	count->available = rte_mempool_avail_count(pool);
	count->cached = cached;
}

unsigned int
pools_check(const struct lane_pools *pools, unsigned int lane, unsigned int kept)
{
	struct pool_count count;
	unsigned int missing = 0;

	for (unsigned int k = 0; k < POOL_KINDS; k++) {
		if (pools->pool[k] == NULL)
			continue;
		pool_count(pools->pool[k], &count);
		if (count.available + (k == POOL_NEWS ? 0 : kept) >= count.size)
			continue;
		missing++;
		log_line("lane %u: %u of the %u buffers of pool \"%s\" did not come back", lane,
			 count.size - count.available, count.size, names[k]);
	}
	return missing;
}
