/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A service for plugin.sh: sends `bytes` bytes by reference out of memory of its own to whoever
 * connects, then its FIN; the first piece of what a peer sends is held until the connection ends.
 * The stream is one MiB over and over, whose byte i is (i * 7 + i / 251) mod 256. When it stops it
 * prints what it sent and what was released.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <tern_service.h>

enum {
	BLOCK_BYTES = 1 << 20,
};

struct stream {
	uint64_t bytes;
	unsigned char *block;
	struct tern_service_memory *memory;
	uint64_t sends, sent, releases, released; /* one lane: no lock */
};

struct reader {
	uint64_t at;
	struct tern_service_held *held;
};

static int
configure(void *service, const char *key, const char *value, char *why)
{
	struct stream *s = service;

	(void)why;
	if (key[0] != 'b' || value[0] < '0' || value[0] > '9')
		return key[0] != 'b' ? -ENOENT : -EINVAL;
	s->bytes = strtoull(value, NULL, 10);
	return 0;
}

static int
start(void *service, unsigned int lanes, char *why)
{
	struct stream *s = service;

	(void)lanes;
	s->block =
		mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->block == MAP_FAILED) {
		snprintf(why, TERN_SERVICE_WHY_BYTES, "no memory for a block");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < BLOCK_BYTES; i++)
		s->block[i] = (unsigned char)(i * 7 + i / 251);
	return tern_service_memory_register(s->block, BLOCK_BYTES, &s->memory);
}

static void
stop(void *service)
{
	struct stream *s = service;

	if (s->memory == NULL)
		return;
	tern_service_memory_free(s->memory);
	munmap(s->block, BLOCK_BYTES);
	fprintf(stderr, "stream: %s after %llu sends, %llu bytes\n",
		s->sends == s->releases && s->sent == s->released ? "all released" : "MISSING",
		(unsigned long long)s->sends, (unsigned long long)s->sent);
}

static void
is_over(void *arg, size_t bytes)
{
	struct stream *s = arg;

	s->releases++;
	s->released += bytes;
}

static void
send_on(struct tern_service_conn *conn, void *state)
{
	struct stream *s = tern_service_shared_state(tern_service_lane_of(conn));
	struct reader *r = state;

	while (r->at < s->bytes) {
		size_t at = r->at % BLOCK_BYTES, bytes = BLOCK_BYTES - at;
		ssize_t n;

		if (bytes > s->bytes - r->at)
			bytes = s->bytes - r->at;
		n = tern_service_send_memory(conn, s->memory, at, bytes, 0, is_over, s);
		if (n <= 0)
			return;
		r->at += (uint64_t)n;
		s->sends++;
		s->sent += (uint64_t)n;
	}
	tern_service_finish(conn);
}

static int
accepted(struct tern_service_conn *conn, void *state)
{
	send_on(conn, state);
	return 0;
}

static void
readable(struct tern_service_conn *conn, void *state)
{
	struct reader *r = state;
	struct tern_service_data piece;
	ssize_t queued = tern_service_peek(conn, 0, &piece);

	if (queued > 0 && r->held == NULL)
		tern_service_hold(conn, &piece, &r->held);
	if (queued > 0)
		tern_service_consume(conn, (size_t)queued);
}

static void
goes_on(struct tern_service_conn *conn, void *state)
{
	(void)conn;
	(void)state;
}

static void
closed(struct tern_service_conn *conn, void *state, int error)
{
	struct reader *r = state;

	(void)conn;
	(void)error;
	if (r->held != NULL)
		tern_service_release(r->held);
}

const struct tern_service_plugin tern_service_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.service_bytes = sizeof(struct stream),
	.conn_bytes = sizeof(struct reader),
	.configure = configure,
	.start = start,
	.stop = stop,
	.accepted = accepted,
	.readable = readable,
	.writable = send_on,
	.peer_closed = goes_on,
	.closed = closed,
};
