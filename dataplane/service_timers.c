/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers of services' connections: a binary heap, so that each fires in the iteration in which it
 * is due. Few connections of few services have one; setting and moving cost O(log n).
 *
 *     timers[1] is the earliest; timers[i] is not later than timers[2i] and timers[2i + 1]
 *
 * Invariant: conn->timer_at is the place of the connection's timer, 0 if it has none.
 */
#include "dataplane/service_impl.h"

static void
put(struct service_set *set, uint32_t at, struct service_timer timer)
{
	set->timers[at] = timer;
	timer.conn->timer_at = at;
}

/* Puts a timer where it belongs, starting from a place that is empty. */
static void
settle(struct service_set *set, uint32_t at, struct service_timer timer)
{
	const struct service_timer *heap = set->timers;

	while (at > 1 && timer.due_us < heap[at / 2].due_us) {
		put(set, at, heap[at / 2]);
		at /= 2;
	}
	for (;;) {
		uint32_t child = 2 * at;

		if (child > set->n_timers)
			break;
		if (child < set->n_timers && heap[child + 1].due_us < heap[child].due_us)
			child++;
		if (timer.due_us <= heap[child].due_us)
			break;
		put(set, at, heap[child]);
		at = child;
	}
	put(set, at, timer);
}

static void
take(struct service_set *set, struct tern_service_conn *conn)
{
	uint32_t at = conn->timer_at;
	struct service_timer last = set->timers[set->n_timers--];

	conn->timer_at = 0;
	if (last.conn != conn)
		settle(set, at, last);
}

void
service_timer_set(struct tern_service_conn *conn, uint64_t due_us)
{
	struct service_set *set = conn->lane->set;

	if (due_us == UINT64_MAX) {
		if (conn->timer_at != 0)
			take(set, conn);
		return;
	}
	settle(set, conn->timer_at != 0 ? conn->timer_at : ++set->n_timers,
	       (struct service_timer){due_us, conn});
}

struct tern_service_conn *
service_timer_pop(struct service_set *set, uint64_t now_us)
{
	struct tern_service_conn *conn;

	if (service_timer_next(set) > now_us)
		return NULL;
	conn = set->timers[1].conn;
	take(set, conn);
	return conn;
}
