/* SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>

static bool
works(const struct link_node *n, uint64_t now_us)
{
	return now_us >= n->from_us && now_us < n->until_us;
}

static void
pass(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	if (n->next != NULL)
		n->next->kind->put(n->next, m, now_us);
	else
		n->link->end(n->link->ctx, m, now_us);
}

static void
lose(struct rte_mbuf *m, uint64_t *count)
{
	(*count)++;
	rte_pktmbuf_free(m);
}

/* ---- A heap of packets that wait */

static bool
is_earlier(const struct link_held *a, const struct link_held *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->serial < b->serial;
}

static void
hold(struct link_node *n, struct rte_mbuf *m, uint64_t at_us)
{
	struct link_held item = {at_us, n->link->serial++, m};
	unsigned int i = n->n_held++;

	if (i == n->room) {
		n->room = n->room * 2 + 64;
		n->held = realloc(n->held, n->room * sizeof(*n->held));
		if (n->held == NULL) {
			fprintf(stderr, "no memory for packets under way\n");
			exit(2);
		}
	}
	for (; i > 0 && is_earlier(&item, &n->held[(i - 1) / 2]); i = (i - 1) / 2)
		n->held[i] = n->held[(i - 1) / 2];
	n->held[i] = item;
}

static struct rte_mbuf *
unhold(struct link_node *n)
{
	struct rte_mbuf *m = n->held[0].m;
	struct link_held last = n->held[--n->n_held];
	unsigned int i = 0, child;

	while ((child = 2 * i + 1) < n->n_held) {
		if (child + 1 < n->n_held && is_earlier(&n->held[child + 1], &n->held[child]))
			child++;
		if (!is_earlier(&n->held[child], &last))
			break;
		n->held[i] = n->held[child];
		i = child;
	}
	n->held[i] = last;
	return m;
}

static uint64_t
held_next_us(const struct link_node *n)
{
	return n->n_held > 0 ? n->held[0].at_us : UINT64_MAX;
}

static void
held_run(struct link_node *n, uint64_t now_us)
{
	while (n->n_held > 0 && n->held[0].at_us <= now_us)
		pass(n, unhold(n), now_us);
}

static void
held_clear(struct link_node *n)
{
	while (n->n_held > 0)
		rte_pktmbuf_free(unhold(n));
	free(n->held);
	n->held = NULL;
	n->room = 0;
}

/* ---- Loss */

static void
loss_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	if (works(n, now_us) && rng_chance(&n->link->rng, n->probability))
		lose(m, &n->link->counts.lost_random);
	else
		pass(n, m, now_us);
}

static void
burst_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	struct rng *r = &n->link->rng;

	if (rng_chance(r, n->burst.bad ? n->burst.to_good : n->burst.to_bad))
		n->burst.bad = !n->burst.bad;
	if (works(n, now_us) && n->burst.bad && rng_chance(r, n->burst.loss_bad))
		lose(m, &n->link->counts.lost_burst);
	else
		pass(n, m, now_us);
}

static void
pattern_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	uint64_t i = n->pattern.seen++;

	if (works(n, now_us) && i >= n->pattern.first &&
	    (i - n->pattern.first) % n->pattern.period < n->pattern.length)
		lose(m, &n->link->counts.lost_pattern);
	else
		pass(n, m, now_us);
}

static void
outage_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	if (works(n, now_us))
		lose(m, n->outage_both_ways ? &n->link->counts.lost_outage_both
					    : &n->link->counts.lost_outage);
	else
		pass(n, m, now_us);
}

/* ---- Corruption */

/*
 * Flips bits of one 16-bit word of what TCP's checksum covers. A sum of ones' complement sees any
 * change of one word but that between 0 and ffff, which are the same number to it.
 */
static bool
flip_bits(struct rng *r, struct rte_mbuf *m)
{
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t first = data[0] >> 4 == 4 ? 12 : 8; /* the addresses */
	uint32_t word = first + 2 * (uint32_t)rng_below(r, (m->data_len - first) / 2);
	uint16_t flip =
		(uint16_t)(rng_chance(r, 0.5) ? 1u << rng_below(r, 16) : rng_between(r, 1, 0xffff));
	uint16_t before, after;

	memcpy(&before, data + word, 2);
	after = before ^ flip;
	if ((before == 0 && after == 0xffff) || (before == 0xffff && after == 0))
		return false;
	memcpy(data + word, &after, 2);
	return true;
}

static void
corrupt_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	if (works(n, now_us) && m->nb_segs == 1 && (m->hash.usr & LINK_CORRUPTED) == 0 &&
	    rng_chance(&n->link->rng, n->probability) && flip_bits(&n->link->rng, m)) {
		m->hash.usr |= LINK_CORRUPTED;
		n->link->counts.corrupted++;
	}
	pass(n, m, now_us);
}

/* ---- Duplication */

static void
duplicate_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	struct rte_mbuf *copy = NULL;

	if (works(n, now_us) && rng_chance(&n->link->rng, n->probability)) {
		copy = rte_pktmbuf_copy(m, n->link->pool, 0, UINT32_MAX);
		if (copy == NULL)
			n->link->counts.no_memory++;
	}
	if (copy != NULL) {
		copy->l3_len = m->l3_len;
		copy->packet_type = m->packet_type;
		copy->hash.usr = m->hash.usr | LINK_DUPLICATE;
		n->link->counts.duplicated++;
	}
	pass(n, m, now_us);
	if (copy != NULL)
		pass(n, copy, now_us);
}

/* ---- Delay */

static void
delay_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	uint64_t at_us = now_us + n->delay.base_us;

	if (n->delay.jitter_us > 0)
		at_us += rng_below(&n->link->rng, n->delay.jitter_us + 1);
	if (n->delay.in_order) {
		at_us = RTE_MAX(at_us, n->delay.last_us);
		n->delay.last_us = at_us;
	}
	if (n->probability > 0 && works(n, now_us) && rng_chance(&n->link->rng, n->probability)) {
		at_us += n->delay.late_us;
		m->hash.usr |= LINK_LATE;
		n->link->counts.held_back++;
	}
	hold(n, m, at_us);
}

/* ---- Bottleneck */

bool
link_mark_ce(struct rte_mbuf *m)
{
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	if (data[0] >> 4 == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)data;

		if ((ip->type_of_service & 3) == 0)
			return false;
		ip->type_of_service |= 3;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		return true;
	}
	if ((data[1] & 0x30) == 0)
		return false;
	data[1] |= 0x30;
	return true;
}

static void
bottleneck_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	if (n->bottleneck.queued_bytes + m->pkt_len > n->bottleneck.queue_bytes) {
		lose(m, &n->link->counts.lost_queue);
		return;
	}
	if (n->bottleneck.mark_bytes > 0 &&
	    n->bottleneck.queued_bytes + m->pkt_len > n->bottleneck.mark_bytes && link_mark_ce(m))
		n->link->counts.marked++;
	n->bottleneck.queued_bytes += m->pkt_len;
	n->bottleneck.free_us = RTE_MAX(n->bottleneck.free_us, now_us) +
				(m->pkt_len * UINT64_C(1000000) + n->bottleneck.bytes_per_s - 1) /
					n->bottleneck.bytes_per_s;
	hold(n, m, n->bottleneck.free_us);
}

static void
bottleneck_run(struct link_node *n, uint64_t now_us)
{
	while (n->n_held > 0 && n->held[0].at_us <= now_us) {
		struct rte_mbuf *m = unhold(n);

		n->bottleneck.queued_bytes -= m->pkt_len;
		pass(n, m, now_us);
	}
}

/* ---- MTU */

static void
mtu_put(struct link_node *n, struct rte_mbuf *m, uint64_t now_us)
{
	if (!works(n, now_us) || m->pkt_len <= n->mtu.mtu) {
		pass(n, m, now_us);
		return;
	}
	if (n->mtu.too_big != NULL)
		n->mtu.too_big(n->mtu.ctx, m, n->mtu.mtu);
	lose(m, &n->link->counts.lost_mtu);
}

/* ---- The chain */

static const struct link_kind loss_kind = {.put = loss_put}, burst_kind = {.put = burst_put},
			      pattern_kind = {.put = pattern_put},
			      outage_kind = {.put = outage_put},
			      corrupt_kind = {.put = corrupt_put},
			      duplicate_kind = {.put = duplicate_put}, mtu_kind = {.put = mtu_put},
			      delay_kind = {delay_put, held_next_us, held_run, held_clear},
			      bottleneck_kind = {bottleneck_put, held_next_us, bottleneck_run,
						 held_clear};

static struct link_node *
add(struct link *l, const struct link_kind *kind)
{
	struct link_node *n = &l->nodes[l->n_nodes];

	assert(l->n_nodes < LINK_MAX_NODES);
	*n = (struct link_node){.kind = kind, .link = l, .until_us = UINT64_MAX};
	if (l->n_nodes++ > 0)
		n[-1].next = n;
	return n;
}

void
link_init(struct link *l, uint64_t seed, struct rte_mempool *pool,
	  void (*end)(void *ctx, struct rte_mbuf *m, uint64_t now_us), void *ctx)
{
	*l = (struct link){.rng = {seed}, .pool = pool, .end = end, .ctx = ctx};
}

struct link_node *
link_add_loss(struct link *l, double probability)
{
	struct link_node *n = add(l, &loss_kind);

	n->probability = probability;
	return n;
}

struct link_node *
link_add_burst_loss(struct link *l, double to_bad, double to_good, double loss_bad)
{
	struct link_node *n = add(l, &burst_kind);

	n->burst.to_bad = to_bad;
	n->burst.to_good = to_good;
	n->burst.loss_bad = loss_bad;
	return n;
}

struct link_node *
link_add_pattern_loss(struct link *l, uint64_t period, uint64_t length, uint64_t first)
{
	struct link_node *n = add(l, &pattern_kind);

	n->pattern.period = period;
	n->pattern.length = length;
	n->pattern.first = first;
	return n;
}

struct link_node *
link_add_outage(struct link *l, uint64_t from_us, uint64_t until_us, bool both_ways)
{
	struct link_node *n = add(l, &outage_kind);

	n->from_us = from_us;
	n->until_us = until_us;
	n->outage_both_ways = both_ways;
	return n;
}

struct link_node *
link_add_corrupt(struct link *l, double probability)
{
	struct link_node *n = add(l, &corrupt_kind);

	n->probability = probability;
	return n;
}

struct link_node *
link_add_duplicate(struct link *l, double probability)
{
	struct link_node *n = add(l, &duplicate_kind);

	n->probability = probability;
	return n;
}

struct link_node *
link_add_delay(struct link *l, uint64_t base_us, uint64_t jitter_us, bool in_order)
{
	struct link_node *n = add(l, &delay_kind);

	n->delay.base_us = base_us;
	n->delay.jitter_us = jitter_us;
	n->delay.in_order = in_order;
	return n;
}

struct link_node *
link_add_late(struct link *l, double probability, uint64_t late_us)
{
	struct link_node *n = link_add_delay(l, 0, 0, true);

	n->probability = probability;
	n->delay.late_us = late_us;
	return n;
}

struct link_node *
link_add_bottleneck(struct link *l, uint64_t bytes_per_s, uint32_t queue_bytes, uint32_t mark_bytes)
{
	struct link_node *n = add(l, &bottleneck_kind);

	n->bottleneck.bytes_per_s = bytes_per_s;
	n->bottleneck.queue_bytes = queue_bytes;
	n->bottleneck.mark_bytes = mark_bytes;
	return n;
}

struct link_node *
link_add_mtu(struct link *l, uint16_t mtu, uint64_t from_us,
	     void (*too_big)(void *ctx, const struct rte_mbuf *m, uint16_t mtu), void *ctx)
{
	struct link_node *n = add(l, &mtu_kind);

	n->from_us = from_us;
	n->mtu.mtu = mtu;
	n->mtu.too_big = too_big;
	n->mtu.ctx = ctx;
	return n;
}

void
link_put(struct link *l, struct rte_mbuf *m, uint64_t now_us)
{
	l->counts.put++;
	m->hash.usr = 0;
	if (l->n_nodes > 0)
		l->nodes[0].kind->put(&l->nodes[0], m, now_us);
	else
		l->end(l->ctx, m, now_us);
}

uint64_t
link_next_us(const struct link *l)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < l->n_nodes; i++)
		if (l->nodes[i].kind->next_us != NULL)
			next = RTE_MIN(next, l->nodes[i].kind->next_us(&l->nodes[i]));
	return next;
}

void
link_run(struct link *l, uint64_t now_us)
{
	for (unsigned int i = 0; i < l->n_nodes; i++)
		if (l->nodes[i].kind->run != NULL)
			l->nodes[i].kind->run(&l->nodes[i], now_us);
}

void
link_clear(struct link *l)
{
	for (unsigned int i = 0; i < l->n_nodes; i++)
		if (l->nodes[i].kind->clear != NULL)
			l->nodes[i].kind->clear(&l->nodes[i]);
	l->n_nodes = 0;
}

uint64_t
link_longest_us(const struct link *l, uint32_t packet_bytes)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < l->n_nodes; i++) {
		const struct link_node *n = &l->nodes[i];

		if (n->kind == &delay_kind)
			sum += n->delay.base_us + n->delay.jitter_us + n->delay.late_us;
		else if (n->kind == &bottleneck_kind)
			sum += (RTE_MAX(n->bottleneck.queue_bytes, packet_bytes) *
					UINT64_C(1000000) +
				n->bottleneck.bytes_per_s - 1) /
			       n->bottleneck.bytes_per_s;
	}
	return sum;
}
