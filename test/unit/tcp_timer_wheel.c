/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/timer_wheel.c: against a naive twin that looks at every timer. */
#include "unit.h"

#include <time.h>

#include "tcp/timer_wheel.h"

enum { TIMERS = 300 };

UNIT_CASE(fires_at_the_microsecond)
{
	static const uint64_t times[] = {1,
					 63,
					 64,
					 65,
					 4095,
					 4096,
					 200000,
					 1000000,
					 60000000,
					 7200000000,
					 UINT64_C(1) << 36,
					 UINT64_C(1) << 40};
	struct wheel_timer t = {0};
	struct timer_wheel w;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		uint64_t start = 123456789, at = start + times[i], next;

		wheel_init(&w, start);
		wheel_add(&w, &t, at);
		while ((next = wheel_next(&w)) < at) {
			CU_ASSERT_FATAL(next > w.now_us);
			wheel_advance(&w, next);
			CU_ASSERT(wheel_take_due(&w) == NULL);
		}
		UNIT_EQ(next, at);
		wheel_advance(&w, at - 1);
		CU_ASSERT(wheel_take_due(&w) == NULL);
		wheel_advance(&w, at);
		CU_ASSERT(wheel_take_due(&w) == &t);
		CU_ASSERT(wheel_take_due(&w) == NULL);
		UNIT_EQ(wheel_next(&w) == UINT64_MAX, 1);
	}
}

UNIT_CASE(past_is_due_at_once)
{
	struct wheel_timer t = {0};
	struct timer_wheel w;

	wheel_init(&w, 1000);
	wheel_add(&w, &t, 10);
	UNIT_EQ(wheel_next(&w), 1000);
	CU_ASSERT(wheel_take_due(&w) == &t);
}

UNIT_CASE(removing_is_final_and_harmless_twice)
{
	struct wheel_timer t = {0}, due = {0};
	struct timer_wheel w;

	wheel_init(&w, 0);
	wheel_add(&w, &t, 100);
	wheel_add(&w, &due, 1);
	wheel_advance(&w, 50);
	wheel_remove(&due);
	wheel_remove(&t);
	wheel_remove(&t);
	wheel_advance(&w, 1000);
	CU_ASSERT(wheel_take_due(&w) == NULL);
}

static uint64_t
draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 20;
}

/* Exponents first, so that every level is used. */
static uint64_t
draw_delay(uint64_t *state)
{
	return draw(state) & ((UINT64_C(1) << (draw(state) % 38)) - 1);
}

/* Advances the twin and the wheel, which must fire the same timers. */
static void
advance_both(struct timer_wheel *w, struct wheel_timer *t, uint64_t *at, uint64_t now)
{
	struct wheel_timer *fired;
	int due = 0;

	wheel_advance(w, now);
	for (int i = 0; i < TIMERS; i++)
		due += at[i] <= now;
	while ((fired = wheel_take_due(w)) != NULL) {
		CU_ASSERT(at[fired - t] <= now);
		at[fired - t] = UINT64_MAX;
		due--;
	}
	UNIT_EQ(due, 0);
}

UNIT_CASE(agrees_with_a_naive_twin)
{
	uint64_t seed = (uint64_t)time(NULL), state = seed, at[TIMERS], now = draw(&state);
	struct wheel_timer t[TIMERS] = {0};
	struct timer_wheel w;
	unsigned int before = CU_get_number_of_failures();

	wheel_init(&w, now);
	for (int i = 0; i < TIMERS; i++)
		at[i] = UINT64_MAX;
	for (int step = 0; step < 20000; step++) {
		uint64_t i = draw(&state) % TIMERS;

		wheel_remove(&t[i]);
		at[i] = UINT64_MAX;
		if (draw(&state) % 4 != 0) {
			at[i] = now + draw_delay(&state);
			wheel_add(&w, &t[i], at[i]);
		}
		if (draw(&state) % 3 == 0) {
			now += draw_delay(&state);
			advance_both(&w, t, at, now);
		}
	}
	if (CU_get_number_of_failures() != before)
		printf("\n  seed %llu\n", (unsigned long long)seed);
}

UNIT_MAIN(UNIT_RUN(fires_at_the_microsecond), UNIT_RUN(past_is_due_at_once),
	  UNIT_RUN(removing_is_final_and_harmless_twice), UNIT_RUN(agrees_with_a_naive_twin))
