/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet buffers of a lane: how many of which kind, and whether all have come back.
 *
 *     rx      what devices receive into, and what receive queues hold: [limits] buffers, and beyond
 *             them what the devices' rings hold and a reserve, so that ACKs always find one; ARP,
 *             ND and ICMP are written into these, too. With several lanes there are some more that
 *             the others may hold; when they do they copy what this one hands over
 *     header  headers and small segments on their way out
 *     data    bytes that tcp_send() copied, until they are acknowledged
 *     ref     mbufs without room, to refer to what lies elsewhere
 *     news    messages to other lanes (no mbufs)
 */
#ifndef TERN_DATAPLANE_POOLS_H
#define TERN_DATAPLANE_POOLS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "dataplane/config.h"
#include "tcp/tcp.h"

enum pool_kind {
	POOL_RX,
	POOL_HEADER,
	POOL_DATA,
	POOL_REF,
	POOL_NEWS,
	POOL_KINDS,
};

/* What of a lane's rx pool must be free for another lane to hold a buffer of it. */
uint32_t pools_lend_above(const struct config *config);

const char *pool_name(enum pool_kind kind);

struct lane_pools {
	struct rte_mempool *pool[POOL_KINDS];
};

/*
 * Bytes that one lane takes, its engine's tables included, in pages of the given size: mbufs do not
 * lie across two, so that small pages waste much. Works before EAL starts.
 */
uint64_t lane_memory_bytes(const struct config *config, size_t news_bytes, uint64_t page_bytes);

/* What of [limits] is the engine's. */
void pools_take_limits(struct tcp_config *tcp, const struct config *config);

/*
 * Makes the pools of a lane; max_mtu is the largest of its ports'. Returns 0, or -1 after telling
 * why not; pools_free() in either case.
 */
int pools_create(struct lane_pools *pools, const struct config *config, unsigned int lane,
		 int socket_id, uint16_t max_mtu, size_t news_bytes);
void pools_free(struct lane_pools *pools);

/* What is in a pool, the caches of all lcores included. */
struct pool_count {
	uint32_t size;
	uint32_t available;
	uint32_t cached; /* of those available, in the caches of lcores */
};

void pool_count(const struct rte_mempool *pool, struct pool_count *count);

/*
 * With everything stopped and closed: tells of each pool of which more than kept are missing, which
 * drivers may have kept. Returns their number.
 */
unsigned int pools_check(const struct lane_pools *pools, unsigned int lane, unsigned int kept);

#endif
