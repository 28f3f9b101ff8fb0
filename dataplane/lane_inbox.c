/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's inbox: news of other lanes, and other threads' requests.
 *
 * News may be lost when memory or an inbox is full; what it told is learned again by itself. A
 * request is answered in one iteration of the lane, in parts of at most LANE_LIST entries, so that
 * no question holds up packets for long.
 */
#include <stdlib.h>
#include <time.h>

#include <rte_pause.h>

#include "dataplane/lane_impl.h"
#include "dataplane/lane_moves.h"

enum {
	INBOX_BURST = 32,     /* messages an iteration */
	ASK_STEP_NS = 20000,  /* between two looks at the answer */
	ASK_SPIN_NS = 400000, /* without a sleep between: what a slice of moves takes at most */
};

/* A lane that takes longer is stuck. One of a busy machine's may not run for a second. */
#define ASK_LIMIT_NS (3 * UINT64_C(1000000000))

/* ---- Telling */

void
lane_tell_one(struct lane *lane, unsigned int to, const struct lane_news *news)
{
	struct rte_mempool *pool = lane->pools.pool[POOL_NEWS];
	void *message;

	if (rte_mempool_get(pool, &message) < 0) {
		LANE_COUNT(lane, drop_message);
		return;
	}
	*(struct lane_news *)message = *news;
	((struct lane_news *)message)->pool = pool;
	if (rte_ring_enqueue(lane->lanes[to]->inbox, message) < 0) {
		rte_mempool_put(pool, message);
		LANE_COUNT(lane, drop_message);
		return;
	}
	LANE_COUNT(lane, messages_out);
	lane_ring(lane->lanes[to]);
}

void
lane_tell(struct lane *lane, const struct lane_news *news)
{
	for (unsigned int i = 0; i < lane->n_lanes; i++)
		if (lane->lanes[i] != lane && (lane->peers >> i & 1) != 0)
			lane_tell_one(lane, i, news);
}

/* ---- Asking */

struct lane_request *
lane_request_make(enum lane_request_kind kind)
{
	struct lane_request *request = calloc(1, sizeof(*request));

	if (request != NULL) {
		request->kind = kind;
		request->message.kind = NEWS_REQUEST;
		request->message.request = request;
	}
	return request;
}

/* Moves a request on from WAITING. Returns false if the other side was faster. */
static bool
settle(struct lane_request *request, enum lane_request_state state)
{
	uint32_t waiting = REQUEST_WAITING;

	return __atomic_compare_exchange_n(&request->state, &waiting, state, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Looks at the answer until it is there, but not for long. */
static void
spin(const struct lane_request *request)
{
	uint64_t end_ns = clock_ns() + ASK_SPIN_NS;

	while (__atomic_load_n(&request->state, __ATOMIC_ACQUIRE) == REQUEST_WAITING &&
	       clock_ns() < end_ns)
		rte_pause();
}

int
lane_ask_begin(struct lane *lane, struct lane_request *request)
{
	__atomic_store_n(&request->state, REQUEST_WAITING, __ATOMIC_RELAXED);
	request->n = 0;
	if (lane_has_stopped(lane) || rte_ring_enqueue(lane->inbox, &request->message) < 0) {
		free(request);
		return -1;
	}
	lane_ring(lane);
	return 0;
}

static int
wait_for_answer(struct lane_request *request)
{
	const struct timespec step = {.tv_nsec = ASK_STEP_NS};
	uint64_t end_ns = clock_ns() + ASK_LIMIT_NS;
	uint32_t state;

	do {
		state = __atomic_load_n(&request->state, __ATOMIC_ACQUIRE);
		if (state == REQUEST_ANSWERED)
			return 0;
		if (state == REQUEST_REFUSED) {
			free(request);
			return -1;
		}
		nanosleep(&step, NULL);
	} while (clock_ns() < end_ns);
	if (settle(request, REQUEST_ABANDONED))
		return -1;
	if (__atomic_load_n(&request->state, __ATOMIC_ACQUIRE) == REQUEST_ANSWERED)
		return 0;
	free(request);
	return -1;
}

int
lane_ask_end(struct lane_request *request)
{
	spin(request);
	return wait_for_answer(request);
}

int
lane_ask(struct lane *lane, struct lane_request *request)
{
	return lane_ask_begin(lane, request) < 0 ? -1 : wait_for_answer(request);
}

/* ---- Answering */

/* A listener is told of once, by the lane that has it. */
static void
leave_out_parts(const struct lane *lane, struct lane_request *request)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < request->n; i++)
		if (!gateway_is_part(lane->gateway, request->connections[i].user))
			request->connections[n++] = request->connections[i];
	request->n = n;
}

static void
list_connections(struct lane *lane, struct lane_request *request)
{
	request->n = tcp_list(lane->tcp, &request->cursor, request->connections, LANE_LIST);
	request->over = request->cursor == TCP_LIST_END;
	leave_out_parts(lane, request);
	for (unsigned int i = 0; i < request->n; i++) {
		struct lane_owner *owner = &request->owners[i];
		const void *user = request->connections[i].user;
		bool program = user != NULL && gateway_owns(lane->gateway, user);

		owner->is_service = user != NULL && !program;
		owner->listener = program ? gateway_listener(lane->gateway, user) : 0;
		owner->n = program ? gateway_users(user, owner->users, LANE_OWNERS) : 0;
	}
}

/* N of [port N], by the lane's place for it. */
static uint16_t
port_index(const struct lane *lane, uint16_t at)
{
	return (uint16_t)lane->ports[at].device->index;
}

/* An address comes or goes. 1: at a port that this lane has not. */
static int
change_address(struct lane *lane, const struct lane_request *request)
{
	uint16_t port = lane_port_at(lane, request->port);

	if (!request->add)
		return net_address_del(lane->net, lane->now_us, &request->address.ip);
	if (port == lane->n_ports)
		return 1;
	return net_address_add(lane->net, lane->now_us, port, &request->address,
			       request->taken_over);
}

/* Whoever asked has given up, and told that nothing was done: so it shall be. */
static bool
is_called_off(const struct lane_request *request)
{
	bool moves = request->kind == ASK_CHECKPOINT || request->kind == ASK_RESTORE ||
		     request->kind == ASK_RESTORE_CHECK;

	return moves && __atomic_load_n(&request->state, __ATOMIC_ACQUIRE) == REQUEST_ABANDONED;
}

/* He gave up while it was being done: nobody else ends what a checkpoint holds. */
static void
finish_alone(struct lane *lane, struct lane_request *request)
{
	struct lane_moves *m = request->moves;

	if (request->kind == ASK_CHECKPOINT)
		lane_moves_undo(lane, m);
	while (request->kind == ASK_CHECKPOINT_END && m->next < m->n_held)
		lane_moves_end(lane, m);
}

static void
answer(struct lane *lane, struct lane_request *request)
{
	uint32_t cursor = (uint32_t)request->cursor;

	if (is_called_off(request)) {
		free(request);
		return;
	}
	switch (request->kind) {
	case ASK_CONNECTIONS:
		list_connections(lane, request);
		break;
	case ASK_WAITING:
		request->n = gateway_waiting(lane->gateway, request->port, request->listener);
		break;
	case ASK_NEIGHBOURS:
		request->n =
			net_list_neighbours(lane->net, &cursor, request->neighbours, LANE_LIST);
		request->cursor = cursor;
		request->over = request->n == 0;
		for (unsigned int i = 0; i < request->n; i++)
			request->neighbours[i].port = port_index(lane, request->neighbours[i].port);
		break;
	case ASK_USAGE:
		tcp_usage(lane->tcp, &request->usage.tcp);
		request->usage.neighbour_bufs = net_held_bufs(lane->net);
		request->usage.tx_bufs = 0;
		for (unsigned int i = 0; i < lane->n_ports; i++)
			request->usage.tx_bufs += lane->ports[i].n_tx;
		break;
	case ASK_FASTOPEN:
		request->now_us = lane->now_us;
		request->n =
			tcp_fastopen_list(lane->tcp, &request->cursor, request->cookies, LANE_LIST);
		request->over = request->cursor == UINT64_MAX;
		break;
	case ASK_FASTOPEN_GUARD:
		request->now_us = lane->now_us;
		tcp_fastopen_guard(lane->tcp, &request->guard);
		break;
	case ASK_FASTOPEN_FLUSH:
		request->n = tcp_fastopen_flush(
			lane->tcp, ip_is_any(&request->flush) ? NULL : &request->flush);
		break;
	case ASK_FASTOPEN_KEYS:
		lane->tcp_config.fastopen_keys = request->keys;
		tcp_reconfigure(lane->tcp, &lane->tcp_config);
		break;
	case ASK_LINK:
		net_link_changed(lane->net, lane->now_us, lane_port_at(lane, request->port),
				 request->up);
		break;
	case ASK_ADDRESS:
		request->status = change_address(lane, request);
		break;
	case ASK_ATTACH:
		gateway_attach(lane->gateway, request->program);
		lane_idle_watch(lane, request->bell);
		if (request->share_from != NULL)
			gateway_share(lane->gateway, request->share_from, request->program);
		break;
	case ASK_DETACH:
		lane_idle_forget(lane, request->bell);
		gateway_detach(lane->gateway, request->program);
		break;
	case ASK_CHECKPOINT:
		lane_moves_checkpoint(lane, request->moves);
		break;
	case ASK_CHECKPOINT_END:
		lane_moves_end(lane, request->moves);
		break;
	case ASK_RESTORE_CHECK:
		lane_moves_restore_check(lane, request->moves);
		break;
	case ASK_RESTORE:
		lane_moves_restore(lane, request->moves);
		break;
	case ASK_RESTORE_END:
		lane_moves_restore_end(lane, request->moves);
		break;
	case ASK_RESTORE_PEERS:
		lane_moves_restore_peers(lane, request->moves);
		break;
	case ASK_RESTORING:
		tcp_set_restoring(lane->tcp, request->up);
		break;
	case ASK_BENCH_START:
		request->status = bench_start(lane->services, request->bench.run);
		break;
	case ASK_BENCH:
		request->status = bench_read(lane->services, &request->bench.result);
		break;
	case ASK_BENCH_END:
		request->status = bench_end(lane->services, &request->bench.run);
		break;
	}
	if (settle(request, REQUEST_ANSWERED))
		return;
	finish_alone(lane, request);
	free(request);
}

unsigned int
lane_inbox_run(struct lane *lane)
{
	void *messages[INBOX_BURST];
	unsigned int n = rte_ring_dequeue_burst(lane->inbox, messages, INBOX_BURST, NULL);

	LANE_COUNT_N(lane, messages_in, n);
	for (unsigned int i = 0; i < n; i++) {
		struct lane_news *news = messages[i];

		switch (news->kind) {
		case NEWS_NEIGHBOUR:
			news->neighbour.port = lane_port_at(lane, news->neighbour.port);
			net_neighbour_learn(lane->net, lane->now_us, &news->neighbour);
			break;
		case NEWS_ICMP:
			tcp_icmp_input(lane->tcp, &news->icmp);
			break;
		case NEWS_FASTOPEN:
			tcp_fastopen_take_news(lane->tcp, &news->fastopen);
			break;
		case NEWS_REQUEST:
			answer(lane, news->request);
			continue;
		}
		rte_mempool_put(news->pool, news);
	}
	return n;
}

void
lane_inbox_clear(struct lane *lane)
{
	void *message;

	while (lane->handed != NULL && rte_ring_dequeue(lane->handed, &message) == 0)
		rte_pktmbuf_free(message);
	while (rte_ring_dequeue(lane->inbox, &message) == 0) {
		struct lane_news *news = message;

		if (news->kind != NEWS_REQUEST)
			rte_mempool_put(news->pool, news);
		else if (!settle(news->request, REQUEST_REFUSED))
			free(news->request);
	}
}
