/* SPDX-License-Identifier: BSD-3-Clause */
/* A listener's accept queue, and its end. */
#include <errno.h>

#include "engine.h"

bool
tcp_accept_queue_full(const struct tcp_bound *l)
{
	/* As Linux: backlog + 1 may wait, those among them that still talk CLC. */
	return l->waiting + l->in_clc > (uint32_t)l->backlog;
}

void
tcp_accept_queue_add(struct tcp_bound *l, struct tcp_conn *c)
{
	TCP_COUNT(c->engine, passive_opens);
	c->flags |= CONN_ACCEPTING;
	c->parent = l;
	c->accept_next = NULL;
	if (l->accept_tail != NULL)
		l->accept_tail->accept_next = c;
	else
		l->accept_head = c;
	l->accept_tail = c;
	l->waiting++;
	tcp_mark_event(l->c);
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
	c->state = TCP_CLOSED;
	c->engine->listeners--;
	tcp_port_ended(c);
}
