/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket calls, with Linux's semantics and errno values: RFC 9293 §3.10.2 to §3.10.5.
 * Connecting is connect.c.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "engine.h"

enum {
	PIECE_MAX_BYTES = 65483, /* what one packet carries besides its headers, at most */
	PUSH_MIN_SEGS = 8,       /* a smaller piece waits for what is queued behind it */
};

int
tcp_open(struct tcp_engine *e, int family, struct tcp_conn **out)
{
	struct tcp_conn *c;

	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	c = tcp_conn_new(e);
	if (c == NULL)
		return -ENOBUFS;
	if (family == AF_INET6)
		c->flags |= CONN_FAMILY6;
	*out = c;
	return 0;
}

void
tcp_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

void *
tcp_user(const struct tcp_conn *c)
{
	return c->flags & CONN_ACCEPTING ? NULL : c->user;
}

void
tcp_set_uid(struct tcp_conn *c, uint32_t uid)
{
	c->uid = uid;
	tcp_hold_changed(c);
}

int
tcp_family(const struct tcp_conn *c)
{
	return c->flags & CONN_FAMILY6 ? AF_INET6 : AF_INET;
}

struct tcp_engine *
tcp_engine_of(const struct tcp_conn *c)
{
	return c->engine;
}

enum tcp_state
tcp_state(const struct tcp_conn *c)
{
	return (enum tcp_state)c->state;
}

bool
tcp_is_unused(const struct tcp_conn *c)
{
	return c->state == TCP_CLOSED && (c->flags & (CONN_ACTIVE | CONN_WAS_CONNECTED)) == 0;
}

/* ---- sending */

/* The user found no room: he hears when there is some. */
static int
no_room(struct tcp_conn *c)
{
	c->flags |= CONN_WANT_ROOM;
	return -EAGAIN;
}

/* Whether its user may use it although the handshake is not finished: a Fast Open child. */
static bool
is_opening(const struct tcp_conn *c)
{
	return c->state == TCP_SYN_RECEIVED && (c->flags & CONN_OPENING) != 0;
}

enum { DEFERRED = 1 };

/* 0 if data may be queued now, DEFERRED if it is to go with the SYN. */
static int
send_status(struct tcp_conn *c)
{
	if (c->error != 0)
		return tcp_take_error(c);
	if (is_opening(c))
		return c->flags & CONN_FIN_DUE ? -EPIPE : 0;
	if (tcp_clc_is_on(c))
		return no_room(c);
	switch (c->state) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECEIVED:
		if (c->fastopen.deferred)
			return DEFERRED;
		c->flags |= CONN_WANT_ROOM;
		return -EAGAIN;
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
		return c->flags & CONN_FIN_DUE ? -EPIPE : 0;
	default:
		return -EPIPE;
	}
}

/*
 * The send queue's memory in SO_SNDBUF's terms: on Linux a full segment costs little more than its
 * payload, here it costs a whole buffer.
 */
static uint32_t
sent_charge(const struct tcp_conn *c)
{
	return (uint32_t)((uint64_t)c->sendq.charge * c->snd_ratio >> 16);
}

static uint32_t
room_bytes(const struct tcp_conn *c)
{
	const struct tcp_engine *e = c->engine;
	uint32_t charge = sent_charge(c);

	/* The last quarter of the lane's buffers is for who has none, and for copies to send. */
	if (c->sendq.bufs > 0 && e->queued_bufs > e->config.data_pool->size / 4 * 3)
		return 0;
	if (charge >= c->sndbuf_bytes || c->unsent_bytes >= tcp_notsent_lowat(c))
		return 0;
	return c->sndbuf_bytes - charge;
}

uint32_t
tcp_send_memory(const struct tcp_conn *c)
{
	return room_bytes(c);
}

/* Bytes behind `old_tail`, up to which everything was queued before, are now the user's news. */
static void
note_queued(struct tcp_conn *c, struct rte_mbuf *m, uint32_t off, uint32_t n, int flags)
{
	if (c->unsent_m == NULL) {
		c->unsent_m = m;
		c->unsent_off = off;
	}
	c->unsent_bytes += n;
	tcp_chrono_start(c, CHRONO_BUSY);
	if (flags & MSG_MORE)
		c->flags |= CONN_MORE;
	else
		c->flags &= ~CONN_MORE;
	tcp_mark_dirty(c);
}

/*
 * Room behind the last byte of the queue: one mbuf holds at most a full segment, so that each later
 * needs but one reference. *m is NULL if there is none and no mbuf for more.
 */
static uint32_t
tail_room(struct tcp_conn *c, struct rte_mbuf **m)
{
	struct rte_mempool *pool = c->engine->config.data_pool;
	struct rte_mbuf *tail = c->sendq.tail;
	uint32_t room;

	if (tail != NULL && tail->pool == pool && RTE_MBUF_DIRECT(tail) &&
	    (tail->packet_type & MBUF_EOR) == 0 && tail->data_len < c->mss) {
		room = RTE_MIN((uint32_t)rte_pktmbuf_tailroom(tail),
			       (uint32_t)c->mss - tail->data_len);
		if (room > 0) {
			*m = tail;
			return room;
		}
	}
	*m = rte_pktmbuf_alloc(pool);
	if (*m == NULL)
		return 0;
	(*m)->packet_type = 0;
	return RTE_MIN((uint32_t)rte_pktmbuf_tailroom(*m), (uint32_t)c->mss);
}

/*
 * How much a piece of the send queue holds: as Linux, half of the largest window seen, in whole
 * segments. What is unsent is a row of pieces; room is asked for when a new one begins.
 */
static uint32_t
piece_bytes(const struct tcp_conn *c)
{
	uint32_t bytes = RTE_MIN(c->max_wnd / 2, (uint32_t)PIECE_MAX_BYTES);

	return bytes < c->mss ? c->mss : bytes - bytes % c->mss;
}

/* What the last piece still takes. */
static uint32_t
piece_left(const struct tcp_conn *c)
{
	uint32_t filled = RTE_MIN(c->piece_filled, c->unsent_bytes), whole;

	if (filled == 0)
		return 0;
	whole = piece_bytes(c);
	return filled >= whole ? 0 : whole - filled;
}

/* Copies into the last mbuf of the send queue, or a new one; returns how much, 0 without mbuf. */
static uint32_t
queue_some(struct tcp_conn *c, const uint8_t *from, uint32_t most, int flags)
{
	struct rte_mbuf *m;
	uint32_t n = RTE_MIN(tail_room(c, &m), most);

	if (m == NULL)
		return 0;
	memcpy(rte_pktmbuf_mtod_offset(m, void *, m->data_len), from, n);
	if (c->unsent_bytes == 0)
		m->packet_type &= ~(uint32_t)MBUF_PUSH; /* that write has left */
	note_queued(c, m, (uint32_t)m->data_off + m->data_len, n, flags);
	if (m == c->sendq.tail) {
		m->data_len = (uint16_t)(m->data_len + n);
		c->sendq.bytes += n;
	} else {
		m->data_len = (uint16_t)n;
		mbufq_append(&c->sendq, m);
		c->engine->queued_bufs++;
	}
	return n;
}

/* The last mbuf of a piece that takes more: takes its mark away. Returns whether there was one. */
static bool
unmark_tail(struct tcp_conn *c)
{
	struct rte_mbuf *tail = c->sendq.tail;
	bool marked = (tail->packet_type & MBUF_PUSH) != 0;

	if (tail->packet_type & MBUF_EOR)
		return false;
	tail->packet_type &= ~(uint32_t)MBUF_PUSH;
	return marked;
}

/*
 * A piece is full. As on Linux PSH is due once in half of the largest window, and then all leaves
 * that may; the first of what is unsent begins to, and what is left of it takes more.
 */
static void
piece_full(struct tcp_conn *c)
{
	seq_t end = c->snd_nxt + c->unsent_bytes;
	bool due = seq_gt(end, c->pushed_seq + c->max_wnd / 2);

	if (due) {
		c->sendq.tail->packet_type |= MBUF_PUSH;
		c->pushed_seq = end;
	}
	if (piece_bytes(c) < PUSH_MIN_SEGS * c->mss)
		return;
	if (due)
		tcp_output(c);
	else if (c->piece_filled == c->unsent_bytes)
		tcp_output_once(c);
}

/* Copies into the send queue as much as fits; stops short when mbufs run out. */
static uint32_t
queue_copy(struct tcp_conn *c, const uint8_t *from, size_t bytes, int flags, bool promised)
{
	uint32_t done = 0, left, n;
	bool marked;

	while (done < bytes) {
		left = piece_left(c);
		/* What a piece ends with stays at its end; but the write before is forgotten. */
		marked = left != 0 && unmark_tail(c) && done > 0;
		if (left == 0) {
			if (room_bytes(c) == 0 && !promised)
				break;
			left = piece_bytes(c);
			c->piece_filled = 0;
			tcp_cwnd_restart(c);
		}
		n = queue_some(c, from + done, (uint32_t)RTE_MIN((size_t)left, bytes - done),
			       flags);
		if (marked)
			c->sendq.tail->packet_type |= MBUF_PUSH;
		if (n == 0)
			break;
		done += n;
		c->piece_filled = RTE_MIN(c->piece_filled, c->unsent_bytes - n) + n;
		if (n == left)
			piece_full(c);
	}
	return done;
}

/* A write has put its last byte into the queue. */
static void
mark_end(struct tcp_conn *c, int flags)
{
	struct rte_mbuf *tail = c->sendq.tail;

	if ((flags & MSG_MORE) == 0) {
		tail->packet_type |= MBUF_PUSH;
		c->pushed_seq = c->snd_nxt + c->unsent_bytes;
	}
	if (flags & MSG_EOR) {
		tail->packet_type |= MBUF_EOR;
		c->eor_used = true;
	}
}

/* No mbuf was free. Where no acknowledgment will bring room, a timer looks again. */
static ssize_t
starved(struct tcp_conn *c)
{
	if (c->sendq.bytes == 0 && c->rtx_at_us == UINT64_MAX) {
		c->rtx_at_us = c->engine->now_us + TCP_STARVED_USER_US;
		tcp_timers_arm(c);
	}
	return no_room(c);
}

static bool
is_writable(const struct tcp_conn *c)
{
	/* As Linux: a third of the buffer is free, and half of what may wait unsent. */
	return sent_charge(c) <= c->sndbuf_bytes / 3 * 2 &&
	       (uint64_t)c->unsent_bytes * 2 < tcp_notsent_lowat(c);
}

/* MSG_MORE holds back what it is said of, not what was to leave before: as Linux, which sends that
 * in its own call. */
static void
send_before_more(struct tcp_conn *c, int flags)
{
	if ((flags & MSG_MORE) && c->unsent_bytes > 0 && (c->flags & CONN_MORE) == 0)
		tcp_output(c);
}

/* A user who now sees no room, by tcp_send_room(), hears when there is some. */
static void
want_room(struct tcp_conn *c)
{
	if (room_bytes(c) == 0)
		c->flags |= CONN_WANT_ROOM;
}

/* A write shorter than a segment, with nothing about it or the connection that needs a second look.
 */
static bool
is_plain(const struct tcp_conn *c, size_t bytes, int flags)
{
	return bytes > 0 && bytes < c->mss && flags == 0 && c->state == TCP_ESTABLISHED &&
	       (c->flags & CONN_FIN_DUE) == 0 && c->error == 0 && !tcp_clc_is_on(c) && !c->frozen &&
	       c->engine->config.fast_paths;
}

/* What tcp_send() does last for such a write, which `m` holds. */
static void
plain_is_queued(struct tcp_conn *c, struct rte_mbuf *m)
{
	m->packet_type |= MBUF_PUSH;
	c->pushed_seq = c->snd_nxt + c->unsent_bytes;
	want_room(c);
}

/* With nothing queued before it it becomes the queue: a request, an answer. Returns false, with
 * nothing changed, where that is not so, or without an mbuf that holds it. */
static bool
send_lone(struct tcp_conn *c, const void *buf, uint32_t bytes)
{
	struct rte_mbuf *m;

	if (c->sendq.head != NULL || room_bytes(c) == 0)
		return false;
	m = rte_pktmbuf_alloc(c->engine->config.data_pool);
	if (m == NULL)
		return false;
	if (rte_pktmbuf_tailroom(m) < bytes) {
		rte_pktmbuf_free(m);
		return false;
	}
	tcp_rate_check_app_limited(c);
	tcp_cwnd_restart(c);
	memcpy(rte_pktmbuf_mtod(m, void *), buf, bytes);
	m->data_len = (uint16_t)bytes;
	m->packet_type = 0;
	mbufq_push(&c->sendq, m);
	c->engine->queued_bufs++;
	note_queued(c, m, m->data_off, bytes, 0);
	c->piece_filled = bytes;
	plain_is_queued(c, m);
	return true;
}

/* Behind others that wait it joins them in the last mbuf: one of several answers. Returns false,
 * with nothing changed, where segment or mbuf would be full. */
static bool
send_joined(struct tcp_conn *c, const void *buf, uint32_t bytes)
{
	uint32_t filled = RTE_MIN(c->piece_filled, c->unsent_bytes);
	struct rte_mbuf *tail = c->sendq.tail;

	if (filled == 0 || filled + bytes >= c->mss || tail->data_len + bytes > c->mss ||
	    tail->pool != c->engine->config.data_pool || !RTE_MBUF_DIRECT(tail) ||
	    (tail->packet_type & MBUF_EOR) != 0 || rte_pktmbuf_tailroom(tail) < bytes)
		return false;
	tcp_rate_check_app_limited(c);
	memcpy(rte_pktmbuf_mtod_offset(tail, void *, tail->data_len), buf, bytes);
	tail->data_len = (uint16_t)(tail->data_len + bytes);
	c->sendq.bytes += bytes;
	note_queued(c, tail, 0, bytes, 0);
	c->piece_filled = filled + bytes;
	plain_is_queued(c, tail);
	return true;
}

ssize_t
tcp_send(struct tcp_conn *c, const void *buf, size_t bytes, int flags)
{
	int status;
	uint32_t n;

	if (is_plain(c, bytes, flags) &&
	    (send_joined(c, buf, (uint32_t)bytes) || send_lone(c, buf, (uint32_t)bytes)))
		return (ssize_t)bytes;
	status = send_status(c);
	if (status < 0)
		return status;
	if (c->frozen)
		return tcp_repair_send(c, buf, bytes, flags);
	if (status == DEFERRED)
		return tcp_fastopen_first_write(c, buf, bytes, flags);
	if (bytes == 0)
		return 0;
	if (room_bytes(c) == 0 && piece_left(c) == 0)
		return no_room(c);
	send_before_more(c, flags);
	tcp_rate_check_app_limited(c);
	n = queue_copy(c, buf, RTE_MIN(bytes, (size_t)UINT32_MAX / 2), flags, false);
	if ((flags & MSG_OOB) && n > 0)
		tcp_urgent_send(c);
	if (n < bytes)
		c->flags |= CONN_WANT_ROOM;
	if (n > 0)
		mark_end(c, n < bytes ? flags & ~MSG_EOR : flags);
	want_room(c);
	return n > 0 ? (ssize_t)n : starved(c);
}

ssize_t
tcp_send_mbufs(struct tcp_conn *c, struct rte_mbuf *chain, int flags)
{
	int status = send_status(c);
	struct rte_mbuf *tail, *first;
	uint32_t before, bufs;

	if (status < 0)
		return status;
	if (status == DEFERRED)
		return tcp_fastopen_first_mbufs(c, chain);
	if (room_bytes(c) == 0)
		return no_room(c);
	send_before_more(c, flags);
	tcp_rate_check_app_limited(c);
	tcp_cwnd_restart(c);
	tail = c->sendq.tail;
	before = c->sendq.bytes;
	bufs = c->sendq.bufs;
	for (struct rte_mbuf *m = chain; m != NULL; m = m->next)
		m->packet_type = 0;
	mbufq_append(&c->sendq, chain);
	c->engine->queued_bufs += c->sendq.bufs - bufs;
	first = tail != NULL ? tail->next : c->sendq.head;
	if (first != NULL) {
		note_queued(c, first, first->data_off, c->sendq.bytes - before, flags);
		mark_end(c, flags);
	}
	want_room(c);
	return (ssize_t)(c->sendq.bytes - before);
}

/* What queue_copy() takes for certain. */
static uint32_t
copy_room(const struct tcp_conn *c)
{
	uint32_t room = room_bytes(c);

	room -= room / 16; /* what snd_ratio adds */
	/* Under TCP_NOTSENT_LOWAT what comes after a piece depends on what may leave. */
	if (tcp_notsent_lowat(c) != UINT32_MAX)
		room = RTE_MIN(room, piece_bytes(c));
	return RTE_MAX(room, piece_left(c));
}

/* Whether send() may take bytes. */
static bool
may_send(const struct tcp_conn *c)
{
	return (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT || is_opening(c)) &&
	       (c->flags & CONN_FIN_DUE) == 0 && c->error == 0 && !tcp_clc_is_on(c);
}

size_t
tcp_send_room(const struct tcp_conn *c)
{
	return may_send(c) && !c->frozen ? copy_room(c) : 0;
}

void
tcp_want_room(struct tcp_conn *c)
{
	if (room_bytes(c) == 0 || !is_writable(c))
		c->flags |= CONN_WANT_ROOM;
}

ssize_t
tcp_send_promised(struct tcp_conn *c, const void *buf, size_t bytes, int flags)
{
	uint32_t n;

	if (!may_send(c))
		return -EPIPE;
	send_before_more(c, flags);
	tcp_rate_check_app_limited(c);
	n = queue_copy(c, buf, bytes, flags, true);
	if ((flags & MSG_OOB) && n > 0)
		tcp_urgent_send(c);
	if (n > 0)
		mark_end(c, n < bytes ? flags & ~MSG_EOR : flags);
	want_room(c);
	return n;
}

/* ---- receiving */

/* What recv() answers when the queue is empty: a FIN that came before the error counts first. */
static int
empty_status(struct tcp_conn *c)
{
	if (tcp_peer_finished(c))
		return 0;
	if (c->error != 0)
		return tcp_take_error(c);
	if (c->flags & (CONN_PEER_FIN | CONN_RD_SHUT))
		return 0;
	return c->state == TCP_CLOSED || c->state == TCP_LISTEN ? -ENOTCONN : -EAGAIN;
}

/* MSG_PEEK, from where SO_PEEK_OFF has got to. */
static ssize_t
peek(struct tcp_conn *c, void *buf, size_t bytes, int flags)
{
	uint32_t from = c->peek_off > 0 ? (uint32_t)c->peek_off : 0, n;

	if (from >= c->recvq.bytes)
		return empty_status(c);
	n = (uint32_t)RTE_MIN(bytes, (size_t)(c->recvq.bytes - from));
	if ((flags & MSG_TRUNC) == 0)
		mbufq_copy_out(&c->recvq, from, buf, n);
	if (c->peek_off >= 0)
		c->peek_off += (int)n;
	return (ssize_t)n;
}

ssize_t
tcp_recv(struct tcp_conn *c, void *buf, size_t bytes, int flags)
{
	uint32_t n = (uint32_t)RTE_MIN(bytes, (size_t)c->recvq.bytes);

	if ((flags & MSG_ERRQUEUE) || tcp_clc_is_on(c))
		return -EAGAIN;
	if (c->frozen)
		return tcp_repair_recv(c, buf, bytes, flags);
	if (flags & MSG_OOB)
		return tcp_urgent_recv_oob(c, buf, bytes, flags);
	if (c->recvq.bytes == 0)
		return empty_status(c);
	if ((c->flags & CONN_URG_MARK) && bytes > 0) {
		ssize_t got = tcp_urgent_recv(c, buf, bytes, flags);

		return got > 0 ? got : empty_status(c);
	}
	if (flags & MSG_PEEK)
		return peek(c, buf, bytes, flags);
	if ((flags & MSG_TRUNC) == 0)
		mbufq_copy_out(&c->recvq, 0, buf, n);
	tcp_consume(c, n);
	return (ssize_t)n;
}

ssize_t
tcp_peek_mbufs(struct tcp_conn *c, const struct rte_mbuf **data)
{
	if (tcp_clc_is_on(c))
		return -EAGAIN;
	if (c->recvq.bytes == 0)
		return empty_status(c);
	*data = c->recvq.head;
	return (ssize_t)c->recvq.bytes;
}

size_t
tcp_readable(const struct tcp_conn *c)
{
	return tcp_clc_is_on(c) ? 0 : c->recvq.bytes;
}

bool
tcp_has_urgent(const struct tcp_conn *c)
{
	return (c->flags & CONN_URG_MARK) != 0;
}

size_t
tcp_consume(struct tcp_conn *c, size_t bytes)
{
	uint32_t n = (uint32_t)RTE_MIN(bytes, (size_t)c->recvq.bytes), bufs = c->recvq.bufs;

	mbufq_trim_front(&c->recvq, n);
	tcp_rcv_adjust_held(c->engine, bufs, c->recvq.bufs);
	if (n == 0)
		return 0;
	if (c->peek_off > 0)
		c->peek_off -= (int)RTE_MIN(n, (uint32_t)c->peek_off);
	if (c->flags & CONN_URG_MARK)
		tcp_urgent_consumed(c);
	tcp_autotune_read(c);
	tcp_delack_read(c, n);
	tcp_window_opened(c);
	return n;
}

/* ---- closing */

/* FIN follows what is queued; the state changes at once, as on Linux. */
static void
send_no_more(struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_FIN_WAIT_1;
		break;
	case TCP_CLOSE_WAIT:
		c->state = TCP_LAST_ACK;
		break;
	case TCP_SYN_RECEIVED:
		/* As Linux: a child's FIN waits for the handshake only while its user has it. */
		if ((c->flags & CONN_OPENING) && (c->flags & CONN_ORPHAN))
			c->state = TCP_FIN_WAIT_1;
		break;
	default:
		return;
	}
	c->flags |= CONN_FIN_DUE;
	c->flags &= ~CONN_MORE;
	tcp_mark_dirty(c);
}

int
tcp_shutdown(struct tcp_conn *c, int how)
{
	uint32_t before;

	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (tcp_clc_is_on(c))
		return -ENOTCONN; /* as Linux */
	switch (c->state) {
	case TCP_CLOSED:
		return -ENOTCONN;
	case TCP_LISTEN:
		if (how != SHUT_WR) {
			tcp_listener_close(c);
			tcp_mark_event(c);
		}
		return 0;
	case TCP_SYN_SENT:
		tcp_conn_end(c, ECONNRESET);
		tcp_forget_connection(c);
		return 0;
	default:
		break;
	}
	if (c->state != TCP_SYN_RECEIVED)
		c->flags |= CONN_CONNECT_DONE; /* as Linux: nobody asks any more */
	before = c->flags;
	if (how != SHUT_WR)
		c->flags |= CONN_RD_SHUT;
	if (how != SHUT_RD)
		send_no_more(c);
	if (c->frozen)
		tcp_repair_fin(c);
	if (((c->flags ^ before) & (CONN_RD_SHUT | CONN_FIN_DUE)) != 0)
		tcp_mark_event(c);
	return 0;
}

void
tcp_abort(struct tcp_conn *c)
{
	if (c->frozen) {
		tcp_repair_close(c);
		return;
	}
	if (c->state == TCP_LISTEN)
		tcp_listener_close(c);
	c->flags |= CONN_ORPHAN;
	c->engine->orphans++;
	c->user = NULL;
	switch (c->state) {
	case TCP_CLOSED:
	case TCP_SYN_SENT:
		tcp_conn_end(c, 0);
		break;
	default:
		tcp_conn_reset(c, 0);
		break;
	}
}

void
tcp_close(struct tcp_conn *c)
{
	if (c->frozen || c->state == TCP_LISTEN || c->state == TCP_CLOSED ||
	    c->state == TCP_SYN_SENT || (c->flags & CONN_LINGER_RESET) || tcp_clc_is_on(c)) {
		tcp_abort(c);
		return;
	}
	if (c->recvq.bytes > 0) {
		TCP_COUNT(c->engine, orphans_reset);
		tcp_abort(c);
		return;
	}
	c->flags |= CONN_ORPHAN;
	c->engine->orphans++;
	c->user = NULL;
	send_no_more(c);
	tcp_user_closed(c);
}

/* ---- looking */

short
tcp_poll(const struct tcp_conn *c)
{
	bool rd_shut = (c->flags & (CONN_PEER_FIN | CONN_RD_SHUT)) != 0;
	bool wr_shut = (c->flags & CONN_FIN_DUE) != 0 || (c->state == TCP_CLOSED && rd_shut);
	short events = 0;

	if (c->state == TCP_LISTEN)
		return c->bound->accept_head != NULL ? POLLIN | POLLRDNORM : 0;
	if (tcp_clc_is_on(c))
		return 0;
	if (c->state == TCP_CLOSED || (rd_shut && wr_shut))
		events |= POLLHUP;
	if (rd_shut)
		events |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (c->error != 0 || c->zerocopy.due)
		events |= POLLERR;
	if (c->state == TCP_SYN_SENT || (c->state == TCP_SYN_RECEIVED && !is_opening(c)))
		return c->fastopen.deferred ? events | POLLOUT | POLLWRNORM : events;
	if (tcp_rcv_is_ready(c))
		events |= POLLIN | POLLRDNORM;
	if (c->flags & CONN_URG_MARK)
		events |= tcp_urgent_poll(c);
	if (wr_shut || is_writable(c))
		events |= POLLOUT | POLLWRNORM;
	return events;
}

int
tcp_getsockname(const struct tcp_conn *c, struct tcp_endpoint *local)
{
	if (c->state != TCP_CLOSED && c->state != TCP_LISTEN)
		*local = (struct tcp_endpoint){c->tuple.local, be16_get(c->tuple.lport)};
	else if (c->bound != NULL)
		*local = c->bound->local;
	else if (be16_get(c->tuple.lport) != 0 && c->state == TCP_CLOSED)
		/* As Linux: what it had while it was connected. */
		*local = (struct tcp_endpoint){c->tuple.local, be16_get(c->tuple.lport)};
	else
		*local = (struct tcp_endpoint){.ip = c->bind_ip};
	return 0;
}

int
tcp_getpeername(const struct tcp_conn *c, struct tcp_endpoint *remote)
{
	if (c->state == TCP_CLOSED || c->state == TCP_LISTEN || c->state == TCP_SYN_SENT ||
	    tcp_clc_is_on(c))
		return -ENOTCONN;
	*remote = (struct tcp_endpoint){c->tuple.remote, be16_get(c->tuple.rport)};
	return 0;
}
