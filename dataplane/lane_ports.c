/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which lane has a local port, and packets that came to another one.
 *
 * A device spreads packets over lanes by its hash, and knows nothing of sockets. Services listen on
 * every lane. A program's socket is on one lane: that of the others which gets a packet for it
 * finds neither connection nor listener, looks the port up in a table that all share, and hands the
 * packet over.
 *
 *     lane 1: tcp_input ─ no flow, no listener ─ stray ─ port_lanes[port] ─▶ inbox of lane 0
 *     lane 0: inbox ─ copy ─ tcp_input
 *
 * The table has a byte for each port: 0, or the lane's index + 1. Its writer is the lane itself,
 * which hears from its engine of the first holder of a port and of the last, TIME-WAIT included.
 * The byte is relaxed: a packet that is older than it is answered with a reset, as one that came a
 * moment earlier.
 *
 * Invariants: a packet is handed over once at most; nothing stays collected when tcp_input() has
 * returned; packets are copied into the taker's own buffers, so that no lane's queues hold what
 * another lane's device needs.
 */
#include "dataplane/lane_impl.h"

void
lane_port_in_use(void *ctx, uint16_t port, bool in_use)
{
	struct lane *lane = ctx;

	__atomic_store_n(&lane->port_lanes[port], in_use ? (uint8_t)(lane->index + 1) : 0,
			 __ATOMIC_RELAXED);
}

static void
drop(struct lane *lane, const struct lane_packets *packets)
{
	LANE_COUNT_N(lane, drop_handed_out, packets->n);
	lane_drop_packets(packets);
}

static void
post(struct lane *lane, unsigned int to)
{
	struct lane_news *news = lane->handing[to];
	unsigned int n = news->packets.n; /* once it is posted it is another's */

	lane->handing[to] = NULL;
	lane->handing_to &= ~(UINT64_C(1) << to);
	if (rte_ring_enqueue(lane->lanes[to]->inbox, news) < 0) {
		drop(lane, &news->packets);
		rte_mempool_put(news->pool, news);
		return;
	}
	LANE_COUNT(lane, messages_out);
	LANE_COUNT_N(lane, handed_out, n);
	lane_ring(lane->lanes[to]);
}

/* The message that collects for a lane; NULL without memory. */
static struct lane_news *
message_for(struct lane *lane, unsigned int to)
{
	struct rte_mempool *pool = lane->pools.pool[POOL_NEWS];
	void *news;

	if (lane->handing[to] != NULL)
		return lane->handing[to];
	if (rte_mempool_get(pool, &news) < 0)
		return NULL;
	lane->handing[to] = news;
	lane->handing[to]->kind = NEWS_PACKETS;
	lane->handing[to]->pool = pool;
	lane->handing[to]->packets.n = 0;
	lane->handing_to |= UINT64_C(1) << to;
	return news;
}

bool
lane_hand_over(void *ctx, struct rte_mbuf *packet, uint16_t port)
{
	struct lane *lane = ctx;
	unsigned int owner = __atomic_load_n(&lane->port_lanes[port], __ATOMIC_RELAXED);
	struct lane_packets alone = {1, {packet}};
	struct lane_news *news;

	if (owner == 0 || owner - 1 == lane->index || lane->taking)
		return false;
	owner--;
	news = message_for(lane, owner);
	if (news == NULL) {
		drop(lane, &alone);
		return true;
	}
	news->packets.packet[news->packets.n++] = packet;
	if (news->packets.n == LANE_HAND_BURST)
		post(lane, owner);
	return true;
}

void
lane_hand_flush(struct lane *lane)
{
	while (lane->handing_to != 0)
		post(lane, rte_bsf64(lane->handing_to));
}

void
lane_take_packets(struct lane *lane, const struct lane_packets *packets)
{
	struct rte_mbuf *own[LANE_HAND_BURST];
	unsigned int n = 0;

	for (unsigned int i = 0; i < packets->n; i++) {
		own[n] = rte_pktmbuf_copy(packets->packet[i], lane->pools.pool[POOL_RX], 0,
					  UINT32_MAX);
		if (own[n] != NULL)
			n++;
		else
			LANE_COUNT(lane, drop_handed_in);
	}
	lane_drop_packets(packets);
	LANE_COUNT_N(lane, handed_in, n);
	lane->taking = true;
	tcp_input(lane->tcp, lane->now_us, own, n);
	lane->taking = false;
}

void
lane_drop_packets(const struct lane_packets *packets)
{
	for (unsigned int i = 0; i < packets->n; i++)
		rte_pktmbuf_free(packets->packet[i]);
}
