/* SPDX-License-Identifier: BSD-3-Clause */
#include "observer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "link.h"
#include "tcp/options.h"

enum {
	INITIAL_WINDOW_SEGS = 10,
	/* Sent beyond what cwnd allows: limited transmit (RFC 3042), a tail loss probe (RFC 8985).
	 */
	EXTRA_SEGS = 3,
	RTO_MAX_US = 120 * 1000 * 1000,
	SLACK_US = 1000, /* timestamps are in milliseconds */
};

/* Twice a period, so that one period from anywhere is contiguous. */
static uint8_t pattern[2 * OBSERVER_PAYLOAD_PERIOD];

/* A packet, parsed by itself: the engine's own parser is under test. */
struct seen {
	uint16_t sport, dport;
	seq_t seq, ack;
	uint8_t flags;
	uint16_t wnd;
	const uint8_t *payload;
	uint32_t len;
	bool timestamps, sack_permitted;
	uint32_t ts;
	int wscale;
	uint16_t mss;
	unsigned int n_sack, option_bytes;
	struct tcp_sack_block sack[4];
};

void
observer_init(struct observer *o)
{
	memset(o, 0, sizeof(*o));
	if (pattern[1] != 0)
		return;
	for (unsigned int i = 0; i < sizeof(pattern); i++) {
		uint32_t k = i % OBSERVER_PAYLOAD_PERIOD;

		pattern[i] = (uint8_t)((k * 2654435761u) >> 24 ^ k);
	}
	pattern[1] = pattern[OBSERVER_PAYLOAD_PERIOD + 1] = 1;
}

void
observer_clear(struct observer *o)
{
	for (unsigned int i = 0; i < o->n_conns; i++)
		for (int side = 0; side < 2; side++) {
			free(o->conns[i].half[side].ranges);
			free(o->conns[i].half[side].firsts);
		}
	o->n_conns = 0;
}

struct observer_conn *
observer_find(struct observer *o, unsigned int client, uint16_t port)
{
	for (unsigned int i = o->n_conns; i-- > 0;)
		if (o->conns[i].port == port && o->conns[i].client == client)
			return &o->conns[i];
	return NULL;
}

struct observer_conn *
observer_open(struct observer *o, unsigned int client, uint16_t port)
{
	struct observer_conn *c;

	if (o->n_conns == OBSERVER_CONNS)
		return NULL;
	c = &o->conns[o->n_conns];
	*c = (struct observer_conn){
		.used = true, .client = client, .port = port, .start = o->n_conns * 977u};
	o->n_conns++;
	for (int side = 0; side < 2; side++)
		c->half[side].busy_us = UINT64_MAX;
	return c;
}

const uint8_t *
observer_payload(const struct observer_conn *c, unsigned int side, uint64_t offset)
{
	return pattern + (c->start + side * 31337u + offset) % OBSERVER_PAYLOAD_PERIOD;
}

/* ---- Parsing */

static bool
parse_options(const uint8_t *at, const uint8_t *end, struct seen *s)
{
	s->wscale = -1;
	while (at < end && *at != TCP_OPT_END) {
		if (*at == TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || end - at < at[1])
			return false;
		if (*at == TCP_OPT_MSS && at[1] == 4)
			s->mss = (uint16_t)(at[2] << 8 | at[3]);
		else if (*at == TCP_OPT_WSCALE && at[1] == 3)
			s->wscale = at[2];
		else if (*at == TCP_OPT_SACK_PERMITTED)
			s->sack_permitted = true;
		else if (*at == TCP_OPT_TIMESTAMPS && at[1] == 10) {
			s->timestamps = true;
			memcpy(&s->ts, at + 2, 4);
			s->ts = rte_be_to_cpu_32(s->ts);
		} else if (*at == TCP_OPT_SACK && at[1] % 8 == 2 && at[1] <= 34) {
			for (unsigned int i = 2; i < at[1]; i += 8) {
				uint32_t edges[2];

				memcpy(edges, at + i, 8);
				s->sack[s->n_sack++] = (struct tcp_sack_block){
					rte_be_to_cpu_32(edges[0]), rte_be_to_cpu_32(edges[1])};
			}
		}
		at += at[1];
	}
	return true;
}

/* Returns NULL, or what is wrong with the packet. */
static const char *
parse(const struct rte_mbuf *m, struct seen *s)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip4 = (const void *)data;
	const struct rte_ipv6_hdr *ip6 = (const void *)data;
	const struct rte_tcp_hdr *tcp = (const void *)(data + m->l3_len);
	unsigned int bytes;
	uint16_t sum;

	*s = (struct seen){0};
	if (m->data_len < m->l3_len + sizeof(*tcp))
		return "is too short";
	if (data[0] >> 4 == 4) {
		if (m->l3_len != 20 || rte_be_to_cpu_16(ip4->total_length) != m->pkt_len)
			return "has a wrong length in its IPv4 header";
		if (rte_ipv4_cksum(ip4) != 0 && rte_ipv4_cksum(ip4) != 0xffff)
			return "has a wrong IPv4 checksum";
		if ((ip4->fragment_offset & RTE_BE16(0x4000)) == 0)
			return "has no Don't Fragment";
	} else if (m->l3_len != 40 || rte_be_to_cpu_16(ip6->payload_len) + 40u != m->pkt_len) {
		return "has a wrong length in its IPv6 header";
	}
	bytes = (unsigned int)(tcp->data_off >> 4) * 4;
	if (bytes < sizeof(*tcp) || m->l3_len + bytes > m->pkt_len)
		return "has a wrong data offset";
	/* Summed with the checksum itself it must be nothing, in either of its two forms. */
	sum = m->nb_segs > 1      ? 0
	      : data[0] >> 4 == 4 ? rte_ipv4_udptcp_cksum(ip4, tcp)
				  : rte_ipv6_udptcp_cksum(ip6, tcp);
	if (sum != 0 && sum != 0xffff)
		return "has a wrong TCP checksum";
	s->sport = rte_be_to_cpu_16(tcp->src_port);
	s->dport = rte_be_to_cpu_16(tcp->dst_port);
	s->seq = rte_be_to_cpu_32(tcp->sent_seq);
	s->ack = rte_be_to_cpu_32(tcp->recv_ack);
	s->flags = tcp->tcp_flags;
	s->wnd = rte_be_to_cpu_16(tcp->rx_win);
	s->len = m->pkt_len - m->l3_len - bytes;
	s->payload = (const uint8_t *)tcp + bytes;
	s->option_bytes = bytes - 20;
	if (!parse_options((const uint8_t *)(tcp + 1), s->payload, s))
		return "has an option that leads past the end";
	return NULL;
}

/* ---- What both sides know */

/* The offset of a sequence number, near one that is known. */
static uint64_t
offset_of(const struct observer_half *h, seq_t seq, uint64_t near)
{
	return near + (uint64_t)(int64_t)(int32_t)(seq - (h->iss + (seq_t)near));
}

static uint64_t
window_of(const struct observer_conn *c, unsigned int receiver, const struct seen *s)
{
	const struct observer_half *a = &c->half[0], *b = &c->half[1];

	if ((s->flags & TCP_SYN) != 0 || a->syn_wscale < 0 || b->syn_wscale < 0)
		return s->wnd;
	return (uint64_t)s->wnd << c->half[receiver].syn_wscale;
}

static struct observer_conn *
conn_of(struct observer *o, unsigned int from, const struct seen *s)
{
	return s->sport == OBSERVER_PORT ? observer_find(o, !from, s->dport)
					 : observer_find(o, from, s->sport);
}

static void
note_syn(struct observer_conn *c, unsigned int side, const struct seen *s)
{
	struct observer_half *h = &c->half[side];

	if (!h->iss_known || h->iss != s->seq) {
		h->iss_known = true;
		h->iss = s->seq;
		h->sent_end = 0;
	}
	h->syn_wscale = s->wscale;
	h->syn_mss = s->mss;
	h->syn_sack = s->sack_permitted;
	h->syn_timestamps = s->timestamps;
	if (side != c->client) {
		h->syn_wscale = c->half[c->client].syn_wscale >= 0 ? s->wscale : -1;
		c->candidates[c->n_candidates++ % OBSERVER_CANDIDATES] = s->seq;
	}
}

/* The client answers one of the SYN-ACKs: that one counts. */
static void
establish(struct observer *o, struct observer_conn *c, const struct seen *s)
{
	struct observer_half *h = &c->half[!c->client];
	unsigned int known = RTE_MIN(c->n_candidates, (unsigned int)OBSERVER_CANDIDATES);

	for (unsigned int i = 0; i < known; i++) {
		if (c->candidates[i] + 1 != s->ack)
			continue;
		h->iss = c->candidates[i];
		h->sent_end = h->arrived = 1;
		c->established = true;
		return;
	}
	o->fail(o->ctx, "port %u acknowledges a SYN-ACK that was never sent", c->port);
}

/* Whether a packet belongs to the connection as it is, and not to an attempt that came to nothing.
 */
static bool
is_current(struct observer *o, struct observer_conn *c, unsigned int from, const struct seen *s)
{
	bool syn = (s->flags & TCP_SYN) != 0;

	if (c->reborn)
		return false;
	if ((s->flags & TCP_RST) != 0) {
		c->reset = true;
		return false;
	}
	if (syn && from != c->client && c->established)
		return s->seq == c->half[from].iss;
	if (syn)
		note_syn(c, from, s);
	else if (from == c->client && !c->established)
		establish(o, c, s);
	return syn || c->established;
}

static bool
has_arrived(const struct observer_half *h, uint64_t start, uint64_t end)
{
	if (end <= h->arrived)
		return true;
	for (unsigned int i = 0; i < h->n_ranges; i++)
		if (h->ranges[i].end >= end)
			return h->ranges[i].start <= start || h->arrived >= start;
	return false;
}

static void
note_arrival(struct observer_half *h, uint64_t start, uint64_t end)
{
	unsigned int i, j;

	if (end <= h->arrived)
		return;
	for (i = 0; i < h->n_ranges && h->ranges[i].end < start; i++)
		;
	for (j = i; j < h->n_ranges && h->ranges[j].start <= end; j++) {
		start = RTE_MIN(start, h->ranges[j].start);
		end = RTE_MAX(end, h->ranges[j].end);
	}
	if (start <= h->arrived) {
		h->arrived = end;
		if (h->n_ranges > j)
			memmove(h->ranges, h->ranges + j, (h->n_ranges - j) * sizeof(*h->ranges));
		h->n_ranges -= j;
		return;
	}
	if (i == j && h->n_ranges == h->ranges_room) {
		h->ranges_room = h->ranges_room * 2 + 16;
		h->ranges = realloc(h->ranges, h->ranges_room * sizeof(*h->ranges));
		if (h->ranges == NULL)
			abort();
	}
	memmove(h->ranges + i + 1, h->ranges + j, (h->n_ranges - j) * sizeof(*h->ranges));
	h->n_ranges += 1 - (j - i);
	h->ranges[i] = (struct observer_range){start, end};
}

/* ---- Round trips */

static void
note_first(struct observer_half *h, uint64_t end, uint64_t now_us)
{
	if (h->n_firsts == h->firsts_room) {
		unsigned int room = h->firsts_room * 2 + 64;
		struct observer_first *ring = malloc(room * sizeof(*ring));

		if (ring == NULL)
			abort();
		for (unsigned int i = 0; i < h->n_firsts; i++)
			ring[i] = h->firsts[(h->firsts_head + i) % h->firsts_room];
		free(h->firsts);
		h->firsts = ring;
		h->firsts_head = 0;
		h->firsts_room = room;
	}
	h->firsts[(h->firsts_head + h->n_firsts++) % h->firsts_room] =
		(struct observer_first){end, now_us};
}

/*
 * By timestamps (RFC 7323 §4.1) a sample may reach back to the first transmission of what is
 * acknowledged, however often it was sent again.
 */
static void
note_sample(struct observer_half *h, uint64_t acked, uint64_t now_us)
{
	uint64_t sample_us = 0;

	while (h->n_firsts > 0 && h->firsts[h->firsts_head].end <= acked) {
		sample_us = RTE_MAX(sample_us, now_us - h->firsts[h->firsts_head].at_us);
		h->firsts_head = (h->firsts_head + 1) % h->firsts_room;
		h->n_firsts--;
	}
	/* RFC 6298 §2.3: of the old SRTT an eighth goes with each sample; of RTTVAR, as on Linux, a
	 * fourth with each round trip, however many samples that has. */
	if (acked > h->round_end) {
		h->sample_us -= h->sample_us / 8;
		h->round_end = h->sent_end;
	}
	h->sample_us = RTE_MAX(sample_us, h->sample_us);
}

/* A SACK block gives a sample too: of the oldest that it reports. */
static void
note_sack_sample(struct observer_half *h, const struct seen *s, uint64_t now_us)
{
	for (unsigned int i = 0; i < s->n_sack; i++) {
		uint64_t start = offset_of(h, s->sack[i].start, h->acked);
		unsigned int k = 0;

		while (k < h->n_firsts &&
		       h->firsts[(h->firsts_head + k) % h->firsts_room].end <= start)
			k++;
		if (k == h->n_firsts || start < h->acked)
			continue;
		k = (h->firsts_head + k) % h->firsts_room;
		h->sample_us = RTE_MAX(h->sample_us, now_us - h->firsts[k].at_us);
	}
}

/* ---- What is sent */

static void
check_silence(struct observer *o, struct observer_conn *c, unsigned int side, uint64_t now_us)
{
	struct observer_half *h = &c->half[side];
	uint64_t since = RTE_MAX(h->last_sent_us, h->busy_us), silent, bound;

	/* A SYN-ACK with a cookie is not sent again. */
	if (h->busy_us == UINT64_MAX || (!c->established && side != c->client) ||
	    c->away_us[side] != 0)
		return;
	o->silences_checked++;
	/* News may put the timer off, and leave it as far backed off as it was. */
	silent = now_us - RTE_MAX(since, h->last_news_us);
	/*
	 * SRTT + 4 RTTVAR may be nine times what is left of a large sample: while small ones
	 * follow, RTTVAR takes a fourth of how far SRTT, falling by an eighth, is above them, and
	 * so tends to twice SRTT.
	 */
	bound = RTE_MAX(RTE_MAX(o->rto_us, since - h->chain_us), 9 * h->sample_us);
	/* RFC 6298 §5.7: 3 s after a handshake that gave no sample, until something else does. */
	if (!h->sampled)
		bound = RTE_MAX(bound, UINT64_C(3000000));
	bound = RTE_MIN(2 * bound, (uint64_t)RTO_MAX_US + o->rto_us) + SLACK_US;
	if (silent > bound)
		o->fail(o->ctx,
			"side %u is silent on port %u for %" PRIu64 " us, with %" PRIu64
			" of %" PRIu64 " acknowledged, window to %" PRIu64 "; its timer backs off "
			"to %" PRIu64 " us",
			side, c->port, silent, h->acked, h->sent_end, h->edge, bound);
}

static void
check_payload(struct observer *o, struct observer_conn *c, unsigned int side, const struct seen *s,
	      uint64_t start)
{
	uint64_t first = start + ((s->flags & TCP_SYN) != 0) - 1;

	if (s->len > 0 && memcmp(s->payload, observer_payload(c, side, first), s->len) != 0)
		o->fail(o->ctx, "side %u sends wrong bytes on port %u at %" PRIu64, side, c->port,
			first);
}

static void
check_size(struct observer *o, struct observer_conn *c, unsigned int side, const struct seen *s,
	   const struct rte_mbuf *m)
{
	const struct observer_half *h = &c->half[side], *peer = &c->half[!side];
	unsigned int mss = peer->syn_mss != 0 ? peer->syn_mss : m->l3_len == 20 ? 536 : 1220;

	if (m->pkt_len > o->mtu[side])
		o->fail(o->ctx, "side %u sends %u bytes into an MTU of %u", side, m->pkt_len,
			o->mtu[side]);
	if (s->len > 0 && s->len + s->option_bytes > mss)
		o->fail(o->ctx,
			"side %u sends %u bytes of payload and %u of options on port %u: "
			"the peer's MSS is %u",
			side, s->len, s->option_bytes, c->port, mss);
	if (h->path_mtu != 0 && m->pkt_len > h->path_mtu)
		o->fail(o->ctx, "side %u sends %u bytes on port %u, told of a path MTU of %u", side,
			m->pkt_len, c->port, h->path_mtu);
}

static void
check_sequence(struct observer *o, uint64_t now_us, struct observer_conn *c, unsigned int side,
	       const struct seen *s)
{
	struct observer_half *h = &c->half[side];
	uint64_t start = offset_of(h, s->seq, h->sent_end), end = start + s->len;
	bool fin = (s->flags & TCP_FIN) != 0;
	uint64_t seqlen = s->len + fin + ((s->flags & TCP_SYN) != 0);

	end += (s->flags & TCP_SYN) != 0;
	if (start > h->sent_end)
		o->fail(o->ctx, "side %u leaves a gap on port %u: %" PRIu64 " to %" PRIu64, side,
			c->port, h->sent_end, start);
	if (h->fin_sent && end + fin > h->sent_end)
		o->fail(o->ctx, "side %u sends beyond its FIN on port %u", side, c->port);
	if ((s->flags & TCP_SYN) == 0 && s->len > 0 && end > h->edge)
		o->fail(o->ctx,
			"side %u sends up to %" PRIu64 " on port %u: the window ends at %" PRIu64,
			side, end, c->port, h->edge);
	check_payload(o, c, side, s, start);
	if (seqlen == 0)
		return;
	if (start < h->sent_end) {
		h->again_segs++;
		if (start < h->again_below)
			h->again_bytes += RTE_MIN(end, h->again_below) - start;
		o->again_segs++;
		h->resent_end = RTE_MAX(h->resent_end, RTE_MIN(end + fin, h->sent_end));
	}
	if (end + fin > h->sent_end) {
		h->first_segs++;
		o->first_segs++;
		h->sent_end = end + fin;
		note_first(h, h->sent_end, now_us);
		if (h->busy_us == UINT64_MAX)
			h->busy_us = now_us;
		if (h->chain_us == 0)
			h->chain_us = now_us;
		/*
		 * Told of a smaller MTU the sender counts what is under way in smaller segments;
		 * and what it takes for lost is under way to it no more.
		 */
		if (!h->moved &&
		    h->first_segs > INITIAL_WINDOW_SEGS + EXTRA_SEGS +
					    (h->path_mtu != 0 || h->again_segs > 0 ? 4 : 2) *
						    h->arrived_segs)
			o->fail(o->ctx,
				"side %u has sent %" PRIu64 " segments on port %u when %" PRIu64
				" had arrived: more than any slow start",
				side, h->first_segs, c->port, h->arrived_segs);
	}
	h->fin_sent |= fin;
}

static void
check_ack(struct observer *o, struct observer_conn *c, unsigned int side, const struct seen *s)
{
	struct observer_half *peer = &c->half[!side];
	uint64_t ack, edge, unit;

	if ((s->flags & TCP_ACK) == 0 || !peer->iss_known)
		return;
	o->zero_windows += s->wnd == 0;
	ack = offset_of(peer, s->ack, peer->arrived);
	if (ack < peer->told && side != c->client && o->had_cookie(o->ctx, side)) {
		c->reborn = true;
		return;
	}
	if (ack < peer->told)
		o->fail(o->ctx,
			"side %u acknowledges %" PRIu64 " on port %u, and did %" PRIu64 " before",
			side, ack, c->port, peer->told);
	peer->told = ack;
	if (ack > peer->arrived)
		o->fail(o->ctx,
			"side %u acknowledges %" PRIu64 " on port %u when %" PRIu64
			" had arrived in order",
			side, ack, c->port, peer->arrived);
	for (unsigned int i = 0; i < s->n_sack; i++) {
		uint64_t start = offset_of(peer, s->sack[i].start, peer->arrived);
		uint64_t end = offset_of(peer, s->sack[i].end, peer->arrived);

		if (start >= end || !has_arrived(peer, start, end))
			o->fail(o->ctx,
				"side %u reports %" PRIu64 " to %" PRIu64
				" on port %u, which has not arrived",
				side, start, end, c->port);
	}
	edge = ack + window_of(c, side, s);
	unit = (s->flags & TCP_SYN) != 0 || c->half[side].syn_wscale <= 0
		       ? 1
		       : UINT64_C(1) << c->half[side].syn_wscale;
	if (!o->may_shrink[side] && !c->may_shrink[side] && edge + unit - 1 < peer->offered)
		o->fail(o->ctx,
			"side %u moves its window's edge from %" PRIu64 " back to %" PRIu64
			" on port %u",
			side, peer->offered, edge, c->port);
	peer->offered = RTE_MAX(peer->offered, edge);
}

static void
check_timestamp(struct observer *o, struct observer_conn *c, unsigned int side,
		const struct seen *s)
{
	struct observer_half *h = &c->half[side];

	if (c->established && (s->flags & TCP_SYN) == 0 &&
	    s->timestamps != (c->half[0].syn_timestamps && c->half[1].syn_timestamps))
		o->fail(o->ctx, "side %u sends on port %u %s timestamps", side, c->port,
			s->timestamps ? "unexpected" : "no");
	if (!c->established || !s->timestamps)
		return;
	if (h->ts_known && seq_lt(s->ts, h->ts))
		o->fail(o->ctx, "side %u's clock goes back on port %u: from %u to %u", side,
			c->port, h->ts, s->ts);
	h->ts_known = true;
	h->ts = s->ts;
}

void
observer_sent(struct observer *o, uint64_t now_us, unsigned int side, const struct rte_mbuf *m)
{
	struct observer_conn *c;
	struct seen s;
	const char *wrong = parse(m, &s);

	if (wrong != NULL) {
		o->fail(o->ctx, "a packet of side %u %s", side, wrong);
		return;
	}
	c = conn_of(o, side, &s);
	if (c == NULL || !is_current(o, c, side, &s))
		return;
	check_ack(o, c, side, &s);
	if (c->reborn)
		return;
	check_sequence(o, now_us, c, side, &s);
	check_size(o, c, side, &s, m);
	check_timestamp(o, c, side, &s);
	/* What acknowledges only has SEG.SEQ at the end of what was sent. */
	if ((s.flags & (TCP_SYN | TCP_FIN)) != 0 || s.len > 0 ||
	    seq_lt(s.seq, c->half[side].iss + (seq_t)c->half[side].sent_end)) {
		check_silence(o, c, side, now_us);
		c->half[side].last_sent_us = now_us;
	}
}

/* ---- What arrives */

void
observer_arrived(struct observer *o, uint64_t now_us, unsigned int side, const struct rte_mbuf *m)
{
	struct observer_half *h, *own;
	struct observer_conn *c;
	struct seen s;
	uint64_t start, end;

	if ((m->hash.usr & LINK_CORRUPTED) != 0 || parse(m, &s) != NULL)
		return;
	c = conn_of(o, !side, &s);
	if (c == NULL || c->reborn || c->away_us[side] != 0 || (s.flags & TCP_RST) != 0)
		return;
	h = &c->half[!side];
	own = &c->half[side];
	if (!h->iss_known)
		return;
	if ((s.flags & TCP_SYN) != 0 && s.seq != h->iss) {
		/* An earlier answer than the latest; but the client may take it. */
		if (!c->established && (s.flags & TCP_ACK) != 0)
			own->edge = RTE_MAX(own->edge, 1 + window_of(c, !side, &s));
		return;
	}
	start = offset_of(h, s.seq, h->arrived);
	end = start + s.len + ((s.flags & TCP_FIN) != 0) + ((s.flags & TCP_SYN) != 0);
	if (end > start) {
		if (end <= h->sent_end)
			note_arrival(h, start, end);
		h->arrived_segs++;
	}
	if ((s.flags & TCP_ACK) == 0 || !own->iss_known)
		return;
	if (!c->established && (s.flags & TCP_SYN) == 0)
		return;
	/* From before the window, as probes are: answered, and not looked at (RFC 9293 §3.10.7.4).
	 */
	if (end < h->told)
		return;
	end = offset_of(own, s.ack, own->acked);
	if (end > own->sent_end)
		return;
	if (end + window_of(c, !side, &s) > own->edge) {
		own->edge = end + window_of(c, !side, &s);
		own->last_news_us = now_us;
	}
	note_sack_sample(own, &s, now_us);
	if (end > own->acked) {
		if (end > own->resent_end)
			own->chain_us = now_us;
		own->sampled |= end > 1 && (own->acked >= own->resent_end || s.timestamps);
		own->acked = end;
		note_sample(own, end, now_us);
		if (end == own->sent_end)
			own->busy_us = UINT64_MAX; /* as far as is known here */
		own->last_news_us = now_us;
	}
	/*
	 * With nothing in flight the timer is persist's, for a window that opens by a segment which
	 * is lost. Each segment tells the window: while they arrive there is nothing to ask, and
	 * each puts the probe off, as with Linux.
	 */
	if (own->acked == own->sent_end)
		own->last_news_us = now_us;
}

void
observer_icmp(struct observer *o, unsigned int side, const struct tcp_icmp *icmp)
{
	uint16_t local = be16_get(icmp->tuple.lport), remote = be16_get(icmp->tuple.rport);
	struct observer_conn *c = local == OBSERVER_PORT ? observer_find(o, !side, remote)
							 : observer_find(o, side, local);
	struct observer_half *h;
	uint64_t at;

	if (c == NULL || icmp->kind != TCP_ICMP_PACKET_TOO_BIG)
		return;
	h = &c->half[side];
	at = offset_of(h, icmp->seq, h->acked);
	/* Of a segment that is not in flight the engine must not believe it. */
	if (at >= h->acked && at < h->sent_end)
		h->path_mtu = icmp->mtu;
}

void
observer_silence(struct observer *o, uint64_t now_us, struct observer_conn *c, unsigned int side,
		 uint64_t given_bytes)
{
	struct observer_half *h = &c->half[side];
	bool busy = h->acked < h->sent_end || h->sent_end < given_bytes + 1;

	if (!busy)
		h->busy_us = UINT64_MAX;
	else if (h->busy_us == UINT64_MAX)
		h->busy_us = now_us;
	check_silence(o, c, side, now_us);
}

/* ---- Moves */

void
observer_away(struct observer *o, uint64_t now_us, struct observer_conn *c, unsigned int side)
{
	(void)o;
	c->away_us[side] = now_us;
}

static void
shift(uint64_t *at_us, uint64_t by_us)
{
	if (*at_us != 0 && *at_us != UINT64_MAX)
		*at_us += by_us;
}

void
observer_back(struct observer *o, uint64_t now_us, struct observer_conn *c, unsigned int side,
	      bool new_path)
{
	struct observer_half *h = &c->half[side];
	uint64_t by_us = now_us - c->away_us[side];

	(void)o;
	/* Its time stood still. */
	shift(&h->last_sent_us, by_us);
	shift(&h->last_news_us, by_us);
	shift(&h->busy_us, by_us);
	shift(&h->chain_us, by_us);
	c->away_us[side] = 0;
	if (!new_path)
		return;
	h->path_mtu = 0;
	h->moved = true;
}
