/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_list(): what waits for what, whose it is, and that no call looks at more than a part. */
#include "repair_calls.h"

static void
timer_is(struct wire *w, enum tcp_list_timer timer, uint32_t least_ms, uint32_t most_ms,
	 uint8_t retries)
{
	struct tcp_listing l = wire_listing(w);

	WIRE_EQ(w, l.timer, timer);
	WIRE_IN(w, l.timer_ms, least_ms, most_ms);
	WIRE_EQ(w, l.timer_retries, retries);
}

WIRE_TEST(timers)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	timer_is(w, TCP_LIST_TIMER_OFF, 0, 0, 0);
	wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	timer_is(w, TCP_LIST_TIMER_KEEPALIVE, 7190000, 7200000, 0);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	timer_is(w, TCP_LIST_TIMER_ON, 1, 400, 0);
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 0");
	wire_send(w, 1000, 1000);
	timer_is(w, TCP_LIST_TIMER_PERSIST, 1, 400, 0);
	wire_in(w, "+10ms R. 1:1(0) ack 1001 win 0");
	wire_end(w);
}

WIRE_TEST(handshake_and_time_wait)
{
	struct tcp_listing l;

	wire_start(w);
	wire_listen(w, 4);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	timer_is(w, TCP_LIST_TIMER_ON, 900, 1000, 0);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	wire_accept(w);
	l = wire_listing(w);
	WIRE_EQ(w, l.has_details, true);
	WIRE_EQ(w, l.user == tcp_user(w->flow->c), true);
	WIRE_EQ(w, strcmp(l.congestion, "newreno"), 0);
	WIRE_EQ(w, l.details.segs_in, 1);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "+10ms F. 1:1(0) ack 2 win 65535");
	wire_out(w, ". 2:2(0) ack 2");
	timer_is(w, TCP_LIST_TIMER_TIMEWAIT, 1000, 60000, 0);
	wire_end(w);
}

/* In repair no timer runs; and who has left is listed until his minute is over. */
WIRE_TEST(repair_and_mute)
{
	struct tcp_listing l;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 200, 200);
	wire_out(w, "P. 1:201(200) ack 1");
	WIRE_EQ(w, wire_listing(w).frozen, false);
	repair_on(w);
	wire_wait(w, SEC(3));
	timer_is(w, TCP_LIST_TIMER_REPAIR, 3000, 3000, 0);
	WIRE_EQ(w, wire_listing(w).frozen, true);
	WIRE_EQ(w, wire_listing(w).state, TCP_ESTABLISHED);
	wire_close(w);
	l = wire_listing(w);
	WIRE_EQ(w, l.mute, true);
	WIRE_EQ(w, l.state, TCP_CLOSED);
	WIRE_EQ(w, l.user == NULL, true);
	wire_wait(w, SEC(20));
	timer_is(w, TCP_LIST_TIMER_MUTE, 40000, 40000, 0);
	wire_wait(w, SEC(41));
	wire_used(w, mutes, 0);
	wire_end(w);
}

/* A slab that was full once and is empty but for its end. */
WIRE_TEST(a_call_looks_at_a_part)
{
	enum { MANY = 2000 };
	static struct tcp_conn *conns[MANY];
	struct tcp_listing l[4];
	unsigned int found = 0, calls = 0, empty = 0;
	uint64_t cursor = 0;

	wire_start(w, .max_conns = MANY);
	for (unsigned int i = 0; i < MANY; i++)
		WIRE_EQ(w, tcp_open(w->engine, AF_INET, &conns[i]), 0);
	for (unsigned int i = 0; i + 1 < MANY; i++)
		tcp_close(conns[i]);
	for (; cursor != TCP_LIST_END; calls++) {
		unsigned int n = tcp_list(w->engine, &cursor, l, 4);

		found += n;
		empty += n == 0;
	}
	WIRE_EQ(w, found, 1);
	WIRE_IN(w, calls, 3, 10);
	WIRE_IN(w, empty, 2, 9);
	WIRE_EQ(w, tcp_list(w->engine, &cursor, l, 4), 0);
	tcp_close(conns[MANY - 1]);
	wire_end(w);
}
