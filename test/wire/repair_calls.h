/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of repair say of a flow's socket. */
#ifndef TERN_TEST_WIRE_REPAIR_CALLS_H
#define TERN_TEST_WIRE_REPAIR_CALLS_H

#include "wire.h"

enum { REPAIR_NONE, REPAIR_RECV, REPAIR_SEND };

static inline long
try_set(struct wire *w, int name, int v)
{
	return tcp_setsockopt(w->flow->c, IPPROTO_TCP, name, &v, sizeof(v));
}

static inline long
try_get(struct wire *w, int name)
{
	size_t len = sizeof(int);
	int v = -1;
	int status = tcp_getsockopt(w->flow->c, IPPROTO_TCP, name, &v, &len);

	return status < 0 ? status : (long)(uint32_t)v;
}

/* The flow's socket may go into repair, and does. */
static inline void
repair_on(struct wire *w)
{
	tcp_set_privileged(w->flow->c, true);
	WIRE_EQ(w, try_set(w, TCP_REPAIR, TCP_REPAIR_ON), 0);
	WIRE_EQ(w, try_get(w, TCP_REPAIR), 1);
}

static inline void
repair_off(struct wire *w, int how)
{
	WIRE_EQ(w, try_set(w, TCP_REPAIR, how), 0);
	WIRE_EQ(w, try_get(w, TCP_REPAIR), 0);
	wire_flush(w);
}

static inline void
repair_queue(struct wire *w, int queue)
{
	WIRE_EQ(w, try_set(w, TCP_REPAIR_QUEUE, queue), 0);
}

static inline long
set_window(struct wire *w, const struct tcp_repair_window *window)
{
	return tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, window, sizeof(*window));
}

static inline struct tcp_repair_window
get_window(struct wire *w)
{
	struct tcp_repair_window window = {0};
	size_t len = sizeof(window);

	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len), 0);
	WIRE_EQ(w, len, sizeof(window));
	return window;
}

static inline long
set_pairs(struct wire *w, const struct tcp_repair_opt *pairs, size_t n)
{
	return tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_OPTIONS, pairs,
			      n * sizeof(*pairs));
}

static inline int
queued(struct wire *w, unsigned long request)
{
	int v = -1;

	WIRE_EQ(w, tcp_ioctl(w->flow->c, request, &v), 0);
	return v;
}

static inline void
set_seq(struct wire *w, int queue, uint32_t seq)
{
	repair_queue(w, queue);
	WIRE_EQ(w, try_set(w, TCP_QUEUE_SEQ, (int)seq), 0);
}

static inline uint32_t
get_seq(struct wire *w, int queue)
{
	repair_queue(w, queue);
	return (uint32_t)try_get(w, TCP_QUEUE_SEQ);
}

/* The bytes that a flow carries, from an offset on; ours: from the engine. */
static inline void
fill_bytes(uint8_t *to, size_t n, bool ours, uint64_t offset)
{
	for (size_t i = 0; i < n; i++)
		to[i] = wire_byte(ours, offset + i);
}

/*
 * A socket in repair that is connected to the flow's peer, whose next byte is the first, as ours
 * is: relative number 1 in both directions; with an MSS of 1460. No packet leaves.
 */
static inline void
repair_connect(struct wire *w)
{
	struct wire_flow *f = w->flow;

	f->iss = 5000;
	f->iss_known = true;
	wire_open(w);
	repair_on(w);
	set_seq(w, REPAIR_RECV, f->peer_iss + 1);
	set_seq(w, REPAIR_SEND, f->iss + 1);
	WIRE_EQ(w, tcp_bind(f->c, &f->local), 0);
	wire_connect(w, 0);
	WIRE_EQ(w, set_pairs(w, &(struct tcp_repair_opt){2, WIRE_MSS}, 1), 0);
	repair_queue(w, REPAIR_NONE);
	wire_idle(w);
}

/* Fills a queue; returns what send() says. */
static inline long
put_bytes(struct wire *w, int queue, size_t n, uint64_t offset)
{
	static uint8_t bytes[1 << 20];

	repair_queue(w, queue);
	fill_bytes(bytes, n, queue == REPAIR_SEND, offset);
	return tcp_send(w->flow->c, bytes, n, 0);
}

/* Reads a queue into `bytes`; returns what recv() says. */
static inline long
peek_bytes(struct wire *w, int queue, uint8_t *bytes, size_t n)
{
	repair_queue(w, queue);
	return tcp_recv(w->flow->c, bytes, n, MSG_PEEK);
}

/* And a queue holds just these bytes of the flow. */
static inline void
holds_bytes(struct wire *w, int queue, size_t n, uint64_t offset)
{
	static uint8_t got[1 << 20], want[1 << 20];

	fill_bytes(want, n, queue == REPAIR_SEND, offset);
	WIRE_EQ(w, peek_bytes(w, queue, got, sizeof(got)), n);
	WIRE_EQ(w, memcmp(got, want, n), 0);
}

#endif
