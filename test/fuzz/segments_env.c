/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's surroundings in the segments harness. Each packet that the engine sends is checked
 * against the contract of env.transmit, against RFC 9293 as test/wire/packet.c reads it, and
 * against what the peer may expect: our window's right edge never moves left, and nothing is sent
 * beyond the peer's.
 */
#include <errno.h>
#include <string.h>

#include "invariants.h"
#include "segments.h"

static uint8_t bytes[PACKET_MAX_BYTES];

struct ip_addr
seg_local(bool is4)
{
	static const uint8_t local6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x18, [15] = 2};

	return is4 ? ip_from4(be32(0xc6120002)) : ip_from6(local6);
}

static void
free_lag(struct seg_lag *lag)
{
	if (lag->m == NULL)
		return;
	FUZZ_CHECK(fuzz_hash(lag->m) == lag->hash, "a packet changed while the card had it");
	rte_pktmbuf_free(lag->m);
	lag->m = NULL;
}

void
seg_free_lag(struct world *w)
{
	for (unsigned int i = 0; i < SEG_LAG; i++)
		free_lag(&w->lag[i]);
}

static void
keep(struct world *w, struct rte_mbuf *m)
{
	struct seg_lag *lag = &w->lag[w->lag_at++ % SEG_LAG];

	free_lag(lag);
	lag->m = m;
	lag->hash = fuzz_hash(m);
}

/* The whole packet in `bytes`. */
static void
gather(const struct rte_mbuf *packet)
{
	uint32_t at = 0, segs = 0;

	FUZZ_CHECK(packet->pkt_len >= 40 && packet->pkt_len <= sizeof(bytes), "%u bytes",
		   packet->pkt_len);
	for (const struct rte_mbuf *m = packet; m != NULL; m = m->next) {
		FUZZ_CHECK(at + m->data_len <= packet->pkt_len, "longer than pkt_len");
		FUZZ_CHECK(rte_mbuf_refcnt_read(m) > 0 && (m->data_len > 0 || segs == 0),
			   "a freed or an empty segment");
		memcpy(bytes + at, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		at += m->data_len;
		segs++;
	}
	FUZZ_CHECK(at == packet->pkt_len && segs == packet->nb_segs, "%u bytes in %u; %u in %u", at,
		   segs, packet->pkt_len, packet->nb_segs);
}

static void
check_super(const struct world *w, const struct rte_mbuf *m, unsigned int headers)
{
	unsigned int segs = (m->pkt_len - headers + m->tso_segsz - 1) / m->tso_segsz;

	FUZZ_CHECK(w->path_flags & TCP_PATH_TX_TSO, "the path cuts nothing");
	FUZZ_CHECK(m->tso_segsz > 0 && m->tso_segsz + headers <= w->mtu &&
			   m->pkt_len > m->tso_segsz + headers,
		   "%u bytes, cut by %u, MTU %u", m->pkt_len, m->tso_segsz, w->mtu);
	FUZZ_CHECK((w->tso.max_bytes == 0 || m->pkt_len <= w->tso.max_bytes) &&
			   (w->tso.max_segs == 0 || segs <= w->tso.max_segs) &&
			   (w->tso.max_mbufs == 0 || m->nb_segs <= w->tso.max_mbufs),
		   "%u bytes, %u segments, %u mbufs", m->pkt_len, segs, m->nb_segs);
}

/* The mbuf's fields, as tcp.h promises them; returns what packet_parse() shall not check. */
static unsigned int
check_mbuf(const struct world *w, const struct rte_mbuf *m)
{
	unsigned int left = 0, l3 = bytes[0] >> 4 == 4 ? 20 : 40;
	unsigned int l4 = (unsigned int)(bytes[l3 + 12] >> 4) * 4;

	FUZZ_CHECK(m->nb_segs == 1 || (w->path_flags & TCP_PATH_TX_MULTI_SEG), "several mbufs");
	FUZZ_CHECK(m->l3_len == l3 && m->l4_len == l4, "l3_len %u, l4_len %u", m->l3_len,
		   m->l4_len);
	FUZZ_CHECK(tcp_packet_hop(m) == w->hop, "hop %u, not %u", tcp_packet_hop(m), w->hop);
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		check_super(w, m, l3 + l4);
		left |= PACKET_TSO_CKSUM_LEFT;
	} else {
		FUZZ_CHECK(m->pkt_len <= w->mtu, "%u bytes, MTU %u", m->pkt_len, w->mtu);
	}
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		FUZZ_CHECK(w->path_flags & TCP_PATH_TX_IP4_CKSUM, "no such offload");
		left |= PACKET_IP4_CKSUM_LEFT;
	}
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM) {
		FUZZ_CHECK(w->path_flags & TCP_PATH_TX_TCP_CKSUM, "no such offload");
		left |= PACKET_TCP_CKSUM_LEFT;
	}
	return left;
}

static struct seg_shadow *
shadow_of(struct world *w, const struct tcp_conn *c)
{
	struct seg_shadow *s =
		&w->shadows[((const uint8_t *)c - w->e->conns.base) / w->e->conns.size];

	if (s->iss != c->iss)
		s->n_urgent = 0;
	if (!s->known || s->iss != c->iss || s->irs != c->irs) {
		s->known = true;
		s->iss = c->iss;
		s->irs = c->irs;
		s->window_known = false;
		s->peer_edge = c->snd_una + c->snd_wnd;
	}
	s->peer_edge = seq_max(s->peer_edge, c->snd_una + c->snd_wnd);
	return s;
}

void
seg_note_edges(struct world *w)
{
	for (uint32_t i = 0; i < w->e->conns.carved; i++) {
		const struct tcp_conn *c = slab_at(&w->e->conns, i);

		if ((c->flags & CONN_DEAD) || c->state < TCP_SYN_RECEIVED)
			w->shadows[i].known = false;
		else
			shadow_of(w, c);
	}
}

void
seg_note_urgent(struct world *w, const struct tcp_conn *c, seq_t end)
{
	struct seg_shadow *s = shadow_of(w, c);

	s->urgent[s->n_urgent++ % SEG_URGENT] = end;
}

/* A pointer points behind a byte that the user sent as urgent, or as far as it can. */
static void
check_urgent(struct world *w, const struct packet *p, const struct tcp_conn *c)
{
	const struct seg_shadow *s = shadow_of(w, c);
	bool known = s->n_urgent > SEG_URGENT || p->urg == UINT16_MAX;

	FUZZ_CHECK(((p->flags & TCP_URG) != 0) == (p->urg != 0), "flags %02x, pointer %u", p->flags,
		   p->urg);
	for (unsigned int i = 0; i < s->n_urgent && !known; i++)
		known = s->urgent[i] == p->seq + p->urg;
	FUZZ_CHECK(known || p->urg == 0, "a pointer to %u, where nothing is urgent",
		   p->seq + p->urg);
}

static void
check_windows(struct world *w, const struct packet *p, const struct tcp_conn *c)
{
	seq_t offered = p->ack + ((uint32_t)p->win << c->rcv_wscale_shift);
	seq_t end = p->seq + (uint32_t)p->payload_bytes + ((p->flags & TCP_FIN) != 0);
	struct seg_shadow *s = shadow_of(w, c);

	FUZZ_CHECK(seq_leq(end, c->snd_nxt) || c->state == TCP_CLOSED,
		   "sent up to %u, snd_nxt is %u", end, c->snd_nxt);
	/* A probe's byte may lie beyond. */
	FUZZ_CHECK(p->payload_bytes <= 1 || seq_leq(end, s->peer_edge),
		   "sent up to %u, the peer's window ends at %u", end, s->peer_edge);
	if ((p->flags & (TCP_RST | TCP_SYN)) != 0)
		return;
	FUZZ_CHECK(!s->window_known || seq_geq(offered, s->window_edge) || p->win == 0,
		   "the window's edge moves left by %u", s->window_edge - offered);
	if (!s->window_known || seq_gt(offered, s->window_edge))
		s->window_edge = offered;
	s->window_known = true;
}

static void
check_payload(const struct packet *p)
{
	uint32_t seq = p->seq + ((p->flags & TCP_SYN) != 0);

	for (size_t i = 0; i < p->payload_bytes; i++)
		FUZZ_CHECK(p->payload[i] == fuzz_byte(true, seq + (uint32_t)i),
			   "byte %zu of the packet at %u is %02x", i, p->seq, p->payload[i]);
}

static void
note_syn(struct world *w, const struct packet *p, const struct tcp_tuple *tuple)
{
	struct tcp_options o;

	FUZZ_CHECK(tcp_options_decode(p->options, p->option_bytes, true, &o), "bad options");
	w->last = *tuple;
	w->last_seq = p->seq;
	w->last_ack = p->ack;
	w->last_timestamps = o.has_timestamps;
	w->last_ts_val = o.ts_val;
}

static void
transmit(struct world *w, struct rte_mbuf *m)
{
	struct tcp_tuple tuple;
	const char *wrong;
	struct packet p;
	flow_t flow;

	gather(m);
	wrong = packet_parse(bytes, m->pkt_len, check_mbuf(w, m), &p);
	FUZZ_CHECK(wrong == NULL, "%s", wrong);
	FUZZ_SAY("%12llu  > %u.%u flags %02x seq %u len %zu ack %u win %u opt %u\n",
		 (unsigned long long)w->now_us, p.sport, p.dport, p.flags, p.seq, p.payload_bytes,
		 p.ack, p.win, p.option_bytes);
	check_payload(&p);
	tuple = (struct tcp_tuple){p.src, p.dst, be16(p.sport), be16(p.dport)};
	if (p.flags & TCP_SYN)
		note_syn(w, &p, &tuple);
	flow = flow_lookup(&w->e->flows, &tuple, flow_hash(&w->e->flows, &tuple));
	if (flow_kind(flow) == FLOW_CONN && (p.flags & (TCP_SYN | TCP_RST)) == 0) {
		check_windows(w, &p, flow_object(flow));
		check_urgent(w, &p, flow_object(flow));
	}
	keep(w, m);
}

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		transmit(ctx, packets[i]);
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	struct ip_addr ours = seg_local(ip_is4(remote));
	struct world *w = ctx;

	if (ip_is_any(remote) || ip_is_multicast(remote))
		return -EINVAL;
	if (!ip_is_any(local) && !ip_eq(local, &ours))
		return -EADDRNOTAVAIL;
	if (w->path_error != 0)
		return -w->path_error;
	*path = (struct tcp_path){
		.local = ours,
		.hop = w->hop,
		.mtu = w->mtu,
		.flags = w->path_flags,
		.tso = w->tso,
	};
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	struct ip_addr ours = seg_local(ip_is4(local));

	(void)ctx;
	return ip_eq(local, &ours);
}

static void
env_random(void *ctx, void *buf, size_t n)
{
	struct world *w = ctx;

	fuzz_random(&w->random, buf, n);
}

void
seg_react(struct world *w, struct seg_socket *s)
{
	switch (s->reaction) {
	case REACT_READ:
		seg_recv(w, s, 100000, 0);
		break;
	case REACT_ECHO:
		seg_recv(w, s, 1000, 0);
		seg_send(w, s, 1000, 0);
		break;
	case REACT_CLOSE:
	case REACT_ABORT:
		seg_close(w, s, s->reaction == REACT_ABORT);
		break;
	default:
		break;
	}
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct seg_socket *s = user;
	struct world *w = ctx;

	FUZZ_CHECK(w->may_notify, "notify outside tcp_input() and tcp_advance()");
	FUZZ_CHECK(s != NULL && s->c == c, "notify for a socket that is closed");
	if (!w->closing)
		seg_react(w, s);
}

static void
env_confirm(void *ctx, uint32_t hop)
{
	const struct world *w = ctx;

	FUZZ_CHECK(hop <= w->hop, "hop %u is confirmed, the last is %u", hop, w->hop);
}

void
seg_env(struct world *w, struct tcp_env *env)
{
	*env = (struct tcp_env){
		.ctx = w,
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.confirm = env_confirm,
		.alloc = fuzz_alloc,
		.free = fuzz_free,
	};
}
