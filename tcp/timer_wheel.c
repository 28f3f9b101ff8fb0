/* SPDX-License-Identifier: BSD-3-Clause */
#include "timer_wheel.h"

#include <assert.h>

static void
link_init(struct wheel_link *head)
{
	head->next = head->prev = head;
}

static bool
link_is_empty(const struct wheel_link *head)
{
	return head->next == head;
}

static void
link_append(struct wheel_link *head, struct wheel_link *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Moves all of a list behind another. */
static void
link_splice(struct wheel_link *to, struct wheel_link *from)
{
	if (link_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	link_init(from);
}

static uint64_t
rotate_left(uint64_t v, unsigned int by)
{
	by &= 63;
	return by == 0 ? v : v << by | v >> (64 - by);
}

static uint64_t
rotate_right(uint64_t v, unsigned int by)
{
	return rotate_left(v, 64 - (by & 63));
}

static unsigned int
slot_of(uint64_t time_us, unsigned int level)
{
	return (unsigned int)(time_us >> (level * WHEEL_SHIFT)) & (WHEEL_SLOTS - 1);
}

void
wheel_init(struct timer_wheel *w, uint64_t now_us)
{
	w->now_us = now_us;
	for (unsigned int level = 0; level < WHEEL_LEVELS; level++) {
		w->occupied[level] = 0;
		for (unsigned int slot = 0; slot < WHEEL_SLOTS; slot++)
			link_init(&w->slots[level][slot]);
	}
	link_init(&w->due);
}

/*
 * The level is that of the highest bit in which the timer's time differs from now: above it both
 * lie in the same slot, in it they do not, so the slot opens before the timer's time and after now.
 */
static void
place(struct timer_wheel *w, struct wheel_timer *t)
{
	unsigned int level, slot;
	uint64_t at_us = t->at_us;

	if (at_us <= w->now_us) {
		link_append(&w->due, &t->link);
		return;
	}
	if (at_us - w->now_us > WHEEL_SPAN_US)
		at_us = w->now_us + WHEEL_SPAN_US;
	level = (63u - (unsigned int)__builtin_clzll(at_us ^ w->now_us)) / WHEEL_SHIFT;
	if (level >= WHEEL_LEVELS)
		level = WHEEL_LEVELS - 1;
	slot = slot_of(at_us, level);
	link_append(&w->slots[level][slot], &t->link);
	w->occupied[level] |= UINT64_C(1) << slot;
}

void
wheel_add(struct timer_wheel *w, struct wheel_timer *t, uint64_t at_us)
{
	assert(!wheel_is_armed(t));
	t->at_us = at_us;
	place(w, t);
}

void
wheel_remove(struct wheel_timer *t)
{
	if (!wheel_is_armed(t))
		return;
	t->link.prev->next = t->link.next;
	t->link.next->prev = t->link.prev;
	t->link.next = t->link.prev = NULL;
}

/* The slots of a level that opened when time moved from `from` to `to`: those after from's, to
 * to's. */
static uint64_t
slots_opened(uint64_t from, uint64_t to, unsigned int level)
{
	uint64_t steps = (to >> (level * WHEEL_SHIFT)) - (from >> (level * WHEEL_SHIFT));

	if (steps >= WHEEL_SLOTS)
		return UINT64_MAX;
	return rotate_left((UINT64_C(1) << steps) - 1, slot_of(from, level) + 1);
}

void
wheel_advance(struct timer_wheel *w, uint64_t now_us)
{
	uint64_t from = w->now_us;
	struct wheel_link opened, *l;

	if (now_us <= from)
		return;
	w->now_us = now_us;
	/* As nearly always: a lane that polls asks each microsecond. */
	if (now_us >> WHEEL_SHIFT == from >> WHEEL_SHIFT &&
	    (slots_opened(from, now_us, 0) & w->occupied[0]) == 0)
		return;
	link_init(&opened);
	for (unsigned int level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t open = slots_opened(from, now_us, level);

		if (open == 0)
			break;
		open &= w->occupied[level];
		w->occupied[level] &= ~open;
		for (; open != 0; open &= open - 1)
			link_splice(&opened, &w->slots[level][__builtin_ctzll(open)]);
	}
	while ((l = opened.next) != &opened) {
		struct wheel_timer *t = (struct wheel_timer *)l;

		wheel_remove(t);
		place(w, t);
	}
}

struct wheel_timer *
wheel_take_due(struct timer_wheel *w)
{
	struct wheel_timer *t;

	if (link_is_empty(&w->due))
		return NULL;
	t = (struct wheel_timer *)w->due.next;
	wheel_remove(t);
	return t;
}

uint64_t
wheel_next(const struct timer_wheel *w)
{
	uint64_t next = UINT64_MAX;

	if (!link_is_empty(&w->due))
		return w->now_us;
	for (unsigned int level = 0; level < WHEEL_LEVELS; level++) {
		unsigned int shift = level * WHEEL_SHIFT, ahead;
		uint64_t at;

		if (w->occupied[level] == 0)
			continue;
		ahead = 1u + (unsigned int)__builtin_ctzll(rotate_right(
				     w->occupied[level], slot_of(w->now_us, level) + 1));
		at = ((w->now_us >> shift) + ahead) << shift;
		if (at < next)
			next = at;
	}
	return next;
}
