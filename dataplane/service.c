/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's services: listeners, the slots of their connections, timeouts and turns.
 *
 *     engine --notify--> listener: accept, take a slot, accepted()
 *                        connection: readable(), writable(), ... --> waits | waiting list | ends
 *     lane ---advance--> waiting list: the same again; timers; oldest stamps: close what is idle
 *
 * A connection ends in one place only, settle(): when the callback that asked for it has returned,
 * or, if that belongs to another connection, at its turn in the waiting list.
 *
 * A connection is idle when nothing was read, queued or acknowledged for the service's timeout.
 * Bytes that a service leaves in the queue, as those of a request that is not complete, do not
 * count. One that ends while its peer may still be sending lingers (RFC 9112 §9.6): its FIN goes
 * out, and the rest is read, for LINGER_US and LINGER_BYTES at most, because closing with unread
 * data would reset the connection and destroy the answer on its way.
 *
 * Invariants: a slot is free, or on exactly one timeouts list whose stamps ascend; it is on the
 * waiting list exactly if `waiting`. Nothing is allocated after creation but mbufs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dataplane/service_impl.h"

enum {
	TIMEOUT_GRAIN_US = 250000,
	LINGER_BYTES = 16 << 20,
	WAITING_US = 1000,       /* when those that wait, or lane_turn(), come at the latest */
	SWEEP_CLOSES = 256,      /* connections closed in one iteration for being idle */
	FROZEN_TIMER_US = 10000, /* when a timer that is due on a frozen connection is looked at */
};

/* ---- Timeouts */

static void
timeouts_add(struct service_set *set, struct service_timeouts *t, struct tern_service_conn *conn)
{
	uint64_t due = set->now_us + TIMEOUT_GRAIN_US + t->timeout_us;

	conn->active_us = set->now_us;
	TAILQ_INSERT_TAIL(&t->conns, conn, by_activity);
	if (t->timeout_us != 0 && due < set->sweep_us)
		set->sweep_us = due;
}

static struct service_timeouts *
timeouts_of(struct tern_service_conn *conn)
{
	return conn->lingering ? &conn->lane->set->lingering : &conn->lane->idle;
}

static void
stamp(struct tern_service_conn *conn)
{
	struct service_timeouts *t = timeouts_of(conn);

	TAILQ_REMOVE(&t->conns, conn, by_activity);
	timeouts_add(conn->lane->set, t, conn);
	if (!conn->is_folded) /* else nothing is queued */
		conn->send_room = (uint32_t)tcp_send_room(conn->tcp);
}

/* Whether the peer has acknowledged everything. */
static bool
sent_all(const struct tern_service_conn *conn)
{
	int unacknowledged;

	return conn->is_folded || tcp_ioctl(conn->tcp, SIOCOUTQ, &unacknowledged) < 0 ||
	       unacknowledged == 0;
}

/* A peer that takes data slowly gives no other sign of life than a send queue that shrinks. */
static bool
queue_moves(const struct tern_service_conn *conn)
{
	return !sent_all(conn) && (uint32_t)tcp_send_room(conn->tcp) != conn->send_room;
}

/* ---- Slots */

struct tern_service_conn *
service_slot_take(struct tern_service_lane *lane, struct tcp_conn *tcp)
{
	struct service_set *set = lane->set;
	struct tern_service_conn *conn = TAILQ_FIRST(&set->free);

	if (conn != NULL) {
		TAILQ_REMOVE(&set->free, conn, by_activity);
	} else if (set->n_fresh < set->n_conns) {
		conn = service_slot_at(set, set->n_fresh++);
	} else {
		SERVICE_COUNT(set, accept_no_slot, 1);
		return NULL;
	}
	memset(conn, 0, sizeof(*conn) + lane->ops->conn_bytes);
	conn->tcp = tcp;
	conn->lane = lane;
	conn->send_room = (uint32_t)tcp_send_room(tcp);
	timeouts_add(set, &lane->idle, conn);
	tcp_set_user(tcp, conn);
	return conn;
}

void
service_slot_free(struct tern_service_conn *conn)
{
	struct service_set *set = conn->lane->set;

	TAILQ_REMOVE(&timeouts_of(conn)->conns, conn, by_activity);
	conn->tcp = NULL;
	TAILQ_INSERT_HEAD(&set->free, conn, by_activity);
}

static void
close_conn(struct tern_service_conn *conn)
{
	tcp_close(conn->tcp);
	service_slot_free(conn);
}

static void
abort_conn(struct tern_service_conn *conn)
{
	tcp_abort(conn->tcp);
	service_slot_free(conn);
}

/* ---- Lingering */

/* Reads and drops everything. Returns what tcp_peek_mbufs() did at last: 0, -EAGAIN or an error. */
static ssize_t
drain(struct tern_service_conn *conn)
{
	for (;;) {
		const struct rte_mbuf *m;
		ssize_t n = tcp_peek_mbufs(conn->tcp, &m);

		if (n <= 0)
			return n;
		conn->drained_bytes += (uint32_t)tern_service_consume(conn, (size_t)n);
	}
}

static void
linger(struct tern_service_conn *conn)
{
	ssize_t status = drain(conn);

	if (status == 0) {
		SERVICE_COUNT(conn->lane->set, closed, 1);
		close_conn(conn);
	} else if (status != -EAGAIN) {
		SERVICE_COUNT(conn->lane->set, closed_error, 1);
		abort_conn(conn);
	} else if (conn->drained_bytes > LINGER_BYTES) {
		SERVICE_COUNT(conn->lane->set, linger_expired, 1);
		SERVICE_COUNT(conn->lane->set, closed_error, 1);
		abort_conn(conn);
	}
}

void
service_linger_on(struct tern_service_conn *conn)
{
	struct service_set *set = conn->lane->set;

	TAILQ_REMOVE(&conn->lane->idle.conns, conn, by_activity);
	conn->lingering = true;
	conn->ending = ENDING_NOT;
	conn->drained_bytes = 0;
	timeouts_add(set, &set->lingering, conn);
}

static void
start_lingering(struct tern_service_conn *conn)
{
	struct service_set *set = conn->lane->set;

	if (tcp_shutdown(conn->tcp, SHUT_WR) < 0) {
		SERVICE_COUNT(set, closed_error, 1);
		abort_conn(conn);
		return;
	}
	service_linger_on(conn);
	SERVICE_COUNT(set, lingered, 1);
	linger(conn);
}

/* ---- Turns and ends */

void
service_wait_for_turn(struct tern_service_conn *conn)
{
	if (conn->waiting)
		return;
	conn->waiting = true;
	STAILQ_INSERT_TAIL(&conn->lane->set->waiting, conn, by_turn);
}

/* No callback comes from now on but closed(), and that not if it is refused. */
static void
mark(struct tern_service_conn *conn, enum service_ending ending, int error)
{
	service_timer_set(conn, UINT64_MAX);
	conn->ending = (uint8_t)ending;
	conn->error = error;
}

void
service_end(struct tern_service_conn *conn, enum service_ending ending, int error)
{
	if (conn->ending != ENDING_NOT || conn->lingering)
		return;
	mark(conn, ending, error);
	if (conn->lane->set->running != conn)
		service_wait_for_turn(conn);
}

void
service_gone(struct tern_service_conn *conn)
{
	struct service_set *set = conn->lane->set;

	if (conn->waiting) {
		STAILQ_REMOVE(&set->waiting, conn, tern_service_conn, by_turn);
		conn->waiting = false;
	}
	if (conn->ending == ENDING_NOT)
		mark(conn, ENDING_ABORT, ECONNABORTED);
	if (!conn->lingering) {
		set->running = conn;
		conn->lane->ops->closed(conn, conn->state, conn->error);
		set->running = NULL;
	}
	if (conn->is_folded)
		tcp_drop_folded(set->engine, conn->folded);
	else
		tcp_close_silently(conn->tcp);
	service_slot_free(conn);
}

/* Tells the service, and ends the connection as it is to end. The slot may be free afterwards. */
static void
settle(struct tern_service_conn *conn)
{
	struct service_set *set = conn->lane->set;
	enum service_ending ending = (enum service_ending)conn->ending;

	if (ending != ENDING_REFUSED) {
		set->running = conn;
		conn->lane->ops->closed(conn, conn->state, conn->error);
		set->running = NULL;
	}
	switch (ending) {
	case ENDING_FINISH:
		start_lingering(conn);
		return;
	case ENDING_CLOSE:
	case ENDING_ABORT:
		SERVICE_COUNT(set, closed, 1);
		break;
	case ENDING_GONE:
	case ENDING_BROKEN:
		SERVICE_COUNT(set, closed_error, 1);
		break;
	case ENDING_IDLE:
	case ENDING_IDLE_RESET:
		SERVICE_COUNT(set, closed_idle, 1);
		break;
	case ENDING_NOT:
	case ENDING_REFUSED:
		break;
	}
	if (ending == ENDING_CLOSE || ending == ENDING_GONE || ending == ENDING_IDLE)
		close_conn(conn);
	else
		abort_conn(conn);
}

/* Its callback has returned. The slot may be free afterwards. */
static void
returned(struct tern_service_conn *conn)
{
	struct service_set *set = conn->lane->set;

	set->running = NULL;
	if (conn->ending == ENDING_NOT) {
		if (conn->moved && set->now_us - conn->active_us >= TIMEOUT_GRAIN_US)
			stamp(conn);
	} else if (!conn->waiting) { /* else at its turn */
		settle(conn);
	}
}

/* The peer's FIN is here: the service is told, or what is read to the end is closed. */
static void
tell_end(struct tern_service_conn *conn)
{
	if (!conn->lane->closes_at_end) {
		if (!conn->told_end) {
			conn->told_end = true;
			conn->lane->ops->peer_closed(conn, conn->state);
		}
	} else if (tcp_readable(conn->tcp) == 0) {
		tern_service_close(conn);
	}
}

/* The callbacks that fit what has happened. The slot may be free afterwards. */
static void
run(struct tern_service_conn *conn, short events)
{
	struct tern_service_lane *lane = conn->lane;
	struct service_set *set = lane->set;
	const struct tern_service_plugin *ops = lane->ops;

	set->running = conn;
	set->ran |= 1u << lane->index;
	conn->moved = false;
	if (unlikely(conn->connecting) && (events & POLLOUT) != 0) {
		conn->connecting = false;
		SERVICE_COUNT(set, connected, 1);
		ops->connected(conn, conn->state);
	}
	if (conn->wants_room && (events & POLLOUT) != 0 && conn->ending == ENDING_NOT) {
		conn->wants_room = false;
		ops->writable(conn, conn->state);
	}
	if ((events & POLLIN) != 0 && conn->ending == ENDING_NOT)
		ops->readable(conn, conn->state);
	if ((events & POLLRDHUP) != 0 && conn->ending == ENDING_NOT)
		tell_end(conn);
	returned(conn);
}

/* An error, or both directions are at their end: marks a connection of which that is all. */
static void
judge(struct tern_service_conn *conn, short events)
{
	int error = 0;
	size_t bytes = sizeof(error);

	tcp_getsockopt(conn->tcp, SOL_SOCKET, SO_ERROR, &error, &bytes);
	if (error == 0 && (events & POLLERR) == 0 && tcp_readable(conn->tcp) > 0)
		return; /* nothing is lost: it may be read first */
	mark(conn, error != 0 ? ENDING_GONE : ENDING_CLOSE, error);
}

/* Looks at a connection that there is news of, or whose turn it is. */
static void
look(struct tern_service_conn *conn, short forced)
{
	short events = (short)(tcp_poll(conn->tcp) | forced);

	if (unlikely((events & (POLLERR | POLLHUP)) != 0))
		judge(conn, events);
	if (conn->ending != ENDING_NOT)
		settle(conn);
	else
		run(conn, events);
}

static void
take(struct service_listener *listener, struct tcp_conn *tcp)
{
	struct tern_service_lane *lane = listener->lane;
	struct service_set *set = lane->set;
	struct tern_service_conn *conn = service_slot_take(lane, tcp);

	if (conn == NULL) {
		tcp_abort(tcp);
		return;
	}
	set->running = conn;
	set->ran |= 1u << lane->index;
	if (lane->ops->accepted(conn, conn->state) != 0) {
		SERVICE_COUNT(set, refused, 1);
		mark(conn, ENDING_REFUSED, 0);
	} else {
		SERVICE_COUNT(set, accepted, 1);
	}
	if (conn->ending != ENDING_NOT || conn->waiting)
		returned(conn);
	else
		look(conn, 0); /* its first bytes may be here already */
}

/* ---- What the lane calls */

void
service_set_notify(struct service_set *set, struct tcp_conn *c, void *user)
{
	struct service_listener *listener = user;
	struct tern_service_conn *conn = user;
	struct tcp_conn *child;

	if (user == NULL) /* not accepted yet: its listener hears of it */
		return;
	if (listener >= set->listeners && listener < set->listeners + set->n_listeners) {
		while (tcp_accept(c, &child) == 0)
			take(listener, child);
	} else if (conn->frozen) {
		return; /* it is looked at when it goes on */
	} else if (conn->lingering) {
		linger(conn);
	} else if (!conn->waiting) { /* else its turn comes in this iteration's advance */
		look(conn, 0);
	}
}

bool
service_set_may_fold(const void *user)
{
	const struct tern_service_conn *conn = user;

	return !conn->frozen && !conn->waiting && !conn->connecting && !conn->wants_room &&
	       !conn->lingering && conn->ending == ENDING_NOT;
}

void
service_set_fold(void *user, struct tcp_folded *folded)
{
	struct tern_service_conn *conn = user;

	conn->is_folded = true;
	conn->folded = folded;
}

void
service_set_unfold(void *user, struct tcp_conn *c)
{
	struct tern_service_conn *conn = user;

	conn->is_folded = false;
	conn->tcp = c;
}

bool
service_unfold(struct tern_service_conn *conn)
{
	return tcp_unfold(conn->lane->set->engine, conn->folded) != NULL;
}

/* One connection's turn. Returns whether it is short of mbufs still. */
static bool
turn(struct tern_service_conn *conn)
{
	short forced = 0;

	if (conn->frozen) /* it waits again when it goes on */
		return false;
	if (conn->is_folded && !service_unfold(conn)) {
		service_wait_for_turn(conn);
		return false;
	}
	if (conn->lingering) {
		linger(conn);
		return false;
	}
	if (conn->ending != ENDING_NOT) {
		settle(conn);
		return false;
	}
	if (conn->starved || conn->room_due)
		forced |= POLLOUT;
	if (conn->yielded)
		forced |= POLLIN;
	conn->starved = false;
	conn->room_due = false;
	conn->yielded = false;
	look(conn, forced);
	return conn->tcp != NULL && conn->starved;
}

/* Gives each waiting connection one turn, but stops while mbufs are short. */
static void
run_waiting(struct service_set *set)
{
	struct service_turns due = STAILQ_HEAD_INITIALIZER(due);
	struct tern_service_conn *conn;

	STAILQ_CONCAT(&due, &set->waiting);
	while ((conn = STAILQ_FIRST(&due)) != NULL) {
		STAILQ_REMOVE_HEAD(&due, by_turn);
		conn->waiting = false;
		if (turn(conn))
			break;
	}
	STAILQ_CONCAT(&due, &set->waiting);
	STAILQ_CONCAT(&set->waiting, &due);
}

static void
run_timers(struct service_set *set)
{
	uint64_t now_us = set->now_us;
	struct tern_service_conn *conn;

	/* One that is set again for now has its turn in the next iteration. */
	for (uint32_t n = set->n_timers; n > 0; n--) {
		conn = service_timer_pop(set, now_us);
		if (conn == NULL)
			return;
		if (unlikely(!service_is_here(conn))) {
			service_timer_set(conn, now_us + FROZEN_TIMER_US);
			continue;
		}
		set->running = conn;
		set->ran |= 1u << conn->lane->index;
		conn->moved = false;
		conn->lane->ops->timer(conn, conn->state);
		if (conn->ending == ENDING_NOT && conn->lane->closes_at_end &&
		    tern_service_ended(conn))
			tell_end(conn);
		returned(conn);
	}
}

static void
run_lanes(struct service_set *set)
{
	for (uint32_t left = set->turners; left != 0; left &= left - 1) {
		struct tern_service_lane *lane = &set->services[__builtin_ctz(left)];

		set->ran |= 1u << lane->index;
		lane->ops->lane_turn(lane, lane->state);
	}
}

/* Its FIN if all that it had to say is said, a reset if it ends in the middle. */
static void
close_idle(struct tern_service_conn *conn)
{
	if (conn->lingering) {
		SERVICE_COUNT(conn->lane->set, linger_expired, 1);
		abort_conn(conn);
		return;
	}
	service_end(conn, sent_all(conn) ? ENDING_IDLE : ENDING_IDLE_RESET, ETIMEDOUT);
	stamp(conn); /* it ends at its turn */
}

/* Closes what is overdue; returns when the list is to be looked at again. */
static uint64_t
sweep(struct service_set *set, struct service_timeouts *t, unsigned int *closes)
{
	struct tern_service_conn *conn;

	if (t->timeout_us == 0)
		return UINT64_MAX;
	while ((conn = TAILQ_FIRST(&t->conns)) != NULL) {
		uint64_t due = conn->active_us + TIMEOUT_GRAIN_US + t->timeout_us;

		if (due > set->now_us)
			return due;
		if (conn->frozen || (!conn->lingering && queue_moves(conn))) {
			stamp(conn);
			continue;
		}
		if (++*closes > SWEEP_CLOSES)
			return set->now_us;
		close_idle(conn);
	}
	return UINT64_MAX;
}

static void
run_sweep(struct service_set *set)
{
	unsigned int closes = 0;
	uint64_t next = sweep(set, &set->lingering, &closes);

	for (unsigned int i = 0; i < set->n_services; i++)
		next = RTE_MIN(next, sweep(set, &set->services[i].idle, &closes));
	set->sweep_us = next;
}

void
service_set_advance(struct service_set *set, uint64_t now_us)
{
	set->now_us = now_us;
	if (set->released != NULL)
		service_refs_run(set);
	if (set->closed)
		return;
	if (set->turners != 0)
		run_lanes(set);
	if (service_timer_next(set) <= now_us)
		run_timers(set);
	if (now_us >= set->sweep_us)
		run_sweep(set);
	if (!STAILQ_EMPTY(&set->waiting))
		run_waiting(set);
}

unsigned int
service_set_take(struct service_set *set, struct rte_mbuf **packets, unsigned int n)
{
	return likely(set == NULL || set->take == NULL) ? n : set->take(set->take_ctx, packets, n);
}

bool
service_set_has_turns(const struct service_set *set)
{
	return set->turners != 0;
}

uint64_t
service_set_next_timer(const struct service_set *set)
{
	uint64_t next = RTE_MIN(set->sweep_us, service_timer_next(set));

	if (STAILQ_EMPTY(&set->waiting) && set->turners == 0)
		return next;
	return RTE_MIN(next, set->now_us + WAITING_US);
}

void
service_shut_down(struct tern_service_conn *conn)
{
	if (conn->is_folded && !service_unfold(conn)) {
		SERVICE_COUNT(conn->lane->set, closed_error, 1);
		service_gone(conn);
		return;
	}
	if (conn->lingering) {
		if (sent_all(conn))
			close_conn(conn);
		else
			abort_conn(conn);
		return;
	}
	if (conn->ending == ENDING_NOT)
		service_end(conn, sent_all(conn) ? ENDING_CLOSE : ENDING_ABORT, ESHUTDOWN);
	settle(conn);
	if (conn->tcp != NULL) /* it lingers: its FIN is on its way */
		close_conn(conn);
}
