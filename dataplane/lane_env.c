/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's surroundings: what the engine and the IP layer ask for, and the way out.
 *
 *     engine -> transmit -> net_output -> send -> ports[i].tx -> rte_eth_tx_burst
 *
 * Frames that a device does not take wait for the next iteration, in order; when LANE_TX_FRAMES
 * wait, what comes on top is dropped.
 */
#include <string.h>
#include <sys/random.h>

#include <rte_malloc.h>

#include "dataplane/cut.h"
#include "dataplane/lane_impl.h"

enum {
	/* While nothing is sent: a look by a driver that keeps what it sent, and how long. */
	REAP_EACH_US = 1000,
	REAP_US = 1000000,
};

/* ---- Transmission */

/* Has the driver look at frames that use its offloads; drops those that it cannot send. */
static void
prepare(struct lane *lane, struct lane_port *port)
{
	unsigned int done = 0;

	while (done < port->n_tx) {
		done += rte_eth_tx_prepare(port->device->id, port->queue, port->tx + done,
					   (uint16_t)(port->n_tx - done));
		if (done == port->n_tx)
			return;
		LANE_COUNT(lane, drop_tx_prepare);
		rte_pktmbuf_free(port->tx[done]);
		port->n_tx--;
		memmove(port->tx + done, port->tx + done + 1,
			(port->n_tx - done) * sizeof(port->tx[0]));
	}
}

static unsigned int
send_frames(struct lane *lane, struct lane_port *port)
{
	unsigned int sent = 0, n;

	if (port->device->prepare)
		prepare(lane, port);
	if (port->device->ring.done != NULL)
		port_ring_reap(&port->device->ring);
	while (sent < port->n_tx) {
		uint16_t given = (uint16_t)RTE_MIN(port->n_tx - sent, (unsigned int)LANE_TX_BURST);

		if (unlikely(port->device->tx_most != 0))
			given = (uint16_t)RTE_MIN(given, port->device->tx_most);
		n = rte_eth_tx_burst(port->device->id, port->queue, port->tx + sent, given);
		if (n == 0 || unlikely(n > given)) /* memif's -1: its peer goes */
			break;
		sent += n;
	}
	if (unlikely(port->device->keeps_sent) && sent != 0) {
		port->reap_us = lane->now_us + REAP_EACH_US;
		port->reap_end_us = lane->now_us + REAP_US;
	}
	LANE_COUNT_N(lane, frames_out, sent);
	return sent;
}

void
lane_port_reap(const struct lane *lane, struct lane_port *port)
{
	if (lane->now_us < port->reap_us || port->reap_us >= port->reap_end_us)
		return;
	rte_eth_tx_burst(port->device->id, port->queue, port->tx, 0);
	port->reap_us = lane->now_us + REAP_EACH_US;
}

unsigned int
lane_port_flush(struct lane *lane, struct lane_port *port)
{
	unsigned int sent =
		likely(port->has_queue) ? send_frames(lane, port) : lane_hand_frames(lane, port);

	port->n_tx -= sent;
	if (port->n_tx != 0) {
		LANE_COUNT_N(lane, tx_postponed, port->n_tx);
		memmove(port->tx, port->tx + sent, port->n_tx * sizeof(port->tx[0]));
	}
	return sent;
}

/* The frame in one mbuf, for devices that take no more. NULL, and the frame dropped, without
 * memory.
 */
static struct rte_mbuf *
linearise(struct lane *lane, struct rte_mbuf *frame)
{
	struct rte_mbuf *copy;

	copy = rte_pktmbuf_copy(frame, lane->pools.pool[POOL_DATA], 0, UINT32_MAX);
	if (copy != NULL && copy->nb_segs > 1) {
		rte_pktmbuf_free(copy);
		copy = NULL;
	}
	if (copy == NULL) {
		LANE_COUNT(lane, drop_tx_no_memory);
	} else {
		copy->tx_offload = frame->tx_offload;
		LANE_COUNT(lane, linearised);
	}
	rte_pktmbuf_free(frame);
	return copy;
}

/* Has a frame wait for the end of the burst. */
static void
put(struct lane *lane, struct lane_port *port, struct rte_mbuf *frame)
{
	if (unlikely(port->n_tx == LANE_TX_FRAMES) && lane_port_flush(lane, port) == 0) {
		LANE_COUNT(lane, drop_tx_full);
		rte_pktmbuf_free(frame);
		return;
	}
	port->tx[port->n_tx++] = frame;
}

/* Its segments in place of a frame that the device is not to cut. */
static void
put_segments(struct lane *lane, struct lane_port *port, struct rte_mbuf *frame)
{
	struct rte_mbuf *segments[CUT_MAX_SEGS];
	unsigned int n = cut_frame(&lane->pools, frame, segments);

	if (n == 0)
		LANE_COUNT(lane, drop_tx_no_memory);
	rte_pktmbuf_free(frame);
	for (unsigned int i = 0; i < n; i++)
		put(lane, port, segments[i]);
}

static void
env_send(void *ctx, uint16_t index, struct rte_mbuf **frames, unsigned int n)
{
	struct lane *lane = ctx;
	struct lane_port *port = &lane->ports[index];

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *frame = frames[i];

		if (port->device->cut && (frame->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0) {
			put_segments(lane, port, frame);
			continue;
		}
		if (unlikely(frame->nb_segs > 1 && !port->device->multi_seg)) {
			frame = linearise(lane, frame);
			if (frame == NULL)
				continue;
		}
		put(lane, port, frame);
	}
	if (port->n_tx >= LANE_TX_BURST)
		lane_port_flush(lane, port);
}

/* ---- The engine's */

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct lane *lane = ctx;

	net_output(lane->net, packets, n);
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	struct lane *lane = ctx;

	return net_path(lane->net, remote, local, path);
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	struct lane *lane = ctx;

	return net_is_local(lane->net, local);
}

/* The kernel's randomness, a buffer at a time; no byte is given out twice. */
static void
env_random(void *ctx, void *buf, size_t bytes)
{
	struct lane *lane = ctx;
	uint8_t *out = buf;

	while (bytes > 0) {
		size_t n;

		if (lane->random_used == LANE_RANDOM_BYTES) {
			ssize_t got = getrandom(lane->random, LANE_RANDOM_BYTES, 0);

			/* Interrupted early by a signal: use what came, from the buffer's end. */
			if (got <= 0)
				continue;
			lane->random_used = LANE_RANDOM_BYTES - (unsigned int)got;
			memmove(lane->random + lane->random_used, lane->random, (size_t)got);
		}
		n = RTE_MIN(bytes, (size_t)(LANE_RANDOM_BYTES - lane->random_used));
		memcpy(out, lane->random + lane->random_used, n);
		explicit_bzero(lane->random + lane->random_used, n);
		lane->random_used += (unsigned int)n;
		out += n;
		bytes -= n;
	}
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct lane *lane = ctx;

	if (gateway_owns(lane->gateway, user))
		gateway_notify(lane->gateway, user);
	else
		service_set_notify(lane->services, c, user);
}

static bool
env_may_fold(void *ctx, void *user)
{
	struct lane *lane = ctx;

	return !gateway_owns(lane->gateway, user) && service_set_may_fold(user);
}

static void
env_fold(void *ctx, void *user, struct tcp_folded *folded)
{
	(void)ctx;
	service_set_fold(user, folded);
}

static void
env_unfold(void *ctx, void *user, struct tcp_conn *c)
{
	(void)ctx;
	service_set_unfold(user, c);
}

static void
env_confirm(void *ctx, uint32_t hop)
{
	struct lane *lane = ctx;

	net_confirm(lane->net, hop);
}

static void
env_fastopen_news(void *ctx, const struct tcp_fastopen_news *fastopen)
{
	struct lane_news news = {.kind = NEWS_FASTOPEN, .fastopen = *fastopen};

	lane_tell(ctx, &news);
}

static void *
env_alloc(void *ctx, size_t bytes, size_t align)
{
	struct lane *lane = ctx;

	return rte_zmalloc_socket("tcp", bytes, (unsigned int)align, lane->socket_id);
}

static void
env_free(void *ctx, void *memory)
{
	(void)ctx;
	rte_free(memory);
}

void
lane_fill_tcp_env(struct lane *lane, struct tcp_env *env)
{
	*env = (struct tcp_env){
		.ctx = lane,
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.may_fold = env_may_fold,
		.fold = env_fold,
		.unfold = env_unfold,
		.confirm = env_confirm,
		.port = lane->port_lanes != NULL ? lane_port_in_use : NULL,
		.lands_here = lane->port_lanes != NULL ? lane_lands_here : NULL,
		.may_hold = lane->port_lanes != NULL ? lane_may_hold : NULL,
		.stray = lane->port_lanes != NULL ? lane_stray : NULL,
		.fastopen_news = lane->n_lanes > 1 ? env_fastopen_news : NULL,
		.alloc = env_alloc,
		.free = env_free,
	};
}

static bool
env_resolve(void *ctx, uint32_t hop)
{
	struct lane *lane = ctx;

	return net_resolve(lane->net, hop);
}

void
lane_fill_wire(struct lane *lane, struct service_wire *wire)
{
	*wire = (struct service_wire){
		.ctx = lane,
		.is_local = env_is_local,
		.resolve = env_resolve,
		.transmit = env_transmit,
		.path = env_path,
		.pool = lane->pools.pool[POOL_DATA],
	};
}

/* ---- The IP layer's */

/* What a packet says of its connection at a glance: TCP's ports. 0: they are not there. */
static uint32_t
ports_of(const struct rte_mbuf *packet)
{
	uint32_t ports = 0;

	if (likely(rte_pktmbuf_data_len(packet) >= packet->l3_len + sizeof(ports)))
		memcpy(&ports, rte_pktmbuf_mtod_offset(packet, const uint8_t *, packet->l3_len),
		       sizeof(ports));
	return ports;
}

/* How many of n > LANE_GROUP packets are answered together: see lane_impl.h. */
static unsigned int
group(struct rte_mbuf *const *packets, unsigned int n)
{
	unsigned int i = LANE_GROUP;

	while (i < n && ports_of(packets[i]) == ports_of(packets[i - 1]))
		i++;
	return i;
}

void
lane_input(struct lane *lane, struct rte_mbuf **packets, unsigned int n)
{
	while (n > LANE_GROUP) {
		unsigned int now = group(packets, n);

		if (now == n)
			break;
		tcp_input(lane->tcp, lane->now_us, packets, now);
		tcp_flush(lane->tcp);
		for (unsigned int i = 0; i < lane->n_ports; i++)
			if (lane->ports[i].n_tx != 0)
				lane_port_flush(lane, &lane->ports[i]);
		packets += now;
		n -= now;
	}
	tcp_input(lane->tcp, lane->now_us, packets, n);
}

static void
env_tcp(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct lane *lane = ctx;

	n = service_set_take(lane->services, packets, n);
	if (lane->steering)
		n = lane_hand_steer(lane, packets, n);
	lane_input(lane, packets, n);
	if (unlikely(lane->handing_to != 0))
		lane_hand_flush(lane);
}

/* The error may have come to another lane than its connection's: devices spread by the header of
 * the error. A quote that fits nothing is ignored.
 */
static void
env_icmp(void *ctx, const struct tcp_icmp *icmp)
{
	struct lane *lane = ctx;
	struct lane_news news = {.kind = NEWS_ICMP, .icmp = *icmp};
	unsigned int owner, named;

	tcp_icmp_input(lane->tcp, icmp);
	if (lane->port_lanes == NULL)
		return;
	owner = lane_owner(lane, &icmp->tuple);
	named = lane_of_port(lane, &icmp->tuple, owner);
	if (owner != lane->index)
		lane_tell_one(lane, owner, &news);
	if (named != owner && named != lane->index)
		lane_tell_one(lane, named, &news);
}

static void
env_neighbour(void *ctx, const struct net_neighbour_news *neighbour)
{
	struct lane_news news = {.kind = NEWS_NEIGHBOUR, .neighbour = *neighbour};
	struct lane *lane = ctx;

	news.neighbour.port = (uint16_t)lane->ports[neighbour->port].device->index;
	lane_tell(lane, &news);
}

static void
env_paths_changed(void *ctx)
{
	struct lane *lane = ctx;

	tcp_paths_changed(lane->tcp);
}

void
lane_fill_net_env(struct lane *lane, struct net_env *env)
{
	*env = (struct net_env){
		.ctx = lane,
		.send = env_send,
		.tcp = env_tcp,
		.icmp = env_icmp,
		.neighbour = lane->n_lanes > 1 ? env_neighbour : NULL,
		.paths_changed = env_paths_changed,
		.random = env_random,
	};
}
