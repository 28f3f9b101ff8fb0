/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peer in the segments harness. He looks into the engine to learn where a connection stands,
 * and builds segments around that. Payload is a function of its sequence number, whatever else is
 * wrong.
 */
#include <errno.h>
#include <string.h>

#include "invariants.h"
#include "segments.h"

/* What a segment can be built around. */
struct view {
	struct tcp_tuple tuple;
	const struct tcp_conn *c; /* NULL: a request, a TIME-WAIT, or nothing */
	seq_t seq, edge;          /* expected next, end of the window offered to us */
	seq_t una, nxt;           /* what the engine has in flight */
	uint32_t ts_recent, ts_offset;
	uint32_t cookie_ts; /* what to echo to an engine that has forgotten it; 0: nothing */
	bool timestamps;
	bool synchronized; /* the numbers mean something */
};

static const uint16_t sizes[8] = {0, 1, 2, 100, 536, 1000, 1448, 4000};

struct tcp_tuple
seg_tuple(struct world *w, uint8_t which)
{
	bool is4 = (which & 1) == 0;
	struct tcp_tuple t = {
		.local = seg_local(is4),
		.remote = seg_local(is4),
		.lport = be16(SEG_LOCAL_PORT),
		.rport = be16((uint16_t)(SEG_REMOTE_PORT + which % SEG_FLOWS)),
	};
	const struct seg_socket *s = &w->sockets[which % SEG_SOCKETS];

	/* The sockets' own connections, those they connect to, or what passive opens use. */
	if ((which & 0x40) != 0 && s->c != NULL && s->c->state != TCP_CLOSED &&
	    s->c->state != TCP_LISTEN)
		return s->c->tuple;
	if ((which & 0x80) != 0 && be16_get(w->last.rport) != 0)
		return w->last;
	((uint8_t *)t.remote.w)[15] = 1;
	return t;
}

static void
view_conn(struct view *v, const struct tcp_conn *c)
{
	v->c = c;
	v->seq = c->rcv_nxt;
	v->edge = seq_max(c->rcv_adv, c->rcv_nxt);
	v->una = c->snd_una;
	v->nxt = c->snd_nxt;
	v->ts_recent = c->ts_recent;
	v->ts_offset = c->ts_offset;
	v->timestamps = (c->flags & CONN_TIMESTAMPS) != 0;
	v->synchronized = c->state != TCP_SYN_SENT;
}

static struct view
view_of(struct world *w, uint8_t which)
{
	struct view v = {.tuple = seg_tuple(w, which)};
	flow_t flow = flow_lookup(&w->e->flows, &v.tuple, flow_hash(&w->e->flows, &v.tuple));

	if (flow_kind(flow) == FLOW_CONN) {
		view_conn(&v, flow_object(flow));
	} else if (flow_kind(flow) == FLOW_REQUEST) {
		const struct tcp_request *r = flow_object(flow);

		v.seq = r->irs + 1;
		v.edge = v.seq + r->rcv_wnd;
		v.una = r->iss;
		v.nxt = r->iss + 1;
		v.ts_recent = r->ts_recent;
		v.ts_offset = r->ts_offset;
		v.timestamps = r->timestamps;
		v.synchronized = true;
	} else if (flow_kind(flow) == FLOW_TIMEWAIT) {
		const struct tcp_timewait *tw = flow_object(flow);

		v.seq = v.edge = tw->rcv_nxt;
		v.una = v.nxt = tw->snd_nxt;
		v.ts_recent = tw->ts_recent;
		v.ts_offset = tw->ts_offset;
		v.timestamps = tw->timestamps;
		v.synchronized = true;
	} else if (w->last_ack != 0 && memcmp(&v.tuple, &w->last, sizeof(v.tuple)) == 0) {
		/* It answered by a cookie, or has ended the request since. */
		v.seq = w->last_ack;
		v.edge = v.seq + 65535;
		v.una = w->last_seq;
		v.nxt = w->last_seq + 1;
		v.cookie_ts = w->last_ts_val;
		v.timestamps = w->last_timestamps;
		v.synchronized = true;
	}
	return v;
}

/* ---- On the way to the engine */

void
seg_release(struct world *w)
{
	w->may_notify = true;
	tcp_input(w->e, w->now_us, w->held, w->n_held);
	w->may_notify = false;
	w->n_held = 0;
	w->holding = false;
}

enum {
	HOW_EXACT = 1 << 0, /* each mbuf in memory of its own size */
	HOW_SPLIT = 1 << 1, /* in several mbufs */
	HOW_GOOD = 1 << 2,  /* the card vouches for the checksum */
	HOW_BAD = 1 << 3,   /* the checksum is wrong */
	HOW_CE = 1 << 4,    /* the IP header says congestion experienced; else what follows */
	HOW_ECT = 1 << 5,
	HOW_CUT = 1 << 6, /* a byte is missing */
	HOW_PLAIN = HOW_EXACT | HOW_GOOD,
};

static void
send_bytes(struct world *w, uint8_t *b, size_t n, uint8_t how)
{
	unsigned int ecn = how & HOW_CE ? 3 : how & HOW_ECT ? 2 : 0;
	bool is4 = b[0] >> 4 == 4;
	struct rte_mbuf *m;

	b[1] = (uint8_t)(is4 ? b[1] | ecn : b[1] | ecn << 4);
	m = fuzz_chain(b, n, how & HOW_SPLIT ? 512 : 0, (how & HOW_EXACT) != 0);
	m->l2_len = 0;
	m->l3_len = is4 ? 20 : 40;
	m->packet_type = is4 ? RTE_PTYPE_L3_IPV4_EXT_UNKNOWN : RTE_PTYPE_L3_IPV6_EXT_UNKNOWN;
	if (how & HOW_GOOD)
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	w->held[w->n_held++] = m;
	if (!w->holding || w->n_held == SEG_HELD)
		seg_release(w);
}

static void
send_packet(struct world *w, const struct tcp_tuple *t, struct packet *p, uint8_t how)
{
	static uint8_t payload[8192], b[PACKET_MAX_BYTES];
	uint32_t first = p->seq + ((p->flags & TCP_SYN) != 0);
	struct packet_faults faults = {
		.bad_sum = (how & HOW_BAD) != 0,
		.has_cut = (how & HOW_CUT) != 0,
		.cut = 19 + p->option_bytes + p->payload_bytes,
	};
	size_t n;

	for (size_t i = 0; i < p->payload_bytes; i++)
		payload[i] = fuzz_byte(false, first + (uint32_t)i);
	p->payload = payload;
	p->src = t->remote;
	p->dst = t->local;
	p->sport = be16_get(t->rport);
	p->dport = be16_get(t->lport);
	p->ttl = 64;
	FUZZ_SAY("%12llu < %u.%u flags %02x seq %u len %zu ack %u win %u opt %u how %02x\n",
		 (unsigned long long)w->now_us, p->sport, p->dport, p->flags, p->seq,
		 p->payload_bytes, p->ack, p->win, p->option_bytes, how);
	/* One whose header says that it is shorter has its payload elsewhere. */
	n = packet_build(p, &faults, b);
	send_bytes(w, b, n, how);
}

/* ---- Options */

static void
put(struct packet *p, const void *bytes, unsigned int n)
{
	if (p->option_bytes + n > TCP_MAX_OPTION_BYTES)
		return;
	memcpy(p->options + p->option_bytes, bytes, n);
	p->option_bytes += n;
}

static void
put_timestamps(struct world *w, struct packet *p, uint32_t val, uint32_t ecr)
{
	uint8_t option[TCP_TIMESTAMPS_ALIGNED_BYTES];

	(void)w;
	tcp_options_encode_timestamps(val, ecr, option);
	put(p, option, sizeof(option));
}

/* As a peer has it whose clock is the engine's: the same for all segments of a moment. */
static void
put_good_timestamps(struct world *w, struct packet *p, const struct view *v)
{
	uint32_t echo = v->cookie_ts != 0 ? v->cookie_ts : tcp_now_ts(w->e, v->ts_offset) - 1;

	if (v->timestamps)
		put_timestamps(w, p, w->e->now_ms, echo);
}

static void
put_blocks(struct packet *p, const struct tcp_sack_block *blocks, unsigned int n)
{
	uint8_t option[TCP_SACK_ALIGNED_BYTES(TCP_MAX_SACK_BLOCKS)];

	if (n == 0)
		return;
	tcp_options_encode_sack(blocks, n, option);
	put(p, option, TCP_SACK_ALIGNED_BYTES(n));
}

/* Blocks of whole records, as the input picks them; or with its own edges. */
static unsigned int
pick_blocks(struct world *w, const struct view *v, struct tcp_sack_block *blocks, unsigned int max)
{
	unsigned int n = 0;

	for (unsigned int more = fuzz_u8(&w->in) % (max + 1); more > 0; more--) {
		uint8_t from = fuzz_u8(&w->in), length = fuzz_u8(&w->in);
		const struct tcp_sent *s = v->c != NULL ? TAILQ_FIRST(&v->c->sent) : NULL;

		for (unsigned int i = from % 32; i > 0 && s != NULL; i--)
			s = TAILQ_NEXT(s, link);
		if (s == NULL || (from & 0xe0) == 0xe0) {
			/* Nothing there, or an edge inside a segment, or behind, or before. */
			blocks[n].start = v->una + (uint32_t)(int8_t)from * 100;
			blocks[n].end = blocks[n].start + length * 50u;
		} else {
			blocks[n].start = s->seq;
			for (length %= 8; length > 0 && TAILQ_NEXT(s, link) != NULL; length--)
				s = TAILQ_NEXT(s, link);
			blocks[n].end = s->end;
		}
		n++;
	}
	return n;
}

static void
put_syn_options(struct world *w, struct packet *p, uint8_t which)
{
	struct tcp_options o = {
		.has_mss = which & 1,
		.has_wscale = which >> 1 & 1,
		.has_timestamps = which >> 2 & 1,
		.sack_permitted = which >> 3 & 1,
		.ts_val = w->e->now_ms,
		.wscale_shift = which >> 4,
	};
	static const uint16_t sizes_of[4] = {1460, 536, 88, 1};

	o.mss = sizes_of[which >> 6];
	if (o.has_wscale && (which & 0x80) != 0)
		o.wscale_shift = 14;
	p->option_bytes = tcp_options_encode_syn(&o, p->options);
}

/* ---- Segments */

static uint32_t
near(struct world *w, uint32_t base)
{
	return base + (uint32_t)(int8_t)fuzz_u8(&w->in);
}

static seq_t
pick_seq(struct world *w, const struct view *v, uint8_t how, uint32_t len)
{
	switch (how & 7) {
	case 0:
	case 1:
		return v->seq;
	case 2: /* behind a gap */
		return v->seq + fuzz_u8(&w->in) * 100u;
	case 3: /* old */
		return v->seq - fuzz_u8(&w->in) * 20u;
	case 4: /* at the end of the window */
		return near(w, v->edge - len);
	case 5:
		return near(w, v->seq);
	case 6: /* what came before, again */
		return v->seq - len;
	default:
		return fuzz_u32(&w->in);
	}
}

static seq_t
pick_ack(struct world *w, const struct view *v, uint8_t how)
{
	switch (how & 7) {
	case 0:
	case 1:
		return v->nxt;
	case 2:
		return v->una;
	case 3: /* the first of several */
		return seq_min(v->una + fuzz_u8(&w->in) * 100u, v->nxt);
	case 4:
		return near(w, v->nxt);
	case 5:
		return near(w, v->una);
	case 6: {
		const struct tcp_sent *s = v->c != NULL ? TAILQ_FIRST(&v->c->sent) : NULL;

		return s != NULL ? s->end : v->nxt;
	}
	default:
		return fuzz_u32(&w->in);
	}
}

void
seg_segment(struct world *w)
{
	static const uint8_t flags[8] = {TCP_ACK,           TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN,
					 TCP_RST | TCP_ACK, TCP_SYN,           TCP_SYN | TCP_ACK,
					 TCP_RST,           TCP_ACK | TCP_URG};
	struct view v = view_of(w, fuzz_u8(&w->in));
	uint8_t shape = fuzz_u8(&w->in), where = fuzz_u8(&w->in), options = fuzz_u8(&w->in);
	struct tcp_sack_block blocks[TCP_MAX_SACK_BLOCKS];
	uint8_t how = fuzz_u8(&w->in);
	struct packet p = {
		.flags = flags[shape & 7],
		.payload_bytes = sizes[shape >> 3 & 7],
		.win = (uint16_t)(fuzz_u8(&w->in) * 257u),
	};

	if (shape & 0x40)
		p.flags |= fuzz_u8(&w->in);
	p.seq = pick_seq(w, &v, where, (uint32_t)p.payload_bytes);
	p.ack = p.flags & TCP_ACK ? pick_ack(w, &v, where >> 3) : 0;
	if (p.flags & TCP_URG)
		p.urg = (uint16_t)(fuzz_u8(&w->in) * 8);
	if (options & 1)
		put_good_timestamps(w, &p, &v);
	else if (options & 2)
		put_timestamps(w, &p, near(w, v.ts_recent), fuzz_u32(&w->in));
	if (p.flags & TCP_SYN)
		put_syn_options(w, &p, fuzz_u8(&w->in));
	if (options & 4)
		put_blocks(&p, blocks, pick_blocks(w, &v, blocks, options & 3 ? 3 : 4));
	for (unsigned int n = options & 8 ? fuzz_u8(&w->in) % 8u : 0; n > 0; n--) {
		uint8_t byte = fuzz_u8(&w->in);

		put(&p, &byte, 1);
	}
	send_packet(w, &v.tuple, &p, how);
}

void
seg_plain(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in), shape = fuzz_u8(&w->in);
	struct view v = view_of(w, which);
	struct packet p = {
		.flags = TCP_ACK | (shape & 0x80 ? TCP_FIN : TCP_PSH),
		.seq = v.seq,
		.ack = shape & 0x40 ? v.una : v.nxt,
		.win = shape & 0x20 ? 0 : 65535,
	};

	if (v.c == NULL && !v.synchronized)
		return;
	p.payload_bytes = RTE_MIN((uint32_t)sizes[shape & 7], v.edge - v.seq);
	put_good_timestamps(w, &p, &v);
	send_packet(w, &v.tuple, &p, shape & 0x10 ? HOW_GOOD : HOW_PLAIN);
}

void
seg_urgent(struct world *w)
{
	struct view v = view_of(w, fuzz_u8(&w->in));
	uint8_t shape = fuzz_u8(&w->in), pointer = fuzz_u8(&w->in);
	struct packet p = {
		.flags = TCP_ACK | TCP_PSH | TCP_URG,
		.seq = v.seq - (shape & 0x20 ? 1 : 0) + (shape & 0x40 ? 2 : 0),
		.ack = v.nxt,
		.win = 65535,
	};

	if (v.c == NULL && !v.synchronized)
		return;
	p.payload_bytes = RTE_MIN((uint32_t)sizes[shape & 7], v.edge - v.seq);
	if (pointer & 0x80) /* near the end of it */
		p.urg = (uint16_t)(p.payload_bytes + (pointer & 7) - 3);
	else
		p.urg = (uint16_t)(pointer & 0x40 ? pointer * 1000 : pointer & 0x0f);
	put_good_timestamps(w, &p, &v);
	send_packet(w, &v.tuple, &p, shape & 0x10 ? HOW_GOOD : HOW_PLAIN);
}

/* Several in a row in one burst, perhaps with one missing or twice: what a receiver may join. */
void
seg_train(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in), shape = fuzz_u8(&w->in), odd = fuzz_u8(&w->in);
	struct view v = view_of(w, which);
	uint32_t len = sizes[shape & 7];

	if (v.c == NULL && !v.synchronized)
		return;
	w->holding = true;
	for (uint32_t i = 0; i < 2u + (shape >> 5); i++) {
		struct packet p = {
			.flags = TCP_ACK | (i == (odd & 7) && (odd & 8) ? TCP_PSH : 0),
			.seq = v.seq + i * len - (i == (odd >> 4 & 7) && (odd & 0x80) ? len : 0),
			.ack = v.nxt,
			.win = 65535,
			.payload_bytes = len,
		};

		put_good_timestamps(w, &p, &v);
		if (i != (odd >> 4 & 7) || (odd & 0x80) != 0 || (odd & 0x70) == 0)
			send_packet(w, &v.tuple, &p, shape & 0x10 ? HOW_GOOD : HOW_PLAIN);
		else if (shape & 8) /* another's in between */
			seg_handshake(w);
	}
	if (w->n_held > 0)
		seg_release(w);
	w->holding = false;
}

void
seg_sack(struct world *w)
{
	struct view v = view_of(w, fuzz_u8(&w->in));
	struct tcp_sack_block blocks[TCP_MAX_SACK_BLOCKS];
	uint8_t where = fuzz_u8(&w->in);
	struct packet p = {.flags = TCP_ACK, .seq = v.seq, .win = 65535};
	unsigned int n = 0;

	if (where & 0x40) /* a DSACK, of what is acknowledged or of a block */
		blocks[n++] = (struct tcp_sack_block){v.una - 100, v.una};
	if (where & 0x80)
		p.flags |= TCP_ECE;
	p.ack = pick_ack(w, &v, where & 0x3f ? where : 2);
	n += pick_blocks(w, &v, blocks + n, 3 - n);
	put_good_timestamps(w, &p, &v);
	put_blocks(&p, blocks, n);
	send_packet(w, &v.tuple, &p, HOW_PLAIN);
}

void
seg_handshake(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in), options = fuzz_u8(&w->in);
	struct view v = view_of(w, which);
	struct packet p = {.win = 65535, .seq = v.seq, .ack = v.nxt, .flags = TCP_ACK};
	uint32_t irs = which * 0x01010101u;

	if (v.c != NULL && v.c->state == TCP_SYN_SENT) {
		p.flags = TCP_SYN | (which & 0x20 ? 0 : TCP_ACK);
		p.seq = irs;
		p.ack = which & 0x20 ? 0 : v.nxt;
		put_syn_options(w, &p, options);
	} else if (!v.synchronized || (v.c == NULL && (which & 0x10) != 0)) {
		p.flags = TCP_SYN | (options & 0x20 ? TCP_ECE | TCP_CWR : 0);
		p.seq = irs;
		p.ack = 0;
		put_syn_options(w, &p, options);
	} else {
		put_good_timestamps(w, &p, &v);
	}
	send_packet(w, &v.tuple, &p, HOW_PLAIN);
}

/* Any bytes in the TCP header; the payload stays a function of where they say that it is. */
void
seg_garbage(struct world *w)
{
	struct tcp_tuple t = seg_tuple(w, fuzz_u8(&w->in));
	static uint8_t b[PACKET_MAX_BYTES];
	struct packet p = {.src = t.remote,
			   .dst = t.local,
			   .sport = be16_get(t.rport),
			   .dport = be16_get(t.lport),
			   .ttl = 64};
	uint8_t how = fuzz_u8(&w->in);
	size_t n = 20 + fuzz_u8(&w->in), l3, l4, header;
	uint32_t first;

	p.payload_bytes = n - 20;
	p.payload = b + PACKET_MAX_BYTES / 2;
	n = packet_build(&p, &(struct packet_faults){0}, b);
	l3 = b[0] >> 4 == 4 ? 20 : 40;
	l4 = n - l3;
	for (size_t i = 4; i < RTE_MIN(l4, (size_t)60); i++)
		b[l3 + i] = fuzz_u8(&w->in);
	header = RTE_MAX((size_t)(b[l3 + 12] >> 4) * 4, (size_t)20);
	first = (uint32_t)b[l3 + 4] << 24 | (uint32_t)b[l3 + 5] << 16 | (uint32_t)b[l3 + 6] << 8 |
		b[l3 + 7];
	first += (b[l3 + 13] & TCP_SYN) != 0;
	for (size_t i = header; i < l4; i++)
		b[l3 + i] = fuzz_byte(false, first + (uint32_t)(i - header));
	send_bytes(w, b, n, how | HOW_GOOD);
}

void
seg_icmp(struct world *w)
{
	static const uint16_t mtus[8] = {0, 1, 68, 552, 576, 1280, 1400, 65535};
	static const int errors[4] = {EHOSTUNREACH, ENETUNREACH, ECONNREFUSED, EMSGSIZE};
	struct view v = view_of(w, fuzz_u8(&w->in));
	uint8_t what = fuzz_u8(&w->in);
	struct tcp_icmp icmp = {
		.tuple = v.tuple,
		.kind = what % 3 == 0   ? TCP_ICMP_PACKET_TOO_BIG
			: what % 3 == 1 ? TCP_ICMP_UNREACHABLE
					: TCP_ICMP_REFUSED,
		.seq = what & 0x80 ? near(w, v.nxt) : v.una,
		.error = errors[what >> 3 & 3],
		.mtu = mtus[what >> 3 & 7],
	};

	FUZZ_SAY("%12llu < icmp kind %d mtu %u error %d\n", (unsigned long long)w->now_us,
		 icmp.kind, icmp.mtu, icmp.error);
	w->may_notify = true;
	tcp_icmp_input(w->e, &icmp);
	w->may_notify = false;
}
