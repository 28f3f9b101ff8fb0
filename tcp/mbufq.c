/* SPDX-License-Identifier: BSD-3-Clause */
#include "mbufq.h"

#include <assert.h>
#include <string.h>

void
mbufq_append(struct mbufq *q, struct rte_mbuf *chain)
{
	struct rte_mbuf *next;

	for (struct rte_mbuf *m = chain; m != NULL; m = next) {
		next = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		if (m->data_len == 0) {
			rte_pktmbuf_free_seg(m);
			continue;
		}
		mbufq_push(q, m);
	}
}

bool
mbufq_coalesce(struct mbufq *q, struct rte_mbuf *chain, uint32_t bytes, uint32_t max)
{
	struct rte_mbuf *t = q->tail;
	uint8_t *to;

	if (t == NULL || bytes > max || !RTE_MBUF_DIRECT(t) || rte_mbuf_refcnt_read(t) != 1 ||
	    rte_pktmbuf_tailroom(t) < bytes)
		return false;
	to = rte_pktmbuf_mtod_offset(t, uint8_t *, t->data_len);
	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
		to += m->data_len;
	}
	t->data_len = (uint16_t)(t->data_len + bytes);
	q->bytes += bytes;
	rte_pktmbuf_free(chain);
	return true;
}

void
mbufq_splice(struct mbufq *to, struct mbufq *from)
{
	if (from->head == NULL)
		return;
	if (to->tail != NULL)
		to->tail->next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
	to->bytes += from->bytes;
	to->charge += from->charge;
	to->bufs += from->bufs;
	*from = (struct mbufq){0};
}

void
mbufq_trim_front(struct mbufq *q, uint32_t n)
{
	assert(n <= q->bytes);
	if (n == q->bytes && q->head != NULL && q->head == q->tail) {
		/* Nearly always: a request, an answer. */
		rte_pktmbuf_free_seg(q->head);
		*q = (struct mbufq){0};
		return;
	}
	q->bytes -= n;
	while (n > 0 || (q->head != NULL && q->head->data_len == 0)) {
		struct rte_mbuf *m = q->head;

		if (n < m->data_len) {
			uint32_t before = mbuf_charge(m);

			m->data_off = (uint16_t)(m->data_off + n);
			m->data_len = (uint16_t)(m->data_len - n);
			q->charge -= before - mbuf_charge(m);
			return;
		}
		n -= m->data_len;
		q->charge -= mbuf_charge(m);
		q->bufs--;
		q->head = m->next;
		if (q->head == NULL)
			q->tail = NULL;
		m->next = NULL;
		rte_pktmbuf_free_seg(m);
	}
}

void
mbufq_trim_back(struct mbufq *q, uint32_t n)
{
	struct rte_mbuf *m = q->head, *last = NULL, *next;
	uint32_t keep;

	assert(n <= q->bytes);
	keep = q->bytes - n;
	q->bytes = keep;
	for (; m != NULL && keep > 0; m = m->next) {
		last = m;
		if (m->data_len >= keep) {
			uint32_t before = mbuf_charge(m);

			m->data_len = (uint16_t)keep;
			q->charge -= before - mbuf_charge(m);
			m = m->next;
			break;
		}
		keep -= m->data_len;
	}
	for (; m != NULL; m = next) {
		next = m->next;
		q->charge -= mbuf_charge(m);
		q->bufs--;
		m->next = NULL;
		rte_pktmbuf_free_seg(m);
	}
	q->tail = last;
	if (last != NULL)
		last->next = NULL;
	else
		q->head = NULL;
}

void
mbufq_clear(struct mbufq *q)
{
	struct rte_mbuf *next;

	for (struct rte_mbuf *m = q->head; m != NULL; m = next) {
		next = m->next;
		m->next = NULL;
		rte_pktmbuf_free_seg(m);
	}
	*q = (struct mbufq){0};
}

void
mbufq_copy_out(const struct mbufq *q, uint32_t offset, void *to, uint32_t n)
{
	uint8_t *out = to;

	for (const struct rte_mbuf *m = q->head; n > 0; m = m->next) {
		uint32_t part;

		if (offset >= m->data_len) {
			offset -= m->data_len;
			continue;
		}
		part = RTE_MIN(n, m->data_len - offset);
		memcpy(out, rte_pktmbuf_mtod_offset(m, const uint8_t *, offset), part);
		out += part;
		n -= part;
		offset = 0;
	}
}
