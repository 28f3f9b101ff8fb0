/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transmission records: one for each segment that was sent and is not acknowledged in sequence.
 *
 *     sent          [snd_una ......................................... snd_nxt)   by sequence
 *     in_flight     those neither SACKED nor LOST, and those LOST that were sent again   by time
 *
 *     fresh --mark_sacked--> SACKED           each record is counted in sent_segs, and by its flags
 *       \                      ^              in sacked_segs, lost_segs, retrans_segs and
 *        mark_lost             |              unrepaired_segs (LOST without RETRANS); all five are
 *         \--> LOST --resent--> LOST|RETRANS  changed here and nowhere else
 */
#include <assert.h>

#include "engine.h"

/* A link of the list by time: of the record with this number, or of the list's ends. */
static uint32_t *
earlier_of(struct tcp_conn *c, uint32_t number)
{
	return number != SENT_NONE ? &tcp_sent_at(c, number)->earlier : &c->in_flight.newest;
}

static uint32_t *
later_of(struct tcp_conn *c, uint32_t number)
{
	return number != SENT_NONE ? &tcp_sent_at(c, number)->later : &c->in_flight.oldest;
}

/* Behind `earlier` in the list by time. */
static void
flight_insert(struct tcp_conn *c, uint32_t earlier, struct tcp_sent *s)
{
	uint32_t number = tcp_sent_number(c, s), *later = later_of(c, earlier);

	s->earlier = earlier;
	s->later = *later;
	*earlier_of(c, *later) = number;
	*later = number;
}

static void
flight_enter(struct tcp_conn *c, struct tcp_sent *s)
{
	flight_insert(c, c->in_flight.newest, s);
	s->flags |= SENT_IN_FLIGHT;
}

static void
flight_leave(struct tcp_conn *c, struct tcp_sent *s)
{
	if ((s->flags & SENT_IN_FLIGHT) == 0)
		return;
	*later_of(c, s->earlier) = s->later;
	*earlier_of(c, s->later) = s->earlier;
	s->flags &= (uint8_t)~SENT_IN_FLIGHT;
}

/* Takes the record out of the counts by its flags, or puts it back in. */
static void
count_by_flags(struct tcp_conn *c, const struct tcp_sent *s, int by)
{
	uint8_t repair = s->flags & (SENT_LOST | SENT_RETRANS);

	c->sacked_segs += s->flags & SENT_SACKED ? by : 0;
	c->lost_segs += s->flags & SENT_LOST ? by : 0;
	c->retrans_segs += s->flags & SENT_RETRANS ? by : 0;
	c->unrepaired_segs += repair == SENT_LOST ? by : 0;
}

static void
set_flags(struct tcp_conn *c, struct tcp_sent *s, unsigned int clear, unsigned int set)
{
	count_by_flags(c, s, -1);
	s->flags = (uint8_t)((s->flags & ~clear) | set);
	count_by_flags(c, s, 1);
}

struct tcp_sent *
tcp_sent_append(struct tcp_conn *c, uint32_t seqlen, unsigned int flags)
{
	struct tcp_sent *s = slab_get(&c->engine->sents);

	if (s == NULL)
		return NULL;
	*s = (struct tcp_sent){
		.sent_us = c->engine->now_us,
		.seq = c->snd_nxt,
		.end = c->snd_nxt + seqlen,
		.flags = (uint8_t)flags,
	};
	tcp_rate_sent(c, s);
	TAILQ_INSERT_TAIL(&c->sent, s, link);
	tcp_sent_index_add(c, s);
	c->sent_segs++;
	flight_enter(c, s);
	return s;
}

void
tcp_sent_remove(struct tcp_conn *c, struct tcp_sent *s)
{
	flight_leave(c, s);
	count_by_flags(c, s, -1);
	if (c->repair_from == s)
		c->repair_from = TAILQ_NEXT(s, link);
	tcp_sent_index_remove(c, s);
	TAILQ_REMOVE(&c->sent, s, link);
	c->sent_segs--;
	slab_put(&c->engine->sents, s);
}

void
tcp_sent_clear(struct tcp_conn *c)
{
	struct tcp_sent *s;

	while ((s = TAILQ_FIRST(&c->sent)) != NULL)
		tcp_sent_remove(c, s);
	/* Without SACK this one is not counted from records. */
	c->sacked_segs = 0;
}

uint32_t
tcp_sent_bytes(const struct tcp_sent *s)
{
	return s->end - s->seq - ((s->flags & SENT_SYN) != 0) - ((s->flags & SENT_FIN) != 0);
}

void
tcp_position_advance(struct rte_mbuf **m, uint32_t *off, uint32_t n)
{
	while (n > 0) {
		uint32_t part = (uint32_t)(*m)->data_off + (*m)->data_len - *off;

		if (n < part) {
			*off += n;
			return;
		}
		n -= part;
		*m = (*m)->next;
		*off = *m != NULL ? (*m)->data_off : 0;
	}
}

static void
record_advance(struct tcp_sent *s, uint32_t bytes)
{
	uint32_t off = s->data_off;

	tcp_position_advance(&s->m, &off, bytes);
	s->data_off = (uint16_t)off; /* as all of an mbuf's sizes */
}

bool
tcp_sent_split(struct tcp_conn *c, struct tcp_sent *s, uint32_t bytes)
{
	struct tcp_sent *rest = slab_get(&c->engine->sents);

	assert(bytes > 0 && bytes < tcp_sent_bytes(s));
	assert((s->flags & (SENT_SYN | SENT_SACKED)) == 0);
	if (rest == NULL)
		return false;
	*rest = *s;
	rest->seq = s->seq + bytes;
	record_advance(rest, bytes);
	s->end = rest->seq;
	s->flags &= (uint8_t) ~(SENT_FIN | SENT_PSH);
	rest->more_flags &= (uint8_t)~SENT_JOINED;
	TAILQ_INSERT_AFTER(&c->sent, s, rest, link);
	tcp_sent_index_add(c, rest);
	if (s->flags & SENT_IN_FLIGHT)
		flight_insert(c, tcp_sent_number(c, s), rest);
	c->sent_segs++;
	count_by_flags(c, rest, 1);
	return true;
}

void
tcp_sent_trim(struct tcp_conn *c, struct tcp_sent *s, seq_t ack)
{
	uint32_t n = ack - s->seq;

	tcp_sent_index_remove(c, s);
	if (s->flags & SENT_SYN) {
		s->flags &= (uint8_t)~SENT_SYN;
		n--;
	}
	s->seq = ack;
	if (s->m != NULL)
		record_advance(s, n);
	tcp_sent_index_add(c, s);
}

void
tcp_sent_mark_lost(struct tcp_conn *c, struct tcp_sent *s)
{
	if (s->flags & SENT_SACKED)
		return;
	c->marked_lost_segs += (s->flags & (SENT_LOST | SENT_RETRANS)) != SENT_LOST;
	flight_leave(c, s);
	set_flags(c, s, SENT_RETRANS, SENT_LOST);
	if (c->repair_from == NULL || seq_lt(s->seq, c->repair_from->seq))
		c->repair_from = s;
}

void
tcp_sent_mark_sacked(struct tcp_conn *c, struct tcp_sent *s)
{
	flight_leave(c, s);
	set_flags(c, s, SENT_LOST | SENT_RETRANS, SENT_SACKED);
	tcp_sent_run_begin(c, s);
}

void
tcp_sent_forget_sack(struct tcp_conn *c, struct tcp_sent *s)
{
	if (s->flags & SENT_SACKED)
		set_flags(c, s, SENT_SACKED, 0);
}

void
tcp_sent_unmark_lost(struct tcp_conn *c, struct tcp_sent *s)
{
	if ((s->flags & SENT_LOST) == 0)
		return;
	set_flags(c, s, SENT_LOST, 0);
	if ((s->flags & SENT_IN_FLIGHT) == 0)
		flight_enter(c, s);
}

void
tcp_sent_again(struct tcp_conn *c, struct tcp_sent *s)
{
	s->sent_us = c->engine->now_us;
	tcp_rate_sent(c, s);
	flight_leave(c, s);
	flight_enter(c, s);
	set_flags(c, s, 0, SENT_RETRANS | SENT_EVER_RETRANS);
}
