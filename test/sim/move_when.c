/* SPDX-License-Identifier: BSD-3-Clause */
/* Which connections are moved, how and when; and whose process dies, to have a successor. */
#include <math.h>
#include <stdio.h>

#include "move.h"
#include "tcp/engine.h"

enum {
	SECOND = 1000 * 1000,
	PAUSES_US = 12 * SECOND, /* in all: keep-alives must not give up meanwhile */
	STOP_BYTES = 300000,
	HELD_ENOUGH = 1000, /* received buffers that an engine may hold */
};

bool
sim_move_chance(struct sim *s, double probability)
{
	return rng_chance(&s->moving.rng, probability);
}

/* One reader stops for as long as it takes to be moved with its window shut. */
static void
stop_reader(struct sim *s)
{
	struct rng *r = &s->moving.rng;
	struct sim_conn *conn = &s->conns[rng_below(r, s->n_conns)];
	unsigned int side = (unsigned int)rng_below(r, 2);
	struct sim_script *reader = &conn->script[side], *writer = &conn->script[!side];

	if (!conn->graceful || reader->ending == SIM_CLOSE_AT_ONCE || writer->bytes > STOP_BYTES ||
	    s->n_conns > 4)
		return;
	writer->bytes = STOP_BYTES;
	writer->write_max = RTE_MAX(writer->write_max, 4096u);
	reader->read_max = RTE_MAX(reader->read_max, 4096u);
	reader->stop_at = 1 + rng_below(r, 10000);
	reader->stop_us = rng_between(r, SECOND, 8 * SECOND);
	s->moving.gap_us = reader->stop_us / 10;
	s->moving.at_wake = 0;
	s->deadline_us += reader->stop_us + STOP_BYTES / 400 * s->longest_rtt_us;
}

void
sim_moves_draw(struct sim *s)
{
	struct sim_moving *m = &s->moving;

	m->on = true;
	m->rng.state = s->seed ^ UINT64_C(0x6d6f766573);
	m->left = (unsigned int)rng_log(&m->rng, 1, 30);
	m->gap_us = (uint64_t)rng_log(&m->rng, 200, 2 * SECOND);
	if (sim_move_chance(s, 0.5))
		m->at_wake = rng_log(&m->rng, 0.001, 0.2);
	if (sim_move_chance(s, 0.25))
		stop_reader(s);
	m->pauses_us = PAUSES_US;
	for (unsigned int side = 0; side < 2; side++)
		m->next_us[side] = s->start_us + rng_below(&m->rng, 2 * m->gap_us);
	/* A time-out of the peer may be backed off by as long as a pause takes. */
	s->deadline_us += 4 * (uint64_t)PAUSES_US + m->left * s->observer.rto_us;
}

/* ---- Who and when */

/* Where buffers are scarce, what has been received in the device's finds no room in the engine's;
 * and where an engine may hold few, others have filled it meanwhile. */
static bool
has_room(const struct sim *s, unsigned int side)
{
	return s->pair.pools_of[side]->data->size >= PAIR_POOL_MBUFS &&
	       s->config[side].max_held_bufs >= HELD_ENOUGH;
}

static bool
is_movable(const struct sim *s, const struct sim_user *u)
{
	return u->c != NULL && (u->folded != NULL || tcp_state(u->c) > TCP_LISTEN) &&
	       u->conn->seen != NULL && has_room(s, u->side);
}

static enum sim_way
draw_way(struct sim *s, const struct sim_user *u, bool may_freeze)
{
	if (may_freeze && sim_move_chance(s, 0.15))
		return SIM_FREEZE;
	return sim_calls_can_move(u) && !s->scarce[u->side] && sim_move_chance(s, 0.3)
		       ? SIM_BY_CALLS
		       : SIM_BY_CHECKPOINT;
}

static uint64_t
draw_pause(struct sim *s)
{
	uint64_t pause_us =
		sim_move_chance(s, 0.2) ? 0 : (uint64_t)rng_log(&s->moving.rng, 10, 3 * SECOND);

	pause_us = RTE_MIN(pause_us, s->moving.pauses_us);
	s->moving.pauses_us -= pause_us;
	return pause_us;
}

/* Those in SYN-SENT, who have little to take along, only now and then. */
static unsigned int
movable_users(struct sim *s, unsigned int side, struct sim_user **users)
{
	bool opening = sim_move_chance(s, 0.05);
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_conns; i++) {
		struct sim_user *u = &s->conns[i].user[side];

		sim_user_unfold(s, u);
		if (is_movable(s, u) && (opening || tcp_state(u->c) != TCP_SYN_SENT))
			users[n++] = u;
	}
	return n;
}

static bool
may_die(struct sim *s, unsigned int side, unsigned int n)
{
	struct tcp_usage u;

	tcp_usage(s->pair.side[side].engine, &u);
	for (unsigned int i = 0; i < s->n_conns; i++) {
		const struct sim_user *user = &s->conns[i].user[side];

		if (user->away != NULL && user->away->way == SIM_FREEZE)
			return false;
	}
	return u.conns == n + u.listeners && u.requests == 0 && u.timewait == 0;
}

static void
kill_side(struct sim *s, unsigned int side, uint64_t revive_us)
{
	uint64_t *past = (uint64_t *)&s->moving.past[side];
	struct tcp_stats stats;
	const uint64_t *value = (const uint64_t *)&stats;

	tcp_close(s->listener[side]);
	s->listener[side] = NULL;
	/* What has left for the peer is on its way. */
	tcp_flush(s->pair.side[side].engine);
	tcp_stats_read(s->pair.side[side].engine, &stats);
	for (unsigned int i = 0; i < TCP_STATS_COUNT; i++)
		past[i] += value[i];
	pair_kill(&s->pair, side);
	s->moving.revive_us[side] = revive_us;
	s->events[SIM_NEW_ENGINES]++;
}

/* Its clock begins anywhere, and may be young or about to wrap. */
static void
revive_side(struct sim *s, unsigned int side)
{
	struct rng *r = &s->moving.rng;
	uint64_t begins_us = sim_move_chance(s, 0.2)
				     ? (UINT64_C(1) << 32) * 1000 - rng_below(r, SECOND)
			     : sim_move_chance(s, 0.5) ? (uint64_t)rng_log(r, 1, 100 * SECOND)
						       : 1 + rng_below(r, UINT64_C(1) << 44);

	if (s->verbose)
		printf("%12.6f side %u has a new engine\n",
		       (double)(sim_now(s) - s->start_us) * 1e-6, side);
	s->moving.revive_us[side] = 0;
	pair_revive(&s->pair, side, &s->config[side], begins_us - sim_now(s));
	tcp_set_restoring(s->pair.side[side].engine, true);
	sim_listen(s, side);
	s->accept_ready[side] = true;
}

static void
move_side(struct sim *s, unsigned int side)
{
	struct sim_user *users[SIM_CONNS];
	unsigned int n = movable_users(s, side, users);
	uint64_t back_us;
	bool die;

	if (n == 0) {
		s->user_runs++;
		return;
	}
	back_us = sim_now(s) + draw_pause(s);
	die = sim_move_chance(s, 0.4) && may_die(s, side, n);
	s->user_runs++;
	if (s->moving.left > 0)
		s->moving.left--;
	if (die || sim_move_chance(s, 0.2)) {
		for (unsigned int i = 0; i < n; i++)
			sim_move_out(s, users[i], draw_way(s, users[i], !die), back_us);
	} else {
		struct sim_user *u = users[rng_below(&s->moving.rng, n)];

		sim_move_out(s, u, draw_way(s, u, true), back_us);
	}
	if (die)
		kill_side(s, side, back_us);
}

/* A checkpoint of a connection that stays leaves no trace. */
static void
keep_checkpoint(struct sim *s, unsigned int side)
{
	struct sim_user *users[SIM_CONNS];
	unsigned int n = movable_users(s, side, users);
	struct tcp_checkpoint c;

	if (n == 0)
		return;
	n = (unsigned int)rng_below(&s->moving.rng, n);
	if (tcp_checkpoint(users[n]->c, &c) != 0 || !tcp_checkpoint_is_sound(&c))
		sim_fail(s, "side %u has no sound checkpoint", side);
	s->events[SIM_CHECKPOINTS_KEPT]++;
}

static void
bring_back(struct sim *s, unsigned int side)
{
	bool waits = false;

	for (unsigned int i = 0; i < s->n_conns && !s->failed; i++) {
		struct sim_user *u = &s->conns[i].user[side];

		if (u->away != NULL && u->away->back_us <= sim_now(s))
			sim_move_in(s, u);
		waits |= u->away != NULL;
	}
	if (!waits)
		tcp_set_restoring(s->pair.side[side].engine, false);
}

void
sim_moves_run(struct sim *s, unsigned int side)
{
	struct sim_moving *m = &s->moving;
	bool due;

	if (!m->on || s->failed)
		return;
	if (s->pair.side[side].engine == NULL) {
		if (sim_now(s) < m->revive_us[side])
			return;
		revive_side(s, side);
	}
	bring_back(s, side);
	if (m->left == 0 || s->failed)
		return;
	due = sim_now(s) >= m->next_us[side];
	if (due)
		m->next_us[side] = sim_now(s) + 1 + rng_below(&m->rng, 2 * m->gap_us);
	if (!due && !(m->at_wake > 0 && sim_move_chance(s, m->at_wake)))
		return;
	if (sim_move_chance(s, 0.1))
		keep_checkpoint(s, side);
	else
		move_side(s, side);
	/* A pause of no time is over. */
	if (s->pair.side[side].engine == NULL && m->revive_us[side] <= sim_now(s))
		revive_side(s, side);
	if (s->pair.side[side].engine != NULL)
		bring_back(s, side);
}

static bool
anyone_is_movable(const struct sim *s, unsigned int side)
{
	for (unsigned int i = 0; i < s->n_conns; i++)
		if (is_movable(s, &s->conns[i].user[side]))
			return true;
	return false;
}

uint64_t
sim_moves_next_us(const struct sim *s)
{
	const struct sim_moving *m = &s->moving;
	uint64_t next = UINT64_MAX;

	if (!m->on)
		return next;
	for (unsigned int side = 0; side < 2; side++) {
		if (s->pair.side[side].engine == NULL)
			next = RTE_MIN(next, m->revive_us[side]);
		else if (m->left > 0 && anyone_is_movable(s, side))
			next = RTE_MIN(next, m->next_us[side]);
		for (unsigned int i = 0; i < s->n_conns; i++)
			if (s->conns[i].user[side].away != NULL &&
			    s->pair.side[side].engine != NULL)
				next = RTE_MIN(next, s->conns[i].user[side].away->back_us);
	}
	return next;
}
