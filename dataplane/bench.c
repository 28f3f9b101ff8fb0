/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * [service bench]: which of its two sides a connection belongs to, its keys, and what the lane asks
 * of the generator. See bench.h.
 *
 * It has a turn in each iteration of the lane only while a run is there, so that an idle lane can
 * sleep.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/bench_impl.h"
#include "dataplane/service_impl.h"
#include "dataplane/service_plugin.h"

/* ---- The configuration */

static const char *const bench_keys[] = {"request", "answer", NULL};

static const struct tern_service_counter bench_counters[] = {
	{"ungreeted", "connections reset because they did not begin with a greeting"},
	{NULL, NULL},
};

static int
bench_configure(void *service, const char *key, const char *value, char *why)
{
	struct bench *bench = service;
	unsigned long long n;
	char *end;

	if (strcmp(key, "request") != 0 && strcmp(key, "answer") != 0)
		return -ENOENT;
	errno = 0;
	n = strtoull(value, &end, 10);
	if (end == value || *end != '\0' || value[0] == '-' || errno != 0 || n == 0 ||
	    n > BENCH_SIZE_MAX) {
		snprintf(why, TERN_SERVICE_WHY_BYTES,
			 "\"%s\" is not a number of bytes from 1 to %d", value, BENCH_SIZE_MAX);
		return -EINVAL;
	}
	if (strcmp(key, "request") == 0)
		bench->request_bytes = (uint32_t)n;
	else
		bench->answer_bytes = (uint32_t)n;
	return 0;
}

static int
bench_check(void *service, char *why)
{
	const struct bench *bench = service;

	if (bench->answer_bytes == 0 || bench->request_bytes != 0)
		return 0;
	snprintf(why, TERN_SERVICE_WHY_BYTES,
		 "answer, but no request; write both, or neither and have who connects say it");
	return -EINVAL;
}

static int
bench_service_start(void *service, unsigned int lanes, char *why)
{
	struct bench *bench = service;
	uint8_t *pattern;

	(void)lanes;
	(void)why;
	if (tern_service_memory_alloc(BENCH_PATTERN_BYTES, &bench->pattern) < 0)
		return -ENOMEM;
	pattern = tern_service_memory_data(bench->pattern);
	for (unsigned int i = 0; i < BENCH_PATTERN_BYTES; i++)
		pattern[i] = (uint8_t)('a' + i % 26);
	return 0;
}

static void
bench_service_stop(void *service)
{
	struct bench *bench = service;

	tern_service_memory_free(bench->pattern);
}

/* ---- The lane */

static void
want_turns(struct tern_service_lane *lane, bool wanted)
{
	if (wanted)
		lane->set->turners |= 1u << lane->index;
	else
		lane->set->turners &= ~(1u << lane->index);
}

static int
bench_lane_start(struct tern_service_lane *lane, void *state, char *why)
{
	(void)state;
	(void)why;
	want_turns(lane, false);
	return 0;
}

static void
bench_lane_turn(struct tern_service_lane *lane, void *state)
{
	struct bench_lane *b = state;

	if (b->run == NULL || !bench_run_turn(b->run, lane))
		want_turns(lane, false);
}

static void
bench_lane_stop(struct tern_service_lane *lane, void *state)
{
	struct bench_lane *b = state;

	bench_flood_end(lane->set, b->run);
	bench_run_free(b->run);
	b->run = NULL;
}

/* The service's place in this lane; NULL: it is not configured. The first, if there are several. */
static struct tern_service_lane *
find(const struct service_set *set)
{
	for (unsigned int i = 0; i < set->n_services; i++)
		if (set->services[i].ops->lane_turn == bench_lane_turn)
			return (struct tern_service_lane *)(uintptr_t)&set->services[i];
	return NULL;
}

bool
bench_is_there(const struct service_set *set)
{
	return find(set) != NULL;
}

int
bench_start(struct service_set *set, struct bench_run *run)
{
	struct tern_service_lane *lane = find(set);
	struct bench_lane *b;

	if (lane == NULL)
		return -ENOENT;
	b = lane->state;
	if (b->run != NULL)
		return -EBUSY;
	b->run = run;
	run->target = run->plan.connections;
	run->begun_us = set->now_us;
	run->due_us = set->now_us + run->plan.patience_us;
	if (run->plan.workload == BENCH_FLOOD)
		bench_flood_begin(run, set);
	want_turns(lane, true);
	return 0;
}

int
bench_read(const struct service_set *set, struct bench_result *result)
{
	const struct tern_service_lane *lane = find(set);
	const struct bench_lane *b = lane != NULL ? lane->state : NULL;

	if (b == NULL || b->run == NULL)
		return -ENOENT;
	bench_run_read(b->run, set, result);
	return 0;
}

int
bench_end(struct service_set *set, struct bench_run **run)
{
	struct tern_service_lane *lane = find(set);
	struct bench_lane *b = lane != NULL ? lane->state : NULL;

	*run = NULL;
	if (b == NULL || b->run == NULL)
		return 0;
	bench_run_fail(b->run, EINTR);
	if (b->run->phase != BENCH_DONE)
		return -EBUSY;
	*run = b->run;
	b->run = NULL;
	return 0;
}

/* ---- Connections */

static int
bench_accepted(struct tern_service_conn *conn, void *state)
{
	struct bench_conn *c = state;

	c->role = BENCH_SERVED;
	bench_serve(conn, &c->served);
	return 0;
}

static void
bench_connected(struct tern_service_conn *conn, void *state)
{
	struct bench_conn *c = state;

	bench_flow_connected(conn, &c->flow);
}

static void
bench_readable(struct tern_service_conn *conn, void *state)
{
	struct bench_conn *c = state;

	if (c->role == BENCH_FLOW)
		bench_flow_readable(conn, &c->flow);
	else
		bench_served_readable(conn, &c->served);
}

static void
bench_writable(struct tern_service_conn *conn, void *state)
{
	struct bench_conn *c = state;

	if (c->role == BENCH_FLOW)
		bench_flow_writable(conn, &c->flow);
	else
		bench_served_writable(conn, &c->served);
}

static void
bench_peer_closed(struct tern_service_conn *conn, void *state)
{
	struct bench_conn *c = state;

	if (c->role == BENCH_FLOW)
		tern_service_close(conn);
	else
		bench_served_ended(conn, &c->served);
}

static void
bench_closed(struct tern_service_conn *conn, void *state, int error)
{
	struct bench_conn *c = state;

	(void)conn;
	if (c->role == BENCH_FLOW)
		bench_run_closed(c->flow.run, &c->flow, error);
}

const struct tern_service_plugin bench_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.keys = bench_keys,
	.counters = bench_counters,
	.service_bytes = sizeof(struct bench),
	.lane_bytes = sizeof(struct bench_lane),
	.conn_bytes = sizeof(struct bench_conn),
	.configure = bench_configure,
	.check = bench_check,
	.start = bench_service_start,
	.stop = bench_service_stop,
	.lane_start = bench_lane_start,
	.lane_turn = bench_lane_turn,
	.lane_stop = bench_lane_stop,
	.accepted = bench_accepted,
	.connected = bench_connected,
	.readable = bench_readable,
	.writable = bench_writable,
	.peer_closed = bench_peer_closed,
	.closed = bench_closed,
};
