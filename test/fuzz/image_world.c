/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a connection that came from an image sends, and what its peer and its user do to it; see
 * image_world.h. The peer knows the connection, and says mostly what fits.
 */
#include "image_world.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "test/wire/packet.h"

static uint8_t bytes[PACKET_MAX_BYTES];

/* ---- What it sends */

static void
check_packet(struct image_world *w, const struct rte_mbuf *m)
{
	const struct tcp_conn *c = w->c;
	const char *wrong;
	struct packet p;

	FUZZ_CHECK(m->nb_segs == 1 && m->pkt_len == m->data_len && m->pkt_len <= IMAGE_MTU,
		   "%u bytes in %u segments", m->pkt_len, m->nb_segs);
	wrong = packet_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len, 0, &p);
	FUZZ_CHECK(wrong == NULL, "%s", wrong);
	FUZZ_SAY("%12llu  > flags %02x seq %u len %zu ack %u win %u\n",
		 (unsigned long long)w->now_us, p.flags, p.seq, p.payload_bytes, p.ack, p.win);
	if (c == NULL || c->state == TCP_CLOSED || (p.flags & TCP_RST) != 0)
		return;
	FUZZ_CHECK(p.sport == be16_get(c->tuple.lport) && p.dport == be16_get(c->tuple.rport) &&
			   ip_eq(&p.src, &c->tuple.local) && ip_eq(&p.dst, &c->tuple.remote),
		   "another connection's");
	FUZZ_CHECK(seq_geq(p.seq, c->snd_una - 1) &&
			   seq_leq(p.seq + (uint32_t)p.payload_bytes, c->snd_nxt),
		   "%zu bytes at %u, of %u to %u", p.payload_bytes, p.seq, c->snd_una, c->snd_nxt);
	FUZZ_CHECK((p.flags & TCP_ACK) == 0 || p.ack == c->rcv_nxt, "ack %u, next is %u", p.ack,
		   c->rcv_nxt);
}

void
image_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		check_packet(ctx, packets[i]);
		rte_pktmbuf_free(packets[i]);
	}
}

/* ---- What its peer does */

static void
timestamps(const struct tcp_conn *c, struct packet *p, uint32_t later)
{
	uint32_t val = c->ts_recent + later, ecr = tcp_now_ts(c->engine, c->ts_offset);
	uint8_t *o = p->options;

	if ((c->flags & CONN_TIMESTAMPS) == 0)
		return;
	*o++ = 1;
	*o++ = 1;
	*o++ = 8;
	*o++ = 10;
	for (int i = 3; i >= 0; i--)
		*o++ = (uint8_t)(val >> 8 * i);
	for (int i = 3; i >= 0; i--)
		*o++ = (uint8_t)(ecr >> 8 * i);
	p->option_bytes = 12;
}

static void
segment(struct image_world *w, uint32_t seq, uint32_t ack, uint8_t flags, size_t n,
	struct fuzz_input *in)
{
	static const struct packet_faults none;
	static const uint8_t payload[1460];
	const struct tcp_conn *c = w->c;
	struct rte_mbuf *m;
	struct packet p = {
		.src = c->tuple.remote,
		.dst = c->tuple.local,
		.sport = be16_get(c->tuple.rport),
		.dport = be16_get(c->tuple.lport),
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.win = fuzz_u16(in),
		.payload = payload,
		.payload_bytes = n,
		.ttl = 64,
	};

	timestamps(c, &p, fuzz_u8(in) % 4);
	FUZZ_SAY("%12llu  < flags %02x seq %u len %zu ack %u win %u\n",
		 (unsigned long long)w->now_us, flags, seq, n, ack, p.win);
	m = fuzz_pooled(bytes, packet_build(&p, &none, bytes));
	tcp_input(w->e, w->now_us, &m, 1);
}

static void
peer_step(struct image_world *w, unsigned int what, struct fuzz_input *in)
{
	const struct tcp_conn *c = w->c;
	uint32_t flight = c->snd_nxt - c->snd_una;

	switch (what) {
	case 0: /* all has arrived */
		segment(w, c->rcv_nxt, c->snd_nxt, TCP_ACK, 0, in);
		break;
	case 1: /* a part of it */
		segment(w, c->rcv_nxt, c->snd_una + (flight > 0 ? fuzz_u16(in) % flight : 0),
			TCP_ACK, 0, in);
		break;
	case 2: /* data */
		segment(w, c->rcv_nxt, c->snd_una, TCP_ACK | TCP_PSH, fuzz_u16(in) % 1400 + 1u, in);
		break;
	case 3: /* the end */
		segment(w, c->rcv_nxt, c->snd_nxt, TCP_ACK | TCP_FIN, fuzz_u8(in), in);
		break;
	case 4: /* data out of order */
		segment(w, c->rcv_nxt + fuzz_u16(in), c->snd_una, TCP_ACK, fuzz_u8(in) + 1u, in);
		break;
	default: /* anything */
		segment(w, c->rcv_nxt + (uint32_t)(int8_t)fuzz_u8(in),
			c->snd_una + (uint32_t)(int8_t)fuzz_u8(in), fuzz_u8(in), fuzz_u8(in), in);
		break;
	}
}

/* ---- Its user, and time */

static void
pass(struct image_world *w, struct fuzz_input *in)
{
	uint64_t next = tcp_next_timer(w->e), by_us = fuzz_u16(in) * UINT64_C(50);

	if (next != UINT64_MAX && (fuzz_u8(in) & 1) != 0)
		w->now_us = RTE_MAX(w->now_us, next);
	else
		w->now_us += by_us;
	tcp_advance(w->e, w->now_us);
}

static void
user_step(struct image_world *w, unsigned int what, struct fuzz_input *in)
{
	static uint8_t data[4096];
	size_t n = fuzz_u16(in) % sizeof(data);

	switch (what) {
	case 0:
		tcp_recv(w->c, data, n, 0);
		break;
	case 1:
		tcp_send(w->c, data, n, 0);
		break;
	case 2:
		tcp_shutdown(w->c, (int)(n % 3));
		break;
	default:
		tcp_close(w->c);
		w->c = NULL;
		break;
	}
}

void
image_step(struct image_world *w, struct fuzz_input *in)
{
	unsigned int what = fuzz_u8(in) % 12;

	if (what < 2 || w->c == NULL)
		pass(w, in);
	else if (what < 6)
		user_step(w, what - 2, in);
	else if (w->c->state != TCP_CLOSED)
		peer_step(w, what - 6, in);
}
