/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chargen, RFC 864: sends lines of printable characters as fast as the peer takes them, until the
 * peer's FIN. What the peer sends is dropped. The pattern lies in memory once, and is sent from
 * there.
 */
#include <errno.h>
#include <stdio.h>

#include "dataplane/service_plugin.h"

enum {
	LINE_BYTES = 74,
	CHARS = 95,                         /* ' ' ... '~' */
	PATTERN_BYTES = CHARS * LINE_BYTES, /* each line starts one character later */
	REPEATS = 9,                        /* so that a chain of packets needs few references */
};

struct chargen {
	struct tern_service_memory *pattern;
};

struct chargen_conn {
	uint32_t at; /* next byte of the pattern */
};

static int
chargen_start(void *service, unsigned int lanes, char *why)
{
	struct chargen *chargen = service;
	int status = tern_service_memory_alloc(REPEATS * PATTERN_BYTES, &chargen->pattern);
	char *data;

	(void)lanes;
	(void)why;
	if (status < 0)
		return status;
	data = tern_service_memory_data(chargen->pattern);
	for (unsigned int i = 0; i < REPEATS * PATTERN_BYTES; i++) {
		unsigned int column = i % LINE_BYTES, line = i / LINE_BYTES;

		if (column < LINE_BYTES - 2)
			data[i] = (char)(' ' + (line + column) % CHARS);
		else
			data[i] = column == LINE_BYTES - 2 ? '\r' : '\n';
	}
	return 0;
}

static void
chargen_stop(void *service)
{
	struct chargen *chargen = service;

	tern_service_memory_free(chargen->pattern);
}

/* Until there is no room: writable() comes then. */
static void
chargen_send(struct tern_service_conn *conn, void *state)
{
	struct chargen *chargen = tern_service_shared_state(tern_service_lane_of(conn));
	struct chargen_conn *c = state;
	ssize_t n;

	while ((n = tern_service_send_memory(conn, chargen->pattern, c->at,
					     REPEATS * PATTERN_BYTES - c->at, 0, NULL, NULL)) > 0)
		c->at = (uint32_t)((c->at + n) % (REPEATS * PATTERN_BYTES));
}

static int
chargen_accepted(struct tern_service_conn *conn, void *state)
{
	chargen_send(conn, state);
	return 0;
}

/* Little-endian, four bytes: its place in the lines. */
static ssize_t
chargen_save(struct tern_service_conn *conn, void *state, void *to, size_t bytes, char *why)
{
	const struct chargen_conn *c = state;
	uint8_t *p = to;

	(void)conn;
	(void)bytes;
	(void)why;
	for (unsigned int i = 0; i < sizeof(c->at); i++)
		p[i] = (uint8_t)(c->at >> 8 * i);
	return sizeof(c->at);
}

static int
chargen_restored(struct tern_service_conn *conn, void *state, const void *from, size_t bytes,
		 char *why)
{
	struct chargen_conn *c = state;
	const uint8_t *p = from;
	uint32_t at = 0;

	(void)conn;
	for (unsigned int i = 0; bytes == sizeof(at) && i < sizeof(at); i++)
		at |= (uint32_t)p[i] << 8 * i;
	if (bytes != sizeof(at) || at >= REPEATS * PATTERN_BYTES) {
		snprintf(why, TERN_SERVICE_WHY_BYTES, "it has no such place in its lines");
		return -EINVAL;
	}
	c->at = at;
	return 0;
}

const struct tern_service_plugin chargen_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.service_bytes = sizeof(struct chargen),
	.conn_bytes = sizeof(struct chargen_conn),
	.start = chargen_start,
	.stop = chargen_stop,
	.accepted = chargen_accepted,
	.readable = discard_all,
	.writable = chargen_send,
	.save = chargen_save,
	.restored = chargen_restored,
};
