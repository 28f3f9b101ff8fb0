/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a lane tells ternd's log of its programs' moves: the lane writes, the main thread reads. The
 * lane never waits; what finds no room is counted.
 *
 * A line can wait, and its program cannot: the main thread may have the program's processor, so it
 * is woken a little later, when the move is long over.
 */
#include <sys/timerfd.h>

#include "dataplane/gateway_impl.h"

enum { LATER_NS = 5000000 };

void
gateway_journal_tells(struct gateway *gateway, int timer)
{
	__atomic_store_n(&gateway->journal_timer, timer, __ATOMIC_RELEASE);
}

static void
set_timer(const struct gateway *gateway)
{
	static const struct itimerspec later = {.it_value.tv_nsec = LATER_NS};
	int timer = __atomic_load_n(&gateway->journal_timer, __ATOMIC_ACQUIRE);

	if (timer >= 0)
		timerfd_settime(timer, 0, &later, NULL);
}

void
gateway_journal_add(struct gateway *gateway, const struct gateway_moved *line)
{
	struct gateway_journal *j = &gateway->journal;
	uint32_t tail = j->tail;

	if (tail - __atomic_load_n(&j->head, __ATOMIC_ACQUIRE) == GATEWAY_JOURNAL_LINES) {
		__atomic_store_n(&j->lost, j->lost + 1, __ATOMIC_RELAXED);
		return;
	}
	j->lines[tail % GATEWAY_JOURNAL_LINES] = *line;
	__atomic_store_n(&j->tail, tail + 1, __ATOMIC_SEQ_CST);
	/* Whoever has read all before it has to be told; who has not will see it. */
	if (__atomic_load_n(&j->head, __ATOMIC_SEQ_CST) == tail)
		set_timer(gateway);
}

bool
gateway_journal_take(struct gateway *gateway, struct gateway_moved *line)
{
	struct gateway_journal *j = &gateway->journal;

	if (__atomic_load_n(&j->tail, __ATOMIC_SEQ_CST) == j->head)
		return false;
	*line = j->lines[j->head % GATEWAY_JOURNAL_LINES];
	__atomic_store_n(&j->head, j->head + 1, __ATOMIC_SEQ_CST);
	return true;
}

uint64_t
gateway_journal_lost(const struct gateway *gateway)
{
	return __atomic_load_n(&gateway->journal.lost, __ATOMIC_RELAXED);
}
