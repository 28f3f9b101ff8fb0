/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pacing: when segments leave, to the microsecond, and what the options and TCP_INFO say of it; and
 * a congestion control that goes by rates, as BBR would: see struct tcp_cc_ops.
 *
 * The handshake's round trip is 10 ms. A connection's first ten segments are not paced.
 */
#include <string.h>

/* Linux has an enum of this name, too. */
#define tcp_ca_state linux_ca_state
#include "wire.h"
#undef tcp_ca_state
#include "tcp/engine.h"

enum { RATE = 1460000 }; /* bytes a second: a full segment in a millisecond */

static struct tcp_info
info(struct wire *w)
{
	struct tcp_info i;
	size_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
	return i;
}

static void
set_max(struct wire *w, uint32_t rate)
{
	wire_set(w, SOL_SOCKET, SO_MAX_PACING_RATE, (int)rate);
}

/* n segments from the seg-th on (0: the first) leave now. */
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
	wire_idle(w);
}

/* The first ten are through, and the window is 20 segments. */
static void
begin(struct wire *w, uint32_t rate)
{
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 8192);
	set_max(w, rate);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	wire_skip(w);
	for (unsigned int i = 1; i <= 10; i++)
		wire_in(w, "%s. 1:1(0) ack %u win 8192", i == 1 ? "+10ms " : "", 1 + i * WIRE_MSS);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 20);
	wire_wait(w, rate < RATE ? SEC(5000) : SEC(1)); /* until its slot is long past */
}

/* ---- the rate */

/* Twice the window in a round trip while it may double, 1.2 times when it may not. */
WIRE_TEST(the_default_rate)
{
	struct tcp_info i;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,wscale 7>", 8192);
	i = info(w);
	WIRE_EQ(w, i.tcpi_pacing_rate, 2 * 10 * WIRE_MSS * 100);
	WIRE_EQ(w, i.tcpi_max_pacing_rate, UINT64_MAX);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	wire_skip(w);
	for (unsigned int n = 1; n <= 10; n++)
		wire_in(w, "%s. 1:1(0) ack %u win 8192", n == 1 ? "+10ms " : "", 1 + n * WIRE_MSS);
	i = info(w);
	WIRE_EQ(w, i.tcpi_pacing_rate, 2 * 20 * WIRE_MSS * 100);
	wire_end(w);
}

WIRE_TEST(the_rate_in_congestion_avoidance)
{
	struct tcp_info i;
	unsigned int rto;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, WIRE_MSS, WIRE_MSS);
	wire_skip(w);
	rto = wire_rto(w);
	wire_out(w, "+%uus P. 1:1461(1460) ack 1", rto);
	wire_in(w, "+10ms . 1:1(0) ack 1461");
	i = info(w);
	WIRE_IN(w, i.tcpi_snd_ssthresh, 2, 10);
	WIRE_IN(w, i.tcpi_snd_cwnd, 1, 4);
	/* Below half of ssthresh it may still double. */
	WIRE_EQ(w, i.tcpi_pacing_rate,
		(uint64_t)(i.tcpi_snd_cwnd < i.tcpi_snd_ssthresh / 2 ? 200 : 120) *
			i.tcpi_snd_cwnd * WIRE_MSS);
	for (unsigned int n = 1; n <= 4; n++) {
		wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
		wire_skip(w);
		wire_in(w, "+10ms . 1:1(0) ack %u", 1461 + 2 * n * WIRE_MSS);
	}
	i = info(w);
	WIRE_IN(w, i.tcpi_snd_cwnd, i.tcpi_snd_ssthresh / 2, 100);
	WIRE_EQ(w, i.tcpi_pacing_rate, (uint64_t)120 * i.tcpi_snd_cwnd * WIRE_MSS);
	wire_end(w);
}

/* ---- happy: what is paced, and what is not */

WIRE_TEST(nothing_is_paced_by_itself)
{
	wire_start(w);
	begin(w, UINT32_MAX);
	wire_send(w, 20 * WIRE_MSS, 20 * WIRE_MSS);
	expect_segs(w, 10, 20);
	wire_count(w, pacing_waits, 0);
	wire_end(w);
}

/* Two segments a piece, so two every two milliseconds; the second comes early by half of one, for
 * the time that the connection was idle. */
WIRE_TEST(one_slot_after_the_other)
{
	wire_start(w);
	begin(w, RATE);
	wire_send(w, 8 * WIRE_MSS, 8 * WIRE_MSS);
	expect_segs(w, 10, 2);
	wire_idle_for(w, 999);
	wire_wait(w, 1);
	expect_segs(w, 12, 2);
	for (unsigned int n = 1; n <= 2; n++) {
		wire_idle_for(w, 1999);
		wire_wait(w, 1);
		expect_segs(w, 12 + 2 * n, 2);
	}
	wire_in(w, "+10ms . 1:1(0) ack %u win 8192", 1 + 18 * WIRE_MSS);
	wire_end(w);
}

/* Fractions of a microsecond are not lost: 3 MB a second over a thousand pieces. */
WIRE_TEST(no_rate_is_lost_to_rounding)
{
	unsigned int seg = 10;
	uint64_t from;

	wire_start(w);
	begin(w, 3333333);
	from = w->now_us;
	while (seg < 1010) {
		struct note note;
		unsigned int n = 0;

		wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
		while (n < 10) {
			for (; wire_next(w, &note); n++)
				;
			if (n < 10)
				wire_wait(w, 1);
		}
		seg += 10;
		wire_in(w, ". 1:1(0) ack %u win 8192", 1 + seg * WIRE_MSS);
	}
	WIRE_IN(w, w->now_us - from, 1000 * UINT64_C(1460000000) / 3333333 - 5000,
		1000 * UINT64_C(1460000000) / 3333333 + 1000);
	wire_end(w);
}

static void
all_paced(struct tcp_config *config)
{
	config->pacing = true;
}

/* By the configuration: at twice the window in a round trip, 4 segments in a millisecond. */
WIRE_TEST(every_connection_if_so_configured)
{
	wire_start(w, .configure = all_paced);
	begin(w, UINT32_MAX);
	wire_send(w, 8 * WIRE_MSS, 8 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 3);
	wire_count(w, pacing_waits, 1);
	WIRE_EQ(w, info(w).tcpi_max_pacing_rate, UINT64_MAX);
	wire_wait(w, MS(1));
	wire_skip(w);
	wire_wait(w, MS(1));
	wire_skip(w);
	WIRE_EQ(w, info(w).tcpi_notsent_bytes, 0);
	wire_end(w);
}

/* What an accepted connection has from its listener. */
WIRE_TEST(a_listeners_rate_is_inherited)
{
	uint32_t rate = RATE;

	wire_start(w);
	wire_listen(w, 1);
	WIRE_EQ(w, tcp_setsockopt(w->listener, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 4), 0);
	wire_accepted(w, "<mss 1460>", 65535);
	WIRE_EQ(w, info(w).tcpi_max_pacing_rate, RATE);
	wire_send(w, 12 * WIRE_MSS, 12 * WIRE_MSS);
	expect_segs(w, 0, 10);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	expect_segs(w, 10, 2);
	wire_send(w, 2 * WIRE_MSS, 2 * WIRE_MSS);
	wire_idle(w);
	wire_wait(w, MS(2));
	wire_skip(w);
	wire_end(w);
}

/* Acknowledgments do not wait. */
WIRE_TEST(acknowledgments_are_not_paced)
{
	wire_start(w);
	begin(w, 1000);
	wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
	expect_segs(w, 10, 2);
	wire_in(w, "P. 1:1001(1000) ack %u win 8192", 1 + 12 * WIRE_MSS);
	wire_acked(w, 1001);
	wire_count(w, rto, 0);
	wire_end(w);
}

/* ---- unhappy */

/* A repair waits for its slot as all else does. */
WIRE_TEST(repairs_are_paced)
{
	struct note note;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK,nop,wscale 7>", 8192);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	wire_skip(w);
	set_max(w, RATE);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 8192 <nop,nop,sack 4381:14601>");
	WIRE_EQ(w, wire_skip(w), 1);
	wire_idle_for(w, 499);
	wire_wait(w, 1);
	WIRE_EQ(w, wire_next(w, &note), true);
	WIRE_EQ(w, note.seq.value, 1461);
	wire_idle_for(w, 999);
	wire_wait(w, 1);
	WIRE_EQ(w, wire_next(w, &note), true);
	WIRE_EQ(w, note.seq.value, 2921);
	wire_in(w, "+10ms . 1:1(0) ack 14601 win 8192");
	wire_end(w);
}

/* The time-out runs from the slot on: a slow rate is no loss. */
WIRE_TEST(no_time_out_while_it_waits)
{
	wire_start(w);
	begin(w, 1460);
	wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
	expect_segs(w, 10, 2);
	wire_in(w, "+10ms . 1:1(0) ack %u win 8192", 1 + 12 * WIRE_MSS);
	wire_idle_for(w, MS(980));
	wire_wait(w, MS(10));
	expect_segs(w, 12, 2);
	wire_count(w, rto, 0);
	wire_count(w, persist_probes, 0);
	wire_end(w);
}

/* Raising the rate does not shorten what has been waited for, but all after it. */
WIRE_TEST(the_rate_changes_between_slots)
{
	wire_start(w);
	begin(w, RATE);
	wire_send(w, 8 * WIRE_MSS, 8 * WIRE_MSS);
	expect_segs(w, 10, 2);
	set_max(w, UINT32_MAX);
	wire_idle_for(w, 999);
	wire_wait(w, 1);
	WIRE_IN(w, wire_skip(w), 2, 6);
	wire_wait(w, MS(5));
	wire_skip(w);
	WIRE_EQ(w, info(w).tcpi_notsent_bytes, 0);
	wire_end(w);
}

/* Who closes has still all sent at the rate, FIN last. */
WIRE_TEST(closing_waits_for_the_slots)
{
	wire_start(w);
	begin(w, RATE);
	wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
	expect_segs(w, 10, 2);
	wire_close(w);
	wire_out(w, "+1ms . 17521:18981(1460) ack 1");
	wire_out(w, "FP. 18981:20441(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 20442 win 8192");
	wire_end(w);
}

/* ---- the option */

WIRE_TEST(of_32_and_of_64_bits)
{
	uint64_t v = UINT64_C(10000000000);
	uint32_t v4 = 0;
	size_t len = sizeof(v);

	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_MAX_PACING_RATE, &v4, &(size_t){4}),
		0);
	WIRE_EQ(w, v4, UINT32_MAX);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, SO_MAX_PACING_RATE, &v, 8), 0);
	v = 0;
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_MAX_PACING_RATE, &v, &len), 0);
	WIRE_EQ(w, len, 8);
	WIRE_EQ(w, v, UINT64_C(10000000000));
	len = 4;
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_MAX_PACING_RATE, &v4, &len), 0);
	WIRE_EQ(w, v4, UINT32_MAX);
	v4 = 5000;
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, SO_MAX_PACING_RATE, &v4, 4), 0);
	len = 8;
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_MAX_PACING_RATE, &v, &len), 0);
	WIRE_EQ(w, v, 5000);
	WIRE_EQ(w, info(w).tcpi_max_pacing_rate, 5000);
	WIRE_EQ(w, info(w).tcpi_pacing_rate, 5000);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, SO_MAX_PACING_RATE, &v4, 3), -EINVAL);
	wire_end(w);
}

/* ---- hostile */

/* A rate of 0 divides by nothing and holds up nothing, as on Linux. */
WIRE_TEST(a_rate_of_nothing)
{
	wire_start(w);
	begin(w, 0);
	wire_send(w, 20 * WIRE_MSS, 20 * WIRE_MSS);
	expect_segs(w, 10, 20);
	WIRE_EQ(w, info(w).tcpi_pacing_rate, 0);
	wire_end(w);
}

/* One byte a second: seven hours for a piece; resets and aborts do not wait for it. */
WIRE_TEST(next_to_nothing)
{
	wire_start(w);
	begin(w, 1);
	wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
	expect_segs(w, 10, 2);
	wire_in(w, "+10ms . 1:1(0) ack %u win 8192", 1 + 12 * WIRE_MSS);
	wire_idle_for(w, SEC(600));
	wire_in(w, "R. 1:1(0) ack %u", 1 + 12 * WIRE_MSS);
	wire_error(w, ECONNRESET);
	wire_end(w);
}

/* Acknowledgments in thousands make no slot come sooner. */
WIRE_TEST(many_acknowledgments_do_not_hurry_it)
{
	wire_start(w);
	begin(w, RATE);
	wire_send(w, 8 * WIRE_MSS, 8 * WIRE_MSS);
	expect_segs(w, 10, 2);
	for (unsigned int i = 0; i < 2000; i++)
		wire_in(w, ". 1:1(0) ack %u win 8192", 14601 + i);
	wire_idle(w);
	wire_idle_for(w, 999);
	wire_wait(w, 1);
	WIRE_IN(w, wire_skip(w), 2, 6);
	wire_end(w);
}

/* ---- a control that goes by rates */

static struct {
	unsigned int started, samples, restarts, reductions, timeouts;
	uint32_t lost_segs;
	struct tcp_rate_sample last;
} seen;

static void
toy_start(struct tcp_conn *c)
{
	seen.started++;
	tcp_pacing_start(c);
	tcp_pacing_set_rate(c, RATE);
	c->cwnd = 30;
}

static uint32_t
toy_ssthresh(struct tcp_conn *c)
{
	seen.reductions++;
	return c->ssthresh;
}

static void
toy_timeout(struct tcp_conn *c)
{
	(void)c;
	seen.timeouts++;
}

/* Twice the rate that it sees; 30 segments, come what may. */
static void
toy_control(struct tcp_conn *c, const struct tcp_ack *ack)
{
	seen.lost_segs += ack->rate.lost_segs;
	c->cwnd = 30;
	if (!ack->rate.valid)
		return;
	seen.samples++;
	seen.last = ack->rate;
	tcp_pacing_set_rate(c, (uint64_t)2 * ack->rate.delivered_segs * c->mss * 1000000 /
				       ack->rate.interval_us);
}

static uint32_t
toy_segs(const struct tcp_conn *c)
{
	(void)c;
	return 1;
}

static void
toy_resumes(struct tcp_conn *c, uint32_t idle_ms)
{
	(void)c;
	(void)idle_ms;
	seen.restarts++;
}

static const struct tcp_cc_ops toy = {
	.name = "toy",
	.start = toy_start,
	.ssthresh = toy_ssthresh,
	.timeout = toy_timeout,
	.control = toy_control,
	.min_tso_segs = toy_segs,
	.resumes = toy_resumes,
};

static void
toy_begin(struct wire *w)
{
	memset(&seen, 0, sizeof(seen));
	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK,nop,wscale 7>", 8192);
	tcp_cc_switch(w->flow->c, &toy);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
}

/* A control sets the rate, hears of each sample, and its window stays. */
WIRE_TEST(a_control_sets_rate_and_window)
{
	toy_begin(w);
	WIRE_EQ(w, seen.started, 1);
	WIRE_EQ(w, info(w).tcpi_pacing_rate, RATE);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 14601 win 8192");
	WIRE_EQ(w, seen.samples, 1);
	WIRE_EQ(w, seen.last.delivered_segs, 10);
	WIRE_EQ(w, seen.last.interval_us, 10000);
	WIRE_EQ(w, info(w).tcpi_pacing_rate, 2 * RATE);
	WIRE_EQ(w, info(w).tcpi_snd_cwnd, 30);
	/* A piece is one segment now, and one leaves each half millisecond. */
	wire_send(w, 4 * WIRE_MSS, 4 * WIRE_MSS);
	for (unsigned int i = 0; i < 4; i++) {
		if (i > 0)
			wire_wait(w, i == 1 ? 250 : 500);
		expect_segs(w, 10 + i, 1);
	}
	WIRE_EQ(w, seen.restarts > 0, true);
	wire_end(w);
}

/* Loss recovery repairs under a control, too, but does not touch its window. */
WIRE_TEST(recovery_leaves_a_controls_window)
{
	toy_begin(w);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 8192 <nop,nop,sack 2921:14601>");
	WIRE_EQ(w, info(w).tcpi_ca_state, 3);
	WIRE_EQ(w, info(w).tcpi_snd_cwnd, 30);
	WIRE_EQ(w, seen.reductions, 1);
	WIRE_EQ(w, seen.lost_segs, 2);
	wire_skip(w);
	wire_wait(w, MS(5));
	wire_skip(w);
	wire_in(w, "+5ms . 1:1(0) ack 14601 win 8192");
	WIRE_EQ(w, info(w).tcpi_ca_state, 0);
	WIRE_EQ(w, info(w).tcpi_snd_cwnd, 30);
	wire_end(w);
}

/* A time-out it hears of; the window is one segment until it says otherwise. */
WIRE_TEST(a_control_hears_of_time_outs)
{
	unsigned int rto;

	toy_begin(w);
	wire_skip(w);
	rto = wire_rto(w);
	while (seen.timeouts == 0 && rto-- > 0) {
		wire_wait(w, 1000);
		wire_skip(w);
	}
	WIRE_EQ(w, seen.timeouts, 1);
	WIRE_EQ(w, info(w).tcpi_snd_cwnd, 1);
	wire_in(w, ". 1:1(0) ack 14601 win 8192");
	WIRE_EQ(w, info(w).tcpi_snd_cwnd, 30);
	wire_end(w);
}
