/* SPDX-License-Identifier: BSD-3-Clause */
/* When a silent peer is given up: RFC 9293 §3.8.3, RFC 5482, RFC 6429, in Linux's ways. */
#include "wire.h"

enum { SYNCNT = 7, USER_TIMEOUT = 18, RTO_MAX_MS = 44, RTO_MIN_US = 45 };

static void
no_tlp(struct tcp_config *config)
{
	config->tlp = false;
}

/* How long it takes until the connection is over; *sent: what was sent meanwhile. */
static uint64_t
until_death(struct wire *w, unsigned int *sent)
{
	uint64_t from_us = w->now_us;

	*sent = 0;
	while (tcp_state(w->flow->c) != TCP_CLOSED && w->now_us - from_us < SEC(2000)) {
		*sent += wire_skip(w);
		wire_wait(w, MS(1));
	}
	*sent += wire_skip(w);
	return w->now_us - from_us;
}

WIRE_TEST(user_timeout_of_data)
{
	unsigned int sent;
	uint64_t us;

	wire_start(w, .configure = no_tlp);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, USER_TIMEOUT, 3000);
	wire_get(w, IPPROTO_TCP, USER_TIMEOUT, 3000);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	us = until_death(w, &sent);
	/* It counts from the first retransmission, and the last time-out is cut to it. */
	WIRE_IN(w, us, MS(3200), MS(3230));
	WIRE_EQ(w, sent, 4);
	wire_send(w, 10, -ETIMEDOUT);
	wire_end(w);
}

/* An acknowledgment of anything is progress. */
WIRE_TEST(progress_starts_anew)
{
	unsigned int sent;

	wire_start(w, .configure = no_tlp);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, IPPROTO_TCP, USER_TIMEOUT, 3000);
	wire_send(w, 200, 200);
	wire_out(w, "P. 1:201(200) ack 1");
	for (int i = 0; i < 10; i++) {
		struct note n;

		while (!wire_next(w, &n))
			wire_wait(w, MS(10));
		wire_skip(w);
		wire_in(w, ". 1:1(0) ack %d", 11 + 10 * i);
		wire_skip(w);
	}
	wire_state(w, TCP_ESTABLISHED);
	until_death(w, &sent);
	wire_recv(w, 1, -ETIMEDOUT);
	wire_end(w);
}

/* A window that stays closed is no excuse: RFC 5482 §3.2 as Linux reads it, though the peer answers
 * each probe. */
WIRE_TEST(user_timeout_of_a_closed_window)
{
	uint64_t from_us;
	struct note n;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 0);
	wire_set(w, IPPROTO_TCP, USER_TIMEOUT, 5000);
	wire_send(w, 100, 100);
	from_us = w->now_us;
	while (tcp_state(w->flow->c) != TCP_CLOSED && w->now_us - from_us < SEC(100)) {
		while (wire_next(w, &n))
			wire_in(w, ". 1:1(0) ack 1 win 0");
		wire_wait(w, MS(1));
	}
	WIRE_IN(w, w->now_us - from_us, MS(5000), MS(5300));
	wire_send(w, 1, -ETIMEDOUT);
	wire_end(w);
}

/* Without one, a peer may keep its window closed as long as it answers: RFC 9293 §3.8.6.1. */
WIRE_TEST(closed_window_is_patient)
{
	uint64_t from_us;
	struct note n;

	wire_start(w, .retries = 3);
	wire_accepted(w, "<mss 1460>", 0);
	wire_send(w, 100, 100);
	from_us = w->now_us;
	while (w->now_us - from_us < SEC(3600)) {
		while (wire_next(w, &n))
			wire_in(w, ". 1:1(0) ack 1 win 0");
		wire_wait(w, MS(100));
	}
	wire_state(w, TCP_ESTABLISHED);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(unanswered_probes_are_counted)
{
	unsigned int sent;

	wire_start(w, .retries = 5);
	wire_accepted(w, "<mss 1460>", 0);
	wire_send(w, 100, 100);
	until_death(w, &sent);
	WIRE_EQ(w, sent, 5);
	wire_send(w, 1, -ETIMEDOUT);
	wire_end(w);
}

/* RFC 6429: nobody waits for an orphan's window. */
WIRE_TEST(orphan_at_a_closed_window)
{
	uint64_t from_us;
	struct note n;

	wire_start(w, .orphan_retries = 3);
	wire_accepted(w, "<mss 1460>", 0);
	wire_send(w, 100, 100);
	wire_close(w);
	from_us = w->now_us;
	while (wire_listing(w).state != TCP_CLOSED && w->now_us - from_us < SEC(2000)) {
		while (wire_next(w, &n))
			wire_in(w, ". 1:1(0) ack 1 win 0");
		wire_wait(w, MS(100));
		if (wire_stats(w).timeouts > 0)
			break;
	}
	WIRE_IN(w, (w->now_us - from_us) / 1000000, 50, 700);
	wire_gone(w);
	wire_end(w);
}

WIRE_TEST(user_timeout_of_a_handshake)
{
	wire_start(w);
	wire_open(w);
	wire_set(w, IPPROTO_TCP, USER_TIMEOUT, 2500);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_idle_for(w, MS(499));
	wire_state(w, TCP_SYN_SENT);
	wire_idle_for(w, MS(2));
	wire_connect(w, -ETIMEDOUT);
	wire_end(w);
}

/*
 * TCP_SYNCNT: so many, behind the ones that follow each other evenly, but no longer than so many
 * would take alone. Measured on Linux 6.18: given up after 3, 7 and 19 s.
 */
static void
syncnt(struct wire *w, int n, const char *const *waits, unsigned int last_s)
{
	int bad[] = {0, 128, -1};

	wire_start(w);
	wire_open(w);
	for (int i = 0; i < 3; i++)
		WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, SYNCNT, &bad[i], sizeof(bad[i])),
			-EINVAL);
	wire_get(w, IPPROTO_TCP, SYNCNT, 6);
	wire_set(w, IPPROTO_TCP, SYNCNT, n);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	for (; *waits != NULL; waits++)
		wire_out(w, "%s S 0:0(0) <*>", *waits);
	wire_idle_for(w, SEC(last_s) - 1);
	wire_state(w, TCP_SYN_SENT);
	wire_idle_for(w, 1);
	wire_connect(w, -ETIMEDOUT);
	wire_end(w);
}

WIRE_TEST(syncnt_1)
{
	syncnt(w, 1, (const char *const[]){"+1s", "+1s", NULL}, 1);
}

WIRE_TEST(syncnt_2)
{
	syncnt(w, 2, (const char *const[]){"+1s", "+1s", "+1s", "+1s", "+1s", NULL}, 2);
}

WIRE_TEST(syncnt_3)
{
	syncnt(w, 3, (const char *const[]){"+1s", "+1s", "+1s", "+1s", "+1s", "+2s", "+4s", NULL},
	       8);
}

WIRE_TEST(rto_bounds)
{
	unsigned int sent;
	uint64_t us;

	wire_start(w, .retries = 6, .configure = no_tlp);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_get(w, IPPROTO_TCP, RTO_MAX_MS, 120000);
	wire_get(w, IPPROTO_TCP, RTO_MIN_US, 200000);
	wire_set(w, IPPROTO_TCP, RTO_MAX_MS, 1000);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	us = until_death(w, &sent);
	/* 0.2, 0.4, 0.8, and then 1 s each: the model of 6 retransmissions takes 5.4 s. */
	WIRE_IN(w, us, MS(5600), MS(6900));
	WIRE_IN(w, sent, 6, 8);
	wire_send(w, 1, -ETIMEDOUT);
	wire_end(w);
}

WIRE_TEST(rto_bounds_out_of_range)
{
	int v;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	v = 999;
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, RTO_MAX_MS, &v, sizeof(v)), -EINVAL);
	v = 120001;
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, RTO_MAX_MS, &v, sizeof(v)), -EINVAL);
	v = 200001;
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, RTO_MIN_US, &v, sizeof(v)), -EINVAL);
	v = 0;
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, RTO_MIN_US, &v, sizeof(v)), -EINVAL);
	wire_end(w);
}
