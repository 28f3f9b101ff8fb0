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

#include "dataplane/lane_impl.h"
#include "dataplane/lane_moves.h"

enum {
	INBOX_BURST = 32,          /* messages an iteration */
	ASK_STEP_NS = 20000,       /* between two looks at the answer */
	ASK_LIMIT_NS = 1000000000, /* a lane that takes longer is stuck */
};

/* ---- Telling */

void
lane_tell(struct lane *lane, const struct lane_news *news)
{
	struct rte_mempool *pool = lane->pools.pool[POOL_NEWS];
	void *message;

	for (unsigned int i = 0; i < lane->n_lanes; i++) {
		if (lane->lanes[i] == lane)
			continue;
		if (rte_mempool_get(pool, &message) < 0) {
			LANE_COUNT(lane, drop_message);
			continue;
		}
		*(struct lane_news *)message = *news;
		((struct lane_news *)message)->pool = pool;
		if (rte_ring_enqueue(lane->lanes[i]->inbox, message) < 0) {
			rte_mempool_put(pool, message);
			LANE_COUNT(lane, drop_message);
			continue;
		}
		LANE_COUNT(lane, messages_out);
		lane_ring(lane->lanes[i]);
	}
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

int
lane_ask(struct lane *lane, struct lane_request *request)
{
	const struct timespec step = {.tv_nsec = ASK_STEP_NS};
	uint32_t state;

	__atomic_store_n(&request->state, REQUEST_WAITING, __ATOMIC_RELAXED);
	request->n = 0;
	if (lane_has_stopped(lane) || rte_ring_enqueue(lane->inbox, &request->message) < 0) {
		free(request);
		return -1;
	}
	lane_ring(lane);
	for (unsigned int waited = 0; waited < ASK_LIMIT_NS; waited += ASK_STEP_NS) {
		state = __atomic_load_n(&request->state, __ATOMIC_ACQUIRE);
		if (state == REQUEST_ANSWERED)
			return 0;
		if (state == REQUEST_REFUSED) {
			free(request);
			return -1;
		}
		nanosleep(&step, NULL);
	}
	if (settle(request, REQUEST_ABANDONED))
		return -1;
	if (__atomic_load_n(&request->state, __ATOMIC_ACQUIRE) == REQUEST_ANSWERED)
		return 0;
	free(request);
	return -1;
}

/* ---- Answering */

static void
list_connections(struct lane *lane, struct lane_request *request)
{
	request->n = tcp_list(lane->tcp, &request->cursor, request->connections, LANE_LIST);
	request->over = request->cursor == TCP_LIST_END;
	for (unsigned int i = 0; i < request->n; i++) {
		struct lane_owner *owner = &request->owners[i];
		const void *user = request->connections[i].user;
		bool program = user != NULL && gateway_owns(lane->gateway, user);

		owner->is_service = user != NULL && !program;
		owner->n = program ? gateway_users(user, owner->users, LANE_OWNERS) : 0;
	}
}

static void
answer(struct lane *lane, struct lane_request *request)
{
	uint32_t cursor = (uint32_t)request->cursor;

	switch (request->kind) {
	case ASK_CONNECTIONS:
		list_connections(lane, request);
		break;
	case ASK_NEIGHBOURS:
		request->n =
			net_list_neighbours(lane->net, &cursor, request->neighbours, LANE_LIST);
		request->cursor = cursor;
		request->over = request->n == 0;
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
		net_link_changed(lane->net, lane->now_us, request->port, request->up);
		break;
	case ASK_ADDRESS:
		request->status =
			request->add
				? net_address_add(lane->net, lane->now_us, request->port,
						  &request->address, request->taken_over)
				: net_address_del(lane->net, lane->now_us, &request->address.ip);
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
	case ASK_RESTORING:
		tcp_set_restoring(lane->tcp, request->up);
		break;
	}
	if (!settle(request, REQUEST_ANSWERED))
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
			net_neighbour_learn(lane->net, lane->now_us, &news->neighbour);
			break;
		case NEWS_ICMP:
			tcp_icmp_input(lane->tcp, &news->icmp);
			break;
		case NEWS_FASTOPEN:
			tcp_fastopen_take_news(lane->tcp, &news->fastopen);
			break;
		case NEWS_PACKETS:
			lane_take_packets(lane, &news->packets);
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

	while (rte_ring_dequeue(lane->inbox, &message) == 0) {
		struct lane_news *news = message;

		if (news->kind == NEWS_PACKETS)
			lane_drop_packets(&news->packets);
		if (news->kind != NEWS_REQUEST)
			rte_mempool_put(news->pool, news);
		else if (!settle(news->request, REQUEST_REFUSED))
			free(news->request);
	}
}
