/* SPDX-License-Identifier: BSD-3-Clause */
/* What a connection may send at one flush ([tcp_config] flush_bytes): the rest leaves with the
 * next. */
#include "wire.h"

static void
four_at_once(struct tcp_config *config)
{
	config->flush_bytes = 4 * WIRE_MSS;
}

/* n segments from the seg-th on (0: the first) have left, and no more. */
static void
expect_segs(struct wire *w, unsigned int seg, unsigned int n)
{
	struct note note;

	for (unsigned int i = 0; i < n; i++) {
		if (!wire_next(w, &note))
			wire_fail(w, "%u segments, expected %u", i, n);
		WIRE_EQ(w, note.seq.value, 1 + (seg + i) * WIRE_MSS);
		WIRE_EQ(w, note.bytes.value, WIRE_MSS);
	}
	if (wire_next(w, &note))
		wire_fail(w, "more than %u segments", n);
}

WIRE_TEST(a_flush_sends_what_it_may)
{
	wire_start(w, .configure = four_at_once);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_segs(w, 0, 4);
	WIRE_EQ(w, tcp_next_timer(w->engine), w->now_us);
	wire_flush(w);
	expect_segs(w, 4, 4);
	wire_flush(w);
	expect_segs(w, 8, 2);
	wire_flush(w);
	wire_idle(w);
	WIRE_EQ(w, tcp_next_timer(w->engine) > w->now_us, true);
	wire_end(w);
}

/* One that is freed while it waits for its next turn. */
WIRE_TEST(a_reset_before_the_next_flush)
{
	wire_start(w, .configure = four_at_once);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_segs(w, 0, 4);
	wire_in(w, "R 1:1(0)");
	wire_flush(w);
	wire_idle(w);
	wire_end(w);
}

/* All that is allowed leaves at once where nothing is said. */
WIRE_TEST(a_flush_without_a_limit)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	expect_segs(w, 0, 10);
	wire_end(w);
}
