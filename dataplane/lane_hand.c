/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets and frames that cross lanes, by rings of mbufs, in bursts.
 *
 *     in    lane 0: device ─ IP layer ─ steer ─ hands[1] ─▶ ring of lane 1
 *           lane 1: ring ─ tcp_input
 *     out   lane 1: frames ─▶ ring of the device's queue (port.h)
 *           lane 0: ring ─ its own frames ─ rte_eth_tx_burst
 *
 * A device that does not spread packets by a hash that we know, or has fewer queues than lanes,
 * brings packets to lanes that do not own them: what passed the IP layer there goes on to the owner
 * (lane_steer.c). One that has fewer transmit queues is sent by through a lane that has one.
 *
 * Buffers go along without a copy, and may stay in the owner's receive queues. They are the
 * receiving lane's, which must always find some: when its pool has no more free than that lane and
 * its reserve may come to need, what it hands over is copied.
 *
 * Invariants: nothing stays collected when tcp_input() has returned; what finds no room is dropped,
 * and counted; no lane waits for another. A packet that was handed over goes on only to the lane
 * that has its port (lane_ports.c).
 */
#include <rte_malloc.h>

#include "dataplane/lane_impl.h"
#include "dataplane/log.h"
#include "dataplane/net_wire.h"

int
lane_hand_open(struct lane *lane, unsigned int n_lanes)
{
	char name[RTE_RING_NAMESIZE];

	if (n_lanes == 1)
		return 0;
	snprintf(name, sizeof(name), "handed%u", lane->index);
	lane->handed = rte_ring_create(name, LANE_HANDED, lane->socket_id,
				       RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	lane->hands = rte_zmalloc_socket("hands", n_lanes * sizeof(*lane->hands),
					 RTE_CACHE_LINE_SIZE, lane->socket_id);
	return lane->handed == NULL || lane->hands == NULL ? -1 : 0;
}

void
lane_hand_close(struct lane *lane)
{
	rte_ring_free(lane->handed);
	rte_free(lane->hands);
	lane->handed = NULL;
	lane->hands = NULL;
}

bool
lane_hand_is_empty(const struct lane *lane)
{
	for (unsigned int i = 0; i < lane->n_ports; i++) {
		const struct lane_port *port = &lane->ports[i];

		if (port->carries && !rte_ring_empty(port->device->tx_rings[port->queue]))
			return false;
	}
	return lane->handed == NULL || rte_ring_empty(lane->handed);
}

/* ---- Packets out */

static void
post(struct lane *lane, unsigned int to)
{
	struct lane_hand *hand = &lane->hands[to];
	unsigned int n = rte_ring_enqueue_burst(hand->ring, (void **)hand->packet, hand->n, NULL);

	LANE_COUNT_N(lane, handed_out, n);
	if (unlikely(n < hand->n)) {
		LANE_COUNT_N(lane, drop_handed_out, hand->n - n);
		rte_pktmbuf_free_bulk(hand->packet + n, hand->n - n);
	}
	hand->n = 0;
	lane->handing_to &= ~(UINT64_C(1) << to);
	lane_ring(lane->lanes[to]);
}

void
lane_hand_meet(struct lane *lane)
{
	for (unsigned int i = 0; i < lane->n_lanes && lane->hands != NULL; i++)
		lane->hands[i].ring = lane->lanes[i]->handed;
}

void
lane_hand_over(struct lane *lane, unsigned int to, struct rte_mbuf *packet)
{
	struct lane_hand *hand = &lane->hands[to];

	hand->packet[hand->n++] = packet;
	lane->handing_to |= UINT64_C(1) << to;
	if (hand->n == LANE_RX_BURST)
		post(lane, to);
}

void
lane_hand_flush(struct lane *lane)
{
	while (lane->handing_to != 0)
		post(lane, rte_bsf64(lane->handing_to));
}

/* The tuple of a packet that passed the IP layer; false if TCP's ports are not there. */
static bool
read_tuple(const struct rte_mbuf *packet, struct tcp_tuple *tuple)
{
	const uint8_t *ip = rte_pktmbuf_mtod(packet, const uint8_t *);
	uint16_t l3_len = packet->l3_len;

	if (unlikely(rte_pktmbuf_data_len(packet) < l3_len + 2 * sizeof(be16_t)))
		return false;
	if (RTE_ETH_IS_IPV4_HDR(packet->packet_type)) {
		const struct ip4_header *ip4 = (const void *)ip;

		tuple->local = ip_from4(ip4->dst);
		tuple->remote = ip_from4(ip4->src);
	} else {
		const struct ip6_header *ip6 = (const void *)ip;

		tuple->local = ip_from6(ip6->dst);
		tuple->remote = ip_from6(ip6->src);
	}
	memcpy(&tuple->rport, ip + l3_len, sizeof(tuple->rport));
	memcpy(&tuple->lport, ip + l3_len + sizeof(be16_t), sizeof(tuple->lport));
	return true;
}

unsigned int
lane_hand_steer(struct lane *lane, struct rte_mbuf **packets, unsigned int n)
{
	struct tcp_tuple tuple;
	unsigned int kept = 0, to;

	for (unsigned int i = 0; i < n; i++) {
		to = read_tuple(packets[i], &tuple) ? lane_owner(lane, &tuple) : lane->index;
		if (to == lane->index)
			packets[kept++] = packets[i];
		else
			lane_hand_over(lane, to, packets[i]);
	}
	lane_hand_flush(lane);
	return kept;
}

/* ---- Packets in */

/* Whether we may hold buffers of another lane's pool. What lcores have in their caches does not
 * count. */
static bool
may_hold(const struct lane *lane, const struct rte_mempool *pool)
{
	return pool == lane->pools.pool[POOL_RX] ||
	       rte_mempool_get_ops(pool->ops_index)->get_count(pool) > lane->lend_above;
}

unsigned int
lane_hand_take(struct lane *lane)
{
	struct rte_mbuf *packets[LANE_RX_BURST];
	struct rte_mempool *pool = NULL;
	bool hold = true;
	unsigned int n, kept = 0;

	n = rte_ring_dequeue_burst(lane->handed, (void **)packets, LANE_RX_BURST, NULL);
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *packet = packets[i];

		if (packet->pool != pool) {
			pool = packet->pool;
			hold = may_hold(lane, pool);
		}
		if (unlikely(!hold)) {
			packets[kept] =
				rte_pktmbuf_copy(packet, lane->pools.pool[POOL_RX], 0, UINT32_MAX);
			rte_pktmbuf_free(packet);
			if (packets[kept] == NULL) {
				LANE_COUNT(lane, drop_handed_in);
				continue;
			}
			LANE_COUNT(lane, handed_copied);
		} else {
			packets[kept] = packet;
		}
		rte_prefetch0(rte_pktmbuf_mtod(packets[kept], void *));
		kept++;
	}
	LANE_COUNT_N(lane, handed_in, kept);
	lane->taking = true;
	lane_input(lane, packets, kept);
	lane->taking = false;
	lane_hand_flush(lane);
	return n;
}

/* ---- Frames */

unsigned int
lane_hand_frames(struct lane *lane, struct lane_port *port)
{
	unsigned int n = rte_ring_enqueue_burst(port->device->tx_rings[port->queue],
						(void **)port->tx, port->n_tx, NULL);

	LANE_COUNT_N(lane, frames_handed_out, n);
	if (n > 0)
		lane_ring(port->carrier);
	return n;
}

unsigned int
lane_hand_take_frames(struct lane_port *port, struct lane *lane)
{
	unsigned int n = rte_ring_dequeue_burst(port->device->tx_rings[port->queue],
						(void **)(port->tx + port->n_tx),
						LANE_TX_FRAMES - port->n_tx, NULL);

	port->n_tx += n;
	LANE_COUNT_N(lane, frames_handed_in, n);
	return n;
}
