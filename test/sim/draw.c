/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seed decides. */
#include <stdio.h>
#include <string.h>

#include "sim.h"
#include "tcp/engine.h"

enum {
	MS = 1000,
	SECOND = 1000 * 1000,
};

static bool
chance(struct sim *s, double probability)
{
	return rng_chance(&s->rng, probability);
}

static uint64_t
draw_log(struct sim *s, double low, double high)
{
	return (uint64_t)rng_log(&s->rng, low, high);
}

/* ---- The engines' settings */

static void
draw_config(struct sim *s, unsigned int side)
{
	struct tcp_config *c = &s->config[side];

	tcp_config_defaults(c);
	c->fast_paths = !s->general;
	c->max_conns = 160;
	c->max_requests = chance(s, 0.1) ? (uint32_t)rng_between(&s->rng, 2, 8) : 128;
	c->max_timewait = 128;
	c->max_held_bufs = 8192;
	/* By the seed itself: what else it draws stays what it was. */
	c->fold_after_ms = s->seed % 3 == 0 ? 1 + (uint32_t)(s->seed % 7) * 5 : 0;
	c->timewait_ms = (uint32_t)draw_log(s, 1000, 60000);
	c->timestamps = !chance(s, 0.25);
	c->sack = !chance(s, 0.25);
	c->window_scaling = !chance(s, 0.2);
	c->dsack = !chance(s, 0.2);
	c->rack = !chance(s, 0.2);
	c->tlp = !chance(s, 0.2);
	c->frto = !chance(s, 0.2);
	c->slow_start_after_idle = chance(s, 0.5);
	c->ecn = (enum tcp_ecn_mode)rng_below(&s->rng, 3);
	if (s->calm) {
		c->sack = true;
		c->ecn = TCP_ECN_OFF;
	}
	c->ecn_fallback = !chance(s, 0.2);
	c->congestion = chance(s, 0.3) ? "newreno" : "cubic";
	if (chance(s, 0.4)) {
		c->rcvbuf_bytes = (uint32_t)draw_log(s, 4096, 200000);
		c->rcvbuf_max_bytes = RTE_MAX(c->rcvbuf_bytes, (uint32_t)draw_log(s, 4096, 1e6));
		s->events[SIM_SMALL_BUFFERS]++;
	}
	if (chance(s, 0.4)) {
		c->sndbuf_bytes = (uint32_t)draw_log(s, 4096, 200000);
		c->sndbuf_max_bytes = RTE_MAX(c->sndbuf_bytes, (uint32_t)draw_log(s, 4096, 1e6));
	}
	if (chance(s, 0.05)) {
		c->max_held_bufs = (uint32_t)draw_log(s, 8, 500);
		s->scarce[side] = true;
	}
	if (chance(s, 0.05)) {
		/* Gives up before the link is whole again. */
		c->syn_retries = (uint8_t)rng_between(&s->rng, 1, 3);
		c->synack_retries = (uint8_t)rng_between(&s->rng, 1, 3);
		c->retries = (uint8_t)rng_between(&s->rng, 2, 5);
		c->orphan_retries = (uint8_t)rng_between(&s->rng, 1, 3);
		if (chance(s, 0.5))
			c->user_timeout_ms = (uint32_t)draw_log(s, 500, 20000);
		s->may_time_out = true;
	}
	s->events[SIM_NO_TIMESTAMPS] += !c->timestamps;
	s->events[SIM_NO_SACK] += !c->sack;
	s->events[SIM_NO_WINDOW_SCALING] += !c->window_scaling;
	s->events[SIM_NEWRENO] += strcmp(c->congestion, "newreno") == 0;
	s->events[SIM_CUBIC] += strcmp(c->congestion, "cubic") == 0;
}

static void
draw_device(struct sim *s, unsigned int side, uint16_t mtu)
{
	struct pair_side *p = &s->pair.side[side];

	p->mtu = mtu;
	p->path_flags = chance(s, 0.7) ? TCP_PATH_TX_MULTI_SEG : 0;
	if (chance(s, 0.3))
		p->path_flags |= TCP_PATH_TX_TCP_CKSUM;
	if (chance(s, 0.3) && ip_is4(&p->ip))
		p->path_flags |= TCP_PATH_TX_IP4_CKSUM;
	if (chance(s, 0.25)) {
		p->path_flags = TCP_PATH_TX_TSO | TCP_PATH_TX_MULTI_SEG | TCP_PATH_TX_TCP_CKSUM |
				TCP_PATH_TX_IP4_CKSUM;
		if (chance(s, 0.3))
			p->tso.max_bytes = (uint16_t)draw_log(s, 2000, 65535);
		if (chance(s, 0.3))
			p->tso.max_segs = (uint8_t)rng_between(&s->rng, 2, 64);
		if (chance(s, 0.3))
			p->tso.max_mbufs = (uint8_t)rng_between(&s->rng, 2, 40);
		s->events[SIM_TSO]++;
	}
	s->events[SIM_CHECKSUM_OFFLOAD] += (p->path_flags & TCP_PATH_TX_TCP_CKSUM) != 0;
	s->events[SIM_LINEAR_ONLY] += (p->path_flags & TCP_PATH_TX_MULTI_SEG) == 0;
	s->observer.mtu[side] = mtu;
	s->observer.may_shrink[side] = s->scarce[side];
}

/* ---- The link */

static void
too_big(void *ctx, const struct rte_mbuf *m, uint16_t mtu)
{
	struct pair_side *from = ctx;
	struct sim *s = from->pair->ctx;
	struct tcp_icmp icmp = {.kind = TCP_ICMP_PACKET_TOO_BIG, .mtu = mtu};
	const struct tcp_header *tcp =
		rte_pktmbuf_mtod_offset(m, const struct tcp_header *, m->l3_len);

	if (s->icmp_lost && chance(s, 0.5) && from->pair->now_us < s->heal_us)
		return;
	icmp.tuple = (struct tcp_tuple){from->ip, from->pair->side[from == from->pair->side].ip,
					tcp->sport, tcp->dport};
	icmp.seq = be32_get(tcp->seq);
	s->events[SIM_ICMP_TOO_BIG]++;
	pair_icmp(from->pair, (unsigned int)(from - from->pair->side),
		  from->pair->now_us + 1 + rng_below(&s->rng, 20 * MS), &icmp);
}

static void
until_healed(struct sim *s, struct link_node *n)
{
	n->until_us = s->heal_us;
}

static double
draw_loss(struct sim *s)
{
	return chance(s, 0.8) ? rng_log(&s->rng, 0.0005, 0.08) : rng_log(&s->rng, 0.08, 0.4);
}

static void
draw_losses(struct sim *s, struct link *l)
{
	if (chance(s, 0.45))
		until_healed(s, link_add_loss(l, draw_loss(s)));
	if (chance(s, 0.15))
		until_healed(s, link_add_burst_loss(l, rng_log(&s->rng, 0.001, 0.1),
						    rng_log(&s->rng, 0.05, 0.9),
						    0.3 + 0.7 * rng_unit(&s->rng)));
	if (chance(s, 0.15)) {
		uint64_t period = draw_log(s, 2, 400);

		until_healed(
			s, link_add_pattern_loss(l, period,
						 rng_between(&s->rng, 1, RTE_MIN(period - 1, 12u)),
						 rng_below(&s->rng, 30)));
	}
}

static void
draw_outages(struct sim *s)
{
	uint64_t span = s->heal_us - s->start_us;

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t from = s->start_us + rng_below(&s->rng, span);
		uint64_t until = RTE_MIN(from + draw_log(s, 1 * MS, 30 * SECOND), s->heal_us);
		bool both = chance(s, 0.5);
		unsigned int side = (unsigned int)rng_below(&s->rng, 2);

		if (!chance(s, 0.12))
			continue;
		link_add_outage(&s->pair.side[side].link, from, until, both);
		if (both)
			link_add_outage(&s->pair.side[!side].link, from, until, both);
	}
}

static void
draw_disorder(struct sim *s, struct link *l)
{
	if (chance(s, 0.2))
		until_healed(s, link_add_corrupt(l, rng_log(&s->rng, 0.001, 0.1)));
	if (chance(s, 0.2))
		until_healed(s, link_add_duplicate(l, rng_log(&s->rng, 0.001, 0.3)));
	if (chance(s, 0.25)) {
		uint64_t rate = draw_log(s, 20e3, 1e9);
		uint32_t queue = (uint32_t)draw_log(s, 5000, 1e6);

		/* Not more than 5 seconds of queue. */
		queue = RTE_MIN(queue, (uint32_t)RTE_MIN(rate * 5, UINT64_C(1000000)));
		link_add_bottleneck(l, rate, queue, chance(s, 0.5) ? queue / 4 : 0);
	}
	if (chance(s, 0.2))
		link_add_late(l, rng_log(&s->rng, 0.001, 0.2), draw_log(s, 10, 300 * MS));
}

static void
draw_link(struct sim *s, unsigned int side, uint16_t mtu)
{
	struct link *l = &s->pair.side[side].link;
	uint64_t delay = draw_log(s, 5, 150 * MS), jitter = 0;
	bool in_order = s->calm || chance(s, 0.6);

	if (!s->calm && chance(s, 0.12) && mtu > 1300)
		link_add_mtu(l, (uint16_t)rng_between(&s->rng, 1280, mtu - 1),
			     s->start_us + rng_below(&s->rng, s->heal_us - s->start_us), too_big,
			     &s->pair.side[side]);
	if (!s->calm) {
		draw_losses(s, l);
		draw_disorder(s, l);
	}
	if (chance(s, 0.4))
		jitter = draw_log(s, 1, (double)delay + 2);
	link_add_delay(l, delay, jitter, in_order);
	s->events[SIM_JITTER] += jitter > 0 && !in_order;
}

/* ---- The users */

static void
draw_script(struct sim *s, struct sim_script *script, double max_bytes)
{
	*script = (struct sim_script){
		.bytes = chance(s, 0.25) ? 0 : draw_log(s, 1, max_bytes),
		.write_max = (uint32_t)draw_log(s, 16, 60000),
		.read_max = (uint32_t)draw_log(s, 64, 60000),
		.nodelay = chance(s, 0.4),
		.by_reference = chance(s, 0.3),
	};
	/* Tiny writes are for short streams. */
	script->write_max = RTE_MAX(script->write_max, (uint32_t)(script->bytes / 500) + 1);
	script->read_max = RTE_MAX(script->read_max, (uint32_t)(max_bytes / 500) + 1);
	if (chance(s, 0.3))
		script->more_percent = (uint8_t)rng_between(&s->rng, 1, 60);
	if (chance(s, 0.2))
		script->peek_percent = (uint8_t)rng_between(&s->rng, 1, 100);
	if (chance(s, 0.15))
		script->pause_us = (uint32_t)draw_log(s, 10, 100 * MS);
	if (chance(s, 0.15)) {
		script->read_gap_us = (uint32_t)draw_log(s, 10, 100 * MS);
		s->events[SIM_SLOW_READERS]++;
	}
	if (chance(s, 0.15)) {
		script->stop_at = 1 + rng_below(&s->rng, (uint64_t)max_bytes / 4 + 1);
		script->stop_us = draw_log(s, 10 * MS, 20 * SECOND);
	}
}

/* Requests and answers of a calm seed: one after the other, mostly. */
static void
draw_calm_script(struct sim *s, struct sim_script *script)
{
	*script = (struct sim_script){
		.bytes = draw_log(s, 1, 30000),
		.write_max = (uint32_t)draw_log(s, 200, 4000),
		.read_max = 60000,
		.pause_us = (uint32_t)draw_log(s, 50, 50 * MS),
		.nodelay = chance(s, 0.5),
		.by_reference = chance(s, 0.3),
	};
}

/*
 * Keep-alives that do not give up before the link is whole again, and one has had the time to be
 * answered; unless giving up is part of the game.
 */
static void
draw_keepalive(struct sim *s, struct sim_script *script)
{
	script->keepidle_s = (uint8_t)rng_between(&s->rng, 1, 10);
	script->keepintvl_s = (uint8_t)rng_between(&s->rng, 1, 10);
	script->keepcnt = (uint8_t)(s->may_time_out ? rng_between(&s->rng, 1, 9)
						    : 50u / script->keepintvl_s + 2);
	s->events[SIM_KEEPALIVES]++;
}

static void
draw_options(struct sim *s, struct sim_script *script, double max_bytes)
{
	if (chance(s, 0.1) && script->bytes > 0)
		script->urgent_at = rng_between(&s->rng, 1, script->bytes);
	script->oob_inline = chance(s, 0.3);
	if (chance(s, 0.15))
		script->cork_percent = (uint8_t)rng_between(&s->rng, 1, 60);
	if (chance(s, 0.12)) {
		script->rcvbuf_at = rng_below(&s->rng, (uint64_t)max_bytes / 2 + 1);
		script->rcvbuf_bytes = (int)draw_log(s, 2304, 250000);
	}
	if (chance(s, 0.12)) {
		script->sndbuf_at = rng_below(&s->rng, script->bytes + 1);
		script->sndbuf_bytes = (int)draw_log(s, 2304, 250000);
	}
	if (chance(s, 0.15))
		draw_keepalive(s, script);
}

static void
draw_endings(struct sim *s, struct sim_conn *conn)
{
	unsigned int side = (unsigned int)rng_below(&s->rng, 2);
	struct sim_script *a = &conn->script[side], *b = &conn->script[!side];

	a->ending = b->ending = SIM_SHUTDOWN;
	conn->graceful = true;
	if (chance(s, 0.4)) {
		a->ending = SIM_CLOSE_AT_END;
	} else if (chance(s, 0.2)) {
		a->ending = SIM_CLOSE_AT_ONCE;
		conn->graceful = b->bytes == 0;
	} else if (chance(s, 0.15)) {
		a->ending = chance(s, 0.5) ? SIM_ABORT : SIM_LINGER_ABORT;
		a->abort_at = rng_below(&s->rng, a->bytes + b->bytes + 2);
		conn->graceful = false;
	}
}

static void
draw_users(struct sim *s)
{
	double many = rng_unit(&s->rng), max_bytes;
	bool together = chance(s, 0.5);

	s->n_conns = many < 0.6    ? 1
		     : many < 0.92 ? (unsigned int)rng_between(&s->rng, 2, 8)
				   : (unsigned int)rng_between(&s->rng, 9, SIM_CONNS);
	max_bytes = (chance(s, 0.03) ? 3e6 : 4e5) / s->n_conns;
	s->backlog = chance(s, 0.15) ? (int)rng_between(&s->rng, 0, 3) : 128;
	if (chance(s, 0.15))
		s->accept_gap_us = draw_log(s, 100, 100 * MS);
	for (unsigned int i = 0; i < s->n_conns; i++) {
		struct sim_conn *conn = &s->conns[i];

		*conn = (struct sim_conn){
			.client = (unsigned int)rng_below(&s->rng, 2),
			.open_at_us = s->start_us + (together ? 0 : draw_log(s, 1, 2 * SECOND)),
		};
		for (unsigned int side = 0; side < 2; side++)
			if (s->calm)
				draw_calm_script(s, &conn->script[side]);
			else
				draw_script(s, &conn->script[side], max_bytes);
		for (unsigned int side = 0; side < 2 && !s->calm; side++)
			draw_options(s, &conn->script[side], max_bytes);
		draw_endings(s, conn);
	}
}

/* ---- Sequence numbers near their end */

/*
 * The first connection's ISS lies just before the wrap: a secret is looked for under which it does,
 * as the engine would draw one in 65,536.
 */
static void
draw_wrap(struct sim *s, unsigned int side)
{
	const struct sim_conn *conn = &s->conns[0];
	struct tcp_engine *e = s->pair.side[side].engine;
	bool client = side == conn->client;
	struct tcp_tuple tuple = {
		.local = s->pair.side[side].ip,
		.remote = s->pair.side[!side].ip,
		.lport = be16(client ? SIM_PORT : OBSERVER_PORT),
		.rport = be16(client ? OBSERVER_PORT : SIM_PORT),
	};

	for (unsigned int i = 0; i < 400000; i++) {
		uint64_t random = rng_next(&s->rng);

		memcpy(e->numbers_secret, &random, sizeof(random));
		if (tcp_new_numbers(e, &tuple).iss >= 0xffffffffu - (1u << 16))
			return;
	}
}

/* ---- All of it */

static bool
had_cookie(void *ctx, unsigned int side)
{
	struct sim *s = ctx;
	struct tcp_stats stats;

	tcp_stats_read(s->pair.side[side].engine, &stats);
	return stats.syncookies_received + s->moving.past[side].syncookies_received > 0;
}

static uint64_t
users_time_us(const struct sim *s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++) {
			const struct sim_script *u = &s->conns[i].script[side];
			uint64_t writes = u->bytes * 2 / u->write_max + 1;
			uint64_t reads = s->conns[i].script[!side].bytes; /* of a byte, at worst */

			/* Pauses are twice as long at most. */
			sum += writes * 2 * u->pause_us + reads / 100 * 2 * u->read_gap_us +
			       u->stop_us + 2 * s->accept_gap_us;
		}
	return sum;
}

static uint64_t
segments(const struct sim *s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++) {
			const struct sim_script *u = &s->conns[i].script[side];

			sum += 10 + u->bytes / 400 + u->bytes * 2 / u->write_max;
		}
	return sum;
}

bool
sim_is_calm(uint64_t seed)
{
	return seed % 5 == 2;
}

void
sim_draw(struct sim *s, struct sim_pools *pools)
{
	struct pair_setup setup = {.config = {&s->config[0], &s->config[1]}, .seed = s->seed};
	static const uint16_t mtus[] = {1500, 1500, 1500, 1400, 1280, 1992};
	uint16_t mtu[2];

	s->rng.state = s->seed;
	/* By the seed itself, as above. */
	s->calm = sim_is_calm(s->seed);
	s->events[SIM_CALM] += s->calm;
	setup.ipv6 = chance(s, 0.4);
	s->events[setup.ipv6 ? SIM_IPV6 : SIM_IPV4]++;
	/* Millisecond clocks wrap, too. */
	s->start_us = chance(s, 0.2) ? (UINT64_C(1) << 32) * 1000 - rng_below(&s->rng, 20 * SECOND)
				     : 1 + rng_below(&s->rng, UINT64_C(1) << 44);
	setup.start_us = s->start_us;
	s->heal_us = s->start_us + draw_log(s, 50 * MS, 30 * SECOND);
	for (unsigned int side = 0; side < 2; side++) {
		draw_config(s, side);
		mtu[side] = mtus[rng_below(&s->rng, RTE_DIM(mtus))];
		setup.pools[side] = &pools->plenty;
		if (chance(s, 0.04)) {
			setup.pools[side] = &pools->scarce;
			s->scarce[side] = true;
		}
		s->events[SIM_SCARCE_MEMORY] += s->scarce[side];
	}
	pair_start_with(&s->pair, &setup);
	s->pair.ctx = s;
	s->pair.burst = (unsigned int)rng_between(&s->rng, 1, 64);
	s->pair.rx_checks_checksums = chance(s, 0.3);
	if (chance(s, 0.3))
		s->pair.poll_us = draw_log(s, 2, 300);
	observer_init(&s->observer);
	s->observer.fail = sim_fail;
	s->observer.had_cookie = had_cookie;
	s->observer.ctx = s;
	for (unsigned int side = 0; side < 2; side++) {
		draw_device(s, side, mtu[side]);
		draw_link(s, side, mtu[side]);
	}
	if (!s->calm)
		draw_outages(s);
	s->icmp_lost = chance(s, 0.5);
	draw_users(s);
	/*
	 * SYNs and ACKs that always meet a full queue, all at the same times, are given up. Or
	 * cookies answer them, and what follows a lost ACK is reset, as on Linux.
	 */
	for (unsigned int side = 0; side < 2; side++)
		s->may_time_out |= s->n_conns > s->config[side].max_requests ||
				   s->n_conns >= (unsigned int)s->backlog;
	s->wrap = chance(s, 0.1);
	if (s->wrap) {
		for (unsigned int side = 0; side < 2; side++)
			s->conns[0].script[side].bytes += 1u << 16;
		draw_endings(s, &s->conns[0]);
		s->conns[0].open_at_us = s->start_us;
		draw_wrap(s, 0);
		draw_wrap(s, 1);
	}
	s->longest_rtt_us = link_longest_us(&s->pair.side[0].link, mtu[0]) +
			    link_longest_us(&s->pair.side[1].link, mtu[1]) + 2 * s->pair.poll_us +
			    200 * MS; /* of a delayed acknowledgment */
	/* SRTT + 4 RTTVAR, with RTTVAR at most RTT (RFC 6298 §2), and the bounds below it. */
	s->observer.rto_us = RTE_MAX(5 * s->longest_rtt_us + 200 * MS, (uint64_t)SECOND);
	/*
	 * When the link is whole, the longest that a timer can have backed off to passes; then one
	 * segment a round trip would be slow.
	 */
	s->deadline_us = s->heal_us + 4 * 120 * (uint64_t)SECOND + users_time_us(s) +
			 segments(s) * s->longest_rtt_us;
	/*
	 * Who may hold few buffers drops most of a large window, and what was dropped comes again
	 * by time-outs that, without timestamps, no acknowledgment shortens (Karn): a dozen
	 * segments in each.
	 */
	if (s->scarce[0] || s->scarce[1])
		s->deadline_us += segments(s) * 120 * (uint64_t)SECOND / 12;
}
