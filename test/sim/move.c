/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that are moved while they are used: at moments that the seed decides one is taken out
 * of its engine, to be put back a while later; or its side's whole process dies, and another, on a
 * clock of its own and with secrets of its own, takes over all that it had.
 *
 *     engine -- checkpoint --> bytes, or an image -- restore --> the same engine, or its successor
 *
 * What must hold besides all that holds without moves: a connection that was restored is, row by
 * row, what was saved; it sends segments as large as before; where nothing else is lost, what is
 * sent again is at most what was outstanding when it came back.
 *
 * A process dies only when each of its connections has a user who can take it along: what else it
 * has (half-open connections, those that their user has closed, TIME-WAIT) would be lost rightly.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "move.h"
#include "tcp/engine.h"

enum { OPT_TCP_REPAIR = 19 };

/* ---- Out */

static uint8_t *
bytes_of(const struct rte_mbuf *m, uint32_t bytes)
{
	uint8_t *all = malloc(bytes + 1u);
	uint32_t at = 0;

	if (all == NULL)
		abort();
	for (; m != NULL && at + m->data_len <= bytes; at += m->data_len, m = m->next)
		memcpy(all + at, rte_pktmbuf_mtod(m, const void *), m->data_len);
	return all;
}

static void
set_repair(struct sim *s, struct sim_user *u, int how)
{
	tcp_set_privileged(u->c, true);
	if (tcp_setsockopt(u->c, IPPROTO_TCP, OPT_TCP_REPAIR, &how, sizeof(how)) != 0)
		sim_fail(s, "side %u cannot set TCP_REPAIR to %d", u->side, how);
}

static void
take_checkpoint(struct sim *s, struct sim_user *u, struct sim_away *a)
{
	struct tcp_checkpoint *c = &a->saved;

	/* As a user does who takes his time: time stands still for what is in repair. */
	if (sim_move_chance(s, 0.5))
		set_repair(s, u, 1);
	if (tcp_checkpoint(u->c, c) != 0) {
		sim_fail(s, "side %u cannot be saved in %s", u->side,
			 tcp_state_name(tcp_state(u->c)));
		return;
	}
	if (sim_move_chance(s, 0.5)) {
		sim_image_save(s, u, a);
		s->events[SIM_MOVES_BY_IMAGE]++;
	}
	a->recvq = bytes_of(c->recvq, c->recvq_bytes);
	a->sendq = bytes_of(c->sendq, c->sendq_bytes);
	c->recvq = c->sendq = NULL;
	tcp_close_silently(u->c);
}

/* What is away behaves as if it were not: its user is asleep, what arrives is lost. */
void
sim_move_out(struct sim *s, struct sim_user *u, enum sim_way way, uint64_t back_us)
{
	struct sim_away *a = calloc(1, sizeof(*a));

	if (a == NULL)
		abort();
	if (s->verbose)
		printf("%12.6f side %u port %u goes %s in %s for %" PRIu64 " us\n",
		       (double)(sim_now(s) - s->start_us) * 1e-6, u->side, u->conn->seen->port,
		       way == SIM_BY_CHECKPOINT ? "by checkpoint"
		       : way == SIM_BY_CALLS    ? "by calls"
						: "into repair",
		       tcp_state_name(tcp_state(u->c)), back_us - sim_now(s));
	sim_move_count(s, u->c);
	sim_move_reckon(s, u->conn);
	a->way = way;
	a->back_us = back_us;
	a->mss = u->c->mss;
	u->away = a;
	s->events[SIM_BOTH_AWAY] += u->conn->user[!u->side].away != NULL;
	s->events[SIM_AT_ONCE] += back_us == sim_now(s);
	switch (way) {
	case SIM_BY_CHECKPOINT:
		s->events[SIM_MOVES_BY_CHECKPOINT]++;
		take_checkpoint(s, u, a);
		break;
	case SIM_BY_CALLS:
		s->events[SIM_MOVES_BY_CALLS]++;
		set_repair(s, u, 1);
		sim_calls_dump(s, u, a);
		break;
	case SIM_FREEZE:
		s->events[SIM_FREEZES]++;
		set_repair(s, u, 1);
		a->frozen = u->c;
		break;
	}
	u->c = NULL;
	observer_away(&s->observer, sim_now(s), u->conn->seen, u->side);
}

/* ---- In */

static bool
rows_differ(struct sim *s, const char *name, int64_t was, int64_t is, int64_t slack)
{
	if (is - was <= slack && was - is <= slack)
		return false;
	/* 0: not worked out yet, which to who divides by it is 1. */
	if (strcmp(name, "cubic_per") == 0 && was == 0 && is == 1)
		return false;
	/* The rate of delivery is found out anew. */
	if (strncmp(name, "rate_", 5) == 0)
		return false;
	sim_fail(s, "restored with %s %lld, and was saved with %lld", name, (long long)is,
		 (long long)was);
	return true;
}

/* What was saved is what was restored. */
static void
check_rows(struct sim *s, const struct sim_user *u, const struct tcp_checkpoint *was)
{
	/* A moment before the new clock's beginning has become its beginning. */
	int64_t age_us = (int64_t)u->c->engine->now_us;
	struct tcp_checkpoint is;

	if (tcp_checkpoint(u->c, &is) != 0) {
		sim_fail(s, "side %u cannot be saved again", u->side);
		return;
	}
#define KEPT_FLAG(name, flag) rows_differ(s, #name, was->name, is.name, 0);
#define KEPT_VALUE(type, name, field)                                                              \
	rows_differ(s, #name, (int64_t)was->name, (int64_t)is.name, 0);
#define KEPT_DUE_US(name, field) rows_differ(s, #name, was->name, is.name, 0);
#define KEPT_SINCE_US(name, field)                                                                 \
	if (was->name < age_us)                                                                    \
		rows_differ(s, #name, was->name, is.name, 0);
#define KEPT_SINCE_MS(name, field) rows_differ(s, #name, was->name, is.name, 0);
#include "tcp/checkpoint.def"
	rows_differ(s, "state", was->state, is.state, 0);
	rows_differ(s, "ts_now", was->ts_now, is.ts_now, 0);
	rows_differ(s, "recvq_bytes", was->recvq_bytes, is.recvq_bytes, 0);
	rows_differ(s, "sendq_bytes", was->sendq_bytes, is.sendq_bytes, 0);
	rows_differ(s, "unsent_bytes", was->unsent_bytes, is.unsent_bytes, 0);
}

static struct rte_mbuf *
chain_of(struct sim *s, const struct sim_user *u, const uint8_t *bytes, uint32_t n)
{
	return n > 0 ? tcp_copy_bytes(s->pair.side[u->side].engine, bytes, n) : NULL;
}

static void
restore_checkpoint(struct sim *s, struct sim_user *u, const struct sim_away *a)
{
	struct tcp_checkpoint in = a->saved;
	int status = -ENOBUFS;

	in.recvq = chain_of(s, u, a->recvq, in.recvq_bytes);
	in.sendq = chain_of(s, u, a->sendq, in.sendq_bytes);
	if ((in.recvq != NULL || in.recvq_bytes == 0) && (in.sendq != NULL || in.sendq_bytes == 0))
		status = tcp_restore(s->pair.side[u->side].engine, &in, &u->c);
	if (status == 0)
		return;
	rte_pktmbuf_free(in.recvq);
	rte_pktmbuf_free(in.sendq);
	u->c = NULL;
	sim_fail(s, "side %u cannot restore in %s: %d", u->side,
		 tcp_state_name((enum tcp_state)in.state), status);
}

static void
resume(struct sim *s, struct sim_user *u)
{
	if (sim_move_chance(s, 0.7))
		tcp_resume(u->c);
	else
		set_repair(s, u, sim_move_chance(s, 0.5) ? 0 : -1);
}

static void
restore(struct sim *s, struct sim_user *u)
{
	const struct sim_away *a = u->away;

	switch (a->way) {
	case SIM_BY_CHECKPOINT:
		if (a->image != NULL)
			sim_image_restore(s, u, a);
		else
			restore_checkpoint(s, u, a);
		if (!s->failed)
			check_rows(s, u, &a->saved);
		break;
	case SIM_BY_CALLS:
		sim_calls_restore(s, u, a);
		return;
	case SIM_FREEZE:
		u->c = a->frozen;
		break;
	}
	if (!s->failed)
		resume(s, u);
}

static void
forget(struct sim_user *u)
{
	if (u->away == NULL)
		return;
	free(u->away->image);
	free(u->away->recvq);
	free(u->away->sendq);
	free(u->away);
	u->away = NULL;
}

void
sim_move_in(struct sim *s, struct sim_user *u)
{
	struct sim_away *a = u->away;

	s->user_runs++;
	restore(s, u);
	if (s->failed)
		return;
	if (s->verbose)
		printf("%12.6f side %u port %u is back in %s\n",
		       (double)(sim_now(s) - s->start_us) * 1e-6, u->side, u->conn->seen->port,
		       tcp_state_name(tcp_state(u->c)));
	tcp_set_user(u->c, u);
	/* Meanwhile the host may have learnt of a smaller MTU. */
	if (tcp_state(u->c) > TCP_SYN_SENT && u->c->mss < a->mss &&
	    s->events[SIM_ICMP_TOO_BIG] == 0)
		sim_fail(s, "side %u is back with segments of %u bytes, and had %u", u->side,
			 u->c->mss, a->mss);
	u->ready = true;
	observer_back(&s->observer, sim_now(s), u->conn->seen, u->side, a->way != SIM_FREEZE);
	forget(u);
	if (u->conn->user[!u->side].away == NULL)
		sim_move_watch(u->conn);
}

void
sim_moves_clear(struct sim *s)
{
	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++)
			forget(&s->conns[i].user[side]);
}
