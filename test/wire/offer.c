/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Restored connections that are put into the accept queue of their port's listener, in repair or
 * out of it: accept() returns them, and to the rest of the engine they are as children of the
 * handshake.
 */
#include "repair_calls.h"

static const char plain[] = "<mss 1460>";

/* The flow's connection is nowhere but in what this returns; the queues are empty. */
static struct tcp_checkpoint
take_out(struct wire *w)
{
	struct tcp_checkpoint saved;
	struct tcp_conn *c = w->flow->c;

	WIRE_EQ(w, tcp_checkpoint(c, &saved), 0);
	w->flow->c = NULL;
	tcp_close_silently(c);
	wire_idle(w);
	return saved;
}

/* A connection that has come from elsewhere, and is nobody's yet. */
static struct tcp_conn *
restored(struct wire *w)
{
	struct tcp_checkpoint saved;
	struct tcp_conn *c = NULL;

	wire_accepted(w, plain, 9000);
	saved = take_out(w);
	WIRE_EQ(w, tcp_restore(w->engine, &saved, &c), 0);
	return c;
}

static void
resume(struct wire *w, struct tcp_conn *c)
{
	tcp_resume(c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 1");
}

static unsigned int
told(struct wire *w)
{
	unsigned int n = w->listener_notified;

	w->listener_notified = 0;
	return n;
}

WIRE_TEST(in_repair)
{
	struct tcp_conn *c;

	wire_start(w);
	c = restored(w);
	told(w);
	WIRE_EQ(w, tcp_offer(c), 0);
	WIRE_EQ(w, tcp_poll(w->listener), POLLIN | POLLRDNORM);
	wire_wait(w, MS(1));
	WIRE_EQ(w, told(w), 1);
	wire_accept(w);
	WIRE_EQ(w, tcp_user(w->flow->c) == w->flow, true);
	WIRE_EQ(w, tcp_in_repair(w->flow->c), true);
	wire_accept_none(w);
	wire_wait(w, SEC(1));
	resume(w, w->flow->c);
	wire_in(w, "P. 1:101(100) ack 1 win 9000");
	wire_recv(w, 999, 100);
	wire_acked(w, 101);
	wire_count(w, offers, 1);
	wire_count(w, passive_opens, 1);
	wire_end(w);
}

/* Out of repair, its data waits for who accepts it; nobody else hears of it. */
WIRE_TEST(resumed)
{
	struct tcp_conn *c;

	wire_start(w);
	c = restored(w);
	tcp_set_user(c, w->flow); /* whose notification would find another's connection */
	resume(w, c);
	WIRE_EQ(w, tcp_offer(c), 0);
	WIRE_EQ(w, tcp_user(c) == NULL, true);
	told(w);
	wire_in(w, "P. 1:101(100) ack 1 win 9000");
	wire_acked(w, 101);
	WIRE_EQ(w, told(w), 1);
	WIRE_EQ(w, w->flow->notified, 0);
	wire_accept(w);
	wire_poll(w, POLLIN | POLLOUT);
	wire_recv(w, 999, 100);
	wire_send(w, 50, 50);
	wire_out(w, "P. 1:51(50) ack 101");
	wire_end(w);
}

/* First come, first accepted; what its peer ends meanwhile is accepted with what it had. */
WIRE_TEST(order)
{
	struct tcp_conn *c;

	wire_start(w);
	wire_flow(w, 1);
	c = restored(w);
	resume(w, c);
	wire_flow(w, 0);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <*>");
	wire_in(w, ". 1:1(0) ack 1 win 9000");
	WIRE_EQ(w, tcp_offer(c), 0);
	WIRE_EQ(w, tcp_offer(c), -EINVAL);
	wire_flow(w, 1);
	wire_in(w, "F. 1:1(0) ack 1 win 9000");
	wire_acked(w, 2);
	wire_flow(w, 0);
	wire_accept(w);
	wire_flow(w, 1);
	wire_accept(w);
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 999, 0);
	wire_end(w);
}

/* Its options are its own; its owner is the listener's, who alone may listen beside. */
WIRE_TEST(whose_it_is)
{
	struct tcp_endpoint local = {.port = WIRE_LOCAL_PORT};
	struct tcp_conn *c, *beside;
	size_t len = sizeof(int);
	int v = -1, on = 1;

	wire_start(w);
	c = restored(w);
	tcp_set_privileged(c, true);
	WIRE_EQ(w, tcp_setsockopt(c, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_setsockopt(w->listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	tcp_set_uid(w->listener, 1000);
	WIRE_EQ(w, tcp_offer(c), 0);
	wire_accept(w);
	WIRE_EQ(w, tcp_getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, &len), 0);
	WIRE_EQ(w, v, 0);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, TCP_REPAIR_OFF), -EPERM);
	WIRE_EQ(w, tcp_open(w->engine, w->family, &beside), 0);
	tcp_set_uid(beside, 1000);
	WIRE_EQ(w, tcp_setsockopt(beside, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_bind(beside, &local), 0);
	tcp_close(beside);
	tcp_resume(c);
	wire_flush(w);
	wire_skip(w);
	wire_end(w);
}

/* A listener of IPv6 takes IPv4 in, and its sockets are of IPv6; the other way round as well. */
WIRE_TEST4(listener_of_the_other_family)
{
	struct tcp_endpoint any = {.port = WIRE_LOCAL_PORT};
	struct tcp_checkpoint saved;
	struct tcp_conn *c, *listener;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	saved = take_out(w);
	tcp_close(w->listener);
	w->listener = NULL;
	WIRE_EQ(w, tcp_open(w->engine, AF_INET6, &listener), 0);
	WIRE_EQ(w, tcp_bind(listener, &any), 0);
	WIRE_EQ(w, tcp_listen(listener, 1), 0);
	WIRE_EQ(w, tcp_restore(w->engine, &saved, &c), 0);
	WIRE_EQ(w, tcp_family(c), AF_INET);
	WIRE_EQ(w, tcp_offer(c), 0);
	WIRE_EQ(w, tcp_accept(listener, &w->flow->c), 0);
	WIRE_EQ(w, w->flow->c == c, true);
	WIRE_EQ(w, tcp_family(c), AF_INET6);
	saved = take_out(w);
	WIRE_EQ(w, saved.ipv6, true);
	tcp_close(listener);
	wire_listen(w, 1);
	WIRE_EQ(w, tcp_restore(w->engine, &saved, &c), 0);
	WIRE_EQ(w, tcp_offer(c), 0);
	wire_accept(w);
	WIRE_EQ(w, tcp_family(w->flow->c), AF_INET);
	wire_end(w);
}

WIRE_TEST4(listener_of_ipv6_only)
{
	struct tcp_endpoint any = {.port = WIRE_LOCAL_PORT};
	struct tcp_conn *c, *listener;
	int on = 1;

	wire_start(w);
	c = restored(w);
	tcp_close(w->listener);
	w->listener = NULL;
	WIRE_EQ(w, tcp_open(w->engine, AF_INET6, &listener), 0);
	WIRE_EQ(w, tcp_setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	WIRE_EQ(w, tcp_bind(listener, &any), 0);
	WIRE_EQ(w, tcp_listen(listener, 1), 0);
	WIRE_EQ(w, tcp_offer(c), -ECONNREFUSED);
	tcp_close(listener);
	tcp_close(c);
	wire_end(w);
}

/* Refused, it is as it was. */
WIRE_TEST(refusals)
{
	struct tcp_conn *c, *second;

	wire_start(w);
	wire_flow(w, 1);
	second = restored(w);
	resume(w, second);
	wire_flow(w, 0);
	c = restored(w);
	tcp_set_user(c, w);
	WIRE_EQ(w, tcp_offer(w->listener), -EINVAL);
	wire_listen(w, 0);
	WIRE_EQ(w, tcp_offer(second), 0);
	WIRE_EQ(w, tcp_offer(c), -EAGAIN);
	WIRE_EQ(w, tcp_user(c) == w, true);
	wire_count(w, offers_refused, 1);
	wire_flow(w, 1);
	wire_accept(w);
	tcp_close(w->listener);
	w->listener = NULL;
	WIRE_EQ(w, tcp_offer(c), -ECONNREFUSED);
	wire_flow(w, 2);
	wire_open(w);
	WIRE_EQ(w, tcp_offer(w->flow->c), -EINVAL);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	WIRE_EQ(w, tcp_offer(w->flow->c), -EINVAL);
	tcp_close(c);
	wire_end(w);
}

/* Its listener goes: out of repair it is reset, in repair its peer hears nothing, as ever. */
WIRE_TEST(listener_closes)
{
	struct tcp_conn *c, *second;

	wire_start(w);
	wire_flow(w, 1);
	second = restored(w);
	resume(w, second);
	wire_flow(w, 0);
	c = restored(w);
	WIRE_EQ(w, tcp_offer(c), 0);
	WIRE_EQ(w, tcp_offer(second), 0);
	tcp_close(w->listener);
	w->listener = NULL;
	wire_flush(w);
	wire_flow(w, 1);
	wire_out(w, "R. 1:1(0) ack 1");
	wire_flow(w, 0);
	wire_wait(w, MS(1));
	wire_used(w, conns, 0);
	wire_used(w, mutes, 1);
	wire_end(w);
}

/* One that waits is taken away: those before and behind it are accepted all the same. */
WIRE_TEST(taken_out_of_the_queue)
{
	struct tcp_conn *c[3];

	wire_start(w);
	for (unsigned int i = 0; i < 3; i++) {
		wire_flow(w, i);
		c[i] = restored(w);
	}
	for (unsigned int i = 0; i < 3; i++) {
		tcp_resume(c[i]); /* news for its user, who has none by the time that he is told */
		WIRE_EQ(w, tcp_offer(c[i]), 0);
	}
	wire_flush(w);
	wire_skip(w);
	wire_wait(w, MS(1));
	for (unsigned int i = 0; i < 3; i++)
		WIRE_EQ(w, tcp_user(c[i]) == NULL, true);
	tcp_close_silently(c[1]);
	wire_flow(w, 0);
	wire_accept(w);
	wire_flow(w, 2);
	wire_accept(w);
	wire_accept_none(w);
	wire_end(w);
}

/* Its user has closed it before it was done: it leaves like the others, and is counted once. */
WIRE_TEST(orphan_leaves)
{
	struct tcp_checkpoint saved;
	struct tcp_conn *c;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	c = w->flow->c;
	wire_close(w);
	wire_out(w, "F. 101:101(0) ack 1");
	wire_used(w, orphans, 1);
	WIRE_EQ(w, tcp_checkpoint(c, &saved), 0);
	WIRE_EQ(w, saved.state, TCP_FIN_WAIT_1);
	tcp_close_silently(c);
	wire_used(w, orphans, 0);
	wire_idle_for(w, SEC(5));
	wire_end(w);
}
