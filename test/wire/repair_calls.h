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

#endif
