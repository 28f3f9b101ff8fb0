/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's services: listeners, the slots of their connections, timeouts and turns.
 *
 *     engine --notify--> listener: accept, take a slot, run
 *                        connection: run --verdict--> wait | waiting list | linger | close
 *     lane ---advance--> waiting list: run again; oldest stamps: close what is idle
 *
 * A connection is idle when nothing was read, queued or acknowledged for the service's timeout.
 * Bytes of a request that is not complete do not count: a request must arrive within the timeout
 * too. One that ends while its peer may still be sending lingers (RFC 9112 §9.6): its FIN goes out,
 * and the rest is read, for LINGER_US and LINGER_BYTES at most, because closing with unread data
 * would reset the connection and destroy the answer on its way.
 *
 * Invariants: a slot is free, or on exactly one timeouts list whose stamps ascend; it is on the
 * waiting list exactly if `waiting`. Nothing is allocated after creation but mbufs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <rte_malloc.h>

#include "dataplane/service_kind.h"

enum {
	TIMEOUT_GRAIN_US = 250000,
	LINGER_US = 10 * 1000000,
	LINGER_BYTES = 16 << 20,
	WAITING_US = 1000,  /* when the waiting list has its next turn, at the latest */
	SWEEP_CLOSES = 256, /* connections closed in one iteration for being idle */
};

const char *const service_stats_names[] = {
#define SERVICE_STAT(name, text) #name,
#include "dataplane/service_stats.def"
#undef SERVICE_STAT
};

const char *const service_stats_texts[] = {
#define SERVICE_STAT(name, text) text,
#include "dataplane/service_stats.def"
#undef SERVICE_STAT
};

/* ---- Timeouts */

static void
timeouts_add(struct service_set *set, struct service_timeouts *t, struct service_conn *conn)
{
	uint64_t due = set->now_us + TIMEOUT_GRAIN_US + t->timeout_us;

	conn->active_us = set->now_us;
	conn->send_room = (uint32_t)tcp_send_room(conn->tcp);
	TAILQ_INSERT_TAIL(&t->conns, conn, by_activity);
	if (t->timeout_us != 0 && due < set->sweep_us)
		set->sweep_us = due;
}

static struct service_timeouts *
timeouts_of(struct service_conn *conn)
{
	return conn->lingering ? &conn->service->set->lingering : &conn->service->idle;
}

static void
stamp(struct service_conn *conn)
{
	struct service_timeouts *t = timeouts_of(conn);

	TAILQ_REMOVE(&t->conns, conn, by_activity);
	timeouts_add(conn->service->set, t, conn);
}

/* Whether the peer has acknowledged everything. */
static bool
sent_all(const struct service_conn *conn)
{
	return tcp_send_room(conn->tcp) >= conn->empty_room;
}

/* A peer that takes data slowly gives no other sign of life than a send queue that shrinks. */
static bool
queue_moves(const struct service_conn *conn)
{
	return !sent_all(conn) && (uint32_t)tcp_send_room(conn->tcp) != conn->send_room;
}

/* ---- Connections */

static void
slot_free(struct service_conn *conn)
{
	struct service_set *set = conn->service->set;

	TAILQ_REMOVE(&timeouts_of(conn)->conns, conn, by_activity);
	if (conn->waiting)
		TAILQ_REMOVE(&set->waiting, conn, by_turn);
	conn->tcp = NULL;
	TAILQ_INSERT_HEAD(&set->free, conn, by_activity);
}

static void
close_conn(struct service_conn *conn)
{
	tcp_close(conn->tcp);
	slot_free(conn);
}

static void
abort_conn(struct service_conn *conn)
{
	tcp_abort(conn->tcp);
	slot_free(conn);
}

static void
wait_for_turn(struct service_conn *conn)
{
	conn->waiting = true;
	TAILQ_INSERT_TAIL(&conn->service->set->waiting, conn, by_turn);
}

static enum service_verdict
linger(struct service_conn *conn)
{
	size_t bytes;
	enum service_verdict verdict = service_drain(conn, &bytes);

	conn->drained_bytes += (uint32_t)bytes;
	if (verdict != SERVICE_WAIT || conn->drained_bytes <= LINGER_BYTES)
		return verdict;
	SERVICE_COUNT(conn->service->set, linger_expired, 1);
	return SERVICE_BROKEN;
}

static enum service_verdict
start_lingering(struct service_conn *conn)
{
	struct service_set *set = conn->service->set;

	if (tcp_shutdown(conn->tcp, SHUT_WR) < 0)
		return SERVICE_BROKEN;
	TAILQ_REMOVE(&conn->service->idle.conns, conn, by_activity);
	conn->lingering = true;
	conn->drained_bytes = 0;
	timeouts_add(set, &set->lingering, conn);
	SERVICE_COUNT(set, lingered, 1);
	return linger(conn);
}

/* Makes progress and follows the verdict. The slot may be free afterwards. Returns the verdict. */
static enum service_verdict
run(struct service_conn *conn)
{
	struct service_set *set = conn->service->set;
	enum service_verdict verdict;

	conn->moved = false;
	verdict = conn->lingering ? linger(conn) : conn->service->ops->run(conn);
	if (verdict == SERVICE_LINGER)
		verdict = start_lingering(conn);
	switch (verdict) {
	case SERVICE_CLOSE:
		SERVICE_COUNT(set, closed, 1);
		close_conn(conn);
		return verdict;
	case SERVICE_BROKEN:
		SERVICE_COUNT(set, closed_error, 1);
		abort_conn(conn);
		return verdict;
	case SERVICE_STARVED:
		SERVICE_COUNT(set, starved, 1);
		wait_for_turn(conn);
		break;
	case SERVICE_AGAIN:
		wait_for_turn(conn);
		break;
	case SERVICE_WAIT:
	case SERVICE_LINGER:
		break;
	}
	if (conn->moved && !conn->lingering && set->now_us - conn->active_us >= TIMEOUT_GRAIN_US)
		stamp(conn);
	return verdict;
}

static void
take(struct service_listener *listener, struct tcp_conn *tcp)
{
	struct service_set *set = listener->service->set;
	struct service_conn *conn = TAILQ_FIRST(&set->free);

	if (conn == NULL) {
		SERVICE_COUNT(set, accept_no_slot, 1);
		tcp_abort(tcp);
		return;
	}
	TAILQ_REMOVE(&set->free, conn, by_activity);
	memset(conn, 0, sizeof(*conn));
	conn->tcp = tcp;
	conn->service = listener->service;
	conn->empty_room = (uint32_t)tcp_send_room(tcp);
	timeouts_add(set, &conn->service->idle, conn);
	tcp_set_user(tcp, conn);
	SERVICE_COUNT(set, accepted, 1);
	run(conn); /* its first bytes may be here already */
}

/* ---- What the lane calls */

void
service_set_notify(struct service_set *set, struct tcp_conn *c, void *user)
{
	struct service_listener *listener = user;
	struct service_conn *conn = user;
	struct tcp_conn *child;
	short events;

	if (user == NULL) /* not accepted yet: its listener hears of it */
		return;
	if (listener >= set->listeners && listener < set->listeners + set->n_listeners) {
		while (tcp_accept(c, &child) == 0)
			take(listener, child);
		return;
	}
	events = tcp_poll(c);
	if ((events & (POLLERR | POLLHUP)) != 0 && !conn->lingering) {
		SERVICE_COUNT(set, closed_error, 1);
		close_conn(conn);
		return;
	}
	if (!conn->waiting) /* else its turn comes in this iteration's advance */
		run(conn);
}

/* Gives each waiting connection one turn, but stops while mbufs are short. */
static void
run_waiting(struct service_set *set)
{
	struct service_conn *last = TAILQ_LAST(&set->waiting, service_conns), *conn;

	while ((conn = TAILQ_FIRST(&set->waiting)) != NULL) {
		bool was_last = conn == last;

		TAILQ_REMOVE(&set->waiting, conn, by_turn);
		conn->waiting = false;
		if (run(conn) == SERVICE_STARVED || was_last)
			return;
	}
}

/* Its FIN if all that it had to say is said, a reset if it ends in the middle. */
static void
close_idle(struct service_conn *conn)
{
	struct service_set *set = conn->service->set;

	if (conn->lingering)
		SERVICE_COUNT(set, linger_expired, 1);
	else
		SERVICE_COUNT(set, closed_idle, 1);
	if (conn->lingering || !sent_all(conn))
		abort_conn(conn);
	else
		close_conn(conn);
}

/* Closes what is overdue; returns when the list is to be looked at again. */
static uint64_t
sweep(struct service_set *set, struct service_timeouts *t, unsigned int *closes)
{
	struct service_conn *conn;

	if (t->timeout_us == 0)
		return UINT64_MAX;
	while ((conn = TAILQ_FIRST(&t->conns)) != NULL) {
		uint64_t due = conn->active_us + TIMEOUT_GRAIN_US + t->timeout_us;

		if (due > set->now_us)
			return due;
		if (!conn->lingering && queue_moves(conn)) {
			stamp(conn);
			continue;
		}
		if (++*closes > SWEEP_CLOSES)
			return set->now_us;
		close_idle(conn);
	}
	return UINT64_MAX;
}

void
service_set_advance(struct service_set *set, uint64_t now_us)
{
	set->now_us = now_us;
	if (!TAILQ_EMPTY(&set->waiting))
		run_waiting(set);
	if (now_us >= set->sweep_us) {
		unsigned int closes = 0;
		uint64_t next = sweep(set, &set->lingering, &closes);

		for (unsigned int i = 0; i < set->n_services; i++)
			next = RTE_MIN(next, sweep(set, &set->services[i].idle, &closes));
		set->sweep_us = next;
	}
}

uint64_t
service_set_next_timer(const struct service_set *set)
{
	if (TAILQ_EMPTY(&set->waiting))
		return set->sweep_us;
	return RTE_MIN(set->sweep_us, set->now_us + WAITING_US);
}

void
service_stats_read(const struct service_set *set, struct service_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&set->stats;
	uint64_t *to = (uint64_t *)stats;

	for (size_t i = 0; i < SERVICE_STATS_COUNT; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* ---- Creation */

static const struct service_ops *
ops_of(enum service_kind kind)
{
	switch (kind) {
	case SERVICE_HTTP:
		return &http_ops;
	case SERVICE_ECHO:
		return &echo_ops;
	case SERVICE_DISCARD:
		return &discard_ops;
	case SERVICE_CHARGEN:
		return &chargen_ops;
	}
	return NULL;
}

static const char *
endpoint_text(const struct tcp_endpoint *e, char *out, size_t bytes)
{
	char ip[INET6_ADDRSTRLEN];

	if (ip_is_any(&e->ip) && !ip_is4(&e->ip))
		snprintf(out, bytes, "*:%u", e->port);
	else if (ip_is4(&e->ip))
		snprintf(out, bytes, "%s:%u", inet_ntop(AF_INET, &e->ip.w[3], ip, sizeof(ip)),
			 e->port);
	else
		snprintf(out, bytes, "[%s]:%u", inet_ntop(AF_INET6, e->ip.w, ip, sizeof(ip)),
			 e->port);
	return out;
}

static const char *
listen_error_text(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another service listens there already";
	case -EADDRNOTAVAIL:
		return "no port has this address";
	case -ENOBUFS:
		return "[limits] connections leaves no room for the listener";
	default:
		return strerror(-error);
	}
}

/* Small answers leave at once: a service never waits for more of its own data. */
static int
open_listener(struct service_listener *listener, const struct tcp_endpoint *at, uint32_t backlog)
{
	struct service_set *set = listener->service->set;
	const int on = 1;
	int error = tcp_open(set->engine, ip_is4(&at->ip) ? AF_INET : AF_INET6, &listener->tcp);

	if (error < 0)
		return error;
	tcp_set_user(listener->tcp, listener);
	error = tcp_setsockopt(listener->tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (error == 0)
		error = tcp_bind(listener->tcp, at);
	if (error == 0)
		error = tcp_listen(listener->tcp, (int)backlog);
	if (error < 0)
		tcp_close(listener->tcp);
	return error;
}

static bool
open_service(struct service_set *set, const struct config_service *config, unsigned int index,
	     FILE *errors)
{
	struct service *service = &set->services[index];

	service->ops = ops_of(config->kind);
	service->set = set;
	service->site = content_site_of(set->content, index);
	service->idle.timeout_us = config->idle_timeout_s * UINT64_C(1000000);
	TAILQ_INIT(&service->idle.conns);
	set->n_services = index + 1;
	for (unsigned int i = 0; i < config->n_listen; i++) {
		struct service_listener *listener = &set->listeners[set->n_listeners];
		char where[INET6_ADDRSTRLEN + 16];
		int error;

		listener->service = service;
		error = open_listener(listener, &config->listen[i], config->backlog);
		if (error < 0) {
			fprintf(errors, "[service %s] listen: %s: %s\n", config->name,
				endpoint_text(&config->listen[i], where, sizeof(where)),
				listen_error_text(error));
			return false;
		}
		set->n_listeners++;
	}
	return true;
}

static struct service_set *
set_alloc(const struct service_set_config *config)
{
	uint32_t n = config->config->connections;
	struct service_set *set = rte_zmalloc_socket("services", sizeof(*set), RTE_CACHE_LINE_SIZE,
						     config->socket_id);

	if (set == NULL)
		return NULL;
	set->conns = rte_zmalloc_socket("service slots", n * sizeof(*set->conns),
					RTE_CACHE_LINE_SIZE, config->socket_id);
	if (set->conns == NULL) {
		rte_free(set);
		return NULL;
	}
	set->engine = config->engine;
	set->ref_pool = config->ref_pool;
	set->content = config->content;
	set->shared = content_take_reference(config->content);
	set->sweep_us = UINT64_MAX;
	set->n_conns = n;
	set->lingering.timeout_us = LINGER_US;
	TAILQ_INIT(&set->free);
	TAILQ_INIT(&set->waiting);
	TAILQ_INIT(&set->lingering.conns);
	for (uint32_t i = 0; i < n; i++)
		TAILQ_INSERT_TAIL(&set->free, &set->conns[i], by_activity);
	return set;
}

struct service_set *
service_set_create(const struct service_set_config *config, FILE *errors)
{
	struct service_set *set = set_alloc(config);

	if (set == NULL) {
		fprintf(errors, "services: not enough memory for %u connections\n",
			config->config->connections);
		return NULL;
	}
	for (unsigned int i = 0; i < config->config->n_services; i++) {
		if (!open_service(set, &config->config->services[i], i, errors)) {
			service_set_destroy(set);
			return NULL;
		}
	}
	return set;
}

void
service_set_destroy(struct service_set *set)
{
	if (set == NULL)
		return;
	for (unsigned int i = 0; i < set->n_listeners; i++)
		tcp_close(set->listeners[i].tcp);
	for (uint32_t i = 0; i < set->n_conns; i++) {
		struct service_conn *conn = &set->conns[i];

		if (conn->tcp == NULL)
			continue;
		if (sent_all(conn))
			close_conn(conn);
		else
			abort_conn(conn);
	}
	rte_free(set->conns);
	rte_free(set);
}
