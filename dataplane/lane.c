/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's life and its loop; see lane.h.
 *
 * The clock is the TSC, read once an iteration and turned into microseconds by a multiplication:
 *
 *     us = (tsc - tsc_base) * tsc_mult >> CLOCK_SHIFT,    tsc_mult = 10^6 << CLOCK_SHIFT / Hz
 *
 * All lanes share tsc_base, so that times mean the same in news from one to another.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dataplane/lane_impl.h"
#include "dataplane/log.h"

enum {
	CLOCK_SHIFT = 40,
	PREFETCH_AHEAD = 4,
	IDLE_CHECK_US = 1000, /* how often a draining lane looks whether it is done */
};

const char *const lane_stats_names[] = {
#define LANE_STAT(name, text) #name,
#include "dataplane/lane_stats.def"
#undef LANE_STAT
};

const char *const lane_stats_texts[] = {
#define LANE_STAT(name, text) text,
#include "dataplane/lane_stats.def"
#undef LANE_STAT
};

void
lane_stats_read(const struct lane *lane, struct lane_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&lane->stats;
	uint64_t *to = (uint64_t *)stats;

	for (size_t i = 0; i < LANE_STATS_COUNT; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* ---- The loop */

static void
read_clock(struct lane *lane)
{
	uint64_t tsc = rte_rdtsc();
	unsigned __int128 ticks = tsc - lane->tsc_base;
	uint64_t now_us = (uint64_t)(ticks * lane->tsc_mult >> CLOCK_SHIFT);

	if (lane->was_busy)
		LANE_COUNT_N(lane, cycles_busy, tsc - lane->turn_tsc);
	lane->turn_tsc = tsc;

	if (likely(now_us > lane->now_us)) /* time does not go backwards, whatever TSCs do */
		lane->now_us = now_us;
}

static unsigned int
receive(struct lane *lane, uint16_t index)
{
	struct rte_mbuf *frames[LANE_RX_BURST];
	const struct lane_port *port = &lane->ports[index];
	uint16_t n = rte_eth_rx_burst(port->device->id, port->queue, frames, LANE_RX_BURST);

	if (n == 0)
		return 0;
	if (port->device->ring.done != NULL) {
		uint16_t copied =
			port_ring_copy(&port->device->ring, lane->pools.pool[POOL_RX], frames, n);

		LANE_COUNT_N(lane, drop_rx_no_memory, n - copied);
		n = copied;
	}
	for (unsigned int i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	LANE_COUNT_N(lane, frames_in, n);
	lane->steering = port->steers;
	net_input(lane->net, lane->now_us, index, frames, n);
	lane->steering = false;
	return n;
}

/* One iteration. Returns how much there was to do: frames, requests, messages. */
static unsigned int
turn(struct lane *lane)
{
	unsigned int frames = 0, others = 0;

	read_clock(lane);
	service_set_begin(lane->services, lane->now_us);
	for (uint16_t i = 0; i < lane->n_ports; i++)
		if (likely(lane->ports[i].has_queue))
			frames += receive(lane, i);
	if (lane->handed != NULL && !rte_ring_empty(lane->handed))
		frames += lane_hand_take(lane);
	tcp_advance(lane->tcp, lane->now_us);
	service_set_advance(lane->services, lane->now_us);
	others += gateway_turn(lane->gateway);
	net_advance(lane->net, lane->now_us);
	if (unlikely(!rte_ring_empty(lane->inbox)))
		others += lane_inbox_run(lane);
	tcp_flush(lane->tcp);
	gateway_tell(lane->gateway);
	for (unsigned int i = 0; i < lane->n_ports; i++) {
		struct lane_port *port = &lane->ports[i];

		if (unlikely(port->carries))
			frames += lane_hand_take_frames(port, lane);
		if (port->n_tx != 0) {
			frames += lane_port_flush(lane, port);
			others += port->n_tx;
		} else if (unlikely(port->device->keeps_sent)) {
			lane_port_reap(lane, port);
		}
	}
	gateway_wake(lane->gateway);
	LANE_COUNT(lane, turns);
	lane->was_busy = frames != 0;
	if (frames != 0)
		LANE_COUNT(lane, turns_busy);
	return frames + others;
}

static void
begin_drain(struct lane *lane)
{
	service_set_close(lane->services);
	lane->draining = true;
	lane->drain_end_us = lane->now_us + LANE_DRAIN_US;
}

/* Whether nothing is left to be said to any peer. TIME-WAIT is left to end with us. */
static bool
is_drained(const struct lane *lane)
{
	struct tcp_usage usage;

	if (lane->now_us >= lane->drain_end_us)
		return true;
	tcp_usage(lane->tcp, &usage);
	for (unsigned int i = 0; i < lane->n_ports; i++)
		if (lane->ports[i].n_tx != 0)
			return false;
	if (net_held_bufs(lane->net) != 0)
		return false;
	return usage.conns == 0 && usage.requests == 0;
}

/* Whether every lane has nothing left to say: one may receive or send for another. */
static bool
are_all_drained(struct lane *lane)
{
	bool all = is_drained(lane) && lane_hand_is_empty(lane);

	__atomic_store_n(&lane->drained, all, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < lane->n_lanes; i++)
		all = all && __atomic_load_n(&lane->lanes[i]->drained, __ATOMIC_ACQUIRE) != 0;
	return all || lane->now_us >= lane->drain_end_us;
}

/* Tells of connections whose peers will hear no more from us. */
static void
tell_unfinished(const struct lane *lane)
{
	struct tcp_usage usage;

	tcp_usage(lane->tcp, &usage);
	if (usage.conns > usage.listeners)
		log_line("lane %u: %u connections had not finished", lane->index,
			 usage.conns - usage.listeners);
}

static int
run(void *arg)
{
	struct lane *lane = arg;
	uint64_t check_us = 0;
	uint32_t order;

	lane_idle_start(lane);
	while ((order = __atomic_load_n(&lane->order, __ATOMIC_RELAXED)) != LANE_STOP) {
		unsigned int work = turn(lane);

		/* A turn lies between begin_drain() and the first look: what it had to say is sent.
		 */
		if (unlikely(order == LANE_DRAIN)) {
			if (!lane->draining) {
				begin_drain(lane);
			} else if (lane->now_us >= check_us) {
				if (are_all_drained(lane))
					break;
				check_us = lane->now_us + IDLE_CHECK_US;
			}
		}
		if (lane->door.sleeps)
			lane_idle(lane, work != 0 || lane->draining);
		if (work == 0 && lane->shares_cpu)
			sched_yield();
		else if (work == 0)
			rte_pause();
	}
	tell_unfinished(lane);
	__atomic_store_n(&lane->stopped, 1, __ATOMIC_RELEASE);
	return 0;
}

/* ---- Its life */

struct lane *
lane_create(const struct config *config, unsigned int index, unsigned int lcore, int socket_id,
	    uint16_t max_mtu)
{
	struct lane *lane = rte_zmalloc_socket("lane", sizeof(*lane), 0, socket_id);
	char name[RTE_RING_NAMESIZE];

	if (lane == NULL) {
		log_line("no memory for lane %u", index);
		return NULL;
	}
	lane->index = index;
	lane->lcore = lcore;
	lane->socket_id = socket_id;
	lane->stopped = 1;
	lane->random_used = LANE_RANDOM_BYTES;
	snprintf(name, sizeof(name), "inbox%u", index);
	lane->inbox = rte_ring_create(name, LANE_INBOX, socket_id, RING_F_SC_DEQ);
	if (lane->inbox == NULL)
		log_line("no memory for lane %u's inbox: %s", index, rte_strerror(rte_errno));
	if (lane->inbox == NULL ||
	    pools_create(&lane->pools, config, index, socket_id, max_mtu,
			 sizeof(struct lane_news)) < 0 ||
	    lane_hand_open(lane, config->lanes) < 0) {
		lane_destroy(lane);
		return NULL;
	}
	return lane;
}

static int
build_net(struct lane *lane, const struct config *config, bool taken_over)
{
	struct net_port ports[CONFIG_MAX_PORTS] = {0};
	struct net_config net_config = {
		.ports = ports,
		.n_ports = lane->n_ports,
		.max_neighbours = config->neighbours,
		.taken_over = taken_over,
		.announce = lane->ports[0].device->lanes[0] == lane->index,
		.pool = lane->pools.pool[POOL_RX],
		.socket_id = lane->socket_id,
	};
	struct net_env env;

	for (unsigned int i = 0; i < lane->n_ports; i++) {
		const struct port_device *device = lane->ports[i].device;

		ports[i] = (struct net_port){
			.mac = device->mac,
			.mtu = device->mtu,
			.path_flags = device->path_flags,
			.tso = device->tso,
			.config = device->config,
		};
	}
	lane_fill_net_env(lane, &env);
	return net_create(&net_config, &env, &lane->net);
}

/* What of [tcp] is about lost, late and marked segments. */
static void
take_recovery(struct tcp_config *tcp, const struct config *config)
{
	tcp->ecn = (enum tcp_ecn_mode)config->ecn;
	tcp->ecn_fallback = config->ecn_fallback;
	tcp->sack = config->sack;
	tcp->dsack = config->dsack;
	tcp->frto = config->frto;
	tcp->tlp = config->tlp;
	tcp->rack = config->rack;
	tcp->reordering = config->reordering;
	tcp->max_reordering = config->max_reordering;
	tcp->slow_start_after_idle = config->slow_start_after_idle;
}

static int
build_tcp(struct lane *lane, const struct config *config)
{
	struct tcp_config *tcp = &lane->tcp_config;
	struct tcp_env env;

	snprintf(lane->name, sizeof(lane->name), "lane%u", lane->index);
	tcp_config_defaults(tcp);
	tcp->name = lane->name;
	tcp->socket_id = lane->socket_id;
	pools_take_limits(tcp, config);
	tcp->rcvbuf_bytes = config->rmem_bytes;
	tcp->rcvbuf_max_bytes = config->rmem_max_bytes;
	tcp->sndbuf_bytes = config->wmem_bytes;
	tcp->sndbuf_max_bytes = RTE_MAX(config->wmem_max_bytes, config->wmem_bytes);
	tcp->timewait_ms = config->timewait_s * 1000;
	tcp->user_timeout_ms = config->user_timeout_s * 1000;
	tcp->tw_reuse = config->tw_reuse;
	tcp->pacing = config->pacing;
	tcp->min_rtt_wlen_s = config->min_rtt_wlen;
	tcp->syn_retries = config->syn_retries;
	tcp->syn_linear_timeouts = config->syn_linear_timeouts;
	tcp->synack_retries = config->synack_retries;
	tcp->retries = config->retries;
	tcp->orphan_retries = config->orphan_retries;
	tcp->mtu_probing = (enum tcp_mtu_probing)config->mtu_probing;
	tcp->base_mss = config->base_mss;
	tcp->probe_threshold = config->probe_threshold;
	tcp->probe_interval_s = config->probe_interval_s;
	tcp->initial_cwnd = config->initial_cwnd;
	tcp->flush_bytes = LANE_FLUSH_BYTES;
	tcp->syncookies = (enum tcp_syncookies)config->syncookies;
	tcp->keepalive_time_s = config->keepalive_time_s;
	tcp->keepalive_intvl_s = config->keepalive_intvl_s;
	tcp->keepalive_probes = config->keepalive_probes;
	take_recovery(tcp, config);
	tcp->fastopen = config->fastopen;
	tcp->fastopen_keys = config->fastopen_keys;
	tcp->fastopen_blackhole_s = config->fastopen_blackhole_s;
	tcp->timestamps = config->timestamps;
	tcp->window_scaling = config->window_scaling;
	tcp->congestion = config->congestion;
	tcp->header_pool = lane->pools.pool[POOL_HEADER];
	tcp->data_pool = lane->pools.pool[POOL_DATA];
	tcp->ref_pool = lane->pools.pool[POOL_REF];
	lane_fill_tcp_env(lane, &env);
	return tcp_engine_create(tcp, &env, &lane->tcp);
}

/* ---- Services, whose callbacks run on the lane's lcore */

static int
create_services(void *arg)
{
	struct lane *lane = arg;
	struct service_set_config services = {
		.config = lane->config,
		.engine = lane->tcp,
		.ref_pool = lane->pools.pool[POOL_REF],
		.socket_id = lane->socket_id,
		.lane = lane->index,
		.loop = &lane->stats,
		.wire = &lane->wire,
	};

	lane_fill_wire(lane, &lane->wire);
	lane->services = service_set_create(&services, stderr);
	return lane->services == NULL ? -1 : 0;
}

static int
close_services(void *arg)
{
	struct lane *lane = arg;

	if (lane->services != NULL)
		service_set_close(lane->services);
	return 0;
}

static int
destroy_services(void *arg)
{
	struct lane *lane = arg;

	service_set_destroy(lane->services, stderr);
	lane->services = NULL;
	return 0;
}

/* Calls a function on the lane's lcore, whose loop does not run; returns what that returns. */
static int
on_lane(struct lane *lane, int (*function)(void *lane))
{
	int status = rte_eal_remote_launch(function, lane, lane->lcore);

	return status < 0 ? status : rte_eal_wait_lcore(lane->lcore);
}

static void
take_port(struct lane *lane, struct lane_port *port, const struct port_device *device)
{
	unsigned int place = 0;

	while (place < device->n_lanes && device->lanes[place] != lane->index)
		place++;
	if (place == device->n_lanes) /* other lanes' */
		return;
	lane->n_ports++;
	for (unsigned int i = 0; i < device->n_lanes; i++)
		lane->peers |= UINT64_C(1) << device->lanes[i];
	port->device = device;
	port->has_queue = place < device->queues;
	port->queue = (uint16_t)(place % device->queues);
	port->carrier = lane->lanes[device->lanes[port->queue]];
	port->carries = port->has_queue && device->tx_rings[port->queue] != NULL;
	port->steers = !lane_steer_by_device(lane->steer, device->index);
}

static unsigned int
owner_of(const void *ctx, const struct tcp_tuple *tuple)
{
	return lane_owner(ctx, tuple);
}

int
lane_build(struct lane *lane, const struct lane_setup *setup)
{
	const struct config *config = setup->config;
	struct gateway_config gateway = {
		.moves = &lane->moves,
		.max_sockets = config->connections,
		.numa_node = lane->socket_id,
		.owner = setup->n_lanes > 1 ? owner_of : NULL,
		.owner_ctx = lane,
		.lane = lane->index,
		.fault_event = setup->fault_event,
	};
	int status;

	lane->config = config;
	lane->lanes = setup->lanes;
	lane->n_lanes = setup->n_lanes;
	lane->port_lanes = setup->n_lanes > 1 ? setup->port_lanes : NULL;
	lane->steer = setup->steer;
	lane->lend_above = pools_lend_above(config);
	lane_hand_meet(lane);
	lane->tsc_base = setup->tsc_base;
	lane->tsc_mult = (1000000ull << CLOCK_SHIFT) / rte_get_tsc_hz();
	for (unsigned int i = 0; i < config->n_ports; i++)
		take_port(lane, &lane->ports[lane->n_ports], &setup->ports[i]);
	read_clock(lane);
	status = build_net(lane, config, setup->restoring);
	if (status == 0)
		status = build_tcp(lane, config);
	if (status < 0) {
		log_line("lane %u: %s; lower [limits], or give ternd more memory", lane->index,
			 rte_strerror(-status));
		return -1;
	}
	for (uint16_t i = 0; i < lane->n_ports; i++)
		if (!lane->ports[i].device->link_up)
			net_link_changed(lane->net, lane->now_us, i, false);
	tcp_set_restoring(lane->tcp, setup->restoring);
	gateway.engine = lane->tcp;
	lane->gateway = gateway_create(&gateway);
	if (lane->gateway == NULL) {
		log_line("lane %u: no memory for programs' sockets", lane->index);
		return -1;
	}
	if (on_lane(lane, create_services) < 0)
		return -1;
	return lane_idle_open(lane);
}

int
lane_launch(struct lane *lane)
{
	int status;

	__atomic_store_n(&lane->stopped, 0, __ATOMIC_RELEASE);
	status = rte_eal_remote_launch(run, lane, lane->lcore);
	if (status < 0) {
		__atomic_store_n(&lane->stopped, 1, __ATOMIC_RELEASE);
		log_line("lane %u cannot run on lcore %u: %s", lane->index, lane->lcore,
			 rte_strerror(-status));
	}
	return status < 0 ? -1 : 0;
}

void
lane_order(struct lane *lane, enum lane_order order)
{
	__atomic_store_n(&lane->order, order, __ATOMIC_RELAXED);
	lane_ring(lane);
}

bool
lane_has_stopped(const struct lane *lane)
{
	return __atomic_load_n(&lane->stopped, __ATOMIC_ACQUIRE) != 0;
}

void
lane_dismantle(struct lane *lane)
{
	if (lane == NULL)
		return;
	rte_eal_wait_lcore(lane->lcore);
	lane_idle_close(lane);
	lane_inbox_clear(lane);
	on_lane(lane, close_services);
	gateway_destroy(lane->gateway);
	lane->gateway = NULL;
	tcp_engine_destroy(lane->tcp);
	net_destroy(lane->net);
	lane->tcp = NULL;
	lane->net = NULL;
	for (unsigned int i = 0; i < lane->n_ports; i++) {
		rte_pktmbuf_free_bulk(lane->ports[i].tx, lane->ports[i].n_tx);
		lane->ports[i].n_tx = 0;
	}
}

unsigned int
lane_destroy(struct lane *lane)
{
	unsigned int missing, kept = 0;

	if (lane == NULL)
		return 0;
	on_lane(lane, destroy_services);
	for (unsigned int i = 0; i < lane->n_ports; i++)
		kept += lane->ports[i].device->kept;
	missing = pools_check(&lane->pools, lane->index, kept);
	pools_free(&lane->pools);
	lane_hand_close(lane);
	rte_ring_free(lane->inbox);
	rte_free(lane);
	return missing;
}
