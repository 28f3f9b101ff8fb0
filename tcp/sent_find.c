/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding transmission records by sequence number, for SACK (RFC 2018): what a peer reports costs
 * the same whether little or much is outstanding, whichever blocks it chooses.
 *
 * Runs. A SACKED record points to a later one up to which all are SACKED, at last the run's end to
 * itself; whoever follows the pointers shortens them. So a block that is told of again and again is
 * passed over in one step.
 *
 *     record   1    2    3    4    5    6    7          SACKED: 2 to 5
 *              .    S--->S    S--->S    .    .          2 -> 3, 3 -> 3, 4 -> 5, 5 -> 5; after
 *                   `-------------'                     looking behind 2 once: 2 -> 5, 3 -> 5
 *
 * An index, made when the first block arrives: of each of SENT_BUCKETS equal pieces of sequence
 * space the first record that begins in it. It is given up when all that was outstanding then is
 * acknowledged, so that making it costs a step for each record sent, at most.
 *
 *     bucket   |    0    |    1    |    2    |    3    |          a ring of 2^shift bytes each,
 *     records  [    ][   ][               ][   ][      ]          which covers [snd_una, snd_nxt)
 *     first     1         3 (the ] is in 0)     5
 *
 * And hints: the records where the last blocks began.
 */
#include <assert.h>

#include "engine.h"

static uint32_t
bucket_of(const struct tcp_sent_index *x, seq_t seq)
{
	return seq >> x->shift & (SENT_BUCKETS - 1);
}

/* Buckets from that of snd_una to that of the last byte before `end`: at least 1. */
static uint32_t
span(const struct tcp_conn *c, unsigned int shift, seq_t end)
{
	uint32_t numbers = UINT32_MAX >> shift;

	return ((((end - 1) >> shift) - (c->snd_una >> shift)) & numbers) + 1;
}

/* Enters a record that nothing in its bucket precedes. */
static void
enter(struct tcp_conn *c, const struct tcp_sent *s)
{
	c->sent_index.first[bucket_of(&c->sent_index, s->seq)] = tcp_sent_number(c, s);
}

static bool
begins_bucket(const struct tcp_sent_index *x, const struct tcp_sent *s)
{
	const struct tcp_sent *before = TAILQ_PREV(s, tcp_sent_list, link);

	return before == NULL || bucket_of(x, before->seq) != bucket_of(x, s->seq);
}

/* Anew, with buckets that leave room for twice as much. */
static void
make(struct tcp_conn *c)
{
	struct tcp_sent_index *x = &c->sent_index;
	seq_t end = TAILQ_LAST(&c->sent, tcp_sent_list)->end;
	struct tcp_sent *s;

	x->shift = 0;
	while (x->shift < SENT_SHIFT_MAX && span(c, x->shift, end) > SENT_BUCKETS / 2)
		x->shift++;
	for (unsigned int i = 0; i < SENT_BUCKETS; i++)
		x->first[i] = SENT_NONE;
	TAILQ_FOREACH (s, &c->sent, link)
		if (begins_bucket(x, s))
			enter(c, s);
}

static void
switch_on(struct tcp_conn *c)
{
	struct tcp_sent_index *x = &c->sent_index;

	if (x->on)
		return;
	x->on = true;
	x->until = TAILQ_LAST(&c->sent, tcp_sent_list)->end;
	for (unsigned int i = 0; i < SENT_HINTS; i++)
		x->hints[i].number = SENT_NONE;
	make(c);
}

void
tcp_sent_index_add(struct tcp_conn *c, const struct tcp_sent *s)
{
	struct tcp_sent_index *x = &c->sent_index;

	if (!x->on)
		return;
	if (span(c, x->shift, s->end) > SENT_BUCKETS)
		make(c);
	else if (begins_bucket(x, s))
		enter(c, s);
}

void
tcp_sent_index_remove(struct tcp_conn *c, const struct tcp_sent *s)
{
	struct tcp_sent_index *x = &c->sent_index;
	const struct tcp_sent *next = TAILQ_NEXT(s, link);
	uint32_t *first;

	if (!x->on)
		return;
	first = &x->first[bucket_of(x, s->seq)];
	if (*first == tcp_sent_number(c, s))
		*first = next != NULL && bucket_of(x, next->seq) == bucket_of(x, s->seq)
				 ? tcp_sent_number(c, next)
				 : SENT_NONE;
	if (s == TAILQ_FIRST(&c->sent) && (next == NULL || seq_geq(next->seq, x->until)))
		x->on = false;
}

/* A record at or before that which holds `seq`, and not far from it. */
static struct tcp_sent *
near(struct tcp_conn *c, seq_t seq)
{
	struct tcp_sent_index *x = &c->sent_index;

	for (uint32_t n = span(c, x->shift, seq + 1), i = bucket_of(x, seq); n > 0; n--, i--) {
		uint32_t number = x->first[i & (SENT_BUCKETS - 1)];

		if (number != SENT_NONE && seq_leq(tcp_sent_at(c, number)->seq, seq))
			return tcp_sent_at(c, number);
	}
	return TAILQ_FIRST(&c->sent);
}

static struct tcp_sent *
forward(struct tcp_sent *s, seq_t seq)
{
	while (seq_leq(s->end, seq))
		s = TAILQ_NEXT(s, link);
	return s;
}

struct tcp_sent *
tcp_sent_find(struct tcp_conn *c, seq_t seq)
{
	struct tcp_sent_index *x = &c->sent_index;
	struct tcp_sent *s;

	assert(seq_geq(seq, c->snd_una) && seq_lt(seq, TAILQ_LAST(&c->sent, tcp_sent_list)->end));
	switch_on(c);
	/* What a hint tells of is there while its sequence number is not acknowledged. */
	for (unsigned int i = 0; i < SENT_HINTS; i++)
		if (x->hints[i].number != SENT_NONE && x->hints[i].seq == seq)
			return forward(tcp_sent_at(c, x->hints[i].number), seq);
	s = forward(near(c, seq), seq);
	x->hints[x->next_hint] = (struct tcp_sent_hint){seq, tcp_sent_number(c, s)};
	x->next_hint = (uint8_t)((x->next_hint + 1) % SENT_HINTS);
	return s;
}

void
tcp_sent_run_begin(struct tcp_conn *c, struct tcp_sent *s)
{
	s->later = tcp_sent_number(c, s);
}

struct tcp_sent *
tcp_sent_not_sacked(struct tcp_conn *c, struct tcp_sent *s)
{
	struct tcp_sent *last, *next = s;
	uint32_t number;

	if (s == NULL || (s->flags & SENT_SACKED) == 0)
		return s;
	do {
		for (last = next; last->later != tcp_sent_number(c, last);)
			last = tcp_sent_at(c, last->later);
		next = TAILQ_NEXT(last, link);
	} while (next != NULL && (next->flags & SENT_SACKED));
	number = tcp_sent_number(c, last);
	while (s != last) {
		struct tcp_sent *on = s->later != tcp_sent_number(c, s) ? tcp_sent_at(c, s->later)
									: TAILQ_NEXT(s, link);

		s->later = number;
		s = on;
	}
	return next;
}
