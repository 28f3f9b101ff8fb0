/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine as a whole: its making and unmaking, the life of its objects, and the two lists
 * through which work is put off to the end of a burst: connections that have something to send, and
 * connections whose users should look.
 */
#include "engine.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_errno.h>

static const char *const state_names[TCP_STATES] = {
	[TCP_CLOSED] = "CLOSED",         [TCP_LISTEN] = "LISTEN",
	[TCP_SYN_SENT] = "SYN-SENT",     [TCP_SYN_RECEIVED] = "SYN-RECV",
	[TCP_ESTABLISHED] = "ESTAB",     [TCP_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCP_FIN_WAIT_2] = "FIN-WAIT-2", [TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCP_CLOSING] = "CLOSING",       [TCP_LAST_ACK] = "LAST-ACK",
	[TCP_TIME_WAIT] = "TIME-WAIT",
};

const char *
tcp_state_name(enum tcp_state state)
{
	return state_names[state];
}

void
tcp_config_defaults(struct tcp_config *config)
{
	*config = (struct tcp_config){
		.socket_id = SOCKET_ID_ANY,
		.max_conns = 65536,
		.max_requests = 4096,
		.max_timewait = 65536,
		.max_held_bufs = 65536,
		.max_mutes = 16384,
		.rcvbuf_bytes = 128 * 1024,
		.rcvbuf_max_bytes = 6 * 1024 * 1024,
		.sndbuf_bytes = 512 * 1024,
		.sndbuf_max_bytes = 4 * 1024 * 1024,
		.smc = &tcp_smc_decline,
		.timewait_ms = 60 * 1000,
		.keepalive_time_s = 7200,
		.keepalive_intvl_s = 75,
		.keepalive_probes = 9,
		.syn_retries = 6,
		.invalid_ratelimit_ms = 500,
		.syn_linear_timeouts = 4,
		.synack_retries = 5,
		.retries = 15,
		.orphan_retries = 8,
		.ttl = 64,
		.fast_paths = true,
		.timestamps = true,
		.window_scaling = true,
		.sack = true,
		.dsack = true,
		.frto = true,
		.tlp = true,
		.rack = true,
		.ecn_fallback = true,
		.ecn = TCP_ECN_PASSIVE,
		.syncookies = TCP_SYNCOOKIES_ON,
		.fastopen = TCP_FASTOPEN_CLIENT,
		.base_mss = 1024,
		.probe_threshold = 8,
		.probe_interval_s = 600,
		.initial_cwnd = TCP_INITIAL_CWND,
		.min_tso_segs = 2,
		.min_rtt_wlen_s = 300,
		.reordering = 3,
		.max_reordering = 300,
		.notsent_lowat_bytes = UINT32_MAX,
		.congestion = "cubic",
	};
}

/* Of what may change while the engine runs. */
static bool
settings_are_valid(const struct tcp_config *c)
{
	return c->rcvbuf_bytes >= 4096 && c->sndbuf_bytes >= 4096 && c->rcvbuf_bytes <= 1u << 30 &&
	       c->sndbuf_bytes <= 1u << 30 && c->rcvbuf_max_bytes <= 1u << 30 &&
	       c->sndbuf_max_bytes <= 1u << 30 && c->ttl > 0 && c->congestion != NULL &&
	       c->base_mss >= TCP_MSS_MIN && c->initial_cwnd > 0 && c->reordering > 0 &&
	       c->max_reordering > 0 && c->keepalive_time_s > 0 && c->keepalive_intvl_s > 0 &&
	       c->min_rtt_wlen_s <= 86400 && c->fastopen_keys.n <= 2 && c->smc != NULL;
}

static bool
config_is_valid(const struct tcp_config *c)
{
	return c->name != NULL && c->max_conns > 0 && c->max_requests > 0 && c->max_timewait > 0 &&
	       c->max_held_bufs > 0 && c->max_mutes > 0 && c->header_pool != NULL &&
	       c->data_pool != NULL && c->ref_pool != NULL && settings_are_valid(c);
}

static void
draw_secrets(struct tcp_engine *e)
{
	e->env.random(e->env.ctx, e->numbers_secret, sizeof(e->numbers_secret));
	e->env.random(e->env.ctx, e->port_secret, sizeof(e->port_secret));
	e->env.random(e->env.ctx, e->cookie_secrets, sizeof(e->cookie_secrets));
	e->env.random(e->env.ctx, e->pmtu_secret, sizeof(e->pmtu_secret));
	e->env.random(e->env.ctx, e->flows.secret, sizeof(e->flows.secret));
	e->env.random(e->env.ctx, e->fastopen_drawn_key.key[0], TCP_FASTOPEN_KEY_BYTES);
	e->fastopen_drawn_key.n = 1;
}

int
tcp_engine_create(const struct tcp_config *config, const struct tcp_env *env,
		  struct tcp_engine **engine)
{
	const struct tcp_cc_ops *cc;
	struct tcp_engine *e;

	if (!config_is_valid(config))
		return -EINVAL;
	cc = tcp_cc_find(config->congestion);
	if (cc == NULL)
		return -ENOENT;
	e = env->alloc(env->ctx, sizeof(*e), 64);
	if (e == NULL)
		return -ENOMEM;
	e->config = *config;
	e->config.congestion = cc->name;
	e->env = *env;
	if (e->env.may_fold == NULL)
		e->config.fold_after_ms = 0;
	e->cc = cc;
	TAILQ_INIT(&e->timewait_list);
	e->timewait_next_us = UINT64_MAX;
	e->pmtu_next_us = UINT64_MAX;
	e->mutes.next_us = UINT64_MAX;
	wheel_init(&e->wheel, 0);
	draw_secrets(e);
	if (!tcp_tables_make(e)) {
		tcp_engine_destroy(e);
		return -ENOMEM;
	}
	e->config.name = NULL; /* the caller's string need not outlive this call */
	*engine = e;
	return 0;
}

int
tcp_reconfigure(struct tcp_engine *e, const struct tcp_config *config)
{
	const struct tcp_cc_ops *cc;
	struct tcp_config next = *config;

	if (!settings_are_valid(config))
		return -EINVAL;
	cc = tcp_cc_find(config->congestion);
	if (cc == NULL)
		return -ENOENT;
	next.name = NULL;
	next.smc = e->config.smc;
	next.socket_id = e->config.socket_id;
	next.max_conns = e->config.max_conns;
	next.max_requests = e->config.max_requests;
	next.max_timewait = e->config.max_timewait;
	next.max_held_bufs = e->config.max_held_bufs;
	next.max_mutes = e->config.max_mutes;
	next.fold_after_ms = e->config.fold_after_ms;
	next.max_unfolded = e->config.max_unfolded;
	next.congestion = cc->name;
	next.header_pool = e->config.header_pool;
	next.data_pool = e->config.data_pool;
	next.ref_pool = e->config.ref_pool;
	/* As Linux: whoever sets it wants a fresh look. */
	if (next.fastopen_blackhole_s != e->config.fastopen_blackhole_s)
		fastopen_guard_clear(e);
	e->config = next;
	e->cc = cc;
	return 0;
}

void
tcp_engine_destroy(struct tcp_engine *e)
{
	if (e == NULL)
		return;
	rte_pktmbuf_free_bulk(e->tx, e->n_tx);
	for (uint32_t i = 0; i < e->conns.carved; i++) {
		struct tcp_conn *c = slab_at(&e->conns, i);

		if (c->flags & CONN_DEAD)
			continue;
		mbufq_clear(&c->recvq);
		mbufq_clear(&c->sendq);
		tcp_ranges_free(c);
	}
	tcp_tables_free(e);
	e->env.free(e->env.ctx, e);
}

void
tcp_conn_init(struct tcp_engine *e, struct tcp_conn *c)
{
	*c = (struct tcp_conn){
		.engine = e,
		.state = TCP_CLOSED,
		.ttl = e->config.ttl,
		.cc = e->cc,
		.ssthresh = UINT32_MAX,
		.rto_us = TCP_RTO_INITIAL_US,
		.mdev_us = TCP_RTO_INITIAL_US,
		.rtx_at_us = UINT64_MAX,
		.ack_at_us = UINT64_MAX,
		.life_at_us = UINT64_MAX,
		.keep_at_us = UINT64_MAX,
		.pace_at_us = UINT64_MAX,
		.pacing = {.rate = UINT64_MAX, .max_rate = UINT64_MAX, .on = e->config.pacing},
		.rto_max_ms = TCP_RTO_MAX_US / 1000,
		.rto_min_us = TCP_RTO_MIN_US,
		.rcvbuf_bytes = e->config.rcvbuf_bytes,
		.sndbuf_bytes = e->config.sndbuf_bytes,
		.user_timeout_ms = e->config.user_timeout_ms,
		.paths_generation = e->paths_generation,
		.mtu_discover = IP_PMTUDISC_WANT,
		.reordering = e->config.reordering,
		.rack.reo_wnd_mult = 1,
		.in_flight = {SENT_NONE, SENT_NONE},
		.rate = {.app_limited = UINT32_MAX, .sample_app_limited = true},
		.rcv_ratio = 128,
		.rcvlowat_bytes = 1,
		.rcvtimeo_ms = INT64_MAX,
		.sndtimeo_ms = INT64_MAX,
		.incoming_cpu = -1,
		.peek_off = -1,
	};
	TAILQ_INIT(&c->sent);
	TAILQ_INIT(&c->news);
	TAILQ_INIT(&c->ranges);
}

struct tcp_conn *
tcp_conn_new(struct tcp_engine *e)
{
	struct tcp_conn *c = tcp_fold_leaves_room(e) ? slab_get(&e->conns) : NULL;

	if (c != NULL)
		tcp_conn_init(e, c);
	return c;
}

static void
release_queues(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	tcp_sent_clear(c);
	e->queued_bufs -= c->sendq.bufs;
	mbufq_clear(&c->sendq);
	c->unsent_m = NULL;
	c->unsent_bytes = 0;
	tcp_ranges_free(c);
}

/* Out of the flow table and of the timer wheel: nothing will happen to it any more. */
static void
detach(struct tcp_conn *c)
{
	struct flow_table *t = &c->engine->flows;

	if (c->flags & CONN_OPENING)
		tcp_fastopen_child_over(c, false);
	if (c->flags & CONN_IN_FLOWS)
		flow_remove(t, &c->tuple, flow_hash(t, &c->tuple));
	c->flags &= ~(CONN_IN_FLOWS | CONN_ACK_NOW | CONN_ACK_DELAYED | CONN_SEND_PROBE);
	tcp_port_ended(c);
	c->fastopen.deferred = false;
	wheel_remove(&c->timer);
	c->rtx_at_us = c->ack_at_us = c->life_at_us = c->keep_at_us = c->pace_at_us = UINT64_MAX;
	release_queues(c);
}

static void
reclaim(struct tcp_conn *c)
{
	if ((c->flags & (CONN_ON_DIRTY | CONN_ON_EVENTS)) == 0)
		slab_put(&c->engine->conns, c);
}

void
tcp_conn_free(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	assert((c->flags & CONN_DEAD) == 0);
	if (tcp_clc_is_on(c))
		tcp_clc_ended(c);
	if (c->fastopen.option_out)
		tcp_fastopen_over(c);
	detach(c);
	tcp_rcv_adjust_held(e, c->recvq.bufs, 0);
	mbufq_clear(&c->recvq);
	if (c->flags & CONN_ACCEPTING)
		tcp_accept_queue_remove(c);
	tcp_port_release(c);
	if (c->flags & CONN_ORPHAN)
		e->orphans--;
	c->flags |= CONN_DEAD;
	c->state = TCP_CLOSED;
	reclaim(c);
}

void
tcp_conn_end(struct tcp_conn *c, int error)
{
	bool handshake = c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED;

	if (handshake && !c->fastopen.deferred)
		TCP_COUNT(c->engine, attempts_failed);
	if (tcp_clc_is_on(c))
		tcp_clc_ended(c);
	detach(c);
	tcp_zerocopy_over(c);
	if (c->flags & CONN_ORPHAN) {
		tcp_conn_free(c);
		return;
	}
	c->state = TCP_CLOSED;
	c->error = (uint8_t)error;
	c->flags &= ~(CONN_FIN_DUE | CONN_FIN_SENT);
	/* Linux: a socket that was connected says EPIPE and EOF from now on. */
	c->flags |= CONN_PEER_FIN;
	tcp_mark_event(c);
}

void
tcp_conn_reset(struct tcp_conn *c, int error)
{
	uint8_t options[TCP_TIMESTAMPS_ALIGNED_BYTES];
	struct tcp_reply reply = {
		.tuple = &c->tuple,
		/* Beyond its window the peer would not believe it: RFC 5961 §3.2. */
		.seq = seq_min(c->snd_nxt, c->snd_una + c->snd_wnd),
		.ack = c->rcv_nxt,
		.flags = TCP_RST | TCP_ACK,
	};

	/* As in every other segment of a connection: RFC 7323 §3.2 asks it of resets, too. */
	if (c->flags & CONN_TIMESTAMPS) {
		tcp_options_encode_timestamps(tcp_now_ts(c->engine, c->ts_offset), c->ts_recent,
					      options);
		reply.options = options;
		reply.options_len = sizeof(options);
	}
	if (c->state >= TCP_ESTABLISHED || (c->flags & CONN_OPENING))
		reply.wnd =
			(uint16_t)RTE_MIN(tcp_window_to_offer(c) >> c->rcv_wscale_shift, 0xffffu);

	TCP_COUNT(c->engine, established_resets);
	if (tcp_conn_has_path(c)) {
		TCP_COUNT(c->engine, rsts_out);
		reply.hop = c->hop;
		reply.path_flags = c->path_flags;
		tcp_transmit_reply(c->engine, &reply);
	}
	tcp_conn_end(c, error);
}

struct tcp_request *
tcp_request_new(struct tcp_engine *e)
{
	struct tcp_request *r = slab_get(&e->requests);

	if (r != NULL)
		*r = (struct tcp_request){0};
	return r;
}

void
tcp_request_free(struct tcp_engine *e, struct tcp_request *r)
{
	wheel_remove(&r->timer);
	if (r->use == REQUEST_HALF_OPEN)
		r->listener->requests--;
	else
		e->fastopen_requests--;
	r->listener = NULL;
	slab_put(&e->requests, r);
}

void
tcp_deliver_events(struct tcp_engine *e)
{
	struct tcp_conn *last = e->events_tail, *c;

	/* What is marked meanwhile waits for the next time: a user cannot keep us here. */
	while (last != NULL && (c = e->events_head) != NULL) {
		if (c == last)
			last = NULL;
		e->events_head = c->events_next;
		if (e->events_head == NULL)
			e->events_tail = NULL;
		c->flags &= ~CONN_ON_EVENTS;
		if (c->flags & CONN_DEAD)
			reclaim(c);
		else if (tcp_clc_is_on(c) ? tcp_clc_step(c)
					  : (c->flags & (CONN_ORPHAN | CONN_ACCEPTING)) == 0)
			e->env.notify(e->env.ctx, c, c->user);
	}
}

void
tcp_flush(struct tcp_engine *e)
{
	struct tcp_conn *c;

	e->flushing = true;
	while ((c = e->dirty_head) != NULL) {
		e->dirty_head = c->dirty_next;
		if (e->dirty_head == NULL)
			e->dirty_tail = NULL;
		c->flags &= ~CONN_ON_DIRTY;
		if (c->flags & CONN_DEAD)
			reclaim(c);
		else
			tcp_output(c);
	}
	e->flushing = false;
	e->dirty_head = e->more_head;
	e->dirty_tail = e->more_tail;
	e->more_head = e->more_tail = NULL;
	tcp_transmit_flush(e);
}

void
tcp_paths_changed(struct tcp_engine *e)
{
	e->paths_generation++;
}

int
tcp_conn_find_path(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;
	struct tcp_path path;
	int status = e->env.path(e->env.ctx, &c->tuple.remote, &c->tuple.local, &path);

	if (status < 0)
		return status;
	c->tuple.local = path.local;
	c->hop = path.hop;
	c->link_mtu = path.mtu;
	c->mtu = tcp_pmtu_of(e, &c->tuple.remote, path.mtu);
	c->path_flags = path.flags;
	c->tso = path.tso;
	c->paths_generation = e->paths_generation;
	return 0;
}

bool
tcp_conn_refresh_path(struct tcp_conn *c)
{
	uint16_t mtu = c->mtu;
	int status = tcp_conn_find_path(c);

	if (status < 0) {
		TCP_COUNT(c->engine, tx_no_path);
		c->soft_error = (uint8_t)-status;
		return false;
	}
	/* How much of what a path says goes through is for probes to find. */
	if (c->state >= TCP_SYN_RECEIVED && (c->mtu < mtu || (c->mtu > mtu && !c->mtu_search.on)))
		tcp_conn_set_mss(c);
	return true;
}

uint16_t
tcp_announced_mss(uint16_t mtu, bool is4, uint16_t user_mss)
{
	unsigned int headers = sizeof(struct tcp_header) +
			       (is4 ? sizeof(struct ip4_header) : sizeof(struct ip6_header));
	uint16_t mss = (uint16_t)(mtu > headers + TCP_MSS_MIN ? mtu - headers : TCP_MSS_MIN);

	return user_mss != 0 && user_mss < mss ? user_mss : mss;
}

uint16_t
tcp_mss_of_mtu(const struct tcp_conn *c, uint16_t mtu)
{
	bool is4 = ip_is4(&c->tuple.remote);
	unsigned int options = c->flags & CONN_TIMESTAMPS ? TCP_TIMESTAMPS_ALIGNED_BYTES : 0;
	unsigned int mss = tcp_announced_mss(mtu, is4, c->user_mss);

	mss = RTE_MIN(mss, (unsigned int)c->peer_mss);
	return (uint16_t)(RTE_MAX(mss, (unsigned int)TCP_MSS_MIN) - options);
}

void
tcp_conn_set_mss(struct tcp_conn *c)
{
	bool narrower = c->mtu_search.on && c->mtu_search.low < c->mtu;
	uint32_t room = rte_pktmbuf_data_room_size(c->engine->config.data_pool);
	uint32_t cost = room + (uint32_t)sizeof(struct rte_mbuf);

	room -= RTE_PKTMBUF_HEADROOM;

	c->mss = tcp_mss_of_mtu(c, narrower ? c->mtu_search.low : c->mtu);
	c->snd_ratio = (uint16_t)RTE_MIN((RTE_MIN(c->mss, room) * 17u << 12) / cost, 65535u);
}

void
tcp_conn_start_path(struct tcp_conn *c)
{
	if (c->flags & CONN_ACTIVE) {
		tcp_mtu_probe_start(c);
		tcp_conn_set_mss(c);
	} else {
		tcp_conn_set_mss(c);
		tcp_mtu_probe_start(c);
	}
}

void
tcp_conn_start(struct tcp_conn *c)
{
	tcp_conn_start_path(c);
	tcp_rcv_start(c);
	c->cwnd = c->engine->config.initial_cwnd;
	c->snd_sml = c->snd_una;
	c->pushed_seq = c->snd_nxt;
	c->recover = c->snd_una;
	c->rack.fack = c->snd_una;
	c->progress_us = c->engine->now_us;
	c->last_data_sent_ms = c->last_data_recv_ms = c->engine->now_ms;
	c->heard_ms = c->engine->now_ms;
	tcp_keepalive_start(c);
	c->cc->start(c);
}

void
tcp_usage(const struct tcp_engine *e, struct tcp_usage *usage)
{
	*usage = (struct tcp_usage){
		.conns = e->conns.used + e->folds.n,
		.folded = e->folds.n,
		.listeners = e->listeners,
		.orphans = e->orphans,
		.requests = e->requests.used,
		.timewait = e->timewaits.used,
		.flows = flow_count(&e->flows),
		.held_bufs = e->held_bufs,
		.queued_bufs = e->queued_bufs,
		.sent_records = e->sents.used,
		.ranges = e->ranges.used,
		.ports = e->bounds.used + e->holds.used,
		.mutes = e->mutes.slab.used,
	};
}

void
tcp_stats_read(const struct tcp_engine *e, struct tcp_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&e->stats;
	uint64_t *to = (uint64_t *)stats;

	for (size_t i = 0; i < TCP_STATS_COUNT; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
