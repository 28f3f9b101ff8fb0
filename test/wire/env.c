/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's surroundings in a wire test. Every packet that the engine sends is checked here
 * against the contract of env.transmit and held for a while, as a network card holds it: its bytes
 * must not change until it is freed.
 */
#include <stdlib.h>

#include "wire.h"

/* What the path of this run offers. */
static uint16_t
path_flags(const struct wire *w)
{
	uint16_t flags = w->options.path_flags;

	if (!w->options.single_segment)
		flags |= TCP_PATH_TX_MULTI_SEG;
	if (w->tso && !w->options.single_segment)
		flags |= TCP_PATH_TX_TSO | TCP_PATH_TX_TCP_CKSUM;
	return flags;
}

/* FNV-1a of all bytes of a chain. */
static uint64_t
hash_chain(const struct rte_mbuf *m)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; m != NULL; m = m->next) {
		const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint16_t i = 0; i < m->data_len; i++)
			h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	}
	return h;
}

static void
free_lag(struct wire *w, struct wire_lag *lag)
{
	if (lag->m == NULL)
		return;
	if (hash_chain(lag->m) != lag->hash)
		wire_fail(w, "a packet's bytes changed while the card had it");
	rte_pktmbuf_free(lag->m);
	lag->m = NULL;
}

void
wire_free_lag(struct wire *w)
{
	for (unsigned int i = 0; i < WIRE_TX_LAG; i++)
		free_lag(w, &w->lag[i]);
}

static void
keep(struct wire *w, struct rte_mbuf *m)
{
	struct wire_lag *lag = &w->lag[w->lag_at++ % WIRE_TX_LAG];

	free_lag(w, lag);
	lag->m = m;
	lag->hash = hash_chain(m);
}

struct tcp_tuple
wire_tuple(const struct wire_flow *f)
{
	return (struct tcp_tuple){f->local.ip, f->remote.ip, be16(f->local.port),
				  be16(f->remote.port)};
}

static struct wire_flow *
find_flow(struct wire *w, const struct packet *p)
{
	for (unsigned int i = 0; i < WIRE_FLOWS; i++) {
		struct wire_flow *f = &w->flows[i];

		if (f->local.port == p->sport && f->remote.port == p->dport &&
		    ip_eq(&f->local.ip, &p->src) && ip_eq(&f->remote.ip, &p->dst))
			return f;
	}
	/* A socket that connects has its port only now. */
	for (unsigned int i = 0; i < WIRE_FLOWS; i++) {
		struct wire_flow *f = &w->flows[i];
		struct tcp_endpoint local;

		if (f->c != NULL && f->remote.port == p->dport && ip_eq(&f->remote.ip, &p->dst) &&
		    tcp_getsockname(f->c, &local) == 0 && local.port == p->sport) {
			f->local = local;
			return f;
		}
	}
	wire_fail(w, "a packet from port %u to port %u is of no flow", p->sport, p->dport);
}

static void
learn(struct wire_flow *f, const struct packet *p, const struct note *note)
{
	if ((p->flags & TCP_SYN) != 0 && !f->iss_known) {
		f->iss = p->seq;
		f->iss_known = true;
	}
	for (unsigned int i = 0; i < note->n_options; i++) {
		const struct note_option *o = &note->options[i];

		if (o->kind != NOTE_TS)
			continue;
		if (!f->ts_known)
			f->ts_base = o->a.value;
		f->ts_known = true;
		f->ts_last = o->a.value;
		f->we_ts = f->we_ts || (p->flags & TCP_SYN) != 0;
	}
	f->ts = f->we_ts && f->peer_ts;
}

static void
check_payload(struct wire *w, const struct wire_flow *f, const struct packet *p)
{
	uint32_t offset = p->seq - f->iss - 1;

	if ((p->flags & TCP_SYN) != 0)
		offset++;
	for (size_t i = 0; i < p->payload_bytes; i++)
		if (p->payload[i] != wire_byte(true, offset + i))
			wire_fail(w, "payload byte %zu of this packet is %02x, not %02x", i,
				  p->payload[i], wire_byte(true, offset + i));
}

/* A packet for the card to cut: what DPDK asks for RTE_MBUF_F_TX_TCP_SEG, and the path's limits. */
static void
check_super(struct wire *w, const struct rte_mbuf *m, const uint8_t *bytes)
{
	const struct tcp_tso_limits *tso = &w->options.tso;
	unsigned int l3 = w->family == AF_INET ? 20 : 40;
	unsigned int headers = l3 + (unsigned int)(bytes[l3 + 12] >> 4) * 4, segs;

	if ((path_flags(w) & TCP_PATH_TX_TSO) == 0)
		wire_fail(w, "a packet to cut on a path that cuts none");
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0 || m->tso_segsz == 0 || m->l2_len != 0)
		wire_fail(w, "a packet to cut with flags %lx, tso_segsz %u, l2_len %u", m->ol_flags,
			  m->tso_segsz, m->l2_len);
	if (m->tso_segsz + headers > w->mtu || m->pkt_len <= m->tso_segsz + headers)
		wire_fail(w, "a packet of %u bytes to cut by %u, the path's MTU is %u", m->pkt_len,
			  m->tso_segsz, w->mtu);
	segs = (m->pkt_len - headers + m->tso_segsz - 1) / m->tso_segsz;
	if ((tso->max_bytes != 0 && m->pkt_len > tso->max_bytes) ||
	    (tso->max_segs != 0 && segs > tso->max_segs) ||
	    (tso->max_mbufs != 0 && m->nb_segs > tso->max_mbufs))
		wire_fail(w, "a packet to cut of %u bytes, %u segments, %u mbufs", m->pkt_len, segs,
			  m->nb_segs);
	if ((bytes[l3 + 13] & (TCP_SYN | TCP_RST | TCP_URG)) != 0)
		wire_fail(w, "a packet to cut with flags %02x", bytes[l3 + 13]);
	w->supers++;
	w->super_segs += segs;
}

/* The mbuf's own fields, as tcp.h promises them; returns what packet_parse() shall not check. */
static unsigned int
check_mbuf(struct wire *w, const struct rte_mbuf *m, const uint8_t *bytes)
{
	unsigned int left = 0, segs = 0, l3 = w->family == AF_INET ? 20 : 40;
	uint32_t len = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		len += s->data_len;
		segs++;
		if (rte_mbuf_refcnt_read(s) == 0 || (s->data_len == 0 && segs > 1))
			wire_fail(w, "a packet has a freed or an empty segment");
	}
	if (len != m->pkt_len || segs != m->nb_segs)
		wire_fail(w, "pkt_len %u, nb_segs %u, but the chain has %u bytes in %u", m->pkt_len,
			  m->nb_segs, len, segs);
	if (segs > 1 && w->options.single_segment)
		wire_fail(w, "a packet of %u mbufs on a path that takes one", segs);
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		check_super(w, m, bytes);
	else if (len > w->mtu)
		wire_fail(w, "a packet of %u bytes, the path's MTU is %u", len, w->mtu);
	if (m->l3_len != l3)
		wire_fail(w, "l3_len is %u", m->l3_len);
	if (m->l4_len != (unsigned int)(bytes[l3 + 12] >> 4) * 4)
		wire_fail(w, "l4_len is %u", m->l4_len);
	if (tcp_packet_hop(m) != w->hop)
		wire_fail(w, "the hop is %u", tcp_packet_hop(m));
	if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0)
		left |= PACKET_IP4_CKSUM_LEFT;
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM)
		left |= PACKET_TCP_CKSUM_LEFT;
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		left |= PACKET_TSO_CKSUM_LEFT;
	if (((left & PACKET_IP4_CKSUM_LEFT) != 0 && (path_flags(w) & TCP_PATH_TX_IP4_CKSUM) == 0) ||
	    ((left & PACKET_TCP_CKSUM_LEFT) != 0 && (path_flags(w) & TCP_PATH_TX_TCP_CKSUM) == 0))
		wire_fail(w, "an offload that the path does not have");
	if (left != 0 &&
	    (m->ol_flags & (w->family == AF_INET ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6)) == 0)
		wire_fail(w, "an offload without the packet's family");
	return left;
}

static void
push(struct wire *w, struct wire_flow *f, const struct note *note)
{
	if (w->sent_tail == w->sent_room) {
		w->sent_room = w->sent_room * 2 + 64;
		w->sent = realloc(w->sent, w->sent_room * sizeof(*w->sent));
		if (w->sent == NULL)
			abort();
	}
	w->sent[w->sent_tail++] = (struct wire_sent){w->now_us, f, *note};
}

static void
gather(struct wire *w, const struct rte_mbuf *m, uint8_t bytes[PACKET_MAX_BYTES])
{
	size_t at = 0;

	for (; m != NULL; at += m->data_len, m = m->next) {
		if (at + m->data_len > PACKET_MAX_BYTES)
			wire_fail(w, "a chain longer than its packet");
		memcpy(bytes + at, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	}
}

/* A packet's note, its numbers relative to what this packet may be the first to tell. */
static void
read_note(struct wire_flow *f, const struct packet *p, struct note *note)
{
	struct note_base raw = {0, f->peer_iss, 0, 0}, base;

	note_of_packet(p, &raw, note);
	learn(f, p, note);
	base = (struct note_base){f->iss, f->peer_iss, f->ts_base, 0};
	note_of_packet(p, &base, note);
}

/* One segment on the wire. */
static void
capture(struct wire *w, const struct packet *p)
{
	struct wire_flow *f = find_flow(w, p);
	struct note note;
	char text[512];

	read_note(f, p, &note);
	note_print(&note, text, sizeof(text));
	wire_log(w, "%2u> %s", (unsigned int)(f - w->flows), text);
	if (w->nothing_due && !w->closing)
		wire_fail(w, "tcp_next_timer() had not announced this packet");
	if (p->ttl != 64)
		wire_fail(w, "its time to live is %u", p->ttl);
	check_payload(w, f, p);
	if (!w->closing)
		push(w, f, &note);
}

/* The card's part: a packet into segments of segsz bytes, each as if it had been sent alone. */
static void
cut(struct wire *w, const struct packet *all, size_t segsz)
{
	for (size_t at = 0; at < all->payload_bytes; at += segsz) {
		struct packet p = *all;

		p.seq += (uint32_t)at;
		p.payload += at;
		p.payload_bytes = RTE_MIN(segsz, all->payload_bytes - at);
		if (at + p.payload_bytes < all->payload_bytes)
			p.flags &= (uint8_t) ~(TCP_PSH | TCP_FIN);
		if (at > 0)
			p.flags &= (uint8_t)~TCP_CWR;
		capture(w, &p);
	}
}

static void
transmit(struct wire *w, struct rte_mbuf *m)
{
	static uint8_t bytes[PACKET_MAX_BYTES];
	struct packet p;
	const char *wrong;

	if (m->pkt_len > sizeof(bytes) || m->pkt_len < 40)
		wire_fail(w, "a packet of %u bytes", m->pkt_len);
	gather(w, m, bytes);
	wrong = packet_parse(bytes, m->pkt_len, check_mbuf(w, m, bytes), &p);
	if (wrong != NULL)
		wire_fail(w, "a bad packet: %s", wrong);
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		cut(w, &p, m->tso_segsz);
	else
		capture(w, &p);
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
	struct wire *w = ctx;

	if (ip_is_any(remote) || ip_is_multicast(remote))
		return -EINVAL;
	if (!ip_is_any(local) && !ip_eq(local, &w->local))
		return -EADDRNOTAVAIL;
	if (w->path_error != 0)
		return -w->path_error;
	path->local = w->local;
	path->hop = w->hop;
	path->mtu = w->mtu;
	path->flags = path_flags(w);
	path->tso = w->options.tso;
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	struct wire *w = ctx;

	return ip_eq(local, &w->local) || ip_eq(local, &w->also_local);
}

/* xorshift64: the same in every run. */
static void
env_random(void *ctx, void *buf, size_t bytes)
{
	struct wire *w = ctx;
	uint8_t *b = buf;

	while (bytes-- > 0) {
		w->seed ^= w->seed << 13;
		w->seed ^= w->seed >> 7;
		w->seed ^= w->seed << 17;
		*b++ = (uint8_t)(w->seed >> 32);
	}
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct wire *w = ctx;
	struct wire_flow *f = user;
	uint64_t *call = &w->listener_notify_call;

	if (w->closing || user == NULL)
		return;
	if (!w->may_notify)
		wire_fail(w, "notify outside tcp_input() and tcp_advance()");
	if (user == w) {
		if (c != w->listener)
			wire_fail(w, "notify for a closed listener");
		w->listener_notified++;
	} else {
		if (c != f->c)
			wire_fail(w, "notify for a socket that its user has closed");
		f->notified++;
		call = &f->notify_call;
	}
	if (*call == w->calls)
		wire_fail(w, "notified twice in one call");
	*call = w->calls;
	if (w->on_notify != NULL && user != w)
		w->on_notify(w, f);
	if (w->on_listener != NULL && user == w)
		w->on_listener(w);
}

static void
env_fastopen_news(void *ctx, const struct tcp_fastopen_news *news)
{
	struct wire *w = ctx;

	w->news = *news;
	w->n_news++;
}

static void *
env_alloc(void *ctx, size_t bytes, size_t align)
{
	struct wire *w = ctx;
	void *memory;

	if (align < sizeof(void *))
		align = sizeof(void *);
	memory = aligned_alloc(align, (bytes + align - 1) / align * align);
	if (memory != NULL) {
		memset(memory, 0, bytes);
		w->allocations++;
	}
	return memory;
}

static void
env_free(void *ctx, void *memory)
{
	struct wire *w = ctx;

	w->allocations -= memory != NULL;
	free(memory);
}

void
wire_env(struct wire *w, struct tcp_env *env)
{
	*env = (struct tcp_env){
		.ctx = w,
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.fastopen_news = env_fastopen_news,
		.alloc = env_alloc,
		.free = env_free,
	};
}
