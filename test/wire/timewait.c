/* SPDX-License-Identifier: BSD-3-Clause */
/* TIME-WAIT: RFC 9293 §3.6.1 and §3.10.7.4, RFC 6191; a RST ends it, as on Linux (RFC 1337 is not
 * done). */
#include "wire.h"

/* The current flow goes to TIME-WAIT: our next number is 2, the peer's 2. */
static void
to_time_wait(struct wire *w, const char *options)
{
	wire_accepted(w, options, 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
}

/* A FIN again is answered and starts the 60 s anew. */
WIRE_TEST(fin_again)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460>");
	wire_in(w, "+30s F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_idle_for(w, SEC(59));
	wire_listed(w, TCP_TIME_WAIT);
	wire_idle_for(w, SEC(2));
	wire_gone(w);
	wire_end(w);
}

WIRE_TEST(fin_again_with_timestamps)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460,nop,nop,TS val 100 ecr 0>");
	wire_in(w, "+1s F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2 {TS val * ecr *}");
	wire_end(w);
}

/* The FIN and a probe's copy of it in one burst: a peer who is gone by the first acknowledgment
 * would answer a second one with a reset. */
WIRE_TEST(fins_of_a_burst_are_acknowledged_once)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_idle(w);
	wire_in(w, "+10ms F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_end(w);
}

WIRE_TEST(reset_ends_it)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460>");
	wire_in(w, "R 2:2(0)");
	wire_idle(w);
	wire_gone(w);
	wire_count(w, timewait_rst, 1);
	wire_used(w, flows, 0);
	wire_end(w);
}

/* RFC 5961 §3.2 protects here too. */
WIRE_TEST(reset_outside_the_window_does_not)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460>");
	wire_in(w, "R 2000000000:2000000000(0)");
	wire_in(w, "R -2000000:-2000000(0)");
	wire_skip(w);
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

WIRE_TEST(old_segments_are_answered)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460>");
	wire_in(w, "P. 1:11(10) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	wire_count(w, drop_timewait, 1);
	wire_in(w, "+2s . 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_skip(w);
	wire_end(w);
}

/* RFC 9293 §3.6.1 (MAY-2): a SYN above all that was received opens a new connection. */
WIRE_TEST(syn_reuses_it)
{
	uint32_t old;

	wire_start(w);
	to_time_wait(w, "<mss 1460>");
	old = w->flow->iss;
	wire_again(w, 1000);
	wire_in(w, "+1s S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	WIRE_IN(w, (int32_t)(w->flow->iss - old), 3, INT32_MAX); /* above all that we sent */
	wire_in(w, ". 1:1(0) ack 1");
	wire_accept(w);
	wire_used(w, timewait, 0);
	wire_count(w, timewait_reused, 1);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_recv(w, 100, 10);
	wire_acked(w, 11);
	wire_end(w);
}

/* RFC 6191: with timestamps a later one is enough. */
WIRE_TEST(syn_with_a_later_timestamp_reuses_it)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460,nop,nop,TS val 100 ecr 0>");
	wire_again(w, (uint32_t)-50000);
	wire_in(w, "+1s S 0:0(0) win 65535 <mss 1460,nop,nop,TS val 5000 ecr 0>");
	wire_out(w, "S. 0:0(0) ack 1 {mss 1460,TS val * ecr 5000}");
	wire_count(w, timewait_reused, 1);
	wire_end(w);
}

WIRE_TEST(old_syn_does_not)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460>");
	wire_in(w, "+1s S -100000:-100000(0) win 65535 <mss 1460>");
	wire_out(w, ". 2:2(0) ack 2");
	wire_in(w, "+1s S 0:0(0) win 65535 <mss 1460>"); /* the very same */
	wire_out(w, ". 2:2(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	wire_count(w, timewait_reused, 0);
	wire_end(w);
}

WIRE_TEST(syn_with_an_old_timestamp_does_not)
{
	wire_start(w);
	to_time_wait(w, "<mss 1460,nop,nop,TS val 100 ecr 0>");
	wire_in(w, "+1s S 5000:5000(0) win 65535 <mss 1460,nop,nop,TS val 50 ecr 0>");
	wire_skip(w); /* an ACK */
	wire_listed(w, TCP_TIME_WAIT);
	wire_count(w, timewait_reused, 0);
	wire_end(w);
}

/* Nobody listens any more: a SYN does not bring it back. With SO_REUSEADDR another one listens. */
WIRE_TEST(syn_without_listener)
{
	struct tcp_endpoint local = {.port = WIRE_LOCAL_PORT};
	int on = 1;

	wire_start(w);
	wire_listen(w, 16);
	WIRE_EQ(w, tcp_setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	to_time_wait(w, "<mss 1460>");
	tcp_close(w->listener);
	w->listener = NULL;
	wire_again(w, 1000);
	wire_in(w, "+1s S 0:0(0) win 65535 <mss 1460>");
	wire_skip(w);
	WIRE_EQ(w, tcp_open(w->engine, w->family, &w->listener), 0);
	tcp_set_user(w->listener, w);
	WIRE_EQ(w, tcp_bind(w->listener, &local), -EADDRINUSE);
	WIRE_EQ(w, tcp_setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_bind(w->listener, &local), 0);
	wire_listen(w, 16);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_end(w);
}

/* The table is full: the oldest gives way. */
WIRE_TEST(oldest_gives_way)
{
	wire_start(w, .max_timewait = 2);
	for (unsigned int i = 0; i < 3; i++) {
		wire_flow(w, i);
		to_time_wait(w, "<mss 1460>");
	}
	wire_used(w, timewait, 2);
	wire_count(w, timewait_evicted, 1);
	wire_flow(w, 0);
	wire_gone(w);
	wire_flow(w, 1);
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

/* RFC 9293 §3.10.7.4: only the peer's own FIN again restarts 2 MSL. Others do not, nor does a burst
 * of them draw as many answers. */
WIRE_TEST(blind_fins)
{
	unsigned int answers = 0;

	wire_start(w);
	to_time_wait(w, "<mss 1460>");
	for (unsigned int i = 0; i < 100; i++) {
		wire_in(w, "F %u:%u(0)", 12345 + i, 12345 + i);
		wire_in(w, "F. %u:%u(0) ack 2", 12345 + i, 12345 + i);
		answers += wire_skip(w);
	}
	WIRE_IN(w, answers, 0, 1);
	for (unsigned int i = 0; i < 6; i++) {
		wire_wait(w, SEC(9));
		wire_in(w, "F 12345:12345(0)");
		wire_in(w, "F. 12345:12345(0) ack 2");
		wire_skip(w);
	}
	wire_listed(w, TCP_TIME_WAIT);
	wire_wait(w, SEC(7));
	wire_gone(w);
	wire_end(w);
}
