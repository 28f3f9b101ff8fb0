/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/fold.c: idle connections in less memory, which nobody notices. */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tcp/info.h"
#include "test/sim/pair.h"

enum { MANY = 40 };

#define SECOND_US UINT64_C(1000000)

/* One end of a connection, as its user sees it. */
struct end {
	struct tcp_conn *c; /* NULL: not there, or folded */
	struct tcp_folded *folded;
	bool refuses; /* to be folded */
	unsigned int events;
};

struct rig {
	struct pair pair;
	struct tcp_conn *listener;
	struct end clients[MANY], servers[MANY];
	unsigned int n_servers;
};

static void
on_event(void *ctx, struct tcp_conn *c, void *user)
{
	struct rig *r = ctx;
	struct end *end = user;
	struct tcp_conn *child;

	if (c == r->listener)
		while (r->n_servers < MANY && tcp_accept(c, &child) == 0) {
			r->servers[r->n_servers].c = child;
			tcp_set_user(child, &r->servers[r->n_servers++]);
		}
	else if (end != NULL) {
		UNIT_EQ(end->c, c);
		end->events++;
	}
}

static bool
on_may_fold(void *ctx, void *user)
{
	struct end *end = user;

	(void)ctx;
	return !end->refuses;
}

static void
on_fold(void *ctx, void *user, struct tcp_folded *folded)
{
	struct end *end = user;

	(void)ctx;
	CU_ASSERT(end->c != NULL && end->folded == NULL);
	end->c = NULL;
	end->folded = folded;
}

static void
on_unfold(void *ctx, void *user, struct tcp_conn *c)
{
	struct end *end = user;

	(void)ctx;
	CU_ASSERT(end->c == NULL && end->folded != NULL);
	end->c = c;
	end->folded = NULL;
}

static struct tcp_usage
usage_of(const struct rig *r, unsigned int side)
{
	struct tcp_usage usage;

	tcp_usage(r->pair.side[side].engine, &usage);
	return usage;
}

static uint64_t
stat_of(const struct rig *r, unsigned int side, size_t offset)
{
	struct tcp_stats stats;

	tcp_stats_read(r->pair.side[side].engine, &stats);
	return *(const uint64_t *)(const void *)((const uint8_t *)&stats + offset);
}

#define STAT(r, side, name) stat_of(r, side, offsetof(struct tcp_stats, name))

static void
run(struct rig *r, uint64_t us)
{
	pair_run_until(&r->pair, r->pair.now_us + us);
}

static void
start(struct rig *r, uint32_t conns, uint32_t unfolded)
{
	struct tcp_endpoint any = {.port = 80};
	struct tcp_config config;

	memset(r, 0, sizeof(*r));
	tcp_config_defaults(&config);
	config.max_conns = conns;
	config.max_requests = 64;
	config.max_timewait = 64;
	config.max_held_bufs = 8192;
	config.timewait_ms = 1000;
	config.fold_after_ms = 1000;
	config.max_unfolded = unfolded;
	pair_start(&r->pair, &config);
	for (unsigned int i = 0; i < 2; i++) {
		r->pair.side[i].notify = on_event;
		r->pair.side[i].may_fold = on_may_fold;
		r->pair.side[i].fold = on_fold;
		r->pair.side[i].unfold = on_unfold;
		r->pair.side[i].notify_ctx = r;
	}
	CU_ASSERT_FATAL(tcp_open(r->pair.side[1].engine, AF_INET6, &r->listener) == 0);
	CU_ASSERT_FATAL(tcp_bind(r->listener, &any) == 0);
	CU_ASSERT_FATAL(tcp_listen(r->listener, MANY) == 0);
}

static void
open_one(struct rig *r, unsigned int i)
{
	struct tcp_endpoint to = {.ip = r->pair.side[1].ip, .port = 80};
	struct end *client = &r->clients[i];

	CU_ASSERT_FATAL(tcp_open(r->pair.side[0].engine, AF_INET, &client->c) == 0);
	tcp_set_user(client->c, client);
	UNIT_EQ(tcp_connect(client->c, &to), -EINPROGRESS);
	tcp_flush(r->pair.side[0].engine);
}

static struct tcp_conn *
conn_of(struct rig *r, unsigned int side, struct end *end)
{
	return end->c != NULL ? end->c : tcp_unfold(r->pair.side[side].engine, end->folded);
}

/* Sends a byte and hears it. */
static void
say(struct rig *r, unsigned int side, struct end *from, struct end *to)
{
	char byte = 'x', got = 0;

	UNIT_EQ(tcp_send(conn_of(r, side, from), &byte, 1, 0), 1);
	tcp_flush(r->pair.side[side].engine);
	run(r, 5000);
	CU_ASSERT_PTR_NOT_NULL_FATAL(to->c);
	UNIT_EQ(tcp_recv(to->c, &got, 1, 0), 1);
	UNIT_EQ(got, byte);
	run(r, 300000);
}

static bool
end_all(struct rig *r, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		tcp_close(conn_of(r, 0, &r->clients[i]));
		tcp_flush(r->pair.side[0].engine);
		run(r, 5000);
		tcp_close(conn_of(r, 1, &r->servers[i]));
		tcp_flush(r->pair.side[1].engine);
		run(r, 5000);
	}
	tcp_close(r->listener);
	run(r, 10 * SECOND_US);
	UNIT_EQ(usage_of(r, 0).folded + usage_of(r, 1).folded, 0);
	return pair_end(&r->pair);
}

UNIT_CASE(an_idle_one_is_folded_and_comes_back)
{
	struct rig r;

	start(&r, 64, 0);
	open_one(&r, 0);
	run(&r, 500000);
	say(&r, 0, &r.clients[0], &r.servers[0]);
	UNIT_EQ(usage_of(&r, 0).folded, 0);
	run(&r, 3 * SECOND_US);
	CU_ASSERT(r.clients[0].folded != NULL && r.servers[0].folded != NULL);
	UNIT_EQ(usage_of(&r, 0).folded, 1);
	UNIT_EQ(usage_of(&r, 1).folded, 1);
	UNIT_EQ(usage_of(&r, 1).conns, 2); /* and the listener */
	/* Nothing is left to look for: no timer wakes a sleeping lane. */
	UNIT_EQ(tcp_next_timer(r.pair.side[1].engine), UINT64_MAX);
	/* By its user's call, and by what arrives. */
	say(&r, 1, &r.servers[0], &r.clients[0]);
	run(&r, 3 * SECOND_US);
	UNIT_EQ(usage_of(&r, 0).folded, 1);
	say(&r, 0, &r.clients[0], &r.servers[0]);
	UNIT_EQ(STAT(&r, 0, folds), 2);
	UNIT_EQ(STAT(&r, 0, unfolds), 2);
	CU_ASSERT(end_all(&r, 1));
}

/* TCP_INFO, options and addresses are as they were; so is what a list tells meanwhile. */
UNIT_CASE(nothing_is_forgotten)
{
	struct tcp_listing before[4], after[4];
	uint64_t cursor;
	struct rig r;
	int value = 33, got = 0;
	size_t len = sizeof(got);
	unsigned int n, place = 0;

	start(&r, 64, 0);
	open_one(&r, 0);
	run(&r, 500000);
	for (unsigned int i = 0; i < 20; i++)
		say(&r, i & 1, i & 1 ? &r.servers[0] : &r.clients[0],
		    i & 1 ? &r.clients[0] : &r.servers[0]);
	UNIT_EQ(tcp_setsockopt(r.servers[0].c, IPPROTO_IP, IP_TTL, &value, sizeof(value)), 0);
	for (cursor = 0, n = 0; cursor != TCP_LIST_END;)
		n += tcp_list(r.pair.side[1].engine, &cursor, before + n, 4 - n);
	UNIT_EQ(n, 2);
	run(&r, 5 * SECOND_US);
	UNIT_EQ(usage_of(&r, 1).folded, 1);
	for (cursor = 0, n = 0; cursor != TCP_LIST_END;)
		n += tcp_list(r.pair.side[1].engine, &cursor, after + n, 4 - n);
	UNIT_EQ(n, 2);
	UNIT_EQ(usage_of(&r, 1).folded, 1);
	if (before[0].state == TCP_LISTEN)
		place = 1;
	UNIT_EQ(after[1].state, TCP_ESTABLISHED);
	CU_ASSERT(memcmp(&after[1].tuple, &before[place].tuple, sizeof(after[1].tuple)) == 0);
	UNIT_EQ(after[1].srtt_us, before[place].srtt_us);
	UNIT_EQ(after[1].bytes_acked, before[place].bytes_acked);
	UNIT_EQ(after[1].bytes_received, before[place].bytes_received);
	UNIT_EQ(after[1].cwnd_segs, before[place].cwnd_segs);
	UNIT_EQ(after[1].rto_us, before[place].rto_us);
	UNIT_EQ(tcp_getsockopt(conn_of(&r, 1, &r.servers[0]), IPPROTO_IP, IP_TTL, &got, &len), 0);
	UNIT_EQ(got, value);
	CU_ASSERT(end_all(&r, 1));
}

/* Whoever has something to do, or a timer, or says no. */
UNIT_CASE(others_are_not)
{
	struct rig r;
	int on = 1;

	start(&r, 64, 0);
	for (unsigned int i = 0; i < 4; i++)
		open_one(&r, i);
	run(&r, 500000);
	CU_ASSERT_FATAL(r.n_servers == 4);
	r.servers[0].refuses = true;
	UNIT_EQ(tcp_setsockopt(r.servers[1].c, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	UNIT_EQ(tcp_send(r.clients[2].c, "abc", 3, 0), 3); /* nobody reads it */
	run(&r, 5 * SECOND_US);
	CU_ASSERT(r.servers[0].c != NULL && r.servers[1].c != NULL && r.servers[2].c != NULL);
	CU_ASSERT(r.servers[3].folded != NULL);
	UNIT_EQ(usage_of(&r, 1).folded, 1);
	UNIT_EQ(usage_of(&r, 0).folded, 4);
	CU_ASSERT(end_all(&r, 4));
}

/* With fewer places than connections idle ones are folded early, and none is lost. */
UNIT_CASE(few_places_hold_many)
{
	struct rig r;

	start(&r, MANY + 8, 16);
	for (unsigned int i = 0; i < MANY; i++) {
		open_one(&r, i);
		run(&r, 100000);
	}
	UNIT_EQ(r.n_servers, MANY);
	UNIT_EQ(usage_of(&r, 0).conns, MANY);
	CU_ASSERT(usage_of(&r, 0).folded >= MANY - 16);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < MANY; i++)
			say(&r, 0, &r.clients[i], &r.servers[i]);
	CU_ASSERT(end_all(&r, MANY));
}

/* All places taken: what arrives for others is dropped, counted, and sent again. */
UNIT_CASE(without_a_place_segments_are_dropped)
{
	char byte = 'x';
	struct rig r;

	start(&r, MANY + 8, 16);
	for (unsigned int i = 0; i < MANY; i++) {
		open_one(&r, i);
		run(&r, 100000);
	}
	/* Servers do not read: who has bytes is not folded. */
	for (unsigned int i = 0; i < MANY; i++) {
		struct tcp_conn *c = conn_of(&r, 0, &r.clients[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		UNIT_EQ(tcp_send(c, &byte, 1, 0), 1);
		tcp_flush(r.pair.side[0].engine);
		run(&r, 50000);
		if (STAT(&r, 1, drop_folded) > 0)
			break;
	}
	CU_ASSERT(STAT(&r, 1, drop_folded) > 0);
	CU_ASSERT(STAT(&r, 1, fold_no_room) > 0);
	for (unsigned int i = 0; i < MANY; i++)
		if (r.servers[i].c != NULL)
			while (tcp_recv(r.servers[i].c, &byte, 1, 0) == 1)
				;
	run(&r, 20 * SECOND_US);
	for (unsigned int i = 0; i < MANY; i++)
		if (r.servers[i].c != NULL)
			while (tcp_recv(r.servers[i].c, &byte, 1, 0) == 1)
				;
	run(&r, 5 * SECOND_US);
	UNIT_EQ(usage_of(&r, 0).folded, MANY);
	UNIT_EQ(usage_of(&r, 1).folded, MANY);
	CU_ASSERT(end_all(&r, MANY));
}

/* A walk and a search find them; one that is forgotten is gone, and its port is free. */
UNIT_CASE(they_can_be_found_and_forgotten)
{
	struct tcp_tuple tuple;
	uint64_t cursor = 0;
	struct rig r;
	unsigned int n = 0;

	start(&r, 64, 0);
	for (unsigned int i = 0; i < 3; i++)
		open_one(&r, i);
	run(&r, 500000);
	tuple = tcp_tuple_of(r.clients[1].c);
	run(&r, 5 * SECOND_US);
	UNIT_EQ(usage_of(&r, 0).folded, 3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(tcp_find(r.pair.side[0].engine, &tuple));
	UNIT_EQ(usage_of(&r, 0).folded, 2);
	while (cursor != TCP_LIST_END)
		n += tcp_walk(r.pair.side[0].engine, &cursor) != NULL;
	UNIT_EQ(n, 3);
	UNIT_EQ(usage_of(&r, 0).folded, 0);
	run(&r, 5 * SECOND_US);
	UNIT_EQ(usage_of(&r, 0).folded, 3);
	for (unsigned int i = 0; i < 3; i++)
		tcp_drop_folded(r.pair.side[0].engine, r.clients[i].folded);
	UNIT_EQ(usage_of(&r, 0).conns, 0);
	UNIT_EQ(usage_of(&r, 0).flows, 0);
	UNIT_EQ(usage_of(&r, 0).ports, 0);
	for (unsigned int i = 0; i < 3; i++)
		tcp_abort(conn_of(&r, 1, &r.servers[i]));
	tcp_close(r.listener);
	run(&r, SECOND_US);
	CU_ASSERT(pair_end(&r.pair));
}

UNIT_MAIN_EAL(UNIT_RUN(an_idle_one_is_folded_and_comes_back), UNIT_RUN(nothing_is_forgotten),
	      UNIT_RUN(others_are_not), UNIT_RUN(few_places_hold_many),
	      UNIT_RUN(without_a_place_segments_are_dropped),
	      UNIT_RUN(they_can_be_found_and_forgotten))
