/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue of bytes in mbufs: one chain, linked by mbuf->next, in stream order.
 *
 *     head                               tail
 *     [data_off | data_len | tailroom] -> [ ... ] -> NULL      bytes = sum of data_len
 *
 * Its memory is charged by buffer size rather than payload, so that a peer who sends one byte a
 * segment cannot hold a hundred times the memory that its window allows. Each mbuf is a segment of
 * its own: nb_segs and pkt_len are not kept up.
 */
#ifndef TERN_TCP_MBUFQ_H
#define TERN_TCP_MBUFQ_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

struct mbufq {
	struct rte_mbuf *head, *tail;
	uint32_t bytes;  /* of payload */
	uint32_t charge; /* of memory: buffers and their mbufs */
	uint32_t bufs;   /* mbufs */
};

/* What the user said of the last byte of a queued mbuf; kept in its packet_type until it is sent.
 */
enum {
	MBUF_PUSH = 1 << 0, /* a write ended here */
	MBUF_EOR = 1 << 1,  /* MSG_EOR: what follows shares no segment with it */
};

/* What an mbuf costs: its buffer, or the part that it refers to of another's, held anyway. */
static inline uint32_t
mbuf_charge(const struct rte_mbuf *m)
{
	return (uint32_t)sizeof(*m) + (RTE_MBUF_CLONED(m) ? m->data_len : m->buf_len);
}

/* Appends an mbuf that is not empty, and the last of its chain. */
static inline void
mbufq_push(struct mbufq *q, struct rte_mbuf *m)
{
	if (q->tail != NULL)
		q->tail->next = m;
	else
		q->head = m;
	q->tail = m;
	q->bytes += m->data_len;
	q->charge += mbuf_charge(m);
	q->bufs++;
}

/* Appends a chain, whose empty mbufs are freed. */
void mbufq_append(struct mbufq *q, struct rte_mbuf *chain);

/*
 * Copies a chain of at most `max` bytes into the tail's free room and frees it, if that is small
 * against a new buffer and the tail is ours alone. Returns whether it did.
 */
bool mbufq_coalesce(struct mbufq *q, struct rte_mbuf *chain, uint32_t bytes, uint32_t max);

/* Moves all of one queue behind another. */
void mbufq_splice(struct mbufq *to, struct mbufq *from);

/* Removes the first n bytes; n <= bytes. */
void mbufq_trim_front(struct mbufq *q, uint32_t n);

/* Removes the last n bytes; n <= bytes. */
void mbufq_trim_back(struct mbufq *q, uint32_t n);

void mbufq_clear(struct mbufq *q);

/* Copies n bytes from `offset` on; offset + n <= bytes. */
void mbufq_copy_out(const struct mbufq *q, uint32_t offset, void *to, uint32_t n);

#endif
