/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hierarchical timer wheel with a resolution of one microsecond.
 *
 *     level 5  |..|..|..|..|  64 slots of 17.9 min      a timer lies in the lowest level whose
 *     level 4  |..|..|..|..|  64 slots of 16.8 s        64 slots still reach it, and sinks as
 *     ...                                               its time comes nearer
 *     level 0  |..|..|..|..|  64 slots of 1 us
 *
 * A timer whose time moves later need not be moved: its owner lets it fire, looks at the true time
 * and adds it again. Adding, removing and each sinking are constant time; advancing costs a few
 * instructions when nothing is due, however long the step.
 */
#ifndef TERN_TCP_TIMER_WHEEL_H
#define TERN_TCP_TIMER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WHEEL_LEVELS = 6,
	WHEEL_SHIFT = 6,
	WHEEL_SLOTS = 1 << WHEEL_SHIFT,
};

/* Times farther away than this are cut to it: the owner's check at firing makes that harmless. */
#define WHEEL_SPAN_US ((UINT64_C(1) << (WHEEL_LEVELS * WHEEL_SHIFT)) - 1)

struct wheel_link {
	struct wheel_link *next, *prev;
};

/* One timer; all zero: not in a wheel. */
struct wheel_timer {
	struct wheel_link link;
	uint64_t at_us;
};

struct timer_wheel {
	uint64_t now_us;
	uint64_t occupied[WHEEL_LEVELS]; /* a set bit: the slot may hold timers */
	struct wheel_link slots[WHEEL_LEVELS][WHEEL_SLOTS];
	struct wheel_link due; /* fired, waiting to be taken by wheel_take_due() */
};

void wheel_init(struct timer_wheel *w, uint64_t now_us);

static inline bool
wheel_is_armed(const struct wheel_timer *t)
{
	return t->link.next != NULL;
}

/* Arms a timer; it must not be armed. A time in the past fires at the next advance. */
void wheel_add(struct timer_wheel *w, struct wheel_timer *t, uint64_t at_us);

/* Disarms a timer; harmless if it is not armed. */
void wheel_remove(struct wheel_timer *t);

/* Moves time on; timers with at_us <= now_us become due. */
void wheel_advance(struct timer_wheel *w, uint64_t now_us);

/* Takes one due timer, disarmed, or NULL when there are no more. */
struct wheel_timer *wheel_take_due(struct timer_wheel *w);

/*
 * When wheel_advance() next has something to do: fire a timer, or let some sink. Never later than
 * the first timer; exactly its time once it lies in level 0. UINT64_MAX when empty.
 */
uint64_t wheel_next(const struct timer_wheel *w);

#endif
