/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One simulation from start to end, and what must hold:
 *
 *   - all bytes arrive intact and in order: app.c; what passes the link is right: observer.c;
 *   - nobody is stuck: while a user wants something there is a timer, a packet under way, or a
 * pause that a user chose; who has something outstanding does not fall silent (observer.c); and all
 *     is done in the time that a segment a round trip would take;
 *   - no storm: an engine that is woken has something to do, and what is sent is in proportion;
 *   - at the end nothing is held: no connection, record, range or mbuf; and the counters agree with
 *     what the link has seen.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

enum {
	STEPS_AT_ONE_TIME = 1000,
	WHEEL_LEVELS_AND_ONE = 7, /* what a timer may sink before it fires */
};

void
sim_pools_make(struct sim_pools *pools)
{
	pair_pools_make(&pools->plenty, "plenty", PAIR_POOL_MBUFS);
	pair_pools_make(&pools->scarce, "scarce", 63);
	/* What is on the link is nobody's. */
	rte_mempool_free(pools->scarce.rx);
	pools->scarce.rx = pools->plenty.rx;
}

bool
sim_pools_free(struct sim_pools *pools)
{
	bool good = pair_pools_are_full(&pools->plenty) && pair_pools_are_full(&pools->scarce);

	pools->scarce.rx = NULL;
	pair_pools_free(&pools->scarce);
	pair_pools_free(&pools->plenty);
	return good;
}

uint64_t
sim_now(const struct sim *s)
{
	return s->pair.now_us;
}

void
sim_fail(void *sim, const char *format, ...)
{
	struct sim *s = sim;
	va_list args;

	if (s->failed)
		return;
	s->failed = true;
	printf("seed %" PRIu64 ", after %" PRIu64 " us: ", s->seed, sim_now(s) - s->start_us);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n  again: build/test/sim/sim --seed %" PRIu64 "%s --verbose\n", s->seed,
	       s->moving.on ? " --moves" : "");
}

/* ---- What passes the link */

static void
print_packet(const struct sim *s, unsigned int side, bool sent, const struct rte_mbuf *m)
{
	const struct tcp_header *tcp =
		rte_pktmbuf_mtod_offset(m, const struct tcp_header *, m->l3_len);
	unsigned int bytes = (unsigned int)(tcp->data_off >> 4) * 4;
	unsigned int len = m->pkt_len - m->l3_len - bytes;

	printf("%12.6f side %u %s %u>%u %s%s%s%s%s%s %u:%u(%u) ack %u win %u%s%s",
	       (double)(sim_now(s) - s->start_us) * 1e-6, side, sent ? "sends" : "gets ",
	       be16_get(tcp->sport), be16_get(tcp->dport), tcp->flags & TCP_SYN ? "S" : "",
	       tcp->flags & TCP_FIN ? "F" : "", tcp->flags & TCP_RST ? "R" : "",
	       tcp->flags & TCP_PSH ? "P" : "", tcp->flags & TCP_ECE ? "E" : "",
	       tcp->flags & TCP_CWR ? "W" : ".", be32_get(tcp->seq), be32_get(tcp->seq) + len, len,
	       be32_get(tcp->ack), be16_get(tcp->wnd),
	       m->hash.usr & LINK_CORRUPTED && !sent ? " corrupted" : "",
	       m->hash.usr & LINK_DUPLICATE && !sent ? " duplicate" : "");
	for (unsigned int i = 20; i < bytes; i++)
		printf("%s%02x", i % 4 ? "" : " ", ((const uint8_t *)tcp)[i]);
	printf("\n");
}

static void
hash_packet(struct sim *s, unsigned int side, const struct rte_mbuf *m)
{
	uint64_t word = sim_now(s) ^ side;
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

	for (unsigned int i = 0; i < m->data_len; i += 8) {
		s->hash = (s->hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		s->hash ^= s->hash >> 29;
		word = 0;
		memcpy(&word, data + i, RTE_MIN(8u, m->data_len - i));
	}
	s->hash = (s->hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

static void
on_sent(void *ctx, unsigned int side, const struct rte_mbuf *m)
{
	struct sim *s = ctx;

	if (s->failed)
		return;
	hash_packet(s, side, m);
	if (s->verbose)
		print_packet(s, side, true, m);
	observer_sent(&s->observer, sim_now(s), side, m);
}

static void
on_arrived(void *ctx, unsigned int side, const struct rte_mbuf *m)
{
	struct sim *s = ctx;

	if (s->failed)
		return;
	if (s->verbose)
		print_packet(s, side, false, m);
	observer_arrived(&s->observer, sim_now(s), side, m);
}

static void
on_icmp(void *ctx, unsigned int side, const struct tcp_icmp *icmp)
{
	struct sim *s = ctx;

	if (s->verbose)
		printf("%12.6f side %u gets  ICMP: MTU %u\n",
		       (double)(sim_now(s) - s->start_us) * 1e-6, side, icmp->mtu);
	observer_icmp(&s->observer, side, icmp);
}

/* ---- Nobody is stuck */

static void
check_silence(struct sim *s)
{
	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++) {
			const struct sim_user *u = &s->conns[i].user[side];
			struct observer_conn *c = s->conns[i].seen;

			if (u->c == NULL || u->folded != NULL || !u->connected || c->reset ||
			    c->reborn)
				continue;
			/* Given up, which its user has not asked yet. */
			if (tcp_state(u->c) == TCP_CLOSED)
				continue;
			/* A partial segment with MSG_MORE may wait: for less than an RTO. */
			observer_silence(&s->observer, sim_now(s), c, side, u->written + u->shut);
		}
}

static int64_t
timer_in_us(const struct pair_side *side, uint64_t now_us)
{
	return side->engine != NULL
		       ? (int64_t)(tcp_next_timer(side->engine) - side->clock_us - now_us)
		       : -1;
}

static void
print_stuck(const struct sim *s)
{
	for (unsigned int side = 0; side < 2; side++)
		printf("  side %u: %" PRIu64 " packets sent, %" PRIu64 " received, next timer in "
		       "%" PRId64 " us, next packet leaves the link in %" PRId64 " us\n",
		       side, s->pair.side[side].transmitted, s->pair.side[side].received,
		       timer_in_us(&s->pair.side[side], sim_now(s)),
		       (int64_t)(link_next_us(&s->pair.side[side].link) - sim_now(s)));
	sim_print_conns(s);
	for (unsigned int side = 0; side < 2; side++) {
		struct tcp_stats stats;
		const uint64_t *value = (const uint64_t *)&stats;

		if (s->pair.side[side].engine == NULL)
			continue;
		tcp_stats_read(s->pair.side[side].engine, &stats);
		printf("  side %u:", side);
		for (unsigned int i = 0; i < TCP_STATS_COUNT; i++)
			if (value[i] != 0)
				printf(" %s %" PRIu64, tcp_stats_names[i], value[i]);
		printf("\n");
	}
}

/* How often both sides may have looked at all connections: see tcp/fold.c. */
static uint64_t
looks_for_idle(const struct sim *s)
{
	uint32_t after_ms = s->config[0].fold_after_ms;

	if (after_ms == 0)
		return 0;
	return (sim_now(s) - s->start_us) / (after_ms * UINT64_C(500)) * 2 * 11;
}

static void
check_storm(struct sim *s, uint64_t before_us, unsigned int *at_one_time)
{
	const struct pair *p = &s->pair;
	uint64_t packets = p->side[0].transmitted + p->side[1].transmitted + p->side[0].received +
			   p->side[1].received;

	*at_one_time = sim_now(s) == before_us ? *at_one_time + 1 : 0;
	if (*at_one_time > STEPS_AT_ONE_TIME)
		sim_fail(s, "time stands still: an engine or a user wants to run again and again");
	if (p->idle_steps >
		    looks_for_idle(s) +
			    WHEEL_LEVELS_AND_ONE * (packets + s->user_runs + 10 * s->n_conns) +
			    100 &&
	    !s->scarce[0] && !s->scarce[1])
		sim_fail(s,
			 "%" PRIu64 " of %" PRIu64 " wake-ups did nothing, with %" PRIu64
			 " packets",
			 p->idle_steps, p->steps, packets);
}

static bool
transfer(struct sim *s)
{
	uint64_t checked_us = 0, before_us = 0, next;
	unsigned int at_one_time = 0;

	while (!s->failed && !sim_users_are_done(s)) {
		next = RTE_MIN(pair_next_us(&s->pair), sim_users_next_us(s));
		next = RTE_MIN(next, sim_moves_next_us(s));
		if (next == UINT64_MAX || sim_now(s) > s->deadline_us) {
			if (sim_users_give_up(s) || (next == UINT64_MAX && s->may_time_out))
				break;
			sim_fail(s, next == UINT64_MAX
					    ? "nothing will ever happen again, but a user waits"
					    : "not done after all that the link can explain");
			break;
		}
		before_us = sim_now(s);
		pair_step(&s->pair, next);
		check_storm(s, before_us, &at_one_time);
		if (sim_now(s) - checked_us >= s->observer.rto_us / 8) {
			check_silence(s);
			checked_us = sim_now(s);
		}
	}
	return !s->failed;
}

/* ---- The end */

static bool
is_over(const struct pair_side *side)
{
	struct tcp_usage u;

	tcp_usage(side->engine, &u);
	return u.conns == 0 && u.requests == 0 && u.flows == 0;
}

/* Lets what the engines still have to do by themselves come to its end. */
static void
drain(struct sim *s)
{
	/* An orphan's retries, each of 120 s at most, and TIME-WAIT. */
	uint64_t limit = RTE_MAX(sim_now(s), s->heal_us) + 10 * UINT64_C(120000000) +
			 UINT64_C(60000000) + s->longest_rtt_us;
	uint64_t next, before_us;
	unsigned int at_one_time = 0;

	for (unsigned int side = 0; side < 2; side++)
		tcp_close(s->listener[side]);
	do {
		before_us = sim_now(s);
		next = pair_next_us(&s->pair);
		if (next == UINT64_MAX)
			break;
		pair_step(&s->pair, next);
		check_storm(s, before_us, &at_one_time);
	} while (!s->failed && next < limit);
	for (unsigned int side = 0; side < 2 && !s->failed; side++)
		if (!is_over(&s->pair.side[side]))
			sim_fail(s, "side %u still holds something when all is over", side);
}

static void
count_links(struct sim *s)
{
	for (unsigned int side = 0; side < 2; side++) {
		const struct link_counts *c = &s->pair.side[side].link.counts;

		s->events[SIM_PACKETS] += c->put;
		s->events[SIM_LOST_RANDOM] += c->lost_random;
		s->events[SIM_LOST_BURST] += c->lost_burst;
		s->events[SIM_LOST_PATTERN] += c->lost_pattern;
		s->events[SIM_LOST_OUTAGE_ONE_WAY] += c->lost_outage;
		s->events[SIM_LOST_OUTAGE_BOTH_WAYS] += c->lost_outage_both;
		s->events[SIM_LOST_QUEUE] += c->lost_queue;
		s->events[SIM_LOST_MTU] += c->lost_mtu;
		s->events[SIM_CORRUPTED] += c->corrupted;
		s->events[SIM_DUPLICATED] += c->duplicated;
		s->events[SIM_HELD_BACK] += c->held_back;
		s->events[SIM_MARKED_CE] += c->marked;
	}
	s->events[SIM_ZERO_WINDOWS] += s->observer.zero_windows;
	for (unsigned int i = 0; i < s->observer.n_conns; i++)
		for (unsigned int side = 0; side < 2; side++) {
			const struct observer_half *h = &s->observer.conns[i].half[side];

			s->events[SIM_WRAPS] += h->iss_known && h->iss + (seq_t)h->arrived < h->iss;
		}
}

/* Of a side's engines, one after the other. */
static void
read_stats(struct sim *s, unsigned int side, struct tcp_stats *stats)
{
	const uint64_t *past = (const uint64_t *)&s->moving.past[side];
	uint64_t *value = (uint64_t *)stats;

	tcp_stats_read(s->pair.side[side].engine, stats);
	for (unsigned int i = 0; i < TCP_STATS_COUNT; i++)
		value[i] += past[i];
}

#define EXPECT(s, a, relation, b)                                                                  \
	do {                                                                                       \
		uint64_t value_a = (a), value_b = (b);                                             \
		if (!(value_a relation value_b))                                                   \
			sim_fail(s, "side %u: %s is %" PRIu64 ", %s is %" PRIu64, side, #a,        \
				 value_a, #b, value_b);                                            \
	} while (0)

static void
check_counters(struct sim *s)
{
	struct tcp_stats stats[2];
	bool graceful = !s->may_time_out;

	for (unsigned int i = 0; i < s->n_conns; i++)
		graceful &= s->conns[i].graceful;
	for (unsigned int side = 0; side < 2; side++)
		read_stats(s, side, &stats[side]);
	for (unsigned int side = 0; side < 2; side++) {
		const struct tcp_stats *own = &stats[side], *peer = &stats[!side];
		const struct pair_side *p = &s->pair.side[side];

		sim_count_stats(s, own);
		EXPECT(s, own->segs_out, ==, p->transmitted);
		EXPECT(s, own->segs_in, ==, p->received);
		EXPECT(s, p->beyond_limits, ==, 0);
		EXPECT(s, own->bytes_acked, <=, own->bytes_out);
		/* A cookie may bring a connection back that has gone: nobody remembers it. */
		if (peer->syncookies_received == 0)
			EXPECT(s, peer->bytes_in, <=, own->bytes_out);
		EXPECT(s, own->retransmits, <=, own->segs_out);
		/* A packet corrupted may have been duplicated. */
		EXPECT(s,
		       own->drop_checksum + own->drop_bad_option + own->drop_data_offset +
			       own->drop_short + own->drop_bad_source,
		       <=, 2 * s->pair.side[!side].link.counts.corrupted);
		EXPECT(s, own->drop_flow_table, ==, 0);
		if (graceful && peer->syncookies_received == 0) {
			EXPECT(s, own->bytes_out, ==, peer->bytes_in);
			/* A TIME-WAIT shorter than the loss lasts leaves its peer's FIN to a reset.
			 */
			if (own->rsts_in == 0 && own->timeouts == 0)
				EXPECT(s, own->bytes_acked, ==, own->bytes_out);
		}
	}
}

bool
sim_run(struct sim *s, struct sim_pools *pools, uint64_t seed, unsigned int how)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->verbose = (how & SIM_VERBOSE) != 0;
	s->general = (how & SIM_GENERAL) != 0;
	sim_draw(s, pools);
	if (how & SIM_WITH_MOVES)
		sim_moves_draw(s);
	s->pair.on_sent = on_sent;
	s->pair.on_arrived = on_arrived;
	s->pair.on_icmp = on_icmp;
	s->pair.users = sim_users_run;
	sim_users_start(s);
	if (transfer(s))
		drain(s);
	if (s->failed)
		print_stuck(s);
	else
		sim_users_check(s);
	count_links(s);
	if (!s->failed)
		check_counters(s);
	if (!s->failed)
		sim_moves_check(s);
	if (s->failed) {
		/* What is left is no news; the engines free it. */
		for (unsigned int side = 0; side < 2; side++) {
			link_clear(&s->pair.side[side].link);
			rte_pktmbuf_free_bulk(s->pair.side[side].inbox, s->pair.side[side].n_inbox);
			tcp_engine_destroy(s->pair.side[side].engine);
		}
	} else if (!pair_end(&s->pair)) {
		sim_fail(s, "something is left over");
	}
	sim_moves_clear(s);
	observer_clear(&s->observer);
	return !s->failed;
}
