/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Urgent data: RFC 9293 §3.8.5, RFC 6093, with Linux's semantics.
 *
 * The urgent pointer points behind the urgent byte, as every stack sends it and RFC 6093 §2.1
 * found; what RFC 1122 wanted, and Linux has behind tcp_stdurg, is left out. There is one mark at
 * most: a later pointer takes the place of an earlier one.
 *
 *     read | to be read ...............
 *          |        U                  urg_seq is U's number; recv() stops before it, and the next
 *      copied_seq                      one leaves it out, unless SO_OOBINLINE is set
 *
 * recv(MSG_OOB) reads the byte out of turn, once it has arrived. A pointer to where nothing ever
 * arrives does no harm: it is one number, given up for the next one or once the stream is read past
 * it. Reading in place (tcp_peek_mbufs) sees urgent bytes in line.
 */
#include <errno.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "engine.h"

/* How far behind a segment's first byte the field reaches. */
enum { POINTER_MAX = 0xffff };

/* ---- receiving */

/* The first byte not read yet. */
static seq_t
copied_seq(const struct tcp_conn *c)
{
	bool fin = (c->flags & CONN_FIN_KNOWN) && c->rcv_nxt == c->fin_seq + 1;

	return c->rcv_nxt - (fin ? 1 : 0) - c->recvq.bytes;
}

bool
tcp_urgent_at_mark(const struct tcp_conn *c)
{
	return (c->flags & CONN_URG_MARK) && c->urg_seq == copied_seq(c);
}

uint32_t
tcp_urgent_unread(const struct tcp_conn *c)
{
	uint32_t ahead = c->urg_seq - copied_seq(c);

	if ((c->flags & CONN_URG_MARK) == 0 || c->oob_inline || ahead >= c->recvq.bytes)
		return c->recvq.bytes;
	return ahead;
}

void
tcp_urgent_consumed(struct tcp_conn *c)
{
	if (seq_gt(copied_seq(c), c->urg_seq))
		c->flags &= ~CONN_URG_MARK;
}

static void
skip_byte(struct tcp_conn *c)
{
	uint32_t bufs = c->recvq.bufs;

	mbufq_trim_front(&c->recvq, 1);
	tcp_rcv_adjust_held(c->engine, bufs, c->recvq.bufs);
}

/* A pointer arrived. */
static void
take_pointer(struct tcp_conn *c, const struct tcp_segment *seg)
{
	seq_t mark = seg->seq + seg->urg - (seg->urg > 0);

	/* Read already, or arrived already and not known to be urgent then. */
	if (seq_gt(copied_seq(c), mark) || seq_lt(mark, c->rcv_nxt))
		return;
	if ((c->flags & CONN_URG_MARK) && seq_leq(mark, c->urg_seq))
		return;
	/* Two urgent bytes in a row, and the first is next to be read: neither is in the stream. */
	if (tcp_urgent_at_mark(c) && !c->oob_inline && c->recvq.bytes > 0)
		skip_byte(c);
	TCP_COUNT(c->engine, urgent_marks);
	c->flags |= CONN_URG_MARK;
	c->urg_state = URG_AWAITED;
	c->urg_seq = mark;
}

static uint8_t
byte_at(const struct rte_mbuf *m, uint32_t offset)
{
	while (offset >= m->data_len) {
		offset -= m->data_len;
		m = m->next;
	}
	return *rte_pktmbuf_mtod_offset(m, const uint8_t *, offset);
}

void
tcp_urgent_arrives(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (seg->flags & TCP_URG)
		take_pointer(c, seg);
	if ((c->flags & CONN_URG_MARK) && c->urg_state == URG_AWAITED &&
	    c->urg_seq - seg->seq < seg->len) {
		c->urg_byte = byte_at(seg->m, c->urg_seq - seg->seq);
		c->urg_state = URG_HERE;
		tcp_mark_event(c);
	}
}

ssize_t
tcp_urgent_recv_oob(struct tcp_conn *c, void *buf, size_t bytes, int flags)
{
	if (c->state == TCP_LISTEN)
		return -ENOTCONN;
	if (c->oob_inline || (c->flags & CONN_URG_MARK) == 0 || c->urg_state == URG_READ)
		return -EINVAL;
	if (c->state == TCP_CLOSED && !tcp_peer_finished(c))
		return -ENOTCONN;
	if (c->urg_state == URG_AWAITED) {
		bool ended =
			c->state == TCP_CLOSED || (c->flags & (CONN_PEER_FIN | CONN_RD_SHUT)) != 0;

		return ended ? 0 : -EAGAIN;
	}
	if ((flags & MSG_PEEK) == 0)
		c->urg_state = URG_READ;
	if (bytes == 0)
		return 0;
	if ((flags & MSG_TRUNC) == 0)
		memcpy(buf, &c->urg_byte, 1);
	return 1;
}

/* What one recv() takes while there is a mark: up to it or, from it on, without its byte. */
ssize_t
tcp_urgent_recv(struct tcp_conn *c, void *buf, size_t bytes, int flags)
{
	uint32_t ahead = c->urg_seq - copied_seq(c), offset = 0, n;

	if (ahead == 0 && !c->oob_inline && c->recvq.bytes > 0)
		offset = 1;
	n = (uint32_t)RTE_MIN(bytes, (size_t)(c->recvq.bytes - offset));
	if (ahead > 0 && ahead < n)
		n = ahead;
	if (n > 0 && (flags & MSG_TRUNC) == 0)
		mbufq_copy_out(&c->recvq, offset, buf, n);
	if ((flags & MSG_PEEK) == 0)
		tcp_consume(c, offset + n);
	return (ssize_t)n;
}

short
tcp_urgent_poll(const struct tcp_conn *c)
{
	return c->urg_state == URG_HERE ? 0x002 /* POLLPRI */ : 0;
}

bool
tcp_urgent_hides_all(const struct tcp_conn *c)
{
	return c->recvq.bytes == 1 && !c->oob_inline && tcp_urgent_at_mark(c);
}

/* ---- sending */

void
tcp_urgent_send(struct tcp_conn *c)
{
	c->flags |= CONN_URG_SEND;
	c->snd_up = c->snd_nxt + c->unsent_bytes;
}

bool
tcp_urgent_pending(struct tcp_conn *c)
{
	if (seq_leq(c->snd_up, c->snd_una))
		c->flags &= ~CONN_URG_SEND;
	return (c->flags & CONN_URG_SEND) != 0;
}

uint16_t
tcp_urgent_pointer(struct tcp_conn *c, seq_t seq)
{
	if (!tcp_urgent_pending(c) || seq_geq(seq, c->snd_up))
		return 0;
	if (c->snd_up - seq <= POINTER_MAX)
		return (uint16_t)(c->snd_up - seq);
	/* Too far to say; as far as can be said, where nothing that was sent is farther. */
	return seq_gt(seq + POINTER_MAX, c->snd_nxt) ? POINTER_MAX : 0;
}
