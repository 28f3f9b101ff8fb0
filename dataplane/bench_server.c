/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server of a [service bench]: takes the greeting of bench.h, then counts bytes. For each
 * request_bytes that came, answer_bytes go out; a request of 0 bytes is never complete, so that
 * everything is taken and nothing answered; BENCH_SOURCE sends without being asked.
 *
 * What the configuration says of requests stands for the greeting, and nobody greets then.
 *
 * What comes is never refused for what it says: a peer can have as many bytes sent as its window
 * takes, as with chargen; but without a greeting the connection is reset.
 */
#include <errno.h>
#include <string.h>

#include "dataplane/bench_impl.h"

/* Queues answers; writable() comes when there is room for more. */
static void
pay(struct tern_service_conn *conn, struct bench_served *served)
{
	const struct bench *bench = tern_service_shared_state(tern_service_lane_of(conn));

	while (served->owed > 0) {
		uint64_t n =
			served->owed < BENCH_PATTERN_BYTES ? served->owed : BENCH_PATTERN_BYTES;
		ssize_t took;

		if (n <= BENCH_COPY_BYTES)
			took = tern_service_send(conn, tern_service_memory_data(bench->pattern), n,
						 0);
		else
			took = tern_service_send_memory(conn, bench->pattern, 0, n, 0, NULL, NULL);
		if (took <= 0)
			return;
		if (served->owed != UINT64_MAX)
			served->owed -= (uint64_t)took;
		if ((uint64_t)took < n)
			return;
	}
	if (served->closes)
		tern_service_close(conn);
}

static uint32_t
number_at(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Returns whether the greeting is there, and right. */
static bool
greet(struct tern_service_conn *conn, struct bench_served *served)
{
	uint8_t greeting[BENCH_GREETING_BYTES];
	size_t n = tern_service_copy(conn, 0, greeting, sizeof(greeting));

	if (memcmp(greeting, "tern bn1", n < 8 ? n : 8) != 0) {
		tern_service_count(tern_service_lane_of(conn), 0, 1);
		tern_service_abort(conn);
		return false;
	}
	if (n < sizeof(greeting))
		return false;
	tern_service_consume(conn, n);
	served->flags = number_at(greeting + 8);
	served->request_bytes = number_at(greeting + 12);
	served->answer_bytes = number_at(greeting + 16);
	served->greeted = true;
	if ((served->flags & BENCH_SOURCE) != 0)
		served->owed = UINT64_MAX;
	return true;
}

/* So many bytes more of requests. */
static void
take(struct bench_served *served, uint64_t bytes)
{
	uint64_t n;

	if (served->request_bytes == 0 || served->owed == UINT64_MAX)
		return;
	served->have += bytes;
	if (served->have < served->request_bytes)
		return;
	if (served->have == served->request_bytes) { /* no division for what is usual */
		n = 1;
		served->have = 0;
	} else {
		n = served->have / served->request_bytes;
		served->have %= served->request_bytes;
	}
	if ((served->flags & BENCH_CLOSE) != 0) {
		n = 1;
		served->closes = true;
	}
	served->owed += n * served->answer_bytes;
}

void
bench_served_readable(struct tern_service_conn *conn, struct bench_served *served)
{
	struct tern_service_data data;
	ssize_t queued;

	if (!served->greeted && !greet(conn, served))
		return;
	queued = tern_service_peek(conn, 0, &data);
	if (queued > 0 && !served->closes)
		take(served, tern_service_consume(conn, (size_t)queued));
	pay(conn, served);
}

void
bench_served_writable(struct tern_service_conn *conn, struct bench_served *served)
{
	pay(conn, served);
}

/* The peer has sent its FIN: it is owed what it asked for. */
void
bench_served_ended(struct tern_service_conn *conn, struct bench_served *served)
{
	if (served->owed == 0 || served->owed == UINT64_MAX)
		tern_service_close(conn);
	else
		served->closes = true;
}

void
bench_serve(struct tern_service_conn *conn, struct bench_served *served)
{
	const struct bench *bench = tern_service_shared_state(tern_service_lane_of(conn));

	served->request_bytes = bench->request_bytes;
	served->answer_bytes = bench->answer_bytes;
	served->greeted = bench->request_bytes != 0;
}
