/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The users of a simulation. They do something when they are notified, or when a pause that they
 * chose is over, and never otherwise: a notification that is missing leaves them stuck.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>

#include "sim.h"

/* ---- Opening */

static void
open_conn(struct sim *s, struct sim_conn *conn)
{
	struct sim_user *u = &conn->user[conn->client];
	struct pair_side *side = &s->pair.side[conn->client];
	struct tcp_endpoint to = {.ip = s->pair.side[!conn->client].ip, .port = OBSERVER_PORT};
	struct tcp_endpoint from = {.port = (uint16_t)(SIM_PORT + (conn - s->conns))};
	int error = tcp_open(side->engine, ip_is4(&to.ip) ? AF_INET : AF_INET6, &u->c);

	if (error != 0) {
		sim_fail(s, "side %u cannot open a socket: %d", conn->client, error);
		return;
	}
	/* Half choose a port themselves; so do those whose ISS was chosen for it. */
	if ((s->wrap || (conn - s->conns) % 2 == 0) && tcp_bind(u->c, &from) != 0)
		sim_fail(s, "side %u cannot bind", conn->client);
	sim_user_set_options(s, u);
	error = tcp_connect(u->c, &to);
	if (error != -EINPROGRESS) {
		sim_fail(s, "side %u cannot connect: %d", conn->client, error);
		return;
	}
	tcp_getsockname(u->c, &from);
	conn->seen = observer_open(&s->observer, conn->client, from.port);
	if (conn->seen == NULL)
		sim_fail(s, "too many connections");
	s->events[SIM_CONNECTIONS]++;
}

static struct sim_conn *
conn_of_child(struct sim *s, unsigned int side, struct tcp_conn *child)
{
	struct tcp_endpoint peer;
	const struct observer_conn *seen;

	if (tcp_getpeername(child, &peer) != 0)
		return NULL;
	seen = observer_find(&s->observer, !side, peer.port);
	for (unsigned int i = 0; i < s->n_conns; i++)
		if (seen != NULL && s->conns[i].seen == seen)
			return &s->conns[i];
	return NULL;
}

static void
accept_all(struct sim *s, unsigned int side)
{
	struct tcp_conn *child;

	if (s->listener[side] == NULL || !s->accept_ready[side] ||
	    sim_now(s) < s->accept_at_us[side])
		return;
	while (tcp_accept(s->listener[side], &child) == 0) {
		struct sim_conn *conn = conn_of_child(s, side, child);

		s->user_runs++;
		if (s->accept_gap_us > 0)
			s->accept_at_us[side] = sim_pause_until(s, s->accept_gap_us);
		if (conn == NULL || conn->user[side].c != NULL || conn->user[side].away != NULL ||
		    conn->user[side].done) {
			/* Reset before it was accepted, or a late SYN's. */
			tcp_close(child);
		} else {
			conn->user[side].c = child;
			conn->user[side].connected = true;
			conn->user[side].ready = true;
			sim_user_set_options(s, &conn->user[side]);
		}
		if (s->accept_gap_us > 0)
			return;
	}
	s->accept_ready[side] = false;
}

void
sim_listen(struct sim *s, unsigned int side)
{
	struct tcp_endpoint any = {.port = OBSERVER_PORT};

	if (tcp_open(s->pair.side[side].engine, AF_INET6, &s->listener[side]) != 0 ||
	    tcp_bind(s->listener[side], &any) != 0 ||
	    tcp_listen(s->listener[side], s->backlog) != 0)
		sim_fail(s, "cannot listen");
}

void
sim_users_start(struct sim *s)
{
	for (unsigned int side = 0; side < 2; side++) {
		s->pair.side[side].notify = sim_notify;
		s->pair.side[side].may_fold = sim_may_fold;
		s->pair.side[side].fold = sim_fold;
		s->pair.side[side].unfold = sim_unfold;
		s->pair.side[side].notify_ctx = s;
		sim_listen(s, side);
	}
	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++) {
			struct sim_conn *conn = &s->conns[i];

			conn->user[side].conn = conn;
			conn->user[side].side = side;
			conn->user[side].script = &conn->script[side];
		}
}

void
sim_notify(void *sim, struct tcp_conn *c, void *user)
{
	struct sim_user *u = user;
	struct sim *s = sim;

	if (u != NULL)
		u->ready = true;
	else
		for (int side = 0; side < 2; side++)
			s->accept_ready[side] |= c == s->listener[side];
}

bool
sim_may_fold(void *sim, void *user)
{
	(void)sim;
	(void)user;
	return true;
}

void
sim_fold(void *sim, void *user, struct tcp_folded *folded)
{
	struct sim_user *u = user;

	(void)sim;
	u->folded = folded;
}

void
sim_unfold(void *sim, void *user, struct tcp_conn *c)
{
	struct sim_user *u = user;

	(void)sim;
	u->c = c;
	u->folded = NULL;
}

void
sim_user_unfold(struct sim *s, struct sim_user *u)
{
	if (u->folded != NULL && tcp_unfold(s->pair.side[u->side].engine, u->folded) == NULL)
		sim_fail(s, "side %u has no room for a connection that was folded", u->side);
}

/* ---- What the clock's loop asks */

static bool
is_due(const struct sim_user *u, uint64_t now_us)
{
	return u->ready || (u->write_at_us != 0 && u->write_at_us <= now_us) ||
	       (u->read_at_us != 0 && u->read_at_us <= now_us) ||
	       (u->close_at_us != 0 && u->close_at_us <= now_us);
}

void
sim_users_run(void *sim, unsigned int side)
{
	struct sim *s = sim;

	if (s->failed)
		return;
	sim_moves_run(s, side);
	if (s->pair.side[side].engine == NULL)
		return;
	accept_all(s, side);
	for (unsigned int i = 0; i < s->n_conns && !s->failed; i++) {
		struct sim_conn *conn = &s->conns[i];
		struct sim_user *u = &conn->user[side];

		if (conn->client == side && conn->seen == NULL && conn->open_at_us <= sim_now(s))
			open_conn(s, conn);
		if (u->c == NULL || !is_due(u, sim_now(s)))
			continue;
		if (u->write_at_us <= sim_now(s))
			u->write_at_us = 0;
		if (u->read_at_us <= sim_now(s))
			u->read_at_us = 0;
		s->user_runs++;
		sim_user_unfold(s, u);
		sim_user_run(s, u);
	}
	sim_moves_run(s, side);
}

static uint64_t
earlier(uint64_t next, uint64_t at_us)
{
	return at_us != 0 && at_us < next ? at_us : next;
}

uint64_t
sim_users_next_us(const struct sim *s)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < s->n_conns; i++) {
		const struct sim_conn *conn = &s->conns[i];

		if (conn->seen == NULL && s->pair.side[conn->client].engine != NULL)
			next = earlier(next, conn->open_at_us);
		for (int side = 0; side < 2; side++) {
			const struct sim_user *u = &conn->user[side];

			if (u->c == NULL)
				continue;
			if (u->ready)
				return sim_now(s);
			next = earlier(next, u->write_at_us);
			next = earlier(next, u->read_at_us);
			next = earlier(next, u->close_at_us);
		}
	}
	for (int side = 0; side < 2; side++)
		if (s->accept_ready[side] && s->pair.side[side].engine != NULL)
			next = earlier(next, RTE_MAX(s->accept_at_us[side], sim_now(s)));
	return next;
}

/* Whether a user can still be expected to get a socket. */
static bool
is_waiting(const struct sim_conn *conn, unsigned int side)
{
	const struct sim_user *u = &conn->user[side], *peer = &conn->user[!side];

	if (conn->seen == NULL)
		return true;
	return side != conn->client && u->c == NULL && u->away == NULL && !u->done &&
	       (!peer->done || (conn->graceful && peer->error == 0));
}

bool
sim_users_are_done(const struct sim *s)
{
	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++)
			if (s->conns[i].user[side].c != NULL ||
			    s->conns[i].user[side].away != NULL || is_waiting(&s->conns[i], side))
				return false;
	return true;
}

bool
sim_users_give_up(struct sim *s)
{
	bool any = false;

	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++) {
			struct sim_user *u = &s->conns[i].user[side];
			const struct sim_user *peer = &s->conns[i].user[!side];

			/*
			 * Nothing tells it if the peer's reset was lost; or if its last ACK met a
			 * full accept queue until the peer gave up, as with Linux.
			 */
			if (u->c == NULL ||
			    !((peer->done && !s->conns[i].graceful) || s->may_time_out))
				continue;
			sim_user_unfold(s, u);
			tcp_abort(u->c);
			sim_user_finish(u);
			any = true;
		}
	return any;
}

void
sim_users_check(struct sim *s)
{
	for (unsigned int i = 0; i < s->n_conns; i++) {
		const struct sim_conn *conn = &s->conns[i];
		bool whole = true;

		for (unsigned int side = 0; side < 2; side++) {
			const struct sim_user *u = &conn->user[side];

			whole &= u->read == conn->script[!side].bytes &&
				 (u->at_end || conn->script[side].ending == SIM_CLOSE_AT_ONCE) &&
				 u->error == 0;
			if (conn->graceful && !whole && !s->may_time_out) {
				sim_fail(s,
					 "side %u has read %" PRIu64 " of %" PRIu64
					 " bytes on port %u, %sthe end, error %d",
					 side, u->read, conn->script[!side].bytes, conn->seen->port,
					 u->at_end ? "" : "not ", u->error);
				return;
			}
		}
		s->events[SIM_GRACEFUL] += whole;
	}
}

void
sim_print_conns(const struct sim *s)
{
	for (unsigned int i = 0; i < s->n_conns; i++)
		for (unsigned int side = 0; side < 2; side++) {
			const struct sim_user *u = &s->conns[i].user[side];

			if (u->c == NULL || u->folded != NULL)
				continue;
			printf("  user of side %u, port %u (%s, ending %d): %s, wrote %" PRIu64
			       " of %" PRIu64 ", read %" PRIu64 " of %" PRIu64
			       "%s%s, poll %x, resumes at %" PRIu64 " and %" PRIu64 "\n",
			       side, s->conns[i].seen != NULL ? s->conns[i].seen->port : 0,
			       s->conns[i].graceful ? "graceful" : "not graceful",
			       u->script->ending, tcp_state_name(tcp_state(u->c)), u->written,
			       u->script->bytes, u->read, s->conns[i].script[!side].bytes,
			       u->shut ? ", shut" : "", u->at_end ? ", at end" : "",
			       (unsigned int)tcp_poll(u->c), u->write_at_us, u->read_at_us);
		}
	for (unsigned int side = 0; side < 2; side++) {
		struct tcp_listing l[SIM_CONNS];
		uint64_t cursor = 0;
		unsigned int n;

		if (s->pair.side[side].engine == NULL)
			continue;
		n = tcp_list(s->pair.side[side].engine, &cursor, l, SIM_CONNS);
		for (unsigned int i = 0; i < n; i++)
			if (l[i].state == TCP_TIME_WAIT)
				continue;
			else
				printf("  side %u: %s port %u to %u: recv_q %u, send_q %u, rto %u "
				       "us, cwnd "
				       "%u, ssthresh %u, mss %u, snd_wnd %u, rcv_wnd %u, %u "
				       "retransmits%s\n",
				       side, tcp_state_name(l[i].state), be16_get(l[i].tuple.lport),
				       be16_get(l[i].tuple.rport), l[i].recv_q, l[i].send_q,
				       l[i].rto_us, l[i].cwnd_segs, l[i].ssthresh_segs, l[i].mss,
				       l[i].snd_wnd, l[i].rcv_wnd, l[i].retransmits,
				       l[i].orphan ? ", orphan" : "");
	}
}
