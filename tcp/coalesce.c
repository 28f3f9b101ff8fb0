/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive-side coalescing: segments of one burst that follow each other in a connection's stream
 * arrive as one, as if a device had done it (LRO) or Linux (GRO). So acknowledgment, window, queue
 * and timers are looked at once for all of them.
 *
 *     burst    A1 B1 A2 A3 B2 C1          next[]: for each the next one that may be of the same
 *              A1+A2+A3 B1+B2 C1                  connection, by a small table of their hashes
 *
 * Only what is in order when its turn comes is merged, pure data, with equal acknowledgment,
 * window, options and ECN field: nothing that one of them says is lost. All are as long as the
 * first, but for the last, which may also be the first with PSH. None reaches beyond the window,
 * for a segment that does may be refused whole. What is out of order stays as it came: a peer
 * without SACK counts the answers (RFC 5681 §4.2).
 */
#include "engine.h"

enum {
	SLOTS = 64, /* a power of 2 */
	MERGED_MAX_BYTES = 65535,
};

static_assert((int)FLOW_BURST < (int)TCP_COALESCE_NONE, "an index fits a byte");

void
tcp_coalesce_link(const uint32_t *hashes, unsigned int n, uint8_t *next)
{
	uint8_t last[SLOTS];

	memset(last, TCP_COALESCE_NONE, sizeof(last));
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *slot = &last[hashes[i] % SLOTS];

		next[i] = TCP_COALESCE_NONE;
		if (*slot != TCP_COALESCE_NONE)
			next[*slot] = (uint8_t)i;
		*slot = (uint8_t)i;
	}
}

static bool
options_are_equal(const struct tcp_options *a, const struct tcp_options *b)
{
	return a->n_sack == 0 && b->n_sack == 0 && a->has_timestamps == b->has_timestamps &&
	       (!a->has_timestamps || (a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr));
}

/* Whether s continues what head is by now. */
static bool
continues(const struct tcp_conn *c, const struct tcp_segment *head, const struct tcp_segment *s)
{
	return s->seq == head->seq + head->len && (s->flags & (uint8_t)~TCP_PSH) == TCP_ACK &&
	       s->len > 0 && s->len <= head->seg_bytes && s->seg_bytes == s->len &&
	       head->len + s->len <= MERGED_MAX_BYTES && s->ack == head->ack &&
	       s->wnd == head->wnd && s->ecn == head->ecn && seq_leq(s->seq + s->len, c->rcv_adv) &&
	       options_are_equal(&head->opt, &s->opt);
}

void
tcp_coalesce(struct tcp_segment *segs, const flow_t *flows, const uint8_t *next, unsigned int i)
{
	struct tcp_conn *c = flow_object(flows[i]);
	struct tcp_segment *head = &segs[i], *s;
	struct rte_mbuf *tail = NULL;

	if (head->seq != c->rcv_nxt || head->flags != TCP_ACK || head->len == 0 ||
	    head->len != head->seg_bytes || c->state < TCP_ESTABLISHED || c->state > TCP_FIN_WAIT_2)
		return;
	for (unsigned int j = next[i]; j != TCP_COALESCE_NONE; j = next[j]) {
		s = &segs[j];
		if (flows[j] != flows[i])
			continue;
		if (!continues(c, head, s))
			break;
		if (tail == NULL)
			tail = rte_pktmbuf_lastseg(head->m);
		tail->next = s->m;
		tail = rte_pktmbuf_lastseg(s->m);
		head->m->nb_segs = (uint16_t)(head->m->nb_segs + s->m->nb_segs);
		head->m->pkt_len += s->len;
		head->len += s->len;
		head->flags |= s->flags;
		s->m = NULL;
		TCP_COUNT(c->engine, rcv_merged);
		c->segs_in++; /* the first is counted where it arrives */
		c->data_segs_in++;
		if (s->len < head->seg_bytes || head->flags != TCP_ACK)
			break;
	}
}
