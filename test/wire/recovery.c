/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss and its repair: the retransmission timer (RFC 6298, minimum as Linux's), fast retransmit
 * (RFC 5681, 6582), giving up. */
#include "wire.h"

/* Sends n full segments and sees them leave. */
static void
flight(struct wire *w, unsigned int n)
{
	wire_send(w, n * WIRE_MSS, n * WIRE_MSS);
	for (unsigned int i = 0; i < n; i++)
		wire_out(w, ". %u:%u(1460) ack 1", 1 + i * WIRE_MSS, 1 + (i + 1) * WIRE_MSS);
	wire_idle(w);
}

WIRE_TEST(timeout_doubles)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	rto = wire_rto(w);
	WIRE_IN(w, rto, 200000, 215000);
	for (unsigned int i = 0; i < 6; i++)
		wire_out(w, "+%uus P. 1:1001(1000) ack 1", rto << i);
	WIRE_EQ(w, wire_listing(w).retransmits, 6);
	wire_count(w, retransmits, 6);
	wire_count(w, rto, 6);
	wire_in(w, "+1ms . 1:1(0) ack 1001");
	wire_idle_for(w, SEC(300));
	wire_end(w);
}

/* RFC 6298 §2.2 and §2.3 with a round trip of 300 ms. */
WIRE_TEST(timeout_follows_the_round_trip)
{
	struct tcp_listing l;

	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+300ms . 1:1(0) ack 1");
	wire_accept(w);
	l = wire_listing(w);
	WIRE_IN(w, l.srtt_us, 299000, 301000);
	WIRE_IN(w, l.rttvar_us, 149000, 151000);
	WIRE_IN(w, l.rto_us, 895000, 905000);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_in(w, "+300ms . 1:1(0) ack 1001");
	l = wire_listing(w);
	WIRE_IN(w, l.srtt_us, 299000, 301000);
	WIRE_IN(w, l.rttvar_us, 111000, 151000); /* Linux lets it fall once a round trip only */
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1001:2001(1000) ack 1");
	wire_out(w, "+%uus P. 1001:2001(1000) ack 1", wire_rto(w));
	wire_end(w);
}

/* RFC 6298 §5.3: an ACK of new data starts the timer anew. */
WIRE_TEST(timer_restarts_on_progress)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 3);
	wire_in(w, "+100ms . 1:1(0) ack 1461");
	wire_in(w, "+100ms . 1:1(0) ack 2921");
	wire_out(w, "+%uus P. 2921:4381(1460) ack 1", wire_rto(w));
	wire_end(w);
}

/* RFC 6298 §3, Karn: what was sent twice is no sample. */
WIRE_TEST(karn)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", wire_rto(w));
	wire_in(w, "+350ms . 1:1(0) ack 1001");
	WIRE_IN(w, wire_listing(w).srtt_us, 9000, 11000);
	wire_end(w);
}

/* RFC 5681 §3.1: after a time-out one segment, then slow start over all that was in flight. */
WIRE_TEST(timeout_goes_back)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 10);
	wire_out(w, "+%uus . 1:1461(1460) ack 1", wire_rto(w));
	wire_idle(w);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	wire_out(w, ". 1461:2921(1460) ack 1");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_idle(w);
	/* The rest had arrived: the ACK of the second covers everything. */
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	WIRE_EQ(w, wire_listing(w).send_q, 0);
	wire_end(w);
}

/* RFC 5681 §3.2 and RFC 6582. */
WIRE_TEST(fast_retransmit)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 10);
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 1");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1");
	wire_out(w, ". 1:1461(1460) ack 1");
	for (unsigned int i = 0; i < 6; i++)
		wire_in(w, ". 1:1(0) ack 1");
	wire_idle(w);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	WIRE_IN(w, wire_listing(w).cwnd_segs, 1, 6);
	wire_count(w, fast_retransmits, 1);
	wire_count(w, recoveries, 1);
	wire_count(w, dupacks_in, 9);
	wire_count(w, rto, 0);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* RFC 6582 §3.2 step 3: a partial ACK tells of the next hole. */
WIRE_TEST(newreno_partial_acks)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 10);
	for (unsigned int i = 0; i < 3; i++)
		wire_in(w, ". 1:1(0) ack 1");
	wire_out(w, ". 1:1461(1460) ack 1");
	for (unsigned int i = 0; i < 4; i++)
		wire_in(w, ". 1:1(0) ack 1");
	wire_idle(w);
	wire_in(w, "+10ms . 1:1(0) ack 2921");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 7301");
	wire_out(w, ". 7301:8761(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_count(w, recoveries, 1);
	wire_count(w, rto, 0);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 1, 6);
	wire_end(w);
}

/* RFC 5681 §2: data, or another window, makes it no duplicate ACK. */
WIRE_TEST(what_is_no_duplicate_ack)
{
	struct note note;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 60000);
	flight(w, 10);
	for (unsigned int i = 0; i < 5; i++)
		wire_in(w, ". 1:1(0) ack 1 win %u", 65000 + i);
	wire_idle(w);
	for (unsigned int i = 0; i < 5; i++)
		wire_in(w, ". %u:%u(10) ack 1 win 65100", 1 + 10 * i, 11 + 10 * i);
	while (wire_next(w, &note))
		WIRE_EQ(w, note.bytes.value, 0);
	wire_count(w, fast_retransmits, 0);
	wire_count(w, dupacks_in, 0);
	wire_end(w);
}

/* With more to send, the window after recovery is about half, and what is in flight keeps to it. */
WIRE_TEST(recovery_with_more_to_send)
{
	unsigned int highest = 14601, retransmitted = 0;
	struct note note;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 30 * WIRE_MSS, 30 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	for (unsigned int i = 0; i < 9; i++) {
		wire_in(w, "+1ms . 1:1(0) ack 1");
		while (wire_next(w, &note)) {
			retransmitted += note.seq.value == 1;
			if (note.seq.value + note.bytes.value > highest)
				highest = note.seq.value + note.bytes.value;
		}
	}
	WIRE_EQ(w, retransmitted, 1);
	/* RFC 5681 §3.2 step 2: what limited transmit sent does not count. */
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, 5);
	/* RFC 3042 and RFC 5681 §3.2 step 4 let some new segments out. */
	WIRE_IN(w, highest, 14601, 14601 + 6 * WIRE_MSS);
	wire_in(w, "+5ms . 1:1(0) ack %u", highest);
	WIRE_IN(w, wire_listing(w).cwnd_segs, 2, 8); /* Linux lets the last ACK raise it again */
	WIRE_IN(w, wire_skip(w), 1, 8);
	wire_end(w);
}

/* Duplicate ACKs without anything in flight mean nothing. */
WIRE_TEST(duplicate_acks_when_idle)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	for (unsigned int i = 0; i < 10; i++)
		wire_in(w, ". 1:1(0) ack 1");
	wire_idle_for(w, SEC(1));
	wire_count(w, recoveries, 0);
	wire_count(w, dupacks_in, 0);
	wire_end(w);
}

/* The retransmission is lost too: the timer repairs it. */
WIRE_TEST(lost_retransmission)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 5);
	for (unsigned int i = 0; i < 4; i++)
		wire_in(w, ". 1:1(0) ack 1");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_idle(w);
	wire_out(w, "<=230ms . 1:1461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 7301");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* A middle part of what is in flight may be acknowledged, to the byte. */
WIRE_TEST(ack_within_a_segment)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 2);
	wire_in(w, ". 1:1(0) ack 1001");
	WIRE_EQ(w, wire_listing(w).send_q, 1920);
	wire_out(w, "+%uus . 1001:*(*) ack 1", wire_rto(w));
	wire_skip(w);
	wire_in(w, ". 1:1(0) ack 2921");
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

WIRE_TEST(syn_ack_and_data_lost)
{
	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1");
	wire_accept(w);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	/* RFC 6298 §5.7 and RFC 9293: nothing was measured, so no hurry. */
	WIRE_IN(w, wire_rto(w), 1000000, 3000000);
	wire_out(w, "+%uus P. 1:101(100) ack 1", wire_rto(w));
	wire_end(w);
}

WIRE_TEST(fin_is_retransmitted)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	rto = wire_rto(w);
	wire_out(w, "+%uus F. 1:1(0) ack 1", rto);
	wire_out(w, "+%uus F. 1:1(0) ack 1", 2 * rto);
	wire_in(w, ". 1:1(0) ack 2");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* A retransmission carries what we know now: the ACK number and, with more data, a full segment. */
WIRE_TEST(retransmission_acknowledges)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_in(w, "P. 1:51(50) ack 1");
	wire_acked(w, 51);
	wire_out(w, "<=220ms P. 1:101(100) ack 51");
	wire_end(w);
}

/* ---- Giving up */

/* Runs until the flow's connection has died; returns when, and counts its retransmissions. */
static uint64_t
until_death(struct wire *w, unsigned int *sent)
{
	uint64_t since = w->now_us;

	*sent = 0;
	while (tcp_state(w->flow->c) != TCP_CLOSED) {
		if (w->now_us - since > SEC(4000))
			wire_fail(w, "it does not die");
		wire_wait(w, MS(100));
		*sent += wire_skip(w);
	}
	return w->now_us - since;
}

/* Linux's tcp_retries2 of 15: after about 924.6 s. */
WIRE_TEST(dies_by_retries)
{
	unsigned int sent;
	uint64_t us;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	us = until_death(w, &sent);
	WIRE_IN(w, us / 1000000, 900, 1050);
	WIRE_IN(w, sent, 14, 16);
	wire_poll(w, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	wire_recv(w, 10, -ETIMEDOUT);
	wire_recv(w, 10, 0);
	wire_count(w, timeouts, 1);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

WIRE_TEST(dies_by_fewer_retries)
{
	unsigned int sent;
	uint64_t us;

	wire_start(w, .retries = 3);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	us = until_death(w, &sent);
	/* As long as three retransmissions take that begin with the least time-out: 3 s from the
	 * first on; this one began with more. */
	WIRE_IN(w, us / 1000, 6400, 6800);
	WIRE_EQ(w, sent, 4);
	wire_send(w, 10, -ETIMEDOUT);
	wire_end(w);
}

/* RFC 5482 §3.1's user time-out, as an option and as a default. */
WIRE_TEST(dies_by_user_timeout)
{
	unsigned int sent;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	WIRE_IN(w, until_death(w, &sent) / 1000, 5000, 5300);
	wire_error(w, ETIMEDOUT);
	wire_end(w);
}

WIRE_TEST(dies_by_default_user_timeout)
{
	unsigned int sent;

	wire_start(w, .user_timeout_ms = 2000);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	WIRE_IN(w, until_death(w, &sent) / 1000, 2000, 2300);
	wire_end(w);
}

/* Progress within the time keeps it alive. */
WIRE_TEST(user_timeout_counts_from_progress)
{
	wire_start(w, .user_timeout_ms = 2000);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 6);
	for (unsigned int i = 1; i <= 6; i++) {
		wire_wait(w, MS(700));
		wire_skip(w);
		wire_wait(w, MS(800));
		wire_skip(w);
		wire_in(w, ". 1:1(0) ack %u", 1 + i * WIRE_MSS);
		wire_skip(w);
	}
	wire_state(w, TCP_ESTABLISHED);
	wire_idle_for(w, SEC(100)); /* idle is not silent */
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

/* An orphan is not kept for ever: Linux's tcp_orphan_retries. */
WIRE_TEST(orphan_dies)
{
	wire_start(w, .orphan_retries = 3);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_close(w);
	wire_out(w, "F. 1001:1001(0) ack 1");
	wire_used(w, orphans, 1);
	for (unsigned int i = 0; i < 300; i++) {
		wire_wait(w, MS(100));
		wire_skip(w);
	}
	wire_gone(w);
	wire_used(w, orphans, 0);
	wire_used(w, queued_bufs, 0);
	wire_end(w);
}

/* RFC 6298 §3, Karn, and §5.5: without timestamps a backed-off RTO stands until there is a sample.
 */
WIRE_TEST(backoff_stands_until_a_sample)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	rto = wire_rto(w);
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1:1001(1000) ack 1");
	wire_out(w, "+%uus P. 1:1001(1000) ack 1", rto);
	wire_in(w, "+100ms . 1:1(0) ack 1001");
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 1001:2001(1000) ack 1");
	wire_idle_for(w, 2 * rto - 1000);
	wire_in(w, ". 1:1(0) ack 2001"); /* a sample */
	wire_send(w, 1000, 1000);
	wire_out(w, "P. 2001:3001(1000) ack 1");
	wire_out(w, "+%uus P. 2001:3001(1000) ack 1", wire_rto(w));
	wire_count(w, rto, 2);
	wire_end(w);
}

/* RFC 6298 §5.1: the timer starts when something is sent, whatever ran before it. */
WIRE_TEST(timer_is_not_inherited_from_more)
{
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	rto = wire_rto(w);
	wire_send_more(w, 100, 100);
	wire_idle_for(w, rto - 5000);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:201(200) ack 1");
	wire_out(w, "+%uus P. 1:201(200) ack 1", rto);
	wire_count(w, rto, 1);
	wire_end(w);
}

/* RFC 5681 §3.2 step 3, RFC 6582 §3.2 step 3: retransmissions do not wait for the window, even if
 * more than half of what is in flight was lost. */
WIRE_TEST(fast_retransmit_of_a_lost_half)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	flight(w, 10);
	for (unsigned int i = 0; i < 3; i++)
		wire_in(w, "+1ms . 1:1(0) ack 1");
	wire_out(w, ". 1:1461(1460) ack 1");
	for (unsigned int i = 1; i < 7; i++) {
		wire_in(w, "+10ms . 1:1(0) ack %u", 1 + i * WIRE_MSS);
		wire_out(w, ". %u:%u(1460) ack 1", 1 + i * WIRE_MSS, 1 + (i + 1) * WIRE_MSS);
		wire_idle(w);
	}
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_count(w, rto, 0);
	wire_count(w, retransmits, 7);
	wire_idle_for(w, SEC(3));
	wire_end(w);
}
