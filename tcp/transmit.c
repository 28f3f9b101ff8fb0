/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building segments: one header mbuf, and behind it the payload, copied if it is small and referred
 * to if it is large.
 *
 *     header mbuf                 indirect mbuf          indirect mbuf
 *     [headroom | IP TCP opts] -> [.. queued bytes ..] -> [.. queued bytes ..]
 *
 * A packet for the device to cut (tso.c) is built in the same way, only longer. Packets are
 * collected and handed to env.transmit in bursts.
 */
#include "headers.h"

void
tcp_transmit_flush(struct tcp_engine *e)
{
	unsigned int n = e->n_tx;

	if (n == 0)
		return;
	e->n_tx = 0;
	e->env.transmit(e->env.ctx, e->tx, n);
}

bool
tcp_transmit_reply(struct tcp_engine *e, const struct tcp_reply *reply)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(e->config.header_pool);
	struct tcp_header *th;

	if (m == NULL) {
		TCP_COUNT(e, tx_no_mbuf);
		return false;
	}
	th = headers_start(m, reply->tuple, reply->options_len);
	th->seq = be32(reply->seq);
	th->ack = be32(reply->ack);
	th->flags = reply->flags;
	th->wnd = be16(reply->wnd);
	if (reply->options_len != 0)
		memcpy(th + 1, reply->options, reply->options_len);
	headers_finish(e, m, reply->tuple, (struct headers_marks){e->config.ttl, reply->tos},
		       reply->path_flags);
	tcp_transmit_enqueue(e, m, reply->hop, 1);
	return true;
}

static void
copy_payload(struct rte_mbuf *to, const struct rte_mbuf *m, uint32_t data_off, uint32_t len)
{
	uint8_t *out = rte_pktmbuf_mtod_offset(to, uint8_t *, to->data_len);

	to->data_len = (uint16_t)(to->data_len + len);
	to->pkt_len += len;
	while (len > 0) {
		uint32_t part = RTE_MIN(len, (uint32_t)m->data_off + m->data_len - data_off);

		memcpy(out, (const uint8_t *)m->buf_addr + data_off, part);
		out += part;
		len -= part;
		m = m->next;
		if (len > 0)
			data_off = m->data_off;
	}
}

/* Hangs references to the bytes behind the header mbuf. Returns false, undone, without mbufs. */
static bool
refer_payload(struct tcp_engine *e, struct rte_mbuf *head, struct rte_mbuf *m, uint32_t data_off,
	      uint32_t len)
{
	struct rte_mbuf *last = head;

	while (len > 0) {
		uint32_t part = RTE_MIN(len, (uint32_t)m->data_off + m->data_len - data_off);
		struct rte_mbuf *ref = rte_pktmbuf_alloc(e->config.ref_pool);

		if (ref == NULL) {
			rte_pktmbuf_free(head->next);
			head->next = NULL;
			return false;
		}
		rte_pktmbuf_attach(ref, m);
		ref->data_off = (uint16_t)data_off;
		ref->data_len = (uint16_t)part;
		ref->pkt_len = part;
		last->next = ref;
		last = ref;
		head->nb_segs++;
		head->pkt_len += part;
		len -= part;
		m = m->next;
		if (len > 0)
			data_off = m->data_off;
	}
	return true;
}

unsigned int
tcp_mbufs_spanned(const struct rte_mbuf *m, uint32_t data_off, uint32_t len)
{
	unsigned int n = 1;

	while (len > (uint32_t)m->data_off + m->data_len - data_off) {
		len -= (uint32_t)m->data_off + m->data_len - data_off;
		m = m->next;
		data_off = m->data_off;
		n++;
	}
	return n;
}

/* The bytes in the first TCP_SEGS_PER_PACKET mbufs. */
static uint32_t
bytes_in_reach(const struct rte_mbuf *m, uint32_t data_off, uint32_t len)
{
	uint32_t reach = 0;

	for (unsigned int n = 0; n < TCP_SEGS_PER_PACKET && reach < len; n++) {
		reach += (uint32_t)m->data_off + m->data_len - data_off;
		m = m->next;
		if (m == NULL)
			break;
		data_off = m->data_off;
	}
	return RTE_MIN(reach, len);
}

uint32_t
tcp_transmit_limit(const struct tcp_conn *c, const struct rte_mbuf *m, uint32_t data_off,
		   uint32_t len)
{
	uint32_t room, reach;

	if (len <= TCP_COPY_MAX_BYTES && !c->engine->no_data_mbuf)
		return len;
	room = headers_leave(c->engine->config.data_pool);
	if (len <= room && !c->engine->no_data_mbuf)
		return len;
	reach = c->path_flags & TCP_PATH_TX_MULTI_SEG ? bytes_in_reach(m, data_off, len) : 0;
	/* Where what waits to be sent holds the whole pool, small packets need none of it. */
	if (c->engine->no_data_mbuf)
		return RTE_MIN(len, RTE_MAX(reach, headers_leave(c->engine->config.header_pool)));
	return RTE_MAX(reach, RTE_MIN(room, len));
}

/* What a segment, or several in one packet, is made of. */
struct parts {
	seq_t seq;
	uint8_t flags;
	struct rte_mbuf *m; /* its payload is `len` bytes from here on */
	uint32_t data_off;
	uint32_t len;
	uint16_t segsz; /* the device cuts it into segments of so many bytes; 0: it is one */
	bool fresh;     /* never sent before */
};

/* Whether the payload is to be copied behind the headers. */
static bool
is_copied(const struct tcp_conn *c, const struct parts *p)
{
	if (p->len <= TCP_COPY_MAX_BYTES)
		return true;
	if (p->segsz != 0)
		return false;
	return (c->path_flags & TCP_PATH_TX_MULTI_SEG) == 0 ||
	       tcp_mbufs_spanned(p->m, p->data_off, p->len) > TCP_SEGS_PER_PACKET;
}

/* The mbuf that will hold the headers, and `len` bytes of payload too if they are to be copied. */
static struct rte_mbuf *
alloc_for(struct tcp_engine *e, bool copy, uint32_t len)
{
	bool small = !copy || len <= headers_leave(e->config.header_pool);
	struct rte_mbuf *head;

	if (small)
		return rte_pktmbuf_alloc(e->config.header_pool);
	if (len > headers_leave(e->config.data_pool))
		return NULL;
	head = rte_pktmbuf_alloc(e->config.data_pool);
	e->no_data_mbuf = head == NULL;
	return head;
}

/* Writes the options of an ordinary segment where they belong; returns their length. */
static unsigned int
put_options(const struct tcp_conn *c, struct rte_mbuf *m)
{
	unsigned int ip_len =
		ip_is4(&c->tuple.remote) ? sizeof(struct ip4_header) : sizeof(struct ip6_header);
	uint8_t *at = rte_pktmbuf_mtod_offset(m, uint8_t *, ip_len + sizeof(struct tcp_header));
	unsigned int len = 0, sack_bytes = tcp_sack_option_bytes(c);

	if (c->flags & CONN_TIMESTAMPS) {
		tcp_options_encode_timestamps(tcp_now_ts(c->engine, c->ts_offset), c->ts_recent,
					      at);
		len = TCP_TIMESTAMPS_ALIGNED_BYTES;
	}
	if (sack_bytes != 0) {
		struct tcp_sack_block blocks[TCP_MAX_SACK_BLOCKS];
		unsigned int n = tcp_sack_blocks(c, blocks);

		tcp_options_encode_sack(blocks, n, at + len);
		len += sack_bytes;
	}
	return len;
}

/* RFC 3168 §6.1: adds the flags of ECN to a segment's, and returns the IP header's field. */
static uint8_t
put_ecn(struct tcp_conn *c, const struct parts *p, struct tcp_header *th)
{
	if ((c->ecn & ECN_ON) == 0)
		return IP_ECN_NOT_ECT;
	if (c->ecn & ECN_ECHO)
		th->flags |= TCP_ECE;
	if (!p->fresh || p->len == 0)
		return IP_ECN_NOT_ECT;
	if (c->ecn & ECN_TELL_CWR)
		th->flags |= TCP_CWR;
	c->ecn &= (uint8_t)~ECN_TELL_CWR;
	return IP_ECN_ECT0;
}

static bool
transmit(struct tcp_conn *c, const struct parts *p, unsigned int segs)
{
	struct tcp_engine *e = c->engine;
	bool copy = is_copied(c, p);
	struct rte_mbuf *head = alloc_for(e, copy, p->len);
	unsigned int options_len;
	struct tcp_header *th;
	uint8_t tos;

	if (head == NULL)
		goto no_mbuf;
	options_len = put_options(c, head);
	th = headers_start(head, &c->tuple, options_len);
	th->seq = be32(p->seq);
	th->ack = be32(c->rcv_nxt);
	th->flags = p->flags;
	th->wnd = be16((uint16_t)RTE_MIN(tcp_window_to_offer(c) >> c->rcv_wscale_shift, 0xffffu));
	if (c->flags & CONN_URG_SEND) {
		th->urg = be16(tcp_urgent_pointer(c, p->seq));
		th->flags |= be16_get(th->urg) != 0 ? TCP_URG : 0;
	}
	if (p->len > 0 && copy)
		copy_payload(head, p->m, p->data_off, p->len);
	else if (p->len > 0 && !refer_payload(e, head, p->m, p->data_off, p->len)) {
		rte_pktmbuf_free(head);
		goto no_mbuf;
	}
	head->tso_segsz = p->segsz;
	tos = (uint8_t)(c->tos | put_ecn(c, p, th));
	headers_finish(e, head, &c->tuple, (struct headers_marks){c->ttl, tos}, c->path_flags);
	tcp_transmit_enqueue(e, head, c->hop, segs);
	c->segs_out += segs;
	if (p->len > 0) {
		c->data_segs_out += segs;
		c->bytes_sent += p->len;
		c->last_data_sent_ms = e->now_ms;
	}
	tcp_note_ack_sent(c, p->len > 0);
	return true;
no_mbuf:
	TCP_COUNT(e, tx_no_mbuf);
	return false;
}

bool
tcp_transmit_segment(struct tcp_conn *c, seq_t seq, uint8_t flags, struct rte_mbuf *m,
		     uint32_t data_off, uint32_t len)
{
	struct parts p = {seq, flags, m, data_off, len, 0, false};

	return tcp_conn_has_path(c) && transmit(c, &p, 1);
}

bool
tcp_transmit_new(struct tcp_conn *c, seq_t seq, uint8_t flags, struct rte_mbuf *m,
		 uint32_t data_off, uint32_t len)
{
	struct parts p = {seq, flags, m, data_off, len, 0, true};

	return tcp_conn_has_path(c) && transmit(c, &p, 1);
}

bool
tcp_transmit_super(struct tcp_conn *c, seq_t seq, uint8_t flags, struct rte_mbuf *m,
		   uint32_t data_off, uint32_t len, uint16_t segsz, unsigned int segs)
{
	struct parts p = {seq, flags, m, data_off, len, segsz, true};

	/* The path may just have become another. */
	if (!tcp_conn_has_path(c) || (c->path_flags & TCP_PATH_TX_TSO) == 0 || segsz > c->mss ||
	    !transmit(c, &p, segs))
		return false;
	c->engine->ip_id = (uint16_t)(c->engine->ip_id + segs - 1);
	TCP_COUNT(c->engine, tso_packets);
	return true;
}

/* The options of a SYN or SYN-ACK; returns their length. */
static unsigned int
put_syn_options(const struct tcp_conn *c, bool is_answer, const struct tcp_fastopen_cookie *cookie,
		uint8_t *bytes)
{
	const struct tcp_engine *e = c->engine;
	/* As Linux, where it makes a difference: a SYN with data may have been too big. */
	uint16_t mtu = c->fastopen.data_out ? c->mtu : c->link_mtu;
	struct tcp_options opt = {
		.has_mss = true,
		.mss = tcp_announced_mss(mtu, ip_is4(&c->tuple.remote), c->user_mss),
		.sack_permitted = is_answer ? (c->flags & CONN_SACK) != 0 : e->config.sack,
		.has_timestamps =
			is_answer ? (c->flags & CONN_TIMESTAMPS) != 0 : e->config.timestamps,
		.has_wscale = is_answer ? (c->flags & CONN_WSCALE) != 0 : e->config.window_scaling,
		.wscale_shift = c->rcv_wscale_shift,
		.ts_val = tcp_now_ts(e, c->ts_offset),
		.ts_ecr = is_answer ? c->ts_recent : 0,
		.has_fastopen = cookie != NULL,
	};

	if (cookie != NULL)
		opt.fastopen = *cookie;
	return tcp_options_encode_syn(&opt, bytes);
}

/* A SYN with payload. */
static bool
transmit_syn_data(struct tcp_conn *c, const struct tcp_reply *syn, const struct tcp_syn_load *load)
{
	struct tcp_engine *e = c->engine;
	struct parts p = {.m = load->m, .data_off = load->data_off, .len = load->len};
	bool copy = is_copied(c, &p);
	struct rte_mbuf *head = alloc_for(e, copy, p.len);
	struct tcp_header *th;

	if (head == NULL)
		goto no_mbuf;
	th = headers_start(head, syn->tuple, syn->options_len);
	th->seq = be32(syn->seq);
	th->ack = be32(0);
	th->flags = syn->flags;
	th->wnd = be16(syn->wnd);
	memcpy(th + 1, syn->options, syn->options_len);
	if (copy) {
		copy_payload(head, p.m, p.data_off, p.len);
	} else if (!refer_payload(e, head, p.m, p.data_off, p.len)) {
		rte_pktmbuf_free(head);
		goto no_mbuf;
	}
	headers_finish(e, head, syn->tuple, (struct headers_marks){c->ttl, syn->tos},
		       syn->path_flags);
	tcp_transmit_enqueue(e, head, syn->hop, 1);
	c->data_segs_out++;
	c->bytes_sent += p.len;
	c->last_data_sent_ms = e->now_ms;
	return true;
no_mbuf:
	TCP_COUNT(e, tx_no_mbuf);
	return false;
}

bool
tcp_transmit_syn(struct tcp_conn *c, uint8_t flags, const struct tcp_syn_load *load)
{
	bool is_answer = (flags & TCP_ACK) != 0, sent;
	uint8_t bytes[TCP_MAX_OPTION_BYTES];
	struct tcp_reply reply = {
		.tuple = &c->tuple,
		.seq = c->iss,
		.ack = is_answer ? c->rcv_nxt : 0,
		.wnd = c->syn_wnd,
		.flags = flags,
		.tos = c->tos,
		.options = bytes,
	};

	if (!tcp_conn_has_path(c))
		return false;
	reply.options_len =
		put_syn_options(c, is_answer, load != NULL ? load->cookie : NULL, bytes);
	reply.options_len = tcp_smc_put(c, bytes, reply.options_len);
	reply.hop = c->hop;
	reply.path_flags = c->path_flags;
	if (load != NULL && load->len > 0)
		sent = transmit_syn_data(c, &reply, load);
	else
		sent = tcp_transmit_reply(c->engine, &reply);
	if (!sent)
		return false;
	c->segs_out++;
	if (is_answer)
		tcp_note_ack_sent(c, false);
	return true;
}
