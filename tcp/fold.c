/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Folding: a connection that has been idle for a while is written into a few small blocks
 * (fold_code.c), and its place is another's; the next segment, or its user's next call, makes it a
 * connection again, which is as it was to the bit. Most of what a struct tcp_conn is there for is
 * needed while something is on its way, and of many connections few have that at a time.
 *
 * A round goes through all connections, a few at a time (tcp_fold_sweep()), so that each is looked
 * at about twice in fold_after_ms; without any that may be folded later it rests until something
 * arrives. Nothing is folded but there: no user's call ever finds that what it has is gone. If the
 * engine was made with fewer places than connections (max_unfolded), it folds earlier as the last
 * ones go, new connections do not get the very last, and what then arrives for a folded connection
 * is dropped and counted; the peer sends it again.
 *
 * Never folded: who has anything queued, unacknowledged, out of order or to be told; who is bound
 * to a port of its own, in repair, closed by its user or not accepted yet; who has a timer running,
 * keep-alive's included; listeners.
 */
#include <string.h>

#include <rte_common.h>

#include "engine.h"

enum {
	LOOK = 16, /* connections, of which each may be a miss in every cache */
	LOOK_PRESSED = 64,
	IDLE_PRESSED_MS = 20,
	PRESSED_MAX = 256, /* free places that are too few */
};

size_t
tcp_fold_bytes(uint32_t max_conns)
{
	return FOLD_TEMPLATES * tcp_fold_template_bytes() +
	       (size_t)max_conns * FOLD_BLOCKS_EACH * sizeof(struct tcp_folded);
}

bool
tcp_fold_make(struct tcp_engine *e)
{
	struct tcp_folds *f = &e->folds;
	uint32_t n = e->config.max_conns * FOLD_BLOCKS_EACH;
	uint32_t few = RTE_MIN(e->conns.capacity / 8, (uint32_t)PRESSED_MAX);

	f->next_us = UINT64_MAX;
	f->pressed_at = UINT32_MAX;
	if (e->config.fold_after_ms == 0)
		return true;
	if (e->conns.capacity < e->config.max_conns)
		f->pressed_at = e->conns.capacity - few;
	f->memory = e->env.alloc(e->env.ctx, FOLD_TEMPLATES * tcp_fold_template_bytes(), 64);
	slab_init(&f->blocks, e->env.alloc(e->env.ctx, (size_t)n * sizeof(struct tcp_folded), 64),
		  sizeof(struct tcp_folded), n);
	return f->memory != NULL && f->blocks.base != NULL;
}

void
tcp_fold_free(struct tcp_engine *e)
{
	e->env.free(e->env.ctx, e->folds.memory);
	e->env.free(e->env.ctx, e->folds.blocks.base);
}

/* ---- Blocks */

static struct tcp_folded *
block_at(const struct tcp_folds *f, uint32_t number)
{
	return slab_at(&f->blocks, number - 1);
}

static uint32_t
number_of(const struct tcp_folds *f, const struct tcp_folded *block)
{
	return (uint32_t)(block - (const struct tcp_folded *)f->blocks.base) + 1;
}

static void
release(struct tcp_folds *f, struct tcp_folded *block)
{
	uint32_t next;

	do {
		next = block->link & FOLD_NEXT;
		block->link = FOLD_FREE;
		slab_put(&f->blocks, block);
		block = next != 0 ? block_at(f, next) : NULL;
	} while (block != NULL);
}

/* Returns the first, or NULL without memory. */
static struct tcp_folded *
store(struct tcp_folds *f, const uint8_t *bytes, size_t n)
{
	size_t blocks = (n + FOLD_BLOCK_BYTES - 1) / FOLD_BLOCK_BYTES;
	struct tcp_folded *first = NULL;

	if (blocks > f->blocks.capacity - f->blocks.used)
		return NULL;
	/* The last block first, so that each can tell of the next. */
	for (size_t i = blocks; i-- > 0;) {
		struct tcp_folded *block = slab_get(&f->blocks);
		size_t at = i * FOLD_BLOCK_BYTES;

		memcpy(block->bytes, bytes + at, RTE_MIN(n - at, (size_t)FOLD_BLOCK_BYTES));
		block->link = first == NULL ? 0 : number_of(f, first);
		block->link |= i == 0 ? FOLD_FIRST : FOLD_MORE;
		first = block;
	}
	return first;
}

static void
load(const struct tcp_folds *f, const struct tcp_folded *block, uint8_t *bytes)
{
	for (;; bytes += FOLD_BLOCK_BYTES) {
		uint32_t next = block->link & FOLD_NEXT;

		memcpy(bytes, block->bytes, FOLD_BLOCK_BYTES);
		if (next == 0)
			return;
		block = block_at(f, next);
	}
}

/* ---- Templates */

static const uint32_t *
words_at(const struct tcp_folds *f, unsigned int i)
{
	return (const uint32_t *)(const void *)(f->memory + i * tcp_fold_template_bytes());
}

/* One for each port of ours, more or less: connections of one kind. */
static unsigned int
choose_template(struct tcp_folds *f, const struct tcp_conn *c)
{
	unsigned int i =
		((c->flags & CONN_ACTIVE ? 1u : 0u) +
		 (unsigned int)be16_get(c->flags & CONN_ACTIVE ? c->tuple.rport : c->tuple.lport) *
			 2) %
		FOLD_TEMPLATES;

	if (f->users[i] == 0)
		tcp_fold_template_make(
			(uint32_t *)(void *)(f->memory + i * tcp_fold_template_bytes()), c);
	return i;
}

/* ---- Folding */

/* Whether it can be folded, now or later. */
static bool
is_eligible(const struct tcp_conn *c)
{
	const uint32_t ended = CONN_DEAD | CONN_ORPHAN | CONN_ACCEPTING | CONN_OPENING |
			       CONN_FIN_DUE | CONN_FIN_SENT;

	return (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT) &&
	       (c->flags & (ended | CONN_IN_FLOWS)) == CONN_IN_FLOWS && !c->frozen &&
	       c->bound == NULL && c->keep_at_us == UINT64_MAX && c->user != NULL;
}

static bool
is_quiet(const struct tcp_conn *c)
{
	const uint32_t busy = CONN_ACK_NOW | CONN_ACK_DELAYED | CONN_SEND_PROBE | CONN_WANT_ROOM |
			      CONN_ON_DIRTY | CONN_ON_EVENTS | CONN_DSACK_DUE | CONN_URG_SEND |
			      CONN_URG_MARK;

	return (c->flags & busy) == 0 && !tcp_clc_is_on(c) && c->error == 0 &&
	       c->recvq.head == NULL && c->sendq.head == NULL && TAILQ_EMPTY(&c->sent) &&
	       TAILQ_EMPTY(&c->ranges) && c->rtx_at_us == UINT64_MAX &&
	       c->ack_at_us == UINT64_MAX && c->life_at_us == UINT64_MAX &&
	       c->pace_at_us == UINT64_MAX && c->opening == NULL && c->mtu_search.size == 0 &&
	       c->zerocopy.n == 0 && !c->zerocopy.due;
}

static uint32_t
idle_ms(const struct tcp_conn *c)
{
	uint32_t now_ms = c->engine->now_ms;
	uint32_t sent = now_ms - c->last_data_sent_ms, got = now_ms - c->last_data_recv_ms;

	return RTE_MIN(RTE_MIN(sent, got), now_ms - c->heard_ms);
}

static void
fold(struct tcp_engine *e, struct tcp_conn *c)
{
	struct tcp_folds *f = &e->folds;
	uint8_t bytes[1 + FOLD_BYTES_MAX];
	struct tcp_folded *first;
	size_t n;

	if (!e->env.may_fold(e->env.ctx, c->user))
		return;
	wheel_remove(&c->timer); /* left from a time that has been put off */
	c->timer = (struct wheel_timer){0};
	bytes[0] = (uint8_t)choose_template(f, c);
	n = 1 + tcp_fold_encode(c, words_at(f, bytes[0]), bytes + 1);
	first = store(f, bytes, n);
	if (first == NULL) {
		TCP_COUNT(e, fold_no_memory);
		return;
	}
	TCP_COUNT(e, folds);
	e->env.fold(e->env.ctx, c->user, first);
	f->users[bytes[0]]++;
	f->n++;
	/* The entry is there: it changes, which cannot fail. */
	flow_set(&e->flows, &c->tuple, flow_hash(&e->flows, &c->tuple),
		 flow_make(first, FLOW_FOLDED));
	c->flags = CONN_DEAD;
	c->state = TCP_CLOSED;
	slab_put(&e->conns, c);
}

void
tcp_fold_sweep(struct tcp_engine *e)
{
	struct tcp_folds *f = &e->folds;
	bool pressed = e->conns.used >= f->pressed_at;
	unsigned int look = pressed ? LOOK_PRESSED : LOOK;
	uint32_t after_ms = e->config.fold_after_ms;
	uint32_t idle_for_ms = pressed ? RTE_MIN(after_ms, (uint32_t)IDLE_PRESSED_MS) : after_ms;
	uint64_t round_us = (uint64_t)after_ms * 1000 / 2;

	for (unsigned int i = 0; i < look; i++) {
		struct tcp_conn *c;

		if (f->at >= e->conns.carved) {
			f->at = 0;
			if (!f->young && !pressed) {
				f->next_us = UINT64_MAX;
				return;
			}
			f->young = false;
			if (e->conns.carved == 0)
				break;
		}
		c = slab_at(&e->conns, f->at++);
		if (!is_eligible(c))
			continue;
		if (is_quiet(c) && idle_ms(c) >= idle_for_ms)
			fold(e, c);
		else
			f->young = true;
	}
	f->next_us = e->now_us + RTE_MAX(round_us * LOOK / RTE_MAX(e->conns.carved, (uint32_t)LOOK),
					 UINT64_C(1));
}

/* ---- And back */

void
tcp_fold_look(const struct tcp_engine *e, const struct tcp_folded *first, struct tcp_conn *c)
{
	uint8_t bytes[1 + FOLD_BYTES_MAX + FOLD_BLOCK_BYTES];

	load(&e->folds, first, bytes);
	tcp_fold_decode(c, words_at(&e->folds, bytes[0]), bytes + 1);
}

static void
give_back(struct tcp_engine *e, struct tcp_folded *first)
{
	e->folds.users[first->bytes[0]]--;
	e->folds.n--;
	release(&e->folds, first);
}

struct tcp_conn *
tcp_unfold(struct tcp_engine *e, struct tcp_folded *first)
{
	struct tcp_conn *c = slab_get(&e->conns);

	if (c == NULL) {
		TCP_COUNT(e, fold_no_room);
		return NULL;
	}
	tcp_fold_look(e, first, c);
	give_back(e, first);
	flow_set(&e->flows, &c->tuple, flow_hash(&e->flows, &c->tuple), flow_make(c, FLOW_CONN));
	TCP_COUNT(e, unfolds);
	e->env.unfold(e->env.ctx, c->user, c);
	tcp_fold_wake(e);
	return c;
}

void
tcp_drop_folded(struct tcp_engine *e, struct tcp_folded *first)
{
	struct tcp_conn c;

	tcp_fold_look(e, first, &c);
	give_back(e, first);
	flow_remove(&e->flows, &c.tuple, flow_hash(&e->flows, &c.tuple));
	tcp_hold_release(&c);
}
