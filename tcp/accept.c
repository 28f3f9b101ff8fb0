/* SPDX-License-Identifier: BSD-3-Clause */
/* A listener's accept queue, who enters it besides the handshake's children, and its end. */
#include <errno.h>

#include "engine.h"

bool
tcp_accept_queue_full(const struct tcp_bound *l)
{
	/* As Linux: backlog + 1 may wait, those among them that still talk CLC. */
	return l->waiting + l->in_clc > (uint32_t)l->backlog;
}

static void
put(struct tcp_bound *l, struct tcp_conn *c)
{
	c->flags |= CONN_ACCEPTING;
	c->accept_us = c->engine->now_us;
	c->parent = l;
	c->accept_next = NULL;
	if (l->accept_tail != NULL)
		l->accept_tail->accept_next = c;
	else
		l->accept_head = c;
	l->accept_tail = c;
	l->waiting++;
	l->arrived++;
	tcp_mark_event(l->c);
}

void
tcp_accept_queue_add(struct tcp_bound *l, struct tcp_conn *c)
{
	TCP_COUNT(c->engine, passive_opens);
	put(l, c);
}

static void
take(struct tcp_bound *l, struct tcp_conn *c, struct tcp_conn *prev)
{
	if (prev != NULL)
		prev->accept_next = c->accept_next;
	else
		l->accept_head = c->accept_next;
	if (l->accept_tail == c)
		l->accept_tail = prev;
	l->waiting--;
	c->flags &= ~CONN_ACCEPTING;
	c->parent = NULL;
	c->accept_us = 0;
	c->user = NULL;
}

void
tcp_accept_queue_remove(struct tcp_conn *c)
{
	struct tcp_bound *l = c->parent;
	struct tcp_conn *prev = NULL;

	for (struct tcp_conn *i = l->accept_head; i != c; i = i->accept_next)
		prev = i;
	take(l, c, prev);
}

int
tcp_accept(struct tcp_conn *c, struct tcp_conn **child)
{
	struct tcp_bound *l = c->bound;

	if (c->state != TCP_LISTEN)
		return -EINVAL;
	if (l->accept_head == NULL)
		return -EAGAIN;
	*child = l->accept_head;
	take(l, *child, NULL);
	return 0;
}

void
tcp_accept_news(const struct tcp_conn *c, uint64_t *arrived, uint64_t *since_us)
{
	const struct tcp_bound *l = c->bound;
	bool listens = c->state == TCP_LISTEN;

	*arrived = listens ? l->arrived : 0;
	*since_us = listens && l->accept_head != NULL ? l->accept_head->accept_us : 0;
}

uint32_t
tcp_waiting_at(const struct tcp_engine *e, uint16_t port,
	       bool (*is_one)(const void *ctx, const void *user), const void *ctx)
{
	uint32_t n = 0;

	for (const struct tcp_bound *b = e->bound_buckets[port % TCP_BOUND_BUCKETS]; b != NULL;
	     b = b->next)
		if (b->local.port == port && b->listening && is_one(ctx, tcp_user(b->c)))
			n += b->waiting;
	return n;
}

/* As a child is: of the listener's family, its owner's, and not allowed to repair. */
static void
adopt(struct tcp_bound *l, struct tcp_conn *c)
{
	const uint32_t family = CONN_FAMILY6 | CONN_V6ONLY;

	c->flags = (c->flags & ~family) | (l->c->flags & family);
	c->repair.privileged = false;
	tcp_set_uid(c, l->c->uid);
}

int
tcp_offer(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;
	struct tcp_bound *l;

	if (c->state == TCP_CLOSED || c->state == TCP_LISTEN || c->state == TCP_SYN_SENT ||
	    (c->flags & CONN_ACCEPTING) || tcp_clc_is_on(c))
		return -EINVAL;
	l = tcp_listener_find(e, &c->tuple);
	if (l == NULL)
		return -ECONNREFUSED;
	if (tcp_accept_queue_full(l)) {
		TCP_COUNT(e, offers_refused);
		return -EAGAIN;
	}
	TCP_COUNT(e, offers);
	adopt(l, c);
	put(l, c);
	return 0;
}

bool
tcp_is_orphan(const struct tcp_conn *c)
{
	return (c->flags & CONN_ORPHAN) != 0;
}

void *
tcp_waits_at(const struct tcp_conn *c)
{
	return c->flags & CONN_ACCEPTING ? c->parent->c->user : NULL;
}

void
tcp_withdraw(struct tcp_conn *c)
{
	struct tcp_bound *l = c->parent;

	tcp_accept_queue_remove(c);
	tcp_mark_event(l->c);
}

void
tcp_put_back(struct tcp_conn *c)
{
	struct tcp_bound *l = tcp_listener_find(c->engine, &c->tuple);

	if (l == NULL) {
		tcp_abort(c);
		return;
	}
	adopt(l, c);
	put(l, c);
}

void
tcp_accepted_from(const struct tcp_conn *child, struct tcp_endpoint *remote)
{
	*remote = (struct tcp_endpoint){child->tuple.remote, be16_get(child->tuple.rport)};
}

void
tcp_listener_close(struct tcp_conn *c)
{
	struct tcp_bound *l = c->bound;
	struct tcp_conn *child;

	tcp_requests_drop(c->engine, l);
	while ((child = l->accept_head) != NULL) {
		take(l, child, NULL);
		tcp_abort(child);
	}
	tcp_fastopen_listener_close(c->engine, l);
	tcp_clc_drop_all(l);
	l->listening = false;
	tcp_found_everywhere(c, false);
	c->state = TCP_CLOSED;
	c->engine->listeners--;
	tcp_port_ended(c);
}
