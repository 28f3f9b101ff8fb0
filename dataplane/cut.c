/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See cut.h.
 *
 *     frame      Ethernet IP TCP options | mss | mss | rest    headers, and references to payload
 *     segments   Ethernet IP TCP options mss                   one mbuf each
 *                Ethernet IP TCP options mss
 *                Ethernet IP TCP options rest
 *
 * As devices do it: sequence numbers and IPv4 IDs count up, CWR is on the first segment (RFC 3168
 * §6.1.2), PSH and FIN are on the last one; and the TCP checksum's field holds the pseudo-header's
 * sum without a length. The payload is copied behind the headers: to sum it is to read it, and one
 * piece costs a driver less than several. Where what waits to be sent holds all of the data pool it
 * is referred to instead, so that what would empty the pool can leave.
 */
#include <assert.h>
#include <string.h>

#include "dataplane/cut.h"
#include "tcp/checksum.h"
#include "tcp/wire.h"

/* Where in a chain of mbufs the next byte is. */
struct position {
	const struct rte_mbuf *m;
	uint32_t off; /* behind m's first byte */
};

static uint32_t
bytes_here(struct position *at)
{
	while (at->off == at->m->data_len) {
		at->m = at->m->next;
		at->off = 0;
	}
	return at->m->data_len - at->off;
}

static void
copy_payload(struct rte_mbuf *to, struct position *at, uint32_t bytes)
{
	uint8_t *out = rte_pktmbuf_mtod_offset(to, uint8_t *, to->data_len);

	assert(bytes <= rte_pktmbuf_tailroom(to)); /* these hold packets of any port's MTU */
	to->data_len = (uint16_t)(to->data_len + bytes);
	to->pkt_len += bytes;
	while (bytes > 0) {
		uint32_t part = RTE_MIN(bytes, bytes_here(at));

		memcpy(out, rte_pktmbuf_mtod_offset(at->m, const void *, at->off), part);
		out += part;
		at->off += part;
		bytes -= part;
	}
}

/* Returns false without mbufs to refer by; `to` is to be freed then. */
static bool
refer_payload(struct rte_mbuf *to, struct position *at, uint32_t bytes, struct rte_mempool *pool)
{
	struct rte_mbuf *last = to;

	while (bytes > 0) {
		uint32_t part = RTE_MIN(bytes, bytes_here(at));
		struct rte_mbuf *ref = rte_pktmbuf_alloc(pool);

		if (ref == NULL)
			return false;
		rte_pktmbuf_attach(ref, (struct rte_mbuf *)(uintptr_t)at->m);
		ref->data_off = (uint16_t)(at->m->data_off + at->off);
		ref->data_len = (uint16_t)part;
		last->next = ref;
		last = ref;
		to->nb_segs++;
		to->pkt_len += part;
		at->off += part;
		bytes -= part;
	}
	return true;
}

/* Copies the headers of the frame into an empty mbuf. */
static void
put_headers(struct rte_mbuf *m, const struct rte_mbuf *frame, uint32_t bytes)
{
	m->l2_len = frame->l2_len;
	m->l3_len = frame->l3_len;
	m->l4_len = frame->l4_len;
	m->packet_type = frame->packet_type;
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	memcpy(rte_pktmbuf_mtod(m, void *), rte_pktmbuf_mtod(frame, const void *), bytes);
}

/* What segment `index` has of its own in its headers, with its payload behind them. */
static void
correct_headers(struct rte_mbuf *m, unsigned int index, uint32_t first_byte, bool is_last)
{
	uint32_t l4_off = (uint32_t)(m->l2_len + m->l3_len), tcp_len = m->pkt_len - l4_off, sum;
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len);
	struct tcp_header *th = rte_pktmbuf_mtod_offset(m, struct tcp_header *, l4_off);

	if (l3[0] >> 4 == 4) {
		struct ip4_header *ip = (struct ip4_header *)l3;

		ip->total_len = be16((uint16_t)(m->l3_len + tcp_len));
		ip->id = be16((uint16_t)(be16_get(ip->id) + index));
		ip->cksum = be16(0);
		ip->cksum.raw = (uint16_t)~tcp_sum(ip, (uint32_t)m->l3_len);
	} else {
		((struct ip6_header *)l3)->payload_len = be16((uint16_t)tcp_len);
	}
	th->seq = be32(be32_get(th->seq) + first_byte);
	if (index > 0)
		th->flags &= (uint8_t)~TCP_CWR;
	if (!is_last)
		th->flags &= (uint8_t) ~(TCP_PSH | TCP_FIN);
	sum = (uint32_t)th->cksum.raw + be16((uint16_t)tcp_len).raw;
	th->cksum = be16(0);
	sum += tcp_bytes_sum(m, l4_off, tcp_len);
	sum = (sum >> 16) + (sum & 0xffff);
	th->cksum.raw = (uint16_t) ~((sum >> 16) + sum);
}

unsigned int
cut_frame(const struct lane_pools *pools, const struct rte_mbuf *frame,
	  struct rte_mbuf *segments[CUT_MAX_SEGS])
{
	uint32_t headers = (uint32_t)(frame->l2_len + frame->l3_len + frame->l4_len);
	uint32_t payload = frame->pkt_len - headers, segsz = frame->tso_segsz, done = 0;
	unsigned int n = (payload + segsz - 1) / segsz, made = 0;
	struct position at = {frame, headers};
	bool copy;

	if (n > CUT_MAX_SEGS)
		return 0;
	copy = rte_pktmbuf_alloc_bulk(pools->pool[POOL_DATA], segments, n) == 0;
	if (!copy && rte_pktmbuf_alloc_bulk(pools->pool[POOL_HEADER], segments, n) != 0)
		return 0;
	while (made < n) {
		uint32_t bytes = RTE_MIN(segsz, payload - done);
		struct rte_mbuf *m = segments[made];

		put_headers(m, frame, headers);
		if (copy)
			copy_payload(m, &at, bytes);
		else if (!refer_payload(m, &at, bytes, pools->pool[POOL_REF]))
			break;
		correct_headers(m, made++, done, done + bytes == payload);
		done += bytes;
	}
	if (made == n)
		return n;
	rte_pktmbuf_free_bulk(segments, n);
	return 0;
}
