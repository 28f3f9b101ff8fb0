/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An example of a service of your own: it greets whoever connects, answers each line with the
 * greeting and the line, and says goodbye to those who say nothing for a while.
 *
 *     cc -std=c11 -O2 -shared -fPIC $(pkg-config --cflags tern-service) greeting.c -o greeting.so
 *
 *     [service greeting]
 *     plugin   = greeting.so
 *     listen   = *:7000
 *     text     = Hello             ; what it greets with
 *     patience = 10                ; seconds until it says goodbye
 *
 *     $ printf 'world\n' | nc -N 198.18.0.2 7000
 *     Hello
 *     Hello, world
 *
 * It shows: keys and their checking; memory that is sent by reference, and knows when that is over;
 * input that is read in place, also when a line lies in several pieces; back-pressure; a timer; the
 * end of the peer's stream; a connection that moves; a counter. What each function does exactly is
 * in tern_service.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern_service.h>

enum {
	TEXT_MAX = 200,
	LINE_MAX_BYTES = 1000, /* a longer one ends the connection */
	PATIENCE_MAX_S = 86400,
};

#define SECOND_US UINT64_C(1000000)

/* Of the service: written by the main thread before lanes run, then only read. */
struct greeting {
	char text[TEXT_MAX + 2]; /* with its line end */
	size_t text_bytes;
	unsigned long patience_s;
	struct tern_service_memory *memory; /* the text, where devices can read it */
};

/* Of each lane. */
struct greeting_lane {
	uint64_t unreleased; /* greetings on their way */
};

/* Of each connection; all zero when it is accepted. */
struct visitor {
	bool greeted;
};

/* The counters, in the order of the list below. */
enum {
	LINES,
	GOODBYES,
};

static const struct tern_service_counter counters[] = {
	{"lines", "lines answered"},
	{"goodbyes", "connections that said nothing for too long"},
	{NULL, NULL},
};

static const char *const keys[] = {"text", "patience", NULL};

/* ---- Main thread */

static int
configure(void *service, const char *key, const char *value, char *why)
{
	struct greeting *g = service;
	char *end;

	if (strcmp(key, "text") == 0) {
		if (value[0] == '\0' || strlen(value) > TEXT_MAX) {
			snprintf(why, TERN_SERVICE_WHY_BYTES, "write 1 to %d characters", TEXT_MAX);
			return -EINVAL;
		}
		g->text_bytes = (size_t)snprintf(g->text, sizeof(g->text), "%s\n", value);
		return 0;
	}
	if (strcmp(key, "patience") == 0) {
		g->patience_s = strtoul(value, &end, 10);
		if (end == value || *end != '\0' || g->patience_s < 1 ||
		    g->patience_s > PATIENCE_MAX_S) {
			snprintf(why, TERN_SERVICE_WHY_BYTES, "write 1 to %d seconds",
				 PATIENCE_MAX_S);
			return -EINVAL;
		}
		return 0;
	}
	return -ENOENT; /* ternd says which keys there are */
}

static int
check(void *service, char *why)
{
	struct greeting *g = service;

	if (g->patience_s == 0)
		g->patience_s = 60;
	if (g->text_bytes > 0)
		return 0;
	snprintf(why, TERN_SERVICE_WHY_BYTES, "no text to greet with; give text");
	return -EINVAL;
}

static int
start(void *service, unsigned int lanes, char *why)
{
	struct greeting *g = service;
	int status = tern_service_memory_alloc(g->text_bytes, &g->memory);

	(void)lanes;
	(void)why;
	if (status == 0)
		memcpy(tern_service_memory_data(g->memory), g->text, g->text_bytes);
	return status;
}

static void
stop(void *service)
{
	struct greeting *g = service;

	tern_service_memory_free(g->memory);
}

/* ---- The lane */

static void
lane_stop(struct tern_service_lane *lane, void *state)
{
	const struct greeting_lane *own = state;

	/* Every release was called by now: this never prints. */
	if (own->unreleased != 0)
		fprintf(stderr, "greeting: lane %u: %llu greetings are missing\n",
			tern_service_lane_index(lane), (unsigned long long)own->unreleased);
}

static void
greeting_is_over(void *arg, size_t bytes)
{
	struct greeting_lane *own = arg;

	(void)bytes;
	own->unreleased--;
}

static void
wait_for_words(struct tern_service_conn *conn, const struct greeting *g)
{
	tern_service_timer(conn, g->patience_s * SECOND_US);
}

/*
 * Answers the first line of the input, which has `bytes` bytes with its end. All of the answer or
 * nothing: if there is no room for it, the line stays where it is, and its sender waits.
 */
static bool
answer_line(struct tern_service_conn *conn, const struct greeting *g, size_t bytes)
{
	char line[LINE_MAX_BYTES];
	struct iovec answer[] = {
		{(void *)(uintptr_t)g->text, g->text_bytes - 1},
		{", ", 2},
		{line, bytes},
	};

	if (tern_service_room(conn) < g->text_bytes + 1 + bytes) {
		tern_service_want_room(conn);
		return false;
	}
	tern_service_copy(conn, 0, line, bytes);
	if (tern_service_sendv(conn, answer, 3, 0) < (ssize_t)(g->text_bytes + 1 + bytes)) {
		/* Packet buffers ran out in the middle, which is rare: this one is given up. */
		tern_service_abort(conn);
		return false;
	}
	tern_service_consume(conn, bytes);
	tern_service_count(tern_service_lane_of(conn), LINES, 1);
	return true;
}

/* The bytes of the first line with its end; 0 if that is not here yet. */
static size_t
first_line(struct tern_service_conn *conn)
{
	struct tern_service_data piece;

	for (size_t at = 0; tern_service_peek(conn, at, &piece) > 0 && piece.bytes > 0;
	     at += piece.bytes) {
		const char *end = memchr(piece.data, '\n', piece.bytes);

		if (end != NULL)
			return at + (size_t)(end - (const char *)piece.data) + 1;
	}
	return 0;
}

/* Makes all the progress that is possible; what stands in the way will call it again. */
static void
go_on(struct tern_service_conn *conn, void *state)
{
	struct tern_service_lane *lane = tern_service_lane_of(conn);
	const struct greeting *g = tern_service_shared_state(lane);
	struct greeting_lane *own = tern_service_lane_state(lane);
	struct visitor *v = state;
	struct tern_service_data rest;
	size_t bytes;

	if (!v->greeted) {
		/* So short a text is taken whole, or not at all. */
		if (tern_service_send_memory(conn, g->memory, 0, g->text_bytes, 0, greeting_is_over,
					     own) <= 0)
			return;
		own->unreleased++;
		v->greeted = true;
	}
	while ((bytes = first_line(conn)) != 0 && bytes <= LINE_MAX_BYTES) {
		if (!answer_line(conn, g, bytes))
			return;
		wait_for_words(conn, g);
	}
	/* No line is left that could be answered: too long a one, or the peer's last. */
	if (bytes != 0 || tern_service_peek(conn, 0, &rest) > LINE_MAX_BYTES ||
	    tern_service_ended(conn))
		tern_service_finish(conn);
}

static int
accepted(struct tern_service_conn *conn, void *state)
{
	wait_for_words(conn, tern_service_shared_state(tern_service_lane_of(conn)));
	go_on(conn, state);
	return 0;
}

static void
timer(struct tern_service_conn *conn, void *state)
{
	(void)state;
	tern_service_send(conn, "Goodbye\n", 8, 0);
	tern_service_count(tern_service_lane_of(conn), GOODBYES, 1);
	tern_service_finish(conn);
}

/* Its state elsewhere: one byte. Its patience begins anew there. */
static ssize_t
save(struct tern_service_conn *conn, void *state, void *to, size_t bytes, char *why)
{
	const struct visitor *v = state;

	(void)conn;
	(void)bytes; /* TERN_SERVICE_SAVED_BYTES_MAX */
	(void)why;
	*(unsigned char *)to = v->greeted;
	return 1;
}

static int
restored(struct tern_service_conn *conn, void *state, const void *from, size_t bytes, char *why)
{
	struct visitor *v = state;

	/* It came from outside, and may be anything. */
	if (bytes != 1 || *(const unsigned char *)from > 1) {
		snprintf(why, TERN_SERVICE_WHY_BYTES, "what is saved of it is no visitor's");
		return -EINVAL;
	}
	v->greeted = *(const unsigned char *)from != 0;
	wait_for_words(conn, tern_service_shared_state(tern_service_lane_of(conn)));
	return 0;
}

const struct tern_service_plugin tern_service_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.version = "1",
	.keys = keys,
	.counters = counters,
	.service_bytes = sizeof(struct greeting),
	.lane_bytes = sizeof(struct greeting_lane),
	.conn_bytes = sizeof(struct visitor),
	.configure = configure,
	.check = check,
	.start = start,
	.stop = stop,
	.lane_stop = lane_stop,
	.accepted = accepted,
	.readable = go_on,
	.writable = go_on,
	.peer_closed = go_on,
	.timer = timer,
	.save = save,
	.restored = restored,
};
