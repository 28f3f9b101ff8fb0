/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Repair, Linux's TCP_REPAIR, with one difference that makes packet filters needless: a connection
 * in repair is frozen.
 *
 *     what arrives    its entry in the flow table says FLOW_FROZEN: dropped and counted there
 *     its timers      are out of the wheel; on leaving they are as far away as they were
 *     what it sends   tcp_output() passes it by, and nobody else sends; but an acknowledgment that
 *                     is owed leaves first, or the peer would wait for it, and one that has kept
 *                     nothing but a SYN cookie would not know what comes later
 *
 * In repair the queues are read by MSG_PEEK and written by send(); connect() makes an open
 * connection of a closed socket, and close() ends an open one, neither by a packet. Its address is
 * then mute (mute.c). The options are in sockopt_repair.c.
 *
 * DEVIATION: Linux goes on acknowledging and retransmitting in repair, sends a FIN at once whose
 * queue is not chosen, and answers MSG_PEEK on a short buffer with the whole queue's length.
 * Tests: test/wire/repair*.c.
 */
#include <errno.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "engine.h"

void
tcp_set_privileged(struct tcp_conn *c, bool privileged)
{
	c->repair.privileged = privileged;
}

bool
tcp_in_repair(const struct tcp_conn *c)
{
	return c->frozen;
}

/* ---- entering and leaving */

/* The entry is there already, so changing what it means cannot fail. */
static void
change_flow(struct tcp_conn *c, enum flow_kind kind)
{
	struct flow_table *t = &c->engine->flows;

	if (c->flags & CONN_IN_FLOWS)
		flow_set(t, &c->tuple, flow_hash(t, &c->tuple), flow_make(c, kind));
}

void
tcp_repair_acknowledge(struct tcp_conn *c)
{
	if (c->frozen || c->state <= TCP_SYN_SENT ||
	    (c->flags & (CONN_ACK_NOW | CONN_ACK_DELAYED)) == 0 || !tcp_conn_has_path(c))
		return;
	if (tcp_transmit_segment(c, c->snd_nxt, TCP_ACK, NULL, 0, 0))
		TCP_COUNT(c->engine, acks_out);
}

void
tcp_repair_enter(struct tcp_conn *c)
{
	c->repair.queue = TCP_REPAIR_NO_QUEUE;
	if (c->frozen)
		return;
	tcp_repair_acknowledge(c);
	TCP_COUNT(c->engine, repairs);
	c->frozen = true;
	c->repair.since_us = c->engine->now_us;
	wheel_remove(&c->timer);
	change_flow(c, FLOW_FROZEN);
}

int
tcp_freeze(struct tcp_conn *c)
{
	if (c->state <= TCP_LISTEN)
		return -EINVAL;
	if (tcp_clc_is_on(c))
		return -EBUSY;
	tcp_repair_enter(c);
	return 0;
}

static void
move_due(uint64_t *at_us, uint64_t by_us)
{
	if (*at_us != UINT64_MAX)
		*at_us += by_us;
}

/* What was noted in repair stays in the past, too. */
static void
move_since(uint64_t *at_us, uint64_t by_us, uint64_t now_us)
{
	if (*at_us != 0)
		*at_us = RTE_MIN(*at_us + by_us, now_us);
}

static void
move_since_ms(uint32_t *at_ms, uint32_t by_ms, uint32_t now_ms)
{
	uint32_t age_ms = now_ms - *at_ms;

	*at_ms += RTE_MIN(by_ms, age_ms);
}

/* As if the time in repair had not been. */
static void
move_times(struct tcp_conn *c)
{
	uint64_t now_us = c->engine->now_us, by_us = now_us - c->repair.since_us;
	uint32_t now_ms = c->engine->now_ms, by_ms = (uint32_t)(by_us / 1000);
	struct tcp_sent *s;

#define KEPT_DUE_US(name, field) move_due(&c->field, by_us);
#define KEPT_SINCE_US(name, field) move_since(&c->field, by_us, now_us);
#define KEPT_SINCE_MS(name, field) move_since_ms(&c->field, by_ms, now_ms);
#include "checkpoint.def"
	TAILQ_FOREACH (s, &c->sent, link)
		move_since(&s->sent_us, by_us, now_us);
}

void
tcp_repair_leave(struct tcp_conn *c)
{
	if (!c->frozen)
		return;
	c->frozen = false;
	move_times(c);
	change_flow(c, FLOW_CONN);
	if (c->state <= TCP_LISTEN)
		return;
	tcp_timers_arm(c);
	tcp_mark_dirty(c);
	tcp_mark_event(c);
}

void
tcp_repair_probe(struct tcp_conn *c)
{
	if (c->state == TCP_ESTABLISHED)
		tcp_repair_ask(c);
}

void
tcp_repair_ask(struct tcp_conn *c)
{
	if (!tcp_conn_has_path(c))
		return;
	/* Whatever answers updates the window. */
	c->snd_wl1 = c->rcv_nxt - 1;
	if (tcp_transmit_segment(c, c->snd_una - 1, TCP_ACK, NULL, 0, 0))
		TCP_COUNT(c->engine, repair_probes);
}

/* ---- the queues */

static ssize_t
peek(const struct mbufq *q, uint32_t from, void *buf, size_t bytes, int flags)
{
	uint32_t n = (uint32_t)RTE_MIN(bytes, (size_t)(q->bytes - from));

	if ((flags & MSG_TRUNC) == 0)
		mbufq_copy_out(q, from, buf, n);
	return (ssize_t)n;
}

static ssize_t
peek_received(struct tcp_conn *c, uint32_t skip, void *buf, size_t bytes, int flags)
{
	uint32_t from = c->peek_off >= 0 ? (uint32_t)c->peek_off : skip;
	ssize_t n;

	if (from >= c->recvq.bytes)
		return c->state == TCP_CLOSED || (c->flags & (CONN_PEER_FIN | CONN_RD_SHUT))
			       ? 0
			       : -EAGAIN;
	n = peek(&c->recvq, from, buf, bytes, flags);
	if (c->peek_off >= 0)
		c->peek_off += (int)n;
	return n;
}

ssize_t
tcp_repair_peek(struct tcp_conn *c, uint32_t skip, void *buf, size_t bytes, int flags)
{
	switch (c->repair.queue) {
	case TCP_REPAIR_SEND_QUEUE:
		return peek(&c->sendq, RTE_MIN(skip, c->sendq.bytes), buf, bytes, flags);
	case TCP_REPAIR_RECV_QUEUE:
		return peek_received(c, skip, buf, bytes, flags);
	default:
		return -EINVAL;
	}
}

ssize_t
tcp_repair_recv(struct tcp_conn *c, void *buf, size_t bytes, int flags)
{
	if (flags & MSG_OOB)
		return -EINVAL;
	if ((flags & MSG_PEEK) == 0)
		return -EPERM;
	return tcp_repair_peek(c, 0, buf, bytes, flags);
}

struct rte_mbuf *
tcp_repair_copy(struct tcp_engine *e, const uint8_t *from, size_t bytes, uint32_t most)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(e->config.data_pool);

	if (m == NULL)
		return NULL;
	m->packet_type = 0;
	m->data_len = (uint16_t)RTE_MIN(bytes, (size_t)RTE_MIN(rte_pktmbuf_tailroom(m), most));
	memcpy(rte_pktmbuf_mtod(m, void *), from, m->data_len);
	return m;
}

/* Behind what was received: it was before, elsewhere. */
static ssize_t
fill_received(struct tcp_conn *c, const uint8_t *from, size_t bytes)
{
	struct tcp_engine *e = c->engine;
	uint32_t before = c->recvq.bytes;
	struct rte_mbuf *m;
	size_t done = 0;

	while (done < bytes && c->recvq.charge < c->rcvbuf_bytes &&
	       e->held_bufs < e->config.max_held_bufs &&
	       (m = tcp_repair_copy(e, from + done, bytes - done, UINT16_MAX)) != NULL) {
		done += m->data_len;
		mbufq_append(&c->recvq, m);
		tcp_rcv_adjust_held(e, 0, 1);
	}
	c->rcv_nxt += c->recvq.bytes - before;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
	c->bytes_received += c->recvq.bytes - before;
	if (done > 0)
		tcp_mark_event(c);
	return done > 0 ? (ssize_t)done : -ENOBUFS;
}

/* No round trip is measured by these records (Karn). */
bool
tcp_repair_mark_sent(struct tcp_conn *c, uint32_t unsent)
{
	struct tcp_sent *s = NULL;

	while (c->unsent_bytes > unsent) {
		uint32_t len = RTE_MIN(c->unsent_bytes - unsent, (uint32_t)c->mss);
		struct tcp_sent *next = tcp_sent_append(c, len, SENT_EVER_RETRANS);

		if (next == NULL) {
			TCP_COUNT(c->engine, tx_no_mbuf);
			break;
		}
		s = next;
		s->m = c->unsent_m;
		s->data_off = (uint16_t)c->unsent_off;
		c->snd_nxt += len;
		c->unsent_bytes -= len;
		tcp_position_advance(&c->unsent_m, &c->unsent_off, len);
		if (len < c->mss)
			c->snd_sml = c->snd_nxt;
	}
	if (s != NULL)
		s->flags |= SENT_PSH;
	c->pushed_seq = c->snd_nxt;
	return c->unsent_bytes == unsent;
}

static ssize_t
fill_sent(struct tcp_conn *c, const uint8_t *from, size_t bytes)
{
	struct tcp_engine *e = c->engine;
	struct rte_mbuf *m;
	size_t done = 0;

	while (done < bytes && tcp_send_memory(c) > 0 &&
	       (m = tcp_repair_copy(e, from + done, bytes - done, c->mss)) != NULL) {
		done += m->data_len;
		c->unsent_bytes += m->data_len;
		if (c->unsent_m == NULL) {
			c->unsent_m = m;
			c->unsent_off = m->data_off;
		}
		mbufq_append(&c->sendq, m);
		e->queued_bufs++;
	}
	if (done == 0)
		return -EAGAIN;
	tcp_chrono_start(c, CHRONO_BUSY);
	/* Without records for all of it the rest is unsent: to the peer it comes twice. */
	tcp_repair_mark_sent(c, 0);
	return (ssize_t)done;
}

ssize_t
tcp_repair_send(struct tcp_conn *c, const void *buf, size_t bytes, int flags)
{
	(void)flags;
	/* A child with data in its SYN may write before its handshake is over. */
	if (c->state < TCP_ESTABLISHED && (c->flags & CONN_OPENING) == 0)
		return -EAGAIN;
	if (c->repair.queue == TCP_REPAIR_NO_QUEUE)
		return -EINVAL;
	if (bytes == 0)
		return 0;
	bytes = RTE_MIN(bytes, (size_t)UINT32_MAX / 2);
	return c->repair.queue == TCP_REPAIR_RECV_QUEUE ? fill_received(c, buf, bytes)
							: fill_sent(c, buf, bytes);
}

/* With the send queue chosen the FIN has left, in the life that the connection had before. */
void
tcp_repair_fin(struct tcp_conn *c)
{
	if (c->repair.queue != TCP_REPAIR_SEND_QUEUE || c->unsent_bytes > 0 ||
	    (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) != CONN_FIN_DUE ||
	    tcp_sent_append(c, 1, SENT_FIN | SENT_EVER_RETRANS) == NULL)
		return;
	c->snd_nxt++;
	c->flags |= CONN_FIN_SENT;
}

/* ---- coming and going without a packet */

seq_t
tcp_repair_first_seq(struct tcp_conn *c)
{
	seq_t seq = c->repair.snd_seq;

	c->repair.snd_seq = 0;
	c->repair.snd_seq_set = false;
	return seq;
}

int
tcp_repair_connect(struct tcp_conn *c, const struct tcp_endpoint *remote)
{
	uint32_t ts_offset = c->ts_offset; /* TCP_TIMESTAMP may have set it */
	int status = tcp_connect_prepare(c, remote);

	if (status < 0)
		return status;
	c->ts_offset = ts_offset;
	c->iss = c->snd_una - 1;
	c->irs = c->rcv_nxt - 1;
	c->rcv_wup = c->rcv_nxt;
	c->rcv_adv = c->rcv_nxt + c->syn_wnd;
	c->snd_wl1 = 0;
	c->rcv_wscale_shift = 0;
	c->peer_mss = ip_is4(&c->tuple.remote) ? TCP_MSS_DEFAULT4 : TCP_MSS_DEFAULT6;
	c->bytes_sent = 0;
	c->ecn = 0;
	c->state = TCP_ESTABLISHED;
	/* Until TCP_REPAIR_OPTIONS says so there is none, but what the window may become stays. */
	c->flags |= CONN_WSCALE;
	tcp_conn_start(c);
	c->flags &= ~CONN_WSCALE;
	c->flags |= CONN_WAS_CONNECTED | CONN_CONNECT_DONE;
	TCP_COUNT(c->engine, repair_connects);
	tcp_mark_event(c);
	return 0;
}

void
tcp_repair_close(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	if (c->state == TCP_LISTEN)
		tcp_listener_close(c);
	if (c->flags & CONN_IN_FLOWS)
		tcp_mute_enter(c);
	if (c->flags & CONN_ACCEPTING)
		tcp_accept_queue_remove(c);
	e->orphans += (c->flags & CONN_ORPHAN) == 0;
	c->flags |= CONN_ORPHAN;
	c->user = NULL;
	tcp_conn_free(c);
}

void
tcp_repair_end(struct tcp_conn *c)
{
	if (c->flags & CONN_IN_FLOWS)
		tcp_mute_enter(c);
	tcp_conn_end(c, ECONNABORTED);
}

void
tcp_take_away(struct tcp_conn *c)
{
	tcp_repair_end(c);
	tcp_rcv_adjust_held(c->engine, c->recvq.bufs, 0);
	mbufq_clear(&c->recvq);
	c->flags &= ~CONN_FIN_KNOWN; /* first the error, then the end */
	c->frozen = false;
}
